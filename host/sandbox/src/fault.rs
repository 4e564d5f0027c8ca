//! What went wrong in a call, without giving away what was said in it.

use std::fmt;

use gavel_market::{
    ids::{AccountId, Digest, PluginName},
    reason::Outcome,
};

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Looks wrong.
    Warn,
    /// Is wrong; a panic's message comes as this.
    Error,
}

impl LogLevel {
    /// The level as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line that a plugin logged, without control characters.
///
/// At the post it may hold personal data: neither `Debug` nor anything else here shows
/// the text unasked.
#[derive(Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
}

impl fmt::Debug for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LogLine({}, {} bytes)",
            self.level.word(),
            self.text.len()
        )
    }
}

/// In which way a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The plugin trapped: a panic, an access out of bounds, a stack too deep.
    Trap,
    /// It used up its time.
    Time,
    /// It trapped, or could not start, after the host had refused it memory.
    Memory,
    /// It returned something that it may not.
    Output,
    /// It returned an error.
    Error,
    /// The host had no instance free; not the plugin's fault.
    Overloaded,
}

impl FaultKind {
    /// The outcome that an account gets for it.
    ///
    /// An adapter's [`Error`](Self::Error) after it had an answer is rather
    /// `invalid_response`, which only the caller can tell.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Trap => Outcome::PluginTrap,
            Self::Time => Outcome::PluginTime,
            Self::Memory => Outcome::PluginMemory,
            Self::Output => Outcome::PluginOutput,
            Self::Error => Outcome::PluginError,
            Self::Overloaded => Outcome::Overloaded,
        }
    }
}

/// A call that gave no answer.
///
/// `Display` and `Debug` name kind, account, plugin, digest and function and nothing
/// else, so a fault can go into any log. What the plugin said – at the post it may hold
/// personal data – is had only by asking for it: [`message`](Self::message),
/// [`log`](Self::log).
#[derive(Clone)]
pub struct Fault {
    /// In which way.
    pub kind: FaultKind,
    /// Whose call.
    pub account: AccountId,
    /// Of which plugin.
    pub plugin: PluginName,
    /// At which version.
    pub digest: Digest,
    /// In which of its functions: `open`, `qualify`, `ping`, `post`, or `start` before any.
    pub function: &'static str,
    pub(crate) message: String,
    pub(crate) log: Vec<LogLine>,
    pub(crate) lines_dropped: u32,
}

impl Fault {
    /// What happened, for the plugin's engineer. Personal data may be in it at the post.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the plugin had logged until then. Personal data may be in it at the post.
    pub fn log(&self) -> &[LogLine] {
        &self.log
    }

    /// How many lines the log had no room for.
    pub fn lines_dropped(&self) -> u32 {
        self.lines_dropped
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            account,
            plugin,
            digest,
            function,
            ..
        } = self;
        write!(
            f,
            "{} in {function} of plugin {plugin} ({}) for account {account}",
            kind.outcome(),
            digest.short()
        )
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}

impl std::error::Error for Fault {}
