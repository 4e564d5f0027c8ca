//! What a candidate costs and what it must meet (`rules.md`, ping 10).

use rust_decimal::Decimal;

use super::Terms;
use crate::{
    model::{CostModel, ProfitBase},
    money::Money,
    reason::NoBidReason,
};

/// One hundred per cent.
const WHOLE: Decimal = Decimal::ONE_HUNDRED;

/// What the supplier is paid for a lead with this revenue, rounded down to cents.
///
/// The market file keeps per cents between 0 and 100, so the cost is never negative.
pub fn cost_of(model: CostModel, revenue: Money) -> Money {
    let share = |percent: Decimal| revenue.amount() * percent / WHOLE;
    Money::payout(match model {
        CostModel::PerLead(amount) | CostModel::PerSale(amount) => amount.amount(),
        CostModel::RevenueShare(percent) => share(percent),
        CostModel::Margin(percent) => share(WHOLE - percent),
    })
}

/// The first requirement that a candidate does not meet, if any; `buyers` is the number
/// of different buyers with a valid bid, in this candidate or not.
pub fn unmet(terms: &Terms, revenue: Money, cost: Money, buyers: usize) -> Option<NoBidReason> {
    let wanted = usize::try_from(terms.requirements.min_deliveries).unwrap_or(usize::MAX);
    if buyers < wanted {
        return Some(NoBidReason::TooFewBuyers);
    }
    unmet_amounts(terms, revenue, cost)
}

/// Whether the buyers that a lead ended with do not meet the requirements, given what it
/// was sold for and what it costs: of a shared lead, a `partial_loss`.
pub fn unmet_in_the_end(terms: &Terms, revenue: Money, cost: Money) -> bool {
    unmet_amounts(terms, revenue, cost).is_some()
}

/// The first requirement on amounts that is not met, if any. Compares exact numbers: only
/// the cost was rounded before.
pub(super) fn unmet_amounts(terms: &Terms, revenue: Money, cost: Money) -> Option<NoBidReason> {
    let asked = &terms.requirements;
    let profit = revenue - cost;
    let below = |least: Option<Money>, amount: Money| least.is_some_and(|least| amount < least);

    if below(asked.min_revenue, revenue) {
        Some(NoBidReason::BelowMinRevenue)
    } else if below(asked.min_profit, profit) || (profit < Money::ZERO && !asked.allow_loss) {
        Some(NoBidReason::BelowMinProfit)
    } else if asked.min_profit_percent.is_some_and(|least| {
        let base = match asked.profit_percent_of {
            ProfitBase::Revenue => revenue,
            ProfitBase::Cost => cost,
        };
        !reaches_percent(profit, base, least)
    }) {
        Some(NoBidReason::BelowMinProfitPercent)
    } else if below(terms.min_bid, cost) {
        Some(NoBidReason::BelowMinBid)
    } else {
        None
    }
}

/// Whether `profit` is at least `least` per cent of `base`. Multiplied out, since a
/// quotient would be rounded. Of nothing only 0 per cent is reached.
fn reaches_percent(profit: Money, base: Money, least: Decimal) -> bool {
    if base.is_zero() {
        return least.is_zero();
    }
    // Too large for an exact product is more than any profit.
    least
        .checked_mul(base.amount())
        .is_some_and(|needed| needed <= profit.amount() * WHOLE)
}
