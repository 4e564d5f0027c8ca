//! What operators see and settle.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gavel_market::{
    ids::{AccountId, AuditId, DeliveryId, LeadId, OrderId, PingId},
    lead::PingLead,
    model::{Account, Campaign, Market},
    order::{NotRetryable, Order, SettleRefused},
    reason::Outcome,
    record::{AccountOutcome, Detail, PingRecord},
};
use gavel_store::{ChangeError, LIST_MAX, ListedState, RevisionInfo, StoreError};

use crate::{
    Exchange,
    api::{
        AuditRecord, DeliveryList, DeliveryView, MarketChange, MarketRefused, MarketText,
        OperatorRefused, OrderView, Page, PingQuery, PingStory, PluginRefused, RevisionView,
        Settlement,
    },
    clock, market_change, market_text, ping, recover,
    revision::Revision,
    words::DeliveryWords,
};

impl Exchange {
    /// The market in force.
    pub fn market(&self) -> Result<Option<RevisionView>, OperatorRefused> {
        let active = self.0.store.active_revision()?;
        Ok(active.map(|kept| with_text(kept, true)))
    }

    /// Checks a market and, unless it is a dry run, puts it in force.
    pub async fn put_market(
        &self,
        text: MarketText,
        if_match: Option<u64>,
        dry_run: bool,
    ) -> Result<MarketChange, MarketRefused> {
        market_change::put(&self.0, text, if_match, dry_run).await
    }

    /// Puts an earlier revision's market in force again, as a revision of its own.
    pub async fn rollback(
        &self,
        revision: u64,
        if_match: Option<u64>,
    ) -> Result<MarketChange, MarketRefused> {
        market_change::rollback(&self.0, revision, if_match).await
    }

    /// Revisions, newest first, without their texts; those before `before`.
    pub fn revisions(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<RevisionView>, OperatorRefused> {
        let active = self.active();
        let page = self.0.store.revisions(before, limit)?;
        let items = page.items.into_iter().map(|info| {
            let active = active == Some(info.number);
            view(&info, active, None)
        });
        Ok(Page {
            items: items.collect(),
            next: page.next.map(|number| number.to_string()),
        })
    }

    /// One revision, with its text.
    pub fn revision(&self, number: u64) -> Result<RevisionView, OperatorRefused> {
        let kept = self
            .0
            .store
            .revision(number)?
            .ok_or(OperatorRefused::NotFound)?;
        Ok(with_text(kept, self.active() == Some(number)))
    }

    fn active(&self) -> Option<u64> {
        self.0.revisions.current().map(|revision| revision.number)
    }

    /// Who changed what, newest first; what was before `before`.
    pub fn audit(
        &self,
        before: Option<AuditId>,
        limit: usize,
    ) -> Result<Page<AuditRecord>, OperatorRefused> {
        let page = self.0.store.audit(before, limit)?;
        Ok(Page {
            items: page.items,
            next: page.next.map(|id| id.to_string()),
        })
    }

    /// Pings, newest first, as they were recorded. An account's outcome counts whether a record
    /// says it or it can be derived again.
    ///
    /// Looks at as many records as the filters take: not on a thread that answers pings.
    pub async fn pings(&self, query: &PingQuery) -> Result<Page<PingRecord>, OperatorRefused> {
        let by_outcome = query.account.is_some() || query.outcome.is_some_and(is_derivable);
        let page = if by_outcome {
            self.pings_by_outcome(query).await?
        } else {
            self.0.store.pings(query)?
        };
        Ok(Page {
            items: page.items,
            next: page.next.map(|id| id.to_string()),
        })
    }

    async fn pings_by_outcome(
        &self,
        query: &PingQuery,
    ) -> Result<gavel_store::Page<PingRecord, PingId>, OperatorRefused> {
        let limit = query.limit.clamp(1, LIST_MAX);
        let mut some = PingQuery {
            account: None,
            outcome: None,
            limit: LOOKED_AT_ONCE,
            ..query.clone()
        };
        let mut items = Vec::new();
        let mut revisions: BTreeMap<u64, Option<Arc<Revision>>> = BTreeMap::new();
        for _ in 0..LOOKS {
            let page = self.0.store.pings(&some)?;
            for record in page.items {
                let revision = if let Some(known) = revisions.get(&record.revision) {
                    known.clone()
                } else {
                    let found = self.0.revision(record.revision).await.ok();
                    revisions.insert(record.revision, found.clone());
                    found
                };
                let id = record.id;
                if has_outcome(query, revision.as_deref(), &record) {
                    items.push(record);
                }
                if items.len() == limit {
                    let next = Some(id);
                    return Ok(gavel_store::Page { items, next });
                }
            }
            some.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let next = some.after;
        Ok(gavel_store::Page { items, next })
    }

    /// Returns once every answer given before can be looked up. The record of a ping without
    /// a bid follows its answer; an operator who has seen the answer is to find it.
    pub async fn caught_up(&self) -> Result<(), OperatorRefused> {
        Ok(self.0.store.caught_up().await?)
    }

    /// One ping's whole story: one outcome for every account of the lead type.
    pub async fn ping_story(&self, id: PingId) -> Result<PingStory, OperatorRefused> {
        let mut record = self.0.store.ping(id)?;
        if record.is_none() {
            self.0.store.caught_up().await?;
            record = self.0.store.ping(id)?;
        }
        let record = record.ok_or(OperatorRefused::NotFound)?;
        let revision = self
            .0
            .revision(record.revision)
            .await
            .map_err(|_| OperatorRefused::Broken)?;
        let outcomes = outcomes(&revision, &record);
        let differences = self.0.store.differences_of(id)?;
        Ok(PingStory {
            record,
            outcomes,
            differences,
        })
    }

    /// An order, with its ledger entries.
    pub fn order(&self, id: OrderId) -> Result<OrderView, OperatorRefused> {
        let order = self.0.store.order(id)?.ok_or(OperatorRefused::NotFound)?;
        let ledger = self.0.store.ledger(id.lead())?;
        Ok(OrderView { order, ledger })
    }

    /// What plugins and buyers said at one delivery; gone once the lead is erased.
    pub fn delivery_words(&self, id: DeliveryId) -> Result<Vec<DeliveryWords>, OperatorRefused> {
        let said = self.0.store.unseal_words(id.order.lead(), id.bid)?;
        Ok(said
            .iter()
            .map(|words| DeliveryWords::from_bytes(words))
            .collect())
    }

    /// Deliveries that wait for something.
    pub fn deliveries(
        &self,
        list: DeliveryList,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Page<DeliveryView>, OperatorRefused> {
        let state = match list {
            DeliveryList::Unconfirmed => ListedState::Unconfirmed,
            DeliveryList::Retrying => ListedState::Retrying,
            DeliveryList::Failed => ListedState::Failed,
        };
        let page = self.0.store.deliveries(state, after, limit)?;
        let items = page.items.into_iter().map(|listed| DeliveryView {
            id: listed.id,
            campaign: listed.campaign,
            delivery: listed.delivery,
            bid: listed.bid,
        });
        Ok(Page {
            items: items.collect(),
            next: page.next.map(|id| id.to_string()),
        })
    }

    /// Takes a delivery out of unconfirmed; of an accepted lead, its delivery then goes on.
    pub async fn settle_delivery(
        &self,
        id: DeliveryId,
        settlement: Settlement,
    ) -> Result<OrderView, OperatorRefused> {
        let sold = match settlement {
            Settlement::Sold(price) => Some(price),
            Settlement::NotSold => None,
        };
        let order = self.0.store.order(id.order)?;
        let order = order.ok_or(OperatorRefused::NotFound)?;
        let terms = recover::terms_of(&self.0, &order).await;
        let order = self
            .0
            .store
            .settle_delivery(id, sold, terms, clock::unix_ms())
            .await
            .map_err(|error| match error {
                ChangeError::NotFound | ChangeError::Refused(SettleRefused::NotFound) => {
                    OperatorRefused::NotFound
                }
                ChangeError::Refused(SettleRefused::AlreadySettled) => {
                    OperatorRefused::AlreadySettled
                }
                ChangeError::Refused(SettleRefused::AboveBid) => OperatorRefused::AboveBid,
                ChangeError::Store(error) => error.into(),
            })?;
        self.0.events.tell_delivery(&order, id.bid);
        self.go_on(&order).await?;
        self.order(id.order)
    }

    /// Has a failed delivery of an accepted lead tried again, at once.
    pub async fn retry_delivery(&self, id: DeliveryId) -> Result<OrderView, OperatorRefused> {
        let order = self.0.store.order(id.order)?;
        let known = order.is_some_and(|order| order.delivery(id.bid).is_some());
        if !known {
            return Err(OperatorRefused::NotFound);
        }
        let order = self.0.store.retry_delivery(id, clock::unix_ms()).await;
        let order = order.map_err(|error| match error {
            ChangeError::NotFound => OperatorRefused::NotFound,
            ChangeError::Refused(NotRetryable) => OperatorRefused::NotRetryable,
            ChangeError::Store(error) => error.into(),
        })?;
        self.go_on(&order).await?;
        self.order(id.order)
    }

    /// Erases what is personal of a posted lead: gone durably when this returns. What has not
    /// begun of its delivery ends; what is out runs to its end.
    pub async fn erase(&self, id: LeadId) -> Result<(), OperatorRefused> {
        let order = self.0.store.erase_lead(id, clock::unix_ms()).await;
        let order = order.map_err(|error| match error {
            ChangeError::NotFound => OperatorRefused::NotFound,
            ChangeError::Refused(never) => match never {},
            ChangeError::Store(error) => error.into(),
        })?;
        // The key is gone; what becomes of the lead's deliveries is no part of the answer.
        if let Some(order) = order
            && let Err(error) = self.go_on(&order).await
        {
            tracing::error!(lead = %id, ?error, "an erased lead is ended at the next start");
        }
        Ok(())
    }

    /// Goes on with an order that an operator changed; a host that stops leaves that to the
    /// next start, but for what is under way.
    async fn go_on(&self, order: &Order) -> Result<(), OperatorRefused> {
        if !self.0.driving.wake(order.id) && !self.0.is_draining() {
            recover::go_on(&self.0, order).await?;
        }
        Ok(())
    }
}

/// The recorded outcomes, and those that follow from lead, revision and time alone, derived again.
fn outcomes(revision: &Revision, record: &PingRecord) -> Vec<AccountOutcome> {
    let mut outcomes: BTreeMap<_, _> = record
        .outcomes
        .iter()
        .map(|one| (one.account.clone(), one.clone()))
        .collect();
    for one in derived(revision, record) {
        let account = one.account.id.clone();
        let detail = Detail {
            field: one.field.map(|field| field.to_string()),
            ..Detail::default()
        };
        let outcome = AccountOutcome {
            account: account.clone(),
            outcome: one.outcome,
            detail,
            bid: None,
            turn: None,
        };
        outcomes.insert(account, outcome);
    }
    outcomes.into_values().collect()
}

/// Records read at one time where pings are looked for by what became of an account, and how
/// often in one page: a page of few or none may still have a next.
const LOOKED_AT_ONCE: usize = 200;
const LOOKS: usize = 10;

/// Whether a record need not say it of an account (`rules.md`, ping 7.1).
fn is_derivable(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NotActive | Outcome::NotInGroup | Outcome::OutsideSchedule | Outcome::Criteria
    )
}

/// Whether the account that a query names, or else any, has the outcome that it names, or any.
/// Where the revision that decided is not to be had, what the record says is all there is.
fn has_outcome(query: &PingQuery, revision: Option<&Revision>, record: &PingRecord) -> bool {
    let wanted = |account: &AccountId, outcome: Outcome| {
        query
            .account
            .as_ref()
            .is_none_or(|wanted| wanted == account)
            && query.outcome.is_none_or(|wanted| wanted == outcome)
    };
    let mut recorded = record.outcomes.iter();
    if recorded.any(|one| wanted(&one.account, one.outcome)) {
        return true;
    }
    let Some(revision) = revision else {
        return false;
    };
    let Some(considered) = Considered::of(revision, record) else {
        return false;
    };
    let accounts = revision.market.accounts.iter();
    accounts
        .filter(|account| {
            query
                .account
                .as_ref()
                .is_none_or(|wanted| *wanted == account.id)
        })
        .filter_map(|account| considered.derived(account))
        .any(|one| wanted(&one.account.id, one.outcome))
}

/// An outcome that a ping's record does not say, since it can be derived again.
pub(crate) struct Derived<'r> {
    /// Whose.
    pub account: &'r Arc<Account>,
    /// What.
    pub outcome: Outcome,
    /// The field that a criterion failed on.
    pub field: Option<Arc<str>>,
}

/// What became of the accounts that a ping's record does not name.
pub(crate) fn derived<'r>(revision: &'r Revision, record: &PingRecord) -> Vec<Derived<'r>> {
    let Some(considered) = Considered::of(revision, record) else {
        return Vec::new();
    };
    let accounts = revision.market.accounts.iter();
    accounts
        .filter_map(|account| considered.derived(account))
        .collect()
}

/// A ping as its record has it, to derive again what the record does not say.
struct Considered<'r, 'p> {
    market: &'r Market,
    campaign: &'r Campaign,
    recorded: BTreeSet<&'p AccountId>,
    lead: PingLead,
    at_ms: u64,
}

impl<'r, 'p> Considered<'r, 'p> {
    fn of(revision: &'r Revision, record: &'p PingRecord) -> Option<Self> {
        let campaign = revision.campaign(record.campaign.as_str())?;
        Some(Self {
            market: &revision.market,
            campaign,
            recorded: record.outcomes.iter().map(|one| &one.account).collect(),
            lead: PingLead::from_entries(
                Arc::clone(&campaign.lead_type),
                record.input.lead.clone(),
            ),
            at_ms: record.input.received_at_ms,
        })
    }

    /// What became of an account that the record does not name; none of one of another lead type.
    fn derived(&self, account: &'r Arc<Account>) -> Option<Derived<'r>> {
        let (campaign, lead_type) = (self.campaign, &self.campaign.lead_type);
        if account.lead_type != lead_type.id || self.recorded.contains(&account.id) {
            return None;
        }
        let absent = ping::absent_in(campaign);
        let (outcome, field) = self
            .market
            .outcome_of(campaign, account, &self.lead, absent, self.at_ms)?;
        let field = field.and_then(|at| lead_type.fields.get(at));
        Some(Derived {
            account,
            outcome,
            field: field.map(|field| Arc::clone(&field.name)),
        })
    }
}

fn with_text(kept: gavel_store::Revision, active: bool) -> RevisionView {
    let info = kept.info.clone();
    view(&info, active, Some(market_text::text_of(kept)))
}

fn view(info: &RevisionInfo, active: bool, text: Option<MarketText>) -> RevisionView {
    RevisionView {
        revision: info.number,
        at_ms: info.at_ms,
        active,
        text,
        rollback_of: info.rolled_back_to,
    }
}

impl From<StoreError> for PluginRefused {
    fn from(error: StoreError) -> Self {
        OperatorRefused::from(error).into()
    }
}

impl From<OperatorRefused> for PluginRefused {
    fn from(refused: OperatorRefused) -> Self {
        match refused {
            OperatorRefused::NotFound => Self::NotFound,
            _ => Self::Broken,
        }
    }
}

impl From<StoreError> for OperatorRefused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot do its work");
        Self::Broken
    }
}
