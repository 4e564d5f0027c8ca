//! Lines grouped as somebody asks.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};

use super::{AccountLine, Hours, Measures, PingLine, Place};
use crate::{
    ids::{AccountId, BuyerId, CampaignId, SupplierId},
    reason::Outcome,
    room::Period,
};

/// Rows of one report, at most: more than anybody reads, and little enough to hold in memory.
pub const ROWS_MAX: usize = 100_000;

/// What a report is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The arrangement with a supplier.
    Campaign,
    /// Who sent the leads.
    Supplier,
    /// Whose account it was.
    Buyer,
    /// Whose bid it was.
    Account,
    /// What became of the account in the ping.
    Outcome,
    /// The supplier's own name for where leads came from.
    SubId,
    /// An hour of the market's clock.
    Hour,
    /// A day in the market's zone.
    Day,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Campaign,
        Self::Supplier,
        Self::Buyer,
        Self::Account,
        Self::Outcome,
        Self::SubId,
        Self::Hour,
        Self::Day,
    ];

    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Supplier => "supplier",
            Self::Buyer => "buyer",
            Self::Account => "account",
            Self::Outcome => "outcome",
            Self::SubId => "sub_id",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The columns that it makes.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Campaign => &["campaign"],
            Self::Supplier => &["supplier"],
            Self::Buyer => &["buyer"],
            Self::Account => &["account"],
            Self::Outcome => &["outcome", "field", "code"],
            Self::SubId => &["sub_id"],
            Self::Hour => &["hour"],
            Self::Day => &["day"],
        }
    }

    fn is_of_accounts(self) -> bool {
        matches!(self, Self::Buyer | Self::Account | Self::Outcome)
    }
}

/// What a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Pings: each once.
    Pings,
    /// Accounts in pings: each ping once for each of its accounts.
    Accounts,
}

impl Grain {
    /// What a report counts that is grouped so, of one account alone or of all; `None` where
    /// nothing could be told: sums are not kept by `sub_id` and account.
    pub fn of(by: &[By], of_one_account: bool) -> Option<Self> {
        let accounts = of_one_account || by.iter().any(|by| by.is_of_accounts());
        match (accounts, by.contains(&By::SubId)) {
            (true, true) => None,
            (true, false) => Some(Self::Accounts),
            (false, _) => Some(Self::Pings),
        }
    }
}

/// What stands in one column of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// Nothing: no account, no `sub_id`.
    None,
    /// A campaign.
    Campaign(CampaignId),
    /// A supplier.
    Supplier(SupplierId),
    /// A buyer.
    Buyer(BuyerId),
    /// An account.
    Account(AccountId),
    /// An outcome.
    Outcome(Outcome),
    /// A field, a code, a `sub_id`: what Gavel did not name itself.
    Text(Arc<str>),
    /// When an hour begins, as Unix time in milliseconds.
    Hour(u64),
    /// When a day begins, likewise.
    Day(u64),
}

impl Cell {
    /// As it is written: an hour as RFC 3339 by the zone's clock, a day as a date there.
    pub fn text(&self, zone: &TimeZone) -> Option<String> {
        let local = |ms: u64| {
            let at = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
            Some(at.to_zoned(zone.clone()))
        };
        match self {
            Self::None => None,
            Self::Campaign(id) => Some(id.to_string()),
            Self::Supplier(id) => Some(id.to_string()),
            Self::Buyer(id) => Some(id.to_string()),
            Self::Account(id) => Some(id.to_string()),
            Self::Outcome(outcome) => Some(outcome.word().to_owned()),
            Self::Text(text) => Some(text.to_string()),
            Self::Hour(ms) => local(*ms).map(|at| {
                let offset = at.offset();
                at.timestamp().display_with_offset(offset).to_string()
            }),
            Self::Day(ms) => local(*ms).map(|at| at.date().to_string()),
        }
    }
}

/// One row: a cell for each column, and its sums.
pub type Row = (Vec<Cell>, Measures);

/// There are more than [`ROWS_MAX`] rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyRows;

/// Sums being grouped.
#[derive(Debug)]
pub struct Table {
    by: Vec<By>,
    hours: Hours,
    rows: HashMap<Vec<Cell>, Measures>,
    total: Measures,
    /// The hour that was last asked for, and when its day begins.
    last_day: Option<(u64, u64)>,
    cells: Vec<Cell>,
}

impl Table {
    /// An empty one, grouped in the order of `by`; days are those of these hours' zone.
    pub fn new(by: Vec<By>, hours: Hours) -> Self {
        Self {
            by,
            hours,
            rows: HashMap::new(),
            total: Measures::default(),
            last_day: None,
            cells: Vec::new(),
        }
    }

    /// Adds the sums of one place at the ping grain.
    pub fn add_pings(
        &mut self,
        place: &Place,
        lines: impl IntoIterator<Item = (PingLine, Measures)>,
    ) -> Result<(), TooManyRows> {
        for (line, measures) in lines {
            self.add(place, line.sub_id.as_ref(), None, measures)?;
        }
        Ok(())
    }

    /// Adds the sums of one place at the account grain.
    pub fn add_accounts(
        &mut self,
        place: &Place,
        lines: impl IntoIterator<Item = (AccountLine, Measures)>,
    ) -> Result<(), TooManyRows> {
        for (line, measures) in lines {
            self.add(place, None, Some(&line), measures)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        place: &Place,
        sub_id: Option<&Arc<str>>,
        account: Option<&AccountLine>,
        measures: Measures,
    ) -> Result<(), TooManyRows> {
        let day = self.day_of(place.start_ms);
        self.cells.clear();
        for by in &self.by {
            let line = account;
            self.cells.push(match by {
                By::Campaign => Cell::Campaign(place.campaign.clone()),
                By::Supplier => Cell::Supplier(place.supplier.clone()),
                By::Buyer => or_none(line.and_then(|line| line.buyer.clone()), Cell::Buyer),
                By::Account => or_none(line.and_then(|line| line.account.clone()), Cell::Account),
                By::Outcome => or_none(line.and_then(|line| line.outcome), Cell::Outcome),
                By::SubId => or_none(sub_id.cloned(), Cell::Text),
                By::Hour => Cell::Hour(place.start_ms),
                By::Day => Cell::Day(day),
            });
            if *by == By::Outcome {
                let field = line.and_then(|line| line.field.clone());
                let code = line.and_then(|line| line.code.clone());
                self.cells.push(or_none(field, Cell::Text));
                self.cells.push(or_none(code, Cell::Text));
            }
        }
        self.total += measures;
        if let Some(sums) = self.rows.get_mut(&self.cells) {
            *sums += measures;
        } else if self.rows.len() < ROWS_MAX {
            self.rows.insert(self.cells.clone(), measures);
        } else {
            return Err(TooManyRows);
        }
        Ok(())
    }

    fn day_of(&mut self, hour_ms: u64) -> u64 {
        match self.last_day {
            Some((hour, day)) if hour == hour_ms => day,
            _ => {
                let day = Period::Day.at(hour_ms, self.hours.zone()).start_ms;
                self.last_day = Some((hour_ms, day));
                day
            }
        }
    }

    /// The rows, sorted by their cells, and what they add up to. Without anything to group by
    /// there is one.
    pub fn finish(mut self) -> (Vec<Row>, Measures) {
        if self.by.is_empty() {
            self.rows.entry(Vec::new()).or_default();
        } else {
            // A cost that was owed to nobody's sale at first, and was then put to one.
            self.rows.retain(|_, sums| *sums != Measures::default());
        }
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        rows.sort_by(|(one, _), (other, _)| compare(one, other));
        (rows, self.total)
    }
}

fn or_none<T>(value: Option<T>, cell: impl Fn(T) -> Cell) -> Cell {
    value.map_or(Cell::None, cell)
}

/// Nothing comes last: what has a name is looked for first.
fn compare(one: &[Cell], other: &[Cell]) -> Ordering {
    let cells = one.iter().zip(other);
    let mut compared = cells.map(|(one, other)| {
        let nothing = (*one == Cell::None).cmp(&(*other == Cell::None));
        nothing.then_with(|| one.cmp(other))
    });
    compared
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
