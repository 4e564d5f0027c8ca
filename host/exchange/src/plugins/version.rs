//! One version of a plugin at work: what it is asked goes through here and is counted.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use gavel_market::{
    ids::{AccountId, Digest},
    model::Instances,
    reason::Outcome,
};
use gavel_sandbox::{
    Call, Called, Fault, FaultKind, PingStep, PingView, Plugin, PostStep, PostView, Response,
    Verdict, Won,
};

use super::canary::Watch;
use crate::{
    events::{Events, What},
    words,
};

/// A plugin that can be asked, and what has come of asking it since the host started.
///
/// Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Version {
    plugin: Plugin,
    counters: Arc<Counters>,
    /// Looks at the figures while this version is a canary.
    watch: Option<Arc<Watch>>,
    /// Whether the store knows that it keeps state between calls.
    known_stateful: Arc<AtomicBool>,
    /// Where its faults are told.
    events: Events,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plugin.fmt(f)
    }
}

impl Version {
    /// A version of which nothing has been asked yet, and whether it is known to keep state.
    pub(crate) fn new(plugin: Plugin, known_stateful: bool, events: Events) -> Self {
        Self {
            plugin,
            counters: Arc::default(),
            watch: None,
            known_stateful: Arc::new(AtomicBool::new(known_stateful)),
            events,
        }
    }

    /// The same, looked after by `watch`, with counters of its own.
    pub(crate) fn watched(&self, watch: Option<Arc<Watch>>) -> Self {
        Self {
            plugin: self.plugin.clone(),
            counters: Arc::default(),
            watch,
            known_stateful: Arc::clone(&self.known_stateful),
            events: self.events.clone(),
        }
    }

    /// The instances that it is given: never reused ones once it was caught keeping state.
    pub(crate) fn instances(&self, wanted: Instances) -> Instances {
        if self.known_stateful.load(Ordering::Relaxed) {
            Instances::Fresh
        } else {
            wanted
        }
    }

    /// How it was caught keeping state, once: for whoever notes it.
    pub(crate) fn newly_stateful(&self) -> Option<String> {
        let how = self.plugin.stateful()?;
        let known = self.known_stateful.swap(true, Ordering::Relaxed);
        (!known).then_some(how)
    }

    /// The plugin itself, for whoever asks it outside the market's work.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Names the version.
    pub fn digest(&self) -> Digest {
        self.plugin.digest()
    }

    /// The longest call without fault, in processor time, and the most memory that one took, in
    /// bytes.
    pub(crate) fn most(&self) -> (Duration, u64) {
        let cpu = self.counters.cpu_ns_most.load(Ordering::Relaxed);
        let memory = self.counters.memory_most.load(Ordering::Relaxed);
        (Duration::from_nanos(cpu), memory)
    }

    /// What has come of asking it.
    pub(crate) fn tally(&self) -> Tally {
        self.counters.tally()
    }

    /// Asks a filter about a pinged lead.
    pub(crate) async fn qualify(
        &self,
        call: &Call,
        lead: &PingView,
    ) -> Result<Called<Verdict>, Fault> {
        let asked = self.plugin.qualify(call, lead).await;
        self.note(&asked, |verdict| Some(said(verdict)));
        asked
    }

    /// Asks a filter about a posted lead.
    pub(crate) async fn qualify_full(
        &self,
        call: &Call,
        lead: &PostView,
    ) -> Result<Called<Verdict>, Fault> {
        let asked = self.plugin.qualify_full(call, lead).await;
        self.note(&asked, |verdict| Some(said(verdict)));
        asked
    }

    /// Asks an adapter what comes next in a ping.
    pub(crate) async fn ping(
        &self,
        call: &Call,
        lead: &PingView,
        answers: &[Response],
    ) -> Result<Called<PingStep>, Fault> {
        let asked = self.plugin.ping(call, lead, answers).await;
        self.note(&asked, |step| match step {
            PingStep::Send(_) => None,
            PingStep::Bid { .. } => Some(Said::Yes),
            PingStep::NoBid(_) => Some(Said::No),
        });
        asked
    }

    /// Asks an adapter what comes next in a post.
    pub(crate) async fn post(
        &self,
        call: &Call,
        lead: &PostView,
        won: &Won,
        answers: &[Response],
    ) -> Result<Called<PostStep>, Fault> {
        let asked = self.plugin.post(call, lead, won, answers).await;
        self.note(&asked, |step| match step {
            PostStep::Send(_) => None,
            PostStep::Accepted { .. } => Some(Said::Yes),
            PostStep::Rejected { .. } => Some(Said::No),
        });
        asked
    }

    /// Counts what the exchange refused to carry out for it as a fault of its own; the
    /// outcome that the account gets for it says which.
    pub(crate) fn at_fault(&self, account: &AccountId, outcome: Outcome) {
        self.tell(account, outcome);
        self.counters.faults.fetch_add(1, Ordering::Relaxed);
        self.look();
    }

    fn note<T>(&self, asked: &Result<Called<T>, Fault>, said: impl Fn(&T) -> Option<Said>) {
        match asked {
            Ok(called) => {
                if called.stateful.is_some() {
                    words::count_stateful(&self.plugin);
                }
                self.counters
                    .count(called.cpu, called.memory, said(&called.value));
            }
            // A busy host says nothing about the plugin.
            Err(fault) if fault.kind == FaultKind::Overloaded => return,
            Err(fault) => {
                words::count(fault);
                self.tell(&fault.account, fault.kind.outcome());
                self.counters.count_fault();
            }
        }
        self.look();
    }

    fn tell(&self, account: &AccountId, outcome: Outcome) {
        self.events.tell(|| What::Fault {
            account: account.clone(),
            plugin: self.plugin.name().clone(),
            digest: self.digest(),
            code: outcome.word(),
        });
    }

    fn look(&self) {
        if let Some(watch) = &self.watch {
            watch.look(&self.counters);
        }
    }
}

fn said(verdict: &Verdict) -> Said {
    match verdict {
        Verdict::Qualified => Said::Yes,
        Verdict::Disqualified { .. } => Said::No,
    }
}

/// How a question that was asked to its end was answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
}

/// What has come of a version's calls.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: AtomicU64,
    faults: AtomicU64,
    decisions: AtomicU64,
    refusals: AtomicU64,
    cpu_ns: AtomicU64,
    cpu_ns_most: AtomicU64,
    memory_most: AtomicU64,
}

impl Counters {
    fn count(&self, cpu: Duration, memory: usize, said: Option<Said>) {
        let nanoseconds = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_ns_most.fetch_max(nanoseconds, Ordering::Relaxed);
        self.memory_most.fetch_max(memory as u64, Ordering::Relaxed);
        self.cpu_ns.fetch_add(nanoseconds, Ordering::Relaxed);
        if let Some(said) = said {
            self.decisions.fetch_add(1, Ordering::Relaxed);
            if said == Said::No {
                self.refusals.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn count_fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            calls: read(&self.calls),
            faults: read(&self.faults),
            decisions: read(&self.decisions),
            refusals: read(&self.refusals),
            cpu_ns: read(&self.cpu_ns),
        }
    }
}

/// Counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions asked, each step of an exchange being one.
    pub calls: u64,
    /// Of those, how many ended in a fault.
    pub faults: u64,
    /// Questions answered to their end: qualified or not, bid or none, accepted or rejected.
    pub decisions: u64,
    /// Of those, how many were no.
    pub refusals: u64,
    /// Processor time of the calls without fault, in nanoseconds.
    pub cpu_ns: u64,
}

impl Tally {
    /// What has been added since an earlier moment.
    #[must_use]
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(before.calls),
            faults: self.faults.saturating_sub(before.faults),
            decisions: self.decisions.saturating_sub(before.decisions),
            refusals: self.refusals.saturating_sub(before.refusals),
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
        }
    }

    /// Mean processor time of a call without fault; none before the first.
    pub fn mean_cpu(self) -> Option<Duration> {
        let good = self.calls.saturating_sub(self.faults);
        self.cpu_ns.checked_div(good).map(Duration::from_nanos)
    }
}
