//! One revision of the market, ready to decide: its plugins loaded, its secrets read.
//!
//! A request takes the revision in force once ([`Revisions::current`]) and uses it from
//! start to end; a change publishes another one whole. A post is served by the revision
//! that quoted its order, so those are kept while it may come, or read from the store again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use gavel_market::{
    ids::{AccountId, Digest, PluginName},
    model::{Account, CallLimits, Campaign, Market},
    room::{Limits, Owner, Room},
};
use tokio::time::Instant;

use crate::{
    limits::{MARKETS_KEPT, REVISIONS_KEPT},
    plugins::{trial::TrialAtWork, version::Version},
    secrets::Secrets,
};

/// A market at one revision, with all that it needs to decide. Cheap to clone: revisions that
/// differ in a plugin's version share the rest.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Counted from 1.
    pub number: u64,
    /// Unix time in milliseconds at which it took effect.
    pub at_ms: u64,
    /// Digest of the text that it came from; revisions of one text have one market.
    pub text: Digest,
    /// What it says.
    pub market: Arc<Market>,
    /// The active version of every plugin.
    pub plugins: BTreeMap<PluginName, Version>,
    /// Versions that are tried beside the active ones.
    pub(crate) trials: BTreeMap<PluginName, Arc<TrialAtWork>>,
    /// The secrets granted to each account that is granted any.
    pub secrets: Arc<BTreeMap<AccountId, Arc<Secrets>>>,
}

impl Revision {
    /// A campaign by its name.
    pub fn campaign(&self, name: &str) -> Option<&Arc<Campaign>> {
        self.market.campaigns.get(name)
    }

    /// A plugin's active version.
    pub fn digest_of(&self, name: &PluginName) -> Option<Digest> {
        self.plugins.get(name).map(Version::digest)
    }

    /// How much room an account or a campaign has; none where the market lacks it.
    pub(crate) fn room_of(&self, owner: &Owner) -> Option<Room> {
        match owner {
            Owner::Account(id) => {
                let (_, account) = self.market.account_named(id)?;
                Some(self.room_of_account(account))
            }
            Owner::Campaign(id) => {
                let campaign = self.market.campaigns.get(id)?;
                Some(Room {
                    caps: campaign.caps,
                    budget: Limits::default(),
                    zone: self.market.timezone.clone(),
                })
            }
        }
    }

    /// How much room one of this market's accounts has, by its buyer's clocks.
    pub(crate) fn room_of_account(&self, account: &Account) -> Room {
        Room {
            caps: account.caps,
            budget: account.budget,
            zone: self.market.zone_of(account).clone(),
        }
    }

    /// The bounds that the market sets for a plugin's calls, or the defaults.
    pub fn limits_of(&self, name: &PluginName) -> CallLimits {
        let spec = self.market.plugins.get(name);
        spec.map(|spec| spec.limits).unwrap_or_default()
    }

    /// The secrets granted to an account.
    pub(crate) fn secrets_of(&self, account: &AccountId) -> Arc<Secrets> {
        self.secrets.get(account).cloned().unwrap_or_default()
    }

    /// How long an order that it quotes may be posted.
    fn longest_window(&self) -> Duration {
        let windows = self
            .market
            .campaigns
            .values()
            .map(|campaign| campaign.window);
        windows.max().unwrap_or_default()
    }
}

/// The revision in force, and what quoted orders that may still be posted.
#[derive(Debug, Default)]
pub(crate) struct Revisions {
    current: ArcSwapOption<Revision>,
    kept: Mutex<Kept>,
}

/// What is no longer in force, each until no order that it quoted can be posted any more.
#[derive(Debug, Default)]
struct Kept {
    revisions: BTreeMap<u64, (Instant, Arc<Revision>)>,
    /// Versions that no revision names: ended canaries.
    versions: BTreeMap<(PluginName, Digest), (Instant, Version)>,
}

impl Kept {
    /// How many different markets the revisions have.
    fn markets(&self) -> usize {
        let markets = self
            .revisions
            .values()
            .map(|(_, revision)| Arc::as_ptr(&revision.market));
        markets.collect::<BTreeSet<_>>().len()
    }
}

impl Revisions {
    /// The revision in force; none before the first market.
    pub(crate) fn current(&self) -> Option<Arc<Revision>> {
        self.current.load_full()
    }

    /// Puts a revision in force. Requests under way keep the one they took.
    pub(crate) fn publish(&self, revision: &Arc<Revision>) {
        let Some(earlier) = self.current.swap(Some(Arc::clone(revision))) else {
            return;
        };
        for (name, trial) in &earlier.trials {
            let on_trial = revision.trials.get(name).map(|trial| trial.kept.digest);
            if on_trial != Some(trial.kept.digest) {
                self.keep_version(name.clone(), trial.candidate.clone());
            }
        }
        if earlier.number != revision.number {
            self.keep(earlier);
        }
    }

    /// Keeps a revision ready that is not in force, for as long as its orders may be posted.
    pub(crate) fn keep(&self, revision: Arc<Revision>) {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.revisions.retain(|_, (until, _)| *until > now);
        let until = now + revision.longest_window();
        kept.revisions.insert(revision.number, (until, revision));
        while kept.revisions.len() > REVISIONS_KEPT || kept.markets() > MARKETS_KEPT {
            kept.revisions.pop_first();
        }
    }

    /// Keeps a version ready that the revision in force does not name, likewise.
    pub(crate) fn keep_version(&self, name: PluginName, version: Version) {
        let now = Instant::now();
        let window = self.current().map(|revision| revision.longest_window());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.versions.retain(|_, (until, _)| *until > now);
        kept.versions.insert(
            (name, version.digest()),
            (now + window.unwrap_or_default(), version),
        );
        while kept.versions.len() > REVISIONS_KEPT {
            let soonest = kept.versions.iter().min_by_key(|(_, (until, _))| *until);
            let Some(key) = soonest.map(|(key, _)| key.clone()) else {
                return;
            };
            kept.versions.remove(&key);
        }
    }

    /// Lets go of what no order can be posted to any more. Called now and then.
    pub(crate) fn let_go(&self) {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.revisions.retain(|_, (until, _)| *until > now);
        kept.versions.retain(|_, (until, _)| *until > now);
    }

    /// A revision that is ready: in force, or kept.
    pub(crate) fn ready(&self, number: u64) -> Option<Arc<Revision>> {
        self.current()
            .filter(|revision| revision.number == number)
            .or_else(|| {
                let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.revisions
                    .get(&number)
                    .map(|(_, revision)| Arc::clone(revision))
            })
    }

    /// The first thing found in a revision that is in force or kept, newest first.
    pub(crate) fn find<T>(&self, wanted: impl Fn(&Revision) -> Option<T>) -> Option<T> {
        self.current()
            .and_then(|revision| wanted(&revision))
            .or_else(|| {
                let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                let mut newest_first = kept.revisions.values().rev();
                newest_first.find_map(|(_, revision)| wanted(revision))
            })
    }

    /// A version that is loaded already: active, on trial, or kept.
    pub(crate) fn loaded(&self, name: &PluginName, digest: &Digest) -> Option<Version> {
        let in_revision = self.find(|revision| {
            // What a canary did is not the active version's account.
            let on_trial = revision
                .trials
                .get(name)
                .map(|trial| trial.candidate.watched(None));
            let mut versions = revision
                .plugins
                .get(name)
                .cloned()
                .into_iter()
                .chain(on_trial);
            versions.find(|version| version.digest() == *digest)
        });
        in_revision.or_else(|| {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.versions
                .get(&(name.clone(), *digest))
                .map(|(_, version)| version.clone())
        })
    }
}
