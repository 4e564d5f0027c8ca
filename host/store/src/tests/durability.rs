use std::time::{Duration, Instant};

use gavel_market::{
    order::OrderState,
    reason::NoBidReason,
    record::{PingAnswer, PingRecord},
};

use super::{
    fresh, gated, in_time, key, open,
    sample::{self, NOW_MS, id},
};
use crate::{
    Again, ChangeError, Checks, OpenOrderError, OpenStoreError, Remembered, Rooms, Settings, Store,
    StoreError, StoreKey, codec, keys,
};

const NO_TIME: PingAnswer = PingAnswer::NoBid {
    reason: NoBidReason::NoTime,
};

fn again(store: &Store, ping: &PingRecord, key: &str) -> Again {
    Again {
        key: store.again_key(&ping.campaign, key),
        request_hash: store.keyed_hash("request", b"the request"),
        answer: ping.answer.clone().into(),
        ping: ping.id,
        expires_at_ms: ping.input.received_at_ms + sample::WINDOW_MS,
    }
}

/// Waits, without a clock, until so many changes wait for the committer.
async fn queued(store: &Store, count: usize) {
    while store.stats().queued < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_shares_one_flush() {
    let (_folder, store, gate) = gated();
    let open = |number| {
        let store = store.clone();
        tokio::spawn(async move { store.opened(id(NOW_MS, number), 3).await })
    };
    let mut tasks = vec![open(0)];
    while store.stats().changes == 0 {
        tokio::task::yield_now().await;
    }
    tasks.extend((1..=100).map(open));
    queued(&store, 100).await;
    gate.pass();
    gate.pass();
    for task in tasks {
        task.await.expect("opened");
    }
    assert_eq!(store.stats().commits, 2);
    drop(gate);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_durable_is_not_seen() {
    let (_folder, store, gate) = gated();
    let (one, two) = (id(NOW_MS, 1), id(NOW_MS, 2));
    gate.pass();
    store.opened(one, 3).await;
    let claim = {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .claim_order(
                    one,
                    sample::claim(one),
                    zeroize::Zeroizing::default(),
                    Checks::default(),
                )
                .await
        })
    };
    // It is in sled, but the gate is shut.
    while store
        .0
        .db
        .get(keys::standing(one))
        .expect("readable")
        .is_none()
    {
        tokio::task::yield_now().await;
    }
    let open = {
        let store = store.clone();
        tokio::spawn(async move { store.opened(two, 3).await })
    };
    tokio::task::yield_now().await;
    assert_eq!(
        store.order(one).expect("readable").map(|order| order.state),
        Some(OrderState::Open)
    );
    assert_eq!(store.order(two).expect("readable"), None);
    drop(gate);
    claim.await.expect("no panic").expect("claimed");
    open.await.expect("opened");
    assert_eq!(
        store.order(one).expect("readable").map(|order| order.state),
        Some(OrderState::Posting)
    );
    assert!(store.order(two).expect("readable").is_some());
}

#[tokio::test]
async fn an_order_taken_up_too_late_is_never_written() {
    let (_folder, store) = fresh();
    let order = sample::order(id(NOW_MS, 1), 3);
    let past = Instant::now()
        .checked_sub(Duration::from_millis(1))
        .expect("a past");
    let opened = store
        .open_order(
            order.clone(),
            Rooms::default(),
            sample::ping(&order),
            None,
            past,
        )
        .await;
    assert_eq!(opened, Err(OpenOrderError::Late));
    store.opened(id(NOW_MS, 2), 3).await;
    assert_eq!(store.order(order.id).expect("readable"), None);
    assert_eq!(store.ping(order.id.ping()).expect("readable"), None);
}

#[tokio::test]
async fn an_order_durable_too_late_is_never_open() {
    let (_folder, store, gate) = gated();
    let order = sample::order(id(NOW_MS, 1), 3);
    let ping = sample::ping(&order);
    let again = again(&store, &ping, "key");
    let soon = Instant::now() + Duration::from_millis(50);
    let opened = store
        .open_order(
            order.clone(),
            Rooms::default(),
            ping,
            Some(again.clone()),
            soon,
        )
        .await;
    assert_eq!(opened, Err(OpenOrderError::Late));
    assert!(
        Instant::now() < soon + Duration::from_secs(5),
        "it waited for the disk"
    );
    drop(gate);
    // Whatever comes next finds it taken back.
    store.opened(id(NOW_MS, 2), 3).await;
    store.opened(id(NOW_MS, 3), 3).await;
    assert_eq!(
        store
            .order(order.id)
            .expect("readable")
            .map(|order| order.state),
        Some(OrderState::Expired)
    );
    assert_eq!(
        store
            .ping(order.id.ping())
            .expect("readable")
            .map(|ping| ping.answer),
        Some(NO_TIME)
    );
    assert_eq!(
        store
            .again(&again.key)
            .expect("readable")
            .map(|again| again.answer),
        Some(Remembered::Ping(NO_TIME))
    );
    let claimed = store
        .claim_order(
            order.id,
            sample::claim(order.id),
            zeroize::Zeroizing::default(),
            Checks::default(),
        )
        .await;
    assert!(matches!(claimed, Err(ChangeError::Refused(_))));
}

#[tokio::test]
async fn a_ping_whose_task_is_gone_is_taken_back() {
    let (_folder, store, gate) = gated();
    let order = sample::order(id(NOW_MS, 1), 3);
    let task = {
        let (store, order) = (store.clone(), order.clone());
        tokio::spawn(async move {
            store
                .open_order(
                    order.clone(),
                    Rooms::default(),
                    sample::ping(&order),
                    None,
                    in_time(),
                )
                .await
        })
    };
    while store.stats().changes == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
    drop(task.await);
    drop(gate);
    store.opened(id(NOW_MS, 2), 3).await;
    store.opened(id(NOW_MS, 3), 3).await;
    assert_eq!(
        store
            .order(order.id)
            .expect("readable")
            .map(|order| order.state),
        Some(OrderState::Expired)
    );
}

#[tokio::test]
async fn a_key_is_answered_once_until_it_is_forgotten() {
    let (_folder, store) = fresh();
    let order = sample::order(id(NOW_MS, 1), 3);
    let first = again(&store, &sample::ping(&order), "key");
    store
        .open_order(
            order.clone(),
            Rooms::default(),
            sample::ping(&order),
            Some(first.clone()),
            in_time(),
        )
        .await
        .expect("opened");
    assert_eq!(
        store.again(&first.key).expect("readable"),
        Some(first.clone())
    );

    let second = sample::order(id(NOW_MS + 1, 2), 3);
    let remembered = again(&store, &sample::ping(&second), "key");
    let refused = store
        .open_order(
            second.clone(),
            Rooms::default(),
            sample::ping(&second),
            Some(remembered),
            in_time(),
        )
        .await;
    assert_eq!(
        refused,
        Err(OpenOrderError::Exists(Box::new(first.clone())))
    );
    assert_eq!(store.order(second.id).expect("readable"), None);

    let third = sample::order(id(first.expires_at_ms, 3), 3);
    let remembered = again(&store, &sample::ping(&third), "key");
    store
        .record_ping_again(sample::ping(&third), remembered.clone(), in_time())
        .await
        .expect("recorded");
    assert_eq!(store.again(&first.key).expect("readable"), Some(remembered));
}

#[tokio::test]
async fn when_the_disk_fails_nobody_is_told_success_and_nothing_more_is_taken() {
    let (folder, store, gate) = gated();
    gate.pass();
    let durable = store.opened(id(NOW_MS, 1), 3).await;
    gate.fail();
    let order = sample::order(id(NOW_MS, 2), 3);
    let failed = store
        .open_order(
            order.clone(),
            Rooms::default(),
            sample::ping(&order),
            None,
            in_time(),
        )
        .await;
    assert!(
        matches!(failed, Err(OpenOrderError::Store(StoreError::Failed(_)))),
        "{failed:?}"
    );
    let health = store.health().expect_err("failed");
    assert!(health.to_string().contains("the disk is gone"), "{health}");
    // A disk that works again proves nothing.
    drop(gate);
    let refused = store.accept_order(durable.id, NOW_MS).await;
    assert_eq!(refused, Err(ChangeError::Store(health)));
    assert_eq!(store.order(order.id).expect("readable"), None);
    assert_eq!(store.order(durable.id).expect("readable"), Some(durable));
    drop(folder);
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_has_written_all() {
    let (folder, store) = fresh();
    let (ping, other) = (
        sample::ping(&sample::order(id(NOW_MS, 1), 3)),
        store.clone(),
    );
    store.record_ping(ping.clone()).await.expect("taken");
    store.close().await;
    assert_eq!(
        other.erase_lead(id(NOW_MS, 1).lead(), NOW_MS).await,
        Err(ChangeError::Store(StoreError::Closed))
    );
    drop(other);
    assert_eq!(
        open(folder.path()).ping(ping.id).expect("readable"),
        Some(ping)
    );
}

#[tokio::test]
async fn a_folder_serves_one_store() {
    let (folder, store) = fresh();
    let second = Store::open(folder.path(), &key(), Settings::default());
    assert!(matches!(&second, Err(OpenStoreError::InUse(path)) if path == folder.path()));
    drop(second);
    drop(store);
    open(folder.path());
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_no_reason_for_the_next_to_fail() {
    let (folder, store) = fresh();
    let one = id(NOW_MS, 1);
    store.opened(one, 3).await;
    store.close().await;
    // sled writes a snapshot at each start. A full disk, or a kill, leaves this of it.
    let half = folder.path().join("sled/snap.00000000FFFFFFFF.generating");
    std::fs::write(&half, b"").expect("writable");
    let store = open(folder.path());
    assert!(store.order(one).expect("readable").is_some());
    assert!(!half.exists());
}

#[tokio::test]
async fn another_key_is_refused_in_words() {
    let (folder, store) = fresh();
    store.close().await;
    let refused = Store::open(
        folder.path(),
        &StoreKey::from_bytes([8; 32]),
        Settings::default(),
    )
    .err()
    .expect("refused");
    assert!(matches!(refused, OpenStoreError::WrongKey(_)));
    assert!(refused.to_string().contains("encryption key"), "{refused}");
}

/// How a folder is refused that has this format.
async fn refused_with_format(format: u32) -> OpenStoreError {
    let (folder, store) = fresh();
    let meta = codec::encode(
        "store",
        &serde_json::json!({"format": format, "key_check": store.vault().keys.check()}),
    )
    .expect("encoded");
    store.0.db.insert(keys::META, meta).expect("written");
    store.close().await;
    Store::open(folder.path(), &key(), Settings::default())
        .err()
        .expect("refused")
}

#[tokio::test]
async fn another_format_is_refused_in_words() {
    let newer = refused_with_format(4).await;
    assert!(
        matches!(
            newer,
            OpenStoreError::Newer {
                found: 4,
                known: 3,
                ..
            }
        ),
        "{newer}"
    );
    let older = refused_with_format(2).await;
    assert!(matches!(older, OpenStoreError::Older(_)), "{older}");
}

#[test]
fn a_database_with_segments_of_another_size_is_refused_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = sled::Config::new()
        .path(folder.path().join("sled"))
        .segment_size(512 << 10)
        .open()
        .expect("made");
    drop(made);
    let refused = Store::open(folder.path(), &key(), Settings::default())
        .err()
        .expect("refused");
    assert!(matches!(refused, OpenStoreError::Older(_)), "{refused}");
}

#[tokio::test]
async fn a_record_of_an_unknown_version_is_refused_by_name() {
    let (_folder, store) = fresh();
    let order = store.opened(id(NOW_MS, 1), 3).await;
    store
        .0
        .db
        .insert(keys::quoted(order.id), &[9, 0, 0, b'{', b'}'])
        .expect("written");
    let newer = StoreError::Newer {
        what: "order",
        version: 9,
    };
    assert_eq!(store.order(order.id), Err(newer.clone()));
    assert_eq!(
        store.accept_order(order.id, NOW_MS).await,
        Err(ChangeError::Store(newer))
    );
}
