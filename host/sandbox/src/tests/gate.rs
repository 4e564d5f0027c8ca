//! Uploads that are no plugins: each is refused with a code and with words to act on.

use gavel_market::ids::Digest;

use super::{LIMITS, assert_serves, guest::Guest, load, name, sandbox, small};
use crate::{GateError, GateReport, Gated, Kind, Sandbox, SandboxSettings};

fn refused(bytes: &[u8]) -> GateError {
    sandbox()
        .load(&name(), bytes, LIMITS)
        .expect_err("the gate refuses it")
}

/// The gate's code, and the words after it, for a guest.
#[track_caller]
fn assert_refused(bytes: &[u8], code: &str, words: &str) {
    let error = refused(bytes);
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{words:?} in {error}");
}

#[test]
fn a_plugin_says_what_it_is() {
    let mut guest = Guest::filter();
    guest.describe = guest.description(
        "Roof filter",
        r#"{"type": "object", "x-codes": ["roof_shaded"]}"#,
    );
    let (bytes, plugin) = (guest.module(), load(&guest));
    assert_eq!(
        (plugin.kind(), plugin.digest()),
        (Kind::Filter, Digest::of(&bytes))
    );
    let about = plugin.about();
    assert_eq!(
        (about.name.as_str(), about.version.as_str()),
        ("Roof filter", "1.0.0")
    );
    assert!(about.codes.contains("roof_shaded"));
    assert_eq!(load(&Guest::adapter()).kind(), Kind::Adapter);
}

#[test]
fn a_component_is_taken_as_it_is() {
    let component = wit_component::ComponentEncoder::default()
        .module(&Guest::filter().module())
        .unwrap()
        .encode()
        .unwrap();
    assert!(sandbox().load(&name(), &component, LIMITS).is_ok());
}

#[tokio::test]
async fn what_is_no_wasm_is_told_from_what_is_broken_wasm() {
    assert_refused(b"", "not_compilable", "empty");
    assert_refused(b"\0asm", "not_compilable", "too short");
    assert_refused(b"GIF89a and so on", "not_compilable", "not a wasm file");
    assert_refused(b"  (component )", "not_compilable", "as text");
    assert_refused(b"\0asm\x02\0\0\0", "not_compilable", "version of wasm");
    assert_refused(
        b"\0asm\x01\0\0\0\xff\xff\xff",
        "not_compilable",
        "does not compile",
    );
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn a_truncated_file_is_refused_wherever_it_is_cut() {
    let module = Guest::filter().module();
    let component = wit_component::ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap();
    for whole in [module, component] {
        for parts in 1..16 {
            let cut = &whole[..whole.len() * parts / 16];
            let code = refused(cut).code();
            assert!(
                ["not_compilable", "wrong_world"].contains(&code),
                "{code} at {} bytes",
                cut.len()
            );
        }
    }
    assert_serves(sandbox()).await;
}

#[test]
fn compiled_code_is_never_run() {
    let compiled = wasmtime::Engine::default()
        .precompile_component(b"\0asm\x0d\0\x01\0")
        .unwrap();
    assert_refused(&compiled, "precompiled", "already compiled");
}

#[test]
fn an_upload_is_bounded() {
    let sandbox = Sandbox::new(SandboxSettings {
        max_plugin_bytes: 100,
        ..small()
    })
    .unwrap();
    let error = sandbox.load(&name(), &[0; 101], LIMITS).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("too_large", "has 101 bytes; a plugin has at most 100")
    );
}

#[test]
fn a_missing_export_is_named() {
    for interface in ["filter", "adapter"] {
        let guest = if interface == "filter" {
            Guest::filter()
        } else {
            Guest::adapter()
        };
        let lacking = guest.built_for("export about;", "");
        assert_refused(
            &lacking.module(),
            "wrong_world",
            "lacks an export: gavel:buyer/about@1.0.0",
        );
        assert_refused(
            &lacking.module(),
            "wrong_world",
            &format!("it exports gavel:buyer/{interface}@1.0.0"),
        );
    }
    // A component that is nothing of ours, and a core module without a component type.
    assert_refused(b"\0asm\x0d\0\x01\0", "wrong_world", "it exports nothing");
    assert_refused(
        &wat::parse_str("(module)").unwrap(),
        "wrong_world",
        "is no plugin",
    );
}

#[test]
fn another_version_is_said_to_be_one() {
    for guest in [Guest::filter(), Guest::adapter()] {
        let newer = guest.built_for("gavel:buyer@1.0.0", "gavel:buyer@2.0.0");
        assert_refused(&newer.module(), "wrong_world", "this host speaks 1.0.0");
        assert_refused(&newer.module(), "wrong_world", "2.0.0");
    }
}

#[tokio::test]
async fn an_import_that_is_not_offered_is_named() {
    let mut guest = Guest::filter().built_for(
        "world filter-plugin {",
        "interface clock { now: func() -> u64; }\nworld filter-plugin { import clock;",
    );
    guest.items = "(import \"gavel:buyer/clock@1.0.0\" \"now\" (func (result i64)))".into();
    assert_refused(
        &guest.module(),
        "wrong_world",
        "imports gavel:buyer/clock@1.0.0, which is not offered",
    );
    let bare = wat::parse_str("(module (import \"env\" \"fetch\" (func)))").unwrap();
    assert_refused(&bare, "not_compilable", "env");
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn a_type_changed_under_the_same_name_is_noticed() {
    let changed =
        Guest::filter().built_for("disqualified(refusal),", "disqualified(refusal), perhaps,");
    let error = refused(&changed.module());
    assert_eq!(error.code(), "wrong_world", "{error}");
    for words in ["cases", "published interface"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_serves(sandbox()).await;
}

#[tokio::test]
async fn a_plugin_that_does_not_start_is_refused() {
    let mut guest = Guest::filter();
    guest.items = "(start $spin) (func $spin (loop $on (br $on)))".into();
    assert_refused(&guest.module(), "not_instantiable", "plugin_time in start");
    guest.items = "(start $trap) (func $trap (unreachable))".into();
    assert_refused(&guest.module(), "not_instantiable", "plugin_trap in start");
    let large = Guest {
        pages: 100,
        ..Guest::filter()
    };
    assert_refused(&large.module(), "not_instantiable", "it may have 1048576");
    assert_refused(
        &large.module(),
        "not_instantiable",
        "raise `limits.memory` of [plugins.test]",
    );
    assert_serves(sandbox()).await;
}

#[test]
fn more_memories_or_tables_than_a_plugin_has_are_refused() {
    let mut guest = Guest::filter();
    guest.items = "(table 1 funcref) ".repeat(8);
    assert_refused(
        &guest.module(),
        "not_instantiable",
        "a plugin has at most 8",
    );
    let memories =
        "(core module $m (memory 1)) ".to_owned() + &"(core instance (instantiate $m)) ".repeat(5);
    let many = wat::parse_str(format!("(component {memories})")).unwrap();
    let component = wasmtime::component::Component::from_binary(sandbox().engine(), &many).unwrap();
    let error = crate::gate::check_size(&component).unwrap_err();
    assert_eq!(error.to_string(), "has 5 memories; a plugin has at most 4");
    guest.items = "(memory 1)".into();
    assert_refused(&guest.module(), "not_compilable", "memor");
}

/// As QuickJS's are: a string passes from one part's memory into another's.
const PARTS_WITH_A_MEMORY_EACH: &str = r#"(component
    (component $a
      (core module $m
        (memory (export "memory") 1)
        (func (export "take") (param i32 i32))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func (export "take") (param "text" string)
        (canon lift (core func $i "take") (memory (core memory $i "memory"))
          (realloc (core func $i "realloc")))))
    (component $b
      (import "take" (func $take (param "text" string)))
      (core module $memory (memory (export "memory") 1))
      (core instance $own (instantiate $memory))
      (core func $lowered (canon lower (func $take) (memory (core memory $own "memory"))))
      (core module $m
        (import "" "take" (func $take (param i32 i32)))
        (func (export "give") (call $take (i32.const 0) (i32.const 4))))
      (core instance $i (instantiate $m (with "" (instance (export "take" (func $lowered))))))
      (func (export "give") (canon lift (core func $i "give"))))
    (instance $ai (instantiate $a))
    (instance $bi (instantiate $b (with "take" (func $ai "take")))))"#;

#[test]
fn parts_with_a_memory_each_compile() {
    let component = wat::parse_str(PARTS_WITH_A_MEMORY_EACH).unwrap();
    assert_refused(&component, "wrong_world", "is no plugin");
}

#[tokio::test]
async fn a_description_that_does_not_hold_is_refused() {
    let mut guest = Guest::filter();
    guest.describe = guest.log(3, "panicked: who am I") + "(unreachable)";
    assert_refused(&guest.module(), "bad_describe", "panicked: who am I");
    guest.describe = "(loop $on (br $on)) (unreachable)".into();
    assert_refused(&guest.module(), "bad_describe", "plugin_time in describe");
    for (schema, words) in [
        ("{", "not JSON"),
        ("7", "not a JSON object"),
        (r#"{"type": 7}"#, "no valid JSON Schema"),
    ] {
        guest.describe = guest.description("odd", schema);
        assert_refused(&guest.module(), "bad_describe", words);
    }
    assert_serves(sandbox()).await;
}

#[test]
fn every_step_of_the_gate_is_told() {
    let bytes = Guest::filter().module();
    let Gated { mut report, plugin } = sandbox().gate(&name(), &bytes, LIMITS);
    assert!(plugin.is_ok() && report.passed(), "{report:?}");
    let steps: Vec<_> = report.steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(
        steps,
        ["size", "form", "compile", "world", "start", "describe"]
    );
    assert!(report.steps.iter().all(|step| !step.detail.is_empty()));
    assert_eq!(report.bytes, bytes.len() as u64);
    assert!(report.compiled_bytes.unwrap() > 0);
    assert!(report.imports.contains(&"gavel:buyer/leads@1.0.0".into()));
    assert!(report.exports.contains(&"gavel:buyer/filter@1.0.0".into()));
    assert_eq!(report.steps[3].detail, "filter of gavel:buyer 1.0.0");

    let begun = std::time::Instant::now();
    report.push("cases", Some("case_failed"), "1 of 2 fails".into(), begun);
    assert_eq!(report.failed().unwrap().step, "cases");
    let kept = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<GateReport>(&kept).unwrap(),
        report,
        "{kept}"
    );
}

#[test]
fn after_a_step_that_failed_there_is_none() {
    let newer = Guest::filter().built_for("gavel:buyer@1.0.0", "gavel:buyer@2.0.0");
    let Gated { report, plugin } = sandbox().gate(&name(), &newer.module(), LIMITS);
    let (error, last) = (plugin.unwrap_err(), report.steps.last().unwrap());
    assert_eq!(
        (last.step.as_str(), last.code.as_deref(), last.passed),
        ("world", Some("wrong_world"), false)
    );
    assert_eq!(last.detail, error.to_string());
    // What it asked for and what it offered are told all the same.
    assert!(report.exports.contains(&"gavel:buyer/filter@2.0.0".into()));
    assert!(!report.imports.is_empty());
}

#[tokio::test]
async fn rubbish_in_any_place_harms_nobody() {
    let good = Guest::filter().module();
    // A fixed sequence, so that a failure can be repeated.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        let mut bytes = good.clone();
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % bytes.len() as u64).unwrap();
            bytes[at] = state.to_le_bytes()[7];
        }
        if let Ok(plugin) = sandbox().load(&name(), &bytes, LIMITS) {
            let _ = plugin.qualify(&super::call(), &super::pinged()).await;
        }
    }
    assert_serves(sandbox()).await;
}
