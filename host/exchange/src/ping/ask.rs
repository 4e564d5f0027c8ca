//! A buyer is asked for a bid: its adapter says what to send, the exchange sends it, the
//! adapter reads the answers.

use std::sync::Arc;

use gavel_market::{model::Account, reason::Outcome, record::Exchanged};
use gavel_sandbox::{Amount, FaultKind, PingStep, Response};
use tokio::time::Instant;

use super::{
    Asked,
    scan::{NoBid, Offered},
};
use crate::{
    Inner,
    buyers::{Outgoing, PingFailure},
    clock,
    limits::{LEAST_TIME_TO_ASK, RECORDED_BODY_MAX_BYTES},
    words,
};

/// Asks one account's buyer, within its `ping_timeout` and the ping's deadline.
pub(super) async fn ask(
    inner: &Arc<Inner>,
    asked: &Asked,
    account: &Account,
    order: &str,
    exchanges: &mut Vec<Exchanged>,
) -> Result<Offered, NoBid> {
    let now = Instant::now();
    let until = asked.bids_until.min(now + account.ping_timeout);
    if until < now + LEAST_TIME_TO_ASK {
        return Err(NoBid::plain(Outcome::NoTime));
    }
    let asking = exchange(inner, asked, account, order, until, exchanges);
    let no_answer = || Err(NoBid::plain(Outcome::Timeout));
    clock::by(until, asking).await.unwrap_or_else(no_answer)
}

async fn exchange(
    inner: &Arc<Inner>,
    asked: &Asked,
    account: &Account,
    order: &str,
    until: Instant,
    exchanges: &mut Vec<Exchanged>,
) -> Result<Offered, NoBid> {
    let Some((plugin, call)) = asked.revision.plugin(account, &account.adapter, order) else {
        return Err(NoBid::plain(Outcome::NotActive));
    };
    let secrets = asked.revision.secrets_of(&account.id);
    let mut answers: Vec<Response> = Vec::new();
    loop {
        let step = plugin
            .ping(&call, &asked.view, &answers)
            .await
            .map_err(|fault| {
                // An error after an answer says that the buyer's answer was no use.
                if fault.kind == FaultKind::Error && !answers.is_empty() {
                    NoBid::saying(Outcome::InvalidResponse, words::of_fault(&fault))
                } else {
                    NoBid::fault(&fault)
                }
            })?;
        let request = match step.value {
            PingStep::Bid { amount, reference } => return offered(account, amount, reference),
            PingStep::NoBid(said) => return Err(NoBid::saying(Outcome::Declined, said)),
            PingStep::Send(request) => request,
        };
        if answers.len() >= usize::try_from(account.max_steps).unwrap_or(usize::MAX) {
            return Err(NoBid::plain(Outcome::TooManySteps));
        }
        let outgoing =
            Outgoing::prepare(&request, &account.hosts, &secrets).map_err(|refused| {
                NoBid::saying(words::outcome_of_refused(&refused), refused.to_string())
            })?;
        let answer = inner
            .buyers
            .ping(&outgoing, until)
            .await
            .map_err(|failure| NoBid::plain(outcome_of(failure)))?;
        exchanges.push(recorded(asked, account, &answer));
        answers.push(answer);
    }
}

/// An offer without an amount accepts the fixed price.
fn offered(
    account: &Account,
    amount: Option<Amount>,
    reference: Option<String>,
) -> Result<Offered, NoBid> {
    let amount = match amount {
        Some(Amount::Valid(amount)) => Some(amount),
        Some(Amount::Invalid) => None,
        None => account.price,
    };
    match amount {
        Some(amount) => Ok(Offered { amount, reference }),
        None => Err(NoBid::plain(Outcome::InvalidBid)),
    }
}

fn outcome_of(failure: PingFailure) -> Outcome {
    match failure {
        PingFailure::Unreachable => Outcome::Unreachable,
        PingFailure::Timeout => Outcome::Timeout,
        PingFailure::Oversized | PingFailure::Unreadable => Outcome::InvalidResponse,
        PingFailure::Overloaded => Outcome::Overloaded,
    }
}

fn recorded(asked: &Asked, account: &Account, answer: &Response) -> Exchanged {
    let kept = answer
        .body
        .get(..RECORDED_BODY_MAX_BYTES)
        .unwrap_or(&answer.body);
    Exchanged {
        account: account.id.clone(),
        at_us: asked.since_start_us(),
        status: answer.status,
        headers: answer.headers.clone(),
        body: String::from_utf8_lossy(kept).into_owned(),
        cut: kept.len() < answer.body.len(),
    }
}
