//! Rank, select, require: `rules.md`, ping 8 to 10 and the fallback of post 7, by trying
//! everything.

use rust_decimal::Decimal;

use super::case::{By, Campaign, Cost};

/// A valid bid.
#[derive(Debug, Clone)]
pub(crate) struct Bid {
    pub account: usize,
    pub buyer: usize,
    pub amount: Decimal,
    pub exclusive: bool,
    pub priority: i64,
    pub weight: u32,
    /// When it was last sold to, or held for.
    pub last_ms: Option<u64>,
    /// How many were sold or held today.
    pub today: u64,
    pub hold_at_post: bool,
}

/// What a selection comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quote {
    /// Accounts, in rank order.
    pub selected: Vec<usize>,
    pub revenue: Decimal,
    pub cost: Decimal,
}

fn is_before(by: By, one: &Bid, other: &Bid) -> bool {
    match by {
        By::Price => one.amount > other.amount,
        By::Priority => one.priority < other.priority,
        By::RoundRobin => match (one.last_ms, other.last_ms) {
            (None, Some(_)) => true,
            (Some(one), Some(other)) => one < other,
            (_, None) => false,
        },
        By::Weighted => {
            let share = |bid: &Bid| Decimal::from(bid.today) / Decimal::from(bid.weight);
            share(one) < share(other)
        }
    }
}

/// The bids in rank order, by looking for the best one left again and again.
pub(crate) fn rank(campaign: &Campaign, mut bids: Vec<Bid>) -> Vec<Bid> {
    let before = |one: &Bid, other: &Bid| {
        for by in [campaign.by, campaign.then] {
            if is_before(by, one, other) {
                return true;
            }
            if is_before(by, other, one) {
                return false;
            }
        }
        one.account < other.account
    };
    let mut ranked = Vec::new();
    while !bids.is_empty() {
        let best = (0..bids.len())
            .find(|at| {
                (0..bids.len()).all(|other| other == *at || before(&bids[*at], &bids[other]))
            })
            .expect("the order is total");
        ranked.push(bids.remove(best));
    }
    ranked
}

/// Rounded down to cents, by counting them.
pub(crate) fn down_to_cents(amount: Decimal) -> Decimal {
    ((amount * Decimal::from(100)).trunc() / Decimal::from(100)).normalize()
}

/// What the model makes of a revenue.
pub(crate) fn cost_of(cost: Cost, revenue: Decimal) -> Decimal {
    down_to_cents(match cost {
        Cost::PerLead(amount) | Cost::PerSale(amount) => amount,
        Cost::Share(percent) => revenue * percent / Decimal::from(100),
        Cost::Margin(percent) => revenue - revenue * percent / Decimal::from(100),
    })
}

/// Into how many hands the lead goes.
pub(crate) fn hands(campaign: &Campaign) -> usize {
    match campaign.group {
        Some(_) => 1,
        None => usize::try_from(campaign.max_deliveries).unwrap(),
    }
}

/// Every candidate among the untried bids, beside the members, best first. Places in `ranked`.
fn candidates(
    campaign: &Campaign,
    ranked: &[Bid],
    untried: &[usize],
    members: &[usize],
) -> Vec<Vec<usize>> {
    let hands = hands(campaign);
    let alone = |at: usize| ranked[at].exclusive || hands == 1;
    let mut all = Vec::new();
    for first in 0..ranked.len() {
        if !untried.contains(&first) || members.iter().any(|member| alone(*member)) {
            continue;
        }
        if alone(first) {
            if members.is_empty() {
                all.push(vec![first]);
            }
            continue;
        }
        let mut together: Vec<usize> = Vec::new();
        for next in first..ranked.len() {
            let is_new = |other: &usize| ranked[*other].buyer != ranked[next].buyer;
            if untried.contains(&next)
                && !alone(next)
                && members.len() + together.len() < hands
                && members.iter().all(is_new)
                && together.iter().all(is_new)
            {
                together.push(next);
            }
        }
        if together.first() == Some(&first) {
            all.push(together);
        }
    }
    if campaign.by == By::Price {
        let revenue =
            |places: &Vec<usize>| -> Decimal { places.iter().map(|at| ranked[*at].amount).sum() };
        // A stable sort: equal revenue stays in the order of the first members.
        all.sort_by_key(|places| std::cmp::Reverse(revenue(places)));
    }
    all
}

/// The first requirement on amounts that is not met.
pub(crate) fn unmet(
    campaign: &Campaign,
    min_bid: Option<Decimal>,
    revenue: Decimal,
    cost: Decimal,
) -> Option<&'static str> {
    let profit = revenue - cost;
    if campaign.min_revenue.is_some_and(|least| revenue < least) {
        return Some("below_min_revenue");
    }
    if campaign.min_profit.is_some_and(|least| profit < least) {
        return Some("below_min_profit");
    }
    if profit < Decimal::ZERO && !campaign.allow_loss {
        return Some("below_min_profit");
    }
    if let Some(least) = campaign.min_percent {
        let base = if campaign.percent_of_cost {
            cost
        } else {
            revenue
        };
        let met = if base.is_zero() {
            least.is_zero()
        } else {
            profit * Decimal::from(100) >= least * base
        };
        if !met {
            return Some("below_min_profit_percent");
        }
    }
    if min_bid.is_some_and(|least| cost < least) {
        return Some("below_min_bid");
    }
    None
}

/// What becomes of ranked bids: an outcome for each, and the quote or why there is none.
pub(crate) fn decide(
    campaign: &Campaign,
    min_bid: Option<Decimal>,
    ranked: &[Bid],
) -> (Vec<&'static str>, Result<(Quote, Vec<usize>), &'static str>) {
    let mut buyers: Vec<usize> = ranked.iter().map(|bid| bid.buyer).collect();
    buyers.sort_unstable();
    buyers.dedup();
    let everybody: Vec<usize> = (0..ranked.len()).collect();
    let mut outcomes = vec!["outbid"; ranked.len()];
    let mut first = None;
    for candidate in candidates(campaign, ranked, &everybody, &[]) {
        let revenue: Decimal = candidate.iter().map(|at| ranked[*at].amount).sum();
        let cost = cost_of(campaign.cost, revenue);
        let reason = if buyers.len() < usize::try_from(campaign.min_deliveries).unwrap() {
            Some("too_few_buyers")
        } else {
            unmet(campaign, min_bid, revenue, cost)
        };
        let outcome = if reason.is_none() {
            "won"
        } else {
            "below_requirements"
        };
        for at in &candidate {
            outcomes[*at] = outcome;
        }
        match reason {
            None => {
                let selected = candidate.iter().map(|at| ranked[*at].account).collect();
                let quote = Quote {
                    selected,
                    revenue,
                    cost,
                };
                return (outcomes, Ok((quote, candidate)));
            }
            Some(reason) => first = first.or(Some(reason)),
        }
    }
    outcomes.fill("below_requirements");
    (outcomes, Err(first.unwrap_or("no_coverage")))
}

/// What a lead with this revenue would cost; nothing where no requirement is asked any more.
pub(crate) type WouldCost<'a> = &'a dyn Fn(Decimal) -> Option<Decimal>;

/// Who is tried next; places in `ranked`.
pub(crate) fn fallback(
    campaign: &Campaign,
    min_bid: Option<Decimal>,
    ranked: &[Bid],
    untried: &[usize],
    members: &[usize],
    would_cost: WouldCost<'_>,
) -> Option<Vec<usize>> {
    let held: Decimal = members.iter().map(|at| ranked[*at].amount).sum();
    candidates(campaign, ranked, untried, members)
        .into_iter()
        .find(|candidate| {
            let more: Decimal = candidate.iter().map(|at| ranked[*at].amount).sum();
            match would_cost(held + more) {
                None => true,
                Some(cost) => unmet(campaign, min_bid, held + more, cost).is_none(),
            }
        })
}
