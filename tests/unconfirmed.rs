//! Deliveries of which nobody knows the end: nobody else gets the lead, and an operator
//! settles them once.

use std::time::Duration;

use gavel_example_solar::{
    buyers::{Fault, MockBuyer, OnPing, OnPost},
    supplier::PostAnswer,
};
use serde_json::{Value, json};

use crate::harness::{Account, Host, Market, buyer, eventually, within};

/// A host with an order won by a buyer that behaves so at the post, and the second best.
async fn with_a_doubtful_winner(
    post: OnPost,
    terms: &str,
    campaign_post: &str,
) -> (Host, MockBuyer, MockBuyer) {
    let doubtful = buyer(OnPing::bid("30.00"), post).await;
    let second = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("doubtful", &doubtful).with("post_timeout = \"500ms\""),
        Account::bidding("second", &second),
    ])
    .on_terms(terms)
    .post(campaign_post);
    (Host::start(&market).await, doubtful, second)
}

const TERMS: &str = "cost = { per_lead = \"5.00\" }";

async fn rejected_as_unconfirmed(host: &Host) -> (String, String) {
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    let PostAnswer::Rejected { lead_id, reason } = answer else {
        panic!("rejected: {answer:?}")
    };
    assert_eq!(reason, "delivery_unconfirmed");
    let unconfirmed = host.unconfirmed().await;
    assert_eq!(unconfirmed.len(), 1, "{unconfirmed:?}");
    (
        lead_id,
        unconfirmed[0]["id"].as_str().expect("an id").to_owned(),
    )
}

fn entries(lead: &Value) -> usize {
    lead["ledger"].as_array().expect("a list").len()
}

async fn leaves_it_unconfirmed(fault: OnPost) {
    let (host, doubtful, second) = with_a_doubtful_winner(fault, TERMS, "").await;
    let (lead, delivery) = rejected_as_unconfirmed(&host).await;
    assert_eq!((doubtful.counts().posts, second.counts().posts), (1, 0));
    assert_eq!(host.settle(&delivery, json!({"sold": false})).await.0, 200);
    assert_eq!(entries(&host.get(&format!("/leads/{lead}")).await), 0);
    assert_eq!(second.counts().posts, 0, "the supplier was told no");
}

#[tokio::test]
async fn a_buyer_that_takes_the_lead_and_drops_the_connection_leaves_it_unconfirmed() {
    leaves_it_unconfirmed(OnPost::accept_then_drop()).await;
}

#[tokio::test]
async fn a_buyer_that_answers_nonsense_leaves_it_unconfirmed() {
    leaves_it_unconfirmed(OnPost::Fault(Fault::Garbage)).await;
}

#[tokio::test]
async fn a_buyer_that_answers_too_much_leaves_it_unconfirmed() {
    leaves_it_unconfirmed(OnPost::Fault(Fault::Huge)).await;
}

#[tokio::test]
async fn a_buyer_that_answers_too_late_leaves_it_unconfirmed() {
    leaves_it_unconfirmed(OnPost::accept().after(Duration::from_secs(5))).await;
}

#[tokio::test]
async fn a_buyer_that_fails_with_500_leaves_it_unconfirmed() {
    leaves_it_unconfirmed(OnPost::Fault(Fault::Status(500))).await;
}

#[tokio::test]
async fn a_delivery_settled_as_sold_after_a_rejection_books_its_revenue_alone() {
    let (host, _doubtful, _second) =
        with_a_doubtful_winner(OnPost::accept_then_drop(), TERMS, "").await;
    let (lead, delivery) = rejected_as_unconfirmed(&host).await;
    let (status, problem) = host
        .settle(&delivery, json!({"sold": true, "price": "30.01"}))
        .await;
    assert_eq!(
        (status, problem["errors"][0]["code"].as_str()),
        (422, Some("out_of_range")),
        "{problem}"
    );
    assert_eq!(
        host.settle(&delivery, json!({"sold": true, "price": "28.00"}))
            .await
            .0,
        200
    );
    let story = host.get(&format!("/leads/{lead}")).await;
    assert_eq!(entries(&story), 1, "{story}");
    assert_eq!(story["state"], "rejected");
    assert_eq!(story["deliveries"][0]["price"], "28.00");
    assert!(
        story["deliveries"][0]["marks"]
            .as_array()
            .unwrap()
            .contains(&json!("unpaid_supplier"))
    );
    let (status, problem) = host.settle(&delivery, json!({"sold": false})).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("already_settled"))
    );
    assert!(host.unconfirmed().await.is_empty());
}

#[tokio::test]
async fn an_accepted_leads_delivery_settled_as_not_sold_goes_on_to_the_next_buyer() {
    let (host, doubtful, second) = with_a_doubtful_winner(
        OnPost::accept_then_drop(),
        TERMS,
        "reject_for_not_delivered = false",
    )
    .await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    let PostAnswer::Accepted { lead_id, .. } = answer else {
        panic!("accepted: {answer:?}")
    };
    let delivery = eventually("it is unconfirmed", || async {
        host.unconfirmed()
            .await
            .first()
            .map(|delivery| delivery["id"].as_str().unwrap().to_owned())
    })
    .await;
    assert_eq!(second.counts().posts, 0);
    assert_eq!(host.settle(&delivery, json!({"sold": false})).await.0, 200);
    within("the next buyer gets it", second.wait_for_posts(1)).await;
    let lead = eventually("it is sold", || async {
        let lead = host.get(&format!("/leads/{lead_id}")).await;
        (entries(&lead) == 2).then_some(lead)
    })
    .await;
    assert_eq!(lead["state"], "accepted");
    assert_eq!(doubtful.counts().posts, 1);
}

#[tokio::test]
async fn with_next_a_shared_leads_other_places_are_filled_and_never_its_own() {
    let doubtful = buyer(OnPing::bid("30.00"), OnPost::accept_then_drop()).await;
    let others = [
        buyer(OnPing::bid("20.00"), OnPost::reject("no")).await,
        buyer(OnPing::bid("15.00"), OnPost::accept()).await,
        buyer(OnPing::bid("10.00"), OnPost::accept()).await,
    ];
    let market = Market::of([
        Account::bidding("doubtful", &doubtful).with("on_unconfirmed = \"next\""),
        Account::bidding("second", &others[0]),
        Account::bidding("third", &others[1]),
        Account::bidding("fourth", &others[2]),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\nmax_deliveries = 2");
    let host = Host::start(&market).await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    assert!(
        matches!(answer, PostAnswer::Sold { deliveries: 1, .. }),
        "{answer:?}"
    );
    assert_eq!(
        others.each_ref().map(|buyer| buyer.counts().posts),
        [1, 1, 0]
    );
}
