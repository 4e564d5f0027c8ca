//! The store's key, and what is derived from it.
//!
//! Nothing is ever encrypted or hashed with the store's key itself. Each use has a key of
//! its own, by HKDF-SHA256: one for keyed hashes, one to check that the key is the right
//! one, and one for each lead, which needs the lead's slot besides.

use gavel_market::ids::{Digest, LeadId};
use ring::{
    aead, hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use super::slots::SlotBytes;

/// Bytes of the store's key.
const KEY_BYTES: usize = 32;

/// The key that the whole store stands under: 32 bytes that are nowhere in its folder.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; KEY_BYTES]>);

impl StoreKey {
    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key written as 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text, bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    /// A new key; `None` where the system has no randomness to give.
    pub fn generate() -> Option<Self> {
        random().map(Self)
    }

    /// The key as 64 hexadecimal digits.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_slice()))
    }
}

/// Says nothing of the key.
impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey")
    }
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

/// What a sealed text is: part of what its seal covers, so that none can stand for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The lead's personal fields.
    Lead,
    /// Words of the delivery on this bid.
    Words(u16),
}

impl Kind {
    fn associated(self, lead: LeadId) -> Vec<u8> {
        let mut bytes = lead.0.to_bytes().to_vec();
        match self {
            Self::Lead => bytes.push(0),
            Self::Words(bid) => {
                bytes.push(1);
                bytes.extend_from_slice(&bid.to_be_bytes());
            }
        }
        bytes
    }
}

/// The keys that do not depend on a lead, and the way to those that do.
pub(crate) struct Keys {
    store: StoreKey,
    hashes: hmac::Key,
}

impl Keys {
    pub(crate) fn new(store: StoreKey) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(store.0.as_slice());
        let hashes = match prk.expand(&[b"gavel: keyed hashes, 1"], hmac::HMAC_SHA256) {
            Ok(okm) => okm.into(),
            // Unreachable: one digest is never too long for HKDF. A key that depends on the
            // store's key all the same keeps this total.
            Err(ring::error::Unspecified) => hmac::Key::new(hmac::HMAC_SHA256, store.0.as_slice()),
        };
        Self { store, hashes }
    }

    /// Keyed hash: without the store's key it can neither be made nor checked. Hashes of
    /// different domains have nothing to do with each other.
    pub(crate) fn hash(&self, domain: &str, bytes: &[u8]) -> Digest {
        let mut context = hmac::Context::with_key(&self.hashes);
        // The length first, so that no domain and text together look like another pair.
        context.update(&(domain.len() as u64).to_be_bytes());
        context.update(domain.as_bytes());
        context.update(bytes);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        Digest(digest)
    }

    /// Tells the right key from a wrong one, and gives nothing away.
    pub(crate) fn check(&self) -> Digest {
        self.hash("gavel: store key check, 1", b"")
    }

    /// The lead's own key: the store's key and the slot together, for this lead alone.
    fn of_lead(&self, slot: &SlotBytes, lead: LeadId) -> Option<aead::LessSafeKey> {
        let prk =
            hkdf::Salt::new(hkdf::HKDF_SHA256, slot.as_slice()).extract(self.store.0.as_slice());
        let id = lead.0.to_bytes();
        let info: [&[u8]; 2] = [b"gavel: lead, 1", &id];
        let okm = prk.expand(&info, &aead::AES_256_GCM).ok()?;
        Some(aead::LessSafeKey::new(okm.into()))
    }

    /// Seals a text: a random nonce, then the ciphertext. A lead has a key of its own for a
    /// handful of texts, so random nonces do not meet.
    pub(crate) fn seal(
        &self,
        slot: &SlotBytes,
        lead: LeadId,
        kind: Kind,
        text: &[u8],
    ) -> Option<Vec<u8>> {
        let key = self.of_lead(slot, lead)?;
        let nonce = random::<{ aead::NONCE_LEN }>()?;
        let mut sealed =
            Vec::with_capacity(aead::NONCE_LEN + text.len() + aead::AES_256_GCM.tag_len());
        sealed.extend_from_slice(nonce.as_slice());
        sealed.extend_from_slice(text);
        let (_, in_place) = sealed.split_at_mut_checked(aead::NONCE_LEN)?;
        let associated = aead::Aad::from(kind.associated(lead));
        let tag = key
            .seal_in_place_separate_tag(
                aead::Nonce::assume_unique_for_key(*nonce),
                associated,
                in_place,
            )
            .ok()?;
        sealed.extend_from_slice(tag.as_ref());
        Some(sealed)
    }

    /// Opens what [`Keys::seal`] sealed; `None` where slot, lead, kind or text are not the same.
    pub(crate) fn unseal(
        &self,
        slot: &SlotBytes,
        lead: LeadId,
        kind: Kind,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.of_lead(slot, lead)?;
        let (nonce, ciphertext) = sealed.split_first_chunk::<{ aead::NONCE_LEN }>()?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let associated = aead::Aad::from(kind.associated(lead));
        let length = key
            .open_in_place(
                aead::Nonce::assume_unique_for_key(*nonce),
                associated,
                &mut text,
            )
            .ok()?
            .len();
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use gavel_market::ids::Ulid;

    use super::*;

    fn keys(byte: u8) -> Keys {
        Keys::new(StoreKey::from_bytes([byte; KEY_BYTES]))
    }

    #[test]
    fn a_seal_opens_only_with_the_same_key_slot_lead_and_kind() {
        let (slot, other_slot) = (Zeroizing::new([3; 32]), Zeroizing::new([4; 32]));
        let (lead, other_lead) = (LeadId(Ulid(5)), LeadId(Ulid(6)));
        let sealed = keys(1)
            .seal(&slot, lead, Kind::Words(2), b"text")
            .expect("sealed");
        let open = |keys: Keys, slot, lead, kind| keys.unseal(slot, lead, kind, &sealed);
        assert_eq!(
            open(keys(1), &slot, lead, Kind::Words(2))
                .as_deref()
                .map(Vec::as_slice),
            Some(&b"text"[..])
        );
        assert!(open(keys(2), &slot, lead, Kind::Words(2)).is_none());
        assert!(open(keys(1), &other_slot, lead, Kind::Words(2)).is_none());
        assert!(open(keys(1), &slot, other_lead, Kind::Words(2)).is_none());
        assert!(open(keys(1), &slot, lead, Kind::Words(3)).is_none());
        assert!(open(keys(1), &slot, lead, Kind::Lead).is_none());
    }

    #[test]
    fn a_text_sealed_twice_looks_different() {
        let slot = Zeroizing::new([3; 32]);
        let seal = || {
            keys(1)
                .seal(&slot, LeadId(Ulid(5)), Kind::Lead, b"text")
                .expect("sealed")
        };
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_keyed_hash_depends_on_key_domain_and_text_and_nothing_else() {
        assert_eq!(keys(1).hash("a", b"text"), keys(1).hash("a", b"text"));
        assert_ne!(keys(1).hash("a", b"text"), keys(2).hash("a", b"text"));
        assert_ne!(keys(1).hash("a", b"text"), keys(1).hash("b", b"text"));
        assert_ne!(keys(1).hash("ab", b"c"), keys(1).hash("a", b"bc"));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = StoreKey::from_bytes([0xab; KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "StoreKey");
        assert_eq!(
            StoreKey::from_hex(&key.to_hex()).expect("hex").to_hex(),
            key.to_hex()
        );
        assert!(StoreKey::from_hex("abc").is_none());
    }
}
