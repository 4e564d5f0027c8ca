use std::collections::{BTreeMap, BTreeSet};

use gavel_market::{
    auction::{Bid, Terms, decide, rank},
    criteria::Absent,
    file::parse_toml,
    ids::Digest,
    lead::{Fields as _, PingLead, read_ping, read_post},
    model::{Account, Campaign, Market},
    money::Money,
};
use serde_json::{Map, Value};

use super::*;
use crate::{
    buyers::{
        Amount, Fields, Offer as Said, OnPing,
        demo::{helios_bid, peak_powers_offer},
    },
    supplier::{Offer, Offers},
};

#[test]
fn unchanged_it_is_the_file() {
    assert_eq!(MarketFile::new().render(), MARKET_TOML);
}

#[test]
fn ports_may_be_swapped() {
    let [one, other] = [Buyer::SunCo, Buyer::BrightRoof];
    let swapped = MarketFile::new()
        .buyer_at(one, other.default_address())
        .buyer_at(other, one.default_address())
        .render();
    assert_eq!(
        swapped.matches(":9101").count(),
        MARKET_TOML.matches(":9102").count()
    );
    assert_eq!(
        swapped.matches(":9102").count(),
        MARKET_TOML.matches(":9101").count()
    );
}

#[test]
fn every_part_that_can_be_elsewhere_stands_in_the_file() {
    for buyer in Buyer::ALL {
        assert!(
            MARKET_TOML.contains(&format!("\"http://{}\"", buyer.default_address())),
            "{buyer:?}"
        );
        assert!(
            MARKET_TOML.contains(&format!("[buyers.{}]", buyer.id())),
            "{buyer:?}"
        );
    }
    for part in PLUGIN_PATHS.iter().chain(&DEMO_KEYS_SHA256).chain(&[
        SECRET_SOURCE,
        SUNLEADS_KEY,
        SUNNYSIDE_KEY,
    ]) {
        assert!(MARKET_TOML.contains(part), "{part}");
    }
    for part in [EXCLUSIVE, SHARED] {
        assert!(
            MARKET_TOML.contains(&format!("[campaigns.{part}]")),
            "{part}"
        );
    }
    assert!(SECRET_SOURCE.contains(SECRET_ENV));
}

#[test]
fn the_hashes_are_those_of_the_keys() {
    let hash = |key: &str| Digest::of(key.as_bytes()).to_string();
    assert_eq!([SUNLEADS_KEY, SUNNYSIDE_KEY].map(hash), DEMO_KEYS_SHA256);
}

#[test]
fn paths_and_the_secret_are_put_in_whatever_their_letters() {
    let text = MarketFile::new()
        .plugins_at(&PluginPaths {
            roof_filter: "/tmp/a \"b\"/f.wasm".into(),
            http_buyer: "/tmp/h.wasm".into(),
        })
        .secret_in_file(Path::new("/tmp/key"))
        .keys("aa", "bb")
        .render();
    assert!(text.contains(r#"path = "/tmp/a \"b\"/f.wasm""#));
    assert!(text.contains(r#"path = "/tmp/h.wasm""#));
    assert!(text.contains(r#"SUNCO_KEY = { file = "/tmp/key" }"#) && !text.contains(SECRET_SOURCE));
    assert!(text.contains(r#"sha256 = "aa""#) && text.contains(r#"sha256 = "bb""#));
}

fn market() -> Market {
    parse_toml(MARKET_TOML).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[test]
fn the_file_is_a_market_and_stays_one_with_its_parts_elsewhere() {
    assert_eq!(market().accounts.len(), 8);
    let elsewhere = Buyer::ALL
        .into_iter()
        .fold(MarketFile::new(), |file, buyer| {
            file.buyer_at(buyer, ([127, 0, 0, 1], 7).into())
        });
    let elsewhere = elsewhere.plugins_at(&PluginPaths {
        roof_filter: "f.wasm".into(),
        http_buyer: "h.wasm".into(),
    });
    let elsewhere = parse_toml(&elsewhere.secret_in_file(Path::new("/tmp/key")).render()).unwrap();
    assert!(
        elsewhere
            .accounts
            .iter()
            .all(|account| account.hosts[0].to_string() == "http://127.0.0.1:7")
    );
}

#[test]
fn each_demo_key_opens_its_suppliers_campaign() {
    let market = market();
    for (key, campaign) in [(SUNLEADS_KEY, EXCLUSIVE), (SUNNYSIDE_KEY, SHARED)] {
        let supplier = market.owner_of_key(&Digest::of(key.as_bytes())).unwrap();
        assert_eq!(market.campaigns[campaign].supplier, supplier.supplier);
    }
}

#[test]
fn every_accounts_configuration_satisfies_its_plugins_schema() {
    let schema = |text| jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap();
    let schemas = BTreeMap::from([
        (
            "http-buyer",
            schema(include_str!(
                "../../../../plugins/http-buyer/config.schema.json"
            )),
        ),
        (
            "roof-filter",
            schema(include_str!(
                "../../../../plugins/roof-filter/config.schema.json"
            )),
        ),
    ]);
    for account in &market().accounts {
        for used in account.filter.iter().chain([&account.adapter]) {
            let config: Value = serde_json::from_str(&used.config).unwrap();
            schemas[used.plugin.as_str()]
                .validate(&config)
                .unwrap_or_else(|error| panic!("{}: {error}", account.id));
        }
    }
}

#[test]
fn every_lead_of_the_stream_is_a_valid_ping_and_a_valid_post() {
    let market = market();
    for offer in Offers::new(1).take(500) {
        let campaign = &market.campaigns[offer.campaign];
        let pinged = pinged(campaign, &offer);
        let (_, warnings) = read_post(campaign, &raw(&offer.lead.full()), &pinged).unwrap();
        assert_eq!(warnings, []);
    }
}

/// The auction without a host: what each account would bid for each lead of the stream, as
/// its buyer's character has it, and what the rules make of that.
#[test]
fn the_streams_outcomes_differ() {
    let market = market();
    let (mut bids, mut reasons, mut winners) = (0, BTreeSet::new(), BTreeSet::new());
    for offer in Offers::new(1).take(2000) {
        let campaign = &market.campaigns[offer.campaign];
        let terms = Terms::of(
            campaign,
            offer.min_bid.map(|least| Money::parse(least).unwrap()),
        );
        let ranked = rank(&terms, bids_for(&market, &pinged(campaign, &offer)));
        match decide(&terms, &ranked).verdict {
            Ok(quote) => {
                bids += 1;
                winners.extend(
                    quote
                        .selected
                        .iter()
                        .map(|at| ranked[usize::from(*at)].account.to_string()),
                );
            }
            Err(reason) => _ = reasons.insert(format!("{reason:?}")),
        }
    }
    assert!(
        (900..1800).contains(&bids),
        "{bids} of 2000 pings get a bid"
    );
    let expected = [
        "BelowMinBid",
        "BelowMinProfit",
        "BelowMinProfitPercent",
        "BelowMinRevenue",
        "NoCoverage",
        "TooFewBuyers",
    ];
    assert_eq!(
        reasons.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
    let expected = [
        "brightroof",
        "fickle",
        "flaky",
        "helio",
        "peak-power",
        "sunco-texas",
        "sunco-west",
    ];
    assert_eq!(
        winners.iter().map(String::as_str).collect::<Vec<_>>(),
        expected,
        "all but the one that never answers"
    );
}

fn raw(fields: &Map<String, Value>) -> Vec<(String, Value)> {
    fields.clone().into_iter().collect()
}

fn pinged(campaign: &Campaign, offer: &Offer) -> PingLead {
    read_ping(campaign, &raw(&offer.lead.open), Some(offer.sub_id))
        .unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn bids_for(market: &Market, lead: &PingLead) -> Vec<Bid> {
    let eligible = market.eligibility["solar"].matching(&market.accounts, lead, Absent::Unknown);
    let accounts = eligible.into_iter().map(|ix| market.account(ix).unwrap());
    let bid = |account: &Account| {
        let amount = amount(account, lead)?;
        (account.min_price.is_none_or(|least| amount >= least)).then(|| Bid {
            account: account.id.clone(),
            buyer: account.buyer.clone(),
            amount,
            reference: None,
            priority: account.priority,
            exclusive: account.exclusive,
            turn: gavel_market::room::Turn::default(),
            hold: account.hold,
        })
    };
    accounts.filter_map(|account| bid(account)).collect()
}

fn amount(account: &Account, lead: &PingLead) -> Option<Money> {
    let mut fields: Fields = lead
        .present()
        .map(|(name, value)| (name.to_string(), value.to_text()))
        .collect();
    let named = match account.id.as_str() {
        "helio" => helios_bid(&fields)?,
        "peak-power" => {
            // Its name for the field, by the account's configuration.
            fields.extend(
                fields
                    .get("panels_wanted")
                    .cloned()
                    .map(|panels| ("panels".to_owned(), panels)),
            );
            match peak_powers_offer(&fields) {
                OnPing::Answer(Said::Bid(Amount::Exactly(amount))) => amount,
                OnPing::Answer(Said::Accept) => return account.price,
                _ => return None,
            }
        }
        "tortoise" => return None,
        // The filter's part.
        "brightroof"
            if fields
                .get("roof_shade")
                .is_some_and(|shade| shade == "full") =>
        {
            return None;
        }
        _ => return account.price,
    };
    Some(Money::parse(&named).unwrap())
}
