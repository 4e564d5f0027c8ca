//! The versions of plugins: their bytes and compiled code as files, what is known of them as
//! records, which of them are on trial, and which were active when.

use std::sync::Arc;

use gavel_market::{
    ids::{Digest, PingId, PluginName},
    record::Differences,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    LIST_MAX, Page, Store,
    change::Txn,
    codec,
    error::StoreError,
    keys::{self, Fields, Key},
    market::RevisionInfo,
    view::{with_prefix, with_prefix_between},
};

const PLUGIN: &str = "plugin version";
const HISTORY: &str = "change of a plugin's version";
const TRIAL: &str = "trial";
const REVOKED: &str = "revoked version";
const DIFFERENCES: &str = "differences of a shadow";

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
    /// What the gate found, step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<serde_json::Value>,
    /// Why it can never be active; none where it passed the gate.
    pub refused: Option<GateRefusal>,
    /// How it was caught keeping state between calls: it is given fresh instances from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful: Option<String>,
    /// Unix time in milliseconds of the upload.
    pub at_ms: u64,
}

impl PluginVersion {
    /// Whether the gate need not look again where nothing new is asked: it passed, or failed cases
    /// of its own, which it cannot be rid of.
    pub fn stands(&self) -> bool {
        let refused = self.refused.as_ref();
        refused.is_none_or(|refused| refused.code == "case_failed")
    }
}

/// Why a plugin's active version changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A market was applied that names another version, or brought back.
    Applied,
    /// An operator activated it.
    Activated,
    /// An operator went back to the version before.
    RolledBack,
}

/// A change of a plugin's active version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionChange {
    /// Which plugin.
    pub plugin: PluginName,
    /// The version from then on; none where the market names the plugin no longer.
    pub digest: Option<Digest>,
    /// What led to it.
    pub why: Why,
    /// The revision that brought it; set by the store.
    pub revision: u64,
    /// Unix time in milliseconds; set by the store.
    pub at_ms: u64,
}

impl VersionChange {
    /// A change that is about to be made.
    pub fn new(plugin: PluginName, digest: Option<Digest>, why: Why) -> Self {
        Self {
            plugin,
            digest,
            why,
            revision: 0,
            at_ms: 0,
        }
    }
}

/// How a version is tried beside the active one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum TrialMode {
    /// It sees what the active one sees, and decides nothing.
    Shadow,
    /// It decides for a share of the orders.
    Canary {
        /// Of orders, in millionths.
        share_ppm: u32,
        /// By how much its rate of faults may exceed the active version's, as a fraction of calls.
        faults: f64,
        /// The same of its rate of refusals.
        refusals: f64,
        /// By how much its mean time may exceed the active version's, as a fraction of that.
        time: f64,
    },
}

/// A version on trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Which version.
    pub digest: Digest,
    /// How.
    #[serde(flatten)]
    pub mode: TrialMode,
    /// Unix time in milliseconds of its begin.
    pub since_ms: u64,
}

/// A trial that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedTrial {
    /// What it was.
    pub trial: Trial,
    /// Unix time in milliseconds of its end.
    pub at_ms: u64,
    /// Who or what ended it, in words.
    pub why: String,
    /// Whether the host ended it by itself, for what the version did.
    pub by_itself: bool,
}

#[derive(Serialize, Deserialize)]
struct Revoked {
    at_ms: u64,
}

impl Txn<'_> {
    /// Adds to a plugin's history.
    pub(crate) fn note_version(
        &mut self,
        info: &RevisionInfo,
        change: &VersionChange,
    ) -> Result<(), StoreError> {
        let change = VersionChange {
            revision: info.number,
            at_ms: info.at_ms,
            ..change.clone()
        };
        self.put(
            keys::changed_at(&change.plugin, info.number),
            codec::encode(HISTORY, &change)?,
        );
        Ok(())
    }
}

impl Store {
    /// Keeps a version of a plugin. The same one again replaces its report, and is still known
    /// to be stateful.
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
        let key = keys::plugin_version(&version.name, &version.digest);
        self.change(move |txn| {
            let mut version = version;
            if let Some(before) = txn.get(&key)? {
                let before: PluginVersion = codec::decode(PLUGIN, &before)?;
                version.stateful = version.stateful.or(before.stateful);
            }
            txn.put(key, codec::encode(PLUGIN, &version)?);
            Ok(())
        })
        .await
    }

    /// Notes that a version keeps state between calls.
    pub async fn note_stateful(
        &self,
        name: &PluginName,
        digest: &Digest,
        how: String,
    ) -> Result<(), StoreError> {
        let key = keys::plugin_version(name, digest);
        self.change(move |txn| {
            if let Some(record) = txn.get(&key)? {
                let version = PluginVersion {
                    stateful: Some(how),
                    ..codec::decode(PLUGIN, &record)?
                };
                txn.put(key, codec::encode(PLUGIN, &version)?);
            }
            Ok(())
        })
        .await
    }

    /// A version's bytes, checked against the digest. Reads a file: blocks for as long.
    pub fn plugin_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.files().get(digest)
    }

    /// A version, as it was uploaded under this name.
    pub fn plugin_version(
        &self,
        name: &PluginName,
        digest: &Digest,
    ) -> Result<Option<PluginVersion>, StoreError> {
        self.record(PLUGIN, &keys::plugin_version(name, digest))
    }

    /// Every version of every plugin, by name.
    pub fn plugins(&self) -> Result<Vec<PluginVersion>, StoreError> {
        self.records(PLUGIN, &[keys::PLUGIN])
    }

    /// Every version of one plugin.
    pub fn plugin_versions(&self, name: &PluginName) -> Result<Vec<PluginVersion>, StoreError> {
        self.records(PLUGIN, &keys::plugin(name))
    }

    /// Changes of a plugin's active version, newest first, at most `limit`.
    pub fn plugin_history(
        &self,
        name: &PluginName,
        limit: usize,
    ) -> Result<Vec<VersionChange>, StoreError> {
        self.newest(HISTORY, &keys::history(name), limit)
    }

    /// Keeps a version's compiled code for the engine that `stamp` names: a cache that may be lost
    /// and that nothing vouches for but the seal inside.
    pub async fn put_code(
        &self,
        digest: Digest,
        stamp: String,
        code: Vec<u8>,
    ) -> Result<(), StoreError> {
        let store = Arc::clone(&self.0);
        let kept =
            tokio::task::spawn_blocking(move || store.code.put_code(&digest, &stamp, &code)).await;
        kept.map_err(|error| StoreError::io("compiled code could not be kept", error))?
    }

    /// Compiled code as it was kept. Reads a file: blocks for as long.
    pub fn code(&self, digest: &Digest, stamp: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.code.code(digest, stamp)
    }

    /// Revokes a version, under whatever name it was uploaded.
    pub async fn revoke(&self, digest: Digest, at_ms: u64) -> Result<(), StoreError> {
        self.change(move |txn| {
            let key = keys::revoked(&digest);
            if txn.get(&key)?.is_none() {
                txn.put(key, codec::encode(REVOKED, &Revoked { at_ms })?);
            }
            Ok(())
        })
        .await
    }

    /// Every version that was revoked, and when, as Unix time in milliseconds.
    pub fn revoked(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let mut all = Vec::new();
        for key in self.view().keys(with_prefix(&[keys::REVOKED])) {
            let key = key?;
            if let (Some(digest), Some(revoked)) = (
                Fields::of(&key).digest(),
                self.record::<Revoked>(REVOKED, &key)?,
            ) {
                all.push((digest, revoked.at_ms));
            }
        }
        Ok(all)
    }

    /// Begins a trial, in place of one that the plugin may have; that one is noted as ended.
    pub async fn begin_trial(
        &self,
        name: PluginName,
        trial: Trial,
        ended: Option<EndedTrial>,
    ) -> Result<(), StoreError> {
        self.change(move |txn| {
            note_ended(txn, &name, ended)?;
            txn.put(keys::trial(&name), codec::encode(TRIAL, &trial)?);
            Ok(())
        })
        .await
    }

    /// Ends a plugin's trial, if it is still of that version.
    pub async fn end_trial(&self, name: PluginName, ended: EndedTrial) -> Result<(), StoreError> {
        self.change(move |txn| {
            let key = keys::trial(&name);
            let now: Option<Trial> = txn
                .get(&key)?
                .map(|record| codec::decode(TRIAL, &record))
                .transpose()?;
            if now.is_some_and(|now| now == ended.trial) {
                txn.remove(key);
                note_ended(txn, &name, Some(ended))?;
            }
            Ok(())
        })
        .await
    }

    /// Every version that is on trial.
    pub fn trials(&self) -> Result<Vec<(PluginName, Trial)>, StoreError> {
        let mut all = Vec::new();
        for key in self.view().keys(with_prefix(&[keys::TRIAL])) {
            let key = key?;
            let name = key
                .get(1..)
                .and_then(|name| std::str::from_utf8(name).ok())
                .and_then(|name| name.parse().ok());
            if let (Some(name), Some(trial)) = (name, self.record(TRIAL, &key)?) {
                all.push((name, trial));
            }
        }
        Ok(all)
    }

    /// A plugin's trials that are over, newest first, at most `limit`.
    pub fn ended_trials(
        &self,
        name: &PluginName,
        limit: usize,
    ) -> Result<Vec<EndedTrial>, StoreError> {
        self.newest(TRIAL, &keys::ended_trials(name), limit)
    }

    /// Hands over what a shadow would have decided otherwise, and does not wait for it.
    pub async fn record_differences(&self, found: Differences) -> Result<(), StoreError> {
        let record = codec::encode(DIFFERENCES, &found)?;
        let key = keys::differences(found.ping, &found.plugin);
        self.change_soon(move |txn| {
            txn.put(key, record);
            Ok(())
        })
        .await
    }

    /// What shadows would have decided otherwise in one ping.
    pub fn differences_of(&self, ping: PingId) -> Result<Vec<Differences>, StoreError> {
        self.records(DIFFERENCES, &keys::differences_of(ping))
    }

    /// What a plugin's shadows would have decided otherwise, newest ping first: pings before
    /// `before`, at most `limit`.
    pub fn differences(
        &self,
        name: &PluginName,
        before: Option<PingId>,
        limit: usize,
    ) -> Result<Page<Differences, PingId>, StoreError> {
        let limit = limit.clamp(1, LIST_MAX);
        let range = with_prefix_between(
            &[keys::DIFFERENCES],
            vec![keys::DIFFERENCES],
            before.map(keys::differences_of),
        );
        let mut items: Vec<Differences> = Vec::new();
        let mut keys = self.view().keys(range).rev();
        while let Some(key) = keys.next() {
            let key = key?;
            if !key.ends_with(name.as_str().as_bytes()) {
                continue;
            }
            let Some(found) = self.record::<Differences>(DIFFERENCES, &key)? else {
                continue;
            };
            if found.plugin != *name {
                continue;
            }
            let ping = found.ping;
            items.push(found);
            if items.len() == limit {
                return Ok(Page {
                    items,
                    next: keys.next().map(|_more| ping),
                });
            }
        }
        Ok(Page { items, next: None })
    }

    fn record<T: DeserializeOwned>(
        &self,
        what: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        self.view()
            .get(key)?
            .map(|record| codec::decode(what, &record))
            .transpose()
    }

    fn records<T: DeserializeOwned>(
        &self,
        what: &'static str,
        prefix: &[u8],
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        for key in self.view().keys(with_prefix(prefix)) {
            all.extend(self.record(what, &key?)?);
        }
        Ok(all)
    }

    fn newest<T: DeserializeOwned>(
        &self,
        what: &'static str,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        for key in self.view().keys(with_prefix(prefix)).rev().take(limit) {
            all.extend(self.record(what, &key?)?);
        }
        Ok(all)
    }
}

fn note_ended(
    txn: &mut Txn<'_>,
    name: &PluginName,
    ended: Option<EndedTrial>,
) -> Result<(), StoreError> {
    if let Some(ended) = ended {
        let key: Key = keys::ended_trial(name, ended.at_ms);
        txn.put(key, codec::encode(TRIAL, &ended)?);
    }
    Ok(())
}
