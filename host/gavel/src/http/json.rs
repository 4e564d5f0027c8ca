//! JSON, read strictly.
//!
//! serde_json reads; what is added here is that a key may not come twice anywhere (of two
//! values, which one was meant?), that errors have a line and a column, and that a number
//! which binary floating point cannot keep exactly is handed on as the digits that were sent.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::problem::Problem;

/// Significant digits that binary floating point keeps exactly, whatever they are.
const FLOAT_EXACT_DIGITS: usize = 15;

/// Reads one JSON value that is the whole of `bytes`.
///
/// Nesting deeper than serde_json's 128 levels is an error like any other.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(bytes, error.valid_up_to());
        Problem::malformed(format!("invalid UTF-8 at line {line} column {column}"))
    })?;
    let literals = RefCell::new(NumberLiterals { rest: text });
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict {
        literals: &literals,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value));
    // serde_json's messages name what was expected and where; none repeats what it found.
    value.map_err(|error| Problem::malformed(error.to_string()))
}

/// Reads one JSON object.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    match parse(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(Problem::malformed("expected an object at line 1 column 1")),
    }
}

/// Line and column, both from 1, of a place in a text.
pub(super) fn position(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    (
        before.split(|byte| *byte == b'\n').count(),
        before.len() - line_start + 1,
    )
}

/// The numbers of a JSON text as they are written, in order. serde_json visits them in the
/// same order but has made a float of each by then. Right only as far as the text is valid,
/// which is as far as anybody asks.
struct NumberLiterals<'a> {
    rest: &'a str,
}

impl<'a> Iterator for NumberLiterals<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let start = self
                .rest
                .find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            let (_, found) = self.rest.split_at_checked(start)?;
            if let Some(string) = found.strip_prefix('"') {
                self.rest = after_string(string);
            } else {
                let end = found
                    .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
                    .unwrap_or(found.len());
                let (literal, rest) = found.split_at_checked(end)?;
                self.rest = rest;
                return Some(literal);
            }
        }
    }
}

/// What follows a string's closing quote; `string` begins after its opening one.
fn after_string(string: &str) -> &str {
    let mut escaped = false;
    for (at, byte) in string.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return string.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

/// Whether a float made of this literal is written with the same digits.
fn float_is_exact(literal: &str) -> bool {
    let mantissa = literal.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa
        .trim_start_matches(['-', '0', '.'])
        .bytes()
        .filter(u8::is_ascii_digit);
    digits.count() <= FLOAT_EXACT_DIGITS
}

/// Reads any value, and refuses keys that come twice.
#[derive(Clone, Copy)]
struct Strict<'a, 'text> {
    literals: &'a RefCell<NumberLiterals<'text>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        self.literals.borrow_mut().next();
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        self.literals.borrow_mut().next();
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        match self.literals.borrow_mut().next() {
            Some(literal) if !float_is_exact(literal) => Ok(literal.into()),
            _ => Ok(value.into()),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            // The key is not named: it is the client's, and may be anything.
            if object.contains_key(&key) {
                return Err(A::Error::custom("a key comes twice"));
            }
            object.insert(key, entries.next_value_seed(self)?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(text: impl AsRef<[u8]>) -> String {
        parse(text.as_ref()).unwrap_err().said().to_owned()
    }

    #[test]
    fn what_is_valid_is_read_in_its_order() {
        let text = r#"{"b": [1, -2, 2.5, "x\"y", null], "a": {"deep": true, "é": "\u00e9"}}"#;
        assert_eq!(
            parse(text.as_bytes()).unwrap(),
            json!({"b": [1, -2, 2.5, "x\"y", null], "a": {"deep": true, "é": "é"}})
        );
        let object = parse_object(text.as_bytes()).unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn a_key_that_comes_twice_is_malformed_anywhere() {
        assert_eq!(
            fault("{\"a\": 1,\n \"a\": 2}"),
            "a key comes twice at line 2 column 4"
        );
        assert!(
            fault(r#"{"lead": {"x": [{"zip": 1, "z\u0069p": 2}]}}"#)
                .starts_with("a key comes twice")
        );
    }

    #[test]
    fn what_is_broken_is_malformed_where_it_breaks() {
        assert_eq!(
            fault("{\"a\": 1,\n  \"b\": tru}"),
            "expected ident at line 2 column 11"
        );
        assert_eq!(
            fault("{\"a\": "),
            "EOF while parsing a value at line 1 column 6"
        );
        assert_eq!(fault(""), "EOF while parsing a value at line 1 column 0");
        assert_eq!(fault("{} {}"), "trailing characters at line 1 column 4");
        assert_eq!(
            fault(b"{\n\"a\": \"\xff\"}"),
            "invalid UTF-8 at line 2 column 7"
        );
        assert!(fault(r#"["\ud800"]"#).contains("at line 1"));
    }

    #[test]
    fn nesting_without_end_is_malformed() {
        for depth in [200, 1_000_000] {
            assert!(fault("[".repeat(depth)).starts_with("recursion limit exceeded"));
            assert!(fault("{\"a\":".repeat(depth)).starts_with("recursion limit exceeded"));
        }
    }

    #[test]
    fn an_error_repeats_nothing_that_was_sent() {
        for text in [
            r#"{"jane@doe.example": 1, "jane@doe.example": 2}"#,
            r#"{"a": "jane" "b"}"#,
            r#"{"a": jane}"#,
            "jane",
        ] {
            assert!(!fault(text).contains("jane"), "{}", fault(text));
        }
    }

    #[test]
    fn a_number_keeps_the_digits_that_were_sent() {
        let read = |text: &str| parse(text.as_bytes()).unwrap();
        assert_eq!(read("180.50").to_string(), "180.5");
        assert_eq!(
            read("[1, \"2\", 123456789012345.123456]"),
            json!([1, "2", "123456789012345.123456"])
        );
        assert_eq!(
            read("[\"\\\"9\", 0.1234567890123456, 7]"),
            json!(["\"9", "0.1234567890123456", 7])
        );
        assert_eq!(read("9223372036854775807"), json!(i64::MAX));
        assert_eq!(
            read("12345678901234567890123"),
            json!("12345678901234567890123")
        );
        assert_eq!(read("1e2"), json!(100.0));
    }

    #[test]
    fn anything_but_an_object_is_malformed_as_a_body() {
        assert!(
            parse_object(b"[1]")
                .unwrap_err()
                .said()
                .starts_with("expected an object")
        );
    }
}
