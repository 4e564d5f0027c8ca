//! Posting instructions: all that a supplier's engineer needs to send leads to one campaign.
//!
//! They are made at each request from the market in force, so they are never out of date, and
//! of a [`Contract`], so they cannot say what a supplier may not know.
//!
//! | module | holds |
//! |---|---|
//! | [`words`] | types, times and rules in words |
//! | [`errors`] | every error, reason and field code, and what to do about it |
//! | [`examples`] | requests that the API takes, and answers as it gives them |
//! | [`page`] | a page to read |
//! | [`openapi`] | an OpenAPI 3.1 document for machines |

mod errors;
mod examples;
mod openapi;
mod page;
mod words;

#[cfg(test)]
mod testing;

use gavel_exchange::clock;
use gavel_market::{
    contract::Contract,
    example::Examples,
    model::{Channel, OnChanged, OnUnknown},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::http::{
    negotiate,
    problem::Problem,
    reply::{self, Reply},
};

/// In which form they are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A page to read.
    Page,
    /// An OpenAPI document.
    OpenApi,
}

impl Form {
    /// What a request's `Accept` asks for; a page where it does not care.
    pub(crate) fn asked_for(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(
            match negotiate::choose(headers, &["text/html", "application/json"])? {
                "text/html" => Self::Page,
                _ => Self::OpenApi,
            },
        )
    }
}

/// All that is known when instructions are written.
pub(crate) struct Instructions {
    contract: Contract,
    /// Of the supplier API, without a slash at its end.
    base_url: String,
    max_body_bytes: usize,
    /// Where a browser finds the OpenAPI document; none for whoever came with a key.
    openapi_link: Option<String>,
    examples: Examples,
    made_at_ms: u64,
}

impl Instructions {
    /// For this contract, at this base URL.
    pub(crate) fn new(
        contract: Contract,
        base_url: String,
        max_body_bytes: usize,
        openapi_link: Option<String>,
    ) -> Self {
        let made_at_ms = clock::unix_ms();
        let now = i64::try_from(made_at_ms).unwrap_or(i64::MAX);
        let today = jiff::Timestamp::from_millisecond(now)
            .unwrap_or_default()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        Self {
            examples: Examples::of(&contract, today),
            contract,
            base_url,
            max_body_bytes,
            openapi_link,
            made_at_ms,
        }
    }

    fn is_direct(&self) -> bool {
        self.contract.channel == Channel::DirectPost
    }

    fn ignores_unknown(&self) -> bool {
        self.contract.unknown_fields == OnUnknown::Ignore
    }

    fn keeps_pinged(&self) -> bool {
        self.contract.on_changed == OnChanged::KeepPinged
    }

    /// Below the base URL, what this campaign's requests are sent to.
    fn path(&self, what: &str) -> String {
        format!("/v1/campaigns/{}/{what}", self.contract.campaign)
    }
}

/// The path and query of a link to a campaign's instructions.
pub(crate) fn path(campaign: &str, expires: &str, signature: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("expires", expires), ("signature", signature)])
        .finish();
    format!("/v1/campaigns/{campaign}/instructions?{query}")
}

/// The answer that has them.
pub(crate) fn reply(instructions: &Instructions, form: Form) -> Reply {
    match form {
        Form::OpenApi => reply::json(&openapi::document(instructions)),
        Form::Page => {
            let body = page::page(instructions).into_string();
            let mut reply = reply::with_body(StatusCode::OK, "text/html; charset=utf-8", body);
            let policy = HeaderValue::from_str(&page::content_security_policy());
            let headers: [(HeaderName, Option<HeaderValue>); 3] = [
                (header::CONTENT_SECURITY_POLICY, policy.ok()),
                (
                    header::X_CONTENT_TYPE_OPTIONS,
                    Some(HeaderValue::from_static("nosniff")),
                ),
                // The page's own address may be a signed link.
                (
                    header::REFERRER_POLICY,
                    Some(HeaderValue::from_static("no-referrer")),
                ),
            ];
            for (name, value) in headers {
                if let Some(value) = value {
                    reply.headers_mut().insert(name, value);
                }
            }
            reply
        }
    }
}
