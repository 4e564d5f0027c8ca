//! The market file at a start: applied if it is not the one that was applied last.

use std::path::Path;

use gavel_exchange::{
    Exchange,
    api::{Limits, MarketRefused, OperatorRefused, RevisionView, Upload},
};
use gavel_market::ids::Digest;
use gavel_store::audit::{BY_ITSELF, Note, on_behalf};

use crate::{
    check::counted,
    config::{Size, Span},
    http::first_byte::now,
    market_file::{Fault, MarketFile},
    out::Failure,
};

/// Applies the market file, or leaves the revision in force as it is; the log says which.
///
/// A file that cannot be taken stops a first start. A host that has a market keeps that
/// one: it must come up again after a crash, whatever somebody is editing.
pub(crate) async fn apply(exchange: &Exchange, path: Option<&Path>) -> Result<(), Failure> {
    let active = exchange.market().map_err(|error| unreadable(&error))?;
    let Some(path) = path else {
        if let Some(view) = active {
            let revision = view.revision;
            tracing::info!(
                revision,
                "no market file is configured: the revision in force stands"
            );
        } else {
            tracing::warn!(
                "there is no market yet: apply one with `gavel apply`, or start with --market"
            );
        }
        return Ok(());
    };
    let refusal = match MarketFile::read(path) {
        Ok(file) if last_applied(exchange, active.as_ref()) == Some(file.digest()) => {
            tracing::info!(file = %path.display(), revision = active.map(|view| view.revision), "the market file is the one that was applied last: the revision in force stands");
            return Ok(());
        }
        Ok(file) => match on_behalf(by_itself(), put(exchange, &file)).await {
            Ok(revision) => {
                tracing::info!(file = %path.display(), revision, "the market file was applied");
                return Ok(());
            }
            Err(refusal) => refusal,
        },
        Err(failure) => failure,
    };
    match active {
        Some(RevisionView { revision, .. }) => {
            tracing::error!(file = %path.display(), revision, "the market file was not applied, and the revision in force stands: {refusal}");
            Ok(())
        }
        None => Err(refusal),
    }
}

/// Whom the audit trail names for a market that no request brought.
fn by_itself() -> Note {
    Note {
        at_ms: now().unix_ms,
        token: BY_ITSELF.to_owned(),
        what: "market file at the start".to_owned(),
        request_id: "start".to_owned(),
    }
}

/// Uploads what is lacking and puts the market in force: its revision.
async fn put(exchange: &Exchange, file: &MarketFile) -> Result<u64, Failure> {
    if !file.errors.is_empty() {
        return Err(refused(file, file.with_lines(file.errors.clone())));
    }
    let there = exchange.plugins().map_err(|error| unreadable(&error))?;
    let has = |name: &_, digest| {
        there.iter().any(|version| {
            version.name == *name && version.digest == digest && version.refused.is_none()
        })
    };
    for plugin in file
        .plugins
        .iter()
        .filter(|plugin| !has(&plugin.name, plugin.digest))
    {
        let upload = Upload {
            name: plugin.name.clone(),
            bytes: plugin.bytes.clone(),
            cases: Vec::new(),
            limits: limits(&plugin.limits),
            activate: false,
        };
        let uploaded = exchange.upload_plugin(upload).await;
        let (version, _) = uploaded.map_err(|error| {
            Failure(format!("plugin `{}` cannot be kept: {error}", plugin.name))
        })?;
        if let Some((code, words)) = version.refused {
            return Err(Failure(format!(
                "plugin `{}` was refused: {code}: {words}",
                plugin.name
            )));
        }
    }
    match exchange.put_market(file.text(), None, false).await {
        Ok(change) => Ok(change.revision),
        Err(MarketRefused::Invalid(errors)) => Err(refused(file, errors)),
        Err(other) => Err(Failure(format!("{}: {other}", file.shown()))),
    }
}

/// A plugin's limits, read from how the market has them. What is no limit is the market's error, and
/// said when it is read.
fn limits(written: &[(&'static str, String)]) -> Limits {
    let text = |key: &str| {
        let (_, text) = written.iter().find(|(name, _)| *name == key)?;
        Some(text.as_str())
    };
    let size = |key| Some(text(key)?.parse::<Size>().ok()?.0);
    Limits {
        memory: size("memory"),
        time: text("time")
            .and_then(|time| time.parse::<Span>().ok())
            .map(|time| time.0),
        log: size("log"),
    }
}

fn refused(file: &MarketFile, errors: Vec<impl Into<Fault>>) -> Failure {
    let lines = file.lines(errors);
    Failure(format!(
        "{} has {} to mend:\n{}",
        file.shown(),
        counted(lines.len(), "error"),
        lines.join("\n")
    ))
}

/// Digest of the file that was applied last. Markets that came by the admin API without a
/// file, and rollbacks, are no files that were applied: what they changed is to stand.
fn last_applied(exchange: &Exchange, active: Option<&RevisionView>) -> Option<Digest> {
    (1..=active?.revision).rev().find_map(|number| {
        let view = exchange.revision(number).ok()?;
        if view.rollback_of.is_some() {
            None
        } else {
            view.text?.source
        }
    })
}

fn unreadable(error: &OperatorRefused) -> Failure {
    Failure(format!("the market in the store cannot be read: {error}"))
}
