//! What time alone does: orders expire, and what was kept long enough is erased.
//!
//! Each call does a bounded piece of work, led there by an index or by ids that sort by
//! time; nothing is searched for. A candidate found by reading is only a candidate: the
//! change that follows looks again.

use std::time::Duration;

use gavel_market::{
    ids::{OrderId, PingId, Ulid},
    order::NotOpen,
};
use sled::IVec;

use crate::{
    LIST_MAX, Store, again,
    change::Txn,
    error::{ChangeError, StoreError},
    keys::{self, Fields, Key},
    report,
    view::with_prefix_between,
};

/// Orders or pings in one change of a sweep: whoever waits for a group waits for no more.
const CHUNK: usize = 64;

/// The first key of an index, by time, that is not due at `until_ms`.
fn first_not_due(tag: u8, until_ms: u64) -> Key {
    let mut key = vec![tag];
    key.extend_from_slice(&until_ms.saturating_add(1).to_be_bytes());
    key
}

/// The first key, by a ULID's time, that is not due at `until_ms`.
fn first_ulid_not_due(tag: u8, until_ms: u64) -> Key {
    let mut key = vec![tag];
    let latest = (1 << Ulid::TIME_BITS) - 1;
    key.extend_from_slice(&Ulid::from_parts(until_ms.saturating_add(1).min(latest), 0).to_bytes());
    key
}

fn before(now_ms: u64, kept: Duration) -> Option<u64> {
    now_ms.checked_sub(u64::try_from(kept.as_millis()).ok()?)
}

impl Store {
    fn due(&self, tag: u8, until: Key, limit: usize) -> Result<Vec<IVec>, StoreError> {
        self.view()
            .keys(with_prefix_between(&[tag], vec![tag], Some(until)))
            .take(limit)
            .collect()
    }

    /// Changes each of these, in chunks; counts those for which something was to be done.
    async fn sweep<F>(&self, due: Vec<IVec>, change: F) -> Result<usize, StoreError>
    where
        F: Fn(&mut Txn<'_>, &[u8]) -> Result<bool, StoreError> + Clone + Send + 'static,
    {
        let mut count = 0;
        for chunk in due.chunks(CHUNK) {
            let (chunk, change) = (chunk.to_vec(), change.clone());
            count += self
                .change(move |txn| {
                    chunk.iter().try_fold(0, |count, key| {
                        Ok::<_, StoreError>(count + usize::from(change(txn, key)?))
                    })
                })
                .await?;
        }
        Ok(count)
    }

    /// Expires open orders whose window has passed, at most `limit`; returns how many.
    pub async fn expire_due(&self, now_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let due = self.due(
            keys::OPEN_BY_EXPIRY,
            first_not_due(keys::OPEN_BY_EXPIRY, now_ms),
            limit.clamp(1, LIST_MAX),
        )?;
        self.sweep(due, move |txn, key| expire(txn, key, now_ms))
            .await
    }

    /// Erases what was kept long enough: at most `limit` of each kind; returns how many in
    /// all. Call it again at once while it returns something.
    ///
    /// Pings, with what shadows made of them, and orders never posted, go `ping_retention` after they were received;
    /// remembered answers when they expire, and leads' fingerprints when nobody asks for them
    /// any more, whatever became of their orders; posted orders `retention` after they were
    /// settled, with everything personal, and never while a delivery is unconfirmed. Ledgers
    /// stay, and what was counted of caps and budgets. A ping that is in no report yet waits
    /// until it is.
    pub async fn erase_due(
        &self,
        now_ms: u64,
        ping_retention: Duration,
        retention: Duration,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let limit = limit.clamp(1, LIST_MAX);
        let answers = self.due(
            keys::AGAIN_BY_EXPIRY,
            first_not_due(keys::AGAIN_BY_EXPIRY, now_ms),
            limit,
        )?;
        let mut count = self.sweep(answers, forget_answer).await?;
        let seen = self.due(
            keys::SEEN_BY_END,
            first_not_due(keys::SEEN_BY_END, now_ms),
            limit,
        )?;
        count += self
            .sweep(seen, |txn, key| txn.forget_seen(key).map(|()| true))
            .await?;
        let sub_ids = self.due(keys::SUB_ID, report::first_sub_id_kept(now_ms), limit)?;
        count += self
            .sweep(sub_ids, |txn, key| {
                txn.remove(key.to_vec());
                Ok(true)
            })
            .await?;
        if let Some(until_ms) = before(now_ms, ping_retention) {
            let never_posted = self.due(
                keys::NEVER_POSTED,
                first_ulid_not_due(keys::NEVER_POSTED, until_ms),
                limit,
            )?;
            count += self
                .sweep(never_posted, |txn, key| {
                    erase_order(txn, key, Fields::of(key).ulid())
                })
                .await?;
            let pings = self.due(keys::PING, first_ulid_not_due(keys::PING, until_ms), limit)?;
            count += self.sweep(pings, erase_ping).await?;
            let differences = self.due(
                keys::DIFFERENCES,
                first_ulid_not_due(keys::DIFFERENCES, until_ms),
                limit,
            )?;
            count += self
                .sweep(differences, |txn, key| {
                    txn.remove(key.to_vec());
                    Ok(true)
                })
                .await?;
        }
        if let Some(until_ms) = before(now_ms, retention) {
            let settled = self.due(keys::SETTLED, first_not_due(keys::SETTLED, until_ms), limit)?;
            count += self
                .sweep(settled, |txn, key| erase_order(txn, key, timed_ulid(key)))
                .await?;
        }
        Ok(count)
    }
}

/// The ULID in a key of an index by time.
fn timed_ulid(key: &[u8]) -> Option<Ulid> {
    let mut fields = Fields::of(key);
    fields.u64()?;
    fields.ulid()
}

fn expire(txn: &mut Txn<'_>, key: &[u8], now_ms: u64) -> Result<bool, StoreError> {
    let id = timed_ulid(key)
        .map(OrderId)
        .ok_or_else(|| damaged("index of open orders"))?;
    let expired = txn.transition(id, |order, _| match order.expire(now_ms, false) {
        Ok(()) => Ok(Vec::new()),
        Err(NotOpen) => Err(ChangeError::Refused(NotOpen)),
    });
    match expired {
        Ok(_) => Ok(true),
        // Posted meanwhile.
        Err(ChangeError::Refused(NotOpen) | ChangeError::NotFound) => Ok(false),
        Err(ChangeError::Store(error)) => Err(error),
    }
}

fn forget_answer(txn: &mut Txn<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let (expires_at_ms, hash) =
        again::again_of(key).ok_or_else(|| damaged("index of remembered answers"))?;
    txn.forget_again(expires_at_ms, &hash)?;
    Ok(true)
}

fn erase_ping(txn: &mut Txn<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let id = Fields::of(key)
        .ulid()
        .map(PingId)
        .ok_or_else(|| damaged("ping"))?;
    // What is in no report yet waits until it is.
    let goes = !txn.is_uncounted(id)?;
    if goes {
        txn.remove(keys::ping(id));
    }
    Ok(goes)
}

/// Erases the order that an index's entry names, if that entry still follows from it.
fn erase_order(txn: &mut Txn<'_>, key: &[u8], id: Option<Ulid>) -> Result<bool, StoreError> {
    let id = id
        .map(OrderId)
        .ok_or_else(|| damaged("index of orders to be erased"))?;
    let order = txn.order(id)?.map(|(order, _)| order);
    let Some(order) = order.filter(|order| {
        crate::orders::index_of(order)
            .iter()
            .any(|entry| entry == key)
    }) else {
        return Ok(false);
    };
    txn.erase_order(&order)?;
    Ok(true)
}

fn damaged(what: &'static str) -> StoreError {
    StoreError::unreadable(what, "a key is too short")
}
