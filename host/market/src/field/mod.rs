//! Field types, and how a value that somebody sent becomes one that Gavel keeps.
//!
//! The rules stand in `rules.md`, Values. A [`Value`] that exists is normalised: two
//! leads with equal values are equal to Gavel, whatever their spelling was.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

mod formats;
mod numbers;
mod read;
#[cfg(test)]
mod tests;

pub use formats::{EMAIL_MAX_BYTES, URL_MAX_BYTES};
pub use read::{FieldProblem, text_problem};

/// Longest text where the market names no `max_length`, in characters.
pub const TEXT_MAX_LENGTH: usize = 1000;

/// A field of a lead type.
#[derive(Debug, Clone)]
pub struct FieldSpec {
    /// `[a-z][a-z0-9_]{0,63}`.
    pub name: Arc<str>,
    /// What values it takes.
    pub kind: FieldType,
    /// Refused at the ping, sealed at the post.
    pub personal: bool,
    /// For the posting instructions.
    pub description: Option<String>,
}

/// What values a field takes.
#[derive(Debug, Clone)]
pub enum FieldType {
    /// Any text.
    Text {
        /// The only values it takes, where there are such.
        one_of: Option<Vec<Arc<str>>>,
        /// What the whole value must match.
        pattern: Option<regex::Regex>,
        /// In characters.
        max_length: usize,
        /// Values that look personal are let through at the ping.
        no_personal_check: bool,
    },
    /// A whole number; both bounds included.
    Integer {
        /// Smallest.
        min: Option<i64>,
        /// Largest.
        max: Option<i64>,
    },
    /// `-?\d{1,15}(\.\d{1,6})?`; both bounds included.
    Decimal {
        /// Smallest.
        min: Option<Decimal>,
        /// Largest.
        max: Option<Decimal>,
    },
    /// Yes or no.
    Flag,
    /// A calendar date, `YYYY-MM-DD`.
    Date,
    /// An absolute http or https URL.
    Url,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An e-mail address.
    Email,
    /// A telephone number of the North American plan, kept as E.164.
    UsPhone,
    /// A USPS state code.
    UsState,
    /// Five digits.
    UsZip,
}

/// A field's normalised value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Every type that is not one of the others.
    Text(Arc<str>),
    /// A whole number.
    Integer(i64),
    /// An exact number, without needless zeros.
    #[serde(with = "rust_decimal::serde::str")]
    Decimal(Decimal),
    /// Yes or no.
    Flag(bool),
    /// `YYYY-MM-DD`.
    Date(jiff::civil::Date),
}

impl Value {
    /// The value as JSON: what the supplier could send to mean the same.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Integer(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            other => other.to_text().into(),
        }
    }

    /// The value as plain text: what a form would carry.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.as_ref().into(),
            Self::Integer(number) => number.to_string(),
            Self::Decimal(number) => number.normalize().to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Date(date) => date.to_string(),
        }
    }
}
