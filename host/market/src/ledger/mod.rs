//! What a lead costs and earns (`rules.md`, Money).
//!
//! A lead's ledger is a list that is only ever added to: one entry for each delivery sold
//! ([`revenue`]), and one for each change in what the lead costs ([`cost_change`]). What it
//! costs as things stand is [`owed`], so the entries always add up to that.

#[cfg(test)]
mod tests;

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
    /// A delivery given back, which was accepted: its revenue is reversed.
    Return {
        /// Which.
        delivery: DeliveryId,
        /// Who gave it back.
        account: AccountId,
        /// Who pays no longer.
        buyer: BuyerId,
        /// The price that it was sold at.
        amount: Money,
        /// Whether the supplier pays back its part.
        charge_supplier: bool,
    },
    /// What the supplier pays back for what was given back.
    Charge {
        /// The difference to what was charged before.
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
            EntryKind::Return { amount, .. } => (revenue - *amount, cost),
            EntryKind::Cost { amount } => (revenue, cost + *amount),
            EntryKind::Charge { amount } => (revenue, cost - *amount),
        },
    )
}

/// The entry of a delivery given back.
pub fn returned(
    delivery: DeliveryId,
    account: &AccountId,
    buyer: &BuyerId,
    amount: Money,
    charge_supplier: bool,
    at_ms: u64,
) -> Entry {
    let kind = EntryKind::Return {
        delivery,
        account: account.clone(),
        buyer: buyer.clone(),
        amount,
        charge_supplier,
    };
    Entry {
        at_ms,
        kind,
        marks: Vec::new(),
    }
}

/// The entry of what the supplier is to be charged and has not been, after these entries of
/// one lead (`rules.md`, Returns): in all, cost × returned revenue of accounts that charge it
/// ÷ the lead's revenue, rounded down to cents.
pub fn charge_due<'a>(entries: impl IntoIterator<Item = &'a Entry>, at_ms: u64) -> Option<Entry> {
    let (mut revenue, mut cost) = (Money::ZERO, Money::ZERO);
    let (mut given_back, mut charged) = (Money::ZERO, Money::ZERO);
    for entry in entries {
        match &entry.kind {
            EntryKind::Revenue { amount, .. } => revenue = revenue + *amount,
            EntryKind::Cost { amount } => cost = cost + *amount,
            EntryKind::Charge { amount } => charged = charged + *amount,
            EntryKind::Return {
                amount,
                charge_supplier: true,
                ..
            } => given_back = given_back + *amount,
            EntryKind::Return { .. } => {}
        }
    }
    let share = (cost.amount() * given_back.amount()).checked_div(revenue.amount());
    let amount = share.map_or(Money::ZERO, Money::payout) - charged;
    (!amount.is_zero()).then(|| Entry {
        at_ms,
        kind: EntryKind::Charge { amount },
        marks: Vec::new(),
    })
}
