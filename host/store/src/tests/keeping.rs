use std::{collections::BTreeSet, time::Duration};

use gavel_market::{
    ids::OrderId,
    order::{End, OrderState},
    reason::RejectReason,
    room::Period,
};
use zeroize::Zeroizing;

use super::{
    fresh, in_time,
    indexes::stored_with,
    report::count,
    sample::{self, NOW_MS, WINDOW_MS, id},
};
use crate::{Again, Checks, ListedState, PingQuery, Rooms, Store, keys};

const PING_RETENTION: Duration = Duration::from_hours(48);
const RETENTION: Duration = Duration::from_hours(720);

const PING_RETENTION_MS: u64 = 48 * 3_600_000;
const RETENTION_MS: u64 = 720 * 3_600_000;

async fn erase(store: &Store, now_ms: u64) -> usize {
    count(store).await;
    store
        .erase_due(now_ms, PING_RETENTION, RETENTION, 100)
        .await
        .expect("swept")
}

fn state(store: &Store, id: OrderId) -> Option<OrderState> {
    store.order(id).expect("readable").map(|order| order.state)
}

#[tokio::test]
async fn open_orders_expire_when_their_window_has_passed() {
    let (_folder, store) = fresh();
    let (one, two, posted) = (id(NOW_MS, 1), id(NOW_MS + 10, 2), id(NOW_MS, 3));
    store.opened(one, 3).await;
    store.opened(two, 3).await;
    store.posted(posted, b"").await;
    assert_eq!(store.expire_due(NOW_MS + WINDOW_MS - 1, 100).await, Ok(0));
    assert_eq!(store.expire_due(NOW_MS + WINDOW_MS, 100).await, Ok(1));
    assert_eq!(state(&store, one), Some(OrderState::Expired));
    assert_eq!(state(&store, two), Some(OrderState::Open));
    assert_eq!(store.expire_due(NOW_MS + 2 * WINDOW_MS, 100).await, Ok(1));
    assert_eq!(state(&store, posted), Some(OrderState::Posting));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_holds_up_no_other_and_keeps_no_personal_field() {
    let (_folder, store) = fresh();
    let ids: Vec<_> = (0..6).map(|number| id(NOW_MS + number, 0)).collect();
    let (open, sold) = ids.split_at(3);
    for id in open {
        store.opened(*id, 1).await;
    }
    for id in sold {
        store.sold(*id, b"ada", NOW_MS).await;
    }
    let damage = |id: OrderId| {
        store
            .0
            .db
            .insert(keys::quoted(id), b"\x01")
            .expect("written")
    };
    damage(open[0]);
    damage(sold[0]);
    let place = stored_with(&store, keys::OPEN_BY_EXPIRY)
        .into_iter()
        .find(|place| place.ends_with(&open[2].0.to_bytes()));
    store
        .0
        .db
        .insert(place.expect("it is open"), b"\x01")
        .expect("written");
    let passed = NOW_MS + WINDOW_MS + 10;
    assert_eq!(store.expire_due(passed, 100).await, Ok(3));
    assert_eq!(
        store.expire_due(passed, 100).await,
        Ok(0),
        "it is not due again"
    );
    assert_eq!(state(&store, open[1]), Some(OrderState::Expired));
    // What they held is given back, whichever of their two records is damaged.
    let usage = store.usage(&sample::account(0));
    assert_eq!(usage.counted(Period::Total, usage.moment(0)).held, 0);
    while erase(&store, NOW_MS + RETENTION_MS).await > 0 {}
    assert_eq!(state(&store, sold[1]), None);
    assert!(stored_with(&store, keys::SETTLED).is_empty());
    for id in sold {
        assert_eq!(store.unseal_lead(id.lead()), Ok(None));
    }
}

#[tokio::test]
async fn a_lead_whose_order_cannot_be_read_is_erased_all_the_same_and_is_in_no_lists_way() {
    let (_folder, store) = fresh();
    let (damaged, newer, whole) = (id(NOW_MS, 1), id(NOW_MS, 2), id(NOW_MS, 3));
    for id in [damaged, newer, whole] {
        store.posted(id, b"ada").await;
        store
            .delivered(id, sample::unconfirmed(), Some(b"ada's words"))
            .await;
    }
    count(&store).await;
    for (id, record) in [(damaged, b"\x01"), (newer, b"\xf0")] {
        for key in [keys::standing(id), keys::ping(id.ping())] {
            store.0.db.insert(key, record).expect("written");
        }
    }
    let listed = store.deliveries(ListedState::Unconfirmed, None, 1);
    let listed = listed.map(|page| page.items.iter().map(|one| one.id.order).collect());
    assert_eq!(listed, Ok(vec![whole]));
    let pings = store.pings(&PingQuery {
        limit: 10,
        ..PingQuery::default()
    });
    let pings = pings.map(|page| page.items.iter().map(|ping| ping.id).collect());
    assert_eq!(pings, Ok(vec![whole.ping()]));
    for id in [damaged, newer] {
        for _ in 0..2 {
            assert_eq!(store.erase_lead(id.lead(), NOW_MS).await, Ok(None));
            assert_eq!(store.personal(id.lead()), None);
            assert_eq!(store.unseal_words(id.lead(), 0), Ok(Vec::new()));
        }
    }
    assert_eq!(store.personal(whole.lead()), Some(b"ada".to_vec()));
}

#[tokio::test]
async fn an_order_whose_parts_are_torn_holds_up_no_other_and_fails_no_store() {
    let (_folder, store) = fresh();
    let (torn, other) = (id(NOW_MS, 1), id(NOW_MS, 2));
    store.opened(torn, 2_000).await;
    store.opened(other, 1).await;
    let passed = NOW_MS + WINDOW_MS;
    assert_eq!(store.expire_due(passed, 100).await, Ok(2));
    count(&store).await;
    for record in [keys::quoted(torn), keys::ping(torn.ping())] {
        let part = store.0.db.remove(keys::part(&record, 1));
        assert!(part.expect("written").is_some(), "it is a long record");
    }
    while erase(&store, NOW_MS + PING_RETENTION_MS).await > 0 {}
    assert_eq!(state(&store, other), None);
    assert!(stored_with(&store, b'o').is_empty());
    assert!(stored_with(&store, keys::PING).is_empty());
    assert_eq!(store.health(), Ok(()));
}

#[tokio::test]
async fn what_a_newer_gavel_wrote_is_left_for_it() {
    let (_folder, store) = fresh();
    let (newer, other) = (id(NOW_MS, 1), id(NOW_MS, 2));
    store.opened(newer, 1).await;
    store.opened(other, 1).await;
    let expires_at_ms = NOW_MS + WINDOW_MS;
    for record in [
        keys::open_by_expiry(expires_at_ms, newer),
        keys::quoted(newer),
    ] {
        store.0.db.insert(record, b"\xf0").expect("written");
    }
    assert_eq!(store.expire_due(expires_at_ms, 100).await, Ok(1));
    assert_eq!(state(&store, other), Some(OrderState::Expired));
    assert_eq!(stored_with(&store, keys::OPEN_BY_EXPIRY).len(), 1);
    while erase(&store, NOW_MS + PING_RETENTION_MS).await > 0 {}
    assert_eq!(state(&store, other), None);
    assert_eq!(stored_with(&store, b'o').len(), 1);
    assert_eq!(stored_with(&store, keys::PING).len(), 1);
}

#[tokio::test]
async fn a_sweep_does_no_more_than_it_is_asked() {
    let (_folder, store) = fresh();
    for number in 0..200 {
        store.opened(id(NOW_MS, number), 1).await;
    }
    assert_eq!(store.expire_due(NOW_MS + WINDOW_MS, 150).await, Ok(150));
    assert_eq!(store.expire_due(NOW_MS + WINDOW_MS, 150).await, Ok(50));
}

#[tokio::test]
async fn what_was_never_posted_goes_with_its_ping() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.opened(id, 3).await;
    store
        .expire_due(NOW_MS + WINDOW_MS, 100)
        .await
        .expect("expired");
    assert_eq!(erase(&store, NOW_MS + PING_RETENTION_MS - 1).await, 0);
    assert_eq!(erase(&store, NOW_MS + PING_RETENTION_MS).await, 1);
    assert_eq!(state(&store, id), None);
    assert_eq!(store.ping(id.ping()).expect("readable"), None);
    assert_eq!(erase(&store, NOW_MS + PING_RETENTION_MS).await, 0);
}

#[tokio::test]
async fn an_open_order_is_not_erased() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.opened(id, 3).await;
    assert_eq!(erase(&store, NOW_MS + PING_RETENTION_MS).await, 1);
    assert_eq!(state(&store, id), Some(OrderState::Open));
    // Its ping goes in time, and so does not hold up those behind it; the order when it expires.
    assert!(store.ping(id.ping()).expect("readable").is_none());
    assert_eq!(store.expire_due(NOW_MS + WINDOW_MS, 100).await, Ok(1));
    assert_eq!(state(&store, id), None);
}

#[tokio::test]
async fn a_sold_lead_goes_when_its_time_has_come_and_its_ledger_stays() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let settled_at_ms = NOW_MS + 5_000;
    store.sold(id, b"Ada Lovelace", settled_at_ms).await;
    // Its ping goes before it.
    assert_eq!(erase(&store, settled_at_ms + RETENTION_MS - 1).await, 1);
    assert_eq!(state(&store, id), Some(OrderState::Sold));
    assert!(store.personal(id.lead()).is_some());
    assert_eq!(erase(&store, settled_at_ms + RETENTION_MS).await, 1);
    assert_eq!(state(&store, id), None);
    assert_eq!(store.personal(id.lead()), None);
    assert_eq!(store.ledger(id.lead()).expect("readable").len(), 2);
}

#[tokio::test]
async fn an_unconfirmed_delivery_keeps_its_lead() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"Ada Lovelace").await;
    store.delivered(id, sample::unconfirmed(), None).await;
    store
        .settle_order(id, RejectReason::NotDelivered, sample::terms(), NOW_MS)
        .await
        .expect("settled");
    let late_ms = NOW_MS + 2 * RETENTION_MS;
    erase(&store, late_ms).await;
    assert!(store.personal(id.lead()).is_some());
    let delivery = gavel_market::ids::DeliveryId { order: id, bid: 0 };
    store
        .settle_delivery(delivery, None, sample::terms(), late_ms)
        .await
        .expect("settled by hand");
    assert_eq!(erase(&store, late_ms + RETENTION_MS - 1).await, 0);
    assert_eq!(erase(&store, late_ms + RETENTION_MS).await, 1);
    assert_eq!(store.personal(id.lead()), None);
}

#[tokio::test]
async fn an_unconfirmed_test_is_nobodys_to_look_after_and_keeps_nothing() {
    let (_folder, store) = fresh();
    for (number, accepts) in [(1, true), (2, false)] {
        let mut order = sample::order(id(NOW_MS, number), 3);
        order.test = true;
        let of = order.id;
        let ping = sample::ping(&order);
        store
            .open_order(order, Rooms::new(), ping, None, in_time())
            .await
            .expect("opened");
        let personal = Zeroizing::new(b"Ada Lovelace".to_vec());
        store
            .claim_order(of, sample::claim(of), personal, Checks::default())
            .await
            .expect("claimed");
        if accepts {
            store.accept_order(of, NOW_MS).await.expect("accepted");
        }
        store.delivered(of, sample::unconfirmed(), None).await;
        if !accepts {
            store
                .settle_order(of, RejectReason::NotDelivered, sample::terms(), NOW_MS)
                .await
                .expect("settled");
        }
        assert!(store.ledger(of.lead()).expect("readable").is_empty());
    }
    let unconfirmed = store.deliveries(ListedState::Unconfirmed, None, 10);
    assert_eq!(unconfirmed.map(|page| page.items), Ok(Vec::new()));
    erase(&store, NOW_MS + RETENTION_MS).await;
    for number in [1, 2] {
        assert_eq!(state(&store, id(NOW_MS, number)), None);
        assert_eq!(store.personal(id(NOW_MS, number).lead()), None);
    }
    assert_eq!(store.orders_being_delivered(None, 10), Ok(Vec::new()));
}

#[tokio::test]
async fn after_all_retention_only_ledger_counts_and_sums_are_left() {
    let (_folder, store) = fresh();
    let sold = id(NOW_MS, 1);
    store.opened(sold, 3).await;
    let claim = sample::claim_with(sold, "phone", NOW_MS + WINDOW_MS);
    let personal = Zeroizing::new(b"Ada Lovelace".to_vec());
    store
        .claim_order(sold, claim, personal, Checks::default())
        .await
        .expect("claimed");
    store
        .delivered(sold, End::Accepted { price: None }, Some(b"thanks, Ada"))
        .await;
    store
        .settle_order(sold, RejectReason::NotDelivered, sample::terms(), NOW_MS)
        .await
        .expect("settled");
    store.opened(id(NOW_MS, 2), 3).await;
    store
        .expire_due(NOW_MS + WINDOW_MS, 10)
        .await
        .expect("expired");
    while erase(&store, NOW_MS + RETENTION_MS).await > 0 {}
    let left: BTreeSet<u8> = (0..=255)
        .filter(|tag| !stored_with(&store, *tag).is_empty())
        .collect();
    let kept = [
        keys::META[0],
        keys::ledger(sold.lead())[0],
        keys::USAGE,
        keys::PING_SUMS,
        keys::ACCOUNT_SUMS,
    ];
    assert_eq!(left, BTreeSet::from(kept));
    let usage = store.usage(&sample::account(0));
    assert_eq!(usage.counted(Period::Total, NOW_MS).sold, 1);
    assert_eq!(usage.counted(Period::Total, NOW_MS).held, 0);
}

#[tokio::test]
async fn a_remembered_answer_is_forgotten_and_a_later_one_is_not() {
    let (_folder, store) = fresh();
    let remember = async |at_ms, number| {
        let ping = sample::ping(&sample::order(id(at_ms, number), 1));
        let again = Again {
            key: store.again_key(&ping.campaign, "key"),
            request_hash: store.keyed_hash("request", b""),
            answer: ping.answer.clone().into(),
            ping: ping.id,
            expires_at_ms: at_ms + WINDOW_MS,
        };
        store
            .record_ping_again(ping, again.clone(), in_time())
            .await
            .expect("recorded");
        again
    };
    let first = remember(NOW_MS, 1).await;
    let second = remember(first.expires_at_ms, 2).await;
    erase(&store, first.expires_at_ms).await;
    assert_eq!(
        store.again(&second.key).expect("readable"),
        Some(second.clone())
    );
    erase(&store, second.expires_at_ms).await;
    assert_eq!(store.again(&second.key).expect("readable"), None);
}
