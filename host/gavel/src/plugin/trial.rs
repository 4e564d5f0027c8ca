//! `gavel plugin shadow`, `canary` and `differences`: a version on trial beside the active one.

use serde_json::{Map, Value, json};

use super::{
    cli::{CanaryArgs, DifferencesArgs, ShadowArgs},
    figures::{TITLE, styled},
    host::{change, ok, short},
    list::microseconds,
};
use crate::{
    client::{AdminClient, query},
    out::{self, Failure},
    told::{decision, list, table, text},
};

/// Differences that one question asks for.
const PAGE: usize = 100;

/// Begins or ends a shadow.
pub(super) async fn shadow(args: &ShadowArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let digest = args.digest.as_ref().map(|digest| &digest.0);
    let answer = change(&host, &args.name, "shadow", &json!({"digest": digest})).await?;
    tell(args.name.as_str(), &answer);
    Ok(())
}

/// Begins or ends a canary.
pub(super) async fn canary(args: &CanaryArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let answer = change(&host, &args.name, "canary", &canary_body(args)).await?;
    tell(args.name.as_str(), &answer);
    Ok(())
}

fn canary_body(args: &CanaryArgs) -> Value {
    let Some(digest) = &args.digest else {
        return json!({"digest": null});
    };
    let margins = [
        ("faults", args.margin_faults),
        ("refusals", args.margin_refusals),
        ("time", args.margin_time),
    ];
    let margins: Map<String, Value> = margins
        .into_iter()
        .filter_map(|(key, share)| Some((key.to_owned(), share?.0.into())))
        .collect();
    let mut body = json!({"digest": digest.0, "share": args.share.map(|share| share.0)});
    if let Some(body) = body.as_object_mut().filter(|_| !margins.is_empty()) {
        body.insert("margins".to_owned(), margins.into());
    }
    body
}

fn tell(name: &str, answer: &Value) {
    if answer["trial"].is_null() {
        out::line(&format!("no version of {name} is on trial"));
    } else {
        out::lines(&lines(&answer["trial"]));
    }
}

/// A trial and how it goes.
pub(super) fn lines(trial: &Value) -> Vec<String> {
    let share = trial["share"]
        .as_f64()
        .map(|share| format!(", {} of pings", percent(share)))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{} since {}{share}",
        styled(
            TITLE,
            &format!("{} {}", text(&trial["mode"]), short(&trial["digest"]))
        ),
        text(&trial["since"])
    )];
    let counted = ["seen", "differed", "skipped"].map(|key| (key, &trial[key]));
    let counted: Vec<String> = counted
        .iter()
        .filter(|(_, number)| !number.is_null())
        .map(|(key, number)| format!("{key} {}", text(number)))
        .collect();
    lines.push(format!("  {}", counted.join(", ")));
    let row = |who: &str, counters: &Value| {
        let number = |key: &str| text(&counters[key]);
        let time = microseconds(&counters["cpu_us_mean"]);
        [
            who.to_owned(),
            number("calls"),
            number("faults"),
            number("refusals"),
            time,
        ]
    };
    lines.extend(table(
        ["version", "calls", "faults", "refusals", "mean time"],
        vec![
            row("candidate", &trial["candidate"]),
            row("active", &trial["active"]),
        ],
    ));
    let margins = [
        ("faults", "more faults"),
        ("refusals", "more refusals"),
        ("time", "more time"),
    ];
    let margins: Vec<String> = margins
        .into_iter()
        .filter_map(|(key, words)| {
            Some(format!(
                "{} {words}",
                percent(trial["margins"].get(key)?.as_f64()?)
            ))
        })
        .collect();
    if !margins.is_empty() {
        lines.push(format!("  taken back at {}", margins.join(", ")));
    }
    lines
}

/// `10 %`
fn percent(share: f64) -> String {
    format!("{} %", (share * 10_000.0).round() / 100.0)
}

/// Prints where a shadow differed.
pub(super) async fn differences(args: &DifferencesArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let mut items: Vec<Value> = Vec::new();
    let mut after: Option<String> = None;
    while items.len() < args.limit {
        let limit = (args.limit - items.len()).min(PAGE).to_string();
        let mut pairs = vec![("limit", limit)];
        pairs.extend(after.take().map(|after| ("after", after)));
        let path = query(&format!("plugins/{}/differences", args.name), &pairs);
        let page = &ok(host.get(&path).await?)?;
        items.extend(list(&page["items"]).cloned());
        match text(&page["next"]) {
            end if end.is_empty() => break,
            next => after = Some(next),
        }
    }
    if args.json {
        out::line(&serde_json::to_string_pretty(&items).unwrap_or_default());
    } else {
        out::lines(&difference_lines(&items));
    }
    Ok(())
}

fn difference_lines(items: &[Value]) -> Vec<String> {
    if items.is_empty() {
        return vec!["no differences".to_owned()];
    }
    let row = |item: &Value| {
        [
            text(&item["at"]),
            text(&item["ping_id"]),
            text(&item["account"]),
            short(&item["digest"]),
            decision(&item["active"]),
            decision(&item["shadow"]),
        ]
    };
    table(
        [
            "at",
            "ping",
            "account",
            "shadow",
            "active decided",
            "shadow would have",
        ],
        items.iter().map(row).collect(),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        plugin::cli::PluginCommand,
    };

    fn plain(lines: &[String]) -> String {
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    fn typed(line: &str) -> Value {
        let words = format!("gavel plugin canary {line}");
        match Cli::try_parse_from(words.split(' ')).unwrap().command {
            Command::Plugin(args) => match args.command {
                PluginCommand::Canary(args) => canary_body(&args),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_canary_has_a_share_and_the_margins_that_were_given() {
        assert_eq!(
            typed("a 3f2a91cc --share 10%"),
            json!({"digest": "3f2a91cc", "share": 0.1})
        );
        assert_eq!(
            typed("a 3f2a91cc --share 0.5 --margin-faults 5% --margin-time 100%"),
            json!({"digest": "3f2a91cc", "share": 0.5, "margins": {"faults": 0.05, "time": 1.0}})
        );
        assert_eq!(typed("a --end"), json!({"digest": null}));
        for wrong in [
            "a 3f2a91cc",
            "a --share 10%",
            "a 3f2a91cc --share 10% --end",
        ] {
            let words = format!("gavel plugin canary {wrong}");
            assert!(Cli::try_parse_from(words.split(' ')).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_trial_is_told_with_both_versions_and_what_ends_it() {
        let trial = json!({
            "mode": "canary", "digest": "bbbbbbbb00", "since": "T", "share": 0.1, "seen": 1000,
            "margins": {"faults": 0.05, "refusals": 0.2, "time": 1.0},
            "candidate": {"calls": 100, "faults": 1, "refusals": 20, "cpu_us_mean": 60.0},
            "active": {"calls": 900, "faults": 0, "refusals": 180, "cpu_us_mean": 50.0},
        });
        assert_eq!(
            plain(&lines(&trial)),
            "canary bbbbbbbb since T, 10 % of pings
  seen 1000
  version    calls  faults  refusals  mean time
  candidate  100    1       20        0.06 ms
  active     900    0       180       0.05 ms
  taken back at 5 % more faults, 20 % more refusals, 100 % more time"
        );
    }

    #[test]
    fn a_difference_names_the_ping_and_both_decisions() {
        let items = [
            json!({"ping_id": "pg_1", "account": "sunco", "at": "T", "digest": "bbbbbbbb00",
            "active": {"outcome": "won", "bid": "12.50", "code": null, "text": null},
            "shadow": {"outcome": "filtered", "code": "roof_shaded", "text": "the shade is full", "bid": null}}),
        ];
        assert_eq!(
            plain(&difference_lines(&items)),
            "  at  ping  account  shadow    active decided  shadow would have
  T   pg_1  sunco    bbbbbbbb  won 12.50       filtered roof_shaded: the shade is full"
        );
    }
}
