//! Step 7: every account of the lead type, in parallel, each with exactly one outcome.
//!
//! Accounts that the index rules out cost nothing and are not in the record: their outcome
//! follows from lead, revision and time, and is derived again when somebody asks.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesUnordered};
use gavel_market::{
    auction::Bid,
    criteria::Absent,
    model::{Account, AccountIx},
    money::Money,
    reason::Outcome,
    record::{Detail, Exchanged, Timings},
};
use gavel_sandbox::{Fault, Verdict};

use super::{Asked, ask};
use crate::{Inner, clock, words};

/// One account that criteria let through, and what became of it.
pub(crate) struct Considered {
    /// Which.
    pub account: Arc<Account>,
    /// What became of it; none while its bid is undecided.
    pub outcome: Option<Outcome>,
    /// More about that.
    pub detail: Detail,
    /// Its bid, where it made one, valid or not taken.
    pub bid: Option<Money>,
    /// The buyer's own name for the ping.
    pub reference: Option<String>,
    /// What its buyer answered.
    pub exchanges: Vec<Exchanged>,
}

/// Why an account does not bid.
pub(crate) struct NoBid {
    /// The code.
    pub outcome: Outcome,
    /// More about it.
    pub detail: Detail,
    /// A bid that was made but cannot be taken.
    pub bid: Option<Money>,
}

impl NoBid {
    /// Without further words.
    pub(crate) fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            detail: Detail::default(),
            bid: None,
        }
    }

    /// With words.
    pub(crate) fn saying(outcome: Outcome, text: impl Into<String>) -> Self {
        Self {
            outcome,
            detail: Detail::text(text),
            bid: None,
        }
    }

    /// A plugin's fault: it costs its account this one lead.
    pub(crate) fn fault(fault: &Fault) -> Self {
        words::count(fault);
        Self::saying(fault.kind.outcome(), words::of_fault(fault))
    }
}

/// An account's bid, before it is ranked.
pub(crate) struct Offered {
    /// How much.
    pub amount: Money,
    /// The buyer's own name for the ping.
    pub reference: Option<String>,
}

impl Considered {
    /// The bid to rank, if it is one.
    pub(crate) fn to_bid(&self) -> Option<Bid> {
        let amount = self.bid.filter(|_| self.outcome.is_none())?;
        Some(Bid {
            account: self.account.id.clone(),
            buyer: self.account.buyer.clone(),
            amount,
            reference: self.reference.clone(),
            priority: self.account.priority,
            exclusive: self.account.exclusive,
        })
    }
}

/// Asks every account whose criteria the lead meets; the result is sorted by account.
pub(super) async fn scan(
    inner: &Arc<Inner>,
    asked: &Asked,
    timings: &mut Timings,
) -> Vec<Considered> {
    let market = &asked.revision.market;
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
    // Caps, budgets, the circuit breaker and duplicates (step 7.2) come between criteria and
    // filters once they are served.
    let accounts = matching.iter().filter_map(|ix| market.account(*ix));
    let asking: FuturesUnordered<_> = accounts
        .map(|account| consider(inner, asked, account))
        .collect();
    let mut considered: Vec<Considered> = asking.collect().await;
    considered.sort_unstable_by(|one, other| one.account.id.cmp(&other.account.id));
    considered
}

async fn consider(inner: &Arc<Inner>, asked: &Asked, account: &Arc<Account>) -> Considered {
    let mut exchanges = Vec::new();
    let order = format!("{}.{}", asked.order(), account.tag());
    let offered = match filter(asked, account, &order).await {
        Err(no_bid) => Err(no_bid),
        Ok(()) => price(inner, asked, account, &order, &mut exchanges).await,
    };
    let offered = offered.and_then(|offered| above_floor(account, offered));
    let account = Arc::clone(account);
    match offered {
        Ok(Offered { amount, reference }) => Considered {
            account,
            outcome: None,
            detail: Detail::default(),
            bid: Some(amount),
            reference,
            exchanges,
        },
        Err(NoBid {
            outcome,
            detail,
            bid,
        }) => Considered {
            account,
            outcome: Some(outcome),
            detail,
            bid,
            reference: None,
            exchanges,
        },
    }
}

/// Step 7.3. Filters run in any case and see which fields are absent.
async fn filter(asked: &Asked, account: &Account, order: &str) -> Result<(), NoBid> {
    let Some(used) = &account.filter else {
        return Ok(());
    };
    let Some((plugin, call)) = asked.revision.plugin(account, used, order) else {
        return Err(NoBid::plain(Outcome::NotActive));
    };
    match clock::by(asked.bids_until, plugin.qualify(&call, &asked.view)).await {
        None => Err(NoBid::plain(Outcome::NoTime)),
        Some(Err(fault)) => Err(NoBid::fault(&fault)),
        Some(Ok(called)) => match called.value {
            Verdict::Qualified => Ok(()),
            Verdict::Disqualified { code, detail } => {
                let detail = Detail {
                    code: Some(code),
                    text: Some(detail),
                    field: None,
                };
                Err(NoBid {
                    outcome: Outcome::Filtered,
                    detail,
                    bid: None,
                })
            }
        },
    }
}

/// Step 7.4: a fixed price, or what the adapter's `ping` says.
async fn price(
    inner: &Arc<Inner>,
    asked: &Asked,
    account: &Account,
    order: &str,
    exchanges: &mut Vec<Exchanged>,
) -> Result<Offered, NoBid> {
    if account.ping_during_sort {
        ask::ask(inner, asked, account, order, exchanges).await
    } else {
        // The market file has a price wherever an adapter is not asked.
        let amount = account
            .price
            .ok_or_else(|| NoBid::plain(Outcome::InvalidBid))?;
        Ok(Offered {
            amount,
            reference: None,
        })
    }
}

fn above_floor(account: &Account, offered: Offered) -> Result<Offered, NoBid> {
    match account.min_price {
        Some(floor) if offered.amount < floor => Err(NoBid {
            outcome: Outcome::BelowFloor,
            detail: Detail::default(),
            bid: Some(offered.amount),
        }),
        _ => Ok(offered),
    }
}
