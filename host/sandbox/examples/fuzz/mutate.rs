//! Changes to bytes that mean something.

use rand::{Rng as _, rngs::SmallRng, seq::IndexedRandom as _};

/// Bytes at which a format's readers decide something.
const TELLING: [u8; 12] = [
    0x00, 0x01, 0x40, 0x41, 0x60, 0x61, 0x6f, 0x70, 0x7f, 0x80, 0xfe, 0xff,
];

/// One to eight changes; `others` are what a piece may come from.
pub(crate) fn bytes(random: &mut SmallRng, mut bytes: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
    for _ in 0..random.random_range(1..=8) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.random_range(0..bytes.len());
        let end = at + piece(random, bytes.len() - at);
        match random.random_range(0..9) {
            0 | 1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 | 3 => bytes[at] = *TELLING.choose(random).expect("some"),
            4 => drop(bytes.drain(at..end)),
            5 => bytes.truncate(at),
            6 => {
                let copy = bytes[at..end].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            7 => {
                if let Some(other) = others.choose(random).filter(|other| !other.is_empty()) {
                    let from = random.random_range(0..other.len());
                    let until = from + piece(random, other.len() - from);
                    bytes.splice(at..end, other[from..until].iter().copied());
                }
            }
            _ => {
                // A number written as long as a number can be, where there was a short one.
                let long = [0xff, 0xff, 0xff, 0xff, random.random_range(0..16)];
                bytes.splice(at..=at, long);
            }
        }
    }
    bytes
}

/// Mostly a short piece of `most` bytes, some times a long one.
fn piece(random: &mut SmallRng, most: usize) -> usize {
    let most = if random.random_bool(0.8) {
        most.min(16)
    } else {
        most
    };
    random.random_range(0..=most)
}
