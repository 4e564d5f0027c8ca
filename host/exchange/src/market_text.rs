//! A market's text as it is kept and shown, with the versions that were activated since it came;
//! and what differs between two.

use std::collections::BTreeMap;

use gavel_market::ids::{Digest, PluginName};
use gavel_store::Format;

use crate::api::{MarketFormat, MarketText};

/// A kept revision's text as it was sent.
pub(crate) fn raw_text(kept: &gavel_store::Revision) -> MarketText {
    MarketText {
        format: format_of(kept),
        text: kept.text.clone(),
        source: kept.info.source,
    }
}

/// A kept revision's text as it holds: as it was sent, with the versions activated since then.
pub(crate) fn text_of(kept: gavel_store::Revision) -> MarketText {
    let format = format_of(&kept);
    let with_versions = match format {
        MarketFormat::Toml => toml_with,
        MarketFormat::Json => json_with,
    };
    MarketText {
        format,
        text: with_versions(kept.text, &kept.info.versions),
        source: kept.info.source,
    }
}

fn format_of(kept: &gavel_store::Revision) -> MarketFormat {
    match kept.info.format {
        Format::Toml => MarketFormat::Toml,
        Format::Json => MarketFormat::Json,
    }
}

/// The rest of the text stays as its author wrote it, comments too.
fn toml_with(text: String, versions: &BTreeMap<PluginName, Digest>) -> String {
    if versions.is_empty() {
        return text;
    }
    // It was read before it was kept.
    let Ok(mut document) = text.parse::<toml_edit::DocumentMut>() else {
        return text;
    };
    for (name, digest) in versions {
        let plugins = document
            .entry("plugins")
            .or_insert(toml_edit::table())
            .as_table_like_mut();
        if let Some(plugin) = plugins.and_then(|plugins| {
            plugins
                .entry(name.as_str())
                .or_insert(toml_edit::table())
                .as_table_like_mut()
        }) {
            plugin.insert("digest", toml_edit::value(digest.to_string()));
        }
    }
    document.to_string()
}

fn json_with(text: String, versions: &BTreeMap<PluginName, Digest>) -> String {
    if versions.is_empty() {
        return text;
    }
    let Ok(mut market) = serde_json::from_str::<serde_json::Value>(&text) else {
        return text;
    };
    for (name, digest) in versions {
        if let Some(market) = market.as_object_mut()
            && let Some(plugins) = market
                .entry("plugins")
                .or_insert_with(|| serde_json::json!({}))
                .as_object_mut()
            && let Some(plugin) = plugins
                .entry(name.as_str())
                .or_insert_with(|| serde_json::json!({}))
                .as_object_mut()
        {
            plugin.insert("digest".to_owned(), digest.to_string().into());
        }
    }
    market.to_string()
}

/// One line for each part of the market that differs, read off the texts.
pub(crate) fn changes(before: Option<gavel_store::Revision>, after: &MarketText) -> Vec<String> {
    let before = before.map(text_of);
    let before = before
        .map(|text| tree(text.format == MarketFormat::Json, &text.text))
        .unwrap_or_default();
    let after = tree(after.format == MarketFormat::Json, &after.text);
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let said = names
        .into_iter()
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (None, Some(_)) => Some(format!("{name} added")),
            (Some(_), None) => Some(format!("{name} removed")),
            (Some(one), Some(other)) if one != other => Some(format!("{name} changed")),
            _ => None,
        });
    said.collect()
}

/// A market's text as its named parts: `accounts.sunco-west`, or `currency`.
fn tree(json: bool, text: &str) -> BTreeMap<String, serde_json::Value> {
    let root: serde_json::Map<String, serde_json::Value> = if json {
        serde_json::from_str(text).unwrap_or_default()
    } else {
        toml::from_str(text).unwrap_or_default()
    };
    let mut parts = BTreeMap::new();
    for (section, value) in root {
        match value {
            serde_json::Value::Object(named) => parts.extend(
                named
                    .into_iter()
                    .map(|(name, value)| (format!("{section}.{name}"), value)),
            ),
            value => {
                parts.insert(section, value);
            }
        }
    }
    parts
}
