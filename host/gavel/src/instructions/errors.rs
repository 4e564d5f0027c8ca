//! Every error, reason and field code that a supplier may meet, and what to do about it.

use self::Operation::{Direct, Instructions, Ping, Post, Status};

/// One request of the supplier API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Ping,
    Post,
    Direct,
    Status,
    Instructions,
}

impl Operation {
    /// What it is called in words.
    pub(super) fn word(self) -> &'static str {
        match self {
            Ping => "ping",
            Post => "post",
            Direct => "direct post",
            Status => "status",
            Instructions => "instructions",
        }
    }
}

/// One code, as an answer other than `200` has it.
pub(super) struct Error {
    pub(super) status: u16,
    pub(super) code: &'static str,
    /// To which requests.
    pub(super) at: &'static [Operation],
    pub(super) when: &'static str,
    pub(super) then: &'static str,
}

const ALL: &[Operation] = &[Ping, Post, Direct, Status, Instructions];
/// Those that have a body.
const BODY: &[Operation] = &[Ping, Post, Direct];

/// Every error, by status.
pub(super) const ERRORS: &[Error] = &[
    Error {
        status: 400,
        code: "malformed",
        at: ALL,
        when: "The body is no valid JSON or form, or the request no valid HTTP; detail has the line and column.",
        then: "Fix it: sent as it is, it fails again.",
    },
    Error {
        status: 401,
        code: "unauthenticated",
        at: ALL,
        when: "There is no Authorization: Bearer header, or no such key.",
        then: "Send your key; if it was just replaced, send the new one.",
    },
    Error {
        status: 403,
        code: "campaign_not_active",
        at: &[Ping, Direct],
        when: "The campaign takes no leads now.",
        then: "Hold your leads, and ask whoever runs the exchange.",
    },
    Error {
        status: 403,
        code: "link_invalid",
        at: &[Instructions],
        when: "The signed link is not whole, or was never one to this campaign.",
        then: "Copy it again, or send your key.",
    },
    Error {
        status: 403,
        code: "link_expired",
        at: &[Instructions],
        when: "The signed link was good once.",
        then: "Ask for a new one, or send your key.",
    },
    Error {
        status: 404,
        code: "not_found",
        at: ALL,
        when: "For this key there is no such campaign, order or lead. Tests and real leads do not see each other.",
        then: "Check the address, the id, the key, and test.",
    },
    Error {
        status: 405,
        code: "method_not_allowed",
        at: ALL,
        when: "Another method than the header Allow names.",
        then: "Use that one.",
    },
    Error {
        status: 406,
        code: "not_acceptable",
        at: ALL,
        when: "Accept names nothing that this is offered in.",
        then: "Accept application/json.",
    },
    Error {
        status: 408,
        code: "request_timeout",
        at: BODY,
        when: "The body did not arrive within 20 seconds.",
        then: "Send it again.",
    },
    Error {
        status: 409,
        code: "post_in_progress",
        at: &[Post, Direct],
        when: "The same order, or the same lead, is being posted at this moment.",
        then: "Wait as many seconds as Retry-After says and send the same again: you get the first one's answer.",
    },
    Error {
        status: 409,
        code: "already_posted",
        at: &[Post, Direct],
        when: "The order was settled with another lead, or the same lead so long ago that its answer is not kept any more.",
        then: "Ping again for the other lead.",
    },
    Error {
        status: 409,
        code: "wrong_channel",
        at: BODY,
        when: "A ping or post to a campaign that takes direct posts, or the other way round.",
        then: "Send what this page describes.",
    },
    Error {
        status: 410,
        code: "order_expired",
        at: &[Post],
        when: "The order's expires_at is over; nothing was delivered.",
        then: "Ping again.",
    },
    Error {
        status: 413,
        code: "too_large",
        at: BODY,
        when: "The body is larger than it may be.",
        then: "Send one lead at a time, and its fields only.",
    },
    Error {
        status: 415,
        code: "unsupported_media_type",
        at: BODY,
        when: "The body is neither JSON nor a form, or it is compressed or not UTF-8.",
        then: "Send Content-Type: application/json or application/x-www-form-urlencoded.",
    },
    Error {
        status: 422,
        code: "invalid_fields",
        at: ALL,
        when: "Fields or controls are missing or wrong; errors names every one of them.",
        then: "Fix them all and send it again; an order stays open meanwhile.",
    },
    Error {
        status: 422,
        code: "idempotency_key_reused",
        at: &[Ping],
        when: "The Idempotency-Key stood with another request before.",
        then: "Take a new key for every lead.",
    },
    Error {
        status: 429,
        code: "rate_limited",
        at: &[Ping, Direct],
        when: "More requests than the campaign's rate limit.",
        then: "Wait as many seconds as Retry-After says.",
    },
    Error {
        status: 429,
        code: "campaign_cap_reached",
        at: &[Ping, Direct],
        when: "The campaign has taken as many leads as it may for now.",
        then: "Come back in the next hour or on the next day.",
    },
    Error {
        status: 431,
        code: "headers_too_large",
        at: ALL,
        when: "More than 64 headers, or more than 16 KiB of them.",
        then: "Send fewer.",
    },
    Error {
        status: 500,
        code: "internal",
        at: ALL,
        when: "The exchange cannot answer now; its operator's log says why.",
        then: "Send the same again later: nothing is sold twice.",
    },
    Error {
        status: 503,
        code: "overloaded",
        at: ALL,
        when: "Too much is in flight.",
        then: "Wait as many seconds as Retry-After says, and send the same again.",
    },
    Error {
        status: 503,
        code: "shutting_down",
        at: ALL,
        when: "The exchange restarts.",
        then: "Wait as many seconds as Retry-After says, and send the same again.",
    },
];

/// A word and its meaning.
pub(super) struct Word {
    pub(super) word: &'static str,
    pub(super) meaning: &'static str,
}

const fn word(word: &'static str, meaning: &'static str) -> Word {
    Word { word, meaning }
}

/// What `errors` says of one field.
pub(super) const FIELD_CODES: &[Word] = &[
    word("missing", "Required, and absent or empty."),
    word(
        "unknown_field",
        "There is no such field or control; suggestion has the one that was probably meant.",
    ),
    word("wrong_type", "Another JSON type than the field takes."),
    word("out_of_range", "Below its minimum or above its maximum."),
    word(
        "not_allowed",
        "Not one of the values that the field takes, sent twice, or with control characters.",
    ),
    word(
        "bad_format",
        "Not of the form that its type or its pattern asks for.",
    ),
    word("too_long", "Longer than it may be."),
    word(
        "personal_field",
        "A personal field in a ping. Send it with the post.",
    ),
    word(
        "looks_personal",
        "A value in a ping that looks like an e-mail address, a telephone number or a social security number.",
    ),
    word(
        "field_changed",
        "A pinged field with another value in the post.",
    ),
];

/// Why a ping is answered `no_bid`.
pub(super) const NO_BID: &[Word] = &[
    word("no_coverage", "Nobody wants such a lead now."),
    word("too_few_buyers", "Fewer bids than this campaign asks for."),
    word(
        "below_min_revenue",
        "The bids are too low for this campaign.",
    ),
    word(
        "below_min_profit",
        "The bids are too low for this campaign.",
    ),
    word(
        "below_min_profit_percent",
        "The bids are too low for this campaign.",
    ),
    word("below_min_bid", "The best offer is below your min_bid."),
    word(
        "no_time",
        "The time was over before there was an offer that could be kept.",
    ),
];

/// Why a post is answered `rejected` once it was tried to deliver it: where its supplier waits.
pub(super) const NOT_DELIVERED: &[Word] = &[
    word("not_delivered", "Nobody took it. The lead is yours again."),
    word(
        "delivery_unconfirmed",
        "It may have been delivered, and nobody knows yet. You are not paid; do not sell it as if nobody had it.",
    ),
];

/// Why a post is answered `rejected` before; of a direct post also what is in [`NO_BID`].
pub(super) const NOT_TAKEN: &[Word] = &[
    word("duplicate", "It was taken before."),
    word(
        "no_coverage",
        "With the whole lead known, nobody wants it any more.",
    ),
    word(
        "campaign_cap_reached",
        "The campaign has taken as many leads as it may for now.",
    ),
];

/// Those that one request may meet.
pub(super) fn of(operation: Operation) -> impl Iterator<Item = &'static Error> {
    ERRORS
        .iter()
        .filter(move |error| error.at.contains(&operation))
}

#[cfg(test)]
mod tests {
    use gavel_exchange::{api::Refusal, contract::LinkRefused};
    use gavel_market::reason::{FieldCode, NoBidReason, RejectReason};
    use serde_json::Value;

    use super::*;
    use crate::http::problem::Problem;

    #[test]
    fn whatever_the_exchange_refuses_is_told() {
        let of_links = [LinkRefused::Invalid, LinkRefused::Expired].map(Problem::from);
        let refusals = [
            Refusal::NotFound,
            Refusal::WrongChannel,
            Refusal::CampaignNotActive,
            Refusal::RateLimited {
                retry_after: std::time::Duration::from_secs(1),
            },
            Refusal::CampaignCapReached,
            Refusal::InvalidFields(Vec::new()),
            Refusal::IdempotencyKeyReused,
            Refusal::PostInProgress,
            Refusal::AlreadyPosted,
            Refusal::OrderExpired,
            Refusal::Overloaded,
            Refusal::ShuttingDown,
            Refusal::Broken,
        ];
        for problem in refusals.map(Problem::from).into_iter().chain(of_links) {
            let code = problem.code();
            let told = ERRORS
                .iter()
                .any(|error| error.code == code.word() && error.status == code.status().as_u16());
            assert!(told, "{code:?}");
        }
    }

    #[test]
    fn every_word_that_is_told_is_one() {
        let known = |table: &[Word], is_one: fn(Value) -> bool| {
            for entry in table {
                assert!(is_one(entry.word.into()), "{}", entry.word);
            }
        };
        known(FIELD_CODES, |word| {
            serde_json::from_value::<FieldCode>(word).is_ok()
        });
        known(NO_BID, |word| {
            serde_json::from_value::<NoBidReason>(word).is_ok()
        });
        for table in [NOT_DELIVERED, NOT_TAKEN] {
            known(table, |word| {
                serde_json::from_value::<RejectReason>(word).is_ok()
            });
        }
        assert_eq!((FIELD_CODES.len(), NO_BID.len()), (10, 7));
        assert_eq!((NOT_DELIVERED.len(), NOT_TAKEN.len()), (2, 3));
    }
}
