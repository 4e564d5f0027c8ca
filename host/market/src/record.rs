//! The record of a ping: what went in, who decided, what each account said, what came out.
//!
//! It holds what is needed to explain and to repeat the decision. Accounts whose outcome
//! follows from lead, revision and time alone are not in it: they are derived again when
//! somebody asks ([`crate::model::Market::outcome_of`]), so that a ping costs what its matches cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    field::Value,
    ids::{AccountId, CampaignId, Digest, OrderId, PingId, PluginName, SupplierId},
    money::Money,
    reason::{NoBidReason, Outcome},
    room::Turn,
};

/// One ping, as it was decided. Nothing in it is personal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PingRecord {
    /// Its id.
    pub id: PingId,
    /// Under which terms.
    pub campaign: CampaignId,
    /// Who sent it.
    pub supplier: SupplierId,
    /// The market's revision that decided.
    pub revision: u64,
    /// The versions of the plugins that were asked.
    pub digests: BTreeMap<PluginName, Digest>,
    /// What went in.
    pub input: PingInput,
    /// What became of every account that the record must say: those that criteria let through.
    pub outcomes: Vec<AccountOutcome>,
    /// What each buyer was asked and answered, in the order of the answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchanged>,
    /// How long the parts took.
    pub timings: Timings,
    /// What the supplier was told.
    pub answer: PingAnswer,
}

impl PingRecord {
    /// The same ping, when what was decided came too late to be told: nobody won.
    #[must_use]
    pub fn out_of_time(mut self) -> Self {
        for one in &mut self.outcomes {
            if one.outcome == Outcome::Won {
                one.outcome = Outcome::NoTime;
            }
        }
        self.answer = PingAnswer::NoBid {
            reason: NoBidReason::NoTime,
        };
        self
    }
}

/// What went into a ping's decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PingInput {
    /// Unix time in milliseconds of the request's first byte.
    pub received_at_ms: u64,
    /// The pinged fields.
    pub lead: Vec<(String, Value)>,
    /// The supplier's own name for where the lead came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_id: Option<String>,
    /// The supplier's own deadline, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tmax_ms: Option<u64>,
    /// What the supplier asked for at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bid: Option<Money>,
    /// Whether it was a test: nothing real was touched, and it is in no report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// What became of one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountOutcome {
    /// Which account.
    pub account: AccountId,
    /// What became of it.
    pub outcome: Outcome,
    /// More about it, where there is.
    #[serde(default, skip_serializing_if = "Detail::is_empty")]
    pub detail: Detail,
    /// Its bid, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Money>,
    /// What ranking looked at beside the bid, where the campaign ranks by turn or by weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
}

/// More about an outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The field that a criterion failed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The plugin's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The plugin's or the buyer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Detail {
    /// Whether there is nothing more.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Words alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }
}

/// One request to a buyer and its answer, secrets taken out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchanged {
    /// For whom.
    pub account: AccountId,
    /// Microseconds from the ping's first byte to the answer.
    pub at_us: u64,
    /// HTTP status.
    pub status: u16,
    /// HTTP headers.
    pub headers: Vec<(String, String)>,
    /// The body as text; what is no UTF-8 is replaced.
    pub body: String,
    /// The body was longer than a record keeps.
    #[serde(default)]
    pub cut: bool,
}

/// Where an account stands before bids are ranked: what its plugins and its buyer made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Why it does not bid; none where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The plugin's own code for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bid, valid or not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Money>,
}

impl Standing {
    /// Whether the two decide the same; words may differ.
    pub fn decides_as(&self, other: &Self) -> bool {
        (self.outcome, &self.code, self.bid) == (other.outcome, &other.code, other.bid)
    }
}

/// What a plugin's shadow would have decided otherwise in one ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// Which ping.
    pub ping: PingId,
    /// Which plugin.
    pub plugin: PluginName,
    /// The shadow's version.
    pub digest: Digest,
    /// One for each account that would have stood elsewhere.
    pub accounts: Vec<Difference>,
}

/// Where one account stood, and where it would have stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which account.
    pub account: AccountId,
    /// By the active version.
    pub active: Standing,
    /// By the shadow.
    pub shadow: Standing,
}

/// How long the parts of a ping took, each in microseconds since the request's first byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Decoded and checked.
    pub understood_us: u64,
    /// Criteria and filters done.
    pub scanned_us: u64,
    /// All bids in.
    pub bids_us: u64,
    /// Ranked and selected.
    pub decided_us: u64,
}

/// What a supplier was told about a ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PingAnswer {
    /// A quote.
    Bid {
        /// What to post to.
        ping_order_id: OrderId,
        /// What the supplier would be paid.
        bid: Money,
        /// Accounts selected.
        deliveries: u32,
        /// Unix time in milliseconds from which it can no longer be posted.
        expires_at_ms: u64,
    },
    /// No quote.
    NoBid {
        /// Why.
        reason: NoBidReason,
    },
}
