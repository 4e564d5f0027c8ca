//! Steps 6 to 10: whether the campaign is open, who bids, and who of them is selected.

use std::sync::Arc;

use gavel_market::{
    auction::{self, Bid, Decision, Terms},
    ids::AccountId,
    model::CampaignStatus,
    reason::Outcome,
    record::Timings,
    room::Owner,
};

use super::{Asked, consider::Considered, scan};
use crate::{Inner, api::Refusal};

/// What was decided, and how long the parts took.
#[derive(Clone)]
pub(crate) struct Decided {
    /// One for each account that the record must say, by account.
    pub considered: Vec<Considered>,
    /// Valid bids, best first.
    pub ranked: Vec<Bid>,
    /// What came of them.
    pub decision: Decision,
    /// For the record.
    pub timings: Timings,
}

/// Steps 6 to 10. `CampaignNotActive` or `CampaignCapReached` where the campaign is not open.
pub(crate) async fn decide(inner: &Arc<Inner>, asked: &Asked) -> Result<Decided, Refusal> {
    open(inner, asked)?;
    let mut timings = Timings {
        understood_us: asked.since_start_us(),
        ..Timings::default()
    };
    let considered = scan::scan(inner, asked, &mut timings).await?;
    timings.bids_us = asked.since_start_us();
    let mut decided = Decided::of(asked, considered);
    timings.decided_us = asked.since_start_us();
    decided.timings = timings;
    Ok(decided)
}

/// Step 6: the campaign admits leads, and has room for one more.
fn open(inner: &Inner, asked: &Asked) -> Result<(), Refusal> {
    let campaign = &asked.campaign;
    if campaign.status != CampaignStatus::Active {
        return Err(Refusal::CampaignNotActive);
    }
    if asked.test || campaign.caps.is_empty() {
        return Ok(());
    }
    let owner = Owner::Campaign(campaign.id.clone());
    let usage = inner.store.usage(&owner);
    let at_ms = usage.moment(asked.received.unix_ms);
    // A campaign of this revision has room in it.
    let room = asked.roster.revision.room_of(&owner);
    match room.map(|room| usage.has_room(&room, None, at_ms)) {
        Some(Err(_full)) => Err(Refusal::CampaignCapReached),
        _ => Ok(()),
    }
}

impl Decided {
    /// Steps 8 to 10, on what each account bid.
    fn of(asked: &Asked, considered: Vec<Considered>) -> Self {
        let terms = terms(asked);
        let ranked = auction::rank(
            &terms,
            considered.iter().filter_map(Considered::to_bid).collect(),
        );
        let mut decided = Self {
            decision: auction::decide(&terms, &ranked),
            considered,
            ranked,
            timings: Timings::default(),
        };
        decided.tell_accounts();
        decided
    }

    /// No account is asked, for want of time.
    pub(super) fn without_time(asked: &Asked) -> Self {
        Self::of(asked, scan::without_time(asked))
    }

    /// Steps 9 and 10 again, without accounts that lost their room meanwhile. Nobody is asked
    /// anything again.
    pub(crate) fn without(&mut self, asked: &Asked, lost: &[AccountId]) {
        self.ranked.retain(|bid| !lost.contains(&bid.account));
        for account in lost {
            self.tell(account, Outcome::LostRoom);
        }
        self.decision = auction::decide(&terms(asked), &self.ranked);
        self.tell_accounts();
    }

    /// Gives every account whose bid was ranked what became of it.
    fn tell_accounts(&mut self) {
        let told: Vec<(AccountId, Outcome)> = self
            .ranked
            .iter()
            .map(|bid| bid.account.clone())
            .zip(self.decision.outcomes.iter().copied())
            .collect();
        for (account, outcome) in told {
            self.tell(&account, outcome);
        }
    }

    fn tell(&mut self, account: &AccountId, outcome: Outcome) {
        let at = self
            .considered
            .binary_search_by(|one| one.account.id.cmp(account));
        if let Ok(at) = at
            && let Some(one) = self.considered.get_mut(at)
        {
            one.outcome = Some(outcome);
        }
    }
}

/// The campaign's terms, with what the request itself asks for.
pub(crate) fn terms(asked: &Asked) -> Terms {
    Terms::of(&asked.campaign, asked.controls.min_bid)
}
