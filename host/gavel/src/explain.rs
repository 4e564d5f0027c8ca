//! `gavel explain`: a ping's or a post's whole story, from a running host's records.

mod replay;
mod story;

use gavel_market::ids::{LeadId, OrderId, PingId};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{
    cli::ExplainArgs,
    client::AdminClient,
    out::{self, Failure},
};

/// Fetches what there is about an id, and prints it.
pub(crate) async fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let order = order_of(&args.id)?;
    let host = AdminClient::new(&args.admin)?;
    if args.replay {
        return replay::run(&host, order.ping(), args.json).await;
    }
    let paths = [
        ("ping", format!("pings/{}", order.ping())),
        ("order", format!("orders/{order}")),
        (
            "lead",
            format!("leads/{}?words={}", order.lead(), args.words),
        ),
    ];
    let mut records = Map::new();
    for (name, path) in paths {
        let answer = host.get(&path).await?;
        if answer.status != StatusCode::NOT_FOUND {
            records.insert(name.to_owned(), answer.ok()?);
        }
    }
    if records.is_empty() {
        return Err(Failure(format!(
            "the host knows nothing of {}: it may be another host's, or too old to be kept",
            args.id
        )));
    }
    if args.json {
        out::line(&serde_json::to_string_pretty(&Value::Object(records)).unwrap_or_default());
    } else {
        for line in story::tell(&records) {
            out::line(&line);
        }
    }
    Ok(())
}

/// A ping, its order and its lead share their ULID; any of the three names the story.
fn order_of(id: &str) -> Result<OrderId, Failure> {
    let ping = id.parse::<PingId>().map(PingId::order);
    let found = ping
        .or_else(|_| id.parse::<LeadId>().map(LeadId::order))
        .or_else(|_| id.parse::<OrderId>());
    found.map_err(|_| Failure(format!("`{id}` is no id of a ping, an order or a lead: pg_, po_ or ld_ and 26 characters, as Gavel gave it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_has_three_names() {
        let of = |prefix: &str| order_of(&format!("{prefix}00000000000000000000000007")).ok();
        assert!(of("po_").is_some());
        assert_eq!(of("pg_"), of("po_"));
        assert_eq!(of("ld_"), of("po_"));
        assert_eq!(of("xx_"), None);
    }
}
