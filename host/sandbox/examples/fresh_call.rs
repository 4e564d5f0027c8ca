//! What a call of a plugin costs, fresh and reused: for tuning guests and the sandbox's settings.
//!
//! ```sh
//! cargo run --release -p gavel-sandbox --example fresh_call -- plugin.wasm '{"shade": ["none"]}'
//! ```
//!
//! A fresh call is a store, an instance, `open`, `qualify` or `ping`, and all of it dropped;
//! a reused one `qualify` or `ping` alone. On a machine with other work the minimum says most.

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
    model::{CallLimits, Instances, LeadType},
};
use gavel_sandbox::{
    Call, Fault, Gated, Kind, PingView, Plugin, Sandbox, SandboxSettings, Transaction,
};

/// Calls that are timed, after a tenth of them to warm up.
const CALLS: usize = 20_000;

/// Loads from sealed code, of which the mean is told.
const SEALED_LOADS: u32 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: fresh_call PLUGIN.wasm [CONFIG.json as text] [MiB of memory]")?;
    let config = arguments.next().unwrap_or_else(|| "{}".into());
    let mut limits = CallLimits::default();
    if let Some(mebibytes) = arguments.next() {
        limits.memory = mebibytes.parse::<usize>()? << 20;
        // Who needs more memory starts more slowly too; nothing here measures the bound.
        limits.time = Duration::from_secs(1);
    }
    let bytes = std::fs::read(&path)?;

    let settings = SandboxSettings {
        code_key: Some([0; 32]),
        reused_check_every: 0,
        ..SandboxSettings::default()
    };
    let (sandbox, name) = (Sandbox::new(settings)?, "measured".parse()?);
    let Gated { report, plugin } = sandbox.gate(&name, &bytes, limits);
    for step in &report.steps {
        println!("{:>9} µs {}: {}", step.micros, step.step, step.detail);
    }
    let plugin = plugin?;
    let sealed = plugin.seal().ok_or("there is a key")??;
    let start = Instant::now();
    for _ in 0..SEALED_LOADS {
        sandbox.load_sealed(&name, plugin.digest(), &sealed, limits)?;
    }
    println!(
        "{path}: {}, {} bytes; {} bytes sealed, loaded from them in {:?}",
        plugin.kind(),
        bytes.len(),
        sealed.len(),
        start.elapsed() / SEALED_LOADS
    );

    let call = Call {
        account: "account".parse()?,
        config: config.into(),
        limits,
        order: "po_0.0".into(),
        instances: Instances::Fresh,
    };
    runtime()?.block_on(measure(&plugin, &call))?;
    let (one, two) = (
        calls_a_second(&plugin, &call, 1)?,
        calls_a_second(&plugin, &call, 2)?,
    );
    println!(
        "Fresh calls a second: {one:.0} on one thread, {two:.0} on two, {:.2} times as many",
        two / one
    );
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
}

/// Fresh calls that so many threads make together in a second.
fn calls_a_second(plugin: &Plugin, call: &Call, threads: usize) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    let done = std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(plugin, call).map_err(|error| error.to_string())))
            .collect();
        working
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a thread panicked".to_owned()))
            })
            .collect::<Result<Vec<_>, String>>()
    });
    done?;
    #[allow(clippy::cast_precision_loss)] // some ten thousand
    let calls = (threads * CALLS) as f64;
    Ok(calls / begun.elapsed().as_secs_f64())
}

/// One thread's share of the calls.
fn work(plugin: &Plugin, call: &Call) -> Result<(), Box<dyn Error>> {
    let view = lead()?;
    runtime()?.block_on(async {
        for _ in 0..CALLS {
            let asked = match plugin.kind() {
                Kind::Filter => plugin.qualify(call, &view).await.map(drop),
                Kind::Adapter => plugin.ping(call, &view, &[]).await.map(drop),
            };
            asked.map_err(|fault| in_words(&fault))?;
        }
        Ok(())
    })
}

/// Calls in fresh and in reused instances by turns, so that whatever else the machine does
/// meets both.
async fn measure(plugin: &Plugin, call: &Call) -> Result<(), Box<dyn Error>> {
    plugin.check_config(&call.account, &call.config).await?;
    let view = lead()?;
    let kinds = [Instances::Fresh, Instances::Reused].map(|instances| Call {
        instances,
        ..call.clone()
    });
    let mut measured = kinds.each_ref().map(|_| Measured::default());
    for turn in 0..CALLS + CALLS / 10 {
        for (call, measured) in kinds.iter().zip(&mut measured) {
            let start = Instant::now();
            let (cpu, memory) = match plugin.kind() {
                Kind::Filter => {
                    let called = plugin
                        .qualify(call, &view)
                        .await
                        .map_err(|fault| in_words(&fault))?;
                    (called.cpu, called.memory)
                }
                Kind::Adapter => {
                    let called = plugin
                        .ping(call, &view, &[])
                        .await
                        .map_err(|fault| in_words(&fault))?;
                    (called.cpu, called.memory)
                }
            };
            if turn >= CALLS / 10 {
                measured.times.push(start.elapsed());
                measured.cpu += cpu;
                measured.memory = measured.memory.max(memory);
            }
        }
    }
    for (call, measured) in kinds.iter().zip(&mut measured) {
        measured.times.sort_unstable();
        println!(
            "{:?} call, µs: min {:.1}, p50 {:.1}, p99 {:.1}, p99.9 {:.1}; processor time, mean {:.1}; memory {} KiB",
            call.instances,
            measured.at(0),
            measured.at(500),
            measured.at(990),
            measured.at(999),
            measured.cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(CALLS)?),
            measured.memory >> 10,
        );
    }
    let [fresh, reused] = &measured;
    println!(
        "fresh / reused: min {:.1}, p50 {:.1}",
        fresh.at(0) / reused.at(0),
        fresh.at(500) / reused.at(500)
    );
    if let Some(stateful) = plugin.stateful() {
        println!("it keeps state: {stateful}");
    }
    Ok(())
}

/// The lead is made up, so the plugin's own words may be shown.
fn in_words(fault: &Fault) -> String {
    format!("{fault}: {}", fault.message())
}

#[derive(Default)]
struct Measured {
    times: Vec<Duration>,
    cpu: Duration,
    memory: usize,
}

impl Measured {
    /// The time that so many thousandths of the calls took no longer than, in µs.
    fn at(&self, share: usize) -> f64 {
        let at = self.times.len() * share / 1000;
        self.times
            .get(at)
            .copied()
            .unwrap_or_default()
            .as_secs_f64()
            * 1e6
    }
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
