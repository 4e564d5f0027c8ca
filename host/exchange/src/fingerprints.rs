//! By what a lead is known again, as keyed hashes: made here alone, so that what a post leaves
//! and what a later one looks for are the same.
//!
//! Values are compared as they are kept, e-mail in lower case. Nobody without the store's key
//! can try values against a hash.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gavel_market::{
    duplicates::{Among, Comparison, Fingerprint},
    field::{FieldSpec, FieldType, Value},
    ids::{CampaignId, Digest, LeadTypeId, SupplierId},
    lead::{Fields, FullLead},
    model::{DuplicateScope, Duplicates, LeadType, Market, Matching},
};
use gavel_store::Store;

use crate::clock;

/// What these duplicates ask of a lead. A field that the lead lacks – at a ping every personal
/// one – equals nothing.
pub(crate) fn comparison(
    store: &Store,
    duplicates: &Duplicates,
    among: Among,
    lead: &impl Fields,
) -> Comparison {
    let hashes = duplicates
        .fields
        .iter()
        .map(|at| of_field(store, lead, *at));
    Comparison {
        among,
        matching: duplicates.matching,
        hashes: hashes.collect(),
        within_ms: clock::millis(duplicates.within),
    }
}

/// What every campaign asks: whether this supplier sent this very lead before, under another
/// order (`rules.md`, post 5).
pub(crate) fn same_lead(
    store: &Store,
    supplier: &SupplierId,
    lead: &FullLead,
    window: Duration,
) -> Comparison {
    Comparison {
        among: Among::Scope(DuplicateScope::Supplier),
        matching: Matching::All,
        hashes: vec![Some(of_lead(store, supplier, lead))],
        within_ms: clock::millis(window),
    }
}

/// What a posted lead leaves: a fingerprint of each field that any duplicates of these markets
/// name, until nobody asks for it any more, and one of the whole lead.
///
/// The markets are today's and the one that quoted: posts that either serves look for them.
pub(crate) fn of_post(
    store: &Store,
    markets: [&Market; 2],
    supplier: &SupplierId,
    lead: &FullLead,
    window: Duration,
    at_ms: u64,
) -> Vec<Fingerprint> {
    let until_ms = |within: Duration| at_ms.saturating_add(clock::millis(within));
    let mut compared = BTreeMap::new();
    for market in markets {
        compare_in(market, &lead.lead_type().id, &mut compared);
    }
    let of_fields = compared.into_iter().filter_map(|(name, within)| {
        let (at, _) = lead.lead_type().field(&name)?;
        Some(Fingerprint {
            hash: of_field(store, lead, at)?,
            field: Some(name.to_string()),
            until_ms: until_ms(within),
        })
    });
    // Whichever of the supplier's campaigns gets it again looks back over its own window.
    let campaigns = markets.iter().flat_map(|market| market.campaigns.values());
    let longest = campaigns
        .filter(|other| other.supplier == *supplier && other.lead_type.id == lead.lead_type().id)
        .map(|other| other.window)
        .fold(window, Duration::max);
    let whole = Fingerprint {
        field: None,
        hash: of_lead(store, supplier, lead),
        until_ms: until_ms(longest),
    };
    of_fields.chain([whole]).collect()
}

/// Under what a direct post's answer is remembered: the same full lead of the same supplier's
/// campaign. Tests are remembered apart.
pub(crate) fn of_direct_post(
    store: &Store,
    campaign: &CampaignId,
    lead: &FullLead,
    test: bool,
) -> Digest {
    let mut bytes = Vec::new();
    part(&mut bytes, if test { "test" } else { "" });
    all_of(&mut bytes, lead);
    store.direct_key(campaign, &store.keyed_hash("direct post", &bytes))
}

/// The fields that are compared in a market, each with the longest time for which.
fn compare_in(
    market: &Market,
    lead_type: &LeadTypeId,
    compared: &mut BTreeMap<Arc<str>, Duration>,
) {
    let Some(known) = market.lead_types.get(lead_type) else {
        return;
    };
    let of_campaigns = market
        .campaigns
        .values()
        .filter(|campaign| campaign.lead_type.id == *lead_type)
        .filter_map(|campaign| {
            campaign
                .duplicates
                .as_ref()
                .map(|(duplicates, _)| duplicates)
        });
    let of_accounts = market
        .accounts
        .iter()
        .filter(|account| account.lead_type == *lead_type)
        .filter_map(|account| account.duplicates.as_ref());
    for duplicates in of_campaigns.chain(of_accounts) {
        for field in duplicates.fields.iter().filter_map(|at| field(known, *at)) {
            let longest = compared.entry(Arc::clone(&field.name)).or_default();
            *longest = duplicates.within.max(*longest);
        }
    }
}

fn field(lead_type: &LeadType, at: usize) -> Option<&FieldSpec> {
    lead_type.fields.get(at)
}

/// The hash of one field's value; none where the lead has no such value.
fn of_field(store: &Store, lead: &impl Fields, at: usize) -> Option<Digest> {
    let spec = field(lead.lead_type(), at)?;
    let value = lead.value(at)?;
    let mut bytes = Vec::new();
    part(&mut bytes, lead.lead_type().id.as_str());
    part(&mut bytes, &spec.name);
    part(&mut bytes, &compared_text(spec, value));
    Some(store.keyed_hash("field of a lead", &bytes))
}

/// The hash of a supplier's whole lead.
fn of_lead(store: &Store, supplier: &SupplierId, lead: &FullLead) -> Digest {
    let mut bytes = Vec::new();
    part(&mut bytes, supplier.as_str());
    all_of(&mut bytes, lead);
    store.keyed_hash("lead of a supplier", &bytes)
}

fn all_of(bytes: &mut Vec<u8>, lead: &FullLead) {
    let lead_type = lead.lead_type();
    part(bytes, lead_type.id.as_str());
    for (at, spec) in lead_type.fields.iter().enumerate() {
        if let Some(value) = lead.value(at) {
            part(bytes, &spec.name);
            part(bytes, &compared_text(spec, value));
        }
    }
}

/// After its length, so that no two lists of parts look alike.
fn part(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn compared_text(spec: &FieldSpec, value: &Value) -> String {
    match spec.kind {
        FieldType::Email => value.to_text().to_lowercase(),
        _ => value.to_text(),
    }
}

#[cfg(test)]
mod tests {
    use gavel_market::{file::parse_toml, lead};
    use gavel_store::{Settings, StoreKey};
    use serde_json::json;

    use super::*;

    fn market() -> Market {
        let text = r#"
        currency = "USD"
        [lead_types.solar.fields]
        state = { type = "us_state" }
        email = { type = "email", personal = true }
        phone = { type = "us_phone", personal = true }
        [suppliers.s]
        [campaigns.c]
        supplier = "s"
        lead_type = "solar"
        cost = { per_lead = "1" }
        [campaigns.c.duplicates]
        fields = ["phone", "email"]
        within = "2d"
        [campaigns.d]
        supplier = "s"
        lead_type = "solar"
        cost = { per_lead = "1" }
        [campaigns.d.duplicates]
        fields = ["phone"]
        within = "9d"
        "#;
        parse_toml(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }

    fn lead(market: &Market, fields: serde_json::Value) -> FullLead {
        let serde_json::Value::Object(fields) = fields else {
            panic!("an object")
        };
        let campaign = &market.campaigns["c"];
        let nothing = lead::PingLead::new(Arc::clone(&campaign.lead_type), []);
        lead::read_post(campaign, &fields.into_iter().collect(), &nothing)
            .expect("right")
            .0
    }

    #[tokio::test]
    async fn a_lead_is_known_by_every_compared_field_for_as_long_as_anybody_asks() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = StoreKey::from_bytes([7; 32]);
        let store = Store::open(folder.path(), &key, Settings::default()).expect("a store");
        let market = market();
        let supplier: SupplierId = "s".parse().unwrap();
        let one = lead(
            &market,
            json!({"state": "CA", "email": "Jo@Example.com", "phone": "415 555 0137"}),
        );
        let same = lead(
            &market,
            json!({"state": "CA", "email": "jo@example.com", "phone": "(415) 555-0137"}),
        );
        let window = Duration::from_mins(5);
        let left = of_post(&store, [&market, &market], &supplier, &one, window, 1_000);
        let days = |days: u64| 1_000 + days * 86_400_000;
        let said = left
            .iter()
            .map(|one| (one.field.as_deref(), one.until_ms))
            .collect::<Vec<_>>();
        assert_eq!(
            said,
            [
                (Some("email"), days(2)),
                (Some("phone"), days(9)),
                (None, 301_000)
            ]
        );
        let (duplicates, scope) = market.campaigns["c"].duplicates.as_ref().unwrap();
        let asked = comparison(&store, duplicates, Among::Scope(*scope), &same);
        assert_eq!(
            asked.hashes,
            [Some(left[1].hash), Some(left[0].hash)],
            "in the order of the duplicates' fields"
        );
        assert_eq!(
            same_lead(&store, &supplier, &same, window).hashes,
            [Some(left[2].hash)]
        );
        let pinged = comparison(
            &store,
            duplicates,
            Among::Scope(*scope),
            &same.without_personal(),
        );
        assert_eq!(pinged.hashes, [None, None], "a ping shows nothing personal");
    }
}
