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
    component::{HasSelf, Linker},
};

use crate::{
    bindings::filter::gavel::buyer::{leads, logging},
    call::{Fresh, Room},
    error::{GateError, SandboxError},
    gate,
    limits::SandboxSettings,
    plugin::{Checked, Plugin},
    schema,
    state::State,
};

/// Turns bytes into plugins, and gives each of their calls a fresh instance.
///
/// Cheap to clone. Its clock ends by itself once the last clone and the last plugin are gone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    room: Room,
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
        let max_plugin_bytes = settings.max_plugin_bytes;
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            room: Room::new(settings),
            max_plugin_bytes,
        })))
    }

    /// The gate (`rules.md`, Plugins), as far as it needs no recorded cases.
    ///
    /// Takes a processor for up to seconds and hundreds of megabytes where the plugin is
    /// large: call it from a blocking thread, one at a time. `limits` bound the plugin's
    /// own code here as in a call.
    pub fn load(
        &self,
        name: &PluginName,
        bytes: &[u8],
        limits: CallLimits,
    ) -> Result<Plugin, GateError> {
        if bytes.len() > self.0.max_plugin_bytes {
            return Err(GateError::TooLarge {
                bytes: bytes.len(),
                max: self.0.max_plugin_bytes,
            });
        }
        let component = gate::compile(&self.0.engine, bytes)?;
        let checked = gate::check_world(&self.0.linker, &component)?;
        let about = block_on(self.describe(&checked, limits))?;
        let about = schema::read(about).map_err(GateError::BadDescribe)?;
        Ok(Plugin::new(
            self,
            (name, Digest::of(bytes), limits),
            checked,
            about,
        ))
    }

    /// Starts the plugin once and asks what it is.
    async fn describe(
        &self,
        checked: &Checked,
        limits: CallLimits,
    ) -> Result<schema::Description, GateError> {
        let permit = self.0.room.whenever().await;
        let permit = permit
            .ok_or_else(|| GateError::NotInstantiable("the sandbox is shutting down".into()))?;
        let mut fresh = Fresh::new(&self.0.engine, &limits, permit);
        let meter = fresh.meter();
        let work = async {
            let instance = fresh.instantiate(&checked.component).await?;
            // A function of another type than its name promises is noticed only here.
            checked.load(&mut fresh.store, &instance)?;
            let about = checked.about.load(&mut fresh.store, &instance)?;
            fresh.function = "describe";
            Ok(about.call_describe(&mut fresh.store).await?)
        };
        let result = meter.count(work).await;
        fresh
            .end(result)
            .map(|called| called.value)
            .map_err(|broken| match broken.function {
                "describe" => GateError::BadDescribe(broken.in_words()),
                _ => GateError::NotInstantiable(broken.in_words()),
            })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }
}

/// What a plugin is offered: its lead and a log, and nothing else in the world.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    leads::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    logging::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
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
            Poll::Pending => thread::park(),
        }
    }
}
