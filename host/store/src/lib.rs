//! The store: what must survive, on sled.
//!
//! It speaks in the domain's verbs – open an order, claim it, begin a delivery, erase a lead
//! – and keeps keys and bytes to itself, so that a database shared by several hosts can stand
//! behind the same verbs. Every change is a compare-and-set on what stands there; no caller
//! may assume that it is alone. What an order may become is decided in
//! [`gavel_market::order`]; the store only runs it.
//!
//! A write that answers `Ok` is on disk, through `fdatasync`. A read sees only what is.
//!
//! This crate may know `market` and sled. It knows nothing of plugins' code, of HTTP, or of
//! the wall clock: times come in as arguments.
//!
//! # Map, in the order in which a request meets it
//!
//! | module | holds |
//! |---|---|
//! | [`opening`] | opening an order against the clock, or posting one directly |
//! | [`pings`], [`again`] | records of pings; answers to be given again |
//! | [`orders`] | every transition of an order, what is being delivered |
//! | [`usage`] | what is counted of caps and budgets, as orders take it |
//! | [`duplicates`] | by what leads are known again |
//! | [`ledger`], [`returns`] | what was booked; what was given back |
//! | [`vault`] | what is personal, under a key for each lead that can be destroyed |
//! | [`report`] | sums by the hour, in the transaction that books or counts |
//! | [`market`], [`plugins`] | the market's revisions; plugins' versions |
//! | [`audit`] | what was changed on whose behalf |
//! | [`sweep`] | what time alone does: expiry and erasure |
//! | `change`, `queue`, `committer` | from many tasks to the one thread that writes, and to the disk |
//! | `view` | reading: what is durable and nothing else |
//! | `keys`, `codec`, `files` | under which key, in which form; large things as files |
//! | [`error`] | what can go wrong |
//!
//! # A store's folder
//!
//! | | |
//! |---|---|
//! | `lock` | held by the one process that has the store |
//! | `sled/` | records and indexes |
//! | `slots` | what makes each lead's key; overwritten where it lies |
//! | `files/` | plugins' bytes and markets' texts, named by digest |
//! | `code/` | plugins' compiled code, sealed by whoever compiled it; may be lost |

pub mod again;
pub mod audit;
pub mod duplicates;
pub mod error;
pub mod ledger;
pub mod market;
pub mod opening;
pub mod orders;
pub mod pings;
pub mod plugins;
pub mod report;
pub mod returns;
pub mod sweep;
pub mod usage;
pub mod vault;

mod change;
mod codec;
mod committer;
mod files;
mod keys;
mod open;
mod queue;
#[cfg(test)]
mod tests;
mod view;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::JoinHandle,
};

use gavel_market::ids::Digest;
use tokio::sync::oneshot;

pub use self::{
    again::{Again, Remembered},
    audit::AuditRecord,
    error::{ChangeError, OpenOrderError, OpenStoreError, RevisionError, StoreError},
    market::{Format, NewRevision, Revision, RevisionInfo},
    open::Settings,
    orders::{Checks, ListedDelivery, ListedState, Needs},
    pings::PingQuery,
    plugins::{
        EndedTrial, GateRefusal, PluginKind, PluginVersion, Trial, TrialMode, VersionChange, Why,
    },
    report::{Uncounted, UncountedPing},
    returns::{Return, ReturnRefused, ReturnState},
    usage::Rooms,
    vault::StoreKey,
};
use self::{
    change::{Change, Txn},
    committer::Shared,
    files::Files,
    open::FolderLock,
    vault::Vault,
    view::View,
};

/// Items in one page of any list, at most; and what one sweep does.
pub const LIST_MAX: usize = 1_000;

/// The store. Cheap to clone; the folder is free again when the last clone is gone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    view: View,
    shared: Arc<Shared>,
    vault: Vault,
    files: Files,
    code: Files,
    db: sled::Db,
    committer: Mutex<Option<JoinHandle<()>>>,
    /// Held for as long as the store is open; last, so that it goes last.
    _lock: FolderLock,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one goes on; none where there is nothing more.
    pub next: Option<C>,
}

/// What an operator may want to know of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Groups of changes made durable since the start.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
    /// Changes that wait.
    pub queued: usize,
    /// Bytes of the database on disk, files and slots aside.
    pub bytes_on_disk: u64,
}

impl Store {
    fn view(&self) -> &View {
        &self.0.view
    }

    fn vault(&self) -> &Vault {
        &self.0.vault
    }

    fn files(&self) -> &Files {
        &self.0.files
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Runs a change as one compare-and-set, and waits until it is durable.
    async fn change<T, E>(
        &self,
        make: impl FnOnce(&mut Txn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let noted = audit::noted();
        let make = move |txn: &mut Txn<'_>| match noted {
            Some(noted) => txn.on_record(&noted, make),
            None => make(txn),
        };
        let job = Box::new(Change::new(make, Some(reply)));
        if self.shared().queue.push(job).await.is_err() {
            return Err(self.shared().closed().into());
        }
        answer
            .await
            .unwrap_or_else(|_| Err(self.shared().closed().into()))
    }

    /// Hands a change over, and does not wait for it.
    async fn change_soon(
        &self,
        make: impl FnOnce(&mut Txn<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let job = Box::new(Change::new(make, None));
        self.shared()
            .queue
            .push(job)
            .await
            .map_err(|_| self.shared().closed())
    }

    /// Returns once everything handed over before is durable, what nobody waited for included:
    /// whoever then reads sees it.
    pub async fn caught_up(&self) -> Result<(), StoreError> {
        self.change(|_| Ok(())).await
    }

    /// Whether the store still takes changes; if not, why not.
    pub fn health(&self) -> Result<(), StoreError> {
        self.shared().health.check()
    }

    /// Figures for an operator.
    pub fn stats(&self) -> Stats {
        let counters = &self.shared().counters;
        Stats {
            commits: counters.commits.load(Ordering::Relaxed),
            changes: counters.changes.load(Ordering::Relaxed),
            queued: self.shared().queue.len(),
            bytes_on_disk: self.0.db.size_on_disk().unwrap_or(0),
        }
    }

    /// Keyed hash: the same for the same domain and bytes for as long as the store has its
    /// key, and of no use to anybody without it. For what must be recognised and not kept.
    pub fn keyed_hash(&self, domain: &str, bytes: &[u8]) -> Digest {
        self.vault().keys.hash(domain, bytes)
    }

    /// Commits what is queued and takes nothing more. Later changes, of other clones too, are
    /// told [`StoreError::Closed`]; reading goes on.
    pub async fn close(self) {
        let closed = tokio::task::spawn_blocking(move || self.0.stop()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "the store could not be closed in order");
        }
    }
}

impl Inner {
    fn stop(&self) {
        self.shared.queue.close();
        let committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The committer catches its own panics; nothing is left to be told here.
        committer.map(JoinHandle::join);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}
