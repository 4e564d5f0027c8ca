mod running;
mod shipped;

use gavel_market::{file::code, lead::Fields as _};

use super::{expect::Is, *};

fn problems(text: &str) -> String {
    read("cases.toml", text).unwrap_err().to_string()
}

fn one(text: &str) -> Case {
    read("cases.toml", text)
        .unwrap_or_else(|error| panic!("{error}"))
        .remove(0)
}

/// A lead's values, as `name value`.
fn values(case: &Case) -> Vec<String> {
    let lead = &case.scenario.lead;
    lead.present()
        .map(|(name, value)| format!("{name} {}", value.to_text()))
        .collect()
}

#[test]
fn a_case_has_its_own_parts_and_the_files_for_the_rest() {
    let cases = read(
        "roof.toml",
        r#"
        config = { shade = ["none"] }
        lead = { state = "CA", roof_shade = "none" }
        campaign = "solar-east"
        sub_id = "fb-7"

        [[case]]
        name = "the file's"
        expect = "qualified"

        [[case]]
        name = "its own"
        config = { shade = ["full"] }
        stage = "post"
        lead = { roof_shade = "full", homeowner = true }
        campaign = "solar-west"
        received_at = 2026-11-23T10:00:00Z
        test = true
        expect = { disqualified = "roof_shaded" }
        "#,
    )
    .unwrap();
    let [first, second] = &cases[..] else {
        panic!("two cases")
    };
    assert_eq!(&*first.scenario.config, r#"{"shade":["none"]}"#);
    assert_eq!(values(first), ["state CA", "roof_shade none"]);
    assert_eq!(first.scenario.transaction.campaign.as_str(), "solar-east");
    assert_eq!(first.scenario.transaction.received_at_ms, 1_700_000_000_000);
    assert_eq!(first.scenario.stage, Stage::Ping);

    assert_eq!(&*second.scenario.config, r#"{"shade":["full"]}"#);
    assert_eq!(
        values(second),
        ["state CA", "roof_shade full", "homeowner true"]
    );
    let transaction = &second.scenario.transaction;
    assert_eq!(transaction.campaign.as_str(), "solar-west");
    assert_eq!(transaction.sub_id.as_deref(), Some("fb-7"));
    assert_eq!(transaction.received_at_ms, 1_795_428_000_000);
    assert!(transaction.is_test);
    assert_eq!(second.scenario.stage, Stage::Post);
}

#[test]
fn json_of_the_same_shape_is_the_same_cases() {
    let toml = one(
        "[fields]\nbill = { type = \"decimal\" }\n[[case]]\nname = \"a\"\nlead = { bill = \"180.50\", zip = \"90210\" }\nexpect = \"qualified\"",
    );
    let json = r#"{"fields": {"bill": {"type": "decimal"}}, "case": [{"name": "a", "lead": {"bill": "180.50", "zip": "90210"}, "expect": "qualified"}]}"#;
    let json = read("cases.json", json).unwrap().remove(0);
    assert_eq!(values(&toml), ["bill 180.5", "zip 90210"]);
    assert_eq!(values(&toml), values(&json));
    assert_eq!(toml.expected, json.expected);
}

#[test]
fn a_leads_fields_have_the_types_of_the_market() {
    let case = one(r#"
        [fields]
        phone = { type = "us_phone", personal = true }
        bill = { type = "decimal" }
        state = { type = "us_state" }
        [[case]]
        name = "a"
        lead = { state = "ca", phone = "(213) 555-0123", bill = "0180.50", panels = 12, homeowner = false, zip = "" }
        expect = "qualified"
        "#);
    assert_eq!(
        values(&case),
        [
            "phone +12135550123",
            "bill 180.5",
            "state CA",
            "panels 12",
            "homeowner false"
        ]
    );
    assert!(
        case.scenario
            .lead
            .without_personal()
            .named("phone")
            .is_none()
    );
    assert!(case.scenario.lead.lead_type().field("zip").is_some());
}

#[test]
fn every_error_names_file_line_case_and_key() {
    let text = r#"configuration = {}
[fields]
bill = { type = "decimul" }
[[case]]
name = "full shade is refused"
leed = { roof_shade = "full" }
expect = { disqualifed = "x" }
[[case]]
lead = { roof_shade = ["full"], Bill = "1", size = 1.5 }
expect = { bid = { amonut = "12", amount = 12.5 } }
"#;
    let expected = r#"cases.toml:1: configuration: there is no key `configuration` here
cases.toml:3: fields.bill.type: one of text, integer, decimal, flag, date, url, ip, email, us_phone, us_state, us_zip is expected (did you mean "decimal"?)
cases.toml:6: case 1 "full shade is refused": leed: there is no key `leed` here (did you mean "lead"?)
cases.toml:7: case 1 "full shade is refused": expect.disqualifed: there is no key `disqualifed` here (did you mean "disqualified"?)
cases.toml:8: case 2: name: `name` is required here
cases.toml:9: case 2: lead.roof_shade: a field's value is a string, a number, true or false
cases.toml:9: case 2: lead.Bill: a field's name is a-z, 0-9 and _, starts with a letter and has at most 64 characters
cases.toml:9: case 2: lead.size: a number with a point needs its field's type: size = { type = "decimal" } under [fields]
cases.toml:10: case 2: expect.bid.amount: write it as a string, such as "12.50", so that it stays exact
cases.toml:10: case 2: expect.bid.amonut: there is no key `amonut` here (did you mean "amount"?)"#;
    assert_eq!(problems(text), expected);
}

#[test]
fn a_value_that_its_field_does_not_take_is_an_error_of_its_case() {
    let text = "[fields]\nzip = { type = \"us_zip\" }\n[[case]]\nname = \"a\"\nlead = { zip = \"9021\" }\nexpect = \"bid\"\n";
    assert_eq!(
        problems(text),
        "cases.toml:5: case 1 \"a\": lead.zip: a ZIP code of five digits is expected"
    );
}

#[test]
fn a_file_that_cannot_be_read_says_where() {
    let broken = problems("[[case]]\nname = \"a\nexpect = \"bid\"");
    assert!(broken.starts_with("cases.toml:2: "), "{broken}");
    let broken = read("cases.json", "{\"case\": [}").unwrap_err().to_string();
    assert!(broken.starts_with("cases.json:1: "), "{broken}");
    assert!(
        read("cases.yaml", "")
            .unwrap_err()
            .to_string()
            .contains(".toml or .json")
    );
    assert!(problems("").contains("at least one [[case]]"));
    let odd = problems("[[case]]\nname = \"a\\u001b[2J\"\nexpect = \"bid\"");
    assert!(odd.contains("no control characters"), "{odd}");
    let twice = problems(&"[[case]]\nname = \"a\"\nexpect = \"bid\"\n".repeat(2));
    assert!(
        twice.contains("another case of this file has this name"),
        "{twice}"
    );
    let large = format!("# {}", "x".repeat(CASE_FILE_MAX_BYTES));
    assert_eq!(
        read("a.toml", &large).unwrap_err().problems[0].error.code,
        code::TOO_LONG
    );
    let many = "[[case]]\nname = \"a\"\nexpect = \"bid\"\n".repeat(CASES_MAX + 1);
    assert!(problems(&many).contains("at most 1000"));
}

#[test]
fn an_expectation_is_a_word_or_one_with_what_is_compared() {
    let read = |expect: &str| one(&format!("[[case]]\nname = \"a\"\nexpect = {expect}")).expected;
    assert_eq!(read("\"qualified\""), Expected::Qualified);
    assert_eq!(read("{ qualified = true }"), Expected::Qualified);
    assert_eq!(read("\"no_bid\""), Expected::NoBid(None));
    assert_eq!(read("{ no_bid = true }"), Expected::NoBid(None));
    assert_eq!(
        read("{ no_bid = \"full\" }"),
        Expected::NoBid(Some("full".to_owned()))
    );
    assert_eq!(
        read("{ bid = { reference = false } }"),
        Expected::Bid {
            amount: None,
            reference: Some(Is::Absent)
        }
    );
    assert_eq!(
        read("{ rejected = \"dupe\" }"),
        read("{ rejected = { code = \"dupe\" } }")
    );
    assert_eq!(
        read("{ fault = \"plugin_trap\" }"),
        Expected::Fault(gavel_market::reason::Outcome::PluginTrap)
    );
    for wrong in [
        "\"bids\"",
        "{}",
        "{ bid = true, no_bid = true }",
        "{ fault = \"plugin_tarp\" }",
        "\"fault\"",
        "{ qualified = \"yes\" }",
        "{ bid = 5 }",
        "12",
    ] {
        let text = format!("[[case]]\nname = \"a\"\nexpect = {wrong}");
        let problems = problems(&text);
        assert!(
            problems.contains("case 1 \"a\": expect"),
            "{wrong}: {problems}"
        );
    }
}

#[test]
fn an_answer_is_sent_as_it_is_written() {
    let case = one(r#"
        [[case]]
        name = "a"
        expect = "bid"
        answers = [
            { body = { price = "12.50", taken = true } },
            { status = 503, headers = { Content-Type = "text/plain", set-cookie = ["a=1", "b=2"] }, body = "busy" },
            { status = 204 },
        ]
        "#);
    let [json, text, empty] = &case.scenario.answers[..] else {
        panic!("three answers")
    };
    assert_eq!(json.status, 200);
    assert_eq!(json.body, br#"{"price":"12.50","taken":true}"#);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(json.headers, [header("content-type", "application/json")]);
    assert_eq!(
        (text.status, text.body.as_slice()),
        (503, b"busy".as_slice())
    );
    assert_eq!(
        text.headers,
        [
            header("content-type", "text/plain"),
            header("set-cookie", "a=1"),
            header("set-cookie", "b=2")
        ]
    );
    assert_eq!(
        (empty.status, empty.body.len(), empty.headers.len()),
        (204, 0, 0)
    );
}

#[test]
fn parts_from_files_of_their_own_make_a_scenario() {
    let parts = Parts {
        config: serde_json::json!({"shade": ["none"]}),
        lead: serde_json::json!({"roof_shade": "none", "bill": 180.5}),
        fields: serde_json::json!({"bill": {"type": "decimal"}}),
        ..Parts::default()
    };
    let scenario = scenario(parts.clone()).unwrap();
    assert_eq!(&*scenario.config, r#"{"shade":["none"]}"#);
    assert_eq!(scenario.lead.present().count(), 2);
    let faulty = Parts {
        lead: serde_json::json!({"bill": "much"}),
        won: serde_json::json!({"amount": "12", "price": "1"}),
        ..parts
    };
    let errors = super::scenario(faulty).unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["won.price", "lead.bill"]);
}
