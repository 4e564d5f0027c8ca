//! What can go wrong, as types that a caller can act on.
//!
//! Three layers, never mixed: a *refusal* is the domain's own answer (the order is being
//! posted already) and comes as the market's type inside a [`ChangeError`]; a
//! [`StoreError`] says that the store could not do its work; an [`OpenStoreError`] says why
//! there is no store at all. None of them repeats a record's content.

use std::{fmt, io, path::PathBuf, sync::Arc};

use gavel_market::room::Owner;

use crate::again::Again;

/// The store could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A write did not reach the disk. After a failed flush nobody can say what the disk
    /// holds, and trying again may report success for pages that the kernel has already
    /// dropped; so nothing more is written until a new process reads what is there.
    #[error("the store has failed and takes no more changes until the host is restarted: {0}")]
    Failed(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A record was written by a newer Gavel.
    #[error(
        "a record of kind `{what}` has format version {version}, which this Gavel does not know; run the newer one that wrote it"
    )]
    Newer {
        /// The record's kind.
        what: &'static str,
        /// The version that it carries.
        version: u8,
    },
    /// A record or file is damaged.
    #[error("a record of kind `{what}` cannot be read: {problem}")]
    Unreadable {
        /// The record's kind.
        what: &'static str,
        /// What is wrong, without any of its content.
        problem: String,
    },
    /// A record is larger than the store takes.
    #[error("a record of kind `{what}` is larger than {} MiB", crate::codec::RECORD_MAX_BYTES >> 20)]
    TooLarge {
        /// The record's kind.
        what: &'static str,
    },
    /// A file could not be read or written.
    #[error("{what}: {problem}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        problem: Arc<str>,
    },
}

impl StoreError {
    pub(crate) fn io(what: &'static str, error: impl fmt::Display) -> Self {
        Self::Io {
            what,
            problem: error.to_string().into(),
        }
    }

    pub(crate) fn unreadable(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Unreadable {
            what,
            problem: problem.into(),
        }
    }

    /// Whether it is one record that is at fault, and the store itself is whole.
    pub(crate) fn is_of_a_record(&self) -> bool {
        matches!(self, Self::Newer { .. } | Self::Unreadable { .. })
    }
}

/// A list goes on without a record that cannot be read; the log names it.
pub(crate) fn listed<T>(
    id: impl fmt::Display,
    record: Result<Option<T>, StoreError>,
) -> Result<Option<T>, StoreError> {
    match record {
        Err(error) if error.is_of_a_record() => {
            tracing::error!(%id, %error, "what cannot be read is left out of a list");
            Ok(None)
        }
        record => record,
    }
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::io("the database could not be read or written", error)
    }
}

/// A change to an order was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError<E> {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// The order's state forbids it; what was seen is durable by the time this is told.
    #[error("{0}")]
    Refused(E),
    /// The store could not do its work; whether the change was made is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A ping's order, or its remembered answer, was not recorded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OpenOrderError {
    /// It was not durable in time. If it was written all the same, the store takes it back.
    #[error("the order was not durable before the ping's deadline")]
    Late,
    /// Another ping with the same key was answered meanwhile: its answer holds.
    #[error("a ping with this idempotency key was answered meanwhile")]
    Exists(Box<Again>),
    /// These owners have no room left, and nothing was written.
    #[error("there is no room left for it")]
    NoRoom(Vec<Owner>),
    /// An order with this id exists.
    #[error("there is an order with this id already")]
    Taken,
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A market's revision was not put.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    /// Another revision is active than the caller took for granted.
    #[error("another revision of the market is active")]
    Conflict {
        /// The one that is.
        active: Option<u64>,
    },
    /// There is no such revision.
    #[error("there is no such revision")]
    NotFound,
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// There is no store to work with.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// Another process has it.
    #[error("the folder {} is in use by another Gavel; one folder serves one process", .0.display())]
    InUse(PathBuf),
    /// The encryption key is not the one that the folder was made with.
    #[error("the encryption key is not the one that {} was made with; give the key that was used first (`store.encryption_key`, or GAVEL_KEY)", .0.display())]
    WrongKey(PathBuf),
    /// It was made by a newer Gavel.
    #[error("the folder {} has store format {found}, and this Gavel knows {known} at most; run a newer Gavel", .path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The format that it has.
        found: u32,
        /// The newest format that this Gavel knows.
        known: u32,
    },
    /// It was made by a Gavel of before the first release.
    #[error("the folder {} was made by a Gavel of before the first release, which this one cannot read; start with an empty folder", .0.display())]
    Older(PathBuf),
    /// A file or folder could not be made or opened.
    #[error("{} could not be opened", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is there cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
