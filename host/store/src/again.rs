//! Answers to be given again: to a ping with the same `Idempotency-Key` (`rules.md`, ping 5),
//! and to the same direct post.

use gavel_market::{
    ids::{CampaignId, Digest, OrderId, PingId},
    reason::NoBidReason,
    record::PingAnswer,
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    change::Txn,
    codec,
    error::{OpenOrderError, StoreError},
    keys::{self, Fields},
};

const AGAIN: &str = "remembered answer";

/// An answer to be given again to the same request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// What the request is known again by: [`Store::again_key`] or [`Store::direct_key`].
    pub key: Digest,
    /// Keyed hash of the request: the same key with another request is an error.
    pub request_hash: Digest,
    /// What was answered.
    pub answer: Remembered,
    /// To which ping.
    pub ping: PingId,
    /// Unix time in milliseconds at which it is forgotten.
    pub expires_at_ms: u64,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remembered {
    /// This. Of a direct post: that nobody was asked to take the lead.
    Ping(PingAnswer),
    /// To a direct post, what its order says: nothing yet while it is being posted.
    Posted(OrderId),
}

impl From<PingAnswer> for Remembered {
    fn from(answer: PingAnswer) -> Self {
        Self::Ping(answer)
    }
}

impl Again {
    pub(crate) fn record(&self) -> Result<Vec<u8>, StoreError> {
        codec::encode(AGAIN, self)
    }

    fn read(record: Option<sled::IVec>) -> Result<Option<Self>, StoreError> {
        record
            .map(|record| codec::decode(AGAIN, &record))
            .transpose()
    }
}

impl Txn<'_> {
    fn again(&self, key: &Digest) -> Result<Option<Again>, StoreError> {
        Again::read(self.get(&keys::again(key))?)
    }

    /// An answer that stands under this key for a request received now is given again; nothing
    /// may be decided anew.
    pub(crate) fn check_again(
        &self,
        again: Option<&Again>,
        received_at_ms: u64,
    ) -> Result<(), OpenOrderError> {
        let there = again.map(|again| self.again(&again.key)).transpose()?;
        match there.flatten() {
            Some(there) if there.expires_at_ms > received_at_ms => {
                Err(OpenOrderError::Exists(Box::new(there)))
            }
            _ => Ok(()),
        }
    }

    /// Remembers an answer; `record` is its record.
    pub(crate) fn put_again(&mut self, again: &Again, record: Vec<u8>) {
        self.put(keys::again(&again.key), record);
        self.mark(keys::again_by_expiry(again.expires_at_ms, &again.key), true);
    }

    /// Makes the answer to this ping say that there was no time, if it still stands there.
    pub(crate) fn take_again_back(&mut self, key: &Digest, ping: PingId) -> Result<(), StoreError> {
        let answer = Remembered::Ping(PingAnswer::NoBid {
            reason: NoBidReason::NoTime,
        });
        if let Some(there) = self.again(key)?.filter(|there| there.ping == ping) {
            self.put(keys::again(key), Again { answer, ..there }.record()?);
        }
        Ok(())
    }

    /// Forgets an answer, unless a later one stands in its place.
    pub(crate) fn forget_again(
        &mut self,
        expires_at_ms: u64,
        key: &Digest,
    ) -> Result<(), StoreError> {
        let there = self.again(key)?;
        if there.is_some_and(|again| again.expires_at_ms <= expires_at_ms) {
            self.remove(keys::again(key));
        }
        self.mark(keys::again_by_expiry(expires_at_ms, key), false);
        Ok(())
    }
}

/// The expiry and the key that an entry of the index of remembered answers names.
pub(crate) fn again_of(key: &[u8]) -> Option<(u64, Digest)> {
    let mut fields = Fields::of(key);
    Some((fields.u64()?, fields.digest()?))
}

impl Store {
    /// The keyed hash under which the answer to a ping with this `Idempotency-Key` is
    /// remembered.
    pub fn again_key(&self, campaign: &CampaignId, key: &str) -> Digest {
        self.key_of_campaign("idempotency key", campaign, key.as_bytes())
    }

    /// The keyed hash under which the answer to a direct post is remembered; `lead` is the
    /// keyed hash of its normalised values.
    pub fn direct_key(&self, campaign: &CampaignId, lead: &Digest) -> Digest {
        self.key_of_campaign("direct", campaign, &lead.0)
    }

    fn key_of_campaign(&self, domain: &str, campaign: &CampaignId, bytes: &[u8]) -> Digest {
        // A campaign's name has no zero byte.
        self.keyed_hash(
            domain,
            &[campaign.as_str().as_bytes(), &[0], bytes].concat(),
        )
    }

    /// The answer remembered under this hash; it may have expired and not be swept yet.
    pub fn again(&self, key: &Digest) -> Result<Option<Again>, StoreError> {
        Again::read(self.view().get(&keys::again(key))?)
    }
}
