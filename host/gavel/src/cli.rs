//! The command line. Every flag is also an environment variable, `GAVEL_` and its name.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::{
    config::{Size, Span},
    http::address::PublicUrl,
    plugin::cli::PluginCommand,
};

/// A self-hosted ping-post exchange for leads.
#[derive(Debug, Parser)]
#[command(name = "gavel", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads this process's arguments; wrong usage ends it with status 2.
    ///
    /// A variable that is set to nothing is none, as a compose file leaves those that its own
    /// environment lacks.
    pub(crate) fn read() -> Self {
        let matches = without_empty(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn without_empty(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg })
        .mut_subcommands(without_empty)
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole example market on this machine, buyers and suppliers included.
    #[command(after_help = "Example:\n  gavel demo --for 30s")]
    Demo(DemoArgs),
    /// Run the host.
    #[command(
        after_help = "Example:\n  gavel serve --data data --market market.toml --listen 127.0.0.1:8080"
    )]
    Serve(Box<ServeArgs>),
    /// Say what is wrong with a market, offline and with its plugins, as `apply` would.
    #[command(after_help = "Example:\n  gavel check market.toml")]
    Check(CheckArgs),
    /// Make a market file the running host's market.
    ///
    /// Uploads the plugins that the host lacks, then sends the market: it takes effect whole, or not at all.
    #[command(after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel apply market.toml --dry-run")]
    Apply(ApplyArgs),
    /// Make a supplier's key; it is shown once.
    #[command(after_help = "Example:\n  gavel key")]
    Key,
    /// Tell the whole story of a ping or a post.
    #[command(
        after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel explain po_01JD9Z3V6T8Q0W2E4R5T6Y7V8J"
    )]
    Explain(ExplainArgs),
    /// Write, try, upload and swap plugins.
    #[command(after_help = "Example:\n  gavel plugin test roof_filter.wasm cases/")]
    Plugin(PluginArgs),
}

/// Settings of the host; those that are not given come from the file, or have defaults.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// The host's configuration.
    #[arg(long, value_name = "FILE", env = "GAVEL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of everything that must survive [default: data].
    #[arg(long, value_name = "DIR", env = "GAVEL_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Market applied at start, if it is not the one that was applied last.
    #[arg(long, value_name = "FILE", env = "GAVEL_MARKET")]
    pub(crate) market: Option<PathBuf>,
    /// Where suppliers are served; port 0 picks one [default: 0.0.0.0:8080].
    #[arg(long, value_name = "ADDRESS", env = "GAVEL_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// URL under which suppliers see it, for posting instructions [default: as their requests name it].
    #[arg(long, value_name = "URL", env = "GAVEL_PUBLIC_URL")]
    pub(crate) public_url: Option<PublicUrl>,
    /// Where operators are served; port 0 picks one [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDRESS", env = "GAVEL_ADMIN_LISTEN")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Certificates of the supplier API, in PEM; with --tls-key.
    #[arg(long, value_name = "FILE", env = "GAVEL_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Key of the supplier API's certificate, in PEM; with --tls-cert.
    #[arg(long, value_name = "FILE", env = "GAVEL_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Largest body that a supplier may send [default: 64KiB].
    #[arg(long, value_name = "SIZE", env = "GAVEL_MAX_BODY")]
    pub(crate) max_body: Option<Size>,
    /// Suppliers' connections at a time [default: 10000].
    #[arg(long, value_name = "NUMBER", env = "GAVEL_MAX_CONNECTIONS")]
    pub(crate) max_connections: Option<usize>,
    /// SHA-256 of the operator's token, in hexadecimal.
    #[arg(long, value_name = "DIGEST", env = "GAVEL_ADMIN_TOKEN_SHA256")]
    pub(crate) admin_token_sha256: Option<String>,
    /// Pings being answered at a time [default: 2000].
    #[arg(long, value_name = "NUMBER", env = "GAVEL_PINGS_IN_FLIGHT")]
    pub(crate) pings_in_flight: Option<usize>,
    /// Requests to buyers at a time [default: 1000].
    #[arg(long, value_name = "NUMBER", env = "GAVEL_OUTBOUND_CONNECTIONS")]
    pub(crate) outbound_connections: Option<usize>,
    /// Of a ping's deadline, kept for ranking, recording and answering [default: 30ms].
    #[arg(long, value_name = "DURATION", env = "GAVEL_ANSWER_RESERVE")]
    pub(crate) answer_reserve: Option<Span>,
    /// Let buyers be on loopback or private addresses: only for tests and demos [default: false].
    #[arg(long, value_name = "BOOL", env = "GAVEL_ALLOW_PRIVATE_BUYERS", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) allow_private_buyers: Option<bool>,
    /// Largest plugin that is taken [default: 32MiB].
    #[arg(long, value_name = "SIZE", env = "GAVEL_MAX_PLUGIN")]
    pub(crate) max_plugin: Option<Size>,
    /// Of calls on reused instances, one in so many is run again on a fresh one and compared; 0: none [default: 100].
    #[arg(long, value_name = "NUMBER", env = "GAVEL_REUSED_CHECK")]
    pub(crate) reused_check: Option<u32>,
    /// What is logged, such as `info` or `gavel=debug`.
    #[arg(long, value_name = "FILTER", env = "GAVEL_LOG", default_value = "info")]
    pub(crate) log: String,
    /// How it is logged, on standard error.
    #[arg(long, env = "GAVEL_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// `gavel demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long it runs [default: until it is interrupted].
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) for_time: Option<Span>,
    /// Folder in which the store and the market are kept [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Leads a second.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rate: u32,
    /// Makes other leads; the same number, the same leads [default: 1, and in a folder that was
    /// used before the time, since leads sold there are known].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// What is logged, such as `info` or `gavel=debug`.
    #[arg(long, value_name = "FILTER", env = "GAVEL_LOG", default_value = "warn")]
    pub(crate) log: String,
    /// How it is logged, on standard error.
    #[arg(long, env = "GAVEL_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// `gavel check`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The market file.
    #[arg(value_name = "MARKET")]
    pub(crate) market: PathBuf,
}

/// `gavel apply`
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The market file.
    #[arg(value_name = "MARKET")]
    pub(crate) market: PathBuf,
    /// Only print what would change. Plugins that the host lacks are uploaded, but not used.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// `gavel explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A ping's, an order's or a lead's id: pg_…, po_… or ld_….
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Decide the ping again, with the plugins and the buyers' answers of then, and say whether
    /// the same comes of it.
    #[arg(long)]
    pub(crate) replay: bool,
    /// Show what plugins and buyers said at each delivery, too. It may be personal, and is gone once
    /// the lead is erased.
    #[arg(long)]
    pub(crate) words: bool,
    /// Print the records as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// `gavel plugin`
#[derive(Debug, Args)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

/// Which host is asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdminArgs {
    /// The host's admin API; its token is read from GAVEL_ADMIN_TOKEN.
    #[arg(
        long,
        value_name = "URL",
        env = "GAVEL_ADMIN",
        default_value = "http://127.0.0.1:8081"
    )]
    pub(crate) admin: url::Url,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// A command's path and those of everything below it that has no example.
    fn without_example(path: &str, command: &clap::Command) -> Vec<String> {
        let has = |help: &clap::builder::StyledStr| help.to_string().contains("Example:\n  ");
        let own = (!command.get_after_help().is_some_and(has)).then(|| path.to_owned());
        let below = command.get_subcommands().flat_map(|command| {
            without_example(&format!("{path} {}", command.get_name()), command)
        });
        own.into_iter().chain(below).collect()
    }

    #[test]
    fn the_command_line_is_sound_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        let commands: Vec<_> = Cli::command()
            .get_subcommands()
            .flat_map(|command| without_example(command.get_name(), command))
            .collect();
        assert_eq!(commands, [""; 0]);
    }

    /// Every example of every command, without what stands before `gavel`.
    fn examples(command: &clap::Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string);
        let own = help.into_iter().flat_map(|help| {
            let lines = help
                .lines()
                .filter_map(|line| Some(line.find("gavel ").map(|at| &line[at..])?.to_owned()));
            lines.collect::<Vec<_>>()
        });
        own.chain(command.get_subcommands().flat_map(examples))
            .collect()
    }

    #[test]
    fn every_example_is_one_that_the_command_line_takes() {
        for example in examples(&Cli::command()) {
            let words = example.split_whitespace();
            assert!(Cli::try_parse_from(words).is_ok(), "{example}");
        }
    }

    #[test]
    fn allowing_private_buyers_needs_no_value() {
        let parse = |args: &[&str]| match Cli::try_parse_from(args).unwrap().command {
            Command::Serve(args) => args.allow_private_buyers,
            _ => None,
        };
        assert_eq!(
            parse(&["gavel", "serve", "--allow-private-buyers"]),
            Some(true)
        );
        assert_eq!(
            parse(&["gavel", "serve", "--allow-private-buyers", "false"]),
            Some(false)
        );
    }
}
