//! Channels, groups, caps, rates, duplicates: what bounds a campaign, and an account with it.

use super::*;
use crate::{
    model::{Channel, DuplicateScope, Duplicates, HoldAt, Matching, RateLimit},
    room::{Limits, Period},
};

#[track_caller]
fn read_campaign(keys: &str) -> crate::model::Campaign {
    let mut market = good(&campaign(keys));
    let campaign = market.campaigns.remove("c").expect("a campaign");
    std::sync::Arc::into_inner(campaign).expect("one owner")
}

#[track_caller]
fn refused_campaigns(cases: &[(&str, &str, &str)]) {
    for (keys, key, code) in cases {
        refused(&campaign(keys), &format!("campaigns.c.{key}"), code);
    }
}

#[test]
fn what_a_campaign_does_not_name_it_does_not_have() {
    let campaign = read_campaign("");
    assert_eq!(campaign.channel, Channel::PingPost);
    assert!(campaign.delivers_to.is_none() && campaign.caps.is_empty());
    assert_eq!(campaign.hold, HoldAt::Quote);
    assert_eq!((campaign.rate_limit, campaign.duplicates), (None, None));
}

#[test]
fn what_an_account_does_not_name_it_does_not_have() {
    let account = read_account("");
    assert!(!account.is_capped() && !account.ping_before_post);
    assert_eq!((account.weight, account.hold), (number(1), HoldAt::Quote));
    assert_eq!((account.schedule, account.duplicates), (None, None));
    assert_eq!((account.returns, account.test), (None, None));
}

#[test]
fn a_campaign_takes_pings_or_whole_leads() {
    assert_eq!(
        read_campaign("channel = \"direct_post\"").channel,
        Channel::DirectPost
    );
    suggests(
        &campaign("channel = \"direct_pst\""),
        "campaigns.c.channel",
        "not_allowed",
        "direct_post",
    );
}

#[test]
fn bids_are_ranked_by_any_of_four_methods() {
    for (word, by) in [
        ("price", RankBy::Price),
        ("priority", RankBy::Priority),
        ("round_robin", RankBy::RoundRobin),
        ("weighted", RankBy::Weighted),
    ] {
        let keys = format!("selection = {{ by = \"{word}\", then = \"{word}\" }}");
        let selection = read_campaign(&keys).selection;
        assert_eq!((selection.by, selection.then), (by, by));
    }
    suggests(
        &campaign("selection.then = \"round_robbin\""),
        "campaigns.c.selection.then",
        "not_allowed",
        "round_robin",
    );
}

#[test]
fn a_group_is_a_list_of_accounts_each_once() {
    let text = |groups: &str, campaign: &str| {
        let campaign = format!(
            "[campaigns.c]\nsupplier = \"sunleads\"\nlead_type = \"solar\"\ncost = {{ per_lead = \"1\" }}\n{campaign}"
        );
        format!("{}\n[groups]\n{groups}\n{campaign}\n", account(""))
    };
    let market = good(&text("west = [\"a\"]", "delivers_to = \"west\""));
    let group = market.campaigns["c"].delivers_to.as_ref().expect("a group");
    let members: Vec<_> = group.members.iter().map(AccountId::as_str).collect();
    assert_eq!((group.id.as_str(), members), ("west", vec!["a"]));
    assert_eq!(market.groups["west"], group.members);

    for (groups, key, code) in [
        ("west = []", "groups.west", "empty"),
        ("west = \"a\"", "groups.west", "wrong_type"),
        ("west = [1]", "groups.west[0]", "wrong_type"),
        ("west = [\"a\", \"a\"]", "groups.west[1]", "duplicate"),
        ("\"We st\" = [\"a\"]", "groups.We st", "bad_name"),
    ] {
        refused(&text(groups, ""), key, code);
    }
    refused(
        &text("west = [\"xyz\"]", ""),
        "groups.west[0]",
        "unknown_name",
    );
    suggests(
        &text("west = [\"a\"]", "delivers_to = \"wst\""),
        "campaigns.c.delivers_to",
        "unknown_name",
        "west",
    );
    // A faulty account has a name all the same.
    refused(
        &text("west = [\"a\"]", "").replace("[accounts.a]", "[accounts.a]\nprice = \"x\""),
        "accounts.a.price",
        "bad_format",
    );
}

#[test]
fn caps_and_budgets_bound_any_of_five_periods() {
    let periods = "per_hour = 0, per_day = 2, per_week = 3, per_month = 4, total = 5";
    let caps = Limits::of(Period::ALL.into_iter().zip([0, 2, 3, 4, 5]));
    let keys = format!("caps = {{ {periods} }}\nhold = \"post\"");
    let campaign = read_campaign(&keys);
    assert_eq!((campaign.caps, campaign.hold), (caps, HoldAt::Post));
    let account = read_account(&format!(
        "{keys}\nbudget = {{ per_day = \"2500.00\", total = \"1\" }}"
    ));
    assert_eq!((account.caps, account.hold), (caps, HoldAt::Post));
    let money = |text| Money::parse(text).expect("money");
    let budget = [(Period::Day, money("2500")), (Period::Total, money("1"))];
    assert_eq!(account.budget, Limits::of(budget));
    assert!(read_account("caps = {}").caps.is_empty());

    let wrong = [
        ("caps = 5", "caps", "wrong_type"),
        ("caps = { per_day = \"5\" }", "caps.per_day", "wrong_type"),
        ("caps = { total = -1 }", "caps.total", "out_of_range"),
        ("hold = \"ping\"", "hold", "not_allowed"),
    ];
    refused_campaigns(&wrong);
    refused_accounts(&wrong);
    refused_accounts(&[
        ("budget = { per_day = 5 }", "budget.per_day", "wrong_type"),
        (
            "budget = { per_week = \"1000000.01\" }",
            "budget.per_week",
            "out_of_range",
        ),
    ]);
    suggests(
        &self::campaign("caps = { per_dya = 5 }"),
        "campaigns.c.caps.per_dya",
        "unknown_key",
        "per_day",
    );
    // A campaign's revenue is nobody's budget.
    refused_campaigns(&[("budget = { per_day = \"5\" }", "budget", "unknown_key")]);
}

#[test]
fn a_rate_limits_burst_is_its_rate_where_none_is_named() {
    let limit = |per_second, burst| {
        Some(RateLimit {
            per_second: number(per_second),
            burst: number(burst),
        })
    };
    let read = |keys: &str| read_campaign(keys).rate_limit;
    assert_eq!(
        read("rate_limit = { per_second = 200, burst = 400 }"),
        limit(200, 400)
    );
    assert_eq!(read("rate_limit = { per_second = 7 }"), limit(7, 7));
    refused_campaigns(&[
        ("rate_limit = 5", "rate_limit", "wrong_type"),
        (
            "rate_limit = { burst = 5 }",
            "rate_limit.per_second",
            "missing",
        ),
        (
            "rate_limit = { per_second = 0 }",
            "rate_limit.per_second",
            "out_of_range",
        ),
        (
            "rate_limit = { per_second = 1, burst = 0 }",
            "rate_limit.burst",
            "out_of_range",
        ),
        (
            "rate_limit = { per_second = 1, bursts = 2 }",
            "rate_limit.bursts",
            "unknown_key",
        ),
    ]);
}

#[test]
fn duplicates_compare_fields_of_the_lead_type() {
    let day = Duration::from_hours(24);
    let (duplicates, scope) = read_campaign(
        "duplicates = { fields = [\"phone\", \"zip\"], match = \"all\", within = \"30d\", scope = \"supplier\" }",
    )
    .duplicates
    .expect("duplicates");
    let expected = Duplicates {
        fields: vec![7, 6],
        matching: Matching::All,
        within: day * 30,
    };
    assert_eq!((duplicates, scope), (expected, DuplicateScope::Supplier));
    let (_, scope) = read_campaign("duplicates = { fields = [\"zip\"], within = \"1d\" }")
        .duplicates
        .expect("duplicates");
    assert_eq!(scope, DuplicateScope::Market);
    let own = read_account("duplicates = { fields = [\"phone\"], within = \"1d\" }").duplicates;
    let expected = Duplicates {
        fields: vec![7],
        matching: Matching::Any,
        within: day,
    };
    assert_eq!(own, Some(expected));

    let wrong = [
        ("within = \"1d\"", "fields", "missing"),
        ("fields = [\"zip\"]", "within", "missing"),
        ("fields = [], within = \"1d\"", "fields", "empty"),
        (
            "fields = [\"zip\", \"zip\"], within = \"1d\"",
            "fields[1]",
            "duplicate",
        ),
        (
            "fields = [\"colour\"], within = \"1d\"",
            "fields[0]",
            "unknown_name",
        ),
        (
            "fields = [\"zip\"], within = \"0s\"",
            "within",
            "out_of_range",
        ),
        (
            "fields = [\"zip\"], within = \"1d\", match = \"some\"",
            "match",
            "not_allowed",
        ),
    ];
    for (keys, key, code) in wrong {
        let (keys, key) = (
            format!("duplicates = {{ {keys} }}"),
            format!("duplicates.{key}"),
        );
        refused_campaigns(&[(&keys, &key, code)]);
        refused_accounts(&[(&keys, &key, code)]);
    }
    suggests(
        &campaign("duplicates = { fields = [\"zip\"], within = \"1d\", scope = \"markets\" }"),
        "campaigns.c.duplicates.scope",
        "not_allowed",
        "market",
    );
    refused_accounts(&[(
        "duplicates = { fields = [\"zip\"], within = \"1d\", scope = \"market\" }",
        "duplicates.scope",
        "unknown_key",
    )]);
}
