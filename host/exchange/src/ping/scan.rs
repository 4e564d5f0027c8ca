//! Step 7: every account of the lead type, in parallel, each with exactly one outcome.
//!
//! Accounts that the market rules out cost nothing and are not in the record: their outcome
//! follows from lead, revision and time, and is derived again when somebody asks.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesUnordered};
use gavel_market::{
    criteria::Criterion,
    lead::Fields as _,
    model::{Account, AccountIx},
    reason::Outcome,
    record::{Detail, Timings},
};

use super::{
    Asked,
    consider::{Asking, Considered, Considering, Live},
    state::State,
};
use crate::{Inner, api::Refusal, breakers::Passed};

/// Asks every account that the lead may go to; the result is sorted by account.
pub(super) async fn scan(
    inner: &Arc<Inner>,
    asked: &Asked,
    timings: &mut Timings,
) -> Result<Vec<Considered>, Refusal> {
    let market = &asked.roster.revision.market;
    let to_ask = to_ask(asked);
    timings.scanned_us = asked.since_start_us();
    let asking = if asked.test {
        Asking::Test(Some(asked.bids_until))
    } else {
        Asking::Live(Live {
            inner,
            received: asked.received,
            until: asked.bids_until,
        })
    };
    let considering = Considering {
        roster: &asked.roster,
        view: &asked.view,
        order: asked.order(),
        asking,
    };
    let state = State::of(inner, asked);
    let mut considered = beyond_the_record(asked, &to_ask);
    let mut under_way = FuturesUnordered::new();
    for account in to_ask.iter().filter_map(|ix| market.account(*ix)) {
        let passed = match &state {
            // Revoked since the market took effect: it decides nothing, at a fixed price either.
            _ if !asked.roster.serves(account) => Err(Outcome::NotActive),
            Some(state) => state.admit(account)?.map(Some),
            None => Ok(None),
        };
        match passed {
            Ok(passed) => under_way.push(one(&considering, state.as_ref(), account, passed)),
            Err(outcome) => {
                considered.push(Considered::not_asked(account, outcome, Detail::default()));
            }
        }
    }
    while let Some(one) = under_way.next().await {
        considered.push(one);
    }
    considered.sort_unstable_by(|one, other| one.account.id.cmp(&other.account.id));
    Ok(considered)
}

/// The accounts that the market does not rule out.
fn to_ask(asked: &Asked) -> Vec<AccountIx> {
    let (market, at_ms) = (&asked.roster.revision.market, asked.received.unix_ms);
    match &asked.full {
        Some(lead) => market.to_ask(&asked.campaign, &**lead, asked.absent(), at_ms),
        None => market.to_ask(&asked.campaign, &*asked.lead, asked.absent(), at_ms),
    }
}

/// What becomes of the accounts of a ping that nobody has time for.
pub(super) fn without_time(asked: &Asked) -> Vec<Considered> {
    let market = &asked.roster.revision.market;
    let accounts = to_ask(asked);
    let accounts = accounts.iter().filter_map(|ix| market.account(*ix));
    let mut considered: Vec<_> = accounts
        .map(|account| Considered::not_asked(account, Outcome::NoTime, Detail::default()))
        .collect();
    considered.sort_unstable_by(|one, other| one.account.id.cmp(&other.account.id));
    considered
}

/// Accounts that a direct post is not for, and of which its record, which shows nothing
/// personal, would say another reason or none.
fn beyond_the_record(asked: &Asked, to_ask: &[AccountIx]) -> Vec<Considered> {
    let market = &asked.roster.revision.market;
    let (Some(lead), Some(of_type)) = (
        &asked.full,
        market.eligibility.get(&asked.campaign.lead_type.id),
    ) else {
        return Vec::new();
    };
    let hidden = |criterion: &Criterion| lead.is_personal(criterion.field);
    let concerned = of_type
        .members()
        .iter()
        .filter(|ix| to_ask.binary_search(ix).is_err());
    let concerned = concerned
        .filter_map(|ix| market.account(*ix))
        .filter(|account| account.criteria.iter().any(hidden));
    let not_asked = concerned.filter_map(|account| {
        let (at_ms, absent, campaign) = (asked.received.unix_ms, asked.absent(), &asked.campaign);
        let derived = market.outcome_of(campaign, account, &*asked.lead, absent, at_ms);
        let known = market.outcome_of(campaign, account, &**lead, absent, at_ms);
        let (outcome, field) = known.filter(|_| known != derived)?;
        let detail = super::of_criterion(lead.lead_type(), field);
        Some(Considered::not_asked(account, outcome, detail))
    });
    not_asked.collect()
}

/// One account from its filter to its bid. What let it pass the breaker is held until then,
/// and given back however this ends.
async fn one(
    considering: &Considering<'_>,
    state: Option<&State<'_>>,
    account: &Arc<Account>,
    passed: Option<Passed>,
) -> Considered {
    let mut one = considering.account(account, passed.as_ref()).await;
    drop(passed);
    let Some(state) = state else { return one };
    // Of those that do not bid too: another version may decide otherwise, in a replay.
    one.turn = state.turn(account);
    if let (None, Some(bid)) = (one.outcome, one.bid)
        && !state.affords(account, bid)
    {
        one.outcome = Some(Outcome::BudgetReached);
    }
    one
}
