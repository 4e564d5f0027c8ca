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
//! | [`orders`] | orders, leads and their erasure; deliveries, settling and retrying these |
//! | [`report`] | sums over any time, grouped in any way |
//! | [`instructions`] | links to posting instructions |
//! | [`returns`] | deliveries given back |
//! | [`usage`] | what was taken of caps and budgets |
//! | [`audit`] | who changed what |
//! | [`events`] | what happens, as it happens |
//! | [`openapi`] | this API, described for machines |
//! | [`read`] | small JSON bodies, read strictly |

mod audit;
mod events;
pub(crate) mod health;
mod instructions;
mod market;
mod openapi;
mod orders;
mod pings;
mod plugins;
mod read;
mod report;
mod returns;
mod route;
pub(crate) mod token;
mod trials;
mod usage;

use gavel_exchange::{Exchange, api::Received};
use gavel_store::audit::on_behalf;
use http::{Method, Request};
use hyper::body::Incoming;

use self::{
    health::Health,
    route::{Asked, Route},
    token::AdminToken,
    trials::OfPlugin,
};
use crate::http::{
    address::Address, connection::Handler, negotiate, problem::Problem, query::Query, reply::Reply,
};

/// Answers operators.
pub(crate) struct AdminApi {
    exchange: Exchange,
    token: AdminToken,
    health: Health,
    /// The supplier API's.
    address: Address,
}

impl Handler for AdminApi {
    const API: &'static str = "admin";

    async fn answer(&self, request: Request<Incoming>, _received: Received) -> Reply {
        // Uploads make it a large one, and most requests are not uploads.
        Box::pin(self.serve(request))
            .await
            .unwrap_or_else(Problem::into_reply)
    }
}

impl AdminApi {
    /// In front of this exchange, for whoever has the token; the address is the supplier API's.
    pub(crate) fn new(
        exchange: Exchange,
        token: AdminToken,
        health: Health,
        address: Address,
    ) -> Self {
        Self {
            exchange,
            token,
            health,
            address,
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
                let query = Query::read(uri.query(), asked.parameters())?;
                let asking = async |request| self.operate(asked, &query, request).await;
                if method == Method::GET {
                    return asking(request).await;
                }
                // Whatever the request changes is noted with the change itself.
                let note = audit::note(&self.token, &request);
                Box::pin(on_behalf(note, asking(request))).await
            }
        }
    }

    /// Does what an operator asks.
    async fn operate(
        &self,
        asked: Asked<'_>,
        query: &Query,
        request: Request<Incoming>,
    ) -> Result<Reply, Problem> {
        let exchange = &self.exchange;
        match asked {
            Asked::Market => market::show(exchange, request.headers()),
            Asked::PutMarket => market::put(exchange, query, request).await,
            Asked::Revisions => market::revisions(exchange, query),
            Asked::Revision(number) => market::revision(exchange, number),
            Asked::Rollback => market::rollback(exchange, request).await,
            Asked::Plugins => plugins::list(exchange, query),
            Asked::Plugin(name) => plugins::show(exchange, name),
            Asked::PutPlugin(name) => plugins::upload(exchange, name, query, request).await,
            Asked::Activate(name) => {
                trials::done(exchange, name, OfPlugin::Activate, request).await
            }
            Asked::RollbackPlugin(name) => {
                trials::done(exchange, name, OfPlugin::Rollback, request).await
            }
            Asked::Revoke(name) => trials::done(exchange, name, OfPlugin::Revoke, request).await,
            Asked::Shadow(name) => trials::done(exchange, name, OfPlugin::Shadow, request).await,
            Asked::Canary(name) => trials::done(exchange, name, OfPlugin::Canary, request).await,
            Asked::ReplayPlugin(name) => {
                trials::done(exchange, name, OfPlugin::Replay, request).await
            }
            Asked::Differences(name) => trials::differences(exchange, name, query).await,
            Asked::Pings => pings::list(exchange, query).await,
            Asked::Ping(id) => pings::show(exchange, id).await,
            Asked::ReplayPing(id) => pings::replay(exchange, id).await,
            Asked::Order(id) => orders::order(exchange, id),
            Asked::Lead(id) => orders::lead(exchange, id, query),
            Asked::EraseLead(id) => orders::erase(exchange, id).await,
            Asked::Deliveries => orders::deliveries(exchange, query),
            Asked::Settle(id) => orders::settle(exchange, id, request).await,
            Asked::Retry(id) => orders::retry(exchange, id).await,
            Asked::Report => report::show(exchange, query, request.headers()).await,
            Asked::InstructionsLink(id) => {
                instructions::link(exchange, &self.address, id, request).await
            }
            Asked::Returns => returns::list(exchange, query),
            Asked::Return => returns::request(exchange, request).await,
            Asked::AcceptReturn(id) => returns::decide(exchange, id, true).await,
            Asked::DeclineReturn(id) => returns::decide(exchange, id, false).await,
            Asked::AccountUsage(id) => usage::of_account(exchange, id),
            Asked::CampaignUsage(id) => usage::of_campaign(exchange, id),
            Asked::Audit => audit::list(exchange, query),
            Asked::Events => events::listen(exchange, query),
            Asked::OpenApi => Ok(openapi::document()),
        }
    }
}
