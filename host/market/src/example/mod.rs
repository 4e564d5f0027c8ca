//! Values that a field takes, for posting instructions.
//!
//! Every one is made by trying: a candidate counts only if the field's own reader takes it
//! and, where it is to be pinged, if it does not look personal. So an example can lack, but
//! it cannot be wrong. Whatever could be taken for a person is one that nobody is: names
//! that say so, 555-01xx telephone numbers, addresses of `example.com` (RFC 2606) and
//! 192.0.2.0/24 (RFC 5737).

mod pattern;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::{ToSpan as _, civil::Date};
use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::{
    contract::{Contract, Need},
    field::{FieldSpec, FieldType},
    lead::hides_personal,
    model::Channel,
};

/// Different texts that a pattern is asked for before it is given up.
const PATTERN_TRIES: usize = 24;

/// What a name says of a text's meaning: the first entry of which the name has a part that
/// begins so.
const BY_NAME: &[(&str, &[&str])] = &[
    ("first", &["Jordan"]),
    ("given", &["Jordan"]),
    ("last", &["Sample"]),
    ("family", &["Sample"]),
    ("sur", &["Sample"]),
    ("company", &["Example Ltd."]),
    ("employer", &["Example Ltd."]),
    ("provider", &["Example Utility"]),
    ("street", &["12 Example Street"]),
    ("address", &["12 Example Street"]),
    ("city", &["Springfield"]),
    ("county", &["Example County"]),
    ("country", &["US", "USA", "United States"]),
    ("gender", &["X"]),
    ("name", &["Jordan Sample"]),
    ("make", &["Example Motors"]),
    ("model", &["Sample 1"]),
    ("agent", &["ExampleBrowser/1.0"]),
];

/// One lead, as it would be sent in parts.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    /// The ping's fields; of a direct post, none.
    pub ping: Sent,
    /// The post's fields, without those that the ping has.
    pub post: Sent,
}

/// The fields of one request.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Names and values.
    pub fields: Vec<(Arc<str>, Json)>,
    /// Required fields for which no value could be made.
    pub lacking: Vec<Arc<str>>,
}

impl Examples {
    /// For a campaign; dates are about `today`.
    pub fn of(contract: &Contract, today: Date) -> Self {
        let mut examples = Self::default();
        for term in &contract.terms {
            let value = value(&term.spec, today);
            let pinged = contract.channel == Channel::PingPost && !term.spec.personal;
            let (sent, need) = if pinged {
                (&mut examples.ping, term.at_ping)
            } else {
                (&mut examples.post, term.at_post)
            };
            match value {
                Some(value) => sent.fields.push((Arc::clone(&term.spec.name), value)),
                None if need == Need::Required => sent.lacking.push(Arc::clone(&term.spec.name)),
                None if term.at_post == Need::RequiredUnlessPinged => {
                    examples.post.lacking.push(Arc::clone(&term.spec.name));
                }
                None => {}
            }
        }
        examples
    }
}

/// A value that the field takes, as JSON would carry it, or `None` where none was found.
pub fn value(spec: &FieldSpec, today: Date) -> Option<Json> {
    candidates(spec, today)
        .into_iter()
        .find(|candidate| takes(spec, candidate))
}

fn takes(spec: &FieldSpec, candidate: &Json) -> bool {
    match spec.read(candidate) {
        Ok(Some(value)) => spec.personal || !hides_personal(spec, &value),
        _ => false,
    }
}

fn candidates(spec: &FieldSpec, today: Date) -> Vec<Json> {
    match &spec.kind {
        FieldType::Text {
            one_of,
            pattern,
            max_length,
            ..
        } => {
            let listed = one_of.iter().flatten().map(ToString::to_string);
            let named = if one_of.is_none() {
                by_name(&spec.name)
            } else {
                &[]
            };
            let made = pattern
                .iter()
                .flat_map(|pattern| pattern::texts(pattern.as_str(), PATTERN_TRIES));
            let plain = named.iter().chain(&["Example", "example", "1", "A"]);
            let plain = plain.map(|text| text.chars().take(*max_length).collect::<String>());
            listed.chain(plain).chain(made).map(Json::from).collect()
        }
        FieldType::Integer { min, max } => [24, 180, 3, 1]
            .into_iter()
            .chain(*min)
            .chain(*max)
            .map(Json::from)
            .collect(),
        FieldType::Decimal { min, max } => [180, 25, 3, 1]
            .into_iter()
            .map(Decimal::from)
            .chain(*min)
            .chain(*max)
            .map(|number| number.normalize().to_string().into())
            .collect(),
        FieldType::Flag => vec![true.into()],
        FieldType::Date => vec![date(&spec.name, today).to_string().into()],
        FieldType::Url => {
            let path = spec.name.replace('_', "-");
            vec![format!("https://www.example.com/{path}/7f3a9c").into()]
        }
        FieldType::Ip => vec!["192.0.2.44".into()],
        FieldType::Email => vec!["jordan.sample@example.com".into()],
        FieldType::UsPhone => vec!["(202) 555-0142".into()],
        FieldType::UsState => vec!["CA".into()],
        FieldType::UsZip => vec!["90210".into()],
    }
}

fn by_name(name: &str) -> &'static [&'static str] {
    let entry = BY_NAME
        .iter()
        .find(|(part, _)| name.split('_').any(|word| word.starts_with(part)));
    entry.map_or(&[], |(_, values)| values)
}

/// A birthday is long past, what else has a date is about to come.
fn date(name: &str, today: Date) -> Date {
    let born = name
        .split('_')
        .any(|word| word.starts_with("birth") || word.starts_with("born") || word == "dob");
    if born {
        return Date::constant(1985, 4, 12);
    }
    today
        .checked_add(1.month())
        .map_or(today, jiff::civil::Date::last_of_month)
}
