//! Accounts that fail are left alone for a while: one circuit breaker for each, in memory.
//!
//! The rules are `market::breaker`'s; here is the clock, which never goes back, and what makes
//! sure that a probe is given back however its ping ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gavel_market::{
    breaker::{Asks, Breaker, End, Kind, Pass},
    ids::AccountId,
    model::Account,
};
use tokio::time::Instant;

use crate::{
    clock,
    events::{Events, What},
};

/// The breakers of all accounts that were asked for a lead since the host started.
#[derive(Debug, Clone)]
pub(crate) struct Breakers(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    began: Instant,
    /// Where it is told that an account is left alone.
    events: Events,
    accounts: Mutex<HashMap<AccountId, Breaker>>,
}

/// A ping's leave to ask an account, given back when dropped.
#[derive(Debug)]
pub(crate) struct Passed {
    kept: Arc<Kept>,
    account: AccountId,
    /// There until it is given back.
    pass: Option<Pass>,
}

impl Kept {
    fn now_ms(&self) -> u64 {
        clock::millis(self.began.elapsed())
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Breaker>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same moment on the wall clock.
    fn unix_ms(&self, at_ms: u64) -> u64 {
        let from_now = at_ms.saturating_sub(self.now_ms());
        clock::unix_ms().saturating_add(from_now)
    }

    /// Notes how something ended, and tells it where the account is left alone from now on.
    fn end(&self, account: &AccountId, kind: Kind, end: End, pass: Option<&Pass>) {
        let opened = self.with(account, |breaker, now_ms| {
            let before = breaker.skipped_until_ms(kind);
            breaker.end(kind, end, pass, now_ms);
            let after = breaker.skipped_until_ms(kind);
            after.filter(|_| after != before)
        });
        if let Some(until_ms) = opened {
            self.events.tell(|| What::CircuitOpen {
                account: account.clone(),
                asked: kind.word(),
                until_ms: self.unix_ms(until_ms),
            });
        }
    }

    /// Held for a few comparisons.
    fn with<T>(&self, account: &AccountId, change: impl FnOnce(&mut Breaker, u64) -> T) -> T {
        let now_ms = self.now_ms();
        let mut accounts = self.accounts();
        match accounts.get_mut(account) {
            Some(breaker) => change(breaker, now_ms),
            None => change(accounts.entry(account.clone()).or_default(), now_ms),
        }
    }
}

impl Breakers {
    /// With no account that has failed yet; where one is left alone, that is told.
    pub(crate) fn new(events: Events) -> Self {
        Self(Arc::new(Kept {
            began: Instant::now(),
            events,
            accounts: Mutex::default(),
        }))
    }

    /// Until when an account is left alone, for each kind for which it is, as Unix time in
    /// milliseconds.
    pub(crate) fn open(&self, account: &AccountId) -> Vec<(Kind, u64)> {
        let now_ms = self.0.now_ms();
        let accounts = self.0.accounts();
        let until = |kind| accounts.get(account)?.skipped_until_ms(kind);
        let open = Kind::ALL.into_iter().filter_map(|kind| {
            let until_ms = until(kind).filter(|until_ms| now_ms < *until_ms)?;
            Some((kind, self.0.unix_ms(until_ms)))
        });
        open.collect()
    }

    /// Lets a ping ask an account; none where the account is to be left alone.
    pub(crate) fn pass(&self, account: &Account) -> Option<Passed> {
        let entered = self.0.with(&account.id, |breaker, now_ms| {
            breaker.enter(Asks::of(account), now_ms)
        });
        match entered {
            Ok(pass) => Some(Passed {
                kept: Arc::clone(&self.0),
                account: account.id.clone(),
                pass: Some(pass),
            }),
            Err(_open) => {
                metrics::counter!("gavel_circuit_open_total", "account" => account.id.to_string())
                    .increment(1);
                None
            }
        }
    }

    /// How a post to an account ended, or what a delivery asked it before. Of no test.
    pub(crate) fn ended(&self, account: &AccountId, kind: Kind, end: End) {
        self.0.end(account, kind, end, None);
    }
}

impl Passed {
    /// How it ended what the ping asked the account for.
    pub(crate) fn ended(&self, kind: Kind, end: End) {
        self.kept.end(&self.account, kind, end, self.pass.as_ref());
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.kept
                .with(&self.account, |breaker, _now_ms| breaker.leave(pass));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gavel_market::file::parse_toml;

    use super::*;

    fn account() -> Arc<Account> {
        let text = r#"
        currency = "USD"
        timezone = "UTC"
        [lead_types.solar.fields]
        state = { type = "us_state" }
        [buyers.b]
        name = "B"
        timezone = "UTC"
        [accounts.a]
        buyer = "b"
        lead_type = "solar"
        adapter = { plugin = "p" }
        hosts = ["http://127.0.0.1:1"]
        [plugins.p]
        path = "p.wasm"
        "#;
        let market = parse_toml(text).unwrap_or_else(|errors| panic!("{errors:#?}"));
        Arc::clone(&market.accounts[0])
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_whose_ping_is_dropped_lets_the_next_one_try() {
        let (breakers, account) = (Breakers::new(Events::default()), account());
        for _ in 0..5 {
            let passed = breakers.pass(&account).expect("not open yet");
            passed.ended(Kind::Ping, End::Bad);
        }
        assert!(breakers.pass(&account).is_none());
        let open = breakers.open(&account.id);
        assert!(matches!(open[..], [(Kind::Ping, _)]), "{open:?}");
        tokio::time::advance(Duration::from_secs(1)).await;
        let probe = breakers.pass(&account).expect("one may try");
        assert!(breakers.pass(&account).is_none(), "one at a time");
        drop(probe);
        let probe = breakers.pass(&account).expect("the next may try");
        probe.ended(Kind::Ping, End::Good);
        assert!(breakers.pass(&account).is_some(), "all pass again");
    }
}
