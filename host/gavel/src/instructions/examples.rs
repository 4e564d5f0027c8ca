//! Requests that the API takes, written out, and answers as it gives them.
//!
//! Every request is a test (`"test": true`): whoever copies one touches nothing real.

use std::fmt::Write as _;

use gavel_market::example::Sent;
use serde_json::{Map, Value, json};

use super::Instructions;
use crate::http::reply::time;

/// What identifiers in examples end with: no order, lead or ping has it.
const ULID_EXAMPLE: &str = "01KB2X8V3HQ7M5N9T4W6Y8Z0AC";

/// The amount that stands for any.
const AMOUNT: &str = "15.00";

/// One request, ready to be copied.
pub(super) struct Request {
    /// The JSON body.
    pub(super) json: Value,
    /// The form body.
    pub(super) form: String,
    /// A command for each of the two.
    pub(super) curl_json: String,
    pub(super) curl_form: String,
}

impl Instructions {
    pub(super) fn example_ping(&self) -> Request {
        let controls = [("sub_id", "source-7".into()), ("test", true.into())];
        self.request("ping", &self.examples.ping, controls.into())
    }

    pub(super) fn example_post(&self) -> Request {
        let controls = [("ping_order_id", order().into()), ("test", true.into())];
        self.request("post", &self.examples.post, controls.into())
    }

    pub(super) fn example_direct_post(&self) -> Request {
        let controls = [("sub_id", "source-7".into()), ("test", true.into())];
        self.request("lead", &self.examples.post, controls.into())
    }

    fn request(&self, what: &str, sent: &Sent, controls: Vec<(&str, Value)>) -> Request {
        let url = format!("{}{}", self.base_url, self.path(what));
        let lead: Map<String, Value> = sent
            .fields
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        let pairs: Vec<(String, String)> = controls
            .iter()
            .map(|(name, value)| (format!("_{name}"), text(value)))
            .chain(lead.iter().map(|(name, value)| (name.clone(), text(value))))
            .collect();
        let mut json = Map::new();
        // The order's id stands before the lead, which is long; the other controls after it.
        let (before, after): (Vec<_>, Vec<_>) = controls
            .into_iter()
            .partition(|(name, _)| *name == "ping_order_id");
        let named = |(name, value): (&str, Value)| (name.to_owned(), value);
        json.extend(before.into_iter().map(named));
        json.insert("lead".into(), lead.into());
        json.extend(after.into_iter().map(named));
        let json = Value::Object(json);
        Request {
            curl_json: curl_json(&url, &json),
            curl_form: curl_form(&url, &pairs),
            form: form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&pairs)
                .finish(),
            json,
        }
    }

    pub(super) fn example_bid(&self) -> Value {
        let window = u64::try_from(self.contract.window.as_millis()).unwrap_or(u64::MAX);
        json!({
            "status": "bid", "ping_id": format!("pg_{ULID_EXAMPLE}"), "ping_order_id": order(), "bid": AMOUNT,
            "currency": self.contract.currency, "deliveries": 1,
            "expires_at": time(self.made_at_ms.saturating_add(window)),
        })
    }

    pub(super) fn example_no_bid() -> Value {
        json!({"status": "no_bid", "ping_id": format!("pg_{ULID_EXAMPLE}"), "reason": "no_coverage"})
    }

    pub(super) fn example_sold(&self) -> Value {
        json!({
            "status": "sold", "lead_id": lead(), "payout": AMOUNT, "currency": self.contract.currency,
            "deliveries": 1, "redirect_url": "https://www.example.com/thanks",
        })
    }

    pub(super) fn example_accepted(&self) -> Value {
        json!({"status": "accepted", "lead_id": lead(), "payout": AMOUNT, "currency": self.contract.currency})
    }

    pub(super) fn example_rejected(&self) -> Value {
        let reason = if self.contract.waits {
            "not_delivered"
        } else {
            "duplicate"
        };
        json!({"status": "rejected", "lead_id": lead(), "reason": reason})
    }

    pub(super) fn example_status(&self) -> Value {
        let mut status = json!({
            "status": "sold", "lead_id": lead(), "campaign": self.contract.campaign.as_str(),
            "received_at": time(self.made_at_ms), "payout": AMOUNT, "currency": self.contract.currency,
            "deliveries": 1, "owed": AMOUNT, "finished": true,
        });
        if !self.contract.waits
            && let Some(status) = status.get_mut("status")
        {
            *status = "accepted".into();
        }
        status
    }

    /// A problem that is likely to be met first.
    pub(super) fn example_problem(&self) -> Value {
        let field = self.contract.terms.first();
        let name = field.map_or("state", |term| &term.spec.name);
        json!({
            "type": "urn:gavel:problem:invalid_fields", "title": "Fields are missing or wrong",
            "status": 422, "code": "invalid_fields", "detail": "Fields are missing or wrong",
            "errors": [{"field": name, "code": "missing", "message": "required"}],
        })
    }
}

/// An order's id, which no order has.
pub(super) fn order() -> String {
    format!("po_{ULID_EXAMPLE}")
}

/// A lead's id, which no lead has.
pub(super) fn lead() -> String {
    format!("ld_{ULID_EXAMPLE}")
}

/// A JSON value as a form has it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// JSON as people read it.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn curl_json(url: &str, body: &Value) -> String {
    format!(
        "curl {} \\\n  -H \"Authorization: Bearer $GAVEL_KEY\" \\\n  -H 'Content-Type: application/json' \\\n  -d {}",
        quoted(url),
        quoted(&pretty(body))
    )
}

fn curl_form(url: &str, pairs: &[(String, String)]) -> String {
    let mut command = format!(
        "curl {} \\\n  -H \"Authorization: Bearer $GAVEL_KEY\"",
        quoted(url)
    );
    for (name, value) in pairs {
        // Writing to a text does not fail.
        let _ = write!(
            command,
            " \\\n  --data-urlencode {}",
            quoted(&format!("{name}={value}"))
        );
    }
    command
}

/// As one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_ends_no_word() {
        assert_eq!(quoted("don't"), r"'don'\''t'");
    }

    #[test]
    fn the_ids_of_examples_are_ids() {
        assert!(order().parse::<gavel_market::ids::OrderId>().is_ok());
        assert!(lead().parse::<gavel_market::ids::LeadId>().is_ok());
    }
}
