use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::reason::FieldCode::{self, BadFormat, NotAllowed, OutOfRange, TooLong, WrongType};

fn field(kind: FieldType) -> FieldSpec {
    FieldSpec {
        name: "field".into(),
        kind,
        personal: false,
        description: None,
    }
}

fn text() -> FieldType {
    FieldType::Text {
        one_of: None,
        pattern: None,
        max_length: TEXT_MAX_LENGTH,
        no_personal_check: false,
    }
}

const INTEGER: FieldType = FieldType::Integer {
    min: None,
    max: None,
};
const DECIMAL: FieldType = FieldType::Decimal {
    min: None,
    max: None,
};

/// What is kept of each, as text.
#[track_caller]
fn kept(kind: &FieldType, cases: &[(Json, &str)]) {
    for (raw, expected) in cases {
        let read = field(kind.clone())
            .read(raw)
            .unwrap_or_else(|error| panic!("{raw}: {error:?}"));
        assert_eq!(
            read.map(|value| value.to_text()).as_deref(),
            Some(*expected),
            "{raw}"
        );
    }
}

#[track_caller]
fn refused(kind: &FieldType, code: FieldCode, cases: &[Json]) {
    for raw in cases {
        let read = field(kind.clone()).read(raw);
        assert_eq!(read.map_err(|problem| problem.code), Err(code), "{raw}");
    }
}

#[test]
fn null_and_blanks_are_absent_in_every_type() {
    for kind in every_type() {
        for raw in [json!(null), json!(""), json!(" \t\r\n ")] {
            assert_eq!(
                field(kind.clone()).read(&raw),
                Ok(None),
                "{} {raw}",
                kind.word()
            );
        }
    }
}

#[test]
fn control_characters_and_the_mark_of_a_secret_are_not_allowed_in_any_type() {
    for kind in every_type() {
        refused(
            &kind,
            NotAllowed,
            &[
                json!("a\u{0}b"),
                json!("a\rb"),
                json!("a\u{7f}"),
                json!("\u{85}a\u{9f}b"),
                json!("x{{secret:KEY}}"),
            ],
        );
    }
    kept(
        &text(),
        &[(json!("two\nlines\tand a tab"), "two\nlines\tand a tab")],
    );
}

#[test]
fn text_is_trimmed_and_as_long_as_it_may_be() {
    let short = FieldType::Text {
        one_of: None,
        pattern: None,
        max_length: 3,
        no_personal_check: false,
    };
    kept(&short, &[(json!("  äöü\r\n"), "äöü")]);
    refused(&short, TooLong, &[json!("äöüß")]);
    refused(
        &text(),
        WrongType,
        &[json!(1), json!(true), json!([]), json!({"a": 1})],
    );
}

#[test]
fn text_is_one_of_what_its_field_takes() {
    let shade = FieldType::Text {
        one_of: Some(vec!["none".into(), "full".into()]),
        pattern: None,
        max_length: 10,
        no_personal_check: false,
    };
    kept(&shade, &[(json!(" full "), "full")]);
    refused(&shade, NotAllowed, &[json!("Full"), json!("some")]);
}

#[test]
fn a_pattern_must_match_the_whole_text() {
    let pattern = Some(crate::criteria::whole_value("[a-z]+|x1").expect("a pattern"));
    let coded = FieldType::Text {
        one_of: None,
        pattern,
        max_length: 10,
        no_personal_check: false,
    };
    kept(&coded, &[(json!("abc"), "abc"), (json!("x1"), "x1")]);
    refused(
        &coded,
        BadFormat,
        &[json!("abc1"), json!("1abc"), json!("abc\nabc")],
    );
}

#[test]
fn a_whole_number_is_a_number_or_a_string() {
    kept(
        &INTEGER,
        &[
            (json!(5), "5"),
            (json!("-5"), "-5"),
            (json!(" 007 "), "7"),
            (json!("-0"), "0"),
            (json!(i64::MIN), "-9223372036854775808"),
        ],
    );
    refused(
        &INTEGER,
        BadFormat,
        &[
            json!("5.0"),
            json!(5.5),
            json!("+5"),
            json!("1e3"),
            json!("five"),
            json!("-"),
            json!("٣"),
        ],
    );
    refused(
        &INTEGER,
        OutOfRange,
        &[json!("9223372036854775808"), json!(u64::MAX), json!(1e30)],
    );
    refused(&INTEGER, WrongType, &[json!(true), json!([5])]);
}

#[test]
fn a_number_lies_within_its_bounds_which_it_may_touch() {
    let panels = FieldType::Integer {
        min: Some(1),
        max: Some(500),
    };
    kept(&panels, &[(json!(1), "1"), (json!("500"), "500")]);
    refused(&panels, OutOfRange, &[json!(0), json!("501")]);
    let bill = FieldType::Decimal {
        min: Some(Decimal::ZERO),
        max: Some(Decimal::ONE_HUNDRED),
    };
    kept(&bill, &[(json!("0"), "0"), (json!("100.000"), "100")]);
    refused(&bill, OutOfRange, &[json!("-0.01"), json!("100.01")]);
}

#[test]
fn a_decimal_is_exact_and_kept_without_needless_zeros() {
    kept(
        &DECIMAL,
        &[
            (json!("180.00"), "180"),
            (json!("-0.50"), "-0.5"),
            (json!("-0"), "0"),
            (json!("00.10"), "0.1"),
            (json!(180), "180"),
            (json!(180.55), "180.55"),
            (json!(0.1), "0.1"),
            (json!(180.0), "180"),
            (json!(0.000_001), "0.000001"),
            (json!("123456789012345.123456"), "123456789012345.123456"),
        ],
    );
    let long = [
        "1234567890123456",
        "0.1234567",
        "1e2",
        ".5",
        "5.",
        "+5",
        "1,5",
        "-",
        "NaN",
    ];
    refused(&DECIMAL, BadFormat, &long.map(|text| json!(text)));
    refused(
        &DECIMAL,
        BadFormat,
        &[json!(1e20), json!(1e-7), json!(1_234_567_890_123_456_i64)],
    );
    refused(&DECIMAL, WrongType, &[json!(false), json!({})]);
}

#[test]
fn a_long_number_that_json_may_have_changed_must_be_a_string() {
    let sent: Json = serde_json::from_str("12345678901234.123456").expect("JSON");
    refused(&DECIMAL, BadFormat, &[sent]);
}

#[test]
fn a_flag_has_four_spellings_of_each_answer() {
    for yes in [json!(true), json!("true"), json!("yes"), json!("1")] {
        assert_eq!(
            field(FieldType::Flag).read(&yes),
            Ok(Some(Value::Flag(true)))
        );
    }
    for no in [json!(false), json!("false"), json!("no"), json!("0")] {
        assert_eq!(
            field(FieldType::Flag).read(&no),
            Ok(Some(Value::Flag(false)))
        );
    }
    refused(&FieldType::Flag, BadFormat, &[json!("maybe"), json!("2")]);
    refused(&FieldType::Flag, WrongType, &[json!(1), json!([true])]);
}

#[test]
fn a_date_is_a_day_that_exists() {
    kept(&FieldType::Date, &[(json!("2028-02-29"), "2028-02-29")]);
    let bad = [
        "2026-02-29",
        "2026-13-01",
        "26-01-01",
        "2026-1-1",
        "2026/01/01",
        "2026-01-01T00:00:00Z",
        "01-01-2026",
    ];
    refused(&FieldType::Date, BadFormat, &bad.map(|text| json!(text)));
}

#[test]
fn a_url_is_absolute_and_kept_as_it_was_sent() {
    kept(
        &FieldType::Url,
        &[(
            json!(" https://Cert.example/A%20b?x=1#y "),
            "https://Cert.example/A%20b?x=1#y",
        )],
    );
    let bad = [
        "cert.example",
        "/a",
        "ftp://a.example",
        "javascript:alert(1)",
        "https://",
        "https://a b.example",
        "https://a\nb.example",
    ];
    refused(&FieldType::Url, BadFormat, &bad.map(|text| json!(text)));
    refused(
        &FieldType::Url,
        TooLong,
        &[json!(format!(
            "https://a.example/{}",
            "x".repeat(URL_MAX_BYTES)
        ))],
    );
}

#[test]
fn an_ip_address_has_one_spelling() {
    kept(
        &FieldType::Ip,
        &[
            (json!("192.0.2.1"), "192.0.2.1"),
            (json!("2001:DB8:0::1"), "2001:db8::1"),
        ],
    );
    refused(
        &FieldType::Ip,
        BadFormat,
        &[
            json!("192.0.2.256"),
            json!("192.0.2"),
            json!("192.0.2.1:80"),
            json!("localhost"),
        ],
    );
}

#[test]
fn an_email_address_is_lower_cased_in_its_domain_only() {
    kept(
        &FieldType::Email,
        &[(
            json!(" Jo.O'Neil+x@Mail.Example.COM "),
            "Jo.O'Neil+x@mail.example.com",
        )],
    );
    let bad = [
        "jo",
        "jo@",
        "@example.com",
        "jo@localhost",
        "jo@-a.example",
        "jo@a..example",
        "jo@a.example.",
        "a b@c.example",
        "a@b@c.example",
        "ü@c.example",
    ];
    refused(&FieldType::Email, BadFormat, &bad.map(|text| json!(text)));
    refused(
        &FieldType::Email,
        TooLong,
        &[json!(format!("jo@{}.example", "a".repeat(EMAIL_MAX_BYTES)))],
    );
}

#[test]
fn a_telephone_number_is_kept_as_e164() {
    let spellings = [
        "8185551234",
        "(818) 555-1234",
        "818.555.1234",
        "1 818 555 1234",
        "+1 (818) 555-1234",
        "+18185551234",
        "18185551234",
    ];
    kept(
        &FieldType::UsPhone,
        &spellings.map(|text| (json!(text), "+18185551234")),
    );
    let bad = [
        "1185551234",
        "8181551234",
        "818555123",
        "81855512345",
        "+448185551234",
        "818-555-1234 x5",
        "818/555/1234",
        "phone",
        "++18185551234",
    ];
    refused(&FieldType::UsPhone, BadFormat, &bad.map(|text| json!(text)));
    refused(&FieldType::UsPhone, WrongType, &[json!(8_185_551_234_i64)]);
}

#[test]
fn a_state_is_a_usps_code_in_upper_case() {
    kept(
        &FieldType::UsState,
        &[
            (json!("ca"), "CA"),
            (json!(" Pr "), "PR"),
            (json!("AE"), "AE"),
            (json!("DC"), "DC"),
        ],
    );
    refused(
        &FieldType::UsState,
        NotAllowed,
        &[json!("XX"), json!("California"), json!("C"), json!("ÇA")],
    );
}

#[test]
fn a_zip_code_is_cut_to_five_digits() {
    kept(
        &FieldType::UsZip,
        &[(json!("02134"), "02134"), (json!("90210-1234"), "90210")],
    );
    refused(
        &FieldType::UsZip,
        BadFormat,
        &[
            json!("9021"),
            json!("902101"),
            json!("90210-"),
            json!("90210-12"),
            json!("9O210"),
            json!("90210-12345"),
        ],
    );
    refused(&FieldType::UsZip, WrongType, &[json!(90210)]);
}

#[test]
fn no_message_repeats_what_was_sent() {
    for kind in every_type() {
        for raw in [
            json!("Zq9\u{1}"),
            json!("Zq9 Zq9"),
            json!("Zq9{{secret:Zq9}}"),
            json!({"Zq9": "Zq9"}),
            json!("Zq9".repeat(2000)),
        ] {
            if let Err(problem) = field(kind.clone()).read(&raw) {
                assert!(!problem.message.contains("Zq9"), "{problem:?}");
            }
        }
    }
}

fn every_type() -> Vec<FieldType> {
    use FieldType::{Date, Email, Flag, Ip, Url, UsPhone, UsState, UsZip};
    vec![
        text(),
        INTEGER,
        DECIMAL,
        Flag,
        Date,
        Url,
        Ip,
        Email,
        UsPhone,
        UsState,
        UsZip,
    ]
}

/// Something that a supplier might send for a field of some type.
fn sent() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<String>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        "[ (]?(\\+?1)?[ -]?[0-9]{3}[ )-]{0,2}[0-9]{3}[ .-]?[0-9]{4}".prop_map(Json::from),
        "-?[0-9]{1,16}(\\.[0-9]{0,7})?".prop_map(Json::from),
        "[0-9]{5}(-[0-9]{4})?".prop_map(Json::from),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]".prop_map(Json::from),
        "[A-Za-z.+]{1,9}@[A-Za-z]{1,9}\\.[A-Za-z]{2,3}".prop_map(Json::from),
        "https?://[a-zA-Z.]{1,9}/[a-z%?&=]{0,9}".prop_map(Json::from),
        "([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9a-fA-F:]{2,20}".prop_map(Json::from),
        "[A-Za-z]{2}|yes|no|true|false|0|1".prop_map(Json::from),
    ]
}

proptest! {
    #[test]
    fn what_is_kept_is_read_back_as_itself(raw in sent(), which in 0..11_usize) {
        let spec = field(every_type()[which].clone());
        if let Ok(Some(value)) = spec.read(&raw) {
            prop_assert_eq!(spec.read(&value.to_json()), Ok(Some(value.clone())));
            prop_assert_eq!(spec.read(&Json::String(value.to_text())), Ok(Some(value)));
        }
    }

    #[test]
    fn a_value_survives_its_record(raw in sent(), which in 0..11_usize) {
        if let Ok(Some(value)) = field(every_type()[which].clone()).read(&raw) {
            let record = serde_json::to_string(&value).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Value>(&record).expect("a value"), value);
        }
    }
}
