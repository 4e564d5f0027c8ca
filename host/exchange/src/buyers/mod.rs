//! Requests out: HTTP/1.1 to buyers, in the clear or through TLS.
//!
//! A ping and a delivery differ in what may be repeated. A ping goes over a kept connection
//! where there is one, and again over a new one where the kept one turns out to be dead. A
//! delivery opens a connection of its own and is sent at most once; it has two steps,
//! [`Buyers::connect`] and [`Line::send`], so that the caller can write a durable note between
//! them: what fails in the first has certainly not reached the buyer, what fails in the
//! second may have.
//!
//! Redirects are not followed, no compression is asked for or undone, and nothing here logs
//! more of a request than its origin. Knows neither leads nor orders nor the store.
//!
//! # Map, in the order in which a request meets it
//!
//! | module | holds |
//! |---|---|
//! | `outgoing` | what a plugin asked for, filled in and checked |
//! | `resolve` | from a name to addresses |
//! | `address` | which addresses may be connected to |
//! | `connect` | TCP and TLS |
//! | `line` | one request and its answer |
//! | `pool` | connections kept between pings |
//! | [`limits`] | every bound |

mod address;
mod connect;
pub mod limits;
mod line;
mod outgoing;
mod pool;
mod resolve;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use gavel_sandbox::Response;
use rustls::pki_types::CertificateDer;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

pub use self::{
    connect::SetupError,
    line::{Line, Lost},
    outgoing::{Outgoing, Refused},
};
use self::{
    connect::{Connector, NoConnection},
    line::Wire,
    pool::Pool,
};
use crate::limits::LEAST_TIME_TO_ASK;

/// How requests go out.
#[derive(Debug, Clone)]
pub struct BuyerSettings {
    /// Whether buyers may be on loopback or private addresses (`limits.allow_private_buyers`).
    pub allow_private: bool,
    /// Most requests out at once, pings and deliveries together (`limits.outbound_connections`);
    /// at least 1. Connections kept between pings count too, and give way.
    pub max_requests: usize,
    /// Certificates trusted besides the bundled ones of the web: a private authority's, a test's.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for BuyerSettings {
    fn default() -> Self {
        Self {
            allow_private: false,
            max_requests: limits::REQUESTS_MAX,
            extra_roots: Vec::new(),
        }
    }
}

/// Why a ping has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PingFailure {
    /// No connection, or one lost before a whole answer.
    #[error("unreachable")]
    Unreachable,
    /// Not answered whole in time.
    #[error("no whole answer in time")]
    Timeout,
    /// Longer than an answer may be.
    #[error("the answer is too long")]
    Oversized,
    /// Not HTTP.
    #[error("the answer is not HTTP")]
    Unreadable,
    /// Too many requests are out; this one was not sent.
    #[error("too many requests are out")]
    Overloaded,
}

impl From<Lost> for PingFailure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Timeout => Self::Timeout,
            Lost::Dropped => Self::Unreachable,
            Lost::Oversized => Self::Oversized,
            Lost::Unreadable => Self::Unreadable,
        }
    }
}

/// There is no connection to the buyer, and nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unreachable")]
pub struct Unreachable;

/// The way to all buyers. Cheap to clone; clones share connections and bounds.
#[derive(Clone)]
pub struct Buyers(Arc<Inner>);

struct Inner {
    connector: Connector,
    pool: Arc<Pool>,
    /// One for each request out. Waiters are served in turn, so a delivery, which has seconds,
    /// is not starved by pings, which have less.
    places: Arc<Semaphore>,
}

impl Buyers {
    /// Sets up TLS; opens nothing. Fails where an extra root is no certificate.
    pub fn new(settings: BuyerSettings) -> Result<Self, SetupError> {
        let places = settings.max_requests.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Inner {
            connector: Connector::new(settings.extra_roots, settings.allow_private)?,
            pool: Arc::default(),
            places: Arc::new(Semaphore::new(places)),
        })))
    }

    /// Asks a buyer, over a kept connection where there is one; secrets are taken out of the
    /// answer. `until` bounds the whole: waiting for a place, name, connection, answer.
    pub async fn ping(&self, outgoing: &Outgoing, until: Instant) -> Result<Response, PingFailure> {
        let _place = match self.0.places.try_acquire() {
            Ok(place) => place,
            Err(_none_free) => match timeout_at(until, self.0.places.acquire()).await {
                // One that comes when there is no time left to ask is none: the buyer, who was
                // not asked, is not late.
                Ok(Ok(place)) if Instant::now() + LEAST_TIME_TO_ASK <= until => place,
                _ => return Err(PingFailure::Overloaded),
            },
        };
        if let Some(mut wire) = self.0.pool.take(outgoing.origin()) {
            match wire.exchange(outgoing, until).await {
                Ok(answer) => {
                    self.keep(outgoing, wire);
                    return Ok(answer);
                }
                // The buyer closed it before it saw the ping, or as good as that: a ping may be repeated.
                Err(failure) if failure.maybe_stale => {}
                Err(failure) => return Err(failure.lost.into()),
            }
        }
        let mut wire = self
            .open(outgoing, until)
            .await
            .map_err(|Unreachable| PingFailure::Unreachable)?;
        let answer = wire
            .exchange(outgoing, until)
            .await
            .map_err(|failure| failure.lost)?;
        self.keep(outgoing, wire);
        Ok(answer)
    }

    /// Opens a new connection for one delivery: TCP and TLS, and not a byte of the request.
    pub async fn connect(&self, outgoing: &Outgoing, until: Instant) -> Result<Line, Unreachable> {
        let place = timeout_at(until, Arc::clone(&self.0.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            tracing::debug!(origin = %outgoing.origin(), "buyer unreachable: too many requests are out");
            return Err(Unreachable);
        };
        let wire = self.open(outgoing, until).await?;
        Ok(Line {
            wire,
            origin: outgoing.origin().clone(),
            _place: place,
        })
    }

    async fn open(&self, outgoing: &Outgoing, until: Instant) -> Result<Wire, Unreachable> {
        self.0.pool.make_room(self.0.places.available_permits());
        let opened = match self.0.connector.open(outgoing.endpoint(), until).await {
            Ok(stream) => Wire::over(stream).await.map_err(|_| NoConnection::Refused),
            Err(why) => Err(why),
        };
        opened.map_err(|why| {
            tracing::debug!(origin = %outgoing.origin(), %why, "buyer unreachable");
            Unreachable
        })
    }

    fn keep(&self, outgoing: &Outgoing, wire: Wire) {
        // The place of the ping just done is free in a moment.
        self.0.pool.keep(
            outgoing.origin(),
            wire,
            self.0.places.available_permits() + 1,
        );
    }
}
