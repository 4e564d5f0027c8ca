//! Caps under a crowd: ten thousand posts at the same moment against a cap of a hundred, with and
//! without `kill -9` in the middle.

use std::{
    cell::Cell, collections::BTreeSet, convert::Infallible, net::SocketAddr, sync::Arc,
    time::Instant,
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::PingAnswer,
};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Request,
    body::{Bytes, Frame},
    client::conn::http1::handshake,
};
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{Mutex, Semaphore, mpsc, watch},
    task::JoinSet,
};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, enquiry, eventually, personal};

/// Leads that are posted, all of them at the same moment, each on a connection of its own.
const POSTS: usize = 10_000;

/// Deliveries that the account's cap lets through.
const CAP: usize = 100;

/// Files that this process has open beside the posts' connections: those of tests beside this one.
const OTHER_FILES: u64 = 2_000;

/// Connections that are being opened at once: fewer than the system's queue of them holds.
const CONNECTING_AT_ONCE: usize = 200;

/// Pings under way at once: as many as a host of this size answers within their deadline.
const PINGS_AT_ONCE: usize = 200;

/// One crowd at a time: each has thousands of files open.
static CROWD: Mutex<()> = Mutex::const_new(());

/// Hosts that take a crowd, and say little: a line for each of some ten thousand requests shows
/// nothing.
const CROWDED: &[(&str, &str)] = &[("GAVEL_LOG", "warn"), ("GAVEL_MAX_CONNECTIONS", "12000")];

/// One account with a cap, whose room is taken as `hold` says. How long a lead of a crowd may
/// wait for its turn is no part of the claim.
fn market(buyer: &MockBuyer, hold: &str, window: &str) -> Market {
    let keys = format!("caps = {{ total = {CAP} }}\nhold = \"{hold}\"");
    let market = Market::of([Account::fixed("one", "20.00", buyer).with(&keys)]);
    let market = market.on_terms(&format!(
        "cost = {{ per_sale = \"5.00\" }}\nwindow = \"{window}\""
    ));
    market.post("deadline = \"2m\"")
}

/// Pings so many leads, each of a consumer of its own: the orders of those that were quoted.
async fn quoted(host: &Host, pings: usize) -> Vec<String> {
    let answers = stream::iter(0..pings).map(|_| host.ping_lead(enquiry()));
    let answers = answers
        .buffer_unordered(PINGS_AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let orders = answers
        .into_iter()
        .filter_map(|answer| match answer.expect("understood") {
            PingAnswer::Bid { ping_order_id, .. } => Some(ping_order_id),
            PingAnswer::NoBid { .. } => None,
        });
    orders.collect()
}

/// Lets this process have as many files open as a crowd takes, as its host does for itself. Many
/// machines begin with 1024.
fn room_for_a_crowd() {
    let wanted = POSTS as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let most = limit.maximum.map_or(wanted, |most| most.min(wanted));
        assert!(
            most >= wanted
                && setrlimit(
                    Resource::Nofile,
                    Rlimit {
                        current: Some(most),
                        ..limit
                    }
                )
                .is_ok(),
            "this test needs {wanted} open files: raise the limit (`ulimit -n`)"
        );
    }
}

/// What became of posts.
#[derive(Default)]
struct Told {
    sold: BTreeSet<String>,
    rejected: BTreeSet<String>,
    /// Whose answers were lost with the host.
    lost: Vec<String>,
}

/// A body in two parts.
type Halting = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// Opens a connection, sends all of a post but its last byte, then lets go of `arrived`, and sends
/// the last byte when `gate` opens. The status and what the host says, if it says anything.
async fn post(
    host: SocketAddr,
    order: &str,
    connecting: &Semaphore,
    arrived: mpsc::Sender<Infallible>,
    mut gate: watch::Receiver<bool>,
) -> Option<(u16, Value)> {
    let body = json!({"ping_order_id": order, "lead": personal()}).to_string();
    let mut most = Bytes::from(body);
    let request = Request::post(format!("/v1/campaigns/{CAMPAIGN}/post"))
        .header("host", "gavel")
        .header("authorization", format!("Bearer {}", Market::key()))
        .header("content-type", "application/json")
        .header("content-length", most.len());
    let last = most.split_off(most.len() - 1);
    let first = stream::once(async move { Ok(Frame::data(most)) });
    let rest = stream::once(async move {
        drop(arrived);
        // Whoever opens it is gone only with everybody who waits.
        let _ = gate.wait_for(|open| *open).await;
        Ok(Frame::data(last))
    });
    let body: Halting = StreamBody::new(first.chain(rest).boxed());
    let request = request.body(body).expect("a request");
    let turn = connecting.acquire().await.expect("never closed");
    let stream = TcpStream::connect(host).await.ok()?;
    drop(turn);
    let (mut line, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let answer = line.send_request(request).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some((status, serde_json::from_slice(&body).expect("JSON")))
}

/// Posts to all of these orders at the same moment.
async fn posted(host: &Host, orders: Vec<String>) -> Told {
    let (arrived, mut arriving) = mpsc::channel(1);
    let (open, gate) = watch::channel(false);
    let connecting = Arc::new(Semaphore::new(CONNECTING_AT_ONCE));
    let mut posts = JoinSet::new();
    for order in orders {
        let (api, connecting) = (host.api, Arc::clone(&connecting));
        let (arrived, gate) = (arrived.clone(), gate.clone());
        posts.spawn(async move {
            let answer = post(api, &order, &connecting, arrived, gate).await;
            (order, answer)
        });
    }
    drop(arrived);
    // Opened once of every post one byte is missing, or the host is lost.
    let began = Instant::now();
    while arriving.recv().await.is_some() {}
    said("all but the last bytes had arrived", began);
    open.send_replace(true);
    let mut told = Told::default();
    while let Some(ended) = posts.join_next().await {
        let (order, answer) = ended.expect("no post panics");
        told.hear(order, answer);
    }
    told
}

impl Told {
    fn hear(&mut self, order: String, answer: Option<(u16, Value)>) {
        let Some((status, said)) = answer else {
            return self.lost.push(order);
        };
        match (status, said["status"].as_str(), said["code"].as_str()) {
            (200, Some("sold"), _) => {
                self.sold.insert(order);
            }
            (200, Some("rejected"), _) => {
                self.rejected.insert(order);
            }
            (409, _, Some("post_in_progress")) => self.lost.push(order),
            _ => panic!("{order}: {status} {said}"),
        }
    }
}

fn said(what: &str, began: Instant) {
    eprintln!("{what} after {:.1?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_posts_at_the_same_moment_sell_exactly_the_cap() {
    let _turn = CROWD.lock().await;
    room_for_a_crowd();
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let host = Host::start_with(&market(&taker, "post", "10m").toml(), CROWDED).await;
    let began = Instant::now();
    let orders = quoted(&host, POSTS).await;
    assert_eq!(
        orders.len(),
        POSTS,
        "what is held only at the post is quoted to everybody"
    );
    said("quoted", began);
    let told = posted(&host, orders).await;
    said("posted", began);
    assert_eq!(told.lost, Vec::<String>::new());
    assert_eq!(told.sold.len(), CAP, "suppliers were told so many sales");
    assert_eq!(told.rejected.len(), POSTS - CAP);
    assert_eq!(
        taker.counts().posts,
        CAP as u64,
        "and the buyer saw no lead beyond them"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_middle_sells_no_more_than_the_cap_and_leaves_no_room_unused() {
    let _turn = CROWD.lock().await;
    room_for_a_crowd();
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let mut host = Host::start_with(&market(&taker, "post", "10m").toml(), CROWDED).await;
    let began = Instant::now();
    let orders = quoted(&host, POSTS).await;
    let (mut told, ()) = tokio::join!(posted(&host, orders), async {
        taker.wait_for_posts(CAP as u64 / 2).await;
        host.kill_by_pid();
    });
    host.kill_and_restart().await;
    said("killed and started again", began);
    // Who had no answer posts the same again, and is told what became of it.
    while !told.lost.is_empty() {
        let more = posted(&host, std::mem::take(&mut told.lost)).await;
        told.sold.extend(more.sold);
        told.rejected.extend(more.rejected);
        told.lost = more.lost;
    }
    said("posted", began);
    assert_eq!(told.sold.len() + told.rejected.len(), POSTS);
    let unconfirmed = host.unconfirmed().await.len();
    assert!(
        taker.counts().posts <= CAP as u64,
        "the buyer got {}",
        taker.counts().posts
    );
    assert_eq!(
        told.sold.len() + unconfirmed,
        CAP,
        "{unconfirmed} are unconfirmed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_of_a_crashed_host_are_gone_after_their_window_and_not_before() {
    const PINGS: usize = 3 * CAP;
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let mut host = Host::start_with(&market(&taker, "quote", "8s").toml(), CROWDED).await;
    let began = Instant::now();
    assert_eq!(
        quoted(&host, PINGS).await.len(),
        CAP,
        "each quote holds room"
    );
    host.kill().await;
    host.start_again().await;
    if began.elapsed().as_secs() < 6 {
        assert_eq!(
            quoted(&host, CAP).await.len(),
            0,
            "a crash releases nothing"
        );
    }
    let first = eventually("a quote's hold ends with its window", || async {
        quoted(&host, 1).await.pop()
    });
    first.await;
    // Those that were quoted at the same time end within moments of each other.
    let held = Cell::new(1);
    eventually("every hold has ended", || async {
        held.set(held.get() + quoted(&host, PINGS).await.len());
        (held.get() >= CAP).then_some(())
    })
    .await;
    assert_eq!(held.get(), CAP, "and exactly as many may be held again");
}
