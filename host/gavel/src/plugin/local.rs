//! A plugin's file through the gate of this process, and the files beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gavel_exchange::cases::{self, Case};
use gavel_market::{ids::PluginName, model::CallLimits, reason::Outcome};
use gavel_sandbox::{GateError, Gated, Plugin, Sandbox, SandboxSettings};
use serde_json::Value;

use crate::out::Failure;

/// Reads a plugin's bytes.
pub(super) fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure(format!("{} cannot be read: {error}", file.display())))
}

/// A sandbox of a size that one plugin needs.
pub(super) fn sandbox() -> Result<Sandbox, Failure> {
    let settings = SandboxSettings {
        concurrent_calls: 4,
        warm_instances: 16,
        // Timed calls are few, and an author should hear of state before an operator does.
        reused_check_every: 10,
        ..SandboxSettings::default()
    };
    Sandbox::new(settings).map_err(|error| Failure(error.to_string()))
}

/// Settings' bound on a plugin's size, in bytes.
pub(super) fn size_max() -> usize {
    SandboxSettings::default().max_plugin_bytes
}

/// A plugin as the market would name it: by its file.
pub(super) fn name(file: &Path) -> PluginName {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let lower = stem.to_ascii_lowercase();
    #[expect(clippy::expect_used, reason = "a name in the source")]
    lower
        .parse()
        .unwrap_or_else(|_| "plugin".parse().expect("a name"))
}

/// A plugin that the gate lets through; refused, the words say what to do.
pub(super) async fn load(
    file: &Path,
    bytes: Vec<u8>,
    limits: CallLimits,
) -> Result<Plugin, Failure> {
    gate(file, bytes, limits).await?.plugin.map_err(|error| {
        Failure(format!(
            "the gate refuses {}: {}: {error} (`gavel plugin check` shows each of its steps{})",
            file.display(),
            error.code(),
            hint(&error)
        ))
    })
}

/// Languages that bring an interpreter along start slowly and large.
pub(super) fn hint(error: &GateError) -> &'static str {
    let (words, limits) = (
        error.to_string(),
        [Outcome::PluginTime, Outcome::PluginMemory],
    );
    if limits.iter().any(|limit| words.contains(limit.word())) {
        "; give it more with --time and --memory, and in the market with `limits`: JavaScript and Python need it"
    } else {
        ""
    }
}

/// The gate's report on a file, and the plugin or the gate's error. Compiles where that blocks nobody.
pub(super) async fn gate(
    file: &Path,
    bytes: Vec<u8>,
    limits: CallLimits,
) -> Result<Gated, Failure> {
    let (sandbox, name) = (sandbox()?, name(file));
    let gated = tokio::task::spawn_blocking(move || sandbox.gate(&name, &bytes, limits)).await;
    gated.map_err(|_panic| Failure(format!("the compiler gave up on {}", file.display())))
}

/// What a file says, in JSON, or in TOML where it is called so.
pub(super) fn data(file: &Path) -> Result<Value, Failure> {
    let wrong = |why: String| Failure(format!("{} cannot be read: {why}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    if file
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let table: toml::Table = toml::from_str(&text)
            .map_err(|error: toml::de::Error| wrong(error.to_string().trim().to_owned()))?;
        serde_json::to_value(table).map_err(|error| wrong(error.to_string()))
    } else {
        serde_json::from_str(&text).map_err(|error| wrong(format!("it is no JSON: {error}")))
    }
}

/// A file of cases.
pub(super) struct CaseFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Every file of cases that the paths name, of a folder those called .toml or .json, by name.
pub(super) fn case_files(paths: &[PathBuf]) -> Result<Vec<CaseFile>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let wrong = |error| Failure(format!("{} cannot be read: {error}", path.display()));
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(wrong)? {
            let file = entry.map_err(wrong)?.path();
            let kind = file.extension().and_then(|extension| extension.to_str());
            if file.is_file() && matches!(kind, Some("toml" | "json")) {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(Failure(format!(
                "{} has no file of cases: those are called .toml or .json",
                path.display()
            )));
        }
        inside.sort();
        files.extend(inside);
    }
    files
        .into_iter()
        .map(|path| match fs::read_to_string(&path) {
            Ok(text) => Ok(CaseFile { path, text }),
            Err(error) => Err(Failure(format!(
                "{} cannot be read: {error}",
                path.display()
            ))),
        })
        .collect()
}

impl CaseFile {
    /// Its cases.
    pub(super) fn cases(&self) -> Result<Vec<Case>, Failure> {
        cases::read(&self.path.display().to_string(), &self.text)
            .map_err(|error| Failure(error.to_string()))
    }
}
