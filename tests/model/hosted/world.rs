//! What a case's market says of the world around a real host: keys, plugins, and where buyers are.

use std::fmt::Write as _;

use gavel_market::ids::Digest;

use super::{
    super::{case::Account, market_text::World},
    buyers::Buyers,
};
use crate::harness::{digest, plugins};

/// The plugins, as the host knows them by then.
pub(super) struct Plugins {
    http_buyer: String,
    roof_filter: String,
}

impl Plugins {
    pub(super) fn read() -> Self {
        let built = plugins();
        let named = |path| digest(&std::fs::read(path).expect("built"));
        Self {
            http_buyer: named(&built.http_buyer),
            roof_filter: named(&built.roof_filter),
        }
    }
}

/// The key of a case's supplier.
pub(super) fn key(prefix: &str, supplier: usize) -> String {
    format!("gk_test_key_of_{prefix}s{supplier}")
}

/// A case's world.
pub(super) struct Hosted<'h> {
    pub(super) prefix: &'h str,
    pub(super) plugins: &'h Plugins,
    pub(super) buyers: &'h Buyers,
}

impl World for Hosted<'_> {
    fn plugins(&self) -> String {
        // Where every core is busy, a call may wait long for one.
        let plugin = |name, digest| {
            format!("[plugins.{name}]\ndigest = \"{digest}\"\nlimits = {{ time = \"1s\" }}\n")
        };
        let named = &self.plugins;
        plugin("http-buyer", &named.http_buyer) + &plugin("roof-filter", &named.roof_filter)
    }

    fn supplier(&self, at: usize) -> String {
        let key = Digest::of(key(self.prefix, at).as_bytes());
        format!("keys = [{{ sha256 = \"{key}\" }}]\n")
    }

    /// A busy machine is no reason for a buyer's bid to be late.
    fn campaign(&self) -> String {
        "deadline = \"50s\"\n".into()
    }

    fn account(&self, at: usize, account: &Account) -> String {
        let [asked_at, posted_at] = self.buyers.origins(at);
        let mut keys = format!(
            "adapter = {{ plugin = \"http-buyer\", config = {{ ping_url = \"{asked_at}/{at}\", post_url = \"{posted_at}/\", format = \"json\" }} }}\n\
             hosts = [\"{asked_at}\", \"{posted_at}\"]\nping_timeout = \"40s\"\npost_timeout = \"10m\"\n"
        );
        if let Some(shades) = &account.shades {
            let _ = writeln!(
                keys,
                "filter = {{ plugin = \"roof-filter\", config = {{ shade = {shades:?} }} }}"
            );
        }
        keys
    }
}
