//! Which accounts may be asked for a lead: whose criteria it meets, and who buys now.
//!
//! A market may have 10 000 accounts of which ten want a lead, and a ping may then cost
//! little more than with ten accounts in all. So nothing loops over accounts: for each
//! field, an index says for any value which accounts' criteria on that field are met, as
//! a set of bits, and the fields' sets are intersected 64 accounts at a time. With 10 000
//! accounts a set has 157 words.
//!
//! | criterion | how it is answered |
//! |---|---|
//! | `in`, `is` | value → accounts that name it; all else that the account asks of this field is applied to its values beforehand |
//! | `not_in` | value → accounts that refuse it |
//! | `min`, `max` | bounds in order, with sets at intervals |
//! | the first `prefix` | prefix → accounts that name it |
//! | `present` | one set for a field that is there, one for an absent field |
//! | `matches`, a second `prefix` | one by one, on the accounts that are left |
//!
//! The answer is exactly that of [`crate::criteria`] asked for every account; a property
//! test holds the two together.
//!
//! `asking` adds what else follows from lead, revision and time alone: the campaign's group
//! and the account's schedule.

mod asking;
mod bits;
mod bounds;
mod by_field;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use self::{
    bits::Bits,
    by_field::{ByField, Coverage},
};
use crate::{
    criteria::{Absent, Criterion, first_failed},
    ids::LeadTypeId,
    lead::Fields,
    model::{Account, AccountIx, AccountStatus},
};

/// An index over the criteria of one lead type's accounts.
#[derive(Debug, Default)]
pub struct Eligibility {
    members: Vec<AccountIx>,
    /// The active ones of the members; a bit's place is a place in here.
    active: Vec<AccountIx>,
    fields: Vec<ByField>,
    /// Active accounts with a criterion that no field's index answers.
    unanswered: Bits,
}

impl Eligibility {
    /// The index of a lead type. `accounts` are all of the market's; a place there is an
    /// [`AccountIx`].
    pub fn of(lead_type: &LeadTypeId, accounts: &[Arc<Account>]) -> Self {
        let of_type = || {
            (0..)
                .map(AccountIx)
                .zip(accounts)
                .filter(|(_, account)| account.lead_type == *lead_type)
        };
        let active: Vec<_> = of_type()
            .filter(|(_, account)| is_active(account))
            .collect();
        let mut by_field: BTreeMap<usize, ByField> = BTreeMap::new();
        let mut unanswered = Bits::none(active.len());
        for (bit, (_, account)) in active.iter().enumerate() {
            for (field, criteria) in criteria_by_field(account) {
                let index = by_field
                    .entry(field)
                    .or_insert_with(|| ByField::of(field, active.len()));
                if index.add(bit, &criteria) == Coverage::Partial {
                    unanswered.insert(bit);
                }
            }
        }
        Self {
            members: of_type().map(|(ix, _)| ix).collect(),
            active: active.iter().map(|(ix, _)| *ix).collect(),
            fields: by_field.into_values().map(ByField::ready).collect(),
            unanswered,
        }
    }

    /// Every account of the lead type, in account order: each has an outcome in each ping.
    pub fn members(&self) -> &[AccountIx] {
        &self.members
    }

    /// The active accounts none of whose criteria a lead fails, in account order.
    ///
    /// `accounts` are those that the index was made of.
    pub fn matching<L: Fields>(
        &self,
        accounts: &[Arc<Account>],
        lead: &L,
        absent: Absent,
    ) -> Vec<AccountIx> {
        let mut left = Bits::all(self.active.len());
        let mut met = Bits::none(self.active.len());
        for index in &self.fields {
            match (lead.value(index.field()), absent) {
                (Some(value), _) => {
                    index.met_by(value, &mut met);
                    left.keep(&met);
                }
                (None, Absent::Fails) => left.keep(index.met_by_absence()),
                (None, Absent::Unknown) => {}
            }
        }
        let qualifies = |bit: usize, ix: AccountIx| {
            !self.unanswered.contains(bit)
                || accounts
                    .get(ix.0 as usize)
                    .is_some_and(|account| first_failed(&account.criteria, lead, absent).is_none())
        };
        left.iter()
            .filter_map(|bit| {
                self.active
                    .get(bit)
                    .copied()
                    .filter(|ix| qualifies(bit, *ix))
            })
            .collect()
    }
}

/// Whether an account's status lets it be asked.
fn is_active(account: &Account) -> bool {
    account.status == AccountStatus::Active
}

/// An account's criteria, those on one field together.
fn criteria_by_field(account: &Account) -> BTreeMap<usize, Vec<&Criterion>> {
    let mut by_field: BTreeMap<usize, Vec<&Criterion>> = BTreeMap::new();
    for criterion in &account.criteria {
        by_field.entry(criterion.field).or_default().push(criterion);
    }
    by_field
}
