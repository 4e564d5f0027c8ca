//! Which compiler makes wasm here, and how to get one.
//!
//! First the one that is in use: rustup adds the target to it in seconds. Where rustup cannot
//! reach its downloads but Debian's packages can be had, Debian's compiler does it: it comes
//! with the standard library's source, which cargo then compiles for wasm.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{cargo, error::BuildError, folders::TARGET};

/// Debian's compiler; its package cannot be installed beside Debian's own `rustc`, so there
/// is no doubt whose this is once the source stands beside it.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The standard library's source, as the package `rust-web-src` has it.
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// What `apt-get` is asked for.
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// A compiler that makes wasm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The one in use, which has the target.
    InUse,
    /// Debian's, which compiles the standard library along.
    Debian {
        rustc: PathBuf,
        /// The linker, which comes with the compiler in use.
        linker: PathBuf,
    },
}

/// A compiler that makes wasm, got first where there is none.
pub(crate) fn ensure(
    workspace: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Toolchain, BuildError> {
    let in_use = InUse::ask(workspace)?;
    if in_use.has_target() {
        return Ok(Toolchain::InUse);
    }
    if debian_is_installed() {
        // It was needed once, so rustup is not made to try its downloads every time.
        return Ok(debian(&in_use, progress));
    }
    progress(&format!(
        "the compiler has no {TARGET} target yet: adding it with `rustup target add {TARGET}`"
    ));
    let mut rustup = tool("rustup", workspace);
    rustup.args(["target", "add", TARGET]);
    let added = said_by(&mut rustup);
    if in_use.has_target() {
        return Ok(Toolchain::InUse);
    }
    let why = added
        .err()
        .unwrap_or_else(|| "it is still not there".to_owned());
    let mut tried = format!("`{}`: {}", shown(&rustup), first_line(&why));
    progress(&format!("rustup could not ({})", first_line(&why)));
    if is_root()
        && let Err(why) = install_debian(progress)
    {
        tried = format!(
            "{tried}; `{}`: {}",
            shown(&install_command()),
            first_line(&why)
        );
    }
    if debian_is_installed() {
        return Ok(debian(&in_use, progress));
    }
    Err(BuildError::NoWasmTarget {
        tried,
        advice: advice(),
    })
}

/// What is known of the compiler in use.
struct InUse {
    sysroot: PathBuf,
    /// Such as `x86_64-unknown-linux-gnu`.
    host: String,
}

impl InUse {
    fn ask(workspace: &Path) -> Result<Self, BuildError> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = tool(&rustc, workspace)
            .args(["--print", "sysroot", "--print", "host-tuple"])
            .output();
        let output = output.map_err(|source| BuildError::NotStarted {
            program: rustc.to_string_lossy().into_owned(),
            source,
        })?;
        let said = String::from_utf8_lossy(&output.stdout);
        Self::parse(&said).ok_or_else(|| BuildError::NoWasmTarget {
            tried: format!(
                "`rustc --print sysroot`: {}",
                first_line(&String::from_utf8_lossy(&output.stderr))
            ),
            advice: "Install Rust with rustup (https://rustup.rs), then run this again.".to_owned(),
        })
    }

    /// One line for each thing that was asked.
    fn parse(said: &str) -> Option<Self> {
        let mut lines = said.lines().map(str::trim);
        let sysroot = lines.next().filter(|line| Path::new(line).is_absolute())?;
        Some(Self {
            sysroot: sysroot.into(),
            host: lines.next()?.to_owned(),
        })
    }

    fn has_target(&self) -> bool {
        self.rustlib().join(TARGET).join("lib").is_dir()
    }

    fn linker(&self) -> PathBuf {
        self.rustlib().join(&self.host).join("bin").join("rust-lld")
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib").join("rustlib")
    }
}

fn debian(in_use: &InUse, progress: &mut dyn FnMut(&str)) -> Toolchain {
    progress(
        "using Debian's compiler; the first time it compiles the standard library too, \
         which takes some minutes",
    );
    Toolchain::Debian {
        rustc: DEBIAN_RUSTC.into(),
        linker: in_use.linker(),
    }
}

/// Installs Debian's compiler, which takes the right to.
fn install_debian(progress: &mut dyn FnMut(&str)) -> Result<(), String> {
    progress(&format!(
        "installing Debian's compiler instead with `{}`: about half a minute",
        shown(&install_command())
    ));
    said_by(&mut install_command()).or_else(|_| {
        // A fresh machine has no package lists yet.
        said_by(apt_get().arg("update"))?;
        said_by(&mut install_command())
    })
}

fn advice() -> String {
    format!(
        "Run `rustup target add {TARGET}` where rustup's downloads can be reached, or on Debian \
         `sudo {}`; then run this again.",
        shown(&install_command())
    )
}

fn debian_is_installed() -> bool {
    Path::new(DEBIAN_RUSTC).is_file() && Path::new(DEBIAN_SOURCE).is_file()
}

fn install_command() -> Command {
    let mut install = apt_get();
    install
        .args(["install", "--yes", "--no-install-recommends"])
        .args(DEBIAN_PACKAGES);
    install
}

fn apt_get() -> Command {
    let mut apt_get = Command::new("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    apt_get
}

/// Whether this process may install packages.
#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Elsewhere there is no `apt-get` either.
#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    false
}

/// A program of the toolchain, asked about the workspace's toolchain.
fn tool(program: impl AsRef<std::ffi::OsStr>, workspace: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace).stdin(Stdio::null());
    cargo::clean(&mut command);
    command
}

/// Runs a command; where it fails, what it said.
fn said_by(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The line to show of what a program said: the first that speaks of an error, else the first.
fn first_line(said: &str) -> &str {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().next().unwrap_or("it said nothing");
    lines
        .find(|line| line.starts_with("error") || line.starts_with("E:"))
        .unwrap_or(first)
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{InUse, advice, first_line, install_command, shown};

    #[test]
    fn the_compiler_says_its_sysroot_and_host() {
        let in_use = InUse::parse("/opt/rust/stable\nx86_64-unknown-linux-gnu\n").unwrap();
        assert_eq!(in_use.sysroot, Path::new("/opt/rust/stable"));
        assert_eq!(
            in_use.linker(),
            Path::new("/opt/rust/stable/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld")
        );
        assert!(InUse::parse("error: toolchain 'stable' is not installed").is_none());
    }

    #[test]
    fn a_sysroot_with_the_targets_library_has_the_target() {
        let sysroot = tempfile::tempdir().unwrap();
        let in_use = InUse {
            sysroot: sysroot.path().to_owned(),
            host: "any".to_owned(),
        };
        assert!(!in_use.has_target());
        std::fs::create_dir_all(
            sysroot
                .path()
                .join("lib/rustlib/wasm32-unknown-unknown/lib"),
        )
        .unwrap();
        assert!(in_use.has_target());
    }

    #[test]
    fn debians_compiler_is_installed_without_asking_and_without_its_own_cargo() {
        assert_eq!(
            shown(&install_command()),
            "apt-get install --yes --no-install-recommends rustc-web rust-web-src"
        );
    }

    #[test]
    fn the_advice_is_a_command_to_run() {
        let advice = advice();
        assert!(
            advice.contains("`rustup target add wasm32-unknown-unknown`"),
            "{advice}"
        );
        assert!(advice.contains("`sudo apt-get install"), "{advice}");
    }

    #[test]
    fn of_many_lines_the_error_is_shown() {
        assert_eq!(
            first_line("info: downloading\nerror: could not download file\n"),
            "error: could not download file"
        );
        assert_eq!(first_line("\n"), "it said nothing");
    }
}
