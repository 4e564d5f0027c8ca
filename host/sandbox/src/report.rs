//! What the gate found, step by step, for the engineer who uploaded.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{error::GateError, plugin::Plugin};

/// One upload at the gate.
#[derive(Debug)]
pub struct Gated {
    /// What each step found.
    pub report: GateReport,
    /// The plugin, or why it is none.
    pub plugin: Result<Plugin, GateError>,
}

/// What the gate found. Kept with the version and shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// In the order in which they were taken; after one that failed there is none.
    pub steps: Vec<GateStep>,
    /// Size of the upload, in bytes.
    pub bytes: u64,
    /// Interfaces that it asks the host for.
    pub imports: Vec<String>,
    /// Interfaces that it offers.
    pub exports: Vec<String>,
    /// Size of the code compiled from it, in bytes, where it compiled.
    pub compiled_bytes: Option<u64>,
}

/// One step of the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateStep {
    /// `size`, `form`, `compile`, `world`, `start`, `describe` or `cases`.
    pub step: String,
    /// Whether the plugin may go on.
    pub passed: bool,
    /// The gate's code (`rules.md`, Plugins) where it failed.
    pub code: Option<String>,
    /// What was found, in a sentence.
    pub detail: String,
    /// How long it took, in microseconds.
    pub micros: u64,
}

impl GateReport {
    /// The report of an upload that no step has seen yet.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            steps: Vec::new(),
            bytes: bytes as u64,
            imports: Vec::new(),
            exports: Vec::new(),
            compiled_bytes: None,
        }
    }

    /// Whether every step so far let it through.
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|step| step.passed)
    }

    /// The step that refused it.
    pub fn failed(&self) -> Option<&GateStep> {
        self.steps.iter().find(|step| !step.passed)
    }

    /// Adds a step that was taken elsewhere: the plugin's own cases are run by who has leads.
    ///
    /// `code` is the gate's where it failed; `begun` is when it began.
    pub fn push(&mut self, step: &str, code: Option<&str>, detail: String, begun: Instant) {
        self.steps.push(GateStep {
            step: step.to_owned(),
            passed: code.is_none(),
            code: code.map(str::to_owned),
            detail,
            micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        });
    }

    /// Takes a step, which gives something for the next and says what it found.
    pub(crate) fn step<T>(
        &mut self,
        step: &str,
        work: impl FnOnce(&mut Self) -> Result<(T, String), GateError>,
    ) -> Result<T, GateError> {
        let begun = Instant::now();
        match work(self) {
            Ok((found, detail)) => {
                self.push(step, None, detail, begun);
                Ok(found)
            }
            Err(error) => {
                self.push(step, Some(error.code()), error.to_string(), begun);
                Err(error)
            }
        }
    }
}
