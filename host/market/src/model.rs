//! One market at one revision, as types that cannot be wrong.
//!
//! [`crate::file`] makes a [`Market`] from a market file or refuses it; nothing else
//! does. A request takes one `Arc<Market>` and uses it from start to end. Names and
//! defaults are those of `market.example.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroU32,
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    criteria::Criterion,
    eligibility::Eligibility,
    field::FieldSpec,
    ids::{AccountId, BuyerId, CampaignId, Digest, GroupId, LeadTypeId, PluginName, SupplierId},
    money::Money,
    room::Limits,
    schedule::Schedule,
};

/// One market, whole.
#[derive(Debug)]
pub struct Market {
    /// ISO 4217, the only currency there is.
    pub currency: String,
    /// Whose days a campaign's caps count in.
    pub timezone: jiff::tz::TimeZone,
    /// How long a posted order is kept once settled.
    pub retention: Duration,
    /// How long a ping, and an order never posted, is kept.
    pub ping_retention: Duration,
    /// What is sold.
    pub lead_types: BTreeMap<LeadTypeId, Arc<LeadType>>,
    /// Who sells.
    pub suppliers: BTreeMap<SupplierId, Supplier>,
    /// Whose each supplier key is: every request asks.
    pub keys: BTreeMap<Digest, KeyOwner>,
    /// On which terms.
    pub campaigns: BTreeMap<CampaignId, Arc<Campaign>>,
    /// Who buys.
    pub buyers: BTreeMap<BuyerId, Buyer>,
    /// Accounts that a campaign may deliver to, by the group's name.
    pub groups: BTreeMap<GroupId, Arc<BTreeSet<AccountId>>>,
    /// The buyers' standing orders, sorted by id; [`AccountIx`] points in here.
    pub accounts: Vec<Arc<Account>>,
    /// What decides.
    pub plugins: BTreeMap<PluginName, PluginSpec>,
    /// For each lead type, which accounts' criteria a lead meets.
    pub eligibility: BTreeMap<LeadTypeId, Eligibility>,
}

/// A place in [`Market::accounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIx(pub u32);

impl Market {
    /// The account at a place that this market gave out.
    pub fn account(&self, ix: AccountIx) -> Option<&Arc<Account>> {
        self.accounts.get(ix.0 as usize)
    }

    /// An account by its name.
    pub fn account_named(&self, id: &AccountId) -> Option<(AccountIx, &Arc<Account>)> {
        let at = self
            .accounts
            .binary_search_by(|account| account.id.cmp(id))
            .ok()?;
        Some((AccountIx(u32::try_from(at).ok()?), self.accounts.get(at)?))
    }

    /// Whose key this is: who has a key with this digest.
    ///
    /// Comparing digests of secrets needs no constant time: who can choose the digest's
    /// first bytes has broken SHA-256.
    pub fn owner_of_key(&self, key: &Digest) -> Option<&KeyOwner> {
        self.keys.get(key)
    }
}

/// The fields that a kind of lead has, in the order in which they are shown.
#[derive(Debug)]
pub struct LeadType {
    /// Its name.
    pub id: LeadTypeId,
    /// Its fields; a lead's values stand in the same order.
    pub fields: Vec<FieldSpec>,
    /// Place of each field by name.
    pub by_name: BTreeMap<Arc<str>, usize>,
}

impl LeadType {
    /// A lead type of these fields.
    pub fn new(id: LeadTypeId, fields: Vec<FieldSpec>) -> Self {
        let places = fields.iter().enumerate();
        let by_name = places
            .map(|(at, field)| (Arc::clone(&field.name), at))
            .collect();
        Self {
            id,
            fields,
            by_name,
        }
    }

    /// A field and its place, by name.
    pub fn field(&self, name: &str) -> Option<(usize, &FieldSpec)> {
        let at = *self.by_name.get(name)?;
        Some((at, self.fields.get(at)?))
    }
}

/// Who sends leads.
#[derive(Debug)]
pub struct Supplier {
    /// For people.
    pub name: String,
    /// Digests of its keys.
    pub keys: Vec<Digest>,
    /// Digests of the keys whose every request is a test.
    pub test_keys: Vec<Digest>,
}

/// Whose a key is, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOwner {
    /// Whose.
    pub supplier: SupplierId,
    /// Whether every request with it is a test.
    pub is_test: bool,
}

/// Which requests a campaign takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A ping, then a post.
    PingPost,
    /// One request with the whole lead.
    DirectPost,
}

/// Whether a campaign admits leads: only `active` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the words are the operator's own; only the first means anything to Gavel
pub enum CampaignStatus {
    Active,
    Inactive,
    OnHold,
    Suspended,
    Closed,
    Late,
}

/// What the supplier is paid (`rules.md`, ping 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostModel {
    /// That, for every lead taken.
    PerLead(Money),
    /// That, for every lead sold.
    PerSale(Money),
    /// That per cent of revenue.
    #[serde(with = "rust_decimal::serde::str")]
    RevenueShare(Decimal),
    /// Revenue less that per cent of it.
    #[serde(with = "rust_decimal::serde::str")]
    Margin(Decimal),
}

/// By what bids are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankBy {
    /// Highest first.
    Price,
    /// Lowest number first.
    Priority,
    /// Sold to, or held for, longest ago first; never, first of all.
    RoundRobin,
    /// Smallest number sold or held today ÷ `weight` first.
    Weighted,
}

/// How bids are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// First by this.
    pub by: RankBy,
    /// Ties by this, then by account id.
    pub then: RankBy,
}

/// What a profit is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfitBase {
    /// Profit ÷ revenue.
    Revenue,
    /// Profit ÷ cost.
    Cost,
}

/// What a candidate must meet (`rules.md`, ping 10).
#[derive(Debug, Clone)]
pub struct Requirements {
    /// Different buyers with a valid bid, at least.
    pub min_deliveries: u32,
    /// Sum of the candidate's bids, at least.
    pub min_revenue: Option<Money>,
    /// Revenue less cost, at least.
    pub min_profit: Option<Money>,
    /// Profit in per cent of the base, at least.
    pub min_profit_percent: Option<Decimal>,
    /// The base of `min_profit_percent`.
    pub profit_percent_of: ProfitBase,
    /// Whether a quote may be a loss.
    pub allow_loss: bool,
}

/// What to do with something unwelcome in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// An error that names the field.
    Reject,
    /// Drop it.
    Ignore,
}

/// What to do with a personal field in a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPersonal {
    /// An error that names the field.
    Reject,
    /// Drop it unread.
    Strip,
}

/// What to do with a pinged field that the post repeats with another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChanged {
    /// An error that names the field.
    Reject,
    /// The pinged value stands; the answer carries a warning.
    KeepPinged,
}

/// When an order takes room in caps and budgets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldAt {
    /// With the quote, for as long as it may be posted to.
    #[default]
    Quote,
    /// Only at the post: for quotes that are seldom posted.
    Post,
}

/// How many requests a campaign takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run, each second.
    pub per_second: NonZeroU32,
    /// At once, after a pause; `per_second` where the market names none.
    pub burst: NonZeroU32,
}

/// The accounts that a campaign delivers to.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// Who is in it.
    pub members: Arc<BTreeSet<AccountId>>,
}

/// Which leads are the same lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicates {
    /// Places in the lead type of the fields compared; at least one.
    pub fields: Vec<usize>,
    /// How many of them must be equal.
    pub matching: Matching,
    /// For how long a lead is remembered.
    pub within: Duration,
}

/// How many of the compared fields make a duplicate. An absent value equals nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// One is enough.
    Any,
    /// Every one.
    All,
}

/// Among whose leads a campaign's duplicates are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateScope {
    /// The same campaign's.
    Campaign,
    /// The same supplier's.
    Supplier,
    /// All.
    Market,
}

/// How a buyer may give leads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returns {
    /// For how long after the sale.
    pub within: Duration,
    /// Of the deliveries sold in a calendar month of the buyer's, at most.
    pub max_percent: Decimal,
    /// Whether nobody needs to accept one.
    pub auto_accept: bool,
    /// Whether the supplier pays back its part.
    pub charge_supplier: bool,
}

/// What an account answers to test leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestScript {
    /// Bids this, and accepts.
    Bid(Money),
    /// Does not bid.
    NoBid,
    /// Bids, and rejects the lead.
    Reject,
    /// Bids, and does not answer the post in time.
    Slow,
    /// Bids, and answers the post with something unreadable.
    Garbled,
}

/// One arrangement with a supplier.
#[derive(Debug)]
pub struct Campaign {
    /// Its name.
    pub id: CampaignId,
    /// Whose it is.
    pub supplier: SupplierId,
    /// What it sells.
    pub lead_type: Arc<LeadType>,
    /// Which requests it takes.
    pub channel: Channel,
    /// Whether it admits leads.
    pub status: CampaignStatus,
    /// What the supplier is paid.
    pub cost: CostModel,
    /// Into how many hands a lead goes at most.
    pub max_deliveries: u32,
    /// How bids are ranked.
    pub selection: Selection,
    /// The only accounts that may buy, and only one of them; none for all of the lead type.
    pub delivers_to: Option<Group>,
    /// How many leads may be sold or accepted.
    pub caps: Limits<u64>,
    /// When an order takes room in the caps.
    pub hold: HoldAt,
    /// How many pings, or direct posts, it takes.
    pub rate_limit: Option<RateLimit>,
    /// Which leads it does not take twice, and among whose.
    pub duplicates: Option<(Duplicates, DuplicateScope)>,
    /// How long a quote stands.
    pub window: Duration,
    /// Until when a ping is answered.
    pub deadline: Duration,
    /// What happens to fields that the lead type lacks.
    pub unknown_fields: OnUnknown,
    /// What a candidate must meet.
    pub requirements: Requirements,
    /// The ping's options.
    pub ping: PingOptions,
    /// The post's options.
    pub post: PostOptions,
}

/// `[campaigns.X.ping]`, requirements aside.
#[derive(Debug)]
pub struct PingOptions {
    /// Places in the lead type of the fields that must be there.
    pub required: Vec<usize>,
    /// What happens to personal fields.
    pub on_personal: OnPersonal,
    /// Whether an absent field fails a criterion at the ping already.
    pub qualify_all_criteria: bool,
}

/// `[campaigns.X.post]`.
#[derive(Debug)]
pub struct PostOptions {
    /// Places in the lead type of the fields that must be there.
    pub required: Vec<usize>,
    /// What happens to a pinged field that changed.
    pub on_changed: OnChanged,
    /// Whether somebody who bid must still qualify before anything is delivered.
    pub scan_for_coverage: bool,
    /// Whether the supplier waits for the delivery.
    pub reject_for_not_delivered: bool,
    /// How long it waits.
    pub deadline: Duration,
}

/// Who pays.
#[derive(Debug)]
pub struct Buyer {
    /// For people.
    pub name: String,
    /// Whose days its caps and schedules count in.
    pub timezone: jiff::tz::TimeZone,
}

/// Whether an account may be asked: only `active` may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the words are the operator's own; only the first means anything to Gavel
pub enum AccountStatus {
    Active,
    Paused,
    Inactive,
}

/// A plugin with one account's configuration.
#[derive(Debug, Clone)]
pub struct PluginUse {
    /// Which plugin.
    pub plugin: PluginName,
    /// What its `open` is given: JSON, `{}` where the market names none.
    pub config: Arc<str>,
}

/// What happens after a delivery of which nobody knows the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnconfirmed {
    /// No further account is tried for this lead.
    Stop,
    /// The lead's other places go on being filled.
    Next,
}

/// How an unreachable buyer is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Further tries after the first.
    pub attempts: u32,
    /// Time between two.
    pub wait: Duration,
}

/// Where a value that the host holds comes from; the value itself is never in a market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldValue {
    /// An environment variable of the host's.
    Env(String),
    /// A file of the host's; one trailing line end is cut.
    File(String),
}

/// Where a secret's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The host holds it.
    Held(HeldValue),
    /// The host fetches it, and again before it expires.
    OAuth2(TokenGrant),
}

/// How a token is fetched: the client-credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// Where; http or https, without user, password or fragment.
    pub token_url: url::Url,
    /// As whom.
    pub client_id: HeldValue,
    /// With which secret.
    pub client_secret: HeldValue,
    /// For what: words of the token endpoint's own, separated by one blank each.
    pub scope: Option<String>,
}

/// Scheme, name and port of where an account's requests may go.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    /// The origin of an absolute http or https URL.
    pub fn of(url: &url::Url) -> Option<Self> {
        match url.origin() {
            origin @ url::Origin::Tuple(..) if matches!(url.scheme(), "http" | "https") => {
                Some(Self(origin.ascii_serialization()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of a buyer's standing orders.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub id: AccountId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// What it buys.
    pub lead_type: LeadTypeId,
    /// Whether it may be asked.
    pub status: AccountStatus,
    /// Its fixed price.
    pub price: Option<Money>,
    /// The least that it may bid.
    pub min_price: Option<Money>,
    /// For ranking by priority.
    pub priority: i64,
    /// For ranking by weight.
    pub weight: NonZeroU32,
    /// Whether its bid stands alone.
    pub exclusive: bool,
    /// Conditions, checked natively before any plugin runs.
    pub criteria: Vec<Criterion>,
    /// Decides whether it wants a lead.
    pub filter: Option<PluginUse>,
    /// Speaks its protocol.
    pub adapter: PluginUse,
    /// Where its requests may go.
    pub hosts: Vec<Origin>,
    /// What its adapter's requests may be filled in with.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Whether its adapter is asked for a bid; else it bids its fixed price.
    pub ping_during_sort: bool,
    /// With a fixed price: whether its adapter's `ping` is asked when a lead is delivered.
    pub ping_before_post: bool,
    /// How long it may take to bid.
    pub ping_timeout: Duration,
    /// Requests in one exchange.
    pub max_steps: u32,
    /// How long one request of a delivery may take.
    pub post_timeout: Duration,
    /// How it is tried again when unreachable.
    pub retry: Option<Retry>,
    /// What happens after a delivery of which nobody knows the end.
    pub on_unconfirmed: OnUnconfirmed,
    /// How many deliveries it buys.
    pub caps: Limits<u64>,
    /// How much it spends.
    pub budget: Limits<Money>,
    /// When an order takes room in both.
    pub hold: HoldAt,
    /// When it buys; none for always.
    pub schedule: Option<Schedule>,
    /// Which of its own leads it does not take twice.
    pub duplicates: Option<Duplicates>,
    /// How it may give leads back; none if it may not.
    pub returns: Option<Returns>,
    /// What it answers to test leads; none for: bids its fixed price and accepts, and without
    /// one does not bid.
    pub test: Option<TestScript>,
}

impl Account {
    /// What decides for it: its filter, if it has one, and its adapter.
    pub fn plugins(&self) -> impl Iterator<Item = &PluginUse> {
        self.filter.iter().chain([&self.adapter])
    }

    /// Whether anything bounds what it buys.
    pub fn is_capped(&self) -> bool {
        !(self.caps.is_empty() && self.budget.is_empty())
    }

    /// What tells this account's part of an order from another's: `order()` of the plugin
    /// interface is the order's id, a dot and this. 48 bits of a digest of the id, so that
    /// two accounts of one order do not meet.
    pub fn tag(&self) -> String {
        Digest::of(self.id.as_str().as_bytes())
            .to_string()
            .chars()
            .take(12)
            .collect()
    }
}

/// Where a plugin's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// A file, relative to the market file; replaced by its digest before a host takes the market.
    Path(String),
    /// A version that the host has.
    Digest(Digest),
}

/// A plugin of this market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSpec {
    /// Its bytes.
    pub source: PluginSource,
    /// Whether its instances serve one call or many.
    pub instances: Instances,
    /// Bounds of one call.
    pub limits: CallLimits,
}

/// How long an instance of a plugin lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instances {
    /// For one call: nothing can leak from one lead to the next.
    #[default]
    Fresh,
    /// For many calls of one account, none of them of a post: the choice of an operator who
    /// trusts the plugin.
    Reused,
}

/// Bounds of one plugin call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Linear memory, in bytes.
    pub memory: usize,
    /// Processor time.
    pub time: Duration,
    /// Log lines together, in bytes.
    pub log: usize,
}

impl CallLimits {
    /// What the memory may be, in bytes: from one page of WebAssembly to what a slot of the
    /// sandbox's pool holds.
    pub const MEMORY: RangeInclusive<u64> = 64 << 10..=256 << 20;
    /// What the time may be: no ping waits longer than the most.
    pub const TIME: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);
    /// What the log may be, in bytes.
    pub const LOG: RangeInclusive<u64> = 0..=1 << 20;
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            time: Duration::from_millis(10),
            log: 4 << 10,
        }
    }
}
