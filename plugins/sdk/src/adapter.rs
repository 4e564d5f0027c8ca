//! Adapters: speak one buyer's ping and post protocol, without doing the speaking.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{
    About, Lead,
    bindings::{
        exported::{about, adapter as export},
        imported::leads,
    },
    config, panics,
};
pub use export::{Acceptance, Header, Offer, PingStep, PostStep, Rejection, Request, Response};

/// Speaks one buyer's protocol. Make it a plugin with
/// [`export_adapter!`](crate::export_adapter).
///
/// The adapter says what to send, the host sends it and calls again with the answers so far,
/// oldest first. Each call starts from a freshly opened account, so all that is known of the
/// steps before stands in `answers`. `{{secret:NAME}}` in a URL, a header's value or a body
/// is filled in by the host; the adapter never sees the secret.
pub trait Adapter: Sized + 'static {
    /// What the plugin says of itself.
    const ABOUT: About;

    /// The configuration as the plugin reads it; derive `serde::Deserialize`, best with
    /// `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned;

    /// One account's adapter. The error names what is wrong with the configuration; a market
    /// with such an account is refused.
    fn open(config: Self::Config) -> Result<Self, String>;

    /// The next step of asking the buyer for a bid. An error before the first answer is a
    /// fault of the plugin; after it, it says that the buyer's answer was no use.
    fn ping(&self, lead: &Lead<'_>, answers: &[Response]) -> Result<PingStep, String>;

    /// The next step of delivering the lead.
    ///
    /// Once a request has been sent, only `Accepted` and `Rejected` settle the delivery; an
    /// error leaves it unconfirmed, for a person to settle. Say `Rejected` only where the
    /// buyer certainly did not take the lead: the next buyer gets it then.
    fn post(&self, lead: &Lead<'_>, won: &Offer, answers: &[Response]) -> Result<PostStep, String>;
}

impl Response {
    /// The value of the first header of this name, whatever its case, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }
}

impl Header {
    /// A header of this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// What [`export_adapter!`](crate::export_adapter) exports; plugins have no use for it.
#[doc(hidden)]
#[derive(Debug)]
pub struct AdapterPlugin<A>(PhantomData<A>);

/// One open account of an exported adapter.
#[doc(hidden)]
#[derive(Debug)]
pub struct OpenAdapter<A>(A);

impl<A: Adapter> about::Guest for AdapterPlugin<A> {
    fn describe() -> about::Description {
        panics::install();
        A::ABOUT.describe()
    }
}

impl<A: Adapter> export::Guest for AdapterPlugin<A> {
    type Account = OpenAdapter<A>;
}

impl<A: Adapter> export::GuestAccount for OpenAdapter<A> {
    fn open(config: String) -> Result<export::Account, String> {
        panics::install();
        let adapter = A::open(config::parse(&config)?)?;
        Ok(export::Account::new(Self(adapter)))
    }

    fn ping(&self, lead: &leads::Lead, answers: Vec<Response>) -> Result<PingStep, String> {
        self.0.ping(&Lead::of_host(lead), &answers)
    }

    fn post(
        &self,
        lead: &leads::Lead,
        won: Offer,
        answers: Vec<Response>,
    ) -> Result<PostStep, String> {
        self.0.post(&Lead::of_host(lead), &won, &answers)
    }
}

/// Makes an [`Adapter`](crate::Adapter) the plugin that this crate builds: once per crate,
/// and the crate's type is `cdylib`.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        // The exported names are no symbols that a native linker takes.
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Plugin = $crate::AdapterPlugin<$adapter>;
            $crate::__export_world!(
                Plugin: adapter by __export_gavel_buyer_adapter_1_0_0_cabi,
                ADAPTER_WORLD in "component-type:gavel:adapter"
            );
        };
        #[cfg(not(target_family = "wasm"))]
        const _: $crate::About = <$adapter as $crate::Adapter>::ABOUT;
    };
}
