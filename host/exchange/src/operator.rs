//! What operators see and settle.

use std::{collections::BTreeMap, sync::Arc};

use gavel_market::{
    criteria::Absent,
    eligibility,
    ids::{DeliveryId, OrderId, PingId, PluginName},
    lead::PingLead,
    model::{CallLimits, PluginSource},
    order::SettleRefused,
    record::{AccountOutcome, Detail, PingRecord},
};
use gavel_sandbox::{About, Kind};
use gavel_store::{
    ChangeError, GateRefusal, ListedState, PluginKind, PluginVersion, RevisionInfo, StoreError,
};

use crate::{
    Exchange,
    api::{
        DeliveryList, DeliveryView, MarketChange, MarketRefused, MarketText, OperatorRefused,
        OrderView, Page, PingQuery, PingStory, PluginVersionView, RevisionView, Settlement,
    },
    clock, market_change, recover,
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
    pub async fn rollback(&self, revision: u64) -> Result<MarketChange, MarketRefused> {
        market_change::rollback(&self.0, revision).await
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

    /// Runs a plugin's bytes through the gate and keeps them with its report. What the gate
    /// refuses is kept too, and can never be used.
    pub async fn upload_plugin(
        &self,
        name: PluginName,
        bytes: Vec<u8>,
    ) -> Result<PluginVersionView, OperatorRefused> {
        let digest = gavel_market::ids::Digest::of(&bytes);
        let limits = self.limits_of(&name);
        let gated = market_change::gate(&self.0, name.clone(), bytes.clone(), limits).await;
        let (plugin, refused) = match gated {
            Ok(plugin) => (Some(plugin), None),
            Err((code, message)) => (
                None,
                Some(GateRefusal {
                    code: code.to_owned(),
                    message,
                }),
            ),
        };
        let kind = plugin.as_ref().map(|plugin| match plugin.kind() {
            Kind::Filter => PluginKind::Filter,
            Kind::Adapter => PluginKind::Adapter,
        });
        let about = plugin.as_ref().map(|plugin| about_json(plugin.about()));
        let version = PluginVersion {
            name,
            digest,
            size_bytes: bytes.len() as u64,
            kind,
            about,
            refused,
            at_ms: clock::unix_ms(),
        };
        self.0.store.put_plugin(version.clone(), bytes).await?;
        Ok(self.plugin_view(version))
    }

    /// Every version of every plugin, by name, newest first.
    pub fn plugins(&self) -> Result<Vec<PluginVersionView>, OperatorRefused> {
        let versions = self.0.store.plugins()?;
        Ok(versions
            .into_iter()
            .map(|version| self.plugin_view(version))
            .collect())
    }

    /// Pings, newest first, as they were recorded.
    ///
    /// Looks at as many records as the filters take: not on a thread that answers pings.
    pub fn pings(&self, query: &PingQuery) -> Result<Page<PingRecord>, OperatorRefused> {
        let page = self.0.store.pings(query)?;
        Ok(Page {
            items: page.items,
            next: page.next.map(|id| id.to_string()),
        })
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
        Ok(PingStory { record, outcomes })
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
        let order = self
            .0
            .store
            .settle_delivery(id, sold, clock::unix_ms())
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
        if !self.0.is_draining() {
            recover::go_on(&self.0, &order).await?;
        }
        self.order(id.order)
    }

    /// The bounds that the market in force sets for a plugin, or the defaults.
    fn limits_of(&self, name: &PluginName) -> CallLimits {
        let current = self.0.revisions.current();
        current
            .and_then(|revision| revision.market.plugins.get(name).map(|spec| spec.limits))
            .unwrap_or_default()
    }

    fn plugin_view(&self, version: PluginVersion) -> PluginVersionView {
        let current = self.0.revisions.current();
        let spec = current
            .as_ref()
            .and_then(|revision| revision.market.plugins.get(&version.name));
        let active = spec.is_some_and(|spec| spec.source == PluginSource::Digest(version.digest));
        let said = |key: &str| Some(version.about.as_ref()?.get(key)?.as_str()?.to_owned());
        PluginVersionView {
            size: version.size_bytes,
            at_ms: version.at_ms,
            kind: version.kind.map(|kind| kind_word(kind).to_owned()),
            version: said("version"),
            summary: said("summary"),
            refused: version
                .refused
                .map(|refused| (refused.code, refused.message)),
            active,
            name: version.name,
            digest: version.digest,
        }
    }
}

fn about_json(about: &About) -> serde_json::Value {
    serde_json::json!({
        "name": about.name,
        "version": about.version,
        "summary": about.summary,
        "config_schema": about.config_schema,
        "needs": about.needs,
    })
}

fn kind_word(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Filter => "filter",
        PluginKind::Adapter => "adapter",
    }
}

/// The recorded outcomes, and those that follow from lead and revision alone, derived again.
fn outcomes(revision: &Revision, record: &PingRecord) -> Vec<AccountOutcome> {
    let mut outcomes: BTreeMap<_, _> = record
        .outcomes
        .iter()
        .map(|one| (one.account.clone(), one.clone()))
        .collect();
    let Some(campaign) = revision.campaign(record.campaign.as_str()) else {
        return outcomes.into_values().collect();
    };
    let lead = PingLead::from_entries(Arc::clone(&campaign.lead_type), record.input.lead.clone());
    let absent = if campaign.ping.qualify_all_criteria {
        Absent::Fails
    } else {
        Absent::Unknown
    };
    for account in revision
        .market
        .accounts
        .iter()
        .filter(|account| account.lead_type == campaign.lead_type.id)
    {
        if outcomes.contains_key(&account.id) {
            continue;
        }
        if let Some((outcome, field)) = eligibility::outcome_of(account, &lead, absent) {
            let field = field
                .and_then(|at| campaign.lead_type.fields.get(at))
                .map(|field| field.name.to_string());
            let detail = Detail {
                field,
                ..Detail::default()
            };
            outcomes.insert(
                account.id.clone(),
                AccountOutcome {
                    account: account.id.clone(),
                    outcome,
                    detail,
                    bid: None,
                },
            );
        }
    }
    outcomes.into_values().collect()
}

fn with_text(kept: gavel_store::Revision, active: bool) -> RevisionView {
    let info = kept.info.clone();
    view(&info, active, Some(market_change::text_of(kept)))
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

impl From<StoreError> for OperatorRefused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot do its work");
        Self::Broken
    }
}
