//! The real binary, in a folder and on ports of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use gavel_example_solar::supplier::{Ping, PingAnswer, Post, PostAnswer, Supplier, SupplierError};
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{CAMPAIGN, Market, described, enquiry, object, personal, within};

/// The operator's token in every test.
pub(crate) const ADMIN_TOKEN: &str = "black-box-operator-token";

/// Longest that a start may take: plugins of other languages compile for a minute where every
/// core is busy.
const START_PATIENCE: Duration = Duration::from_mins(5);

/// A host at work; dropped, it is killed.
pub(crate) struct Host {
    child: Child,
    folder: TempDir,
    /// Where suppliers are served.
    pub(crate) api: SocketAddr,
    /// Where operators are served.
    pub(crate) admin: SocketAddr,
    env: Vec<(String, String)>,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Host {
    /// Starts on a market, with an empty store.
    pub(crate) async fn start(market: &Market) -> Self {
        Self::start_with(&market.toml(), &[]).await
    }

    /// Starts on a market's text, with more in its environment.
    pub(crate) async fn start_with(market: &str, env: &[(&str, &str)]) -> Self {
        Self::start_by(&[], market, env).await
    }

    /// The same, started by another command, which is given the host's.
    pub(crate) async fn start_by(by: &[&str], market: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("market.toml"), market).expect("writable");
        let env: Vec<(String, String)> = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (child, api, admin) = launch(by, folder.path(), &env).await;
        let http = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self {
            child,
            folder,
            api,
            admin,
            env,
            http,
        }
    }

    /// `kill -9`, and a start on what it left.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.start_again().await;
    }

    /// A start on what it left; it must have ended.
    pub(crate) async fn start_again(&mut self) {
        let (child, api, admin) = launch(&[], self.folder.path(), &self.env).await;
        (self.child, self.api, self.admin) = (child, api, admin);
    }

    /// Its resident memory, in MiB, as the kernel tells it.
    #[allow(dead_code)] // for benchmarks
    pub(crate) fn resident_mib(&self) -> f64 {
        let id = self.child.id().expect("running");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("readable");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.expect("a figure in KiB") / 1024.0
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("was running");
    }

    /// `kill -9`, while others still talk to it.
    pub(crate) fn kill_by_pid(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?))
            .expect("running");
        rustix::process::kill_process(pid, signal).expect("running");
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn stop(&mut self) -> std::process::ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        within("the host stops", self.child.wait())
            .await
            .expect("waited for")
    }

    /// Whether it is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("can be asked").is_none()
    }

    /// The folder with everything that it keeps: `data`, `market.toml`, `log`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The market file that it started with.
    pub(crate) fn market_file(&self) -> PathBuf {
        self.folder.path().join("market.toml")
    }

    /// The test market's supplier.
    pub(crate) fn supplier(&self) -> Supplier {
        Supplier::new(self.api, Market::key())
    }

    /// Pings the usual lead, of a new consumer.
    pub(crate) async fn ping(&self) -> PingAnswer {
        self.ping_lead(enquiry()).await.expect("understood")
    }

    /// Pings these fields.
    pub(crate) async fn ping_lead(
        &self,
        lead: Map<String, Value>,
    ) -> Result<PingAnswer, SupplierError> {
        self.supplier()
            .ping(
                CAMPAIGN,
                &Ping {
                    lead,
                    ..Ping::default()
                },
            )
            .await
    }

    /// Pings the usual lead, which somebody bids on: the order's id.
    pub(crate) async fn order(&self) -> String {
        match self.ping().await {
            PingAnswer::Bid { ping_order_id, .. } => ping_order_id,
            other @ PingAnswer::NoBid { .. } => panic!("somebody bids: {other:?}"),
        }
    }

    /// Posts the usual lead to an order.
    pub(crate) async fn post(&self, order: &str) -> Result<PostAnswer, SupplierError> {
        self.post_lead(order, personal()).await
    }

    /// Posts these fields to an order.
    pub(crate) async fn post_lead(
        &self,
        order: &str,
        lead: Map<String, Value>,
    ) -> Result<PostAnswer, SupplierError> {
        self.supplier()
            .post(
                CAMPAIGN,
                &Post {
                    ping_order_id: order.to_owned(),
                    lead,
                },
            )
            .await
    }

    /// Posts a lead directly: the status and what it says.
    pub(crate) async fn direct(&self, lead: Map<String, Value>) -> (u16, Value) {
        let path = format!("/v1/campaigns/{CAMPAIGN}/lead");
        self.send(&path, json!({ "lead": lead })).await
    }

    /// Sends a supplier's request in JSON: the status and what it says.
    pub(crate) async fn send(&self, path: &str, body: Value) -> (u16, Value) {
        send_as(&self.supplier(), path, body).await
    }

    /// Asks the admin API.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self
            .admin(Method::GET, path, Bytes::new(), "application/json")
            .await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Changes something by the admin API: the status and what it says.
    pub(crate) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        content_type: &str,
    ) -> (u16, Value) {
        self.admin_with(method, path, body, &[("content-type", content_type)])
            .await
    }

    /// The same, with these headers; the answer is held against what the API says of itself.
    pub(crate) async fn admin_with(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("http://{}/admin/v1{path}", self.admin))
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = within("the admin API answers", self.http.request(request))
            .await
            .expect("answered");
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes();
        let body =
            serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
        described::check(&method, path, status, &body);
        (status, body)
    }

    /// Asks the supplier API anything: the status, the headers and the body.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (u16, HeaderMap, Bytes) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.api));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = within("the supplier API answers", self.http.request(request))
            .await
            .expect("answered");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("whole").to_bytes();
        (parts.status.as_u16(), parts.headers, body)
    }

    /// What stands at the admin listener's root, which needs no token.
    pub(crate) async fn root(&self, path: &str) -> String {
        let uri = format!("http://{}{path}", self.admin)
            .parse()
            .expect("a URL");
        let answer = within("the admin listener answers", self.http.get(uri))
            .await
            .expect("answered");
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes();
        String::from_utf8_lossy(&body).into_owned()
    }

    /// Settles a delivery by hand.
    pub(crate) async fn settle(&self, delivery: &str, how: Value) -> (u16, Value) {
        self.admin(
            Method::POST,
            &format!("/deliveries/{delivery}/settle"),
            how.to_string(),
            "application/json",
        )
        .await
    }

    /// The unconfirmed deliveries, of every page.
    pub(crate) async fn unconfirmed(&self) -> Vec<Map<String, Value>> {
        let mut found = Vec::new();
        let mut page = "/deliveries?state=unconfirmed".to_owned();
        loop {
            let list = self.get(&page).await;
            found.extend(list["items"].as_array().expect("a list").iter().cloned());
            match list["next"].as_str() {
                Some(next) => page = format!("/deliveries?state=unconfirmed&after={next}"),
                None => return found.into_iter().map(object).collect(),
            }
        }
    }

    /// The same of an account, by name, in a ping's record.
    pub(crate) async fn outcome(&self, ping: &str, account: &str) -> String {
        let record = self.get(&format!("/pings/{ping}")).await;
        let outcomes = record["outcomes"].as_array().expect("a list");
        let found = outcomes
            .iter()
            .find(|outcome| outcome["account"] == account);
        found.unwrap_or_else(|| panic!("{account} has no outcome: {record}"))["code"]
            .as_str()
            .expect("a word")
            .to_owned()
    }

    /// A command of the same binary against this host.
    pub(crate) async fn command(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gavel"));
        command
            .args(args)
            .env("GAVEL_ADMIN_TOKEN", ADMIN_TOKEN)
            .envs(self.env.iter().cloned());
        within("the command ends", command.output())
            .await
            .expect("runs")
    }

    /// The admin API's address, as `--admin` takes it.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }
}

/// Sends a supplier's request in JSON: the status and what it says.
pub(crate) async fn send_as(supplier: &Supplier, path: &str, body: Value) -> (u16, Value) {
    let sent = supplier.send_raw(path, "application/json", body.to_string());
    let (status, _, body) = within("the supplier API answers", sent)
        .await
        .expect("answered");
    let body = serde_json::from_slice(&body).expect("JSON");
    (status.as_u16(), body)
}

async fn launch(
    by: &[&str],
    folder: &Path,
    env: &[(String, String)],
) -> (Child, SocketAddr, SocketAddr) {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("a log");
    let words: Vec<&str> = by
        .iter()
        .copied()
        .chain([env!("CARGO_BIN_EXE_gavel")])
        .collect();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--allow-private-buyers",
        ])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--market")
        .arg(folder.join("market.toml"))
        .env("GAVEL_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("GAVEL_LOG", "debug")
        .envs(env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut address = async |what: &str| -> SocketAddr {
        let next = tokio::time::timeout(START_PATIENCE, lines.next_line()).await;
        let line = next
            .expect("the host starts")
            .expect("readable")
            .unwrap_or_else(|| {
                panic!(
                    "the host ended: {}",
                    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
                )
            });
        let url = line
            .strip_prefix(&format!("{what} on http://"))
            .unwrap_or_else(|| panic!("{what}: {line}"));
        url.parse().expect("an address")
    };
    let (api, admin) = (address("supplier API").await, address("admin API").await);
    (child, api, admin)
}
