//! Steps 4 and 5: what a post brings to its order, and what it is checked against where it
//! claims it – duplicates, and the campaign's room where that is taken only now.
//!
//! Claim, checks and what the lead leaves to be known again by are one transaction of the
//! store's, so of two posts of one consumer's lead one is the first, however close they come.

use std::sync::Arc;

use gavel_market::{
    duplicates::Among,
    field::Value,
    ids::{Digest, OrderId},
    lead::{FieldError, FullLead},
    model::{Campaign, HoldAt},
    order::{Claim, Order},
    room::Owner,
};
use gavel_store::Checks;
use zeroize::Zeroizing;

use crate::{Inner, api::Received, clock, fingerprints, revision::Revision};

/// A lead that was read, and on which terms.
pub(super) struct Lead<'a> {
    /// The revision that quotes, or quoted.
    pub revision: &'a Revision,
    pub campaign: &'a Campaign,
    pub whole: &'a FullLead,
    pub warnings: Vec<FieldError>,
    pub received: Received,
}

/// What the store needs to claim an order.
pub(super) struct Claiming {
    pub claim: Claim,
    /// The personal fields, as they are sealed.
    pub personal: Zeroizing<Vec<u8>>,
    pub checks: Checks,
}

impl Lead<'_> {
    /// What this lead brings to an order. A test is compared with nothing, and leaves nothing.
    pub(super) fn claiming(self, inner: &Arc<Inner>, order: &Order) -> Claiming {
        let (clear, personal) = self.whole.clear_and_personal();
        let (received_at_ms, waits) = (
            self.received.unix_ms,
            self.campaign.post.reject_for_not_delivered,
        );
        let delivery_ms = clock::millis(inner.delivery_time(self.campaign));
        let claim = Claim {
            received_at_ms,
            waits_until_ms: waits.then(|| received_at_ms.saturating_add(delivery_ms)),
            lead_hash: hash(inner, order.id, self.whole),
            lead: clear,
            fingerprints: if order.test {
                Vec::new()
            } else {
                self.fingerprints(inner, order)
            },
            warnings: self.warnings.clone(),
        };
        Claiming {
            claim,
            personal: Zeroizing::new(sealed(&personal)),
            checks: self.checks(inner, order),
        }
    }

    fn fingerprints(
        &self,
        inner: &Inner,
        order: &Order,
    ) -> Vec<gavel_market::duplicates::Fingerprint> {
        let today = inner.revisions.current();
        let quoted = &*self.revision.market;
        let today = today.as_ref().map_or(quoted, |today| &*today.market);
        fingerprints::of_post(
            &inner.store,
            [today, quoted],
            &order.supplier,
            self.whole,
            self.campaign.window,
            self.received.unix_ms,
        )
    }

    fn checks(&self, inner: &Inner, order: &Order) -> Checks {
        if order.test {
            return Checks {
                comparisons: Vec::new(),
                campaign_room: None,
            };
        }
        let store = &inner.store;
        let of_campaign = self.campaign.duplicates.as_ref().map(|(asked, scope)| {
            fingerprints::comparison(store, asked, Among::Scope(*scope), self.whole)
        });
        let window = self.campaign.window;
        let same = fingerprints::same_lead(store, &order.supplier, self.whole, window);
        // Caps are today's; a campaign that is gone has none.
        let today = inner.revisions.current();
        let owner = Owner::Campaign(order.campaign.clone());
        Checks {
            comparisons: of_campaign.into_iter().chain([same]).collect(),
            campaign_room: today
                .filter(|_| order.hold == HoldAt::Post)
                .and_then(|today| today.room_of(&owner)),
        }
    }
}

/// The lead's keyed hash: nobody without the store's key can try values against it.
pub(super) fn hash(inner: &Inner, order: OrderId, lead: &FullLead) -> Digest {
    let mut bytes = order.to_string().into_bytes();
    bytes.extend(lead.canonical());
    inner.store.keyed_hash("posted lead", &bytes)
}

/// The personal fields as they are sealed.
fn sealed(personal: &[(String, Value)]) -> Vec<u8> {
    serde_json::to_vec(personal).unwrap_or_default()
}
