//! Whatever happens to orders, the indexes say what a scan of all records would; what is
//! counted is what they take; and what leads are known by is what they leave.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gavel_market::{
    duplicates::Among,
    ids::{DeliveryId, OrderId, Ulid},
    model::{HoldAt, OnUnconfirmed},
    order::{Claim, End, Order},
    reason::RejectReason,
    room::{Owner, Period, Room, Taking},
};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{
    checks, fresh, in_time, open,
    room::assert_counted,
    sample::{self, NOW_MS, WINDOW_MS, account, campaign, room},
};
use crate::{
    Checks, Needs, Rooms, Store, keys,
    orders::{index_of, open_key},
};

const ORDERS: u64 = 6;
const BIDS: u16 = 3;

/// Between two orders' pings, in milliseconds: all of them together take more than an hour.
const GAP_MS: u64 = 15 * 60_000;

/// When the last thing happens.
const LATEST_MS: u64 = ORDERS * GAP_MS + 4 * WINDOW_MS;

/// Beyond whatever is swept.
const LONG_MS: u64 = NOW_MS + 100 * WINDOW_MS;

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
    Retry(u64, u16),
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
        1 => (order.clone(), bid.clone()).prop_map(|(order, bid)| Step::Retry(order, bid)),
        1 => (order.clone(), bid, any::<bool>()).prop_map(|(order, bid, sold)| Step::ByHand(order, bid, sold)),
        1 => order.clone().prop_map(Step::GiveUp),
        1 => order.prop_map(Step::EraseLead),
        1 => (0..LATEST_MS).prop_map(Step::Expire),
        1 => (0..LATEST_MS).prop_map(Step::Sweep),
    ]
}

fn of(number: u64) -> OrderId {
    sample::id(NOW_MS + number * GAP_MS, number)
}

/// Some hold at the quote and some at the post, one is a test.
fn order(number: u64) -> Order {
    let mut order = sample::order(of(number), BIDS);
    order.quote.selected = vec![0, 1];
    if number % 3 == 1 {
        order.hold = HoldAt::Post;
        order.bids[1].hold = HoldAt::Post;
    }
    order.test = number == ORDERS - 1;
    order
}

/// Two different leads among all orders.
fn lead(number: u64) -> &'static str {
    ["one", "other"][usize::from(number.is_multiple_of(2))]
}

fn claim(number: u64) -> Claim {
    let mut claim = sample::claim_with(of(number), lead(number), LONG_MS);
    let soon = sample::claim_with(of(number), "soon", NOW_MS + GAP_MS);
    claim.fingerprints.extend(soon.fingerprints);
    claim
}

/// As little room as makes it matter.
fn rooms() -> Rooms {
    Rooms::from([
        (account(0), room(Period::Hour, 2)),
        (account(1), room(Period::Day, 3)),
        (account(2), room(Period::Total, 1)),
        (campaign(), room(Period::Day, 4)),
    ])
}

fn room_of(owner: &Owner) -> Option<Room> {
    rooms().remove(owner)
}

/// Whether an operator could ask for this retry: an order has nothing left to try once all
/// that it was quoted on were tried, and is finished only then.
fn may_retry(store: &Store, number: u64) -> bool {
    let order = store.order(of(number)).expect("readable");
    order.is_some_and(|order| {
        let mut selected = order.quote.selected.iter();
        selected.all(|bid| order.delivery(*bid).is_some())
    })
}

/// Takes a step, which may well be refused.
async fn take(store: &Store, step: Step) {
    let next = OnUnconfirmed::Next;
    match step {
        Step::Retry(order, bid) => {
            let id = DeliveryId {
                order: of(order),
                bid,
            };
            if may_retry(store, order) {
                drop(store.retry_delivery(id, NOW_MS).await);
            }
        }
        Step::Open(number) => {
            let order = order(number);
            let ping = sample::ping(&order);
            drop(
                store
                    .open_order(order, rooms(), ping, None, in_time())
                    .await,
            );
        }
        Step::Claim(order) => {
            let checks = Checks {
                campaign_room: room_of(&campaign()),
                ..checks(lead(order))
            };
            let personal = Zeroizing::new(vec![1]);
            drop(
                store
                    .claim_order(of(order), claim(order), personal, checks)
                    .await,
            );
        }
        Step::Accept(order) => drop(store.accept_order(of(order), NOW_MS).await),
        Step::Begin(order, bid) => {
            let name = format!("account-{bid}").parse().expect("a name");
            let needs = Needs {
                room: room_of(&account(bid)),
                comparison: Some(sample::comparison(Among::Account(name), lead(order))),
            };
            drop(
                store
                    .begin_delivery(of(order), bid, next, needs, NOW_MS)
                    .await,
            );
        }
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
                        sample::terms(),
                        NOW_MS,
                    )
                    .await,
            );
        }
        Step::GiveUp(order) => drop(store.give_up_in_flight(of(order), NOW_MS).await),
        Step::EraseLead(order) => drop(store.erase_lead(of(order).lead(), NOW_MS).await),
        Step::Expire(after_ms) => drop(store.expire_due(NOW_MS + after_ms, 10).await),
        Step::Sweep(after_ms) => {
            let kept = Duration::from_millis(WINDOW_MS);
            drop(store.erase_due(NOW_MS + after_ms, kept, kept, 10).await);
        }
    }
}

/// Every key of one kind.
pub(super) fn stored_with(store: &Store, tag: u8) -> BTreeSet<Vec<u8>> {
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
        right.extend(index_of(&order).into_iter().chain(open_key(&order)));
    }
    for key in stored_with(store, b's') {
        let record = store.0.db.get(&key).expect("readable").expect("there");
        let slot = u32::from_be_bytes(record[3..7].try_into().expect("a slot"));
        right.insert([&[keys::SLOT][..], &slot.to_be_bytes(), &key[1..]].concat());
    }
    (stored, right)
}

/// What every order takes, and the rows that its lead leaves: of one that was erased, the last.
#[derive(Default)]
struct Known(BTreeMap<OrderId, (Vec<Taking>, BTreeSet<keys::Key>)>);

impl Known {
    fn follow(&mut self, store: &Store) {
        for order in (0..ORDERS).filter_map(|number| store.order(of(number)).expect("readable")) {
            let seen = order.seen().into_iter().flat_map(|(_, prints)| prints);
            let rows = seen
                .filter(|print| print.until_ms == LONG_MS)
                .map(|print| keys::seen(&print.hash, order.id))
                .collect();
            self.0.insert(order.id, (order.takings(), rows));
        }
    }

    fn takings(&self) -> Vec<Taking> {
        let takings = self.0.values().flat_map(|(takings, _)| takings);
        takings.cloned().collect()
    }
}

/// The rows of this store that nothing has swept, and that each row has its entry in the index.
fn rows(store: &Store) -> BTreeSet<keys::Key> {
    let mut indexed = BTreeSet::new();
    let mut long = BTreeSet::new();
    for key in stored_with(store, keys::SEEN_BY_END) {
        let row = [&[keys::SEEN], &key[9..]].concat();
        if key[1..9] == LONG_MS.to_be_bytes() {
            long.insert(row.clone());
        }
        indexed.insert(row);
    }
    assert_eq!(stored_with(store, keys::SEEN), indexed);
    long
}

fn assert_no_cap_exceeded(store: &Store) {
    for (owner, room) in rooms() {
        let usage = store.usage(&owner);
        for (period, cap) in room.caps.iter() {
            let taken = usage.counted(period, usage.moment(0)).taken();
            assert!(taken <= cap, "{owner} has {taken} {period:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_indexes_say_what_a_full_scan_says(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (folder, store) = fresh();
        let mut known = Known::default();
        for step in steps {
            // A new ping has a new id.
            if matches!(&step, Step::Open(number) if known.0.contains_key(&of(*number))) {
                continue;
            }
            runtime.block_on(take(&store, step));
            known.follow(&store);
            assert_no_cap_exceeded(&store);
        }
        let (stored, right) = compared(&store);
        prop_assert_eq!(stored, right);
        assert_counted(&store, &known.takings());
        let left = known.0.values().flat_map(|(_, rows)| rows.clone());
        prop_assert_eq!(rows(&store), left.collect());
        // And so after a restart.
        runtime.block_on(store.close());
        assert_counted(&open(folder.path()), &known.takings());
    }
}
