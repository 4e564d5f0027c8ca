//! The ping, from request to answer: reads like `rules.md`, The ping.
//!
//! | step | where |
//! |---|---|
//! | 1 who, 3 what, 4 nothing personal, 6 open | here, on `market`'s readers |
//! | 2 how fast | rate limits stand between 1 and 3 once they are served |
//! | 5 again | [`again`] |
//! | 7 scan | [`scan`]; of one account, [`consider`]; what a buyer is asked, [`ask`] |
//! | 8 rank, 9 select, 10 require | `market::auction` |
//! | 11 record and answer | [`record`] |
//!
//! Everything before the record is bounded by `answer_reserve` before the deadline, and the
//! record by the deadline itself: a ping is never answered late.

pub(crate) mod again;
mod ask;
pub(crate) mod consider;
mod record;
mod scan;

use std::{sync::Arc, time::Duration};

use gavel_market::{
    auction::{self, Bid, Decision, Terms},
    ids::{OrderId, PingId, Ulid},
    lead::{self, PingLead},
    model::{Campaign, CampaignStatus, OnUnknown},
    reason::NoBidReason,
    record::{PingAnswer, Timings},
};
use gavel_sandbox::{PingView, Transaction};
use tokio::time::Instant;

use self::{consider::Considered, controls::PingControls};
use crate::{
    Inner,
    api::{Caller, PingReply, RawRequest, Received, Refusal},
    clock, controls,
    plugins::{roster::Roster, shadow},
    revision::Revision,
};

/// What is kept of the deadline between the record and the answer, for the answer's way out.
const LAST_MOMENT: Duration = Duration::from_millis(3);

/// A ping that was understood: everything that its decision depends on.
pub(crate) struct Asked {
    /// Shared with the order and the lead that may come of it.
    pub id: PingId,
    /// The one revision and the versions that decide.
    pub roster: Roster,
    /// The terms.
    pub campaign: Arc<Campaign>,
    /// The offer.
    pub lead: Arc<PingLead>,
    /// The offer as plugins see it.
    pub view: PingView,
    /// What stood beside it.
    pub controls: PingControls,
    /// When its first byte came.
    pub received: Received,
    /// When it is answered at the latest.
    pub deadline: Instant,
    /// When every bid must be in.
    pub bids_until: Instant,
}

/// What was decided, and how long the parts took.
pub(crate) struct Decided {
    /// One for each account that criteria let through.
    pub considered: Vec<Considered>,
    /// Valid bids, best first.
    pub ranked: Vec<Bid>,
    /// What came of them.
    pub decision: Decision,
    /// For the record.
    pub timings: Timings,
}

/// Answers a ping.
pub(crate) async fn ping(
    inner: &Arc<Inner>,
    caller: &Caller,
    campaign: &str,
    request: RawRequest,
    received: Received,
) -> Result<PingReply, Refusal> {
    let _place = inner.admit_ping()?;
    let revision = inner.revisions.current().ok_or(Refusal::NotFound)?;
    let campaign = who(&revision, caller, campaign)?;
    let asked = what(inner, revision, campaign, &request, received)?;
    let again = match again::enter(inner, &asked).await? {
        again::Entered::Before(reply) => return Ok(reply),
        again::Entered::TooLate => return Ok(no_time(&asked)),
        again::Entered::First(again) => again,
    };
    if asked.campaign.status != CampaignStatus::Active {
        return Err(Refusal::CampaignNotActive);
    }
    let decided = decide(inner, &asked).await;
    let shown = shadow::Shown::of(&asked, &decided);
    let answer = record::record(inner, caller, asked, decided, again).await;
    if let Some(shown) = shown {
        shadow::show(inner, shown);
    }
    answer
}

/// Step 1: the campaign must be theirs, and of this channel.
pub(crate) fn who(
    revision: &Revision,
    caller: &Caller,
    campaign: &str,
) -> Result<Arc<Campaign>, Refusal> {
    let found = revision
        .campaign(campaign)
        .filter(|found| found.supplier == caller.supplier);
    found.cloned().ok_or(Refusal::NotFound)
}

/// Steps 3 and 4: every field and control is checked, and all errors are reported together.
fn what(
    inner: &Inner,
    revision: Arc<Revision>,
    campaign: Arc<Campaign>,
    request: &RawRequest,
    received: Received,
) -> Result<Asked, Refusal> {
    let mut problems = request.problems.clone();
    let ignore = campaign.unknown_fields == OnUnknown::Ignore;
    let controls = PingControls::read(request, ignore, &mut problems);
    // A lead that was no object is one problem, not also one for each field that it lacks.
    let undecoded = request
        .problems
        .iter()
        .any(|problem| problem.field == "lead");
    let read = lead::read_ping(&campaign, &request.lead, controls.sub_id.as_deref());
    let lead = match read {
        Ok(lead) if problems.is_empty() => Arc::new(lead),
        Ok(_) => return Err(Refusal::InvalidFields(problems)),
        Err(more) => {
            if !undecoded {
                problems.extend(more);
            }
            return Err(Refusal::InvalidFields(problems));
        }
    };
    let deadline = received.at
        + controls
            .tmax
            .map_or(campaign.deadline, |tmax| tmax.min(campaign.deadline));
    let transaction = Transaction {
        campaign: campaign.id.clone(),
        received_at_ms: received.unix_ms,
        currency: revision.market.currency.clone(),
        sub_id: controls.sub_id.clone(),
        is_test: false,
    };
    let id = PingId(Ulid::from_parts(received.unix_ms, Ulid::new().random()));
    Ok(Asked {
        id,
        view: PingView::new(Arc::clone(&lead), Arc::new(transaction)),
        roster: Roster::of_ping(inner, revision, id.order()),
        campaign,
        lead,
        controls,
        received,
        deadline,
        bids_until: deadline
            .checked_sub(inner.settings.answer_reserve)
            .unwrap_or(received.at),
    })
}

/// Steps 7 to 10.
async fn decide(inner: &Arc<Inner>, asked: &Asked) -> Decided {
    let mut timings = Timings {
        understood_us: asked.since_start_us(),
        ..Timings::default()
    };
    let mut considered = scan::scan(inner, asked, &mut timings).await;
    timings.bids_us = asked.since_start_us();
    let terms = Terms::of(&asked.campaign, asked.controls.min_bid);
    let ranked = auction::rank(
        &terms,
        considered.iter().filter_map(Considered::to_bid).collect(),
    );
    let decision = auction::decide(&terms, &ranked);
    for (bid, outcome) in ranked.iter().zip(&decision.outcomes) {
        if let Ok(at) = considered.binary_search_by(|one| one.account.id.cmp(&bid.account))
            && let Some(one) = considered.get_mut(at)
        {
            one.outcome = Some(*outcome);
        }
    }
    timings.decided_us = asked.since_start_us();
    Decided {
        considered,
        ranked,
        decision,
        timings,
    }
}

/// The answer when there is no time for any other.
pub(crate) fn no_time(asked: &Asked) -> PingReply {
    asked.reply(PingAnswer::NoBid {
        reason: NoBidReason::NoTime,
    })
}

impl Asked {
    /// The order that this ping makes if it is quoted.
    pub(crate) fn order(&self) -> OrderId {
        self.id.order()
    }

    /// Microseconds since the request's first byte.
    pub(crate) fn since_start_us(&self) -> u64 {
        clock::micros(self.received.at.elapsed())
    }

    /// An answer to this ping.
    pub(crate) fn reply(&self, answer: PingAnswer) -> PingReply {
        PingReply {
            ping_id: self.id,
            answer,
            currency: self.roster.revision.market.currency.clone(),
        }
    }

    /// Until when the record must be durable for the answer to leave in time.
    pub(crate) fn record_until(&self) -> Instant {
        self.deadline
            .checked_sub(LAST_MOMENT)
            .unwrap_or(self.received.at)
    }
}
