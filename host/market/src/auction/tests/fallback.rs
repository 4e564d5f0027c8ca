//! `rules.md`, post 7: who is tried when a delivery fails.

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{
    invariants::{any_terms, bids, models, ranked_with_places},
    *,
};

/// The names of who is tried next.
fn next(
    terms: &Terms,
    ranked: &[Bid],
    untried: &[u16],
    members: &[u16],
    owed: Owed,
) -> Option<String> {
    fallback(terms, ranked, untried, members, owed).map(|places| names(ranked, &places).join(" "))
}

#[test]
fn the_next_best_bid_takes_the_place_of_a_rejected_one() {
    let ranked = [bid("a", "9.00"), bid("b", "8.00"), bid("c", "7.00")];
    assert_eq!(
        next(&terms(), &ranked, &[1, 2], &[], Owed::Quote(money("7.00"))),
        Some("b".into())
    );
}

#[test]
fn a_fallback_meets_the_requirements_at_the_quoted_cost() {
    let ranked = [bid("a", "9.00"), bid("b", "8.00")];
    assert_eq!(
        next(&terms(), &ranked, &[1], &[], Owed::Quote(money("8.00"))),
        Some("b".into())
    );
    assert_eq!(
        next(&terms(), &ranked, &[1], &[], Owed::Quote(money("8.01"))),
        None
    );
}

#[test]
fn an_accepted_lead_costs_its_share_of_what_is_sold_and_at_most_the_quote() {
    let model = CostModel::RevenueShare("50".parse().unwrap());
    let owed = |quoted| Owed::Share {
        model,
        quoted: money(quoted),
    };
    let half = terms()
        .costing(model)
        .asking(|asked| asked.min_profit = Some(money("4.00")));
    let ranked = [bid("a", "20.00"), bid("b", "8.00"), bid("c", "7.98")];
    assert_eq!(
        next(&half, &ranked, &[1], &[], owed("10.00")),
        Some("b".into())
    );
    assert_eq!(next(&half, &ranked, &[2], &[], owed("10.00")), None);
    assert_eq!(
        next(&half, &ranked, &[2], &[], owed("3.00")),
        Some("c".into())
    );
}

#[test]
fn once_a_buyer_has_accepted_nothing_is_required() {
    let choosy = terms()
        .shared_by(2)
        .asking(|asked| asked.min_revenue = Some(money("100")));
    let ranked = [bid("a", "9.00"), bid("b", "8.00")];
    assert_eq!(
        next(&choosy, &ranked, &[1], &[0], Owed::Quote(Money::ZERO)),
        None
    );
    assert_eq!(
        next(&choosy, &ranked, &[1], &[0], Owed::NoRequirement),
        Some("b".into())
    );
}

#[test]
fn members_count_at_their_bids() {
    let choosy = terms()
        .shared_by(3)
        .asking(|asked| asked.min_revenue = Some(money("15.00")));
    let ranked = [bid("a", "9.00"), bid("b", "8.00"), bid("c", "6.00")];
    assert_eq!(
        next(&choosy, &ranked, &[2], &[], Owed::Quote(Money::ZERO)),
        None
    );
    assert_eq!(
        next(&choosy, &ranked, &[2], &[0], Owed::Quote(Money::ZERO)),
        Some("c".into())
    );
}

#[test]
fn members_hold_their_places_and_their_buyers() {
    let shared = terms().shared_by(2);
    let ranked = [
        bid("a", "9.00").of_buyer("sunco"),
        bid("b", "8.00").of_buyer("sunco"),
        bid("c", "7.00"),
        bid("d", "6.00"),
    ];
    assert_eq!(
        next(&shared, &ranked, &[1, 2, 3], &[0], Owed::NoRequirement),
        Some("c".into())
    );
    assert_eq!(
        next(&shared, &ranked, &[1, 3], &[0, 2], Owed::NoRequirement),
        None
    );
    // With nobody in, both places are filled again, one for each buyer.
    assert_eq!(
        next(&shared, &ranked, &[1, 2, 3], &[], Owed::NoRequirement),
        Some("b c".into())
    );
}

#[test]
fn an_exclusive_bid_shares_with_nobody() {
    let shared = terms().shared_by(3);
    let ranked = [
        bid("a", "9.00").exclusively(),
        bid("b", "8.00"),
        bid("c", "7.00").exclusively(),
    ];
    assert_eq!(
        next(&shared, &ranked, &[1, 2], &[0], Owed::NoRequirement),
        None
    );
    assert_eq!(
        next(&shared, &ranked, &[0, 2], &[1], Owed::NoRequirement),
        None
    );
    assert_eq!(
        next(&shared, &ranked, &[1, 2], &[], Owed::NoRequirement),
        Some("b".into())
    );
}

#[test]
fn min_deliveries_is_not_asked_again() {
    let choosy = terms().asking(|asked| asked.min_deliveries = 5);
    assert_eq!(
        next(
            &choosy,
            &[bid("a", "9.00")],
            &[0],
            &[],
            Owed::Quote(Money::ZERO)
        ),
        Some("a".into())
    );
}

#[test]
fn places_that_do_not_exist_or_are_taken_are_not_tried() {
    let ranked = [bid("a", "9.00"), bid("b", "8.00")];
    assert_eq!(
        next(
            &terms().shared_by(2),
            &ranked,
            &[7, 0, 0],
            &[0],
            Owed::NoRequirement
        ),
        None
    );
    assert_eq!(
        next(
            &terms().shared_by(3),
            &ranked,
            &[1, 9, 1],
            &[0],
            Owed::NoRequirement
        ),
        Some("b".into())
    );
}

fn any_owed() -> impl Strategy<Value = Owed> {
    let amount = || (0_u32..20).prop_map(|whole| money(&whole.to_string()));
    prop_oneof![
        Just(Owed::NoRequirement),
        amount().prop_map(Owed::Quote),
        (models(), amount()).prop_map(|(model, quoted)| Owed::Share { model, quoted }),
    ]
}

/// Whether a lead may be with all these at once.
fn allowed(terms: &Terms, ranked: &[Bid], hands: &[u16]) -> bool {
    let bids: Vec<&Bid> = hands
        .iter()
        .map(|place| &ranked[usize::from(*place)])
        .collect();
    let buyers: BTreeSet<_> = bids.iter().map(|bid| &bid.buyer).collect();
    bids.len() <= terms.max_deliveries as usize
        && buyers.len() == bids.len()
        && (bids.len() <= 1 || !bids.iter().any(|bid| bid.exclusive))
}

proptest! {
    #[test]
    fn the_fallback_is_the_one_that_the_rules_spell_out(
        (terms, ranked, untried) in ranked_with_places(),
        member in any::<proptest::sample::Index>(),
        owed in any_owed(),
    ) {
        // Of those that are not untried, one may be a member.
        let rest: Vec<u16> = (0..u16::MAX).take(ranked.len()).filter(|place| !untried.contains(place)).collect();
        let members: Vec<u16> = if rest.is_empty() { vec![] } else { vec![*member.get(&rest)] };
        let meets = |together: &Vec<u16>| {
            let revenue = slow::revenue(&ranked, together) + slow::revenue(&ranked, &members);
            let cost = match owed {
                Owed::NoRequirement => return true,
                Owed::Quote(quoted) => slow::units(quoted),
                Owed::Share { model, quoted } => slow::cost(model, revenue).min(slow::units(quoted)),
            };
            slow::requirement(&terms, revenue, cost).is_none()
        };
        let expected = slow::candidates(&terms, &ranked, &untried, &members).into_iter().find(meets);
        prop_assert_eq!(fallback(&terms, &ranked, &untried, &members, owed), expected);
    }

    /// A lead is delivered to the end, each delivery ending in any way: rejected ones
    /// free their place, all others keep it.
    #[test]
    fn a_lead_is_never_in_more_hands_than_sold_nor_twice_with_a_buyer(
        terms in any_terms(),
        bids in bids(),
        owed in any_owed(),
        rejects in proptest::collection::vec(any::<bool>(), 10),
    ) {
        let ranked = rank(&terms, bids);
        let Ok(quote) = decide(&terms, &ranked).verdict else { return Ok(()) };
        let mut untried: Vec<u16> = (0..u16::MAX).take(ranked.len()).collect();
        let mut hands: Vec<u16> = Vec::new();
        let mut trying = Some(quote.selected);
        while let Some(places) = trying {
            prop_assert!(!places.is_empty());
            untried.retain(|place| !places.contains(place));
            hands.extend(&places);
            prop_assert!(allowed(&terms, &ranked, &hands), "{:?}", hands);
            hands.retain(|hand| !(places.contains(hand) && rejects[usize::from(*hand)]));
            trying = fallback(&terms, &ranked, &untried, &hands, owed);
        }
    }
}
