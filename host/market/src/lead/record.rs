//! Leads as records keep them, and as keyed hashes see them.

use std::sync::Arc;

use super::{Fields, FullLead, PingLead};
use crate::{field::Value, model::LeadType};

/// A lead's values by name, in the lead type's order.
pub type Entries = Vec<(String, Value)>;

/// One value for each of the lead type's fields. A name that the lead type lacks is
/// dropped: a record is read with the lead type of the revision that wrote it, where
/// there is none.
fn placed(lead_type: &LeadType, entries: Entries) -> Vec<Option<Value>> {
    let mut values = vec![None; lead_type.fields.len()];
    for (name, value) in entries {
        let place = lead_type
            .field(&name)
            .and_then(|(at, _)| values.get_mut(at));
        if let Some(place) = place {
            *place = Some(value);
        }
    }
    values
}

impl PingLead {
    /// Every value, by name.
    pub fn entries(&self) -> Entries {
        self.present()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect()
    }

    /// The lead that [`PingLead::entries`] was asked of.
    pub fn from_entries(lead_type: Arc<LeadType>, entries: Entries) -> Self {
        let values = placed(&lead_type, entries);
        Self::new(lead_type, values)
    }
}

impl FullLead {
    /// The values in the clear, and those that are personal in this lead: what a store
    /// keeps apart.
    pub fn clear_and_personal(&self) -> (Entries, Entries) {
        let fields = self.lead_type.fields.iter().enumerate();
        let entries = fields
            .filter_map(|(at, field)| Some((at, field.name.to_string(), self.value(at)?.clone())));
        let (personal, clear): (Vec<_>, Vec<_>) =
            entries.partition(|(at, ..)| self.is_personal(*at));
        let without_place = |entries: Vec<(usize, String, Value)>| {
            entries
                .into_iter()
                .map(|(_, name, value)| (name, value))
                .collect()
        };
        (without_place(clear), without_place(personal))
    }

    /// The lead that [`FullLead::clear_and_personal`] was asked of, or what is left of it
    /// where the personal part has been erased.
    pub fn from_parts(lead_type: Arc<LeadType>, clear: Entries, personal: Entries) -> Self {
        let clear = placed(&lead_type, clear);
        let personal = placed(&lead_type, personal);
        let values: Vec<_> = clear
            .into_iter()
            .zip(personal)
            .map(|(clear, personal)| match personal {
                Some(value) => (Some(value), true),
                None => (clear, false),
            })
            .collect();
        Self::new(lead_type, values)
    }

    /// The lead as bytes, for a keyed hash: equal for equal leads only. For each value, in
    /// the lead type's order, its name, a letter for its kind and its text, name and text
    /// each after its length.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut part = |kind: u8, text: &str| {
            bytes.push(kind);
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        for (name, value) in self.present() {
            part(b'n', name);
            let kind = match value {
                Value::Text(_) => b't',
                Value::Integer(_) => b'i',
                Value::Decimal(_) => b'd',
                Value::Flag(_) => b'f',
                Value::Date(_) => b'c',
            };
            part(kind, &value.to_text());
        }
        bytes
    }
}
