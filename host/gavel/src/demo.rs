//! `gavel demo`: a whole market on this machine, to look at.
//!
//! The host is the real one, on a real store, reached by the suppliers over HTTP; only the
//! buyers and the leads are made up. What is printed beside a supplier's answer (who bought,
//! who rejected) is the operator's knowledge, read from the host as the admin API would.

mod summary;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use gavel_example_solar::{
    buyers::demo::DemoBuyers,
    market::{EXCLUSIVE, PluginPaths, SECRET_VALUE, SUNLEADS_KEY},
    supplier::{Offers, Suppliers, Told},
};
use gavel_exchange::clock;
use tokio::sync::mpsc;

use self::summary::Summary;
use crate::{
    cli::{DemoArgs, ServeArgs},
    config::Config,
    logging,
    out::{self, Failure},
    serve::{Host, Stop},
};

/// Sales that may wait to be printed; a terminal that is slower than this loses lines, not sales.
const LINES_WAITING_MAX: usize = 1000;

/// How often leads that were accepted are looked at: nobody is told when they are sold.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The demo's own ports, where they are free.
const PORTS: [u16; 2] = [8080, 8081];

/// Runs the demo until it is interrupted, or its time is over.
pub(crate) async fn run(args: &DemoArgs) -> Result<(), Failure> {
    logging::start(&args.log, args.log_format)?;
    let mut stop =
        Stop::listen().map_err(|error| Failure(format!("signals cannot be caught: {error}")))?;
    let plugins = plugins().await?;
    let folder = Folder::make(args.data.as_deref())?;
    let seed = args.seed.unwrap_or_else(|| usual_seed(&folder));
    let buyers = DemoBuyers::start(seed)
        .await
        .map_err(|error| Failure(format!("the example buyers cannot listen: {error}")))?;
    let market = write_market(&folder, &buyers, &plugins)?;
    let host = Host::start(config(&folder, market)?).await?;
    introduce(&host, &folder, args);

    let (told, mut tells) = mpsc::channel::<Told>(LINES_WAITING_MAX);
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let suppliers = Suppliers::new(host.supplier_address());
    let (offers, rate) = (Offers::new(seed), args.rate);
    let selling = tokio::spawn(async move {
        suppliers
            .steady(offers, rate, told, async { drop(stopped.await) })
            .await;
    });
    let exchange = host.exchange();
    let mut summary = Summary::default();
    let time_is_over = async {
        match args.for_time {
            Some(time) => tokio::time::sleep(time.0).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(time_is_over);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = looks.tick() => summary.tell_of_accepted(&exchange),
            Some(told) = tells.recv() => out::line(&summary.tell(&exchange, &told)),
            () = &mut time_is_over => break,
            () = stop.told() => break,
        }
    }
    // What is under way is sold to its end; a second signal ends at once.
    drop(stopping);
    let ending = async {
        while let Some(told) = tells.recv().await {
            out::line(&summary.tell(&exchange, &told));
        }
        // Its panic would have been printed already.
        let _ended = selling.await;
        host.stop().await;
        summary.tell_of_accepted(&exchange);
    };
    tokio::select! {
        () = ending => {}
        () = stop.told() => return Err(Failure("ended at once".into())),
    }
    summary.print(&exchange);
    buyers.stop().await;
    folder.say_what_is_kept();
    Ok(())
}

/// The plugins' files; making them takes a minute the first time, and says so.
async fn plugins() -> Result<PluginPaths, Failure> {
    let building = tokio::task::spawn_blocking(|| {
        gavel_plugin_build::find_or_build(&mut |said| out::note(said))
    });
    match building.await {
        Ok(Ok(built)) => Ok(PluginPaths {
            roof_filter: built.roof_filter,
            http_buyer: built.http_buyer,
        }),
        Ok(Err(error)) => Err(Failure(error.to_string())),
        Err(_panic) => Err(Failure("the example plugins could not be built".into())),
    }
}

/// Where the demo's store and market stand.
enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn make(wanted: Option<&Path>) -> Result<Self, Failure> {
        let failed = |error| Failure(format!("no folder can be made for the demo: {error}"));
        match wanted {
            None => tempfile::tempdir().map(Self::Temporary).map_err(failed),
            Some(path) => std::fs::create_dir_all(path)
                .map(|()| Self::Kept(path.to_owned()))
                .map_err(failed),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }

    fn say_what_is_kept(&self) {
        if let Self::Kept(path) = self {
            out::line(&format!(
                "kept in {}: the store, the keys and market.toml",
                path.display()
            ));
        }
    }
}

/// The example market with the buyers' real ports, and the secret in a file: the environment
/// of a running process cannot be changed safely.
fn write_market(
    folder: &Folder,
    buyers: &DemoBuyers,
    plugins: &PluginPaths,
) -> Result<PathBuf, Failure> {
    // Beside the market, which names it so.
    let secret = Path::new("sunco.key");
    let market = folder.path().join("market.toml");
    let text = buyers
        .market_file()
        .plugins_at(plugins)
        .secret_in_file(secret)
        .render();
    std::fs::write(folder.path().join(secret), SECRET_VALUE)
        .and_then(|()| std::fs::write(&market, text))
        .map_err(|error| {
            Failure(format!(
                "{} cannot be written: {error}",
                folder.path().display()
            ))
        })?;
    Ok(market)
}

/// The demo's host listens on the usual ports where they are free, and on loopback alone.
/// The same leads at every first run. In a folder that was used before they would all be
/// duplicates.
fn usual_seed(folder: &Folder) -> u64 {
    if data(folder).exists() {
        clock::unix_ms()
    } else {
        1
    }
}

/// Where the host keeps what must survive.
fn data(folder: &Folder) -> PathBuf {
    folder.path().join("data")
}

fn config(folder: &Folder, market: PathBuf) -> Result<Config, Failure> {
    let [supplier, admin] = PORTS.map(|port| {
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let free = TcpListener::bind(usual).is_ok();
        if free {
            usual
        } else {
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        }
    });
    let args = ServeArgs {
        data: Some(data(folder)),
        market: Some(market),
        listen: Some(supplier),
        admin_listen: Some(admin),
        allow_private_buyers: Some(true),
        ..ServeArgs::default()
    };
    // Nothing of the environment: the demo is the same wherever it runs.
    Ok(Config::load(&args, |_| None)?)
}

fn introduce(host: &Host, folder: &Folder, args: &DemoArgs) {
    host.announce();
    let api = host.supplier_url();
    out::line(&format!(
        "the market is {}",
        folder.path().join("market.toml").display()
    ));
    out::line("to send a ping of your own:");
    out::line(&format!(
        "  curl {api}/v1/campaigns/{EXCLUSIVE}/ping -H 'Authorization: Bearer {SUNLEADS_KEY}' \\\n       --json '{{\"lead\": {{\"state\": \"CA\", \"zip\": \"90210\", \"monthly_bill\": \"180\", \"homeowner\": true}}}}'"
    ));
    let until = args.for_time.map_or_else(
        || "until Ctrl-C".to_owned(),
        |time| format!("for {}", humantime::format_duration(time.0)),
    );
    out::line(&format!("{} leads a second {until}:", args.rate));
}
