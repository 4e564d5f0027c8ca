//! `[groups]`: accounts that a campaign may deliver to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    errors::code,
    limits::{ACCOUNTS_MAX, GROUPS_MAX},
    reader::Section,
    spot::Spot,
};
use crate::ids::{AccountId, GroupId};

/// Every group by name; `accounts` are the names of all accounts, faulty ones too.
pub(super) fn read(
    root: &mut Section<'_>,
    accounts: &BTreeSet<AccountId>,
) -> BTreeMap<GroupId, Arc<BTreeSet<AccountId>>> {
    let section = root.section("groups");
    let spots = section.map(|section| section.spots(GROUPS_MAX));
    let groups = spots.into_iter().flatten().filter_map(|(name, spot)| {
        let id = spot.noted(code::BAD_NAME, name.parse());
        let members = Arc::new(members(&spot, accounts));
        Some((id?, members))
    });
    groups.collect()
}

fn members(spot: &Spot<'_>, accounts: &BTreeSet<AccountId>) -> BTreeSet<AccountId> {
    spot.must_hold("at least one account");
    let mut members = BTreeSet::new();
    for item in spot.items(ACCOUNTS_MAX).into_iter().flatten() {
        let find = |name: &str| accounts.get(name).cloned();
        let known = accounts.iter().map(AccountId::as_str);
        let Some(account) = item.reference("account", find, known) else {
            continue;
        };
        if !members.insert(account) {
            item.error(code::DUPLICATE, "this account stands here already");
        }
    }
    members
}
