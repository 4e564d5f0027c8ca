//! A store with one instance of a plugin in it, under the bounds of one call at a time.

use std::{sync::Arc, time::Duration};

use gavel_market::model::CallLimits;
use wasmtime::{
    Engine, Store,
    component::{Instance, InstancePre, Resource, ResourceAny},
};

use crate::{
    answer::{Call, Called},
    bindings::{
        adapter::exports::gavel::buyer::adapter,
        filter::exports::gavel::buyer::{about, filter},
    },
    call::{Broken, Stop, explained, was_held_up},
    limits::{CROSSING_MAX_BYTES, HANDLES_MAX, REUSED_GROWN_SHARE},
    meter::{Meter, Watch},
    plugin::Kind,
    question::Question,
    state::{Lead, State},
};

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
    pub(crate) fn kind(&self) -> Kind {
        match self.world {
            World::Filter(_) => Kind::Filter,
            World::Adapter(_) => Kind::Adapter,
        }
    }
}

/// What a fault names while the plugin's functions are looked up by name and type.
pub(crate) const LOOK_UP: &str = "world";

/// An account opened in an instance.
pub(crate) enum Opened {
    Filter(filter::Guest, ResourceAny),
    Adapter(adapter::Guest, ResourceAny),
}

/// A store, and once it has served a call the instance and the account in it.
///
/// Whoever has one holds a place or keeps it among the reused: the pool has room for so many.
pub(crate) struct Live {
    store: Store<State>,
    /// The plugin's function that runs, for a fault to name.
    function: &'static str,
    opened: Option<Opened>,
    /// The configuration that the account was opened with.
    config: Option<Arc<str>>,
    calls: u32,
    /// Bytes of memory after the first call.
    memory_at_first: usize,
}

impl Live {
    /// A store under the bounds of `limits`, with nothing in it yet.
    pub(crate) fn new(engine: &Engine, limits: &CallLimits, watch: Watch) -> Self {
        let meter = Meter::new(limits.time, watch);
        let mut store = Store::new(engine, State::new(limits, meter));
        store.limiter(|state| state);
        store.set_hostcall_fuel(CROSSING_MAX_BYTES);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|store| Ok(store.data().meter.at_tick()));
        store.set_epoch_deadline(1);
        Self {
            store,
            function: "start",
            opened: None,
            config: None,
            calls: 0,
            memory_at_first: 0,
        }
    }

    /// Another call under bounds of its own: time, log and what it may copy begin anew.
    pub(crate) fn begin(&mut self, limits: &CallLimits, watch: Watch) {
        let meter = Meter::new(limits.time, watch);
        self.store.data_mut().begin(limits, meter);
        self.store.set_epoch_deadline(1);
    }

    /// An instance for the gate to ask what it is.
    pub(crate) async fn begin_plugin(&mut self, checked: &Checked) -> Result<about::Guest, Stop> {
        let meter = self.meter();
        let work = async {
            let instance = self.start(checked).await?;
            self.function = LOOK_UP;
            Ok(self.look_up(checked, &instance)?)
        };
        meter.count(work).await
    }

    /// Makes the instance; its start functions run in here, so they are bounded as the rest.
    async fn start(&mut self, checked: &Checked) -> Result<Instance, Stop> {
        Ok(checked.component.instantiate_async(&mut self.store).await?)
    }

    /// Looks up and type-checks all functions of the plugin's world: one of another type
    /// than its name promises is noticed only here.
    fn look_up(
        &mut self,
        checked: &Checked,
        instance: &Instance,
    ) -> wasmtime::Result<about::Guest> {
        match &checked.world {
            World::Filter(world) => world.load(&mut self.store, instance).map(drop),
            World::Adapter(world) => world.load(&mut self.store, instance).map(drop),
        }?;
        checked.about.load(&mut self.store, instance)
    }

    /// What counts this call's time.
    fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.store.data().meter)
    }

    /// Asks the plugin what it is.
    pub(crate) async fn describe(
        &mut self,
        about: &about::Guest,
    ) -> Result<about::Description, Stop> {
        self.function = "describe";
        let meter = self.meter();
        let said = async { Ok(about.call_describe(&mut self.store).await?) };
        meter.count(said).await
    }

    /// One call from beginning to end. The account is opened where it is not yet.
    pub(crate) async fn ask<Q: Question>(
        &mut self,
        checked: &Checked,
        call: &Call,
        question: &Q,
    ) -> Result<Q::Answer, Stop> {
        let meter = self.meter();
        let work = async {
            self.open(checked, &call.config).await?;
            self.put(call, question).await
        };
        let answer = meter.count(work).await?;
        self.calls = self.calls.saturating_add(1);
        if self.calls == 1 {
            self.memory_at_first = self.memory();
        }
        Ok(answer)
    }

    /// Makes the instance and opens the account, and no more.
    pub(crate) async fn only_open(&mut self, checked: &Checked, call: &Call) -> Result<(), Stop> {
        let meter = self.meter();
        meter.count(self.open(checked, &call.config)).await
    }

    async fn open(&mut self, checked: &Checked, config: &Arc<str>) -> Result<(), Stop> {
        if self.opened.is_some() {
            return Ok(());
        }
        let instance = self.start(checked).await?;
        let store = &mut self.store;
        self.opened = Some(match &checked.world {
            World::Filter(world) => {
                let plugin = world.load(&mut *store, &instance)?;
                self.function = "open";
                let account = plugin.account().call_open(store, config).await?;
                Opened::Filter(plugin, account.map_err(Stop::Said)?)
            }
            World::Adapter(world) => {
                let plugin = world.load(&mut *store, &instance)?;
                self.function = "open";
                let account = plugin.account().call_open(store, config).await?;
                Opened::Adapter(plugin, account.map_err(Stop::Said)?)
            }
        });
        self.config = Some(Arc::clone(config));
        Ok(())
    }

    /// Puts the question, with a lead that is there for as long as it takes.
    async fn put<Q: Question>(&mut self, call: &Call, question: &Q) -> Result<Q::Answer, Stop> {
        let Some(opened) = &self.opened else {
            return Err(Stop::Output("no account was opened".into()));
        };
        self.function = question.function();
        let lead = Lead {
            view: question.view(),
            order: call.order.clone(),
        };
        let lead = self
            .store
            .data_mut()
            .show(lead)
            .map_err(wasmtime::Error::from)?;
        // Lent rather than given: the store notes nothing of it that would outlive the call.
        let lent = Resource::new_borrow(lead.rep());
        let answer = question.put(&mut self.store, opened, lent).await?;
        self.store
            .data_mut()
            .hide(lead)
            .map_err(wasmtime::Error::from)?;
        Ok(answer)
    }

    /// The answer with what the host noted meanwhile.
    pub(crate) fn answered<T>(&mut self, value: T) -> Called<T> {
        let state = self.store.data_mut();
        let (log, lines_dropped) = state.take_log();
        Called {
            value,
            log,
            lines_dropped,
            fields_read: state.fields_read(),
            cpu: state.meter.used(),
            memory: state.memory(),
            stateful: None,
        }
    }

    /// The end without an answer: what is in the store is good for nothing more.
    pub(crate) fn stopped(&mut self, stop: &Stop) -> Broken {
        let function = self.function;
        let state = self.store.data_mut();
        let (kind, message) = explained(stop, state.refused.as_deref(), &state.meter);
        let (log, lines_dropped) = state.take_log();
        Broken {
            kind,
            function,
            message,
            log,
            lines_dropped,
        }
    }

    /// Whether it was not the plugin that took too long but a machine busy with others.
    pub(crate) fn was_held_up(&self, stop: &Stop) -> bool {
        was_held_up(stop, &self.store.data().meter)
    }

    /// Whether it was opened with this configuration.
    pub(crate) fn is_opened_with(&self, config: &Arc<str>) -> bool {
        let opened = self.config.as_ref();
        opened.is_some_and(|opened| Arc::ptr_eq(opened, config) || opened == config)
    }

    /// Whether it may serve another call under `limits`, of `calls_max` in all.
    pub(crate) fn may_go_on(&self, limits: &CallLimits, calls_max: u32) -> bool {
        let memory = self.memory();
        let has_grown =
            memory > self.memory_at_first && memory > limits.memory / REUSED_GROWN_SHARE;
        self.calls < calls_max && memory <= limits.memory && !has_grown
    }

    /// Bytes of all its memories together.
    pub(crate) fn memory(&self) -> usize {
        self.store.data().memory()
    }

    /// Processor time of the call so far.
    pub(crate) fn used(&self) -> Duration {
        self.store.data().meter.used()
    }
}
