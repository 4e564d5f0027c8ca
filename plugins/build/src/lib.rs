//! The plugins that ship with Gavel, as wasm: found, or built from this workspace.
//!
//! `gavel demo` and the tests need them on machines where nobody has prepared anything, so
//! what building them takes happens here: the wasm target is added where it is missing, by
//! rustup or, where its downloads cannot be reached, by Debian's packages. What is being
//! done, and what takes long, is told to the `progress` that the caller gives.
//!
//! It knows nothing of the host: paths go out, that is all.
//!
//! # Layout, in the order in which a call meets it
//!
//! - [`find_or_build`], [`build`], [`build_example`], [`build_javascript`], [`build_python`]:
//!   the ways in. [`wasm_environment`] is for who builds elsewhere.
//! - `folders`: where sources and results stand, and the lock that makes callers take turns.
//! - `toolchain`: which compiler makes wasm here, and how to get one.
//! - `projects`: the examples in other languages, with npm and pip.
//! - `cargo`: the command, clean of what an outer cargo left in the environment.
//! - [`BuildError`]: what may go wrong, each with what to do.

mod cargo;
mod error;
mod folders;
mod projects;
mod toolchain;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

pub use error::BuildError;

use crate::{
    cargo::What,
    folders::{Folders, Turn},
};

/// Names a folder with the plugins' files; it wins over everything else.
pub const PLUGINS_DIR_VARIABLE: &str = "GAVEL_PLUGINS_DIR";

/// Folder beside the executable where an installed Gavel has its plugins.
const PLUGINS_BESIDE_EXECUTABLE: &str = "plugins";

/// Where the plugins stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The example filter, `roof_filter.wasm`.
    pub roof_filter: PathBuf,
    /// The generic adapter, `http_buyer.wasm`.
    pub http_buyer: PathBuf,
    /// The adapter for answers in XML with a status word, `xml_buyer.wasm`.
    pub xml_buyer: PathBuf,
    /// The adapter for `lp_` parameters, `lp_buyer.wasm`.
    pub lp_buyer: PathBuf,
}

impl Built {
    /// The files as they are called in a folder that holds them all.
    fn in_folder(folder: &Path) -> Self {
        Self {
            roof_filter: folder.join("roof_filter.wasm"),
            http_buyer: folder.join("http_buyer.wasm"),
            xml_buyer: folder.join("xml_buyer.wasm"),
            lp_buyer: folder.join("lp_buyer.wasm"),
        }
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let Self {
            roof_filter,
            http_buyer,
            xml_buyer,
            lp_buyer,
        } = self;
        let files = [roof_filter, http_buyer, xml_buyer, lp_buyer];
        files.into_iter().map(PathBuf::as_path)
    }

    /// The first file that does not exist.
    fn missing(&self) -> Option<&Path> {
        self.files().find(|path| !path.is_file())
    }
}

/// The plugins of the folder that `GAVEL_PLUGINS_DIR` names, else of the folder `plugins`
/// beside this executable, else built from the workspace.
pub fn find_or_build(progress: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    if let Some(named) = std::env::var_os(PLUGINS_DIR_VARIABLE).filter(|named| !named.is_empty()) {
        return named_folder(Path::new(&named));
    }
    let executable = std::env::current_exe().ok();
    let beside = executable
        .as_deref()
        .and_then(Path::parent)
        .map(|folder| folder.join(PLUGINS_BESIDE_EXECUTABLE));
    match beside.map(|folder| Built::in_folder(&folder)) {
        Some(installed) if installed.missing().is_none() => Ok(installed),
        _ => build(progress),
    }
}

/// The plugins of a folder that a person named, so they have to be there.
fn named_folder(folder: &Path) -> Result<Built, BuildError> {
    let named = Built::in_folder(folder);
    match named.missing() {
        None => Ok(named),
        Some(missing) => Err(BuildError::NotInNamedFolder {
            missing: missing.to_owned(),
        }),
    }
}

/// Builds the plugins from the workspace that this crate was compiled in; well under a
/// second where nothing has changed. Callers at the same time take turns, across processes.
pub fn build(progress: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let folders = Folders::of_this_workspace()?;
    make(
        &folders,
        &What::Packages(&["roof-filter", "http-buyer", "xml-buyer", "lp-buyer"]),
        progress,
    )?;
    let built = Built::in_folder(&folders.results());
    match built.missing() {
        None => Ok(built),
        Some(missing) => Err(BuildError::NothingMade {
            missing: missing.to_owned(),
        }),
    }
}

/// Builds an example guest of the SDK, such as `misbehaving`, for tests of the host.
pub fn build_example(name: &str, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let folders = Folders::of_this_workspace()?;
    make(
        &folders,
        &What::Example {
            package: "gavel-sdk",
            name,
        },
        progress,
    )?;
    let built = folders
        .results()
        .join("examples")
        .join(format!("{name}.wasm"));
    if built.is_file() {
        Ok(built)
    } else {
        Err(BuildError::NothingMade { missing: built })
    }
}

/// Builds `examples/javascript-filter`, installing with npm what that takes; `desert-sun.wasm`.
/// Where nothing has changed, nothing runs. Callers at the same time take turns.
pub fn build_javascript(progress: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    projects::make(
        &Folders::of_this_workspace()?,
        &projects::JAVASCRIPT,
        progress,
    )
}

/// Builds `examples/python-filter`, installing with pip what that takes;
/// `lakeside-scorecard.wasm`. Where nothing has changed, nothing runs. Callers at the same time
/// take turns.
pub fn build_python(progress: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    projects::make(&Folders::of_this_workspace()?, &projects::PYTHON, progress)
}

/// What `cargo build --release --target wasm32-unknown-unknown` needs in its environment
/// outside this workspace: nothing, once the target is there, which this sees to; Debian's
/// compiler where there is no other.
pub fn wasm_environment(
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<(&'static str, OsString)>, BuildError> {
    let folders = Folders::of_this_workspace()?;
    let _turn = folders.take_turn(Turn::Cargo, progress)?;
    let toolchain = toolchain::ensure(&folders.workspace, progress)?;
    Ok(cargo::environment(&toolchain))
}

fn make(
    folders: &Folders,
    what: &What<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<(), BuildError> {
    let _turn = folders.take_turn(Turn::Cargo, progress)?;
    let toolchain = toolchain::ensure(&folders.workspace, progress)?;
    cargo::run(cargo::command(&toolchain, folders, what), progress)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{BuildError, Built, named_folder};

    #[test]
    fn a_named_folder_holds_every_plugin_or_the_error_says_which_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("roof_filter.wasm"), b"").unwrap();
        let error = named_folder(folder.path()).unwrap_err();
        assert!(
            matches!(&error, BuildError::NotInNamedFolder { missing } if missing.ends_with("http_buyer.wasm"))
        );
        assert!(error.to_string().contains("GAVEL_PLUGINS_DIR"), "{error}");

        for name in ["http_buyer.wasm", "xml_buyer.wasm", "lp_buyer.wasm"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(
            named_folder(folder.path()).unwrap(),
            Built::in_folder(folder.path())
        );
    }
}
