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
/// that they quoted; others are read from the store again. Each may be megabytes.
pub const REVISIONS_KEPT: usize = 8;

/// How often a post whose task panicked is resumed before it is settled as it stands: once
/// more is for a passing fault; a third time would meet the same one.
pub const RESUMES: u32 = 2;

/// How often orders past their window are looked for. An order is refused from its
/// `expires_at` on whether or not it has been swept.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How many records one sweep changes at most, so that it never holds up the committer for long.
pub const SWEEP_AT_MOST: usize = 1_000;
