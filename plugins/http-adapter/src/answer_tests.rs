//! What answers mean, well-meant and hostile ones.

use gavel_sdk::{Header, Response, config};

use super::Decision;
use crate::{HttpAdapter, mapping::Exchange};

fn open(rest: &str) -> Result<HttpAdapter, String> {
    let config = format!(
        r#"{{"ping_url": "https://b.example/ping", "post_url": "https://b.example/post"{rest}}}"#
    );
    HttpAdapter::open(config::parse(&config)?)
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

fn read(rest: &str, exchange: Exchange, answer: &Response) -> Result<Decision, String> {
    open(rest).unwrap().reading(exchange).read(answer)
}

fn ping(status: u16, body: &str) -> Result<Decision, String> {
    read("", Exchange::Ping, &answer(status, body))
}

fn post(status: u16, body: &str) -> Result<Decision, String> {
    read("", Exchange::Post, &answer(status, body))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what reading returns"
)]
fn no(words: &str) -> Result<Decision, String> {
    Ok(Decision::No(words.to_owned()))
}

/// Price, reference and redirect of a yes.
fn terms(decision: Result<Decision, String>) -> [Option<String>; 3] {
    match decision.unwrap() {
        Decision::Yes(terms) => [terms.price, terms.reference, terms.redirect_url],
        Decision::No(words) | Decision::Duplicate(words) => panic!("a no: {words}"),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what reading returns"
)]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_yes_at_the_ping_names_price_and_reference() {
    let said = ping(
        200,
        r#"{"accepted": true, "price": "12.50", "reference": "q-1"}"#,
    );
    assert_eq!(terms(said), [some("12.50"), some("q-1"), None]);
    let said = ping(200, r#"{"accepted": true, "price": 12.50, "reference": 7}"#);
    assert_eq!(terms(said), [some("12.50"), some("7"), None]);
    assert_eq!(
        terms(ping(200, r#"{"accepted": true}"#)),
        [None, None, None]
    );
}

#[test]
fn a_yes_at_the_post_may_name_where_the_consumer_goes() {
    let said = post(
        200,
        r#"{"accepted": true, "reference": "d-1", "price": "28.00", "redirect_url": "https://b.example/thanks"}"#,
    );
    assert_eq!(
        terms(said),
        [some("28.00"), some("d-1"), some("https://b.example/thanks")]
    );
}

#[test]
fn a_no_carries_the_buyers_words() {
    assert_eq!(
        ping(200, r#"{"accepted": false, "reason": "not in this state"}"#),
        no("not in this state")
    );
    assert_eq!(
        post(200, r#"{"accepted": false, "reason": "bad phone"}"#),
        no("bad phone")
    );
    assert_eq!(
        post(200, r#"{"accepted": "FALSE"}"#),
        no("the buyer gave no reason")
    );
    assert_eq!(
        post(200, r#"{"accepted": false, "reason": {"code": 7}}"#),
        no("the buyer gave no reason")
    );
}

#[test]
fn no_content_is_no_bid_at_the_ping_and_says_nothing_at_the_post() {
    assert_eq!(ping(204, ""), no("the buyer answered HTTP 204"));
    assert!(post(204, "").is_err());
}

#[test]
fn a_bid_of_nothing_is_no_bid() {
    for price in ["0", "\"0.00\"", "0.0"] {
        let body = format!(r#"{{"accepted": true, "price": {price}}}"#);
        assert_eq!(ping(200, &body), no("the buyer bids 0"));
        assert!(matches!(post(200, &body), Ok(Decision::Yes(_))));
    }
}

#[test]
fn what_says_neither_yes_nor_no_is_an_error_at_both() {
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    for (status, body) in [
        (500, r#"{"accepted": false}"#),
        (503, ""),
        (400, r#"{"accepted": false, "reason": "missing zip"}"#),
        (302, r#"{"accepted": true}"#),
        (200, ""),
        (200, "OK"),
        (200, "<html>accepted: false</html>"),
        (200, "{}"),
        (200, "[]"),
        (200, "null"),
        (200, "false"),
        (200, r#"{"accepted": null}"#),
        (200, r#"{"accepted": "maybe"}"#),
        (200, r#"{"accepted": 0}"#),
        (200, r#"{"accepted": [false]}"#),
        (200, r#"{"accepted": {"accepted": false}}"#),
        (200, r#"{"accepted": false, "accepted": true}"#),
        (200, r#"{"accepted": false"#),
        (200, r#"{"accepted": false} {"accepted": true}"#),
        (200, r#"{"Accepted": false}"#),
        (200, deep.as_str()),
    ] {
        let shown = body.get(..40).unwrap_or(body);
        assert!(ping(status, body).is_err(), "ping {status} {shown}");
        assert!(post(status, body).is_err(), "post {status} {shown}");
    }
    assert!(
        read(
            "",
            Exchange::Post,
            &answer(200, b"{\"accepted\": \"\xff\"}".to_vec())
        )
        .is_err()
    );
}

#[test]
fn an_error_never_repeats_what_the_buyer_sent() {
    for body in [
        r#"{"accepted": "Ann Lee"}"#,
        "Ann Lee",
        r#"{"accepted": true, "price": ["Ann Lee"]}"#,
    ] {
        let error = ping(200, body).unwrap_err();
        assert!(!error.contains("Ann"), "{error}");
    }
    for body in [
        "<r><Ann>Lee</ann></r>",
        "<r><accepted>&Ann;</accepted></r>",
        "<r accepted='&Ann;'/>",
        "<r Ann='1' Ann='2'/>",
        "<r/><Ann/>",
        "<r><accepted>Ann</accepted></r>",
    ] {
        let error = read(r#", "format": "xml""#, Exchange::Post, &answer(200, body)).unwrap_err();
        assert!(!error.contains("Ann"), "{error}");
    }
}

#[test]
fn an_unreadable_price_spoils_a_ping_but_not_an_acceptance() {
    let body = r#"{"accepted": true, "price": {"usd": 5}, "reference": "d-1"}"#;
    assert!(ping(200, body).unwrap_err().contains("`price`"));
    assert_eq!(terms(post(200, body)), [None, some("d-1"), None]);
}

#[test]
fn a_huge_reason_is_cut_between_characters() {
    let body = format!(
        r#"{{"accepted": false, "reason": "{}"}}"#,
        "é".repeat(100_000) + "x"
    );
    let Ok(Decision::No(words)) = post(200, &body) else {
        panic!("a no")
    };
    assert_eq!(words, "é".repeat(512));
}

#[test]
fn a_form_answers_with_the_same_words() {
    let form = r#", "format": "form""#;
    let at = |exchange, body: &str| read(form, exchange, &answer(200, body));
    assert_eq!(
        terms(at(
            Exchange::Ping,
            "accepted=true&price=12.50&reference=q+1%26"
        )),
        [some("12.50"), some("q 1&"), None]
    );
    assert_eq!(
        at(Exchange::Post, "accepted=false&reason=bad+phone"),
        no("bad phone")
    );
    for unclear in [
        "",
        "accepted",
        "accepted=",
        "accepted=true&accepted=false",
        "<html>accepted=false",
    ] {
        assert!(at(Exchange::Post, unclear).is_err(), "{unclear}");
    }
}

#[test]
fn an_answer_that_names_its_form_is_read_as_that() {
    let declared = |content_type: &str, body: &str| Response {
        status: 200,
        headers: vec![Header::new("Content-Type", content_type)],
        body: body.into(),
    };
    let form = r#", "format": "form""#;
    let json = declared("application/json; charset=utf-8", r#"{"accepted": false}"#);
    assert!(matches!(
        read(form, Exchange::Post, &json),
        Ok(Decision::No(_))
    ));
    let text = declared("text/html", "accepted=false");
    assert!(matches!(
        read(form, Exchange::Post, &text),
        Ok(Decision::No(_))
    ));
    // Unless the configuration says what it is.
    let forced = r#", "format": "form", "answer": {"format": "form"}"#;
    assert!(read(forced, Exchange::Post, &json).is_err());
}

#[test]
fn other_words_and_places_are_a_matter_of_configuration() {
    let rest = r#", "answer": {"decision": "/result/status", "yes": ["sold", "accept"], "no": ["reject", 0],
        "price": "/result/bids/0/amount", "reason": "/result/errors/0/error"}"#;
    let at = |exchange, body: &str| read(rest, exchange, &answer(200, body));
    assert_eq!(
        terms(at(
            Exchange::Ping,
            r#"{"result": {"status": "SOLD", "bids": [{"amount": 30.10}]}}"#
        )),
        [some("30.10"), None, None]
    );
    let body = r#"{"result": {"status": 0, "errors": [{"field": "zip", "error": "not served"}]}}"#;
    assert_eq!(at(Exchange::Post, body), no("not served"));
    assert!(at(Exchange::Post, r#"{"accepted": true}"#).is_err());
}

#[test]
fn a_status_decides_where_it_is_named() {
    let rest = r#", "post_answer": {"yes_status": [201], "no_status": [409]}"#;
    let at = |status, body: &str| read(rest, Exchange::Post, &answer(status, body));
    assert_eq!(terms(at(201, "")), [None, None, None]);
    assert_eq!(terms(at(201, "created!")), [None, None, None]);
    assert_eq!(
        terms(at(201, r#"{"reference": "d-1"}"#)),
        [None, some("d-1"), None]
    );
    assert_eq!(at(409, "<html>"), no("the buyer answered HTTP 409"));
    assert_eq!(at(409, r#"{"reason": "duplicate"}"#), no("duplicate"));
    assert!(at(500, "").is_err());

    let ping = r#", "ping_answer": {"yes_status": [201]}"#;
    assert!(read(ping, Exchange::Ping, &answer(201, "created!")).is_err());
    assert!(matches!(
        read(ping, Exchange::Ping, &answer(201, "")),
        Ok(Decision::Yes(_))
    ));
}

#[test]
fn a_body_decides_at_other_statuses_only_where_they_are_named() {
    let rest = r#", "answer": {"body_status": [200, 422]}"#;
    let at = |status| {
        read(
            rest,
            Exchange::Post,
            &answer(status, r#"{"accepted": false}"#),
        )
    };
    assert!(matches!(at(422), Ok(Decision::No(_))));
    assert!(at(201).is_err());
}

#[test]
fn any_other_word_can_mean_yes() {
    let rest = r#", "ping_answer": {"decision": "bidAmount", "price": "bidAmount", "no": [0], "yes": ["*"]}"#;
    let at = |body: &str| read(rest, Exchange::Ping, &answer(200, body));
    assert_eq!(
        terms(at(r#"{"bidAmount": 14.25}"#)),
        [some("14.25"), None, None]
    );
    assert!(matches!(at(r#"{"bidAmount": 0}"#), Ok(Decision::No(_))));
    assert!(at("{}").is_err());
}

#[test]
fn a_reading_that_contradicts_itself_does_not_open() {
    for (rest, expected) in [
        (
            r#", "answer": {"yes": ["ok"], "no": ["OK"]}"#,
            "`ok` cannot mean both",
        ),
        (r#", "answer": {"no": ["*"]}"#, "`*` can mean yes only"),
        (
            r#", "ping_answer": {"yes_status": [204]}"#,
            "ping_answer: status 204",
        ),
        (
            r#", "post_answer": {"yes_status": [99]}"#,
            "post_answer: 99 is no status",
        ),
        (
            r#", "format": "form", "answer": {"price": "/a/b"}"#,
            "is a pointer, and the answer is a form",
        ),
    ] {
        let error = open(rest).unwrap_err();
        assert!(error.contains(expected), "{rest} gave: {error}");
    }
}

#[test]
fn xml_is_read_like_the_other_forms() {
    let rest = r#", "format": "xml", "answer": {"decision": "status", "yes": ["Matched"], "no": ["Unmatched"],
        "reference": ["lead_id", "/lead/@id"], "reason": ["error", "/errors/0/text"]}"#;
    let at = |exchange, body: &str| read(rest, exchange, &answer(200, body));
    assert_eq!(
        terms(at(
            Exchange::Ping,
            "<response><status>Matched</status><lead_id>L1</lead_id><price>28.50</price></response>"
        )),
        [some("28.50"), some("L1"), None]
    );
    assert_eq!(
        terms(at(
            Exchange::Post,
            r#"<response><status>matched</status><lead id="L2"/></response>"#
        )),
        [None, some("L2"), None]
    );
    let body = "<response><status>Unmatched</status><error>no</error><errors><e><text>zip</text></e></errors></response>";
    assert_eq!(at(Exchange::Post, body), no("no; zip"));
    for unclear in [
        "<response><status>Error</status></response>",
        "<response><status>Unmatched</status>",
        "<response><status>Unmatched</status><status>Matched</status></response>",
        "<response/>",
        "Unmatched",
    ] {
        assert!(at(Exchange::Post, unclear).is_err(), "{unclear}");
    }
}

#[test]
fn words_that_decide_have_to_agree() {
    let rest = r#", "answer": {"decision": ["result", "success"], "yes": ["ok", true], "no": ["failed", false]}"#;
    let at = |body: &str| read(rest, Exchange::Post, &answer(200, body));
    for yes in [
        r#"{"result": "ok"}"#,
        r#"{"success": true}"#,
        r#"{"result": "ok", "success": true}"#,
    ] {
        assert!(matches!(at(yes), Ok(Decision::Yes(_))), "{yes}");
    }
    assert!(matches!(at(r#"{"success": false}"#), Ok(Decision::No(_))));
    for unclear in [
        r#"{"result": "ok", "success": false}"#,
        r#"{"result": "failed", "success": "perhaps"}"#,
        "{}",
    ] {
        assert!(at(unclear).is_err(), "{unclear}");
    }
}

#[test]
fn a_duplicate_is_told_by_the_decision_or_by_the_whole_reason() {
    let rest = r#", "answer": {"duplicate": ["duplicate", "lead is a duplicate"]}"#;
    let at = |body: &str| read(rest, Exchange::Post, &answer(200, body));
    let duplicate = |words: &str| Ok(Decision::Duplicate(words.to_owned()));
    assert_eq!(
        at(r#"{"accepted": "Duplicate"}"#),
        duplicate("the buyer gave no reason")
    );
    assert_eq!(
        at(r#"{"accepted": false, "reason": "Lead is a duplicate"}"#),
        duplicate("Lead is a duplicate")
    );
    assert_eq!(
        at(r#"{"accepted": false, "reason": "no duplicate"}"#),
        no("no duplicate")
    );
    let several = r#", "answer": {"reason": ["reason", "more"], "duplicate": ["known"]}"#;
    let body = r#"{"accepted": false, "reason": "Known", "more": "since May"}"#;
    assert_eq!(
        read(several, Exchange::Post, &answer(200, body)),
        duplicate("Known; since May")
    );
    assert!(open(r#", "answer": {"duplicate": ["TRUE"]}"#).is_err());
}
