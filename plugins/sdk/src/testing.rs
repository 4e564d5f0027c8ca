//! Test a plugin natively: a lead that stands in for the host's, and what was logged.
//!
//! ```
//! use gavel_sdk::testing::TestLead;
//!
//! let lead = TestLead::ping().text("state", "CA").flag("homeowner", true);
//! assert_eq!(lead.lead().flag("homeowner"), Some(true));
//! ```

use std::cell::RefCell;

use crate::{Lead, Stage, Value, log::Level};

/// A lead for tests. What is not set has a plain value; see [`TestLead::ping`].
#[derive(Clone, Debug)]
pub struct TestLead {
    stage: Stage,
    fields: Vec<(String, Value)>,
    sub_id: Option<String>,
}

impl TestLead {
    /// A pinged lead without fields: campaign `solar-west`, lead type `solar`, order
    /// `po_1.a1`, received at 1 700 000 000 000 ms, in USD, no sub id, no test.
    pub fn ping() -> Self {
        Self {
            stage: Stage::Ping,
            fields: Vec::new(),
            sub_id: None,
        }
    }

    /// The same, posted.
    pub fn post() -> Self {
        Self {
            stage: Stage::Post,
            ..Self::ping()
        }
    }

    /// With a field of any type.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.push((name.to_owned(), value));
        self
    }

    /// With a text field.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        self.with(name, Value::Text(text.to_owned()))
    }

    /// With an integer field.
    #[must_use]
    pub fn integer(self, name: &str, integer: i64) -> Self {
        self.with(name, Value::Integer(integer))
    }

    /// With a decimal field, given as its digits.
    #[must_use]
    pub fn decimal(self, name: &str, digits: &str) -> Self {
        self.with(name, Value::Decimal(digits.to_owned()))
    }

    /// With a flag field.
    #[must_use]
    pub fn flag(self, name: &str, flag: bool) -> Self {
        self.with(name, Value::Flag(flag))
    }

    /// With a date field, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(self, name: &str, date: &str) -> Self {
        self.with(name, Value::Date(date.to_owned()))
    }

    /// With the supplier's name for where it came from.
    #[must_use]
    pub fn from_sub_id(self, sub_id: &str) -> Self {
        Self {
            sub_id: Some(sub_id.to_owned()),
            ..self
        }
    }

    /// The lead to hand to a plugin.
    pub fn lead(&self) -> Lead<'_> {
        Lead::of_test(self)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    pub(crate) fn field(&self, name: &str) -> Option<Value> {
        let (_, value) = self.fields.iter().find(|(known, _)| known == name)?;
        Some(value.clone())
    }

    pub(crate) fn fields(&self) -> Vec<(String, Value)> {
        self.fields.clone()
    }

    #[expect(clippy::unused_self, reason = "asked like the host's lead")]
    pub(crate) fn campaign(&self) -> String {
        "solar-west".to_owned()
    }

    #[expect(clippy::unused_self, reason = "asked like the host's lead")]
    pub(crate) fn lead_type(&self) -> String {
        "solar".to_owned()
    }

    #[expect(clippy::unused_self, reason = "asked like the host's lead")]
    pub(crate) fn order(&self) -> String {
        "po_1.a1".to_owned()
    }

    #[expect(clippy::unused_self, reason = "asked like the host's lead")]
    pub(crate) fn received_at(&self) -> u64 {
        1_700_000_000_000
    }

    #[expect(clippy::unused_self, reason = "asked like the host's lead")]
    pub(crate) fn currency(&self) -> String {
        "USD".to_owned()
    }

    pub(crate) fn sub_id(&self) -> Option<String> {
        self.sub_id.clone()
    }

    #[expect(clippy::unused_self, reason = "asked like the host's lead")]
    pub(crate) fn is_test(&self) -> bool {
        false
    }
}

thread_local! {
    /// A test runs on a thread of its own, so each has its own log.
    static LOGS: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn keep_log(level: Level, message: &str) {
    LOGS.with_borrow_mut(|logs| logs.push((level, message.to_owned())));
}

/// What this thread has logged since the last time that it was taken.
pub fn take_logs() -> Vec<(Level, String)> {
    LOGS.take()
}

#[cfg(test)]
mod tests {
    use super::take_logs;
    use crate::log::Level;

    #[test]
    fn a_test_sees_what_the_plugin_logged() {
        crate::info!("asked for {} panels", 12);
        crate::warn!("none left");
        let logs = take_logs();
        assert_eq!(logs[0], (Level::Info, "asked for 12 panels".to_owned()));
        assert_eq!(logs[1], (Level::Warn, "none left".to_owned()));
        assert!(take_logs().is_empty());
    }
}
