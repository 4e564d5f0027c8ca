//! Connections kept between pings.
//!
//! Why not hyper-util's pool: it bounds idle connections for each host but not in all, and
//! with ten thousand accounts there may be as many hosts as the process may have files; and
//! it does not try again when a buyer closes a kept connection just as a ping is written
//! to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use gavel_market::model::Origin;
use tokio::time::Instant;

use super::{
    limits::{IDLE_MAX, IDLE_PER_ORIGIN_MAX, SWEEP_EVERY},
    line::Wire,
};

#[derive(Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    /// Oldest first; never an empty list.
    by_origin: HashMap<Origin, Vec<Kept>>,
    count: usize,
    /// Whether a task looks for old ones: only while there are any.
    swept: bool,
}

struct Kept {
    wire: Wire,
    since: Instant,
}

impl Pool {
    /// A connection to `origin` that waits for a request; the one used last, since it is the
    /// most likely to last.
    pub(super) fn take(&self, origin: &Origin) -> Option<Wire> {
        loop {
            let mut kept = self.idle().pop(origin)?;
            if kept.since.elapsed() < IDLE_MAX && kept.wire.is_idle() {
                return Some(kept.wire);
            }
        }
    }

    /// Keeps a connection whose answer was read, if the buyer keeps it too; at most `room` in all.
    pub(super) fn keep(self: &Arc<Self>, origin: &Origin, mut wire: Wire, room: usize) {
        if !wire.is_idle() {
            return;
        }
        let mut idle = self.idle();
        let to_origin = idle.by_origin.get(origin).map_or(0, Vec::len);
        if idle.count >= room || to_origin >= IDLE_PER_ORIGIN_MAX {
            return;
        }
        idle.by_origin
            .entry(origin.clone())
            .or_default()
            .push(Kept {
                wire,
                since: Instant::now(),
            });
        idle.count += 1;
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes the longest unused until at most `room` are left: a connection that is needed
    /// now goes before one that may be.
    pub(super) fn make_room(&self, room: usize) {
        let mut idle = self.idle();
        while idle.count > room {
            let oldest = idle
                .by_origin
                .iter()
                .filter_map(|(origin, kept)| Some((kept.first()?.since, origin)))
                .min_by_key(|(since, _)| *since)
                .map(|(_, origin)| origin.clone());
            match oldest {
                Some(origin) => idle.drop_first(&origin),
                None => return,
            }
        }
    }

    /// Closes what at `now` is too old, or was closed by its buyer. Whether any are left: if
    /// not, nobody looks again until one is kept.
    pub(super) fn sweep(&self, now: Instant) -> bool {
        let mut idle = self.idle();
        idle.by_origin.retain(|_, kept| {
            kept.retain_mut(|kept| {
                now.duration_since(kept.since) < IDLE_MAX && kept.wire.is_idle()
            });
            !kept.is_empty()
        });
        idle.count = idle.by_origin.values().map(Vec::len).sum();
        idle.swept = idle.count > 0;
        idle.swept
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn pop(&mut self, origin: &Origin) -> Option<Kept> {
        let kept = self.by_origin.get_mut(origin)?;
        let last = kept.pop()?;
        if kept.is_empty() {
            self.by_origin.remove(origin);
        }
        self.count -= 1;
        Some(last)
    }

    fn drop_first(&mut self, origin: &Origin) {
        if let Some(kept) = self.by_origin.get_mut(origin) {
            kept.drain(..1);
            self.count -= 1;
            if kept.is_empty() {
                self.by_origin.remove(origin);
            }
        }
    }
}

/// Closes old connections until there are none, or no pool.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep(Instant::now()) {
            return;
        }
    }
}
