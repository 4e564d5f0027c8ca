//! A host of a test's own, and the market that it serves.

pub(crate) mod described;
mod host;
mod market;
mod moody;

pub(crate) use host::{ADMIN_TOKEN, Host, send_as};
pub(crate) use market::{Account, CAMPAIGN, Market};
pub(crate) use moody::{digest, moody, numbered};

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gavel_example_solar::{
    buyers::{Format, MockBuyer, OnPing, OnPost, Setup},
    market::PluginPaths,
};
use serde_json::{Map, Value, json};

/// Longest that a test waits for something that should happen at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for it, or fails with what was waited for.
pub(crate) async fn within<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wanted)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Looks until it is as wanted: for what only the host knows, which nobody tells.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// Whose turn it is to start a demo. A demo looks whether its usual ports are free some time
/// before it listens there, so two that start at once want the same ones.
pub(crate) static DEMO_STARTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Whose turn it is to install, build and compile what takes minutes of every core: one at a time,
/// so that tests of deadlines beside it have something left.
pub(crate) static MUCH_TO_BUILD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The plugins, built once for all tests.
pub(crate) fn plugins() -> PluginPaths {
    static BUILT: std::sync::OnceLock<PluginPaths> = std::sync::OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let built = gavel_plugin_build::find_or_build(&mut |said| eprintln!("{said}"))
            .expect("the plugins can be built");
        PluginPaths {
            roof_filter: built.roof_filter,
            http_buyer: built.http_buyer,
        }
    });
    built.clone()
}

/// A buyer that bids and posts like this, in JSON.
pub(crate) async fn buyer(ping: OnPing, post: OnPost) -> MockBuyer {
    MockBuyer::start(Setup {
        ping,
        post,
        format: Format::Json,
        ..Setup::default()
    })
    .await
    .expect("a free port")
}

/// The fields of a ping that the test market takes.
pub(crate) fn pinged() -> Map<String, Value> {
    object(json!({"state": "CA", "zip": "90210", "monthly_bill": "180", "homeowner": true}))
}

/// The same with something that no other consumer has: leads that are the same in all fields are
/// duplicates.
pub(crate) fn enquiry() -> Map<String, Value> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // Every month has the first 28 days.
    let (year, month, day) = (2000 + number / 336, 1 + number / 28 % 12, 1 + number % 28);
    let mut lead = pinged();
    let install_by = format!("{year}-{month:02}-{day:02}");
    lead.insert("install_by".into(), install_by.into());
    lead
}

/// A whole lead, of a consumer of its own.
pub(crate) fn whole() -> Map<String, Value> {
    let mut lead = enquiry();
    lead.extend(personal());
    lead
}

/// The personal fields of the same lead; every value occurs nowhere else in the project.
pub(crate) fn personal() -> Map<String, Value> {
    object(json!({
        "first_name": "Philippa",
        "last_name": "Quarterstaff",
        "email": "p.quarterstaff@example.com",
        "phone": "(415) 555-0137",
    }))
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}
