//! The gate's last step: a plugin's own cases, under production limits.

use std::time::Instant;

use gavel_market::model::CallLimits;
use gavel_sandbox::{GateReport, Plugin};

use super::{read, run};

/// Failures that the report names; an author mends those first.
const FAILURES_SHOWN: usize = 10;

/// Runs every case of these files, each with its name, and says in words what failed.
pub(crate) async fn at_the_gate(
    report: &mut GateReport,
    plugin: &Plugin,
    files: &[(String, String)],
    limits: CallLimits,
) -> Option<String> {
    let begun = Instant::now();
    let (mut cases, mut wrong) = (Vec::new(), Vec::new());
    for (name, text) in files {
        match read(name, text) {
            Ok(read) => cases.extend(read),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if wrong.is_empty() {
        for outcome in run(plugin, &cases, limits).await {
            if let Some(first) = outcome.differences.first() {
                wrong.push(format!("{}: {first}", outcome.name));
            }
        }
    }
    if wrong.is_empty() {
        let detail = format!("{} of {} cases pass", cases.len(), cases.len());
        report.push("cases", None, detail, begun);
        return None;
    }
    let more = wrong.len().saturating_sub(FAILURES_SHOWN);
    wrong.truncate(FAILURES_SHOWN);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    let message = wrong.join("\n");
    report.push("cases", Some("case_failed"), message.clone(), begun);
    Some(message)
}
