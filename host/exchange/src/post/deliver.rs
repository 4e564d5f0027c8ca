//! Steps 6 to 9: an order that is claimed is delivered, to its end, by one task.
//!
//! The task reads the order, asks it what is next (`Order::next`), starts what it says and
//! waits for something to happen. It holds no state that the record does not: killed at any
//! point, a new one goes on from the record ([`resume`]).

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use gavel_market::{
    ids::OrderId,
    order::{BeginRefused, Next, Order, OrderState},
    reason::RejectReason,
};
use gavel_sandbox::Transaction;
use gavel_store::{ChangeError, StoreError};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{Posted, attempt, coverage, reply};
use crate::{
    Inner,
    api::{PostReply, Received, Refusal},
    clock,
    driving::Hold,
    limits::RESUMES,
};

/// Delivers a lead just claimed, and answers when there is an answer.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    order: Order,
    posted: Posted,
    received: Received,
) -> Result<PostReply, Refusal> {
    if order.state != OrderState::Posting {
        // A duplicate, or there was no room for it: it is settled already.
        return reply::reply(inner, &order);
    }
    let waits = order
        .post
        .as_ref()
        .is_some_and(|post| post.waits_until_ms.is_some());
    let until = waits.then(|| received.at + inner.delivery_time(&posted.campaign));
    let (told, answered) = oneshot::channel();
    spawn(inner, order.id, Arc::new(posted), until, Some(told));
    match answered.await {
        Ok(order) => reply::reply(inner, &order),
        // The task ended without an answer: the store fails.
        Err(_) => Err(Refusal::Broken),
    }
}

/// Goes on with an order after a crash, or after an operator settled one of its deliveries.
pub(crate) fn resume(inner: &Arc<Inner>, order: &Order, posted: Posted) {
    let left = |until_ms: u64| Duration::from_millis(until_ms.saturating_sub(clock::unix_ms()));
    let waits_until_ms = order.post.as_ref().and_then(|post| post.waits_until_ms);
    let until = waits_until_ms.map(|until_ms| Instant::now() + left(until_ms));
    spawn(inner, order.id, Arc::new(posted), until, None);
}

type Told = oneshot::Sender<Order>;

/// Runs a lead's delivery as a task of its own, and again if it panics or is asked to.
fn spawn(
    inner: &Arc<Inner>,
    id: OrderId,
    posted: Arc<Posted>,
    until: Option<Instant>,
    told: Option<Told>,
) {
    let Some(mut driving) = inner.driving.enter(id) else {
        return;
    };
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        let mut told = told;
        let mut panics = 0;
        loop {
            let life = Life {
                inner: &inner,
                id,
                posted: &posted,
                until,
                driving: &driving,
                settle_now: panics > RESUMES,
            };
            let running = life.run(&mut told);
            match std::panic::AssertUnwindSafe(running).catch_unwind().await {
                Ok(Ok(())) if driving.let_go() => return,
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, order = %id, "a delivery stands still: the store fails");
                    return;
                }
                Err(_panic) if panics > RESUMES => return,
                Err(_panic) => {
                    panics += 1;
                    tracing::error!(order = %id, "a delivery's task panicked and is resumed");
                    metrics::counter!("gavel_delivery_panics_total").increment(1);
                    // As after a crash: what was out without an outcome is unconfirmed.
                    if inner
                        .store
                        .give_up_in_flight(id, clock::unix_ms())
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
            }
        }
    });
}

/// One life of a delivery's task.
struct Life<'a> {
    inner: &'a Arc<Inner>,
    id: OrderId,
    posted: &'a Arc<Posted>,
    /// Until when somebody waits.
    until: Option<Instant>,
    driving: &'a Hold,
    /// Starts nothing new.
    settle_now: bool,
}

impl Life<'_> {
    async fn run(&self, told: &mut Option<Told>) -> Result<(), StoreError> {
        let (inner, id) = (self.inner, self.id);
        let Some(mut order) = inner.store.order(id)? else {
            return Ok(());
        };
        let transaction = Arc::new(transaction(self.posted, &order));
        if order.state == OrderState::Posting && !self.settle_now {
            let asking = is_covered(self.posted, &order, &transaction);
            let covered = match self.until {
                Some(until) => clock::by(until, asking).await,
                None => Some(asking.await),
            };
            match covered {
                Some(true) => {}
                Some(false) => return self.settle(RejectReason::NoCoverage, told).await,
                None => return self.settle(RejectReason::NotDelivered, told).await,
            }
            if self.until.is_none() {
                let accepted = inner.store.accept_order(id, clock::unix_ms()).await;
                order = as_it_stands(inner, id, accepted)?;
                tell(told, &order);
            }
        }
        if !self.settle_now {
            order = self.deliver(order, &transaction).await?;
        }
        let terms = &self.posted.terms;
        match order.state {
            OrderState::Posting => self.settle(RejectReason::NotDelivered, told).await,
            OrderState::Accepted if order.next(terms, &[], clock::unix_ms()) == Next::Done => {
                let finished = inner
                    .store
                    .finish_order(id, terms.clone(), clock::unix_ms())
                    .await;
                as_it_stands(inner, id, finished).map(|_| ())
            }
            // Settled by another host, or parked until an operator settles a delivery.
            _ => {
                tell(told, &order);
                Ok(())
            }
        }
    }

    /// Step 8, where the supplier waits.
    async fn settle(
        &self,
        reason: RejectReason,
        told: &mut Option<Told>,
    ) -> Result<(), StoreError> {
        let (inner, id, terms) = (self.inner, self.id, self.posted.terms.clone());
        let before = inner.store.order(id)?;
        let settled = inner
            .store
            .settle_order(id, reason, terms, clock::unix_ms())
            .await;
        let order = as_it_stands(inner, id, settled)?;
        if let Some(before) = before {
            // What was out when the time was over is unconfirmed now.
            inner.events.tell_changes(&before, &order);
        }
        tell(told, &order);
        Ok(())
    }

    /// Step 7: until nothing is left to try, or nobody waits any longer.
    async fn deliver(
        &self,
        mut order: Order,
        transaction: &Arc<Transaction>,
    ) -> Result<Order, StoreError> {
        let (inner, until) = (self.inner, self.until);
        let mut under_way: Vec<u16> = Vec::new();
        // Bids that ended without a record: another task or host has moved the order on. They
        // are left alone, so that this task never asks for the same again and again.
        let mut left_alone: Vec<u16> = Vec::new();
        let mut attempts: FuturesUnordered<
            BoxFuture<'static, (u16, Result<attempt::Tried, StoreError>)>,
        > = FuturesUnordered::new();
        loop {
            let now_ms = clock::unix_ms();
            let wake_at = match order.next(&self.posted.terms, &under_way, now_ms) {
                Next::Deliver(bids)
                    if bids.iter().all(|bid| !left_alone.contains(bid))
                        && (!inner.is_draining() || order.state == OrderState::Posting) =>
                {
                    for bid in bids {
                        under_way.push(bid);
                        let attempt = attempt::attempt(
                            Arc::clone(inner),
                            order.clone(),
                            bid,
                            Arc::clone(self.posted),
                            Arc::clone(transaction),
                            until,
                        );
                        attempts.push(async move { (bid, attempt.await) }.boxed());
                    }
                    continue;
                }
                Next::RetryAt(_) if inner.is_draining() && order.state == OrderState::Accepted => {
                    if attempts.is_empty() {
                        return Ok(order);
                    }
                    None
                }
                Next::RetryAt(at_ms) => {
                    Some(Instant::now() + Duration::from_millis(at_ms.saturating_sub(now_ms)))
                }
                // A stopping host begins nothing for which nobody waits; the next start goes on.
                // What is in flight without a try of this task's is another host's.
                Next::Deliver(_) | Next::Wait | Next::Parked | Next::Done
                    if attempts.is_empty() =>
                {
                    return Ok(order);
                }
                Next::Deliver(_) | Next::Wait | Next::Parked | Next::Done => None,
            };
            tokio::select! {
                Some((bid, ended)) = attempts.next(), if !attempts.is_empty() => {
                    if ended? == attempt::Tried::Unrecorded {
                        left_alone.push(bid);
                    }
                    under_way.retain(|under_way| *under_way != bid);
                }
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    // What is out is unconfirmed: `settle_order` says so in the same transaction.
                    return Ok(order);
                }
                // An operator has settled a delivery, or erased the lead: what could not be
                // begun before perhaps can now.
                () = self.driving.woken() => left_alone.clear(),
                () = inner.drained(), if wake_at.is_some() && !inner.is_draining() => {}
            }
            order = inner.store.order(order.id)?.unwrap_or(order);
        }
    }
}

/// An order that another host has moved on meanwhile is as that one left it.
fn as_it_stands(
    inner: &Inner,
    id: OrderId,
    changed: Result<Order, ChangeError<BeginRefused>>,
) -> Result<Order, StoreError> {
    match changed {
        Ok(order) => Ok(order),
        Err(ChangeError::Store(error)) => Err(error),
        Err(ChangeError::NotFound | ChangeError::Refused(_)) => {
            inner.store.order(id)?.ok_or(StoreError::Closed)
        }
    }
}

fn tell(told: &mut Option<Told>, order: &Order) {
    if let Some(told) = told.take() {
        // A supplier that went away is no reason to stop.
        let _gone = told.send(order.clone());
    }
}

/// Coverage is asked once, before anything is sent: a resumed order that has deliveries was covered.
async fn is_covered(posted: &Posted, order: &Order, transaction: &Arc<Transaction>) -> bool {
    !posted.campaign.post.scan_for_coverage
        || !order.deliveries().is_empty()
        || coverage::is_covered(posted, order, transaction).await
}

/// What plugins are told of the transaction at the post.
fn transaction(posted: &Posted, order: &Order) -> Transaction {
    Transaction {
        campaign: order.campaign.clone(),
        received_at_ms: order
            .post
            .as_ref()
            .map_or(order.received_at_ms, |post| post.received_at_ms),
        currency: posted.roster.revision.market.currency.clone(),
        sub_id: order.sub_id.clone(),
        is_test: order.test,
    }
}
