//! `gavel plugin replay`: recorded pings through a version, and which decisions change.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    time::SystemTime,
};

use gavel_market::money::Money;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    cli::ReplayArgs,
    figures::{BAD, DIM, GOOD, TITLE, styled},
    host::change,
    list::microseconds,
};
use crate::{
    client::AdminClient,
    out::{self, Failure},
    told::{decision, table, text},
};

/// Examples that are kept of all pages: enough to look into, few enough to read.
const EXAMPLES_MAX: usize = 10;

/// Asks page by page, adds the pages up, and prints the sums.
pub(super) async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let since = SystemTime::now()
        .checked_sub(args.since.0)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let since = humantime::format_rfc3339_millis(since).to_string();
    let mut sums = Sums::default();
    let mut before: Option<String> = None;
    loop {
        let body = json!({"digest": args.version.0, "since": since, "before": before});
        let answer = change(&host, &args.name, "replay", &body).await?;
        let page: Page = serde_json::from_value(answer).map_err(|error| {
            Failure(format!("the host's answer is not one of a replay: {error}"))
        })?;
        let next = page.next.clone();
        sums.add(page);
        progress(Some(&sums));
        match next {
            // A host that repeats itself would be asked for ever.
            Some(next) if before.as_ref() != Some(&next) => before = Some(next),
            _ => break,
        }
    }
    progress(None);
    if args.json {
        out::line(&serde_json::to_string_pretty(&sums).unwrap_or_default());
    } else {
        out::lines(&sums.lines());
    }
    Ok(())
}

/// A line that is written over, while somebody watches.
fn progress(sums: Option<&Sums>) {
    let mut out = std::io::stderr().lock();
    if !out.is_terminal() {
        return;
    }
    let said = sums.map(|sums| format!("{} pings replayed, {} changed", sums.pings, sums.changed));
    // Back to the line's begin, and all of it cleared.
    let _ = write!(out, "\r\u{1b}[K{}", said.unwrap_or_default()).and_then(|()| out.flush());
}

/// One answer of the host.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(flatten)]
    sums: Sums,
    next: Option<String>,
}

/// What came of some pings: one page, or all of them together.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Sums {
    pings: u64,
    replayed: u64,
    not_comparable: u64,
    changed: u64,
    accounts: BTreeMap<String, Decided>,
    before: Traded,
    after: Traded,
    calls: u64,
    faults: u64,
    cpu_us_mean: Option<f64>,
    cpu_us_max: Option<f64>,
    memory_max: Option<u64>,
    examples: Vec<Value>,
}

/// How often an account had which outcome.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Decided {
    before: BTreeMap<String, u64>,
    after: BTreeMap<String, u64>,
}

/// What the market would have made of the pings.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Traded {
    bids: u64,
    revenue: Money,
    cost: Money,
    profit: Money,
}

impl Traded {
    fn add(&mut self, other: &Self) {
        self.bids += other.bids;
        self.revenue = self.revenue + other.revenue;
        self.cost = self.cost + other.cost;
        self.profit = self.profit + other.profit;
    }
}

impl Sums {
    fn add(&mut self, page: Page) {
        let page = page.sums;
        // Means weigh by what they are means of.
        #[expect(
            clippy::cast_precision_loss,
            reason = "pings are no astronomical number"
        )]
        let weigh = |mean: Option<f64>, pings: u64| mean.map(|mean| (mean * pings as f64, pings));
        let means = [
            weigh(self.cpu_us_mean, self.calls.saturating_sub(self.faults)),
            weigh(page.cpu_us_mean, page.calls.saturating_sub(page.faults)),
        ];
        let (time, pings) = means
            .into_iter()
            .flatten()
            .fold((0.0, 0), |sum, mean| (sum.0 + mean.0, sum.1 + mean.1));
        #[expect(clippy::cast_precision_loss, reason = "likewise")]
        let mean = (pings > 0).then(|| time / pings as f64);
        self.cpu_us_mean = mean;
        self.cpu_us_max = [self.cpu_us_max, page.cpu_us_max]
            .into_iter()
            .flatten()
            .reduce(f64::max);
        self.memory_max = self.memory_max.max(page.memory_max);
        self.pings += page.pings;
        self.replayed += page.replayed;
        self.not_comparable += page.not_comparable;
        self.changed += page.changed;
        self.calls += page.calls;
        self.faults += page.faults;
        self.before.add(&page.before);
        self.after.add(&page.after);
        for (account, decided) in page.accounts {
            let sum = self.accounts.entry(account).or_default();
            let both = [
                (&mut sum.before, decided.before),
                (&mut sum.after, decided.after),
            ];
            for (sum, counts) in both {
                for (outcome, count) in counts {
                    *sum.entry(outcome).or_default() += count;
                }
            }
        }
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(page.examples.into_iter().take(room));
    }

    fn lines(&self) -> Vec<String> {
        if self.pings == 0 {
            return vec![
                "no pings were recorded in this time: give a longer one with --since".to_owned(),
            ];
        }
        let mut lines = vec![format!(
            "{} pings, {} replayed, {} not comparable; {}",
            self.pings,
            self.replayed,
            self.not_comparable,
            styled(TITLE, &format!("{} decided otherwise", self.changed))
        )];
        let outcomes = table(
            ["account", "outcome", "before", "after", "difference"],
            self.outcomes(),
        );
        if !outcomes.is_empty() {
            lines.push(String::new());
            lines.extend(outcomes);
        }
        lines.push(String::new());
        lines.extend(table(["", "before", "after", "difference"], self.money()));
        lines.push(String::new());
        lines.push(self.cost_of_calls());
        if !self.examples.is_empty() {
            lines.push(String::new());
            lines.push(format!(
                "{}  {}",
                styled(TITLE, "examples"),
                styled(DIM, "gavel explain PING tells more")
            ));
            let row = |example: &Value| {
                let [ping, account] = ["ping_id", "account"].map(|key| text(&example[key]));
                [
                    ping,
                    account,
                    decision(&example["before"]),
                    decision(&example["after"]),
                ]
            };
            let rows = self.examples.iter().map(row).collect();
            lines.extend(table(["ping", "account", "before", "after"], rows));
        }
        lines
    }

    /// The outcomes of accounts whose number changed.
    fn outcomes(&self) -> Vec<[String; 5]> {
        let mut rows = Vec::new();
        for (account, decided) in &self.accounts {
            let mut outcomes: Vec<&String> = decided.before.keys().collect();
            outcomes.extend(
                decided
                    .after
                    .keys()
                    .filter(|key| !decided.before.contains_key(*key)),
            );
            for outcome in outcomes {
                let count =
                    |counts: &BTreeMap<String, u64>| counts.get(outcome).copied().unwrap_or(0);
                let (before, after) = (count(&decided.before), count(&decided.after));
                if before != after {
                    rows.push([
                        account.clone(),
                        outcome.clone(),
                        before.to_string(),
                        after.to_string(),
                        counted_difference(before, after),
                    ]);
                }
            }
        }
        rows
    }

    fn money(&self) -> Vec<[String; 4]> {
        let (before, after) = (&self.before, &self.after);
        let bids = [
            "bids".to_owned(),
            before.bids.to_string(),
            after.bids.to_string(),
            counted_difference(before.bids, after.bids),
        ];
        let amount = |what: &str, before: Money, after: Money| {
            let more = after - before;
            let sign = if more > Money::ZERO { "+" } else { "" };
            [
                what.to_owned(),
                before.to_string(),
                after.to_string(),
                format!("{sign}{more}"),
            ]
        };
        let mut profit = amount("profit", before.profit, after.profit);
        let style = if after.profit < before.profit {
            BAD
        } else {
            GOOD
        };
        if let Some(difference) = profit.last_mut() {
            *difference = styled(style, difference);
        }
        vec![
            bids,
            amount("revenue", before.revenue, after.revenue),
            amount("cost", before.cost, after.cost),
            profit,
        ]
    }

    fn cost_of_calls(&self) -> String {
        let faults = format!("{} faults", self.faults);
        let faults = if self.faults > 0 {
            styled(BAD.bold(), &faults)
        } else {
            faults
        };
        let mut parts = vec![faults];
        let times = [("mean", self.cpu_us_mean), ("longest", self.cpu_us_max)];
        parts.extend(times.iter().filter_map(|(word, us)| {
            us.map(|us| format!("{word} time {}", microseconds(&us.into())))
        }));
        parts.extend(
            self.memory_max
                .map(|bytes| format!("most memory {}", bytesize::ByteSize(bytes).display().iec())),
        );
        parts.join(", ")
    }
}

/// `+3`, `-2`, `0`
fn counted_difference(before: u64, after: u64) -> String {
    match after.cmp(&before) {
        Ordering::Equal => "0".to_owned(),
        Ordering::Greater => format!("+{}", after - before),
        Ordering::Less => format!("-{}", before - after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(json: Value) -> Page {
        serde_json::from_value(json).unwrap()
    }

    fn two_pages() -> Sums {
        let mut sums = Sums::default();
        sums.add(page(json!({
            "pings": 3, "replayed": 2, "not_comparable": 1, "changed": 1,
            "accounts": {"sunco": {"before": {"won": 2}, "after": {"won": 1, "filtered": 1}}},
            "before": {"bids": 2, "revenue": "30.00", "cost": "20.00", "profit": "10.00"},
            "after": {"bids": 1, "revenue": "15.00", "cost": "10.00", "profit": "5.00"},
            "calls": 2, "faults": 0, "cpu_us_mean": 100.0, "cpu_us_max": 200, "memory_max": 65536,
            "examples": [{"ping_id": "pg_1", "account": "sunco", "before": {"outcome": "won", "bid": "15.00"}, "after": {"outcome": "filtered", "code": "roof_shaded"}}],
            "next": "pg_0",
        })));
        sums.add(page(json!({
            "pings": 6, "replayed": 6, "not_comparable": 0, "changed": 0,
            "accounts": {"sunco": {"before": {"won": 6}, "after": {"won": 6}}, "helio": {"before": {"outbid": 1}, "after": {"outbid": 1}}},
            "before": {"bids": 6, "revenue": "0.10", "cost": "0.00", "profit": "0.10"},
            "after": {"bids": 6, "revenue": "0.10", "cost": "0.00", "profit": "0.10"},
            "calls": 8, "faults": 2, "cpu_us_mean": 20.0, "cpu_us_max": 90, "memory_max": null, "examples": [], "next": null,
        })));
        sums
    }

    #[test]
    fn pages_are_added_up() {
        let sums = two_pages();
        assert_eq!(
            (sums.pings, sums.replayed, sums.changed, sums.faults),
            (9, 8, 1, 2)
        );
        assert_eq!(sums.cpu_us_mean, Some(40.0));
        assert_eq!(
            (sums.cpu_us_max, sums.memory_max),
            (Some(200.0), Some(65536))
        );
        assert_eq!(sums.accounts["sunco"].before["won"], 8);
        assert_eq!(sums.before.revenue.to_string(), "30.10");
        let read: Sums = serde_json::from_value(serde_json::to_value(&sums).unwrap()).unwrap();
        assert_eq!(read, sums);
    }

    #[test]
    fn the_decisions_that_change_are_told_by_account_and_in_money() {
        let told = two_pages().lines().join("\n");
        let told = anstream::adapter::strip_str(&told).to_string();
        let expected = "9 pings, 8 replayed, 1 not comparable; 1 decided otherwise

  account  outcome   before  after  difference
  sunco    won       8       7      -1
  sunco    filtered  0       1      +1

           before  after  difference
  bids     8       7      -1
  revenue  30.10   15.10  -15.00
  cost     20.00   10.00  -10.00
  profit   10.10   5.10   -5.00

2 faults, mean time 0.04 ms, longest time 0.20 ms, most memory 64.0 KiB

examples  gavel explain PING tells more
  ping  account  before     after
  pg_1  sunco    won 15.00  filtered roof_shaded";
        assert_eq!(told, expected);
    }

    #[test]
    fn no_pings_say_so() {
        assert!(Sums::default().lines()[0].contains("--since"));
    }
}
