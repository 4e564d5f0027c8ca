//! What a fresh call of a plugin costs: for tuning guests and the sandbox's settings.
//!
//! ```sh
//! cargo run --release -p gavel-sandbox --example fresh_call -- plugin.wasm '{"shade": ["none"]}'
//! ```
//!
//! Each call is a store, an instance, `open`, `qualify` or `ping`, and all of it dropped.
//! On a machine with other work the minimum says most.

#![allow(clippy::print_stdout)] // a measurement is printed

use std::{
    collections::BTreeMap,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use gavel_market::{
    field::{FieldSpec, FieldType, Value},
    lead::PingLead,
    model::{CallLimits, LeadType},
};
use gavel_sandbox::{Call, Kind, PingView, Plugin, Sandbox, SandboxSettings, Transaction};

/// Calls that are timed, after a tenth of them to warm up.
const CALLS: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: fresh_call PLUGIN.wasm [CONFIG.json as text]")?;
    let config = arguments.next().unwrap_or_else(|| "{}".into());
    let bytes = std::fs::read(&path)?;

    let sandbox = Sandbox::new(SandboxSettings::default())?;
    let limits = CallLimits::default();
    let start = Instant::now();
    let plugin = sandbox.load(&"measured".parse()?, &bytes, limits)?;
    println!(
        "{path}: {:?}, {} bytes, loaded in {:?}",
        plugin.kind(),
        bytes.len(),
        start.elapsed()
    );

    let call = Call {
        account: "account".parse()?,
        config: config.into(),
        limits,
        order: "po_0.0".into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(measure(&plugin, &call))
}

async fn measure(plugin: &Plugin, call: &Call) -> Result<(), Box<dyn Error>> {
    plugin.check_config(&call.account, &call.config).await?;
    let view = lead()?;
    let mut times = Vec::with_capacity(CALLS);
    let mut cpu = Duration::ZERO;
    for turn in 0..CALLS + CALLS / 10 {
        let start = Instant::now();
        let used = match plugin.kind() {
            Kind::Filter => plugin.qualify(call, &view).await?.cpu,
            Kind::Adapter => plugin.ping(call, &view, &[]).await?.cpu,
        };
        if turn >= CALLS / 10 {
            times.push(start.elapsed());
            cpu += used;
        }
    }
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 1000)
            .copied()
            .unwrap_or_default()
            .as_secs_f64()
            * 1e6
    };
    println!(
        "fresh call, µs: min {:.1}, p50 {:.1}, p99 {:.1}, p99.9 {:.1}",
        at(0),
        at(500),
        at(990),
        at(999)
    );
    println!(
        "processor time, µs: mean {:.1}",
        cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(CALLS)?)
    );
    Ok(())
}

/// A lead of nine fields, as in the figures of `design.md`.
fn lead() -> Result<PingView, Box<dyn Error>> {
    let text = || FieldType::Text {
        one_of: None,
        pattern: None,
        max_length: 100,
        no_personal_check: false,
    };
    let names = [
        "state",
        "zip",
        "roof_shade",
        "home_owner",
        "electric_bill",
        "utility",
        "credit",
        "roof_type",
        "built",
    ];
    let field = |name: &str| FieldSpec {
        name: name.into(),
        kind: text(),
        personal: false,
        description: None,
    };
    let fields: Vec<_> = names.iter().map(|name| field(name)).collect();
    let by_name: BTreeMap<_, _> = fields
        .iter()
        .enumerate()
        .map(|(at, field)| (Arc::clone(&field.name), at))
        .collect();
    let lead_type = Arc::new(LeadType {
        id: "measured".parse()?,
        fields,
        by_name,
    });
    let values = names.iter().map(|_| Some(Value::Text("none".into())));
    let transaction = Transaction {
        campaign: "campaign".parse()?,
        received_at_ms: 1_700_000_000_000,
        currency: "USD".into(),
        sub_id: None,
        is_test: false,
    };
    Ok(PingView::new(
        Arc::new(PingLead::new(lead_type, values)),
        Arc::new(transaction),
    ))
}
