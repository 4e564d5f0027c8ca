//! The versions of plugins: their bytes as files, what is known of them as records.

use gavel_market::ids::{Digest, PluginName};
use serde::{Deserialize, Serialize};

use crate::{Store, codec, error::StoreError, keys, view::with_prefix};

const PLUGIN: &str = "plugin version";

/// Which of the two worlds a plugin implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginKind {
    /// Decides whether an account wants a lead.
    Filter,
    /// Speaks one buyer's protocol.
    Adapter,
}

/// Why the gate refused a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRefusal {
    /// The gate's code.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// One upload of a plugin, with the gate's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginVersion {
    /// Under which name it was uploaded.
    pub name: PluginName,
    /// Digest of its bytes, which names the version.
    pub digest: Digest,
    /// Size of its bytes.
    pub size_bytes: u64,
    /// Which world it implements, where the gate could tell.
    pub kind: Option<PluginKind>,
    /// What its `describe` answered.
    pub about: Option<serde_json::Value>,
    /// Why it can never be active; none where it passed the gate.
    pub refused: Option<GateRefusal>,
    /// Unix time in milliseconds of the upload.
    pub at_ms: u64,
}

impl Store {
    /// Keeps a version of a plugin. The same one again replaces its report.
    pub async fn put_plugin(
        &self,
        version: PluginVersion,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let kept = self.keep_file(bytes).await?;
        if kept != version.digest {
            return Err(StoreError::unreadable(
                PLUGIN,
                "its bytes are not what its digest says",
            ));
        }
        let record = codec::encode(PLUGIN, &version)?;
        let key = keys::plugin_version(&version.name, &version.digest);
        self.change(move |txn| {
            txn.put(key, record);
            Ok(())
        })
        .await
    }

    /// A version's bytes, checked against the digest. Reads a file: blocks for as long.
    pub fn plugin_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.files().get(digest)
    }

    /// Every version of every plugin, by name.
    pub fn plugins(&self) -> Result<Vec<PluginVersion>, StoreError> {
        self.plugins_under(&[keys::PLUGIN])
    }

    /// Every version of one plugin.
    pub fn plugin_versions(&self, name: &PluginName) -> Result<Vec<PluginVersion>, StoreError> {
        self.plugins_under(&keys::plugin(name))
    }

    fn plugins_under(&self, prefix: &[u8]) -> Result<Vec<PluginVersion>, StoreError> {
        let mut versions = Vec::new();
        for key in self.view().keys(with_prefix(prefix)) {
            if let Some(record) = self.view().get(&key?)? {
                versions.push(codec::decode(PLUGIN, &record)?);
            }
        }
        Ok(versions)
    }
}
