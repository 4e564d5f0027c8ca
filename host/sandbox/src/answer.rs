//! What a call takes and what it gives back, as types that hold only what is allowed.

use std::{fmt, sync::Arc, time::Duration};

use gavel_market::{
    ids::AccountId,
    model::{CallLimits, Instances},
    money::{Money, MoneyError},
};

use crate::fault::LogLine;

/// Whose call it is and under which bounds.
#[derive(Debug, Clone)]
pub struct Call {
    /// The account whose plugin is asked.
    pub account: AccountId,
    /// Its configuration, as JSON text that [`Plugin::check_config`](crate::Plugin::check_config) took.
    pub config: Arc<str>,
    /// Bounds of the call; memory over [`MEMORY_MAX_BYTES`](crate::limits::MEMORY_MAX_BYTES) counts as that.
    pub limits: CallLimits,
    /// The order's id, a dot and a tag of the account: the same at ping and post.
    pub order: String,
    /// Whether an instance that served other pings of this account may be asked; at a post
    /// it is a fresh one in any case.
    pub instances: Instances,
}

/// An answer, with what it cost and what it was based on.
#[derive(Debug, Clone)]
pub struct Called<T> {
    /// The answer.
    pub value: T,
    /// What the plugin logged. Personal data may be in it at the post.
    pub log: Vec<LogLine>,
    /// How many lines the log had no room for.
    pub lines_dropped: u32,
    /// Fields of the lead type that the plugin asked for, present or not, in the lead type's order.
    pub fields_read: Vec<String>,
    /// Processor time from the fresh instance to the answer; of a reused one, of this call alone.
    pub cpu: Duration,
    /// The most that all the instance's memories together have had, in bytes.
    pub memory: usize,
    /// How a reused instance's answer to this very call differed; the answer here is a fresh
    /// one's, and the plugin is given no reused instances any more.
    pub stateful: Option<String>,
}

/// Whether a filter wants the lead.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Qualified,
    /// It does not.
    Disqualified {
        /// A word to count by, `[a-z][a-z0-9_]{0,63}`.
        code: String,
        /// One sentence for a person.
        detail: String,
    },
}

/// An amount that a plugin named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// One that is between 0 and 1 000 000 and written as amounts are.
    Valid(Money),
    /// Anything else: `-5`, `1e400`, `a lot`.
    Invalid,
}

impl Amount {
    pub(crate) fn parse(text: &str) -> Self {
        Money::parse(text).map_or_else(|_: MoneyError| Self::Invalid, Self::Valid)
    }
}

/// What an adapter wants next at a ping.
#[derive(Clone, PartialEq, Eq)]
pub enum PingStep {
    /// Carry this out, and ask again with the answer.
    Send(Request),
    /// The buyer bids.
    Bid {
        /// For how much; `None` where it accepts without naming a price.
        amount: Option<Amount>,
        /// The buyer's own name for this ping.
        reference: Option<String>,
    },
    /// The buyer does not bid, and why, in words.
    NoBid(String),
}

/// What an adapter wants next at a post.
#[derive(Clone, PartialEq, Eq)]
pub enum PostStep {
    /// Carry this out, and ask again with the answer.
    Send(Request),
    /// The buyer took the lead.
    Accepted {
        /// The buyer's own name for it. One too long to keep is left out, with a line in the log.
        reference: Option<String>,
        /// What the buyer will pay, where it says so.
        price: Option<Amount>,
        /// Where to send the consumer; `http` or `https`. Another is left out, with a line in the log.
        redirect_url: Option<String>,
    },
    /// The buyer certainly did not take it.
    Rejected {
        /// A word to count by, `[a-z][a-z0-9_]{0,63}`.
        code: String,
        /// One sentence for a person.
        detail: String,
    },
}

/// What an account's ping offered, or its fixed price where it was not asked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Won {
    /// For how much.
    pub amount: Option<Money>,
    /// What the buyer called that ping.
    pub reference: Option<String>,
}

/// A request that an adapter wants sent.
///
/// Bounded in every part; its method is one of five, its headers can be written down as
/// they stand and none of them is the transport's. `{{secret:NAME}}` stands in it as
/// the plugin wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Printable and without blanks; otherwise not looked at.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// As it stands.
    pub body: Vec<u8>,
}

/// A buyer's answer to a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// As it stands.
    pub body: Vec<u8>,
}

/// `Debug` that names the variant and nothing that a plugin or a buyer said: at the
/// post it may be personal.
macro_rules! say_only {
    ($($type:ident: $($pattern:pat => $name:expr),+;)*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $($pattern => f.write_str($name),)+ }
            }
        }
    )*};
}

say_only! {
    Verdict: Self::Qualified => "Qualified", Self::Disqualified { .. } => "Disqualified";
    PingStep: Self::Send(_) => "Send", Self::Bid { .. } => "Bid", Self::NoBid(_) => "NoBid";
    PostStep: Self::Send(_) => "Send", Self::Accepted { .. } => "Accepted", Self::Rejected { .. } => "Rejected";
    Request: _ => "Request";
    Response: _ => "Response";
    Won: _ => "Won";
}
