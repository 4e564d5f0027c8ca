//! The guide for authors, followed to the letter: every command of `plugins/README.md`, in an empty
//! folder that is in no checkout, against `gavel demo` on loopback, once in each language.
//!
//! A block of commands is ```` ```sh ````, or ```` ```sh LANGUAGE ```` where the languages differ;
//! ```` ```sh demo ```` is what the guide starts in a second terminal. Each command begins with `$ `,
//! and what follows it without that belongs to it. The admin token, which the guide writes as
//! `…`, is the one that the demo prints.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::harness::{DEMO_STARTS, MUCH_TO_BUILD, within};

const GUIDE: &str = include_str!("../plugins/README.md");

/// Longest that the whole guide may take: installing and building are most of it.
const PATIENCE: Duration = Duration::from_mins(15);

/// What the script prints before each command.
const MARK: &str = "guide> ";

/// A command of the guide.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// In the reader's terminal.
    Type(String),
    /// In a second one.
    StartDemo(String),
}

/// The guide's commands for a language, in order.
fn steps(guide: &str, language: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut block: Option<&str> = None;
    for line in guide.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(of)) => block = Some(of),
            (Some(_), Some(_)) => block = None,
            (Some("sh demo"), None) => steps.push(Step::StartDemo(typed(line).into())),
            (Some(of), None) if of == "sh" || of == format!("sh {language}") => {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(command), _) => steps.push(Step::Type(command.into())),
                    (None, Some(Step::Type(command))) => {
                        *command = format!("{command}\n{line}");
                    }
                    (None, _) => panic!("a line before any command: {line}"),
                }
            }
            _ => {}
        }
    }
    steps
}

fn typed(line: &str) -> &str {
    line.strip_prefix("$ ").expect("one command a line")
}

#[test]
fn every_block_of_commands_is_one_that_the_test_runs() {
    let known = [
        "sh",
        "sh demo",
        "sh rust",
        "sh javascript",
        "sh python",
        "toml",
        "",
    ];
    for line in GUIDE.lines().filter_map(|line| line.strip_prefix("```")) {
        assert!(known.contains(&line), "```{line}");
    }
    for language in ["rust", "javascript", "python"] {
        let steps = steps(GUIDE, language);
        let demos = steps
            .iter()
            .filter(|step| matches!(step, Step::StartDemo(_)));
        assert_eq!(demos.count(), 1);
        assert!(steps.len() > 30, "{language}: {steps:?}");
    }
}

/// A bash script of these steps, which says each before it does it and ends at the first that
/// fails.
fn script<'a>(steps: impl Iterator<Item = &'a Step>) -> String {
    let commands = steps.map(|step| match step {
        Step::Type(command) => {
            let first = command.lines().next().unwrap_or_default();
            let shown = first.replace('\'', "'\\''");
            format!("printf '%s\\n' '{MARK}{shown}'\n{command}\n")
        }
        Step::StartDemo(_) => panic!("started already"),
    });
    // Functions and words as in a terminal; variables stay from one command to the next.
    format!("set -eo pipefail\n{}", commands.collect::<String>())
}

/// A reader at a terminal: an empty folder, with `gavel` on the path.
struct Reader {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Reader {
    fn new(wasm: &[(&'static str, std::ffi::OsString)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).expect("writable");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gavel"), bin.join("gavel")).expect("a link");
        std::fs::create_dir(folder.path().join("empty")).expect("writable");
        let path = std::env::var("PATH").expect("a path");
        let mut env = vec![("PATH".to_owned(), format!("{}:{path}", bin.display()))];
        for (name, value) in wasm {
            env.push(((*name).to_owned(), value.to_string_lossy().into_owned()));
        }
        Self { folder, env }
    }

    fn empty(&self) -> std::path::PathBuf {
        self.folder.path().join("empty")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Of what this test runs in, a reader has nothing.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let kept = [
                "CARGO_HOME",
                "CARGO_NET_",
                "CARGO_HTTP_",
                "CARGO_REGISTR",
                "CARGO_SOURCE_",
            ];
            let of_cargo =
                name.starts_with("CARGO") && !kept.iter().any(|kept| name.starts_with(kept));
            if of_cargo || name.starts_with("GAVEL_") || name.starts_with("RUSTFLAGS") {
                command.env_remove(&*name);
            }
        }
        command
            .envs(self.env.iter().cloned())
            .current_dir(self.empty())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Types commands; where one fails, the test does, with everything that was said.
    async fn types<'a>(&self, steps: impl Iterator<Item = &'a Step>) -> String {
        let mut bash = self.command("bash");
        bash.arg("-c").arg(format!("exec 2>&1\n{}", script(steps)));
        let output = tokio::time::timeout(PATIENCE, bash.output())
            .await
            .unwrap_or_else(|_| panic!("not within {PATIENCE:?}"))
            .expect("there is a bash");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    /// Starts the demo in a second terminal; the admin API's address, and the token.
    async fn starts_demo(&self, command: &str) -> Demo {
        let _turn = DEMO_STARTS.lock().await;
        let mut words = command.split_whitespace();
        let mut demo = self.command(words.next().expect("a command"));
        demo.args(words).stdout(Stdio::piped());
        let mut child = demo.spawn().expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let admin = after(&mut lines, "admin API on ").await;
        let token = after(&mut lines, "admin token, shown this once: ").await;
        Demo {
            child,
            lines,
            admin,
            token,
        }
    }
}

struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    admin: String,
    token: String,
}

/// What follows these words on a line, as soon as there is one.
async fn after(lines: &mut Lines<BufReader<ChildStdout>>, words: &str) -> String {
    let wait = async {
        loop {
            let line = lines.next_line().await.expect("readable");
            let line = line.unwrap_or_else(|| panic!("the demo ended before it said {words:?}"));
            if let Some(rest) = line.strip_prefix(words) {
                return rest.to_owned();
            }
        }
    };
    within(words, wait).await
}

async fn followed_in(language: &str) {
    let _turn = MUCH_TO_BUILD.lock().await;
    let wasm = tokio::task::spawn_blocking(|| {
        crate::harness::plugins();
        gavel_plugin_build::wasm_environment(&mut |said| eprintln!("{said}"))
    });
    let wasm = wasm.await.expect("asked").expect("a compiler for wasm");
    let mut steps = steps(GUIDE, language);
    if !wasm.is_empty() {
        // Here rustup has no wasm target to give; the compiler named in `wasm` takes its place.
        steps.retain(|step| !matches!(step, Step::Type(command) if command.starts_with("rustup ")));
    }
    let reader = Reader::new(&wasm);
    let at = steps
        .iter()
        .position(|step| matches!(step, Step::StartDemo(_)))
        .expect("the demo is started");
    let (before, rest) = steps.split_at(at);
    let Some((Step::StartDemo(demo), after_it)) = rest.split_first() else {
        panic!("it is there")
    };

    let said = reader.types(before.iter()).await;
    assert!(said.contains("roof_shaded"), "the lead is refused: {said}");
    assert!(is_project(&reader.empty().join("roof-check")));

    let mut demo = reader.starts_demo(demo).await;
    // The demo's buyers sell on while the guide goes on; nobody reads the lines.
    let mut lines = demo.lines;
    let selling = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let token = demo.token.clone();
    let after_it: Vec<Step> = after_it
        .iter()
        .map(|step| match step {
            Step::Type(command) => Step::Type(command.replace('…', &token)),
            Step::StartDemo(_) => panic!("once"),
        })
        .collect();
    // What the limits were stands in a variable of the first terminal, which goes on here.
    let limits = before
        .iter()
        .filter(|step| matches!(step, Step::Type(command) if command.starts_with("LIMITS=")));
    let steps = [Step::Type(format!("export GAVEL_ADMIN={}", demo.admin))];
    let steps = limits.chain(&steps).chain(&after_it);
    let said = reader.types(steps).await;
    assert!(said.contains("revision"), "the market was applied: {said}");
    assert!(
        said.contains("passed the gate"),
        "a version was pushed: {said}"
    );
    demo.child.kill().await.expect("was running");
    selling.abort();
}

fn is_project(folder: &Path) -> bool {
    folder.join("README.md").is_file() && folder.join("wit/buyer.wit").is_file()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_works_in_rust() {
    followed_in("rust").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_works_in_javascript() {
    followed_in("javascript").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_works_in_python() {
    followed_in("python").await;
}
