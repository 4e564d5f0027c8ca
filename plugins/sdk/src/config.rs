//! An account's configuration, from the host's JSON into a plugin's own type.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// How messages begin that are about an object or a list, not about the last value in it.
const OF_THE_WHOLE: [&str; 2] = ["missing field", "invalid length"];

/// Reads a configuration. An error names the place in it, such as
/// `shade[1]: unknown variant …`.
///
/// The traits call this before `open`, so a plugin seldom does.
pub fn parse<T: DeserializeOwned>(config: &str) -> Result<T, String> {
    serde_json::from_str(config).map_err(|error| explain(config, &error))
}

/// The error with its place. A configuration is opened for every call and is almost always
/// right, so the place is not tracked while reading but found afterwards.
fn explain(config: &str, error: &serde_json::Error) -> String {
    let message = error.to_string();
    if error.classify() != Category::Data {
        // No JSON at all: line and column, which the message has, are the place.
        return message;
    }
    // The host's text may be one long line: the place by names says more than the column.
    let said = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(said, _)| said);
    let mut end = offset(config, error);
    let is_closed = config
        .get(..end)
        .is_some_and(|read| read.ends_with(['}', ']']));
    let is_of_the_whole = OF_THE_WHOLE.iter().any(|start| said.starts_with(start));
    if is_closed && !is_of_the_whole {
        // A type's own objection to the last value of an object comes after its end.
        end -= 1;
    }
    let open = open_at(config, end);
    let place: String = open.into_iter().filter_map(Open::step).collect();
    match place.strip_prefix('.').unwrap_or(&place) {
        "" => said.to_owned(),
        place => format!("{place}: {said}"),
    }
}

/// Bytes before the place that the error names by line and column.
fn offset(config: &str, error: &serde_json::Error) -> usize {
    let lines = config
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    lines.map(str::len).sum::<usize>() + error.column()
}

/// What is open just before an offset of well-formed JSON, outermost first.
fn open_at(config: &str, offset: usize) -> Vec<Open<'_>> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut chars = config.char_indices().take_while(|(at, _)| *at < offset);
    while let Some((at, c)) = chars.next() {
        match c {
            '{' => open.push(Open::Object {
                key: None,
                is_read: false,
            }),
            '[' => open.push(Open::List(0)),
            '}' | ']' => drop(open.pop()),
            ':' => {
                if let Some(Open::Object { is_read, .. }) = open.last_mut() {
                    *is_read = true;
                }
            }
            ',' => match open.last_mut() {
                Some(Open::Object { key, is_read }) => (*key, *is_read) = (None, false),
                Some(Open::List(place)) => *place += 1,
                None => {}
            },
            '"' => {
                let mut is_escaped = false;
                let end = chars.find(|(_, c)| {
                    let is_end = *c == '"' && !is_escaped;
                    is_escaped = *c == '\\' && !is_escaped;
                    is_end
                });
                let text = end
                    .and_then(|(end, _)| config.get(at + 1..end))
                    .unwrap_or_default();
                if let Some(Open::Object {
                    key,
                    is_read: false,
                }) = open.last_mut()
                {
                    *key = Some(text);
                }
            }
            _ => {}
        }
    }
    open
}

/// An object or a list that is open, and what is being read of it.
enum Open<'a> {
    Object { key: Option<&'a str>, is_read: bool },
    List(usize),
}

impl Open<'_> {
    fn step(self) -> Option<String> {
        match self {
            Self::Object { key, .. } => Some(format!(".{}", key?)),
            Self::List(place) => Some(format!("[{place}]")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::parse;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Config {
        shade: Vec<Shade>,
        #[serde(default)]
        buyers: BTreeMap<String, Buyer>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Shade {
        None,
        Partial,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Buyer {
        limit: Limit,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(try_from = "u8")]
    struct Limit(u8);

    impl TryFrom<u8> for Limit {
        type Error = &'static str;

        fn try_from(limit: u8) -> Result<Self, Self::Error> {
            if limit == 0 {
                Err("not 0")
            } else {
                Ok(Self(limit))
            }
        }
    }

    fn error(config: &str) -> String {
        parse::<Config>(config).unwrap_err()
    }

    #[test]
    fn a_configuration_becomes_the_plugins_own_type() {
        let config: Config = parse(r#"{"shade": ["none", "partial"]}"#).unwrap();
        assert_eq!(config.shade, [Shade::None, Shade::Partial]);
    }

    #[test]
    fn an_error_names_its_place() {
        for (config, place) in [
            (
                r#"{"shade": ["none", "full"]}"#,
                "shade[1]: unknown variant",
            ),
            (
                "{\n  \"shade\": [\n    \"none\",\n    \"full\"\n  ]\n}",
                "shade[1]: ",
            ),
            (r#"{"shade": "none"}"#, "shade: invalid type"),
            (
                r#"{"shade": [], "buyers": {"a \"b": {"limit": 1}, "é{": {"limit": 300}}}"#,
                "buyers.é{.limit: ",
            ),
            (
                r#"{"shade": [], "buyers": {"a": {"limit": 0}}}"#,
                "buyers.a.limit: not 0",
            ),
            (
                r#"{"shade": [], "buyers": {"a": {"limit": 0}, "b": {"limit": 1}}}"#,
                "buyers.a.limit: not 0",
            ),
            (
                r#"{"shade": [], "buyers": {"a": {"limit": 1, "limits": 2}}}"#,
                "buyers.a.limits: unknown field",
            ),
            (
                r#"{"shade": [], "buyers": {"a": {}}}"#,
                "buyers.a: missing field",
            ),
            (
                r#"{"buyers": {"a": {"limit": 1}}}"#,
                "missing field `shade`",
            ),
            (
                r#"{"shade": [], "shades": []}"#,
                "shades: unknown field `shades`",
            ),
            ("[]", "invalid length 0"),
            ("7", "invalid type"),
        ] {
            let error = error(config);
            assert!(error.starts_with(place), "{config} gave: {error}");
            assert!(!error.contains("line"), "{error}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_by_line_and_column() {
        for config in ["", "{\"shade\": [", "{\"shade\": []} true"] {
            assert!(error(config).contains("at line 1 column"), "{config}");
        }
    }
}
