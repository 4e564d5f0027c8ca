//! Orders: every change is a compare-and-set on the record that stands there.
//!
//! What may happen to an order is decided in [`gavel_market::order`]; here it is run against
//! the stored record, and what follows from it – index entries, ledger entries, sealed
//! texts – is written in the same batch. A shared database would stand behind the same
//! verbs with a version in place of the committer's order.

mod lists;
mod record;

use gavel_market::{
    auction::Terms,
    ids::{DeliveryId, OrderId},
    ledger::Entry,
    model::OnUnconfirmed,
    money::Money,
    order::{BeginRefused, Claim, ClaimRefused, End, Order, SettleRefused},
    reason::RejectReason,
};
use zeroize::Zeroizing;

pub use self::lists::{ListedDelivery, ListedState};
pub(crate) use self::record::{index_of, quoted_record};
use crate::{
    Store,
    change::Txn,
    error::{ChangeError, StoreError},
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

    /// Post 4: `open → posting`, with the lead's personal fields sealed under a key of its
    /// own. Of any number of claims on one order one succeeds.
    pub async fn claim_order(
        &self,
        id: OrderId,
        claim: Claim,
        personal: Zeroizing<Vec<u8>>,
    ) -> Result<Order, ChangeError<ClaimRefused>> {
        let sealed = self.vault().seal_lead(id.lead(), &personal)?;
        drop(personal);
        self.transition(id, move |order, txn| {
            order.claim(claim).map_err(ChangeError::Refused)?;
            txn.put_sealed(id.lead(), sealed)?;
            Ok(Vec::new())
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

    /// The durable note that a request on this bid is about to be made. An erased lead is
    /// not delivered.
    pub async fn begin_delivery(
        &self,
        id: OrderId,
        bid: u16,
        on_unconfirmed: OnUnconfirmed,
        now_ms: u64,
    ) -> Result<Order, ChangeError<BeginRefused>> {
        self.transition(id, move |order, txn| {
            if !txn.is_sealed(id.lead())? {
                return Err(ChangeError::Refused(BeginRefused::NotDelivering));
            }
            order
                .begin(bid, on_unconfirmed, now_ms)
                .map_err(ChangeError::Refused)?;
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
        now_ms: u64,
    ) -> Result<Order, ChangeError<SettleRefused>> {
        self.transition(id.order, move |order, _| {
            order
                .settle_by_hand(id.bid, sold, now_ms)
                .map_err(ChangeError::Refused)
        })
        .await
    }

    /// Makes unconfirmed what a crashed request left in flight. Only for whoever knows that
    /// no task is delivering this order.
    pub async fn give_up_in_flight(
        &self,
        id: OrderId,
        now_ms: u64,
    ) -> Result<Order, ChangeError<std::convert::Infallible>> {
        self.transition(id, move |order, _| {
            order.give_up_in_flight(now_ms);
            Ok(Vec::new())
        })
        .await
    }
}
