//! What a plugin is shown, and what comes back.

use std::time::Duration;

use gavel_market::money::Money;

use super::{call, guest::Guest, load, ping_step, pinged, posted};
use crate::{Amount, FaultKind, Kind, PingStep, PostStep, Response, Verdict, Won};

/// Logs the name of each field that the lead lists, and the value where it is text.
const LOG_FIELDS: &str = "
    (call $fields (local.get 1) (i32.const 2048))
    (local.set 2 (i32.load (i32.const 2048)))
    (local.set 3 (i32.load (i32.const 2052)))
    (block $done (loop $on
      (br_if $done (i32.eqz (local.get 3)))
      (call $log (i32.const 1) (i32.load (local.get 2)) (i32.load offset=4 (local.get 2)))
      (if (i32.eqz (i32.and (i32.load8_u offset=8 (local.get 2)) (i32.const 1)))
        (then (call $log (i32.const 2) (i32.load offset=16 (local.get 2)) (i32.load offset=20 (local.get 2)))))
      (local.set 2 (i32.add (local.get 2) (i32.const 24)))
      (local.set 3 (i32.sub (local.get 3) (i32.const 1)))
      (br $on)))
    (i32.const 1024)";

/// A filter that refuses with `code` if the field `name` is there.
fn refuses_if_present(name: &str) -> Guest {
    let mut guest = Guest::filter();
    let (name, refusal) = (guest.text(name), guest.refusal("seen", ""));
    guest.qualify = format!(
        "(call $field (local.get 1) {name} (i32.const 2048))
         (if (result i32) (i32.load8_u (i32.const 2048)) (then {refusal}) (else (i32.const 1024)))"
    );
    guest
}

#[tokio::test]
async fn a_ping_never_shows_a_personal_field() {
    for personal in ["email", "note"] {
        let plugin = load(&refuses_if_present(personal));
        let called = plugin.qualify(&call(), &pinged()).await.unwrap();
        assert_eq!(called.value, Verdict::Qualified, "{personal}");
        assert_eq!(called.fields_read, [personal]);
        let called = plugin.qualify_full(&call(), &posted()).await.unwrap();
        assert_ne!(called.value, Verdict::Qualified, "{personal}");
    }
    let lists = Guest {
        qualify: LOG_FIELDS.into(),
        ..Guest::filter()
    };
    let called = load(&lists).qualify(&call(), &pinged()).await.unwrap();
    let lines: Vec<_> = called.log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        lines,
        [
            "shade",
            "partial",
            "size",
            "bill",
            "12.5",
            "owner",
            "built",
            "1990-02-28"
        ]
    );
    assert_eq!(
        called.fields_read,
        ["shade", "size", "bill", "owner", "built"]
    );
}

#[tokio::test]
async fn a_post_shows_the_whole_lead() {
    let lists = Guest {
        qualify: LOG_FIELDS.into(),
        ..Guest::filter()
    };
    let called = load(&lists).qualify_full(&call(), &posted()).await.unwrap();
    assert!(called.log.iter().any(|line| line.text == "ann@example.org"));
    assert!(called.fields_read.contains(&"email".to_owned()));
}

#[tokio::test]
async fn the_stage_is_the_view_s() {
    let mut guest = Guest::filter();
    let refusal = guest.refusal("full", "");
    guest.qualify = format!(
        "(if (result i32) (call $stage (local.get 1)) (then {refusal}) (else (i32.const 1024)))"
    );
    let plugin = load(&guest);
    assert_eq!(
        plugin.qualify(&call(), &pinged()).await.unwrap().value,
        Verdict::Qualified
    );
    assert_ne!(
        plugin.qualify_full(&call(), &posted()).await.unwrap().value,
        Verdict::Qualified
    );
}

#[tokio::test]
async fn what_was_read_is_noted_once_and_only_fields_that_exist() {
    let mut guest = Guest::filter();
    let reads = ["absent", "no_such_field", "size", "size"].map(|name| {
        let name = guest.text(name);
        format!("(call $field (local.get 1) {name} (i32.const 2048))")
    });
    guest.qualify = reads.concat() + "(i32.const 1024)";
    let called = load(&guest).qualify(&call(), &pinged()).await.unwrap();
    assert_eq!(called.fields_read, ["size", "absent"]);
    assert!(called.cpu > Duration::ZERO);
}

#[tokio::test]
async fn an_adapter_sends_then_bids() {
    let mut guest = Guest::adapter();
    let (send, bid) = (
        guest.send(
            "POST",
            "https://buyer.example/{{secret:KEY}}",
            "accept",
            "{}",
        ),
        guest.bid("12.5"),
    );
    guest.ping = format!("(if (result i32) (local.get 3) (then {bid}) (else {send}))");
    let plugin = load(&guest);
    assert_eq!(plugin.kind(), Kind::Adapter);
    let PingStep::Send(request) = plugin.ping(&call(), &pinged(), &[]).await.unwrap().value else {
        panic!("it sends")
    };
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "https://buyer.example/{{secret:KEY}}")
    );
    assert_eq!(
        (request.headers, request.body),
        (vec![("accept".into(), "x".into())], b"{}".to_vec())
    );
    let answer = Response {
        status: 200,
        headers: vec![("a".into(), "b".into())],
        body: b"yes".to_vec(),
    };
    let step = plugin
        .ping(&call(), &pinged(), &[answer])
        .await
        .unwrap()
        .value;
    assert_eq!(
        step,
        PingStep::Bid {
            amount: Some(Amount::Valid(Money::parse("12.50").unwrap())),
            reference: None
        }
    );
}

/// The body of a `post` that accepts with a reference, a price and a place to go.
fn acceptance(guest: &mut Guest, [reference, price, redirect]: [&str; 3]) -> String {
    let mut body = "(call $put (i32.const 4) (i32.const 1))".to_owned();
    for (at, text) in [(8, reference), (20, price), (32, redirect)] {
        let text = guest.put_text(at + 4, text);
        body = format!("{body} (call $put (i32.const {at}) (i32.const 1)) {text}");
    }
    body + "(i32.const 1024)"
}

#[tokio::test]
async fn an_acceptance_stands_whatever_came_with_it() {
    let mut guest = Guest::adapter();
    guest.post = acceptance(&mut guest, ["b-1", "9.99", "https://buyer.example/thanks"]);
    let step = load(&guest)
        .post(&call(), &posted(), &Won::default(), &[])
        .await
        .unwrap()
        .value;
    let PostStep::Accepted {
        reference,
        price,
        redirect_url,
    } = step
    else {
        panic!("it accepts")
    };
    assert_eq!(
        (reference.as_deref(), redirect_url.as_deref()),
        (Some("b-1"), Some("https://buyer.example/thanks"))
    );
    assert_eq!(price, Some(Amount::Valid(Money::parse("9.99").unwrap())));

    let mut guest = Guest::adapter();
    guest.post = acceptance(
        &mut guest,
        [&"b".repeat(2000), "lots", "javascript:alert(1)"],
    );
    let called = load(&guest)
        .post(&call(), &posted(), &Won::default(), &[])
        .await
        .unwrap();
    let accepted = PostStep::Accepted {
        reference: None,
        price: Some(Amount::Invalid),
        redirect_url: None,
    };
    assert_eq!(called.value, accepted);
    assert_eq!(called.log.len(), 2);
}

#[tokio::test]
async fn what_was_won_reaches_the_adapter() {
    let mut guest = Guest::adapter();
    // The amount's and the reference's text, logged.
    guest.post = format!(
        "(call $log (i32.const 1) (local.get 3) (local.get 4)) (call $log (i32.const 1) (local.get 6) (local.get 7)) {}",
        acceptance(&mut guest, ["", "", "http://a"])
    );
    let won = Won {
        amount: Some(Money::parse("28").unwrap()),
        reference: Some("bid-7".into()),
    };
    let called = load(&guest)
        .post(&call(), &posted(), &won, &[])
        .await
        .unwrap();
    let lines: Vec<_> = called.log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, ["28.00", "bid-7"]);
}

#[tokio::test]
async fn an_error_returned_is_a_fault_with_its_words() {
    let mut guest = Guest::adapter();
    guest.ping = guest.error("the buyer speaks nonsense");
    let fault = ping_step(&guest).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.message()),
        (FaultKind::Error, "the buyer speaks nonsense")
    );
    let filter = load(&Guest::filter());
    assert_eq!(
        filter.ping(&call(), &pinged(), &[]).await.unwrap_err().kind,
        FaultKind::Error
    );
}

#[tokio::test]
async fn a_configuration_is_refused_by_the_schema_then_by_open() {
    let mut guest = Guest::filter();
    guest.describe = guest.description(
        "picky",
        r#"{"type": "object", "properties": {"shade": {"type": "string"}}}"#,
    );
    guest.open = guest.error("no shade is good enough");
    let (plugin, account) = (load(&guest), call().account);
    let refused = plugin
        .check_config(&account, r#"{"shade": 5}"#)
        .await
        .unwrap_err();
    assert_eq!(refused.path, "/shade");
    let refused = plugin
        .check_config(&account, r#"{"shade": "none"}"#)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.path.as_str(), refused.message.as_str()),
        ("", "no shade is good enough")
    );
    let fault = plugin.qualify(&call(), &pinged()).await.unwrap_err();
    assert_eq!((fault.kind, fault.function), (FaultKind::Error, "open"));
    assert!(
        load(&Guest::filter())
            .check_config(&account, "{}")
            .await
            .is_ok()
    );
}
