//! What a mock buyer received and what it did with it, kept within bounds.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::watch;

/// Requests that are kept, at most; the counts go on beyond.
const KEPT_REQUESTS: usize = 50_000;

/// Bytes of bodies that are kept, at most. A lead is about half a kilobyte.
const KEPT_BYTES: usize = 32 << 20;

/// A request's fields by name, as text; in a nested JSON object `outer.inner`.
pub type Fields = BTreeMap<String, String>;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `POST /ping`: for a bid.
    Ping,
    /// `POST /post`: to deliver a lead.
    Post,
    /// Anything else, such as where a redirect leads.
    Other,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it was for.
    pub kind: Kind,
    /// Counted from 1 among those of its kind.
    pub number: u64,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// When it had been read whole.
    pub at: Instant,
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body's fields; none where the body could not be read as what it says it is.
    pub fields: Fields,
    /// Its body.
    pub body: Bytes,
}

impl Request {
    /// A field of the body.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The id that ping and post of one lead share (`order()` of the plugin interface): the
    /// `Idempotency-Key`, or else the field `order`.
    pub fn order(&self) -> Option<&str> {
        self.header("idempotency-key")
            .or_else(|| self.field("order"))
    }
}

/// What the buyer did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Did {
    /// Bid, or said yes without a price.
    Bid,
    /// Said that it does not bid.
    NoBid,
    /// Took the lead, and says so, if only late.
    Accepted,
    /// Said that it does not take the lead.
    Rejected,
    /// Gave no usable answer. A posted lead may be in its hands.
    Unclear,
}

/// A request and what became of it.
#[derive(Debug, Clone)]
pub struct Received {
    /// Counted from 1 among everything that this buyer received.
    pub sequence: u64,
    /// The request.
    pub request: Request,
    /// What the buyer did, decided before the first byte of the answer left.
    pub did: Did,
}

/// How much a buyer has received so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pings.
    pub pings: u64,
    /// Posts.
    pub posts: u64,
    /// Posts that it accepted and said so.
    pub accepted: u64,
    /// Requests to other paths.
    pub others: u64,
    /// Connections.
    pub connections: u64,
    /// Requests no longer kept, for want of room.
    pub forgotten: u64,
}

impl Counts {
    /// Everything received.
    pub fn total(&self) -> u64 {
        self.pings + self.posts + self.others
    }
}

/// What one buyer received.
#[derive(Debug)]
pub(super) struct Log {
    kept: Mutex<Kept>,
    counts: watch::Sender<Counts>,
}

#[derive(Debug, Default)]
struct Kept {
    received: VecDeque<Arc<Received>>,
    bytes: usize,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            counts: watch::Sender::new(Counts::default()),
        }
    }

    /// Counts a connection and gives it its number.
    pub(super) fn connected(&self) -> u64 {
        let mut number = 0;
        self.counts.send_modify(|counts| {
            counts.connections += 1;
            number = counts.connections;
        });
        number
    }

    /// Numbers a request, has `decide` say what is done with it, and keeps both.
    ///
    /// All under one lock, so that numbers, the order in which requests are kept and the
    /// draws of a seeded plan agree; who waits for a count finds the request kept.
    pub(super) fn record<T>(
        &self,
        mut request: Request,
        decide: impl FnOnce(&Request) -> (Did, T),
    ) -> T {
        let mut kept = self.kept();
        let mut counts = *self.counts.borrow();
        request.number = match request.kind {
            Kind::Ping => raise(&mut counts.pings),
            Kind::Post => raise(&mut counts.posts),
            Kind::Other => raise(&mut counts.others),
        };
        let (did, decision) = decide(&request);
        counts.accepted += u64::from(did == Did::Accepted);

        let before = counts.forgotten;
        kept.push(
            Received {
                sequence: counts.total(),
                request,
                did,
            },
            &mut counts.forgotten,
        );
        let newly_forgotten = counts.forgotten - before;
        self.counts.send_modify(|now| {
            // Connections are counted without the lock.
            let connections = now.connections;
            *now = Counts {
                connections,
                forgotten: before + newly_forgotten,
                ..counts
            };
        });
        decision
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    /// What is kept and came after this sequence number, oldest first.
    pub(super) fn since(&self, sequence: u64) -> Vec<Arc<Received>> {
        let kept = self.kept();
        let first_new = kept
            .received
            .partition_point(|received| received.sequence <= sequence);
        kept.received
            .iter()
            .skip(first_new)
            .map(Arc::clone)
            .collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole at every point at which a plan of a test's could panic.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, received: Received, forgotten: &mut u64) {
        self.bytes += received.request.body.len();
        self.received.push_back(Arc::new(received));
        while self.received.len() > KEPT_REQUESTS || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.received.pop_front() else {
                break;
            };
            self.bytes -= oldest.request.body.len();
            *forgotten += 1;
        }
    }
}

fn raise(count: &mut u64) -> u64 {
    *count += 1;
    *count
}
