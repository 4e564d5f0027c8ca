//! In which hour, day, week and month a moment lies, by what a zone's clock and calendar show.

use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};

/// One moment by one zone's clocks. Two moments lie in the same hour, day, week or month where
/// that part is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// An hour that a clock shows twice is two: the offset tells them apart.
    hour: (Date, i8, i32),
    day: Date,
    week: Date,
    month: (i16, i8),
    weekday: usize,
    minute: u16,
}

impl Shown {
    pub(crate) fn of(at_ms: u64, zone: &TimeZone) -> Self {
        let at = Timestamp::from_millisecond(i64::try_from(at_ms).unwrap()).unwrap();
        let local: Zoned = at.to_zoned(zone.clone());
        let mut monday = local.date();
        while monday.weekday() != jiff::civil::Weekday::Monday {
            monday = monday.yesterday().unwrap();
        }
        Self {
            hour: (local.date(), local.hour(), local.offset().seconds()),
            day: local.date(),
            week: monday,
            month: (local.year(), local.month()),
            weekday: usize::try_from(local.weekday().to_monday_zero_offset()).unwrap(),
            minute: u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()))
                .unwrap(),
        }
    }

    /// Whether both lie in the same one of a kind of period, by the place of its kind.
    pub(crate) fn shares(&self, other: &Self, period: usize) -> bool {
        match period {
            0 => self.hour == other.hour,
            1 => self.day == other.day,
            2 => self.week == other.week,
            3 => self.month == other.month,
            _ => true,
        }
    }

    /// Whether hours of the week are open.
    pub(crate) fn is_within(&self, hours: &super::case::Hours) -> bool {
        let yesterday = (self.weekday + 6) % 7;
        if hours.from < hours.to {
            hours.days[self.weekday] && self.minute >= hours.from && self.minute < hours.to
        } else {
            hours.days[self.weekday] && self.minute >= hours.from
                || hours.days[yesterday] && self.minute < hours.to
        }
    }
}
