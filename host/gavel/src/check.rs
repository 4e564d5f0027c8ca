//! `gavel check`: what is wrong with a market file, without a host.

mod outbound;

use std::{collections::BTreeMap, path::PathBuf};

use gavel_exchange::{market_change, secrets};
use gavel_market::{
    file::{self, MarketError},
    ids::PluginName,
    model::{CallLimits, Market, PluginSource},
};
use gavel_sandbox::{Plugin, Sandbox, SandboxSettings};

use crate::{
    cli::CheckArgs,
    market_file::MarketFile,
    out::{self, Failure},
};

/// Checks a file and prints what is wrong with it. Notes are of what only a host can tell, and
/// are no errors.
pub(crate) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let path: PathBuf = args.market.clone();
    let file = MarketFile::read(&path)?;
    let checked = check(&file).await?;
    for line in file.lines(checked.errors.iter().cloned()) {
        out::note(&line);
    }
    for line in file.lines(checked.notes) {
        out::note(&format!("note: {line}"));
    }
    match checked.market {
        Some(market) if checked.errors.is_empty() => {
            let (campaigns, accounts, plugins) = (
                market.campaigns.len(),
                market.accounts.len(),
                market.plugins.len(),
            );
            out::line(&format!(
                "{}: no errors ({campaigns} campaigns, {accounts} accounts, {plugins} plugins)",
                file.shown()
            ));
            Ok(())
        }
        _ => Err(Failure(format!(
            "{} has {} to mend",
            file.shown(),
            counted(checked.errors.len(), "error")
        ))),
    }
}

/// `1 error`, `2 errors`
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What was found in a file.
#[derive(Default)]
struct Checked {
    /// As far as it can be read.
    market: Option<Market>,
    errors: Vec<MarketError>,
    /// What may be well on the host.
    notes: Vec<MarketError>,
}

/// Everything that is wrong: with the market, with its plugins, between the two, and with its
/// secrets. All but the first is looked for only where the market can be read.
async fn check(file: &MarketFile) -> Result<Checked, Failure> {
    let mut checked = Checked {
        errors: file.with_lines(file.errors.clone()),
        ..Checked::default()
    };
    match file::parse_toml(&file.text().text) {
        Ok(market) => {
            let (plugins, refused) = load(&market, file).await?;
            checked.errors.extend(file.with_lines(refused));
            let between = market_change::verify(&market, &plugins).await;
            checked.errors.extend(file.with_lines(between));
            let (mut notes, wrong) = unavailable(&market);
            notes.extend(outbound::unusable(&market));
            checked.errors.extend(file.with_lines(wrong));
            checked.notes = file.with_lines(notes);
            checked.market = Some(market);
        }
        Err(more) => checked.errors.extend(more),
    }
    checked.errors.sort_by_key(|error| error.line);
    checked.notes.sort_by_key(|note| note.line);
    Ok(checked)
}

/// What the market's secrets lack on this machine: notes of what the host may have all the same,
/// and errors.
fn unavailable(market: &Market) -> (Vec<MarketError>, Vec<MarketError>) {
    let (mut notes, mut errors) = (Vec::new(), Vec::new());
    for wrong in secrets::check(market) {
        let (path, code) = (wrong.path(), wrong.problem.code());
        if wrong.problem.depends_on_the_host() {
            let message = format!("on this machine, {}", wrong.problem);
            notes.push(MarketError::new(path, code, message));
        } else {
            errors.push(MarketError::new(path, code, wrong.problem.to_string()));
        }
    }
    (notes, errors)
}

/// Sends the market's plugins through the gate.
async fn load(
    market: &Market,
    file: &MarketFile,
) -> Result<(BTreeMap<PluginName, Plugin>, Vec<MarketError>), Failure> {
    let sandbox =
        Sandbox::new(SandboxSettings::default()).map_err(|error| Failure(error.to_string()))?;
    let (mut plugins, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, spec) in &market.plugins {
        let Some(found) = file.plugins.iter().find(|plugin| plugin.name == *name) else {
            if let PluginSource::Digest(digest) = &spec.source {
                out::note(&format!(
                    "note: plugin `{name}` is named by digest ({}), so accounts that use it are checked only by the host",
                    digest.short()
                ));
            }
            continue;
        };
        match gate(&sandbox, name.clone(), found.bytes.clone(), spec.limits).await {
            Ok(plugin) => {
                plugins.insert(name.clone(), plugin);
            }
            Err((code, message)) => errors.push(MarketError::new(
                format!("plugins.{name}.path"),
                code,
                message,
            )),
        }
    }
    Ok((plugins, errors))
}

/// Compiles a plugin where that blocks nobody.
async fn gate(
    sandbox: &Sandbox,
    name: PluginName,
    bytes: Vec<u8>,
    limits: CallLimits,
) -> Result<Plugin, (&'static str, String)> {
    let sandbox = sandbox.clone();
    match tokio::task::spawn_blocking(move || sandbox.load(&name, &bytes, limits)).await {
        Ok(loaded) => loaded.map_err(|error| (error.code(), error.to_string())),
        Err(_panic) => Err((
            "not_compilable",
            "the compiler gave up on this plugin".into(),
        )),
    }
}
