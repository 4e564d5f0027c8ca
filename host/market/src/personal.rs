//! What looks like personal data, although its field is not personal (`rules.md`, ping 4).
//!
//! | looks personal | does not |
//! |---|---|
//! | `jo@example.com`, `?e=jo%40example.com` | `@example`, `jo@localhost` |
//! | `8185551234`, `(818) 555-1234`, `+1 818.555.1234` | `18185551234` (a digit stands next to the ten), `1185551234` |
//! | `123-45-6789`, `123 45 6789` | `123456789`, `90210-1234` |

use std::{borrow::Cow, sync::LazyLock};

use percent_encoding::percent_decode_str;
use regex::Regex;

/// Times that a value is percent-decoded, at most: a redirect within a redirect is encoded
/// twice, and nothing honest more than three times.
const DECODINGS_MAX: usize = 3;

/// Fewest digits of anything here that has digits: a social security number.
const FEWEST_DIGITS: usize = 9;

/// An address, ten digits that `us_phone` would take, or a social security number.
///
/// Matching is linear in the text whatever it is, and finds every place: the characters
/// around a number are part of the match, so that a number which begins within another
/// one's false start is found too. `+` parts as a blank does, since forms write one so.
static PERSONAL: LazyLock<Regex> = LazyLock::new(|| {
    // The minus sign is no dash to Unicode, and characters that are not seen part nothing.
    let parted = r"[\s.+\p{Pd}\u{2212}\p{Cf}()\[\]{}]";
    let email = r#"[\p{L}\p{N}.!#$%'"*+^_`{|}~-]@[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?\.\p{L}[\p{L}\p{N}-]+"#;
    let phone = format!(
        "(?:^|[^{LETTERS_DIGITS}]|\\+1)[2-9][0-9]{{2}}{parted}*[2-9][0-9]{{2}}{parted}*[0-9]{{4}}{END}"
    );
    let ssn =
        format!("(?:^|[^{LETTERS_DIGITS}])[0-9]{{3}}{parted}+[0-9]{{2}}{parted}+[0-9]{{4}}{END}");
    #[expect(
        clippy::expect_used,
        reason = "the pattern is fixed, and every test here compiles it"
    )]
    Regex::new(&format!("{email}|{phone}|{ssn}")).expect("a valid pattern")
});

/// For a character class: what may not stand next to a number.
const LETTERS_DIGITS: &str = r"\p{L}\p{N}";

/// No digit or letter follows.
const END: &str = r"(?:$|[^\p{L}\p{N}])";

/// Whether a text, as it stands or percent-decoded, holds an e-mail address, a US
/// telephone number or a social security number.
pub fn looks_personal(text: &str) -> bool {
    let mut text = Cow::Borrowed(text);
    for _ in 0..DECODINGS_MAX {
        if found(&text) {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy();
        if decoded == text {
            return false;
        }
        text = Cow::Owned(decoded.into_owned());
    }
    found(&text)
}

fn found(text: &str) -> bool {
    // Most values of a ping are ruled out by this one pass.
    let possible = text.contains('@')
        || text
            .bytes()
            .filter(u8::is_ascii_digit)
            .nth(FEWEST_DIGITS - 1)
            .is_some();
    possible && PERSONAL.is_match(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn personal(texts: &[&str]) {
        for text in texts {
            assert!(looks_personal(text), "{text:?} should look personal");
        }
    }

    #[track_caller]
    fn plain(texts: &[&str]) {
        for text in texts {
            assert!(!looks_personal(text), "{text:?} should not look personal");
        }
    }

    #[test]
    fn an_email_address_looks_personal() {
        personal(&[
            "jo@example.com",
            "write to Jo.O'Neil+solar@mail.example.co.uk, please",
            "<jo@example.com>",
            "https://jo@example.com/",
            "mailto:jo@example.com.",
            "jörg@exämple.de",
            "jo@sub-domain.example.museum",
        ]);
    }

    #[test]
    fn an_at_sign_alone_does_not() {
        plain(&[
            "@",
            "2 @ 4.50",
            "jo@localhost",
            "@handle",
            "https://social.example/@user.name",
            "3@1.50 each",
            "jo @ example.com",
        ]);
    }

    #[test]
    fn ten_digits_of_a_telephone_number_look_personal() {
        personal(&[
            "8185551234",
            "call 8185551234.",
            "(818) 555-1234",
            "(818)555-1234",
            "818-555-1234",
            "818.555.1234",
            "818 555 1234",
            "818 5551234",
            "+18185551234",
            "+1 818 555 1234",
            "+1 (818) 555-1234",
            "1-818-555-1234",
            "tel:+1-818-555-1234",
            "phone_8185551234",
            "[818] [555] [1234]",
            "818\u{a0}555\u{2013}1234",
            "9876543210",
        ]);
    }

    #[test]
    fn a_number_hidden_behind_a_false_start_is_found() {
        personal(&["212 818 5551234", "1212 818 5551234 x", "333 8185551234"]);
    }

    #[test]
    fn digits_that_are_no_telephone_number_do_not() {
        plain(&[
            "1185551234",  // an area code begins with 2–9
            "8181551234",  // and so does an exchange
            "18185551234", // eleven digits: an id
            "81855512345", // eleven digits
            "818555123",   // nine
            "A8185551234", // a letter next to it
            "8185551234B",
            "ü8185551234",
            "order 2026-000123-77",
            "ORD-20261123-0001",
            "1234.5678",
            "100000.55",
            "818-555-12345",
            "8185-55-1234",
            "81-8555-1234",
            "818/555/1234",
            "4111111111111111",
            "123e4567-e89b-12d3-a456-426614174000",
            "2026-11-23T10:05:00Z",
            "192.168.100.200",
        ]);
    }

    #[test]
    fn a_parted_social_security_number_looks_personal() {
        personal(&[
            "123-45-6789",
            "ssn 123 45 6789",
            "123.45.6789",
            "x=123-45-6789&y",
        ]);
    }

    #[test]
    fn digits_that_are_no_parted_social_security_number_do_not() {
        plain(&[
            "123456789",
            "90210-1234",
            "12345-6789",
            "123-456789",
            "1234-45-6789",
            "123-45-67890",
            "123-45-678",
            "a123-45-6789",
            "2026-11-23",
            "11/23/2026",
        ]);
    }

    #[test]
    fn percent_encoding_hides_nothing() {
        personal(&[
            "https://x.example/?e=jo%40example.com",
            "https://x.example/?u=https%3A%2F%2Fy.example%2F%3Fe%3Djo%2540example.com",
            "https://x.example/?p=818%2D555%2D1234",
            "https://x.example/?p=%38185551234",
            "https://x.example/?p=818+555+1234",
            "https://x.example/?p=%2B18185551234",
            "%28818%29%20555-1234",
        ]);
        plain(&["https://cert.example/5f3a9c?t=100%25", "%", "%zz%4", "100%"]);
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_telephone_number_is_found(
            area in 200..1000u32, exchange in 200..1000u32, line in 0..10_000u32,
            first in "[ .()-]{0,2}", second in "[ .-]{0,2}", before in "([a-z]{0,5}[ ,:=/])?", after in "([ ,;&][a-z]{0,5})?",
        ) {
            let text = format!("{before}{area}{first}{exchange}{second}{line:04}{after}");
            prop_assert!(looks_personal(&text), "{text:?}");
        }

        #[test]
        fn any_text_can_be_asked(text in any::<String>()) {
            looks_personal(&text);
        }

        #[test]
        fn words_and_short_numbers_never_look_personal(text in "[a-z ]{0,20}[0-9]{0,8}[a-z ]{0,20}") {
            prop_assert!(!looks_personal(&text), "{text:?}");
        }
    }
}
