//! What the page is put together from.

use gavel_market::{
    contract::{Need, Term},
    field::{FieldSpec, FieldType},
};
use maud::{Markup, html};
use serde_json::Value;

use crate::instructions::{
    errors::Word,
    examples::{self, Request},
    words,
};

/// A method and a URL.
pub(super) fn endpoint(method: &str, base_url: &str, path: &str) -> Markup {
    html! {
        p.endpoint { span.method { (method) } code { (base_url) (path) } }
    }
}

/// One request in several forms, one of which is shown. `name` says which example it is.
pub(super) fn request(place: &str, name: &str, request: &Request) -> Markup {
    let json = examples::pretty(&request.json);
    let forms = [
        ("curl", "curl-json", &request.curl_json, false),
        ("curl, as a form", "curl-form", &request.curl_form, false),
        ("JSON body", "json", &json, false),
        ("Form body", "form", &request.form, true),
    ];
    html! {
        div.tabs {
            @for (at, (title, form, _, _)) in forms.iter().enumerate() {
                input type="radio" name=(place) id=(format!("{place}-{form}")) checked[at == 0];
                label for=(format!("{place}-{form}")) { (title) }
            }
            @for (title, form, text, wrap) in &forms {
                div.panel {
                    h4 { (title) }
                    pre.wrap[*wrap] { code data-example=(name) data-form=(form) { (text) } }
                }
            }
        }
    }
}

/// An answer's body.
pub(super) fn answer(name: &str, answer: &Value) -> Markup {
    html! { pre { code data-answer=(name) { (examples::pretty(answer)) } } }
}

/// Says of an example what it lacks.
pub(super) fn lacking(names: &[std::sync::Arc<str>]) -> Markup {
    html! {
        @if !names.is_empty() {
            div.note.warn {
                p {
                    "No value could be made up for "
                    @for (at, name) in names.iter().enumerate() {
                        @if at > 0 { ", " }
                        code { (name) }
                    }
                    ", which must be sent: put one of your own into the examples."
                }
            }
        }
    }
}

/// Fields, and when they are wanted; `need` says which of a field's needs the table is about.
pub(super) fn fields<'a>(
    terms: impl Iterator<Item = &'a Term>,
    need: impl Fn(&Term) -> Need,
) -> Markup {
    let terms: Vec<&Term> = terms.collect();
    let described = terms.iter().any(|term| term.spec.description.is_some());
    html! {
        table {
            thead { tr { th { "Field" } th { "Values" } th { "Needed" } @if described { th { "Meaning" } } } }
            tbody {
                @for term in terms {
                    tr {
                        td { code { (term.spec.name) } }
                        td { (values(&term.spec)) }
                        td { (need_tag(need(term))) @if term.spec.personal { " " span.tag.personal { "personal" } } }
                        @if described { td { @if let Some(description) = &term.spec.description { (description) } } }
                    }
                }
            }
        }
    }
}

fn need_tag(need: Need) -> Markup {
    html! {
        span.tag.required[matches!(need, Need::Required | Need::RequiredUnlessPinged)] { (words::need(need)) }
    }
}

fn values(spec: &FieldSpec) -> Markup {
    let bounds = words::bounds(spec);
    html! {
        (words::kind(spec))
        @if !bounds.is_empty() { span.fine { (bounds) } }
        @if let FieldType::Text { one_of: Some(listed), .. } = &spec.kind {
            ul { @for value in listed { li { code { (value) } } } }
        }
        @if let Some(pattern) = words::pattern(spec) {
            span.fine { "must match " code { (pattern) } }
        }
    }
}

/// What may stand beside the lead.
pub(super) fn controls(rows: &[(&str, &str, String)]) -> Markup {
    html! {
        table {
            thead { tr { th { "JSON" } th { "Form" } th { "Meaning" } } }
            tbody {
                @for (json, form, meaning) in rows {
                    tr {
                        td { code { (json) } }
                        td data-label="in a form" { code { (form) } }
                        td { (meaning) }
                    }
                }
            }
        }
    }
}

/// Words and what they mean.
pub(super) fn glossary(title: &str, tables: &[&[Word]]) -> Markup {
    let mut told: Vec<&str> = Vec::new();
    let entries = tables.iter().copied().flatten().filter(|entry| {
        let is_new = !told.contains(&entry.word);
        told.push(entry.word);
        is_new
    });
    let entries: Vec<&Word> = entries.collect();
    html! {
        table.words {
            thead { tr { th { (title) } th { "Meaning" } } }
            tbody {
                @for entry in entries {
                    tr { td { code { (entry.word) } } td { (entry.meaning) } }
                }
            }
        }
    }
}
