//! The exchange: the lifecycle of pings, posts and deliveries. The only place where the
//! market's rules, the sandbox, the store and the buyers' HTTP meet.
//!
//! It knows no HTTP of suppliers' or operators': the binary decodes requests into the types
//! of [`api`] and encodes its answers.
//!
//! # Map, in the order in which a request meets it
//!
//! | module | holds |
//! |---|---|
//! | [`api`] | what the exchange is asked and answers |
//! | [`revision`] | one revision of the market, ready to decide |
//! | `rates` | how many requests a campaign takes |
//! | `ping` | the ping, as `rules.md` has it |
//! | `breakers` | accounts that fail are left alone for a while |
//! | `post` | the post and its deliveries, likewise |
//! | [`buyers`] | requests out |
//! | [`secrets`] | what those are filled in with |
//! | `tokens` | those of them that are fetched, and kept |
//! | [`plugins`] | versions: uploaded, tried, activated, rolled back, revoked, replayed |
//! | [`words`] | what plugins and buyers say, and where it may be kept |
//! | `fingerprints` | by what a lead is known again |
//! | `recover` | what goes on after a crash; what is swept in the background |
//! | [`market_change`], `market_text` | how a market takes effect; its text as it holds |
//! | [`contract`] | what a supplier may know of its campaign, by key or by link |
//! | `operator` | what operators see and settle |
//! | `report` | pings counted in the background; sums as somebody asks |
//! | `returns`, `usage` | deliveries given back; what was taken of caps and budgets |
//! | [`events`] | what happens, as it happens |
//! | [`cases`] | what a plugin has to answer, from files of its author's |
//! | [`clock`], [`limits`] | the wall clock; every bound |

pub mod api;
mod breakers;
pub mod buyers;
pub mod cases;
pub mod clock;
pub mod contract;
mod controls;
mod driving;
pub mod events;
mod fingerprints;
pub mod limits;
pub mod market_change;
mod market_text;
mod operator;
mod ping;
pub mod plugins;
mod post;
mod rates;
mod recover;
mod report;
mod returns;
pub mod revision;
pub mod secrets;
mod tokens;
mod usage;
pub mod words;

use std::{sync::Arc, time::Duration};

use gavel_market::{
    ids::{Digest, LeadId},
    ledger,
    model::Channel,
    order::OrderState,
};
use gavel_sandbox::Sandbox;
use gavel_store::{Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{
    api::{Caller, LeadReply, PingReply, PostReply, RawRequest, Received, Refusal},
    buyers::{BuyerSettings, Buyers},
    driving::Driving,
    events::{Events, What},
    limits::{ExchangeSettings, SHADOWS_AT_ONCE},
    plugins::roster::Revoked,
    revision::{Revision, Revisions},
};

/// The exchange; cheap to clone.
#[derive(Clone)]
pub struct Exchange(Arc<Inner>);

/// What every request shares.
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) sandbox: Sandbox,
    pub(crate) buyers: Buyers,
    pub(crate) tokens: tokens::Tokens,
    pub(crate) revisions: Revisions,
    pub(crate) settings: ExchangeSettings,
    /// Pings that repeat a key wait here for the first one.
    pub(crate) again: ping::again::Waiting,
    /// Accounts that fail.
    pub(crate) breakers: breakers::Breakers,
    /// How many requests each campaign takes.
    pub(crate) rates: rates::Rates,
    /// Orders whose deliveries a task of this process drives.
    pub(crate) driving: Driving,
    /// Tells operators what happens.
    pub(crate) events: Events,
    /// One change of the market at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// One plugin compiled at a time: compiling takes a processor and hundreds of megabytes.
    pub(crate) compiling: tokio::sync::Mutex<()>,
    /// Versions that decide nothing any more.
    pub(crate) revoked: Arc<Revoked>,
    /// Pings that shadows are shown at one time.
    pub(crate) shadows: Arc<Semaphore>,
    /// Who counts pings for reports, and who reads these.
    pub(crate) reports: report::Reports,
    pings: Arc<Semaphore>,
    /// True once the host is stopping.
    draining: watch::Sender<bool>,
    /// One receiver for each post under way; shutdown waits for the last to go.
    posts: watch::Sender<()>,
}

/// Why the exchange cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// TLS cannot be set up.
    #[error("requests to buyers cannot be set up")]
    Buyers(#[from] buyers::SetupError),
    /// The revision in force cannot be served any more.
    #[error("revision {revision} of the market, which is in force, cannot be served: {problem}")]
    Market {
        /// Which.
        revision: u64,
        /// Its first error.
        problem: String,
    },
}

impl Exchange {
    /// Opens on a store: the revision in force is served again, and what a crash left goes on.
    pub async fn start(
        store: Store,
        sandbox: Sandbox,
        settings: ExchangeSettings,
    ) -> Result<Self, StartError> {
        let buyers = Buyers::new(BuyerSettings {
            allow_private: settings.allow_private_buyers,
            max_requests: settings.outbound_connections,
            ..BuyerSettings::default()
        })?;
        let revoked = Arc::new(Revoked::new(store.revoked()?));
        let events = Events::default();
        let inner = Arc::new(Inner {
            store,
            sandbox,
            buyers,
            tokens: tokens::Tokens::default(),
            revisions: Revisions::default(),
            pings: Arc::new(Semaphore::new(settings.pings_in_flight)),
            settings,
            again: ping::again::Waiting::default(),
            breakers: breakers::Breakers::new(events.clone()),
            rates: rates::Rates::default(),
            driving: Driving::default(),
            events,
            changing: tokio::sync::Mutex::new(()),
            compiling: tokio::sync::Mutex::new(()),
            revoked,
            shadows: Arc::new(Semaphore::new(SHADOWS_AT_ONCE)),
            reports: report::Reports::default(),
            draining: watch::Sender::new(false),
            posts: watch::Sender::new(()),
        });
        market_change::serve_active(&inner).await?;
        recover::recover(&inner).await?;
        recover::sweep_in_background(&inner);
        report::count_in_background(&inner);
        Ok(Self(inner))
    }

    /// Whose key this is, by today's market.
    pub fn authenticate(&self, key: &str) -> Option<Caller> {
        let revision = self.0.revisions.current()?;
        let owner = revision.market.owner_of_key(&Digest::of(key.as_bytes()))?;
        Some(Caller {
            supplier: owner.supplier.clone(),
            is_test: owner.is_test,
        })
    }

    /// Whether the supplier may ping this campaign: checked before a body is read.
    pub fn may_ping(&self, caller: &Caller, campaign: &str) -> Result<(), Refusal> {
        let revision = self.0.revisions.current().ok_or(Refusal::NotFound)?;
        ping::who(&revision, caller, campaign, Channel::PingPost).map(|_| ())
    }

    /// Counts a request whose body cannot be read against the campaign's `rate_limit`: what is
    /// wrong with it is said only to those who do not send too much of it.
    pub fn may_send_unreadable(
        &self,
        caller: &Caller,
        campaign: &str,
        channel: Channel,
    ) -> Result<(), Refusal> {
        let revision = self.0.revisions.current().ok_or(Refusal::NotFound)?;
        let campaign = ping::who(&revision, caller, campaign, channel)?;
        self.0
            .rates
            .admit(&revision.market, &campaign, caller.is_test)
    }

    /// Answers a ping. Once the request is understood this runs to its end; callers run it as
    /// a task of its own, so that a client that goes away does not stop it.
    pub async fn ping(
        &self,
        caller: &Caller,
        campaign: &str,
        request: RawRequest,
        received: Received,
    ) -> Result<PingReply, Refusal> {
        let answer = ping::ping(&self.0, caller, campaign, request, received).await;
        let seconds = received.at.elapsed().as_secs_f64();
        metrics::histogram!("gavel_ping_seconds").record(seconds);
        if let (Ok(reply), Ok(campaign)) = (&answer, campaign.parse()) {
            self.0.events.tell(|| What::Ping {
                ping: reply.ping_id,
                campaign,
                supplier: caller.supplier.clone(),
                answer: reply.answer.clone(),
                ms: clock::millis(received.at.elapsed()),
                test: reply.test,
                again: reply.again,
            });
        }
        answer
    }

    /// Answers a post, likewise. Whether the campaign is the order's is checked here: it
    /// need not be in today's market.
    pub async fn post(
        &self,
        caller: &Caller,
        campaign: &str,
        request: RawRequest,
        received: Received,
    ) -> Result<PostReply, Refusal> {
        let answer = post::post(&self.0, caller, campaign, request, received).await;
        self.answered(caller, campaign, received, &answer);
        answer
    }

    /// Whether the supplier may post leads to this campaign directly: checked before a body is
    /// read.
    pub fn may_post_directly(&self, caller: &Caller, campaign: &str) -> Result<(), Refusal> {
        let revision = self.0.revisions.current().ok_or(Refusal::NotFound)?;
        ping::who(&revision, caller, campaign, Channel::DirectPost).map(|_| ())
    }

    /// Answers a direct post, likewise.
    pub async fn direct_post(
        &self,
        caller: &Caller,
        campaign: &str,
        request: RawRequest,
        received: Received,
    ) -> Result<PostReply, Refusal> {
        let answer = post::direct::post(&self.0, caller, campaign, request, received).await;
        self.answered(caller, campaign, received, &answer);
        answer
    }

    /// Measures a post, and tells who listens of it.
    fn answered(
        &self,
        caller: &Caller,
        campaign: &str,
        received: Received,
        answer: &Result<PostReply, Refusal>,
    ) {
        let seconds = received.at.elapsed().as_secs_f64();
        metrics::histogram!("gavel_post_seconds").record(seconds);
        if let (Ok(reply), Ok(campaign)) = (answer, campaign.parse()) {
            self.0.events.tell(|| What::Post {
                lead: reply.lead_id,
                campaign,
                supplier: caller.supplier.clone(),
                answer: reply.answer.clone(),
                ms: clock::millis(received.at.elapsed()),
                test: reply.test,
                again: reply.again,
            });
        }
    }

    /// What became of a supplier's lead; of a test's, where the caller asks for one. A test key
    /// finds only tests' leads.
    pub fn lead_status(
        &self,
        caller: &Caller,
        id: LeadId,
        test: bool,
    ) -> Result<LeadReply, Refusal> {
        let test = test || caller.is_test;
        let Some(order) = self.0.store.order(id.order())? else {
            return post::direct::status(&self.0, caller, id, test);
        };
        let post = order
            .post
            .as_ref()
            .filter(|_| order.supplier == caller.supplier && order.test == test)
            .ok_or(Refusal::NotFound)?;
        let (_, owed) = ledger::totals(&self.0.store.ledger(id)?);
        Ok(LeadReply {
            lead_id: id,
            campaign: order.campaign.clone(),
            answer: post.answer.clone(),
            // Of a lead that was rejected nobody tells its supplier what is found out later.
            deliveries: match order.state {
                OrderState::Rejected => 0,
                _ => order.sales(),
            },
            cost: order.owed(),
            owed,
            finished: post.finished,
            currency: self.0.currency_of(order.revision),
            received_at_ms: post.received_at_ms,
        })
    }

    /// Where what happens is told.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Whether requests can be answered: a market is in force, and the store keeps what it is given.
    pub fn is_ready(&self) -> Result<(), &'static str> {
        if self.0.is_draining() {
            return Err("shutting down");
        }
        if self.0.store.health().is_err() {
            return Err("the store has failed: see the log, and restart the host");
        }
        self.0
            .revisions
            .current()
            .map(|_| ())
            .ok_or("no market has been applied yet")
    }

    /// Stops: nothing new is begun, and what is in flight is finished within `grace`. What is
    /// left then is resumed at the next start. Returns whether all was finished.
    pub async fn drain(&self, grace: Duration) -> bool {
        self.0.draining.send_replace(true);
        let finished = async {
            self.0.posts.closed().await;
            self.0.driving.idle().await;
        };
        let all = tokio::time::timeout(grace, finished).await.is_ok();
        // What was finished last is heard too.
        self.0.events.close();
        all
    }
}

impl Inner {
    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Resolves when the host begins to stop.
    pub(crate) async fn drained(&self) {
        let mut draining = self.draining.subscribe();
        // The sender is a field of `self`, so it is there.
        let _stopping = draining.wait_for(|draining| *draining).await;
    }

    fn admit_ping(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if !self.takes_requests() {
            return Err(Refusal::ShuttingDown);
        }
        Arc::clone(&self.pings)
            .try_acquire_owned()
            .map_err(|_full| Refusal::Overloaded)
    }

    fn admit_post(&self) -> Result<watch::Receiver<()>, Refusal> {
        if self.takes_requests() {
            Ok(self.posts.subscribe())
        } else {
            Err(Refusal::ShuttingDown)
        }
    }

    /// Not while it stops, nor once its store has failed: no buyer is asked for a bid that could
    /// not be told, and a supplier does better to come again when the host was started anew.
    fn takes_requests(&self) -> bool {
        !self.is_draining() && self.store.health().is_ok()
    }

    /// A revision that quoted an order: ready, or read from the store again.
    pub(crate) async fn revision(self: &Arc<Self>, number: u64) -> Result<Arc<Revision>, Refusal> {
        match self.revisions.ready(number) {
            Some(revision) => Ok(revision),
            None => market_change::earlier(self, number)
                .await
                .ok_or(Refusal::Broken),
        }
    }

    /// The currency of an order that this revision quoted. A market's currency changes so seldom that
    /// today's serves where the revision is not at hand.
    pub(crate) fn currency_of(&self, revision: u64) -> String {
        let revision = self
            .revisions
            .ready(revision)
            .or_else(|| self.revisions.current());
        revision
            .map(|revision| revision.market.currency.clone())
            .unwrap_or_default()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot do its work");
        Self::Broken
    }
}
