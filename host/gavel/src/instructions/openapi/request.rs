//! What is sent: leads and controls, as JSON and as a form.

use gavel_market::contract::{Need, Term};
use serde_json::{Map, Value, json};

use super::field::{self, Body};
use crate::instructions::{Instructions, examples};

/// A request body in both forms, with an example unless there is none.
pub(super) fn body(name: &str, example: &examples::Request, is_whole: bool) -> Value {
    let schema = |suffix: &str| json!({"$ref": format!("#/components/schemas/{name}{suffix}")});
    let pairs: Map<String, Value> = form_urlencoded::parse(example.form.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    let mut json = json!({"schema": schema("")});
    let mut form = json!({"schema": schema("Form")});
    if is_whole {
        for (content, example) in [(&mut json, example.json.clone()), (&mut form, pairs.into())] {
            if let Some(content) = content.as_object_mut() {
                content.insert("example".into(), example);
            }
        }
    }
    json!({"required": true, "content": {"application/json": json, "application/x-www-form-urlencoded": form}})
}

/// What the campaign's requests look like.
pub(super) fn schemas(instructions: &Instructions) -> Map<String, Value> {
    let mut schemas = Map::new();
    let requests: &[Kind] = if instructions.is_direct() {
        &[Kind::Direct]
    } else {
        &[Kind::Ping, Kind::Post]
    };
    for kind in requests {
        let name = kind.name();
        schemas.insert(format!("{name}Lead"), kind.lead(instructions));
        schemas.insert(name.into(), kind.in_json(instructions));
        schemas.insert(format!("{name}Form"), kind.in_form(instructions));
    }
    schemas
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ping,
    Post,
    Direct,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Ping => "Ping",
            Self::Post => "Post",
            Self::Direct => "DirectPost",
        }
    }

    fn need(self, term: &Term) -> Need {
        match self {
            Self::Ping => term.at_ping,
            Self::Post | Self::Direct => term.at_post,
        }
    }

    /// The lead's fields, and which of them must be there.
    fn fields(self, instructions: &Instructions, body: Body) -> (Map<String, Value>, Vec<String>) {
        let mut fields = Map::new();
        let mut required = Vec::new();
        for term in &instructions.contract.terms {
            let name = term.spec.name.to_string();
            let need = self.need(term);
            let schema = match need {
                // Where unknown fields are refused, so is one that is not named here.
                Need::Refused if !instructions.ignores_unknown() => continue,
                Need::Refused => false.into(),
                Need::Dropped => json!({"description": "Personal: dropped unread."}),
                need => field::schema(&term.spec, body, need == Need::Required),
            };
            if need == Need::Required {
                required.push(name.clone());
            }
            fields.insert(name, schema);
        }
        (fields, required)
    }

    fn lead(self, instructions: &Instructions) -> Value {
        let (fields, required) = self.fields(instructions, Body::Json);
        let about = match self {
            Self::Ping => {
                "Nothing personal, in text either: what looks like an e-mail address, a telephone number or a social security number is refused."
            }
            Self::Post => {
                "Pinged fields need not be repeated. What the post requires and the ping had is there already."
            }
            Self::Direct => "The whole lead.",
        };
        json!({
            "type": "object", "description": about, "properties": fields, "required": required,
            "additionalProperties": instructions.ignores_unknown(),
        })
    }

    fn in_json(self, instructions: &Instructions) -> Value {
        let mut properties = Map::new();
        for (name, control) in self.controls(Body::Json) {
            properties.insert(name.into(), control);
        }
        properties.insert(
            "lead".into(),
            json!({"$ref": format!("#/components/schemas/{}Lead", self.name())}),
        );
        let required: &[&str] = match self {
            Self::Post => &["ping_order_id", "lead"],
            Self::Ping | Self::Direct => &["lead"],
        };
        json!({
            "type": "object", "properties": properties, "required": required,
            "additionalProperties": instructions.ignores_unknown(),
        })
    }

    fn in_form(self, instructions: &Instructions) -> Value {
        let (mut properties, mut required) = self.fields(instructions, Body::Form);
        for (name, control) in self.controls(Body::Form) {
            properties.insert(format!("_{name}"), control);
        }
        if self == Self::Post {
            required.push("_ping_order_id".into());
        }
        json!({
            "type": "object", "description": "The lead's fields, flat; controls begin with an underscore.",
            "properties": properties, "required": required,
            "additionalProperties": instructions.ignores_unknown(),
        })
    }

    fn controls(self, body: Body) -> Vec<(&'static str, Value)> {
        let test = match body {
            Body::Json => json!([
                true, false, null, "true", "false", "yes", "no", "1", "0", ""
            ]),
            Body::Form => json!(["true", "false", "yes", "no", "1", "0", ""]),
        };
        let test = (
            "test",
            json!({"description": "Whether this is a test, which touches nothing real.", "enum": test}),
        );
        if self == Self::Post {
            let order = json!({
                "description": "As the ping's answer gave it.", "$ref": "#/components/schemas/PingOrderId",
            });
            return vec![("ping_order_id", order), test];
        }
        let mut controls = vec![
            ("tmax_ms", tmax(body)),
            ("min_bid", min_bid(body)),
            (
                "sub_id",
                short_text(
                    body,
                    64,
                    "Where the lead came from, in your own words; nothing personal.",
                ),
            ),
            test,
        ];
        if self == Self::Ping {
            let about = "The same as the header Idempotency-Key.";
            controls.push(("idempotency_key", short_text(body, 255, about)));
        }
        controls
    }
}

fn tmax(body: Body) -> Value {
    let about =
        "Your own deadline in milliseconds, at least 50; the campaign's holds if it is shorter.";
    let text = json!({"type": string_or_null(body), "pattern": "^([0-9]{2,15})?$"});
    match body {
        Body::Json => json!({"description": about, "anyOf": [
            {"type": "integer", "minimum": 50, "maximum": i64::MAX}, text,
        ]}),
        Body::Form => {
            json!({"description": about, "type": "string", "pattern": "^([0-9]{2,15})?$"})
        }
    }
}

fn min_bid(body: Body) -> Value {
    json!({
        "description": "The least that you would take: an amount of at most four decimals and at most 1000000, in a string. A lower offer is answered no_bid.",
        "type": string_or_null(body),
        "pattern": r"^((0|[1-9][0-9]{0,5})(\.[0-9]{1,4})?|1000000(\.0{1,4})?)?$",
    })
}

fn short_text(body: Body, most: u32, about: &str) -> Value {
    json!({
        "description": about, "type": string_or_null(body), "maxLength": most,
        "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$",
    })
}

fn string_or_null(body: Body) -> Value {
    match body {
        Body::Json => json!(["string", "null"]),
        Body::Form => json!("string"),
    }
}
