//! Records as a person reads them.

use serde_json::{Map, Value};

use crate::told::{decision, list, object, table, text};

/// The story, line by line: the ping with each account's outcome, the order, the post with its
/// deliveries and ledger. What there is no record of is said to be missing.
pub(super) fn tell(records: &Map<String, Value>) -> Vec<String> {
    let mut lines = match records.get("ping") {
        Some(ping) => tell_ping(ping),
        None => vec!["the ping's record is no longer kept".to_owned()],
    };
    if let Some(order) = records.get("order") {
        lines.extend(tell_order(order));
    }
    if let Some(lead) = records.get("lead") {
        lines.extend(tell_lead(lead));
    }
    lines
}

fn tell_ping(ping: &Value) -> Vec<String> {
    let input = &ping["input"];
    let mut lines = vec![
        format!(
            "ping {} · campaign {} of {} · {}",
            text(&ping["id"]),
            text(&ping["campaign"]),
            text(&ping["supplier"]),
            text(&input["received_at"])
        ),
        format!("  sent      {}", pairs(&input["lead"])),
    ];
    let asked = ["tmax_ms", "min_bid", "sub_id"].map(|key| (key, &input[key]));
    let asked: Vec<_> = asked
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| format!("{key} {}", text(value)))
        .collect();
    if !asked.is_empty() {
        lines.push(format!("  asked     {}", asked.join(", ")));
    }
    let plugins = object(&ping["digests"]).map(|(name, digest)| {
        format!(
            "{name} {}",
            text(digest).chars().take(8).collect::<String>()
        )
    });
    lines.push(format!(
        "  decided   by revision {}{}",
        text(&ping["revision"]),
        joined(" with ", plugins)
    ));
    lines.push(format!("  answered  {}", told(&ping["answer"])));
    let timings = object(&ping["timings"]).map(|(part, us)| {
        let ms = us.as_f64().unwrap_or_default() / 1000.0;
        format!("{} {ms:.1} ms", part.trim_end_matches("_us"))
    });
    lines.push(format!(
        "  took      {}",
        timings.collect::<Vec<_>>().join(", ")
    ));
    lines.push(String::new());
    lines.extend(outcomes(&ping["outcomes"]));
    lines.extend(shadows(&ping["shadows"]));
    lines
}

/// What versions on trial would have decided otherwise.
fn shadows(shadows: &Value) -> Vec<String> {
    let rows = list(shadows).map(|shadow| {
        let digest: String = text(&shadow["digest"]).chars().take(8).collect();
        [
            text(&shadow["account"]),
            format!("{} {digest}", text(&shadow["plugin"])),
            decision(&shadow["shadow"]),
        ]
    });
    let rows = table(["account", "shadow", "would have decided"], rows.collect());
    if rows.is_empty() {
        return rows;
    }
    let mut lines = vec![String::new()];
    lines.extend(rows);
    lines
}

/// One line for each account: those that bid first, best bid first, then by outcome.
fn outcomes(outcomes: &Value) -> Vec<String> {
    let mut sorted: Vec<&Value> = list(outcomes).collect();
    let amount = |outcome: &Value| text(&outcome["bid"]).parse::<f64>().unwrap_or(-1.0);
    sorted.sort_by(|one, other| {
        amount(other)
            .total_cmp(&amount(one))
            .then_with(|| one["number"].as_u64().cmp(&other["number"].as_u64()))
    });
    let rows = sorted.iter().map(|outcome| {
        let detail = &outcome["detail"];
        let why = ["field", "code", "text"]
            .iter()
            .map(|key| text(&detail[*key]))
            .filter(|part| !part.is_empty());
        let code = format!("{} {}", text(&outcome["number"]), text(&outcome["code"]));
        [
            text(&outcome["account"]),
            code,
            text(&outcome["bid"]),
            why.collect::<Vec<_>>().join(": "),
        ]
    });
    table(["account", "outcome", "bid", "why"], rows.collect())
}

fn tell_order(order: &Value) -> Vec<String> {
    let quote = &order["quote"];
    let accounts = list(&quote["accounts"])
        .map(text)
        .collect::<Vec<_>>()
        .join(", ");
    vec![
        String::new(),
        format!(
            "order {} · {} · expires {}",
            text(&order["id"]),
            text(&order["state"]),
            text(&order["expires_at"])
        ),
        format!(
            "  quoted    {accounts}: revenue {}, cost {}, profit {}",
            text(&quote["revenue"]),
            text(&quote["cost"]),
            text(&quote["profit"])
        ),
    ]
}

fn tell_lead(lead: &Value) -> Vec<String> {
    let answer = &lead["answer"];
    let mut lines = vec![
        String::new(),
        format!("lead {}", text(&lead["id"])),
        format!(
            "  sent      {} (and what is personal)",
            pairs(&lead["lead"])
        ),
        format!(
            "  answered  {}",
            if answer.is_null() {
                "nothing yet: it is being posted".to_owned()
            } else {
                told(answer)
            }
        ),
        String::new(),
    ];
    let deliveries = list(&lead["deliveries"]).map(|delivery| {
        let marks = list(&delivery["marks"])
            .map(text)
            .collect::<Vec<_>>()
            .join(", ");
        ["account", "outcome", "bid", "price"]
            .map(|key| text(&delivery[key]))
            .into_iter()
            .chain([marks, text(&delivery["at"]), text(&delivery["id"])])
            .collect::<Vec<_>>()
    });
    lines.extend(table(
        ["account", "delivery", "bid", "price", "marks", "at", "id"],
        deliveries.filter_map(|row| row.try_into().ok()).collect(),
    ));
    for delivery in list(&lead["deliveries"]) {
        lines.extend(words(delivery));
    }
    let entries: Vec<_> = list(&lead["ledger"])
        .map(|entry| ["at", "kind", "amount", "account"].map(|key| text(&entry[key])))
        .collect();
    if !entries.is_empty() {
        lines.push(String::new());
        lines.extend(table(["at", "booked", "amount", "account"], entries));
    }
    lines
}

/// What plugins and the buyer said at a delivery, try by try.
fn words(delivery: &Value) -> Vec<String> {
    let account = text(&delivery["account"]);
    let mut lines = Vec::new();
    for said in list(&delivery["words"]) {
        let parts = ["code", "detail", "reference", "redirect_url"]
            .iter()
            .map(|key| (*key, text(&said[*key])))
            .filter(|(_, said)| !said.is_empty())
            .map(|(key, said)| format!("{key} {said}"));
        let parts = parts.collect::<Vec<_>>().join(", ");
        if !parts.is_empty() {
            lines.push(format!("  {account} said  {parts}"));
        }
        let logged = list(&said["log"]).map(|line| format!("  {account} logged  {}", text(line)));
        lines.extend(logged);
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// An answer as one line: its status, then the rest.
fn told(answer: &Value) -> String {
    let rest = object(answer)
        .filter(|(key, _)| *key != "status")
        .map(|(key, value)| format!("{key} {}", text(value)));
    format!("{}{}", text(&answer["status"]), joined(", ", rest))
}

fn pairs(fields: &Value) -> String {
    object(fields)
        .map(|(name, value)| format!("{name} {}", text(value)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The parts after a lead-in, or nothing.
fn joined(lead_in: &str, parts: impl Iterator<Item = String>) -> String {
    let parts = parts.collect::<Vec<_>>().join(", ");
    if parts.is_empty() {
        parts
    } else {
        format!("{lead_in}{parts}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_story_names_each_account_with_its_outcome_words_and_bid() {
        let ping = json!({
            "id": "pg_1", "campaign": "solar-west", "supplier": "sunleads", "revision": 3,
            "input": {"received_at": "2026-11-23T10:00:00.000Z", "lead": {"state": "CA", "homeowner": true}, "min_bid": "12.00"},
            "digests": {"roof-filter": "0123456789abcdef"},
            "timings": {"understood_us": 400, "decided_us": 31_500},
            "outcomes": [
                {"account": "far", "code": "criteria", "number": 205, "detail": {"field": "state"}},
                {"account": "second", "code": "outbid", "number": 310, "bid": "9.00"},
                {"account": "first", "code": "won", "number": 0, "bid": "25.00"},
                {"account": "shy", "code": "declined", "number": 1, "detail": {"code": "too_far", "text": "No\u{1b}[31m van."}},
            ],
            "answer": {"status": "bid", "ping_order_id": "po_1", "bid": "15.00"},
            "shadows": [{"account": "first", "plugin": "roof-filter", "digest": "fedcba9876", "shadow": {"outcome": "filtered", "code": "roof_shaded"}}],
        });
        let records = Map::from_iter([("ping".to_owned(), ping)]);
        let expected = "\
ping pg_1 · campaign solar-west of sunleads · 2026-11-23T10:00:00.000Z
  sent      state CA, homeowner true
  asked     min_bid 12.00
  decided   by revision 3 with roof-filter 01234567
  answered  bid, ping_order_id po_1, bid 15.00
  took      understood 0.4 ms, decided 31.5 ms

  account  outcome       bid    why
  first    0 won         25.00
  second   310 outbid    9.00
  shy      1 declined           too_far: No[31m van.
  far      205 criteria         state

  account  shadow                would have decided
  first    roof-filter fedcba98  filtered roof_shaded";
        assert_eq!(tell(&records).join("\n"), expected);
    }

    #[test]
    fn a_post_is_told_with_its_deliveries_and_ledger() {
        let lead = json!({
            "id": "ld_1", "lead": {"state": "CA"}, "answer": {"status": "sold", "payout": "15.00"},
            "deliveries": [{"id": "dl_1_0", "account": "first", "outcome": "sold", "marks": ["price_cut"], "bid": "25.00", "price": "20.00", "at": "T",
                "words": [{"reference": "R-7", "log": ["info: taken"]}]}],
            "ledger": [{"at": "T", "kind": "cost", "amount": "15.00"}, {"at": "T", "kind": "return", "amount": "-20.00", "account": "first"}],
        });
        let told = tell(&Map::from_iter([("lead".to_owned(), lead)])).join("\n");
        assert!(
            told.starts_with("the ping's record is no longer kept"),
            "{told}"
        );
        assert!(
            told.contains("  first    sold      25.00  20.00  price_cut  T   dl_1_0"),
            "{told}"
        );
        assert!(
            told.contains("\n  first said  reference R-7\n  first logged  info: taken"),
            "{told}"
        );
        assert!(told.contains("  T   cost    15.00"), "{told}");
        assert!(told.contains("  T   return  -20.00  first"), "{told}");
    }
}
