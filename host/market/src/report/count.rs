//! The lines of a ping.
//!
//! A ping's record says what became of the accounts that criteria let through. What became of
//! the others follows from lead, revision and time, and is derived by whoever has the market;
//! where a lead type has very many accounts, of some pings for all ([`Weights`]).

use std::sync::Arc;

use super::{AccountLine, Counted, Measures, PingLine, Place, add, add_accounts};
use crate::{
    ids::{AccountId, BuyerId},
    money::Money,
    reason::Outcome,
    record::{PingAnswer, PingRecord},
};

/// Accounts of a lead type up to which the derived outcomes of every ping are counted.
pub const COUNTED_EXACTLY: usize = 500;

/// Derived outcomes that are looked at for each ping, on average, where there are more.
const LOOKED_AT: usize = 100;

impl Counted {
    /// Adds a ping's answer and the outcomes that its record says. `hour_ms` is when its hour
    /// begins; `buyer_of` says whose an account is.
    pub fn add_ping(
        &mut self,
        record: &PingRecord,
        hour_ms: u64,
        buyer_of: impl Fn(&AccountId) -> Option<BuyerId>,
    ) {
        let place = place_of(record, hour_ms);
        let line = PingLine {
            sub_id: record.input.sub_id.as_deref().map(Arc::from),
        };
        add(
            self.pings.entry(place.clone()).or_default(),
            [(line, answered(&record.answer))],
        );
        let lowest_won = lowest_won(record);
        let lines = record.outcomes.iter().map(|one| {
            let line = AccountLine {
                account: Some(one.account.clone()),
                buyer: buyer_of(&one.account),
                outcome: Some(one.outcome),
                field: one.detail.field.as_deref().map(Arc::from),
                code: one.detail.code.as_deref().map(Arc::from),
            };
            (line, of_account(one.outcome, one.bid, lowest_won))
        });
        add_accounts(self.accounts.entry(place).or_default(), lines);
    }

    /// Adds outcomes that follow from lead, revision and time alone. Each stands for `weight`
    /// pings.
    pub fn add_derived(
        &mut self,
        record: &PingRecord,
        hour_ms: u64,
        weight: u64,
        derived: impl IntoIterator<Item = AccountLine>,
    ) {
        let measures = Measures {
            pings: weight,
            estimated: if weight > 1 { weight } else { 0 },
            ..Measures::default()
        };
        let sums = self.accounts.entry(place_of(record, hour_ms)).or_default();
        add(sums, derived.into_iter().map(|line| (line, measures)));
    }
}

fn place_of(record: &PingRecord, hour_ms: u64) -> Place {
    Place {
        start_ms: hour_ms,
        campaign: record.campaign.clone(),
        supplier: record.supplier.clone(),
    }
}

fn answered(answer: &PingAnswer) -> Measures {
    let bid = match answer {
        PingAnswer::Bid { bid, .. } => Some(*bid),
        PingAnswer::NoBid { .. } => None,
    };
    Measures {
        pings: 1,
        bids: u64::from(bid.is_some()),
        bid_total: bid.unwrap_or_default(),
        ..Measures::default()
    }
}

fn lowest_won(record: &PingRecord) -> Option<Money> {
    let won = record
        .outcomes
        .iter()
        .filter(|one| one.outcome == Outcome::Won);
    won.filter_map(|one| one.bid).min()
}

fn of_account(outcome: Outcome, bid: Option<Money>, lowest_won: Option<Money>) -> Measures {
    let short = match (outcome, bid, lowest_won) {
        // Where price does not rank, an outbid bid may have been the higher one.
        (Outcome::Outbid, Some(bid), Some(lowest)) => Some((lowest - bid).max(Money::ZERO)),
        _ => None,
    };
    Measures {
        pings: 1,
        bids: u64::from(bid.is_some()),
        bid_total: bid.unwrap_or_default(),
        outbid: u64::from(short.is_some()),
        short_total: short.unwrap_or_default(),
        ..Measures::default()
    }
}

/// For how many pings each of some pings of one campaign stands, when their derived outcomes are
/// counted: 0 for one that is not looked at. They add up to the number of pings.
///
/// Up to [`COUNTED_EXACTLY`] accounts every ping stands for itself. Beyond, one in so many is
/// looked at that the work for each ping is that of [`LOOKED_AT`] accounts, but never none.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    pings: usize,
    looked_at: usize,
}

impl Weights {
    /// Of so many pings, where the lead type has so many accounts.
    pub fn of(pings: usize, accounts: usize) -> Self {
        let looked_at = if accounts <= COUNTED_EXACTLY {
            pings
        } else {
            (pings * LOOKED_AT / accounts).clamp(1, pings.max(1))
        };
        Self { pings, looked_at }
    }

    /// Of the ping at this place, counted from 0.
    pub fn of_ping(self, place: usize) -> u64 {
        // The k-th that is looked at stands for those from k·pings/looked_at on.
        let begins = |k: usize| (k * self.pings).div_ceil(self.looked_at);
        let k = place * self.looked_at / self.pings.max(1);
        if place < self.pings && begins(k) == place {
            (begins(k + 1) - begins(k)) as u64
        } else {
            0
        }
    }
}
