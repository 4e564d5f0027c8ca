//! A filter says, for one buyer's account, whether it wants a lead at all: it is asked at every
//! ping, and once more with the full record just before the lead is delivered.
//!
//! A call is a function of its arguments. There is no network, no file, no clock and no random
//! number; what may be known of the lead comes from `lead`, and the answer is the return value.

use gavel_sdk::{About, Filter, Lead, Verdict, debug, export_filter};
use serde::Deserialize;

/// One account's wishes, which are its configuration as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoofFilter {
    shade: Vec<String>,
    #[serde(default)]
    min_bill: f64,
}

impl Filter for RoofFilter {
    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        summary: "Refuses roofs with too much shade, and bills that are too small.",
        // An account whose configuration does not satisfy it is refused before the plugin is
        // asked. `x-codes` in it lists the codes of the refusals below.
        config_schema: include_str!("../config.schema.json"),
        // Fields that a market's lead type has to have. Leave out those that you can do without.
        needs: &["roof_shade", "monthly_bill"],
    };

    type Config = Self;

    /// An error where the configuration makes no sense: the market is refused then, with your
    /// words, before it can lose a lead.
    fn open(config: Self) -> Result<Self, String> {
        let named_twice = |(at, value)| config.shade[..at].contains(value);
        if config.shade.iter().enumerate().any(named_twice) {
            return Err("shade: names a value twice".to_owned());
        }
        Ok(config)
    }

    /// An error is a fault of the plugin and costs the account the lead. So does a panic, whose
    /// message and line the operator sees. A refusal is neither.
    fn qualify(&self, lead: &Lead<'_>) -> Result<Verdict, String> {
        // None: the supplier did not say. A ping may leave out what the post brings.
        let roof = lead.text("roof_shade");
        if let Some(roof) = roof.as_ref().filter(|roof| !self.shade.contains(roof)) {
            let accepted = self.shade.join(", ");
            let detail = format!("the shade is {roof}; accepted: {accepted}");
            return Ok(Verdict::refused("roof_shaded", detail));
        }
        // A decimal comes as its exact digits, such as "180.75".
        if let Some(digits) = lead.decimal("monthly_bill") {
            let bill: f64 = digits.parse().map_err(|_| format!("no number: {digits}"))?;
            if bill < self.min_bill {
                let detail = format!("the bill is {digits}; at least {} is wanted", self.min_bill);
                return Ok(Verdict::refused("bill_too_small", detail));
            }
        }
        debug!("wanted: {roof:?}");
        Ok(Verdict::Qualified)
    }
}

export_filter!(RoofFilter);
