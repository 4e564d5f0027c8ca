//! By what a lead is known again (`rules.md`, post 5).
//!
//! Of a lead that is sold, being sold, accepted or unconfirmed a keyed hash of each compared
//! field is kept, with whose lead it was and who has it. Nobody without the store's key can
//! try values against them; nothing here sees a value.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, CampaignId, Digest, OrderId, SupplierId},
    model::{DuplicateScope, Matching},
};

/// A keyed hash that leads with the same value share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Of which field; none for all of a supplier's lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Of the field's name and its normalised value, e-mail in lower case; or of the supplier
    /// and the whole lead.
    pub hash: Digest,
    /// Unix time in milliseconds until which somebody asks for it.
    pub until_ms: u64,
}

/// A lead with the same fingerprint, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub order: OrderId,
    /// Whose campaign's.
    pub campaign: CampaignId,
    /// Whose.
    pub supplier: SupplierId,
    /// Unix time in milliseconds of its post.
    pub at_ms: u64,
    /// Who has it, or may have it.
    pub accounts: Vec<AccountId>,
}

/// Which leads a lead is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among {
    /// Those of one scope.
    Scope(DuplicateScope),
    /// Those that this account has, or may have.
    Account(AccountId),
}

/// One comparison, ready to be made: hashes in place of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// With which leads.
    pub among: Among,
    /// How many of the hashes must be shared.
    pub matching: Matching,
    /// One for each compared field; none where this lead lacks it, which equals nothing.
    pub hashes: Vec<Option<Digest>>,
    /// For how long a lead is remembered, in milliseconds.
    pub within_ms: u64,
}

/// The lead that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its order: no lead is a duplicate of itself.
    pub order: OrderId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its supplier.
    pub supplier: SupplierId,
    /// Unix time in milliseconds of its post.
    pub at_ms: u64,
}

impl Comparison {
    /// Whether the lead was there before; `seen` finds the leads that share a hash.
    pub fn finds<E>(
        &self,
        subject: &Subject,
        mut seen: impl FnMut(&Digest) -> Result<Vec<Seen>, E>,
    ) -> Result<bool, E> {
        match self.matching {
            Matching::Any => {
                for hash in self.hashes.iter().flatten() {
                    if seen(hash)?
                        .iter()
                        .any(|other| self.is_before(subject, other))
                    {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Matching::All => {
                let mut common: Option<Vec<OrderId>> = None;
                for hash in &self.hashes {
                    let Some(hash) = hash else { return Ok(false) };
                    let sharing: Vec<OrderId> = seen(hash)?
                        .into_iter()
                        .filter(|other| self.is_before(subject, other))
                        .map(|other| other.order)
                        .filter(|order| common.as_ref().is_none_or(|common| common.contains(order)))
                        .collect();
                    if sharing.is_empty() {
                        return Ok(false);
                    }
                    common = Some(sharing);
                }
                Ok(common.is_some())
            }
        }
    }

    /// Whether that lead counts against this one.
    fn is_before(&self, subject: &Subject, other: &Seen) -> bool {
        let whose = match &self.among {
            Among::Scope(DuplicateScope::Market) => true,
            Among::Scope(DuplicateScope::Supplier) => other.supplier == subject.supplier,
            Among::Scope(DuplicateScope::Campaign) => other.campaign == subject.campaign,
            Among::Account(account) => other.accounts.contains(account),
        };
        let remembered = subject.at_ms.saturating_sub(other.at_ms) < self.within_ms;
        other.order != subject.order && whose && remembered
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible};

    use proptest::{
        collection::{btree_map, vec},
        prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest},
    };

    use super::*;
    use crate::{
        ids::Ulid,
        model::DuplicateScope::{Campaign, Market, Supplier},
    };

    const NOW_MS: u64 = 1_700_000_000_000;
    const DAY_MS: u64 = 86_400_000;

    fn hash(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn order(number: u64) -> OrderId {
        OrderId(Ulid::from_parts(number, 0))
    }

    /// A lead of SunLeads' that was seen a day ago, and is with `sunco-west`.
    fn seen(number: u64) -> Seen {
        Seen {
            order: order(number),
            campaign: "solar-west".parse().unwrap(),
            supplier: "sunleads".parse().unwrap(),
            at_ms: NOW_MS - DAY_MS,
            accounts: vec!["sunco-west".parse().unwrap()],
        }
    }

    fn subject() -> Subject {
        Subject {
            order: order(1000),
            campaign: "solar-west".parse().unwrap(),
            supplier: "sunleads".parse().unwrap(),
            at_ms: NOW_MS,
        }
    }

    /// Compared by these values, for thirty days, among all.
    fn comparing(matching: Matching, values: &[Option<&str>]) -> Comparison {
        Comparison {
            among: Among::Scope(DuplicateScope::Market),
            matching,
            hashes: values.iter().map(|value| value.map(hash)).collect(),
            within_ms: 30 * DAY_MS,
        }
    }

    /// Which leads share which values.
    type Known<'a> = &'a [(&'a str, Vec<Seen>)];

    fn finds(comparison: &Comparison, known: Known<'_>) -> bool {
        let known: BTreeMap<Digest, Vec<Seen>> = known
            .iter()
            .map(|(value, seen)| (hash(value), seen.clone()))
            .collect();
        let look =
            |hash: &Digest| Ok::<_, Infallible>(known.get(hash).cloned().unwrap_or_default());
        comparison.finds(&subject(), look).unwrap()
    }

    #[test]
    fn with_any_one_equal_field_is_enough_and_with_all_one_lead_must_have_every_one() {
        let both = [Some("phone"), Some("email")];
        let (any, all) = (
            comparing(Matching::Any, &both),
            comparing(Matching::All, &both),
        );
        let one: Known<'_> = &[("email", vec![seen(1)])];
        assert!(finds(&any, one) && !finds(&all, one));
        let same: Known<'_> = &[("phone", vec![seen(2), seen(1)]), ("email", vec![seen(1)])];
        assert!(finds(&any, same) && finds(&all, same));
        // Each field is another lead's: together they are nobody's.
        let two: Known<'_> = &[("phone", vec![seen(1)]), ("email", vec![seen(2)])];
        assert!(finds(&any, two) && !finds(&all, two));
        assert!(!finds(&any, &[]) && !finds(&all, &[]));
    }

    #[test]
    fn an_absent_value_equals_nothing() {
        let known: Known<'_> = &[("phone", vec![seen(1)])];
        assert!(finds(
            &comparing(Matching::Any, &[None, Some("phone")]),
            known
        ));
        assert!(!finds(
            &comparing(Matching::All, &[Some("phone"), None]),
            known
        ));
        for matching in [Matching::Any, Matching::All] {
            assert!(!finds(&comparing(matching, &[None, None]), known));
            assert!(!finds(&comparing(matching, &[]), known));
        }
    }

    #[test]
    fn a_lead_is_compared_with_those_of_its_scope() {
        let other_campaign = Seen {
            campaign: "solar-east".parse().unwrap(),
            ..seen(1)
        };
        let other_supplier = Seen {
            supplier: "sunnyside".parse().unwrap(),
            ..other_campaign.clone()
        };
        let found = |among: Among| {
            let comparison = Comparison {
                among,
                ..comparing(Matching::Any, &[Some("phone")])
            };
            [seen(1), other_campaign.clone(), other_supplier.clone()]
                .map(|seen| finds(&comparison, &[("phone", vec![seen])]))
        };
        assert_eq!(found(Among::Scope(Campaign)), [true, false, false]);
        assert_eq!(found(Among::Scope(Supplier)), [true, true, false]);
        assert_eq!(found(Among::Scope(Market)), [true, true, true]);
    }

    #[test]
    fn an_accounts_own_leads_are_those_that_it_has_or_may_have() {
        let own = Comparison {
            among: Among::Account("sunco-west".parse().unwrap()),
            ..comparing(Matching::Any, &[Some("phone")])
        };
        let of_nobody = Seen {
            accounts: vec!["brightroof".parse().unwrap()],
            ..seen(1)
        };
        assert!(finds(&own, &[("phone", vec![seen(1)])]));
        assert!(!finds(&own, &[("phone", vec![of_nobody])]));
    }

    #[test]
    fn a_lead_is_remembered_for_so_long_and_no_longer() {
        let aged = |age_ms| Seen {
            at_ms: NOW_MS - age_ms,
            ..seen(1)
        };
        let comparison = comparing(Matching::All, &[Some("phone")]);
        assert!(finds(
            &comparison,
            &[("phone", vec![aged(30 * DAY_MS - 1)])]
        ));
        assert!(!finds(&comparison, &[("phone", vec![aged(30 * DAY_MS)])]));
        // Two at once: whose post came first does not matter, who was reserved first does.
        let later = Seen {
            at_ms: NOW_MS + 5,
            ..seen(1)
        };
        assert!(finds(&comparison, &[("phone", vec![later])]));
    }

    #[test]
    fn no_lead_is_a_duplicate_of_itself() {
        for matching in [Matching::Any, Matching::All] {
            let comparison = comparing(matching, &[Some("phone")]);
            assert!(!finds(&comparison, &[("phone", vec![seen(1000)])]));
            assert!(finds(&comparison, &[("phone", vec![seen(1000), seen(1)])]));
        }
    }

    #[test]
    fn who_cannot_look_does_not_say_no() {
        for matching in [Matching::Any, Matching::All] {
            let comparison = comparing(matching, &[Some("phone")]);
            let found = comparison.finds(&subject(), |_| Err::<Vec<Seen>, _>("unreadable"));
            assert_eq!(found, Err("unreadable"));
        }
    }

    /// A lead of few values: which it has at each of three places.
    fn leads() -> impl Strategy<Value = (Seen, BTreeMap<usize, u8>)> {
        let whose = (0..3_u64, 0..3_u8, 0..2_u8, 0..40_u64, 0..3_u8);
        let values = btree_map(0..3_usize, 0..3_u8, 0..=3);
        (whose, values).prop_map(|((number, campaign, supplier, age, account), values)| {
            let seen = Seen {
                // One of the orders is the subject's own.
                order: order(if number == 0 { 1000 } else { number }),
                campaign: ["solar-west", "b", "c"][usize::from(campaign)]
                    .parse()
                    .unwrap(),
                supplier: ["sunleads", "b"][usize::from(supplier)].parse().unwrap(),
                at_ms: NOW_MS - age * DAY_MS,
                accounts: [
                    vec![],
                    vec!["sunco-west".parse().unwrap()],
                    vec!["b".parse().unwrap()],
                ][usize::from(account)]
                .clone(),
            };
            (seen, values)
        })
    }

    proptest! {
        /// A plain look at every lead there is.
        #[test]
        fn a_duplicate_is_what_a_look_at_every_lead_finds(
            mut others in vec(leads(), 0..5),
            own in btree_map(0..3_usize, 0..3_u8, 0..=3),
            fields in proptest::sample::subsequence(vec![0, 1, 2], 0..=3),
            all in any::<bool>(),
            among in prop_oneof![
                proptest::sample::select(vec![DuplicateScope::Campaign, DuplicateScope::Supplier, DuplicateScope::Market]).prop_map(Among::Scope),
                proptest::strategy::Just(Among::Account("sunco-west".parse().unwrap())),
            ],
        ) {
            // Each lead has one order of its own.
            others.sort_by_key(|(seen, _)| seen.order);
            others.dedup_by_key(|(seen, _)| seen.order);
            let name = |field: usize, value: u8| hash(&format!("{field} {value}"));
            let comparison = Comparison {
                among: among.clone(),
                matching: if all { Matching::All } else { Matching::Any },
                hashes: fields.iter().map(|field| Some(name(*field, *own.get(field)?))).collect(),
                within_ms: 30 * DAY_MS,
            };
            let look = |hash: &Digest| {
                let sharing = others.iter().filter(|(_, values)| values.iter().any(|(field, value)| name(*field, *value) == *hash));
                Ok::<_, Infallible>(sharing.map(|(seen, _)| seen.clone()).collect::<Vec<_>>())
            };
            let plain = others.iter().any(|(seen, values)| {
                let subject = subject();
                let compared = match &among {
                    Among::Scope(DuplicateScope::Campaign) => seen.campaign == subject.campaign,
                    Among::Scope(DuplicateScope::Supplier) => seen.supplier == subject.supplier,
                    Among::Scope(DuplicateScope::Market) => true,
                    Among::Account(account) => seen.accounts.contains(account),
                };
                let equal = |field: &usize| own.contains_key(field) && own.get(field) == values.get(field);
                let same = if all { !fields.is_empty() && fields.iter().all(equal) } else { fields.iter().any(equal) };
                compared && same && seen.order != subject.order && NOW_MS - seen.at_ms < 30 * DAY_MS
            });
            prop_assert_eq!(comparison.finds(&subject(), look), Ok(plain));
        }
    }
}
