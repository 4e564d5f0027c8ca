//! Large things, as files named by what is in them: plugins' bytes, markets' texts.
//!
//! A file is whole or not there: written under another name, flushed, renamed, and its
//! folder flushed. It is never changed, and its name is checked whenever it is read. A file
//! is there before the record that names it; one whose record never came lies about unused.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use gavel_market::ids::{Digest, Ulid};

use crate::error::StoreError;

/// How files under way are named, so that those of a crash can be told and removed.
const UNDER_WAY: &str = "under-way-";

/// The folder of files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Makes the folder if it is not there, and removes what a crash left under way.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        make_folder(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNDER_WAY) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { folder })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// Keeps these bytes durably, and names them. Blocks.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        // A damaged file of that name is replaced by a whole one.
        if self.get(&digest).is_ok_and(|there| there.is_some()) {
            return Ok(digest);
        }
        self.write(&digest, bytes)
            .map_err(|error| StoreError::io("a file could not be kept", error))?;
        Ok(digest)
    }

    fn write(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let under_way = self.folder.join(format!("{UNDER_WAY}{}", Ulid::new()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&under_way)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&under_way, self.path(digest))?;
        sync_folder(&self.folder)
    }

    /// The bytes of this name. Blocks.
    pub(crate) fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.path(digest)) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => Err(StoreError::unreadable(
                "file",
                "it is not what its name says",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("a file could not be read", error)),
        }
    }
}

/// Makes a folder, for its owner alone, if it is not there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_kept_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::open(folder.path().join("files")).expect("files");
        let digest = files.put(b"bytes").expect("kept");
        assert_eq!(
            files.get(&digest).expect("read").as_deref(),
            Some(&b"bytes"[..])
        );
        assert_eq!(files.get(&Digest::of(b"other")).expect("read"), None);

        fs::write(files.path(&digest), b"byteZ").expect("damaged");
        assert!(files.get(&digest).is_err());
        files.put(b"bytes").expect("kept again");
        assert_eq!(
            files.get(&digest).expect("read").as_deref(),
            Some(&b"bytes"[..])
        );
    }

    #[test]
    fn what_a_crash_left_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("files");
        Files::open(path.clone()).expect("files");
        fs::write(path.join(format!("{UNDER_WAY}1")), b"half").expect("written");
        Files::open(path.clone()).expect("files");
        assert_eq!(fs::read_dir(path).expect("a folder").count(), 0);
    }
}
