//! Whatever happens to orders, the indexes say what a scan of all records would.

use std::collections::BTreeSet;

use gavel_market::{
    ids::{DeliveryId, OrderId, Ulid},
    model::OnUnconfirmed,
    order::End,
    reason::RejectReason,
};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{
    fresh, in_time,
    sample::{self, NOW_MS, WINDOW_MS, id},
};
use crate::{Store, keys, orders::index_of};

const ORDERS: u64 = 4;
const BIDS: u16 = 3;

/// Everything that may be done to one of a few orders.
#[derive(Debug, Clone)]
enum Step {
    Open(u64),
    Claim(u64),
    Accept(u64),
    Begin(u64, u16),
    End(u64, u16, End),
    Settle(u64),
    Finish(u64),
    ByHand(u64, u16, bool),
    GiveUp(u64),
    EraseLead(u64),
    Expire(u64),
    Sweep(u64),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Accepted { price: None }),
        Just(sample::rejected()),
        Just(sample::unconfirmed()),
        Just(sample::passed_over()),
        Just(End::Unreachable {
            retry_at_ms: Some(NOW_MS),
            retries: true
        }),
        Just(End::Unreachable {
            retry_at_ms: None,
            retries: true
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0..ORDERS;
    let bid = 0..=BIDS;
    prop_oneof![
        2 => order.clone().prop_map(Step::Open),
        3 => order.clone().prop_map(Step::Claim),
        2 => order.clone().prop_map(Step::Accept),
        4 => (order.clone(), bid.clone()).prop_map(|(order, bid)| Step::Begin(order, bid)),
        4 => (order.clone(), bid.clone(), end()).prop_map(|(order, bid, end)| Step::End(order, bid, end)),
        1 => order.clone().prop_map(Step::Settle),
        1 => order.clone().prop_map(Step::Finish),
        1 => (order.clone(), bid, any::<bool>()).prop_map(|(order, bid, sold)| Step::ByHand(order, bid, sold)),
        1 => order.clone().prop_map(Step::GiveUp),
        1 => order.prop_map(Step::EraseLead),
        1 => (0..2 * WINDOW_MS).prop_map(Step::Expire),
        1 => (0..4 * WINDOW_MS).prop_map(Step::Sweep),
    ]
}

/// Takes a step, which may well be refused.
async fn take(store: &Store, step: Step) {
    let of = |number| id(NOW_MS + number, number);
    let next = OnUnconfirmed::Next;
    match step {
        Step::Open(order) => {
            let order = sample::order(of(order), BIDS);
            drop(
                store
                    .open_order(order.clone(), sample::ping(&order), None, in_time())
                    .await,
            );
        }
        Step::Claim(order) => drop(
            store
                .claim_order(of(order), sample::claim(of(order)), Zeroizing::new(vec![1]))
                .await,
        ),
        Step::Accept(order) => drop(store.accept_order(of(order), NOW_MS).await),
        Step::Begin(order, bid) => drop(store.begin_delivery(of(order), bid, next, NOW_MS).await),
        Step::End(order, bid, end) => drop(
            store
                .end_delivery(of(order), bid, end, next, Some(b"words"), NOW_MS)
                .await,
        ),
        Step::Settle(order) => drop(
            store
                .settle_order(
                    of(order),
                    RejectReason::NotDelivered,
                    sample::terms(),
                    NOW_MS,
                )
                .await,
        ),
        Step::Finish(order) => drop(store.finish_order(of(order), sample::terms(), NOW_MS).await),
        Step::ByHand(order, bid, sold) => {
            drop(
                store
                    .settle_delivery(
                        DeliveryId {
                            order: of(order),
                            bid,
                        },
                        sold.then_some(None),
                        NOW_MS,
                    )
                    .await,
            );
        }
        Step::GiveUp(order) => drop(store.give_up_in_flight(of(order), NOW_MS).await),
        Step::EraseLead(order) => drop(store.erase_lead(of(order).lead()).await),
        Step::Expire(after_ms) => drop(store.expire_due(NOW_MS + after_ms, 10).await),
        Step::Sweep(after_ms) => {
            let kept = std::time::Duration::from_millis(WINDOW_MS);
            drop(store.erase_due(NOW_MS + after_ms, kept, kept, 10).await);
        }
    }
}

fn stored_with(store: &Store, tag: u8) -> BTreeSet<Vec<u8>> {
    store
        .0
        .db
        .scan_prefix([tag])
        .keys()
        .map(|key| key.expect("readable").to_vec())
        .collect()
}

/// What stands under these index entries, and what the records say should.
pub(super) fn compared(store: &Store) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
    let tags = [
        keys::OPEN_BY_EXPIRY,
        keys::NEVER_POSTED,
        keys::SETTLED,
        keys::BEING_DELIVERED,
        keys::LISTED_DELIVERY,
    ];
    let mut stored: BTreeSet<Vec<u8>> = tags
        .into_iter()
        .flat_map(|tag| stored_with(store, tag))
        .collect();
    stored.extend(stored_with(store, keys::SLOT));
    let mut right = BTreeSet::new();
    for key in stored_with(store, b'o') {
        let id = OrderId(Ulid::from_bytes(key[1..].try_into().expect("a ULID")));
        let order = store.order(id).expect("readable").expect("there");
        right.extend(index_of(&order));
    }
    for key in stored_with(store, b's') {
        let record = store.0.db.get(&key).expect("readable").expect("there");
        let slot = u32::from_be_bytes(record[3..7].try_into().expect("a slot"));
        right.insert([&[keys::SLOT][..], &slot.to_be_bytes(), &key[1..]].concat());
    }
    (stored, right)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_indexes_say_what_a_full_scan_says(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (_folder, store) = fresh();
        for step in steps {
            runtime.block_on(take(&store, step));
        }
        let (stored, right) = compared(&store);
        prop_assert_eq!(stored, right);
    }
}
