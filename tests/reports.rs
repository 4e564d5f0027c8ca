//! Reports: they say what suppliers were told, what the ledger says and what became of each
//! account in each ping, whatever crashed meanwhile.

use std::{collections::BTreeMap, time::Duration};

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::{Ping, PingAnswer, PostAnswer},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Method, Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use serde_json::{Value, json};

use crate::harness::{ADMIN_TOKEN, Account, CAMPAIGN, Host, Market, buyer, personal, pinged};

/// Every way of grouping that is asked for, and some together.
const GROUPINGS: [&str; 13] = [
    "",
    "campaign",
    "supplier",
    "buyer",
    "account",
    "outcome",
    "hour",
    "day",
    "sub_id",
    "campaign,day",
    "account,outcome",
    "hour,buyer,supplier",
    "day,sub_id",
];

/// What suppliers were told, in whole cents.
#[derive(Debug, Default)]
struct Told {
    pings: Vec<String>,
    bids: u64,
    bid_total: i64,
    leads: Vec<String>,
    sales: u64,
    payouts: i64,
}

fn cents(amount: &Value) -> i64 {
    let text = amount
        .as_str()
        .unwrap_or_else(|| panic!("an amount: {amount}"));
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').expect("two decimals");
    assert_eq!(fraction.len(), 2, "whole cents: {text}");
    sign * (whole.parse::<i64>().unwrap() * 100 + fraction.parse::<i64>().unwrap())
}

fn market_of(
    dear: &gavel_example_solar::buyers::MockBuyer,
    cheap: &gavel_example_solar::buyers::MockBuyer,
) -> Market {
    Market::of([
        Account::bidding("dear", dear),
        Account::bidding("cheap", cheap),
        Account::fixed("always", "9.00", cheap),
        Account::bidding("texan", cheap).with("criteria = [{ field = \"state\", in = [\"TX\"] }]"),
        Account::bidding("sunny", cheap)
            .with("filter = { plugin = \"roof-filter\", config = { shade = [\"none\"] } }"),
        Account::bidding("paused", cheap).with("status = \"paused\""),
    ])
}

/// Pings and posts one lead after the other, some without a post.
async fn sell(host: &Host, rng: &mut SmallRng, leads: usize, told: &mut Told) {
    for _ in 0..leads {
        let mut lead = pinged();
        if rng.random_bool(0.5) {
            lead.insert("state".into(), json!("TX"));
            lead.insert("zip".into(), json!("75001"));
        }
        if rng.random_bool(0.3) {
            lead.insert("roof_shade".into(), json!("full"));
        }
        let ping = Ping {
            lead,
            sub_id: rng
                .random_bool(0.6)
                .then(|| format!("fb-{}", rng.random_range(0..3))),
            ..Ping::default()
        };
        let answer = host
            .supplier()
            .ping(CAMPAIGN, &ping)
            .await
            .expect("understood");
        let PingAnswer::Bid {
            ping_id,
            ping_order_id,
            bid,
            ..
        } = answer
        else {
            panic!("somebody always bids: {answer:?}")
        };
        told.pings.push(ping_id);
        told.bids += 1;
        told.bid_total += cents(&json!(bid));
        if rng.random_bool(0.3) {
            continue;
        }
        // Another person each time: the same one again would be a duplicate.
        let mut person = personal();
        let number = told.pings.len();
        person.insert("phone".into(), json!(format!("(415) 555-{number:04}")));
        let posted = host.post_lead(&ping_order_id, person).await;
        match posted.expect("in time") {
            PostAnswer::Sold {
                lead_id,
                payout,
                deliveries,
                ..
            } => {
                told.leads.push(lead_id);
                told.sales += u64::from(deliveries);
                told.payouts += cents(&json!(payout));
            }
            PostAnswer::Rejected { .. } => {}
            other @ PostAnswer::Accepted { .. } => panic!("the supplier waits: {other:?}"),
        }
    }
}

/// Sums over a report's rows, by column.
fn sums(report: &Value) -> BTreeMap<&'static str, i64> {
    let rows = report["rows"].as_array().expect("rows");
    let counts = ["pings", "bids", "sales"].map(|name| {
        let all = rows.iter().map(|row| row[name].as_i64().expect("a count"));
        (name, all.sum())
    });
    let amounts = ["bid_total", "cost", "revenue", "profit"]
        .map(|name| (name, rows.iter().map(|row| cents(&row[name])).sum()));
    counts.into_iter().chain(amounts).collect()
}

async fn every_grouping_adds_up(host: &Host, told: &Told, accounts: usize) {
    let mut revenue = 0;
    for lead in &told.leads {
        let story = host.get(&format!("/leads/{lead}")).await;
        for entry in story["ledger"].as_array().expect("entries") {
            if entry["kind"] == "revenue" {
                revenue += cents(&entry["amount"]);
            }
        }
    }
    let count = |number: usize| i64::try_from(number).unwrap();
    for by in GROUPINGS {
        let report = host.get(&format!("/report?by={by}")).await;
        let sums = sums(&report);
        for (name, sum) in &sums {
            let total = &report["total"][*name];
            let total = total.as_i64().unwrap_or_else(|| cents(total));
            assert_eq!(total, *sum, "{name} by {by:?}: {report}");
        }
        assert_eq!(sums["revenue"], revenue, "by {by:?}: {report}");
        assert_eq!(sums["cost"], told.payouts, "by {by:?}: {report}");
        assert_eq!(sums["profit"], revenue - told.payouts, "by {by:?}");
        assert_eq!(
            sums["sales"],
            i64::try_from(told.sales).unwrap(),
            "by {by:?}"
        );
        let of_accounts = ["account", "buyer", "outcome"]
            .iter()
            .any(|word| by.contains(word));
        if of_accounts {
            assert_eq!(
                sums["pings"],
                count(told.pings.len() * accounts),
                "by {by:?}"
            );
        } else {
            assert_eq!(
                sums["pings"],
                count(told.pings.len()),
                "by {by:?}: {report}"
            );
            assert_eq!(sums["bids"], i64::try_from(told.bids).unwrap(), "by {by:?}");
            assert_eq!(sums["bid_total"], told.bid_total, "by {by:?}");
        }
    }
}

/// Every account's outcomes, with what explains them, as the pings' records have them.
async fn the_funnel_is_what_the_records_say(host: &Host, told: &Told) {
    let mut right: BTreeMap<[String; 4], i64> = BTreeMap::new();
    let mut short = 0;
    for ping in &told.pings {
        let record = host.get(&format!("/pings/{ping}")).await;
        let outcomes = record["outcomes"].as_array().expect("outcomes");
        let won = outcomes.iter().filter(|one| one["code"] == "won");
        let lowest = won
            .map(|one| cents(&one["bid"]))
            .min()
            .expect("somebody won");
        for one in outcomes {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let detail = &one["detail"];
            let key = [
                text(&one["account"]),
                text(&one["code"]),
                text(&detail["field"]),
                text(&detail["code"]),
            ];
            *right.entry(key).or_default() += 1;
            if one["code"] == "outbid" {
                short += lowest - cents(&one["bid"]);
            }
        }
    }
    let report = host.get("/report?by=account,outcome").await;
    let mut said = BTreeMap::new();
    let mut said_short = 0;
    for row in report["rows"].as_array().expect("rows") {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let pings = row["pings"].as_i64().expect("a count");
        if pings > 0 {
            let key = ["account", "outcome", "field", "code"].map(text);
            said.insert(key, pings);
        }
        if !row["short_total"].is_null() {
            assert_eq!(row["outcome"], "outbid");
            said_short += cents(&row["short_total"]);
        }
    }
    assert_eq!(said, right);
    assert_eq!(said_short, short);
    let only = host.get("/report?by=outcome&account=texan").await;
    let fields: Vec<_> = only["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["field"])
        .collect();
    assert!(fields.contains(&&json!("state")), "{only}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_agree_with_answers_records_and_the_ledger_after_crashes() {
    let rejects = OnPost::accept().but_sometimes(0.5, OnPost::reject("not now"));
    let (dear, cheap) = (
        buyer(OnPing::bid("30.00"), rejects).await,
        buyer(OnPing::bid("12.34"), OnPost::accept()).await,
    );
    let mut host = Host::start(&market_of(&dear, &cheap)).await;
    let mut rng = SmallRng::seed_from_u64(5);
    let mut told = Told::default();
    for round in 0..6 {
        sell(&host, &mut rng, 25, &mut told).await;
        if round % 2 == 0 {
            // Some are counted when it is killed, some are not.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..1_200))).await;
        }
        host.kill_and_restart().await;
    }
    sell(&host, &mut rng, 25, &mut told).await;
    assert!(told.leads.len() > 50, "{told:?}");
    every_grouping_adds_up(&host, &told, 6).await;
    the_funnel_is_what_the_records_say(&host, &told).await;
    let days = host
        .get("/report?by=day&from=2020-01-01&to=2020-01-31")
        .await;
    assert_eq!(
        (&days["rows"], &days["total"]["pings"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(
        days["from"], "2020-01-01T07:00:00Z",
        "a day in Phoenix: {days}"
    );
    assert_eq!(days["to"], "2020-02-01T07:00:00Z");
}

/// A report as CSV: its media type and its lines.
async fn csv(host: &Host, query: &str) -> (String, Vec<String>) {
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let request = Request::builder()
        .uri(format!("http://{}/admin/v1/report{query}", host.admin))
        .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
        .header("accept", "text/csv")
        .body(Empty::new())
        .expect("a request");
    let answer = client.request(request).await.expect("answered");
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    (kind, text.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_report_comes_as_csv_that_no_spreadsheet_runs() {
    let bidder = buyer(OnPing::bid("30.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("bidder", &bidder)])).await;
    let ping = Ping {
        lead: pinged(),
        sub_id: Some("=HYPERLINK(1)".into()),
        ..Ping::default()
    };
    host.supplier()
        .ping(CAMPAIGN, &ping)
        .await
        .expect("understood");
    let (kind, lines) = csv(&host, "?by=sub_id").await;
    assert!(kind.starts_with("text/csv"), "{kind}");
    assert_eq!(
        lines,
        [
            "sub_id,pings,bids,bid_total,sales,cost,revenue,profit",
            "'=HYPERLINK(1),1,1,5.00,0,0.00,0.00,0.00",
        ]
    );
    let (_, lines) = csv(&host, "?by=account,outcome").await;
    assert_eq!(
        lines,
        [
            "account,outcome,field,code,pings,bids,bid_total,sales,cost,revenue,profit,short_total,short_mean,estimated",
            "bidder,won,,,1,1,30.00,0,0.00,0.00,0.00,,,false",
        ]
    );
}

#[tokio::test]
async fn a_report_that_cannot_be_made_says_which_parameter_is_wrong() {
    let bidder = buyer(OnPing::bid("30.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("bidder", &bidder)])).await;
    for (query, field, code, suggestion) in [
        ("by=acount", "by", "not_allowed", json!("account")),
        ("by=sub_id,outcome", "by", "not_allowed", Value::Null),
        ("by=sub_id&account=bidder", "by", "not_allowed", Value::Null),
        ("from=soon", "from", "bad_format", Value::Null),
        (
            "from=2026-11-02&to=2026-11-01",
            "to",
            "out_of_range",
            Value::Null,
        ),
        (
            "from=2010-01-01&to=2026-01-01",
            "from",
            "out_of_range",
            Value::Null,
        ),
        ("form=2026-11-01", "form", "unknown_field", json!("from")),
    ] {
        let (status, problem) = host
            .admin(
                Method::GET,
                &format!("/report?{query}"),
                Bytes::new(),
                "application/json",
            )
            .await;
        assert_eq!(
            (status, &problem["code"]),
            (422, &json!("invalid_fields")),
            "{query}"
        );
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!(field), &json!(code)),
            "{query}"
        );
        assert_eq!(error["suggestion"], suggestion, "{query}");
    }
}
