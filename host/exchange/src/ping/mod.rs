//! The ping, from request to answer: reads like `rules.md`, The ping.
//!
//! | step | where |
//! |---|---|
//! | 1 who, 3 what, 4 nothing personal, 6 open | here, on `market`'s readers |
//! | 2 how fast | `rates` |
//! | 5 again | [`again`] |
//! | 7 scan | [`scan`]; what the market's state says, [`state`]; of one account, [`consider`]; what a buyer is asked, [`ask`], or answers to a test, [`script`] |
//! | 8 rank, 9 select, 10 require | [`decide`], on `market::auction` |
//! | 11 record and answer | [`record`] |
//!
//! A direct post is decided by the same steps 6 to 10, on the whole lead ([`Asked::of_direct`]).
//!
//! Everything before the record is bounded by `answer_reserve` before the deadline, and the
//! record by the deadline itself: a ping is never answered late.

pub(crate) mod again;
pub(crate) mod ask;
pub(crate) mod consider;
mod decide;
pub(crate) mod record;
mod scan;
mod script;
mod state;

use std::{sync::Arc, time::Duration};

use gavel_market::{
    criteria::Absent,
    ids::{OrderId, PingId, Ulid},
    lead::{self, FullLead, PingLead},
    model::{Campaign, Channel, LeadType, OnUnknown},
    reason::NoBidReason,
    record::{Detail, PingAnswer},
};
use gavel_sandbox::{PingView, Transaction};
use tokio::time::Instant;

use self::controls::PingControls;
pub(crate) use self::decide::{Decided, decide};
use crate::{
    Inner,
    api::{Caller, PingReply, RawRequest, Received, Refusal},
    clock, controls,
    plugins::{roster::Roster, shadow},
    revision::Revision,
};

/// What is kept of the deadline between the record and the answer, for the answer's way out.
const LAST_MOMENT: Duration = Duration::from_millis(3);

/// A ping, or a direct post, that was understood: everything that its decision depends on.
pub(crate) struct Asked {
    /// Shared with the order and the lead that may come of it.
    pub id: PingId,
    /// The one revision and the versions that decide.
    pub roster: Roster,
    /// The terms.
    pub campaign: Arc<Campaign>,
    /// The offer: nothing personal.
    pub lead: Arc<PingLead>,
    /// Of a direct post the whole lead, which criteria are asked of.
    pub full: Option<Arc<FullLead>>,
    /// The offer as plugins see it.
    pub view: PingView,
    /// What stood beside it.
    pub controls: PingControls,
    /// Whether it is a test: nothing real is touched.
    pub test: bool,
    /// When its first byte came.
    pub received: Received,
    /// When it is answered at the latest.
    pub deadline: Instant,
    /// When every bid must be in.
    pub bids_until: Instant,
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
    let campaign = who(&revision, caller, campaign, Channel::PingPost)?;
    let test = caller.is_test || controls::says_test(&request);
    inner.rates.admit(&revision.market, &campaign, test)?;
    let asked = what(inner, caller, revision, campaign, &request, received)?;
    let again = match again::enter(inner, &asked).await? {
        again::Entered::Before(reply) => return Ok(reply),
        again::Entered::TooLate => return Ok(record::too_late(inner, caller, &asked)),
        again::Entered::First(again) => again,
    };
    let decided = decide(inner, &asked).await?;
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
    channel: Channel,
) -> Result<Arc<Campaign>, Refusal> {
    let found = revision
        .campaign(campaign)
        .filter(|found| found.supplier == caller.supplier)
        .ok_or(Refusal::NotFound)?;
    if found.channel != channel {
        return Err(Refusal::WrongChannel);
    }
    Ok(Arc::clone(found))
}

/// Steps 3 and 4: every field and control is checked, and all errors are reported together.
fn what(
    inner: &Inner,
    caller: &Caller,
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
            if undecoded {
                problems.extend(controls.sub_id.as_deref().and_then(lead::sub_id_fault));
            } else {
                problems.extend(more);
            }
            return Err(Refusal::InvalidFields(problems));
        }
    };
    Ok(Asked::new(
        inner, caller, revision, campaign, lead, controls, received,
    ))
}

/// What an absent field means to a criterion in this campaign's pings, or direct posts.
pub(crate) fn absent_in(campaign: &Campaign) -> Absent {
    if campaign.channel == Channel::DirectPost || campaign.ping.qualify_all_criteria {
        Absent::Fails
    } else {
        Absent::Unknown
    }
}

/// Which field a criterion failed on, where it was one.
pub(crate) fn of_criterion(lead_type: &LeadType, field: Option<usize>) -> Detail {
    let field = field.and_then(|at| lead_type.fields.get(at));
    Detail {
        field: field.map(|field| field.name.to_string()),
        ..Detail::default()
    }
}

/// The answer when there is no time for any other.
pub(crate) fn no_time(asked: &Asked) -> PingReply {
    asked.reply(PingAnswer::NoBid {
        reason: NoBidReason::NoTime,
    })
}

impl Asked {
    /// A ping whose fields and controls are right.
    fn new(
        inner: &Inner,
        caller: &Caller,
        revision: Arc<Revision>,
        campaign: Arc<Campaign>,
        lead: Arc<PingLead>,
        controls: PingControls,
        received: Received,
    ) -> Self {
        let time = controls.tmax.unwrap_or(campaign.deadline);
        let deadline = received.at + time.min(campaign.deadline);
        let test = caller.is_test || controls.test;
        let transaction = Transaction {
            campaign: campaign.id.clone(),
            received_at_ms: received.unix_ms,
            currency: revision.market.currency.clone(),
            sub_id: controls.sub_id.clone(),
            is_test: test,
        };
        let id = PingId(Ulid::from_parts(received.unix_ms, Ulid::new().random()));
        Self {
            id,
            view: PingView::new(Arc::clone(&lead), Arc::new(transaction)),
            roster: Roster::of_ping(inner, revision, id.order(), test),
            campaign,
            lead,
            full: None,
            controls,
            test,
            received,
            deadline,
            bids_until: deadline
                .checked_sub(inner.settings.answer_reserve)
                .unwrap_or(received.at),
        }
    }

    /// A direct post whose fields and controls are right: its ping part. Plugins see what is
    /// not personal; criteria are asked of the whole lead.
    pub(crate) fn of_direct(
        inner: &Inner,
        caller: &Caller,
        revision: Arc<Revision>,
        campaign: Arc<Campaign>,
        lead: Arc<FullLead>,
        controls: PingControls,
        received: Received,
    ) -> Self {
        let shown = Arc::new(lead.without_personal());
        let asked = Self::new(inner, caller, revision, campaign, shown, controls, received);
        Self {
            full: Some(lead),
            ..asked
        }
    }

    /// What an absent field means to a criterion.
    pub(crate) fn absent(&self) -> Absent {
        absent_in(&self.campaign)
    }

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
            test: self.test,
            again: false,
        }
    }

    /// Until when the record must be durable for the answer to leave in time.
    pub(crate) fn record_until(&self) -> Instant {
        self.deadline
            .checked_sub(LAST_MOMENT)
            .unwrap_or(self.received.at)
    }
}
