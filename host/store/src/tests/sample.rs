//! Orders and pings to work with: what a campaign with ten accounts makes of a ping.

use gavel_market::{
    auction::{Bid, Quote, Terms},
    duplicates::{Among, Comparison, Fingerprint},
    field::Value,
    ids::{Digest, OrderId, Ulid},
    model::{CostModel, HoldAt, Matching, ProfitBase, RankBy, Requirements, Selection},
    money::Money,
    order::{Claim, End, Order, OrderState},
    reason::Outcome,
    record::{AccountOutcome, Detail, PingAnswer, PingInput, PingRecord, Timings},
    room::{Limits, Owner, Period, Room, Turn},
};
use jiff::tz::TimeZone;

/// When everything in a test happens, as Unix time in milliseconds.
pub(crate) const NOW_MS: u64 = 1_795_000_000_000;

/// How long a quote stands, in milliseconds.
pub(crate) const WINDOW_MS: u64 = 300_000;

/// Places in which a sample lead goes at most.
pub(crate) const HANDS: u32 = 3;

pub(crate) fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn pinged() -> Vec<(String, Value)> {
    vec![
        ("state".into(), Value::Text("CA".into())),
        ("zip".into(), Value::Text("90210".into())),
        ("monthly_bill".into(), Value::Integer(180)),
        ("homeowner".into(), Value::Flag(true)),
    ]
}

/// An id like that of a ping received at this time.
pub(crate) fn id(at_ms: u64, number: u64) -> OrderId {
    OrderId(Ulid::from_parts(at_ms, u128::from(number)))
}

/// An open order with so many bids.
pub(crate) fn order(id: OrderId, bids: u16) -> Order {
    let bid = |place: u16| Bid {
        account: format!("account-{place}").parse().expect("a name"),
        buyer: format!("buyer-{place}").parse().expect("a name"),
        amount: money(&format!("{}", 20 + bids - place)),
        reference: None,
        priority: 100,
        exclusive: false,
        turn: Turn::default(),
        hold: HoldAt::Quote,
    };
    Order {
        id,
        campaign: "solar-west".parse().expect("a name"),
        supplier: "sunleads".parse().expect("a name"),
        revision: 1,
        digests: [("roof-filter", "f"), ("http-buyer", "h")]
            .map(|(name, bytes)| (name.parse().expect("a name"), Digest::of(bytes.as_bytes())))
            .into(),
        received_at_ms: id.received_at_ms(),
        expires_at_ms: id.received_at_ms() + WINDOW_MS,
        room_at_ms: id.received_at_ms(),
        hold: HoldAt::Quote,
        test: false,
        lead: pinged(),
        sub_id: None,
        min_bid: None,
        bids: (0..bids).map(bid).collect(),
        quote: Quote {
            selected: vec![0],
            revenue: money("30"),
            cost: money("15"),
            profit: money("15"),
        },
        cost: CostModel::PerLead(money("15")),
        max_deliveries: HANDS,
        state: OrderState::Open,
        post: None,
    }
}

/// The record of the ping that an order came of.
pub(crate) fn ping(order: &Order) -> PingRecord {
    let won = |bid: &Bid| AccountOutcome {
        account: bid.account.clone(),
        outcome: if bid.account == order.bids[0].account {
            Outcome::Won
        } else {
            Outcome::Outbid
        },
        detail: Detail::default(),
        bid: Some(bid.amount),
        turn: None,
    };
    PingRecord {
        id: order.id.ping(),
        campaign: order.campaign.clone(),
        supplier: order.supplier.clone(),
        revision: order.revision,
        digests: order.digests.clone(),
        input: PingInput {
            received_at_ms: order.received_at_ms,
            lead: order.lead.clone(),
            sub_id: None,
            tmax_ms: None,
            min_bid: None,
            test: false,
        },
        outcomes: order.bids.iter().map(won).collect(),
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

/// A post of an order, within its window.
pub(crate) fn claim(order: OrderId) -> Claim {
    Claim {
        received_at_ms: order.received_at_ms() + 1_000,
        waits_until_ms: None,
        lead_hash: Digest::of(b"lead"),
        lead: pinged(),
        fingerprints: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Terms that any sale meets.
pub(crate) fn terms() -> Terms {
    Terms {
        selection: Selection {
            by: RankBy::Price,
            then: RankBy::Priority,
        },
        max_deliveries: HANDS,
        cost: CostModel::PerLead(money("15")),
        requirements: Requirements {
            min_deliveries: 1,
            min_revenue: None,
            min_profit: None,
            min_profit_percent: None,
            profit_percent_of: ProfitBase::Revenue,
            allow_loss: true,
        },
        min_bid: None,
    }
}

/// The buyer certainly did not take it.
pub(crate) fn rejected() -> End {
    End::Rejected { code: None }
}

/// Nobody knows whether the buyer took it.
pub(crate) fn unconfirmed() -> End {
    End::Unconfirmed { code: None }
}

/// Nothing was sent.
pub(crate) fn passed_over() -> End {
    End::PassedOver {
        outcome: Outcome::Criteria,
        code: None,
    }
}

/// An account's room is its own.
pub(crate) fn account(place: u16) -> Owner {
    Owner::Account(format!("account-{place}").parse().expect("a name"))
}

/// The campaign that every sample order is of.
pub(crate) fn campaign() -> Owner {
    Owner::Campaign("solar-west".parse().expect("a name"))
}

/// Room for so many in each of these periods.
pub(crate) fn room(period: Period, most: u64) -> Room {
    Room {
        caps: Limits::of([(period, most)]),
        budget: Limits::default(),
        zone: TimeZone::UTC,
    }
}

fn hash(value: &str) -> Digest {
    Digest::of(value.as_bytes())
}

/// A post whose lead is known again by this value.
pub(crate) fn claim_with(order: OrderId, value: &str, until_ms: u64) -> Claim {
    let fingerprint = Fingerprint {
        field: Some("phone".into()),
        hash: hash(value),
        until_ms,
    };
    Claim {
        fingerprints: vec![fingerprint],
        ..claim(order)
    }
}

/// Whether a lead with this value was there within a day.
pub(crate) fn comparison(among: Among, value: &str) -> Comparison {
    Comparison {
        among,
        matching: Matching::Any,
        hashes: vec![None, Some(hash(value))],
        within_ms: 24 * 3_600_000,
    }
}
