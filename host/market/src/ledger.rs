//! What a lead costs and earns (`rules.md`, Money).
//!
//! A lead's ledger is a list that is only ever added to: one entry for each delivery sold
//! ([`revenue`]), and one for each change in what the lead costs ([`cost_change`]). What it
//! costs as things stand is [`owed`], so the entries always add up to that.

use serde::{Deserialize, Serialize};

use crate::{
    auction::cost_of,
    ids::{AccountId, BuyerId, DeliveryId},
    model::CostModel,
    money::Money,
    reason::Mark,
};

/// What the supplier was told about a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// Bought, while the supplier waited.
    Sold,
    /// Not bought. It never costs anything, whatever is found out later.
    Rejected,
    /// Taken; it is delivered while nobody waits.
    Accepted,
}

/// One entry; never changed, only followed by others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// What is booked.
    pub kind: EntryKind,
    /// What an operator should know about it.
    pub marks: Vec<Mark>,
}

/// What an entry books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A delivery sold.
    Revenue {
        /// Which.
        delivery: DeliveryId,
        /// Who bought.
        account: AccountId,
        /// Who pays.
        buyer: BuyerId,
        /// The price that it was sold at.
        amount: Money,
    },
    /// A change in what the supplier is owed for the lead.
    Cost {
        /// The difference; negative where less is owed than before.
        amount: Money,
    },
}

/// What a lead costs, given how it was answered and what has been sold of it so far.
///
/// `quoted` is the quote's cost, `sold_revenue` and `sales` the sum and number of the
/// deliveries sold.
pub fn owed(
    model: CostModel,
    quoted: Money,
    answered: Answered,
    sold_revenue: Money,
    sales: u32,
) -> Money {
    match (answered, model) {
        (Answered::Rejected, _) => Money::ZERO,
        (Answered::Accepted, CostModel::PerSale(_)) if sales == 0 => Money::ZERO,
        (Answered::Accepted, CostModel::RevenueShare(_) | CostModel::Margin(_)) => {
            cost_of(model, sold_revenue).min(quoted)
        }
        (Answered::Accepted, CostModel::PerLead(_) | CostModel::PerSale(_))
        | (Answered::Sold, _) => quoted,
    }
}

/// What the supplier is told, with its answer, that it gets; and whether that is
/// `"up_to"`, since it depends on what will be sold.
pub fn payout(model: CostModel, quoted: Money, answered: Answered) -> (Money, bool) {
    match answered {
        Answered::Rejected => (Money::ZERO, false),
        Answered::Sold => (quoted, false),
        Answered::Accepted => (
            quoted,
            owed(model, quoted, answered, Money::ZERO, 0) != quoted,
        ),
    }
}

/// The entry of a delivery sold, with the delivery's marks.
pub fn revenue(
    delivery: DeliveryId,
    account: &AccountId,
    buyer: &BuyerId,
    amount: Money,
    marks: &[Mark],
    at_ms: u64,
) -> Entry {
    let kind = EntryKind::Revenue {
        delivery,
        account: account.clone(),
        buyer: buyer.clone(),
        amount,
    };
    Entry {
        at_ms,
        kind,
        marks: marks.to_vec(),
    }
}

/// The entry of a change in what the lead costs; none where nothing changed.
pub fn cost_change(before: Money, after: Money, at_ms: u64) -> Option<Entry> {
    let amount = after - before;
    let changed = !amount.is_zero();
    changed.then(|| Entry {
        at_ms,
        kind: EntryKind::Cost { amount },
        marks: Vec::new(),
    })
}

/// What these entries say that the buyers pay and that the supplier is owed.
pub fn totals<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> (Money, Money) {
    entries.into_iter().fold(
        (Money::ZERO, Money::ZERO),
        |(revenue, cost), entry| match &entry.kind {
            EntryKind::Revenue { amount, .. } => (revenue + *amount, cost),
            EntryKind::Cost { amount } => (revenue, cost + *amount),
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };
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
            let after =
                |revenue| owed(model, money("14.00"), Answered::Accepted, money(revenue), 1);
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

    fn amounts() -> impl Strategy<Value = Money> {
        (0_u32..500_000)
            .prop_map(|units| money(&format!("{}.{:04}", units / 10_000, units % 10_000)))
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
}
