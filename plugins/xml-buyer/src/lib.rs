//! An adapter for buyers that take a form, or XML, and answer in XML with a status word, as
//! boberdoo's systems do. The README says what it sends and how it reads answers.
//!
//! It is `gavel_http_adapter` with the names of that protocol, each of them configurable, for
//! no two buyers' systems are set up alike.

use gavel_http_adapter::{
    HttpAdapter, Preset,
    config::{
        AnswerConfig, Config as HttpConfig, Constant, FieldRule, Format, Method, Unlisted, When,
    },
    shapes::Pairs,
    template::Template,
};
use gavel_sdk::{About, Adapter, Lead, Offer, PingStep, PostStep, Response, export_adapter};
use serde::Deserialize;

/// `Error` is neither yes nor no: it may be a missing field or a fault of the buyer's system,
/// and only the buyer's instructions tell whether the lead can have been taken.
const PRESET: Preset = Preset {
    answers: Some(Format::Xml),
    decision: &["status"],
    yes: &["Matched"],
    no: &["Unmatched"],
    price: &["price"],
    reference: &["lead_id"],
    redirect_url: &["redirect_url"],
    reason: &["error", "reason", "unmatched_reason"],
};

/// Everything that an account can say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: Option<Template>,
    ping_url: Option<Template>,
    post_url: Option<Template>,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    request: RequestFormat,
    root: Option<String>,
    #[serde(default)]
    headers: Pairs<Template>,
    fields: Option<Pairs<FieldRule>>,
    #[serde(default)]
    unlisted: Unlisted,
    constants: Option<Pairs<Constant>>,
    #[serde(default = "asked_for")]
    return_best_price: bool,
    #[serde(default)]
    test: bool,
    #[serde(default)]
    names: Names,
    #[serde(default)]
    answer: AnswerConfig,
    #[serde(default)]
    ping_answer: AnswerConfig,
    #[serde(default)]
    post_answer: AnswerConfig,
}

/// A buyer that says no price at the ping can be ranked by a fixed one only.
fn asked_for() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RequestFormat {
    #[default]
    Form,
    Xml,
}

/// What the buyer calls the protocol's own parameters; an empty name leaves one out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Names {
    mode: String,
    reference: String,
    return_best_price: String,
    test: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            mode: "Mode".to_owned(),
            reference: "Lead_ID".to_owned(),
            return_best_price: "Return_Best_Price".to_owned(),
            test: "Test_Lead".to_owned(),
        }
    }
}

impl Config {
    /// The protocol's own parameters, in the order in which they go.
    fn protocol(&self) -> Result<Vec<(String, Constant)>, String> {
        let names = &self.names;
        let mut parameters = vec![
            (&names.mode, When::Ping, "ping"),
            (&names.mode, When::Post, "post"),
        ];
        if self.return_best_price {
            parameters.push((&names.return_best_price, When::Ping, "1"));
        }
        if self.test {
            parameters.push((&names.test, When::Both, "1"));
        }
        parameters.push((&names.reference, When::Post, "{{reference}}"));
        parameters
            .into_iter()
            .filter(|(name, ..)| !name.is_empty())
            .map(|(name, when, value)| {
                Ok((name.clone(), Constant::text(when, Template::parse(value)?)))
            })
            .collect()
    }

    fn into_http(self) -> Result<HttpConfig, String> {
        let protocol = self.protocol()?;
        let url = self.url;
        let mut config = HttpConfig {
            ping_url: self.ping_url.or_else(|| url.clone()),
            post_url: self.post_url.or(url).ok_or(
                "url: name where pings and posts go, or `post_url` and, for an account that \
                 is asked at pings, `ping_url`",
            )?,
            method: self.method,
            format: match self.request {
                RequestFormat::Form => Format::Form,
                RequestFormat::Xml => Format::Xml,
            },
            root: self.root,
            headers: self.headers,
            fields: self.fields,
            unlisted: self.unlisted,
            constants: self.constants,
            answer: self.answer,
            ping_answer: self.ping_answer,
            post_answer: self.post_answer,
        };
        config.add_protocol(protocol);
        Ok(config)
    }
}

/// One account's buyer.
#[derive(Debug)]
pub struct XmlBuyer(HttpAdapter);

impl Adapter for XmlBuyer {
    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        summary: "Speaks to a buyer that answers in XML with a status word, as boberdoo's systems do.",
        config_schema: include_str!("../config.schema.json"),
        needs: &[],
    };

    type Config = Config;

    fn open(config: Config) -> Result<Self, String> {
        HttpAdapter::open_as(&PRESET, config.into_http()?).map(Self)
    }

    fn ping(&self, lead: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String> {
        self.0.ping(lead, answers)
    }

    fn post(&self, lead: &Lead<'_>, won: &Offer, answers: &[Response]) -> Result<PostStep, String> {
        self.0.post(lead, won, answers)
    }
}

export_adapter!(XmlBuyer);

#[cfg(test)]
mod tests;
