//! The buyers of the example market, each with its character.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use super::{Amount, Fields, Format, MockBuyer, OnPing, OnPost, Setup};
use crate::market::{Buyer, MarketFile, SECRET_VALUE};

/// How long a buyer takes to think about a bid, or to take a lead into its books: enough
/// to be seen in a ping's timings.
const THINKING: Duration = Duration::from_millis(15);

/// The example's buyers, running.
pub struct DemoBuyers {
    running: BTreeMap<Buyer, MockBuyer>,
}

impl DemoBuyers {
    /// Starts all of them on free ports.
    pub async fn start(seed: u64) -> io::Result<Self> {
        Self::start_at(seed, |_| (Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Starts all of them where `market.toml` says that they listen.
    pub async fn start_on_default_ports(seed: u64) -> io::Result<Self> {
        Self::start_at(seed, Buyer::default_address).await
    }

    async fn start_at(seed: u64, address: impl Fn(Buyer) -> SocketAddr) -> io::Result<Self> {
        let mut running = BTreeMap::new();
        for (buyer, seed) in Buyer::ALL.into_iter().zip(seed..) {
            let setup = Setup {
                address: address(buyer),
                seed,
                ..character(buyer)
            };
            running.insert(buyer, MockBuyer::start(setup).await?);
        }
        Ok(Self { running })
    }

    /// One of them. None only where it was taken out.
    pub fn get(&self, buyer: Buyer) -> Option<&MockBuyer> {
        self.running.get(&buyer)
    }

    /// Takes one out, to be stopped while the others run.
    pub fn take(&mut self, buyer: Buyer) -> Option<MockBuyer> {
        self.running.remove(&buyer)
    }

    /// All that run.
    pub fn iter(&self) -> impl Iterator<Item = (Buyer, &MockBuyer)> {
        self.running
            .iter()
            .map(|(buyer, running)| (*buyer, running))
    }

    /// The market file with the addresses of those that run.
    pub fn market_file(&self) -> MarketFile {
        self.iter()
            .fold(MarketFile::new(), |file, (buyer, running)| {
                file.buyer_at(buyer, running.address())
            })
    }

    /// Stops all of them.
    pub async fn stop(self) {
        for (_, running) in self.running {
            running.stop().await;
        }
    }
}

/// What a buyer of the example does, on a free port.
pub fn character(buyer: Buyer) -> Setup {
    let setup = Setup {
        ping: OnPing::no_bid("does_not_bid"),
        ..Setup::default()
    };
    match buyer {
        Buyer::SunCo => Setup {
            post: OnPost::choose(sunco),
            ..setup
        },
        Buyer::BrightRoof => Setup {
            post: OnPost::accept_and_redirect("https://brightroof.example.com/thanks"),
            ..setup
        },
        Buyer::Helio => Setup {
            ping: OnPing::bid(Amount::of(helios_bid)).after(THINKING),
            // A buyer that knows the consumer already.
            post: OnPost::accept()
                .but_sometimes(0.05, OnPost::reject("already_known"))
                .after(THINKING),
            ..setup
        },
        Buyer::PeakPower => Setup {
            format: Format::Form,
            ping: OnPing::choose(|ping| peak_powers_offer(&ping.fields)).after(2 * THINKING),
            // A buyer that pays less than it bid.
            post: OnPost::accept().but_sometimes(0.05, OnPost::accept_at("12.00")),
            ..setup
        },
        Buyer::Tortoise => Setup {
            ping: OnPing::never(),
            post: OnPost::never(),
            ..setup
        },
        Buyer::Fickle => Setup {
            post: OnPost::reject("changed_our_mind"),
            ..setup
        },
        Buyer::Flaky => Setup {
            format: Format::Form,
            post: OnPost::accept().but_sometimes(0.08, OnPost::accept_then_drop()),
            ..setup
        },
    }
}

/// SunCo takes leads only with its key, and says why it does not: to a host whose secret is
/// not set right, the reason tells.
fn sunco(request: &super::Request) -> OnPost {
    match request.header("authorization") {
        Some(key) if key == format!("Bearer {SECRET_VALUE}") => OnPost::accept().after(THINKING),
        _ => OnPost::reject("wrong_key"),
    }
}

/// Helio bids by the bill: 5 cents for each dollar beyond a base of 9 dollars. From 80
/// dollars on that is at least its account's `min_price`.
pub(crate) fn helios_bid(lead: &Fields) -> Option<String> {
    let bill = whole(lead, "monthly_bill")?;
    (bill >= 60).then(|| dollars(900 + 5 * bill.min(600)))
}

/// Peak Power bids by the panels: 60 cents each, beyond a base of 8 dollars; for fewer than
/// six it does not climb a roof.
pub(crate) fn peak_powers_offer(lead: &Fields) -> OnPing {
    match whole(lead, "panels") {
        Some(panels @ 6..) => OnPing::bid(dollars(800 + 60 * panels.min(40)).as_str()),
        Some(_) => OnPing::no_bid("too_small"),
        None => OnPing::accept(),
    }
}

/// The whole part of a number in a lead.
fn whole(lead: &Fields, name: &str) -> Option<u64> {
    let text = lead.get(name)?;
    text.split('.').next()?.parse().ok()
}

fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
