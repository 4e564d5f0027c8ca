//! The store's key and the operator's token: as configured, or made at the first start.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use gavel_market::ids::Digest;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{ConfigError, KeySource};
use crate::admin::token::AdminToken;

/// In the data folder: the store's key, where none is configured.
const KEY_FILE: &str = "encryption.key";

/// In the data folder: the digest of the operator's token, where none is configured.
const TOKEN_FILE: &str = "admin-token.sha256";

/// 32 bytes that nobody can guess.
pub(crate) fn random() -> Result<[u8; 32], ConfigError> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled
        .map(|()| bytes)
        .map_err(|_| ConfigError("this machine gives no random numbers".into()))
}

/// The store's key; made beside the store where none is configured.
pub(crate) fn encryption_key(
    source: Option<&KeySource>,
    data: &Path,
) -> Result<[u8; 32], ConfigError> {
    let made = KeySource::File(data.join(KEY_FILE));
    let (source, text) = match source {
        Some(source @ KeySource::Env(name)) => (source, std::env::var(name).ok()),
        Some(source @ KeySource::File(path)) => (source, read(path)?),
        None => {
            let path = data.join(KEY_FILE);
            if read(&path)?.is_none() {
                write_private(&path, &hex::encode(random()?))?;
                tracing::warn!(path = %path.display(), "no encryption key is configured: made one; without it the store cannot be read, and whoever has it and the store reads everything");
            } else {
                tracing::info!(path = %path.display(), "no encryption key is configured: the one beside the store is used");
            }
            (&made, read(&path)?)
        }
    };
    let text =
        text.ok_or_else(|| ConfigError(format!("there is no encryption key in {source}")))?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| ConfigError(format!("the encryption key in {source} is not 32 bytes in hexadecimal, as `openssl rand -hex 32` prints them")))?;
    Ok(key)
}

/// The operator's token where it is not configured: the one made at the first start, of which
/// only the digest was kept; or one made now, together with its text, to be shown once.
pub(crate) fn admin_token(data: &Path) -> Result<(AdminToken, Option<String>), ConfigError> {
    let path = data.join(TOKEN_FILE);
    if let Some(text) = read(&path)? {
        let digest: Digest = text.trim().parse().map_err(|_| {
            ConfigError(format!(
                "{} holds no SHA-256 digest; remove it to have a new admin token made",
                path.display()
            ))
        })?;
        return Ok((AdminToken::with_digest(digest), None));
    }
    let text = format!("ga_{}", hex::encode(random()?));
    let token = AdminToken::of(&text);
    write_private(&path, &token.digest().to_string())?;
    Ok((token, Some(text)))
}

/// A file's text, if there is such a file.
fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError(format!(
            "{} cannot be read: {error}",
            path.display()
        ))),
    }
}

/// Writes a new file that only this user can read, whole or not at all, and on disk before
/// anything is encrypted with what is in it.
fn write_private(path: &Path, text: &str) -> Result<(), ConfigError> {
    let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    let write = || {
        fs::create_dir_all(&folder)?;
        // Made with mode 0600, under a name of its own, then moved.
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        writeln!(file, "{text}")?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        fs::File::open(&folder)?.sync_all()
    };
    write().map_err(|error: io::Error| {
        ConfigError(format!("{} cannot be written: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = encryption_key(None, folder.path()).unwrap();
        assert_eq!(encryption_key(None, folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_configured_key_that_is_not_there_is_an_error_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::File(folder.path().join("mine"));
        assert!(
            encryption_key(Some(&source), folder.path())
                .unwrap_err()
                .to_string()
                .contains("there is no encryption key")
        );
        fs::write(folder.path().join("mine"), "1234\n").unwrap();
        assert!(
            encryption_key(Some(&source), folder.path())
                .unwrap_err()
                .to_string()
                .contains("32 bytes")
        );
        fs::write(folder.path().join("mine"), "07".repeat(32)).unwrap();
        assert_eq!(
            encryption_key(Some(&source), folder.path()).unwrap(),
            [7; 32]
        );
    }

    #[test]
    fn a_token_is_shown_once_and_only_its_digest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (_, shown) = admin_token(folder.path()).unwrap();
        let shown = shown.unwrap();
        let (kept, again) = admin_token(folder.path()).unwrap();
        assert!(kept.is(&shown) && !kept.is("ga_") && again.is_none());
        let file = fs::read_to_string(folder.path().join(TOKEN_FILE)).unwrap();
        assert!(!file.contains(&shown));
    }
}
