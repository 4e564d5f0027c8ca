//! What a plugin did with what was expected of it.

use gavel_market::money::Money;
use gavel_sandbox::{Amount, FaultKind, Kind, PingStep, PostStep, Request, Verdict};
use serde_json::{Map, Value as Json};

use super::{
    Case, Difference, Driven, End, Trouble,
    exchange::{Body, ExpectedRequest},
    expect::{Expected, Is, Refusal},
};

/// Longest part of a value that a sentence repeats, in characters; a longer one is compared
/// line by line.
const SHOWN_MAX: usize = 120;

/// Every difference; none where the case passes.
pub(super) fn compare(case: &Case, kind: Kind, driven: &Driven) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    if let Some(kinds) = not_for(&case.expected, kind) {
        found.add(
            "expect",
            format!(
                "`{}` is what {kinds} comes to, and this plugin is of kind {kind}",
                case.expected.word()
            ),
        );
        return found.0;
    }
    let asked_for = driven.end.as_ref().ok().and_then(End::request);
    let asked: Vec<&Request> = driven.sent.iter().chain(asked_for).collect();
    for (at, expected) in case.requests.iter().enumerate() {
        let at_path = format!("requests[{at}]");
        match asked.get(at) {
            Some(request) => found.request(&at_path, expected, request),
            None => found.add(&at_path, "was to be sent, and was not".to_owned()),
        }
    }
    let answers = case.scenario.answers.len();
    let is_config = matches!(driven.end, Err(Trouble::Config(_)));
    if asked_for.is_none() && driven.sent.len() < answers && !is_config {
        let used = driven.sent.len();
        found.add(
            "answers",
            format!("it came to its end after {used} of {answers}"),
        );
    }
    found.end(case, driven);
    found.0
}

/// Which plugins an expectation is for, where this one is none of them.
fn not_for(expected: &Expected, kind: Kind) -> Option<&'static str> {
    match (expected, kind) {
        (Expected::Qualified | Expected::Disqualified(_), Kind::Adapter) => Some("a filter"),
        (
            Expected::Send(_)
            | Expected::Bid { .. }
            | Expected::NoBid(_)
            | Expected::Accepted { .. }
            | Expected::Rejected(_),
            Kind::Filter,
        ) => Some("an adapter"),
        _ => None,
    }
}

/// How it ended, for a person.
pub fn in_words(end: &Result<End, Trouble>) -> String {
    match end {
        Ok(End::Verdict(Verdict::Qualified)) => "qualified".to_owned(),
        Ok(End::Verdict(Verdict::Disqualified { code, detail })) => {
            format!("disqualified, {code}: {detail}")
        }
        Ok(End::Ping(PingStep::Bid { amount, reference })) => {
            let amount = amount
                .as_ref()
                .map_or("a bid without an amount".to_owned(), |amount| {
                    format!("a bid of {}", amount_in_words(*amount))
                });
            format!("{amount}{}", beside("reference", reference.as_deref()))
        }
        Ok(End::Ping(PingStep::NoBid(words))) => format!("no bid: {words}"),
        Ok(End::Post(PostStep::Accepted {
            reference,
            price,
            redirect_url,
        })) => format!(
            "accepted{}{}{}",
            beside("price", price.map(amount_in_words).as_deref()),
            beside("reference", reference.as_deref()),
            beside("redirect_url", redirect_url.as_deref())
        ),
        Ok(End::Post(PostStep::Rejected { code, detail })) => format!("rejected, {code}: {detail}"),
        Ok(End::Ping(PingStep::Send(request)) | End::Post(PostStep::Send(request))) => {
            format!("send {} {}", request.method, shown(&request.url))
        }
        Err(Trouble::Config(refused)) => format!("the configuration is refused: {refused}"),
        Err(Trouble::Fault(fault)) if fault.kind == FaultKind::Error => {
            format!("an error: {}", fault.message())
        }
        Err(Trouble::Fault(fault)) => {
            format!(
                "{} in {}: {}",
                fault.kind.outcome(),
                fault.function,
                fault.message()
            )
        }
    }
}

fn beside(what: &str, text: Option<&str>) -> String {
    text.map(|text| format!(", {what} {}", shown(text)))
        .unwrap_or_default()
}

fn amount_in_words(amount: Amount) -> String {
    match amount {
        Amount::Valid(amount) => amount.to_string(),
        Amount::Invalid => "something that is no amount".to_owned(),
    }
}

/// A text without what could steer a terminal, cut where it is long.
fn shown(text: &str) -> String {
    let mut letters = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let cut: String = letters.by_ref().take(SHOWN_MAX).collect();
    if letters.next().is_some() {
        format!("{cut}…")
    } else {
        cut
    }
}

/// The differences found so far.
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, at: &str, words: String) {
        self.0.push(Difference {
            at: at.to_owned(),
            words,
            texts: None,
        });
    }

    /// Two texts that are not the same.
    fn differ(&mut self, at: &str, expected: &str, got: &str) {
        let long = |text: &str| text.chars().count() > SHOWN_MAX || text.contains('\n');
        if long(expected) || long(got) {
            self.0.push(Difference {
                at: at.to_owned(),
                words: "is not what was expected".to_owned(),
                texts: Some((expected.to_owned(), got.to_owned())),
            });
        } else {
            self.add(
                at,
                format!("{:?} was expected, not {:?}", shown(expected), shown(got)),
            );
        }
    }

    fn text(&mut self, at: &str, expected: Option<&str>, got: &str) {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            self.differ(at, expected, got);
        }
    }

    /// A sentence for people: a part of it is enough.
    fn words(&mut self, at: &str, expected: Option<&str>, got: &str) {
        if let Some(expected) = expected.filter(|expected| !got.contains(expected)) {
            self.add(
                at,
                format!("{:?} was expected in {:?}", shown(expected), shown(got)),
            );
        }
    }

    fn optional(&mut self, at: &str, expected: Option<&Is<String>>, got: Option<&str>) {
        match (expected, got) {
            (None, _) | (Some(Is::Absent), None) => (),
            (Some(Is::Value(expected)), Some(got)) => self.text(at, Some(expected), got),
            (Some(Is::Value(expected)), None) => {
                self.add(
                    at,
                    format!("{:?} was expected, and there is none", shown(expected)),
                );
            }
            (Some(Is::Absent), Some(got)) => {
                self.add(at, format!("none was expected, not {:?}", shown(got)));
            }
        }
    }

    fn amount(&mut self, at: &str, expected: Option<&Is<Money>>, got: Option<Amount>) {
        match (expected, got) {
            (None, _) | (Some(Is::Absent), None) => (),
            (Some(Is::Value(expected)), Some(Amount::Valid(got))) if *expected == got => (),
            (Some(Is::Value(expected)), got) => {
                let got = got.map_or("none".to_owned(), amount_in_words);
                self.add(at, format!("{expected} was expected, not {got}"));
            }
            (Some(Is::Absent), Some(got)) => {
                self.add(
                    at,
                    format!("none was expected, not {}", amount_in_words(got)),
                );
            }
        }
    }

    fn refusal(&mut self, at: &str, expected: &Refusal, code: &str, detail: &str) {
        self.text(&format!("{at}.code"), expected.code.as_deref(), code);
        self.words(&format!("{at}.detail"), expected.detail.as_deref(), detail);
    }

    fn request(&mut self, at: &str, expected: &ExpectedRequest, got: &Request) {
        self.text(
            &format!("{at}.method"),
            expected.method.as_deref(),
            &got.method,
        );
        self.text(&format!("{at}.url"), expected.url.as_deref(), &got.url);
        for (name, expected) in &expected.headers {
            let values = got
                .headers
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name));
            let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
            let joined = (!values.is_empty()).then(|| values.join(", "));
            self.optional(
                &format!("{at}.headers.{name}"),
                Some(expected),
                joined.as_deref(),
            );
        }
        if let Some(expected) = &expected.body {
            self.body(&format!("{at}.body"), expected, &got.body);
        }
    }

    fn body(&mut self, at: &str, expected: &Body, got: &[u8]) {
        let text = String::from_utf8_lossy(got);
        let json = serde_json::from_slice::<Json>(got).ok();
        let expected_json = match expected {
            Body::Json(json) => Some(json.clone()),
            Body::Text(text) => serde_json::from_str(text).ok(),
        };
        match (expected_json, json, expected) {
            (Some(expected), Some(got), _) if expected == got => (),
            (Some(expected), Some(got), _) => self.0.push(Difference {
                at: at.to_owned(),
                words: "is not the JSON that was expected".to_owned(),
                texts: Some((pretty(expected), pretty(got))),
            }),
            (Some(expected), None, Body::Json(_)) => self.0.push(Difference {
                at: at.to_owned(),
                words: "JSON was expected, and this is none".to_owned(),
                texts: Some((pretty(expected), text.into_owned())),
            }),
            (_, _, Body::Text(expected)) => self.text(at, Some(expected), &text),
            (None, _, Body::Json(_)) => (),
        }
    }

    /// The end, as far as it was said how it should be.
    fn end(&mut self, case: &Case, driven: &Driven) {
        match (&case.expected, &driven.end) {
            (Expected::Qualified, Ok(End::Verdict(Verdict::Qualified))) => (),
            (
                Expected::Disqualified(expected),
                Ok(End::Verdict(Verdict::Disqualified { code, detail })),
            ) => self.refusal("disqualified", expected, code, detail),
            (
                Expected::Send(expected),
                Ok(End::Ping(PingStep::Send(got)) | End::Post(PostStep::Send(got))),
            ) => self.request("send", expected, got),
            (
                Expected::Bid { amount, reference },
                Ok(End::Ping(PingStep::Bid {
                    amount: got_amount,
                    reference: got_reference,
                })),
            ) => {
                self.amount("bid.amount", amount.as_ref(), *got_amount);
                self.optional(
                    "bid.reference",
                    reference.as_ref(),
                    got_reference.as_deref(),
                );
            }
            (Expected::NoBid(expected), Ok(End::Ping(PingStep::NoBid(words)))) => {
                self.words("no_bid", expected.as_deref(), words);
            }
            (
                Expected::Accepted {
                    reference,
                    price,
                    redirect_url,
                },
                Ok(End::Post(PostStep::Accepted {
                    reference: got_reference,
                    price: got_price,
                    redirect_url: got_url,
                })),
            ) => {
                self.optional(
                    "accepted.reference",
                    reference.as_ref(),
                    got_reference.as_deref(),
                );
                self.amount("accepted.price", price.as_ref(), *got_price);
                self.optional(
                    "accepted.redirect_url",
                    redirect_url.as_ref(),
                    got_url.as_deref(),
                );
            }
            (Expected::Rejected(expected), Ok(End::Post(PostStep::Rejected { code, detail }))) => {
                self.refusal("rejected", expected, code, detail);
            }
            (Expected::Error(expected), Err(Trouble::Fault(fault)))
                if fault.kind == FaultKind::Error =>
            {
                self.words("error", expected.as_deref(), fault.message());
            }
            // A configuration that `open` does not take is an error too, as its author sees it.
            (Expected::Error(expected), Err(Trouble::Config(refused))) => {
                self.words("error", expected.as_deref(), &refused.to_string());
            }
            (Expected::RefusedConfig(expected), Err(Trouble::Config(refused))) => {
                self.words("refused_config", expected.as_deref(), &refused.to_string());
            }
            (Expected::Fault(outcome), Err(Trouble::Fault(fault)))
                if fault.kind.outcome() == *outcome => {}
            (_, Ok(end)) if end.request().is_some() => self.unanswered(case, driven, end),
            (expected, end) => self.add(
                "expect",
                format!("`{}` was expected, not {}", expected.word(), in_words(end)),
            ),
        }
    }

    /// It wants one request more than the case has answers.
    fn unanswered(&mut self, case: &Case, driven: &Driven, end: &End) {
        let given = case.scenario.answers.len();
        let wanted = end
            .request()
            .map(|request| format!("{} {}", request.method, shown(&request.url)));
        self.add(
            "answers",
            format!(
                "`{}` was expected, but request {} ({}) has no answer: the case gives {given}",
                case.expected.word(),
                driven.sent.len() + 1,
                wanted.unwrap_or_default()
            ),
        );
    }
}

/// JSON to be compared line by line: its keys sorted, since their order says nothing.
fn pretty(json: Json) -> String {
    serde_json::to_string_pretty(&sorted(json)).unwrap_or_default()
}

fn sorted(json: Json) -> Json {
    match json {
        Json::Object(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            let members = members.into_iter().map(|(key, value)| (key, sorted(value)));
            Json::Object(members.collect::<Map<_, _>>())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        plain => plain,
    }
}
