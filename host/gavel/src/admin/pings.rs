//! Pings: listed, and explained account by account.

use gavel_exchange::{
    Exchange,
    api::{Answer, PingQuery, PingStory},
};
use gavel_market::{
    field::Value as FieldValue,
    ids::{OrderId, PingId},
    reason::{FieldCode, Outcome},
    record::{AccountOutcome, Detail, PingAnswer, PingInput, PingRecord},
};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use crate::http::{
    first_byte,
    problem::{Code, Problem},
    query::Query,
    reply::{self, Reply, time_ms},
};

/// Pings on a page, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// `GET /pings`: summaries, newest first.
pub(super) async fn list(exchange: &Exchange, query: &Query) -> Result<Reply, Problem> {
    let query = PingQuery {
        campaign: query.parsed("campaign", "a campaign's name")?,
        account: query.parsed("account", "an account's name")?,
        outcome: query.text("outcome").map(outcome_named).transpose()?,
        since_ms: query.since("since", first_byte::now().unix_ms)?,
        after: query.parsed("after", "what the last page had as next")?,
        limit: query.limit(PAGE.0, PAGE.1)?,
    };
    exchange.caught_up().await?;
    // Filters may look at every ping there is: not on a thread that answers pings.
    let exchange = exchange.clone();
    let runtime = Handle::current();
    let looking = tokio::task::spawn_blocking(move || runtime.block_on(exchange.pings(&query)));
    let page = looking
        .await
        .map_err(|_panic| Problem::new(Code::Internal))??;
    let items: Vec<Value> = page.items.iter().map(summary).collect();
    Ok(reply::json(&json!({"items": items, "next": page.next})))
}

/// `GET /pings/{id}`: one record, by the ping's id or its order's.
pub(super) async fn show(exchange: &Exchange, id: &str) -> Result<Reply, Problem> {
    Ok(reply::json(&story(
        &exchange.ping_story(ping_named(id)?).await?,
    )))
}

/// A ping by its own id or its order's.
fn ping_named(id: &str) -> Result<PingId, Problem> {
    let ping = id
        .parse::<PingId>()
        .or_else(|_| id.parse::<OrderId>().map(OrderId::ping));
    ping.map_err(|_| Problem::new(Code::NotFound))
}

/// An outcome by its word.
fn outcome_named(word: &str) -> Result<Outcome, Problem> {
    let outcome = serde_json::from_value(word.into());
    outcome.map_err(|_| {
        Problem::field(
            "outcome",
            FieldCode::NotAllowed,
            "an outcome's word, such as won or timeout",
        )
    })
}

fn summary(record: &PingRecord) -> Value {
    let mut summary = json!({
        "id": record.id,
        "campaign": record.campaign,
        "supplier": record.supplier,
        "received_at": time_ms(record.input.received_at_ms),
        "revision": record.revision,
        "bids": record.outcomes.iter().filter(|outcome| outcome.bid.is_some()).count(),
        "answer": answer(&record.answer),
    });
    if let (true, Some(fields)) = (record.input.test, summary.as_object_mut()) {
        fields.insert("test".into(), true.into());
    }
    summary
}

/// `POST /pings/{id}/replay`: the ping, decided again by the versions that decided it.
pub(super) async fn replay(exchange: &Exchange, id: &str) -> Result<Reply, Problem> {
    let (record, again) = exchange.replay_ping(ping_named(id)?).await?;
    let differences: Vec<Value> = again
        .changes(&record)
        .iter()
        .map(|changed| {
            json!({
                "account": changed.before.account,
                "recorded": outcome(&changed.before),
                "replayed": outcome(&changed.after),
            })
        })
        .collect();
    let same =
        differences.is_empty() && again.answers_as(&record) && again.not_comparable.is_empty();
    Ok(reply::json(&json!({
        "id": record.id,
        "same": same,
        "differences": differences,
        "not_comparable": again.not_comparable,
        "recorded": answer(&record.answer),
        "answer": replayed(&again.answer),
    })))
}

fn replayed(answer: &Answer) -> Value {
    match answer {
        Answer::Bid {
            revenue,
            cost,
            selected,
        } => json!({
            "status": "bid",
            "bid": cost.to_string(),
            "revenue": revenue.to_string(),
            "selected": selected,
        }),
        Answer::NoBid(reason) => json!({"status": "no_bid", "reason": reason.word()}),
    }
}

fn story(story: &PingStory) -> Value {
    let record = &story.record;
    let shadows = story.differences.iter().flat_map(super::trials::difference);
    json!({
        "id": record.id,
        "campaign": record.campaign,
        "supplier": record.supplier,
        "input": input(&record.input),
        "revision": record.revision,
        "digests": record.digests,
        "timings": record.timings,
        "outcomes": story.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "exchanges": record.exchanges,
        "shadows": shadows.collect::<Vec<_>>(),
        "answer": answer(&record.answer),
    })
}

fn input(input: &PingInput) -> Value {
    let mut fields = Map::new();
    fields.insert("received_at".into(), time_ms(input.received_at_ms).into());
    fields.insert("lead".into(), lead(&input.lead));
    fields.extend(
        input
            .sub_id
            .clone()
            .map(|sub_id| ("sub_id".into(), sub_id.into())),
    );
    fields.extend(
        input
            .tmax_ms
            .map(|tmax_ms| ("tmax_ms".into(), tmax_ms.into())),
    );
    fields.extend(
        input
            .min_bid
            .map(|min_bid| ("min_bid".into(), min_bid.to_string().into())),
    );
    fields.extend(input.test.then(|| ("test".into(), true.into())));
    fields.into()
}

/// A lead's fields as an object.
pub(super) fn lead(fields: &[(String, FieldValue)]) -> Value {
    let fields = fields
        .iter()
        .map(|(name, value)| (name.clone(), value.to_json()));
    Value::Object(fields.collect())
}

/// What became of one account.
pub(super) fn outcome(outcome: &AccountOutcome) -> Value {
    let mut fields = Map::new();
    fields.insert("account".into(), outcome.account.to_string().into());
    fields.insert("code".into(), outcome.outcome.word().into());
    fields.insert("number".into(), outcome.outcome.number().into());
    let Detail { field, code, text } = &outcome.detail;
    let known = [("field", field), ("code", code), ("text", text)];
    let detail: Map<_, _> = known
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into())))
        .collect();
    if !detail.is_empty() {
        fields.insert("detail".into(), detail.into());
    }
    fields.extend(
        outcome
            .bid
            .map(|bid| ("bid".into(), bid.to_string().into())),
    );
    fields.into()
}

/// What the supplier was told.
fn answer(answer: &PingAnswer) -> Value {
    match answer {
        PingAnswer::Bid {
            ping_order_id,
            bid,
            deliveries,
            expires_at_ms,
        } => json!({
            "status": "bid",
            "ping_order_id": ping_order_id,
            "bid": bid.to_string(),
            "deliveries": deliveries,
            "expires_at": reply::time(*expires_at_ms),
        }),
        PingAnswer::NoBid { reason } => json!({"status": "no_bid", "reason": reason.word()}),
    }
}

#[cfg(test)]
mod tests {
    use gavel_market::money::Money;

    use super::*;

    #[test]
    fn an_outcome_has_of_detail_what_there_is() {
        let mut one = AccountOutcome {
            account: "sunco-west".parse().unwrap(),
            outcome: Outcome::Criteria,
            detail: Detail {
                field: Some("state".into()),
                ..Detail::default()
            },
            bid: None,
            turn: None,
        };
        assert_eq!(
            outcome(&one),
            json!({"account": "sunco-west", "code": "criteria", "number": 205, "detail": {"field": "state"}})
        );
        one = AccountOutcome {
            outcome: Outcome::Won,
            detail: Detail::default(),
            bid: Money::parse("25").ok(),
            ..one
        };
        assert_eq!(
            outcome(&one),
            json!({"account": "sunco-west", "code": "won", "number": 0, "bid": "25.00"})
        );
    }

    #[test]
    fn a_lead_is_shown_as_it_could_be_sent() {
        let fields = [
            ("zip".to_owned(), FieldValue::Text("90210".into())),
            ("homeowner".to_owned(), FieldValue::Flag(true)),
        ];
        assert_eq!(lead(&fields), json!({"zip": "90210", "homeowner": true}));
    }
}
