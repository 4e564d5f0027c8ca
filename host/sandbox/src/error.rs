//! Why there is no sandbox, no plugin or no account.

use std::fmt;

use crate::words::words;

/// The sandbox itself could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime refused its settings, or this machine.
    #[error("the wasm engine does not start: {0}")]
    Engine(String),
    /// The epoch clock's thread did not start.
    #[error("the sandbox's clock does not start")]
    Clock(#[source] std::io::Error),
    /// wasmtime does not give a plugin's compiled code out.
    #[error("the plugin's compiled code cannot be written down: {0}")]
    Code(String),
}

/// Why an upload is no plugin (`rules.md`, Plugins), in words its engineer can act on.
///
/// At the gate there is no lead yet, so what the plugin itself said may be among them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Larger than the host takes.
    #[error("has {bytes} bytes; a plugin has at most {max}")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// Compiled code rather than wasm.
    #[error("is already compiled; upload the .wasm file that it was compiled from")]
    Precompiled,
    /// Not wasm, or not wasm that this host compiles.
    #[error("{0}")]
    NotCompilable(String),
    /// It exports or imports other things than a plugin does.
    #[error("{0}")]
    WrongWorld(String),
    /// It fits by name but cannot be started.
    #[error("{0}")]
    NotInstantiable(String),
    /// It does not say properly what it is.
    #[error("{0}")]
    BadDescribe(String),
}

impl GateError {
    /// The gate's code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Precompiled => "precompiled",
            Self::NotCompilable(_) => "not_compilable",
            Self::WrongWorld(_) => "wrong_world",
            Self::NotInstantiable(_) => "not_instantiable",
            Self::BadDescribe(_) => "bad_describe",
        }
    }
}

/// A plugin does not take an account's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRefused {
    /// JSON pointer to what is wrong; empty where it is the whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for ConfigRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message)?,
            path => write!(f, "{}: {}", words(path), self.message)?,
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean {suggestion:?}?)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigRefused {}
