//! Claims about the store as a whole.

mod audit;
mod crash;
mod direct;
mod duplicates;
mod durability;
mod indexes;
mod keeping;
mod lists;
mod orders;
mod privacy;
mod report;
mod returns;
mod room;
mod sample;

use std::{
    io,
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use gavel_market::{
    duplicates::Among,
    ids::{LeadId, OrderId},
    model::{DuplicateScope, OnUnconfirmed},
    order::{End, Order},
    reason::RejectReason,
};
use sample::NOW_MS;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::{Checks, Needs, Rooms, Settings, Store, StoreKey};

/// A deadline that no test means to meet.
fn in_time() -> Instant {
    Instant::now() + Duration::from_mins(5)
}

fn key() -> StoreKey {
    StoreKey::from_bytes([7; 32])
}

fn open(path: &Path) -> Store {
    Store::open(path, &key(), Settings::default()).expect("a store")
}

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    (folder, store)
}

/// Lets sled's file be made durable when the test says so, and fail when it says that. Once
/// this is dropped, it always succeeds.
struct Gate(mpsc::Sender<io::Result<()>>);

impl Gate {
    fn pass(&self) {
        self.0.send(Ok(())).expect("a committer");
    }

    fn fail(&self) {
        self.0
            .send(Err(io::Error::other("the disk is gone")))
            .expect("a committer");
    }
}

fn gated() -> (TempDir, Store, Gate) {
    let folder = tempfile::tempdir().expect("a folder");
    let (send, receive) = mpsc::channel();
    let barrier = || -> io::Result<crate::committer::Barrier> {
        Ok(Box::new(move || receive.recv().unwrap_or(Ok(()))))
    };
    let store =
        Store::open_with(folder.path(), &key(), Settings::default(), barrier).expect("a store");
    (folder, store, Gate(send))
}

/// What a claim of a lead with this value is checked against.
fn checks(value: &str) -> Checks {
    let everywhere = Among::Scope(DuplicateScope::Market);
    Checks {
        comparisons: vec![sample::comparison(everywhere, value)],
        campaign_room: None,
    }
}

impl Store {
    /// An order that is open.
    async fn opened(&self, id: OrderId, bids: u16) -> Order {
        self.open_sample(sample::order(id, bids)).await
    }

    async fn open_sample(&self, order: Order) -> Order {
        self.open_order(
            order.clone(),
            Rooms::default(),
            sample::ping(&order),
            None,
            in_time(),
        )
        .await
        .expect("opened");
        order
    }

    /// An order that is being posted.
    async fn posted(&self, id: OrderId, personal: &[u8]) -> Order {
        self.opened(id, 3).await;
        self.claimed(id, personal).await
    }

    async fn claimed(&self, id: OrderId, personal: &[u8]) -> Order {
        self.claim_order(
            id,
            sample::claim(id),
            Zeroizing::new(personal.to_vec()),
            Checks::default(),
        )
        .await
        .expect("claimed")
    }

    /// A try of the first bid's delivery that ends so.
    async fn delivered(&self, id: OrderId, end: End, words: Option<&[u8]>) -> Order {
        self.begin_delivery(id, 0, OnUnconfirmed::Stop, Needs::default(), NOW_MS)
            .await
            .expect("begun");
        self.end_delivery(id, 0, end, OnUnconfirmed::Stop, words, NOW_MS)
            .await
            .expect("ended")
    }

    /// An order that is sold.
    async fn sold(&self, id: OrderId, personal: &[u8], settled_at_ms: u64) -> Order {
        self.posted(id, personal).await;
        self.end_sold(id, settled_at_ms).await
    }

    /// The first bid's buyer takes it, and the supplier is told so.
    async fn end_sold(&self, id: OrderId, settled_at_ms: u64) -> Order {
        self.delivered(id, End::Accepted { price: None }, None)
            .await;
        self.settle_order(
            id,
            RejectReason::NotDelivered,
            sample::terms(),
            settled_at_ms,
        )
        .await
        .expect("settled")
    }

    fn personal(&self, lead: LeadId) -> Option<Vec<u8>> {
        self.unseal_lead(lead)
            .expect("readable")
            .map(|bytes| bytes.to_vec())
    }
}
