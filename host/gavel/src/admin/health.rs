//! Whether the host is well, without a token: for supervisors and for Prometheus.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gavel_exchange::Exchange;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use super::route::Question;
use crate::http::reply::{self, Reply};

/// What is known of the host's state.
#[derive(Clone)]
pub(crate) struct Health {
    metrics: PrometheusHandle,
    stopping: Arc<AtomicBool>,
}

impl Health {
    /// With the metrics that this handle renders.
    pub(crate) fn new(metrics: PrometheusHandle) -> Self {
        Self {
            metrics,
            stopping: Arc::default(),
        }
    }

    /// From now on not ready: whoever sends requests here should send them elsewhere.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The answer to a question about the host's state.
    pub(super) fn answer(&self, question: Question, exchange: &Exchange) -> Reply {
        match question {
            // That it is answered at all says it.
            Question::Healthz => reply::json(&json!({"status": "ok"})),
            Question::Readyz => self.ready(exchange),
            Question::Metrics => reply::with_body(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.render(),
            ),
        }
    }

    fn ready(&self, exchange: &Exchange) -> Reply {
        let ready = if self.stopping.load(Ordering::Relaxed) {
            Err("shutting down")
        } else {
            exchange.is_ready()
        };
        match ready {
            Ok(()) => reply::json(&json!({"status": "ready"})),
            Err(why) => {
                let mut reply = reply::json(&json!({"status": "not_ready", "why": why}));
                *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                reply
            }
        }
    }
}
