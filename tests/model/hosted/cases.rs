//! The case of a seed, as far as it can be played against a host whose clock nobody moves.
//!
//! What is left out, or is something else:
//!
//! | of the case | here |
//! |---|---|
//! | clock steps, expiries | another post; windows, retries' waits and deadlines are longer than any case takes |
//! | a ping that is decided and recorded later | one request; another ping instead |
//! | what a lead's task does next | done by the host itself, in any order that the rules allow; the end of another delivery instead |
//! | a buyer that bids too late | its answer cannot be read |
//! | an adapter that says no before it sends anything | its buyer rejects |
//! | a filter that says anything | `roof-filter`, with shades that it accepts |
//! | buyers' words on a test | the account's script |
//! | a bid of nothing, which `http-buyer` takes for no bid | a bid of one |

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use rust_decimal::Decimal;

use super::super::{
    case::{Account, Case, End, Market, Offer, Ping, SHADE, Says, Script, Step},
    random::{self, SHADES, money, often, one, values},
};

const MINUTE_MS: u64 = 60_000;

/// Longer than a case takes.
const WINDOW_MS: u64 = 120 * MINUTE_MS;
const POST_DEADLINE_MS: u64 = 5 * MINUTE_MS;

/// Longer than [`POST_DEADLINE_MS`], too: where a supplier waits, no retry is begun.
const RETRY_WAIT_MS: u64 = 10 * MINUTE_MS;

/// Apart from what `random` draws with the same seed.
const APART: u64 = 0x686f_7374_6564;

/// Place of the field that makes each direct post another lead.
const SIZE: usize = 2;

pub(super) fn case(seed: u64, prefix: &str) -> Case {
    let mut case = random::case(seed, prefix);
    let rng = &mut SmallRng::seed_from_u64(seed ^ APART);
    let plugged: Vec<_> = case.markets[0]
        .accounts
        .iter()
        .map(|account| {
            (
                often(rng, 0.3, |rng| values(rng, &SHADES)),
                script(rng, account),
            )
        })
        .collect();
    for market in &mut case.markets {
        for campaign in &mut market.campaigns {
            campaign.window_ms = WINDOW_MS;
            campaign.post_deadline_ms = POST_DEADLINE_MS;
        }
        for (account, (shades, script)) in market.accounts.iter_mut().zip(&plugged) {
            (account.shades, account.script) = (shades.clone(), *script);
            account.retry = account.retry.map(|(attempts, _)| (attempts, RETRY_WAIT_MS));
        }
    }
    let market = &case.markets[0];
    for (number, step) in case.steps.iter_mut().enumerate() {
        match step {
            Step::Record(_) => *step = Step::Scan(Box::new(random::ping(rng, market, number))),
            Step::Drive(pick) => *step = Step::End(*pick),
            Step::Clock(_) | Step::Expire => {
                *step = Step::Post(rng.random_range(0..1_000), Box::new(random::post(rng)));
            }
            _ => {}
        }
        if let Step::Scan(ping) = step {
            played(rng, market, ping, number);
        }
    }
    case
}

/// Only an account whose adapter is asked has one.
fn script(rng: &mut SmallRng, account: &Account) -> Option<Script> {
    let drawn = match rng.random_range(0..4) {
        0 => None,
        1 => Some(Script::NoBid),
        2 => Some(Script::Reject),
        _ => Some(Script::Bid(money(rng, 40))),
    };
    drawn.filter(|_| account.asks)
}

fn played(rng: &mut SmallRng, market: &Market, ping: &mut Ping, number: usize) {
    if market.campaigns[ping.campaign].direct {
        ping.lead[SIZE] = Some((1_000 + number).to_string());
        ping.lead[SHADE] = often(rng, 0.8, |rng| one(rng, &SHADES).to_owned());
    }
    for (says, account) in ping.says.iter_mut().zip(&market.accounts) {
        let end = |end: &End| match end {
            End::Declined => End::Reject,
            other => *other,
        };
        *says = if ping.test {
            scripted(account)
        } else {
            says_so(
                match says.offer {
                    Offer::Bid(amount) if amount.is_zero() => Offer::Bid(Decimal::ONE),
                    Offer::Timeout => Offer::Unreadable,
                    other => other,
                },
                says.ends.iter().map(end).collect(),
            )
        };
    }
}

/// `rules.md`, Test leads.
fn scripted(account: &Account) -> Says {
    let fixed = account.price.unwrap_or(Decimal::ONE);
    match account.script {
        Some(Script::Bid(amount)) => says_so(Offer::Bid(amount), vec![End::Accept]),
        Some(Script::Reject) => says_so(Offer::Bid(fixed), vec![End::Reject]),
        None if account.price.is_some() => says_so(Offer::Yes, vec![End::Accept]),
        Some(Script::NoBid) | None => says_so(Offer::No, vec![End::Accept]),
    }
}

/// What a real filter says is in nobody's script.
fn says_so(offer: Offer, ends: Vec<End>) -> Says {
    Says {
        qualifies: true,
        offer,
        still_covers: true,
        still_qualifies: true,
        ends,
    }
}
