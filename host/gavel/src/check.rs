//! `gavel check`: what is wrong with a market file, without a host.

use std::{collections::BTreeMap, path::PathBuf};

use gavel_exchange::market_change;
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

/// Checks a file and prints what is wrong with it.
pub(crate) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let path: PathBuf = args.market.clone();
    let file = MarketFile::read(&path)?;
    let (market, errors) = check(&file).await?;
    for line in file.lines(errors.iter().cloned()) {
        out::note(&line);
    }
    match market {
        Some(market) if errors.is_empty() => {
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
            counted(errors.len(), "error")
        ))),
    }
}

/// `1 error`, `2 errors`
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Everything that is wrong: with the market, with its plugins, and between the two. The last
/// is looked for only where the market can be read.
async fn check(file: &MarketFile) -> Result<(Option<Market>, Vec<MarketError>), Failure> {
    let mut errors = file.with_lines(file.errors.clone());
    let market = match file::parse_toml(&file.text().text) {
        Ok(market) => market,
        Err(more) => {
            errors.extend(more);
            errors.sort_by_key(|error| error.line);
            return Ok((None, errors));
        }
    };
    let (plugins, refused) = load(&market, file).await?;
    errors.extend(file.with_lines(refused));
    errors.extend(file.with_lines(market_change::verify(&market, &plugins).await));
    errors.sort_by_key(|error| error.line);
    Ok((Some(market), errors))
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
                    "plugin `{name}` is named by digest ({}), so accounts that use it are checked only by the host",
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
