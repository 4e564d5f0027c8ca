//! An adapter speaks one buyer's protocol without doing the speaking: it says what to send, the
//! host sends it and calls again with the buyer's answers so far, oldest first.
//!
//! A call is a function of its arguments. There is no network, no file, no clock and no random
//! number; all that is known of the steps before stands in `answers`.

use gavel_sdk::{
    About, Acceptance, Adapter, Header, Lead, Offer, PingStep, PostStep, Rejection, Request,
    Response, Value, export_adapter, warn,
};
use serde::Deserialize;
use serde_json::{Map, json};

/// One account's buyer, which is its configuration as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonBuyer {
    ping_url: String,
    post_url: String,
}

impl Adapter for JsonBuyer {
    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        summary: "Asks a buyer for a bid in JSON, and posts the lead in JSON.",
        // `x-codes` in it lists the codes of the rejections below.
        config_schema: include_str!("../config.schema.json"),
        needs: &[],
    };

    type Config = Self;

    fn open(config: Self) -> Result<Self, String> {
        Ok(config)
    }

    /// A bid may be wrong without harm. An error costs the account this lead, no more.
    fn ping(&self, lead: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String> {
        let Some(answer) = answers.first() else {
            return Ok(PingStep::Send(request(&self.ping_url, lead, [])));
        };
        let said = read(answer)?;
        Ok(match said.bid {
            None => PingStep::NoBid(said.reason.unwrap_or_else(|| "no price".to_owned())),
            amount => PingStep::Bid(Offer {
                amount,
                reference: said.id,
            }),
        })
    }

    /// Here the buyer gets the lead. Once it was sent, only `Accepted` and `Rejected` say how it
    /// ended. Say `Rejected` where the buyer certainly has not taken the lead: the next one gets
    /// it then. Where that is not certain, an error: the delivery is unconfirmed, and a person
    /// settles it.
    fn post(&self, lead: &Lead<'_>, won: &Offer, answers: &[Response]) -> Result<PostStep, String> {
        let Some(answer) = answers.first() else {
            let agreed = [("id", json!(won.reference)), ("price", json!(won.amount))];
            return Ok(PostStep::Send(request(&self.post_url, lead, agreed)));
        };
        let said = read(answer)?;
        match said.status.as_deref() {
            Some("accepted") => Ok(PostStep::Accepted(Acceptance {
                reference: said.id,
                price: None,
                redirect_url: None,
            })),
            Some("rejected") => Ok(PostStep::Rejected(Rejection {
                code: "buyer_rejected".to_owned(),
                detail: said.reason.unwrap_or_else(|| "no reason given".to_owned()),
            })),
            _ => Err("the buyer said neither accepted nor rejected".to_owned()),
        }
    }
}

fn request<const N: usize>(
    url: &str,
    lead: &Lead<'_>,
    agreed: [(&str, serde_json::Value); N],
) -> Request {
    let plain = |value| match value {
        Value::Integer(integer) => json!(integer),
        Value::Flag(flag) => json!(flag),
        Value::Text(text) | Value::Decimal(text) | Value::Date(text) => json!(text),
    };
    let fields = lead.fields().into_iter();
    let mut body: Map<_, _> = fields.map(|(name, value)| (name, plain(value))).collect();
    body.insert("order".to_owned(), json!(lead.order()));
    body.extend(agreed.map(|(name, value)| (name.to_owned(), value)));
    Request {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![
            Header::new("content-type", "application/json"),
            // The host puts the secret in its place. It has to be granted to the account, and
            // the buyer's address has to be among the account's `hosts`.
            Header::new("authorization", "Bearer {{secret:BUYER_KEY}}"),
        ],
        body: serde_json::Value::from(body).to_string().into_bytes(),
    }
}

/// What the buyer may say, to a ping or to a post.
#[derive(Deserialize)]
struct Said {
    bid: Option<String>,
    id: Option<String>,
    status: Option<String>,
    reason: Option<String>,
}

fn read(answer: &Response) -> Result<Said, String> {
    if answer.status != 200 {
        warn!("the buyer answered {}", answer.status);
        return Err(format!("the buyer answered {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|error| format!("the buyer's answer: {error}"))
}

export_adapter!(JsonBuyer);
