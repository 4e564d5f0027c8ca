use super::*;
use crate::model::TokenGrant;

#[test]
fn a_criterion_reads_its_values_as_the_field_does() {
    let market = good(&account(
        "criteria = [{ field = \"state\", in = [\"nv\", \" ca \", \"CA\"] }, { field = \"bill\", min = \"100.0\", max = 500 }, \
         { field = \"zip\", prefix = [\"90\"], not_in = [\"90210-1234\"] }, { field = \"by\", min = 2026-01-01 }, \
         { field = \"shade\", matches = \"n|f.*\", present = true }, { field = \"homeowner\", is = \"yes\" }]",
    ));
    let criteria = &market.accounts[0].criteria;
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(criteria.len(), 9);
    assert!(matches!(&criteria[0].test, Test::In(values) if *values == [text("CA"), text("NV")]));
    assert!(
        matches!(&criteria[1].test, Test::Min(Value::Decimal(number)) if number.to_string() == "100")
    );
    assert!(matches!(&criteria[3].test, Test::NotIn(values) if *values == [text("90210")]));
    assert!(matches!(&criteria[5].test, Test::Min(Value::Date(_))));
    assert!(
        matches!(&criteria[6].test, Test::Matches(regex) if regex.is_match("full") && !regex.is_match("nn"))
    );
    assert!(matches!(&criteria[8].test, Test::In(values) if *values == [Value::Flag(true)]));
}

#[test]
fn a_criterion_must_fit_its_field() {
    for (criterion, key, code) in [
        (
            "field = \"state\", in = [\"CA\", \"XX\"]",
            ".in[1]",
            "not_allowed",
        ),
        ("field = \"state\", in = []", ".in", "empty"),
        ("field = \"state\", in = \"CA\"", ".in", "wrong_type"),
        ("field = \"zip\", in = [90210]", ".in[0]", "wrong_type"),
        ("field = \"state\", min = \"CA\"", ".min", "not_for_type"),
        ("field = \"bill\", min = 1.5", ".min", "wrong_type"),
        (
            "field = \"bill\", min = \"2\", max = \"1\"",
            ".min",
            "conflict",
        ),
        (
            "field = \"panels\", prefix = [\"1\"]",
            ".prefix",
            "not_for_type",
        ),
        (
            "field = \"homeowner\", matches = \"t\"",
            ".matches",
            "not_for_type",
        ),
        ("field = \"zip\", matches = \"[\"", ".matches", "bad_format"),
        (
            "field = \"zip\", prefix = [\"9O\"]",
            ".prefix[0]",
            "bad_format",
        ),
        (
            "field = \"phone\", prefix = [\"818\"]",
            ".prefix[0]",
            "bad_format",
        ),
        ("field = \"zip\", prefix = [\"\"]", ".prefix[0]", "empty"),
        ("field = \"zip\", present = 1", ".present", "wrong_type"),
        ("field = \"zip\"", "", "empty"),
        ("in = [\"CA\"]", ".field", "missing"),
        (
            "field = \"state\", ins = [\"CA\"], is = \"CA\"",
            ".ins",
            "unknown_key",
        ),
    ] {
        refused(
            &account(&format!("criteria = [{{ {criterion} }}]")),
            &format!("accounts.a.criteria[0]{key}"),
            code,
        );
    }
    suggests(
        &account("criteria = [{ field = \"shade\", is = \"ful\" }]"),
        "accounts.a.criteria[0].is",
        "not_allowed",
        "full",
    );
}

#[test]
fn a_wider_criterion_than_the_field_is_needless_not_wrong() {
    good(&account(
        "criteria = [{ field = \"panels\", min = 0, max = 1000 }]",
    ));
}

#[test]
fn an_account_that_is_not_asked_needs_a_price() {
    refused(
        &account("ping_during_sort = false"),
        "accounts.a.price",
        "missing",
    );
    assert!(!good(&account("price = \"5\"")).accounts[0].ping_during_sort);
    assert!(good(&account("price = \"5\"\nping_during_sort = true")).accounts[0].ping_during_sort);
}

#[test]
fn money_is_a_string_of_plain_digits() {
    for (price, code) in [
        ("25.0", "wrong_type"),
        ("25", "wrong_type"),
        ("\"1e3\"", "bad_format"),
        ("\"-1\"", "bad_format"),
        ("\"1000000.01\"", "out_of_range"),
    ] {
        refused(
            &account(&format!("price = {price}")),
            "accounts.a.price",
            code,
        );
    }
}

#[test]
fn a_host_is_a_plain_origin() {
    good(&account(
        "hosts = [\"https://a.example\", \"http://127.0.0.1:8080/\"]",
    ));
    for host in [
        "a.example",
        "https://a.example/in",
        "https://a.example?x",
        "https://jo@a.example",
        "ftp://a.example",
        "https://a.example/#x",
        "https://*.a.example/x",
    ] {
        refused(
            &account(&format!("hosts = [\"{host}\"]")),
            "accounts.a.hosts[0]",
            "bad_format",
        );
    }
}

#[test]
fn a_secret_has_one_source_and_a_name_that_a_template_can_hold() {
    good(&account("secrets = { A_1 = { file = \"/run/secret\" } }"));
    refused(
        &account("secrets = { A = {} }"),
        "accounts.a.secrets.A",
        "conflict",
    );
    refused(
        &account("secrets = { A = { env = \"A\", file = \"b\" } }"),
        "accounts.a.secrets.A",
        "conflict",
    );
    refused(
        &account("secrets = { \"A-1\" = { env = \"A\" } }"),
        "accounts.a.secrets.A-1",
        "bad_name",
    );
}

#[test]
fn a_configuration_is_any_table_and_becomes_json() {
    let config = |config: &str| {
        account("").replace(
            "{ plugin = \"adapter\" }",
            &format!("{{ plugin = \"adapter\", config = {config} }}"),
        )
    };
    let market = good(&config("{ b = [1, 0.5, true], a = { day = 2026-01-01 } }"));
    assert_eq!(
        &*market.accounts[0].adapter.config,
        r#"{"b":[1,0.5,true],"a":{"day":"2026-01-01"}}"#
    );
    refused(
        &config("\"text\""),
        "accounts.a.adapter.config",
        "wrong_type",
    );
    refused(
        &config("{ x = nan }"),
        "accounts.a.adapter.config",
        "bad_format",
    );
}

#[test]
fn a_token_is_fetched_with_a_name_and_a_secret_that_the_host_holds() {
    let market = good(&account(
        "secrets = { T = { oauth2 = { token_url = \"https://login.example/token?v=2\", client_id = { env = \"ID\" }, \
         client_secret = { file = \"/run/secret\" }, scope = \"leads:bid leads:post\" } } }",
    ));
    let grant = TokenGrant {
        token_url: "https://login.example/token?v=2".parse().expect("a URL"),
        client_id: HeldValue::Env("ID".into()),
        client_secret: HeldValue::File("/run/secret".into()),
        scope: Some("leads:bid leads:post".into()),
    };
    assert_eq!(market.accounts[0].secrets["T"], SecretSource::OAuth2(grant));
}

#[test]
fn a_token_that_could_not_be_fetched_is_refused_where_it_says_so() {
    const URL: &str = "token_url = \"https://login.example/token\"";
    const ID: &str = "client_id = { env = \"ID\" }";
    const SECRET: &str = "client_secret = { env = \"SECRET\" }";
    for (grant, key, code) in [
        (format!("{ID}, {SECRET}"), ".token_url", "missing"),
        (format!("{URL}, {SECRET}"), ".client_id", "missing"),
        (format!("{URL}, {ID}"), ".client_secret", "missing"),
        (
            format!("token_url = \"login.example\", {ID}, {SECRET}"),
            ".token_url",
            "bad_format",
        ),
        (
            format!("token_url = \"ftp://login.example/\", {ID}, {SECRET}"),
            ".token_url",
            "bad_format",
        ),
        (
            format!("token_url = \"https://me:pw@login.example/\", {ID}, {SECRET}"),
            ".token_url",
            "bad_format",
        ),
        (
            format!("{URL}, {ID}, client_secret = \"hush\""),
            ".client_secret",
            "wrong_type",
        ),
        (
            format!("{URL}, {SECRET}, client_id = {{ env = \"A\", file = \"b\" }}"),
            ".client_id",
            "conflict",
        ),
        (
            format!("{URL}, {SECRET}, client_id = {{}}"),
            ".client_id",
            "conflict",
        ),
        (
            format!("{URL}, {ID}, {SECRET}, scope = \"a  b\""),
            ".scope",
            "bad_format",
        ),
        (
            format!("{URL}, {ID}, {SECRET}, scope = \"\""),
            ".scope",
            "empty",
        ),
    ] {
        refused(
            &account(&format!("secrets = {{ T = {{ oauth2 = {{ {grant} }} }} }}")),
            &format!("accounts.a.secrets.T.oauth2{key}"),
            code,
        );
    }
    suggests(
        &account(&format!(
            "secrets = {{ T = {{ oauth2 = {{ {URL}, {ID}, {SECRET}, scopes = \"a\" }} }} }}"
        )),
        "accounts.a.secrets.T.oauth2.scopes",
        "unknown_key",
        "scope",
    );
    refused(
        &account(&format!(
            "secrets = {{ T = {{ env = \"A\", oauth2 = {{ {URL}, {ID}, {SECRET} }} }} }}"
        )),
        "accounts.a.secrets.T",
        "conflict",
    );
}
