//! `gavel plugin …` as it is typed.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum};
use gavel_exchange::cases::Stage;
use gavel_market::{ids::PluginName, model::CallLimits};

use crate::{
    cli::AdminArgs,
    config::{Size, Span},
};

/// What there is to do with a plugin: first with a file, then with a running host.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make a project that builds, with cases that pass.
    #[command(after_help = "Example:\n  gavel plugin new roof-check --kind filter --lang python")]
    New(NewArgs),
    /// Show what the gate says of a plugin.
    #[command(after_help = "Example:\n  gavel plugin check roof_filter.wasm")]
    Check(CheckArgs),
    /// Ask a plugin once, and show what it said and what that cost.
    ///
    /// An adapter is taken through the whole exchange, as far as the answers reach.
    #[command(
        after_help = "Example:\n  gavel plugin run roof_filter.wasm --config config.json --lead lead.json"
    )]
    Run(RunArgs),
    /// Run recorded cases under production limits.
    #[command(after_help = "Example:\n  gavel plugin test roof_filter.wasm cases/")]
    Test(TestArgs),
    /// Upload a version.
    #[command(
        after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin push roof-filter roof_filter.wasm --cases cases/ --activate"
    )]
    Push(PushArgs),
    /// List the versions that a host has.
    #[command(after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin list roof-filter")]
    List(ListArgs),
    /// Make a version the one that decides.
    #[command(
        after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin activate roof-filter 3f2a91cc"
    )]
    Activate(VersionArgs),
    /// Make the version before this one decide again.
    #[command(after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin rollback roof-filter")]
    Rollback(NameArgs),
    /// Let a version decide nothing more, open orders included.
    #[command(
        after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin revoke roof-filter 3f2a91cc"
    )]
    Revoke(VersionArgs),
    /// Let a version see live pings beside the active one, and decide nothing.
    #[command(
        after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin shadow roof-filter 3f2a91cc\n  GAVEL_ADMIN_TOKEN=… gavel plugin shadow roof-filter --end"
    )]
    Shadow(ShadowArgs),
    /// Let a version decide a share of pings, and take it back by itself where it does badly.
    #[command(
        after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin canary roof-filter 3f2a91cc --share 10%\n  GAVEL_ADMIN_TOKEN=… gavel plugin canary roof-filter --end"
    )]
    Canary(CanaryArgs),
    /// Show where a shadow differed from the active version.
    #[command(after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin differences roof-filter")]
    Differences(DifferencesArgs),
    /// Run recorded pings through a version, and show which decisions change.
    #[command(
        after_help = "Example:\n  GAVEL_ADMIN_TOKEN=… gavel plugin replay roof-filter --version 3f2a91cc --since 24h"
    )]
    Replay(ReplayArgs),
}

/// Bounds of a call.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct LimitArgs {
    /// Memory of a call [default: 16MiB].
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    /// Processor time of a call [default: 10ms].
    #[arg(long, value_name = "DURATION")]
    pub(crate) time: Option<Span>,
    /// Log of a call [default: 4KiB].
    #[arg(long, value_name = "SIZE")]
    pub(crate) log: Option<Size>,
}

impl LimitArgs {
    /// The bounds, with a market file's defaults.
    pub(crate) fn limits(&self) -> CallLimits {
        let default = CallLimits::default();
        CallLimits {
            memory: self.memory.map_or(default.memory, |size| size.0),
            time: self.time.map_or(default.time, |time| time.0),
            log: self.log.map_or(default.log, |size| size.0),
        }
    }

    /// What was given, for a host: sizes in bytes, and times in microseconds.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let size = |key, size: Option<Size>| size.map(|size| (key, format!("{}B", size.0)));
        let time = self
            .time
            .map(|time| ("time", format!("{}us", time.0.as_micros())));
        [size("memory", self.memory), time, size("log", self.log)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// `gavel plugin new`
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The plugin's name, in words joined by hyphens, such as roof-check.
    #[arg(value_name = "NAME")]
    pub(crate) name: ProjectName,
    /// What it is to do.
    #[arg(long, value_enum)]
    pub(crate) kind: Kind,
    /// In which language.
    #[arg(long, value_enum)]
    pub(crate) lang: Language,
    /// The project's folder, which may not be there yet [default: NAME].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Says whether an account wants a lead.
    Filter,
    /// Speaks a buyer's protocol.
    Adapter,
}

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// 0.2 MB, some 15 µs a call.
    Rust,
    /// 12 MB, under 1 ms a call.
    #[value(alias = "javascript")]
    Js,
    /// 19 MB, some 2 ms a call.
    Python,
}

/// `gavel plugin check`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The plugin.
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `gavel plugin run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The plugin.
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// The account's configuration, in JSON or TOML [default: {}].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The lead's fields, in JSON or TOML [default: none].
    #[arg(long, value_name = "FILE")]
    pub(crate) lead: Option<PathBuf>,
    /// A file with the types of the lead's fields under `fields`, such as a file of cases; what
    /// has none is text, a whole number or a flag, as it is written.
    #[arg(long, value_name = "FILE")]
    pub(crate) fields: Option<PathBuf>,
    /// The buyer's answers, oldest first: a list of {status, headers, body} in JSON, or TOML with
    /// the list under `answers`.
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
    /// What the ping offered: {amount, reference}; for an adapter's post.
    #[arg(long, value_name = "FILE")]
    pub(crate) won: Option<PathBuf>,
    /// When the plugin is asked.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) stage: StageArg,
    /// Calls that are timed, of which the middle one is shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) calls: u32,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// When a plugin is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StageArg {
    /// At the ping, without personal fields.
    #[default]
    Ping,
    /// At the post, with the full lead.
    Post,
}

impl From<StageArg> for Stage {
    fn from(stage: StageArg) -> Self {
        match stage {
            StageArg::Ping => Self::Ping,
            StageArg::Post => Self::Post,
        }
    }
}

/// `gavel plugin test`
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The plugin.
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// Files of cases, or folders with such.
    #[arg(value_name = "CASES", required = true)]
    pub(crate) cases: Vec<PathBuf>,
    /// Print the outcomes as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `gavel plugin push`
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Its name in the market.
    #[arg(value_name = "NAME")]
    pub(crate) name: PluginName,
    /// The plugin.
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// Files of cases, or folders with such, which the version has to pass; may be given again.
    #[arg(long, value_name = "CASES", num_args = 1..)]
    pub(crate) cases: Vec<PathBuf>,
    /// Make it the version that decides, if it passes.
    #[arg(long)]
    pub(crate) activate: bool,
    /// Print the host's answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// `gavel plugin list`
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One plugin, with its counters, its trial and its history [default: all].
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<PluginName>,
    /// Print the host's answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// A plugin of a host.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Its name in the market.
    #[arg(value_name = "NAME")]
    pub(crate) name: PluginName,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// A version of a plugin of a host.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Its name in the market.
    #[arg(value_name = "NAME")]
    pub(crate) name: PluginName,
    /// The version's digest, or its first eight digits or more.
    #[arg(value_name = "DIGEST")]
    pub(crate) digest: Version,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// `gavel plugin shadow`
#[derive(Debug, Args)]
pub(crate) struct ShadowArgs {
    /// Its name in the market.
    #[arg(value_name = "NAME")]
    pub(crate) name: PluginName,
    /// The version's digest, or its first eight digits or more.
    #[arg(value_name = "DIGEST", required_unless_present = "end")]
    pub(crate) digest: Option<Version>,
    /// End the trial.
    #[arg(long, conflicts_with = "digest")]
    pub(crate) end: bool,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// `gavel plugin canary`
#[derive(Debug, Args)]
pub(crate) struct CanaryArgs {
    /// Its name in the market.
    #[arg(value_name = "NAME")]
    pub(crate) name: PluginName,
    /// The version's digest, or its first eight digits or more.
    #[arg(value_name = "DIGEST", required_unless_present = "end")]
    pub(crate) digest: Option<Version>,
    /// Of all pings, the share that it decides.
    #[arg(long, value_name = "SHARE", required_unless_present = "end")]
    pub(crate) share: Option<Share>,
    /// It is taken back where its fault rate is above the active version's by more than this.
    #[arg(long, value_name = "SHARE")]
    pub(crate) margin_faults: Option<Share>,
    /// Likewise its refusal rate.
    #[arg(long, value_name = "SHARE")]
    pub(crate) margin_refusals: Option<Share>,
    /// Likewise its time; 100% is twice as long.
    #[arg(long, value_name = "SHARE")]
    pub(crate) margin_time: Option<Share>,
    /// End the trial.
    #[arg(long, conflicts_with_all = ["digest", "share", "margin_faults", "margin_refusals", "margin_time"])]
    pub(crate) end: bool,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// `gavel plugin differences`
#[derive(Debug, Args)]
pub(crate) struct DifferencesArgs {
    /// Its name in the market.
    #[arg(value_name = "NAME")]
    pub(crate) name: PluginName,
    /// How many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub(crate) limit: usize,
    /// Print them as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// `gavel plugin replay`
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Its name in the market.
    #[arg(value_name = "NAME")]
    pub(crate) name: PluginName,
    /// The version's digest, or its first eight digits or more.
    #[arg(long, value_name = "DIGEST")]
    pub(crate) version: Version,
    /// How far back.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub(crate) since: Span,
    /// Print the sums as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// A project's name: what Cargo, npm and a market all take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectName(pub(crate) String);

/// Why a text is no project's name.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotAName(&'static str);

/// Characters of a project's name at most, as of a plugin's in a market.
const NAME_MAX_LENGTH: usize = 64;

/// Names that the project needs for something else, or that Cargo keeps.
const NAMES_TAKEN: [&str; 9] = [
    "gavel-sdk",
    "serde",
    "serde-json",
    "test",
    "core",
    "std",
    "alloc",
    "proc-macro",
    "self",
];

impl FromStr for ProjectName {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
        if !begins || text.len() > NAME_MAX_LENGTH || !text.split('-').all(is_word) {
            return Err(NotAName(
                "a name is words of a-z and 0-9 joined by single hyphens, begins with a letter and has at most 64 characters, such as roof-check",
            ));
        }
        if NAMES_TAKEN.contains(&text) {
            return Err(NotAName(
                "this name is taken by what a plugin is built with",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A version's digest as a person types it: whole, or its first eight digits or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) String);

/// Why a text names no version.
#[derive(Debug, thiserror::Error)]
#[error("a digest, or its first eight hexadecimal digits or more, as `gavel plugin list` shows it")]
pub(crate) struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let text = text.to_ascii_lowercase();
        let digits = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if digits && (8..=64).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(NotAVersion)
        }
    }
}

/// A part of the whole, written `10%` or `0.1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share(pub(crate) f64);

/// Why a text is no share.
#[derive(Debug, thiserror::Error)]
#[error("a share is written like \"10%\" or \"0.1\"")]
pub(crate) struct NotAShare;

impl FromStr for Share {
    type Err = NotAShare;
    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let (number, whole) = match text.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let number: f64 = number.trim().parse().map_err(|_| NotAShare)?;
        let share = number / whole;
        if share.is_finite() && share >= 0.0 {
            Ok(Self(share))
        } else {
            Err(NotAShare)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projects_name_is_words_joined_by_hyphens() {
        for good in ["roof", "roof-check", "roof-2"] {
            assert!(good.parse::<ProjectName>().is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for wrong in [
            "",
            "Roof",
            "roof_check",
            "-roof",
            "roof-",
            "roof--check",
            "2roof",
            "../roof",
            "dach-prüfung",
            "gavel-sdk",
            &long,
        ] {
            assert!(wrong.parse::<ProjectName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_per_cent_or_a_fraction() {
        let share = |text: &str| text.parse::<Share>().ok().map(|share| share.0);
        assert_eq!(share("10%"), Some(0.1));
        assert_eq!(share("0.1"), Some(0.1));
        assert_eq!(share("2.5 %"), Some(0.025));
        for wrong in ["", "%", "ten", "-1%", "NaN", "inf"] {
            assert_eq!(share(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_version_has_eight_digits_or_more() {
        let version = |text: &str| text.parse::<Version>().ok().map(|version| version.0);
        assert_eq!(version("3F2A91cc").as_deref(), Some("3f2a91cc"));
        assert!(version(&"a".repeat(64)).is_some());
        for wrong in ["3f2a91c", "3f2a91cg", &"a".repeat(65)] {
            assert_eq!(version(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn limits_go_to_a_host_as_a_market_file_writes_them() {
        let given = LimitArgs {
            memory: "64MiB".parse().ok(),
            time: "1500us".parse().ok(),
            log: None,
        };
        let query = given.query();
        assert_eq!(
            query,
            [
                ("memory", "67108864B".to_owned()),
                ("time", "1500us".to_owned())
            ]
        );
        assert_eq!(given.limits().memory, 64 << 20);
        assert_eq!(given.limits().log, CallLimits::default().log);
        let memory: bytesize::ByteSize = query[0].1.parse().unwrap();
        assert_eq!(memory.as_u64(), 64 << 20);
    }
}
