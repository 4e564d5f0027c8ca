//! Caps and budgets: how much room there is, and what has been taken of it.
//!
//! An account's caps count deliveries and its budget sums what they were sold at; a campaign's
//! caps count leads. Room is *held* for a quote and *sold* for good; both count, in the hour,
//! day, week, month and in all, of the moment at which it was taken, in the owner's zone.
//!
//! What an order takes follows from the order alone ([`crate::order::Order::takings`]), so that
//! nothing has to remember to give room back: whoever changes an order changes an owner's
//! [`Usage`] by the difference of what it took before and what it takes now, in one
//! transaction.
//!
//! | module | holds |
//! |---|---|
//! | here | how much room there is, and what an order takes of it |
//! | `period` | hours, days, weeks and months, by the owner's clocks |
//! | `usage` | what has been counted of an owner |

mod period;
#[cfg(test)]
mod tests;
mod usage;

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use self::{
    period::{Period, Span},
    usage::{Counted, MonthOfSales, Turn, Usage},
};
use crate::{
    ids::{AccountId, CampaignId},
    model::{Account, Campaign, Market},
    money::Money,
};

/// A limit for each period that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits<T>([Option<T>; 5]);

impl<T> Default for Limits<T> {
    fn default() -> Self {
        Self([const { None }; 5])
    }
}

impl<T: Copy> Limits<T> {
    /// These limits.
    pub fn of(limits: impl IntoIterator<Item = (Period, T)>) -> Self {
        let mut all = Self::default();
        for (period, limit) in limits {
            if let Some(slot) = all.0.get_mut(period.place()) {
                *slot = Some(limit);
            }
        }
        all
    }

    /// The limit of a period; none where there is none.
    pub fn get(&self, period: Period) -> Option<T> {
        self.0.get(period.place()).copied().flatten()
    }

    /// Whether there is no limit at all.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Every limit with its period, the shortest first.
    pub fn iter(&self) -> impl Iterator<Item = (Period, T)> {
        Period::ALL
            .into_iter()
            .filter_map(|period| Some((period, self.get(period)?)))
    }
}

/// Whose room it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// An account's: deliveries, and what they cost its buyer.
    Account(AccountId),
    /// A campaign's: leads.
    Campaign(CampaignId),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "account {id}"),
            Self::Campaign(id) => write!(f, "campaign {id}"),
        }
    }
}

/// How much room an owner has, and by whose clocks it is counted.
#[derive(Debug, Clone)]
pub struct Room {
    /// How many.
    pub caps: Limits<u64>,
    /// How much money.
    pub budget: Limits<Money>,
    /// By whose clocks.
    pub zone: TimeZone,
}

/// What one order takes of one owner's room: one delivery, or one lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taking {
    /// Whose.
    pub owner: Owner,
    /// Unix time in milliseconds at which it was taken.
    pub at_ms: u64,
    /// For good, or for as long as it is not settled.
    pub sold: bool,
    /// How much money; nothing of a campaign.
    pub amount: Money,
}

impl Market {
    /// An account's room: its caps and its budget, by its buyer's clocks.
    pub fn room_of_account(&self, account: &Account) -> Room {
        Room {
            caps: account.caps,
            budget: account.budget,
            zone: self.zone_of(account).clone(),
        }
    }

    /// A campaign's room: its caps, by the market's clocks.
    pub fn room_of_campaign(&self, campaign: &Campaign) -> Room {
        Room {
            caps: campaign.caps,
            budget: Limits::default(),
            zone: self.timezone.clone(),
        }
    }
}
