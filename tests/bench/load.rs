//! The load generator: connections that are kept, each with one ping at a time.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpStream, task::JoinSet};

use crate::harness::{CAMPAIGN, Market, pinged};

/// Connections of a load: enough to share commits, few enough for two processors.
const CONNECTIONS: usize = 64;

/// Before a round is counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a round showed.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    took_us: Histogram<u64>,
}

impl Measured {
    /// The time within which that many per cent of the answers came.
    pub(crate) fn ms(&self, percent: f64) -> f64 {
        self.took_us.value_at_percentile(percent) as f64 / 1000.0
    }

    /// The round in the middle, by throughput.
    pub(crate) fn median(mut rounds: Vec<Self>) -> Self {
        rounds.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        rounds.swap_remove(rounds.len() / 2)
    }
}

/// A load on one server.
pub(crate) struct Load {
    address: SocketAddr,
    connections: usize,
}

impl Load {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            address,
            connections: CONNECTIONS,
        }
    }

    /// With fewer connections, where what is measured is how long an answer takes.
    pub(crate) fn over(self, connections: usize) -> Self {
        Self {
            connections,
            ..self
        }
    }

    /// Pings for so long.
    pub(crate) async fn run(&self, time: Duration) -> Measured {
        let counted_from = Instant::now() + WARM_UP;
        let until = counted_from + time;
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            connections.spawn(connection(self.address, counted_from, until));
        }
        let mut took_us = Histogram::new(3).expect("three digits");
        for one in connections.join_all().await {
            took_us.add(one).expect("the same bounds");
        }
        Measured {
            per_second: took_us.len() as f64 / time.as_secs_f64(),
            took_us,
        }
    }
}

async fn connection(address: SocketAddr, counted_from: Instant, until: Instant) -> Histogram<u64> {
    let stream = TcpStream::connect(address).await.expect("accepted");
    stream.set_nodelay(true).expect("a socket");
    let (mut sender, driving) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(driving);
    let body = Bytes::from(json!({"lead": pinged(), "sub_id": "bench-1"}).to_string());
    let mut took_us = Histogram::new(3).expect("three digits");
    loop {
        let began = Instant::now();
        if began >= until {
            return took_us;
        }
        let request = Request::post(format!("/v1/campaigns/{CAMPAIGN}/ping"))
            .header("host", "gavel")
            .header("authorization", format!("Bearer {}", Market::key()))
            .header("content-type", "application/json")
            .body(Full::new(body.clone()))
            .expect("a request");
        let answer = sender.send_request(request).await.expect("answered");
        assert!(answer.status().is_success(), "{}", answer.status());
        let answer = answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes();
        assert!(!answer.is_empty());
        if began >= counted_from {
            took_us
                .record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX))
                .expect("in bounds");
        }
    }
}
