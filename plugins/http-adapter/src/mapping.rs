//! From a lead to the fields of a request: renames, value maps, constants.

use gavel_sdk::Value;

use crate::{
    HttpAdapter,
    body::{Object, Taken},
    config::{Config, Constant, ConstantValue, FieldRule, Format, Kind, Unlisted, When},
    json,
    shapes::{Pairs, Scalar, Target},
    template::{Place, Template, Values},
};

/// Which of the two requests is being made or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    Ping,
    Post,
}

impl When {
    fn is_at(self, exchange: Exchange) -> bool {
        match self {
            Self::Both => true,
            Self::Ping => exchange == Exchange::Ping,
            Self::Post => exchange == Exchange::Post,
        }
    }
}

impl HttpAdapter {
    /// The fields of one request: the lead's as they are mapped, then the constants.
    pub(crate) fn fields(&self, exchange: Exchange, values: &Values<'_>) -> Result<Object, String> {
        let config = &self.config;
        let mut body = Object::default();
        for (name, value, rule) in lead_fields(config, values) {
            if !rule.when.is_at(exchange) {
                continue;
            }
            let leaf = write_value(config.format, value, rule)
                .map_err(|why| format!("the field {name} {why}"))?;
            match &rule.to {
                Some(to) => body.put(to.steps(), leaf, Taken::Replace)?,
                None => body.put(&[name], leaf, Taken::Replace)?,
            }
        }
        // What the operator asked for goes before a field of that name, what goes along unasked does not.
        let taken = if config.constants.is_some() {
            Taken::Replace
        } else {
            Taken::Keep
        };
        for (target, constant) in &self.constants {
            if !constant.when.is_at(exchange) {
                continue;
            }
            let leaf = write_constant(config.format, constant, values)
                .map_err(|why| format!("the constant {target} {why}"))?;
            if let Some(leaf) = leaf {
                body.put(target.steps(), leaf, taken)?;
            }
        }
        Ok(body)
    }
}

/// The constants to send: the configured ones, or those that go along unasked.
pub(crate) fn constants(
    configured: Option<Pairs<Constant>>,
) -> Result<Vec<(Target, Constant)>, String> {
    let Some(configured) = configured else {
        return default_constants();
    };
    let targets = configured.0.into_iter();
    targets
        .map(|(target, constant)| {
            let parsed =
                Target::parse(&target).map_err(|why| format!("constants.{target}: {why}"))?;
            Ok((parsed, constant))
        })
        .collect()
}

/// The order at both, and at the post what the ping was answered with.
fn default_constants() -> Result<Vec<(Target, Constant)>, String> {
    [
        ("order", When::Both),
        ("price", When::Post),
        ("reference", When::Post),
    ]
    .into_iter()
    .map(|(name, when)| {
        let value = ConstantValue::Template(Template::parse(&format!("{{{{{name}}}}}"))?);
        Ok((
            Target::named(name),
            Constant {
                value,
                when,
                kind: None,
            },
        ))
    })
    .collect()
}

/// The lead's fields that go along, each with its rule.
fn lead_fields<'c>(config: &'c Config, values: &Values<'_>) -> Vec<(String, Value, &'c FieldRule)> {
    const AS_IT_IS: &FieldRule = &FieldRule {
        to: None,
        map: Pairs(Vec::new()),
        when: When::Both,
        kind: None,
    };
    let lead = values.lead;
    match (&config.fields, config.unlisted) {
        // Only what is listed is asked of the host.
        (Some(rules), Unlisted::Drop) => rules
            .iter()
            .filter_map(|(name, rule)| Some((name.to_owned(), lead.field(name)?, rule)))
            .collect(),
        (rules, _) => lead
            .fields()
            .into_iter()
            .map(|(name, value)| {
                let rule = rules
                    .as_ref()
                    .and_then(|rules| rules.get(&name))
                    .unwrap_or(AS_IT_IS);
                (name, value, rule)
            })
            .collect(),
    }
}

/// A field's value as the body writes it.
fn write_value(format: Format, value: Value, rule: &FieldRule) -> Result<String, String> {
    let is_plain = matches!(value, Value::Integer(_) | Value::Flag(_));
    let text = value.into_text();
    match rule.map.get(&text) {
        Some(Scalar::Text(mapped)) => write(format, mapped, rule.kind, false),
        Some(Scalar::Literal(mapped)) => write(format, mapped, rule.kind, true),
        None => write(format, &text, rule.kind, is_plain),
    }
}

/// Text from a lead or a map as the body writes it; `is_plain` where it is a literal of
/// JSON's own, such as `true` or `12`.
fn write(format: Format, text: &str, kind: Option<Kind>, is_plain: bool) -> Result<String, String> {
    if kind == Some(Kind::Number) && !json::is_number(text) {
        return Err("is no number".to_owned());
    }
    match format {
        Format::Form => {
            let mut leaf = String::new();
            Place::Form.write_foreign(text, &mut leaf)?;
            Ok(leaf)
        }
        Format::Xml => {
            let mut leaf = String::new();
            Place::Xml.write_foreign(text, &mut leaf)?;
            Ok(leaf)
        }
        Format::Json if kind == Some(Kind::Number) || (is_plain && kind.is_none()) => {
            Ok(text.to_owned())
        }
        Format::Json => Ok(json::quoted(text)),
    }
}

/// A constant as the body writes it; `None` where it is a placeholder for nothing.
fn write_constant(
    format: Format,
    constant: &Constant,
    values: &Values<'_>,
) -> Result<Option<String>, String> {
    let template = match &constant.value {
        ConstantValue::Literal(literal) => {
            return write(format, literal, constant.kind, true).map(Some);
        }
        ConstantValue::Template(template) => template,
    };
    let place = match format {
        Format::Json => Place::Json,
        Format::Xml => Place::Xml,
        Format::Form => Place::Form,
    };
    let Some(text) = template.render(values, place)? else {
        return Ok(None);
    };
    if constant.kind == Some(Kind::Number) && !json::is_number(&text) {
        return Err("is no number".to_owned());
    }
    Ok(Some(match format {
        Format::Json if constant.kind != Some(Kind::Number) => format!("\"{text}\""),
        Format::Json | Format::Xml | Format::Form => text,
    }))
}

#[cfg(test)]
mod tests {
    use gavel_sdk::{Offer, config, testing::TestLead};

    use super::Exchange;
    use crate::{HttpAdapter, template::Values};

    fn body(rest: &str, exchange: Exchange) -> Result<String, String> {
        let config = format!(r#"{{"post_url": "https://b.example/post"{rest}}}"#);
        let buyer = HttpAdapter::open(config::parse(&config)?)?;
        let lead = TestLead::post()
            .text("state", "CA")
            .integer("panels", 12)
            .decimal("bill", "180.50")
            .flag("homeowner", true)
            .date("install_by", "2026-12-01")
            .text("email", "a&b{{secret:X}}@example.org");
        let won = Offer {
            amount: Some("28.00".to_owned()),
            reference: Some("r-7".to_owned()),
        };
        let lead = lead.lead();
        let values = Values {
            lead: &lead,
            won: (exchange == Exchange::Post).then_some(&won),
        };
        let fields = buyer.fields(exchange, &values)?;
        if rest.contains(r#""form""#) {
            fields.to_form()
        } else if rest.contains(r#""xml""#) {
            fields.to_xml("request")
        } else {
            Ok(fields.to_json())
        }
    }

    fn post(rest: &str) -> String {
        body(rest, Exchange::Post).unwrap()
    }

    #[test]
    fn unasked_every_field_goes_as_it_is_and_the_order_with_it() {
        assert_eq!(
            post(""),
            r#"{"state":"CA","panels":12,"bill":"180.50","homeowner":true,"install_by":"2026-12-01","email":"a&b\u007b\u007bsecret:X}}@example.org","order":"po_1.a1","price":"28.00","reference":"r-7"}"#
        );
        assert_eq!(
            post(r#", "format": "form""#),
            "state=CA&panels=12&bill=180.50&homeowner=true&install_by=2026-12-01&email=a%26b%7B%7Bsecret%3AX%7D%7D%40example.org&order=po_1.a1&price=28.00&reference=r-7"
        );
        assert_eq!(
            post(r#", "format": "xml""#),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><request><state>CA</state><panels>12</panels><bill>180.50</bill>\
             <homeowner>true</homeowner><install_by>2026-12-01</install_by>\
             <email>a&amp;b&#123;&#123;secret:X}}@example.org</email>\
             <order>po_1.a1</order><price>28.00</price><reference>r-7</reference></request>"
        );
    }

    #[test]
    fn at_the_ping_there_is_no_price_and_no_reference() {
        let body = body(r#", "fields": {"state": "state"}"#, Exchange::Ping).unwrap();
        assert_eq!(body, r#"{"state":"CA","order":"po_1.a1"}"#);
    }

    #[test]
    fn listed_fields_are_renamed_nested_and_mapped_and_others_dropped() {
        let rules = r#", "constants": {}, "fields": {
            "state": "/address/State",
            "zip": "/address/Zip",
            "homeowner": {"to": "/owner", "map": {"true": "Yes", "false": "No"}},
            "panels": {"as": "text"},
            "bill": {"to": "/money/bill", "as": "number"}
        }"#;
        assert_eq!(
            post(rules),
            r#"{"address":{"State":"CA"},"owner":"Yes","panels":"12","money":{"bill":180.50}}"#
        );
    }

    #[test]
    fn unlisted_fields_go_along_where_that_is_asked() {
        let rules = r#", "constants": {}, "unlisted": "send", "fields": {"state": "ST", "email": {"when": "ping"}}"#;
        assert_eq!(
            post(rules),
            r#"{"ST":"CA","panels":12,"bill":"180.50","homeowner":true,"install_by":"2026-12-01"}"#
        );
    }

    #[test]
    fn constants_carry_placeholders_secrets_and_plain_values() {
        let rules = r#", "fields": {}, "constants": {
            "api_key": "{{secret:KEY}}",
            "/meta/test": false,
            "/meta/version": 2,
            "order": {"value": "gavel-{{order}}", "when": "post"},
            "bid": {"value": "{{price}}", "as": "number"},
            "sub": "{{sub_id}}",
            "ping_only": {"value": "x", "when": "ping"}
        }"#;
        assert_eq!(
            post(rules),
            r#"{"api_key":"{{secret:KEY}}","meta":{"test":false,"version":2},"order":"gavel-po_1.a1","bid":28.00}"#
        );
    }

    #[test]
    fn a_configured_constant_goes_before_a_field_and_an_unasked_one_does_not() {
        let named = r#", "fields": {"state": "order"}, "constants": {"order": "{{order}}"}"#;
        assert_eq!(post(named), r#"{"order":"po_1.a1"}"#);
        let unasked = r#", "fields": {"state": "order"}"#;
        assert!(post(unasked).starts_with(r#"{"order":"CA""#));
    }

    #[test]
    fn what_cannot_be_written_is_an_error_that_names_it_and_not_its_value() {
        let error = body(r#", "fields": {"state": {"as": "number"}}"#, Exchange::Post).unwrap_err();
        assert_eq!(error, "the field state is no number");
        let error = body(
            r#", "fields": {"state": "a", "panels": "/a/b"}"#,
            Exchange::Post,
        )
        .unwrap_err();
        assert!(error.contains("both a value and an object"), "{error}");
    }
}
