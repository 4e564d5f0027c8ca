//! The page: one document with everything in it. It needs no script and asks nobody for
//! anything, which its content security policy holds it to.
//!
//! | module | holds |
//! |---|---|
//! | here | the page from top to bottom |
//! | [`parts`] | tables, examples in several forms, tags |
//! | [`sending`] | what is sent: the quick start, ping, post and direct post |
//! | [`knowing`] | what is good to know: errors, limits, testing, how values are read |

mod knowing;
mod parts;
mod sending;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Instructions;
use crate::http::reply::time;

const STYLE: &str = include_str!("style.css");

/// Nothing but the page's own style, known by its hash.
pub(super) fn content_security_policy() -> String {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let hash = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        base64::engine::general_purpose::STANDARD.encode(hash)
    });
    format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        *HASH
    )
}

/// A section: what its link says, where that leads, and what is there.
struct Section {
    id: &'static str,
    title: &'static str,
    content: Markup,
}

/// The page.
pub(super) fn page(of: &Instructions) -> Markup {
    let contract = &of.contract;
    let title = format!("Posting instructions: {}", contract.campaign);
    let sections = sections(of);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                div.page {
                    nav aria-label="On this page" {
                        p { "On this page" }
                        ul {
                            @for section in &sections {
                                li { a href=(format!("#{}", section.id)) { (section.title) } }
                            }
                        }
                    }
                    main {
                        (head(of))
                        @for section in &sections {
                            section {
                                h2 id=(section.id) { (section.title) }
                                (section.content)
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head(of: &Instructions) -> Markup {
    let contract = &of.contract;
    let how = if of.is_direct() {
        "Direct post: one request with the whole lead"
    } else {
        "Ping, then post: an offer without personal data, then the whole lead to whoever bid"
    };
    html! {
        header {
            h1 { "Posting instructions" }
            p.lead {
                "How " (contract.supplier_name) " sends " (contract.lead_type)
                " leads to the campaign " strong { (contract.campaign) } ". "
                "Everything here was read from the running exchange when you opened this page, so it is never out of date."
            }
            @if !contract.is_active {
                div.note.warn {
                    p {
                        strong { "This campaign takes no leads at the moment. " }
                        "Requests are answered " code { "403 campaign_not_active" } " until it is opened; orders that were quoted can still be posted."
                    }
                }
            }
            dl.facts {
                dt { "Supplier" } dd { (contract.supplier_name) }
                dt { "Campaign" } dd { code { (contract.campaign) } }
                dt { "Lead type" } dd { (contract.lead_type) }
                dt { "Channel" } dd { (how) }
                dt { "Base URL" } dd { code { (of.base_url) } }
                dt { "Currency" } dd { (contract.currency) }
                dt { "As of" } dd { (time(of.made_at_ms)) }
                dt { "For machines" } dd {
                    @if let Some(link) = &of.openapi_link {
                        a href=(link) { "OpenAPI 3.1" } ", made just now as well"
                    } @else {
                        "OpenAPI 3.1, at this address with " code { "Accept: application/json" }
                    }
                }
            }
        }
    }
}

/// In the order in which an engineer needs them.
fn sections(of: &Instructions) -> Vec<Section> {
    let section = |id, title, content| Section { id, title, content };
    let mut sections = vec![
        section("quick-start", "Quick start", sending::quick_start(of)),
        section(
            "authentication",
            "Authentication",
            sending::authentication(),
        ),
    ];
    if of.is_direct() {
        sections.push(section("post", "The direct post", sending::direct(of)));
    } else {
        sections.push(section("ping", "The ping", sending::ping(of)));
        sections.push(section("post", "The post", sending::post(of)));
    }
    sections.extend([
        section("status", "What became of a lead", knowing::status(of)),
        section("errors", "Errors", knowing::errors(of)),
        section("duplicates", "Duplicates", knowing::duplicates(of)),
        section("limits", "Limits", knowing::limits(of)),
        section("testing", "Testing", knowing::testing(of)),
        section("values", "How values are read", knowing::values(of)),
        section("xml", "Answers as XML", knowing::xml(of)),
    ]);
    sections
}
