//! Pings: their records. How one that is answered is recorded stands in [`crate::opening`].

use gavel_market::{
    ids::{AccountId, CampaignId, PingId, Ulid},
    reason::Outcome,
    record::PingRecord,
};

use crate::{
    LIST_MAX, Page, Store, codec,
    error::{self, StoreError},
    keys::{self, Fields},
    view::with_prefix_between,
};

pub(crate) const PING: &str = "ping";

/// Records that one call of [`Store::pings`] looks at, at most: some tens of milliseconds of
/// work. A filter that few pings match gives short pages, each with a `next`.
const SCAN_MAX_RECORDS: usize = 2_000;

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

impl Store {
    /// Records a ping that is answered `no_bid`. Waits for a place in the queue, not for the
    /// disk: a power cut may lose the record, and nobody was promised it.
    pub async fn record_ping(&self, ping: PingRecord) -> Result<(), StoreError> {
        let record = codec::encode(PING, &ping)?;
        let (id, counts) = (ping.id, !ping.input.test);
        self.change_soon(move |txn| txn.put_ping(id, record, counts))
            .await
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
        let mut keys = self.view().keys(range).rev().enumerate();
        while let Some((looked_at, key)) = keys.next() {
            let key = key?;
            let id = Fields::of(&key)
                .ulid()
                .map(PingId)
                .ok_or_else(|| StoreError::unreadable(PING, "its key is too short"))?;
            if let Some(record) = error::listed(id, self.ping(id))?
                && query.takes(&record)
            {
                items.push(record);
            }
            if items.len() == limit || looked_at + 1 == SCAN_MAX_RECORDS {
                return Ok(Page {
                    items,
                    next: keys.next().map(|_more| id),
                });
            }
        }
        Ok(Page { items, next: None })
    }
}
