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
//! | `repeats` | the same ping or post again |
//! | `unconfirmed` | deliveries of which nobody knows the end, and settling them |
//! | `crashes` | `kill -9` under load, again and again |
//! | `secrecy` | where personal data and secrets are, and are not |
//! | `tokens` | tokens that the host fetches for buyers that want one |
//! | `changes` | a market applied under load; refused markets and plugins |
//! | `versions` | plugins uploaded, swapped under load, rolled back, revoked |
//! | `trials` | shadows, canaries that roll themselves back, replays |
//! | `bad_input` | what a client may send and get away with: nothing |
//! | `commands` | the command line, and `gavel demo` |
//! | `languages` | filters in JavaScript and Python |
//! | `guide` | the guide for authors, followed to the letter |
//! | `plugin_tools` | `gavel plugin …`: what an author does with a file, and with a host |

// A test stops at the first surprise, and may say what it saw.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bad_input;
mod changes;
mod commands;
mod crashes;
mod deadlines;
mod guide;
mod harness;
mod languages;
mod plugin_tools;
mod repeats;
mod secrecy;
mod selling;
mod tokens;
mod trials;
mod unconfirmed;
mod versions;
