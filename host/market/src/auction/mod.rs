//! Rank, select, require: which bids win a lead, and what the supplier is offered for it.
//!
//! Steps 8 to 10 of the ping in `rules.md`, and the selection again at the post's
//! fallback (post 7). Pure: bids go in, a [`Decision`] comes out.
//!
//! | module | holds |
//! |---|---|
//! | here | ranking and the decision on a ping |
//! | `candidates` | which bids may win together, best candidate first |
//! | `requirements` | cost models, and what a candidate must meet |
//! | `fallback` | who is tried next when a delivery fails |

mod candidates;
mod fallback;
mod requirements;
#[cfg(test)]
mod tests;

use std::{cmp::Ordering, collections::BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::{
    fallback::{Owed, fallback},
    requirements::{cost_of, unmet, unmet_in_the_end},
};
use crate::{
    auction::candidates::Candidates,
    ids::{AccountId, BuyerId},
    model::{Campaign, CostModel, HoldAt, RankBy, Requirements, Selection},
    money::Money,
    reason::{NoBidReason, Outcome},
    room::Turn,
};

/// A valid bid of one account.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Bid {
    /// Who bids; one account bids at most once for a lead.
    pub account: AccountId,
    /// Whose account that is.
    pub buyer: BuyerId,
    /// What it pays.
    pub amount: Money,
    /// The buyer's own name for this bid, given back to its adapter at the post.
    pub reference: Option<String>,
    /// The account's, when it bid.
    pub priority: i64,
    /// Whether the account takes a lead only alone.
    pub exclusive: bool,
    /// What ranking by turn or by weight looks at, when it bid.
    #[serde(default)]
    pub turn: Turn,
    /// When an order takes room in the account's caps and budget.
    #[serde(default)]
    pub hold: HoldAt,
}

/// What a ping is answered with, and what it promises.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Quote {
    /// The selected bids: places among the ranked bids, in rank order.
    pub selected: Vec<u16>,
    /// Sum of the selected bids.
    pub revenue: Money,
    /// What the supplier is offered.
    pub cost: Money,
    /// Revenue less cost; negative where the campaign allows a loss.
    pub profit: Money,
}

/// A campaign's part in an auction, and the one request's.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How bids are ranked.
    pub selection: Selection,
    /// Into how many hands a lead goes at most; with 1 every bid stands alone.
    pub max_deliveries: u32,
    /// What the supplier is paid.
    pub cost: CostModel,
    /// What a candidate must meet.
    pub requirements: Requirements,
    /// The least cost that the request itself asks for.
    pub min_bid: Option<Money>,
}

impl Terms {
    /// The terms of a campaign for a request with this `min_bid`.
    pub fn of(campaign: &Campaign, min_bid: Option<Money>) -> Self {
        Self {
            selection: campaign.selection,
            // A group's lead goes to one of its members.
            max_deliveries: match campaign.delivers_to {
                Some(_) => 1,
                None => campaign.max_deliveries,
            },
            cost: campaign.cost,
            requirements: campaign.requirements.clone(),
            min_bid,
        }
    }

    /// Whether a bid can only win alone.
    fn stands_alone(&self, bid: &Bid) -> bool {
        bid.exclusive || self.max_deliveries <= 1
    }
}

/// How an auction ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The quote, or why there is none.
    pub verdict: Result<Quote, NoBidReason>,
    /// What became of each ranked bid: `won`, `outbid` or `below_requirements`.
    pub outcomes: Vec<Outcome>,
}

/// The bids in rank order, best first: by `selection.by`, ties by `selection.then`, then
/// by account id. The same for any order in which they came.
pub fn rank(terms: &Terms, mut bids: Vec<Bid>) -> Vec<Bid> {
    bids.sort_unstable_by(|one, other| compare(terms.selection, one, other));
    bids
}

/// `Less` where `one` ranks before `other`.
fn compare(selection: Selection, one: &Bid, other: &Bid) -> Ordering {
    let by = |key: RankBy| match key {
        RankBy::Price => other.amount.cmp(&one.amount),
        RankBy::Priority => one.priority.cmp(&other.priority),
        RankBy::RoundRobin => one.turn.last_taken_ms.cmp(&other.turn.last_taken_ms),
        RankBy::Weighted => weighed(one, other).cmp(&weighed(other, one)),
    };
    by(selection.by)
        .then_with(|| by(selection.then))
        .then_with(|| one.account.cmp(&other.account))
}

/// What was taken ÷ weight, times both weights: exact, and of no division.
fn weighed(one: &Bid, other: &Bid) -> u128 {
    u128::from(one.turn.taken_today) * u128::from(other.turn.weight.max(1))
}

/// Selects the first candidate that meets the requirements.
///
/// `ranked` is what [`rank`] gave under the same terms. Bids beyond place 65 535 take no
/// part and are `outbid`: a place is a `u16` wherever it is kept.
pub fn decide(terms: &Terms, ranked: &[Bid]) -> Decision {
    let buyers = ranked
        .iter()
        .map(|bid| &bid.buyer)
        .collect::<BTreeSet<_>>()
        .len();
    let mut outcomes = vec![Outcome::Outbid; ranked.len()];
    let mut first_reason = None;
    for candidate in Candidates::of(terms, ranked, 0..=u16::MAX, &[]) {
        let cost = cost_of(terms.cost, candidate.revenue);
        let Some(reason) = unmet(terms, candidate.revenue, cost, buyers) else {
            mark(&mut outcomes, &candidate.places, Outcome::Won);
            let (revenue, selected) = (candidate.revenue, candidate.places);
            return Decision {
                verdict: Ok(Quote {
                    selected,
                    revenue,
                    cost,
                    profit: revenue - cost,
                }),
                outcomes,
            };
        };
        first_reason.get_or_insert(reason);
        mark(&mut outcomes, &candidate.places, Outcome::BelowRequirements);
    }
    outcomes.fill(Outcome::BelowRequirements);
    Decision {
        verdict: Err(first_reason.unwrap_or(NoBidReason::NoCoverage)),
        outcomes,
    }
}

/// Gives the bids at these places an outcome.
fn mark(outcomes: &mut [Outcome], places: &[u16], outcome: Outcome) {
    for place in places {
        if let Some(slot) = outcomes.get_mut(usize::from(*place)) {
            *slot = outcome;
        }
    }
}
