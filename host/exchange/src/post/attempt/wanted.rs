//! The last look before a delivery: whether its account still wants the lead, and what it needs
//! to get it.

use std::sync::Arc;

use gavel_market::{
    breaker::{self, Kind},
    criteria::{self, Absent},
    duplicates::{Among, Comparison, Subject},
    model::AccountStatus,
    order::End,
    reason::Outcome,
    room::Owner,
};
use gavel_sandbox::Verdict;
use gavel_store::Needs;

use super::{Attempt, Ended, passed_over};
use crate::{fingerprints, words};

impl Attempt {
    /// Just before: today's status, then criteria, duplicates and filter on the full lead.
    pub(super) async fn still_wanted(&mut self) -> Result<(), Ended> {
        let today = self.inner.revisions.current();
        let active = today
            .as_ref()
            .and_then(|today| today.market.account_named(&self.account.id))
            .is_some_and(|(_, account)| account.status == AccountStatus::Active);
        if !active || !self.posted.roster.serves(&self.account) {
            return Err(passed_over(Outcome::NotActive));
        }
        if criteria::first_failed(&self.account.criteria, &*self.posted.lead, Absent::Fails)
            .is_some()
        {
            return Err(passed_over(Outcome::Criteria));
        }
        if self.had_before()? {
            return Err(passed_over(Outcome::Duplicate));
        }
        let account = Arc::clone(&self.account);
        let Some(used) = &account.filter else {
            return Ok(());
        };
        let (plugin, call) = self.plugin(used)?;
        let asking = plugin.qualify_full(&call, &self.view);
        let called = match self.in_time(asking).await? {
            Ok(called) => called,
            Err(fault) => {
                self.tell_breaker(
                    Kind::Filter,
                    Kind::Filter.end_of(fault.kind.outcome(), true),
                );
                return Err(self.fault(&fault));
            }
        };
        self.tell_breaker(Kind::Filter, breaker::End::Good);
        self.words.log(&called.log);
        match called.value {
            Verdict::Qualified => Ok(()),
            Verdict::Disqualified { code, detail } => {
                let declared = words::declared(plugin.plugin(), &code);
                (self.words.code, self.words.detail) = (Some(code), Some(detail));
                Err(Ended::With(End::PassedOver {
                    outcome: Outcome::Filtered,
                    code: declared,
                }))
            }
        }
    }

    /// Whether the account has this lead already, as far as can be told by looking: the durable
    /// note looks once more, and reserves.
    fn had_before(&self) -> Result<bool, Ended> {
        let (Some(comparison), Some(post)) = (self.comparison(), &self.order.post) else {
            return Ok(false);
        };
        let subject = Subject {
            order: self.order.id,
            campaign: self.order.campaign.clone(),
            supplier: self.order.supplier.clone(),
            at_ms: post.received_at_ms,
        };
        let seen = self.inner.store.has_seen(&comparison, &subject);
        seen.map_err(Ended::Store)
    }

    /// What the account's own duplicates ask; nothing of a test.
    fn comparison(&self) -> Option<Comparison> {
        let duplicates = self.account.duplicates.as_ref();
        duplicates.filter(|_| !self.order.test).map(|duplicates| {
            let among = Among::Account(self.account.id.clone());
            fingerprints::comparison(&self.inner.store, duplicates, among, &*self.posted.lead)
        })
    }

    /// What the note needs beside a free place: room by today's caps and budget, where the
    /// quote took none, and that the account does not have the lead already.
    pub(super) fn needs(&self) -> Needs {
        let owner = Owner::Account(self.account.id.clone());
        let today = self.inner.revisions.current();
        Needs {
            room: today
                .filter(|_| !self.order.test)
                .and_then(|today| today.room_of(&owner)),
            comparison: self.comparison(),
        }
    }
}
