//! A host with two hundred distinct plugins: how long from its start to the first answered ping.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use crate::QUIET;
use crate::harness::{Account, Host, Market, moody, numbered};
use gavel_example_solar::buyers::MockBuyer;

/// Distinct plugins, each with an account.
pub(crate) const PLUGINS: u32 = 200;

/// From the start of the process to the first answered ping, with nothing compiled before and with
/// everything.
pub(crate) struct Started {
    pub(crate) cold: Duration,
    pub(crate) warm: Duration,
}

pub(crate) async fn measure(buyer: &MockBuyer) -> Started {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sections = String::new();
    let accounts = (0..PLUGINS).map(|at| {
        let path = folder.path().join(format!("moody-{at}.wasm"));
        std::fs::write(&path, numbered(moody("calm"), at)).expect("writable");
        let path = path.display();
        let _ = writeln!(sections, "[plugins.moody-{at}]\npath = \"{path}\"");
        Account::fixed(&format!("a{at}"), "20.00", buyer).with(&format!(
            "filter = {{ plugin = \"moody-{at}\", config = {{}} }}"
        ))
    });
    let market = Market::of(accounts.collect::<Vec<_>>()).plugins(&sections);
    let begun = Instant::now();
    let mut host = Host::start_with(&market.toml(), QUIET).await;
    host.ping().await;
    let cold = begun.elapsed();
    host.kill().await;
    let begun = Instant::now();
    host.start_again().await;
    host.ping().await;
    Started {
        cold,
        warm: begun.elapsed(),
    }
}
