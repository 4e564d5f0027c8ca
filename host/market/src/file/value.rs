//! A field's value in a market file, read by the field's own normaliser.

use serde_json::Value as Json;

use super::{errors::code, spot::Spot, tree::NodeValue};
use crate::{
    field::{FieldType, Value},
    reason::FieldCode,
};

/// The value as the field keeps it; anything wrong with it is noted.
pub(super) fn read(spot: &Spot<'_>, kind: &FieldType) -> Option<Value> {
    let raw = match &spot.node.value {
        NodeValue::Flag(flag) => Json::Bool(*flag),
        NodeValue::Integer(number) => (*number).into(),
        NodeValue::Text(text) | NodeValue::Date(text) => Json::String(text.clone()),
        NodeValue::Float(_) if matches!(kind, FieldType::Decimal { .. }) => {
            spot.error(
                code::WRONG_TYPE,
                "write it as a string, such as \"12.5\", so that it stays exact",
            );
            return None;
        }
        NodeValue::Float(_) | NodeValue::Null | NodeValue::List(_) | NodeValue::Table(_) => {
            spot.error(
                code::WRONG_TYPE,
                format!(
                    "a value of a {} field is expected, not {}",
                    kind.word(),
                    spot.node.kind()
                ),
            );
            return None;
        }
    };
    match kind.read(&raw) {
        Ok(Some(value)) => Some(value),
        Ok(None) => {
            spot.error(
                code::EMPTY,
                "an empty value is an absent field, and equals nothing",
            );
            None
        }
        Err(problem) => {
            let suggestion = match (kind, problem.code, &raw) {
                (
                    FieldType::Text {
                        one_of: Some(one_of),
                        ..
                    },
                    FieldCode::NotAllowed,
                    Json::String(text),
                ) => spot
                    .findings
                    .nearest(text, one_of.iter().map(|value| &**value)),
                _ => None,
            };
            spot.error_suggesting(problem.code.word(), problem.message, suggestion);
            None
        }
    }
}
