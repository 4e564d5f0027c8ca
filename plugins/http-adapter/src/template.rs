//! Text with placeholders, such as `Bearer {{secret:KEY}}` or `https://…/ping/{{order}}`.
//!
//! Two kinds of text meet here and must not mix: what the operator wrote, and what came from
//! suppliers and buyers. `{{secret:NAME}}` is the host's to fill in, wherever it stands in
//! a finished request; so whatever came from outside is escaped such that it can never read
//! as a placeholder, and what cannot be escaped is an error before anything is sent.

use std::fmt::Write as _;

use gavel_sdk::{Lead, Offer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{json, xml};

/// What RFC 3986 calls unreserved stays; all else is percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What an operator may write; listed in errors.
const KNOWN: &str = "order, price, reference, received_at, received_at_ms, sub_id, campaign, \
                     lead_type, currency, field:NAME, secret:NAME";

/// A text that the configuration gives, its placeholders found.
#[derive(Clone, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    /// Left as it stands: the host fills it in.
    Secret(String),
    Value(Placeholder),
}

#[derive(Clone, Debug)]
enum Placeholder {
    Order,
    Price,
    Reference,
    ReceivedAt,
    ReceivedAtMs,
    SubId,
    Campaign,
    LeadType,
    Currency,
    Field(String),
}

/// What the placeholders stand for in one call.
pub(crate) struct Values<'a> {
    pub(crate) lead: &'a Lead<'a>,
    /// What the ping offered; at the ping itself there is none.
    pub(crate) won: Option<&'a Offer>,
}

/// Where a text goes, and so how it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside the quotes of a JSON string.
    Json,
    /// Between two tags of XML.
    Xml,
    /// A value of a form or of a query.
    Form,
    /// A URL, whose own text is already in its form.
    Url,
    /// A header's value.
    Header,
}

impl Template {
    /// Finds the placeholders; every `{{` has to begin one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("`{{{{{after}` has no closing `}}}}`"))?;
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            parts.push(Part::named(name)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text for this call, written as its place needs it; `None` where the template is
    /// one placeholder and nothing stands behind it.
    pub(crate) fn render(
        &self,
        values: &Values<'_>,
        place: Place,
    ) -> Result<Option<String>, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => place.write_literal(literal, &mut text)?,
                Part::Secret(name) => {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{{{{secret:{name}}}}}");
                }
                Part::Value(placeholder) => match values.get(placeholder) {
                    Some(value) => place.write_foreign(&value, &mut text)?,
                    None if self.0.len() == 1 => return Ok(None),
                    None => {}
                },
            }
        }
        Ok(Some(text))
    }

    /// Whether this can be a request's URL: absolute, and its host not made of placeholders,
    /// since a lead must never choose where it is sent.
    pub(crate) fn check_url(&self) -> Result<(), String> {
        let Some(Part::Literal(start)) = self.0.first() else {
            return Err("a URL begins with https:// or http:// and its host".to_owned());
        };
        let rest = start
            .strip_prefix("https://")
            .or_else(|| start.strip_prefix("http://"))
            .ok_or("a URL begins with https:// or http://")?;
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        if host.is_empty() {
            return Err("the URL names no host".to_owned());
        }
        if host.len() == rest.len() && self.0.len() > 1 {
            return Err("a placeholder cannot stand in the URL's host".to_owned());
        }
        let odd = |c: char| !c.is_ascii_graphic() || c == '#';
        if self.literals().any(|literal| literal.contains(odd)) {
            return Err(
                "a URL has no blanks, no `#` and nothing outside ASCII: percent-encode it"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether this can be a header's value.
    pub(crate) fn check_header(&self) -> Result<(), String> {
        if self.literals().all(fits_header) {
            return Ok(());
        }
        Err("a header's value has no control characters and nothing outside ASCII".to_owned())
    }

    /// Whether this can stand in XML.
    pub(crate) fn check_xml(&self) -> Result<(), String> {
        if self.literals().all(xml::fits) {
            return Ok(());
        }
        Err("XML has no control characters".to_owned())
    }

    fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Literal(literal) => Some(literal.as_str()),
            Part::Secret(_) | Part::Value(_) => None,
        })
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(json)?).map_err(D::Error::custom)
    }
}

impl Part {
    fn named(name: &str) -> Result<Self, String> {
        Ok(Self::Value(match name {
            "order" => Placeholder::Order,
            "price" => Placeholder::Price,
            "reference" => Placeholder::Reference,
            "received_at" => Placeholder::ReceivedAt,
            "received_at_ms" => Placeholder::ReceivedAtMs,
            "sub_id" => Placeholder::SubId,
            "campaign" => Placeholder::Campaign,
            "lead_type" => Placeholder::LeadType,
            "currency" => Placeholder::Currency,
            _ => match name.split_once(':') {
                Some(("field", field)) if !field.is_empty() => Placeholder::Field(field.to_owned()),
                Some(("secret", secret)) if !secret.is_empty() => {
                    return Ok(Self::Secret(secret.to_owned()));
                }
                _ => {
                    return Err(format!(
                        "unknown placeholder `{{{{{name}}}}}`; known are {KNOWN}"
                    ));
                }
            },
        }))
    }
}

impl Values<'_> {
    fn get(&self, placeholder: &Placeholder) -> Option<String> {
        match placeholder {
            Placeholder::Order => Some(self.lead.order()),
            Placeholder::Price => self.won?.amount.clone(),
            Placeholder::Reference => self.won?.reference.clone(),
            Placeholder::ReceivedAt => Some(rfc3339(self.lead.received_at_ms())),
            Placeholder::ReceivedAtMs => Some(self.lead.received_at_ms().to_string()),
            Placeholder::SubId => self.lead.sub_id(),
            Placeholder::Campaign => Some(self.lead.campaign()),
            Placeholder::LeadType => Some(self.lead.lead_type()),
            Placeholder::Currency => Some(self.lead.currency()),
            Placeholder::Field(name) => self.lead.text(name),
        }
    }
}

impl Place {
    /// Text that the operator wrote.
    fn write_literal(self, literal: &str, text: &mut String) -> Result<(), String> {
        match self {
            Self::Json => json::write_escaped(literal, text),
            Self::Xml => return xml::write_escaped(literal, text),
            Self::Form => text.extend(utf8_percent_encode(literal, ENCODED)),
            Self::Url | Self::Header => text.push_str(literal),
        }
        Ok(())
    }

    /// Text from a supplier or a buyer.
    pub(crate) fn write_foreign(self, value: &str, text: &mut String) -> Result<(), String> {
        match self {
            Self::Json => json::write_escaped(value, text),
            Self::Xml => return xml::write_escaped(value, text),
            Self::Form | Self::Url => text.extend(utf8_percent_encode(value, ENCODED)),
            // A header has no way to escape a brace.
            Self::Header if fits_header(value) && !value.contains('{') => text.push_str(value),
            Self::Header => {
                return Err("a value has characters that a header cannot carry".to_owned());
            }
        }
        Ok(())
    }
}

fn fits_header(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// A Unix time in milliseconds as RFC 3339 in UTC, such as `2026-11-23T10:05:00.000Z`.
fn rfc3339(unix_ms: u64) -> String {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    // Days to a civil date, counted in eras of 400 years from 1 March 0000.
    let days = unix_ms / DAY_MS + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);

    let ms = unix_ms % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        ms % 1000
    )
}

#[cfg(test)]
mod tests {
    use gavel_sdk::{Offer, testing::TestLead};

    use super::{Place, Template, Values, rfc3339};

    fn rendered(template: &str, place: Place) -> Result<Option<String>, String> {
        let lead = TestLead::post()
            .text("zip", "90210")
            .text("note", "{{secret:KEY}} \"é\"");
        let won = Offer {
            amount: Some("28.00".to_owned()),
            reference: Some("r&7".to_owned()),
        };
        let lead = lead.lead();
        let values = Values {
            lead: &lead,
            won: Some(&won),
        };
        Template::parse(template).unwrap().render(&values, place)
    }

    fn text(template: &str, place: Place) -> String {
        rendered(template, place).unwrap().unwrap()
    }

    #[test]
    fn placeholders_are_filled_in_and_secrets_left_to_the_host() {
        let header = text(
            "Key {{secret:KEY}}; order={{order}}; price={{price}}",
            Place::Header,
        );
        assert_eq!(header, "Key {{secret:KEY}}; order=po_1.a1; price=28.00");
        assert_eq!(
            text("{{campaign}}/{{lead_type}}/{{currency}}", Place::Header),
            "solar-west/solar/USD"
        );
        assert_eq!(
            text("{{received_at}}", Place::Header),
            "2023-11-14T22:13:20.000Z"
        );
        assert_eq!(text("{{received_at_ms}}", Place::Header), "1700000000000");
    }

    #[test]
    fn values_in_a_url_and_a_form_are_percent_encoded() {
        let url = text(
            "https://b.example/{{field:zip}}?r={{reference}}&a=b",
            Place::Url,
        );
        assert_eq!(url, "https://b.example/90210?r=r%267&a=b");
        assert_eq!(text("a b {{reference}}", Place::Form), "a%20b%20r%267");
    }

    #[test]
    fn what_a_supplier_sent_never_reads_as_a_placeholder() {
        assert_eq!(
            text("{{field:note}}", Place::Json),
            r#"\u007b\u007bsecret:KEY}} \"é\""#
        );
        assert_eq!(
            text("a & {{field:note}}", Place::Xml),
            "a &amp; &#123;&#123;secret:KEY}} \"é\""
        );
        assert!(!text("{{field:note}}", Place::Form).contains('{'));
        assert!(!text("https://b.example/{{field:note}}", Place::Url).contains('{'));
        assert!(rendered("{{field:note}}", Place::Header).is_err());
    }

    #[test]
    fn a_lone_placeholder_without_a_value_is_nothing_and_beside_text_it_is_empty() {
        assert_eq!(rendered("{{sub_id}}", Place::Json), Ok(None));
        assert_eq!(text("sub={{sub_id}}", Place::Json), "sub=");
    }

    #[test]
    fn an_unknown_or_open_placeholder_is_refused() {
        for refused in [
            "{{ordr}}",
            "{{order",
            "{{{order}}",
            "x{{{secret:KEY}}",
            "{{secret:}}",
        ] {
            assert!(Template::parse(refused).is_err(), "{refused}");
        }
        assert!(
            Template::parse("{{ordr}}")
                .unwrap_err()
                .contains("known are order, price")
        );
    }

    #[test]
    fn a_url_is_absolute_and_no_placeholder_chooses_its_host() {
        let check = |url: &str| Template::parse(url).unwrap().check_url();
        assert_eq!(check("https://b.example/in?key={{secret:KEY}}"), Ok(()));
        assert_eq!(check("http://127.0.0.1:9000"), Ok(()));
        for refused in [
            "/in",
            "ftp://b.example/",
            "https://",
            "https:///in",
            "{{field:url}}",
            "https://{{field:zip}}.example/",
            "https://b.example{{field:zip}}",
            "https://b.example/a b",
            "https://b.example/a#b",
        ] {
            assert!(check(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn times_are_civil_dates_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_796_083_199_999), "2026-11-30T23:59:59.999Z");
    }
}
