//! `[lead_types.X.fields]`: what is sold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    errors::code,
    limits::{FIELD_LENGTH_MAX, FIELDS_MAX, LEAD_TYPES_MAX, PATTERN_MAX_BYTES, VALUES_MAX},
    reader::Section,
    spot::Spot,
    value,
};
use crate::{
    criteria::whole_value,
    field::{FieldSpec, FieldType, TEXT_MAX_LENGTH, Value},
    ids::LeadTypeId,
    model::LeadType,
};

/// A lead type as far as it could be read.
pub(super) struct Draft {
    pub(super) lead_type: Arc<LeadType>,
    /// Fields whose definition is faulty: their names are known, their types are not, and
    /// no error that follows from that is told.
    pub(super) faulty: BTreeSet<usize>,
}

/// Every lead type, by name.
pub(super) fn read(root: &mut Section<'_>) -> BTreeMap<LeadTypeId, Draft> {
    let sections = root.named("lead_types", LEAD_TYPES_MAX).into_iter();
    sections
        .filter_map(|(name, section)| {
            let id: LeadTypeId = section.name(name)?;
            Some((id.clone(), lead_type(id, section)))
        })
        .collect()
}

fn lead_type(id: LeadTypeId, mut section: Section<'_>) -> Draft {
    let (fields, faulty) = fields(&mut section);
    if fields.is_empty() {
        section.error(
            Some("fields"),
            code::EMPTY,
            "a lead type has at least one field",
        );
    }
    section.finish();
    Draft {
        lead_type: Arc::new(LeadType::new(id, fields)),
        faulty,
    }
}

/// The places of the fields that a list names, each once, as far as `fits` has nothing
/// against them.
pub(super) fn places(
    list: &Spot<'_>,
    draft: Option<&Draft>,
    fits: impl Fn(&Spot<'_>, &FieldSpec) -> bool,
) -> Vec<usize> {
    let mut places = Vec::new();
    for item in list.items(FIELDS_MAX).into_iter().flatten() {
        // Without a lead type there is nothing to compare with; that is an error already.
        let Some((at, spec)) = draft.and_then(|draft| draft.field(&item)) else {
            continue;
        };
        if !fits(&item, spec) {
            continue;
        }
        if places.contains(&at) {
            item.error(code::DUPLICATE, "this field stands here already");
        } else {
            places.push(at);
        }
    }
    places
}

/// The fields under a section's key `fields`, in the file's order, and which of them are faulty.
pub fn fields(section: &mut Section<'_>) -> (Vec<FieldSpec>, BTreeSet<usize>) {
    let mut fields = Vec::new();
    let mut faulty = BTreeSet::new();
    let findings = section.findings;
    for (name, mut field) in section.named("fields", FIELDS_MAX) {
        let errors_before = findings.count();
        if !is_field_name(name) {
            field.error(None, code::BAD_NAME, "a field's name is a-z, 0-9 and _, starts with a letter and has at most 64 characters");
        }
        let kind = field_type(&mut field);
        let spec = FieldSpec {
            name: name.into(),
            personal: field.get_or("personal", false, Spot::flag),
            description: field
                .get("description")
                .and_then(|spot| spot.words().map(Into::into)),
            kind: kind.unwrap_or(FieldType::Flag),
        };
        field.finish();
        if findings.count() > errors_before {
            faulty.insert(fields.len());
        }
        fields.push(spec);
    }
    (fields, faulty)
}

/// Whether a field may have this name: `[a-z][a-z0-9_]{0,63}`.
pub fn is_field_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A field's type and what goes with it; keys of other types are errors.
fn field_type(field: &mut Section<'_>) -> Option<FieldType> {
    const TEXT_KEYS: [&str; 4] = ["one_of", "pattern", "max_length", "no_personal_check"];
    const NUMBER_KEYS: [&str; 2] = ["min", "max"];
    let plain = [
        (
            "text",
            FieldType::Text {
                one_of: None,
                pattern: None,
                max_length: TEXT_MAX_LENGTH,
                no_personal_check: false,
            },
        ),
        (
            "integer",
            FieldType::Integer {
                min: None,
                max: None,
            },
        ),
        (
            "decimal",
            FieldType::Decimal {
                min: None,
                max: None,
            },
        ),
        ("flag", FieldType::Flag),
        ("date", FieldType::Date),
        ("url", FieldType::Url),
        ("ip", FieldType::Ip),
        ("email", FieldType::Email),
        ("us_phone", FieldType::UsPhone),
        ("us_state", FieldType::UsState),
        ("us_zip", FieldType::UsZip),
    ];
    let words: Vec<_> = plain.iter().map(|(word, kind)| (*word, kind)).collect();
    let Some(kind) = field.require("type").and_then(|spot| spot.word(&words)) else {
        field.pass_over(&TEXT_KEYS);
        field.pass_over(&NUMBER_KEYS);
        return None;
    };
    let not_for_type = |field: &mut Section<'_>, keys: &[&'static str], types: &str| {
        for key in keys {
            if let Some(spot) = field.get(key) {
                spot.error(
                    code::NOT_FOR_TYPE,
                    format!("`{key}` is for {types}, not for {}", kind.word()),
                );
            }
        }
    };
    let is_text = matches!(kind, FieldType::Text { .. });
    let is_number = matches!(kind, FieldType::Integer { .. } | FieldType::Decimal { .. });
    if !is_text {
        not_for_type(field, &TEXT_KEYS, "text");
    }
    if !is_number {
        not_for_type(field, &NUMBER_KEYS, "integer and decimal");
    }
    match kind {
        FieldType::Text { .. } => Some(text_type(field)),
        FieldType::Integer { .. } | FieldType::Decimal { .. } => Some(number_type(field, kind)),
        other => Some(other.clone()),
    }
}

fn text_type(field: &mut Section<'_>) -> FieldType {
    let max_length = field
        .get("max_length")
        .and_then(|spot| spot.count(&(1..=FIELD_LENGTH_MAX)))
        .map_or(TEXT_MAX_LENGTH, |length| length as usize);
    let no_personal_check = field.get_or("no_personal_check", false, Spot::flag);
    let pattern = field.get("pattern").and_then(|spot| regex(&spot));
    let any = FieldType::Text {
        one_of: None,
        pattern: pattern.clone(),
        max_length,
        no_personal_check,
    };
    let one_of = field.get("one_of").map(|spot| one_of(&spot, &any));
    FieldType::Text {
        one_of,
        pattern,
        max_length,
        no_personal_check,
    }
}

/// The values that a text field takes, normalised as what is compared with them will be.
fn one_of(spot: &Spot<'_>, any: &FieldType) -> Vec<Arc<str>> {
    let Some(items) = spot.items(VALUES_MAX) else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut values = Vec::new();
    for item in items {
        let Some(Value::Text(text)) = value::read(&item, any) else {
            continue;
        };
        if seen.insert(Arc::clone(&text)) {
            values.push(text);
        } else {
            item.error(code::DUPLICATE, "this value stands here already");
        }
    }
    if values.is_empty() {
        spot.error(code::EMPTY, "at least one value is expected");
    }
    values
}

fn number_type(field: &mut Section<'_>, kind: &FieldType) -> FieldType {
    let min = field.get("min").and_then(|spot| value::read(&spot, kind));
    let max = field.get("max").and_then(|spot| value::read(&spot, kind));
    if let (Some(min), Some(max)) = (&min, &max)
        && min > max
    {
        field.error(Some("min"), code::CONFLICT, "`min` is above `max`");
    }
    let integer = |value: Option<Value>| match value? {
        Value::Integer(number) => Some(number),
        _ => None,
    };
    let decimal = |value: Option<Value>| match value? {
        Value::Decimal(number) => Some(number),
        _ => None,
    };
    match kind {
        FieldType::Integer { .. } => FieldType::Integer {
            min: integer(min),
            max: integer(max),
        },
        _ => FieldType::Decimal {
            min: decimal(min),
            max: decimal(max),
        },
    }
}

/// A regular expression that a whole value must match.
pub(super) fn regex(spot: &Spot<'_>) -> Option<regex::Regex> {
    let pattern = spot.text()?;
    if pattern.len() > PATTERN_MAX_BYTES {
        spot.error(
            code::TOO_LONG,
            format!("a regular expression has at most {PATTERN_MAX_BYTES} bytes"),
        );
        return None;
    }
    match whole_value(pattern) {
        Ok(regex) => Some(regex),
        Err(error) => {
            spot.error(
                code::BAD_FORMAT,
                format!("no regular expression: {}", brief(&error)),
            );
            None
        }
    }
}

/// The last line of the message: the others draw a picture of the pattern.
fn brief(error: &regex::Error) -> String {
    let message = error.to_string();
    message
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}
