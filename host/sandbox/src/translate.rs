//! Between the interface's types and the sandbox's own, checking what comes back.

use crate::{
    answer::{Amount, PingStep, PostStep, Request, Response, Verdict, Won},
    bindings::{adapter::exports::gavel::buyer::adapter, filter::exports::gavel::buyer::filter},
    call::Stop,
    fault::LogLevel,
    limits::REFERENCE_MAX_BYTES,
    request,
    state::Log,
    words::{is_code, words},
};

pub(crate) fn verdict(said: filter::Verdict) -> Result<Verdict, Stop> {
    Ok(match said {
        filter::Verdict::Qualified => Verdict::Qualified,
        filter::Verdict::Disqualified(refusal) => Verdict::Disqualified {
            code: code(refusal.code)?,
            detail: words(&refusal.detail),
        },
    })
}

pub(crate) fn ping_step(said: adapter::PingStep) -> Result<PingStep, Stop> {
    Ok(match said {
        adapter::PingStep::Send(request) => PingStep::Send(checked(request)?),
        adapter::PingStep::Bid(offer) => {
            if !offer.reference.as_deref().is_none_or(request::is_reference) {
                return Err(Stop::Output(format!(
                    "a bid's reference has at most {REFERENCE_MAX_BYTES} bytes and no control characters"
                )));
            }
            PingStep::Bid {
                amount: offer.amount.as_deref().map(Amount::parse),
                reference: offer.reference,
            }
        }
        adapter::PingStep::NoBid(why) => PingStep::NoBid(words(&why)),
    })
}

/// Of an acceptance, what cannot be kept is left out and noted in the log: the buyer has
/// the lead all the same, and a fault would call that in doubt.
pub(crate) fn post_step(said: adapter::PostStep, log: &mut Log) -> Result<PostStep, Stop> {
    Ok(match said {
        adapter::PostStep::Send(request) => PostStep::Send(checked(request)?),
        adapter::PostStep::Accepted(acceptance) => PostStep::Accepted {
            reference: kept(
                "reference",
                acceptance.reference,
                request::is_reference,
                log,
            ),
            price: acceptance.price.as_deref().map(Amount::parse),
            redirect_url: kept(
                "redirect-url",
                acceptance.redirect_url,
                request::is_redirect,
                log,
            ),
        },
        adapter::PostStep::Rejected(rejection) => PostStep::Rejected {
            code: code(rejection.code)?,
            detail: words(&rejection.detail),
        },
    })
}

fn kept(
    what: &str,
    text: Option<String>,
    is_fit: fn(&str) -> bool,
    log: &mut Log,
) -> Option<String> {
    let fit = text.as_deref().is_none_or(is_fit);
    if !fit {
        log.add(
            LogLevel::Error,
            &format!("the host left out {what}: it is too long or not of its form"),
        );
    }
    text.filter(|_| fit)
}

fn code(code: String) -> Result<String, Stop> {
    if is_code(&code) {
        Ok(code)
    } else {
        Err(Stop::Output(
            "a code is one word like roof_shaded: [a-z][a-z0-9_]{0,63}".into(),
        ))
    }
}

fn checked(request: adapter::Request) -> Result<Request, Stop> {
    let headers = request
        .headers
        .into_iter()
        .map(|header| (header.name, header.value))
        .collect();
    let request = Request {
        method: request.method,
        url: request.url,
        headers,
        body: request.body,
    };
    request::checked(request).map_err(Stop::Output)
}

pub(crate) fn won(won: &Won) -> adapter::Offer {
    adapter::Offer {
        amount: won.amount.map(|amount| amount.to_string()),
        reference: won.reference.clone(),
    }
}

pub(crate) fn answers(answers: &[Response]) -> Vec<adapter::Response> {
    let answer = |answer: &Response| adapter::Response {
        status: answer.status,
        headers: answer
            .headers
            .iter()
            .map(|(name, value)| adapter::Header {
                name: name.clone(),
                value: value.clone(),
            })
            .collect(),
        body: answer.body.clone(),
    };
    answers.iter().map(answer).collect()
}
