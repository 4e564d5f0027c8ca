//! A slow and plain reading of `rules.md`: everything is looped over, sorted and counted again
//! each time, and nothing is kept that could be found out.
//!
//! It knows no plugin and no store: what filters and buyers say is an input.

mod alone;
mod operators;
mod ping;
mod post;
mod room;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use rust_decimal::Decimal;

use super::{
    auction::{self, Bid, Quote},
    calendar::Shown,
    case::{
        Account, Campaign, Cost, End, FIELDS, Market, Offer, PERIODS, Ping, Same, Says, Scope,
        Sent, Settle,
    },
    told::{DeliveryTold, EntryTold, OrderTold, Owner, Told, UsageTold},
    values::{self, Values},
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum State {
    Open,
    Expired,
    Posting,
    Sold,
    Accepted,
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum At {
    InFlight,
    Sold,
    Rejected,
    Unconfirmed,
    PassedOver(&'static str),
    Retrying(u64),
    Failed,
}

impl At {
    fn has_the_lead(self) -> bool {
        matches!(self, Self::InFlight | Self::Sold | Self::Unconfirmed)
    }
}

/// A ping that was decided and is not recorded yet.
#[derive(Clone)]
pub(crate) struct Decided {
    market: usize,
    ping: Ping,
    lead: Values,
    at_ms: u64,
    bids: Vec<Bid>,
    outcomes: BTreeMap<usize, &'static str>,
}

#[derive(Clone)]
pub(crate) struct Delivery {
    pub bid: usize,
    pub at: At,
    price: Option<Decimal>,
    marks: BTreeSet<&'static str>,
    pub unreachable: u32,
    /// An operator wants it tried again.
    asked_for: bool,
    by_hand: bool,
    sold_at_ms: u64,
}

/// Room that was taken: when, by the owner's clocks.
#[derive(Clone, Copy)]
struct Taken {
    at_ms: u64,
    shown: Shown,
}

#[derive(Clone)]
pub(crate) struct Order {
    market: usize,
    pub campaign: usize,
    ping: Ping,
    pinged: Values,
    expires_at_ms: u64,
    bids: Vec<Bid>,
    selected: Vec<usize>,
    cost: Decimal,
    pub state: State,
    /// Room that it has, by bid, and of its campaign.
    rooms: BTreeMap<usize, Taken>,
    campaign_room: Option<Taken>,
    /// Whom it ever took room of, and when.
    ever: Vec<(Owner, u64)>,
    // The post's.
    lead: Values,
    posted_at_ms: u64,
    until_ms: Option<u64>,
    covered: bool,
    pub deliveries: Vec<Delivery>,
    pub answer: Option<(String, String)>,
    pub finished: bool,
    pub erased: bool,
    pub entries: Vec<EntryTold>,
}

#[derive(Clone)]
pub(crate) struct Return {
    pub order: usize,
    pub bid: usize,
    pub pending: bool,
    accepted: bool,
    /// Whether the supplier pays back its part, by the account's rule on the day of the request.
    charges: bool,
}

/// Everything there is.
#[derive(Clone)]
pub(crate) struct Reference {
    markets: Vec<Market>,
    market_zone: TimeZone,
    zones: Vec<TimeZone>,
    today: usize,
    pub now_ms: u64,
    pub decided: Vec<Decided>,
    pub orders: Vec<Order>,
    pub returns: Vec<Return>,
}

impl Reference {
    pub(crate) fn new(markets: &[Market], now_ms: u64) -> Self {
        // The host's own tables: what a market means does not depend on the machine.
        let zones = TimeZoneDatabase::bundled();
        let zone = |name| zones.get(name).unwrap();
        let first = &markets[0];
        Self {
            market_zone: zone(first.zone),
            zones: first
                .accounts
                .iter()
                .map(|account| zone(first.buyers[account.buyer]))
                .collect(),
            markets: markets.to_vec(),
            today: 0,
            now_ms,
            decided: Vec::new(),
            orders: Vec::new(),
            returns: Vec::new(),
        }
    }

    pub(crate) fn apply(&mut self, market: usize) {
        self.today = market;
    }

    fn campaign(&self, market: usize, campaign: usize) -> Campaign {
        self.markets[market].campaigns[campaign].clone()
    }

    fn account(&self, market: usize, account: usize) -> Account {
        self.markets[market].accounts[account].clone()
    }

    fn shown(&self, owner: Owner, at_ms: u64) -> Shown {
        match owner {
            Owner::Account(account) => Shown::of(at_ms, &self.zones[account]),
            Owner::Campaign(_) => Shown::of(at_ms, &self.market_zone),
        }
    }

    pub(crate) fn told(&self, at: usize) -> Told {
        let order = &self.orders[at];
        let deliveries = order.deliveries.iter().map(|delivery| DeliveryTold {
            account: order.bids[delivery.bid].account,
            state: match delivery.at {
                At::InFlight => "in_flight".into(),
                At::Sold => "sold".into(),
                At::Rejected => "rejected".into(),
                At::Unconfirmed => "unconfirmed".into(),
                At::PassedOver(word) => word.into(),
                At::Retrying(from_ms) => format!("retrying {from_ms}"),
                At::Failed => "failed".into(),
            },
            price: delivery.price,
            marks: delivery.marks.iter().map(ToString::to_string).collect(),
            unreachable: delivery.unreachable,
            by_hand: delivery.by_hand,
        });
        Told::Order(Box::new(OrderTold {
            state: match order.state {
                State::Open => "open",
                State::Expired => "expired",
                State::Posting => "posting",
                State::Sold => "sold",
                State::Accepted => "accepted",
                State::Rejected => "rejected",
            }
            .into(),
            answer: order.answer.clone(),
            finished: order.finished,
            deliveries: deliveries.collect(),
        }))
    }
}

enum Next {
    Try(Vec<usize>),
    Wait,
    Done,
}

impl Says {
    /// How a try ends, after so many that reached nobody.
    pub(crate) fn end(&self, tries: u32) -> End {
        let last = self.ends.len() - 1;
        self.ends[last.min(usize::try_from(tries).unwrap())]
    }
}

impl Order {
    pub(crate) fn is_under_way(&self) -> bool {
        match self.state {
            State::Posting => true,
            State::Accepted => !self.finished,
            _ => false,
        }
    }

    pub(crate) fn is_duplicate(&self) -> bool {
        let answered = self
            .answer
            .as_ref()
            .is_some_and(|(_, why)| why == "duplicate");
        answered
            || self
                .deliveries
                .iter()
                .any(|delivery| delivery.at == At::PassedOver("duplicate"))
    }

    fn delivery(&self, place: usize) -> Option<&Delivery> {
        self.deliveries
            .iter()
            .find(|delivery| delivery.bid == place)
    }

    fn delivery_mut(&mut self, place: usize) -> &mut Delivery {
        self.deliveries
            .iter_mut()
            .find(|delivery| delivery.bid == place)
            .unwrap()
    }

    fn places(&self, at: At) -> Vec<usize> {
        let found = self.deliveries.iter().filter(|delivery| delivery.at == at);
        found.map(|delivery| delivery.bid).collect()
    }

    /// Whether duplicates are looked for among it: sold, being sold, accepted or unconfirmed.
    fn is_remembered(&self) -> bool {
        let with_a_buyer = self
            .deliveries
            .iter()
            .any(|delivery| delivery.at.has_the_lead());
        !self.ping.test
            && match self.state {
                State::Open | State::Expired => false,
                State::Posting | State::Sold | State::Accepted => true,
                State::Rejected => with_a_buyer,
            }
    }

    /// Whether the campaign's count of it is final.
    fn counts_as_sold(&self) -> bool {
        match self.state {
            State::Sold | State::Accepted => true,
            State::Rejected => !self.places(At::Sold).is_empty(),
            _ => false,
        }
    }

    fn take(&mut self, place: usize, owner: Owner, taken: Taken) {
        self.rooms.insert(place, taken);
        self.ever.push((owner, taken.at_ms));
    }

    fn take_campaign(&mut self, taken: Taken) {
        self.campaign_room = Some(taken);
        self.ever
            .push((Owner::Campaign(self.campaign), taken.at_ms));
    }

    /// A delivery stands so now; one that is not with a buyer, nor will be tried again, needs no
    /// room.
    fn put(&mut self, place: usize, at: At) {
        if self.delivery(place).is_none() {
            self.deliveries.push(Delivery {
                bid: place,
                at,
                price: None,
                marks: BTreeSet::new(),
                unreachable: 0,
                asked_for: false,
                by_hand: false,
                sold_at_ms: 0,
            });
        }
        let delivery = self.delivery_mut(place);
        delivery.at = at;
        delivery.asked_for = false;
        if !at.has_the_lead() && !matches!(at, At::Retrying(_)) {
            self.rooms.remove(&place);
        }
    }

    fn sell(&mut self, place: usize, price: Decimal, now_ms: u64) {
        let bid = self.bids[place].amount;
        self.put(place, At::Sold);
        let delivery = self.delivery_mut(place);
        delivery.price = Some(price.min(bid));
        delivery.sold_at_ms = now_ms;
        if price < bid {
            delivery.marks.insert("price_cut");
        }
    }

    fn reject(&mut self, reason: &str) {
        self.state = State::Rejected;
        self.answer = Some(("rejected".into(), reason.to_owned()));
        self.release_what_is_not_with_a_buyer();
    }

    fn fail_retries(&mut self) {
        let waiting: Vec<usize> = self
            .deliveries
            .iter()
            .filter(|delivery| matches!(delivery.at, At::Retrying(_)))
            .map(|delivery| delivery.bid)
            .collect();
        waiting
            .into_iter()
            .for_each(|place| self.put(place, At::Failed));
    }

    fn release_what_is_not_with_a_buyer(&mut self) {
        let with: Vec<usize> = self
            .deliveries
            .iter()
            .filter(|delivery| delivery.at.has_the_lead())
            .map(|delivery| delivery.bid)
            .collect();
        self.rooms.retain(|place, _| with.contains(place));
        if self.state == State::Rejected && with.is_empty() {
            self.campaign_room = None;
        }
    }

    /// What the lead costs as things stand: `rules.md`, Money.
    fn owed(&self, markets: &[Market]) -> Decimal {
        let model = markets[self.market].campaigns[self.campaign].cost;
        let revenue: Decimal = self
            .deliveries
            .iter()
            .filter(|delivery| delivery.at == At::Sold)
            .map(|delivery| delivery.price.unwrap())
            .sum();
        let sold = !self.places(At::Sold).is_empty();
        match self.state {
            State::Sold => self.cost,
            State::Accepted => match model {
                Cost::PerLead(_) => self.cost,
                Cost::PerSale(_) if sold => self.cost,
                Cost::PerSale(_) => Decimal::ZERO,
                Cost::Share(_) | Cost::Margin(_) => auction::cost_of(model, revenue).min(self.cost),
            },
            _ => Decimal::ZERO,
        }
    }

    fn mark_partial_loss(&mut self, campaign: &Campaign, markets: &[Market]) {
        let sold = self.places(At::Sold);
        let shared = self.selected.len() > 1 || sold.len() > 1;
        let revenue: Decimal = sold
            .iter()
            .map(|place| self.delivery(*place).unwrap().price.unwrap())
            .sum();
        let owed = self.owed(markets);
        if shared && auction::unmet(campaign, self.ping.min_bid, revenue, owed).is_some() {
            for place in sold {
                self.delivery_mut(place).marks.insert("partial_loss");
            }
        }
    }

    fn enter(&mut self, kind: &'static str, account: Option<usize>, amount: Decimal, at_ms: u64) {
        if !amount.is_zero() {
            let marks = BTreeSet::new();
            self.entries.push(EntryTold {
                kind,
                account,
                amount,
                marks,
                at_ms,
            });
        }
    }
}

/// `cost × part ÷ whole`, rounded down to cents: exact, in ten-thousandths.
fn exactly_down(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal {
    let units = |amount: Decimal| -> i128 {
        let scaled = (amount * Decimal::from(10_000)).normalize();
        scaled.to_string().parse().unwrap()
    };
    // cost × part is in 10⁻⁸; over whole in 10⁻⁴ that is 10⁻⁴; a cent is a hundred of those.
    let cents = units(cost) * units(part) / (units(whole) * 100);
    Decimal::from_i128_with_scale(cents, 2).normalize()
}

fn missing(required: &[usize], lead: &Values) -> BTreeSet<(String, String)> {
    let absent = required.iter().filter(|field| lead[**field].is_none());
    absent
        .map(|field| (FIELDS[*field].0.to_owned(), "missing".to_owned()))
        .collect()
}
