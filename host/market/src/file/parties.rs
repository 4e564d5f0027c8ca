//! `[suppliers.X]` and `[buyers.X]`: who sells, who pays.

use std::collections::BTreeMap;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{
    errors::code,
    limits::{BUYERS_MAX, LIST_MAX, SUPPLIERS_MAX},
    plugins::digest_of,
    reader::Section,
    spot::Spot,
};
use crate::{
    ids::{BuyerId, Digest, SupplierId},
    model::{Buyer, KeyOwner, Supplier},
};

/// Every supplier by name, and whose each key is.
pub(super) fn suppliers(
    root: &mut Section<'_>,
) -> (BTreeMap<SupplierId, Supplier>, BTreeMap<Digest, KeyOwner>) {
    let mut suppliers = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for (name, mut section) in root.named("suppliers", SUPPLIERS_MAX) {
        let id: Option<SupplierId> = section.name(name);
        let shown = display_name(&mut section, name);
        let listed = section.get("keys");
        let keys = keys(listed, id.as_ref(), false, &mut owners);
        let listed = section.get("test_keys");
        let test_keys = self::keys(listed, id.as_ref(), true, &mut owners);
        section.finish();
        if let Some(id) = id {
            suppliers.insert(
                id,
                Supplier {
                    name: shown,
                    keys,
                    test_keys,
                },
            );
        }
    }
    (suppliers, owners)
}

/// A list of keys. A key names one supplier, and is for tests or is not: it stands once, in
/// whichever list.
fn keys(
    listed: Option<Spot<'_>>,
    owner: Option<&SupplierId>,
    is_test: bool,
    owners: &mut BTreeMap<Digest, KeyOwner>,
) -> Vec<Digest> {
    let mut keys = Vec::new();
    let Some(listed) = listed else { return keys };
    for item in listed.items(LIST_MAX).into_iter().flatten() {
        let Some(mut key) = item.section() else {
            continue;
        };
        let digest = key.require("sha256").and_then(|spot| digest_of(&spot));
        key.finish();
        let (Some(digest), Some(owner)) = (digest, owner) else {
            continue;
        };
        let owner = KeyOwner {
            supplier: owner.clone(),
            is_test,
        };
        if let Some(KeyOwner {
            supplier: first, ..
        }) = owners.insert(digest, owner)
        {
            item.error(
                code::DUPLICATE,
                format!("supplier {first} has this key already: a key names one supplier, and is a test key or none"),
            );
        }
        keys.push(digest);
    }
    keys
}

/// Every buyer by name. A buyer without a `timezone` of its own lives in the market's.
pub(super) fn buyers(
    root: &mut Section<'_>,
    zones: &TimeZoneDatabase,
    market_zone: &TimeZone,
) -> BTreeMap<BuyerId, Buyer> {
    let mut buyers = BTreeMap::new();
    for (name, mut section) in root.named("buyers", BUYERS_MAX) {
        let id: Option<BuyerId> = section.name(name);
        let buyer = Buyer {
            name: display_name(&mut section, name),
            timezone: section.get_or("timezone", market_zone.clone(), |spot| zone(spot, zones)),
        };
        section.finish();
        if let Some(id) = id {
            buyers.insert(id, buyer);
        }
    }
    buyers
}

/// An IANA time zone, of the database that the host carries: what a market means may not
/// depend on the machine.
pub(super) fn zone(spot: &Spot<'_>, zones: &TimeZoneDatabase) -> Option<TimeZone> {
    let name = spot.text()?;
    let names = || zones.available().map(|name| name.as_str().to_owned());
    spot.reference("IANA time zone", |_| zones.get(name).ok(), names())
}

/// The `name` for people; without one, the name that the market uses.
fn display_name(section: &mut Section<'_>, name: &str) -> String {
    section.get_or("name", name.to_owned(), |spot| spot.words().map(Into::into))
}
