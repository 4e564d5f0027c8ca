//! Recorded pings run again: as they were decided, or with another version of one plugin.
//!
//! A ping's record has what went in, which versions decided and what buyers answered, so the
//! decision can be made again without asking anybody. What depended on the moment – a buyer that
//! was too slow, a host that was too busy – is taken as recorded. Where a version asks for
//! what no buyer was asked, nothing can be said of that account: it is named, and not counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gavel_market::{
    auction::{self, Bid, Quote, Terms},
    ids::{AccountId, OrderId, PingId, PluginName},
    lead::PingLead,
    money::Money,
    reason::{NoBidReason, Outcome},
    record::{AccountOutcome, PingAnswer, PingRecord, Standing},
};
use gavel_sandbox::{PingView, Transaction};

use super::{
    roster::Roster,
    version::{Tally, Version},
};
use crate::{
    Inner,
    api::Refusal,
    ping::consider::{Asking, Considered, Considering},
};

/// One ping, decided again.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// What becomes of each account that the record names.
    pub outcomes: Vec<AccountOutcome>,
    /// What the supplier would be told, apart from times.
    pub answer: Answer,
    /// Accounts of which nothing can be said: the record has no answer to what was asked.
    pub not_comparable: BTreeSet<AccountId>,
}

/// An answer to a ping without its ids and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A quote: revenue, cost, and the accounts selected.
    Bid {
        /// What the selected accounts would pay.
        revenue: Money,
        /// What the supplier would be paid.
        cost: Money,
        /// Who was selected.
        selected: Vec<AccountId>,
    },
    /// No quote, and why.
    NoBid(NoBidReason),
}

/// Whether this outcome says that a buyer's answer never came, so that a replay has none.
pub(crate) fn is_without_answer(standing: &Standing) -> bool {
    matches!(
        standing.outcome,
        Some(
            Outcome::Timeout
                | Outcome::Unreachable
                | Outcome::InvalidResponse
                | Outcome::Overloaded
                | Outcome::NoTime
                | Outcome::TooManySteps
                | Outcome::HostNotAllowed
                | Outcome::PluginOutput
        )
    )
}

/// What followed from the moment and not from plugins, and is taken as it was recorded.
pub(crate) fn is_of_the_moment(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NoTime
            | Outcome::Overloaded
            | Outcome::NotActive
            | Outcome::CircuitOpen
            | Outcome::CapReached
            | Outcome::BudgetReached
            | Outcome::OutsideSchedule
            | Outcome::NotInGroup
            | Outcome::Criteria
            | Outcome::Duplicate
            | Outcome::LostRoom
    )
}

/// A standing as it is shown: of an account whose buyer was not asked, only that it qualifies.
pub(crate) fn told(considered: &Considered, standing: Standing) -> Standing {
    if considered.unrecorded {
        Standing {
            outcome: None,
            text: Some("it would ask its buyer, who was not asked".to_owned()),
            ..Standing::default()
        }
    } else {
        standing
    }
}

/// Decides a recorded ping again. With `instead`, that version decides for its plugin, and only
/// accounts that use it are considered; the others stand as they were recorded.
pub(crate) async fn replay(
    inner: &Arc<Inner>,
    record: &PingRecord,
    instead: Option<(&PluginName, &Version)>,
) -> Result<Replayed, Refusal> {
    let revision = inner.revision(record.revision).await?;
    let campaign = revision
        .campaign(record.campaign.as_str())
        .cloned()
        .ok_or(Refusal::Broken)?;
    let mut roster = Roster::of_record(inner, Arc::clone(&revision), &record.digests).await;
    if let Some((name, version)) = instead {
        roster = roster.with(name.clone(), version.clone());
    }
    let lead = PingLead::from_entries(Arc::clone(&campaign.lead_type), record.input.lead.clone());
    let transaction = Transaction {
        campaign: campaign.id.clone(),
        received_at_ms: record.input.received_at_ms,
        currency: revision.market.currency.clone(),
        sub_id: record.input.sub_id.clone(),
        is_test: record.input.test,
    };
    let view = PingView::new(Arc::new(lead), Arc::new(transaction));
    let considering = Considering {
        roster: &roster,
        view: &view,
        order: OrderId(record.id.0),
        asking: if record.input.test {
            Asking::Test(None)
        } else {
            Asking::Recorded(&record.exchanges)
        },
    };
    let late = was_late(record);
    let (mut bids, mut outcomes) = (Vec::new(), Vec::new());
    let mut not_comparable = BTreeSet::new();
    for recorded in &record.outcomes {
        let Some((_, account)) = revision.market.account_named(&recorded.account) else {
            continue;
        };
        let recorded = &before_it_was_late(recorded, late);
        let concerned =
            instead.is_none_or(|(name, _)| account.plugins().any(|used| used.plugin == *name));
        // Of a decision that is only repeated, an answer that never came is taken as such.
        let taken = is_of_the_moment(recorded.outcome)
            || (instead.is_none()
                && matches!(recorded.outcome, Outcome::Timeout | Outcome::Unreachable));
        let again = if concerned && !taken {
            let again = considering.account(account, None).await;
            if again.outcome == Some(Outcome::Overloaded) {
                return Err(Refusal::Overloaded);
            }
            let before = standing_of(recorded);
            if again.unrecorded && !is_without_answer(&before) {
                not_comparable.insert(account.id.clone());
            }
            if again.unrecorded {
                as_recorded(recorded, account)
            } else {
                again
            }
        } else {
            as_recorded(recorded, account)
        };
        if not_comparable.contains(&account.id) {
            outcomes.push(AccountOutcome {
                outcome: as_told(recorded.outcome, late),
                ..recorded.clone()
            });
            continue;
        }
        // Whose turn it was is of the moment too.
        let again = Considered {
            turn: recorded.turn,
            ..again
        };
        bids.extend(again.to_bid());
        outcomes.push(AccountOutcome {
            account: account.id.clone(),
            // Of those that bid, the auction says.
            outcome: again.outcome.unwrap_or(Outcome::BelowRequirements),
            detail: again.detail,
            bid: again.bid,
            turn: again.turn,
        });
    }
    let terms = Terms::of(&campaign, record.input.min_bid);
    let ranked = auction::rank(&terms, bids);
    let decision = auction::decide(&terms, &ranked);
    for (bid, outcome) in ranked.iter().zip(&decision.outcomes) {
        if let Some(one) = outcomes.iter_mut().find(|one| one.account == bid.account) {
            one.outcome = as_told(*outcome, late);
        }
    }
    // What came too late to be told then is not told now.
    let answer = if late {
        Answer::NoBid(NoBidReason::NoTime)
    } else {
        answer_of(decision.verdict, &ranked)
    };
    Ok(Replayed {
        outcomes,
        answer,
        not_comparable,
    })
}

fn answer_of(verdict: Result<Quote, NoBidReason>, ranked: &[Bid]) -> Answer {
    match verdict {
        Ok(quote) => Answer::Bid {
            revenue: quote.revenue,
            cost: quote.cost,
            selected: quote
                .selected
                .iter()
                .filter_map(|at| ranked.get(usize::from(*at)).map(|bid| bid.account.clone()))
                .collect(),
        },
        Err(reason) => Answer::NoBid(reason),
    }
}

/// What became of an account in a ping of which nothing could be told in time, had it been.
fn before_it_was_late(recorded: &AccountOutcome, late: bool) -> AccountOutcome {
    let won = late && recorded.outcome == Outcome::NoTime && recorded.bid.is_some();
    AccountOutcome {
        outcome: if won { Outcome::Won } else { recorded.outcome },
        ..recorded.clone()
    }
}

/// And what the record then says of it.
fn as_told(outcome: Outcome, late: bool) -> Outcome {
    match outcome {
        Outcome::Won if late => Outcome::NoTime,
        outcome => outcome,
    }
}

/// Where an account stood, as recorded, before bids were ranked.
fn standing_of(recorded: &AccountOutcome) -> Standing {
    Standing {
        outcome: Some(recorded.outcome).filter(|outcome| !was_ranked(*outcome)),
        code: recorded.detail.code.clone(),
        text: recorded.detail.text.clone(),
        bid: recorded.bid,
    }
}

/// Whether an account with this outcome had bid, and was ranked.
pub(crate) fn was_ranked(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Won | Outcome::Outbid | Outcome::BelowRequirements
    )
}

fn as_recorded(
    recorded: &AccountOutcome,
    account: &Arc<gavel_market::model::Account>,
) -> Considered {
    Considered {
        account: Arc::clone(account),
        outcome: standing_of(recorded).outcome,
        detail: recorded.detail.clone(),
        bid: recorded.bid,
        reference: None,
        turn: recorded.turn,
        exchanges: Vec::new(),
        unrecorded: false,
    }
}

/// What an account's outcome was, and what it is when the ping is decided again.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// As recorded.
    pub before: AccountOutcome,
    /// As decided again.
    pub after: AccountOutcome,
}

impl Replayed {
    /// Accounts that come to another end than recorded; words may differ.
    pub fn changes(&self, record: &PingRecord) -> Vec<Changed> {
        let decides = |one: &AccountOutcome| (one.outcome, one.detail.code.clone(), one.bid);
        let pairs = record.outcomes.iter().filter_map(|before| {
            let after = self
                .outcomes
                .iter()
                .find(|after| after.account == before.account)?;
            (decides(before) != decides(after)).then(|| Changed {
                before: before.clone(),
                after: after.clone(),
            })
        });
        pairs.collect()
    }

    /// Whether the supplier would be told the same. An answer that only came too late says
    /// nothing about the decision.
    pub fn answers_as(&self, record: &PingRecord) -> bool {
        match (&self.answer, &record.answer) {
            (
                Answer::Bid { cost, selected, .. },
                PingAnswer::Bid {
                    bid, deliveries, ..
                },
            ) => cost == bid && u32::try_from(selected.len()).is_ok_and(|many| many == *deliveries),
            (Answer::NoBid(one), PingAnswer::NoBid { reason }) => one == reason,
            _ => false,
        }
    }
}

/// Whether a ping was answered `no_time`: its decision, if there was one, was never told.
pub(crate) fn was_late(record: &PingRecord) -> bool {
    matches!(
        record.answer,
        PingAnswer::NoBid {
            reason: NoBidReason::NoTime
        }
    )
}

/// What a market makes of its pings: how many were quoted, and for how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Takings {
    /// Pings that were quoted.
    pub bids: u64,
    /// What the selected accounts bid.
    pub revenue: Money,
    /// What suppliers were offered.
    pub cost: Money,
}

/// How often each outcome was an account's.
pub type Outcomes = BTreeMap<Outcome, u64>;

/// What another version would have changed in a number of recorded pings.
#[derive(Debug, Clone, Default)]
pub struct ReplayReport {
    /// Records looked at.
    pub pings: u64,
    /// Of those, decided again: those in which an account uses the plugin.
    pub replayed: u64,
    /// Of those, pings with an account of which nothing can be said.
    pub not_comparable: u64,
    /// Of those replayed, pings in which an account comes to another end.
    pub changed: u64,
    /// For each account that uses the plugin: how often each outcome, before and after.
    pub accounts: BTreeMap<AccountId, (Outcomes, Outcomes)>,
    /// As recorded.
    pub before: Takings,
    /// As decided again.
    pub after: Takings,
    /// What has come of asking the version.
    pub tally: Tally,
    /// The longest call, in processor time.
    pub cpu_max: Duration,
    /// The most memory that a call took, in bytes.
    pub memory_max: u64,
    /// Some of the changes.
    pub examples: Vec<(PingId, Changed)>,
    /// Where the next page goes on; none at the end.
    pub next: Option<PingId>,
}

/// Changes that a report shows.
const EXAMPLES: usize = 10;

/// Runs one page of recorded pings, newest first, through a version of a plugin.
pub(crate) async fn report(
    inner: &Arc<Inner>,
    name: &PluginName,
    version: &Version,
    query: &gavel_store::PingQuery,
) -> Result<ReplayReport, Refusal> {
    let asked = version.watched(None);
    let page = inner.store.pings(query)?;
    let mut report = ReplayReport {
        next: page.next,
        ..ReplayReport::default()
    };
    for record in page.items {
        report.pings += 1;
        // Its decision was never told, or there was none; or it touched nothing real.
        if was_late(&record) || record.input.test || !record.digests.contains_key(name) {
            continue;
        }
        let again = replay(inner, &record, Some((name, &asked))).await?;
        let was = replay_of_the_record(&record);
        report.add(&record, &again, was);
        // Replays are nobody's hurry: whoever answers pings goes first.
        tokio::task::yield_now().await;
    }
    report.tally = asked.tally();
    (report.cpu_max, report.memory_max) = asked.most();
    Ok(report)
}

impl ReplayReport {
    fn add(&mut self, record: &PingRecord, again: &Replayed, was: Takings) {
        self.replayed += 1;
        // Of such a ping nobody knows what it would have come to: it is in no sum.
        if !again.not_comparable.is_empty() {
            self.not_comparable += 1;
            return;
        }
        let changes = again.changes(record);
        if !changes.is_empty() {
            self.changed += 1;
        }
        for after in &again.outcomes {
            let before = record
                .outcomes
                .iter()
                .find(|before| before.account == after.account);
            let (was, is) = self.accounts.entry(after.account.clone()).or_default();
            if let Some(before) = before {
                *was.entry(before.outcome).or_default() += 1;
            }
            *is.entry(after.outcome).or_default() += 1;
        }
        self.before.add(was);
        if let Answer::Bid { revenue, cost, .. } = &again.answer {
            self.after.add(Takings {
                bids: 1,
                revenue: *revenue,
                cost: *cost,
            });
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(
            changes
                .into_iter()
                .take(room)
                .map(|change| (record.id, change)),
        );
    }
}

impl Takings {
    fn add(&mut self, more: Self) {
        self.bids += more.bids;
        self.revenue = self.revenue + more.revenue;
        self.cost = self.cost + more.cost;
    }
}

/// What a ping's record says of money.
fn replay_of_the_record(record: &PingRecord) -> Takings {
    match record.answer {
        PingAnswer::Bid { bid, .. } => Takings {
            bids: 1,
            revenue: record
                .outcomes
                .iter()
                .filter(|one| one.outcome == Outcome::Won)
                .filter_map(|one| one.bid)
                .sum(),
            cost: bid,
        },
        PingAnswer::NoBid { .. } => Takings::default(),
    }
}
