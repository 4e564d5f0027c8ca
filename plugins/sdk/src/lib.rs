//! Write a buyer's logic for Gavel: implement one trait, name it in one macro.
//!
//! ```
//! use gavel_sdk::{About, Filter, Lead, Verdict, export_filter};
//! use serde::Deserialize;
//!
//! struct OwnersOnly { min_bill: i64 }
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config { min_bill: i64 }
//!
//! impl Filter for OwnersOnly {
//!     const ABOUT: About = About {
//!         name: "owners-only",
//!         version: "1.0.0",
//!         summary: "Wants home owners with a certain electricity bill.",
//!         config_schema: r#"{
//!             "type": "object",
//!             "properties": {"min_bill": {"type": "integer", "description": "USD a month"}},
//!             "required": ["min_bill"],
//!             "additionalProperties": false,
//!             "x-codes": ["no_owner", "low_bill"]
//!         }"#,
//!         needs: &["homeowner", "bill"],
//!     };
//!     type Config = Config;
//!
//!     fn open(config: Config) -> Result<Self, String> {
//!         Ok(Self { min_bill: config.min_bill })
//!     }
//!
//!     fn qualify(&self, lead: &Lead<'_>) -> Result<Verdict, String> {
//!         if lead.flag("homeowner") == Some(false) {
//!             return Ok(Verdict::refused("no_owner", "the consumer rents"));
//!         }
//!         if lead.integer("bill").is_some_and(|bill| bill < self.min_bill) {
//!             return Ok(Verdict::refused("low_bill", "the bill is too low"));
//!         }
//!         Ok(Verdict::Qualified)
//!     }
//! }
//!
//! export_filter!(OwnersOnly);
//! ```
//!
//! That file, a `Cargo.toml` with `crate-type = ["cdylib", "rlib"]` and a `build.rs` of five lines
//! are a plugin; `gavel plugin new` writes all three.
//! `cargo build --release --target wasm32-unknown-unknown` leaves a core module that
//! the host takes as it is.
//!
//! # What a plugin can count on
//!
//! A call is a function of its arguments. There is no network, no file, no environment and
//! no randomness, and [`Lead::received_at_ms`] is the only clock; nothing is left over from the
//! lead before, and where an operator has chosen reused instances, an answer that depends on what
//! is left over is a fault. Return an
//! `Err` for what a person has to look at; a panic's message and line reach the operator
//! too. Code that merely decides belongs in `Ok`.
//!
//! # Tests without a host
//!
//! The same crate compiles natively, where [`testing::TestLead`] stands in for the host's
//! lead and [`testing::take_logs`] gives back what was logged.
//!
//! # Layout, in the order in which a call meets it
//!
//! - [`About`]: what the plugin says of itself.
//! - `memory` and `panics`: the allocator and the panic hook that every guest gets.
//! - [`config`]: the account's configuration, from JSON into the plugin's own type.
//! - [`Lead`] and [`Value`]: what may be known of the lead.
//! - [`Filter`] and [`Adapter`]: what to implement, and [`export_filter!`],
//!   [`export_adapter!`] to make it a plugin.
//! - [`log`] with [`debug!`], [`info!`], [`warn!`], [`error!`]: what the engineer gets to see.
//! - [`bindings`]: what `wit/buyer.wit` generates; the macros need it, plugins do not.

mod about;
mod adapter;
pub mod bindings;
pub mod config;
mod filter;
mod lead;
pub mod log;
#[cfg(target_family = "wasm")]
mod memory;
mod panics;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use about::About;
pub use adapter::{
    Acceptance, Adapter, AdapterPlugin, Header, Offer, OpenAdapter, PingStep, PostStep, Rejection,
    Request, Response,
};
pub use filter::{Filter, FilterPlugin, OpenFilter, Refusal, Verdict};
pub use lead::{Lead, Stage, Value};
