//! The books agree: ledgers, reports, usage and what suppliers were told, to the cent, after a
//! mixed load with crashes.
//!
//! `GAVEL_AGREEMENT_PINGS` says how many leads are offered; 2 000 without it. The project's own
//! claim is about 100 000:
//!
//! ```text
//! GAVEL_AGREEMENT_PINGS=100000 cargo test --workspace --test black_box agreement::
//! ```

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::Supplier,
};
use hyper::Method;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::harness::{Account, Host, Market, buyer, enquiry, eventually, personal};

/// Leads under way at once.
const AT_ONCE: usize = 64;

/// Crashes of a run, at even distances.
const CRASHES: usize = 4;

/// The campaigns: name, channel, terms and what the post does.
const CAMPAIGNS: [(&str, &str, &str, &str); 5] = [
    (
        "sale",
        "ping_post",
        "cost = { per_sale = \"6.00\" }\nmax_deliveries = 2",
        "",
    ),
    (
        "share",
        "ping_post",
        "cost = { revenue_share = \"70\" }\nmax_deliveries = 3",
        "reject_for_not_delivered = false",
    ),
    (
        "margin",
        "ping_post",
        "cost = { margin = \"33\" }",
        "reject_for_not_delivered = false",
    ),
    (
        "direct",
        "direct_post",
        "cost = { revenue_share = \"50\" }\nmax_deliveries = 2",
        "",
    ),
    (
        "late",
        "direct_post",
        "cost = { per_lead = \"4.00\" }",
        "reject_for_not_delivered = false",
    ),
];

/// Buyers in several moods, and accounts of theirs: alone and shared, priced and bidding.
struct Buyers {
    rejecting: MockBuyer,
    haggling: MockBuyer,
    vague: MockBuyer,
    /// Where nobody listens.
    gone: std::net::SocketAddr,
}

/// An address of this machine at which nobody listens: a port that was free a moment ago.
fn nowhere() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

impl Buyers {
    async fn start() -> Self {
        let sometimes = |share, otherwise| OnPost::accept().but_sometimes(share, otherwise);
        Self {
            rejecting: buyer(
                OnPing::bid("30.00"),
                sometimes(0.5, OnPost::reject("not now")),
            )
            .await,
            haggling: buyer(
                OnPing::bid("20.01").but_sometimes(0.3, OnPing::bid("13.3333")),
                sometimes(0.4, OnPost::accept_at("7.77")),
            )
            .await,
            vague: buyer(
                OnPing::bid("12.00"),
                sometimes(0.2, OnPost::accept_then_drop()),
            )
            .await,
            gone: nowhere(),
        }
    }

    fn accounts(&self) -> Vec<Account> {
        let returns = |rest: &str| {
            format!(
                "returns = {{ within = \"1d\", max_percent = \"20\", {rest} }}\ncaps = {{ total = 1000000 }}"
            )
        };
        vec![
            Account::bidding("rejecting", &self.rejecting)
                .with("exclusive = true")
                .with(&returns("auto_accept = true, charge_supplier = true")),
            Account::bidding("haggling", &self.haggling)
                .with("budget = { total = \"1000000\" }\non_unconfirmed = \"next\"")
                .with(&returns("charge_supplier = true")),
            Account::bidding("vague", &self.vague)
                .with("on_unconfirmed = \"next\"")
                .with(&returns("auto_accept = true")),
            Account::fixed("steady", "9.99", &self.vague),
            Account::fixed("gone", "25.00", &self.vague)
                .replacing(
                    &self.vague.url("/post"),
                    &format!("http://{}/post", self.gone),
                )
                .replacing(
                    &format!("\"{}\"", self.vague.url("")),
                    &format!("\"http://{}\"", self.gone),
                )
                .with("retry = { attempts = 1, wait = \"20ms\" }"),
        ]
    }
}

fn market(buyers: &Buyers) -> String {
    let market = Market::of(buyers.accounts())
        .on_terms("cost = { per_lead = \"5.00\" }\nmax_deliveries = 1\nwindow = \"10m\"");
    let mut text = market.toml();
    for (name, channel, terms, post) in CAMPAIGNS {
        let _ = write!(
            text,
            "\n[campaigns.{name}]\nsupplier = \"sunleads\"\nlead_type = \"solar\"\nchannel = \"{channel}\"\n{terms}\nwindow = \"10m\"\n[campaigns.{name}.post]\nrequired = [\"phone\"]\n{post}\n"
        );
    }
    text
}

/// What a supplier was told of a lead.
#[derive(Debug, Clone)]
struct Answer {
    status: String,
    payout: Decimal,
    up_to: bool,
    test: bool,
    direct: bool,
}

/// One lead on its way: what is sent next, until there is an answer.
struct Offered {
    campaign: &'static str,
    lead: serde_json::Map<String, Value>,
    test: bool,
    /// Whether a quote is left to expire.
    posts: bool,
}

/// What all suppliers were told.
#[derive(Default)]
struct Told {
    pings: AtomicU64,
    answers: std::sync::Mutex<BTreeMap<String, Answer>>,
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or("0").parse().expect("an amount")
}

fn offered(rng: &mut SmallRng) -> Offered {
    let names = ["solar", "sale", "share", "margin", "direct", "late"];
    Offered {
        campaign: names[rng.random_range(0..names.len())],
        lead: enquiry(),
        test: rng.random_bool(0.05),
        posts: rng.random_bool(0.85),
    }
}

impl Offered {
    fn is_direct(&self) -> bool {
        matches!(self.campaign, "direct" | "late")
    }

    fn body(&self, more: Value) -> Value {
        let mut body = json!({"lead": self.lead, "test": self.test});
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        body
    }

    /// Sends until there is an answer: who hears nothing sends the same again, as suppliers do.
    async fn sell(mut self, host: &tokio::sync::RwLock<Host>, told: &Told) {
        let mut order: Option<String> = None;
        loop {
            let supplier = host.read().await.supplier();
            let answer = if self.is_direct() {
                self.lead.extend(personal());
                self.send(&supplier, "lead", json!({})).await
            } else if let Some(order) = &order {
                self.lead.extend(personal());
                self.send(&supplier, "post", json!({"ping_order_id": order}))
                    .await
            } else {
                self.send(&supplier, "ping", json!({})).await
            };
            let Some((status, answer)) = answer else {
                // The host is gone. It is being started again under the lock.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            match (status, answer["status"].as_str()) {
                (200, Some("bid")) => {
                    told.pings
                        .fetch_add(u64::from(!self.test), Ordering::Relaxed);
                    if !self.posts {
                        return;
                    }
                    order = answer["ping_order_id"].as_str().map(str::to_owned);
                }
                (200, Some("no_bid")) => {
                    told.pings
                        .fetch_add(u64::from(!self.test), Ordering::Relaxed);
                    return;
                }
                (200, Some(word)) => {
                    // A direct post is its own ping.
                    told.pings
                        .fetch_add(u64::from(self.is_direct() && !self.test), Ordering::Relaxed);
                    let lead = answer["lead_id"].as_str().expect("an id").to_owned();
                    let answer = Answer {
                        status: word.to_owned(),
                        payout: decimal(&answer["payout"]),
                        up_to: answer["payout_is"] == "up_to",
                        test: self.test,
                        direct: self.is_direct(),
                    };
                    told.answers.lock().unwrap().insert(lead, answer);
                    return;
                }
                // Being posted since before the crash.
                (409 | 503, _) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => panic!("{other:?}: {answer}"),
            }
        }
    }

    async fn send(&self, supplier: &Supplier, what: &str, more: Value) -> Option<(u16, Value)> {
        let path = format!("/v1/campaigns/{}/{what}", self.campaign);
        let body = self.body(more).to_string();
        let (status, _, body) = supplier
            .send_raw(&path, "application/json", body)
            .await
            .ok()?;
        Some((status.as_u16(), serde_json::from_slice(&body).ok()?))
    }
}

/// Sells so many leads, with crashes between.
async fn run(host: Host, pings: usize, told: &Arc<Told>) -> Host {
    let host = Arc::new(tokio::sync::RwLock::new(host));
    let mut rng = SmallRng::seed_from_u64(5);
    let began = Instant::now();
    for part in 0..=CRASHES {
        let some: Vec<_> = (0..pings / (CRASHES + 1))
            .map(|_| offered(&mut rng))
            .collect();
        let middle = some.len() / 2;
        let done = AtomicU64::new(0);
        let selling = stream::iter(some)
            .map(|one| async {
                one.sell(&host, told).await;
                done.fetch_add(1, Ordering::Relaxed);
            })
            .buffer_unordered(AT_ONCE)
            .collect::<()>();
        let crashing = async {
            if part == CRASHES {
                return;
            }
            while done.load(Ordering::Relaxed) < middle as u64 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            host.read().await.kill_by_pid();
            host.write().await.kill_and_restart().await;
        };
        tokio::join!(selling, crashing);
        eprintln!("part {part} after {:.1?}", began.elapsed());
    }
    Arc::into_inner(host)
        .expect("nobody sells any more")
        .into_inner()
}

/// Every item of an admin list.
async fn all(host: &Host, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut after = String::new();
    loop {
        let page = host.get(&format!("{path}limit=500{after}")).await;
        items.extend(page["items"].as_array().expect("a list").iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

async fn admin(host: &Host, path: &str, body: Value) -> (u16, Value) {
    host.admin(Method::POST, path, body.to_string(), "application/json")
        .await
}

/// Those of these leads of which more may still be tried.
async fn unfinished(host: &Host, leads: Vec<String>) -> Vec<String> {
    let asking = leads.into_iter().map(async |lead| {
        let status = host.supplier().lead(&lead).await.expect("found");
        (status["finished"] != true).then_some(lead)
    });
    let asked = stream::iter(asking).buffer_unordered(AT_ONCE);
    asked.filter_map(async |lead| lead).collect().await
}

/// An operator settles what is unconfirmed, until nothing is and nothing more is tried.
async fn settle(host: &Host, told: &Told) -> usize {
    let mut settled = 0;
    let mut accepted: Vec<String> = {
        let answers = told.answers.lock().unwrap();
        let real = answers
            .iter()
            .filter(|(_, answer)| answer.status == "accepted" && !answer.test);
        real.map(|(lead, _)| lead.clone()).collect()
    };
    loop {
        let unconfirmed = all(host, "/deliveries?state=unconfirmed&").await;
        for delivery in &unconfirmed {
            settled += 1;
            let how = match settled % 3 {
                0 => json!({"sold": true}),
                1 => json!({"sold": true, "price": "5.55"}),
                _ => json!({"sold": false}),
            };
            let id = delivery["id"].as_str().expect("an id");
            let (status, said) = host.settle(id, how).await;
            // What another delivery's end settled meanwhile is in the next list no more.
            assert!(status == 200 || said["code"] == "already_settled", "{said}");
        }
        accepted = unfinished(host, accepted).await;
        if unconfirmed.is_empty() && accepted.is_empty() {
            return settled;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every lead that was answered, once it has come to its end.
async fn leads(host: &Host, told: &Told) -> BTreeMap<String, Value> {
    let ids: Vec<(String, bool)> = told
        .answers
        .lock()
        .unwrap()
        .iter()
        .map(|(id, answer)| (id.clone(), answer.test))
        .collect();
    let reading = ids.into_iter().map(async |(id, test)| {
        let path = format!("/leads/{id}");
        let (status, lead) = host.admin(Method::GET, &path, "", "application/json").await;
        if status == 404 {
            // A direct post that nobody bid on made no lead.
            let answer = &told.answers.lock().unwrap()[&id];
            assert!(
                answer.direct && answer.status == "rejected",
                "{id}: {answer:?}"
            );
            return None;
        }
        if test {
            assert_eq!(lead["ledger"], json!([]), "a test books nothing: {lead}");
            return None;
        }
        Some((id, lead))
    });
    let read = stream::iter(reading).buffer_unordered(AT_ONCE);
    read.filter_map(async |lead| lead).collect().await
}

/// Some of what was sold is given back; some of that is declined.
async fn give_back(host: &Host, leads: &BTreeMap<String, Value>) -> usize {
    let mut made = 0;
    let sold = leads
        .values()
        .flat_map(|lead| lead["deliveries"].as_array().expect("a list"));
    let sold =
        sold.filter(|delivery| delivery["outcome"] == "sold" && delivery["account"] != "steady");
    for (number, delivery) in sold.enumerate().filter(|(number, _)| number % 8 == 0) {
        let body = json!({"delivery_id": delivery["id"], "reason": "no answer at the door"});
        let (status, made_of) = admin(host, "/returns", body).await;
        if status != 200 {
            let code = made_of["code"].as_str().unwrap_or_default();
            assert!(
                matches!(code, "return_limit" | "not_returnable"),
                "{made_of}"
            );
            continue;
        }
        made += 1;
        if made_of["state"] == "pending" {
            let id = made_of["id"].as_str().expect("an id");
            let how = if number % 3 == 0 { "decline" } else { "accept" };
            let (status, said) = admin(host, &format!("/returns/{id}/{how}"), json!({})).await;
            assert_eq!(status, 200, "{said}");
        }
    }
    made
}

/// What the ledgers of all leads add up to.
#[derive(Debug, Default, Clone, PartialEq)]
struct Books {
    revenue: Decimal,
    cost: Decimal,
    sales: u64,
    /// What each account bought: deliveries, and their prices.
    bought: BTreeMap<String, (u64, Decimal)>,
}

fn books(leads: &BTreeMap<String, Value>) -> Books {
    let mut books = Books::default();
    for lead in leads.values() {
        for entry in lead["ledger"].as_array().expect("a list") {
            let amount = decimal(&entry["amount"]);
            match entry["kind"].as_str().expect("a word") {
                // What is given back has a negative amount.
                "revenue" | "return" => books.revenue += amount,
                _ => books.cost += amount,
            }
        }
        for delivery in lead["deliveries"].as_array().expect("a list") {
            if delivery["outcome"] == "sold" {
                let account = delivery["account"].as_str().expect("a name").to_owned();
                let bought = books.bought.entry(account).or_default();
                bought.0 += 1;
                bought.1 += decimal(&delivery["price"]);
                books.sales += 1;
            }
        }
    }
    books
}

/// What each lead costs is what its supplier was told.
fn agree_with_answers(leads: &BTreeMap<String, Value>, told: &Told) {
    let mut paid = Decimal::ZERO;
    let answers = told.answers.lock().unwrap();
    for (id, lead) in leads {
        let answer = &answers[id];
        let cost: Decimal = lead["ledger"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|entry| entry["kind"] == "cost")
            .map(|entry| decimal(&entry["amount"]))
            .sum();
        match (answer.status.as_str(), answer.up_to) {
            ("rejected", _) => assert_eq!(cost, Decimal::ZERO, "{lead}"),
            ("accepted", true) => assert!(cost <= answer.payout, "{lead}"),
            ("sold" | "accepted", _) => assert_eq!(cost, answer.payout, "{lead}"),
            (other, _) => panic!("{other}"),
        }
        assert_eq!(lead["state"], answer.status.as_str(), "{lead}");
        paid += cost;
    }
    eprintln!("suppliers are owed {paid} before returns, as they were told");
}

/// Every grouping of the report adds up to the ledgers.
async fn agree_with_reports(host: &Host, books: &Books, pings: u64) {
    let day = |hours: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        at.strftime("%Y-%m-%d").to_string()
    };
    let range = format!("from={}&to={}", day(-48), day(48));
    let total = |report: &Value| {
        let total = &report["total"];
        (
            decimal(&total["revenue"]),
            decimal(&total["cost"]),
            total["sales"].as_u64(),
        )
    };
    let expected = (books.revenue, books.cost, Some(books.sales));
    // What was answered and not heard, since the host was killed, is asked again.
    let unheard = u64::try_from(CRASHES * AT_ONCE).expect("few");
    // Counted in the background.
    eventually("the report has caught up", || async {
        let report = host.get(&format!("/report?by=campaign&{range}")).await;
        let so_far = total(&report);
        if so_far != expected {
            eprintln!("the report says {so_far:?}, expected {expected:?}");
        }
        let counted = report["total"]["pings"].as_u64().expect("a number");
        (so_far == expected && (pings..=pings + unheard).contains(&counted)).then_some(())
    })
    .await;
    for by in [
        "campaign",
        "supplier",
        "buyer",
        "account",
        "hour",
        "day",
        "campaign,day",
        "supplier,hour",
        "buyer,account",
    ] {
        let report = host.get(&format!("/report?by={by}&{range}")).await;
        let rows = report["rows"].as_array().expect("a list");
        let sum = |name: &str| -> Decimal { rows.iter().map(|row| decimal(&row[name])).sum() };
        let sales: u64 = rows.iter().filter_map(|row| row["sales"].as_u64()).sum();
        assert_eq!(
            (sum("revenue"), sales),
            (books.revenue, books.sales),
            "by {by}: {report}"
        );
        assert_eq!(
            sum("profit"),
            sum("revenue") - sum("cost"),
            "by {by}: {report}"
        );
        assert_eq!(sum("cost"), books.cost, "by {by}: {report}");
    }
}

/// What was counted of each account is what it bought: returns free nothing.
async fn agree_with_usage(host: &Host, books: &Books) {
    for account in ["rejecting", "haggling", "vague", "steady", "gone"] {
        let usage = host.get(&format!("/accounts/{account}/usage")).await;
        let (sold, money) = books.bought.get(account).copied().unwrap_or_default();
        let counted = &usage["caps"]["total"];
        assert_eq!(counted["sold"].as_u64(), Some(sold), "{account}: {usage}");
        let counted = &usage["budget"]["total"];
        assert_eq!(decimal(&counted["sold"]), money, "{account}: {usage}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledgers_reports_usage_and_answers_agree_to_the_cent_after_crashes() {
    let pings = std::env::var("GAVEL_AGREEMENT_PINGS")
        .ok()
        .and_then(|text| text.parse().ok());
    let buyers = Buyers::start().await;
    let host = Host::start_with(&market(&buyers), &[("GAVEL_LOG", "warn")]).await;
    let told = Arc::new(Told::default());
    let host = run(host, pings.unwrap_or(2_000), &told).await;
    let settled = settle(&host, &told).await;
    let sold = leads(&host, &told).await;
    let returned = give_back(&host, &sold).await;
    let leads = leads(&host, &told).await;
    let books = books(&leads);
    eprintln!("{settled} settled by hand, {returned} given back, {books:?}");
    assert!(books.sales > 100 && returned > 0, "the load was a load");
    agree_with_answers(&leads, &told);
    agree_with_usage(&host, &books).await;
    agree_with_reports(&host, &books, told.pings.load(Ordering::Relaxed)).await;
}
