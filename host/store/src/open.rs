//! Opening a store's folder: one process, one key, a format that is known.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use gavel_market::ids::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    Inner, Store, StoreKey, codec,
    committer::{Barrier, Committer, Counters, Health, Shared},
    error::{OpenStoreError, StoreError},
    files::{self, Files},
    keys,
    queue::Queue,
    usage::Usages,
    vault::{self, Keys, Vault, slots},
    view::View,
};

/// The store's format: which records there are, under which keys. A record's own version
/// stands in the record.
const FORMAT: u32 = 3;

const META: &str = "store";

/// Size of the pieces in which sled fills and frees its file. sled uses one again only when half
/// of it is dead, and the larger a piece, the sooner that is so of all of them alike: of orders
/// that come and expire for four and a half times as long as they are kept (`examples/space`),
/// the file became 1.58 times what it was at the first expiry with pieces of 512 KiB, sled's
/// default, and 1.2 times with these. A database keeps for ever the size that it was made with.
/// See also [`codec::PART_MAX_BYTES`].
const SEGMENT_BYTES: usize = 4 << 20;

/// How long a database that this process has just closed may take to let go of its file:
/// sled drops its last handle on a thread of its own.
const LET_GO_TIMEOUT: Duration = Duration::from_secs(5);

/// What an operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Memory for sled's pages, in bytes.
    pub cache_bytes: u64,
    /// Changes that may wait for the committer; beyond, tasks wait for a place.
    pub queue_changes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            queue_changes: 8_192,
        }
    }
}

/// What the store itself is.
#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    key_check: Digest,
}

impl Store {
    /// Opens the store in this folder, which is made if it is not there. Blocks while sled
    /// reads its log.
    pub fn open(path: &Path, key: &StoreKey, settings: Settings) -> Result<Self, OpenStoreError> {
        let database = sled_folder(path).join("db");
        Self::open_with(path, key, settings, || {
            let file = File::open(database)?;
            Ok(Box::new(move || file.sync_data()))
        })
    }

    /// The same with another way to make sled's file durable, which tests let fail.
    pub(crate) fn open_with(
        path: &Path,
        key: &StoreKey,
        settings: Settings,
        barrier: impl FnOnce() -> io::Result<Barrier>,
    ) -> Result<Self, OpenStoreError> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenStoreError::Io { path, source }
        };
        files::make_folder(path).map_err(at(path))?;
        let lock = FolderLock::take(path)?;
        let files = Files::open(path.join("files")).map_err(at(path))?;
        let code = Files::open(path.join("code")).map_err(at(path))?;
        let slots_file = slots::open(&path.join("slots")).map_err(at(path))?;
        drop_half_snapshots(&sled_folder(path)).map_err(at(&sled_folder(path)))?;
        let db = open_sled(path, settings)?;
        let keys = Keys::new(key.clone());
        check_meta(path, &db, &keys)?;
        // The names of what was made just now; what is written into it is flushed later.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        files::sync(&sled_folder(path).join("conf"))
            .and_then(|()| files::sync(&sled_folder(path)))
            .and_then(|()| files::sync(path))
            .and_then(|()| files::sync(folder.unwrap_or(Path::new("."))))
            .map_err(at(path))?;

        let before = Arc::new(ArcSwapOption::empty());
        let tree = sled::Tree::clone(&db);
        let view = View::new(tree.clone(), Arc::clone(&before));
        let free = slots::Slots::new(
            Arc::clone(&slots_file),
            vault::slots_in_use(&view)?.into_iter(),
        );
        let usages = Usages::load(&view)?;
        let queue = Queue::new(settings.queue_changes);
        let shared = Arc::new(Shared {
            queue,
            health: Health::default(),
            counters: Counters::default(),
            before,
            usages,
        });
        let tag = vault::random::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let committer = Committer::new(
            Arc::clone(&shared),
            tree,
            free,
            barrier().map_err(at(path))?,
            tag,
        );
        let thread = thread::Builder::new()
            .name("gavel-commit".into())
            .spawn(move || committer.run())
            .map_err(at(path))?;
        Ok(Self(Arc::new(Inner {
            view,
            shared,
            vault: Vault {
                keys,
                slots: slots_file,
            },
            files,
            code,
            db,
            committer: Mutex::new(Some(thread)),
            _lock: lock,
        })))
    }
}

fn sled_folder(path: &Path) -> PathBuf {
    path.join("sled")
}

/// Makes this process the folder's only one, for as long as it lives. sled locks its own
/// file too, but says so in words that could be about anything.
pub(crate) struct FolderLock(File);

impl FolderLock {
    fn take(path: &Path) -> Result<Self, OpenStoreError> {
        let name = path.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let taken = options
            .open(&name)
            .map_err(TryLockError::Error)
            .and_then(|file| file.try_lock().map(|()| Self(file)));
        taken.map_err(|error| match error {
            TryLockError::WouldBlock => OpenStoreError::InUse(path.to_path_buf()),
            TryLockError::Error(source) => OpenStoreError::Io { path: name, source },
        })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough where this process is just starting another, which
        // has the open file too until it is what it will be.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the store's folder could not be unlocked");
        }
    }
}

/// Removes what a start that was cut off left of a snapshot. sled writes one at every start, under
/// this name until it is whole, and takes a part of one for the newest: it would say that the
/// database is corrupted, at every start from then on. What is in its log is whole without it.
fn drop_half_snapshots(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(file = %name, "removed: a start before this one was cut off while it wrote it");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn open_sled(path: &Path, settings: Settings) -> Result<sled::Db, OpenStoreError> {
    let folder = sled_folder(path);
    let config = sled::Config::new()
        .path(&folder)
        .cache_capacity(settings.cache_bytes)
        .mode(sled::Mode::HighThroughput)
        // The committer alone says when something is durable.
        .flush_every_ms(None)
        .segment_size(SEGMENT_BYTES)
        .use_compression(false)
        .temporary(false)
        .create_new(false)
        .print_profile_on_drop(false);
    let patience = Instant::now() + LET_GO_TIMEOUT;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            // Our own lock says that no other process has it.
            Err(sled::Error::Io(error))
                if error.kind() == io::ErrorKind::Other && Instant::now() < patience =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            Err(sled::Error::Io(source)) => {
                return Err(OpenStoreError::Io {
                    path: folder,
                    source,
                });
            }
            // Of all that is configured here, only the size of a segment has ever been another.
            Err(sled::Error::Unsupported(_)) => {
                return Err(OpenStoreError::Older(path.to_path_buf()));
            }
            Err(error) => return Err(StoreError::from(error).into()),
        }
    }
}

/// Checks that this is a store of ours, of a format that we know and under this key; in a new
/// folder, writes so.
fn check_meta(path: &Path, db: &sled::Db, keys: &Keys) -> Result<(), OpenStoreError> {
    let key_check = keys.check();
    let Some(record) = db.get(keys::META).map_err(StoreError::from)? else {
        let meta = codec::encode(
            META,
            &Meta {
                format: FORMAT,
                key_check,
            },
        )?;
        db.insert(keys::META, meta).map_err(StoreError::from)?;
        db.flush().map_err(StoreError::from)?;
        let file = File::open(sled_folder(path).join("db"));
        let source = file.and_then(|file| file.sync_all());
        return source.map_err(|source| OpenStoreError::Io {
            path: path.to_path_buf(),
            source,
        });
    };
    let meta: Meta = codec::decode(META, &record)?;
    if meta.format > FORMAT {
        Err(OpenStoreError::Newer {
            path: path.to_path_buf(),
            found: meta.format,
            known: FORMAT,
        })
    } else if meta.format < FORMAT {
        Err(OpenStoreError::Older(path.to_path_buf()))
    } else if meta.key_check != key_check {
        Err(OpenStoreError::WrongKey(path.to_path_buf()))
    } else {
        Ok(())
    }
}
