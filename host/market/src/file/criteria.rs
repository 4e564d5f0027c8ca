//! `criteria = [...]` of an account.

use super::{
    errors::code,
    lead_types::{Draft, regex},
    limits::{LIST_MAX, VALUES_MAX},
    reader::Section,
    spot::Spot,
    value,
};
use crate::{
    criteria::{Criterion, Test},
    field::{FieldType, Value},
};

/// The keys of one entry that ask something.
const TESTS: [&str; 8] = [
    "in", "not_in", "is", "min", "max", "prefix", "matches", "present",
];

/// Every criterion; an entry with several tests becomes several, each of which must hold.
pub(super) fn read(spot: &Spot<'_>, draft: Option<&Draft>) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    for mut section in spot
        .items(LIST_MAX)
        .into_iter()
        .flatten()
        .filter_map(|item| item.section())
    {
        let field = section.require("field");
        let field = field.and_then(|spot| draft?.field(&spot));
        let kind = field.and_then(|(at, spec)| {
            Some((at, &spec.kind))
                .filter(|_| !draft.is_some_and(|draft| draft.faulty.contains(&at)))
        });
        if let Some((field, kind)) = kind {
            let tests = tests(&mut section, kind);
            criteria.extend(tests.into_iter().map(|test| Criterion { field, test }));
        } else {
            // What the tests must be like depends on a field that is an error already.
            section.pass_over(&TESTS);
        }
        if !TESTS.iter().any(|test| section.has(test)) {
            section.error(
                None,
                code::EMPTY,
                format!("a criterion asks something: one of {}", TESTS.join(", ")),
            );
        }
        section.finish();
    }
    criteria
}

fn tests(section: &mut Section<'_>, kind: &FieldType) -> Vec<Test> {
    let mut tests = Vec::new();
    tests.extend(
        section
            .get("in")
            .and_then(|spot| values(&spot, kind))
            .map(Test::In),
    );
    tests.extend(
        section
            .get("is")
            .and_then(|spot| value::read(&spot, kind))
            .map(|value| Test::In(vec![value])),
    );
    tests.extend(
        section
            .get("not_in")
            .and_then(|spot| values(&spot, kind))
            .map(Test::NotIn),
    );
    bounds(section, kind, &mut tests);
    tests.extend(
        section
            .get("prefix")
            .and_then(|spot| prefixes(&spot, kind))
            .map(Test::Prefix),
    );
    tests.extend(
        section
            .get("matches")
            .filter(|spot| is_text(spot, kind))
            .and_then(|spot| regex(&spot))
            .map(Test::Matches),
    );
    tests.extend(
        section
            .get("present")
            .and_then(|spot| spot.flag())
            .map(Test::Present),
    );
    tests
}

/// Values as the field keeps them, sorted, each once.
fn values(spot: &Spot<'_>, kind: &FieldType) -> Option<Vec<Value>> {
    let items = spot.items(VALUES_MAX)?;
    let mut values: Vec<_> = items.filter_map(|item| value::read(&item, kind)).collect();
    spot.must_hold("at least one value");
    values.sort_unstable();
    values.dedup();
    Some(values)
}

/// `min` and `max`, of types that have an order that means something.
fn bounds(section: &mut Section<'_>, kind: &FieldType, tests: &mut Vec<Test>) {
    // The field's own bounds are not asked: a wider criterion is needless, not wrong.
    let unbounded = match kind {
        FieldType::Integer { .. } => Some(FieldType::Integer {
            min: None,
            max: None,
        }),
        FieldType::Decimal { .. } => Some(FieldType::Decimal {
            min: None,
            max: None,
        }),
        FieldType::Date => Some(FieldType::Date),
        _ => None,
    };
    let bound = |spot: Spot<'_>| {
        if unbounded.is_none() {
            spot.error(
                code::NOT_FOR_TYPE,
                format!(
                    "a {} field has no greater and smaller: integer, decimal and date have",
                    kind.word()
                ),
            );
        }
        value::read(&spot, unbounded.as_ref()?)
    };
    let min = section.get("min").and_then(bound);
    let max = section.get("max").and_then(bound);
    if min.is_some() && max.is_some() && min > max {
        section.error(
            Some("min"),
            code::CONFLICT,
            "`min` is above `max`: no lead could meet this",
        );
    }
    tests.extend(min.map(Test::Min));
    tests.extend(max.map(Test::Max));
}

/// Whether the field's values are text; if not, that is noted.
fn is_text(spot: &Spot<'_>, kind: &FieldType) -> bool {
    let number = matches!(
        kind,
        FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Flag | FieldType::Date
    );
    if number {
        spot.error(
            code::NOT_FOR_TYPE,
            format!(
                "this is for fields whose values are text, not for {}",
                kind.word()
            ),
        );
    }
    !number
}

fn prefixes(spot: &Spot<'_>, kind: &FieldType) -> Option<Vec<String>> {
    if !is_text(spot, kind) {
        return None;
    }
    spot.must_hold("at least one prefix");
    Some(
        spot.items(VALUES_MAX)?
            .filter_map(|item| prefix(&item, kind))
            .collect(),
    )
}

/// A beginning that a normalised value of this type can have; one that none has would
/// silently shut every lead out.
fn prefix(spot: &Spot<'_>, kind: &FieldType) -> Option<String> {
    let text = spot.text()?.trim();
    if text.is_empty() {
        spot.error(code::EMPTY, "every value begins with nothing");
        return None;
    }
    let digits = |text: &str, most: usize| {
        text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (possible, expected) = match kind {
        FieldType::UsPhone => {
            let rest = text.strip_prefix("+1");
            (
                rest.is_some_and(|rest| digits(rest, 10)),
                "telephone numbers are kept like +12125550100: a prefix begins with +1",
            )
        }
        FieldType::UsZip => (
            digits(text, 5),
            "a ZIP code's prefix has at most five digits",
        ),
        FieldType::UsState => {
            let code = text.to_ascii_uppercase();
            let possible = code.len() <= 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
            if possible {
                return Some(code);
            }
            (false, "a state code's prefix has at most two letters")
        }
        _ => (true, ""),
    };
    if !possible {
        spot.error(code::BAD_FORMAT, expected);
    }
    possible.then(|| text.to_owned())
}
