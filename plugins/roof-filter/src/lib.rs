//! Example filter: refuses a lead whose roof is too shaded for the account.
//!
//! ```toml
//! filter = { plugin = "roof-filter", config = { shade = ["none", "partial"] } }
//! ```

use gavel_sdk::{About, Filter, Lead, Verdict, export_filter};
use serde::Deserialize;

/// One account's wishes, which are its configuration as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoofFilter {
    /// The values of `roof_shade` that the account accepts.
    shade: Vec<String>,
}

impl Filter for RoofFilter {
    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        summary: "Refuses a lead whose roof is too shaded.",
        config_schema: include_str!("../config.schema.json"),
        needs: &["roof_shade"],
    };

    type Config = Self;

    fn open(config: Self) -> Result<Self, String> {
        if config.shade.is_empty() {
            return Err("shade: name at least one value of roof_shade to accept".to_owned());
        }
        Ok(config)
    }

    fn qualify(&self, lead: &Lead<'_>) -> Result<Verdict, String> {
        // A supplier need not say at the ping; the filter is asked again at the post.
        let Some(shade) = lead.text("roof_shade") else {
            return Ok(Verdict::Qualified);
        };
        if self.shade.contains(&shade) {
            return Ok(Verdict::Qualified);
        }
        let accepted = self.shade.join(", ");
        Ok(Verdict::refused(
            "roof_shaded",
            format!("the shade is {shade}; accepted: {accepted}"),
        ))
    }
}

export_filter!(RoofFilter);

#[cfg(test)]
mod tests {
    use gavel_sdk::{Filter, Verdict, config, testing::TestLead};
    use serde_json::json;

    use super::RoofFilter;

    fn filter() -> RoofFilter {
        let config = config::parse(r#"{"shade": ["none", "partial"]}"#).unwrap();
        RoofFilter::open(config).unwrap()
    }

    fn verdict_on(lead: &TestLead) -> Verdict {
        filter().qualify(&lead.lead()).unwrap()
    }

    #[test]
    fn an_accepted_shade_qualifies() {
        assert_eq!(
            verdict_on(&TestLead::ping().text("roof_shade", "partial")),
            Verdict::Qualified
        );
    }

    #[test]
    fn another_shade_is_refused_by_its_code() {
        let Verdict::Disqualified(refusal) =
            verdict_on(&TestLead::ping().text("roof_shade", "full"))
        else {
            panic!("a fully shaded roof must be refused");
        };
        assert_eq!(refusal.code, "roof_shaded");
        assert_eq!(refusal.detail, "the shade is full; accepted: none, partial");
    }

    #[test]
    fn a_lead_that_does_not_say_qualifies() {
        assert_eq!(
            verdict_on(&TestLead::ping().text("state", "CA")),
            Verdict::Qualified
        );
    }

    #[test]
    fn a_filter_that_accepts_nothing_does_not_open() {
        let config = config::parse(r#"{"shade": []}"#).unwrap();
        assert!(RoofFilter::open(config).unwrap_err().starts_with("shade: "));
    }

    #[test]
    fn the_schema_takes_what_the_filter_takes() {
        let schema = serde_json::from_str(RoofFilter::ABOUT.config_schema).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        assert!(schema.is_valid(&json!({"shade": ["none", "partial"]})));
        for refused in [
            json!({}),
            json!({"shade": []}),
            json!({"shade": ["none"], "roof": 1}),
        ] {
            assert!(!schema.is_valid(&refused), "{refused}");
        }
    }
}
