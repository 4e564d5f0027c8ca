//! `GET /report`: sums over any time, grouped in any way, as JSON or as CSV.

use gavel_exchange::{
    Exchange,
    api::{Report, ReportQuery, ReportRefused, When},
};
use gavel_market::{
    reason::FieldCode,
    report::{
        Measures,
        table::{By, Cell, Grain, ROWS_MAX},
    },
};
use http::{HeaderMap, StatusCode};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::http::{
    negotiate,
    problem::{Code, Problem},
    query::{self, Query},
    reply::{self, Reply, time},
};

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// With what it is sent: spreadsheets guess otherwise.
const CSV_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Length of a date.
const DATE_BYTES: usize = "2026-11-23".len();

/// `GET /report`.
pub(super) async fn show(
    exchange: &Exchange,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Reply, Problem> {
    let as_csv = negotiate::choose(headers, &[JSON, CSV]).is_ok_and(|kind| kind == CSV);
    let report = exchange.report(asked(query)?).await?;
    // A hundred thousand rows take a while to write: not on a thread that answers pings.
    let writing = tokio::task::spawn_blocking(move || {
        if as_csv {
            csv_of(&report).map(|body| reply::with_body(StatusCode::OK, CSV_TYPE, body))
        } else {
            Ok(reply::json(&Written(&report)))
        }
    });
    writing
        .await
        .map_err(|_panic| Problem::new(Code::Internal))?
}

fn asked(query: &Query) -> Result<ReportQuery, Problem> {
    Ok(ReportQuery {
        by: by_named(query.text("by").unwrap_or_default())?,
        from: when(query, "from")?,
        to: when(query, "to")?,
        campaign: query.parsed("campaign", "a campaign's name")?,
        supplier: query.parsed("supplier", "a supplier's name")?,
        account: query.parsed("account", "an account's name")?,
    })
}

/// What to group by, as words with commas between them.
fn by_named(text: &str) -> Result<Vec<By>, Problem> {
    let mut all = Vec::new();
    for word in text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let Some(by) = By::ALL.into_iter().find(|by| by.word() == word) else {
            let mut error = query::unknown_name(word, &By::ALL.map(By::word));
            "by".clone_into(&mut error.field);
            error.code = FieldCode::NotAllowed;
            return Err(Problem::fields(&[error]));
        };
        if !all.contains(&by) {
            all.push(by);
        }
    }
    Ok(all)
}

/// A moment or a day.
fn when(query: &Query, name: &str) -> Result<Option<When>, Problem> {
    let Some(text) = query.text(name) else {
        return Ok(None);
    };
    // A date alone: the parser would also take the day out of a time.
    if let (DATE_BYTES, Ok(day)) = (text.len(), text.parse()) {
        return Ok(Some(When::Day(day)));
    }
    // The `+` of an offset that was not escaped arrives as a blank.
    let moment = text
        .parse::<jiff::Timestamp>()
        .or_else(|_| text.replace(' ', "+").parse::<jiff::Timestamp>());
    let at_ms = moment
        .ok()
        .and_then(|at| u64::try_from(at.as_millisecond()).ok());
    let at_ms = at_ms.ok_or_else(|| {
        Problem::field(
            name,
            FieldCode::BadFormat,
            "a day such as 2026-11-23, or an RFC 3339 time such as 2026-11-23T10:00:00Z",
        )
    })?;
    Ok(Some(When::At(at_ms)))
}

impl From<ReportRefused> for Problem {
    fn from(refused: ReportRefused) -> Self {
        match refused {
            ReportRefused::SubIdOfAccounts => Self::field(
                "by",
                FieldCode::NotAllowed,
                "sub_id goes with campaign, supplier, hour and day; not with account, buyer or outcome, nor where account= is given",
            ),
            ReportRefused::Empty => Self::field("to", FieldCode::OutOfRange, "later than from"),
            ReportRefused::TooLong => {
                Self::field("from", FieldCode::OutOfRange, "at most 3660 days before to")
            }
            ReportRefused::TooManyRows => Self::field(
                "by",
                FieldCode::OutOfRange,
                format!(
                    "there would be more than {ROWS_MAX} rows; group by less, or ask for less time"
                ),
            ),
            ReportRefused::NoMarket => {
                Self::new(Code::NoMarket).detail("apply a market first, with `gavel apply`")
            }
            ReportRefused::Broken => {
                Self::new(Code::Internal).detail("the sums cannot be read; see the host's log")
            }
        }
    }
}

/// The sums of a row, by column.
struct Columns {
    sums: Measures,
    grain: Grain,
    /// Whether rows are of one outcome each.
    of_outcomes: bool,
}

impl Columns {
    /// Of one row, or of the total, where there is no outcome.
    fn of(report: &Report, sums: Measures) -> Self {
        Self {
            sums,
            grain: report.grain,
            of_outcomes: report.by.contains(&By::Outcome),
        }
    }

    /// Name and text of each; a text of none where it says nothing of this row.
    fn texts(&self) -> Vec<(&'static str, Value)> {
        let sums = &self.sums;
        let mut all = vec![
            ("pings", Value::Count(sums.pings)),
            ("bids", Value::Count(sums.bids)),
            ("bid_total", Value::Amount(sums.bid_total.to_string())),
            ("sales", Value::Count(sums.sales)),
            ("cost", Value::Amount(sums.cost.to_string())),
            ("revenue", Value::Amount(sums.revenue.to_string())),
            ("profit", Value::Amount(sums.profit().to_string())),
        ];
        if self.of_outcomes {
            let mean = sums.short_mean();
            let total = mean.map(|_| sums.short_total);
            let amount = |amount: Option<gavel_market::money::Money>| {
                amount.map_or(Value::None, |amount| Value::Amount(amount.to_string()))
            };
            all.push(("short_total", amount(total)));
            all.push(("short_mean", amount(mean)));
        }
        if self.grain == Grain::Accounts {
            all.push(("estimated", Value::Flag(sums.estimated > 0)));
        }
        all
    }
}

/// What stands in one column of sums.
#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    None,
    Count(u64),
    Amount(String),
    Flag(bool),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Count(count) => count.to_string(),
            Self::Amount(amount) => amount.clone(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

/// A report as JSON.
struct Written<'r>(&'r Report);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(report) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", &time(report.from_ms))?;
        map.serialize_entry("to", &time(report.to_ms))?;
        let by: Vec<_> = report.by.iter().map(|by| by.word()).collect();
        map.serialize_entry("by", &by)?;
        map.serialize_entry("currency", &report.currency)?;
        if report.total.estimated > 0 {
            map.serialize_entry("estimated", &true)?;
        }
        let rows: Vec<_> = report
            .rows
            .iter()
            .map(|(cells, sums)| WrittenRow {
                report,
                cells,
                sums: *sums,
            })
            .collect();
        map.serialize_entry("rows", &rows)?;
        let total = WrittenRow {
            report,
            cells: &[],
            sums: report.total,
        };
        map.serialize_entry("total", &total)?;
        map.end()
    }
}

/// One row of it; without cells, its total.
struct WrittenRow<'r> {
    report: &'r Report,
    cells: &'r [Cell],
    sums: Measures,
}

impl Serialize for WrittenRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, cell) in columns(self.report).zip(self.cells) {
            map.serialize_entry(name, &cell.text(&self.report.zone))?;
        }
        for (name, value) in Columns::of(self.report, self.sums).texts() {
            // What is exact needs no word about it.
            if !matches!(value, Value::Flag(false)) {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

fn columns(report: &Report) -> impl Iterator<Item = &'static str> {
    report.by.iter().flat_map(|by| by.columns()).copied()
}

/// A report as CSV; the first row names the columns.
fn csv_of(report: &Report) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = Columns::of(report, report.total).texts();
    let sums = names.iter().map(|(name, _)| *name);
    let write = || -> Result<(), csv::Error> {
        writer.write_record(columns(report).chain(sums))?;
        for (cells, sums) in &report.rows {
            let cells = cells.iter().map(|cell| plain(cell, report));
            let sums = Columns::of(report, *sums).texts();
            writer.write_record(cells.chain(sums.into_iter().map(|(_, value)| value.text())))?;
        }
        Ok(())
    };
    let written = write().map_err(|error| error.to_string());
    let body = written.and_then(|()| writer.into_inner().map_err(|error| error.to_string()));
    body.map_err(|error| {
        tracing::error!(error, "a report cannot be written as CSV");
        Problem::new(Code::Internal)
    })
}

/// A cell's text; where a supplier or a plugin chose it, never one that a spreadsheet would
/// take for a formula.
fn plain(cell: &Cell, report: &Report) -> String {
    let text = cell.text(&report.zone).unwrap_or_default();
    let formula =
        matches!(cell, Cell::Text(_)) && text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if formula { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use gavel_market::money::Money;
    use http_body_util::BodyExt as _;

    use super::*;

    fn query(text: &str) -> Query {
        Query::read(Some(text), &["by", "from"]).unwrap()
    }

    async fn errors(problem: Problem) -> serde_json::Value {
        let body = problem.into_reply().into_body().collect().await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body.to_bytes()).unwrap();
        body["errors"].clone()
    }

    fn report(by: Vec<By>, cells: Vec<Cell>) -> Report {
        let sums = Measures {
            pings: 7,
            bids: 2,
            cost: Money::parse("12.345").unwrap(),
            ..Measures::default()
        };
        Report {
            from_ms: 1_795_428_000_000,
            to_ms: 1_795_431_600_000,
            grain: Grain::of(&by, false).unwrap(),
            by,
            currency: "USD".into(),
            zone: jiff::tz::TimeZone::UTC,
            rows: vec![(cells, sums)],
            total: sums,
        }
    }

    #[tokio::test]
    async fn a_slip_in_by_is_told_the_word_that_was_meant() {
        let wrong = errors(asked(&query("by=campaign,acount")).unwrap_err()).await;
        assert_eq!(wrong[0]["field"], "by");
        assert_eq!(wrong[0]["code"], "not_allowed");
        assert_eq!(wrong[0]["suggestion"], "account");
        let asked = asked(&query("by=day,%20campaign,day")).unwrap();
        assert_eq!(asked.by, [By::Day, By::Campaign]);
    }

    #[tokio::test]
    async fn times_are_days_or_moments_and_nothing_else() {
        let from = |text: &str| asked(&query(&format!("from={text}"))).map(|query| query.from);
        let day = When::Day("2026-11-23".parse().unwrap());
        assert_eq!(from("2026-11-23").unwrap(), Some(day));
        for moment in [
            "1970-01-01T00:00:01Z",
            "1970-01-01T01:00:01%2B01:00",
            "1970-01-01T01:00:01+01:00",
        ] {
            assert_eq!(from(moment).unwrap(), Some(When::At(1_000)), "{moment}");
        }
        for bad in [
            "yesterday",
            "2026-13-01",
            "2026-11-23T10:00:00",
            "1969-12-31T23:00:00Z",
        ] {
            let wrong = errors(from(bad).unwrap_err()).await;
            assert_eq!(wrong[0]["field"], "from", "{bad}");
        }
    }

    #[test]
    fn rows_are_written_with_what_they_are_grouped_by_first() {
        let report = report(
            vec![By::Outcome],
            vec![
                Cell::Outcome(gavel_market::reason::Outcome::Criteria),
                Cell::Text("state".into()),
                Cell::None,
            ],
        );
        let written = serde_json::to_value(Written(&report)).unwrap();
        assert_eq!(written["from"], "2026-11-23T10:00:00Z");
        let row = written["rows"][0].as_object().unwrap();
        let names: Vec<_> = row.keys().map(String::as_str).collect();
        assert_eq!(names[..4], ["outcome", "field", "code", "pings"]);
        assert_eq!(
            (&row["field"], &row["code"]),
            (&"state".into(), &serde_json::Value::Null)
        );
        assert_eq!(
            (&row["cost"], &row["profit"]),
            (&"12.345".into(), &"-12.345".into())
        );
        assert!(row["short_mean"].is_null() && !row.contains_key("estimated"));
        assert_eq!(written["total"]["pings"], 7);
    }

    #[test]
    fn csv_names_its_columns_and_runs_nothing() {
        for (sub_id, cell) in [
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("fb-7", "fb-7"),
            ("a,b", "\"a,b\""),
        ] {
            let report = report(vec![By::SubId], vec![Cell::Text(sub_id.into())]);
            let written = String::from_utf8(csv_of(&report).unwrap()).unwrap();
            assert_eq!(
                written,
                format!(
                    "sub_id,pings,bids,bid_total,sales,cost,revenue,profit\n{cell},7,2,0.00,0,12.345,0.00,-12.345\n"
                )
            );
        }
    }
}
