//! What bounds the exchange, with unit and reason.

use std::time::Duration;

/// Settings that an operator may change; the defaults are `gavel.toml`'s.
#[derive(Debug, Clone)]
pub struct ExchangeSettings {
    /// Of a ping's deadline, what is kept for ranking, recording and answering; of a post's,
    /// what is kept for settling and answering.
    pub answer_reserve: Duration,
    /// Requests out to buyers at one time.
    pub outbound_connections: usize,
    /// Pings being answered at one time; beyond, they are refused as `overloaded`.
    pub pings_in_flight: usize,
    /// Whether buyers may stand on loopback or private addresses: for tests and demos.
    pub allow_private_buyers: bool,
}

impl Default for ExchangeSettings {
    fn default() -> Self {
        Self {
            answer_reserve: Duration::from_millis(30),
            outbound_connections: 1000,
            pings_in_flight: 2000,
            allow_private_buyers: false,
        }
    }
}

/// With less time than this left, a buyer is not asked (`rules.md`, ping 7).
pub const LEAST_TIME_TO_ASK: Duration = Duration::from_millis(20);

/// The shortest deadline that a supplier may ask for (`rules.md`, Deadline), in milliseconds.
pub const TMAX_LEAST_MS: i64 = 50;

/// The longest `Idempotency-Key`, in characters (`api.md`).
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 255;

/// How much of a buyer's answer a ping's record keeps, in bytes: a bid is a few hundred, and
/// a record of fifty buyers should stay below a megabyte.
pub const RECORDED_BODY_MAX_BYTES: usize = 16 << 10;

/// How many revisions that are no longer in force are kept ready for the posts of orders
/// that they quoted, at most; others are read from the store again. Those that differ in a
/// plugin's version alone share their market, but each may hold a version of its own alive.
pub const REVISIONS_KEPT: usize = 64;

/// How many different markets those may have, at most: one of ten thousand accounts is megabytes.
pub const MARKETS_KEPT: usize = 8;

/// Pings that shadows are shown at one time; others are not shown to them, and counted.
pub const SHADOWS_AT_ONCE: usize = 64;

/// How often a post whose task panicked is resumed before it is settled as it stands: once
/// more is for a passing fault; a third time would meet the same one.
pub const RESUMES: u32 = 2;

/// How long a token endpoint may take: it is asked behind requests' backs, so more than a
/// request would wait.
pub const TOKEN_FETCH_MAX: Duration = Duration::from_secs(10);

/// How long a token is taken to live whose endpoint does not say: short enough to be fetched
/// again before most endpoints would end it.
pub const TOKEN_LIFE_UNTOLD: Duration = Duration::from_mins(5);

/// How long a token is kept at most, whatever its endpoint says.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_hours(24);

/// How long before its end a token is fetched again, but at most a fifth of its life: time
/// for a slow endpoint, or for one more try.
pub const TOKEN_RENEWED_BEFORE: Duration = Duration::from_mins(1);

/// In the last of its life a token is not used, at most a twentieth of it: it would end on
/// its way to the buyer.
pub const TOKEN_UNUSED_BEFORE: Duration = Duration::from_secs(5);

/// The wait after a first failure to fetch a token; it doubles with each further one. So does
/// the wait before a token is fetched because a buyer did not accept the last: the first is
/// fetched at once, but a buyer that accepts none must not make the endpoint answer every ping.
pub const TOKEN_RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest of these waits.
pub const TOKEN_RETRY_MAX: Duration = Duration::from_mins(1);

/// How often orders past their window are looked for. An order is refused from its
/// `expires_at` on whether or not it has been swept.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How many records one sweep changes at most, so that it never holds up the committer for long.
pub const SWEEP_AT_MOST: usize = 1_000;

/// How often pings are counted for reports.
pub const COUNT_EVERY: Duration = Duration::from_secs(1);

/// How far behind the clock counting may be before it takes no rests.
pub const COUNT_BEHIND: Duration = Duration::from_secs(5);

/// How many pings are counted in one change: enough that sums are not written again for each,
/// and few enough to hold up the committer for some milliseconds alone.
pub const COUNT_AT_ONCE: usize = 512;

/// The longest time that one report is of: ten years, and their leap days.
pub const REPORT_MAX: Duration = Duration::from_hours(24 * 3_660);

/// The shortest time for which a link to posting instructions is good: to click it.
pub const LINK_VALID_LEAST: Duration = Duration::from_mins(1);

/// The longest: a link cannot be taken back, and who reads it for a year has a key by then.
pub const LINK_VALID_MOST: Duration = Duration::from_hours(366 * 24);

/// Where the operator does not say: long enough to build an integration.
pub const LINK_VALID_USUALLY: Duration = Duration::from_hours(30 * 24);

/// Events that are kept for listeners who are slower than the market: half a second of a busy one.
pub const EVENTS_KEPT: usize = 4096;

/// Listeners to events at one time: each gets a copy of everything.
pub const LISTENERS_MAX: usize = 32;

/// The longest reason that a delivery is given back for, in characters.
pub const RETURN_REASON_MAX_CHARS: usize = 500;
