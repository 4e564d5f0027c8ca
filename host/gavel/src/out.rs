//! Standard output, and how a command fails.

use std::{io::Write as _, process::ExitCode};

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
///
/// Colours are left out where no terminal is, or `NO_COLOR` is set.
pub(crate) fn line(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints lines on standard output.
pub(crate) fn lines(texts: &[String]) {
    for text in texts {
        line(text);
    }
}

/// Prints a line on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Says why on standard error.
pub(crate) fn fail(message: &str) -> ExitCode {
    note(&format!("gavel: {message}"));
    ExitCode::FAILURE
}
