//! What the two APIs say, as it is compared.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use super::super::{
    auction::Quote,
    case::PERIODS,
    told::{DeliveryTold, EntryTold, OrderTold, Told, UsageTold},
};

/// The names of a case's accounts.
pub(super) struct Names<'p>(pub(super) &'p str);

impl Names<'_> {
    fn account(&self, name: &Value) -> usize {
        let place = name
            .as_str()
            .and_then(|name| name.strip_prefix(self.0)?.strip_prefix('a'));
        let place = place.and_then(|place| place.parse().ok());
        place.unwrap_or_else(|| panic!("{name} is no account of the case {}", self.0))
    }

    /// Every account's outcome in a ping's record.
    pub(super) fn outcomes(&self, record: &Value) -> impl Iterator<Item = (usize, String)> {
        list(&record["outcomes"])
            .iter()
            .map(|outcome| (self.account(&outcome["account"]), text(&outcome["code"])))
    }

    pub(super) fn quote(&self, order: &Value) -> Quote {
        let quote = &order["quote"];
        Quote {
            selected: list(&quote["accounts"])
                .iter()
                .map(|name| self.account(name))
                .collect(),
            revenue: amount(&quote["revenue"]),
            cost: amount(&quote["cost"]),
        }
    }

    /// A lead, as [`Told::as_shown`] has it.
    pub(super) fn lead(&self, lead: &Value) -> Told {
        let delivery = |delivery: &Value| DeliveryTold {
            account: self.account(&delivery["account"]),
            state: text(&delivery["outcome"]),
            price: Some(&delivery["price"])
                .filter(|price| !price.is_null())
                .map(amount),
            marks: words(&delivery["marks"]),
            unreachable: 0,
            by_hand: false,
        };
        let order = OrderTold {
            state: text(&lead["state"]),
            answer: Some(&lead["answer"])
                .filter(|answer| !answer.is_null())
                .map(answer),
            finished: false,
            deliveries: list(&lead["deliveries"]).iter().map(delivery).collect(),
        };
        Told::Order(Box::new(order)).as_shown()
    }

    pub(super) fn ledger(&self, lead: &Value) -> Vec<EntryTold> {
        let entry = |entry: &Value| {
            let kind = ["revenue", "cost", "return", "charge"]
                .into_iter()
                .find(|kind| entry["kind"] == *kind)
                .unwrap_or_else(|| panic!("an unknown kind: {entry}"));
            let sign = match kind {
                "return" | "charge" => Decimal::NEGATIVE_ONE,
                _ => Decimal::ONE,
            };
            EntryTold {
                kind,
                account: entry.get("account").map(|name| self.account(name)),
                amount: (amount(&entry["amount"]) * sign).normalize(),
                marks: words(&entry["marks"]),
                at_ms: millis(&entry["at"]),
            }
        };
        list(&lead["ledger"]).iter().map(entry).collect()
    }
}

/// What was counted of an owner; a campaign has no budget.
pub(super) fn usage(usage: &Value) -> UsageTold {
    let money = |period: &str, what: &str| match usage.get("budget") {
        Some(budget) => amount(&budget[period][what]),
        None => Decimal::ZERO,
    };
    UsageTold {
        periods: PERIODS.map(|period| {
            let number = |what: &str| usage["caps"][period][what].as_u64().expect("a number");
            (
                number("sold"),
                number("held"),
                money(period, "sold"),
                money(period, "held"),
            )
        }),
        last_ms: Some(&usage["last_taken_at"])
            .filter(|at| !at.is_null())
            .map(millis),
    }
}

/// What a supplier is told of a lead: status, and the rest in words.
pub(super) fn answer(answer: &Value) -> (String, String) {
    let status = text(&answer["status"]);
    let rest = match status.as_str() {
        "sold" => format!("{} to {}", amount(&answer["payout"]), answer["deliveries"]),
        "accepted" if answer["payout_is"] == "up_to" => {
            format!("{} up to", amount(&answer["payout"]))
        }
        "accepted" => amount(&answer["payout"]).to_string(),
        _ => text(&answer["reason"]),
    };
    (status, rest)
}

/// A request that was turned away.
pub(super) fn problem(problem: &Value) -> Told {
    let code = text(&problem["code"]);
    if code != "invalid_fields" {
        return Told::Refused(code);
    }
    let faults = list(&problem["errors"]).iter();
    Told::Faults(
        faults
            .map(|fault| (text(&fault["field"]), text(&fault["code"])))
            .collect(),
    )
}

pub(super) fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array();
    list.unwrap_or_else(|| panic!("{value} is no list"))
}

fn words(value: &Value) -> BTreeSet<String> {
    list(value).iter().map(text).collect()
}

fn amount(value: &Value) -> Decimal {
    let amount = value.as_str().and_then(|text| text.parse::<Decimal>().ok());
    let amount = amount.unwrap_or_else(|| panic!("{value} is no amount"));
    amount.normalize()
}

fn millis(value: &Value) -> u64 {
    let at = value
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    let at = at.unwrap_or_else(|| panic!("{value} is no time"));
    u64::try_from(at.as_millisecond()).expect("after 1970")
}
