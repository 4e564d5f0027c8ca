//! Hours, days, weeks and months, on the days on which clocks change too.

use jiff::civil::Date;
use proptest::prelude::{prop_assert, proptest};

use super::*;

fn minutes(span: Span) -> u64 {
    (span.end_ms - span.start_ms) / 60_000
}

#[test]
fn a_day_on_which_the_clocks_change_has_its_own_length_and_so_have_its_week_and_its_month() {
    for (name, date, length, _) in CHANGES {
        let zone = zone(name);
        let day: Date = date.parse().unwrap();
        let noon = at(&format!("{date}T12:00"), &zone);
        let today = Period::Day.at(noon, &zone);
        assert_eq!(minutes(today), length, "{name} {date}");
        assert_eq!(Period::Day.at(today.start_ms, &zone), today);
        assert_eq!(Period::Day.at(today.end_ms - 1, &zone), today);
        for neighbour in [today.start_ms - 1, today.end_ms] {
            assert_eq!(minutes(Period::Day.at(neighbour, &zone)), 24 * 60);
        }
        let all_days = |days: u64| days * 24 * 60 + length - 24 * 60;
        assert_eq!(minutes(Period::Week.at(noon, &zone)), all_days(7));
        let days = u64::try_from(day.days_in_month()).unwrap();
        assert_eq!(minutes(Period::Month.at(noon, &zone)), all_days(days));
    }
}

#[test]
fn the_hours_of_a_day_on_which_the_clocks_change_follow_each_other() {
    for (name, date, length, odd) in CHANGES {
        let zone = zone(name);
        let day = Period::Day.at(at(&format!("{date}T12:00"), &zone), &zone);
        let mut hours = Vec::new();
        let mut next = day.start_ms;
        while next < day.end_ms {
            let hour = Period::Hour.at(next, &zone);
            assert_eq!(hour.start_ms, next, "{name} {date}: without a gap");
            let shown = Timestamp::from_millisecond(i64::try_from(next).unwrap()).unwrap();
            hours.push((shown.to_zoned(zone.clone()).hour(), minutes(hour)));
            next = hour.end_ms;
        }
        assert_eq!(next, day.end_ms);
        let total: u64 = hours.iter().map(|(_, minutes)| minutes).sum();
        assert_eq!(total, length);
        hours.retain(|(_, minutes)| *minutes != 60);
        assert_eq!(hours, odd, "{name} {date}");
    }
}

#[test]
fn a_week_begins_on_monday_and_a_month_on_the_first() {
    let zone = zone(NEW_YORK);
    let sunday = at("2026-11-29T23:59:59", &zone);
    let week = Period::Week.at(sunday, &zone);
    assert_eq!(week.start_ms, at("2026-11-23T00:00", &zone));
    assert_eq!(week.end_ms, at("2026-11-30T00:00", &zone));
    let month = Period::Month.at(sunday, &zone);
    assert_eq!(month.start_ms, at("2026-11-01T00:00", &zone));
    assert_eq!(month.end_ms, at("2026-12-01T00:00", &zone));
    assert_eq!(Period::Total.at(sunday, &zone), Period::Total.at(0, &zone));
}

#[test]
fn a_clock_that_was_put_back_over_midnight_did_not_begin_the_day_twice() {
    // A minute after midnight it was eleven in the evening again.
    let zone = zone("America/St_Johns");
    let midnight = at("2010-11-07T00:00", &zone);
    let eleven_again = midnight + 60_000;
    let sunday = Period::Day.at(eleven_again, &zone);
    assert!(sunday.contains(eleven_again));
    assert_eq!(sunday, Period::Day.at(midnight, &zone));
    assert_eq!(Period::Day.at(midnight - 1, &zone).end_ms, midnight);
}

#[test]
fn a_moment_that_no_calendar_knows_lies_in_a_period_that_never_ends() {
    for period in Period::ALL {
        assert!(
            period
                .at(u64::MAX - 1, &zone(NEW_YORK))
                .contains(u64::MAX - 1)
        );
    }
}

proptest! {
    #[test]
    fn a_period_is_as_long_as_the_clock_shows_the_same(zone in zones(), at_ms in moments()) {
        for period in Period::ALL.into_iter().take(4) {
            let span = period.at(at_ms, &zone);
            let same = |other| shown(period, other, &zone) == shown(period, at_ms, &zone);
            prop_assert!(span.contains(at_ms));
            prop_assert!(same(span.start_ms) && same(span.end_ms - 1), "{period:?} {span:?}");
            prop_assert!(!same(span.start_ms - 1) && !same(span.end_ms), "{period:?} {span:?}");
        }
    }
}
