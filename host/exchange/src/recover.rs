//! What goes on after a crash, and what is swept in the background.
//!
//! Why resuming is safe at every point of a post:
//!
//! | the crash came | the record says | so |
//! |---|---|---|
//! | before the claim was durable | open; of a direct post, nothing | the supplier may post again |
//! | after it, before any note | posting, no deliveries | nothing was sent: delivered as if just claimed |
//! | after a note, before its outcome | in flight | the buyer may have the lead: unconfirmed |
//! | after an outcome | rejected, sold, passed over | stands; the rest goes on |
//! | after settling, before the answer | settled | the same post gets that answer |
//!
//! An order that is found `posting` is no duplicate and has its room in the campaign's caps: the
//! claim asked for both and took them in its own transaction, or settled the order then and
//! there. So step 5 is not done again, and nobody can have come between. A direct post's order
//! is written as `posting` in one transaction with its claim, its holds, and under what the same
//! lead is known again: until that is durable there is nothing, and from then on a repeat finds it.
//! What a single account needs – room, and not to have the lead already – is asked with each note.

use std::sync::{Arc, Weak};

use futures_util::{StreamExt as _, stream};
use gavel_market::{
    auction::Terms,
    ids::OrderId,
    lead::FullLead,
    model::{ProfitBase, RankBy, Requirements, Selection},
    order::{Delivery, DeliveryState, Next, Order, OrderState},
    reason::RejectReason,
};
use gavel_store::{ChangeError, StoreError};

use crate::{
    Inner, clock,
    limits::{SWEEP_AT_MOST, SWEEP_EVERY},
    plugins::{self, roster::Roster},
    post::{Posted, deliver},
};

/// Goes on with every order that was being delivered.
pub(crate) async fn recover(inner: &Arc<Inner>) -> Result<(), StoreError> {
    let mut after = None;
    let mut resumed = 0_usize;
    loop {
        let orders = inner.store.orders_being_delivered(after, READ_AT_ONCE)?;
        // Several at a time share the groups in which they become durable.
        let going_on = orders
            .iter()
            .map(async |id| skip_unless_failed(inner, *id, resume(inner, *id).await));
        let mut going_on = stream::iter(going_on).buffer_unordered(RESUMED_AT_ONCE);
        while let Some(done) = going_on.next().await {
            done?;
        }
        resumed += orders.len();
        after = orders.last().copied();
        if after.is_none() {
            break;
        }
    }
    if resumed > 0 {
        tracing::info!(orders = resumed, "deliveries of an earlier run go on");
    }
    Ok(())
}

/// One order that cannot be read is no reason for all others to stand still.
fn skip_unless_failed(
    inner: &Inner,
    id: OrderId,
    done: Result<(), StoreError>,
) -> Result<(), StoreError> {
    if let Err(error) = done {
        inner.store.health()?;
        tracing::error!(order = %id, %error, "an order cannot be gone on with, and is left as it is");
    }
    Ok(())
}

/// How many orders' ids are read at one time at a start.
const READ_AT_ONCE: usize = 500;

/// How many orders are gone on with at one time at a start: as many as a group of the committer
/// takes without being long under way.
const RESUMED_AT_ONCE: usize = 64;

/// Goes on with an order of an earlier run. One with nothing in flight, such as a lead that waits
/// for an operator, is not written at all.
async fn resume(inner: &Arc<Inner>, id: OrderId) -> Result<(), StoreError> {
    let Some(order) = inner.store.order(id)? else {
        return Ok(());
    };
    let in_flight = |delivery: &Delivery| delivery.state == DeliveryState::InFlight;
    if !order.deliveries().iter().any(in_flight) {
        return go_on(inner, &order).await;
    }
    match inner.store.give_up_in_flight(id, clock::unix_ms()).await {
        Ok(order) => go_on(inner, &order).await,
        Err(error) => unless_refused(error),
    }
}

/// An order that has moved on meanwhile is no trouble; a store that fails is.
fn unless_refused<E>(error: ChangeError<E>) -> Result<(), StoreError> {
    match error {
        ChangeError::Store(error) => Err(error),
        ChangeError::NotFound | ChangeError::Refused(_) => Ok(()),
    }
}

/// Goes on with one order's deliveries: after a crash, or after an operator settled one, had one
/// tried again or erased the lead. A task that drives it already is woken.
pub(crate) async fn go_on(inner: &Arc<Inner>, order: &Order) -> Result<(), StoreError> {
    if !order.is_being_delivered() || inner.driving.wake(order.id) {
        return Ok(());
    }
    if !order.is_erased()
        && let Some(posted) = posted(inner, order).await?
    {
        deliver::resume(inner, order, posted);
        return Ok(());
    }
    let erased = order.is_erased() || inner.store.unseal_lead(order.id.lead())?.is_none();
    let ended;
    let order = if erased && !order.is_erased() {
        // Its key was destroyed, and a crash came before its order said so.
        match inner
            .store
            .erase_lead(order.id.lead(), clock::unix_ms())
            .await
        {
            Ok(erased) => ended = erased,
            Err(error) => return unless_refused(error),
        }
        ended.as_ref().unwrap_or(order)
    } else {
        order
    };
    let waited_for = order
        .post
        .as_ref()
        .is_some_and(|post| post.waits_until_ms.is_some());
    if erased {
        // Nothing more is tried of an erased lead, whatever its terms: it waits for what is out,
        // or for an operator who has to say what became of a delivery.
        let next = order.next(&terms_without_revision(order), &[], clock::unix_ms());
        if matches!(next, Next::Parked | Next::Wait) {
            return Ok(());
        }
    }
    let terms = terms_of(inner, order).await;
    if erased || (order.state == OrderState::Posting && waited_for) {
        return give_up(inner, order, terms).await;
    }
    // It was accepted, so it is kept: the next start tries again.
    tracing::error!(order = %order.id, "an accepted lead waits: the revision that quoted it cannot be served now");
    Ok(())
}

/// What the delivery needs, from the store: the revision that quoted and the sealed lead.
async fn posted(inner: &Arc<Inner>, order: &Order) -> Result<Option<Posted>, StoreError> {
    let Ok(revision) = inner.revision(order.revision).await else {
        return Ok(None);
    };
    let Some(campaign) = revision.campaign(order.campaign.as_str()).cloned() else {
        return Ok(None);
    };
    let (Some(post), Some(personal)) = (&order.post, inner.store.unseal_lead(order.id.lead())?)
    else {
        return Ok(None);
    };
    let Ok(personal) =
        serde_json::from_slice::<Vec<(String, gavel_market::field::Value)>>(&personal)
    else {
        return Ok(None);
    };
    let lead = FullLead::from_parts(Arc::clone(&campaign.lead_type), post.lead.clone(), personal);
    let terms = Terms::of(&campaign, order.min_bid);
    Ok(Some(Posted {
        roster: Roster::of_order(inner, revision, order).await,
        campaign,
        terms,
        lead: Arc::new(lead),
    }))
}

/// A lead that can no longer be delivered, since it was erased or its revision cannot be
/// served: it ends as it stands.
async fn give_up(inner: &Arc<Inner>, order: &Order, terms: Terms) -> Result<(), StoreError> {
    tracing::warn!(order = %order.id, "a lead can no longer be delivered: it was erased, or its revision cannot be served");
    let now_ms = clock::unix_ms();
    let ended = if order.state == OrderState::Posting {
        inner
            .store
            .settle_order(order.id, RejectReason::NotDelivered, terms, now_ms)
            .await
    } else {
        inner.store.finish_order(order.id, terms, now_ms).await
    };
    ended.map(|_| ()).or_else(unless_refused)
}

/// An order's terms: those of its campaign where its revision is to be had, which says of an erased
/// lead, too, whether what was sold of it is a partial loss.
pub(crate) async fn terms_of(inner: &Arc<Inner>, order: &Order) -> Terms {
    let revision = inner.revision(order.revision).await.ok();
    let campaign = revision
        .as_ref()
        .and_then(|revision| revision.campaign(order.campaign.as_str()));
    campaign.map_or_else(
        || terms_without_revision(order),
        |campaign| Terms::of(campaign, order.min_bid),
    )
}

/// What an order's own record says of its terms, where its revision is not to be had: enough to
/// end it, with no requirement that somebody could still fail.
fn terms_without_revision(order: &Order) -> Terms {
    Terms {
        selection: Selection {
            by: RankBy::Price,
            then: RankBy::Priority,
        },
        max_deliveries: order.max_deliveries,
        cost: order.cost,
        requirements: Requirements {
            min_deliveries: 1,
            min_revenue: None,
            min_profit: None,
            min_profit_percent: None,
            profit_percent_of: ProfitBase::Revenue,
            allow_loss: true,
        },
        min_bid: order.min_bid,
    }
}

/// Expires and erases what is due, until the exchange is gone.
pub(crate) fn sweep_in_background(inner: &Arc<Inner>) {
    let inner: Weak<Inner> = Arc::downgrade(inner);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(inner) = inner.upgrade() else { return };
            if let Err(error) = sweep(&inner).await {
                tracing::error!(%error, "what is due cannot be swept");
                if inner.store.health().is_err() {
                    return;
                }
            }
        }
    });
}

async fn sweep(inner: &Inner) -> Result<(), StoreError> {
    plugins::operate::note_stateful(inner).await?;
    inner.revisions.let_go();
    let now_ms = clock::unix_ms();
    let began = tokio::time::Instant::now();
    // Until nothing is left: a busy market has more in a second than one round takes.
    loop {
        let expired = inner.store.expire_due(now_ms, SWEEP_AT_MOST).await?;
        let Some(revision) = inner.revisions.current() else {
            return Ok(());
        };
        let (pings, posted) = (revision.market.ping_retention, revision.market.retention);
        let erased = inner
            .store
            .erase_due(now_ms, pings, posted, SWEEP_AT_MOST)
            .await?;
        metrics::counter!("gavel_orders_expired_total")
            .increment(u64::try_from(expired).unwrap_or_default());
        if expired + erased == 0 {
            metrics::gauge!("gavel_sweep_seconds").set(began.elapsed().as_secs_f64());
            return Ok(());
        }
        tracing::debug!(expired, erased, "swept");
    }
}
