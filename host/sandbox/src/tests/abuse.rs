//! Plugins that use the interface itself as a weapon; the list of all harm is in [`super::hostile`].

use std::time::Duration;

use gavel_market::model::CallLimits;

use super::{
    LIMITS, assert_serves, call, fault_of, guest::Guest, load, name, ping_step, pinged, posted,
    sandbox,
};
use crate::{Amount, Call, FaultKind, PingStep, PostStep, Response, Verdict, Won};

fn filter(qualify: &str) -> Guest {
    Guest {
        qualify: qualify.into(),
        ..Guest::filter()
    }
}

#[tokio::test]
async fn a_bulk_copy_s_time_counts() {
    // One instruction that nothing interrupts, again and again: 60 MB each.
    let copies = filter(
        "(drop (memory.grow (i32.const 959)))
         (loop $on (memory.copy (i32.const 65536) (i32.const 131072) (i32.const 60000000)) (br $on)) (unreachable)",
    );
    let large = Call {
        limits: CallLimits {
            memory: 64 << 20,
            ..LIMITS
        },
        ..call()
    };
    let fault = load(&copies).qualify(&large, &pinged()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Time, "{}", fault.message());
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn a_panic_in_any_function_is_a_fault_of_that_function() {
    const PANIC: &str = "(unreachable)";
    let describe = Guest {
        describe: PANIC.into(),
        ..Guest::filter()
    };
    let refused = sandbox()
        .load(&name(), &describe.module(), LIMITS)
        .unwrap_err();
    assert_eq!(refused.code(), "bad_describe");
    for kind in [Guest::filter(), Guest::adapter()] {
        let open = Guest {
            open: PANIC.into(),
            ..kind
        };
        let plugin = load(&open);
        let account = call().account;
        let refused = plugin.check_config(&account, "{}").await.unwrap_err();
        assert!(refused.message.contains("plugin_trap in open"), "{refused}");
    }
    let fault = fault_of(&filter(PANIC)).await;
    assert_eq!((fault.kind, fault.function), (FaultKind::Trap, "qualify"));
    let adapter = load(&Guest {
        ping: PANIC.into(),
        post: PANIC.into(),
        ..Guest::adapter()
    });
    let fault = adapter.ping(&call(), &pinged(), &[]).await.unwrap_err();
    assert_eq!((fault.kind, fault.function), (FaultKind::Trap, "ping"));
    let fault = adapter
        .post(&call(), &posted(), &Won::default(), &[])
        .await
        .unwrap_err();
    assert_eq!((fault.kind, fault.function), (FaultKind::Trap, "post"));
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn an_allocator_that_fails_or_lies_costs_the_plugin() {
    let allocators = [
        ("(unreachable)", FaultKind::Trap),
        ("(loop $on (br $on)) (unreachable)", FaultKind::Time),
        // Beyond its memory, and not where it was asked to.
        ("(i32.const -16)", FaultKind::Output),
        ("(i32.const 0x7ffffff0)", FaultKind::Output),
    ];
    for (realloc, kind) in allocators {
        let guest = Guest {
            realloc: realloc.into(),
            ..Guest::filter()
        };
        let fault = fault_of(&guest).await;
        assert_eq!(
            (fault.kind, fault.function),
            (kind, "open"),
            "{}",
            fault.message()
        );
    }
    let unaligned = Guest {
        realloc: "(i32.const 40001)".into(),
        ping: "(i32.const 1024)".into(),
        ..Guest::adapter()
    };
    let answer = Response {
        status: 200,
        headers: vec![("a".into(), "b".into())],
        body: vec![1],
    };
    let fault = load(&unaligned)
        .ping(&call(), &pinged(), &[answer])
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Output, "{}", fault.message());
    // All in one place: it overwrites its own memory, which is its own affair.
    let same = Guest {
        realloc: "(i32.const 40000)".into(),
        ..Guest::filter()
    };
    assert!(load(&same).qualify(&call(), &pinged()).await.is_ok());
}

#[tokio::test]
async fn a_huge_list_is_refused_wherever_it_comes_from() {
    for length in [100_000, 1 << 24, -1] {
        // Headers of a request, of eight or sixteen bytes each.
        let mut guest = Guest::adapter();
        let (method, url) = (guest.put_text(8, "POST"), guest.put_text(16, "https://a"));
        guest.ping = format!(
            "{method} {url} (call $put_text (i32.const 24) (i32.const 8192) (i32.const {length})) (i32.const 1024)"
        );
        guest.pages = 15;
        let fault = ping_step(&guest).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Output, "{}", fault.message());
        // A body.
        guest.ping = format!(
            "{method} {url} (call $put_text (i32.const 32) (i32.const 8192) (i32.const {length})) (i32.const 1024)"
        );
        let result = ping_step(&guest).await;
        assert_eq!(result.is_ok(), length == 100_000);
        // Fields that a description needs.
        let mut guest = Guest::filter();
        let needs = format!(
            "(call $put_text (i32.const 32) (i32.const 8192) (i32.const {length})) (i32.const 1024)"
        );
        guest.describe = guest
            .description("greedy", "{}")
            .replace("(i32.const 1024)", &needs);
        let refused = sandbox()
            .load(&name(), &guest.module(), LIMITS)
            .unwrap_err();
        assert_eq!(refused.code(), "bad_describe", "{refused}");
    }
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn what_a_host_call_is_given_is_checked_too() {
    let calls = [
        // No text; beyond its memory; around its end; more than may cross; a level that is none.
        "(call $log (i32.const 1) (i32.const 3000) (i32.const 2))",
        "(call $log (i32.const 1) (i32.const 4096) (i32.const 0x40000000))",
        "(call $log (i32.const 1) (i32.const -8) (i32.const 16))",
        "(call $log (i32.const 1) (i32.const 4096) (i32.const 900000))",
        "(call $log (i32.const 77) (i32.const 4096) (i32.const 1))",
        "(call $field (local.get 1) (i32.const 3000) (i32.const 2) (i32.const 2048))",
        // A place for the answer that is none.
        "(call $field (local.get 1) (i32.const 4096) (i32.const 1) (i32.const -4))",
        "(call $field (local.get 1) (i32.const 4096) (i32.const 1) (i32.const 2049))",
        "(call $fields (local.get 1) (i32.const -4))",
    ];
    for body in calls {
        let guest = Guest {
            items: r#"(data (i32.const 3000) "\ff\fe")"#.into(),
            pages: 15,
            ..filter(&format!("{body} (i32.const 1024)"))
        };
        let fault = fault_of(&guest).await;
        assert_eq!(
            (fault.kind, fault.log().len()),
            (FaultKind::Trap, 0),
            "{body}: {}",
            fault.message()
        );
    }
}

#[tokio::test]
async fn only_a_handle_that_was_given_is_good() {
    let bodies = [
        // Of a lead: never given, given back, given back twice, the account's.
        "(drop (call $stage (i32.const 99)))",
        "(drop (call $stage (i32.const -1)))",
        "(call $drop_lead (local.get 1)) (drop (call $stage (local.get 1)))",
        "(call $drop_lead (local.get 1)) (call $drop_lead (local.get 1))",
    ];
    for body in bodies {
        let fault = fault_of(&filter(&format!("{body} (i32.const 1024)"))).await;
        assert_eq!(fault.kind, FaultKind::Trap, "{body}");
    }
    // An account that is none, from `open`.
    for account in ["99", "-1", "0"] {
        let guest = Guest {
            open: format!("(i32.store (i32.const 516) (i32.const {account})) (i32.const 512)"),
            ..Guest::filter()
        };
        let fault = fault_of(&guest).await;
        assert_eq!((fault.kind, fault.function), (FaultKind::Output, "open"));
    }
}

#[tokio::test]
async fn no_price_can_be_made_of_what_is_none() {
    let tiny = format!("0.{}1", "0".repeat(254));
    let long = "9".repeat(255);
    let many = "1".repeat(100_000);
    let amounts = [
        tiny.as_str(),
        &long,
        &many,
        "-9223372036854775808",
        "9223372036854775807",
        "18446744073709551616",
        "79228162514264337593543950336",
        "-0.01",
        "-0",
        "+5",
        "inf",
        "-inf",
        "nan",
        "NaN(5)",
        "1e5",
        "1E-2",
        "0x10",
        "1_000",
        "1 000",
        " 5",
        "5\n",
        "5\0",
        "5.",
        ".5",
        "$5",
        "\u{665}",
        "\u{ff15}",
        "5.0.0",
    ];
    for amount in amounts {
        let mut guest = Guest::adapter();
        guest.ping = guest.bid(amount);
        guest.pages = 4;
        let step = ping_step(&guest).await.unwrap();
        let PingStep::Bid { amount: read, .. } = step else {
            panic!("it bids")
        };
        let shown = amount.get(..20).unwrap_or(amount);
        assert_eq!(read, Some(Amount::Invalid), "{shown:?}");
        // The same as what a buyer pays at the post.
        let mut guest = Guest::adapter();
        let price = guest.put_text(24, amount);
        guest.pages = 4;
        guest.post = format!(
            "(call $put (i32.const 4) (i32.const 1)) (call $put (i32.const 20) (i32.const 1)) {price} (i32.const 1024)"
        );
        let called = load(&guest)
            .post(&call(), &posted(), &Won::default(), &[])
            .await
            .unwrap();
        let PostStep::Accepted { price, .. } = called.value else {
            panic!("it accepts")
        };
        assert_eq!(price, Some(Amount::Invalid), "{shown:?}");
    }
}

#[tokio::test]
async fn a_program_for_a_command_line_is_no_plugin() {
    // What `cargo build --target wasm32-wasip1` leaves of a `main`.
    let program = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
             (memory (export "memory") 1) (func (export "_start")))"#,
    );
    let refused = sandbox()
        .load(&name(), &program.unwrap(), LIMITS)
        .unwrap_err();
    assert_eq!(refused.code(), "not_compilable");
    assert!(
        refused.to_string().contains("wasi_snapshot_preview1"),
        "{refused}"
    );
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn after_a_thousand_calls_a_plugin_is_as_it_was_at_the_first() {
    // It counts wherever a plugin can keep something, and means harm from the thousandth on.
    let mut guest = Guest::filter();
    guest.items = "(global $calls (mut i64) (i64.const 0)) (table $t 1 funcref) (elem declare func $keep) (func $keep)".into();
    guest.qualify = "
        (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
        (i32.store (i32.const 3000) (i32.add (i32.load (i32.const 3000)) (i32.const 1)))
        (i32.store (i32.const 131000) (i32.add (i32.load (i32.const 131000)) (i32.const 1)))
        (drop (table.grow $t (ref.func $keep) (i32.const 1)))
        (drop (memory.grow (i32.const 1)))
        (if (i32.or (i32.or
              (i64.ge_u (global.get $calls) (i64.const 1000))
              (i32.ge_u (i32.load (i32.const 3000)) (i32.const 1000)))
            (i32.or (i32.or
              (i32.ge_u (i32.load (i32.const 131000)) (i32.const 1000))
              (i32.ge_u (table.size $t) (i32.const 1000)))
              (i32.gt_u (memory.size) (i32.const 3))))
          (then (loop $on (br $on))))
        (i32.const 1024)"
        .into();
    let plugin = load(&guest);
    for _ in 0..1500 {
        let called = plugin.qualify(&call(), &pinged()).await.unwrap();
        assert_eq!(called.value, Verdict::Qualified);
    }
    // And it does mean harm: the same thing in one call.
    guest.qualify = guest.qualify.replace("1000)", "1)");
    let quick = Call {
        limits: CallLimits {
            time: Duration::from_millis(5),
            ..LIMITS
        },
        ..call()
    };
    let fault = load(&guest).qualify(&quick, &pinged()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Time);
}
