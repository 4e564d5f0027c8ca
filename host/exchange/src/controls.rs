//! What stands beside the lead in a request: `tmax_ms`, `min_bid`, `sub_id`, `test` and the rest.
//!
//! Read as fields are: every error is reported, under the control's own name.

use std::time::Duration;

use gavel_market::{
    ids::OrderId, lead::FieldError, money::Money, personal::looks_personal, reason::FieldCode,
};
use serde_json::Value;

use crate::{
    api::RawRequest,
    limits::{IDEMPOTENCY_KEY_MAX_CHARS, TMAX_LEAST_MS},
};

/// The controls of a ping, checked.
#[derive(Debug, Default)]
pub(crate) struct PingControls {
    /// The supplier's own deadline.
    pub tmax: Option<Duration>,
    /// What the supplier asks for at least.
    pub min_bid: Option<Money>,
    /// Not checked here: it is read with the lead, since it may look personal.
    pub sub_id: Option<String>,
    /// Makes the ping safe to send again.
    pub idempotency_key: Option<String>,
    /// Whether the request says that it is a test.
    pub test: bool,
}

/// The controls of a post, checked.
#[derive(Debug, Default)]
pub(crate) struct PostControls {
    /// What is posted to.
    pub order: Option<OrderId>,
    /// Whether the request says that it is a test.
    pub test: bool,
}

impl PingControls {
    /// Reads a ping's controls; `problems` gets what is wrong with them.
    pub(crate) fn read(
        request: &RawRequest,
        ignore_unknown: bool,
        problems: &mut Vec<FieldError>,
    ) -> Self {
        let mut controls = Self::default();
        for (name, value) in &request.controls {
            match name.as_str() {
                "tmax_ms" => controls.tmax = keep(name, tmax(value), problems),
                "min_bid" => controls.min_bid = keep(name, min_bid(value), problems),
                "sub_id" => controls.sub_id = keep(name, text(value), problems),
                "idempotency_key" => {
                    controls.idempotency_key = keep(name, idempotency_key(value), problems);
                }
                "test" => controls.test = keep(name, test(value), problems).unwrap_or_default(),
                _ if ignore_unknown => {}
                _ => problems.push(unknown(
                    name,
                    &["tmax_ms", "min_bid", "sub_id", "test", "idempotency_key"],
                )),
            }
        }
        controls
    }
}

impl PostControls {
    /// Reads a post's controls; `problems` gets what is wrong with them.
    pub(crate) fn read(
        request: &RawRequest,
        ignore_unknown: bool,
        problems: &mut Vec<FieldError>,
    ) -> Self {
        let mut controls = Self::default();
        let mut named = false;
        for (name, value) in &request.controls {
            match name.as_str() {
                "ping_order_id" => {
                    named = true;
                    controls.order = keep(name, order(value), problems);
                }
                "test" => controls.test = keep(name, test(value), problems).unwrap_or_default(),
                _ if ignore_unknown => {}
                _ => problems.push(unknown(name, &["ping_order_id", "test"])),
            }
        }
        // A value of nothing is an absent one, and so is none at all.
        let said = problems
            .iter()
            .any(|problem| problem.field == "ping_order_id");
        if controls.order.is_none() && !said {
            let message = if named {
                "the id of the order to post to is empty"
            } else {
                "the id of the order to post to, as the ping's answer gave it"
            };
            problems.push(FieldError::new(
                "ping_order_id",
                FieldCode::Missing,
                message,
            ));
        }
        controls
    }
}

/// An absent value is nothing; a wrong one is a problem.
type Read<T> = Result<Option<T>, (FieldCode, &'static str)>;

fn keep<T>(name: &str, read: Read<T>, problems: &mut Vec<FieldError>) -> Option<T> {
    match read {
        Ok(value) => value,
        Err((code, message)) => {
            problems.push(FieldError::new(name, code, message));
            None
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> FieldError {
    // A name may be anything that the client sent, a value in the wrong place too: only what
    // looks like a name is repeated.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let shown = name.len() <= 64 && name.bytes().all(plain) && !looks_personal(name);
    let mut error = FieldError::new(
        if shown { name } else { "?" },
        FieldCode::UnknownField,
        "there is no such control",
    );
    error.suggestion = known
        .iter()
        .find(|known| one_edit_apart(known, name))
        .map(|known| (*known).to_owned());
    error
}

fn one_edit_apart(one: &str, other: &str) -> bool {
    strsim::osa_distance(one, other) == 1
}

/// A form says everything as text.
fn text(value: &Value) -> Read<String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned())),
        _ => Err((FieldCode::WrongType, "a text")),
    }
}

fn tmax(value: &Value) -> Read<Duration> {
    let whole = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_i64(),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match whole {
        None => Err((FieldCode::WrongType, "a whole number of milliseconds")),
        Some(milliseconds) if milliseconds < TMAX_LEAST_MS => {
            Err((FieldCode::OutOfRange, "at least 50 milliseconds"))
        }
        Some(milliseconds) => Ok(Some(Duration::from_millis(milliseconds.unsigned_abs()))),
    }
}

fn min_bid(value: &Value) -> Read<Money> {
    let Some(text) = text(value).map_err(|_| {
        (
            FieldCode::WrongType,
            "an amount as a text, such as \"12.50\"",
        )
    })?
    else {
        return Ok(None);
    };
    match Money::parse(&text) {
        Ok(amount) => Ok(Some(amount)),
        Err(gavel_market::money::MoneyError::BadFormat) => Err((
            FieldCode::BadFormat,
            "an amount such as \"12.50\": digits, at most four decimals",
        )),
        Err(gavel_market::money::MoneyError::TooLarge) => {
            Err((FieldCode::OutOfRange, "at most 1000000"))
        }
    }
}

fn idempotency_key(value: &Value) -> Read<String> {
    let key = text(value)?;
    match key {
        Some(key) if key.chars().count() > IDEMPOTENCY_KEY_MAX_CHARS => {
            Err((FieldCode::TooLong, "at most 255 characters"))
        }
        key => Ok(key),
    }
}

fn order(value: &Value) -> Read<OrderId> {
    match text(value)? {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => Err((
                FieldCode::BadFormat,
                "po_ and 26 characters, as the ping's answer gave it",
            )),
        },
    }
}

fn test(value: &Value) -> Read<bool> {
    let flag = match value {
        Value::Null => Some(false),
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim() {
            "" | "false" | "no" | "0" => Some(false),
            "true" | "yes" | "1" => Some(true),
            _ => None,
        },
        _ => None,
    };
    flag.map(Some)
        .ok_or((FieldCode::WrongType, "true or false"))
}

/// Whether a request says that it is a test, whatever else is wrong with it: what it may cost
/// its supplier is asked before it is read.
pub(crate) fn says_test(request: &RawRequest) -> bool {
    request
        .controls
        .iter()
        .any(|(name, value)| name == "test" && test(value) == Ok(Some(true)))
}
