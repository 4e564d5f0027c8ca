//! Gavel: the command line, HTTP for suppliers and operators, start-up and shutdown.
//!
//! This crate decodes and encodes, authenticates, and starts things. No rule of the market
//! is here: those are in `gavel-market`, and what happens to a lead in `gavel-exchange`.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`config`], [`logging`] | what the host is told, and what it tells |
//! | [`serve`] | the host, from its start to its end |
//! | [`open_files`] | how many connections the system lets it have |
//! | [`start_market`] | the market file at a start |
//! | [`http`] | connections, bodies, problems: what both APIs share |
//! | [`supplier`] | the supplier API |
//! | [`instructions`] | how to use it, for one campaign: a page, and OpenAPI |
//! | [`admin`] | the admin API, and whether the host is well |
//! | [`market_file`] | a market file with the plugins beside it |
//! | [`demo`] | a whole example market on this machine |
//! | [`plugin`] | `gavel plugin …`: plugins written, tried, uploaded and swapped |
//! | [`check`], [`apply`], [`explain`], [`key`] | the other commands |
//! | [`client`] | the admin API's other end |
//! | [`out`], [`told`] | standard output, how a command fails, answers as lines |

mod admin;
mod apply;
mod check;
mod cli;
mod client;
mod config;
mod demo;
mod explain;
mod http;
mod instructions;
mod key;
mod logging;
mod market_file;
mod open_files;
mod out;
mod plugin;
mod serve;
mod start_market;
mod supplier;
mod told;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

// What is kept is copied and dropped page by page, and by many threads at once: glibc's allocator
// spends a fifth of the host's time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Wrong usage ends here, with status 2.
    let command = Cli::read().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return out::fail(&format!("the runtime does not start: {error}")),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(&args).await,
            Command::Serve(args) => serve::run(&args).await,
            Command::Check(args) => check::run(&args).await,
            Command::Apply(args) => apply::run(&args).await,
            Command::Key => key::run(),
            Command::Explain(args) => explain::run(&args).await,
            Command::Plugin(args) => plugin::run(&args.command).await,
        }
    });
    // What still runs has had its time; waiting for it now could last for ever.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => out::fail(&failure.to_string()),
    }
}
