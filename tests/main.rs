//! Gavel from outside: the real binary, real sockets, real files, `kill -9`.
//!
//! Each module is a group of promises; each test is one of them and reads as a claim. Every
//! test has a host, ports and a folder of its own; nothing leaves loopback, every load is
//! bounded, and what can be awaited is awaited.
//!
//! | module | shows |
//! |---|---|
//! | `selling` | a lead sold end to end, and what is kept of it |
//! | `deadlines` | one slow buyer slows nobody |
//! | `room` | caps, budgets and turns |
//! | `gates` | rate limits, groups, schedules, accounts that fail |
//! | `test_pings` | pings that are tests |
//! | `repeats` | the same ping or post again |
//! | `returns` | deliveries given back, and a ledger that is only added to |
//! | `usage` | what was taken of caps and budgets |
//! | `audit` | who changed what |
//! | `events` | what happens, as it happens |
//! | `unconfirmed` | deliveries of which nobody knows the end, and settling them |
//! | `duplicates` | the same consumer again, under other orders |
//! | `direct` | direct posts |
//! | `shared` | several buyers for one lead, and who is asked just before |
//! | `test_leads` | tests, which touch nothing real |
//! | `erasure` | leads erased on request; deliveries tried again by hand |
//! | `crashes` | `kill -9` under load, again and again |
//! | `secrecy` | where personal data and secrets are, and are not |
//! | `tokens` | tokens that the host fetches for buyers that want one |
//! | `changes` | a market applied under load; refused markets and plugins |
//! | `versions` | plugins uploaded, swapped under load, rolled back, revoked |
//! | `trials` | shadows, canaries that roll themselves back, replays |
//! | `bad_input` | what a client may send and get away with: nothing |
//! | `reports` | sums that agree with answers, records and the ledger |
//! | `instructions` | posting instructions, every example in them, and answers as XML |
//! | `schemathesis` | both APIs' documents, and requests made from them at random |
//! | `commands` | the command line, and `gavel demo` |
//! | `languages` | filters in JavaScript and Python |
//! | `guide` | the guide for authors, followed to the letter |
//! | `plugin_tools` | `gavel plugin …`: what an author does with a file, and with a host |
//! | `model` | the rules as a plain reference, held against the host over random markets |
//! | `caps` | ten thousand posts at once against a cap of a hundred |
//! | `agreement` | ledgers, reports, usage and answers agree to the cent |
//! | `keeping` | how long things are kept, and how long a supplier waits |
//! | `every_key` | a test for every key of the example market |

// A test stops at the first surprise, and may say what it saw.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod agreement;
mod audit;
mod bad_input;
mod caps;
mod changes;
mod commands;
mod crashes;
mod deadlines;
mod direct;
mod duplicates;
mod erasure;
mod events;
mod every_key;
mod gates;
mod guide;
mod harness;
mod instructions;
mod keeping;
mod languages;
// A slow and plain reference, written down rather than built.
#[allow(
    clippy::needless_for_each,
    clippy::needless_range_loop,
    clippy::struct_excessive_bools,
    clippy::too_many_lines,
    clippy::type_complexity,
    clippy::unused_self,
    clippy::wrong_self_convention
)]
mod model;
mod plugin_tools;
mod repeats;
mod reports;
mod returns;
mod room;
mod schemathesis;
mod secrecy;
mod selling;
mod shared;
mod test_leads;
mod test_pings;
mod tokens;
mod trials;
mod unconfirmed;
mod usage;
mod versions;
