//! Conditions on fields, checked natively before any plugin runs (`rules.md`, ping 7).
//!
//! Three-valued: of a field that a ping lacks nobody knows yet, so a criterion on it is
//! neither met nor failed, and is asked again at the post.

use std::borrow::Cow;

use regex::Regex;
use rust_decimal::Decimal;

use crate::{field::Value, lead::Fields};

/// One condition on one field.
#[derive(Debug, Clone)]
pub struct Criterion {
    /// Place of the field in the lead type.
    pub field: usize,
    /// What is asked of it.
    pub test: Test,
}

/// What a criterion asks of a field's value.
#[derive(Debug, Clone)]
pub enum Test {
    /// One of these; `is = true` is `in` with one value. Sorted.
    In(Vec<Value>),
    /// None of these. Sorted.
    NotIn(Vec<Value>),
    /// At least this (integer, decimal or date, as the field).
    Min(Value),
    /// At most this.
    Max(Value),
    /// Its text begins with one of these.
    Prefix(Vec<String>),
    /// Its text matches as a whole: the expression is anchored at both ends, as
    /// [`whole_value`] makes it.
    Matches(Regex),
    /// Is there, or is not.
    Present(bool),
}

/// Whether a criterion is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Met.
    True,
    /// Not met.
    False,
    /// The field is absent from a ping: the post will tell.
    Unknown,
}

/// What a field's absence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing yet: in a ping.
    Unknown,
    /// That only `present = false` is met: in a full lead, and in a ping of a campaign with
    /// `ping.qualify_all_criteria`.
    Fails,
}

impl Criterion {
    /// Whether a lead meets this criterion.
    pub fn asks<L: Fields>(&self, lead: &L, absent: Absent) -> Truth {
        match (lead.value(self.field), absent) {
            (Some(value), _) => truth(self.test.is_met_by(value)),
            (None, Absent::Unknown) => Truth::Unknown,
            (None, Absent::Fails) => truth(self.test.is_met_by_absence()),
        }
    }
}

/// Two values as two of three.
fn truth(met: bool) -> Truth {
    if met { Truth::True } else { Truth::False }
}

impl Test {
    /// Whether a value meets it. Bounds are included.
    pub(crate) fn is_met_by(&self, value: &Value) -> bool {
        match self {
            Self::In(values) => values.binary_search(value).is_ok(),
            Self::NotIn(values) => values.binary_search(value).is_err(),
            Self::Min(least) => in_order(least, value),
            Self::Max(most) => in_order(value, most),
            Self::Prefix(prefixes) => {
                let text = text(value);
                prefixes
                    .iter()
                    .any(|prefix| text.starts_with(prefix.as_str()))
            }
            Self::Matches(pattern) => pattern.is_match(&text(value)),
            Self::Present(wanted) => *wanted,
        }
    }

    /// Whether the absence of a value meets it, where that is known.
    pub(crate) fn is_met_by_absence(&self) -> bool {
        matches!(self, Self::Present(false))
    }
}

/// The place of the first criterion that a lead fails, in the account's order.
pub fn first_failed<L: Fields>(criteria: &[Criterion], lead: &L, absent: Absent) -> Option<usize> {
    criteria
        .iter()
        .position(|criterion| criterion.asks(lead, absent) == Truth::False)
}

/// An expression that must match the whole of a value, from one that a person wrote.
///
/// The person's own is compiled first: wrapped at once, `a)|(?:b` would be two halves with
/// one anchor each.
pub fn whole_value(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(pattern)?;
    // The line end closes a comment that `(?x)` lets the pattern end with, and is blank there.
    Regex::new(&format!("^(?:{pattern})$")).or_else(|_| Regex::new(&format!("^(?:{pattern}\n)$")))
}

/// A value's place on the scale that `min` and `max` measure on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scale {
    /// Integers and decimals.
    Number(Decimal),
    /// Dates.
    Date(jiff::civil::Date),
}

impl Scale {
    /// Where a value stands; nowhere for text and flags, which no bound admits.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(Self::Number((*number).into())),
            Value::Decimal(number) => Some(Self::Number(*number)),
            Value::Date(date) => Some(Self::Date(*date)),
            Value::Text(_) | Value::Flag(_) => None,
        }
    }
}

/// Whether both are on the scale and the second is not below the first.
fn in_order(low: &Value, high: &Value) -> bool {
    matches!((Scale::of(low), Scale::of(high)), (Some(low), Some(high)) if low <= high)
}

/// The text form of a value, without a copy where it is text.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eligibility::testing::{date, decimal, lead, value};

    const STATE: usize = 0;
    const BILL: usize = 1;
    const DAY: usize = 4;

    fn on(field: usize, test: Test) -> Criterion {
        Criterion { field, test }
    }

    /// Of a lead from California with a bill of 100.
    fn asked(test: Test) -> Truth {
        let field = if matches!(test, Test::Min(_) | Test::Max(_)) {
            BILL
        } else {
            STATE
        };
        let lead = lead([(STATE, value("CA")), (BILL, decimal("100"))]);
        on(field, test).asks(&lead, Absent::Fails)
    }

    /// Of a lead without any field.
    fn of_nothing(test: Test, absent: Absent) -> Truth {
        on(STATE, test).asks(&lead([]), absent)
    }

    fn all_tests() -> Vec<Test> {
        vec![
            Test::In(vec![value("CA")]),
            Test::NotIn(vec![value("NV")]),
            Test::Min(decimal("1")),
            Test::Max(decimal("1")),
            Test::Prefix(vec![String::new()]),
            Test::Matches(whole_value(".*").unwrap()),
            Test::Present(true),
            Test::Present(false),
        ]
    }

    #[test]
    fn a_criterion_on_a_field_that_a_ping_lacks_is_unknown() {
        for test in all_tests() {
            assert_eq!(
                of_nothing(test.clone(), Absent::Unknown),
                Truth::Unknown,
                "{test:?}"
            );
        }
    }

    #[test]
    fn in_a_full_lead_an_absent_field_meets_only_present_false() {
        for test in all_tests() {
            let met = matches!(test, Test::Present(false));
            assert_eq!(
                of_nothing(test.clone(), Absent::Fails),
                truth(met),
                "{test:?}"
            );
        }
    }

    #[test]
    fn bounds_are_included() {
        assert_eq!(asked(Test::Min(decimal("100"))), Truth::True);
        assert_eq!(asked(Test::Min(decimal("100.01"))), Truth::False);
        assert_eq!(asked(Test::Max(decimal("100.0"))), Truth::True);
        assert_eq!(asked(Test::Max(decimal("99.99"))), Truth::False);
        let lead = lead([(DAY, date("2026-02-28"))]);
        let day = |test| on(DAY, test).asks(&lead, Absent::Fails);
        assert_eq!(day(Test::Min(date("2026-02-28"))), Truth::True);
        assert_eq!(day(Test::Max(date("2025-12-31"))), Truth::False);
    }

    #[test]
    fn lists_and_presence_are_what_they_say() {
        assert_eq!(asked(Test::In(vec![value("AZ"), value("CA")])), Truth::True);
        assert_eq!(asked(Test::In(vec![])), Truth::False);
        assert_eq!(asked(Test::NotIn(vec![value("CA")])), Truth::False);
        assert_eq!(asked(Test::NotIn(vec![value("AZ")])), Truth::True);
        assert_eq!(asked(Test::Present(true)), Truth::True);
        assert_eq!(asked(Test::Present(false)), Truth::False);
    }

    #[test]
    fn a_prefix_is_one_of_the_list_and_of_the_text_form() {
        assert_eq!(
            asked(Test::Prefix(vec!["N".into(), "C".into()])),
            Truth::True
        );
        assert_eq!(asked(Test::Prefix(vec!["A".into()])), Truth::False);
        let lead = lead([(BILL, decimal("180.5"))]);
        let bill =
            |prefix: &str| on(BILL, Test::Prefix(vec![prefix.into()])).asks(&lead, Absent::Fails);
        assert_eq!((bill("18"), bill("180.50")), (Truth::True, Truth::False));
    }

    #[test]
    fn matches_must_match_the_whole_value() {
        let matches = |pattern: &str| asked(Test::Matches(whole_value(pattern).unwrap()));
        for whole in ["CA", "C.", "AZ|CA", "(?x) C A # a comment", "(?i)ca"] {
            assert_eq!(matches(whole), Truth::True, "{whole}");
        }
        for part in ["C", "A", "C|A", "AZ|C", "(?m)C$"] {
            assert_eq!(matches(part), Truth::False, "{part}");
        }
        // No expression gets out of its anchors.
        assert!(whole_value("C)|(?:A").is_err());
    }

    #[test]
    fn the_first_criterion_that_fails_is_named_and_an_unknown_one_does_not_fail() {
        let criteria = [
            on(DAY, Test::Present(true)),
            on(STATE, Test::In(vec![value("CA")])),
            on(BILL, Test::Min(decimal("200"))),
        ];
        let pinged = lead([(STATE, value("CA")), (BILL, decimal("100"))]);
        assert_eq!(first_failed(&criteria, &pinged, Absent::Unknown), Some(2));
        assert_eq!(first_failed(&criteria, &pinged, Absent::Fails), Some(0));
        let enough = lead([(STATE, value("CA")), (BILL, decimal("300"))]);
        assert_eq!(first_failed(&criteria, &enough, Absent::Unknown), None);
    }
}
