//! Buyers that do what the case says when the case says so: a bid at once, the end of a delivery
//! when its step comes.
//!
//! A delivery that is to find nobody finds a closed door: each account is posted to at a port of
//! its own, which listens only while its buyer can be reached.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::super::case::Offer;
use crate::harness::within;

/// Accounts that a case has, at most.
const ACCOUNTS: usize = 8;

/// How a buyer ends a delivery.
#[derive(Debug)]
pub(super) enum Answer {
    Says(Value),
    /// It has the lead, and says what nobody understands.
    Garbled,
    /// It has the lead, and hangs up.
    HangsUp,
}

/// A delivery: its order's id, and the account's place.
type Delivery = (String, usize);

/// All buyers of one host.
pub(super) struct Buyers {
    desk: Arc<Desk>,
    asked_at: SocketAddr,
    doors: Vec<Door>,
}

/// What the case says, and who waits for it.
struct Desk {
    /// What each account's buyer bids; none for those who are not to be asked.
    offers: Mutex<Vec<Offer>>,
    /// Deliveries that have come and wait for their end.
    waiting: watch::Sender<HashMap<Delivery, Option<oneshot::Sender<Answer>>>>,
}

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the buyer hangs up")]
struct HungUp;

impl Buyers {
    pub(super) fn start() -> Self {
        let desk = Arc::new(Desk {
            offers: Mutex::default(),
            waiting: watch::Sender::new(HashMap::new()),
        });
        let asked = listen(reserve(None));
        let asked_at = asked.local_addr().expect("bound");
        tokio::spawn(serve(asked, Arc::clone(&desk), None));
        let doors = (0..ACCOUNTS).map(|account| Door::new(account, Arc::clone(&desk)));
        Self {
            asked_at,
            doors: doors.collect(),
            desk,
        }
    }

    /// Where an account's buyer is asked for a bid, and where it is posted to: two origins.
    pub(super) fn origins(&self, account: usize) -> [String; 2] {
        [self.asked_at, self.doors[account].at].map(|at| format!("http://{at}"))
    }

    /// From now on they bid so.
    pub(super) fn offer(&self, offers: Vec<Offer>) {
        *self.desk.offers.lock().expect("no panic") = offers;
    }

    /// These accounts' buyers cannot be reached by a delivery, all others can.
    pub(super) async fn shut(&mut self, unreachable: &[usize]) {
        for (account, door) in self.doors.iter_mut().enumerate() {
            if unreachable.contains(&account) {
                door.close().await;
            } else {
                door.open();
            }
        }
    }

    /// Waits until a delivery has come.
    pub(super) async fn has_come(&self, order: &str, account: usize) {
        let mut waiting = self.desk.waiting.subscribe();
        let delivery = (order.to_owned(), account);
        let come = waiting.wait_for(|waiting| waiting.contains_key(&delivery));
        within("a delivery comes", come).await.expect("its desk");
    }

    /// Ends a delivery that has come.
    pub(super) fn end(&self, order: &str, account: usize, answer: Answer) {
        let mut waits = None;
        self.desk.waiting.send_modify(|waiting| {
            waits = waiting.remove(&(order.to_owned(), account)).flatten();
        });
        let waits = waits.expect("it has come");
        waits.send(answer).expect("the connection is there");
    }
}

/// One account's port for deliveries.
struct Door {
    account: usize,
    at: SocketAddr,
    desk: Arc<Desk>,
    /// Keeps the port while nobody listens there.
    _kept: TcpSocket,
    listening: Option<JoinHandle<()>>,
}

impl Door {
    fn new(account: usize, desk: Arc<Desk>) -> Self {
        let kept = reserve(None);
        let mut door = Self {
            account,
            at: kept.local_addr().expect("bound"),
            desk,
            _kept: kept,
            listening: None,
        };
        door.open();
        door
    }

    fn open(&mut self) {
        if self.listening.is_none() {
            let listener = listen(reserve(Some(self.at)));
            let serving = serve(listener, Arc::clone(&self.desk), Some(self.account));
            self.listening = Some(tokio::spawn(serving));
        }
    }

    async fn close(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // Aborted or not, its listener is gone then.
            let _aborted = listening.await;
        }
    }
}

/// A port, which others of ours may share: a socket that does not listen keeps it, and refuses
/// every connection.
fn reserve(at: Option<SocketAddr>) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseport(true).expect("before it is bound");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(at.unwrap_or(any)).expect("a free port");
    socket
}

fn listen(socket: TcpSocket) -> TcpListener {
    socket.listen(1024).expect("bound")
}

/// Serves connections; those that are there go on when this ends.
async fn serve(listener: TcpListener, desk: Arc<Desk>, delivers_to: Option<usize>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let desk = Arc::clone(&desk);
        let answering = service::service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move {
                match delivers_to {
                    None => desk.bid(&request),
                    Some(account) => desk.deliver(account, request).await,
                }
            }
        });
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // How a connection ends is the case's doing, or the host's.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answering)
                .await;
        });
    }
}

impl Desk {
    /// A bid: the path ends in the account's place.
    fn bid(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, HungUp> {
        let account = request
            .uri()
            .path()
            .trim_start_matches('/')
            .parse::<usize>();
        let offers = self.offers.lock().expect("no panic");
        let offer = account.ok().and_then(|account| offers.get(account));
        match offer {
            Some(Offer::Bid(amount)) => Ok(says(
                &json!({"accepted": true, "price": amount.to_string()}),
            )),
            Some(Offer::Yes) => Ok(says(&json!({"accepted": true}))),
            Some(Offer::No) => Ok(says(&json!({"accepted": false, "reason": "enough"}))),
            Some(Offer::Unreadable) => Ok(garbled()),
            Some(Offer::Unreachable | Offer::Timeout) | None => Err(HungUp),
        }
    }

    async fn deliver(
        &self,
        account: usize,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, HungUp> {
        let body = request.into_body().collect().await.map_err(|_| HungUp)?;
        let body: Value = serde_json::from_slice(&body.to_bytes()).map_err(|_| HungUp)?;
        // The order's id, a dot, and what tells its accounts apart.
        let order = body["order"]
            .as_str()
            .and_then(|text| text.split('.').next());
        let delivery = (order.unwrap_or_default().to_owned(), account);
        let (ends, end) = oneshot::channel();
        self.waiting.send_modify(|waiting| {
            waiting.insert(delivery, Some(ends));
        });
        match end.await {
            Ok(Answer::Says(words)) => Ok(says(&words)),
            Ok(Answer::Garbled) => Ok(garbled()),
            Ok(Answer::HangsUp) | Err(_) => Err(HungUp),
        }
    }
}

fn says(words: &Value) -> Response<Full<Bytes>> {
    let answer = Response::builder().header("content-type", "application/json");
    let body = Full::new(words.to_string().into());
    answer.body(body).expect("an answer")
}

fn garbled() -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(b"We'll be right back!")))
}
