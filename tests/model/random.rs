//! Random cases: the same for the same seed, small, and full of ties, full caps and leads that
//! are alike.

use std::array;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};
use rust_decimal::Decimal;

use super::case::{
    Account, By, Campaign, Case, Cost, End, Hours, Market, Offer, PERSONAL, Pattern, Periods, Ping,
    Returns, Same, Says, Scope, Sent, Settle, Step, Test,
};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Zones with clock changes of an hour and of half an hour, at midnight and not, and without any.
const ZONES: [&str; 8] = [
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Kathmandu",
    "America/Phoenix",
    "UTC",
];

/// Moments, in Unix seconds, with something of the calendar near: clocks that change in 2025 and
/// 2026, the ends of a year, a month and a week.
const MOMENTS_S: [u64; 12] = [
    1_741_503_600, // 2025-03-09, New York springs forward
    1_762_063_200, // 2025-11-02, New York falls back
    1_772_953_200, // 2026-03-08, the same
    1_793_512_800, // 2026-11-01, the same
    1_774_746_000, // 2026-03-29, Berlin springs forward
    1_761_440_400, // 2025-10-26, Berlin falls back
    1_743_865_200, // 2025-04-05, Lord Howe falls back by half an hour
    1_759_590_000, // 2025-10-04, and springs forward
    1_741_496_400, // 2025-03-09, Havana's midnight is left out
    1_767_225_600, // 2026-01-01
    1_772_323_200, // 2026-03-01
    1_784_505_600, // 2026-07-20, a Monday
];

const STATES: [&str; 4] = ["CA", "AZ", "NV", "TX"];
const BILLS: [&str; 4] = ["80", "100", "100.5", "180"];
const SIZES: [&str; 3] = ["1", "5", "20"];
const DAYS: [&str; 3] = ["2026-01-31", "2026-02-28", "2026-12-01"];
/// Where a roof is shaded.
pub(crate) const SHADES: [&str; 3] = ["north", "south", "northwest"];

const PATTERNS: [(usize, Pattern); 3] = [
    (
        0,
        Pattern {
            text: "C.",
            means: |text| text.len() == 2 && text.starts_with('C'),
        },
    ),
    (
        0,
        Pattern {
            text: "C|A|NV",
            means: |text| matches!(text, "C" | "A" | "NV"),
        },
    ),
    (
        5,
        Pattern {
            text: "(?i)NORTH",
            means: |text| text == "north",
        },
    ),
];

pub(crate) fn money(rng: &mut SmallRng, most: u32) -> Decimal {
    let text = match rng.random_range(0..4) {
        // On a grid of fives, so that there are ties; else with cents or more.
        0 | 1 => format!("{}", 5 * rng.random_range(0..=most / 5)),
        2 => format!(
            "{}.{:02}",
            rng.random_range(0..most),
            rng.random_range(0..100)
        ),
        _ => format!(
            "{}.{:04}",
            rng.random_range(0..most),
            rng.random_range(0..10_000)
        ),
    };
    text.parse::<Decimal>().unwrap().normalize()
}

pub(crate) fn often<T>(
    rng: &mut SmallRng,
    share: f64,
    make: impl FnOnce(&mut SmallRng) -> T,
) -> Option<T> {
    rng.random_bool(share).then(|| make(rng))
}

pub(crate) fn one<T: Copy>(rng: &mut SmallRng, list: &[T]) -> T {
    *list.choose(rng).unwrap()
}

fn some_of(rng: &mut SmallRng, list: &[usize], share: f64) -> Vec<usize> {
    list.iter()
        .copied()
        .filter(|_| rng.random_bool(share))
        .collect()
}

/// Some values of a list, at least one.
pub(crate) fn values(rng: &mut SmallRng, list: &[&'static str]) -> Vec<&'static str> {
    let mut chosen: Vec<_> = list
        .iter()
        .copied()
        .filter(|_| rng.random_bool(0.5))
        .collect();
    if chosen.is_empty() {
        chosen.push(one(rng, list));
    }
    chosen
}

fn caps(rng: &mut SmallRng) -> Periods<u64> {
    array::from_fn(|_| often(rng, 0.2, |rng| rng.random_range(1..4)))
}

fn budget(rng: &mut SmallRng) -> Periods<Decimal> {
    array::from_fn(|_| often(rng, 0.12, |rng| money(rng, 60)))
}

fn same(rng: &mut SmallRng) -> Same {
    let mut fields = some_of(rng, &[0, 5, 6, 7], 0.4);
    if fields.is_empty() {
        fields.push(6);
    }
    Same {
        fields,
        all: rng.random_bool(0.4),
        within_ms: one(rng, &[10 * MINUTE_MS, 5 * HOUR_MS, 30 * DAY_MS]),
    }
}

fn by(rng: &mut SmallRng) -> By {
    one(
        rng,
        &[
            By::Price,
            By::Price,
            By::Priority,
            By::RoundRobin,
            By::Weighted,
        ],
    )
}

fn campaign(rng: &mut SmallRng, suppliers: usize, accounts: usize) -> Campaign {
    let percent = |rng: &mut SmallRng| Decimal::from(one(rng, &[0, 20, 33, 70, 100]));
    let all: Vec<usize> = (0..accounts).collect();
    let group = often(rng, 0.15, |rng| some_of(rng, &all, 0.6)).filter(|group| !group.is_empty());
    Campaign {
        supplier: rng.random_range(0..suppliers),
        direct: rng.random_bool(0.2),
        active: rng.random_bool(0.97),
        cost: match rng.random_range(0..4) {
            0 => Cost::PerLead(money(rng, 25)),
            1 => Cost::PerSale(money(rng, 25)),
            2 => Cost::Share(percent(rng)),
            _ => Cost::Margin(percent(rng)),
        },
        max_deliveries: one(rng, &[1, 1, 2, 2, 3]),
        by: by(rng),
        then: by(rng),
        group,
        caps: if rng.random_bool(0.4) {
            caps(rng)
        } else {
            [None; 5]
        },
        hold_at_post: rng.random_bool(0.3),
        duplicates: often(rng, 0.6, |rng| {
            (
                same(rng),
                one(rng, &[Scope::Campaign, Scope::Supplier, Scope::Market]),
            )
        }),
        window_ms: one(rng, &[MINUTE_MS, 5 * MINUTE_MS, 2 * HOUR_MS]),
        allow_loss: rng.random_bool(0.5),
        ping_required: some_of(rng, &[0, 1, 5], 0.1),
        qualify_all: rng.random_bool(0.15),
        min_deliveries: one(rng, &[1, 1, 1, 2]),
        min_revenue: often(rng, 0.2, |rng| money(rng, 40)),
        min_profit: often(rng, 0.2, |rng| money(rng, 15)),
        min_percent: often(rng, 0.2, |rng| Decimal::from(one(rng, &[0, 10, 50, 150]))),
        percent_of_cost: rng.random_bool(0.5),
        post_required: some_of(rng, &[2, 6, 7], 0.15),
        keep_pinged: rng.random_bool(0.5),
        scan_for_coverage: rng.random_bool(0.8),
        waits: rng.random_bool(0.5),
        post_deadline_ms: one(rng, &[20_000, 5 * MINUTE_MS]),
    }
}

fn criterion(rng: &mut SmallRng) -> (usize, Test) {
    match rng.random_range(0..10) {
        0 => (0, Test::In(values(rng, &STATES))),
        1 => (0, Test::NotIn(values(rng, &STATES))),
        2 => (1, Test::Min(one(rng, &BILLS))),
        3 => (1, Test::Max(one(rng, &BILLS))),
        4 => (2, Test::Min(one(rng, &SIZES))),
        5 => (3, Test::Is(rng.random_bool(0.7))),
        6 => (4, Test::Max(one(rng, &DAYS))),
        7 => (5, Test::Prefix(values(rng, &["n", "north", "s"]))),
        8 => {
            let (field, pattern) = one(rng, &PATTERNS);
            (field, Test::Matches(pattern))
        }
        _ => (rng.random_range(0..8), Test::Present(rng.random_bool(0.8))),
    }
}

fn hours(rng: &mut SmallRng) -> Hours {
    let from = rng.random_range(0..48) * 30;
    let to = (from + rng.random_range(1..44) * 30) % (24 * 60);
    let mut days: [bool; 7] = array::from_fn(|_| rng.random_bool(0.8));
    // A market names at least one.
    days[rng.random_range(0..days.len())] = true;
    Hours {
        days,
        from,
        to: if to == 0 { 24 * 60 } else { to },
    }
}

fn account(rng: &mut SmallRng, buyers: usize) -> Account {
    let price = often(rng, 0.7, |rng| money(rng, 40));
    let criteria = often(rng, 0.4, |rng| {
        (0..rng.random_range(1..3))
            .map(|_| criterion(rng))
            .collect()
    });
    Account {
        buyer: rng.random_range(0..buyers),
        active: rng.random_bool(0.95),
        asks: price.is_none() || rng.random_bool(0.4),
        price,
        min_price: often(rng, 0.15, |rng| money(rng, 15)),
        priority: one(rng, &[10, 10, 100]),
        weight: one(rng, &[1, 2, 3]),
        exclusive: rng.random_bool(0.25),
        criteria: criteria.unwrap_or_default(),
        caps: if rng.random_bool(0.5) {
            caps(rng)
        } else {
            [None; 5]
        },
        budget: if rng.random_bool(0.3) {
            budget(rng)
        } else {
            [None; 5]
        },
        hold_at_post: rng.random_bool(0.3),
        schedule: often(rng, 0.15, |rng| {
            (0..rng.random_range(1..3)).map(|_| hours(rng)).collect()
        })
        .unwrap_or_default(),
        retry: often(rng, 0.5, |rng| {
            (rng.random_range(0..3), one(rng, &[5_000, 10 * MINUTE_MS]))
        }),
        stops: rng.random_bool(0.6),
        duplicates: often(rng, 0.3, same),
        returns: often(rng, 0.7, |rng| Returns {
            within_ms: one(rng, &[HOUR_MS, 14 * DAY_MS]),
            max_percent: Decimal::from(one(rng, &[10, 50, 100])),
            auto_accept: rng.random_bool(0.5),
            charge_supplier: rng.random_bool(0.7),
        }),
        shades: None,
        script: None,
    }
}

fn market(rng: &mut SmallRng, prefix: String) -> Market {
    let suppliers = rng.random_range(1..3);
    let buyers: Vec<_> = (0..rng.random_range(2..6))
        .map(|_| one(rng, &ZONES))
        .collect();
    let accounts: Vec<_> = (0..rng.random_range(2..9))
        .map(|_| account(rng, buyers.len()))
        .collect();
    let campaigns: Vec<_> = (0..rng.random_range(1..4))
        .map(|_| campaign(rng, suppliers, accounts.len()))
        .collect();
    Market {
        prefix,
        zone: one(rng, &ZONES),
        suppliers,
        campaigns,
        buyers,
        accounts,
    }
}

/// The same market after an operator's change: caps, budgets, holds and statuses, and of some
/// accounts and campaigns every term. An order is posted by those that quoted it.
fn changed(rng: &mut SmallRng, before: &Market) -> Market {
    let mut market = before.clone();
    // Of its own, so that what a seed makes otherwise does not depend on it.
    let mut terms = SmallRng::seed_from_u64(!rng.clone().random::<u64>());
    for account in &mut market.accounts {
        if rng.random_bool(0.3) {
            account.active = rng.random_bool(0.6);
            account.caps = caps(rng);
            account.budget = budget(rng);
            account.hold_at_post = rng.random_bool(0.5);
        }
    }
    for campaign in &mut market.campaigns {
        if rng.random_bool(0.3) {
            campaign.caps = caps(rng);
            campaign.hold_at_post = rng.random_bool(0.5);
            campaign.active = rng.random_bool(0.8);
        }
    }
    for account in &mut market.accounts {
        if terms.random_bool(0.3) {
            *account = other_terms(&mut terms, account);
        }
    }
    let accounts = market.accounts.len();
    for before in &mut market.campaigns {
        if terms.random_bool(0.3) {
            *before = Campaign {
                supplier: before.supplier,
                direct: before.direct,
                active: before.active,
                ..campaign(&mut terms, 1, accounts)
            };
        }
    }
    market
}

/// The same buyer's account, who says what it said, on other terms.
fn other_terms(rng: &mut SmallRng, before: &Account) -> Account {
    Account {
        buyer: before.buyer,
        active: before.active,
        price: before.price,
        asks: before.asks,
        shades: before.shades.clone(),
        script: before.script,
        ..account(rng, 1)
    }
}

/// A person: the same one is written in several ways.
fn person(rng: &mut SmallRng, sent: &mut Sent) {
    let phones = [
        "(415) 555-0137",
        "+14155550137",
        "212 555 0199",
        "2125550199",
        "303.555.0111",
    ];
    let emails = [
        "Ann.Lee@Example.com",
        "ann.lee@example.com",
        "bo@example.org",
        "Bo@EXAMPLE.org",
    ];
    sent[6] = often(rng, 0.85, |rng| one(rng, &phones).to_owned());
    sent[7] = often(rng, 0.85, |rng| one(rng, &emails).to_owned());
}

fn open_fields(rng: &mut SmallRng, share: f64) -> Sent {
    let text = |rng: &mut SmallRng, list: &[&'static str]| Some(one(rng, list).to_owned());
    let mut sent: Sent = array::from_fn(|_| None);
    for field in 0..PERSONAL {
        if !rng.random_bool(share) {
            continue;
        }
        sent[field] = match field {
            0 => text(rng, &["CA", "ca", "AZ", "NV", "TX"]),
            1 => text(rng, &["80", "100", "100.0", "100.50", "180"]),
            2 => text(rng, &SIZES),
            3 => text(rng, &["true", "yes", "false", "0"]),
            4 => text(rng, &DAYS),
            _ => text(rng, &SHADES),
        };
    }
    sent
}

pub(crate) fn ping(rng: &mut SmallRng, market: &Market, number: usize) -> Ping {
    let campaign = rng.random_range(0..market.campaigns.len());
    let mut lead = open_fields(rng, 0.8);
    if market.campaigns[campaign].direct {
        person(rng, &mut lead);
        // The same direct post again is answered from memory, which is shown elsewhere.
        lead[5] = Some(format!("north {number}"));
    }
    let says = market.accounts.iter().map(|_| says(rng)).collect();
    Ping {
        campaign,
        lead,
        min_bid: often(rng, 0.15, |rng| money(rng, 20)),
        test: rng.random_bool(0.05),
        says,
    }
}

fn says(rng: &mut SmallRng) -> Says {
    let offer = match rng.random_range(0..12) {
        0..7 => Offer::Bid(money(rng, 40)),
        7 => Offer::Yes,
        8 => Offer::No,
        9 => Offer::Unreachable,
        10 => Offer::Timeout,
        _ => Offer::Unreadable,
    };
    let end = |rng: &mut SmallRng| match rng.random_range(0..16) {
        0..5 => End::Accept,
        5 | 6 => End::AcceptAt(money(rng, 40)),
        7..10 => End::Reject,
        10..12 => End::Unconfirmed,
        12..15 => End::Unreachable,
        _ => End::Declined,
    };
    Says {
        qualifies: rng.random_bool(0.93),
        offer,
        still_covers: rng.random_bool(0.9),
        still_qualifies: rng.random_bool(0.93),
        ends: (0..rng.random_range(1..4)).map(|_| end(rng)).collect(),
    }
}

pub(crate) fn post(rng: &mut SmallRng) -> Sent {
    // Mostly what was pinged is not repeated, so that it does not differ.
    let mut sent = open_fields(rng, 0.06);
    person(rng, &mut sent);
    sent
}

fn clock(rng: &mut SmallRng) -> u64 {
    let odd = rng.random_range(1..1_000);
    odd + match rng.random_range(0..12) {
        0..4 => 0,
        4 => 5_000,
        5 => 30_000,
        6 => MINUTE_MS,
        7 => 10 * MINUTE_MS,
        8 => 30 * MINUTE_MS,
        9 => HOUR_MS,
        10 => rng.random_range(0..30) * HOUR_MS,
        _ => rng.random_range(0..40) * DAY_MS,
    }
}

fn step(rng: &mut SmallRng, market: &Market, markets: usize, number: usize) -> Step {
    let pick = rng.random_range(0..1_000);
    match rng.random_range(0..100) {
        0..16 => Step::Scan(Box::new(ping(rng, market, number))),
        16..30 => Step::Record(pick),
        30..42 => Step::Post(pick, Box::new(post(rng))),
        42..62 => Step::Drive(pick),
        62..77 => Step::End(pick),
        77..85 => Step::Clock(clock(rng)),
        85..89 => Step::Settle(
            pick,
            match rng.random_range(0..3) {
                0 => Settle::Sold,
                1 => Settle::SoldAt(money(rng, 30)),
                _ => Settle::NotSold,
            },
        ),
        89 => Step::RetryByHand(pick),
        90 if rng.random_bool(0.5) => Step::Erase(pick),
        90..94 => Step::Return(pick),
        94..96 => Step::Decide(pick, rng.random_bool(0.7)),
        96..98 => Step::Expire,
        _ => Step::Apply(pick % markets),
    }
}

/// The case of a seed; `prefix` stands before every name.
pub(crate) fn case(seed: u64, prefix: &str) -> Case {
    let mut rng = SmallRng::seed_from_u64(seed);
    let first = market(&mut rng, prefix.to_owned());
    let mut markets = vec![first];
    if rng.random_bool(0.25) {
        let next = changed(&mut rng, &markets[0]);
        markets.push(next);
    }
    let near = one(&mut rng, &MOMENTS_S) * 1000;
    let start_ms = near - 3 * HOUR_MS + rng.random_range(0..6 * HOUR_MS);
    let length = rng.random_range(6..40);
    let steps = (0..length)
        .map(|number| step(&mut rng, &markets[0], markets.len(), number))
        .collect();
    Case {
        start_ms,
        markets,
        steps,
    }
}
