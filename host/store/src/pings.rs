//! Pings: their records, the orders that they open, and the answers to be given again.
//!
//! An order is opened against the clock. One that is not durable by the ping's deadline must
//! never be open, for the supplier was told `no_bid`; and one whose supplier was told `bid`
//! must be there. So the committer and the task that waits agree, over one oneshot channel,
//! on whether it was told: what the committer wrote and could not tell, it takes back.

use std::time::Instant;

use gavel_market::{
    ids::{AccountId, CampaignId, Digest, OrderId, PingId, Ulid},
    order::Order,
    reason::{NoBidReason, Outcome},
    record::{PingAnswer, PingRecord},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::timeout_at};

use crate::{
    LIST_MAX, Page, Store,
    change::{Change, Job, Txn},
    codec,
    error::{ChangeError, OpenOrderError, StoreError},
    keys::{self, Fields, Key},
    orders,
    view::with_prefix_between,
};

const PING: &str = "ping";
const AGAIN: &str = "remembered answer";

/// Records that one call of [`Store::pings`] looks at, at most: some tens of milliseconds of
/// work. A filter that few pings match gives short pages, each with a `next`.
const SCAN_MAX_RECORDS: usize = 2_000;

/// An answer to be given again to the same ping (`rules.md`, ping 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Keyed hash of campaign and idempotency key: [`Store::again_key`].
    pub key: Digest,
    /// Keyed hash of the request: the same key with another request is an error.
    pub request_hash: Digest,
    /// What was answered.
    pub answer: PingAnswer,
    /// To which ping.
    pub ping: PingId,
    /// Unix time in milliseconds at which it is forgotten.
    pub expires_at_ms: u64,
}

/// Which pings to list.
#[derive(Debug, Clone, Default)]
pub struct PingQuery {
    /// Only of this campaign.
    pub campaign: Option<CampaignId>,
    /// Only those whose record names this account; with `outcome`, where that was the
    /// account's.
    pub account: Option<AccountId>,
    /// Only those where some account had this outcome.
    pub outcome: Option<Outcome>,
    /// Only those received at this Unix time in milliseconds or later.
    pub since_ms: Option<u64>,
    /// Only those before this one: the last page's `next`.
    pub after: Option<PingId>,
    /// At most so many.
    pub limit: usize,
}

impl PingQuery {
    fn takes(&self, record: &PingRecord) -> bool {
        let campaign = self
            .campaign
            .as_ref()
            .is_none_or(|campaign| *campaign == record.campaign);
        let any = self.account.is_none() && self.outcome.is_none();
        campaign
            && (any
                || record.outcomes.iter().any(|account| {
                    self.account
                        .as_ref()
                        .is_none_or(|wanted| *wanted == account.account)
                        && self.outcome.is_none_or(|wanted| wanted == account.outcome)
                }))
    }
}

/// Records a ping, with its order and its remembered answer, where there are.
struct Open {
    ping: PingId,
    ping_record: Vec<u8>,
    received_at_ms: u64,
    order: Option<Opened>,
    again: Option<(Again, Vec<u8>)>,
    /// The ping's deadline.
    until: Instant,
    outcome: Result<(), OpenOrderError>,
    reply: oneshot::Sender<Result<(), OpenOrderError>>,
}

/// An order to be opened.
struct Opened {
    id: OrderId,
    record: Vec<u8>,
    index: Vec<Key>,
}

impl Open {
    fn write(&mut self, txn: &mut Txn<'_>) -> Result<(), OpenOrderError> {
        if Instant::now() > self.until {
            return Err(OpenOrderError::Late);
        }
        if let Some(order) = &self.order
            && txn.get(&keys::quoted(order.id))?.is_some()
        {
            return Err(OpenOrderError::Taken);
        }
        if let Some((again, _)) = &self.again
            && let Some(there) = read_again(txn.get(&keys::again(&again.key))?)?
            && there.expires_at_ms > self.received_at_ms
        {
            return Err(OpenOrderError::Exists(Box::new(there)));
        }
        txn.put(keys::ping(self.ping), std::mem::take(&mut self.ping_record));
        if let Some(order) = &mut self.order {
            txn.put(keys::quoted(order.id), std::mem::take(&mut order.record));
            order.index.drain(..).for_each(|key| txn.mark(key, true));
        }
        if let Some((again, record)) = &mut self.again {
            txn.put(keys::again(&again.key), std::mem::take(record));
            txn.mark(keys::again_by_expiry(again.expires_at_ms, &again.key), true);
        }
        Ok(())
    }

    fn take_back(&self) -> Box<dyn Job> {
        let (ping, again) = (self.ping, self.again.as_ref().map(|(again, _)| again.key));
        Box::new(Change::new(
            move |txn: &mut Txn<'_>| take_back(txn, ping, again),
            None,
        ))
    }
}

impl Job for Open {
    fn is_urgent(&self) -> bool {
        true
    }

    fn run(&mut self, txn: &mut Txn<'_>) -> bool {
        self.outcome = self.write(txn);
        self.outcome.is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) -> Option<Box<dyn Job>> {
        let written = committed.is_ok() && self.outcome.is_ok();
        let late = written && Instant::now() > self.until;
        let back = written.then(|| self.take_back());
        let outcome = match committed {
            Err(error) => Err(error.into()),
            Ok(()) if late => Err(OpenOrderError::Late),
            Ok(()) => self.outcome,
        };
        let told = self.reply.send(outcome).is_ok();
        back.filter(|_| late || !told)
    }
}

/// Makes a ping's record, and its answer to be given again, say what its supplier was told:
/// `no_bid`, for want of time. Its order is expired.
fn take_back(txn: &mut Txn<'_>, ping: PingId, again: Option<Digest>) -> Result<(), StoreError> {
    let answer = PingAnswer::NoBid {
        reason: NoBidReason::NoTime,
    };
    if let Some(record) = txn.get(&keys::ping(ping))? {
        let record = codec::decode::<PingRecord>(PING, &record)?.out_of_time();
        txn.put(keys::ping(ping), codec::encode(PING, &record)?);
    }
    if let Some(key) = again
        && let Some(there) = read_again(txn.get(&keys::again(&key))?)?
        && there.ping == ping
    {
        txn.put(
            keys::again(&key),
            codec::encode(AGAIN, &Again { answer, ..there })?,
        );
    }
    let expired = txn.transition(ping.order(), |order, _| {
        let at_ms = order.expires_at_ms;
        order
            .expire(at_ms, true)
            .map(|()| Vec::new())
            .map_err(ChangeError::Refused)
    });
    match expired {
        Err(ChangeError::Store(error)) => Err(error),
        Ok(_) | Err(ChangeError::NotFound | ChangeError::Refused(_)) => Ok(()),
    }
}

fn read_again(record: Option<sled::IVec>) -> Result<Option<Again>, StoreError> {
    record
        .map(|record| codec::decode(AGAIN, &record))
        .transpose()
}

/// The expiry and the key that an entry of the index of remembered answers names.
pub(crate) fn again_of(key: &[u8]) -> Option<(u64, Digest)> {
    let mut fields = Fields::of(key);
    Some((fields.u64()?, fields.digest()?))
}

impl Txn<'_> {
    /// Forgets an answer, unless a later one stands in its place.
    pub(crate) fn forget_again(
        &mut self,
        expires_at_ms: u64,
        key: &Digest,
    ) -> Result<(), StoreError> {
        let there = read_again(self.get(&keys::again(key))?)?;
        if there.is_some_and(|again| again.expires_at_ms <= expires_at_ms) {
            self.remove(keys::again(key));
        }
        self.mark(keys::again_by_expiry(expires_at_ms, key), false);
        Ok(())
    }
}

impl Store {
    /// Ping 11: the order, the ping's record and the answer to be given again, in one
    /// transaction. `Ok` says that they are durable.
    ///
    /// Returns by `until`, which is the ping's deadline. [`OpenOrderError::Late`] then means
    /// that the order is not open and never will be: if it was written after all, it is
    /// expired again, and record and remembered answer say `no_bid`, `no_time`.
    pub async fn open_order(
        &self,
        mut order: Order,
        ping: PingRecord,
        again: Option<Again>,
        until: Instant,
    ) -> Result<(), OpenOrderError> {
        let opened = Opened {
            id: order.id,
            record: orders::quoted_record(&mut order)?,
            index: orders::index_of(&order),
        };
        drop(order);
        self.open_until(&ping, Some(opened), again, until).await
    }

    /// Records a ping that is answered `no_bid`, durably, with the answer to be given again.
    /// [`OpenOrderError::Late`] as in [`Store::open_order`].
    pub async fn record_ping_again(
        &self,
        ping: PingRecord,
        again: Again,
        until: Instant,
    ) -> Result<(), OpenOrderError> {
        self.open_until(&ping, None, Some(again), until).await
    }

    async fn open_until(
        &self,
        ping: &PingRecord,
        order: Option<Opened>,
        again: Option<Again>,
        until: Instant,
    ) -> Result<(), OpenOrderError> {
        let (reply, mut answer) = oneshot::channel();
        let again = again
            .map(|again| codec::encode(AGAIN, &again).map(|record| (again, record)))
            .transpose()?;
        let job = Open {
            ping: ping.id,
            ping_record: codec::encode(PING, ping)?,
            received_at_ms: ping.input.received_at_ms,
            order,
            again,
            until,
            outcome: Err(OpenOrderError::Late),
            reply,
        };
        match timeout_at(until.into(), self.shared().queue.push(Box::new(job))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(self.shared().closed().into()),
            Err(_) => return Err(OpenOrderError::Late),
        }
        match timeout_at(until.into(), &mut answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(self.shared().closed().into()),
            Err(_) => {
                // From here on the committer cannot tell any more. Either it has, or it takes
                // back what it wrote.
                answer.close();
                answer.try_recv().unwrap_or(Err(OpenOrderError::Late))
            }
        }
    }

    /// Records a ping that is answered `no_bid`. Waits for a place in the queue, not for the
    /// disk: a power cut may lose the record, and nobody was promised it.
    pub async fn record_ping(&self, ping: PingRecord) -> Result<(), StoreError> {
        let record = codec::encode(PING, &ping)?;
        let id = ping.id;
        self.change_soon(move |txn| {
            txn.put(keys::ping(id), record);
            Ok(())
        })
        .await
    }

    /// The keyed hash under which an answer is remembered.
    pub fn again_key(&self, campaign: &CampaignId, key: &str) -> Digest {
        // A campaign's name has no zero byte.
        self.keyed_hash(
            "idempotency key",
            &[campaign.as_str().as_bytes(), &[0], key.as_bytes()].concat(),
        )
    }

    /// The answer remembered under this hash; it may have expired and not be swept yet.
    pub fn again(&self, key: &Digest) -> Result<Option<Again>, StoreError> {
        read_again(self.view().get(&keys::again(key))?)
    }

    /// The record of a ping.
    pub fn ping(&self, id: PingId) -> Result<Option<PingRecord>, StoreError> {
        self.view()
            .get(&keys::ping(id))?
            .map(|record| codec::decode(PING, &record))
            .transpose()
    }

    /// Records of pings, newest first. A page may be short, even empty, and still have a
    /// `next`.
    pub fn pings(&self, query: &PingQuery) -> Result<Page<PingRecord, PingId>, StoreError> {
        let limit = query.limit.clamp(1, LIST_MAX);
        let since = keys::ping(PingId(Ulid::from_parts(query.since_ms.unwrap_or(0), 0)));
        let range = with_prefix_between(&[keys::PING], since, query.after.map(keys::ping));
        let mut items = Vec::new();
        if query
            .after
            .is_some_and(|after| after.0.timestamp_ms() < query.since_ms.unwrap_or(0))
        {
            return Ok(Page { items, next: None });
        }
        for (looked_at, key) in self.view().keys(range).rev().enumerate() {
            let key = key?;
            let id = Fields::of(&key)
                .ulid()
                .map(PingId)
                .ok_or_else(|| StoreError::unreadable(PING, "its key is too short"))?;
            if let Some(record) = self.ping(id)?
                && query.takes(&record)
            {
                items.push(record);
            }
            if items.len() == limit || looked_at + 1 == SCAN_MAX_RECORDS {
                return Ok(Page {
                    items,
                    next: Some(id),
                });
            }
        }
        Ok(Page { items, next: None })
    }
}
