//! Every key of `examples/market.example.toml`, with a test that shows its effect.

use std::{collections::BTreeSet, path::PathBuf};

use toml::Value;

/// Key path → file and name of a test that shows what the key does. `*` stands for a name that
/// people choose, `[]` for any item of a list.
const SHOWN: &[(&str, &str, &str)] = &[
    ("accounts.*.adapter.config", SELLING, BEST_BID),
    ("accounts.*.adapter.plugin", SELLING, BEST_BID),
    (
        "accounts.*.budget.per_day",
        ROOM,
        "a_bid_above_what_is_left_of_its_budget_is_not_taken_and_without_any_left_nobody_is_asked",
    ),
    (
        "accounts.*.buyer",
        CLAIMS,
        "sharing_bids_of_other_buyers_win_together_up_to_max_deliveries",
    ),
    (
        "accounts.*.caps.per_day",
        ROOM,
        "an_account_whose_cap_is_held_is_not_asked_until_the_window_ends",
    ),
    ("accounts.*.caps.per_hour", MODEL, AGREES),
    ("accounts.*.caps.per_month", MODEL, AGREES),
    ("accounts.*.criteria.[].field", SELLING, CRITERIA),
    ("accounts.*.criteria.[].in", SELLING, CRITERIA),
    ("accounts.*.criteria.[].is", MODEL, AGREES),
    ("accounts.*.criteria.[].min", SELLING, CRITERIA),
    (
        "accounts.*.duplicates.fields",
        DUPLICATES,
        "an_account_that_has_a_consumer_is_passed_over_and_the_next_one_is_not",
    ),
    ("accounts.*.duplicates.match", MODEL, AGREES),
    ("accounts.*.duplicates.within", MODEL, AGREES),
    (
        "accounts.*.exclusive",
        FALLBACK,
        "an_exclusive_bid_shares_with_nobody",
    ),
    ("accounts.*.filter.config", SELLING, CRITERIA),
    ("accounts.*.filter.plugin", SELLING, CRITERIA),
    (
        "accounts.*.hold",
        ROOM,
        "what_is_sold_stays_counted_and_what_is_held_only_at_the_post_does_not_count_before",
    ),
    (
        "accounts.*.hosts",
        SELLING,
        "a_buyer_that_is_gone_is_unreachable_and_one_elsewhere_is_not_asked",
    ),
    (
        "accounts.*.lead_type",
        "host/market/src/eligibility/tests.rs",
        "an_account_of_another_lead_type_does_not_belong",
    ),
    ("accounts.*.min_price", SELLING, BEST_BID),
    (
        "accounts.*.on_unconfirmed",
        UNCONFIRMED,
        "with_next_a_shared_leads_other_places_are_filled_and_never_its_own",
    ),
    (
        "accounts.*.ping_before_post",
        SHARED,
        "a_buyer_with_a_fixed_price_is_asked_just_before_and_passed_over_where_it_wants_less",
    ),
    ("accounts.*.ping_during_sort", MODEL, AGREES),
    (
        "accounts.*.ping_timeout",
        SELLING,
        "every_way_in_which_a_buyer_fails_costs_its_account_the_ping_and_has_a_name",
    ),
    (
        "accounts.*.post_timeout",
        UNCONFIRMED,
        "a_buyer_that_answers_too_late_leaves_it_unconfirmed",
    ),
    ("accounts.*.price", MODEL, AGREES),
    (
        "accounts.*.priority",
        CLAIMS,
        "by_priority_the_lowest_number_is_first_then_the_highest_price",
    ),
    ("accounts.*.retry.attempts", SELLING, NO_WAIT),
    (
        "accounts.*.retry.wait",
        "host/market/src/order/tests/mod.rs",
        "an_unreachable_account_is_tried_again_later_and_not_past_a_deadline",
    ),
    (
        "accounts.*.returns.auto_accept",
        RETURNS,
        "where_the_account_says_so_a_return_is_accepted_in_the_same_step",
    ),
    ("accounts.*.returns.charge_supplier", MODEL, AGREES),
    (
        "accounts.*.returns.max_percent",
        RETURNS,
        "what_may_not_be_given_back_is_not",
    ),
    (
        "accounts.*.returns.within",
        RETURNS,
        "after_its_time_a_delivery_is_not_taken_back",
    ),
    ("accounts.*.schedule.[].days", GATES, GROUPS),
    ("accounts.*.schedule.[].from", MODEL, AGREES),
    ("accounts.*.schedule.[].to", MODEL, AGREES),
    (
        "accounts.*.secrets.*.env",
        SECRECY,
        "a_secret_reaches_its_buyer_and_is_in_no_file_log_or_answer",
    ),
    ("accounts.*.status", MODEL, AGREES),
    (
        "accounts.*.test",
        "tests/test_leads.rs",
        "a_test_is_sold_by_its_accounts_script_again_and_again_and_nobody_hears_of_it",
    ),
    ("accounts.*.weight", ROOM, "by_weight_each_gets_its_part"),
    (
        "buyers.*.timezone",
        "host/market/src/eligibility/tests.rs",
        "a_schedule_goes_by_the_buyers_clocks_and_caps_do_too",
    ),
    (
        "campaigns.*.allow_loss",
        CLAIMS,
        "no_quote_is_a_loss_unless_the_campaign_says_so",
    ),
    ("campaigns.*.caps.per_day", MODEL, AGREES),
    (
        "campaigns.*.channel",
        "tests/direct.rs",
        "each_channel_refuses_the_others_requests",
    ),
    ("campaigns.*.cost.margin", CLAIMS, COST),
    ("campaigns.*.cost.per_lead", CLAIMS, COST),
    (
        "campaigns.*.deadline",
        "tests/deadlines.rs",
        "no_ping_is_answered_after_its_deadline_and_whoever_answered_is_counted",
    ),
    ("campaigns.*.delivers_to", GATES, GROUPS),
    (
        "campaigns.*.duplicates.fields",
        DUPLICATES,
        "a_consumer_is_known_by_one_field_of_any",
    ),
    (
        "campaigns.*.duplicates.match",
        DUPLICATES,
        "a_consumer_is_known_only_by_every_field_of_all",
    ),
    (
        "campaigns.*.duplicates.scope",
        DUPLICATES,
        "a_campaigns_own_scope_leaves_other_campaigns_their_leads",
    ),
    ("campaigns.*.duplicates.within", MODEL, AGREES),
    (
        "campaigns.*.hold",
        SHARED,
        "a_campaigns_cap_that_is_taken_at_the_post_rejects_what_comes_after",
    ),
    (
        "campaigns.*.lead_type",
        "host/market/src/eligibility/tests.rs",
        "an_account_of_another_lead_type_does_not_belong",
    ),
    (
        "campaigns.*.max_deliveries",
        SELLING,
        "a_shared_lead_goes_to_several_buyers_at_once",
    ),
    (
        "campaigns.*.ping.min_deliveries",
        CLAIMS,
        "min_deliveries_counts_different_buyers_with_a_bid_in_the_candidate_or_not",
    ),
    ("campaigns.*.ping.min_profit", CLAIMS, BOUNDS),
    ("campaigns.*.ping.min_profit_percent", CLAIMS, BOUNDS),
    ("campaigns.*.ping.min_revenue", CLAIMS, BOUNDS),
    (
        "campaigns.*.ping.on_personal",
        SECRECY,
        "a_stripping_campaign_drops_a_personal_value_unread",
    ),
    ("campaigns.*.ping.profit_percent_of", MODEL, AGREES),
    ("campaigns.*.ping.qualify_all_criteria", MODEL, AGREES),
    (
        "campaigns.*.ping.required",
        "tests/bad_input.rs",
        "a_missing_lead_field_or_order_is_named",
    ),
    (
        "campaigns.*.post.deadline",
        "tests/keeping.rs",
        "a_post_is_answered_by_its_deadline_and_what_is_out_is_unconfirmed",
    ),
    (
        "campaigns.*.post.on_changed",
        "tests/repeats.rs",
        "a_pinged_field_that_changed_is_named_and_settles_nothing",
    ),
    (
        "campaigns.*.post.reject_for_not_delivered",
        SELLING,
        NO_WAIT,
    ),
    (
        "campaigns.*.post.required",
        "tests/direct.rs",
        "every_fault_of_a_direct_post_is_told_at_once_and_none_settles_it",
    ),
    ("campaigns.*.post.scan_for_coverage", MODEL, AGREES),
    (
        "campaigns.*.rate_limit.burst",
        GATES,
        "requests_that_come_too_fast_are_told_when_to_come_again",
    ),
    (
        "campaigns.*.rate_limit.per_second",
        GATES,
        "requests_that_come_too_fast_are_told_when_to_come_again",
    ),
    (
        "campaigns.*.selection.by",
        ROOM,
        "taking_turns_goes_by_whoever_was_sold_to_longest_ago",
    ),
    ("campaigns.*.selection.then", MODEL, AGREES),
    (
        "campaigns.*.status",
        "tests/direct.rs",
        "a_closed_campaign_takes_no_direct_posts_but_tells_what_it_told",
    ),
    (
        "campaigns.*.supplier",
        SECRECY,
        "suppliers_see_neither_buyers_nor_each_others_orders",
    ),
    (
        "campaigns.*.unknown_fields",
        LEAD,
        "an_unknown_field_may_be_ignored",
    ),
    (
        "campaigns.*.window",
        "tests/repeats.rs",
        "an_order_past_its_window_is_gone",
    ),
    ("currency", SELLING, BEST_BID),
    ("groups.*", GATES, GROUPS),
    (
        "lead_types.*.fields.*.max",
        FIELD,
        "a_number_lies_within_its_bounds_which_it_may_touch",
    ),
    (
        "lead_types.*.fields.*.max_length",
        FIELD,
        "text_is_trimmed_and_as_long_as_it_may_be",
    ),
    (
        "lead_types.*.fields.*.min",
        FIELD,
        "a_number_lies_within_its_bounds_which_it_may_touch",
    ),
    (
        "lead_types.*.fields.*.one_of",
        FIELD,
        "text_is_one_of_what_its_field_takes",
    ),
    (
        "lead_types.*.fields.*.personal",
        LEAD,
        "personal_fields_are_recognised_by_name_and_not_looked_at",
    ),
    (
        "lead_types.*.fields.*.type",
        FIELD,
        "a_telephone_number_is_kept_as_e164",
    ),
    ("ping_retention", "tests/keeping.rs", KEPT),
    (
        "plugins.*.instances",
        "tests/versions.rs",
        "a_plugin_that_keeps_state_in_reused_instances_is_found_out_and_given_fresh_ones",
    ),
    (
        "plugins.*.limits.log",
        "host/sandbox/src/tests/hostile.rs",
        "ten_thousand_log_lines_are_cut_and_the_last_words_stay",
    ),
    (
        "plugins.*.limits.memory",
        "host/sandbox/src/tests/hostile.rs",
        "a_memory_bomb_is_refused_in_one_piece_and_in_many",
    ),
    (
        "plugins.*.limits.time",
        "host/sandbox/src/tests/hostile.rs",
        "an_endless_loop_costs_its_time",
    ),
    ("plugins.*.path", SELLING, BEST_BID),
    ("retention", "tests/keeping.rs", KEPT),
    (
        "suppliers.*.keys.[].sha256",
        "tests/bad_input.rs",
        "who_and_what_are_checked_before_the_body",
    ),
    (
        "suppliers.*.test_keys.[].sha256",
        "tests/test_pings.rs",
        "every_ping_with_a_test_key_is_a_test",
    ),
    ("timezone", MODEL, AGREES),
];

/// Keys whose effect no test shows yet.
const NOT_SHOWN: &[&str] = &[
    "accounts.*.max_steps",
    "buyers.*.name",
    "lead_types.*.fields.*.description",
    "suppliers.*.name",
];

const CLAIMS: &str = "host/market/src/auction/tests/claims.rs";
const FALLBACK: &str = "host/market/src/auction/tests/fallback.rs";
const FIELD: &str = "host/market/src/field/tests.rs";
const LEAD: &str = "host/market/src/lead/tests.rs";
const DUPLICATES: &str = "tests/duplicates.rs";
const GATES: &str = "tests/gates.rs";
const MODEL: &str = "tests/model.rs";
const RETURNS: &str = "tests/returns.rs";
const ROOM: &str = "tests/room.rs";
const SECRECY: &str = "tests/secrecy.rs";
const SELLING: &str = "tests/selling.rs";
const SHARED: &str = "tests/shared.rs";
const UNCONFIRMED: &str = "tests/unconfirmed.rs";

const AGREES: &str = "the_host_and_the_plain_reading_of_the_rules_agree";
const BEST_BID: &str = "the_best_of_several_bids_is_quoted_and_its_buyer_gets_the_whole_lead";
const BOUNDS: &str = "every_requirement_includes_its_bound";
const COST: &str = "the_cost_follows_from_the_model_and_is_rounded_down_to_cents";
const CRITERIA: &str = "criteria_and_a_wasm_filter_decide_who_is_asked";
const GROUPS: &str = "groups_and_schedules_say_why_an_account_is_not_asked";
const KEPT: &str = "pings_and_leads_are_kept_as_long_as_the_market_says_and_counts_for_good";
const NO_WAIT: &str = "a_campaign_that_does_not_wait_accepts_at_once_and_retries_in_the_background";

/// Where names of people's own stand.
const NAMED: [&str; 6] = [
    "suppliers",
    "campaigns",
    "buyers",
    "accounts",
    "plugins",
    "groups",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Every key path under a value. A plugin's configuration is the plugin's own.
fn walk(value: &Value, path: &mut Vec<String>, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) if path.last().is_none_or(|last| last != "config") => {
            for (key, value) in table {
                let named = match path.as_slice() {
                    [only] => NAMED.contains(&only.as_str()) || only == "lead_types",
                    [.., last] => last == "fields" || last == "secrets",
                    [] => false,
                };
                path.push(if named { "*".to_owned() } else { key.clone() });
                walk(value, path, found);
                path.pop();
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            path.push("[]".to_owned());
            for item in items {
                walk(item, path, found);
            }
            path.pop();
        }
        _ => {
            found.insert(path.join("."));
        }
    }
}

fn keys() -> BTreeSet<String> {
    let text = read("examples/market.example.toml");
    let market: toml::Table = text.parse().expect("TOML");
    let mut found = BTreeSet::new();
    walk(&Value::Table(market), &mut Vec::new(), &mut found);
    found
}

#[test]
fn every_key_of_the_example_has_a_test_that_shows_its_effect() {
    let keys = keys();
    assert!(keys.len() > 80, "{keys:?}");
    let listed: BTreeSet<String> = SHOWN
        .iter()
        .map(|(key, ..)| (*key).to_owned())
        .chain(NOT_SHOWN.iter().map(|key| (*key).to_owned()))
        .collect();
    assert_eq!(
        listed.len(),
        SHOWN.len() + NOT_SHOWN.len(),
        "a key stands here once"
    );
    let without: Vec<_> = keys.difference(&listed).collect();
    assert!(without.is_empty(), "no test is named for {without:?}");
    let gone: Vec<_> = listed.difference(&keys).collect();
    assert!(gone.is_empty(), "the example has no {gone:?}");
}

#[test]
fn every_test_that_is_named_for_a_key_exists() {
    let missing: Vec<_> = SHOWN
        .iter()
        .filter(|(_, file, name)| !read(file).contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
