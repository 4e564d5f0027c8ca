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
    model::{Account, CallLimits, LeadType, Market, PluginSource, PluginSpec, PluginUse},
    report::Hours,
};
use gavel_sandbox::{Kind, Plugin};
use gavel_store::{Format, NewRevision, RevisionError, VersionChange, Why};

use crate::{
    Inner, StartError,
    api::{MarketChange, MarketFormat, MarketRefused, MarketText},
    clock,
    events::What,
    market_text::{changes, raw_text, text_of},
    plugins::{
        load::{self, NotLoaded},
        trial,
        version::Version,
    },
    revision::Revision,
    secrets::{Fetching, Secrets},
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
    verify_those(market, |name| plugins.get(name), None).await
}

/// The same for the accounts that use one plugin, or for all.
pub(crate) async fn verify_those<'p>(
    market: &Market,
    plugin: impl Fn(&PluginName) -> Option<&'p Plugin>,
    only: Option<&PluginName>,
) -> Vec<MarketError> {
    let mut errors = Vec::new();
    let concerned = market.accounts.iter().filter(|account| {
        only.is_none_or(|only| account.plugins().any(|used| used.plugin == *only))
    });
    for account in concerned {
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
                plugin(&used.plugin),
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
            plugin(&account.adapter.plugin),
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
    plugin: Option<&Plugin>,
    errors: &mut Vec<MarketError>,
) {
    let path = format!("accounts.{}.{key}", account.id);
    // A plugin that is not there is an error of its own, said once.
    let Some(plugin) = plugin else {
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
        errors.push(MarketError {
            suggestion: refused.suggestion,
            ..MarketError::new(
                format!("{path}.config{at}"),
                "config_refused",
                refused.message,
            )
        });
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
    let mut revision = ready(
        inner,
        at_ms,
        &raw_text(&kept),
        &kept.info.versions,
        Revoked::Stands,
    )
    .await
    .map_err(|errors| failed(first_of(&errors)))?;
    revision.number = number;
    trial::join_kept(inner, &mut revision).await?;
    let hours = Hours::of(&revision.market.timezone);
    inner.store.report_in(&hours).await?;
    in_force(inner, &Arc::new(revision));
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
    // Revisions that differ in plugins' versions alone have one market.
    let text = kept.info.text_digest;
    let same_text =
        |revision: &Revision| (revision.text == text).then(|| Arc::clone(&revision.market));
    let market = match inner.revisions.find(same_text) {
        Some(market) => market,
        None => match parse(&raw_text(&kept)) {
            Ok(market) => Arc::new(market),
            Err(errors) => return cannot(first_of(&errors)),
        },
    };
    let versions = &kept.info.versions;
    let (plugins, errors) = load_all(inner, &market, versions, Revoked::Stands).await;
    if !errors.is_empty() {
        return cannot(first_of(&errors));
    }
    let revision = Arc::new(Revision {
        number,
        at_ms,
        text,
        market,
        plugins,
        trials: BTreeMap::new(),
        secrets: Arc::default(),
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
    still_active(if_match, active)?;
    let changes = changes(before, &text);
    let none = BTreeMap::new();
    let revision = ready(inner, clock::unix_ms(), &text, &none, Revoked::Refused)
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
        changed: versions_changed(inner, &revision),
    };
    let number = inner
        .store
        .put_revision(new, active)
        .await
        .map_err(refused)?;
    publish(inner, revision, number, &changes).await?;
    Ok(MarketChange {
        revision: number,
        changes,
    })
}

/// Whether the revision that a change is meant for is the one in force.
fn still_active(if_match: Option<u64>, active: Option<u64>) -> Result<(), MarketRefused> {
    if if_match.is_some() && if_match != active {
        return Err(MarketRefused::Conflict(active.unwrap_or(0)));
    }
    Ok(())
}

/// Puts an earlier revision's market in force again, as a revision of its own.
pub(crate) async fn rollback(
    inner: &Arc<Inner>,
    to: u64,
    if_match: Option<u64>,
) -> Result<MarketChange, MarketRefused> {
    let _one_at_a_time = inner.changing.lock().await;
    let before = inner.store.active_revision().map_err(broken)?;
    let active = before.as_ref().map(|kept| kept.info.number);
    still_active(if_match, active)?;
    let earlier = inner
        .store
        .revision(to)
        .map_err(broken)?
        .ok_or(MarketRefused::NotFound)?;
    let (text, versions) = (raw_text(&earlier), earlier.info.versions.clone());
    let changes = changes(before, &text_of(earlier));
    let revision = ready(inner, clock::unix_ms(), &text, &versions, Revoked::Refused)
        .await
        .map_err(MarketRefused::Invalid)?;
    let versions = versions_changed(inner, &revision);
    let number = inner
        .store
        .roll_back(to, active, revision.at_ms, OPERATOR.to_owned(), versions)
        .await
        .map_err(refused)?;
    publish(inner, revision, number, &changes).await?;
    Ok(MarketChange {
        revision: number,
        changes,
    })
}

/// Makes a version of a plugin the active one: the market in force at a further revision, with
/// nothing else changed. Accounts that use the plugin are checked as in a market that is put.
pub(crate) async fn activate(
    inner: &Arc<Inner>,
    name: &PluginName,
    version: Version,
    why: Why,
) -> Result<MarketChange, MarketRefused> {
    let digest = version.digest();
    let current = inner.revisions.current().ok_or(MarketRefused::NotFound)?;
    if current.digest_of(name) == Some(digest) {
        return Ok(MarketChange {
            revision: current.number,
            changes: Vec::new(),
        });
    }
    let candidate = |wanted: &PluginName| {
        if wanted == name {
            return Some(version.plugin());
        }
        current.plugins.get(wanted).map(Version::plugin)
    };
    let errors = verify_those(&current.market, candidate, Some(name)).await;
    if !errors.is_empty() {
        let kept = inner.store.active_revision().map_err(broken)?;
        let errors = match kept {
            Some(kept) => with_lines(&text_of(kept), errors),
            None => errors,
        };
        return Err(MarketRefused::Invalid(errors));
    }
    let mut revision = Revision {
        at_ms: clock::unix_ms(),
        ..Revision::clone(&current)
    };
    revision.plugins.insert(name.clone(), version);
    let change = VersionChange::new(name.clone(), Some(digest), why);
    let number = inner
        .store
        .activate_version(
            change,
            digest,
            current.number,
            revision.at_ms,
            OPERATOR.to_owned(),
        )
        .await
        .map_err(refused)?;
    let changes = vec![format!("plugins.{name} changed")];
    publish(inner, revision, number, &changes).await?;
    Ok(MarketChange {
        revision: number,
        changes,
    })
}

/// There is one admin token; the audit trail will tell several apart.
const OPERATOR: &str = "operator";

/// Which plugins' active versions a new revision changes, for their history.
fn versions_changed(inner: &Inner, after: &Revision) -> Vec<VersionChange> {
    let before = inner.revisions.current();
    let digest_before = |name: &PluginName| before.as_ref().and_then(|now| now.digest_of(name));
    let gone = before
        .iter()
        .flat_map(|before| before.plugins.keys())
        .filter(|name| !after.plugins.contains_key(*name));
    let names = after
        .plugins
        .keys()
        .filter(|name| digest_before(name) != after.digest_of(name));
    names
        .chain(gone)
        .map(|name| VersionChange::new(name.clone(), after.digest_of(name), Why::Applied))
        .collect()
}

/// From here on requests see this revision, and its tokens are fetched.
fn in_force(inner: &Inner, revision: &Arc<Revision>) {
    let tokens = revision
        .secrets
        .values()
        .flat_map(|secrets| secrets.tokens());
    inner.tokens.put_in_force(tokens, &inner.buyers);
    inner.revisions.publish(revision);
}

/// Puts the new revision in force. Trials of plugins whose active version it does
/// not change go on.
async fn publish(
    inner: &Arc<Inner>,
    revision: Revision,
    number: u64,
    changes: &[String],
) -> Result<(), MarketRefused> {
    let before = inner.revisions.current();
    let mut revision = Revision { number, ..revision };
    if let Some(before) = &before {
        revision.trials = trial::that_go_on(before, |name| revision.digest_of(name));
    }
    let hours = Hours::of(&revision.market.timezone);
    inner.store.report_in(&hours).await.map_err(broken)?;
    let revision = Arc::new(revision);
    in_force(inner, &revision);
    tracing::info!(revision = number, "a market took effect");
    inner.events.tell(|| What::Change {
        revision: number,
        changes: changes.to_vec(),
    });
    if let Some(before) = before {
        // After a crash here the trial would go on beside the new version, until somebody ends it.
        trial::end_others(inner, &before, &revision)
            .await
            .map_err(broken)?;
    }
    Ok(())
}

fn refused(error: RevisionError) -> MarketRefused {
    match error {
        RevisionError::Conflict { active } => MarketRefused::Conflict(active.unwrap_or(0)),
        RevisionError::NotFound => MarketRefused::NotFound,
        RevisionError::Store(error) => broken(error),
    }
}

/// Makes a revision ready to decide, or says everything that is against it.
async fn ready(
    inner: &Arc<Inner>,
    at_ms: u64,
    text: &MarketText,
    versions: &BTreeMap<PluginName, Digest>,
    revoked: Revoked,
) -> Result<Revision, Vec<MarketError>> {
    let market = parse(text)?;
    let (mut plugins, mut errors) = load_all(inner, &market, versions, revoked).await;
    let plugin = |name: &PluginName| plugins.get(name).map(Version::plugin);
    errors.extend(verify_those(&market, plugin, None).await);
    let (secrets, more) = read_secrets(inner, &market);
    errors.extend(more);
    // A version may be active of a plugin that the market does not name: nobody uses it.
    for (name, digest) in versions {
        if !plugins.contains_key(name)
            && let Ok(version) = load::load(inner, name, *digest, CallLimits::default()).await
        {
            plugins.insert(name.clone(), version);
        }
    }
    if !errors.is_empty() {
        return Err(with_lines(text, errors));
    }
    Ok(Revision {
        number: 0,
        at_ms,
        text: Digest::of(text.text.as_bytes()),
        market: Arc::new(market),
        plugins,
        trials: BTreeMap::new(),
        secrets: Arc::new(secrets),
    })
}

async fn load_all(
    inner: &Arc<Inner>,
    market: &Market,
    versions: &BTreeMap<PluginName, Digest>,
    revoked: Revoked,
) -> (BTreeMap<PluginName, Version>, Vec<MarketError>) {
    let (mut plugins, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, spec) in &market.plugins {
        match load_one(inner, name, spec, versions.get(name), revoked).await {
            Ok(version) => {
                plugins.insert(name.clone(), version);
            }
            Err(error) => errors.push(error),
        }
    }
    (plugins, errors)
}

/// What becomes of a market that names a revoked version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revoked {
    /// Its accounts are not active: it was in force when the version was revoked.
    Stands,
    /// It is refused where it would put such a version in force anew.
    Refused,
}

async fn load_one(
    inner: &Arc<Inner>,
    name: &PluginName,
    spec: &PluginSpec,
    activated: Option<&Digest>,
    revoked: Revoked,
) -> Result<Version, MarketError> {
    let path = format!("plugins.{name}");
    let digest = match (activated, &spec.source) {
        (Some(digest), _) | (None, PluginSource::Digest(digest)) => *digest,
        (None, PluginSource::Path(_)) => {
            let message = "a host takes plugins by digest: `gavel apply` uploads the file and names it by its digest";
            return Err(MarketError::new(
                format!("{path}.path"),
                "not_allowed",
                message,
            ));
        }
    };
    let at_digest =
        |code, message: String| MarketError::new(format!("{path}.digest"), code, message);
    let in_force = inner.revisions.current();
    let is_new = in_force.is_none_or(|current| current.digest_of(name) != Some(digest));
    // What is in force already was let in once.
    let known = if revoked == Revoked::Refused && is_new {
        inner
            .store
            .plugin_version(name, &digest)
            .map_err(|error| at_digest("broken", error.to_string()))?
    } else {
        None
    };
    if let Some(refused) = known.and_then(|version| version.refused) {
        let message = format!(
            "the gate refused it ({}): {}",
            refused.code, refused.message
        );
        return Err(at_digest("refused_by_gate", message));
    }
    if revoked == Revoked::Refused && is_new && inner.revoked.at_ms(&digest).is_some() {
        let message = format!("version {} was revoked and decides nothing", digest.short());
        return Err(at_digest("revoked", message));
    }
    load::load(inner, name, digest, spec.limits)
        .await
        .map_err(|error| match error {
            NotLoaded::Unknown => at_digest(
                "not_found",
                format!(
                    "no version {} of a plugin was uploaded: PUT its bytes to /admin/v1/plugins/{name} first, or use `gavel apply`",
                    digest.short()
                ),
            ),
            NotLoaded::Refused { code, message } => at_digest(code, message),
            NotLoaded::Store(error) => at_digest("broken", error.to_string()),
        })
}

fn read_secrets(
    inner: &Inner,
    market: &Market,
) -> (BTreeMap<AccountId, Arc<Secrets>>, Vec<MarketError>) {
    let (mut secrets, mut errors) = (BTreeMap::new(), Vec::new());
    let fetching = Fetching {
        tokens: &inner.tokens,
        allow_http: inner.settings.allow_private_buyers,
    };
    for account in market
        .accounts
        .iter()
        .filter(|account| !account.secrets.is_empty())
    {
        match Secrets::read(&account.id, &account.secrets, &fetching) {
            Ok(read) => {
                secrets.insert(account.id.clone(), Arc::new(read));
            }
            Err(problems) => errors.extend(problems.iter().map(|problem| {
                MarketError::new(
                    format!(
                        "accounts.{}.secrets.{}{}",
                        account.id, problem.name, problem.at
                    ),
                    problem.problem.code(),
                    problem.to_string(),
                )
            })),
        }
    }
    (secrets, errors)
}

fn first_of(errors: &[MarketError]) -> String {
    errors.first().map(ToString::to_string).unwrap_or_default()
}

fn broken(error: impl std::fmt::Display) -> MarketRefused {
    tracing::error!(%error, "the store cannot keep a market");
    MarketRefused::Broken
}
