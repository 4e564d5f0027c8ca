//! The lead, as far as a plugin may see it.

use crate::bindings::imported::leads;
pub use leads::{Stage, Value};

/// The lead under evaluation and the transaction it belongs to.
///
/// Fields are fetched from the host one at a time, so a plugin pays only for what it reads,
/// and the host records what a decision was based on. At [`Stage::Ping`] personal fields do
/// not exist: reading one gives `None`, like any field that the supplier left out.
pub struct Lead<'a>(Source<'a>);

enum Source<'a> {
    Host(&'a leads::Lead),
    #[cfg(not(target_family = "wasm"))]
    Test(&'a crate::testing::TestLead),
}

/// Asks whichever source there is the same question.
macro_rules! ask {
    ($lead:expr, $source:ident => $answer:expr) => {
        match &$lead.0 {
            Source::Host($source) => $answer,
            #[cfg(not(target_family = "wasm"))]
            Source::Test($source) => $answer,
        }
    };
}

impl<'a> Lead<'a> {
    pub(crate) fn of_host(lead: &'a leads::Lead) -> Self {
        Self(Source::Host(lead))
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn of_test(lead: &'a crate::testing::TestLead) -> Self {
        Self(Source::Test(lead))
    }

    /// Whether the lead was pinged or posted.
    pub fn stage(&self) -> Stage {
        ask!(self, lead => lead.stage())
    }

    /// A field's value, already checked against the lead type; `None` where it is absent.
    pub fn field(&self, name: &str) -> Option<Value> {
        ask!(self, lead => lead.field(name))
    }

    /// Every field that has a value, in the lead type's order.
    pub fn fields(&self) -> Vec<(String, Value)> {
        ask!(self, lead => lead.fields())
    }

    /// A field's value as text, whatever its type: the text itself, digits, `true` or
    /// `false`, or `YYYY-MM-DD`.
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name).map(Value::into_text)
    }

    /// The value of a `flag` field; `None` where it is absent or of another type.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.field(name)? {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// The value of an `integer` field; `None` where it is absent or of another type.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.field(name)? {
            Value::Integer(integer) => Some(integer),
            _ => None,
        }
    }

    /// The exact digits of a `decimal` or `integer` field, such as `1250.5`; `None` where it
    /// is absent or of another type. Compare amounts as decimals, never as `f64`.
    pub fn decimal(&self, name: &str) -> Option<String> {
        match self.field(name)? {
            Value::Decimal(digits) => Some(digits),
            Value::Integer(integer) => Some(integer.to_string()),
            _ => None,
        }
    }

    /// The value of a `date` field, `YYYY-MM-DD`, which sorts as text; `None` where it is
    /// absent or of another type.
    pub fn date(&self, name: &str) -> Option<String> {
        match self.field(name)? {
            Value::Date(date) => Some(date),
            _ => None,
        }
    }

    /// The id of the campaign under which the lead came.
    pub fn campaign(&self) -> String {
        ask!(self, lead => lead.campaign())
    }

    /// The id of the lead type.
    pub fn lead_type(&self) -> String {
        ask!(self, lead => lead.lead_type())
    }

    /// Unique to this lead and account and the same at ping and post, so safe to hand to
    /// the buyer as an idempotency key.
    pub fn order(&self) -> String {
        ask!(self, lead => lead.order())
    }

    /// When the host received the request, in milliseconds of Unix time: the only clock.
    pub fn received_at_ms(&self) -> u64 {
        ask!(self, lead => lead.received_at())
    }

    /// The market's currency, ISO 4217.
    pub fn currency(&self) -> String {
        ask!(self, lead => lead.currency())
    }

    /// The supplier's own name for where the lead came from, where it gave one.
    pub fn sub_id(&self) -> Option<String> {
        ask!(self, lead => lead.sub_id())
    }

    /// Whether this is a test lead: nothing may be bought or sold.
    pub fn is_test(&self) -> bool {
        ask!(self, lead => lead.is_test())
    }
}

impl Value {
    /// The value as text: the text itself, digits, `true` or `false`, or `YYYY-MM-DD`.
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Date(text) => text,
            Self::Integer(integer) => integer.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestLead;

    #[test]
    fn each_accessor_takes_its_own_type_and_text_takes_all() {
        let lead = TestLead::ping()
            .text("state", "CA")
            .integer("panels", 12)
            .decimal("bill", "180.5")
            .flag("owner", true)
            .date("install_by", "2026-12-01");
        let lead = lead.lead();
        assert_eq!(lead.text("state").as_deref(), Some("CA"));
        assert_eq!(lead.text("panels").as_deref(), Some("12"));
        assert_eq!(lead.text("owner").as_deref(), Some("true"));
        assert_eq!(lead.integer("panels"), Some(12));
        assert_eq!(lead.decimal("bill").as_deref(), Some("180.5"));
        assert_eq!(lead.decimal("panels").as_deref(), Some("12"));
        assert_eq!(lead.flag("owner"), Some(true));
        assert_eq!(lead.date("install_by").as_deref(), Some("2026-12-01"));
        assert_eq!(lead.flag("state"), None);
        assert_eq!(lead.integer("bill"), None);
    }

    #[test]
    fn an_absent_field_is_none() {
        let lead = TestLead::ping();
        assert_eq!(lead.lead().text("state"), None);
        assert!(lead.lead().fields().is_empty());
    }
}
