//! `[accounts.X]`: the buyers' standing orders.

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc, time::Duration};

use rust_decimal::Decimal;

use super::{
    Parts, criteria, duplicates,
    errors::code,
    limits::{
        ACCOUNTS_MAX, CONFIG_MAX_BYTES, DEADLINE_MAX, LIST_MAX, POST_TIME_MAX, RETRIES_MAX,
        RETRY_WAIT_MAX, RETURNS_MAX, STEPS_MAX, TIME_MIN, WEIGHT_MAX,
    },
    reader::Section,
    room, schedules,
    secrets::secrets,
    spot::{Spot, money_code},
    tree::NodeValue,
};
use crate::{
    ids::AccountId,
    model::{Account, AccountStatus, OnUnconfirmed, Origin, PluginUse, Retry, Returns, TestScript},
    money::Money,
};

const STATUSES: [(&str, AccountStatus); 3] = [
    ("active", AccountStatus::Active),
    ("paused", AccountStatus::Paused),
    ("inactive", AccountStatus::Inactive),
];

/// Every account, sorted by name, and the names of all, faulty ones too.
pub(super) fn read(
    root: &mut Section<'_>,
    parts: &Parts,
) -> (Vec<Arc<Account>>, BTreeSet<AccountId>) {
    let mut accounts = Vec::new();
    let mut names = BTreeSet::new();
    for (name, section) in root.named("accounts", ACCOUNTS_MAX) {
        let id: Option<AccountId> = section.name(name);
        names.extend(id.clone());
        accounts.extend(account(id, section, parts).map(Arc::new));
    }
    accounts.sort_by(|one, other| one.id.cmp(&other.id));
    (accounts, names)
}

/// `None` where the account lacks something that has no default; that is noted.
fn account(id: Option<AccountId>, mut section: Section<'_>, parts: &Parts) -> Option<Account> {
    let buyer = section.require("buyer").and_then(|spot| parts.buyer(&spot));
    let draft = section
        .require("lead_type")
        .and_then(|spot| parts.lead_type(&spot));
    let adapter = section
        .require("adapter")
        .and_then(|spot| plugin_use(&spot, parts));
    let filter = section
        .get("filter")
        .and_then(|spot| plugin_use(&spot, parts));
    let status = section.get_or("status", AccountStatus::Active, |spot| spot.word(&STATUSES));
    let (price, ping_during_sort) = price(&mut section);
    let ping_before_post = ping_before_post(&mut section, ping_during_sort);
    let min_price = section.get("min_price").and_then(|spot| spot.money());
    let priority = section.get_or("priority", 100, |spot| spot.integer(&(i64::MIN..=i64::MAX)));
    let weight = section.get_or("weight", NonZeroU32::MIN, |spot| spot.positive(WEIGHT_MAX));
    let exclusive = section.get_or("exclusive", false, Spot::flag);
    let criteria = section
        .get("criteria")
        .map(|spot| criteria::read(&spot, draft))
        .unwrap_or_default();
    let hosts = section
        .get("hosts")
        .map(|spot| hosts(&spot))
        .unwrap_or_default();
    let secrets = section.section("secrets").map(secrets).unwrap_or_default();
    let ping_timeout = section.get_or("ping_timeout", Duration::from_millis(800), |spot| {
        spot.duration(&(TIME_MIN..=DEADLINE_MAX))
    });
    let max_steps = section.get_or("max_steps", 3, |spot| spot.count(&(1..=STEPS_MAX)));
    let post_timeout = section.get_or("post_timeout", Duration::from_secs(10), |spot| {
        spot.duration(&(TIME_MIN..=POST_TIME_MAX))
    });
    let retry = section.section("retry").and_then(retry);
    let on_unconfirmed = section.get_or("on_unconfirmed", OnUnconfirmed::Stop, |spot| {
        spot.word(&[("stop", OnUnconfirmed::Stop), ("next", OnUnconfirmed::Next)])
    });
    let (caps, budget) = (room::caps(&mut section), room::budget(&mut section));
    let hold = room::hold(&mut section);
    let schedule = section
        .get("schedule")
        .and_then(|spot| schedules::read(&spot));
    let duplicates = section
        .section("duplicates")
        .and_then(|section| duplicates::of_account(section, draft));
    let returns = section
        .section("returns")
        .and_then(|section| returns(section, parts.retention));
    let test = section.get("test").and_then(|spot| test_script(&spot));
    section.finish();
    Some(Account {
        id: id?,
        buyer: buyer?,
        lead_type: draft?.lead_type.id.clone(),
        status,
        price,
        min_price,
        priority,
        exclusive,
        criteria,
        filter,
        adapter: adapter?,
        hosts,
        secrets,
        ping_during_sort,
        ping_timeout,
        max_steps,
        post_timeout,
        retry,
        on_unconfirmed,
        weight,
        ping_before_post,
        caps,
        budget,
        hold,
        schedule,
        duplicates,
        returns,
        test,
    })
}

/// The fixed price, and whether the adapter is asked for a bid.
fn price(section: &mut Section<'_>) -> (Option<Money>, bool) {
    let spot = section.get("price");
    let named = spot.is_some();
    let price = spot.and_then(|spot| spot.money());
    let asked = section.get_or("ping_during_sort", !named, Spot::flag);
    if !asked && !named {
        section.error(
            Some("price"),
            code::MISSING,
            "with `ping_during_sort = false` nobody names a price but the market",
        );
    }
    (price, asked)
}

/// Whether the adapter is asked when a lead is delivered, of an account that is not asked at
/// the ping.
fn ping_before_post(section: &mut Section<'_>, asked_at_ping: bool) -> bool {
    let Some(spot) = section.get("ping_before_post") else {
        return false;
    };
    let asked = spot.flag().unwrap_or(false);
    if asked && asked_at_ping {
        spot.error(
            code::CONFLICT,
            "this goes with a fixed `price` and `ping_during_sort = false`: who bids at the ping is not asked again",
        );
    }
    asked
}

fn plugin_use(spot: &Spot<'_>, parts: &Parts) -> Option<PluginUse> {
    let mut section = spot.section()?;
    let plugin = section
        .require("plugin")
        .and_then(|spot| parts.plugin(&spot));
    let config = section
        .get("config")
        .map_or_else(|| Some("{}".into()), |spot| config(&spot));
    section.finish();
    Some(PluginUse {
        plugin: plugin?,
        config: config?,
    })
}

fn config(spot: &Spot<'_>) -> Option<Arc<str>> {
    if !matches!(spot.node.value, NodeValue::Table(_)) {
        spot.error(
            code::WRONG_TYPE,
            format!("a table is expected, not {}", spot.node.kind()),
        );
        return None;
    }
    let Some(json) = spot.node.to_json() else {
        spot.error(
            code::BAD_FORMAT,
            "a configuration becomes JSON, which knows neither nan nor inf",
        );
        return None;
    };
    let text = json.to_string();
    if text.len() > CONFIG_MAX_BYTES {
        spot.error(
            code::TOO_LONG,
            format!("a configuration has at most {CONFIG_MAX_BYTES} bytes of JSON"),
        );
        return None;
    }
    Some(text.into())
}

/// Where the account's requests may go: scheme, name and port, nothing else.
fn hosts(spot: &Spot<'_>) -> Vec<Origin> {
    let items = spot.items(LIST_MAX).into_iter().flatten();
    items.filter_map(|item| origin(&item)).collect()
}

fn origin(spot: &Spot<'_>) -> Option<Origin> {
    let text = spot.text()?;
    let plain = |url: &url::Url| {
        url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let origin = url::Url::parse(text)
        .ok()
        .filter(plain)
        .and_then(|url| Origin::of(&url));
    if origin.is_none() {
        spot.error(code::BAD_FORMAT, "an origin is expected, such as \"https://leads.example\": http or https, a name, perhaps a port");
    }
    origin
}

fn retry(mut section: Section<'_>) -> Option<Retry> {
    let attempts = section
        .require("attempts")
        .and_then(|spot| spot.count(&(0..=RETRIES_MAX)));
    let wait = section
        .require("wait")
        .and_then(|spot| spot.duration(&(TIME_MIN..=RETRY_WAIT_MAX)));
    section.finish();
    Some(Retry {
        attempts: attempts?,
        wait: wait?,
    })
}

fn returns(mut section: Section<'_>, retention: Option<Duration>) -> Option<Returns> {
    let within = section
        .require("within")
        .and_then(|spot| returned_within(&spot, retention));
    let max_percent = section
        .require("max_percent")
        .and_then(|spot| spot.percent(Decimal::ONE_HUNDRED));
    let auto_accept = section.get_or("auto_accept", false, Spot::flag);
    let charge_supplier = section.get_or("charge_supplier", false, Spot::flag);
    section.finish();
    Some(Returns {
        within: within?,
        max_percent: max_percent?,
        auto_accept,
        charge_supplier,
    })
}

/// No longer than leads are kept: what is returned must still be there.
fn returned_within(spot: &Spot<'_>, retention: Option<Duration>) -> Option<Duration> {
    let within = spot.duration(&(TIME_MIN..=RETURNS_MAX))?;
    if let Some(retention) = retention
        && within > retention
    {
        spot.error(
            code::OUT_OF_RANGE,
            format!(
                "at most the market's `retention`, which is {}: a lead that is kept no longer cannot be given back",
                humantime::format_duration(retention)
            ),
        );
        return None;
    }
    Some(within)
}

/// `bid 20.00`, or a word.
fn test_script(spot: &Spot<'_>) -> Option<TestScript> {
    const WORDS: [(&str, TestScript); 4] = [
        ("no_bid", TestScript::NoBid),
        ("reject", TestScript::Reject),
        ("slow", TestScript::Slow),
        ("garbled", TestScript::Garbled),
    ];
    let text = spot.text()?;
    if let Some(amount) = text.strip_prefix("bid ") {
        return Money::parse(amount)
            .map_err(|error| spot.error(money_code(error), error.to_string()))
            .map(TestScript::Bid)
            .ok();
    }
    let found = WORDS.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let words = WORDS.map(|(word, _)| word);
        spot.error_suggesting(
            code::NOT_ALLOWED,
            format!("\"bid 20.00\" or one of {} is expected", words.join(", ")),
            spot.findings.nearest(text, words.into_iter()),
        );
    }
    found.map(|(_, script)| *script)
}
