//! Opening an order: with its ping's record, its holds and the answer to be given again, in one
//! transaction, all or none (`rules.md`, ping 11).
//!
//! A quote is opened against the clock. One that is not durable by the ping's deadline must
//! never be open, for the supplier was told `no_bid`; and one whose supplier was told `bid`
//! must be there. So the committer and the task that waits agree, over one oneshot channel,
//! on whether it was told: what the committer wrote and could not tell, it takes back.
//!
//! A direct post is another matter: once written, its lead is being delivered, and taking that
//! back would itself have to be durable before anybody could be told. So it is written in time
//! or not at all, and whoever asked waits to hear which.

use std::time::Instant;

use gavel_market::{
    ids::{Digest, OrderId, PingId},
    order::{Claim, Order},
    record::PingRecord,
    room::Taking,
};
use tokio::{sync::oneshot, time::timeout_at};
use zeroize::Zeroizing;

use crate::{
    Again, Store,
    change::{Change, Job, Txn},
    codec,
    error::{ChangeError, OpenOrderError, StoreError},
    keys,
    orders::{self, Checks},
    pings::PING,
    usage::Rooms,
};

/// Records a ping, with its order and its remembered answer, where there are.
struct Open {
    ping: RecordedPing,
    order: Option<Quoted>,
    /// The ping's deadline.
    until: Instant,
    outcome: Result<(), OpenOrderError>,
    reply: oneshot::Sender<Result<(), OpenOrderError>>,
}

/// A ping as it is to be written.
struct RecordedPing {
    id: PingId,
    record: Vec<u8>,
    received_at_ms: u64,
    /// Whether it is in reports.
    counts: bool,
    again: Option<(Again, Vec<u8>)>,
}

/// An order to be opened, encoded already: the committer is everybody's.
struct Quoted {
    id: OrderId,
    record: Vec<u8>,
    /// Its place in order of expiry, and what stands there.
    place: keys::Key,
    open: Vec<u8>,
    takings: Vec<Taking>,
    rooms: Rooms,
}

impl RecordedPing {
    fn new(ping: &PingRecord, again: Option<Again>) -> Result<Self, StoreError> {
        Ok(Self {
            id: ping.id,
            record: codec::encode(PING, ping)?,
            received_at_ms: ping.input.received_at_ms,
            counts: !ping.input.test,
            again: again
                .map(|again| again.record().map(|record| (again, record)))
                .transpose()?,
        })
    }

    /// Whether it may still be decided: it is in time, and no answer stands there already.
    fn check(
        &self,
        txn: &Txn<'_>,
        order: Option<OrderId>,
        until: Instant,
    ) -> Result<(), OpenOrderError> {
        if Instant::now() > until {
            return Err(OpenOrderError::Late);
        }
        if let Some(id) = order
            && txn.get(&keys::quoted(id))?.is_some()
        {
            return Err(OpenOrderError::Taken);
        }
        txn.check_again(
            self.again.as_ref().map(|(again, _)| again),
            self.received_at_ms,
        )
    }

    fn write(&mut self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        txn.put_ping(self.id, std::mem::take(&mut self.record), self.counts)?;
        if let Some((again, record)) = &mut self.again {
            txn.put_again(again, std::mem::take(record));
        }
        Ok(())
    }

    fn take_back(&self) -> Box<dyn Job> {
        let (ping, again) = (self.id, self.again.as_ref().map(|(again, _)| again.key));
        Box::new(Change::new(
            move |txn: &mut Txn<'_>| take_back(txn, ping, again),
            None,
        ))
    }
}

impl Open {
    fn write(&mut self, txn: &mut Txn<'_>) -> Result<(), OpenOrderError> {
        let id = self.order.as_ref().map(|order| order.id);
        self.ping.check(txn, id, self.until)?;
        if let Some(order) = &mut self.order {
            order.hold(txn)?;
            txn.put(keys::quoted(order.id), std::mem::take(&mut order.record));
            txn.put(
                std::mem::take(&mut order.place),
                std::mem::take(&mut order.open),
            );
        }
        self.ping.write(txn)?;
        Ok(())
    }
}

impl Quoted {
    /// Takes the room that the order holds.
    fn hold(&mut self, txn: &mut Txn<'_>) -> Result<(), OpenOrderError> {
        let room_at_ms = hold_all(txn, &self.takings, &self.rooms)?;
        let Some(first) = self.takings.first() else {
            return Ok(());
        };
        // Only where a clock was set back is it another moment than the one that the order
        // was encoded with.
        if first.at_ms != room_at_ms {
            let mut order = orders::read_quoted(&self.record)?;
            order.room_at_ms = room_at_ms;
            self.record = orders::quoted_record(&mut order)?;
            self.takings = order.takings();
            self.open = orders::open_record(&self.takings)?;
        }
        txn.count_new(&self.takings);
        Ok(())
    }
}

/// The moment at which there is room for all of these; or who has none.
fn hold_all(txn: &mut Txn<'_>, takings: &[Taking], rooms: &Rooms) -> Result<u64, OpenOrderError> {
    let now_ms = takings.first().map_or(0, |taking| taking.at_ms);
    let at_ms = txn.moment(takings.iter().map(|taking| &taking.owner), now_ms);
    let mut full = Vec::new();
    for Taking { owner, amount, .. } in takings {
        if !txn.has_room(owner, rooms.get(owner), *amount, at_ms) {
            full.push(owner.clone());
        }
    }
    if full.is_empty() {
        Ok(at_ms)
    } else {
        Err(OpenOrderError::NoRoom(full))
    }
}

impl Job for Open {
    fn is_urgent(&self) -> bool {
        true
    }

    fn run(&mut self, txn: &mut Txn<'_>) -> bool {
        self.outcome = self.write(txn);
        self.outcome.is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) -> Option<Box<dyn Job>> {
        let written = committed.is_ok() && self.outcome.is_ok();
        let late = written && Instant::now() > self.until;
        let back = written.then(|| self.ping.take_back());
        let outcome = match committed {
            Err(error) => Err(error.into()),
            Ok(()) if late => Err(OpenOrderError::Late),
            Ok(()) => self.outcome,
        };
        let told = self.reply.send(outcome).is_ok();
        back.filter(|_| late || !told)
    }
}

/// Makes a ping's record, and its answer to be given again, say what its supplier was told:
/// `no_bid`, for want of time. Its order is expired.
fn take_back(txn: &mut Txn<'_>, ping: PingId, again: Option<Digest>) -> Result<(), StoreError> {
    if let Some(record) = txn.get(&keys::ping(ping))? {
        let record = codec::decode::<PingRecord>(PING, &record)?.out_of_time();
        txn.put_ping(ping, codec::encode(PING, &record)?, !record.input.test)?;
    }
    if let Some(key) = again {
        txn.take_again_back(&key, ping)?;
    }
    let expired = txn.transition(ping.order(), |order, _| {
        let at_ms = order.expires_at_ms;
        order
            .expire(at_ms, true)
            .map(|()| Vec::new())
            .map_err(ChangeError::Refused)
    });
    match expired {
        Err(ChangeError::Store(error)) => Err(error),
        Ok(_) | Err(ChangeError::NotFound | ChangeError::Refused(_)) => Ok(()),
    }
}

impl Store {
    /// Ping 11: the order, its holds, the ping's record and the answer to be given again, in
    /// one transaction. `Ok` says that they are durable.
    ///
    /// `order.room_at_ms` is the time at which room is taken; where an owner has counted later
    /// already, because a clock was set back, it becomes that. [`OpenOrderError::NoRoom`] names
    /// every owner that has no room in `rooms`; nothing was written then.
    ///
    /// Returns by `until`, which is the ping's deadline. [`OpenOrderError::Late`] then means
    /// that the order is not open and never will be: if it was written after all, it is
    /// expired again, and record and remembered answer say `no_bid`, `no_time`.
    pub async fn open_order(
        &self,
        mut order: Order,
        rooms: Rooms,
        ping: PingRecord,
        again: Option<Again>,
        until: Instant,
    ) -> Result<(), OpenOrderError> {
        let takings = order.takings();
        let quoted = Quoted {
            id: order.id,
            record: orders::quoted_record(&mut order)?,
            place: keys::open_by_expiry(order.expires_at_ms, order.id),
            open: orders::open_record(&takings)?,
            takings,
            rooms,
        };
        drop(order);
        self.open_until(&ping, Some(quoted), again, until).await
    }

    /// Records a ping that is answered `no_bid`, durably, with the answer to be given again.
    /// [`OpenOrderError::Late`] as in [`Store::open_order`].
    pub async fn record_ping_again(
        &self,
        ping: PingRecord,
        again: Again,
        until: Instant,
    ) -> Result<(), OpenOrderError> {
        self.open_until(&ping, None, Some(again), until).await
    }

    async fn open_until(
        &self,
        ping: &PingRecord,
        order: Option<Quoted>,
        again: Option<Again>,
        until: Instant,
    ) -> Result<(), OpenOrderError> {
        let (reply, mut answer) = oneshot::channel();
        let job = Open {
            ping: RecordedPing::new(ping, again)?,
            order,
            until,
            outcome: Err(OpenOrderError::Late),
            reply,
        };
        match timeout_at(until.into(), self.shared().queue.push(Box::new(job))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(self.shared().closed().into()),
            Err(_) => return Err(OpenOrderError::Late),
        }
        match timeout_at(until.into(), &mut answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(self.shared().closed().into()),
            Err(_) => {
                // From here on the committer cannot tell any more. Either it has, or it takes
                // back what it wrote.
                answer.close();
                answer.try_recv().unwrap_or(Err(OpenOrderError::Late))
            }
        }
    }

    /// A direct post: the order is recorded as `posting` with its sealed lead, its holds, what
    /// its lead is known again by, the ping's record and where the answer to be given again
    /// will stand ([`Remembered::Posted`](crate::Remembered)), in one transaction.
    ///
    /// The order is given open, as the ping's part quoted it, and comes back `posting`; or
    /// `rejected`, settled, where `checks` say so. [`OpenOrderError::Exists`] where the same
    /// lead was posted meanwhile, and [`OpenOrderError::NoRoom`] as in [`Store::open_order`];
    /// nothing was written then.
    ///
    /// [`OpenOrderError::Late`] says that it was not taken up by `until`, or that its own
    /// window has passed, and was not written and never will be. What was taken up is answered
    /// once it is durable, which may be a little later.
    #[allow(clippy::too_many_arguments)] // one transaction, in the order in which it is decided
    pub async fn open_posting(
        &self,
        mut order: Order,
        claim: Claim,
        personal: Zeroizing<Vec<u8>>,
        checks: Checks,
        rooms: Rooms,
        ping: PingRecord,
        again: Option<Again>,
        until: Instant,
    ) -> Result<Order, OpenOrderError> {
        let sealed = self.vault().seal_lead(order.id.lead(), &personal)?;
        drop(personal);
        let mut ping = RecordedPing::new(&ping, again)?;
        let mut quoted = orders::quoted_record(&mut order)?;
        let written = self.change(move |txn| {
            ping.check(txn, Some(order.id), until)?;
            let room_at_ms = hold_all(txn, &order.takings(), &rooms)?;
            if order.room_at_ms != room_at_ms && !order.takings().is_empty() {
                order.room_at_ms = room_at_ms;
                quoted = orders::quoted_record(&mut order)?;
            }
            order.claim(claim).map_err(|_| OpenOrderError::Late)?;
            txn.check(&mut order, &checks)?;
            txn.put_sealed(order.id.lead(), sealed)?;
            txn.put_posting(&order, quoted)?;
            ping.write(txn)?;
            Ok(order)
        });
        written.await
    }
}
