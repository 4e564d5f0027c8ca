//! The auction once more, written straight from `rules.md` with no thought of speed: whole
//! numbers instead of decimals, every candidate built by looking through all bids.

use super::*;

/// Ten-thousandths: every amount has at most four decimals.
pub(super) fn units(money: Money) -> i128 {
    let scaled = money.amount() * rust_decimal::Decimal::from(10_000);
    assert!(scaled.fract().is_zero());
    scaled.trunc().mantissa() / 10_i128.pow(scaled.trunc().scale())
}

/// Hundredths of a per cent.
fn basis_points(percent: rust_decimal::Decimal) -> i128 {
    units(Money::payout(percent)) / 100
}

pub(super) fn revenue(ranked: &[Bid], places: &[u16]) -> i128 {
    places
        .iter()
        .map(|place| units(ranked[usize::from(*place)].amount))
        .sum()
}

/// The cost, rounded down to cents.
pub(super) fn cost(model: CostModel, revenue: i128) -> i128 {
    let exact = match model {
        CostModel::PerLead(amount) | CostModel::PerSale(amount) => units(amount) * 10_000,
        CostModel::RevenueShare(percent) => revenue * basis_points(percent),
        CostModel::Margin(percent) => revenue * (10_000 - basis_points(percent)),
    };
    exact / 1_000_000 * 100
}

/// What step 10 says of a candidate, `min_deliveries` aside.
pub(super) fn requirement(terms: &Terms, revenue: i128, cost: i128) -> Option<NoBidReason> {
    let asked = &terms.requirements;
    let profit = revenue - cost;
    let least_profit = match (asked.min_profit, asked.allow_loss) {
        (Some(least), true) => units(least),
        (Some(least), false) => units(least).max(0),
        (None, true) => i128::MIN,
        (None, false) => 0,
    };
    let base = if asked.profit_percent_of == ProfitBase::Cost {
        cost
    } else {
        revenue
    };
    let percent_met = match asked.min_profit_percent.map(basis_points) {
        None => true,
        Some(least) if base == 0 => least == 0,
        Some(least) => profit * 10_000 >= least * base,
    };
    if asked
        .min_revenue
        .is_some_and(|least| revenue < units(least))
    {
        return Some(NoBidReason::BelowMinRevenue);
    }
    if profit < least_profit {
        return Some(NoBidReason::BelowMinProfit);
    }
    if !percent_met {
        return Some(NoBidReason::BelowMinProfitPercent);
    }
    terms
        .min_bid
        .filter(|least| cost < units(*least))
        .map(|_| NoBidReason::BelowMinBid)
}

/// Every candidate among the bids at `places`, beside `members`, in the order of step 9.
pub(super) fn candidates(
    terms: &Terms,
    ranked: &[Bid],
    places: &[u16],
    members: &[u16],
) -> Vec<Vec<u16>> {
    let at = |place: u16| &ranked[usize::from(place)];
    let alone = |place: u16| terms.max_deliveries == 1 || at(place).exclusive;
    let fits = |together: &[u16], place: u16| {
        let mut all = members.iter().chain(together);
        let others = members.len() + together.len();
        others < terms.max_deliveries as usize
            && !all.clone().any(|other| at(*other).buyer == at(place).buyer)
            && (others == 0 || (!alone(place) && !all.any(|other| alone(*other))))
    };
    let mut found = Vec::new();
    for first in places.iter().copied().filter(|place| fits(&[], *place)) {
        let mut together = vec![first];
        for next in places.iter().copied().filter(|place| *place > first) {
            if fits(&together, next) {
                together.push(next);
            }
        }
        found.push(together);
    }
    if terms.selection.by == RankBy::Price {
        // Stable: equal revenue stays in the rank of the first member.
        found.sort_by_key(|together| -revenue(ranked, together));
    }
    found
}

/// Steps 9 and 10 of the ping.
pub(super) fn decide(
    terms: &Terms,
    ranked: &[Bid],
) -> (Result<Vec<u16>, NoBidReason>, Vec<Outcome>) {
    let places: Vec<u16> = (0..u16::MAX).take(ranked.len()).collect();
    let mut buyers: Vec<_> = ranked.iter().map(|bid| bid.buyer.as_str()).collect();
    buyers.sort_unstable();
    buyers.dedup();
    let all = candidates(terms, ranked, &places, &[]);
    let unmet = |together: &Vec<u16>| {
        let revenue = revenue(ranked, together);
        let too_few = buyers.len() < terms.requirements.min_deliveries as usize;
        let reason = requirement(terms, revenue, cost(terms.cost, revenue));
        if too_few {
            Some(NoBidReason::TooFewBuyers)
        } else {
            reason
        }
    };
    let Some(selected) = all.iter().position(|together| unmet(together).is_none()) else {
        let reason = all
            .first()
            .and_then(unmet)
            .unwrap_or(NoBidReason::NoCoverage);
        return (Err(reason), vec![Outcome::BelowRequirements; ranked.len()]);
    };
    let outcome = |place: &u16| {
        if all[selected].contains(place) {
            Outcome::Won
        } else if all[..selected]
            .iter()
            .any(|earlier| earlier.contains(place))
        {
            Outcome::BelowRequirements
        } else {
            Outcome::Outbid
        }
    };
    (
        Ok(all[selected].clone()),
        places.iter().map(outcome).collect(),
    )
}
