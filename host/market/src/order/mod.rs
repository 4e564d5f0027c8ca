//! An order from quote to settlement.
//!
//! ```text
//! open ─► posting ─► sold | accepted | rejected
//!   └───► expired
//! ```
//!
//! An [`Order`] is the durable record of a quoted ping, of the post that claimed it and of
//! every delivery. Everything that may happen to one is a transition in
//! [`transitions`](self), a plain function that either changes the record or says why not;
//! the store runs each as one compare-and-set. [`Order::next`] says what to do next. What
//! keeps a lead out of too many hands is therefore here, in one place:
//! [`Order::begin`] is the only way for a request to leave, and it counts places.

mod next;
mod room;
#[cfg(test)]
mod tests;
mod transitions;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    next::Next,
    transitions::{BeginRefused, Claim, ClaimRefused, End, NotOpen, NotRetryable, SettleRefused},
};
use crate::{
    auction::{Bid, Quote},
    duplicates::Fingerprint,
    field::Value,
    ids::{AccountId, BuyerId, CampaignId, DeliveryId, Digest, OrderId, PluginName, SupplierId},
    lead::FieldError,
    model::{CostModel, HoldAt, OnUnconfirmed},
    money::Money,
    reason::{Mark, Outcome, RejectReason},
};

/// The durable record of a quoted ping, and of what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Shares its ULID with the ping and the lead.
    pub id: OrderId,
    /// Whose terms hold.
    pub campaign: CampaignId,
    /// Who may post to it.
    pub supplier: SupplierId,
    /// The market's revision that quoted it, and serves its post.
    pub revision: u64,
    /// The versions that decided.
    pub digests: BTreeMap<PluginName, Digest>,
    /// Unix time in milliseconds of the ping's first byte.
    pub received_at_ms: u64,
    /// Unix time in milliseconds from which it can no longer be posted.
    pub expires_at_ms: u64,
    /// Unix time in milliseconds at which it took room in caps and budgets with its quote.
    pub room_at_ms: u64,
    /// When it takes room in the campaign's caps.
    #[serde(default)]
    pub hold: HoldAt,
    /// Whether it is a test: it touches nothing real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// The pinged fields; nothing personal.
    pub lead: Vec<(String, Value)>,
    /// The supplier's own name for where the lead came from.
    pub sub_id: Option<String>,
    /// What the supplier asked for at least.
    pub min_bid: Option<Money>,
    /// Every valid bid, best first.
    pub bids: Vec<Bid>,
    /// What was promised on which bids.
    pub quote: Quote,
    /// How a cost follows from revenue; from the campaign at the quote's revision.
    pub cost: CostModel,
    /// Into how many hands the lead goes at most.
    pub max_deliveries: u32,
    /// Where it stands.
    pub state: OrderState,
    /// The post that claimed it.
    pub post: Option<Post>,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Quoted; a post may come.
    Open,
    /// Nobody posted in time.
    Expired,
    /// A post claimed it; its answer is not known yet.
    Posting,
    /// Answered `sold`.
    Sold,
    /// Answered `accepted`; its deliveries go on by themselves.
    Accepted,
    /// Answered `rejected`.
    Rejected,
}

impl OrderState {
    /// The word that stands for it in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Posting => "posting",
            Self::Sold => "sold",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// The post that claimed an order. What is personal in it is kept elsewhere, sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Unix time in milliseconds of its first byte.
    pub received_at_ms: u64,
    /// Until when the supplier waits for the delivery, as Unix time in milliseconds; `None`
    /// where the campaign accepts at once.
    pub waits_until_ms: Option<u64>,
    /// Keyed hash of the whole normalised lead: the same lead again gets the same answer.
    pub lead_hash: Digest,
    /// The full lead's fields that are not personal.
    pub lead: Vec<(String, Value)>,
    /// By what the lead is known again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<Fingerprint>,
    /// Unix time in milliseconds at which it took room in the campaign's caps, if it did so
    /// only now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_at_ms: Option<u64>,
    /// Said beside the answer.
    pub warnings: Vec<FieldError>,
    /// What the supplier was told; kept before it is told.
    pub answer: Option<PostAnswer>,
    /// Every account tried, in the order in which it was first tried.
    pub deliveries: Vec<Delivery>,
    /// Its personal fields were erased before all was done: nothing more is tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// Nothing more will be tried by itself, and nothing is unconfirmed.
    pub finished: bool,
    /// Unix time in milliseconds at which the order was settled or finished.
    pub settled_at_ms: Option<u64>,
}

/// What a supplier was told about a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PostAnswer {
    /// Buyers took the lead.
    Sold {
        /// What the supplier is paid: the quote.
        payout: Money,
        /// How many buyers accepted.
        deliveries: u32,
    },
    /// The lead is durably ours; it is delivered in the background.
    Accepted {
        /// What the supplier is paid, or may be paid at most.
        payout: Money,
        /// Whether the payout depends on what is sold.
        up_to: bool,
    },
    /// Nothing is paid.
    Rejected {
        /// Why.
        reason: RejectReason,
    },
}

/// One account that the lead was to be delivered to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Place of its bid among the order's.
    pub bid: u16,
    /// To whom.
    pub account: AccountId,
    /// Whose account that is: a buyer gets a lead once.
    pub buyer: BuyerId,
    /// Where it stands.
    pub state: DeliveryState,
    /// Whether an operator took it out of unconfirmed; that is possible once.
    pub settled_by_hand: bool,
    /// Whether an operator wants it tried again, until that is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_for: bool,
    /// Times that no connection was had.
    pub unreachable: u32,
    /// What it was sold at.
    pub price: Option<Money>,
    /// Why, in the host's own word or one that the plugin declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Said beside the outcome.
    pub marks: Vec<Mark>,
    /// What holds when nobody knows how it ended; from the account at the quote's revision.
    pub on_unconfirmed: OnUnconfirmed,
    /// Unix time in milliseconds at which it took room in the account's caps and budget; none
    /// while it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_at_ms: Option<u64>,
    /// Unix time in milliseconds of its last change.
    pub at_ms: u64,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// A request is about to leave or has left. Whoever finds this after a crash must
    /// take it that the buyer may have the lead.
    InFlight,
    /// The buyer took it.
    Sold,
    /// The buyer did not take it.
    Rejected,
    /// The buyer may have taken it; counts as sold until an operator settles it.
    Unconfirmed,
    /// Nothing was sent, and nothing will be.
    PassedOver(Outcome),
    /// No connection was had; to be tried again from this Unix time in milliseconds.
    Retrying(u64),
    /// No connection was had, as often as was to be tried.
    Failed,
}

impl DeliveryState {
    /// The word that stands for it in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Sold => "sold",
            Self::Rejected => "rejected",
            Self::Unconfirmed => "unconfirmed",
            Self::PassedOver(outcome) => outcome.word(),
            Self::Retrying(_) => "retrying",
            Self::Failed => "failed",
        }
    }

    /// Whether the buyer has the lead or may have it: such a delivery holds a place.
    pub fn holds_a_place(self) -> bool {
        matches!(self, Self::InFlight | Self::Sold | Self::Unconfirmed)
    }
}

impl Order {
    /// The id of the delivery on one of this order's bids.
    pub fn delivery_id(&self, bid: u16) -> DeliveryId {
        DeliveryId {
            order: self.id,
            bid,
        }
    }

    /// The delivery on one of this order's bids, if that account was tried.
    pub fn delivery(&self, bid: u16) -> Option<&Delivery> {
        self.deliveries()
            .iter()
            .find(|delivery| delivery.bid == bid)
    }

    /// Every account tried.
    pub fn deliveries(&self) -> &[Delivery] {
        self.post.as_ref().map_or(&[], |post| &post.deliveries)
    }

    /// Sum of the prices that it was sold at.
    pub fn sold_revenue(&self) -> Money {
        self.deliveries()
            .iter()
            .filter(|delivery| delivery.state == DeliveryState::Sold)
            .filter_map(|delivery| delivery.price)
            .sum()
    }

    /// How many buyers took it for certain.
    pub fn sales(&self) -> u32 {
        let sold = self
            .deliveries()
            .iter()
            .filter(|delivery| delivery.state == DeliveryState::Sold);
        u32::try_from(sold.count()).unwrap_or(u32::MAX)
    }

    /// Whether deliveries are to go on, or to be resumed after a crash.
    pub fn is_being_delivered(&self) -> bool {
        match self.state {
            OrderState::Posting => true,
            OrderState::Accepted => self.post.as_ref().is_some_and(|post| !post.finished),
            _ => false,
        }
    }
}
