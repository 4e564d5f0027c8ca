//! The real binary over HTTP: suppliers' requests, and operators' to the admin API.

use std::{collections::HashMap, time::Duration};

use gavel_example_solar::supplier::Supplier;
use hyper::Method;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::{
    super::{
        case::{self, FIELDS, Offer, Ping, Sent, Settle},
        market_text,
        play::Disagreement,
        told::{EntryTold, Owner, Told, UsageTold},
    },
    buyers::Buyers,
    shown::{self, Names},
    world::{Hosted, Plugins, key},
};
use crate::harness::{Host, Market, send_as};

const JSON: &str = "application/json";

/// Between two looks at what only the host knows, and nobody tells.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(3);

/// A host, on which one case is played after another.
pub(super) struct Table {
    host: Host,
    plugins: Plugins,
    pub(super) buyers: Buyers,
}

impl Table {
    pub(super) async fn new() -> Self {
        Self {
            // It knows the plugins from its first market.
            host: Host::start(&Market::of([])).await,
            plugins: Plugins::read(),
            buyers: Buyers::start(),
        }
    }
}

/// A request's status, and what was said.
type Reply = (u16, Value);

/// A request that may take as long as the buyers do.
pub(super) type Asked = JoinHandle<Reply>;

/// What a direct post came to.
pub(super) enum Direct {
    /// It was turned away, or nobody is to get the lead.
    Told(Told),
    /// There is an order; the request is answered when it is.
    Taken(Told, Asked),
}

/// The host's side of one case.
pub(super) struct Driver<'t> {
    pub(super) table: &'t mut Table,
    prefix: String,
    markets: Vec<case::Market>,
    /// Each order's ULID.
    orders: Vec<String>,
    returns: Vec<String>,
}

impl<'t> Driver<'t> {
    pub(super) async fn new(
        table: &'t mut Table,
        markets: &[case::Market],
    ) -> Result<Self, Disagreement> {
        let driver = Self {
            table,
            prefix: markets[0].prefix.clone(),
            markets: markets.to_vec(),
            orders: Vec::new(),
            returns: Vec::new(),
        };
        driver.apply(0).await?;
        Ok(driver)
    }

    pub(super) async fn apply(&self, market: usize) -> Result<(), Disagreement> {
        let world = Hosted {
            prefix: &self.prefix,
            plugins: &self.table.plugins,
            buyers: &self.table.buyers,
        };
        let text = market_text::text(&self.markets[market], &world);
        let put = self
            .table
            .host
            .admin(Method::PUT, "/market", text.clone(), "application/toml");
        match put.await {
            (200, _) => Ok(()),
            (_, refused) => Err(format!("the market is refused: {refused:#}\n{text}")),
        }
    }

    fn names(&self) -> Names<'_> {
        Names(&self.prefix)
    }

    pub(super) fn order(&self, at: usize) -> String {
        format!("po_{}", self.orders[at])
    }

    /// Begins a supplier's request.
    fn ask(&self, campaign: usize, what: &str, body: Map<String, Value>) -> Asked {
        let supplier = self.markets[0].campaigns[campaign].supplier;
        let supplier = Supplier::new(self.table.host.api, &key(&self.prefix, supplier));
        let path = format!("/v1/campaigns/{}c{campaign}/{what}", self.prefix);
        tokio::spawn(async move { send_as(&supplier, &path, body.into()).await })
    }

    fn ask_with(&self, ping: &Ping, what: &str) -> Asked {
        let offers: Vec<Offer> = ping.says.iter().map(|says| says.offer).collect();
        self.table.buyers.offer(offers);
        let mut body = Map::from_iter([("lead".to_owned(), lead(&ping.lead))]);
        body.extend(
            ping.min_bid
                .map(|least| ("min_bid".into(), json!(least.to_string()))),
        );
        body.extend(ping.test.then(|| ("test".into(), json!(true))));
        self.ask(ping.campaign, what, body)
    }

    pub(super) async fn ping(&mut self, ping: &Ping) -> Result<Told, Disagreement> {
        let (status, said) = answered(self.ask_with(ping, "ping")).await?;
        if status != 200 {
            return Ok(shown::problem(&said));
        }
        let ulid = ulid(&said["ping_id"]);
        let told = self.decided(&ulid).await;
        match &told {
            Told::Decided {
                verdict: Ok(quote), ..
            } => {
                let bid = said["bid"].as_str().and_then(|bid| bid.parse().ok());
                if bid != Some(quote.cost) || said["deliveries"] != quote.selected.len() {
                    return Err(format!(
                        "the supplier is told {said}, and the order says {quote:?}"
                    ));
                }
                self.orders.push(ulid);
            }
            Told::Decided {
                verdict: Err(reason),
                ..
            } if said["reason"] != **reason => {
                return Err(format!(
                    "the supplier is told {said}, and the record says {reason}"
                ));
            }
            _ => {}
        }
        Ok(told)
    }

    /// A direct post, until it is answered or there is an order.
    pub(super) async fn direct(&mut self, ping: &Ping) -> Result<Direct, Disagreement> {
        let before = self.newest_ping().await;
        let asked = self.ask_with(ping, "lead");
        let made = loop {
            let is_answered = asked.is_finished();
            let newest = self.newest_ping().await;
            if newest != before {
                break newest;
            }
            if is_answered {
                break None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        let Some(ulid) = made else {
            let (_, said) = answered(asked).await?;
            return Ok(Direct::Told(shown::problem(&said)));
        };
        let told = self.decided(&ulid).await;
        if let Told::Decided {
            verdict: Err(reason),
            ..
        } = &told
        {
            let (_, said) = answered(asked).await?;
            let expected = json!({"status": "rejected", "reason": reason});
            if said["status"] != expected["status"] || said["reason"] != expected["reason"] {
                return Err(format!(
                    "the supplier is told {said}, and the record says {reason}"
                ));
            }
            return Ok(Direct::Told(told));
        }
        self.orders.push(ulid);
        Ok(Direct::Taken(told, asked))
    }

    async fn newest_ping(&self) -> Option<String> {
        let pings = self.table.host.get("/pings?limit=1").await;
        pings["items"].get(0).map(|ping| ulid(&ping["id"]))
    }

    async fn decided(&self, ulid: &str) -> Told {
        let record = self.table.host.get(&format!("/pings/pg_{ulid}")).await;
        let verdict = if record["answer"]["status"] == "bid" {
            let order = self.table.host.get(&format!("/orders/po_{ulid}")).await;
            Ok(self.names().quote(&order))
        } else {
            Err(shown::text(&record["answer"]["reason"]))
        };
        Told::Decided {
            outcomes: self.names().outcomes(&record).collect(),
            verdict,
        }
    }

    pub(super) fn post(&self, at: usize, campaign: usize, is_test: bool, sent: &Sent) -> Asked {
        let mut body = Map::from_iter([
            ("ping_order_id".to_owned(), json!(self.order(at))),
            ("lead".to_owned(), lead(sent)),
        ]);
        body.extend(is_test.then(|| ("test".into(), json!(true))));
        self.ask(campaign, "post", body)
    }

    async fn lead(&self, at: usize) -> Option<Value> {
        let path = format!("/leads/ld_{}", self.orders[at]);
        let (status, lead) = self.table.host.admin(Method::GET, &path, "", JSON).await;
        (status == 200).then_some(lead)
    }

    /// How a lead stands, with its ledger; nothing before it is posted.
    pub(super) async fn told(&self, at: usize) -> Option<(Told, Vec<EntryTold>)> {
        let lead = self.lead(at).await?;
        Some((self.names().lead(&lead), self.names().ledger(&lead)))
    }

    pub(super) async fn usage(&self, owner: Owner) -> UsageTold {
        let path = match owner {
            Owner::Account(at) => format!("/accounts/{}a{at}/usage", self.prefix),
            Owner::Campaign(at) => format!("/campaigns/{}c{at}/usage", self.prefix),
        };
        shown::usage(&self.table.host.get(&path).await)
    }

    /// The id of an account's delivery.
    async fn delivery(&self, at: usize, account: usize) -> Result<String, Disagreement> {
        let lead = self.lead(at).await.ok_or("no such lead")?;
        let name = format!("{}a{account}", self.prefix);
        let deliveries = lead["deliveries"].as_array().into_iter().flatten();
        let found = deliveries
            .filter(|delivery| delivery["account"] == *name)
            .find_map(|delivery| delivery["id"].as_str());
        found
            .map(ToOwned::to_owned)
            .ok_or_else(|| format!("{name} has no delivery in {lead:#}"))
    }

    /// A change by the admin API: what it says, or the code with which it is refused.
    async fn change(&self, path: &str, body: Value) -> Result<Value, String> {
        let changed = self
            .table
            .host
            .admin(Method::POST, path, body.to_string(), JSON);
        match changed.await {
            (200, said) => Ok(said),
            (_, problem) => Err(match shown::problem(&problem) {
                Told::Refused(code) => code,
                faults => format!("{faults:?}"),
            }),
        }
    }

    pub(super) async fn settle(
        &self,
        at: usize,
        account: usize,
        how: Settle,
    ) -> Result<Result<(), String>, Disagreement> {
        let how = match how {
            Settle::Sold => json!({"sold": true}),
            Settle::SoldAt(price) => json!({"sold": true, "price": price.to_string()}),
            Settle::NotSold => json!({"sold": false}),
        };
        let path = format!("/deliveries/{}/settle", self.delivery(at, account).await?);
        Ok(self.change(&path, how).await.map(|_| ()))
    }

    pub(super) async fn retry(
        &self,
        at: usize,
        account: usize,
    ) -> Result<Result<(), String>, Disagreement> {
        let path = format!("/deliveries/{}/retry", self.delivery(at, account).await?);
        Ok(self.change(&path, json!({})).await.map(|_| ()))
    }

    pub(super) async fn erase(&self, at: usize) -> Result<(), Disagreement> {
        let path = format!("/leads/ld_{}/personal", self.orders[at]);
        match self.table.host.admin(Method::DELETE, &path, "", JSON).await {
            (204, _) => Ok(()),
            (status, said) => Err(format!("an erasure: {status} {said}")),
        }
    }

    /// How the return that was made stands, or why there is none.
    pub(super) async fn give_back(
        &mut self,
        at: usize,
        account: usize,
    ) -> Result<Result<String, String>, Disagreement> {
        let delivery = self.delivery(at, account).await?;
        let body = json!({"delivery_id": delivery, "reason": "no answer"});
        let made = self.change("/returns", body).await;
        Ok(made.map(|made| {
            self.returns.push(shown::text(&made["id"]));
            shown::text(&made["state"])
        }))
    }

    /// How a return stands once it was decided on.
    pub(super) async fn decide(&self, number: usize, accept: bool) -> Result<String, Disagreement> {
        let what = if accept { "accept" } else { "decline" };
        let path = format!("/returns/{}/{what}", self.returns[number]);
        let decided = self.change(&path, json!({})).await;
        Ok(shown::text(&decided?["state"]))
    }
}

/// Which orders' suppliers still wait.
pub(super) type Waiting = HashMap<usize, Asked>;

/// What a request was answered.
pub(super) async fn answered(asked: Asked) -> Result<Reply, Disagreement> {
    asked.await.map_err(|error| format!("a request: {error}"))
}

fn ulid(id: &Value) -> String {
    shown::text(id)[3..].to_owned()
}

fn lead(sent: &Sent) -> Value {
    let fields = FIELDS.iter().zip(sent);
    fields
        .filter_map(|((name, _), value)| Some(((*name).to_owned(), json!(value.as_ref()?))))
        .collect::<Map<_, _>>()
        .into()
}
