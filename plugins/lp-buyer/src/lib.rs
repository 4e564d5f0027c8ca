//! An adapter for buyers that take pings and posts with `lp_` parameters, as LeadsPedia's
//! systems do. The README says what it sends and how it reads answers.
//!
//! It is `gavel_http_adapter` with the parameters of that protocol.

use gavel_http_adapter::{
    HttpAdapter, Preset,
    config::{
        AnswerConfig, Config as HttpConfig, Constant, FieldRule, Format, Method, Unlisted, When,
    },
    shapes::{Pairs, Places},
    template::Template,
};
use gavel_sdk::{About, Adapter, Lead, Offer, PingStep, PostStep, Response, export_adapter};
use serde::Deserialize;

/// Everything that an account can say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    ping_url: Option<Template>,
    post_url: Template,
    #[serde(default)]
    method: Method,
    campaign_id: Template,
    campaign_key: Template,
    s1: Option<Template>,
    s2: Option<Template>,
    s3: Option<Template>,
    s4: Option<Template>,
    s5: Option<Template>,
    #[serde(default)]
    test: bool,
    #[serde(default)]
    response: ResponseFormat,
    #[serde(default)]
    headers: Pairs<Template>,
    fields: Option<Pairs<FieldRule>>,
    #[serde(default)]
    unlisted: Unlisted,
    constants: Option<Pairs<Constant>>,
    #[serde(default)]
    answer: AnswerConfig,
    #[serde(default)]
    ping_answer: AnswerConfig,
    #[serde(default)]
    post_answer: AnswerConfig,
}

/// What the buyer is asked to answer in; the value of `lp_response`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ResponseFormat {
    #[default]
    Json,
    Xml,
}

impl ResponseFormat {
    fn word(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }

    /// What answers are that do not say it themselves. `failed` means that the lead was not
    /// taken, whatever was wrong with it; `errors` say what that is, field by field.
    fn preset(self) -> Preset {
        Preset {
            answers: Some(match self {
                Self::Json => Format::Json,
                Self::Xml => Format::Xml,
            }),
            decision: &["result", "success"],
            yes: &["success", "true"],
            no: &["failed", "false"],
            price: &["price"],
            reference: &["ping_id", "lead_id"],
            redirect_url: &["redirect_url"],
            reason: &["msg", "/errors/0/field", "/errors/0/error"],
        }
    }
}

impl Config {
    /// The protocol's own parameters, in the order in which they go.
    fn protocol(&mut self) -> Result<Vec<(String, Constant)>, String> {
        let both = |name: &str, value| (name.to_owned(), Constant::text(When::Both, value));
        let mut parameters = vec![
            both("lp_campaign_id", self.campaign_id.clone()),
            both("lp_campaign_key", self.campaign_key.clone()),
            both("lp_response", Template::parse(self.response.word())?),
        ];
        let sources = [
            (
                "lp_s1",
                Some(
                    self.s1
                        .take()
                        .map_or_else(|| Template::parse("{{sub_id}}"), Ok)?,
                ),
            ),
            ("lp_s2", self.s2.take()),
            ("lp_s3", self.s3.take()),
            ("lp_s4", self.s4.take()),
            ("lp_s5", self.s5.take()),
        ];
        for (name, value) in sources {
            parameters.extend(value.map(|value| both(name, value)));
        }
        if self.test {
            parameters.push(both("lp_test", Template::parse("1")?));
        }
        let ping = Constant::text(When::Post, Template::parse("{{reference}}")?);
        parameters.push(("lp_ping_id".to_owned(), ping));
        Ok(parameters)
    }

    fn into_http(mut self) -> Result<HttpConfig, String> {
        let protocol = self.protocol()?;
        let mut post_answer = self.post_answer;
        if post_answer.reference.is_none() && self.answer.reference.is_none() {
            // What is wanted of a post is the lead's name, even where it repeats the ping's.
            post_answer.reference = Some(Places::parse(&["lead_id", "ping_id"])?);
        }
        let mut config = HttpConfig {
            ping_url: self.ping_url,
            post_url: self.post_url,
            method: self.method,
            format: Format::Form,
            root: None,
            headers: self.headers,
            fields: self.fields,
            unlisted: self.unlisted,
            constants: self.constants,
            answer: self.answer,
            ping_answer: self.ping_answer,
            post_answer,
        };
        config.add_protocol(protocol);
        Ok(config)
    }
}

/// One account's buyer.
#[derive(Debug)]
pub struct LpBuyer(HttpAdapter);

impl Adapter for LpBuyer {
    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        summary: "Speaks to a buyer that takes pings and posts with lp_ parameters, as LeadsPedia's systems do.",
        config_schema: include_str!("../config.schema.json"),
        needs: &[],
    };

    type Config = Config;

    fn open(config: Config) -> Result<Self, String> {
        let preset = config.response.preset();
        HttpAdapter::open_as(&preset, config.into_http()?).map(Self)
    }

    fn ping(&self, lead: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String> {
        self.0.ping(lead, answers)
    }

    fn post(&self, lead: &Lead<'_>, won: &Offer, answers: &[Response]) -> Result<PostStep, String> {
        self.0.post(lead, won, answers)
    }
}

export_adapter!(LpBuyer);

#[cfg(test)]
mod tests;
