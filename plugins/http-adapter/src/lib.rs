//! What configured adapters are made of: one HTTP request for the ping and one for the post.
//!
//! `plugins/http-buyer` is this with nothing added. Adapters for one protocol name what that
//! protocol asks for, and leave the rest to the same configuration.
//!
//! # What goes out
//!
//! Unless configured otherwise a request is a `POST` whose body, JSON, XML or a form, has the lead's
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
//! percent-encoded already, and one for XML escaped.
//!
//! In XML the root is `request`, or what `root` names, and a pointer's steps are elements.
//!
//! # What comes back
//!
//! Unless configured otherwise, a status of 2xx and, in JSON or with the same names in a form
//! or as elements of an XML document's root,
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
//! says whether it is JSON, XML or a form, and where it says none of them, it is what the
//! request was. A thing may be looked for in several places: of prices, references and URLs
//! the first that is there counts, reasons are put together, and decisions have to agree.
//!
//! # What it means
//!
//! A clear yes is a bid, or an acceptance; a clear no is none, or a rejection with the code
//! `rejected`, or `duplicate`, and the buyer's words. Everything else – another status, an unreadable body, an
//! `accepted` that is neither – is an error, and at the post leaves the delivery unconfirmed:
//! nobody else gets a lead that this buyer may have taken.
//!
//! # Layout, in the order in which a call meets it
//!
//! - [`config`], [`shapes`]: the configuration as it is written; each adapter's
//!   `config.schema.json` is its contract.
//! - [`Preset`]: what a protocol says where the configuration says nothing.
//! - [`template`]: texts with placeholders.
//! - `mapping`, `body`: the fields of a request, and how they are written.
//! - `request`: the request, put together.
//! - `answer`: what the buyer's answer means.
//! - `json`, `xml`: what these need of JSON and XML as text.

mod answer;
mod body;
pub mod config;
mod json;
mod mapping;
mod request;
pub mod shapes;
pub mod template;
mod xml;

use gavel_sdk::{Acceptance, Lead, Offer, PingStep, PostStep, Rejection, Response};

pub use crate::config::Config;
use crate::{
    answer::{Decision, Reading},
    config::{Constant, ConstantValue, Format},
    mapping::Exchange,
    shapes::{Pairs, Target},
};

/// The code of a rejection; the buyer's own words are its detail.
pub const REJECTED: &str = "rejected";

/// The code of a rejection of a lead that the buyer has already.
pub const DUPLICATE: &str = "duplicate";

/// How a protocol's answers are read where the configuration does not say.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What answers are that do not say it themselves; `None`: what the request was.
    pub answers: Option<Format>,
    /// Where an answer says yes or no.
    pub decision: &'static [&'static str],
    /// The words for yes.
    pub yes: &'static [&'static str],
    /// The words for a no that is certain.
    pub no: &'static [&'static str],
    /// Where the price stands.
    pub price: &'static [&'static str],
    /// Where the buyer's own name for the ping or the lead stands.
    pub reference: &'static [&'static str],
    /// Where it stands where the consumer goes next.
    pub redirect_url: &'static [&'static str],
    /// Where a no says why.
    pub reason: &'static [&'static str],
}

impl Preset {
    /// No protocol's: what this crate's documentation shows.
    pub const PLAIN: Self = Self {
        answers: None,
        decision: &["accepted"],
        yes: &["true"],
        no: &["false"],
        price: &["price"],
        reference: &["reference"],
        redirect_url: &["redirect_url"],
        reason: &["reason"],
    };
}

/// One account's buyer.
#[derive(Debug)]
pub struct HttpAdapter {
    config: Config,
    constants: Vec<(Target, Constant)>,
    ping_reading: Reading,
    post_reading: Reading,
}

impl HttpAdapter {
    /// The error names what is wrong with the configuration.
    pub fn open(config: Config) -> Result<Self, String> {
        Self::open_as(&Preset::PLAIN, config)
    }

    /// The same for a protocol. What it sends with every lead is in the configuration already
    /// ([`Config::add_protocol`]).
    pub fn open_as(preset: &Preset, mut config: Config) -> Result<Self, String> {
        request::check(&config)?;
        let shared = std::mem::take(&mut config.answer);
        let ping_answer = std::mem::take(&mut config.ping_answer);
        let post_answer = std::mem::take(&mut config.post_answer);
        let reading = |exchange, name, own| {
            let reading = Reading::new(exchange, config.format, own, &shared, preset);
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

    /// The next step of asking the buyer for a bid, as [`gavel_sdk::Adapter::ping`].
    pub fn ping(&self, lead: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String> {
        let Some(answer) = answers.last() else {
            return self.request(Exchange::Ping, lead, None).map(PingStep::Send);
        };
        Ok(match self.ping_reading.read(answer)? {
            Decision::Yes(terms) => PingStep::Bid(Offer {
                amount: terms.price,
                reference: terms.reference,
            }),
            Decision::No(words) | Decision::Duplicate(words) => PingStep::NoBid(words),
        })
    }

    /// The next step of delivering the lead, as [`gavel_sdk::Adapter::post`].
    pub fn post(
        &self,
        lead: &Lead<'_>,
        won: &Offer,
        answers: &[Response],
    ) -> Result<PostStep, String> {
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
            Decision::No(detail) => rejected(REJECTED, detail),
            Decision::Duplicate(detail) => rejected(DUPLICATE, detail),
        })
    }

    fn reading(&self, exchange: Exchange) -> &Reading {
        match exchange {
            Exchange::Ping => &self.ping_reading,
            Exchange::Post => &self.post_reading,
        }
    }

    /// A form is flat, and XML has its own idea of names and characters.
    fn check_places(&self) -> Result<(), String> {
        let rules = self.config.fields.iter().flat_map(Pairs::iter);
        let fields = rules.filter_map(|(_, rule)| rule.to.as_ref());
        let mut places = fields.chain(self.constants.iter().map(|(target, _)| target));
        match self.config.format {
            Format::Json => Ok(()),
            Format::Form => match places.find(|place| place.steps().len() > 1) {
                Some(nested) => Err(format!(
                    "`{nested}` is a pointer, and the request is a form"
                )),
                None => Ok(()),
            },
            Format::Xml => {
                let mut names = places.flat_map(Target::steps);
                if let Some(odd) = names.find(|name| !xml::is_name(name)) {
                    return Err(format!("`{odd}` is no name of an XML element"));
                }
                self.check_constants_for_xml()
            }
        }
    }

    fn check_constants_for_xml(&self) -> Result<(), String> {
        for (target, constant) in &self.constants {
            if let ConstantValue::Template(template) = &constant.value {
                let checked = template.check_xml();
                checked.map_err(|why| format!("constants.{target}: {why}"))?;
            }
        }
        Ok(())
    }
}

fn rejected(code: &str, detail: String) -> PostStep {
    PostStep::Rejected(Rejection {
        code: code.to_owned(),
        detail,
    })
}
