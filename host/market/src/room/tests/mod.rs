//! Claims about periods and about what is counted in them.

mod counting;
mod periods;

use jiff::{
    Timestamp,
    civil::{DateTime, ISOWeekDate},
    tz::TimeZone,
};
use proptest::prelude::{Strategy, prop_oneof};

use super::*;

const HOUR_MS: u64 = 3_600_000;
const NEW_YORK: &str = "America/New_York";

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// What the clocks of a zone show, as Unix time; the first time, where they show it twice.
fn at(shown: &str, zone: &TimeZone) -> u64 {
    let shown: DateTime = shown.parse().unwrap();
    let zoned = shown.to_zoned(zone.clone()).unwrap();
    u64::try_from(zoned.timestamp().as_millisecond()).unwrap()
}

/// The day on which the clocks of a zone change, how many minutes it has, and its hours in
/// order, each as the hour that the clock shows and its minutes, where they are not sixty.
type Change = (&'static str, &'static str, u64, &'static [(i8, u64)]);

/// The four changes of two years in four zones, one of them at midnight, one by half an hour.
const CHANGES: [Change; 16] = [
    (NEW_YORK, "2026-03-08", 23 * 60, &[]),
    (NEW_YORK, "2026-11-01", 25 * 60, &[]),
    (NEW_YORK, "2027-03-14", 23 * 60, &[]),
    (NEW_YORK, "2027-11-07", 25 * 60, &[]),
    ("Europe/Berlin", "2026-03-29", 23 * 60, &[]),
    ("Europe/Berlin", "2026-10-25", 25 * 60, &[]),
    ("Europe/Berlin", "2027-03-28", 23 * 60, &[]),
    ("Europe/Berlin", "2027-10-31", 25 * 60, &[]),
    ("America/Havana", "2026-03-08", 23 * 60, &[]),
    ("America/Havana", "2026-11-01", 25 * 60, &[]),
    ("America/Havana", "2027-03-14", 23 * 60, &[]),
    ("America/Havana", "2027-11-07", 25 * 60, &[]),
    (
        "Australia/Lord_Howe",
        "2026-04-05",
        24 * 60 + 30,
        &[(1, 30)],
    ),
    (
        "Australia/Lord_Howe",
        "2026-10-04",
        23 * 60 + 30,
        &[(2, 30)],
    ),
    (
        "Australia/Lord_Howe",
        "2027-04-04",
        24 * 60 + 30,
        &[(1, 30)],
    ),
    (
        "Australia/Lord_Howe",
        "2027-10-03",
        23 * 60 + 30,
        &[(2, 30)],
    ),
];

/// What a clock shows of the period in which a moment lies: two moments are in the same one
/// where this is equal.
fn shown(period: Period, at_ms: u64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(i64::try_from(at_ms).unwrap()).unwrap();
    let local = at.to_zoned(zone.clone());
    match period {
        Period::Hour => format!("{} {} {}", local.date(), local.hour(), local.offset()),
        Period::Day => local.date().to_string(),
        Period::Week => {
            let week: ISOWeekDate = local.date().iso_week_date();
            format!("{} {}", week.year(), week.week())
        }
        Period::Month => format!("{} {}", local.year(), local.month()),
        Period::Total => String::new(),
    }
}

fn zones() -> impl Strategy<Value = TimeZone> {
    let names = [
        NEW_YORK,
        "Europe/Berlin",
        "America/Havana",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Asia/Kathmandu",
        "UTC",
    ];
    proptest::sample::select(names.to_vec()).prop_map(zone)
}

/// Any moment of 2026 and 2027, often within a day of one at which some clocks change.
fn moments() -> impl Strategy<Value = u64> {
    let near = proptest::sample::select(CHANGES.to_vec()).prop_flat_map(|(name, date, _, _)| {
        let noon = at(&format!("{date}T12:00"), &zone(name));
        noon - 24 * HOUR_MS..noon + 24 * HOUR_MS
    });
    prop_oneof![1_767_225_600_000..1_830_297_600_000_u64, near]
}
