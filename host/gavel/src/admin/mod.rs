//! The admin API: an operator's market, plugins, pings, orders and deliveries; and, without
//! a token, whether the host is well.
//!
//! | module | holds |
//! |---|---|
//! | [`route`] | which request is meant |
//! | [`token`] | who may ask |
//! | [`health`] | `/healthz`, `/readyz`, `/metrics` |
//! | [`market`] | the market and its revisions |
//! | [`plugins`] | uploads and what the gate said of them |
//! | [`trials`] | versions activated, rolled back, revoked, tried and replayed |
//! | [`pings`] | what became of each ping, account by account |
//! | [`orders`] | orders, leads, deliveries, and settling these |
//! | [`read`] | small JSON bodies, read strictly |

pub(crate) mod health;
mod market;
mod orders;
mod pings;
mod plugins;
mod read;
mod route;
pub(crate) mod token;
mod trials;

use gavel_exchange::{Exchange, api::Received};
use http::Request;
use hyper::body::Incoming;

use self::{
    health::Health,
    route::{Asked, Route},
    token::AdminToken,
};
use crate::http::{connection::Handler, negotiate, problem::Problem, reply::Reply};

/// Answers operators.
pub(crate) struct AdminApi {
    exchange: Exchange,
    token: AdminToken,
    health: Health,
}

impl Handler for AdminApi {
    const API: &'static str = "admin";

    async fn answer(&self, request: Request<Incoming>, _received: Received) -> Reply {
        self.serve(request)
            .await
            .unwrap_or_else(Problem::into_reply)
    }
}

impl AdminApi {
    /// In front of this exchange, for whoever has the token.
    pub(crate) fn new(exchange: Exchange, token: AdminToken, health: Health) -> Self {
        Self {
            exchange,
            token,
            health,
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Reply, Problem> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        match Route::of(&method, uri.path())? {
            Route::Health(question) => Ok(self.health.answer(question, &self.exchange)),
            Route::Operator(asked) => {
                let bearer = negotiate::bearer(request.headers());
                if !bearer.is_some_and(|bearer| self.token.is(bearer)) {
                    return Err(Problem::unauthenticated());
                }
                negotiate::check_accept(request.headers(), asked.offered())?;
                self.operate(asked, uri.query(), request).await
            }
        }
    }

    /// Does what an operator asks.
    async fn operate(
        &self,
        asked: Asked<'_>,
        query: Option<&str>,
        request: Request<Incoming>,
    ) -> Result<Reply, Problem> {
        let exchange = &self.exchange;
        match asked {
            Asked::Market => market::show(exchange, request.headers()),
            Asked::PutMarket => market::put(exchange, request).await,
            Asked::Revisions => market::revisions(exchange, query),
            Asked::Revision(number) => market::revision(exchange, number),
            Asked::Rollback => market::rollback(exchange, request).await,
            Asked::Plugins => plugins::list(exchange, query),
            Asked::Plugin(name) => plugins::show(exchange, name),
            Asked::PutPlugin(name) => plugins::upload(exchange, name, request).await,
            Asked::OfPlugin(name, what) => trials::done(exchange, name, what, request).await,
            Asked::Differences(name) => trials::differences(exchange, name, query).await,
            Asked::Pings => pings::list(exchange, query).await,
            Asked::Ping(id) => pings::show(exchange, id).await,
            Asked::ReplayPing(id) => pings::replay(exchange, id).await,
            Asked::Order(id) => orders::order(exchange, id),
            Asked::Lead(id) => orders::lead(exchange, id),
            Asked::Deliveries => orders::deliveries(exchange, query),
            Asked::Settle(id) => orders::settle(exchange, id, request).await,
        }
    }
}
