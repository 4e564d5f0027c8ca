//! What happens, as it happens: `GET /events`.

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    body::{Bytes, Incoming},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use crate::{
    harness::{ADMIN_TOKEN, Account, Host, Market, buyer, personal, pinged, within},
    versions,
};

/// One event: its id, its kind and what it says.
struct Heard {
    id: String,
    kind: String,
    data: Value,
}

/// Somebody who listens.
struct Listener {
    body: Incoming,
    text: String,
    /// All that was ever heard.
    whole: String,
}

impl Listener {
    /// From here on nothing goes by unheard.
    async fn of(host: &Host, query: &str) -> Self {
        let (status, body) = Self::ask(host, query).await;
        assert_eq!(status, 200);
        let mut listener = Self {
            body,
            text: String::new(),
            whole: String::new(),
        };
        assert_eq!(listener.block().await.as_deref(), Some(": listening"));
        listener
    }

    async fn ask(host: &Host, query: &str) -> (u16, Incoming) {
        let http: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let request = Request::builder()
            .uri(format!("{}/admin/v1/events{query}", host.admin_url()))
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .header("accept", "text/event-stream")
            .body(Full::default())
            .expect("a request");
        let answer = within("the stream begins", http.request(request))
            .await
            .expect("answered");
        (answer.status().as_u16(), answer.into_body())
    }

    /// What stands before the next empty line; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = within("something is told", self.body.frame()).await?;
            let bytes = frame.expect("whole").into_data().expect("data");
            let text = std::str::from_utf8(&bytes).expect("UTF-8");
            self.text.push_str(text);
            self.whole.push_str(text);
        }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            let block = self.block().await?;
            let line = |key: &str| block.lines().find_map(|line| line.strip_prefix(key));
            if let Some(data) = line("data: ") {
                return Some(Heard {
                    id: line("id: ").unwrap_or_default().to_owned(),
                    kind: line("event: ").expect("a kind").to_owned(),
                    data: serde_json::from_str(data).expect("JSON"),
                });
            }
        }
    }

    /// The next event, of this kind.
    async fn hears(&mut self, kind: &str) -> Value {
        let heard = self.next().await.expect("an event");
        assert_eq!(heard.kind, kind, "{}", heard.data);
        heard.data
    }
}

#[tokio::test]
async fn a_sale_is_heard_from_its_ping_to_its_delivery_with_nothing_personal() {
    let (dear, cheap) = (
        buyer(OnPing::bid("30.00"), OnPost::reject("Philippa is unwell")).await,
        buyer(OnPing::bid("20.00"), OnPost::accept()).await,
    );
    let market = Market::of([
        Account::bidding("dear", &dear),
        Account::bidding("cheap", &cheap),
    ]);
    let mut host = Host::start(&market).await;
    let mut listener = Listener::of(&host, "").await;

    let PingAnswer::Bid {
        ping_id,
        ping_order_id,
        ..
    } = host.ping().await
    else {
        panic!("both bid")
    };
    let first = listener.next().await.expect("a ping");
    assert_eq!(first.kind, "ping");
    assert_eq!(first.data["ping_id"], ping_id);
    assert_eq!(
        (&first.data["status"], &first.data["bid"]),
        (&json!("bid"), &json!("5.00"))
    );

    let answer = host.post(&ping_order_id).await.expect("in time");
    let PostAnswer::Sold { lead_id, .. } = answer else {
        panic!("sold: {answer:?}")
    };
    let rejected = listener.next().await.expect("a delivery");
    assert_eq!(
        (rejected.kind.as_str(), &rejected.data["outcome"]),
        ("delivery", &json!("rejected"))
    );
    assert_eq!(rejected.data["account"], "dear");
    assert_ne!(first.id, rejected.id);
    let sold = listener.hears("delivery").await;
    assert_eq!(
        (&sold["outcome"], &sold["account"], &sold["price"]),
        (&json!("sold"), &json!("cheap"), &json!("20.00"))
    );
    assert_eq!(sold["lead_id"], lead_id);
    let posted = listener.hears("post").await;
    assert_eq!(
        (&posted["lead_id"], &posted["status"], &posted["payout"]),
        (&json!(lead_id), &json!("sold"), &json!("5.00"))
    );

    // The stream ends with the host, whole, and does not hold it up.
    assert!(host.stop().await.success());
    assert!(listener.next().await.is_none());
    for (_, value) in personal() {
        let value = value.as_str().expect("a text");
        assert!(!listener.whole.contains(value), "{}", listener.whole);
    }
}

#[tokio::test]
async fn what_is_unconfirmed_and_what_is_settled_is_heard() {
    let doubtful = buyer(OnPing::bid("30.00"), OnPost::accept_then_drop()).await;
    let host = Host::start(&Market::of([Account::bidding("doubtful", &doubtful)])).await;
    let mut listener = Listener::of(&host, "?kinds=delivery").await;
    let order = host.order().await;
    host.post(&order).await.expect("answered");
    let unconfirmed = listener.hears("delivery").await;
    assert_eq!(unconfirmed["outcome"], "unconfirmed");
    let id = unconfirmed["delivery_id"].as_str().expect("an id");
    assert_eq!(host.settle(id, json!({"sold": true})).await.0, 200);
    let settled = listener.hears("delivery").await;
    assert_eq!(
        (&settled["outcome"], &settled["delivery_id"]),
        (&json!("sold"), &json!(id))
    );
}

#[tokio::test]
async fn tests_and_what_is_told_again_are_marked() {
    let one = buyer(OnPing::bid("30.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &one).with("test = \"bid 20.00\"")]);
    let host = Host::start(&market).await;
    let mut listener = Listener::of(&host, "?kinds=ping,post").await;
    let told = |event: &Value| (event["test"] == true, event["again"] == true);

    let path = |what: &str| format!("/v1/campaigns/solar/{what}");
    for test in [false, true] {
        let mut order = Value::Null;
        for again in [false, true] {
            let body = json!({"lead": pinged(), "test": test, "_idempotency_key": "click-1"});
            order = host.send(&path("ping"), body).await.1["ping_order_id"].clone();
            assert_eq!(told(&listener.hears("ping").await), (test, again));
        }
        for again in [false, true] {
            let body = json!({"lead": personal(), "test": test, "ping_order_id": order});
            assert_eq!(host.send(&path("post"), body).await.0, 200);
            assert_eq!(told(&listener.hears("post").await), (test, again));
        }
    }
}

#[tokio::test]
async fn only_the_kinds_that_were_asked_for_are_heard() {
    let one = buyer(OnPing::bid("30.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &one)]);
    let host = Host::start(&market).await;
    let mut listener = Listener::of(&host, "?kinds=change,return").await;
    host.ping().await;
    let other = market.on_terms("cost = { per_lead = \"6.00\" }").toml();
    let path = host.folder().join("other.toml");
    std::fs::write(&path, other).expect("writable");
    let applied = host
        .command(&[
            "apply",
            &path.display().to_string(),
            "--admin",
            &host.admin_url(),
        ])
        .await;
    assert!(applied.status.success(), "{applied:?}");
    let change = listener.hears("change").await;
    assert_eq!(change["revision"], 2, "{change}");
    let changes = change["changes"].to_string();
    assert!(changes.contains("campaigns.solar"), "{changes}");

    let (status, problem) = host
        .admin(
            Method::GET,
            "/events?kinds=change,sale",
            "",
            "application/json",
        )
        .await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (422, &json!("kinds"))
    );
}

#[tokio::test]
async fn a_plugins_fault_is_heard_in_the_hosts_own_word() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = versions::start("shaky", &buyer, "").await;
    let mut listener = Listener::of(&host, "?kinds=fault").await;
    // One order in five shakes it.
    let fault = {
        let pinging = async {
            loop {
                host.ping().await;
            }
        };
        tokio::select! {
            fault = listener.hears("fault") => fault,
            () = pinging => unreachable!("it pings on"),
        }
    };
    assert_eq!(
        (&fault["code"], &fault["account"], &fault["plugin"]),
        (&json!("plugin_trap"), &json!("solo"), &json!("moody"))
    );
    assert!(!listener.whole.contains("shaken"), "{}", listener.whole);
}

#[tokio::test]
async fn a_buyer_that_never_answers_the_ping_before_its_post_is_left_alone() {
    let silent = buyer(OnPing::never(), OnPost::accept()).await;
    let account = Account::bidding("silent", &silent).with(
        "price = \"30.00\"\nping_during_sort = false\nping_before_post = true\nping_timeout = \"50ms\"",
    );
    let market = Market::of([account]).post("reject_for_not_delivered = false");
    let host = Host::start(&market).await;
    let mut listener = Listener::of(&host, "?kinds=fault").await;
    for _ in 0..5 {
        let order = host.order().await;
        host.post(&order).await.expect("accepted");
    }
    let fault = listener.hears("fault").await;
    assert_eq!(
        (&fault["code"], &fault["account"], &fault["asked"]),
        (&json!("circuit_open"), &json!("silent"), &json!("ping"))
    );
}

#[tokio::test]
async fn as_many_may_listen_as_the_host_says_and_no_more() {
    let one = buyer(OnPing::never(), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::fixed("one", "10.00", &one)])).await;
    let mut listeners = Vec::new();
    let refused = loop {
        let (status, body) = Listener::ask(&host, "").await;
        if status != 200 {
            break status;
        }
        listeners.push(body);
        assert!(listeners.len() < 1000, "there is a bound");
    };
    assert_eq!((refused, listeners.len()), (503, 32));
    // The host goes on as before, and answers everybody else.
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
}
