//! Runs the example market's buyers on the ports that `market.toml` names, and prints what
//! they receive, until interrupted. Of a lead only the names of its fields are printed.
//!
//! Before that it puts the plugins where `market.toml` says that they are, so that the file
//! can be served and applied as it stands.

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use gavel_example_solar::{
    buyers::{Received, demo::DemoBuyers},
    market::{Buyer, SECRET_ENV, SECRET_VALUE},
};
use tokio::sync::mpsc;

/// Lines that wait to be printed, at most; a slow terminal slows the printing, no buyer.
const LINES_WAITING: usize = 256;

fn main() -> ExitCode {
    match put_plugins_in_place().and_then(|()| run().map_err(Into::into)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "solar-buyers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Copies the plugins to the folder `plugins` beside `market.toml`, built first where need be.
fn put_plugins_in_place() -> Result<(), Box<dyn Error>> {
    let built = gavel_plugin_build::find_or_build(&mut |progress| {
        let _ = writeln!(io::stderr(), "{progress}");
    })?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    fs::create_dir_all(&folder)?;
    for (file, name) in [
        (built.roof_filter, "roof_filter.wasm"),
        (built.http_buyer, "http_buyer.wasm"),
    ] {
        // Whoever reads the market at the same time sees the old file or the new one.
        let half = folder.join(format!("{name}.new"));
        fs::copy(file, &half)?;
        fs::rename(half, folder.join(name))?;
    }
    Ok(())
}

#[tokio::main]
async fn run() -> io::Result<()> {
    let buyers = Arc::new(DemoBuyers::start_on_default_ports(1).await?);
    let mut out = io::stdout();
    for (buyer, running) in buyers.iter() {
        writeln!(out, "{:<11} on {}", buyer.id(), running.url("/"))?;
    }
    writeln!(
        out,
        "start the host with {SECRET_ENV}={SECRET_VALUE}; interrupt to stop"
    )?;

    let (lines, mut printing) = mpsc::channel(LINES_WAITING);
    for buyer in Buyer::ALL {
        tokio::spawn(follow(Arc::clone(&buyers), buyer, lines.clone()));
    }
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => return interrupted,
            Some(line) = printing.recv() => writeln!(out, "{line}")?,
        }
    }
}

/// Sends a line for each request that a buyer receives.
async fn follow(buyers: Arc<DemoBuyers>, buyer: Buyer, lines: mpsc::Sender<String>) {
    let Some(running) = buyers.get(buyer) else {
        return;
    };
    let mut seen = 0;
    loop {
        running.wait_until(|counts| counts.total() > seen).await;
        for received in running.received_since(seen) {
            seen = received.sequence;
            if lines.send(line(buyer, &received)).await.is_err() {
                return;
            }
        }
    }
}

fn line(buyer: Buyer, received: &Received) -> String {
    let request = &received.request;
    let fields: Vec<&str> = request.fields.keys().map(String::as_str).collect();
    format!(
        "{:<11} {:?} {}: {:?}  ({})",
        buyer.id(),
        request.kind,
        request.number,
        received.did,
        fields.join(" ")
    )
}
