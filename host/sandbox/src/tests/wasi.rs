//! Plugins that import WASI: everything is there, and behind it is nothing.

use std::{collections::BTreeSet, time::Duration};

use gavel_market::{ids::CampaignId, model::CallLimits};
use wit_parser::{
    WorldItem, WorldKey,
    abi::{AbiVariant, WasmType},
};

use super::{
    LIMITS, assert_serves, call, fault_of, full_lead, guest::Guest, load, name, pinged, sandbox,
};
use crate::{
    Call, Fault, FaultKind, LogLevel, PingView, Transaction, Verdict, limits, wasi::INTERFACES,
};

/// Says a number: logs it as sixteen hexadecimal digits.
const SAY: &str = "
    (func $say (param $number i64) (local $at i32) (local $digit i32)
      (local.set $at (i32.const 16))
      (loop $on
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (local.set $digit (i32.wrap_i64 (i64.and (local.get $number) (i64.const 15))))
        (i32.store8 offset=3000 (local.get $at)
          (i32.add (local.get $digit) (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $digit) (i32.const 9)))))
        (local.set $number (i64.shr_u (local.get $number) (i64.const 4)))
        (br_if $on (local.get $at)))
      (call $log (i32.const 1) (i32.const 3000) (i32.const 16)))
    (func $say32 (param i32) (call $say (i64.extend_i32_u (local.get 0))))";

/// A filter that imports `functions` – interface, function, its name in the text and its
/// core type – and can say numbers.
fn importing(functions: &[(&str, &str, &str, &str)]) -> Guest {
    let interfaces: BTreeSet<_> = functions.iter().map(|function| function.0).collect();
    let mut guest = with_interfaces(interfaces.into_iter());
    for (interface, function, name, of_type) in functions {
        let import =
            format!("(import \"{interface}@0.2.12\" \"{function}\" (func ${name} {of_type}))\n");
        guest.items.push_str(&import);
    }
    guest.items.push_str(SAY);
    guest
}

fn with_interfaces<'a>(interfaces: impl Iterator<Item = &'a str>) -> Guest {
    let imports = interfaces.map(|interface| format!("import {interface}@0.2.12;\n"));
    let imports = imports.collect::<Vec<_>>().concat();
    Guest::filter().built_for(
        "world filter-plugin {",
        &format!("world filter-plugin {{ {imports}"),
    )
}

fn answering(mut guest: Guest, qualify: &str) -> Guest {
    guest.qualify = format!("{qualify} (i32.const 1024)");
    guest
}

async fn said_with(guest: &Guest, call: &Call, lead: &PingView) -> Vec<String> {
    let called = load(guest).qualify(call, lead).await.expect("it answers");
    assert_eq!(called.lines_dropped, 0);
    called.log.into_iter().map(|line| line.text).collect()
}

/// What a guest logs in a call.
async fn said(guest: &Guest) -> Vec<String> {
    said_with(guest, &call(), &pinged()).await
}

fn hex(number: u64) -> String {
    format!("{number:016x}")
}

fn received_at(received_at_ms: u64) -> PingView {
    let transaction = Transaction {
        campaign: "spring".parse::<CampaignId>().unwrap(),
        received_at_ms,
        currency: "USD".into(),
        sub_id: None,
        is_test: false,
    };
    PingView::new(full_lead().without_personal().into(), transaction.into())
}

// ---- each function, by name ----

/// An import as WASI declares it, as core wasm sees it.
struct Import {
    name: String,
    text: String,
    call: String,
}

/// Every function of WASI, called with zeros: handles that nobody gave it, empty lists.
fn imports_of_all() -> Vec<Import> {
    let guest = with_interfaces(INTERFACES.into_iter());
    let (resolve, world) = guest.resolved();
    let interfaces = resolve.worlds[world]
        .imports
        .iter()
        .filter_map(|(key, item)| {
            let WorldItem::Interface { id, .. } = item else {
                return None;
            };
            let name = resolve.name_world_key(key);
            assert!(matches!(key, WorldKey::Interface(_)));
            name.starts_with("wasi:").then_some((name, *id))
        });
    let functions = interfaces.flat_map(|(interface, id)| {
        let resolve = &resolve;
        resolve.interfaces[id]
            .functions
            .values()
            .map(move |function| (interface.clone(), function, resolve))
    });
    let imports = functions
        .enumerate()
        .map(|(at, (interface, function, resolve))| {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            let types = |types: &[WasmType]| {
                types
                    .iter()
                    .map(|one| core_type(*one))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let mut values: Vec<_> = signature
                .params
                .iter()
                .map(|one| format!("({}.const 0)", core_type(*one)))
                .collect();
            if signature.retptr {
                *values.last_mut().unwrap() = "(i32.const 2048)".into();
            }
            let drop = "drop ".repeat(signature.results.len());
            Import {
                name: format!("{} {}", interface.split('@').next().unwrap(), function.name),
                text: format!(
                    "(import \"{interface}\" \"{}\" (func $wasi{at} (param {}) (result {})))",
                    function.name,
                    types(&signature.params),
                    types(&signature.results),
                ),
                call: format!("{} call $wasi{at} {drop}", values.join(" ")),
            }
        });
    imports.collect()
}

fn core_type(one: WasmType) -> &'static str {
    match one {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}

/// Functions that need no handle: they answer, and what they answer is below. All others
/// are functions of things that a plugin cannot have.
const ANSWERING: [&str; 23] = [
    "wasi:cli/environment get-arguments",
    "wasi:cli/environment get-environment",
    "wasi:cli/environment initial-cwd",
    "wasi:cli/stderr get-stderr",
    "wasi:cli/stdin get-stdin",
    "wasi:cli/stdout get-stdout",
    "wasi:cli/terminal-stderr get-terminal-stderr",
    "wasi:cli/terminal-stdin get-terminal-stdin",
    "wasi:cli/terminal-stdout get-terminal-stdout",
    "wasi:clocks/monotonic-clock now",
    "wasi:clocks/monotonic-clock resolution",
    "wasi:clocks/monotonic-clock subscribe-duration",
    "wasi:clocks/monotonic-clock subscribe-instant",
    "wasi:clocks/wall-clock now",
    "wasi:clocks/wall-clock resolution",
    "wasi:filesystem/preopens get-directories",
    "wasi:random/insecure get-insecure-random-bytes",
    "wasi:random/insecure get-insecure-random-u64",
    "wasi:random/insecure-seed insecure-seed",
    "wasi:random/random get-random-bytes",
    "wasi:random/random get-random-u64",
    "wasi:sockets/instance-network instance-network",
    "wasi:sockets/tcp-create-socket create-tcp-socket",
];

#[tokio::test]
async fn every_import_of_wasi_can_be_named_and_called_and_gives_nothing() {
    let imports = imports_of_all();
    assert_eq!(imports.len(), 123);
    let mut guest = with_interfaces(INTERFACES.into_iter());
    guest.items = imports
        .iter()
        .map(|import| import.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    guest
        .items
        .push_str("(global $which (mut i32) (i32.const 0))");
    guest.open = format!("(global.set $which (local.get 1)) {}", guest.open);
    // The length of the configuration says which one to call.
    let labels: Vec<_> = (0..imports.len()).map(|at| format!("$l{at}")).collect();
    let mut body = format!(
        "(block $none (block {} global.get $which br_table {} $none)",
        labels[0],
        labels.join(" ")
    );
    for (at, import) in imports.iter().enumerate() {
        body = format!("{body} {} br $none)", import.call);
        if let Some(next) = labels.get(at + 1) {
            body = body.replacen("(block $none ", &format!("(block $none (block {next} "), 1);
        }
    }
    guest.qualify = format!("{body} (i32.const 1024)");
    let plugin = load(&guest);
    let mut answering = BTreeSet::new();
    for (at, import) in imports.iter().enumerate() {
        let call = Call {
            config: " ".repeat(at).into(),
            ..call()
        };
        match plugin.qualify(&call, &pinged()).await {
            Ok(called) => {
                assert_eq!((called.value, called.log.len()), (Verdict::Qualified, 0));
                answering.insert(import.name.as_str());
            }
            Err(fault) => {
                assert_eq!(
                    (fault.kind, fault.function),
                    (FaultKind::Trap, "qualify"),
                    "{}: {}",
                    import.name,
                    fault.message()
                );
            }
        }
    }
    let mut expected: BTreeSet<_> = ANSWERING.into_iter().collect();
    expected.insert("wasi:sockets/udp-create-socket create-udp-socket");
    assert_eq!(answering, expected);
    assert_serves(sandbox()).await;
}

// ---- what the ones that answer say ----

#[tokio::test]
async fn there_is_no_environment_no_argument_no_folder_and_no_terminal() {
    let guest = importing(&[
        (
            "wasi:cli/environment",
            "get-environment",
            "environment",
            "(param i32)",
        ),
        (
            "wasi:cli/environment",
            "get-arguments",
            "arguments",
            "(param i32)",
        ),
        ("wasi:cli/environment", "initial-cwd", "cwd", "(param i32)"),
        (
            "wasi:filesystem/preopens",
            "get-directories",
            "directories",
            "(param i32)",
        ),
        (
            "wasi:cli/terminal-stdin",
            "get-terminal-stdin",
            "in",
            "(param i32)",
        ),
        (
            "wasi:cli/terminal-stdout",
            "get-terminal-stdout",
            "out",
            "(param i32)",
        ),
        (
            "wasi:cli/terminal-stderr",
            "get-terminal-stderr",
            "err",
            "(param i32)",
        ),
    ]);
    // The lists' lengths, then the options' tags; the bytes there are not zero before.
    let seven = "(i64.store (i32.const 2048) (i64.const -1))";
    let lists = ["environment", "arguments", "directories"].map(|list| {
        format!("{seven} (call ${list} (i32.const 2048)) (call $say32 (i32.load (i32.const 2052)))")
    });
    let options = ["cwd", "in", "out", "err"].map(|option| {
        format!(
            "{seven} (call ${option} (i32.const 2048)) (call $say32 (i32.load8_u (i32.const 2048)))"
        )
    });
    let guest = answering(guest, &(lists.concat() + &options.concat()));
    assert_eq!(said(&guest).await, vec![hex(0); 7]);
}

#[tokio::test]
async fn standard_input_is_at_its_end() {
    let guest = importing(&[
        ("wasi:cli/stdin", "get-stdin", "stdin", "(result i32)"),
        (
            "wasi:io/streams",
            "[method]input-stream.blocking-read",
            "read",
            "(param i32 i64 i32)",
        ),
    ]);
    // An error, and of the two the one that says closed.
    let guest = answering(
        guest,
        "(call $read (call $stdin) (i64.const 1000000000000) (i32.const 2048))
         (call $say32 (i32.load8_u (i32.const 2048))) (call $say32 (i32.load8_u (i32.const 2052)))",
    );
    assert_eq!(said(&guest).await, [hex(1), hex(1)]);
}

#[tokio::test]
async fn the_wall_clock_stands_at_received_at_and_before_a_lead_at_the_epoch() {
    let mut guest = importing(&[
        ("wasi:clocks/wall-clock", "now", "now", "(param i32)"),
        (
            "wasi:clocks/wall-clock",
            "resolution",
            "resolution",
            "(param i32)",
        ),
    ]);
    let tell = "(call $now (i32.const 2048)) (call $say (i64.load (i32.const 2048))) (call $say32 (i32.load (i32.const 2056)))";
    guest.open = format!("{tell} {}", guest.open);
    let guest = answering(guest, &format!("{tell} {tell}"));
    let at = received_at(1_700_000_000_123);
    let now = [hex(1_700_000_000), hex(123_000_000)];
    let expected = [[hex(0), hex(0)], now.clone(), now].concat();
    assert_eq!(said_with(&guest, &call(), &at).await, expected);
}

#[tokio::test]
async fn the_time_of_a_lead_that_cannot_be_is_no_trap() {
    let guest = importing(&[("wasi:clocks/wall-clock", "now", "now", "(param i32)")]);
    let guest = answering(
        guest,
        "(call $now (i32.const 2048)) (call $say (i64.load (i32.const 2048)))",
    );
    assert_eq!(
        said_with(&guest, &call(), &received_at(u64::MAX)).await,
        [hex(u64::MAX / 1000)]
    );
}

const SLEEPING: [(&str, &str, &str, &str); 4] = [
    ("wasi:clocks/monotonic-clock", "now", "now", "(result i64)"),
    (
        "wasi:clocks/monotonic-clock",
        "subscribe-duration",
        "after",
        "(param i64) (result i32)",
    ),
    (
        "wasi:io/poll",
        "[method]pollable.block",
        "block",
        "(param i32)",
    ),
    (
        "wasi:io/poll",
        "[resource-drop]pollable",
        "drop_pollable",
        "(param i32)",
    ),
];

#[tokio::test]
async fn a_sleep_is_over_at_once_and_no_clock_has_moved() {
    let guest = answering(
        importing(&SLEEPING),
        "(local.set 2 (call $after (i64.const -1)))
         (call $block (local.get 2)) (call $say (call $now))
         (call $block (local.get 2)) (call $say (call $now))",
    );
    let said = said(&guest).await;
    assert_eq!(said[0], said[1]);
}

#[tokio::test]
async fn waiting_for_a_clock_that_stands_ends_with_the_call_s_time() {
    let guest = answering(
        importing(&SLEEPING),
        "(loop $on
           (local.set 2 (call $after (i64.const 1000000000)))
           (call $block (local.get 2)) (call $drop_pollable (local.get 2))
           (br_if $on (i64.lt_u (call $now) (i64.const -1))))",
    );
    assert_eq!(fault_of(&guest).await.kind, FaultKind::Time);
}

#[tokio::test]
async fn handles_to_sleeps_are_bounded() {
    let guest = answering(
        importing(&SLEEPING),
        "(loop $on (drop (call $after (i64.const 1))) (br $on))",
    );
    let fault = fault_of(&guest).await;
    assert_eq!(fault.kind, FaultKind::Trap, "{}", fault.message());
}

const RANDOM: [(&str, &str, &str, &str); 4] = [
    (
        "wasi:random/random",
        "get-random-u64",
        "number",
        "(result i64)",
    ),
    (
        "wasi:random/random",
        "get-random-bytes",
        "bytes",
        "(param i64 i32)",
    ),
    (
        "wasi:random/insecure",
        "get-insecure-random-u64",
        "insecure",
        "(result i64)",
    ),
    (
        "wasi:random/insecure-seed",
        "insecure-seed",
        "seed",
        "(param i32)",
    ),
];

#[tokio::test]
async fn randomness_is_the_order_s_and_nothing_else_s() {
    let mut guest = importing(&RANDOM);
    let draw = "(call $say (call $number)) (call $say (call $insecure))
        (call $seed (i32.const 2048)) (call $say (i64.load (i32.const 2048))) (call $say (i64.load (i32.const 2056)))
        (call $bytes (i64.const 8) (i32.const 2048)) (call $say (i64.load (i32.load (i32.const 2048))))";
    guest.open = format!("{draw} {}", guest.open);
    let guest = answering(guest, draw);
    let another_order = Call {
        order: "po_02.3fa1".into(),
        ..call()
    };
    let first = said(&guest).await;
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 10, "{first:?}");
    assert_eq!(said_with(&guest, &call(), &received_at(5)).await, first);
    let other = said_with(&guest, &another_order, &pinged()).await;
    // Before a lead is shown, nothing of the order is.
    assert_eq!(first[..5], other[..5]);
    assert!(
        first[5..].iter().all(|number| !other.contains(number)),
        "{first:?} {other:?}"
    );
}

#[tokio::test]
async fn random_bytes_are_bounded() {
    let over = i64::try_from(limits::RANDOM_MAX_BYTES + 1).unwrap();
    for count in [over, 1 << 40, -1] {
        let guest = answering(
            importing(&RANDOM),
            &format!("(call $bytes (i64.const {count}) (i32.const 2048))"),
        );
        let fault = fault_of(&guest).await;
        assert_eq!(fault.kind, FaultKind::Trap);
        assert!(
            fault.message().contains("random bytes; it may have 65536"),
            "{}",
            fault.message()
        );
    }
}

#[tokio::test]
async fn no_socket_is_made_and_no_name_is_looked_up() {
    let mut guest = importing(&[
        (
            "wasi:sockets/tcp-create-socket",
            "create-tcp-socket",
            "tcp",
            "(param i32 i32)",
        ),
        (
            "wasi:sockets/udp-create-socket",
            "create-udp-socket",
            "udp",
            "(param i32 i32)",
        ),
        (
            "wasi:sockets/instance-network",
            "instance-network",
            "network",
            "(result i32)",
        ),
        (
            "wasi:sockets/ip-name-lookup",
            "resolve-addresses",
            "resolve",
            "(param i32 i32 i32 i32)",
        ),
    ]);
    let names: String = ["localhost", "127.0.0.1", "gavel.example"]
        .map(|host| {
            let host = guest.text(host);
            format!(
                "(call $resolve (call $network) {host} (i32.const 2048))
                 (call $say32 (i32.load8_u (i32.const 2048))) (call $say32 (i32.load8_u (i32.const 2052)))"
            )
        })
        .concat();
    let create: String = ["tcp", "udp"]
        .map(|kind| {
            format!(
                "(call ${kind} (i32.const 0) (i32.const 2048))
                 (call $say32 (i32.load8_u (i32.const 2048))) (call $say32 (i32.load8_u (i32.const 2052)))"
            )
        })
        .concat();
    let guest = answering(guest, &(create + &names));
    // An error each time: access-denied, then permanent-resolver-failure.
    let expected = [[1, 1], [1, 1], [1, 20], [1, 20], [1, 20]].concat();
    assert_eq!(
        said(&guest).await,
        expected.into_iter().map(hex).collect::<Vec<_>>()
    );
}

// ---- what is printed ----

const PRINTING: [(&str, &str, &str, &str); 5] = [
    ("wasi:cli/stdout", "get-stdout", "stdout", "(result i32)"),
    ("wasi:cli/stderr", "get-stderr", "stderr", "(result i32)"),
    (
        "wasi:io/streams",
        "[method]output-stream.blocking-write-and-flush",
        "print",
        "(param i32 i32 i32 i32)",
    ),
    (
        "wasi:io/streams",
        "[method]output-stream.write",
        "write",
        "(param i32 i32 i32 i32)",
    ),
    (
        "wasi:io/streams",
        "[method]output-stream.write-zeroes",
        "zeroes",
        "(param i32 i64 i32)",
    ),
];

fn print(guest: &mut Guest, stream: &str, text: &str) -> String {
    let text = guest.text(text);
    format!("(call $print (call ${stream}) {text} (i32.const 2048))")
}

fn lines(fault: &Fault) -> Vec<(LogLevel, &str)> {
    fault
        .log()
        .iter()
        .map(|line| (line.level, line.text.as_str()))
        .collect()
}

#[tokio::test]
async fn what_is_printed_is_in_the_log_the_last_words_of_a_panic_too() {
    let mut guest = importing(&PRINTING);
    let printed = [
        print(&mut guest, "stdout", "half a line, "),
        guest.log(2, "logged"),
        print(&mut guest, "stdout", "and the other half\nmore"),
        print(
            &mut guest,
            "stderr",
            "panicked at \x1b[1mplugin.py\n  no roof",
        ),
    ];
    guest.qualify = printed.concat() + "(unreachable)";
    let fault = fault_of(&guest).await;
    let expected = [
        (LogLevel::Warn, "logged"),
        (LogLevel::Info, "half a line, and the other half"),
        (LogLevel::Error, "panicked at [1mplugin.py"),
        (LogLevel::Info, "more"),
        (LogLevel::Error, "  no roof"),
    ];
    assert_eq!(
        (fault.kind, lines(&fault)),
        (FaultKind::Trap, expected.to_vec())
    );
}

#[tokio::test]
async fn endless_printing_costs_its_time_and_the_log_stays_bounded() {
    let mut guest = importing(&PRINTING);
    let forever = print(&mut guest, "stderr", "no end of this\nnor of that");
    // One handle: a flood of handles has a bound of its own.
    let forever = forever.replace("(call $stderr)", "(local.get 2)");
    guest.qualify =
        format!("(local.set 2 (call $stderr)) (loop $on {forever} (br $on)) (unreachable)");
    let fault = fault_of(&guest).await;
    assert_eq!(fault.kind, FaultKind::Time);
    let bytes: usize = fault
        .log()
        .iter()
        .map(|line| line.text.len() + limits::LOG_LINE_BYTES)
        .sum();
    assert!(bytes <= LIMITS.log && fault.lines_dropped() > 0, "{bytes}");
}

#[tokio::test]
async fn more_bytes_than_may_cross_are_not_printed() {
    // In memory but too many; not in memory at all; zeros out of thin air.
    let writes = [
        "(call $write (call $stdout) (i32.const 4096) (i32.const 900000) (i32.const 2048))",
        "(call $write (call $stdout) (i32.const 4096) (i32.const 0x40000000) (i32.const 2048))",
        "(call $zeroes (call $stdout) (i64.const 1000000000000) (i32.const 2048))",
    ];
    for write in writes {
        let guest = answering(
            Guest {
                pages: 15,
                ..importing(&PRINTING)
            },
            write,
        );
        assert_eq!(fault_of(&guest).await.kind, FaultKind::Trap);
    }
}

#[tokio::test]
async fn a_plugin_that_exits_ends_its_call() {
    let guest = importing(&[("wasi:cli/exit", "exit", "exit", "(param i32)")]);
    let fault = fault_of(&answering(guest, "(call $exit (i32.const 0))")).await;
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(
        fault.message().contains("exited with status 0"),
        "{}",
        fault.message()
    );
}

// ---- at the gate ----

/// The gate's words for a component that imports `names`, each an instance.
fn refusal(names: &[&str]) -> String {
    let imports = names
        .iter()
        .map(|name| format!("(import \"{name}\" (instance))"));
    let imports = imports.collect::<Vec<_>>().concat();
    let component = wat::parse_str(format!("(component {imports})")).unwrap();
    let error = sandbox().load(&name(), &component, LIMITS).unwrap_err();
    assert_eq!(error.code(), "wrong_world");
    error.to_string()
}

#[test]
fn wasi_beyond_the_empty_world_is_refused_by_name() {
    for refused in [
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/environment@0.2.0-rc-2023-11-10",
        "wasi:cli/run@0.2.0",
        "wasi:clocks/timezone@0.2.0",
        "wasi:sockets/raw@0.2.0",
        "wasi:filesystem/typesx@0.2.0",
        "wasi:cli/environment",
    ] {
        let words = refusal(&["wasi:io/poll@0.2.0", refused]);
        assert!(
            words.contains(refused) && !words.contains("wasi:io/poll"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn earlier_and_later_patches_of_wasi_are_the_same_wasi() {
    for patch in ["0", "3", "6", "99"] {
        let mut guest = importing(&[("wasi:clocks/monotonic-clock", "now", "now", "(result i64)")]);
        guest.items = guest.items.replace("@0.2.12", &format!("@0.2.{patch}"));
        guest.wit = guest.wit.replace("@0.2.12", &format!("@0.2.{patch}"));
        let guest = answering(guest, "(call $say (call $now))");
        assert_eq!(said(&guest).await.len(), 1);
    }
}

#[tokio::test]
async fn describe_sees_the_same_nothing() {
    let mut guest = importing(&PRINTING);
    let last_words = print(&mut guest, "stderr", "who am I");
    guest.describe = format!("{last_words} (unreachable)");
    let error = sandbox()
        .load(&name(), &guest.module(), LIMITS)
        .unwrap_err();
    assert_eq!(error.code(), "bad_describe");
    assert!(
        error.to_string().contains("log, error: who am I"),
        "{error}"
    );
    // Without an executor: nothing here needs a timer or a thread.
    let sleeping = answering(
        importing(&SLEEPING),
        "(call $block (call $after (i64.const -1)))",
    );
    let module = sleeping.module();
    let plugin = std::thread::spawn(move || sandbox().load(&name(), &module, LIMITS).unwrap())
        .join()
        .unwrap();
    let patient = Call {
        limits: CallLimits {
            time: Duration::from_secs(1),
            ..LIMITS
        },
        ..call()
    };
    assert!(plugin.qualify(&patient, &pinged()).await.is_ok());
}
