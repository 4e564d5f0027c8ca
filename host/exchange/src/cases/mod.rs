//! Cases: what a plugin is shown and what it has to answer, from files of its author's.
//!
//! The same files are run by `gavel plugin test` and, uploaded with a plugin, by the gate. A
//! file is TOML, or JSON of the same shape:
//!
//! ```toml
//! config = { shade = ["none", "partial"] }       # of every case that has none of its own
//! stage = "ping"                                 # or "post" [default: ping]
//! lead = { homeowner = true }                    # in every case's lead, unless the case says otherwise
//!
//! [fields]                                       # types of lead fields, as in a market's lead type
//! monthly_bill = { type = "decimal" }            # what is not here is as written: text, integer or flag
//!
//! [[case]]
//! name = "full shade is refused"
//! lead = { roof_shade = "full", monthly_bill = "180" }
//! expect = { disqualified = { code = "roof_shaded" } }
//!
//! [[case]]                                       # an adapter's: a whole exchange
//! name = "bids what the buyer says"
//! lead = { state = "CA" }
//! requests = [ { method = "POST", body = { state = "CA" } } ]      # what is sent before each answer
//! answers = [ { status = 200, body = { price = "12.50" } } ]       # what comes back
//! expect = { bid = { amount = "12.50" } }
//! ```
//!
//! | key of a case, or of the file for all its cases | is |
//! |---|---|
//! | `config` | the account's configuration [default: `{}`]; a case's own stands in place of the file's |
//! | `lead` | fields, read as a supplier's are; a field that is `""` is absent; at a ping personal ones are dropped |
//! | `stage` | `ping` or `post`; a filter is asked at both |
//! | `campaign`, `lead_type`, `order`, `received_at`, `currency`, `sub_id`, `test` | what else a lead says; by default `solar-west`, `solar`, `po_1.a1`, 2023-11-14T22:13:20Z, `USD`, none, false, as in the SDK's tests |
//! | `won` | `{ amount, reference }`, at an adapter's post |
//!
//! | key of a case | is |
//! |---|---|
//! | `answers` | the buyer's: `{ status, headers, body }` [default: 200, none, empty]; a body that is a table or a list is sent as JSON, and says so |
//! | `requests` | each `{ method, url, headers, body }`, compared with what the plugin wants sent before the answer of the same place |
//! | `expect` | the outcome, one of those below |
//!
//! | `expect` | the plugin |
//! |---|---|
//! | `"qualified"`, `{ disqualified = { code, detail } }` | lets the lead through, or does not |
//! | `{ send = { method, url, headers, body } }` | wants one request more than there are answers |
//! | `{ bid = { amount, reference } }`, `{ no_bid = "words" }` | reads the buyer's answer to a ping so |
//! | `{ accepted = { reference, price, redirect_url } }`, `{ rejected = { code, detail } }` | or to a post |
//! | `{ error = "words" }` | returns an error, be it at the configuration or at the lead |
//! | `{ refused_config = "words" }` | does not take the configuration |
//! | `{ fault = "plugin_trap" }` | fails in this way |
//!
//! Only the keys given are compared. `true` in place of a table or of words, or the word alone
//! (`expect = "bid"`), takes whatever there is of the kind, a text in place of `{ code }` is the
//! code, and `false` in place of a value says that there is none. Amounts are compared as
//! numbers, headers without regard to their names' case, bodies as JSON where both are; of
//! sentences for people (`detail`, words) a part is enough. An exchange has to use every answer.
//!
//! | module | holds |
//! |---|---|
//! | `file` | a file's text to [`Case`]s, or everything that is wrong with it |
//! | `lead`, `exchange`, `expect` | the parts of a case |
//! | `drive` | a plugin through a [`Scenario`] |
//! | `compare` | what it did with what was expected |
//! | `gate` | the step of the gate that runs them |

mod compare;
mod drive;
mod exchange;
mod expect;
mod file;
mod gate;
mod lead;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gavel_market::{lead::FullLead, model::CallLimits};
use gavel_sandbox::{LogLine, Plugin, Response, Transaction, Won};

pub use compare::in_words;
pub use drive::{Driven, End, Trouble};
pub use file::{CaseFileError, CaseProblem, Parts, read, scenario};
pub(crate) use gate::at_the_gate;

use crate::cases::{exchange::ExpectedRequest, expect::Expected};

/// Cases of one file: what a plugin's author writes by hand, times ten.
pub const CASES_MAX: usize = 1_000;

/// A case file's text, in bytes: [`CASES_MAX`] cases of a kilobyte.
pub const CASE_FILE_MAX_BYTES: usize = 1 << 20;

/// Answers in one case: as many requests as an account may ever be allowed (`max_steps`).
pub const ANSWERS_MAX: usize = 20;

/// Longest that the cases of one upload run: thousands that end as quickly as a call should,
/// and not the days that the bounds above would allow together.
pub const RUN_MAX: Duration = Duration::from_mins(2);

/// At which of the two requests a plugin is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// Without personal fields.
    #[default]
    Ping,
    /// The full record.
    Post,
}

/// One account, one lead and a buyer's answers: all that a plugin is shown.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The account's configuration, as JSON text.
    pub config: Arc<str>,
    /// When it is asked.
    pub stage: Stage,
    /// Shown whole at the post, and without what is personal at the ping.
    pub lead: Arc<FullLead>,
    /// What the lead belongs to.
    pub transaction: Arc<Transaction>,
    /// The order as plugins see it.
    pub order: String,
    /// The buyer's answers, oldest first.
    pub answers: Vec<Response>,
    /// What the ping offered; at an adapter's post.
    pub won: Won,
}

/// A scenario and what has to come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it shows, in its author's words.
    pub name: String,
    /// What the plugin is shown.
    pub scenario: Scenario,
    requests: Vec<ExpectedRequest>,
    expected: Expected,
}

/// What came of a case.
#[derive(Debug, Clone)]
pub struct CaseOutcome {
    /// The case's name.
    pub name: String,
    /// Whether there is no difference.
    pub passed: bool,
    /// What differed from what was expected.
    pub differences: Vec<Difference>,
    /// What was logged, in all of the exchange's calls.
    pub log: Vec<LogLine>,
    /// How many lines the log had no room for.
    pub lines_dropped: u32,
    /// Lead fields that the plugin asked for.
    pub fields_read: Vec<String>,
    /// Processor time of the longest call.
    pub cpu: Duration,
    /// Memory of the largest call, in bytes.
    pub memory: usize,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, such as `requests[0].url` or `bid.amount`.
    pub at: String,
    /// What, in a sentence.
    pub words: String,
    /// The two texts, where they are long enough to be compared line by line: first what was
    /// expected.
    pub texts: Option<(String, String)>,
}

/// `bid.amount: 12.50 was expected, not 12.00`
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.words)
    }
}

/// Runs cases one after the other, every call in a fresh instance under `limits`, for at most
/// [`RUN_MAX`]: those that are left then have not passed.
pub async fn run(plugin: &Plugin, cases: &[Case], limits: CallLimits) -> Vec<CaseOutcome> {
    run_within(plugin, cases, limits, RUN_MAX).await
}

async fn run_within(
    plugin: &Plugin,
    cases: &[Case],
    limits: CallLimits,
    time: Duration,
) -> Vec<CaseOutcome> {
    let started = Instant::now();
    let mut outcomes = Vec::with_capacity(cases.len());
    for case in cases {
        outcomes.push(if started.elapsed() < time {
            run_one(plugin, case, limits).await
        } else {
            CaseOutcome::not_run(case, time)
        });
    }
    outcomes
}

impl CaseOutcome {
    fn not_run(case: &Case, time: Duration) -> Self {
        Self {
            name: case.name.clone(),
            passed: false,
            differences: vec![Difference {
                at: "case".to_owned(),
                words: format!("was not run: those before it took over {time:?}"),
                texts: None,
            }],
            log: Vec::new(),
            lines_dropped: 0,
            fields_read: Vec::new(),
            cpu: Duration::ZERO,
            memory: 0,
        }
    }
}

/// Runs one case.
pub async fn run_one(plugin: &Plugin, case: &Case, limits: CallLimits) -> CaseOutcome {
    let driven = case.scenario.drive(plugin, limits).await;
    let differences = compare::compare(case, plugin.kind(), &driven);
    CaseOutcome {
        name: case.name.clone(),
        passed: differences.is_empty(),
        differences,
        log: driven.log,
        lines_dropped: driven.lines_dropped,
        fields_read: driven.fields_read,
        cpu: driven.cpu,
        memory: driven.memory,
    }
}
