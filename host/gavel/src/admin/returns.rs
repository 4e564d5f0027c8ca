//! Deliveries given back.

use gavel_exchange::{
    Exchange,
    api::{Return, ReturnState, ReturnView},
};
use gavel_market::{
    ids::{DeliveryId, ReturnId},
    reason::FieldCode,
};
use http::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{orders, read};
use crate::http::{
    problem::{Code, Problem},
    query::Query,
    reply::{self, Reply, time_ms},
};

/// Returns on a page, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// `POST /returns`: a buyer gives a delivery back.
pub(super) async fn request(
    exchange: &Exchange,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let body = read::object(request, &["delivery_id", "reason"]).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let delivery = read::required(&body, "delivery_id", "the id of a delivery", text);
    let reason = read::required(&body, "reason", "why the buyer gives it back", text);
    let (delivery, reason) = read::both(delivery, reason)?;
    let delivery: DeliveryId = delivery.parse().map_err(|_| {
        let expected = "dl_, 26 characters, _ and a number, as Gavel gave it";
        Problem::field("delivery_id", FieldCode::BadFormat, expected)
    })?;
    let made = exchange.request_return(delivery, &reason).await?;
    Ok(reply::json(&shown(&made)))
}

/// `POST /returns/{id}/accept` and `…/decline`.
pub(super) async fn decide(exchange: &Exchange, id: &str, accept: bool) -> Result<Reply, Problem> {
    let id: ReturnId = id.parse().map_err(|_| Problem::new(Code::NotFound))?;
    Ok(reply::json(&shown(
        &exchange.decide_return(id, accept).await?,
    )))
}

/// `GET /returns`: newest first.
pub(super) fn list(exchange: &Exchange, query: &Query) -> Result<Reply, Problem> {
    let state = match query.text("state") {
        None => None,
        Some(word) => {
            let known = [
                ReturnState::Pending,
                ReturnState::Accepted,
                ReturnState::Declined,
            ];
            let named = known.into_iter().find(|state| state.word() == word);
            let expected = "pending, accepted or declined";
            Some(named.ok_or_else(|| Problem::field("state", FieldCode::NotAllowed, expected))?)
        }
    };
    let after = query.parsed("after", "what the last page had as next")?;
    let page = exchange.returns(state, after, query.limit(PAGE.0, PAGE.1)?)?;
    let items: Vec<Value> = page.items.iter().map(written).collect();
    Ok(reply::json(&json!({"items": items, "next": page.next})))
}

/// A return with its lead's ledger.
fn shown(view: &ReturnView) -> Value {
    let mut shown = written(&view.made);
    if let Value::Object(shown) = &mut shown {
        let ledger = view.ledger.iter().map(orders::entry).collect();
        shown.insert("ledger".to_owned(), ledger);
    }
    shown
}

fn written(made: &Return) -> Value {
    json!({
        "id": made.id,
        "state": made.state.word(),
        "delivery_id": made.delivery,
        "lead_id": made.delivery.order.lead(),
        "account": made.account,
        "buyer": made.buyer,
        "campaign": made.campaign,
        "supplier": made.supplier,
        "amount": made.amount.to_string(),
        "reason": made.reason,
        "charge_supplier": made.charge_supplier,
        "sold_at": time_ms(made.sold_at_ms),
        "at": time_ms(made.at_ms),
        "decided_at": made.decided_at_ms.map(time_ms),
    })
}
