//! Step 7.2: what follows from the market's state – the circuit breaker, room in caps and
//! budgets, the account's duplicates – and what ranking looks at of it.
//!
//! What is read here is of the moment: room may go before the order is recorded, which then
//! says so (`lost_room`).

use gavel_market::{
    duplicates::{Among, Subject},
    model::{Account, RankBy},
    money::Money,
    reason::Outcome,
    room::{Limits, Owner, Room, Turn},
};
use gavel_store::StoreError;

use super::Asked;
use crate::{Inner, breakers::Passed, fingerprints};

/// The market's state, as one real ping looks at it.
pub(super) struct State<'a> {
    inner: &'a Inner,
    asked: &'a Asked,
    subject: Subject,
    /// Whether the campaign ranks by what was taken before.
    by_turn: bool,
}

impl<'a> State<'a> {
    /// What this ping looks at; nothing where it is a test.
    pub(super) fn of(inner: &'a Inner, asked: &'a Asked) -> Option<Self> {
        let selection = asked.campaign.selection;
        let by_turn = |rank: RankBy| matches!(rank, RankBy::RoundRobin | RankBy::Weighted);
        (!asked.test).then(|| Self {
            inner,
            asked,
            subject: Subject {
                order: asked.order(),
                campaign: asked.campaign.id.clone(),
                supplier: asked.campaign.supplier.clone(),
                at_ms: asked.received.unix_ms,
            },
            by_turn: by_turn(selection.by) || by_turn(selection.then),
        })
    }

    /// Whether an account may be asked; if not, what stands against it. What lets it pass is
    /// held until its end is known.
    pub(super) fn admit(&self, account: &Account) -> Result<Result<Passed, Outcome>, StoreError> {
        let Some(passed) = self.inner.breakers.pass(account) else {
            return Ok(Err(Outcome::CircuitOpen));
        };
        if account.is_capped()
            && let Err(full) = self.has_room(account, None)
        {
            return Ok(Err(full));
        }
        if self.is_duplicate(account)? {
            return Ok(Err(Outcome::Duplicate));
        }
        Ok(Ok(passed))
    }

    /// Whether a bid fits the free room of its account's budget.
    pub(super) fn affords(&self, account: &Account, bid: Money) -> bool {
        account.budget.is_empty() || self.has_room_in_budget(account, bid)
    }

    /// What ranking looks at beside the bid, where it does.
    pub(super) fn turn(&self, account: &Account) -> Option<Turn> {
        self.by_turn.then(|| {
            let usage = self.inner.store.usage(&owner(account));
            usage.turn(account.weight, usage.moment(self.asked.received.unix_ms))
        })
    }

    fn has_room(&self, account: &Account, bid: Option<Money>) -> Result<(), Outcome> {
        self.has_room_in(
            account,
            &self.asked.roster.revision.room_of_account(account),
            bid,
        )
    }

    fn has_room_in_budget(&self, account: &Account, bid: Money) -> bool {
        let room = Room {
            caps: Limits::default(),
            ..self.asked.roster.revision.room_of_account(account)
        };
        self.has_room_in(account, &room, Some(bid)).is_ok()
    }

    fn has_room_in(
        &self,
        account: &Account,
        room: &Room,
        bid: Option<Money>,
    ) -> Result<(), Outcome> {
        let usage = self.inner.store.usage(&owner(account));
        usage.has_room(room, bid, usage.moment(self.asked.received.unix_ms))
    }

    /// Whether the account has this lead already, by what a ping shows of it: a personal
    /// field is asked about only once it is posted.
    fn is_duplicate(&self, account: &Account) -> Result<bool, StoreError> {
        let Some(duplicates) = &account.duplicates else {
            return Ok(false);
        };
        let store = &self.inner.store;
        let among = Among::Account(account.id.clone());
        let comparison = fingerprints::comparison(store, duplicates, among, &*self.asked.lead);
        store.has_seen(&comparison, &self.subject)
    }
}

fn owner(account: &Account) -> Owner {
    Owner::Account(account.id.clone())
}
