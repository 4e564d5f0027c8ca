//! Claims about the circuit breaker, and a slow model of it.

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::*;

/// What the pings of an account ask that has a filter and bids for itself.
const ALL: Asks = Asks {
    filter: true,
    ping: true,
};
/// With a fixed price and no filter.
const NOTHING: Asks = Asks {
    filter: false,
    ping: false,
};

/// A ping that asks the buyer, and how that ends.
fn ping(breaker: &mut Breaker, end: End, now_ms: u64) -> Result<(), CircuitOpen> {
    let pass = breaker.enter(ALL, now_ms)?;
    breaker.end(Kind::Ping, end, Some(&pass), now_ms);
    breaker.leave(pass);
    Ok(())
}

/// An account that was just skipped at `now_ms` for the first time.
fn skipped(kind: Kind, now_ms: u64) -> Breaker {
    let mut breaker = Breaker::default();
    for _ in 0..ROW {
        breaker.end(kind, End::Bad, None, now_ms);
    }
    breaker
}

#[test]
fn five_bad_ends_in_a_row_skip_an_account_for_a_second() {
    let mut breaker = Breaker::default();
    for _ in 0..5 {
        assert_eq!(ping(&mut breaker, End::Bad, 100), Ok(()));
    }
    assert_eq!(ping(&mut breaker, End::Good, 100), Err(CircuitOpen));
    assert_eq!(ping(&mut breaker, End::Good, 1_099), Err(CircuitOpen));
    assert_eq!(ping(&mut breaker, End::Good, 1_100), Ok(()));
}

#[test]
fn only_a_good_end_of_the_same_kind_ends_a_row() {
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        breaker.end(Kind::Ping, End::Bad, None, 0);
    }
    breaker.end(Kind::Filter, End::Good, None, 0);
    breaker.end(Kind::Post, End::Good, None, 0);
    breaker.end(Kind::Ping, End::Neutral, None, 0);
    breaker.end(Kind::Filter, End::Bad, None, 0);
    assert!(breaker.clone().enter(ALL, 0).is_ok());
    let mut interrupted = breaker.clone();
    interrupted.end(Kind::Ping, End::Good, None, 0);
    interrupted.end(Kind::Ping, End::Bad, None, 0);
    assert!(interrupted.enter(ALL, 0).is_ok());
    breaker.end(Kind::Ping, End::Bad, None, 0);
    assert!(breaker.enter(ALL, 0).is_err());
}

#[test]
fn each_failed_probe_doubles_the_time_up_to_a_minute_and_a_good_one_ends_it() {
    let mut breaker = skipped(Kind::Ping, 0);
    let mut now_ms = 0;
    for skipped_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        assert_eq!(
            ping(&mut breaker, End::Good, now_ms + skipped_ms - 1),
            Err(CircuitOpen)
        );
        now_ms += skipped_ms;
        assert_eq!(ping(&mut breaker, End::Bad, now_ms), Ok(()));
    }
    now_ms += 60_000;
    assert_eq!(ping(&mut breaker, End::Good, now_ms), Ok(()));
    for _ in 0..4 {
        assert_eq!(ping(&mut breaker, End::Bad, now_ms), Ok(()));
    }
    // The fifth of a new row, and the time is a second again.
    assert_eq!(ping(&mut breaker, End::Bad, now_ms), Ok(()));
    assert_eq!(
        ping(&mut breaker, End::Good, now_ms + 999),
        Err(CircuitOpen)
    );
    assert_eq!(ping(&mut breaker, End::Good, now_ms + 1_000), Ok(()));
}

#[test]
fn one_ping_at_a_time_tries_whether_the_account_works_again() {
    for kind in [Kind::Filter, Kind::Ping] {
        let mut breaker = skipped(kind, 0);
        let probe = breaker.enter(ALL, 1_000).expect("the time has passed");
        assert!(probe.is_probe_of(kind));
        assert_eq!(breaker.enter(ALL, 1_001), Err(CircuitOpen));
        breaker.end(kind, End::Good, Some(&probe), 1_002);
        let (one, other) = (breaker.enter(ALL, 1_003), breaker.enter(ALL, 1_003));
        assert!(one.is_ok_and(|pass| !pass.is_probe_of(kind)) && other.is_ok());
    }
}

#[test]
fn a_probe_that_decided_nothing_leaves_that_to_the_next_ping() {
    let mut breaker = skipped(Kind::Ping, 0);
    // Cut short by the deadline, and then one that the filter refused.
    assert_eq!(ping(&mut breaker, End::Neutral, 1_000), Ok(()));
    let unasked = breaker.enter(ALL, 1_001).expect("a probe");
    breaker.end(Kind::Filter, End::Good, Some(&unasked), 1_001);
    assert_eq!(breaker.enter(ALL, 1_002), Err(CircuitOpen));
    breaker.leave(unasked);
    assert_eq!(ping(&mut breaker, End::Bad, 1_003), Ok(()));
    assert_eq!(ping(&mut breaker, End::Good, 3_002), Err(CircuitOpen));
    assert_eq!(ping(&mut breaker, End::Good, 3_003), Ok(()));
}

#[test]
fn where_posts_fail_pings_pass_after_the_time_and_the_next_post_decides() {
    let mut breaker = skipped(Kind::Post, 0);
    assert_eq!(breaker.enter(NOTHING, 999), Err(CircuitOpen));
    assert_eq!(breaker.enter(ALL, 999), Err(CircuitOpen));
    for _ in 0..3 {
        let pass = breaker.enter(ALL, 1_000).expect("all pass");
        assert!(!pass.is_probe_of(Kind::Post));
        breaker.leave(pass);
    }
    breaker.end(Kind::Post, End::Bad, None, 1_500);
    assert_eq!(breaker.enter(NOTHING, 3_499), Err(CircuitOpen));
    breaker.end(Kind::Post, End::Neutral, None, 3_600);
    breaker.end(Kind::Post, End::Good, None, 3_700);
    breaker.end(Kind::Post, End::Bad, None, 3_800);
    assert!(breaker.enter(NOTHING, 3_800).is_ok());
}

#[test]
fn pings_pass_an_account_whose_adapter_is_asked_only_at_the_post() {
    let mut breaker = skipped(Kind::Ping, 0);
    assert_eq!(breaker.enter(NOTHING, 999), Err(CircuitOpen));
    let (one, other) = (breaker.enter(NOTHING, 1_000), breaker.enter(NOTHING, 1_000));
    assert!(one.is_ok() && other.is_ok());
    breaker.end(Kind::Ping, End::Bad, None, 1_000);
    assert_eq!(breaker.enter(NOTHING, 2_999), Err(CircuitOpen));
}

#[test]
fn pings_that_began_before_decide_nothing_when_they_fail_late() {
    let mut breaker = Breaker::default();
    let begun: Vec<Pass> = (0..20).filter_map(|_| breaker.enter(ALL, 0).ok()).collect();
    let (first, late) = begun.split_at(10);
    for pass in first {
        breaker.end(Kind::Ping, End::Bad, Some(pass), 100);
    }
    // Ten failures opened it once, for a second.
    assert_eq!(breaker.enter(ALL, 1_099), Err(CircuitOpen));
    let probe = breaker.enter(ALL, 1_100).expect("a probe");
    for pass in late {
        breaker.end(Kind::Ping, End::Bad, Some(pass), 1_200);
    }
    breaker.leave(probe);
    assert!(breaker.clone().enter(ALL, 1_200).is_ok());
    // One that succeeds late shows that the account works.
    let [.., last] = late else { panic!("ten") };
    breaker.end(Kind::Ping, End::Good, Some(last), 1_300);
    let (one, other) = (breaker.enter(ALL, 1_300), breaker.enter(ALL, 1_300));
    assert!(one.is_ok() && other.is_ok());
}

#[test]
fn a_probe_of_an_earlier_time_gives_back_nothing_of_a_later_one() {
    let mut breaker = skipped(Kind::Ping, 0);
    let old = breaker.enter(ALL, 1_000).expect("a probe");
    // A post's ping fails meanwhile: the account is skipped for longer.
    breaker.end(Kind::Ping, End::Bad, None, 1_000);
    let new = breaker.enter(ALL, 3_000).expect("a probe");
    breaker.end(Kind::Ping, End::Bad, Some(&old), 3_000);
    breaker.leave(old);
    assert_eq!(breaker.enter(ALL, 3_000), Err(CircuitOpen));
    breaker.leave(new);
    assert!(breaker.enter(ALL, 3_000).is_ok());
}

#[test]
fn every_outcome_says_something_of_an_account_or_nothing() {
    use Outcome as O;
    let ends =
        |outcome: O| [Kind::Filter, Kind::Ping, Kind::Post].map(|kind| kind.end_of(outcome, true));
    let (good, bad, neutral) = (End::Good, End::Bad, End::Neutral);
    for fault in [
        O::PluginTrap,
        O::PluginTime,
        O::PluginMemory,
        O::PluginOutput,
        O::PluginError,
        O::TooManySteps,
        O::HostNotAllowed,
        O::Unreachable,
    ] {
        assert_eq!(ends(fault), [bad; 3], "{fault}");
    }
    assert_eq!(ends(O::Filtered), [good, neutral, neutral]);
    assert_eq!(ends(O::Declined), [neutral, good, neutral]);
    assert_eq!(ends(O::Timeout), [neutral, bad, neutral]);
    for cut_short in [O::Timeout, O::Unreachable] {
        assert_eq!(Kind::Ping.end_of(cut_short, false), neutral);
    }
    for nothing in [O::InvalidResponse, O::InvalidBid, O::NoTime, O::Overloaded] {
        assert_eq!(ends(nothing), [neutral; 3], "{nothing}");
    }
}

/// What may happen to an account; passes by the order in which they were given.
#[derive(Debug, Clone)]
enum Event {
    Later(u64),
    Enter(Asks),
    End(Kind, End, Option<usize>),
    Leave(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let kind = || prop_oneof![Just(Kind::Filter), Just(Kind::Ping), Just(Kind::Post)];
    let asked = || prop_oneof![Just(Kind::Filter), Just(Kind::Ping)];
    let end = || prop_oneof![6 => Just(End::Bad), 1 => Just(End::Good), 1 => Just(End::Neutral)];
    let asks = (any::<bool>(), any::<bool>()).prop_map(|(filter, ping)| Asks { filter, ping });
    prop_oneof![
        3 => prop_oneof![0..300_u64, 900..1_100_u64, 1_900..70_000_u64].prop_map(Event::Later),
        4 => prop_oneof![Just(ALL), asks].prop_map(Event::Enter),
        3 => (kind(), end()).prop_map(|(kind, end)| Event::End(kind, end, None)),
        6 => (asked(), end(), 0..6_usize).prop_map(|(kind, end, pass)| Event::End(kind, end, Some(pass))),
        3 => (0..6_usize).prop_map(Event::Leave),
    ]
}

/// What happened of one kind, as the model remembers it: everything, for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Happened {
    /// A ping became the probe.
    Probe { pass: usize },
    /// A ping gave back what it held, or its part ended.
    Over { pass: usize },
    /// Something ended, in a ping or at a post.
    Ended { end: End, pass: Option<usize> },
}

/// What a kind's whole story comes to: until when the account is skipped, whether it ever was
/// in this row, and which ping is the probe.
#[derive(Debug, Default, PartialEq)]
struct Story {
    bad: usize,
    skipped: Vec<u64>,
    until_ms: u64,
    probe: Option<usize>,
}

/// Told from the beginning each time.
fn story(happened: &[(u64, Happened)]) -> Story {
    let mut story = Story::default();
    for (at_ms, one) in happened {
        match *one {
            Happened::Probe { pass } => story.probe = Some(pass),
            Happened::Over { pass } if story.probe == Some(pass) => story.probe = None,
            Happened::Over { .. }
            | Happened::Ended {
                end: End::Neutral, ..
            } => {}
            Happened::Ended { end: End::Good, .. } => story = Story::default(),
            Happened::Ended { pass, .. } => {
                story.bad += 1;
                let is_probe = pass.is_some() && story.probe == pass;
                let tries_again = pass.is_none() || is_probe;
                let opens = match story.skipped.last() {
                    None => story.bad == 5,
                    Some(_) => tries_again && *at_ms >= story.until_ms,
                };
                if opens {
                    let seconds = [1, 2, 4, 8, 16, 32];
                    let seconds = seconds.get(story.skipped.len()).copied().unwrap_or(60);
                    story.skipped.push(*at_ms);
                    story.until_ms = at_ms + seconds * 1_000;
                    story.probe = None;
                }
            }
        }
    }
    story
}

proptest! {
    #[test]
    fn the_breaker_does_what_its_whole_story_says(events in proptest::collection::vec(event(), 0..120)) {
        let mut breaker = Breaker::default();
        let mut now_ms = 1_000;
        // By kind: filter, ping, post.
        let mut told: [Vec<(u64, Happened)>; 3] = Default::default();
        let mut passes: Vec<Option<Pass>> = Vec::new();
        for event in events {
            match event {
                Event::Later(ms) => now_ms += ms,
                Event::Enter(asks) => {
                    let asked = [asks.filter, asks.ping, false];
                    let stories: Vec<Story> = told.iter().map(|kind| story(kind)).collect();
                    let skipped = stories.iter().zip(asked).any(|(story, asked)| {
                        now_ms < story.until_ms || (asked && story.probe.is_some())
                    });
                    let entered = breaker.enter(asks, now_ms);
                    prop_assert_eq!(entered.is_err(), skipped);
                    let Ok(pass) = entered else { continue };
                    for ((kind, story), (at, asked)) in [Kind::Filter, Kind::Ping].into_iter().zip(&stories).zip(asked.into_iter().enumerate()) {
                        let probes = asked && !story.skipped.is_empty();
                        prop_assert_eq!(pass.is_probe_of(kind), probes);
                        if probes {
                            told[at].push((now_ms, Happened::Probe { pass: passes.len() }));
                        }
                    }
                    passes.push(Some(pass));
                }
                Event::End(kind, end, pass) => {
                    let held = pass.and_then(|pass| Some((pass, passes.get(pass)?.as_ref()?)));
                    if pass.is_some() && held.is_none() {
                        continue;
                    }
                    breaker.end(kind, end, held.map(|(_, pass)| pass), now_ms);
                    let pass = held.map(|(number, _)| number);
                    let story = &mut told[kind as usize];
                    story.push((now_ms, Happened::Ended { end, pass }));
                    story.extend(pass.map(|pass| (now_ms, Happened::Over { pass })));
                }
                Event::Leave(number) => {
                    let Some(pass) = passes.get_mut(number).and_then(Option::take) else { continue };
                    breaker.leave(pass);
                    for story in &mut told {
                        story.push((now_ms, Happened::Over { pass: number }));
                    }
                }
            }
        }
        // Whatever happened, once every ping is over and a minute has passed the account is tried again.
        for pass in passes.into_iter().flatten() {
            breaker.leave(pass);
        }
        prop_assert_eq!(breaker.enter(ALL, now_ms + 60_000).map(|pass| breaker.leave(pass)), Ok(()));
    }
}
