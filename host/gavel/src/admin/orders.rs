//! Orders, leads and their erasure; deliveries, settling and retrying these.

use gavel_exchange::{
    Exchange,
    api::{DeliveryList, DeliveryView, OperatorRefused, OrderView, Settlement},
};
use gavel_market::{
    ids::{DeliveryId, LeadId, OrderId},
    ledger::{Entry, EntryKind},
    money::{Money, MoneyError},
    order::{Delivery, Order, PostAnswer},
    reason::{FieldCode, Mark},
};
use http::Request;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::{pings, read};
use crate::http::{
    problem::{Code, Problem},
    query::Query,
    reply::{self, Reply, time, time_ms},
};

/// Deliveries on a page, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// `GET /orders/{id}`.
pub(super) fn order(exchange: &Exchange, id: &str) -> Result<Reply, Problem> {
    let id: OrderId = id.parse().map_err(|_| Problem::new(Code::NotFound))?;
    let view = exchange.order(id)?;
    Ok(reply::json(&Value::Object(order_fields(
        &view,
        &id.to_string(),
    ))))
}

/// `GET /leads/{id}`: the order that was posted to, with its deliveries and ledger; nothing of
/// the lead that is personal. Whoever asks for it with `?words=true` gets what plugins and buyers
/// said at each delivery, which may be: it is there until the lead is erased.
pub(super) fn lead(exchange: &Exchange, id: &str, query: &Query) -> Result<Reply, Problem> {
    let with_words = query.flag("words")?;
    let id: LeadId = id.parse().map_err(|_| Problem::new(Code::NotFound))?;
    let posted = exchange.order(id.order()).and_then(|view| {
        let posted = view.order.post.is_some().then_some(view);
        posted.ok_or(OperatorRefused::NotFound)
    });
    let view = posted.map_err(|refused| match refused {
        // A direct post that nobody bid for has a lead's id and no order.
        OperatorRefused::NotFound => Problem::new(Code::NotFound).detail(format!(
            "no posted order has this id; what became of its ping, if there was one, stands at GET /admin/v1/pings/{}",
            id.order().ping()
        )),
        refused => refused.into(),
    })?;
    let mut written = lead_written(&view);
    if !with_words {
        return Ok(reply::json(&written));
    }
    let deliveries = written.get_mut("deliveries").and_then(Value::as_array_mut);
    for (delivery, kept) in deliveries
        .into_iter()
        .flatten()
        .zip(view.order.deliveries())
    {
        let said = exchange.delivery_words(view.order.delivery_id(kept.bid))?;
        if let Value::Object(delivery) = delivery {
            delivery.insert("words".to_owned(), json!(said));
        }
    }
    Ok(reply::json(&written))
}

/// `GET /deliveries`.
pub(super) fn deliveries(exchange: &Exchange, query: &Query) -> Result<Reply, Problem> {
    let list = match query.text("state") {
        None | Some("unconfirmed") => DeliveryList::Unconfirmed,
        Some("retrying") => DeliveryList::Retrying,
        Some("failed") => DeliveryList::Failed,
        Some(_) => {
            return Err(Problem::field(
                "state",
                FieldCode::NotAllowed,
                "unconfirmed, retrying or failed",
            ));
        }
    };
    let after = query.parsed("after", "what the last page had as next")?;
    let page = exchange.deliveries(list, after, query.limit(PAGE.0, PAGE.1)?)?;
    let items: Vec<Value> = page.items.iter().map(listed).collect();
    Ok(reply::json(&json!({"items": items, "next": page.next})))
}

/// `POST /deliveries/{id}/settle`; the answer is the lead as it stands then.
pub(super) async fn settle(
    exchange: &Exchange,
    id: &str,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let id: DeliveryId = id.parse().map_err(|_| Problem::new(Code::NotFound))?;
    let settlement = settlement(&read::object(request, &["sold", "price"]).await?)?;
    Ok(reply::json(&lead_written(
        &exchange.settle_delivery(id, settlement).await?,
    )))
}

/// `POST /deliveries/{id}/retry`; the answer is the lead as it stands then.
pub(super) async fn retry(exchange: &Exchange, id: &str) -> Result<Reply, Problem> {
    let id: DeliveryId = id.parse().map_err(|_| Problem::new(Code::NotFound))?;
    Ok(reply::json(&lead_written(
        &exchange.retry_delivery(id).await?,
    )))
}

/// `DELETE /leads/{id}/personal`: gone durably when this is answered, and again as often as
/// one likes.
pub(super) async fn erase(exchange: &Exchange, id: &str) -> Result<Reply, Problem> {
    let id: LeadId = id.parse().map_err(|_| Problem::new(Code::NotFound))?;
    exchange.erase(id).await?;
    Ok(reply::no_content())
}

fn settlement(body: &Map<String, Value>) -> Result<Settlement, Problem> {
    let sold = read::required(body, "sold", "true or false", Value::as_bool)?;
    let price = match body.get("price") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let wrong = |error| match error {
                MoneyError::BadFormat => {
                    Problem::field("price", FieldCode::BadFormat, "an amount such as \"12.50\"")
                }
                MoneyError::TooLarge => {
                    Problem::field("price", FieldCode::OutOfRange, "at most the bid")
                }
            };
            Some(Money::parse(text).map_err(wrong)?)
        }
        Some(_) => {
            return Err(Problem::field(
                "price",
                FieldCode::WrongType,
                "an amount in a string, such as \"12.50\"",
            ));
        }
    };
    match (sold, price) {
        (true, price) => Ok(Settlement::Sold(price)),
        (false, None) => Ok(Settlement::NotSold),
        (false, Some(_)) => Err(Problem::field(
            "price",
            FieldCode::NotAllowed,
            "only what was sold has a price",
        )),
    }
}

/// What an order and the lead that was posted to it have in common.
fn order_fields(view: &OrderView, id: &str) -> Map<String, Value> {
    let order = &view.order;
    let answer = order.post.as_ref().and_then(|post| post.answer.as_ref());
    let fields = json!({
        "id": id,
        "campaign": order.campaign,
        "state": order.state.word(),
        "lead": pings::lead(view.lead()),
        "quote": {
            "accounts": order.quote.selected.iter().filter_map(|at| order.bids.get(usize::from(*at))).map(|bid| &bid.account).collect::<Vec<_>>(),
            "revenue": order.quote.revenue.to_string(),
            "cost": order.quote.cost.to_string(),
            "profit": order.quote.profit.to_string(),
        },
        "bids": bids(order),
        "expires_at": time(order.expires_at_ms),
        "revision": order.revision,
        "answer": answer.map(told),
    });
    let mut fields = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if let Some(sub_id) = &order.sub_id {
        fields.insert("sub_id".to_owned(), json!(sub_id));
    }
    if order.test {
        fields.insert("test".to_owned(), json!(true));
    }
    fields
}

/// The ranked bids, best first.
fn bids(order: &Order) -> Vec<Value> {
    let written = order.bids.iter().enumerate().map(|(at, bid)| {
        let selected = order.quote.selected.iter().any(|place| usize::from(*place) == at);
        json!({"account": bid.account, "buyer": bid.buyer, "bid": bid.amount.to_string(), "selected": selected})
    });
    written.collect()
}

fn lead_written(view: &OrderView) -> Value {
    let order = &view.order;
    let mut fields = order_fields(view, &order.id.lead().to_string());
    let deliveries = order.deliveries().iter().map(|delivery| {
        let bid = order
            .bids
            .get(usize::from(delivery.bid))
            .map(|bid| bid.amount);
        delivery_written(order.delivery_id(delivery.bid), delivery, bid)
    });
    fields.insert("deliveries".into(), deliveries.collect());
    fields.insert("ledger".into(), view.ledger.iter().map(entry).collect());
    fields.into()
}

fn delivery_written(id: DeliveryId, delivery: &Delivery, bid: Option<Money>) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), id.to_string().into());
    fields.insert("account".into(), delivery.account.to_string().into());
    fields.insert("outcome".into(), delivery.state.word().into());
    fields.insert("marks".into(), marks(&delivery.marks));
    fields.insert("bid".into(), bid.map(|bid| bid.to_string()).into());
    fields.insert(
        "price".into(),
        delivery.price.map(|price| price.to_string()).into(),
    );
    fields.insert("at".into(), time_ms(delivery.at_ms).into());
    fields.into()
}

/// A delivery in a list, where it must say which lead it is of.
fn listed(view: &DeliveryView) -> Value {
    let mut written = delivery_written(view.id, &view.delivery, Some(view.bid));
    if let Value::Object(fields) = &mut written {
        fields.insert("lead_id".into(), view.id.order.lead().to_string().into());
        fields.insert("campaign".into(), view.campaign.to_string().into());
    }
    written
}

fn marks(marks: &[Mark]) -> Value {
    marks.iter().map(|mark| mark.word()).collect()
}

pub(super) fn entry(entry: &Entry) -> Value {
    match &entry.kind {
        EntryKind::Revenue {
            delivery,
            account,
            buyer,
            amount,
        } => json!({
            "at": time_ms(entry.at_ms),
            "kind": "revenue",
            "amount": amount.to_string(),
            "delivery": delivery,
            "account": account,
            "buyer": buyer,
            "marks": marks(&entry.marks),
        }),
        EntryKind::Return {
            delivery,
            account,
            buyer,
            amount,
            ..
        } => json!({
            "at": time_ms(entry.at_ms),
            "kind": "return",
            "amount": (Money::ZERO - *amount).to_string(),
            "delivery": delivery,
            "account": account,
            "buyer": buyer,
            "marks": marks(&entry.marks),
        }),
        EntryKind::Charge { amount } => json!({
            "at": time_ms(entry.at_ms),
            "kind": "charge",
            "amount": (Money::ZERO - *amount).to_string(),
            "marks": marks(&entry.marks),
        }),
        EntryKind::Cost { amount } => json!({
            "at": time_ms(entry.at_ms),
            "kind": "cost",
            "amount": amount.to_string(),
            "marks": marks(&entry.marks),
        }),
    }
}

/// What the supplier was told.
pub(super) fn told(answer: &PostAnswer) -> Value {
    match answer {
        PostAnswer::Sold { payout, deliveries } => {
            json!({"status": "sold", "payout": payout.to_string(), "deliveries": deliveries})
        }
        PostAnswer::Accepted {
            payout,
            up_to: false,
        } => json!({"status": "accepted", "payout": payout.to_string()}),
        PostAnswer::Accepted {
            payout,
            up_to: true,
        } => {
            json!({"status": "accepted", "payout": payout.to_string(), "payout_is": "up_to"})
        }
        PostAnswer::Rejected { reason } => json!({"status": "rejected", "reason": reason.word()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(body: &Value) -> Result<Settlement, Code> {
        settlement(body.as_object().unwrap()).map_err(|problem| problem.code())
    }

    #[test]
    fn a_settlement_says_sold_or_not_and_perhaps_at_what() {
        assert_eq!(settle(&json!({"sold": true})), Ok(Settlement::Sold(None)));
        assert_eq!(
            settle(&json!({"sold": true, "price": "12.50"})),
            Ok(Settlement::Sold(Money::parse("12.50").ok()))
        );
        assert_eq!(
            settle(&json!({"sold": false, "price": null})),
            Ok(Settlement::NotSold)
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for body in [
            json!({}),
            json!({"sold": "yes"}),
            json!({"sold": true, "price": 12.5}),
            json!({"sold": true, "price": "-1"}),
            json!({"sold": false, "price": "1"}),
        ] {
            assert_eq!(settle(&body), Err(Code::InvalidFields));
        }
    }

    #[test]
    fn an_entry_says_what_it_books() {
        let cost = Entry {
            at_ms: 0,
            kind: EntryKind::Cost {
                amount: Money::parse("15").unwrap(),
            },
            marks: vec![],
        };
        assert_eq!(
            entry(&cost),
            json!({"at": "1970-01-01T00:00:00.000Z", "kind": "cost", "amount": "15.00", "marks": []})
        );
    }
}
