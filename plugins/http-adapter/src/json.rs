//! JSON as text: strings written so that nothing in them reads as a placeholder, and single
//! values read out of a document without building it.
//!
//! Reading works on the raw text because a number has to come out with the digits it was
//! written with, and because a buyer's answer may be nested as deep as it is long: nothing
//! here recurses.

use std::fmt::{self, Write as _};

use serde::{
    Deserializer as _,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Writes text as it stands between the quotes of a JSON string.
///
/// An opening brace is written as an escape: the meaning is the same, and two of them cannot
/// make a placeholder that the host would fill in.
pub(crate) fn write_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '{' | '\u{0}'..='\u{1f}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// Text as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    write_escaped(text, &mut out);
    out.push('"');
    out
}

/// Whether the text is a number as JSON writes it, without an exponent.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

/// A whole, well-formed document.
pub(crate) fn document(bytes: &[u8]) -> Result<&RawValue, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("the answer is no JSON: {error}"))
}

/// The plain value at a path of keys and list positions, as text: a string's text, a
/// number's digits, `true` or `false`. `None` where there is nothing, or `null`, or a blank.
pub(crate) fn plain_value(document: &RawValue, path: &[String]) -> Result<Option<String>, String> {
    let mut value = document;
    for step in path {
        match Step(step).take(value)? {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    let raw = value.get();
    let text = match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map_err(|error| error.to_string())?,
        Some(b'{' | b'[') => return Err("is no plain value".to_owned()),
        _ if raw == "null" => return Ok(None),
        _ => raw.to_owned(),
    };
    let text: &str = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Takes one value out of an object by key, or out of a list by position.
struct Step<'s>(&'s str);

impl Step<'_> {
    fn take(self, value: &RawValue) -> Result<Option<&RawValue>, String> {
        let raw = value.get();
        let mut json = serde_json::Deserializer::from_str(raw);
        match raw.as_bytes().first() {
            Some(b'{') => json.deserialize_map(self),
            Some(b'[') => json.deserialize_seq(self),
            _ => return Ok(None),
        }
        .map_err(|error| error.to_string())
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(KeyIs(self.0))? {
            if !is_it {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value()?).is_some() {
                // Which of the two the buyer means cannot be known.
                return Err(M::Error::custom("is named twice"));
            }
        }
        Ok(found)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let position = self.0.parse::<usize>().ok();
        let mut found = None;
        let mut at = 0;
        // The list is read to its end, as a deserializer has to.
        loop {
            if position == Some(at) {
                found = list.next_element()?;
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }
}

/// Whether a key is the one sought, without copying it.
struct KeyIs<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{document, is_number, plain_value, quoted};

    fn at(json: &str, path: &[&str]) -> Result<Option<String>, String> {
        let path: Vec<String> = path.iter().map(|&step| step.to_owned()).collect();
        plain_value(document(json.as_bytes())?, &path)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "compared with what reading returns"
    )]
    fn some(text: &str) -> Result<Option<String>, String> {
        Ok(Some(text.to_owned()))
    }

    #[test]
    fn a_number_keeps_the_digits_it_was_written_with() {
        assert_eq!(at(r#"{"price": 12.50}"#, &["price"]), some("12.50"));
        assert_eq!(
            at(r#"{"price": 0.1000000000000000055511}"#, &["price"]),
            some("0.1000000000000000055511")
        );
        assert_eq!(at(r#"{"price": 1e400}"#, &["price"]), some("1e400"));
        assert_eq!(at(r#"{"price": " 12.50 "}"#, &["price"]), some("12.50"));
    }

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let json = r#"{"bids": [{"p": 1}, {"p": 2}], "a/b": {"": true}}"#;
        assert_eq!(at(json, &["bids", "1", "p"]), some("2"));
        assert_eq!(at(json, &["a/b", ""]), some("true"));
        assert_eq!(at(json, &["bids", "2", "p"]), Ok(None));
        assert_eq!(at(json, &["bids", "x"]), Ok(None));
        assert_eq!(at(json, &["a/b", "", "deeper"]), Ok(None));
    }

    #[test]
    fn null_and_blanks_are_nothing() {
        assert_eq!(at(r#"{"a": null}"#, &["a"]), Ok(None));
        assert_eq!(at(r#"{"a": "  "}"#, &["a"]), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_for_sure_is_an_error() {
        for refused in [
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": {}}"#,
            r#"{"a": [1]}"#,
            r#"{"a": "\ud800"}"#,
            "{\"a\": 1",
            "",
            "<html>",
            "{\"a\": 1} x",
        ] {
            assert!(at(refused, &["a"]).is_err(), "{refused}");
        }
        assert!(document(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn deep_nesting_is_read_without_recursion() {
        let deep = format!(
            "{{\"x\": {}{}, \"a\": 1}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(at(&deep, &["a"]), some("1"));
    }

    #[test]
    fn a_written_string_reads_back_as_it_was() {
        let text = "a \"quote\", a \\, {{secret:KEY}}, a\ttab, a\u{1}b, é and 日本";
        let json = quoted(text);
        assert!(!json.contains('{'));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn numbers_are_told_from_other_digits() {
        for number in ["0", "-1", "180.50", "0.5"] {
            assert!(is_number(number), "{number}");
        }
        for other in [
            "",
            "-",
            "01",
            "1.",
            ".5",
            "1e3",
            "+1",
            "1,000",
            "{{secret:N}}",
        ] {
            assert!(!is_number(other), "{other}");
        }
    }
}
