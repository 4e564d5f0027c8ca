//! `gavel plugin …`: plugins written, tried, uploaded and swapped.
//!
//! The first half needs no host: a plugin's file is loaded into a sandbox of this process, with
//! the gate and the limits of production. The second half speaks to a running host.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the commands as they are typed |
//! | `new` | a project to write one in |
//! | `check`, `run`, `test` | a file on this machine |
//! | `push`, `list`, `versions`, `trial`, `replay` | a running host |
//! | `local` | a file through the gate of this process |
//! | `gate`, `fault`, `figures`, `difference` | reports, faults, figures against limits and differences, for a person |
//! | `host` | what the commands of the second half share |

mod check;
pub(crate) mod cli;
mod difference;
mod fault;
mod figures;
mod gate;
mod host;
mod list;
mod local;
mod new;
mod push;
mod replay;
mod run;
mod test;
mod trial;
mod versions;

use crate::{out::Failure, plugin::cli::PluginCommand};

/// Does what was asked.
pub(crate) async fn run(command: &PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::New(args) => new::run(args),
        PluginCommand::Check(args) => check::run(args).await,
        PluginCommand::Run(args) => run::run(args).await,
        PluginCommand::Test(args) => test::run(args).await,
        PluginCommand::Push(args) => push::run(args).await,
        PluginCommand::List(args) => list::run(args).await,
        PluginCommand::Activate(args) => versions::activate(args).await,
        PluginCommand::Rollback(args) => versions::rollback(args).await,
        PluginCommand::Revoke(args) => versions::revoke(args).await,
        PluginCommand::Shadow(args) => trial::shadow(args).await,
        PluginCommand::Canary(args) => trial::canary(args).await,
        PluginCommand::Differences(args) => trial::differences(args).await,
        PluginCommand::Replay(args) => replay::run(args).await,
    }
}
