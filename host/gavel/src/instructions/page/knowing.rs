//! What is good to know: errors, limits, testing, how values are read.

use maud::{Markup, html};

use super::{parts, sending};
use crate::{
    http::xml as notation,
    instructions::{
        Instructions,
        errors::{ERRORS, FIELD_CODES, Operation},
        words,
    },
};

pub(super) fn status(of: &Instructions) -> Markup {
    html! {
        (parts::endpoint("GET", &of.base_url, "/v1/leads/{lead_id}"))
        p { "Tells what you were told, what you are owed by now, and whether that can still change: " code { "finished" } " says that nothing more is tried. A test’s lead is found with " code { "?test=true" } ", or with a test key." }
        pre { code { (sending::status_command(of)) } }
        (parts::answer("status", &of.example_status()))
        p { code { "status" } " is " code { "sold" } ", " code { "accepted" } " or " code { "rejected" } " as you were told, or " code { "posting" } " while the post is under way. "
            code { "received_at" } " is when it came, " code { "deliveries" } " how many buyers have taken it by now, " code { "owed" } " what it earns you by now, less what was charged for leads given back." }
    }
}

pub(super) fn errors(of: &Instructions) -> Markup {
    let served: &[Operation] = if of.is_direct() {
        &[
            Operation::Direct,
            Operation::Status,
            Operation::Instructions,
        ]
    } else {
        &[
            Operation::Ping,
            Operation::Post,
            Operation::Status,
            Operation::Instructions,
        ]
    };
    let errors = ERRORS.iter().map(|error| {
        let at: Vec<String> = served
            .iter()
            .filter(|operation| error.at.contains(operation))
            .map(|operation| operation.word().to_owned())
            .collect();
        (error, at)
    });
    let errors: Vec<_> = errors.filter(|(_, at)| !at.is_empty()).collect();
    html! {
        p { "An error is a problem document (RFC 9457, " code { "application/problem+json" } "). " code { "code" } " is for your program, " code { "detail" } " for a person. It never repeats a value that you sent." }
        (parts::answer("problem", &of.example_problem()))
        table {
            thead { tr { th { "Status" } th { "Code" } th { "When" } th { "What to do" } } }
            tbody {
                @for (error, at) in &errors {
                    tr {
                        td { span.status { (error.status) } }
                        td { code { (error.code) } @if at.len() < served.len() { span.fine { (words::listed(at, "or")) } } }
                        td data-label="When" { (error.when) }
                        td data-label="What to do" { (error.then) }
                    }
                }
            }
        }
        h3 { "Codes of single fields" }
        p { "With " code { "invalid_fields" } ", " code { "errors" } " has an entry for every field and control that is wrong, all at once." }
        (parts::glossary("Code", &[FIELD_CODES]))
        h3 { "When you do not know what happened" }
        p {
            "After a lost connection or a timeout, send the same again. "
            @if of.is_direct() {
                "The same lead gets the same answer, and is sold once."
            } @else {
                "The same post gets the same answer, and is sold once; a ping does with an " code { "Idempotency-Key" } ", and without one is a new offer."
            }
        }
    }
}

pub(super) fn duplicates(of: &Instructions) -> Markup {
    let contract = &of.contract;
    let window = words::span(contract.window);
    html! {
        @match &contract.same_lead {
            Some(same) => {
                p { (words::same_lead(same)) " Values are compared as they are kept (see " a href="#values" { "how values are read" } "), e-mail addresses in lower case, and an absent one equals nothing. A duplicate is answered " code { "rejected" } " with the reason " code { "duplicate" } "." }
            }
            None => { p { "This campaign compares no fields with earlier leads." } }
        }
        @if of.is_direct() {
            p { "The very same lead, in all its fields, is recognised for " (window) " in any case, and gets the answer that it got before." }
        } @else {
            p { "The very same lead, in all its fields, is a duplicate in any case if it is posted to another order within " (window) "." }
        }
    }
}

pub(super) fn limits(of: &Instructions) -> Markup {
    let contract = &of.contract;
    html! {
        dl.facts {
            @if of.is_direct() {
                dt { "Offers are looked for" } dd { "at most " (words::span(contract.deadline)) }
            } @else {
                dt { "A ping is answered" } dd { "within " (words::span(contract.deadline)) }
                dt { "A bid stands" } dd { "for " (words::span(contract.window)) }
            }
            dt { "A post is answered" } dd {
                @if contract.waits { "within " (words::span(contract.post_deadline)) }
                @else { "as soon as the lead is kept; it is delivered afterwards" }
            }
            dt { "Rate" } dd {
                @match contract.rate_limit {
                    Some(limit) => {
                        (words::count(limit.per_second.get().into(), if of.is_direct() { "direct post" } else { "ping" })) " a second, "
                        (limit.burst) " at once after a pause; tests have the same limit, of their own"
                    }
                    None => { "no limit is set for this campaign" }
                }
            }
            dt { "A body" } dd { "at most " (words::size(of.max_body_bytes)) }
            dt { "Headers" } dd { "at most 64, and 16 KiB together" }
        }
        p { "Keep connections open between requests: a new one for each costs you more time than the exchange needs. An idle one is closed after 75 seconds." }
    }
}

pub(super) fn testing(of: &Instructions) -> Markup {
    html! {
        p {
            "A request with " code { "\"test\": true" } " (in a form " code { "_test=true" } "), or with a test key, takes the same way through the same rules. "
            "But no buyer is contacted, nothing is sold or paid, and it counts towards no cap, no duplicate and no report."
        }
        ul {
            li { "What a test is answered depends on how the exchange’s operator has set it up: ask for a bid, a rejection or a slow answer if you want to see one." }
            @if !of.is_direct() { li { "A test posts to a test’s order, and a real post to a real one. The other way round the order is " code { "404 not_found" } "." } }
            li { "The examples on this page are nobody: telephone numbers beginning 555-01, addresses at example.com. Please test with such." }
            li { "Errors are the same for tests, so they are a good way to see yours." }
        }
    }
}

pub(super) fn values(of: &Instructions) -> Markup {
    html! {
        p { "Blanks around a value are dropped. An empty value, or " code { "null" } ", is the same as none. Control characters other than tab and line feed are refused, and so is " code { "{{secret:" } "." }
        table {
            thead { tr { th { "Values" } th { "How they are read" } } }
            tbody {
                @for term in words::kinds_in_use(&of.contract) {
                    tr {
                        td { strong { @match term.spec.kind { gavel_market::field::FieldType::Text { .. } => { "Text" } _ => { (words::kind(&term.spec)) } } } }
                        td { (words::reading(&term.spec.kind)) }
                    }
                }
            }
        }
    }
}

pub(super) fn xml(of: &Instructions) -> Markup {
    let answer = if of.is_direct() {
        of.example_sold()
    } else {
        of.example_bid()
    };
    let document = String::from_utf8(notation::response(&answer)).unwrap_or_default();
    // On one line it is hard to read; what is between two elements of one answer is nothing.
    let document = document.replace("><", ">\n<");
    html! {
        p {
            "With " code { "Accept: application/xml" } " (or " code { "text/xml" } ") answers have the same shape in XML: each member an element of its name below "
            code { "<response>" } ", a list one element with an element of the singular name for each item, as in " code { "<errors><error>…" } ". Errors are below " code { "<problem>" } " (" code { "application/problem+xml" } ")."
        }
        pre { code { (document) } }
    }
}
