//! Mock buyers: loopback servers that bid, buy and misbehave as they are told.
//!
//! A buyer listens on 127.0.0.1 and takes `POST /ping` and `POST /post` in JSON or as a
//! form. What it does with a request is a [`Plan`], which a test may change while the
//! buyer runs; what it received is kept and can be waited for.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use std::time::Duration;
//! use gavel_example_solar::buyers::{MockBuyer, OnPing, OnPost, Setup};
//!
//! let buyer = MockBuyer::start(Setup {
//!     ping: OnPing::bid("12.50").after(Duration::from_millis(20)),
//!     post: OnPost::accept().but_sometimes(0.1, OnPost::reject("already_known")),
//!     ..Setup::default()
//! })
//! .await?;
//! println!("{}", buyer.url("/ping"));
//! buyer.on_post(OnPost::accept_then_drop());
//! buyer.stop().await;
//! # Ok(()) }
//! ```
//!
//! # Layout, in the order in which a request meets it
//!
//! - [`demo`]: the buyers of the example market.
//! - here: starting, telling, asking and stopping one buyer.
//! - `server`: connections and requests.
//! - [`plan`]: what is done with a request.
//! - `log`: what was received, within bounds.
//! - `answer`: what goes on the wire.

mod answer;
pub mod demo;
mod log;
pub mod plan;
mod server;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use rand::{SeedableRng as _, rngs::SmallRng};
use tokio::{sync::watch, task::JoinHandle};

pub use self::{
    answer::{Format, HUGE_ANSWER},
    log::{Counts, Did, Fields, Kind, Received, Request},
    plan::{Amount, Fault, Offer, OnPing, OnPost, Plan, Verdict},
};
use self::{
    log::Log,
    server::{Plans, Shared},
};

/// How a buyer starts.
pub struct Setup {
    /// Where it listens; port 0 picks a free one.
    pub address: SocketAddr,
    /// In which form it answers. It reads both.
    pub format: Format,
    /// What it does at a ping.
    pub ping: OnPing,
    /// What it does at a post.
    pub post: OnPost,
    /// For plans that draw: the same seed and the same order of requests, the same draws.
    pub seed: u64,
}

/// A free port, JSON, bids 20.00 and accepts.
impl Default for Setup {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            format: Format::Json,
            ping: OnPing::bid("20.00"),
            post: OnPost::accept(),
            seed: 0,
        }
    }
}

/// A buyer that runs until it is stopped or dropped; dropped, it breaks off what is under way.
pub struct MockBuyer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl MockBuyer {
    /// Listens, and serves from now on.
    pub async fn start(setup: Setup) -> io::Result<Self> {
        let listener = server::listen(setup.address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            format: setup.format,
            plans: RwLock::new(Plans {
                ping: setup.ping,
                post: setup.post,
            }),
            rng: Mutex::new(SmallRng::seed_from_u64(setup.seed)),
            log: Log::new(),
            stopping: watch::Sender::new(false),
        });
        let task = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An absolute URL of this buyer's; `/ping` and `/post` are those that it serves.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on does this at a ping. What is being answered goes on as it was.
    pub fn on_ping(&self, plan: OnPing) {
        self.shared
            .plans
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .ping = plan;
    }

    /// From now on does this at a post. What is being answered goes on as it was.
    pub fn on_post(&self, plan: OnPost) {
        self.shared
            .plans
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .post = plan;
    }

    /// How much it has received so far.
    pub fn counts(&self) -> Counts {
        self.shared.log.counts()
    }

    /// What it received, oldest first, as far as it is kept.
    pub fn received(&self) -> Vec<Arc<Received>> {
        self.received_since(0)
    }

    /// What it received after this [`Received::sequence`].
    pub fn received_since(&self, sequence: u64) -> Vec<Arc<Received>> {
        self.shared.log.since(sequence)
    }

    /// The pings it received, oldest first, as far as they are kept.
    pub fn pings(&self) -> Vec<Arc<Received>> {
        self.of_kind(Kind::Ping)
    }

    /// The posts it received, oldest first, as far as they are kept.
    pub fn posts(&self) -> Vec<Arc<Received>> {
        self.of_kind(Kind::Post)
    }

    /// Waits until the counts are as wanted, and returns them. Waits for ever where they
    /// never are: a test sets its own limit.
    pub async fn wait_until(&self, wanted: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.shared.log.watch();
        // The log, and with it the sender, lives as long as this buyer.
        let reached = counts.wait_for(wanted).await.map(|counts| *counts);
        reached.unwrap_or_else(|_| self.counts())
    }

    /// Waits until it has received so many pings in all.
    pub async fn wait_for_pings(&self, number: u64) {
        self.wait_until(|counts| counts.pings >= number).await;
    }

    /// Waits until it has received so many posts in all.
    pub async fn wait_for_posts(&self, number: u64) {
        self.wait_until(|counts| counts.posts >= number).await;
    }

    /// Stops listening, breaks off what waits or never answers, finishes what is being
    /// written, and returns what it received.
    pub async fn stop(mut self) -> Vec<Arc<Received>> {
        self.shared.stopping.send_replace(true);
        // The task ends by itself; a panic in it has been printed.
        let _ = (&mut self.task).await;
        self.received()
    }

    fn of_kind(&self, kind: Kind) -> Vec<Arc<Received>> {
        let mut received = self.received();
        received.retain(|received| received.request.kind == kind);
        received
    }
}

/// Ends the listener, and with it every connection: they are the task's.
impl Drop for MockBuyer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
