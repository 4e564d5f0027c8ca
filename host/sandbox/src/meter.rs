//! What a call has used of the processor, and when it is enough.
//!
//! A call runs on a fiber that may be polled by one thread now and by another later.
//! The meter is set at the start and the end of every poll, so that it counts the time
//! of the threads only while they ran this call; and it can be read in the middle of a
//! poll, by the epoch's callback on the same thread.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

use crate::limits::{TICK, WALL_PER_CPU};

/// One call's use of time. Nanoseconds; only the thread that polls the call writes.
pub(crate) struct Meter {
    limit: Duration,
    /// Used in polls that have ended.
    cpu: AtomicU64,
    wall: AtomicU64,
    /// Clocks at the start of the poll under way.
    cpu_mark: AtomicU64,
    wall_mark: AtomicU64,
    /// What the wall clock counts from.
    epoch: Instant,
}

impl Meter {
    /// A meter that has counted nothing.
    pub(crate) fn new(limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit,
            cpu: AtomicU64::new(0),
            wall: AtomicU64::new(0),
            cpu_mark: AtomicU64::new(0),
            wall_mark: AtomicU64::new(0),
            epoch: Instant::now(),
        })
    }

    /// Runs `work` with its use of time counted.
    pub(crate) async fn count<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.cpu_mark.store(thread_cpu(), Relaxed);
            self.wall_mark.store(self.now(), Relaxed);
            let poll = work.as_mut().poll(context);
            self.cpu.fetch_add(
                thread_cpu().saturating_sub(self.cpu_mark.load(Relaxed)),
                Relaxed,
            );
            self.wall.fetch_add(
                self.now().saturating_sub(self.wall_mark.load(Relaxed)),
                Relaxed,
            );
            poll
        })
        .await
    }

    /// Processor time used in all polls that have ended.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Relaxed))
    }

    /// What a call may use.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// At an epoch's end, in the middle of a poll: whether the call may go on.
    ///
    /// The thread's own time decides, so that a busy machine fails no innocent call. Wall
    /// time, counted only while a thread is held, is the last resort.
    pub(crate) fn at_tick(&self) -> UpdateDeadline {
        let cpu_now = thread_cpu().saturating_sub(self.cpu_mark.load(Relaxed));
        let wall_now = self.now().saturating_sub(self.wall_mark.load(Relaxed));
        let cpu = Duration::from_nanos(self.cpu.load(Relaxed).saturating_add(cpu_now));
        let wall = Duration::from_nanos(self.wall.load(Relaxed).saturating_add(wall_now));
        if cpu >= self.limit || wall >= self.limit.saturating_mul(WALL_PER_CPU) {
            UpdateDeadline::Interrupt
        } else if Duration::from_nanos(wall_now) < TICK {
            // It only happened to be under way when the clock ticked.
            UpdateDeadline::Continue(1)
        } else {
            // Wakes itself at once, so it needs no executor of a certain kind.
            UpdateDeadline::Yield(1)
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Processor time of this thread, in nanoseconds.
fn thread_cpu() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
