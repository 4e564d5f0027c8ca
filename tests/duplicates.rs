//! The same consumer again, under other orders.

use std::time::Duration;

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer},
};
use serde_json::{Map, Value, json};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, personal, pinged};

/// How a post under a new order is answered.
async fn sell(host: &Host, lead: &Map<String, Value>) -> PostAnswer {
    sell_in(host, CAMPAIGN, lead).await
}

async fn sell_in(host: &Host, campaign: &str, lead: &Map<String, Value>) -> PostAnswer {
    let supplier = host.supplier();
    let ping = gavel_example_solar::supplier::Ping {
        lead: pinged(),
        ..Default::default()
    };
    let answer = supplier.ping(campaign, &ping).await.expect("understood");
    let PingAnswer::Bid { ping_order_id, .. } = answer else {
        panic!("somebody bids: {answer:?}")
    };
    let post = gavel_example_solar::supplier::Post {
        ping_order_id,
        lead: lead.clone(),
    };
    supplier.post(campaign, &post).await.expect("in time")
}

fn is_sold(answer: &PostAnswer) -> bool {
    matches!(answer, PostAnswer::Sold { .. })
}

fn is_rejected(answer: &PostAnswer, why: &str) -> bool {
    matches!(answer, PostAnswer::Rejected { reason, .. } if reason == why)
}

fn consumer(email: &str, phone: &str) -> Map<String, Value> {
    let mut lead = personal();
    lead.insert("email".into(), json!(email));
    lead.insert("phone".into(), json!(phone));
    lead
}

#[tokio::test]
async fn of_one_lead_posted_to_many_orders_at_once_one_is_sold() {
    let buyer = buyer(
        OnPing::bid("20.00"),
        OnPost::accept().after(Duration::from_millis(100)),
    )
    .await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let lead = personal();
    let answers = join_all((0..20).map(|_| sell(&host, &lead))).await;
    let sold = answers.iter().filter(|answer| is_sold(answer)).count();
    let duplicates = answers
        .iter()
        .filter(|answer| is_rejected(answer, "duplicate"))
        .count();
    assert_eq!((sold, duplicates), (1, 19), "{answers:?}");
    assert_eq!(buyer.counts().posts, 1);
}

#[tokio::test]
async fn a_consumer_is_known_by_one_field_of_any() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &buyer)]).on_terms(
        "cost = { per_lead = \"5.00\" }\nduplicates = { fields = [\"phone\", \"email\"], within = \"30d\" }",
    );
    let mut host = Host::start(&market).await;
    let first = consumer("Ann.Other@Example.com", "(415) 555-0100");
    assert!(is_sold(&sell(&host, &first).await));
    let same_phone = consumer("somebody@example.com", "415.555.0100");
    assert!(is_rejected(&sell(&host, &same_phone).await, "duplicate"));
    // What was sold is remembered by whoever comes back.
    host.kill_and_restart().await;
    let same_mail = consumer("ann.other@example.COM", "(415) 555-0101");
    assert!(is_rejected(&sell(&host, &same_mail).await, "duplicate"));
    let another = consumer("another@example.com", "(415) 555-0102");
    assert!(is_sold(&sell(&host, &another).await));
    assert_eq!(buyer.counts().posts, 2);
}

#[tokio::test]
async fn a_consumer_is_known_only_by_every_field_of_all() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &buyer)]).on_terms(
        "cost = { per_lead = \"5.00\" }\nduplicates = { fields = [\"phone\", \"email\"], match = \"all\", within = \"30d\" }",
    );
    let host = Host::start(&market).await;
    let first = consumer("ann@example.com", "(415) 555-0100");
    assert!(is_sold(&sell(&host, &first).await));
    let same_phone = consumer("ben@example.com", "(415) 555-0100");
    assert!(is_sold(&sell(&host, &same_phone).await));
    let mut both = consumer("ann@example.com", "(415) 555-0100");
    both.insert("first_name".into(), json!("Ann"));
    assert!(is_rejected(&sell(&host, &both).await, "duplicate"));
}

#[tokio::test]
async fn a_campaigns_own_scope_leaves_other_campaigns_their_leads() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let other = "[campaigns.other]\nsupplier = \"sunleads\"\nlead_type = \"solar\"\ncost = { per_lead = \"5.00\" }\n\
                 [campaigns.other.duplicates]\nfields = [\"phone\"]\nwithin = \"1d\"\nscope = \"campaign\"\n\
                 [campaigns.strict]\nsupplier = \"sunleads\"\nlead_type = \"solar\"\ncost = { per_lead = \"5.00\" }\n\
                 [campaigns.strict.duplicates]\nfields = [\"phone\"]\nwithin = \"1d\"\nscope = \"market\"\n";
    let market = Market::of([Account::bidding("one", &buyer)]).plugins(other);
    let host = Host::start(&market).await;
    let ann = |first_name: &str| {
        let mut lead = consumer("ann@example.com", "(415) 555-0100");
        lead.insert("first_name".into(), json!(first_name));
        lead
    };
    assert!(is_sold(&sell(&host, &ann("Ann")).await));
    // The same phone in its own campaign is new, and then is not.
    assert!(is_sold(&sell_in(&host, "other", &ann("Anna")).await));
    assert!(is_rejected(
        &sell_in(&host, "other", &ann("Annie")).await,
        "duplicate"
    ));
    assert!(is_rejected(
        &sell_in(&host, "strict", &ann("Nan")).await,
        "duplicate"
    ));
    // The very same lead is known in every campaign of its supplier.
    assert!(is_rejected(
        &sell_in(&host, "other", &ann("Ann")).await,
        "duplicate"
    ));
}

#[tokio::test]
async fn a_lead_that_nobody_took_is_no_duplicate() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::reject("not today")).await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let lead = personal();
    assert!(is_rejected(&sell(&host, &lead).await, "not_delivered"));
    buyer.on_post(OnPost::accept());
    assert!(is_sold(&sell(&host, &lead).await));
    assert!(is_rejected(&sell(&host, &lead).await, "duplicate"));
}

#[tokio::test]
async fn a_lead_that_may_be_sold_is_a_duplicate_until_that_is_settled() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept_then_drop()).await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let lead = personal();
    assert!(is_rejected(
        &sell(&host, &lead).await,
        "delivery_unconfirmed"
    ));
    assert!(is_rejected(&sell(&host, &lead).await, "duplicate"));
    let unconfirmed = host.unconfirmed().await;
    let delivery = unconfirmed[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(host.settle(&delivery, json!({"sold": false})).await.0, 200);
    buyer.on_post(OnPost::accept());
    assert!(is_sold(&sell(&host, &lead).await));
}

#[tokio::test]
async fn an_account_that_has_a_consumer_is_passed_over_and_the_next_one_is_not() {
    let choosy = buyer(
        OnPing::bid("30.00"),
        OnPost::accept().after(Duration::from_millis(100)),
    )
    .await;
    let second = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([
        Account::bidding("choosy", &choosy)
            .with("duplicates = { fields = [\"phone\"], within = \"90d\" }"),
        Account::bidding("second", &second),
    ]))
    .await;
    let lead = |name: &str| {
        let mut lead = personal();
        lead.insert("first_name".into(), json!(name));
        lead
    };
    // All at once: whoever is first has the consumer, and the others find that out.
    let leads: Vec<_> = (0..5).map(|number| lead(&format!("Ann{number}"))).collect();
    let answers = join_all(leads.iter().map(|lead| sell(&host, lead))).await;
    assert!(answers.iter().all(is_sold), "{answers:?}");
    assert_eq!((choosy.counts().posts, second.counts().posts), (1, 4));
    let answer = sell(&host, &lead("Bea")).await;
    let story = host.get(&format!("/leads/{}", answer.lead_id())).await;
    let outcomes: Vec<_> = story["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|delivery| (delivery["account"].clone(), delivery["outcome"].clone()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (json!("choosy"), json!("duplicate")),
            (json!("second"), json!("sold"))
        ]
    );
}
