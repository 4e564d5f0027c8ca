//! Log lines, on standard error.

use tracing_subscriber::EnvFilter;

use crate::{cli::LogFormat, config::ConfigError};

/// Starts logging what `filter` lets through, such as `info` or `gavel_exchange=debug`.
///
/// Another logger that is there already stays: that of whoever called.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), ConfigError> {
    let filter: EnvFilter = filter
        .parse()
        .map_err(|error| ConfigError(format!("the log filter is wrong: {error}")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
