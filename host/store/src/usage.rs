//! Room in caps and budgets: what has been counted of each owner.
//!
//! What an order takes follows from the order ([`Order::takings`]), and is counted in the same
//! transaction as the order changes, by the difference of what it took before and what it
//! takes now; of an open order, what it takes stands beside it ([`crate::orders`]), to be given
//! back without reading it. Nothing else ever changes a count, so that none can leak: not by a crash, and not
//! by a case that somebody forgot.
//!
//! Every ping asks for the usage of every capped account that matches it, and every order
//! changes a few. So they all stand in memory: those that are durable for whoever reads, those
//! of the group under way with the committer, which writes a record for each once for a whole
//! group.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use gavel_market::{
    money::Money,
    order::{DeliveryState, Order},
    room::{Owner, Room, Taking, Usage},
};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    change::Txn,
    codec,
    error::StoreError,
    keys,
    view::{View, with_prefix},
};

const USAGE: &str = "usage";

/// The zones that markets are read with too: what was counted may not depend on the machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Rooms of the owners that a change may take room of; from today's market. An owner that is
/// not in it has no limit, and is counted all the same: by the clocks of its last room, and by
/// UTC where it never had one. So whoever is counted by a zone of its own belongs in here,
/// limited or not.
pub type Rooms = BTreeMap<Owner, Room>;

/// What is kept of an owner.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) usage: Arc<Usage>,
    /// By whose clocks it was counted last.
    zone: Option<TimeZone>,
}

/// The same as a record.
#[derive(Deserialize)]
struct Record {
    /// Its IANA name.
    zone: Option<String>,
    usage: Usage,
}

#[derive(Serialize)]
struct RecordOf<'k> {
    zone: Option<&'k str>,
    usage: &'k Usage,
}

impl Kept {
    pub(crate) fn record(&self) -> Result<Vec<u8>, StoreError> {
        let zone = self.zone.as_ref().and_then(TimeZone::iana_name);
        let usage = &self.usage;
        codec::encode(USAGE, &RecordOf { zone, usage })
    }

    fn read(record: &[u8]) -> Result<Self, StoreError> {
        let Record { zone, usage } = codec::decode(USAGE, record)?;
        Ok(Self {
            usage: Arc::new(usage),
            // A zone that this Gavel's tables lack is UTC until its market names it again.
            zone: zone.and_then(|name| ZONES.get(&name).ok()),
        })
    }

    fn zone(&self) -> TimeZone {
        self.zone.clone().unwrap_or(TimeZone::UTC)
    }

    /// The usage, to be changed; whoever reads goes on seeing the old one.
    pub(crate) fn usage_mut(&mut self) -> &mut Usage {
        Arc::make_mut(&mut self.usage)
    }
}

/// What is durable, of every owner of whom anything was ever counted.
#[derive(Default)]
pub(crate) struct Usages {
    durable: RwLock<HashMap<Owner, Kept>>,
    none: Kept,
}

impl Usages {
    pub(crate) fn load(view: &View) -> Result<Self, StoreError> {
        let mut durable = HashMap::new();
        for key in view.keys(with_prefix(&[keys::USAGE])) {
            let key = key?;
            let owner = keys::owner_of(&key)
                .ok_or_else(|| StoreError::unreadable(USAGE, "its key names nobody"))?;
            if let Some(record) = view.get(&key)? {
                durable.insert(owner, Kept::read(&record)?);
            }
        }
        Ok(Self {
            durable: RwLock::new(durable),
            none: Kept::default(),
        })
    }

    pub(crate) fn kept(&self, owner: &Owner) -> Kept {
        let durable = self.durable.read().unwrap_or_else(PoisonError::into_inner);
        durable.get(owner).unwrap_or(&self.none).clone()
    }

    /// Shows what has become durable.
    pub(crate) fn publish(&self, changed: BTreeMap<Owner, Kept>) {
        if changed.is_empty() {
            return;
        }
        self.durable
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(changed);
    }
}

impl Txn<'_> {
    /// The moment at which these owners' room is taken: now, or the latest that any of them
    /// has counted at before a clock was set back.
    pub(crate) fn moment<'o>(
        &self,
        owners: impl IntoIterator<Item = &'o Owner>,
        now_ms: u64,
    ) -> u64 {
        owners.into_iter().fold(now_ms, |at_ms, owner| {
            self.counted(owner).usage.moment(at_ms)
        })
    }

    /// Whether an owner has room for one more at this moment; where it is limited, it is
    /// counted by its room's clocks from now on.
    pub(crate) fn has_room(
        &mut self,
        owner: &Owner,
        room: Option<&Room>,
        amount: Money,
        at_ms: u64,
    ) -> bool {
        let Some(room) = room else { return true };
        let kept = self.counted(owner);
        if kept.usage.has_room(room, Some(amount), at_ms).is_err() {
            return false;
        }
        if kept.zone.as_ref() != Some(&room.zone) {
            self.counted_mut(owner).zone = Some(room.zone.clone());
        }
        true
    }

    /// Counts what a new order takes.
    pub(crate) fn count_new(&mut self, takings: &[Taking]) {
        for taking in takings {
            let kept = self.counted_mut(&taking.owner);
            let zone = kept.zone();
            kept.usage_mut().take(taking, &zone);
        }
    }

    /// Counts what an order takes now, which took this before.
    pub(crate) fn count(&mut self, before: &[Taking], order: &Order) {
        let after = order.takings();
        let in_list =
            |list: &[Taking], owner: &Owner| list.iter().position(|taking| taking.owner == *owner);
        for old in before {
            let new = in_list(&after, &old.owner).and_then(|at| after.get(at));
            let stays = new.filter(|new| new.at_ms == old.at_ms);
            if stays == Some(old) {
                continue;
            }
            self.counted_mut(&old.owner).usage_mut().change(old, stays);
        }
        for new in &after {
            let old = in_list(before, &new.owner).and_then(|at| before.get(at));
            if old.is_none_or(|old| old.at_ms != new.at_ms) {
                self.count_new(std::slice::from_ref(new));
            }
            if new.sold && old.is_none_or(|old| !old.sold) {
                self.count_sale(order, &new.owner);
            }
        }
    }

    /// Counts no more what an order took that takes nothing now.
    pub(crate) fn count_gone(&mut self, before: &[Taking]) {
        for old in before {
            self.counted_mut(&old.owner).usage_mut().change(old, None);
        }
    }

    /// Counts a delivery that was just sold in its calendar month.
    fn count_sale(&mut self, order: &Order, owner: &Owner) {
        let Owner::Account(account) = owner else {
            return;
        };
        let sold = order
            .deliveries()
            .iter()
            .find(|delivery| delivery.account == *account && delivery.state == DeliveryState::Sold);
        if let Some(delivery) = sold {
            let kept = self.counted_mut(owner);
            let zone = kept.zone();
            kept.usage_mut().count_sale(delivery.at_ms, &zone);
        }
    }
}

impl Store {
    /// What has been counted of an owner: of what is durable, from memory, and so cheap. An
    /// empty one where nothing was ever taken.
    pub fn usage(&self, owner: &Owner) -> Arc<Usage> {
        self.shared().usages.kept(owner).usage
    }
}
