//! The market: shown, replaced, brought back.

use gavel_exchange::{
    Exchange,
    api::{MarketChange, MarketFormat, MarketText, RevisionView},
};
use gavel_market::{ids::Digest, reason::FieldCode};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::read;
use crate::http::{
    body, limits, negotiate,
    problem::{Code, Problem},
    query::Query,
    reply::{self, Reply, time_ms},
};

/// Revisions on a page, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 1000);

const TOML: &str = "application/toml";
const JSON: &str = "application/json";

/// `GET /market`: the market in force, as it was written where TOML is asked for.
pub(super) fn show(exchange: &Exchange, headers: &HeaderMap) -> Result<Reply, Problem> {
    let view = exchange
        .market()?
        .ok_or_else(|| Problem::new(Code::NotFound).detail("no market was applied yet"))?;
    let as_toml = negotiate::choose(headers, &[JSON, TOML]).is_ok_and(|kind| kind == TOML);
    let mut reply = match &view.text {
        Some(text) if text.format == MarketFormat::Toml && as_toml => {
            reply::with_body(StatusCode::OK, TOML, text.text.clone())
        }
        _ => reply::json(&written(&view)),
    };
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", view.revision)) {
        reply.headers_mut().insert(header::ETAG, tag);
    }
    Ok(reply)
}

/// `PUT /market`. `source` is the digest of the market file that it was made from, so that a
/// start with the same file changes nothing.
pub(super) async fn put(
    exchange: &Exchange,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let dry_run = query.flag("dry_run")?;
    let source: Option<Digest> = query.parsed("source", "a SHA-256 digest")?;
    let if_match = if_match(request.headers())?;
    // A market is written in TOML; whoever sends JSON says so.
    let format = match negotiate::named_type(request.headers()).as_str() {
        JSON => MarketFormat::Json,
        _ => MarketFormat::Toml,
    };
    let body = body::read(request, limits::MARKET_MAX_BYTES, limits::UPLOAD_TIMEOUT).await?;
    let text = String::from_utf8(body.into())
        .map_err(|_| Problem::malformed("the market is not valid UTF-8"))?;
    let change = exchange
        .put_market(
            MarketText {
                format,
                text,
                source,
            },
            if_match,
            dry_run,
        )
        .await?;
    Ok(reply::json(&change_written(&change, dry_run)))
}

/// `GET /market/revisions`: newest first, without their texts.
pub(super) fn revisions(exchange: &Exchange, query: &Query) -> Result<Reply, Problem> {
    let before = query.parsed("after", "what the last page had as next")?;
    let page = exchange.revisions(before, query.limit(PAGE.0, PAGE.1)?)?;
    let items: Vec<Value> = page.items.iter().map(written).collect();
    Ok(reply::json(&json!({"items": items, "next": page.next})))
}

/// `GET /market/revisions/{revision}`: an earlier market, with its text.
pub(super) fn revision(exchange: &Exchange, number: &str) -> Result<Reply, Problem> {
    let number = number.parse().map_err(|_| Problem::new(Code::NotFound))?;
    Ok(reply::json(&written(&exchange.revision(number)?)))
}

/// `POST /market/rollback`.
pub(super) async fn rollback(
    exchange: &Exchange,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let if_match = if_match(request.headers())?;
    let body = read::object(request, &["revision"]).await?;
    let revision = read::required(&body, "revision", "a revision's number", Value::as_u64)?;
    Ok(reply::json(&change_written(
        &exchange.rollback(revision, if_match).await?,
        false,
    )))
}

fn change_written(change: &MarketChange, dry_run: bool) -> Value {
    json!({"revision": change.revision, "changes": change.changes, "dry_run": dry_run})
}

fn written(view: &RevisionView) -> Value {
    let mut fields = serde_json::Map::new();
    fields.insert("revision".into(), view.revision.into());
    fields.insert("at".into(), time_ms(view.at_ms).into());
    fields.insert("active".into(), view.active.into());
    fields.extend(
        view.rollback_of
            .map(|revision| ("rollback_of".into(), revision.into())),
    );
    if let Some(text) = &view.text {
        let format = match text.format {
            MarketFormat::Toml => "toml",
            MarketFormat::Json => "json",
        };
        fields.insert("format".into(), format.into());
        fields.extend(
            text.source
                .map(|source| ("source".into(), source.to_string().into())),
        );
        fields.insert("text".into(), text.text.clone().into());
    }
    fields.into()
}

/// The revision that `If-Match` names, with or without an entity tag's quotes.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let number = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().trim_matches('"').parse().ok());
    number
        .map(Some)
        .ok_or_else(|| Problem::field("If-Match", FieldCode::BadFormat, "a revision's number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_may_be_named_as_an_entity_tag() {
        let read = |value: &'static str| {
            if_match(&HeaderMap::from_iter([(
                header::IF_MATCH,
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(read("7").unwrap(), Some(7));
        assert_eq!(read("\"7\"").unwrap(), Some(7));
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        assert!(read("latest").is_err());
    }
}
