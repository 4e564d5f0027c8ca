//! `gavel plugin test`: recorded cases, under production limits.

use std::time::Duration;

use gavel_exchange::cases::{self, CaseOutcome};
use serde_json::{Value, json};

use super::{
    cli::TestArgs,
    difference, fault,
    figures::{BAD, DIM, GOOD, Measure, TITLE, styled},
    local,
};
use crate::{
    check::counted,
    out::{self, Failure},
};

/// Runs every case of every file, one line each; those that fail say how.
pub(super) async fn run(args: &TestArgs) -> Result<(), Failure> {
    let files = local::case_files(&args.cases)?;
    // A file that cannot be read is told before a plugin of megabytes is compiled.
    let mut read = Vec::new();
    for file in &files {
        read.push((file.path.display().to_string(), file.cases()?));
    }
    let limits = args.limits.limits();
    let plugin = local::load(&args.file, local::bytes(&args.file)?, limits).await?;
    let (mut passed, mut failed, mut entries) = (0, 0, Vec::new());
    let (mut longest, mut largest) = (Duration::ZERO, 0);
    for (file, cases) in &read {
        if !args.json {
            out::line(&styled(TITLE, file));
        }
        for case in cases {
            let outcome = cases::run_one(&plugin, case, limits).await;
            *(if outcome.passed {
                &mut passed
            } else {
                &mut failed
            }) += 1;
            longest = longest.max(outcome.cpu);
            largest = largest.max(outcome.memory);
            if args.json {
                entries.push(difference::json(file, &outcome));
            } else {
                told(&outcome);
            }
        }
    }
    if args.json {
        let whole = json!({"passed": passed, "failed": failed, "cases": entries});
        out::line(&serde_json::to_string_pretty::<Value>(&whole).unwrap_or_default());
    } else {
        out::line(&format!(
            "\n{passed} of {} passed; the longest call took {} of {}, the largest {} of {}",
            counted(passed + failed, "case"),
            Measure::Time(longest).shown(),
            Measure::Time(limits.time).shown(),
            Measure::Bytes(largest).shown(),
            Measure::Bytes(limits.memory).shown()
        ));
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure(format!(
            "{} of {} failed",
            counted(failed, "case"),
            args.file.display()
        ))),
    }
}

/// A case in a line; one that failed with its differences and its log.
fn told(outcome: &CaseOutcome) {
    let (style, mark) = if outcome.passed {
        (GOOD, "ok    ")
    } else {
        (BAD.bold(), "failed")
    };
    let time = styled(DIM, &Measure::Time(outcome.cpu).shown());
    out::line(&format!(
        "  {}  {}  {time}",
        styled(style, mark),
        outcome.name
    ));
    if outcome.passed {
        return;
    }
    let differences = outcome.differences.iter().flat_map(difference::lines);
    differences.for_each(|line| out::line(&line));
    for line in fault::log_lines(&outcome.log, outcome.lines_dropped, true) {
        out::line(&format!("    {line}"));
    }
}
