//! A change: a function from what stands there to what shall stand there.
//!
//! The committer sees a [`Job`], which reads and writes through a [`Txn`] and tells whoever
//! waits how it ended. Nearly every change of the domain is a [`Change`] around a closure.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use gavel_market::room::Owner;
use sled::IVec;
use tokio::sync::oneshot;

use crate::{
    error::StoreError,
    keys::{self, Key},
    usage::{Kept, Usages},
    vault::slots::{SlotBytes, Slots},
    view,
};

/// One change, as the committer sees it.
pub(crate) trait Job: Send {
    /// Whether somebody waits for it.
    fn is_urgent(&self) -> bool;

    /// Does it; what was written is kept if this says so.
    fn run(&mut self, txn: &mut Txn<'_>) -> bool;

    /// Tells whoever waits that its group is durable, or is not. May ask for another change.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>) -> Option<Box<dyn Job>>;
}

/// A change that a task waits for, or nobody does.
pub(crate) struct Change<F, T, E> {
    make: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: Option<oneshot::Sender<Result<T, E>>>,
}

impl<F, T, E> Change<F, T, E>
where
    F: FnOnce(&mut Txn<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    pub(crate) fn new(make: F, reply: Option<oneshot::Sender<Result<T, E>>>) -> Self {
        Self {
            make: Some(make),
            outcome: None,
            reply,
        }
    }
}

impl<F, T, E> Job for Change<F, T, E>
where
    F: FnOnce(&mut Txn<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn is_urgent(&self) -> bool {
        self.reply.is_some()
    }

    fn run(&mut self, txn: &mut Txn<'_>) -> bool {
        self.outcome = self.make.take().map(|make| make(txn));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) -> Option<Box<dyn Job>> {
        let outcome = match committed {
            Ok(()) => self.outcome,
            Err(error) => Some(Err(error.into())),
        };
        if let (Some(reply), Some(outcome)) = (self.reply, outcome) {
            // A task that is gone wants no answer; its change stands.
            drop(reply.send(outcome));
        }
        None
    }
}

/// What one entry of the tree becomes.
pub(crate) enum Write {
    /// A record, or none.
    Record(Option<IVec>),
    /// An index's entry, there or not.
    Mark(bool),
}

/// What changes write before it is durable: of one change, or of all in a group.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) writes: BTreeMap<Key, Write>,
    /// Of keys and records.
    pub(crate) bytes: usize,
    pub(crate) new_slots: Vec<(u32, SlotBytes)>,
    pub(crate) erased_slots: Vec<u32>,
    /// What is counted of owners from now on; a record each, encoded once for the group.
    pub(crate) usages: BTreeMap<Owner, Kept>,
    /// What stands in the tree, of the records that its changes have read: each is read once,
    /// though every change that writes one is asked for what stood there before.
    read: RefCell<HashMap<Key, Option<Stored>>>,
}

/// A record in the tree, with the number of its further parts.
pub(crate) type Stored = (IVec, u16);

impl Group {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
            && self.new_slots.is_empty()
            && self.erased_slots.is_empty()
            && self.usages.is_empty()
    }

    /// Adds what a later change wrote.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.bytes += other.bytes;
        self.new_slots.extend(other.new_slots);
        self.erased_slots.extend(other.erased_slots);
        self.usages.extend(other.usages);
    }

    /// What stands in the tree under a key. Nothing in it changes before the group is put there.
    pub(crate) fn stored(
        &self,
        tree: &sled::Tree,
        key: &[u8],
    ) -> Result<Option<Stored>, StoreError> {
        if let Some(stored) = self.read.borrow().get(key) {
            return Ok(stored.clone());
        }
        let stored = view::record_and_parts(tree, key)?;
        self.read.borrow_mut().insert(key.to_vec(), stored.clone());
        Ok(stored)
    }

    fn write(&mut self, key: Key, write: Write) {
        let value = if let Write::Record(Some(record)) = &write {
            record.len()
        } else {
            0
        };
        self.bytes += key.len() + value;
        self.writes.insert(key, write);
    }

    fn changes_with_prefix<'g>(
        &'g self,
        prefix: &'g [u8],
    ) -> impl Iterator<Item = (&'g Key, bool)> {
        let range = self
            .writes
            .range(prefix.to_vec()..)
            .take_while(move |(key, _)| key.starts_with(prefix));
        range.map(|(key, write)| {
            (
                key,
                matches!(write, Write::Mark(true) | Write::Record(Some(_))),
            )
        })
    }
}

/// What a change reads and writes. It sees everything that changes before it wrote, durable
/// or not: if that does not become durable, neither does this one.
pub(crate) struct Txn<'g> {
    tree: &'g sled::Tree,
    group: &'g Group,
    slots: &'g mut Slots,
    usages: &'g Usages,
    staged: Group,
}

impl<'g> Txn<'g> {
    pub(crate) fn new(
        tree: &'g sled::Tree,
        group: &'g Group,
        slots: &'g mut Slots,
        usages: &'g Usages,
    ) -> Self {
        Self {
            tree,
            group,
            slots,
            usages,
            staged: Group::default(),
        }
    }

    /// What it wrote.
    pub(crate) fn into_staged(self) -> Group {
        self.staged
    }

    /// Forgets what it wrote.
    pub(crate) fn give_up(self) {
        for (slot, _) in self.staged.new_slots {
            self.slots.give_back(slot);
        }
    }
}

impl Txn<'_> {
    /// A record.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self
            .staged
            .writes
            .get(key)
            .or_else(|| self.group.writes.get(key))
        {
            Some(Write::Record(record)) => Ok(record.clone()),
            Some(Write::Mark(there)) => Ok(there.then(IVec::default)),
            None => Ok(self.group.stored(self.tree, key)?.map(|(record, _)| record)),
        }
    }

    /// Every key with this prefix, for prefixes that few keys have.
    pub(crate) fn keys(&self, prefix: &[u8]) -> Result<BTreeSet<Key>, StoreError> {
        let stored = self
            .tree
            .scan_prefix(prefix)
            .keys()
            .map(|key| key.map(|key| key.to_vec()));
        let mut keys = stored.collect::<Result<BTreeSet<_>, _>>()?;
        for (key, there) in self
            .group
            .changes_with_prefix(prefix)
            .chain(self.staged.changes_with_prefix(prefix))
        {
            if there {
                keys.insert(key.clone())
            } else {
                keys.remove(key)
            };
        }
        Ok(keys)
    }

    /// The last key with this prefix, for prefixes whose records are never removed.
    pub(crate) fn last_key(&self, prefix: &[u8]) -> Result<Option<Key>, StoreError> {
        let stored = self
            .tree
            .scan_prefix(prefix)
            .keys()
            .next_back()
            .transpose()?;
        let stored = stored.map(|key| key.to_vec());
        let pending = self
            .group
            .changes_with_prefix(prefix)
            .chain(self.staged.changes_with_prefix(prefix))
            .filter(|(_, there)| *there)
            .map(|(key, _)| key.clone());
        Ok(pending.chain(stored).max())
    }

    /// Whether this change has written anything yet.
    pub(crate) fn has_written(&self) -> bool {
        !self.staged.is_empty()
    }

    /// What is counted of an owner.
    pub(crate) fn counted(&self, owner: &Owner) -> Kept {
        let pending = self
            .staged
            .usages
            .get(owner)
            .or_else(|| self.group.usages.get(owner));
        pending.cloned().unwrap_or_else(|| self.usages.kept(owner))
    }

    /// The same, to be changed.
    pub(crate) fn counted_mut(&mut self, owner: &Owner) -> &mut Kept {
        let now = if self.staged.usages.contains_key(owner) {
            Kept::default()
        } else {
            self.counted(owner)
        };
        self.staged.usages.entry(owner.clone()).or_insert(now)
    }

    pub(crate) fn put(&mut self, key: Key, record: impl Into<IVec>) {
        self.staged.write(key, Write::Record(Some(record.into())));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.staged.write(key, Write::Record(None));
    }

    /// Puts a record under the next number behind this prefix.
    pub(crate) fn append(
        &mut self,
        prefix: &[u8],
        record: impl Into<IVec>,
    ) -> Result<(), StoreError> {
        let last = self
            .keys(prefix)?
            .last()
            .and_then(|key| keys::number_of(key));
        let next = last.map_or(0, |number| number.saturating_add(1));
        self.put(keys::numbered(prefix, next), record);
        Ok(())
    }

    /// Makes an index's entry be there, or not.
    pub(crate) fn mark(&mut self, key: Key, there: bool) {
        self.staged.write(key, Write::Mark(there));
    }

    /// A slot of the vault, with these bytes in it by the time this change is durable.
    pub(crate) fn new_slot(&mut self, bytes: SlotBytes) -> u32 {
        let slot = self.slots.take();
        self.staged.new_slots.push((slot, bytes));
        slot
    }

    /// Overwrites a slot of the vault before this change is durable.
    pub(crate) fn erase_slot(&mut self, slot: u32) {
        self.staged.erased_slots.push(slot);
    }
}
