//! Plays a case on both sides, and compares after every step.

use gavel_store::Store;

use super::{
    case::{Case, Sent, Settle, Step},
    driver::Driver,
    picks::pick,
    reference::{At, Reference, State},
    told::{Owner, Told},
};

/// Where the two sides disagree, in words.
pub(crate) type Disagreement = String;

/// Rounds in which what is under way at a case's end comes to its own.
const ROUNDS: usize = 60;

/// What a case did, for whoever wonders whether the cases are worth anything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    pub pings: u64,
    pub quotes: u64,
    pub posts: u64,
    pub tries: u64,
    pub sales: u64,
    pub lost_room: u64,
    pub duplicates: u64,
    pub entries: u64,
    pub returns: u64,
    /// Steps that could not be played.
    pub left_out: u64,
}

impl Done {
    /// Counts what became of a case's orders.
    pub(crate) fn count(&mut self, reference: &Reference) {
        for order in &reference.orders {
            self.entries += u64::try_from(order.entries.len()).unwrap();
            let sold = order
                .deliveries
                .iter()
                .filter(|delivery| delivery.at == At::Sold);
            self.sales += u64::try_from(sold.count()).unwrap();
            self.duplicates += u64::from(order.is_duplicate());
        }
    }
}

impl std::ops::AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.pings += other.pings;
        self.quotes += other.quotes;
        self.posts += other.posts;
        self.tries += other.tries;
        self.sales += other.sales;
        self.lost_room += other.lost_room;
        self.duplicates += other.duplicates;
        self.entries += other.entries;
        self.returns += other.returns;
        self.left_out += other.left_out;
    }
}

struct Both<'s> {
    reference: Reference,
    host: Driver<'s>,
    owners: Vec<Owner>,
    done: Done,
}

/// Plays one case. `ids` numbers the orders of a store.
pub(crate) async fn play(case: &Case, store: &Store, ids: &mut u128) -> Result<Done, Disagreement> {
    let first = &case.markets[0];
    let accounts = (0..first.accounts.len()).map(Owner::Account);
    let mut both = Both {
        reference: Reference::new(&case.markets, case.start_ms),
        host: Driver::new(store, ids, &case.markets, case.start_ms)?,
        owners: accounts
            .chain((0..first.campaigns.len()).map(Owner::Campaign))
            .collect(),
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

impl Both<'_> {
    #[allow(clippy::too_many_lines)] // one arm for each kind of step
    async fn step(&mut self, step: &Step) -> Result<(), Disagreement> {
        match step {
            Step::Clock(by_ms) => {
                self.reference.now_ms += by_ms;
                self.host.now_ms += by_ms;
                self.compare_usage()
            }
            Step::Apply(market) => {
                self.reference.apply(*market);
                self.host.apply(*market);
                Ok(())
            }
            Step::Scan(ping) => {
                let before = self.reference.decided.len();
                let expected = self.reference.scan(ping);
                let told = self.host.scan(ping)?;
                self.done.pings += 1;
                same(&expected, &told)?;
                // A direct post is one request: nothing comes between its parts.
                if self.reference.decided.len() > before && self.reference.is_direct(ping.campaign)
                {
                    return self.record(before).await;
                }
                Ok(())
            }
            Step::Record(number) => match self.reference.decided.len() {
                0 => Ok(()),
                there => self.record(number % there).await,
            },
            Step::Post(number, sent) => {
                let Some(at) = self.reference.picked_to_post(*number) else {
                    return Ok(());
                };
                let expected = self.reference.post(at, sent);
                let told = self.host.post(at, sent).await?;
                self.done.posts += 1;
                same(&expected, &told)?;
                self.compare_order(at)
            }
            Step::Drive(number) => match pick(&self.under_way(), *number) {
                Some(at) => self.drive(at).await,
                None => Ok(()),
            },
            Step::End(number) => match self.reference.picked_to_end(*number) {
                Some((at, place)) => self.end(at, place).await,
                None => Ok(()),
            },
            Step::Settle(number, how) => match self.reference.picked_to_settle(*number) {
                Some((at, place)) => self.settle(at, place, *how).await,
                None => Ok(()),
            },
            Step::RetryByHand(number) => {
                let Some((at, place)) = self.reference.picked_to_retry(*number) else {
                    return Ok(());
                };
                let expected = self.reference.retry_by_hand(at, place);
                same(&expected, &self.host.retry_by_hand(at, place).await?)?;
                self.compare_order(at)
            }
            Step::Erase(number) => {
                let Some(at) = self.reference.picked_to_erase(*number) else {
                    return Ok(());
                };
                let expected = self.reference.erase(at);
                same(&expected, &self.host.erase(at).await?)?;
                self.compare_order(at)
            }
            Step::Return(number) => {
                let Some((at, place)) = self.reference.picked_to_return(*number) else {
                    return Ok(());
                };
                let expected = self
                    .reference
                    .give_back(at, place)
                    .map_err(ToOwned::to_owned);
                let told = self.host.give_back(at, place).await?;
                if expected != told {
                    return Err(format!(
                        "a return: expected {expected:?}, the host {told:?}"
                    ));
                }
                if let Ok(number) = told {
                    self.done.returns += 1;
                    self.compare_return(number)?;
                }
                self.compare_order(at)
            }
            Step::Decide(number, accept) => {
                let Some(number) = self.reference.picked_to_decide(*number) else {
                    return Ok(());
                };
                self.reference.decide_return(number, *accept);
                self.host.decide_return(number, *accept).await?;
                self.compare_return(number)?;
                self.compare_order(self.reference.returns[number].order)
            }
            Step::Expire => self.expire().await,
        }
    }

    async fn record(&mut self, at: usize) -> Result<(), Disagreement> {
        let before = self.reference.orders.len();
        let expected = self.reference.record(at);
        let told = self.host.record(at).await?;
        same(&expected, &told)?;
        if let Told::Decided { outcomes, .. } = &told {
            self.done.lost_room += u64::from(outcomes.values().any(|word| word == "lost_room"));
        }
        if self.reference.orders.len() > before {
            self.done.quotes += 1;
            return self.compare_order(before);
        }
        self.compare_usage()
    }

    fn under_way(&self) -> Vec<usize> {
        let orders = self.reference.orders.iter().enumerate();
        orders
            .filter(|(_, order)| order.is_under_way())
            .map(|(at, _)| at)
            .collect()
    }

    async fn drive(&mut self, at: usize) -> Result<(), Disagreement> {
        let expected = self.reference.drive(at);
        same(&expected, &self.host.drive(at).await?)?;
        self.compare_order(at)
    }

    async fn end(&mut self, at: usize, place: usize) -> Result<(), Disagreement> {
        let expected = self.reference.end(at, place);
        same(&expected, &self.host.end(at, place).await?)?;
        self.done.tries += 1;
        self.compare_order(at)
    }

    async fn settle(&mut self, at: usize, place: usize, how: Settle) -> Result<(), Disagreement> {
        let expected = self.reference.settle_by_hand(at, place, how);
        same(&expected, &self.host.settle_by_hand(at, place, how).await?)?;
        self.compare_order(at)
    }

    async fn expire(&mut self) -> Result<(), Disagreement> {
        let expected = self.reference.expire();
        same(&expected, &self.host.expire().await?)?;
        self.compare_usage()
    }

    /// What is under way comes to its end, everything unconfirmed is settled, every quote
    /// expires; then everything is compared once more.
    async fn to_the_end(&mut self) -> Result<(), Disagreement> {
        while !self.reference.decided.is_empty() {
            self.record(0).await?;
        }
        self.post_what_is_open().await?;
        for round in 0..ROUNDS {
            for at in self.under_way() {
                self.drive(at).await?;
            }
            for (at, place) in self.reference.under_way() {
                self.end(at, place).await?;
            }
            if round % 3 == 2 {
                self.step(&Step::Clock(10 * 60_000 + 1)).await?;
                for (at, place) in self.reference.deliveries_at(At::Unconfirmed) {
                    let how = if (at + place) % 2 == 0 {
                        Settle::Sold
                    } else {
                        Settle::NotSold
                    };
                    self.settle(at, place, how).await?;
                }
            }
            if round > 3 && self.under_way().is_empty() {
                break;
            }
        }
        if !self.under_way().is_empty() {
            return Err(format!("orders {:?} never end", self.under_way()));
        }
        self.give_back_what_may_be().await?;
        self.step(&Step::Clock(3 * 3_600_000 + 7)).await?;
        self.expire().await?;
        for at in 0..self.reference.orders.len() {
            same(&self.reference.told(at), &self.host.told(at)?)?;
            self.compare_order(at)?;
        }
        self.done.count(&self.reference);
        self.no_hold_is_left()
    }

    /// Most quotes that nobody posted to are posted to after all, by a few persons again and again.
    async fn post_what_is_open(&mut self) -> Result<(), Disagreement> {
        for at in 0..self.reference.orders.len() {
            let is_open = self.reference.orders[at].state == State::Open;
            if !is_open || at % 4 == 3 {
                continue;
            }
            let sent = late(at);
            let expected = self.reference.post(at, &sent);
            same(&expected, &self.host.post(at, &sent).await?)?;
            self.done.posts += 1;
            self.compare_order(at)?;
        }
        Ok(())
    }

    /// Every delivery sold is given back, as far as that is taken; every other is then declined.
    async fn give_back_what_may_be(&mut self) -> Result<(), Disagreement> {
        for number in 0..self.reference.deliveries_at(At::Sold).len() {
            self.step(&Step::Return(number)).await?;
            self.step(&Step::Decide(number, number % 2 == 0)).await?;
        }
        Ok(())
    }

    /// Holds belong to an order, and end with it.
    fn no_hold_is_left(&self) -> Result<(), Disagreement> {
        for owner in &self.owners {
            let usage = self.host.usage(*owner);
            if usage
                .periods
                .iter()
                .any(|(_, held, _, money)| *held > 0 || !money.is_zero())
            {
                return Err(format!("{owner:?} holds room that no order has: {usage:?}"));
            }
        }
        Ok(())
    }

    fn compare_order(&self, at: usize) -> Result<(), Disagreement> {
        let (expected, ledger) = (&self.reference.orders[at].entries, self.host.ledger(at)?);
        if *expected != ledger {
            return Err(format!(
                "the ledger of {at}: expected {expected:#?}\nthe host {ledger:#?}"
            ));
        }
        self.compare_usage()
    }

    fn compare_return(&self, number: usize) -> Result<(), Disagreement> {
        let (expected, told) = (
            self.reference.return_told(number),
            self.host.return_told(number),
        );
        if expected == told {
            Ok(())
        } else {
            Err(format!(
                "return {number}: expected {expected}, the host {told}"
            ))
        }
    }

    fn compare_usage(&self) -> Result<(), Disagreement> {
        for owner in &self.owners {
            let (expected, told) = (self.reference.usage(*owner), self.host.usage(*owner));
            if expected != told {
                return Err(format!(
                    "usage of {owner:?}: expected {expected:?}\nthe host {told:?}"
                ));
            }
        }
        Ok(())
    }
}

/// What is posted at the end to a quote that nobody posted to: one of a few persons.
pub(crate) fn late(at: usize) -> Sent {
    let mut sent: Sent = std::array::from_fn(|_| None);
    sent[6] = Some(format!("415-555-01{:02}", 30 + at % 3));
    sent[7] = Some(format!("{}@example.com", ["Ann.Lee", "bo"][at % 2]));
    sent
}

pub(crate) fn same(expected: &Told, told: &Told) -> Result<(), Disagreement> {
    if expected == told {
        Ok(())
    } else {
        Err(format!("expected {expected:#?}\nthe host {told:#?}"))
    }
}
