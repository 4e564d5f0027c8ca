//! `rules.md`, ping 8 to 10, sentence by sentence.

use super::*;
use NoBidReason::{
    BelowMinBid, BelowMinProfit, BelowMinProfitPercent, BelowMinRevenue, NoCoverage, TooFewBuyers,
};
use Outcome::{BelowRequirements, Outbid, Won};

fn order(terms: &Terms, bids: Vec<Bid>) -> Vec<String> {
    rank(terms, bids)
        .into_iter()
        .map(|bid| bid.account.to_string())
        .collect()
}

fn percent(text: &str) -> rust_decimal::Decimal {
    text.parse().unwrap()
}

#[test]
fn by_price_the_highest_is_first_then_the_lowest_priority_then_the_account_id() {
    let bids = vec![
        bid("d", "10.00"),
        bid("c", "10.00"),
        bid("b", "10.00").with_priority(7),
        bid("a", "9.99").with_priority(1),
    ];
    assert_eq!(order(&terms(), bids), ["b", "c", "d", "a"]);
}

#[test]
fn by_priority_the_lowest_number_is_first_then_the_highest_price() {
    let by_priority = terms().ranked_by(RankBy::Priority, RankBy::Price);
    let bids = vec![
        bid("a", "10.00").with_priority(2),
        bid("b", "11.00").with_priority(2),
        bid("c", "1.00").with_priority(-1),
    ];
    assert_eq!(order(&by_priority, bids), ["c", "b", "a"]);
}

#[test]
fn one_delivery_makes_every_bid_exclusive() {
    let bids = vec![bid("a", "10.00"), bid("b", "9.00")];
    assert_eq!(winners(&terms(), bids), Ok("a".into()));
}

#[test]
fn sharing_bids_of_other_buyers_win_together_up_to_max_deliveries() {
    let bids = vec![
        bid("a", "10.00").of_buyer("sunco"),
        bid("b", "9.00").of_buyer("sunco"),
        bid("c", "8.00"),
        bid("d", "7.00"),
        bid("e", "6.00"),
    ];
    assert_eq!(winners(&terms().shared_by(3), bids), Ok("a c d".into()));
}

#[test]
fn by_price_the_candidate_with_more_revenue_is_first() {
    let bids = |lone: &str| {
        vec![
            bid("lone", lone).exclusively(),
            bid("a", "6.00"),
            bid("b", "5.00"),
        ]
    };
    let shared = terms().shared_by(2);
    assert_eq!(winners(&shared, bids("10.99")), Ok("a b".into()));
    assert_eq!(winners(&shared, bids("11.01")), Ok("lone".into()));
    // At equal revenue the better-ranked first member decides.
    assert_eq!(winners(&shared, bids("11.00")), Ok("lone".into()));
}

#[test]
fn by_priority_the_candidate_with_the_better_first_member_is_first() {
    let shared = terms()
        .ranked_by(RankBy::Priority, RankBy::Price)
        .shared_by(2);
    let bids = |lone: i64| {
        vec![
            bid("lone", "1.00").exclusively().with_priority(lone),
            bid("a", "6.00").with_priority(5),
            bid("b", "5.00").with_priority(9),
        ]
    };
    assert_eq!(winners(&shared, bids(4)), Ok("lone".into()));
    assert_eq!(winners(&shared, bids(6)), Ok("a b".into()));
}

#[test]
fn the_first_candidate_that_meets_the_requirements_wins_and_those_before_it_are_below_them() {
    // By priority "poor" comes first, but does not bring the revenue.
    let choosy = terms()
        .ranked_by(RankBy::Priority, RankBy::Price)
        .asking(|asked| asked.min_revenue = Some(money("5.00")));
    let ranked = rank(
        &choosy,
        vec![
            bid("poor", "4.00").with_priority(1),
            bid("good", "6.00").with_priority(2),
            bid("late", "7.00").with_priority(3),
        ],
    );
    let decision = decide(&choosy, &ranked);
    assert_eq!(decision.outcomes, [BelowRequirements, Won, Outbid]);
    assert_eq!(decision.verdict.unwrap().selected, [1]);
}

#[test]
fn a_bid_of_a_failed_candidate_may_still_win_in_a_later_one() {
    let choosy = terms()
        .ranked_by(RankBy::Priority, RankBy::Price)
        .shared_by(2)
        .asking(|asked| asked.min_revenue = Some(money("9.00")));
    let ranked = rank(
        &choosy,
        vec![
            bid("a", "1.00").with_priority(1),
            bid("b", "5.00").with_priority(2),
            bid("c", "5.00").with_priority(3),
        ],
    );
    // "a b" brings 6.00, "b c" 10.00.
    assert_eq!(
        decide(&choosy, &ranked).outcomes,
        [BelowRequirements, Won, Won]
    );
}

#[test]
fn where_no_candidate_meets_the_requirements_the_first_ones_reason_is_the_answer() {
    let choosy = terms()
        .ranked_by(RankBy::Priority, RankBy::Price)
        .costing(CostModel::PerLead(money("15.00")))
        .asking(|asked| asked.min_revenue = Some(money("10.00")));
    let ranked = rank(
        &choosy,
        vec![
            bid("a", "12.00").with_priority(1),
            bid("b", "9.00").with_priority(2),
        ],
    );
    let decision = decide(&choosy, &ranked);
    assert_eq!(decision.verdict, Err(BelowMinProfit));
    assert_eq!(decision.outcomes, [BelowRequirements, BelowRequirements]);
}

#[test]
fn without_a_bid_there_is_no_coverage() {
    let choosy = terms().asking(|asked| asked.min_deliveries = 3);
    assert_eq!(
        decide(&choosy, &[]),
        Decision {
            verdict: Err(NoCoverage),
            outcomes: vec![]
        }
    );
}

#[test]
fn min_deliveries_counts_different_buyers_with_a_bid_in_the_candidate_or_not() {
    let choosy = terms().asking(|asked| asked.min_deliveries = 2);
    let of_one = vec![
        bid("a", "9.00").of_buyer("sunco"),
        bid("b", "8.00").of_buyer("sunco"),
    ];
    assert_eq!(winners(&choosy, of_one), Err(TooFewBuyers));
    let of_two = vec![bid("a", "9.00"), bid("b", "8.00").exclusively()];
    assert_eq!(winners(&choosy, of_two), Ok("a".into()));
}

#[test]
fn every_requirement_includes_its_bound() {
    let one = |amount| vec![bid("a", amount)];
    let revenue = terms().asking(|asked| asked.min_revenue = Some(money("20.00")));
    assert_eq!(winners(&revenue, one("20.00")), Ok("a".into()));
    assert_eq!(winners(&revenue, one("19.9999")), Err(BelowMinRevenue));

    let costing = || terms().costing(CostModel::PerLead(money("15.00")));
    let profit = costing().asking(|asked| asked.min_profit = Some(money("3.00")));
    assert_eq!(winners(&profit, one("18.00")), Ok("a".into()));
    assert_eq!(winners(&profit, one("17.9999")), Err(BelowMinProfit));

    let of_revenue = costing().asking(|asked| asked.min_profit_percent = Some(percent("25")));
    assert_eq!(winners(&of_revenue, one("20.00")), Ok("a".into()));
    assert_eq!(
        winners(&of_revenue, one("19.9999")),
        Err(BelowMinProfitPercent)
    );

    let of_cost = of_revenue.asking(|asked| asked.profit_percent_of = ProfitBase::Cost);
    assert_eq!(winners(&of_cost, one("18.75")), Ok("a".into()));
    assert_eq!(
        winners(&of_cost, one("18.7499")),
        Err(BelowMinProfitPercent)
    );

    let min_bid = |least| Terms {
        min_bid: Some(money(least)),
        ..costing()
    };
    assert_eq!(winners(&min_bid("15.00"), one("20.00")), Ok("a".into()));
    assert_eq!(winners(&min_bid("15.01"), one("20.00")), Err(BelowMinBid));
}

#[test]
fn no_quote_is_a_loss_unless_the_campaign_says_so() {
    let costing = terms().costing(CostModel::PerLead(money("15.00")));
    assert_eq!(winners(&costing, vec![bid("a", "15.00")]), Ok("a".into()));
    assert_eq!(
        winners(&costing, vec![bid("a", "14.9999")]),
        Err(BelowMinProfit)
    );

    let at_a_loss = costing.asking(|asked| asked.allow_loss = true);
    let decision = decide(&at_a_loss, &[bid("a", "14.00")]);
    assert_eq!(
        decision.verdict.unwrap().profit,
        money("14.00") - money("15.00")
    );
    // A `min_profit` is asked for all the same.
    let yet = at_a_loss.asking(|asked| asked.min_profit = Some(Money::ZERO));
    assert_eq!(winners(&yet, vec![bid("a", "14.00")]), Err(BelowMinProfit));
}

#[test]
fn of_nothing_only_a_requirement_of_0_per_cent_is_met() {
    let asking = |least| terms().asking(|asked| asked.min_profit_percent = Some(percent(least)));
    let free = || vec![bid("a", "0.00")];
    assert_eq!(winners(&asking("0"), free()), Ok("a".into()));
    assert_eq!(winners(&asking("0.01"), free()), Err(BelowMinProfitPercent));
    // The lead costs nothing, so no percentage of the cost is ever reached.
    let of_cost = asking("1").asking(|asked| asked.profit_percent_of = ProfitBase::Cost);
    assert_eq!(
        winners(&of_cost, vec![bid("a", "50.00")]),
        Err(BelowMinProfitPercent)
    );
}

#[test]
fn the_cost_follows_from_the_model_and_is_rounded_down_to_cents() {
    let cost = |model| cost_of(model, money("10.0150")).to_string();
    assert_eq!(cost(CostModel::PerLead(money("15.009"))), "15.00");
    assert_eq!(cost(CostModel::PerSale(money("15.00"))), "15.00");
    assert_eq!(cost(CostModel::RevenueShare(percent("70"))), "7.01");
    assert_eq!(cost(CostModel::Margin(percent("20"))), "8.01");
    assert_eq!(cost(CostModel::RevenueShare(percent("33.3333"))), "3.33");
    assert_eq!(cost(CostModel::Margin(percent("100"))), "0.00");
}

#[test]
fn requirements_are_measured_after_the_cost_is_rounded() {
    // 70 % of 0.01 is rounded down to nothing: the whole revenue is profit.
    let shared = terms()
        .costing(CostModel::RevenueShare(percent("70")))
        .asking(|asked| asked.min_profit_percent = Some(percent("100")));
    assert_eq!(winners(&shared, vec![bid("a", "0.01")]), Ok("a".into()));
}

#[test]
fn sixty_thousand_bids_of_which_none_will_do_are_decided_at_once() {
    let choosy = terms()
        .shared_by(5)
        .asking(|asked| asked.min_revenue = Some(money("1000000")));
    let bids = (0..60_000).map(|number| bid(&format!("a{number}"), "1.00").of_buyer("sunco"));
    let ranked = rank(&choosy, bids.collect());
    let started = std::time::Instant::now();
    assert_eq!(decide(&choosy, &ranked).verdict, Err(BelowMinRevenue));
    // Looking through the bids for each candidate would take two thousand million steps.
    assert!(
        started.elapsed().as_millis() < 2000,
        "{:?}",
        started.elapsed()
    );
}
