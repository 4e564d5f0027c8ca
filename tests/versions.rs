//! Plugins uploaded, swapped while pings flow, rolled back and revoked.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer},
};
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Account, Host, Market, buyer, digest, moody, numbered};

const JSON: &str = "application/json";
const WASM: &str = "application/wasm";

/// A market with one account whose filter is `moody`, from a file of this mood.
pub(crate) async fn start(mood: &str, buyer: &MockBuyer, keys: &str) -> Host {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moody.wasm");
    std::fs::write(&path, moody(mood)).expect("writable");
    let account =
        Account::fixed("solo", "20.00", buyer).with("filter = { plugin = \"moody\", config = {} }");
    let market = Market::of([account]).plugins(&format!(
        "[plugins.moody]\npath = \"{}\"\n{keys}",
        path.display()
    ));
    Host::start(&market).await
}

impl Host {
    /// Uploads a version: the status and what the host says.
    pub(crate) async fn upload(&self, name: &str, bytes: Vec<u8>, query: &str) -> (u16, Value) {
        self.admin(Method::PUT, &format!("/plugins/{name}{query}"), bytes, WASM)
            .await
    }

    /// Does something to a plugin.
    pub(crate) async fn of_plugin(&self, name: &str, what: &str, body: Value) -> (u16, Value) {
        self.admin(
            Method::POST,
            &format!("/plugins/{name}/{what}"),
            body.to_string(),
            JSON,
        )
        .await
    }

    /// The digest of `moody` by which a ping was decided.
    pub(crate) async fn decided_by(&self, ping: &str) -> String {
        let record = self.get(&format!("/pings/{ping}")).await;
        record["digests"]["moody"]
            .as_str()
            .expect("a digest")
            .to_owned()
    }
}

fn ping_id(answer: &PingAnswer) -> String {
    match answer {
        PingAnswer::Bid { ping_id, .. } | PingAnswer::NoBid { ping_id, .. } => ping_id.clone(),
    }
}

#[tokio::test]
async fn a_version_is_uploaded_activated_and_rolled_back_and_the_history_survives() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let mut host = start("calm", &buyer, "").await;
    let (calm, picky) = (moody("calm"), moody("picky"));
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));

    let (status, uploaded) = host.upload("moody", picky.clone(), "").await;
    assert_eq!(
        (status, &uploaded["active"]),
        (200, &json!(false)),
        "{uploaded}"
    );
    let steps: Vec<&str> = uploaded["gate"]["steps"]
        .as_array()
        .expect("a report")
        .iter()
        .map(|step| step["step"].as_str().expect("a word"))
        .collect();
    assert_eq!(
        steps,
        ["size", "form", "compile", "world", "start", "describe"]
    );
    assert!(
        matches!(host.ping().await, PingAnswer::Bid { .. }),
        "an upload alone decides nothing"
    );

    let short = &digest(&picky)[..8];
    let (status, activated) = host
        .of_plugin("moody", "activate", json!({"digest": short}))
        .await;
    assert_eq!(
        (status, &activated["digest"]),
        (200, &json!(digest(&picky))),
        "{activated}"
    );
    assert_eq!(activated["before"], digest(&calm));
    let refused = host.ping().await;
    assert!(matches!(refused, PingAnswer::NoBid { .. }));
    assert_eq!(host.decided_by(&ping_id(&refused)).await, digest(&picky));
    assert_eq!(host.outcome(&ping_id(&refused), "solo").await, "filtered");

    host.kill_and_restart().await;
    assert!(
        matches!(host.ping().await, PingAnswer::NoBid { .. }),
        "still active after a restart"
    );

    let (status, back) = host.of_plugin("moody", "rollback", json!({})).await;
    assert_eq!(
        (status, &back["digest"]),
        (200, &json!(digest(&calm))),
        "{back}"
    );
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
    let (status, problem) = host.of_plugin("moody", "rollback", json!({})).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("no_earlier_version"))
    );

    host.kill_and_restart().await;
    let plugin = host.get("/plugins/moody").await;
    assert_eq!(plugin["active"], digest(&calm));
    let why: Vec<&str> = plugin["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| change["why"].as_str().expect("a word"))
        .collect();
    assert_eq!(why, ["rolled_back", "activated", "applied"]);
    let market = host.get("/market").await;
    assert!(
        market["text"].as_str().unwrap().contains(&digest(&calm)),
        "the market says what is active"
    );
}

#[tokio::test]
async fn an_order_is_posted_by_the_version_that_quoted_it_unless_that_was_revoked() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let mut host = start("calm", &buyer, "").await;
    let (first, second) = (host.order().await, host.order().await);
    let (status, _) = host.upload("moody", moody("picky"), "?activate=true").await;
    assert_eq!(status, 200);
    assert!(matches!(host.ping().await, PingAnswer::NoBid { .. }));
    let answer = host.post(&first).await.expect("served");
    assert!(
        matches!(answer, PostAnswer::Sold { .. }),
        "the quote is kept: {answer:?}"
    );

    let calm = digest(&moody("calm"));
    let (status, revoked) = host
        .of_plugin("moody", "revoke", json!({"digest": calm}))
        .await;
    assert_eq!(status, 200, "{revoked}");
    assert!(revoked["revoked_at"].is_string());
    // Open orders included, and after a restart too.
    host.kill_and_restart().await;
    let answer = host.post(&second).await.expect("served");
    assert!(matches!(answer, PostAnswer::Rejected { .. }), "{answer:?}");
    assert_eq!(
        buyer.posts().len(),
        1,
        "nothing was delivered for the second"
    );
    let (status, problem) = host
        .of_plugin("moody", "activate", json!({"digest": calm}))
        .await;
    assert_eq!((status, &problem["code"]), (409, &json!("revoked")));
    let (status, problem) = host.of_plugin("moody", "rollback", json!({})).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("no_earlier_version")),
        "{problem}"
    );
}

#[tokio::test]
async fn revoking_the_active_version_stops_its_accounts_at_once() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = start("calm", &buyer, "").await;
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
    let calm = digest(&moody("calm"));
    let (status, _) = host
        .of_plugin("moody", "revoke", json!({"digest": calm}))
        .await;
    assert_eq!(status, 200);
    let answer = host.ping().await;
    assert_eq!(host.outcome(&ping_id(&answer), "solo").await, "not_active");
    // Another version is the way out.
    let (status, _) = host
        .upload("moody", numbered(moody("calm"), 2), "?activate=true")
        .await;
    assert_eq!(status, 200);
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
}

#[tokio::test]
async fn what_the_gate_refuses_is_kept_with_its_report_and_can_never_be_active() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = start("calm", &buyer, "").await;
    let core = b"\0asm\x01\0\0\0".to_vec();
    let (status, problem) = host.upload("moody", core.clone(), "?activate=true").await;
    assert_eq!(status, 422, "{problem}");
    assert_eq!(
        problem["gate"]["steps"]
            .as_array()
            .expect("a report")
            .last()
            .unwrap()["passed"],
        false
    );
    let (status, again) = host
        .of_plugin("moody", "activate", json!({"digest": digest(&core)}))
        .await;
    assert_eq!(
        (status, &again["code"]),
        (409, &json!("refused_by_gate")),
        "{again}"
    );
    let versions = host.get("/plugins/moody").await["versions"].clone();
    let kept = versions.as_array().expect("a list").iter();
    let kept: Vec<_> = kept
        .filter(|version| version["digest"] == digest(&core))
        .collect();
    assert_eq!(kept[0]["refused"]["code"], problem["code"]);
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
}

#[tokio::test]
async fn a_version_that_does_not_take_the_markets_configurations_is_not_activated() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = start("calm", &buyer, "").await;
    // An adapter in a filter's place, and a filter whose schema has other keys.
    let adapter = std::fs::read(&crate::harness::plugins().http_buyer).expect("readable");
    let (status, problem) = host.upload("moody", adapter, "?activate=true").await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("invalid_market")),
        "{problem}"
    );
    assert_eq!(problem["errors"][0]["path"], "accounts.solo.filter.plugin");
    assert!(
        matches!(host.ping().await, PingAnswer::Bid { .. }),
        "nothing changed"
    );
}

#[tokio::test]
async fn cases_that_come_with_a_plugin_are_its_gate() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = start("calm", &buyer, "").await;
    let cases =
        "[[case]]\nname = \"lets it through\"\nlead = { state = \"CA\" }\nexpect = \"qualified\"\n";
    let form = |bytes: Vec<u8>| {
        let mut body = b"--x\r\ncontent-disposition: form-data; name=\"plugin\"; filename=\"moody.wasm\"\r\n\r\n".to_vec();
        body.extend(bytes);
        body.extend(b"\r\n--x\r\ncontent-disposition: form-data; name=\"cases\"; filename=\"moody.toml\"\r\n\r\n");
        body.extend(cases.as_bytes());
        body.extend(b"\r\n--x--\r\n");
        body
    };
    let put = async |bytes| {
        host.admin(
            Method::PUT,
            "/plugins/moody",
            form(bytes),
            "multipart/form-data; boundary=x",
        )
        .await
    };
    let (status, problem) = put(moody("picky")).await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("case_failed")),
        "{problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("lets it through"),
        "{problem}"
    );
    let (status, version) = put(numbered(moody("calm"), 1)).await;
    assert_eq!(status, 200, "{version}");
    let last = version["gate"]["steps"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&last["step"], &last["passed"]),
        (&json!("cases"), &json!(true))
    );
}

#[tokio::test]
async fn a_version_that_has_passed_stays_good_when_the_same_bytes_are_pushed_with_a_case_that_fails()
 {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let mut host = start("calm", &buyer, "").await;
    let cases = "[[case]]\nname = \"refused\"\nlead = { state = \"CA\" }\nexpect = { disqualified = \"moody\" }\n";
    let mut form = b"--x\r\ncontent-disposition: form-data; name=\"plugin\"\r\n\r\n".to_vec();
    form.extend(moody("calm"));
    form.extend(b"\r\n--x\r\ncontent-disposition: form-data; name=\"cases\"\r\n\r\n");
    form.extend(cases.as_bytes());
    form.extend(b"\r\n--x--\r\n");
    let (status, problem) = host
        .admin(
            Method::PUT,
            "/plugins/moody",
            form,
            "multipart/form-data; boundary=x",
        )
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("case_failed")),
        "{problem}"
    );
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
    host.kill_and_restart().await;
    assert!(
        matches!(host.ping().await, PingAnswer::Bid { .. }),
        "the host starts on it"
    );
    let version = host.get("/plugins/moody").await["versions"][0].clone();
    assert!(
        version["active"] == true && version.get("refused").is_none(),
        "{version}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapping_under_load_fails_no_request_and_every_answer_is_one_versions() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = start("calm", &buyer, "").await;
    let versions = [moody("calm"), moody("picky")];
    for bytes in &versions {
        assert_eq!(host.upload("moody", bytes.clone(), "").await.0, 200);
    }
    let over = AtomicBool::new(false);
    let supply = async || {
        let mut answers = Vec::new();
        while !over.load(Ordering::Relaxed) {
            answers.push(host.ping().await);
        }
        answers
    };
    let swap = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for bytes in versions.iter().rev().cycle().take(30) {
            ticks.tick().await;
            let (status, said) = host
                .of_plugin("moody", "activate", json!({"digest": digest(bytes)}))
                .await;
            assert_eq!(status, 200, "{said}");
        }
        over.store(true, Ordering::Relaxed);
    };
    let (answers, ()) = tokio::join!(join_all((0..2).map(|_| supply())), swap);
    let answers: Vec<PingAnswer> = answers.into_iter().flatten().collect();
    let mut seen = BTreeSet::new();
    // A sample of some hundreds: each record is asked for.
    for answer in answers.iter().step_by((answers.len() / 300).max(1)) {
        let by = host.decided_by(&ping_id(answer)).await;
        let expected = match answer {
            PingAnswer::Bid { .. } => digest(&versions[0]),
            PingAnswer::NoBid { .. } => digest(&versions[1]),
        };
        assert_eq!(by, expected, "{answer:?}");
        seen.insert(by);
    }
    assert_eq!(
        seen.len(),
        2,
        "both versions decided, of {} pings",
        answers.len()
    );
}

#[tokio::test]
async fn a_plugin_that_keeps_state_in_reused_instances_is_found_out_and_given_fresh_ones() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moody.wasm");
    std::fs::write(&path, moody("forgetful")).expect("writable");
    let account = Account::fixed("solo", "20.00", &buyer)
        .with("filter = { plugin = \"moody\", config = {} }");
    let market = Market::of([account]).plugins(&format!(
        "[plugins.moody]\npath = \"{}\"\ninstances = \"reused\"",
        path.display()
    ));
    let mut host = Host::start_with(&market.toml(), &[("GAVEL_REUSED_CHECK", "5")]).await;
    for _ in 0..30 {
        host.ping().await;
    }
    // From here on every call has a fresh instance, in which the first lead is let through.
    for _ in 0..5 {
        assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
    }
    let version = async |host: &Host| host.get("/plugins/moody").await["versions"][0].clone();
    crate::harness::eventually("it is noted", async || {
        version(&host).await["stateful"].as_str().map(drop)
    })
    .await;
    assert!(host.root("/metrics").await.contains("kind=\"stateful\""));
    host.kill_and_restart().await;
    for _ in 0..5 {
        assert!(
            matches!(host.ping().await, PingAnswer::Bid { .. }),
            "known after a restart"
        );
    }
}
