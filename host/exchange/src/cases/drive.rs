//! A plugin through a scenario: asked, given the buyer's answers, until it says how it ends.

use std::{sync::Arc, time::Duration};

use gavel_market::{
    ids::AccountId,
    model::{CallLimits, Instances},
};
use gavel_sandbox::{
    Call, Called, ConfigRefused, Fault, Kind, LogLine, PingStep, PingView, Plugin, PostStep,
    PostView, Request, Verdict, limits::LOG_LINE_BYTES,
};

use super::{Scenario, Stage};

/// What a plugin said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A filter.
    Verdict(Verdict),
    /// An adapter at the ping.
    Ping(PingStep),
    /// An adapter at the post.
    Post(PostStep),
}

impl End {
    /// The request, where the plugin wants one sent.
    pub fn request(&self) -> Option<&Request> {
        match self {
            Self::Ping(PingStep::Send(request)) | Self::Post(PostStep::Send(request)) => {
                Some(request)
            }
            _ => None,
        }
    }
}

/// Why there was no end.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// The account cannot have this configuration.
    Config(ConfigRefused),
    /// A call failed, once an exchange with so many answers was under way.
    Fault(Box<Fault>),
}

/// What a plugin did in a scenario.
#[derive(Debug, Clone)]
pub struct Driven {
    /// What it wanted sent before each answer that it was given, oldest first.
    pub sent: Vec<Request>,
    /// How it ended.
    pub end: Result<End, Trouble>,
    /// What was logged, in all calls.
    pub log: Vec<LogLine>,
    /// How many lines the log had no room for.
    pub lines_dropped: u32,
    /// The log of the call that logged most, in the bytes that its limit counts.
    pub log_bytes: usize,
    /// Lead fields that were asked for.
    pub fields_read: Vec<String>,
    /// Processor time of the longest call.
    pub cpu: Duration,
    /// Memory of the largest call, in bytes.
    pub memory: usize,
}

impl Scenario {
    /// Asks as an account is asked: the configuration is checked, then the plugin is called,
    /// each time in a fresh instance, for as long as it wants requests sent and there are answers.
    pub async fn drive(&self, plugin: &Plugin, limits: CallLimits) -> Driven {
        let mut driven = Driven {
            sent: Vec::new(),
            end: Ok(End::Verdict(Verdict::Qualified)),
            log: Vec::new(),
            lines_dropped: 0,
            log_bytes: 0,
            fields_read: Vec::new(),
            cpu: Duration::ZERO,
            memory: 0,
        };
        driven.end = self.exchange(plugin, limits, &mut driven).await;
        driven
    }

    async fn exchange(
        &self,
        plugin: &Plugin,
        limits: CallLimits,
        driven: &mut Driven,
    ) -> Result<End, Trouble> {
        let call = self.call(limits, Instances::Fresh);
        plugin
            .check_config(&call.account, &call.config)
            .await
            .map_err(Trouble::Config)?;
        loop {
            let called = self.ask(plugin, &call, driven.sent.len()).await;
            let end = driven.note(called)?;
            match end.request() {
                Some(request) if driven.sent.len() < self.answers.len() => {
                    driven.sent.push(request.clone());
                }
                _ => return Ok(end),
            }
        }
    }

    /// The call of an account that has this scenario's configuration.
    pub fn call(&self, limits: CallLimits, instances: Instances) -> Call {
        Call {
            account: account(),
            config: Arc::clone(&self.config),
            limits,
            order: self.order.clone(),
            instances,
        }
    }

    /// One call, with so many of the answers.
    pub async fn ask(
        &self,
        plugin: &Plugin,
        call: &Call,
        answers: usize,
    ) -> Result<Called<End>, Fault> {
        let answers = self.answers.get(..answers).unwrap_or(&self.answers);
        let pinged = || {
            let lead = Arc::new(self.lead.without_personal());
            PingView::new(lead, Arc::clone(&self.transaction))
        };
        let posted = || PostView::new(Arc::clone(&self.lead), Arc::clone(&self.transaction));
        match (plugin.kind(), self.stage) {
            (Kind::Filter, Stage::Ping) => plugin
                .qualify(call, &pinged())
                .await
                .map(|called| ended(called, End::Verdict)),
            (Kind::Filter, Stage::Post) => plugin
                .qualify_full(call, &posted())
                .await
                .map(|called| ended(called, End::Verdict)),
            (Kind::Adapter, Stage::Ping) => plugin
                .ping(call, &pinged(), answers)
                .await
                .map(|called| ended(called, End::Ping)),
            (Kind::Adapter, Stage::Post) => plugin
                .post(call, &posted(), &self.won, answers)
                .await
                .map(|called| ended(called, End::Post)),
        }
    }
}

/// Whose call it is; plugins do not see it.
fn account() -> AccountId {
    #[expect(clippy::expect_used, reason = "a name in the source")]
    "case".parse().expect("a name")
}

fn ended<T>(called: Called<T>, end: impl FnOnce(T) -> End) -> Called<End> {
    Called {
        value: end(called.value),
        log: called.log,
        lines_dropped: called.lines_dropped,
        fields_read: called.fields_read,
        cpu: called.cpu,
        memory: called.memory,
        stateful: called.stateful,
    }
}

/// What log lines count towards the limit.
fn log_bytes(log: &[LogLine]) -> usize {
    log.iter()
        .map(|line| line.text.len() + LOG_LINE_BYTES)
        .sum()
}

impl Driven {
    /// Keeps what a call cost and was based on.
    fn note(&mut self, called: Result<Called<End>, Fault>) -> Result<End, Trouble> {
        let (log, dropped) = match &called {
            Ok(called) => (called.log.as_slice(), called.lines_dropped),
            Err(fault) => (fault.log(), fault.lines_dropped()),
        };
        self.log.extend_from_slice(log);
        self.lines_dropped += dropped;
        self.log_bytes = self.log_bytes.max(log_bytes(log));
        let called = called.map_err(|fault| Trouble::Fault(Box::new(fault)))?;
        for field in called.fields_read {
            if !self.fields_read.contains(&field) {
                self.fields_read.push(field);
            }
        }
        self.cpu = self.cpu.max(called.cpu);
        self.memory = self.memory.max(called.memory);
        Ok(called.value)
    }
}
