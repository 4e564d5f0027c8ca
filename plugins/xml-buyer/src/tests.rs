//! Whole exchanges, and the schema against what the adapter takes.

use gavel_sdk::{Adapter, Offer, PingStep, PostStep, Response, config, testing::TestLead};

use super::XmlBuyer;

const USUAL: &str = r#"{"url": "https://b.example/api", "fields": {"state": "State", "owner": {"to": "Homeowner", "map": {"true": "Yes", "false": "No"}}},
    "constants": {"Key": "{{secret:KEY}}", "API_Action": "pingPostLead", "TYPE": "26", "SRC": "gavel"}}"#;

fn open(config: &str) -> Result<XmlBuyer, String> {
    XmlBuyer::open(config::parse(config)?)
}

fn answer(body: &str) -> Vec<Response> {
    vec![Response {
        status: 200,
        headers: Vec::new(),
        body: body.into(),
    }]
}

fn pinged(config: &str) -> String {
    let lead = TestLead::ping().text("state", "CA").flag("owner", true);
    match open(config).unwrap().ping(&lead.lead(), &[]).unwrap() {
        PingStep::Send(request) => String::from_utf8(request.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn posted(config: &str, reference: Option<&str>) -> String {
    let lead = TestLead::post().text("state", "CA").flag("owner", false);
    let won = Offer {
        amount: Some("28.50".to_owned()),
        reference: reference.map(str::to_owned),
    };
    match open(config).unwrap().post(&lead.lead(), &won, &[]).unwrap() {
        PostStep::Send(request) => String::from_utf8(request.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn said(body: &str) -> Result<PostStep, String> {
    let lead = TestLead::post();
    let won = Offer {
        amount: None,
        reference: None,
    };
    open(USUAL).unwrap().post(&lead.lead(), &won, &answer(body))
}

#[test]
fn the_mode_tells_a_ping_from_a_post_that_repeats_the_leads_name() {
    let constants = "Key={{secret:KEY}}&API_Action=pingPostLead&TYPE=26&SRC=gavel";
    assert_eq!(
        pinged(USUAL),
        format!("State=CA&Homeowner=Yes&Mode=ping&Return_Best_Price=1&{constants}")
    );
    assert_eq!(
        posted(USUAL, Some("L 1")),
        format!("State=CA&Homeowner=No&Mode=post&Lead_ID=L%201&{constants}")
    );
    assert_eq!(
        posted(USUAL, None),
        format!("State=CA&Homeowner=No&Mode=post&{constants}")
    );
}

#[test]
fn the_protocols_names_are_configured_and_constants_go_before_them() {
    let other = r#"{"url": "https://b.example/", "fields": {}, "return_best_price": false, "test": true,
        "names": {"mode": "", "reference": "Ping"}, "constants": {"Test_Lead": "yes"}}"#;
    assert_eq!(pinged(other), "Test_Lead=yes");
    assert_eq!(posted(other, Some("L1")), "Ping=L1&Test_Lead=yes");
}

#[test]
fn requests_may_be_xml() {
    let xml = r#"{"url": "https://b.example/", "request": "xml", "root": "Request", "fields": {"state": "/Lead/State"},
        "constants": {"Key": "{{secret:KEY}}"}}"#;
    assert_eq!(
        posted(xml, Some("<1>")),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Request><Lead><State>CA</State></Lead>\
         <Mode>post</Mode><Lead_ID>&lt;1&gt;</Lead_ID><Key>{{secret:KEY}}</Key></Request>"
    );
}

#[test]
fn a_matched_ping_bids_and_its_lead_id_is_the_reference() {
    let lead = TestLead::ping();
    let bid = "<?xml version=\"1.0\"?>\n<response><status>Matched</status><lead_id>1475</lead_id><price>28.50</price></response>";
    let offer = Offer {
        amount: Some("28.50".to_owned()),
        reference: Some("1475".to_owned()),
    };
    let buyer = open(USUAL).unwrap();
    assert_eq!(
        buyer.ping(&lead.lead(), &answer(bid)).unwrap(),
        PingStep::Bid(offer)
    );
    let none = "<response><status>Unmatched</status><lead_id>1476</lead_id></response>";
    assert_eq!(
        buyer.ping(&lead.lead(), &answer(none)).unwrap(),
        PingStep::NoBid("the buyer gave no reason".to_owned())
    );
    let error = "<response><status>Error</status><error>Invalid key</error></response>";
    assert!(buyer.ping(&lead.lead(), &answer(error)).is_err());
}

#[test]
fn only_unmatched_is_a_rejection() {
    assert!(matches!(
        said("<response><status>Matched</status></response>"),
        Ok(PostStep::Accepted(_))
    ));
    assert!(matches!(
        said("<response><status>Unmatched</status></response>"),
        Ok(PostStep::Rejected(rejection)) if rejection.code == "rejected"
    ));
    for unclear in [
        "<response><status>Error</status><error>Invalid Lead_ID</error></response>",
        "<response><status>Unmatched</status>",
        "<response><lead_id>1</lead_id></response>",
        "Unmatched",
        "",
    ] {
        assert!(said(unclear).is_err(), "{unclear}");
    }
}

/// Configurations that the schema and the adapter have to judge alike.
const TAKEN: [&str; 4] = [
    USUAL,
    r#"{"post_url": "https://b.example/post"}"#,
    r#"{"ping_url": "https://b.example/ping", "post_url": "https://b.example/post", "method": "GET", "test": true}"#,
    r#"{
        "url": "https://b.example/", "request": "xml", "root": "Lead", "headers": {"X-Key": "{{secret:KEY}}"},
        "unlisted": "send", "fields": {"state": {"to": "/a/b", "when": "post", "as": "text"}}, "return_best_price": false,
        "names": {"mode": "m", "reference": "r", "return_best_price": "", "test": "t"},
        "answer": {"decision": ["status", "/result/@code"], "yes": ["Matched", 1], "no": ["Unmatched"], "duplicate": ["Duplicate"]},
        "ping_answer": {"no": ["Unmatched", "Error"]}, "post_answer": {"format": "xml", "redirect_url": "/next/url"}
    }"#,
];

/// Configurations that both have to refuse.
const REFUSED: [&str; 8] = [
    "{}",
    r#"{"ping_url": "https://b.example/ping"}"#,
    r#"{"url": "b.example"}"#,
    r#"{"url": "https://b.example/", "format": "xml"}"#,
    r#"{"url": "https://b.example/", "request": "json"}"#,
    r#"{"url": "https://b.example/", "request": "xml", "root": "a b"}"#,
    r#"{"url": "https://b.example/", "names": {"lead": "x"}}"#,
    r#"{"url": "https://b.example/", "answer": {"decision": []}}"#,
];

#[test]
fn the_schema_takes_what_the_adapter_takes() {
    let schema = serde_json::from_str(XmlBuyer::ABOUT.config_schema).unwrap();
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
    let schema: serde_json::Value = serde_json::from_str(XmlBuyer::ABOUT.config_schema).unwrap();
    let codes = [gavel_http_adapter::DUPLICATE, gavel_http_adapter::REJECTED];
    assert_eq!(schema["x-codes"], serde_json::json!(codes));
}
