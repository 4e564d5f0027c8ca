use super::*;

/// Nothing is fetched in these tests.
fn nothing(
    read: impl FnOnce(&Fetching<'_>) -> Result<Secrets, Vec<SecretError>>,
) -> Result<Secrets, Vec<SecretError>> {
    read(&Fetching {
        tokens: &Tokens::default(),
        allow_http: false,
    })
}

/// Secrets with these values, as if from the environment.
fn granted(values: &[(&str, &str)]) -> Secrets {
    read(values).unwrap()
}

fn read(values: &[(&str, &str)]) -> Result<Secrets, Vec<SecretError>> {
    let sources = values
        .iter()
        .map(|(name, _)| {
            (
                (*name).to_owned(),
                SecretSource::Held(HeldValue::Env((*name).to_owned())),
            )
        })
        .collect();
    let environment = |variable: &str| {
        let (_, value) = values.iter().find(|(name, _)| *name == variable)?;
        Some(value.into())
    };
    let account = "sunco-west".parse().unwrap();
    nothing(|fetching| Secrets::read_with(&account, &sources, fetching, environment))
}

fn from_file(contents: &[u8]) -> Result<Secrets, Vec<SecretError>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), contents).unwrap();
    let source = SecretSource::Held(HeldValue::File(file.path().to_str().unwrap().to_owned()));
    let sources = BTreeMap::from([("KEY".to_owned(), source)]);
    let account = "sunco-west".parse().unwrap();
    nothing(|fetching| Secrets::read(&account, &sources, fetching))
}

#[test]
fn a_placeholder_is_replaced_as_it_stands() {
    let secrets = granted(&[("KEY", "a b&c"), ("USER", "me")]);
    assert_eq!(
        secrets.fill("k={{secret:KEY}}&u={{secret:USER}}!").unwrap(),
        "k=a b&c&u=me!"
    );
    assert_eq!(
        secrets
            .fill_bytes(b"\xff{{secret:USER}}\xfe")
            .unwrap()
            .as_ref(),
        b"\xffme\xfe"
    );
    assert!(matches!(
        secrets.fill("{{other}}"),
        Ok(Cow::Borrowed("{{other}}"))
    ));
}

#[test]
fn a_placeholder_in_a_value_is_not_filled_in_again() {
    let secrets = granted(&[("A", "{{secret:B}}"), ("B", "inner")]);
    assert_eq!(secrets.fill("{{secret:A}}").unwrap(), "{{secret:B}}");
    let halves = granted(&[("A", "{{sec"), ("B", "inner")]);
    assert_eq!(halves.fill("{{secret:A}}ret:B}}").unwrap(), "{{secret:B}}");
}

#[test]
fn a_name_not_granted_is_an_error() {
    let secrets = granted(&[("KEY", "value")]);
    assert_eq!(
        secrets.fill("{{secret:OTHER}}"),
        Err(FillError::Unknown("OTHER".into()))
    );
    assert_eq!(
        secrets.fill("{{secret:key}}"),
        Err(FillError::Unknown("key".into()))
    );
}

#[test]
fn a_placeholder_that_is_none_is_an_error() {
    let secrets = granted(&[("KEY", "value")]);
    let far = format!("{{{{secret:{}}}}}", "x".repeat(SECRET_NAME_MAX_BYTES + 1));
    for bad in [
        "{{secret:",
        "{{secret:KEY",
        "{{secret:KEY}",
        "{{secret:}}",
        "{{secret:jo@home.example}}",
        &far,
    ] {
        assert_eq!(secrets.fill(bad), Err(FillError::Malformed), "{bad}");
    }
}

#[test]
fn filling_is_bounded() {
    let secrets = granted(&[("KEY", &"x".repeat(SECRET_MAX_BYTES))]);
    assert_eq!(
        secrets.fill(&"{{secret:KEY}}".repeat(300)),
        Err(FillError::TooLong)
    );
}

#[test]
fn a_value_is_taken_out_of_an_answer_however_it_is_spelled() {
    let secrets = granted(&[("KEY", "p/s w\"d+é")]);
    let spellings = [
        "p/s w\"d+é",
        "p%2Fs%20w%22d%2B%C3%A9",
        "p%2fs+w%22d%2b%c3%a9",
        "p\\/s w\\\"d+é",
        "p/s w\\u0022d+é",
    ];
    for spelled in spellings {
        let answer = format!("before {spelled} after");
        assert_eq!(
            secrets.redact(answer.as_bytes()),
            &b"before {{secret:KEY}} after"[..],
            "{spelled}"
        );
    }
    assert!(matches!(secrets.redact(b"nothing p/s w"), Cow::Borrowed(_)));
}

#[test]
fn a_value_that_begins_with_another_is_taken_out_whole() {
    let secrets = granted(&[("SHORT", "token"), ("LONG", "token-and-more")]);
    assert_eq!(
        secrets.redact(b"token-and-more token"),
        &b"{{secret:LONG}} {{secret:SHORT}}"[..]
    );
}

#[test]
fn a_value_too_short_to_tell_leaves_the_answer_readable() {
    let secrets = granted(&[("ID", "7")]);
    assert_eq!(
        secrets.redact(b"{\"price\":\"17.00\"}"),
        &b"{\"price\":\"17.00\"}"[..]
    );
}

#[test]
fn a_file_loses_one_line_end() {
    for contents in [&b"value"[..], b"value\n", b"value\r\n"] {
        assert_eq!(
            from_file(contents).unwrap().fill("{{secret:KEY}}").unwrap(),
            "value"
        );
    }
    for contents in [
        &b"value\n\n"[..],
        b"one\ntwo\n",
        b"a\tb",
        b"",
        b"\n",
        b"\xff\xfe",
    ] {
        assert!(from_file(contents).is_err(), "{contents:?}");
    }
}

#[test]
fn a_file_is_as_long_as_a_secret_may_be_and_no_longer() {
    let longest = "x".repeat(SECRET_MAX_BYTES);
    assert!(from_file(format!("{longest}\r\n").as_bytes()).is_ok());
    assert!(from_file(format!("{longest}x\n").as_bytes()).is_err());
    assert!(from_file("x".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn every_problem_is_told_without_a_value() {
    let grant = TokenGrant {
        token_url: "http://login.example/token".parse().unwrap(),
        client_id: HeldValue::Env("ABSENT".into()),
        client_secret: HeldValue::Env("TAB".into()),
        scope: None,
    };
    let sources = BTreeMap::from([
        (
            "ABSENT".to_owned(),
            SecretSource::Held(HeldValue::Env("ABSENT".into())),
        ),
        (
            "FOLDER".to_owned(),
            SecretSource::Held(HeldValue::File("/".into())),
        ),
        (
            "TAB".to_owned(),
            SecretSource::Held(HeldValue::Env("TAB".into())),
        ),
        ("TOKEN".to_owned(), SecretSource::OAuth2(grant)),
    ]);
    let tab = |variable: &str| (variable == "TAB").then(|| "hush\thush".into());
    let account = "sunco-west".parse().unwrap();
    let errors = nothing(|fetching| Secrets::read_with(&account, &sources, fetching, tab));
    let errors = errors.unwrap_err();
    let expected = [
        "ABSENT",
        "FOLDER",
        "TAB",
        "TOKEN.oauth2.token_url",
        "TOKEN.oauth2.client_id",
        "TOKEN.oauth2.client_secret",
    ];
    assert_eq!(errors.len(), expected.len());
    for (error, name) in errors.iter().zip(expected) {
        let told = format!("{error} {error:?}");
        assert!(told.contains("sunco-west") && told.contains(name), "{told}");
        assert!(!told.contains("hush"), "{told}");
    }
}

/// A market with one account that has these secrets.
fn market(secrets: &str) -> Market {
    let text = format!(
        r#"
        currency = "USD"
        [lead_types.solar.fields]
        state = {{ type = "us_state" }}
        [buyers.sunco]
        [accounts.sunco-west]
        buyer = "sunco"
        lead_type = "solar"
        adapter = {{ plugin = "http-buyer" }}
        secrets = {{ {secrets} }}
        [plugins.http-buyer]
        path = "http_buyer.wasm"
        "#
    );
    gavel_market::file::parse_toml(&text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[test]
fn what_only_a_host_has_is_told_from_what_is_wrong_everywhere() {
    let environment = |variable: &str| match variable {
        "GOOD" => Some("value".into()),
        "EMPTY" => Some("".into()),
        "TAB" => Some("hush\thush".into()),
        _ => None,
    };
    let grant = |url: &str| {
        format!(
            "T = {{ oauth2 = {{ token_url = \"{url}\", client_id = {{ env = \"GOOD\" }}, client_secret = {{ env = \"GOOD\" }} }} }}"
        )
    };
    let cases = [
        ("K = { env = \"ABSENT\" }".to_owned(), "K", true),
        ("K = { file = \"/no/such/file\" }".to_owned(), "K", true),
        ("K = { file = \"/\" }".to_owned(), "K", false),
        ("K = { env = \"EMPTY\" }".to_owned(), "K", false),
        ("K = { env = \"TAB\" }".to_owned(), "K", false),
        (grant("http://login.example/"), "T.oauth2.token_url", true),
    ];
    for (secrets, at, depends) in cases {
        let wrong = check_with(&market(&secrets), environment);
        let [error] = &wrong[..] else {
            panic!("{secrets}: {wrong:?}")
        };
        assert_eq!(error.path(), format!("accounts.sunco-west.secrets.{at}"));
        assert_eq!(error.problem.depends_on_the_host(), depends, "{error}");
    }
    let good = market(&format!(
        "K = {{ env = \"GOOD\" }}, {}",
        grant("https://login.example/")
    ));
    assert_eq!(check_with(&good, environment), []);
}

#[tokio::test]
async fn a_client_is_named_by_variables_and_by_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "cl13nt-value\n").unwrap();
    let grant = TokenGrant {
        token_url: "https://login.example/token".parse().unwrap(),
        client_id: HeldValue::Env("ID".into()),
        client_secret: HeldValue::File(file.path().to_str().unwrap().to_owned()),
        scope: None,
    };
    let sources = BTreeMap::from([("TOKEN".to_owned(), SecretSource::OAuth2(grant))]);
    let account = "sunco-west".parse().unwrap();
    let id = |variable: &str| (variable == "ID").then(|| "gavel".into());
    let secrets = nothing(|fetching| Secrets::read_with(&account, &sources, fetching, id));
    // What a token is fetched with is taken out of answers, so the file's value was taken.
    let plain = Request {
        method: "POST".into(),
        url: "https://b.example/ping".into(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let secrets = secrets.unwrap().for_request(&plain, Instant::now()).await;
    assert_eq!(
        secrets.unwrap().redact(b"not cl13nt-value"),
        &b"not {{secret:TOKEN}}"[..]
    );
}

#[test]
fn debug_shows_names_alone() {
    assert_eq!(
        format!("{:?}", granted(&[("KEY", "hush-hush")])),
        "[\"KEY\"]"
    );
}
