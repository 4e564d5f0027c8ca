//! `gavel serve`: the host, from its start to its end.

use std::{io, net::SocketAddr, time::Duration};

use gavel_exchange::Exchange;
use gavel_sandbox::{Sandbox, SandboxSettings};
use gavel_store::Store;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    admin::{AdminApi, health::Health},
    cli::ServeArgs,
    config::{Config, secrets},
    http::{
        address::Address,
        connection::Handler,
        listener::{Listener, Offer, tls_config},
    },
    logging, open_files,
    out::{self, Failure},
    start_market,
    supplier::SupplierApi,
};

/// How long what is in flight may take at the end: a post's longest wait, by default 20 s,
/// and room. What is left then is resumed at the next start.
const GRACE: Duration = Duration::from_secs(30);

/// Of [`GRACE`], what the exchange has at least after the last supplier was answered.
const DRAIN_LEAST: Duration = Duration::from_secs(5);

/// Operators' connections at a time.
const ADMIN_CONNECTIONS_MAX: usize = 256;

/// How often the metrics' recorder tidies up its histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Upper bounds of the histograms' buckets, in seconds: the product's deadlines are from 50 ms
/// to 20 s, and a ping that stays in the process takes well below one millisecond.
const BUCKETS_S: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 20.0,
];

/// Runs the host until it is told to stop.
pub(crate) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    logging::start(&args.log, args.log_format)?;
    let config = Config::load(args, |name| std::env::var(name).ok())?;
    let mut stop =
        Stop::listen().map_err(|error| Failure(format!("signals cannot be caught: {error}")))?;
    let host = Host::start(config).await?;
    host.announce();
    stop.told().await;
    tracing::info!("stopping: what is in flight is finished; a second signal ends at once");
    tokio::select! {
        () = host.stop() => Ok(()),
        () = stop.told() => Err(Failure("ended at once; what was in flight is resumed at the next start".into())),
    }
}

/// A host at work.
pub(crate) struct Host {
    exchange: Exchange,
    supplier: Listener,
    admin: Listener,
    health: Health,
    /// The operator's token, where it was made by this start.
    made_token: Option<String>,
}

impl Host {
    /// Opens the store, starts the exchange, applies the market, and listens.
    pub(crate) async fn start(config: Config) -> Result<Self, Failure> {
        open_files::allow(
            config
                .max_connections
                .saturating_add(config.exchange.outbound_connections)
                .saturating_add(ADMIN_CONNECTIONS_MAX),
        );
        let metrics = metrics()?;
        let tls = config
            .tls
            .as_ref()
            .map(|(cert, key)| tls_config(cert, key))
            .transpose()
            .map_err(Failure)?;
        let exchange = exchange(&config).await?;
        start_market::apply(&exchange, config.market.as_deref()).await?;
        let (token, made_token) = match config.admin_token {
            Some(token) => (token, None),
            None => secrets::admin_token(&config.data)?,
        };
        let health = Health::new(metrics);
        let address = Address {
            set: config.public_url,
            tls: tls.is_some(),
            listening: config.listen,
        };
        let supplier = listen(Offer {
            listen: config.listen,
            tls,
            max_connections: config.max_connections,
            handler: SupplierApi::new(exchange.clone(), config.max_body_bytes, address.clone()),
        })?;
        // The port may have been picked just now.
        let address = Address {
            listening: supplier.address(),
            ..address
        };
        let admin = listen(Offer {
            listen: config.admin_listen,
            tls: None,
            max_connections: ADMIN_CONNECTIONS_MAX,
            handler: AdminApi::new(exchange.clone(), token, health.clone(), address),
        })?;
        Ok(Self {
            exchange,
            supplier,
            admin,
            health,
            made_token,
        })
    }

    /// Says where it is, and the token if it was made just now.
    pub(crate) fn announce(&self) {
        out::line(&format!("supplier API on {}", self.supplier.url()));
        out::line(&format!("admin API on {}", self.admin.url()));
        if let Some(token) = &self.made_token {
            out::line(&format!("admin token, shown this once: {token}"));
        }
    }

    /// The exchange, for whoever looks at the market from inside.
    pub(crate) fn exchange(&self) -> Exchange {
        self.exchange.clone()
    }

    /// Where suppliers are served.
    pub(crate) fn supplier_address(&self) -> SocketAddr {
        self.supplier.address()
    }

    /// The same, as a URL.
    pub(crate) fn supplier_url(&self) -> String {
        self.supplier.url()
    }

    /// Accepts nothing more, finishes what is in flight, and ends.
    ///
    /// The admin API ends last: whoever watches the host can see it stop.
    pub(crate) async fn stop(self) {
        let deadline = tokio::time::Instant::now() + GRACE;
        self.health.stop();
        let answered = self.supplier.finish(GRACE).await;
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let drained = self.exchange.drain(left.max(DRAIN_LEAST)).await;
        if !(answered && drained) {
            tracing::warn!(
                "not everything in flight was finished in time; it is resumed at the next start"
            );
        }
        self.admin.finish(Duration::from_secs(1)).await;
        tracing::info!("stopped");
    }
}

fn listen<H: Handler>(offer: Offer<H>) -> Result<Listener, Failure> {
    let address = offer.listen;
    Listener::start(offer).map_err(|error| {
        Failure(format!(
            "cannot listen on {address} for the {} API: {error}",
            H::API
        ))
    })
}

/// The exchange on its store and its sandbox.
async fn exchange(config: &Config) -> Result<Exchange, Failure> {
    let key = secrets::encryption_key(config.encryption_key.as_ref(), &config.data)?;
    let folder = config.data.join("store");
    let opening = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || {
            Store::open(
                &folder,
                &gavel_store::StoreKey::from_bytes(key),
                gavel_store::Settings::default(),
            )
        }
    });
    let store = match opening.await {
        Ok(opened) => opened.map_err(|error| {
            Failure(format!(
                "the store in {} cannot be opened: {}",
                folder.display(),
                causes(&error)
            ))
        })?,
        Err(_panic) => {
            return Err(Failure(format!(
                "the store in {} cannot be read",
                folder.display()
            )));
        }
    };
    // Compiled code is sealed under a key that follows from the store's, and is of no use elsewhere.
    let sandbox = SandboxSettings {
        code_key: Some(store.keyed_hash("compiled code", b"").0),
        ..config.sandbox.clone()
    };
    let sandbox = Sandbox::new(sandbox).map_err(|error| Failure(causes(&error)))?;
    Exchange::start(store, sandbox, config.exchange.clone())
        .await
        .map_err(|error| Failure(causes(&error)))
}

/// An error with everything that led to it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Starts to count and to measure.
fn metrics() -> Result<PrometheusHandle, Failure> {
    let failed = |error: metrics_exporter_prometheus::BuildError| {
        Failure(format!("metrics cannot be kept: {error}"))
    };
    let handle = PrometheusBuilder::new()
        .set_buckets(&BUCKETS_S)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(failed)?;
    let recorder = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        loop {
            ticks.tick().await;
            recorder.run_upkeep();
        }
    });
    Ok(handle)
}

/// SIGTERM, as a supervisor sends it, and SIGINT, as a terminal does.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// From now on neither ends the process by itself.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
