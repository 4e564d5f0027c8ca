//! When an account buys: windows of the week, by its buyer's clocks.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

/// Minutes in a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// When an account buys: in any of these windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// At least one.
    pub windows: Vec<Window>,
}

/// The same hours on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// On which days it begins, from Monday.
    pub days: [bool; 7],
    /// When, in minutes after midnight, by what the clock shows.
    pub from: u16,
    /// When it ends; before `from`, on the next day. 24:00 is [`DAY_MINUTES`].
    pub to: u16,
}

impl Schedule {
    /// Whether the account buys at a moment. The clock on the wall decides: an hour that it
    /// shows twice is open twice, one that it leaves out is not there.
    pub fn is_open(&self, at_ms: u64, zone: &TimeZone) -> bool {
        let at = i64::try_from(at_ms).ok();
        let Some(at) = at.and_then(|at| Timestamp::from_millisecond(at).ok()) else {
            return false;
        };
        let local = at.to_zoned(zone.clone());
        let shown =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = local.weekday();
        self.windows
            .iter()
            .any(|window| window.is_open(today, shown))
    }
}

impl Window {
    fn is_open(&self, today: Weekday, shown: u16) -> bool {
        let begins_on = |day: Weekday| {
            let place = usize::from(day.to_monday_zero_offset().unsigned_abs());
            self.days.get(place).copied().unwrap_or(false)
        };
        if self.from < self.to {
            begins_on(today) && (self.from..self.to).contains(&shown)
        } else {
            (begins_on(today) && shown >= self.from)
                || (begins_on(today.previous()) && shown < self.to)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::DateTime};
    use proptest::{
        collection::vec,
        prelude::{Strategy, any, prop_assert_eq, proptest},
    };

    use super::*;

    const NEW_YORK: &str = "America/New_York";

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn minute(shown: &str) -> u16 {
        let (hour, minute) = shown.split_once(':').unwrap();
        hour.parse::<u16>().unwrap() * 60 + minute.parse::<u16>().unwrap()
    }

    /// On days from Monday, `1` for each day of the week on which it opens.
    fn window(days: &str, from: &str, to: &str) -> Window {
        let mut open = [false; 7];
        for (slot, day) in open.iter_mut().zip(days.chars()) {
            *slot = day == '1';
        }
        Window {
            days: open,
            from: minute(from),
            to: minute(to),
        }
    }

    fn daily(from: &str, to: &str) -> Schedule {
        Schedule {
            windows: vec![window("1111111", from, to)],
        }
    }

    /// Whether it is open when the clocks of New York show this.
    fn open_at(schedule: &Schedule, shown: &str) -> bool {
        let shown: DateTime = shown.parse().unwrap();
        let at = shown.to_zoned(zone(NEW_YORK)).unwrap().timestamp();
        let at_ms = u64::try_from(at.as_millisecond()).unwrap();
        schedule.is_open(at_ms, &zone(NEW_YORK))
    }

    /// For how many minutes it is open on one day of a zone, from midnight to midnight.
    fn open_minutes(schedule: &Schedule, date: &str, zone: &TimeZone) -> usize {
        let date: jiff::civil::Date = date.parse().unwrap();
        let begin = |date: jiff::civil::Date| date.to_zoned(zone.clone()).unwrap().timestamp();
        let (from, to) = (begin(date), begin(date.tomorrow().unwrap()));
        let minutes = (0..).map(|minute: i64| from + minute.minutes());
        minutes
            .take_while(|at| *at < to)
            .filter(|at| schedule.is_open(u64::try_from(at.as_millisecond()).unwrap(), zone))
            .count()
    }

    #[test]
    fn a_window_begins_at_from_and_is_over_at_to() {
        let schedule = daily("08:00", "18:00");
        for (shown, open) in [
            ("2026-11-23T07:59:59.999", false),
            ("2026-11-23T08:00", true),
            ("2026-11-23T17:59:59.999", true),
            ("2026-11-23T18:00", false),
        ] {
            assert_eq!(open_at(&schedule, shown), open, "{shown}");
        }
    }

    #[test]
    fn a_day_ends_at_24_and_another_begins_at_0() {
        let evening = Schedule {
            windows: vec![window("1000000", "20:00", "24:00")],
        };
        assert!(open_at(&evening, "2026-11-23T23:59:59"));
        assert!(!open_at(&evening, "2026-11-24T00:00"));
        let until_midnight = Schedule {
            windows: vec![window("1000000", "20:00", "00:00")],
        };
        assert!(open_at(&until_midnight, "2026-11-23T23:59:59"));
        assert!(!open_at(&until_midnight, "2026-11-24T00:00"));
        let whole = daily("00:00", "24:00");
        assert_eq!(open_minutes(&whole, "2026-11-23", &zone(NEW_YORK)), 1440);
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        // On Sundays from ten to six: into Monday, and not into Sunday itself.
        let nights = Schedule {
            windows: vec![window("0000001", "22:00", "06:00")],
        };
        for (shown, open) in [
            ("2026-11-22T05:00", false),
            ("2026-11-22T22:00", true),
            ("2026-11-23T05:59", true),
            ("2026-11-23T06:00", false),
            ("2026-11-23T22:00", false),
        ] {
            assert_eq!(open_at(&nights, shown), open, "{shown}");
        }
    }

    #[test]
    fn any_window_opens() {
        let twice = Schedule {
            windows: vec![
                window("1111100", "08:00", "12:00"),
                window("1111110", "11:00", "14:00"),
            ],
        };
        let minutes = |date| open_minutes(&twice, date, &zone(NEW_YORK));
        let week = ["2026-11-27", "2026-11-28", "2026-11-29"].map(minutes);
        assert_eq!(week, [360, 180, 0]);
    }

    /// On the four changes of two years: in spring an hour of the clock is left out, in autumn
    /// it is shown twice. Of each zone the window that has it, and how long that is open.
    #[test]
    fn an_hour_that_the_clock_leaves_out_is_not_there_and_one_that_it_shows_twice_is_open_twice() {
        let changes = [
            (NEW_YORK, ["2026-03-08", "2027-03-14"], "02:00", "03:00", 0),
            (
                NEW_YORK,
                ["2026-11-01", "2027-11-07"],
                "01:00",
                "02:00",
                120,
            ),
            (
                "Europe/Berlin",
                ["2026-03-29", "2027-03-28"],
                "02:00",
                "03:00",
                0,
            ),
            (
                "Europe/Berlin",
                ["2026-10-25", "2027-10-31"],
                "02:00",
                "03:00",
                120,
            ),
            (
                "America/Havana",
                ["2026-03-08", "2027-03-14"],
                "00:00",
                "01:00",
                0,
            ),
            (
                "America/Havana",
                ["2026-11-01", "2027-11-07"],
                "00:00",
                "01:00",
                120,
            ),
            (
                "Australia/Lord_Howe",
                ["2026-10-04", "2027-10-03"],
                "02:00",
                "03:00",
                30,
            ),
            (
                "Australia/Lord_Howe",
                ["2026-04-05", "2027-04-04"],
                "01:00",
                "02:00",
                90,
            ),
        ];
        for (name, dates, from, to, minutes) in changes {
            let zone = zone(name);
            for date in dates {
                let open = open_minutes(&daily(from, to), date, &zone);
                assert_eq!(open, minutes, "{name} {date}");
                // Any other hour of that day has sixty minutes.
                assert_eq!(open_minutes(&daily("17:00", "18:00"), date, &zone), 60);
                let whole = open_minutes(&daily("00:00", "24:00"), date, &zone);
                assert_eq!(whole, 1440 - 60 + minutes, "{name} {date}");
            }
        }
    }

    #[test]
    fn a_night_in_which_the_clocks_change_is_as_long_as_it_is() {
        // From Saturday, eight hours by the clock.
        let nights = Schedule {
            windows: vec![window("0000010", "22:00", "06:00")],
        };
        let zone = zone(NEW_YORK);
        let night = |saturday, sunday| {
            open_minutes(&nights, saturday, &zone) + open_minutes(&nights, sunday, &zone)
        };
        assert_eq!(night("2026-03-07", "2026-03-08"), 7 * 60);
        assert_eq!(night("2026-10-31", "2026-11-01"), 9 * 60);
        assert_eq!(night("2026-11-07", "2026-11-08"), 8 * 60);
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        let window = (any::<[bool; 7]>(), 0..DAY_MINUTES, 0..=DAY_MINUTES)
            .prop_filter("as the market file has them", |(_, from, to)| from != to)
            .prop_map(|(days, from, to)| Window { days, from, to });
        vec(window, 1..4).prop_map(|windows| Schedule { windows })
    }

    proptest! {
        /// The week as one line of minutes, each window as a stretch of it that may run over
        /// its end.
        #[test]
        fn a_schedule_is_open_on_the_stretches_of_the_week_that_its_windows_are(
            schedule in schedules(),
            at_ms in 1_767_225_600_000..1_830_297_600_000_u64,
            name in proptest::sample::select(vec![NEW_YORK, "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        ) {
            let zone = zone(name);
            let local = Timestamp::from_millisecond(i64::try_from(at_ms).unwrap()).unwrap().to_zoned(zone.clone());
            let day = i64::from(local.weekday().to_monday_zero_offset());
            let shown = day * 1440 + i64::from(local.hour()) * 60 + i64::from(local.minute());
            let open = schedule.windows.iter().any(|window| {
                let (from, to) = (i64::from(window.from), i64::from(window.to));
                let length = if to > from { to - from } else { to + 1440 - from };
                (0..7).filter(|day| window.days[*day]).any(|day| {
                    let begin = i64::try_from(day).unwrap() * 1440 + from;
                    (shown - begin).rem_euclid(7 * 1440) < length
                })
            });
            prop_assert_eq!(schedule.is_open(at_ms, &zone), open);
        }
    }
}
