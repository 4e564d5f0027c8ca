//! Claims about the auction, and a builder for their bids and terms.

mod claims;
mod fallback;
mod invariants;
mod slow;
mod turns;

use super::*;
use crate::model::ProfitBase;

/// An amount.
fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// A sharing bid of an account whose buyer has no other.
fn bid(account: &str, amount: &str) -> Bid {
    Bid {
        account: account.parse().unwrap(),
        buyer: account.parse().unwrap(),
        amount: money(amount),
        reference: None,
        priority: 100,
        exclusive: false,
        turn: Turn::default(),
        hold: HoldAt::Quote,
    }
}

impl Bid {
    fn of_buyer(self, buyer: &str) -> Self {
        Self {
            buyer: buyer.parse().unwrap(),
            ..self
        }
    }

    fn with_priority(self, priority: i64) -> Self {
        Self { priority, ..self }
    }

    fn exclusively(self) -> Self {
        Self {
            exclusive: true,
            ..self
        }
    }
}

/// What a market file that says nothing of it asks for; the lead costs nothing.
fn terms() -> Terms {
    Terms {
        selection: Selection {
            by: RankBy::Price,
            then: RankBy::Priority,
        },
        max_deliveries: 1,
        cost: CostModel::PerLead(Money::ZERO),
        requirements: Requirements {
            min_deliveries: 1,
            min_revenue: None,
            min_profit: None,
            min_profit_percent: None,
            profit_percent_of: ProfitBase::Revenue,
            allow_loss: false,
        },
        min_bid: None,
    }
}

impl Terms {
    fn ranked_by(self, by: RankBy, then: RankBy) -> Self {
        Self {
            selection: Selection { by, then },
            ..self
        }
    }

    fn shared_by(self, max_deliveries: u32) -> Self {
        Self {
            max_deliveries,
            ..self
        }
    }

    fn costing(self, cost: CostModel) -> Self {
        Self { cost, ..self }
    }

    fn asking(mut self, change: impl FnOnce(&mut Requirements)) -> Self {
        change(&mut self.requirements);
        self
    }
}

/// The accounts at these places.
fn names<'a>(bids: &'a [Bid], places: &[u16]) -> Vec<&'a str> {
    places
        .iter()
        .map(|place| bids[usize::from(*place)].account.as_str())
        .collect()
}

/// Who wins among these bids, or why nobody does.
fn winners(terms: &Terms, bids: Vec<Bid>) -> Result<String, NoBidReason> {
    let ranked = rank(terms, bids);
    let quote = decide(terms, &ranked).verdict?;
    Ok(names(&ranked, &quote.selected).join(" "))
}
