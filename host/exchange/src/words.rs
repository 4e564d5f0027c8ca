//! What plugins and buyers say, on its way to where it may be kept.
//!
//! At a ping nothing is personal, and words stand in the record. At a post they may be
//! anything: they are sealed under the lead's key, and only the host's own codes and those
//! that a plugin declares stand in the clear.

use gavel_market::reason::Outcome;
use gavel_sandbox::{Fault, LogLine, Plugin};
use serde::{Deserialize, Serialize};

use crate::buyers::Refused;

/// Log lines of a fault that are kept beside its message.
const LAST_LINES: usize = 5;

/// A fault's message and its last log lines, for a record.
pub(crate) fn of_fault(fault: &Fault) -> String {
    let log = fault.log();
    let last = log
        .get(log.len().saturating_sub(LAST_LINES)..)
        .unwrap_or(log);
    let lines = last
        .iter()
        .map(|line| format!("\n{}: {}", line.level.word(), line.text));
    format!(
        "{}: {}{}",
        fault.function,
        fault.message(),
        lines.collect::<String>()
    )
}

/// Counts a fault where an operator will see it; nothing that the plugin said is in it.
pub(crate) fn count(fault: &Fault) {
    let labels = [
        ("account", fault.account.to_string()),
        ("plugin", fault.plugin.to_string()),
        ("kind", fault.kind.outcome().word().to_owned()),
    ];
    metrics::counter!("gavel_plugin_faults_total", &labels).increment(1);
    tracing::debug!(%fault, "a plugin call ended in a fault");
}

/// Counts that a plugin was caught keeping state between calls; it is asked on fresh instances
/// from then on.
pub(crate) fn count_stateful(plugin: &Plugin) {
    let labels = [
        ("plugin", plugin.name().to_string()),
        ("kind", "stateful".to_owned()),
    ];
    metrics::counter!("gavel_plugin_faults_total", &labels).increment(1);
}

/// What an account's outcome is when its request may not leave.
pub(crate) fn outcome_of_refused(refused: &Refused) -> Outcome {
    match refused {
        Refused::HostNotAllowed => Outcome::HostNotAllowed,
        Refused::UnknownSecret(_) | Refused::Malformed(_) => Outcome::PluginOutput,
    }
}

/// A plugin's code, if its `describe` declares it: others may hold anything.
pub(crate) fn declared(plugin: &Plugin, code: &str) -> Option<String> {
    plugin.about().codes.contains(code).then(|| code.to_owned())
}

/// What was said at one try of a delivery; kept only under the lead's key.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryWords {
    /// The plugin's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The plugin's or the buyer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The buyer's own name for the lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where the buyer wants the consumer sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// What the plugins logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl DeliveryWords {
    /// Adds what a plugin logged.
    pub(crate) fn log(&mut self, lines: &[LogLine]) {
        self.log.extend(
            lines
                .iter()
                .map(|line| format!("{}: {}", line.level.word(), line.text)),
        );
    }

    /// Adds what a fault says.
    pub(crate) fn fault(&mut self, fault: &Fault) {
        self.detail = Some(of_fault(fault));
    }

    /// As it is sealed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// As it was sealed.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}
