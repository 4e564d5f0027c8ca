//! `[accounts.X]`: the buyers' standing orders.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Parts,
    campaigns::is_empty_table,
    criteria,
    errors::code,
    limits::{
        ACCOUNTS_MAX, CONFIG_MAX_BYTES, DEADLINE_MAX, LIST_MAX, POST_TIME_MAX, RETRIES_MAX,
        RETRY_WAIT_MAX, STEPS_MAX, TIME_MIN,
    },
    reader::Section,
    spot::Spot,
    tree::NodeValue,
};
use crate::{
    ids::AccountId,
    model::{
        Account, AccountStatus, HeldValue, OnUnconfirmed, Origin, PluginUse, Retry, SecretSource,
        TokenGrant,
    },
    money::Money,
};

const STATUSES: [(&str, AccountStatus); 3] = [
    ("active", AccountStatus::Active),
    ("paused", AccountStatus::Paused),
    ("inactive", AccountStatus::Inactive),
];

/// Every account, sorted by name.
pub(super) fn read(root: &mut Section<'_>, parts: &Parts) -> Vec<Arc<Account>> {
    let mut accounts = Vec::new();
    for (name, section) in root.named("accounts", ACCOUNTS_MAX) {
        let id = section.name(name);
        accounts.extend(account(id, section, parts).map(Arc::new));
    }
    accounts.sort_by(|one, other| one.id.cmp(&other.id));
    accounts
}

/// `None` where the account lacks something that has no default; that is noted.
fn account(id: Option<AccountId>, mut section: Section<'_>, parts: &Parts) -> Option<Account> {
    let buyer = section.require("buyer").and_then(|spot| parts.buyer(&spot));
    let draft = section
        .require("lead_type")
        .and_then(|spot| parts.lead_type(&spot));
    let adapter = section
        .require("adapter")
        .and_then(|spot| plugin_use(&spot, parts));
    let filter = section
        .get("filter")
        .and_then(|spot| plugin_use(&spot, parts));
    let status = section.get_or("status", AccountStatus::Active, |spot| spot.word(&STATUSES));
    let (price, ping_during_sort) = price(&mut section);
    let min_price = section.get("min_price").and_then(|spot| spot.money());
    let priority = section.get_or("priority", 100, |spot| spot.integer(&(i64::MIN..=i64::MAX)));
    let exclusive = section.get_or("exclusive", false, Spot::flag);
    let criteria = section
        .get("criteria")
        .map(|spot| criteria::read(&spot, draft))
        .unwrap_or_default();
    let hosts = section
        .get("hosts")
        .map(|spot| hosts(&spot))
        .unwrap_or_default();
    let secrets = section.section("secrets").map(secrets).unwrap_or_default();
    let ping_timeout = section.get_or("ping_timeout", Duration::from_millis(800), |spot| {
        spot.duration(&(TIME_MIN..=DEADLINE_MAX))
    });
    let max_steps = section.get_or("max_steps", 3, |spot| spot.count(&(1..=STEPS_MAX)));
    let post_timeout = section.get_or("post_timeout", Duration::from_secs(10), |spot| {
        spot.duration(&(TIME_MIN..=POST_TIME_MAX))
    });
    let retry = section.section("retry").and_then(retry);
    let on_unconfirmed = section.get_or("on_unconfirmed", OnUnconfirmed::Stop, |spot| {
        spot.word(&[("stop", OnUnconfirmed::Stop), ("next", OnUnconfirmed::Next)])
    });
    unserved(&mut section);
    section.finish();
    Some(Account {
        id: id?,
        buyer: buyer?,
        lead_type: draft?.lead_type.id.clone(),
        status,
        price,
        min_price,
        priority,
        exclusive,
        criteria,
        filter,
        adapter: adapter?,
        hosts,
        secrets,
        ping_during_sort,
        ping_timeout,
        max_steps,
        post_timeout,
        retry,
        on_unconfirmed,
    })
}

fn unserved(section: &mut Section<'_>) {
    // Weights count only under `weighted`.
    section.unserved("weight", |value| matches!(value, NodeValue::Integer(1)));
    section.unserved("ping_before_post", |value| {
        matches!(value, NodeValue::Flag(false))
    });
    section.unserved("caps", is_empty_table);
    section.unserved("budget", is_empty_table);
    section.unserved(
        "hold",
        |value| matches!(value, NodeValue::Text(word) if word == "quote"),
    );
    section.unserved("schedule", |_| false);
    section.unserved("returns", |_| false);
    section.unserved("duplicates", |_| false);
    section.unserved("test", |_| false);
}

/// The fixed price, and whether the adapter is asked for a bid.
fn price(section: &mut Section<'_>) -> (Option<Money>, bool) {
    let spot = section.get("price");
    let named = spot.is_some();
    let price = spot.and_then(|spot| spot.money());
    let asked = section.get_or("ping_during_sort", !named, Spot::flag);
    if !asked && !named {
        section.error(
            Some("price"),
            code::MISSING,
            "with `ping_during_sort = false` nobody names a price but the market",
        );
    }
    (price, asked)
}

fn plugin_use(spot: &Spot<'_>, parts: &Parts) -> Option<PluginUse> {
    let mut section = spot.section()?;
    let plugin = section
        .require("plugin")
        .and_then(|spot| parts.plugin(&spot));
    let config = section
        .get("config")
        .map_or_else(|| Some("{}".into()), |spot| config(&spot));
    section.finish();
    Some(PluginUse {
        plugin: plugin?,
        config: config?,
    })
}

fn config(spot: &Spot<'_>) -> Option<Arc<str>> {
    if !matches!(spot.node.value, NodeValue::Table(_)) {
        spot.error(
            code::WRONG_TYPE,
            format!("a table is expected, not {}", spot.node.kind()),
        );
        return None;
    }
    let Some(json) = spot.node.to_json() else {
        spot.error(
            code::BAD_FORMAT,
            "a configuration becomes JSON, which knows neither nan nor inf",
        );
        return None;
    };
    let text = json.to_string();
    if text.len() > CONFIG_MAX_BYTES {
        spot.error(
            code::TOO_LONG,
            format!("a configuration has at most {CONFIG_MAX_BYTES} bytes of JSON"),
        );
        return None;
    }
    Some(text.into())
}

/// Where the account's requests may go: scheme, name and port, nothing else.
fn hosts(spot: &Spot<'_>) -> Vec<Origin> {
    let items = spot.items(LIST_MAX).into_iter().flatten();
    items.filter_map(|item| origin(&item)).collect()
}

fn origin(spot: &Spot<'_>) -> Option<Origin> {
    let text = spot.text()?;
    let plain = |url: &url::Url| {
        url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let origin = url::Url::parse(text)
        .ok()
        .filter(plain)
        .and_then(|url| Origin::of(&url));
    if origin.is_none() {
        spot.error(code::BAD_FORMAT, "an origin is expected, such as \"https://leads.example\": http or https, a name, perhaps a port");
    }
    origin
}

fn secrets(section: Section<'_>) -> BTreeMap<String, SecretSource> {
    let mut secrets = BTreeMap::new();
    for (name, spot) in section.spots(LIST_MAX) {
        if !is_secret_name(name) {
            spot.error(code::BAD_NAME, "a secret's name is letters, digits and _, starts with no digit and has at most 64 characters");
        }
        secrets.extend(secret(&spot).map(|source| (name.to_owned(), source)));
    }
    secrets
}

fn is_secret_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn secret(spot: &Spot<'_>) -> Option<SecretSource> {
    let mut section = spot.section()?;
    let env = section.get("env");
    let file = section.get("file");
    let oauth2 = section.get("oauth2");
    section.finish();
    match (env, file, oauth2) {
        (env, file, None) if env.is_some() != file.is_some() => {
            held_value(env, file).map(SecretSource::Held)
        }
        (None, None, Some(oauth2)) => token_grant(&oauth2).map(SecretSource::OAuth2),
        _ => {
            spot.error(
                code::CONFLICT,
                "exactly one of `env`, `file` and `oauth2` is expected",
            );
            None
        }
    }
}

fn held_value(env: Option<Spot<'_>>, file: Option<Spot<'_>>) -> Option<HeldValue> {
    match (env, file) {
        (Some(env), _) => env.words().map(|name| HeldValue::Env(name.into())),
        (None, file) => file?.words().map(|path| HeldValue::File(path.into())),
    }
}

fn token_grant(spot: &Spot<'_>) -> Option<TokenGrant> {
    let mut section = spot.section()?;
    let token_url = section
        .require("token_url")
        .and_then(|spot| token_url(&spot));
    let client_id = section.require("client_id").and_then(|spot| client(&spot));
    let client_secret = section
        .require("client_secret")
        .and_then(|spot| client(&spot));
    let scope = section.get("scope").and_then(|spot| scope(&spot));
    section.finish();
    Some(TokenGrant {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope,
    })
}

/// A client's name or secret, neither of which stands in a market.
fn client(spot: &Spot<'_>) -> Option<HeldValue> {
    if matches!(spot.node.value, NodeValue::Text(_)) {
        spot.error(
            code::WRONG_TYPE,
            "the value itself does not stand in a market: name where the host has it, such as { env = \"…\" } or { file = \"…\" }",
        );
        return None;
    }
    let mut section = spot.section()?;
    let env = section.get("env");
    let file = section.get("file");
    section.finish();
    if env.is_some() == file.is_some() {
        spot.error(
            code::CONFLICT,
            "exactly one of `env` and `file` is expected",
        );
        return None;
    }
    held_value(env, file)
}

fn token_url(spot: &Spot<'_>) -> Option<url::Url> {
    let text = spot.words()?;
    let usable = |url: &url::Url| {
        Origin::of(url).is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    };
    let url = url::Url::parse(text).ok().filter(usable);
    if url.is_none() {
        spot.error(code::BAD_FORMAT, "a URL is expected, such as \"https://login.example/oauth/token\": https, or http to a private address, without user, password or fragment");
    }
    url
}

/// Words as RFC 6749, section 3.3, has them.
fn scope(spot: &Spot<'_>) -> Option<String> {
    let text = spot.words()?;
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    if text.split(' ').all(is_word) {
        return Some(text.to_owned());
    }
    spot.error(
        code::BAD_FORMAT,
        "words are expected with one blank between them, without quotes or backslashes",
    );
    None
}

fn retry(mut section: Section<'_>) -> Option<Retry> {
    let attempts = section
        .require("attempts")
        .and_then(|spot| spot.count(&(0..=RETRIES_MAX)));
    let wait = section
        .require("wait")
        .and_then(|spot| spot.duration(&(TIME_MIN..=RETRY_WAIT_MAX)));
    section.finish();
    Some(Retry {
        attempts: attempts?,
        wait: wait?,
    })
}
