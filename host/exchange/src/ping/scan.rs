//! Step 7: every account of the lead type, in parallel, each with exactly one outcome.
//!
//! Accounts that the index rules out cost nothing and are not in the record: their outcome
//! follows from lead, revision and time, and is derived again when somebody asks.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesUnordered};
use gavel_market::{criteria::Absent, model::AccountIx, record::Timings};

use super::{
    Asked,
    consider::{Asking, Considered, Considering, Live},
};
use crate::Inner;

/// Asks every account whose criteria the lead meets; the result is sorted by account.
pub(super) async fn scan(
    inner: &Arc<Inner>,
    asked: &Asked,
    timings: &mut Timings,
) -> Vec<Considered> {
    let market = &asked.roster.revision.market;
    let absent = if asked.campaign.ping.qualify_all_criteria {
        Absent::Fails
    } else {
        Absent::Unknown
    };
    let matching: Vec<AccountIx> = match market.eligibility.get(&asked.campaign.lead_type.id) {
        Some(eligibility) => eligibility.matching(&market.accounts, &*asked.lead, absent),
        None => Vec::new(),
    };
    timings.scanned_us = asked.since_start_us();
    let considering = Considering {
        roster: &asked.roster,
        view: &asked.view,
        order: asked.order(),
        asking: Asking::Live(Live {
            inner,
            received: asked.received,
            until: asked.bids_until,
        }),
    };
    // Caps, budgets, the circuit breaker and duplicates (step 7.2) come between criteria and
    // filters once they are served.
    let accounts = matching.iter().filter_map(|ix| market.account(*ix));
    let asking: FuturesUnordered<_> = accounts
        .map(|account| considering.account(account))
        .collect();
    let mut considered: Vec<Considered> = asking.collect().await;
    considered.sort_unstable_by(|one, other| one.account.id.cmp(&other.account.id));
    considered
}
