//! What comes back, good and bad.

use serde_json::{Map, Value, json};

use crate::instructions::{
    Instructions,
    errors::{self, Error, FIELD_CODES, NO_BID, NOT_DELIVERED, NOT_TAKEN, Operation, Word},
};

/// `200` with an answer of this schema.
pub(super) fn good(schema: &str, description: &str, examples: &[(&str, Value)]) -> Value {
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    let examples: Map<String, Value> = examples
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!({"value": value})))
        .collect();
    json!({
        "description": description,
        "headers": header_references(&["X-Request-Id"]),
        "content": {
            "application/json": {"schema": schema, "examples": examples},
            "application/xml": {"schema": schema},
            "text/xml": {"schema": schema},
        },
    })
}

/// The same, with what can be asked next.
pub(super) fn linked(mut good: Value, name: &str, link: &Value) -> Value {
    if let Some(members) = good.as_object_mut() {
        members.insert("links".into(), json!({ name: link }));
    }
    good
}

/// Every answer to an operation: the good one, and each error by its status.
pub(super) fn responses(operation: Operation, good: &Value) -> Value {
    let mut responses = Map::new();
    responses.insert("200".into(), good.clone());
    let mut statuses: Vec<u16> = errors::of(operation).map(|error| error.status).collect();
    statuses.dedup();
    for status in statuses {
        let errors: Vec<&Error> = errors::of(operation)
            .filter(|error| error.status == status)
            .collect();
        responses.insert(status.to_string(), problem(status, &errors));
    }
    responses.into()
}

fn problem(status: u16, errors: &[&Error]) -> Value {
    let about: Vec<String> = errors
        .iter()
        .map(|error| format!("`{}`: {} {}", error.code, error.when, error.then))
        .collect();
    let codes: Vec<&str> = errors.iter().map(|error| error.code).collect();
    let schema = json!({"allOf": [
        {"$ref": "#/components/schemas/Problem"},
        {"properties": {"status": {"const": status}, "code": {"enum": codes}}},
    ]});
    let mut headers = vec!["X-Request-Id"];
    match status {
        401 => headers.push("WWW-Authenticate"),
        405 => headers.push("Allow"),
        409 | 429 | 503 => headers.push("Retry-After"),
        _ => {}
    }
    json!({
        "description": about.join("\n\n"),
        "headers": header_references(&headers),
        "content": {
            "application/problem+json": {"schema": schema},
            "application/problem+xml": {"schema": schema},
        },
    })
}

/// By reference, the headers of an answer.
pub(super) fn header_references(names: &[&str]) -> Value {
    let references = names.iter().map(|name| {
        let reference = json!({"$ref": format!("#/components/headers/{name}")});
        ((*name).to_owned(), reference)
    });
    Value::Object(references.collect())
}

/// The headers that answers have beside the usual.
pub(super) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "Names this request in the exchange's log.", "required": true,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        },
        "Retry-After": {
            "description": "Seconds to wait before sending the same again; with every code that says so.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "WWW-Authenticate": {"description": "The scheme: Bearer.", "required": true, "schema": {"type": "string"}},
        "Allow": {"description": "The methods that are served here.", "required": true, "schema": {"type": "string"}},
    })
}

/// What answers look like.
pub(super) fn schemas(instructions: &Instructions) -> Map<String, Value> {
    let mut schemas = Map::new();
    for (name, prefix, about) in [
        ("PingId", "pg", "A ping."),
        ("PingOrderId", "po", "A quoted order."),
        ("LeadId", "ld", "A posted lead."),
    ] {
        let pattern = format!("^{prefix}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}$");
        schemas.insert(
            name.into(),
            json!({"type": "string", "description": about, "pattern": pattern}),
        );
    }
    let amount = json!({
        "type": "string", "description": "An amount with at least two decimals.",
        "pattern": r"^(0|[1-9][0-9]*)\.[0-9]{2,4}$",
    });
    let currency = json!({"type": "string", "description": "ISO 4217.", "pattern": "^[A-Z]{3}$"});
    let time = json!({"type": "string", "format": "date-time"});
    for (name, schema) in [("Amount", amount), ("Currency", currency), ("Time", time)] {
        schemas.insert(name.into(), schema);
    }
    schemas.insert("Problem".into(), problem_schema());
    if !instructions.is_direct() {
        schemas.insert("PingAnswer".into(), ping_answer());
    }
    schemas.insert("PostAnswer".into(), post_answer(instructions));
    schemas.insert("LeadStatus".into(), lead_status(instructions));
    schemas
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn words(tables: &[&[Word]]) -> Value {
    let mut words: Vec<&str> = Vec::new();
    for entry in tables.iter().copied().flatten() {
        if !words.contains(&entry.word) {
            words.push(entry.word);
        }
    }
    json!({"type": "string", "enum": words})
}

/// An object with exactly these members, of which those after the bar may be absent.
fn exactly(required: &[(&str, Value)], optional: &[(&str, Value)]) -> Value {
    let members = required.iter().chain(optional);
    let properties: Map<String, Value> = members
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    let required: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The alternatives of an answer, told apart by `status`; in XML below `<response>`.
fn alternatives(schemas: &[Value]) -> Value {
    json!({"oneOf": schemas, "xml": {"name": "response"}})
}

fn is(word: &str) -> Value {
    json!({"const": word})
}

fn number_of_buyers() -> Value {
    json!({"type": "integer", "minimum": 1})
}

fn ping_answer() -> Value {
    alternatives(&[
        exactly(
            &[
                ("status", is("bid")),
                ("ping_id", reference("PingId")),
                ("ping_order_id", reference("PingOrderId")),
                ("bid", reference("Amount")),
                ("currency", reference("Currency")),
                ("deliveries", number_of_buyers()),
                ("expires_at", reference("Time")),
            ],
            &[],
        ),
        exactly(
            &[
                ("status", is("no_bid")),
                ("ping_id", reference("PingId")),
                ("reason", words(&[NO_BID])),
            ],
            &[],
        ),
    ])
}

/// Of any lead of the campaign's: one that was posted while its supplier waited, too.
fn reasons(instructions: &Instructions) -> Value {
    if instructions.is_direct() {
        words(&[NOT_DELIVERED, NOT_TAKEN, NO_BID])
    } else {
        words(&[NOT_DELIVERED, NOT_TAKEN])
    }
}

fn post_answer(instructions: &Instructions) -> Value {
    let warnings = json!({
        "type": "array", "minItems": 1, "xml": {"wrapped": true},
        "items": warning(),
    });
    let beside = [
        (
            "redirect_url",
            json!({"type": "string", "description": "Where the consumer should be sent."}),
        ),
        ("warnings", warnings.clone()),
    ];
    alternatives(&[
        exactly(
            &[
                ("status", is("sold")),
                ("lead_id", reference("LeadId")),
                ("payout", reference("Amount")),
                ("currency", reference("Currency")),
                ("deliveries", number_of_buyers()),
            ],
            &beside,
        ),
        exactly(
            &[
                ("status", is("accepted")),
                ("lead_id", reference("LeadId")),
                ("payout", reference("Amount")),
                ("currency", reference("Currency")),
            ],
            &[("payout_is", up_to()), ("warnings", warnings.clone())],
        ),
        exactly(
            &[
                ("status", is("rejected")),
                ("lead_id", reference("LeadId")),
                ("reason", reasons(instructions)),
            ],
            &[("warnings", warnings)],
        ),
    ])
}

fn warning() -> Value {
    let mut warning = exactly(
        &[
            ("field", json!({"type": "string"})),
            ("code", words(&[FIELD_CODES])),
            ("message", json!({"type": "string"})),
        ],
        &[],
    );
    if let Some(members) = warning.as_object_mut() {
        members.insert("xml".into(), json!({"name": "warning"}));
    }
    warning
}

fn up_to() -> Value {
    json!({"const": "up_to", "description": "The payout is not fixed yet: it is at most this."})
}

fn lead_status(instructions: &Instructions) -> Value {
    let common = [
        ("lead_id", reference("LeadId")),
        ("campaign", json!({"type": "string"})),
        ("received_at", reference("Time")),
        ("currency", reference("Currency")),
        ("deliveries", json!({"type": "integer", "minimum": 0})),
        ("owed", reference("Amount")),
        ("finished", json!({"type": "boolean"})),
    ];
    let with = |word: &str, more: &[(&'static str, Value)], optional: &[(&str, Value)]| {
        let mut required = vec![("status", is(word))];
        required.extend(common.clone());
        required.extend_from_slice(more);
        exactly(&required, optional)
    };
    let payout = [("payout", reference("Amount"))];
    alternatives(&[
        with("posting", &[], &[]),
        with("sold", &payout, &[]),
        with("accepted", &payout, &[("payout_is", up_to())]),
        with("rejected", &[("reason", reasons(instructions))], &[]),
    ])
}

fn problem_schema() -> Value {
    let error = exactly(
        &[
            ("field", json!({"type": "string"})),
            ("code", words(&[FIELD_CODES])),
            ("message", json!({"type": "string"})),
        ],
        &[("suggestion", json!({"type": "string"}))],
    );
    let mut problem = exactly(
        &[
            (
                "type",
                json!({"type": "string", "pattern": "^urn:gavel:problem:[a-z_]+$"}),
            ),
            ("title", json!({"type": "string"})),
            ("status", json!({"type": "integer"})),
            ("code", json!({"type": "string"})),
            ("detail", json!({"type": "string"})),
        ],
        &[(
            "errors",
            json!({"type": "array", "items": error, "minItems": 1, "xml": {"wrapped": true}}),
        )],
    );
    if let Some(members) = problem.as_object_mut() {
        let about = "A problem document (RFC 9457). No value that you sent is repeated in it.";
        members.insert("description".into(), about.into());
        members.insert(
            "xml".into(),
            json!({"name": "problem", "namespace": "urn:ietf:rfc:7807"}),
        );
    }
    problem
}
