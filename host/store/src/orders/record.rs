//! An order as records and index entries, and a transition as what it writes.
//!
//! An order is two records: as it was quoted, which never changes and holds every bid, and
//! where it stands, which changes often and is small. An open order has only the first.

use std::mem;

use gavel_market::{
    ids::OrderId,
    ledger::Entry,
    order::{Delivery, DeliveryState, NotOpen, Order, OrderState, Post},
};
use serde::{Deserialize, Serialize};
use sled::IVec;

use super::ListedState;
use crate::{
    change::Txn,
    codec,
    duplicates::seen_of,
    error::{ChangeError, StoreError},
    keys::{self, Key},
    report::Booking,
};

const QUOTED: &str = "order";
const STANDING: &str = "order's state";

/// Where an order stands: what of it changes.
#[derive(Deserialize)]
struct Standing {
    state: OrderState,
    post: Option<Post>,
}

/// The same, to be written.
#[derive(Serialize)]
struct StandingOf<'o> {
    state: OrderState,
    post: &'o Option<Post>,
}

/// The record of an order as it was quoted.
pub(crate) fn quoted_record(order: &mut Order) -> Result<Vec<u8>, StoreError> {
    let state = mem::replace(&mut order.state, OrderState::Open);
    let post = order.post.take();
    let record = codec::encode(QUOTED, order);
    (order.state, order.post) = (state, post);
    record
}

/// Reads an order. Where it stands comes first: were it the other way round, an order erased
/// between the two would look open.
pub(super) fn read(
    id: OrderId,
    get: impl Fn(&[u8]) -> Result<Option<IVec>, StoreError>,
) -> Result<Option<(Order, IVec)>, StoreError> {
    let standing = get(&keys::standing(id))?;
    let Some(quoted) = get(&keys::quoted(id))? else {
        return Ok(None);
    };
    let mut order = read_quoted(&quoted)?;
    if let Some(record) = standing {
        let standing: Standing = codec::decode(STANDING, &record)?;
        (order.state, order.post) = (standing.state, standing.post);
    }
    Ok(Some((order, quoted)))
}

/// Every index entry that follows from an order.
pub(crate) fn index_of(order: &Order) -> Vec<Key> {
    let mut index = Vec::new();
    match order.state {
        OrderState::Open => index.push(keys::open_by_expiry(order.expires_at_ms, order.id)),
        OrderState::Expired => index.push(keys::never_posted(order.id)),
        OrderState::Posting | OrderState::Sold | OrderState::Accepted | OrderState::Rejected => {}
    }
    if order.is_being_delivered() {
        index.push(keys::being_delivered(order.id));
    }
    // Nobody has to look after a test's deliveries.
    let deliveries = if order.test { &[] } else { order.deliveries() };
    for delivery in deliveries {
        if let Some(state) = ListedState::of(delivery.state) {
            index.push(keys::listed_delivery(
                state.byte(),
                order.delivery_id(delivery.bid),
            ));
        }
    }
    if let Some(settled_at_ms) = erasable_since_ms(order) {
        index.push(keys::settled(settled_at_ms, order.id));
    }
    index
}

/// Since when a posted order only waits to be erased: it is settled, and nobody may still
/// have to say how a delivery ended (`rules.md`, Keeping). A test waits for nobody.
fn erasable_since_ms(order: &Order) -> Option<u64> {
    let open = |delivery: &Delivery| {
        matches!(
            delivery.state,
            DeliveryState::Unconfirmed | DeliveryState::InFlight
        )
    };
    let done = !order.is_being_delivered() && !order.deliveries().iter().any(open);
    order
        .post
        .as_ref()?
        .settled_at_ms
        .filter(|_| done || order.test)
}

/// The order that such a record holds, open.
pub(crate) fn read_quoted(record: &[u8]) -> Result<Order, StoreError> {
    codec::decode(QUOTED, record)
}

impl Txn<'_> {
    pub(crate) fn order(&self, id: OrderId) -> Result<Option<(Order, IVec)>, StoreError> {
        read(id, |key| self.get(key))
    }

    /// Runs a transition on an order: reads it, changes it, writes what changed.
    pub(crate) fn transition<E>(
        &mut self,
        id: OrderId,
        change: impl FnOnce(&mut Order, &mut Self) -> Result<Vec<Entry>, ChangeError<E>>,
    ) -> Result<Order, ChangeError<E>> {
        let (mut order, quoted_before) = self.order(id)?.ok_or(ChangeError::NotFound)?;
        let (index, takings, seen) = (index_of(&order), order.takings(), seen_of(&order));
        let entries = change(&mut order, self)?;
        // No transition touches what was quoted; should one ever, it is not lost.
        let quoted = quoted_record(&mut order)?;
        if quoted_before != quoted {
            self.put(keys::quoted(id), quoted);
        }
        self.put_standing(&order)?;
        self.reindex(&index, index_of(&order));
        self.count(&takings, &order);
        self.remember(seen.as_ref(), &order)?;
        self.book(&Booking::of(&order), entries)?;
        Ok(order)
    }

    /// Expires an order whose window has passed, if it is open. A transition like any other, but
    /// for comparing what was quoted: most of a market's orders end so.
    pub(crate) fn expire_order(&mut self, id: OrderId, now_ms: u64) -> Result<bool, StoreError> {
        let Some((mut order, _)) = self.order(id)? else {
            return Ok(false);
        };
        let (index, takings) = (index_of(&order), order.takings());
        if order.expire(now_ms, false) == Err(NotOpen) {
            return Ok(false);
        }
        self.put_standing(&order)?;
        self.reindex(&index, index_of(&order));
        self.count(&takings, &order);
        Ok(true)
    }

    /// Writes an order that is posted as soon as it is there; `quoted` is its record as it was
    /// quoted.
    pub(crate) fn put_posting(&mut self, order: &Order, quoted: Vec<u8>) -> Result<(), StoreError> {
        self.put(keys::quoted(order.id), quoted);
        self.put_standing(order)?;
        self.reindex(&[], index_of(order));
        self.count(&[], order);
        self.remember(None, order)
    }

    fn put_standing(&mut self, order: &Order) -> Result<(), StoreError> {
        let standing = StandingOf {
            state: order.state,
            post: &order.post,
        };
        self.put(
            keys::standing(order.id),
            codec::encode(STANDING, &standing)?,
        );
        Ok(())
    }

    fn reindex(&mut self, before: &[Key], after: Vec<Key>) {
        for gone in before.iter().filter(|key| !after.contains(key)) {
            self.mark(gone.clone(), false);
        }
        after
            .into_iter()
            .filter(|key| !before.contains(key))
            .for_each(|key| self.mark(key, true));
    }

    /// The same of an order that expired, which has nothing but its own record and its place in
    /// one index.
    pub(crate) fn erase_never_posted(&mut self, id: OrderId) -> Result<(), StoreError> {
        if let Some(record) = self.get(&keys::quoted(id))? {
            // What a newer Gavel wrote is left for it.
            codec::body(QUOTED, &record)?;
        }
        self.remove(keys::quoted(id));
        self.remove(keys::standing(id));
        self.mark(keys::never_posted(id), false);
        Ok(())
    }

    /// Removes an order and all that follows from it. Its ledger stays, and what was counted
    /// of it; by what its lead is known again goes in its own time.
    pub(crate) fn erase_order(&mut self, order: &Order) -> Result<(), StoreError> {
        self.remove(keys::quoted(order.id));
        self.remove(keys::standing(order.id));
        self.reindex(&index_of(order), Vec::new());
        self.erase_sealed(order.id.lead())?;
        Ok(())
    }
}
