use gavel_market::{
    duplicates::{Among, Subject},
    model::{DuplicateScope, OnUnconfirmed},
    order::{BeginRefused, Order, OrderState, PostAnswer},
    reason::RejectReason,
};
use zeroize::Zeroizing;

use super::{
    checks, fresh,
    indexes::stored_with,
    open,
    sample::{self, NOW_MS, WINDOW_MS, id},
};
use crate::{ChangeError, Needs, Store, keys};

const PHONE: &str = "+12025550123";
const MONTH_MS: u64 = 30 * 24 * 3_600_000;

impl Store {
    async fn posted_with(&self, number: u64, value: &str) -> Order {
        let id = id(NOW_MS, number);
        self.opened(id, 3).await;
        let claim = sample::claim_with(id, value, NOW_MS + MONTH_MS);
        self.claim_order(id, claim, Zeroizing::default(), checks(value))
            .await
            .expect("claimed")
    }

    async fn rejected(&self, number: u64) -> Order {
        let id = id(NOW_MS, number);
        self.settle_order(id, RejectReason::NotDelivered, sample::terms(), NOW_MS)
            .await
            .expect("settled")
    }

    fn knows(&self, value: &str) -> bool {
        let comparison = sample::comparison(Among::Scope(DuplicateScope::Market), value);
        let subject = Subject {
            order: id(NOW_MS, 999),
            campaign: "solar-west".parse().expect("a name"),
            supplier: "sunleads".parse().expect("a name"),
            at_ms: NOW_MS,
        };
        self.has_seen(&comparison, &subject).expect("readable")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_any_number_of_posts_of_one_lead_exactly_one_is_not_refused() {
    let (_folder, store) = fresh();
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.posted_with(number, PHONE).await })
        })
        .collect();
    let mut posting = 0;
    for task in tasks {
        let order = task.await.expect("no panic");
        match order.state {
            OrderState::Posting => posting += 1,
            _ => assert_eq!(
                order.post.and_then(|post| post.answer),
                Some(PostAnswer::Rejected {
                    reason: RejectReason::Duplicate
                })
            ),
        }
    }
    assert_eq!(posting, 1);
    assert_eq!(stored_with(&store, keys::SEEN).len(), 1);
}

#[tokio::test]
async fn a_lead_is_known_again_until_it_is_rejected() {
    let (folder, store) = fresh();
    assert!(!store.knows(PHONE));
    store.posted_with(1, PHONE).await;
    assert!(store.knows(PHONE));
    assert!(!store.knows("+12025550124"));
    store.close().await;
    let store = open(folder.path());
    assert!(store.knows(PHONE));
    assert_eq!(store.rejected(1).await.state, OrderState::Rejected);
    assert!(!store.knows(PHONE));
    assert_eq!(store.posted_with(2, PHONE).await.state, OrderState::Posting);
}

#[tokio::test]
async fn an_unconfirmed_delivery_keeps_its_lead_known() {
    let (_folder, store) = fresh();
    store.posted_with(1, PHONE).await;
    store
        .delivered(id(NOW_MS, 1), sample::unconfirmed(), None)
        .await;
    assert_eq!(store.rejected(1).await.state, OrderState::Rejected);
    assert!(store.knows(PHONE));
    let delivery = gavel_market::ids::DeliveryId {
        order: id(NOW_MS, 1),
        bid: 0,
    };
    store
        .settle_delivery(delivery, None, sample::terms(), NOW_MS)
        .await
        .expect("settled");
    assert!(!store.knows(PHONE));
}

#[tokio::test]
async fn an_account_begins_no_lead_that_it_has_or_may_have() {
    let (_folder, store) = fresh();
    // Neither campaign compares: the account does.
    for number in [1, 2] {
        let id = id(NOW_MS, number);
        store.opened(id, 3).await;
        let claim = sample::claim_with(id, PHONE, NOW_MS + MONTH_MS);
        store
            .claim_order(id, claim, Zeroizing::default(), crate::Checks::default())
            .await
            .expect("claimed");
    }
    let begin = async |number, bid: u16| {
        let account = format!("account-{bid}").parse().expect("a name");
        let needs = Needs {
            room: None,
            comparison: Some(sample::comparison(Among::Account(account), PHONE)),
        };
        let next = OnUnconfirmed::Next;
        store
            .begin_delivery(id(NOW_MS, number), bid, next, needs, NOW_MS)
            .await
            .map(drop)
    };
    assert_eq!(begin(1, 0).await, Ok(()));
    let duplicate = Err(ChangeError::Refused(BeginRefused::Duplicate));
    assert_eq!(begin(2, 0).await, duplicate);
    assert_eq!(
        begin(2, 1).await,
        Ok(()),
        "another account's is another matter"
    );
    store
        .end_delivery(
            id(NOW_MS, 1),
            0,
            sample::rejected(),
            OnUnconfirmed::Next,
            None,
            NOW_MS,
        )
        .await
        .expect("ended");
    assert_eq!(begin(2, 0).await, Ok(()));
}

#[tokio::test]
async fn what_a_lead_is_known_by_outlives_its_order_and_goes_in_its_time() {
    let (_folder, store) = fresh();
    store.posted_with(1, PHONE).await;
    store
        .delivered(
            id(NOW_MS, 1),
            gavel_market::order::End::Accepted { price: None },
            None,
        )
        .await;
    store.rejected(1).await;
    let kept = std::time::Duration::from_millis(WINDOW_MS);
    let erase = async |at_ms| {
        store
            .erase_due(at_ms, kept, kept, 100)
            .await
            .expect("swept")
    };
    erase(NOW_MS + MONTH_MS - 1).await;
    assert_eq!(store.order(id(NOW_MS, 1)), Ok(None));
    assert!(store.knows(PHONE));
    erase(NOW_MS + MONTH_MS).await;
    assert!(!store.knows(PHONE));
    assert!(stored_with(&store, keys::SEEN_BY_END).is_empty());
}

#[tokio::test]
async fn a_test_is_neither_known_again_nor_refused() {
    let (_folder, store) = fresh();
    store.posted_with(1, PHONE).await;
    let mut order = sample::order(id(NOW_MS, 2), 3);
    order.test = true;
    let ping = sample::ping(&order);
    store
        .open_order(
            order.clone(),
            crate::Rooms::new(),
            ping,
            None,
            super::in_time(),
        )
        .await
        .expect("opened");
    let claim = sample::claim_with(order.id, PHONE, NOW_MS + MONTH_MS);
    let claimed = store
        .claim_order(order.id, claim, Zeroizing::default(), checks(PHONE))
        .await
        .expect("claimed");
    assert_eq!(claimed.state, OrderState::Posting);
    assert_eq!(stored_with(&store, keys::SEEN).len(), 1);
}
