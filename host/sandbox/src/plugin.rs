//! A plugin that passed the gate, and the questions it can be asked.
//!
//! Each question is one call: a place, a fresh store and instance, `open`, the question,
//! and all of it dropped. Nothing is left for the next – unless the operator has said that
//! instances are reused, and then never at a post, and watched.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use gavel_market::{
    ids::{AccountId, Digest, PluginName},
    model::{CallLimits, Instances},
};
use jsonschema::Validator;
use wasmtime::component::Component;

use crate::{
    answer::{Call, Called, PingStep, PostStep, Response, Verdict, Won},
    call::Broken,
    error::ConfigRefused,
    fault::{Fault, FaultKind},
    instance::{Checked, Live},
    limits::BUSY_TRIES,
    meter::Watch,
    question::{Ping, Post, Qualify, Question},
    reused::PluginId,
    sandbox::Sandbox,
    schema::{self, About},
    view::{PingView, PostView, View},
};

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It decides whether an account wants a lead.
    Filter,
    /// It speaks one buyer's protocol.
    Adapter,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::Adapter => "adapter",
        })
    }
}

/// A plugin at one version, ready to be asked.
///
/// Cheap to clone; its compiled code lives for as long as a clone does. Calls need a tokio
/// runtime with time enabled, and may be dropped at any point: a call given up is gone.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    sandbox: Sandbox,
    name: PluginName,
    digest: Digest,
    limits: CallLimits,
    checked: Checked,
    about: About,
    schema: Validator,
    id: PluginId,
    /// How it was found to keep state.
    stateful: OnceLock<String>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sandbox.reused().forget(self.id);
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Plugin({} {} {})",
            self.kind(),
            self.0.name,
            self.0.digest.short()
        )
    }
}

impl Plugin {
    pub(crate) fn new(
        sandbox: &Sandbox,
        (name, digest, limits): (&PluginName, Digest, CallLimits),
        checked: Checked,
        (about, schema): (About, Validator),
    ) -> Self {
        let (sandbox, name) = (sandbox.clone(), name.clone());
        let id = sandbox.reused().introduce();
        Self(Arc::new(Inner {
            sandbox,
            name,
            digest,
            limits,
            checked,
            about,
            schema,
            id,
            stateful: OnceLock::new(),
        }))
    }

    /// The operator's name for it.
    pub fn name(&self) -> &PluginName {
        &self.0.name
    }

    /// Which version it is: the digest of the bytes uploaded.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.0.checked.kind()
    }

    /// What it says of itself.
    pub fn about(&self) -> &About {
        &self.0.about
    }

    /// Whether `config`, JSON text, can be an account's: the schema is met and `open` takes it.
    ///
    /// `open` runs under the limits that the plugin was loaded with.
    pub async fn check_config(
        &self,
        account: &AccountId,
        config: &str,
    ) -> Result<(), ConfigRefused> {
        schema::check(&self.0.about.config_schema, &self.0.schema, config)?;
        let limits = self.0.limits;
        let call = Call {
            account: account.clone(),
            config: config.into(),
            limits,
            order: String::new(),
            instances: Instances::Fresh,
        };
        let refused = |broken: Broken| ConfigRefused {
            path: String::new(),
            message: broken.refusal(),
            suggestion: None,
        };
        let place = self.0.sandbox.room().whenever().await;
        let _place = place.ok_or_else(|| refused(Broken::overloaded()))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let mut live = self.fresh(&call);
            let Err(stop) = live.only_open(&self.0.checked, &call).await else {
                return Ok(());
            };
            if tries == BUSY_TRIES || !live.was_held_up(&stop) {
                return Err(refused(live.stopped(&stop)));
            }
        }
    }

    /// Asks a filter about a pinged lead.
    pub async fn qualify(&self, call: &Call, lead: &PingView) -> Result<Called<Verdict>, Fault> {
        self.ask(call, Qualify(View::Ping(lead.clone()))).await
    }

    /// Asks a filter about a posted lead, personal fields included. Always in a fresh instance.
    pub async fn qualify_full(
        &self,
        call: &Call,
        lead: &PostView,
    ) -> Result<Called<Verdict>, Fault> {
        self.ask(call, Qualify(View::Post(lead.clone()))).await
    }

    /// Asks an adapter what comes next in a ping, given the answers so far, oldest first.
    pub async fn ping(
        &self,
        call: &Call,
        lead: &PingView,
        answers: &[Response],
    ) -> Result<Called<PingStep>, Fault> {
        self.ask(call, Ping { lead, answers }).await
    }

    /// Asks an adapter what comes next in a post, given the answers so far, oldest first.
    /// Always in a fresh instance.
    pub async fn post(
        &self,
        call: &Call,
        lead: &PostView,
        won: &Won,
        answers: &[Response],
    ) -> Result<Called<PostStep>, Fault> {
        self.ask(call, Post { lead, won, answers }).await
    }

    /// One call: a place, an instance, the question, and an answer or a fault.
    async fn ask<Q: Question>(&self, call: &Call, question: Q) -> Result<Called<Q::Answer>, Fault> {
        let is_reused = call.instances == Instances::Reused
            && question.may_be_reused()
            && self.0.stateful.get().is_none();
        let asked = match self.0.sandbox.room().soon().await {
            Some(_place) if is_reused => self.ask_reused(call, &question).await,
            Some(_place) => self.ask_fresh(call, &question).await,
            None => Err(Broken::overloaded()),
        };
        asked.map_err(|broken| broken.of(&call.account, &self.0.name, self.0.digest))
    }

    /// Asks an instance that nobody asked before, and drops it.
    async fn ask_fresh<Q: Question>(
        &self,
        call: &Call,
        question: &Q,
    ) -> Result<Called<Q::Answer>, Broken> {
        let mut live = self.fresh(call);
        match live.ask(&self.0.checked, call, question).await {
            Ok(answer) => Ok(live.answered(answer)),
            Err(stop) => Err(live.stopped(&stop)),
        }
    }

    /// Asks an instance that was asked before, if there is one, and keeps it for the next.
    ///
    /// Some answers, and every fault, are held against those of a fresh instance. Where
    /// they differ the fresh one counts.
    async fn ask_reused<Q: Question>(
        &self,
        call: &Call,
        question: &Q,
    ) -> Result<Called<Q::Answer>, Broken> {
        let (id, reused) = (self.0.id, self.0.sandbox.reused());
        let taken = reused.take(id, &call.account, &call.config, &call.limits);
        let was_asked_before = taken.is_some();
        let mut live = match taken {
            Some(mut live) => {
                live.begin(&call.limits, Watch::Timer);
                live
            }
            None => self.fresh(call),
        };
        let called = match live.ask(&self.0.checked, call, question).await {
            Ok(answer) => Ok(live.answered(answer)),
            Err(stop) => Err(live.stopped(&stop)),
        };
        // One instance at a time: the call has one place.
        match &called {
            Ok(_) => self.keep(call, live),
            Err(_) => drop(live),
        }
        if !was_asked_before || called.is_ok() && !reused.is_to_be_checked() {
            return called;
        }
        let fresh = self.ask_fresh(call, question).await;
        let Some(differs) = difference::<Q>(&called, &fresh) else {
            // Of two faults the one that anybody can repeat.
            return if called.is_ok() { called } else { fresh };
        };
        let differs = self.is_stateful(differs);
        fresh.map(|fresh| Called {
            stateful: Some(differs),
            ..fresh
        })
    }

    fn keep(&self, call: &Call, live: Live) {
        let (id, reused) = (self.0.id, self.0.sandbox.reused());
        reused.keep(id, &call.account, live, &call.limits);
        if self.0.stateful.get().is_some() {
            // It was found out while this call was under way.
            reused.forget(id);
        }
    }

    /// From now on it is given fresh instances only.
    fn is_stateful(&self, differs: String) -> String {
        tracing::warn!(
            plugin = %self.0.name,
            digest = %self.0.digest.short(),
            "the plugin keeps state from one call to the next and is given fresh instances from now on: {differs}"
        );
        let _ = self.0.stateful.set(differs.clone());
        self.0.sandbox.reused().forget(self.0.id);
        differs
    }

    /// Why it is no longer given reused instances: it was caught keeping state.
    pub fn stateful(&self) -> Option<String> {
        self.0.stateful.get().cloned()
    }

    /// A store of its own for a call that has a place.
    fn fresh(&self, call: &Call) -> Live {
        Live::new(self.0.sandbox.engine(), &call.limits, Watch::Timer)
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.0.sandbox
    }

    pub(crate) fn component(&self) -> &Component {
        self.0.checked.component.component()
    }
}

/// What tells a reused instance's end from a fresh one's, if anything does, without a word
/// of what was said.
///
/// The log is not compared: that of a fresh instance has what `open` said. A fresh instance
/// that was not given the time or the room says nothing about state.
fn difference<Q: Question>(
    reused: &Result<Called<Q::Answer>, Broken>,
    fresh: &Result<Called<Q::Answer>, Broken>,
) -> Option<String> {
    match (reused, fresh) {
        (Ok(reused), Ok(fresh)) if reused.value != fresh.value => {
            Some(Q::difference(&reused.value, &fresh.value))
        }
        (Ok(reused), Ok(fresh)) => (reused.fields_read != fresh.fields_read).then(|| {
            format!(
                "it reads other fields than a fresh one: {} rather than {}",
                list(&reused.fields_read),
                list(&fresh.fields_read)
            )
        }),
        (Err(reused), Ok(_)) => Some(format!(
            "it ends in {} in {} where a fresh one answers",
            reused.kind.outcome(),
            reused.function
        )),
        (Ok(_), Err(fresh)) => match fresh.kind {
            FaultKind::Time | FaultKind::Overloaded => None,
            _ => Some(format!(
                "it answers where a fresh one ends in {} in {}",
                fresh.kind.outcome(),
                fresh.function
            )),
        },
        (Err(_), Err(_)) => None,
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}
