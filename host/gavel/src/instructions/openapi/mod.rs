//! The OpenAPI 3.1 document of one campaign: its paths, as its channel has them.
//!
//! | module | holds |
//! |---|---|
//! | [`request`] | what is sent: leads and controls, as JSON and as a form |
//! | [`field`] | the values of one field |
//! | [`answer`] | what comes back, good and bad |
//!
//! Where a rule cannot be said in a schema – that blanks around a value are dropped, that a
//! value looks personal – the description says it.

mod answer;
mod field;
mod request;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use self::answer::responses;
use super::{Instructions, errors::Operation, examples, words};

/// The document.
pub(super) fn document(instructions: &Instructions) -> Value {
    let contract = &instructions.contract;
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Gavel: campaign {} of {}", contract.campaign, contract.supplier_name),
            "version": "1",
            "summary": summary(instructions),
            "description": description(instructions),
        },
        "servers": [{"url": instructions.base_url}],
        "security": [{"key": []}],
        "tags": [{"name": "leads", "description": "Leads offered, sold, and what became of them"},
                 {"name": "instructions", "description": "This document, and the same as a page"}],
        "paths": paths(instructions),
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "The supplier's key; a test key makes every request a test"},
                "link": {"type": "apiKey", "in": "query", "name": "signature", "description": "Of a link that an operator made; it goes with expires"},
            },
            "headers": answer::headers(),
            "schemas": schemas(instructions),
        },
    })
}

fn summary(instructions: &Instructions) -> String {
    let how = if instructions.is_direct() {
        "direct post"
    } else {
        "ping, then post"
    };
    format!("{} leads by {how}", instructions.contract.lead_type)
}

fn description(instructions: &Instructions) -> String {
    let contract = &instructions.contract;
    let mut text = String::from(
        "Made from the running market at the moment of the request. Values are trimmed; an empty value, or null, is an absent one. \
         The answers come as JSON, or in the same shape as XML where Accept asks for it: objects as elements, each list as one element \
         with an element of the singular name for each item, below the root response or problem.",
    );
    if instructions.ignores_unknown() {
        text += " Unknown fields are ignored.";
    }
    if let Some(same) = &contract.same_lead {
        text += " ";
        text += &words::same_lead(same);
    }
    text
}

fn paths(instructions: &Instructions) -> Value {
    let mut paths = Map::new();
    if instructions.is_direct() {
        paths.insert(
            instructions.path("lead"),
            json!({"post": direct(instructions)}),
        );
    } else {
        paths.insert(
            instructions.path("ping"),
            json!({"post": ping(instructions)}),
        );
        paths.insert(
            instructions.path("post"),
            json!({"post": post(instructions)}),
        );
    }
    paths.insert(
        "/v1/leads/{lead_id}".into(),
        json!({"get": status(instructions)}),
    );
    paths.insert(instructions.path("instructions"), json!({"get": own()}));
    paths.into()
}

fn ping(instructions: &Instructions) -> Value {
    let contract = &instructions.contract;
    let example = instructions.example_ping();
    json!({
        "operationId": "ping",
        "tags": ["leads"],
        "summary": "Offer a lead without personal data",
        "description": format!(
            "Answered within {} of the request's first byte, or within tmax_ms if that is less. A bid stands for {}.",
            words::span(contract.deadline), words::span(contract.window)
        ),
        "parameters": [request_id(), {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes the ping safe to send again: the same key with the same request gets the first one's answer.",
            "schema": {"type": "string", "maxLength": 255, "pattern": "^[ -~]*$"},
        }],
        "requestBody": request::body("Ping", &example, instructions.examples.ping.lacking.is_empty()),
        "responses": responses(Operation::Ping, &ping_answers(instructions)),
    })
}

fn ping_answers(instructions: &Instructions) -> Value {
    let good = answer::good(
        "PingAnswer",
        "Understood: a bid, or none",
        &[
            ("bid", instructions.example_bid()),
            ("no_bid", Instructions::example_no_bid()),
        ],
    );
    // Tools fill in what stands in the place of the order's id.
    let mut body = instructions.example_post().json;
    if let Some(order) = body.get_mut("ping_order_id") {
        *order = "$response.body#/ping_order_id".into();
    }
    let link = json!({
        "operationId": "post", "requestBody": body,
        "description": "After a bid, the rest of the lead is posted to its order",
    });
    answer::linked(good, "post", &link)
}

fn post(instructions: &Instructions) -> Value {
    let example = instructions.example_post();
    json!({
        "operationId": "post",
        "tags": ["leads"],
        "summary": "Post the whole lead to a quoted order",
        "description": posted(instructions),
        "parameters": [request_id()],
        "requestBody": request::body("Post", &example, instructions.examples.post.lacking.is_empty()),
        "responses": responses(Operation::Post, &post_answers(instructions)),
    })
}

fn direct(instructions: &Instructions) -> Value {
    let example = instructions.example_direct_post();
    json!({
        "operationId": "directPost",
        "tags": ["leads"],
        "summary": "Send a whole lead",
        "description": posted(instructions),
        "parameters": [request_id()],
        "requestBody": request::body("DirectPost", &example, instructions.examples.post.lacking.is_empty()),
        "responses": responses(Operation::Direct, &post_answers(instructions)),
    })
}

fn posted(instructions: &Instructions) -> String {
    let contract = &instructions.contract;
    if contract.waits {
        format!(
            "Answered sold or rejected, within {} of the request's first byte.",
            words::span(contract.post_deadline)
        )
    } else {
        "Answered accepted as soon as the lead is kept, or rejected; it is delivered afterwards."
            .into()
    }
}

fn post_answers(instructions: &Instructions) -> Value {
    let good = answer::good(
        "PostAnswer",
        "Understood: sold, accepted or rejected",
        &[
            ("sold", instructions.example_sold()),
            ("accepted", instructions.example_accepted()),
            ("rejected", instructions.example_rejected()),
        ],
    );
    let link =
        json!({"operationId": "leadStatus", "parameters": {"lead_id": "$response.body#/lead_id"}});
    answer::linked(good, "status", &link)
}

fn status(instructions: &Instructions) -> Value {
    json!({
        "operationId": "leadStatus",
        "tags": ["leads"],
        "summary": "What became of a lead",
        "parameters": [
            request_id(),
            {"name": "lead_id", "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/LeadId"}, "example": examples::lead()},
            {"name": "test", "in": "query", "required": false, "description": "Looks among test leads instead of real ones",
             "schema": {"type": "string", "enum": ["true", "false"]}},
        ],
        "responses": responses(Operation::Status, &answer::good("LeadStatus", "The lead as it stands", &[("status", instructions.example_status())])),
    })
}

fn own() -> Value {
    let content = json!({
        "text/html": {"schema": {"type": "string"}},
        "application/json": {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}},
    });
    let query = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema});
    let good = json!({"description": "A page, or this document", "headers": answer::header_references(&["X-Request-Id"]), "content": content});
    json!({
        "operationId": "instructions",
        "tags": ["instructions"],
        "summary": "How to send leads to this campaign",
        "description": "A page for a browser, this document for Accept: application/json. With the key, or by a signed link.",
        "security": [{"key": []}, {"link": []}],
        "parameters": [
            request_id(),
            query("format", "Instead of Accept", json!({"type": "string", "enum": ["html", "json"]})),
            query("expires", "Of a signed link: Unix time in seconds; without a signature it means nothing", json!({"type": "string"})),
            query("signature", "Of a signed link", json!({"type": "string"})),
        ],
        "responses": responses(Operation::Instructions, &good),
    })
}

fn request_id() -> Value {
    json!({
        "name": "X-Request-Id", "in": "header", "required": false,
        "description": "A name of your own for the request, which the answer repeats where it is letters, digits, - and _; otherwise one is made.",
        "schema": {"type": "string", "pattern": "^[ -~]*$"},
    })
}

fn schemas(instructions: &Instructions) -> Value {
    let mut schemas = answer::schemas(instructions);
    schemas.extend(request::schemas(instructions));
    schemas.into()
}
