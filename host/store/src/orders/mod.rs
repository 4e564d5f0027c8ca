//! Orders: every change is a compare-and-set on the record that stands there.
//!
//! What may happen to an order is decided in [`gavel_market::order`]; here it is run against
//! the stored record, and what follows from it – index entries, what is counted of caps and
//! budgets, by what a lead is known again, ledger entries, sealed texts – is written in the
//! same batch. A shared database would stand behind the same
//! verbs with a version in place of the committer's order.

mod checks;
mod lists;
mod record;

use std::convert::Infallible;

use gavel_market::{
    auction::Terms,
    ids::{DeliveryId, LeadId, OrderId},
    ledger::Entry,
    model::OnUnconfirmed,
    money::Money,
    order::{BeginRefused, Claim, ClaimRefused, End, NotRetryable, Order, SettleRefused},
    reason::RejectReason,
    room::Owner,
};
use zeroize::Zeroizing;

#[cfg(test)]
pub(crate) use self::record::open_key;
pub(crate) use self::record::{index_of, open_record, quoted_record, read_quoted};
pub use self::{
    checks::{Checks, Needs},
    lists::{ListedDelivery, ListedState},
};
use crate::{
    Store,
    change::Txn,
    error::{ChangeError, StoreError},
    keys,
};

impl Store {
    /// An order.
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(record::read(id, |key| self.view().get(key))?.map(|(order, _)| order))
    }

    async fn transition<E: Send + 'static>(
        &self,
        id: OrderId,
        change: impl FnOnce(&mut Order, &mut Txn<'_>) -> Result<Vec<Entry>, ChangeError<E>>
        + Send
        + 'static,
    ) -> Result<Order, ChangeError<E>> {
        self.change(move |txn| txn.transition(id, change)).await
    }

    /// Post 4, 5: `open → posting`, with the lead's personal fields sealed under a key of its
    /// own, and what `checks` ask for. Of any number of claims on one order one succeeds.
    ///
    /// The order comes back `posting`; or `rejected`, settled, as `duplicate` or
    /// `campaign_cap_reached`.
    pub async fn claim_order(
        &self,
        id: OrderId,
        claim: Claim,
        personal: Zeroizing<Vec<u8>>,
        checks: Checks,
    ) -> Result<Order, ChangeError<ClaimRefused>> {
        let sealed = self.vault().seal_lead(id.lead(), &personal)?;
        drop(personal);
        self.transition(id, move |order, txn| {
            order.claim(claim).map_err(ChangeError::Refused)?;
            txn.check(order, &checks)?;
            txn.put_sealed(id.lead(), sealed)?;
            Ok(Vec::new())
        })
        .await
    }

    /// `open → expired` of an order whose window has passed, before a sweep comes to it: what it
    /// held is free when this returns. Nothing is done to one that is not open any more.
    pub async fn expire_order(&self, id: OrderId, expires_at_ms: u64) -> Result<(), StoreError> {
        self.change(move |txn| {
            txn.expire_order(&keys::open_by_expiry(expires_at_ms, id), id)
                .map(|_was_open| ())
        })
        .await
    }

    /// `posting → accepted`: the lead is durably ours.
    pub async fn accept_order(
        &self,
        id: OrderId,
        now_ms: u64,
    ) -> Result<Order, ChangeError<BeginRefused>> {
        self.transition(id, move |order, _| {
            order.accept(now_ms).map_err(ChangeError::Refused)
        })
        .await
    }

    /// The durable note that a request on this bid is about to be made; takes the account's
    /// room where it has none yet. An erased lead is not delivered.
    pub async fn begin_delivery(
        &self,
        id: OrderId,
        bid: u16,
        on_unconfirmed: OnUnconfirmed,
        needs: Needs,
        now_ms: u64,
    ) -> Result<Order, ChangeError<BeginRefused>> {
        self.transition(id, move |order, txn| {
            if !txn.is_sealed(id.lead())? {
                return Err(ChangeError::Refused(BeginRefused::NotDelivering));
            }
            let before = order.takings();
            let account = order.bids.get(usize::from(bid));
            let account = account.map(|bid| Owner::Account(bid.account.clone()));
            let room_at_ms = txn.moment(&account, now_ms);
            order
                .begin(bid, on_unconfirmed, room_at_ms, now_ms)
                .map_err(ChangeError::Refused)?;
            txn.meet(&needs, order, bid, &before)?;
            Ok(Vec::new())
        })
        .await
    }

    /// The note for a further request of an exchange that [`Store::begin_delivery`] began.
    pub async fn go_on_delivery(
        &self,
        id: OrderId,
        bid: u16,
        now_ms: u64,
    ) -> Result<Order, ChangeError<BeginRefused>> {
        self.transition(id, move |order, _| {
            order.go_on(bid, now_ms).map_err(ChangeError::Refused)?;
            Ok(Vec::new())
        })
        .await
    }

    /// How a try of a delivery ended, with the words that were said about it.
    pub async fn end_delivery(
        &self,
        id: OrderId,
        bid: u16,
        end: End,
        on_unconfirmed: OnUnconfirmed,
        words: Option<&[u8]>,
        now_ms: u64,
    ) -> Result<Order, ChangeError<BeginRefused>> {
        let words = self.seal_words(id.lead(), bid, words)?;
        self.transition(id, move |order, txn| {
            let entries = order
                .end(bid, end, on_unconfirmed, now_ms)
                .map_err(ChangeError::Refused)?;
            if let Some(words) = words {
                txn.put_words(id.lead(), words)?;
            }
            Ok(entries)
        })
        .await
    }

    /// Post 8, where the supplier waited: `posting → sold | rejected`.
    pub async fn settle_order(
        &self,
        id: OrderId,
        reason_if_unsold: RejectReason,
        terms: Terms,
        now_ms: u64,
    ) -> Result<Order, ChangeError<BeginRefused>> {
        self.transition(id, move |order, _| {
            order
                .settle(reason_if_unsold, &terms, now_ms)
                .map_err(ChangeError::Refused)
        })
        .await
    }

    /// An accepted lead has nothing left to try.
    pub async fn finish_order(
        &self,
        id: OrderId,
        terms: Terms,
        now_ms: u64,
    ) -> Result<Order, ChangeError<BeginRefused>> {
        self.transition(id, move |order, _| {
            order.finish(&terms, now_ms).map_err(ChangeError::Refused)?;
            Ok(Vec::new())
        })
        .await
    }

    /// An operator says how an unconfirmed delivery ended; `sold` as in
    /// [`Order::settle_by_hand`].
    pub async fn settle_delivery(
        &self,
        id: DeliveryId,
        sold: Option<Option<Money>>,
        terms: Terms,
        now_ms: u64,
    ) -> Result<Order, ChangeError<SettleRefused>> {
        self.transition(id.order, move |order, _| {
            order
                .settle_by_hand(id.bid, sold, &terms, now_ms)
                .map_err(ChangeError::Refused)
        })
        .await
    }

    /// An operator has a failed delivery of an accepted lead tried again, at once.
    pub async fn retry_delivery(
        &self,
        id: DeliveryId,
        now_ms: u64,
    ) -> Result<Order, ChangeError<NotRetryable>> {
        self.transition(id.order, move |order, txn| {
            if !txn.is_sealed(id.order.lead())? {
                return Err(ChangeError::Refused(NotRetryable));
            }
            order
                .retry_by_hand(id.bid, now_ms)
                .map_err(ChangeError::Refused)?;
            Ok(Vec::new())
        })
        .await
    }

    /// Destroys a lead's key, and with it everything personal that is kept of it; gone durably
    /// when this returns. What has not begun ends as failed, what is out runs to its end.
    /// [`ChangeError::NotFound`] where there is no posted lead. Asked for again, it finds
    /// nothing more to do.
    ///
    /// Of a lead whose order cannot be read the key goes all the same, and no order comes back:
    /// without a key nothing of it is delivered any more.
    pub async fn erase_lead(
        &self,
        id: LeadId,
        now_ms: u64,
    ) -> Result<Option<Order>, ChangeError<Infallible>> {
        let erased = self
            .transition(id.order(), move |order, txn| {
                if order.post.is_none() {
                    return Err(ChangeError::NotFound);
                }
                order.erase(now_ms);
                txn.erase_sealed(id)?;
                Ok(Vec::new())
            })
            .await;
        match erased {
            Err(ChangeError::Store(error)) if error.is_of_a_record() => {
                self.change(move |txn| txn.erase_sealed(id)).await?;
                tracing::error!(lead = %id, %error, "a lead is erased whose order cannot be read");
                Ok(None)
            }
            erased => erased.map(Some),
        }
    }

    /// Makes unconfirmed what a crashed request left in flight. Only for whoever knows that
    /// no task is delivering this order.
    pub async fn give_up_in_flight(
        &self,
        id: OrderId,
        now_ms: u64,
    ) -> Result<Order, ChangeError<Infallible>> {
        self.transition(id, move |order, _| {
            order.give_up_in_flight(now_ms);
            Ok(Vec::new())
        })
        .await
    }
}
