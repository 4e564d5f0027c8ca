use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::header::CONTENT_TYPE;
use serde_json::json;

use super::{super::*, answer, buyer, poster, send};

#[tokio::test]
async fn a_bid_names_its_price_and_a_reference() {
    let buyer = buyer(OnPing::bid("12.50"), OnPost::accept()).await;
    assert_eq!(
        answer(&buyer, "/ping", json!({})).await,
        json!({"accepted": true, "price": "12.50", "reference": "quote-1"})
    );
    assert_eq!(
        answer(&buyer, "/post", json!({})).await,
        json!({"accepted": true, "reference": "deal-1"})
    );
}

#[tokio::test]
async fn a_bid_may_follow_from_the_lead() {
    let price = Amount::of(|lead| (lead.get("homeowner")? == "true").then(|| "30.00".to_owned()));
    let buyer = buyer(OnPing::bid(price), OnPost::accept()).await;
    assert_eq!(
        answer(&buyer, "/ping", json!({"homeowner": true})).await["price"],
        "30.00"
    );
    let refused = answer(&buyer, "/ping", json!({"homeowner": false})).await;
    assert_eq!(refused, json!({"accepted": false, "reason": "not_wanted"}));
}

#[tokio::test]
async fn a_yes_may_lack_a_price_and_a_no_has_a_reason() {
    let buyer = buyer(OnPing::accept(), OnPost::reject("already_known")).await;
    assert_eq!(
        answer(&buyer, "/ping", json!({})).await,
        json!({"accepted": true, "reference": "quote-1"})
    );
    buyer.on_ping(OnPing::no_bid("full"));
    assert_eq!(
        answer(&buyer, "/ping", json!({})).await,
        json!({"accepted": false, "reason": "full"})
    );
    assert_eq!(
        answer(&buyer, "/post", json!({})).await,
        json!({"accepted": false, "reason": "already_known"})
    );
}

#[tokio::test]
async fn an_acceptance_may_name_a_price_and_a_redirect() {
    let buyer = poster(OnPost::accept_at("9.99")).await;
    assert_eq!(answer(&buyer, "/post", json!({})).await["price"], "9.99");
    buyer.on_post(OnPost::accept_and_redirect("https://a.example/thanks"));
    assert_eq!(
        answer(&buyer, "/post", json!({})).await["redirect_url"],
        "https://a.example/thanks"
    );
}

#[tokio::test]
async fn a_buyer_that_speaks_forms_answers_in_one() {
    let setup = Setup {
        format: Format::Form,
        ping: OnPing::bid("12.50"),
        ..Setup::default()
    };
    let buyer = MockBuyer::start(setup).await.unwrap();
    let response = send(
        &buyer,
        "/ping",
        "application/x-www-form-urlencoded",
        "state=CA&note=a+b%26c",
    )
    .await
    .unwrap();
    assert_eq!(
        response.headers()[CONTENT_TYPE],
        "application/x-www-form-urlencoded"
    );
    let body = response.collect().await.unwrap().to_bytes();
    let pairs: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
    let expected = [
        ("accepted", "true"),
        ("price", "12.50"),
        ("reference", "quote-1"),
    ];
    assert_eq!(
        pairs,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(buyer.pings()[0].request.field("note"), Some("a b&c"));
}

#[tokio::test]
async fn a_slow_buyer_answers_when_it_has_thought() {
    let wait = Duration::from_millis(60);
    let buyer = buyer(
        OnPing::bid("12.50").after(wait),
        OnPost::accept().after(wait),
    )
    .await;
    for path in ["/ping", "/post"] {
        let began = Instant::now();
        assert_eq!(answer(&buyer, path, json!({})).await["accepted"], true);
        assert!(began.elapsed() >= wait);
    }
    assert_eq!(buyer.posts()[0].did, Did::Accepted, "late, but accepted");
}

#[tokio::test]
async fn some_are_rejected_the_same_ones_for_the_same_seed() {
    let draws = async |seed| {
        let post = OnPost::accept().but_sometimes(0.3, OnPost::reject("no"));
        let buyer = MockBuyer::start(Setup {
            post,
            seed,
            ..Setup::default()
        })
        .await
        .unwrap();
        for _ in 0..60 {
            answer(&buyer, "/post", json!({})).await;
        }
        buyer
            .posts()
            .iter()
            .map(|post| post.did == Did::Rejected)
            .collect::<Vec<_>>()
    };
    let first = draws(1).await;
    assert_eq!(first, draws(1).await);
    assert_ne!(first, draws(2).await);
    let rejected = first.iter().filter(|rejected| **rejected).count();
    assert!((8..=30).contains(&rejected), "{rejected} of 60");
}

#[tokio::test]
async fn a_plan_may_look_at_the_request_first() {
    let buyer = poster(OnPost::choose(|post| match post.number {
        1 => OnPost::reject("first"),
        _ => OnPost::accept(),
    }))
    .await;
    assert_eq!(answer(&buyer, "/post", json!({})).await["reason"], "first");
    assert_eq!(answer(&buyer, "/post", json!({})).await["accepted"], true);
}
