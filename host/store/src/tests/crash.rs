//! `kill -9` at any moment: what was acknowledged is there, and no half of a change.
//!
//! This program runs itself again as a child that opens, posts and sells orders and says so
//! on its standard output; the parent kills it at some moment and looks.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use gavel_market::{
    ids::OrderId,
    order::{OrderState, PostAnswer},
    room::Taking,
};

use super::{
    indexes::{compared, stored_with},
    open,
    report::{count, reports_add_up},
    room::assert_counted,
    sample::{self, NOW_MS, id},
};
use crate::{Store, keys};

/// Names the child's folder, and makes it the child.
const FOLDER: &str = "GAVEL_STORE_TEST_FOLDER";

/// Numbers the child's orders from here on.
const FIRST: &str = "GAVEL_STORE_TEST_FIRST";

const ROUNDS: u64 = 8;
const CALLERS: u64 = 8;

/// Orders of one child, at most: it ends by itself if nobody kills it.
const ORDERS_MAX: u64 = 4_000;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..ROUNDS {
        // Some early, in the midst of the first commits; some when sled has moved pages about.
        let lines = [3, 30, 150, 400, 1_000, 7, 60, 700][usize::try_from(round).expect("small")];
        let mut child = child(folder.path(), round * ORDERS_MAX);
        let acknowledged = kill_after(&mut child, lines);
        assert!(acknowledged.len() >= lines);
        let store = open(folder.path());
        let (stored, right) = compared(&store);
        assert_eq!(stored, right, "round {round}: half a change is there");
        assert_counted(&store, &takings(&store));
        reports_add_up(&store);
        for (what, id) in acknowledged {
            let order = store
                .order(id)
                .expect("readable")
                .unwrap_or_else(|| panic!("round {round}: {what} {id} is lost"));
            if what == "sold" {
                assert_eq!(order.state, OrderState::Sold, "round {round}: {id}");
                assert!(matches!(
                    order.post.and_then(|post| post.answer),
                    Some(PostAnswer::Sold { .. })
                ));
                assert_eq!(store.ledger(id.lead()).expect("readable").len(), 2);
                assert_eq!(store.personal(id.lead()), Some(id.to_string().into_bytes()));
            }
        }
    }
}

/// What every order takes that is there.
fn takings(store: &Store) -> Vec<Taking> {
    let orders = stored_with(store, b'o').into_iter().map(|key| {
        let id = keys::Fields::of(&key).ulid().map(OrderId);
        let order = store.order(id.expect("a ULID")).expect("readable");
        order.expect("there").takings()
    });
    orders.flatten().collect()
}

fn child(folder: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([
            "tests::crash::the_child_of_the_test_above",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child")
}

/// Kills the child once it has said so many things, and returns all that it said.
fn kill_after(child: &mut Child, lines: usize) -> Vec<(String, OrderId)> {
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut said = Vec::new();
    let mut line = String::new();
    while output.read_line(&mut line).expect("readable") > 0 {
        if let Some(acknowledged) = acknowledged(&line) {
            said.push(acknowledged);
        }
        if said.len() == lines {
            child.kill().expect("killed");
        }
        line.clear();
    }
    child.wait().expect("ended");
    said
}

/// A whole line of the child's; the last one may be cut.
fn acknowledged(line: &str) -> Option<(String, OrderId)> {
    let (what, id) = line
        .strip_prefix("acknowledged ")?
        .strip_suffix('\n')?
        .split_once(' ')?;
    Some((what.into(), id.parse().ok()?))
}

#[test]
fn the_child_of_the_test_above() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let first: u64 = std::env::var(FIRST)
        .expect("a number")
        .parse()
        .expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let store = open(Path::new(&folder));
    say("");
    runtime.block_on(async {
        let tasks: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let store = store.clone();
                tokio::spawn(async move {
                    for number in (first + caller..first + ORDERS_MAX)
                        .step_by(usize::try_from(CALLERS).expect("small"))
                    {
                        let id = id(NOW_MS + number, number);
                        match number % 4 {
                            0 => {
                                store.opened(id, 3).await;
                                say(&format!("acknowledged opened {id}"));
                            }
                            1 => {
                                store.posted(id, b"").await;
                                store.delivered(id, sample::rejected(), None).await;
                                say(&format!("acknowledged rejected {id}"));
                            }
                            _ => {
                                store.sold(id, id.to_string().as_bytes(), NOW_MS).await;
                                say(&format!("acknowledged sold {id}"));
                            }
                        }
                        // Windows pass meanwhile, and give room back.
                        if number % 50 == 0 {
                            store.expire_due(NOW_MS + number, 10).await.expect("swept");
                        }
                    }
                })
            })
            .collect();
        // Somebody counts all the while.
        let counting = tokio::spawn({
            let store = store.clone();
            async move {
                loop {
                    count(&store).await;
                }
            }
        });
        for task in tasks {
            task.await.expect("a caller ends");
        }
        counting.abort();
    });
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // The parent may be gone.
    drop(writeln!(output, "{line}").and_then(|()| output.flush()));
}
