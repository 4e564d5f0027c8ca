//! `gavel.toml` as it is written. What is left out is `None` here; the defaults are one place
//! up, below flags and environment.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{ConfigError, Size, Span};
use crate::http::address::PublicUrl;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) supplier_api: SupplierApi,
    pub(super) admin_api: AdminApi,
    pub(super) store: Store,
    pub(super) market: Market,
    pub(super) limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SupplierApi {
    pub(super) listen: Option<SocketAddr>,
    pub(super) public_url: Option<PublicUrl>,
    pub(super) tls: Option<Tls>,
    pub(super) max_body: Option<Size>,
    pub(super) max_connections: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AdminApi {
    pub(super) listen: Option<SocketAddr>,
    pub(super) token_sha256: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Store {
    pub(super) path: Option<PathBuf>,
    pub(super) encryption_key: Option<EncryptionKey>,
}

/// `{ env = "…" }` or `{ file = "…" }`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EncryptionKey {
    pub(super) env: Option<String>,
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Market {
    pub(super) path: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) pings_in_flight: Option<usize>,
    pub(super) outbound_connections: Option<usize>,
    pub(super) answer_reserve: Option<Span>,
    pub(super) allow_private_buyers: Option<bool>,
    pub(super) max_plugin: Option<Size>,
    pub(super) reused_check: Option<u32>,
}

impl File {
    /// Reads the file at a path.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!("the configuration {shown} cannot be read: {error}"))
        })?;
        Self::parse(&text).map_err(|message| {
            ConfigError(format!("the configuration {shown} is wrong: {message}"))
        })
    }

    /// Reads a file's text; the error has the line and the key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: Self =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        match &file.store.encryption_key {
            Some(
                EncryptionKey {
                    env: Some(_),
                    file: Some(_),
                }
                | EncryptionKey {
                    env: None,
                    file: None,
                },
            ) => Err("store.encryption_key takes either env or file".into()),
            _ => Ok(file),
        }
    }
}
