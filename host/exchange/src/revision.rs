//! One revision of the market, ready to decide: its plugins loaded, its secrets read.
//!
//! A request takes the revision in force once ([`Revisions::current`]) and uses it from
//! start to end; a change publishes another one whole. A post is served by the revision
//! that quoted its order, so those are kept or read from the store again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;
use gavel_market::{
    ids::{AccountId, Digest, PluginName},
    model::{Account, Campaign, Market, PluginUse},
};
use gavel_sandbox::{Call, Plugin};

use crate::{limits::REVISIONS_KEPT, secrets::Secrets};

/// A market at one revision, with all that it needs to decide.
#[derive(Debug)]
pub struct Revision {
    /// Counted from 1.
    pub number: u64,
    /// Unix time in milliseconds at which it took effect.
    pub at_ms: u64,
    /// What it says.
    pub market: Arc<Market>,
    /// Every plugin that it names, loaded.
    pub plugins: BTreeMap<PluginName, Plugin>,
    /// The secrets granted to each account that is granted any.
    pub secrets: BTreeMap<AccountId, Arc<Secrets>>,
}

impl Revision {
    /// A campaign by its name.
    pub fn campaign(&self, name: &str) -> Option<&Arc<Campaign>> {
        self.market.campaigns.get(name)
    }

    /// The versions of the plugins that an account is decided by.
    pub fn digests_of<'a>(
        &'a self,
        account: &'a Account,
    ) -> impl Iterator<Item = (PluginName, Digest)> + 'a {
        let uses = account.filter.iter().chain([&account.adapter]);
        uses.filter_map(|used| {
            Some((
                used.plugin.clone(),
                self.plugins.get(&used.plugin)?.digest(),
            ))
        })
    }

    /// A plugin as an account uses it, and how to call it.
    pub(crate) fn plugin(
        &self,
        account: &Account,
        used: &PluginUse,
        order: &str,
    ) -> Option<(&Plugin, Call)> {
        let plugin = self.plugins.get(&used.plugin)?;
        let limits = self.market.plugins.get(&used.plugin)?.limits;
        let call = Call {
            account: account.id.clone(),
            config: Arc::clone(&used.config),
            limits,
            order: order.to_owned(),
        };
        Some((plugin, call))
    }

    /// The secrets granted to an account.
    pub(crate) fn secrets_of(&self, account: &AccountId) -> Arc<Secrets> {
        self.secrets.get(account).cloned().unwrap_or_default()
    }
}

/// The revision in force, and those that quoted orders which may still be posted.
#[derive(Debug, Default)]
pub(crate) struct Revisions {
    current: ArcSwapOption<Revision>,
    /// Newest last, at most [`REVISIONS_KEPT`].
    earlier: Mutex<Vec<Arc<Revision>>>,
}

impl Revisions {
    /// The revision in force; none before the first market.
    pub(crate) fn current(&self) -> Option<Arc<Revision>> {
        self.current.load_full()
    }

    /// Puts a revision in force. Requests under way keep the one they took.
    pub(crate) fn publish(&self, revision: Arc<Revision>) {
        if let Some(earlier) = self.current.swap(Some(revision)) {
            self.keep(earlier);
        }
    }

    /// Keeps a revision ready that is not in force.
    pub(crate) fn keep(&self, revision: Arc<Revision>) {
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.retain(|kept| kept.number != revision.number);
        earlier.push(revision);
        if earlier.len() > REVISIONS_KEPT {
            earlier.remove(0);
        }
    }

    /// A revision that is ready: in force, or kept.
    pub(crate) fn ready(&self, number: u64) -> Option<Arc<Revision>> {
        self.find(|revision| (revision.number == number).then(|| Arc::clone(revision)))
    }

    /// The first thing found in a revision that is in force or kept.
    pub(crate) fn find<T>(&self, wanted: impl Fn(&Arc<Revision>) -> Option<T>) -> Option<T> {
        self.current().as_ref().and_then(&wanted).or_else(|| {
            let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
            earlier.iter().rev().find_map(&wanted)
        })
    }
}
