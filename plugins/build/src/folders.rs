//! Where sources and results stand, and whose turn it is.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use crate::error::BuildError;

/// Under the main target folder, so that one folder holds all results of a checkout. It is
/// one of its own because whoever calls may run inside `cargo test`, and that cargo holds the
/// lock of the main one.
const SUBFOLDER: &str = "plugins";

/// The wasm target, which names a folder below the target folder too.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The profile in the workspace's `Cargo.toml`.
pub(crate) const PROFILE: &str = "plugin";

/// What callers take turns at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// cargo, for the plugins in Rust.
    Cargo,
    /// An example in another language, so named.
    Of(&'static str),
}

/// Where everything stands.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// The top of the repository.
    pub(crate) workspace: PathBuf,
    /// cargo's target folder for plugins.
    pub(crate) target: PathBuf,
}

impl Folders {
    /// Those of the workspace in which this crate was compiled.
    pub(crate) fn of_this_workspace() -> Result<Self, BuildError> {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = crate_folder.ancestors().nth(2).unwrap_or(crate_folder);
        if !workspace.join("Cargo.toml").is_file() {
            return Err(BuildError::NoSources {
                workspace: workspace.to_owned(),
            });
        }
        let named = std::env::var_os("CARGO_TARGET_DIR").filter(|named| !named.is_empty());
        Ok(Self::of(workspace, named.as_deref().map(Path::new)))
    }

    fn of(workspace: &Path, named_target: Option<&Path>) -> Self {
        // Joining an absolute path gives that path.
        let main_target = workspace.join(named_target.unwrap_or(Path::new("target")));
        Self {
            workspace: workspace.to_owned(),
            target: main_target.join(SUBFOLDER),
        }
    }

    /// Where cargo leaves the wasm.
    pub(crate) fn results(&self) -> PathBuf {
        self.target.join(TARGET).join(PROFILE)
    }

    /// Waits until nobody else builds plugins here; the turn ends when the file is dropped,
    /// or with the process.
    pub(crate) fn take_turn(
        &self,
        turn: Turn,
        progress: &mut dyn FnMut(&str),
    ) -> Result<File, BuildError> {
        let path = self.target.join(match turn {
            Turn::Cargo => "gavel-build.lock".to_owned(),
            Turn::Of(language) => format!("gavel-build-{}.lock", language.to_lowercase()),
        });
        let refused = |source| BuildError::Folder {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&self.target).map_err(refused)?;
        let file = File::create(&path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress("waiting for another process that is building the plugins");
                file.lock().map_err(refused)?;
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, thread};

    use super::{Folders, Turn};

    #[test]
    fn results_stand_in_a_folder_of_their_own_below_the_main_target() {
        let at = |named| Folders::of(Path::new("/gavel"), named).target;
        assert_eq!(at(None), Path::new("/gavel/target/plugins"));
        assert_eq!(
            at(Some(Path::new("/fast/target"))),
            Path::new("/fast/target/plugins")
        );
        assert_eq!(at(Some(Path::new("out"))), Path::new("/gavel/out/plugins"));
    }

    #[test]
    fn the_sources_are_where_this_crate_was_compiled() {
        let folders = Folders::of_this_workspace().unwrap();
        assert!(folders.workspace.join("wit/buyer.wit").is_file());
    }

    #[test]
    fn who_comes_second_is_told_and_waits() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::of(folder.path(), None);
        let first = folders
            .take_turn(Turn::Cargo, &mut |said| panic!("{said}"))
            .unwrap();
        thread::scope(|scope| {
            let (told, hears) = std::sync::mpsc::channel();
            let second = scope.spawn({
                let folders = &folders;
                move || {
                    folders
                        .take_turn(Turn::Cargo, &mut |said| told.send(said.to_owned()).unwrap())
                        .is_ok()
                }
            });
            assert!(hears.recv().unwrap().contains("waiting"));
            drop(first);
            assert!(second.join().unwrap());
        });
    }
}
