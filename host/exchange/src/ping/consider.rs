//! Steps 7.3 and 7.4 for one account: what its plugins and its buyer make of a lead.
//!
//! The same for a ping that is being answered, whose buyers are asked, and for one that is
//! looked at again – by a shadow, or in a replay –, where what the buyers answered is known.

use std::{future::Future, sync::Arc};

use gavel_market::{
    auction::Bid,
    ids::OrderId,
    model::Account,
    money::Money,
    reason::Outcome,
    record::{Detail, Exchanged, Standing},
};
use gavel_sandbox::{Fault, PingView, Verdict};
use tokio::time::Instant;

use super::ask;
use crate::{
    Inner,
    api::Received,
    clock,
    plugins::{replay, roster::Roster},
    words,
};

/// What every account of one ping is considered with.
pub(crate) struct Considering<'a> {
    /// Who decides.
    pub roster: &'a Roster,
    /// The offer as plugins see it.
    pub view: &'a PingView,
    /// The order that it is, or would be.
    pub order: OrderId,
    /// Where buyers' answers come from.
    pub asking: Asking<'a>,
}

/// Where buyers' answers come from.
pub(crate) enum Asking<'a> {
    /// From the buyers, now.
    Live(Live<'a>),
    /// From the record of a ping.
    Recorded(&'a [Exchanged]),
}

/// A ping that is being answered.
pub(crate) struct Live<'a> {
    /// Has the buyers.
    pub inner: &'a Arc<Inner>,
    /// When the ping's first byte came.
    pub received: Received,
    /// When every bid must be in.
    pub until: Instant,
}

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
    /// A plugin wanted to ask what the record has no answer to: nothing can be said of it.
    pub unrecorded: bool,
}

/// Why an account does not bid.
pub(crate) struct NoBid {
    /// The code.
    pub outcome: Outcome,
    /// More about it.
    pub detail: Detail,
    /// A bid that was made but cannot be taken.
    pub bid: Option<Money>,
    /// There was no answer in the record: the outcome means nothing.
    pub unrecorded: bool,
}

impl NoBid {
    /// Without further words.
    pub(crate) fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            detail: Detail::default(),
            bid: None,
            unrecorded: false,
        }
    }

    /// Without an answer in the record to go on with.
    pub(crate) fn unrecorded() -> Self {
        Self {
            unrecorded: true,
            ..Self::plain(Outcome::Timeout)
        }
    }

    /// With words.
    pub(crate) fn saying(outcome: Outcome, text: impl Into<String>) -> Self {
        Self {
            outcome,
            detail: Detail::text(text),
            bid: None,
            unrecorded: false,
        }
    }

    /// A plugin's fault: it costs its account this one lead.
    pub(crate) fn fault(fault: &Fault) -> Self {
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
    /// Whether its bid was ranked.
    pub(crate) fn was_ranked(&self) -> bool {
        self.outcome.is_none_or(replay::was_ranked)
    }

    /// Where it stands before bids are ranked.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            outcome: self.outcome,
            code: self.detail.code.clone(),
            text: self.detail.text.clone(),
            bid: self.bid,
        }
    }

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

impl Considering<'_> {
    /// What becomes of one account before bids are ranked.
    pub(crate) async fn account(&self, account: &Arc<Account>) -> Considered {
        let mut exchanges = Vec::new();
        let offered = self
            .offered(account, &mut exchanges)
            .await
            .and_then(|offered| above_floor(account, offered));
        let account = Arc::clone(account);
        match offered {
            Ok(Offered { amount, reference }) => Considered {
                account,
                outcome: None,
                detail: Detail::default(),
                bid: Some(amount),
                reference,
                exchanges,
                unrecorded: false,
            },
            Err(NoBid {
                outcome,
                detail,
                bid,
                unrecorded,
            }) => Considered {
                account,
                outcome: Some(outcome),
                detail,
                bid,
                reference: None,
                exchanges,
                unrecorded,
            },
        }
    }

    async fn offered(
        &self,
        account: &Account,
        exchanges: &mut Vec<Exchanged>,
    ) -> Result<Offered, NoBid> {
        // Revoked since the market took effect: it decides nothing, at a fixed price either.
        if !self.roster.serves(account) {
            return Err(NoBid::plain(Outcome::NotActive));
        }
        let order = format!("{}.{}", self.order, account.tag());
        self.filter(account, &order).await?;
        self.price(account, &order, exchanges).await
    }

    /// Step 7.3. Filters run in any case and see which fields are absent.
    async fn filter(&self, account: &Account, order: &str) -> Result<(), NoBid> {
        let Some(used) = &account.filter else {
            return Ok(());
        };
        let Some((version, call)) = self.roster.plugin(account, used, order) else {
            return Err(NoBid::plain(Outcome::NotActive));
        };
        match self.in_time(version.qualify(&call, self.view)).await {
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
                        detail,
                        ..NoBid::plain(Outcome::Filtered)
                    })
                }
            },
        }
    }

    /// Step 7.4: a fixed price, or what the adapter's `ping` says.
    async fn price(
        &self,
        account: &Account,
        order: &str,
        exchanges: &mut Vec<Exchanged>,
    ) -> Result<Offered, NoBid> {
        if account.ping_during_sort {
            ask::ask(self, account, order, exchanges).await
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

    /// A call, for as long as anybody waits for what comes of it.
    async fn in_time<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        match &self.asking {
            Asking::Live(live) => clock::by(live.until, call).await,
            Asking::Recorded(_) => Some(call.await),
        }
    }
}

fn above_floor(account: &Account, offered: Offered) -> Result<Offered, NoBid> {
    match account.min_price {
        Some(floor) if offered.amount < floor => Err(NoBid {
            bid: Some(offered.amount),
            ..NoBid::plain(Outcome::BelowFloor)
        }),
        _ => Ok(offered),
    }
}
