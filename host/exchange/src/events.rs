//! What happens, as it happens: for operators who watch.
//!
//! Whoever does something tells it here ([`Events::tell`]); whoever listens
//! ([`Events::listen`]) hears it from then on. Nothing is kept: what matters is in the
//! records. With nobody listening, telling costs one atomic read.
//!
//! An event holds ids, the market's own names, amounts and the host's own codes. No word of a
//! plugin, a buyer or a supplier is in any (`rules.md`, post 7 Words), so nothing personal can be.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use gavel_market::{
    ids::{
        AccountId, BuyerId, CampaignId, DeliveryId, Digest, LeadId, PingId, PluginName, ReturnId,
        SupplierId,
    },
    money::Money,
    order::{Delivery, DeliveryState, Order, PostAnswer},
    reason::Mark,
    record::PingAnswer,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use crate::{
    clock,
    limits::{EVENTS_KEPT, LISTENERS_MAX},
};

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A ping was answered.
    Ping,
    /// A post, or a direct post, was answered.
    Post,
    /// A delivery has an outcome, or another than before.
    Delivery,
    /// A plugin failed, or an account is left alone after too many failures.
    Fault,
    /// The market or a plugin is not what it was.
    Change,
    /// A delivery was given back, or that was decided.
    Return,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ping,
        Self::Post,
        Self::Delivery,
        Self::Fault,
        Self::Change,
        Self::Return,
    ];

    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Post => "post",
            Self::Delivery => "delivery",
            Self::Fault => "fault",
            Self::Change => "change",
            Self::Return => "return",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unix time in milliseconds of the host's start: numbers begin anew with each.
    pub run_ms: u64,
    /// Counted from 1 since then, over all kinds.
    pub number: u64,
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// What it was.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A ping was answered.
    Ping {
        /// Which; a ping that was sent again has the first one's id.
        ping: PingId,
        /// Under which terms.
        campaign: CampaignId,
        /// Who sent it.
        supplier: SupplierId,
        /// What the supplier was told.
        answer: PingAnswer,
        /// From its first byte to its answer, in milliseconds.
        ms: u64,
        /// Whether it is a test.
        test: bool,
        /// Whether it was answered before, and told again.
        again: bool,
    },
    /// A post was answered.
    Post {
        /// Which lead; one that was sent again has the first one's id.
        lead: LeadId,
        /// Under which terms.
        campaign: CampaignId,
        /// Who sent it.
        supplier: SupplierId,
        /// What the supplier was told.
        answer: PostAnswer,
        /// From its first byte to its answer, in milliseconds.
        ms: u64,
        /// Whether it is a test.
        test: bool,
        /// Whether it was answered before, and told again.
        again: bool,
    },
    /// A delivery has an outcome.
    Delivery(Box<Delivered>),
    /// A plugin failed.
    Fault {
        /// Asked for which account.
        account: AccountId,
        /// Which plugin.
        plugin: PluginName,
        /// Which of its versions.
        digest: Digest,
        /// The host's own word for how.
        code: &'static str,
    },
    /// An account is left alone for a while.
    CircuitOpen {
        /// Which.
        account: AccountId,
        /// What failed: `filter`, `ping` or `post`.
        asked: &'static str,
        /// Unix time in milliseconds until when.
        until_ms: u64,
    },
    /// The market, or a plugin.
    Change {
        /// The revision in force from now on.
        revision: u64,
        /// One line for each difference.
        changes: Vec<String>,
    },
    /// A delivery was given back.
    Return {
        /// Which return.
        id: ReturnId,
        /// Of which delivery.
        delivery: DeliveryId,
        /// Who gives it back.
        account: AccountId,
        /// What it was sold at.
        amount: Money,
        /// Where the return stands: `pending`, `accepted`, `declined`.
        state: &'static str,
    },
}

/// A delivery's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// Which delivery.
    pub id: DeliveryId,
    /// Of which lead.
    pub lead: LeadId,
    /// Under which terms.
    pub campaign: CampaignId,
    /// To whom.
    pub account: AccountId,
    /// Whose account that is.
    pub buyer: BuyerId,
    /// The outcome's word.
    pub outcome: &'static str,
    /// What it was sold at.
    pub price: Option<Money>,
    /// Said beside the outcome.
    pub marks: Vec<Mark>,
    /// Whether the lead is a test.
    pub test: bool,
}

impl What {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Ping { .. } => Kind::Ping,
            Self::Post { .. } => Kind::Post,
            Self::Delivery(_) => Kind::Delivery,
            Self::Fault { .. } | Self::CircuitOpen { .. } => Kind::Fault,
            Self::Change { .. } => Kind::Change,
            Self::Return { .. } => Kind::Return,
        }
    }

    fn delivery(order: &Order, delivery: &Delivery) -> Self {
        Self::Delivery(Box::new(Delivered {
            id: order.delivery_id(delivery.bid),
            lead: order.id.lead(),
            campaign: order.campaign.clone(),
            account: delivery.account.clone(),
            buyer: delivery.buyer.clone(),
            outcome: delivery.state.word(),
            price: delivery.price,
            marks: delivery.marks.clone(),
            test: order.test,
        }))
    }
}

/// Where events are told and heard; cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<Bus>);

struct Bus {
    /// One for each listener that there may be.
    slots: Arc<Semaphore>,
    run_ms: u64,
    telling: Mutex<Telling>,
}

struct Telling {
    /// Of the last event.
    number: u64,
    /// None once the host stops.
    sender: Option<broadcast::Sender<Arc<Event>>>,
}

/// Why nobody more may listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    /// There are as many listeners as may be.
    #[error("too many listeners")]
    TooMany,
    /// The host is stopping.
    #[error("the host is shutting down")]
    Closed,
}

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(Bus {
            slots: Arc::new(Semaphore::new(LISTENERS_MAX)),
            run_ms: clock::unix_ms(),
            telling: Mutex::new(Telling {
                number: 0,
                sender: Some(broadcast::Sender::new(EVENTS_KEPT)),
            }),
        }))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Whether anybody listens: what only serves to tell need not be done otherwise.
    pub fn are_heard(&self) -> bool {
        self.0.slots.available_permits() < LISTENERS_MAX
    }

    /// Tells everybody who listens; `what` is made only for them.
    pub fn tell(&self, what: impl FnOnce() -> What) {
        if !self.are_heard() {
            return;
        }
        let what = what();
        let mut telling = self.telling();
        // Numbered and sent under one lock, so that numbers only go up.
        telling.number += 1;
        let event = Event {
            run_ms: self.0.run_ms,
            number: telling.number,
            at_ms: clock::unix_ms(),
            what,
        };
        if let Some(sender) = &telling.sender {
            // A listener that has just left misses nothing.
            let _gone = sender.send(Arc::new(event));
        }
    }

    /// Tells the outcome of the delivery on one of an order's bids.
    pub fn tell_delivery(&self, order: &Order, bid: u16) {
        self.tell_deliveries(order, |delivery| delivery.bid == bid);
    }

    /// Tells the deliveries of an order whose outcome is another than in an earlier look at it.
    pub fn tell_changes(&self, before: &Order, after: &Order) {
        self.tell_deliveries(after, |delivery| {
            let earlier = before.delivery(delivery.bid).map(|earlier| earlier.state);
            earlier != Some(delivery.state)
        });
    }

    fn tell_deliveries(&self, order: &Order, which: impl Fn(&Delivery) -> bool) {
        if !self.are_heard() {
            return;
        }
        let settled = |delivery: &&Delivery| delivery.state != DeliveryState::InFlight;
        for delivery in order.deliveries().iter().filter(settled) {
            if which(delivery) {
                self.tell(|| What::delivery(order, delivery));
            }
        }
    }

    /// Listens from now on, until dropped.
    pub fn listen(&self) -> Result<Listening, NotHeard> {
        let slot = Arc::clone(&self.0.slots)
            .try_acquire_owned()
            .map_err(|_none_free| NotHeard::TooMany)?;
        let telling = self.telling();
        let sender = telling.sender.as_ref().ok_or(NotHeard::Closed)?;
        Ok(Listening {
            receiver: sender.subscribe(),
            _slot: slot,
        })
    }

    /// Ends it for everybody, once they have heard what was told.
    pub fn close(&self) {
        self.telling().sender = None;
    }

    fn telling(&self) -> std::sync::MutexGuard<'_, Telling> {
        // A number and a sender: a panic elsewhere cannot have left them half written.
        self.0
            .telling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Listening {
    receiver: broadcast::Receiver<Arc<Event>>,
    _slot: OwnedSemaphorePermit,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Something happened.
    Event(Arc<Event>),
    /// It was too slow, and so many events went by, of whatever kind.
    Missed(u64),
}

impl Listening {
    /// What comes next; none once the host stops.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.receiver.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(revision: u64) -> What {
        What::Change {
            revision,
            changes: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_nobody_hears_is_not_even_made() {
        let events = Events::default();
        events.tell(|| panic!("nobody listens"));
        let mut listening = events.listen().unwrap();
        events.tell(|| change(1));
        let Some(Heard::Event(event)) = listening.next().await else {
            panic!("it was told")
        };
        assert_eq!((event.number, &event.what), (1, &change(1)));
    }

    #[tokio::test]
    async fn a_slow_listener_is_told_how_many_it_missed_and_hears_the_rest() {
        let events = Events::default();
        let mut listening = events.listen().unwrap();
        let told = EVENTS_KEPT as u64 + 7;
        for revision in 1..=told {
            events.tell(|| change(revision));
        }
        assert_eq!(listening.next().await, Some(Heard::Missed(7)));
        for number in 8..=told {
            let Some(Heard::Event(event)) = listening.next().await else {
                panic!("kept")
            };
            assert_eq!(event.number, number);
        }
    }

    #[tokio::test]
    async fn listeners_are_bounded_and_one_that_leaves_makes_room() {
        let events = Events::default();
        let mut listening: Vec<_> = (0..LISTENERS_MAX)
            .map(|_| events.listen().unwrap())
            .collect();
        assert_eq!(events.listen().unwrap_err(), NotHeard::TooMany);
        listening.pop();
        assert!(events.listen().is_ok());
    }

    #[tokio::test]
    async fn a_listener_hears_all_that_was_told_before_the_end() {
        let events = Events::default();
        let mut listening = events.listen().unwrap();
        events.tell(|| change(1));
        events.close();
        assert!(matches!(listening.next().await, Some(Heard::Event(_))));
        assert_eq!(listening.next().await, None);
        assert_eq!(events.listen().unwrap_err(), NotHeard::Closed);
    }
}
