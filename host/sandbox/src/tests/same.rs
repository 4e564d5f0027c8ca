//! The same lead, configuration and plugin give the same answer, wherever and however often.

use std::{sync::Arc, thread};

use gavel_market::{field::Value, ids::Digest, lead::FullLead, model::Instances};
use proptest::prelude::*;

use super::{LIMITS, call, guest::Guest, lead_type, name, small, transaction};
use crate::{Call, PingView, Plugin, Sandbox, SandboxSettings, Verdict};

/// A filter that reads the whole lead and refuses it with a code made of the configuration,
/// every field's name, every value, and `salt`: what differs anywhere differs in the answer.
fn hashing(salt: u32, pages: u32) -> Guest {
    let fold = "(func $hash (param $hash i32) (param $at i32) (param $length i32) (result i32)
        (block $done (loop $on
          (br_if $done (i32.eqz (local.get $length)))
          (local.set $hash (i32.mul (i32.const 16777619)
            (i32.xor (local.get $hash) (i32.load8_u (local.get $at)))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $on)))
        (local.get $hash))";
    let open = format!(
        "(i32.store (i32.const 516)
           (call $new (call $hash (i32.const {salt}) (local.get 0) (local.get 1)))) (i32.const 512)"
    );
    // Of a value, its text, its eight bytes, or for a flag its one.
    let qualify = "
        (call $fields (local.get 1) (i32.const 2048))
        (local.set 2 (i32.load (i32.const 2048)))
        (local.set 3 (i32.load (i32.const 2052)))
        (local.set 4 (local.get 0))
        (block $done (loop $on
          (br_if $done (i32.eqz (local.get 3)))
          (local.set 4 (call $hash (local.get 4) (i32.load (local.get 2)) (i32.load offset=4 (local.get 2))))
          (local.set 5 (i32.load8_u offset=8 (local.get 2)))
          (local.set 4 (if (result i32) (i32.and (local.get 5) (i32.const 1))
            (then (call $hash (local.get 4) (i32.add (local.get 2) (i32.const 16))
              (select (i32.const 8) (i32.const 1) (i32.eq (local.get 5) (i32.const 1)))))
            (else (call $hash (local.get 4)
              (i32.load offset=16 (local.get 2)) (i32.load offset=20 (local.get 2))))))
          (local.set 2 (i32.add (local.get 2) (i32.const 24)))
          (local.set 3 (i32.sub (local.get 3) (i32.const 1)))
          (br $on)))
        (local.set 5 (i32.const 0))
        (loop $letters
          (i32.store8 (i32.add (i32.const 3000) (local.get 5))
            (i32.add (i32.const 97) (i32.and (local.get 4) (i32.const 15))))
          (local.set 4 (i32.shr_u (local.get 4) (i32.const 4)))
          (local.set 5 (i32.add (local.get 5) (i32.const 1)))
          (br_if $letters (i32.lt_u (local.get 5) (i32.const 8))))
        (call $log (i32.const 1) (i32.const 3000) (i32.const 8))
        (call $put (i32.const 4) (i32.const 1))
        (call $put_text (i32.const 8) (i32.const 3000) (i32.const 8))
        (i32.const 1024)";
    Guest {
        items: fold.into(),
        open,
        qualify: qualify.into(),
        pages,
        ..Guest::filter()
    }
}

fn started() -> Sandbox {
    let settings = SandboxSettings {
        code_key: Some([5; 32]),
        reused_check_every: 3,
        ..small()
    };
    Sandbox::new(settings).unwrap()
}

/// What a person would see of an answer.
#[derive(Debug, PartialEq)]
struct Seen {
    code: String,
    fields_read: Vec<String>,
    log: Vec<String>,
}

/// Asks once, and says what came of it.
fn ask(plugin: &Plugin, call: &Call, lead: &PingView) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let called = runtime.block_on(plugin.qualify(call, lead)).unwrap();
    assert_eq!(called.stateful, None);
    let Verdict::Disqualified { code, .. } = called.value else {
        panic!("it refuses everything")
    };
    Seen {
        code,
        fields_read: called.fields_read,
        log: called.log.into_iter().map(|line| line.text).collect(),
    }
}

fn leads() -> impl Strategy<Value = PingView> {
    let text = || proptest::option::of("[a-z é€]{1,40}".prop_map(|text| Value::Text(text.into())));
    let values = (
        text(),
        proptest::option::of(any::<i64>().prop_map(Value::Integer)),
        proptest::option::of(
            "[1-9][0-9]{0,9}\\.[0-9]{0,5}[1-9]"
                .prop_map(|digits| Value::Decimal(digits.parse().unwrap())),
        ),
        proptest::option::of(any::<bool>().prop_map(Value::Flag)),
        text(),
    );
    values.prop_map(|(shade, size, bill, owner, note)| {
        let email = Some(Value::Text("ann@example.org".into()));
        let values = [shade, email, size, bill, owner, None, note, None];
        let lead = FullLead::new(lead_type(), values.into_iter().map(|value| (value, false)));
        PingView::new(Arc::new(lead.without_personal()), transaction())
    })
}

fn calls() -> impl Strategy<Value = Call> {
    (0..1000_u32, 0..3_u8).prop_map(|(config, account)| Call {
        account: format!("account-{account}").parse().unwrap(),
        config: format!(r#"{{"config": {config}}}"#).into(),
        ..call()
    })
}

fn reused(call: &Call) -> Call {
    Call {
        instances: Instances::Reused,
        ..call.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_question_has_the_same_answer(
        salt in any::<u32>(),
        pages in 2..8_u32,
        questions in proptest::collection::vec((calls(), leads()), 2..6),
    ) {
        let (bytes, host) = (hashing(salt, pages).module(), started());
        let plugin = host.load(&name(), &bytes, LIMITS).unwrap();
        let answers: Vec<_> = questions.iter().map(|(call, lead)| ask(&plugin, call, lead)).collect();

        let always_the_same = |plugin: &Plugin| {
            for ((call, lead), answer) in questions.iter().zip(&answers) {
                assert_eq!(&ask(plugin, call, lead), answer, "fresh");
                assert_eq!(&ask(plugin, &reused(call), lead), answer, "reused");
            }
        };
        // In order, and again when every instance has seen other leads; then on two threads at once.
        always_the_same(&plugin);
        always_the_same(&plugin);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| always_the_same(&plugin));
            }
        });

        // The host starts again, and finds its compiled code.
        let sealed = plugin.seal().unwrap().unwrap();
        drop(host);
        let restarted = started();
        let plugin = restarted.load_sealed(&name(), Digest::of(&bytes), &sealed, LIMITS).unwrap();
        always_the_same(&plugin);
        prop_assert_eq!(plugin.stateful(), None);
    }
}
