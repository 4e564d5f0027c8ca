//! Step 11: record and answer.
//!
//! A quote is on disk before it is told. One that is not durable by the deadline is never
//! told: the committer expires it, and the record says `no_time`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gavel_market::{
    auction::Quote,
    ids::{AccountId, Digest, PluginName},
    order::{Order, OrderState},
    reason::{NoBidReason, Outcome},
    record::{AccountOutcome, PingAnswer, PingInput, PingRecord},
    room::Owner,
};
use gavel_store::{OpenOrderError, Rooms};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    Asked, Decided,
    again::{First, told_before},
    decide, no_time,
};
use crate::{
    Inner,
    api::{Caller, PingReply, Refusal},
    clock,
};

/// Keeps what was decided and says it. Accounts that lost their room meanwhile are selected
/// from no more; the campaign, if it did, is `CampaignCapReached`.
pub(super) async fn record(
    inner: &Arc<Inner>,
    caller: &Caller,
    asked: Asked,
    mut decided: Decided,
    first: Option<First>,
) -> Result<PingReply, Refusal> {
    loop {
        let quote = match &decided.decision.verdict {
            Ok(quote) => quote.clone(),
            Err(reason) => {
                let reason = *reason;
                return no_bid(inner, caller, asked, decided, reason, first).await;
            }
        };
        let (answer, opened) = bid(inner, caller, &asked, &decided, quote, first.as_ref()).await;
        match opened {
            Ok(()) => {
                count(&asked, "bid");
                return Ok(asked.reply(answer));
            }
            Err(OpenOrderError::NoRoom(owners)) => {
                decided.without(&asked, &lost_accounts(&asked, &decided, &owners)?);
            }
            Err(OpenOrderError::Late) => {
                count(&asked, NoBidReason::NoTime.word());
                let ping = ping_record(caller, &asked, decided, answer).out_of_time();
                // The supplier is told at once; the key, if there is one, is held until that is kept.
                keep_in_background(inner, &asked, ping, first);
                return Ok(no_time(&asked));
            }
            Err(OpenOrderError::Exists(before)) => {
                return told_before(&asked, *before);
            }
            Err(OpenOrderError::Taken) => return Err(Refusal::Broken),
            Err(OpenOrderError::Store(error)) => return Err(error.into()),
        }
    }
}

/// Answers a ping whose own time ended while the first one with its key was being answered:
/// nobody is asked, and its record says so.
pub(super) fn too_late(inner: &Arc<Inner>, caller: &Caller, asked: &Asked) -> PingReply {
    let reason = NoBidReason::NoTime;
    count(asked, reason.word());
    let answer = PingAnswer::NoBid { reason };
    let ping = ping_record(caller, asked, Decided::without_time(asked), answer);
    keep_in_background(inner, asked, ping, None);
    no_time(asked)
}

/// The order with its holds, the ping's record and the answer to be given again, all or none.
async fn bid(
    inner: &Arc<Inner>,
    caller: &Caller,
    asked: &Asked,
    decided: &Decided,
    quote: Quote,
    first: Option<&First>,
) -> (PingAnswer, Result<(), OpenOrderError>) {
    let expires_at_ms = clock::unix_ms().saturating_add(clock::millis(asked.campaign.window));
    let answer = PingAnswer::Bid {
        ping_order_id: asked.order(),
        bid: quote.cost,
        deliveries: u32::try_from(quote.selected.len()).unwrap_or(u32::MAX),
        expires_at_ms,
    };
    let order = order(caller, asked, decided, quote, expires_at_ms);
    let rooms = rooms(asked, &order);
    let ping = ping_record(caller, asked, decided.clone(), answer.clone());
    let again = first.map(|first| first.answered(asked, &answer));
    let until = asked.record_until().into_std();
    let opened = inner
        .store
        .open_order(order, rooms, ping, again, until)
        .await;
    (answer, opened)
}

/// The room that an order may take: that of every owner whose takings it has.
pub(crate) fn rooms(asked: &Asked, order: &Order) -> Rooms {
    let owners = order.takings().into_iter().map(|taking| taking.owner);
    owners
        .filter_map(|owner| {
            let room = asked.roster.revision.room_of(&owner)?;
            Some((owner, room))
        })
        .collect()
}

/// The accounts among those that had no room. There are such, or selecting again would come
/// to the same.
pub(crate) fn lost_accounts(
    asked: &Asked,
    decided: &Decided,
    owners: &[Owner],
) -> Result<Vec<AccountId>, Refusal> {
    let mut lost = Vec::new();
    for owner in owners {
        match owner {
            Owner::Campaign(_) => return Err(Refusal::CampaignCapReached),
            Owner::Account(id) => lost.push(id.clone()),
        }
    }
    let ranked = |lost: &AccountId| decided.ranked.iter().any(|bid| bid.account == *lost);
    if !lost.iter().any(ranked) {
        tracing::error!(order = %asked.order(), "an order was refused for want of room that it does not take");
        return Err(Refusal::Broken);
    }
    metrics::counter!("gavel_room_lost_total", "campaign" => asked.campaign.id.to_string())
        .increment(1);
    Ok(lost)
}

/// Without a bid there is no order; the record of the ping still is. It need not be durable
/// before the answer, unless the answer must be given again.
async fn no_bid(
    inner: &Arc<Inner>,
    caller: &Caller,
    asked: Asked,
    decided: Decided,
    reason: NoBidReason,
    first: Option<First>,
) -> Result<PingReply, Refusal> {
    let reason = if Instant::now() >= asked.deadline {
        NoBidReason::NoTime
    } else {
        reason
    };
    count(&asked, reason.word());
    let answer = PingAnswer::NoBid { reason };
    let ping = ping_record(caller, &asked, decided, answer.clone());
    if first.is_some() {
        let keeping = keep_in_background(inner, &asked, ping, first);
        // Past the deadline the answer leaves and the record follows.
        let _late = timeout_at(asked.record_until(), keeping).await;
    } else {
        // It waits for a place in the queue alone; where even that takes too long, the answer
        // leaves without a record.
        match timeout_at(asked.record_until(), inner.store.record_ping(ping)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a ping's record could not be kept"),
            Err(_late) => metrics::counter!("gavel_records_dropped_total").increment(1),
        }
    }
    Ok(asked.reply(answer))
}

/// How long a record that no answer waits for may take to become durable.
const KEEP_WITHIN: Duration = Duration::from_secs(10);

fn keep_in_background(
    inner: &Arc<Inner>,
    asked: &Asked,
    ping: PingRecord,
    first: Option<First>,
) -> JoinHandle<()> {
    let again = first
        .as_ref()
        .map(|first| first.answered(asked, &ping.answer));
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        let kept = match again {
            Some(again) => {
                inner
                    .store
                    .record_ping_again(ping, again, (Instant::now() + KEEP_WITHIN).into_std())
                    .await
            }
            None => inner
                .store
                .record_ping(ping)
                .await
                .map_err(OpenOrderError::from),
        };
        if let Err(error @ (OpenOrderError::Store(_) | OpenOrderError::Late)) = kept {
            tracing::error!(%error, "a ping's record could not be kept");
        }
        // Who repeats the key waits until here.
        drop(first);
    })
}

/// The order that a quote makes.
pub(crate) fn order(
    caller: &Caller,
    asked: &Asked,
    decided: &Decided,
    quote: Quote,
    expires_at_ms: u64,
) -> Order {
    Order {
        id: asked.order(),
        campaign: asked.campaign.id.clone(),
        supplier: caller.supplier.clone(),
        revision: asked.roster.revision.number,
        digests: digests(asked, decided, |one| one.bid.is_some()),
        received_at_ms: asked.received.unix_ms,
        expires_at_ms,
        room_at_ms: clock::unix_ms(),
        hold: asked.campaign.hold,
        test: asked.test,
        lead: asked.lead.entries(),
        sub_id: asked.controls.sub_id.clone(),
        min_bid: asked.controls.min_bid,
        bids: decided.ranked.clone(),
        quote,
        cost: asked.campaign.cost,
        max_deliveries: decide::terms(asked).max_deliveries,
        state: OrderState::Open,
        post: None,
    }
}

/// The record of a ping, or of a direct post's ping part.
pub(crate) fn ping_record(
    caller: &Caller,
    asked: &Asked,
    decided: Decided,
    answer: PingAnswer,
) -> PingRecord {
    let digests = digests(asked, &decided, |_| true);
    let mut exchanges = Vec::new();
    let outcomes = decided.considered.into_iter().map(|one| {
        exchanges.extend(one.exchanges);
        // Whatever was not decided otherwise bid in vain.
        let outcome = one.outcome.unwrap_or(Outcome::BelowRequirements);
        AccountOutcome {
            account: one.account.id.clone(),
            outcome,
            detail: one.detail,
            bid: one.bid,
            turn: one.turn,
        }
    });
    let outcomes = outcomes.collect();
    exchanges.sort_by_key(|exchanged| exchanged.at_us);
    PingRecord {
        id: asked.id,
        campaign: asked.campaign.id.clone(),
        supplier: caller.supplier.clone(),
        revision: asked.roster.revision.number,
        digests,
        input: PingInput {
            received_at_ms: asked.received.unix_ms,
            lead: asked.lead.entries(),
            sub_id: asked.controls.sub_id.clone(),
            tmax_ms: asked.controls.tmax.map(clock::millis),
            min_bid: asked.controls.min_bid,
            test: asked.test,
        },
        outcomes,
        exchanges,
        timings: decided.timings,
        answer,
    }
}

/// The versions that decided, of the accounts that matter.
fn digests(
    asked: &Asked,
    decided: &Decided,
    matters: impl Fn(&super::consider::Considered) -> bool,
) -> BTreeMap<PluginName, Digest> {
    let accounts = decided.considered.iter().filter(|one| matters(one));
    accounts
        .flat_map(|one| asked.roster.digests_of(&one.account))
        .collect()
}

fn count(asked: &Asked, result: &'static str) {
    if asked.test {
        return;
    }
    metrics::counter!("gavel_pings_total", "campaign" => asked.campaign.id.to_string(), "result" => result).increment(1);
}
