//! The market's revisions: a history that is only ever added to.
//!
//! Revisions are numbered from 1, and the last one is active. Going back to an old one adds a
//! revision with the old text: numbers never come again, so whoever expects revision 7 to
//! be active cannot be deceived by one that was put, and taken back, in between; and an
//! order's revision names one text for ever.

use std::{collections::BTreeMap, sync::Arc};

use gavel_market::ids::{Digest, PluginName};
use serde::{Deserialize, Serialize};

use crate::{
    LIST_MAX, Page, Store,
    change::Txn,
    codec,
    error::{RevisionError, StoreError},
    keys::{self, Fields},
    plugins::VersionChange,
    view::{with_prefix, with_prefix_between},
};

const REVISION: &str = "market revision";

/// How a market's text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON of the same shape.
    Json,
}

/// A market to be made active.
#[derive(Debug, Clone)]
pub struct NewRevision {
    /// The market, its plugins named by digest.
    pub text: String,
    /// How it is written.
    pub format: Format,
    /// Digest of the file that it came from, to tell at a start whether that was applied.
    pub source: Option<Digest>,
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// Which token put it.
    pub by: String,
    /// Which plugins' active versions it changes.
    pub changed: Vec<VersionChange>,
}

/// A revision, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionInfo {
    /// Its number.
    pub number: u64,
    /// How it is written.
    pub format: Format,
    /// Digest of its text.
    pub text_digest: Digest,
    /// Digest of the file that it came from.
    pub source: Option<Digest>,
    /// Unix time in milliseconds at which it became active.
    pub at_ms: u64,
    /// Which token put it.
    pub by: String,
    /// The revision whose text it repeats, if it is a rollback.
    pub rolled_back_to: Option<u64>,
    /// Versions that were activated since its text was put; they stand in place of those that
    /// the text names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<PluginName, Digest>,
}

/// A revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// All but its text.
    pub info: RevisionInfo,
    /// The market.
    pub text: String,
}

impl Txn<'_> {
    /// The number of the active revision; none before the first.
    pub(crate) fn active_number(&self) -> Result<Option<u64>, StoreError> {
        let last = self.last_key(&[keys::REVISION])?;
        Ok(last.and_then(|key| Fields::of(&key).u64()))
    }

    /// Adds a revision behind the last, which must be `expected` where that is given.
    fn add_revision(
        &mut self,
        expected: Option<u64>,
        changed: &[VersionChange],
        info: impl FnOnce(u64) -> RevisionInfo,
    ) -> Result<u64, RevisionError> {
        let last = self.active_number()?;
        if expected.is_some() && expected != last {
            return Err(RevisionError::Conflict { active: last });
        }
        let number = last.map_or(1, |last| last + 1);
        let info = info(number);
        for change in changed {
            self.note_version(&info, change)?;
        }
        self.put(keys::revision(number), codec::encode(REVISION, &info)?);
        Ok(number)
    }
}

impl Store {
    /// Makes a market the active one. With `expected`, only if that revision is active.
    pub async fn put_revision(
        &self,
        new: NewRevision,
        expected: Option<u64>,
    ) -> Result<u64, RevisionError> {
        let NewRevision {
            text,
            format,
            source,
            at_ms,
            by,
            changed,
        } = new;
        let text_digest = self.keep_file(text.into_bytes()).await?;
        self.change(move |txn| {
            txn.add_revision(expected, &changed, |number| RevisionInfo {
                number,
                format,
                text_digest,
                source,
                at_ms,
                by,
                rolled_back_to: None,
                versions: BTreeMap::new(),
            })
        })
        .await
    }

    /// Makes an old revision's text the active one again, as a revision of its own.
    pub async fn roll_back(
        &self,
        to: u64,
        expected: Option<u64>,
        at_ms: u64,
        by: String,
        changed: Vec<VersionChange>,
    ) -> Result<u64, RevisionError> {
        let old = self.revision_info(to)?.ok_or(RevisionError::NotFound)?;
        self.change(move |txn| {
            txn.add_revision(expected, &changed, |number| RevisionInfo {
                number,
                at_ms,
                by,
                rolled_back_to: Some(to),
                ..old
            })
        })
        .await
    }

    /// Makes one version of a plugin the active one: a revision with the text of `expected`,
    /// which must be active.
    pub async fn activate_version(
        &self,
        change: VersionChange,
        digest: Digest,
        expected: u64,
        at_ms: u64,
        by: String,
    ) -> Result<u64, RevisionError> {
        let old = self
            .revision_info(expected)?
            .ok_or(RevisionError::NotFound)?;
        self.change(move |txn| {
            let mut versions = old.versions.clone();
            versions.insert(change.plugin.clone(), digest);
            txn.add_revision(Some(expected), std::slice::from_ref(&change), |number| {
                RevisionInfo {
                    number,
                    at_ms,
                    by,
                    versions,
                    ..old
                }
            })
        })
        .await
    }

    /// The active revision; `None` before the first.
    pub fn active_revision(&self) -> Result<Option<Revision>, StoreError> {
        // The last key may be of a revision that is not durable yet.
        for key in self.view().keys(with_prefix(&[keys::REVISION])).rev() {
            if let Some(revision) = Fields::of(&key?)
                .u64()
                .map(|number| self.revision(number))
                .transpose()?
                .flatten()
            {
                return Ok(Some(revision));
            }
        }
        Ok(None)
    }

    /// A revision with its text.
    pub fn revision(&self, number: u64) -> Result<Option<Revision>, StoreError> {
        let Some(info) = self.revision_info(number)? else {
            return Ok(None);
        };
        let lost = || StoreError::unreadable(REVISION, "its text is not there");
        let text = self.files().get(&info.text_digest)?.ok_or_else(lost)?;
        let text = String::from_utf8(text)
            .map_err(|_| StoreError::unreadable(REVISION, "its text is no UTF-8"))?;
        Ok(Some(Revision { info, text }))
    }

    fn revision_info(&self, number: u64) -> Result<Option<RevisionInfo>, StoreError> {
        self.view()
            .get(&keys::revision(number))?
            .map(|record| codec::decode(REVISION, &record))
            .transpose()
    }

    /// Revisions, newest first: those before `before`.
    pub fn revisions(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<RevisionInfo, u64>, StoreError> {
        let limit = limit.clamp(1, LIST_MAX);
        let range = with_prefix_between(
            &[keys::REVISION],
            keys::revision(0),
            before.map(keys::revision),
        );
        let mut items = Vec::new();
        let mut keys = self.view().keys(range).rev();
        while let Some(key) = keys.next() {
            let Some(record) = self.view().get(&key?)? else {
                continue;
            };
            let info: RevisionInfo = codec::decode(REVISION, &record)?;
            let number = info.number;
            items.push(info);
            if items.len() == limit {
                return Ok(Page {
                    items,
                    next: keys.next().map(|_more| number),
                });
            }
        }
        Ok(Page { items, next: None })
    }

    /// Keeps bytes as a file named by their digest, off the runtime's threads.
    pub(crate) async fn keep_file(&self, bytes: Vec<u8>) -> Result<Digest, StoreError> {
        let store = Arc::clone(&self.0);
        let kept = tokio::task::spawn_blocking(move || store.files.put(&bytes)).await;
        kept.map_err(|error| StoreError::io("a file could not be kept", error))?
    }
}
