//! What was taken of caps and budgets.

use gavel_exchange::{Exchange, api::UsageView};
use gavel_market::{
    breaker::Kind,
    money::Money,
    room::{Owner, Period},
};
use serde_json::{Map, Value, json};

use crate::http::{
    problem::Problem,
    reply::{self, Reply, time_ms},
};

/// `GET /accounts/{id}/usage`.
pub(super) fn of_account(exchange: &Exchange, name: &str) -> Result<Reply, Problem> {
    Ok(reply::json(&written(&exchange.account_usage(name)?)))
}

/// `GET /campaigns/{id}/usage`.
pub(super) fn of_campaign(exchange: &Exchange, name: &str) -> Result<Reply, Problem> {
    Ok(reply::json(&written(&exchange.campaign_usage(name)?)))
}

fn written(view: &UsageView) -> Value {
    let mut fields = Map::new();
    match &view.owner {
        Owner::Account(id) => fields.insert("account".into(), id.to_string().into()),
        Owner::Campaign(id) => fields.insert("campaign".into(), id.to_string().into()),
    };
    if let Some((id, name)) = &view.buyer {
        fields.insert("buyer".into(), json!({"id": id, "name": name}));
    }
    let zone = view.room.zone.iana_name().unwrap_or("UTC");
    fields.insert("timezone".into(), zone.into());
    fields.insert("at".into(), time_ms(view.at_ms).into());
    let last_taken = view.usage.last_taken_ms().map(time_ms);
    fields.insert("last_taken_at".into(), last_taken.into());
    fields.insert("caps".into(), periods(view, cap));
    if let Owner::Account(_) = view.owner {
        fields.insert("budget".into(), periods(view, budget));
        let until = |kind| view.open.iter().find(|(open, _)| *open == kind);
        let circuit = Kind::ALL.map(|kind| {
            let until = until(kind).map(|(_, until_ms)| time_ms(*until_ms));
            (kind.word().to_owned(), json!(until))
        });
        let circuit: Map<_, _> = circuit.into_iter().collect();
        fields.insert("circuit_open_until".into(), circuit.into());
    }
    fields.into()
}

/// One entry for each period, whether or not it is limited.
fn periods(view: &UsageView, figures: impl Fn(&UsageView, Period) -> [Value; 4]) -> Value {
    let written = Period::ALL.map(|period| {
        let [limit, sold, held, free] = figures(view, period);
        let span = view.usage.span(period, view.at_ms, &view.room.zone);
        // What never ends is never counted anew.
        let resets_at = (span.end_ms < u64::MAX).then(|| time_ms(span.end_ms));
        let figures = json!({
            "limit": limit, "sold": sold, "held": held, "free": free, "resets_at": resets_at,
        });
        (period.word().to_owned(), figures)
    });
    Value::Object(written.into_iter().collect())
}

fn cap(view: &UsageView, period: Period) -> [Value; 4] {
    let counted = view.usage.counted(period, view.at_ms);
    let limit = view.room.caps.get(period);
    // A cap that was lowered may be below what was counted before.
    let free = limit.map(|limit| limit.saturating_sub(counted.taken()));
    [
        json!(limit),
        json!(counted.sold),
        json!(counted.held),
        json!(free),
    ]
}

fn budget(view: &UsageView, period: Period) -> [Value; 4] {
    let counted = view.usage.counted(period, view.at_ms);
    let limit = view.room.budget.get(period);
    let free = limit.map(|limit| {
        let taken = counted.taken_amount();
        if taken < limit {
            limit - taken
        } else {
            Money::ZERO
        }
    });
    [
        json!(limit.map(|limit| limit.to_string())),
        json!(counted.sold_amount.to_string()),
        json!(counted.held_amount.to_string()),
        json!(free.map(|free| free.to_string())),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gavel_market::room::{Limits, Room, Taking, Usage};
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn what_is_free_is_what_is_neither_sold_nor_held() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let owner = Owner::Account("west".parse().unwrap());
        // Noon on the Monday before a change of the clocks.
        let at_ms = 1_761_580_800_000;
        let mut usage = Usage::default();
        for (sold, amount) in [(true, "20"), (false, "12.50")] {
            let taking = Taking {
                owner: owner.clone(),
                at_ms,
                sold,
                amount: Money::parse(amount).unwrap(),
            };
            usage.take(&taking, &zone);
        }
        let view = UsageView {
            buyer: None,
            owner,
            at_ms,
            room: Room {
                caps: Limits::of([(Period::Week, 3), (Period::Total, 1)]),
                budget: Limits::of([(Period::Day, Money::parse("40").unwrap())]),
                zone,
            },
            usage: Arc::new(usage),
            open: vec![(Kind::Ping, at_ms + 1000)],
        };
        let written = written(&view);
        assert_eq!(
            written["caps"]["per_week"],
            json!({"limit": 3, "sold": 1, "held": 1, "free": 1, "resets_at": "2025-11-03T05:00:00.000Z"}),
            "the week ends an hour later than it began"
        );
        assert_eq!(
            written["caps"]["total"],
            json!({"limit": 1, "sold": 1, "held": 1, "free": 0, "resets_at": null})
        );
        assert_eq!(
            written["caps"]["per_hour"]["limit"],
            Value::Null,
            "counted, and not limited"
        );
        assert_eq!(
            written["budget"]["per_day"],
            json!({"limit": "40.00", "sold": "20.00", "held": "12.50", "free": "7.50", "resets_at": "2025-10-28T04:00:00.000Z"})
        );
        assert_eq!(written["timezone"], "America/New_York");
        assert_eq!(
            written["circuit_open_until"],
            json!({"filter": null, "ping": "2025-10-27T16:00:01.000Z", "post": null})
        );
    }
}
