//! Who is let through: rate limits, groups, schedules, accounts that fail, and adapters that ask too often.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{Fault, OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer, Problem, SupplierError},
};
use serde_json::json;
use tokio::process::Command;

use crate::harness::{Account, CAMPAIGN, Host, MUCH_TO_BUILD, Market, buyer, eventually, pinged};

/// What plugins are built for.
const WASM: &str = "wasm32-unknown-unknown";

/// Failures in a row after which an account is left alone.
const ROW: usize = 5;

fn refused(answer: Result<PingAnswer, SupplierError>) -> Option<Problem> {
    match answer {
        Ok(_) => None,
        Err(SupplierError::Refused(problem)) => Some(problem),
        Err(other) => panic!("a problem: {other}"),
    }
}

#[tokio::test]
async fn requests_that_come_too_fast_are_told_when_to_come_again() {
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([Account::fixed("one", "20.00", &taker)])
        .on_terms("cost = { per_lead = \"5.00\" }\nrate_limit = { per_second = 1, burst = 2 }");
    let host = Host::start(&market).await;
    let began = Instant::now();
    let answers = join_all((0..40).map(|_| host.ping_lead(pinged()))).await;
    // In so much time, so many are let through at most.
    let most = 2 + began.elapsed().as_millis().div_ceil(1000);
    let refused: Vec<_> = answers.into_iter().filter_map(refused).collect();
    let let_through = 40 - refused.len() as u128;
    assert!((2..=most).contains(&let_through), "{let_through}, {most}");
    for problem in refused {
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (429, "rate_limited")
        );
        assert_eq!(problem.retry_after, Some(1));
    }
    // What cannot be read counts as well; tests are counted apart.
    let path = format!("/v1/campaigns/{CAMPAIGN}/ping");
    let supplier = host.supplier();
    let many = |body: String| {
        let sent = (0..40).map(|_| supplier.send_raw(&path, "application/json", body.clone()));
        let answered = join_all(sent.collect::<Vec<_>>());
        async move {
            let statuses = answered
                .await
                .into_iter()
                .map(|answer| answer.map(|(is, ..)| is));
            statuses.collect::<Result<Vec<_>, _>>().expect("answered")
        }
    };
    assert!(many("{".into()).await.iter().any(|status| *status == 429));
    let tests = many(serde_json::json!({"lead": pinged(), "test": true}).to_string()).await;
    let let_through = tests.iter().filter(|status| **status == 200).count();
    assert!(let_through >= 2, "a burst of tests: {tests:?}");
    assert!(tests.iter().any(|status| *status == 429), "{tests:?}");
}

#[tokio::test]
async fn groups_and_schedules_say_why_an_account_is_not_asked() {
    let bidder = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    // The day after the day after tomorrow is over in no zone, and begun in none.
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("later");
    let today = usize::try_from(since_1970.as_secs() / 86_400 + 3).expect("small") % 7;
    let closed = format!(
        "schedule = [{{ days = [\"{}\"], from = \"08:00\", to = \"18:00\" }}]",
        days[(today + 3) % 7]
    );
    let open = "schedule = [{ days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"], from = \"00:00\", to = \"24:00\" }]";
    let market = Market::of([
        Account::bidding("closed", &bidder).with(&closed),
        Account::bidding("open", &bidder).with(open),
        Account::bidding("outside", &bidder),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\ndelivers_to = \"few\"\nmax_deliveries = 3")
    .plugins("[groups]\nfew = [\"closed\", \"open\"]");
    let host = Host::start(&market).await;
    let PingAnswer::Bid {
        ping_id,
        deliveries,
        ..
    } = host.ping().await
    else {
        panic!("the open one bids")
    };
    assert_eq!(deliveries, 1);
    assert_eq!(host.outcome(&ping_id, "closed").await, "outside_schedule");
    assert_eq!(host.outcome(&ping_id, "outside").await, "not_in_group");
    assert_eq!(host.outcome(&ping_id, "open").await, "won");
    assert_eq!(bidder.counts().pings, 1);
    // They are found by it, too, though no record says it.
    for (asked, found) in [
        ("account=closed&outcome=outside_schedule", true),
        ("outcome=not_in_group", true),
        ("account=outside", true),
        ("account=open&outcome=won&limit=1", true),
        ("account=open&outcome=outside_schedule", false),
        ("account=closed&outcome=won", false),
        ("outcome=criteria", false),
        ("account=nobodys", false),
    ] {
        let pings = host.get(&format!("/pings?{asked}")).await;
        let items = pings["items"].as_array().expect("a list");
        let ids: Vec<_> = items.iter().map(|ping| ping["id"].clone()).collect();
        let expected = if found { vec![json!(ping_id)] } else { vec![] };
        assert_eq!(ids, expected, "{asked}: {pings}");
    }
}

#[tokio::test]
async fn an_account_that_fails_in_a_row_is_left_alone_and_tried_again_once_at_a_time() {
    let failing = buyer(OnPing::Fault(Fault::Drop), OnPost::accept()).await;
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("failing", &failing).with("ping_timeout = \"8s\""),
        Account::fixed("other", "1.00", &taker),
    ])
    .on_terms("cost = { per_lead = \"0.50\" }\ndeadline = \"10s\"");
    let host = Host::start(&market).await;
    let outcome = async || {
        let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
            panic!("the other one bids")
        };
        host.outcome(&ping_id, "failing").await
    };
    for _ in 0..ROW {
        assert_eq!(outcome().await, "unreachable");
    }
    // Where this takes longer than an account is left alone, it is asked once more each time,
    // and left alone for longer.
    let left_alone = async || {
        let before = failing.counts().pings;
        let code = outcome().await;
        let asked = failing.counts().pings - before;
        assert_eq!(asked, u64::from(code == "unreachable"), "{code}");
        (code == "circuit_open").then_some(())
    };
    eventually("it is left alone", async || left_alone().await).await;
    eventually("it is tried again", async || {
        (outcome().await == "unreachable").then_some(())
    })
    .await;
    eventually("it is left alone again", async || left_alone().await).await;
    // It mends; of many pings at once one is let through, and its end lets all through.
    failing.on_ping(OnPing::bid("20.00").after(Duration::from_secs(2)));
    eventually("it is let through", async || {
        let before = failing.counts().pings;
        let outcomes = join_all((0..8).map(|_| outcome())).await;
        let won = outcomes.iter().filter(|one| *one == "won").count();
        assert!(won <= 1, "one at a time: {outcomes:?}");
        assert_eq!(failing.counts().pings - before, won as u64);
        (won == 1).then_some(())
    })
    .await;
    let outcomes = join_all((0..8).map(|_| outcome())).await;
    assert!(outcomes.iter().all(|one| one == "won"), "{outcomes:?}");
}

/// An adapter that asks its buyer the same three times, of a ping and of a post.
const THRICE: &str = r#"
use gavel_sdk::{
    About, Acceptance, Adapter, Header, Lead, Offer, PingStep, PostStep, Request, Response,
    export_adapter,
};

#[derive(serde::Deserialize)]
pub struct Thrice {
    url: String,
}

impl Thrice {
    fn question(&self) -> Request {
        Request {
            method: "POST".to_owned(),
            url: self.url.clone(),
            headers: vec![Header::new("content-type", "application/json")],
            body: b"{}".to_vec(),
        }
    }
}

impl Adapter for Thrice {
    const ABOUT: About = About {
        name: "thrice",
        version: "1.0.0",
        summary: "Asks three times.",
        config_schema: "{\"type\": \"object\"}",
        needs: &[],
    };

    type Config = Self;

    fn open(config: Self) -> Result<Self, String> {
        Ok(config)
    }

    fn ping(&self, _: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String> {
        if answers.len() < 3 {
            return Ok(PingStep::Send(self.question()));
        }
        let (amount, reference) = (Some("20.00".to_owned()), None);
        Ok(PingStep::Bid(Offer { amount, reference }))
    }

    fn post(&self, _: &Lead<'_>, _: &Offer, answers: &[Response]) -> Result<PostStep, String> {
        if answers.len() < 3 {
            return Ok(PostStep::Send(self.question()));
        }
        Ok(PostStep::Accepted(Acceptance { reference: None, price: None, redirect_url: None }))
    }
}

export_adapter!(Thrice);
"#;

/// Builds that adapter as an author builds one, in a project of its own; what it is made of stays
/// built from one run to the next.
async fn thrice(folder: &Path) -> PathBuf {
    let wasm = tokio::task::spawn_blocking(|| {
        gavel_plugin_build::wasm_environment(&mut |said| eprintln!("{said}"))
    });
    let wasm = wasm.await.expect("asked").expect("a compiler for wasm");
    let project = folder.join("thrice");
    let mut new = Command::new(env!("CARGO_BIN_EXE_gavel"));
    new.args(["plugin", "new", "thrice", "--kind", "adapter", "--lang"]);
    succeeds(new.args(["rust", "--dir"]).arg(&project)).await;
    std::fs::write(project.join("src/lib.rs"), THRICE).expect("writable");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("thrice");
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--target", WASM, "--target-dir"]);
    build.arg(&target).current_dir(&project).envs(wasm);
    // Of what this test is built with, an author has nothing.
    for steering in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        build.env_remove(steering);
    }
    succeeds(&mut build).await;
    target.join(WASM).join("release/thrice.wasm")
}

async fn succeeds(command: &mut Command) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = output.await.expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_makes_so_many_requests_and_no_more() {
    let _turn = MUCH_TO_BUILD.lock().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = thrice(folder.path()).await;
    let (mut buyers, mut accounts) = (Vec::new(), Vec::new());
    for (name, keys) in [
        ("patient", "max_steps = 3"),
        ("brief", "max_steps = 2"),
        ("by-default", ""),
        ("fixed", "price = \"30.00\"\nmax_steps = 2"),
    ] {
        let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
        let shipped = format!(
            "plugin = \"http-buyer\", config = {{ ping_url = \"{}\", post_url = \"{}\", format = \"json\" }}",
            buyer.url("/ping"),
            buyer.url("/post")
        );
        let to = if name == "fixed" { "/post" } else { "/ping" };
        let own = format!(
            "plugin = \"thrice\", config = {{ url = \"{}\" }}",
            buyer.url(to)
        );
        let account = Account::bidding(name, &buyer).replacing(&shipped, &own);
        accounts.push(account.with(keys));
        buyers.push(buyer);
    }
    let market = Market::of(accounts).plugins(&format!("[plugins.thrice]\npath = {path:?}\n"));
    let host = Host::start(&market).await;
    let PingAnswer::Bid {
        ping_id,
        ping_order_id,
        ..
    } = host.ping().await
    else {
        panic!("somebody bids")
    };
    for (name, outcome) in [
        ("patient", "outbid"),
        ("brief", "too_many_steps"),
        ("by-default", "outbid"),
        ("fixed", "won"),
    ] {
        assert_eq!(host.outcome(&ping_id, name).await, outcome, "{name}");
    }
    let pings: Vec<_> = buyers.iter().map(|buyer| buyer.counts().pings).collect();
    assert_eq!(pings, [3, 2, 3, 0]);
    // What was sent is out: how it ended is for a person to find out, and nobody else gets it.
    let answer = host.post(&ping_order_id).await.expect("in time");
    let PostAnswer::Rejected { reason, .. } = answer else {
        panic!("two of three requests were made: {answer:?}")
    };
    assert_eq!(reason, "delivery_unconfirmed");
    let posts: Vec<_> = buyers.iter().map(|buyer| buyer.counts().posts).collect();
    assert_eq!(posts, [0, 0, 0, 2]);
}
