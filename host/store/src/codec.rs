//! How a record becomes bytes, and how a long one is laid out.
//!
//! ```text
//! a short record:   version │ 0 0 │ body
//! a long one, head: version │ n n │ tag │ first PART_MAX_BYTES of the body
//!       parts 1..n:                 tag │ further bytes of the body
//!
//! body of version 1: as it is
//!      of version 2: length of the body as it is, 4 bytes │ its LZ4 block
//! ```
//!
//! The body is JSON, which describes itself: a field that is added later reads old records
//! by its default. (The vault's records are the exception: their body is a ciphertext.) One of
//! [`PACK_MIN_BYTES`] or more is packed where that makes it shorter. It repeats its fields'
//! names for each bid: an order of ten bids with its ping comes to about half, which is half of
//! what sled copies and writes, over and over, and twice the orders in the same cache. An unknown
//! version is an error that names it.
//!
//! # Why long records are cut
//!
//! sled keeps up to some seventeen entries in one node, rewrites a node whole every ten
//! changes, and writes a node larger than a quarter of a segment to a file of its own,
//! *which it never flushes* (`pagecache/blob_io.rs`): after a power cut that file may be
//! empty although the log that names it is whole. With parts of [`PART_MAX_BYTES`] no node
//! gets near that size, and rewriting one stays cheap whatever a buyer answered.
//!
//! Parts of one record are read one after the other, while the committer may replace it. The
//! tag, new with every write, tells a reader that it has parts of two.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};

use crate::error::StoreError;

/// A record whose body stands there as it is.
const PLAIN: u8 = 1;

/// A record whose body is packed.
const PACKED: u8 = 2;

/// Version and number of further parts.
pub(crate) const HEAD_BYTES: usize = 3;

const TAG_BYTES: usize = 4;

/// Length of the number that says how long a packed body is as it is.
const LENGTH_BYTES: usize = 4;

/// Shortest body that is packed: below, there is little to be saved.
const PACK_MIN_BYTES: usize = 512;

/// Longest piece of a record in one entry. Seventeen of them are a twentieth of
/// sled's limit of 1 MiB for a node in its log, and take little to rewrite.
pub(crate) const PART_MAX_BYTES: usize = 3 << 10;

/// Longest record: an order with every bid of ten thousand accounts is some 2 MiB.
pub(crate) const RECORD_MAX_BYTES: usize = 16 << 20;

/// A record with a JSON body.
pub(crate) fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    Ok(packed(plain(what, value)?))
}

fn plain<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut record = vec![PLAIN, 0, 0];
    serde_json::to_writer(&mut record, value)
        .map_err(|error| StoreError::unreadable(what, problem(&error)))?;
    bounded(what, record)
}

/// The same record, packed if it is worth it.
fn packed(plain: Vec<u8>) -> Vec<u8> {
    let body = plain.get(HEAD_BYTES..).unwrap_or_default();
    let Some(length) = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() >= PACK_MIN_BYTES)
    else {
        return plain;
    };
    let block = lz4_flex::block::compress(body);
    if LENGTH_BYTES + block.len() >= body.len() {
        return plain;
    }
    [&[PACKED, 0, 0][..], &length.to_be_bytes(), &block].concat()
}

/// Whether this is what a record of this value holds.
pub(crate) fn holds<T: Serialize>(
    what: &'static str,
    record: &[u8],
    value: &T,
) -> Result<bool, StoreError> {
    let now = plain(what, value)?;
    Ok(body(what, record)?.as_ref() == now.get(HEAD_BYTES..).unwrap_or_default())
}

/// A record with a body of bytes.
pub(crate) fn encode_bytes(what: &'static str, body: &[&[u8]]) -> Result<Vec<u8>, StoreError> {
    let mut record = vec![PLAIN, 0, 0];
    for part in body {
        record.extend_from_slice(part);
    }
    bounded(what, record)
}

fn bounded(what: &'static str, record: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if record.len() > RECORD_MAX_BYTES {
        Err(StoreError::TooLarge { what })
    } else {
        Ok(record)
    }
}

/// Reads a record with a JSON body.
pub(crate) fn decode<T: DeserializeOwned>(
    what: &'static str,
    record: &[u8],
) -> Result<T, StoreError> {
    serde_json::from_slice(&body(what, record)?)
        .map_err(|error| StoreError::unreadable(what, problem(&error)))
}

/// A record's body, as it is.
pub(crate) fn body<'r>(what: &'static str, record: &'r [u8]) -> Result<Cow<'r, [u8]>, StoreError> {
    let body = record.get(HEAD_BYTES..);
    let body = || body.ok_or_else(|| StoreError::unreadable(what, "it ends too early"));
    match record.first() {
        Some(&PLAIN) => Ok(Cow::Borrowed(body()?)),
        Some(&PACKED) => unpacked(body()?)
            .map(Cow::Owned)
            .ok_or_else(|| StoreError::unreadable(what, "it cannot be unpacked")),
        Some(&version) => Err(StoreError::Newer { what, version }),
        None => Err(StoreError::unreadable(what, "it is empty")),
    }
}

fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let (length, block) = packed.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    // No more room is made than a record may have, whatever is damaged.
    let body = lz4_flex::block::decompress(block, length.min(RECORD_MAX_BYTES)).ok()?;
    (body.len() == length).then_some(body)
}

/// Where JSON is wrong; serde's own words may quote the value.
fn problem(error: &serde_json::Error) -> String {
    format!(
        "{:?} error at line {} column {}",
        error.classify(),
        error.line(),
        error.column()
    )
}

/// A record as it is written: the head, then its further parts.
pub(crate) struct Laid {
    pub(crate) head: Vec<u8>,
    pub(crate) parts: Vec<Vec<u8>>,
}

/// Lays a record out. `tag` must differ from that of the record that it replaces.
pub(crate) fn lay_out(record: &[u8], tag: u32) -> Laid {
    let (head, body) = record.split_at_checked(HEAD_BYTES).unwrap_or((record, &[]));
    if body.len() <= PART_MAX_BYTES {
        return Laid {
            head: record.to_vec(),
            parts: Vec::new(),
        };
    }
    let mut pieces = body
        .chunks(PART_MAX_BYTES)
        .map(|piece| [&tag.to_be_bytes(), piece].concat());
    let first = pieces.next().unwrap_or_default();
    let parts: Vec<_> = pieces.collect();
    // `bounded` keeps a record below 65 535 parts.
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX).to_be_bytes();
    let version = head.get(..1).unwrap_or_default();
    Laid {
        head: [version, &count, &first].concat(),
        parts,
    }
}

/// How many further parts a record has, by its head. A record of an unknown version has
/// none that this Gavel could know of.
pub(crate) fn parts_of(head: &[u8]) -> u16 {
    match head {
        [PLAIN | PACKED, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

/// Puts a long record together again; `None` where the parts are not of one write.
pub(crate) fn join(
    head: &[u8],
    parts: impl Iterator<Item = Option<sled::IVec>>,
) -> Option<Vec<u8>> {
    let (_, body) = head.split_at_checked(HEAD_BYTES)?;
    let (tag, first) = body.split_at_checked(TAG_BYTES)?;
    let mut record = vec![*head.first()?, 0, 0];
    record.extend_from_slice(first);
    for part in parts {
        record.extend_from_slice(part?.strip_prefix(tag)?);
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(laid: &Laid) -> Option<Vec<u8>> {
        join(
            &laid.head,
            laid.parts.iter().map(|part| Some(part.as_slice().into())),
        )
    }

    #[test]
    fn a_record_of_any_length_is_read_as_it_was_written() {
        for length in [
            0,
            1,
            PART_MAX_BYTES,
            PART_MAX_BYTES + 1,
            10 * PART_MAX_BYTES,
            10 * PART_MAX_BYTES + 7,
        ] {
            let record = encode_bytes("test", &[&vec![7; length]]).expect("small enough");
            let laid = lay_out(&record, 9);
            assert_eq!(usize::from(parts_of(&laid.head)), laid.parts.len());
            assert!(laid.head.len() <= PART_MAX_BYTES + 7);
            match laid.parts.len() {
                0 => assert_eq!(laid.head, record),
                _ => assert_eq!(joined(&laid), Some(record)),
            }
        }
    }

    #[test]
    fn a_record_is_packed_where_that_saves_and_reads_the_same() {
        for names in [0, 1, 100, 10_000] {
            let value = vec!["the same again"; names];
            let record = encode("test", &value).expect("small enough");
            let plain = plain("test", &value).expect("small enough");
            assert_eq!(record.len() < plain.len(), names >= 100);
            let laid = lay_out(&record, 9);
            let record = match laid.parts.len() {
                0 => laid.head,
                _ => joined(&laid).expect("whole"),
            };
            let same: Vec<String> = decode("test", &record).expect("readable");
            assert_eq!(same, value);
            assert_eq!(holds("test", &record, &value), Ok(true));
            assert_eq!(
                holds("test", &record, &vec!["other"; names]),
                Ok(names == 0)
            );
        }
    }

    #[test]
    fn a_packed_record_is_cut_and_joined_like_any_other() {
        let value: Vec<String> = (0..2_000).map(|number| format!("name {number}")).collect();
        let record = encode("test", &value).expect("small enough");
        let laid = lay_out(&record, 9);
        assert_eq!(laid.head.first(), Some(&PACKED));
        assert!(!laid.parts.is_empty());
        let joined = joined(&laid).expect("whole");
        assert_eq!(joined, record);
        assert_eq!(decode("test", &joined), Ok(value));
    }

    #[test]
    fn what_cannot_be_made_shorter_is_left_as_it_is() {
        // A linear congruential generator's high bits repeat no four letters near each other.
        let mut state = 1_u64;
        let mixed: String = (0..2_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap_or(0))
            })
            .collect();
        let record = encode("test", &mixed).expect("small enough");
        assert_eq!(record.first(), Some(&PLAIN));
        assert_eq!(decode::<String>("test", &record), Ok(mixed));
    }

    #[test]
    fn a_damaged_packed_record_is_unreadable_and_takes_no_room() {
        let record = encode("test", &vec!["the same again"; 100]).expect("small enough");
        assert_eq!(record.first(), Some(&PACKED));
        for cut in HEAD_BYTES..record.len() {
            let cut = record.get(..cut).unwrap_or_default();
            assert!(decode::<Vec<String>>("test", cut).is_err());
        }
        let mut longer = record;
        longer[HEAD_BYTES..HEAD_BYTES + LENGTH_BYTES].fill(0xff);
        assert!(decode::<Vec<String>>("test", &longer).is_err());
    }

    #[test]
    fn parts_of_two_writes_are_not_taken_for_a_record() {
        let record = encode_bytes("test", &[&vec![7; 2 * PART_MAX_BYTES]]).expect("small enough");
        let mut laid = lay_out(&record, 1);
        laid.parts = lay_out(&record, 2).parts;
        assert_eq!(joined(&laid), None);
    }

    #[test]
    fn an_unknown_version_is_named() {
        let refused = decode::<u32>("order", &[9, 0, 0, b'1']);
        assert_eq!(
            refused,
            Err(StoreError::Newer {
                what: "order",
                version: 9
            })
        );
        assert!(
            refused
                .expect_err("refused")
                .to_string()
                .contains("version 9")
        );
    }

    #[test]
    fn an_unreadable_record_is_not_quoted() {
        let refused = decode::<u32>("order", b"\x01\0\0\"+12025550123\"").expect_err("no number");
        assert!(!refused.to_string().contains("2025550123"), "{refused}");
    }
}
