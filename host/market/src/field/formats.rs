//! Texts of a known form: dates, addresses, telephone numbers and postal codes.

use super::{
    Value,
    read::{FieldProblem, all_digits, bad_format, kept, problem},
};
use crate::reason::FieldCode;

/// Longest URL, in bytes: what browsers and proxies commonly carry.
pub const URL_MAX_BYTES: usize = 2048;

/// Longest e-mail address, in bytes: RFC 5321's path of 256 less its brackets.
pub const EMAIL_MAX_BYTES: usize = 254;

/// Longest part before an address's `@`, in bytes (RFC 5321 §4.5.3.1.1).
const EMAIL_LOCAL_MAX_BYTES: usize = 64;

/// USPS codes (Publication 28, appendix B): states, the district, territories, the freely
/// associated states and the military. Sorted.
const STATES: [&str; 62] = [
    "AA", "AE", "AK", "AL", "AP", "AR", "AS", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "FM", "GA",
    "GU", "HI", "IA", "ID", "IL", "IN", "KS", "KY", "LA", "MA", "MD", "ME", "MH", "MI", "MN", "MO",
    "MP", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR", "PA", "PR",
    "PW", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VI", "VT", "WA", "WI", "WV", "WY",
];

pub(super) fn date(text: &str) -> Result<jiff::civil::Date, FieldProblem> {
    let wrong = || bad_format("a date is written YYYY-MM-DD");
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| {
            if at == 4 || at == 7 {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    if shaped {
        text.parse().map_err(|_| wrong())
    } else {
        Err(wrong())
    }
}

/// Kept as it was sent: a certificate's address must stay what its issuer wrote.
pub(super) fn url(text: &str) -> Result<Value, FieldProblem> {
    if text.len() > URL_MAX_BYTES {
        return Err(problem(
            FieldCode::TooLong,
            format!("at most {URL_MAX_BYTES} bytes"),
        ));
    }
    let wrong = || bad_format("an absolute http or https URL is expected");
    // The parser itself would drop line ends and tabs.
    if text.contains(char::is_whitespace) {
        return Err(wrong());
    }
    let parsed = url::Url::parse(text).map_err(|_| wrong())?;
    let absolute = matches!(parsed.scheme(), "http" | "https") && parsed.has_host();
    if absolute {
        Ok(kept(text))
    } else {
        Err(wrong())
    }
}

/// The form that WHATWG HTML gives a valid e-mail address, with a dot in its domain.
pub(super) fn email(text: &str) -> Result<Value, FieldProblem> {
    if text.len() > EMAIL_MAX_BYTES {
        return Err(problem(
            FieldCode::TooLong,
            format!("at most {EMAIL_MAX_BYTES} bytes"),
        ));
    }
    let wrong = || bad_format("an e-mail address is expected");
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let local_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let valid = (1..=EMAIL_LOCAL_MAX_BYTES).contains(&local.len())
        && local.bytes().all(local_byte)
        && domain.contains('.')
        && domain.split('.').all(label);
    if valid {
        Ok(kept(&format!("{local}@{}", domain.to_ascii_lowercase())))
    } else {
        Err(wrong())
    }
}

/// `[2-9]\d{2}[2-9]\d{6}` once marks and the country code are dropped; kept as E.164.
pub(super) fn us_phone(text: &str) -> Result<Value, FieldProblem> {
    let plain: String = text
        .chars()
        .filter(|letter| !matches!(letter, ' ' | '\t' | '(' | ')' | '-' | '.'))
        .collect();
    let national = plain
        .strip_prefix("+1")
        .or_else(|| plain.strip_prefix('1'))
        .unwrap_or(&plain);
    let valid = national.len() == 10
        && national
            .bytes()
            .enumerate()
            .all(|(at, byte)| byte.is_ascii_digit() && !(matches!(at, 0 | 3) && byte < b'2'));
    if valid {
        Ok(kept(&format!("+1{national}")))
    } else {
        Err(bad_format("a ten-digit US telephone number is expected"))
    }
}

pub(super) fn us_state(text: &str) -> Result<Value, FieldProblem> {
    let code = text.to_ascii_uppercase();
    match STATES.binary_search(&code.as_str()) {
        Ok(_) => Ok(kept(&code)),
        Err(_) => Err(problem(
            FieldCode::NotAllowed,
            "a USPS state code of two letters is expected",
        )),
    }
}

pub(super) fn us_zip(text: &str) -> Result<Value, FieldProblem> {
    let (zip, plus_four) = text
        .split_once('-')
        .map_or((text, None), |(zip, four)| (zip, Some(four)));
    let valid = zip.len() == 5
        && all_digits(zip)
        && plus_four.is_none_or(|four| four.len() == 4 && all_digits(four));
    if valid {
        Ok(kept(zip))
    } else {
        Err(bad_format("a ZIP code of five digits is expected"))
    }
}
