//! The sandbox: turns bytes into something that can be asked `qualify`, `ping`, `post`.
//!
//! The only crate that knows wasmtime. It knows no HTTP: an adapter says what to send and
//! somebody else sends it. It knows no accounts, orders or outcomes either: it is given
//! what to show and says what came back, or which [`Fault`] there was.
//!
//! What a plugin may do is what this crate gives it: a [`PingView`] or a [`PostView`] of
//! one lead, and a log; behind whatever its toolchain imports besides is nothing. A call is bounded in processor time, memory and everything it
//! can make the host copy or keep; all bounds stand in [`limits`]. Whatever it does
//! costs that call and nothing else.
//!
//! # Map, in the order in which a plugin and then a request meet it
//!
//! | module | holds |
//! |---|---|
//! | [`limits`] | every bound, with unit and reason |
//! | `sandbox` | [`Sandbox`]: the engine with its pool and clock; loading |
//! | `engine` | wasmtime's settings, each with its reason; the epoch clock |
//! | `gate` | from bytes to a component of a known world, or a [`GateError`] |
//! | `schema` | [`About`]: what a plugin says of itself; checking configurations |
//! | `report` | [`GateReport`]: what the gate found, step by step |
//! | `plugin` | [`Plugin`]: what it can be asked |
//! | `question` | each of the questions, as a type |
//! | `instance` | one instance under the bounds of one call at a time |
//! | `reused` | instances kept from one call to the next |
//! | `sealed` | compiled code that this host keeps and knows again |
//! | `call` | a place for a call, and its end without an answer |
//! | `meter` | the processor time of a call that moves between threads |
//! | `state` | what the host keeps for a call: memory bounds, log, the lead shown |
//! | `wasi` | the empty world of WASI 0.2, for plugins whose toolchain imports it |
//! | `view` | what a plugin is shown at a ping and at a post, as two types |
//! | `bindings` | the interface of `wit/buyer.wit` |
//! | `translate`, `request` | the interface's types from and to our own, checked |
//! | `answer`, `fault`, `error` | what comes out |
//! | `words` | text from plugins made fit for logs and records |
//! | `fuzzing` | what `examples/fuzz` reaches past the plugins |

mod answer;
mod bindings;
mod call;
mod engine;
mod error;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod instance;
pub mod limits;
mod meter;
mod plugin;
mod question;
mod report;
mod request;
mod reused;
mod sandbox;
mod schema;
mod sealed;
mod state;
mod translate;
mod view;
mod wasi;
mod words;

#[cfg(test)]
mod tests;

pub use answer::{Amount, Call, Called, PingStep, PostStep, Request, Response, Verdict, Won};
pub use error::{ConfigRefused, GateError, SandboxError};
pub use fault::{Fault, FaultKind, LogLevel, LogLine};
pub use limits::SandboxSettings;
pub use plugin::{Kind, Plugin};
pub use report::{GateReport, GateStep, Gated};
pub use sandbox::Sandbox;
pub use schema::About;
pub use sealed::NotSealed;
pub use view::{PingView, PostView, Transaction};
