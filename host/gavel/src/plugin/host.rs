//! What the commands share that speak to a running host.

use gavel_market::ids::PluginName;
use serde_json::{Value, json};

use super::{
    figures::{BAD, DIM, GOOD, styled},
    gate,
};
use crate::{
    client::{AdminClient, Answer},
    out::{self, Failure},
    told::{list, text},
};

/// The answer's body; of a refusal the failure, once what the host says besides has been printed.
pub(super) fn ok(answer: Answer) -> Result<Value, Failure> {
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    let problem = &answer.body;
    for line in refusal_lines(problem) {
        out::note(&line);
    }
    let failure = answer.failure();
    Err(match what_to_do(&text(&problem["code"])) {
        Some(words) => Failure(format!("{failure}; {words}")),
        None => failure,
    })
}

/// The gate's report, and the configurations that a version does not take.
fn refusal_lines(problem: &Value) -> Vec<String> {
    let mut lines = match &problem["gate"] {
        Value::Null => Vec::new(),
        report => gate::lines(report),
    };
    lines.extend(list(&problem["errors"]).map(|error| {
        let parts = [
            text(&error["path"]),
            text(&error["field"]),
            text(&error["message"]),
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        styled(BAD, &parts.join(": "))
    }));
    lines
}

/// What helps against a refusal.
fn what_to_do(code: &str) -> Option<&'static str> {
    Some(match code {
        "ambiguous_digest" => "give more of its digits, as `gavel plugin list NAME` shows them",
        "revoked" => "`gavel plugin push` another",
        "refused_by_gate" => "`gavel plugin list NAME` says why; push it again once that is mended",
        "no_earlier_version" => "`gavel plugin list NAME` shows them all",
        "no_market" => "apply a market that names this plugin first: `gavel apply market.toml`",
        "not_found" => "`gavel plugin list` shows which plugins and versions there are",
        _ => return None,
    })
}

/// Sends a change of one plugin.
pub(super) async fn change(
    host: &AdminClient,
    name: &PluginName,
    what: &str,
    body: &Value,
) -> Result<Value, Failure> {
    ok(host.post(&format!("plugins/{name}/{what}"), body).await?)
}

/// A digest's first eight digits.
pub(super) fn short(digest: &Value) -> String {
    text(digest).chars().take(8).collect()
}

/// What a version is fit for, in a word or a sentence.
pub(super) fn state(version: &Value) -> String {
    let refused = &version["refused"];
    if version["active"] == json!(true) {
        let stateful = text(&version["stateful"]);
        let mark = styled(GOOD, "active");
        return if stateful.is_empty() {
            mark
        } else {
            format!(
                "{mark}, {}",
                styled(BAD, &format!("keeps state: {stateful}"))
            )
        };
    }
    if !version["revoked_at"].is_null() {
        return styled(BAD, &format!("revoked {}", text(&version["revoked_at"])));
    }
    if !refused.is_null() {
        let words = format!("{}: {}", text(&refused["code"]), text(&refused["detail"]));
        return styled(BAD, &words);
    }
    styled(DIM, "ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_versions_state_is_what_it_is_fit_for() {
        let of = |version: &Value| plain(&state(version));
        assert_eq!(of(&json!({"active": true})), "active");
        assert_eq!(
            of(&json!({"active": true, "stateful": "bid 2.00 after 1.00"})),
            "active, keeps state: bid 2.00 after 1.00"
        );
        assert_eq!(of(&json!({"active": false})), "ready");
        assert_eq!(
            of(
                &json!({"active": false, "refused": {"code": "wrong_world", "detail": "exports nothing"}})
            ),
            "wrong_world: exports nothing"
        );
        assert_eq!(
            of(&json!({"active": false, "revoked_at": "T"})),
            "revoked T"
        );
    }

    #[test]
    fn configurations_that_a_version_refuses_are_named_by_account_and_place() {
        let problem = json!({"code": "invalid_market", "errors": [
            {"path": "accounts.sunco.filter.config/shade/1", "line": null, "code": "config_refused", "message": "\"half\" is not one of …", "suggestion": null},
        ]});
        let lines = refusal_lines(&problem);
        assert_eq!(lines.len(), 1);
        assert_eq!(
            plain(&lines[0]),
            "accounts.sunco.filter.config/shade/1: \"half\" is not one of …"
        );
    }
}
