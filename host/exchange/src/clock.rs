//! The wall clock, read in one place, and waiting until a moment.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, timeout_at};

/// Unix time in milliseconds, now.
pub fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in whole microseconds.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the work comes to, if it does so before then.
///
/// Unlike a plain timeout this looks at the time before it lets the work go on: many plugin
/// calls share a task, and none may have another slice once the time is over.
pub(crate) async fn by<T>(until: Instant, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(timeout_at(until, work));
    poll_fn(|context| {
        if Instant::now() >= until {
            Poll::Ready(None)
        } else {
            work.as_mut().poll(context).map(Result::ok)
        }
    })
    .await
}
