//! What a call costs others: on a busy machine, in a full pool, given up half-way.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use gavel_market::model::CallLimits;

use super::{LIMITS, assert_serves, call, guest::Guest, load, name, pinged, small};
use crate::{
    Call, FaultKind, Plugin, Sandbox, SandboxSettings, limits::MEMORY_KEPT_RESIDENT_BYTES,
};

#[test]
fn an_innocent_call_survives_a_busy_machine() {
    let mut guest = Guest::filter();
    guest.qualify = "(local.set 2 (i32.const 40000000))
        (loop $on (local.set 2 (i32.sub (local.get 2) (i32.const 1))) (br_if $on (local.get 2))) (i32.const 1024)"
        .into();
    let plugin = load(&guest);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let patient = Call {
        limits: CallLimits {
            time: Duration::from_secs(10),
            ..LIMITS
        },
        ..call()
    };
    let alone = runtime
        .block_on(plugin.qualify(&patient, &pinged()))
        .unwrap()
        .cpu;

    let stop = Arc::new(AtomicBool::new(false));
    let spinners: Vec<_> = (0..2 * thread::available_parallelism().unwrap().get())
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || while !stop.load(Relaxed) {})
        })
        .collect();
    let limited = Call {
        limits: CallLimits {
            time: alone * 3,
            ..LIMITS
        },
        ..call()
    };
    let results: Vec<_> = (0..4)
        .map(|_| {
            let start = Instant::now();
            (
                runtime.block_on(plugin.qualify(&limited, &pinged())),
                start.elapsed(),
            )
        })
        .collect();
    stop.store(true, Relaxed);
    for spinner in spinners {
        spinner.join().unwrap();
    }
    for (result, took) in results {
        assert!(
            result.is_ok(),
            "{:?} alone, {took:?} now: {}",
            alone,
            result.unwrap_err().message()
        );
    }
}

/// Polls once: a call that does not end comes back at a tick, and is under way from then on.
pub(super) async fn begin(work: &mut (impl Future + Unpin)) {
    poll_fn(|context| {
        assert!(
            Pin::new(&mut *work).poll(context).is_pending(),
            "it does not end"
        );
        Poll::Ready(())
    })
    .await;
}

fn stuck(sandbox: &Sandbox) -> (Plugin, Call) {
    let guest = Guest {
        qualify: "(loop $on (br $on)) (unreachable)".into(),
        ..Guest::filter()
    };
    let plugin = sandbox.load(&name(), &guest.module(), LIMITS).unwrap();
    (
        plugin,
        Call {
            limits: CallLimits {
                time: Duration::from_mins(1),
                ..LIMITS
            },
            ..call()
        },
    )
}

#[tokio::test]
async fn a_host_without_a_free_instance_says_so() {
    let settings = SandboxSettings {
        concurrent_calls: 1,
        wait_for_instance: Duration::from_millis(1),
        ..small()
    };
    let sandbox = Sandbox::new(settings).unwrap();
    let ((plugin, patient), view) = (stuck(&sandbox), pinged());
    {
        let mut under_way = pin!(plugin.qualify(&patient, &view));
        begin(&mut under_way).await;
        let fault = plugin.qualify(&patient, &view).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Overloaded);
    }
    assert_serves(&sandbox).await;
}

#[tokio::test]
async fn a_call_given_up_gives_back_all_it_held() {
    let sandbox = Sandbox::new(SandboxSettings {
        concurrent_calls: 2,
        ..small()
    })
    .unwrap();
    let ((plugin, patient), view) = (stuck(&sandbox), pinged());
    for _ in 0..20 {
        let mut given_up = pin!(plugin.qualify(&patient, &view));
        begin(&mut given_up).await;
    }
    assert_serves(&sandbox).await;
    let Some(pool) = sandbox.engine().pooling_allocator_metrics() else {
        return;
    };
    assert_eq!(
        (pool.component_instances(), pool.memories(), pool.stacks()),
        (0, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_leave_the_pool_as_it_was() {
    let sandbox = Sandbox::new(small()).unwrap();
    let plugin = sandbox
        .load(&name(), &Guest::filter().module(), LIMITS)
        .unwrap();
    let mut kept = Vec::new();
    for calls in [2_000, 8_000] {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let plugin = plugin.clone();
                tokio::spawn(async move {
                    for _ in 0..calls / 8 {
                        plugin.qualify(&call(), &pinged()).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let Some(pool) = sandbox.engine().pooling_allocator_metrics() else {
            return;
        };
        assert_eq!(
            (
                pool.core_instances(),
                pool.memories(),
                pool.tables(),
                pool.stacks()
            ),
            (0, 0, 0, 0)
        );
        kept.push(pool.unused_memory_bytes_resident());
    }
    // At most what as many slots as ran at once may keep: it does not grow with the calls.
    assert!(kept[1] <= 8 * MEMORY_KEPT_RESIDENT_BYTES, "{kept:?}");
}

#[tokio::test]
async fn the_clock_ends_with_the_last_plugin() {
    let sandbox = Sandbox::new(small()).unwrap();
    let plugin = sandbox
        .load(&name(), &Guest::filter().module(), LIMITS)
        .unwrap();
    let engine = sandbox.engine().weak();
    drop(sandbox);
    assert!(plugin.qualify(&call(), &pinged()).await.is_ok());
    drop(plugin);
    // The clock itself holds the engine for the blink of a tick.
    let deadline = Instant::now() + Duration::from_secs(10);
    while engine.upgrade().is_some() && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    assert!(engine.upgrade().is_none());
}

#[tokio::test]
async fn where_there_is_no_room_for_a_pool_calls_are_only_slower() {
    // Four petabytes of address space.
    let sandbox = Sandbox::start(SandboxSettings {
        warm_instances: 1_000_000,
        ..small()
    })
    .unwrap();
    assert!(sandbox.engine().pooling_allocator_metrics().is_none());
    assert_serves(&sandbox).await;
    let (plugin, _) = stuck(&sandbox);
    assert_eq!(
        plugin.qualify(&call(), &pinged()).await.unwrap_err().kind,
        FaultKind::Time
    );
    assert_serves(&sandbox).await;
}
