//! Every bound of the two listeners, with its unit and its reason. What an operator may set
//! (`max_body`, `max_connections`) is in the host's configuration instead.

use std::time::Duration;

/// From the first byte of a request to the end of its headers. A supplier's client sends
/// them in one packet; who needs longer only holds a connection.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a kept connection may be idle: longer than the minute after which most clients'
/// pools let go of one, so that it is the client that closes and no request meets a closed door.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// From the headers to the end of the body: 64 KiB at 3 KiB/s.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// For a whole TLS handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers of one request, by number. More are answered with 431.
pub(crate) const HEADERS_MAX: usize = 64;

/// Request line and headers together, in bytes. More are answered with 431.
pub(crate) const HEAD_MAX_BYTES: usize = 16 << 10;

/// After an answer that ends a connection, what the client still sends is read and dropped
/// for so long and up to so many bytes: closing at once would reset the connection, and the
/// client would lose the answer that says why.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// See [`LINGER_TIMEOUT`]; in bytes. Enough for somebody who sends a 10 MB file by mistake.
pub(crate) const LINGER_MAX_BYTES: usize = 32 << 20;

/// Connections that the system keeps until the host accepts them; it may keep fewer
/// (`net.core.somaxconn`). Beyond them a client hears nothing and tries again a second later, which
/// is longer than any ping may take: with the usual 128, a thousand suppliers' connections that
/// came at once took seconds.
pub(crate) const QUEUED_CONNECTIONS: u32 = 4096;

/// Connections over `max_connections` that are being told so at the same time. Beyond these
/// they are closed without a word.
pub(crate) const REFUSALS_MAX: usize = 64;

/// A pause after a failed `accept`, such as when the process is out of file descriptors:
/// without one the loop would spin.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Longest `X-Request-Id` of a client's that is echoed, in characters.
pub(crate) const REQUEST_ID_MAX_LENGTH: usize = 64;

/// Largest market that the admin API takes, in bytes: ten thousand accounts of 1 KiB, and room.
pub(crate) const MARKET_MAX_BYTES: usize = 32 << 20;

/// Largest body of the admin API's small requests, in bytes.
pub(crate) const ADMIN_BODY_MAX_BYTES: usize = 64 << 10;

/// Time for a body of megabytes to arrive at the admin API.
pub(crate) const UPLOAD_TIMEOUT: Duration = Duration::from_mins(2);
