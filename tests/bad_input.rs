//! Bad input of every kind gets the documented status, code and field, and the process lives.

use std::time::Duration;

use gavel_example_solar::buyers::{OnPing, OnPost};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, within};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

async fn host() -> Host {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    Host::start(&Market::of([Account::fixed("one", "20.00", &buyer)])).await
}

fn path() -> String {
    format!("/v1/campaigns/{CAMPAIGN}/ping")
}

/// Sends a body to the ping's path: the status and the problem.
async fn send(host: &Host, content_type: &str, body: impl Into<bytes::Bytes>) -> (u16, Value) {
    let (status, headers, body) = host
        .supplier()
        .send_raw(&path(), content_type, body)
        .await
        .expect("answered");
    assert!(headers.contains_key("x-request-id"));
    (
        status.as_u16(),
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    )
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed() {
    let host = host().await;
    let deep = format!("{{\"lead\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("truncated", JSON, b"{\"lead\": {\"state\": \"CA\"".to_vec()),
        ("empty", JSON, Vec::new()),
        ("no object", JSON, b"[1, 2]".to_vec()),
        ("200 deep", JSON, deep.into_bytes()),
        (
            "duplicate keys",
            JSON,
            b"{\"lead\": {\"state\": \"CA\", \"state\": \"NV\"}}".to_vec(),
        ),
        (
            "duplicate keys in a form",
            FORM,
            b"state=CA&state=NV".to_vec(),
        ),
        (
            "invalid UTF-8",
            JSON,
            b"{\"lead\": {\"state\": \"\xff\xfe\"}}".to_vec(),
        ),
        ("invalid UTF-8 in a form", FORM, b"state=%ff%fe".to_vec()),
        ("two documents", JSON, b"{} {}".to_vec()),
    ];
    for (what, content_type, body) in cases {
        let (status, problem) = send(&host, content_type, body).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (400, Some("malformed")),
            "{what}: {problem}"
        );
    }
    let (_, problem) = send(&host, JSON, "{\n  \"lead\": nonsense}").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("line 2") && detail.contains("column"),
        "{detail}"
    );
}

#[tokio::test]
async fn every_wrong_field_and_control_is_named_at_once() {
    let host = host().await;
    let body = json!({
        "lead": {"state": "California", "zip": [9], "monthly_bill": "1e5", "homeowner": "perhaps", "roof_shade": "a bit", "install_by": "31.12.2026", "panels_wanted": 501, "homeownr": true, "note": "x".repeat(1001)},
        "tmax_ms": 10, "min_bid": 12.5, "sub_id": "x".repeat(65), "test": "maybe", "colour": 1,
    });
    let (status, problem) = send(&host, JSON, body.to_string()).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (422, Some("invalid_fields")),
        "{problem}"
    );
    let mut said: Vec<(String, String)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            (
                error["field"].as_str().unwrap().to_owned(),
                error["code"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    said.sort();
    let expected = [
        ("colour", "unknown_field"),
        ("homeowner", "bad_format"),
        ("homeownr", "unknown_field"),
        ("install_by", "bad_format"),
        ("min_bid", "wrong_type"),
        ("monthly_bill", "bad_format"),
        ("note", "too_long"),
        ("panels_wanted", "out_of_range"),
        ("roof_shade", "not_allowed"),
        ("state", "not_allowed"),
        ("sub_id", "too_long"),
        ("test", "wrong_type"),
        ("tmax_ms", "out_of_range"),
        ("zip", "wrong_type"),
    ];
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(field, code)| ((*field).to_owned(), (*code).to_owned()))
        .collect();
    assert_eq!(said, expected, "{problem}");
    let typo = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|error| error["field"] == "homeownr")
        .unwrap()
        .clone();
    assert_eq!(typo["suggestion"], "homeowner");
    assert!(
        !problem.to_string().contains("perhaps"),
        "no value is repeated"
    );
}

#[tokio::test]
async fn a_missing_lead_field_or_order_is_named() {
    let host = host().await;
    let (_, problem) = send(&host, JSON, "{}").await;
    assert_eq!(
        (
            problem["errors"][0]["field"].as_str(),
            problem["errors"][0]["code"].as_str()
        ),
        (Some("lead"), Some("missing")),
        "{problem}"
    );
    let (_, problem) = send(&host, JSON, "{\"lead\": 7}").await;
    assert_eq!(
        (
            problem["errors"][0]["field"].as_str(),
            problem["errors"][0]["code"].as_str()
        ),
        (Some("lead"), Some("wrong_type")),
        "{problem}"
    );
    let (status, problem) = send(&host, FORM, "zip=90210&_min_bid=1e9").await;
    let said: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(status, 422);
    assert!(
        said.contains(&"state") && said.contains(&"min_bid"),
        "{problem}"
    );
    let post = |body: &'static str| {
        let supplier = host.supplier();
        async move {
            let (status, _, body) = supplier
                .send_raw(&format!("/v1/campaigns/{CAMPAIGN}/post"), JSON, body)
                .await
                .expect("answered");
            (
                status.as_u16(),
                serde_json::from_slice::<Value>(&body).unwrap(),
            )
        }
    };
    let (status, problem) = post("{\"lead\": {}}").await;
    assert_eq!(
        (
            status,
            problem["errors"][0]["field"].as_str(),
            problem["errors"][0]["code"].as_str()
        ),
        (422, Some("ping_order_id"), Some("missing"))
    );
    let (status, problem) = post("{\"ping_order_id\": \"po_nonsense\", \"lead\": {}}").await;
    assert_eq!(
        (status, problem["errors"][0]["code"].as_str()),
        (422, Some("bad_format"))
    );
    let (status, problem) =
        post("{\"ping_order_id\": \"po_01ARZ3NDEKTSV4RRFFQ69G5FAV\", \"lead\": {}}").await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")));
}

/// Writes these bytes to the supplier API and reads the status line of the answer, if any.
async fn raw(host: &Host, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host.api).await.expect("accepted");
    // The host may answer and close before everything is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = within("an answer or the end", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers = headers.collect::<Vec<_>>().concat();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: gavel\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test]
async fn who_and_what_are_checked_before_the_body() {
    let host = host().await;
    let bearer = format!("Bearer {}", Market::key());
    let auth = ("Authorization", bearer.as_str());
    let json = ("Content-Type", JSON);
    let ping = path();
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("no key", request("POST", &ping, &[json], "{}"), 401),
        (
            "a wrong key",
            request(
                "POST",
                &ping,
                &[json, ("Authorization", "Bearer nonsense")],
                "{}",
            ),
            401,
        ),
        (
            "another campaign",
            request("POST", "/v1/campaigns/other/ping", &[auth, json], "{}"),
            404,
        ),
        (
            "another path",
            request("POST", "/v2/nothing", &[auth, json], "{}"),
            404,
        ),
        ("another method", request("GET", &ping, &[auth], ""), 405),
        (
            "another type",
            request("POST", &ping, &[auth, ("Content-Type", "text/plain")], "{}"),
            415,
        ),
        ("no type", request("POST", &ping, &[auth], "{}"), 415),
        (
            "compressed",
            request(
                "POST",
                &ping,
                &[auth, json, ("Content-Encoding", "gzip")],
                "{}",
            ),
            415,
        ),
        (
            "another answer",
            request("POST", &ping, &[auth, json, ("Accept", "image/png")], "{}"),
            406,
        ),
        (
            "direct post",
            request(
                "POST",
                &format!("/v1/campaigns/{CAMPAIGN}/lead"),
                &[auth, json],
                "{}",
            ),
            409,
        ),
    ];
    for (what, bytes, status) in cases {
        let line = raw(&host, &bytes).await;
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status}")),
            "{what}: {line}"
        );
    }
}

#[tokio::test]
async fn ten_megabytes_and_a_million_header_bytes_are_refused_and_the_process_lives() {
    let mut host = host().await;
    let bearer = format!("Bearer {}", Market::key());
    let auth = ("Authorization", bearer.as_str());
    let big = format!("{{\"lead\": {{\"note\": \"{}\"}}}}", "x".repeat(10 << 20));
    let line = raw(
        &host,
        &request("POST", &path(), &[auth, ("Content-Type", JSON)], &big),
    )
    .await;
    assert!(
        line.starts_with("HTTP/1.1 413") || line.is_empty(),
        "{line}"
    );
    let chunked = format!(
        "POST {} HTTP/1.1\r\nHost: gavel\r\nAuthorization: {bearer}\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        path(),
        10 << 20,
        "x".repeat(10 << 20)
    );
    let line = raw(&host, chunked.as_bytes()).await;
    assert!(
        line.starts_with("HTTP/1.1 413") || line.is_empty(),
        "{line}"
    );
    let line = raw(
        &host,
        &request(
            "POST",
            &path(),
            &[auth, ("X-Padding", &"x".repeat(1_000_000))],
            "{}",
        ),
    )
    .await;
    assert!(
        line.starts_with("HTTP/1.1 431") || line.is_empty(),
        "{line}"
    );
    let many = (0..100_000)
        .map(|at| format!("X-{at}: 1\r\n"))
        .collect::<Vec<_>>()
        .concat();
    let line = raw(&host, format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert!(
        line.starts_with("HTTP/1.1 431") || line.is_empty(),
        "{line}"
    );
    let line = raw(&host, b"\x16\x03\x01\x02\x00 this is TLS, not HTTP\r\n\r\n").await;
    assert!(
        line.starts_with("HTTP/1.1 400") || line.is_empty(),
        "{line}"
    );
    assert!(host.is_running());
    host.ping().await;
}

#[tokio::test]
async fn clients_that_never_finish_hold_nobody_up() {
    let mut host = host().await;
    let mut held = Vec::new();
    for at in 0..200 {
        let mut stream = TcpStream::connect(host.api).await.expect("accepted");
        let begun = match at % 3 {
            0 => "POST /v1/campaigns/solar/ping HTT".to_owned(),
            1 => format!(
                "POST {} HTTP/1.1\r\nHost: gavel\r\nAuthorization: Bearer {}\r\nContent-Type: {JSON}\r\nContent-Length: 50\r\n\r\n{{\"lead\"",
                path(),
                Market::key()
            ),
            _ => "GET /".to_owned(),
        };
        stream.write_all(begun.as_bytes()).await.expect("written");
        held.push(stream);
    }
    for _ in 0..20 {
        tokio::time::timeout(Duration::from_secs(5), host.ping())
            .await
            .expect("others are answered");
    }
    // The host lets go of every one of them by itself.
    for mut stream in held {
        let mut rest = Vec::new();
        let _ = within("the host closes it", stream.read_to_end(&mut rest)).await;
    }
    assert!(host.is_running());
}

#[tokio::test]
async fn the_admin_api_wants_its_token() {
    let host = host().await;
    let request = |token: &str| {
        hyper::Request::builder()
            .uri(format!("http://{}/admin/v1/market", host.admin))
            .header("authorization", format!("Bearer {token}"))
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http();
    assert_eq!(
        client
            .request(request("wrong"))
            .await
            .expect("answered")
            .status(),
        401
    );
    assert_eq!(
        client
            .request(request(crate::harness::ADMIN_TOKEN))
            .await
            .expect("answered")
            .status(),
        200
    );
    assert!(!host.root("/healthz").await.is_empty());
}

#[tokio::test]
async fn a_host_that_begins_with_few_open_files_asks_for_as_many_as_its_connections_take() {
    const ALLOWED: usize = 100;
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([Account::fixed("one", "20.00", &buyer)]);
    let few = format!("ulimit -S -n {ALLOWED} && exec \"$0\" \"$@\"");
    let host = Host::start_by(&["sh", "-c", &few], &market.toml(), &[]).await;
    let mut held = Vec::new();
    for _ in 0..2 * ALLOWED {
        held.push(TcpStream::connect(host.api).await.expect("accepted"));
    }
    // Accepted in the order in which they came: behind all of those.
    let order = host.order().await;
    host.post(&order).await.expect("sold");
}
