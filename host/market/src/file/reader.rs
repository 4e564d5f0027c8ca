//! Reading a tree key by key: what is wrong is noted with its path and line, and reading
//! goes on, so that every error is found at once.
//!
//! A [`Section`] is a table of which keys are asked; keys that nobody asked for are
//! unknown, which [`Section::finish`] notes. A [`Spot`] is one value of it.

use std::str::FromStr;

use super::{
    errors::{Findings, MarketError, code},
    spot::Spot,
    tree::{Entry, Table},
};
use crate::ids::IdError;

/// A table, and the keys of it that were asked for.
pub struct Section<'a> {
    /// Where errors are noted.
    pub findings: &'a Findings,
    path: String,
    line: Option<u32>,
    table: &'a Table,
    asked: Vec<&'static str>,
}

/// A path and a key in it.
fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(findings: &'a Findings, table: &'a Table) -> Self {
        Self::new(findings, String::new(), None, table)
    }

    /// The table at a path.
    pub fn new(findings: &'a Findings, path: String, line: Option<u32>, table: &'a Table) -> Self {
        Self {
            findings,
            path,
            line,
            table,
            asked: Vec::new(),
        }
    }

    /// Notes an error of the table as a whole, or of a key that it lacks.
    pub fn error(&self, key: Option<&str>, code: &'static str, message: impl Into<String>) {
        let path = key.map_or_else(|| self.path.clone(), |key| joined(&self.path, key));
        self.findings.add(MarketError {
            path,
            line: self.line,
            code,
            message: message.into(),
            suggestion: None,
        });
    }

    /// The value of a key, where it is there.
    pub fn get(&mut self, key: &'static str) -> Option<Spot<'a>> {
        self.asked.push(key);
        let entry = self.table.entries.iter().find(|entry| entry.key == key)?;
        Some(Spot {
            findings: self.findings,
            path: joined(&self.path, key),
            line: entry.node.line.or(entry.line),
            node: &entry.node,
        })
    }

    /// The value of a key that must be there.
    pub fn require(&mut self, key: &'static str) -> Option<Spot<'a>> {
        let spot = self.get(key);
        if spot.is_none() {
            self.error(
                Some(key),
                code::MISSING,
                format!("`{key}` is required here"),
            );
        }
        spot
    }

    /// A key's value as `read` reads it, or the default, also where it is faulty: the market
    /// is refused in any case then.
    pub fn get_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Spot<'a>) -> Option<T>,
    ) -> T {
        self.get(key)
            .and_then(|spot| read(&spot))
            .unwrap_or(default)
    }

    /// The table under a key, where it is there.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        self.get(key)?.section()
    }

    /// Every entry of a table whose keys are names that the market's author chose, with
    /// the table under each. Too many are an error and not read.
    pub fn named(&mut self, key: &'static str, at_most: usize) -> Vec<(&'a str, Section<'a>)> {
        self.section(key)
            .map(|section| section.entries(at_most))
            .unwrap_or_default()
    }

    fn entries(self, at_most: usize) -> Vec<(&'a str, Section<'a>)> {
        self.spots(at_most)
            .into_iter()
            .filter_map(|(name, spot)| Some((name, spot.section()?)))
            .collect()
    }

    /// Every entry, whatever its key. Too many are an error and not read.
    pub fn spots(self, at_most: usize) -> Vec<(&'a str, Spot<'a>)> {
        let count = self.table.entries.len();
        if count > at_most {
            self.error(
                None,
                code::TOO_MANY,
                format!("at most {at_most} are possible, {count} are here"),
            );
            return Vec::new();
        }
        let spot = |entry: &'a Entry| {
            let path = joined(&self.path, &entry.key);
            let spot = Spot {
                findings: self.findings,
                path,
                line: entry.line.or(entry.node.line),
                node: &entry.node,
            };
            (entry.key.as_str(), spot)
        };
        self.table.entries.iter().map(spot).collect()
    }

    /// The table's own name, which is the last part of its path.
    pub fn name<T: FromStr<Err = IdError>>(&self, name: &str) -> Option<T> {
        name.parse()
            .map_err(|error: IdError| self.error(None, code::BAD_NAME, error.to_string()))
            .ok()
    }

    /// Takes these keys as known without looking at their values.
    pub fn pass_over(&mut self, keys: &[&'static str]) {
        self.asked.extend_from_slice(keys);
    }

    /// Whether the table has this key.
    pub fn has(&self, key: &str) -> bool {
        self.table.entries.iter().any(|entry| entry.key == key)
    }

    /// Notes every key that was not asked for.
    pub fn finish(self) {
        for entry in &self.table.entries {
            if !self.asked.contains(&entry.key.as_str()) {
                self.findings.add(MarketError {
                    path: joined(&self.path, &entry.key),
                    line: entry.line,
                    code: code::UNKNOWN_KEY,
                    message: format!("there is no key `{}` here", entry.key),
                    suggestion: self
                        .findings
                        .nearest(&entry.key, self.asked.iter().copied()),
                });
            }
        }
    }
}
