//! What the guests' crates make, run in the host's own sandbox: the plugins that ship, and
//! what the SDK gives every guest.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

mod common;

use common::{guest, host};
use gavel_market::reason::Outcome;
use gavel_sandbox::{Amount, Kind, PingStep, PostStep, Response, Verdict, Won};

fn answered(body: &str) -> [Response; 1] {
    [Response {
        status: 200,
        headers: Vec::new(),
        body: body.into(),
    }]
}

fn text(body: &[u8]) -> &str {
    str::from_utf8(body).expect("a body in UTF-8")
}

#[tokio::test]
async fn the_filter_refuses_shaded_roofs_by_its_code() {
    let filter = host().plugin(&guest("roof_filter"));
    assert_eq!(filter.plugin.kind(), Kind::Filter);
    assert_eq!(filter.plugin.about().needs, ["roof_shade"]);

    let config = r#"{"shade": ["none", "partial"]}"#;
    let said = filter
        .qualify(config, &[("roof_shade", "full")])
        .await
        .expect("a verdict");
    assert!(
        matches!(&said.value, Verdict::Disqualified { code, detail } if code == "roof_shaded" && detail.contains("none, partial"))
    );
    assert_eq!(said.fields_read, ["roof_shade"]);
    let said = filter
        .qualify(config, &[("roof_shade", "partial")])
        .await
        .expect("a verdict");
    assert!(matches!(said.value, Verdict::Qualified));
    let said = filter.qualify(config, &[]).await.expect("a verdict");
    assert!(matches!(said.value, Verdict::Qualified));
}

#[tokio::test]
async fn a_configuration_is_refused_by_its_place() {
    let filter = host().plugin(&guest("roof_filter"));
    let refused = filter
        .check(r#"{"shade": []}"#)
        .await
        .expect_err("it accepts nothing");
    assert!(refused.to_string().contains("shade"), "{refused}");
    let adapter = host().plugin(&guest("http_buyer"));
    let config = r#"{"post_url": "https://b.example/", "constants": {"key": "{{secrt:KEY}}"}}"#;
    let refused = adapter
        .check(config)
        .await
        .expect_err("there is no such placeholder");
    assert!(
        refused
            .to_string()
            .contains("constants.key: unknown placeholder"),
        "{refused}"
    );
}

#[tokio::test]
async fn no_configuration_needs_more_than_the_small_stack() {
    for name in ["http_buyer", "xml_buyer", "lp_buyer"] {
        no_configuration_needs_more_than_the_small_stack_of(name).await;
    }
}

async fn no_configuration_needs_more_than_the_small_stack_of(name: &str) {
    let adapter = host().plugin(&guest(name));
    let deep = format!("{}1{}", r#"{"map": "#.repeat(10_000), "}".repeat(10_000));
    for config in [
        format!(r#"{{"post_url": "https://b.example/", "fields": {{"state": {deep}}}}}"#),
        format!(r#"{{"post_url": "https://b.example/", "constants": {{"key": {deep}}}}}"#),
        format!(r#"{{"post_url": {deep}}}"#),
        r#"{"post_url": "https://b.example/", "fields": {"state": {"map": {"CA": 1.7976931348623157e308}}}}"#.to_owned(),
        r#"{"post_url": "https://b.example/", "answer": {"yes_status": [1.7976931348623157e308]}}"#.to_owned(),
        format!(r#"{{"post_url": "https://b.example/", "answer": {{"price": {deep}}}}}"#),
        format!(r#"{{"post_url": "https://b.example/", "answer": {{"price": [{deep}]}}}}"#),
    ] {
        let fault = adapter.ping(&config, &[], &[]).await.expect_err("it does not open");
        assert_eq!(fault.kind.outcome(), Outcome::PluginError, "{}", fault.message());
    }
}

#[tokio::test]
async fn the_adapter_pings_and_posts_in_json() {
    let adapter = host().plugin(&guest("http_buyer"));
    let config = r#"{"ping_url": "https://b.example/ping", "post_url": "https://b.example/post", "format": "json",
        "headers": {"Authorization": "Bearer {{secret:KEY}}"}}"#;
    adapter.check(config).await.expect("it opens");
    let pinged = [("state", "CA"), ("roof_shade", "none")];

    let step = adapter.ping(config, &pinged, &[]).await.expect("a step");
    let PingStep::Send(request) = step.value else {
        panic!("the buyer is asked first")
    };
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "https://b.example/ping")
    );
    assert_eq!(
        text(&request.body),
        r#"{"state":"CA","roof_shade":"none","order":"po_1.a1"}"#
    );
    assert!(
        request
            .headers
            .contains(&("Authorization".into(), "Bearer {{secret:KEY}}".into()))
    );

    let answer = answered(r#"{"accepted": true, "price": 28.50, "reference": "q-1"}"#);
    let step = adapter
        .ping(config, &pinged, &answer)
        .await
        .expect("a step");
    let PingStep::Bid {
        amount: Some(Amount::Valid(amount)),
        reference,
    } = step.value
    else {
        panic!("a bid")
    };
    assert_eq!(
        (amount.to_string().as_str(), reference.as_deref()),
        ("28.50", Some("q-1"))
    );

    let won = Won {
        amount: Some(amount),
        reference,
    };
    let posted = [("state", "CA"), ("first_name", "Zoë \"Z\"")];
    let step = adapter
        .post(config, &posted, &won, &[])
        .await
        .expect("a step");
    let PostStep::Send(request) = step.value else {
        panic!("the lead is sent first")
    };
    assert_eq!(
        text(&request.body),
        r#"{"state":"CA","first_name":"Zoë \"Z\"","order":"po_1.a1","price":"28.50","reference":"q-1"}"#
    );
    let answer = answered(r#"{"accepted": true, "redirect_url": "https://b.example/thanks"}"#);
    let step = adapter
        .post(config, &posted, &won, &answer)
        .await
        .expect("a step");
    assert!(
        matches!(step.value, PostStep::Accepted { redirect_url: Some(url), .. } if url == "https://b.example/thanks")
    );
}

#[tokio::test]
async fn the_adapter_pings_and_posts_as_a_form() {
    let adapter = host().plugin(&guest("http_buyer"));
    let config = r#"{"ping_url": "https://b.example/ping", "post_url": "https://b.example/post", "format": "form"}"#;
    let step = adapter
        .ping(config, &[("state", "CA")], &[])
        .await
        .expect("a step");
    let PingStep::Send(request) = step.value else {
        panic!("the buyer is asked first")
    };
    assert_eq!(text(&request.body), "state=CA&order=po_1.a1");
    let step = adapter
        .ping(config, &[], &answered("accepted=false&reason=full"))
        .await
        .expect("a step");
    assert!(matches!(step.value, PingStep::NoBid(words) if words == "full"));

    let won = Won::default();
    let step = adapter
        .post(
            config,
            &[],
            &won,
            &answered("accepted=false&reason=disconnected"),
        )
        .await
        .expect("a step");
    assert!(
        matches!(step.value, PostStep::Rejected { code, detail } if code == "rejected" && detail == "disconnected")
    );
}

#[tokio::test]
async fn an_answer_that_says_nothing_for_sure_is_an_error_and_no_trap() {
    let adapter = host().plugin(&guest("http_buyer"));
    let config = r#"{"post_url": "https://b.example/post"}"#;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("{{\"accepted\": \"{}\"}}", "x".repeat(200_000));
    for body in ["Internal error", "{}", deep.as_str(), wide.as_str()] {
        let fault = adapter
            .post(config, &[], &Won::default(), &answered(body))
            .await
            .expect_err("an error");
        assert_eq!(
            fault.kind.outcome(),
            Outcome::PluginError,
            "{}",
            fault.message()
        );
    }
}

#[tokio::test]
async fn hostile_xml_is_an_error_and_no_trap() {
    let adapter = host().plugin(&guest("xml_buyer"));
    let config = r#"{"url": "https://b.example/"}"#;
    let deep = format!("{}{}", "<a>".repeat(30_000), "</a>".repeat(30_000));
    let wide = format!("<r>{}</r>", "<a/>".repeat(60_000));
    let attributes = format!("<r {}/>", "a".repeat(200_000));
    let many = (0..15_000).map(|at| format!(" a{at}='1'"));
    let many = format!("<r{}/>", many.collect::<Vec<_>>().concat());
    let references = format!("<r><status>{}</status></r>", "&#65;".repeat(50_000));
    let bomb = "<!DOCTYPE r [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><r><status>&b;</status></r>";
    for body in [
        &deep,
        &wide,
        &attributes,
        &many,
        &references,
        bomb,
        "<",
        "<r",
        "<![",
    ] {
        let fault = adapter
            .post(config, &[], &Won::default(), &answered(body))
            .await
            .expect_err("an error");
        let outcome = fault.kind.outcome();
        assert_eq!(outcome, Outcome::PluginError, "{}", fault.message());
    }
}

#[tokio::test]
async fn a_panic_is_told_with_its_source_line() {
    let guest = host().plugin(&guest("misbehaving"));
    let fault = guest
        .qualify(r#"{"panic": "no roof, no \"deal\""}"#, &[])
        .await
        .expect_err("a trap");
    assert_eq!(fault.kind.outcome(), Outcome::PluginTrap);
    let line = &fault.log().last().expect("a log line").text;
    assert!(
        line.contains("misbehaving.rs:") && line.ends_with("no roof, no \"deal\""),
        "{line}"
    );
}

#[tokio::test]
async fn memory_grows_beyond_the_arena_and_up_to_the_hosts_limit() {
    let guest = host().plugin(&guest("misbehaving"));
    for bytes in [100, 40_000, 48 * 1024, 100_000, 1 << 20, 8 << 20] {
        let said = guest
            .qualify(&format!(r#"{{"allocate": {bytes}}}"#), &[])
            .await
            .expect("a verdict");
        assert!(
            matches!(said.value, Verdict::Disqualified { detail, .. } if detail == bytes.to_string())
        );
    }
    let fault = guest
        .qualify(r#"{"allocate": 67108864}"#, &[])
        .await
        .expect_err("more than the host gives");
    assert_eq!(
        fault.kind.outcome(),
        Outcome::PluginMemory,
        "{}",
        fault.message()
    );
}

#[tokio::test]
async fn the_small_stack_is_enough_for_ordinary_depth_and_its_end_is_a_trap() {
    let guest = host().plugin(&guest("misbehaving"));
    let said = guest
        .qualify(r#"{"recurse": 50}"#, &[])
        .await
        .expect("a verdict");
    assert!(matches!(said.value, Verdict::Disqualified { detail, .. } if detail == "50"));
    let fault = guest
        .qualify(r#"{"recurse": 1000000}"#, &[])
        .await
        .expect_err("too deep");
    assert_eq!(
        fault.kind.outcome(),
        Outcome::PluginTrap,
        "{}",
        fault.message()
    );
}
