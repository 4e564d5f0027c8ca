use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};

use super::*;

/// A host that gives every request the answer of a function, and remembers them.
struct StubHost {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Debug, Clone)]
struct Seen {
    path: String,
    content_type: String,
    authorization: String,
    idempotency_key: Option<String>,
    body: Bytes,
}

type Script = fn(&str) -> (u16, &'static str, Value);

async fn host(script: Script) -> StubHost {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            let service = service_fn(move |request| {
                let kept = Arc::clone(&kept);
                async move { Ok::<_, Infallible>(answered(request, script, &kept).await) }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                let _ = serving.await;
            });
        }
    });
    StubHost { address, seen }
}

async fn answered(
    request: Request<Incoming>,
    script: Script,
    kept: &Mutex<Vec<Seen>>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let header = |name: &str| {
        head.headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let path = head.uri.path().to_owned();
    let (status, retry_after, answer) = script(&path);
    let body = body.collect().await.unwrap().to_bytes();
    kept.lock().unwrap().push(Seen {
        path,
        content_type: header("content-type").unwrap_or_default(),
        authorization: header("authorization").unwrap_or_default(),
        idempotency_key: header("idempotency-key"),
        body,
    });
    let response = Response::builder()
        .status(status)
        .header("retry-after", retry_after);
    response.body(Full::new(answer.to_string().into())).unwrap()
}

/// Bids and buys everything, as `api.md` writes it.
fn generous(path: &str) -> (u16, &'static str, Value) {
    let answer = if path.ends_with("/ping") {
        json!({"status": "bid", "ping_id": "pg_1", "ping_order_id": "po_1", "bid": "15.00", "currency": "USD",
               "deliveries": 1, "expires_at": "2026-11-23T10:05:00Z"})
    } else if path.contains(EXCLUSIVE) {
        json!({"status": "sold", "lead_id": "ld_1", "payout": "15.00", "currency": "USD", "deliveries": 1,
               "redirect_url": "https://a.example/", "warnings": [{"field": "zip", "code": "field_changed", "message": "…"}]})
    } else {
        json!({"status": "accepted", "lead_id": "ld_1", "payout": "15.00", "currency": "USD", "payout_is": "up_to"})
    };
    (200, "", answer)
}

fn pinged() -> Ping {
    Ping {
        lead: Leads::new(1).draw().with("zip", "94103").open,
        tmax_ms: Some(900),
        min_bid: Some("12.00".into()),
        sub_id: Some("a b".into()),
        idempotency_key: Some("key-1".into()),
    }
}

#[tokio::test]
async fn a_ping_in_json_is_as_the_api_has_it() {
    let host = host(generous).await;
    let answer = Supplier::new(host.address, "gk_a")
        .ping(EXCLUSIVE, &pinged())
        .await
        .unwrap();
    assert_eq!(answer.order(), Some("po_1"));

    let seen = host.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.path, "/v1/campaigns/solar-exclusive/ping");
    assert_eq!(
        (seen.content_type.as_str(), seen.authorization.as_str()),
        ("application/json", "Bearer gk_a")
    );
    assert_eq!(seen.idempotency_key.as_deref(), Some("key-1"));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["lead"]["zip"], "94103");
    assert_eq!(
        (&body["tmax_ms"], &body["min_bid"], &body["sub_id"]),
        (&json!(900), &json!("12.00"), &json!("a b"))
    );
}

#[tokio::test]
async fn a_ping_as_a_form_is_flat_and_its_controls_have_an_underscore() {
    let host = host(generous).await;
    Supplier::new(host.address, "gk_a")
        .speaking(Format::Form)
        .ping(EXCLUSIVE, &pinged())
        .await
        .unwrap();
    let seen = host.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.content_type, "application/x-www-form-urlencoded");
    let pairs: Vec<_> = form_urlencoded::parse(&seen.body).into_owned().collect();
    for (name, value) in [
        ("zip", "94103"),
        ("_tmax_ms", "900"),
        ("_min_bid", "12.00"),
        ("_sub_id", "a b"),
    ] {
        assert!(
            pairs.contains(&(name.to_owned(), value.to_owned())),
            "{name} in {pairs:?}"
        );
    }
}

#[tokio::test]
async fn both_answers_to_a_post_are_read() {
    let host = host(generous).await;
    let supplier = Supplier::new(host.address, "gk_a");
    let post = Post::of("po_1", &Leads::new(1).draw());
    let PostAnswer::Sold {
        deliveries: 1,
        redirect_url: Some(_),
        warnings,
        ..
    } = supplier.post(EXCLUSIVE, &post).await.unwrap()
    else {
        panic!("should be sold")
    };
    assert_eq!(warnings[0].field, "zip");
    let accepted = supplier.post(SHARED, &post).await.unwrap();
    assert_eq!(accepted.lead_id(), "ld_1");
    assert!(matches!(
        accepted,
        PostAnswer::Accepted {
            payout_is: Some(_),
            ..
        }
    ));
    let body: Value = serde_json::from_slice(&host.seen.lock().unwrap()[0].body).unwrap();
    assert_eq!(body["ping_order_id"], "po_1");
    assert!(body["lead"]["email"].is_string() && body["lead"]["state"].is_string());
}

#[tokio::test]
async fn a_refusal_is_read_with_its_fields_and_when_to_come_again() {
    let host = host(|_| {
        let errors = json!([{"field": "zip", "code": "bad_format", "message": "five digits", "suggestion": null}]);
        (422, "2", json!({"type": "about:blank", "title": "…", "status": 422, "code": "invalid_fields", "detail": "…", "errors": errors}))
    })
    .await;
    let refused = Supplier::new(host.address, "gk_a")
        .ping(SHARED, &Ping::default())
        .await
        .unwrap_err();
    let problem = refused.problem().unwrap();
    assert_eq!(
        (problem.status, problem.code.as_str(), problem.retry_after),
        (422, "invalid_fields", Some(2))
    );
    assert_eq!(
        refused.to_string(),
        "refused: 422 invalid_fields, zip: bad_format"
    );
}

#[tokio::test]
async fn an_answer_that_is_none_and_a_lost_connection_are_told_apart() {
    let host = host(|_| (200, "", json!({"status": "perhaps"}))).await;
    let strange = Supplier::new(host.address, "gk_a")
        .ping(SHARED, &Ping::default())
        .await;
    assert!(
        matches!(strange, Err(SupplierError::Strange { status: 200, .. })),
        "{strange:?}"
    );

    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let lost = Supplier::new(nobody, "gk_a")
        .ping(SHARED, &Ping::default())
        .await;
    assert!(matches!(lost, Err(SupplierError::Lost(_))), "{lost:?}");
}

#[test]
fn offers_are_the_same_for_the_same_seed_and_of_every_kind() {
    let offers: Vec<_> = Offers::new(5).take(300).collect();
    assert_eq!(offers, Offers::new(5).take(300).collect::<Vec<_>>());
    for campaign in [EXCLUSIVE, SHARED] {
        assert!(
            offers
                .iter()
                .filter(|offer| offer.campaign == campaign)
                .count()
                > 80
        );
    }
    for format in [Format::Json, Format::Form] {
        assert!(offers.iter().any(|offer| offer.format == format));
    }
    assert!(
        offers.iter().any(|offer| offer.min_bid.is_some())
            && offers.iter().any(|offer| !offer.posted)
    );
}

#[tokio::test]
async fn a_load_sells_every_offer_with_its_own_suppliers_key() {
    let host = host(generous).await;
    let mut told = Vec::new();
    Suppliers::new(host.address)
        .load(Offers::new(1).take(60), 8, |sold| told.push(sold))
        .await;
    assert_eq!(told.len(), 60);
    for sold in &told {
        assert!(sold.ping.is_ok(), "{sold:?}");
        assert_eq!(sold.post.is_some(), sold.offer.posted);
    }
    for seen in host.seen.lock().unwrap().iter() {
        let key = if seen.path.contains(SHARED) {
            SUNNYSIDE_KEY
        } else {
            SUNLEADS_KEY
        };
        assert_eq!(seen.authorization, format!("Bearer {key}"));
    }
}

#[tokio::test]
async fn a_steady_stream_ends_when_told_to_with_everything_answered() {
    let host = host(generous).await;
    let (told, mut telling) = mpsc::channel(1000);
    let (stop, stopped) = oneshot::channel::<()>();
    let stream = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        Suppliers::new(host.address)
            .steady(Offers::new(1), 500, told, stopped)
            .await;
    });
    for _ in 0..10 {
        assert!(telling.recv().await.unwrap().ping.is_ok());
    }
    stop.send(()).unwrap();
    stream.await.unwrap();
    while let Some(sold) = telling.recv().await {
        assert!(sold.ping.is_ok(), "{sold:?}");
    }
}
