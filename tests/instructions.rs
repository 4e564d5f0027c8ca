//! Posting instructions: the page and the OpenAPI document against the host that made them,
//! and answers as XML.

use bytes::Bytes;
use gavel_example_solar::buyers::{MockBuyer, OnPing, OnPost};
use gavel_market::ids::Digest;
use gavel_store::{Settings, Store, StoreKey};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, eventually};

mod copied;
mod described;

use copied::{Example, Sent, examples_of};
use described::Document;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The path of the test campaign's requests.
fn path(what: &str) -> String {
    format!("/v1/campaigns/{CAMPAIGN}/{what}")
}

fn bearer() -> String {
    format!("Bearer {}", Market::key())
}

/// Asks with the supplier's key.
async fn ask(
    host: &Host,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> (u16, HeaderMap, Bytes) {
    let key = bearer();
    let headers = [&[("authorization", key.as_str())], headers].concat();
    host.ask(method, path, &headers, body).await
}

async fn page(host: &Host) -> String {
    let (status, headers, body) = ask(
        host,
        Method::GET,
        &path("instructions"),
        &[(
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        )],
        "",
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    let policy = headers["content-security-policy"].to_str().expect("ASCII");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    String::from_utf8(body.to_vec()).expect("UTF-8")
}

async fn document(host: &Host) -> Document {
    let accept = [("accept", JSON)];
    let (status, headers, body) = ask(host, Method::GET, &path("instructions"), &accept, "").await;
    assert_eq!(
        (status, &headers["content-type"]),
        (200, &JSON.parse().expect("a value"))
    );
    Document::new(serde_json::from_slice(&body).expect("JSON"))
}

/// A host with one buyer that takes everything, on these terms.
async fn host_on(terms: &str) -> (Host, MockBuyer) {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([Account::fixed("one", "20.00", &buyer)]).on_terms(terms);
    (Host::start(&market).await, buyer)
}

async fn host() -> (Host, MockBuyer) {
    host_on("cost = { per_lead = \"5.00\" }").await
}

async fn send(host: &Host, sent: &Sent) -> (u16, Value) {
    let headers = [("content-type", sent.content_type.as_str())];
    let (status, _, body) = ask(host, Method::POST, &sent.path, &headers, sent.body.clone()).await;
    (status, serde_json::from_slice(&body).expect("JSON"))
}

/// Pings with one example and posts with another, as they are read off the page: a test, and then
/// for real, of the consumer with this number.
async fn sells(host: &Host, ping: &Sent, post: &Sent, number: u8) {
    let real = (ping.for_real(number), post.for_real(number));
    for (ping, post) in [(ping.clone(), post.clone()), real] {
        let (status, bid) = send(host, &ping).await;
        assert_eq!(
            (status, &bid["status"]),
            (200, &json!("bid")),
            "{bid} to {ping:?}"
        );
        let order = bid["ping_order_id"].as_str().expect("an id");
        sold(host, &post.to_order(order)).await;
    }
}

async fn sold(host: &Host, sent: &Sent) {
    let (status, sold) = send(host, sent).await;
    assert_eq!(
        (status, &sold["status"]),
        (200, &json!("sold")),
        "{sold} to {sent:?}"
    );
}

#[tokio::test]
async fn every_example_on_the_page_sells() {
    let (host, buyer) = host().await;
    let examples = examples_of(&page(&host).await);
    let of = |name: &str| -> Vec<&Example> {
        examples
            .iter()
            .filter(|example| example.name == name)
            .collect()
    };
    let base = format!("http://{}", host.api);
    let (pings, posts) = (of("ping"), of("post"));
    assert_eq!((pings.len(), posts.len()), (4, 4));
    for (number, (ping, post)) in (0..).zip(pings.iter().zip(&posts)) {
        let ping = ping.read(&base, &path("ping"));
        sells(&host, &ping, &post.read(&base, &path("post")), number).await;
    }
    let (ping, post) = (of("quick-ping")[0], of("quick-post")[0]);
    sells(&host, &ping.read(&base, ""), &post.read(&base, ""), 9).await;
    assert_eq!(buyer.counts().posts, 5, "a test reaches nobody");
}

#[tokio::test]
async fn every_example_in_the_document_sells() {
    let (host, _buyer) = host().await;
    let document = document(&host).await;
    for (number, content_type) in [(1, JSON), (2, FORM)] {
        let ping = document.example(&path("ping"), content_type);
        let post = document.example(&path("post"), content_type);
        sells(&host, &ping, &post, number).await;
    }
}

#[tokio::test]
async fn the_supplier_reads_its_own_name_and_what_each_field_is() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([Account::fixed("one", "20.00", &buyer)]).toml();
    let plain = "note = { type = \"text\" }";
    let described =
        "note = { type = \"text\", description = \"What the consumer would like to know\" }";
    assert!(market.contains(plain));
    let market = market
        .replace(plain, described)
        .replace("SunLeads Media", "Sunny & Sons <Leads>");
    let host = Host::start_with(&market, &[]).await;
    let (page, document) = (page(&host).await, document(&host).await);
    document.is_valid_openapi();
    for shown in [
        "Sunny &amp; Sons &lt;Leads&gt;",
        "What the consumer would like to know",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let document: Value = serde_json::from_str(&document.text()).expect("JSON");
    let title = document["info"]["title"].as_str().expect("text");
    assert!(title.contains("Sunny & Sons <Leads>"), "{title}");
    let note = &document["components"]["schemas"]["PingLead"]["properties"]["note"];
    let about = note["description"].as_str().unwrap_or_default();
    assert!(
        about.starts_with("What the consumer would like to know"),
        "{note}"
    );
}

const DIRECT: &str = "cost = { per_lead = \"5.00\" }\nchannel = \"direct_post\"";

#[tokio::test]
async fn every_example_of_a_direct_post_sells_and_its_answers_are_described() {
    let (host, buyer) = host_on(DIRECT).await;
    let (page, document) = (page(&host).await, document(&host).await);
    document.is_valid_openapi();
    assert!(!page.contains(&path("ping")) && !document.text().contains(&path("ping")));
    let base = format!("http://{}", host.api);
    let direct = path("lead");
    let mut sent: Vec<Sent> = examples_of(&page)
        .iter()
        .map(|example| example.read(&base, &direct))
        .collect();
    sent.extend([JSON, FORM].map(|content_type| document.example(&direct, content_type)));
    assert_eq!(sent.len(), 7);
    for (number, one) in (0..).zip(&sent) {
        sold(&host, one).await;
        sold(&host, &one.for_real(number)).await;
    }
    assert_eq!(buyer.counts().posts, 7, "a test reaches nobody");

    let lead = document.example(&direct, JSON).for_real(50);
    let mut greedy: Value = serde_json::from_slice(&lead.body).expect("JSON");
    greedy["min_bid"] = "9000".into();
    for (body, expected) in [
        (lead.body.clone(), (200, "sold")),
        (
            greedy.to_string().replace("555-0150", "555-0151").into(),
            (200, "rejected"),
        ),
        (
            Bytes::from_static(b"{\"lead\": {\"zip\": 9}}"),
            (422, "invalid_fields"),
        ),
        (Bytes::from_static(b"{"), (400, "malformed")),
    ] {
        let headers = [("content-type", JSON)];
        let (status, headers, body) = ask(&host, Method::POST, &direct, &headers, body).await;
        let body = document.describes(&direct, "post", status, &headers, &body);
        let word = body.get("code").or(body.get("status")).expect("a word");
        assert_eq!((status, word.as_str().expect("text")), expected, "{body}");
    }
}

#[tokio::test]
async fn the_document_is_valid_openapi() {
    let (host, _buyer) = host().await;
    document(&host).await.is_valid_openapi();
}

#[tokio::test]
#[allow(clippy::too_many_lines)] // a list of answers
async fn every_answer_is_as_the_document_says() {
    let (host, _buyer) = host().await;
    let document = document(&host).await;
    let (ping, post) = (path("ping"), path("post"));
    let lead = json!({"state": "CA", "zip": "90210"});
    let personal = json!({"first_name": "A", "last_name": "B", "email": "a@example.com", "phone": "2025550142"});
    let whole = |order: &str, phone: &str| {
        let mut lead = personal.clone();
        lead["phone"] = phone.into();
        json!({"ping_order_id": order, "lead": lead}).to_string()
    };
    let told = async |path: &str, body: String, content_type: &str, expected: (u16, &str)| {
        let headers = [("content-type", content_type)];
        let (status, headers, body) = ask(&host, Method::POST, path, &headers, body).await;
        let body = document.describes(path, "post", status, &headers, &body);
        let word = body
            .get("code")
            .or(body.get("status"))
            .expect("a word")
            .clone();
        assert_eq!((status, word.as_str().expect("text")), expected, "{body}");
        body
    };
    let bid = told(&ping, json!({"lead": lead}).to_string(), JSON, (200, "bid")).await;
    let order = bid["ping_order_id"].as_str().expect("an id");
    let greedy = json!({"lead": lead, "min_bid": "9000"}).to_string();
    told(&ping, greedy, JSON, (200, "no_bid")).await;
    told(&ping, "{".into(), JSON, (400, "malformed")).await;
    told(
        &ping,
        "<lead/>".into(),
        "application/xml",
        (415, "unsupported_media_type"),
    )
    .await;
    told(&ping, "x".repeat(100 << 10), JSON, (413, "too_large")).await;
    let wrong = json!({"lead": {"stat": "CA", "zip": "9", "phone": "2025550142"}, "tmax": 7});
    told(&ping, wrong.to_string(), JSON, (422, "invalid_fields")).await;
    let wrong = json!({"ping_order_id": order, "lead": {"zip": "10001"}}).to_string();
    told(&post, wrong, JSON, (422, "invalid_fields")).await;
    let sold = told(&post, whole(order, "2025550142"), JSON, (200, "sold")).await;
    told(&post, whole(order, "(202) 555-0142"), JSON, (200, "sold")).await;
    told(
        &post,
        whole(order, "2025550143"),
        JSON,
        (409, "already_posted"),
    )
    .await;
    let unknown = "po_01KB2X8V3HQ7M5N9T4W6Y8Z0AC";
    told(
        &post,
        whole(unknown, "2025550142"),
        JSON,
        (404, "not_found"),
    )
    .await;

    let key = bearer();
    let asked = async |method: Method,
                       path: &str,
                       at: (&str, &str),
                       headers: &[(&str, &str)],
                       expected: u16| {
        let (status, headers, body) = host.ask(method, path, headers, "").await;
        assert_eq!(status, expected, "{path}");
        document.describes(at.0, at.1, status, &headers, &body);
    };
    let key = ("authorization", key.as_str());
    let status = "/v1/leads/{lead_id}";
    let lead = format!("/v1/leads/{}", sold["lead_id"].as_str().expect("an id"));
    asked(Method::GET, &lead, (status, "get"), &[key], 200).await;
    asked(Method::GET, &lead, (status, "get"), &[], 401).await;
    asked(Method::GET, "/v1/leads/ld_x", (status, "get"), &[key], 404).await;
    asked(Method::PUT, &ping, (&ping, "post"), &[key], 405).await;
    asked(Method::POST, &ping, (&ping, "post"), &[], 401).await;
    asked(
        Method::GET,
        &lead,
        (status, "get"),
        &[key, ("accept", "image/png")],
        406,
    )
    .await;
    let own = path("instructions");
    asked(Method::GET, &own, (&own, "get"), &[], 401).await;
    asked(
        Method::GET,
        &own,
        (&own, "get"),
        &[key, ("accept", "application/xml")],
        406,
    )
    .await;
    asked(
        Method::GET,
        &format!("{own}?what=this"),
        (&own, "get"),
        &[key],
        422,
    )
    .await;
    asked(Method::GET, &own, (&own, "get"), &[key], 200).await;
}

#[tokio::test]
async fn answers_that_depend_on_the_campaign_are_as_the_document_says() {
    let unwilling = buyer(OnPing::never(), OnPost::reject("no")).await;
    let market = Market::of([Account::fixed("one", "20.00", &unwilling)]);
    let host = Host::start(&market).await;
    let document_waits = document(&host).await;
    let (ping, post) = (path("ping"), path("post"));
    let post_to = async |document: &Document, expected: &str| {
        let (_, bid) = send(&host, &document.example(&ping, JSON).for_real(42)).await;
        let order = bid["ping_order_id"].as_str().expect("an id");
        let sent = document.example(&post, JSON).for_real(42).to_order(order);
        let headers = [("content-type", JSON)];
        let (status, headers, body) = ask(&host, Method::POST, &post, &headers, sent.body).await;
        let body = document.describes(&post, "post", status, &headers, &body);
        assert_eq!(body["status"], expected);
        let lead = format!("/v1/leads/{}", body["lead_id"].as_str().expect("an id"));
        let (status, headers, body) = ask(&host, Method::GET, &lead, &[], "").await;
        document.describes("/v1/leads/{lead_id}", "get", status, &headers, &body);
    };
    post_to(&document_waits, "rejected").await;

    let later = market
        .on_terms("cost = { per_sale = \"5.00\" }\nwindow = \"1s\"")
        .post("reject_for_not_delivered = false");
    apply(&host, &later.toml()).await;
    let document_later = document(&host).await;
    post_to(&document_later, "accepted").await;

    let (_, bid) = send(&host, &document_later.example(&ping, JSON).for_real(42)).await;
    let order = bid["ping_order_id"].as_str().expect("an id");
    let record = format!("/orders/{order}");
    eventually("the order expires", || async {
        (host.get(&record).await["state"] == "expired").then_some(())
    })
    .await;
    let sent = document_later
        .example(&post, JSON)
        .for_real(42)
        .to_order(order);
    let headers = [("content-type", JSON)];
    let (status, headers, body) = ask(&host, Method::POST, &post, &headers, sent.body).await;
    let problem = document_later.describes(&post, "post", status, &headers, &body);
    assert_eq!((status, &problem["code"]), (410, &json!("order_expired")));

    apply(
        &host,
        &later
            .toml()
            .replace("window = \"1s\"", "status = \"on_hold\""),
    )
    .await;
    let held = document(&host).await;
    let sent = held.example(&ping, JSON).for_real(42);
    let headers = [("content-type", JSON)];
    let (status, headers, body) = ask(&host, Method::POST, &ping, &headers, sent.body).await;
    let problem = held.describes(&ping, "post", status, &headers, &body);
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("campaign_not_active"))
    );
    assert!(page(&host).await.contains("takes no leads at the moment"));
}

#[tokio::test]
async fn limits_are_told_and_what_is_answered_beyond_them_is_described() {
    for (limit, told, code) in [
        (
            "rate_limit = { per_second = 1, burst = 1 }",
            "1 ping a second",
            "rate_limited",
        ),
        (
            "caps = { total = 1 }",
            "campaign_cap_reached",
            "campaign_cap_reached",
        ),
    ] {
        let (host, _buyer) = host_on(&format!("cost = {{ per_lead = \"5.00\" }}\n{limit}")).await;
        assert!(page(&host).await.contains(told));
        let document = document(&host).await;
        let ping = document.example(&path("ping"), JSON).for_real(1);
        assert_eq!(send(&host, &ping).await.0, 200);
        let headers = [("content-type", JSON)];
        let (status, headers, body) =
            ask(&host, Method::POST, &path("ping"), &headers, ping.body).await;
        let problem = document.describes(&path("ping"), "post", status, &headers, &body);
        assert_eq!((status, &problem["code"]), (429, &json!(code)));
        assert_eq!(headers.contains_key("retry-after"), code == "rate_limited");
    }
}

/// Puts another market in force, with the plugins that the host has.
async fn apply(host: &Host, market: &str) {
    let file = host.folder().join("next.toml");
    std::fs::write(&file, market).expect("writable");
    let file = file.to_str().expect("UTF-8");
    let done = host
        .command(&["apply", "--admin", &host.admin_url(), file])
        .await;
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test]
async fn a_changed_market_changes_the_page() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([Account::fixed("one", "20.00", &buyer)]);
    let host = Host::start(&market).await;
    let before = page(&host).await;
    assert!(!before.contains("roof_age") && !before.contains("45 seconds"));
    let text = market
        .on_terms("cost = { per_lead = \"5.00\" }\nwindow = \"45s\"")
        .toml()
        .replace(
            "note = { type = \"text\" }",
            "roof_age = { type = \"integer\", min = 0, max = 99, description = \"In years\" }",
        );
    apply(&host, &text).await;
    let after = page(&host).await;
    assert!(after.contains("<code>roof_age</code>") && after.contains("In years"));
    assert!(after.contains("45 seconds") && !after.contains("<code>note</code>"));
    let document = document(&host).await;
    let ping = document.example(&path("ping"), JSON).for_real(42);
    assert_eq!(send(&host, &ping).await.0, 200);
}

/// The store's key, in hexadecimal.
const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// A market with a second supplier, who has a campaign and a key.
fn two_suppliers(market: &Market) -> String {
    let key = Digest::of(b"gk_the_other_suppliers_key");
    market.toml()
        + &format!(
            "\n[suppliers.other]\nname = \"Other Leads\"\nkeys = [{{ sha256 = \"{key}\" }}]\n\
             [campaigns.others]\nsupplier = \"other\"\nlead_type = \"solar\"\ncost = {{ per_lead = \"1.00\" }}\n"
        )
}

#[tokio::test]
async fn a_link_opens_one_campaigns_instructions_until_it_expires() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market = two_suppliers(&Market::of([Account::fixed("one", "20.00", &buyer)]));
    let host = Host::start_with(&market, &[("GAVEL_KEY", KEY)]).await;
    let made = async |id: &str, body: Value| {
        let path = format!("/campaigns/{id}/instructions-link");
        host.admin(Method::POST, &path, body.to_string(), JSON)
            .await
    };
    let (status, link) = made(CAMPAIGN, json!({"valid_for": "30d"})).await;
    assert_eq!(status, 200, "{link}");
    assert!(link["expires_at"].as_str().expect("a time").ends_with('Z'));
    let url = link["url"].as_str().expect("a URL");
    let link = url
        .strip_prefix(&format!("http://{}", host.api))
        .expect("the supplier API");

    // With no key at all, as a page and as the document that the page links to.
    let (status, headers, body) = host.ask(Method::GET, link, &[], "").await;
    assert_eq!(status, 200);
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let page = String::from_utf8(body.to_vec()).expect("UTF-8");
    let to_document = format!("{link}&format=json");
    assert!(page.contains(&to_document.replace('&', "&amp;")));
    let (status, _, body) = host.ask(Method::GET, &to_document, &[], "").await;
    let openapi: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((status, &openapi["openapi"]), (200, &json!("3.1.0")));
    let accept = [("accept", JSON)];
    assert_eq!(host.ask(Method::GET, link, &accept, "").await.0, 200);

    let problem = async |path: &str, expected: (u16, &str)| {
        let (status, headers, body) = host.ask(Method::GET, path, &[], "").await;
        let problem: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(
            (status, problem["code"].as_str().expect("a code")),
            expected,
            "{path}"
        );
    };
    // Another campaign, another time, another signature, half a link, and what it is no key to.
    problem(&link.replace(CAMPAIGN, "others"), (403, "link_invalid")).await;
    problem(
        &link.replace("expires=", "expires=1"),
        (403, "link_invalid"),
    )
    .await;
    let (head, tail) = link.split_at(link.len() - 1);
    let other = if tail == "0" { "1" } else { "0" };
    problem(&format!("{head}{other}"), (403, "link_invalid")).await;
    problem(head, (403, "link_invalid")).await;
    problem(
        link.split('&').next().expect("a part"),
        (401, "unauthenticated"),
    )
    .await;
    problem(
        &link.replace("instructions", "ping"),
        (405, "method_not_allowed"),
    )
    .await;

    // One that was good: signed by the same key, over a time that has passed.
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(
        folder.path(),
        &StoreKey::from_bytes([7; 32]),
        Settings::default(),
    )
    .expect("a store");
    let expired = |supplier: &str| {
        let signed = format!("{CAMPAIGN} {supplier} 1700000000");
        let signature = store.keyed_hash("instructions link", signed.as_bytes());
        format!(
            "{}?expires=1700000000&signature={signature}",
            path("instructions")
        )
    };
    problem(&expired("sunleads"), (403, "link_expired")).await;
    problem(&expired("other"), (403, "link_invalid")).await;

    for (id, body, expected) in [
        ("nobodys", json!({}), 404),
        (CAMPAIGN, json!({"valid_for": "59s"}), 422),
        (CAMPAIGN, json!({"valid_for": "1y 2d"}), 422),
        (CAMPAIGN, json!({"valid_for": 30}), 422),
        (CAMPAIGN, json!({"for": "30d"}), 422),
        (CAMPAIGN, json!({}), 200),
    ] {
        assert_eq!(made(id, body.clone()).await.0, expected, "{body}");
    }
}

#[tokio::test]
async fn another_suppliers_key_opens_nothing() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market = two_suppliers(&Market::of([Account::fixed("one", "20.00", &buyer)]));
    let host = Host::start_with(&market, &[]).await;
    let status = async |campaign: &str, key: &str| {
        let key = format!("Bearer {key}");
        let path = format!("/v1/campaigns/{campaign}/instructions");
        let headers = [("authorization", key.as_str())];
        host.ask(Method::GET, &path, &headers, "").await.0
    };
    let other = "gk_the_other_suppliers_key";
    assert_eq!(status("others", other).await, 200);
    assert_eq!(status(CAMPAIGN, other).await, 404);
    assert_eq!(status("nobodys", other).await, 404);
    assert_eq!(status(CAMPAIGN, "gk_nobodys").await, 401);
}

#[tokio::test]
async fn no_buyer_price_or_requirement_is_told() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let account = Account::fixed("goldmine", "87.65", &buyer)
        .with("criteria = [{ field = \"zip\", in = [\"31337\"] }]");
    let market = Market::of([account])
        .on_terms("cost = { revenue_share = \"61.5\" }")
        .ping("min_profit = \"4.32\"\nmin_deliveries = 1");
    let host = Host::start(&market).await;
    let (page, document) = (page(&host).await, document(&host).await.text());
    for secret in [
        "goldmine",
        "87.65",
        "31337",
        "61.5",
        "4.32",
        "http-buyer",
        &buyer.url(""),
    ] {
        assert!(
            !page.contains(secret) && !document.contains(secret),
            "{secret}"
        );
    }
}

#[tokio::test]
async fn answers_come_as_xml_where_that_is_asked_for() {
    let (host, _buyer) = host().await;
    let document = document(&host).await;
    let asked = async |method: Method, path: &str, accept: &str, body: Bytes| {
        let headers = [("accept", accept), ("content-type", JSON)];
        let (status, headers, body) = ask(&host, method, path, &headers, body).await;
        let kind = headers["content-type"].to_str().expect("ASCII").to_owned();
        (
            status,
            kind,
            String::from_utf8(body.to_vec()).expect("UTF-8"),
        )
    };
    let inside = |text: &str, name: &str| -> String {
        let (_, rest) = text
            .split_once(&format!("<{name}>"))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        rest.split_once(&format!("</{name}>"))
            .expect("its end")
            .0
            .to_owned()
    };
    let ping = document.example(&path("ping"), JSON).for_real(42);
    let (status, kind, bid) = asked(
        Method::POST,
        &path("ping"),
        "application/xml",
        ping.body.clone(),
    )
    .await;
    assert_eq!((status, kind.as_str()), (200, "application/xml"), "{bid}");
    assert!(
        bid.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><response><status>bid</status>"),
        "{bid}"
    );
    assert_eq!(inside(&bid, "bid"), "5.00");

    let post = document.example(&path("post"), JSON).for_real(42);
    let post = post.to_order(&inside(&bid, "ping_order_id"));
    let accept = "application/json;q=0.5, text/xml";
    let (status, kind, sold) = asked(Method::POST, &path("post"), accept, post.body).await;
    assert_eq!(
        (status, kind.as_str()),
        (200, "text/xml; charset=utf-8"),
        "{sold}"
    );
    let lead = format!("/v1/leads/{}", inside(&sold, "lead_id"));
    let (_, _, lead) = asked(Method::GET, &lead, "application/xml", Bytes::new()).await;
    assert_eq!(inside(&lead, "finished"), "true");

    let wrong = Bytes::from_static(b"{\"lead\": {\"zip\": \"<&>\"}}");
    let (status, kind, problem) = asked(
        Method::POST,
        &path("ping"),
        "application/xml",
        wrong.clone(),
    )
    .await;
    assert_eq!((status, kind.as_str()), (422, "application/problem+xml"));
    assert!(
        problem.contains("<problem xmlns=\"urn:ietf:rfc:7807\">"),
        "{problem}"
    );
    assert_eq!(problem.matches("<error>").count(), 2, "{problem}");
    let (status, kind, _) = asked(
        Method::POST,
        &path("ping"),
        "application/xml;q=0.2, application/json;q=0.3",
        wrong,
    )
    .await;
    assert_eq!((status, kind.as_str()), (422, "application/problem+json"));
    let nobodys = [
        ("accept", "application/xml"),
        ("authorization", "Bearer nobody"),
    ];
    let (status, headers, _) = host.ask(Method::POST, &path("ping"), &nobodys, "").await;
    assert_eq!(
        (status, headers["content-type"].to_str().expect("ASCII")),
        (401, "application/problem+xml")
    );
}
