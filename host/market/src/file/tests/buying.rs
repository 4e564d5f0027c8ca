//! When an account buys, what it gives back, and how it is tested.

use super::*;
use crate::{
    model::{Returns, TestScript},
    schedule::Window,
};

#[test]
fn a_schedule_is_windows_on_days() {
    let windows = |keys: &str| read_account(keys).schedule.expect("a schedule").windows;
    let read = windows(
        "schedule = [{ days = [\"mon\", \"sun\"], from = \"08:00\", to = \"18:30\" }, { from = \"22:00\", to = \"06:00\" }, { from = \"00:00\", to = \"24:00\" }]",
    );
    let ends = [true, false, false, false, false, false, true];
    let expected = [
        (ends, 480, 1110),
        ([true; 7], 1320, 360),
        ([true; 7], 0, 1440),
    ];
    assert_eq!(
        read,
        expected.map(|(days, from, to)| Window { days, from, to })
    );
}

#[test]
fn a_window_that_is_no_time_of_a_day_is_refused() {
    let times = |from: &str, to: &str| format!("schedule = [{{ from = {from}, to = {to} }}]");
    for (from, to, key, code) in [
        ("\"8:00\"", "\"18:00\"", "from", "bad_format"),
        ("\"08.00\"", "\"18:00\"", "from", "bad_format"),
        ("\"+8:00\"", "\"18:00\"", "from", "bad_format"),
        ("\"08:00\"", "\"\"", "to", "bad_format"),
        ("\"24:00\"", "\"06:00\"", "from", "out_of_range"),
        ("\"08:60\"", "\"18:00\"", "from", "out_of_range"),
        ("\"08:00\"", "\"24:01\"", "to", "out_of_range"),
        ("08:00:00", "\"18:00\"", "from", "wrong_type"),
        ("\"08:00\"", "\"08:00\"", "to", "conflict"),
    ] {
        refused_accounts(&[(&times(from, to), &format!("schedule[0].{key}"), code)]);
    }
    let equal = errors(&account(&times("\"00:00\"", "\"00:00\""))).remove(0);
    assert!(equal.message.contains("to = \"24:00\""), "{equal}");
    refused_accounts(&[
        ("schedule = []", "schedule", "empty"),
        ("schedule = {}", "schedule", "wrong_type"),
        ("schedule = [\"always\"]", "schedule[0]", "wrong_type"),
        (
            "schedule = [{ to = \"18:00\" }]",
            "schedule[0].from",
            "missing",
        ),
        (
            "schedule = [{ from = \"08:00\" }]",
            "schedule[0].to",
            "missing",
        ),
        (
            "schedule = [{ days = [], from = \"08:00\", to = \"18:00\" }]",
            "schedule[0].days",
            "empty",
        ),
        (
            "schedule = [{ days = [\"mon\", \"mon\"], from = \"08:00\", to = \"18:00\" }]",
            "schedule[0].days[1]",
            "duplicate",
        ),
        (
            "schedule = [{ day = [\"mon\"], from = \"08:00\", to = \"18:00\" }]",
            "schedule[0].day",
            "unknown_key",
        ),
    ]);
    suggests(
        &account("schedule = [{ days = [\"mond\"], from = \"08:00\", to = \"18:00\" }]"),
        "accounts.a.schedule[0].days[0]",
        "not_allowed",
        "mon",
    );
}

#[test]
fn who_bids_at_the_ping_is_not_asked_again_before_the_post() {
    assert!(read_account("price = \"5\"\nping_before_post = true").ping_before_post);
    refused_accounts(&[
        ("ping_before_post = true", "ping_before_post", "conflict"),
        (
            "price = \"5\"\nping_during_sort = true\nping_before_post = true",
            "ping_before_post",
            "conflict",
        ),
        (
            "price = \"5\"\nping_before_post = 1",
            "ping_before_post",
            "wrong_type",
        ),
        // Nobody names a price: that is the error, and the only one.
        (
            "ping_during_sort = false\nping_before_post = true",
            "price",
            "missing",
        ),
    ]);
    good(&account(
        "ping_during_sort = true\nping_before_post = false",
    ));
}

#[test]
fn a_weight_is_a_positive_number() {
    assert_eq!(read_account("weight = 3").weight, number(3));
    refused_accounts(&[
        ("weight = 0", "weight", "out_of_range"),
        ("weight = 1000001", "weight", "out_of_range"),
        ("weight = \"1\"", "weight", "wrong_type"),
    ]);
}

#[test]
fn a_lead_is_returned_no_later_than_it_is_kept() {
    let returns = |keys: &str| format!("returns = {{ {keys} }}");
    let expected = Returns {
        within: Duration::from_hours(14 * 24),
        max_percent: "12.5".parse().expect("a number"),
        auto_accept: false,
        charge_supplier: false,
    };
    let keys = returns("within = \"14d\", max_percent = \"12.5\"");
    assert_eq!(read_account(&keys).returns, Some(expected));
    let keys = returns(
        "within = \"14d\", max_percent = \"12.5\", auto_accept = true, charge_supplier = true",
    );
    let both = Returns {
        auto_accept: true,
        charge_supplier: true,
        ..expected
    };
    assert_eq!(read_account(&keys).returns, Some(both));
    for (keys, key, code) in [
        ("max_percent = \"1\"", "within", "missing"),
        ("within = \"1d\"", "max_percent", "missing"),
        (
            "within = \"1d\", max_percent = \"100.5\"",
            "max_percent",
            "out_of_range",
        ),
        (
            "within = \"1d\", max_percent = 10",
            "max_percent",
            "wrong_type",
        ),
        (
            "within = \"31d\", max_percent = \"1\"",
            "within",
            "out_of_range",
        ),
        (
            "within = \"1d\", max_percent = \"1\", auto_acept = true",
            "auto_acept",
            "unknown_key",
        ),
    ] {
        refused_accounts(&[(&returns(keys), &format!("returns.{key}"), code)]);
    }
    let late = account(&returns("within = \"31d\", max_percent = \"1\""));
    let error = errors(&late).remove(0);
    assert!(
        error.message.contains("`retention`, which is 30days"),
        "{error}"
    );
    let kept = |retention: &str, text: &str| {
        text.replace(
            "currency = \"USD\"",
            &format!("currency = \"USD\"\nretention = \"{retention}\""),
        )
    };
    good(&kept("31d", &late));
    // What is faulty is nothing to measure against.
    refused(&kept("soon", &late), "retention", "bad_format");
    // Of an account's sales a year is remembered, however long leads are kept.
    let long = account(&returns("within = \"367d\", max_percent = \"1\""));
    refused(
        &kept("1000d", &long),
        "accounts.a.returns.within",
        "out_of_range",
    );
}

#[test]
fn a_test_script_bids_an_amount_or_is_a_word() {
    let twenty = TestScript::Bid(Money::parse("20.00").expect("money"));
    for (word, script) in [
        ("bid 20.00", twenty),
        ("no_bid", TestScript::NoBid),
        ("reject", TestScript::Reject),
        ("slow", TestScript::Slow),
        ("garbled", TestScript::Garbled),
    ] {
        let read = read_account(&format!("test = \"{word}\"")).test;
        assert_eq!(read, Some(script));
    }
    refused_accounts(&[
        ("test = \"bid\"", "test", "not_allowed"),
        ("test = \"bid  20\"", "test", "bad_format"),
        ("test = \"bid $20\"", "test", "bad_format"),
        ("test = \"bid 2000000\"", "test", "out_of_range"),
        ("test = 20", "test", "wrong_type"),
    ]);
    suggests(
        &account("test = \"no-bid\""),
        "accounts.a.test",
        "not_allowed",
        "no_bid",
    );
}

#[test]
fn a_test_key_is_a_key_of_its_own() {
    let key = |byte: &str| format!("{{ sha256 = \"{}\" }}", byte.repeat(32));
    let supplier = |keys: &str| format!("currency = \"USD\"\n[suppliers.s]\n{keys}\n");
    let market = good(&supplier(&format!(
        "keys = [{}]\ntest_keys = [{}, {}]",
        key("aa"),
        key("bb"),
        key("cc")
    )));
    let is_test = |byte: &str| {
        let digest: Digest = byte.repeat(32).parse().expect("a digest");
        market.owner_of_key(&digest).map(|owner| owner.is_test)
    };
    assert_eq!(
        [is_test("aa"), is_test("bb"), is_test("cc"), is_test("dd")],
        [Some(false), Some(true), Some(true), None]
    );
    assert_eq!(market.suppliers["s"].test_keys.len(), 2);
    let both = format!("keys = [{0}]\ntest_keys = [{0}]", key("aa"));
    refused(&supplier(&both), "suppliers.s.test_keys[0]", "duplicate");
    refused(
        &supplier("test_keys = [{ sha256 = \"aa\" }]"),
        "suppliers.s.test_keys[0].sha256",
        "bad_format",
    );
    refused(
        &supplier("test_keys = [\"aa\"]"),
        "suppliers.s.test_keys[0]",
        "wrong_type",
    );
}
