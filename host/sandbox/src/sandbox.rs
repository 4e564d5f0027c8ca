//! The sandbox: one engine, one pool, one clock.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use gavel_market::{
    ids::{Digest, PluginName},
    model::CallLimits,
};
use wasmtime::{
    Engine,
    component::{Component, HasSelf, Linker},
};

use crate::{
    bindings::filter::gavel::buyer::{leads, logging},
    call::{Broken, Room, Stop},
    error::{GateError, SandboxError},
    fault::FaultKind,
    gate::{self, Names},
    instance::{LOOK_UP, Live},
    limits::{BUSY_TRIES, GATE_WATCH, SandboxSettings},
    meter::Watch,
    plugin::Plugin,
    report::{GateReport, Gated},
    reused::Reused,
    schema,
    sealed::Sealer,
    state::State,
    wasi,
};

/// Turns bytes into plugins, and gives their calls instances.
///
/// Cheap to clone. Its clock ends by itself once the last clone and the last plugin are gone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    room: Room,
    sealer: Sealer,
    reused: Reused,
    max_plugin_bytes: usize,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sandbox")
    }
}

impl Sandbox {
    /// A sandbox with an engine, a pool and a clock of its own. One for a process will do.
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        Self::start(settings.sane())
    }

    /// A sandbox with settings that have been looked at.
    pub(crate) fn start(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let engine = crate::engine::start(&settings)?;
        let linker = linker(&engine).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let sealer = Sealer::new(&engine, settings.code_key.as_ref());
        let reused = Reused::new(&settings);
        let max_plugin_bytes = settings.max_plugin_bytes;
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            room: Room::new(settings),
            sealer,
            reused,
            max_plugin_bytes,
        })))
    }

    /// The gate (`rules.md`, Plugins), as far as it needs no recorded cases, step by step.
    ///
    /// Takes a processor for up to seconds and hundreds of megabytes where the plugin is
    /// large: call it from a blocking thread, one at a time. `limits` bound the plugin's
    /// own code here as in a call.
    pub fn gate(&self, name: &PluginName, bytes: &[u8], limits: CallLimits) -> Gated {
        let mut report = GateReport::new(bytes.len());
        let plugin = self.through(&mut report, name, bytes, limits);
        Gated { report, plugin }
    }

    /// The [`gate`](Self::gate)'s outcome without its report.
    pub fn load(
        &self,
        name: &PluginName,
        bytes: &[u8],
        limits: CallLimits,
    ) -> Result<Plugin, GateError> {
        self.gate(name, bytes, limits).plugin
    }

    fn through(
        &self,
        report: &mut GateReport,
        name: &PluginName,
        bytes: &[u8],
        limits: CallLimits,
    ) -> Result<Plugin, GateError> {
        let max = self.0.max_plugin_bytes;
        report.step("size", |_| {
            let bytes = bytes.len();
            if bytes > max {
                return Err(GateError::TooLarge { bytes, max });
            }
            Ok(((), format!("{bytes} bytes of {max}")))
        })?;
        let form = report.step("form", |_| {
            let form = gate::form(bytes)?;
            Ok((form, form.to_string()))
        })?;
        let component = report.step("compile", |report| {
            let component = gate::compile(&self.0.engine, form, bytes)?;
            let compiled = gate::code_bytes(&component);
            report.compiled_bytes = Some(compiled);
            Ok((component, format!("{compiled} bytes of code")))
        })?;
        self.enter(report, (name, Digest::of(bytes), limits), &component)
    }

    /// The gate's steps for what is compiled: its world, its start, its description.
    pub(crate) fn enter(
        &self,
        report: &mut GateReport,
        (name, digest, limits): (&PluginName, Digest, CallLimits),
        component: &Component,
    ) -> Result<Plugin, GateError> {
        let checked = report.step("world", |report| {
            let names = Names::of(&self.0.engine, component);
            let checked = gate::check_world(&self.0.linker, component, &names);
            (report.imports, report.exports) = (names.imports, names.exports);
            let checked = checked?;
            let found = format!("{} of gavel:buyer {}", checked.kind(), gate::VERSION);
            Ok((checked, found))
        })?;
        let place = block_on(self.0.room.whenever());
        let mut live = Live::new(&self.0.engine, &limits, Watch::Caller);
        let about = report.step("start", |_| {
            if place.is_none() {
                let why = "the sandbox is shutting down".into();
                return Err(GateError::NotInstantiable(why));
            }
            gate::check_size(component)?;
            let started = self.asked(&limits, &mut live, |live| {
                block_on(live.begin_plugin(&checked))
            });
            let about = started.map_err(|stop| refused_start(&live.stopped(&stop), name))?;
            let found = format!(
                "{} bytes of memory of {}, {:?} of processor time of {:?}",
                live.memory(),
                limits.memory,
                live.used(),
                limits.time
            );
            Ok((about, found))
        })?;
        let about = report.step("describe", |_| {
            let mut about = Some(about);
            let said = self.asked(&limits, &mut live, |live| {
                let about = match about.take() {
                    Some(about) => about,
                    None => block_on(live.begin_plugin(&checked))?,
                };
                live.begin(&limits, Watch::Caller);
                block_on(live.describe(&about))
            });
            let said = said.map_err(|stop| {
                let broken = live.stopped(&stop);
                GateError::BadDescribe(how_to_raise(broken.kind, name, broken.in_words()))
            })?;
            let about = schema::read(said).map_err(GateError::BadDescribe)?;
            let found = format!("{} {}", about.0.name, about.0.version);
            Ok((about, found))
        })?;
        Ok(Plugin::new(self, (name, digest, limits), checked, about))
    }

    /// Asks a plugin at the gate, again in a new instance where a busy machine held it up.
    fn asked<T>(
        &self,
        limits: &CallLimits,
        live: &mut Live,
        mut ask: impl FnMut(&mut Live) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        for _ in 1..BUSY_TRIES {
            match ask(live) {
                Err(stop) if live.was_held_up(&stop) => {
                    *live = Live::new(&self.0.engine, limits, Watch::Caller);
                }
                asked => return asked,
            }
        }
        ask(live)
    }

    /// The largest upload that the gate takes, in bytes.
    pub fn max_plugin_bytes(&self) -> usize {
        self.0.max_plugin_bytes
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    pub(crate) fn reused(&self) -> &Reused {
        &self.0.reused
    }
}

/// What a plugin is offered: its lead, a log, and an empty world where its toolchain wants one.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    leads::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    logging::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// Why a plugin that does not start is refused.
fn refused_start(broken: &Broken, name: &PluginName) -> GateError {
    if broken.function == LOOK_UP {
        return GateError::WrongWorld(format!(
            "has a function of another type than the published interface has, as if built from a changed copy of \
             it: {}",
            broken.message
        ));
    }
    GateError::NotInstantiable(how_to_raise(broken.kind, name, broken.in_words()))
}

/// What went wrong, and where it was one of the operator's own bounds, how to raise that.
fn how_to_raise(kind: FaultKind, name: &PluginName, words: String) -> String {
    let limit = match kind {
        FaultKind::Memory => "memory",
        FaultKind::Time => "time",
        _ => return words,
    };
    format!("{words}; if it is to have more, raise `limits.{limit}` of [plugins.{name}]")
}

/// Runs a future to its end on this thread.
///
/// The gate may be called from any thread, one of an executor's too, where the
/// executor's own way of blocking would panic.
fn block_on<F: Future>(work: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            // It wakes itself where it can go on; where it waits, its meter wants to know
            // for how long.
            Poll::Pending => thread::park_timeout(GATE_WATCH),
        }
    }
}
