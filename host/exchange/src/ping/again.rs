//! Step 5: a ping that repeats an `Idempotency-Key` gets the first one's answer.
//!
//! Of the key only a keyed hash is kept. Within this process the first ping holds a lock
//! for its key while it is being answered, so that a repeat waits for it; what was answered
//! is in the store, in the same transaction as the order.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gavel_market::{ids::Digest, record::PingAnswer};
use gavel_store::{Again, Remembered};
use tokio::{sync::OwnedMutexGuard, time::timeout_at};

use super::Asked;
use crate::{
    Inner,
    api::{PingReply, Refusal},
    clock,
};

type Lock = Arc<tokio::sync::Mutex<()>>;

/// The keys of pings, and of direct posts, that are being answered.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<Digest, Lock>>);

/// What a ping meets at this step.
pub(super) enum Entered {
    /// It was answered before.
    Before(PingReply),
    /// The first one is still being answered, and this one's own time is over.
    TooLate,
    /// It is the first, or has no key.
    First(Option<First>),
}

/// Held by the first ping with its key until its answer is kept.
pub(crate) struct First {
    key: Digest,
    request: Digest,
    _lock: Held,
}

/// A key's lock, which leaves the map when nobody else wants it.
pub(crate) struct Held {
    inner: Arc<Inner>,
    key: Digest,
    guard: Option<OwnedMutexGuard<()>>,
}

/// Looks whether this ping is a repeat, and waits for the first one where that is under way.
pub(super) async fn enter(inner: &Arc<Inner>, asked: &Asked) -> Result<Entered, Refusal> {
    let Some(text) = &asked.controls.idempotency_key else {
        return Ok(Entered::First(None));
    };
    let key = key(inner, asked, text);
    let request = inner
        .store
        .keyed_hash("pinged request", &request_bytes(asked));
    let lock = inner.again.lock_of(key);
    let Ok(guard) = timeout_at(asked.record_until(), lock.lock_owned()).await else {
        // The first may have ended while this one was still counted as waiting.
        inner.again.forget(key);
        return Ok(Entered::TooLate);
    };
    let held = Held::new(inner, key, guard);
    match inner.store.again(&key)? {
        Some(before) if before.expires_at_ms > asked.received.unix_ms => {
            if before.request_hash != request {
                return Err(Refusal::IdempotencyKeyReused);
            }
            told_before(asked, before).map(Entered::Before)
        }
        _ => Ok(Entered::First(Some(First {
            key,
            request,
            _lock: held,
        }))),
    }
}

/// The answer that was given before. Only pings' stand under a ping's key.
pub(super) fn told_before(asked: &Asked, before: Again) -> Result<PingReply, Refusal> {
    match before.answer {
        Remembered::Ping(answer) => Ok(PingReply {
            ping_id: before.ping,
            again: true,
            ..asked.reply(answer)
        }),
        Remembered::Posted(_) => Err(Refusal::Broken),
    }
}

/// The key's hash. A campaign has one supplier, so its name says whose key this is; a test
/// meets tests alone.
fn key(inner: &Inner, asked: &Asked, text: &str) -> Digest {
    if asked.test {
        // A campaign's name has no zero byte.
        let bytes = [asked.campaign.id.as_str().as_bytes(), &[0], text.as_bytes()].concat();
        inner.store.keyed_hash("idempotency key of a test", &bytes)
    } else {
        inner.store.again_key(&asked.campaign.id, text)
    }
}

/// The request once decoded: its fields and controls, not its spelling.
fn request_bytes(asked: &Asked) -> Vec<u8> {
    let controls = &asked.controls;
    let request = (
        asked.lead.entries(),
        controls.tmax,
        controls.min_bid,
        &controls.sub_id,
    );
    serde_json::to_vec(&request).unwrap_or_default()
}

impl First {
    /// What is to be kept of this ping's answer.
    pub(super) fn answered(&self, asked: &Asked, answer: &PingAnswer) -> Again {
        let expires_at_ms = match answer {
            PingAnswer::Bid { expires_at_ms, .. } => *expires_at_ms,
            PingAnswer::NoBid { .. } => {
                clock::unix_ms().saturating_add(clock::millis(asked.campaign.window))
            }
        };
        Again {
            key: self.key,
            request_hash: self.request,
            ping: asked.id,
            answer: answer.clone().into(),
            expires_at_ms,
        }
    }
}

/// Holds a key for this request alone; none while another request has it.
pub(crate) fn hold(inner: &Arc<Inner>, key: Digest) -> Option<Held> {
    let lock = inner.again.lock_of(key);
    let Ok(guard) = lock.try_lock_owned() else {
        inner.again.forget(key);
        return None;
    };
    Some(Held::new(inner, key, guard))
}

impl Held {
    fn new(inner: &Arc<Inner>, key: Digest, guard: OwnedMutexGuard<()>) -> Self {
        Self {
            inner: Arc::clone(inner),
            key,
            guard: Some(guard),
        }
    }
}

impl Waiting {
    fn lock_of(&self, key: Digest) -> Lock {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(keys.entry(key).or_default())
    }

    fn forget(&self, key: Digest) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One reference is the map's own: nobody waits.
        if keys
            .get(&key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            keys.remove(&key);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.guard = None;
        self.inner.again.forget(self.key);
    }
}
