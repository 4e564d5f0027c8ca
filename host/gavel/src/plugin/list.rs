//! `gavel plugin list`: the versions that a host has.

use serde_json::{Value, json};

use super::{
    cli::ListArgs,
    figures::{TITLE, styled},
    host::{ok, short, state},
    trial,
};
use crate::{
    client::AdminClient,
    out::{self, Failure},
    told::{list, table, text},
};

/// Entries of a plugin's history that are shown; `--json` has them all.
const HISTORY_MAX: usize = 10;

/// Every version of all plugins, or all about one.
pub(super) async fn run(args: &ListArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let answer = match &args.name {
        Some(name) => ok(host.get(&format!("plugins/{name}")).await?)?,
        None => json!({"items": host.list("plugins").await?, "next": null}),
    };
    if args.json {
        out::line(&serde_json::to_string_pretty(&answer).unwrap_or_default());
        return Ok(());
    }
    let lines = match args.name {
        Some(_) => one(&answer),
        None => all(&answer),
    };
    out::lines(&lines);
    Ok(())
}

fn all(answer: &Value) -> Vec<String> {
    let rows: Vec<_> = list(&answer["items"])
        .map(|version| {
            [
                text(&version["name"]),
                short(&version["digest"]),
                text(&version["kind"]),
                text(&version["version"]),
                text(&version["at"]),
                state(version),
            ]
        })
        .collect();
    if rows.is_empty() {
        return vec!["the host has no plugins yet: gavel plugin push NAME FILE.wasm".to_owned()];
    }
    table(
        ["plugin", "digest", "kind", "version", "uploaded", "state"],
        rows,
    )
}

fn one(answer: &Value) -> Vec<String> {
    let versions = list(&answer["versions"]).map(|version| {
        let counters = &version["counters"];
        let number = |key: &str| text(&counters[key]);
        [
            short(&version["digest"]),
            text(&version["version"]),
            text(&version["at"]),
            number("calls"),
            number("faults"),
            number("refusals"),
            microseconds(&counters["cpu_us_mean"]),
            state(version),
        ]
    });
    let titles = [
        "digest",
        "version",
        "uploaded",
        "calls",
        "faults",
        "refusals",
        "mean time",
        "state",
    ];
    let mut lines = vec![styled(TITLE, &text(&answer["name"]))];
    lines.extend(table(titles, versions.collect()));
    if !answer["trial"].is_null() {
        lines.push(String::new());
        lines.extend(trial::lines(&answer["trial"]));
    }
    let ended = list(&answer["ended"]).take(HISTORY_MAX).map(|trial| {
        ["at", "mode", "digest", "why"].map(|key| match key {
            "digest" => short(&trial[key]),
            key => text(&trial[key]),
        })
    });
    lines.extend(titled(
        "trials that ended",
        ["at", "mode", "digest", "why"],
        ended,
    ));
    let history = list(&answer["history"]).take(HISTORY_MAX).map(|entry| {
        ["at", "digest", "revision", "why"].map(|key| match key {
            "digest" => short(&entry[key]),
            key => text(&entry[key]),
        })
    });
    lines.extend(titled(
        "history",
        ["at", "active", "revision", "why"],
        history,
    ));
    lines
}

/// A table under a title, and nothing where it has no rows.
fn titled(title: &str, titles: [&str; 4], rows: impl Iterator<Item = [String; 4]>) -> Vec<String> {
    let rows = table(titles, rows.collect());
    if rows.is_empty() {
        return rows;
    }
    let mut lines = vec![String::new(), styled(TITLE, title)];
    lines.extend(rows);
    lines
}

/// `0.12 ms`, or nothing where nothing was measured.
pub(super) fn microseconds(us: &Value) -> String {
    us.as_f64()
        .map(|us| format!("{:.2} ms", us / 1000.0))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> String {
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn a_plugin_is_told_with_its_counters_its_trial_and_its_history() {
        let answer = json!({
            "name": "roof-filter", "active": "aaaaaaaa0000",
            "versions": [
                {"digest": "aaaaaaaa0000", "version": "1.0.0", "at": "T2", "active": true,
                 "counters": {"calls": 1200, "faults": 0, "refusals": 300, "cpu_us_mean": 41.5}},
                {"digest": "bbbbbbbb0000", "version": "0.9.0", "at": "T1", "active": false,
                 "counters": {"calls": 0, "faults": 0, "refusals": 0, "cpu_us_mean": null}},
            ],
            "history": [{"at": "T2", "digest": "aaaaaaaa0000", "revision": 4, "why": "activated"}],
            "trial": null,
            "ended": [{"mode": "canary", "digest": "bbbbbbbb0000", "at": "T3", "why": "faults 21 % against 0 %"}],
        });
        assert_eq!(
            plain(&one(&answer)),
            "roof-filter
  digest    version  uploaded  calls  faults  refusals  mean time  state
  aaaaaaaa  1.0.0    T2        1200   0       300       0.04 ms    active
  bbbbbbbb  0.9.0    T1        0      0       0                    ready

trials that ended
  at  mode    digest    why
  T3  canary  bbbbbbbb  faults 21 % against 0 %

history
  at  active    revision  why
  T2  aaaaaaaa  4         activated"
        );
    }

    #[test]
    fn a_host_without_plugins_says_how_to_get_one() {
        assert!(plain(&all(&json!({"items": [], "next": null}))).contains("plugin push"));
    }
}
