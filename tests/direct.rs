//! Direct posts: one request with the whole lead.

use std::time::Duration;

use futures_util::future::join_all;
use gavel_example_solar::buyers::{OnPing, OnPost};
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Account, CAMPAIGN, Host, Market, buyer, eventually, pinged, whole, within},
    secrecy::files_with,
};

const DIRECT: &str = "cost = { per_lead = \"5.00\" }\nchannel = \"direct_post\"";

fn id(answer: &Value) -> String {
    answer["lead_id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_direct_post_is_sold_in_one_request_and_shows_nobody_a_name_but_its_buyer() {
    let picky = buyer(OnPing::bid("30.00"), OnPost::accept()).await;
    let best = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([
        // A criterion on a personal field is asked of the whole lead.
        Account::bidding("picky", &picky)
            .with("criteria = [{ field = \"last_name\", in = [\"Halberd\"] }]"),
        Account::bidding("best", &best),
    ])
    .on_terms(DIRECT);
    let mut host = Host::start(&market).await;
    let lead = whole();
    let (status, answer) = host.direct(lead.clone()).await;
    assert_eq!(
        (status, &answer["status"], &answer["payout"]),
        (200, &json!("sold"), &json!("5.00")),
        "{answer}"
    );
    assert_eq!((picky.counts().pings, best.counts().pings), (0, 1));
    assert!(best.pings()[0].request.field("last_name").is_none());
    assert_eq!(
        best.posts()[0].request.field("last_name"),
        Some("Quarterstaff")
    );
    assert_eq!(
        best.posts()[0].request.field("reference"),
        Some("quote-1"),
        "its buyer is told of its bid"
    );
    let status = host.supplier().lead(&id(&answer)).await.expect("found");
    assert_eq!(status["status"], "sold");
    let ping = id(&answer).replace("ld_", "pg_");
    for path in [format!("/pings/{ping}"), format!("/leads/{}", id(&answer))] {
        let shown = host.get(&path).await.to_string();
        assert!(!shown.contains("Quarterstaff"), "{path}: {shown}");
    }
    assert_eq!(host.outcome(&ping, "best").await, "won");
    // The same again is answered the same, and nobody hears of it.
    host.kill_and_restart().await;
    assert_eq!(host.direct(lead).await, (200, answer));
    assert_eq!((best.counts().pings, best.counts().posts), (1, 1));
    assert!(host.stop().await.success());
    assert_eq!(
        files_with(host.folder(), "quarterstaff"),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_direct_post_of_one_lead_many_times_at_once_is_sold_once() {
    let buyer = buyer(
        OnPing::bid("20.00"),
        OnPost::accept().after(Duration::from_millis(300)),
    )
    .await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)]).on_terms(DIRECT)).await;
    let lead = whole();
    let answers = join_all((0..20).map(|_| host.direct(lead.clone()))).await;
    let sold: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == 200)
        .collect();
    assert!(!sold.is_empty());
    for (status, answer) in &answers {
        match status {
            200 => assert_eq!((&answer["status"], answer), (&json!("sold"), &sold[0].1)),
            _ => assert_eq!(
                (*status, &answer["code"]),
                (409, &json!("post_in_progress"))
            ),
        }
    }
    assert_eq!(buyer.counts().posts, 1);
    assert_eq!(&host.direct(lead).await, sold[0], "and so later");
}

#[tokio::test]
async fn a_direct_post_that_comes_again_while_buyers_are_asked_spoils_nothing() {
    // As a buyer that knows a lead again: it bids for it once.
    let once = buyer(
        OnPing::bid("20.00").after(Duration::from_millis(300)),
        OnPost::accept(),
    )
    .await;
    let host = Host::start(&Market::of([Account::bidding("one", &once)]).on_terms(DIRECT)).await;
    let lead = whole();
    let again = async {
        within("it is asked", once.wait_for_pings(1)).await;
        once.on_ping(OnPing::no_bid("had it"));
        host.direct(lead.clone()).await
    };
    let (first, (status, problem)) = tokio::join!(host.direct(lead.clone()), again);
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("post_in_progress"))
    );
    assert_eq!((first.0, &first.1["status"]), (200, &json!("sold")));
    assert_eq!((once.counts().pings, once.counts().posts), (1, 1));
    assert_eq!(host.direct(lead).await, first);
}

#[tokio::test]
async fn what_nobody_bids_on_is_rejected_with_that_reason_and_remembered() {
    let buyer = buyer(OnPing::bid("4.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)]).on_terms(DIRECT)).await;
    let lead = whole();
    let (status, answer) = host.direct(lead.clone()).await;
    assert_eq!(
        (status, &answer["status"], &answer["reason"]),
        (200, &json!("rejected"), &json!("below_min_profit")),
        "{answer}"
    );
    assert_eq!((buyer.counts().pings, buyer.counts().posts), (1, 0));
    buyer.on_ping(OnPing::bid("20.00"));
    assert_eq!(host.direct(lead).await, (200, answer.clone()));
    assert_eq!(buyer.counts().pings, 1, "nobody is asked again");
    let found = host.supplier().lead(&id(&answer)).await.expect("found");
    assert_eq!(
        (&found["status"], &found["reason"], &found["owed"]),
        (
            &json!("rejected"),
            &json!("below_min_profit"),
            &json!("0.00")
        )
    );
    // There is no order; an operator who asks for the lead is told where its story stands.
    let lead = id(&answer);
    let (status, problem) = host
        .admin(
            Method::GET,
            &format!("/leads/{lead}"),
            "",
            "application/json",
        )
        .await;
    let ping = lead.replace("ld_", "pg_");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(
        status == 404 && detail.ends_with(&format!("/pings/{ping}")),
        "{problem}"
    );
    let record = host.get(&format!("/pings/{ping}")).await;
    assert_eq!(record["answer"]["reason"], "below_min_profit");
    // Its own terms count as at a ping.
    let path = format!("/v1/campaigns/{CAMPAIGN}/lead");
    let body = json!({"lead": whole(), "min_bid": "5.01"});
    let (_, answer) = host.send(&path, body).await;
    assert_eq!(answer["reason"], "below_min_bid", "{answer}");
}

#[tokio::test]
async fn a_lead_in_flight_at_a_crash_is_in_progress_and_then_unconfirmed() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::never()).await;
    let second = crate::harness::buyer(OnPing::bid("10.00"), OnPost::accept()).await;
    let mut host = Host::start(
        &Market::of([
            Account::bidding("one", &buyer),
            Account::bidding("second", &second),
        ])
        .on_terms(DIRECT),
    )
    .await;
    let lead = whole();
    {
        let posting = host.direct(lead.clone());
        tokio::pin!(posting);
        tokio::select! {
            answer = &mut posting => panic!("nobody has taken it: {answer:?}"),
            () = within("the buyer has it", buyer.wait_for_posts(1)) => {}
        }
        let (status, answer) = host.direct(lead.clone()).await;
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("post_in_progress")),
            "{answer}"
        );
        // The client that waits is gone with the host.
    }
    host.kill_and_restart().await;
    let answer = eventually("it is settled", || async {
        match host.direct(lead.clone()).await {
            (200, answer) => Some(answer),
            (status, answer) => {
                assert_eq!((status, &answer["code"]), (409, &json!("post_in_progress")));
                None
            }
        }
    })
    .await;
    assert_eq!(answer["reason"], "delivery_unconfirmed", "{answer}");
    assert_eq!((buyer.counts().posts, second.counts().posts), (1, 0));
    assert_eq!(host.unconfirmed().await.len(), 1);
}

#[tokio::test]
async fn a_direct_campaign_that_does_not_wait_accepts_and_delivers_behind_its_answer() {
    let first = buyer(OnPing::bid("30.00"), OnPost::reject("no")).await;
    let second = buyer(
        OnPing::bid("20.00"),
        OnPost::accept().after(Duration::from_millis(200)),
    )
    .await;
    let host = Host::start(
        &Market::of([
            Account::bidding("first", &first),
            Account::bidding("second", &second),
        ])
        .on_terms(DIRECT)
        .post("reject_for_not_delivered = false"),
    )
    .await;
    let (_, answer) = host.direct(whole()).await;
    assert_eq!(answer["status"], "accepted", "{answer}");
    eventually("it is sold", || async {
        let lead = host.get(&format!("/leads/{}", id(&answer))).await;
        (lead["ledger"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
    assert_eq!((first.counts().posts, second.counts().posts), (1, 1));
}

#[tokio::test]
async fn each_channel_refuses_the_others_requests() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let other = "[campaigns.two-steps]\nsupplier = \"sunleads\"\nlead_type = \"solar\"\ncost = { per_lead = \"5.00\" }\n";
    let host = Host::start(
        &Market::of([Account::bidding("one", &buyer)])
            .on_terms(DIRECT)
            .plugins(other),
    )
    .await;
    let order = "po_01JD0000000000000000000000";
    for (path, body) in [
        ("solar/ping", json!({"lead": pinged()})),
        ("solar/post", json!({"lead": whole()})),
        (
            "solar/post",
            json!({"lead": whole(), "ping_order_id": order}),
        ),
        ("two-steps/lead", json!({"lead": whole()})),
    ] {
        let (status, answer) = host.send(&format!("/v1/campaigns/{path}"), body).await;
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("wrong_channel")),
            "{path}"
        );
    }
    let (status, _) = host
        .send("/v1/campaigns/nobodys/lead", json!({"lead": whole()}))
        .await;
    assert_eq!(status, 404);
    // A lead sold directly is not posted to either.
    let (_, answer) = host.direct(whole()).await;
    let order = id(&answer).replace("ld_", "po_");
    let (status, answer) = host
        .send(
            "/v1/campaigns/solar/post",
            json!({"lead": whole(), "ping_order_id": order}),
        )
        .await;
    assert_eq!((status, &answer["code"]), (409, &json!("wrong_channel")));
}

#[tokio::test]
async fn every_fault_of_a_direct_post_is_told_at_once_and_none_settles_it() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("one", &buyer)]).on_terms(DIRECT)).await;
    let mut lead = whole();
    lead.remove("phone");
    lead.insert("zip".into(), json!("nowhere"));
    let body = json!({"lead": lead, "tmax_ms": 10, "sub_id": "ann@example.com", "colour": 1});
    let (status, answer) = host.send("/v1/campaigns/solar/lead", body).await;
    assert_eq!(status, 422, "{answer}");
    let mut faults: Vec<_> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            (
                error["field"].as_str().unwrap(),
                error["code"].as_str().unwrap(),
            )
        })
        .collect();
    faults.sort_unstable();
    assert_eq!(
        faults,
        [
            ("colour", "unknown_field"),
            ("phone", "missing"),
            ("sub_id", "looks_personal"),
            ("tmax_ms", "out_of_range"),
            ("zip", "bad_format"),
        ]
    );
    // What looks personal where nothing personal is expected is kept as if it were.
    let mut lead = whole();
    lead.insert("note".into(), json!("call (415) 555-0199"));
    let (status, answer) = host.direct(lead).await;
    assert_eq!((status, &answer["status"]), (200, &json!("sold")));
    assert!(buyer.pings()[0].request.field("note").is_none());
    assert_eq!(
        buyer.posts()[0].request.field("note"),
        Some("call (415) 555-0199")
    );
}

#[tokio::test]
async fn a_closed_campaign_takes_no_direct_posts_but_tells_what_it_told() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &buyer)]).on_terms(DIRECT);
    let host = Host::start(&market).await;
    let lead = whole();
    let told = host.direct(lead.clone()).await;
    let closed = market
        .on_terms(&format!("{DIRECT}\nstatus = \"on_hold\""))
        .toml();
    std::fs::write(host.market_file(), closed).expect("writable");
    let file = host.market_file().display().to_string();
    let applied = host
        .command(&["apply", "--admin", &host.admin_url(), &file])
        .await;
    assert!(applied.status.success(), "{applied:?}");
    assert_eq!(host.direct(lead).await, told);
    let (status, answer) = host.direct(whole()).await;
    assert_eq!(
        (status, &answer["code"]),
        (403, &json!("campaign_not_active"))
    );
}
