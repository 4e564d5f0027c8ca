//! From a request's fields to a lead, or to every fault in them at once (`rules.md`, ping
//! 3 and 4, post 3).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Fields, FullLead, PingLead};
use crate::{
    field::{FieldProblem, FieldSpec, FieldType, Value, text_problem},
    model::{Campaign, LeadType, OnChanged, OnPersonal, OnUnknown},
    personal::looks_personal,
    reason::FieldCode,
};

/// Longest name for where a lead came from, in characters (`api.md`).
pub const SUB_ID_MAX_LENGTH: usize = 64;

/// Longest name that an error repeats, in bytes: as long as a field's may be.
const SHOWN_NAME_MAX_BYTES: usize = 64;

/// A lead as it was sent: names and values, in the order sent, a form's values as strings.
pub type RawLead = Vec<(String, Json)>;

/// What is wrong with one field or control of a request. Never holds a value that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Its name, as sent; a name that could be a value is not repeated.
    pub field: String,
    /// The kind of fault.
    pub code: FieldCode,
    /// What would have been right, for a person.
    pub message: Cow<'static, str>,
    /// For an unknown field one edit away from a known one, that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl FieldError {
    /// A fault of one field or control.
    pub fn new(field: &str, code: FieldCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            code,
            message: message.into(),
            suggestion: None,
        }
    }

    fn of(field: &str, problem: FieldProblem) -> Self {
        Self::new(field, problem.code, problem.message)
    }
}

/// What a ping's fields are, without anything personal, or every fault in them and in the
/// `sub_id`.
pub fn read_ping(
    campaign: &Campaign,
    raw: &RawLead,
    sub_id: Option<&str>,
) -> Result<PingLead, Vec<FieldError>> {
    let mut fields = Reading::new(campaign);
    for (name, raw) in raw {
        let Some((at, spec)) = fields.place(name) else {
            continue;
        };
        if spec.personal {
            if campaign.ping.on_personal == OnPersonal::Reject {
                fields.fault(
                    at,
                    FieldCode::PersonalField,
                    "personal fields are sent with the post, not with the ping",
                );
            }
            continue;
        }
        let Some(value) = fields.read(at, spec, raw) else {
            continue;
        };
        if hides_personal(spec, &value) {
            fields.fault(
                at,
                FieldCode::LooksPersonal,
                "an e-mail address, telephone number or social security number may not be pinged",
            );
        } else {
            fields.keep(at, value);
        }
    }
    fields.require(&campaign.ping.required);
    fields.errors.extend(sub_id.and_then(sub_id_fault));
    let Reading {
        lead_type,
        values,
        errors,
        ..
    } = fields;
    if errors.is_empty() {
        Ok(PingLead::new(lead_type.clone(), values))
    } else {
        Err(errors)
    }
}

/// What a post's fields are together with the pinged ones, and warnings; or every fault.
pub fn read_post(
    campaign: &Campaign,
    raw: &RawLead,
    pinged: &PingLead,
) -> Result<(FullLead, Vec<FieldError>), Vec<FieldError>> {
    let mut warnings = Vec::new();
    let mut fields = Reading::new(campaign);
    for (name, raw) in raw {
        let Some((at, spec)) = fields.place(name) else {
            continue;
        };
        let Some(value) = fields.read(at, spec, raw) else {
            continue;
        };
        match pinged.named(&spec.name) {
            Some(was) if *was != value => match campaign.post.on_changed {
                OnChanged::Reject => {
                    fields.fault(at, FieldCode::FieldChanged, "differs from what was pinged");
                }
                OnChanged::KeepPinged => {
                    warnings.push(FieldError::new(
                        &spec.name,
                        FieldCode::FieldChanged,
                        "differs from what was pinged, which stands",
                    ));
                }
            },
            _ => fields.keep(at, value),
        }
    }
    for (name, value) in pinged.present() {
        if let Some((at, _)) = campaign.lead_type.field(name) {
            fields.keep(at, value.clone());
        }
    }
    fields.require(&campaign.post.required);
    let Reading {
        lead_type,
        values,
        errors,
        ..
    } = fields;
    if !errors.is_empty() {
        return Err(errors);
    }
    let values = lead_type.fields.iter().zip(values).map(|(spec, value)| {
        let looks = value
            .as_ref()
            .is_some_and(|value| hides_personal(spec, value));
        (value, looks)
    });
    Ok((FullLead::new(lead_type.clone(), values), warnings))
}

/// Whether a value of a field that is not personal looks as if it were.
pub(crate) fn hides_personal(spec: &FieldSpec, value: &Value) -> bool {
    match (&spec.kind, value) {
        (
            FieldType::Text {
                no_personal_check: true,
                ..
            },
            _,
        ) => false,
        (FieldType::Text { .. } | FieldType::Url, Value::Text(text)) => looks_personal(text),
        _ => false,
    }
}

/// What is wrong with the supplier's own name for where a lead came from: it may not look
/// personal in a post either, since it stands in records.
pub fn sub_id_fault(sub_id: &str) -> Option<FieldError> {
    let fault = |code, message: &'static str| Some(FieldError::new("sub_id", code, message));
    if sub_id.len() > SUB_ID_MAX_LENGTH && sub_id.chars().count() > SUB_ID_MAX_LENGTH {
        return fault(FieldCode::TooLong, "at most 64 characters");
    }
    if let Some(problem) = text_problem(sub_id) {
        return Some(FieldError::of("sub_id", problem));
    }
    if looks_personal(sub_id) {
        return fault(
            FieldCode::LooksPersonal,
            "an e-mail address, telephone number or social security number may not be pinged",
        );
    }
    None
}

/// The fields of one request while they are read.
struct Reading<'a> {
    campaign: &'a Campaign,
    lead_type: &'a std::sync::Arc<LeadType>,
    values: Vec<Option<Value>>,
    /// For each field, whether it was sent: a second time is a fault, and one that was
    /// sent with a fault is not missing besides.
    sent: Vec<bool>,
    faulty: Vec<bool>,
    errors: Vec<FieldError>,
}

impl<'a> Reading<'a> {
    fn new(campaign: &'a Campaign) -> Self {
        let count = campaign.lead_type.fields.len();
        Self {
            campaign,
            lead_type: &campaign.lead_type,
            values: vec![None; count],
            sent: vec![false; count],
            faulty: vec![false; count],
            errors: Vec::new(),
        }
    }

    /// The field of this name, where its value is to be looked at.
    fn place(&mut self, name: &str) -> Option<(usize, &'a FieldSpec)> {
        let Some((at, spec)) = self.lead_type.field(name) else {
            if self.campaign.unknown_fields == OnUnknown::Reject {
                self.errors.push(unknown_field(self.lead_type, name));
            }
            return None;
        };
        if self
            .sent
            .get_mut(at)
            .is_some_and(|sent| std::mem::replace(sent, true))
        {
            self.fault(at, FieldCode::NotAllowed, "sent more than once");
            return None;
        }
        Some((at, spec))
    }

    /// The field's value, where it has one; what is wrong with it is noted.
    fn read(&mut self, at: usize, spec: &FieldSpec, raw: &Json) -> Option<Value> {
        spec.read(raw).unwrap_or_else(|problem| {
            self.fault(at, problem.code, problem.message);
            None
        })
    }

    fn keep(&mut self, at: usize, value: Value) {
        if let Some(place) = self.values.get_mut(at) {
            *place = Some(value);
        }
    }

    fn fault(&mut self, at: usize, code: FieldCode, message: impl Into<Cow<'static, str>>) {
        if let Some(faulty) = self.faulty.get_mut(at) {
            *faulty = true;
        }
        if let Some(spec) = self.lead_type.fields.get(at) {
            self.errors.push(FieldError::new(&spec.name, code, message));
        }
    }

    fn require(&mut self, required: &[usize]) {
        for &at in required {
            let there = self.values.get(at).is_some_and(Option::is_some)
                || self.faulty.get(at).is_some_and(|faulty| *faulty);
            if !there {
                self.fault(at, FieldCode::Missing, "required");
            }
        }
    }
}

fn unknown_field(lead_type: &LeadType, name: &str) -> FieldError {
    let near = lead_type
        .fields
        .iter()
        .find(|field| strsim::osa_distance(&field.name, name) == 1);
    // Whoever swaps names and values must not find the value in the answer. What is one edit from
    // a field's name is no value.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let shown = near.is_some()
        || name.len() <= SHOWN_NAME_MAX_BYTES && name.bytes().all(plain) && !looks_personal(name);
    if !shown {
        return FieldError::new(
            "?",
            FieldCode::UnknownField,
            "a field whose name is none, and not repeated here",
        );
    }
    FieldError {
        suggestion: near.map(|field| field.name.to_string()),
        ..FieldError::new(
            name,
            FieldCode::UnknownField,
            "this lead type has no such field",
        )
    }
}
