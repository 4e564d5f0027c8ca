//! Ranking by turn and by weight, and groups.

use super::*;
use crate::{
    eligibility::testing::campaign,
    model::{Campaign, Group},
};

impl Bid {
    fn last_taken(mut self, at_ms: u64) -> Self {
        self.turn.last_taken_ms = Some(at_ms);
        self
    }

    /// So many were sold or held today, of this weight.
    fn taken(mut self, today: u64, weight: u32) -> Self {
        self.turn.taken_today = today;
        self.turn.weight = weight;
        self
    }
}

fn order(terms: &Terms, bids: Vec<Bid>) -> String {
    let ranked = rank(terms, bids);
    let places: Vec<u16> = (0..u16::MAX).take(ranked.len()).collect();
    names(&ranked, &places).join(" ")
}

#[test]
fn in_turn_whoever_never_had_a_lead_is_first_and_whoever_had_one_longest_ago_next() {
    let in_turn = terms().ranked_by(RankBy::RoundRobin, RankBy::Price);
    let bids = vec![
        bid("just", "30.00").last_taken(900),
        bid("never", "10.00"),
        bid("long-ago", "10.00").last_taken(1),
        // At the very beginning is not never.
        bid("first-of-all", "10.00").last_taken(0),
    ];
    assert_eq!(order(&in_turn, bids), "never first-of-all long-ago just");
}

#[test]
fn a_tie_in_turn_goes_by_the_second_method_and_then_by_the_account() {
    let in_turn = |then| terms().ranked_by(RankBy::RoundRobin, then);
    let bids = || {
        vec![
            bid("c", "10.00").last_taken(5).with_priority(1),
            bid("b", "20.00").last_taken(5).with_priority(2),
            bid("a", "10.00").last_taken(5).with_priority(3),
            bid("z", "10.00").last_taken(5).with_priority(3),
        ]
    };
    assert_eq!(order(&in_turn(RankBy::Price), bids()), "b a c z");
    assert_eq!(order(&in_turn(RankBy::Priority), bids()), "c b a z");
    assert_eq!(order(&in_turn(RankBy::RoundRobin), bids()), "a b c z");
}

#[test]
fn by_weight_the_smallest_part_of_its_share_is_first() {
    let by_weight = terms().ranked_by(RankBy::Weighted, RankBy::Price);
    // 2 ÷ 1, 5 ÷ 3, 0 ÷ 1, 3 ÷ 2.
    let bids = vec![
        bid("a", "1.00").taken(2, 1),
        bid("b", "1.00").taken(5, 3),
        bid("c", "1.00").taken(0, 1),
        bid("d", "1.00").taken(3, 2),
    ];
    assert_eq!(order(&by_weight, bids), "c d b a");
}

#[test]
fn parts_that_are_equal_are_exactly_equal() {
    let by_weight = |then| terms().ranked_by(RankBy::Weighted, then);
    // A third each, which no binary fraction is; and one that is less by the smallest part.
    let bids = || {
        vec![
            bid("c", "10.00").taken(1, 3).with_priority(1),
            bid("b", "20.00").taken(333_333, 999_999).with_priority(2),
            bid("a", "10.00").taken(2, 6).with_priority(2),
            bid("d", "1.00").taken(333_332, 999_999),
        ]
    };
    assert_eq!(order(&by_weight(RankBy::Price), bids()), "d b a c");
    assert_eq!(order(&by_weight(RankBy::Priority), bids()), "d c a b");
    assert_eq!(order(&by_weight(RankBy::Weighted), bids()), "d a b c");
    // However many: nothing overflows.
    let many = vec![
        bid("a", "1.00").taken(u64::MAX, u32::MAX - 1),
        bid("b", "1.00").taken(u64::MAX, u32::MAX),
    ];
    assert_eq!(order(&by_weight(RankBy::Price), many), "b a");
}

#[test]
fn in_turn_the_candidate_with_the_better_first_member_is_first_whatever_it_pays() {
    for by in [RankBy::RoundRobin, RankBy::Weighted] {
        let shared = terms().ranked_by(by, RankBy::Price).shared_by(2);
        let bids = |lone: u64| {
            vec![
                bid("lone", "1.00")
                    .exclusively()
                    .last_taken(lone)
                    .taken(lone, 1),
                bid("a", "6.00").last_taken(5).taken(5, 1),
                bid("b", "5.00").last_taken(9).taken(9, 1),
            ]
        };
        assert_eq!(winners(&shared, bids(4)), Ok("lone".into()));
        assert_eq!(winners(&shared, bids(6)), Ok("a b".into()));
    }
}

#[test]
fn a_group_gets_each_lead_in_one_pair_of_hands() {
    let shared = Campaign {
        max_deliveries: 3,
        ..campaign()
    };
    let bids = || vec![bid("a", "6.00"), bid("b", "5.00")];
    assert_eq!(winners(&Terms::of(&shared, None), bids()), Ok("a b".into()));
    let group = Campaign {
        delivers_to: Some(Group {
            id: "west".parse().unwrap(),
            members: ["a", "b"]
                .map(|name| name.parse().unwrap())
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into(),
        }),
        ..shared
    };
    let terms = Terms::of(&group, None);
    assert_eq!(terms.max_deliveries, 1);
    assert_eq!(winners(&terms, bids()), Ok("a".into()));
    // Not at a fallback either.
    let ranked = rank(&terms, bids());
    assert_eq!(
        fallback(&terms, &ranked, &[1], &[0], Owed::NoRequirement),
        None
    );
    assert_eq!(
        fallback(&terms, &ranked, &[1], &[], Owed::NoRequirement),
        Some(vec![1])
    );
}
