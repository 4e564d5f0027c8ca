//! A lead's values, and what criteria ask of them, read from `rules.md`, Values and The ping.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::case::{FIELDS, PERSONAL, SHADE, Same, Sent, Test};

/// A value in the one form in which it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(Decimal),
    Flag(bool),
    Day(Date),
}

/// A lead's values, by the fields' places.
pub(crate) type Values = [Option<Value>; FIELDS.len()];

/// What a text means in a field of this type.
fn value(kind: &str, text: &str) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    Some(match kind {
        "us_state" => Value::Text(text.to_uppercase()),
        "decimal" | "integer" => Value::Number(text.parse::<Decimal>().unwrap().normalize()),
        "flag" => Value::Flag(matches!(text, "true" | "yes" | "1")),
        "date" => Value::Day(text.parse().unwrap()),
        "us_phone" => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let ten = digits.split_at(digits.len() - 10).1;
            Value::Text(format!("+1{ten}"))
        }
        "email" => {
            let (name, domain) = text.split_once('@').unwrap();
            Value::Text(format!("{name}@{}", domain.to_lowercase()))
        }
        _ => Value::Text(text.to_owned()),
    })
}

/// A whole lead.
pub(crate) fn values(sent: &Sent) -> Values {
    std::array::from_fn(|at| value(FIELDS[at].1, sent[at].as_ref()?))
}

/// The same without what is personal.
pub(crate) fn without_personal(values: &Values) -> Values {
    std::array::from_fn(|at| values[at].clone().filter(|_| at < PERSONAL))
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Day(day) => day.to_string(),
    }
}

fn not_below(value: &Value, bound: &Value) -> bool {
    match (value, bound) {
        (Value::Number(value), Value::Number(bound)) => value >= bound,
        (Value::Day(value), Value::Day(bound)) => value >= bound,
        _ => false,
    }
}

/// Whether a criterion is met: no answer where nobody knows yet.
fn meets(field: usize, test: &Test, lead: &Values, is_whole: bool) -> Option<bool> {
    let read = |text: &&str| value(FIELDS[field].1, text).unwrap();
    let Some(there) = &lead[field] else {
        return is_whole.then_some(matches!(test, Test::Present(false)));
    };
    Some(match test {
        Test::In(list) => list.iter().any(|one| read(one) == *there),
        Test::NotIn(list) => !list.iter().any(|one| read(one) == *there),
        Test::Is(wanted) => *there == Value::Flag(*wanted),
        Test::Min(bound) => not_below(there, &read(bound)),
        Test::Max(bound) => not_below(&read(bound), there),
        Test::Prefix(list) => list.iter().any(|one| text_of(there).starts_with(one)),
        Test::Matches(pattern) => (pattern.means)(&text_of(there)),
        Test::Present(wanted) => *wanted,
    })
}

/// Whether a lead fails none of these criteria.
pub(crate) fn meets_all(criteria: &[(usize, Test)], lead: &Values, is_whole: bool) -> bool {
    let known = criteria
        .iter()
        .map(|(field, test)| meets(*field, test, lead, is_whole));
    known.flatten().all(|met| met)
}

/// Whether a filter on the roof's shade lets a lead through: one that does not say is.
pub(crate) fn has_shade(accepted: Option<&Vec<&'static str>>, lead: &Values) -> bool {
    match (accepted, &lead[SHADE]) {
        (Some(accepted), Some(shade)) => accepted.contains(&text_of(shade).as_str()),
        _ => true,
    }
}

/// Whether two leads are the same by these fields: e-mail in lower case, absent values never.
pub(crate) fn are_same(same: &Same, one: &Values, other: &Values) -> bool {
    let equal = |at: &usize| {
        let (one, other) = (compared(*at, one), compared(*at, other));
        one.is_some() && one == other
    };
    if same.all {
        same.fields.iter().all(equal)
    } else {
        same.fields.iter().any(equal)
    }
}

/// Whether two leads are the same in all fields.
pub(crate) fn are_equal(one: &Values, other: &Values) -> bool {
    (0..FIELDS.len()).all(|at| compared(at, one) == compared(at, other))
}

/// A value as it is compared with another lead's.
fn compared(at: usize, lead: &Values) -> Option<Value> {
    match (&lead[at], FIELDS[at].1) {
        (Some(Value::Text(text)), "email") => Some(Value::Text(text.to_lowercase())),
        (value, _) => value.clone(),
    }
}
