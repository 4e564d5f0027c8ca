//! TOML or JSON as one kind of tree, with lines where the format gives them.

use std::{collections::HashSet, fmt};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::errors::{MarketError, code};

/// A value and where it stands.
pub struct Node {
    /// From 1; of JSON there is none.
    pub line: Option<u32>,
    /// What stands there.
    pub value: NodeValue,
}

/// What a file is made of.
pub enum NodeValue {
    /// JSON's null.
    Null,
    /// True or false.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// A string.
    Text(String),
    /// TOML's own dates and times, as text.
    Date(String),
    /// An array.
    List(Vec<Node>),
    /// A table, or an object.
    Table(Table),
}

/// A table's entries, in the file's order. No key stands twice.
pub struct Table {
    /// One for each key.
    pub entries: Vec<Entry>,
}

/// A key, its value, and the line of the key: of a `[table]` that of its header.
pub struct Entry {
    /// Without quotes.
    pub key: String,
    /// From 1; of JSON there is none.
    pub line: Option<u32>,
    /// The key's value.
    pub node: Node,
}

/// A whole TOML document.
pub fn from_toml(text: &str) -> Result<Table, MarketError> {
    let lines = Lines::of(text);
    let syntax = |at: Option<usize>, message: &str| MarketError {
        path: String::new(),
        line: at.and_then(|at| lines.at(at)),
        code: code::SYNTAX,
        message: message.trim().to_owned(),
        suggestion: None,
    };
    let document = DeTable::parse(text)
        .map_err(|error| syntax(error.span().map(|span| span.start), error.message()))?;
    table(document.get_ref(), &lines).map_err(|at| syntax(Some(at), LARGE_NUMBER))
}

const LARGE_NUMBER: &str = "a whole number is at most 9223372036854775807";

/// The error is the place of a number that is too large.
fn table(table: &DeTable<'_>, lines: &Lines) -> Result<Table, usize> {
    // The parser sorts keys; lead types need them as they were written.
    let mut written: Vec<_> = table.iter().collect();
    written.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&Spanned<_>, _)| -> Result<Entry, usize> {
        let text: &std::borrow::Cow<'_, str> = key.get_ref();
        Ok(Entry {
            key: text.to_string(),
            line: lines.at(key.span().start),
            node: node(value, lines)?,
        })
    };
    Ok(Table {
        entries: written.into_iter().map(entry).collect::<Result<_, _>>()?,
    })
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Result<Node, usize> {
    let at = value.span().start;
    let read = match value.get_ref() {
        DeValue::String(text) => NodeValue::Text(text.to_string()),
        DeValue::Integer(number) => NodeValue::Integer(
            i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| at)?,
        ),
        DeValue::Float(number) => NodeValue::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => NodeValue::Flag(*flag),
        DeValue::Datetime(date) => NodeValue::Date(date.to_string()),
        DeValue::Array(items) => NodeValue::List(
            items
                .iter()
                .map(|item| node(item, lines))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(inner) => NodeValue::Table(table(inner, lines)?),
    };
    Ok(Node {
        line: lines.at(at),
        value: read,
    })
}

/// Where each line begins, to tell an offset's line in logarithmic time.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(ends.map(|(at, _)| at + 1).collect())
    }

    /// The line of an offset, from 1.
    fn at(&self, offset: usize) -> Option<u32> {
        u32::try_from(self.0.partition_point(|begin| *begin <= offset) + 1).ok()
    }
}

/// A whole JSON document.
pub fn from_json(text: &str) -> Result<Table, MarketError> {
    let syntax = |line: Option<u32>, message: String| MarketError {
        path: String::new(),
        line,
        code: code::SYNTAX,
        message,
        suggestion: None,
    };
    let root: Node = serde_json::from_str(text)
        .map_err(|error| syntax(u32::try_from(error.line()).ok(), error.to_string()))?;
    match root.value {
        NodeValue::Table(table) => Ok(table),
        _ => Err(syntax(None, "a JSON object is expected".into())),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = from.deserialize_any(NodeVisitor)?;
        Ok(Self { line: None, value })
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = NodeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<NodeValue, E> {
        Ok(NodeValue::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<NodeValue, E> {
        Ok(NodeValue::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<NodeValue, E> {
        i64::try_from(number)
            .map(NodeValue::Integer)
            .map_err(|_| E::custom(LARGE_NUMBER))
    }

    fn visit_f64<E>(self, number: f64) -> Result<NodeValue, E> {
        Ok(NodeValue::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NodeValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(NodeValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeValue, A::Error> {
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format_args!(
                    "the key {key:?} stands twice in one object"
                )));
            }
            entries.push(Entry {
                key,
                line: None,
                node,
            });
        }
        Ok(NodeValue::Table(Table { entries }))
    }
}

impl Node {
    /// The node as JSON, for a plugin's configuration; `None` where it holds a number that
    /// JSON has not (`nan`, `inf`).
    pub fn to_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        Some(match &self.value {
            NodeValue::Null => Json::Null,
            NodeValue::Flag(flag) => Json::Bool(*flag),
            NodeValue::Integer(number) => (*number).into(),
            NodeValue::Float(number) => Json::Number(serde_json::Number::from_f64(*number)?),
            NodeValue::Text(text) | NodeValue::Date(text) => Json::String(text.clone()),
            NodeValue::List(items) => {
                Json::Array(items.iter().map(Self::to_json).collect::<Option<_>>()?)
            }
            NodeValue::Table(table) => {
                let entries = table
                    .entries
                    .iter()
                    .map(|entry| Some((entry.key.clone(), entry.node.to_json()?)));
                Json::Object(entries.collect::<Option<_>>()?)
            }
        })
    }

    /// What kind of thing it is, for a message.
    pub fn kind(&self) -> &'static str {
        match self.value {
            NodeValue::Null => "null",
            NodeValue::Flag(_) => "true or false",
            NodeValue::Integer(_) => "a whole number",
            NodeValue::Float(_) => "a number with a point",
            NodeValue::Text(_) => "a string",
            NodeValue::Date(_) => "a date",
            NodeValue::List(_) => "a list",
            NodeValue::Table(_) => "a table",
        }
    }
}
