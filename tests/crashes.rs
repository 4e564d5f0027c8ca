//! `kill -9` under load, again and again: what was answered is kept, and nobody gets a lead
//! that another has.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{Did, MockBuyer, OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer},
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use crate::harness::{Account, Host, Market, buyer, enquiry, eventually, object};

/// How often the host is killed.
const CRASHES: u64 = 20;

/// Suppliers that ping and post until the host is gone.
const SUPPLIERS: usize = 8;

/// What a supplier knows when its host is gone.
#[derive(Default)]
struct Known {
    /// Orders answered with a bid and never posted.
    open: Vec<String>,
    /// Orders posted without an answer.
    unanswered: Vec<String>,
    /// Leads answered `sold`, with how many buyers.
    sold: Vec<(String, u32)>,
    /// Leads answered `accepted`.
    accepted: Vec<String>,
}

async fn supply(host: &Host, seed: u64) -> Known {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut known = Known::default();
    loop {
        let order = match host.ping_lead(enquiry()).await {
            Ok(PingAnswer::Bid { ping_order_id, .. }) => ping_order_id,
            Ok(PingAnswer::NoBid { .. }) => continue,
            Err(_) => return known,
        };
        if rng.random_bool(0.2) {
            known.open.push(order);
            continue;
        }
        match host.post(&order).await {
            Ok(PostAnswer::Sold {
                lead_id,
                deliveries,
                ..
            }) => known.sold.push((lead_id, deliveries)),
            Ok(PostAnswer::Accepted { lead_id, .. }) => known.accepted.push(lead_id),
            Ok(PostAnswer::Rejected { .. }) => {}
            Err(_) => {
                known.unanswered.push(order);
                return known;
            }
        }
    }
}

/// Lets suppliers sell until the host is killed, at a moment drawn from the seed.
async fn sell_until_killed(host: &mut Host, seed: u64) -> Known {
    let moment = SmallRng::seed_from_u64(seed).random_range(50..700);
    let known = {
        let selling = join_all((0..SUPPLIERS).map(|at| supply(host, seed * 100 + at as u64)));
        tokio::pin!(selling);
        let killing = async {
            // A random moment is what is tested.
            tokio::time::sleep(Duration::from_millis(moment)).await;
            host.kill_by_pid();
        };
        let (known, ()) = tokio::join!(&mut selling, killing);
        known
    };
    host.kill_and_restart().await;
    let mut all = Known::default();
    for one in known {
        all.open.extend(one.open);
        all.unanswered.extend(one.unanswered);
        all.sold.extend(one.sold);
        all.accepted.extend(one.accepted);
    }
    all
}

/// Three buyers, two of which reject some, so that fallback is at work when the host dies.
async fn buyers() -> [MockBuyer; 3] {
    let rejects = |share| OnPost::accept().but_sometimes(share, OnPost::reject("not now"));
    [
        buyer(OnPing::bid("30.00"), rejects(0.5)).await,
        buyer(OnPing::bid("20.00"), rejects(0.3)).await,
        buyer(
            OnPing::bid("15.00"),
            OnPost::accept().after(Duration::from_millis(15)),
        )
        .await,
    ]
}

/// Which buyers got which order, and what they did with it.
fn received(buyers: &[MockBuyer]) -> BTreeMap<String, Vec<(usize, Did)>> {
    let mut orders: BTreeMap<String, Vec<(usize, Did)>> = BTreeMap::new();
    for (at, buyer) in buyers.iter().enumerate() {
        assert_eq!(
            buyer.counts().forgotten,
            0,
            "the test's load fits into the buyers' log"
        );
        for post in buyer.posts() {
            let order = post
                .request
                .order()
                .expect("http-buyer sends the order's id");
            let order = order.split('.').next().expect("the order's id").to_owned();
            orders.entry(order).or_default().push((at, post.did));
        }
    }
    orders
}

async fn crash_again_and_again(campaign_post: &str) {
    let buyers = buyers().await;
    let accounts = ["first", "second", "third"]
        .into_iter()
        .zip(&buyers)
        .map(|(name, buyer)| Account::bidding(name, buyer));
    let market = Market::of(accounts).post(campaign_post);
    let mut host = Host::start(&market).await;
    let mut answered: HashMap<String, u32> = HashMap::new();
    let mut posted: BTreeSet<String> = BTreeSet::new();
    for seed in 1..=CRASHES {
        let known = sell_until_killed(&mut host, seed).await;
        // Every order answered with a bid can still be posted.
        for order in &known.open {
            let answer = host.post(order).await;
            assert!(answer.is_ok(), "{order}: {answer:?}");
        }
        for (lead, deliveries) in &known.sold {
            let story = host.get(&format!("/leads/{lead}")).await;
            assert_eq!(story["state"], "sold", "{story}");
            let sold = story["deliveries"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|delivery| delivery["outcome"] == "sold")
                .count();
            assert_eq!(u32::try_from(sold), Ok(*deliveries), "{story}");
            answered.insert(lead.clone(), *deliveries);
        }
        for lead in &known.accepted {
            assert_eq!(
                host.get(&format!("/leads/{lead}")).await["state"],
                "accepted"
            );
        }
        // A post without an answer has one outcome, which the same post is told, or may still be made.
        for order in &known.unanswered {
            let answer = eventually("a post is settled", || async {
                match host.post(order).await {
                    Ok(answer) => Some(answer),
                    Err(error)
                        if error
                            .problem()
                            .is_some_and(|problem| problem.code == "post_in_progress") =>
                    {
                        None
                    }
                    Err(error) => panic!("{order}: {error:?}"),
                }
            });
            answer.await;
        }
        let orders = known.open.iter().chain(&known.unanswered);
        posted.extend(orders.map(|order| lead_of(order)));
        posted.extend(known.accepted);
    }
    for lead in &posted {
        nothing_more_is_tried_of(&host, lead).await;
    }
    nobody_has_what_another_has(&host, &buyers).await;
    for lead in answered.keys() {
        assert_eq!(host.get(&format!("/leads/{lead}")).await["state"], "sold");
    }
}

/// The lead that was posted to an order.
fn lead_of(order: &str) -> String {
    order.replacen("po_", "ld_", 1)
}

/// Waits for what goes on after a start, and behind the answer to an accepted lead: to its end, or
/// until an operator has to say what became of a delivery.
async fn nothing_more_is_tried_of(host: &Host, lead: &str) {
    eventually("nothing more is tried of a lead", || async {
        let status = host.supplier().lead(lead).await.expect("found");
        if status["finished"] == true {
            return Some(());
        }
        let story = host.get(&format!("/leads/{lead}")).await;
        let deliveries = story["deliveries"].as_array().expect("a list");
        // Its campaign's `on_unconfirmed` is "stop".
        let parked = deliveries
            .iter()
            .any(|delivery| delivery["outcome"] == "unconfirmed");
        parked.then_some(())
    })
    .await;
}

async fn nobody_has_what_another_has(host: &Host, buyers: &[MockBuyer]) {
    let orders = received(buyers);
    assert!(orders.len() > 20, "the load was a load: {}", orders.len());
    let mut doubtful = Vec::new();
    for (order, posts) in &orders {
        let accepted = posts
            .iter()
            .filter(|(_, did)| *did == Did::Accepted)
            .count();
        assert!(accepted <= 1, "{order} was accepted twice: {posts:?}");
        let who: BTreeSet<usize> = posts.iter().map(|(at, _)| *at).collect();
        assert_eq!(
            who.len(),
            posts.len(),
            "{order} was sent to a buyer twice: {posts:?}"
        );
        let lead = object(host.get(&format!("/leads/{}", lead_of(order))).await);
        for delivery in lead["deliveries"].as_array().unwrap() {
            let (outcome, id) = (
                delivery["outcome"].as_str().unwrap(),
                delivery["id"].as_str().unwrap(),
            );
            assert_ne!(outcome, "in_flight", "{lead:?}");
            if outcome == "unconfirmed" {
                doubtful.push(id.to_owned());
            }
        }
        // What a buyer took is sold, or turns up as unconfirmed; never as rejected or untried.
        if accepted == 1 {
            let kept = lead["deliveries"]
                .as_array()
                .unwrap()
                .iter()
                .any(|delivery| {
                    matches!(delivery["outcome"].as_str(), Some("sold" | "unconfirmed"))
                });
            assert!(kept, "{order}: {lead:?}");
        }
    }
    // Asked for last: a delivery that ends so while the leads are looked at is in the list too.
    let listed: BTreeSet<String> = host
        .unconfirmed()
        .await
        .iter()
        .map(|delivery| delivery["id"].as_str().unwrap().to_owned())
        .collect();
    for id in &doubtful {
        assert!(listed.contains(id), "{id} is listed");
    }
    eprintln!(
        "{} leads were delivered, {} deliveries are unconfirmed",
        orders.len(),
        doubtful.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_crashes_lose_no_answer_and_sell_no_lead_twice() {
    crash_again_and_again("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_crashes_lose_no_accepted_lead_either() {
    crash_again_and_again("reject_for_not_delivered = false").await;
}
