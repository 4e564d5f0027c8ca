//! Caps under a crowd: ten thousand posts at once against a cap of a hundred, with and without
//! `kill -9` in the middle.

use std::{cell::Cell, collections::BTreeSet, sync::Arc, time::Instant};

use futures_util::{StreamExt as _, stream};
use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer, Supplier, SupplierError},
};
use tokio::sync::Semaphore;

use crate::harness::{Account, Host, Market, buyer, enquiry, eventually, personal};

/// Leads that are posted.
const POSTS: usize = 10_000;

/// Deliveries that the account's cap lets through.
const CAP: usize = 100;

/// Requests under way at once: as many as a host of this size answers without turning any away.
const AT_ONCE: usize = 200;

/// Quiet hosts: a line for each of some ten thousand requests shows nothing.
const QUIET: &[(&str, &str)] = &[("GAVEL_LOG", "warn")];

/// One account with a cap, whose room is taken as `hold` says.
fn market(buyer: &MockBuyer, hold: &str, window: &str) -> Market {
    let keys = format!("caps = {{ total = {CAP} }}\nhold = \"{hold}\"");
    Market::of([Account::fixed("one", "20.00", buyer).with(&keys)]).on_terms(&format!(
        "cost = {{ per_sale = \"5.00\" }}\nwindow = \"{window}\""
    ))
}

/// Pings so many leads, each of a consumer of its own: the orders of those that were quoted.
async fn quoted(host: &Host, pings: usize) -> Vec<String> {
    let answers = stream::iter(0..pings).map(|_| host.ping_lead(enquiry()));
    let answers = answers.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    let orders = answers
        .into_iter()
        .filter_map(|answer| match answer.expect("understood") {
            PingAnswer::Bid { ping_order_id, .. } => Some(ping_order_id),
            PingAnswer::NoBid { .. } => None,
        });
    orders.collect()
}

/// What became of posts.
#[derive(Default)]
struct Told {
    sold: BTreeSet<String>,
    rejected: BTreeSet<String>,
    /// Whose answers were lost with the host.
    lost: Vec<String>,
}

/// Posts to all of these orders.
async fn posted(host: &Host, orders: Vec<String>) -> Told {
    let supplier = Arc::new(host.supplier());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let posts = orders.into_iter().map(|order| {
        let (supplier, places) = (Arc::clone(&supplier), Arc::clone(&places));
        tokio::spawn(async move {
            let _place = places.acquire().await.expect("never closed");
            let answer = post(&supplier, &order).await;
            (order, answer)
        })
    });
    let mut told = Told::default();
    for post in posts.collect::<Vec<_>>() {
        let (order, answer) = post.await.expect("no panic");
        match answer {
            Ok(PostAnswer::Sold { .. }) => {
                told.sold.insert(order);
            }
            Ok(PostAnswer::Rejected { .. }) => {
                told.rejected.insert(order);
            }
            Err(SupplierError::Lost(_)) => told.lost.push(order),
            Err(SupplierError::Refused(problem)) if problem.code == "post_in_progress" => {
                told.lost.push(order);
            }
            other => panic!("{order}: {other:?}"),
        }
    }
    told
}

async fn post(supplier: &Supplier, order: &str) -> Result<PostAnswer, SupplierError> {
    let post = gavel_example_solar::supplier::Post {
        ping_order_id: order.to_owned(),
        lead: personal(),
    };
    supplier.post(crate::harness::CAMPAIGN, &post).await
}

fn said(what: &str, began: Instant) {
    eprintln!("{what} after {:.1?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_posts_at_once_sell_exactly_the_cap() {
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let host = Host::start_with(&market(&taker, "post", "10m").toml(), QUIET).await;
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
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let mut host = Host::start_with(&market(&taker, "post", "10m").toml(), QUIET).await;
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
    let mut host = Host::start_with(&market(&taker, "quote", "8s").toml(), QUIET).await;
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
