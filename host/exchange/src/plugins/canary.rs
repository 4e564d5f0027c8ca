//! A canary is compared with the active version, and says when it is worse.
//!
//! Both decide for orders of the same stream, told apart by nothing but the order's id, so
//! their rates may be compared. A rate counts as exceeded when it is above the active
//! version's by the margin and by more than chance explains, so that one unlucky call of ten ends
//! nothing, and a version that refuses everything is gone after some dozen.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gavel_market::ids::{Digest, OrderId, PluginName};
use tokio::sync::oneshot;

use super::version::{Counters, Tally, Version};

/// By how much a canary may be worse than the active version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margins {
    /// Its rate of faults, as a fraction of calls.
    pub faults: f64,
    /// Its rate of refusals, as a fraction of decisions.
    pub refusals: f64,
    /// Its mean time of a call, as a fraction of the active version's.
    pub time: f64,
}

impl Default for Margins {
    fn default() -> Self {
        Self {
            faults: 0.05,
            refusals: 0.20,
            time: 1.0,
        }
    }
}

/// Calls of the canary before anything is concluded: under these, chance explains everything.
pub(crate) const CALLS_LEAST: u64 = 20;

/// How far from chance a difference of rates must be, in standard errors: at three, one in some
/// seven hundred looks at two equal versions would be wrong.
const STANDARD_ERRORS: f64 = 3.0;

/// Differences in mean time below this are the machine's, not the plugin's.
const TIME_LEAST: Duration = Duration::from_micros(100);

/// Compares a canary with the active version as it goes.
#[derive(Debug)]
pub(crate) struct Watch {
    active: Version,
    /// The active version's figures when the canary began.
    before: Tally,
    margins: Margins,
    /// Taken by the first look that finds the canary worse.
    tell: Mutex<Option<oneshot::Sender<String>>>,
}

impl Watch {
    /// From now on; what comes out is why the canary is to be rolled back.
    pub(crate) fn begin(active: &Version, margins: Margins) -> (Self, oneshot::Receiver<String>) {
        let (tell, told) = oneshot::channel();
        let watch = Self {
            before: active.tally(),
            active: active.clone(),
            margins,
            tell: Mutex::new(Some(tell)),
        };
        (watch, told)
    }

    /// The active version's figures since the canary began; where it has hardly been asked since,
    /// all of them.
    fn active_since(&self) -> Tally {
        let since = self.active.tally().since(self.before);
        if since.calls < CALLS_LEAST {
            self.active.tally()
        } else {
            since
        }
    }

    /// Looks at the figures after each call.
    pub(crate) fn look(&self, candidate: &Counters) {
        let candidate = candidate.tally();
        if candidate.calls < CALLS_LEAST {
            return;
        }
        if let Some(why) = worse(candidate, self.active_since(), self.margins) {
            let mut tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(tell) = tell.take() {
                // Nobody listens where the trial has ended meanwhile.
                drop(tell.send(why));
            }
        }
    }
}

/// In which way a canary is worse than the active version, in words with both figures.
pub(crate) fn worse(candidate: Tally, active: Tally, margins: Margins) -> Option<String> {
    let rates = [
        (
            "faults",
            (candidate.faults, candidate.calls),
            (active.faults, active.calls),
            margins.faults,
        ),
        (
            "refusals",
            (candidate.refusals, candidate.decisions),
            (active.refusals, active.decisions),
            margins.refusals,
        ),
    ];
    for (what, canary, active, margin) in rates {
        if exceeds(canary, active, margin) {
            return Some(format!(
                "{what}: {} of the canary's, {} of the active version's; allowed are {} points more",
                share(canary),
                share(active),
                percent(margin)
            ));
        }
    }
    let (canary, now) = (candidate.mean_cpu()?, active.mean_cpu()?);
    let allowed = now.mul_f64(1.0 + margins.time) + TIME_LEAST;
    let enough = active.calls.saturating_sub(active.faults) >= CALLS_LEAST
        && candidate.calls.saturating_sub(candidate.faults) >= CALLS_LEAST;
    (enough && canary > allowed).then(|| {
        let mut why =
            format!("time: {canary:?} a call of the canary's, {now:?} of the active version's");
        let _ = write!(
            why,
            "; allowed are {} more and {TIME_LEAST:?}",
            percent(margins.time)
        );
        why
    })
}

/// Whether one rate is above another by more than the margin and chance.
///
/// The standard error is that of a difference of two proportions, with one success and one
/// failure added to each (Agresti and Caffo, 2000), so that rates of none or all have one too.
#[allow(clippy::cast_precision_loss)] // counts of calls are far below 2^52
fn exceeds((some, of): (u64, u64), (active_some, active_of): (u64, u64), margin: f64) -> bool {
    // Without as much of the active version there is nothing to compare with.
    if of < CALLS_LEAST || active_of < CALLS_LEAST {
        return false;
    }
    let smoothed = |some: u64, of: u64| {
        let of = of as f64 + 2.0;
        let rate = (some as f64 + 1.0) / of;
        (rate, rate * (1.0 - rate) / of)
    };
    let (rate, variance) = smoothed(some, of);
    let (active_rate, active_variance) = smoothed(active_some, active_of);
    let chance = STANDARD_ERRORS * (variance + active_variance).sqrt();
    rate - active_rate > margin + chance
}

fn share((some, of): (u64, u64)) -> String {
    format!("{some} of {of}")
}

fn percent(fraction: f64) -> String {
    format!("{:.0} %", fraction * 100.0)
}

/// Whether a canary decides for an order: chosen by the order's id, for each plugin anew.
pub(crate) fn is_chosen(plugin: &PluginName, order: OrderId, share_ppm: u32) -> bool {
    let hash = Digest::of(format!("{plugin} {order}").as_bytes());
    let number = hash
        .0
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes));
    u64::from(number) * 1_000_000 < u64::from(share_ppm) << 32
}

#[cfg(test)]
mod tests {
    use gavel_market::ids::Ulid;

    use super::*;

    fn tally(calls: u64, faults: u64, refusals: u64, cpu: Duration) -> Tally {
        Tally {
            calls,
            faults,
            decisions: calls - faults,
            refusals,
            cpu_ns: u64::try_from(cpu.as_nanos()).unwrap() * (calls - faults),
        }
    }

    const QUICK: Duration = Duration::from_micros(20);

    #[test]
    fn one_that_refuses_everything_is_found_within_dozens_of_calls() {
        let active = tally(400, 0, 100, QUICK);
        let why = worse(tally(25, 0, 25, QUICK), active, Margins::default()).unwrap();
        assert!(why.starts_with("refusals: 25 of 25"), "{why}");
    }

    #[test]
    fn one_that_traps_one_time_in_five_is_found() {
        let active = tally(400, 0, 100, QUICK);
        let why = worse(tally(100, 20, 20, QUICK), active, Margins::default()).unwrap();
        assert!(why.starts_with("faults: 20 of 100"), "{why}");
    }

    #[test]
    fn one_that_is_ten_times_slower_is_found() {
        let active = tally(400, 0, 100, QUICK);
        let why = worse(tally(20, 0, 5, QUICK * 10), active, Margins::default()).unwrap();
        assert!(why.starts_with("time: 200"), "{why}");
    }

    #[test]
    fn an_equal_one_stays_whatever_chance_does() {
        for calls in 20..400_u64 {
            let canary = tally(calls, 0, calls / 3, QUICK);
            let active = tally(calls * 9, 0, calls * 9 / 4, QUICK);
            assert_eq!(worse(canary, active, Margins::default()), None, "{calls}");
        }
        // Refusing everything is nothing new where the active version does too.
        let all = tally(100, 0, 100, QUICK);
        assert_eq!(worse(all, all, Margins::default()), None);
    }

    #[test]
    fn few_calls_prove_nothing() {
        let bad = tally(19, 19, 0, QUICK);
        assert_eq!(
            worse(bad, tally(400, 0, 0, QUICK), Margins::default()),
            None
        );
    }

    #[test]
    fn without_the_active_version_nothing_is_concluded_of_rates() {
        let bad = tally(100, 0, 100, QUICK);
        assert_eq!(worse(bad, tally(5, 0, 0, QUICK), Margins::default()), None);
    }

    #[test]
    fn a_share_of_orders_is_chosen_and_always_the_same() {
        let plugin: PluginName = "roof-filter".parse().unwrap();
        let chosen = |share| {
            let of = |number| OrderId(Ulid::from_parts(1_795_000_000_000, number));
            (0..10_000)
                .filter(|number| is_chosen(&plugin, of(*number), share))
                .count()
        };
        assert_eq!(chosen(0), 0);
        assert_eq!(chosen(1_000_000), 10_000);
        assert!(
            (800..1_200).contains(&chosen(100_000)),
            "{}",
            chosen(100_000)
        );
    }
}
