//! What a claim and a delivery are checked against beside the order itself, in their own
//! transaction: leads that were there before, and room.

use gavel_market::{
    duplicates::Comparison,
    model::HoldAt,
    money::Money,
    order::{BeginRefused, Order},
    reason::RejectReason,
    room::{Owner, Room, Taking},
};

use crate::{
    change::Txn,
    duplicates::subject_of,
    error::{ChangeError, StoreError},
};

/// What a claim is checked against (`rules.md`, post 5).
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// By what the lead may have been there before: of the campaign's `duplicates`, and the
    /// same supplier's lead.
    pub comparisons: Vec<Comparison>,
    /// The campaign's room, where it holds only at the post. Best given even where nothing is
    /// limited, since it says by whose clocks to count ([`Rooms`](crate::Rooms)).
    pub campaign_room: Option<Room>,
}

/// What a delivery needs beside a free place (`rules.md`, post 7).
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// The account's room today, for where it took none of this order yet; what it holds
    /// already is not asked again. Best given even where nothing is limited, as with
    /// [`Checks::campaign_room`].
    pub room: Option<Room>,
    /// By what the account may have had this lead before.
    pub comparison: Option<Comparison>,
}

impl Txn<'_> {
    /// Checks an order that was just claimed: it goes on `posting`, or is `rejected`.
    pub(crate) fn check(&mut self, order: &mut Order, checks: &Checks) -> Result<(), StoreError> {
        let Some(at_ms) = order.post.as_ref().map(|post| post.received_at_ms) else {
            return Ok(());
        };
        let refused = match self.refusal(order, checks, at_ms)? {
            Some(reason) => order.refuse(reason, at_ms),
            None => Ok(()),
        };
        refused.map_err(|error| StoreError::unreadable("order", error.to_string()))
    }

    fn refusal(
        &mut self,
        order: &mut Order,
        checks: &Checks,
        at_ms: u64,
    ) -> Result<Option<RejectReason>, StoreError> {
        if order.test {
            return Ok(None);
        }
        let subject = subject_of(order, at_ms);
        for comparison in &checks.comparisons {
            if self.has_seen(comparison, &subject)? {
                return Ok(Some(RejectReason::Duplicate));
            }
        }
        if order.hold == HoldAt::Post {
            let campaign = Owner::Campaign(order.campaign.clone());
            let room_at_ms = self.moment([&campaign], at_ms);
            let room = checks.campaign_room.as_ref();
            if !self.has_room(&campaign, room, Money::ZERO, room_at_ms) {
                return Ok(Some(RejectReason::CampaignCapReached));
            }
            order.take_campaign_room(room_at_ms);
        }
        Ok(None)
    }

    /// Whether a delivery that was just begun on this bid may be: its account never had the
    /// lead, and has room for it where it had taken none `before`.
    pub(crate) fn meet(
        &mut self,
        needs: &Needs,
        order: &Order,
        bid: u16,
        before: &[Taking],
    ) -> Result<(), ChangeError<BeginRefused>> {
        let (Some(delivery), Some(post)) = (order.delivery(bid), &order.post) else {
            return Ok(());
        };
        if let Some(comparison) = needs.comparison.as_ref().filter(|_| !order.test)
            && self.has_seen(comparison, &subject_of(order, post.received_at_ms))?
        {
            return Err(ChangeError::Refused(BeginRefused::Duplicate));
        }
        let account = Owner::Account(delivery.account.clone());
        let of_account = |taking: &&Taking| taking.owner == account;
        let takings = order.takings();
        let new = takings
            .iter()
            .find(of_account)
            .filter(|_| !before.iter().any(|taking| of_account(&taking)));
        match new {
            Some(new) if !self.has_room(&account, needs.room.as_ref(), new.amount, new.at_ms) => {
                Err(ChangeError::Refused(BeginRefused::NoRoom))
            }
            _ => Ok(()),
        }
    }
}
