use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    file::parse_toml,
    model::{Campaign, Market},
    reason::FieldCode,
};

/// A market with one campaign; `campaign` is added to it.
fn campaign(campaign: &str) -> Arc<Campaign> {
    let text = format!(
        r#"
        currency = "USD"
        [lead_types.solar.fields]
        state = {{ type = "us_state" }}
        bill = {{ type = "decimal" }}
        note = {{ type = "text" }}
        code = {{ type = "text", no_personal_check = true }}
        consent = {{ type = "url" }}
        first_name = {{ type = "text", personal = true }}
        phone = {{ type = "us_phone", personal = true }}
        [suppliers.s]
        [campaigns.c]
        supplier = "s"
        lead_type = "solar"
        cost = {{ per_lead = "1" }}
        {campaign}
        "#
    );
    let market: Market = parse_toml(&text).unwrap_or_else(|errors| panic!("{errors:#?}"));
    Arc::clone(&market.campaigns["c"])
}

fn raw(lead: serde_json::Value) -> RawLead {
    let serde_json::Value::Object(fields) = lead else {
        panic!("an object")
    };
    fields.into_iter().collect()
}

/// Field and code of each error.
fn codes(errors: &[FieldError]) -> Vec<(&str, FieldCode)> {
    errors
        .iter()
        .map(|error| (error.field.as_str(), error.code))
        .collect()
}

#[track_caller]
fn ping_errors(campaign: &Campaign, lead: serde_json::Value) -> Vec<FieldError> {
    read_ping(campaign, &raw(lead), None).expect_err("errors")
}

#[track_caller]
fn pinged(campaign: &Campaign, lead: serde_json::Value) -> PingLead {
    read_ping(campaign, &raw(lead), None).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[track_caller]
fn posted(campaign: &Campaign, lead: serde_json::Value, pinged: &PingLead) -> FullLead {
    read_post(campaign, &raw(lead), pinged)
        .unwrap_or_else(|errors| panic!("{errors:?}"))
        .0
}

#[test]
fn a_ping_is_told_every_fault_at_once() {
    let campaign = campaign("ping.required = [\"state\", \"bill\"]");
    let errors = ping_errors(
        &campaign,
        json!({"stat": "CA", "bill": "much", "first_name": "Jo", "note": "jo@example.com", "colour": "red"}),
    );
    assert_eq!(
        codes(&errors),
        [
            ("stat", FieldCode::UnknownField),
            ("bill", FieldCode::BadFormat),
            ("first_name", FieldCode::PersonalField),
            ("note", FieldCode::LooksPersonal),
            ("colour", FieldCode::UnknownField),
            ("state", FieldCode::Missing),
        ]
    );
    assert_eq!(errors[0].suggestion.as_deref(), Some("state"));
    assert_eq!(errors[4].suggestion, None);
}

#[test]
fn a_suggestion_is_one_edit_away() {
    let campaign = campaign("");
    for near in ["stat", "states", "stete", "satte", "State"] {
        assert_eq!(
            ping_errors(&campaign, json!({ near: 1 }))[0]
                .suggestion
                .as_deref(),
            Some("state"),
            "{near}"
        );
    }
    for far in ["sta", "STATE", "st"] {
        assert_eq!(
            ping_errors(&campaign, json!({ far: 1 }))[0].suggestion,
            None,
            "{far}"
        );
    }
}

#[test]
fn an_unknown_field_may_be_ignored() {
    let campaign = campaign("unknown_fields = \"ignore\"");
    let lead = pinged(
        &campaign,
        json!({"state": "CA", "colour": {"deep": "jo@example.com"}}),
    );
    assert_eq!(lead.present().count(), 1);
}

#[test]
fn a_value_sent_as_a_name_is_not_repeated() {
    let campaign = campaign("");
    for name in [
        "jo@example.com",
        "818-555-1234",
        "Jo Doe",
        "{{secret:X}}",
        &"x".repeat(65),
    ] {
        let errors = ping_errors(&campaign, json!({ name: 1 }));
        assert_eq!(codes(&errors), [("?", FieldCode::UnknownField)]);
        assert!(!serde_json::to_string(&errors).expect("JSON").contains(name));
    }
}

#[test]
fn personal_fields_are_recognised_by_name_and_not_looked_at() {
    let reject = campaign("");
    for value in [json!("Jo"), json!(null), json!({"any": ["thing"]})] {
        assert_eq!(
            codes(&ping_errors(&reject, json!({"phone": value}))),
            [("phone", FieldCode::PersonalField)]
        );
    }
    let strip = campaign("ping.on_personal = \"strip\"");
    let lead = pinged(
        &strip,
        json!({"state": "CA", "phone": {"no": "number"}, "first_name": "\u{0}"}),
    );
    assert_eq!(lead.present().count(), 1);
}

#[test]
fn text_that_looks_personal_is_refused_unless_its_field_says_otherwise() {
    let campaign = campaign("");
    let errors = ping_errors(
        &campaign,
        json!({"note": "call 818-555-1234", "consent": "https://c.example/?e=jo%40example.com"}),
    );
    assert_eq!(
        codes(&errors),
        [
            ("note", FieldCode::LooksPersonal),
            ("consent", FieldCode::LooksPersonal)
        ]
    );
    let lead = pinged(
        &campaign,
        json!({"code": "8185551234", "bill": "8185551234"}),
    );
    assert_eq!(lead.present().count(), 2);
}

#[test]
fn a_sub_id_is_checked_with_the_fields() {
    let campaign = campaign("");
    let check = |sub_id: &str| {
        let errors =
            read_ping(&campaign, &raw(json!({"state": "??"})), Some(sub_id)).expect_err("errors");
        errors
            .iter()
            .filter(|error| error.field == "sub_id")
            .map(|error| error.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(check("fb-7"), []);
    assert_eq!(check(&"ä".repeat(64)), []);
    assert_eq!(check(&"a".repeat(65)), [FieldCode::TooLong]);
    assert_eq!(check("jo@example.com"), [FieldCode::LooksPersonal]);
    assert_eq!(check("a\u{0}"), [FieldCode::NotAllowed]);
    assert_eq!(check("{{secret:KEY}}"), [FieldCode::NotAllowed]);
}

#[test]
fn a_field_sent_twice_is_refused() {
    let campaign = campaign("");
    let twice = vec![
        ("state".to_owned(), json!("CA")),
        ("state".to_owned(), json!("AZ")),
    ];
    let errors = read_ping(&campaign, &twice, None).expect_err("errors");
    assert_eq!(codes(&errors), [("state", FieldCode::NotAllowed)]);
}

#[test]
fn an_empty_field_is_missing_and_a_faulty_one_is_not() {
    let campaign = campaign("ping.required = [\"state\", \"bill\"]");
    let errors = ping_errors(&campaign, json!({"state": " ", "bill": []}));
    assert_eq!(
        codes(&errors),
        [
            ("bill", FieldCode::WrongType),
            ("state", FieldCode::Missing)
        ]
    );
}

#[test]
fn a_pinged_field_need_not_be_repeated() {
    let campaign = campaign("post.required = [\"state\", \"phone\"]");
    let ping = pinged(&campaign, json!({"state": "CA", "bill": "180.50"}));
    let without = posted(&campaign, json!({"phone": "8185551234"}), &ping);
    let repeated = posted(
        &campaign,
        json!({"phone": "+1 818 555 1234", "state": "ca", "bill": 180.5, "note": null}),
        &ping,
    );
    let emptied = posted(
        &campaign,
        json!({"state": "", "bill": null, "phone": "(818) 555-1234"}),
        &ping,
    );
    assert_eq!(without.canonical(), repeated.canonical());
    assert_eq!(without.canonical(), emptied.canonical());
    let errors = read_post(&campaign, &raw(json!({})), &ping).expect_err("errors");
    assert_eq!(codes(&errors), [("phone", FieldCode::Missing)]);
}

#[test]
fn a_changed_field_is_refused_or_the_pinged_value_stands() {
    let reject = campaign("");
    let ping = pinged(&reject, json!({"state": "CA"}));
    let errors = read_post(&reject, &raw(json!({"state": "AZ"})), &ping).expect_err("errors");
    assert_eq!(codes(&errors), [("state", FieldCode::FieldChanged)]);

    let keep = campaign("post.on_changed = \"keep_pinged\"");
    let ping = pinged(&keep, json!({"state": "CA"}));
    let (lead, warnings) = read_post(&keep, &raw(json!({"state": "AZ"})), &ping).expect("a lead");
    assert_eq!(lead.named("state"), Some(&Value::Text("CA".into())));
    assert_eq!(codes(&warnings), [("state", FieldCode::FieldChanged)]);
}

#[test]
fn a_value_that_looks_personal_is_personal_in_the_posted_lead() {
    let campaign = campaign("");
    let ping = pinged(&campaign, json!({"code": "8185551234"}));
    let lead = posted(
        &campaign,
        json!({"note": "ask jo@example.com", "phone": "8185551234"}),
        &ping,
    );
    let personal: Vec<_> = lead
        .lead_type()
        .fields
        .iter()
        .enumerate()
        .filter(|(at, _)| lead.value(*at).is_some() && lead.is_personal(*at))
        .map(|(_, field)| &*field.name)
        .collect();
    assert_eq!(personal, ["note", "phone"]);
    let shown = lead.without_personal();
    assert_eq!(
        shown.present().map(|(name, _)| &**name).collect::<Vec<_>>(),
        ["code"]
    );
}

#[test]
fn an_error_is_written_as_the_api_has_it() {
    let campaign = campaign("");
    let errors = ping_errors(&campaign, json!({"stat": 1, "bill": []}));
    let written = serde_json::to_value(&errors).expect("JSON");
    assert_eq!(written[0]["code"], "unknown_field");
    assert_eq!(written[0]["suggestion"], "state");
    assert_eq!(written[1]["field"], "bill");
    assert!(written[1].get("suggestion").is_none());
}

#[test]
fn canonical_bytes_differ_where_names_and_values_could_run_together() {
    let campaign = campaign("");
    let nothing = pinged(&campaign, json!({}));
    let bytes = |lead| posted(&campaign, lead, &nothing).canonical();
    assert_ne!(
        bytes(json!({"note": "a", "code": "b"})),
        bytes(json!({"note": "ab"}))
    );
    assert_ne!(bytes(json!({"note": "a"})), bytes(json!({"code": "a"})));
    assert_ne!(
        bytes(json!({"first_name": "180"})),
        bytes(json!({"bill": "180"}))
    );
}

#[test]
fn an_erased_lead_keeps_what_was_not_personal() {
    let campaign = campaign("");
    let lead = posted(
        &campaign,
        json!({"state": "CA", "phone": "8185551234"}),
        &pinged(&campaign, json!({})),
    );
    let (clear, personal) = lead.clear_and_personal();
    assert_eq!((clear.len(), personal.len()), (1, 1));
    let left = FullLead::from_parts(Arc::clone(&campaign.lead_type), clear, Vec::new());
    assert_eq!(left.present().count(), 1);
}

proptest! {
    #[test]
    fn a_lead_survives_its_record(
        state in proptest::option::of("CA|AZ|NV"), bill in proptest::option::of(0..100_000_i64),
        note in proptest::option::of("[a-z]{1,9}( [a-z]{1,9}@[a-z]{2,9}\\.com)?"), name in proptest::option::of("[A-Za-zäöü]{1,9}"),
    ) {
        let campaign = campaign("");
        let nothing = PingLead::new(Arc::clone(&campaign.lead_type), []);
        let lead = posted(&campaign, json!({"state": state, "bill": bill, "note": note, "first_name": name}), &nothing);
        let (clear, personal) = lead.clear_and_personal();
        let back = FullLead::from_parts(Arc::clone(&campaign.lead_type), clear.clone(), personal.clone());
        prop_assert_eq!(back.canonical(), lead.canonical());
        prop_assert_eq!(back.clear_and_personal(), (clear, personal));

        let shown = lead.without_personal();
        let back = PingLead::from_entries(Arc::clone(&campaign.lead_type), shown.entries());
        prop_assert_eq!(back.entries(), shown.entries());
    }
}
