//! Step 7 for one account: the lead is delivered to one buyer, or the reason is recorded.
//!
//! The order of things is what keeps a lead out of too many hands:
//!
//! 1. everything that can fail without the buyer's knowing comes first, the connection included;
//! 2. then a durable note that a request is about to be made, which counts places once more;
//! 3. then the request. From its first byte on only the adapter's `accepted` or `rejected` settles
//!    the delivery; every other end leaves it unconfirmed.
//!
//! | module | holds |
//! |---|---|
//! | [`wanted`] | the last look: status, criteria, duplicates, filter; what the note needs |
//! | [`first`] | `ping_before_post`: a buyer with a fixed price that is asked first |
//! | here | the exchange with the buyer, and what is recorded of it |
//! | [`scripted`] | test leads, which no buyer sees |

mod first;
mod scripted;
mod wanted;

use std::sync::Arc;

use gavel_market::{
    breaker::{self, Kind},
    model::{Account, OnUnconfirmed, PluginUse},
    money::Money,
    order::{BeginRefused, End, Order},
    reason::Outcome,
};
use gavel_sandbox::{
    Amount, Fault, FaultKind, Plugin, PostStep, PostView, Request, Response, Transaction, Won,
};
use gavel_store::{ChangeError, StoreError};
use tokio::time::{Instant, timeout_at};

use super::Posted;
use crate::{
    Inner,
    buyers::{Lost, Outgoing},
    clock,
    plugins::version::Version,
    secrets::UNAUTHORIZED,
    words::{self, DeliveryWords},
};

/// One try of one delivery.
struct Attempt {
    inner: Arc<Inner>,
    order: Order,
    bid: u16,
    posted: Arc<Posted>,
    account: Arc<Account>,
    /// What the account's plugins see of the lead: all of it, and only they do.
    view: PostView,
    /// The transaction, as they are told of it.
    transaction: Arc<Transaction>,
    /// When nobody waits any longer.
    until: Option<Instant>,
    /// The buyer's own name for what it was asked just before.
    reference: Option<String>,
    /// What is said on the way.
    words: DeliveryWords,
    /// Whether a note was written: a byte may have left.
    begun: bool,
}

/// Whether a try is in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// It is, with how it ended.
    Recorded,
    /// The order has moved on without it.
    Unrecorded,
}

/// Why a try ends.
enum Ended {
    /// As this says, to be recorded.
    With(End),
    /// So: before the first byte the account is passed over, after it nobody knows.
    Failed(Outcome),
    /// The order has moved on, or the place is taken: there is nothing to record.
    Moved,
    /// The store fails.
    Store(StoreError),
}

impl From<ChangeError<BeginRefused>> for Ended {
    fn from(error: ChangeError<BeginRefused>) -> Self {
        match error {
            ChangeError::Store(error) => Self::Store(error),
            ChangeError::Refused(BeginRefused::NoRoom) => passed_over(Outcome::LostRoom),
            ChangeError::Refused(BeginRefused::Duplicate) => passed_over(Outcome::Duplicate),
            ChangeError::NotFound | ChangeError::Refused(_) => Self::Moved,
        }
    }
}

/// Tries to deliver on one bid and records how that ended.
pub(super) async fn attempt(
    inner: Arc<Inner>,
    order: Order,
    bid: u16,
    posted: Arc<Posted>,
    transaction: Arc<Transaction>,
    until: Option<Instant>,
) -> Result<Tried, StoreError> {
    let quoted = order
        .bids
        .get(usize::from(bid))
        .map(|bid| bid.account.clone());
    let account = quoted.and_then(|id| {
        posted
            .roster
            .revision
            .market
            .account_named(&id)
            .map(|(_, account)| Arc::clone(account))
    });
    // The revision that quoted has every account that bid.
    let Some(account) = account else {
        return Ok(Tried::Unrecorded);
    };
    let view = PostView::new(Arc::clone(&posted.lead), Arc::clone(&transaction));
    let mut attempt = Attempt {
        inner,
        order,
        bid,
        posted,
        account,
        view,
        transaction,
        until,
        reference: None,
        words: DeliveryWords::default(),
        begun: false,
    };
    let ended = match attempt.run().await {
        Ok(end) | Err(Ended::With(end)) => end,
        Err(Ended::Failed(outcome)) => attempt.end_of(outcome),
        Err(Ended::Moved) => return Ok(Tried::Unrecorded),
        Err(Ended::Store(error)) => return Err(error),
    };
    attempt.record(ended).await
}

impl Attempt {
    async fn run(&mut self) -> Result<End, Ended> {
        self.still_wanted().await?;
        if self.order.test {
            return self.scripted().await;
        }
        self.asked_first().await?;
        let ended = self.exchange().await;
        self.tell_breaker(Kind::Post, self.says_of_account(&ended));
        ended
    }

    /// What an exchange's end says of whether the account works.
    fn says_of_account(&self, ended: &Result<End, Ended>) -> breaker::End {
        let bid = self.order.bids.get(usize::from(self.bid));
        let is_cut = |price: &Money| bid.is_some_and(|bid| *price < bid.amount);
        match ended {
            Ok(End::Accepted { price }) => match price {
                Some(price) if is_cut(price) => breaker::End::Bad,
                _ => breaker::End::Good,
            },
            Ok(End::Rejected { .. }) => breaker::End::Good,
            Err(Ended::With(End::Unreachable { .. })) => {
                Kind::Post.end_of(Outcome::Unreachable, true)
            }
            Err(Ended::With(End::PassedOver { outcome, .. }) | Ended::Failed(outcome)) => {
                Kind::Post.end_of(*outcome, true)
            }
            Ok(_) | Err(_) => breaker::End::Neutral,
        }
    }

    /// Tells the account's breaker; nothing of a test.
    fn tell_breaker(&self, kind: Kind, end: breaker::End) {
        if !self.order.test {
            self.inner.breakers.ended(&self.account.id, kind, end);
        }
    }

    /// The adapter says what to send, the exchange sends it, the adapter reads the answers.
    async fn exchange(&mut self) -> Result<End, Ended> {
        let account = Arc::clone(&self.account);
        let (plugin, call) = self.plugin(&account.adapter)?;
        let won = self.won();
        let mut answers: Vec<Response> = Vec::new();
        loop {
            let asking = plugin.post(&call, &self.view, &won, &answers);
            let called = match self.in_time(asking).await? {
                Ok(called) => called,
                // An error after an answer says that the buyer's answer was no use.
                Err(fault) if fault.kind == FaultKind::Error && !answers.is_empty() => {
                    self.words.fault(&fault);
                    return Err(Ended::Failed(Outcome::InvalidResponse));
                }
                Err(fault) => return Err(self.fault(&fault)),
            };
            self.words.log(&called.log);
            let request = match called.value {
                PostStep::Send(request) => request,
                PostStep::Accepted {
                    reference,
                    price,
                    redirect_url,
                } => {
                    (self.words.reference, self.words.redirect_url) = (reference, redirect_url);
                    return self.accepted(price);
                }
                PostStep::Rejected { code, detail } => {
                    return Ok(self.rejected(plugin.plugin(), code, detail));
                }
            };
            if answers.len() >= usize::try_from(account.max_steps).unwrap_or(usize::MAX) {
                plugin.at_fault(&account.id, Outcome::TooManySteps);
                return Err(Ended::Failed(Outcome::TooManySteps));
            }
            answers.push(self.send(&request).await?);
        }
    }

    /// Connection first, then the durable note, then the request.
    async fn send(&mut self, request: &Request) -> Result<Response, Ended> {
        // Hosts and secrets are today's.
        let today = self
            .inner
            .revisions
            .current()
            .ok_or(Ended::Failed(Outcome::NotActive))?;
        let (_, account) = today
            .market
            .account_named(&self.account.id)
            .ok_or(Ended::Failed(Outcome::NotActive))?;
        let own = Instant::now() + self.account.post_timeout;
        let until = self.until.map_or(own, |until| until.min(own));
        let secrets = today.secrets_of(&self.account.id);
        let secrets = secrets
            .for_request(request, until)
            .await
            .map_err(|no_token| {
                self.words.detail = Some(no_token.to_string());
                self.unreachable()
            })?;
        let outgoing = Outgoing::prepare(request, &account.hosts, &secrets).map_err(|refused| {
            self.words.detail = Some(refused.to_string());
            Ended::Failed(words::outcome_of_refused(&refused))
        })?;
        let line = match self.inner.buyers.connect(&outgoing, until).await {
            Ok(line) => line,
            Err(_unreachable) => return Err(self.unreachable()),
        };
        self.note().await?;
        let answer = line.send(&outgoing, until).await.map_err(|lost| {
            Ended::Failed(match lost {
                Lost::Timeout => Outcome::Timeout,
                Lost::Dropped => Outcome::Unreachable,
                Lost::Oversized | Lost::Unreadable => Outcome::InvalidResponse,
            })
        })?;
        if answer.status == UNAUTHORIZED {
            // For the posts to come: this one is never sent again.
            secrets.doubt(request);
        }
        Ok(answer)
    }

    async fn note(&mut self) -> Result<(), Ended> {
        let (id, now_ms) = (self.order.id, clock::unix_ms());
        if self.begun {
            // A refusal here means that the order was settled meanwhile: it says unconfirmed already.
            self.inner
                .store
                .go_on_delivery(id, self.bid, now_ms)
                .await?;
        } else {
            let (on_unconfirmed, needs) = (self.on_unconfirmed(), self.needs());
            self.inner
                .store
                .begin_delivery(id, self.bid, on_unconfirmed, needs, now_ms)
                .await?;
            self.begun = true;
        }
        Ok(())
    }

    async fn record(self, end: End) -> Result<Tried, StoreError> {
        let said = (self.words != DeliveryWords::default()).then(|| self.words.to_bytes());
        if !self.order.test {
            count(&self.account, &end);
        }
        let (id, now_ms) = (self.order.id, clock::unix_ms());
        match self
            .inner
            .store
            .end_delivery(
                id,
                self.bid,
                end,
                self.on_unconfirmed(),
                said.as_deref(),
                now_ms,
            )
            .await
        {
            Ok(order) => {
                self.inner.events.tell_delivery(&order, self.bid);
                Ok(Tried::Recorded)
            }
            Err(ChangeError::Store(error)) => Err(error),
            // Settled meanwhile: the record says unconfirmed, and stays so.
            Err(_) => Ok(Tried::Unrecorded),
        }
    }

    /// What the buyer is told that it won with: its bid, or the price where it was not asked.
    fn won(&self) -> Won {
        let bid = self.order.bids.get(usize::from(self.bid));
        Won {
            amount: bid.map(|bid| bid.amount),
            reference: self
                .reference
                .clone()
                .or_else(|| bid.and_then(|bid| bid.reference.clone())),
        }
    }

    fn plugin(&self, used: &PluginUse) -> Result<(Version, gavel_sandbox::Call), Ended> {
        let order = format!("{}.{}", self.order.id, self.account.tag());
        let found = self.posted.roster.plugin(&self.account, used, &order);
        found
            .map(|(version, call)| (version.clone(), call))
            .ok_or_else(|| passed_over(Outcome::NotActive))
    }

    /// Nothing goes on after the supplier's wait: then it is as the record says.
    async fn in_time<T>(&self, call: impl Future<Output = T>) -> Result<T, Ended> {
        match self.until {
            None => Ok(call.await),
            Some(until) => timeout_at(until, call)
                .await
                .map_err(|_elapsed| Ended::Failed(Outcome::NoTime)),
        }
    }

    fn accepted(&mut self, price: Option<Amount>) -> Result<End, Ended> {
        if !self.begun {
            // Nobody was asked: an adapter that says so anyway is wrong.
            self.words.detail = Some("the adapter said accepted before anything was sent".into());
            return Err(passed_over(Outcome::PluginOutput));
        }
        let price: Option<Money> = match price {
            Some(Amount::Valid(price)) => Some(price),
            Some(Amount::Invalid) | None => None,
        };
        Ok(End::Accepted { price })
    }

    fn rejected(&mut self, plugin: &Plugin, code: String, detail: String) -> End {
        let declared = words::declared(plugin, &code);
        (self.words.code, self.words.detail) = (Some(code), Some(detail));
        if self.begun {
            End::Rejected { code: declared }
        } else {
            End::PassedOver {
                outcome: Outcome::Declined,
                code: declared,
            }
        }
    }

    fn fault(&mut self, fault: &Fault) -> Ended {
        self.words.fault(fault);
        Ended::Failed(fault.kind.outcome())
    }

    /// How a failure ends the delivery.
    fn end_of(&self, outcome: Outcome) -> End {
        if self.begun {
            End::Unconfirmed {
                code: Some(outcome.word().to_owned()),
            }
        } else {
            End::PassedOver {
                outcome,
                code: None,
            }
        }
    }

    /// No connection: perhaps later, if the account says so and somebody still waits then.
    fn unreachable(&self) -> Ended {
        if self.begun {
            return Ended::Failed(Outcome::Unreachable);
        }
        let tried = self
            .order
            .delivery(self.bid)
            .map_or(0, |delivery| delivery.unreachable);
        let waits_until_ms = self
            .order
            .post
            .as_ref()
            .and_then(|post| post.waits_until_ms);
        let retry_at_ms = self
            .account
            .retry
            .filter(|retry| tried < retry.attempts)
            .map(|retry| clock::unix_ms().saturating_add(clock::millis(retry.wait)));
        let retry_at_ms =
            retry_at_ms.filter(|at_ms| waits_until_ms.is_none_or(|until_ms| *at_ms < until_ms));
        Ended::With(End::Unreachable {
            retry_at_ms,
            retries: self.account.retry.is_some(),
        })
    }

    fn on_unconfirmed(&self) -> OnUnconfirmed {
        self.account.on_unconfirmed
    }
}

fn passed_over(outcome: Outcome) -> Ended {
    Ended::With(End::PassedOver {
        outcome,
        code: None,
    })
}

fn count(account: &Account, end: &End) {
    let word = match end {
        End::Accepted { .. } => "sold",
        End::Rejected { .. } => "rejected",
        End::Unconfirmed { .. } => "unconfirmed",
        End::PassedOver { outcome, .. } => outcome.word(),
        End::Unreachable { .. } => "unreachable",
    };
    metrics::counter!("gavel_deliveries_total", "account" => account.id.to_string(), "outcome" => word).increment(1);
}
