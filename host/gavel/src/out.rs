//! Standard output, and how a command fails.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::config::ConfigError;

/// Why a command did not do what was asked, in words that say what to do. Exit status 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(crate) String);

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

/// Prints a line on standard output, at once: whoever reads it may be waiting for it. Nobody
/// reading any more is no reason to fail.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints a line on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says why on standard error.
pub(crate) fn fail(message: &str) -> ExitCode {
    note(&format!("gavel: {message}"));
    ExitCode::FAILURE
}
