//! What may go wrong, each with what to do about it.

use std::{io, path::PathBuf};

/// Why the plugins could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// `GAVEL_PLUGINS_DIR` names a folder that lacks a file.
    #[error(
        "there is no {missing}, though GAVEL_PLUGINS_DIR names that folder: put the plugins there, \
         or unset the variable to have them built"
    )]
    NotInNamedFolder {
        /// The first missing file.
        missing: PathBuf,
    },

    /// The sources from which this program was compiled are gone.
    #[error(
        "the plugins' sources are no longer at {workspace}: name a folder that holds roof_filter.wasm \
         and http_buyer.wasm in GAVEL_PLUGINS_DIR"
    )]
    NoSources {
        /// Where they stood.
        workspace: PathBuf,
    },

    /// A folder or file of the build could not be made or locked.
    #[error(
        "{path} cannot be used for building plugins: make it writable, or set CARGO_TARGET_DIR to another folder"
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A program did not start.
    #[error(
        "`{program}` did not start: building plugins needs Rust; install it with rustup (https://rustup.rs)"
    )]
    NotStarted {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },

    /// A language's own tools are not here.
    #[error("there is no `{program}`: building the example in {language} needs {needs}")]
    NoLanguage {
        /// Which language.
        language: &'static str,
        /// Which program.
        program: String,
        /// What to install.
        needs: &'static str,
    },

    /// No compiler here makes wasm, and none could be had.
    #[error("no compiler here makes wasm ({tried}). {advice}")]
    NoWasmTarget {
        /// What was tried, and how it ended.
        tried: String,
        /// The command to run.
        advice: String,
    },

    /// cargo, or a language's own tool, failed.
    #[error("building the plugins failed; `{command}` said:\n{said}")]
    Failed {
        /// The command, to run by hand.
        command: String,
        /// The end of what it said.
        said: String,
    },

    /// It succeeded without leaving the file.
    #[error("the plugins were built, but there is no {missing}: remove that folder and try again")]
    NothingMade {
        /// The first missing file.
        missing: PathBuf,
    },
}
