//! The values of one field as a schema.
//!
//! JSON carries numbers and flags as themselves or as strings, and null for nothing; a form
//! carries strings alone. What may be absent may also be empty.

use gavel_market::field::{FieldSpec, FieldType};
use serde_json::{Map, Value, json};

use crate::instructions::words;

/// What no text may have: control characters other than tab and line feed.
const NO_CONTROLS: &str = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$";

/// Whether a request is written in JSON or as a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Json,
    Form,
}

/// The schema of a field's values in a body; `required` ones are neither null nor empty.
pub(super) fn schema(spec: &FieldSpec, body: Body, required: bool) -> Value {
    let mut schema = values(&spec.kind, body, required);
    let mut about: Vec<String> = spec.description.clone().into_iter().collect();
    let bounds = words::bounds(spec);
    about.push(match bounds.as_str() {
        "" => words::kind(spec).to_owned(),
        bounds => format!("{}, {bounds}", words::kind(spec)),
    });
    if let Some(pattern) = words::pattern(spec) {
        about.push(format!("Must match {pattern}"));
    }
    if spec.personal {
        about.push("Personal".into());
    }
    schema.insert("description".into(), (about.join(". ") + ".").into());
    schema.into()
}

fn values(kind: &FieldType, body: Body, required: bool) -> Map<String, Value> {
    match kind {
        FieldType::Text {
            one_of: Some(listed),
            ..
        } => {
            let listed = listed.iter().map(|text| Value::from(&**text)).collect();
            listed_only(listed, body, required)
        }
        FieldType::Flag => {
            let words = ["true", "false", "yes", "no", "1", "0"].map(Value::from);
            let flags = [true.into(), false.into()];
            let listed = match body {
                Body::Json => flags.into_iter().chain(words).collect(),
                Body::Form => words.into(),
            };
            listed_only(listed, body, required)
        }
        FieldType::Text {
            pattern,
            max_length,
            ..
        } => {
            let own = pattern
                .as_ref()
                .and_then(|pattern| portable(pattern.as_str()));
            let mut schema = text(own.as_deref().unwrap_or(NO_CONTROLS), body, required);
            schema.insert("maxLength".into(), (*max_length).into());
            if required {
                schema.insert("minLength".into(), 1.into());
            }
            schema
        }
        FieldType::Integer { min, max } => number(
            "integer",
            (
                (*min).unwrap_or(i64::MIN).into(),
                (*max).unwrap_or(i64::MAX).into(),
            ),
            text(&shape("-?[0-9]{1,19}", required), body, required),
            body,
        ),
        FieldType::Decimal { min, max } => number(
            "number",
            (
                bound(min.map(|min| min.normalize()), -999_999_999_999_999),
                bound(max.map(|max| max.normalize()), 999_999_999_999_999),
            ),
            text(
                &shape(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", required),
                body,
                required,
            ),
            body,
        ),
        FieldType::Date => {
            let day = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
            let mut schema = text(&shape(day, required), body, required);
            if required {
                schema.insert("format".into(), "date".into());
            }
            schema
        }
        FieldType::Url => {
            let mut schema = text(
                &shape(r"[Hh][Tt][Tt][Pp][Ss]?://\S+", required),
                body,
                required,
            );
            schema.insert("maxLength".into(), 2048.into());
            schema
        }
        FieldType::Ip => text(&shape("[0-9A-Fa-f:.]{2,45}", required), body, required),
        FieldType::Email => {
            let part = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
            let email = format!(r"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{part}(\.{part})+");
            let mut schema = text(&shape(&email, required), body, required);
            schema.insert("maxLength".into(), 254.into());
            schema
        }
        FieldType::UsPhone => {
            let gap = "[ ().-]*";
            let phone = format!(
                r"{gap}((\+{gap})?1{gap})?[2-9]({gap}[0-9]){{2}}{gap}[2-9]({gap}[0-9]){{6}}{gap}"
            );
            text(&shape(&phone, required), body, required)
        }
        FieldType::UsState => text(&shape("[A-Za-z]{2}", required), body, required),
        FieldType::UsZip => text(&shape("[0-9]{5}(-[0-9]{4})?", required), body, required),
    }
}

/// A pattern of the whole value, which may be empty where the field may be absent.
fn shape(pattern: &str, required: bool) -> String {
    let perhaps = if required { "" } else { "?" };
    format!("^({pattern}){perhaps}$")
}

/// A string of this form, or null where the field may be absent and the body can say so.
fn text(pattern: &str, body: Body, required: bool) -> Map<String, Value> {
    let kind = if required || body == Body::Form {
        json!("string")
    } else {
        json!(["string", "null"])
    };
    object(json!({"type": kind, "pattern": pattern}))
}

/// One of these, or nothing where the field may be absent.
fn listed_only(mut listed: Vec<Value>, body: Body, required: bool) -> Map<String, Value> {
    if !required {
        listed.push("".into());
        listed.extend((body == Body::Json).then_some(Value::Null));
    }
    object(json!({"enum": listed}))
}

/// A number, or a string with one. Bounds cannot be said of a string.
fn number(
    kind: &str,
    (min, max): (Value, Value),
    as_text: Map<String, Value>,
    body: Body,
) -> Map<String, Value> {
    match body {
        Body::Form => as_text,
        Body::Json => object(json!({
            "anyOf": [{"type": kind, "minimum": min, "maximum": max}, as_text],
        })),
    }
}

/// An exact bound as a JSON number.
fn bound(bound: Option<impl ToString>, otherwise: i64) -> Value {
    let text = bound.map(|bound| bound.to_string()).unwrap_or_default();
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(whole), _) => whole.into(),
        (_, Ok(float)) => float.into(),
        _ => otherwise.into(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A pattern of the market's as ECMA 262 has it, where both mean the same by it. What the two
/// read differently is left to the description.
fn portable(pattern: &str) -> Option<String> {
    const FOREIGN: [&str; 12] = [
        "(?i", "(?x", "(?s", "(?m", "(?u", "(?-", "(?P", "(?U", "[[", "&&", r"\p", r"\P",
    ];
    const FOREIGN_ESCAPES: [&str; 8] = [r"\A", r"\z", r"\x{", r"\u{", r"\U", r"\Q", r"\<", r"\b{"];
    let foreign = FOREIGN
        .iter()
        .chain(&FOREIGN_ESCAPES)
        .any(|part| pattern.contains(part));
    (!foreign && pattern.is_ascii()).then(|| pattern.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ecma_262_reads_otherwise_is_not_said() {
        assert_eq!(
            portable("^(?:[A-Z]{2})$").as_deref(),
            Some("^(?:[A-Z]{2})$")
        );
        for foreign in [
            "(?i)a",
            r"\p{L}",
            "[[:alpha:]]",
            "[a-z&&[^b]]",
            r"\Aa\z",
            "ä",
        ] {
            assert_eq!(portable(foreign), None, "{foreign}");
        }
    }
}
