use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;

use super::{
    AccountLine, CODES_KEPT, Counted, Hours, Measures, OTHER, PingLine, Place, Sums, add,
    add_accounts,
    count::{COUNTED_EXACTLY, Weights},
    money::booked,
    table::{By, Cell, Grain, Table},
};
use crate::{
    ids::{AccountId, DeliveryId, OrderId, Ulid},
    ledger::{self, Entry, EntryKind, charge_due, cost_change},
    money::Money,
    reason::{NoBidReason, Outcome},
    record::{AccountOutcome, Detail, PingAnswer, PingInput, PingRecord, Timings},
};

const NOW_MS: u64 = 1_795_000_000_000;

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn ms(text: &str) -> u64 {
    let at: Timestamp = text.parse().unwrap();
    u64::try_from(at.as_millisecond()).unwrap()
}

fn place(hour: u64, campaign: &str) -> Place {
    Place {
        start_ms: NOW_MS / 3_600_000 * 3_600_000 + hour * 3_600_000,
        campaign: campaign.parse().unwrap(),
        supplier: "sunleads".parse().unwrap(),
    }
}

fn account(name: &str) -> AccountLine {
    AccountLine {
        account: Some(name.parse().unwrap()),
        buyer: Some(format!("{name}-inc").parse().unwrap()),
        outcome: Some(Outcome::Won),
        ..AccountLine::default()
    }
}

fn delivery(bid: u16) -> DeliveryId {
    DeliveryId {
        order: OrderId(Ulid::from_parts(NOW_MS, 1)),
        bid,
    }
}

fn sold(bid: u16, amount: &str) -> Entry {
    let account = format!("account-{bid}").parse().unwrap();
    let buyer = format!("buyer-{bid}").parse().unwrap();
    ledger::revenue(delivery(bid), &account, &buyer, money(amount), &[], NOW_MS)
}

fn given_back(bid: u16, amount: &str, charge: bool) -> Entry {
    let account = format!("account-{bid}").parse().unwrap();
    let buyer = format!("buyer-{bid}").parse().unwrap();
    ledger::returned(
        delivery(bid),
        &account,
        &buyer,
        money(amount),
        charge,
        NOW_MS,
    )
}

fn cost(amount: &str) -> Entry {
    cost_change(Money::ZERO, money(amount), NOW_MS).unwrap()
}

/// Cost and revenue by account after these entries, as a report has them.
fn by_account(entries: &[Entry]) -> BTreeMap<Option<AccountId>, (String, String)> {
    let mut sums = Sums::new();
    for booked in booked(&[], entries, |_| true) {
        add_accounts(&mut sums, booked.by_account);
    }
    let lines = sums
        .into_iter()
        .filter(|(_, sums)| *sums != Measures::default());
    lines
        .map(|(line, sums)| {
            (
                line.account,
                (sums.cost.to_string(), sums.revenue.to_string()),
            )
        })
        .collect()
}

fn row(rows: &BTreeMap<Option<AccountId>, (String, String)>, bid: u16) -> (&str, &str) {
    let account: AccountId = format!("account-{bid}").parse().unwrap();
    let (cost, revenue) = &rows[&Some(account)];
    (cost, revenue)
}

#[test]
fn a_leads_cost_is_split_by_what_each_paid_and_the_first_gets_what_is_left() {
    let rows = by_account(&[
        sold(0, "10.00"),
        sold(1, "10.00"),
        sold(2, "10.00"),
        cost("10.00"),
    ]);
    assert_eq!(row(&rows, 0), ("3.34", "10.00"));
    assert_eq!(row(&rows, 1), ("3.33", "10.00"));
    assert_eq!(row(&rows, 2), ("3.33", "10.00"));
    assert_eq!(rows.len(), 3);
}

#[test]
fn what_is_owed_before_anybody_bought_has_no_account_until_somebody_does() {
    let owed = by_account(&[cost("15.00")]);
    assert_eq!(owed[&None], ("15.00".into(), "0.00".into()));
    let bought = by_account(&[cost("15.00"), sold(3, "22.00")]);
    assert_eq!(row(&bought, 3), ("15.00", "22.00"));
    assert_eq!(bought.len(), 1, "nothing is left without an account");
}

#[test]
fn whoever_gives_a_lead_back_is_not_charged_for_the_part_that_the_supplier_pays_back() {
    let mut entries = vec![sold(0, "20.00"), sold(1, "10.00"), cost("15.00")];
    entries.push(given_back(1, "10.00", true));
    entries.extend(charge_due(&entries, NOW_MS));
    let rows = by_account(&entries);
    assert_eq!(row(&rows, 0), ("10.00", "20.00"));
    assert_eq!(row(&rows, 1), ("0.00", "0.00"));
}

#[test]
fn money_of_a_fallback_stands_with_no_outcome() {
    let booked = booked(&[], &[sold(0, "20.00"), sold(1, "10.00")], |id| id.bid == 0);
    let outcomes: Vec<_> = booked
        .iter()
        .flat_map(|booked| booked.by_account.keys().map(|line| line.outcome))
        .collect();
    assert_eq!(outcomes, [Some(Outcome::Won), None]);
}

fn entry() -> impl Strategy<Value = Entry> {
    let amount =
        || (0..100_000_u32).prop_map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
    prop_oneof![
        (0..4_u16, amount()).prop_map(|(bid, amount)| sold(bid, &amount)),
        (0..4_u16, amount(), any::<bool>())
            .prop_map(|(bid, amount, charge)| given_back(bid, &amount, charge)),
        amount().prop_map(|amount| Entry {
            kind: EntryKind::Cost {
                amount: money(&amount)
            },
            ..sold(0, "0")
        }),
        amount().prop_map(|amount| Entry {
            kind: EntryKind::Charge {
                amount: money(&amount)
            },
            ..sold(0, "0")
        }),
    ]
}

proptest! {
    #[test]
    fn money_by_account_adds_up_to_the_ledger_at_every_entry(
        entries in prop::collection::vec(entry(), 0..12),
        cut in 0..12_usize,
    ) {
        let cut = cut.min(entries.len());
        let later = booked(&entries[..cut], &entries[cut..], |id| id.bid % 2 == 0);
        let mut sums = Measures::default();
        for (one, entry) in later.iter().zip(&entries[cut..]) {
            let mut accounts = Measures::default();
            one.by_account.values().for_each(|line| accounts += *line);
            let (revenue, cost) = ledger::totals([entry]);
            prop_assert_eq!((one.whole.revenue, one.whole.cost), (revenue, cost));
            prop_assert_eq!((accounts.revenue, accounts.cost), (revenue, cost));
            prop_assert_eq!(accounts.sales, one.whole.sales);
            sums += accounts;
        }
        let (revenue, cost) = ledger::totals(&entries[cut..]);
        prop_assert_eq!((sums.revenue, sums.cost), (revenue, cost));
    }

    #[test]
    fn booked_in_one_go_or_one_by_one_is_the_same(entries in prop::collection::vec(entry(), 0..8)) {
        let at_once = booked(&[], &entries, |_| true);
        let one_by_one: Vec<_> = (0..entries.len())
            .flat_map(|at| booked(&entries[..at], &entries[at..=at], |_| true))
            .collect();
        prop_assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn however_lines_are_grouped_rows_add_up_to_the_total(
        lines in prop::collection::vec(
            (0..50_u64, 0..3_u8, 0..4_u8, 0..3_usize, 0..20_u64, 0..10_000_u32),
            0..80,
        ),
        by in prop::sample::subsequence(&By::ALL[..], 0..=By::ALL.len()),
    ) {
        let by: Vec<By> = by.into_iter().filter(|by| *by != By::SubId).collect();
        let outcomes = [Outcome::Won, Outcome::Outbid, Outcome::Criteria];
        let mut table = Table::new(by.clone(), Hours::named("Asia/Kathmandu"));
        let mut total = Measures::default();
        for (hour, campaign, who, outcome, pings, cents) in lines {
            let measures = Measures {
                pings,
                revenue: money(&format!("{}.{:02}", cents / 100, cents % 100)),
                cost: money(&format!("{}", cents / 7)),
                ..Measures::default()
            };
            total += measures;
            let line = AccountLine { outcome: Some(outcomes[outcome]), ..account(&format!("a{who}")) };
            table.add_accounts(&place(hour, &format!("c{campaign}")), [(line, measures)]).unwrap();
        }
        let (rows, said) = table.finish();
        let mut sums = Measures::default();
        for (_, row) in &rows {
            sums += *row;
        }
        prop_assert_eq!(said, total);
        prop_assert_eq!(sums, total);
        let columns: usize = by.iter().map(|by| by.columns().len()).sum();
        prop_assert!(rows.iter().all(|(cells, _)| cells.len() == columns));
    }

    #[test]
    fn weights_add_up_to_the_number_of_pings(pings in 0..3_000_usize, accounts in 0..20_000_usize) {
        let weights = Weights::of(pings, accounts);
        let all: Vec<u64> = (0..pings).map(|place| weights.of_ping(place)).collect();
        prop_assert_eq!(all.iter().sum::<u64>(), pings as u64);
        if accounts <= COUNTED_EXACTLY {
            prop_assert!(all.iter().all(|weight| *weight == 1));
        } else {
            let looked_at = all.iter().filter(|weight| **weight > 0).count();
            prop_assert!(looked_at * accounts <= (pings * 100).max(accounts));
        }
    }

    #[test]
    fn every_hour_begins_where_the_clock_shows_none_past_and_days_are_whole_hours(
        minutes in 0..2_000_000_u64,
        zone in prop::sample::select(&["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"][..]),
    ) {
        let at_ms = ms("2026-01-01T00:00:00Z") + minutes * 60_000 + 7_123;
        let hours = Hours::named(zone);
        let start = hours.start_ms(at_ms);
        let local = Timestamp::from_millisecond(i64::try_from(start).unwrap())
            .unwrap()
            .to_zoned(hours.zone().clone());
        prop_assert!(start <= at_ms && at_ms - start < 3_600_000);
        prop_assert_eq!(hours.start_ms(start), start);
        // Lord Howe's clock goes back by half an hour, from 02:00 to 01:30.
        if zone != "Australia/Lord_Howe" {
            prop_assert_eq!((local.minute(), local.second()), (0, 0));
        }
    }
}

#[test]
fn an_hour_that_the_clock_shows_twice_is_two_hours_of_one_day() {
    let hours = Hours::named("America/New_York");
    let (first, second) = (ms("2026-11-01T05:20:00Z"), ms("2026-11-01T06:20:00Z"));
    assert_eq!(hours.start_ms(first), ms("2026-11-01T05:00:00Z"));
    assert_eq!(hours.start_ms(second), ms("2026-11-01T06:00:00Z"));
    let zone = TimeZone::get("America/New_York").unwrap();
    let written = |at| Cell::Hour(hours.start_ms(at)).text(&zone).unwrap();
    assert_eq!(written(first), "2026-11-01T01:00:00-04:00");
    assert_eq!(written(second), "2026-11-01T01:00:00-05:00");
    let mut table = Table::new(vec![By::Day], hours.clone());
    for at in [first, second] {
        let place = Place {
            start_ms: hours.start_ms(at),
            ..place(0, "solar")
        };
        let one = Measures {
            pings: 1,
            ..Measures::default()
        };
        table
            .add_pings(&place, [(PingLine::default(), one)])
            .unwrap();
    }
    let (rows, _) = table.finish();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0[0].text(&zone).unwrap(), "2026-11-01");
    assert_eq!(rows[0].1.pings, 2);
}

fn outcome(name: &str, outcome: Outcome, bid: Option<&str>, detail: Detail) -> AccountOutcome {
    AccountOutcome {
        account: name.parse().unwrap(),
        outcome,
        detail,
        bid: bid.map(money),
        turn: None,
    }
}

fn ping(outcomes: Vec<AccountOutcome>, answer: PingAnswer) -> PingRecord {
    PingRecord {
        id: OrderId(Ulid::from_parts(NOW_MS, 1)).ping(),
        campaign: "solar".parse().unwrap(),
        supplier: "sunleads".parse().unwrap(),
        revision: 1,
        digests: BTreeMap::new(),
        input: PingInput {
            received_at_ms: NOW_MS,
            lead: Vec::new(),
            sub_id: Some("fb-7".into()),
            tmax_ms: None,
            min_bid: None,
            test: false,
        },
        outcomes,
        exchanges: Vec::new(),
        timings: Timings::default(),
        answer,
    }
}

#[test]
fn a_ping_counts_its_answer_once_and_each_account_with_what_explains_its_outcome() {
    let code = |code: &str| Detail {
        code: Some(code.into()),
        ..Detail::default()
    };
    let record = ping(
        vec![
            outcome("a", Outcome::Won, Some("31.50"), Detail::default()),
            outcome("b", Outcome::Outbid, Some("12.00"), Detail::default()),
            outcome("c", Outcome::Filtered, None, code("roof_shaded")),
        ],
        PingAnswer::Bid {
            ping_order_id: OrderId(Ulid::from_parts(NOW_MS, 1)),
            bid: money("22.05"),
            deliveries: 1,
            expires_at_ms: NOW_MS,
        },
    );
    let place = place(0, "solar");
    let mut counted = Counted::default();
    let buyer = |_: &AccountId| Some("someone".parse().unwrap());
    counted.add_ping(&record, place.start_ms, buyer);
    counted.add_ping(&record, place.start_ms, buyer);
    let (line, sums) = counted.pings[&place].iter().next().unwrap();
    assert_eq!(line.sub_id.as_deref(), Some("fb-7"));
    assert_eq!(
        (sums.pings, sums.bids, sums.bid_total),
        (2, 2, money("44.10"))
    );
    let accounts = &counted.accounts[&place];
    let of = |name: &str| {
        let found = accounts
            .iter()
            .find(|(line, _)| line.account.as_ref().map(AccountId::as_str) == Some(name));
        found.unwrap()
    };
    assert_eq!(of("b").1.short_total, money("39.00"));
    assert_eq!(of("b").1.short_mean(), Some(money("19.50")));
    assert_eq!(of("a").1.short_mean(), None);
    assert_eq!(of("c").0.code.as_deref(), Some("roof_shaded"));
    assert_eq!((of("c").1.pings, of("c").1.bids), (2, 0));
}

#[test]
fn a_plugin_that_makes_up_codes_fills_no_store() {
    let mut sums = Sums::new();
    for number in 0..1_000 {
        let line = |name: &str| AccountLine {
            code: Some(format!("code_{number}").into()),
            ..account(name)
        };
        let one = Measures {
            pings: 1,
            ..Measures::default()
        };
        add_accounts(
            &mut sums,
            [(line("wild"), one), (line("tame"), Measures::default())],
        );
    }
    assert_eq!(sums.len(), 2 * (CODES_KEPT + 1));
    let other = AccountLine {
        code: Some(OTHER.into()),
        ..account("wild")
    };
    assert_eq!(sums[&other].pings, 1_000 - CODES_KEPT as u64);
}

#[test]
fn derived_outcomes_stand_for_as_many_pings_as_they_weigh_and_say_so() {
    let record = ping(
        Vec::new(),
        PingAnswer::NoBid {
            reason: NoBidReason::NoCoverage,
        },
    );
    let place = place(0, "solar");
    let mut counted = Counted::default();
    let line = AccountLine {
        field: Some("state".into()),
        outcome: Some(Outcome::Criteria),
        ..account("texan")
    };
    counted.add_derived(&record, place.start_ms, 1, [line.clone()]);
    counted.add_derived(&record, place.start_ms, 7, [line.clone()]);
    let sums = counted.accounts[&place][&line];
    assert_eq!((sums.pings, sums.estimated), (8, 7));
}

#[test]
fn a_report_counts_pings_or_accounts_and_never_sub_ids_of_accounts() {
    assert_eq!(Grain::of(&[], false), Some(Grain::Pings));
    assert_eq!(Grain::of(&[By::SubId, By::Day], false), Some(Grain::Pings));
    assert_eq!(Grain::of(&[By::Day], true), Some(Grain::Accounts));
    assert_eq!(Grain::of(&[By::Buyer], false), Some(Grain::Accounts));
    assert_eq!(Grain::of(&[By::SubId, By::Outcome], false), None);
    assert_eq!(Grain::of(&[By::SubId], true), None);
}

#[test]
fn rows_come_in_order_and_what_has_no_name_comes_last() {
    let mut table = Table::new(vec![By::Account, By::Outcome], Hours::named("UTC"));
    let lines = [
        AccountLine::default(),
        account("b"),
        AccountLine {
            outcome: None,
            ..account("a")
        },
        account("a"),
    ];
    let one = Measures {
        pings: 1,
        ..Measures::default()
    };
    let nothing = (account("c"), Measures::default());
    for line in lines.map(|line| (line, one)).into_iter().chain([nothing]) {
        table.add_accounts(&place(0, "solar"), [line]).unwrap();
    }
    let (rows, _) = table.finish();
    let texts: Vec<_> = rows
        .iter()
        .map(|(cells, _)| {
            cells
                .iter()
                .map(|cell| cell.text(&TimeZone::UTC))
                .collect::<Vec<_>>()
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        texts,
        [
            [text("a"), text("won"), None, None],
            [text("a"), None, None, None],
            [text("b"), text("won"), None, None],
            [None, None, None, None],
        ]
    );
}

#[test]
fn adding_is_the_same_in_any_order() {
    let one = Measures {
        pings: 3,
        cost: money("1.25"),
        ..Measures::default()
    };
    let lines = [
        (account("a"), one),
        (account("b"), one),
        (account("a"), one),
    ];
    let (mut forth, mut back) = (Sums::new(), Sums::new());
    add(&mut forth, lines.clone());
    add(&mut back, lines.into_iter().rev());
    assert_eq!(forth, back);
}
