use gavel_market::{
    ids::{Digest, OrderId, PingId},
    model::OnUnconfirmed,
    order::End,
    reason::Outcome,
};

use super::{
    fresh, open,
    sample::{self, NOW_MS, id},
};
use crate::{
    Format, GateRefusal, ListedState, NewRevision, PingQuery, PluginKind, PluginVersion,
    RevisionError, Store, StoreError,
};

async fn some_pings(store: &Store) -> Vec<PingId> {
    let mut ids = Vec::new();
    for number in 0..10 {
        let mut ping = sample::ping(&sample::order(id(NOW_MS + number, number), 2));
        if number % 2 == 1 {
            ping.campaign = "solar-east".parse().expect("a name");
        }
        if number >= 5 {
            ping.outcomes[1].outcome = Outcome::Timeout;
        }
        ids.push(ping.id);
        store.record_ping(ping).await.expect("taken");
    }
    // Behind these: whatever was handed over before is durable.
    store.caught_up().await.expect("committed");
    ids
}

fn listed(store: &Store, query: &PingQuery) -> (Vec<PingId>, Option<PingId>) {
    let page = store.pings(query).expect("readable");
    (page.items.iter().map(|ping| ping.id).collect(), page.next)
}

#[tokio::test]
async fn pings_are_listed_newest_first_page_by_page() {
    let (_folder, store) = fresh();
    let mut newest_first = some_pings(&store).await;
    newest_first.reverse();
    let mut all = Vec::new();
    let mut query = PingQuery {
        limit: 3,
        ..PingQuery::default()
    };
    loop {
        let (page, next) = listed(&store, &query);
        assert!(page.len() <= 3);
        all.extend(page);
        query.after = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(all, newest_first);
}

#[tokio::test]
async fn pings_are_listed_by_campaign_account_outcome_and_time() {
    let (_folder, store) = fresh();
    let ids = some_pings(&store).await;
    let all = PingQuery {
        limit: 100,
        ..PingQuery::default()
    };
    let count = |query: PingQuery| listed(&store, &query).0.len();
    let account = |name: &str| Some(name.parse().expect("a name"));
    assert_eq!(
        count(PingQuery {
            campaign: Some("solar-east".parse().expect("a name")),
            ..all.clone()
        }),
        5
    );
    assert_eq!(
        count(PingQuery {
            outcome: Some(Outcome::Timeout),
            ..all.clone()
        }),
        5
    );
    assert_eq!(
        count(PingQuery {
            account: account("account-0"),
            ..all.clone()
        }),
        10
    );
    assert_eq!(
        count(PingQuery {
            account: account("account-0"),
            outcome: Some(Outcome::Timeout),
            ..all.clone()
        }),
        0
    );
    assert_eq!(
        count(PingQuery {
            account: account("account-1"),
            outcome: Some(Outcome::Timeout),
            ..all.clone()
        }),
        5
    );
    assert_eq!(
        count(PingQuery {
            account: account("account-9"),
            ..all.clone()
        }),
        0
    );
    assert_eq!(
        count(PingQuery {
            since_ms: Some(NOW_MS + 7),
            ..all.clone()
        }),
        3
    );
    assert_eq!(
        count(PingQuery {
            since_ms: Some(NOW_MS + 7),
            after: Some(ids[0]),
            ..all
        }),
        0
    );
}

#[tokio::test]
async fn deliveries_are_listed_by_state_page_by_page() {
    let (_folder, store) = fresh();
    let ids: Vec<OrderId> = (0..5).map(|number| id(NOW_MS, number)).collect();
    for id in &ids {
        store.posted(*id, b"").await;
        store.accept_order(*id, NOW_MS).await.expect("accepted");
    }
    for id in &ids[..3] {
        store.delivered(*id, sample::unconfirmed(), None).await;
    }
    let retry = End::Unreachable {
        retry_at_ms: Some(NOW_MS + 1),
        retries: true,
    };
    store
        .end_delivery(ids[3], 1, retry, OnUnconfirmed::Stop, None, NOW_MS)
        .await
        .expect("ended");
    let given_up = End::Unreachable {
        retry_at_ms: None,
        retries: true,
    };
    store
        .end_delivery(ids[4], 2, given_up, OnUnconfirmed::Stop, None, NOW_MS)
        .await
        .expect("ended");

    let list = |state, after| store.deliveries(state, after, 2).expect("readable");
    let first = list(ListedState::Unconfirmed, None);
    let second = list(ListedState::Unconfirmed, first.next);
    let unconfirmed: Vec<OrderId> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|delivery| delivery.id.order)
        .collect();
    assert_eq!(unconfirmed, ids[..3]);
    assert_eq!(second.next, None);
    assert_eq!(first.items[0].bid, sample::money("23"));
    assert_eq!(
        list(ListedState::Retrying, None)
            .items
            .iter()
            .map(|one| one.id.bid)
            .collect::<Vec<_>>(),
        [1]
    );
    assert_eq!(
        list(ListedState::Failed, None)
            .items
            .iter()
            .map(|one| one.id.order)
            .collect::<Vec<_>>(),
        [ids[4]]
    );
}

#[tokio::test]
async fn what_is_being_delivered_is_found_after_a_restart() {
    let (folder, store) = fresh();
    let (posting, sold) = (id(NOW_MS, 1), id(NOW_MS, 2));
    store.posted(posting, b"").await;
    store.sold(sold, b"", NOW_MS).await;
    store.opened(id(NOW_MS, 3), 1).await;
    store.close().await;
    let store = open(folder.path());
    assert_eq!(store.orders_being_delivered(None, 100), Ok(vec![posting]));
    assert_eq!(
        store.orders_being_delivered(Some(posting), 100),
        Ok(Vec::new())
    );
}

fn revision(text: &str) -> NewRevision {
    NewRevision {
        text: text.into(),
        format: Format::Toml,
        source: None,
        at_ms: NOW_MS,
        by: "test".into(),
        changed: Vec::new(),
    }
}

#[tokio::test]
async fn a_market_is_put_only_where_the_expected_one_is_active() {
    let (folder, store) = fresh();
    assert_eq!(store.active_revision(), Ok(None));
    assert_eq!(store.put_revision(revision("one"), None).await, Ok(1));
    assert_eq!(store.put_revision(revision("two"), Some(1)).await, Ok(2));
    assert_eq!(
        store.put_revision(revision("three"), Some(1)).await,
        Err(RevisionError::Conflict { active: Some(2) })
    );
    store.close().await;
    let active = open(folder.path())
        .active_revision()
        .expect("readable")
        .expect("one");
    assert_eq!((active.info.number, active.text.as_str()), (2, "two"));
}

#[tokio::test]
async fn going_back_is_a_new_revision_with_the_old_text() {
    let (_folder, store) = fresh();
    for text in ["one", "two"] {
        store.put_revision(revision(text), None).await.expect("put");
    }
    assert_eq!(
        store
            .roll_back(1, Some(1), NOW_MS, "test".into(), Vec::new())
            .await,
        Err(RevisionError::Conflict { active: Some(2) })
    );
    assert_eq!(
        store
            .roll_back(9, None, NOW_MS, "test".into(), Vec::new())
            .await,
        Err(RevisionError::NotFound)
    );
    assert_eq!(
        store
            .roll_back(1, Some(2), NOW_MS, "test".into(), Vec::new())
            .await,
        Ok(3)
    );
    let active = store.active_revision().expect("readable").expect("one");
    assert_eq!(
        (active.text.as_str(), active.info.rolled_back_to),
        ("one", Some(1))
    );
    assert_eq!(
        store
            .revision(2)
            .expect("readable")
            .map(|revision| revision.text)
            .as_deref(),
        Some("two")
    );
    let page = store.revisions(None, 2).expect("readable");
    assert_eq!(
        (page.items[0].number, page.items[1].number, page.next),
        (3, 2, Some(2))
    );
    assert_eq!(
        store.revisions(page.next, 2).expect("readable").items.len(),
        1
    );
}

#[tokio::test]
async fn a_plugins_versions_are_kept_with_their_reports() {
    let (folder, store) = fresh();
    let version = |name: &str, bytes: &[u8], refused| PluginVersion {
        name: name.parse().expect("a name"),
        digest: Digest::of(bytes),
        size_bytes: bytes.len() as u64,
        kind: Some(PluginKind::Filter),
        about: Some(serde_json::json!({"needs": ["state"]})),
        gate: None,
        refused,
        stateful: None,
        at_ms: NOW_MS,
    };
    let refusal = GateRefusal {
        code: "wrong_world".into(),
        message: "no".into(),
    };
    let (good, bad) = (
        version("roof", b"good", None),
        version("roof-filter", b"bad", Some(refusal)),
    );
    store
        .put_plugin(good.clone(), b"good".to_vec())
        .await
        .expect("kept");
    store
        .put_plugin(bad.clone(), b"bad".to_vec())
        .await
        .expect("kept");
    let wrong = store.put_plugin(good.clone(), b"other".to_vec()).await;
    assert!(matches!(wrong, Err(StoreError::Unreadable { .. })));
    store.close().await;
    let store = open(folder.path());
    assert_eq!(store.plugins(), Ok(vec![good.clone(), bad]));
    assert_eq!(store.plugin_versions(&good.name), Ok(vec![good.clone()]));
    assert_eq!(store.plugin_bytes(&good.digest), Ok(Some(b"good".to_vec())));
    assert_eq!(store.plugin_bytes(&Digest::of(b"unknown")), Ok(None));
}
