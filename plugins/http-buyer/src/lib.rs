//! The generic adapter: one HTTP request for the ping and one for the post, both by configuration.
//!
//! ```toml
//! adapter = { plugin = "http-buyer", config = { ping_url = "https://b.example/ping", post_url = "https://b.example/post", format = "json" } }
//! ```
//!
//! What goes out and what comes back is told in the crate that does it, [`gavel_http_adapter`].

use gavel_http_adapter::HttpAdapter;
use gavel_sdk::{About, Adapter, Lead, Offer, PingStep, PostStep, Response, export_adapter};

pub use gavel_http_adapter::Config;

/// One account's buyer.
#[derive(Debug)]
pub struct HttpBuyer(HttpAdapter);

impl Adapter for HttpBuyer {
    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        summary: "Speaks to a buyer over HTTP: one request for the ping, one for the post, in JSON, in XML or as a form.",
        config_schema: include_str!("../config.schema.json"),
        needs: &[],
    };

    type Config = Config;

    fn open(config: Config) -> Result<Self, String> {
        HttpAdapter::open(config).map(Self)
    }

    fn ping(&self, lead: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String> {
        self.0.ping(lead, answers)
    }

    fn post(&self, lead: &Lead<'_>, won: &Offer, answers: &[Response]) -> Result<PostStep, String> {
        self.0.post(lead, won, answers)
    }
}

export_adapter!(HttpBuyer);

#[cfg(test)]
mod tests;
