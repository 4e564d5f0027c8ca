//! An example is taken, or there is none.

use serde_json::json;

use super::*;
use crate::{
    file,
    lead::{read_ping, read_post},
    model::{Campaign, Market},
};

const TODAY: Date = Date::constant(2026, 11, 23);

/// A market with these fields, and these keys of its one campaign.
fn market(fields: &str, campaign: &str) -> Market {
    let text = format!(
        "currency = \"USD\"\ntimezone = \"UTC\"\n\
         [lead_types.t.fields]\n{fields}\n\
         [suppliers.s]\nname = \"S\"\nkeys = []\n\
         [campaigns.c]\nsupplier = \"s\"\nlead_type = \"t\"\ncost = {{ per_lead = \"1\" }}\n{campaign}\n"
    );
    read(&text)
}

fn read(text: &str) -> Market {
    file::parse_toml(text).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn of(market: &Market) -> (&Campaign, Contract, Examples) {
    let campaign = &market.campaigns["c"];
    let contract = Contract::of(market, campaign);
    let examples = Examples::of(&contract, TODAY);
    (campaign, contract, examples)
}

fn raw(sent: &Sent) -> Vec<(String, Json)> {
    let fields = sent.fields.iter();
    fields
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect()
}

const FIELDS: &str = r#"
state = { type = "us_state" }
zip = { type = "us_zip" }
bill = { type = "decimal", min = "0.5", max = "0.75" }
panels = { type = "integer", min = 700 }
few = { type = "integer", max = -5 }
owner = { type = "flag" }
shade = { type = "text", one_of = ["don't know", "full"] }
code = { type = "text", pattern = "[A-Z]{2}-\\d{4}(-[a-f0-9]+)?" }
ten = { type = "text", pattern = "[2-9]\\d{9}" }
two = { type = "text", max_length = 2 }
on = { type = "date" }
consent = { type = "url" }
from = { type = "ip" }
first_name = { type = "text", personal = true, max_length = 3 }
email = { type = "email", personal = true }
phone = { type = "us_phone", personal = true }
"#;

#[test]
fn every_example_is_taken_as_it_is_sent() {
    let market = market(
        FIELDS,
        "ping.required = [\"state\", \"code\"]\npost.required = [\"phone\", \"zip\"]",
    );
    let (campaign, contract, examples) = of(&market);
    let ping = read_ping(campaign, &raw(&examples.ping), None).expect("a ping");
    assert!(examples.ping.lacking.is_empty() && examples.post.lacking.is_empty());
    read_post(campaign, &raw(&examples.post), &ping).expect("a post");
    let sent = examples.ping.fields.len() + examples.post.fields.len();
    assert_eq!(sent, contract.terms.len(), "{examples:?}");
}

#[test]
fn an_example_is_nobodys() {
    let market = market(FIELDS, "");
    let (_, _, examples) = of(&market);
    assert_eq!(
        raw(&examples.post),
        [
            ("first_name".to_owned(), json!("Jor")),
            ("email".into(), json!("jordan.sample@example.com")),
            ("phone".into(), json!("(202) 555-0142")),
        ]
    );
}

#[test]
fn a_required_field_without_an_example_is_named() {
    let market = market(
        "odd = { type = \"text\", pattern = '(?i)q{7}' }\nother = { type = \"text\", pattern = '(?i)q{8}' }\n\
         none = { type = \"text\", pattern = '(?i)q{9}' }",
        "ping.required = [\"odd\"]\npost.required = [\"other\"]",
    );
    let (_, _, examples) = of(&market);
    assert_eq!(examples.ping.lacking, [Arc::from("odd")]);
    assert_eq!(examples.post.lacking, [Arc::from("other")]);
    assert!(examples.ping.fields.is_empty());
}

#[test]
fn what_may_be_pinged_does_not_look_personal() {
    let market = market(
        "ten = { type = \"text\", pattern = '[2-9]\\d{2}-[2-9]\\d{2}-\\d{4}' }",
        "ping.required = [\"ten\"]",
    );
    let (_, _, examples) = of(&market);
    assert_eq!(examples.ping.lacking, [Arc::from("ten")]);
}

#[test]
fn common_patterns_have_examples() {
    for pattern in [
        r"\d{5}",
        r"^[A-Z]{3}[0-9]{4}$",
        r"(red|green|blue)(-light)?",
        r"[^\s@]+",
        r"v\d+\.\d+\.\d+",
        r"[A-HJ-NPR-Z0-9]{17}",
        r"\+?[0-9 ()-]{7,20}",
        r"(?:[01]\d|2[0-3]):[0-5]\d",
        r"[[:alpha:]]{0}A.*",
        r"[]x]y",
        r"\w+(?P<part>_\w+)*",
        r"[a-z]{2,}?",
        r"\$\d{1,3}(,\d{3})*",
    ] {
        let whole = crate::criteria::whole_value(pattern).expect("a pattern");
        let found = pattern::texts(whole.as_str(), PATTERN_TRIES);
        let taken = found.iter().any(|text| whole.is_match(text));
        assert_eq!(taken, !pattern.contains("[:"), "{pattern}: {found:?}");
    }
}

#[test]
fn endless_patterns_end() {
    for pattern in [
        "((((a{100}){100}){100}){100}){100}",
        &"(".repeat(5000),
        "[",
        "a{",
        "\\",
    ] {
        for text in pattern::texts(pattern, PATTERN_TRIES) {
            assert!(text.len() < 1000);
        }
    }
}

#[test]
fn a_direct_post_sends_the_lead_whole() {
    let mut market = market(FIELDS, "post.required = [\"state\", \"phone\"]");
    let campaign = market.campaigns.get_mut("c").expect("there");
    let campaign = Arc::get_mut(campaign).expect("unshared");
    campaign.channel = Channel::DirectPost;
    let (campaign, contract, examples) = of(&market);
    assert!(examples.ping.fields.is_empty());
    assert_eq!(examples.post.fields.len(), contract.terms.len());
    let nothing = crate::lead::PingLead::new(Arc::clone(&campaign.lead_type), []);
    read_post(campaign, &raw(&examples.post), &nothing).expect("a post");
}
