//! What time alone does: orders expire, and what was kept long enough is erased.
//!
//! Each call does a bounded piece of work, led there by an index or by ids that sort by
//! time; nothing is searched for. A candidate found by reading is only a candidate: the
//! change that follows looks again.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gavel_market::ids::{OrderId, PingId, Ulid};
use sled::IVec;

use crate::{
    LIST_MAX, Store, again,
    change::Txn,
    error::StoreError,
    keys::{self, Fields, Key},
    report,
    view::with_prefix_between,
};

/// Orders or pings in one change of a sweep: few enough that a change between two of them does
/// not wait for long.
const CHUNK: usize = 64;

/// Changes of a sweep under way: all of them may be in one group, and whoever waits for that
/// waits for no more.
const CHUNKS_AT_ONCE: usize = 8;

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

    /// Pings received until then, oldest first, at most `limit`, without those that are in no
    /// report yet: they wait until they are.
    fn pings_due(&self, until_ms: u64, limit: usize) -> Result<Vec<IVec>, StoreError> {
        let until = first_ulid_not_due(keys::PING, until_ms);
        let (mut due, mut from) = (Vec::new(), vec![keys::PING]);
        loop {
            let range = with_prefix_between(&[keys::PING], from, Some(until.clone()));
            let pings = self
                .view()
                .keys(range)
                .take(limit - due.len())
                .collect::<Result<Vec<_>, _>>()?;
            let (Some(first), Some(last)) = (pings.first(), pings.last()) else {
                return Ok(due);
            };
            // Asked for when the pings are there, so that none of them is missed.
            let waiting = self.uncounted_between(ping_of(first)?, ping_of(last)?)?;
            from = [last, &[0][..]].concat();
            for ping in pings {
                if !waiting.contains(&ping_of(&ping)?) {
                    due.push(ping);
                }
            }
            if due.len() == limit {
                return Ok(due);
            }
        }
    }

    /// Changes each of these, in chunks; counts those for which something was to be done.
    ///
    /// One record that cannot be read holds up none of the others: a chunk with one in it is
    /// changed piece by piece, and that piece is passed over.
    async fn sweep<F>(&self, due: Vec<IVec>, change: F) -> Result<usize, StoreError>
    where
        F: Fn(&mut Txn<'_>, &[u8]) -> Result<bool, StoreError> + Clone + Send + 'static,
    {
        // Several at a time, since each waits for a group to be durable: one after the other,
        // a sweep would be slower than a busy market opens orders.
        let chunks: Vec<_> = due.chunks(CHUNK).map(<[_]>::to_vec).collect();
        let sweeping = chunks
            .into_iter()
            .map(|chunk| self.sweep_chunk(chunk, change.clone()));
        let mut swept = stream::iter(sweeping).buffer_unordered(CHUNKS_AT_ONCE);
        let mut count = 0;
        while let Some(some) = swept.next().await {
            count += some?;
        }
        Ok(count)
    }

    async fn sweep_chunk<F>(&self, chunk: Vec<IVec>, change: F) -> Result<usize, StoreError>
    where
        F: Fn(&mut Txn<'_>, &[u8]) -> Result<bool, StoreError> + Clone + Send + 'static,
    {
        let swept = self.sweep_some(chunk.clone(), change.clone()).await;
        if !swept.as_ref().is_err_and(StoreError::is_of_a_record) {
            return swept;
        }
        let mut count = 0;
        for key in &chunk {
            count += self.sweep_one(key, change.clone()).await?;
        }
        Ok(count)
    }

    async fn sweep_some<F>(&self, keys: Vec<IVec>, change: F) -> Result<usize, StoreError>
    where
        F: Fn(&mut Txn<'_>, &[u8]) -> Result<bool, StoreError> + Send + 'static,
    {
        self.change(move |txn| {
            keys.iter().try_fold(0, |count, key| {
                Ok::<_, StoreError>(count + usize::from(change(txn, key)?))
            })
        })
        .await
    }

    /// Changes one that may not be readable. What is damaged goes from where it was found, so
    /// that it is not come to again, and no lead's personal fields outlive it; what a newer Gavel wrote is
    /// left for that one.
    async fn sweep_one<F>(&self, key: &IVec, change: F) -> Result<usize, StoreError>
    where
        F: Fn(&mut Txn<'_>, &[u8]) -> Result<bool, StoreError> + Send + 'static,
    {
        let error = match self.sweep_some(vec![key.clone()], change).await {
            Err(error) if error.is_of_a_record() => error,
            changed => return changed,
        };
        let order = order_of(key);
        let named = order.map(|id| id.to_string());
        let ping = || ping_of(key).ok().map(|id| id.to_string());
        let name = named.or_else(ping).unwrap_or_default();
        tracing::error!(id = name, %error, "what is due cannot be swept, and is passed over");
        if matches!(error, StoreError::Newer { .. }) {
            return Ok(0);
        }
        let key = key.clone();
        let passed_over: Result<_, StoreError> = self
            .change(move |txn| {
                if let Some(order) = order.filter(|_| !key.starts_with(&[keys::OPEN_BY_EXPIRY])) {
                    txn.erase_sealed(order.lead())?;
                }
                txn.remove(key.to_vec());
                Ok(1)
            })
            .await;
        match passed_over {
            // Tried again with the next sweep, and until then in nobody's way.
            Err(error) if error.is_of_a_record() => {
                tracing::error!(id = name, %error, "a lead's personal fields cannot be erased");
                Ok(0)
            }
            passed_over => passed_over,
        }
    }

    /// Expires open orders whose window has passed, at most `limit`; returns how many.
    pub async fn expire_due(&self, now_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let due = self.due(
            keys::OPEN_BY_EXPIRY,
            first_not_due(keys::OPEN_BY_EXPIRY, now_ms),
            limit.clamp(1, LIST_MAX),
        )?;
        self.sweep(due, expire).await
    }

    /// Erases what was kept long enough: at most `limit` of each kind; returns how many in
    /// all. Call it again at once while it returns something.
    ///
    /// Pings, with what shadows made of them, and with their orders where these were never
    /// posted, go `ping_retention` after they were received; remembered answers when they
    /// expire, and leads' fingerprints when nobody asks for them any more, whatever became of
    /// their orders; posted orders `retention` after they were settled, with everything
    /// personal, and never while a delivery is unconfirmed. Ledgers stay, and what was counted
    /// of caps and budgets. A ping that is in no report yet waits until it is; an order that is
    /// open longer than its ping is kept goes when it expires.
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
            let pings = self.pings_due(until_ms, limit)?;
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
            count += self.sweep(settled, erase_order).await?;
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

/// The order that a key of one of its indexes names.
fn order_of(key: &[u8]) -> Option<OrderId> {
    let id = match *key.first()? {
        keys::OPEN_BY_EXPIRY | keys::SETTLED => timed_ulid(key),
        _ => None,
    };
    id.map(OrderId)
}

fn expire(txn: &mut Txn<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let id = order_of(key).ok_or_else(|| damaged("open orders by expiry"))?;
    // False where it was posted meanwhile.
    txn.expire_order(key, id)
}

fn forget_answer(txn: &mut Txn<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let (expires_at_ms, hash) =
        again::again_of(key).ok_or_else(|| damaged("index of remembered answers"))?;
    txn.forget_again(expires_at_ms, &hash)?;
    Ok(true)
}

fn ping_of(key: &[u8]) -> Result<PingId, StoreError> {
    let id = key
        .starts_with(&[keys::PING])
        .then(|| Fields::of(key).ulid());
    id.flatten().map(PingId).ok_or_else(|| damaged("ping"))
}

fn erase_ping(txn: &mut Txn<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let id = ping_of(key)?;
    txn.erase_expired(id.order())?;
    txn.remove(keys::ping(id));
    Ok(true)
}

/// Erases the order that an index's entry names, if that entry still follows from it.
fn erase_order(txn: &mut Txn<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let id = order_of(key).ok_or_else(|| damaged("index of orders to be erased"))?;
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
