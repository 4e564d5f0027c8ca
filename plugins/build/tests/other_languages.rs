//! The examples in other languages, in the host's own sandbox with raised limits: their cases, and
//! that what goes wrong in one arrives in words.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{fs, path::Path, time::Duration};

use gavel_exchange::cases;
use gavel_market::model::CallLimits;
use gavel_sandbox::{Kind, Plugin, Sandbox, SandboxSettings};

/// What their READMEs tell an operator to raise, and ten times the time: a machine that runs all
/// tests at once is slow.
fn limits() -> CallLimits {
    CallLimits {
        memory: 64 << 20,
        time: Duration::from_secs(1),
        ..CallLimits::default()
    }
}

fn loaded(name: &str, wasm: &Path) -> Plugin {
    let bytes = fs::read(wasm).expect("it was built");
    let sandbox = Sandbox::new(SandboxSettings::default()).expect("a sandbox");
    let name = name.parse().expect("a name");
    sandbox
        .load(&name, &bytes, limits())
        .expect("the gate lets it through")
}

/// Runs a file of cases; every difference is shown.
async fn passes(plugin: &Plugin, file: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(file);
    let text = fs::read_to_string(&path).expect("the cases are there");
    let cases = cases::read(file, &text).expect("cases");
    let outcomes = cases::run(plugin, &cases, limits()).await;
    for outcome in &outcomes {
        assert!(
            outcome.passed,
            "{}: {:?}",
            outcome.name, outcome.differences
        );
    }
    outcomes.len()
}

/// An account's configuration under which the example fails in the call, and what it says then.
async fn fails_in_words(plugin: &Plugin, case: &str) {
    let cases = cases::read("fails.toml", case).expect("a case");
    let outcomes = cases::run(plugin, &cases, limits()).await;
    for outcome in outcomes {
        assert!(
            outcome.passed,
            "{}: {:?}",
            outcome.name, outcome.differences
        );
    }
}

#[tokio::test]
async fn the_example_in_javascript_passes_its_cases() {
    let wasm = gavel_plugin_build::build_javascript(&mut |_| ()).expect("it builds");
    let plugin = loaded("desert-sun", &wasm);
    assert_eq!(plugin.kind(), Kind::Filter);
    assert_eq!(plugin.about().needs, ["zip", "monthly_bill"]);
    assert!(passes(&plugin, "javascript-filter/cases/desert-sun.toml").await > 10);

    // A zip that is a number is not what the code was written for.
    let case = r#"
        config = { areas = [{ name = "Phoenix", zips = ["850"], min_bill = 90 }] }
        [[case]]
        name = "an exception is an error with its stack"
        lead = { zip = 85016 }
        expect = { error = "TypeError: " }
    "#;
    fails_in_words(&plugin, case).await;
}

#[tokio::test]
async fn the_example_in_python_passes_its_cases() {
    let wasm = gavel_plugin_build::build_python(&mut |_| ()).expect("it builds");
    let plugin = loaded("lakeside-scorecard", &wasm);
    assert_eq!(plugin.kind(), Kind::Filter);
    assert!(passes(&plugin, "python-filter/cases/lakeside.toml").await > 7);

    // Text held against a number is not what the code was written for.
    let case = r#"
        config = { cutoff = 1, parts = [{ field = "state", bands = [[1, 5]] }] }
        [[case]]
        name = "an exception is an error with its traceback"
        lead = { state = "CA" }
        expect = { error = "Bands.points" }
    "#;
    fails_in_words(&plugin, case).await;
}
