//! Who changed what.

use gavel_exchange::{Exchange, api::AuditRecord};
use gavel_store::audit::Note;
use http::Request;
use serde_json::{Value, json};

use super::token::AdminToken;
use crate::http::{
    connection::RequestId,
    first_byte::now,
    problem::Problem,
    query::Query,
    reply::{self, Reply, time_ms},
};

/// Changes on a page, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// On whose behalf a request's changes are made. Paths hold names and ids, and nothing else.
pub(super) fn note<B>(token: &AdminToken, request: &Request<B>) -> Note {
    Note {
        at_ms: now().unix_ms,
        token: token.digest().short(),
        what: format!("{} {}", request.method(), request.uri().path()),
        request_id: RequestId::of(request),
    }
}

/// `GET /audit`: newest first.
pub(super) fn list(exchange: &Exchange, query: &Query) -> Result<Reply, Problem> {
    let before = query.parsed("after", "what the last page had as next")?;
    let page = exchange.audit(before, query.limit(PAGE.0, PAGE.1)?)?;
    let items: Vec<Value> = page.items.iter().map(written).collect();
    Ok(reply::json(&json!({"items": items, "next": page.next})))
}

fn written(record: &AuditRecord) -> Value {
    json!({
        "id": record.id,
        "at": time_ms(record.at_ms),
        "token": record.token,
        "what": record.what,
        "with": record.with,
        "request_id": record.request_id,
        "from": record.from,
        "to": record.to,
    })
}
