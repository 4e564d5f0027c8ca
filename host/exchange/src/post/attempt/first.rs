//! `ping_before_post`: a buyer with a fixed price that is asked just before it gets the lead,
//! on the fields that are not personal.
//!
//! | it says | so |
//! |---|---|
//! | its price, more, or an offer without an amount | it is posted to at its price, under the reference that it gave |
//! | less | passed over, `below_floor`: its price is the least that counts |
//! | no bid | passed over, `declined` |
//! | nothing that could be read, or in time | passed over, as at a ping; `unreachable` is tried again as a delivery is |

use std::sync::Arc;

use gavel_market::{
    breaker::{self, Kind},
    money::Money,
    reason::Outcome,
};
use gavel_sandbox::PingView;
use tokio::time::Instant;

use super::{Attempt, Ended, passed_over};
use crate::{
    api::Received,
    clock,
    ping::{
        ask,
        consider::{Asking, Considering, Live, NoBid, Offered},
    },
};

impl Attempt {
    /// Asks, where the account wants that.
    pub(super) async fn asked_first(&mut self) -> Result<(), Ended> {
        if !self.account.ping_before_post || self.account.ping_during_sort {
            return Ok(());
        }
        let price = self.order.bids.get(usize::from(self.bid));
        let price = price.map_or(Money::ZERO, |bid| bid.amount);
        let offered = self.offer().await;
        let said = offered.as_ref().map_or_else(
            |no_bid| Kind::Ping.end_of(no_bid.outcome, !no_bid.cut_short),
            |_| breaker::End::Good,
        );
        self.tell_breaker(Kind::Ping, said);
        match offered {
            Ok(offered) if offered.amount < price => Err(passed_over(Outcome::BelowFloor)),
            Ok(offered) => {
                self.reference = offered.reference;
                Ok(())
            }
            Err(no_bid) => {
                self.words.detail = no_bid.detail.text;
                match no_bid.outcome {
                    Outcome::Unreachable => Err(self.unreachable()),
                    outcome => Err(passed_over(outcome)),
                }
            }
        }
    }

    async fn offer(&self) -> Result<Offered, NoBid> {
        let now = Instant::now();
        let shown = PingView::new(
            Arc::new(self.posted.lead.without_personal()),
            Arc::clone(&self.transaction),
        );
        let considering = Considering {
            roster: &self.posted.roster,
            view: &shown,
            order: self.order.id,
            asking: Asking::Live(Live {
                inner: &self.inner,
                received: Received {
                    at: now,
                    unix_ms: clock::unix_ms(),
                },
                // Where nobody waits it has all the time that its account gives it, so that a
                // timeout tells the breaker.
                until: self.until.unwrap_or(now + 2 * self.account.ping_timeout),
            }),
        };
        let id = format!("{}.{}", self.order.id, self.account.tag());
        // What it answers is about a posted lead: it is in no record.
        let mut exchanges = Vec::new();
        ask::ask(&considering, &self.account, &id, &mut exchanges).await
    }
}
