//! Links to posting instructions, for suppliers who have no key yet.

use std::time::Duration;

use gavel_exchange::{
    Exchange,
    limits::{LINK_VALID_LEAST, LINK_VALID_MOST, LINK_VALID_USUALLY},
};
use gavel_market::reason::FieldCode;
use http::Request;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::read;
use crate::{
    http::{
        address::Address,
        problem::Problem,
        reply::{self, Reply, time},
    },
    instructions,
};

/// `POST /campaigns/{id}/instructions-link`: the answer's `url` opens the campaign's
/// instructions, and nothing else, until `expires_at`. It cannot be taken back.
pub(super) async fn link(
    exchange: &Exchange,
    address: &Address,
    id: &str,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let base = address.for_operator(request.headers());
    let valid_for = valid_for(&read::object(request, &["valid_for"]).await?)?;
    let link = exchange.instructions_link(id, valid_for)?;
    let path = instructions::path(
        link.campaign.as_str(),
        &link.expires_at_s.to_string(),
        &link.signature.to_string(),
    );
    Ok(reply::json(&json!({
        "url": format!("{base}{path}"),
        "expires_at": time(link.expires_at_s.saturating_mul(1000)),
    })))
}

fn valid_for(body: &Map<String, Value>) -> Result<Duration, Problem> {
    let wrong = |code, message| Err(Problem::field("valid_for", code, message));
    let text = match body.get("valid_for") {
        None | Some(Value::Null) => return Ok(LINK_VALID_USUALLY),
        Some(Value::String(text)) => text,
        Some(_) => return wrong(FieldCode::WrongType, "a duration such as \"30d\""),
    };
    match humantime::parse_duration(text) {
        Ok(time) if (LINK_VALID_LEAST..=LINK_VALID_MOST).contains(&time) => Ok(time),
        Ok(_) => wrong(
            FieldCode::OutOfRange,
            "from one minute (1m) to 366 days (366d)",
        ),
        Err(_) => wrong(FieldCode::BadFormat, "a duration such as \"30d\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_a_bounded_time() {
        let of = |value: Value| valid_for(value.as_object().unwrap());
        assert_eq!(of(json!({})).unwrap(), LINK_VALID_USUALLY);
        assert_eq!(of(json!({"valid_for": "90s"})).unwrap().as_secs(), 90);
        for wrong in [json!("59s"), json!("367d"), json!("soon"), json!(30)] {
            assert!(of(json!({"valid_for": wrong})).is_err());
        }
    }
}
