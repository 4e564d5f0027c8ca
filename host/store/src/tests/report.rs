//! Reports say what the ledger says, and count each ping once.

use std::time::{Duration, Instant};

use gavel_market::{
    ids::{BuyerId, LeadId, OrderId, PingId, Ulid},
    ledger::totals,
    model::OnUnconfirmed,
    money::Money,
    order::End,
    reason::{Outcome, RejectReason},
    record::PingRecord,
    report::{AccountLine, Counted, Hours, Measures, OTHER, PingLine, Place, SUB_IDS_KEPT},
};

use super::{
    fresh, gated, open,
    sample::{self, NOW_MS, WINDOW_MS, id, money},
};
use crate::{Needs, OpenOrderError, Rooms, Store, StoreError, Uncounted, keys};

/// Pings that are counted in one change.
const CHUNK: usize = 50;

/// The marks of these pings and what they come to, as the exchange works it out.
fn work_out(store: &Store) -> (Vec<Uncounted>, Counted) {
    let hours = Hours::named("UTC");
    let mut counted = Counted::default();
    let pings = store.uncounted(u64::MAX, CHUNK).expect("readable");
    let marks = pings.into_iter().map(|ping| {
        let record = ping.record.expect("readable");
        let hour_ms = hours.start_ms(record.input.received_at_ms);
        counted.add_ping(&record, hour_ms, |account| {
            account
                .as_str()
                .replace("account", "buyer")
                .parse::<BuyerId>()
                .ok()
        });
        ping.mark
    });
    (marks.collect(), counted)
}

/// Counts whatever is not counted yet; returns how many pings that were.
pub(super) async fn count(store: &Store) -> usize {
    let mut all = 0;
    loop {
        let (marks, counted) = work_out(store);
        if marks.is_empty() {
            // Whoever counts without end lets others do something in between.
            tokio::task::yield_now().await;
            return all;
        }
        let number = marks.len();
        if store.count_pings(marks, counted).await.expect("counted") {
            all += number;
        }
    }
}

fn ping_lines(store: &Store) -> Vec<(Place, PingLine, Measures)> {
    let mut all = Vec::new();
    let shown = store.ping_sums::<StoreError>(
        0,
        u64::MAX,
        |_| true,
        |place, lines| {
            all.extend(
                lines
                    .into_iter()
                    .map(|(line, sums)| (place.clone(), line, sums)),
            );
            Ok(())
        },
    );
    shown.expect("readable");
    all
}

fn account_lines(store: &Store) -> Vec<(Place, AccountLine, Measures)> {
    let mut all = Vec::new();
    let shown = store.account_sums::<StoreError>(
        0,
        u64::MAX,
        |_| true,
        |place, lines| {
            all.extend(
                lines
                    .into_iter()
                    .map(|(line, sums)| (place.clone(), line, sums)),
            );
            Ok(())
        },
    );
    shown.expect("readable");
    all
}

fn total<'m>(sums: impl IntoIterator<Item = &'m Measures>) -> Measures {
    let mut total = Measures::default();
    sums.into_iter().for_each(|sums| total += *sums);
    total
}

fn of_pings(store: &Store) -> Measures {
    total(ping_lines(store).iter().map(|(_, _, sums)| sums))
}

/// Revenue and cost of the leads of one source.
pub(super) fn money_of(store: &Store, sub_id: &str) -> (Money, Money) {
    let lines = ping_lines(store);
    let of_source = lines
        .iter()
        .filter(|(_, line, _)| line.sub_id.as_deref() == Some(sub_id))
        .map(|(_, _, sums)| sums);
    let sums = total(of_source);
    (sums.revenue, sums.cost)
}

fn of_accounts(store: &Store) -> Measures {
    total(account_lines(store).iter().map(|(_, _, sums)| sums))
}

/// Both grains say what all ledgers say, and every ping is counted or marked.
pub(super) fn reports_add_up(store: &Store) {
    let keys_with = |tag: u8| {
        let keys = store.0.db.scan_prefix([tag]).keys();
        keys.map(|key| key.expect("readable").to_vec())
            .collect::<Vec<_>>()
    };
    let leads = keys_with(b'l').into_iter().map(|key| {
        let lead = key[1..17].try_into().expect("a ULID");
        LeadId(Ulid::from_bytes(lead))
    });
    let leads: std::collections::BTreeSet<_> = leads.collect();
    let entries: Vec<_> = leads
        .into_iter()
        .flat_map(|lead| store.ledger(lead).expect("readable"))
        .collect();
    let (revenue, cost) = totals(&entries);
    let (pings, accounts) = (of_pings(store), of_accounts(store));
    assert_eq!((pings.revenue, pings.cost), (revenue, cost));
    assert_eq!((accounts.revenue, accounts.cost), (revenue, cost));
    let marked = keys_with(keys::UNCOUNTED).len();
    let recorded = keys_with(keys::PING).len();
    assert_eq!(usize::try_from(pings.pings), Ok(recorded - marked));
}

fn ping(number: u64) -> PingRecord {
    sample::ping(&sample::order(id(NOW_MS, number), 3))
}

async fn recorded(store: &Store, ping: PingRecord) {
    store.record_ping(ping).await.expect("taken");
    store.caught_up().await.expect("durable");
}

#[tokio::test]
async fn what_is_booked_is_in_reports_at_once_and_adds_up() {
    let (_folder, store) = fresh();
    store.sold(id(NOW_MS, 1), b"", NOW_MS).await;
    let accepted = id(NOW_MS, 2);
    store.posted(accepted, b"").await;
    store
        .accept_order(accepted, NOW_MS)
        .await
        .expect("accepted");
    let owed = account_lines(&store)
        .into_iter()
        .find(|(_, line, _)| line.account.is_none());
    assert_eq!(
        owed.expect("owed before anybody bought").2.cost,
        money("15")
    );
    store
        .delivered(
            accepted,
            End::Accepted {
                price: Some(money("7.77")),
            },
            None,
        )
        .await;
    let sums = of_pings(&store);
    assert_eq!((sums.sales, sums.revenue), (2, money("30.77")));
    assert_eq!(
        (sums.cost, sums.profit().to_string().as_str()),
        (money("30"), "0.77")
    );
    let lines = account_lines(&store);
    let without: Vec<_> = lines
        .iter()
        .filter(|(_, line, _)| line.account.is_none())
        .collect();
    assert!(
        without.iter().all(|(_, _, sums)| sums.cost.is_zero()),
        "{without:?}"
    );
    reports_add_up(&store);
}

#[tokio::test]
async fn money_of_a_fallback_is_its_accounts_and_has_no_outcome() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"").await;
    store.delivered(id, sample::rejected(), None).await;
    store
        .begin_delivery(id, 1, OnUnconfirmed::Stop, Needs::default(), NOW_MS)
        .await
        .expect("begun");
    store
        .end_delivery(
            id,
            1,
            End::Accepted { price: None },
            OnUnconfirmed::Stop,
            None,
            NOW_MS,
        )
        .await
        .expect("ended");
    store
        .settle_order(id, RejectReason::NotDelivered, sample::terms(), NOW_MS)
        .await
        .expect("settled");
    let lines: Vec<_> = account_lines(&store);
    assert!(lines.iter().any(|(_, line, sums)| {
        line.account
            .as_ref()
            .is_some_and(|id| id.as_str() == "account-1")
            && line
                .buyer
                .as_ref()
                .is_some_and(|id| id.as_str() == "buyer-1")
            && line.outcome.is_none()
            && sums.sales == 1
    }));
    reports_add_up(&store);
}

#[tokio::test]
async fn a_ping_is_counted_once_whenever_the_host_stops() {
    let (folder, store) = fresh();
    for number in 0..120 {
        store.record_ping(ping(number)).await.expect("taken");
    }
    store.caught_up().await.expect("durable");
    assert_eq!(
        of_pings(&store),
        Measures::default(),
        "nothing is counted yet"
    );
    let (marks, counted) = work_out(&store);
    drop(store);
    let store = open(folder.path());
    assert!(
        store
            .count_pings(marks.clone(), counted.clone())
            .await
            .expect("counted")
    );
    assert_eq!(of_pings(&store).pings, CHUNK as u64);
    drop(store);
    let store = open(folder.path());
    let again = store.count_pings(marks, counted).await.expect("refused");
    assert!(!again, "whoever comes later counts nothing");
    assert_eq!(count(&store).await, 120 - CHUNK);
    assert_eq!(count(&store).await, 0);
    let sums = of_pings(&store);
    assert_eq!(
        (sums.pings, sums.bids, sums.bid_total),
        (120, 120, money("1800"))
    );
    assert_eq!(of_accounts(&store).pings, 360);
    reports_add_up(&store);
}

#[tokio::test]
async fn a_record_written_again_is_counted_as_it_was_written_last() {
    let (_folder, store) = fresh();
    recorded(&store, ping(1)).await;
    for _ in 0..3 {
        let (marks, counted) = work_out(&store);
        recorded(&store, ping(1).out_of_time()).await;
        let done = store.count_pings(marks, counted).await.expect("refused");
        assert!(!done, "what was worked out holds no more");
    }
    assert_eq!(count(&store).await, 1);
    let sums = of_pings(&store);
    assert_eq!((sums.pings, sums.bids), (1, 0));
    let outcomes: Vec<_> = account_lines(&store)
        .into_iter()
        .map(|(_, line, _)| line.outcome)
        .collect();
    assert!(!outcomes.contains(&Some(Outcome::Won)) && outcomes.contains(&Some(Outcome::NoTime)));
    recorded(&store, ping(1).out_of_time()).await;
    assert_eq!(
        count(&store).await,
        0,
        "what was counted is not counted again"
    );
    reports_add_up(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_bid_is_being_taken_back_nobody_counts_it() {
    let (_folder, store, gate) = gated();
    let order = sample::order(id(NOW_MS, 1), 3);
    let soon = Instant::now() + Duration::from_millis(50);
    let ping = sample::ping(&order);
    let opened = store
        .open_order(order.clone(), Rooms::default(), ping, None, soon)
        .await;
    assert_eq!(opened, Err(OpenOrderError::Late));
    // The quote becomes durable; what takes it back is in sled, and the gate is shut again.
    gate.pass();
    let second = keys::uncounted(order.id.ping(), 1);
    while store.0.db.get(&second).expect("readable").is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.uncounted(u64::MAX, CHUNK).expect("readable").len(), 0);
    drop(gate);
    recorded(&store, sample::ping(&order).out_of_time()).await;
    assert_eq!(count(&store).await, 1);
    let sums = of_pings(&store);
    assert_eq!((sums.pings, sums.bids), (1, 0));
}

#[tokio::test]
async fn a_mark_is_of_one_writing_of_a_record_alone() {
    let (_folder, store) = fresh();
    let order = sample::order(id(NOW_MS, 1), 3);
    recorded(&store, sample::ping(&order)).await;
    let (marks, counted) = work_out(&store);
    for _ in 0..2 {
        recorded(&store, sample::ping(&order).out_of_time()).await;
    }
    let stale = store.count_pings(marks, counted).await;
    assert_eq!(stale, Ok(false), "it was written again, twice");
    assert_eq!(count(&store).await, 1);
    assert_eq!(of_pings(&store).bids, 0);
}

#[tokio::test]
async fn a_bid_that_is_taken_back_is_counted_as_none() {
    let (_folder, store, gate) = gated();
    let order = sample::order(id(NOW_MS, 1), 3);
    let soon = Instant::now() + Duration::from_millis(50);
    let opened = store
        .open_order(
            order.clone(),
            Rooms::default(),
            sample::ping(&order),
            None,
            soon,
        )
        .await;
    assert_eq!(opened, Err(OpenOrderError::Late));
    assert_eq!(count(&store).await, 0, "what is not durable is not counted");
    drop(gate);
    // As the exchange does, once it has told its supplier.
    recorded(&store, sample::ping(&order).out_of_time()).await;
    assert_eq!(count(&store).await, 1);
    let sums = of_pings(&store);
    assert_eq!((sums.pings, sums.bids), (1, 0));
    reports_add_up(&store);
}

#[tokio::test]
async fn a_ping_that_is_not_counted_is_not_erased() {
    let (_folder, store) = fresh();
    store.opened(id(NOW_MS, 1), 3).await;
    store
        .expire_due(NOW_MS + WINDOW_MS, 10)
        .await
        .expect("expired");
    let later_ms = NOW_MS + 1_000 * WINDOW_MS;
    let window = Duration::from_millis(WINDOW_MS);
    let erase = || store.erase_due(later_ms, window, window, 10);
    assert_eq!(erase().await, Ok(0));
    let kept = |id: OrderId| -> Option<PingId> {
        store.ping(id.ping()).expect("readable").map(|ping| ping.id)
    };
    assert!(kept(id(NOW_MS, 1)).is_some());
    count(&store).await;
    assert_eq!(erase().await, Ok(1));
    assert_eq!(kept(id(NOW_MS, 1)), None);
    assert_eq!(of_pings(&store).pings, 1, "what was counted stays");
}

#[tokio::test]
async fn pings_that_wait_to_be_counted_hold_up_none_behind_them() {
    let (_folder, store) = fresh();
    // Tests are in no report, so that only the others wait.
    for number in 0..7 {
        let mut ping = ping(number);
        ping.input.test = number % 3 == 2;
        recorded(&store, ping).await;
    }
    let window = Duration::from_millis(WINDOW_MS);
    let later_ms = NOW_MS + 1_000 * WINDOW_MS;
    for erased in [1, 1, 0] {
        assert_eq!(
            store.erase_due(later_ms, window, window, 1).await,
            Ok(erased)
        );
    }
}

#[tokio::test]
async fn a_test_is_in_no_report() {
    let (_folder, store) = fresh();
    let mut test = ping(1);
    test.input.test = true;
    recorded(&store, test.clone()).await;
    recorded(&store, test.out_of_time()).await;
    assert_eq!(count(&store).await, 0);
    assert_eq!(of_pings(&store), Measures::default());
}

#[tokio::test]
async fn a_supplier_with_endless_sub_ids_fills_no_store() {
    let (_folder, store) = fresh();
    let place = Place {
        start_ms: Hours::named("UTC").start_ms(NOW_MS),
        campaign: "solar-west".parse().expect("a name"),
        supplier: "sunleads".parse().expect("a name"),
    };
    let counted = |from: u32, to: u32| {
        let mut counted = Counted::default();
        for number in from..to {
            let mut one = ping(1);
            one.input.sub_id = Some(format!("{number:04}"));
            counted.add_ping(&one, place.start_ms, |_| None);
        }
        counted
    };
    for (from, to) in [(0, 700), (0, 1_400), (0, 1_400)] {
        store
            .count_pings(Vec::new(), counted(from, to))
            .await
            .expect("counted");
    }
    let lines = ping_lines(&store);
    assert_eq!(lines.len(), SUB_IDS_KEPT as usize + 1);
    let of = |sub_id: &str| {
        let found = lines
            .iter()
            .find(|(_, line, _)| line.sub_id.as_deref() == Some(sub_id));
        found.expect("a line").2.pings
    };
    assert_eq!((of("0000"), of("0999"), of(OTHER)), (3, 2, 800));
    // The next day begins anew, and what a day kept apart is forgotten in time.
    let day = Duration::from_hours(24);
    store
        .erase_due(NOW_MS, day, day, 1_000)
        .await
        .expect("swept");
    let known = || store.0.db.scan_prefix([keys::SUB_ID]).count();
    assert_eq!(known(), SUB_IDS_KEPT as usize + 1);
    for _ in 0..2 {
        let later_ms = NOW_MS + 5 * 86_400_000;
        store
            .erase_due(later_ms, day, day, 1_000)
            .await
            .expect("swept");
    }
    assert_eq!(known(), 0);
}

#[tokio::test]
async fn sums_are_kept_in_the_hours_of_the_markets_clock() {
    let (folder, store) = fresh();
    store
        .report_in(&Hours::named("Asia/Kolkata"))
        .await
        .expect("kept");
    drop(store);
    let store = open(folder.path());
    store.sold(id(NOW_MS, 1), b"", NOW_MS).await;
    let half_past = ping_lines(&store)
        .iter()
        .all(|(place, _, _)| place.start_ms % 3_600_000 == 1_800_000);
    assert!(half_past);
    reports_add_up(&store);
}

#[tokio::test]
async fn an_hour_of_ten_thousand_accounts_is_read_as_it_was_counted() {
    let (_folder, store) = fresh();
    let mut counted = Counted::default();
    let hour_ms = Hours::named("UTC").start_ms(NOW_MS);
    let line = |number: u32| AccountLine {
        account: format!("account-{number}").parse().ok(),
        buyer: format!("buyer-{}", number % 100).parse().ok(),
        outcome: Some(Outcome::Criteria),
        field: Some("state".into()),
        code: None,
    };
    counted.add_derived(&ping(1), hour_ms, 3, (0..10_000).map(line));
    store
        .count_pings(Vec::new(), counted.clone())
        .await
        .expect("counted");
    store
        .count_pings(Vec::new(), counted)
        .await
        .expect("counted");
    let lines = account_lines(&store);
    assert_eq!(lines.len(), 10_000);
    assert!(
        lines
            .iter()
            .all(|(_, _, sums)| (sums.pings, sums.estimated) == (6, 6))
    );
    let last = lines.iter().find(|(_, read, _)| *read == line(9_999));
    assert!(last.is_some());
}
