//! The market file: read, checked whole, every error at once.
//!
//! Names, shapes and defaults are `market.example.toml`'s. TOML and JSON of the same shape
//! become one tree; each part of the market reads its branch of it and notes what is
//! wrong; only a file with no error at all is a [`Market`].
//!
//! | module | reads |
//! |---|---|
//! | `tree`, `reader`, `spot` | TOML or JSON, key by key, noting errors with path and line |
//! | `lead_types` | what is sold |
//! | `parties` | who sells, who pays |
//! | `plugins` | what decides |
//! | `accounts`, `criteria`, `schedules`, `secrets` | the buyers' standing orders |
//! | `groups` | accounts that a campaign may deliver to |
//! | `campaigns` | on which terms leads are taken |
//! | `room`, `duplicates` | what campaigns and accounts both have: caps, and which leads are the same |
//! | `limits` | how much of anything there may be |
//! | `errors` | what is wrong, for programs and for people |
//! | `locate` | lines for what is found wrong later |

mod accounts;
mod campaigns;
mod criteria;
mod duplicates;
mod errors;
mod groups;
mod lead_types;
mod limits;
mod locate;
mod parties;
mod plugins;
mod reader;
mod room;
mod schedules;
mod secrets;
mod spot;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use iso_currency::Currency;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use errors::Findings;
pub use errors::{MarketError, code};
use lead_types::Draft;
use limits::{RETENTION_MAX, RETENTION_MIN};
pub use locate::with_lines;
use reader::Section;
use spot::Spot;
use tree::Table;

/// What files of the same make are read with, such as the cases of plugins: key by key, every
/// error noted with its path, its line and what was probably meant.
pub mod reading {
    pub use super::{
        errors::Findings,
        lead_types::{fields, is_field_name},
        reader::Section,
        spot::Spot,
        tree::{Entry, Node, NodeValue, Table, from_json, from_toml},
    };
}

use crate::{
    eligibility::Eligibility,
    field::FieldSpec,
    ids::{AccountId, BuyerId, Digest, GroupId, LeadTypeId, PluginName, SupplierId},
    model::{Buyer, Group, KeyOwner, Market, PluginSpec, Supplier},
};

/// Reads a market in TOML. The errors are in the file's order.
pub fn parse_toml(text: &str) -> Result<Market, Vec<MarketError>> {
    market(&tree::from_toml(text).map_err(|error| vec![error])?)
}

/// Reads a market in JSON of the same shape. The errors have no lines.
pub fn parse_json(text: &str) -> Result<Market, Vec<MarketError>> {
    market(&tree::from_json(text).map_err(|error| vec![error])?)
}

fn market(table: &Table) -> Result<Market, Vec<MarketError>> {
    let findings = Findings::default();
    let read = read(Section::root(&findings, table));
    match read {
        Some(market) if findings.count() == 0 => Ok(market),
        _ => Err(findings.into_errors()),
    }
}

/// The whole market, as far as it can be made; what is wrong is noted in the section's
/// findings.
fn read(mut root: Section<'_>) -> Option<Market> {
    let zones = TimeZoneDatabase::bundled();
    let currency = root.require("currency").and_then(|spot| currency(&spot));
    let timezone = root.get_or("timezone", TimeZone::UTC, |spot| {
        parties::zone(spot, &zones)
    });
    // `None` where it is faulty, so that nothing is measured against it.
    let kept = |root: &mut Section<'_>, key, days: u64| match root.get(key) {
        Some(spot) => spot.duration(&(RETENTION_MIN..=RETENTION_MAX)),
        None => Some(Duration::from_secs(days * 86_400)),
    };
    let retention = kept(&mut root, "retention", 30);
    let ping_retention = kept(&mut root, "ping_retention", 2);

    let mut parts = Parts::read(&mut root, &zones, &timezone, retention);
    let (accounts, named) = accounts::read(&mut root, &parts);
    parts.groups = groups::read(&mut root, &named);
    let campaigns = campaigns::read(&mut root, &parts);
    root.finish();

    let eligibility = parts
        .lead_types
        .keys()
        .map(|id| (id.clone(), Eligibility::of(id, &accounts)))
        .collect();
    Some(Market {
        currency: currency?,
        timezone,
        retention: retention?,
        ping_retention: ping_retention?,
        lead_types: parts
            .lead_types
            .into_iter()
            .map(|(id, draft)| (id, draft.lead_type))
            .collect(),
        suppliers: parts.suppliers,
        keys: parts.keys,
        campaigns,
        buyers: parts.buyers,
        groups: parts.groups,
        accounts,
        plugins: parts
            .plugins
            .into_iter()
            .filter_map(|(name, spec)| Some((name, spec?)))
            .collect(),
        eligibility,
    })
}

/// One of ISO 4217.
fn currency(spot: &Spot<'_>) -> Option<String> {
    let text = spot.text()?;
    if Currency::from_code(text).is_some() {
        return Some(text.into());
    }
    spot.error(
        code::BAD_FORMAT,
        "this is no currency of ISO 4217: three capital letters, such as \"USD\"",
    );
    None
}

/// What campaigns and accounts refer to.
struct Parts {
    lead_types: BTreeMap<LeadTypeId, Draft>,
    suppliers: BTreeMap<SupplierId, Supplier>,
    keys: BTreeMap<Digest, KeyOwner>,
    buyers: BTreeMap<BuyerId, Buyer>,
    plugins: BTreeMap<PluginName, Option<PluginSpec>>,
    /// Read once the accounts are.
    groups: BTreeMap<GroupId, Arc<BTreeSet<AccountId>>>,
    /// How long a posted order is kept; `None` where that is faulty.
    retention: Option<Duration>,
}

impl Parts {
    fn read(
        root: &mut Section<'_>,
        zones: &TimeZoneDatabase,
        market_zone: &TimeZone,
        retention: Option<Duration>,
    ) -> Self {
        let (suppliers, keys) = parties::suppliers(root);
        Self {
            lead_types: lead_types::read(root),
            suppliers,
            keys,
            buyers: parties::buyers(root, zones, market_zone),
            plugins: plugins::read(root),
            groups: BTreeMap::new(),
            retention,
        }
    }

    fn supplier(&self, spot: &Spot<'_>) -> Option<SupplierId> {
        let find = |name: &str| self.suppliers.get_key_value(name).map(|(id, _)| id.clone());
        spot.reference(
            "supplier",
            find,
            self.suppliers.keys().map(SupplierId::as_str),
        )
    }

    fn buyer(&self, spot: &Spot<'_>) -> Option<BuyerId> {
        let find = |name: &str| self.buyers.get_key_value(name).map(|(id, _)| id.clone());
        spot.reference("buyer", find, self.buyers.keys().map(BuyerId::as_str))
    }

    fn plugin(&self, spot: &Spot<'_>) -> Option<PluginName> {
        let find = |name: &str| self.plugins.get_key_value(name).map(|(id, _)| id.clone());
        spot.reference("plugin", find, self.plugins.keys().map(PluginName::as_str))
    }

    fn group(&self, spot: &Spot<'_>) -> Option<Group> {
        let find = |name: &str| {
            let (id, members) = self.groups.get_key_value(name)?;
            Some(Group {
                id: id.clone(),
                members: Arc::clone(members),
            })
        };
        spot.reference("group", find, self.groups.keys().map(GroupId::as_str))
    }

    fn lead_type(&self, spot: &Spot<'_>) -> Option<&Draft> {
        let find = |name: &str| self.lead_types.get(name);
        spot.reference(
            "lead type",
            find,
            self.lead_types.keys().map(LeadTypeId::as_str),
        )
    }
}

impl Draft {
    /// The field that a value names, and its place.
    fn field(&self, spot: &Spot<'_>) -> Option<(usize, &FieldSpec)> {
        let names = self.lead_type.fields.iter().map(|field| &field.name);
        spot.reference("field", |name| self.lead_type.field(name), names)
    }
}
