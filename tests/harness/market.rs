//! A small market in a line or two.

use gavel_example_solar::buyers::MockBuyer;
use gavel_market::ids::Digest;

use super::plugins;

/// The test market's campaign.
pub(crate) const CAMPAIGN: &str = "solar";

/// A market of one lead type, one supplier and one campaign, with any accounts.
#[derive(Clone, Default)]
pub(crate) struct Market {
    campaign: String,
    ping: String,
    post: String,
    accounts: Vec<Account>,
    plugins: String,
    reused: bool,
}

/// One account, whose buyer has its name.
#[derive(Clone)]
pub(crate) struct Account {
    name: String,
    keys: String,
}

impl Account {
    /// One with a fixed price, posted to at this buyer.
    pub(crate) fn fixed(name: &str, price: &str, buyer: &MockBuyer) -> Self {
        let keys = format!("price = \"{price}\"\n{}", adapter(buyer, false));
        Self {
            name: name.to_owned(),
            keys,
        }
    }

    /// One that bids for itself.
    pub(crate) fn bidding(name: &str, buyer: &MockBuyer) -> Self {
        Self {
            name: name.to_owned(),
            keys: adapter(buyer, true),
        }
    }

    /// With more keys, as they stand in a market file.
    pub(crate) fn with(mut self, keys: &str) -> Self {
        self.keys = format!("{}\n{keys}", self.keys);
        self
    }

    /// With other text in the place of some of it.
    pub(crate) fn replacing(mut self, from: &str, to: &str) -> Self {
        assert!(self.keys.contains(from), "{from:?} is not in {}", self.keys);
        self.keys = self.keys.replace(from, to);
        self
    }
}

fn adapter(buyer: &MockBuyer, pinged: bool) -> String {
    let ping = if pinged {
        format!("ping_url = \"{}\", ", buyer.url("/ping"))
    } else {
        String::new()
    };
    format!(
        "adapter = {{ plugin = \"http-buyer\", config = {{ {ping}post_url = \"{}\", format = \"json\" }} }}\nhosts = [\"{}\"]",
        buyer.url("/post"),
        buyer.url(""),
    )
}

impl Market {
    /// With these accounts.
    pub(crate) fn of(accounts: impl IntoIterator<Item = Account>) -> Self {
        Self {
            accounts: accounts.into_iter().collect(),
            campaign: "cost = { per_lead = \"5.00\" }".into(),
            ..Self::default()
        }
    }

    /// With other terms than a cost of 5.00 for each lead: keys of the campaign.
    pub(crate) fn on_terms(mut self, keys: &str) -> Self {
        self.campaign = keys.into();
        self
    }

    /// With keys of the campaign's `ping` table.
    pub(crate) fn ping(mut self, keys: &str) -> Self {
        self.ping = keys.into();
        self
    }

    /// With keys of the campaign's `post` table.
    pub(crate) fn post(mut self, keys: &str) -> Self {
        self.post = keys.into();
        self
    }

    /// With more plugins, as they stand in a market file.
    pub(crate) fn plugins(mut self, sections: &str) -> Self {
        self.plugins = sections.into();
        self
    }

    /// With reused instances of `roof-filter`.
    #[allow(dead_code)] // for benchmarks
    pub(crate) fn reusing_roof_filter(mut self) -> Self {
        self.reused = true;
        self
    }

    /// The supplier's key.
    pub(crate) fn key() -> &'static str {
        "gk_test_key_of_the_black_box_tests"
    }

    /// The market file.
    pub(crate) fn toml(&self) -> String {
        let key = Digest::of(Self::key().as_bytes());
        let plugins = plugins();
        let account = |Account { name, keys }: &Account| {
            format!(
                "[buyers.{name}]\nname = \"{name}\"\ntimezone = \"America/New_York\"\n\
                 [accounts.{name}]\nbuyer = \"{name}\"\nlead_type = \"solar\"\n{keys}\n"
            )
        };
        let accounts = self
            .accounts
            .iter()
            .map(account)
            .collect::<Vec<_>>()
            .concat();
        format!(
            r#"
currency = "USD"
timezone = "America/Phoenix"

[lead_types.solar.fields]
state = {{ type = "us_state" }}
zip = {{ type = "us_zip" }}
monthly_bill = {{ type = "decimal", min = "0", max = "100000" }}
homeowner = {{ type = "flag" }}
roof_shade = {{ type = "text", one_of = ["none", "partial", "full"] }}
note = {{ type = "text" }}
install_by = {{ type = "date" }}
panels_wanted = {{ type = "integer", min = 1, max = 500 }}
first_name = {{ type = "text", personal = true, max_length = 80 }}
last_name = {{ type = "text", personal = true, max_length = 80 }}
email = {{ type = "email", personal = true }}
phone = {{ type = "us_phone", personal = true }}

[suppliers.sunleads]
name = "SunLeads Media"
keys = [{{ sha256 = "{key}" }}]

[campaigns.{CAMPAIGN}]
supplier = "sunleads"
lead_type = "solar"
{campaign}
[campaigns.{CAMPAIGN}.ping]
required = ["state", "zip"]
{ping}
[campaigns.{CAMPAIGN}.post]
required = ["first_name", "last_name", "email", "phone"]
{post}
{accounts}
[plugins.http-buyer]
path = {http_buyer:?}
[plugins.roof-filter]
path = {roof_filter:?}
{reused}
{more}
"#,
            more = self.plugins,
            reused = if self.reused {
                "instances = \"reused\""
            } else {
                ""
            },
            campaign = self.campaign,
            ping = self.ping,
            post = self.post,
            http_buyer = plugins.http_buyer.display().to_string(),
            roof_filter = plugins.roof_filter.display().to_string(),
        )
    }
}
