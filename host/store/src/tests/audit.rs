use super::{
    fresh, open,
    sample::{NOW_MS, id},
};
use crate::{
    ChangeError, Format, NewRevision, RevisionError, Store,
    audit::{AuditRecord, Note, on_behalf},
};

fn note(at_ms: u64, what: &str) -> Note {
    Note {
        at_ms,
        token: "8f00b204".into(),
        what: what.into(),
        request_id: "job-7".to_owned(),
    }
}

async fn put_market(store: &Store, expected: Option<u64>) -> Result<u64, RevisionError> {
    let new = NewRevision {
        text: "a market".into(),
        format: Format::Toml,
        source: None,
        at_ms: NOW_MS,
        by: "8f00b204".into(),
        changed: Vec::new(),
    };
    store.put_revision(new, expected).await
}

fn trail(store: &Store) -> Vec<AuditRecord> {
    store.audit(None, 100).expect("readable").items
}

#[tokio::test]
async fn a_change_on_somebodys_behalf_is_in_the_trail_with_the_revisions() {
    let (folder, store) = fresh();
    for number in 0..2 {
        let put = on_behalf(
            note(NOW_MS + number, "PUT /market"),
            put_market(&store, None),
        );
        assert_eq!(put.await, Ok(number + 1));
    }
    store.close().await;
    let trail = trail(&open(folder.path()));
    let seen: Vec<_> = trail
        .iter()
        .map(|record| (record.at_ms, record.from, record.to, record.changes))
        .collect();
    assert_eq!(
        seen,
        [
            (NOW_MS + 1, Some(1), Some(2), 1),
            (NOW_MS, None, Some(1), 1)
        ]
    );
    assert_eq!(trail[0].token, "8f00b204");
    assert_eq!(trail[0].what, "PUT /market");
}

#[tokio::test]
async fn a_request_of_several_changes_has_one_record() {
    let (_folder, store) = fresh();
    let lead = id(NOW_MS, 1);
    store.posted(lead, b"Ada Lovelace").await;
    on_behalf(note(NOW_MS, "several things"), async {
        put_market(&store, None).await.expect("put");
        store.erase_lead(lead.lead(), NOW_MS).await.expect("erased");
        put_market(&store, None).await.expect("put");
    })
    .await;
    let trail = trail(&store);
    let [one] = &trail[..] else {
        panic!("{trail:?}");
    };
    assert_eq!((one.from, one.to, one.changes), (None, Some(2), 3));
}

#[tokio::test]
async fn what_changed_nothing_is_not_in_the_trail() {
    let (_folder, store) = fresh();
    on_behalf(note(NOW_MS, "nothing"), async {
        let refused = put_market(&store, Some(7)).await;
        assert_eq!(refused, Err(RevisionError::Conflict { active: None }));
        let missing = store.erase_lead(id(NOW_MS, 1).lead(), NOW_MS).await;
        assert_eq!(missing, Err(ChangeError::NotFound));
        store.caught_up().await.expect("committed");
    })
    .await;
    // And what nobody asked for.
    store.opened(id(NOW_MS, 2), 3).await;
    put_market(&store, None).await.expect("put");
    assert_eq!(trail(&store), []);
}

#[tokio::test]
async fn a_spawned_task_does_not_inherit_the_note() {
    let (_folder, store) = fresh();
    on_behalf(note(NOW_MS, "a request"), async {
        let store = store.clone();
        let task = tokio::spawn(async move { put_market(&store, None).await });
        task.await.expect("no panic").expect("put");
    })
    .await;
    assert_eq!(trail(&store), []);
}

#[tokio::test]
async fn the_trail_is_listed_newest_first_page_by_page() {
    let (_folder, store) = fresh();
    for number in 0..5 {
        let put = on_behalf(
            note(NOW_MS + number, "PUT /market"),
            put_market(&store, None),
        );
        put.await.expect("put");
    }
    let (mut times, mut before) = (Vec::new(), None);
    loop {
        let page = store.audit(before, 2).expect("readable");
        times.extend(page.items.iter().map(|record| record.at_ms - NOW_MS));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(times, [4, 3, 2, 1, 0]);
}
