//! A plugin that passed the gate, and the questions it can be asked.
//!
//! Each question is one call: a place, a fresh store and instance, `open`, the question,
//! and all of it dropped. Nothing is left for the next.

use std::{fmt, sync::Arc};

use gavel_market::{
    ids::{AccountId, Digest, PluginName},
    model::CallLimits,
};
use jsonschema::Validator;
use wasmtime::{
    Store,
    component::{Instance, InstancePre, ResourceAny},
};

use crate::{
    answer::{Call, Called, PingStep, PostStep, Response, Verdict, Won},
    bindings::{
        adapter::exports::gavel::buyer::adapter,
        filter::exports::gavel::buyer::{about, filter},
    },
    call::{Broken, Fresh, Stop},
    error::ConfigRefused,
    fault::Fault,
    sandbox::Sandbox,
    schema::{self, About},
    state::State,
    translate,
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

/// Where the functions of a plugin's world are, looked up once.
pub(crate) enum World {
    Filter(filter::GuestIndices),
    Adapter(adapter::GuestIndices),
}

/// A component whose world has been checked: all that a call needs but an instance.
pub(crate) struct Checked {
    pub(crate) component: InstancePre<State>,
    pub(crate) about: about::GuestIndices,
    pub(crate) world: World,
}

impl Checked {
    /// Looks up and type-checks the world's functions in an instance.
    pub(crate) fn load(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<()> {
        match &self.world {
            World::Filter(world) => world.load(store, instance).map(drop),
            World::Adapter(world) => world.load(store, instance).map(drop),
        }
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
        Self(Arc::new(Inner {
            sandbox,
            name,
            digest,
            limits,
            checked,
            about,
            schema,
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
        match self.0.checked.world {
            World::Filter(_) => Kind::Filter,
            World::Adapter(_) => Kind::Adapter,
        }
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
        schema::check(&self.0.schema, config)?;
        let limits = self.0.limits;
        let call = Call {
            account: account.clone(),
            config: config.into(),
            limits,
            order: String::new(),
        };
        let refused = |broken: Broken| ConfigRefused {
            path: String::new(),
            message: broken.refusal(),
        };
        let mut fresh = self.begin(&call).await.map_err(refused)?;
        let result = fresh.meter().count(self.only_open(&mut fresh, &call)).await;
        fresh.end(result).map(drop).map_err(refused)
    }

    /// Asks a filter about a pinged lead.
    pub async fn qualify(&self, call: &Call, lead: &PingView) -> Result<Called<Verdict>, Fault> {
        self.verdict(call, View::Ping(lead.clone())).await
    }

    /// Asks a filter about a posted lead, personal fields included.
    pub async fn qualify_full(
        &self,
        call: &Call,
        lead: &PostView,
    ) -> Result<Called<Verdict>, Fault> {
        self.verdict(call, View::Post(lead.clone())).await
    }

    async fn verdict(&self, call: &Call, lead: View) -> Result<Called<Verdict>, Fault> {
        let mut fresh = self
            .begin(call)
            .await
            .map_err(|broken| self.fault(call, broken))?;
        let result = fresh
            .meter()
            .count(self.ask_filter(&mut fresh, call, lead))
            .await;
        fresh.end(result).map_err(|broken| self.fault(call, broken))
    }

    /// Asks an adapter what comes next in a ping, given the answers so far, oldest first.
    pub async fn ping(
        &self,
        call: &Call,
        lead: &PingView,
        answers: &[Response],
    ) -> Result<Called<PingStep>, Fault> {
        let mut fresh = self
            .begin(call)
            .await
            .map_err(|broken| self.fault(call, broken))?;
        let result = fresh
            .meter()
            .count(self.ask_ping(&mut fresh, call, lead, answers))
            .await;
        fresh.end(result).map_err(|broken| self.fault(call, broken))
    }

    /// Asks an adapter what comes next in a post, given the answers so far, oldest first.
    pub async fn post(
        &self,
        call: &Call,
        lead: &PostView,
        won: &Won,
        answers: &[Response],
    ) -> Result<Called<PostStep>, Fault> {
        let mut fresh = self
            .begin(call)
            .await
            .map_err(|broken| self.fault(call, broken))?;
        let result = fresh
            .meter()
            .count(self.ask_post(&mut fresh, call, lead, (won, answers)))
            .await;
        fresh.end(result).map_err(|broken| self.fault(call, broken))
    }

    async fn begin(&self, call: &Call) -> Result<Fresh<'_>, Broken> {
        let sandbox = &self.0.sandbox;
        let permit = sandbox.room().soon().await.ok_or_else(Broken::overloaded)?;
        Ok(Fresh::new(sandbox.engine(), &call.limits, permit))
    }

    fn fault(&self, call: &Call, broken: Broken) -> Fault {
        broken.of(&call.account, &self.0.name, self.0.digest)
    }

    async fn only_open(&self, fresh: &mut Fresh<'_>, call: &Call) -> Result<(), Stop> {
        match self.0.checked.world {
            World::Filter(_) => self.open_filter(fresh, call).await.map(drop),
            World::Adapter(_) => self.open_adapter(fresh, call).await.map(drop),
        }
    }

    async fn ask_filter(
        &self,
        fresh: &mut Fresh<'_>,
        call: &Call,
        lead: View,
    ) -> Result<Verdict, Stop> {
        let (plugin, account) = self.open_filter(fresh, call).await?;
        let lead = fresh.show(lead, &call.order)?;
        fresh.function = "qualify";
        let said = plugin
            .account()
            .call_qualify(&mut fresh.store, account, lead)
            .await?;
        translate::verdict(said.map_err(Stop::Said)?)
    }

    async fn ask_ping(
        &self,
        fresh: &mut Fresh<'_>,
        call: &Call,
        lead: &PingView,
        answers: &[Response],
    ) -> Result<PingStep, Stop> {
        let (plugin, account) = self.open_adapter(fresh, call).await?;
        let lead = fresh.show(View::Ping(lead.clone()), &call.order)?;
        let answers = translate::answers(answers);
        fresh.function = "ping";
        let said = plugin
            .account()
            .call_ping(&mut fresh.store, account, lead, &answers)
            .await?;
        translate::ping_step(said.map_err(Stop::Said)?)
    }

    async fn ask_post(
        &self,
        fresh: &mut Fresh<'_>,
        call: &Call,
        lead: &PostView,
        (won, answers): (&Won, &[Response]),
    ) -> Result<PostStep, Stop> {
        let (plugin, account) = self.open_adapter(fresh, call).await?;
        let lead = fresh.show(View::Post(lead.clone()), &call.order)?;
        let (won, answers) = (translate::won(won), translate::answers(answers));
        fresh.function = "post";
        let said = plugin
            .account()
            .call_post(&mut fresh.store, account, lead, &won, &answers)
            .await?;
        translate::post_step(said.map_err(Stop::Said)?, &mut fresh.store.data_mut().log)
    }

    async fn open_filter(
        &self,
        fresh: &mut Fresh<'_>,
        call: &Call,
    ) -> Result<(filter::Guest, ResourceAny), Stop> {
        let World::Filter(world) = &self.0.checked.world else {
            return Err(self.other_kind());
        };
        let instance = fresh.instantiate(&self.0.checked.component).await?;
        let plugin = world.load(&mut fresh.store, &instance)?;
        fresh.function = "open";
        let account = plugin
            .account()
            .call_open(&mut fresh.store, &call.config)
            .await?;
        Ok((plugin, account.map_err(Stop::Said)?))
    }

    async fn open_adapter(
        &self,
        fresh: &mut Fresh<'_>,
        call: &Call,
    ) -> Result<(adapter::Guest, ResourceAny), Stop> {
        let World::Adapter(world) = &self.0.checked.world else {
            return Err(self.other_kind());
        };
        let instance = fresh.instantiate(&self.0.checked.component).await?;
        let plugin = world.load(&mut fresh.store, &instance)?;
        fresh.function = "open";
        let account = plugin
            .account()
            .call_open(&mut fresh.store, &call.config)
            .await?;
        Ok((plugin, account.map_err(Stop::Said)?))
    }

    /// A market that names a plugin for what it is not is refused before it gets here.
    fn other_kind(&self) -> Stop {
        Stop::Said(format!("this plugin is of kind {}", self.kind()))
    }
}
