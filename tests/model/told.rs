//! What is compared: what each side says of what it did and of how things stand.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::auction::Quote;

/// What one step came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// A request was turned away, with this code.
    Refused(String),
    /// A request's faults: field and code.
    Faults(BTreeSet<(String, String)>),
    /// Every account's outcome, and the quote or why there is none.
    Decided {
        outcomes: BTreeMap<usize, String>,
        verdict: Result<Quote, String>,
    },
    /// An order, as it stands then.
    Order(Box<OrderTold>),
    /// How many orders expired.
    Expired(usize),
}

/// How an order stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderTold {
    pub state: String,
    /// What the supplier was told: `sold`, payout and buyers; `accepted`, payout and whether that
    /// is up to it; `rejected` and why.
    pub answer: Option<(String, String)>,
    pub finished: bool,
    pub deliveries: Vec<DeliveryTold>,
}

impl Told {
    /// As the admin API shows it: an order's deliveries in no order, and without what only a
    /// record says.
    pub(crate) fn as_shown(self) -> Self {
        let Self::Order(mut order) = self else {
            return self;
        };
        order.finished = false;
        order.deliveries.sort_by_key(|delivery| delivery.account);
        for delivery in &mut order.deliveries {
            let word = delivery.state.split(' ').next().unwrap_or_default();
            delivery.state = word.to_owned();
            (delivery.unreachable, delivery.by_hand) = (0, false);
        }
        Self::Order(order)
    }
}

/// How a delivery stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeliveryTold {
    pub account: usize,
    pub state: String,
    pub price: Option<Decimal>,
    pub marks: BTreeSet<String>,
    pub unreachable: u32,
    pub by_hand: bool,
}

/// One entry of a lead's ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryTold {
    pub kind: &'static str,
    pub account: Option<usize>,
    pub amount: Decimal,
    pub marks: BTreeSet<String>,
    pub at_ms: u64,
}

/// Entries in no order and at no time: what two clocks have in common.
pub(crate) fn untimed(mut entries: Vec<EntryTold>) -> Vec<EntryTold> {
    entries.iter_mut().for_each(|entry| entry.at_ms = 0);
    entries.sort();
    entries
}

/// What was counted of one owner: in each kind of period, sold, held, and both in money; and
/// when room was last taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct UsageTold {
    pub periods: [(u64, u64, Decimal, Decimal); 5],
    pub last_ms: Option<u64>,
}

/// Whose room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Account(usize),
    Campaign(usize),
}
