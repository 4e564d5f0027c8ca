//! What of an account's configuration no request could leave with: secrets that it is not
//! granted, URLs at which none of its `hosts` is.
//!
//! Notes and no errors: what a plugin does with its configuration is its own.

use gavel_market::{
    file::MarketError,
    model::{Account, Market, Origin},
    reason::Outcome,
};
use serde_json::Value;
use url::Url;

const OPENING: &str = "{{secret:";
const CLOSING: &str = "}}";

/// How many letters a misspelt secret may be from the one that is suggested.
const NAME_DISTANCE_MAX: usize = 2;

/// Everything of the kind in a market.
pub(super) fn unusable(market: &Market) -> Vec<MarketError> {
    let mut found = Vec::new();
    for account in &market.accounts {
        // A filter sends nothing.
        let path = format!("accounts.{}.adapter.config", account.id);
        if let Ok(config) = serde_json::from_str(&account.adapter.config) {
            look(account, &path, &config, &mut found);
        }
    }
    found
}

fn look(account: &Account, path: &str, value: &Value, found: &mut Vec<MarketError>) {
    match value {
        Value::String(text) => {
            found.extend(named_secrets(text).filter_map(|name| not_granted(account, path, name)));
            found.extend(not_allowed(account, path, text));
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                look(account, &format!("{path}[{at}]"), item, found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                look(account, &format!("{path}.{key}"), member, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The names in a text's placeholders.
fn named_secrets(text: &str) -> impl Iterator<Item = &str> {
    text.split(OPENING)
        .skip(1)
        .filter_map(|behind| Some(behind.split_once(CLOSING)?.0))
}

fn not_granted(account: &Account, path: &str, name: &str) -> Option<MarketError> {
    if account.secrets.contains_key(name) {
        return None;
    }
    let near = account
        .secrets
        .keys()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min();
    let near = near.filter(|(distance, _)| *distance <= NAME_DISTANCE_MAX);
    let word = Outcome::PluginOutput.word();
    let message = format!(
        "`secrets` of this account has no {name}: a request that is to be filled in with it does not leave (`{word}`)"
    );
    Some(MarketError {
        suggestion: near.map(|(_, known)| known.clone()),
        ..MarketError::new(path, "secret_unavailable", message)
    })
}

fn not_allowed(account: &Account, path: &str, text: &str) -> Option<MarketError> {
    let origin = Origin::of(&Url::parse(text).ok()?)?;
    if account.hosts.contains(&origin) {
        return None;
    }
    let word = Outcome::HostNotAllowed.word();
    let message = format!(
        "`hosts` of this account has no \"{origin}\": a request there does not leave (`{word}`)"
    );
    Some(MarketError::new(path, word, message))
}
