//! Ping step 7.1: what follows from lead, revision and time alone.
//!
//! The order of the checks is status, the campaign's group, schedule, criteria; the first
//! that fails names the outcome. Who is to be asked is found the other way round: criteria
//! by the index, and the rest on the few that are left.

use jiff::tz::TimeZone;

use super::is_active;
use crate::{
    criteria::{Absent, first_failed},
    lead::Fields,
    model::{Account, AccountIx, Campaign, Market},
    reason::Outcome,
};

impl Market {
    /// By whose clocks an account's schedule and its caps go: its buyer's.
    pub fn zone_of(&self, account: &Account) -> &TimeZone {
        self.buyers
            .get(&account.buyer)
            .map_or(&self.timezone, |buyer| &buyer.timezone)
    }

    /// The accounts that a lead of this campaign's may go to at a moment (Unix time in
    /// milliseconds): the active ones of its lead type that its group, their schedules and
    /// their criteria let through, in account order. Costs what its matches cost.
    pub fn to_ask<L: Fields>(
        &self,
        campaign: &Campaign,
        lead: &L,
        absent: Absent,
        at_ms: u64,
    ) -> Vec<AccountIx> {
        let Some(eligibility) = self.eligibility.get(&campaign.lead_type.id) else {
            return Vec::new();
        };
        let mut found = eligibility.matching(&self.accounts, lead, absent);
        found.retain(|ix| {
            self.account(*ix).is_some_and(|account| {
                is_in_group(campaign, account) && self.is_buying(account, at_ms)
            })
        });
        found
    }

    /// Why an account of the campaign's lead type may not be asked at a moment (Unix time in
    /// milliseconds), with the place of the field where a criterion is failed; `None` for an
    /// account that [`Market::to_ask`] finds.
    ///
    /// A ping's record does not store these outcomes; whoever shows them derives them again.
    pub fn outcome_of<L: Fields>(
        &self,
        campaign: &Campaign,
        account: &Account,
        lead: &L,
        absent: Absent,
        at_ms: u64,
    ) -> Option<(Outcome, Option<usize>)> {
        if !is_active(account) {
            return Some((Outcome::NotActive, None));
        }
        if !is_in_group(campaign, account) {
            return Some((Outcome::NotInGroup, None));
        }
        if !self.is_buying(account, at_ms) {
            return Some((Outcome::OutsideSchedule, None));
        }
        let failed = account
            .criteria
            .get(first_failed(&account.criteria, lead, absent)?)?;
        Some((Outcome::Criteria, Some(failed.field)))
    }

    /// Whether an account's schedule is open.
    fn is_buying(&self, account: &Account, at_ms: u64) -> bool {
        account
            .schedule
            .as_ref()
            .is_none_or(|schedule| schedule.is_open(at_ms, self.zone_of(account)))
    }
}

/// Whether a campaign delivers to an account: it names no group, or one with it.
fn is_in_group(campaign: &Campaign, account: &Account) -> bool {
    campaign
        .delivers_to
        .as_ref()
        .is_none_or(|group| group.members.contains(&account.id))
}
