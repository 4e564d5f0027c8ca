//! What the page says, and what it does not.

use crate::instructions::testing::{direct, instructions, of_fields};

use super::*;

fn written(of: &Instructions) -> String {
    page(of).into_string()
}

#[test]
fn the_page_names_every_field_and_says_when_it_is_needed() {
    let page = written(&instructions(
        "ping.required = [\"state\"]\npost.required = [\"phone\", \"zip\"]",
    ));
    for name in [
        "state",
        "zip",
        "monthly_bill",
        "homeowner",
        "shade",
        "code",
        "phone",
        "email",
    ] {
        assert!(
            page.contains(&format!("<td><code>{name}</code></td>")),
            "{name}"
        );
    }
    assert!(
        page.contains("from 0 to 100000")
            && page.contains(r"must match <code>[A-Z]{2}\d{4}</code>")
    );
    assert!(page.contains("The post needs these too, unless the ping had them: <code>zip</code>."));
}

#[test]
fn what_others_wrote_is_text_and_no_markup() {
    let page = written(&instructions(""));
    assert!(page.contains("SunLeads &lt;Media&gt;") && page.contains("it's &lt;partial&gt;"));
    assert!(!page.contains("<partial>") && !page.contains("<Media>"));
}

#[test]
fn nothing_of_buyers_or_prices_is_there() {
    let page = written(&instructions(
        "ping.min_profit = \"3.21\"\nping.min_revenue = \"87.65\"",
    ));
    for secret in ["ecret", "98.76", "3.21", "87.65"] {
        assert!(!page.replace("{{secret:", "").contains(secret), "{secret}");
    }
}

#[test]
fn a_direct_post_has_no_ping() {
    let page = written(&direct("post.required = [\"phone\"]"));
    assert!(page.contains("/v1/campaigns/solar-west/lead"));
    assert!(!page.contains("/solar-west/ping") && !page.contains("ping_order_id"));
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let page = written(&instructions(""));
    for outside in [
        "<script", "<link", "<img", " src=", "@import", "url(", " style=",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let policy = content_security_policy();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(page.contains(&format!("<style>{STYLE}</style>")));
}

#[test]
fn a_campaign_that_takes_nothing_says_so() {
    assert!(!written(&instructions("")).contains("takes no leads at the moment"));
    assert!(
        written(&instructions("status = \"on_hold\"")).contains("takes no leads at the moment")
    );
}

#[test]
fn a_required_field_without_an_example_is_said_plainly() {
    let page = written(&of_fields(
        "odd = { type = \"text\", pattern = '(?i)q{7}' }",
        "ping.required = [\"odd\"]",
    ));
    assert!(page.contains("No value could be made up for <code>odd</code>"));
}
