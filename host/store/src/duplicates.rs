//! By what leads are known again: which leads left a fingerprint, and who has them.
//!
//! A row for each fingerprint and order follows from the order ([`Order::seen`]) and is written
//! in the same transaction as it, which makes checking and reserving one step. A row outlives
//! its order: whatever becomes of that, it goes when nobody asks for it any more, by an index
//! of its own ([`crate::sweep`]).

use gavel_market::{
    duplicates::{Comparison, Fingerprint, Seen, Subject},
    ids::{Digest, OrderId},
    order::Order,
};

use crate::{
    Store,
    change::Txn,
    codec,
    error::StoreError,
    keys::{self, Fields},
    view::with_prefix,
};

const SEEN: &str = "lead known again";

/// An order's lead, as it is compared with others.
pub(crate) fn subject_of(order: &Order, received_at_ms: u64) -> Subject {
    Subject {
        order: order.id,
        campaign: order.campaign.clone(),
        supplier: order.supplier.clone(),
        at_ms: received_at_ms,
    }
}

/// What is remembered of an order's lead; nothing where it leaves no fingerprints.
pub(crate) fn seen_of(order: &Order) -> Option<Seen> {
    order
        .seen()
        .filter(|(_, fingerprints)| !fingerprints.is_empty())
        .map(|(seen, _)| seen)
}

impl Txn<'_> {
    /// Whether the lead was there before.
    pub(crate) fn has_seen(
        &self,
        comparison: &Comparison,
        subject: &Subject,
    ) -> Result<bool, StoreError> {
        comparison.finds(subject, |fingerprint| {
            let rows = self.keys(&keys::seen_with(fingerprint))?;
            let seen = rows
                .iter()
                .map(|key| self.get(key)?.map(|record| read(&record)).transpose());
            seen.filter_map(Result::transpose).collect()
        })
    }

    /// Remembers of an order's lead what is to be remembered now, of which this was before.
    pub(crate) fn remember(
        &mut self,
        before: Option<&Seen>,
        order: &Order,
    ) -> Result<(), StoreError> {
        let after = seen_of(order);
        if before == after.as_ref() {
            return Ok(());
        }
        let record = after.map(|seen| codec::encode(SEEN, &seen)).transpose()?;
        let fingerprints = order.post.as_ref().map(|post| post.fingerprints.as_slice());
        for fingerprint in fingerprints.unwrap_or_default() {
            let Fingerprint { hash, until_ms, .. } = fingerprint;
            let index = keys::seen_by_end(*until_ms, hash, order.id);
            match &record {
                Some(record) => self.put(keys::seen(hash, order.id), record.as_slice()),
                None => self.remove(keys::seen(hash, order.id)),
            }
            self.mark(index, record.is_some());
        }
        Ok(())
    }

    /// Forgets what an entry of the index by time names.
    pub(crate) fn forget_seen(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let (hash, order) =
            row_of(key).ok_or_else(|| StoreError::unreadable(SEEN, "a key is too short"))?;
        self.remove(keys::seen(&hash, order));
        self.mark(key.to_vec(), false);
        Ok(())
    }
}

fn read(record: &[u8]) -> Result<Seen, StoreError> {
    codec::decode(SEEN, record)
}

fn row_of(key: &[u8]) -> Option<(Digest, OrderId)> {
    let mut fields = Fields::of(key);
    fields.u64()?;
    Some((fields.digest()?, OrderId(fields.ulid()?)))
}

impl Store {
    /// Whether the lead was there before, as far as is durable. For the ping, and to spare a
    /// request what its delivery would refuse; what is reserved is decided where it is written.
    pub fn has_seen(&self, comparison: &Comparison, subject: &Subject) -> Result<bool, StoreError> {
        let view = self.view();
        comparison.finds(subject, |fingerprint| {
            let mut seen = Vec::new();
            for key in view.keys(with_prefix(&keys::seen_with(fingerprint))) {
                let row = view.get(&key?)?;
                seen.extend(row.map(|record| read(&record)).transpose()?);
            }
            Ok(seen)
        })
    }
}
