//! What the host keeps for one call: its bounds, its log, the lead it shows.

use std::{mem, sync::Arc};

use gavel_market::{
    field::Value,
    model::{CallLimits, LeadType},
};
use wasmtime::{
    ResourceLimiter,
    component::{Resource, ResourceTable, ResourceTableError},
};

use crate::{
    bindings::filter::gavel::buyer::{leads, logging},
    fault::{LogLevel, LogLine},
    limits::{
        CORE_INSTANCES_MAX, HANDLES_MAX, LOG_KEPT_FOR_ERRORS_BYTES, LOG_LINE_BYTES, MEMORIES_MAX,
        MEMORY_MAX_BYTES, TABLE_ELEMENTS_MAX, TABLES_MAX,
    },
    meter::Meter,
    view::View,
    wasi::Wasi,
    words::clean,
};

/// What a store keeps: for one call, or for one after the other.
pub(crate) struct State {
    pub(crate) meter: Arc<Meter>,
    pub(crate) table: ResourceTable,
    pub(crate) log: Log,
    pub(crate) wasi: Wasi,
    /// The last growth that was refused, in words.
    pub(crate) refused: Option<String>,
    /// The type of the lead shown, and for each of its fields whether the plugin asked for it.
    shown: Option<(Arc<LeadType>, Vec<bool>)>,
    /// What all memories together may have, and what they have, in bytes.
    memory_max: usize,
    memory: usize,
}

impl State {
    pub(crate) fn new(limits: &CallLimits, meter: Arc<Meter>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            meter,
            table,
            log: Log::new(limits.log),
            wasi: Wasi::new(limits.log),
            refused: None,
            shown: None,
            memory_max: limits.memory.min(MEMORY_MAX_BYTES),
            memory: 0,
        }
    }

    /// The next call in the same store. Only what the plugin itself holds stays: its
    /// memories and its handles.
    pub(crate) fn begin(&mut self, limits: &CallLimits, meter: Arc<Meter>) {
        self.meter = meter;
        self.log = Log::new(limits.log);
        self.refused = None;
        self.shown = None;
        self.memory_max = limits.memory.min(MEMORY_MAX_BYTES);
    }

    /// Bytes of all memories together: as they never shrink, the most there ever were.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The log so far, which begins anew.
    pub(crate) fn take_log(&mut self) -> (Vec<LogLine>, u32) {
        self.wasi.flush(&mut self.log);
        let Log { lines, dropped, .. } = mem::replace(&mut self.log, Log::new(0));
        (lines, dropped)
    }

    /// A handle under which the plugin may read `lead`.
    pub(crate) fn show(&mut self, lead: Lead) -> Result<Resource<Lead>, ResourceTableError> {
        let received_at_ms = lead.view.transaction().received_at_ms;
        self.wasi.begin(received_at_ms, &lead.order);
        let lead_type = Arc::clone(lead.view.lead_type());
        let unread = vec![false; lead_type.fields.len()];
        self.shown = Some((lead_type, unread));
        self.table.push(lead)
    }

    /// Takes a lead out of reach: the handle, if the plugin kept it, stands for nothing.
    pub(crate) fn hide(&mut self, lead: Resource<Lead>) -> Result<(), ResourceTableError> {
        self.table.delete(lead).map(drop)
    }

    /// Names of the fields that the plugin asked for, in the lead type's order.
    pub(crate) fn fields_read(&self) -> Vec<String> {
        let Some((lead_type, read)) = &self.shown else {
            return Vec::new();
        };
        let read = lead_type.fields.iter().zip(read).filter(|(_, read)| **read);
        read.map(|(field, _)| field.name.to_string()).collect()
    }

    /// What the plugin's `lead` handle stands for.
    fn lead(&self, handle: &Resource<Lead>) -> wasmtime::Result<&Lead> {
        Ok(self.table.get(handle)?)
    }

    fn note_read(&mut self, at: usize) {
        if let Some(read) = self.shown.as_mut().and_then(|(_, read)| read.get_mut(at)) {
            *read = true;
        }
    }
}

/// A refused growth fails inside the plugin, as in any wasm host, and is remembered: if
/// the plugin then traps, that was why.
impl ResourceLimiter for State {
    /// What was granted counts from then on, even if the machine then fails to provide it.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The plugin's own bound, not the host's.
            return Ok(false);
        }
        let together = self.memory.saturating_add(desired.saturating_sub(current));
        let granted = together <= self.memory_max;
        if granted {
            self.memory = together;
        } else {
            self.refused = Some(format!(
                "asked for {together} bytes of memory; it may have {}",
                self.memory_max
            ));
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= TABLE_ELEMENTS_MAX;
        if !granted {
            self.refused = Some(format!(
                "asked for a table of {desired} elements; it may have {TABLE_ELEMENTS_MAX}"
            ));
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

/// What a plugin has logged in one call, bounded.
pub(crate) struct Log {
    pub(crate) lines: Vec<LogLine>,
    /// Lines there was no room for, whole or in part.
    pub(crate) dropped: u32,
    left: usize,
    /// Of `left`, what only an error may use.
    for_errors: usize,
}

impl Log {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            lines: Vec::new(),
            dropped: 0,
            left: bytes,
            for_errors: LOG_KEPT_FOR_ERRORS_BYTES.min(bytes / 2),
        }
    }

    /// Bytes that there is room for.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    pub(crate) fn add(&mut self, level: LogLevel, text: &str) {
        let kept_back = if level == LogLevel::Error {
            0
        } else {
            self.for_errors
        };
        let room = self.left.saturating_sub(kept_back);
        let Some(for_text) = room.checked_sub(LOG_LINE_BYTES).filter(|bytes| *bytes > 0) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        let text = clean(text, for_text);
        self.left = self.left.saturating_sub(LOG_LINE_BYTES + text.len());
        self.lines.push(LogLine { level, text });
    }
}

impl logging::Host for State {
    fn log(&mut self, level: logging::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error => LogLevel::Error,
        };
        // What was printed before stands before.
        self.wasi.flush_lines(&mut self.log);
        self.log.add(level, &message);
        Ok(())
    }
}

/// What stands behind a plugin's `lead` for the length of one call.
#[allow(unreachable_pub)] // the generated bindings re-export it
pub struct Lead {
    pub(crate) view: View,
    /// The order's id, a dot and a tag of the account.
    pub(crate) order: String,
}

impl leads::Host for State {}

impl leads::HostLead for State {
    fn stage(&mut self, lead: Resource<Lead>) -> wasmtime::Result<leads::Stage> {
        Ok(match self.lead(&lead)?.view {
            View::Ping(_) => leads::Stage::Ping,
            View::Post(_) => leads::Stage::Post,
        })
    }

    fn field(
        &mut self,
        lead: Resource<Lead>,
        name: String,
    ) -> wasmtime::Result<Option<leads::Value>> {
        let view = &self.lead(&lead)?.view;
        let Some((at, _)) = view.lead_type().field(&name) else {
            return Ok(None);
        };
        let value = view.value(at).map(lowered);
        self.note_read(at);
        Ok(value)
    }

    fn fields(&mut self, lead: Resource<Lead>) -> wasmtime::Result<Vec<(String, leads::Value)>> {
        let view = &self.lead(&lead)?.view;
        let fields = view.lead_type().fields.iter().enumerate();
        let shown = fields
            .filter_map(|(at, field)| Some((at, field.name.to_string(), lowered(view.value(at)?))));
        let (places, shown): (Vec<_>, Vec<_>) =
            shown.map(|(at, name, value)| (at, (name, value))).unzip();
        for at in places {
            self.note_read(at);
        }
        Ok(shown)
    }

    fn campaign(&mut self, lead: Resource<Lead>) -> wasmtime::Result<String> {
        Ok(self
            .lead(&lead)?
            .view
            .transaction()
            .campaign
            .as_str()
            .to_owned())
    }

    fn lead_type(&mut self, lead: Resource<Lead>) -> wasmtime::Result<String> {
        Ok(self.lead(&lead)?.view.lead_type().id.as_str().to_owned())
    }

    fn order(&mut self, lead: Resource<Lead>) -> wasmtime::Result<String> {
        Ok(self.lead(&lead)?.order.clone())
    }

    fn received_at(&mut self, lead: Resource<Lead>) -> wasmtime::Result<u64> {
        Ok(self.lead(&lead)?.view.transaction().received_at_ms)
    }

    fn currency(&mut self, lead: Resource<Lead>) -> wasmtime::Result<String> {
        Ok(self.lead(&lead)?.view.transaction().currency.clone())
    }

    fn sub_id(&mut self, lead: Resource<Lead>) -> wasmtime::Result<Option<String>> {
        Ok(self.lead(&lead)?.view.transaction().sub_id.clone())
    }

    fn is_test(&mut self, lead: Resource<Lead>) -> wasmtime::Result<bool> {
        Ok(self.lead(&lead)?.view.transaction().is_test)
    }

    /// A plugin only ever borrows its lead, so there is none to drop.
    fn drop(&mut self, _: Resource<Lead>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// A field's value as the interface has it.
fn lowered(value: &Value) -> leads::Value {
    match value {
        Value::Text(text) => leads::Value::Text(text.as_ref().to_owned()),
        Value::Integer(number) => leads::Value::Integer(*number),
        Value::Decimal(_) => leads::Value::Decimal(value.to_text()),
        Value::Flag(flag) => leads::Value::Flag(*flag),
        Value::Date(_) => leads::Value::Date(value.to_text()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::meter::Watch;

    fn state(memory: usize) -> State {
        let limits = CallLimits {
            memory,
            ..CallLimits::default()
        };
        State::new(&limits, Meter::new(Duration::from_millis(1), Watch::Timer))
    }

    #[test]
    fn the_bound_is_on_all_memories_together() {
        let mut state = state(1000);
        assert!(state.memory_growing(0, 600, None).unwrap());
        assert!(!state.memory_growing(0, 600, None).unwrap());
        assert!(state.refused.as_deref().unwrap().contains("1200"));
        assert!(state.memory_growing(0, 100, None).unwrap());
        assert!(state.memory_growing(100, 400, None).unwrap());
        assert_eq!(state.memory(), 1000);
        assert!(!state.memory_growing(600, 601, None).unwrap());
    }

    #[test]
    fn a_plugin_s_own_bound_is_not_the_host_s_refusal() {
        let mut state = state(1000);
        assert!(!state.memory_growing(0, 600, Some(500)).unwrap());
        assert_eq!((state.memory(), state.refused), (0, None));
    }
}
