//! Claims about what a lead costs and earns.

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rust_decimal::Decimal;

use super::*;
use crate::ids::{OrderId, Ulid};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn percent(number: i64) -> Decimal {
    Decimal::from(number)
}

#[test]
fn a_lead_answered_sold_costs_its_quote_whatever_was_sold() {
    for model in [
        CostModel::PerLead(money("15.00")),
        CostModel::RevenueShare(percent(70)),
    ] {
        assert_eq!(
            owed(model, money("15.00"), Answered::Sold, money("3.00"), 1),
            money("15.00")
        );
    }
}

#[test]
fn a_lead_answered_rejected_never_costs_anything() {
    let model = CostModel::PerSale(money("15.00"));
    assert_eq!(
        owed(model, money("15.00"), Answered::Rejected, money("30.00"), 1),
        Money::ZERO
    );
    assert_eq!(
        payout(model, money("15.00"), Answered::Rejected),
        (Money::ZERO, false)
    );
}

#[test]
fn per_lead_is_owed_at_the_acceptance() {
    let model = CostModel::PerLead(money("15.00"));
    assert_eq!(
        owed(model, money("15.00"), Answered::Accepted, Money::ZERO, 0),
        money("15.00")
    );
    assert_eq!(
        payout(model, money("15.00"), Answered::Accepted),
        (money("15.00"), false)
    );
}

#[test]
fn per_sale_is_owed_at_the_first_sale_and_once() {
    let model = CostModel::PerSale(money("15.00"));
    let after = |sales| {
        owed(
            model,
            money("15.00"),
            Answered::Accepted,
            money("20.00"),
            sales,
        )
    };
    assert_eq!(
        [after(0), after(1), after(2)],
        [Money::ZERO, money("15.00"), money("15.00")]
    );
    assert_eq!(
        payout(model, money("15.00"), Answered::Accepted),
        (money("15.00"), true)
    );
}

#[test]
fn a_share_is_owed_of_what_was_really_sold_and_at_most_the_quote() {
    let share = CostModel::RevenueShare(percent(70));
    let margin = CostModel::Margin(percent(30));
    for model in [share, margin] {
        let after = |revenue| owed(model, money("14.00"), Answered::Accepted, money(revenue), 1);
        assert_eq!(after("10.01"), money("7.00"));
        assert_eq!(after("30.00"), money("14.00"));
        assert_eq!(
            payout(model, money("14.00"), Answered::Accepted),
            (money("14.00"), true)
        );
    }
}

#[test]
fn no_change_is_no_entry() {
    assert_eq!(cost_change(money("15.00"), money("15.00"), 1), None);
}

#[test]
fn an_entry_survives_being_stored() {
    let delivery = DeliveryId {
        order: OrderId(Ulid::from_parts(1, 2)),
        bid: 3,
    };
    let entry = |amount| {
        let (account, buyer) = ("sunco-west".parse().unwrap(), "sunco".parse().unwrap());
        revenue(
            delivery,
            &account,
            &buyer,
            money(amount),
            &[Mark::UnpaidSupplier, Mark::PriceCut],
            7,
        )
    };
    let less = cost_change(money("15.00"), money("7.50"), 9).unwrap();
    for entry in [entry("25.00"), less] {
        let stored = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), entry);
    }
    let json = serde_json::to_value(entry("25.00")).unwrap();
    assert_eq!(json["kind"]["revenue"]["amount"], "25.00");
    assert_eq!(json["marks"][0], "unpaid_supplier");
}

/// In ten-thousandths: every amount has at most four decimals.
fn units(money: Money) -> i128 {
    let scaled = (money.amount() * Decimal::from(10_000)).normalize();
    assert_eq!(scaled.scale(), 0);
    scaled.mantissa()
}

/// Of three accounts, sold at these prices, for a lead that costs this.
fn sold_to_three(cost: &str, prices: [&str; 3]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = prices
        .iter()
        .zip(0..)
        .map(|(price, bid)| {
            revenue(
                delivery(bid),
                &account(bid),
                &buyer(bid),
                money(price),
                &[],
                1,
            )
        })
        .collect();
    entries.extend(cost_change(Money::ZERO, money(cost), 1));
    entries
}

fn delivery(bid: u16) -> DeliveryId {
    DeliveryId {
        order: OrderId(Ulid::from_parts(1, 2)),
        bid,
    }
}

fn account(bid: u16) -> AccountId {
    format!("a{bid}").parse().unwrap()
}

fn buyer(bid: u16) -> BuyerId {
    format!("b{bid}").parse().unwrap()
}

/// One of them gives the lead back; what the supplier is charged for it.
fn give_back(entries: &mut Vec<Entry>, bid: u16, price: &str, charge: bool) -> Option<String> {
    entries.push(returned(
        delivery(bid),
        &account(bid),
        &buyer(bid),
        money(price),
        charge,
        2,
    ));
    let due = charge_due(&*entries, 2)?;
    let EntryKind::Charge { amount } = due.kind else {
        panic!("{due:?}")
    };
    entries.push(due);
    Some(amount.to_string())
}

#[test]
fn a_lead_given_back_by_all_costs_nothing_any_more() {
    let mut entries = sold_to_three("10.00", ["10.00", "10.00", "10.00"]);
    // A third each, rounded down in all, not each time.
    let charges = [0, 1, 2].map(|bid| give_back(&mut entries, bid, "10.00", true).unwrap());
    assert_eq!(charges, ["3.33", "3.33", "3.34"]);
    assert_eq!(totals(&entries), (Money::ZERO, Money::ZERO));
}

#[test]
fn an_account_that_does_not_charge_the_supplier_leaves_the_cost_as_it_is() {
    let mut entries = sold_to_three("10.00", ["30.00", "10.00", "0.00"]);
    assert_eq!(give_back(&mut entries, 0, "30.00", false), None);
    assert_eq!(totals(&entries), (money("10.00"), money("10.00")));
    // Measured against all that the lead was sold for.
    assert_eq!(
        give_back(&mut entries, 1, "10.00", true).as_deref(),
        Some("2.50")
    );
    assert_eq!(give_back(&mut entries, 2, "0.00", true), None);
}

#[test]
fn of_a_lead_that_earned_or_cost_nothing_nothing_is_charged() {
    for (cost, prices) in [("10.00", ["0.00"; 3]), ("0.00", ["5.00"; 3])] {
        let mut entries = sold_to_three(cost, prices);
        assert_eq!(give_back(&mut entries, 0, prices[0], true), None);
    }
}

#[test]
fn what_is_charged_once_is_not_charged_again() {
    let mut entries = sold_to_three("10.00", ["10.00", "10.00", "0.00"]);
    assert_eq!(
        give_back(&mut entries, 0, "10.00", true).as_deref(),
        Some("5.00")
    );
    assert_eq!(charge_due(&entries, 3), None);
}

fn amounts() -> impl Strategy<Value = Money> {
    (0_u32..500_000).prop_map(|units| money(&format!("{}.{:04}", units / 10_000, units % 10_000)))
}

fn models() -> impl Strategy<Value = CostModel> {
    prop_oneof![
        amounts().prop_map(CostModel::PerLead),
        amounts().prop_map(CostModel::PerSale),
        (0_i64..=100).prop_map(|part| CostModel::RevenueShare(percent(part))),
        (0_i64..=100).prop_map(|part| CostModel::Margin(percent(part))),
    ]
}

proptest! {
    /// Buyers give leads back in any order, each once; the supplier pays its part.
    #[test]
    fn charges_add_up_to_the_formula_and_never_to_more_than_the_cost(
        cost in (0_u32..50_000).prop_map(|cents| money(&format!("{}.{:02}", cents / 100, cents % 100))),
        prices in proptest::collection::vec(amounts(), 1..6),
        order in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), any::<bool>()), 0..6),
    ) {
        let places = || prices.iter().zip(0_u16..);
        let mut entries: Vec<Entry> = places().map(|(price, bid)| revenue(delivery(bid), &account(bid), &buyer(bid), *price, &[], 1)).collect();
        entries.extend(cost_change(Money::ZERO, cost, 1));
        let mut left: Vec<(Money, u16)> = places().map(|(price, bid)| (*price, bid)).collect();
        let whole: Money = prices.iter().copied().sum();
        let (mut back, mut charged_back) = (Money::ZERO, Money::ZERO);
        for (which, charge) in order {
            if left.is_empty() {
                break;
            }
            let (price, bid) = left.remove(which.index(left.len()));
            entries.push(returned(delivery(bid), &account(bid), &buyer(bid), price, charge, 2));
            back = back + price;
            charged_back = charged_back + if charge { price } else { Money::ZERO };
            let due = charge_due(&entries, 2);
            let more = due.as_ref().is_none_or(|due| totals([due]).1 < Money::ZERO);
            prop_assert!(more, "what is charged is never given back");
            entries.extend(due);
            // In whole numbers: cents rounded down.
            let cents = if whole.is_zero() { 0 } else { units(cost) * units(charged_back) / units(whole) / 100 };
            let charged = cost - totals(&entries).1;
            prop_assert_eq!(units(charged), cents * 100);
            prop_assert!(charged <= cost);
            prop_assert_eq!(totals(&entries).0, whole - back);
            prop_assert_eq!(charge_due(&entries, 3), None);
        }
    }

    /// A lead is answered, then its deliveries are sold one after the other; each event
    /// books its revenue and what it changes in the cost.
    #[test]
    fn the_entries_add_up_to_what_was_sold_and_what_is_owed(
        model in models(),
        bid_total in amounts(),
        prices in proptest::collection::vec(amounts(), 0..5),
        answered in prop_oneof![Just(Answered::Sold), Just(Answered::Rejected), Just(Answered::Accepted)],
        at_ms in any::<u64>(),
    ) {
        let quoted = cost_of(model, bid_total);
        let (account, buyer) = ("a".parse().unwrap(), "b".parse().unwrap());
        let now = |sold: Money, sales| owed(model, quoted, answered, sold, sales);
        let mut entries: Vec<Entry> = cost_change(Money::ZERO, now(Money::ZERO, 0), at_ms).into_iter().collect();
        let (mut sold, mut sales) = (Money::ZERO, 0);
        for price in prices {
            let before = now(sold, sales);
            let delivery = DeliveryId { order: OrderId(Ulid::nil()), bid: u16::try_from(sales).unwrap() };
            sold = sold + price;
            sales += 1;
            entries.push(revenue(delivery, &account, &buyer, price, &[], at_ms));
            entries.extend(cost_change(before, now(sold, sales), at_ms));
            prop_assert_eq!(totals(&entries), (sold, now(sold, sales)));
            prop_assert!(now(sold, sales) >= before, "without returns a supplier is never owed less");
        }
        prop_assert_eq!(totals(&entries), (sold, now(sold, sales)));
        prop_assert!(now(sold, sales) <= quoted);
        prop_assert!(payout(model, quoted, answered).0 >= now(sold, sales), "never more than the supplier was told");
    }
}
