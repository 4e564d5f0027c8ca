//! From a buyer's name to its addresses.
//!
//! The system's resolver blocks a thread and cannot be called off: with a name server that
//! does not answer, every ping would leave one more thread behind. So there is at most one
//! look-up of a name at a time, everybody who needs it waits for that one, and it goes on
//! when they have given up. Nothing is remembered: an answer is used once and then gone.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::sync::Semaphore;

use super::limits::LOOKUPS_MAX;

/// The addresses of a name; none where it has none or could not be looked up.
type Addresses = Arc<[IpAddr]>;
type Lookup = Shared<BoxFuture<'static, Addresses>>;

#[derive(Clone)]
pub(super) struct Resolver(Arc<Inner>);

struct Inner {
    running: Mutex<HashMap<String, Lookup>>,
    slots: Semaphore,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            running: Mutex::default(),
            slots: Semaphore::new(LOOKUPS_MAX),
        }))
    }

    /// The addresses of `name`, in the system's order.
    pub(super) async fn addresses(&self, name: &str) -> Addresses {
        self.lookup(name).await
    }

    /// The look-up of `name` that is under way, or else a new one.
    fn lookup(&self, name: &str) -> Lookup {
        let mut running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = running.get(name) {
            return lookup.clone();
        }
        let task = tokio::spawn(look_up(Arc::clone(&self.0), name.to_owned()));
        let lookup = async move { task.await.unwrap_or_default() }
            .boxed()
            .shared();
        running.insert(name.to_owned(), lookup.clone());
        lookup
    }
}

async fn look_up(inner: Arc<Inner>, name: String) -> Addresses {
    let found = match inner.slots.acquire().await {
        // The port is not looked up.
        Ok(_slot) => tokio::net::lookup_host((name.as_str(), 0)).await.ok(),
        Err(_closed) => None,
    };
    inner
        .running
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&name);
    found
        .into_iter()
        .flatten()
        .map(|address| address.ip())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_once_for_all_who_wait() {
        let resolver = Resolver::new();
        let (first, second) = (resolver.lookup("localhost"), resolver.lookup("localhost"));
        assert!(first.ptr_eq(&second));
        assert!(first.await.iter().any(IpAddr::is_loopback));
        assert!(resolver.0.running.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_name_without_addresses_has_none() {
        // Too long to be asked of a name server, so the answer needs none.
        assert!(Resolver::new().addresses(&"x".repeat(64)).await.is_empty());
    }
}
