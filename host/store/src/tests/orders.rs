use gavel_market::{
    ids::DeliveryId,
    ledger::{self, EntryKind},
    model::OnUnconfirmed,
    order::{
        BeginRefused, ClaimRefused, DeliveryState, End, NotRetryable, OrderState, PostAnswer,
        SettleRefused,
    },
    reason::RejectReason,
};
use zeroize::Zeroizing;

use super::{
    fresh, in_time, open,
    sample::{self, NOW_MS, id},
};
use crate::{ChangeError, Checks, ListedState, Needs, OpenOrderError, Rooms};

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_claims_one_wins() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.opened(id, 3).await;
    let claims: Vec<_> = (0..50_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .claim_order(
                        id,
                        sample::claim(id),
                        Zeroizing::new(vec![number]),
                        Checks::default(),
                    )
                    .await
                    .map(|_| number)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for claim in claims {
        match claim.await.expect("no panic") {
            Ok(number) => winners.push(number),
            Err(error) => assert_eq!(error, ChangeError::Refused(ClaimRefused::Posting)),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.personal(id.lead()), Some(winners));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_deliveries_at_once_as_many_begin_as_there_are_hands() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.opened(id, 50).await;
    store
        .claim_order(
            id,
            sample::claim(id),
            Zeroizing::default(),
            Checks::default(),
        )
        .await
        .expect("claimed");
    let tries: Vec<_> = (0..50)
        .map(|bid| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .begin_delivery(id, bid, OnUnconfirmed::Stop, Needs::default(), NOW_MS)
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut begun = 0;
    for one in tries {
        begun += u32::from(one.await.expect("no panic"));
    }
    assert_eq!(begun, sample::HANDS);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let (folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let sold = store.sold(id, b"Ada Lovelace", NOW_MS).await;
    store.close().await;
    let store = open(folder.path());
    assert_eq!(store.order(id).expect("readable"), Some(sold.clone()));
    assert_eq!(
        store.ping(id.ping()).expect("readable"),
        Some(sample::ping(&sample::order(id, 3)))
    );
    assert_eq!(
        store.personal(id.lead()).as_deref(),
        Some(&b"Ada Lovelace"[..])
    );
    assert!(matches!(
        sold.post.and_then(|post| post.answer),
        Some(PostAnswer::Sold { .. })
    ));
}

#[tokio::test]
async fn every_change_returns_the_order_as_it_is_then_read() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let posted = store.posted(id, b"").await;
    assert_eq!(posted.state, OrderState::Posting);
    assert_eq!(store.order(id).expect("readable"), Some(posted));
    let accepted = store.accept_order(id, NOW_MS).await.expect("accepted");
    assert_eq!(store.order(id).expect("readable"), Some(accepted));
    let ended = store.delivered(id, sample::rejected(), None).await;
    assert_eq!(store.order(id).expect("readable"), Some(ended));
    let finished = store
        .finish_order(id, sample::terms(), NOW_MS)
        .await
        .expect("finished");
    assert!(!finished.is_being_delivered());
    assert_eq!(store.order(id).expect("readable"), Some(finished));
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    assert_eq!(store.order(id).expect("readable"), None);
    assert_eq!(
        store.accept_order(id, NOW_MS).await,
        Err(ChangeError::NotFound)
    );
}

#[tokio::test]
async fn an_order_is_opened_once() {
    let (_folder, store) = fresh();
    let order = store.opened(id(NOW_MS, 1), 3).await;
    let again = store
        .open_order(
            order.clone(),
            Rooms::default(),
            sample::ping(&order),
            None,
            in_time(),
        )
        .await;
    assert_eq!(again, Err(OpenOrderError::Taken));
}

#[tokio::test]
async fn a_sale_books_its_revenue_and_its_cost() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.sold(id, b"", NOW_MS).await;
    let entries = store.ledger(id.lead()).expect("readable");
    assert_eq!(
        ledger::totals(&entries),
        (sample::money("23"), sample::money("15"))
    );
}

#[tokio::test]
async fn an_unconfirmed_delivery_is_settled_by_hand_once() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"").await;
    store.delivered(id, sample::unconfirmed(), None).await;
    let rejected = store
        .settle_order(id, RejectReason::NotDelivered, sample::terms(), NOW_MS)
        .await
        .expect("settled");
    assert_eq!(rejected.state, OrderState::Rejected);
    let delivery = DeliveryId { order: id, bid: 0 };
    store
        .settle_delivery(delivery, Some(None), sample::terms(), NOW_MS)
        .await
        .expect("settled by hand");
    assert_eq!(
        store
            .settle_delivery(delivery, Some(None), sample::terms(), NOW_MS)
            .await,
        Err(ChangeError::Refused(SettleRefused::AlreadySettled))
    );
    let entries = store.ledger(id.lead()).expect("readable");
    assert!(
        matches!(entries.as_slice(), [entry] if matches!(entry.kind, EntryKind::Revenue { .. })),
        "{entries:?}"
    );
}

#[tokio::test]
async fn what_was_in_flight_is_given_up_as_unconfirmed() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"").await;
    store
        .begin_delivery(id, 0, OnUnconfirmed::Stop, Needs::default(), NOW_MS)
        .await
        .expect("begun");
    let order = store.give_up_in_flight(id, NOW_MS).await.expect("given up");
    assert_eq!(
        order.delivery(0).map(|delivery| delivery.state),
        Some(DeliveryState::Unconfirmed)
    );
}

#[tokio::test]
async fn an_erased_lead_is_not_delivered_any_more() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"Ada Lovelace").await;
    store.erase_lead(id.lead(), NOW_MS).await.expect("erased");
    let begun = store
        .begin_delivery(id, 0, OnUnconfirmed::Stop, Needs::default(), NOW_MS)
        .await;
    assert_eq!(
        begun,
        Err(ChangeError::Refused(BeginRefused::NotDelivering))
    );
}

#[tokio::test]
async fn a_failed_delivery_of_an_accepted_lead_is_tried_again_by_hand() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, b"Ada Lovelace").await;
    store.accept_order(id, NOW_MS).await.expect("accepted");
    let delivery = DeliveryId { order: id, bid: 0 };
    let not_now = Err(ChangeError::Refused(NotRetryable));
    assert_eq!(store.retry_delivery(delivery, NOW_MS).await, not_now);
    let failed = End::Unreachable {
        retry_at_ms: None,
        retries: true,
    };
    store
        .end_delivery(id, 0, failed, OnUnconfirmed::Next, None, NOW_MS)
        .await
        .expect("ended");
    store
        .finish_order(id, sample::terms(), NOW_MS)
        .await
        .expect("finished");
    assert_eq!(store.orders_being_delivered(None, 10), Ok(Vec::new()));
    let retried = store
        .retry_delivery(delivery, NOW_MS + 1)
        .await
        .expect("to be tried again");
    assert_eq!(
        retried.delivery(0).map(|delivery| delivery.state),
        Some(DeliveryState::Retrying(NOW_MS + 1))
    );
    assert_eq!(store.orders_being_delivered(None, 10), Ok(vec![id]));
    let failed = store.deliveries(ListedState::Failed, None, 10);
    assert_eq!(failed.map(|page| page.items), Ok(Vec::new()));
    store
        .erase_lead(id.lead(), NOW_MS + 2)
        .await
        .expect("erased");
    assert_eq!(store.retry_delivery(delivery, NOW_MS + 3).await, not_now);
}

#[tokio::test]
async fn only_a_posted_lead_is_erased() {
    let (_folder, store) = fresh();
    let id = id(NOW_MS, 1);
    let missing = Err(ChangeError::NotFound);
    assert_eq!(store.erase_lead(id.lead(), NOW_MS).await, missing);
    store.opened(id, 3).await;
    assert_eq!(store.erase_lead(id.lead(), NOW_MS).await, missing);
}

#[tokio::test]
async fn an_order_with_thousands_of_bids_is_kept_outside_sleds_blobs() {
    let (folder, store) = fresh();
    let mut last = None;
    for number in 0..20 {
        let order = store.opened(id(NOW_MS, number), 2_000).await;
        assert_eq!(
            store.order(order.id).expect("readable"),
            Some(order.clone())
        );
        last = Some(order);
    }
    store.close().await;
    // sled does not flush its blobs; none may be needed.
    assert_eq!(
        std::fs::read_dir(folder.path().join("sled/blobs"))
            .expect("a folder")
            .count(),
        0
    );
    let store = open(folder.path());
    assert_eq!(store.order(id(NOW_MS, 19)).expect("readable"), last);
}
