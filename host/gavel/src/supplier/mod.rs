//! The supplier API: pings, posts, and what became of a lead.
//!
//! | module | holds |
//! |---|---|
//! | [`route`] | which request is meant |
//! | [`decode`] | JSON and forms to what the exchange is asked |
//! | [`encode`] | what the exchange answers to JSON |
//! | [`open`] | who may read a campaign's posting instructions |
//!
//! A request is checked in the order of this module's [`SupplierApi::serve`]: what it is for,
//! who sends it, what it says. No rule of the market is here. Answers never name a buyer.

mod decode;
mod encode;
mod open;
mod route;

use gavel_exchange::{
    Exchange,
    api::{Caller, RawRequest, Received},
};
use gavel_market::model::Channel;
use http::{HeaderMap, Request};
use hyper::body::Incoming;

use self::route::Route;
use crate::http::{
    address::Address,
    body,
    connection::Handler,
    limits, negotiate,
    problem::{Code, Problem},
    query::Query,
    reply::{self, Notation, Reply},
};

/// Answers suppliers.
pub(crate) struct SupplierApi {
    exchange: Exchange,
    max_body_bytes: usize,
    address: Address,
}

impl Handler for SupplierApi {
    const API: &'static str = "supplier";

    async fn answer(&self, request: Request<Incoming>, received: Received) -> Reply {
        let notation = Notation::of_problem(request.headers());
        self.serve(request, received)
            .await
            .unwrap_or_else(|problem| problem.into_reply_in(notation))
    }
}

impl SupplierApi {
    /// In front of this exchange, with bodies of at most so many bytes, at this address.
    pub(crate) fn new(exchange: Exchange, max_body_bytes: usize, address: Address) -> Self {
        Self {
            exchange,
            max_body_bytes,
            address,
        }
    }

    async fn serve(
        &self,
        request: Request<Incoming>,
        received: Received,
    ) -> Result<Reply, Problem> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let route = Route::of(&method, uri.path())?;
        if let Route::Instructions(campaign) = route {
            return self.instructions(campaign, uri.query(), request.headers());
        }
        let caller = self.authenticate(request.headers())?;
        let notation = Notation::of(request.headers())?;
        match route {
            // Answered above: it need not come with a key.
            Route::Instructions(_) => Err(Problem::new(Code::NotFound)),
            Route::Status(lead) => {
                // An id that cannot be one is no lead's id.
                let id = lead.parse().map_err(|_| Problem::new(Code::NotFound))?;
                let test = Query::read(uri.query(), &["test"])?.flag("test")?;
                let lead = self.exchange.lead_status(&caller, id, test)?;
                Ok(reply::written(notation, &encode::LeadAnswer::from(&lead)))
            }
            Route::Ping(campaign) => {
                self.exchange.may_ping(&caller, campaign)?;
                let key = decode::idempotency_key(request.headers());
                let mut request = match self.read(request).await {
                    Ok(request) => request,
                    Err(problem) => {
                        self.exchange
                            .may_send_unreadable(&caller, campaign, Channel::PingPost)?;
                        return Err(problem);
                    }
                };
                decode::add_idempotency_key(&mut request, key);
                let ping = self
                    .exchange
                    .ping(&caller, campaign, request, received)
                    .await?;
                Ok(reply::written(notation, &encode::PingAnswer::from(&ping)))
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
                Ok(reply::written(notation, &encode::PostAnswer::from(&post)))
            }
            Route::Direct(campaign) => {
                self.exchange.may_post_directly(&caller, campaign)?;
                let request = match self.read(request).await {
                    Ok(request) => request,
                    Err(problem) => {
                        self.exchange.may_send_unreadable(
                            &caller,
                            campaign,
                            Channel::DirectPost,
                        )?;
                        return Err(problem);
                    }
                };
                let post = self
                    .exchange
                    .direct_post(&caller, campaign, request, received)
                    .await?;
                Ok(reply::written(notation, &encode::PostAnswer::from(&post)))
            }
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
