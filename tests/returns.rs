//! Deliveries given back, and a ledger that is only added to.

use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::PostAnswer,
};
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Account, Host, Market, buyer};

const JSON: &str = "application/json";

impl Host {
    /// Gives a delivery back: the status and what the host says.
    async fn give_back(&self, delivery: &str, reason: &str) -> (u16, Value) {
        let body = json!({"delivery_id": delivery, "reason": reason});
        self.admin(Method::POST, "/returns", body.to_string(), JSON)
            .await
    }

    /// Accepts or declines a return.
    async fn decide(&self, id: &str, what: &str) -> (u16, Value) {
        self.admin(Method::POST, &format!("/returns/{id}/{what}"), "", JSON)
            .await
    }

    /// Sells the usual lead to its one buyer: the lead's and the delivery's id.
    async fn sell(&self) -> (String, String) {
        let order = self.order().await;
        let answer = self.post(&order).await.expect("in time");
        let PostAnswer::Sold { lead_id, .. } = answer else {
            panic!("sold: {answer:?}")
        };
        let lead = self.get(&format!("/leads/{lead_id}")).await;
        let delivery = lead["deliveries"][0]["id"].as_str().expect("an id");
        (lead_id, delivery.to_owned())
    }
}

/// A host with one buyer, whose account may give leads back so.
async fn start(returns: &str) -> (Host, MockBuyer) {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("solo", &buyer).with(returns)])
        .on_terms("cost = { revenue_share = \"70\" }");
    (Host::start(&market).await, buyer)
}

/// Kinds and amounts of a ledger's entries.
fn booked(ledger: &Value) -> Vec<(String, String)> {
    let entries = ledger.as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    entries
        .map(|entry| (text(&entry["kind"]), text(&entry["amount"])))
        .collect()
}

fn entries(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(kind, amount): &(&str, &str)| ((*kind).to_owned(), (*amount).to_owned());
    expected.iter().map(owned).collect()
}

const SOLD: [(&str, &str); 2] = [("revenue", "20.00"), ("cost", "14.00")];
const RETURNED: [(&str, &str); 4] = [
    ("revenue", "20.00"),
    ("cost", "14.00"),
    ("return", "-20.00"),
    ("charge", "-14.00"),
];

#[tokio::test]
async fn a_delivery_is_given_back_once_and_an_operator_decides_once() {
    let (mut host, _buyer) =
        start("returns = { within = \"14d\", max_percent = \"100\", charge_supplier = true }")
            .await;
    let (lead, delivery) = host.sell().await;
    let (status, made) = host
        .give_back(&delivery, "The number is not in service.")
        .await;
    assert_eq!((status, &made["state"]), (200, &json!("pending")), "{made}");
    assert_eq!(
        booked(&made["ledger"]),
        entries(&SOLD),
        "nothing is booked yet"
    );
    let id = made["id"].as_str().expect("an id").to_owned();

    let pending = host.get("/returns?state=pending").await;
    assert_eq!(pending["items"][0]["id"], id);
    assert_eq!(
        pending["items"][0]["reason"],
        "The number is not in service."
    );
    let (status, again) = host.give_back(&delivery, "Again.").await;
    assert_eq!((status, &again["code"]), (409, &json!("already_returned")));

    host.kill_and_restart().await;
    let (status, accepted) = host.decide(&id, "accept").await;
    assert_eq!((status, &accepted["state"]), (200, &json!("accepted")));
    assert_eq!(booked(&accepted["ledger"]), entries(&RETURNED));
    for what in ["accept", "decline"] {
        let (status, problem) = host.decide(&id, what).await;
        assert_eq!((status, &problem["code"]), (409, &json!("already_decided")));
    }
    let kept = host.get(&format!("/leads/{lead}")).await;
    assert_eq!(kept["ledger"], accepted["ledger"]);
    let told = host.supplier().lead(&lead).await.expect("found");
    assert_eq!(told["owed"], "0.00", "what was charged is owed no more");
    let none = host.get("/returns?state=pending").await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn a_declined_return_books_nothing() {
    let (host, _buyer) = start("returns = { within = \"14d\", max_percent = \"100\" }").await;
    let (_, delivery) = host.sell().await;
    let (_, made) = host.give_back(&delivery, "Not interested.").await;
    let (status, declined) = host
        .decide(made["id"].as_str().expect("an id"), "decline")
        .await;
    assert_eq!((status, &declined["state"]), (200, &json!("declined")));
    assert_eq!(booked(&declined["ledger"]), entries(&SOLD));
}

#[tokio::test]
async fn where_the_account_says_so_a_return_is_accepted_in_the_same_step() {
    let (host, _buyer) = start(
        "returns = { within = \"14d\", max_percent = \"50\", auto_accept = true, charge_supplier = true }",
    )
    .await;
    let (_, first) = host.sell().await;
    let (status, refused) = host.give_back(&first, "Wrong number.").await;
    assert_eq!(
        (status, &refused["code"]),
        (409, &json!("return_limit")),
        "half of one delivery is none"
    );
    let (_, second) = host.sell_another().await;
    let (status, made) = host.give_back(&second, "Wrong number.").await;
    assert_eq!(
        (status, &made["state"]),
        (200, &json!("accepted")),
        "{made}"
    );
    assert_eq!(booked(&made["ledger"]), entries(&RETURNED));
    let (status, refused) = host.give_back(&first, "Wrong number.").await;
    assert_eq!((status, &refused["code"]), (409, &json!("return_limit")));
}

impl Host {
    /// Sells another consumer's lead.
    async fn sell_another(&self) -> (String, String) {
        let order = self.order().await;
        let mut lead = crate::harness::personal();
        lead.insert("email".into(), json!("another@example.com"));
        lead.insert("phone".into(), json!("(415) 555-0199"));
        let answer = self.post_lead(&order, lead).await.expect("in time");
        let PostAnswer::Sold { lead_id, .. } = answer else {
            panic!("sold: {answer:?}")
        };
        let lead = self.get(&format!("/leads/{lead_id}")).await;
        let delivery = lead["deliveries"][0]["id"].as_str().expect("an id");
        (lead_id, delivery.to_owned())
    }
}

#[tokio::test]
async fn what_may_not_be_given_back_is_not() {
    let (host, _buyer) = start("").await;
    let (_, delivery) = host.sell().await;
    let (status, problem) = host.give_back(&delivery, "Wrong number.").await;
    assert_eq!((status, &problem["code"]), (409, &json!("not_returnable")));
    let unknown = "dl_01ARZ3NDEKTSV4RRFFQ69G5FAV_0";
    assert_eq!(host.give_back(unknown, "Wrong number.").await.0, 404);
    assert_eq!(host.give_back("nonsense", "Wrong number.").await.0, 422);
    let unknown = "rt_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(host.decide(unknown, "accept").await.0, 404);

    for (reason, code) in [
        ("Her number is (415) 555-0137.", "looks_personal"),
        ("Ask p.quarterstaff@example.com", "looks_personal"),
        ("  ", "missing"),
    ] {
        let (status, problem) = host.give_back(&delivery, reason).await;
        assert_eq!(
            (status, &problem["errors"][0]["code"]),
            (422, &json!(code)),
            "{problem}"
        );
        assert!(!problem.to_string().contains("555-0137"), "{problem}");
    }
}

#[tokio::test]
async fn after_its_time_a_delivery_is_not_taken_back() {
    let (host, _buyer) = start("returns = { within = \"1s\", max_percent = \"100\" }").await;
    let (_, delivery) = host.sell().await;
    // The time is the host's own, and nothing tells when it has passed.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let (status, problem) = host.give_back(&delivery, "Wrong number.").await;
    assert_eq!((status, &problem["code"]), (409, &json!("return_too_late")));
}

#[tokio::test]
async fn returns_come_page_by_page() {
    let (host, _buyer) = start("returns = { within = \"14d\", max_percent = \"100\" }").await;
    let (_, first) = host.sell().await;
    let (_, second) = host.sell_another().await;
    host.give_back(&first, "First.").await;
    // Those of one millisecond have no order.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    host.give_back(&second, "Second.").await;
    let page = host.get("/returns?limit=1").await;
    assert_eq!(page["items"][0]["reason"], "Second.");
    let next = page["next"].as_str().expect("more");
    let page = host.get(&format!("/returns?limit=1&after={next}")).await;
    assert_eq!(page["items"][0]["reason"], "First.");
}
