//! Types, times and rules in words, as `rules.md` has them.

use std::time::Duration;

use gavel_market::{
    contract::{Contract, Need, SameLead, Term},
    field::{EMAIL_MAX_BYTES, FieldSpec, FieldType, URL_MAX_BYTES},
    model::{DuplicateScope, Matching},
};

/// A length of time in its largest whole unit: `30 days`, `1.5 seconds`, `20 seconds`.
pub(super) fn span(time: Duration) -> String {
    let ms = time.as_millis();
    let units = [
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
    ];
    let whole = units
        .iter()
        .find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    match whole {
        Some((unit, name)) => count(ms / unit, name),
        None if ms >= 1000 => {
            let fraction = format!("{:03}", ms % 1000);
            format!("{}.{} seconds", ms / 1000, fraction.trim_end_matches('0'))
        }
        None => count(ms, "millisecond"),
    }
}

/// A number of things: `1 day`, `2 days`.
pub(super) fn count(number: u128, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A size in bytes: `64 KiB`, `1000 bytes`.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0 => "0 bytes".into(),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

/// What a type is called.
pub(super) fn kind(spec: &FieldSpec) -> &'static str {
    match &spec.kind {
        FieldType::Text {
            one_of: Some(_), ..
        } => "One of a list",
        FieldType::Text { .. } => "Text",
        FieldType::Integer { .. } => "Whole number",
        FieldType::Decimal { .. } => "Number",
        FieldType::Flag => "Yes or no",
        FieldType::Date => "Date",
        FieldType::Url => "URL",
        FieldType::Ip => "IP address",
        FieldType::Email => "E-mail address",
        FieldType::UsPhone => "US telephone number",
        FieldType::UsState => "US state",
        FieldType::UsZip => "US ZIP code",
    }
}

/// What bounds a field's values, beside its type.
pub(super) fn bounds(spec: &FieldSpec) -> String {
    match &spec.kind {
        FieldType::Text {
            one_of: Some(_), ..
        } => String::new(),
        FieldType::Text { max_length, .. } => {
            format!("at most {}", count(*max_length as u128, "character"))
        }
        FieldType::Integer { min, max } => range(min.as_ref(), max.as_ref()),
        FieldType::Decimal { min, max } => range(
            min.map(|min| min.normalize()).as_ref(),
            max.map(|max| max.normalize()).as_ref(),
        ),
        FieldType::Flag => "true or false".into(),
        FieldType::Date => "YYYY-MM-DD".into(),
        FieldType::Url => format!("http or https, at most {URL_MAX_BYTES} bytes"),
        FieldType::Ip => "IPv4 or IPv6".into(),
        FieldType::Email => format!("at most {EMAIL_MAX_BYTES} bytes"),
        FieldType::UsPhone => "ten digits".into(),
        FieldType::UsState => "two-letter USPS code".into(),
        FieldType::UsZip => "five digits, or ZIP+4".into(),
    }
}

fn range<T: std::fmt::Display>(min: Option<&T>, max: Option<&T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => String::new(),
    }
}

/// The pattern as the operator wrote it.
pub(super) fn pattern(spec: &FieldSpec) -> Option<&str> {
    let FieldType::Text {
        pattern: Some(pattern),
        ..
    } = &spec.kind
    else {
        return None;
    };
    let whole = pattern.as_str();
    let inner = whole
        .strip_prefix("^(?:")
        .and_then(|rest| rest.strip_suffix(")$"));
    Some(inner.unwrap_or(whole))
}

/// How values of a field's type are read, in a sentence or two.
pub(super) fn reading(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Text { .. } => {
            "Kept as sent, once trimmed. Lists are matched exactly, upper and lower case included; a pattern must match the whole value."
        }
        FieldType::Integer { .. } => {
            "A JSON number, or a string with one: 3 and \"3\" mean the same. No decimal point, no thousands separators."
        }
        FieldType::Decimal { .. } => {
            "A JSON number, or a string with one: up to 15 digits and 6 decimals, as in \"180.50\". No currency sign, no thousands separators. Send numbers of more than 15 digits as strings, or their last digits are lost on the way."
        }
        FieldType::Flag => {
            "true or false, \"true\" or \"false\", \"yes\" or \"no\", \"1\" or \"0\" – all in lower case."
        }
        FieldType::Date => {
            "YYYY-MM-DD, as in \"2026-11-23\"; the day must exist. No time, no other order."
        }
        FieldType::Url => {
            "Absolute, beginning with http:// or https://, without blanks. Kept as sent."
        }
        FieldType::Ip => "An IPv4 or IPv6 address, without port or prefix length.",
        FieldType::Email => "One address with a dot in its domain. The domain is lower-cased.",
        FieldType::UsPhone => {
            "Blanks, brackets, dashes and dots are dropped, then a leading +1 or 1. Ten digits must be left, the area code and the exchange beginning with 2 to 9: (202) 555-0142, 202-555-0142, 2025550142 and +1 202 555 0142 are the same number."
        }
        FieldType::UsState => {
            "A two-letter USPS code of a state, the District of Columbia, a territory or the military; lower case will do."
        }
        FieldType::UsZip => "Five digits; ZIP+4 is cut to five: \"90210-1234\" is \"90210\".",
    }
}

/// When a field is wanted, in a word or two.
pub(super) fn need(need: Need) -> &'static str {
    match need {
        Need::Required => "required",
        Need::RequiredUnlessPinged => "required, unless pinged",
        Need::Optional => "optional",
        Need::Refused => "not allowed",
        Need::Dropped => "ignored",
    }
}

/// Which types the fields have, each once, in the order of the fields.
pub(super) fn kinds_in_use(contract: &Contract) -> Vec<&Term> {
    let mut seen = Vec::new();
    contract
        .terms
        .iter()
        .filter(|term| {
            let word = term.spec.kind.word();
            let is_new = !seen.contains(&word);
            seen.push(word);
            is_new
        })
        .collect()
}

/// Which leads are not taken twice.
pub(super) fn same_lead(same: &SameLead) -> String {
    let names: Vec<_> = same.fields.iter().map(ToString::to_string).collect();
    let compared = match (names.as_slice(), same.matching) {
        ([one], _) => format!("its {one} equals that"),
        (several, Matching::Any) => format!("its {} equals that", listed(several, "or")),
        (several, Matching::All) => format!("its {} all equal those", listed(several, "and")),
    };
    let among = match same.scope {
        DuplicateScope::Campaign => "of another lead of this campaign",
        DuplicateScope::Supplier => "of another lead of yours, in any campaign,",
        DuplicateScope::Market => "of another lead, yours or anybody else's,",
    };
    format!(
        "A lead is a duplicate if {compared} {among} taken in the last {}.",
        span(same.within)
    )
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn listed(items: &[String], word: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {word} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_whole_unit() {
        for (ms, told) in [
            (2_592_000_000, "30 days"),
            (3_600_000, "1 hour"),
            (300_000, "5 minutes"),
            (1_500, "1.5 seconds"),
            (20_000, "20 seconds"),
            (800, "800 milliseconds"),
        ] {
            assert_eq!(span(Duration::from_millis(ms)), told);
        }
    }

    #[test]
    fn the_duplicates_rule_is_a_sentence() {
        let same = |fields: &[&str], matching, scope| {
            same_lead(&SameLead {
                fields: fields.iter().map(|name| (*name).into()).collect(),
                matching,
                within: Duration::from_hours(720),
                scope,
            })
        };
        assert_eq!(
            same(&["phone", "email"], Matching::Any, DuplicateScope::Market),
            "A lead is a duplicate if its phone or email equals that of another lead, yours or anybody else's, taken in the last 30 days."
        );
        assert_eq!(
            same(&["phone"], Matching::All, DuplicateScope::Campaign),
            "A lead is a duplicate if its phone equals that of another lead of this campaign taken in the last 30 days."
        );
        assert_eq!(
            same(&["a", "b", "c"], Matching::All, DuplicateScope::Supplier),
            "A lead is a duplicate if its a, b and c all equal those of another lead of yours, in any campaign, taken in the last 30 days."
        );
    }
}
