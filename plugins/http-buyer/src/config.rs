//! The configuration as it is written; `config.schema.json` says the same for the console.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    shapes::{Either, Pairs, Scalar, Target, scalar_or},
    template::Template,
};

/// Everything that an account can say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub(crate) ping_url: Option<Template>,
    pub(crate) post_url: Template,
    #[serde(default)]
    pub(crate) method: Method,
    #[serde(default)]
    pub(crate) format: Format,
    #[serde(default)]
    pub(crate) headers: Pairs<Template>,
    pub(crate) fields: Option<Pairs<FieldRule>>,
    #[serde(default)]
    pub(crate) unlisted: Unlisted,
    pub(crate) constants: Option<Pairs<Constant>>,
    #[serde(default)]
    pub(crate) answer: AnswerConfig,
    #[serde(default)]
    pub(crate) ping_answer: AnswerConfig,
    #[serde(default)]
    pub(crate) post_answer: AnswerConfig,
}

/// The method of both requests.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    /// Fields go into the query.
    Get,
    #[default]
    Post,
    Put,
    Patch,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Form,
}

/// What becomes of the lead's fields that `fields` does not name.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unlisted {
    #[default]
    Drop,
    Send,
}

/// At which of the two requests something goes along.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    #[default]
    Both,
    Ping,
    Post,
}

/// As what a value is written where the body tells text from numbers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Text,
    Number,
}

/// Where one field of the lead goes, and how.
#[derive(Debug, Default)]
pub(crate) struct FieldRule {
    /// `None`: under its own name.
    pub(crate) to: Option<Target>,
    pub(crate) map: Pairs<Scalar>,
    pub(crate) when: When,
    pub(crate) kind: Option<Kind>,
}

/// Something that goes along with every lead.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) value: ConstantValue,
    pub(crate) when: When,
    pub(crate) kind: Option<Kind>,
}

/// What a constant is.
#[derive(Debug)]
pub(crate) enum ConstantValue {
    Template(Template),
    /// `true`, `false` or a whole number, as JSON writes it.
    Literal(String),
}

/// How an answer is read; what is absent is taken from the defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerConfig {
    pub(crate) format: Option<Format>,
    pub(crate) decision: Option<Target>,
    pub(crate) yes: Option<Vec<Scalar>>,
    pub(crate) no: Option<Vec<Scalar>>,
    pub(crate) yes_status: Option<Vec<u16>>,
    pub(crate) no_status: Option<Vec<u16>>,
    pub(crate) body_status: Option<Vec<u16>>,
    pub(crate) price: Option<Target>,
    pub(crate) reference: Option<Target>,
    pub(crate) redirect_url: Option<Target>,
    pub(crate) reason: Option<Target>,
}

impl<'de> Deserialize<'de> for FieldRule {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            to: Option<Target>,
            #[serde(default)]
            map: Pairs<Scalar>,
            #[serde(default)]
            when: When,
            r#as: Option<Kind>,
        }
        const EXPECTED: &str = "the buyer's name for the field, or {to, map, when, as}";
        match scalar_or::<Table, _>(json, EXPECTED)? {
            Either::Scalar(Scalar::Text(to)) => {
                let to = Some(Target::parse(&to).map_err(D::Error::custom)?);
                Ok(Self {
                    to,
                    ..Self::default()
                })
            }
            Either::Scalar(Scalar::Literal(_)) => {
                Err(D::Error::custom(format!("expected {EXPECTED}")))
            }
            Either::Table(Table {
                to,
                map,
                when,
                r#as,
            }) => Ok(Self {
                to,
                map,
                when,
                kind: r#as,
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            value: Scalar,
            #[serde(default)]
            when: When,
            r#as: Option<Kind>,
        }
        let (value, when, kind) =
            match scalar_or::<Table, _>(json, "a plain value, or {value, when, as}")? {
                Either::Scalar(scalar) => (scalar, When::default(), None),
                Either::Table(Table { value, when, r#as }) => (value, when, r#as),
            };
        let value = match value {
            Scalar::Text(text) => {
                ConstantValue::Template(Template::parse(&text).map_err(D::Error::custom)?)
            }
            Scalar::Literal(literal) => ConstantValue::Literal(literal),
        };
        Ok(Self { value, when, kind })
    }
}

#[cfg(test)]
mod tests {
    use gavel_sdk::config::parse;

    use super::{Config, Format, When};
    use crate::shapes::{Scalar, Target};

    fn error(rest: &str) -> String {
        let config = format!(r#"{{"post_url": "https://b.example/post", {rest}}}"#);
        parse::<Config>(&config).unwrap_err()
    }

    #[test]
    fn the_post_url_alone_is_a_configuration() {
        let config: Config = parse(r#"{"post_url": "https://b.example/post"}"#).unwrap();
        assert_eq!(config.format, Format::Json);
        assert!(config.ping_url.is_none() && config.fields.is_none() && config.constants.is_none());
    }

    #[test]
    fn a_field_rule_is_a_name_or_a_table() {
        let config = r#"{"post_url": "https://b.example/", "fields": {
            "state": "State",
            "homeowner": {"to": "/home/owner", "map": {"true": "Yes", "false": 0}, "when": "post"}
        }}"#;
        let fields = parse::<Config>(config).unwrap().fields.unwrap();
        assert_eq!(
            fields.get("state").unwrap().to,
            Some(Target::named("State"))
        );
        let homeowner = fields.get("homeowner").unwrap();
        assert_eq!(homeowner.to.as_ref().unwrap().steps(), ["home", "owner"]);
        assert_eq!(
            homeowner.map.get("false"),
            Some(&Scalar::Literal("0".to_owned()))
        );
        assert_eq!(homeowner.when, When::Post);
    }

    #[test]
    fn an_error_names_its_place() {
        for (config, expected) in [
            (r#""fields": {"state": {"too": "State"}}"#, "fields.state"),
            (r#""fields": {"state": 5}"#, "fields.state"),
            (
                r#""fields": {"state": {"map": {"CA": {}}}}"#,
                "fields.state.map.CA",
            ),
            (
                r#""constants": {"key": "{{secrt:KEY}}"}"#,
                "constants.key: unknown placeholder",
            ),
            (
                r#""constants": {"price": 12.50}"#,
                "write a decimal as text",
            ),
            (r#""headers": {"X-Key": 5}"#, "headers.X-Key"),
            (r#""format": "xml""#, "format: unknown variant `xml`"),
            (r#""method": "post""#, "method: unknown variant `post`"),
            (
                r#""answer": {"yes_status": [70000]}"#,
                "answer.yes_status[0]",
            ),
            (r#""answer": {"pric": "p"}"#, "unknown field `pric`"),
            (r#""fields": {"a": "x", "a": "y"}"#, "`a` is named twice"),
            (
                r#""answer": {"price": "/1/2/3/4/5/6/7/8/9"}"#,
                "deeper than 8 levels",
            ),
            (r#""fields": {"a": ""}"#, "a place has a name"),
        ] {
            let error = error(config);
            assert!(error.contains(expected), "{config} gave: {error}");
        }
    }

    #[test]
    fn deep_nesting_where_a_plain_value_belongs_is_an_error() {
        let deep = format!(
            "{}{}",
            r#"{"a":"#.repeat(100),
            "1".to_owned() + &"}".repeat(100)
        );
        let error = error(&format!(r#""constants": {{"key": {deep}}}"#));
        assert!(error.contains("constants.key"), "{error}");
    }
}
