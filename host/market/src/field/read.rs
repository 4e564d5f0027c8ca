//! From what a supplier sent to a [`Value`], or to what is wrong with it.

use std::{borrow::Cow, net::IpAddr, str::FromStr, sync::Arc};

use serde_json::Value as Json;

use super::{
    FieldSpec, FieldType, Value,
    formats::{date, email, url, us_phone, us_state, us_zip},
    numbers::{decimal, decimal_number, integer_number, integer_text, within},
};
use crate::reason::FieldCode;

/// What a host fills in with a secret; in a lead it could steal one.
const SECRET_MARK: &str = "{{secret:";

/// What is wrong with one value. The message never repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldProblem {
    /// The kind of fault.
    pub code: FieldCode,
    /// What would have been right, for a person.
    pub message: Cow<'static, str>,
}

pub(super) fn problem(code: FieldCode, message: impl Into<Cow<'static, str>>) -> FieldProblem {
    FieldProblem {
        code,
        message: message.into(),
    }
}

pub(super) fn bad_format(message: &'static str) -> FieldProblem {
    problem(FieldCode::BadFormat, message)
}

/// What no text in a request may hold: control characters other than tab and line feed,
/// and the mark of a secret.
pub fn text_problem(text: &str) -> Option<FieldProblem> {
    let control = |letter: char| letter.is_control() && letter != '\t' && letter != '\n';
    if text.contains(control) {
        return Some(problem(
            FieldCode::NotAllowed,
            "control characters are not allowed",
        ));
    }
    text.contains(SECRET_MARK).then(|| {
        problem(
            FieldCode::NotAllowed,
            "\"{{secret:\" is not allowed in a value",
        )
    })
}

impl FieldSpec {
    /// The normalised value of what was sent, `None` where that is no value: `null`, or
    /// nothing but blanks. A form's values are strings; JSON's may be of other types.
    pub fn read(&self, raw: &Json) -> Result<Option<Value>, FieldProblem> {
        self.kind.read(raw)
    }
}

impl FieldType {
    /// The type's word in a market file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Integer { .. } => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Flag => "flag",
            Self::Date => "date",
            Self::Url => "url",
            Self::Ip => "ip",
            Self::Email => "email",
            Self::UsPhone => "us_phone",
            Self::UsState => "us_state",
            Self::UsZip => "us_zip",
        }
    }

    /// See [`FieldSpec::read`].
    pub(crate) fn read(&self, raw: &Json) -> Result<Option<Value>, FieldProblem> {
        match raw {
            Json::Null => Ok(None),
            Json::String(text) => {
                let text = text.trim();
                if text.is_empty() {
                    return Ok(None);
                }
                text_problem(text).map_or_else(|| self.read_text(text).map(Some), Err)
            }
            other => self.read_other(other).map(Some),
        }
    }

    /// Reads text that is trimmed, not empty, and has nothing forbidden in it.
    fn read_text(&self, text: &str) -> Result<Value, FieldProblem> {
        match self {
            Self::Text {
                one_of,
                pattern,
                max_length,
                ..
            } => free_text(text, one_of.as_deref(), pattern.as_ref(), *max_length),
            Self::Integer { min, max } => integer_text(text)
                .and_then(|number| within(number, *min, *max))
                .map(Value::Integer),
            Self::Decimal { min, max } => decimal(text)
                .and_then(|number| within(number, *min, *max))
                .map(Value::Decimal),
            Self::Flag => match text {
                "true" | "yes" | "1" => Ok(Value::Flag(true)),
                "false" | "no" | "0" => Ok(Value::Flag(false)),
                _ => Err(bad_format(
                    "a flag is true or false, \"yes\" or \"no\", \"1\" or \"0\"",
                )),
            },
            Self::Date => date(text).map(Value::Date),
            Self::Url => url(text),
            Self::Ip => IpAddr::from_str(text)
                .map(|address| kept(&address.to_string()))
                .map_err(|_| bad_format("an IPv4 or IPv6 address is expected")),
            Self::Email => email(text),
            Self::UsPhone => us_phone(text),
            Self::UsState => us_state(text),
            Self::UsZip => us_zip(text),
        }
    }

    /// Reads JSON that is neither a string nor null.
    fn read_other(&self, raw: &Json) -> Result<Value, FieldProblem> {
        match (self, raw) {
            (Self::Flag, Json::Bool(flag)) => Ok(Value::Flag(*flag)),
            (Self::Integer { min, max }, Json::Number(number)) => integer_number(number)
                .and_then(|number| within(number, *min, *max))
                .map(Value::Integer),
            (Self::Decimal { min, max }, Json::Number(number)) => decimal_number(number)
                .and_then(|number| within(number, *min, *max))
                .map(Value::Decimal),
            (Self::Flag, _) => Err(problem(FieldCode::WrongType, "true or false is expected")),
            (Self::Integer { .. } | Self::Decimal { .. }, _) => Err(problem(
                FieldCode::WrongType,
                "a number, or a string with one, is expected",
            )),
            _ => Err(problem(FieldCode::WrongType, "a string is expected")),
        }
    }
}

pub(super) fn kept(text: &str) -> Value {
    Value::Text(Arc::from(text))
}

fn free_text(
    text: &str,
    one_of: Option<&[Arc<str>]>,
    pattern: Option<&regex::Regex>,
    max_length: usize,
) -> Result<Value, FieldProblem> {
    // Bytes first: as many bytes as the limit cannot be more characters than it.
    if text.len() > max_length && text.chars().count() > max_length {
        return Err(problem(
            FieldCode::TooLong,
            format!("at most {max_length} characters"),
        ));
    }
    if one_of.is_some_and(|allowed| !allowed.iter().any(|value| &**value == text)) {
        return Err(problem(
            FieldCode::NotAllowed,
            "not one of the values that this field takes",
        ));
    }
    if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
        return Err(bad_format("not of the form that this field has"));
    }
    Ok(kept(text))
}

pub(super) fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
