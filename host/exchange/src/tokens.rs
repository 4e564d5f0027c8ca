//! Tokens that the host fetches for `oauth2` secrets, and keeps (RFC 6749, section 4.4).
//!
//! A token is fetched when the market that asks for it takes effect, and again shortly before
//! it expires, by one task for each: requests only ever take what is there, and wait only for
//! the first one. Two secrets with the same endpoint, client and scope are one token, also
//! from one revision of the market to the next, since an endpoint may end the last token when
//! it gives another. Where none is to be had, requests are told at once, and the endpoint is
//! asked again after a wait that doubles.
//!
//! What goes wrong is logged and counted by the endpoint's origin and a word of the host's own;
//! nothing that the endpoint said is repeated but the error codes that the RFC names.
//!
//! `grant` has the request and how its answer is read.

mod grant;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout_at},
};
use zeroize::Zeroizing;

pub(crate) use self::grant::Grant;
use self::grant::{Fetched, GrantKey};
use crate::{
    buyers::Buyers,
    limits::{TOKEN_RETRY_FIRST, TOKEN_RETRY_MAX},
};

/// A value that is overwritten when the last holder lets go.
pub(crate) type Value = Arc<Zeroizing<String>>;

/// The tokens that the market in force asks for.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    in_force: Mutex<HashMap<GrantKey, Arc<Token>>>,
}

/// One token, or the lack of one. Its `Debug` shows where it is fetched.
pub(crate) struct Token {
    grant: Arc<Grant>,
    state: watch::Receiver<State>,
    /// Told when a buyer does not accept the token.
    doubted: Arc<Notify>,
    /// Given to the task that keeps it, once there is one.
    keeper: Mutex<Keeper>,
}

enum Keeper {
    NotYet(watch::Sender<State>),
    Running(AbortHandle),
    Stopped,
}

/// What is known of a token.
#[derive(Default)]
struct State {
    held: Option<Held>,
    /// The one before, which a buyer's answer may still repeat.
    former: Option<Value>,
    /// Whether the endpoint, asked last, gave none.
    failing: bool,
}

struct Held {
    value: Value,
    usable_until: Instant,
}

impl State {
    fn usable(&self) -> Option<&Value> {
        let held = self.held.as_ref()?;
        (Instant::now() < held.usable_until).then_some(&held.value)
    }

    fn take(&mut self, fetched: Fetched) {
        let held = Held {
            value: fetched.value,
            usable_until: fetched.usable_until,
        };
        self.former = self.held.replace(held).map(|former| former.value);
        self.failing = false;
    }
}

impl Tokens {
    /// The token of a grant: the one in force, or a new one, which is fetched once it is in force.
    pub(crate) fn token(&self, grant: Grant) -> Arc<Token> {
        let in_force = self.in_force().get(&grant.key()).cloned();
        in_force.unwrap_or_else(|| Arc::new(Token::new(grant)))
    }

    /// From here on these tokens are kept, and no others.
    pub(crate) fn put_in_force<'a>(
        &self,
        tokens: impl Iterator<Item = &'a Arc<Token>>,
        buyers: &Buyers,
    ) {
        let mut in_force = self.in_force();
        let before = std::mem::take(&mut *in_force);
        for token in tokens {
            let kept = in_force
                .entry(token.grant.key())
                .or_insert_with(|| Arc::clone(token));
            kept.start(buyers);
        }
        let stays = |token: &Token| in_force.contains_key(&token.grant.key());
        for token in before.values().filter(|token| !stays(token)) {
            token.stop();
        }
    }

    fn in_force(&self) -> MutexGuard<'_, HashMap<GrantKey, Arc<Token>>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token {
    fn new(grant: Grant) -> Self {
        let (sender, state) = watch::channel(State::default());
        Self {
            grant: Arc::new(grant),
            state,
            doubted: Arc::default(),
            keeper: Mutex::new(Keeper::NotYet(sender)),
        }
    }

    /// The token, waited for until then where it is being fetched; `None` where it cannot be
    /// had by then, at once where the endpoint has just failed.
    pub(crate) async fn value(&self, until: Instant) -> Option<Value> {
        let mut state = self.state.clone();
        let decided = state.wait_for(|state| state.failing || state.usable().is_some());
        let state = timeout_at(until, decided).await.ok()?.ok()?;
        state.usable().cloned()
    }

    /// Everything that an answer may hold and nobody may see: the token, the one before, and
    /// the secret that they are fetched with.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> {
        let state = self.state.borrow();
        let held = state.held.as_ref().map(|held| Arc::clone(&held.value));
        let former = state.former.clone();
        [held, former, Some(self.grant.secret())]
            .into_iter()
            .flatten()
    }

    /// A buyer did not accept this value. Where it is still the one held another is fetched,
    /// not for this request but for those to come.
    pub(crate) fn doubt(&self, value: &Value) {
        let state = self.state.borrow();
        let held = state.held.as_ref();
        if held.is_some_and(|held| Arc::ptr_eq(&held.value, value)) {
            self.doubted.notify_one();
        }
    }

    fn start(&self, buyers: &Buyers) {
        let mut keeper = self.keeper();
        *keeper = match std::mem::replace(&mut *keeper, Keeper::Stopped) {
            Keeper::NotYet(sender) => {
                let (grant, doubted) = (Arc::clone(&self.grant), Arc::clone(&self.doubted));
                let task = tokio::spawn(keep(grant, buyers.clone(), sender, doubted));
                Keeper::Running(task.abort_handle())
            }
            other => other,
        };
    }

    fn stop(&self) {
        if let Keeper::Running(task) = std::mem::replace(&mut *self.keeper(), Keeper::Stopped) {
            task.abort();
        }
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(from {})", self.grant.origin())
    }
}

/// Fetches a token, and again before each one expires: never two at a time.
async fn keep(
    grant: Arc<Grant>,
    buyers: Buyers,
    state: watch::Sender<State>,
    doubted: Arc<Notify>,
) {
    // After failures, and before a token is fetched because the last was doubted.
    let (mut wait, mut doubt_wait) = (TOKEN_RETRY_FIRST, Duration::ZERO);
    loop {
        match grant.fetch(&buyers).await {
            Ok(fetched) => {
                count(&grant, "fetched");
                wait = TOKEN_RETRY_FIRST;
                let (renew_at, doubts_from) = (fetched.renew_at, Instant::now() + doubt_wait);
                state.send_modify(|state| state.take(fetched));
                let refused = async {
                    doubted.notified().await;
                    sleep_until(doubts_from).await;
                };
                tokio::select! {
                    () = sleep_until(renew_at) => doubt_wait = Duration::ZERO,
                    () = refused => doubt_wait = (doubt_wait * 2).clamp(TOKEN_RETRY_FIRST, TOKEN_RETRY_MAX),
                }
            }
            Err(problem) => {
                count(&grant, problem.word());
                tracing::warn!(
                    endpoint = %grant.origin(),
                    account = %grant.account(),
                    secret = grant.name(),
                    %problem,
                    again_in = ?wait,
                    "no token for an oauth2 secret"
                );
                state.send_modify(|state| state.failing = true);
                sleep_until(Instant::now() + wait).await;
                wait = (wait * 2).min(TOKEN_RETRY_MAX);
            }
        }
    }
}

fn count(grant: &Grant, outcome: &'static str) {
    metrics::counter!("gavel_token_fetches_total", "endpoint" => grant.origin().to_string(), "outcome" => outcome).increment(1);
}
