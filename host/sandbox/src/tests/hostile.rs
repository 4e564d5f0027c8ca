//! Plugins that do harm: each costs its own call and nothing more.
//!
//! What harm there is, and the test that shows it refused or contained (tests without a
//! module are here):
//!
//! | harm | test |
//! |---|---|
//! | infinite loop | `an_endless_loop_costs_its_time`, `an_endless_loop_lets_others_go_first` |
//! | loop inside `start` | `gate::a_plugin_that_does_not_start_is_refused` |
//! | slow bulk copy | `abuse::a_bulk_copy_s_time_counts` |
//! | memory bomb in one grow and in many | `a_memory_bomb_is_refused_in_one_piece_and_in_many` |
//! | table growth | `a_table_is_bounded_too` |
//! | deep recursion | `a_deep_recursion_ends_in_a_trap` |
//! | string with a length that is not true | `a_huge_string_is_refused_wherever_it_lies`, `abuse::what_a_host_call_is_given_is_checked_too` |
//! | invalid UTF-8 | `text_that_is_no_text_is_refused`, `abuse::what_a_host_call_is_given_is_checked_too` |
//! | huge list | `abuse::a_huge_list_is_refused_wherever_it_comes_from` |
//! | ten thousand log lines | `ten_thousand_log_lines_are_cut_and_the_last_words_stay` |
//! | panic in every export | `abuse::a_panic_in_any_function_is_a_fault_of_that_function` |
//! | trap in the allocator, and one that lies | `abuse::an_allocator_that_fails_or_lies_costs_the_plugin` |
//! | handle flood, handles of others | `handles_are_bounded`, `abuse::only_a_handle_that_was_given_is_good`, `wasi::handles_to_sleeps_are_bounded` |
//! | export missing, of a wrong type, of another version | `gate::a_missing_export_is_named`, `gate::a_type_changed_under_the_same_name_is_noticed`, `gate::another_version_is_said_to_be_one` |
//! | amount that is none | `an_amount_that_is_none_is_invalid_and_no_fault`, `abuse::no_price_can_be_made_of_what_is_none` |
//! | core module that is no component | `gate::a_missing_export_is_named`, `abuse::a_program_for_a_command_line_is_no_plugin` |
//! | compiled code | `gate::compiled_code_is_never_run` |
//! | truncated file | `gate::a_truncated_file_is_refused_wherever_it_is_cut` |
//! | oversized file | `gate::an_upload_is_bounded` |
//! | two memories, many tables | `gate::more_memories_or_tables_than_a_plugin_has_are_refused` |
//! | imports of sockets, files, clocks, randomness | `wasi::every_import_of_wasi_can_be_named_and_called_and_gives_nothing` and all of `wasi` |
//! | other imports | `gate::an_import_that_is_not_offered_is_named`, `wasi::wasi_beyond_the_empty_world_is_refused_by_name` |
//! | sleep | `wasi::a_sleep_is_over_at_once_and_no_clock_has_moved`, `wasi::waiting_for_a_clock_that_stands_ends_with_the_call_s_time` |
//! | endless printing | `wasi::endless_printing_costs_its_time_and_the_log_stays_bounded` |
//! | good for a thousand calls and bad from then on | `abuse::after_a_thousand_calls_a_plugin_is_as_it_was_at_the_first` |
//! | request that smuggles | `a_request_that_would_harm_others_is_refused` |
//! | schema without end, pattern without end | `schema::tests::a_schema_has_an_end` |
//! | any bytes at all | `gate::rubbish_in_any_place_harms_nobody`, `examples/fuzz` |

use std::time::Duration;

use super::{
    LIMITS, assert_serves, call, fault_of, guest::Guest, load, ping_step, pinged, sandbox, small,
};
use crate::{Amount, FaultKind, LogLevel, PingStep, Sandbox, Verdict, limits};

const FOREVER: &str = "(loop $on (br $on)) (unreachable)";

fn filter(qualify: &str) -> Guest {
    Guest {
        qualify: qualify.into(),
        ..Guest::filter()
    }
}

#[tokio::test]
async fn an_endless_loop_costs_its_time() {
    let fault = fault_of(&filter(FOREVER)).await;
    assert_eq!((fault.kind, fault.function), (FaultKind::Time, "qualify"));
    assert!(fault.message().contains("50ms"), "{}", fault.message());
    let fault = fault_of(&Guest {
        open: FOREVER.into(),
        ..Guest::filter()
    })
    .await;
    assert_eq!((fault.kind, fault.function), (FaultKind::Time, "open"));
}

#[tokio::test]
async fn an_endless_loop_lets_others_go_first() {
    // One thread for both: without yielding, the good one would wait for the whole of it.
    let patient = crate::Call {
        limits: gavel_market::model::CallLimits {
            time: Duration::from_secs(30),
            ..LIMITS
        },
        ..call()
    };
    let (stuck, view) = (load(&filter(FOREVER)), pinged());
    tokio::select! {
        biased;
        _ = stuck.qualify(&patient, &view) => panic!("it does not end"),
        () = assert_serves(sandbox()) => {}
    }
}

#[tokio::test]
async fn a_memory_bomb_is_refused_in_one_piece_and_in_many() {
    let at_once = "(if (i32.eq (i32.const -1) (memory.grow (i32.const 4000))) (then (unreachable))) (i32.const 1024)";
    let bit_by_bit =
        "(loop $on (br_if $on (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) (unreachable)";
    for bomb in [at_once, bit_by_bit] {
        let fault = fault_of(&filter(bomb)).await;
        assert_eq!(fault.kind, FaultKind::Memory);
        assert!(
            fault.message().contains("it may have 1048576"),
            "{}",
            fault.message()
        );
    }
}

#[tokio::test]
async fn a_plugin_that_copes_with_a_refusal_is_not_at_fault() {
    let copes = filter("(drop (memory.grow (i32.const 4000))) (i32.const 1024)");
    let called = load(&copes).qualify(&call(), &pinged()).await.unwrap();
    assert_eq!(called.value, Verdict::Qualified);
}

#[tokio::test]
async fn a_table_is_bounded_too() {
    let guest = Guest {
        items: "(table $t 1 funcref)".into(),
        qualify: "(if (i32.eq (i32.const -1) (table.grow $t (ref.null func) (i32.const 1000000))) (then (unreachable))) \
                  (i32.const 1024)"
            .into(),
        ..Guest::filter()
    };
    assert_eq!(fault_of(&guest).await.kind, FaultKind::Memory);
}

#[tokio::test]
async fn a_deep_recursion_ends_in_a_trap() {
    let guest = Guest {
        items: "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))".into(),
        qualify: "(call $deep (i32.const 0))".into(),
        ..Guest::filter()
    };
    let fault = fault_of(&guest).await;
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(
        fault.message().contains("call stack exhausted"),
        "{}",
        fault.message()
    );
}

#[tokio::test]
async fn a_panic_s_message_is_in_the_fault_and_in_none_of_its_faces() {
    let mut guest = Guest::filter();
    guest.qualify = guest.log(
        3,
        "panicked at src/lib.rs:7: no \x1b[31mroof\nfor ann@example.org",
    ) + "(unreachable)";
    let fault = fault_of(&guest).await;
    assert_eq!(
        (fault.kind, fault.account.as_str()),
        (FaultKind::Trap, "roofs-west")
    );
    let line = &fault.log()[0];
    assert_eq!(line.level, LogLevel::Error);
    assert_eq!(
        line.text,
        "panicked at src/lib.rs:7: no [31mroof for ann@example.org"
    );
    let faces = format!("{fault} {fault:?} {line:?}");
    assert!(
        !faces.contains("ann") && !faces.contains("roof for"),
        "{faces}"
    );
    assert!(
        faces.contains("plugin_trap in qualify of plugin test"),
        "{faces}"
    );
}

#[tokio::test]
async fn ten_thousand_log_lines_are_cut_and_the_last_words_stay() {
    let mut guest = Guest::filter();
    let (chat, last) = (guest.log(1, "hello"), guest.log(3, "panicked: at last"));
    guest.qualify = format!(
        "(local.set 2 (i32.const 10000))
         (loop $on {chat} (local.set 2 (i32.sub (local.get 2) (i32.const 1))) (br_if $on (local.get 2)))
         {last} (unreachable)"
    );
    let fault = fault_of(&guest).await;
    assert_eq!(fault.log().last().unwrap().text, "panicked: at last");
    let bytes: usize = fault
        .log()
        .iter()
        .map(|line| line.text.len() + limits::LOG_LINE_BYTES)
        .sum();
    assert!(bytes <= LIMITS.log, "{bytes}");
    assert_eq!(fault.lines_dropped() as usize + fault.log().len(), 10_001);
}

#[tokio::test]
async fn a_huge_string_is_refused_wherever_it_lies() {
    // In memory but larger than may cross; and not in memory at all.
    for (pages, length) in [(15, 900_000), (2, 1 << 30)] {
        let error = format!(
            "(call $put (i32.const 0) (i32.const 1)) (call $put_text (i32.const 4) (i32.const 4096) (i32.const {length}))
             (i32.const 1024)"
        );
        let fault = fault_of(&Guest {
            pages,
            ..filter(&error)
        })
        .await;
        assert_eq!(fault.kind, FaultKind::Output, "{}", fault.message());
    }
}

#[tokio::test]
async fn text_that_is_no_text_is_refused() {
    let mut guest = Guest::filter();
    guest.items = "(data (i32.const 3000) \"\\ff\\fe\")".into();
    guest.qualify = "(call $put (i32.const 4) (i32.const 1)) (call $put_text (i32.const 8) (i32.const 3000) (i32.const 2)) \
                     (i32.const 1024)"
        .into();
    assert_eq!(fault_of(&guest).await.kind, FaultKind::Output);
}

#[tokio::test]
async fn an_answer_that_is_no_case_of_its_type_is_refused() {
    for body in [
        "(call $put (i32.const 4) (i32.const 77)) (i32.const 1024)",
        "(i32.const 1025)",
        "(i32.const -16)",
    ] {
        assert_eq!(fault_of(&filter(body)).await.kind, FaultKind::Output);
    }
}

#[tokio::test]
async fn a_code_is_one_word_and_words_are_cut() {
    let mut guest = Guest::filter();
    guest.qualify = guest.refusal("Roof shaded!", "too dark");
    assert_eq!(fault_of(&guest).await.kind, FaultKind::Output);
    guest.qualify = guest.refusal("roof_shaded", &"é".repeat(2000));
    let called = load(&guest).qualify(&call(), &pinged()).await.unwrap();
    let Verdict::Disqualified { code, detail } = called.value else {
        panic!("it refuses")
    };
    assert_eq!(
        (code.as_str(), detail.len()),
        ("roof_shaded", limits::WORDS_MAX_BYTES)
    );
}

#[tokio::test]
async fn an_amount_that_is_none_is_invalid_and_no_fault() {
    for amount in ["1e400", "-5", "NaN", "", "1000000.01", "12,50"] {
        let mut guest = Guest::adapter();
        guest.ping = guest.bid(amount);
        let step = ping_step(&guest).await.unwrap();
        assert_eq!(
            step,
            PingStep::Bid {
                amount: Some(Amount::Invalid),
                reference: None
            },
            "{amount}"
        );
    }
}

#[tokio::test]
async fn a_request_that_would_harm_others_is_refused() {
    for (method, header) in [
        ("TRACE", "accept"),
        ("POST", "Transfer-Encoding"),
        ("POST", "a: b\r\nhost"),
    ] {
        let mut guest = Guest::adapter();
        guest.ping = guest.send(method, "https://buyer.example/", header, "{}");
        let fault = ping_step(&guest).await.unwrap_err();
        assert_eq!(
            (fault.kind, fault.function),
            (FaultKind::Output, "ping"),
            "{}",
            fault.message()
        );
        assert_serves(sandbox()).await;
    }
}

#[tokio::test]
async fn handles_are_bounded() {
    let fault = fault_of(&filter(
        "(loop $on (drop (call $new (i32.const 1))) (br $on)) (unreachable)",
    ))
    .await;
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message().contains("handle"), "{}", fault.message());
}

#[tokio::test]
async fn answers_that_do_not_fit_cost_the_plugin_not_the_host() {
    let mut guest = Guest::adapter();
    guest.ping = guest.bid("1.00");
    let answer = crate::Response {
        status: 200,
        headers: vec![],
        body: vec![b'x'; 256 << 10],
    };
    let plugin = load(&guest);
    assert!(
        plugin
            .ping(&call(), &pinged(), &[answer.clone(), answer.clone()])
            .await
            .is_ok()
    );
    let fault = plugin
        .ping(&call(), &pinged(), &vec![answer; 8])
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Memory, "{}", fault.message());
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_call_for_the_next() {
    let mut guest = Guest::filter();
    guest.items = "(global $calls (mut i32) (i32.const 0))".into();
    let refusal = guest.refusal("second_call", "it remembers");
    guest.qualify = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (i32.store (i32.const 3000) (i32.add (i32.load (i32.const 3000)) (i32.const 1)))
         (if (result i32) (i32.gt_u (i32.add (global.get $calls) (i32.load (i32.const 3000))) (i32.const 2))
           (then {refusal}) (else (i32.const 1024)))"
    );
    let plugin = load(&guest);
    for _ in 0..50 {
        assert_eq!(
            plugin.qualify(&call(), &pinged()).await.unwrap().value,
            Verdict::Qualified
        );
    }
}

#[tokio::test]
async fn a_hundred_calls_of_every_bad_kind_leave_the_pool_as_it_was() {
    let sandbox = Sandbox::new(small()).unwrap();
    let bodies = [
        "(unreachable)",
        "(drop (memory.grow (i32.const 4000))) (unreachable)",
        "(i32.const -16)",
    ];
    for body in bodies.iter().cycle().take(100) {
        let plugin = sandbox
            .load(&super::name(), &filter(body).module(), LIMITS)
            .unwrap();
        assert!(plugin.qualify(&call(), &pinged()).await.is_err());
    }
    assert_serves(&sandbox).await;
    let Some(pool) = sandbox.engine().pooling_allocator_metrics() else {
        return;
    };
    assert_eq!(
        (
            pool.core_instances(),
            pool.component_instances(),
            pool.memories(),
            pool.tables(),
            pool.stacks()
        ),
        (0, 0, 0, 0, 0)
    );
}
