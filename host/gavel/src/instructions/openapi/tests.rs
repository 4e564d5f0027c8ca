//! The document is one, and agrees with what the host takes and answers.

use jsonschema::Validator;
use serde_json::json;

use super::*;
use crate::instructions::testing::{direct, instructions, of_fields, pairs};

/// The official schema of OpenAPI 3.1; its licence stands beside it.
const OPENAPI: &str = include_str!("../../../../../tests/openapi/3.1.schema.json");

/// A schema of the document's components, with these around it.
fn component(document: &Value, name: &str) -> Validator {
    let schema = json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": document["components"],
    });
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn documents() -> Vec<(Instructions, Value)> {
    let keys = "ping.required = [\"state\", \"zip\", \"code\"]\npost.required = [\"phone\", \"monthly_bill\"]";
    let all = [
        instructions(""),
        instructions(keys),
        instructions(&format!(
            "unknown_fields = \"ignore\"\nping.on_personal = \"strip\"\n{keys}\npost.reject_for_not_delivered = false"
        )),
        direct(keys),
    ];
    all.map(|of| {
        let document = document(&of);
        (of, document)
    })
    .into()
}

#[test]
fn the_document_is_valid_openapi() {
    let schema: Value = serde_json::from_str(OPENAPI).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (_, document) in documents() {
        let faults: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new());
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(jsonschema::meta::is_valid(schema), "{name}");
            component(&document, name);
        }
    }
}

#[test]
fn every_example_satisfies_its_schema() {
    for (of, document) in documents() {
        let check = |name: &str, value: &Value| {
            let validator = component(&document, name);
            let fault = validator
                .validate(value)
                .err()
                .map(|error| error.to_string());
            assert_eq!(fault, None, "{name}: {value}");
        };
        if of.is_direct() {
            check("DirectPost", &of.example_direct_post().json);
            check(
                "DirectPostForm",
                &json!(pairs(&of.example_direct_post().form)),
            );
        } else {
            check("Ping", &of.example_ping().json);
            check("PingForm", &json!(pairs(&of.example_ping().form)));
            check("Post", &of.example_post().json);
            check("PostForm", &json!(pairs(&of.example_post().form)));
            check("PingAnswer", &of.example_bid());
            check("PingAnswer", &Instructions::example_no_bid());
        }
        check("PostAnswer", &of.example_sold());
        check("PostAnswer", &of.example_accepted());
        check("PostAnswer", &of.example_rejected());
        check("LeadStatus", &of.example_status());
        check("Problem", &of.example_problem());
    }
}

/// Values that the readers of each field take or refuse, against the schema.
#[test]
fn schemas_and_readers_agree() {
    let of = instructions("ping.required = [\"state\"]");
    let document = document(&of);
    let lead = component(&document, "PingLead");
    let form = component(&document, "PingForm");
    let good: &[(&str, &[Value])] = &[
        ("state", &[json!("CA"), json!("ca")]),
        (
            "zip",
            &[json!("90210"), json!("90210-1234"), json!(""), json!(null)],
        ),
        (
            "monthly_bill",
            &[
                json!(180),
                json!(180.5),
                json!("180.50"),
                json!("0"),
                json!(null),
            ],
        ),
        ("panels", &[json!(1), json!("500"), json!("")]),
        (
            "homeowner",
            &[json!(true), json!("yes"), json!("0"), json!(null)],
        ),
        ("shade", &[json!("it's <partial>"), json!("")]),
        ("code", &[json!("AB1234")]),
        ("note", &[json!("a\tb\nc"), json!("")]),
        ("install_by", &[json!("2026-02-28")]),
        (
            "consent_url",
            &[json!("https://x.example/?a=1"), json!("HTTP://x")],
        ),
        ("from", &[json!("192.0.2.1"), json!("2001:db8::1")]),
    ];
    let bad: &[(&str, &[Value])] = &[
        ("state", &[json!(""), json!(null), json!(7), json!("C")]),
        ("zip", &[json!(90210), json!("9021"), json!("902101234")]),
        (
            "monthly_bill",
            &[
                json!(-1),
                json!(100_001),
                json!("1e3"),
                json!("1,000"),
                json!(true),
            ],
        ),
        ("panels", &[json!(0), json!(501), json!(1.5), json!("1.5")]),
        ("homeowner", &[json!(1), json!("TRUE"), json!("maybe")]),
        ("shade", &[json!("None")]),
        ("code", &[json!("AB123"), json!("ab1234"), json!("AB12345")]),
        ("note", &[json!("a\u{0}b"), json!(["a"])]),
        ("install_by", &[json!("28.02.2026"), json!("2026-13-01")]),
        ("consent_url", &[json!("ftp://x"), json!("x.example")]),
        ("from", &[json!("here")]),
        ("phone", &[json!("(202) 555-0142")]),
        ("stat", &[json!("CA")]),
    ];
    let of_one = |name: &str, value: &Value| {
        let mut fields = json!({"state": "CA"});
        fields[name] = value.clone();
        fields
    };
    for (cases, taken) in [(good, true), (bad, false)] {
        for (name, values) in cases {
            let spec = of
                .contract
                .terms
                .iter()
                .find(|term| &*term.spec.name == *name);
            for value in *values {
                assert_eq!(
                    lead.is_valid(&of_one(name, value)),
                    taken,
                    "{name}: {value}"
                );
                let Some(term) = spec.filter(|term| !term.spec.personal) else {
                    continue;
                };
                // The reader says the same; of a required field, that it has a value.
                let read = term.spec.read(value);
                let reads = matches!(&read, Ok(found) if found.is_some() || *name != "state");
                assert_eq!(reads, taken, "{name}: {value}: {read:?}");
                if value.is_string() {
                    assert_eq!(
                        form.is_valid(&of_one(name, value)),
                        taken,
                        "{name}: {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_telephone_number_is_taken_in_every_usual_spelling() {
    let of = instructions("");
    let document = document(&of);
    let lead = component(&document, "PostLead");
    for phone in [
        "(202) 555-0142",
        "202-555-0142",
        "2025550142",
        "+1 202 555 0142",
        "1.202.555.0142",
    ] {
        assert!(lead.is_valid(&json!({"phone": phone})), "{phone}");
    }
    for phone in ["202-555-014", "1025550142", "+44 20 7946 0958"] {
        assert!(!lead.is_valid(&json!({"phone": phone})), "{phone}");
    }
}

#[test]
fn paths_follow_the_channel() {
    let paths = |of: &Instructions| -> Vec<String> {
        document(of)["paths"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let own = "/v1/campaigns/solar-west/instructions";
    assert_eq!(
        paths(&instructions("")),
        [
            "/v1/campaigns/solar-west/ping",
            "/v1/campaigns/solar-west/post",
            "/v1/leads/{lead_id}",
            own
        ]
    );
    assert_eq!(
        paths(&direct("")),
        ["/v1/campaigns/solar-west/lead", "/v1/leads/{lead_id}", own]
    );
}

#[test]
fn where_no_example_can_be_made_there_is_none() {
    let of = of_fields(
        "odd = { type = \"text\", pattern = '(?i)q{7}' }",
        "ping.required = [\"odd\"]",
    );
    let content =
        &document(&of)["paths"]["/v1/campaigns/solar-west/ping"]["post"]["requestBody"]["content"];
    assert!(content["application/json"].get("example").is_none());
}

#[test]
fn every_error_that_is_told_is_in_the_document() {
    for (of, document) in documents() {
        let operation = if of.is_direct() {
            Operation::Direct
        } else {
            Operation::Ping
        };
        let path = of.path(if of.is_direct() { "lead" } else { "ping" });
        for error in crate::instructions::errors::of(operation) {
            let told = &document["paths"][&path]["post"]["responses"][error.status.to_string()];
            let codes = &told["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]
                ["code"]["enum"];
            assert!(
                codes.as_array().unwrap().contains(&error.code.into()),
                "{}",
                error.code
            );
        }
    }
}
