//! A supplier: varied leads, a client for the supplier API, and the two ways of using
//! both, a steady stream and a load.
//!
//! # Layout
//!
//! - [`lead`]: the leads.
//! - [`message`]: what is sent and what is answered.
//! - [`client`]: one supplier at one host.
//! - here: offers, and selling them.

pub mod client;
pub mod lead;
pub mod message;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

pub use self::{
    client::Supplier,
    lead::{Lead, Leads},
    message::{FieldProblem, Ping, PingAnswer, Post, PostAnswer, Problem, SupplierError},
};
use crate::{
    buyers::Format,
    market::{EXCLUSIVE, SHARED, SUNLEADS_KEY, SUNNYSIDE_KEY},
};

/// Leads of a steady stream that are under way at once, at most: beyond, the stream waits.
const UNDER_WAY_MAX: usize = 1000;

/// One lead on offer, and how its supplier goes about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Counted from 1.
    pub number: u64,
    /// Under which campaign; this says whose it is, too.
    pub campaign: &'static str,
    /// What is on offer.
    pub lead: Lead,
    /// The least that the supplier takes.
    pub min_bid: Option<&'static str>,
    /// Where the lead came from.
    pub sub_id: &'static str,
    /// In which form it is sent.
    pub format: Format,
    /// Whether a bid is followed by a post; some suppliers shop around.
    pub posted: bool,
}

impl Offer {
    /// The ping of this offer.
    pub fn ping(&self) -> Ping {
        Ping {
            min_bid: self.min_bid.map(str::to_owned),
            sub_id: Some(self.sub_id.to_owned()),
            ..Ping::of(&self.lead)
        }
    }
}

/// An endless stream of offers under both campaigns of the example market: the same seed,
/// the same offers.
#[derive(Debug, Clone)]
pub struct Offers {
    leads: Leads,
    rng: SmallRng,
    number: u64,
}

impl Offers {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            leads: Leads::new(seed),
            rng: SmallRng::seed_from_u64(!seed),
            number: 0,
        }
    }
}

impl Iterator for Offers {
    type Item = Offer;

    fn next(&mut self) -> Option<Offer> {
        let lead = self.leads.draw();
        let rng = &mut self.rng;
        self.number += 1;
        Some(Offer {
            number: self.number,
            campaign: if rng.random_bool(0.6) {
                EXCLUSIVE
            } else {
                SHARED
            },
            lead,
            min_bid: rng.random_bool(0.1).then_some("16.00"),
            sub_id: ["search-3", "social-7", "mail-1"]
                .choose(rng)
                .copied()
                .unwrap_or("search-3"),
            format: if rng.random_bool(0.3) {
                Format::Form
            } else {
                Format::Json
            },
            posted: rng.random_bool(0.94),
        })
    }
}

/// The suppliers of the example market, by the campaigns that are theirs.
#[derive(Debug, Clone)]
pub struct Suppliers {
    /// Sells under [`EXCLUSIVE`].
    pub sunleads: Supplier,
    /// Sells under [`SHARED`].
    pub sunnyside: Supplier,
}

impl Suppliers {
    /// Both, with the keys of the demo.
    pub fn new(api: SocketAddr) -> Self {
        Self {
            sunleads: Supplier::new(api, SUNLEADS_KEY),
            sunnyside: Supplier::new(api, SUNNYSIDE_KEY),
        }
    }

    /// Whose campaign that is.
    pub fn of(&self, campaign: &str) -> &Supplier {
        if campaign == SHARED {
            &self.sunnyside
        } else {
            &self.sunleads
        }
    }

    /// Pings an offer and, if somebody bids and the supplier wants to, posts it.
    pub async fn sell(&self, offer: Offer) -> Told {
        let supplier = self.of(offer.campaign).clone().speaking(offer.format);
        let began = Instant::now();
        let ping = supplier.ping(offer.campaign, &offer.ping()).await;
        let ping_took = began.elapsed();

        let mut told = Told {
            offer,
            ping,
            ping_took,
            post: None,
            post_took: Duration::ZERO,
        };
        let order = told.ping.as_ref().ok().and_then(PingAnswer::order);
        if let Some(order) = order.filter(|_| told.offer.posted) {
            let began = Instant::now();
            let post = supplier
                .post(told.offer.campaign, &Post::of(order, &told.offer.lead))
                .await;
            told.post_took = began.elapsed();
            told.post = Some(post);
        }
        told
    }

    /// Sells so many offers a second, tells of each, and stops when told to, once what is
    /// under way has ended. A listener that is gone or slow does not stop it: what does not
    /// fit into the channel is not told.
    pub async fn steady(
        &self,
        offers: impl Iterator<Item = Offer>,
        per_second: u32,
        told: mpsc::Sender<Told>,
        stop: impl Future<Output = ()>,
    ) {
        let mut ticks = interval(Duration::from_secs(1) / per_second.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        tokio::pin!(stop);
        for offer in offers {
            tokio::select! {
                biased;
                () = &mut stop => break,
                _ = ticks.tick() => {}
            }
            if under_way.len() >= UNDER_WAY_MAX {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            let (suppliers, told) = (self.clone(), told.clone());
            under_way.spawn(async move {
                let sold = suppliers.sell(offer).await;
                let _ = told.try_send(sold);
            });
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Sells all offers as fast as they are answered, so many at a time, and tells of each
    /// in the order in which they end. With `Offers` this needs a `take` or a `take_while`.
    pub async fn load(
        &self,
        offers: impl Iterator<Item = Offer>,
        at_a_time: usize,
        mut told: impl FnMut(Told),
    ) {
        let mut selling = stream::iter(offers)
            .map(|offer| self.sell(offer))
            .buffer_unordered(at_a_time.max(1));
        while let Some(sold) = selling.next().await {
            told(sold);
        }
    }
}

/// What a supplier was told about one offer.
#[derive(Debug)]
pub struct Told {
    /// What was offered.
    pub offer: Offer,
    /// The answer to the ping.
    pub ping: Result<PingAnswer, SupplierError>,
    /// From the first byte sent to the last one read.
    pub ping_took: Duration,
    /// The answer to the post, where there was one.
    pub post: Option<Result<PostAnswer, SupplierError>>,
    /// From the first byte sent to the last one read.
    pub post_took: Duration,
}
