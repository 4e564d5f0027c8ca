//! An example market for solar leads: the market file, its mock buyers and its suppliers.
//!
//! `gavel demo` runs it, and so do the black-box tests: buyers and suppliers here are on
//! the far side of HTTP, as real ones would be. This crate therefore knows nothing of the
//! host but its file formats and its supplier API.
//!
//! # Layout, in the order in which a lead meets it
//!
//! - [`supplier`]: makes leads, pings and posts them.
//! - [`market`]: what the host is told of suppliers, campaigns, buyers and accounts.
//! - [`buyers`]: bid, take leads, and misbehave as they are told.
//!
//! The example `solar-buyers` runs the buyers on the ports that `market.toml` names, for who
//! tries the market by hand.

pub mod buyers;
pub mod market;
pub mod supplier;
