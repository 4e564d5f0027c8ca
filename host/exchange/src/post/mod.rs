//! The post, from request to answer: reads like `rules.md`, The post.
//!
//! | step | where |
//! |---|---|
//! | 1 who, 2 again, 3 what | here |
//! | 4 claim, 5 duplicates | [`claim`] says what is claimed and checked; the store does both at once |
//! | 6 scan for coverage | [`coverage`] |
//! | 7 deliver | [`deliver`] drives an order's deliveries; one of them is an [`attempt`] |
//! | 8 settle, 9 answer | [`deliver`], [`reply`] |
//!
//! A [`direct`] post is a ping and a post in one; from step 5 on it is a post like any other.
//!
//! Why no crash and no race sells a lead twice: the claim is one compare-and-set; every
//! request is preceded by a durable note that is one too (`Order::begin` counts places); and
//! whoever resumes an order turns each note without an outcome into *unconfirmed* first.

pub(crate) mod attempt;
mod claim;
mod coverage;
pub(crate) mod deliver;
pub(crate) mod direct;
pub(crate) mod reply;

use std::{sync::Arc, time::Duration};

use gavel_market::{
    auction::Terms,
    ids::OrderId,
    lead::{self, FieldError, FullLead, PingLead},
    model::{Campaign, Channel, OnUnknown},
    order::{ClaimRefused, Order, OrderState},
    reason::FieldCode,
};
use gavel_store::ChangeError;

use crate::{
    Inner,
    api::{Caller, PostReply, RawRequest, Received, Refusal},
    controls::PostControls,
    ping,
    plugins::roster::Roster,
};

/// Everything that a lead's delivery depends on.
pub(crate) struct Posted {
    /// The revision and the versions that quoted the order.
    pub roster: Roster,
    /// Its terms.
    pub campaign: Arc<Campaign>,
    /// The same, as the auction takes them.
    pub terms: Terms,
    /// The lead, whole.
    pub lead: Arc<FullLead>,
}

/// Answers a post.
pub(crate) async fn post(
    inner: &Arc<Inner>,
    caller: &Caller,
    campaign: &str,
    request: RawRequest,
    received: Received,
) -> Result<PostReply, Refusal> {
    let _in_flight = inner.admit_post()?;
    let mut problems = request.problems.clone();
    let controls = PostControls::read(&request, false, &mut problems);
    let Some(id) = controls.order else {
        return Err(without_order(inner, caller, campaign, &request, problems));
    };
    // A test finds only tests' orders, and a real request only real ones.
    let test = caller.is_test || controls.test;
    let order = inner.store.order(id)?.filter(|order| {
        order.supplier == caller.supplier
            && order.campaign.as_str() == campaign
            && order.test == test
    });
    let Some(order) = order else {
        return Err(no_such_order(inner, caller, campaign));
    };
    let revision = inner.revision(order.revision).await?;
    let campaign = Arc::clone(revision.campaign(campaign).ok_or(Refusal::NotFound)?);
    if campaign.channel != Channel::PingPost {
        return Err(Refusal::WrongChannel);
    }
    if campaign.unknown_fields == OnUnknown::Ignore {
        problems.retain(|problem| problem.code != FieldCode::UnknownField);
    }
    let pinged = PingLead::from_entries(Arc::clone(&campaign.lead_type), order.lead.clone());
    let read = read(&campaign, &pinged, &request, problems);
    let lead = read.as_ref().ok().map(|(lead, _)| lead);
    let answered = again(inner, &order, lead, received);
    if matches!(answered, Err(Refusal::OrderExpired)) {
        release(inner, &order).await?;
    }
    if let Some(answer) = answered? {
        return Ok(answer);
    }
    let (lead, warnings) = read?;
    // Before the claim: if a version is slow to load, the order stays open.
    let roster = Roster::of_order(inner, Arc::clone(&revision), &order).await;
    let posted = claim::Lead {
        revision: &revision,
        campaign: &campaign,
        whole: &lead,
        warnings,
        received,
    };
    let claim::Claiming {
        claim,
        personal,
        checks,
    } = posted.claiming(inner, &order);
    let order = match inner.store.claim_order(id, claim, personal, checks).await {
        Ok(order) => order,
        Err(ChangeError::Refused(refused)) => {
            if matches!(refused, ClaimRefused::Expired) {
                release(inner, &order).await?;
            }
            return after_a_race(inner, id, &refused, &lead, received);
        }
        Err(ChangeError::NotFound) => return Err(Refusal::NotFound),
        Err(ChangeError::Store(error)) => return Err(error.into()),
    };
    let terms = Terms::of(&campaign, order.min_bid);
    let posted = Posted {
        roster,
        campaign,
        terms,
        lead: Arc::new(lead),
    };
    deliver::answer(inner, order, posted, received).await
}

/// A post that names no order: whether there is such a campaign for this supplier, and what
/// else is wrong, is said by today's market. What an order would know is not missed.
fn without_order(
    inner: &Inner,
    caller: &Caller,
    campaign: &str,
    request: &RawRequest,
    mut problems: Vec<FieldError>,
) -> Refusal {
    let Some(today) = inner.revisions.current() else {
        return Refusal::NotFound;
    };
    let campaign = match ping::who(&today, caller, campaign, Channel::PingPost) {
        Ok(campaign) => campaign,
        Err(refusal) => return refusal,
    };
    let nothing = PingLead::new(Arc::clone(&campaign.lead_type), []);
    if let Err(more) = lead::read_post(&campaign, &request.lead, &nothing) {
        problems.extend(
            more.into_iter()
                .filter(|error| error.code != FieldCode::Missing),
        );
    }
    Refusal::InvalidFields(problems)
}

/// Where there is no such order for this supplier, today's market still knows whether the
/// campaign takes posts at all.
fn no_such_order(inner: &Inner, caller: &Caller, campaign: &str) -> Refusal {
    let today = inner.revisions.current();
    match today.map(|today| ping::who(&today, caller, campaign, Channel::PingPost)) {
        Some(Err(refusal)) => refusal,
        Some(Ok(_)) | None => Refusal::NotFound,
    }
}

/// What an order past its window held is free when its supplier is told so: whoever pings next
/// finds the room.
async fn release(inner: &Inner, order: &Order) -> Result<(), Refusal> {
    let expired = inner.store.expire_order(order.id, order.expires_at_ms);
    Ok(expired.await?)
}

/// Step 2. The same lead as in the post that settled the order gets the same answer.
fn again(
    inner: &Inner,
    order: &Order,
    lead: Option<&FullLead>,
    received: Received,
) -> Result<Option<PostReply>, Refusal> {
    match order.state {
        OrderState::Open if received.unix_ms >= order.expires_at_ms => Err(Refusal::OrderExpired),
        OrderState::Open => Ok(None),
        OrderState::Expired => Err(Refusal::OrderExpired),
        OrderState::Posting => Err(Refusal::PostInProgress),
        OrderState::Sold | OrderState::Accepted | OrderState::Rejected => {
            let posted = order.post.as_ref().ok_or(Refusal::Broken)?;
            match lead {
                Some(lead) if claim::hash(inner, order.id, lead) == posted.lead_hash => {
                    reply::again(inner, order).map(Some)
                }
                _ => Err(Refusal::AlreadyPosted),
            }
        }
    }
}

/// Another request was quicker between the look and the claim.
fn after_a_race(
    inner: &Inner,
    id: OrderId,
    refused: &ClaimRefused,
    lead: &FullLead,
    received: Received,
) -> Result<PostReply, Refusal> {
    match refused {
        ClaimRefused::Expired => Err(Refusal::OrderExpired),
        ClaimRefused::Posting => Err(Refusal::PostInProgress),
        ClaimRefused::Settled => {
            let order = inner.store.order(id)?.ok_or(Refusal::NotFound)?;
            again(inner, &order, Some(lead), received)?.ok_or(Refusal::PostInProgress)
        }
    }
}

/// Step 3: the full lead, and what is to be said beside the answer.
fn read(
    campaign: &Campaign,
    pinged: &PingLead,
    request: &RawRequest,
    mut problems: Vec<FieldError>,
) -> Result<(FullLead, Vec<FieldError>), Refusal> {
    let undecoded = problems.iter().any(|problem| problem.field == "lead");
    match lead::read_post(campaign, &request.lead, pinged) {
        Ok(read) if problems.is_empty() => Ok(read),
        Ok(_) => Err(Refusal::InvalidFields(problems)),
        Err(more) => {
            if !undecoded {
                problems.extend(more);
            }
            Err(Refusal::InvalidFields(problems))
        }
    }
}

impl Inner {
    /// How long deliveries may go on while the supplier waits: what is left is for settling
    /// and answering.
    pub(crate) fn delivery_time(&self, campaign: &Campaign) -> Duration {
        let deadline = campaign.post.deadline;
        deadline
            .checked_sub(self.settings.answer_reserve)
            .unwrap_or(deadline)
    }
}
