//! What a buyer's answer means.
//!
//! | | ping | post |
//! |---|---|---|
//! | a clear yes | a bid | accepted |
//! | a clear no | no bid | rejected: the next buyer gets the lead |
//! | anything else | an error: no bid | an error: unconfirmed, for a person to settle |
//!
//! So at the post only what the configuration names as a no is one, and only in an answer
//! that could be read whole.

use std::borrow::Cow;

use gavel_sdk::{Response, warn};
use serde_json::value::RawValue;

use crate::{
    Preset,
    config::{AnswerConfig, Format},
    json,
    mapping::Exchange,
    shapes::{Places, Scalar, Target},
    xml,
};

/// In `yes`: any value that is not one of `no`.
const ANY_OTHER: &str = "*";

/// Bytes of a buyer's words that are passed on; the host cuts there too.
const WORDS_MAX_BYTES: usize = 1024;

/// How the answers to one of the two requests are read.
#[derive(Debug)]
pub(crate) struct Reading {
    exchange: Exchange,
    /// `None`: as the answer's own content type says, else as expected.
    format: Option<Format>,
    expected: Format,
    decision: Places,
    yes: Vec<Scalar>,
    no: Vec<Scalar>,
    duplicate: Vec<Scalar>,
    yes_status: Vec<u16>,
    no_status: Vec<u16>,
    /// `None`: any 2xx.
    body_status: Option<Vec<u16>>,
    price: Places,
    reference: Places,
    redirect_url: Places,
    reason: Places,
}

/// What a buyer said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Yes(Terms),
    /// With the buyer's words, or ours where it has none.
    No(String),
    /// A no, since the buyer has the lead already.
    Duplicate(String),
}

/// What one word of an answer says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    Duplicate,
}

/// What a buyer that wants the lead says besides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) price: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) redirect_url: Option<String>,
}

impl Reading {
    /// `own` is `ping_answer` or `post_answer`; what it leaves out stands in `shared`, which
    /// is `answer`, and else in the protocol's preset.
    pub(crate) fn new(
        exchange: Exchange,
        request_format: Format,
        own: AnswerConfig,
        shared: &AnswerConfig,
        preset: &Preset,
    ) -> Result<Self, String> {
        let places = |own: Option<Places>, shared: &Option<Places>, preset: &[&str]| {
            own.or_else(|| shared.clone())
                .map_or_else(|| Places::parse(preset), Ok)
        };
        let words = |own: Option<Vec<Scalar>>, shared: &Option<Vec<Scalar>>, preset: &[&str]| {
            own.or_else(|| shared.clone()).unwrap_or_else(|| {
                let word = |word: &&str| Scalar::Text((*word).to_owned());
                preset.iter().map(word).collect()
            })
        };
        // 204 is how many buyers do not bid; at a post it says nothing for sure.
        let no_status = if exchange == Exchange::Ping {
            vec![204]
        } else {
            Vec::new()
        };
        let reading = Self {
            exchange,
            format: own.format.or(shared.format),
            expected: preset.answers.unwrap_or(request_format),
            decision: places(own.decision, &shared.decision, preset.decision)?,
            yes: words(own.yes, &shared.yes, preset.yes),
            no: words(own.no, &shared.no, preset.no),
            duplicate: words(own.duplicate, &shared.duplicate, &[]),
            yes_status: own
                .yes_status
                .or_else(|| shared.yes_status.clone())
                .unwrap_or_default(),
            no_status: own
                .no_status
                .or_else(|| shared.no_status.clone())
                .unwrap_or(no_status),
            body_status: own.body_status.or_else(|| shared.body_status.clone()),
            price: places(own.price, &shared.price, preset.price)?,
            reference: places(own.reference, &shared.reference, preset.reference)?,
            redirect_url: places(own.redirect_url, &shared.redirect_url, preset.redirect_url)?,
            reason: places(own.reason, &shared.reason, preset.reason)?,
        };
        reading.check()?;
        Ok(reading)
    }

    /// Whether no answer could mean both yes and no, and every place can exist.
    fn check(&self) -> Result<(), String> {
        let refusals = |word: &str| says(&self.no, word) || says(&self.duplicate, word);
        if let Some(both) = self.yes.iter().find(|&yes| refusals(yes.text())) {
            return Err(format!("`{}` cannot mean both yes and no", both.text()));
        }
        if refusals(ANY_OTHER) {
            return Err(
                "`*` can mean yes only: a no has to be certain, so name its words".to_owned(),
            );
        }
        if let Some(both) = self
            .yes_status
            .iter()
            .find(|status| self.no_status.contains(status))
        {
            return Err(format!("status {both} cannot mean both yes and no"));
        }
        let status = [&self.yes_status, &self.no_status]
            .into_iter()
            .chain(&self.body_status)
            .flatten();
        if let Some(odd) = status
            .into_iter()
            .find(|status| !(200..600).contains(*status))
        {
            return Err(format!("{odd} is no status that an answer has"));
        }
        let places = [
            &self.decision,
            &self.price,
            &self.reference,
            &self.redirect_url,
            &self.reason,
        ];
        let is_form = self.expected_format() == Format::Form;
        let nested = places
            .into_iter()
            .flat_map(|places| &places.0)
            .find(|place| place.steps().len() > 1);
        if let Some(nested) = nested.filter(|_| is_form) {
            return Err(format!("`{nested}` is a pointer, and the answer is a form"));
        }
        Ok(())
    }

    /// The form that an answer has where it does not say.
    pub(crate) fn expected_format(&self) -> Format {
        self.format.unwrap_or(self.expected)
    }

    /// What this answer means. An error is an answer that does not say, or not for sure.
    pub(crate) fn read(&self, answer: &Response) -> Result<Decision, String> {
        if self.no_status.contains(&answer.status) {
            // The status is the no; the body may say why.
            let by_status = |_| format!("the buyer answered HTTP {}", answer.status);
            let reason = self.body(answer).map(|body| self.reason_in(&body));
            return Ok(Decision::No(reason.unwrap_or_else(by_status)));
        }
        if self.yes_status.contains(&answer.status) {
            return self.yes_by_status(answer);
        }
        if !self.decides_by_body(answer.status) {
            return Err(format!(
                "the buyer answered HTTP {}, which says neither yes nor no",
                answer.status
            ));
        }
        let body = self.body(answer)?;
        match self.decided(&body)? {
            Said::Yes => self.yes(&body),
            Said::Duplicate => Ok(Decision::Duplicate(self.reason_in(&body))),
            Said::No if self.is_duplicate(&body) => Ok(Decision::Duplicate(self.reason_in(&body))),
            Said::No => Ok(Decision::No(self.reason_in(&body))),
        }
    }

    /// Whether one of the reasons says that the buyer has the lead already.
    fn is_duplicate(&self, body: &Body<'_>) -> bool {
        let mut reasons = self.reason.0.iter().map(|place| body.value(place));
        reasons.any(|reason| matches!(reason, Ok(Some(reason)) if says(&self.duplicate, &reason)))
    }

    /// What the words say that decide; where there are several they have to agree.
    fn decided(&self, body: &Body<'_>) -> Result<Said, String> {
        let mut decided = None;
        for place in &self.decision.0 {
            let Some(word) = body.value(place)? else {
                continue;
            };
            let said = if says(&self.duplicate, &word) {
                Said::Duplicate
            } else if says(&self.no, &word) {
                Said::No
            } else if says(&self.yes, &word) || says(&self.yes, ANY_OTHER) {
                Said::Yes
            } else {
                return Err(format!("the buyer's `{place}` says neither yes nor no"));
            };
            decided = match (decided, said) {
                (None, said) => Some(said),
                (Some(before), said) if before == said => Some(said),
                (Some(Said::No), Said::Duplicate) | (Some(Said::Duplicate), Said::No) => {
                    Some(Said::Duplicate)
                }
                _ => {
                    return Err(format!(
                        "the buyer's `{}` contradict each other",
                        self.decision
                    ));
                }
            };
        }
        decided.ok_or_else(|| format!("the buyer's answer has no `{}`", self.decision))
    }

    fn decides_by_body(&self, status: u16) -> bool {
        match &self.body_status {
            Some(listed) => listed.contains(&status),
            None => (200..300).contains(&status),
        }
    }

    /// A yes that needs no body; at a ping one that is there must be readable all the same,
    /// since a price may stand in it.
    fn yes_by_status(&self, answer: &Response) -> Result<Decision, String> {
        if answer.body.is_empty() {
            return Ok(Decision::Yes(Terms::default()));
        }
        match self.body(answer) {
            Ok(body) => self.yes(&body),
            Err(why) if self.exchange == Exchange::Ping => Err(why),
            Err(why) => {
                warn!("the buyer accepted by its status; {why}");
                Ok(Decision::Yes(Terms::default()))
            }
        }
    }

    fn yes(&self, body: &Body<'_>) -> Result<Decision, String> {
        let price = self.term(body, &self.price)?;
        if self.exchange == Exchange::Ping && price.as_deref().is_some_and(is_zero) {
            return Ok(Decision::No("the buyer bids 0".to_owned()));
        }
        Ok(Decision::Yes(Terms {
            price,
            reference: self.term(body, &self.reference)?,
            redirect_url: match self.exchange {
                Exchange::Ping => None,
                Exchange::Post => self.term(body, &self.redirect_url)?,
            },
        }))
    }

    /// One of the terms. What cannot be read makes a ping's answer useless; a buyer that
    /// accepted at the post has the lead, whatever else it says.
    fn term(&self, body: &Body<'_>, places: &Places) -> Result<Option<String>, String> {
        for place in &places.0 {
            match (body.value(place), self.exchange) {
                (Err(why), Exchange::Post) => warn!("left out of the buyer's acceptance: {why}"),
                (Ok(None), _) => {}
                (read, _) => return read,
            }
        }
        Ok(None)
    }

    /// The buyer's words, cut to what the host keeps; all of them, where they stand in
    /// several places.
    fn reason_in(&self, body: &Body<'_>) -> String {
        let mut words: Vec<String> = Vec::new();
        for place in &self.reason.0 {
            match body.value(place) {
                Ok(said) => words.extend(said),
                Err(why) => warn!("left out of the buyer's refusal: {why}"),
            }
        }
        if words.is_empty() {
            return "the buyer gave no reason".to_owned();
        }
        cut(words.join("; "))
    }

    fn body<'a>(&self, answer: &'a Response) -> Result<Body<'a>, String> {
        let format = self
            .format
            .or_else(|| declared_format(answer))
            .unwrap_or(self.expected);
        match format {
            Format::Json => json::document(&answer.body).map(Body::Json),
            Format::Xml => xml::document(&answer.body).map(Body::Xml),
            Format::Form => Ok(Body::Form(&answer.body)),
        }
    }
}

/// At most [`WORDS_MAX_BYTES`] of the text, cut between characters.
fn cut(mut text: String) -> String {
    if text.len() > WORDS_MAX_BYTES {
        let mut end = WORDS_MAX_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// What the answer says of itself, where it is one of those that are read.
fn declared_format(answer: &Response) -> Option<Format> {
    let content_type = answer.header("content-type")?;
    let media_type = content_type.split(';').next()?.trim();
    [Format::Json, Format::Xml, Format::Form]
        .into_iter()
        .find(|format| format.is_declared_by(media_type))
}

/// Words are compared without regard to their case: no buyer means two things by `SOLD` and `sold`.
fn says(words: &[Scalar], value: &str) -> bool {
    words
        .iter()
        .any(|word| word.text().eq_ignore_ascii_case(value))
}

fn is_zero(price: &str) -> bool {
    price.contains('0') && price.bytes().all(|byte| byte == b'0' || byte == b'.')
}

/// An answer's body that has its form.
enum Body<'a> {
    Json(&'a RawValue),
    Xml(xml::Document),
    Form(&'a [u8]),
}

impl Body<'_> {
    /// The plain value at a place, trimmed; `None` where there is none, or a blank one.
    fn value(&self, place: &Target) -> Result<Option<String>, String> {
        match self {
            Self::Json(document) => json::plain_value(document, place.steps()),
            Self::Xml(document) => document.plain_value(place.steps()),
            Self::Form(bytes) => form_value(bytes, place),
        }
        .map_err(|why| format!("the buyer's `{place}` {why}"))
    }
}

fn form_value(bytes: &[u8], place: &Target) -> Result<Option<String>, String> {
    let [name] = place.steps() else {
        return Err("is a pointer, and the answer is a form".to_owned());
    };
    let mut values = form_urlencoded::parse(bytes)
        .filter(|(known, _)| known == name)
        .map(|(_, value)| value);
    let value = values.next().map(Cow::into_owned);
    if values.next().is_some() {
        // Which of the two the buyer means cannot be known.
        return Err("is named twice".to_owned());
    }
    let value = value
        .as_deref()
        .map(str::trim)
        .filter(|value| !value.is_empty());
    Ok(value.map(str::to_owned))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
