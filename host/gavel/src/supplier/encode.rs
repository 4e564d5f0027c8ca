//! From what the exchange answers to what a supplier reads, in the order of `api.md`. The
//! terms that these types have are all that a supplier may see.

use gavel_exchange::api::{LeadReply, PingReply, PostReply};
use gavel_market::{lead::FieldError, order, reason::FieldCode, record};
use serde::Serialize;

use crate::http::reply::time;

/// The answer to a ping.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum PingAnswer {
    Bid {
        status: &'static str,
        ping_id: String,
        ping_order_id: String,
        bid: String,
        currency: String,
        deliveries: u32,
        expires_at: String,
    },
    NoBid {
        status: &'static str,
        ping_id: String,
        reason: &'static str,
    },
}

impl From<&PingReply> for PingAnswer {
    fn from(reply: &PingReply) -> Self {
        let ping_id = reply.ping_id.to_string();
        match &reply.answer {
            record::PingAnswer::Bid {
                ping_order_id,
                bid,
                deliveries,
                expires_at_ms,
            } => Self::Bid {
                status: "bid",
                ping_id,
                ping_order_id: ping_order_id.to_string(),
                bid: bid.to_string(),
                currency: reply.currency.clone(),
                deliveries: *deliveries,
                expires_at: time(*expires_at_ms),
            },
            record::PingAnswer::NoBid { reason } => Self::NoBid {
                status: "no_bid",
                ping_id,
                reason: reason.word(),
            },
        }
    }
}

/// The part that a post's answer and a lead's status share.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    payout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payout_is: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// The word and the rest of what a supplier was told about a post.
fn outcome(answer: &order::PostAnswer, currency: &str) -> (&'static str, Outcome) {
    let paid = |payout: &gavel_market::money::Money| Outcome {
        payout: Some(payout.to_string()),
        currency: Some(currency.to_owned()),
        ..Outcome::default()
    };
    match answer {
        order::PostAnswer::Sold { payout, deliveries } => (
            "sold",
            Outcome {
                deliveries: Some(*deliveries),
                ..paid(payout)
            },
        ),
        order::PostAnswer::Accepted { payout, up_to } => (
            "accepted",
            Outcome {
                payout_is: up_to.then_some("up_to"),
                ..paid(payout)
            },
        ),
        order::PostAnswer::Rejected { reason } => (
            "rejected",
            Outcome {
                reason: Some(reason.word()),
                ..Outcome::default()
            },
        ),
    }
}

/// The answer to a post.
#[derive(Debug, Serialize)]
pub(crate) struct PostAnswer {
    status: &'static str,
    lead_id: String,
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Something that a supplier should know beside the answer.
#[derive(Debug, Serialize)]
struct Warning {
    field: String,
    code: FieldCode,
    message: String,
}

impl From<&FieldError> for Warning {
    fn from(error: &FieldError) -> Self {
        Self {
            field: error.field.clone(),
            code: error.code,
            message: error.message.clone().into_owned(),
        }
    }
}

impl From<&PostReply> for PostAnswer {
    fn from(reply: &PostReply) -> Self {
        let (status, outcome) = outcome(&reply.answer, &reply.currency);
        Self {
            status,
            lead_id: reply.lead_id.to_string(),
            outcome,
            redirect_url: reply.redirect_url.clone(),
            warnings: reply.warnings.iter().map(Warning::from).collect(),
        }
    }
}

/// What became of a lead.
#[derive(Debug, Serialize)]
pub(crate) struct LeadAnswer {
    /// What was answered to the post, or `posting` while it is under way.
    status: &'static str,
    lead_id: String,
    campaign: String,
    received_at: String,
    #[serde(flatten)]
    outcome: Outcome,
    /// What the lead earns its supplier by now, less what was charged for returns.
    owed: String,
    /// Whether nothing more will be tried.
    finished: bool,
}

impl From<&LeadReply> for LeadAnswer {
    fn from(reply: &LeadReply) -> Self {
        let (status, told) = match &reply.answer {
            Some(answer) => outcome(answer, &reply.currency),
            None => ("posting", Outcome::default()),
        };
        // What was promised "up to" is what it costs, once that cannot change any more.
        let told = match told.payout_is {
            Some(_) if reply.finished => Outcome {
                payout: Some(reply.cost.to_string()),
                payout_is: None,
                ..told
            },
            _ => told,
        };
        Self {
            status,
            lead_id: reply.lead_id.to_string(),
            campaign: reply.campaign.to_string(),
            received_at: time(reply.received_at_ms),
            outcome: Outcome {
                currency: Some(reply.currency.clone()),
                deliveries: Some(reply.deliveries),
                ..told
            },
            owed: reply.owed.to_string(),
            finished: reply.finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use gavel_market::{
        ids::{LeadId, OrderId, PingId, Ulid},
        money::Money,
        reason::{NoBidReason, RejectReason},
    };

    use super::*;

    const ULID: Ulid = Ulid(7);

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn written(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    fn ping(answer: record::PingAnswer) -> String {
        written(&PingAnswer::from(&PingReply {
            ping_id: PingId(ULID),
            answer,
            currency: "USD".into(),
            test: false,
            again: false,
        }))
    }

    fn post(
        answer: order::PostAnswer,
        redirect_url: Option<&str>,
        warnings: Vec<FieldError>,
    ) -> String {
        let redirect_url = redirect_url.map(str::to_owned);
        written(&PostAnswer::from(&PostReply {
            lead_id: LeadId(ULID),
            answer,
            currency: "USD".into(),
            redirect_url,
            warnings,
            test: false,
            again: false,
        }))
    }

    #[test]
    fn a_pings_answers_are_as_in_the_api() {
        let bid = record::PingAnswer::Bid {
            ping_order_id: OrderId(ULID),
            bid: money("15"),
            deliveries: 1,
            expires_at_ms: 1_795_428_300_500,
        };
        assert_eq!(
            ping(bid),
            r#"{"status":"bid","ping_id":"pg_00000000000000000000000007","ping_order_id":"po_00000000000000000000000007","bid":"15.00","currency":"USD","deliveries":1,"expires_at":"2026-11-23T10:05:00Z"}"#
        );
        assert_eq!(
            ping(record::PingAnswer::NoBid {
                reason: NoBidReason::NoCoverage
            }),
            r#"{"status":"no_bid","ping_id":"pg_00000000000000000000000007","reason":"no_coverage"}"#
        );
    }

    #[test]
    fn a_posts_answers_are_as_in_the_api() {
        assert_eq!(
            post(
                order::PostAnswer::Sold {
                    payout: money("15"),
                    deliveries: 1
                },
                Some("https://x.example/"),
                vec![]
            ),
            r#"{"status":"sold","lead_id":"ld_00000000000000000000000007","payout":"15.00","currency":"USD","deliveries":1,"redirect_url":"https://x.example/"}"#
        );
        assert_eq!(
            post(
                order::PostAnswer::Accepted {
                    payout: money("15"),
                    up_to: false
                },
                None,
                vec![]
            ),
            r#"{"status":"accepted","lead_id":"ld_00000000000000000000000007","payout":"15.00","currency":"USD"}"#
        );
        assert_eq!(
            post(
                order::PostAnswer::Rejected {
                    reason: RejectReason::NotDelivered
                },
                None,
                vec![]
            ),
            r#"{"status":"rejected","lead_id":"ld_00000000000000000000000007","reason":"not_delivered"}"#
        );
    }

    #[test]
    fn a_payout_that_is_not_fixed_yet_says_so_and_warnings_stand_beside_it() {
        let warning = FieldError::new("zip", FieldCode::FieldChanged, "differs");
        assert_eq!(
            post(
                order::PostAnswer::Accepted {
                    payout: money("15"),
                    up_to: true
                },
                None,
                vec![warning]
            ),
            r#"{"status":"accepted","lead_id":"ld_00000000000000000000000007","payout":"15.00","payout_is":"up_to","currency":"USD","warnings":[{"field":"zip","code":"field_changed","message":"differs"}]}"#
        );
    }
}
