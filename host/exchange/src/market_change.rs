//! How a market takes effect: checked whole, then published whole.
//!
//! Everything that could fail comes before the revision is written: the text, the plugins
//! that it names and every account's configuration for them, the secrets. Then the store
//! keeps the revision, then requests see it. A host that dies in between serves the new
//! revision at its next start.

use std::{collections::BTreeMap, sync::Arc};

use gavel_market::{
    file::{self, MarketError},
    ids::{AccountId, Digest, PluginName},
    model::{Account, LeadType, Market, PluginSource, PluginSpec, PluginUse},
};
use gavel_sandbox::{Kind, Plugin};
use gavel_store::{Format, NewRevision, RevisionError};

use crate::{
    Inner, StartError,
    api::{MarketChange, MarketFormat, MarketRefused, MarketText},
    clock,
    revision::Revision,
    secrets::Secrets,
};

/// Reads a market's text and checks it whole.
pub fn parse(text: &MarketText) -> Result<Market, Vec<MarketError>> {
    match text.format {
        MarketFormat::Toml => file::parse_toml(&text.text),
        MarketFormat::Json => file::parse_json(&text.text),
    }
}

/// Checks that every account has a configuration that its plugins accept, that a plugin is of
/// the kind that it is used as, and that the fields it needs are in the lead type.
///
/// The same for a host that applies a market and for `gavel check`. Paths are those of the
/// market file; lines are found by [`with_lines`].
pub async fn verify(market: &Market, plugins: &BTreeMap<PluginName, Plugin>) -> Vec<MarketError> {
    let mut errors = Vec::new();
    for account in &market.accounts {
        let Some(lead_type) = market.lead_types.get(&account.lead_type) else {
            continue;
        };
        if let Some(used) = &account.filter {
            verify_use(
                account,
                "filter",
                Kind::Filter,
                used,
                lead_type,
                plugins,
                &mut errors,
            )
            .await;
        }
        verify_use(
            account,
            "adapter",
            Kind::Adapter,
            &account.adapter,
            lead_type,
            plugins,
            &mut errors,
        )
        .await;
    }
    errors
}

async fn verify_use(
    account: &Account,
    key: &str,
    kind: Kind,
    used: &PluginUse,
    lead_type: &LeadType,
    plugins: &BTreeMap<PluginName, Plugin>,
    errors: &mut Vec<MarketError>,
) {
    let path = format!("accounts.{}.{key}", account.id);
    // A plugin that is not there is an error of its own, said once.
    let Some(plugin) = plugins.get(&used.plugin) else {
        return;
    };
    if plugin.kind() != kind {
        let message = format!(
            "plugin `{}` cannot be used as {key}: it is built for the other world of the plugin interface",
            used.plugin
        );
        errors.push(MarketError::new(
            format!("{path}.plugin"),
            "wrong_world",
            message,
        ));
        return;
    }
    for needed in &plugin.about().needs {
        if lead_type.field(needed).is_none() {
            let message = format!(
                "plugin `{}` needs the field `{needed}`, which lead type `{}` does not have",
                used.plugin, lead_type.id
            );
            errors.push(MarketError::new(
                format!("{path}.plugin"),
                "config_refused",
                message,
            ));
        }
    }
    if let Err(refused) = plugin.check_config(&account.id, &used.config).await {
        let at = refused.path.replace('/', ".");
        errors.push(MarketError::new(
            format!("{path}.config{at}"),
            "config_refused",
            refused.message,
        ));
    }
}

/// Gives errors of [`verify`] the lines of the text that the market came from.
pub fn with_lines(text: &MarketText, errors: Vec<MarketError>) -> Vec<MarketError> {
    match text.format {
        MarketFormat::Toml => file::with_lines(&text.text, errors),
        MarketFormat::Json => errors,
    }
}

/// Serves the revision that was in force when the host stopped, if there was one.
pub(crate) async fn serve_active(inner: &Arc<Inner>) -> Result<(), StartError> {
    let Some(kept) = inner.store.active_revision()? else {
        return Ok(());
    };
    let number = kept.info.number;
    let failed = |problem: String| StartError::Market {
        revision: number,
        problem,
    };
    let at_ms = kept.info.at_ms;
    let revision = ready(inner, number, at_ms, &text_of(kept))
        .await
        .map_err(|errors| failed(first_of(&errors)))?;
    inner.revisions.publish(Arc::new(revision));
    Ok(())
}

/// A revision that is no longer in force, for the post of an order that it quoted.
///
/// It was checked when it took effect; what is asked of it now is only that it can be read
/// and that its plugins load. Secrets are today's, so its own are not needed.
pub(crate) async fn earlier(inner: &Arc<Inner>, number: u64) -> Option<Arc<Revision>> {
    let cannot = |problem: String| {
        tracing::error!(
            revision = number,
            problem,
            "a revision that quoted orders cannot be served now"
        );
        None
    };
    let kept = match inner.store.revision(number) {
        Ok(Some(kept)) => kept,
        Ok(None) => return cannot("it is not in the store".to_owned()),
        Err(error) => return cannot(error.to_string()),
    };
    let at_ms = kept.info.at_ms;
    let market = match parse(&text_of(kept)) {
        Ok(market) => market,
        Err(errors) => return cannot(first_of(&errors)),
    };
    let (plugins, errors) = load_all(inner, &market).await;
    if !errors.is_empty() {
        return cannot(first_of(&errors));
    }
    let revision = Arc::new(Revision {
        number,
        at_ms,
        market: Arc::new(market),
        plugins,
        secrets: BTreeMap::new(),
    });
    inner.revisions.keep(Arc::clone(&revision));
    Some(revision)
}

/// Checks a market and, unless it is a dry run, puts it in force.
pub(crate) async fn put(
    inner: &Arc<Inner>,
    text: MarketText,
    if_match: Option<u64>,
    dry_run: bool,
) -> Result<MarketChange, MarketRefused> {
    let _one_at_a_time = inner.changing.lock().await;
    let before = inner.store.active_revision().map_err(broken)?;
    let active = before.as_ref().map(|kept| kept.info.number);
    if if_match.is_some() && if_match != active {
        return Err(MarketRefused::Conflict(active.unwrap_or(0)));
    }
    let changes = changes(before.as_ref(), &text);
    let revision = ready(inner, 0, clock::unix_ms(), &text)
        .await
        .map_err(MarketRefused::Invalid)?;
    if dry_run {
        return Ok(MarketChange {
            revision: active.unwrap_or(0),
            changes,
        });
    }
    let format = match text.format {
        MarketFormat::Toml => Format::Toml,
        MarketFormat::Json => Format::Json,
    };
    let new = NewRevision {
        text: text.text,
        format,
        source: text.source,
        at_ms: revision.at_ms,
        by: OPERATOR.to_owned(),
    };
    let number = inner
        .store
        .put_revision(new, active)
        .await
        .map_err(refused)?;
    Ok(publish(inner, revision, number, changes))
}

/// Puts an earlier revision's text in force again, as a revision of its own.
pub(crate) async fn rollback(inner: &Arc<Inner>, to: u64) -> Result<MarketChange, MarketRefused> {
    let _one_at_a_time = inner.changing.lock().await;
    let before = inner.store.active_revision().map_err(broken)?;
    let earlier = inner
        .store
        .revision(to)
        .map_err(broken)?
        .ok_or(MarketRefused::NotFound)?;
    let text = text_of(earlier);
    let changes = changes(before.as_ref(), &text);
    let revision = ready(inner, 0, clock::unix_ms(), &text)
        .await
        .map_err(MarketRefused::Invalid)?;
    let active = before.map(|kept| kept.info.number);
    let number = inner
        .store
        .roll_back(to, active, revision.at_ms, OPERATOR.to_owned())
        .await
        .map_err(refused)?;
    Ok(publish(inner, revision, number, changes))
}

/// There is one admin token; the audit trail will tell several apart.
const OPERATOR: &str = "operator";

/// From here on requests see the new revision.
fn publish(inner: &Inner, revision: Revision, number: u64, changes: Vec<String>) -> MarketChange {
    inner
        .revisions
        .publish(Arc::new(Revision { number, ..revision }));
    tracing::info!(
        revision = number,
        changes = changes.len(),
        "a market took effect"
    );
    MarketChange {
        revision: number,
        changes,
    }
}

fn refused(error: RevisionError) -> MarketRefused {
    match error {
        RevisionError::Conflict { active } => MarketRefused::Conflict(active.unwrap_or(0)),
        RevisionError::NotFound => MarketRefused::NotFound,
        RevisionError::Store(error) => broken(error),
    }
}

/// A kept revision's text, as it was sent.
pub(crate) fn text_of(kept: gavel_store::Revision) -> MarketText {
    let format = match kept.info.format {
        Format::Toml => MarketFormat::Toml,
        Format::Json => MarketFormat::Json,
    };
    MarketText {
        format,
        text: kept.text,
        source: kept.info.source,
    }
}

/// Makes a revision ready to decide, or says everything that is against it.
async fn ready(
    inner: &Arc<Inner>,
    number: u64,
    at_ms: u64,
    text: &MarketText,
) -> Result<Revision, Vec<MarketError>> {
    let market = parse(text)?;
    let (plugins, mut errors) = load_all(inner, &market).await;
    errors.extend(verify(&market, &plugins).await);
    let (secrets, more) = read_secrets(&market);
    errors.extend(more);
    if !errors.is_empty() {
        return Err(with_lines(text, errors));
    }
    Ok(Revision {
        number,
        at_ms,
        market: Arc::new(market),
        plugins,
        secrets,
    })
}

async fn load_all(
    inner: &Arc<Inner>,
    market: &Market,
) -> (BTreeMap<PluginName, Plugin>, Vec<MarketError>) {
    let (mut plugins, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, spec) in &market.plugins {
        match load(inner, name, spec).await {
            Ok(plugin) => {
                plugins.insert(name.clone(), plugin);
            }
            Err(error) => errors.push(error),
        }
    }
    (plugins, errors)
}

async fn load(
    inner: &Arc<Inner>,
    name: &PluginName,
    spec: &PluginSpec,
) -> Result<Plugin, MarketError> {
    let path = format!("plugins.{name}");
    let digest = match &spec.source {
        PluginSource::Digest(digest) => *digest,
        PluginSource::Path(_) => {
            let message = "a host takes plugins by digest: `gavel apply` uploads the file and names it by its digest";
            return Err(MarketError::new(
                format!("{path}.path"),
                "not_allowed",
                message,
            ));
        }
    };
    // Versions differ by digest, limits by revision: those come with each call.
    if let Some(plugin) = inner.revisions.loaded(name, &digest) {
        return Ok(plugin);
    }
    let bytes = match inner.store.plugin_bytes(&digest) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let message = format!(
                "no version {} of a plugin was uploaded: PUT its bytes to /admin/v1/plugins/{name} first, or use `gavel apply`",
                digest.short()
            );
            return Err(MarketError::new(
                format!("{path}.digest"),
                "not_found",
                message,
            ));
        }
        Err(error) => {
            return Err(MarketError::new(
                format!("{path}.digest"),
                "broken",
                error.to_string(),
            ));
        }
    };
    let loaded = gate(inner, name.clone(), bytes, spec.limits).await;
    loaded.map_err(|(code, message)| MarketError::new(format!("{path}.digest"), code, message))
}

/// Compiles off the request path, one plugin at a time.
pub(crate) async fn gate(
    inner: &Arc<Inner>,
    name: PluginName,
    bytes: Vec<u8>,
    limits: gavel_market::model::CallLimits,
) -> Result<Plugin, (&'static str, String)> {
    let _one_at_a_time = inner.compiling.lock().await;
    let sandbox = inner.sandbox.clone();
    let loading = tokio::task::spawn_blocking(move || sandbox.load(&name, &bytes, limits));
    match loading.await {
        Ok(loaded) => loaded.map_err(|error| (error.code(), error.to_string())),
        Err(_panic) => Err((
            "not_compilable",
            "the compiler gave up on this plugin".to_owned(),
        )),
    }
}

fn read_secrets(market: &Market) -> (BTreeMap<AccountId, Arc<Secrets>>, Vec<MarketError>) {
    let (mut secrets, mut errors) = (BTreeMap::new(), Vec::new());
    for account in market
        .accounts
        .iter()
        .filter(|account| !account.secrets.is_empty())
    {
        match Secrets::read(&account.id, &account.secrets) {
            Ok(read) => {
                secrets.insert(account.id.clone(), Arc::new(read));
            }
            Err(problems) => errors.extend(problems.iter().map(|problem| {
                MarketError::new(
                    format!("accounts.{}.secrets.{}", account.id, problem.name),
                    "secret_unavailable",
                    problem.to_string(),
                )
            })),
        }
    }
    (secrets, errors)
}

/// One line for each part of the market that differs, read off the texts.
fn changes(before: Option<&gavel_store::Revision>, after: &MarketText) -> Vec<String> {
    let before = before
        .map(|kept| tree(kept.info.format == Format::Json, &kept.text))
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

fn first_of(errors: &[MarketError]) -> String {
    errors.first().map(ToString::to_string).unwrap_or_default()
}

fn broken(error: impl std::fmt::Display) -> MarketRefused {
    tracing::error!(%error, "the store cannot keep a market");
    MarketRefused::Broken
}

/// Which versions of a plugin are loaded already.
impl crate::revision::Revisions {
    fn loaded(&self, name: &PluginName, digest: &Digest) -> Option<Plugin> {
        self.find(|revision| {
            revision
                .plugins
                .get(name)
                .filter(|plugin| plugin.digest() == *digest)
                .cloned()
        })
    }
}
