//! Descriptions, their schemas, and configurations: what a plugin says of itself.
//!
//! An input is a JSON list of the description's texts, its needs and a configuration.

use gavel_sandbox::fuzzing;
use rand::{Rng as _, rngs::SmallRng, seq::IndexedRandom as _};
use serde_json::{Map, Value, json};

use crate::{Target, host::Host, mutate, plugin::text, rules};

pub(crate) struct Schemas;

impl Target for Schemas {
    fn name(&self) -> &'static str {
        "schema"
    }

    fn quickness(&self) -> u64 {
        20
    }

    fn input(&self, random: &mut SmallRng) -> Vec<u8> {
        // Mostly there is nothing wrong before the schema is looked at.
        let is_odd = random.random_bool(0.05);
        let mut said = |plain: &str| {
            if is_odd {
                text(random)
            } else {
                plain.to_owned()
            }
        };
        let [name, version, summary] = ["Roof", "1.0.0", "It looks at roofs."].map(&mut said);
        let needs = ["roof_shade", "state"].map(&mut said);
        let parts = json!([
            name,
            version,
            summary,
            schema(random),
            needs,
            config(random)
        ]);
        parts.to_string().into_bytes()
    }

    fn run(&self, _: &Host, input: &[u8]) -> String {
        let Ok((name, version, summary, schema, needs, config)) =
            serde_json::from_slice::<(String, String, String, String, Vec<String>, String)>(input)
        else {
            return "no input".into();
        };
        match fuzzing::describe([name, version, summary, schema], needs, &config) {
            Err(words) => {
                rules::words(&words);
                let kind: String = words.split(' ').take(4).collect::<Vec<_>>().join(" ");
                kind.chars().filter(|char| !char.is_ascii_digit()).collect()
            }
            Ok((about, checked)) => {
                rules::about(&about);
                match checked {
                    Ok(()) => "config taken".into(),
                    Err(refused) => {
                        rules::refused(&refused);
                        "config refused".into()
                    }
                }
            }
        }
    }
}

/// A schema's text, some times with bytes changed.
pub(crate) fn schema(random: &mut SmallRng) -> String {
    let depth = random.random_range(1..6);
    let mut schema = subschema(random, depth);
    if let (Some(schema), true) = (schema.as_object_mut(), random.random_bool(0.5)) {
        let defs: Map<_, _> = (0..random.random_range(1..5))
            .map(|at| (format!("a{at}"), subschema(random, 3)))
            .collect();
        schema.insert("$defs".into(), defs.into());
        if random.random_bool(0.5) {
            let codes: Vec<_> = (0..random.random_range(0..4))
                .map(|_| text(random))
                .collect();
            schema.insert("x-codes".into(), codes.into());
        }
        if random.random_bool(0.1) {
            let drafts = [
                "http://json-schema.org/draft-04/schema#",
                "http://json-schema.org/draft-07/schema#",
                "https://json-schema.org/draft/2019-09/schema",
                "https://json-schema.org/draft/2020-12/schema",
                "https://elsewhere.example/schema",
            ];
            schema.insert(
                "$schema".into(),
                (*drafts.choose(random).expect("some")).into(),
            );
        }
    }
    changed(random, schema.to_string())
}

fn config(random: &mut SmallRng) -> String {
    let depth = random.random_range(0..6);
    let config = value(random, depth).to_string();
    if random.random_bool(0.01) {
        // Deeper than any reader may go.
        return "[".repeat(100_000);
    }
    changed(random, config)
}

fn changed(random: &mut SmallRng, text: String) -> String {
    if random.random_bool(0.9) {
        return text;
    }
    String::from_utf8_lossy(&mutate::bytes(random, text.into_bytes(), &[])).into_owned()
}

/// A schema of up to so many levels, with every keyword that the drafts have.
fn subschema(random: &mut SmallRng, depth: usize) -> Value {
    if random.random_bool(0.05) {
        return value(random, 1);
    }
    let mut schema = Map::new();
    for _ in 0..random.random_range(1..4) {
        let (word, value) = keyword(random, depth);
        schema.insert(word.into(), value);
    }
    Value::Object(schema)
}

fn keyword(random: &mut SmallRng, depth: usize) -> (&'static str, Value) {
    const ONE: [&str; 12] = [
        "items",
        "not",
        "if",
        "then",
        "else",
        "contains",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "unevaluatedItems",
        "additionalItems",
        "contentSchema",
    ];
    const MANY: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
    const NAMED: [&str; 5] = [
        "properties",
        "patternProperties",
        "dependentSchemas",
        "$defs",
        "definitions",
    ];
    const COUNTS: [&str; 8] = [
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
    ];
    const NUMBERS: [&str; 5] = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ];
    const PLAIN: [&str; 11] = [
        "enum",
        "const",
        "type",
        "required",
        "uniqueItems",
        "format",
        "pattern",
        "$ref",
        "default",
        "dependentRequired",
        "dependencies",
    ];
    const ODD: [&str; 8] = [
        "$id",
        "$anchor",
        "$dynamicRef",
        "$recursiveRef",
        "$dynamicAnchor",
        "$vocabulary",
        "contentEncoding",
        "$schema",
    ];
    let deeper = depth.saturating_sub(1);
    match random.random_range(0..if depth == 0 { 6 } else { 10 }) {
        0 => (choose(random, &COUNTS), count(random)),
        1 => (choose(random, &NUMBERS), number(random)),
        2 if random.random_bool(0.1) => (
            choose(random, &ODD),
            if random.random_bool(0.5) {
                text(random).into()
            } else {
                reference(random)
            },
        ),
        2..6 => {
            let word = choose(random, &PLAIN);
            (word, plain(random, word))
        }
        6 | 7 => (choose(random, &ONE), subschema(random, deeper)),
        8 => {
            let schemas: Vec<_> = (0..random.random_range(0..4))
                .map(|_| subschema(random, deeper))
                .collect();
            (choose(random, &MANY), schemas.into())
        }
        _ => {
            let word = choose(random, &NAMED);
            let schemas: Map<_, _> = (0..random.random_range(0..4))
                .map(|_| {
                    let name = if word == "patternProperties" {
                        pattern(random)
                    } else {
                        key(random)
                    };
                    (name, subschema(random, deeper))
                })
                .collect();
            (word, schemas.into())
        }
    }
}

fn plain(random: &mut SmallRng, word: &str) -> Value {
    const TYPES: [&str; 8] = [
        "null", "boolean", "object", "array", "number", "string", "integer", "any",
    ];
    const FORMATS: [&str; 20] = [
        "date",
        "date-time",
        "time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "iri",
        "iri-reference",
        "uuid",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
        "regex",
        "odd",
    ];
    if random.random_bool(0.05) {
        return value(random, 2);
    }
    match word {
        "enum" => (0..random.random_range(0..5))
            .map(|_| value(random, 2))
            .collect(),
        "type" if random.random_bool(0.3) => {
            json!([choose(random, &TYPES), choose(random, &TYPES)])
        }
        "type" => choose(random, &TYPES).into(),
        "required" => (0..random.random_range(0..4))
            .map(|_| key(random))
            .collect(),
        "uniqueItems" => random.random::<bool>().into(),
        "format" => choose(random, &FORMATS).into(),
        "pattern" => pattern(random).into(),
        "$ref" => reference(random),
        "dependentRequired" | "dependencies" => json!({ key(random): [key(random)] }),
        _ => value(random, 3),
    }
}

fn choose(random: &mut SmallRng, words: &[&'static str]) -> &'static str {
    words.choose(random).expect("some")
}

fn reference(random: &mut SmallRng) -> Value {
    let references = [
        "#",
        "#/$defs/a0",
        "#/$defs/a1",
        "#/$defs/a2",
        "#/$defs/a3",
        "#/$defs",
        "#/properties/a",
        "#/allOf/0",
        "#/%24defs/a0",
        "#/$defs/~0",
        "#a0",
        "",
        "a0",
        "https://elsewhere.example/schema",
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft-07/schema#",
        "file:///etc/passwd",
        "#/$defs/a0/../a1",
        "json-schema:///",
    ];
    if random.random_bool(0.7) {
        return "#/$defs/a0".into();
    }
    choose(random, &references).into()
}

fn pattern(random: &mut SmallRng) -> String {
    let patterns = [
        "^(a+)+$",
        "(a|aa)*b",
        "a{1000}",
        "(a{100}){100}",
        "((a{10}){10}){100}",
        "[",
        "(?=a)",
        "\\p{L}+",
        "\\1(a)",
        "(?<=a)b",
        "^$",
        "\\u{110000}",
        "[^\\s\\S]",
        "(?i)ſ",
        "\\d{3}-\\d{4}",
        "\\cA",
        "\\x",
        "(?:a?){50}a{50}",
        "^[\\w.]+@",
        "\\/",
        "[\\d-z]",
        "$^",
        "\u{0}",
        "(?P<a>.)",
        "a{5,2}",
    ];
    let first = choose(random, &patterns);
    if random.random_bool(0.8) {
        first.into()
    } else {
        format!("({first}|{})*", choose(random, &patterns))
    }
}

fn key(random: &mut SmallRng) -> String {
    if random.random_bool(0.1) {
        text(random)
    } else {
        choose(random, &["a", "b", "shade", "", "$ref", "~1", "a/b"]).into()
    }
}

fn count(random: &mut SmallRng) -> Value {
    let counts = [
        json!(0),
        json!(1),
        json!(3),
        json!(-1),
        json!(2.0),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!("3"),
    ];
    counts.choose(random).expect("some").clone()
}

fn number(random: &mut SmallRng) -> Value {
    let numbers = [
        json!(0),
        json!(-0.0),
        json!(1),
        json!(7),
        json!(-1),
        json!(0.1),
        json!(1e-300),
        json!(1e300),
        json!(5e-324),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(f64::MAX),
        json!(0.01),
        json!(9_007_199_254_740_993_u64),
    ];
    numbers.choose(random).expect("some").clone()
}

fn value(random: &mut SmallRng, depth: usize) -> Value {
    match random.random_range(0..if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => random.random::<bool>().into(),
        2 => number(random),
        3 | 4 => text(random).into(),
        5 => "a".repeat(random.random_range(0..2000)).into(),
        6 => (0..random.random_range(0..6))
            .map(|_| value(random, depth - 1))
            .collect(),
        _ => {
            let members: Map<_, _> = (0..random.random_range(0..5))
                .map(|_| (key(random), value(random, depth - 1)))
                .collect();
            members.into()
        }
    }
}
