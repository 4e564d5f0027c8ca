//! What a call has used of the processor, and when it is enough.
//!
//! A call runs on a fiber that may be polled by one thread now and by another later.
//! The meter is set at the start and the end of every poll, so that it counts the time
//! of the threads only while they ran this call; and it can be read in the middle of a
//! poll, by the epoch's callback on the same thread.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

use crate::{
    call::Stop,
    limits::{TICK, WALL_PER_CPU},
};

/// Who looks after a call that waits inside a host function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    /// A timer of the executor that runs it.
    Timer,
    /// Its caller, who polls it often enough unasked.
    Caller,
}

/// One call's use of time. Nanoseconds; only the thread that polls the call writes.
pub(crate) struct Meter {
    limit: Duration,
    watch: Watch,
    /// Whether the poll under way ended because the call let others go first.
    yielded: AtomicBool,
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
    pub(crate) fn new(limit: Duration, watch: Watch) -> Arc<Self> {
        Arc::new(Self {
            limit,
            watch,
            yielded: AtomicBool::new(false),
            cpu: AtomicU64::new(0),
            wall: AtomicU64::new(0),
            cpu_mark: AtomicU64::new(0),
            wall_mark: AtomicU64::new(0),
            epoch: Instant::now(),
        })
    }

    /// Runs `work` with its use of time counted, and ends it if it waits too long.
    ///
    /// Time between two polls is waiting unless the call only let others go first. How
    /// long it takes until it runs again is not its fault: a call that could go on, goes on.
    pub(crate) async fn count<T>(
        &self,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let mut work = pin!(work);
        let mut waited = Duration::ZERO;
        let mut waits_since: Option<Instant> = None;
        let mut timer = None;
        poll_fn(|context| {
            if let Some(since) = waits_since.take() {
                waited = waited.saturating_add(since.elapsed());
            }
            let poll = self.counted(work.as_mut(), context);
            if poll.is_ready() || self.yielded.swap(false, Relaxed) {
                return poll;
            }
            let left = self.wall_limit().saturating_sub(waited);
            if left.is_zero() {
                return Poll::Ready(Err(Stop::Waited(waited)));
            }
            waits_since = Some(Instant::now());
            if self.watch == Watch::Timer {
                let timer = timer.insert(Box::pin(tokio::time::sleep(left)));
                if timer.as_mut().poll(context).is_ready() {
                    context.waker().wake_by_ref();
                }
            }
            poll
        })
        .await
    }

    /// One poll, counted.
    fn counted<F: Future>(&self, work: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.cpu_mark.store(thread_cpu(), Relaxed);
        self.wall_mark.store(self.now(), Relaxed);
        let poll = work.poll(context);
        self.cpu.fetch_add(
            thread_cpu().saturating_sub(self.cpu_mark.load(Relaxed)),
            Relaxed,
        );
        self.wall.fetch_add(
            self.now().saturating_sub(self.wall_mark.load(Relaxed)),
            Relaxed,
        );
        poll
    }

    /// Processor time used in all polls that have ended.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Relaxed))
    }

    /// Wall time for which it held a thread, in all polls that have ended.
    pub(crate) fn held(&self) -> Duration {
        Duration::from_nanos(self.wall.load(Relaxed))
    }

    /// What a call may use.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// For how long a call may hold a thread, and for how long it may wait.
    pub(crate) fn wall_limit(&self) -> Duration {
        self.limit.saturating_mul(WALL_PER_CPU)
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
        if cpu >= self.limit || wall >= self.wall_limit() {
            UpdateDeadline::Interrupt
        } else if Duration::from_nanos(wall_now) < TICK {
            // It only happened to be under way when the clock ticked.
            UpdateDeadline::Continue(1)
        } else {
            self.yielded.store(true, Relaxed);
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_call_that_only_waits_ends() {
        let meter = Meter::new(Duration::from_millis(1), Watch::Timer);
        let ended = meter.count(pending::<Result<(), Stop>>()).await;
        assert!(matches!(ended, Err(Stop::Waited(_))));
        assert!(meter.used() < Duration::from_millis(1));
    }

    #[tokio::test]
    async fn many_short_waits_are_one_long_one() {
        let meter = Meter::new(Duration::from_millis(2), Watch::Timer);
        let naps = async {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let ended: Result<(), Stop> = meter.count(naps).await;
        let Err(Stop::Waited(waited)) = ended else {
            panic!("it waits")
        };
        assert!(waited >= meter.wall_limit());
    }

    #[tokio::test]
    async fn a_call_that_can_go_on_goes_on_however_late() {
        let meter = Meter::new(Duration::from_nanos(1), Watch::Timer);
        let mut polls = 0;
        let late = poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls == 2 {
                Poll::Ready(Ok(()))
            } else {
                // By the time of the next poll its wait is over its bound.
                std::thread::yield_now();
                Poll::Pending
            }
        });
        assert!(meter.count(late).await.is_ok());
    }
}
