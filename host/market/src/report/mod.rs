//! Reports: sums by the hour, kept as things happen, so that a month is read and not scanned.
//!
//! Everything is counted in *hours* of the market's clock, so that its days are whole hours. An
//! hour's sums are kept for each campaign and supplier at two grains:
//!
//! | grain | a line for each | says of pings |
//! |---|---|---|
//! | ping | [`PingLine`]: `sub_id` | how many, how many of them answered with a bid, and those bids |
//! | account | [`AccountLine`]: account, outcome and what explains it | how many of each outcome, and the accounts' own bids |
//!
//! Money stands at both, and at both adds up to the ledger. At the account grain a lead's cost
//! is split over those who bought it ([`money`]).
//!
//! | module | holds |
//! |---|---|
//! | [`count`] | the lines of a ping |
//! | [`money`] | the lines of what is booked |
//! | [`table`] | lines grouped as somebody asks |

pub mod count;
pub mod money;
pub mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::AddAssign,
    sync::{Arc, LazyLock},
};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, BuyerId, CampaignId, SupplierId},
    money::Money,
    reason::Outcome,
    room::Period,
};

/// Different `sub_id`s that are kept apart in one campaign and day (of UTC); further ones are
/// counted as [`OTHER`]. A supplier chooses them, and they may not grow the store without bound.
pub const SUB_IDS_KEPT: u32 = 1_000;

/// Different codes of plugins that are kept apart in one account, campaign and hour, likewise.
pub const CODES_KEPT: usize = 50;

/// What stands for everything that is not kept apart.
pub const OTHER: &str = "(other)";

/// The zones that markets are read with: in which hour something counts may not depend on the
/// machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The hours that sums are kept in: those of a zone's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours(TimeZone);

impl Hours {
    /// Of a market's zone.
    pub fn of(zone: &TimeZone) -> Self {
        Self(zone.clone())
    }

    /// Of the zone of this IANA name, as markets are read; of UTC where it is unknown.
    pub fn named(name: &str) -> Self {
        Self(ZONES.get(name).unwrap_or(TimeZone::UTC))
    }

    /// The zone's IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The zone.
    pub fn zone(&self) -> &TimeZone {
        &self.0
    }

    /// When the hour begins in which a moment lies: the moment less what the clock shows past
    /// the hour. Unix time in milliseconds, like all times here.
    pub fn start_ms(&self, at_ms: u64) -> u64 {
        Period::Hour.at(at_ms, &self.0).start_ms
    }
}

/// Of which hour, campaign and supplier sums are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Unix time in milliseconds at which the hour begins.
    pub start_ms: u64,
    /// Under which terms.
    pub campaign: CampaignId,
    /// From whom.
    pub supplier: SupplierId,
}

/// What is added up. Each is 0 unless something was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measures {
    /// Pings answered; at the account grain, those in which the account had the outcome.
    #[serde(rename = "n", skip_serializing_if = "is_zero")]
    pub pings: u64,
    /// Pings answered with a bid; at the account grain, the account's bids, valid or not taken.
    #[serde(rename = "b", skip_serializing_if = "is_zero")]
    pub bids: u64,
    /// The sum of these bids.
    #[serde(rename = "B", skip_serializing_if = "no_money")]
    pub bid_total: Money,
    /// Deliveries sold; one given back is still one.
    #[serde(rename = "s", skip_serializing_if = "is_zero")]
    pub sales: u64,
    /// What the supplier is owed, less what it was charged.
    #[serde(rename = "c", skip_serializing_if = "no_money")]
    pub cost: Money,
    /// What the buyers pay, less what was given back.
    #[serde(rename = "r", skip_serializing_if = "no_money")]
    pub revenue: Money,
    /// Bids that were outbid.
    #[serde(rename = "o", skip_serializing_if = "is_zero")]
    pub outbid: u64,
    /// By how much they fell short of the lowest bid that won, in all.
    #[serde(rename = "O", skip_serializing_if = "no_money")]
    pub short_total: Money,
    /// Of `pings`, how many were not looked at one by one: they are taken to have ended like
    /// others that were.
    #[serde(rename = "e", skip_serializing_if = "is_zero")]
    pub estimated: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn no_money(amount: &Money) -> bool {
    amount.is_zero()
}

impl Measures {
    /// What is left of the revenue.
    pub fn profit(&self) -> Money {
        self.revenue - self.cost
    }

    /// By how much the bids that were outbid fell short, on average; `None` where none was.
    pub fn short_mean(&self) -> Option<Money> {
        let mean = self.short_total.amount().checked_div(self.outbid.into())?;
        Some(Money::computed(mean))
    }
}

impl AddAssign for Measures {
    fn add_assign(&mut self, more: Self) {
        self.pings = self.pings.saturating_add(more.pings);
        self.bids = self.bids.saturating_add(more.bids);
        self.bid_total = self.bid_total + more.bid_total;
        self.sales = self.sales.saturating_add(more.sales);
        self.cost = self.cost + more.cost;
        self.revenue = self.revenue + more.revenue;
        self.outbid = self.outbid.saturating_add(more.outbid);
        self.short_total = self.short_total + more.short_total;
        self.estimated = self.estimated.saturating_add(more.estimated);
    }
}

/// What is kept apart of pings.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingLine {
    /// The supplier's own name for where leads came from.
    pub sub_id: Option<Arc<str>>,
}

/// What is kept apart of accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountLine {
    /// Which; none for the cost of leads that nobody has bought.
    pub account: Option<AccountId>,
    /// Whose it is; none where that could not be told any more.
    pub buyer: Option<BuyerId>,
    /// What became of it in pings. Money of a sale stands with `won` where the quote counted on
    /// this account, and with none where it bought as a fallback.
    pub outcome: Option<Outcome>,
    /// The field that a criterion failed on.
    pub field: Option<Arc<str>>,
    /// The plugin's own code for why it did not bid.
    pub code: Option<Arc<str>>,
}

/// The sums of one place at one grain.
pub type Sums<L> = BTreeMap<L, Measures>;

/// Adds lines to others.
pub fn add<L: Ord>(sums: &mut Sums<L>, more: impl IntoIterator<Item = (L, Measures)>) {
    for (line, measures) in more {
        *sums.entry(line).or_default() += measures;
    }
}

/// Adds lines of accounts to others, of each account no more than [`CODES_KEPT`] codes.
pub fn add_accounts(
    sums: &mut Sums<AccountLine>,
    more: impl IntoIterator<Item = (AccountLine, Measures)>,
) {
    for (mut line, measures) in more {
        if let Some(code) = line.code.take() {
            let kept = sums.contains_key(&AccountLine {
                code: Some(Arc::clone(&code)),
                ..line.clone()
            }) || codes_of(sums, &line) < CODES_KEPT;
            line.code = Some(if kept { code } else { OTHER.into() });
        }
        *sums.entry(line).or_default() += measures;
    }
}

/// How many codes stand beside an account's lines.
fn codes_of(sums: &Sums<AccountLine>, line: &AccountLine) -> usize {
    let first = AccountLine {
        account: line.account.clone(),
        ..AccountLine::default()
    };
    let same = sums
        .range(first..)
        .take_while(|(other, _)| other.account == line.account);
    same.filter_map(|(other, _)| other.code.as_deref())
        .collect::<BTreeSet<_>>()
        .len()
}

/// What was counted in some pings, by place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// At the ping grain.
    pub pings: BTreeMap<Place, Sums<PingLine>>,
    /// At the account grain.
    pub accounts: BTreeMap<Place, Sums<AccountLine>>,
}
