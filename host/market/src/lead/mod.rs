//! Leads, in two types so that a ping cannot show what it may not.
//!
//! A [`PingLead`] has no room for a personal value: it is made only by dropping them. A
//! [`FullLead`] has them and knows which they are. What a filter or an adapter is
//! given at a ping is made from the first, never from the second.

use std::sync::Arc;

use crate::{field::Value, model::LeadType};

mod read;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use read::hides_personal;
pub use read::{FieldError, RawLead, SUB_ID_MAX_LENGTH, read_ping, read_post, sub_id_fault};
pub use record::Entries;

/// What a ping may show: no personal field.
#[derive(Clone, Debug)]
pub struct PingLead {
    lead_type: Arc<LeadType>,
    values: Box<[Option<Value>]>,
}

/// A posted lead, whole.
#[derive(Clone)]
pub struct FullLead {
    lead_type: Arc<LeadType>,
    values: Box<[Option<Value>]>,
    /// For each field, whether its value here is personal: by the lead type, or because
    /// the value looks so.
    personal: Box<[bool]>,
}

/// Reading access that both kinds of lead give, for criteria and for plugins.
pub trait Fields {
    /// The fields' types.
    fn lead_type(&self) -> &Arc<LeadType>;
    /// The value at a place of the lead type, if there is one.
    fn value(&self, at: usize) -> Option<&Value>;

    /// The value of a field by name.
    fn named(&self, name: &str) -> Option<&Value> {
        let (at, _) = self.lead_type().field(name)?;
        self.value(at)
    }

    /// Every field that has a value, in the lead type's order.
    fn present(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        let fields = self.lead_type().fields.iter().enumerate();
        fields.filter_map(|(at, field)| Some((&field.name, self.value(at)?)))
    }
}

impl Fields for PingLead {
    fn lead_type(&self) -> &Arc<LeadType> {
        &self.lead_type
    }
    fn value(&self, at: usize) -> Option<&Value> {
        self.values.get(at)?.as_ref()
    }
}

impl Fields for FullLead {
    fn lead_type(&self) -> &Arc<LeadType> {
        &self.lead_type
    }
    fn value(&self, at: usize) -> Option<&Value> {
        self.values.get(at)?.as_ref()
    }
}

impl PingLead {
    /// A lead of these values, one for each of the lead type's fields; what stands in a
    /// personal field is dropped here, which is what makes the type's promise true.
    pub fn new(lead_type: Arc<LeadType>, values: impl IntoIterator<Item = Option<Value>>) -> Self {
        let mut values = values.into_iter();
        let values = lead_type
            .fields
            .iter()
            .map(|field| values.next().flatten().filter(|_| !field.personal))
            .collect();
        Self { lead_type, values }
    }
}

impl FullLead {
    /// A lead of these values, one for each of the lead type's fields, with whether the
    /// value looks personal although the field is not.
    pub fn new(
        lead_type: Arc<LeadType>,
        values: impl IntoIterator<Item = (Option<Value>, bool)>,
    ) -> Self {
        let mut given = values.into_iter();
        let (values, personal) = lead_type
            .fields
            .iter()
            .map(|field| {
                let (value, looks_personal) = given.next().unwrap_or((None, false));
                (value, field.personal || looks_personal)
            })
            .unzip::<_, _, Vec<_>, Vec<_>>();
        Self {
            lead_type,
            values: values.into(),
            personal: personal.into(),
        }
    }

    /// Whether the value at this place is personal in this lead.
    pub fn is_personal(&self, at: usize) -> bool {
        self.personal.get(at).copied().unwrap_or(true)
    }

    /// The same lead as a ping may show it.
    pub fn without_personal(&self) -> PingLead {
        let values = self.values.iter().enumerate();
        PingLead {
            lead_type: Arc::clone(&self.lead_type),
            values: values
                .map(|(at, value)| value.clone().filter(|_| !self.is_personal(at)))
                .collect(),
        }
    }
}

/// Names the fields, never a value: a lead may end up in an error or a log line by mistake.
impl std::fmt::Debug for FullLead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.present().map(|(name, _)| name);
        write!(f, "FullLead of {} with ", self.lead_type.id)?;
        f.debug_list().entries(names).finish()
    }
}
