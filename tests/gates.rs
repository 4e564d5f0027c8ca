//! Who is let through: rate limits, groups, schedules, and accounts that fail.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{Fault, OnPing, OnPost},
    supplier::{PingAnswer, Problem, SupplierError},
};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, eventually, pinged};

/// Failures in a row after which an account is left alone.
const ROW: usize = 5;

fn refused(answer: Result<PingAnswer, SupplierError>) -> Option<Problem> {
    match answer {
        Ok(_) => None,
        Err(SupplierError::Refused(problem)) => Some(problem),
        Err(other) => panic!("a problem: {other}"),
    }
}

#[tokio::test]
async fn requests_that_come_too_fast_are_told_when_to_come_again() {
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([Account::fixed("one", "20.00", &taker)])
        .on_terms("cost = { per_lead = \"5.00\" }\nrate_limit = { per_second = 1, burst = 2 }");
    let host = Host::start(&market).await;
    let began = Instant::now();
    let answers = join_all((0..40).map(|_| host.ping_lead(pinged()))).await;
    // In so much time, so many are let through at most.
    let most = 2 + began.elapsed().as_millis().div_ceil(1000);
    let refused: Vec<_> = answers.into_iter().filter_map(refused).collect();
    let let_through = 40 - refused.len() as u128;
    assert!((2..=most).contains(&let_through), "{let_through}, {most}");
    for problem in refused {
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (429, "rate_limited")
        );
        assert_eq!(problem.retry_after, Some(1));
    }
    // What cannot be read counts as well, and a test does not.
    let path = format!("/v1/campaigns/{CAMPAIGN}/ping");
    let supplier = host.supplier();
    let garbage = |_| supplier.send_raw(&path, "application/json", "{");
    let statuses = join_all((0..40).map(garbage)).await;
    let limited = |answer: &Result<(hyper::StatusCode, _, _), _>| {
        answer.as_ref().is_ok_and(|(status, ..)| *status == 429)
    };
    assert!(statuses.iter().any(limited), "{statuses:?}");
    for _ in 0..6 {
        let body = serde_json::json!({"lead": pinged(), "test": true});
        let (status, ..) = supplier
            .send_raw(&path, "application/json", body.to_string())
            .await
            .expect("answered");
        assert_eq!(status, 200);
    }
}

#[tokio::test]
async fn groups_and_schedules_say_why_an_account_is_not_asked() {
    let bidder = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    // The day after the day after tomorrow is over in no zone, and begun in none.
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("later");
    let today = usize::try_from(since_1970.as_secs() / 86_400 + 3).expect("small") % 7;
    let closed = format!(
        "schedule = [{{ days = [\"{}\"], from = \"08:00\", to = \"18:00\" }}]",
        days[(today + 3) % 7]
    );
    let open = "schedule = [{ days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"], from = \"00:00\", to = \"24:00\" }]";
    let market = Market::of([
        Account::bidding("closed", &bidder).with(&closed),
        Account::bidding("open", &bidder).with(open),
        Account::bidding("outside", &bidder),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\ndelivers_to = \"few\"\nmax_deliveries = 3")
    .plugins("[groups]\nfew = [\"closed\", \"open\"]");
    let host = Host::start(&market).await;
    let PingAnswer::Bid {
        ping_id,
        deliveries,
        ..
    } = host.ping().await
    else {
        panic!("the open one bids")
    };
    assert_eq!(deliveries, 1);
    assert_eq!(host.outcome(&ping_id, "closed").await, "outside_schedule");
    assert_eq!(host.outcome(&ping_id, "outside").await, "not_in_group");
    assert_eq!(host.outcome(&ping_id, "open").await, "won");
    assert_eq!(bidder.counts().pings, 1);
}

#[tokio::test]
async fn an_account_that_fails_in_a_row_is_left_alone_and_tried_again_once_at_a_time() {
    let failing = buyer(OnPing::Fault(Fault::Drop), OnPost::accept()).await;
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("failing", &failing).with("ping_timeout = \"8s\""),
        Account::fixed("other", "1.00", &taker),
    ])
    .on_terms("cost = { per_lead = \"0.50\" }\ndeadline = \"10s\"");
    let host = Host::start(&market).await;
    let outcome = async || {
        let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
            panic!("the other one bids")
        };
        host.outcome(&ping_id, "failing").await
    };
    for _ in 0..ROW {
        assert_eq!(outcome().await, "unreachable");
    }
    // Where this takes longer than an account is left alone, it is asked once more each time,
    // and left alone for longer.
    let left_alone = async || {
        let before = failing.counts().pings;
        let code = outcome().await;
        let asked = failing.counts().pings - before;
        assert_eq!(asked, u64::from(code == "unreachable"), "{code}");
        (code == "circuit_open").then_some(())
    };
    eventually("it is left alone", async || left_alone().await).await;
    eventually("it is tried again", async || {
        (outcome().await == "unreachable").then_some(())
    })
    .await;
    eventually("it is left alone again", async || left_alone().await).await;
    // It mends; of many pings at once one is let through, and its end lets all through.
    failing.on_ping(OnPing::bid("20.00").after(Duration::from_secs(2)));
    eventually("it is let through", async || {
        let before = failing.counts().pings;
        let outcomes = join_all((0..8).map(|_| outcome())).await;
        let won = outcomes.iter().filter(|one| *one == "won").count();
        assert!(won <= 1, "one at a time: {outcomes:?}");
        assert_eq!(failing.counts().pings - before, won as u64);
        (won == 1).then_some(())
    })
    .await;
    let outcomes = join_all((0..8).map(|_| outcome())).await;
    assert!(outcomes.iter().all(|one| one == "won"), "{outcomes:?}");
}
