//! A panic's message reaches the operator before the guest traps.

use std::{panic::PanicHookInfo, sync::Once};

use crate::log::{Level, log};

/// Sets the hook, once for the instance. Every export calls it first.
pub(crate) fn install() {
    // Native tests keep their own hook, which prints where the test runner expects it.
    if cfg!(target_family = "wasm") {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| std::panic::set_hook(Box::new(report)));
    }
}

/// Logs the message with its source line; the abort that follows is a trap without words.
fn report(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("no message");
    let text = match info.location() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    };
    log(Level::Error, &text);
}
