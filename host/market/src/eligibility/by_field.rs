//! The criteria of all accounts on one field.

use std::collections::HashMap;

use super::{
    bits::{Bits, Posting},
    bounds::{Bounds, Side},
};
use crate::{
    criteria::{Criterion, Scale, Test, text},
    field::Value,
};

/// Whether a field's index answers all that an account asks of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// All.
    Whole,
    /// Some; the account's criteria are asked one by one where it is still in.
    Partial,
}

/// For any value of one field, which accounts' criteria on it are met.
///
/// An account is in one of four groups: it asks nothing about the values (`open`), names
/// values, names prefixes, or takes none. What else it refuses is taken out of `open`
/// and of those that name prefixes; those that name values have it applied already.
#[derive(Debug)]
pub(super) struct ByField {
    field: usize,
    /// Number of accounts.
    size: usize,
    open: Bits,
    values: HashMap<Value, Posting>,
    prefixes: HashMap<String, Posting>,
    /// In bytes, of the longest prefix.
    longest_prefix: usize,
    refused: HashMap<Value, Posting>,
    min: Bounds,
    max: Bounds,
    met_by_absence: Bits,
}

impl ByField {
    /// The index of a field of which none of so many accounts asks anything.
    pub(super) fn of(field: usize, size: usize) -> Self {
        Self {
            field,
            size,
            open: Bits::all(size),
            values: HashMap::new(),
            prefixes: HashMap::new(),
            longest_prefix: 0,
            refused: HashMap::new(),
            min: Bounds::of(Side::Min),
            max: Bounds::of(Side::Max),
            met_by_absence: Bits::all(size),
        }
    }

    /// Adds all that an account asks of this field. Accounts come in ascending order.
    pub(super) fn add(&mut self, bit: usize, criteria: &[&Criterion]) -> Coverage {
        let tests = || criteria.iter().map(|criterion| &criterion.test);
        if !tests().all(Test::is_met_by_absence) {
            self.met_by_absence.remove(bit);
        }
        if tests().any(takes_nothing) {
            self.open.remove(bit);
            return Coverage::Whole;
        }
        let named = tests().find_map(|test| {
            if let Test::In(values) = test {
                Some(values)
            } else {
                None
            }
        });
        if let Some(values) = named {
            self.open.remove(bit);
            for value in values
                .iter()
                .filter(|value| tests().all(|test| test.is_met_by(value)))
            {
                self.values
                    .entry(value.clone())
                    .or_default()
                    .push(bit, self.size);
            }
            return Coverage::Whole;
        }
        self.add_unnamed(bit, tests())
    }

    /// Adds an account that names no values.
    fn add_unnamed<'a>(&mut self, bit: usize, tests: impl Iterator<Item = &'a Test>) -> Coverage {
        let mut coverage = Coverage::Whole;
        let mut has_prefixes = false;
        for test in tests {
            match test {
                Test::NotIn(values) => {
                    for value in values {
                        self.refused
                            .entry(value.clone())
                            .or_default()
                            .push(bit, self.size);
                    }
                }
                Test::Min(bound) => Scale::of(bound)
                    .into_iter()
                    .for_each(|bound| self.min.add(bound, bit)),
                Test::Max(bound) => Scale::of(bound)
                    .into_iter()
                    .for_each(|bound| self.max.add(bound, bit)),
                Test::Prefix(prefixes) if !has_prefixes => {
                    has_prefixes = true;
                    self.open.remove(bit);
                    for prefix in prefixes {
                        self.longest_prefix = self.longest_prefix.max(prefix.len());
                        self.prefixes
                            .entry(prefix.clone())
                            .or_default()
                            .push(bit, self.size);
                    }
                }
                Test::Prefix(_) | Test::Matches(_) => coverage = Coverage::Partial,
                // `In` and `Present(false)` are dealt with before; `Present(true)` is met by any value.
                Test::In(_) | Test::Present(_) => {}
            }
        }
        coverage
    }

    /// The same, once every account is added.
    pub(super) fn ready(mut self) -> Self {
        self.min.ready(self.size);
        self.max.ready(self.size);
        self
    }

    /// Place of the field in the lead type.
    pub(super) fn field(&self) -> usize {
        self.field
    }

    /// Sets `met` to the accounts whose criteria on this field the value meets.
    pub(super) fn met_by(&self, value: &Value, met: &mut Bits) {
        met.copy_from(&self.open);
        if !self.prefixes.is_empty() {
            let text = text(value);
            let ends = (0..=text.len().min(self.longest_prefix)).filter_map(|end| text.get(..end));
            ends.filter_map(|prefix| self.prefixes.get(prefix))
                .for_each(|posting| posting.add_to(met));
        }
        if let Some(refusing) = self.refused.get(value) {
            refusing.take_from(met);
        }
        let scale = Scale::of(value);
        self.min.take_refusing(scale, met);
        self.max.take_refusing(scale, met);
        if let Some(naming) = self.values.get(value) {
            naming.add_to(met);
        }
    }

    /// The accounts whose criteria on this field its absence meets.
    pub(super) fn met_by_absence(&self) -> &Bits {
        &self.met_by_absence
    }
}

/// Whether no value at all meets it: `present = false`, or a bound that is on no scale.
fn takes_nothing(test: &Test) -> bool {
    match test {
        Test::Present(wanted) => !wanted,
        Test::Min(bound) | Test::Max(bound) => Scale::of(bound).is_none(),
        _ => false,
    }
}
