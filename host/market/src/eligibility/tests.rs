//! Claims about the index.

use proptest::{
    collection::{btree_map, vec},
    prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
};

use super::{
    testing::{FIELDS, account, campaign, date, decimal, lead, market, value},
    *,
};
use crate::{
    criteria::{Test, whole_value},
    field::Value,
    ids::AccountId,
    lead::PingLead,
    model::{Campaign, Group},
    reason::Outcome,
    schedule::{Schedule, Window},
};

/// A Monday, 12:00 in New York.
const NOON_MS: u64 = 1_772_470_800_000;

fn index(accounts: &[Arc<Account>]) -> Eligibility {
    Eligibility::of(&"solar".parse().unwrap(), accounts)
}

/// The names of the accounts whose criteria a ping meets.
fn matching(accounts: &[Arc<Account>], lead: &PingLead) -> Vec<String> {
    let found = index(accounts).matching(accounts, lead, Absent::Unknown);
    found
        .into_iter()
        .map(|ix| accounts[ix.0 as usize].id.to_string())
        .collect()
}

/// What the index must be equal to.
fn by_loop(accounts: &[Arc<Account>], lead: &PingLead, absent: Absent) -> Vec<AccountIx> {
    let all = (0..).map(AccountIx).zip(accounts);
    all.filter(|(_, account)| {
        account.lead_type == lead.lead_type().id && account.status == AccountStatus::Active
    })
    .filter(|(_, account)| first_failed(&account.criteria, lead, absent).is_none())
    .map(|(ix, _)| ix)
    .collect()
}

/// What becomes of one account at noon.
fn outcome_of(
    campaign: &Campaign,
    account: &Account,
    lead: &PingLead,
    absent: Absent,
) -> Option<(Outcome, Option<usize>)> {
    market(vec![]).outcome_of(campaign, account, lead, absent, NOON_MS)
}

/// A campaign with a group of these accounts.
fn delivering_to<'a>(members: impl IntoIterator<Item = &'a str>) -> Campaign {
    let members = members.into_iter().map(|name| name.parse().unwrap());
    Campaign {
        delivers_to: Some(Group {
            id: "west".parse().unwrap(),
            members: Arc::new(members.collect::<std::collections::BTreeSet<AccountId>>()),
        }),
        ..campaign()
    }
}

/// From one hour to another, every day.
fn hours(from: u16, to: u16) -> Schedule {
    Schedule {
        windows: vec![Window {
            days: [true; 7],
            from: from * 60,
            to: to * 60,
        }],
    }
}

#[test]
fn an_account_that_is_not_active_has_an_outcome_but_is_never_asked() {
    let paused = Arc::new(Account {
        status: AccountStatus::Paused,
        ..account("a", vec![])
    });
    let accounts = [paused, Arc::new(account("b", vec![]))];
    assert_eq!(index(&accounts).members(), [AccountIx(0), AccountIx(1)]);
    assert_eq!(matching(&accounts, &lead([])), ["b"]);
    assert_eq!(
        outcome_of(&campaign(), &accounts[0], &lead([]), Absent::Unknown),
        Some((Outcome::NotActive, None))
    );
}

#[test]
fn an_account_of_another_lead_type_does_not_belong() {
    let other = Account {
        lead_type: "roof".parse().unwrap(),
        ..account("a", vec![])
    };
    let accounts = [Arc::new(other), Arc::new(account("b", vec![]))];
    assert_eq!(index(&accounts).members(), [AccountIx(1)]);
    assert_eq!(matching(&accounts, &lead([])), ["b"]);
}

#[test]
fn what_a_record_does_not_store_is_derived_again_with_the_field() {
    let picky = account(
        "a",
        vec![
            (0, Test::In(vec![value("CA")])),
            (1, Test::Min(decimal("100"))),
        ],
    );
    let ping = lead([(0, value("CA")), (1, decimal("99"))]);
    assert_eq!(
        outcome_of(&campaign(), &picky, &ping, Absent::Unknown),
        Some((Outcome::Criteria, Some(1)))
    );
    assert_eq!(
        outcome_of(&campaign(), &picky, &lead([]), Absent::Unknown),
        None
    );
    assert_eq!(
        outcome_of(&campaign(), &picky, &lead([]), Absent::Fails),
        Some((Outcome::Criteria, Some(0)))
    );
}

#[test]
fn the_first_check_that_fails_names_the_outcome_status_group_schedule_criteria() {
    let nobody = delivering_to([]);
    let mut account = Account {
        status: AccountStatus::Paused,
        schedule: Some(hours(8, 12)),
        ..account("a", vec![(0, Test::Present(true))])
    };
    let ask = |campaign: &Campaign, account: &Account| {
        outcome_of(campaign, account, &lead([]), Absent::Fails).map(|(outcome, _)| outcome)
    };
    assert_eq!(ask(&nobody, &account), Some(Outcome::NotActive));
    account.status = AccountStatus::Active;
    assert_eq!(ask(&nobody, &account), Some(Outcome::NotInGroup));
    let members = delivering_to(["a"]);
    assert_eq!(ask(&members, &account), Some(Outcome::OutsideSchedule));
    account.schedule = Some(hours(8, 13));
    assert_eq!(ask(&members, &account), Some(Outcome::Criteria));
    account.criteria.clear();
    assert_eq!(ask(&members, &account), None);
}

#[test]
fn a_schedule_goes_by_the_buyers_clocks_and_caps_do_too() {
    let account = |buyer: &str| Account {
        buyer: buyer.parse().unwrap(),
        schedule: Some(hours(12, 13)),
        ..account(buyer, vec![])
    };
    // The second buyer has no clocks of its own: the market's, where it is 17:00.
    let market = market(vec![Arc::new(account("sunco")), Arc::new(account("other"))]);
    let found = market.to_ask(&campaign(), &lead([]), Absent::Unknown, NOON_MS);
    assert_eq!(found, [AccountIx(1)]);
    let zones: Vec<_> = market
        .accounts
        .iter()
        .map(|account| market.room_of_account(account).zone)
        .collect();
    assert_eq!(zones[0], market.timezone);
    assert_eq!(zones[1].iana_name(), Some("America/New_York"));
    assert_eq!(market.room_of_campaign(&campaign()).zone, market.timezone);
}

#[test]
fn ten_of_ten_thousand_are_found_without_a_look_at_the_others() {
    // Every account names a bill of its own from which on it buys, and a postal code.
    let accounts: Vec<_> = (0..10_000)
        .map(|number| {
            let zip = Test::In(vec![value(&format!("{:05}", number / 10))]);
            let bill = Test::Min(Value::Integer(number));
            Arc::new(account(&format!("a{number}"), vec![(0, zip), (2, bill)]))
        })
        .collect();
    let index = index(&accounts);
    let ping = lead([(0, value("00042")), (2, Value::Integer(424))]);
    let found = index.matching(&accounts, &ping, Absent::Fails);
    assert_eq!(found, (420..=424).map(AccountIx).collect::<Vec<_>>());
    // The answer does not come from the accounts: none of their criteria needs a second look.
    assert_eq!(index.matching(&[], &ping, Absent::Fails), found);
}

#[test]
fn bounds_are_found_across_any_number_of_accounts() {
    for number in [1, 63, 64, 65, 128, 200] {
        let bounds = |side: fn(Value) -> Test| -> Vec<_> {
            let one = |bound| {
                Arc::new(account(
                    &format!("a{bound}"),
                    vec![(2, side(Value::Integer(bound)))],
                ))
            };
            (0..number).map(one).collect()
        };
        for accounts in [bounds(Test::Min), bounds(Test::Max)] {
            let index = index(&accounts);
            for panels in -1..=number {
                let ping = lead([(2, Value::Integer(panels))]);
                let found = index.matching(&accounts, &ping, Absent::Unknown);
                assert_eq!(
                    found,
                    by_loop(&accounts, &ping, Absent::Unknown),
                    "{panels} of {number}"
                );
            }
        }
    }
}

/// A value that a field of this place may have; few, so that criteria meet leads often.
fn value_at(field: usize) -> proptest::strategy::BoxedStrategy<Value> {
    match field {
        0 => proptest::sample::select(vec!["CA", "CO", "NV", "AZ", "Ä", ""])
            .prop_map(value)
            .boxed(),
        1 => (0_u8..6)
            .prop_map(|half| decimal(&format!("{}.{}", half / 2, half % 2 * 5)))
            .boxed(),
        2 => (-2_i64..4).prop_map(Value::Integer).boxed(),
        3 => any::<bool>().prop_map(Value::Flag).boxed(),
        _ => (1_u8..6)
            .prop_map(|day| date(&format!("2026-03-0{day}")))
            .boxed(),
    }
}

fn values_at(field: usize) -> impl Strategy<Value = Vec<Value>> {
    vec(value_at(field), 0..4).prop_map(|mut values| {
        values.sort();
        values
    })
}

/// A condition on a field; also such as a market file would refuse, such as bounds on text.
fn criterion() -> impl Strategy<Value = (usize, Test)> {
    let prefixes = vec(
        proptest::sample::select(vec!["", "C", "CA", "N", "1", "2026-03-0", "t", "Ä"]),
        0..3,
    );
    // Compiled once: an expression is dear to compile and cheap to clone.
    let patterns = ["C.", ".*", "1|true", "[A-C]+"].map(|pattern| whole_value(pattern).unwrap());
    let patterns = proptest::sample::select(patterns.to_vec());
    (0..FIELDS, 0..FIELDS, prefixes, patterns).prop_flat_map(|(field, odd, prefixes, pattern)| {
        let prefixes = Test::Prefix(prefixes.into_iter().map(String::from).collect());
        let test = prop_oneof![
            values_at(field).prop_map(Test::In),
            values_at(field).prop_map(Test::NotIn),
            value_at(field).prop_map(Test::Min),
            value_at(field).prop_map(Test::Max),
            value_at(odd).prop_map(Test::Min),
            Just(prefixes),
            Just(Test::Matches(pattern)),
            any::<bool>().prop_map(Test::Present),
        ];
        (Just(field), test)
    })
}

/// Up to 150 accounts, so that sets have several words.
fn accounts() -> impl Strategy<Value = Vec<Account>> {
    let status = prop_oneof![8 => Just(AccountStatus::Active), 1 => Just(AccountStatus::Paused)];
    let lead_type = proptest::sample::select(vec!["solar", "solar", "solar", "roof"]);
    vec((vec(criterion(), 0..5), status, lead_type), 0..150).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        let account = |(number, (criteria, status, lead_type)): (usize, (_, _, &str))| Account {
            status,
            lead_type: lead_type.parse().unwrap(),
            ..account(&format!("a{number:03}"), criteria)
        };
        numbered.map(account).collect()
    })
}

fn leads() -> impl Strategy<Value = PingLead> {
    let entry = (0..FIELDS).prop_flat_map(|field| (Just(field), value_at(field)));
    vec(entry, 0..8).prop_map(lead)
}

proptest! {
    #[test]
    fn the_index_finds_what_a_loop_over_all_accounts_finds(accounts in accounts(), leads in vec(leads(), 1..8)) {
        let accounts: Vec<_> = accounts.into_iter().map(Arc::new).collect();
        let index = index(&accounts);
        for lead in &leads {
            for absent in [Absent::Unknown, Absent::Fails] {
                let found = index.matching(&accounts, lead, absent);
                prop_assert_eq!(&found, &by_loop(&accounts, lead, absent));
            }
        }
    }

    #[test]
    fn whoever_has_no_outcome_yet_is_asked_and_nobody_else(
        accounts in accounts(),
        in_group in proptest::option::of(vec(any::<bool>(), 150)),
        open in vec(prop_oneof![2 => Just(None), 1 => (0_u16..24, 1_u16..25).prop_map(Some)], 150),
        lead in leads(),
        at_ms in NOON_MS..NOON_MS + 7 * 86_400_000,
    ) {
        let accounts: Vec<_> = accounts.into_iter().zip(open).map(|(account, open)| {
            let schedule = open.filter(|(from, to)| from != to).map(|(from, to)| hours(from, to));
            Arc::new(Account { schedule, ..account })
        }).collect();
        let campaign = match in_group {
            None => campaign(),
            Some(chosen) => delivering_to(accounts.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(account, _)| account.id.as_str())),
        };
        let market = market(accounts);
        let members = market.eligibility["solar"].members();
        for absent in [Absent::Unknown, Absent::Fails] {
            let free = members.iter().copied().filter(|ix| {
                let account = market.account(*ix).unwrap();
                market.outcome_of(&campaign, account, &lead, absent, at_ms).is_none()
            });
            let found = market.to_ask(&campaign, &lead, absent, at_ms);
            prop_assert_eq!(found, free.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in(
        size in 0_usize..300,
        numbers in btree_map(0_usize..300, any::<bool>(), 0..60),
    ) {
        let mut set = bits::Bits::none(size);
        let mut posting = bits::Posting::default();
        let inside: Vec<usize> = numbers.keys().copied().filter(|number| *number < size).collect();
        for number in &inside {
            set.insert(*number);
            posting.push(*number, size);
        }
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), inside.clone());
        prop_assert!(inside.iter().all(|number| set.contains(*number)));
        let mut same = bits::Bits::none(size);
        posting.add_to(&mut same);
        prop_assert_eq!(&same, &set);
        let mut rest = bits::Bits::all(size);
        posting.take_from(&mut rest);
        prop_assert_eq!(rest.iter().count(), size - inside.len());
    }
}
