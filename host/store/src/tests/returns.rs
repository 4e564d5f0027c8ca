use std::time::Duration;

use gavel_market::{
    ids::{DeliveryId, OrderId},
    ledger::{self, EntryKind},
    model::{CostModel, OnUnconfirmed, Returns},
    money::Money,
    order::{End, Order},
    room::Period,
};

use super::{
    fresh, in_time, open,
    report::{count, money_of},
    sample::{self, NOW_MS, account, id, money},
};
use crate::{ChangeError, Needs, Return, ReturnRefused, ReturnState, Rooms, Store};

const DAY_MS: u64 = 24 * 3_600_000;

fn rule(max_percent: &str) -> Returns {
    Returns {
        within: Duration::from_hours(72),
        max_percent: max_percent.parse().expect("a decimal"),
        auto_accept: false,
        charge_supplier: true,
    }
}

fn first_of(order: OrderId) -> DeliveryId {
    DeliveryId { order, bid: 0 }
}

impl Store {
    /// So many leads sold to the first account, at 23.00 each, which cost 15.00.
    async fn some_sold(&self, count: u64) -> Vec<DeliveryId> {
        let mut deliveries = Vec::new();
        for number in 0..count {
            let id = id(NOW_MS, number);
            self.sold(id, b"", NOW_MS).await;
            deliveries.push(first_of(id));
        }
        deliveries
    }

    async fn give_back(
        &self,
        delivery: DeliveryId,
        rule: Returns,
        now_ms: u64,
    ) -> Result<Return, ChangeError<ReturnRefused>> {
        self.request_return(delivery, "the phone is dead".into(), rule, now_ms)
            .await
    }

    fn totals(&self, delivery: DeliveryId) -> (String, String) {
        let entries = self.ledger(delivery.order.lead()).expect("readable");
        let (revenue, cost) = ledger::totals(&entries);
        (revenue.to_string(), cost.to_string())
    }

    fn returned(&self) -> u64 {
        let usage = self.usage(&account(0));
        usage.month(NOW_MS).map_or(0, |month| month.returned)
    }
}

fn refused<T>(why: ReturnRefused) -> Result<T, ChangeError<ReturnRefused>> {
    Err(ChangeError::Refused(why))
}

#[tokio::test]
async fn an_accepted_return_reverses_the_revenue_and_charges_the_supplier() {
    let (_folder, store) = fresh();
    let sold = store.some_sold(1).await[0];
    let asked = store
        .give_back(sold, rule("100"), NOW_MS + 1)
        .await
        .expect("asked for");
    assert_eq!(asked.state, ReturnState::Pending);
    assert_eq!(asked.amount, money("23"));
    assert_eq!(store.totals(sold), ("23.00".into(), "15.00".into()));
    let accepted = store
        .decide_return(asked.id, true, NOW_MS + 2)
        .await
        .expect("accepted");
    assert_eq!(accepted.state, ReturnState::Accepted);
    assert_eq!(accepted.decided_at_ms, Some(NOW_MS + 2));
    assert_eq!(store.totals(sold), ("0.00".into(), "0.00".into()));
    let entries = store.ledger(sold.order.lead()).expect("readable");
    assert_eq!(
        entries.len(),
        4,
        "revenue, cost, return, charge: {entries:?}"
    );
    assert_eq!(
        store.decide_return(asked.id, false, NOW_MS + 3).await,
        refused(ReturnRefused::AlreadyDecided)
    );
    let counted = store.usage(&account(0)).counted(Period::Total, NOW_MS);
    assert_eq!(counted.sold, 1, "a return frees nothing");
}

#[tokio::test]
async fn a_return_is_accepted_at_once_where_nobody_needs_to_and_may_spare_the_supplier() {
    let (_folder, store) = fresh();
    let sold = store.some_sold(1).await[0];
    let rule = Returns {
        auto_accept: true,
        charge_supplier: false,
        ..rule("100")
    };
    let accepted = store.give_back(sold, rule, NOW_MS).await.expect("accepted");
    assert_eq!(accepted.state, ReturnState::Accepted);
    assert_eq!(store.totals(sold), ("0.00".into(), "15.00".into()));
}

#[tokio::test]
async fn a_delivery_is_given_back_once_and_declining_does_not_change_that() {
    let (_folder, store) = fresh();
    let sold = store.some_sold(1).await[0];
    let asked = store
        .give_back(sold, rule("100"), NOW_MS)
        .await
        .expect("asked for");
    let again = refused(ReturnRefused::AlreadyReturned);
    assert_eq!(store.give_back(sold, rule("100"), NOW_MS).await, again);
    store
        .decide_return(asked.id, false, NOW_MS)
        .await
        .expect("declined");
    assert_eq!(store.give_back(sold, rule("100"), NOW_MS).await, again);
    assert_eq!(store.totals(sold), ("23.00".into(), "15.00".into()));
}

#[tokio::test]
async fn a_return_comes_within_its_time() {
    let (_folder, store) = fresh();
    let sold = store.some_sold(2).await;
    let last_ms = NOW_MS + 3 * DAY_MS;
    assert_eq!(
        store.give_back(sold[0], rule("100"), last_ms + 1).await,
        refused(ReturnRefused::TooLate)
    );
    store
        .give_back(sold[0], rule("100"), last_ms)
        .await
        .expect("in time");
}

#[tokio::test]
async fn only_so_many_of_a_months_deliveries_are_given_back() {
    let (_folder, store) = fresh();
    let sold = store.some_sold(19).await;
    // 10 % of 19 is one.
    let asked = store
        .give_back(sold[0], rule("10"), NOW_MS)
        .await
        .expect("asked for");
    let limit = refused(ReturnRefused::Limit);
    assert_eq!(store.give_back(sold[1], rule("10"), NOW_MS).await, limit);
    assert_eq!(store.returned(), 1);
    store
        .decide_return(asked.id, false, NOW_MS)
        .await
        .expect("declined");
    assert_eq!(store.returned(), 0);
    store
        .give_back(sold[1], rule("10"), NOW_MS)
        .await
        .expect("the declined one does not count");
    assert_eq!(store.give_back(sold[2], rule("10"), NOW_MS).await, limit);
    assert_eq!(store.returned(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_any_number_of_returns_at_once_as_many_stand_as_may() {
    let (_folder, store) = fresh();
    let sold = store.some_sold(20).await;
    let tasks: Vec<_> = sold
        .into_iter()
        .map(|delivery| {
            let store = store.clone();
            tokio::spawn(async move { store.give_back(delivery, rule("25"), NOW_MS).await.is_ok() })
        })
        .collect();
    let mut stand = 0;
    for task in tasks {
        stand += u32::from(task.await.expect("no panic"));
    }
    assert_eq!(stand, 5);
}

#[tokio::test]
async fn only_what_was_sold_is_given_back() {
    let (_folder, store) = fresh();
    let (rejected, posting) = (id(NOW_MS, 1), id(NOW_MS, 2));
    store.posted(rejected, b"").await;
    store.delivered(rejected, sample::rejected(), None).await;
    // Taken by its buyer, and not booked before the post is answered.
    store.posted(posting, b"").await;
    store
        .delivered(posting, End::Accepted { price: None }, None)
        .await;
    for id in [rejected, posting] {
        assert_eq!(
            store.give_back(first_of(id), rule("100"), NOW_MS).await,
            refused(ReturnRefused::NotReturnable)
        );
    }
    let nobody = DeliveryId {
        order: rejected,
        bid: 2,
    };
    for missing in [nobody, first_of(id(NOW_MS, 3))] {
        assert_eq!(
            store.give_back(missing, rule("100"), NOW_MS).await,
            Err(ChangeError::NotFound)
        );
    }
}

#[tokio::test]
async fn a_sale_after_a_return_changes_what_the_supplier_pays_back() {
    let (_folder, store) = fresh();
    let order = gavel_market::order::Order {
        cost: CostModel::PerLead(money("15")),
        ..sample::order(id(NOW_MS, 1), 3)
    };
    let id = order.id;
    let ping = sample::ping(&order);
    store
        .open_order(order, Rooms::new(), ping, None, in_time())
        .await
        .expect("opened");
    store
        .claim_order(
            id,
            sample::claim(id),
            zeroize::Zeroizing::default(),
            crate::Checks::default(),
        )
        .await
        .expect("claimed");
    store.accept_order(id, NOW_MS).await.expect("accepted");
    store
        .delivered(id, End::Accepted { price: None }, None)
        .await;
    let automatic = Returns {
        auto_accept: true,
        ..rule("100")
    };
    let first = first_of(id);
    store
        .give_back(first, automatic, NOW_MS)
        .await
        .expect("accepted");
    // All of the revenue is gone, and with it all of the cost.
    assert_eq!(store.totals(first), ("0.00".into(), "0.00".into()));
    let next = OnUnconfirmed::Next;
    store
        .begin_delivery(id, 1, next, Needs::default(), NOW_MS)
        .await
        .expect("begun");
    store
        .end_delivery(id, 1, End::Accepted { price: None }, next, None, NOW_MS)
        .await
        .expect("sold");
    // 15.00 × 23 ÷ (23 + 22) is 7.666…, of which 15.00 was charged already.
    assert_eq!(store.totals(first), ("22.00".into(), "7.34".into()));
    let entries = store.ledger(id.lead()).expect("readable");
    assert!(
        matches!(
            entries.last().map(|entry| &entry.kind),
            Some(EntryKind::Charge { .. })
        ),
        "{entries:?}"
    );
    assert_eq!(ledger::charge_due(&entries, NOW_MS), None);
}

#[tokio::test]
async fn a_return_outlives_its_order_and_can_still_be_decided() {
    let (folder, store) = fresh();
    let sold = store.some_sold(1).await[0];
    let asked = store
        .give_back(sold, rule("100"), NOW_MS)
        .await
        .expect("asked for");
    let kept = Duration::from_hours(1);
    store
        .erase_due(NOW_MS + DAY_MS, kept, kept, 100)
        .await
        .expect("swept");
    assert_eq!(store.order(sold.order), Ok(None));
    store.close().await;
    let store = open(folder.path());
    assert_eq!(store.returned(), 1);
    store
        .decide_return(asked.id, true, NOW_MS + DAY_MS)
        .await
        .expect("accepted");
    assert_eq!(store.totals(sold), ("0.00".into(), "0.00".into()));
    assert_eq!(
        store.give_back(sold, rule("100"), NOW_MS).await,
        refused(ReturnRefused::AlreadyReturned)
    );
}

#[tokio::test]
async fn a_return_decided_after_its_order_is_erased_is_booked_for_its_source() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let order = Order {
        sub_id: Some("banner-7".into()),
        ..sample::order(id, 3)
    };
    store.open_sample(order).await;
    store.claimed(id, b"").await;
    store.end_sold(id, NOW_MS).await;
    let asked = store
        .give_back(first_of(id), rule("100"), NOW_MS)
        .await
        .expect("asked for");
    count(&store).await;
    let kept = Duration::from_hours(1);
    store
        .erase_due(NOW_MS + DAY_MS, kept, kept, 100)
        .await
        .expect("swept");
    assert_eq!(store.order(id), Ok(None));
    store
        .decide_return(asked.id, true, NOW_MS + DAY_MS)
        .await
        .expect("accepted");
    let of_source = money_of(&store, "banner-7");
    assert_eq!(of_source, (Money::ZERO, Money::ZERO));
}

#[tokio::test]
async fn returns_are_listed_newest_first_by_state_page_by_page() {
    let (_folder, store) = fresh();
    let sold = store.some_sold(5).await;
    let mut newest_first = Vec::new();
    for (at_ms, delivery) in (NOW_MS..).zip(sold) {
        let asked = store
            .give_back(delivery, rule("100"), at_ms)
            .await
            .expect("asked for");
        newest_first.insert(0, asked.id);
    }
    store
        .decide_return(newest_first[1], true, NOW_MS)
        .await
        .expect("accepted");
    store
        .decide_return(newest_first[3], false, NOW_MS)
        .await
        .expect("declined");
    let all = |state| {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = store.returns(state, after, 2).expect("readable");
            ids.extend(page.items.iter().map(|one| one.id));
            after = page.next;
            if after.is_none() {
                return ids;
            }
        }
    };
    assert_eq!(all(None), newest_first);
    let pending = [newest_first[0], newest_first[2], newest_first[4]];
    assert_eq!(all(Some(ReturnState::Pending)), pending);
    assert_eq!(all(Some(ReturnState::Accepted)), [newest_first[1]]);
    assert_eq!(all(Some(ReturnState::Declined)), [newest_first[3]]);
}
