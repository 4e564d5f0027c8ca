use http_body_util::{BodyExt as _, Full};
use hyper::Request as HttpRequest;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{super::*, LONG, SHORT, answer, client, send, send_json};
use crate::market::Buyer;

#[tokio::test]
async fn the_examples_buyers_have_their_characters() {
    let buyers = demo::DemoBuyers::start(1).await.unwrap();
    let of = |buyer| buyers.get(buyer).unwrap();

    assert_eq!(
        answer(of(Buyer::SunCo), "/post", json!({})).await["accepted"],
        true
    );
    assert_eq!(
        answer(of(Buyer::Fickle), "/post", json!({})).await["accepted"],
        false
    );
    assert_eq!(
        answer(of(Buyer::Helio), "/ping", json!({"monthly_bill": "180.50"})).await["price"],
        "18.00"
    );
    assert_eq!(
        answer(of(Buyer::Helio), "/ping", json!({"monthly_bill": "40"})).await["accepted"],
        false
    );
    assert!(
        timeout(SHORT, send_json(of(Buyer::Tortoise), "/ping", &json!({})))
            .await
            .is_err()
    );
    let offer = send(
        of(Buyer::PeakPower),
        "/ping",
        "application/x-www-form-urlencoded",
        "panels=20",
    )
    .await
    .unwrap();
    let offer = offer.collect().await.unwrap().to_bytes();
    assert!(form_urlencoded::parse(&offer).any(|pair| pair == ("price".into(), "20.00".into())));

    let market = buyers.market_file().render();
    for (buyer, running) in buyers.iter() {
        assert!(market.contains(&running.url("")), "{buyer:?}");
    }
    timeout(LONG, buyers.stop()).await.unwrap();
}

#[tokio::test]
async fn sunco_takes_nothing_without_its_key() {
    let sunco = MockBuyer::start(demo::character(Buyer::SunCo))
        .await
        .unwrap();
    let request = HttpRequest::post(sunco.url("/post"))
        .body(Full::default())
        .unwrap();
    let body = client()
        .request(request)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap()["reason"],
        "wrong_key"
    );
}
