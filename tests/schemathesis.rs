//! Both APIs' documents: that they are OpenAPI 3.1, and that a host which is sent requests made
//! from them at random – good, bad and odd ones – never fails, and never answers what is not
//! described.
//!
//! There are three documents: the operators', a supplier's who pings and posts, and a supplier's who
//! posts directly, to a campaign that is soon full and that slows them down.
//!
//! The requests are made by Schemathesis, from a fixed seed; what it needs is installed in a
//! folder of its own below the target folder, once, at the versions that stand in
//! `schemathesis/requirements.txt`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::PostAnswer,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{
    ADMIN_TOKEN, Account, CAMPAIGN, Host, MUCH_TO_BUILD, Market, buyer, moody, within,
};

const REQUIREMENTS: &str = include_str!("schemathesis/requirements.txt");

/// Where the requests begin; another number makes others.
const SEED: &str = "20261123";

/// Requests of each operation in each of the ways in which they are made.
const EXAMPLES: &str = "12";

/// Longest that installing, or one run, may take.
const PATIENCE: Duration = Duration::from_mins(15);

/// What is held against the document: no failure of the host; status, content type, headers and
/// body as described; methods that are not described refused; and nothing without a key.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";

/// Python with what is required, installed where it is not there yet.
async fn tools() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let (bin, installed) = (folder.join("venv/bin"), folder.join("installed-from"));
    if std::fs::read_to_string(&installed).is_ok_and(|from| from == REQUIREMENTS) {
        return bin;
    }
    std::fs::create_dir_all(&folder).expect("a folder");
    let required = folder.join("requirements.txt");
    std::fs::write(&required, REQUIREMENTS).expect("writable");
    eprintln!("installing Schemathesis with pip: some 60 MB, once");
    let mut venv = Command::new("python3");
    run(venv
        .args(["-m", "venv", "--clear"])
        .arg(folder.join("venv")))
    .await;
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--disable-pip-version-check", "--no-deps", "-r"]);
    run(pip.arg(&required)).await;
    std::fs::write(&installed, REQUIREMENTS).expect("writable");
    bin
}

/// Runs a command to its end; where it fails, the test does, with everything that was said.
async fn run(command: &mut Command) {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}"))
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Holds a document against OpenAPI 3.1 and a host against the document.
async fn hold(host: &mut Host, document: &Value, base: &str, key: &str, more: &[&str]) {
    let bin = tools().await;
    let file = host.folder().join("openapi.json");
    std::fs::write(&file, document.to_string()).expect("writable");
    let mut validate = Command::new(bin.join("python"));
    run(validate.args(["-m", "openapi_spec_validator"]).arg(&file)).await;

    let mut fuzz = Command::new(bin.join("schemathesis"));
    fuzz.arg("run").arg(&file).current_dir(host.folder());
    fuzz.args(["--url", base, "--checks", CHECKS, "--no-color"]);
    fuzz.args(["--header", &format!("Authorization: Bearer {key}")]);
    fuzz.args(["--seed", SEED, "--max-examples", EXAMPLES]);
    fuzz.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--request-timeout",
        "30",
    ]);
    fuzz.args(["--continue-on-failure", "--generation-database", "none"]);
    run(fuzz.args(more)).await;
    assert!(host.is_running(), "the host is still there");
}

/// A market in which much can happen, and a host in which some of it has: a sale, a delivery that
/// nobody knows the end of, a return, a version on trial.
async fn busy() -> (Host, [MockBuyer; 2], Value) {
    let (taker, doubtful) = (
        buyer(OnPing::bid("30.00"), OnPost::accept()).await,
        buyer(OnPing::bid("20.00"), OnPost::accept_then_drop()).await,
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moody.wasm");
    std::fs::write(&path, moody("calm")).expect("writable");
    let market = Market::of([
        Account::bidding("taker", &taker).with(
            "returns = { within = \"14d\", max_percent = \"100\" }\ncaps = { per_day = 100000 }",
        ),
        Account::bidding("doubtful", &doubtful)
            .with("filter = { plugin = \"moody\", config = {} }"),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\nmax_deliveries = 2")
    .plugins(&format!(
        "[plugins.moody]\npath = {:?}\n",
        path.display().to_string()
    ));
    let host = Host::start(&market).await;

    let order = host.order().await;
    let PostAnswer::Sold { lead_id, .. } = host.post(&order).await.expect("in time") else {
        panic!("one of them takes it")
    };
    let lead = host.get(&format!("/leads/{lead_id}")).await;
    let deliveries = lead["deliveries"].as_array().expect("a list");
    let sold = deliveries.iter().find(|one| one["outcome"] == "sold");
    let sold = sold.expect("one is")["id"].clone();
    let back = json!({"delivery_id": sold, "reason": "Wrong number."});
    let (status, made) = host
        .admin(
            Method::POST,
            "/returns",
            back.to_string(),
            "application/json",
        )
        .await;
    assert_eq!(status, 200, "{made}");
    let picky = moody("picky");
    assert_eq!(host.upload("moody", picky.clone(), "").await.0, 200);
    let shadow = json!({"digest": crate::harness::digest(&picky)});
    assert_eq!(host.of_plugin("moody", "shadow", shadow).await.0, 200);

    let unconfirmed = host.unconfirmed().await;
    let known = json!({
        "PingId": order, "OrderId": order, "LeadId": lead_id, "ReturnId": made["id"],
        "DeliveryId": unconfirmed[0]["id"], "PluginName": "moody", "AccountName": "taker",
        "CampaignName": CAMPAIGN, "Revision": 1,
    });
    (host, [taker, doubtful], known)
}

/// A direct-post campaign with room for a few leads, that takes fewer requests than are made.
async fn crowded() -> (Host, MockBuyer) {
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([Account::fixed("taker", "30.00", &taker)]).on_terms(
        "cost = { per_sale = \"5.00\" }\nchannel = \"direct_post\"\ncaps = { total = 2 }\n\
         rate_limit = { per_second = 15, burst = 30 }",
    );
    (Host::start(&market).await, taker)
}

/// The sum of the metrics that begin like this and have this label.
async fn counted(host: &Host, name: &str, label: &str) -> u64 {
    let metrics = host.root("/metrics").await;
    let lines = metrics.lines();
    let of = lines.filter(|line| line.starts_with(name) && line.contains(label));
    of.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suppliers_api_does_as_its_document_says_of_direct_posts_to_a_full_and_busy_campaign() {
    let _turn = MUCH_TO_BUILD.lock().await;
    let (mut host, taker) = crowded().await;
    let base = format!("http://{}", host.api);
    let document = instructions(&base).await;
    hold(&mut host, &document, &base, Market::key(), &[]).await;
    // What the run was for: leads sold, and requests too bad, too many for the cap and too fast.
    let usage = host.get(&format!("/campaigns/{CAMPAIGN}/usage")).await;
    assert_eq!(usage["caps"]["total"]["free"], 0, "{usage}");
    assert_eq!(taker.counts().posts, 2);
    let of_status = async |status: u16| {
        let label = format!("status=\"{status}\"");
        counted(&host, "gavel_http_requests_total{api=\"supplier\"", &label).await
    };
    assert!(of_status(200).await > 2 && of_status(422).await > 0);
    let (refused, fast) = (
        of_status(429).await,
        counted(&host, "gavel_rate_limited_total", CAMPAIGN).await,
    );
    assert!(refused > fast && fast > 0, "{fast} too fast of {refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_api_does_as_its_document_says() {
    let _turn = MUCH_TO_BUILD.lock().await;
    let (mut host, _buyers, known) = busy().await;
    let mut document = host.get("/openapi.json").await;
    // What this host knows is asked for too, not only what nobody does.
    for (parameter, value) in known.as_object().expect("an object") {
        let described = &mut document["components"]["parameters"][parameter];
        assert!(described.is_object(), "{parameter} is described");
        described["examples"] = json!({"known": {"value": value}});
    }
    let base = host.admin_url();
    // Events never end by themselves; they have tests of their own.
    let more = ["--exclude-path", "/admin/v1/events"];
    hold(&mut host, &document, &base, ADMIN_TOKEN, &more).await;
}

/// The supplier API as the campaign's posting instructions describe it.
async fn instructions(base: &str) -> Value {
    let http: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let request = Request::builder()
        .uri(format!("{base}/v1/campaigns/{CAMPAIGN}/instructions"))
        .header("authorization", format!("Bearer {}", Market::key()))
        .header("accept", "application/json")
        .body(Full::default())
        .expect("a request");
    let answer = within("the instructions come", http.request(request))
        .await
        .expect("answered");
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.expect("whole");
    serde_json::from_slice(&body.to_bytes()).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suppliers_api_does_as_its_document_says() {
    let _turn = MUCH_TO_BUILD.lock().await;
    let (mut host, _buyers, _) = busy().await;
    let base = format!("http://{}", host.api);
    let document = instructions(&base).await;
    hold(&mut host, &document, &base, Market::key(), &[]).await;
}
