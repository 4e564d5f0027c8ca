//! What an order takes of others' room, and which leads it is compared with: both follow from
//! the order alone, so that a change of the one is a change of the other.

use super::{DeliveryState, Order, OrderState, Post};
use crate::{
    auction::Bid,
    duplicates::{Fingerprint, Seen},
    model::HoldAt,
    money::Money,
    room::{Owner, Taking},
};

impl Order {
    /// What it takes of caps and budgets, at most one taking of each owner. A test takes
    /// nothing.
    pub fn takings(&self) -> Vec<Taking> {
        if self.test {
            return Vec::new();
        }
        let bids = self
            .bids
            .iter()
            .zip(0..)
            .filter_map(|(bid, place)| self.taking_of(bid, place));
        bids.chain(self.taking_of_campaign()).collect()
    }

    /// Of the account that made this bid.
    fn taking_of(&self, bid: &Bid, place: u16) -> Option<Taking> {
        let (at_ms, sold, amount) = match self.delivery(place) {
            Some(delivery) => {
                let sold = delivery.state == DeliveryState::Sold;
                let amount = delivery.price.filter(|_| sold).unwrap_or(bid.amount);
                (delivery.room_at_ms?, sold, amount)
            }
            None => (self.quoted_room(place)?, false, bid.amount),
        };
        Some(Taking {
            owner: Owner::Account(bid.account.clone()),
            at_ms,
            sold,
            amount,
        })
    }

    /// When the quote took room for this bid, if it did and nothing has become of it yet.
    pub(super) fn quoted_room(&self, place: u16) -> Option<u64> {
        let waiting = match self.state {
            OrderState::Open => true,
            // Of an erased lead nothing more begins.
            OrderState::Posting | OrderState::Accepted => {
                self.is_being_delivered() && !self.is_erased()
            }
            OrderState::Expired | OrderState::Sold | OrderState::Rejected => false,
        };
        let at_quote = self
            .bids
            .get(usize::from(place))
            .is_some_and(|bid| bid.hold == HoldAt::Quote);
        let will_be_tried = waiting && !self.is_erased();
        (will_be_tried && at_quote && self.quote.selected.contains(&place))
            .then_some(self.room_at_ms)
    }

    /// Of the campaign: one for the lead. One that was answered `rejected` counts for as long
    /// as a buyer may have it.
    fn taking_of_campaign(&self) -> Option<Taking> {
        let with = |state: DeliveryState| {
            self.deliveries()
                .iter()
                .any(|delivery| delivery.state == state)
        };
        let sold = match self.state {
            OrderState::Open | OrderState::Posting => false,
            OrderState::Sold | OrderState::Accepted => true,
            OrderState::Rejected if with(DeliveryState::Sold) => true,
            OrderState::Rejected if with(DeliveryState::Unconfirmed) => false,
            OrderState::Rejected | OrderState::Expired => return None,
        };
        let at_ms = match self.hold {
            HoldAt::Quote => Some(self.room_at_ms),
            HoldAt::Post => self.post.as_ref().and_then(|post| post.room_at_ms),
        };
        Some(Taking {
            owner: Owner::Campaign(self.campaign.clone()),
            at_ms: at_ms?,
            sold,
            amount: Money::ZERO,
        })
    }

    /// What is remembered of its lead under each of its fingerprints; none where the lead is
    /// neither sold, being sold, accepted nor unconfirmed, and none of a test.
    pub fn seen(&self) -> Option<(Seen, &[Fingerprint])> {
        let post = self.post.as_ref().filter(|_| !self.test)?;
        let reserves = match self.state {
            OrderState::Posting | OrderState::Sold | OrderState::Accepted => true,
            OrderState::Rejected => with_a_buyer(post),
            OrderState::Open | OrderState::Expired => false,
        };
        let accounts = post
            .deliveries
            .iter()
            .filter(|delivery| delivery.state.holds_a_place())
            .map(|delivery| delivery.account.clone());
        reserves.then(|| {
            (
                Seen {
                    order: self.id,
                    campaign: self.campaign.clone(),
                    supplier: self.supplier.clone(),
                    at_ms: post.received_at_ms,
                    accounts: accounts.collect(),
                },
                post.fingerprints.as_slice(),
            )
        })
    }
}

fn with_a_buyer(post: &Post) -> bool {
    post.deliveries
        .iter()
        .any(|delivery| delivery.state.holds_a_place())
}
