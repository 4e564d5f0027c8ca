//! Reading: what is durable, and nothing else.
//!
//! The committer puts a group of changes into sled and only then makes it durable. Between
//! the two a plain read would see a sale that a power cut may still undo, and a supplier
//! that posts again would be told of it. So while a group is under way its *before-images*
//! stand here, and a reader that finds its key among them takes the old value.
//!
//! A reader asks sled first and the before-images second. A new value can have come out of
//! sled only after its group's images were published; if they are gone by then, the group
//! is durable, and if a later group's stand there, they hold this group's durable value.
//! No lock is held and nothing is tried again.

use std::{collections::HashMap, ops::Bound, sync::Arc};

use arc_swap::ArcSwapOption;
use sled::IVec;

use crate::{
    codec,
    error::StoreError,
    keys::{self, Key},
};

/// The last durable value of every record that the group under way changes, and whether a ping's
/// mark was there.
pub(crate) type Before = HashMap<Key, Option<IVec>>;

/// A range of keys.
pub(crate) type KeyRange = (Bound<Key>, Bound<Key>);

/// How often a long record is read again because the committer replaced it meanwhile. Each
/// time takes a commit of its own, which is far slower than the reading.
const JOIN_TRIES: u32 = 100;

/// What is durable.
#[derive(Clone)]
pub(crate) struct View {
    tree: sled::Tree,
    before: Arc<ArcSwapOption<Before>>,
}

impl View {
    pub(crate) fn new(tree: sled::Tree, before: Arc<ArcSwapOption<Before>>) -> Self {
        Self { tree, before }
    }

    /// A record.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        let now = record(&self.tree, key)?;
        match self
            .before
            .load()
            .as_ref()
            .and_then(|before| before.get(key))
        {
            Some(before) => Ok(before.clone()),
            None => Ok(now),
        }
    }

    /// Keys in a range, rising; those of the group under way are among them, so whoever
    /// lists something reads its record with [`View::get`] and looks again.
    pub(crate) fn keys(
        &self,
        range: KeyRange,
    ) -> impl DoubleEndedIterator<Item = Result<IVec, StoreError>> {
        self.tree
            .range::<Key, _>(range)
            .keys()
            .map(|key| key.map_err(StoreError::from))
    }
}

/// Every key with this prefix.
pub(crate) fn with_prefix(prefix: &[u8]) -> KeyRange {
    (Bound::Included(prefix.to_vec()), end(prefix))
}

/// Every key with this prefix that is greater than `after`.
pub(crate) fn with_prefix_after(prefix: &[u8], after: Option<Key>) -> KeyRange {
    let start = after.map_or_else(|| Bound::Included(prefix.to_vec()), Bound::Excluded);
    (start, end(prefix))
}

/// Every key with this prefix from `from` to below `before`.
pub(crate) fn with_prefix_between(prefix: &[u8], from: Key, before: Option<Key>) -> KeyRange {
    (
        Bound::Included(from),
        before.map_or_else(|| end(prefix), Bound::Excluded),
    )
}

fn end(prefix: &[u8]) -> Bound<Key> {
    keys::end_of(prefix).map_or(Bound::Unbounded, Bound::Excluded)
}

/// Reads a record as it stands in sled, put together from its parts.
pub(crate) fn record(tree: &sled::Tree, key: &[u8]) -> Result<Option<IVec>, StoreError> {
    Ok(record_and_parts(tree, key)?.map(|(record, _)| record))
}

/// The same, with the number of its further parts.
pub(crate) fn record_and_parts(
    tree: &sled::Tree,
    key: &[u8],
) -> Result<Option<(IVec, u16)>, StoreError> {
    for _ in 0..JOIN_TRIES {
        let Some(head) = tree.get(key)? else {
            return Ok(None);
        };
        let count = codec::parts_of(&head);
        if count == 0 {
            return Ok(Some((head, 0)));
        }
        let parts = (1..=count)
            .map(|number| tree.get(keys::part(key, number)))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(record) = codec::join(&head, parts.into_iter()) {
            return Ok(Some((record.into(), count)));
        }
    }
    Err(StoreError::unreadable(
        "long record",
        "its parts do not belong together",
    ))
}
