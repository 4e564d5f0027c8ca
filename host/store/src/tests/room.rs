use std::{collections::BTreeSet, thread, time::Duration};

use gavel_market::{
    ids::DeliveryId,
    model::{HoldAt, OnUnconfirmed},
    order::{BeginRefused, Order, OrderState, PostAnswer},
    reason::RejectReason,
    room::{Counted, Limits, Owner, Period, Room, Taking},
};
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use super::{
    fresh, gated, in_time,
    indexes::stored_with,
    open,
    sample::{self, NOW_MS, WINDOW_MS, account, campaign, id, room},
};
use crate::{ChangeError, Checks, Needs, OpenOrderError, Rooms, Store, keys};

const DAY_MS: u64 = 24 * 3_600_000;

/// What is counted of every owner is what these takings make, one by one.
pub(super) fn assert_counted(store: &Store, takings: &[Taking]) {
    let stored = stored_with(store, keys::USAGE);
    let mut owners: BTreeSet<Owner> = stored
        .iter()
        .map(|key| keys::owner_of(key).expect("an owner"))
        .collect();
    owners.extend(takings.iter().map(|taking| taking.owner.clone()));
    for owner in owners {
        let usage = store.usage(&owner);
        let at_ms = usage.moment(0);
        for period in Period::ALL {
            let span = usage.span(period, at_ms, &TimeZone::UTC);
            let mut naive = Counted::default();
            for taking in takings {
                if taking.owner != owner || !span.contains(taking.at_ms) {
                    continue;
                }
                if taking.sold {
                    naive.sold += 1;
                    naive.sold_amount = naive.sold_amount + taking.amount;
                } else {
                    naive.held += 1;
                    naive.held_amount = naive.held_amount + taking.amount;
                }
            }
            assert_eq!(usage.counted(period, at_ms), naive, "{owner}, {period:?}");
        }
    }
}

fn today(store: &Store, owner: &Owner) -> (u64, u64) {
    let counted = store.usage(owner).counted(Period::Day, NOW_MS);
    (counted.sold, counted.held)
}

fn rooms(of: impl IntoIterator<Item = (Owner, u64)>) -> Rooms {
    of.into_iter()
        .map(|(owner, most)| (owner, room(Period::Day, most)))
        .collect()
}

impl Store {
    async fn opened_in(&self, order: &Order, rooms: Rooms) -> Result<(), OpenOrderError> {
        let ping = sample::ping(order);
        self.open_order(order.clone(), rooms, ping, None, in_time())
            .await
    }
}

#[tokio::test]
async fn a_quote_holds_room_until_it_expires() {
    let (_folder, store) = fresh();
    let order = sample::order(id(NOW_MS, 1), 3);
    store.opened_in(&order, rooms([])).await.expect("opened");
    assert_eq!(today(&store, &account(0)), (0, 1));
    assert_eq!(today(&store, &campaign()), (0, 1));
    assert_eq!(today(&store, &account(1)), (0, 0), "it was not selected");
    let counted = store.usage(&account(0)).counted(Period::Total, NOW_MS);
    assert_eq!(counted.held_amount, sample::money("23"));
    store
        .expire_due(NOW_MS + WINDOW_MS, 10)
        .await
        .expect("swept");
    assert_eq!(today(&store, &account(0)), (0, 0));
    assert_eq!(today(&store, &campaign()), (0, 0));
}

#[tokio::test]
async fn a_hold_becomes_a_sale_and_a_rejection_gives_it_back() {
    let (_folder, store) = fresh();
    store.sold(id(NOW_MS, 1), b"", NOW_MS).await;
    assert_eq!(today(&store, &account(0)), (1, 0));
    assert_eq!(today(&store, &campaign()), (1, 0));
    let month = store.usage(&account(0)).month(NOW_MS).copied();
    assert_eq!(month.map(|month| month.sold), Some(1));

    let other = id(NOW_MS, 2);
    store.posted(other, b"").await;
    assert_eq!(today(&store, &account(0)), (1, 1));
    store.delivered(other, sample::rejected(), None).await;
    store
        .settle_order(other, RejectReason::NotDelivered, sample::terms(), NOW_MS)
        .await
        .expect("settled");
    assert_eq!(today(&store, &account(0)), (1, 0));
    assert_eq!(today(&store, &campaign()), (1, 0));
}

#[tokio::test]
async fn an_unconfirmed_delivery_keeps_its_room_until_it_is_settled() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"").await;
    store.delivered(id, sample::unconfirmed(), None).await;
    store
        .settle_order(id, RejectReason::NotDelivered, sample::terms(), NOW_MS)
        .await
        .expect("settled");
    assert_eq!(today(&store, &account(0)), (0, 1));
    assert_eq!(today(&store, &campaign()), (0, 1));
    store
        .settle_delivery(
            DeliveryId { order: id, bid: 0 },
            None,
            sample::terms(),
            NOW_MS,
        )
        .await
        .expect("settled");
    assert_eq!(today(&store, &account(0)), (0, 0));
    assert_eq!(today(&store, &campaign()), (0, 0));
}

#[tokio::test]
async fn every_owner_without_room_is_named_and_nothing_is_written() {
    let (_folder, store) = fresh();
    let mut order = sample::order(id(NOW_MS, 1), 3);
    order.quote.selected = vec![0, 1, 2];
    let full = rooms([
        (account(0), 0),
        (account(1), 1),
        (account(2), 0),
        (campaign(), 0),
    ]);
    let named = vec![account(0), account(2), campaign()];
    assert_eq!(
        store.opened_in(&order, full).await,
        Err(OpenOrderError::NoRoom(named))
    );
    assert_eq!(store.order(order.id), Ok(None));
    assert_eq!(store.ping(order.id.ping()), Ok(None));
    assert_eq!(today(&store, &account(1)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_any_number_of_quotes_at_once_exactly_as_many_stand_as_the_cap_has_room_for() {
    let (_folder, store) = fresh();
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let order = sample::order(id(NOW_MS, number), 3);
                let room = rooms([(account(0), 20), (campaign(), 1_000)]);
                store.opened_in(&order, room).await
            })
        })
        .collect();
    let mut opened = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(()) => opened += 1,
            Err(error) => assert_eq!(error, OpenOrderError::NoRoom(vec![account(0)])),
        }
    }
    assert_eq!(opened, 20);
    assert_eq!(today(&store, &account(0)), (0, 20));
    assert_eq!(today(&store, &campaign()), (0, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_any_number_of_deliveries_at_once_exactly_as_many_begin_as_the_cap_has_room_for() {
    let (_folder, store) = fresh();
    for number in 0..40 {
        let mut order = sample::order(id(NOW_MS, number), 1);
        order.bids[0].hold = HoldAt::Post;
        store.opened_in(&order, rooms([])).await.expect("opened");
        store
            .claim_order(
                order.id,
                sample::claim(order.id),
                Zeroizing::default(),
                Checks::default(),
            )
            .await
            .expect("claimed");
    }
    assert_eq!(today(&store, &account(0)), (0, 0), "it holds at the post");
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let store = store.clone();
            let needs = Needs {
                room: Some(room(Period::Hour, 7)),
                comparison: None,
            };
            let stop = OnUnconfirmed::Stop;
            let id = id(NOW_MS, number);
            tokio::spawn(async move { store.begin_delivery(id, 0, stop, needs, NOW_MS).await })
        })
        .collect();
    let mut begun = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(_) => begun += 1,
            Err(error) => assert_eq!(error, ChangeError::Refused(BeginRefused::NoRoom)),
        }
    }
    assert_eq!(begun, 7);
    assert_eq!(today(&store, &account(0)), (0, 7));
}

#[tokio::test]
async fn a_budget_is_never_exceeded_and_is_used_to_the_cent() {
    let (_folder, store) = fresh();
    let budget = Room {
        caps: Limits::default(),
        budget: Limits::of([(Period::Day, sample::money("69"))]),
        zone: TimeZone::UTC,
    };
    // Each bids 23.
    let mut opened = 0;
    for number in 0..5 {
        let order = sample::order(id(NOW_MS, number), 3);
        let rooms = Rooms::from([(account(0), budget.clone())]);
        opened += u32::from(store.opened_in(&order, rooms).await.is_ok());
    }
    assert_eq!(opened, 3);
}

#[tokio::test]
async fn what_has_room_at_the_quote_needs_none_at_the_delivery() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"").await;
    let full = || Needs {
        room: Some(room(Period::Day, 0)),
        comparison: None,
    };
    let stop = OnUnconfirmed::Next;
    assert_eq!(
        store.begin_delivery(id, 1, stop, full(), NOW_MS).await,
        Err(ChangeError::Refused(BeginRefused::NoRoom))
    );
    store
        .begin_delivery(id, 0, stop, full(), NOW_MS)
        .await
        .expect("begun");
}

#[tokio::test]
async fn a_campaign_that_holds_at_the_post_refuses_there() {
    let (_folder, store) = fresh();
    for (number, state) in [(1, OrderState::Posting), (2, OrderState::Rejected)] {
        let mut order = sample::order(id(NOW_MS, number), 3);
        order.hold = HoldAt::Post;
        store.opened_in(&order, rooms([])).await.expect("opened");
        assert_eq!(today(&store, &campaign()), (0, number - 1));
        let checks = Checks {
            comparisons: Vec::new(),
            campaign_room: Some(room(Period::Day, 1)),
        };
        let claim = sample::claim(order.id);
        let claimed = store
            .claim_order(order.id, claim, Zeroizing::default(), checks)
            .await
            .expect("claimed");
        assert_eq!(claimed.state, state);
        if state == OrderState::Rejected {
            let reason = RejectReason::CampaignCapReached;
            assert_eq!(
                claimed.post.and_then(|post| post.answer),
                Some(PostAnswer::Rejected { reason })
            );
        }
        assert_eq!(today(&store, &campaign()), (0, 1));
    }
    assert_eq!(
        today(&store, &account(0)),
        (0, 1),
        "the refused one gave its own back"
    );
}

#[tokio::test]
async fn a_test_takes_nothing() {
    let (_folder, store) = fresh();
    let mut order = sample::order(id(NOW_MS, 1), 3);
    order.test = true;
    let full = rooms([(account(0), 0), (campaign(), 0)]);
    store.opened_in(&order, full).await.expect("opened");
    assert_eq!(stored_with(&store, keys::USAGE), BTreeSet::new());
}

#[tokio::test]
async fn an_order_that_came_too_late_gives_its_room_back() {
    let (_folder, store, gate) = gated();
    let order = sample::order(id(NOW_MS, 1), 3);
    let soon = std::time::Instant::now() + Duration::from_millis(30);
    let ping = sample::ping(&order);
    let opened = store.open_order(order, rooms([]), ping, None, soon).await;
    assert_eq!(opened, Err(OpenOrderError::Late));
    drop(gate);
    // Whatever comes next finds it taken back, in its own group or the one before.
    store.caught_up().await.expect("committed");
    store.caught_up().await.expect("committed");
    assert_eq!(today(&store, &account(0)), (0, 0));
    assert!(store.usage(&account(0)).last_taken_ms().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_durable_is_not_shown_and_yet_bounds_what_comes_behind_it() {
    let (_folder, store, gate) = gated();
    let open = |number| {
        let store = store.clone();
        tokio::spawn(async move {
            let order = sample::order(id(NOW_MS, number), 3);
            let one = rooms([(account(0), 1)]);
            store.opened_in(&order, one).await
        })
    };
    let first = open(1);
    while store.stats().changes < 1 {
        tokio::task::yield_now().await;
    }
    let second = open(2);
    while store.stats().queued < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(today(&store, &account(0)), (0, 0));
    drop(gate);
    assert_eq!(first.await.expect("no panic"), Ok(()));
    let no_room = Err(OpenOrderError::NoRoom(vec![account(0)]));
    assert_eq!(second.await.expect("no panic"), no_room);
    assert_eq!(today(&store, &account(0)), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sees_an_order_sees_it_counted() {
    const ORDERS: u64 = 2_000;
    let (_folder, store) = fresh();
    let reader = {
        let store = store.clone();
        thread::spawn(move || {
            for number in 1..=ORDERS {
                while store.order(id(NOW_MS, number)).expect("read").is_none() {
                    std::hint::spin_loop();
                }
                let (_, held) = today(&store, &account(0));
                assert!(held >= number, "{number} are seen, {held} counted");
            }
        })
    };
    for number in 1..=ORDERS {
        let order = sample::order(id(NOW_MS, number), 3);
        store.opened_in(&order, rooms([])).await.expect("opened");
    }
    reader.join().expect("no panic");
}

#[tokio::test]
async fn counts_and_clocks_survive_a_restart() {
    let (folder, store) = fresh();
    let zone = TimeZone::get("America/New_York").expect("a zone");
    let order = sample::order(id(NOW_MS, 1), 3);
    let there = Room {
        zone: zone.clone(),
        ..room(Period::Day, 5)
    };
    let rooms_there = Rooms::from([(account(0), there)]);
    store.opened_in(&order, rooms_there).await.expect("opened");
    let before = store.usage(&account(0));
    store.close().await;
    let store = open(folder.path());
    assert_eq!(store.usage(&account(0)), before);
    // A market that names no room for it any more leaves it on its own clocks.
    let later = sample::order(id(NOW_MS + DAY_MS, 2), 3);
    store.opened_in(&later, rooms([])).await.expect("opened");
    let at_ms = NOW_MS + DAY_MS;
    assert_eq!(
        store
            .usage(&account(0))
            .span(Period::Day, at_ms, &TimeZone::UTC),
        Period::Day.at(at_ms, &zone)
    );
}

#[tokio::test]
async fn a_clock_set_back_gives_nobody_room_twice() {
    let (_folder, store) = fresh();
    let one = || Rooms::from([(account(0), room(Period::Hour, 1))]);
    let late = sample::order(id(NOW_MS + DAY_MS, 1), 3);
    store.opened_in(&late, one()).await.expect("opened");
    let early = sample::order(id(NOW_MS, 2), 3);
    assert_eq!(
        store.opened_in(&early, one()).await,
        Err(OpenOrderError::NoRoom(vec![account(0)]))
    );
    store.opened_in(&early, rooms([])).await.expect("opened");
    let stored = store.order(early.id).expect("readable").expect("there");
    assert!(stored.room_at_ms > early.room_at_ms);
    assert_eq!(stored.room_at_ms, store.usage(&account(0)).moment(0));
    let both = [late.takings(), stored.takings()].concat();
    assert_counted(&store, &both);
}
