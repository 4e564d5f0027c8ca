//! `gavel plugin …`: what an author does with a file, and what goes to a host and comes back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::harness::{plugins, within};

/// What a command said.
struct Said {
    status: i32,
    out: String,
    errors: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|_| panic!("JSON: {}{}", self.out, self.errors))
    }
}

async fn gavel(args: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_gavel"))
        .args(args)
        .env("GAVEL_ADMIN_TOKEN", "token")
        .stdin(Stdio::null())
        .output();
    let output = within("the command ends", output).await.expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        status: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        errors: text(&output.stderr),
    }
}

/// `gavel plugin …` with room for a busy machine where it calls a plugin.
async fn plugin(args: &[&str]) -> Said {
    let mut all = vec!["plugin"];
    all.extend_from_slice(args);
    gavel(&all).await
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("writable");
    }
    folder
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn cases(plugin: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../plugins/{plugin}/cases"))
}

fn misbehaving() -> PathBuf {
    gavel_plugin_build::build_example("misbehaving", &mut |_: &str| ()).expect("it builds")
}

#[tokio::test]
async fn check_tells_each_step_of_the_gate_and_what_the_plugin_says_of_itself() {
    let roof = plugins().roof_filter;
    let said = plugin(&["check", shown(&roof)]).await;
    assert_eq!(said.status, 0, "{}", said.errors);
    for word in [
        "compile",
        "world",
        "describe",
        "needs      roof_shade",
        "shade",
        "required",
    ] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
    assert!(
        !said.out.contains('\u{1b}'),
        "no colour where no terminal is: {}",
        said.out
    );
    let report = plugin(&["check", shown(&roof), "--json"]).await.json();
    assert_eq!(report["plugin"]["kind"], "filter");
    assert!(
        report["gate"]["compiled_bytes"].as_u64() > Some(0),
        "{report}"
    );

    let folder = folder(&[("no.wasm", "no wasm at all")]);
    let no = folder.path().join("no.wasm");
    let said = plugin(&["check", shown(&no), "--json"]).await;
    assert_eq!(said.status, 1);
    assert_eq!(said.json()["refused"]["code"], "not_compilable");
    assert!(said.errors.contains("not_compilable"), "{}", said.errors);
}

#[tokio::test]
async fn run_shows_the_result_with_what_it_was_based_on_and_what_it_cost() {
    let files = folder(&[
        ("config.json", r#"{"shade": ["none"]}"#),
        ("lead.toml", "roof_shade = \"full\"\nstate = \"CA\"\n"),
    ]);
    let [config, lead] = ["config.json", "lead.toml"].map(|name| files.path().join(name));
    let roof = plugins().roof_filter;
    let args = [
        "run",
        shown(&roof),
        "--config",
        shown(&config),
        "--lead",
        shown(&lead),
        "--time",
        "1s",
        "--calls",
        "5",
    ];
    let said = plugin(&args).await;
    assert_eq!(said.status, 0, "{}", said.errors);
    for words in [
        "disqualified, roof_shaded: the shade is full; accepted: none",
        "fields read  roof_shade",
        "time, fresh",
        "time, reused",
        "memory",
        "of  16.0 MiB",
        "median of 5 calls",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let json = plugin(&[&args[..], &["--json"]].concat()).await.json();
    assert_eq!(json["result"]["code"], "roof_shaded");
    assert_eq!(json["fields_read"], json!(["roof_shade"]));
    for figure in ["time_fresh", "time_reused", "memory", "log", "size"] {
        let figure = &json["figures"][figure];
        assert!(figure["limit"].as_u64() > Some(0), "{figure}: {json}");
    }
}

#[tokio::test]
async fn run_takes_an_adapter_through_the_exchange_as_far_as_the_answers_reach() {
    let files = folder(&[
        (
            "config.json",
            r#"{"ping_url": "https://b.example/ping", "post_url": "https://b.example/post"}"#,
        ),
        ("lead.json", r#"{"state": "CA"}"#),
        (
            "answers.json",
            r#"[{"body": {"accepted": true, "price": "12.50"}}]"#,
        ),
    ]);
    let path = |name: &str| files.path().join(name);
    let (config, lead, answers) = (path("config.json"), path("lead.json"), path("answers.json"));
    let buyer = plugins().http_buyer;
    let args = [
        "run",
        shown(&buyer),
        "--config",
        shown(&config),
        "--lead",
        shown(&lead),
        "--time",
        "1s",
        "--calls",
        "3",
        "--json",
    ];
    let asked = plugin(&args).await.json();
    assert_eq!(asked["result"]["outcome"], "send");
    assert_eq!(asked["result"]["request"]["url"], "https://b.example/ping");
    let bid = plugin(&[&args[..], &["--answers", shown(&answers)]].concat())
        .await
        .json();
    assert_eq!(
        bid["result"],
        json!({"outcome": "bid", "amount": "12.50", "reference": null})
    );
    assert_eq!(bid["requests"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_fault_shows_kind_function_backtrace_panic_and_what_it_would_have_needed() {
    let files = folder(&[
        ("panic.json", r#"{"panic": "no roof"}"#),
        ("allocate.json", r#"{"allocate": 33554432}"#),
    ]);
    let guest = misbehaving();
    let run = async |config: &str, json: &[&str]| {
        let config = files.path().join(config);
        let args = [
            "run",
            shown(&guest),
            "--config",
            shown(&config),
            "--time",
            "2s",
        ];
        plugin(&[&args[..], json].concat()).await
    };
    let said = run("panic.json", &[]).await;
    assert_eq!(said.status, 1);
    for words in [
        "plugin_trap in qualify",
        "backtrace",
        "misbehaving",
        "no roof",
        "misbehaving.rs:",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let fault = run("panic.json", &["--json"]).await.json();
    assert_eq!(fault["fault"]["kind"], "plugin_trap");
    assert!(
        fault["fault"]["backtrace"]
            .as_array()
            .is_some_and(|frames| frames.len() > 1),
        "{fault}"
    );

    let said = run("allocate.json", &[]).await;
    assert_eq!(said.status, 1);
    for words in [
        "plugin_memory in qualify",
        "over its limit",
        "with more room",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
}

#[tokio::test]
async fn test_runs_every_case_of_a_folder_and_fails_with_a_readable_difference() {
    let roof = plugins().roof_filter;
    let recorded = cases("roof-filter");
    let said = plugin(&["test", shown(&roof), shown(&recorded), "--time", "1s"]).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.errors);
    assert!(said.out.contains("6 of 6 cases passed"), "{}", said.out);

    let wrong = folder(&[(
        "wrong.toml",
        "config = { shade = [\"none\"] }\n[[case]]\nname = \"full is fine\"\nlead = { roof_shade = \"full\" }\nexpect = \"qualified\"\n[[case]]\nname = \"none is\"\nlead = { roof_shade = \"none\" }\nexpect = \"qualified\"\n",
    )]);
    let file = wrong.path().join("wrong.toml");
    let args = ["test", shown(&roof), shown(&file), "--time", "1s"];
    let said = plugin(&args).await;
    assert_eq!(said.status, 1);
    for words in [
        "failed  full is fine",
        "`qualified` was expected, not disqualified, roof_shaded: the shade is full; accepted: none",
        "ok      none is",
        "1 of 2 cases passed",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let json = plugin(&[&args[..], &["--json"]].concat()).await.json();
    assert_eq!((&json["passed"], &json["failed"]), (&json!(1), &json!(1)));
    assert_eq!(json["cases"][0]["differences"][0]["at"], "expect");

    fs::write(
        &file,
        "[[case]]\nname = \"a\"\nlaed = {}\nexpect = \"bid\"\n",
    )
    .expect("writable");
    let said = plugin(&args).await;
    assert_eq!(said.status, 1);
    assert!(
        said.errors.contains("wrong.toml:3: case 1 \"a\": laed: "),
        "{}",
        said.errors
    );
    assert!(
        said.errors.contains("did you mean \"lead\"?"),
        "{}",
        said.errors
    );
}

/// A request that a host was sent: method and path, head, body.
type Asked = (String, String, Vec<u8>);

/// A host that gives these answers, one a request, and what it was asked.
async fn host(answers: Vec<(u16, Value)>) -> (String, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        for (status, answer) in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let request = read(&mut stream).await;
            seen.lock().expect("not poisoned").push(request);
            let body = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream
                .write_all((head + &body).as_bytes())
                .await
                .expect("sent");
        }
    });
    (address, asked)
}

async fn read(stream: &mut TcpStream) -> Asked {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.expect("readable");
        bytes.extend_from_slice(&some[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            let line = head.lines().next().expect("a first line");
            let asked = line.trim_end_matches(" http/1.1").to_owned();
            return (asked, head, bytes.split_off(end + 4));
        }
    }
}

/// The requests so far.
fn taken(asked: &Arc<Mutex<Vec<Asked>>>) -> Vec<Asked> {
    std::mem::take(&mut *asked.lock().expect("not poisoned"))
}

#[tokio::test]
async fn push_sends_the_plugin_with_its_cases_and_limits_and_tells_what_the_gate_said() {
    let roof = plugins().roof_filter;
    let recorded = cases("roof-filter");
    let gate = json!({"steps": [{"step": "cases", "passed": true, "code": null, "detail": "6 cases passed", "micros": 900}], "bytes": 100, "imports": [], "exports": [], "compiled_bytes": 1000});
    let version = json!({"name": "roof-filter", "digest": "aaaaaaaa11", "size": 100, "active": true, "kind": "filter", "version": "0.1.0", "gate": gate, "revision": 7});
    let refused = json!({"title": "The gate refused this plugin", "status": 422, "code": "case_failed", "detail": "1 of 6 cases failed",
        "gate": {"steps": [{"step": "cases", "passed": false, "code": "case_failed", "detail": "full shade is refused", "micros": 1}]}});
    let (address, asked) = host(vec![(200, version), (422, refused)]).await;
    let args = [
        "push",
        "roof-filter",
        shown(&roof),
        "--cases",
        shown(&recorded),
        "--activate",
        "--time",
        "50ms",
        "--admin",
        &address,
    ];
    let said = plugin(&args).await;
    assert_eq!(said.status, 0, "{}", said.errors);
    assert!(said.out.contains("6 cases passed"), "{}", said.out);
    assert!(
        said.out
            .contains("roof-filter aaaaaaaa is active, since revision 7"),
        "{}",
        said.out
    );
    let (line, head, body) = taken(&asked).remove(0);
    assert_eq!(
        line,
        "put /admin/v1/plugins/roof-filter?time=50000us&activate=true"
    );
    assert!(head.contains("authorization: bearer token"), "{head}");
    assert!(
        head.contains("content-type: multipart/form-data; boundary="),
        "{head}"
    );
    let bytes = fs::read(&roof).expect("built");
    assert!(body.windows(bytes.len()).any(|window| window == bytes));
    let text = String::from_utf8_lossy(&body).into_owned();
    assert!(text.contains("name=\"cases\"; filename=\"roof.toml\""));

    let said = plugin(&args).await;
    assert_eq!(said.status, 1);
    assert!(
        said.errors.contains("case_failed: full shade is refused"),
        "{}",
        said.errors
    );
    assert!(
        said.errors.contains("1 of 6 cases failed"),
        "{}",
        said.errors
    );
}

#[tokio::test]
async fn versions_are_activated_rolled_back_revoked_and_tried_out() {
    let changed =
        json!({"name": "roof", "digest": "bbbbbbbb22", "revision": 8, "before": "aaaaaaaa11"});
    let trial = json!({"name": "roof", "trial": {"mode": "canary", "digest": "bbbbbbbb22", "since": "T", "share": 0.1, "seen": 0,
        "candidate": {"calls": 0, "faults": 0, "refusals": 0, "cpu_us_mean": null}, "active": {"calls": 0, "faults": 0, "refusals": 0, "cpu_us_mean": null}}});
    let ambiguous =
        json!({"title": "Several versions begin so", "status": 409, "code": "ambiguous_digest"});
    let (address, asked) = host(vec![
        (200, changed.clone()),
        (200, changed),
        (200, json!({"name": "roof", "digest": "bbbbbbbb22"})),
        (200, trial),
        (200, json!({"name": "roof", "trial": null})),
        (409, ambiguous),
    ])
    .await;
    let on = |args: &[&str]| {
        let all: Vec<String> = args
            .iter()
            .chain(&["--admin", &address])
            .map(|&arg| arg.to_owned())
            .collect();
        async move { plugin(&all.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let said = on(&["activate", "roof", "bbbbbbbb"]).await;
    assert_eq!(
        said.out.trim(),
        "roof bbbbbbbb is active, since revision 8; before it was aaaaaaaa"
    );
    assert_eq!(on(&["rollback", "roof"]).await.status, 0);
    assert!(
        on(&["revoke", "roof", "bbbbbbbb"])
            .await
            .out
            .contains("is revoked")
    );
    assert!(
        on(&["canary", "roof", "bbbbbbbb", "--share", "10%"])
            .await
            .out
            .contains("canary bbbbbbbb since T, 10 % of pings")
    );
    assert!(
        on(&["shadow", "roof", "--end"])
            .await
            .out
            .contains("no version of roof is on trial")
    );
    let said = on(&["activate", "roof", "bbbbbbbb"]).await;
    assert_eq!(said.status, 1);
    assert!(
        said.errors.contains("give more of its digits"),
        "{}",
        said.errors
    );
    let asked: Vec<(String, Value)> = taken(&asked)
        .into_iter()
        .map(|(line, _, body)| (line, serde_json::from_slice(&body).expect("JSON")))
        .collect();
    let sent = |line: &str, body: Value| (format!("post /admin/v1/plugins/roof/{line}"), body);
    assert_eq!(
        asked,
        [
            sent("activate", json!({"digest": "bbbbbbbb"})),
            sent("rollback", json!({})),
            sent("revoke", json!({"digest": "bbbbbbbb"})),
            sent("canary", json!({"digest": "bbbbbbbb", "share": 0.1})),
            sent("shadow", json!({"digest": null})),
            sent("activate", json!({"digest": "bbbbbbbb"})),
        ]
    );
}

#[tokio::test]
async fn replay_pages_through_what_is_recorded_and_adds_it_up() {
    let page = |won: u64, next: Value| {
        json!({"pings": 2, "replayed": 2, "not_comparable": 0, "changed": 2 - won,
            "accounts": {"sunco": {"before": {"won": 2}, "after": {"won": won, "filtered": 2 - won}}},
            "before": {"bids": 2, "revenue": "40.00", "cost": "20.00", "profit": "20.00"},
            "after": {"bids": won, "revenue": "40.00", "cost": "15.00", "profit": "25.00"},
            "faults": 0, "cpu_us_mean": 50, "cpu_us_max": 70, "memory_max": 131_072, "examples": [], "next": next})
    };
    let (address, asked) = host(vec![
        (200, page(1, json!("pg_2"))),
        (200, page(2, Value::Null)),
    ])
    .await;
    let said = plugin(&[
        "replay",
        "roof",
        "--version",
        "bbbbbbbb",
        "--since",
        "24h",
        "--admin",
        &address,
    ])
    .await;
    assert_eq!(said.status, 0, "{}", said.errors);
    for words in [
        "4 pings, 4 replayed, 0 not comparable; 1 decided otherwise",
        "sunco    won       4       3      -1",
        "profit   40.00   50.00  +10.00",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert_eq!(said.errors, "", "no progress where nobody watches");
    let bodies: Vec<Value> = taken(&asked)
        .into_iter()
        .map(|(_, _, body)| serde_json::from_slice(&body).expect("JSON"))
        .collect();
    assert_eq!(bodies[0]["before"], Value::Null);
    assert_eq!(bodies[1]["before"], "pg_2");
    assert_eq!(bodies[0]["since"], bodies[1]["since"]);
    assert!(
        bodies[0]["since"]
            .as_str()
            .is_some_and(|since| since.ends_with('Z'))
    );
}
