//! `gavel explain ID --replay`: a recorded ping decided again.

use gavel_market::ids::PingId;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::AdminClient,
    out::{self, Failure},
    told::{decision, list, object, table, text},
};

/// Has the host decide a ping again, and says whether the same came of it. A decision that does
/// not repeat is a failure: something decided that is not in the record.
pub(super) async fn run(host: &AdminClient, ping: PingId, as_json: bool) -> Result<(), Failure> {
    let answer = host
        .post(&format!("pings/{ping}/replay"), &json!({}))
        .await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(Failure(format!(
            "the host has no record of {ping}: it may be another host's, or too old to be kept"
        )));
    }
    let replayed = answer.ok()?;
    if as_json {
        out::line(&serde_json::to_string_pretty(&replayed).unwrap_or_default());
    } else {
        out::lines(&tell(ping, &replayed));
    }
    match Repeats::of(&replayed) {
        Repeats::Yes => Ok(()),
        Repeats::No => Err(Failure(format!("{ping} is not decided as it was recorded"))),
        Repeats::Unknown => Err(Failure(format!(
            "{ping} cannot be decided again whole: its record has not all that it takes"
        ))),
    }
}

/// Whether a decision repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Repeats {
    Yes,
    No,
    /// What could be decided again was the same; of some accounts it could not.
    Unknown,
}

impl Repeats {
    fn of(replayed: &Value) -> Self {
        let some = |key: &str| list(&replayed[key]).next().is_some();
        if replayed["same"] == Value::Bool(true) {
            Self::Yes
        } else if some("not_comparable") && !some("differences") {
            Self::Unknown
        } else {
            Self::No
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Yes => "the same decision",
            Self::No => "another decision",
            Self::Unknown => "the same, as far as it can be decided again",
        }
    }
}

fn tell(ping: PingId, replayed: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "{ping} replayed: {}",
        Repeats::of(replayed).words()
    )];
    for (title, key) in [("answered", "recorded"), ("replayed", "answer")] {
        let answer = answered(&replayed[key]);
        if !answer.is_empty() {
            lines.push(format!("  {title}  {answer}"));
        }
    }
    let alone: Vec<String> = list(&replayed["not_comparable"]).map(text).collect();
    if !alone.is_empty() {
        lines.push(format!(
            "  not to be decided again, for want of a plugin or of a buyer's answer: {}",
            alone.join(", ")
        ));
    }
    let row = |difference: &Value| {
        [
            text(&difference["account"]),
            decision(&difference["recorded"]),
            decision(&difference["replayed"]),
        ]
    };
    let rows: Vec<_> = list(&replayed["differences"]).map(row).collect();
    lines.extend(table(["account", "recorded", "replayed"], rows));
    lines
}

/// An answer in a line: its status, then the rest; a list by its items.
fn answered(answer: &Value) -> String {
    let shown = |value: &Value| match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" and "),
        other => text(other),
    };
    let rest = object(answer)
        .filter(|(key, value)| *key != "status" && !value.is_null())
        .map(|(key, value)| format!(", {key} {}", shown(value)));
    format!("{}{}", text(&answer["status"]), rest.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_says_whether_it_is_the_same_and_where_not() {
        let ping: PingId = "pg_00000000000000000000000007".parse().unwrap();
        let same = json!({"same": true, "differences": [], "not_comparable": [],
            "recorded": {"status": "bid", "bid": "15.00"},
            "answer": {"status": "bid", "bid": "15.00", "selected": ["sunco", "helio"]}});
        assert_eq!(
            tell(ping, &same).join("\n"),
            "pg_00000000000000000000000007 replayed: the same decision
  answered  bid, bid 15.00
  replayed  bid, bid 15.00, selected sunco and helio"
        );
        let unknown = json!({"same": false, "differences": [], "not_comparable": ["helio"]});
        assert_eq!(Repeats::of(&unknown), Repeats::Unknown);
        assert!(tell(ping, &unknown)[1].ends_with(": helio"));
        let other = json!({"same": false, "differences": [{"account": "sunco",
            "recorded": {"code": "won", "number": 0, "bid": "15.00"},
            "replayed": {"code": "filtered", "number": 206, "detail": {"code": "roof_shaded", "text": "full"}}}],
            "not_comparable": [], "answer": {"status": "no_bid", "reason": "no_coverage"}});
        let told = tell(ping, &other).join("\n");
        assert!(told.contains("another decision"), "{told}");
        assert!(
            told.contains("  sunco    won 15.00  filtered roof_shaded: full"),
            "{told}"
        );
    }
}
