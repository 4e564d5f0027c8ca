//! Leads as a supplier has them: varied, repeatable by seed, and nobody's.
//!
//! Every personal value is fictional by construction: addresses at example.com, numbers
//! 555-0100 to 555-0199 of real area codes, made-up streets.

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};
use serde_json::{Map, Value, json};

/// A state, how often it comes, an area code in it and the first three digits of its zips.
/// Nobody in the example market buys in the last four.
const STATES: [(&str, u32, u16, u16); 14] = [
    ("CA", 22, 415, 941),
    ("AZ", 12, 602, 850),
    ("TX", 14, 512, 787),
    ("NV", 8, 702, 891),
    ("CO", 7, 303, 802),
    ("FL", 9, 305, 331),
    ("NM", 4, 505, 871),
    ("UT", 4, 801, 841),
    ("GA", 4, 404, 303),
    ("NC", 4, 919, 276),
    ("AK", 3, 907, 995),
    ("ND", 3, 701, 581),
    ("VT", 3, 802, 54),
    ("ME", 3, 207, 41),
];

const FIRST_NAMES: [&str; 12] = [
    "Ada",
    "Blaise",
    "Chien-Shiung",
    "Dmitri",
    "Emmy",
    "Fatima",
    "Grace",
    "Hedy",
    "Ibn",
    "José",
    "Katherine",
    "Lise",
];
const LAST_NAMES: [&str; 12] = [
    "Archer", "Baker", "Carter", "Draper", "Fletcher", "Glover", "Hooper", "Mason", "O'Neil",
    "Potter", "Sawyer", "Weaver",
];
const STREETS: [&str; 6] = [
    "Sample Street",
    "Example Avenue",
    "Placeholder Road",
    "Fiction Lane",
    "Nowhere Drive",
    "Test Court",
];

/// One consumer's lead: what a ping may show, and what only the post brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// Fields that are not personal.
    pub open: Map<String, Value>,
    /// Personal fields.
    pub personal: Map<String, Value>,
}

impl Lead {
    /// The whole lead, as most suppliers post it: pinged fields repeated.
    pub fn full(&self) -> Map<String, Value> {
        let mut all = self.open.clone();
        all.extend(self.personal.clone());
        all
    }

    /// The same lead with another value in one field, wherever that field belongs; a new
    /// field counts as open.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        let part = if self.personal.contains_key(field) {
            &mut self.personal
        } else {
            &mut self.open
        };
        part.insert(field.to_owned(), value.into());
        self
    }

    /// The same lead without one field.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        // `shift_remove` keeps the order of the others.
        self.open.shift_remove(field);
        self.personal.shift_remove(field);
        self
    }
}

/// An endless stream of leads: the same seed, the same leads. No two of one stream have
/// the same e-mail address.
#[derive(Debug, Clone)]
pub struct Leads {
    rng: SmallRng,
    number: u64,
    seed: u64,
}

impl Leads {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            number: 0,
            seed,
        }
    }

    /// The next lead; `Iterator::next` without the `Option`.
    pub fn draw(&mut self) -> Lead {
        self.number += 1;
        let (state, area, zip) = self.state();
        Lead {
            open: self.open(state, zip),
            personal: self.personal(area),
        }
    }

    fn state(&mut self) -> (&'static str, u16, u16) {
        let (state, _, area, zip) = STATES
            .choose_weighted(&mut self.rng, |(_, weight, ..)| *weight)
            .copied()
            .unwrap_or(("CA", 0, 415, 941));
        (state, area, zip)
    }

    fn open(&mut self, state: &str, zip: u16) -> Map<String, Value> {
        let rng = &mut self.rng;
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("state", json!(state));
        put(
            "zip",
            json!(format!("{zip:03}{:02}", rng.random_range(1..100))),
        );
        // Bills bunch around 170 dollars: the sum of two even draws.
        let cents = rng.random_range(2_000..18_000) + rng.random_range(0..24_000);
        put(
            "monthly_bill",
            json!(format!("{}.{:02}", cents / 100, cents % 100)),
        );
        put("homeowner", json!(rng.random_bool(0.85)));
        // A fifth of the consumers skip a question.
        if rng.random_bool(0.8) {
            let shade = ["none", "none", "partial", "full"]
                .choose(rng)
                .copied()
                .unwrap_or("none");
            put("roof_shade", json!(shade));
        }
        if rng.random_bool(0.8) {
            put("panels_wanted", json!(rng.random_range(4..=40)));
        }
        if rng.random_bool(0.5) {
            let (month, day) = (rng.random_range(1..=12), rng.random_range(1..=28));
            put("install_by", json!(format!("2027-{month:02}-{day:02}")));
        }
        let certificate = rng.random::<u32>();
        put(
            "consent_url",
            json!(format!(
                "https://consent.example.com/c/{certificate:08x}-{}",
                self.number
            )),
        );
        fields
    }

    fn personal(&mut self, area: u16) -> Map<String, Value> {
        let rng = &mut self.rng;
        let first = FIRST_NAMES.choose(rng).copied().unwrap_or("Ada");
        let last = LAST_NAMES.choose(rng).copied().unwrap_or("Archer");
        let mailbox = last.to_ascii_lowercase().replace('\'', "");
        let line = rng.random_range(100..200);
        let street = STREETS.choose(rng).copied().unwrap_or("Sample Street");
        let mut fields = Map::new();
        let mut put =
            |name: &str, value: String| fields.insert(name.to_owned(), Value::String(value));
        put("first_name", first.to_owned());
        put("last_name", last.to_owned());
        put(
            "email",
            format!("{mailbox}.{}.{}@example.com", self.seed, self.number),
        );
        put("phone", format!("({area}) 555-0{line}"));
        put("street", format!("{} {street}", rng.random_range(1..2_000)));
        fields
    }
}

impl Iterator for Leads {
    type Item = Lead;

    fn next(&mut self) -> Option<Lead> {
        Some(self.draw())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_leads() {
        let leads = |seed| Leads::new(seed).take(50).collect::<Vec<_>>();
        assert_eq!(leads(7), leads(7));
        assert_ne!(leads(7), leads(8));
    }

    #[test]
    fn leads_are_varied() {
        let leads: Vec<_> = Leads::new(1).take(500).collect();
        let values = |field: &str| {
            leads
                .iter()
                .map(|lead| {
                    lead.open
                        .get(field)
                        .cloned()
                        .unwrap_or_default()
                        .to_string()
                })
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(values("state").len(), STATES.len());
        assert_eq!(values("homeowner").len(), 2);
        assert_eq!(values("roof_shade").len(), 4, "three answers and none");
        assert!(values("monthly_bill").len() > 400);
        assert!(
            values("panels_wanted").contains("null"),
            "some consumers skip the question"
        );
        let emails: BTreeSet<_> = leads
            .iter()
            .map(|lead| lead.personal["email"].to_string())
            .collect();
        assert_eq!(emails.len(), leads.len());
    }

    #[test]
    fn personal_values_are_fictional() {
        for lead in Leads::new(2).take(200) {
            assert!(
                lead.personal["email"]
                    .as_str()
                    .unwrap()
                    .ends_with("@example.com")
            );
            let phone = lead.personal["phone"].as_str().unwrap();
            assert!(phone.contains(") 555-01"), "{phone}");
            assert_eq!(phone.len(), "(415) 555-0123".len(), "{phone}");
        }
    }

    #[test]
    fn a_field_is_changed_where_it_belongs() {
        let lead = Leads::new(3)
            .draw()
            .with("email", "else@example.com")
            .with("state", "TX")
            .without("zip");
        assert_eq!(lead.personal["email"], "else@example.com");
        assert_eq!(lead.open["state"], "TX");
        assert!(!lead.open.contains_key("email") && !lead.full().contains_key("zip"));
    }
}
