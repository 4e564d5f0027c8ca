//! `secrets = {...}` of an account: where the host finds what its requests are filled in with.

use std::collections::BTreeMap;

use super::{errors::code, limits::LIST_MAX, reader::Section, spot::Spot, tree::NodeValue};
use crate::model::{HeldValue, Origin, SecretSource, TokenGrant};

/// Every secret, by the name that a template has for it.
pub(super) fn secrets(section: Section<'_>) -> BTreeMap<String, SecretSource> {
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
