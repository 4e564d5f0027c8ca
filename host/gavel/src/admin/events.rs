//! What happens, as it happens: server-sent events.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use gavel_exchange::{
    Exchange,
    events::{Event, Heard, Kind, Listening, What},
};
use gavel_market::{reason::FieldCode, record::PingAnswer};
use serde_json::{Value, json};

use super::orders;
use crate::http::{
    first_byte::within,
    problem::Problem,
    query::Query,
    reply::{self, Reply, time_ms},
};

/// With nothing to tell for so long, a comment says that the stream is alive: proxies close
/// what is silent for a minute.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// `GET /events`: all kinds, or those that `kinds` names with commas between.
pub(super) fn listen(exchange: &Exchange, query: &Query) -> Result<Reply, Problem> {
    let kinds = match query.text("kinds") {
        None => Kind::ALL.to_vec(),
        Some(words) => words
            .split(',')
            .map(|word| {
                let known = Kind::ALL
                    .into_iter()
                    .find(|kind| kind.word() == word.trim());
                known.ok_or_else(|| {
                    let known = Kind::ALL.map(Kind::word).join(", ");
                    Problem::field("kinds", FieldCode::NotAllowed, format!("of {known}"))
                })
            })
            .collect::<Result<_, _>>()?,
    };
    let listening = exchange.events().listen()?;
    Ok(reply::coming("text/event-stream", told(listening, kinds)))
}

/// The stream's bits. The first says that from now on nothing goes by unheard.
fn told(listening: Listening, kinds: Vec<Kind>) -> impl Stream<Item = Bytes> {
    let hello = Bytes::from_static(b": listening\n\n");
    stream::unfold(
        (Some(hello), listening, kinds),
        move |(hello, mut listening, kinds)| async move {
            let bit = match hello {
                Some(hello) => hello,
                None => next(&mut listening, &kinds).await?,
            };
            Some((bit, (None, listening, kinds)))
        },
    )
}

/// What comes next that is of these kinds.
async fn next(listening: &mut Listening, kinds: &[Kind]) -> Option<Bytes> {
    let wanted = async {
        loop {
            match listening.next().await? {
                Heard::Event(event) if kinds.contains(&event.what.kind()) => {
                    return Some(written(&event));
                }
                Heard::Event(_) => {}
                Heard::Missed(number) => {
                    let data = json!({ "events": number });
                    return Some(format!("event: missed\ndata: {data}\n\n").into());
                }
            }
        }
    };
    within(HEARTBEAT_EVERY, wanted)
        .await
        .unwrap_or(Some(Bytes::from_static(b": alive\n\n")))
}

fn written(event: &Event) -> Bytes {
    let mut data = data(&event.what);
    if let Some(fields) = data.as_object_mut() {
        fields.insert("at".into(), time_ms(event.at_ms).into());
    }
    // JSON is one line: what would end it stands in it as an escape.
    let (kind, run, number) = (event.what.kind().word(), event.run_ms, event.number);
    format!("id: {run}-{number}\nevent: {kind}\ndata: {data}\n\n").into()
}

/// One object of the members of both.
fn together(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            Value::Object(one)
        }
        (one, _) => one,
    }
}

fn data(what: &What) -> Value {
    match what {
        What::Ping {
            ping,
            campaign,
            supplier,
            answer,
            ms,
            test,
            again,
        } => {
            let told = match answer {
                PingAnswer::Bid {
                    bid, deliveries, ..
                } => json!({"status": "bid", "bid": bid.to_string(), "deliveries": deliveries}),
                PingAnswer::NoBid { reason } => {
                    json!({"status": "no_bid", "reason": reason.word()})
                }
            };
            let of = json!({
                "ping_id": ping,
                "campaign": campaign,
                "supplier": supplier,
                "ms": ms,
                "test": test,
                "again": again,
            });
            together(of, told)
        }
        What::Post {
            lead,
            campaign,
            supplier,
            answer,
            ms,
            test,
            again,
        } => {
            let of = json!({
                "lead_id": lead,
                "campaign": campaign,
                "supplier": supplier,
                "ms": ms,
                "test": test,
                "again": again,
            });
            together(of, orders::told(answer))
        }
        What::Delivery(delivered) => json!({
            "delivery_id": delivered.id,
            "lead_id": delivered.lead,
            "campaign": delivered.campaign,
            "account": delivered.account,
            "buyer": delivered.buyer,
            "outcome": delivered.outcome,
            "price": delivered.price.map(|price| price.to_string()),
            "marks": delivered.marks.iter().map(|mark| mark.word()).collect::<Vec<_>>(),
            "test": delivered.test,
        }),
        What::Fault {
            account,
            plugin,
            digest,
            code,
        } => json!({"account": account, "code": code, "plugin": plugin, "digest": digest}),
        What::CircuitOpen {
            account,
            asked,
            until_ms,
        } => json!({
            "account": account,
            "code": "circuit_open",
            "asked": asked,
            "until": time_ms(*until_ms),
        }),
        What::Change { revision, changes } => json!({"revision": revision, "changes": changes}),
        What::Return {
            id,
            delivery,
            account,
            amount,
            state,
        } => json!({
            "return_id": id,
            "delivery_id": delivery,
            "account": account,
            "amount": amount.to_string(),
            "state": state,
        }),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use gavel_exchange::events::Events;

    use super::*;

    fn change(line: &str) -> What {
        What::Change {
            revision: 3,
            changes: vec![line.to_owned()],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_hears_its_kinds_and_a_heartbeat_where_nothing_happens() {
        let events = Events::default();
        let listening = events.listen().unwrap();
        let mut bits = Box::pin(told(listening, vec![Kind::Change]));
        let mut next = async || String::from_utf8(bits.next().await.unwrap().into()).unwrap();
        assert_eq!(next().await, ": listening\n\n");
        assert_eq!(next().await, ": alive\n\n");
        events.tell(|| What::CircuitOpen {
            account: "west".parse().unwrap(),
            asked: "ping",
            until_ms: 0,
        });
        events.tell(|| change("a\nb"));
        let heard = next().await;
        let lines: Vec<&str> = heard.lines().collect();
        assert!(
            lines[0].starts_with("id: ") && lines[0].ends_with("-2"),
            "{heard}"
        );
        assert_eq!(lines[1], "event: change");
        assert!(
            lines[2].starts_with(r#"data: {"revision":3,"changes":["a\nb"],"at":"#),
            "{heard}"
        );
        assert_eq!(lines[3..], [""]);
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_host() {
        let events = Events::default();
        let listening = events.listen().unwrap();
        events.tell(|| change("last"));
        events.close();
        let bits: Vec<_> = told(listening, Kind::ALL.to_vec()).collect().await;
        assert_eq!(bits.len(), 2);
    }
}
