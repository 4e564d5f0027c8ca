//! Random numbers that are none: they follow from an order's id.

use wasmtime::bail;

use crate::limits::RANDOM_MAX_BYTES;

/// SplitMix64: every seed gives a sequence without repeats that passes the usual tests.
pub(super) struct Generator(pub(super) u64);

impl Generator {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        let Some(count) = usize::try_from(count)
            .ok()
            .filter(|count| *count <= RANDOM_MAX_BYTES)
        else {
            bail!("asked for {count} random bytes; it may have {RANDOM_MAX_BYTES} at once")
        };
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        Ok(bytes)
    }
}

/// An order's id as a seed: FNV-1a, since it need not be hard to guess.
pub(super) fn seed(order: &str) -> u64 {
    order.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Wasi, *};

    #[test]
    fn a_seed_gives_one_sequence_and_another_seed_another() {
        let draw = |order: &str| {
            let mut wasi = Wasi::new(0);
            wasi.random.next();
            wasi.begin(0, order);
            wasi.random.bytes(20).unwrap()
        };
        assert_eq!(draw("po_01.3fa1"), draw("po_01.3fa1"));
        assert_ne!(draw("po_01.3fa1"), draw("po_01.3fa2"));
        assert!(Generator(0).bytes(RANDOM_MAX_BYTES as u64 + 1).is_err());
        assert!(Generator(0).bytes(u64::MAX).is_err());
    }
}
