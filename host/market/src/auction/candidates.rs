//! Which bids may win a lead together, in the order in which they are considered.
//!
//! A candidate is an exclusive bid alone, or a sharing bid together with the next-ranked
//! sharing bids of other buyers, as many as there is room for. So there are at most as
//! many candidates as bids, and each is known by its first member.
//!
//! They are made one at a time, since mostly the first is selected. With `n` bids and
//! room for `k`, all of them together cost `n · (k + log n)` steps, whatever the buyers:
//! [`Sharing`] keeps each buyer's best bid from the current one on, instead of looking
//! through the bids again for every candidate.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    iter::Peekable,
    vec,
};

use super::{Bid, Terms};
use crate::{ids::BuyerId, model::RankBy, money::Money};

/// Bids that may win together, beside those that are members already.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// Places among the ranked bids, in rank order; the members that stood before are not in it.
    pub(super) places: Vec<u16>,
    /// Sum of these bids and of the members' that stood before.
    pub(super) revenue: Money,
}

/// The candidates, best first.
///
/// Under `price` they go by revenue, equal revenue by the rank of the first member; under
/// the other methods by the rank of the first member. No sorting is needed for either:
/// exclusive bids stand in the order of their amounts, and a sharing candidate earns no
/// less than one that begins later, since its bids are the dearest of different buyers
/// among more bids. So the best candidate left is always one of two.
pub(super) struct Candidates<'a> {
    ranked: &'a [Bid],
    by: RankBy,
    alone: Peekable<vec::IntoIter<u16>>,
    sharing: Sharing,
    /// What the members bid that stood before.
    held: Money,
}

impl<'a> Candidates<'a> {
    /// The candidates among the bids at `places` (ascending), for a lead that is with the
    /// bids at `members` already: these keep their places, their buyers are not asked
    /// twice, an exclusive one of them leaves nobody beside it, and where there is any, an
    /// exclusive bid comes too late.
    pub(super) fn of(
        terms: &Terms,
        ranked: &'a [Bid],
        places: impl IntoIterator<Item = u16>,
        members: &[u16],
    ) -> Self {
        let members_bids = || {
            members
                .iter()
                .filter_map(|place| ranked.get(usize::from(*place)))
        };
        let taken: BTreeSet<&BuyerId> = members_bids().map(|bid| &bid.buyer).collect();
        let full = members_bids().any(|bid| terms.stands_alone(bid));
        let room = usize::try_from(terms.max_deliveries)
            .unwrap_or(usize::MAX)
            .saturating_sub(members.len());

        let mut alone = Vec::new();
        let mut sharing = Vec::new();
        if room > 0 && !full {
            for (place, bid) in places
                .into_iter()
                .map_while(|place| Some((place, ranked.get(usize::from(place))?)))
            {
                if !terms.stands_alone(bid) {
                    if !taken.contains(&bid.buyer) {
                        sharing.push((place, &bid.buyer));
                    }
                } else if members.is_empty() {
                    alone.push(place);
                }
            }
        }
        Self {
            ranked,
            by: terms.selection.by,
            alone: alone.into_iter().peekable(),
            sharing: Sharing::of(sharing, room),
            held: members_bids().map(|bid| bid.amount).sum(),
        }
    }

    /// What the bids at these places pay together with the members that stood before.
    fn revenue(&self, places: &[u16]) -> Money {
        let bids = places
            .iter()
            .filter_map(|place| self.ranked.get(usize::from(*place)));
        self.held + bids.map(|bid| bid.amount).sum()
    }

    /// Whether the lone bid comes before the sharing ones.
    fn lone_first(&self, lone: u16, sharing: &[u16]) -> bool {
        let by_rank = sharing.first().is_none_or(|first| lone < *first);
        match self.by {
            RankBy::Priority | RankBy::RoundRobin | RankBy::Weighted => by_rank,
            RankBy::Price => {
                let (one, other) = (self.revenue(&[lone]), self.revenue(sharing));
                one > other || (one == other && by_rank)
            }
        }
    }
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        let sharing = self.sharing.current();
        let places = match self.alone.peek().copied() {
            Some(lone) if sharing.is_empty() || self.lone_first(lone, &sharing) => {
                self.alone.next();
                vec![lone]
            }
            _ if sharing.is_empty() => return None,
            _ => {
                self.sharing.advance();
                sharing
            }
        };
        Some(Candidate {
            revenue: self.revenue(&places),
            places,
        })
    }
}

/// The sharing bids, seen from one of them on.
struct Sharing {
    /// Each buyer's best bid from the current one on, with the buyer's later ones. The
    /// first is the current one itself.
    best: BTreeMap<u16, VecDeque<u16>>,
    /// How many bids a candidate has at most.
    room: usize,
}

impl Sharing {
    /// The view from the first of these bids, which stand in rank order.
    fn of(bids: Vec<(u16, &BuyerId)>, room: usize) -> Self {
        let mut of_buyer: BTreeMap<&BuyerId, VecDeque<u16>> = BTreeMap::new();
        for (place, buyer) in bids {
            of_buyer.entry(buyer).or_default().push_back(place);
        }
        let best = of_buyer
            .into_values()
            .filter_map(|mut places| Some((places.pop_front()?, places)));
        Self {
            best: best.collect(),
            room,
        }
    }

    /// The candidate that begins with the current bid; empty when there is none left.
    fn current(&self) -> Vec<u16> {
        self.best.keys().take(self.room).copied().collect()
    }

    /// Goes on to the next bid: the current one's buyer is now in with its next best.
    fn advance(&mut self) {
        let Some((_, mut later)) = self.best.pop_first() else {
            return;
        };
        if let Some(next) = later.pop_front() {
            self.best.insert(next, later);
        }
    }
}
