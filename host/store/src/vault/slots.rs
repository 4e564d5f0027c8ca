//! The slots: 32 random bytes for each lead, in a file of their own.
//!
//! sled keeps old pages for as long as it likes, so nothing that was written there is ever
//! surely gone. What can be erased stands here instead: a plain file of fixed places, each
//! overwritten where it lies. A lead's key needs its slot, so an overwritten slot takes
//! every copy of the lead's records in sled with it.
//!
//! Which slots are in use is an index in sled (`v`), read at the start; the file itself knows
//! nothing of its owners. Any crash is therefore safe:
//!
//! - *Before a claim's commit* its slot is on disk and nobody's: free at the next start.
//! - *After an erasure's overwriting, before its commit*: the sealed records are still there
//!   and name a slot of zeros, which opens nothing. The erasure can be asked for again; the
//!   slot has an owner until it is.
//! - A slot is given away again only when its old owner's records are durably gone, so no two
//!   leads ever name the same slot. And if they did: the lead's id is in its key.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use zeroize::Zeroizing;

/// Bytes in a slot: as many as the key that is derived from them.
pub(crate) const SLOT_BYTES: usize = 32;

/// What stands in a slot.
pub(crate) type SlotBytes = Zeroizing<[u8; SLOT_BYTES]>;

fn place(slot: u32) -> u64 {
    u64::from(slot) * SLOT_BYTES as u64
}

/// Opens the file of slots, for its owner alone.
pub(crate) fn open(path: &Path) -> io::Result<Arc<File>> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options.open(path).map(Arc::new)
}

/// Reads a slot; `None` where it is erased or was never written.
pub(crate) fn read(file: &File, slot: u32) -> io::Result<Option<SlotBytes>> {
    let mut bytes = SlotBytes::default();
    match file.read_exact_at(bytes.as_mut_slice(), place(slot)) {
        Ok(()) if bytes.iter().all(|byte| *byte == 0) => Ok(None),
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The committer's side: which slots are free, and writing them.
pub(crate) struct Slots {
    file: Arc<File>,
    free: Vec<u32>,
    /// The first slot that was never in use.
    next: u32,
}

impl Slots {
    /// `in_use` rises.
    pub(crate) fn new(file: Arc<File>, in_use: impl Iterator<Item = u32>) -> Self {
        let mut free = Vec::new();
        let mut next = 0;
        for slot in in_use {
            free.extend(next..slot);
            next = slot.saturating_add(1);
        }
        // The lowest first, so that the file stays short.
        free.reverse();
        Self { file, free, next }
    }

    /// A free slot. There are four thousand million, which is 128 GiB: the disk ends first.
    pub(crate) fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let slot = self.next;
            self.next = self.next.saturating_add(1);
            slot
        })
    }

    /// Takes back a slot whose owner is gone.
    pub(crate) fn give_back(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Fills and overwrites slots, durably.
    pub(crate) fn write(&self, filled: &[(u32, SlotBytes)], erased: &[u32]) -> io::Result<()> {
        for (slot, bytes) in filled {
            self.file.write_all_at(bytes.as_slice(), place(*slot))?;
        }
        for slot in erased {
            self.file.write_all_at(&[0; SLOT_BYTES], place(*slot))?;
        }
        if filled.is_empty() && erased.is_empty() {
            Ok(())
        } else {
            self.file.sync_data()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(in_use: &[u32]) -> (tempfile::TempDir, Slots) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = open(&folder.path().join("slots")).expect("a file");
        (folder, Slots::new(file, in_use.iter().copied()))
    }

    #[test]
    fn gaps_are_filled_before_the_file_grows() {
        let (_folder, mut slots) = slots(&[1, 4]);
        let taken: Vec<u32> = (0..5).map(|_| slots.take()).collect();
        assert_eq!(taken, [0, 2, 3, 5, 6]);
        slots.give_back(2);
        assert_eq!(slots.take(), 2);
    }

    #[test]
    fn an_erased_slot_reads_as_none() {
        let (_folder, slots) = slots(&[]);
        slots
            .write(&[(3, Zeroizing::new([7; SLOT_BYTES]))], &[])
            .expect("written");
        assert_eq!(
            read(&slots.file, 3).expect("read").as_deref(),
            Some(&[7; SLOT_BYTES])
        );
        assert_eq!(read(&slots.file, 2).expect("read"), None);
        assert_eq!(read(&slots.file, 9).expect("read"), None);
        slots.write(&[], &[3]).expect("overwritten");
        assert_eq!(read(&slots.file, 3).expect("read"), None);
    }
}
