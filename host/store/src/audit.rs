//! The audit trail: what was changed on whose behalf, and from which market to which.
//!
//! Whoever serves an operator's request does it inside [`on_behalf`]. Every change made in
//! there writes the request's one record in its own transaction, so no change is without one
//! and no record is of a change that was not made. A request that changes nothing leaves none.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use gavel_market::ids::{AuditId, Ulid};
use serde::{Deserialize, Serialize};

use crate::{
    LIST_MAX, Page, Store,
    change::Txn,
    codec,
    error::{self, StoreError},
    keys::{self, Fields},
    view::with_prefix_between,
};

const AUDIT: &str = "audit record";

/// Most characters of what [`with`] adds under one name: a digest has 64.
const WITH_MAX_CHARS: usize = 256;

/// Stands in a [`Note`] for what the host does without being asked: a market file at its start, a
/// canary that ends by itself.
pub const BY_ITSELF: &str = "host";

/// On whose behalf something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Unix time in milliseconds of the request.
    pub at_ms: u64,
    /// Which token, by the first digits of its digest; or [`BY_ITSELF`].
    pub token: String,
    /// What is asked for, such as `POST /deliveries/dl_…/settle`; nothing personal, no secret.
    pub what: String,
    /// The request's own name, as its answer carries it.
    pub request_id: String,
}

/// What was changed on somebody's behalf; kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its id; records sort by time.
    pub id: AuditId,
    /// Unix time in milliseconds of the request.
    pub at_ms: u64,
    /// Which token.
    pub token: String,
    /// What was asked for.
    pub what: String,
    /// What of the request decides what it does, by name, such as a version's `digest`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// The request's own name.
    #[serde(default)]
    pub request_id: String,
    /// The market's active revision before the first change; none before there was any.
    pub from: Option<u64>,
    /// And after the last.
    pub to: Option<u64>,
    /// How many changes it took.
    pub changes: u32,
}

/// A note under its record's id.
pub(crate) struct Noted {
    id: AuditId,
    note: Note,
    with: Mutex<BTreeMap<String, String>>,
}

tokio::task_local! {
    static NOTED: Arc<Noted>;
}

/// Does something on somebody's behalf: every change of a store that this future makes is in
/// the audit trail under this note.
///
/// Only what runs in the future itself: a task that it spawns does not inherit the note, and
/// what that changes is nobody's. So work that merely follows from a request – deliveries that
/// go on – may be spawned from it, and what was asked for may not.
pub async fn on_behalf<F: Future>(note: Note, future: F) -> F::Output {
    let id = AuditId(Ulid::from_parts(note.at_ms, Ulid::new().random()));
    let noted = Noted {
        id,
        note,
        with: Mutex::default(),
    };
    NOTED.scope(Arc::new(noted), future).await
}

/// Adds to the note under which this task works what its request asks for; nothing personal, no
/// secret. What is longer than [`WITH_MAX_CHARS`] is cut.
pub fn with(name: &str, value: &str) {
    if let Some(noted) = noted() {
        let value = value.chars().take(WITH_MAX_CHARS).collect();
        let mut with = noted.with.lock().unwrap_or_else(PoisonError::into_inner);
        with.insert(name.to_owned(), value);
    }
}

/// The note under which this task works.
pub(crate) fn noted() -> Option<Arc<Noted>> {
    NOTED.try_with(Arc::clone).ok()
}

impl Txn<'_> {
    /// Makes a change on somebody's behalf.
    pub(crate) fn on_record<T, E: From<StoreError>>(
        &mut self,
        noted: &Noted,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.active_number()?;
        let done = change(self)?;
        if self.has_written() {
            self.put_audit(noted, before)?;
        }
        Ok(done)
    }

    fn put_audit(&mut self, noted: &Noted, before: Option<u64>) -> Result<(), StoreError> {
        let Noted { id, note, with } = noted;
        let key = keys::audit(*id);
        let there = self.get(&key)?.map(|record| read(&record)).transpose()?;
        let mut record = there.unwrap_or_else(|| AuditRecord {
            id: *id,
            at_ms: note.at_ms,
            token: note.token.clone(),
            what: note.what.clone(),
            with: with.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            request_id: note.request_id.clone(),
            from: before,
            to: before,
            changes: 0,
        });
        record.to = self.active_number()?;
        record.changes = record.changes.saturating_add(1);
        self.put(key, codec::encode(AUDIT, &record)?);
        Ok(())
    }
}

fn read(record: &[u8]) -> Result<AuditRecord, StoreError> {
    codec::decode(AUDIT, record)
}

impl Store {
    /// The audit trail, newest first: the records before `before`, which is the last page's
    /// `next`.
    pub fn audit(
        &self,
        before: Option<AuditId>,
        limit: usize,
    ) -> Result<Page<AuditRecord, AuditId>, StoreError> {
        let limit = limit.clamp(1, LIST_MAX);
        let prefix = [keys::AUDIT];
        let range = with_prefix_between(&prefix, prefix.to_vec(), before.map(keys::audit));
        let mut items = Vec::new();
        let mut keys = self.view().keys(range).rev();
        while let Some(key) = keys.next() {
            let key = key?;
            let id = Fields::of(&key)
                .ulid()
                .map(AuditId)
                .ok_or_else(|| StoreError::unreadable(AUDIT, "its key is too short"))?;
            let record = self.view().get(&key);
            items.extend(error::listed(
                id,
                record.and_then(|record| record.map(|record| read(&record)).transpose()),
            )?);
            if items.len() == limit {
                return Ok(Page {
                    items,
                    next: keys.next().map(|_more| id),
                });
            }
        }
        Ok(Page { items, next: None })
    }
}
