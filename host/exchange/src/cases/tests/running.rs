//! What running a case tells.

use std::{fs, path::PathBuf, sync::OnceLock, time::Duration};

use gavel_market::{model::CallLimits, reason::Outcome};
use gavel_sandbox::{Plugin, Sandbox, SandboxSettings};

use super::super::{read, run};

/// Production limits, but for time: a machine that runs all tests at once is slow.
pub(super) fn limits() -> CallLimits {
    CallLimits {
        time: Duration::from_millis(500),
        ..CallLimits::default()
    }
}

pub(super) fn plugin(file: PathBuf) -> Plugin {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| {
        let settings = SandboxSettings {
            concurrent_calls: 8,
            warm_instances: 8,
            ..SandboxSettings::default()
        };
        Sandbox::new(settings).unwrap()
    });
    let name = "guest".parse().unwrap();
    sandbox
        .load(&name, &fs::read(file).unwrap(), limits())
        .unwrap()
}

pub(super) fn built() -> gavel_plugin_build::Built {
    gavel_plugin_build::build(&mut |_: &str| ()).unwrap()
}

/// Every difference of the cases of a text, each after its case's name.
pub(super) async fn differences(plugin: &Plugin, text: &str) -> Vec<String> {
    let cases = read("cases.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let outcomes = run(plugin, &cases, limits()).await;
    let of = |outcome: &super::super::CaseOutcome| {
        assert_eq!(outcome.passed, outcome.differences.is_empty());
        let name = outcome.name.clone();
        let differences = outcome.differences.iter();
        differences
            .map(|difference| format!("{name}: {difference}"))
            .collect::<Vec<_>>()
    };
    outcomes.iter().flat_map(of).collect()
}

#[tokio::test]
async fn a_case_says_what_it_cost_and_what_it_was_based_on() {
    let roof = plugin(built().roof_filter);
    let cases = read(
        "cases.toml",
        "[[case]]\nname = \"a\"\nconfig = { shade = [\"none\"] }\nlead = { state = \"CA\", roof_shade = \"none\" }\nexpect = \"qualified\"",
    )
    .unwrap();
    let outcome = &run(&roof, &cases, limits()).await[0];
    assert!(outcome.passed);
    assert_eq!(outcome.fields_read, ["roof_shade"]);
    assert!(outcome.cpu > Duration::ZERO && outcome.cpu < limits().time);
    assert!(outcome.memory > 0 && outcome.memory <= limits().memory);
}

#[tokio::test]
async fn cases_that_the_time_does_not_reach_have_not_passed() {
    let roof = plugin(built().roof_filter);
    let text = "[[case]]\nname = \"a\"\nconfig = { shade = [\"none\"] }\nexpect = \"qualified\"";
    let cases = read("cases.toml", text).unwrap();
    let outcomes = super::super::run_within(&roof, &cases, limits(), Duration::ZERO).await;
    assert!(!outcomes[0].passed);
    assert!(outcomes[0].differences[0].words.starts_with("was not run"));
}

#[tokio::test]
async fn a_filter_that_does_otherwise_is_told_in_words() {
    let roof = plugin(built().roof_filter);
    let text = r#"
        config = { shade = ["none"] }
        lead = { roof_shade = "full" }
        [[case]]
        name = "1"
        expect = "qualified"
        [[case]]
        name = "2"
        expect = { disqualified = { code = "shaded", detail = "half" } }
        [[case]]
        name = "3"
        expect = { bid = { amount = "1" } }
        [[case]]
        name = "4"
        expect = { error = "shade" }
        [[case]]
        name = "5"
        config = { shadow = 1 }
        expect = "qualified"
        [[case]]
        name = "6"
        answers = [{}]
        expect = { disqualified = true }
    "#;
    let found = differences(&roof, text).await;
    assert_eq!(
        found[..5],
        [
            "1: expect: `qualified` was expected, not disqualified, roof_shaded: the shade is full; accepted: none",
            "2: disqualified.code: \"shaded\" was expected, not \"roof_shaded\"",
            "2: disqualified.detail: \"half\" was expected in \"the shade is full; accepted: none\"",
            "3: expect: `bid` is what an adapter comes to, and this plugin is of kind filter",
            "4: expect: `error` was expected, not disqualified, roof_shaded: the shade is full; accepted: none",
        ]
    );
    assert!(
        found[5]
            .starts_with("5: expect: `qualified` was expected, not the configuration is refused: "),
        "{}",
        found[5]
    );
    assert_eq!(found[6..], ["6: answers: it came to its end after 0 of 1"]);
}

#[tokio::test]
async fn an_exchange_that_goes_otherwise_is_told_in_words() {
    let buyer = plugin(built().http_buyer);
    let text = r#"
        config = { ping_url = "https://b.example/ping", post_url = "https://b.example/post" }
        lead = { state = "CA" }
        [[case]]
        name = "1"
        expect = "bid"
        [[case]]
        name = "2"
        answers = [{ body = { accepted = true, price = "12" } }, {}]
        expect = "bid"
        [[case]]
        name = "3"
        answers = [{ body = { accepted = true, price = "12" } }]
        requests = [{ method = "PUT", url = "https://b.example/pong", headers = { x-key = "1", content-type = false }, body = { state = "NV" } }, {}]
        expect = { bid = { amount = "13", reference = "r" } }
        [[case]]
        name = "4"
        answers = [{ status = 500 }]
        expect = "no_bid"
        [[case]]
        name = "5"
        answers = [{ body = { accepted = true } }]
        expect = { bid = { amount = "12" } }
    "#;
    let found = differences(&buyer, text).await;
    let expected = [
        "1: answers: `bid` was expected, but request 1 (POST https://b.example/ping) has no answer: the case gives 0",
        "2: answers: it came to its end after 1 of 2",
        "3: requests[0].method: \"PUT\" was expected, not \"POST\"",
        "3: requests[0].url: \"https://b.example/pong\" was expected, not \"https://b.example/ping\"",
        "3: requests[0].headers.x-key: \"1\" was expected, and there is none",
        "3: requests[0].headers.content-type: none was expected, not \"application/json\"",
        "3: requests[0].body: is not the JSON that was expected",
        "3: requests[1]: was to be sent, and was not",
        "3: bid.amount: 13.00 was expected, not 12.00",
        "3: bid.reference: \"r\" was expected, and there is none",
    ];
    assert_eq!(found[..expected.len()], expected);
    assert!(
        found[10].starts_with("4: expect: `no_bid` was expected, not an error: "),
        "{}",
        found[10]
    );
    assert_eq!(found[11..], ["5: bid.amount: 12.00 was expected, not none"]);
}

#[tokio::test]
async fn a_fault_is_expected_by_its_word_and_told_with_its_log() {
    let file = gavel_plugin_build::build_example("misbehaving", &mut |_: &str| ()).unwrap();
    let guest = plugin(file);
    let text = r#"
        [[case]]
        name = "traps"
        config = { panic = "on purpose" }
        expect = { fault = "plugin_trap" }
        [[case]]
        name = "wants too much"
        config = { allocate = 67108864 }
        expect = { fault = "plugin_memory" }
    "#;
    assert_eq!(differences(&guest, text).await, [""; 0]);
    let cases = read(
        "cases.toml",
        "[[case]]\nname = \"a\"\nconfig = { panic = \"on purpose\" }\nexpect = \"qualified\"",
    )
    .unwrap();
    let outcome = &run(&guest, &cases, limits()).await[0];
    let words = &outcome.differences[0].words;
    let trap = Outcome::PluginTrap.word();
    assert!(
        words.contains(&format!("not {trap} in qualify: ")),
        "{words}"
    );
    assert!(
        outcome
            .log
            .iter()
            .any(|line| line.text.ends_with("on purpose"))
    );
}
