//! Returns: deliveries that their buyers give back (`rules.md`, Returns).
//!
//! What is returned is read from the ledger and not from the order, and a return's record holds
//! all that a decision needs: it outlives the order, as the ledger does, and holds nothing
//! personal. How many of an account's deliveries were sold in a month, and how many of those
//! were given back, stands in its usage ([`crate::usage`]).

use std::time::Duration;

use gavel_market::{
    ids::{AccountId, BuyerId, CampaignId, DeliveryId, ReturnId, SupplierId, Ulid},
    ledger::{self, Entry, EntryKind},
    model::Returns,
    money::Money,
    room::Owner,
};
use serde::{Deserialize, Serialize};

use crate::{
    LIST_MAX, Page, Store,
    change::Txn,
    codec,
    error::{self, ChangeError, StoreError},
    keys::{self, Fields, Key},
    report::Booking,
    view::with_prefix_between,
};

const RETURN: &str = "return";

/// A delivery given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Its id; returns sort by when they were asked for.
    pub id: ReturnId,
    /// What is given back.
    pub delivery: DeliveryId,
    /// Who has it.
    pub account: AccountId,
    /// Who paid for it.
    pub buyer: BuyerId,
    /// Under which terms the lead was bought.
    pub campaign: CampaignId,
    /// From whom.
    pub supplier: SupplierId,
    /// The supplier's own name of the lead's source.
    #[serde(default)]
    pub sub_id: Option<String>,
    /// Places of the bids that the lead's quote counted on.
    #[serde(default)]
    pub quoted: Vec<u16>,
    /// What it was sold at.
    pub amount: Money,
    /// Why it is given back; nothing personal.
    pub reason: String,
    /// Whether the supplier pays back its part, by the account's rule of the time.
    pub charge_supplier: bool,
    /// Unix time in milliseconds at which it was sold.
    pub sold_at_ms: u64,
    /// Unix time in milliseconds at which the return was asked for.
    pub at_ms: u64,
    /// Where it stands.
    pub state: ReturnState,
    /// Unix time in milliseconds at which it was accepted or declined.
    pub decided_at_ms: Option<u64>,
}

/// Where a return stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnState {
    /// Somebody has to decide.
    Pending,
    /// The revenue is reversed.
    Accepted,
    /// Nothing changes.
    Declined,
}

impl ReturnState {
    /// The word that stands for it in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }

    /// Its byte in the index.
    fn byte(self) -> u8 {
        match self {
            Self::Pending => 1,
            Self::Accepted => 2,
            Self::Declined => 3,
        }
    }
}

/// Why a delivery is not given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReturnRefused {
    /// It was sold longer ago than the account may look back.
    #[error("the delivery was sold too long ago to be returned")]
    TooLate,
    /// The account has given back as many of that month's deliveries as it may.
    #[error("the account has returned as many of that month's deliveries as it may")]
    Limit,
    /// It was given back before, accepted or not.
    #[error("the delivery was returned before")]
    AlreadyReturned,
    /// It was not sold.
    #[error("the delivery was not sold")]
    NotReturnable,
    /// The return was accepted or declined before.
    #[error("the return was decided before")]
    AlreadyDecided,
}

type Refusable<T> = Result<T, ChangeError<ReturnRefused>>;

fn refused<T>(why: ReturnRefused) -> Refusable<T> {
    Err(ChangeError::Refused(why))
}

impl Txn<'_> {
    fn request_return(
        &mut self,
        delivery: DeliveryId,
        reason: String,
        rule: Returns,
        now_ms: u64,
    ) -> Refusable<Return> {
        if self.get(&keys::returned_delivery(delivery))?.is_some() {
            return refused(ReturnRefused::AlreadyReturned);
        }
        let (order, _) = self.order(delivery.order)?.ok_or(ChangeError::NotFound)?;
        let sold = order.delivery(delivery.bid).ok_or(ChangeError::NotFound)?;
        let booked = self.booked(delivery.order.lead())?;
        let Some(amount) = booked.iter().find_map(|entry| revenue_of(entry, delivery)) else {
            return refused(ReturnRefused::NotReturnable);
        };
        let since = Duration::from_millis(now_ms.saturating_sub(sold.at_ms));
        if since > rule.within {
            return refused(ReturnRefused::TooLate);
        }
        let usage = self
            .counted_mut(&Owner::Account(sold.account.clone()))
            .usage_mut();
        match usage.month_mut(sold.at_ms) {
            Some(month) if month.may_return_one_more(rule.max_percent) => month.returned += 1,
            _ => return refused(ReturnRefused::Limit),
        }
        let mut given_back = Return {
            id: ReturnId(Ulid::from_parts(now_ms, Ulid::new().random())),
            delivery,
            account: sold.account.clone(),
            buyer: sold.buyer.clone(),
            campaign: order.campaign.clone(),
            supplier: order.supplier.clone(),
            sub_id: order.sub_id.clone(),
            quoted: order.quote.selected.clone(),
            amount,
            reason,
            charge_supplier: rule.charge_supplier,
            sold_at_ms: sold.at_ms,
            at_ms: now_ms,
            state: ReturnState::Pending,
            decided_at_ms: None,
        };
        self.mark(keys::returned_delivery(delivery), true);
        if rule.auto_accept {
            self.decide(&mut given_back, true, now_ms)?;
        }
        self.put_return(&given_back)?;
        Ok(given_back)
    }

    fn decide_return(&mut self, id: ReturnId, accept: bool, now_ms: u64) -> Refusable<Return> {
        let record = self.get(&keys::return_of(id))?;
        let mut given_back = read(&record.ok_or(ChangeError::NotFound)?)?;
        if given_back.state != ReturnState::Pending {
            return refused(ReturnRefused::AlreadyDecided);
        }
        self.mark(keys::return_by_state(given_back.state.byte(), id), false);
        self.decide(&mut given_back, accept, now_ms)?;
        self.put_return(&given_back)?;
        Ok(given_back)
    }

    /// Accepting reverses the revenue, and books what the supplier pays back for it; declining
    /// makes room for another return of that month.
    fn decide(
        &mut self,
        given_back: &mut Return,
        accept: bool,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        given_back.decided_at_ms = Some(now_ms);
        if accept {
            given_back.state = ReturnState::Accepted;
            let entry = ledger::returned(
                given_back.delivery,
                &given_back.account,
                &given_back.buyer,
                given_back.amount,
                given_back.charge_supplier,
                now_ms,
            );
            let booking = Booking {
                lead: given_back.delivery.order.lead(),
                campaign: &given_back.campaign,
                supplier: &given_back.supplier,
                sub_id: given_back.sub_id.as_deref(),
                quoted: &given_back.quoted,
            };
            return self.book(&booking, vec![entry]);
        }
        given_back.state = ReturnState::Declined;
        let usage = self
            .counted_mut(&Owner::Account(given_back.account.clone()))
            .usage_mut();
        if let Some(month) = usage.month_mut(given_back.sold_at_ms) {
            month.returned = month.returned.saturating_sub(1);
        }
        Ok(())
    }

    fn put_return(&mut self, given_back: &Return) -> Result<(), StoreError> {
        let Return { id, state, .. } = given_back;
        self.mark(keys::return_by_state(state.byte(), *id), true);
        self.put(keys::return_of(*id), codec::encode(RETURN, given_back)?);
        Ok(())
    }
}

/// What a delivery was sold at, if this entry says so. A test has none.
fn revenue_of(entry: &Entry, sold: DeliveryId) -> Option<Money> {
    match &entry.kind {
        EntryKind::Revenue {
            delivery, amount, ..
        } if *delivery == sold => Some(*amount),
        _ => None,
    }
}

fn read(record: &[u8]) -> Result<Return, StoreError> {
    codec::decode(RETURN, record)
}

impl Store {
    /// A buyer gives a delivery back, by its account's rule; with `auto_accept` it is accepted
    /// at once. [`ChangeError::NotFound`] where there is no such delivery, or no longer.
    pub async fn request_return(
        &self,
        delivery: DeliveryId,
        reason: String,
        rule: Returns,
        now_ms: u64,
    ) -> Result<Return, ChangeError<ReturnRefused>> {
        self.change(move |txn| txn.request_return(delivery, reason, rule, now_ms))
            .await
    }

    /// An operator accepts a return or declines it, once.
    pub async fn decide_return(
        &self,
        id: ReturnId,
        accept: bool,
        now_ms: u64,
    ) -> Result<Return, ChangeError<ReturnRefused>> {
        self.change(move |txn| txn.decide_return(id, accept, now_ms))
            .await
    }

    /// Returns, newest first: all, or those in one state; those behind `after`, which is the
    /// last page's `next`.
    pub fn returns(
        &self,
        state: Option<ReturnState>,
        after: Option<ReturnId>,
        limit: usize,
    ) -> Result<Page<Return, ReturnId>, StoreError> {
        let limit = limit.clamp(1, LIST_MAX);
        let key = |id: ReturnId| match state {
            Some(state) => keys::return_by_state(state.byte(), id),
            None => keys::return_of(id),
        };
        let prefix: Key = match state {
            Some(state) => vec![keys::RETURN_BY_STATE, state.byte()],
            None => vec![keys::RETURN],
        };
        let mut items = Vec::new();
        let range = with_prefix_between(&prefix, prefix.clone(), after.map(key));
        let mut keys = self.view().keys(range).rev();
        while let Some(key) = keys.next() {
            let id = id_of(&key?, prefix.len())
                .ok_or_else(|| StoreError::unreadable(RETURN, "a key is too short"))?;
            let record = self.view().get(&keys::return_of(id));
            let given_back = error::listed(
                id,
                record.and_then(|record| record.map(|record| read(&record)).transpose()),
            )?;
            // The index may be ahead of what is durable.
            items.extend(given_back.filter(|one| state.is_none_or(|state| state == one.state)));
            if items.len() == limit {
                return Ok(Page {
                    items,
                    next: keys.next().map(|_more| id),
                });
            }
        }
        Ok(Page { items, next: None })
    }
}

/// The return that a key names behind a prefix of one or two bytes.
fn id_of(key: &[u8], prefix: usize) -> Option<ReturnId> {
    // `Fields` begins behind the first byte.
    Fields::of(key.get(prefix.checked_sub(1)?..)?)
        .ulid()
        .map(ReturnId)
}
