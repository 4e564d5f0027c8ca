//! `caps`, `budget` and `hold`, of accounts and of campaigns: how much room there is.

use super::{limits::CAP_MAX, reader::Section, spot::Spot};
use crate::{
    model::HoldAt,
    money::Money,
    room::{Limits, Period},
};

/// How many, in each period that is named.
pub(super) fn caps(section: &mut Section<'_>) -> Limits<u64> {
    limits(section.section("caps"), |spot| {
        u64::try_from(spot.integer(&(0..=CAP_MAX))?).ok()
    })
}

/// How much money, in each period that is named.
pub(super) fn budget(section: &mut Section<'_>) -> Limits<Money> {
    limits(section.section("budget"), Spot::money)
}

/// When an order takes room in them.
pub(super) fn hold(section: &mut Section<'_>) -> HoldAt {
    section.get_or("hold", HoldAt::Quote, |spot| {
        spot.word(&[("quote", HoldAt::Quote), ("post", HoldAt::Post)])
    })
}

fn limits<'a, T: Copy>(
    section: Option<Section<'a>>,
    read: impl Fn(&Spot<'a>) -> Option<T>,
) -> Limits<T> {
    let Some(mut section) = section else {
        return Limits::default();
    };
    let limits = Limits::of(Period::ALL.into_iter().filter_map(|period| {
        let spot = section.get(period.word())?;
        Some((period, read(&spot)?))
    }));
    section.finish();
    limits
}
