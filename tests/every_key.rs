//! Every key of `examples/market.example.toml`, with a test that shows its effect.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use toml::Value;

/// Key path, file and name of a test that shows what the key does. `*` stands for a name that
/// people choose, `[]` for any item of a list.
const SHOWN: &str = "
accounts.*.adapter.config                      tests/selling.rs                          the_best_of_several_bids_is_quoted_and_its_buyer_gets_the_whole_lead
accounts.*.adapter.plugin                      tests/selling.rs                          the_best_of_several_bids_is_quoted_and_its_buyer_gets_the_whole_lead
accounts.*.budget.per_day                      tests/room.rs                             a_bid_above_what_is_left_of_its_budget_is_not_taken_and_without_any_left_nobody_is_asked
accounts.*.budget.per_hour                     tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.budget.per_month                    tests/usage.rs                            a_quote_holds_room_a_sale_takes_it_and_the_full_account_is_not_asked
accounts.*.budget.per_week                     tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.budget.total                        tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.buyer                               host/market/src/auction/tests/claims.rs   sharing_bids_of_other_buyers_win_together_up_to_max_deliveries
accounts.*.caps.per_day                        tests/room.rs                             an_account_whose_cap_is_held_is_not_asked_until_the_window_ends
accounts.*.caps.per_hour                       tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.caps.per_month                      tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.caps.per_week                       tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.caps.total                          tests/room.rs                             pings_that_race_for_the_last_room_get_it_once_each_and_the_rest_go_elsewhere
accounts.*.criteria.[].field                   tests/selling.rs                          criteria_and_a_wasm_filter_decide_who_is_asked
accounts.*.criteria.[].in                      tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.criteria.[].is                      tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.criteria.[].matches                 tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.criteria.[].max                     tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.criteria.[].min                     tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.criteria.[].not_in                  tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.criteria.[].prefix                  tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.criteria.[].present                 tests/selling.rs                          every_kind_of_criterion_decides_who_is_asked
accounts.*.duplicates.fields                   tests/duplicates.rs                       an_account_that_has_a_consumer_is_passed_over_and_the_next_one_is_not
accounts.*.duplicates.match                    tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.duplicates.within                   tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.exclusive                           host/market/src/auction/tests/fallback.rs an_exclusive_bid_shares_with_nobody
accounts.*.filter.config                       tests/selling.rs                          criteria_and_a_wasm_filter_decide_who_is_asked
accounts.*.filter.plugin                       tests/selling.rs                          criteria_and_a_wasm_filter_decide_who_is_asked
accounts.*.hold                                tests/room.rs                             what_is_sold_stays_counted_and_what_is_held_only_at_the_post_does_not_count_before
accounts.*.hosts                               tests/selling.rs                          a_buyer_that_is_gone_is_unreachable_and_one_elsewhere_is_not_asked
accounts.*.lead_type                           host/market/src/eligibility/tests.rs      an_account_of_another_lead_type_does_not_belong
accounts.*.max_steps                           tests/gates.rs                            an_adapter_makes_so_many_requests_and_no_more
accounts.*.min_price                           tests/selling.rs                          the_best_of_several_bids_is_quoted_and_its_buyer_gets_the_whole_lead
accounts.*.on_unconfirmed                      tests/unconfirmed.rs                      with_next_a_shared_leads_other_places_are_filled_and_never_its_own
accounts.*.ping_before_post                    tests/shared.rs                           a_buyer_with_a_fixed_price_is_asked_just_before_and_passed_over_where_it_wants_less
accounts.*.ping_during_sort                    tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.ping_timeout                        tests/selling.rs                          every_way_in_which_a_buyer_fails_costs_its_account_the_ping_and_has_a_name
accounts.*.post_timeout                        tests/unconfirmed.rs                      a_buyer_that_answers_too_late_leaves_it_unconfirmed
accounts.*.price                               tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.priority                            host/market/src/auction/tests/claims.rs   by_priority_the_lowest_number_is_first_then_the_highest_price
accounts.*.retry.attempts                      tests/selling.rs                          a_campaign_that_does_not_wait_accepts_at_once_and_retries_in_the_background
accounts.*.retry.wait                          host/market/src/order/tests/mod.rs        an_unreachable_account_is_tried_again_later_and_not_past_a_deadline
accounts.*.returns.auto_accept                 tests/returns.rs                          where_the_account_says_so_a_return_is_accepted_in_the_same_step
accounts.*.returns.charge_supplier             tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.returns.max_percent                 tests/returns.rs                          what_may_not_be_given_back_is_not
accounts.*.returns.within                      tests/returns.rs                          after_its_time_a_delivery_is_not_taken_back
accounts.*.schedule.[].days                    tests/gates.rs                            groups_and_schedules_say_why_an_account_is_not_asked
accounts.*.schedule.[].from                    tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.schedule.[].to                      tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.secrets.*.env                       tests/secrecy.rs                          a_secret_reaches_its_buyer_and_is_in_no_file_log_or_answer
accounts.*.secrets.*.file                      tests/secrecy.rs                          a_secret_may_stand_in_a_file
accounts.*.secrets.*.oauth2.client_id.env      tests/tokens.rs                           a_token_is_fetched_once_reaches_its_buyer_and_is_in_no_file_log_or_answer
accounts.*.secrets.*.oauth2.client_secret.file host/exchange/src/secrets/tests.rs        a_client_is_named_by_variables_and_by_files
accounts.*.secrets.*.oauth2.scope              host/exchange/src/tokens/tests.rs         a_token_is_fetched_once_for_all_requests
accounts.*.secrets.*.oauth2.token_url          tests/tokens.rs                           a_token_is_fetched_once_reaches_its_buyer_and_is_in_no_file_log_or_answer
accounts.*.status                              tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
accounts.*.test                                tests/test_leads.rs                       a_test_is_sold_by_its_accounts_script_again_and_again_and_nobody_hears_of_it
accounts.*.weight                              tests/room.rs                             by_weight_each_gets_its_part
buyers.*.name                                  tests/usage.rs                            a_quote_holds_room_a_sale_takes_it_and_the_full_account_is_not_asked
buyers.*.timezone                              host/market/src/eligibility/tests.rs      a_schedule_goes_by_the_buyers_clocks_and_caps_do_too
campaigns.*.allow_loss                         host/market/src/auction/tests/claims.rs   no_quote_is_a_loss_unless_the_campaign_says_so
campaigns.*.caps.per_day                       tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.caps.per_hour                      tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.caps.per_month                     tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.caps.per_week                      tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.caps.total                         tests/usage.rs                            a_quote_holds_room_a_sale_takes_it_and_the_full_account_is_not_asked
campaigns.*.channel                            tests/direct.rs                           each_channel_refuses_the_others_requests
campaigns.*.cost.margin                        host/market/src/auction/tests/claims.rs   the_cost_follows_from_the_model_and_is_rounded_down_to_cents
campaigns.*.cost.per_lead                      host/market/src/auction/tests/claims.rs   the_cost_follows_from_the_model_and_is_rounded_down_to_cents
campaigns.*.cost.per_sale                      host/market/src/auction/tests/claims.rs   the_cost_follows_from_the_model_and_is_rounded_down_to_cents
campaigns.*.cost.revenue_share                 host/market/src/auction/tests/claims.rs   the_cost_follows_from_the_model_and_is_rounded_down_to_cents
campaigns.*.deadline                           tests/deadlines.rs                        no_ping_is_answered_after_its_deadline_and_whoever_answered_is_counted
campaigns.*.delivers_to                        tests/gates.rs                            groups_and_schedules_say_why_an_account_is_not_asked
campaigns.*.duplicates.fields                  tests/duplicates.rs                       a_consumer_is_known_by_one_field_of_any
campaigns.*.duplicates.match                   tests/duplicates.rs                       a_consumer_is_known_only_by_every_field_of_all
campaigns.*.duplicates.scope                   tests/duplicates.rs                       a_campaigns_own_scope_leaves_other_campaigns_their_leads
campaigns.*.duplicates.within                  tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.hold                               tests/shared.rs                           a_campaigns_cap_that_is_taken_at_the_post_rejects_what_comes_after
campaigns.*.lead_type                          host/market/src/eligibility/tests.rs      an_account_of_another_lead_type_does_not_belong
campaigns.*.max_deliveries                     tests/selling.rs                          a_shared_lead_goes_to_several_buyers_at_once
campaigns.*.ping.min_deliveries                host/market/src/auction/tests/claims.rs   min_deliveries_counts_different_buyers_with_a_bid_in_the_candidate_or_not
campaigns.*.ping.min_profit                    host/market/src/auction/tests/claims.rs   every_requirement_includes_its_bound
campaigns.*.ping.min_profit_percent            host/market/src/auction/tests/claims.rs   every_requirement_includes_its_bound
campaigns.*.ping.min_revenue                   host/market/src/auction/tests/claims.rs   every_requirement_includes_its_bound
campaigns.*.ping.on_personal                   tests/secrecy.rs                          a_stripping_campaign_drops_a_personal_value_unread
campaigns.*.ping.profit_percent_of             tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.ping.qualify_all_criteria          tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.ping.required                      tests/bad_input.rs                        a_missing_lead_field_or_order_is_named
campaigns.*.post.deadline                      tests/keeping.rs                          a_post_is_answered_by_its_deadline_and_what_is_out_is_unconfirmed
campaigns.*.post.on_changed                    tests/repeats.rs                          a_pinged_field_that_changed_may_stand_as_it_was_pinged_with_a_warning
campaigns.*.post.reject_for_not_delivered      tests/selling.rs                          a_campaign_that_does_not_wait_accepts_at_once_and_retries_in_the_background
campaigns.*.post.required                      tests/direct.rs                           every_fault_of_a_direct_post_is_told_at_once_and_none_settles_it
campaigns.*.post.scan_for_coverage             tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.rate_limit.burst                   tests/gates.rs                            requests_that_come_too_fast_are_told_when_to_come_again
campaigns.*.rate_limit.per_second              tests/gates.rs                            requests_that_come_too_fast_are_told_when_to_come_again
campaigns.*.selection.by                       tests/room.rs                             taking_turns_goes_by_whoever_was_sold_to_longest_ago
campaigns.*.selection.then                     tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
campaigns.*.status                             tests/direct.rs                           a_closed_campaign_takes_no_direct_posts_but_tells_what_it_told
campaigns.*.supplier                           tests/secrecy.rs                          suppliers_see_neither_buyers_nor_each_others_orders
campaigns.*.unknown_fields                     host/market/src/lead/tests.rs             an_unknown_field_may_be_ignored
campaigns.*.window                             tests/repeats.rs                          an_order_past_its_window_is_gone
currency                                       tests/selling.rs                          the_best_of_several_bids_is_quoted_and_its_buyer_gets_the_whole_lead
groups.*                                       tests/gates.rs                            groups_and_schedules_say_why_an_account_is_not_asked
lead_types.*.fields.*.description              tests/instructions.rs                     the_supplier_reads_its_own_name_and_what_each_field_is
lead_types.*.fields.*.max                      host/market/src/field/tests.rs            a_number_lies_within_its_bounds_which_it_may_touch
lead_types.*.fields.*.max_length               host/market/src/field/tests.rs            text_is_trimmed_and_as_long_as_it_may_be
lead_types.*.fields.*.min                      host/market/src/field/tests.rs            a_number_lies_within_its_bounds_which_it_may_touch
lead_types.*.fields.*.no_personal_check        host/market/src/lead/tests.rs             text_that_looks_personal_is_refused_unless_its_field_says_otherwise
lead_types.*.fields.*.one_of                   host/market/src/field/tests.rs            text_is_one_of_what_its_field_takes
lead_types.*.fields.*.pattern                  host/market/src/field/tests.rs            a_pattern_must_match_the_whole_text
lead_types.*.fields.*.personal                 host/market/src/lead/tests.rs             personal_fields_are_recognised_by_name_and_not_looked_at
lead_types.*.fields.*.type                     host/market/src/field/tests.rs            a_telephone_number_is_kept_as_e164
ping_retention                                 tests/keeping.rs                          pings_and_leads_are_kept_as_long_as_the_market_says_and_counts_for_good
plugins.*.digest                               tests/commands.rs                         a_market_may_name_a_plugin_by_the_digest_of_a_version_that_was_uploaded
plugins.*.instances                            tests/versions.rs                         a_plugin_that_keeps_state_in_reused_instances_is_found_out_and_given_fresh_ones
plugins.*.limits.log                           host/sandbox/src/tests/hostile.rs         ten_thousand_log_lines_are_cut_and_the_last_words_stay
plugins.*.limits.memory                        host/sandbox/src/tests/hostile.rs         a_memory_bomb_is_refused_in_one_piece_and_in_many
plugins.*.limits.time                          host/sandbox/src/tests/hostile.rs         an_endless_loop_costs_its_time
plugins.*.path                                 tests/selling.rs                          the_best_of_several_bids_is_quoted_and_its_buyer_gets_the_whole_lead
retention                                      tests/keeping.rs                          pings_and_leads_are_kept_as_long_as_the_market_says_and_counts_for_good
suppliers.*.keys.[].sha256                     tests/bad_input.rs                        who_and_what_are_checked_before_the_body
suppliers.*.name                               tests/instructions.rs                     the_supplier_reads_its_own_name_and_what_each_field_is
suppliers.*.test_keys.[].sha256                tests/test_pings.rs                       every_ping_with_a_test_key_is_a_test
timezone                                       tests/model.rs                            the_host_and_the_plain_reading_of_the_rules_agree
";

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

/// Each key of the table with the test that it names.
fn shown() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let mut shown = BTreeMap::new();
    for line in SHOWN.trim().lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [key, file, name] = words[..] else {
            panic!("key, file and test: {line}")
        };
        let before = shown.insert(key, (file, name));
        assert!(before.is_none(), "{key} stands here once");
    }
    shown
}

#[test]
fn every_key_of_the_example_has_a_test_that_shows_its_effect() {
    let keys = keys();
    assert!(keys.len() > 110, "{keys:?}");
    let listed: BTreeSet<String> = shown().into_keys().map(str::to_owned).collect();
    let without: Vec<_> = keys.difference(&listed).collect();
    assert!(without.is_empty(), "no test is named for {without:?}");
    let gone: Vec<_> = listed.difference(&keys).collect();
    assert!(gone.is_empty(), "the example has no {gone:?}");
}

#[test]
fn every_test_that_is_named_for_a_key_exists() {
    let missing: Vec<_> = shown()
        .into_values()
        .filter(|(file, name)| !read(file).contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
