//! `duplicates = {...}` of campaigns and of accounts: which leads are the same lead.

use super::{
    lead_types::{Draft, places},
    limits::{RETENTION_MAX, TIME_MIN},
    reader::Section,
};
use crate::model::{DuplicateScope, Duplicates, Matching};

/// Of a campaign, with the scope.
pub(super) fn of_campaign(
    mut section: Section<'_>,
    draft: Option<&Draft>,
) -> Option<(Duplicates, DuplicateScope)> {
    let duplicates = read(&mut section, draft);
    let scope = section.get_or("scope", DuplicateScope::Market, |spot| {
        spot.word(&[
            ("campaign", DuplicateScope::Campaign),
            ("supplier", DuplicateScope::Supplier),
            ("market", DuplicateScope::Market),
        ])
    });
    section.finish();
    Some((duplicates?, scope))
}

/// Of an account: among its own leads, so that there is no scope.
pub(super) fn of_account(mut section: Section<'_>, draft: Option<&Draft>) -> Option<Duplicates> {
    let duplicates = read(&mut section, draft);
    section.finish();
    duplicates
}

fn read(section: &mut Section<'_>, draft: Option<&Draft>) -> Option<Duplicates> {
    let fields = section.require("fields").map(|spot| {
        spot.must_hold("at least one field");
        places(&spot, draft, |_, _| true)
    });
    let matching = section.get_or("match", Matching::Any, |spot| {
        spot.word(&[("any", Matching::Any), ("all", Matching::All)])
    });
    let within = section
        .require("within")
        .and_then(|spot| spot.duration(&(TIME_MIN..=RETENTION_MAX)));
    Some(Duplicates {
        fields: fields?,
        matching,
        within: within?,
    })
}
