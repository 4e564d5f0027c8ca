//! What is counted, held, sold and given back.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    prelude::{Just, any, prop_assert, prop_assert_eq, proptest},
};

use super::*;
use crate::reason::Outcome;

/// A hold of this much.
fn hold(at_ms: u64, amount: &str) -> Taking {
    Taking {
        owner: Owner::Account("sunco-west".parse().unwrap()),
        at_ms,
        sold: false,
        amount: money(amount),
    }
}

fn sold(hold: &Taking, amount: &str) -> Taking {
    Taking {
        sold: true,
        amount: money(amount),
        ..hold.clone()
    }
}

/// Room for so many in one kind of period.
fn room_for(period: Period, cap: u64, zone: &TimeZone) -> Room {
    Room {
        caps: Limits::of([(period, cap)]),
        budget: Limits::default(),
        zone: zone.clone(),
    }
}

/// Whether there is room for one more of no price.
fn fits(usage: &Usage, room: &Room, at_ms: u64) -> bool {
    usage.has_room(room, Some(Money::ZERO), at_ms).is_ok()
}

#[test]
fn a_cap_of_a_day_is_free_again_at_midnight_on_days_of_any_length() {
    for (name, date, length, _) in CHANGES {
        let zone = zone(name);
        let today = Period::Day.at(at(&format!("{date}T12:00"), &zone), &zone);
        let room = room_for(Period::Day, 2, &zone);
        let mut usage = Usage::default();
        usage.take(&hold(today.start_ms, "1"), &zone);
        assert!(fits(&usage, &room, today.end_ms - 1), "{name} {date}");
        usage.take(&hold(today.end_ms - 1, "1"), &zone);
        for minute in 0..length {
            assert!(!fits(&usage, &room, today.start_ms + minute * 60_000));
        }
        assert!(fits(&usage, &room, today.end_ms), "{name} {date}");
        assert_eq!(usage.span(Period::Day, today.end_ms - 1, &zone), today);
    }
}

#[test]
fn an_hour_that_the_clock_shows_twice_has_its_cap_twice() {
    let zone = zone(NEW_YORK);
    let first = at("2026-11-01T01:30", &zone);
    let room = room_for(Period::Hour, 1, &zone);
    let mut usage = Usage::default();
    usage.take(&hold(first, "1"), &zone);
    assert!(!fits(&usage, &room, first + 29 * 60_000));
    let again = first + HOUR_MS;
    assert!(fits(&usage, &room, again));
    usage.take(&hold(again, "1"), &zone);
    assert!(!fits(&usage, &room, again));
}

#[test]
fn holds_and_sales_both_take_room_and_a_hold_given_back_frees_it() {
    let zone = zone(NEW_YORK);
    let now = at("2026-11-23T12:00", &zone);
    let room = room_for(Period::Day, 2, &zone);
    let (one, other) = (hold(now, "1"), hold(now + 1, "1"));
    let mut usage = Usage::default();
    usage.take(&one, &zone);
    usage.change(&one, Some(&sold(&one, "1")));
    usage.take(&other, &zone);
    assert_eq!(
        usage.has_room(&room, None, now + 2),
        Err(Outcome::CapReached)
    );
    usage.change(&other, None);
    assert!(fits(&usage, &room, now + 2));
    let counted = usage.counted(Period::Day, now + 2);
    assert_eq!((counted.sold, counted.held), (1, 0));
}

#[test]
fn what_was_held_yesterday_frees_nothing_today_and_all_of_it_in_the_month() {
    let zone = zone(NEW_YORK);
    let (yesterday, today) = (at("2026-11-22T23:59", &zone), at("2026-11-23T00:01", &zone));
    let mut usage = Usage::default();
    let early = hold(yesterday, "1");
    usage.take(&early, &zone);
    usage.take(&hold(today, "1"), &zone);
    usage.change(&early, None);
    assert_eq!(usage.counted(Period::Day, today).held, 1);
    assert_eq!(usage.counted(Period::Month, today).held, 1);
    assert_eq!(usage.counted(Period::Total, today).held, 1);
}

#[test]
fn a_budget_is_met_to_the_cent_and_a_sale_at_less_frees_the_rest() {
    let zone = zone(NEW_YORK);
    let now = at("2026-11-23T12:00", &zone);
    let room = Room {
        caps: Limits::default(),
        budget: Limits::of([(Period::Week, money("50.00"))]),
        zone: zone.clone(),
    };
    let mut usage = Usage::default();
    let one = hold(now, "30.00");
    usage.take(&one, &zone);
    let fits = |usage: &Usage, amount| usage.has_room(&room, Some(money(amount)), now);
    assert_eq!(fits(&usage, "20.00"), Ok(()));
    assert_eq!(fits(&usage, "20.0001"), Err(Outcome::BudgetReached));
    usage.change(&one, Some(&sold(&one, "25.00")));
    assert_eq!(fits(&usage, "25.00"), Ok(()));
    // Who has no price yet is asked as long as anything is left.
    assert_eq!(usage.has_room(&room, None, now), Ok(()));
    usage.take(&hold(now, "25.00"), &zone);
    assert_eq!(
        usage.has_room(&room, None, now),
        Err(Outcome::BudgetReached)
    );
}

#[test]
fn changed_limits_find_what_was_counted_before() {
    let zone = zone(NEW_YORK);
    let now = at("2026-11-23T12:00", &zone);
    let mut usage = Usage::default();
    for _ in 0..3 {
        usage.take(&hold(now, "1"), &zone);
    }
    for period in Period::ALL {
        assert!(!fits(&usage, &room_for(period, 3, &zone), now));
        assert!(fits(&usage, &room_for(period, 4, &zone), now));
    }
}

#[test]
fn a_changed_zone_ends_no_period_early_and_mixes_no_two() {
    let (east, west) = (zone(NEW_YORK), zone("America/Los_Angeles"));
    let evening = at("2026-11-23T23:00", &east);
    let mut usage = Usage::default();
    let first = hold(evening, "1");
    usage.take(&first, &east);
    // In Los Angeles the day has four more hours; the one begun ends as it began.
    let end = usage.span(Period::Day, evening, &west).end_ms;
    assert_eq!(end, at("2026-11-24T00:00", &east));
    assert!(!fits(&usage, &room_for(Period::Day, 1, &west), end - 1));
    usage.take(&hold(end, "1"), &west);
    let span = usage.span(Period::Day, end, &west);
    assert_eq!(span.start_ms, end);
    assert_eq!(span.end_ms, at("2026-11-24T00:00", &west));
    // What was held in the day before is not given back in this one.
    usage.change(&first, None);
    assert_eq!(usage.counted(Period::Day, end).held, 1);
}

#[test]
fn a_clock_set_back_takes_room_in_the_period_begun() {
    let zone = zone(NEW_YORK);
    let now = at("2026-11-23T00:10", &zone);
    let mut usage = Usage::default();
    usage.take(&hold(now, "1"), &zone);
    let before = now - HOUR_MS;
    let moment = usage.moment(before);
    assert_eq!(moment, at("2026-11-23T00:00", &zone));
    assert!(!fits(&usage, &room_for(Period::Day, 1, &zone), before));
    let late = hold(moment, "1");
    usage.take(&late, &zone);
    assert_eq!(usage.counted(Period::Day, now).held, 2);
    usage.change(&late, None);
    assert_eq!(usage.counted(Period::Day, now).held, 1);
    assert_eq!(usage.moment(now), now);
}

#[test]
fn a_turn_knows_when_room_was_last_taken_and_how_much_today() {
    let zone = zone(NEW_YORK);
    let (yesterday, today) = (at("2026-11-22T12:00", &zone), at("2026-11-23T12:00", &zone));
    let weight = std::num::NonZeroU32::new(3).unwrap();
    let mut usage = Usage::default();
    assert_eq!(usage.turn(weight, today).last_taken_ms, None);
    usage.take(&hold(yesterday, "1"), &zone);
    let (first, second) = (hold(today, "1"), hold(today + 1, "1"));
    usage.take(&first, &zone);
    usage.take(&second, &zone);
    usage.change(&second, None);
    let turn = usage.turn(weight, today + 2);
    // Given back, a hold was a turn all the same.
    assert_eq!(turn.last_taken_ms, Some(today + 1));
    assert_eq!((turn.taken_today, turn.weight), (1, 3));
    let tomorrow = at("2026-11-24T00:00", &zone);
    assert_eq!(usage.turn(weight, tomorrow).taken_today, 0);
}

#[test]
fn sales_are_counted_by_calendar_month_and_a_year_is_remembered() {
    let zone = zone(NEW_YORK);
    let mut usage = Usage::default();
    let of_month = |month: u64| {
        at(
            &format!("{}-{:02}-15T12:00", 2026 + month / 12, month % 12 + 1),
            &zone,
        )
    };
    for month in 0..20 {
        usage.count_sale(of_month(month), &zone);
        usage.count_sale(of_month(month), &zone);
    }
    assert!(usage.month(of_month(5)).is_none());
    for month in 6..20 {
        assert_eq!(
            usage.month(of_month(month)).map(|month| month.sold),
            Some(2)
        );
    }
    usage.month_mut(of_month(7)).unwrap().returned += 1;
    let first = at("2026-08-01T00:00", &zone);
    assert_eq!(usage.month(first).map(|month| month.returned), Some(1));
    assert_eq!(usage.month(first - 1).map(|month| month.returned), Some(0));
}

#[test]
fn a_sale_stays_in_the_month_in_which_it_was_counted_when_the_zone_is_changed() {
    let (east, west) = (zone(NEW_YORK), zone("America/Los_Angeles"));
    let first = at("2026-12-01T00:00", &east);
    let mut usage = Usage::default();
    usage.count_sale(first - 1, &east);
    // In Los Angeles it is November still: what is left of it is a month of its own.
    usage.count_sale(first, &west);
    usage.month_mut(first).unwrap().returned += 1;
    let of = |at_ms| usage.month(at_ms).map(|month| (month.sold, month.returned));
    assert_eq!((of(first - 1), of(first)), (Some((1, 0)), Some((1, 1))));
    assert_eq!(of(at("2026-12-01T00:00", &west)), None);
}

#[test]
fn a_usage_survives_being_stored() {
    let zone = zone(NEW_YORK);
    let now = at("2026-11-23T12:00", &zone);
    let mut usage = Usage::default();
    usage.take(&hold(now, "12.50"), &zone);
    usage.count_sale(now, &zone);
    let stored = serde_json::to_string(&usage).unwrap();
    assert_eq!(serde_json::from_str::<Usage>(&stored).unwrap(), usage);
}

/// What may happen to an owner's room.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes; a clock may be set back, too.
    Time(i64),
    Zone(TimeZone),
    Take(u32),
    /// One that is held is sold at this part of its price, in per cent.
    Sell(proptest::sample::Index, u32),
    Release(proptest::sample::Index),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let time = prop_oneof![
        6 => 0..7_200_000_i64,
        3 => 0..3 * 86_400_000_i64,
        1 => Just(20 * 86_400_000_i64),
        2 => -7_200_000..0_i64,
    ];
    let index = any::<proptest::sample::Index>;
    let event = prop_oneof![
        4 => time.prop_map(Event::Time),
        1 => zones().prop_map(Event::Zone),
        6 => (1..2_000_u32).prop_map(Event::Take),
        2 => (index(), 0..=100_u32).prop_map(|(which, part)| Event::Sell(which, part)),
        2 => index().prop_map(Event::Release),
    ];
    vec(event, 0..80)
}

/// What all takings together come to in a stretch of time.
fn recounted(takings: &BTreeMap<usize, Taking>, span: Span) -> Counted {
    let mut counted = Counted::default();
    for taking in takings
        .values()
        .filter(|taking| span.contains(taking.at_ms))
    {
        if taking.sold {
            counted.sold += 1;
            counted.sold_amount = counted.sold_amount + taking.amount;
        } else {
            counted.held += 1;
            counted.held_amount = counted.held_amount + taking.amount;
        }
    }
    counted
}

fn cents(amount: u32) -> Money {
    money(&format!("{}.{:02}", amount / 100, amount % 100))
}

proptest! {
    /// With clocks set back and zones changed: a period that is counted in is exactly its
    /// takings, and ends no earlier than it began to count.
    #[test]
    fn what_is_counted_is_a_recount_of_all_takings(start_ms in moments(), events in events()) {
        let mut zone = zone(NEW_YORK);
        let mut now_ms = start_ms;
        let mut usage = Usage::default();
        let mut takings: BTreeMap<usize, Taking> = BTreeMap::new();
        for (number, event) in events.into_iter().enumerate() {
            let pick = |which: proptest::sample::Index, held: bool| {
                let of_kind: Vec<usize> = takings.iter().filter(|(_, taking)| !held || !taking.sold).map(|(number, _)| *number).collect();
                (!of_kind.is_empty()).then(|| *which.get(&of_kind))
            };
            match event {
                Event::Time(ms) => now_ms = now_ms.saturating_add_signed(ms),
                Event::Zone(other) => zone = other,
                Event::Take(amount) => {
                    let at_ms = usage.moment(now_ms);
                    prop_assert!(at_ms >= now_ms);
                    let taking = Taking { amount: cents(amount), ..hold(at_ms, "0") };
                    usage.take(&taking, &zone);
                    takings.insert(number, taking);
                }
                Event::Sell(which, part) => {
                    let Some(number) = pick(which, true) else { continue };
                    let before = takings[&number].clone();
                    let price = Money::computed(before.amount.amount() * rust_decimal::Decimal::from(part) / rust_decimal::Decimal::ONE_HUNDRED);
                    let after = Taking { sold: true, amount: price, ..before.clone() };
                    usage.change(&before, Some(&after));
                    takings.insert(number, after);
                }
                Event::Release(which) => {
                    let Some(number) = pick(which, false) else { continue };
                    let before = takings.remove(&number).unwrap();
                    usage.change(&before, None);
                }
            }
            // Where the clock was set back, nothing is asked of the past.
            let at_ms = usage.moment(now_ms);
            for period in Period::ALL {
                let span = usage.span(period, at_ms, &zone);
                prop_assert!(span.contains(at_ms));
                prop_assert_eq!(usage.counted(period, at_ms), recounted(&takings, span), "{:?}", period);
            }
        }
    }

    /// Whoever asks before taking never has more than the cap, in any calendar period at all.
    #[test]
    fn a_cap_holds_in_every_calendar_period(
        zone in zones(),
        start_ms in moments(),
        cap in 1..4_u64,
        steps in vec((0..7_200_000_u64, any::<bool>()), 1..60),
    ) {
        for period in Period::ALL {
            let room = room_for(period, cap, &zone);
            let mut usage = Usage::default();
            let mut taken: BTreeMap<String, Vec<Taking>> = BTreeMap::new();
            let mut now_ms = start_ms;
            for (later, release) in &steps {
                now_ms += later;
                let here = taken.entry(shown(period, now_ms, &zone)).or_default();
                if *release && let Some(before) = here.pop() {
                    usage.change(&before, None);
                }
                prop_assert_eq!(fits(&usage, &room, now_ms), (here.len() as u64) < cap);
                if fits(&usage, &room, now_ms) {
                    let taking = hold(now_ms, "1");
                    usage.take(&taking, &zone);
                    here.push(taking);
                }
            }
        }
    }
}
