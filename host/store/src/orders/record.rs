//! An order as records and index entries, and a transition as what it writes.
//!
//! An order is two records: as it was quoted, which never changes and holds every bid, and
//! where it stands once it is posted, which changes often and is small.
//!
//! Most of a market's orders are never posted, so these cost the least: while one is open, an
//! entry stands for it in order of expiry, with what it holds of caps and budgets; when it
//! expires that entry goes and what it held is given back, and the order itself is not read.

use std::mem;

use gavel_market::{
    ids::{OrderId, PingId},
    ledger::Entry,
    order::{Delivery, DeliveryState, Order, OrderState, Post},
    room::Taking,
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
const OPEN: &str = "open order's place";

/// Where a posted order stands: what of it changes.
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

/// Until when an order as it was quoted is open.
#[derive(Deserialize)]
struct Window {
    expires_at_ms: u64,
}

/// The record of an order as it was quoted.
pub(crate) fn quoted_record(order: &mut Order) -> Result<Vec<u8>, StoreError> {
    as_quoted(order, |order| codec::encode(QUOTED, order))
}

/// Shows an order as it was before it was posted.
fn as_quoted<T>(order: &mut Order, show: impl FnOnce(&Order) -> T) -> T {
    let state = mem::replace(&mut order.state, OrderState::Open);
    let post = order.post.take();
    let shown = show(order);
    (order.state, order.post) = (state, post);
    shown
}

/// Reads an order. It may be posted, expire or be erased between two of the readings, so their
/// order matters: of one that is posted no entry comes back once it is gone, and one that is
/// erased loses everything at once.
pub(super) fn read(
    id: OrderId,
    get: impl Fn(&[u8]) -> Result<Option<IVec>, StoreError>,
) -> Result<Option<(Order, IVec)>, StoreError> {
    let Some(quoted) = get(&keys::quoted(id))? else {
        return Ok(None);
    };
    let mut order = read_quoted(&quoted)?;
    let is_open = get(&keys::open_by_expiry(order.expires_at_ms, id))?.is_some();
    if let Some(record) = get(&keys::standing(id))? {
        let standing: Standing = codec::decode(STANDING, &record)?;
        (order.state, order.post) = (standing.state, standing.post);
    } else if !is_open {
        // It was never posted, or it is gone since.
        if get(&keys::quoted(id))?.is_none() {
            return Ok(None);
        }
        order.state = OrderState::Expired;
    }
    Ok(Some((order, quoted)))
}

/// What stands for an open order in order of expiry: what it takes of its owners' room.
pub(crate) fn open_record(takings: &[Taking]) -> Result<Vec<u8>, StoreError> {
    codec::encode(OPEN, &takings)
}

/// An order's place in order of expiry, while it is open.
pub(crate) fn open_key(order: &Order) -> Option<Key> {
    (order.state == OrderState::Open).then(|| keys::open_by_expiry(order.expires_at_ms, order.id))
}

/// Every index entry that follows from an order that was posted.
pub(crate) fn index_of(order: &Order) -> Vec<Key> {
    let mut index = Vec::new();
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
        let open = open_key(&order);
        let entries = change(&mut order, self)?;
        // No transition touches what was quoted; should one ever, it is not lost.
        if !as_quoted(&mut order, |order| {
            codec::holds(QUOTED, &quoted_before, order)
        })? {
            self.put(keys::quoted(id), quoted_record(&mut order)?);
        }
        // Nothing opens an order again.
        if let Some(place) = open
            && open_key(&order).is_none()
        {
            self.remove(place);
        }
        self.put_standing(&order)?;
        self.reindex(&index, index_of(&order));
        self.count(&takings, &order);
        self.remember(seen.as_ref(), &order)?;
        self.book(&Booking::of(&order), entries)?;
        Ok(order)
    }

    /// Expires the order whose place in order of expiry this is, if it is open still: gives back
    /// what it held. Where its ping was erased before, nothing leads to it any more, and it goes
    /// too.
    pub(crate) fn expire_order(&mut self, place: &[u8], id: OrderId) -> Result<bool, StoreError> {
        let takings = match self.get(place) {
            Ok(None) => return Ok(false),
            Ok(Some(record)) => codec::decode::<Vec<Taking>>(OPEN, &record),
            Err(error) => Err(error),
        };
        let takings = match takings {
            // The order says the same.
            Err(StoreError::Unreadable { .. }) => match self.get(&keys::quoted(id))? {
                Some(record) => read_quoted(&record)?.takings(),
                None => Vec::new(),
            },
            takings => takings?,
        };
        self.remove(place.to_vec());
        self.count_gone(&takings);
        if !self.has_ping(id.ping())? {
            self.remove(keys::quoted(id));
        }
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
        if order.post.is_none() {
            return Ok(());
        }
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

    /// Removes an order that expired. One that is open goes when it expires, and one that was
    /// posted in its own time.
    pub(crate) fn erase_expired(&mut self, id: OrderId) -> Result<(), StoreError> {
        if self.get(&keys::standing(id))?.is_some() {
            return Ok(());
        }
        let window = match self.get(&keys::quoted(id)) {
            Ok(None) => return Ok(()),
            Ok(Some(record)) => codec::decode::<Window>(QUOTED, &record),
            Err(error) => Err(error),
        };
        match window {
            Ok(Window { expires_at_ms }) => {
                if self
                    .get(&keys::open_by_expiry(expires_at_ms, id))?
                    .is_some()
                {
                    return Ok(());
                }
            }
            // It goes without being read; its place in order of expiry went in its own time.
            Err(StoreError::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
        self.remove(keys::quoted(id));
        Ok(())
    }

    /// Whether a ping's record is there, readable or not.
    fn has_ping(&self, id: PingId) -> Result<bool, StoreError> {
        match self.get(&keys::ping(id)) {
            Err(StoreError::Unreadable { .. }) => Ok(true),
            there => Ok(there?.is_some()),
        }
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
