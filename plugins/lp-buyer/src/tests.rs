//! Whole exchanges, and the schema against what the adapter takes.

use gavel_sdk::{Adapter, Offer, PingStep, PostStep, Response, config, testing::TestLead};

use super::LpBuyer;

const USUAL: &str = r#"{"ping_url": "https://b.example/ping.do", "post_url": "https://b.example/post.do",
    "campaign_id": "6f00", "campaign_key": "{{secret:KEY}}", "fields": {"state": "state", "zip": "zip_code"}}"#;

fn open(config: &str) -> Result<LpBuyer, String> {
    LpBuyer::open(config::parse(config)?)
}

fn answer(body: &str) -> Vec<Response> {
    vec![Response {
        status: 200,
        headers: Vec::new(),
        body: body.into(),
    }]
}

fn won(reference: &str) -> Offer {
    Offer {
        amount: Some("28.50".to_owned()),
        reference: Some(reference.to_owned()),
    }
}

fn pinged(config: &str, lead: &TestLead) -> String {
    match open(config).unwrap().ping(&lead.lead(), &[]).unwrap() {
        PingStep::Send(request) => String::from_utf8(request.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn said(config: &str, body: &str) -> Result<PostStep, String> {
    let lead = TestLead::post();
    open(config)
        .unwrap()
        .post(&lead.lead(), &won("p1"), &answer(body))
}

#[test]
fn a_ping_carries_the_campaign_and_where_the_lead_came_from() {
    let lead = TestLead::ping()
        .text("state", "CA")
        .text("zip", "90210")
        .from_sub_id("site 7");
    assert_eq!(
        pinged(USUAL, &lead),
        "state=CA&zip_code=90210&lp_campaign_id=6f00&lp_campaign_key={{secret:KEY}}&lp_response=JSON&lp_s1=site%207"
    );
    let unsourced = pinged(USUAL, &TestLead::ping().text("state", "CA"));
    assert!(!unsourced.contains("lp_s1"), "{unsourced}");
}

#[test]
fn sources_tests_and_the_form_of_answers_are_configured() {
    let config = r#"{"post_url": "https://b.example/post.do", "ping_url": "https://b.example/ping.do", "campaign_id": "c",
        "campaign_key": "k", "s1": "gavel", "s3": "{{campaign}}", "test": true, "response": "XML", "fields": {},
        "constants": {"lp_num_sold": "1", "lp_campaign_id": "d"}}"#;
    assert_eq!(
        pinged(config, &TestLead::ping()),
        "lp_campaign_key=k&lp_response=XML&lp_s1=gavel&lp_s3=solar-west&lp_test=1&lp_num_sold=1&lp_campaign_id=d"
    );
}

#[test]
fn the_pings_id_goes_with_the_post() {
    let lead = TestLead::ping();
    let buyer = open(USUAL).unwrap();
    let bid =
        answer(r#"{"result":"success","msg":"Ping Accepted","ping_id":"p-9","price":"28.50"}"#);
    assert_eq!(
        buyer.ping(&lead.lead(), &bid).unwrap(),
        PingStep::Bid(won("p-9"))
    );
    let lead = TestLead::post().text("zip", "90210");
    let PostStep::Send(request) = buyer.post(&lead.lead(), &won("p-9"), &[]).unwrap() else {
        panic!("the lead is sent first")
    };
    assert_eq!(request.url, "https://b.example/post.do");
    assert!(request.body.ends_with(b"&lp_ping_id=p-9"));
}

#[test]
fn answers_are_read_in_json_and_in_xml() {
    let xml = &USUAL.replacen('{', r#"{"response": "XML", "#, 1);
    for (config, body) in [
        (
            USUAL,
            r#"{"result": "success", "ping_id": "p1", "lead_id": "d7", "price": 28.5}"#,
        ),
        (USUAL, r#"{"success": true, "lead_id": "d7"}"#),
        (
            xml,
            "<response><result>success</result><ping_id>p1</ping_id><lead_id>d7</lead_id></response>",
        ),
    ] {
        let Ok(PostStep::Accepted(acceptance)) = said(config, body) else {
            panic!("a yes: {body}")
        };
        assert_eq!(acceptance.reference.as_deref(), Some("d7"), "{body}");
    }
    for (config, body) in [
        (
            USUAL,
            r#"{"result": "failed", "msg": "Invalid", "errors": [{"field": "zip_code", "error": "Required"}]}"#,
        ),
        (
            xml,
            "<response><result>failed</result><msg>Invalid</msg><errors><error><field>zip_code</field><error>Required</error></error></errors></response>",
        ),
    ] {
        let Ok(PostStep::Rejected(rejection)) = said(config, body) else {
            panic!("a no: {body}")
        };
        assert_eq!(rejection.detail, "Invalid; zip_code; Required", "{body}");
    }
}

#[test]
fn what_says_neither_is_an_error() {
    for unclear in [
        r#"{"result": "success", "success": false}"#,
        r#"{"result": "queued"}"#,
        r#"{"msg": "Lead rejected"}"#,
        "<response><result>failed</result></response>",
        "",
    ] {
        assert!(said(USUAL, unclear).is_err(), "{unclear}");
    }
}

/// Configurations that the schema and the adapter have to judge alike.
const TAKEN: [&str; 3] = [
    USUAL,
    r#"{"post_url": "https://b.example/post.do", "campaign_id": "c", "campaign_key": "k"}"#,
    r#"{
        "ping_url": "https://b.example/ping.do", "post_url": "https://b.example/post.do", "method": "GET",
        "campaign_id": "c", "campaign_key": "{{secret:KEY}}", "s1": "a", "s2": "{{field:site}}", "s3": "c", "s4": "d", "s5": "e",
        "test": true, "response": "XML", "headers": {"X-Key": "k"}, "fields": {"state": "state"}, "unlisted": "send",
        "constants": {"lp_return_dd_matches": 1}, "answer": {"reason": ["msg"]},
        "ping_answer": {"price": "bid"}, "post_answer": {"duplicate": ["Duplicate Lead"]}
    }"#,
];

/// Configurations that both have to refuse.
const REFUSED: [&str; 6] = [
    "{}",
    r#"{"post_url": "https://b.example/post.do", "campaign_id": "c"}"#,
    r#"{"post_url": "https://b.example/post.do", "campaign_id": 7, "campaign_key": "k"}"#,
    r#"{"post_url": "https://b.example/post.do", "campaign_id": "c", "campaign_key": "k", "response": "json"}"#,
    r#"{"post_url": "https://b.example/post.do", "campaign_id": "c", "campaign_key": "k", "s6": "f"}"#,
    r#"{"post_url": "post.do", "campaign_id": "c", "campaign_key": "k"}"#,
];

#[test]
fn the_schema_takes_what_the_adapter_takes() {
    let schema = serde_json::from_str(LpBuyer::ABOUT.config_schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for config in TAKEN {
        let json = serde_json::from_str(config).unwrap();
        let errors: Vec<_> = schema
            .iter_errors(&json)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{config}: {errors:?}");
        open(config).unwrap();
    }
    for config in REFUSED {
        let json = serde_json::from_str(config).unwrap();
        assert!(!schema.is_valid(&json), "{config}");
        assert!(open(config).is_err(), "{config}");
    }
}

#[test]
fn the_schema_declares_the_codes_of_rejections() {
    let schema: serde_json::Value = serde_json::from_str(LpBuyer::ABOUT.config_schema).unwrap();
    let codes = [gavel_http_adapter::DUPLICATE, gavel_http_adapter::REJECTED];
    assert_eq!(schema["x-codes"], serde_json::json!(codes));
}
