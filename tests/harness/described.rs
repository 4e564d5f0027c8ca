//! What the admin API's own document says of an answer: every answer that a test gets from a host
//! is held against it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use hyper::Method;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

const DOCUMENT: &str = include_str!("../../host/gavel/src/admin/openapi.json");

/// The document, with every object closed: what is not described is as wrong as what is missing.
fn document() -> &'static Value {
    static DOCUMENT_READ: OnceLock<Value> = OnceLock::new();
    DOCUMENT_READ.get_or_init(|| {
        let mut document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        close(&mut document["components"]["schemas"]);
        document
    })
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object)
                && members.get("type") == Some(&json!("object"))
            {
                members
                    .entry("additionalProperties")
                    .or_insert(Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The operations at a path, with the template that it matches.
fn at(path: &str) -> Option<(&'static str, &'static Map<String, Value>)> {
    let paths = document()["paths"].as_object().expect("paths");
    let (template, methods) = paths.iter().find(|(template, _)| {
        let (wanted, given) = (template.split('/'), path.split('/'));
        wanted.clone().count() == given.clone().count()
            && wanted
                .zip(given)
                .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    })?;
    Some((template, methods.as_object()?))
}

/// What validates an answer of this kind, made once: most of a test's requests are alike.
fn validator(kind: String, schema: &Value) -> Arc<Validator> {
    static MADE: Mutex<Option<HashMap<String, Arc<Validator>>>> = Mutex::new(None);
    let mut made = MADE.lock().expect("no panic");
    let made = made.get_or_insert_default().entry(kind);
    let made = made.or_insert_with(|| {
        let mut schema = schema.clone();
        // References are to the document's root.
        schema["components"] = document()["components"].clone();
        Arc::new(jsonschema::draft202012::new(&schema).expect("a schema"))
    });
    Arc::clone(made)
}

/// Fails where an answer of the admin API is not as the document has it.
pub(crate) fn check(method: &Method, path: &str, status: u16, body: &Value) {
    let path = path.split('?').next().unwrap_or(path);
    let Some((template, methods)) = at(&format!("/admin/v1{path}")) else {
        assert_eq!(status, 404, "{path} is not described");
        return;
    };
    let Some(operation) = methods.get(&method.as_str().to_lowercase()) else {
        assert_eq!(status, 405, "{method} {template} is not described");
        return;
    };
    let mut response = &operation["responses"][status.to_string()];
    if let Some(reference) = response["$ref"].as_str() {
        response = document().pointer(&reference[1..]).expect("there");
    }
    let content = response["content"].as_object();
    // An answer without a body is described without one.
    if content.is_none() && !response.is_null() && body.as_str() == Some("") {
        return;
    }
    let content = content.unwrap_or_else(|| panic!("{method} {template} with {status}: {body}"));
    if body.is_string() && content.keys().any(|kind| !kind.contains("json")) {
        return;
    }
    let json = ["application/json", "application/problem+json"];
    let schema = json.iter().find_map(|kind| content.get(*kind));
    let Some(schema) = schema.map(|of_kind| &of_kind["schema"]) else {
        return;
    };
    let validator = validator(format!("{method} {template} {status}"), schema);
    let errors: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        errors.is_empty(),
        "{method} {template} answered {status}, not as it is described: {errors:#?}\n{body:#}"
    );
}
