//! `gavel apply`: a market file becomes the running host's market.

use gavel_market::ids::Digest;
use serde_json::Value;

use crate::{
    check::counted,
    cli::ApplyArgs,
    client::{AdminClient, Answer, query},
    market_file::{Fault, MarketFile, PluginFile},
    out::{self, Failure},
};

/// Uploads the plugins that the host lacks, then sends the market, which names them by digest.
pub(crate) async fn run(args: &ApplyArgs) -> Result<(), Failure> {
    let file = MarketFile::read(&args.market)?;
    if !file.errors.is_empty() {
        return Err(refused(&file, file.with_lines(file.errors.clone())));
    }
    let host = AdminClient::new(&args.admin)?;
    upload(&host, &file.plugins).await?;
    let path = format!("market?source={}&dry_run={}", file.digest(), args.dry_run);
    let answer = host
        .put(&path, "application/toml", file.text().text.into_bytes())
        .await?;
    let change = match faults(&answer) {
        Some(faults) => return Err(refused(&file, faults)),
        None => answer.ok()?,
    };
    report(&change, args.dry_run);
    Ok(())
}

/// Uploads what the host does not have yet.
async fn upload(host: &AdminClient, plugins: &[PluginFile]) -> Result<(), Failure> {
    let items = host.list("plugins").await?;
    let has = |name: &str, digest: Digest| {
        items.iter().any(|version| {
            version.get("name").and_then(Value::as_str) == Some(name)
                && version.get("digest").and_then(Value::as_str) == Some(&digest.to_string())
                && version.get("refused").is_none()
        })
    };
    for plugin in plugins
        .iter()
        .filter(|plugin| !has(plugin.name.as_str(), plugin.digest))
    {
        let answer = host
            .put(
                &query(&format!("plugins/{}", plugin.name), &plugin.limits),
                "application/wasm",
                plugin.bytes.clone(),
            )
            .await?;
        if !answer.status.is_success() {
            return Err(Failure(format!(
                "plugin `{}` was refused: {}",
                plugin.name,
                gate_words(&answer)
            )));
        }
        out::line(&format!(
            "plugin {} {} uploaded ({} bytes)",
            plugin.name,
            plugin.digest.short(),
            plugin.bytes.len()
        ));
    }
    Ok(())
}

/// The gate's code and words.
fn gate_words(answer: &Answer) -> String {
    let text = |key: &str| {
        answer
            .body
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!("{}: {}", text("code"), text("detail"))
}

/// The market's errors, if that is what the host answered.
fn faults(answer: &Answer) -> Option<Vec<Fault>> {
    let is_market = answer.body.get("code").and_then(Value::as_str) == Some("invalid_market");
    let errors = answer.body.get("errors").filter(|_| is_market)?;
    serde_json::from_value(errors.clone()).ok()
}

/// Prints every error with its place in the file.
fn refused(file: &MarketFile, faults: Vec<impl Into<Fault>>) -> Failure {
    let lines = file.lines(faults);
    for line in &lines {
        out::note(line);
    }
    Failure(format!(
        "{} was not applied: {} to mend; the market in force stays",
        file.shown(),
        counted(lines.len(), "error")
    ))
}

fn report(change: &Value, dry_run: bool) {
    let changes = change
        .get("changes")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for line in changes.iter().filter_map(Value::as_str) {
        out::line(line);
    }
    let revision = change
        .get("revision")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    out::line(&match (dry_run, changes.is_empty()) {
        (true, true) => format!("nothing would change: revision {revision} says the same"),
        (true, false) => format!(
            "{} would be made to revision {revision}; nothing was",
            counted(changes.len(), "change")
        ),
        (false, _) => format!("revision {revision} is in force"),
    });
}
