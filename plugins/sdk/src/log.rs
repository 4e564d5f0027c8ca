//! What a plugin tells its engineer. The host bounds the bytes kept of one call.
//!
//! ```
//! gavel_sdk::info!("asked for {} panels", 12);
//! ```
//!
//! At a post what is logged is kept only under the lead's own key; still, the engineer needs
//! the step and the decision, seldom the consumer's data.

pub use crate::bindings::imported::logging::Level;

/// Logs one line.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::imported::logging::log(level, message);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::keep_log(level, message);
}

/// Logs a line of use only while the plugin is being written.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::log::log($crate::log::Level::Debug, &::std::format!($($message)*)) };
}

/// Logs a line about the ordinary course of a call.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log::log($crate::log::Level::Info, &::std::format!($($message)*)) };
}

/// Logs a line about something odd that the call could live with.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log::log($crate::log::Level::Warn, &::std::format!($($message)*)) };
}

/// Logs a line about what made the call fail.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log::log($crate::log::Level::Error, &::std::format!($($message)*)) };
}
