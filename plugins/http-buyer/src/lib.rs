//! The generic adapter: one HTTP request for the ping and one for the post, both by configuration.
//!
//! ```toml
//! adapter = { plugin = "http-buyer", config = { ping_url = "https://b.example/ping", post_url = "https://b.example/post", format = "json" } }
//! ```
//!
//! # What goes out
//!
//! Unless configured otherwise a request is a `POST` whose body, JSON or a form, has the lead's
//! fields under their own names, and:
//!
//! - `order`: the same at ping and post and unique to this lead and account, so a buyer can
//!   tell a repeated request from a new one;
//! - at the post `price`, what was bid, and `reference`, what the buyer called its bid, where
//!   there are such. (A lead's own field of one of these names goes before them.)
//!
//! In JSON an integer is a number, a flag `true` or `false`, and a decimal text with its
//! exact digits. `fields` renames, nests, maps and selects, `constants` replaces what goes
//! along unasked, and `headers` adds. Texts of URLs, headers and constants may hold
//! `{{order}}`, `{{price}}`, `{{reference}}`, `{{received_at}}` (RFC 3339), `{{received_at_ms}}`,
//! `{{sub_id}}`, `{{campaign}}`, `{{lead_type}}`, `{{currency}}`, `{{field:NAME}}` and
//! `{{secret:NAME}}`. A text that is one placeholder and nothing else is left out where
//! nothing stands behind it. Secrets are put in as they stand, so one for a form has to be
//! percent-encoded already.
//!
//! # What comes back
//!
//! Unless configured otherwise, a status of 2xx and, in JSON or with the same names in a form,
//!
//! ```json
//! {"accepted": true, "price": "12.50", "reference": "q-17"}
//! {"accepted": false, "reason": "not in this state"}
//! ```
//!
//! at the ping, where 204 is a no too and a price of 0 is no bid, and at the post
//!
//! ```json
//! {"accepted": true, "reference": "d-4", "price": "12.50", "redirect_url": "https://b.example/thanks"}
//! {"accepted": false, "reason": "the phone number is disconnected"}
//! ```
//!
//! Only `accepted` has to be there. A price is a number or a string. An answer's content type
//! says whether it is JSON or a form, and where it says neither, it is what the request was.
//!
//! # What it means
//!
//! A clear yes is a bid, or an acceptance; a clear no is none, or a rejection with the code
//! `rejected` and the buyer's words. Everything else – another status, an unreadable body, an
//! `accepted` that is neither – is an error, and at the post leaves the delivery unconfirmed:
//! nobody else gets a lead that this buyer may have taken.
//!
//! # Layout, in the order in which a call meets it
//!
//! - `config`, `shapes`: the configuration as it is written; `config.schema.json` is its contract.
//! - `template`: texts with placeholders.
//! - `mapping`, `body`: the fields of a request, and how they are written.
//! - `request`: the request, put together.
//! - `answer`: what the buyer's answer means.
//! - `json`: what these need of JSON as text.

mod answer;
mod body;
mod config;
mod json;
mod mapping;
mod request;
mod shapes;
mod template;

use gavel_sdk::{
    About, Acceptance, Adapter, Lead, Offer, PingStep, PostStep, Rejection, Response,
    export_adapter,
};

pub use crate::config::Config;
use crate::{
    answer::{Decision, Reading},
    config::{Constant, Format},
    mapping::Exchange,
    shapes::{Pairs, Target},
};

/// The code of every rejection; the buyer's own words are its detail.
const REJECTED: &str = "rejected";

/// One account's buyer.
#[derive(Debug)]
pub struct HttpBuyer {
    config: Config,
    constants: Vec<(Target, Constant)>,
    ping_reading: Reading,
    post_reading: Reading,
}

impl Adapter for HttpBuyer {
    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        summary: "Speaks to a buyer over HTTP: one request for the ping, one for the post, in JSON or as a form.",
        config_schema: include_str!("../config.schema.json"),
        needs: &[],
    };

    type Config = Config;

    fn open(mut config: Config) -> Result<Self, String> {
        request::check(&config)?;
        let shared = std::mem::take(&mut config.answer);
        let ping_answer = std::mem::take(&mut config.ping_answer);
        let post_answer = std::mem::take(&mut config.post_answer);
        let reading = |exchange, name, own| {
            let reading = Reading::new(exchange, config.format, &shared, own);
            reading.map_err(|why| format!("{name}: {why}"))
        };
        let buyer = Self {
            ping_reading: reading(Exchange::Ping, "ping_answer", ping_answer)?,
            post_reading: reading(Exchange::Post, "post_answer", post_answer)?,
            constants: mapping::constants(config.constants.as_mut().map(std::mem::take))?,
            config,
        };
        buyer.check_places()?;
        Ok(buyer)
    }

    fn ping(&self, lead: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String> {
        let Some(answer) = answers.last() else {
            return self.request(Exchange::Ping, lead, None).map(PingStep::Send);
        };
        Ok(match self.ping_reading.read(answer)? {
            Decision::Yes(terms) => PingStep::Bid(Offer {
                amount: terms.price,
                reference: terms.reference,
            }),
            Decision::No(words) => PingStep::NoBid(words),
        })
    }

    fn post(&self, lead: &Lead<'_>, won: &Offer, answers: &[Response]) -> Result<PostStep, String> {
        let Some(answer) = answers.last() else {
            return self
                .request(Exchange::Post, lead, Some(won))
                .map(PostStep::Send);
        };
        Ok(match self.post_reading.read(answer)? {
            Decision::Yes(terms) => PostStep::Accepted(Acceptance {
                reference: terms.reference,
                price: terms.price,
                redirect_url: terms.redirect_url,
            }),
            Decision::No(detail) => PostStep::Rejected(Rejection {
                code: REJECTED.to_owned(),
                detail,
            }),
        })
    }
}

impl HttpBuyer {
    fn reading(&self, exchange: Exchange) -> &Reading {
        match exchange {
            Exchange::Ping => &self.ping_reading,
            Exchange::Post => &self.post_reading,
        }
    }

    /// A form is flat.
    fn check_places(&self) -> Result<(), String> {
        if self.config.format == Format::Json {
            return Ok(());
        }
        let rules = self.config.fields.iter().flat_map(Pairs::iter);
        let fields = rules.filter_map(|(_, rule)| rule.to.as_ref());
        let mut places = fields.chain(self.constants.iter().map(|(target, _)| target));
        match places.find(|place| place.steps().len() > 1) {
            Some(nested) => Err(format!(
                "`{nested}` is a JSON pointer, and the request is a form"
            )),
            None => Ok(()),
        }
    }
}

export_adapter!(HttpBuyer);

#[cfg(test)]
mod tests;
