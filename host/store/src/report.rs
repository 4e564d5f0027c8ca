//! Sums for reports, by the hour ([`gavel_market::report`]).
//!
//! *Money* is added in the very transaction that books it ([`Txn::report_booked`]): whatever crashes,
//! reports and ledger say the same.
//!
//! *Pings* are answered by the thousand in a second, and adding each to sums would be work on its
//! way to the disk. So the transaction that records a ping only marks it as not yet counted.
//! Whoever counts reads marked pings in the background ([`Store::uncounted`]), works out what they
//! add, and hands that over with the marks ([`Store::count_pings`]): sums change and marks go in
//! one transaction, and nothing is done where a mark is gone. So each ping is counted once,
//! whatever crashes, and however many count.
//!
//! A ping's record may be written again: when its answer is taken back. Its mark then becomes
//! another, one that never was before ([`Txn::put_ping`]), so that nobody counts what no longer
//! holds: a mark is read before the record that it is of, and only once both are durable
//! ([`Store::uncounted`]); if the record is written again after that, the mark is gone when the
//! ping is to be counted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use gavel_market::{
    ids::{AccountId, BuyerId, CampaignId, DeliveryId, LeadId, PingId, SupplierId},
    ledger::Entry,
    order::Order,
    reason::Outcome,
    record::PingRecord,
    report::{
        self, AccountLine, Counted, Hours, Measures, OTHER, PingLine, Place, SUB_IDS_KEPT, Sums,
        money::booked,
    },
};
use serde::{Deserialize, Serialize, de::IntoDeserializer};

use crate::{
    Store,
    change::Txn,
    codec,
    error::StoreError,
    keys::{self, Fields, Key},
    pings::PING,
    view::with_prefix_between,
};

const SUMS: &str = "sums of an hour";
const ZONE: &str = "zone of reports";
const SUB_IDS: &str = "number of sub-ids";

/// Parts of an hour's sums, which add up: what is booked, one sale at a time on its way to the
/// disk, stands apart from what pings come to, a line for each account that did not buy.
const MONEY: &str = "money";
const COUNTS: &str = "counts";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Days for which it is known which `sub_id`s are kept apart: longer than a ping waits to be
/// counted.
const SUB_IDS_KEPT_DAYS: u32 = 3;

/// The last writing of a ping's record that a mark tells apart. There are three at most: the
/// ping's, one that takes it back, and one under the key that the supplier gave it.
const LAST_WRITING: u8 = 7;

/// The mark of a ping that is not counted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted(Key);

/// A ping that is not counted yet.
#[derive(Debug)]
pub struct UncountedPing {
    /// Which.
    pub id: PingId,
    /// To be given back once it is counted.
    pub mark: Uncounted,
    /// What it was; none where it cannot be read, and so cannot be counted either.
    pub record: Option<PingRecord>,
}

/// For what lead entries are booked.
pub(crate) struct Booking<'o> {
    /// Whose ledger.
    pub(crate) lead: LeadId,
    /// Under which terms.
    pub(crate) campaign: &'o CampaignId,
    /// From whom.
    pub(crate) supplier: &'o SupplierId,
    /// The supplier's own name of its source.
    pub(crate) sub_id: Option<&'o str>,
    /// Places of the bids that the quote counted on.
    pub(crate) quoted: &'o [u16],
}

impl<'o> Booking<'o> {
    /// For an order's lead.
    pub(crate) fn of(order: &'o Order) -> Self {
        Self {
            lead: order.id.lead(),
            campaign: &order.campaign,
            supplier: &order.supplier,
            sub_id: order.sub_id.as_deref(),
            quoted: &order.quote.selected,
        }
    }

    /// Whether the quote counted on a delivery.
    fn is_quoted(&self, delivery: DeliveryId) -> bool {
        self.quoted.contains(&delivery.bid)
    }
}

impl Txn<'_> {
    /// Adds what was booked to the sums.
    pub(crate) fn report_booked(
        &mut self,
        booking: &Booking<'_>,
        before: &[Entry],
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        let hours = self.report_hours()?;
        let mut counted = Counted::default();
        for booked in booked(before, entries, |id| booking.is_quoted(id)) {
            let place = Place {
                start_ms: hours.start_ms(booked.at_ms),
                campaign: booking.campaign.clone(),
                supplier: booking.supplier.clone(),
            };
            let line = PingLine {
                sub_id: booking.sub_id.map(Arc::from),
            };
            let pings = counted.pings.entry(place.clone()).or_default();
            report::add(pings, [(line, booked.whole)]);
            let accounts = counted.accounts.entry(place).or_default();
            report::add_accounts(accounts, booked.by_account);
        }
        self.add_sums(counted, MONEY)
    }

    /// Writes a ping's record, and marks it as not yet counted if it is to be in reports.
    pub(crate) fn put_ping(
        &mut self,
        id: PingId,
        record: Vec<u8>,
        counts: bool,
    ) -> Result<(), StoreError> {
        if counts {
            if self.get(&keys::ping(id))?.is_none() {
                self.mark(keys::uncounted(id, 0), true);
            } else {
                self.mark_next_writing(id)?;
            }
        }
        self.put(keys::ping(id), record);
        Ok(())
    }

    /// Marks what is about to be written in the place of a record that is not counted yet.
    fn mark_next_writing(&mut self, id: PingId) -> Result<(), StoreError> {
        for writing in 0..LAST_WRITING {
            let mark = keys::uncounted(id, writing);
            if self.get(&mark)?.is_some() {
                self.mark(mark, false);
                self.mark(keys::uncounted(id, writing + 1), true);
                return Ok(());
            }
        }
        Ok(())
    }

    fn report_hours(&self) -> Result<Hours, StoreError> {
        read_hours(self.get(keys::REPORT_ZONE)?)
    }

    fn add_sums(&mut self, counted: Counted, part: &str) -> Result<(), StoreError> {
        for (place, lines) in counted.pings {
            let key = keys::sums(
                keys::PING_SUMS,
                place.start_ms,
                &place.campaign,
                &place.supplier,
                part,
            );
            let mut sums: Sums<PingLine> = self.get(&key)?.map_or(Ok(Sums::new()), |record| {
                Ok::<_, StoreError>(unpack_pings(&record)?.into_iter().collect())
            })?;
            for (line, measures) in lines {
                let sub_id = match line.sub_id {
                    Some(sub_id) => Some(self.kept_apart(&place, sub_id)?),
                    None => None,
                };
                report::add(&mut sums, [(PingLine { sub_id }, measures)]);
            }
            self.put(key, pack_pings(&sums)?);
        }
        for (place, lines) in counted.accounts {
            let key = keys::sums(
                keys::ACCOUNT_SUMS,
                place.start_ms,
                &place.campaign,
                &place.supplier,
                part,
            );
            let mut sums: Sums<AccountLine> =
                self.get(&key)?.map_or(Ok(Sums::new()), |record| {
                    Ok::<_, StoreError>(unpack_accounts(&record)?.into_iter().collect())
                })?;
            report::add_accounts(&mut sums, lines);
            self.put(key, pack_accounts(&sums)?);
        }
        Ok(())
    }

    /// A `sub_id` as it is kept apart: itself, or one for all that came when there were too many.
    fn kept_apart(&mut self, place: &Place, sub_id: Arc<str>) -> Result<Arc<str>, StoreError> {
        let prefix = keys::sub_ids(day_of(place.start_ms), &place.campaign);
        let key = [prefix.as_slice(), sub_id.as_bytes()].concat();
        if self.get(&key)?.is_some() {
            return Ok(sub_id);
        }
        let count: u32 = match self.get(&prefix)? {
            Some(record) => codec::decode(SUB_IDS, &record)?,
            None => 0,
        };
        if count >= SUB_IDS_KEPT {
            return Ok(OTHER.into());
        }
        self.mark(key, true);
        self.put(prefix, codec::encode(SUB_IDS, &(count + 1))?);
        Ok(sub_id)
    }
}

/// The ping that a mark is of.
fn marked(mark: &[u8]) -> Result<PingId, StoreError> {
    let id = Fields::of(mark).ulid().map(PingId);
    id.ok_or_else(|| StoreError::unreadable(PING, "a mark is too short"))
}

/// A day of UTC, counted from 1970.
fn day_of(at_ms: u64) -> u32 {
    u32::try_from(at_ms / DAY_MS).unwrap_or(u32::MAX)
}

/// The first key of the index of `sub_id`s that is still needed.
pub(crate) fn first_sub_id_kept(now_ms: u64) -> Key {
    keys::sub_ids_of_day(day_of(now_ms).saturating_sub(SUB_IDS_KEPT_DAYS))
}

fn read_hours(record: Option<sled::IVec>) -> Result<Hours, StoreError> {
    let Some(record) = record else {
        return Ok(Hours::named("UTC"));
    };
    let name: String = codec::decode(ZONE, &record)?;
    Ok(Hours::named(&name))
}

impl Store {
    /// Keeps sums in the hours of this clock from now on. What was counted stays where it is.
    pub async fn report_in(&self, hours: &Hours) -> Result<(), StoreError> {
        if read_hours(self.view().get(keys::REPORT_ZONE)?)? == *hours {
            return Ok(());
        }
        let record = codec::encode(ZONE, &hours.name())?;
        self.change(move |txn| {
            txn.put(keys::REPORT_ZONE.to_vec(), record);
            Ok(())
        })
        .await
    }

    /// Pings from the one to the other that are not counted yet. What is missing here is counted
    /// for good: a ping is marked when its record is first written, and never again once that
    /// mark is gone.
    pub(crate) fn uncounted_between(
        &self,
        first: PingId,
        last: PingId,
    ) -> Result<BTreeSet<PingId>, StoreError> {
        let from = keys::uncounted(first, u8::MIN);
        let behind = keys::end_of(&keys::uncounted(last, u8::MAX));
        self.view()
            .keys(with_prefix_between(&[keys::UNCOUNTED], from, behind))
            .map(|mark| marked(&mark?))
            .collect()
    }

    /// Pings that are not counted yet, oldest first, at most `limit`, received before
    /// `before_ms`.
    pub fn uncounted(
        &self,
        before_ms: u64,
        limit: usize,
    ) -> Result<Vec<UncountedPing>, StoreError> {
        let range = with_prefix_between(&[keys::UNCOUNTED], vec![keys::UNCOUNTED], None);
        let mut pings = Vec::new();
        for key in self.view().keys(range) {
            let key = key?;
            let id = marked(&key)?;
            if pings.len() == limit || id.0.timestamp_ms() >= before_ms {
                break;
            }
            if self.view().get(&key)?.is_none() {
                // It is not durable yet.
                continue;
            }
            let record = match self.ping(id) {
                Ok(Some(record)) => Some(record),
                // Its group is not durable yet, or it waits for the newer Gavel that wrote it.
                Ok(None) | Err(StoreError::Newer { .. }) => continue,
                Err(error @ StoreError::Unreadable { .. }) => {
                    tracing::error!(ping = %id, %error, "a ping is in no report: its record cannot be read");
                    None
                }
                Err(error) => return Err(error),
            };
            pings.push(UncountedPing {
                id,
                mark: Uncounted(key.to_vec()),
                record,
            });
        }
        Ok(pings)
    }

    /// Counts pings: adds what they come to, and takes their marks away. `false` says that
    /// nothing was done, since one of them was counted or written again meanwhile.
    pub async fn count_pings(
        &self,
        marks: Vec<Uncounted>,
        counted: Counted,
    ) -> Result<bool, StoreError> {
        self.change(move |txn| {
            for Uncounted(mark) in &marks {
                if txn.get(mark)?.is_none() {
                    return Ok(false);
                }
            }
            for Uncounted(mark) in marks {
                txn.mark(mark, false);
            }
            txn.add_sums(counted, COUNTS)?;
            Ok(true)
        })
        .await
    }

    /// Shows the sums at the ping grain of every hour that begins from `from_ms` to before
    /// `to_ms`, in order of time, of the places that are wanted. `Err` from `show` ends it.
    pub fn ping_sums<E: From<StoreError>>(
        &self,
        from_ms: u64,
        to_ms: u64,
        wanted: impl Fn(&Place) -> bool,
        mut show: impl FnMut(&Place, Vec<(PingLine, Measures)>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sums(keys::PING_SUMS, from_ms, to_ms, wanted, |place, record| {
            show(place, unpack_pings(record)?)
        })
    }

    /// The same at the account grain.
    pub fn account_sums<E: From<StoreError>>(
        &self,
        from_ms: u64,
        to_ms: u64,
        wanted: impl Fn(&Place) -> bool,
        mut show: impl FnMut(&Place, Vec<(AccountLine, Measures)>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sums(
            keys::ACCOUNT_SUMS,
            from_ms,
            to_ms,
            wanted,
            |place, record| show(place, unpack_accounts(record)?),
        )
    }

    fn sums<E: From<StoreError>>(
        &self,
        tag: u8,
        from_ms: u64,
        to_ms: u64,
        wanted: impl Fn(&Place) -> bool,
        mut show: impl FnMut(&Place, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let range = with_prefix_between(
            &[tag],
            keys::hour(tag, from_ms),
            Some(keys::hour(tag, to_ms)),
        );
        for key in self.view().keys(range) {
            let key = key.map_err(E::from)?;
            let place = place_of(&key)
                .ok_or_else(|| StoreError::unreadable(SUMS, "no such key is made"))?;
            if !wanted(&place) {
                continue;
            }
            if let Some(record) = self.view().get(&key)? {
                show(&place, &record)?;
            }
        }
        Ok(())
    }
}

fn place_of(key: &[u8]) -> Option<Place> {
    let mut fields = Fields::of(key);
    let start_ms = fields.u64()?;
    let texts = fields.texts()?;
    let [campaign, supplier, _part] = texts.as_slice() else {
        return None;
    };
    Some(Place {
        start_ms,
        campaign: campaign.parse().ok()?,
        supplier: supplier.parse().ok()?,
    })
}

/// Sums as they are written: texts once each, and lines that name them by their places.
#[derive(Serialize, Deserialize)]
struct Packed<L> {
    texts: Vec<Arc<str>>,
    lines: Vec<(L, Measures)>,
}

/// Account, buyer, outcome's word, field, code.
type PackedAccount = [Option<u32>; 5];

/// Texts, each with its place.
#[derive(Default)]
struct Texts {
    places: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    fn place(&mut self, text: &str) -> Option<u32> {
        if let Some(place) = self.places.get(text) {
            return Some(*place);
        }
        let place = u32::try_from(self.texts.len()).ok()?;
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.places.insert(text, place);
        Some(place)
    }
}

fn pack_pings(sums: &Sums<PingLine>) -> Result<Vec<u8>, StoreError> {
    let lines: Vec<(Option<&str>, &Measures)> = sums
        .iter()
        .map(|(line, measures)| (line.sub_id.as_deref(), measures))
        .collect();
    codec::encode(SUMS, &lines)
}

fn unpack_pings(record: &[u8]) -> Result<Vec<(PingLine, Measures)>, StoreError> {
    let lines: Vec<(Option<Arc<str>>, Measures)> = codec::decode(SUMS, record)?;
    Ok(lines
        .into_iter()
        .map(|(sub_id, measures)| (PingLine { sub_id }, measures))
        .collect())
}

fn pack_accounts(sums: &Sums<AccountLine>) -> Result<Vec<u8>, StoreError> {
    let mut texts = Texts::default();
    let mut lines: Vec<(PackedAccount, Measures)> = Vec::with_capacity(sums.len());
    for (line, measures) in sums {
        let parts = [
            line.account.as_ref().map(AccountId::as_str),
            line.buyer.as_ref().map(BuyerId::as_str),
            line.outcome.map(Outcome::word),
            line.field.as_deref(),
            line.code.as_deref(),
        ];
        let parts = parts.map(|part| part.and_then(|text| texts.place(text)));
        lines.push((parts, *measures));
    }
    let texts = texts.texts;
    codec::encode(SUMS, &Packed { texts, lines })
}

/// A text as it is read, once for all lines that name it.
struct Once<'t, T> {
    texts: &'t [Arc<str>],
    read: BTreeMap<u32, T>,
}

impl<'t, T: Clone> Once<'t, T> {
    fn of(texts: &'t [Arc<str>]) -> Self {
        Self {
            texts,
            read: BTreeMap::new(),
        }
    }

    fn get(
        &mut self,
        place: Option<u32>,
        parse: impl Fn(&Arc<str>) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(place) = place else {
            return Ok(None);
        };
        if let Some(value) = self.read.get(&place) {
            return Ok(Some(value.clone()));
        }
        let text = self.texts.get(place as usize);
        let value = text
            .and_then(parse)
            .ok_or_else(|| StoreError::unreadable(SUMS, "a line names what is not there"))?;
        self.read.insert(place, value.clone());
        Ok(Some(value))
    }
}

fn unpack_accounts(record: &[u8]) -> Result<Vec<(AccountLine, Measures)>, StoreError> {
    let packed: Packed<PackedAccount> = codec::decode(SUMS, record)?;
    let texts = packed.texts.as_slice();
    let (mut accounts, mut buyers) = (Once::of(texts), Once::of(texts));
    let (mut outcomes, mut others) = (Once::of(texts), Once::of(texts));
    let lines = packed.lines.into_iter().map(|(parts, measures)| {
        let [account, buyer, outcome, field, code] = parts;
        let line = AccountLine {
            account: accounts.get(account, |text| text.parse().ok())?,
            buyer: buyers.get(buyer, |text| text.parse().ok())?,
            outcome: outcomes.get(outcome, |text| word(text))?,
            field: others.get(field, |text| Some(Arc::clone(text)))?,
            code: others.get(code, |text| Some(Arc::clone(text)))?,
        };
        Ok((line, measures))
    });
    lines.collect()
}

/// An outcome by its word.
fn word(text: &str) -> Option<gavel_market::reason::Outcome> {
    let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        text.into_deserializer();
    Deserialize::deserialize(text).ok()
}
