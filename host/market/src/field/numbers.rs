//! Whole and decimal numbers, exact however they were sent.

use std::str::FromStr;

use rust_decimal::Decimal;

use super::read::{FieldProblem, all_digits, bad_format, problem};
use crate::reason::FieldCode;

/// Significant digits that binary floating point keeps exactly, whatever they are. A JSON
/// number with a point has been through it, so a longer one may not be what was sent.
const FLOAT_EXACT_DIGITS: usize = 15;

pub(super) fn within<T: PartialOrd + std::fmt::Display>(
    number: T,
    min: Option<T>,
    max: Option<T>,
) -> Result<T, FieldProblem> {
    if let Some(min) = min.filter(|min| number < *min) {
        return Err(problem(FieldCode::OutOfRange, format!("at least {min}")));
    }
    if let Some(max) = max.filter(|max| number > *max) {
        return Err(problem(FieldCode::OutOfRange, format!("at most {max}")));
    }
    Ok(number)
}

pub(super) fn integer_text(text: &str) -> Result<i64, FieldProblem> {
    if !all_digits(text.strip_prefix('-').unwrap_or(text)) {
        return Err(bad_format("a whole number is expected"));
    }
    // Digits that are no i64 are too many of them.
    text.parse()
        .map_err(|_| problem(FieldCode::OutOfRange, "a smaller number is expected"))
}

pub(super) fn integer_number(number: &serde_json::Number) -> Result<i64, FieldProblem> {
    number.as_i64().ok_or_else(|| {
        // 2^63: what lies beyond is a whole number, only too large a one.
        let beyond = number
            .as_f64()
            .is_some_and(|float| float.abs() >= 9_223_372_036_854_775_808.0);
        if beyond {
            problem(FieldCode::OutOfRange, "a smaller number is expected")
        } else {
            bad_format("a whole number is expected")
        }
    })
}

/// `-?\d{1,15}(\.\d{1,6})?`, without needless zeros.
pub(super) fn decimal(text: &str) -> Result<Decimal, FieldProblem> {
    let wrong = || bad_format("a number of at most 15 digits and 6 decimals is expected");
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let fits = |part: &str, longest: usize| all_digits(part) && part.len() <= longest;
    if !fits(whole, 15) || !fraction.is_none_or(|part| fits(part, 6)) {
        return Err(wrong());
    }
    let number = Decimal::from_str(text).map_err(|_| wrong())?;
    // Zero has no sign here, or "-0" would differ from "0" in a keyed hash.
    Ok(if number.is_zero() {
        Decimal::ZERO
    } else {
        number.normalize()
    })
}

pub(super) fn decimal_number(number: &serde_json::Number) -> Result<Decimal, FieldProblem> {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return decimal(&number.to_string());
    };
    // The shortest digits that read back as the same float, without an exponent: the very
    // ones that were sent, as long as these were few enough.
    let text = float.to_string();
    let significant = text.trim_start_matches(['-', '0', '.']).bytes();
    if significant.filter(u8::is_ascii_digit).count() > FLOAT_EXACT_DIGITS {
        return Err(bad_format(
            "a number of this length must be sent as a string",
        ));
    }
    decimal(&text)
}
