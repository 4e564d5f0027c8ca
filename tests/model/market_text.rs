//! A case's market as a market file.

use std::fmt::Write as _;

use rust_decimal::Decimal;

use super::case::{
    Account, By, Cost, FIELDS, Hours, Market, PERIODS, PERSONAL, Periods, Same, Scope, Script, Test,
};

/// What a market says of the world beside the rules, as lines of its file.
pub(crate) trait World {
    /// Its plugins, each with its table.
    fn plugins(&self) -> String;
    /// More keys of a supplier.
    fn supplier(&self, at: usize) -> String;
    /// More keys of every campaign.
    fn campaign(&self) -> String;
    /// An account's adapter, and more of its keys.
    fn account(&self, at: usize, account: &Account) -> String;
}

/// No world at all: nobody is asked, and nothing is sent.
pub(crate) struct Nowhere;

impl World for Nowhere {
    fn plugins(&self) -> String {
        format!("[plugins.p]\ndigest = \"{}\"\n", "0".repeat(64))
    }

    fn supplier(&self, _at: usize) -> String {
        String::new()
    }

    fn campaign(&self) -> String {
        String::new()
    }

    fn account(&self, _at: usize, _account: &Account) -> String {
        "adapter = { plugin = \"p\" }\n".into()
    }
}

/// The market as an operator would write it. Its lead type is its own, as its accounts are.
pub(crate) fn text(market: &Market, world: &impl World) -> String {
    let mut text = format!(
        "currency = \"USD\"\ntimezone = \"{}\"\n{}[lead_types.{}lead.fields]\n",
        market.zone,
        world.plugins(),
        market.prefix,
    );
    let out = &mut text;
    for (at, (name, kind)) in FIELDS.iter().enumerate() {
        let personal = if at < PERSONAL {
            ""
        } else {
            ", personal = true"
        };
        line(
            out,
            format_args!("{name} = {{ type = \"{kind}\"{personal} }}"),
        );
    }
    for supplier in 0..market.suppliers {
        line(
            out,
            format_args!("[suppliers.{}s{supplier}]", market.prefix),
        );
        out.push_str(&world.supplier(supplier));
    }
    for (buyer, zone) in market.buyers.iter().enumerate() {
        line(
            out,
            format_args!("[buyers.{}b{buyer}]\ntimezone = \"{zone}\"", market.prefix),
        );
    }
    groups(out, market);
    for campaign in 0..market.campaigns.len() {
        write_campaign(out, market, campaign, world);
    }
    for account in 0..market.accounts.len() {
        write_account(out, market, account, world);
    }
    text
}

fn line(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{what}");
}

fn key(out: &mut String, name: &str, value: impl std::fmt::Display) {
    line(out, format_args!("{name} = {value}"));
}

fn quoted(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}

fn list(values: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let values: Vec<_> = values.into_iter().map(quoted).collect();
    format!("[{}]", values.join(", "))
}

fn groups(out: &mut String, market: &Market) {
    let prefix = &market.prefix;
    line(out, format_args!("[groups]"));
    for (at, campaign) in market.campaigns.iter().enumerate() {
        if let Some(group) = &campaign.group {
            let members = list(group.iter().map(|account| format!("{prefix}a{account}")));
            key(out, &format!("{prefix}g{at}"), members);
        }
    }
}

fn periods<T>(out: &mut String, name: &str, limits: &Periods<T>, written: impl Fn(&T) -> String) {
    let limits: Vec<_> = PERIODS
        .iter()
        .zip(limits)
        .filter_map(|(period, limit)| Some(format!("{period} = {}", written(limit.as_ref()?))))
        .collect();
    if !limits.is_empty() {
        key(out, name, format!("{{ {} }}", limits.join(", ")));
    }
}

fn same(same: &Same, more: &str) -> String {
    format!(
        "{{ fields = {}, match = \"{}\", within = \"{}ms\"{more} }}",
        list(same.fields.iter().map(|field| FIELDS[*field].0)),
        if same.all { "all" } else { "any" },
        same.within_ms
    )
}

fn by(by: By) -> &'static str {
    match by {
        By::Price => "price",
        By::Priority => "priority",
        By::RoundRobin => "round_robin",
        By::Weighted => "weighted",
    }
}

fn write_campaign(out: &mut String, market: &Market, at: usize, world: &impl World) {
    let (prefix, campaign) = (&market.prefix, &market.campaigns[at]);
    line(out, format_args!("[campaigns.{prefix}c{at}]"));
    out.push_str(&world.campaign());
    key(
        out,
        "supplier",
        quoted(format!("{prefix}s{}", campaign.supplier)),
    );
    key(out, "lead_type", quoted(format!("{prefix}lead")));
    key(
        out,
        "channel",
        quoted(if campaign.direct {
            "direct_post"
        } else {
            "ping_post"
        }),
    );
    key(
        out,
        "status",
        quoted(if campaign.active { "active" } else { "on_hold" }),
    );
    let (model, amount) = match campaign.cost {
        Cost::PerLead(amount) => ("per_lead", amount),
        Cost::PerSale(amount) => ("per_sale", amount),
        Cost::Share(percent) => ("revenue_share", percent),
        Cost::Margin(percent) => ("margin", percent),
    };
    key(out, "cost", format!("{{ {model} = \"{amount}\" }}"));
    key(out, "max_deliveries", campaign.max_deliveries);
    key(
        out,
        "selection",
        format!(
            "{{ by = \"{}\", then = \"{}\" }}",
            by(campaign.by),
            by(campaign.then)
        ),
    );
    if campaign.group.is_some() {
        key(out, "delivers_to", quoted(format!("{prefix}g{at}")));
    }
    periods(out, "caps", &campaign.caps, u64::to_string);
    key(
        out,
        "hold",
        quoted(if campaign.hold_at_post {
            "post"
        } else {
            "quote"
        }),
    );
    if let Some((fields, scope)) = &campaign.duplicates {
        let scope = match scope {
            Scope::Campaign => ", scope = \"campaign\"",
            Scope::Supplier => ", scope = \"supplier\"",
            Scope::Market => "",
        };
        key(out, "duplicates", same(fields, scope));
    }
    key(out, "window", quoted(format!("{}ms", campaign.window_ms)));
    key(out, "allow_loss", campaign.allow_loss);
    line(out, format_args!("[campaigns.{prefix}c{at}.ping]"));
    if !campaign.direct {
        key(
            out,
            "required",
            list(campaign.ping_required.iter().map(|field| FIELDS[*field].0)),
        );
    }
    key(out, "qualify_all_criteria", campaign.qualify_all);
    key(out, "min_deliveries", campaign.min_deliveries);
    amount_key(out, "min_revenue", campaign.min_revenue);
    amount_key(out, "min_profit", campaign.min_profit);
    amount_key(out, "min_profit_percent", campaign.min_percent);
    let base = if campaign.percent_of_cost {
        "cost"
    } else {
        "revenue"
    };
    key(out, "profit_percent_of", quoted(base));
    line(out, format_args!("[campaigns.{prefix}c{at}.post]"));
    key(
        out,
        "required",
        list(campaign.post_required.iter().map(|field| FIELDS[*field].0)),
    );
    key(
        out,
        "on_changed",
        quoted(if campaign.keep_pinged {
            "keep_pinged"
        } else {
            "reject"
        }),
    );
    key(out, "scan_for_coverage", campaign.scan_for_coverage);
    key(out, "reject_for_not_delivered", campaign.waits);
    key(
        out,
        "deadline",
        quoted(format!("{}ms", campaign.post_deadline_ms)),
    );
}

fn amount_key(out: &mut String, name: &str, amount: Option<Decimal>) {
    if let Some(amount) = amount {
        key(out, name, quoted(amount));
    }
}

fn criterion(field: usize, test: &Test) -> String {
    let test = match test {
        Test::In(values) => format!("in = {}", list(values)),
        Test::NotIn(values) => format!("not_in = {}", list(values)),
        Test::Is(wanted) => format!("is = {wanted}"),
        Test::Min(bound) => format!("min = \"{bound}\""),
        Test::Max(bound) => format!("max = \"{bound}\""),
        Test::Prefix(prefixes) => format!("prefix = {}", list(prefixes)),
        Test::Matches(pattern) => format!("matches = '{}'", pattern.text),
        Test::Present(wanted) => format!("present = {wanted}"),
    };
    format!("{{ field = \"{}\", {test} }}", FIELDS[field].0)
}

fn hours(hours: &Hours) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days = DAYS
        .iter()
        .zip(hours.days)
        .filter(|(_, open)| *open)
        .map(|(day, _)| day);
    let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    format!(
        "{{ days = {}, from = \"{}\", to = \"{}\" }}",
        list(days),
        clock(hours.from),
        clock(hours.to)
    )
}

fn write_account(out: &mut String, market: &Market, at: usize, world: &impl World) {
    let (prefix, account) = (&market.prefix, &market.accounts[at]);
    line(out, format_args!("[accounts.{prefix}a{at}]"));
    key(out, "buyer", quoted(format!("{prefix}b{}", account.buyer)));
    key(out, "lead_type", quoted(format!("{prefix}lead")));
    out.push_str(&world.account(at, account));
    if let Some(script) = account.script {
        let script = match script {
            Script::Bid(amount) => format!("bid {amount}"),
            Script::NoBid => "no_bid".into(),
            Script::Reject => "reject".into(),
        };
        key(out, "test", quoted(script));
    }
    key(
        out,
        "status",
        quoted(if account.active { "active" } else { "paused" }),
    );
    amount_key(out, "price", account.price);
    amount_key(out, "min_price", account.min_price);
    key(out, "ping_during_sort", account.asks);
    key(out, "priority", account.priority);
    key(out, "weight", account.weight);
    key(out, "exclusive", account.exclusive);
    let criteria: Vec<_> = account
        .criteria
        .iter()
        .map(|(field, test)| criterion(*field, test))
        .collect();
    key(out, "criteria", format!("[{}]", criteria.join(", ")));
    periods(out, "caps", &account.caps, u64::to_string);
    periods(out, "budget", &account.budget, |most| quoted(most));
    key(
        out,
        "hold",
        quoted(if account.hold_at_post {
            "post"
        } else {
            "quote"
        }),
    );
    if !account.schedule.is_empty() {
        let windows: Vec<_> = account.schedule.iter().map(hours).collect();
        key(out, "schedule", format!("[{}]", windows.join(", ")));
    }
    if let Some((attempts, wait_ms)) = account.retry {
        key(
            out,
            "retry",
            format!("{{ attempts = {attempts}, wait = \"{wait_ms}ms\" }}"),
        );
    }
    key(
        out,
        "on_unconfirmed",
        quoted(if account.stops { "stop" } else { "next" }),
    );
    if let Some(fields) = &account.duplicates {
        key(out, "duplicates", same(fields, ""));
    }
    if let Some(rule) = &account.returns {
        key(
            out,
            "returns",
            format!(
                "{{ within = \"{}ms\", max_percent = \"{}\", auto_accept = {}, charge_supplier = {} }}",
                rule.within_ms, rule.max_percent, rule.auto_accept, rule.charge_supplier
            ),
        );
    }
}
