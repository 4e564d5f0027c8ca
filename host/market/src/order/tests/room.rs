//! What an order takes of others' room, and for how long its lead is remembered.

use crate::{
    duplicates::Seen,
    room::{Owner, Taking},
};

use super::*;

/// What an order takes, in words: who, whether for good, how much.
fn takings(order: &Order) -> Vec<String> {
    let word = |taking: Taking| {
        let sold = if taking.sold { "sold" } else { "held" };
        match taking.owner {
            Owner::Account(id) => format!("{id} {sold} {}", taking.amount),
            Owner::Campaign(_) => format!("campaign {sold}"),
        }
    };
    order.takings().into_iter().map(word).collect()
}

/// Whose the lead is remembered to be; where it is not remembered, that.
fn remembered(order: &Order) -> String {
    let Some((seen, _)) = order.seen() else {
        return FORGOTTEN.into();
    };
    let names: Vec<&str> = seen.accounts.iter().map(AccountId::as_str).collect();
    names.join(" ")
}

const FORGOTTEN: &str = "forgotten";
const NOBODY: &str = "";

/// No connection; to be tried again.
pub(super) fn later() -> End {
    End::Unreachable {
        retry_at_ms: Some(NOW_MS + 5_000),
        retries: true,
    }
}

fn given_up() -> End {
    End::Unreachable {
        retry_at_ms: None,
        retries: true,
    }
}

/// Two buyers share a lead; a third stands by.
fn shared(waits: bool) -> (Terms, Order) {
    let terms = terms(2, per_lead());
    let bids = [("a", "20"), ("b", "15"), ("c", "12")];
    let mut order = quoted(
        &terms,
        bids.map(|(name, amount)| bid(name, name, amount, false))
            .to_vec(),
    );
    order.claim(claim(waits)).expect("open");
    (terms, order)
}

#[test]
fn a_quote_holds_room_for_the_accounts_that_it_selected_and_for_one_lead_of_the_campaigns() {
    let terms = terms(2, per_lead());
    let bids = [("a", "20"), ("b", "15"), ("c", "12")];
    let mut order = quoted(
        &terms,
        bids.map(|(name, amount)| bid(name, name, amount, false))
            .to_vec(),
    );
    let held = ["a held 20.00", "b held 15.00", "campaign held"];
    assert_eq!(takings(&order), held);
    assert!(order.takings().iter().all(|taking| taking.at_ms == NOW_MS));
    order.claim(claim(true)).expect("open");
    assert_eq!(takings(&order), held);
}

#[test]
fn an_order_that_expires_gives_everything_back() {
    let terms = terms(1, per_lead());
    let mut order = quoted(&terms, vec![bid("a", "a", "20", false)]);
    order.expire(NOW_MS, true).expect("open");
    assert_eq!(takings(&order), [""; 0]);
}

#[test]
fn what_is_held_only_at_the_post_takes_no_room_before() {
    let terms = terms(2, per_lead());
    let at_the_post = |name: &str, amount| Bid {
        hold: HoldAt::Post,
        ..bid(name, name, amount, false)
    };
    let bids = vec![at_the_post("a", "20"), at_the_post("b", "15")];
    let mut order = Order {
        hold: HoldAt::Post,
        ..quoted(&terms, bids)
    };
    assert_eq!(takings(&order), [""; 0]);
    order.claim(claim(true)).expect("open");
    assert_eq!(takings(&order), [""; 0]);
    order.take_campaign_room(NOW_MS + 1);
    assert_eq!(takings(&order), ["campaign held"]);
    order
        .begin(0, OnUnconfirmed::Stop, NOW_MS + 2, NOW_MS + 3)
        .expect("may begin");
    assert_eq!(takings(&order), ["a held 20.00", "campaign held"]);
    let moments: Vec<u64> = order.takings().iter().map(|taking| taking.at_ms).collect();
    assert_eq!(moments, [NOW_MS + 2, NOW_MS + 1]);
}

#[test]
fn room_that_the_quote_took_is_not_taken_again_at_the_post() {
    let (_, mut order) = shared(true);
    order.take_campaign_room(NOW_MS + 1);
    order
        .begin(0, OnUnconfirmed::Stop, NOW_MS + 2, NOW_MS + 2)
        .expect("may begin");
    assert!(order.takings().iter().all(|taking| taking.at_ms == NOW_MS));
}

#[test]
fn a_fallback_takes_room_when_it_is_tried_and_whoever_rejects_gives_it_back() {
    let (terms, mut order) = shared(true);
    deliver(&mut order, 0, rejected());
    assert_eq!(takings(&order), ["b held 15.00", "campaign held"]);
    deliver(&mut order, 1, accepted());
    assert_eq!(order.next(&terms, &[], NOW_MS + 4), Next::Deliver(vec![2]));
    order
        .begin(2, OnUnconfirmed::Stop, NOW_MS + 7, NOW_MS + 7)
        .expect("may begin");
    let third = order.takings().remove(1);
    assert_eq!((third.at_ms, third.sold), (NOW_MS + 7, false));
    assert_eq!(
        takings(&order),
        ["b sold 15.00", "c held 12.00", "campaign held"]
    );
}

#[test]
fn a_sale_takes_what_it_was_sold_at() {
    let (terms, mut order) = shared(true);
    let price = Some(money("19.50"));
    deliver(&mut order, 0, End::Accepted { price });
    order
        .settle(RejectReason::NotDelivered, &terms, NOW_MS + 4)
        .expect("posting");
    // The other account was never tried: its room is free.
    assert_eq!(takings(&order), ["a sold 19.50", "campaign sold"]);
}

#[test]
fn an_unconfirmed_delivery_keeps_its_room_and_the_campaigns_until_it_is_settled() {
    for sold in [false, true] {
        let (terms, mut order) = two_exclusive(true);
        deliver(&mut order, 0, unconfirmed());
        order
            .settle(RejectReason::NotDelivered, &terms, NOW_MS + 4)
            .expect("posting");
        assert_eq!(order.state, OrderState::Rejected);
        assert_eq!(takings(&order), ["a held 20.00", "campaign held"]);
        assert_eq!(remembered(&order), "a");
        let price = sold.then(|| Some(money("18.00")));
        order
            .settle_by_hand(0, price, &terms, NOW_MS + 5)
            .expect("unconfirmed");
        if sold {
            assert_eq!(takings(&order), ["a sold 18.00", "campaign sold"]);
            assert_eq!(remembered(&order), "a");
        } else {
            assert_eq!(takings(&order), [""; 0]);
            assert_eq!(remembered(&order), FORGOTTEN);
        }
    }
}

#[test]
fn an_accepted_lead_counts_for_the_campaign_whatever_comes_of_it() {
    let (terms, mut order) = two_exclusive(false);
    order.accept(NOW_MS + 1).expect("posting");
    assert_eq!(takings(&order), ["a held 20.00", "campaign sold"]);
    deliver(&mut order, 0, rejected());
    deliver(&mut order, 1, rejected());
    order.finish(&terms, NOW_MS + 5).expect("accepted");
    assert_eq!(takings(&order), ["campaign sold"]);
    assert_eq!(remembered(&order), NOBODY);
}

#[test]
fn a_delivery_that_waits_to_be_tried_again_keeps_what_the_quote_held() {
    let (terms, mut order) = two_exclusive(false);
    order.accept(NOW_MS + 1).expect("posting");
    order
        .end(0, later(), OnUnconfirmed::Stop, NOW_MS + 2)
        .expect("not begun");
    assert_eq!(takings(&order), ["a held 20.00", "campaign sold"]);
    order
        .end(0, given_up(), OnUnconfirmed::Stop, NOW_MS + 6_000)
        .expect("retrying");
    assert_eq!(takings(&order), ["campaign sold"]);
    order.finish(&terms, NOW_MS + 6_001).expect("accepted");
    assert_eq!(takings(&order), ["campaign sold"]);
}

#[test]
fn a_lead_is_remembered_while_it_is_being_sold_and_by_whoever_may_have_it() {
    let (terms, mut order) = shared(true);
    assert_eq!(remembered(&order), NOBODY);
    order
        .begin(0, OnUnconfirmed::Next, NOW_MS + 2, NOW_MS + 2)
        .expect("may begin");
    assert_eq!(remembered(&order), "a");
    order
        .end(0, rejected(), OnUnconfirmed::Next, NOW_MS + 3)
        .expect("in flight");
    assert_eq!(remembered(&order), NOBODY);
    deliver(&mut order, 1, accepted());
    assert_eq!(remembered(&order), "b");
    order
        .settle(RejectReason::NotDelivered, &terms, NOW_MS + 4)
        .expect("posting");
    assert_eq!(remembered(&order), "b");
}

#[test]
fn a_lead_that_nobody_took_is_forgotten_and_so_is_one_never_posted() {
    let (terms, mut order) = two_exclusive(true);
    deliver(&mut order, 0, rejected());
    order
        .settle(RejectReason::NotDelivered, &terms, NOW_MS + 4)
        .expect("posting");
    assert_eq!(remembered(&order), FORGOTTEN);
    let mut open = quoted(&terms, vec![bid("a", "a", "20", false)]);
    assert_eq!(remembered(&open), FORGOTTEN);
    open.expire(NOW_MS, true).expect("open");
    assert_eq!(remembered(&open), FORGOTTEN);
}

#[test]
fn what_is_remembered_says_whose_the_lead_was_and_when_it_was_posted() {
    let (_, order) = two_exclusive(true);
    let (seen, fingerprints) = order.seen().expect("posting");
    let expected = Seen {
        order: order.id,
        campaign: order.campaign.clone(),
        supplier: order.supplier.clone(),
        at_ms: NOW_MS + 1,
        accounts: Vec::new(),
    };
    assert_eq!((seen, fingerprints), (expected, [].as_slice()));
}

#[test]
fn a_post_is_refused_before_anything_was_delivered_and_not_after() {
    let (_, mut order) = two_exclusive(true);
    order
        .refuse(RejectReason::Duplicate, NOW_MS + 2)
        .expect("posting");
    let post = order.post.as_ref().expect("posted");
    let reason = RejectReason::Duplicate;
    assert_eq!(post.answer, Some(PostAnswer::Rejected { reason }));
    assert!(post.finished && post.settled_at_ms == Some(NOW_MS + 2));
    assert_eq!(takings(&order), [""; 0]);
    assert_eq!(remembered(&order), FORGOTTEN);
    assert_eq!(
        order.refuse(RejectReason::Duplicate, NOW_MS + 3),
        Err(BeginRefused::NotDelivering)
    );
    let (_, mut order) = two_exclusive(true);
    deliver(&mut order, 0, rejected());
    assert_eq!(
        order.refuse(RejectReason::CampaignCapReached, NOW_MS + 4),
        Err(BeginRefused::AlreadyTried)
    );
    assert_eq!(order.state, OrderState::Posting);
}

#[test]
fn a_refused_post_gives_back_the_room_that_it_took() {
    let terms = terms(1, per_lead());
    let mut order = Order {
        hold: HoldAt::Post,
        ..quoted(&terms, vec![bid("a", "a", "20", false)])
    };
    order.claim(claim(true)).expect("open");
    order.take_campaign_room(NOW_MS + 1);
    order
        .refuse(RejectReason::NoCoverage, NOW_MS + 2)
        .expect("posting");
    assert_eq!(takings(&order), [""; 0]);
}

#[test]
fn of_an_erased_lead_nothing_more_begins_and_what_is_out_runs_to_its_end() {
    let (terms, mut order) = shared(false);
    order.accept(NOW_MS + 1).expect("posting");
    order
        .begin(0, OnUnconfirmed::Stop, NOW_MS + 2, NOW_MS + 2)
        .expect("may begin");
    order.erase(NOW_MS + 3);
    assert!(order.is_erased());
    // The second account, which was never tried, has its room back at once.
    assert_eq!(takings(&order), ["a held 20.00", "campaign sold"]);
    assert_eq!(order.next(&terms, &[], NOW_MS + 4), Next::Wait);
    assert_eq!(
        order.begin(1, OnUnconfirmed::Stop, NOW_MS + 4, NOW_MS + 4),
        Err(BeginRefused::NotDelivering)
    );
    let entries = order
        .end(0, accepted(), OnUnconfirmed::Stop, NOW_MS + 5)
        .expect("in flight");
    assert_eq!(totals(&entries).0, money("20"));
    assert_eq!(order.next(&terms, &[], NOW_MS + 6), Next::Done);
    order.finish(&terms, NOW_MS + 6).expect("accepted");
    // What it counted for stays.
    assert_eq!(takings(&order), ["a sold 20.00", "campaign sold"]);
    assert_eq!(remembered(&order), "a");
}

#[test]
fn erasing_ends_what_waits_to_be_tried_again_as_failed() {
    let (terms, mut order) = two_exclusive(false);
    order.accept(NOW_MS + 1).expect("posting");
    order
        .end(0, later(), OnUnconfirmed::Stop, NOW_MS + 2)
        .expect("not begun");
    order.erase(NOW_MS + 3);
    let state = |order: &Order| order.delivery(0).map(|delivery| delivery.state);
    assert_eq!(state(&order), Some(DeliveryState::Failed));
    assert_eq!(takings(&order), ["campaign sold"]);
    assert_eq!(order.next(&terms, &[], NOW_MS + 4), Next::Done);
    order.finish(&terms, NOW_MS + 4).expect("accepted");
    assert_eq!(order.next(&terms, &[], NOW_MS + 9_000), Next::Done);
    assert_eq!(order.retry_by_hand(0, NOW_MS + 4), Err(NotRetryable));
}

#[test]
fn an_unconfirmed_delivery_of_an_erased_lead_is_still_settled_by_hand() {
    let (terms, mut order) = two_exclusive(false);
    order.accept(NOW_MS + 1).expect("posting");
    deliver(&mut order, 0, unconfirmed());
    order.erase(NOW_MS + 4);
    assert_eq!(order.next(&terms, &[], NOW_MS + 5), Next::Parked);
    order
        .settle_by_hand(0, None, &terms, NOW_MS + 6)
        .expect("unconfirmed");
    // Nothing falls back: there is nothing to deliver any more.
    assert_eq!(order.next(&terms, &[], NOW_MS + 7), Next::Done);
    order.finish(&terms, NOW_MS + 7).expect("accepted");
    assert_eq!(takings(&order), ["campaign sold"]);
}

#[test]
fn a_failed_delivery_of_an_accepted_lead_is_tried_again_by_hand_where_a_place_is_free() {
    let failed = |waits| {
        let (terms, mut order) = two_exclusive(waits);
        if !waits {
            order.accept(NOW_MS + 1).expect("posting");
        }
        order
            .end(0, given_up(), OnUnconfirmed::Stop, NOW_MS + 2)
            .expect("not begun");
        (terms, order)
    };
    let (terms, mut order) = failed(false);
    deliver(&mut order, 1, rejected());
    order.finish(&terms, NOW_MS + 4).expect("accepted");
    assert_eq!(order.next(&terms, &[], NOW_MS + 5), Next::Done);
    order.retry_by_hand(0, NOW_MS + 6).expect("failed");
    // It takes room when it is tried, not before.
    assert_eq!(takings(&order), ["campaign sold"]);
    assert_eq!(order.next(&terms, &[], NOW_MS + 6), Next::Deliver(vec![0]));
    deliver(&mut order, 0, accepted());
    assert_eq!(takings(&order), ["a sold 20.00", "campaign sold"]);
    assert_eq!(order.retry_by_hand(0, NOW_MS + 8), Err(NotRetryable));
    assert_eq!(order.retry_by_hand(1, NOW_MS + 8), Err(NotRetryable));

    // The place is taken.
    let (_, mut order) = failed(false);
    deliver(&mut order, 1, accepted());
    assert_eq!(order.retry_by_hand(0, NOW_MS + 6), Err(NotRetryable));
    // The supplier waited, and was told.
    let (terms, mut order) = failed(true);
    assert_eq!(order.retry_by_hand(0, NOW_MS + 3), Err(NotRetryable));
    order
        .settle(RejectReason::NotDelivered, &terms, NOW_MS + 4)
        .expect("posting");
    assert_eq!(order.retry_by_hand(0, NOW_MS + 6), Err(NotRetryable));
}

#[test]
fn a_test_takes_nothing_books_nothing_and_is_not_remembered() {
    for waits in [true, false] {
        let (terms, order) = two_exclusive(waits);
        let mut order = Order {
            test: true,
            ..order
        };
        let mut booked = Vec::new();
        let nothing = |order: &Order| order.takings().is_empty() && order.seen().is_none();
        assert!(nothing(&order));
        order.take_campaign_room(NOW_MS + 1);
        if !waits {
            booked.extend(order.accept(NOW_MS + 1).expect("posting"));
        }
        order
            .begin(0, OnUnconfirmed::Stop, NOW_MS + 2, NOW_MS + 2)
            .expect("may begin");
        assert!(nothing(&order));
        let end = order.end(0, unconfirmed(), OnUnconfirmed::Stop, NOW_MS + 3);
        booked.extend(end.expect("in flight"));
        assert!(nothing(&order));
        if waits {
            let settled = order.settle(RejectReason::NotDelivered, &terms, NOW_MS + 4);
            booked.extend(settled.expect("posting"));
        }
        let settled = order.settle_by_hand(0, Some(None), &terms, NOW_MS + 5);
        booked.extend(settled.expect("unconfirmed"));
        assert_eq!(order.sales(), 1);
        assert!(nothing(&order) && booked.is_empty());
    }
}
