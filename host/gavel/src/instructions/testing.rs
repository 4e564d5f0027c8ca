//! Contracts for tests.

use std::{collections::BTreeMap, sync::Arc};

use gavel_market::{contract::Contract, file, model::Channel};

use super::Instructions;

/// Fields of every type.
pub(super) const FIELDS: &str = r#"
state = { type = "us_state" }
zip = { type = "us_zip" }
monthly_bill = { type = "decimal", min = "0", max = "100000" }
panels = { type = "integer", min = 1, max = 500 }
homeowner = { type = "flag" }
shade = { type = "text", one_of = ["none", "it's <partial>"] }
code = { type = "text", pattern = '[A-Z]{2}\d{4}', max_length = 6 }
note = { type = "text" }
install_by = { type = "date" }
consent_url = { type = "url", description = "Certificate of the consumer's consent" }
from = { type = "ip" }
first_name = { type = "text", personal = true, max_length = 80 }
email = { type = "email", personal = true }
phone = { type = "us_phone", personal = true }
"#;

/// Instructions for a campaign with these keys.
pub(super) fn instructions(campaign: &str) -> Instructions {
    of_fields(FIELDS, campaign)
}

/// The same with other fields.
pub(super) fn of_fields(fields: &str, campaign: &str) -> Instructions {
    made(fields, campaign, Channel::PingPost)
}

/// The same for a direct post.
pub(super) fn direct(campaign: &str) -> Instructions {
    made(FIELDS, campaign, Channel::DirectPost)
}

fn made(fields: &str, campaign: &str, channel: Channel) -> Instructions {
    let text = format!(
        "currency = \"USD\"\n\
         [lead_types.solar.fields]\n{fields}\n\
         [suppliers.sunleads]\nname = \"SunLeads <Media>\"\n\
         [buyers.secretbuyer]\nname = \"The Secret Buyer\"\ntimezone = \"UTC\"\n\
         [campaigns.solar-west]\nsupplier = \"sunleads\"\nlead_type = \"solar\"\ncost = {{ per_lead = \"98.76\" }}\n{campaign}\n"
    );
    let mut market = file::parse_toml(&text).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let campaign = market.campaigns.get_mut("solar-west").expect("there");
    Arc::get_mut(campaign).expect("unshared").channel = channel;
    let contract = Contract::of(&market, &market.campaigns["solar-west"]);
    Instructions::new(contract, "https://leads.example.com".into(), 64 << 10, None)
}

/// What a form body says.
pub(super) fn pairs(form: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect()
}
