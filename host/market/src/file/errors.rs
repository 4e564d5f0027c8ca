//! What is wrong with a market, gathered until everything has been looked at.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::Serialize;

use super::limits::{ERRORS_MAX, SUGGESTIONS_MAX};

/// One thing that is wrong with a market file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarketError {
    /// The key's path, such as `accounts.sunco-west.criteria[1].field`; empty for the whole file.
    pub path: String,
    /// The line in a TOML file, from 1; of JSON only where it cannot be read at all.
    pub line: Option<u32>,
    /// The kind of fault: one of [`code`]'s.
    pub code: &'static str,
    /// What is wrong and what would be right, for a person.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl MarketError {
    /// An error whose line is not known yet, without a suggestion.
    pub fn new(path: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            code,
            message: message.into(),
            suggestion: None,
        }
    }
}

/// `line 12: accounts.sunco-west.status: not one of active, paused (did you mean "active"?)`
impl fmt::Display for MarketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean {suggestion:?}?)"),
            None => Ok(()),
        }
    }
}

/// The kinds of fault; those of a single value are also [`crate::reason::FieldCode`]'s.
pub mod code {
    /// Not TOML, or not JSON.
    pub const SYNTAX: &str = "syntax";
    /// No such key.
    pub const UNKNOWN_KEY: &str = "unknown_key";
    /// A key that must be there.
    pub const MISSING: &str = "missing";
    /// A value of another type.
    pub const WRONG_TYPE: &str = "wrong_type";
    /// A value of another form.
    pub const BAD_FORMAT: &str = "bad_format";
    /// A word that is not one of those allowed.
    pub const NOT_ALLOWED: &str = "not_allowed";
    /// Too small or too large.
    pub const OUT_OF_RANGE: &str = "out_of_range";
    /// The name of something that the market does not have.
    pub const UNKNOWN_NAME: &str = "unknown_name";
    /// Not a name of its kind.
    pub const BAD_NAME: &str = "bad_name";
    /// The same thing twice.
    pub const DUPLICATE: &str = "duplicate";
    /// Nothing where something must be.
    pub const EMPTY: &str = "empty";
    /// More of something than a market may have.
    pub const TOO_MANY: &str = "too_many";
    /// A text longer than it may be.
    pub const TOO_LONG: &str = "too_long";
    /// Two keys that exclude each other, or contradict each other.
    pub const CONFLICT: &str = "conflict";
    /// A key or a test that does not go with the field's type.
    pub const NOT_FOR_TYPE: &str = "not_for_type";
    /// A personal field where none may be.
    pub const PERSONAL_FIELD: &str = "personal_field";
}

/// The errors found so far.
#[derive(Default)]
pub struct Findings {
    errors: RefCell<Vec<MarketError>>,
    suggestions: Cell<usize>,
    left_out: Cell<usize>,
}

impl Findings {
    /// Notes an error.
    pub fn add(&self, error: MarketError) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < ERRORS_MAX {
            errors.push(error);
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    /// How many there are: whether a part is faulty shows in whether this has grown.
    pub fn count(&self) -> usize {
        self.errors.borrow().len() + self.left_out.get()
    }

    /// The known word nearest to a wrong one, if it is near enough to have been meant.
    pub fn nearest<'k>(&self, wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
        if self.suggestions.get() >= SUGGESTIONS_MAX {
            return None;
        }
        self.suggestions.set(self.suggestions.get() + 1);
        // One edit for each three letters: enough for a typing error, too few for another word.
        let reach = (wrong.len() / 3).max(1);
        known
            .filter(|word| word.len().abs_diff(wrong.len()) <= reach)
            .map(|word| (strsim::osa_distance(wrong, word), word))
            .filter(|(distance, _)| *distance <= reach)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, word)| word.to_owned())
    }

    /// Every error, in the file's order.
    pub fn into_errors(self) -> Vec<MarketError> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|error| error.line);
        let left_out = self.left_out.get();
        if left_out > 0 {
            errors.push(MarketError {
                path: String::new(),
                line: None,
                code: code::TOO_MANY,
                message: format!("{left_out} more errors are not shown"),
                suggestion: None,
            });
        }
        errors
    }
}
