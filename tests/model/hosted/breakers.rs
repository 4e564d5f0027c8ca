//! Failures that a host's circuit breakers count, so that a case stops pinging before one opens.

use std::collections::BTreeMap;

use super::super::{reference::Reference, told::Told};

/// `rules.md`, Circuit breaker: so many in a row. Here they need not be in a row.
const TOO_MANY: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Ping,
    Post,
}

/// What each account's buyer failed in so far.
#[derive(Default)]
pub(super) struct Failures(BTreeMap<(usize, Kind), u32>);

impl Failures {
    /// Whether an account may be left alone from now on.
    pub(super) fn are_many(&self) -> bool {
        self.0.values().any(|failures| *failures >= TOO_MANY)
    }

    /// What a ping came to.
    pub(super) fn at_ping(&mut self, told: &Told) {
        let Told::Decided { outcomes, .. } = told else {
            return;
        };
        for (account, word) in outcomes {
            if word == "unreachable" {
                *self.0.entry((*account, Kind::Ping)).or_default() += 1;
            }
        }
    }

    /// A price was cut, or the buyer hung up.
    pub(super) fn at_post(&mut self, account: usize) {
        *self.0.entry((account, Kind::Post)).or_default() += 1;
    }

    /// Tries of a lead that reached nobody.
    pub(super) fn unreached(&mut self, before: &Reference, after: &Reference, at: usize) {
        let order = &after.orders[at];
        for delivery in &order.deliveries {
            let earlier = before.orders[at]
                .deliveries
                .iter()
                .find(|earlier| earlier.bid == delivery.bid)
                .map_or(0, |earlier| earlier.unreachable);
            for _ in earlier..delivery.unreachable {
                self.at_post(order.account(delivery.bid));
            }
        }
    }
}
