//! Where personal data and secrets are, and are not.

use std::path::Path;

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::{PostAnswer, SupplierError},
};
use hyper::Method;
use serde_json::json;

use crate::harness::{Account, Host, Market, buyer, personal, pinged};

/// Every file below a folder that holds these bytes, in any letter case.
pub(crate) fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let wanted = text.to_lowercase().into_bytes();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            let bytes = std::fs::read(&path).expect("readable").to_ascii_lowercase();
            if bytes.windows(wanted.len()).any(|window| window == wanted) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn problem_fields(error: &SupplierError) -> Vec<(String, String)> {
    let problem = error.problem().expect("a problem");
    assert_eq!(
        (problem.status, problem.code.as_str()),
        (422, "invalid_fields")
    );
    problem
        .errors
        .iter()
        .map(|error| (error.field.clone(), error.code.clone()))
        .collect()
}

#[tokio::test]
async fn a_personal_value_in_a_ping_is_refused_and_is_nowhere() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let mut host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let mut named = pinged();
    named.insert("first_name".into(), json!("Zebedee-Unmistakable"));
    named.insert(
        "note".into(),
        json!("call zebedee@unmistakable.example or (415) 555-0188"),
    );
    let error = host.ping_lead(named).await.expect_err("refused");
    assert!(
        !format!("{error:?}").to_lowercase().contains("unmistakable"),
        "the answer repeats nothing"
    );
    let mut fields = problem_fields(&error);
    fields.sort();
    assert_eq!(
        fields,
        [
            ("first_name".into(), "personal_field".into()),
            ("note".into(), "looks_personal".into())
        ]
    );
    assert_eq!(buyer.counts().pings, 0);
    let metrics = host.root("/metrics").await;
    assert!(!metrics.to_lowercase().contains("unmistakable"));
    assert!(host.stop().await.success());
    for value in ["unmistakable", "555-0188", "5550188"] {
        assert_eq!(
            files_with(host.folder(), value),
            Vec::<String>::new(),
            "{value}"
        );
    }
}

#[tokio::test]
async fn a_stripping_campaign_drops_a_personal_value_unread() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host =
        Host::start(&Market::of([Account::bidding("one", &buyer)]).ping("on_personal = \"strip\""))
            .await;
    let mut named = pinged();
    named.insert("first_name".into(), json!({"not": ["even", "a", "text"]}));
    host.ping_lead(named).await.expect("dropped");
    assert!(buyer.pings()[0].request.field("first_name").is_none());
}

#[tokio::test]
async fn what_is_posted_and_what_buyers_say_of_it_is_sealed_in_the_store() {
    let first = buyer(
        OnPing::bid("30.00"),
        OnPost::reject("Philippa Quarterstaff is known to us already"),
    )
    .await;
    let second = buyer(
        OnPing::bid("20.00"),
        OnPost::accept_and_redirect("https://thanks.example.com/for/quarterstaff"),
    )
    .await;
    let mut host = Host::start(&Market::of([
        Account::bidding("first", &first),
        Account::bidding("second", &second),
    ]))
    .await;
    let order = host.order().await;
    let mut lead = personal();
    lead.insert("note".into(), json!("reach me at quarterstaff@example.com"));
    let answer = host.post_lead(&order, lead.clone()).await.expect("in time");
    let PostAnswer::Sold {
        lead_id,
        redirect_url: Some(_),
        ..
    } = &answer
    else {
        panic!("sold: {answer:?}")
    };
    assert_eq!(
        second.posts()[0].request.field("last_name"),
        Some("Quarterstaff"),
        "who bought it has it"
    );
    for path in [
        format!("/leads/{lead_id}"),
        format!("/orders/{order}"),
        format!("/pings/{order}"),
    ] {
        let shown = host.get(&path).await.to_string().to_lowercase();
        for value in ["quarterstaff", "philippa", "5550137"] {
            assert!(!shown.contains(value), "{path} shows {value}: {shown}");
        }
    }
    assert!(
        !host
            .root("/metrics")
            .await
            .to_lowercase()
            .contains("quarterstaff")
    );
    // It is there all the same: the same post gets the whole answer after a crash.
    host.kill_and_restart().await;
    assert_eq!(
        host.post_lead(&order, lead).await.expect("the same"),
        answer
    );
    assert!(host.stop().await.success());
    for value in [
        "quarterstaff",
        "philippa",
        "5550137",
        "known to us already",
        "thanks.example.com",
    ] {
        assert_eq!(
            files_with(host.folder(), value),
            Vec::<String>::new(),
            "{value}"
        );
    }
}

#[tokio::test]
async fn a_secret_reaches_its_buyer_and_is_in_no_file_log_or_answer() {
    const SECRET: &str = "s3cr3t-unmistakable-value";
    let buyer = buyer(
        OnPing::no_bid(&format!("your token {SECRET} is not good enough")),
        OnPost::accept(),
    )
    .await;
    let account = Account::bidding("one", &buyer)
        .replacing(
            "format = \"json\"",
            "format = \"json\", headers = { authorization = \"Bearer {{secret:TOKEN}}\" }",
        )
        .with("secrets = { TOKEN = { env = \"TEST_TOKEN\" } }");
    let mut host = Host::start_with(&Market::of([account]).toml(), &[("TEST_TOKEN", SECRET)]).await;
    let answer = host.ping().await;
    assert_eq!(
        buyer.pings()[0].request.header("authorization"),
        Some(format!("Bearer {SECRET}").as_str())
    );
    let gavel_example_solar::supplier::PingAnswer::NoBid { ping_id, .. } = answer else {
        panic!("the buyer declines")
    };
    let record = host.get(&format!("/pings/{ping_id}")).await.to_string();
    assert!(!record.contains(SECRET), "{record}");
    assert!(record.contains("{{secret:TOKEN}}"), "{record}");
    let (_, market) = host
        .admin(Method::GET, "/market", "", "application/json")
        .await;
    assert!(!market.to_string().contains(SECRET));
    assert!(host.stop().await.success());
    assert_eq!(files_with(host.folder(), SECRET), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_may_stand_in_a_file() {
    const SECRET: &str = "f1le-unmistakable-value";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{SECRET}\n")).expect("writable");
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let account = Account::bidding("one", &buyer)
        .replacing(
            "format = \"json\"",
            "format = \"json\", headers = { authorization = \"Bearer {{secret:TOKEN}}\" }",
        )
        .with(&format!("secrets = {{ TOKEN = {{ file = {file:?} }} }}"));
    let market = Market::of([account]).toml();
    let mut host = Host::start_with(&market, &[]).await;
    host.order().await;
    let shown = |at: usize| {
        let ping = &buyer.pings()[at];
        ping.request.header("authorization").map(str::to_owned)
    };
    assert_eq!(
        shown(0),
        Some(format!("Bearer {SECRET}")),
        "without the line's end"
    );
    // A path is relative to the market file, wherever the host works.
    std::fs::write(folder.path().join("other"), "another").expect("writable");
    let beside = folder.path().join("market.toml");
    let market = market.replace(&format!("{file:?}"), "\"other\"");
    std::fs::write(&beside, market).expect("writable");
    let beside = beside.to_str().expect("UTF-8");
    let applied = host
        .command(&["apply", "--admin", &host.admin_url(), beside])
        .await;
    assert!(applied.status.success(), "{applied:?}");
    host.order().await;
    assert_eq!(shown(1), Some("Bearer another".to_owned()));
    assert!(host.stop().await.success());
    assert_eq!(files_with(host.folder(), SECRET), Vec::<String>::new());
}

#[tokio::test]
async fn suppliers_see_neither_buyers_nor_each_others_orders() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("discreet-buyer", &buyer)]).toml();
    let other = gavel_market::ids::Digest::of(b"gk_another_suppliers_key");
    let market = market.replace("[campaigns.solar]", &format!("[suppliers.other]\nname = \"Other\"\nkeys = [{{ sha256 = \"{other}\" }}]\n[campaigns.solar]"));
    let host = Host::start_with(&market, &[]).await;
    let order = host.order().await;
    let stranger =
        gavel_example_solar::supplier::Supplier::new(host.api, "gk_another_suppliers_key");
    let post = gavel_example_solar::supplier::Post {
        ping_order_id: order.clone(),
        lead: personal(),
    };
    let error = stranger
        .post(crate::harness::CAMPAIGN, &post)
        .await
        .expect_err("not theirs");
    assert_eq!(error.problem().map(|problem| problem.status), Some(404));
    let answer = host.post(&order).await.expect("in time");
    assert!(!format!("{answer:?}").contains("discreet"));
    let status = host
        .supplier()
        .lead(answer.lead_id())
        .await
        .expect("its own lead");
    assert!(!status.to_string().contains("discreet"), "{status}");
    assert_eq!(
        stranger
            .lead(answer.lead_id())
            .await
            .expect_err("not theirs")
            .problem()
            .map(|problem| problem.status),
        Some(404)
    );
}
