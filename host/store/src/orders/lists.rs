//! Which orders and deliveries somebody has to look after.

use gavel_market::{
    ids::{CampaignId, DeliveryId, OrderId, SupplierId, Ulid},
    money::Money,
    order::{Delivery, DeliveryState, Order},
};
use sled::IVec;

use crate::{
    LIST_MAX, Page, Store,
    error::{self, StoreError},
    keys::{self, Fields},
    view::with_prefix_after,
};

/// A delivery's state that somebody has to look after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedState {
    /// The buyer may have the lead; an operator has to settle it.
    Unconfirmed,
    /// No connection was had; it will be tried again.
    Retrying,
    /// No connection was had as often as was to be tried.
    Failed,
}

impl ListedState {
    pub(super) fn of(state: DeliveryState) -> Option<Self> {
        match state {
            DeliveryState::Unconfirmed => Some(Self::Unconfirmed),
            DeliveryState::Retrying(_) => Some(Self::Retrying),
            DeliveryState::Failed => Some(Self::Failed),
            DeliveryState::InFlight
            | DeliveryState::Sold
            | DeliveryState::Rejected
            | DeliveryState::PassedOver(_) => None,
        }
    }

    /// Its byte in the index.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Unconfirmed => 1,
            Self::Retrying => 2,
            Self::Failed => 3,
        }
    }
}

/// A delivery in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Under which terms the lead was bought.
    pub campaign: CampaignId,
    /// From whom.
    pub supplier: SupplierId,
    /// What the account bid.
    pub bid: Money,
    /// The delivery.
    pub delivery: Delivery,
}

impl Store {
    /// Orders whose deliveries are to go on, by id: what a start resumes. At most `limit`,
    /// behind `after`.
    pub fn orders_being_delivered(
        &self,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<OrderId>, StoreError> {
        let range = with_prefix_after(&[keys::BEING_DELIVERED], after.map(keys::being_delivered));
        let id = |key: Result<IVec, StoreError>| {
            Fields::of(&key?)
                .ulid()
                .map(OrderId)
                .ok_or_else(|| damaged("index of deliveries"))
        };
        self.view()
            .keys(range)
            .take(limit.clamp(1, LIST_MAX))
            .map(id)
            .collect()
    }

    /// Deliveries in a state that somebody has to look after, by id.
    pub fn deliveries(
        &self,
        state: ListedState,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Page<ListedDelivery, DeliveryId>, StoreError> {
        let prefix = [keys::LISTED_DELIVERY, state.byte()];
        let range = with_prefix_after(
            &prefix,
            after.map(|id| keys::listed_delivery(state.byte(), id)),
        );
        let limit = limit.clamp(1, LIST_MAX);
        let mut items = Vec::new();
        let mut keys = self.view().keys(range);
        while let Some(key) = keys.next() {
            let id = delivery_id(&key?).ok_or_else(|| damaged("index of deliveries"))?;
            let Some(order) = error::listed(id.order, self.order(id.order))? else {
                continue;
            };
            items.extend(listed(&order, id, state));
            if items.len() == limit {
                return Ok(Page {
                    next: keys.next().map(|_more| id),
                    items,
                });
            }
        }
        Ok(Page { items, next: None })
    }
}

fn damaged(what: &'static str) -> StoreError {
    StoreError::unreadable(what, "a key is too short")
}

fn delivery_id(key: &[u8]) -> Option<DeliveryId> {
    let mut fields = Fields::of(key);
    fields.byte()?;
    let order: Ulid = fields.ulid()?;
    Some(DeliveryId {
        order: OrderId(order),
        bid: fields.u16()?,
    })
}

fn listed(order: &Order, id: DeliveryId, state: ListedState) -> Option<ListedDelivery> {
    let delivery = order
        .delivery(id.bid)
        .filter(|delivery| ListedState::of(delivery.state) == Some(state))?;
    Some(ListedDelivery {
        id,
        campaign: order.campaign.clone(),
        supplier: order.supplier.clone(),
        bid: order.bids.get(usize::from(id.bid))?.amount,
        delivery: delivery.clone(),
    })
}
