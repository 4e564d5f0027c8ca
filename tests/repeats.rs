//! The same ping or post again.

use std::time::Duration;

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::{Ping, PingAnswer, PostAnswer, SupplierError},
};
use serde_json::json;

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, personal, pinged, within};

fn code(error: &SupplierError) -> (u16, String) {
    let problem = error
        .problem()
        .unwrap_or_else(|| panic!("a problem: {error:?}"));
    (problem.status, problem.code.clone())
}

#[tokio::test]
async fn the_same_post_sent_fifty_times_at_once_is_delivered_once() {
    let buyer = buyer(
        OnPing::bid("20.00"),
        OnPost::accept().after(Duration::from_millis(100)),
    )
    .await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let order = host.order().await;
    let answers = join_all((0..50).map(|_| host.post(&order))).await;
    let mut sold = Vec::new();
    for answer in answers {
        match answer {
            Ok(answer) => sold.push(answer),
            Err(error) => assert_eq!(code(&error), (409, "post_in_progress".to_owned())),
        }
    }
    assert!(!sold.is_empty());
    assert!(
        sold.iter()
            .all(|answer| answer == &sold[0] && matches!(answer, PostAnswer::Sold { .. })),
        "{sold:?}"
    );
    assert_eq!(buyer.counts().posts, 1);
    // And later, with the pinged fields repeated or not.
    let mut whole = personal();
    whole.extend(pinged());
    assert_eq!(
        host.post_lead(&order, whole).await.expect("the same"),
        sold[0]
    );
    let mut other = personal();
    other.insert("first_name".into(), json!("Somebody"));
    assert_eq!(
        code(
            &host
                .post_lead(&order, other)
                .await
                .expect_err("another lead")
        ),
        (409, "already_posted".to_owned())
    );
    assert_eq!(buyer.counts().posts, 1);
}

#[tokio::test]
async fn a_ping_that_repeats_its_key_gets_the_first_answer_at_once_too() {
    let buyer = buyer(
        OnPing::bid("20.00").after(Duration::from_millis(100)),
        OnPost::accept(),
    )
    .await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let ping = Ping {
        lead: pinged(),
        idempotency_key: Some("click-1".into()),
        ..Ping::default()
    };
    let supplier = host.supplier();
    let answers = join_all((0..10).map(|_| supplier.ping(CAMPAIGN, &ping))).await;
    let answers: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.expect("understood"))
        .collect();
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
    assert_eq!(buyer.counts().pings, 1);
    // Another spelling is the same request, another lead is not.
    let mut respelled = pinged();
    respelled.insert("state".into(), json!(" ca "));
    respelled.insert("homeowner".into(), json!("yes"));
    let respelled = Ping {
        lead: respelled,
        ..ping.clone()
    };
    assert_eq!(
        supplier.ping(CAMPAIGN, &respelled).await.expect("the same"),
        answers[0]
    );
    let mut other = pinged();
    other.insert("state".into(), json!("NV"));
    let error = supplier
        .ping(
            CAMPAIGN,
            &Ping {
                lead: other,
                ..ping
            },
        )
        .await
        .expect_err("another request");
    assert_eq!(code(&error), (422, "idempotency_key_reused".to_owned()));
}

#[tokio::test]
async fn a_repeat_that_cannot_wait_for_the_first_is_told_so_and_recorded() {
    let buyer = buyer(
        OnPing::bid("20.00").after(Duration::from_millis(500)),
        OnPost::accept(),
    )
    .await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let ping = |tmax_ms| Ping {
        lead: pinged(),
        tmax_ms,
        idempotency_key: Some("click-3".into()),
        ..Ping::default()
    };
    let supplier = host.supplier();
    let repeated = async {
        within("the first is asked", buyer.wait_for_pings(1)).await;
        supplier.ping(CAMPAIGN, &ping(Some(60))).await
    };
    let first = ping(None);
    let (first, repeated) = tokio::join!(supplier.ping(CAMPAIGN, &first), repeated);
    assert!(matches!(first, Ok(PingAnswer::Bid { .. })), "{first:?}");
    let Ok(PingAnswer::NoBid { ping_id, reason }) = repeated else {
        panic!("it has less time: {repeated:?}")
    };
    assert_eq!(reason, "no_time");
    assert_eq!(host.outcome(&ping_id, "one").await, "no_time");
    assert_eq!(buyer.counts().pings, 1);
}

#[tokio::test]
async fn a_no_bid_is_repeated_too_and_survives_a_crash() {
    let buyer = buyer(OnPing::no_bid("no"), OnPost::accept()).await;
    let mut host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let ping = Ping {
        lead: pinged(),
        idempotency_key: Some("click-2".into()),
        ..Ping::default()
    };
    let first = host
        .supplier()
        .ping(CAMPAIGN, &ping)
        .await
        .expect("understood");
    host.kill_and_restart().await;
    assert_eq!(
        host.supplier()
            .ping(CAMPAIGN, &ping)
            .await
            .expect("understood"),
        first
    );
    assert_eq!(buyer.counts().pings, 1);
}

#[tokio::test]
async fn a_pinged_field_that_changed_is_named_and_settles_nothing() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let order = host.order().await;
    let mut changed = personal();
    changed.insert("state".into(), json!("NV"));
    let error = host.post_lead(&order, changed).await.expect_err("changed");
    let problem = error.problem().expect("a problem");
    assert_eq!(
        (
            problem.status,
            problem.errors[0].field.as_str(),
            problem.errors[0].code.as_str()
        ),
        (422, "state", "field_changed")
    );
    assert!(matches!(
        host.post(&order).await,
        Ok(PostAnswer::Sold { .. })
    ));
}

#[tokio::test]
async fn a_pinged_field_that_changed_may_stand_as_it_was_pinged_with_a_warning() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &buyer)]).post("on_changed = \"keep_pinged\"");
    let mut host = Host::start(&market).await;
    let order = host.order().await;
    let mut lead = personal();
    lead.insert("zip".into(), json!("10001"));
    let body = json!({"ping_order_id": order, "lead": lead});
    let path = format!("/v1/campaigns/{CAMPAIGN}/post");
    let (status, sold) = host.send(&path, body.clone()).await;
    assert_eq!((status, &sold["status"]), (200, &json!("sold")), "{sold}");
    let warnings = sold["warnings"].as_array().expect("a list");
    assert_eq!(
        (warnings.len(), &warnings[0]["field"], &warnings[0]["code"]),
        (1, &json!("zip"), &json!("field_changed"))
    );
    assert!(!sold.to_string().contains("10001"), "{sold}");
    assert_eq!(
        buyer.posts()[0].request.field("zip"),
        Some("90210"),
        "the pinged value stands"
    );
    host.kill_and_restart().await;
    assert_eq!(host.send(&path, body).await, (200, sold), "and so later");
}

#[tokio::test]
async fn an_order_past_its_window_is_gone() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &buyer).with("caps = { total = 1 }")])
        .on_terms("cost = { per_lead = \"5.00\" }\nwindow = \"1s\"");
    let host = Host::start(&market).await;
    let order = host.order().await;
    // What is tested is that time passes.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(
        code(&host.post(&order).await.expect_err("too late")),
        (410, "order_expired".to_owned())
    );
    assert_eq!(buyer.counts().posts, 0);
    // Whoever was told so finds what it held free.
    let _another = host.order().await;
}
