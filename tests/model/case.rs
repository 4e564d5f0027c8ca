//! What a case is: markets, and what happens in them, as plain values that both sides read.
//!
//! Nothing here knows a rule. The driver writes a [`Market`] down as a market file, and the
//! reference looks at it as it stands.

use rust_decimal::Decimal;

/// The lead type's fields: name and type. The last two are personal.
pub(crate) const FIELDS: [(&str, &str); 8] = [
    ("state", "us_state"),
    ("bill", "decimal"),
    ("size", "integer"),
    ("owner", "flag"),
    ("day", "date"),
    ("roof_shade", "text"),
    ("phone", "us_phone"),
    ("email", "email"),
];

/// Place of the field that a real filter looks at.
pub(crate) const SHADE: usize = 5;

/// Place of the first personal field.
pub(crate) const PERSONAL: usize = 6;

/// A lead as it is sent: a text for each field that it has.
pub(crate) type Sent = [Option<String>; FIELDS.len()];

/// Limits by period: hour, day, week, month, in all.
pub(crate) type Periods<T> = [Option<T>; 5];

/// The periods' keys in a market file.
pub(crate) const PERIODS: [&str; 5] = ["per_hour", "per_day", "per_week", "per_month", "total"];

/// One market at one revision.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    /// Stands before every name, so that cases share a store and nothing in it.
    pub prefix: String,
    pub zone: &'static str,
    pub suppliers: usize,
    pub campaigns: Vec<Campaign>,
    /// Each buyer's zone.
    pub buyers: Vec<&'static str>,
    pub accounts: Vec<Account>,
}

/// A cost model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cost {
    PerLead(Decimal),
    PerSale(Decimal),
    Share(Decimal),
    Margin(Decimal),
}

/// What bids are ranked by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum By {
    Price,
    Priority,
    RoundRobin,
    Weighted,
}

/// Among whose leads duplicates are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scope {
    Campaign,
    Supplier,
    Market,
}

/// Which leads are the same.
#[derive(Debug, Clone)]
pub(crate) struct Same {
    pub fields: Vec<usize>,
    pub all: bool,
    pub within_ms: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    pub supplier: usize,
    pub direct: bool,
    pub active: bool,
    pub cost: Cost,
    pub max_deliveries: u32,
    pub by: By,
    pub then: By,
    pub group: Option<Vec<usize>>,
    pub caps: Periods<u64>,
    pub hold_at_post: bool,
    pub duplicates: Option<(Same, Scope)>,
    pub window_ms: u64,
    pub allow_loss: bool,
    pub ping_required: Vec<usize>,
    pub qualify_all: bool,
    pub min_deliveries: u32,
    pub min_revenue: Option<Decimal>,
    pub min_profit: Option<Decimal>,
    pub min_percent: Option<Decimal>,
    pub percent_of_cost: bool,
    pub post_required: Vec<usize>,
    pub keep_pinged: bool,
    pub scan_for_coverage: bool,
    pub waits: bool,
    pub post_deadline_ms: u64,
}

/// An expression with what it means for a whole value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    pub text: &'static str,
    pub means: fn(&str) -> bool,
}

/// What a criterion asks.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    In(Vec<&'static str>),
    NotIn(Vec<&'static str>),
    Is(bool),
    Min(&'static str),
    Max(&'static str),
    Prefix(Vec<&'static str>),
    Matches(Pattern),
    Present(bool),
}

#[derive(Debug, Clone)]
pub(crate) struct Returns {
    pub within_ms: u64,
    pub max_percent: Decimal,
    pub auto_accept: bool,
    pub charge_supplier: bool,
}

/// Hours on some days of the week, from Monday; minutes after midnight.
#[derive(Debug, Clone)]
pub(crate) struct Hours {
    pub days: [bool; 7],
    pub from: u16,
    pub to: u16,
}

#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub buyer: usize,
    pub active: bool,
    pub price: Option<Decimal>,
    /// Whether its adapter is asked for a bid.
    pub asks: bool,
    pub min_price: Option<Decimal>,
    pub priority: i64,
    pub weight: u32,
    pub exclusive: bool,
    pub criteria: Vec<(usize, Test)>,
    pub caps: Periods<u64>,
    pub budget: Periods<Decimal>,
    pub hold_at_post: bool,
    pub schedule: Vec<Hours>,
    pub retry: Option<(u32, u64)>,
    pub stops: bool,
    pub duplicates: Option<Same>,
    pub returns: Option<Returns>,
    /// What its filter accepts as the roof's shade, where it is a real one.
    pub shades: Option<Vec<&'static str>>,
    /// What answers to tests in its buyer's place.
    pub script: Option<Script>,
}

/// An account's answers to tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Script {
    Bid(Decimal),
    NoBid,
    Reject,
}

/// What an account's buyer and plugins say about one lead: inputs to both sides.
#[derive(Debug, Clone)]
pub(crate) struct Says {
    /// Its filter, at the ping.
    pub qualifies: bool,
    /// Its adapter, at the ping.
    pub offer: Offer,
    /// Its filter, at the scan for coverage.
    pub still_covers: bool,
    /// Its filter, at the delivery.
    pub still_qualifies: bool,
    /// One end for each try; the last for all that follow.
    pub ends: Vec<End>,
}

/// What an adapter's `ping` comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Offer {
    Bid(Decimal),
    /// An offer without an amount.
    Yes,
    No,
    Unreachable,
    Timeout,
    Unreadable,
}

/// How one try of a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Accept,
    /// At a price, which may be less or more than the bid.
    AcceptAt(Decimal),
    Reject,
    Unconfirmed,
    /// No connection: nothing is noted, nothing is sent.
    Unreachable,
    /// The adapter says no before it sends anything.
    Declined,
}

/// A ping, or a direct post.
#[derive(Debug, Clone)]
pub(crate) struct Ping {
    pub campaign: usize,
    pub lead: Sent,
    pub min_bid: Option<Decimal>,
    pub test: bool,
    pub says: Vec<Says>,
}

/// How an operator settles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Settle {
    Sold,
    SoldAt(Decimal),
    NotSold,
}

/// What happens next. A number picks one of those that are there, counted round.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Time passes.
    Clock(u64),
    /// A ping up to the decision.
    Scan(Box<Ping>),
    /// One of the pings that were decided is recorded.
    Record(usize),
    /// A lead is posted to one of the quotes.
    Post(usize, Box<Sent>),
    /// The next thing that the host does by itself for one of the leads.
    Drive(usize),
    /// One of the deliveries under way ends.
    End(usize),
    /// An operator settles an unconfirmed delivery.
    Settle(usize, Settle),
    /// An operator has one of the tried deliveries tried again.
    RetryByHand(usize),
    /// A lead's personal data is erased.
    Erase(usize),
    /// A buyer gives a delivery back.
    Return(usize),
    /// An operator decides on a return.
    Decide(usize, bool),
    /// Orders that are due expire.
    Expire,
    /// Another market is applied.
    Apply(usize),
}

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub start_ms: u64,
    /// The first is applied at the start.
    pub markets: Vec<Market>,
    pub steps: Vec<Step>,
}
