//! The command that makes the wasm, clean of what an outer cargo left in the environment.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::{
    error::BuildError,
    folders::{Folders, PROFILE, TARGET},
    toolchain::{Toolchain, shown},
};

/// Lines of cargo's words that an error repeats: enough for a compiler's message.
const LINES_SHOWN: usize = 40;

/// Variables by which an outer cargo, or a person, steers *its* build. What is for the host
/// would break a wasm build, or make it start from nothing each time.
const STEERING: [&str; 14] = [
    "CARGO",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_LINKER",
    "RUSTC_BOOTSTRAP",
    "MAKEFLAGS",
    "MFLAGS",
    "OUT_DIR",
    "TARGET",
    "HOST",
    "PROFILE",
    "CLIPPY_ARGS",
];

/// Of cargo's own variables, those that say where things are had from, not what is built.
const KEPT: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRY_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
    "CARGO_BUILD_JOBS",
    "CARGO_CACHE_",
];

/// What to build.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    /// Packages of the workspace.
    Packages(&'a [&'a str]),
    /// An example of one.
    Example { package: &'a str, name: &'a str },
}

/// The command that builds it.
pub(crate) fn command(toolchain: &Toolchain, folders: &Folders, what: &What<'_>) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(&folders.workspace).stdin(Stdio::null());
    clean(&mut cargo);
    cargo.args(["build", "--profile", PROFILE, "--target", TARGET]);
    cargo.arg("--target-dir").arg(&folders.target);
    match what {
        What::Packages(packages) => {
            cargo.args(packages.iter().flat_map(|package| ["--package", package]))
        }
        What::Example { package, name } => cargo.args(["--package", package, "--example", name]),
    };
    if let Toolchain::Debian { rustc, linker } = toolchain {
        // Debian's compiler is older than the workspace asks for; the guests keep to what it has.
        cargo.args(["--ignore-rust-version", "-Z", "build-std=std,panic_abort"]);
        cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    cargo
}

/// What makes any cargo use this compiler, in its environment.
pub(crate) fn environment(toolchain: &Toolchain) -> Vec<(&'static str, OsString)> {
    match toolchain {
        Toolchain::InUse => Vec::new(),
        Toolchain::Debian { rustc, linker } => vec![
            ("RUSTC", rustc.into()),
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort".into()),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.into()),
        ],
    }
}

/// Takes out of a command's environment what steers another build.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if steers_another_build(&name) {
            command.env_remove(name);
        }
    }
}

fn steers_another_build(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    if STEERING.contains(&name) {
        return true;
    }
    name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept))
}

/// Runs the build, telling what takes long; where it fails, the error has cargo's last words.
pub(crate) fn run(mut cargo: Command, progress: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let program = cargo.get_program().to_string_lossy().into_owned();
    let not_started = |source| BuildError::NotStarted {
        program: program.clone(),
        source,
    };
    let mut child = cargo
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_started)?;
    let mut telling = Telling::default();
    let mut last_lines = VecDeque::with_capacity(LINES_SHOWN);
    let said = child.stderr.take().map(BufReader::new);
    for line in said
        .into_iter()
        .flat_map(BufReader::lines)
        .map_while(Result::ok)
    {
        if let Some(told) = telling.of(&line) {
            progress(told);
        }
        if last_lines.len() == LINES_SHOWN {
            last_lines.pop_front();
        }
        last_lines.push_back(line);
    }
    if child.wait().map_err(not_started)?.success() {
        return Ok(());
    }
    Err(BuildError::Failed {
        command: shown(&cargo),
        said: Vec::from(last_lines).join("\n"),
    })
}

/// What of cargo's words is worth telling, each once.
#[derive(Default)]
struct Telling {
    fetching: bool,
    compiling: bool,
}

impl Telling {
    fn of(&mut self, line: &str) -> Option<&'static str> {
        match line.split_whitespace().next()? {
            "Updating" | "Downloading" if !std::mem::replace(&mut self.fetching, true) => {
                Some("fetching the crates that the plugins use")
            }
            "Compiling" if !std::mem::replace(&mut self.compiling, true) => {
                Some("compiling the plugins to wasm: up to a minute the first time")
            }
            "Blocking" => Some("waiting for another cargo"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        path::{Path, PathBuf},
        process::Command,
    };

    use super::{Telling, What, command, run, steers_another_build};
    use crate::{error::BuildError, folders::Folders, toolchain::Toolchain};

    fn folders() -> Folders {
        Folders {
            workspace: PathBuf::from("/gavel"),
            target: PathBuf::from("/gavel/target/plugins"),
        }
    }

    fn args(command: &Command) -> String {
        command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What the command sets a variable to; variables that it removes count as not set.
    fn set<'a>(command: &'a Command, name: &str) -> Option<&'a OsStr> {
        command
            .get_envs()
            .find(|(known, _)| *known == OsStr::new(name))
            .and_then(|(_, value)| value)
    }

    #[test]
    fn a_compiler_with_the_target_needs_nothing_more() {
        let command = command(
            &Toolchain::InUse,
            &folders(),
            &What::Packages(&["roof-filter", "http-buyer"]),
        );
        assert_eq!(
            args(&command),
            "build --profile plugin --target wasm32-unknown-unknown \
             --target-dir /gavel/target/plugins --package roof-filter --package http-buyer"
        );
        assert_eq!(command.get_current_dir(), Some(Path::new("/gavel")));
        assert_eq!(set(&command, "RUSTC"), None);
    }

    #[test]
    fn debians_compiler_compiles_the_standard_library_along() {
        let toolchain = Toolchain::Debian {
            rustc: "/usr/bin/rustc".into(),
            linker: "/opt/rust/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld".into(),
        };
        let command = command(&toolchain, &folders(), &What::Packages(&["http-buyer"]));
        assert!(
            args(&command).ends_with(
                "--package http-buyer --ignore-rust-version -Z build-std=std,panic_abort"
            )
        );
        assert_eq!(set(&command, "RUSTC"), Some(OsStr::new("/usr/bin/rustc")));
        assert_eq!(set(&command, "RUSTC_BOOTSTRAP"), Some(OsStr::new("1")));
        assert_eq!(
            set(&command, "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER"),
            Some(OsStr::new(
                "/opt/rust/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld"
            ))
        );
    }

    #[test]
    fn what_steers_an_outer_build_is_left_behind_and_where_crates_come_from_is_kept() {
        for left in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_VERSION",
            "CARGO_TARGET_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_MAKEFLAGS",
            "RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
        ] {
            assert!(steers_another_build(OsStr::new(left)), "{left}");
        }
        for kept in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "CARGO_HTTP_PROXY",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_MIRROR_INDEX",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(!steers_another_build(OsStr::new(kept)), "{kept}");
        }
        // This test runs inside cargo, so there is something to leave behind.
        let command = command(
            &Toolchain::InUse,
            &folders(),
            &What::Packages(&["roof-filter", "http-buyer"]),
        );
        assert!(
            command
                .get_envs()
                .any(|(name, value)| name == "CARGO_MANIFEST_DIR" && value.is_none())
        );
    }

    #[test]
    fn what_takes_long_is_told_once() {
        let mut telling = Telling::default();
        assert_eq!(
            telling.of("   Compiling serde v1.0.229"),
            Some("compiling the plugins to wasm: up to a minute the first time")
        );
        assert_eq!(telling.of("   Compiling syn v3.0.10"), None);
        assert_eq!(telling.of("    Finished `plugin` profile"), None);
        assert_eq!(telling.of(""), None);
    }

    #[test]
    fn a_failed_build_repeats_the_last_words() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "seq 100 >&2; echo 'error: no' >&2; exit 1"]);
        let BuildError::Failed { command, said } = run(failing, &mut |_| ()).unwrap_err() else {
            panic!("the command fails");
        };
        assert!(command.starts_with("sh -c"));
        assert!(
            said.starts_with("62\n") && said.ends_with("100\nerror: no"),
            "{said}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(Command::new("no-such-cargo"), &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains("`no-such-cargo`"), "{error}");
    }
}
