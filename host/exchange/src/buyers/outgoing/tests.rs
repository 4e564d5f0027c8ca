use std::collections::BTreeMap;

use gavel_market::model::{HeldValue, SecretSource};

use super::*;
use crate::{secrets::Fetching, tokens::Tokens};

const GOOD: &str = "https://good.example";

fn secrets(values: &[(&str, &str)]) -> Secrets {
    let sources: BTreeMap<_, _> = values
        .iter()
        .map(|(name, _)| {
            (
                (*name).to_owned(),
                SecretSource::Held(HeldValue::Env((*name).to_owned())),
            )
        })
        .collect();
    let environment = |variable: &str| {
        let (_, value) = values.iter().find(|(name, _)| *name == variable)?;
        Some(value.into())
    };
    let fetching = Fetching {
        tokens: &Tokens::default(),
        allow_http: false,
    };
    Secrets::read_with(
        &"sunco-west".parse().unwrap(),
        &sources,
        &fetching,
        environment,
    )
    .unwrap()
}

fn prepare(request: &Request, secrets: &Secrets) -> Result<Outgoing, Refused> {
    Outgoing::prepare(
        request,
        &[Origin::of(&GOOD.parse().unwrap()).unwrap()],
        secrets,
    )
}

fn to(url: &str) -> Request {
    Request {
        method: "POST".into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

fn with_header(name: &str, value: &str) -> Request {
    Request {
        headers: vec![(name.into(), value.into())],
        ..to(GOOD)
    }
}

fn refused(request: &Request) -> Refused {
    prepare(request, &Secrets::default()).unwrap_err()
}

#[test]
fn a_request_to_a_named_host_leaves() {
    for url in [
        GOOD,
        "https://good.example/in?a=b",
        "HTTPS://GOOD.example:443/",
        "https://good.example?a@b",
    ] {
        assert!(prepare(&to(url), &Secrets::default()).is_ok(), "{url}");
    }
}

#[test]
fn another_scheme_name_or_port_is_another_host() {
    for url in [
        "http://good.example/",
        "https://good.example:8443/",
        "https://good.example./",
        "https://good.example.evil.example/",
        "https://evil.example/good.example",
        "https://evil.example?good.example",
        "https://evil.example/@good.example",
        "https://127.0.0.1/",
    ] {
        assert_eq!(refused(&to(url)), Refused::HostNotAllowed, "{url}");
    }
}

#[test]
fn a_url_that_can_be_read_two_ways_is_malformed() {
    for url in [
        "",
        "/in",
        "//good.example/in",
        "https:good.example",
        "https:///good.example",
        "https://good.example@evil.example/",
        "https://a:b@good.example/",
        "https://@good.example/",
        "https://good.example\\@evil.example/",
        "https://evil.example\\@good.example/",
        "https:\\\\good.example/",
        " https://good.example/",
        "https://good.exa\tmple/",
        "https://good.example/a\r\nX: y",
        "https://good.example/a b",
        "https://good.example/#part",
        "ftp://good.example/",
        "file:///etc/passwd",
        "javascript://good.example/",
        "https://good.example:99999/",
        "https://[::1/",
    ] {
        assert!(matches!(refused(&to(url)), Refused::Malformed(_)), "{url}");
    }
    assert!(matches!(
        refused(&to(&format!("{GOOD}/{}", "x".repeat(URL_MAX_BYTES)))),
        Refused::Malformed(_)
    ));
}

#[test]
fn the_origin_is_checked_after_secrets_are_filled_in() {
    let secrets = secrets(&[
        ("HOST", "good.example"),
        ("TAIL", ".evil.example"),
        ("AT", "x@evil.example"),
    ]);
    assert!(prepare(&to("https://{{secret:HOST}}/in"), &secrets).is_ok());
    assert_eq!(
        prepare(&to("https://good.example{{secret:TAIL}}/"), &secrets).unwrap_err(),
        Refused::HostNotAllowed
    );
    assert!(matches!(
        prepare(&to("https://{{secret:AT}}/"), &secrets),
        Err(Refused::Malformed(_))
    ));
}

#[test]
fn a_secret_is_filled_into_url_header_and_body() {
    let request = Request {
        method: "POST".into(),
        url: format!("{GOOD}/in?key={{{{secret:KEY}}}}"),
        headers: vec![("Authorization".into(), "Bearer {{secret:KEY}}".into())],
        body: b"key={{secret:KEY}}".to_vec(),
    };
    let outgoing = prepare(&request, &secrets(&[("KEY", "hush-hush")])).unwrap();
    assert_eq!(outgoing.target, "/in?key=hush-hush");
    assert_eq!(outgoing.headers["authorization"], "Bearer hush-hush");
    assert_eq!(outgoing.body, "key=hush-hush");
    assert_eq!(outgoing.headers[CONTENT_LENGTH], "13");
    assert_eq!(
        format!("{outgoing:?}"),
        "Outgoing(POST https://good.example)"
    );
}

#[test]
fn a_secret_not_granted_sends_nothing() {
    let unknown = Refused::UnknownSecret("KEY".into());
    assert_eq!(refused(&to("https://good.example/{{secret:KEY}}")), unknown);
    assert_eq!(refused(&with_header("X-Key", "{{secret:KEY}}")), unknown);
    assert_eq!(
        refused(&Request {
            body: b"{{secret:KEY}}".to_vec(),
            ..to(GOOD)
        }),
        unknown
    );
    assert!(matches!(
        refused(&with_header("X-Key", "{{secret:KEY")),
        Refused::Malformed(_)
    ));
}

#[test]
fn a_header_stays_one_line() {
    for (name, value) in [
        ("X", "a\r\nY: b"),
        ("X", "a\nb"),
        ("X", "a\0b"),
        ("X\r\nY", "a"),
        ("X: a\r\nY", "b"),
        ("", "a"),
        ("X Y", "a"),
        ("Ä", "a"),
    ] {
        assert!(
            matches!(refused(&with_header(name, value)), Refused::Malformed(_)),
            "{name:?}: {value:?}"
        );
    }
}

#[test]
fn headers_of_the_connection_are_the_hosts() {
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Upgrade",
        "Expect",
    ] {
        assert!(
            matches!(refused(&with_header(name, "1")), Refused::Malformed(_)),
            "{name}"
        );
    }
}

#[test]
fn headers_are_bounded() {
    let headers = |count: usize, value: &str| Request {
        headers: (0..count)
            .map(|at| (format!("x-{at}"), value.to_owned()))
            .collect(),
        ..to(GOOD)
    };
    assert!(prepare(&headers(REQUEST_HEADERS_MAX, "a"), &Secrets::default()).is_ok());
    assert!(matches!(
        refused(&headers(REQUEST_HEADERS_MAX + 1, "a")),
        Refused::Malformed(_)
    ));
    assert!(matches!(
        refused(&headers(70, &"a".repeat(1000))),
        Refused::Malformed(_)
    ));
}

#[test]
fn only_methods_that_ask_for_something_are_sent() {
    for method in [
        "CONNECT",
        "TRACE",
        "HEAD",
        "post",
        "",
        "GET /x HTTP/1.1\r\nX:",
    ] {
        assert!(
            matches!(
                refused(&Request {
                    method: method.into(),
                    ..to(GOOD)
                }),
                Refused::Malformed(_)
            ),
            "{method}"
        );
    }
}

#[test]
fn host_and_length_are_set() {
    let hosts = [Origin::of(&"http://[::1]:8080".parse().unwrap()).unwrap()];
    let outgoing =
        Outgoing::prepare(&to("http://[::1]:8080/in"), &hosts, &Secrets::default()).unwrap();
    assert_eq!(outgoing.headers[HOST], "[::1]:8080");
    assert_eq!(outgoing.headers[CONTENT_LENGTH], "0");
    let get = Request {
        method: "GET".into(),
        ..to(GOOD)
    };
    let outgoing = prepare(&get, &Secrets::default()).unwrap();
    assert_eq!(outgoing.headers[HOST], "good.example");
    assert!(!outgoing.headers.contains_key(CONTENT_LENGTH));
}
