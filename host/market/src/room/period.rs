//! Hours, days, weeks and months, by an owner's clocks.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

/// What a cap or a budget counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Period {
    /// An hour of the owner's clock.
    #[serde(rename = "per_hour")]
    Hour,
    /// From midnight; 23 or 25 hours where the clocks change.
    #[serde(rename = "per_day")]
    Day,
    /// From Monday.
    #[serde(rename = "per_week")]
    Week,
    /// From the first.
    #[serde(rename = "per_month")]
    Month,
    /// For ever.
    #[serde(rename = "total")]
    Total,
}

/// A stretch of time, in Unix milliseconds; its end is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first millisecond.
    pub start_ms: u64,
    /// The first millisecond after it; `u64::MAX` for what never ends.
    pub end_ms: u64,
}

impl Span {
    const ALWAYS: Self = Self {
        start_ms: 0,
        end_ms: u64::MAX,
    };

    /// Whether a moment lies in it.
    pub fn contains(self, at_ms: u64) -> bool {
        (self.start_ms..self.end_ms).contains(&at_ms)
    }
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Total];

    /// Its key in a market file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "per_hour",
            Self::Day => "per_day",
            Self::Week => "per_week",
            Self::Month => "per_month",
            Self::Total => "total",
        }
    }

    /// The one of these periods in which a moment lies, by the clocks of this zone. A moment
    /// beyond what a calendar knows lies in one that never ends.
    pub fn at(self, at_ms: u64, zone: &TimeZone) -> Span {
        self.calendar(at_ms, zone).unwrap_or(Span::ALWAYS)
    }

    /// The one that follows upon another of the same kind. Where the owner's zone was changed
    /// meanwhile, the two would overlap: it begins when the other is over, so that what was
    /// counted in the one is never looked for in the other.
    pub(super) fn after(self, previous: Span, at_ms: u64, zone: &TimeZone) -> Span {
        let span = self.at(at_ms, zone);
        Span {
            start_ms: span.start_ms.max(previous.end_ms),
            ..span
        }
    }

    fn calendar(self, at_ms: u64, zone: &TimeZone) -> Option<Span> {
        let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
        if self == Self::Hour {
            return hour(at, zone);
        }
        let today = at.to_zoned(zone.clone()).date();
        let span = self.of_days(today, zone)?;
        // A clock that is put back over midnight shows the day before once more; what begins at
        // midnight has begun all the same.
        if at_ms < span.end_ms {
            Some(span)
        } else {
            self.of_days(today.tomorrow().ok()?, zone)
        }
    }

    /// The one in which a day lies, of those that are made of days.
    fn of_days(self, day: Date, zone: &TimeZone) -> Option<Span> {
        let midnight = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp());
        let (first, next) = match self {
            Self::Total | Self::Hour => return Some(Span::ALWAYS),
            Self::Day => (day, day.tomorrow().ok()?),
            Self::Week => {
                let into = i64::from(day.weekday().since(Weekday::Monday));
                let monday = day.checked_sub(into.days()).ok()?;
                (monday, monday.checked_add(7.days()).ok()?)
            }
            Self::Month => {
                let first = day.first_of_month();
                (first, first.checked_add(1.month()).ok()?)
            }
        };
        span(midnight(first)?, midnight(next)?)
    }

    pub(super) fn place(self) -> usize {
        match self {
            Self::Hour => 0,
            Self::Day => 1,
            Self::Week => 2,
            Self::Month => 3,
            Self::Total => 4,
        }
    }
}

/// An hour by what the clock shows: one that it shows twice is two, and one within which it is
/// put forward or back, by half an hour on Lord Howe Island, ends there.
fn hour(at: Timestamp, zone: &TimeZone) -> Option<Span> {
    let shown = at.to_zoned(zone.clone()).time();
    let into = i64::from(shown.minute()) * 60 + i64::from(shown.second());
    let mut start = Timestamp::from_second(at.as_second() - into).ok()?;
    let mut end = start.checked_add(1.hour()).ok()?;
    let offset = zone.to_offset(at);
    if zone.to_offset(start) != offset {
        let later = at.checked_add(1.millisecond()).ok()?;
        start = zone.preceding(later).next()?.timestamp();
    }
    if zone.to_offset(end.checked_sub(1.millisecond()).ok()?) != offset {
        end = zone.following(at).next()?.timestamp();
    }
    span(start, end)
}

fn span(start: Timestamp, end: Timestamp) -> Option<Span> {
    Some(Span {
        start_ms: u64::try_from(start.as_millisecond()).ok()?,
        end_ms: u64::try_from(end.as_millisecond()).ok()?,
    })
}
