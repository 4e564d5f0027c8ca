//! What must hold of everything that the sandbox gives out, said again from the outside.

use gavel_sandbox::{
    About, Amount, Called, ConfigRefused, Fault, FaultKind, GateError, LogLine, PingStep, PostStep,
    Request, Verdict, limits,
};

use crate::host::LIMITS;

/// Longest text that the gate or a refusal may give a person, in bytes.
const TOLD_MAX_BYTES: usize = 16 << 10;

pub(crate) fn gate(error: &GateError) -> String {
    let words = error.to_string();
    assert!(
        words.len() <= TOLD_MAX_BYTES,
        "{} bytes of words",
        words.len()
    );
    assert_plain(&words);
    error.code().to_owned()
}

pub(crate) fn about(about: &About) {
    let texts = [
        (&about.name, limits::ABOUT_NAME_MAX_BYTES),
        (&about.version, limits::ABOUT_NAME_MAX_BYTES),
        (&about.summary, limits::ABOUT_SUMMARY_MAX_BYTES),
    ];
    for (text, max) in texts {
        assert!(text.len() <= max);
        assert_plain(text);
    }
    assert!(about.config_schema.is_object());
    assert!(
        about.needs.len() <= limits::NEEDS_MAX && about.needs.iter().all(|field| is_code(field))
    );
    assert!(about.codes.len() <= limits::CODES_MAX && about.codes.iter().all(|code| is_code(code)));
}

pub(crate) fn refused(refused: &ConfigRefused) {
    let words = refused.to_string();
    assert!(
        words.len() <= TOLD_MAX_BYTES,
        "{} bytes of words",
        words.len()
    );
    assert_plain(&words);
}

pub(crate) fn called<T>(called: &Called<T>) {
    log(&called.log);
}

pub(crate) fn fault(fault: &Fault) -> String {
    assert!(fault.message().len() <= limits::MESSAGE_MAX_BYTES);
    assert_plain(fault.message());
    assert_ne!(fault.kind, FaultKind::Overloaded, "there is nobody else");
    log(fault.log());
    format!("{} in {}", fault.kind.outcome(), fault.function)
}

fn log(lines: &[LogLine]) {
    let bytes: usize = lines
        .iter()
        .map(|line| line.text.len() + limits::LOG_LINE_BYTES)
        .sum();
    assert!(bytes <= LIMITS.log, "{bytes} bytes of log");
    for line in lines {
        assert_plain(&line.text);
    }
}

pub(crate) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Qualified => "qualified",
        Verdict::Disqualified { code, detail } => {
            assert!(is_code(code));
            assert_words(detail);
            "disqualified"
        }
    }
}

pub(crate) fn ping(step: &PingStep) -> &'static str {
    match step {
        PingStep::Send(request) => sendable(request),
        PingStep::Bid { amount, reference } => {
            if let Some(amount) = amount {
                possible(amount);
            }
            if let Some(reference) = reference {
                assert_reference(reference);
            }
            "bid"
        }
        PingStep::NoBid(why) => {
            assert_words(why);
            "no bid"
        }
    }
}

pub(crate) fn post(step: &PostStep) -> &'static str {
    match step {
        PostStep::Send(request) => sendable(request),
        PostStep::Accepted {
            reference,
            price,
            redirect_url,
        } => {
            if let Some(amount) = price {
                possible(amount);
            }
            if let Some(reference) = reference {
                assert_reference(reference);
            }
            if let Some(url) = redirect_url {
                assert!(url.len() <= limits::REDIRECT_MAX_BYTES);
                assert!(url.to_ascii_lowercase().starts_with("http"));
                assert!(!url.contains(|char: char| char.is_control() || char.is_whitespace()));
            }
            "accepted"
        }
        PostStep::Rejected { code, detail } => {
            assert!(is_code(code));
            assert_words(detail);
            "rejected"
        }
    }
}

fn possible(amount: &Amount) {
    if let Amount::Valid(amount) = amount {
        let shown = amount.to_string();
        let number: f64 = shown.parse().expect("an amount is a number");
        assert!((0.0..=1_000_000.0).contains(&number), "{shown}");
    }
}

/// A request that can be written down for HTTP/1.1 without saying more than it says.
fn sendable(request: &Request) -> &'static str {
    assert!(["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&request.method.as_str()));
    assert!((1..=limits::URL_MAX_BYTES).contains(&request.url.len()));
    assert!(
        !request
            .url
            .contains(|char: char| char.is_control() || char.is_whitespace())
    );
    assert!(request.body.len() <= limits::REQUEST_BODY_MAX_BYTES);
    assert!(request.headers.len() <= limits::HEADERS_MAX);
    let bytes: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(bytes <= limits::HEADERS_MAX_BYTES);
    for (name, value) in &request.headers {
        assert!(
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte))
        );
        let name = name.to_ascii_lowercase();
        assert!(
            ![
                "host",
                "content-length",
                "transfer-encoding",
                "connection",
                "upgrade"
            ]
            .contains(&name.as_str())
        );
        assert!(!value.contains(char::is_control));
    }
    "send"
}

fn assert_reference(reference: &str) {
    assert!(
        reference.len() <= limits::REFERENCE_MAX_BYTES && !reference.contains(char::is_control)
    );
}

fn assert_words(words: &str) {
    assert!(words.len() <= limits::WORDS_MAX_BYTES);
    assert_plain(words);
}

/// Nothing in it steers a terminal.
fn assert_plain(text: &str) {
    let hidden = |char: char| {
        char.is_control()
            || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(hidden), "{text:?}");
}

fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code.starts_with(|first: char| first.is_ascii_lowercase())
        && code
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
}

/// What a person may be shown.
pub(crate) fn words(words: &str) {
    assert!(
        words.len() <= TOLD_MAX_BYTES,
        "{} bytes of words",
        words.len()
    );
    assert_plain(words);
}
