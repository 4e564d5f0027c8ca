//! Leads erased on request, and deliveries tried again by hand.

use std::path::Path;

use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost, Setup},
    supplier::PostAnswer,
};
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Account, CAMPAIGN, Host, Market, buyer, eventually, personal, within},
    secrecy::files_with,
};

async fn erase(host: &Host, lead: &str) -> u16 {
    let path = format!("/leads/{lead}/personal");
    host.admin(Method::DELETE, &path, "", "application/json")
        .await
        .0
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("writable");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).expect("copied");
        }
    }
}

#[tokio::test]
async fn an_erased_lead_is_gone_for_good_and_an_older_copy_of_the_database_does_not_bring_it_back()
{
    let buyer = buyer(
        OnPing::bid("20.00"),
        OnPost::accept_and_redirect("https://thanks.example.com/for/you"),
    )
    .await;
    let mut host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    let PostAnswer::Sold {
        lead_id,
        redirect_url: Some(_),
        ..
    } = &answer
    else {
        panic!("sold, with a link: {answer:?}")
    };
    let before = host.get(&format!("/leads/{lead_id}")).await;

    assert!(host.stop().await.success());
    let sled = host.folder().join("data/store/sled");
    let kept = host.folder().join("copy");
    copy(&sled, &kept);
    host.start_again().await;
    assert_eq!(erase(&host, lead_id).await, 204);
    assert_eq!(erase(&host, lead_id).await, 204, "as often as one likes");
    let after = host.get(&format!("/leads/{lead_id}")).await;
    assert_eq!(
        (&after["ledger"], &after["state"]),
        (&before["ledger"], &before["state"]),
        "the ledger stays"
    );
    let told = async |host: &Host| match host.post(&order).await.expect("in time") {
        PostAnswer::Sold { redirect_url, .. } => redirect_url,
        other => panic!("the same answer: {other:?}"),
    };
    assert_eq!(told(&host).await, None, "the link is gone with the lead");

    // Whoever has the store's key and the database as it was before has nothing.
    assert!(host.stop().await.success());
    std::fs::remove_dir_all(&sled).expect("removed");
    copy(&kept, &sled);
    host.start_again().await;
    assert_eq!(told(&host).await, None);

    // Nor does a personal value, or a buyer's word, stand anywhere as it is: not in what is live,
    // not in the copy, not in the log.
    assert!(host.stop().await.success());
    let telephone = json!("4155550137");
    for value in personal()
        .values()
        .chain([&telephone, &json!("thanks.example.com")])
    {
        let value = value.as_str().expect("text");
        assert_eq!(files_with(host.folder(), value), [""; 0], "{value}");
    }
    for searched in [&sled, &kept] {
        assert_ne!(
            files_with(searched, CAMPAIGN),
            [""; 0],
            "what is there is found"
        );
    }
}

#[tokio::test]
async fn only_a_posted_lead_can_be_erased() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)])).await;
    let order = host.order().await;
    assert_eq!(erase(&host, &order.replace("po_", "ld_")).await, 404);
    assert_eq!(erase(&host, "ld_01JD0000000000000000000000").await, 404);
    assert_eq!(erase(&host, "nonsense").await, 404);
}

/// A host with an accepted lead whose only buyer is gone, and where that was.
async fn waiting_for_its_buyer(retry: &str) -> (Host, String, std::net::SocketAddr) {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let address = buyer.address();
    let host = Host::start(
        &Market::of([Account::bidding("one", &buyer).with(retry)])
            .post("reject_for_not_delivered = false"),
    )
    .await;
    let order = host.order().await;
    buyer.stop().await;
    let answer = host.post(&order).await.expect("in time");
    let PostAnswer::Accepted { lead_id, .. } = answer else {
        panic!("accepted: {answer:?}")
    };
    (host, lead_id, address)
}

async fn delivery_is(host: &Host, lead: &str, outcome: &str) -> Value {
    eventually(outcome, || async {
        let story = host.get(&format!("/leads/{lead}")).await;
        let delivery = story["deliveries"][0].clone();
        (delivery["outcome"] == outcome).then_some(delivery)
    })
    .await
}

#[tokio::test]
async fn what_waits_to_be_tried_again_ends_as_failed_when_its_lead_is_erased() {
    let (host, lead, address) =
        waiting_for_its_buyer("retry = { attempts = 3, wait = \"1h\" }").await;
    delivery_is(&host, &lead, "retrying").await;
    assert_eq!(erase(&host, &lead).await, 204);
    let delivery = delivery_is(&host, &lead, "failed").await;
    eventually("nothing more is tried", || async {
        let status = host.supplier().lead(&lead).await.expect("found");
        (status["finished"] == true).then_some(())
    })
    .await;
    // Nor by hand: there is nothing left to deliver.
    let buyer = MockBuyer::start(Setup {
        address,
        ..Setup::default()
    })
    .await
    .expect("the port is free again");
    let id = delivery["id"].as_str().expect("an id");
    let (status, problem) = retry(&host, id).await;
    assert_eq!((status, &problem["code"]), (409, &json!("not_retryable")));
    assert_eq!(buyer.counts().total(), 0);
}

async fn retry(host: &Host, delivery: &str) -> (u16, Value) {
    let path = format!("/deliveries/{delivery}/retry");
    host.admin(Method::POST, &path, "", "application/json")
        .await
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_by_hand_and_a_sold_one_is_not() {
    let (host, lead, address) =
        waiting_for_its_buyer("retry = { attempts = 1, wait = \"50ms\" }").await;
    let delivery = delivery_is(&host, &lead, "failed").await;
    let id = delivery["id"].as_str().expect("an id");
    let listed = host.get("/deliveries?state=failed").await;
    assert_eq!(listed["items"][0]["id"], delivery["id"]);
    let buyer = MockBuyer::start(Setup {
        address,
        ..Setup::default()
    })
    .await
    .expect("the port is free again");
    let (status, story) = retry(&host, id).await;
    assert_eq!((status, &story["id"]), (200, &json!(lead)), "{story}");
    within("the buyer gets it", buyer.wait_for_posts(1)).await;
    delivery_is(&host, &lead, "sold").await;
    let (status, problem) = retry(&host, id).await;
    assert_eq!((status, &problem["code"]), (409, &json!("not_retryable")));
    let (status, _) = retry(&host, "dl_01JD0000000000000000000000_0").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_is_out_when_its_lead_is_erased_runs_to_its_end() {
    let buyer = buyer(
        OnPing::bid("20.00"),
        OnPost::accept().after(std::time::Duration::from_secs(1)),
    )
    .await;
    let second = crate::harness::buyer(OnPing::bid("10.00"), OnPost::accept()).await;
    let host = Host::start(
        &Market::of([
            Account::bidding("one", &buyer),
            Account::bidding("second", &second),
        ])
        .post("reject_for_not_delivered = false"),
    )
    .await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    within("the buyer has it", buyer.wait_for_posts(1)).await;
    assert_eq!(erase(&host, answer.lead_id()).await, 204);
    delivery_is(&host, answer.lead_id(), "sold").await;
    assert_eq!(second.counts().posts, 0);
}

#[tokio::test]
async fn a_settlement_by_hand_wakes_a_lead_that_waits_for_something_else() {
    let (doubtful, gone, last) = (
        buyer(OnPing::bid("30.00"), OnPost::accept_then_drop()).await,
        buyer(OnPing::bid("20.00"), OnPost::accept()).await,
        buyer(OnPing::bid("10.00"), OnPost::accept()).await,
    );
    let host = Host::start(
        &Market::of([
            Account::bidding("doubtful", &doubtful).with("on_unconfirmed = \"next\""),
            Account::bidding("gone", &gone).with("retry = { attempts = 3, wait = \"1h\" }"),
            Account::bidding("last", &last),
        ])
        .on_terms("cost = { per_lead = \"5.00\" }\nmax_deliveries = 3")
        .post("reject_for_not_delivered = false"),
    )
    .await;
    let order = host.order().await;
    gone.stop().await;
    let answer = host.post(&order).await.expect("in time");
    let unconfirmed = eventually("one is unconfirmed, one waits", || async {
        let waiting = host.get("/deliveries?state=retrying").await;
        let unconfirmed = host.unconfirmed().await;
        let both = !waiting["items"].as_array().unwrap().is_empty() && !unconfirmed.is_empty();
        both.then(|| unconfirmed[0]["id"].as_str().unwrap().to_owned())
    })
    .await;
    assert_eq!(
        host.settle(&unconfirmed, json!({"sold": true})).await.0,
        200
    );
    assert_eq!(erase(&host, answer.lead_id()).await, 204);
    eventually("nothing more is tried", || async {
        let status = host.supplier().lead(answer.lead_id()).await.expect("found");
        (status["finished"] == true && status["deliveries"] == 2).then_some(())
    })
    .await;
}
