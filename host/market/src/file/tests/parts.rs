use super::*;

#[test]
fn a_field_has_only_what_goes_with_its_type() {
    let field = |keys: &str| fields(&format!("a = {{ {keys} }}"));
    let path = |key: &str| format!("lead_types.solar.fields.a.{key}");
    good(&field(
        "type = \"text\", pattern = \"[a-z]+\", max_length = 5, no_personal_check = true",
    ));
    good(&field("type = \"integer\", min = 1, max = \"5\""));
    for (keys, key, code) in [
        (
            "type = \"email\", max_length = 5",
            "max_length",
            "not_for_type",
        ),
        (
            "type = \"us_zip\", pattern = \"9.*\"",
            "pattern",
            "not_for_type",
        ),
        (
            "type = \"url\", no_personal_check = true",
            "no_personal_check",
            "not_for_type",
        ),
        ("type = \"flag\", one_of = [true]", "one_of", "not_for_type"),
        ("type = \"text\", min = 1", "min", "not_for_type"),
        ("type = \"integer\", min = 5, max = 4", "min", "conflict"),
        ("type = \"integer\", min = \"x\"", "min", "bad_format"),
        ("type = \"decimal\", min = 0.5", "min", "wrong_type"),
        ("type = \"text\", pattern = \"(\"", "pattern", "bad_format"),
        (
            "type = \"text\", pattern = \"a)|(b\"",
            "pattern",
            "bad_format",
        ),
        (
            "type = \"text\", max_length = 0",
            "max_length",
            "out_of_range",
        ),
        ("type = \"text\", one_of = []", "one_of", "empty"),
        (
            "type = \"text\", one_of = [\"a\", \" a \"]",
            "one_of[1]",
            "duplicate",
        ),
        (
            "type = \"text\", max_length = 2, one_of = [\"abc\", \"a\"]",
            "one_of[0]",
            "too_long",
        ),
        (
            "type = \"text\", one_of = [1, \"a\"]",
            "one_of[0]",
            "wrong_type",
        ),
    ] {
        refused(&field(keys), &path(key), code);
    }
    refused(
        &fields("_test = { type = \"text\" }"),
        "lead_types.solar.fields._test",
        "bad_name",
    );
    suggests(
        &field("type = \"txt\""),
        &path("type"),
        "not_allowed",
        "text",
    );
}

#[test]
fn a_ping_cannot_require_what_it_may_not_hold() {
    refused(
        &campaign("ping.required = [\"state\", \"phone\"]"),
        "campaigns.c.ping.required[1]",
        "personal_field",
    );
    good(&campaign("post.required = [\"state\", \"phone\"]"));
}

#[test]
fn a_cost_is_exactly_one_model() {
    let cost = |cost: &str| campaign("").replace("{ per_lead = \"15.00\" }", cost);
    for good_cost in [
        "{ per_sale = \"0\" }",
        "{ revenue_share = \"70.5\" }",
        "{ margin = \"100\" }",
    ] {
        good(&cost(good_cost));
    }
    refused(&cost("{}"), "campaigns.c.cost", "conflict");
    refused(
        &cost("{ per_lead = \"1\", margin = \"2\" }"),
        "campaigns.c.cost",
        "conflict",
    );
    refused(
        &cost("{ margin = \"100.01\" }"),
        "campaigns.c.cost.margin",
        "out_of_range",
    );
    refused(
        &cost("{ revenue_share = 70 }"),
        "campaigns.c.cost.revenue_share",
        "wrong_type",
    );
}

#[test]
fn times_and_counts_lie_within_reason() {
    for (keys, key, code) in [
        ("deadline = \"49ms\"", "deadline", "out_of_range"),
        ("deadline = \"1h\"", "deadline", "out_of_range"),
        ("deadline = 1500", "deadline", "wrong_type"),
        ("deadline = \"soon\"", "deadline", "bad_format"),
        ("window = \"0s\"", "window", "out_of_range"),
        ("max_deliveries = 0", "max_deliveries", "out_of_range"),
        ("max_deliveries = 101", "max_deliveries", "out_of_range"),
        (
            "ping.min_deliveries = -1",
            "ping.min_deliveries",
            "out_of_range",
        ),
        ("post.deadline = \"1d\"", "post.deadline", "out_of_range"),
    ] {
        refused(&campaign(keys), &format!("campaigns.c.{key}"), code);
    }
    refused(
        &account("max_steps = 0"),
        "accounts.a.max_steps",
        "out_of_range",
    );
    refused("currency = \"usd\"", "currency", "bad_format");
    suggests(
        "currency = \"USD\"\ntimezone = \"America/Pheonix\"",
        "timezone",
        "unknown_name",
        "America/Phoenix",
    );
}

#[test]
fn a_plugin_has_a_path_or_a_digest_and_bounds() {
    let plugin = |keys: &str| format!("currency = \"USD\"\n[plugins.p]\n{keys}\n");
    let digest = "ab".repeat(32);
    let market = good(&plugin(&format!(
        "digest = \"{digest}\"\nlimits = {{ memory = \"1MiB\", time = \"5ms\", log = \"0B\" }}"
    )));
    let spec = &market.plugins["p"];
    assert_eq!(
        spec.source,
        PluginSource::Digest(digest.parse().expect("a digest"))
    );
    assert_eq!(
        (spec.limits.memory, spec.limits.time, spec.limits.log),
        (1 << 20, Duration::from_millis(5), 0)
    );
    let reused = plugin(&format!(
        "digest = \"{}\"\ninstances = \"reused\"",
        "ab".repeat(32)
    ));
    assert_eq!(good(&reused).plugins["p"].instances, Instances::Reused);
    refused(
        &plugin("path = \"x\"\ninstances = \"warm\""),
        "plugins.p.instances",
        "not_allowed",
    );
    refused(&plugin(""), "plugins.p", "missing");
    refused(
        &plugin(&format!("path = \"x\"\ndigest = \"{digest}\"")),
        "plugins.p.digest",
        "conflict",
    );
    refused(
        &plugin("digest = \"abc\""),
        "plugins.p.digest",
        "bad_format",
    );
    refused(
        &plugin("path = \"x\"\nlimits.memory = \"1GiB\""),
        "plugins.p.limits.memory",
        "out_of_range",
    );
    refused(
        &plugin("path = \"x\"\nlimits.memory = \"much\""),
        "plugins.p.limits.memory",
        "bad_format",
    );
}

#[test]
fn a_key_names_one_supplier() {
    let digest = "cd".repeat(32);
    let keys = format!("keys = [{{ sha256 = \"{digest}\" }}]");
    refused(
        &format!("currency = \"USD\"\n[suppliers.a]\n{keys}\n[suppliers.b]\n{keys}\n"),
        "suppliers.b.keys[0]",
        "duplicate",
    );
    refused(
        "currency = \"USD\"\n[suppliers.a]\nkeys = [{ sha256 = \"cd\" }]",
        "suppliers.a.keys[0].sha256",
        "bad_format",
    );
}

#[test]
fn names_are_plain() {
    refused(
        "currency = \"USD\"\n[buyers.\"Sun Co\"]",
        "buyers.Sun Co",
        "bad_name",
    );
    refused("currency = \"USD\"\nbuyers = 5", "buyers", "wrong_type");
    refused(
        "currency = \"USD\"\n[buyers]\na = 5",
        "buyers.a",
        "wrong_type",
    );
}

#[test]
fn a_lead_type_keeps_the_order_in_which_its_fields_were_written() {
    let market = good(&fields(
        "z = { type = \"flag\" }\na = { type = \"flag\" }\nm = { type = \"flag\" }\n[lead_types.solar.fields.b]\ntype = \"flag\"",
    ));
    let names: Vec<_> = market.lead_types["solar"]
        .fields
        .iter()
        .map(|field| &*field.name)
        .collect();
    assert_eq!(names, ["z", "a", "m", "b"]);
    let json = json!({"currency": "USD", "lead_types": {"t": {"fields": {"z": {"type": "flag"}, "a": {"type": "text"}}}}});
    let market = parse_json(&json.to_string()).expect("a market");
    assert_eq!(&*market.lead_types["t"].fields[0].name, "z");
    assert!(matches!(
        market.lead_types["t"].fields[1].kind,
        FieldType::Text {
            max_length: 1000,
            ..
        }
    ));
}

#[test]
fn what_is_left_out_is_the_default() {
    let campaign = good(&campaign("")).campaigns["c"].clone();
    assert_eq!(
        (campaign.window, campaign.deadline),
        (Duration::from_mins(5), Duration::from_secs(1))
    );
    assert_eq!(
        (
            campaign.max_deliveries,
            campaign.requirements.min_deliveries
        ),
        (1, 1)
    );
    assert!(
        campaign.post.scan_for_coverage
            && campaign.post.reject_for_not_delivered
            && !campaign.requirements.allow_loss
    );
    let account = good(&account("")).accounts[0].clone();
    assert_eq!(
        (
            account.priority,
            account.max_steps,
            account.ping_during_sort
        ),
        (100, 3, true)
    );
    assert_eq!(
        (account.ping_timeout, account.post_timeout),
        (Duration::from_millis(800), Duration::from_secs(10))
    );
    assert_eq!(&*account.adapter.config, "{}");
}

#[test]
fn what_must_be_there_is_asked_for() {
    refused("", "currency", "missing");
    refused(
        &campaign("").replace("cost = { per_lead = \"15.00\" }", ""),
        "campaigns.c.cost",
        "missing",
    );
    refused(
        &account("").replace("adapter = { plugin = \"adapter\" }", ""),
        "accounts.a.adapter",
        "missing",
    );
    refused(
        "currency = \"USD\"\n[lead_types.solar]",
        "lead_types.solar.fields",
        "empty",
    );
    refused(
        &fields("a = {}"),
        "lead_types.solar.fields.a.type",
        "missing",
    );
    refused(
        &account("retry = { attempts = 3 }"),
        "accounts.a.retry.wait",
        "missing",
    );
}
