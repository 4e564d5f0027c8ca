use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{super::route, DOCUMENT};

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

/// Every operation, with its method and path.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    object(&document["paths"])
        .iter()
        .flat_map(|(path, methods)| {
            object(methods)
                .iter()
                .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

#[test]
fn the_document_has_what_is_served_and_nothing_else() {
    let document = document();
    let described: BTreeSet<(String, String)> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let served: BTreeSet<(String, String)> = route::served().collect();
    let missing: Vec<_> = served.difference(&described).collect();
    let left_over: Vec<_> = described.difference(&served).collect();
    assert!(
        missing.is_empty() && left_over.is_empty(),
        "served and not described: {missing:?}; described and not served: {left_over:?}"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_and_describes_what_its_path_names() {
    let document = document();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} comes twice");
        let in_path: BTreeSet<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: BTreeSet<&str> = parameters
            .map(|parameter| resolved(&document, parameter))
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(described, in_path, "{method} {path}");
    }
}

#[test]
fn every_parameter_of_a_query_is_described_and_served() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let Some(served) = route::parameters_of(&method, &path) else {
            continue;
        };
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: BTreeSet<&str> = parameters
            .map(|parameter| resolved(&document, parameter))
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let served: BTreeSet<&str> = served.iter().copied().collect();
        assert_eq!(described, served, "{method} {path}");
    }
}

/// What a reference points to, or the value itself.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        None => value,
        Some(reference) => document
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap_or_else(|| panic!("{reference} points nowhere")),
    }
}

#[test]
fn no_reference_points_nowhere_and_nothing_is_described_for_nobody() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(
                    members
                        .get("$ref")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        assert!(
            document
                .pointer(reference.strip_prefix('#').unwrap())
                .is_some(),
            "{reference} points nowhere"
        );
    }
    for (group, components) in object(&document["components"]) {
        for name in object(components)
            .keys()
            .filter(|_| group != "securitySchemes")
        {
            let reference = format!("#/components/{group}/{name}");
            assert!(found.contains(&reference), "nobody refers to {reference}");
        }
    }
}

#[test]
fn every_answer_but_the_hosts_state_may_be_that_the_token_is_missing() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let token = path.starts_with("/admin/v1/");
        assert_eq!(
            operation["responses"]["401"].is_object(),
            token,
            "{method} {path}"
        );
        assert_eq!(operation["security"].is_array(), !token, "{method} {path}");
    }
}
