//! The one committer: a thread that owns every write.
//!
//! Whoever wants to change something hands over a *change*, a function from what stands
//! there to what shall stand there. The committer takes all changes that wait, runs them one
//! after the other – which makes each a compare-and-set – and puts what they write to disk
//! together: the work of making things durable is shared by everybody who waits for it.
//!
//! # A group is one batch
//!
//! All changes of a group go into sled as *one* batch. sled (0.34.7) starts a batch with a
//! manifest in its log that names the batch's last position (`PageCache::pin_log`,
//! `Reservation::mark_writebatch`), and recovery stops before a manifest whose last position
//! lies behind the last whole message of the log (`LogIter::next`, with `max_lsn` from
//! `check_contiguity_in_unstable_tail`, which checks every message's checksum). So after a
//! crash a batch is there whole or not at all, and with it every change in it. A batch for
//! each change would be as safe, but costs two writes to the file each.
//!
//! A batch is atomic within one tree; hence one tree with prefixed keys ([`crate::keys`]).
//!
//! sled writes a record's new value elsewhere and uses the old one's place again later. That
//! is safe without a barrier of sled's own: it counts nothing of a batch as stable before all
//! of it is (`StabilityIntervals::mark_fsync`), so an old place is written over by a later
//! group at the earliest, and an `fdatasync` lies between.
//!
//! # Durable
//!
//! In this order, and nobody is answered before the last:
//!
//! 1. new and erased slots of the vault are written, and `fdatasync`ed ([`crate::vault`]);
//! 2. the before-images are published ([`crate::view`]);
//! 3. the batch is applied, and `flush` writes sled's log up to its end. It waits with
//!    `sync_file_range`, which empties no disk's cache and writes no file's length;
//! 4. so `fdatasync` follows, on the same file;
//! 5. what was counted is published ([`crate::usage`]), the before-images go, and everybody is
//!    answered.
//!
//! If any step fails, everybody in the group is told so and the store is [failed](Health):
//! a kernel that could not write a page may drop it and report success the next time, so
//! trying again proves nothing. Readers go on seeing what was durable.

use std::{
    any::Any,
    collections::VecDeque,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use sled::IVec;

use crate::{
    change::{Group, Job, Txn, Write},
    codec,
    error::StoreError,
    keys,
    queue::Queue,
    usage::Usages,
    vault::slots::Slots,
    view::Before,
};

/// Changes in one group, at most: sled's batch holds a lock that readers wait for.
const GROUP_MAX_CHANGES: usize = 512;

/// Bytes written by one group, for the same reason; the change that exceeds it is the last.
const GROUP_MAX_BYTES: usize = 1 << 20;

/// Makes everything written to sled's file durable: `fdatasync`, save in tests.
pub(crate) type Barrier = Box<dyn FnMut() -> io::Result<()> + Send>;

/// Whether the store still takes changes.
#[derive(Default)]
pub(crate) struct Health {
    failed: OnceLock<Arc<str>>,
}

impl Health {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.failed.get().map_or(Ok(()), |problem| {
            Err(StoreError::Failed(Arc::clone(problem)))
        })
    }

    fn fail(&self, problem: &str) -> StoreError {
        let problem = self.failed.get_or_init(|| {
            tracing::error!(
                problem,
                "the store has failed; it takes no more changes until the host is restarted"
            );
            problem.into()
        });
        StoreError::Failed(Arc::clone(problem))
    }
}

/// What the committer counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) changes: AtomicU64,
}

/// What the committer shares with everybody else.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) health: Health,
    pub(crate) counters: Counters,
    pub(crate) before: Arc<ArcSwapOption<Before>>,
    pub(crate) usages: Usages,
}

impl Shared {
    /// Why nothing can be committed any more.
    pub(crate) fn closed(&self) -> StoreError {
        self.health.check().err().unwrap_or(StoreError::Closed)
    }
}

/// The committer's own things.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    tree: sled::Tree,
    slots: Slots,
    barrier: Barrier,
    /// Tells parts of two writes of a long record apart.
    tag: u32,
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        tree: sled::Tree,
        slots: Slots,
        barrier: Barrier,
        first_tag: u32,
    ) -> Self {
        Self {
            shared,
            tree,
            slots,
            barrier,
            tag: first_tag,
        }
    }

    /// Commits until the queue is closed and empty, or the store has failed.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.work()));
        if let Err(panic) = worked {
            shared
                .health
                .fail(&format!("the committer panicked: {}", words_of(&*panic)));
        }
        shared.queue.close();
        // Whoever still waits learns it: by an answer here, or by a reply that is dropped.
        let mut left = VecDeque::new();
        while shared.queue.take(&mut left, GROUP_MAX_CHANGES) {}
        tell_closed(left, &shared);
    }

    fn work(&mut self) {
        let mut waiting = VecDeque::new();
        while self.shared.health.check().is_ok() {
            if waiting.is_empty() && !self.shared.queue.take(&mut waiting, GROUP_MAX_CHANGES) {
                return;
            }
            let (done, committed) = self.commit_some(&mut waiting);
            // What is asked for again goes first: nobody should see what it takes back.
            let again = done
                .into_iter()
                .filter_map(|job| job.answer(committed.clone()))
                .collect::<Vec<_>>();
            again
                .into_iter()
                .rev()
                .for_each(|job| waiting.push_front(job));
        }
        tell_closed(waiting, &self.shared);
    }

    /// Runs changes until the group is full, and commits it.
    fn commit_some(
        &mut self,
        waiting: &mut VecDeque<Box<dyn Job>>,
    ) -> (Vec<Box<dyn Job>>, Result<(), StoreError>) {
        let mut group = Group::default();
        let mut done = Vec::with_capacity(waiting.len());
        while done.len() < GROUP_MAX_CHANGES && group.bytes < GROUP_MAX_BYTES {
            let Some(mut job) = waiting.pop_front() else {
                break;
            };
            let mut txn = Txn::new(&self.tree, &group, &mut self.slots, &self.shared.usages);
            if job.run(&mut txn) {
                let staged = txn.into_staged();
                group.absorb(staged);
            } else {
                txn.give_up();
            }
            done.push(job);
        }
        self.shared
            .counters
            .changes
            .fetch_add(done.len() as u64, Ordering::Relaxed);
        if group.is_empty() {
            return (done, Ok(()));
        }
        let committed = self
            .commit(group)
            .map_err(|error| self.shared.health.fail(&error.to_string()));
        (done, committed)
    }

    fn commit(&mut self, mut group: Group) -> Result<(), StoreError> {
        for (owner, kept) in &group.usages {
            let record = Write::Record(Some(kept.record()?.into()));
            group.writes.insert(keys::usage(owner), record);
        }
        self.slots
            .write(&group.new_slots, &group.erased_slots)
            .map_err(|error| StoreError::io("the vault's slots could not be written", error))?;
        let (batch, before) = self.lay_out(&group)?;
        self.shared.before.store(Some(Arc::new(before)));
        self.tree.apply_batch(batch)?;
        self.tree.flush()?;
        (self.barrier)()
            .map_err(|error| StoreError::io("the database could not be made durable", error))?;
        // Counts first: whoever sees an order as it is now sees it counted, too.
        self.shared.usages.publish(group.usages);
        self.shared.before.store(None);
        // Only now is a slot's old owner gone for good.
        group
            .erased_slots
            .into_iter()
            .for_each(|slot| self.slots.give_back(slot));
        self.shared.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn lay_out(&mut self, group: &Group) -> Result<(sled::Batch, Before), StoreError> {
        let mut batch = sled::Batch::default();
        let mut before = Before::with_capacity(group.writes.len());
        for (key, write) in &group.writes {
            if let Write::Mark(there) = write
                && key.starts_with(&[keys::UNCOUNTED])
            {
                // Whoever counts a ping believes a mark only with the record that it is of. A mark
                // is written where it changes.
                before.insert(key.clone(), (!there).then(IVec::default));
            }
            match write {
                Write::Mark(true) => batch.insert(key.as_slice(), IVec::default()),
                Write::Mark(false) => batch.remove(key.as_slice()),
                Write::Record(record) => {
                    let (old, old_parts) = self.before(group, key)?;
                    before.insert(key.clone(), old);
                    self.put(&mut batch, key, record.as_ref(), old_parts);
                }
            }
        }
        Ok((batch, before))
    }

    /// What stands under a key before the group, and the number of its further parts. A record
    /// whose parts do not belong together is its head alone: it can still be written over or
    /// removed.
    fn before(&self, group: &Group, key: &[u8]) -> Result<(Option<IVec>, u16), StoreError> {
        match group.stored(&self.tree, key) {
            Ok(there) => {
                let (record, parts) = there.unzip();
                Ok((record, parts.unwrap_or(0)))
            }
            Err(StoreError::Unreadable { .. }) => {
                let head = self.tree.get(key)?;
                let parts = head.as_ref().map_or(0, |head| codec::parts_of(head));
                Ok((head, parts))
            }
            Err(error) => Err(error),
        }
    }

    fn put(&mut self, batch: &mut sled::Batch, key: &[u8], record: Option<&IVec>, old_parts: u16) {
        let mut parts = 0;
        match record {
            Some(record) => {
                self.tag = self.tag.wrapping_add(1);
                let laid = codec::lay_out(record, self.tag);
                batch.insert(key, laid.head);
                for part in laid.parts {
                    parts += 1;
                    batch.insert(keys::part(key, parts), part);
                }
            }
            None => batch.remove(key),
        }
        (parts + 1..=old_parts).for_each(|part| batch.remove(keys::part(key, part)));
    }
}

fn tell_closed(jobs: VecDeque<Box<dyn Job>>, shared: &Shared) {
    for job in jobs {
        // Whatever it would ask for cannot be done either.
        drop(job.answer(Err(shared.closed())));
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}
