//! What is sent: the quick start, ping, post and direct post.

use gavel_market::{
    contract::{Need, Term},
    lead::SUB_ID_MAX_LENGTH,
};
use maud::{Markup, html};

use super::parts;
use crate::instructions::{
    Instructions,
    errors::{NO_BID, NOT_DELIVERED, NOT_TAKEN},
    words,
};

pub(super) fn quick_start(of: &Instructions) -> Markup {
    let first = if of.is_direct() {
        of.example_direct_post()
    } else {
        of.example_ping()
    };
    let post = of.example_post();
    html! {
        p { "Three steps, all with " code { "\"test\": true" } ": no buyer is contacted, nothing is sold, nothing is counted." }
        ol.steps {
            li {
                p { "Put the key that you were given into your shell." }
                pre { code { "export GAVEL_KEY='…'" } }
            }
            @if of.is_direct() {
                li {
                    p { "Send a lead. The answer is " code { "sold" } ", " code { "accepted" } " or " code { "rejected" } ", with a " code { "lead_id" } "." }
                    pre { code data-example="quick-direct" data-form="curl-json" { (first.curl_json) } }
                }
                li {
                    p { "Ask what became of it: put the " code { "lead_id" } " of the answer in." }
                    pre { code { (status_command(of)) } }
                }
            } @else {
                li {
                    p { "Ping: offer a lead without personal data. A " code { "bid" } " comes with a " code { "ping_order_id" } "." }
                    pre { code data-example="quick-ping" data-form="curl-json" { (first.curl_json) } }
                }
                li {
                    p { "Post the rest to that order, within " (words::span(of.contract.window)) ": put the " code { "ping_order_id" } " of the answer in." }
                    pre { code data-example="quick-post" data-form="curl-json" { (post.curl_json) } }
                }
            }
        }
        p { "To sell for real, send real leads without " code { "\"test\": true" } "." }
        (parts::lacking(&of.examples.ping.lacking))
        (parts::lacking(&of.examples.post.lacking))
    }
}

/// The command that asks for a test lead.
pub(super) fn status_command(of: &Instructions) -> String {
    format!(
        "curl '{}/v1/leads/{}?test=true' \\\n  -H \"Authorization: Bearer $GAVEL_KEY\"",
        of.base_url,
        crate::instructions::examples::lead()
    )
}

pub(super) fn authentication() -> Markup {
    html! {
        p { "Every request carries your key:" }
        pre { code { "Authorization: Bearer YOUR_KEY" } }
        p {
            "Keep it on your server: whoever has it can sell in your name. A " em { "test key" }
            " makes every request a test, whatever the request says of itself. You can hold several keys at once, so one can be replaced without a pause."
        }
        p {
            "Send JSON (" code { "Content-Type: application/json" } ") or a form (" code { "application/x-www-form-urlencoded" }
            "), in UTF-8 and not compressed. In a form the lead’s fields stand flat, and what stands beside the lead begins with an underscore."
        }
        p {
            "Every answer has an " code { "X-Request-Id" } ": your own, if you send one of letters, digits, " code { "-" } " and " code { "_" }
            ", or one made for you. Quote it when you ask about a request."
        }
    }
}

pub(super) fn ping(of: &Instructions) -> Markup {
    let contract = &of.contract;
    let personal: Vec<&Term> = contract
        .terms
        .iter()
        .filter(|term| term.spec.personal)
        .collect();
    let drops = personal.iter().any(|term| term.at_ping == Need::Dropped);
    html! {
        (parts::endpoint("POST", &of.base_url, &of.path("ping")))
        p { "Offers a lead, and asks everybody who may want it at once. The answer comes within " (words::span(contract.deadline)) "." }
        @if !personal.is_empty() {
            div.note {
                p {
                    "Nothing personal belongs into a ping. "
                    @for (at, term) in personal.iter().enumerate() { @if at > 0 { ", " } code { (term.spec.name) } }
                    @if drops { " are dropped unread." } @else { " are refused." }
                }
            }
        }
        p { "A text that looks like an e-mail address, a telephone number or a social security number is refused, in the " code { "sub_id" } " too." }
        h3 { "The lead’s fields" }
        (parts::fields(contract.terms.iter().filter(|term| !term.spec.personal), |term| term.at_ping))
        (unknown_fields(of))
        h3 { "Beside the lead" }
        (parts::controls(&ping_controls(of, true)))
        p {
            "With an " code { "Idempotency-Key" } " (a header of up to 255 characters, or the control " code { "_idempotency_key" }
            ") a ping is safe to send again: the same key with the same request gets the first answer, for as long as that order stands. Without one, every ping is a new lead."
        }
        h3 { "Example" }
        (parts::request("ping", "ping", &of.example_ping()))
        (parts::lacking(&of.examples.ping.lacking))
        h3 { "Answers" }
        p { span.status { "200" } " – understood, and somebody bids. The order is yours to post to until " code { "expires_at" }
            "; " code { "bid" } " is what you are paid, " code { "deliveries" } " how many buyers it goes to." }
        (parts::answer("ping", &of.example_bid()))
        p { span.status { "200" } " – understood, and there is no bid." }
        (parts::answer("ping", &Instructions::example_no_bid()))
        (parts::glossary("Reason of no_bid", &[NO_BID]))
        p { "Every other status is an " a href="#errors" { "error" } "." }
    }
}

pub(super) fn post(of: &Instructions) -> Markup {
    let contract = &of.contract;
    let again: Vec<&Term> = contract
        .terms
        .iter()
        .filter(|term| term.at_post == Need::RequiredUnlessPinged)
        .collect();
    let changed = if of.keeps_pinged() {
        "Where one is repeated with another value, the pinged value stands, and the answer has a warning."
    } else {
        "Where one is repeated, its value must be the same."
    };
    html! {
        (parts::endpoint("POST", &of.base_url, &of.path("post")))
        p { "Sends the rest of the lead to the order that the ping’s answer named. One order takes one lead: the same post again gets the same answer, so it is safe to repeat." }
        h3 { "The lead’s fields" }
        p { "Fields that were pinged need not be repeated. " (changed) }
        @if !again.is_empty() {
            p {
                "The post needs these too, unless the ping had them: "
                @for (at, term) in again.iter().enumerate() { @if at > 0 { ", " } code { (term.spec.name) } }
                "."
            }
        }
        (parts::fields(contract.terms.iter().filter(|term| term.spec.personal), |term| term.at_post))
        h3 { "Beside the lead" }
        (parts::controls(&[
            ("ping_order_id", "_ping_order_id", "Required: the order, as the ping’s answer gave it.".into()),
            ("test", "_test", "As in the ping: a test posts to a test’s order.".into()),
        ]))
        h3 { "Example" }
        (parts::request("post", "post", &of.example_post()))
        (parts::lacking(&of.examples.post.lacking))
        (answers(of))
    }
}

pub(super) fn direct(of: &Instructions) -> Markup {
    let contract = &of.contract;
    html! {
        (parts::endpoint("POST", &of.base_url, &of.path("lead")))
        p {
            "Sends a whole lead, and sells it to whoever offers best. The same lead again within " (words::span(contract.window))
            " gets the same answer, so it is safe to repeat."
        }
        h3 { "The lead’s fields" }
        (parts::fields(contract.terms.iter(), |term| term.at_post))
        (unknown_fields(of))
        h3 { "Beside the lead" }
        (parts::controls(&ping_controls(of, false)))
        h3 { "Example" }
        (parts::request("direct", "direct", &of.example_direct_post()))
        (parts::lacking(&of.examples.post.lacking))
        (answers(of))
    }
}

/// The answers to a post of either kind.
fn answers(of: &Instructions) -> Markup {
    let contract = &of.contract;
    let delivered = contract.waits.then_some(NOT_DELIVERED);
    let offered = of.is_direct().then_some(NO_BID);
    let reasons: Vec<_> = [delivered, Some(NOT_TAKEN), offered]
        .into_iter()
        .flatten()
        .collect();
    html! {
        h3 { "Answers" }
        @if contract.waits {
            p { span.status { "200" } " – " code { "sold" } ". It was delivered, and you are paid " code { "payout" }
                ". Where there is a " code { "redirect_url" } ", send the consumer there. The answer comes within " (words::span(contract.post_deadline)) "; let your client wait that long." }
            (parts::answer("post", &of.example_sold()))
        } @else {
            p { span.status { "200" } " – " code { "accepted" } ". The lead is taken, and that is never taken back; it is delivered afterwards. "
                "Where " code { "\"payout_is\": \"up_to\"" } " stands beside it, the payout is not fixed yet: see " a href="#status" { "what became of it" } " later." }
            (parts::answer("post", &of.example_accepted()))
        }
        p { span.status { "200" } " – " code { "rejected" } ". You are not paid for it." }
        (parts::answer("post", &of.example_rejected()))
        (parts::glossary("Reason of rejected", &reasons))
        p { code { "warnings" } ", a list of " code { "field" } ", " code { "code" } " and " code { "message" } ", stands in an answer where there is something that you should know. Every other status is an " a href="#errors" { "error" } "." }
    }
}

fn unknown_fields(of: &Instructions) -> Markup {
    html! {
        p.fine {
            @if of.ignores_unknown() { "Fields that are not in this table are ignored." }
            @else { "Fields that are not in this table are errors." }
            " An empty value, or " code { "null" } ", is an absent one. See " a href="#values" { "how values are read" } "."
        }
    }
}

fn ping_controls(of: &Instructions, is_ping: bool) -> Vec<(&'static str, &'static str, String)> {
    let deadline = words::span(of.contract.deadline);
    let mut rows = vec![
        (
            "tmax_ms",
            "_tmax_ms",
            if is_ping {
                format!(
                    "Your own deadline in milliseconds, at least 50. Without it, and at most, {deadline}."
                )
            } else {
                format!(
                    "How long to look for offers, in milliseconds, at least 50. Without it, and at most, {deadline}."
                )
            },
        ),
        (
            "min_bid",
            "_min_bid",
            "The least that you would take: an amount in a string, such as \"12.50\".".into(),
        ),
        (
            "sub_id",
            "_sub_id",
            format!(
                "Where the lead came from, in your own words: at most {SUB_ID_MAX_LENGTH} characters, nothing personal."
            ),
        ),
        (
            "test",
            "_test",
            "true for a test, which touches nothing real.".into(),
        ),
    ];
    if is_ping {
        rows.push((
            "idempotency_key",
            "_idempotency_key",
            "Instead of the header Idempotency-Key.".into(),
        ));
    }
    rows
}
