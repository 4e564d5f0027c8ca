//! A place for a call, and the ways in which it ends without an answer.

use std::{fmt::Write as _, time::Duration};

use gavel_market::ids::{AccountId, Digest, PluginName};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::{
    fault::{Fault, FaultKind, LogLine},
    limits::{MESSAGE_MAX_BYTES, SandboxSettings},
    meter::Meter,
    words::{clean, words},
};

/// Why work in an instance ended without an answer.
pub(crate) enum Stop {
    /// wasmtime ended it.
    Wasm(wasmtime::Error),
    /// The plugin returned an error.
    Said(String),
    /// The plugin returned something that it may not.
    Output(String),
    /// It waited for so long inside a host function.
    Waited(Duration),
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasm(error)
    }
}

/// A [`Fault`] that does not know yet whose it is.
pub(crate) struct Broken {
    pub(crate) kind: FaultKind,
    pub(crate) function: &'static str,
    pub(crate) message: String,
    pub(crate) log: Vec<LogLine>,
    pub(crate) lines_dropped: u32,
}

impl Broken {
    /// No place was free: there was not even a store.
    pub(crate) fn overloaded() -> Self {
        let message = "the host had no instance free".into();
        Self {
            kind: FaultKind::Overloaded,
            function: "start",
            message,
            log: Vec::new(),
            lines_dropped: 0,
        }
    }

    pub(crate) fn of(self, account: &AccountId, plugin: &PluginName, digest: Digest) -> Fault {
        let Self {
            kind,
            function,
            message,
            log,
            lines_dropped,
        } = self;
        Fault {
            kind,
            account: account.clone(),
            plugin: plugin.clone(),
            digest,
            function,
            message,
            log,
            lines_dropped,
        }
    }

    /// Why a configuration is not taken: the plugin's own words where it has some.
    pub(crate) fn refusal(&self) -> String {
        if self.kind == FaultKind::Error {
            self.message.clone()
        } else {
            self.in_words()
        }
    }

    /// Message and log in one text. Only where no lead was shown.
    pub(crate) fn in_words(&self) -> String {
        let mut text = format!(
            "{} in {}: {}",
            self.kind.outcome(),
            self.function,
            self.message
        );
        for line in &self.log {
            // Writing to a string cannot fail.
            let _ = write!(text, "; log, {}: {}", line.level.word(), line.text);
        }
        text
    }
}

/// Room for a number of calls at once.
pub(crate) struct Room {
    permits: Semaphore,
    settings: SandboxSettings,
}

impl Room {
    pub(crate) fn new(settings: SandboxSettings) -> Self {
        Self {
            permits: Semaphore::new(settings.concurrent_calls as usize),
            settings,
        }
    }

    /// A place, now or soon; `None` if the host is too busy.
    pub(crate) async fn soon(&self) -> Option<SemaphorePermit<'_>> {
        // Nearly always there is one, and no timer is needed.
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        tokio::time::timeout(self.settings.wait_for_instance, self.permits.acquire())
            .await
            .ok()?
            .ok()
    }

    /// A place, however long it takes: for the gate, which nobody waits for.
    pub(crate) async fn whenever(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }
}

/// Whether a call ended for the time that it held a thread, and not for what it computed.
pub(crate) fn was_held_up(stop: &Stop, meter: &Meter) -> bool {
    let interrupted = |error: &wasmtime::Error| error.downcast_ref() == Some(&Trap::Interrupt);
    matches!(stop, Stop::Wasm(error) if interrupted(error)) && meter.used() < meter.limit()
}

/// Which kind of fault it is, and what happened in words.
pub(crate) fn explained(stop: &Stop, refused: Option<&str>, meter: &Meter) -> (FaultKind, String) {
    match stop {
        Stop::Said(said) => (FaultKind::Error, words(said)),
        Stop::Output(wrong) => (FaultKind::Output, clean(wrong, MESSAGE_MAX_BYTES)),
        Stop::Waited(waited) => (
            FaultKind::Time,
            format!(
                "waited for {waited:?} inside host functions; it may wait for {:?}",
                meter.wall_limit()
            ),
        ),
        Stop::Wasm(error) => {
            let kind = kind_of(error, refused.is_some());
            let mut message = match kind {
                FaultKind::Time if meter.used() < meter.limit() => format!(
                    "held a thread for {:?} on a busy machine, {:?} of it computing; it may hold one for {:?}",
                    meter.held(),
                    meter.used(),
                    meter.wall_limit()
                ),
                FaultKind::Time => format!(
                    "used {:?} of processor time; it may use {:?}",
                    meter.used(),
                    meter.limit()
                ),
                FaultKind::Memory => format!(
                    "{}; then: {}",
                    refused.unwrap_or_default(),
                    error.root_cause()
                ),
                _ => error.root_cause().to_string(),
            };
            if let Some(frames) = error.downcast_ref::<WasmBacktrace>() {
                let _ = write!(message, "; {frames}");
            }
            (kind, clean(&message, MESSAGE_MAX_BYTES))
        }
    }
}

/// A trap is one that wasmtime names, or any error raised while the plugin's code ran:
/// those have its frames. What fails after it returned was in the value returned.
fn kind_of(error: &wasmtime::Error, refused: bool) -> FaultKind {
    let trap = error.downcast_ref::<Trap>();
    let in_plugin = trap.is_some() || error.is::<WasmBacktrace>();
    if error.is::<PoolConcurrencyLimitError>() {
        FaultKind::Overloaded
    } else if trap == Some(&Trap::Interrupt) {
        FaultKind::Time
    } else if refused {
        FaultKind::Memory
    } else if in_plugin {
        FaultKind::Trap
    } else {
        FaultKind::Output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Watch;

    #[test]
    fn a_machine_that_is_busy_is_told_from_a_plugin_that_computes() {
        let interrupted = || Stop::Wasm(Trap::Interrupt.into());
        let spare = Meter::new(Duration::from_secs(1), Watch::Caller);
        let spent = Meter::new(Duration::ZERO, Watch::Caller);
        assert!(was_held_up(&interrupted(), &spare));
        assert!(!was_held_up(&interrupted(), &spent));
        let trapped = Stop::Wasm(Trap::UnreachableCodeReached.into());
        assert!(!was_held_up(&trapped, &spare));
        assert!(!was_held_up(&Stop::Said("no".into()), &spare));
    }
}
