//! What was taken of caps and budgets, as an operator sees it.

use std::sync::Arc;

use gavel_market::room::{Limits, Owner, Room, Usage};
use jiff::tz::TimeZone;

use crate::{
    Exchange,
    api::{OperatorRefused, UsageView},
    clock,
};

impl Exchange {
    /// What was counted of an account of today's market.
    pub fn account_usage(&self, name: &str) -> Result<UsageView, OperatorRefused> {
        let revision = self
            .0
            .revisions
            .current()
            .ok_or(OperatorRefused::NotFound)?;
        let market = &revision.market;
        let account = name
            .parse()
            .ok()
            .and_then(|id| market.account_named(&id))
            .map(|(_, account)| account)
            .ok_or(OperatorRefused::NotFound)?;
        let buyer = market.buyers.get(&account.buyer);
        let room = Room {
            caps: account.caps,
            budget: account.budget,
            zone: buyer.map_or(TimeZone::UTC, |buyer| buyer.timezone.clone()),
        };
        let usage = self.usage(Owner::Account(account.id.clone()), room);
        Ok(UsageView {
            buyer: Some((
                account.buyer.clone(),
                buyer.map(|buyer| buyer.name.clone()).unwrap_or_default(),
            )),
            open: self.0.breakers.open(&account.id),
            ..usage
        })
    }

    /// What was counted of a campaign of today's market; it has no budget.
    pub fn campaign_usage(&self, name: &str) -> Result<UsageView, OperatorRefused> {
        let revision = self
            .0
            .revisions
            .current()
            .ok_or(OperatorRefused::NotFound)?;
        let campaign = revision.campaign(name).ok_or(OperatorRefused::NotFound)?;
        let room = Room {
            caps: campaign.caps,
            budget: Limits::default(),
            zone: revision.market.timezone.clone(),
        };
        Ok(self.usage(Owner::Campaign(campaign.id.clone()), room))
    }

    fn usage(&self, owner: Owner, room: Room) -> UsageView {
        let usage: Arc<Usage> = self.0.store.usage(&owner);
        UsageView {
            // As room would be taken now: never in a period before the last one counted.
            at_ms: usage.moment(clock::unix_ms()),
            owner,
            buyer: None,
            room,
            usage,
            open: Vec::new(),
        }
    }
}
