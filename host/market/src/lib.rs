//! The market: leads, money, rules, eligibility, auction and order states.
//!
//! Pure. No input or output, no async, no clock and no randomness: time and random
//! values come in as arguments, so every rule of the exchange can be read and tested
//! here without a server. This crate knows neither tokio nor wasmtime nor sled.
//!
//! # Map, in the order in which a request meets it
//!
//! | module | holds |
//! |---|---|
//! | [`ids`] | names and identifiers |
//! | [`money`] | exact amounts and their two roundings |
//! | [`field`] | field types, and how a value is normalised |
//! | [`lead`] | [`lead::PingLead`] and [`lead::FullLead`]: what may be shown when |
//! | [`personal`] | what looks like personal data |
//! | [`model`] | one market at one revision, as types that cannot be wrong |
//! | [`file`] | the market file: read, checked whole, every error at once |
//! | [`criteria`] | conditions on fields, three-valued |
//! | [`eligibility`] | which accounts may be asked for a lead, by index |
//! | [`auction`] | rank, select, require; cost models |
//! | [`duplicates`] | by what a lead is known again |
//! | [`room`] | caps, budgets and what was counted against them |
//! | [`schedule`] | when an account buys |
//! | [`breaker`] | when an account that fails is left alone |
//! | [`order`] | an order from quote to settlement, and which delivery comes next |
//! | [`ledger`] | what a lead costs and earns |
//! | [`record`] | what is kept of a ping, to explain and repeat it |
//! | [`report`] | what is summed up of pings and of the ledger, and how it is grouped |
//! | [`reason`] | every code that Gavel answers with |
//! | [`contract`], [`example`] | what a supplier may know of a campaign, and a lead that it would take |

pub mod auction;
pub mod breaker;
pub mod contract;
pub mod criteria;
pub mod duplicates;
pub mod eligibility;
pub mod example;
pub mod field;
pub mod file;
pub mod ids;
pub mod lead;
pub mod ledger;
pub mod model;
pub mod money;
pub mod order;
pub mod personal;
pub mod reason;
pub mod record;
pub mod report;
pub mod room;
pub mod schedule;
