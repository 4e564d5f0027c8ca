//! Under which keys things stand.
//!
//! Everything is in one tree, since sled's batches are atomic within a tree. The first byte
//! of a key says what stands there. Numbers are big-endian, so that keys sort as their
//! numbers do, and a ULID sorts by the time at which it was made: most records are found
//! again in order of time without any index.
//!
//! | byte | then | holds |
//! |---|---|---|
//! | `m` | | what the store itself is: its format, a check of its key |
//! | `o` | order | an order as it was quoted; never changed |
//! | `O` | order | where it stands; absent until it is posted |
//! | `e` | expiry, order | what an open order holds, by the time at which it expires |
//! | `p` | ping | the record of a ping |
//! | `a` | keyed hash | the answer to be given again |
//! | `l` | lead, number | one entry of a lead's ledger |
//! | `s` | lead | its personal fields, sealed; names the slot of its key |
//! | `w` | lead, bid, number | words of a delivery, sealed |
//! | `g` | number | a revision of the market |
//! | `k` | plugin, 0, digest | a version of a plugin |
//! | `h` | plugin, 0, revision | a change of a plugin's active version |
//! | `t` | plugin | a version on trial |
//! | `T` | plugin, 0, time | a trial that has ended |
//! | `r` | digest | a version that was revoked |
//! | `D` | ping, plugin | what a shadow would have decided otherwise |
//! | `c` | `a` or `c`, name | what was counted of an account or a campaign |
//! | `f` | fingerprint, order | a lead that left this fingerprint |
//! | `R` | return | a delivery given back |
//! | `A` | audit entry | what was changed on somebody's behalf |
//! | `H` | hour, campaign, 0, supplier, 0, part | an hour's sums for reports, of pings |
//! | `Q` | hour, campaign, 0, supplier, 0, part | an hour's sums for reports, of accounts |
//! | `J` | | by whose clock those hours are |
//! | `y` | another key, number | a further part of a long record |
//!
//! The rest are indexes, with no value; each follows from a record and is changed in the
//! same batch.
//!
//! | byte | then | lists |
//! |---|---|---|
//! | `z` | settled, order | orders that may be erased `retention` after they were settled |
//! | `d` | order | orders being delivered |
//! | `u` | state, order, bid | deliveries that somebody has to look after |
//! | `x` | expiry, keyed hash | remembered answers by the time at which they are forgotten |
//! | `F` | end, fingerprint, order | leads' fingerprints by the time until which they are kept |
//! | `b` | order, bid | deliveries given back |
//! | `q` | state, return | returns by their state |
//! | `v` | slot, lead | slots of the vault in use |
//! | `j` | ping, writing | pings whose record is in no sums yet; `writing` is which of its records |
//! | `i` | day, campaign, 0, sub-id | sub-ids that are kept apart; without one, how many there are |

use gavel_market::{
    ids::{
        AuditId, CampaignId, DeliveryId, Digest, LeadId, OrderId, PingId, PluginName, ReturnId,
        SupplierId, Ulid,
    },
    room::Owner,
};

/// A key in the one tree.
pub(crate) type Key = Vec<u8>;

pub(crate) const META: &[u8] = b"m";
pub(crate) const PING: u8 = b'p';
pub(crate) const REVISION: u8 = b'g';
pub(crate) const PLUGIN: u8 = b'k';
pub(crate) const TRIAL: u8 = b't';
pub(crate) const REVOKED: u8 = b'r';
pub(crate) const DIFFERENCES: u8 = b'D';
pub(crate) const OPEN_BY_EXPIRY: u8 = b'e';
pub(crate) const SETTLED: u8 = b'z';
pub(crate) const BEING_DELIVERED: u8 = b'd';
pub(crate) const LISTED_DELIVERY: u8 = b'u';
pub(crate) const AGAIN_BY_EXPIRY: u8 = b'x';
pub(crate) const USAGE: u8 = b'c';
pub(crate) const SEEN: u8 = b'f';
pub(crate) const SEEN_BY_END: u8 = b'F';
pub(crate) const RETURN: u8 = b'R';
pub(crate) const RETURN_BY_STATE: u8 = b'q';
pub(crate) const AUDIT: u8 = b'A';
pub(crate) const SLOT: u8 = b'v';
pub(crate) const PING_SUMS: u8 = b'H';
pub(crate) const ACCOUNT_SUMS: u8 = b'Q';
pub(crate) const REPORT_ZONE: &[u8] = b"J";
pub(crate) const UNCOUNTED: u8 = b'j';
pub(crate) const SUB_ID: u8 = b'i';
const PART: u8 = b'y';

fn key(tag: u8, parts: &[&[u8]]) -> Key {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(tag);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn by_ulid(tag: u8, id: Ulid) -> Key {
    key(tag, &[&id.to_bytes()])
}

pub(crate) fn quoted(id: OrderId) -> Key {
    by_ulid(b'o', id.0)
}

pub(crate) fn standing(id: OrderId) -> Key {
    by_ulid(b'O', id.0)
}

pub(crate) fn ping(id: PingId) -> Key {
    by_ulid(PING, id.0)
}

pub(crate) fn again(hash: &Digest) -> Key {
    key(b'a', &[&hash.0])
}

/// Prefix of a lead's ledger.
pub(crate) fn ledger(lead: LeadId) -> Key {
    by_ulid(b'l', lead.0)
}

pub(crate) fn sealed(lead: LeadId) -> Key {
    by_ulid(b's', lead.0)
}

/// Prefix of all the words of a lead.
pub(crate) fn words_of_lead(lead: LeadId) -> Key {
    by_ulid(b'w', lead.0)
}

/// Prefix of the words of one delivery.
pub(crate) fn words(lead: LeadId, bid: u16) -> Key {
    key(b'w', &[&lead.0.to_bytes(), &bid.to_be_bytes()])
}

/// A prefix with a number behind it: ledger entries, words.
pub(crate) fn numbered(prefix: &[u8], number: u32) -> Key {
    let mut key = prefix.to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn revision(number: u64) -> Key {
    key(REVISION, &[&number.to_be_bytes()])
}

/// Prefix of a plugin's versions. A name has no zero byte, so no name's prefix is another's.
pub(crate) fn plugin(name: &PluginName) -> Key {
    key(PLUGIN, &[name.as_str().as_bytes(), &[0]])
}

pub(crate) fn plugin_version(name: &PluginName, digest: &Digest) -> Key {
    key(PLUGIN, &[name.as_str().as_bytes(), &[0], &digest.0])
}

/// Prefix of the changes of a plugin's active version.
pub(crate) fn history(name: &PluginName) -> Key {
    key(b'h', &[name.as_str().as_bytes(), &[0]])
}

pub(crate) fn changed_at(name: &PluginName, revision: u64) -> Key {
    key(
        b'h',
        &[name.as_str().as_bytes(), &[0], &revision.to_be_bytes()],
    )
}

pub(crate) fn trial(name: &PluginName) -> Key {
    key(TRIAL, &[name.as_str().as_bytes()])
}

/// Prefix of a plugin's trials that have ended.
pub(crate) fn ended_trials(name: &PluginName) -> Key {
    key(b'T', &[name.as_str().as_bytes(), &[0]])
}

pub(crate) fn ended_trial(name: &PluginName, at_ms: u64) -> Key {
    key(
        b'T',
        &[name.as_str().as_bytes(), &[0], &at_ms.to_be_bytes()],
    )
}

pub(crate) fn revoked(digest: &Digest) -> Key {
    key(REVOKED, &[&digest.0])
}

/// Sorts by ping, and so by time.
pub(crate) fn differences(id: PingId, plugin: &PluginName) -> Key {
    key(DIFFERENCES, &[&id.0.to_bytes(), plugin.as_str().as_bytes()])
}

/// Prefix of all differences of one ping.
pub(crate) fn differences_of(id: PingId) -> Key {
    by_ulid(DIFFERENCES, id.0)
}

pub(crate) fn part(of: &[u8], number: u16) -> Key {
    key(PART, &[of, &number.to_be_bytes()])
}

pub(crate) fn open_by_expiry(expires_at_ms: u64, id: OrderId) -> Key {
    key(
        OPEN_BY_EXPIRY,
        &[&expires_at_ms.to_be_bytes(), &id.0.to_bytes()],
    )
}

pub(crate) fn settled(settled_at_ms: u64, id: OrderId) -> Key {
    key(SETTLED, &[&settled_at_ms.to_be_bytes(), &id.0.to_bytes()])
}

pub(crate) fn being_delivered(id: OrderId) -> Key {
    by_ulid(BEING_DELIVERED, id.0)
}

pub(crate) fn listed_delivery(state: u8, id: DeliveryId) -> Key {
    key(
        LISTED_DELIVERY,
        &[&[state], &id.order.0.to_bytes(), &id.bid.to_be_bytes()],
    )
}

pub(crate) fn again_by_expiry(expires_at_ms: u64, hash: &Digest) -> Key {
    key(AGAIN_BY_EXPIRY, &[&expires_at_ms.to_be_bytes(), &hash.0])
}

pub(crate) fn usage(owner: &Owner) -> Key {
    let (kind, name) = match owner {
        Owner::Account(id) => (b'a', id.as_str()),
        Owner::Campaign(id) => (b'c', id.as_str()),
    };
    key(USAGE, &[&[kind], name.as_bytes()])
}

/// Whose usage stands under this key.
pub(crate) fn owner_of(key: &[u8]) -> Option<Owner> {
    let (kind, name) = key.get(1..)?.split_first()?;
    let name = std::str::from_utf8(name).ok()?;
    match kind {
        b'a' => name.parse().ok().map(Owner::Account),
        b'c' => name.parse().ok().map(Owner::Campaign),
        _ => None,
    }
}

/// Prefix of all leads with this fingerprint.
pub(crate) fn seen_with(fingerprint: &Digest) -> Key {
    key(SEEN, &[&fingerprint.0])
}

pub(crate) fn seen(fingerprint: &Digest, id: OrderId) -> Key {
    key(SEEN, &[&fingerprint.0, &id.0.to_bytes()])
}

pub(crate) fn seen_by_end(until_ms: u64, fingerprint: &Digest, id: OrderId) -> Key {
    key(
        SEEN_BY_END,
        &[&until_ms.to_be_bytes(), &fingerprint.0, &id.0.to_bytes()],
    )
}

pub(crate) fn return_of(id: ReturnId) -> Key {
    by_ulid(RETURN, id.0)
}

pub(crate) fn returned_delivery(id: DeliveryId) -> Key {
    key(b'b', &[&id.order.0.to_bytes(), &id.bid.to_be_bytes()])
}

pub(crate) fn return_by_state(state: u8, id: ReturnId) -> Key {
    key(RETURN_BY_STATE, &[&[state], &id.0.to_bytes()])
}

pub(crate) fn audit(id: AuditId) -> Key {
    by_ulid(AUDIT, id.0)
}

pub(crate) fn slot(slot: u32, lead: LeadId) -> Key {
    key(SLOT, &[&slot.to_be_bytes(), &lead.0.to_bytes()])
}

/// The first of an hour's sums.
pub(crate) fn hour(tag: u8, start_ms: u64) -> Key {
    key(tag, &[&start_ms.to_be_bytes()])
}

/// A part of the sums of an hour, by [`PING_SUMS`] or [`ACCOUNT_SUMS`].
pub(crate) fn sums(
    tag: u8,
    start_ms: u64,
    campaign: &CampaignId,
    supplier: &SupplierId,
    part: &str,
) -> Key {
    key(
        tag,
        &[
            &start_ms.to_be_bytes(),
            campaign.as_str().as_bytes(),
            &[0],
            supplier.as_str().as_bytes(),
            &[0],
            part.as_bytes(),
        ],
    )
}

pub(crate) fn uncounted(id: PingId, writing: u8) -> Key {
    key(UNCOUNTED, &[&id.0.to_bytes(), &[writing]])
}

/// Prefix of a campaign's sub-ids of a day; under it itself stands how many there are.
pub(crate) fn sub_ids(day: u32, campaign: &CampaignId) -> Key {
    key(
        SUB_ID,
        &[&day.to_be_bytes(), campaign.as_str().as_bytes(), &[0]],
    )
}

/// The first of a day's sub-ids.
pub(crate) fn sub_ids_of_day(day: u32) -> Key {
    key(SUB_ID, &[&day.to_be_bytes()])
}

/// Reads a key's fields back, from behind its first byte.
pub(crate) struct Fields<'k>(&'k [u8]);

impl<'k> Fields<'k> {
    pub(crate) fn of(key: &'k [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn ulid(&mut self) -> Option<Ulid> {
        self.take().map(Ulid::from_bytes)
    }

    pub(crate) fn digest(&mut self) -> Option<Digest> {
        self.take().map(Digest)
    }

    /// What is left, as texts between zero bytes.
    pub(crate) fn texts(self) -> Option<Vec<&'k str>> {
        let texts = self.0.split(|byte| *byte == 0);
        texts.map(|text| str::from_utf8(text).ok()).collect()
    }
}

/// The number at a key's end, which is where [`numbered`] put it.
pub(crate) fn number_of(key: &[u8]) -> Option<u32> {
    key.last_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The first key behind all keys with this prefix; `None` where there is none.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Key> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}
