//! The command line, and `gavel demo`.

use std::{path::Path, process::Stdio};

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::PingAnswer,
};
use tokio::process::Command;

use crate::harness::{Account, Host, Market, buyer, within};

async fn gavel(args: &[&str]) -> (i32, String, String) {
    ended(Command::new(env!("CARGO_BIN_EXE_gavel")).args(args)).await
}

/// Status, standard output and standard error of a command.
async fn ended(command: &mut Command) -> (i32, String, String) {
    let output = command.stdin(Stdio::null()).output();
    let output = within("the command ends", output).await.expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// `N  word` of the summary.
fn counted(summary: &str, word: &str) -> u64 {
    let line = summary.lines().find(|line| {
        line.trim_start()
            .split_once("  ")
            .is_some_and(|(_, rest)| rest.trim() == word)
    });
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn the_demo_sells_and_its_outcomes_differ() {
    crate::harness::plugins();
    let _turn = crate::harness::DEMO_STARTS.lock().await;
    let (status, said, errors) = gavel(&["demo", "--for", "8s", "--rate", "25"]).await;
    assert_eq!(status, 0, "{said}\n{errors}");
    let (lines, summary) = said.rsplit_once(" pings\n").expect("a summary");
    for word in ["bid", "no bid: no_coverage"] {
        assert!(counted(summary, word) > 0, "{word}: {summary}");
    }
    for word in ["sold", "accepted"] {
        assert!(counted(summary, word) > 0, "{word}: {summary}");
    }
    let sales: Vec<&str> = lines
        .lines()
        .filter(|line| line.contains("bought at"))
        .collect();
    assert!(sales.len() > 10, "a line for each sale: {lines}");
    let buyers = ["sunco-west", "brightroof", "helio", "peak-power"];
    assert!(
        buyers.iter().all(|buyer| sales
            .iter()
            .any(|line| line.contains(&format!("{buyer} bought")))),
        "each of {buyers:?} buys: {lines}"
    );
    assert!(
        sales.iter().any(|line| line.contains("fickle rejected")),
        "fallback is seen: {lines}"
    );
    assert!(summary.contains("profit"), "{summary}");
}

#[tokio::test]
async fn every_command_has_help_with_an_example_and_wrong_usage_is_2() {
    for command in [
        "demo",
        "serve",
        "check",
        "apply",
        "key",
        "explain",
        "plugin",
        "plugin check",
        "plugin run",
        "plugin replay",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (status, help, _) = gavel(&words).await;
        assert_eq!(status, 0);
        assert!(help.contains("Example"), "{command}: {help}");
    }
    assert_eq!(gavel(&["nonsense"]).await.0, 2);
    assert_eq!(gavel(&["serve", "--listen", "nowhere"]).await.0, 2);
    let (status, _, errors) = gavel(&["check", "there-is-no-such-file.toml"]).await;
    assert_eq!(status, 1);
    assert!(errors.contains("there-is-no-such-file.toml"), "{errors}");
}

const EXAMPLE: &str = include_str!("../examples/market.example.toml");

/// The number of the first line of the example that begins like this.
fn line_of(beginning: &str) -> usize {
    let at = EXAMPLE.lines().position(|line| line.starts_with(beginning));
    at.unwrap_or_else(|| panic!("no line begins with {beginning}")) + 1
}

/// The example in a folder of its own, with its plugins where its header says how to put them.
fn example() -> tempfile::TempDir {
    let built = crate::harness::plugins().http_buyer;
    let folder = tempfile::tempdir().expect("a folder");
    let (examples, target) = (folder.path().join("examples"), folder.path().join("target"));
    for folder in [&examples, &target] {
        std::fs::create_dir(folder).expect("writable");
    }
    std::fs::write(examples.join("market.example.toml"), EXAMPLE).expect("writable");
    // Where the target folder is another, what is built stands there in the same folders.
    let plugins = built.ancestors().nth(3).expect("three folders up");
    std::os::unix::fs::symlink(plugins, target.join("plugins")).expect("a link");
    let put = EXAMPLE
        .lines()
        .find_map(|line| line.strip_prefix("#   mkdir"))
        .expect("the header says how");
    let put = std::process::Command::new("bash")
        .args(["-c", &format!("mkdir{put}")])
        .current_dir(&folder)
        .status();
    assert!(put.expect("there is a bash").success());
    folder
}

/// `gavel check` of the example, with `SUNCO_KEY` as its environment has it.
async fn checked(folder: &Path, sunco_key: Option<&str>) -> (i32, String, String) {
    let mut check = Command::new(env!("CARGO_BIN_EXE_gavel"));
    check.args(["check", "examples/market.example.toml"]);
    check.current_dir(folder);
    match sunco_key {
        Some(key) => check.env("SUNCO_KEY", key),
        None => check.env_remove("SUNCO_KEY"),
    };
    ended(check.env_remove("BRIGHTROOF_CLIENT")).await
}

#[tokio::test]
async fn the_example_has_no_errors_and_a_secret_that_is_not_here_is_noted() {
    let folder = example();
    let (status, said, notes) = checked(folder.path(), None).await;
    assert_eq!(status, 0, "{notes}");
    assert!(said.contains("no errors"), "{said}");
    for (line, key, why) in [
        (
            "secrets = {",
            "sunco-west.secrets.SUNCO_KEY",
            "SUNCO_KEY is not set",
        ),
        (
            "PIN =",
            "brightroof.secrets.PIN",
            "/run/secrets/brightroof-pin cannot be read",
        ),
        (
            "client_id =",
            "brightroof.secrets.TOKEN.oauth2.client_id",
            "BRIGHTROOF_CLIENT is not set",
        ),
        (
            "client_secret =",
            "brightroof.secrets.TOKEN.oauth2.client_secret",
            "/run/secrets/brightroof-client cannot be read",
        ),
    ] {
        let at = format!(
            "note: examples/market.example.toml:{}: accounts.{key}: on this machine, ",
            line_of(line)
        );
        let note = notes.lines().find(|note| note.starts_with(&at));
        assert!(
            note.is_some_and(|note| note.contains(why)),
            "{at}{why}: {notes}"
        );
    }
    let set_it = "set it where the host is started";
    assert!(notes.contains(set_it), "what to do: {notes}");

    let (status, _, notes) = checked(folder.path(), Some("a-key")).await;
    assert_eq!(status, 0, "{notes}");
    assert!(!notes.contains("SUNCO_KEY"), "it is here: {notes}");
}

#[tokio::test]
async fn what_could_never_leave_is_noted_with_what_was_meant() {
    let folder = example();
    let file = folder.path().join("examples/market.example.toml");
    let faulty = EXAMPLE
        .replace("secrets = { SUNCO_KEY =", "secrets = { SUNCO_KYE =")
        .replace(
            "hosts = [\"https://leads.sunco.example\"]",
            "hosts = [\"https://lead.sunco.example\"]",
        )
        .replace("ping_url = \"https://rtb", "ping_ulr = \"https://rtb");
    std::fs::write(&file, faulty).expect("writable");
    let (status, _, said) = checked(folder.path(), Some("a-key")).await;
    assert_eq!(status, 1, "a key that the plugin does not know: {said}");
    let unknown = format!(
        "examples/market.example.toml:{}: accounts.brightroof.adapter.config.ping_ulr: ",
        line_of("ping_url =")
    );
    let meant = "did you mean ping_url?";
    let line = |beginning: &str| said.lines().find(|line| line.starts_with(beginning));
    assert!(
        line(&unknown).is_some_and(|line| line.contains(meant)),
        "{said}"
    );
    for (key, words) in [
        ("headers.X-Api-Key", "did you mean SUNCO_KYE?"),
        ("post_url", "has no \"https://leads.sunco.example\""),
    ] {
        let note = format!(
            "note: examples/market.example.toml:{}: accounts.sunco-west.adapter.config.{key}: ",
            line_of("adapter = { plugin = \"http-buyer\", config = { post_url")
        );
        assert!(
            line(&note).is_some_and(|line| line.contains(words)),
            "{note}{words}: {said}"
        );
    }
}

#[tokio::test]
async fn a_secret_that_no_host_takes_is_an_error_and_its_value_is_not_shown() {
    let folder = example();
    for (value, why) in [
        ("unmistakable\nsecond", "has control characters"),
        ("unmistakable\t", "has control characters"),
        ("", "is empty"),
        (&"unmistakable".repeat(400), "is longer than 4096 bytes"),
    ] {
        let (status, said, errors) = checked(folder.path(), Some(value)).await;
        assert_eq!(status, 1, "{why}: {said}{errors}");
        let at = format!(
            "examples/market.example.toml:{}: accounts.sunco-west.secrets.SUNCO_KEY: the environment variable SUNCO_KEY {why}",
            line_of("secrets = {")
        );
        assert!(
            errors.lines().any(|line| line.starts_with(&at)),
            "{at}: {errors}"
        );
        assert!(errors.contains("has 1 error to mend"), "{errors}");
        assert!(!errors.contains("unmistakable"), "{errors}");
    }
}

#[tokio::test]
async fn a_market_may_name_a_plugin_by_the_digest_of_a_version_that_was_uploaded() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::fixed("one", "20.00", &buyer)])).await;
    let bytes = std::fs::read(crate::harness::plugins().roof_filter).expect("readable");
    // Not the version that the host has from the start.
    let bytes = crate::harness::numbered(bytes, 2);
    let digest = crate::harness::digest(&bytes);
    let by_digest = Market::of([Account::fixed("one", "20.00", &buyer)
        .with("filter = { plugin = \"shade\", config = { shade = [\"none\"] } }")])
    .plugins(&format!("[plugins.shade]\ndigest = \"{digest}\"\n"));
    let file = host.folder().join("by-digest.toml");
    std::fs::write(&file, by_digest.toml()).expect("writable");
    let file = file.to_str().expect("UTF-8");
    let admin = host.admin_url();
    let apply = async || {
        let output = host.command(&["apply", "--admin", &admin, file]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let (applied, said) = apply().await;
    assert!(!applied && said.contains("plugins.shade.digest"), "{said}");

    // Without the file there is nothing to hold the account against, and that is said.
    let (status, _, notes) = gavel(&["check", file]).await;
    assert_eq!(status, 0, "{notes}");
    assert!(notes.contains(&format!(
        "plugin `shade` is named by digest ({}",
        &digest[..8]
    )));

    assert_eq!(host.upload("shade", bytes, "").await.0, 200);
    let (applied, said) = apply().await;
    assert!(applied, "{said}");
    let mut shaded = crate::harness::pinged();
    shaded.insert("roof_shade".into(), "full".into());
    let answer = host.ping_lead(shaded).await.expect("understood");
    let PingAnswer::NoBid { ping_id, .. } = answer else {
        panic!("it is filtered: {answer:?}")
    };
    assert_eq!(host.outcome(&ping_id, "one").await, "filtered");
}

#[tokio::test]
async fn a_key_is_printed_once_with_the_hash_that_a_market_takes() {
    let (status, said, _) = gavel(&["key"]).await;
    assert_eq!(status, 0);
    let key = said
        .split_whitespace()
        .find(|word| word.starts_with("gk_"))
        .expect("a key")
        .to_owned();
    let hash = gavel_market::ids::Digest::of(key.as_bytes()).to_string();
    assert!(said.contains(&hash), "{said}");
}

#[tokio::test]
async fn explain_tells_a_pings_and_a_posts_story() {
    let (picky, good) = (
        buyer(OnPing::bid("30.00"), OnPost::reject("no")).await,
        buyer(OnPing::bid("20.00"), OnPost::accept()).await,
    );
    let host = Host::start(&Market::of([
        Account::bidding("picky", &picky),
        Account::bidding("good", &good),
        Account::bidding("texan", &good).with("criteria = [{ field = \"state\", in = [\"TX\"] }]"),
    ]))
    .await;
    let PingAnswer::Bid {
        ping_id,
        ping_order_id,
        ..
    } = host.ping().await
    else {
        panic!("somebody bids")
    };
    let lead = host.post(&ping_order_id).await.expect("sold");
    for id in [ping_id.as_str(), ping_order_id.as_str(), lead.lead_id()] {
        let output = host
            .command(&["explain", "--admin", &host.admin_url(), id])
            .await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{id}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        for word in [
            "picky", "good", "texan", "criteria", "state", "30.00", "20.00",
        ] {
            assert!(said.contains(word), "{id}: {word}: {said}");
        }
    }
}
