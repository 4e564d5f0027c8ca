//! What a plugin says of itself, checked; and configurations against its schema.
//!
//! The schema is a plugin's own, so it is hostile input too: with every reference
//! written out it must be small and end somewhere, and its patterns run in linear time.

use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Validator, error::ValidationErrorKind};
use serde_json::Value;

pub(crate) use crate::bindings::filter::exports::gavel::buyer::about::Description;
use crate::{
    error::ConfigRefused,
    limits::{
        ABOUT_NAME_MAX_BYTES, ABOUT_SUMMARY_MAX_BYTES, CODES_MAX, CONFIG_MAX_BYTES, NEEDS_MAX,
        PATTERN_MAX_BYTES, SCHEMA_DEPTH_MAX, SCHEMA_MAX_BYTES, SCHEMA_NODES_MAX, WORDS_MAX_BYTES,
    },
    words::{clean, is_code, words},
};

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Its own name for itself; the operator's may be another.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// JSON Schema of an account's configuration.
    pub config_schema: Value,
    /// Lead fields that it knows by name.
    pub needs: Vec<String>,
    /// Codes that it may refuse or reject with and that stand in the clear: `x-codes` of the schema.
    pub codes: BTreeSet<String>,
}

/// A description that holds, with its schema ready to check configurations.
pub(crate) fn read(said: Description) -> Result<(About, Validator), String> {
    let texts = [
        ("name", &said.name, ABOUT_NAME_MAX_BYTES),
        ("version", &said.version, ABOUT_NAME_MAX_BYTES),
        ("summary", &said.summary, ABOUT_SUMMARY_MAX_BYTES),
        ("config-schema", &said.config_schema, SCHEMA_MAX_BYTES),
    ];
    for (what, text, max) in texts {
        if text.len() > max {
            return Err(format!(
                "its {what} has {} bytes; it may have {max}",
                text.len()
            ));
        }
    }
    if said.needs.len() > NEEDS_MAX {
        return Err(format!(
            "it needs {} fields; it may need {NEEDS_MAX}",
            said.needs.len()
        ));
    }
    if let Some(at) = said.needs.iter().position(|field| !is_code(field)) {
        return Err(format!("needs[{at}] is not a field's name"));
    }
    let schema: Value = serde_json::from_str(&said.config_schema)
        .map_err(|error| format!("its config-schema is not JSON: {error}"))?;
    let validator = compile(&schema)?;
    let about = About {
        name: clean(&said.name, ABOUT_NAME_MAX_BYTES),
        version: clean(&said.version, ABOUT_NAME_MAX_BYTES),
        summary: clean(&said.summary, ABOUT_SUMMARY_MAX_BYTES),
        codes: codes(&schema)?,
        config_schema: schema,
        needs: said.needs,
    };
    Ok((about, validator))
}

/// A schema as something that checks.
fn compile(schema: &Value) -> Result<Validator, String> {
    if !schema.is_object() {
        return Err("its config-schema is not a JSON object".into());
    }
    Walk {
        root: schema,
        left: SCHEMA_NODES_MAX,
    }
    .visit(schema, 0)?;
    jsonschema::options()
        .offline()
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(PATTERN_MAX_BYTES)
                .dfa_size_limit(PATTERN_MAX_BYTES),
        )
        .build(schema)
        .map_err(|error| {
            let at = error.instance_path().to_string();
            // Both quote the schema, names of members included.
            format!(
                "its config-schema is no valid JSON Schema: {}: {}",
                words(&at),
                clean(&error.to_string(), WORDS_MAX_BYTES)
            )
        })
}

/// A walk over a schema with its references written out, as far as its budget goes.
struct Walk<'a> {
    root: &'a Value,
    left: usize,
}

impl Walk<'_> {
    fn visit(&mut self, node: &Value, depth: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(1).filter(|_| depth <= SCHEMA_DEPTH_MAX).ok_or_else(|| {
            format!(
                "its config-schema, with every $ref written out, has more than {SCHEMA_NODES_MAX} nodes or \
                 {SCHEMA_DEPTH_MAX} levels; one that refers to itself has no end"
            )
        })?;
        match node {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.visit(item, depth + 1)),
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member.as_str()) {
                        ("$ref", Some(reference)) => self.follow(reference, depth)?,
                        ("$dynamicRef" | "$recursiveRef", Some(_)) => {
                            return Err(format!(
                                "its config-schema uses {name}; only $ref is taken"
                            ));
                        }
                        // They would change what a `$ref` elsewhere means.
                        ("$id" | "$anchor" | "$dynamicAnchor", Some(_)) if depth > 0 => {
                            return Err(format!(
                                "its config-schema has {name} within; only $defs are taken"
                            ));
                        }
                        _ => self.visit(member, depth + 1)?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn follow(&mut self, reference: &str, depth: usize) -> Result<(), String> {
        let root = self.root;
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        let missing = || {
            format!(
                "its config-schema refers to {}, which is not in it",
                words(reference)
            )
        };
        self.visit(target.ok_or_else(missing)?, depth + 1)
    }
}

/// The codes that a schema declares.
fn codes(schema: &Value) -> Result<BTreeSet<String>, String> {
    let Some(declared) = schema.get("x-codes") else {
        return Ok(BTreeSet::new());
    };
    let wrong = || {
        format!(
            "x-codes of its config-schema is a list of at most {CODES_MAX} words like \"roof_shaded\""
        )
    };
    let declared = declared
        .as_array()
        .filter(|codes| codes.len() <= CODES_MAX)
        .ok_or_else(wrong)?;
    declared
        .iter()
        .map(|code| {
            code.as_str()
                .filter(|code| is_code(code))
                .map(str::to_owned)
                .ok_or_else(wrong)
        })
        .collect()
}

/// Whether a configuration is what the schema asks for.
pub(crate) fn check(
    schema: &Value,
    validator: &Validator,
    config: &str,
) -> Result<(), ConfigRefused> {
    let refused = |path: String, message: String| ConfigRefused {
        path,
        message,
        suggestion: None,
    };
    if config.len() > CONFIG_MAX_BYTES {
        let bytes = config.len();
        return Err(refused(
            String::new(),
            format!("has {bytes} bytes; a configuration has at most {CONFIG_MAX_BYTES}"),
        ));
    }
    let config: Value = serde_json::from_str(config)
        .map_err(|error| refused(String::new(), format!("is not JSON: {error}")))?;
    validator.validate(&config).map_err(|error| {
        let path = error.instance_path().to_string();
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind()
            && let Some(key) = unexpected.first()
        {
            return unknown_key(schema, error.schema_path().as_str(), &path, key);
        }
        refused(path, clean(&error.to_string(), WORDS_MAX_BYTES))
    })
}

/// A key that the part of the schema at `keyword` does not know: named as the place itself, with
/// the one that was probably meant.
fn unknown_key(schema: &Value, keyword: &str, path: &str, key: &str) -> ConfigRefused {
    let part = keyword.rsplit_once('/').map_or("", |(part, _)| part);
    let known = schema
        .pointer(part)
        .and_then(|part| part.get("properties")?.as_object());
    let near = known
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .map(|known| (strsim::damerau_levenshtein(known, key), known))
        .min();
    let near = near.filter(|(distance, _)| *distance <= KEY_DISTANCE_MAX);
    ConfigRefused {
        path: format!("{path}/{}", clean(key, WORDS_MAX_BYTES)),
        message: "the plugin's configuration has no such key".into(),
        suggestion: near.map(|(_, known)| clean(known, WORDS_MAX_BYTES)),
    }
}

/// How many letters a misspelt key may be from the one that is suggested.
const KEY_DISTANCE_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(schema: &Value) -> Result<(About, Validator), String> {
        read(Description {
            name: "roof".into(),
            version: "1.0.0".into(),
            summary: String::new(),
            config_schema: schema.to_string(),
            needs: vec!["roof_shade".into()],
        })
    }

    #[test]
    fn a_refused_configuration_names_the_place() {
        let schema = json!({"type": "object", "properties": {"shade": {"type": "array", "items": {"$ref": "#/$defs/shade"}}},
            "additionalProperties": false, "$defs": {"shade": {"enum": ["none", "partial"]}}});
        let (_, validator) = described(&schema).unwrap();
        assert_eq!(check(&schema, &validator, r#"{"shade": ["none"]}"#), Ok(()));
        assert_eq!(
            check(&schema, &validator, r#"{"shade": ["none", "full"]}"#)
                .unwrap_err()
                .path,
            "/shade/1"
        );
        let unknown = check(&schema, &validator, r#"{"shdae": []}"#).unwrap_err();
        assert_eq!(unknown.path, "/shdae");
        assert_eq!(unknown.suggestion.as_deref(), Some("shade"));
        assert_eq!(check(&schema, &validator, "{").unwrap_err().path, "");
    }

    #[test]
    fn codes_are_what_the_schema_declares() {
        let (about, _) = described(&json!({"x-codes": ["roof_shaded", "too_small"]})).unwrap();
        assert!(about.codes.contains("roof_shaded") && about.codes.len() == 2);
        for bad in [
            json!({"x-codes": "roof_shaded"}),
            json!({"x-codes": ["Roof"]}),
            json!({"x-codes": [1]}),
        ] {
            assert!(described(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_schema_is_one() {
        for bad in [
            json!(true),
            json!([]),
            json!({"type": 5}),
            json!({"type": "objekt"}),
            json!({"pattern": "("}),
        ] {
            assert!(described(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_told_of_a_schema_cannot_steer_a_terminal() {
        let told =
            described(&json!({"properties": {"\u{1b}[2J\n": {"type": "objekt"}}})).unwrap_err();
        assert!(
            told.contains("[2J") && !told.contains(char::is_control),
            "{told:?}"
        );
        let long = "a".repeat(100_000);
        let told = described(&json!({"properties": {long: {"type": "objekt"}}})).unwrap_err();
        assert!(told.len() < 2 * WORDS_MAX_BYTES + 100, "{}", told.len());
        let schema = json!({"additionalProperties": {"type": "null"}});
        let (_, validator) = described(&schema).unwrap();
        let refused = check(&schema, &validator, r#"{"\u001b[2J\n": 1}"#).unwrap_err();
        assert!(!refused.to_string().contains(char::is_control), "{refused}");
    }

    #[test]
    fn a_schema_has_an_end() {
        let mut bomb =
            json!({"$defs": {"a0": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/a40"}]});
        for at in 0..40 {
            let below = json!({"$ref": format!("#/$defs/a{at}")});
            bomb["$defs"][format!("a{}", at + 1)] = json!({"anyOf": [below, below]});
        }
        let endless = [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$dynamicRef": "#x"}),
            bomb,
        ];
        for schema in endless {
            assert!(described(&schema).is_err(), "{schema}");
        }
        assert!(described(&json!({"$ref": "https://elsewhere.example/schema"})).is_err());
        // A pattern that backtracking engines never finish.
        let schema = json!({"type": "string", "pattern": "^(a+)+$"});
        let (_, validator) = described(&schema).unwrap();
        assert!(check(&schema, &validator, &format!("\"{}b\"", "a".repeat(50_000))).is_err());
    }
}
