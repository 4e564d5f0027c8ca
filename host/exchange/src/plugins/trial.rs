//! Versions on trial: a shadow that only looks on, a canary that decides for a share.
//!
//! A trial is a record in the store, so that it goes on after a restart, and a member of the
//! revision in force, so that a request sees it whole or not at all. It ends when an operator says
//! so, when the plugin's active version changes, or, of a canary, by itself when it does worse than the active version.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use gavel_market::ids::{Digest, PluginName};
use gavel_store::{
    EndedTrial, StoreError, Trial, TrialMode,
    audit::{BY_ITSELF, Note, on_behalf},
};
use tokio::sync::oneshot;

use super::{
    canary::{Margins, Watch},
    load,
    version::{Tally, Version},
};
use crate::{Inner, clock, events::What, revision::Revision};

/// A trial, and the version that is tried.
#[derive(Debug)]
pub(crate) struct TrialAtWork {
    /// As the store keeps it.
    pub(crate) kept: Trial,
    /// The version that is tried.
    pub(crate) candidate: Version,
    /// The active version when the trial began.
    active: Version,
    /// Its figures then.
    before: Tally,
    /// Pings that it saw, or decided for.
    seen: AtomicU64,
    /// Of a shadow: pings in which an account would have stood elsewhere.
    differed: AtomicU64,
    /// Of a shadow: pings that it could not be shown, since the host was too busy.
    skipped: AtomicU64,
}

/// A trial's figures since it began, or since the host started.
#[derive(Debug, Clone)]
pub struct TrialView {
    /// Which version, how, and since when.
    pub trial: Trial,
    /// Pings that it saw, or decided for.
    pub seen: u64,
    /// Of a shadow: pings in which an account would have stood elsewhere.
    pub differed: u64,
    /// Of a shadow: pings that it could not be shown.
    pub skipped: u64,
    /// What has come of asking the version on trial.
    pub candidate: Tally,
    /// What has come of asking the active version meanwhile.
    pub active: Tally,
}

impl TrialAtWork {
    /// A trial from now on; of a canary, what comes out is why it is to be rolled back.
    pub(crate) fn begin(
        kept: Trial,
        candidate: &Version,
        active: &Version,
    ) -> (Self, Option<oneshot::Receiver<String>>) {
        let (watch, told) = match kept.mode {
            TrialMode::Shadow => (None, None),
            TrialMode::Canary {
                faults,
                refusals,
                time,
                ..
            } => {
                let margins = Margins {
                    faults,
                    refusals,
                    time,
                };
                let (watch, told) = Watch::begin(active, margins);
                (Some(Arc::new(watch)), Some(told))
            }
        };
        let trial = Self {
            kept,
            candidate: candidate.watched(watch),
            active: active.clone(),
            before: active.tally(),
            seen: AtomicU64::new(0),
            differed: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        };
        (trial, told)
    }

    pub(crate) fn count_seen(&self) {
        self.seen.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_differed(&self) {
        self.differed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn view(&self) -> TrialView {
        TrialView {
            trial: self.kept.clone(),
            seen: self.seen.load(Ordering::Relaxed),
            differed: self.differed.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            candidate: self.candidate.tally(),
            active: self.active.tally().since(self.before),
        }
    }

    /// How it is noted once it is over.
    pub(crate) fn ended(&self, why: String, by_itself: bool) -> EndedTrial {
        EndedTrial {
            trial: self.kept.clone(),
            at_ms: clock::unix_ms(),
            why,
            by_itself,
        }
    }
}

/// Begins a trial that the store has, in a revision that is about to be published.
pub(crate) fn join(
    inner: &Arc<Inner>,
    revision: &mut Revision,
    name: &PluginName,
    kept: Trial,
    candidate: &Version,
) {
    let Some(active) = revision.plugins.get(name) else {
        return;
    };
    let (trial, told) = TrialAtWork::begin(kept.clone(), candidate, active);
    revision.trials.insert(name.clone(), Arc::new(trial));
    if let Some(told) = told {
        let (inner, name) = (Arc::downgrade(inner), name.clone());
        tokio::spawn(watch(inner, name, kept, told));
    }
}

/// Goes on with the trials that the store has, at a start.
pub(crate) async fn join_kept(
    inner: &Arc<Inner>,
    revision: &mut Revision,
) -> Result<(), StoreError> {
    for (name, kept) in inner.store.trials()? {
        let limits = revision.limits_of(&name);
        let newest = inner.store.plugin_history(&name, 1)?;
        // A crash came between the change that ended it and the note of its end.
        let over = if inner.revoked.at_ms(&kept.digest).is_some() {
            Some("it was revoked".to_owned())
        } else if newest
            .first()
            .is_some_and(|change| change.at_ms > kept.since_ms)
        {
            Some("another version was made active".to_owned())
        } else if revision.digest_of(&name).is_none() {
            Some("the plugin has no active version".to_owned())
        } else {
            match load::load(inner, &name, kept.digest, limits).await {
                Ok(candidate) => {
                    join(inner, revision, &name, kept.clone(), &candidate);
                    None
                }
                Err(error) => Some(format!("it could not be loaded: {error}")),
            }
        };
        if let Some(why) = over {
            tracing::warn!(plugin = %name, digest = kept.digest.short(), why, "a trial does not go on");
            let ended = EndedTrial {
                trial: kept,
                at_ms: clock::unix_ms(),
                why,
                by_itself: false,
            };
            inner.store.end_trial(name, ended).await?;
        }
    }
    Ok(())
}

/// Waits until a canary does worse than the active version, and rolls it back.
async fn watch(inner: Weak<Inner>, name: PluginName, kept: Trial, told: oneshot::Receiver<String>) {
    let Ok(why) = told.await else {
        // The trial is over.
        return;
    };
    let Some(inner) = inner.upgrade() else { return };
    let _one_at_a_time = inner.changing.lock().await;
    let still = inner
        .revisions
        .current()
        .and_then(|revision| revision.trials.get(&name).cloned())
        .filter(|trial| trial.kept == kept);
    let Some(trial) = still else { return };
    tracing::warn!(plugin = %name, digest = kept.digest.short(), why, "a canary does worse than the active version and is rolled back");
    metrics::counter!("gavel_canaries_rolled_back_total", "plugin" => name.to_string())
        .increment(1);
    // Out of force first: what the store is slow to note must not go on deciding.
    leave(&inner, &name);
    tell(
        &inner,
        &name,
        &kept.digest,
        "was a canary and did worse than the active version",
    );
    let ended = trial.ended(why, true);
    let note = Note {
        at_ms: clock::unix_ms(),
        token: BY_ITSELF.to_owned(),
        what: format!("canary of {name} rolled back"),
        request_id: "canary".to_owned(),
    };
    if let Err(error) = on_behalf(note, inner.store.end_trial(name, ended)).await {
        tracing::error!(%error, "the end of a canary could not be kept");
    }
}

/// Tells what a version of a plugin is from now on.
pub(crate) fn tell(inner: &Inner, name: &PluginName, digest: &Digest, how: &str) {
    let revision = inner.revisions.current().map_or(0, |now| now.number);
    inner.events.tell(|| What::Change {
        revision,
        changes: vec![format!("plugins.{name} {} {how}", digest.short())],
    });
}

/// Takes a trial out of the revision in force. Whoever calls holds the lock on changes.
pub(crate) fn leave(inner: &Inner, name: &PluginName) {
    if let Some(current) = inner.revisions.current() {
        let mut revision = Revision::clone(&current);
        revision.trials.remove(name);
        inner.revisions.publish(&Arc::new(revision));
    }
}

/// Ends the trials that a new revision does not go on with, in the store.
pub(crate) async fn end_others(
    inner: &Inner,
    before: &Revision,
    after: &Revision,
) -> Result<(), StoreError> {
    for (name, trial) in &before.trials {
        if after.trials.contains_key(name) {
            continue;
        }
        let promoted = after.digest_of(name) == Some(trial.kept.digest);
        let why = if promoted {
            "it was made the active version"
        } else {
            "another version was made active"
        };
        let ended = trial.ended(why.to_owned(), false);
        inner.store.end_trial(name.clone(), ended).await?;
    }
    Ok(())
}

/// The trials that go on under a revision with these active versions.
pub(crate) fn that_go_on(
    before: &Revision,
    active: impl Fn(&PluginName) -> Option<Digest>,
) -> std::collections::BTreeMap<PluginName, Arc<TrialAtWork>> {
    let trials = before.trials.iter();
    trials
        .filter(|(name, _)| {
            before.digest_of(name).is_some() && before.digest_of(name) == active(name)
        })
        .map(|(name, trial)| (name.clone(), Arc::clone(trial)))
        .collect()
}
