//! One value of a market file, read as what it ought to be. What it is not is noted, and
//! nothing is returned then.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use rust_decimal::Decimal;

use super::{
    errors::{Findings, MarketError, code},
    limits::TEXT_MAX,
    reader::Section,
    tree::{Node, NodeValue},
};
use crate::money::{Money, MoneyError};

/// A value, and where it stands.
pub struct Spot<'a> {
    /// Where errors are noted.
    pub findings: &'a Findings,
    /// Its key's path, such as `accounts.sunco-west.price`.
    pub path: String,
    /// From 1; of JSON there is none.
    pub line: Option<u32>,
    /// What stands there.
    pub node: &'a Node,
}

impl<'a> Spot<'a> {
    /// Notes an error of this value.
    pub fn error(&self, code: &'static str, message: impl Into<String>) {
        self.error_suggesting(code, message, None);
    }

    /// Notes an error of this value, with what was probably meant.
    pub fn error_suggesting(
        &self,
        code: &'static str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.findings.add(MarketError {
            path: self.path.clone(),
            line: self.line,
            code,
            message: message.into(),
            suggestion,
        });
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.error(
            code::WRONG_TYPE,
            format!("{expected} is expected, not {}", self.node.kind()),
        );
        None
    }

    /// The error of `read`'s result, noted.
    pub fn noted<T, E: ToString>(&self, code: &'static str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.error(code, error.to_string()))
            .ok()
    }

    /// True or false.
    pub fn flag(&self) -> Option<bool> {
        match self.node.value {
            NodeValue::Flag(flag) => Some(flag),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A string, empty or not.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            NodeValue::Text(text) => Some(text),
            _ => self.wrong_type("a string"),
        }
    }

    /// Text for people: neither empty nor endless.
    pub fn words(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.error(code::EMPTY, "a text is expected");
            return None;
        }
        if text.chars().count() > TEXT_MAX {
            self.error(code::TOO_LONG, format!("at most {TEXT_MAX} characters"));
            return None;
        }
        Some(text)
    }

    /// A whole number in a range.
    pub fn integer(&self, range: &RangeInclusive<i64>) -> Option<i64> {
        match self.node.value {
            NodeValue::Integer(number) if range.contains(&number) => Some(number),
            NodeValue::Integer(_) => self.out_of_range(range.start(), range.end()),
            _ => self.wrong_type("a whole number"),
        }
    }

    /// A number of things.
    pub fn count(&self, range: &RangeInclusive<i64>) -> Option<u32> {
        u32::try_from(self.integer(range)?).ok()
    }

    /// A number of things, at least one.
    pub fn positive(&self, at_most: i64) -> Option<NonZeroU32> {
        NonZeroU32::new(self.count(&(1..=at_most))?)
    }

    fn out_of_range<T>(
        &self,
        least: impl std::fmt::Display,
        most: impl std::fmt::Display,
    ) -> Option<T> {
        self.error(
            code::OUT_OF_RANGE,
            format!("at least {least} and at most {most}"),
        );
        None
    }

    /// A time in a range, such as `20s`.
    pub fn duration(&self, range: &RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text()?;
        let Ok(duration) = humantime::parse_duration(text) else {
            self.error(
                code::BAD_FORMAT,
                "a time is written like \"800ms\", \"20s\", \"5m\" or \"30d\"",
            );
            return None;
        };
        if range.contains(&duration) {
            return Some(duration);
        }
        self.out_of_range(
            humantime::format_duration(*range.start()),
            humantime::format_duration(*range.end()),
        )
    }

    /// A size in bytes.
    pub fn size(&self, range: &RangeInclusive<u64>) -> Option<usize> {
        let text = self.text()?;
        let Ok(size) = text.parse::<bytesize::ByteSize>() else {
            self.error(
                code::BAD_FORMAT,
                "a size is written like \"16MiB\" or \"4KiB\"",
            );
            return None;
        };
        if range.contains(&size.0) {
            return usize::try_from(size.0).ok();
        }
        self.out_of_range(
            bytesize::ByteSize(*range.start()),
            bytesize::ByteSize(*range.end()),
        )
    }

    /// A number written as a string, since TOML's and JSON's own may be binary floating point.
    fn exact(&self, example: &str) -> Option<&'a str> {
        match &self.node.value {
            NodeValue::Text(text) => Some(text),
            NodeValue::Integer(_) | NodeValue::Float(_) => {
                self.error(
                    code::WRONG_TYPE,
                    format!("write it as a string, such as \"{example}\", so that it stays exact"),
                );
                None
            }
            _ => self.wrong_type("a number as a string"),
        }
    }

    /// An amount, written as a string.
    pub fn money(&self) -> Option<Money> {
        let text = self.exact("12.50")?;
        Money::parse(text)
            .map_err(|error| self.error(money_code(error), error.to_string()))
            .ok()
    }

    /// Per cent, at most `most`, in the form of an amount.
    pub fn percent(&self, most: Decimal) -> Option<Decimal> {
        let text = self.exact("12.5")?;
        match Money::parse(text) {
            Ok(percent) if percent.amount() <= most => Some(percent.amount()),
            Err(MoneyError::BadFormat) => {
                self.error(
                    code::BAD_FORMAT,
                    "per cents are written like \"12.5\": digits, at most four decimals, no sign",
                );
                None
            }
            _ => self.out_of_range(0, most),
        }
    }

    /// One of these words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let suggestion = self.findings.nearest(text, known.iter().copied());
        self.error_suggesting(
            code::NOT_ALLOWED,
            format!("one of {} is expected", known.join(", ")),
            suggestion,
        );
        None
    }

    /// A name of something that `find` finds; else one of `known` is suggested.
    pub fn reference<T, K: AsRef<str>>(
        &self,
        what: &str,
        find: impl FnOnce(&str) -> Option<T>,
        known: impl Iterator<Item = K>,
    ) -> Option<T> {
        let name = self.text()?;
        let found = find(name);
        if found.is_none() {
            let known: Vec<K> = known.collect();
            let suggestion = self.findings.nearest(name, known.iter().map(AsRef::as_ref));
            self.error_suggesting(
                code::UNKNOWN_NAME,
                format!("there is no {what} of this name"),
                suggestion,
            );
        }
        found
    }

    /// The table that it is.
    pub fn section(&self) -> Option<Section<'a>> {
        match &self.node.value {
            NodeValue::Table(table) => Some(Section::new(
                self.findings,
                self.path.clone(),
                self.line,
                table,
            )),
            _ => self.wrong_type("a table"),
        }
    }

    /// Notes where it is a list of nothing.
    pub fn must_hold(&self, expected: &str) {
        if matches!(&self.node.value, NodeValue::List(items) if items.is_empty()) {
            self.error(code::EMPTY, format!("{expected} is expected"));
        }
    }

    /// The items of a list, at most so many.
    pub fn items(&self, at_most: usize) -> Option<impl Iterator<Item = Spot<'a>> + use<'a, '_>> {
        let NodeValue::List(items) = &self.node.value else {
            return self.wrong_type("a list");
        };
        if items.len() > at_most {
            self.error(
                code::TOO_MANY,
                format!("at most {at_most} are possible, {} are here", items.len()),
            );
            return None;
        }
        Some(items.iter().enumerate().map(|(at, node)| Spot {
            findings: self.findings,
            path: format!("{}[{at}]", self.path),
            line: node.line.or(self.line),
            node,
        }))
    }
}

/// The kind of fault that an amount has.
pub(super) fn money_code(error: MoneyError) -> &'static str {
    match error {
        MoneyError::BadFormat => code::BAD_FORMAT,
        MoneyError::TooLarge => code::OUT_OF_RANGE,
    }
}
