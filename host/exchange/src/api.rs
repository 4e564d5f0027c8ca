//! What the exchange is asked and what it answers, before anything is JSON or HTTP.
//!
//! The binary decodes requests into these and encodes these into answers; no rule lives
//! there. Errors are the exchange's own and know nothing of status codes.

use std::{sync::Arc, time::Duration};

use gavel_market::{
    breaker,
    field::Value,
    file::MarketError,
    ids::{BuyerId, CampaignId, DeliveryId, Digest, LeadId, PingId, PluginName, SupplierId},
    lead::{FieldError, RawLead},
    ledger::Entry,
    model::CallLimits,
    money::Money,
    order::{Order, PostAnswer},
    record::{AccountOutcome, Differences, PingAnswer, PingRecord},
    room::{Owner, Room, Usage},
};
use tokio::time::Instant;

/// When a request's first byte came, on both clocks: one to wait by, one to write down.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// For deadlines.
    pub at: Instant,
    /// Unix time in milliseconds, for records.
    pub unix_ms: u64,
}

/// A supplier's request as it was sent: nothing in it is checked yet.
#[derive(Debug, Clone, Default)]
pub struct RawRequest {
    /// The lead's fields, in the order sent.
    pub lead: RawLead,
    /// Everything beside the lead, by its own name: `tmax_ms`, `min_bid`, `sub_id`, `test`,
    /// `ping_order_id`, `idempotency_key`. In a form these have a leading underscore, which
    /// is cut. The exchange says which of them are unknown or wrong.
    pub controls: Vec<(String, serde_json::Value)>,
    /// What decoding found wrong already, such as a `lead` that is no object.
    pub problems: Vec<FieldError>,
}

/// Why a supplier's request was not carried out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No such campaign, order or lead, for this supplier.
    #[error("not found")]
    NotFound,
    /// The campaign takes requests of the other kind.
    #[error("the campaign takes another kind of request")]
    WrongChannel,
    /// The campaign's requests come faster than its `rate_limit` lets them.
    #[error("the campaign's requests come too fast")]
    RateLimited {
        /// How long until the next one is let through.
        retry_after: Duration,
    },
    /// The campaign admits no leads now.
    #[error("the campaign is not active")]
    CampaignNotActive,
    /// The campaign's caps have no room.
    #[error("the campaign's cap is reached")]
    CampaignCapReached,
    /// Fields or controls are wrong; every one that is.
    #[error("fields are not valid")]
    InvalidFields(Vec<FieldError>),
    /// The `Idempotency-Key` was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The order is being posted to.
    #[error("a post to this order is under way")]
    PostInProgress,
    /// The order was posted to with another lead.
    #[error("the order was posted before")]
    AlreadyPosted,
    /// The order's window has passed.
    #[error("the order has expired")]
    OrderExpired,
    /// Too much is in flight.
    #[error("too many requests are in flight")]
    Overloaded,
    /// The host is stopping.
    #[error("the host is shutting down")]
    ShuttingDown,
    /// The host cannot keep its promises now: its disk fails, or it contradicts itself. The
    /// operator's log says which.
    #[error("the host cannot answer now")]
    Broken,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq)]
pub struct PingReply {
    /// Its id.
    pub ping_id: PingId,
    /// What the supplier is told.
    pub answer: PingAnswer,
    /// ISO 4217.
    pub currency: String,
    /// Whether it is a test.
    pub test: bool,
    /// Whether this was said before, to the same request.
    pub again: bool,
}

/// The answer to a post.
#[derive(Debug, Clone, PartialEq)]
pub struct PostReply {
    /// Its id.
    pub lead_id: LeadId,
    /// What the supplier is told.
    pub answer: PostAnswer,
    /// ISO 4217.
    pub currency: String,
    /// Where the buyer wants the consumer sent.
    pub redirect_url: Option<String>,
    /// Said beside the answer.
    pub warnings: Vec<FieldError>,
    /// Whether it is a test.
    pub test: bool,
    /// Whether this was said before, to the same request.
    pub again: bool,
}

/// What became of a lead, for its supplier.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadReply {
    /// Its id.
    pub lead_id: LeadId,
    /// Under which terms.
    pub campaign: CampaignId,
    /// What the supplier was told; none while it is being posted.
    pub answer: Option<PostAnswer>,
    /// How many buyers have accepted by now.
    pub deliveries: u32,
    /// What it costs by now.
    pub cost: Money,
    /// The same by the ledger: less what its supplier was charged for returns, and of a test
    /// nothing.
    pub owed: Money,
    /// Whether an accepted lead's deliveries are over.
    pub finished: bool,
    /// ISO 4217.
    pub currency: String,
    /// Unix time in milliseconds of the post's first byte.
    pub received_at_ms: u64,
}

/// In which form a market was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketFormat {
    /// As in `market.example.toml`.
    Toml,
    /// The same shape.
    Json,
}

/// A market as somebody wrote it.
#[derive(Debug, Clone)]
pub struct MarketText {
    /// In which form.
    pub format: MarketFormat,
    /// The text; plugins are named by digest.
    pub text: String,
    /// Digest of the market file that this was made from, where it was a file: so that a start
    /// with the same file changes nothing.
    pub source: Option<Digest>,
}

/// One of the market's revisions.
#[derive(Debug, Clone)]
pub struct RevisionView {
    /// Its number, counted from 1.
    pub revision: u64,
    /// Unix time in milliseconds at which it took effect.
    pub at_ms: u64,
    /// Whether it is the one in force.
    pub active: bool,
    /// What it says; left out of lists.
    pub text: Option<MarketText>,
    /// The revision that it brought back, if it is a rollback.
    pub rollback_of: Option<u64>,
}

/// What a change of the market would do, or did.
#[derive(Debug, Clone)]
pub struct MarketChange {
    /// The revision that is in force now (at a dry run, before it).
    pub revision: u64,
    /// One line for each difference: `accounts.sunco-west changed`, `campaigns.x added`.
    pub changes: Vec<String>,
}

/// Why a market was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MarketRefused {
    /// It is wrong; everything that is.
    #[error("the market has errors")]
    Invalid(Vec<MarketError>),
    /// Somebody changed it meanwhile: the revision now in force.
    #[error("the market is at another revision")]
    Conflict(u64),
    /// No such revision.
    #[error("there is no such revision")]
    NotFound,
    /// The store fails.
    #[error("the store cannot keep it")]
    Broken,
}

/// One version of a plugin, and what the gate said.
#[derive(Debug, Clone)]
pub struct PluginVersionView {
    /// Under which name it was uploaded.
    pub name: PluginName,
    /// Names the version.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Unix time in milliseconds of its upload.
    pub at_ms: u64,
    /// `filter` or `adapter`; none where it did not come so far.
    pub kind: Option<String>,
    /// The version that the plugin names itself.
    pub version: Option<String>,
    /// One line of what it does.
    pub summary: Option<String>,
    /// The gate's code and words where it was refused.
    pub refused: Option<(String, String)>,
    /// Whether it is the plugin's active version.
    pub active: bool,
    /// Unix time in milliseconds at which it was revoked.
    pub revoked_at_ms: Option<u64>,
    /// How it was caught keeping state between calls.
    pub stateful: Option<String>,
    /// What the gate found, step by step.
    pub gate: Option<serde_json::Value>,
    /// What has come of asking it since it was loaded; none where it is not.
    pub tally: Option<Tally>,
}

/// A plugin's upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Under which name.
    pub name: PluginName,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Files of cases that it must pass, each with its name.
    pub cases: Vec<(String, String)>,
    /// Bounds at the gate that are not the market's.
    pub limits: Limits,
    /// Whether it is made the active version at once.
    pub activate: bool,
}

/// Bounds of a plugin's calls, where they are not to be those that hold otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In bytes.
    pub memory: Option<usize>,
    /// In processor time.
    pub time: Option<Duration>,
    /// In bytes.
    pub log: Option<usize>,
}

impl Limits {
    /// These, and otherwise those.
    pub fn over(self, otherwise: CallLimits) -> CallLimits {
        CallLimits {
            memory: self.memory.unwrap_or(otherwise.memory),
            time: self.time.unwrap_or(otherwise.time),
            log: self.log.unwrap_or(otherwise.log),
        }
    }
}

/// A plugin as an operator sees it.
#[derive(Debug, Clone)]
pub struct PluginView {
    /// Its name.
    pub name: PluginName,
    /// The version that decides.
    pub active: Option<Digest>,
    /// All that were uploaded.
    pub versions: Vec<PluginVersionView>,
    /// Changes of the active version, newest first.
    pub history: Vec<VersionChange>,
    /// What is tried beside the active version.
    pub trial: Option<TrialView>,
    /// What was tried before, newest first.
    pub ended: Vec<EndedTrial>,
}

/// A version that is active from now on.
#[derive(Debug, Clone)]
pub struct Activated {
    /// Of which plugin.
    pub name: PluginName,
    /// Which.
    pub digest: Digest,
    /// The market's revision that brought it.
    pub revision: u64,
    /// The version before.
    pub before: Option<Digest>,
}

/// Why an operator's request about a plugin was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PluginRefused {
    /// No such plugin, or no such version.
    #[error("not found")]
    NotFound,
    /// Not eight or more digits of a SHA-256.
    #[error("a digest is written in at least eight hexadecimal digits")]
    BadDigest,
    /// More than one version's digest begins so.
    #[error("more than one version's digest begins so")]
    AmbiguousDigest,
    /// The version was revoked.
    #[error("the version was revoked")]
    Revoked,
    /// The gate refused the version: its code and words.
    #[error("the gate refused the version ({0}): {1}")]
    RefusedByGate(String, String),
    /// The gate refuses it now: its code and words.
    #[error("the gate refuses the version ({0}): {1}")]
    Gate(String, String),
    /// There is no version to go back to.
    #[error("no earlier version was active")]
    NoEarlierVersion,
    /// It decides already: there is nothing to compare it with.
    #[error("the version is the active one")]
    AlreadyActive,
    /// There is nothing beside which it could be tried.
    #[error("the plugin has no active version")]
    NothingActive,
    /// No market has been applied yet.
    #[error("no market is in force")]
    NoMarket,
    /// The market that would result is refused.
    #[error(transparent)]
    Market(MarketRefused),
    /// The store fails.
    #[error("the store cannot keep it")]
    Broken,
}

pub use crate::plugins::{
    canary::Margins,
    replay::{Answer, Changed, Outcomes, ReplayReport, Replayed, Takings},
    trial::TrialView,
    version::Tally,
};
pub use crate::report::{Report, ReportQuery, ReportRefused, When};
pub use gavel_store::{EndedTrial, Trial, TrialMode, VersionChange, Why};

/// Which pings to list, newest first: the store's own question, asked as it stands.
pub use gavel_store::PingQuery;

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask for next.
    pub next: Option<String>,
}

/// A ping's record with one outcome for every account of the lead type.
#[derive(Debug, Clone)]
pub struct PingStory {
    /// As it was kept.
    pub record: PingRecord,
    /// One for every account: the recorded ones and those derived again, by account id.
    pub outcomes: Vec<AccountOutcome>,
    /// What shadows would have decided otherwise.
    pub differences: Vec<Differences>,
}

/// An order as an operator sees it.
#[derive(Debug, Clone)]
pub struct OrderView {
    /// The record.
    pub order: Order,
    /// Its ledger entries.
    pub ledger: Vec<Entry>,
}

impl OrderView {
    /// What is not personal: the posted lead's fields, or the pinged ones.
    pub fn lead(&self) -> &[(String, Value)] {
        self.order
            .post
            .as_ref()
            .map_or(&self.order.lead, |post| &post.lead)
    }
}

/// A delivery in a list for operators.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// The order's campaign.
    pub campaign: CampaignId,
    /// The record.
    pub delivery: gavel_market::order::Delivery,
    /// What the account bid.
    pub bid: Money,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryList {
    /// To be settled by an operator.
    Unconfirmed,
    /// To be tried again.
    Retrying,
    /// Never had a connection.
    Failed,
}

/// How an operator settles a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The buyer has it, at this price or its bid.
    Sold(Option<Money>),
    /// The buyer does not have it.
    NotSold,
}

/// Why an operator's request was not carried out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OperatorRefused {
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// The delivery is not unconfirmed, or no longer.
    #[error("the delivery is not unconfirmed")]
    AlreadySettled,
    /// The delivery has not failed, its lead is no accepted one, or no place is free for it.
    #[error("the delivery cannot be tried again")]
    NotRetryable,
    /// A price above the bid.
    #[error("the price is above the bid")]
    AboveBid,
    /// The store fails.
    #[error("the store cannot keep it")]
    Broken,
}

/// A return, with its lead's ledger as it stands then.
#[derive(Debug, Clone)]
pub struct ReturnView {
    /// The record.
    pub made: Return,
    /// The lead's entries.
    pub ledger: Vec<Entry>,
}

/// Why a delivery was not taken back, or a return not decided.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReturnNotTaken {
    /// As any request of an operator's may be refused.
    #[error(transparent)]
    Refused(#[from] OperatorRefused),
    /// The time to give it back is over.
    #[error("it is too late to give the delivery back")]
    TooLate,
    /// As many of the month's deliveries as may be were given back.
    #[error("no more of the month's deliveries may be given back")]
    Limit,
    /// It was given back before.
    #[error("the delivery was given back before")]
    AlreadyReturned,
    /// It was not sold, or its account may give nothing back.
    #[error("the delivery cannot be given back")]
    NotReturnable,
    /// The return was accepted or declined before.
    #[error("the return was decided before")]
    AlreadyDecided,
    /// No reason was given.
    #[error("a reason is needed")]
    NoReason,
    /// The reason is longer than is kept.
    #[error("the reason is too long")]
    LongReason,
    /// The reason has control characters.
    #[error("the reason has control characters")]
    ControlCharacters,
    /// The reason looks like personal data.
    #[error("the reason looks personal")]
    LooksPersonal,
}

/// What was taken of an owner's caps and budget.
#[derive(Debug, Clone)]
pub struct UsageView {
    /// Whose.
    pub owner: Owner,
    /// The buyer of an account, and what the market calls it.
    pub buyer: Option<(BuyerId, String)>,
    /// Unix time in milliseconds of the moment that it is about.
    pub at_ms: u64,
    /// How much there is, and by whose clocks it is counted.
    pub room: Room,
    /// What was counted.
    pub usage: Arc<Usage>,
    /// Until when an account is left alone after failures, as Unix time in milliseconds, for
    /// each kind for which it is.
    pub open: Vec<(breaker::Kind, u64)>,
}

pub use gavel_store::{AuditRecord, Return, ReturnState};

/// Whose key a request came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The supplier.
    pub supplier: SupplierId,
    /// Whether every request with this key is a test.
    pub is_test: bool,
}
