//! Whole exchanges, and the schema against what the adapter takes.

use gavel_sdk::{
    Acceptance, Adapter, Offer, PingStep, PostStep, Rejection, Response, config, testing::TestLead,
};

use super::HttpBuyer;

fn open(config: &str) -> Result<HttpBuyer, String> {
    HttpBuyer::open(config::parse(config)?)
}

fn answer(body: &str) -> Vec<Response> {
    vec![Response {
        status: 200,
        headers: Vec::new(),
        body: body.into(),
    }]
}

#[test]
fn a_ping_asks_and_then_bids() {
    let buyer =
        open(r#"{"ping_url": "https://b.example/ping", "post_url": "https://b.example/post"}"#)
            .unwrap();
    let lead = TestLead::ping().text("state", "CA");
    let PingStep::Send(request) = buyer.ping(&lead.lead(), &[]).unwrap() else {
        panic!("a request")
    };
    assert_eq!(request.url, "https://b.example/ping");
    assert_eq!(request.body, br#"{"state":"CA","order":"po_1.a1"}"#);

    let said = answer(r#"{"accepted": true, "price": "12.50", "reference": "q-17"}"#);
    let offer = Offer {
        amount: Some("12.50".to_owned()),
        reference: Some("q-17".to_owned()),
    };
    assert_eq!(
        buyer.ping(&lead.lead(), &said).unwrap(),
        PingStep::Bid(offer)
    );

    let said = answer(r#"{"accepted": false, "reason": "full"}"#);
    assert_eq!(
        buyer.ping(&lead.lead(), &said).unwrap(),
        PingStep::NoBid("full".to_owned())
    );
}

#[test]
fn a_post_delivers_and_then_settles_only_by_clear_words() {
    let buyer = open(r#"{"post_url": "https://b.example/post", "format": "form"}"#).unwrap();
    let lead = TestLead::post().text("first_name", "Ann");
    let won = Offer {
        amount: Some("12.50".to_owned()),
        reference: Some("q-17".to_owned()),
    };
    let PostStep::Send(request) = buyer.post(&lead.lead(), &won, &[]).unwrap() else {
        panic!("a request")
    };
    assert_eq!(
        request.body,
        b"first_name=Ann&order=po_1.a1&price=12.50&reference=q-17"
    );

    let said = answer("accepted=true&reference=d-4");
    let acceptance = Acceptance {
        reference: Some("d-4".to_owned()),
        price: None,
        redirect_url: None,
    };
    assert_eq!(
        buyer.post(&lead.lead(), &won, &said).unwrap(),
        PostStep::Accepted(acceptance)
    );

    let said = answer("accepted=false&reason=disconnected");
    let rejection = Rejection {
        code: "rejected".to_owned(),
        detail: "disconnected".to_owned(),
    };
    assert_eq!(
        buyer.post(&lead.lead(), &won, &said).unwrap(),
        PostStep::Rejected(rejection)
    );

    assert!(
        buyer
            .post(&lead.lead(), &won, &answer("Internal error"))
            .is_err()
    );
}

#[test]
fn xml_has_names_of_its_own() {
    for rest in [
        r#""fields": {"state": "2nd state"}"#,
        r#""constants": {"/a/k y": "k"}"#,
        r#""constants": {"a": "x\u0000"}"#,
    ] {
        let config = format!(r#"{{"post_url": "https://b.example/", "format": "xml", {rest}}}"#);
        assert!(open(&config).unwrap_err().contains("XML"), "{rest}");
    }
    let config = r#"{"post_url": "https://b.example/", "root": "Lead"}"#;
    assert!(open(config).unwrap_err().starts_with("root: "));
}

#[test]
fn a_form_has_no_nested_places() {
    for rest in [
        r#""fields": {"state": "/a/state"}"#,
        r#""constants": {"/a/key": "k"}"#,
    ] {
        let config = format!(r#"{{"post_url": "https://b.example/", "format": "form", {rest}}}"#);
        assert!(
            open(&config).unwrap_err().contains("is a pointer"),
            "{rest}"
        );
    }
}

/// Configurations that the schema and the adapter have to judge alike.
const TAKEN: [&str; 5] = [
    r#"{"post_url": "https://b.example/in", "format": "xml", "root": "Lead", "fields": {"state": "/a/State"}, "answer": {"price": ["price", "/bid/@price"], "duplicate": ["dup"]}}"#,
    r#"{"post_url": "https://leads.sunco.example/in", "format": "json"}"#,
    r#"{"ping_url": "https://rtb.brightroof.example/ping", "post_url": "https://rtb.brightroof.example/post", "format": "form"}"#,
    r#"{"post_url": "http://127.0.0.1:9101/post", "format": "json", "headers": {"authorization": "Bearer {{secret:SUNCO_KEY}}"}}"#,
    r#"{
        "ping_url": "https://b.example/ping/{{order}}", "post_url": "https://b.example/post", "method": "PUT", "format": "json",
        "headers": {"X-Key": "{{secret:KEY}}"}, "unlisted": "send",
        "fields": {"state": "State", "homeowner": {"to": "/home/owner", "map": {"true": "Yes", "false": 0}, "when": "post", "as": "text"}},
        "constants": {"v": 2, "live": true, "bid": {"value": "{{price}}", "when": "post", "as": "number"}},
        "answer": {"format": "json", "decision": "/status", "yes": ["sold", 1], "no": ["reject", false], "reason": "why"},
        "ping_answer": {"yes_status": [201], "no_status": [204, 404], "body_status": [200]},
        "post_answer": {"price": "p", "reference": "/ref/0", "redirect_url": "url"}
    }"#,
];

/// Configurations that both have to refuse.
const REFUSED: [&str; 10] = [
    r#"{"post_url": "https://b.example/", "format": "xml", "root": "a b"}"#,
    r"{}",
    r#"{"ping_url": "https://b.example/ping"}"#,
    r#"{"post_url": "https://b.example/", "post_uri": "x"}"#,
    r#"{"post_url": "ftp://b.example/"}"#,
    r#"{"post_url": "https://b.example/", "format": "csv"}"#,
    r#"{"post_url": "https://b.example/", "method": "DELETE"}"#,
    r#"{"post_url": "https://b.example/", "fields": {"state": {"where": "x"}}}"#,
    r#"{"post_url": "https://b.example/", "constants": {"x": 1.5}}"#,
    r#"{"post_url": "https://b.example/", "answer": {"yes_status": ["200"]}}"#,
];

#[test]
fn the_schema_takes_what_the_adapter_takes() {
    let schema = serde_json::from_str(HttpBuyer::ABOUT.config_schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for config in TAKEN {
        let errors = schema
            .iter_errors(&serde_json::from_str(config).unwrap())
            .map(|error| error.to_string())
            .collect::<Vec<_>>();
        assert!(errors.is_empty(), "{config}: {errors:?}");
        open(config).unwrap();
    }
    for config in REFUSED {
        assert!(
            !schema.is_valid(&serde_json::from_str(config).unwrap()),
            "{config}"
        );
        assert!(open(config).is_err(), "{config}");
    }
}

#[test]
fn the_schema_declares_the_codes_of_rejections() {
    let schema: serde_json::Value = serde_json::from_str(HttpBuyer::ABOUT.config_schema).unwrap();
    let codes = [gavel_http_adapter::DUPLICATE, gavel_http_adapter::REJECTED];
    assert_eq!(schema["x-codes"], serde_json::json!(codes));
}
