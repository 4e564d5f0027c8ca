//! The direct post: a ping and a post in one request, which brings the whole lead.
//!
//! | step | where |
//! |---|---|
//! | the ping's 1 to 3, with the post's fields | here |
//! | again | here; the store decides it, in the transaction that takes the lead |
//! | the ping's 6 to 10 | `ping::decide`, criteria on the whole lead |
//! | the ping's 11, the post's 4 and 5 | here: one transaction |
//! | from the post's 6 on | as any post |
//!
//! The same lead again gets the same answer for one `window`: under a keyed hash of campaign
//! and lead the store remembers which order it made, or why it made none. While its buyers are
//! being asked, the same lead is `post_in_progress`.

use std::sync::Arc;

use gavel_market::{
    auction::{Quote, Terms},
    ids::{Digest, LeadId, PingId},
    lead::{self, FullLead, PingLead},
    model::{Campaign, Channel, OnUnknown},
    money::Money,
    order::{Order, PostAnswer},
    reason::NoBidReason,
    record::PingAnswer,
};
use gavel_store::{Again, OpenOrderError, Remembered};
use tokio::time::Instant;

use super::{Posted, claim, deliver, read, reply};
use crate::{
    Inner,
    api::{Caller, LeadReply, PostReply, RawRequest, Received, Refusal},
    clock,
    controls::{PingControls, says_test},
    fingerprints,
    ping::{self, Asked, Decided, again, record},
};

/// A direct post that was understood.
struct Direct {
    /// Its ping part.
    asked: Asked,
    lead: Arc<FullLead>,
    /// Under what its answer is remembered.
    key: Digest,
}

/// Answers a direct post.
pub(crate) async fn post(
    inner: &Arc<Inner>,
    caller: &Caller,
    campaign: &str,
    request: RawRequest,
    received: Received,
) -> Result<PostReply, Refusal> {
    let _in_flight = inner.admit_post()?;
    let direct = {
        // Buyers are asked as at a ping, so it has a ping's place for as long.
        let _place = inner.admit_ping()?;
        let direct = understood(inner, caller, campaign, &request, received)?;
        // Until it is kept what becomes of this one: buyers asked twice for one lead may decline it
        // the second time, and whichever answer came first would be both requests'.
        let _alone = again::hold(inner, direct.key).ok_or(Refusal::PostInProgress)?;
        if let Some(before) = inner.store.again(&direct.key)?
            && before.expires_at_ms > received.unix_ms
        {
            return told_before(inner, &before);
        }
        let decided = ping::decide(inner, &direct.asked).await?;
        take(inner, caller, direct, decided).await?
    };
    match direct {
        Taken::Not(reply) => Ok(reply),
        Taken::Order(order, posted) => deliver::answer(inner, *order, posted, received).await,
    }
}

/// Who, how fast, what: steps 1 to 3.
fn understood(
    inner: &Arc<Inner>,
    caller: &Caller,
    campaign: &str,
    request: &RawRequest,
    received: Received,
) -> Result<Direct, Refusal> {
    let revision = inner.revisions.current().ok_or(Refusal::NotFound)?;
    let campaign = ping::who(&revision, caller, campaign, Channel::DirectPost)?;
    let test = caller.is_test || says_test(request);
    inner.rates.admit(&revision.market, &campaign, test)?;
    let (lead, controls) = what(&campaign, request)?;
    let lead = Arc::new(lead);
    let deadline = received.at + campaign.post.deadline;
    let mut asked = Asked::of_direct(
        inner,
        caller,
        revision,
        campaign,
        Arc::clone(&lead),
        controls,
        received,
    );
    asked.deadline = asked.deadline.min(deadline);
    asked.roster = asked.roster.of_a_posted_lead();
    let key = fingerprints::of_direct_post(&inner.store, &asked.campaign.id, &lead, asked.test);
    Ok(Direct { asked, lead, key })
}

/// Every field and control is checked, and all errors are reported together. There is nothing
/// that was pinged, so nothing that could have changed.
fn what(
    campaign: &Arc<Campaign>,
    request: &RawRequest,
) -> Result<(FullLead, PingControls), Refusal> {
    let mut problems = request.problems.clone();
    let ignore = campaign.unknown_fields == OnUnknown::Ignore;
    let controls = PingControls::read(request, ignore, &mut problems);
    problems.extend(controls.sub_id.as_deref().and_then(lead::sub_id_fault));
    let nothing = PingLead::new(Arc::clone(&campaign.lead_type), []);
    let (lead, _) = read(campaign, &nothing, request, problems)?;
    Ok((lead, controls))
}

/// What became of a direct post before anything is delivered.
enum Taken {
    /// It is answered already.
    Not(PostReply),
    /// It made an order, which is to be delivered.
    Order(Box<Order>, Posted),
}

/// The ping's step 11 and the post's steps 4 and 5: the order, its holds, its lead, under what it
/// is known again and what it is not to be a duplicate of, in one transaction. Accounts that lost
/// their room meanwhile are left out, and the rest is selected from again.
async fn take(
    inner: &Arc<Inner>,
    caller: &Caller,
    direct: Direct,
    mut decided: Decided,
) -> Result<Taken, Refusal> {
    let asked = &direct.asked;
    loop {
        let quote = match decided.decision.verdict.clone() {
            Ok(quote) => quote,
            Err(reason) => return no_bid(inner, caller, &direct, decided, reason).await,
        };
        let tried = open(inner, caller, &direct, &decided, quote).await;
        match tried {
            Ok(order) => {
                let posted = Posted {
                    terms: Terms::of(&asked.campaign, asked.controls.min_bid),
                    campaign: Arc::clone(&asked.campaign),
                    roster: direct.asked.roster,
                    lead: direct.lead,
                };
                return Ok(Taken::Order(Box::new(order), posted));
            }
            Err(OpenOrderError::NoRoom(owners)) => {
                let lost = record::lost_accounts(asked, &decided, &owners)?;
                decided.without(asked, &lost);
            }
            Err(OpenOrderError::Late) => {
                return no_bid(inner, caller, &direct, decided, NoBidReason::NoTime).await;
            }
            Err(OpenOrderError::Exists(before)) => {
                return told_before(inner, &before).map(Taken::Not);
            }
            Err(OpenOrderError::Taken) => return Err(Refusal::Broken),
            Err(OpenOrderError::Store(error)) => return Err(error.into()),
        }
    }
}

async fn open(
    inner: &Arc<Inner>,
    caller: &Caller,
    direct: &Direct,
    decided: &Decided,
    quote: Quote,
) -> Result<Order, OpenOrderError> {
    let asked = &direct.asked;
    let expires_at_ms = clock::unix_ms().saturating_add(clock::millis(asked.campaign.window));
    let answer = PingAnswer::Bid {
        ping_order_id: asked.order(),
        bid: quote.cost,
        deliveries: u32::try_from(quote.selected.len()).unwrap_or(u32::MAX),
        expires_at_ms,
    };
    let order = record::order(caller, asked, decided, quote, expires_at_ms);
    let lead = claim::Lead {
        revision: &asked.roster.revision,
        campaign: &asked.campaign,
        whole: &direct.lead,
        warnings: Vec::new(),
        received: asked.received,
    };
    let claim::Claiming {
        claim,
        personal,
        checks,
    } = lead.claiming(inner, &order);
    let rooms = record::rooms(asked, &order);
    let ping = record::ping_record(caller, asked, decided.clone(), answer);
    let again = Some(direct.again(Remembered::Posted(order.id), expires_at_ms));
    let until = asked.record_until().into_std();
    inner
        .store
        .open_posting(order, claim, personal, checks, rooms, ping, again, until)
        .await
}

/// Nobody is to get the lead. The ping part's record is kept, and so is the answer.
async fn no_bid(
    inner: &Arc<Inner>,
    caller: &Caller,
    direct: &Direct,
    decided: Decided,
    reason: NoBidReason,
) -> Result<Taken, Refusal> {
    let asked = &direct.asked;
    let reason = if Instant::now() >= asked.deadline {
        NoBidReason::NoTime
    } else {
        reason
    };
    let answer = PingAnswer::NoBid { reason };
    let mut ping = record::ping_record(caller, asked, decided, answer.clone());
    if reason == NoBidReason::NoTime {
        ping = ping.out_of_time();
    }
    let expires_at_ms = clock::unix_ms().saturating_add(clock::millis(asked.campaign.window));
    let again = direct.again(answer.into(), expires_at_ms);
    // The supplier waits for a post's answer longer than for a ping's.
    let until = asked.received.at + inner.delivery_time(&asked.campaign);
    match inner
        .store
        .record_ping_again(ping, again, until.into_std())
        .await
    {
        Ok(()) => Ok(Taken::Not(rejected(inner, asked, reason))),
        Err(OpenOrderError::Exists(before)) => told_before(inner, &before).map(Taken::Not),
        Err(OpenOrderError::Late) => Ok(Taken::Not(rejected(inner, asked, NoBidReason::NoTime))),
        Err(OpenOrderError::Taken | OpenOrderError::NoRoom(_)) => Err(Refusal::Broken),
        Err(OpenOrderError::Store(error)) => Err(error.into()),
    }
}

impl Direct {
    fn again(&self, answer: Remembered, expires_at_ms: u64) -> Again {
        Again {
            key: self.key,
            request_hash: self.key,
            ping: self.asked.id,
            answer,
            expires_at_ms,
        }
    }
}

/// What the same lead was answered, or that it is still being delivered.
fn told_before(inner: &Inner, before: &Again) -> Result<PostReply, Refusal> {
    match before.answer {
        Remembered::Ping(PingAnswer::NoBid { reason }) => {
            let ping = inner.store.ping(before.ping)?;
            let revision = ping.as_ref().map(|ping| ping.revision);
            Ok(PostReply {
                lead_id: before.ping.order().lead(),
                answer: PostAnswer::Rejected {
                    reason: reason.into(),
                },
                currency: inner.currency_of(revision.unwrap_or_default()),
                redirect_url: None,
                warnings: Vec::new(),
                test: ping.is_some_and(|ping| ping.input.test),
                again: true,
            })
        }
        Remembered::Posted(id)
        | Remembered::Ping(PingAnswer::Bid {
            ping_order_id: id, ..
        }) => {
            let order = inner.store.order(id)?;
            // Erased after its retention, which may be shorter than the window.
            reply::again(inner, &order.ok_or(Refusal::AlreadyPosted)?)
        }
    }
}

fn rejected(inner: &Inner, asked: &Asked, reason: NoBidReason) -> PostReply {
    PostReply {
        lead_id: asked.order().lead(),
        answer: PostAnswer::Rejected {
            reason: reason.into(),
        },
        currency: inner.currency_of(asked.roster.revision.number),
        redirect_url: None,
        warnings: Vec::new(),
        test: asked.test,
        again: false,
    }
}

/// What became of a direct post that made no order: its ping part's record says so, for as long
/// as that is kept.
pub(crate) fn status(
    inner: &Inner,
    caller: &Caller,
    id: LeadId,
    test: bool,
) -> Result<LeadReply, Refusal> {
    let record = inner.store.ping(PingId(id.0))?.ok_or(Refusal::NotFound)?;
    let revision = inner
        .revisions
        .ready(record.revision)
        .or_else(|| inner.revisions.current());
    // The record of a ping is no lead's.
    let direct = revision
        .as_ref()
        .and_then(|revision| revision.campaign(record.campaign.as_str()))
        .is_some_and(|campaign| campaign.channel == Channel::DirectPost);
    let theirs = record.supplier == caller.supplier && record.input.test == test;
    match record.answer {
        PingAnswer::NoBid { reason } if direct && theirs => Ok(LeadReply {
            lead_id: id,
            campaign: record.campaign,
            answer: Some(PostAnswer::Rejected {
                reason: reason.into(),
            }),
            deliveries: 0,
            cost: Money::ZERO,
            owed: Money::ZERO,
            finished: true,
            currency: inner.currency_of(record.revision),
            received_at_ms: record.input.received_at_ms,
        }),
        _ => Err(Refusal::NotFound),
    }
}
