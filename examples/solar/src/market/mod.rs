//! The example's market file, as it stands and with other buyers, plugins and keys.
//!
//! `market.toml` is complete: a person can read it and apply it. A demo or a test runs its
//! mock buyers on ports of its own and has its plugins elsewhere; [`MarketFile`] puts those
//! into the same text, so that what is tested is what is read.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// `market.toml`, as it stands.
pub const MARKET_TOML: &str = include_str!("../../market.toml");

/// The campaign that sells each lead once and waits for the delivery; [`SUNLEADS_KEY`]'s.
pub const EXCLUSIVE: &str = "solar-exclusive";

/// The campaign that sells each lead up to three times and accepts at once;
/// [`SUNNYSIDE_KEY`]'s.
pub const SHARED: &str = "solar-shared";

/// The key of the supplier of [`EXCLUSIVE`]. Not secret: it stands in the market file.
pub const SUNLEADS_KEY: &str = "gk_demo_sunleads_this_key_is_no_secret";

/// The key of the supplier of [`SHARED`]. Not secret: it stands in the market file.
pub const SUNNYSIDE_KEY: &str = "gk_demo_sunnyside_this_key_is_no_secret";

/// The environment variable that the market's secret comes from: whoever starts the host
/// sets it, unless [`MarketFile::secret_in_file`] names a file.
pub const SECRET_ENV: &str = "SUNCO_KEY";

/// What the mock buyer takes for its key: the value for [`SECRET_ENV`]. Not secret either,
/// but Gavel does not know that, and must not show it.
pub const SECRET_VALUE: &str = "sunco-demo-value-3f9c1b7d";

/// How `market.toml` writes where the secret comes from.
const SECRET_SOURCE: &str = r#"{ env = "SUNCO_KEY" }"#;

/// How `market.toml` writes where the plugins are.
const PLUGIN_PATHS: [&str; 2] = [
    r#""plugins/roof_filter.wasm""#,
    r#""plugins/http_buyer.wasm""#,
];

/// A buyer of the example market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Buyer {
    /// Fixed prices with criteria, two accounts; wants its key with every lead.
    SunCo,
    /// A fixed price with a filter; exclusive.
    BrightRoof,
    /// Bids in JSON.
    Helio,
    /// Bids as a form.
    PeakPower,
    /// Never answers a ping.
    Tortoise,
    /// Bids most and rejects every post.
    Fickle,
    /// Sometimes drops the connection with the lead in its hands.
    Flaky,
}

impl Buyer {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SunCo,
        Self::BrightRoof,
        Self::Helio,
        Self::PeakPower,
        Self::Tortoise,
        Self::Fickle,
        Self::Flaky,
    ];

    /// Its name in the market.
    pub fn id(self) -> &'static str {
        match self {
            Self::SunCo => "sunco",
            Self::BrightRoof => "brightroof",
            Self::Helio => "helio",
            Self::PeakPower => "peak-power",
            Self::Tortoise => "tortoise",
            Self::Fickle => "fickle",
            Self::Flaky => "flaky",
        }
    }

    /// Where `market.toml` says that it listens.
    pub fn default_address(self) -> SocketAddr {
        let port = match self {
            Self::SunCo => 9101,
            Self::BrightRoof => 9102,
            Self::Helio => 9103,
            Self::PeakPower => 9104,
            Self::Tortoise => 9105,
            Self::Fickle => 9106,
            Self::Flaky => 9107,
        };
        (Ipv4Addr::LOCALHOST, port).into()
    }
}

/// Where the plugins' files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginPaths {
    /// `roof_filter.wasm`.
    pub roof_filter: PathBuf,
    /// `http_buyer.wasm`.
    pub http_buyer: PathBuf,
}

/// The market file with some things elsewhere; what is not said stays as it stands.
#[derive(Debug, Clone, Default)]
pub struct MarketFile {
    changes: BTreeMap<String, String>,
}

impl MarketFile {
    /// As it stands.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a buyer that listens elsewhere.
    #[must_use]
    pub fn buyer_at(self, buyer: Buyer, address: SocketAddr) -> Self {
        self.change(buyer.default_address().to_string(), address.to_string())
    }

    /// With plugins from these files.
    #[must_use]
    pub fn plugins_at(self, paths: &PluginPaths) -> Self {
        let [roof_filter, http_buyer] = PLUGIN_PATHS;
        self.change(roof_filter.to_owned(), quoted_path(&paths.roof_filter))
            .change(http_buyer.to_owned(), quoted_path(&paths.http_buyer))
    }

    /// With other hashes (SHA-256 in hex) of the suppliers' keys than the demo's.
    #[must_use]
    pub fn keys(self, sunleads_sha256: &str, sunnyside_sha256: &str) -> Self {
        let [sunleads, sunnyside] = DEMO_KEYS_SHA256;
        self.change(sunleads.to_owned(), sunleads_sha256.to_owned())
            .change(sunnyside.to_owned(), sunnyside_sha256.to_owned())
    }

    /// With the secret in this file, for a host whose environment cannot be set.
    #[must_use]
    pub fn secret_in_file(self, path: &Path) -> Self {
        let source = format!("{{ file = {} }}", quoted_path(path));
        self.change(SECRET_SOURCE.to_owned(), source)
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(MARKET_TOML.len());
        let mut rest = MARKET_TOML;
        // One pass: what was put in is not looked at again, so that a new port which is
        // another buyer's old one stays.
        while let Some((at, from, to)) = self.first_change_in(rest) {
            text.push_str(rest.get(..at).unwrap_or_default());
            text.push_str(to);
            rest = rest.get(at + from.len()..).unwrap_or_default();
        }
        text + rest
    }

    fn change(mut self, from: String, to: String) -> Self {
        self.changes.insert(from, to);
        self
    }

    fn first_change_in(&self, text: &str) -> Option<(usize, &str, &str)> {
        let found = self
            .changes
            .iter()
            .filter_map(|(from, to)| Some((text.find(from)?, from.as_str(), to.as_str())));
        found.min_by_key(|(at, ..)| *at)
    }
}

/// The SHA-256 of [`SUNLEADS_KEY`] and of [`SUNNYSIDE_KEY`], as they stand in `market.toml`.
const DEMO_KEYS_SHA256: [&str; 2] = [
    "9900ada17a89d02a2b6ae574270b782239463c53aff82299f8a0f3c872109c81",
    "6a0fc32f5370944fc3d2cccfee23a954329fbd8052398d1e8aa229a9ee94fd2b",
];

/// A path as a TOML string. JSON's escapes are TOML's too.
fn quoted_path(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
