//! Which of the things that are there a step's number picks, counted round: the same for every
//! host that a case is played against.

use super::reference::{At, Reference, State};

/// A delivery: its order, and the place of its bid.
pub(crate) type Place = (usize, usize);

pub(crate) fn pick<T: Clone>(from: &[T], number: usize) -> Option<T> {
    from.get(number % from.len().max(1)).cloned()
}

impl Reference {
    /// The order that is posted to: mostly one that is open.
    pub(crate) fn picked_to_post(&self, number: usize) -> Option<usize> {
        let open = self.orders_where(|state| state == State::Open);
        if open.is_empty() || number.is_multiple_of(7) {
            pick(&self.orders_where(|_| true), number)
        } else {
            pick(&open, number)
        }
    }

    /// The try under way that ends.
    pub(crate) fn picked_to_end(&self, number: usize) -> Option<Place> {
        pick(&self.under_way(), number)
    }

    /// The unconfirmed delivery that is settled.
    pub(crate) fn picked_to_settle(&self, number: usize) -> Option<Place> {
        pick(&self.deliveries_at(At::Unconfirmed), number)
    }

    /// The delivery that is to be tried again.
    pub(crate) fn picked_to_retry(&self, number: usize) -> Option<Place> {
        let mut tried = self.deliveries_at(At::Failed);
        tried.extend(self.deliveries_at(At::Rejected));
        pick(&tried, number)
    }

    /// The lead that is erased.
    pub(crate) fn picked_to_erase(&self, number: usize) -> Option<usize> {
        let posted = self.orders_where(|state| !matches!(state, State::Open | State::Expired));
        pick(&posted, number)
    }

    /// The delivery that is given back.
    pub(crate) fn picked_to_return(&self, number: usize) -> Option<Place> {
        let mut sold = self.deliveries_at(At::Sold);
        sold.retain(|(at, _)| self.may_be_returned(*at));
        pick(&sold, number)
    }

    /// The return that is decided on.
    pub(crate) fn picked_to_decide(&self, number: usize) -> Option<usize> {
        let pending: Vec<usize> = (0..self.returns.len())
            .filter(|at| self.returns[*at].pending)
            .collect();
        pick(&pending, number)
    }

    fn orders_where(&self, stands: impl Fn(State) -> bool) -> Vec<usize> {
        (0..self.orders.len())
            .filter(|at| stands(self.orders[*at].state))
            .collect()
    }
}
