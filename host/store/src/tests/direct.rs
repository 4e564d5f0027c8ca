use std::time::{Duration, Instant};

use gavel_market::{
    ids::{Digest, OrderId},
    order::{Order, OrderState, PostAnswer},
    reason::RejectReason,
    room::Period,
};
use zeroize::Zeroizing;

use super::{
    checks, fresh, in_time,
    indexes::{compared, stored_with},
    open,
    room::assert_counted,
    sample::{self, NOW_MS, WINDOW_MS, account, campaign, id, room},
};
use crate::{Again, Checks, OpenOrderError, Remembered, Rooms, Store, keys};

fn again(store: &Store, id: OrderId) -> Again {
    let lead = Digest::of(b"the whole lead");
    Again {
        key: store.direct_key(&"solar-west".parse().expect("a name"), &lead),
        request_hash: lead,
        answer: Remembered::Posted(id),
        ping: id.ping(),
        expires_at_ms: id.received_at_ms() + WINDOW_MS,
    }
}

async fn post(
    store: &Store,
    id: OrderId,
    checks: Checks,
    rooms: Rooms,
    until: Instant,
) -> Result<Order, OpenOrderError> {
    let order = sample::order(id, 3);
    let (ping, again) = (sample::ping(&order), again(store, id));
    let claim = sample::claim_with(id, "phone", NOW_MS + WINDOW_MS);
    let personal = Zeroizing::new(b"Ada Lovelace".to_vec());
    store
        .open_posting(
            order,
            claim,
            personal,
            checks,
            rooms,
            ping,
            Some(again),
            until,
        )
        .await
}

#[tokio::test]
async fn a_direct_post_is_there_at_once_as_a_whole() {
    let (folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let order = post(&store, id, checks("phone"), Rooms::new(), in_time())
        .await
        .expect("posted");
    assert_eq!(order.state, OrderState::Posting);
    store.close().await;
    let store = open(folder.path());
    assert_eq!(store.order(id), Ok(Some(order.clone())));
    assert_eq!(
        store.personal(id.lead()).as_deref(),
        Some(&b"Ada Lovelace"[..])
    );
    assert!(store.ping(id.ping()).expect("readable").is_some());
    assert_eq!(store.orders_being_delivered(None, 10), Ok(vec![id]));
    // A repeat is told what the order says: nothing yet.
    let remembered = store.again(&again(&store, id).key).expect("readable");
    assert_eq!(
        remembered.map(|again| again.answer),
        Some(Remembered::Posted(id))
    );
    assert_counted(&store, &order.takings());
    let (stored, right) = compared(&store);
    assert_eq!(stored, right);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_any_number_of_the_same_direct_post_one_is_written() {
    let (_folder, store) = fresh();
    let tasks: Vec<_> = (0..30)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = id(NOW_MS, number);
                post(&store, id, Checks::default(), Rooms::new(), in_time()).await
            })
        })
        .collect();
    let (mut written, mut told) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(order) => written.push(order.id),
            Err(OpenOrderError::Exists(again)) => told.push(again.answer),
            Err(error) => panic!("{error}"),
        }
    }
    let [one] = written[..] else {
        panic!("{written:?}");
    };
    assert_eq!(told, vec![Remembered::Posted(one); 29]);
    assert_eq!(stored_with(&store, keys::SLOT).len(), 1);
}

#[tokio::test]
async fn a_direct_post_without_room_leaves_nothing() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let full = Rooms::from([
        (account(0), room(Period::Day, 0)),
        (campaign(), room(Period::Day, 1)),
    ]);
    let posted = post(&store, id, checks("phone"), full, in_time()).await;
    assert_eq!(posted, Err(OpenOrderError::NoRoom(vec![account(0)])));
    assert_leaves_nothing(&store, id);
}

#[tokio::test]
async fn a_direct_post_that_comes_too_late_leaves_nothing() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let past = Instant::now()
        .checked_sub(Duration::from_millis(1))
        .expect("a past");
    let posted = post(&store, id, checks("phone"), Rooms::new(), past).await;
    assert_eq!(posted, Err(OpenOrderError::Late));
    assert_leaves_nothing(&store, id);
}

fn assert_leaves_nothing(store: &Store, id: OrderId) {
    assert_eq!(store.order(id), Ok(None));
    assert_eq!(store.ping(id.ping()), Ok(None));
    assert_eq!(store.again(&again(store, id).key), Ok(None));
    assert_eq!(store.personal(id.lead()), None);
    let left: Vec<_> = (0..=255)
        .flat_map(|tag| stored_with(store, tag))
        .filter(|key| key != keys::META)
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_direct_post_of_a_lead_that_was_there_is_rejected_and_takes_nothing() {
    let (_folder, store) = fresh();
    let (one, other) = (id(NOW_MS, 1), id(NOW_MS, 2));
    store.opened(one, 3).await;
    let claim = sample::claim_with(one, "phone", NOW_MS + WINDOW_MS);
    let first = store
        .claim_order(one, claim, Zeroizing::default(), Checks::default())
        .await
        .expect("claimed");
    let order = post(&store, other, checks("phone"), Rooms::new(), in_time())
        .await
        .expect("answered");
    assert_eq!(
        order.post.as_ref().and_then(|post| post.answer.clone()),
        Some(PostAnswer::Rejected {
            reason: RejectReason::Duplicate
        })
    );
    assert_eq!(store.order(other), Ok(Some(order)));
    assert_counted(&store, &first.takings());
}

#[tokio::test]
async fn a_direct_post_is_forgotten_after_its_window() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    post(&store, id, Checks::default(), Rooms::new(), in_time())
        .await
        .expect("posted");
    let kept = Duration::from_hours(1);
    let erased = store.erase_due(NOW_MS + WINDOW_MS, kept, kept, 10).await;
    assert_eq!(erased, Ok(2), "the answer, and what the lead was known by");
    assert_eq!(store.again(&again(&store, id).key), Ok(None));
    assert!(store.order(id).expect("readable").is_some());
}
