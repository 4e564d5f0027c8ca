//! What may happen to an order, each as one compare-and-set.

use super::{Delivery, DeliveryState, Next, Order, OrderState, Post, PostAnswer};
use crate::{
    auction::{self, Terms},
    duplicates::Fingerprint,
    field::Value,
    ids::Digest,
    lead::FieldError,
    ledger::{self, Answered, Entry},
    model::{HoldAt, OnUnconfirmed},
    money::Money,
    reason::{Mark, Outcome, RejectReason},
};

/// An order that is not open cannot expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is not open")]
pub struct NotOpen;

/// Why a post cannot have an order.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClaimRefused {
    /// Its window has passed.
    #[error("the order has expired")]
    Expired,
    /// Another request is posting to it.
    #[error("a post to this order is under way")]
    Posting,
    /// It was settled.
    #[error("the order was posted before")]
    Settled,
}

/// Why a request may not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BeginRefused {
    /// The order is not being delivered.
    #[error("the order is not being delivered")]
    NotDelivering,
    /// There is no such bid.
    #[error("the order has no such bid")]
    NoSuchBid,
    /// The account has, had or may have the lead.
    #[error("the account was tried before")]
    AlreadyTried,
    /// The lead is in as many hands as it may be, or this bid cannot stand beside them.
    #[error("no place is free for this bid")]
    NoPlace,
    /// A delivery is unconfirmed, and its account says to stop there.
    #[error("a delivery is unconfirmed")]
    Stopped,
    /// The supplier waits no longer.
    #[error("the post's deadline has passed")]
    TooLate,
    /// A cap or a budget of the account is full.
    #[error("the account has no room left")]
    NoRoom,
    /// The account has this lead already.
    #[error("the account had this lead before")]
    Duplicate,
}

/// An operator cannot have a delivery tried again: it has not failed, its lead is not an
/// accepted one, or no place is free for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery cannot be tried again")]
pub struct NotRetryable;

/// Why an operator cannot settle a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettleRefused {
    /// It is not unconfirmed, or no longer.
    #[error("the delivery is not unconfirmed")]
    AlreadySettled,
    /// The price is above the bid.
    #[error("the price is above the bid")]
    AboveBid,
    /// There is no such delivery.
    #[error("there is no such delivery")]
    NotFound,
}

/// How one try of a delivery ended. A `code` is the host's own, or one that the plugin
/// declares: whatever else was said is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The buyer took it, at its bid or at what it names.
    Accepted {
        /// What the buyer says that it pays.
        price: Option<Money>,
    },
    /// The buyer certainly did not take it.
    Rejected {
        /// Why, where the plugin declares the code.
        code: Option<String>,
    },
    /// A byte may have been written, and nobody knows.
    Unconfirmed {
        /// How the exchange ended.
        code: Option<String>,
    },
    /// Nothing was sent, and the account is not tried again.
    PassedOver {
        /// What stood against it.
        outcome: Outcome,
        /// Why, where the plugin declares the code.
        code: Option<String>,
    },
    /// No connection was had.
    Unreachable {
        /// When to try again, as Unix time in milliseconds; none where tries are used up.
        retry_at_ms: Option<u64>,
        /// Whether the account is one that is tried again at all.
        retries: bool,
    },
}

impl Order {
    /// `open → expired`. `early` expires an order of which nobody was told.
    pub fn expire(&mut self, now_ms: u64, early: bool) -> Result<(), NotOpen> {
        if self.state != OrderState::Open || !(early || now_ms >= self.expires_at_ms) {
            return Err(NotOpen);
        }
        self.state = OrderState::Expired;
        Ok(())
    }

    /// `open → posting`: from here on only one outcome is possible.
    pub fn claim(&mut self, claim: Claim) -> Result<(), ClaimRefused> {
        match self.state {
            OrderState::Open if claim.received_at_ms >= self.expires_at_ms => {
                return Err(ClaimRefused::Expired);
            }
            OrderState::Open => {}
            OrderState::Expired => return Err(ClaimRefused::Expired),
            OrderState::Posting => return Err(ClaimRefused::Posting),
            OrderState::Sold | OrderState::Accepted | OrderState::Rejected => {
                return Err(ClaimRefused::Settled);
            }
        }
        self.state = OrderState::Posting;
        self.post = Some(Post {
            received_at_ms: claim.received_at_ms,
            waits_until_ms: claim.waits_until_ms,
            lead_hash: claim.lead_hash,
            lead: claim.lead,
            fingerprints: claim.fingerprints,
            room_at_ms: None,
            warnings: claim.warnings,
            answer: None,
            deliveries: Vec::new(),
            erased: false,
            finished: false,
            settled_at_ms: None,
        });
        Ok(())
    }

    /// Takes room in the campaign's caps, where that is done only at the post.
    pub fn take_campaign_room(&mut self, at_ms: u64) {
        if let Some(post) = &mut self.post
            && self.hold == HoldAt::Post
        {
            post.room_at_ms = Some(at_ms);
        }
    }

    /// `posting → rejected` before anything was delivered.
    pub fn refuse(&mut self, reason: RejectReason, now_ms: u64) -> Result<(), BeginRefused> {
        if !self.deliveries().is_empty() {
            return Err(BeginRefused::AlreadyTried);
        }
        self.answer(
            OrderState::Rejected,
            PostAnswer::Rejected { reason },
            now_ms,
        )?;
        if let Some(post) = &mut self.post {
            post.finished = true;
            post.room_at_ms = None;
        }
        Ok(())
    }

    /// The durable note that a request on this bid is about to be made.
    ///
    /// The one gate through which a lead leaves: it holds however many tasks or hosts try,
    /// since it is checked again where it is written. An account that has no room yet takes it
    /// at `room_at_ms`; whether there is any, the caller knows.
    pub fn begin(
        &mut self,
        bid: u16,
        on_unconfirmed: OnUnconfirmed,
        room_at_ms: u64,
        now_ms: u64,
    ) -> Result<(), BeginRefused> {
        if self
            .delivery(bid)
            .is_some_and(|delivery| delivery.state == DeliveryState::InFlight)
        {
            return Err(BeginRefused::AlreadyTried);
        }
        self.may_begin(bid, now_ms)?;
        self.put(bid, on_unconfirmed, now_ms, |delivery| {
            delivery.state = DeliveryState::InFlight;
            delivery.room_at_ms.get_or_insert(room_at_ms);
        })
    }

    /// The note for a further request of an exchange that [`Order::begin`] began.
    pub fn go_on(&mut self, bid: u16, now_ms: u64) -> Result<(), BeginRefused> {
        let too_late = self.is_too_late(now_ms);
        let delivery = self.delivery_mut(bid).ok_or(BeginRefused::NoSuchBid)?;
        if delivery.state != DeliveryState::InFlight {
            return Err(BeginRefused::NotDelivering);
        }
        if too_late {
            return Err(BeginRefused::TooLate);
        }
        delivery.at_ms = now_ms;
        Ok(())
    }

    fn may_begin(&self, bid: u16, now_ms: u64) -> Result<(), BeginRefused> {
        if !self.is_being_delivered() {
            return Err(BeginRefused::NotDelivering);
        }
        if self.is_too_late(now_ms) {
            return Err(BeginRefused::TooLate);
        }
        if usize::from(bid) >= self.bids.len() {
            return Err(BeginRefused::NoSuchBid);
        }
        match self.delivery(bid).map(|delivery| delivery.state) {
            None | Some(DeliveryState::Retrying(_)) => {}
            Some(_) => return Err(BeginRefused::AlreadyTried),
        }
        if self.is_stopped() {
            return Err(BeginRefused::Stopped);
        }
        if self.is_erased() {
            return Err(BeginRefused::NotDelivering);
        }
        self.place_for(bid)
    }

    /// Whether the lead may go into one more pair of hands, this bid's.
    fn place_for(&self, bid: u16) -> Result<(), BeginRefused> {
        let wanted = self
            .bids
            .get(usize::from(bid))
            .ok_or(BeginRefused::NoSuchBid)?;
        let alone = |exclusive: bool| exclusive || self.max_deliveries == 1;
        let mut hands = 0;
        for held in self
            .deliveries()
            .iter()
            .filter(|delivery| delivery.state.holds_a_place())
        {
            let exclusive = self
                .bids
                .get(usize::from(held.bid))
                .is_none_or(|bid| bid.exclusive);
            if held.buyer == wanted.buyer || alone(exclusive) || alone(wanted.exclusive) {
                return Err(BeginRefused::NoPlace);
            }
            hands += 1;
        }
        if hands >= self.max_deliveries {
            Err(BeginRefused::NoPlace)
        } else {
            Ok(())
        }
    }

    /// How a try of a delivery ended. Of an accepted lead, what it changes in the ledger.
    pub fn end(
        &mut self,
        bid: u16,
        end: End,
        on_unconfirmed: OnUnconfirmed,
        now_ms: u64,
    ) -> Result<Vec<Entry>, BeginRefused> {
        // What is out runs to its end whatever the state; what was not begun needs a lead
        // that is being delivered.
        let in_flight = self
            .delivery(bid)
            .is_some_and(|delivery| delivery.state == DeliveryState::InFlight);
        let sent = matches!(
            end,
            End::Accepted { .. } | End::Rejected { .. } | End::Unconfirmed { .. }
        );
        let sold = matches!(end, End::Accepted { .. });
        if sent && !in_flight {
            return Err(BeginRefused::NotDelivering);
        }
        // A try that ended before its note says nothing about one that has an outcome.
        let untried = matches!(
            self.delivery(bid).map(|delivery| delivery.state),
            None | Some(DeliveryState::Retrying(_))
        );
        if !(sent || untried && self.is_being_delivered()) {
            return Err(BeginRefused::AlreadyTried);
        }
        let offered = self
            .bids
            .get(usize::from(bid))
            .ok_or(BeginRefused::NoSuchBid)?
            .amount;
        // What an operator asked for and had no room can be asked for again.
        let waits_for_room = self
            .delivery(bid)
            .is_some_and(|delivery| delivery.asked_for);
        let before = self.owed();
        self.put(bid, on_unconfirmed, now_ms, |delivery| match end {
            End::Accepted { price } => sell(delivery, offered, price),
            End::Rejected { code } => {
                delivery.state = DeliveryState::Rejected;
                delivery.code = code;
            }
            End::Unconfirmed { code } => {
                delivery.state = DeliveryState::Unconfirmed;
                delivery.code = code;
            }
            End::PassedOver { outcome, code } => {
                delivery.state = match outcome {
                    Outcome::LostRoom if waits_for_room => DeliveryState::Failed,
                    outcome => DeliveryState::PassedOver(outcome),
                };
                delivery.code = code;
            }
            End::Unreachable {
                retry_at_ms,
                retries,
            } => {
                delivery.unreachable += 1;
                delivery.state = match retry_at_ms {
                    Some(at_ms) => DeliveryState::Retrying(at_ms),
                    None if retries => DeliveryState::Failed,
                    None => DeliveryState::PassedOver(Outcome::Unreachable),
                };
            }
        })?;
        Ok(if sold && self.state != OrderState::Posting {
            self.entries_for(bid, before, now_ms)
        } else {
            Vec::new()
        })
    }

    /// Whatever a crashed request left in flight is unconfirmed: the buyer may have the lead.
    /// Returns whether there was any.
    pub fn give_up_in_flight(&mut self, now_ms: u64) -> bool {
        let Some(post) = &mut self.post else {
            return false;
        };
        let mut any = false;
        for delivery in &mut post.deliveries {
            if delivery.state == DeliveryState::InFlight {
                delivery.state = DeliveryState::Unconfirmed;
                delivery.at_ms = now_ms;
                any = true;
            }
        }
        any
    }

    /// `posting → accepted`: the lead is durably ours.
    pub fn accept(&mut self, now_ms: u64) -> Result<Vec<Entry>, BeginRefused> {
        // What the quote holds stays held by the same record.
        let (payout, up_to) = ledger::payout(self.cost, self.quote.cost, Answered::Accepted);
        self.answer(
            OrderState::Accepted,
            PostAnswer::Accepted { payout, up_to },
            now_ms,
        )?;
        Ok(self.booked(ledger::cost_change(Money::ZERO, self.owed(), now_ms)))
    }

    /// `posting → sold | rejected`, where the supplier waited. What is in flight by now is
    /// unconfirmed; what was to be retried has failed.
    pub fn settle(
        &mut self,
        reason_if_unsold: RejectReason,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Vec<Entry>, BeginRefused> {
        if self.state != OrderState::Posting {
            return Err(BeginRefused::NotDelivering);
        }
        self.give_up_in_flight(now_ms);
        self.fail_retries(now_ms);
        let sales = self.sales();
        let unconfirmed = self
            .deliveries()
            .iter()
            .any(|delivery| delivery.state == DeliveryState::Unconfirmed);
        let (state, answer) = if sales > 0 {
            (
                OrderState::Sold,
                PostAnswer::Sold {
                    payout: self.quote.cost,
                    deliveries: sales,
                },
            )
        } else {
            let reason = if unconfirmed {
                RejectReason::DeliveryUnconfirmed
            } else {
                reason_if_unsold
            };
            (OrderState::Rejected, PostAnswer::Rejected { reason })
        };
        self.answer(state, answer, now_ms)?;
        if let Some(post) = &mut self.post {
            post.finished = !unconfirmed;
        }
        if !unconfirmed {
            self.mark_partial_loss(terms);
        }
        let sold: Vec<u16> = self
            .deliveries()
            .iter()
            .filter(|delivery| delivery.state == DeliveryState::Sold)
            .map(|delivery| delivery.bid)
            .collect();
        let revenue = sold
            .into_iter()
            .filter_map(|bid| self.revenue_entry(bid, now_ms));
        let cost = ledger::cost_change(Money::ZERO, self.owed(), now_ms);
        Ok(self.booked(revenue.chain(cost)))
    }

    /// An accepted lead has nothing left to try; refused while a delivery of it is out. Nobody
    /// asks for this while one is unconfirmed ([`Next::Parked`]), since settling that may free a
    /// place.
    pub fn finish(&mut self, terms: &Terms, now_ms: u64) -> Result<(), BeginRefused> {
        if self.state != OrderState::Accepted {
            return Err(BeginRefused::NotDelivering);
        }
        let out = |delivery: &Delivery| delivery.state == DeliveryState::InFlight;
        if self.deliveries().iter().any(out) {
            return Err(BeginRefused::AlreadyTried);
        }
        // An operator may have had one tried again since whoever ends it looked.
        let waits = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Retrying(_));
        let again = self.deliveries().iter().any(waits)
            && matches!(
                self.next(terms, &[], now_ms),
                Next::Deliver(_) | Next::RetryAt(_)
            );
        if again {
            return Err(BeginRefused::AlreadyTried);
        }
        self.fail_retries(now_ms);
        self.mark_partial_loss(terms);
        if let Some(post) = &mut self.post {
            post.finished = true;
            post.settled_at_ms = Some(now_ms);
        }
        Ok(())
    }

    /// An operator says how an unconfirmed delivery ended; once. `sold` is the price, none
    /// for the bid; the outer `None` says that it was not sold. With the last of a sold lead's it
    /// is known what its buyers pay in the end.
    pub fn settle_by_hand(
        &mut self,
        bid: u16,
        sold: Option<Option<Money>>,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Vec<Entry>, SettleRefused> {
        let offered = self
            .bids
            .get(usize::from(bid))
            .ok_or(SettleRefused::NotFound)?
            .amount;
        let before = self.owed();
        let rejected = self.state == OrderState::Rejected;
        let delivery = self.delivery_mut(bid).ok_or(SettleRefused::NotFound)?;
        if delivery.state != DeliveryState::Unconfirmed {
            return Err(SettleRefused::AlreadySettled);
        }
        match sold {
            Some(Some(price)) if price > offered => return Err(SettleRefused::AboveBid),
            Some(price) => {
                sell(delivery, offered, price);
                if rejected {
                    delivery.marks.push(Mark::UnpaidSupplier);
                }
            }
            None => {
                delivery.state = DeliveryState::Rejected;
                delivery.room_at_ms = None;
            }
        }
        delivery.settled_by_hand = true;
        delivery.at_ms = now_ms;
        let open = self
            .deliveries()
            .iter()
            .any(|delivery| delivery.state == DeliveryState::Unconfirmed);
        if let Some(post) = &mut self.post {
            post.settled_at_ms = Some(now_ms);
            // An accepted lead goes on, and of one that is being answered more may come.
            post.finished |= !open && matches!(self.state, OrderState::Sold | OrderState::Rejected);
        }
        if !open && self.state == OrderState::Sold {
            self.mark_partial_loss(terms);
        }
        // While the post is still being answered, `settle` books whatever is sold by then.
        let books = sold.is_some() && self.state != OrderState::Posting;
        Ok(if books {
            self.entries_for(bid, before, now_ms)
        } else {
            Vec::new()
        })
    }

    /// An operator has a failed delivery of an accepted lead tried again, at once.
    pub fn retry_by_hand(&mut self, bid: u16, now_ms: u64) -> Result<(), NotRetryable> {
        let failed = self
            .delivery(bid)
            .is_some_and(|delivery| delivery.state == DeliveryState::Failed);
        if !failed || self.state != OrderState::Accepted || self.is_erased() || self.is_stopped() {
            return Err(NotRetryable);
        }
        self.place_for(bid).map_err(|_| NotRetryable)?;
        if let Some(delivery) = self.delivery_mut(bid) {
            delivery.state = DeliveryState::Retrying(now_ms);
            delivery.asked_for = true;
            delivery.at_ms = now_ms;
        }
        if let Some(post) = &mut self.post {
            post.finished = false;
        }
        Ok(())
    }

    /// The lead's personal fields are erased: what has not begun ends as failed, what is out
    /// runs to its end. Whoever ends the lead then ([`Self::settle`], [`Self::finish`]) judges it
    /// by its terms.
    pub fn erase(&mut self, now_ms: u64) {
        self.fail_retries(now_ms);
        if let Some(post) = &mut self.post {
            post.erased = true;
        }
    }

    /// Whether the lead's personal fields were erased: nothing more can be delivered.
    pub fn is_erased(&self) -> bool {
        self.post.as_ref().is_some_and(|post| post.erased)
    }

    /// What is booked: nothing of a test.
    fn booked(&self, entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
        if self.test {
            Vec::new()
        } else {
            entries.into_iter().collect()
        }
    }

    /// What the lead costs as things stand (`rules.md`, Money).
    pub fn owed(&self) -> Money {
        let answered = match self.state {
            OrderState::Sold => Answered::Sold,
            OrderState::Accepted => Answered::Accepted,
            _ => Answered::Rejected,
        };
        ledger::owed(
            self.cost,
            self.quote.cost,
            answered,
            self.sold_revenue(),
            self.sales(),
        )
    }

    /// Whether an unconfirmed delivery forbids to try anybody else.
    pub(super) fn is_stopped(&self) -> bool {
        self.deliveries().iter().any(|delivery| {
            delivery.state == DeliveryState::Unconfirmed
                && delivery.on_unconfirmed == OnUnconfirmed::Stop
        })
    }

    /// Whether a supplier waited for this post and does no longer.
    pub(super) fn is_too_late(&self, now_ms: u64) -> bool {
        self.post
            .as_ref()
            .and_then(|post| post.waits_until_ms)
            .is_some_and(|until_ms| now_ms >= until_ms)
    }

    fn answer(
        &mut self,
        state: OrderState,
        answer: PostAnswer,
        now_ms: u64,
    ) -> Result<(), BeginRefused> {
        let post = match &mut self.post {
            Some(post) if self.state == OrderState::Posting => post,
            _ => return Err(BeginRefused::NotDelivering),
        };
        post.answer = Some(answer);
        post.settled_at_ms = Some(now_ms);
        self.state = state;
        Ok(())
    }

    fn fail_retries(&mut self, now_ms: u64) {
        let Some(post) = &mut self.post else { return };
        for delivery in &mut post.deliveries {
            if matches!(delivery.state, DeliveryState::Retrying(_)) {
                delivery.state = DeliveryState::Failed;
                delivery.room_at_ms = None;
                delivery.at_ms = now_ms;
            }
        }
    }

    /// A shared lead whose buyers in the end do not meet the requirements.
    fn mark_partial_loss(&mut self, terms: &Terms) {
        let shared = self.quote.selected.len() > 1 || self.sales() > 1;
        let unmet = auction::unmet_in_the_end(terms, self.sold_revenue(), self.owed());
        let Some(post) = &mut self.post else { return };
        for delivery in post
            .deliveries
            .iter_mut()
            .filter(|delivery| delivery.state == DeliveryState::Sold)
        {
            if shared && unmet && !delivery.marks.contains(&Mark::PartialLoss) {
                delivery.marks.push(Mark::PartialLoss);
            }
        }
    }

    fn entries_for(&self, bid: u16, owed_before: Money, now_ms: u64) -> Vec<Entry> {
        let revenue = self.revenue_entry(bid, now_ms);
        let cost = ledger::cost_change(owed_before, self.owed(), now_ms);
        self.booked(revenue.into_iter().chain(cost))
    }

    fn revenue_entry(&self, bid: u16, now_ms: u64) -> Option<Entry> {
        let delivery = self.delivery(bid)?;
        Some(ledger::revenue(
            self.delivery_id(bid),
            &delivery.account,
            &delivery.buyer,
            delivery.price?,
            &delivery.marks,
            now_ms,
        ))
    }

    fn delivery_mut(&mut self, bid: u16) -> Option<&mut Delivery> {
        self.post
            .as_mut()?
            .deliveries
            .iter_mut()
            .find(|delivery| delivery.bid == bid)
    }

    fn put(
        &mut self,
        bid: u16,
        on_unconfirmed: OnUnconfirmed,
        now_ms: u64,
        change: impl FnOnce(&mut Delivery),
    ) -> Result<(), BeginRefused> {
        let room_at_ms = self.quoted_room(bid);
        let offered = self
            .bids
            .get(usize::from(bid))
            .ok_or(BeginRefused::NoSuchBid)?;
        let post = self.post.as_mut().ok_or(BeginRefused::NotDelivering)?;
        let at = post
            .deliveries
            .iter()
            .position(|delivery| delivery.bid == bid)
            .unwrap_or_else(|| {
                post.deliveries.push(Delivery {
                    bid,
                    account: offered.account.clone(),
                    buyer: offered.buyer.clone(),
                    state: DeliveryState::InFlight,
                    settled_by_hand: false,
                    asked_for: false,
                    unreachable: 0,
                    price: None,
                    code: None,
                    marks: Vec::new(),
                    on_unconfirmed,
                    room_at_ms,
                    at_ms: now_ms,
                });
                post.deliveries.len() - 1
            });
        if let Some(delivery) = post.deliveries.get_mut(at) {
            delivery.asked_for = false;
            change(delivery);
            delivery.at_ms = now_ms;
            let keeps_room = delivery.state.holds_a_place()
                || matches!(delivery.state, DeliveryState::Retrying(_));
            if !keeps_room {
                delivery.room_at_ms = None;
            }
        }
        Ok(())
    }
}

/// A buyer that names less than its bid has bought at that price; more, or nothing, is the bid.
fn sell(delivery: &mut Delivery, offered: Money, price: Option<Money>) {
    let price = price.map_or(offered, |price| price.min(offered));
    if price < offered {
        delivery.marks.push(Mark::PriceCut);
    }
    delivery.price = Some(price);
    delivery.state = DeliveryState::Sold;
}

/// What a post brings to an order.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Unix time in milliseconds of its first byte.
    pub received_at_ms: u64,
    /// Until when the supplier waits for the delivery; `None` where the campaign accepts at once.
    pub waits_until_ms: Option<u64>,
    /// Keyed hash of the whole normalised lead.
    pub lead_hash: Digest,
    /// The full lead's fields that are not personal.
    pub lead: Vec<(String, Value)>,
    /// By what the lead is known again.
    pub fingerprints: Vec<Fingerprint>,
    /// To be said beside the answer.
    pub warnings: Vec<FieldError>,
}
