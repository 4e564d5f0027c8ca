//! Whatever happens to an order, no hold outlives it and none is taken twice.

use std::collections::BTreeSet;

use super::{room::later, *};
use crate::room::{Owner, Period, Taking, Usage};

/// What may happen to an order from its quote on.
#[derive(Debug, Clone)]
enum Step {
    Expire,
    Claim,
    Refuse,
    Accept,
    Begin(u16, bool),
    End(u16, u8),
    Crash,
    SettleByHand(u16, bool),
    Retry(u16),
    Finish,
    Erase,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Expire),
        3 => Just(Step::Claim),
        1 => Just(Step::Refuse),
        3 => Just(Step::Accept),
        8 => (0..5_u16, any::<bool>()).prop_map(|(bid, next)| Step::Begin(bid, next)),
        8 => (0..5_u16, 0..6_u8).prop_map(|(bid, how)| Step::End(bid, how)),
        1 => Just(Step::Crash),
        2 => (0..5_u16, any::<bool>()).prop_map(|(bid, sold)| Step::SettleByHand(bid, sold)),
        2 => (0..5_u16).prop_map(Step::Retry),
        3 => Just(Step::Finish),
        1 => Just(Step::Erase),
    ]
}

/// One step, at a moment; whether it is one that may take room.
fn take(order: &mut Order, terms: &Terms, step: &Step, at_ms: u64) -> bool {
    let stop_or = |next| {
        if next {
            OnUnconfirmed::Next
        } else {
            OnUnconfirmed::Stop
        }
    };
    match *step {
        Step::Expire => drop(order.expire(at_ms, true)),
        Step::Claim => {
            if order.claim(claim(false)).is_ok() {
                order.take_campaign_room(at_ms);
            }
            return true;
        }
        Step::Refuse => drop(order.refuse(RejectReason::NoCoverage, at_ms)),
        Step::Accept => drop(order.accept(at_ms)),
        Step::Begin(bid, next) => {
            let _ = order.begin(bid, stop_or(next), at_ms, at_ms);
            return true;
        }
        Step::End(bid, how) => {
            let end = match how {
                0 => accepted(),
                1 => End::Accepted {
                    price: Some(money("3.33")),
                },
                2 => rejected(),
                3 => unconfirmed(),
                4 => End::PassedOver {
                    outcome: Outcome::Filtered,
                    code: None,
                },
                _ => later(),
            };
            drop(order.end(bid, end, OnUnconfirmed::Next, at_ms));
        }
        Step::Crash => drop(order.give_up_in_flight(at_ms)),
        Step::SettleByHand(bid, sold) => {
            drop(order.settle_by_hand(bid, sold.then_some(None), terms, at_ms));
        }
        Step::Retry(bid) => drop(order.retry_by_hand(bid, at_ms)),
        Step::Finish => finish(order, terms, at_ms),
        Step::Erase => order.erase(at_ms),
    }
    false
}

/// What a host does with an order for which there is nothing more to try.
fn finish(order: &mut Order, terms: &Terms, at_ms: u64) {
    match order.state {
        OrderState::Posting => {
            order
                .settle(RejectReason::NotDelivered, terms, at_ms)
                .expect("posting");
        }
        OrderState::Accepted if order.next(terms, &[], at_ms) == Next::Done => {
            order.finish(terms, at_ms).expect("accepted");
        }
        _ => {}
    }
}

/// Everything that is still open is brought to its end.
fn wind_up(order: &mut Order, terms: &Terms) -> Vec<Taking> {
    let at_ms = NOW_MS + 20_000_000;
    let _ = order.expire(at_ms, true);
    order.give_up_in_flight(at_ms);
    if order.state == OrderState::Posting {
        finish(order, terms, at_ms);
    }
    for bid in 0..5 {
        drop(order.settle_by_hand(bid, None, terms, at_ms));
    }
    if order.state == OrderState::Accepted {
        // What waits to be tried again would go on: it is given up first.
        let waits = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Retrying(_));
        if order.deliveries().iter().any(waits) {
            order.erase(at_ms);
        }
        order.finish(terms, at_ms).expect("accepted");
    }
    order.takings()
}

fn offers() -> impl Strategy<Value = Vec<(u8, u32, bool, bool)>> {
    prop::collection::vec((0..4_u8, 10..40_u32, any::<bool>(), any::<bool>()), 1..6)
}

proptest! {
    /// As the store does it: each step changes what is counted by the difference of what the
    /// order took before and what it takes after.
    #[test]
    fn room_is_taken_only_where_something_begins_and_no_hold_outlives_its_order(
        hands in 1..4_u32,
        offers in offers(),
        at_post in any::<bool>(),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let terms = terms(hands, CostModel::PerSale(money("5")));
        let hold = |at_post| if at_post { HoldAt::Post } else { HoldAt::Quote };
        let bids = offers.iter().enumerate().map(|(at, (buyer, amount, exclusive, at_post))| Bid {
            hold: hold(*at_post),
            ..bid(&format!("a{at}"), &format!("b{buyer}"), &amount.to_string(), *exclusive)
        });
        let mut order = Order { hold: hold(at_post), ..quoted(&terms, bids.collect()) };
        let zone = jiff::tz::TimeZone::UTC;
        let mut counted: BTreeMap<Owner, Usage> = BTreeMap::new();
        let mut before: Vec<Taking> = Vec::new();
        let mut change = |before: &[Taking], after: &[Taking]| {
            for owner in before.iter().chain(after).map(|taking| &taking.owner) {
                let of = |takings: &[Taking]| takings.iter().filter(|taking| taking.owner == *owner).cloned().collect::<Vec<_>>();
                let (before, after) = (of(before), of(after));
                assert!(before.len() <= 1 && after.len() <= 1, "an owner is taken of once");
            }
            let owners: BTreeSet<&Owner> = before.iter().chain(after).map(|taking| &taking.owner).collect();
            for owner in owners {
                let of = |takings: &[Taking]| takings.iter().find(|taking| taking.owner == *owner).cloned();
                let usage = counted.entry(owner.clone()).or_default();
                match (of(before), of(after)) {
                    (Some(before), after) => {
                        let moment = after.as_ref().map_or(before.at_ms, |after| after.at_ms);
                        assert_eq!(moment, before.at_ms, "room is taken once, not moved");
                        usage.change(&before, after.as_ref());
                    }
                    (None, Some(after)) => usage.take(&after, &zone),
                    (None, None) => {}
                }
            }
            let all: u64 = counted.values().map(|usage| usage.counted(Period::Total, NOW_MS).taken()).sum();
            assert_eq!(all, after.len() as u64);
        };
        change(&before, &order.takings());
        before = order.takings();
        for (number, step) in steps.iter().enumerate() {
            let may_take = take(&mut order, &terms, step, NOW_MS + 10 + number as u64);
            let after = order.takings();
            let new = after.iter().find(|taking| !before.iter().any(|other| other.owner == taking.owner));
            prop_assert!(may_take || new.is_none(), "{step:?} takes {new:?}");
            let held = after.iter().filter(|taking| !taking.sold && matches!(taking.owner, Owner::Account(_))).count();
            prop_assert!(order.is_being_delivered() || order.state == OrderState::Open || held <= hands as usize);
            // Who has the lead, or may have it, has room.
            let with_it = order.deliveries().iter().filter(|delivery| delivery.state.holds_a_place());
            for delivery in with_it {
                let owner = Owner::Account(delivery.account.clone());
                let sold = delivery.state == DeliveryState::Sold;
                prop_assert!(after.iter().any(|taking| taking.owner == owner && taking.sold == sold));
                let (seen, _) = order.seen().expect("remembered");
                prop_assert!(seen.accounts.contains(&delivery.account));
            }
            change(&before, &after);
            before = after;
        }
        let left = wind_up(&mut order, &terms);
        change(&before, &left);
        prop_assert!(left.iter().all(|taking| taking.sold), "{left:?}");
        let accounts = left.iter().filter(|taking| matches!(taking.owner, Owner::Account(_)));
        let amounts: Vec<Money> = accounts.map(|taking| taking.amount).collect();
        prop_assert_eq!(amounts.len(), order.sales() as usize);
        prop_assert_eq!(amounts.iter().copied().sum::<Money>(), order.sold_revenue());
        let campaign = left.iter().any(|taking| matches!(taking.owner, Owner::Campaign(_)));
        prop_assert_eq!(campaign, order.state == OrderState::Accepted || order.sales() > 0);
    }
}
