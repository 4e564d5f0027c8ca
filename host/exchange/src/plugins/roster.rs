//! Who decides one request: the revision's active versions, but for a canary's share, and for
//! an order the versions that quoted it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use gavel_market::{
    ids::{Digest, OrderId, PluginName},
    model::{Account, Instances, PluginUse},
    order::Order,
};
use gavel_sandbox::Call;
use gavel_store::TrialMode;

use super::{canary, load, version::Version};
use crate::{Inner, revision::Revision};

/// Versions that decide nothing any more, and when they were revoked, as Unix time in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Revoked(ArcSwap<HashMap<Digest, u64>>);

impl Revoked {
    /// Those that the store knows.
    pub(crate) fn new(known: Vec<(Digest, u64)>) -> Self {
        Self(ArcSwap::from_pointee(known.into_iter().collect()))
    }

    /// When a version was revoked, if it was.
    pub(crate) fn at_ms(&self, digest: &Digest) -> Option<u64> {
        self.0.load().get(digest).copied()
    }

    /// From now on this version decides nothing.
    pub(crate) fn add(&self, digest: Digest, at_ms: u64) {
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(digest).or_insert(at_ms);
            known
        });
    }
}

/// The versions that decide one request, fixed from its start to its end. Only a revocation
/// takes one away meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Roster {
    /// The market, its active versions and its secrets.
    pub(crate) revision: Arc<Revision>,
    /// Versions that decide in place of the active ones.
    instead: BTreeMap<PluginName, Version>,
    revoked: Arc<Revoked>,
    /// Whether what is asked is about a posted lead: then no instance goes on to another.
    posted: bool,
}

impl Roster {
    /// For a ping: the active versions, and each canary that this order falls to. What comes of
    /// asking them for a test is counted nowhere.
    pub(crate) fn of_ping(
        inner: &Inner,
        revision: Arc<Revision>,
        order: OrderId,
        test: bool,
    ) -> Self {
        let canaries = revision.trials.iter().filter(|(name, trial)| {
            matches!(trial.kept.mode, TrialMode::Canary { share_ppm, .. } if canary::is_chosen(name, order, share_ppm))
        });
        let instead = canaries
            .map(|(name, trial)| {
                if !test {
                    trial.count_seen();
                }
                (name.clone(), trial.candidate.clone())
            })
            .collect();
        let roster = Self {
            revision,
            instead,
            revoked: Arc::clone(&inner.revoked),
            posted: false,
        };
        if test { roster.uncounted() } else { roster }
    }

    /// The same for a posted lead: every call has an instance of its own, also where a plugin is
    /// shown nothing personal.
    #[must_use]
    pub(crate) fn of_a_posted_lead(mut self) -> Self {
        self.posted = true;
        self
    }

    /// For a post: the versions that quoted the order. One that cannot be loaded is not
    /// replaced by another: its accounts are passed over.
    pub(crate) async fn of_order(
        inner: &Arc<Inner>,
        revision: Arc<Revision>,
        order: &Order,
    ) -> Self {
        let mut roster = Self::of_digests(inner, revision, &order.digests).await;
        // What comes of its posts is the canary's account too.
        let today = inner.revisions.current();
        for (name, trial) in today.iter().flat_map(|today| today.trials.iter()) {
            if order.digests.get(name) == Some(&trial.kept.digest) {
                roster.instead.insert(name.clone(), trial.candidate.clone());
            }
        }
        for (name, version) in &roster.instead {
            inner.revisions.keep_version(name.clone(), version.clone());
        }
        let roster = roster.of_a_posted_lead();
        if order.test {
            roster.uncounted()
        } else {
            roster
        }
    }

    /// For looking back at a decision that these versions made: what comes of asking them is
    /// counted nowhere, and what has been revoked since then decided all the same.
    pub(crate) async fn of_record(
        inner: &Arc<Inner>,
        revision: Arc<Revision>,
        digests: &BTreeMap<PluginName, Digest>,
    ) -> Self {
        let mut roster = Self::of_digests(inner, revision, digests).await.uncounted();
        roster.revoked = Arc::default();
        roster
    }

    async fn of_digests(
        inner: &Arc<Inner>,
        revision: Arc<Revision>,
        digests: &BTreeMap<PluginName, Digest>,
    ) -> Self {
        let mut roster = Self {
            instead: BTreeMap::new(),
            revoked: Arc::clone(&inner.revoked),
            posted: false,
            revision,
        };
        for (name, digest) in digests {
            if roster.revision.digest_of(name) == Some(*digest) {
                continue;
            }
            match load::load(inner, name, *digest, roster.revision.limits_of(name)).await {
                Ok(version) => {
                    roster.instead.insert(name.clone(), version);
                }
                Err(error) => {
                    tracing::error!(plugin = %name, digest = digest.short(), %error, "a version that quoted an order cannot be loaded");
                    let mut revision = Revision::clone(&roster.revision);
                    revision.plugins.remove(name);
                    roster.revision = Arc::new(revision);
                }
            }
        }
        roster
    }

    /// The same, with one version in place of the plugin's.
    #[must_use]
    pub(crate) fn with(mut self, name: PluginName, version: Version) -> Self {
        self.instead.insert(name, version);
        self
    }

    /// The same for looking on: what comes of asking is counted for the version given alone.
    #[must_use]
    pub(crate) fn looking_on(self, name: PluginName, version: Version) -> Self {
        self.uncounted().with(name, version)
    }

    /// The same, when what comes of asking is to be counted nowhere.
    fn uncounted(mut self) -> Self {
        for (name, active) in &self.revision.plugins {
            let version = self.instead.get(name).unwrap_or(active).watched(None);
            self.instead.insert(name.clone(), version);
        }
        self
    }

    /// The version that decides; none where it was revoked.
    fn version(&self, name: &PluginName) -> Option<&Version> {
        self.instead
            .get(name)
            .or_else(|| self.revision.plugins.get(name))
            .filter(|version| self.revoked.at_ms(&version.digest()).is_none())
    }

    /// Whether every plugin that an account uses may decide.
    pub(crate) fn serves(&self, account: &Account) -> bool {
        account
            .plugins()
            .all(|used| self.version(&used.plugin).is_some())
    }

    /// The versions of the plugins that an account is decided by.
    pub(crate) fn digests_of<'a>(
        &'a self,
        account: &'a Account,
    ) -> impl Iterator<Item = (PluginName, Digest)> + 'a {
        // Whatever was revoked since: it is said who decided.
        account.plugins().filter_map(|used| {
            let version = self.instead.get(&used.plugin);
            let version = version.or_else(|| self.revision.plugins.get(&used.plugin))?;
            Some((used.plugin.clone(), version.digest()))
        })
    }

    /// A plugin as an account uses it, and how to call it.
    pub(crate) fn plugin(
        &self,
        account: &Account,
        used: &PluginUse,
        order: &str,
    ) -> Option<(&Version, Call)> {
        let version = self.version(&used.plugin)?;
        let spec = self.revision.market.plugins.get(&used.plugin)?;
        let call = Call {
            account: account.id.clone(),
            config: Arc::clone(&used.config),
            limits: spec.limits,
            instances: if self.posted {
                Instances::Fresh
            } else {
                version.instances(spec.instances)
            },
            order: order.to_owned(),
        };
        Some((version, call))
    }
}
