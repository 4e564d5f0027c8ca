//! What a supplier sends and what it is answered, as in `api.md`, Supplier API.
//!
//! Amounts stay text: a supplier here passes them on and counts answers, no more.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A ping.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ping {
    /// The lead's fields.
    pub lead: Map<String, Value>,
    /// Answer within so many milliseconds.
    pub tmax_ms: Option<u64>,
    /// The least that the supplier takes.
    pub min_bid: Option<String>,
    /// The supplier's own name for where the lead came from.
    pub sub_id: Option<String>,
    /// Makes the ping safe to send again.
    pub idempotency_key: Option<String>,
}

impl Ping {
    /// A ping of a lead, without controls.
    pub fn of(lead: &super::Lead) -> Self {
        Self {
            lead: lead.open.clone(),
            ..Self::default()
        }
    }
}

/// A post.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// From the bid.
    pub ping_order_id: String,
    /// The lead's fields.
    pub lead: Map<String, Value>,
}

impl Post {
    /// A post of the whole lead.
    pub fn of(ping_order_id: &str, lead: &super::Lead) -> Self {
        Self {
            ping_order_id: ping_order_id.to_owned(),
            lead: lead.full(),
        }
    }
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PingAnswer {
    /// So much, until then.
    Bid {
        /// Names the ping.
        ping_id: String,
        /// What a post names.
        ping_order_id: String,
        /// What the supplier would be paid.
        bid: String,
        /// ISO 4217.
        currency: String,
        /// Buyers selected.
        deliveries: u32,
        /// RFC 3339.
        expires_at: String,
    },
    /// Nobody, and why.
    NoBid {
        /// Names the ping.
        ping_id: String,
        /// A reason code.
        reason: String,
    },
}

impl PingAnswer {
    /// The order to post to, where there is one.
    pub fn order(&self) -> Option<&str> {
        match self {
            Self::Bid { ping_order_id, .. } => Some(ping_order_id),
            Self::NoBid { .. } => None,
        }
    }
}

/// The answer to a post.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PostAnswer {
    /// Bought.
    Sold {
        /// Names the lead.
        lead_id: String,
        /// What the supplier is paid.
        payout: String,
        /// ISO 4217.
        currency: String,
        /// Buyers that accepted.
        deliveries: u32,
        /// Where a buyer wants the consumer sent.
        redirect_url: Option<String>,
        /// Said beside it.
        #[serde(default)]
        warnings: Vec<FieldProblem>,
    },
    /// Taken, and to be delivered.
    Accepted {
        /// Names the lead.
        lead_id: String,
        /// What the supplier is paid.
        payout: String,
        /// `up_to` where the payout is not fixed yet.
        payout_is: Option<String>,
        /// ISO 4217.
        currency: String,
        /// Said beside it.
        #[serde(default)]
        warnings: Vec<FieldProblem>,
    },
    /// Not bought, and why.
    Rejected {
        /// Names the lead.
        lead_id: String,
        /// A reason code.
        reason: String,
    },
}

impl PostAnswer {
    /// Names the lead.
    pub fn lead_id(&self) -> &str {
        match self {
            Self::Sold { lead_id, .. }
            | Self::Accepted { lead_id, .. }
            | Self::Rejected { lead_id, .. } => lead_id,
        }
    }
}

/// An answer that is an error: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A code.
    #[serde(default)]
    pub code: String,
    /// For a person.
    #[serde(default)]
    pub detail: String,
    /// What is wrong with each field.
    #[serde(default)]
    pub errors: Vec<FieldProblem>,
    /// Seconds from the `Retry-After` header.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)?;
        for error in &self.errors {
            write!(f, ", {}: {}", error.field, error.code)?;
        }
        Ok(())
    }
}

/// What is wrong with a field, or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldProblem {
    /// Which.
    pub field: String,
    /// A code.
    pub code: String,
    /// For a person.
    #[serde(default)]
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

/// Why a supplier has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SupplierError {
    /// The host said no.
    #[error("refused: {0}")]
    Refused(Problem),
    /// There was no connection, or it was lost: nobody knows whether the request arrived.
    #[error("the host cannot be reached")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is none that `api.md` knows: its status and first bytes.
    #[error("an answer that is none, with status {status}: {start}")]
    Strange {
        /// The HTTP status.
        status: u16,
        /// How the body begins.
        start: String,
    },
}

impl SupplierError {
    /// The host's problem, where it said one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}
