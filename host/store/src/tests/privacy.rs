use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use gavel_market::{model::OnUnconfirmed, order::End};

use tempfile::TempDir;

use super::{
    fresh, key, open,
    sample::{self, NOW_MS, id},
};
use crate::{Store, codec, keys::Key, vault::slots::SLOT_BYTES};

const PERSONAL: &[u8] = b"ada.lovelace@analytical.example +12025550123";
const WORDS: &[u8] = b"thank you Ada, see https://buyer.example/thanks?lead=4711";

fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, into);
        } else {
            into.push(path);
        }
    }
}

fn found_in(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    files_below(folder, &mut files);
    assert!(files.len() >= 3, "lock, slots and sled's own");
    files.retain(|file| {
        fs::read(file)
            .expect("readable")
            .windows(needle.len())
            .any(|bytes| bytes == needle)
    });
    files
}

/// The keys of records that hold this, unpacked: in the files, an LZ4 block shows only what
/// stands in it for the first time.
fn records_with(store: &Store, needle: &[u8]) -> Vec<Key> {
    let keys = store.0.db.iter().keys().map(|key| key.expect("readable"));
    let holds = |key: &sled::IVec| {
        let record = store.view().get(key).expect("whole").unwrap_or_default();
        let body = codec::body("record", &record).unwrap_or_default();
        body.windows(needle.len()).any(|bytes| bytes == needle)
    };
    // The parts of a long record stand in it.
    keys.filter(|key| !key.starts_with(b"y") && holds(key))
        .map(|key| key.to_vec())
        .collect()
}

/// The sled files of then with the slots of now: what is left to somebody who has kept a copy.
fn copy_with_slots_of(folder: &Path, old_sled: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    copy_all(old_sled, &copy.path().join("sled"));
    fs::copy(folder.join("slots"), copy.path().join("slots")).expect("copied");
    copy
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_all(&path, &to);
        } else {
            fs::copy(&path, to).expect("copied");
        }
    }
}

#[tokio::test]
async fn a_personal_value_is_in_no_file_and_can_be_unsealed() {
    let (folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, PERSONAL).await;
    store.delivered(id, sample::rejected(), Some(WORDS)).await;
    store
        .keep_words(id.lead(), 0, b"and another word")
        .await
        .expect("kept");
    let needles = [
        PERSONAL,
        WORDS,
        b"lovelace",
        b"2025550123",
        b"buyer.example",
        b"another word",
    ];
    for needle in needles {
        assert_eq!(records_with(&store, needle), Vec::<Key>::new());
    }
    // Both searches would have found it.
    assert_ne!(records_with(&store, b"solar-west"), Vec::<Key>::new());
    store.close().await;
    for needle in needles {
        assert_eq!(found_in(folder.path(), needle), Vec::<PathBuf>::new());
    }
    assert_ne!(
        found_in(folder.path(), b"solar-west"),
        Vec::<PathBuf>::new()
    );

    let store = open(folder.path());
    assert_eq!(store.personal(id.lead()).as_deref(), Some(PERSONAL));
    let words = store.unseal_words(id.lead(), 0).expect("readable");
    assert_eq!(
        words
            .iter()
            .map(|words| words.as_slice())
            .collect::<Vec<_>>(),
        [WORDS, b"and another word"]
    );
    assert!(
        store
            .unseal_words(id.lead(), 1)
            .expect("readable")
            .is_empty()
    );
}

#[tokio::test]
async fn an_erased_lead_is_gone_and_its_order_stays() {
    let (folder, store) = fresh();
    let (one, other) = (id(NOW_MS, 1), id(NOW_MS, 2));
    store.posted(one, PERSONAL).await;
    store.delivered(one, sample::rejected(), Some(WORDS)).await;
    store.posted(other, b"Charles").await;
    let erased = store.erase_lead(one.lead(), NOW_MS).await.expect("erased");
    assert_eq!(
        store.erase_lead(one.lead(), NOW_MS).await,
        Ok(erased),
        "nothing more to do"
    );
    store
        .keep_words(one.lead(), 0, WORDS)
        .await
        .expect("dropped");
    let check = |store: &crate::Store| {
        assert_eq!(store.personal(one.lead()), None);
        let words = store.unseal_words(one.lead(), 0).expect("readable");
        assert!(words.is_empty());
        assert!(store.order(one).expect("readable").is_some());
        assert_eq!(
            store.personal(other.lead()).as_deref(),
            Some(&b"Charles"[..])
        );
    };
    check(&store);
    store.close().await;
    check(&open(folder.path()));
}

#[tokio::test]
async fn an_erased_lead_stays_closed_to_who_has_the_key_and_an_old_copy() {
    let (folder, store) = fresh();
    let (one, other) = (id(NOW_MS, 1), id(NOW_MS, 2));
    store.posted(one, PERSONAL).await;
    store.delivered(one, sample::rejected(), Some(WORDS)).await;
    store.close().await;
    let old = tempfile::tempdir().expect("a folder");
    copy_all(&folder.path().join("sled"), old.path());

    let readable = copy_with_slots_of(folder.path(), old.path());
    assert_eq!(
        open(readable.path()).personal(one.lead()).as_deref(),
        Some(PERSONAL)
    );

    let store = open(folder.path());
    store.erase_lead(one.lead(), NOW_MS).await.expect("erased");
    let copy = copy_with_slots_of(folder.path(), old.path());
    let opened = open(copy.path());
    assert!(
        opened.order(one).expect("readable").is_some(),
        "the copy has the records"
    );
    assert_eq!(opened.personal(one.lead()), None);
    assert!(
        opened
            .unseal_words(one.lead(), 0)
            .expect("readable")
            .is_empty()
    );

    // The slot has a new owner; its bytes open nothing of the old one's.
    store.posted(other, b"Charles").await;
    assert_eq!(
        fs::metadata(folder.path().join("slots"))
            .expect("slots")
            .len(),
        SLOT_BYTES as u64
    );
    let copy = copy_with_slots_of(folder.path(), old.path());
    let opened =
        crate::Store::open(copy.path(), &key(), crate::Settings::default()).expect("a store");
    assert!(opened.unseal_lead(one.lead()).is_err());
}

/// With the store's key, the sled files of before and the slots of today.
#[tokio::test]
async fn nothing_that_was_erased_opens_from_an_older_copy_whatever_erased_it() {
    let (folder, store) = fresh();
    let leads: Vec<_> = (1..=3).map(|number| id(NOW_MS, number)).collect();
    let [retried, sold, kept] = leads[..] else {
        unreachable!("three");
    };
    store.posted(retried, PERSONAL).await;
    store.accept_order(retried, NOW_MS).await.expect("accepted");
    let retry = End::Unreachable {
        retry_at_ms: Some(NOW_MS + 1),
        retries: true,
    };
    store
        .end_delivery(retried, 0, retry, OnUnconfirmed::Next, Some(WORDS), NOW_MS)
        .await
        .expect("ended");
    store.sold(sold, PERSONAL, NOW_MS).await;
    store.posted(kept, b"Charles").await;
    store.close().await;
    let old = tempfile::tempdir().expect("a folder");
    copy_all(&folder.path().join("sled"), old.path());

    let store = open(folder.path());
    store
        .erase_lead(retried.lead(), NOW_MS + 1)
        .await
        .expect("erased");
    store
        .finish_order(retried, sample::terms(), NOW_MS + 1)
        .await
        .expect("what had not begun has failed");
    let year = Duration::from_hours(24 * 365);
    // Settled a moment later, the one that was asked for is not due yet.
    let swept = store.erase_due(NOW_MS + 60_000, year, Duration::from_mins(1), 10);
    assert_eq!(swept.await, Ok(1), "the sold one alone");
    // No word and no closing in between: the slots are overwritten before the answer.
    let copy = copy_with_slots_of(folder.path(), old.path());
    let opened = open(copy.path());
    for lead in [retried, sold] {
        assert!(
            opened.order(lead).expect("readable").is_some(),
            "the copy has the records"
        );
        assert_eq!(opened.personal(lead.lead()), None);
        let words = opened.unseal_words(lead.lead(), 0).expect("readable");
        assert!(words.is_empty());
    }
    assert_eq!(
        opened.personal(kept.lead()).as_deref(),
        Some(&b"Charles"[..])
    );
}

#[tokio::test]
async fn an_erasure_cut_short_by_a_crash_has_erased() {
    let (folder, store) = fresh();
    let id = id(NOW_MS, 1);
    store.posted(id, PERSONAL).await;
    store.close().await;
    // The slot is overwritten, and the commit that would remove the records never came.
    fs::write(folder.path().join("slots"), [0; SLOT_BYTES]).expect("written");
    let store = open(folder.path());
    assert_eq!(store.personal(id.lead()), None);
    store.erase_lead(id.lead(), NOW_MS).await.expect("erased");
    assert_eq!(store.personal(id.lead()), None);
}

#[tokio::test]
async fn a_keyed_hash_is_the_same_after_a_restart() {
    let (folder, store) = fresh();
    let hash = store.keyed_hash("phone", b"+12025550123");
    store.close().await;
    assert_eq!(
        open(folder.path()).keyed_hash("phone", b"+12025550123"),
        hash
    );
}
