//! Leads and accounts for tests of criteria.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    criteria::{Criterion, Test},
    field::{FieldSpec, FieldType, Value},
    lead::PingLead,
    model::{Account, AccountStatus, LeadType, OnUnconfirmed, PluginUse},
};

/// Number of fields of the lead type: state, bill, panels, homeowner, day.
pub(crate) const FIELDS: usize = 5;

pub(crate) fn value(text: &str) -> Value {
    Value::Text(text.into())
}

pub(crate) fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

pub(crate) fn date(text: &str) -> Value {
    Value::Date(text.parse().unwrap())
}

/// A text, a decimal, an integer, a flag and a date.
pub(crate) fn lead_type() -> Arc<LeadType> {
    let decimals = FieldType::Decimal {
        min: None,
        max: None,
    };
    let integers = FieldType::Integer {
        min: None,
        max: None,
    };
    let kinds = [
        ("state", FieldType::UsState),
        ("bill", decimals),
        ("panels", integers),
        ("homeowner", FieldType::Flag),
        ("day", FieldType::Date),
    ];
    let fields: Vec<FieldSpec> = kinds
        .into_iter()
        .map(|(name, kind)| FieldSpec {
            name: name.into(),
            kind,
            personal: false,
            description: None,
        })
        .collect();
    let by_name = fields
        .iter()
        .enumerate()
        .map(|(at, field)| (Arc::clone(&field.name), at))
        .collect();
    Arc::new(LeadType {
        id: "solar".parse().unwrap(),
        fields,
        by_name,
    })
}

/// A lead with these values at these places.
pub(crate) fn lead(values: impl IntoIterator<Item = (usize, Value)>) -> PingLead {
    let values: BTreeMap<usize, Value> = values.into_iter().collect();
    PingLead::new(lead_type(), (0..FIELDS).map(|at| values.get(&at).cloned()))
}

/// An active account that buys solar leads for a fixed price.
pub(crate) fn account(id: &str, criteria: Vec<(usize, Test)>) -> Account {
    Account {
        id: id.parse().unwrap(),
        buyer: "sunco".parse().unwrap(),
        lead_type: "solar".parse().unwrap(),
        status: AccountStatus::Active,
        price: None,
        min_price: None,
        priority: 100,
        exclusive: false,
        criteria: criteria
            .into_iter()
            .map(|(field, test)| Criterion { field, test })
            .collect(),
        filter: None,
        adapter: PluginUse {
            plugin: "http-buyer".parse().unwrap(),
            config: "{}".into(),
        },
        hosts: Vec::new(),
        secrets: BTreeMap::new(),
        ping_during_sort: false,
        ping_timeout: Duration::from_millis(800),
        max_steps: 3,
        post_timeout: Duration::from_secs(10),
        retry: None,
        on_unconfirmed: OnUnconfirmed::Stop,
    }
}
