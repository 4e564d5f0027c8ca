//! `schedule = [...]` of an account: when it buys.

use super::{errors::code, limits::LIST_MAX, spot::Spot};
use crate::schedule::{DAY_MINUTES, Schedule, Window};

/// The days, each with its place from Monday.
const DAYS: [(&str, usize); 7] = [
    ("mon", 0),
    ("tue", 1),
    ("wed", 2),
    ("thu", 3),
    ("fri", 4),
    ("sat", 5),
    ("sun", 6),
];

/// Every window, at least one.
pub(super) fn read(spot: &Spot<'_>) -> Option<Schedule> {
    spot.must_hold("at least one window, or no `schedule` for an account that always buys,");
    let windows = spot.items(LIST_MAX)?;
    Some(Schedule {
        windows: windows.filter_map(|item| window(&item)).collect(),
    })
}

fn window(spot: &Spot<'_>) -> Option<Window> {
    let mut section = spot.section()?;
    let days = section.get_or("days", [true; 7], days);
    let from = section
        .require("from")
        .and_then(|spot| minute(&spot, DAY_MINUTES - 1));
    let to = section.require("to");
    let end = to.as_ref().and_then(|spot| minute(spot, DAY_MINUTES));
    section.finish();
    if let (Some(to), Some(from), Some(end)) = (to, from, end)
        && from == end
    {
        to.error(
            code::CONFLICT,
            "`from` and `to` are equal: a whole day is written from = \"00:00\", to = \"24:00\"",
        );
    }
    Some(Window {
        days,
        from: from?,
        to: end?,
    })
}

fn days(spot: &Spot<'_>) -> Option<[bool; 7]> {
    spot.must_hold("at least one day, or no `days` for every day,");
    let mut days = [false; 7];
    for item in spot.items(LIST_MAX)? {
        let Some(day) = item.word(&DAYS).and_then(|place| days.get_mut(place)) else {
            continue;
        };
        if *day {
            item.error(code::DUPLICATE, "this day stands here already");
        }
        *day = true;
    }
    Some(days)
}

/// A time of the day in minutes after midnight, at most so many.
fn minute(spot: &Spot<'_>, at_most: u16) -> Option<u16> {
    let shown = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let text = spot.text()?;
    let Some((hours, minutes)) = text
        .split_once(':')
        .and_then(|(hours, minutes)| Some((two_digits(hours)?, two_digits(minutes)?)))
    else {
        spot.error(
            code::BAD_FORMAT,
            "a time of the day is written like \"08:00\" or \"17:30\"",
        );
        return None;
    };
    let minute = hours * 60 + minutes;
    if minutes > 59 || minute > at_most {
        spot.error(
            code::OUT_OF_RANGE,
            format!("from \"00:00\" to \"{}\"", shown(at_most)),
        );
        return None;
    }
    Some(minute)
}

fn two_digits(text: &str) -> Option<u16> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
