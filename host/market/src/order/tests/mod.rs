//! Claims about orders, from `rules.md`: The post, Orders, Money.

mod leaks;
mod room;

use proptest::prelude::*;

use super::*;
use crate::{
    auction::{self, Terms},
    ids::Ulid,
    ledger::{Entry, totals},
    model::{HoldAt, ProfitBase, RankBy, Requirements, Selection},
    room::Turn,
};

const NOW_MS: u64 = 1_700_000_000_000;
const WINDOW_MS: u64 = 300_000;

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn terms(max_deliveries: u32, cost: CostModel) -> Terms {
    Terms {
        selection: Selection {
            by: RankBy::Price,
            then: RankBy::Priority,
        },
        max_deliveries,
        cost,
        requirements: Requirements {
            min_deliveries: 1,
            min_revenue: None,
            min_profit: None,
            min_profit_percent: None,
            profit_percent_of: ProfitBase::Revenue,
            allow_loss: false,
        },
        min_bid: None,
    }
}

fn bid(account: &str, buyer: &str, amount: &str, exclusive: bool) -> Bid {
    Bid {
        account: account.parse().expect("a name"),
        buyer: buyer.parse().expect("a name"),
        amount: money(amount),
        reference: None,
        priority: 100,
        exclusive,
        turn: Turn::default(),
        hold: HoldAt::Quote,
    }
}

fn quoted(terms: &Terms, bids: Vec<Bid>) -> Order {
    let bids = auction::rank(terms, bids);
    let quote = auction::decide(terms, &bids).verdict.expect("a quote");
    Order {
        id: OrderId(Ulid::from_parts(NOW_MS, 1)),
        campaign: "solar".parse().expect("a name"),
        supplier: "sunleads".parse().expect("a name"),
        revision: 1,
        digests: BTreeMap::new(),
        received_at_ms: NOW_MS,
        expires_at_ms: NOW_MS + WINDOW_MS,
        room_at_ms: NOW_MS,
        hold: HoldAt::Quote,
        test: false,
        lead: Vec::new(),
        sub_id: None,
        min_bid: None,
        bids,
        quote,
        cost: terms.cost,
        max_deliveries: terms.max_deliveries,
        state: OrderState::Open,
        post: None,
    }
}

fn claim(waits: bool) -> Claim {
    Claim {
        received_at_ms: NOW_MS + 1,
        waits_until_ms: waits.then_some(NOW_MS + 20_000),
        lead_hash: Digest::of(b"a lead"),
        lead: Vec::new(),
        fingerprints: Vec::new(),
        warnings: Vec::new(),
    }
}

fn rejected() -> End {
    End::Rejected { code: None }
}

fn unconfirmed() -> End {
    End::Unconfirmed { code: None }
}

fn accepted() -> End {
    End::Accepted { price: None }
}

/// Begins and ends one delivery.
fn deliver(order: &mut Order, bid: u16, end: End) -> Vec<Entry> {
    order
        .begin(bid, OnUnconfirmed::Stop, NOW_MS + 2, NOW_MS + 2)
        .expect("may begin");
    order
        .end(bid, end, OnUnconfirmed::Stop, NOW_MS + 3)
        .expect("may end")
}

fn per_lead() -> CostModel {
    CostModel::PerLead(money("10"))
}

fn two_exclusive(waits: bool) -> (Terms, Order) {
    let terms = terms(1, per_lead());
    let mut order = quoted(
        &terms,
        vec![bid("a", "a", "20", false), bid("b", "b", "15", false)],
    );
    order.claim(claim(waits)).expect("open");
    (terms, order)
}

#[test]
fn one_claim_has_the_order() {
    let (_, mut order) = two_exclusive(true);
    assert_eq!(order.claim(claim(true)), Err(ClaimRefused::Posting));
}

#[test]
fn an_order_past_its_window_is_not_claimed_and_one_in_it_does_not_expire() {
    let terms = terms(1, per_lead());
    let mut order = quoted(&terms, vec![bid("a", "a", "20", false)]);
    assert_eq!(order.expire(NOW_MS, false), Err(NotOpen));
    let late = Claim {
        received_at_ms: order.expires_at_ms,
        ..claim(true)
    };
    assert_eq!(order.claim(late), Err(ClaimRefused::Expired));
    order.expire(NOW_MS + WINDOW_MS, false).expect("due");
    assert_eq!(order.claim(claim(true)), Err(ClaimRefused::Expired));
}

#[test]
fn an_order_being_posted_does_not_expire() {
    let (_, mut order) = two_exclusive(true);
    assert_eq!(order.expire(u64::MAX, true), Err(NotOpen));
}

#[test]
fn a_rejection_falls_back_to_the_next_bid_while_the_quote_still_pays() {
    let (terms, mut order) = two_exclusive(true);
    assert_eq!(order.next(&terms, &[], NOW_MS + 2), Next::Deliver(vec![0]));
    deliver(&mut order, 0, rejected());
    assert_eq!(order.next(&terms, &[], NOW_MS + 4), Next::Deliver(vec![1]));
    deliver(&mut order, 1, accepted());
    assert_eq!(order.next(&terms, &[], NOW_MS + 5), Next::Done);
    let entries = order
        .settle(RejectReason::NotDelivered, &terms, NOW_MS + 6)
        .expect("posting");
    assert_eq!(order.state, OrderState::Sold);
    assert_eq!(totals(&entries), (money("15"), money("10")));
}

#[test]
fn a_fallback_below_the_promised_cost_is_not_tried() {
    let terms = terms(1, CostModel::RevenueShare("90".parse().expect("a number")));
    let mut order = quoted(
        &terms,
        vec![bid("a", "a", "20", false), bid("b", "b", "15", false)],
    );
    order.claim(claim(true)).expect("open");
    deliver(&mut order, 0, rejected());
    // 18 was promised on 20; selling at 15 would lose 3.
    assert_eq!(order.next(&terms, &[], NOW_MS + 4), Next::Done);
    let entries = order
        .settle(RejectReason::NotDelivered, &terms, NOW_MS + 5)
        .expect("posting");
    assert_eq!(
        order.post.as_ref().and_then(|post| post.answer.clone()),
        Some(PostAnswer::Rejected {
            reason: RejectReason::NotDelivered
        })
    );
    assert!(entries.is_empty());
}

#[test]
fn an_unconfirmed_delivery_stops_everything_until_it_is_settled() {
    let (terms, mut order) = two_exclusive(true);
    deliver(&mut order, 0, unconfirmed());
    assert_eq!(order.next(&terms, &[], NOW_MS + 4), Next::Done);
    assert_eq!(
        order.begin(1, OnUnconfirmed::Stop, NOW_MS + 4, NOW_MS + 4),
        Err(BeginRefused::Stopped)
    );
    order
        .settle(RejectReason::NotDelivered, &terms, NOW_MS + 5)
        .expect("posting");
    let answer = order.post.as_ref().and_then(|post| post.answer.clone());
    assert_eq!(
        answer,
        Some(PostAnswer::Rejected {
            reason: RejectReason::DeliveryUnconfirmed
        })
    );
    let entries = order
        .settle_by_hand(0, Some(None), &terms, NOW_MS + 6)
        .expect("unconfirmed");
    // The supplier was told `rejected`: revenue alone.
    assert_eq!(totals(&entries), (money("20"), Money::ZERO));
    assert_eq!(
        order.delivery(0).map(|delivery| delivery.marks.clone()),
        Some(vec![Mark::UnpaidSupplier])
    );
    assert_eq!(
        order.settle_by_hand(0, None, &terms, NOW_MS + 7),
        Err(SettleRefused::AlreadySettled)
    );
}

#[test]
fn even_next_never_gives_an_unconfirmed_leads_own_place_away() {
    let (_, mut order) = two_exclusive(true);
    order
        .begin(0, OnUnconfirmed::Next, NOW_MS + 2, NOW_MS + 2)
        .expect("may begin");
    order
        .end(0, unconfirmed(), OnUnconfirmed::Next, NOW_MS + 3)
        .expect("in flight");
    assert_eq!(
        order.begin(1, OnUnconfirmed::Next, NOW_MS + 4, NOW_MS + 4),
        Err(BeginRefused::NoPlace)
    );
}

#[test]
fn settling_an_accepted_leads_delivery_as_not_sold_lets_it_go_on() {
    let (terms, mut order) = two_exclusive(false);
    let owed_at_once = order.accept(NOW_MS + 1).expect("posting");
    assert_eq!(totals(&owed_at_once), (Money::ZERO, money("10")));
    deliver(&mut order, 0, unconfirmed());
    assert_eq!(order.next(&terms, &[], NOW_MS + 4), Next::Parked);
    assert!(
        order
            .settle_by_hand(0, None, &terms, NOW_MS + 5)
            .expect("unconfirmed")
            .is_empty()
    );
    assert_eq!(order.next(&terms, &[], NOW_MS + 6), Next::Deliver(vec![1]));
}

#[test]
fn a_partial_loss_is_one_in_the_end() {
    for (sold, marks) in [(true, vec![]), (false, vec![Mark::PartialLoss])] {
        let terms = terms(2, per_lead());
        let bids = vec![bid("a", "a", "6", false), bid("b", "b", "5", false)];
        let mut order = quoted(&terms, bids);
        order.claim(claim(true)).expect("open");
        deliver(&mut order, 0, accepted());
        deliver(&mut order, 1, unconfirmed());
        order
            .settle(RejectReason::NotDelivered, &terms, NOW_MS + 4)
            .expect("posting");
        let marked = |order: &Order| order.delivery(0).map(|delivery| delivery.marks.clone());
        assert_eq!(marked(&order), Some(vec![]), "a buyer may have it yet");
        order
            .settle_by_hand(1, sold.then_some(None), &terms, NOW_MS + 5)
            .expect("unconfirmed");
        assert_eq!(marked(&order), Some(marks));
    }
}

#[test]
fn a_price_above_the_bid_is_refused_when_settling_and_counts_as_the_bid_from_a_buyer() {
    let (terms, mut order) = two_exclusive(true);
    deliver(&mut order, 0, unconfirmed());
    assert_eq!(
        order.settle_by_hand(0, Some(Some(money("20.01"))), &terms, NOW_MS + 5),
        Err(SettleRefused::AboveBid)
    );
    let (_, mut order) = two_exclusive(true);
    deliver(
        &mut order,
        0,
        End::Accepted {
            price: Some(money("99")),
        },
    );
    assert_eq!(order.sold_revenue(), money("20"));
}

#[test]
fn a_buyer_that_pays_less_than_it_bid_is_marked() {
    let (_, mut order) = two_exclusive(true);
    deliver(
        &mut order,
        0,
        End::Accepted {
            price: Some(money("19")),
        },
    );
    assert_eq!(order.sold_revenue(), money("19"));
    assert_eq!(
        order.delivery(0).map(|delivery| delivery.marks.clone()),
        Some(vec![Mark::PriceCut])
    );
}

#[test]
fn an_unreachable_account_is_tried_again_later_and_not_past_a_deadline() {
    let (terms, mut order) = two_exclusive(false);
    order.accept(NOW_MS + 1).expect("posting");
    let later = End::Unreachable {
        retry_at_ms: Some(NOW_MS + 5_000),
        retries: true,
    };
    order
        .end(0, later, OnUnconfirmed::Stop, NOW_MS + 2)
        .expect("not begun");
    // The other bid takes the place meanwhile.
    assert_eq!(order.next(&terms, &[], NOW_MS + 3), Next::Deliver(vec![1]));
    deliver(&mut order, 1, rejected());
    assert_eq!(
        order.next(&terms, &[], NOW_MS + 4),
        Next::RetryAt(NOW_MS + 5_000)
    );
    assert_eq!(
        order.next(&terms, &[], NOW_MS + 5_000),
        Next::Deliver(vec![0])
    );
    let used_up = End::Unreachable {
        retry_at_ms: None,
        retries: true,
    };
    order
        .end(0, used_up, OnUnconfirmed::Stop, NOW_MS + 5_001)
        .expect("retrying");
    assert_eq!(order.next(&terms, &[], NOW_MS + 6_000), Next::Done);
    assert_eq!(
        order.delivery(0).map(|delivery| delivery.state),
        Some(DeliveryState::Failed)
    );
    // An operator is quicker than whoever was about to end it: it goes on.
    order.retry_by_hand(0, NOW_MS + 6_001).expect("failed");
    let mut out = order.clone();
    out.begin(0, OnUnconfirmed::Stop, NOW_MS + 6_002, NOW_MS + 6_002)
        .expect("tried again");
    assert_eq!(
        out.finish(&terms, NOW_MS + 6_003),
        Err(BeginRefused::AlreadyTried),
        "what is out is waited for"
    );
    assert_eq!(
        order.finish(&terms, NOW_MS + 6_002),
        Err(BeginRefused::AlreadyTried)
    );
    assert_eq!(
        order.next(&terms, &[], NOW_MS + 6_002),
        Next::Deliver(vec![0])
    );
}

#[test]
fn a_retry_that_is_due_waits_for_nobody_who_holds_another_place() {
    let terms = terms(2, per_lead());
    let bids = vec![bid("a", "a", "20", false), bid("b", "b", "15", false)];
    let mut order = quoted(&terms, bids);
    order.claim(claim(true)).expect("open");
    order
        .begin(0, OnUnconfirmed::Stop, NOW_MS + 2, NOW_MS + 2)
        .expect("may begin");
    let later = End::Unreachable {
        retry_at_ms: Some(NOW_MS + 1_000),
        retries: true,
    };
    order
        .end(1, later, OnUnconfirmed::Stop, NOW_MS + 2)
        .expect("not begun");
    let next = order.next(&terms, &[], NOW_MS + 3);
    assert_eq!(next, Next::RetryAt(NOW_MS + 1_000), "the first is out");
    let next = order.next(&terms, &[], NOW_MS + 1_000);
    assert_eq!(next, Next::Deliver(vec![1]));
}

#[test]
fn what_an_operator_asks_for_needs_a_place_and_no_requirement() {
    let terms = terms(2, CostModel::PerSale(money("15")));
    let bids = vec![bid("a", "a", "12", false), bid("b", "b", "8", false)];
    let mut order = quoted(&terms, bids);
    order.claim(claim(false)).expect("open");
    order.accept(NOW_MS + 1).expect("posting");
    deliver(&mut order, 0, rejected());
    let used_up = |retry_at_ms| End::Unreachable {
        retry_at_ms,
        retries: true,
    };
    order
        .end(1, used_up(None), OnUnconfirmed::Stop, NOW_MS + 4)
        .expect("not begun");
    // Alone it sells below what the lead costs.
    assert_eq!(order.next(&terms, &[], NOW_MS + 5), Next::Done);
    order.retry_by_hand(1, NOW_MS + 6).expect("failed");
    let next = order.next(&terms, &[], NOW_MS + 6);
    assert_eq!(next, Next::Deliver(vec![1]));
    // Without room in its caps it can be asked for again.
    let full = End::PassedOver {
        outcome: Outcome::LostRoom,
        code: None,
    };
    order
        .end(1, full, OnUnconfirmed::Stop, NOW_MS + 6)
        .expect("not begun");
    order.retry_by_hand(1, NOW_MS + 6).expect("failed");
    // Once: what follows by itself is as before.
    let again = used_up(Some(NOW_MS + 8));
    order
        .end(1, again, OnUnconfirmed::Stop, NOW_MS + 7)
        .expect("not begun");
    assert_eq!(order.next(&terms, &[], NOW_MS + 8), Next::Done);
}

#[test]
fn a_stale_try_never_overwrites_an_outcome() {
    let (_, mut order) = two_exclusive(true);
    deliver(&mut order, 0, accepted());
    let stale = [
        End::PassedOver {
            outcome: Outcome::Filtered,
            code: None,
        },
        End::Unreachable {
            retry_at_ms: Some(NOW_MS),
            retries: true,
        },
    ];
    for end in stale {
        let refused = order.end(0, end, OnUnconfirmed::Stop, NOW_MS + 4);
        assert_eq!(refused, Err(BeginRefused::AlreadyTried));
    }
    assert_eq!(order.sales(), 1);
}

#[test]
fn a_retry_that_is_due_but_finds_no_place_waits_for_the_next_one() {
    let terms = terms(2, CostModel::PerSale(money("15")));
    let bids = vec![bid("a", "a", "12", false), bid("b", "b", "8", false)];
    let mut order = quoted(&terms, bids);
    order.claim(claim(false)).expect("open");
    order.accept(NOW_MS + 1).expect("posting");
    for (bid, retry_at_ms) in [(0, NOW_MS + 600_000), (1, NOW_MS + 10_000)] {
        let later = End::Unreachable {
            retry_at_ms: Some(retry_at_ms),
            retries: true,
        };
        order
            .end(bid, later, OnUnconfirmed::Stop, NOW_MS + 2)
            .expect("not begun");
    }
    // The second alone would sell below what the lead costs.
    let next = order.next(&terms, &[], NOW_MS + 10_000);
    assert_eq!(next, Next::RetryAt(NOW_MS + 600_000));
    let next = order.next(&terms, &[], NOW_MS + 600_000);
    assert_eq!(next, Next::Deliver(vec![0, 1]));
}

#[test]
fn what_was_in_flight_at_a_crash_is_unconfirmed() {
    let (_, mut order) = two_exclusive(true);
    order
        .begin(0, OnUnconfirmed::Stop, NOW_MS + 2, NOW_MS + 2)
        .expect("may begin");
    assert!(order.give_up_in_flight(NOW_MS + 3));
    assert_eq!(
        order.delivery(0).map(|delivery| delivery.state),
        Some(DeliveryState::Unconfirmed)
    );
    // The old task's outcome comes too late.
    assert_eq!(
        order.end(0, accepted(), OnUnconfirmed::Stop, NOW_MS + 4),
        Err(BeginRefused::NotDelivering)
    );
}

#[test]
fn nothing_begins_once_the_supplier_waits_no_longer() {
    let (terms, mut order) = two_exclusive(true);
    assert_eq!(
        order.begin(0, OnUnconfirmed::Stop, NOW_MS + 20_000, NOW_MS + 20_000),
        Err(BeginRefused::TooLate)
    );
    assert_eq!(order.next(&terms, &[], NOW_MS + 20_000), Next::Done);
}

#[test]
fn a_record_survives_its_own_writing() {
    let (_, mut order) = two_exclusive(true);
    deliver(&mut order, 0, unconfirmed());
    let text = serde_json::to_string(&order).expect("writes");
    assert_eq!(serde_json::from_str::<Order>(&text).expect("reads"), order);
}

/// What a world of buyers, crashes and operators may do next.
#[derive(Debug, Clone)]
enum Event {
    Begin(u16, bool),
    End(u16, u8),
    Crash,
    SettleByHand(u16, bool),
    Finish,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..6_u16, any::<bool>()).prop_map(|(bid, next)| Event::Begin(bid, next)),
        4 => (0..6_u16, 0..5_u8).prop_map(|(bid, how)| Event::End(bid, how)),
        1 => Just(Event::Crash),
        1 => (0..6_u16, any::<bool>()).prop_map(|(bid, sold)| Event::SettleByHand(bid, sold)),
        1 => Just(Event::Finish),
    ]
}

/// A bid's buyer, amount and whether it is exclusive.
type Offer = (u8, u32, bool);

/// Hands, cost, whether the supplier waits, bids, and what happens.
type World = (u32, CostModel, bool, Vec<Offer>, Vec<Event>);

fn world() -> impl Strategy<Value = World> {
    let cost = prop_oneof![
        Just(CostModel::PerLead(money("5"))),
        Just(CostModel::PerSale(money("5"))),
        Just(CostModel::RevenueShare("50".parse().expect("a number"))),
        Just(CostModel::Margin("20".parse().expect("a number"))),
    ];
    let bids = prop::collection::vec((0..4_u8, 10..40_u32, any::<bool>()), 1..6);
    (
        1..4_u32,
        cost,
        any::<bool>(),
        bids,
        prop::collection::vec(event(), 0..40),
    )
}

proptest! {
    /// Whatever tasks, crashes and operators do, in whatever order.
    #[test]
    fn a_lead_is_never_in_more_hands_than_allowed_and_the_ledger_adds_up((hands, cost, waits, bids, events) in world()) {
        let terms = terms(hands, cost);
        let bids = bids.iter().enumerate().map(|(at, (buyer, amount, exclusive))| {
            bid(&format!("a{at}"), &format!("b{buyer}"), &amount.to_string(), *exclusive)
        });
        let mut order = quoted(&terms, bids.collect());
        order.claim(claim(waits)).expect("open");
        let mut ledger: Vec<Entry> = Vec::new();
        if !waits {
            ledger.extend(order.accept(NOW_MS + 1).expect("posting"));
        }
        for event in events {
            happen(&mut order, &terms, &mut ledger, &event);
            check_hands(&order, hands);
            check_ledger(&order, &ledger);
        }
    }
}

fn happen(order: &mut Order, terms: &Terms, ledger: &mut Vec<Entry>, event: &Event) {
    let at_ms = NOW_MS + 10;
    match *event {
        Event::Begin(bid, next) => {
            let stopped = order.is_stopped();
            let before = order.delivery(bid).map(|delivery| delivery.state);
            let begun = order.begin(
                bid,
                if next {
                    OnUnconfirmed::Next
                } else {
                    OnUnconfirmed::Stop
                },
                at_ms,
                at_ms,
            );
            if begun.is_ok() {
                assert!(
                    !stopped,
                    "nobody is tried after an unconfirmed delivery that stops"
                );
                assert!(
                    matches!(before, None | Some(DeliveryState::Retrying(_))),
                    "tried once: {before:?}"
                );
            }
        }
        Event::End(bid, how) => {
            let end = match how {
                0 => accepted(),
                1 => rejected(),
                2 => unconfirmed(),
                3 => End::PassedOver {
                    outcome: Outcome::Filtered,
                    code: None,
                },
                _ => End::Unreachable {
                    retry_at_ms: Some(at_ms),
                    retries: true,
                },
            };
            // Most of these are refused: an end may come late, twice, or without a begin.
            let ended = order.end(bid, end, OnUnconfirmed::Stop, at_ms);
            ledger.extend(ended.unwrap_or_default());
        }
        Event::Crash => {
            order.give_up_in_flight(at_ms);
        }
        Event::SettleByHand(bid, sold) => {
            ledger.extend(
                order
                    .settle_by_hand(bid, sold.then_some(None), terms, at_ms)
                    .unwrap_or_default(),
            );
        }
        Event::Finish if order.state == OrderState::Posting => {
            ledger.extend(
                order
                    .settle(RejectReason::NotDelivered, terms, at_ms)
                    .expect("posting"),
            );
        }
        Event::Finish => {}
    }
}

fn check_hands(order: &Order, allowed: u32) {
    let held: Vec<&Delivery> = order
        .deliveries()
        .iter()
        .filter(|delivery| delivery.state.holds_a_place())
        .collect();
    assert!(held.len() <= allowed as usize, "{held:?}");
    for (at, one) in held.iter().enumerate() {
        assert!(
            held[at + 1..].iter().all(|other| other.buyer != one.buyer),
            "one buyer twice: {held:?}"
        );
        let alone = order.bids[usize::from(one.bid)].exclusive;
        assert!(
            !alone || held.len() == 1,
            "an exclusive bid shares the lead: {held:?}"
        );
    }
}

fn check_ledger(order: &Order, ledger: &[Entry]) {
    if order.state == OrderState::Posting {
        assert!(ledger.is_empty(), "nothing is booked before the answer");
        return;
    }
    assert_eq!(totals(ledger), (order.sold_revenue(), order.owed()));
}
