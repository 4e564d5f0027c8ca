//! A case's lead, read as a supplier's is, and what else belongs to it.

use gavel_market::{
    field::{FieldSpec, FieldType},
    file::{
        code,
        reading::{Section, Spot, is_field_name},
    },
    ids::{CampaignId, LeadTypeId},
    lead::FullLead,
    model::LeadType,
};
use gavel_sandbox::{Transaction, Won};
use serde_json::Value as Json;

use super::file::Fields;

/// Fields of one lead, as many as a lead type may have.
const FIELDS_MAX: usize = 200;

/// Text of a field whose type nobody gave, in characters: what a request may hold at all.
const TEXT_MAX: usize = 65_536;

/// What the SDK's tests say too, so that a plugin's native tests and its cases agree.
const RECEIVED_AT_MS: u64 = 1_700_000_000_000;

/// What a lead says besides its fields.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) transaction: Transaction,
    pub(super) order: String,
    pub(super) won: Won,
    /// A valid name; text, since it becomes an id only with the lead type.
    pub(super) lead_type: String,
}

impl Default for Said {
    fn default() -> Self {
        let campaign = "solar-west".parse::<CampaignId>();
        Self {
            transaction: Transaction {
                #[expect(clippy::expect_used, reason = "a name in the source")]
                campaign: campaign.expect("a name"),
                received_at_ms: RECEIVED_AT_MS,
                currency: "USD".to_owned(),
                sub_id: None,
                is_test: false,
            },
            order: "po_1.a1".to_owned(),
            won: Won::default(),
            lead_type: "solar".to_owned(),
        }
    }
}

impl Said {
    /// What a section says, and `before` for the rest.
    pub(super) fn read(section: &mut Section<'_>, before: &Self) -> Self {
        let Self {
            transaction,
            order,
            won,
            lead_type,
        } = before.clone();
        Self {
            transaction: Transaction {
                campaign: section.get_or("campaign", transaction.campaign, name),
                received_at_ms: section.get_or(
                    "received_at",
                    transaction.received_at_ms,
                    moment_ms,
                ),
                currency: section.get_or("currency", transaction.currency, text),
                sub_id: section
                    .get("sub_id")
                    .and_then(|spot| text(&spot))
                    .or(transaction.sub_id),
                is_test: section.get_or("test", transaction.is_test, Spot::flag),
            },
            order: section.get_or("order", order, text),
            won: section.section("won").map_or(won, read_won),
            lead_type: section.get_or("lead_type", lead_type, |spot| {
                name::<LeadTypeId>(spot).map(|id| id.as_str().to_owned())
            }),
        }
    }
}

fn text(spot: &Spot<'_>) -> Option<String> {
    spot.words().map(str::to_owned)
}

fn name<T: std::str::FromStr<Err: ToString>>(spot: &Spot<'_>) -> Option<T> {
    spot.noted(code::BAD_NAME, spot.text()?.parse())
}

fn read_won(mut section: Section<'_>) -> Won {
    let won = Won {
        amount: section.get("amount").and_then(|spot| spot.money()),
        reference: section.get("reference").and_then(|spot| text(&spot)),
    };
    section.finish();
    won
}

/// TOML has times of its own; JSON has texts.
fn moment_ms(spot: &Spot<'_>) -> Option<u64> {
    let json = spot.node.to_json();
    let read = json
        .as_ref()
        .and_then(Json::as_str)
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .and_then(|time| u64::try_from(time.as_millisecond()).ok());
    if read.is_none() {
        spot.error(
            code::BAD_FORMAT,
            "a time is written like \"2026-11-23T10:00:00Z\"",
        );
    }
    read
}

/// A lead's fields as they are written, in the file's order.
pub(super) fn raw(section: &mut Section<'_>) -> Vec<(String, Json)> {
    let Some(fields) = section.section("lead") else {
        return Vec::new();
    };
    let spots = fields.spots(FIELDS_MAX).into_iter();
    spots
        .filter_map(|(name, spot)| Some((name.to_owned(), plain(&spot)?)))
        .collect()
}

/// A value that a supplier could send.
fn plain(spot: &Spot<'_>) -> Option<Json> {
    let json = spot.node.to_json();
    match json {
        Some(Json::Array(_) | Json::Object(_)) | None => {
            spot.error(
                code::WRONG_TYPE,
                "a field's value is a string, a number, true or false",
            );
            None
        }
        plain => plain,
    }
}

/// The lead of a case: its own fields on top of the file's. Faults are noted; `None` where
/// there is one.
pub(super) fn read(
    section: &mut Section<'_>,
    fields: &Fields,
    shared: &[(String, Json)],
    lead_type: &str,
) -> Option<FullLead> {
    let mut reading = Reading::of(fields);
    for (name, json) in shared {
        reading.add(name, json, |code, message| {
            section.error(Some(&format!("lead.{name}")), code, message);
        });
    }
    if let Some(own) = section.section("lead") {
        for (name, spot) in own.spots(FIELDS_MAX) {
            if let Some(json) = plain(&spot) {
                reading.add(name, &json, |code, message| spot.error(code, message));
            }
        }
    }
    let (specs, values): (Vec<_>, Vec<_>) = reading.fields.into_iter().unzip();
    let lead_type = LeadType::new(lead_type.parse().ok()?, specs);
    let values = values.into_iter().map(|value| (value, false));
    Some(FullLead::new(lead_type.into(), values))
}

/// A lead while it is read: each field's type with its value.
struct Reading<'a> {
    fields: Vec<(FieldSpec, Option<gavel_market::field::Value>)>,
    declared: &'a Fields,
}

impl<'a> Reading<'a> {
    fn of(declared: &'a Fields) -> Self {
        let fields = declared.specs.iter().map(|spec| (spec.clone(), None));
        Self {
            fields: fields.collect(),
            declared,
        }
    }

    fn add(&mut self, name: &str, json: &Json, fault: impl FnOnce(&'static str, String)) {
        if self.declared.faulty.iter().any(|faulty| **faulty == *name) {
            return;
        }
        if !is_field_name(name) {
            let message = "a field's name is a-z, 0-9 and _, starts with a letter and has at most 64 characters";
            return fault(code::BAD_NAME, message.to_owned());
        }
        let is_declared = self.declared.specs.iter().any(|spec| *spec.name == *name);
        let at = self.fields.iter().position(|(spec, _)| *spec.name == *name);
        let spec = match at.and_then(|at| self.fields.get(at)) {
            Some((spec, _)) if is_declared => spec.clone(),
            _ => match inferred(name, json) {
                Ok(spec) => spec,
                Err(message) => return fault(code::WRONG_TYPE, message),
            },
        };
        let value = match spec.read(json) {
            Ok(value) => value,
            Err(problem) => return fault(problem.code.word(), problem.message.into_owned()),
        };
        match at.and_then(|at| self.fields.get_mut(at)) {
            Some(field) => *field = (spec, value),
            None => self.fields.push((spec, value)),
        }
    }
}

/// The type of a field that nobody declared: JSON's own.
fn inferred(name: &str, json: &Json) -> Result<FieldSpec, String> {
    let kind = match json {
        Json::Bool(_) => FieldType::Flag,
        Json::Number(number) if number.is_f64() => {
            return Err(format!(
                "a number with a point needs its field's type: {name} = {{ type = \"decimal\" }} under [fields]"
            ));
        }
        Json::Number(_) => FieldType::Integer {
            min: None,
            max: None,
        },
        _ => FieldType::Text {
            one_of: None,
            pattern: None,
            max_length: TEXT_MAX,
            no_personal_check: true,
        },
    };
    Ok(FieldSpec {
        name: name.into(),
        kind,
        personal: false,
        description: None,
    })
}
