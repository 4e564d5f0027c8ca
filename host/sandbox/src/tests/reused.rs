//! Instances that live on: faster, bounded, and watched.

use std::{pin::pin, sync::Arc};

use gavel_market::model::{CallLimits, Instances};

use super::{LIMITS, call, guest::Guest, name, pinged, posted, small};
use crate::{Call, Called, FaultKind, Plugin, Sandbox, SandboxSettings, Verdict, Won};

/// A sandbox that runs one in so many calls again.
fn checking(reused_check_every: u32) -> Sandbox {
    with(|settings| settings.reused_check_every = reused_check_every)
}

fn with(change: impl FnOnce(&mut SandboxSettings)) -> Sandbox {
    let mut settings = SandboxSettings {
        concurrent_calls: 4,
        warm_instances: 4,
        reused_instances: 4,
        reused_check_every: 0,
        ..small()
    };
    change(&mut settings);
    Sandbox::new(settings).unwrap()
}

fn load(sandbox: &Sandbox, guest: &Guest) -> Plugin {
    sandbox.load(&name(), &guest.module(), LIMITS).unwrap()
}

fn reused() -> Call {
    Call {
        instances: Instances::Reused,
        ..call()
    }
}

fn of(account: &str) -> Call {
    Call {
        account: account.parse().unwrap(),
        ..reused()
    }
}

/// `$count` is how many questions this instance was asked before, in a memory that a fresh
/// one begins with zero; from `after` on it does `then`.
fn counting(after: u32, then: &str) -> Guest {
    Guest {
        items: "(global $calls (mut i32) (i32.const 0))".into(),
        qualify: format!(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (if (result i32) (i32.gt_u (global.get $calls) (i32.const {after}))
               (then {then}) (else (i32.const 1024)))"
        ),
        ..Guest::filter()
    }
}

/// Refuses from its second question on: what a filter with a forgotten counter does.
fn remembering(after: u32) -> Guest {
    let mut guest = Guest::filter();
    let refusal = guest.refusal("seen_enough", "it remembers");
    let counting = counting(after, &refusal);
    Guest {
        items: counting.items,
        qualify: counting.qualify,
        ..guest
    }
}

async fn ask(plugin: &Plugin, call: &Call) -> Called<Verdict> {
    plugin.qualify(call, &pinged()).await.expect("it answers")
}

fn is_refusal(called: &Called<Verdict>) -> bool {
    called.value != Verdict::Qualified
}

#[tokio::test]
async fn the_same_instance_is_asked_again_and_the_account_opened_once() {
    let sandbox = checking(0);
    let mut guest = remembering(2);
    let open = guest.log(1, "opened");
    guest.open = open + &guest.open;
    let plugin = load(&sandbox, &guest);
    let answers = [
        ask(&plugin, &reused()).await,
        ask(&plugin, &reused()).await,
        ask(&plugin, &reused()).await,
    ];
    assert_eq!(answers.each_ref().map(is_refusal), [false, false, true]);
    assert_eq!(answers.each_ref().map(|called| called.log.len()), [1, 0, 0]);
    assert_eq!(sandbox.reused().size().0, 1);
    // A call that wants a fresh one gets it, whatever is kept.
    assert!(!is_refusal(&ask(&plugin, &call()).await));
}

#[tokio::test]
async fn each_account_and_configuration_has_instances_of_its_own() {
    let sandbox = checking(0);
    let plugin = load(&sandbox, &remembering(1));
    let configured = Call {
        config: r#"{"other": 1}"#.into(),
        ..reused()
    };
    for call in [reused(), of("roofs-east"), configured] {
        assert!(!is_refusal(&ask(&plugin, &call).await));
    }
    assert_eq!(sandbox.reused().size().0, 3);
    // The text decides, not where it stands.
    let again = Call {
        config: Arc::from("{}".to_owned()),
        ..reused()
    };
    assert!(is_refusal(&ask(&plugin, &again).await));
    // Another version of the plugin begins anew.
    let other = load(&sandbox, &remembering(1));
    assert!(!is_refusal(&ask(&other, &reused()).await));
}

#[tokio::test]
async fn no_posted_lead_ever_meets_a_reused_instance() {
    let sandbox = checking(0);
    let filter = load(&sandbox, &remembering(1));
    ask(&filter, &reused()).await;
    for _ in 0..3 {
        let full = filter.qualify_full(&reused(), &posted()).await.unwrap();
        assert_eq!(full.value, Verdict::Qualified);
    }
    let mut guest = Guest::adapter();
    guest.items = "(global $calls (mut i32) (i32.const 0))".into();
    let said = guest.error("asked before");
    guest.ping = guest.bid("1.00");
    guest.post = format!(
        "(if (result i32) (global.get $calls) (then {said})
           (else (global.set $calls (i32.const 1)) (call $put (i32.const 4) (i32.const 1)) (i32.const 1024)))"
    );
    let adapter = load(&sandbox, &guest);
    for _ in 0..3 {
        assert!(adapter.ping(&reused(), &pinged(), &[]).await.is_ok());
        let (call, lead, won) = (reused(), posted(), Won::default());
        assert!(adapter.post(&call, &lead, &won, &[]).await.is_ok());
    }
    // The filter's and the adapter's of the pings.
    assert_eq!(sandbox.reused().size().0, 2);
}

#[tokio::test]
async fn an_instance_serves_so_many_calls() {
    let sandbox = with(|settings| settings.reused_calls_max = 3);
    let plugin = load(&sandbox, &remembering(2));
    let mut refusals = Vec::new();
    for _ in 0..6 {
        refusals.push(is_refusal(&ask(&plugin, &reused()).await));
    }
    assert_eq!(refusals, [false, false, true, false, false, true]);
}

#[tokio::test]
async fn so_many_instances_are_kept_and_the_one_longest_unused_goes_first() {
    let sandbox = with(|settings| settings.reused_instances = 2);
    let (one, other) = (
        load(&sandbox, &remembering(1)),
        load(&sandbox, &remembering(1)),
    );
    ask(&one, &of("a")).await;
    ask(&other, &of("b")).await;
    ask(&one, &of("a")).await;
    ask(&one, &of("c")).await;
    assert_eq!(sandbox.reused().size().0, 2);
    assert!(is_refusal(&ask(&one, &of("a")).await), "used last but one");
    assert!(!is_refusal(&ask(&other, &of("b")).await), "made room");
    drop(one);
    assert_eq!(sandbox.reused().size().0, 1, "goes with its plugin");
    drop(other);
    assert_eq!(sandbox.reused().size(), (0, 0));
}

#[tokio::test]
async fn nothing_is_kept_where_the_host_keeps_nothing() {
    let sandbox = with(|settings| settings.reused_instances = 0);
    let plugin = load(&sandbox, &remembering(1));
    for _ in 0..3 {
        assert!(!is_refusal(&ask(&plugin, &reused()).await));
    }
}

#[tokio::test]
async fn a_plugin_that_keeps_state_is_found_out_and_gets_fresh_instances() {
    let sandbox = checking(1);
    let plugin = load(&sandbox, &remembering(3));
    for _ in 0..3 {
        let called = ask(&plugin, &reused()).await;
        assert_eq!((is_refusal(&called), called.stateful), (false, None));
    }
    assert_eq!(plugin.stateful(), None);
    let called = ask(&plugin, &reused()).await;
    assert!(!is_refusal(&called), "the fresh answer counts");
    let words = called.stateful.unwrap();
    assert_eq!(plugin.stateful().as_deref(), Some(words.as_str()));
    assert!(words.contains("Disqualified"), "{words}");
    assert!(
        !words.contains("remembers") && !words.contains("seen_enough"),
        "{words}"
    );
    assert_eq!(sandbox.reused().size(), (0, 0));
    for _ in 0..10 {
        let called = ask(&plugin, &reused()).await;
        assert_eq!((is_refusal(&called), called.stateful), (false, None));
    }
    assert_eq!(sandbox.reused().size(), (0, 0));
}

#[tokio::test]
async fn about_one_call_in_so_many_is_run_again() {
    let sandbox = checking(10);
    let drawn = (0..10_000).filter(|_| sandbox.reused().is_to_be_checked());
    let drawn = drawn.count();
    assert!((700..1300).contains(&drawn), "{drawn}");
    let never = checking(0);
    assert!((0..1000).all(|_| !never.reused().is_to_be_checked()));
}

#[tokio::test]
async fn a_plugin_that_behaves_for_a_thousand_calls_is_found_out_after() {
    let sandbox = with(|settings| {
        settings.reused_check_every = 10;
        settings.reused_calls_max = 1_000_000;
    });
    let plugin = load(&sandbox, &remembering(1000));
    let mut wrong = 0;
    for _ in 0..2000 {
        wrong += usize::from(is_refusal(&ask(&plugin, &reused()).await));
    }
    assert!(plugin.stateful().is_some());
    // One in ten is looked at: that a hundred pass unseen has a chance of one in 30 000.
    assert!(wrong < 100, "{wrong}");
    // With the cap on calls that ships, it never gets there.
    let sandbox = checking(0);
    let plugin = load(&sandbox, &remembering(1000));
    for _ in 0..2000 {
        assert!(!is_refusal(&ask(&plugin, &reused()).await));
    }
}

#[tokio::test]
async fn other_fields_read_are_state_too() {
    let sandbox = checking(1);
    let mut guest = Guest::filter();
    guest.items = "(global $calls (mut i32) (i32.const 0))".into();
    let shade = guest.text("shade");
    // Reads once and remembers.
    guest.qualify = format!(
        "(if (i32.eqz (global.get $calls)) (then (call $field (local.get 1) {shade} (i32.const 2048))))
         (global.set $calls (i32.const 1)) (i32.const 1024)"
    );
    let plugin = load(&sandbox, &guest);
    ask(&plugin, &reused()).await;
    let called = ask(&plugin, &reused()).await;
    assert_eq!(called.fields_read, ["shade"]);
    assert!(called.stateful.unwrap().contains("none rather than shade"));
}

#[tokio::test]
async fn a_fault_of_a_reused_instance_is_run_again_on_a_fresh_one() {
    let bodies = [
        ("(unreachable)", "plugin_trap"),
        ("(loop $on (br $on)) (unreachable)", "plugin_time"),
        (
            "(drop (memory.grow (i32.const 4000))) (unreachable)",
            "plugin_memory",
        ),
        ("(i32.const -16)", "plugin_output"),
    ];
    for (body, outcome) in bodies {
        let sandbox = checking(0);
        let plugin = load(&sandbox, &counting(1, body));
        assert_eq!(ask(&plugin, &reused()).await.stateful, None);
        let called = ask(&plugin, &reused()).await;
        assert!(!is_refusal(&called));
        let words = called.stateful.unwrap();
        assert!(words.contains(outcome), "{words}");
        assert!(plugin.stateful().is_some());
        assert_eq!(sandbox.reused().size(), (0, 0));
    }
}

#[tokio::test]
async fn a_fault_that_a_fresh_instance_has_too_is_no_state() {
    let sandbox = checking(1);
    let mut guest = Guest::filter();
    let shade = guest.text("shade");
    // Traps for leads that tell their shade.
    guest.qualify = format!(
        "(call $field (local.get 1) {shade} (i32.const 2048))
         (if (result i32) (i32.load8_u (i32.const 2048)) (then (unreachable)) (else (i32.const 1024)))"
    );
    let plugin = load(&sandbox, &guest);
    for _ in 0..3 {
        let fault = plugin.qualify(&reused(), &pinged()).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Trap);
    }
    assert_eq!(plugin.stateful(), None);
    assert_eq!(sandbox.reused().size(), (0, 0), "discarded on any fault");
}

#[tokio::test]
async fn a_call_given_up_takes_its_instance_along() {
    let sandbox = checking(0);
    let plugin = load(&sandbox, &counting(1, "(loop $on (br $on)) (unreachable)"));
    ask(&plugin, &reused()).await;
    assert_eq!(sandbox.reused().size().0, 1);
    {
        let view = pinged();
        let patient = Call {
            limits: CallLimits {
                time: std::time::Duration::from_mins(1),
                ..LIMITS
            },
            ..reused()
        };
        let mut given_up = pin!(plugin.qualify(&patient, &view));
        super::busy::begin(&mut given_up).await;
    }
    assert_eq!(sandbox.reused().size(), (0, 0));
    assert!(ask(&plugin, &reused()).await.stateful.is_none());
    assert_eq!(plugin.stateful(), None);
}

#[tokio::test]
async fn time_log_and_memory_are_each_call_s_own() {
    let sandbox = checking(0);
    let mut guest = Guest::filter();
    let line = guest.log(1, "a line of thirty characters, or so");
    // Nearly all the log that a call may have, every time; and some time.
    guest.qualify = format!(
        "(local.set 2 (i32.const 60))
         (loop $on {line} (local.set 2 (i32.sub (local.get 2) (i32.const 1))) (br_if $on (local.get 2)))
         (local.set 2 (i32.const 3000000))
         (loop $busy (local.set 2 (i32.sub (local.get 2) (i32.const 1))) (br_if $busy (local.get 2)))
         (i32.const 1024)"
    );
    let plugin = load(&sandbox, &guest);
    let patient = Call {
        limits: CallLimits {
            time: std::time::Duration::from_millis(200),
            ..LIMITS
        },
        ..reused()
    };
    let first = ask(&plugin, &patient).await;
    // Together they would be over the time of one.
    let calls = 2 + (patient.limits.time.as_nanos() / first.cpu.as_nanos().max(1)).min(300);
    for _ in 0..calls {
        let called = ask(&plugin, &patient).await;
        assert_eq!(called.log.len(), first.log.len());
        assert_eq!(called.memory, first.memory);
        assert!(called.cpu < patient.limits.time);
    }
    assert_eq!((plugin.stateful(), sandbox.reused().size().0), (None, 1));
    // Under a bound that it is over, a fresh one is asked: which does not start.
    let less = Call {
        limits: CallLimits {
            memory: 64 << 10,
            ..LIMITS
        },
        ..reused()
    };
    let fault = plugin.qualify(&less, &pinged()).await.unwrap_err();
    assert_eq!((fault.kind, fault.function), (FaultKind::Memory, "start"));
    assert_eq!(plugin.stateful(), None);
}

#[tokio::test]
async fn an_instance_that_grows_is_dropped_before_it_fails() {
    let sandbox = checking(0);
    let grows = "(drop (memory.grow (i32.const 1))) (i32.const 1024)";
    let plugin = load(&sandbox, &counting(0, grows));
    let mut most = 0;
    for _ in 0..100 {
        let called = ask(&plugin, &reused()).await;
        assert_eq!(called.stateful, None);
        most = most.max(called.memory);
    }
    assert_eq!(plugin.stateful(), None);
    assert!(
        most > LIMITS.memory / 2 && most <= LIMITS.memory / 2 + (64 << 10),
        "{most}"
    );
}

#[tokio::test]
async fn handles_that_a_plugin_hoards_are_bounded() {
    let sandbox = with(|settings| settings.reused_calls_max = 10_000);
    let hoards = "(drop (call $new (i32.const 1))) (i32.const 1024)";
    let plugin = load(&sandbox, &counting(0, hoards));
    for _ in 0..1500 {
        assert!(!is_refusal(&ask(&plugin, &reused()).await));
    }
    // Run out of, faulted, answered fresh, and found out.
    assert!(plugin.stateful().unwrap().contains("plugin_trap"));
    // One that hoards nothing has as many calls as there may be.
    let plugin = load(&sandbox, &Guest::filter());
    for _ in 0..3000 {
        assert!(!is_refusal(&ask(&plugin, &reused()).await));
    }
    assert_eq!(plugin.stateful(), None);
}

#[tokio::test]
async fn a_lead_that_a_plugin_kept_is_gone_with_its_call() {
    let sandbox = checking(0);
    let mut guest = Guest::filter();
    guest.items = "(global $kept (mut i32) (i32.const 0))".into();
    let shade = guest.text("shade");
    // From the second call on it asks the handle of the first.
    guest.qualify = format!(
        "(if (global.get $kept)
           (then (call $field (global.get $kept) {shade} (i32.const 2048)))
           (else (global.set $kept (local.get 1))))
         (i32.const 1024)"
    );
    let plugin = load(&sandbox, &guest);
    ask(&plugin, &reused()).await;
    let called = ask(&plugin, &reused()).await;
    // The number may by now be the new lead's own; never the old one's.
    assert!(called.stateful.is_some() || called.fields_read == ["shade"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_instances_leave_room_for_as_many_calls_as_there_may_be() {
    let sandbox = checking(2);
    let plugins: Vec<_> = (0..3).map(|_| load(&sandbox, &Guest::filter())).collect();
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let plugin = plugins[task % 3].clone();
            tokio::spawn(async move {
                for turn in 0..500 {
                    let call = match turn % 3 {
                        0 => call(),
                        1 => reused(),
                        _ => of(["a", "b", "c", "d"][turn % 4]),
                    };
                    loop {
                        match plugin.qualify(&call, &pinged()).await {
                            Ok(called) => break assert!(called.stateful.is_none()),
                            // All places taken, for which it waits its turn; never the pool full.
                            Err(fault) => {
                                assert_eq!(fault.message(), "the host had no instance free");
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(sandbox.reused().size().0 <= 4);
    drop(plugins);
    assert_eq!(sandbox.reused().size(), (0, 0));
    let Some(pool) = sandbox.engine().pooling_allocator_metrics() else {
        return;
    };
    assert_eq!(
        (pool.component_instances(), pool.memories(), pool.stacks()),
        (0, 0, 0)
    );
}
