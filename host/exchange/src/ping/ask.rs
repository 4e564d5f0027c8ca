//! A buyer is asked for a bid: its adapter says what to send, the exchange sends it, the
//! adapter reads the answers.

use gavel_market::{model::Account, reason::Outcome, record::Exchanged};
use gavel_sandbox::{Amount, FaultKind, PingStep, Request, Response};
use tokio::time::Instant;

use super::consider::{Asking, Considering, Live, NoBid, Offered};
use crate::{
    buyers::{Outgoing, PingFailure},
    clock,
    limits::{LEAST_TIME_TO_ASK, RECORDED_BODY_MAX_BYTES},
    plugins::version::Version,
    secrets::UNAUTHORIZED,
    words,
};

/// Asks one account's buyer, within its `ping_timeout` and the ping's deadline.
pub(crate) async fn ask(
    with: &Considering<'_>,
    account: &Account,
    order: &str,
    exchanges: &mut Vec<Exchanged>,
) -> Result<Offered, NoBid> {
    let Asking::Live(live) = &with.asking else {
        return exchange(with, account, order, None, exchanges).await;
    };
    let now = Instant::now();
    let own = now + account.ping_timeout;
    let until = live.until.min(own);
    if until < now + LEAST_TIME_TO_ASK {
        return Err(NoBid::plain(Outcome::NoTime));
    }
    // Every part of it ends by then, and says of itself what it was that took too long.
    let offered = exchange(with, account, order, Some(until), exchanges).await;
    offered.map_err(|no_bid| NoBid {
        cut_short: until < own && Instant::now() >= until,
        ..no_bid
    })
}

async fn exchange(
    with: &Considering<'_>,
    account: &Account,
    order: &str,
    until: Option<Instant>,
    exchanges: &mut Vec<Exchanged>,
) -> Result<Offered, NoBid> {
    let Some((version, call)) = with.roster.plugin(account, &account.adapter, order) else {
        return Err(NoBid::plain(Outcome::NotActive));
    };
    let mut answers: Vec<Response> = Vec::new();
    loop {
        let call = version.ping(&call, with.view, &answers);
        let step = match until {
            Some(until) => clock::by(until, call).await,
            None => Some(call.await),
        };
        let step = step
            .ok_or_else(|| NoBid::plain(Outcome::Timeout))?
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
            version.at_fault(&account.id, Outcome::TooManySteps);
            return Err(NoBid::plain(Outcome::TooManySteps));
        }
        let answer = match &with.asking {
            Asking::Live(live) => {
                let until = until.unwrap_or(live.until);
                let answer = send(live, with, account, version, &request, until).await?;
                exchanges.push(recorded(live, account, &answer));
                answer
            }
            Asking::Recorded(known) => {
                known_answer(known, account, answers.len()).ok_or_else(NoBid::unrecorded)?
            }
            // A test's adapters are not asked at all.
            Asking::Test(_) => return Err(NoBid::unrecorded()),
        };
        answers.push(answer);
    }
}

/// Carries one request out.
async fn send(
    live: &Live<'_>,
    with: &Considering<'_>,
    account: &Account,
    version: &Version,
    request: &Request,
    until: Instant,
) -> Result<Response, NoBid> {
    let secrets = with.roster.revision.secrets_of(&account.id);
    // A token that is there only when the buyer need no longer be asked is no use.
    let secrets = secrets
        .for_request(request, until - LEAST_TIME_TO_ASK)
        .await
        .map_err(|no_token| NoBid::saying(Outcome::Unreachable, no_token.to_string()))?;
    let outgoing = Outgoing::prepare(request, &account.hosts, &secrets).map_err(|refused| {
        let outcome = words::outcome_of_refused(&refused);
        version.at_fault(&account.id, outcome);
        NoBid::saying(outcome, refused.to_string())
    })?;
    let answer = live
        .inner
        .buyers
        .ping(&outgoing, until)
        .await
        .map_err(|failure| NoBid::plain(outcome_of(failure)))?;
    if answer.status == UNAUTHORIZED {
        secrets.doubt(request);
    }
    Ok(answer)
}

/// What the record has as an account's answer of this number; none where it was not kept whole.
fn known_answer(known: &[Exchanged], account: &Account, number: usize) -> Option<Response> {
    let mut of_account = known.iter().filter(|one| one.account == account.id);
    let answer = of_account.nth(number)?;
    let whole = !answer.cut && !answer.body.contains(char::REPLACEMENT_CHARACTER);
    whole.then(|| Response {
        status: answer.status,
        headers: answer.headers.clone(),
        body: answer.body.clone().into_bytes(),
    })
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

fn recorded(live: &Live<'_>, account: &Account, answer: &Response) -> Exchanged {
    let kept = answer
        .body
        .get(..RECORDED_BODY_MAX_BYTES)
        .unwrap_or(&answer.body);
    Exchanged {
        account: account.id.clone(),
        at_us: clock::micros(live.received.at.elapsed()),
        status: answer.status,
        headers: answer.headers.clone(),
        body: String::from_utf8_lossy(kept).into_owned(),
        cut: kept.len() < answer.body.len(),
    }
}
