//! Which setting wins, and what a wrong one says.

use super::*;

fn merged(args: &ServeArgs, file: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let find = |name: &str| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Config::merge(
        args,
        File::parse(file).map_err(ConfigError)?,
        Path::new("/etc/gavel"),
        find,
    )
}

fn fault(file: &str) -> String {
    merged(&ServeArgs::default(), file, &[])
        .unwrap_err()
        .to_string()
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = merged(&ServeArgs::default(), "", &[]).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.admin_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(
        (config.max_body_bytes, config.max_connections),
        (65_536, 10_000)
    );
    assert_eq!(
        (
            config.exchange.pings_in_flight,
            config.exchange.outbound_connections
        ),
        (2000, 1000)
    );
    assert_eq!(config.exchange.answer_reserve, Duration::from_millis(30));
    assert!(
        !config.exchange.allow_private_buyers && config.tls.is_none() && config.market.is_none()
    );
}

const WHOLE: &str = r#"
    [supplier_api]
    listen = "127.0.0.1:1"
    public_url = "https://leads.example.com/"
    tls = { cert = "c.pem", key = "/k.pem" }
    max_body = "1MiB"
    max_connections = 7

    [admin_api]
    listen = "127.0.0.1:2"
    token_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    [store]
    path = "data"
    encryption_key = { file = "key" }

    [market]
    path = "market.toml"

    [limits]
    pings_in_flight = 3
    outbound_connections = 4
    answer_reserve = "5ms"
    allow_private_buyers = true
"#;

#[test]
fn the_file_says_everything_and_its_paths_are_beside_it() {
    let config = merged(&ServeArgs::default(), WHOLE, &[]).unwrap();
    assert_eq!(
        config.public_url.map(|url| url.to_string()).as_deref(),
        Some("https://leads.example.com")
    );
    assert_eq!(
        config.tls,
        Some(("/etc/gavel/c.pem".into(), "/k.pem".into()))
    );
    assert_eq!(
        (config.max_body_bytes, config.max_connections),
        (1 << 20, 7)
    );
    assert_eq!(
        (config.data, config.market),
        (
            "/etc/gavel/data".into(),
            Some("/etc/gavel/market.toml".into())
        )
    );
    assert_eq!(
        config.encryption_key,
        Some(KeySource::File("/etc/gavel/key".into()))
    );
    assert!(config.admin_token.unwrap().is(""));
    assert!(config.exchange.allow_private_buyers);
}

#[test]
fn flags_win_over_the_file() {
    let args = ServeArgs {
        data: Some("here".into()),
        listen: Some(([127, 0, 0, 1], 9).into()),
        max_body: Some(Size(5)),
        allow_private_buyers: Some(false),
        ..ServeArgs::default()
    };
    let config = merged(&args, WHOLE, &[]).unwrap();
    assert_eq!(
        (config.data, config.listen.port(), config.max_body_bytes),
        ("here".into(), 9, 5)
    );
    assert!(!config.exchange.allow_private_buyers);
}

#[test]
fn secrets_in_the_environment_win_over_the_file() {
    let config = merged(
        &ServeArgs::default(),
        WHOLE,
        &[("GAVEL_ADMIN_TOKEN", "open"), ("GAVEL_KEY", "00")],
    )
    .unwrap();
    assert!(config.admin_token.unwrap().is("open"));
    assert_eq!(
        config.encryption_key,
        Some(KeySource::Env("GAVEL_KEY".into()))
    );
}

#[test]
fn an_error_names_the_key_and_the_line() {
    let unknown = fault("[supplier_api]\nlisten = \"127.0.0.1:1\"\nmax_bodi = \"1KiB\"");
    assert!(
        unknown.contains("line 3") && unknown.contains("max_bodi") && unknown.contains("max_body"),
        "{unknown}"
    );
    let wrong = fault("[limits]\nanswer_reserve = \"soon\"");
    assert!(
        wrong.contains("line 2") && wrong.contains("30ms"),
        "{wrong}"
    );
    assert!(fault("[store]\nencryption_key = {}").contains("encryption_key"));
    assert!(fault("[limits]\npings_in_flight = 0").contains("pings_in_flight must be at least 1"));
    assert!(
        fault("[admin_api]\ntoken_sha256 = \"abc\"").contains("64 lower-case hexadecimal digits")
    );
}

#[test]
fn tls_needs_both_halves() {
    let args = ServeArgs {
        tls_cert: Some("c.pem".into()),
        ..ServeArgs::default()
    };
    assert!(
        merged(&args, "", &[])
            .unwrap_err()
            .to_string()
            .contains("--tls-key")
    );
}
