//! `gavel plugin check`: what the gate says of a file.

use gavel_sandbox::Plugin;
use serde_json::{Map, Value, json};

use super::{
    cli::CheckArgs,
    figures::{TITLE, styled},
    gate, local,
};
use crate::{
    out::{self, Failure},
    told::{list, object, text},
};

/// Sends a file through the gate and prints the report.
pub(super) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let bytes = local::bytes(&args.file)?;
    let gated = local::gate(&args.file, bytes, args.limits.limits()).await?;
    let report = serde_json::to_value(&gated.report).unwrap_or_default();
    let about = gated.plugin.as_ref().ok().map(about);
    if args.json {
        let mut whole = Map::from_iter([("gate".to_owned(), report)]);
        whole.extend(about.map(|about| ("plugin".to_owned(), about)));
        if let Err(error) = &gated.plugin {
            let refused = json!({"code": error.code(), "detail": error.to_string()});
            whole.insert("refused".to_owned(), refused);
        }
        out::line(&serde_json::to_string_pretty(&whole).unwrap_or_default());
    } else {
        let lines = gate::lines(&report).into_iter();
        for line in lines.chain(about.iter().flat_map(about_lines)) {
            out::line(&line);
        }
    }
    match gated.plugin {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure(format!(
            "the gate refuses {}: {}: {error}{}",
            args.file.display(),
            error.code(),
            local::hint(&error)
        ))),
    }
}

/// What a plugin says of itself.
fn about(plugin: &Plugin) -> Value {
    let about = plugin.about();
    json!({
        "name": about.name,
        "version": about.version,
        "kind": plugin.kind().to_string(),
        "digest": plugin.digest(),
        "summary": about.summary,
        "needs": about.needs,
        "codes": about.codes,
        "config_schema": about.config_schema,
    })
}

fn about_lines(about: &Value) -> Vec<String> {
    let names = |list_of: &Value| {
        let names: Vec<String> = list(list_of).map(text).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let mut lines = vec![
        gate::entry("digest", &text(&about["digest"])),
        gate::entry(
            "plugin",
            &format!(
                "{} {}, {}",
                text(&about["name"]),
                text(&about["version"]),
                text(&about["kind"])
            ),
        ),
        gate::entry("summary", &text(&about["summary"])),
        gate::entry("needs", &names(&about["needs"])),
        gate::entry("codes", &names(&about["codes"])),
        styled(TITLE, "config"),
    ];
    let keys = config_keys(&about["config_schema"]);
    if keys.is_empty() {
        lines.push("  (the schema names no keys)".to_owned());
    }
    lines.extend(keys);
    lines
}

/// The keys at a configuration's top: those that must be there first.
fn config_keys(schema: &Value) -> Vec<String> {
    let required: Vec<String> = list(&schema["required"]).map(text).collect();
    let is_required = |key: &str| required.iter().any(|required| required == key);
    let mut keys: Vec<(&String, &Value)> = object(&schema["properties"]).collect();
    keys.sort_by_key(|(key, _)| !is_required(key));
    let width = keys.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let line = |(key, schema): &(&String, &Value)| {
        let mark = if is_required(key) {
            "required"
        } else {
            "optional"
        };
        let said = text(&schema["description"]);
        format!("  {key:width$}  {mark}  {said}")
            .trim_end()
            .to_owned()
    };
    keys.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_keys_come_first() {
        let schema = json!({"required": ["post_url"], "properties": {
            "ping_url": {"type": "string", "description": "Where pings go."},
            "post_url": {"type": "string"},
        }});
        assert_eq!(
            config_keys(&schema),
            [
                "  post_url  required",
                "  ping_url  optional  Where pings go."
            ]
        );
    }
}
