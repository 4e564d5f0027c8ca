//! Reports: pings are counted in the background, and read as somebody asks.
//!
//! What a ping's record does not say of an account – criteria, status – is derived here, as for
//! an operator who looks at the ping. None of this runs on a thread that answers pings.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use gavel_market::{
    ids::{AccountId, BuyerId, CampaignId, SupplierId},
    record::PingRecord,
    report::{
        AccountLine, Counted, Hours, Measures, Place,
        count::Weights,
        table::{By, Grain, ROWS_MAX, Row, Table, TooManyRows},
    },
    room::Period,
};
use gavel_store::{Store, StoreError, Uncounted, UncountedPing};
use jiff::{civil::Date, tz::TimeZone};
use tokio::time::Instant;

use crate::{
    Exchange, Inner, clock,
    limits::{COUNT_AT_ONCE, COUNT_BEHIND, COUNT_EVERY, REPORT_MAX},
    operator,
    revision::Revision,
};

/// Who counts and who reads, one at a time each: both take a processor.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    counting: tokio::sync::Mutex<()>,
    reading: tokio::sync::Mutex<()>,
}

/// One end of the time that a report is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A moment, as Unix time in milliseconds; rounded outward to an hour.
    At(u64),
    /// A day in the market's zone: from its beginning, or to its end.
    Day(Date),
}

/// What a report is asked for.
#[derive(Debug, Clone, Default)]
pub struct ReportQuery {
    /// Grouped by these, in this order.
    pub by: Vec<By>,
    /// From when on; from the day on in which it ends where this is absent.
    pub from: Option<When>,
    /// Until when; until now where this is absent.
    pub to: Option<When>,
    /// Of this campaign alone.
    pub campaign: Option<CampaignId>,
    /// Of this supplier alone.
    pub supplier: Option<SupplierId>,
    /// Of this account alone.
    pub account: Option<AccountId>,
}

/// A report.
#[derive(Debug, Clone)]
pub struct Report {
    /// Unix time in milliseconds from which it counts.
    pub from_ms: u64,
    /// And before which.
    pub to_ms: u64,
    /// What it is grouped by.
    pub by: Vec<By>,
    /// What it counts.
    pub grain: Grain,
    /// ISO 4217.
    pub currency: String,
    /// Whose days and hours these are.
    pub zone: TimeZone,
    /// Its rows, sorted by what it is grouped by.
    pub rows: Vec<Row>,
    /// What they add up to.
    pub total: Measures,
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportRefused {
    /// It is to be grouped by `sub_id` and by account, buyer or outcome.
    #[error("sums are not kept by sub_id and account")]
    SubIdOfAccounts,
    /// It would end before it begins.
    #[error("the time is empty")]
    Empty,
    /// It is of more time than [`REPORT_MAX`].
    #[error("the time is too long")]
    TooLong,
    /// It would have more than [`ROWS_MAX`] rows.
    #[error("there would be more than {ROWS_MAX} rows")]
    TooManyRows,
    /// No market is in force.
    #[error("no market is in force")]
    NoMarket,
    /// The store fails.
    #[error("the store cannot be read")]
    Broken,
}

impl From<StoreError> for ReportRefused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a report cannot be made");
        Self::Broken
    }
}

impl From<TooManyRows> for ReportRefused {
    fn from(TooManyRows: TooManyRows) -> Self {
        Self::TooManyRows
    }
}

impl Exchange {
    /// Sums over any time, grouped in any way. Everything answered before it is asked is in it.
    pub async fn report(&self, query: ReportQuery) -> Result<Report, ReportRefused> {
        let inner = &self.0;
        let revision = inner.revisions.current().ok_or(ReportRefused::NoMarket)?;
        let now_ms = clock::unix_ms();
        let zone = revision.market.timezone.clone();
        let (from_ms, to_ms) = time_of(&query, &Hours::of(&zone), now_ms)?;
        let grain =
            Grain::of(&query.by, query.account.is_some()).ok_or(ReportRefused::SubIdOfAccounts)?;
        inner.store.caught_up().await?;
        while count_some(inner, now_ms.saturating_add(1)).await?.is_some() {}
        let _turn = inner.reports.reading.lock().await;
        let (store, by) = (inner.store.clone(), query.by.clone());
        let table = Table::new(by.clone(), Hours::of(&zone));
        let reading =
            tokio::task::spawn_blocking(move || read(&store, &query, grain, from_ms..to_ms, table));
        let (rows, total) = reading.await.map_err(|_panic| ReportRefused::Broken)??;
        Ok(Report {
            from_ms,
            to_ms,
            by,
            grain,
            currency: revision.market.currency.clone(),
            zone,
            rows,
            total,
        })
    }
}

/// The time that is asked for, in whole hours.
fn time_of(query: &ReportQuery, hours: &Hours, now_ms: u64) -> Result<(u64, u64), ReportRefused> {
    let day = |date: Date| {
        let begins = date.to_zoned(hours.zone().clone()).ok()?.timestamp();
        u64::try_from(begins.as_millisecond()).ok()
    };
    let outward = |at_ms: u64| match hours.start_ms(at_ms) {
        start_ms if start_ms == at_ms => at_ms,
        _ => Period::Hour.at(at_ms, hours.zone()).end_ms,
    };
    let to_ms = match query.to {
        Some(When::At(at_ms)) => outward(at_ms),
        Some(When::Day(date)) => {
            let next = date.tomorrow().ok().and_then(day);
            next.ok_or(ReportRefused::TooLong)?
        }
        None => Period::Hour.at(now_ms, hours.zone()).end_ms,
    };
    let from_ms = match query.from {
        Some(When::At(at_ms)) => hours.start_ms(at_ms),
        Some(When::Day(date)) => day(date).unwrap_or(0),
        None => {
            Period::Day
                .at(to_ms.saturating_sub(1), hours.zone())
                .start_ms
        }
    };
    if from_ms >= to_ms {
        Err(ReportRefused::Empty)
    } else if to_ms - from_ms > clock::millis(REPORT_MAX) {
        Err(ReportRefused::TooLong)
    } else {
        Ok((from_ms, to_ms))
    }
}

fn read(
    store: &Store,
    query: &ReportQuery,
    grain: Grain,
    time: std::ops::Range<u64>,
    mut table: Table,
) -> Result<(Vec<Row>, Measures), ReportRefused> {
    let is = |wanted: Option<&str>, there: &str| wanted.is_none_or(|wanted| wanted == there);
    let campaign = query.campaign.as_ref().map(CampaignId::as_str);
    let supplier = query.supplier.as_ref().map(SupplierId::as_str);
    let wanted = |place: &Place| {
        is(campaign, place.campaign.as_str()) && is(supplier, place.supplier.as_str())
    };
    match grain {
        Grain::Pings => store.ping_sums(time.start, time.end, wanted, |place, lines| {
            Ok::<_, ReportRefused>(table.add_pings(place, lines)?)
        })?,
        Grain::Accounts => store.account_sums(time.start, time.end, wanted, |place, lines| {
            let lines = lines.into_iter().filter(|(line, _)| {
                query.account.is_none() || line.account.as_ref() == query.account.as_ref()
            });
            Ok::<_, ReportRefused>(table.add_accounts(place, lines)?)
        })?,
    }
    Ok(table.finish())
}

/// Counts pings as they come, until the exchange is gone.
pub(crate) fn count_in_background(inner: &Arc<Inner>) {
    let inner: Weak<Inner> = Arc::downgrade(inner);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(COUNT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let until_ms = clock::unix_ms();
            loop {
                let Some(inner) = inner.upgrade().filter(|inner| !inner.is_draining()) else {
                    return;
                };
                let begun = Instant::now();
                let counted_ms = match count_some(&inner, until_ms).await {
                    Ok(Some(counted_ms)) => counted_ms,
                    Ok(None) => {
                        behind(0);
                        break;
                    }
                    Err(error) => {
                        tracing::error!(%error, "pings cannot be counted for reports");
                        if inner.store.health().is_err() {
                            return;
                        }
                        break;
                    }
                };
                drop(inner);
                let behind_ms = clock::unix_ms().saturating_sub(counted_ms);
                behind(behind_ms);
                tokio::time::sleep(rest(begun.elapsed(), behind_ms)).await;
            }
        }
    });
}

/// Tells operators how old the pings are that are being counted.
fn behind(ms: u64) {
    let seconds = Duration::from_millis(ms).as_secs_f64();
    metrics::gauge!("gavel_report_behind_seconds").set(seconds);
}

/// How long counting rests after some work, when it is so far behind the pings.
///
/// Half of one processor at most, since pings are answered beside it. What is far behind does not
/// rest: pings are kept until they are counted, so that a store whose pings come faster than they
/// are counted would grow as long as they do.
fn rest(worked: Duration, behind_ms: u64) -> Duration {
    if behind_ms > clock::millis(COUNT_BEHIND) {
        Duration::ZERO
    } else {
        worked.min(Duration::from_secs(1))
    }
}

/// Counts some pings received before then. Returns when the last of them was received, and
/// nothing where there is none left.
async fn count_some(inner: &Arc<Inner>, before_ms: u64) -> Result<Option<u64>, StoreError> {
    let _turn = inner.reports.counting.lock().await;
    let Some(current) = inner.revisions.current() else {
        return Ok(None);
    };
    let store = inner.store.clone();
    let reading =
        tokio::task::spawn_blocking(move || store.uncounted(before_ms, COUNT_AT_ONCE)).await;
    let pings = reading.map_err(|_panic| panicked())??;
    let Some(counted_ms) = pings.last().map(|ping| ping.id.0.timestamp_ms()) else {
        return Ok(None);
    };
    let mut revisions: BTreeMap<u64, Arc<Revision>> = BTreeMap::new();
    let numbers = pings
        .iter()
        .filter_map(|ping| ping.record.as_ref())
        .map(|record| record.revision)
        .collect::<BTreeSet<_>>();
    for number in numbers {
        // Without its revision, what a ping's record says is counted, and no more.
        if let Ok(revision) = inner.revision(number).await {
            revisions.insert(number, revision);
        }
    }
    let hours = Hours::of(&current.market.timezone);
    let working = tokio::task::spawn_blocking(move || work_out(pings, &revisions, &hours)).await;
    let (marks, counted) = working.map_err(|_panic| panicked())?;
    let number = marks.len();
    if inner.store.count_pings(marks, counted).await? {
        tracing::trace!(pings = number, "counted");
    }
    Ok(Some(counted_ms))
}

fn panicked() -> StoreError {
    StoreError::Io {
        what: "pings cannot be counted",
        problem: "their task panicked".into(),
    }
}

/// What pings come to, with their marks.
fn work_out(
    pings: Vec<UncountedPing>,
    revisions: &BTreeMap<u64, Arc<Revision>>,
    hours: &Hours,
) -> (Vec<Uncounted>, Counted) {
    let mut counted = Counted::default();
    let mut marks = Vec::with_capacity(pings.len());
    // Pings of one campaign and revision have the same accounts.
    let mut alike: BTreeMap<(u64, CampaignId), Vec<PingRecord>> = BTreeMap::new();
    for ping in pings {
        marks.push(ping.mark);
        if let Some(record) = ping.record {
            let kind = (record.revision, record.campaign.clone());
            alike.entry(kind).or_default().push(record);
        }
    }
    for ((revision, _), records) in alike {
        count_alike(&mut counted, revisions.get(&revision), &records, hours);
    }
    (marks, counted)
}

fn count_alike(
    counted: &mut Counted,
    revision: Option<&Arc<Revision>>,
    records: &[PingRecord],
    hours: &Hours,
) {
    let buyer_of = |account: &AccountId| -> Option<BuyerId> {
        let (_, account) = revision?.market.account_named(account)?;
        Some(account.buyer.clone())
    };
    let accounts = revision
        .zip(records.first())
        .map_or(0, |(revision, record)| {
            let campaign = revision.campaign(record.campaign.as_str());
            let index =
                campaign.and_then(|found| revision.market.eligibility.get(&found.lead_type.id));
            index.map_or(0, |index| index.members().len())
        });
    let weights = Weights::of(records.len(), accounts);
    for (place, record) in records.iter().enumerate() {
        let hour_ms = hours.start_ms(record.input.received_at_ms);
        counted.add_ping(record, hour_ms, buyer_of);
        let weight = weights.of_ping(place);
        if let Some(revision) = revision.filter(|_| weight > 0) {
            let derived = operator::derived(revision, record)
                .into_iter()
                .map(|one| AccountLine {
                    account: Some(one.account.id.clone()),
                    buyer: Some(one.account.buyer.clone()),
                    outcome: Some(one.outcome),
                    field: one.field,
                    code: None,
                });
            counted.add_derived(record, hour_ms, weight, derived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        let at: jiff::Timestamp = text.parse().unwrap();
        u64::try_from(at.as_millisecond()).unwrap()
    }

    fn time(from: Option<When>, to: Option<When>) -> Result<(u64, u64), ReportRefused> {
        let query = ReportQuery {
            from,
            to,
            ..ReportQuery::default()
        };
        let hours = Hours::named("America/Phoenix");
        time_of(&query, &hours, ms("2026-11-23T10:20:30Z"))
    }

    #[test]
    fn a_report_is_of_today_unless_somebody_says_otherwise() {
        let today = (ms("2026-11-23T07:00:00Z"), ms("2026-11-23T11:00:00Z"));
        assert_eq!(time(None, None), Ok(today));
    }

    #[test]
    fn days_are_the_markets_and_the_last_one_is_in_it() {
        let day = |text: &str| Some(When::Day(text.parse().unwrap()));
        assert_eq!(
            time(day("2026-11-01"), day("2026-11-30")),
            Ok((ms("2026-11-01T07:00:00Z"), ms("2026-12-01T07:00:00Z")))
        );
        assert_eq!(
            time(None, day("2026-11-30")),
            Ok((ms("2026-11-30T07:00:00Z"), ms("2026-12-01T07:00:00Z")))
        );
    }

    #[test]
    fn moments_are_rounded_outward_to_hours() {
        let at = |text: &str| Some(When::At(ms(text)));
        assert_eq!(
            time(at("2026-11-01T00:59:59Z"), at("2026-11-01T02:00:00.001Z")),
            Ok((ms("2026-11-01T00:00:00Z"), ms("2026-11-01T03:00:00Z")))
        );
        assert_eq!(
            time(at("2026-11-01T01:00:00Z"), at("2026-11-01T02:00:00Z")),
            Ok((ms("2026-11-01T01:00:00Z"), ms("2026-11-01T02:00:00Z")))
        );
    }

    #[test]
    fn counting_rests_as_long_as_it_works_until_it_is_behind() {
        let worked = Duration::from_millis(40);
        let behind = clock::millis(COUNT_BEHIND);
        assert_eq!(rest(worked, 0), worked);
        assert_eq!(rest(worked, behind), worked);
        assert_eq!(rest(worked, behind + 1), Duration::ZERO);
        assert_eq!(rest(Duration::from_secs(9), 0), Duration::from_secs(1));
    }

    #[test]
    fn no_report_is_of_no_time_or_of_all_time() {
        let day = |text: &str| Some(When::Day(text.parse().unwrap()));
        assert_eq!(
            time(day("2026-11-02"), day("2026-11-01")),
            Err(ReportRefused::Empty)
        );
        assert_eq!(time(day("2010-01-01"), None), Err(ReportRefused::TooLong));
    }
}
