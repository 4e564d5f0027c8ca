//! Who is tried next when a delivery is rejected or moves on (`rules.md`, post 7).

use std::collections::BTreeSet;

use super::{
    Bid, Terms,
    candidates::Candidates,
    requirements::{cost_of, unmet_amounts},
};
use crate::{model::CostModel, money::Money};

/// What a lead would cost if a fallback's candidate bought it; requirements are measured
/// against this.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Owed {
    /// The quoted cost: for a lead that will be answered `sold`, or costs `per_sale`.
    Quote(Money),
    /// The model's part of the revenue, at most what was quoted: for an accepted lead
    /// under `revenue_share` or `margin`.
    Share {
        /// The campaign's.
        model: CostModel,
        /// The quoted cost.
        quoted: Money,
    },
    /// Nothing is required any more: a buyer has accepted, or the cost is owed already, so
    /// that a further sale only helps.
    NoRequirement,
}

impl Owed {
    /// Whether a lead with this revenue meets the campaign's requirements.
    fn is_met(self, terms: &Terms, revenue: Money) -> bool {
        let cost = match self {
            Self::NoRequirement => return true,
            Self::Quote(quoted) => quoted,
            Self::Share { model, quoted } => cost_of(model, revenue).min(quoted),
        };
        unmet_amounts(terms, revenue, cost).is_none()
    }
}

/// The bids to try next, as places in rank order; `None` where there is no candidate that
/// may be tried.
///
/// Steps 9 and 10 of the ping once more, among the bids at `untried`. Those at `members`
/// (accepted, in flight or unconfirmed) belong to every candidate and count at their
/// bids: a candidate never has more than `max_deliveries` members, nor two of one buyer,
/// and an exclusive bid shares the lead with nobody. `min_deliveries` is not asked again.
pub fn fallback(
    terms: &Terms,
    ranked: &[Bid],
    untried: &[u16],
    members: &[u16],
    owed: Owed,
) -> Option<Vec<u16>> {
    let members: BTreeSet<u16> = members.iter().copied().collect();
    let untried: BTreeSet<u16> = untried
        .iter()
        .copied()
        .filter(|place| !members.contains(place))
        .collect();
    let members: Vec<u16> = members.into_iter().collect();
    Candidates::of(terms, ranked, untried, &members)
        .find(|candidate| owed.is_met(terms, candidate.revenue))
        .map(|candidate| candidate.places)
}
