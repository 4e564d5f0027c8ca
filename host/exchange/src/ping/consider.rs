//! Steps 7.3 and 7.4 for one account: what its plugins and its buyer make of a lead.
//!
//! The same for a ping that is being answered, whose buyers are asked, for a test, to which
//! the accounts' scripts answer, and for a ping that is looked at again – by a shadow, or in a
//! replay –, where what the buyers answered is known.

use std::{future::Future, sync::Arc};

use gavel_market::{
    auction::Bid,
    breaker::{End, Kind},
    ids::OrderId,
    model::{Account, PluginUse},
    money::Money,
    reason::Outcome,
    record::{Detail, Exchanged, Standing},
    room::Turn,
};
use gavel_sandbox::{Fault, PingView, Verdict};
use tokio::time::Instant;

use super::{ask, script};
use crate::{
    Inner,
    api::Received,
    breakers::Passed,
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
    /// From the accounts' scripts for tests; filters have until then, where anybody waits.
    Test(Option<Instant>),
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

/// One account, and what became of it.
#[derive(Clone)]
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
    /// What ranking looks at beside the bid, where the campaign ranks by turn or by weight.
    pub turn: Option<Turn>,
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
    /// It was the ping's deadline that cut a buyer short, not the account's own time.
    pub cut_short: bool,
}

impl NoBid {
    /// Without further words.
    pub(crate) fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            detail: Detail::default(),
            bid: None,
            unrecorded: false,
            cut_short: false,
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
            detail: Detail::text(text),
            ..Self::plain(outcome)
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
    /// An account that is not asked.
    pub(crate) fn not_asked(account: &Arc<Account>, outcome: Outcome, detail: Detail) -> Self {
        Self {
            account: Arc::clone(account),
            outcome: Some(outcome),
            detail,
            bid: None,
            reference: None,
            turn: None,
            exchanges: Vec::new(),
            unrecorded: false,
        }
    }

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
            turn: self.turn.unwrap_or_default(),
            hold: self.account.hold,
        })
    }
}

impl Considering<'_> {
    /// What becomes of one account before bids are ranked. Whoever `passed` a breaker tells it
    /// how each part ends.
    pub(crate) async fn account(
        &self,
        account: &Arc<Account>,
        passed: Option<&Passed>,
    ) -> Considered {
        let mut exchanges = Vec::new();
        let offered = self
            .offered(account, passed, &mut exchanges)
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
                turn: None,
                exchanges,
                unrecorded: false,
            },
            Err(NoBid {
                outcome,
                detail,
                bid,
                unrecorded,
                cut_short: _,
            }) => Considered {
                account,
                outcome: Some(outcome),
                detail,
                bid,
                reference: None,
                turn: None,
                exchanges,
                unrecorded,
            },
        }
    }

    async fn offered(
        &self,
        account: &Account,
        passed: Option<&Passed>,
        exchanges: &mut Vec<Exchanged>,
    ) -> Result<Offered, NoBid> {
        // The same as at a ping, for what looks at one again.
        if !self.roster.serves(account) {
            return Err(NoBid::plain(Outcome::NotActive));
        }
        let order = format!("{}.{}", self.order, account.tag());
        if let Some(used) = &account.filter {
            let qualified = self.filter(account, used, &order).await;
            tell(passed, Kind::Filter, &qualified);
            qualified?;
        }
        self.price(account, passed, &order, exchanges).await
    }

    /// Step 7.3. Filters run in any case and see which fields are absent.
    async fn filter(&self, account: &Account, used: &PluginUse, order: &str) -> Result<(), NoBid> {
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
        passed: Option<&Passed>,
        order: &str,
        exchanges: &mut Vec<Exchanged>,
    ) -> Result<Offered, NoBid> {
        if matches!(self.asking, Asking::Test(_)) {
            script::offered(account)
        } else if account.ping_during_sort {
            let offered = ask::ask(self, account, order, exchanges).await;
            tell(passed, Kind::Ping, &offered);
            offered
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
            Asking::Live(Live { until, .. }) | Asking::Test(Some(until)) => {
                clock::by(*until, call).await
            }
            Asking::Test(None) | Asking::Recorded(_) => Some(call.await),
        }
    }
}

/// Tells the account's breaker how it went.
fn tell<T>(passed: Option<&Passed>, kind: Kind, ended: &Result<T, NoBid>) {
    if let Some(passed) = passed {
        let end = match ended {
            Ok(_) => End::Good,
            Err(no_bid) => kind.end_of(no_bid.outcome, !no_bid.cut_short),
        };
        passed.ended(kind, end);
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
