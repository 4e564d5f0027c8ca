//! The bounded way from the host's many tasks to the one committer.
//!
//! A task waits here for a place, without blocking its thread; the committer's thread
//! blocks until there is something to do. Changes for which nobody waits do not wake it at
//! once: they go along with the next that is waited for, or after [`SOON_LINGER`].

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use crate::change::Job;

/// How long a change for which nobody waits lies here at most while nothing else comes.
const SOON_LINGER: Duration = Duration::from_millis(20);

/// What waits to be committed.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    room: Semaphore,
    places: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Job>>,
    /// How many of them somebody waits for.
    urgent: usize,
    closed: bool,
}

/// The queue takes nothing more.
#[derive(Debug)]
pub(crate) struct QueueClosed;

impl Queue {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            room: Semaphore::new(places),
            places,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held; and a queue is right after any single step.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a change over, as soon as there is a place.
    pub(crate) async fn push(&self, job: Box<dyn Job>) -> Result<(), QueueClosed> {
        self.room.acquire().await.map_err(|_| QueueClosed)?.forget();
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(QueueClosed);
        }
        let urgent = job.is_urgent();
        // The committer sleeps only while nothing is urgent.
        let wake = waiting.jobs.is_empty() || (urgent && waiting.urgent == 0);
        waiting.urgent += usize::from(urgent);
        waiting.jobs.push_back(job);
        drop(waiting);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Blocks until there is something to commit, and takes up to `most` of it, oldest
    /// first. False once the queue is closed and empty.
    pub(crate) fn take(&self, into: &mut VecDeque<Box<dyn Job>>, most: usize) -> bool {
        let mut waiting = self.waiting();
        let mut patience: Option<Instant> = None;
        while waiting.urgent == 0 && !waiting.closed && waiting.jobs.len() < self.places {
            if waiting.jobs.is_empty() {
                waiting = self
                    .filled
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let until = *patience.get_or_insert_with(|| Instant::now() + SOON_LINGER);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = self
                .filled
                .wait_timeout(waiting, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let count = waiting.jobs.len().min(most);
        let taken = waiting.jobs.drain(..count).collect::<Vec<_>>();
        waiting.urgent -= taken.iter().filter(|job| job.is_urgent()).count();
        drop(waiting);
        self.room.add_permits(count);
        into.extend(taken);
        count > 0
    }

    /// Takes nothing more; what is in it is still committed.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.room.close();
        self.filled.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting().jobs.len()
    }
}
