//! What holds for any bids and any terms.

use std::cmp::Ordering;

use proptest::{
    option::weighted,
    prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    sample::subsequence,
};
use rust_decimal::Decimal;

use super::*;

/// Amounts that are often equal, sometimes of four decimals.
fn amounts() -> impl Strategy<Value = Money> {
    prop_oneof![
        4 => (0_u32..12).prop_map(|whole| money(&format!("{whole}.50"))),
        1 => (0_u32..120_000).prop_map(|units| money(&format!("{}.{:04}", units / 10_000, units % 10_000))),
    ]
}

fn percents() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        (0_i64..=100).prop_map(Decimal::from),
        (0_i64..=10_000).prop_map(|number| Decimal::new(number, 2))
    ]
}

/// Turns that are often equal, also as parts of unlike weights.
fn turns() -> impl Strategy<Value = Turn> {
    (weighted(0.7, 0_u64..3), 0_u64..7, 1_u32..5).prop_map(
        |(last_taken_ms, taken_today, weight)| Turn {
            last_taken_ms,
            taken_today,
            weight,
        },
    )
}

/// Up to ten bids of four buyers, ranked or not.
pub(super) fn bids() -> impl Strategy<Value = Vec<Bid>> {
    let one = (
        0_u8..4,
        amounts(),
        -1_i64..2,
        proptest::bool::weighted(0.25),
        turns(),
    );
    proptest::collection::vec(one, 0..10).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        let bid = |(number, (buyer, amount, priority, exclusive, turn))| Bid {
            amount,
            exclusive,
            turn,
            ..bid(&format!("a{number}"), "1")
                .of_buyer(&format!("buyer{buyer}"))
                .with_priority(priority)
        };
        numbered.map(bid).collect()
    })
}

fn selections() -> impl Strategy<Value = Selection> {
    let by = || {
        prop_oneof![
            Just(RankBy::Price),
            Just(RankBy::Priority),
            Just(RankBy::RoundRobin),
            Just(RankBy::Weighted),
        ]
    };
    (by(), by()).prop_map(|(by, then)| Selection { by, then })
}

pub(super) fn models() -> impl Strategy<Value = CostModel> {
    prop_oneof![
        amounts().prop_map(CostModel::PerLead),
        amounts().prop_map(CostModel::PerSale),
        percents().prop_map(CostModel::RevenueShare),
        percents().prop_map(CostModel::Margin),
    ]
}

pub(super) fn any_terms() -> impl Strategy<Value = Terms> {
    let amount = || weighted(0.3, amounts());
    let base = prop_oneof![Just(ProfitBase::Revenue), Just(ProfitBase::Cost)];
    let asked = (
        1_u32..4,
        amount(),
        amount(),
        weighted(0.3, percents()),
        base,
        any::<bool>(),
    );
    let asked = asked.prop_map(
        |(min_deliveries, min_revenue, min_profit, min_profit_percent, base, allow_loss)| {
            Requirements {
                min_deliveries,
                min_revenue,
                min_profit,
                min_profit_percent,
                profit_percent_of: base,
                allow_loss,
            }
        },
    );
    (selections(), 1_u32..5, models(), asked, amount()).prop_map(
        |(selection, max_deliveries, cost, requirements, min_bid)| Terms {
            selection,
            max_deliveries,
            cost,
            requirements,
            min_bid,
        },
    )
}

proptest! {
    #[test]
    fn no_bids_yield_a_quote_that_violates_a_requirement(terms in any_terms(), bids in bids()) {
        let ranked = rank(&terms, bids);
        if let Ok(quote) = decide(&terms, &ranked).verdict {
            let revenue = slow::revenue(&ranked, &quote.selected);
            let cost = slow::cost(terms.cost, revenue);
            prop_assert_eq!(slow::requirement(&terms, revenue, cost), None);
            prop_assert_eq!((slow::units(quote.revenue), slow::units(quote.cost)), (revenue, cost));
            prop_assert_eq!(slow::units(quote.profit), revenue - cost);
        }
    }

    #[test]
    fn the_decision_is_the_one_that_the_rules_spell_out(terms in any_terms(), bids in bids()) {
        let ranked = rank(&terms, bids);
        let decision = decide(&terms, &ranked);
        let selected = decision.verdict.map(|quote| quote.selected);
        prop_assert_eq!((selected, decision.outcomes), slow::decide(&terms, &ranked));
    }

    #[test]
    fn ranking_is_a_total_order(selection in selections(), bids in bids()) {
        let before = |one: &Bid, other: &Bid| compare(selection, one, other);
        for one in &bids {
            for other in &bids {
                prop_assert_eq!(before(one, other), before(other, one).reverse());
                prop_assert_eq!(before(one, other) == Ordering::Equal, one.account == other.account);
                for third in &bids {
                    let chain = before(one, other).is_lt() && before(other, third).is_lt();
                    prop_assert!(!chain || before(one, third).is_lt());
                }
            }
        }
    }

    #[test]
    fn ranking_is_by_the_words_of_the_rules(selection in selections(), bids in bids()) {
        // Smaller is first. Twelve is a multiple of every weight.
        let number = |key: RankBy, bid: &Bid| match key {
            RankBy::Price => -slow::units(bid.amount),
            RankBy::Priority => bid.priority.into(),
            RankBy::RoundRobin => bid.turn.last_taken_ms.map_or(-1, i128::from),
            RankBy::Weighted => i128::from(bid.turn.taken_today) * 12 / i128::from(bid.turn.weight),
        };
        let mut slow = bids.clone();
        slow.sort_by_key(|bid| (number(selection.by, bid), number(selection.then, bid), bid.account.to_string()));
        prop_assert_eq!(rank(&Terms { selection, ..terms() }, bids), slow);
    }

    #[test]
    fn ranking_does_not_depend_on_the_order_of_arrival(
        selection in selections(),
        (bids, shuffled) in bids().prop_flat_map(|bids| (Just(bids.clone()), Just(bids).prop_shuffle())),
    ) {
        let terms = Terms { selection, ..terms() };
        prop_assert_eq!(rank(&terms, bids), rank(&terms, shuffled));
    }

    #[test]
    fn by_price_no_allowed_candidate_has_more_revenue_than_the_selected(terms in any_terms(), bids in bids()) {
        let terms = terms.ranked_by(RankBy::Price, RankBy::Priority);
        let ranked = rank(&terms, bids);
        let Ok(quote) = decide(&terms, &ranked).verdict else { return Ok(()) };
        let places: Vec<u16> = (0..u16::MAX).take(ranked.len()).collect();
        for candidate in slow::candidates(&terms, &ranked, &places, &[]) {
            let revenue = slow::revenue(&ranked, &candidate);
            let allowed = slow::requirement(&terms, revenue, slow::cost(terms.cost, revenue)).is_none();
            prop_assert!(!allowed || revenue <= slow::units(quote.revenue));
        }
    }

    #[test]
    fn by_price_without_requirements_no_set_of_bids_at_all_has_more_revenue(
        max_deliveries in 1_u32..5,
        bids in bids(),
    ) {
        let terms = terms().shared_by(max_deliveries);
        let ranked = rank(&terms, bids);
        let Ok(quote) = decide(&terms, &ranked).verdict else { return Ok(()) };
        for set in 1_u32..(1 << ranked.len()) {
            let places: Vec<u16> = (0..16).filter(|place| set & (1 << place) != 0).collect();
            let members: Vec<&Bid> = places.iter().map(|place| &ranked[usize::from(*place)]).collect();
            let buyers: BTreeSet<_> = members.iter().map(|bid| &bid.buyer).collect();
            let allowed = members.len() <= max_deliveries as usize
                && buyers.len() == members.len()
                && (members.len() == 1 || !members.iter().any(|bid| bid.exclusive));
            prop_assert!(!allowed || slow::revenue(&ranked, &places) <= slow::units(quote.revenue));
        }
    }
}

/// Bids ranked under terms, and some of their places.
pub(super) fn ranked_with_places() -> impl Strategy<Value = (Terms, Vec<Bid>, Vec<u16>)> {
    (any_terms(), bids()).prop_flat_map(|(terms, bids)| {
        let ranked = rank(&terms, bids);
        let places: Vec<u16> = (0..u16::MAX).take(ranked.len()).collect();
        let number = places.len();
        (Just(terms), Just(ranked), subsequence(places, 0..=number))
    })
}
