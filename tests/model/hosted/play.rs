//! Plays a case against a real host, step by step, and compares after every step.
//!
//! A step is one request, or the end of one delivery, and whatever the host then does by itself
//! until it can only wait. Buyers hold their answers until their step comes, so that many leads
//! are under way at once, in the case's order.

use std::time::{Duration, Instant, SystemTime};

use super::{
    super::{
        case::{Case, End, Ping, Sent, Settle, Step},
        picks::{Place, pick},
        play::{Disagreement, Done, late, same},
        reference::{At, Reference, State},
        told::{Owner, Told, untimed},
    },
    breakers::Failures,
    buyers::Answer,
    driver::{Asked, Direct, Driver, LOOK_AGAIN, Table, Waiting, answered},
    shown,
};
use serde_json::json;

/// Longest that a host may take to come to where it can only wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// Rounds in which what is under way at a case's end comes to its own.
const ROUNDS: usize = 20;

struct Both<'t> {
    reference: Reference,
    host: Driver<'t>,
    owners: Vec<Owner>,
    waiting: Waiting,
    failures: Failures,
    done: Done,
}

/// Plays one case.
pub(super) async fn play(case: &Case, table: &mut Table) -> Result<Done, Disagreement> {
    let first = &case.markets[0];
    let accounts = (0..first.accounts.len()).map(Owner::Account);
    let mut both = Both {
        host: Driver::new(table, &case.markets).await?,
        reference: Reference::new(&case.markets, clock_ms()),
        owners: accounts
            .chain((0..first.campaigns.len()).map(Owner::Campaign))
            .collect(),
        waiting: Waiting::new(),
        failures: Failures::default(),
        done: Done::default(),
    };
    for (number, step) in case.steps.iter().enumerate() {
        both.step(step)
            .await
            .map_err(|what| format!("step {number}, {step:?}\n{what}"))?;
    }
    both.to_the_end()
        .await
        .map_err(|what| format!("at the end\n{what}"))?;
    Ok(both.done)
}

pub(super) fn clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_millis()).expect("long before the end of time")
}

impl Both<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), Disagreement> {
        self.tick().await;
        match step {
            Step::Apply(market) => {
                self.reference.apply(*market);
                self.host.apply(*market).await
            }
            Step::Scan(ping) => self.ping(ping).await,
            Step::Post(number, sent) => match self.reference.picked_to_post(*number) {
                Some(at) => self.post(at, sent).await,
                None => Ok(()),
            },
            Step::End(number) => match self.reference.picked_to_end(*number) {
                Some(place) => self.end(place).await,
                None => Ok(()),
            },
            Step::Settle(number, how) => match self.reference.picked_to_settle(*number) {
                Some(place) => self.settle(place, *how).await,
                None => Ok(()),
            },
            Step::RetryByHand(number) => match self.reference.picked_to_retry(*number) {
                Some(place) => self.retry(place).await,
                None => Ok(()),
            },
            Step::Erase(number) => match self.reference.picked_to_erase(*number) {
                Some(at) => self.erase(at).await,
                None => Ok(()),
            },
            Step::Return(number) => match self.reference.picked_to_return(*number) {
                Some(place) => self.give_back(place).await,
                None => Ok(()),
            },
            Step::Decide(number, accept) => match self.reference.picked_to_decide(*number) {
                Some(number) => self.decide(number, *accept).await,
                None => Ok(()),
            },
            Step::Clock(_) | Step::Record(_) | Step::Drive(_) | Step::Expire => {
                Err("a hosted case has no such step".into())
            }
        }
    }

    /// The reference goes by the machine's clock, as the host does. No two steps are at the same
    /// millisecond, so that it is seen in which of them something was.
    async fn tick(&mut self) {
        while clock_ms() <= self.reference.now_ms {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.reference.now_ms = clock_ms();
    }

    async fn ping(&mut self, ping: &Ping) -> Result<(), Disagreement> {
        // An account that failed too often is left alone, which the model knows nothing of.
        if self.failures.are_many() {
            self.done.left_out += 1;
            return Ok(());
        }
        self.done.pings += 1;
        let (decided, at) = (self.reference.decided.len(), self.reference.orders.len());
        let mut expected = self.reference.scan(ping);
        if self.reference.decided.len() > decided {
            expected = self.reference.record(decided);
        }
        if !ping.test {
            self.failures.at_ping(&expected);
        }
        let is_quoted = self.reference.orders.len() > at;
        self.done.quotes += u64::from(is_quoted);
        if !self.reference.is_direct(ping.campaign) {
            same(&expected, &self.host.ping(ping).await?)?;
            if !is_quoted {
                return Ok(());
            }
            return self
                .compare_usage(&self.reference.orders[at].owners())
                .await;
        }
        if is_quoted {
            self.shut_doors(at).await;
        }
        match self.host.direct(ping).await? {
            Direct::Told(told) => same(&expected, &told),
            Direct::Taken(told, asked) => {
                same(&expected, &told)?;
                self.done.posts += 1;
                self.waiting.insert(at, asked);
                self.follow(at).await
            }
        }
    }

    async fn post(&mut self, at: usize, sent: &Sent) -> Result<(), Disagreement> {
        self.done.posts += 1;
        let order = &self.reference.orders[at];
        let (campaign, is_test, was_open) =
            (order.campaign, order.is_test(), order.state == State::Open);
        self.shut_doors(at).await;
        let expected = if self.reference.is_direct(campaign) {
            Told::Refused("wrong_channel".into())
        } else {
            self.reference.post(at, sent)
        };
        let asked = self.host.post(at, campaign, is_test, sent);
        match expected {
            Told::Order(_) if was_open => {
                self.waiting.insert(at, asked);
                self.follow(at).await
            }
            Told::Order(_) => {
                self.compare_answer(at, asked).await?;
                self.follow(at).await
            }
            expected => {
                let (_, said) = answered(asked).await?;
                same(&expected, &shown::problem(&said))
            }
        }
    }

    /// One of the deliveries under way ends as its buyer says.
    async fn end(&mut self, (at, place): Place) -> Result<(), Disagreement> {
        self.done.tries += 1;
        let order = &self.reference.orders[at];
        let account = order.account(place);
        let hangs_up = (at + place) % 2 == 0;
        let answer = match order.end(place) {
            End::Accept => Answer::Says(json!({"accepted": true})),
            End::AcceptAt(price) => {
                Answer::Says(json!({"accepted": true, "price": price.to_string()}))
            }
            End::Reject => Answer::Says(json!({"accepted": false, "reason": "known"})),
            End::Unconfirmed if hangs_up => Answer::HangsUp,
            End::Unconfirmed => Answer::Garbled,
            End::Unreachable | End::Declined => return Err("nothing was sent".into()),
        };
        if order.is_cut(place) || matches!(answer, Answer::HangsUp) {
            self.failures.at_post(account);
        }
        self.shut_doors(at).await;
        self.host
            .table
            .buyers
            .end(&self.host.order(at), account, answer);
        self.reference.end(at, place);
        self.follow(at).await
    }

    async fn settle(&mut self, (at, place): Place, how: Settle) -> Result<(), Disagreement> {
        // Nobody is asked to settle a test.
        if self.reference.orders[at].is_test() {
            return Ok(());
        }
        self.shut_doors(at).await;
        let account = self.reference.orders[at].account(place);
        let refused = match self.reference.settle_by_hand(at, place, how) {
            Told::Refused(_) => Err("out_of_range".to_owned()),
            _ => Ok(()),
        };
        let settled = self
            .host
            .settle(at, account, how)
            .await?
            .map_err(|code| match code {
                faults if faults.contains("out_of_range") => "out_of_range".into(),
                code => code,
            });
        equal("a settlement", &refused, &settled)?;
        self.follow(at).await
    }

    async fn retry(&mut self, (at, place): Place) -> Result<(), Disagreement> {
        self.shut_doors(at).await;
        let account = self.reference.orders[at].account(place);
        let expected = match self.reference.retry_by_hand(at, place) {
            Told::Refused(code) => Err(code),
            _ => Ok(()),
        };
        equal("a retry", &expected, &self.host.retry(at, account).await?)?;
        self.follow(at).await
    }

    async fn erase(&mut self, at: usize) -> Result<(), Disagreement> {
        self.shut_doors(at).await;
        self.reference.erase(at);
        self.host.erase(at).await?;
        self.follow(at).await
    }

    async fn give_back(&mut self, (at, place): Place) -> Result<(), Disagreement> {
        let account = self.reference.orders[at].account(place);
        let expected = self.reference.give_back(at, place);
        let told = self.host.give_back(at, account).await?;
        let expected = expected
            .map(|number| self.reference.return_told(number).to_owned())
            .map_err(ToOwned::to_owned);
        equal("a return", &expected, &told)?;
        self.done.returns += u64::from(told.is_ok());
        self.follow(at).await
    }

    async fn decide(&mut self, number: usize, accept: bool) -> Result<(), Disagreement> {
        self.reference.decide_return(number, accept);
        let told = self.host.decide(number, accept).await?;
        equal(
            "a return",
            self.reference.return_told(number),
            told.as_str(),
        )?;
        self.follow(self.reference.returns[number].order).await
    }

    /// From now on those buyers cannot be reached that this lead's next tries do not reach.
    async fn shut_doors(&mut self, at: usize) {
        let unreachable = self.reference.orders[at].unreachable();
        self.host.table.buyers.shut(&unreachable).await;
    }

    /// The host does what it does by itself, in one of the ways that the rules allow, which the
    /// reference goes on from; then everything about the lead is compared.
    async fn follow(&mut self, at: usize) -> Result<(), Disagreement> {
        let mut ways = self.reference.ways(at);
        let until = Instant::now() + PATIENCE;
        let ledger = loop {
            let told = self.host.told(at).await;
            let found = told
                .as_ref()
                .and_then(|(told, _)| ways.iter().position(|way| way.told(at).as_shown() == *told));
            match (found, told) {
                (Some(found), Some((_, ledger))) => {
                    let before = std::mem::replace(&mut self.reference, ways.swap_remove(found));
                    self.failures.unreached(&before, &self.reference, at);
                    break ledger;
                }
                (_, told) if Instant::now() > until => {
                    let ways: Vec<Told> = ways.iter().map(|way| way.told(at).as_shown()).collect();
                    return Err(format!("expected one of {ways:#?}\nthe host {told:#?}"));
                }
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        let order = &self.reference.orders[at];
        let (is_test, is_answered) = (order.is_test(), order.answer.is_some());
        let (expected, ledger) = (untimed(order.entries.clone()), untimed(ledger));
        equal("the ledger", &expected, &ledger)?;
        for (of, place) in self.reference.under_way() {
            if of == at && !is_test {
                let account = self.reference.orders[at].account(place);
                self.host
                    .table
                    .buyers
                    .has_come(&self.host.order(at), account)
                    .await;
            }
        }
        if is_answered && let Some(asked) = self.waiting.remove(&at) {
            self.compare_answer(at, asked).await?;
        }
        if self.waiting.get(&at).is_some_and(Asked::is_finished) {
            return Err(format!("order {at} is answered while it is under way"));
        }
        let owners = self.reference.orders[at].owners();
        self.compare_usage(&owners).await
    }

    /// What the supplier is told of a lead.
    async fn compare_answer(&self, at: usize, asked: Asked) -> Result<(), Disagreement> {
        let (status, said) = answered(asked).await?;
        if status != 200 {
            return Err(format!(
                "the supplier of order {at} is told {status}: {said}"
            ));
        }
        let expected = self.reference.orders[at].answer.clone();
        equal(
            "the supplier's answer",
            &expected,
            &Some(shown::answer(&said)),
        )
    }

    async fn compare_usage(&mut self, owners: &[Owner]) -> Result<(), Disagreement> {
        for owner in owners {
            let (mut expected, told) =
                (self.reference.usage(*owner), self.host.usage(*owner).await);
            // When in this step the host took room is for its own clock to say.
            let began = Some(self.reference.now_ms);
            if expected.last_ms == began && began <= told.last_ms {
                let taken_ms = told.last_ms.unwrap_or_default();
                self.reference.took_room_at(*owner, taken_ms);
                expected.last_ms = told.last_ms;
            }
            equal(&format!("usage of {owner:?}"), &expected, &told)?;
        }
        Ok(())
    }

    /// What is under way comes to its end, and most of what is unconfirmed is settled; then
    /// everything is compared once more.
    async fn to_the_end(&mut self) -> Result<(), Disagreement> {
        for at in 0..self.reference.orders.len() {
            if self.reference.orders[at].state == State::Open && at % 4 != 3 {
                self.tick().await;
                self.post(at, &late(at)).await?;
            }
        }
        for _ in 0..ROUNDS {
            while let Some(place) = pick(&self.reference.under_way(), 0) {
                self.tick().await;
                self.end(place).await?;
            }
            let unconfirmed = self.reference.deliveries_at(At::Unconfirmed);
            for (at, place) in unconfirmed {
                self.tick().await;
                let how = match (at + place) % 2 {
                    0 => Settle::Sold,
                    _ => Settle::NotSold,
                };
                self.settle((at, place), how).await?;
            }
            if self.reference.under_way().is_empty() {
                break;
            }
        }
        for number in 0..self.reference.deliveries_at(At::Sold).len() {
            self.step(&Step::Return(number)).await?;
            self.step(&Step::Decide(number, number % 2 == 0)).await?;
        }
        self.tick().await;
        for at in 0..self.reference.orders.len() {
            if self.reference.orders[at].state != State::Open {
                self.follow(at).await?;
            }
        }
        self.compare_usage(&self.owners.clone()).await?;
        if !self.waiting.is_empty() {
            return Err(format!(
                "suppliers wait for ever: {:?}",
                self.waiting.keys()
            ));
        }
        self.done.count(&self.reference);
        Ok(())
    }
}

fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    expected: &T,
    told: &T,
) -> Result<(), Disagreement> {
    if expected == told {
        Ok(())
    } else {
        Err(format!(
            "{what}: expected {expected:#?}\nthe host {told:#?}"
        ))
    }
}
