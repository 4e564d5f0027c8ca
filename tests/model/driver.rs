//! The same on the host's own code: `gavel_market` decides, `gavel_store` keeps; what the
//! exchange does between the two is done here in its order, with the clock as an argument.
//!
//! Fingerprints and names hold the case's prefix, so that cases share a store and nothing in it.

mod duplicates;
mod operators;
mod ping;
mod post;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use gavel_market::{
    auction::{self, Bid, Decision, Terms},
    criteria::{self, Absent},
    duplicates::{Among, Comparison, Fingerprint, Subject},
    field::{FieldType, Value},
    file,
    ids::{AccountId, CampaignId, DeliveryId, Digest, OrderId, ReturnId, Ulid},
    lead::{self, FieldError, Fields, FullLead, PingLead, RawLead},
    ledger::EntryKind,
    model::{
        Account, Campaign, CampaignStatus, DuplicateScope, Duplicates, HoldAt, Market, Matching,
    },
    money::Money,
    order::{self, Claim, Delivery, DeliveryState, Next, Order, OrderState, PostAnswer},
    reason::{Outcome, RejectReason},
    record::{PingAnswer, PingInput, PingRecord, Timings},
    room::{self, Period},
};
use gavel_store::{ChangeError, Checks, Needs, OpenOrderError, ReturnState, Rooms, Store};
use rust_decimal::Decimal;
use serde_json::json;

use super::{
    auction::Quote,
    case::{self, FIELDS, Offer, Ping, Says, Sent, Settle},
    market_text::{self, Nowhere},
    told::{DeliveryTold, EntryTold, OrderTold, Owner, Told, UsageTold},
};

/// What went wrong that never may: the store fails, or refuses what the case does not let fail.
type Broken = String;

/// A ping that was decided and is not recorded yet.
struct Decided {
    market: usize,
    campaign: Arc<Campaign>,
    ping: Ping,
    received_ms: u64,
    pinged: PingLead,
    /// Of a direct post.
    full: Option<FullLead>,
    outcomes: BTreeMap<usize, String>,
    ranked: Vec<Bid>,
}

/// An order, and what its delivery needs beside its record.
struct Quoted {
    id: OrderId,
    market: usize,
    campaign: Arc<Campaign>,
    terms: Terms,
    says: Vec<Says>,
    lead: Option<FullLead>,
    covered: bool,
}

/// The host's side of one case.
pub(crate) struct Driver<'s> {
    store: &'s Store,
    prefix: String,
    markets: Vec<Arc<Market>>,
    today: usize,
    pub(crate) now_ms: u64,
    ids: &'s mut u128,
    decided: Vec<Decided>,
    orders: Vec<Quoted>,
    returns: Vec<(ReturnId, ReturnState)>,
}

impl<'s> Driver<'s> {
    pub(crate) fn new(
        store: &'s Store,
        ids: &'s mut u128,
        markets: &[case::Market],
        now_ms: u64,
    ) -> Result<Self, Broken> {
        let read = |market| {
            let text = market_text::text(market, &Nowhere);
            let market = file::parse_toml(&text);
            market
                .map(Arc::new)
                .map_err(|errors| format!("{errors:#?}\n{text}"))
        };
        Ok(Self {
            store,
            prefix: markets[0].prefix.clone(),
            markets: markets.iter().map(read).collect::<Result<_, _>>()?,
            today: 0,
            now_ms,
            ids,
            decided: Vec::new(),
            orders: Vec::new(),
            returns: Vec::new(),
        })
    }

    pub(crate) fn apply(&mut self, market: usize) {
        self.today = market;
    }

    fn market(&self) -> &Arc<Market> {
        &self.markets[self.today]
    }

    fn campaign_id(&self, at: usize) -> CampaignId {
        format!("{}c{at}", self.prefix).parse().unwrap()
    }

    fn account_at(&self, id: &AccountId) -> usize {
        id.as_str()[self.prefix.len() + 1..].parse().unwrap()
    }

    /// An owner's room, by today's market.
    fn room(&self, owner: &room::Owner) -> room::Room {
        let market = self.market();
        match owner {
            room::Owner::Account(id) => market.room_of_account(market.account_named(id).unwrap().1),
            room::Owner::Campaign(id) => market.room_of_campaign(&market.campaigns[id]),
        }
    }

    fn has_room(&self, owner: &room::Owner, amount: Option<Money>) -> Result<(), Outcome> {
        let usage = self.store.usage(owner);
        usage.has_room(&self.room(owner), amount, usage.moment(self.now_ms))
    }

    pub(crate) fn told(&self, at: usize) -> Result<Told, Broken> {
        Ok(self.told_of(&self.stored(at)?))
    }

    fn told_of(&self, order: &Order) -> Told {
        let answer = order
            .post
            .as_ref()
            .and_then(|post| post.answer.as_ref())
            .map(|answer| match answer {
                PostAnswer::Sold { payout, deliveries } => {
                    ("sold".into(), format!("{} to {deliveries}", plain(*payout)))
                }
                PostAnswer::Accepted { payout, up_to } => {
                    let how = if *up_to { " up to" } else { "" };
                    ("accepted".into(), format!("{}{how}", plain(*payout)))
                }
                PostAnswer::Rejected { reason } => ("rejected".into(), reason.word().to_owned()),
            });
        Told::Order(Box::new(OrderTold {
            state: order.state.word().to_owned(),
            answer,
            finished: order.post.as_ref().is_some_and(|post| post.finished),
            deliveries: order
                .deliveries()
                .iter()
                .map(|delivery| self.delivery_told(delivery))
                .collect(),
        }))
    }

    fn delivery_told(&self, delivery: &Delivery) -> DeliveryTold {
        DeliveryTold {
            account: self.account_at(&delivery.account),
            state: match delivery.state {
                DeliveryState::Retrying(from_ms) => format!("retrying {from_ms}"),
                state => state.word().to_owned(),
            },
            price: delivery.price.map(plain),
            marks: delivery
                .marks
                .iter()
                .map(|mark| mark.word().to_owned())
                .collect(),
            unreachable: delivery.unreachable,
            by_hand: delivery.settled_by_hand,
        }
    }

    pub(crate) fn ledger(&self, at: usize) -> Result<Vec<EntryTold>, Broken> {
        let entries = self
            .store
            .ledger(self.orders[at].id.lead())
            .map_err(broken)?;
        let told = entries.iter().map(|entry| {
            let (kind, account, amount) = match &entry.kind {
                EntryKind::Revenue {
                    account, amount, ..
                } => ("revenue", Some(account), amount),
                EntryKind::Return {
                    account, amount, ..
                } => ("return", Some(account), amount),
                EntryKind::Charge { amount } => ("charge", None, amount),
                EntryKind::Cost { amount } => ("cost", None, amount),
            };
            EntryTold {
                kind,
                account: account.map(|id| self.account_at(id)),
                amount: plain(*amount),
                marks: entry
                    .marks
                    .iter()
                    .map(|mark| mark.word().to_owned())
                    .collect(),
                at_ms: entry.at_ms,
            }
        });
        Ok(told.collect())
    }

    pub(crate) fn usage(&self, owner: Owner) -> UsageTold {
        let owner = match owner {
            Owner::Account(at) => {
                room::Owner::Account(format!("{}a{at}", self.prefix).parse().unwrap())
            }
            Owner::Campaign(at) => room::Owner::Campaign(self.campaign_id(at)),
        };
        let usage = self.store.usage(&owner);
        let at_ms = usage.moment(self.now_ms);
        UsageTold {
            periods: Period::ALL.map(|period| {
                let counted = usage.counted(period, at_ms);
                (
                    counted.sold,
                    counted.held,
                    plain(counted.sold_amount),
                    plain(counted.held_amount),
                )
            }),
            last_ms: usage.last_taken_ms(),
        }
    }
}

fn refusal_word(refused: gavel_store::ReturnRefused) -> &'static str {
    use gavel_store::ReturnRefused;
    match refused {
        ReturnRefused::TooLate => "return_too_late",
        ReturnRefused::Limit => "return_limit",
        ReturnRefused::AlreadyReturned => "already_returned",
        ReturnRefused::NotReturnable => "not_returnable",
        ReturnRefused::AlreadyDecided => "already_decided",
    }
}

fn broken(error: impl std::fmt::Debug) -> Broken {
    format!("the host: {error:?}")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

fn amount(amount: Decimal) -> Money {
    Money::parse(&amount.to_string()).unwrap()
}

fn plain(amount: Money) -> Decimal {
    amount.amount().normalize()
}

fn raw(sent: &Sent) -> RawLead {
    let there = sent
        .iter()
        .zip(FIELDS)
        .filter_map(|(value, (name, _))| Some((name, value.as_ref()?)));
    there
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

fn faults(errors: &[FieldError]) -> BTreeSet<(String, String)> {
    errors
        .iter()
        .map(|error| (error.field.clone(), error.code.word().to_owned()))
        .collect()
}

fn compared(lead: &impl Fields, at: usize, value: &Value) -> String {
    match lead.lead_type().fields[at].kind {
        FieldType::Email => value.to_text().to_lowercase(),
        _ => value.to_text(),
    }
}

/// What is kept of the ping; nothing here is looked at again.
fn record_of(order: &Order) -> PingRecord {
    PingRecord {
        id: order.id.ping(),
        campaign: order.campaign.clone(),
        supplier: order.supplier.clone(),
        revision: order.revision,
        digests: BTreeMap::new(),
        input: PingInput {
            received_at_ms: order.received_at_ms,
            lead: Vec::new(),
            sub_id: None,
            tmax_ms: None,
            min_bid: None,
            test: order.test,
        },
        outcomes: Vec::new(),
        exchanges: Vec::new(),
        timings: Timings::default(),
        answer: PingAnswer::Bid {
            ping_order_id: order.id,
            bid: order.quote.cost,
            deliveries: 1,
            expires_at_ms: order.expires_at_ms,
        },
    }
}
