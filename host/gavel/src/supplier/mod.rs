//! The supplier API: pings, posts, and what became of a lead.
//!
//! | module | holds |
//! |---|---|
//! | [`route`] | which request is meant |
//! | [`decode`] | JSON and forms to what the exchange is asked |
//! | [`encode`] | what the exchange answers to JSON |
//!
//! A request is checked in the order of this module's [`SupplierApi::serve`]: what it is for,
//! who sends it, what it says. No rule of the market is here. Answers never name a buyer.

mod decode;
mod encode;
mod route;

use gavel_exchange::{
    Exchange,
    api::{Caller, RawRequest, Received},
};
use http::{HeaderMap, Request};
use hyper::body::Incoming;

use self::route::Route;
use crate::http::{
    body,
    connection::Handler,
    limits, negotiate,
    problem::{Code, Problem},
    reply::{self, Reply},
};

/// What answers may look like.
const OFFERED: &[&str] = &["application/json", "application/problem+json"];

/// Answers suppliers.
pub(crate) struct SupplierApi {
    exchange: Exchange,
    max_body_bytes: usize,
}

impl Handler for SupplierApi {
    const API: &'static str = "supplier";

    async fn answer(&self, request: Request<Incoming>, received: Received) -> Reply {
        self.serve(request, received)
            .await
            .unwrap_or_else(Problem::into_reply)
    }
}

impl SupplierApi {
    /// In front of this exchange, with bodies of at most so many bytes.
    pub(crate) fn new(exchange: Exchange, max_body_bytes: usize) -> Self {
        Self {
            exchange,
            max_body_bytes,
        }
    }

    async fn serve(
        &self,
        request: Request<Incoming>,
        received: Received,
    ) -> Result<Reply, Problem> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let route = Route::of(&method, uri.path())?;
        let caller = self.authenticate(request.headers())?;
        negotiate::check_accept(request.headers(), OFFERED)?;
        match route {
            Route::Status(lead) => {
                // An id that cannot be one is no lead's id.
                let id = lead.parse().map_err(|_| Problem::new(Code::NotFound))?;
                Ok(reply::json(&encode::LeadAnswer::from(
                    &self.exchange.lead_status(&caller, id)?,
                )))
            }
            Route::Ping(campaign) => {
                self.exchange.may_ping(&caller, campaign)?;
                let key = decode::idempotency_key(request.headers());
                let mut request = self.read(request).await?;
                decode::add_idempotency_key(&mut request, key);
                let ping = self
                    .exchange
                    .ping(&caller, campaign, request, received)
                    .await?;
                Ok(reply::json(&encode::PingAnswer::from(&ping)))
            }
            // Whether the campaign is the order's is not known before the body is read: it may
            // be gone from today's market. A body that cannot be read has no order.
            Route::Post(campaign) => {
                let request = match self.read(request).await {
                    Ok(request) => request,
                    Err(problem) => {
                        self.exchange.may_ping(&caller, campaign)?;
                        return Err(problem);
                    }
                };
                let post = self
                    .exchange
                    .post(&caller, campaign, request, received)
                    .await?;
                Ok(reply::json(&encode::PostAnswer::from(&post)))
            }
            Route::Direct(campaign) => Err(self.exchange.direct_post(&caller, campaign).into()),
        }
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let key = negotiate::bearer(headers).ok_or_else(Problem::unauthenticated)?;
        self.exchange
            .authenticate(key)
            .ok_or_else(Problem::unauthenticated)
    }

    /// Reads and decodes a request's body.
    async fn read(&self, request: Request<Incoming>) -> Result<RawRequest, Problem> {
        let decode = match negotiate::content_type(request.headers())?.as_str() {
            "application/json" => decode::json,
            "application/x-www-form-urlencoded" => decode::form,
            _ => {
                let detail = "send application/json or application/x-www-form-urlencoded";
                return Err(Problem::new(Code::UnsupportedMediaType).detail(detail));
            }
        };
        decode(&body::read(request, self.max_body_bytes, limits::BODY_TIMEOUT).await?)
    }
}
