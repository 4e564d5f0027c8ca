//! The post, from request to answer: reads like `rules.md`, The post.
//!
//! | step | where |
//! |---|---|
//! | 1 who, 2 again, 3 what, 4 claim | here |
//! | 5 duplicates | between claim and coverage, once they are served |
//! | 6 scan for coverage | [`coverage`] |
//! | 7 deliver | [`deliver`] drives an order's deliveries; one of them is an [`attempt`] |
//! | 8 settle, 9 answer | [`deliver`], [`reply`] |
//!
//! Why no crash and no race sells a lead twice: the claim is one compare-and-set; every
//! request is preceded by a durable note that is one too (`Order::begin` counts places); and
//! whoever resumes an order turns each note without an outcome into *unconfirmed* first.

pub(crate) mod attempt;
mod coverage;
pub(crate) mod deliver;
pub(crate) mod reply;

use std::{sync::Arc, time::Duration};

use gavel_market::{
    auction::Terms,
    lead::{self, FieldError, FullLead, PingLead},
    model::{Campaign, OnUnknown},
    order::{Claim, ClaimRefused, Order, OrderState},
    reason::FieldCode,
};
use gavel_store::ChangeError;

use crate::{
    Inner,
    api::{Caller, PostReply, RawRequest, Received, Refusal},
    clock,
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
    let order = inner.store.order(id)?.ok_or(Refusal::NotFound)?;
    if order.supplier != caller.supplier || order.campaign.as_str() != campaign {
        return Err(Refusal::NotFound);
    }
    let revision = inner.revision(order.revision).await?;
    let campaign = Arc::clone(revision.campaign(campaign).ok_or(Refusal::NotFound)?);
    if campaign.unknown_fields == OnUnknown::Ignore {
        problems.retain(|problem| problem.code != FieldCode::UnknownField);
    }
    let read = read(&campaign, &order, &request, problems);
    if let Some(answer) = again(
        inner,
        &order,
        read.as_ref().ok().map(|(lead, _)| lead),
        received,
    )? {
        return Ok(answer);
    }
    let (lead, warnings) = read?;
    // Before the claim: if a version is slow to load, the order stays open.
    let roster = Roster::of_order(inner, revision, &order).await;
    let order = match claim(inner, &order, &campaign, &lead, warnings, received).await {
        Ok(order) => order,
        Err(ChangeError::Refused(refused)) => {
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
    let today = inner.revisions.current();
    let campaign = today.map(|today| ping::who(&today, caller, campaign));
    let Some(Ok(campaign)) = campaign else {
        return Refusal::NotFound;
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
                Some(lead) if hash(inner, order, lead) == posted.lead_hash => {
                    reply::reply(inner, order).map(Some)
                }
                _ => Err(Refusal::AlreadyPosted),
            }
        }
    }
}

/// Another request was quicker between the look and the claim.
fn after_a_race(
    inner: &Inner,
    id: gavel_market::ids::OrderId,
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
    campaign: &Arc<Campaign>,
    order: &Order,
    request: &RawRequest,
    mut problems: Vec<FieldError>,
) -> Result<(FullLead, Vec<FieldError>), Refusal> {
    let pinged = PingLead::from_entries(Arc::clone(&campaign.lead_type), order.lead.clone());
    let undecoded = problems.iter().any(|problem| problem.field == "lead");
    match lead::read_post(campaign, &request.lead, &pinged) {
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

/// Step 4: from here on only one outcome is possible.
async fn claim(
    inner: &Inner,
    order: &Order,
    campaign: &Campaign,
    lead: &FullLead,
    warnings: Vec<FieldError>,
    received: Received,
) -> Result<Order, ChangeError<ClaimRefused>> {
    let (clear, personal) = lead.clear_and_personal();
    let waits = campaign.post.reject_for_not_delivered;
    let claim = Claim {
        received_at_ms: received.unix_ms,
        waits_until_ms: waits.then(|| {
            received
                .unix_ms
                .saturating_add(clock::millis(inner.delivery_time(campaign)))
        }),
        lead_hash: hash(inner, order, lead),
        lead: clear,
        warnings,
    };
    inner
        .store
        .claim_order(order.id, claim, sealed(&personal).into())
        .await
}

/// The lead's keyed hash: nobody without the store's key can try values against it.
fn hash(inner: &Inner, order: &Order, lead: &FullLead) -> gavel_market::ids::Digest {
    let mut bytes = order.id.to_string().into_bytes();
    bytes.extend(lead.canonical());
    inner.store.keyed_hash("posted lead", &bytes)
}

/// The personal fields as they are sealed.
fn sealed(personal: &[(String, gavel_market::field::Value)]) -> Vec<u8> {
    serde_json::to_vec(personal).unwrap_or_default()
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
