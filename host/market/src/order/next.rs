//! What to do next for a lead that is being delivered (`rules.md`, post 7).

use super::{DeliveryState, Order, OrderState};
use crate::{
    auction::{self, Owed, Terms},
    model::CostModel,
};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Deliver on these bids now, all in parallel.
    Deliver(Vec<u16>),
    /// Something is in flight: ask again when it ends.
    Wait,
    /// Nothing can be tried before this Unix time in milliseconds, unless something in flight
    /// ends before.
    RetryAt(u64),
    /// A delivery is unconfirmed: nothing more until an operator settles it.
    Parked,
    /// Nothing is left to try.
    Done,
}

impl Order {
    /// What to do next. `under_way` are bids that the caller is about to begin: they hold
    /// their places although no note of them is written yet.
    pub fn next(&self, terms: &Terms, under_way: &[u16], now_ms: u64) -> Next {
        if !self.is_being_delivered() {
            return Next::Done;
        }
        let in_flight = !under_way.is_empty()
            || self
                .deliveries()
                .iter()
                .any(|delivery| delivery.state == DeliveryState::InFlight);
        let idle = || {
            if in_flight {
                Next::Wait
            } else {
                self.nothing_to_try()
            }
        };
        if self.is_stopped() || self.is_erased() || self.is_too_late(now_ms) {
            return idle();
        }
        let first: Vec<u16> = self.untried_selected(under_way);
        if !first.is_empty() {
            return Next::Deliver(first);
        }
        let members = self.members(under_way);
        let untried = |now_ms: u64| -> Vec<u16> {
            let bids = (0..self.bids.len()).filter_map(|bid| u16::try_from(bid).ok());
            bids.filter(|bid| !under_way.contains(bid) && self.is_untried(*bid, now_ms))
                .collect()
        };
        let select =
            |bids: &[u16], owed| auction::fallback(terms, &self.bids, bids, &members, owed);
        // What an operator asks for needs a free place and nothing else.
        let (asked_for, untried_now) = (self.asked_for(under_way), untried(now_ms));
        let now = select(&asked_for, Owed::NoRequirement)
            .or_else(|| select(&untried_now, self.owed_if_sold()));
        if let Some(bids) = now {
            return Next::Deliver(bids);
        }
        // Would a retry that is still waiting find a place, beside whatever is out?
        match self.next_retry_ms(now_ms) {
            Some(at_ms) if select(&untried(u64::MAX), self.owed_if_sold()).is_some() => {
                Next::RetryAt(at_ms)
            }
            _ => idle(),
        }
    }

    fn nothing_to_try(&self) -> Next {
        let unconfirmed = self
            .deliveries()
            .iter()
            .any(|delivery| delivery.state == DeliveryState::Unconfirmed);
        if unconfirmed && self.state == OrderState::Accepted {
            Next::Parked
        } else {
            Next::Done
        }
    }

    /// The bids that the quote was made on and that were never tried: after a crash, the rest
    /// of them goes on.
    fn untried_selected(&self, under_way: &[u16]) -> Vec<u16> {
        let selected = self.quote.selected.iter().copied();
        selected
            .filter(|bid| !under_way.contains(bid) && self.delivery(*bid).is_none())
            .collect()
    }

    fn members(&self, under_way: &[u16]) -> Vec<u16> {
        let held = self
            .deliveries()
            .iter()
            .filter(|delivery| delivery.state.holds_a_place())
            .map(|delivery| delivery.bid);
        let mut members: Vec<u16> = held.chain(under_way.iter().copied()).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    fn is_untried(&self, bid: u16, now_ms: u64) -> bool {
        match self.delivery(bid).map(|delivery| delivery.state) {
            None => true,
            Some(DeliveryState::Retrying(at_ms)) => at_ms <= now_ms,
            Some(_) => false,
        }
    }

    /// The bids that an operator wants tried again.
    fn asked_for(&self, under_way: &[u16]) -> Vec<u16> {
        let asked = self.deliveries().iter().filter(|delivery| {
            delivery.asked_for && matches!(delivery.state, DeliveryState::Retrying(_))
        });
        asked
            .map(|delivery| delivery.bid)
            .filter(|bid| !under_way.contains(bid))
            .collect()
    }

    /// The next moment at which a retry joins the bids not yet tried.
    fn next_retry_ms(&self, now_ms: u64) -> Option<u64> {
        let waiting = self
            .deliveries()
            .iter()
            .filter_map(|delivery| match delivery.state {
                DeliveryState::Retrying(at_ms) if at_ms > now_ms => Some(at_ms),
                _ => None,
            });
        waiting.min()
    }

    /// What a further sale would have to earn.
    fn owed_if_sold(&self) -> Owed {
        if self.sales() > 0 {
            return Owed::NoRequirement;
        }
        match (self.state, self.cost) {
            (OrderState::Accepted, CostModel::PerLead(_)) => Owed::NoRequirement,
            (OrderState::Accepted, model @ (CostModel::RevenueShare(_) | CostModel::Margin(_))) => {
                Owed::Share {
                    model,
                    quoted: self.quote.cost,
                }
            }
            _ => Owed::Quote(self.quote.cost),
        }
    }
}
