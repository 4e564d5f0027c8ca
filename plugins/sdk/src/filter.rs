//! Filters: does this account want the lead at all?

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{
    About, Lead,
    bindings::{
        exported::{about, filter as export},
        imported::leads,
    },
    config, panics,
};
pub use export::{Refusal, Verdict};

/// Decides whether an account wants a lead. Make it a plugin with
/// [`export_filter!`](crate::export_filter).
///
/// A filter is asked at every ping and once more just before delivery, with the full lead.
/// A field may be absent both times: say what that means.
pub trait Filter: Sized + 'static {
    /// What the plugin says of itself.
    const ABOUT: About;

    /// The configuration as the plugin reads it; derive `serde::Deserialize`, best with
    /// `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned;

    /// One account's filter. The error names what is wrong with the configuration; a market
    /// with such an account is refused.
    fn open(config: Self::Config) -> Result<Self, String>;

    /// Whether the account wants this lead. An error is a fault of the plugin and costs the
    /// account the lead: use it for what must not happen, never for a refusal.
    fn qualify(&self, lead: &Lead<'_>) -> Result<Verdict, String>;
}

impl Verdict {
    /// A refusal: a stable `snake_case` word to count by, and one sentence for a person.
    pub fn refused(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Disqualified(Refusal {
            code: code.into(),
            detail: detail.into(),
        })
    }
}

/// What [`export_filter!`](crate::export_filter) exports; plugins have no use for it.
#[doc(hidden)]
#[derive(Debug)]
pub struct FilterPlugin<F>(PhantomData<F>);

/// One open account of an exported filter.
#[doc(hidden)]
#[derive(Debug)]
pub struct OpenFilter<F>(F);

impl<F: Filter> about::Guest for FilterPlugin<F> {
    fn describe() -> about::Description {
        panics::install();
        F::ABOUT.describe()
    }
}

impl<F: Filter> export::Guest for FilterPlugin<F> {
    type Account = OpenFilter<F>;
}

impl<F: Filter> export::GuestAccount for OpenFilter<F> {
    fn open(config: String) -> Result<export::Account, String> {
        panics::install();
        let filter = F::open(config::parse(&config)?)?;
        Ok(export::Account::new(Self(filter)))
    }

    fn qualify(&self, lead: &leads::Lead) -> Result<Verdict, String> {
        self.0.qualify(&Lead::of_host(lead))
    }
}

/// Makes a [`Filter`](crate::Filter) the plugin that this crate builds: once per crate, and
/// the crate's type is `cdylib`.
#[macro_export]
macro_rules! export_filter {
    ($filter:ty) => {
        // The exported names are no symbols that a native linker takes.
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Plugin = $crate::FilterPlugin<$filter>;
            $crate::__export_world!(
                Plugin: filter by __export_gavel_buyer_filter_1_0_0_cabi,
                FILTER_WORLD in "component-type:gavel:filter"
            );
        };
        #[cfg(not(target_family = "wasm"))]
        const _: $crate::About = <$filter as $crate::Filter>::ABOUT;
    };
}
