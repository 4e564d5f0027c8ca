//! The configuration as it is written; `config.schema.json` says the same for the console.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    shapes::{Either, Pairs, Places, Scalar, Target, scalar_or},
    template::Template,
};

/// Everything that an account can say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the buyer is asked for a bid.
    pub ping_url: Option<Template>,
    /// Where the lead is delivered.
    pub post_url: Template,
    /// Of both requests.
    #[serde(default)]
    pub method: Method,
    /// How requests are written.
    #[serde(default)]
    pub format: Format,
    /// The name of the root of requests in XML.
    pub root: Option<String>,
    /// To add to both requests.
    #[serde(default)]
    pub headers: Pairs<Template>,
    /// Which fields of the lead go along; `None`: all, under their own names.
    pub fields: Option<Pairs<FieldRule>>,
    /// What becomes of the others.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// What goes along with every lead.
    pub constants: Option<Pairs<Constant>>,
    /// How answers are read.
    #[serde(default)]
    pub answer: AnswerConfig,
    /// What is different at the ping.
    #[serde(default)]
    pub ping_answer: AnswerConfig,
    /// What is different at the post.
    #[serde(default)]
    pub post_answer: AnswerConfig,
}

/// The method of both requests.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Fields go into the query.
    Get,
    /// Fields go into the body, as with the others.
    #[default]
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `application/json`.
    #[default]
    Json,
    /// `application/xml`, or `text/xml`.
    Xml,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// What becomes of the lead's fields that `fields` does not name.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unlisted {
    /// They stay behind.
    #[default]
    Drop,
    /// They go under their own names.
    Send,
}

/// At which of the two requests something goes along.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// At both.
    #[default]
    Both,
    /// At the ping alone.
    Ping,
    /// At the post alone.
    Post,
}

/// As what a value is written where the body tells text from numbers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Quoted.
    Text,
    /// Bare digits.
    Number,
}

/// Where one field of the lead goes, and how.
#[derive(Debug, Default)]
pub struct FieldRule {
    /// `None`: under its own name.
    pub to: Option<Target>,
    /// The buyer's words for its values.
    pub map: Pairs<Scalar>,
    /// At which request.
    pub when: When,
    /// As what.
    pub kind: Option<Kind>,
}

/// Something that goes along with every lead.
#[derive(Debug)]
pub struct Constant {
    /// What.
    pub value: ConstantValue,
    /// At which request.
    pub when: When,
    /// As what.
    pub kind: Option<Kind>,
}

impl Constant {
    /// Text with its placeholders, as the body writes text.
    pub fn text(when: When, value: Template) -> Self {
        Self {
            value: ConstantValue::Template(value),
            when,
            kind: None,
        }
    }
}

/// What a constant is.
#[derive(Debug)]
pub enum ConstantValue {
    /// Text, which may hold placeholders.
    Template(Template),
    /// `true`, `false` or a whole number, as JSON writes it.
    Literal(String),
}

/// How an answer is read; what is absent is taken from the defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerConfig {
    /// What answers are, whatever they say of themselves.
    pub format: Option<Format>,
    /// Where it says yes or no.
    pub decision: Option<Places>,
    /// The words for yes.
    pub yes: Option<Vec<Scalar>>,
    /// The words for no.
    pub no: Option<Vec<Scalar>>,
    /// The words, of the decision or of the reason, for a no because the buyer has the lead already.
    pub duplicate: Option<Vec<Scalar>>,
    /// Statuses that mean yes.
    pub yes_status: Option<Vec<u16>>,
    /// Statuses that mean no.
    pub no_status: Option<Vec<u16>>,
    /// Statuses at which the body decides.
    pub body_status: Option<Vec<u16>>,
    /// Where the price stands.
    pub price: Option<Places>,
    /// Where the buyer's own name for the ping or the lead stands.
    pub reference: Option<Places>,
    /// Where it stands where the consumer goes next.
    pub redirect_url: Option<Places>,
    /// Where a no says why.
    pub reason: Option<Places>,
}

impl Config {
    /// Sends what a protocol asks for along too, before the configured constants. One of
    /// these that has the same name replaces it.
    pub fn add_protocol(&mut self, protocol: Vec<(String, Constant)>) {
        let configured = self.constants.take().unwrap_or_default();
        let mut constants = protocol;
        constants.retain(|(name, _)| configured.get(name).is_none());
        constants.extend(configured.0);
        self.constants = Some(Pairs(constants));
    }
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
            (r#""format": "csv""#, "format: unknown variant `csv`"),
            (r#""method": "post""#, "method: unknown variant `post`"),
            (
                r#""answer": {"yes_status": [70000]}"#,
                "answer.yes_status[0]",
            ),
            (r#""answer": {"pric": "p"}"#, "unknown field `pric`"),
            (r#""answer": {"price": []}"#, "between 1 and 8 places"),
            (r#""answer": {"price": ["a", 5]}"#, "answer.price[1]"),
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
