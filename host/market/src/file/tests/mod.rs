//! What is true of the file as a whole; the others have the rest.

mod accounts;
mod buying;
mod example;
mod parts;
mod rules;

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    criteria::Test,
    field::{FieldType, Value},
    model::{
        AccountStatus, CostModel, HeldValue, Instances, OnUnconfirmed, PluginSource, RankBy,
        SecretSource,
    },
    money::Money,
};

/// The example market, which has every key there is.
const EXAMPLE: &str = include_str!("../../../../../examples/market.example.toml");

/// Half a market: what stands around the part that a test is about.
const AROUND: &str = r#"
currency = "USD"
[lead_types.solar.fields]
state = { type = "us_state" }
bill = { type = "decimal", min = "0" }
panels = { type = "integer", min = 1, max = 500 }
homeowner = { type = "flag" }
shade = { type = "text", one_of = ["none", "partial", "full"] }
by = { type = "date" }
zip = { type = "us_zip" }
phone = { type = "us_phone", personal = true }
[suppliers.sunleads]
[buyers.sunco]
[plugins.adapter]
path = "adapter.wasm"
"#;

fn account(keys: &str) -> String {
    format!(
        "{AROUND}\n[accounts.a]\nbuyer = \"sunco\"\nlead_type = \"solar\"\nadapter = {{ plugin = \"adapter\" }}\n{keys}\n"
    )
}

fn campaign(keys: &str) -> String {
    format!(
        "{AROUND}\n[campaigns.c]\nsupplier = \"sunleads\"\nlead_type = \"solar\"\ncost = {{ per_lead = \"15.00\" }}\n{keys}\n"
    )
}

fn fields(fields: &str) -> String {
    format!("currency = \"USD\"\n[lead_types.solar.fields]\n{fields}\n")
}

#[track_caller]
fn good(text: &str) -> Market {
    parse_toml(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[track_caller]
fn errors(text: &str) -> Vec<MarketError> {
    parse_toml(text).expect_err("errors")
}

/// The only error's path, code and suggestion.
#[track_caller]
fn one(text: &str) -> (String, &'static str, Option<String>) {
    let mut errors = errors(text);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let error = errors.remove(0);
    (error.path, error.code, error.suggestion)
}

#[track_caller]
fn refused(text: &str, path: &str, code: &str) {
    let (found_path, found_code, _) = one(text);
    assert_eq!((found_path.as_str(), found_code), (path, code));
}

#[track_caller]
fn suggests(text: &str, path: &str, code: &str, suggestion: &str) {
    let found = one(text);
    assert_eq!(
        (found.0.as_str(), found.1, found.2.as_deref()),
        (path, code, Some(suggestion))
    );
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("positive")
}

#[track_caller]
fn read_account(keys: &str) -> crate::model::Account {
    let mut market = good(&account(keys));
    std::sync::Arc::into_inner(market.accounts.remove(0)).expect("one owner")
}

#[track_caller]
fn refused_accounts(cases: &[(&str, &str, &str)]) {
    for (keys, key, code) in cases {
        refused(&account(keys), &format!("accounts.a.{key}"), code);
    }
}

#[test]
fn the_example_is_read_whole() {
    let market = good(EXAMPLE);
    assert_eq!(market.currency, "USD");
    assert_eq!(market.timezone.iana_name(), Some("America/Phoenix"));
    assert_eq!(market.retention, Duration::from_hours(30 * 24));

    let solar = &market.lead_types["solar"];
    let names: Vec<_> = solar.fields.iter().map(|field| &*field.name).collect();
    assert_eq!(names[..4], ["state", "zip", "monthly_bill", "homeowner"]);
    assert_eq!(
        solar.fields.iter().filter(|field| field.personal).count(),
        5
    );

    let campaign = &market.campaigns["solar-west"];
    assert_eq!(
        campaign.cost,
        CostModel::PerLead(Money::parse("15.00").expect("money"))
    );
    assert_eq!(campaign.deadline, Duration::from_millis(1500));
    assert_eq!(
        (campaign.selection.by, campaign.selection.then),
        (RankBy::Price, RankBy::Priority)
    );
    assert_eq!(campaign.requirements.min_profit, Money::parse("3").ok());
    assert_eq!(campaign.ping.required.len(), 4);

    let (_, sunco) = market
        .account_named(&"sunco-west".parse().expect("a name"))
        .expect("an account");
    assert_eq!(
        (sunco.status, sunco.priority, sunco.ping_during_sort),
        (AccountStatus::Active, 10, false)
    );
    assert_eq!(sunco.criteria.len(), 3);
    assert_eq!(sunco.hosts[0].to_string(), "https://leads.sunco.example");
    assert_eq!(
        sunco.secrets["SUNCO_KEY"],
        SecretSource::Held(HeldValue::Env("SUNCO_KEY".into()))
    );
    assert_eq!(
        sunco.filter.as_ref().map(|filter| &*filter.config),
        Some(r#"{"shade":["none","partial"]}"#)
    );
    assert_eq!(
        sunco.retry.map(|retry| (retry.attempts, retry.wait)),
        Some((3, Duration::from_secs(5)))
    );
    assert_eq!(sunco.on_unconfirmed, OnUnconfirmed::Stop);
    assert!(sunco.is_capped() && sunco.schedule.is_some() && sunco.returns.is_some());
    assert_eq!(market.groups["west-only"].len(), 2);

    assert_eq!(
        market.plugins["http-buyer"].source,
        PluginSource::Path("plugins/http_buyer.wasm".into())
    );
    assert_eq!(market.plugins["roof-filter"].limits.memory, 16 << 20);
    let key = market.suppliers["sunleads"].keys[0];
    assert_eq!(
        market
            .owner_of_key(&key)
            .map(|owner| owner.supplier.as_str()),
        Some("sunleads")
    );
    assert!(market.eligibility.contains_key("solar"));
}

#[test]
fn json_of_the_same_shape_is_the_same_market() {
    let table = tree::from_toml(EXAMPLE).unwrap_or_else(|error| panic!("{error}"));
    let json = tree::Node {
        line: None,
        value: tree::NodeValue::Table(table),
    }
    .to_json()
    .expect("JSON")
    .to_string();
    let (from_json, from_toml) = (parse_json(&json).expect("a market"), good(EXAMPLE));
    assert_eq!(
        format!("{:?}", from_json.campaigns["solar-west"].cost),
        format!("{:?}", from_toml.campaigns["solar-west"].cost)
    );
    assert_eq!(
        format!("{:?}", from_json.accounts),
        format!("{:?}", from_toml.accounts)
    );
    assert_eq!(
        format!("{:?}", from_json.plugins),
        format!("{:?}", from_toml.plugins)
    );
}

#[test]
fn every_error_is_told_at_once_with_path_and_line() {
    let text = account(
        "status = \"activ\"\nprice = 25.0\ncolour = 1\n[[accounts.a.criteria]]\nfield = \"bil\"\nmin = \"1\"",
    );
    let found = errors(&text);
    let line = |key: &str| {
        text.lines()
            .position(|line| line.starts_with(key))
            .map(|at| u32::try_from(at + 1).expect("few lines"))
    };
    let told: Vec<_> = found
        .iter()
        .map(|error| (error.path.as_str(), error.code, error.line))
        .collect();
    assert_eq!(
        told,
        [
            ("accounts.a.status", code::NOT_ALLOWED, line("status =")),
            ("accounts.a.price", code::WRONG_TYPE, line("price =")),
            ("accounts.a.colour", code::UNKNOWN_KEY, line("colour =")),
            (
                "accounts.a.criteria[0].field",
                code::UNKNOWN_NAME,
                line("field =")
            ),
        ]
    );
    assert_eq!(found[0].suggestion.as_deref(), Some("active"));
    assert_eq!(found[3].suggestion.as_deref(), Some("bill"));
    assert!(found[1].message.contains("string"), "{}", found[1]);
}

#[test]
fn a_currency_is_one_of_the_worlds() {
    for (given, wrong) in [("JPY", false), ("UDS", true), ("usd", true), ("US", true)] {
        let found = parse_toml(&format!("currency = \"{given}\""));
        let found = found.err().unwrap_or_default();
        let of_it = |error: &MarketError| (error.path == "currency").then_some(error.code);
        let expected: Vec<_> = wrong.then_some(code::BAD_FORMAT).into_iter().collect();
        let codes: Vec<_> = found.iter().filter_map(of_it).collect();
        assert_eq!(codes, expected, "{given}");
    }
}

#[test]
fn an_error_reads_well() {
    let error = &errors(&account("status = \"activ\""))[0];
    assert_eq!(
        error.to_string(),
        "line 21: accounts.a.status: one of active, paused, inactive is expected (did you mean \"active\"?)"
    );
}

#[test]
fn what_is_no_toml_or_json_has_one_error_with_its_line() {
    let found = errors("currency = \"USD\"\n[lead_types\n");
    assert_eq!(
        (found.len(), found[0].code, found[0].line),
        (1, code::SYNTAX, Some(2))
    );
    assert_eq!(errors("a = 1\na = 2")[0].code, code::SYNTAX);
    assert_eq!(errors("a = 99999999999999999999")[0].code, code::SYNTAX);
    let found = parse_json("{\n\"currency\": }").expect_err("errors");
    assert_eq!(
        (found.len(), found[0].code, found[0].line),
        (1, code::SYNTAX, Some(2))
    );
    let twice = parse_json(r#"{"currency": "USD", "currency": "EUR"}"#).expect_err("errors");
    assert!(twice[0].message.contains("twice"));
    assert_eq!(parse_json("[]").expect_err("errors")[0].code, code::SYNTAX);
}

#[test]
fn an_unknown_key_is_refused_wherever_it_stands() {
    suggests(
        "currency = \"USD\"\nretension = \"1d\"",
        "retension",
        "unknown_key",
        "retention",
    );
    suggests(
        &campaign("max_delivery = 1"),
        "campaigns.c.max_delivery",
        "unknown_key",
        "max_deliveries",
    );
    suggests(
        &campaign("ping.require = []"),
        "campaigns.c.ping.require",
        "unknown_key",
        "required",
    );
    suggests(
        &account("retry = { attempts = 1, wait = \"1s\", waits = 1 }"),
        "accounts.a.retry.waits",
        "unknown_key",
        "wait",
    );
    suggests(
        &fields("a = { type = \"text\", personl = true }"),
        "lead_types.solar.fields.a.personl",
        "unknown_key",
        "personal",
    );
    refused(
        &fields("a = { type = \"text\" }\n[lead_types.solar.colour]"),
        "lead_types.solar.colour",
        "unknown_key",
    );
}

#[test]
fn what_is_referred_to_must_exist() {
    suggests(
        &campaign("").replace("\"sunleads\"", "\"sunleeds\""),
        "campaigns.c.supplier",
        "unknown_name",
        "sunleads",
    );
    suggests(
        &account("").replace("buyer = \"sunco\"", "buyer = \"sunko\""),
        "accounts.a.buyer",
        "unknown_name",
        "sunco",
    );
    suggests(
        &account("").replace("lead_type = \"solar\"", "lead_type = \"sola\""),
        "accounts.a.lead_type",
        "unknown_name",
        "solar",
    );
    suggests(
        &account("filter = { plugin = \"adaptor\" }"),
        "accounts.a.filter.plugin",
        "unknown_name",
        "adapter",
    );
    suggests(
        &campaign("ping.required = [\"stat\"]"),
        "campaigns.c.ping.required[0]",
        "unknown_name",
        "state",
    );
    refused(
        &campaign("post.required = [\"colour\"]"),
        "campaigns.c.post.required[0]",
        "unknown_name",
    );
}

#[test]
fn a_fault_in_a_part_is_told_once_and_not_again_where_the_part_is_used() {
    let text = account(
        "criteria = [{ field = \"bill\", min = \"1\" }, { field = \"shade\", is = \"none\" }]",
    );
    refused(
        &text.replace("type = \"decimal\", min = \"0\"", "type = \"decimel\""),
        "lead_types.solar.fields.bill.type",
        "not_allowed",
    );
    refused(
        &text
            .replace("path = \"adapter.wasm\"", "paths = 1")
            .replace("paths = 1", ""),
        "plugins.adapter",
        "missing",
    );
}

#[test]
fn json_null_is_no_way_to_leave_a_key_out() {
    let found = parse_json(r#"{"currency": "USD", "retention": null}"#).expect_err("errors");
    assert_eq!(
        (found[0].path.as_str(), found[0].code, found[0].line),
        ("retention", "wrong_type", None)
    );
}

#[test]
fn a_hopeless_file_ends_in_a_bounded_number_of_errors() {
    use std::fmt::Write;
    let mut text = String::from("currency = \"USD\"\n");
    for number in 0..3000 {
        writeln!(text, "[buyers.b{number}]\ncolour = 1").expect("a string");
    }
    let found = errors(&text);
    assert_eq!(found.len(), limits::ERRORS_MAX + 1);
    assert_eq!(
        found.last().map(|error| error.message.as_str()),
        Some("2000 more errors are not shown")
    );
}

#[test]
fn ten_thousand_accounts_are_read_at_once() {
    use std::fmt::Write;
    let mut text = String::from(AROUND);
    for number in 0..10_000 {
        writeln!(
            text,
            "[buyers.b{number}]\ntimezone = \"America/Denver\"\n[accounts.a{number}]\nbuyer = \"b{number}\"\nlead_type = \"solar\"\nprice = \"5\"\nadapter = {{ plugin = \"adapter\", config = {{ url = \"https://x.example/{number}\" }} }}\n\
             hosts = [\"https://x.example\"]\ncriteria = [{{ field = \"state\", in = [\"CA\"] }}, {{ field = \"zip\", prefix = [\"{}\"] }}]",
            number % 1000,
        )
        .expect("a string");
    }
    let begin = Instant::now();
    assert_eq!(good(&text).accounts.len(), 10_000);
    let took = begin.elapsed();
    // A quadratic step would take minutes; an unoptimised build takes a fraction of this.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_mangled_file_is_read_or_refused_with_reasons(at in 0..EXAMPLE.len(), cut in 0..40_usize, put in "[ -~\n]{0,6}") {
        let edge = |mut at: usize| {
            while !EXAMPLE.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (begin, end) = (edge(at), edge((at + cut).min(EXAMPLE.len())));
        let text = format!("{}{put}{}", &EXAMPLE[..begin], &EXAMPLE[end..]);
        if let Err(errors) = parse_toml(&text) {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| !error.message.is_empty()));
        }
    }
}
