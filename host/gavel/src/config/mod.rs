//! The host's configuration: flags over environment over `gavel.toml` over defaults.
//!
//! | module | holds |
//! |---|---|
//! | here | the settings that hold in the end |
//! | [`file`] | `gavel.toml` as it is written |
//! | [`secrets`] | the store's key and the operator's token: found, or made |

mod file;
pub(crate) mod secrets;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use gavel_exchange::limits::ExchangeSettings;
use gavel_market::ids::Digest;
use gavel_sandbox::SandboxSettings;
use serde::Deserialize;

use self::file::{EncryptionKey, File};
use crate::{admin::token::AdminToken, cli::ServeArgs, http::address::PublicUrl};

/// Why the configuration is of no use, in words that say what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConfigError(pub(crate) String);

/// Everything that `serve` needs to know.
#[derive(Debug)]
pub(crate) struct Config {
    /// The supplier API's address.
    pub(crate) listen: SocketAddr,
    /// Under which URL suppliers see it, where that cannot be told from their requests.
    pub(crate) public_url: Option<PublicUrl>,
    /// Its certificate and key, in PEM files.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Largest body of a supplier's, in bytes.
    pub(crate) max_body_bytes: usize,
    /// Suppliers' connections at a time.
    pub(crate) max_connections: usize,
    /// The admin API's address.
    pub(crate) admin_listen: SocketAddr,
    /// The operator's token, where it is configured.
    pub(crate) admin_token: Option<AdminToken>,
    /// Folder of everything that must survive.
    pub(crate) data: PathBuf,
    /// Where the store's key comes from; where it is not configured, one is made.
    pub(crate) encryption_key: Option<KeySource>,
    /// The market file.
    pub(crate) market: Option<PathBuf>,
    /// The exchange's part.
    pub(crate) exchange: ExchangeSettings,
    /// The sandbox's part.
    pub(crate) sandbox: SandboxSettings,
}

/// Where the store's key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl Config {
    /// The configuration that these flags, their environment variables and the file they
    /// name make together. `env` reads the variables of secrets, which are no flags.
    pub(crate) fn load(
        args: &ServeArgs,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let file = match &args.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let beside = args
            .config
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        Self::merge(args, file, beside, env)
    }

    /// Flags over the file over defaults; paths in the file are relative to `beside`.
    fn merge(
        args: &ServeArgs,
        file: File,
        beside: &Path,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let File {
            supplier_api,
            admin_api,
            store,
            market,
            limits,
        } = file;
        let defaults = ExchangeSettings::default();
        let sandbox = SandboxSettings::default();
        let encryption_key = match env("GAVEL_KEY").filter(|key| !key.is_empty()) {
            Some(_) => Some(KeySource::Env("GAVEL_KEY".into())),
            None => store.encryption_key.map(|key| match key {
                EncryptionKey {
                    env: Some(name), ..
                } => KeySource::Env(name),
                EncryptionKey { file, .. } => {
                    KeySource::File(beside.join(file.unwrap_or_default()))
                }
            }),
        };
        Ok(Self {
            listen: args
                .listen
                .or(supplier_api.listen)
                .unwrap_or((Ipv4Addr::UNSPECIFIED, 8080).into()),
            public_url: args.public_url.clone().or(supplier_api.public_url),
            tls: tls(args, supplier_api.tls, beside)?,
            max_body_bytes: args
                .max_body
                .or(supplier_api.max_body)
                .map_or(64 << 10, |size| size.0),
            max_connections: at_least_one(
                "max_connections",
                args.max_connections.or(supplier_api.max_connections),
                10_000,
            )?,
            admin_listen: args
                .admin_listen
                .or(admin_api.listen)
                .unwrap_or((Ipv4Addr::LOCALHOST, 8081).into()),
            admin_token: admin_token(args, admin_api.token_sha256, env)?,
            data: args
                .data
                .clone()
                .or(store.path.map(|path| beside.join(path)))
                .unwrap_or("data".into()),
            encryption_key,
            market: args
                .market
                .clone()
                .or(market.path.map(|path| beside.join(path))),
            exchange: ExchangeSettings {
                answer_reserve: args
                    .answer_reserve
                    .or(limits.answer_reserve)
                    .map_or(defaults.answer_reserve, |span| span.0),
                outbound_connections: at_least_one(
                    "outbound_connections",
                    args.outbound_connections.or(limits.outbound_connections),
                    defaults.outbound_connections,
                )?,
                pings_in_flight: at_least_one(
                    "pings_in_flight",
                    args.pings_in_flight.or(limits.pings_in_flight),
                    defaults.pings_in_flight,
                )?,
                allow_private_buyers: args
                    .allow_private_buyers
                    .or(limits.allow_private_buyers)
                    .unwrap_or(false),
            },
            sandbox: SandboxSettings {
                max_plugin_bytes: args
                    .max_plugin
                    .or(limits.max_plugin)
                    .map_or(sandbox.max_plugin_bytes, |size| size.0),
                reused_check_every: args
                    .reused_check
                    .or(limits.reused_check)
                    .unwrap_or(sandbox.reused_check_every),
                ..sandbox
            },
        })
    }
}

/// Refuses a limit of nothing, with which no request would ever be served.
fn at_least_one(key: &str, given: Option<usize>, default: usize) -> Result<usize, ConfigError> {
    match given {
        Some(0) => Err(ConfigError(format!("{key} must be at least 1"))),
        given => Ok(given.unwrap_or(default)),
    }
}

fn tls(
    args: &ServeArgs,
    file: Option<file::Tls>,
    beside: &Path,
) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    let (cert, key) = file
        .map(|tls| (beside.join(tls.cert), beside.join(tls.key)))
        .unzip();
    match (args.tls_cert.clone().or(cert), args.tls_key.clone().or(key)) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err(ConfigError(
            "TLS needs both a certificate and a key: give --tls-cert and --tls-key".into(),
        )),
    }
}

/// The token by flag, by environment or by file, in this order.
fn admin_token(
    args: &ServeArgs,
    file: Option<String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<AdminToken>, ConfigError> {
    if let Some(token) = env("GAVEL_ADMIN_TOKEN")
        .filter(|token| !token.is_empty() && args.admin_token_sha256.is_none())
    {
        return Ok(Some(AdminToken::of(&token)));
    }
    let Some(text) = args.admin_token_sha256.clone().or(file) else {
        return Ok(None);
    };
    let digest: Digest = text
        .parse()
        .map_err(|error| ConfigError(format!("the admin token's token_sha256 is not {error}")))?;
    Ok(Some(AdminToken::with_digest(digest)))
}

/// A size such as `64KiB`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Size {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let size = text
            .parse::<bytesize::ByteSize>()
            .ok()
            .and_then(|size| usize::try_from(size.as_u64()).ok());
        size.filter(|size| *size > 0)
            .map(Self)
            .ok_or_else(|| ConfigError("expected a size such as \"64KiB\"".into()))
    }
}

/// A length of time such as `30ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let span = humantime::parse_duration(text);
        span.map(Self)
            .map_err(|_| ConfigError("expected a duration such as \"30ms\"".into()))
    }
}

macro_rules! from_text {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = ConfigError;
            fn try_from(text: String) -> Result<Self, ConfigError> {
                text.parse()
            }
        }
    )*};
}
from_text! { Size Span }

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
