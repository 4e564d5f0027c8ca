use http_body_util::BodyExt as _;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{super::*, LONG, SHORT, answer, buyer, poster, send_json};

#[tokio::test]
async fn one_that_never_answers_has_the_request_all_the_same() {
    let buyer = buyer(OnPing::never(), OnPost::never()).await;
    for path in ["/ping", "/post"] {
        let request = json!({});
        tokio::select! {
            _ = send_json(&buyer, path, &request) => panic!("{path} was answered"),
            () = received_and_no_more(&buyer, path) => {}
        }
    }
    assert_eq!(buyer.posts()[0].did, Did::Unclear);
}

/// Until the buyer has the request, and a while longer.
async fn received_and_no_more(buyer: &MockBuyer, path: &str) {
    match path {
        "/ping" => buyer.wait_for_pings(1).await,
        _ => buyer.wait_for_posts(1).await,
    }
    tokio::time::sleep(SHORT).await;
}

#[tokio::test]
async fn one_that_takes_the_lead_and_drops_the_connection_has_it() {
    let buyer = poster(OnPost::accept_then_drop()).await;
    let lost = timeout(
        LONG,
        send_json(&buyer, "/post", &json!({"email": "jo@example.com"})),
    )
    .await
    .unwrap();
    assert!(lost.is_err());
    assert_eq!(
        buyer.posts()[0].request.field("email"),
        Some("jo@example.com")
    );
}

#[tokio::test]
async fn half_an_answer_begins_well_and_breaks_off() {
    let buyer = poster(OnPost::Fault(Fault::HalfAnswer)).await;
    let response = timeout(LONG, send_json(&buyer, "/post", &json!({})))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"{\"accepted\":true"), "{first:?}");
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn garbage_is_neither_json_nor_a_form_that_says_yes() {
    let buyer = poster(OnPost::Fault(Fault::Garbage)).await;
    let response = send_json(&buyer, "/post", &json!({})).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.collect().await.unwrap().to_bytes();
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    assert!(form_urlencoded::parse(&body).all(|(name, _)| name != "accepted"));
}

#[tokio::test]
async fn a_huge_answer_says_yes_in_a_megabyte() {
    let buyer = poster(OnPost::Fault(Fault::Huge)).await;
    let said = answer(&buyer, "/post", json!({})).await;
    assert_eq!(said["accepted"], true);
    assert!(said.to_string().len() > HUGE_ANSWER);
}

#[tokio::test]
async fn a_status_comes_with_an_empty_body_and_a_redirect_with_its_place() {
    let buyer = poster(OnPost::Fault(Fault::Status(503))).await;
    let response = send_json(&buyer, "/post", &json!({})).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.collect().await.unwrap().to_bytes().is_empty());

    let elsewhere = buyer.url("/elsewhere");
    buyer.on_post(OnPost::Fault(Fault::Redirect(elsewhere.clone())));
    let response = send_json(&buyer, "/post", &json!({})).await.unwrap();
    assert_eq!(
        (
            response.status(),
            response.headers()["location"].to_str().unwrap()
        ),
        (StatusCode::FOUND, elsewhere.as_str())
    );
    assert_eq!(buyer.counts().others, 0);
}
