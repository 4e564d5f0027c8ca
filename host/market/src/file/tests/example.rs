//! Every key of the example market is read: nonsense in its place is refused there, and
//! under another name it is unknown.

use std::{collections::BTreeSet, ops::Range};

use toml::de::{DeTable, DeValue};

use super::*;

/// One `key = value` of the example.
struct Written {
    path: String,
    key: Range<usize>,
    value: Range<usize>,
    /// Whether somebody chose the key as a name.
    is_name: bool,
}

/// Tables whose keys are names.
const NAMING: [&str; 8] = [
    "lead_types",
    "fields",
    "suppliers",
    "campaigns",
    "groups",
    "buyers",
    "accounts",
    "plugins",
];

fn written() -> Vec<Written> {
    let document = DeTable::parse(EXAMPLE).expect("TOML");
    let mut written = Vec::new();
    walk(document.get_ref(), "", "", &mut written);
    written
}

/// Goes through a table; what a plugin is configured with is the plugin's own.
fn walk(table: &DeTable<'_>, path: &str, parent: &str, written: &mut Vec<Written>) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let at = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let header =
            matches!(value.get_ref(), DeValue::Table(_)) && !EXAMPLE[value.span()].starts_with('{');
        if !header {
            written.push(Written {
                path: at.clone(),
                key: key.span(),
                value: value.span(),
                is_name: NAMING.contains(&parent) || parent == "secrets",
            });
        }
        match value.get_ref() {
            DeValue::Table(inner) if name != "config" => walk(inner, &at, name, written),
            DeValue::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        walk(inner, &format!("{at}[{number}]"), "", written);
                    }
                }
            }
            _ => {}
        }
    }
}

fn with(range: &Range<usize>, text: &str) -> String {
    format!("{}{text}{}", &EXAMPLE[..range.start], &EXAMPLE[range.end..])
}

/// The line of a place, from 1.
fn line(at: usize) -> Option<u32> {
    u32::try_from(EXAMPLE[..at].matches('\n').count() + 1).ok()
}

#[test]
fn nonsense_is_refused_at_every_key_with_its_path_and_line() {
    let all = written();
    assert!(all.len() > 150, "{}", all.len());
    for one in &all {
        // A time of the day: no key takes one.
        let errors = errors(&with(&one.value, "07:32:00"));
        let found = errors.iter().find(|error| error.path == one.path);
        let found = found.unwrap_or_else(|| panic!("{}: {errors:#?}", one.path));
        assert_eq!(found.line, line(one.value.start), "{found}");
        assert!(found.message.len() > 10, "{found}");
    }
}

#[test]
fn every_key_is_suggested_to_whoever_misspells_it() {
    for one in written().iter().filter(|one| !one.is_name) {
        let known = &EXAMPLE[one.key.clone()];
        let errors = errors(&with(&one.key, &format!("{known}x")));
        let path = format!("{}x", one.path);
        let found = errors.iter().find(|error| error.path == path);
        let found = found.unwrap_or_else(|| panic!("{path}: {errors:#?}"));
        assert_eq!(
            (found.code, found.line),
            (code::UNKNOWN_KEY, line(one.key.start))
        );
        assert_eq!(found.suggestion.as_deref(), Some(known), "{found}");
    }
}

/// What the format has beside the example's own words: each once, in a market that is good.
#[test]
fn the_example_with_every_other_word_is_good_too() {
    let others = [
        ("channel = \"ping_post\"", "channel = \"direct_post\""),
        ("{ per_lead = \"15.00\" }", "{ per_sale = \"15.00\" }"),
        ("{ per_lead = \"15.00\" }", "{ revenue_share = \"70\" }"),
        ("by = \"price\"", "by = \"weighted\""),
        ("hold = \"quote\"", "hold = \"post\""),
        ("unknown_fields = \"reject\"", "unknown_fields = \"ignore\""),
        ("on_personal = \"reject\"", "on_personal = \"strip\""),
        ("on_changed = \"reject\"", "on_changed = \"keep_pinged\""),
        (
            "profit_percent_of = \"revenue\"",
            "profit_percent_of = \"cost\"",
        ),
        ("match = \"any\"", "match = \"all\""),
        ("scope = \"market\"", "scope = \"campaign\""),
        ("ping_before_post = false", "ping_before_post = true"),
        ("to = \"18:00\"", "to = \"02:00\""),
        ("on_unconfirmed = \"stop\"", "on_unconfirmed = \"next\""),
        ("test = \"bid 20.00\"", "test = \"garbled\""),
        ("instances = \"fresh\"", "instances = \"reused\""),
    ];
    let mut seen = BTreeSet::new();
    for (word, other) in others {
        assert!(EXAMPLE.contains(word), "{word}");
        assert!(seen.insert(other));
        good(&EXAMPLE.replacen(word, other, 1));
    }
}
