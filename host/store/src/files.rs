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
        // A damaged file of that name is replaced by a whole one. Whoever wrote a whole one may be
        // about to make its name durable, or may have failed to.
        let kept = if self.get(&digest).is_ok_and(|there| there.is_some()) {
            sync(&self.folder)
        } else {
            self.write(&digest.to_string(), bytes)
        };
        kept.map_err(|error| StoreError::io("a file could not be kept", error))?;
        Ok(digest)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let under_way = self.folder.join(format!("{UNDER_WAY}{}", Ulid::new()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&under_way)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&under_way, self.folder.join(name))?;
        sync(&self.folder)
    }

    /// Keeps compiled code of the plugin with these bytes, for the engine that `stamp` names, in
    /// place of what other engines made. Blocks.
    ///
    /// Nothing here vouches for the code: whoever compiled it puts a seal on it.
    pub(crate) fn put_code(
        &self,
        digest: &Digest,
        stamp: &str,
        code: &[u8],
    ) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("compiled code could not be kept", error);
        let of_digest = format!("{digest}-");
        self.write(&format!("{of_digest}{stamp}"), code)
            .map_err(failed)?;
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let other = name
                .to_string_lossy()
                .strip_prefix(&of_digest)
                .is_some_and(|of| of != stamp);
            if other {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Compiled code as it was kept. Blocks.
    pub(crate) fn code(&self, digest: &Digest, stamp: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.folder.join(format!("{digest}-{stamp}"))) {
            Ok(code) => Ok(Some(code)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("compiled code could not be read", error)),
        }
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

/// Makes what is in a file, or the names in a folder, durable.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
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
    fn compiled_code_is_kept_for_the_newest_engine_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::open(folder.path().join("code")).expect("files");
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        files.put_code(&one, "48-a", b"old").expect("kept");
        files.put_code(&other, "48-a", b"beside").expect("kept");
        files.put_code(&one, "49-b", b"new").expect("kept");
        let code = |digest, stamp| files.code(digest, stamp).expect("read");
        assert_eq!(code(&one, "48-a"), None);
        assert_eq!(code(&one, "49-b").as_deref(), Some(&b"new"[..]));
        assert_eq!(code(&other, "48-a").as_deref(), Some(&b"beside"[..]));
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
