//! The lines of what is booked.
//!
//! At the account grain a lead's cost is split over the deliveries sold by what each was sold
//! at; a charge, which gives the supplier's part of a return back, over the returns that it is
//! for. Parts are cents, and what is left over goes to the first. What is owed before anybody
//! has bought stands with no account, and moves when somebody does: each entry changes the lines
//! by the difference that it makes, so that they add up to the ledger over any stretch of time.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{AccountLine, Measures, Sums, add};
use crate::{
    ids::{AccountId, BuyerId, DeliveryId},
    ledger::{Entry, EntryKind},
    money::Money,
    reason::Outcome,
};

/// What one entry adds to the sums of its hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// When.
    pub at_ms: u64,
    /// To its line at the ping grain.
    pub whole: Measures,
    /// At the account grain.
    pub by_account: Sums<AccountLine>,
}

/// What each of `new` adds, behind the lead's entries `before`. `is_quoted` says whether the
/// quote counted on a delivery.
pub fn booked(
    before: &[Entry],
    new: &[Entry],
    is_quoted: impl Fn(DeliveryId) -> bool,
) -> Vec<Booked> {
    let mut entries = before.to_vec();
    let mut costs = cost_by_delivery(&entries);
    let mut all = Vec::with_capacity(new.len());
    for entry in new {
        entries.push(entry.clone());
        let after = cost_by_delivery(&entries);
        let whole = of_entry(&entry.kind);
        let mut by_account = Sums::new();
        if let Some(who) = Who::of(&entry.kind) {
            add(&mut by_account, [(who.line(&is_quoted), no_cost(whole))]);
        }
        let taken = costs
            .into_iter()
            .map(|(who, cost)| (who, Money::ZERO - cost));
        let changes = taken.chain(after.clone()).map(|(who, cost)| {
            let line = who.map_or_else(AccountLine::default, |who| who.line(&is_quoted));
            let measures = Measures {
                cost,
                ..Measures::default()
            };
            (line, measures)
        });
        add(&mut by_account, changes);
        by_account.retain(|_, measures| *measures != Measures::default());
        all.push(Booked {
            at_ms: entry.at_ms,
            whole,
            by_account,
        });
        costs = after;
    }
    all
}

fn of_entry(kind: &EntryKind) -> Measures {
    let nothing = Measures::default();
    match kind {
        EntryKind::Revenue { amount, .. } => Measures {
            sales: 1,
            revenue: *amount,
            ..nothing
        },
        EntryKind::Return { amount, .. } => Measures {
            revenue: Money::ZERO - *amount,
            ..nothing
        },
        EntryKind::Cost { amount } => Measures {
            cost: *amount,
            ..nothing
        },
        EntryKind::Charge { amount } => Measures {
            cost: Money::ZERO - *amount,
            ..nothing
        },
    }
}

fn no_cost(measures: Measures) -> Measures {
    Measures {
        cost: Money::ZERO,
        ..measures
    }
}

/// A delivery and who bought it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    delivery: DeliveryId,
    account: AccountId,
    buyer: BuyerId,
}

impl Who {
    fn of(kind: &EntryKind) -> Option<Self> {
        match kind {
            EntryKind::Revenue {
                delivery,
                account,
                buyer,
                ..
            }
            | EntryKind::Return {
                delivery,
                account,
                buyer,
                ..
            } => Some(Self {
                delivery: *delivery,
                account: account.clone(),
                buyer: buyer.clone(),
            }),
            EntryKind::Cost { .. } | EntryKind::Charge { .. } => None,
        }
    }

    fn line(self, is_quoted: impl Fn(DeliveryId) -> bool) -> AccountLine {
        AccountLine {
            outcome: is_quoted(self.delivery).then_some(Outcome::Won),
            account: Some(self.account),
            buyer: Some(self.buyer),
            ..AccountLine::default()
        }
    }
}

/// Each delivery's part of what the lead costs by these entries.
fn cost_by_delivery(entries: &[Entry]) -> BTreeMap<Option<Who>, Money> {
    let (mut sold, mut returned) = (Vec::new(), Vec::new());
    let (mut cost, mut charged) = (Money::ZERO, Money::ZERO);
    for entry in entries {
        let who = Who::of(&entry.kind);
        match (&entry.kind, who) {
            (EntryKind::Revenue { amount, .. }, Some(who)) => sold.push((who, *amount)),
            (
                EntryKind::Return {
                    amount,
                    charge_supplier: true,
                    ..
                },
                Some(who),
            ) => returned.push((who, *amount)),
            (EntryKind::Cost { amount }, _) => cost = cost + *amount,
            (EntryKind::Charge { amount }, _) => charged = charged + *amount,
            _ => {}
        }
    }
    let mut parts = BTreeMap::new();
    let gained = split(cost, sold);
    let given_back = split(charged, returned)
        .into_iter()
        .map(|(who, part)| (who, Money::ZERO - part));
    for (who, part) in gained.into_iter().chain(given_back) {
        let sum = parts.entry(who).or_insert(Money::ZERO);
        *sum = *sum + part;
    }
    parts
}

/// An amount by weights, in cents; what is left over goes to the first, all of it where there
/// is no weight, and to nobody where there is nobody.
fn split(amount: Money, among: Vec<(Who, Money)>) -> Vec<(Option<Who>, Money)> {
    let weights: Decimal = among.iter().map(|(_, weight)| weight.amount()).sum();
    let part = |weight: Money| {
        let part = (amount.amount() * weight.amount()).checked_div(weights);
        part.map_or(Money::ZERO, Money::payout)
    };
    let mut parts: Vec<_> = among
        .into_iter()
        .map(|(who, weight)| (Some(who), part(weight)))
        .collect();
    let given: Money = parts.iter().map(|(_, part)| *part).sum();
    let left = amount - given;
    match parts.first_mut() {
        Some((_, first)) => *first = *first + left,
        None => parts.push((None, left)),
    }
    parts
}
