//! Instances that live on after a call, for the next one of the same plugin, account and
//! configuration.
//!
//! Bounded in number and memory over the whole sandbox; what was unused for longest goes
//! first. An instance is in here or in a call's hands, never both, and comes back only from
//! a call that ended well: one that failed, or was given up half-way, is dropped with it.

use std::{
    collections::{BTreeMap, HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use gavel_market::{ids::AccountId, model::CallLimits};

use crate::{
    instance::Live,
    limits::{REUSED_MEMORY_MAX_BYTES, REUSED_PER_ACCOUNT, SandboxSettings},
};

/// A plugin in one sandbox: two loads of the same bytes are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PluginId(u64);

/// What an instance is kept for; its configuration it knows itself.
type Key = (PluginId, AccountId);

/// The instances that are kept.
pub(crate) struct Reused {
    kept: Mutex<Kept>,
    instances_max: usize,
    calls_max: u32,
    check_every: u64,
    plugins: AtomicU64,
    calls: AtomicU64,
    lot: RandomState,
}

#[derive(Default)]
struct Kept {
    /// By when it was last used, oldest first.
    by_age: BTreeMap<u64, (Key, Live)>,
    /// The ages of those kept for one key, oldest first.
    of: HashMap<Key, Vec<u64>>,
    next_age: u64,
    /// Of all together, in bytes.
    memory: usize,
}

impl Reused {
    pub(crate) fn new(settings: &SandboxSettings) -> Self {
        Self {
            kept: Mutex::default(),
            instances_max: settings.reused_instances as usize,
            calls_max: settings.reused_calls_max,
            check_every: settings.reused_check_every.into(),
            plugins: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            lot: RandomState::new(),
        }
    }

    /// A name for a plugin that was just loaded.
    pub(crate) fn introduce(&self) -> PluginId {
        PluginId(self.plugins.fetch_add(1, Relaxed))
    }

    /// An instance of the plugin in which the account is open, the one used last. The
    /// caller has a place for it.
    pub(crate) fn take(
        &self,
        plugin: PluginId,
        account: &AccountId,
        config: &Arc<str>,
        limits: &CallLimits,
    ) -> Option<Live> {
        let taken = self.kept().take(&(plugin, account.clone()), config);
        // An operator may have lowered a limit since.
        taken.filter(|live| live.may_go_on(limits, self.calls_max))
    }

    /// Keeps an instance after a call that ended well, while the caller still has its place.
    pub(crate) fn keep(
        &self,
        plugin: PluginId,
        account: &AccountId,
        live: Live,
        limits: &CallLimits,
    ) {
        if self.instances_max == 0 || !live.may_go_on(limits, self.calls_max) {
            return;
        }
        let mut gone = Vec::new();
        let mut kept = self.kept();
        kept.add((plugin, account.clone()), live, &mut gone);
        while kept.by_age.len() > self.instances_max || kept.memory > REUSED_MEMORY_MAX_BYTES {
            match kept.by_age.keys().next().copied() {
                Some(oldest) => gone.extend(kept.remove(oldest)),
                None => break,
            }
        }
        // Dropping an instance takes time; others are not to wait for it.
        drop(kept);
        drop(gone);
    }

    /// Drops all instances of a plugin.
    pub(crate) fn forget(&self, plugin: PluginId) {
        let mut kept = self.kept();
        let of = kept.of.extract_if(|(of, _), _| *of == plugin);
        let ages: Vec<_> = of.flat_map(|(_, ages)| ages).collect();
        let gone: Vec<_> = ages
            .into_iter()
            .filter_map(|age| kept.remove(age))
            .collect();
        drop(kept);
        drop(gone);
    }

    /// Whether the call at hand is one of those that are run again on a fresh instance.
    ///
    /// Drawn by lot, so that a plugin that counts its calls cannot tell either.
    pub(crate) fn is_to_be_checked(&self) -> bool {
        let drawn = self.lot.hash_one(self.calls.fetch_add(1, Relaxed));
        drawn.checked_rem(self.check_every) == Some(0)
    }

    /// How many are kept, and their memory in bytes.
    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        let kept = self.kept();
        (kept.by_age.len(), kept.memory)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, key: &Key, config: &Arc<str>) -> Option<Live> {
        let ages = self.of.get(key)?;
        let fits = |age: &&u64| {
            let kept = self.by_age.get(age);
            kept.is_some_and(|(_, live)| live.is_opened_with(config))
        };
        let age = *ages.iter().rev().find(fits)?;
        self.remove(age)
    }

    fn add(&mut self, key: Key, live: Live, gone: &mut Vec<Live>) {
        let age = self.next_age;
        self.next_age += 1;
        self.memory = self.memory.saturating_add(live.memory());
        let ages = self.of.entry(key.clone()).or_default();
        ages.push(age);
        let too_many = ages.len() > REUSED_PER_ACCOUNT;
        let oldest = ages.first().copied().filter(|_| too_many);
        self.by_age.insert(age, (key, live));
        gone.extend(oldest.and_then(|oldest| self.remove(oldest)));
    }

    fn remove(&mut self, age: u64) -> Option<Live> {
        let (key, live) = self.by_age.remove(&age)?;
        self.memory = self.memory.saturating_sub(live.memory());
        if let Some(ages) = self.of.get_mut(&key) {
            ages.retain(|kept| *kept != age);
            if ages.is_empty() {
                self.of.remove(&key);
            }
        }
        Some(live)
    }
}
