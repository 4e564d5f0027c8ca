//! The vault: what is personal, under a key that can be destroyed.
//!
//! A lead's personal fields, and the words that plugins and buyers say about it, are sealed
//! under the lead's own key, which is derived from the store's key and the lead's slot
//! ([`seal`]). To erase a lead is to overwrite its slot ([`slots`]): what sled still has of
//! the sealed records then opens for nobody, who has the store's key neither.
//!
//! Sealing happens in the task that asks, opening in the one that reads; the committer
//! writes slots and moves ciphertext. A plaintext is in no queue, and is zeroized where it
//! was held.

mod seal;
pub(crate) mod slots;

use std::{fs::File, sync::Arc};

use gavel_market::ids::LeadId;
use zeroize::Zeroizing;

pub use self::seal::StoreKey;
pub(crate) use self::seal::{Keys, random};
use self::{
    seal::Kind,
    slots::{SLOT_BYTES, SlotBytes},
};
use crate::{
    Store,
    change::Txn,
    codec,
    error::StoreError,
    keys::{self, Fields},
    view::{View, with_prefix},
};

const SEALED: &str = "sealed lead";
const WORDS: &str = "words";

/// Opening and sealing, for any task.
pub(crate) struct Vault {
    pub(crate) keys: Keys,
    pub(crate) slots: Arc<File>,
}

/// A lead's personal fields, sealed, with the slot that opens them: what a claim writes.
pub(crate) struct SealedLead {
    slot: SlotBytes,
    sealed: Vec<u8>,
}

/// Words, sealed.
pub(crate) struct SealedWords {
    bid: u16,
    record: Vec<u8>,
}

impl Vault {
    /// Seals a lead's personal fields under a new slot.
    pub(crate) fn seal_lead(
        &self,
        lead: LeadId,
        personal: &[u8],
    ) -> Result<SealedLead, StoreError> {
        let slot = random::<SLOT_BYTES>().ok_or_else(no_randomness)?;
        let sealed = self
            .keys
            .seal(&slot, lead, Kind::Lead, personal)
            .ok_or_else(no_randomness)?;
        Ok(SealedLead { slot, sealed })
    }

    /// Seals words under the lead's slot; `None` where the lead is erased.
    fn seal_words(
        &self,
        view: &View,
        lead: LeadId,
        bid: u16,
        words: &[u8],
    ) -> Result<Option<SealedWords>, StoreError> {
        let Some((slot, _)) = self.opened(view, lead)? else {
            return Ok(None);
        };
        let sealed = self
            .keys
            .seal(&slot, lead, Kind::Words(bid), words)
            .ok_or_else(no_randomness)?;
        Ok(Some(SealedWords {
            bid,
            record: codec::encode_bytes(WORDS, &[&sealed])?,
        }))
    }

    /// A lead's slot and its sealed fields.
    fn opened(
        &self,
        view: &View,
        lead: LeadId,
    ) -> Result<Option<(SlotBytes, sled::IVec)>, StoreError> {
        let Some(record) = view.get(&keys::sealed(lead))? else {
            return Ok(None);
        };
        let slot = slot_of(&record)?;
        let bytes = slots::read(&self.slots, slot)
            .map_err(|error| StoreError::io("a slot of the vault could not be read", error))?;
        Ok(bytes.map(|bytes| (bytes, record)))
    }
}

fn no_randomness() -> StoreError {
    StoreError::io(
        "a lead could not be sealed",
        "the system gives no random bytes",
    )
}

/// The slot that a sealed lead names.
fn slot_of(record: &[u8]) -> Result<u32, StoreError> {
    let slot = codec::body(SEALED, record)?
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes));
    slot.ok_or_else(|| StoreError::unreadable(SEALED, "it names no slot"))
}

/// Which slots are in use, rising.
pub(crate) fn slots_in_use(view: &View) -> Result<Vec<u32>, StoreError> {
    let slot = |key: Result<sled::IVec, StoreError>| {
        Fields::of(&key?)
            .u32()
            .ok_or_else(|| StoreError::unreadable("slot", "its key is too short"))
    };
    view.keys(with_prefix(&[keys::SLOT])).map(slot).collect()
}

impl Txn<'_> {
    /// Puts a lead in the vault.
    pub(crate) fn put_sealed(
        &mut self,
        lead: LeadId,
        sealed: SealedLead,
    ) -> Result<(), StoreError> {
        let slot = self.new_slot(sealed.slot);
        let record = codec::encode_bytes(SEALED, &[&slot.to_be_bytes(), &sealed.sealed])?;
        self.put(keys::sealed(lead), record);
        self.mark(keys::slot(slot, lead), true);
        Ok(())
    }

    /// Whether the lead was posted and has not been erased.
    pub(crate) fn is_sealed(&self, lead: LeadId) -> Result<bool, StoreError> {
        Ok(self.get(&keys::sealed(lead))?.is_some())
    }

    /// Keeps words with their lead. Of a lead erased since they were sealed they are dropped.
    pub(crate) fn put_words(&mut self, lead: LeadId, words: SealedWords) -> Result<(), StoreError> {
        if self.is_sealed(lead)? {
            self.append(&keys::words(lead, words.bid), words.record)
        } else {
            Ok(())
        }
    }

    /// Destroys a lead's key, and removes what it opened. Whether there was anything.
    pub(crate) fn erase_sealed(&mut self, lead: LeadId) -> Result<bool, StoreError> {
        let Some(record) = self.get(&keys::sealed(lead))? else {
            return Ok(false);
        };
        let slot = slot_of(&record)?;
        self.erase_slot(slot);
        self.mark(keys::slot(slot, lead), false);
        self.remove(keys::sealed(lead));
        for key in self.keys(&keys::words_of_lead(lead))? {
            self.remove(key);
        }
        Ok(true)
    }
}

impl Store {
    /// A posted lead's personal fields, as they were given to the claim; `None` where there
    /// was no post, or the lead is erased.
    pub fn unseal_lead(&self, lead: LeadId) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some((slot, record)) = self.vault().opened(self.view(), lead)? else {
            return Ok(None);
        };
        let body = codec::body(SEALED, &record)?;
        self.unseal(&slot, lead, Kind::Lead, body.get(4..).unwrap_or_default())
    }

    /// The words kept of the delivery on this bid, oldest first.
    pub fn unseal_words(
        &self,
        lead: LeadId,
        bid: u16,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, StoreError> {
        let Some((slot, _)) = self.vault().opened(self.view(), lead)? else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for key in self.view().keys(with_prefix(&keys::words(lead, bid))) {
            let Some(record) = self.view().get(&key?)? else {
                continue;
            };
            let sealed = codec::body(WORDS, &record)?;
            all.extend(self.unseal(&slot, lead, Kind::Words(bid), &sealed)?);
        }
        Ok(all)
    }

    /// A text that does not open was erased between two reads, or is damaged: only where the
    /// lead still stands there is it the latter.
    fn unseal(
        &self,
        slot: &SlotBytes,
        lead: LeadId,
        kind: Kind,
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        match self.vault().keys.unseal(slot, lead, kind, sealed) {
            Some(text) => Ok(Some(text)),
            None if self.vault().opened(self.view(), lead)?.is_none() => Ok(None),
            None => Err(StoreError::unreadable(SEALED, "its seal does not open")),
        }
    }

    /// Keeps words with a lead's delivery, sealed and durable; of an erased lead, nothing.
    pub async fn keep_words(&self, lead: LeadId, bid: u16, words: &[u8]) -> Result<(), StoreError> {
        match self.seal_words(lead, bid, Some(words))? {
            Some(sealed) => self.change(move |txn| txn.put_words(lead, sealed)).await,
            None => Ok(()),
        }
    }

    pub(crate) fn seal_words(
        &self,
        lead: LeadId,
        bid: u16,
        words: Option<&[u8]>,
    ) -> Result<Option<SealedWords>, StoreError> {
        match words {
            Some(words) => self.vault().seal_words(self.view(), lead, bid, words),
            None => Ok(None),
        }
    }
}
