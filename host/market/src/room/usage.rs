//! What has been counted of an owner.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Room, Taking,
    period::{Period, Span},
};
use crate::{money::Money, reason::Outcome};

/// What was counted in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// How many were sold.
    pub sold: u64,
    /// For how many room is held.
    pub held: u64,
    /// What was sold, in money.
    pub sold_amount: Money,
    /// What is held, in money.
    pub held_amount: Money,
}

impl Counted {
    /// How many there are, sold or held.
    pub fn taken(&self) -> u64 {
        self.sold.saturating_add(self.held)
    }

    /// How much money that is.
    pub fn taken_amount(&self) -> Money {
        self.sold_amount + self.held_amount
    }

    fn add(&mut self, taking: &Taking) {
        if taking.sold {
            self.sold = self.sold.saturating_add(1);
            self.sold_amount = self.sold_amount + taking.amount;
        } else {
            self.held = self.held.saturating_add(1);
            self.held_amount = self.held_amount + taking.amount;
        }
    }

    fn remove(&mut self, taking: &Taking) {
        if taking.sold {
            self.sold = self.sold.saturating_sub(1);
            self.sold_amount = self.sold_amount - taking.amount;
        } else {
            self.held = self.held.saturating_sub(1);
            self.held_amount = self.held_amount - taking.amount;
        }
    }
}

/// Deliveries sold in one calendar month, and those of them given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthOfSales {
    /// Unix time in milliseconds at which the month begins in the owner's zone.
    pub start_ms: u64,
    /// And at which it ends.
    pub end_ms: u64,
    /// Deliveries sold.
    pub sold: u64,
    /// Of those, given back and not declined.
    pub returned: u64,
}

impl MonthOfSales {
    /// Whether one more of them may be given back, where that is so many per cent, rounded down.
    pub fn may_return_one_more(&self, max_percent: Decimal) -> bool {
        let most = (Decimal::from(self.sold) * max_percent / Decimal::ONE_HUNDRED).floor();
        Decimal::from(self.returned) + Decimal::ONE <= most
    }
}

/// Months that are kept of an account's sales: a return is made within a year at the most.
const MONTHS_KEPT: usize = 14;

/// What has been counted of an owner.
///
/// Holds the current period of each kind alone: what was taken in an earlier one bounds nothing
/// any more. A period begun keeps its bounds when the owner's zone or limits change, so that a
/// change resets nothing that was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// By [`Period::ALL`]; empty before anything was taken.
    periods: Vec<(Span, Counted)>,
    /// When room was last taken, for `round_robin`.
    last_taken_ms: Option<u64>,
    /// The latest months of an account's sales, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    months: Vec<MonthOfSales>,
}

impl Usage {
    /// The moment to take room at: now, or later where this owner has counted ahead of a clock
    /// that was set back.
    pub fn moment(&self, now_ms: u64) -> u64 {
        let begun = self.periods.iter().map(|(span, _)| span.start_ms);
        begun.fold(now_ms, u64::max)
    }

    /// What was counted in the period of a kind in which a moment lies.
    pub fn counted(&self, period: Period, at_ms: u64) -> Counted {
        self.slot(period)
            .filter(|(span, _)| at_ms < span.end_ms)
            .map(|(_, counted)| *counted)
            .unwrap_or_default()
    }

    /// The period of a kind in which a moment lies: the one begun, or a new one.
    pub fn span(&self, period: Period, at_ms: u64, zone: &TimeZone) -> Span {
        match self.slot(period) {
            Some((begun, _)) if at_ms < begun.end_ms => *begun,
            Some((over, _)) => period.after(*over, at_ms, zone),
            None => period.at(at_ms, zone),
        }
    }

    fn slot(&self, period: Period) -> Option<&(Span, Counted)> {
        self.periods.get(period.place())
    }

    /// When room was last taken, if ever.
    pub fn last_taken_ms(&self) -> Option<u64> {
        self.last_taken_ms
    }

    /// Whether there is room for one more, of this much money; if not, which is full. Without
    /// an amount, whether any money is left.
    pub fn has_room(&self, room: &Room, amount: Option<Money>, at_ms: u64) -> Result<(), Outcome> {
        for (period, cap) in room.caps.iter() {
            if self.counted(period, at_ms).taken() >= cap {
                return Err(Outcome::CapReached);
            }
        }
        for (period, budget) in room.budget.iter() {
            let taken = self.counted(period, at_ms).taken_amount();
            let fits = match amount {
                Some(amount) => taken + amount <= budget,
                None => taken < budget,
            };
            if !fits {
                return Err(Outcome::BudgetReached);
            }
        }
        Ok(())
    }

    /// Takes room, whether there is any or not: [`Usage::has_room`] says so before. Of a period
    /// that is over by now nothing is counted.
    pub fn take(&mut self, taking: &Taking, zone: &TimeZone) {
        if self.periods.is_empty() {
            self.periods = Period::ALL
                .map(|period| (period.at(taking.at_ms, zone), Counted::default()))
                .to_vec();
        }
        for (period, (span, counted)) in Period::ALL.into_iter().zip(&mut self.periods) {
            if taking.at_ms >= span.end_ms {
                *span = period.after(*span, taking.at_ms, zone);
                *counted = Counted::default();
            }
            if span.contains(taking.at_ms) {
                counted.add(taking);
            }
        }
        self.last_taken_ms = self.last_taken_ms.max(Some(taking.at_ms));
    }

    /// What was taken becomes something else, or is given back: in the periods in which it was
    /// taken, as far as they are not over.
    pub fn change(&mut self, before: &Taking, after: Option<&Taking>) {
        for (span, counted) in &mut self.periods {
            if span.contains(before.at_ms) {
                counted.remove(before);
                if let Some(after) = after {
                    counted.add(after);
                }
            }
        }
    }

    /// Counts a delivery sold in its calendar month.
    pub fn count_sale(&mut self, at_ms: u64, zone: &TimeZone) {
        if let Some(month) = self.month_mut(at_ms) {
            month.sold = month.sold.saturating_add(1);
            return;
        }
        let span = Period::Month.at(at_ms, zone);
        // Months do not overlap, not even after a change of zone: a sale is found where it was
        // counted.
        let begins = self.months.iter().map(|month| month.end_ms);
        let ends = self.months.iter().map(|month| month.start_ms);
        let begin = begins
            .filter(|end_ms| *end_ms <= at_ms)
            .fold(span.start_ms, u64::max);
        let end = ends
            .filter(|start_ms| *start_ms > at_ms)
            .fold(span.end_ms, u64::min);
        self.months.push(MonthOfSales {
            start_ms: begin,
            end_ms: end,
            sold: 1,
            returned: 0,
        });
        self.months.sort_by_key(|month| month.start_ms);
        if self.months.len() > MONTHS_KEPT {
            self.months.remove(0);
        }
    }

    /// The month of an account's sales in which a moment lies.
    pub fn month(&self, at_ms: u64) -> Option<&MonthOfSales> {
        let within = |month: &&MonthOfSales| (month.start_ms..month.end_ms).contains(&at_ms);
        self.months.iter().find(within)
    }

    /// The same, to count a return in it or to take one out.
    pub fn month_mut(&mut self, at_ms: u64) -> Option<&mut MonthOfSales> {
        let within = |month: &&mut MonthOfSales| (month.start_ms..month.end_ms).contains(&at_ms);
        self.months.iter_mut().find(within)
    }

    /// What ranking looks at.
    pub fn turn(&self, weight: NonZeroU32, at_ms: u64) -> Turn {
        Turn {
            last_taken_ms: self.last_taken_ms,
            taken_today: self.counted(Period::Day, at_ms).taken(),
            weight: weight.get(),
        }
    }
}

/// What ranking by turn or by weight looks at; of the moment at which an account bid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When room was last taken, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_taken_ms: Option<u64>,
    /// How many were sold or held today, by the buyer's clocks.
    pub taken_today: u64,
    /// The account's weight.
    pub weight: u32,
}
