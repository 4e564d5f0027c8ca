//! Every bound on what goes to buyers and comes back, with its unit and reason.

use std::time::Duration;

/// Largest body of an answer, in bytes (`rules.md`, Requests out).
pub const ANSWER_MAX_BYTES: usize = 256 << 10;

/// Largest head of an answer, in bytes: status line and headers. Common servers and proxies
/// send at most 8 to 32 KiB.
pub const ANSWER_HEAD_MAX_BYTES: usize = 64 << 10;

/// Most headers of an answer. hyper's default, and what fits its parser's stack.
pub const ANSWER_HEADERS_MAX: usize = 100;

/// Longest URL of a request once filled in, in bytes. Common servers take 8 KiB.
pub const URL_MAX_BYTES: usize = 16 << 10;

/// Most headers that a plugin may set on one request, and as many as servers take.
pub const REQUEST_HEADERS_MAX: usize = 100;

/// Largest head of a request once filled in, in bytes, the URL aside.
pub const REQUEST_HEAD_MAX_BYTES: usize = 64 << 10;

/// Most addresses of one name that are tried: each gets its part of the time there is, and a
/// smaller part than an eighth would be no use.
pub const ADDRESSES_MAX: usize = 8;

/// Most names being looked up at once. Each look-up blocks a thread of tokio's pool of 512,
/// which others need too.
pub const LOOKUPS_MAX: usize = 128;

/// Most idle connections kept to one origin: pings to it in parallel at a few thousand a
/// second and tens of milliseconds each.
pub const IDLE_PER_ORIGIN_MAX: usize = 64;

/// How long a connection is kept without use. Servers keep theirs for 5 to 75 s; one that was
/// closed meanwhile costs a ping nothing but the way to a new one.
pub const IDLE_MAX: Duration = Duration::from_secs(30);

/// How often idle connections are looked through for those past [`IDLE_MAX`].
pub const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Requests out at once, pings and deliveries together, where nothing else is set
/// (`limits.outbound_connections`).
pub const REQUESTS_MAX: usize = 1000;
