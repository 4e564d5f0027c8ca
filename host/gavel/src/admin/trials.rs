//! Versions activated, rolled back, revoked, tried and replayed.

use std::time::Duration;

use gavel_exchange::{
    Exchange,
    api::{
        Activated, EndedTrial, Margins, PingQuery, PluginView, ReplayReport, Takings, Trial,
        TrialMode, TrialView, VersionChange,
    },
};
use gavel_market::{
    ids::PluginName,
    reason::FieldCode,
    record::{Differences, Standing},
};
use http::Request;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::{pings, plugins, read};
use crate::http::{
    first_byte,
    problem::Problem,
    query::{self, Query},
    reply::{self, Reply, time_ms},
};

/// Differences, or pings of a replay, on a page, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// What is done to a plugin by `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfPlugin {
    Activate,
    Rollback,
    Revoke,
    Shadow,
    Canary,
    Replay,
}

/// Does what `POST /plugins/{name}/…` asks.
pub(super) async fn done(
    exchange: &Exchange,
    name: &str,
    what: OfPlugin,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let name = plugins::named(name)?;
    match what {
        OfPlugin::Activate => {
            let body = read::object(request, &["digest"]).await?;
            let done = exchange.activate_plugin(&name, digest(&body)?).await?;
            Ok(reply::json(&activated(&done)))
        }
        OfPlugin::Rollback => Ok(reply::json(&activated(
            &exchange.roll_back_plugin(&name).await?,
        ))),
        OfPlugin::Revoke => {
            let body = read::object(request, &["digest"]).await?;
            let version = exchange.revoke_plugin(&name, digest(&body)?).await?;
            Ok(reply::json(&plugins::with_gate(&version)))
        }
        OfPlugin::Shadow => {
            let body = read::object(request, &["digest"]).await?;
            let wanted = wanted(&body)?.map(|digest| (digest, TrialMode::Shadow));
            tried(exchange, &name, wanted).await
        }
        OfPlugin::Canary => {
            let body = read::object(request, &["digest", "share", "margins"]).await?;
            let wanted = match wanted(&body)? {
                Some(digest) => Some((digest, canary(&body)?)),
                None => None,
            };
            tried(exchange, &name, wanted).await
        }
        OfPlugin::Replay => replay(exchange, &name, request).await,
    }
}

async fn tried(
    exchange: &Exchange,
    name: &PluginName,
    wanted: Option<(&str, TrialMode)>,
) -> Result<Reply, Problem> {
    let plugin = exchange.try_plugin(name, wanted).await?;
    Ok(reply::json(
        &json!({"name": plugin.name, "trial": plugin.trial.as_ref().map(trial)}),
    ))
}

fn digest(body: &Map<String, Value>) -> Result<&str, Problem> {
    wanted(body)?.ok_or_else(|| {
        Problem::field(
            "digest",
            FieldCode::Missing,
            "a version's digest, or its first digits",
        )
    })
}

/// The version that a trial is to have; null ends it.
fn wanted(body: &Map<String, Value>) -> Result<Option<&str>, Problem> {
    match body.get("digest") {
        Some(Value::String(digest)) => Ok(Some(digest)),
        Some(Value::Null) => Ok(None),
        None => Err(Problem::field(
            "digest",
            FieldCode::Missing,
            "a version's digest, or null to end what is on trial",
        )),
        Some(_) => Err(Problem::field(
            "digest",
            FieldCode::WrongType,
            "a digest as text",
        )),
    }
}

/// A canary's share and margins.
fn canary(body: &Map<String, Value>) -> Result<TrialMode, Problem> {
    let share = match body.get("share") {
        None | Some(Value::Null) => {
            return Err(Problem::field("share", FieldCode::Missing, SHARE));
        }
        Some(share) => fraction("share", share)?,
    };
    if share <= 0.0 || share > 1.0 {
        return Err(Problem::field("share", FieldCode::OutOfRange, SHARE));
    }
    let mut margins = Margins::default();
    if let Some(given) = body.get("margins").filter(|given| !given.is_null()) {
        let given = given.as_object().ok_or_else(|| {
            Problem::field(
                "margins",
                FieldCode::WrongType,
                "an object with faults, refusals and time",
            )
        })?;
        for (key, value) in given {
            let margin = match key.as_str() {
                "faults" => &mut margins.faults,
                "refusals" => &mut margins.refusals,
                "time" => &mut margins.time,
                other => {
                    let known = ["faults", "refusals", "time"];
                    return Err(Problem::fields(&[query::unknown_name(other, &known)]));
                }
            };
            *margin = fraction(key, value)?;
            if !(0.0..=MARGIN_MAX).contains(margin) {
                return Err(Problem::field(key, FieldCode::OutOfRange, "from 0 to 100"));
            }
        }
    }
    // Below a millionth there is no order to be chosen.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and a million
    let share_ppm = ((share * 1_000_000.0).round() as u32).max(1);
    Ok(TrialMode::Canary {
        share_ppm,
        faults: margins.faults,
        refusals: margins.refusals,
        time: margins.time,
    })
}

const SHARE: &str = "a share of the pings, such as 0.1 or \"10%\"";
const MARGIN_MAX: f64 = 100.0;

/// A fraction: a number, or text such as `10%` or `0.1`. No money hangs on its last bit.
fn fraction(key: &str, value: &Value) -> Result<f64, Problem> {
    let read = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.trim().strip_suffix('%') {
            Some(percent) => percent
                .trim()
                .parse()
                .ok()
                .map(|percent: f64| percent / 100.0),
            None => text.trim().parse().ok(),
        },
        _ => None,
    };
    read.filter(|fraction| fraction.is_finite()).ok_or_else(|| {
        Problem::field(
            key,
            FieldCode::BadFormat,
            "a number such as 0.1, or \"10%\"",
        )
    })
}

/// One page of recorded pings through a version.
async fn replay(
    exchange: &Exchange,
    name: &PluginName,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let body = read::object(request, &["digest", "since", "before", "limit"]).await?;
    let text = |key: &'static str| match body.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) if key == "limit" => Ok(number.to_string()),
        Some(_) => Err(Problem::field(
            key,
            FieldCode::WrongType,
            "as in a list's query",
        )),
    };
    // The same words as in a list's query, read by the same reader.
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("since", &text("since")?)
        .append_pair("before", &text("before")?)
        .append_pair("limit", &text("limit")?)
        .finish();
    let query = Query::read(Some(&query), &["since", "before", "limit"])?;
    let query = PingQuery {
        campaign: None,
        account: None,
        outcome: None,
        since_ms: query.since("since", first_byte::now().unix_ms)?,
        after: query.parsed("before", "what the last page had as next")?,
        limit: query.limit(PAGE.0, PAGE.1)?,
    };
    let report = exchange.replay_plugin(name, digest(&body)?, query).await?;
    Ok(reply::json(&reported(&report)))
}

fn reported(report: &ReplayReport) -> Value {
    let accounts = report.accounts.iter().map(|(account, (before, after))| {
        (
            account.to_string(),
            json!({"before": before, "after": after}),
        )
    });
    let examples = report.examples.iter().map(|(ping, changed)| {
        json!({
            "ping_id": ping,
            "account": changed.before.account,
            "before": pings::outcome(&changed.before),
            "after": pings::outcome(&changed.after),
        })
    });
    json!({
        "pings": report.pings,
        "replayed": report.replayed,
        "not_comparable": report.not_comparable,
        "changed": report.changed,
        "accounts": accounts.collect::<Map<_, _>>(),
        "before": takings(&report.before),
        "after": takings(&report.after),
        "calls": report.tally.calls,
        "faults": report.tally.faults,
        "cpu_us_mean": report.tally.mean_cpu().map(micros),
        "cpu_us_max": micros(report.cpu_max),
        "memory_max": report.memory_max,
        "examples": examples.collect::<Vec<_>>(),
        "next": report.next,
    })
}

fn takings(takings: &Takings) -> Value {
    json!({
        "bids": takings.bids,
        "revenue": takings.revenue.to_string(),
        "cost": takings.cost.to_string(),
        "profit": (takings.revenue - takings.cost).to_string(),
    })
}

/// Microseconds with a decimal: a call takes some ten.
#[allow(clippy::cast_precision_loss)] // far below 2^52 tenths
pub(super) fn micros(time: Duration) -> f64 {
    (time.as_nanos() / 100) as f64 / 10.0
}

/// `GET /plugins/{name}/differences`: what shadows would have decided otherwise.
pub(super) async fn differences(
    exchange: &Exchange,
    name: &str,
    query: &Query,
) -> Result<Reply, Problem> {
    let name = plugins::named(name)?;
    let after = query.parsed("after", "what the last page had as next")?;
    let page = exchange
        .differences(&name, after, query.limit(PAGE.0, PAGE.1)?)
        .await?;
    let items: Vec<Value> = page.items.iter().flat_map(difference).collect();
    Ok(reply::json(&json!({"items": items, "next": page.next})))
}

/// What a shadow would have decided otherwise in one ping, a line for each account.
pub(super) fn difference(found: &Differences) -> impl Iterator<Item = Value> {
    found.accounts.iter().map(|one| {
        json!({
            "ping_id": found.ping,
            "at": time_ms(found.ping.0.timestamp_ms()),
            "plugin": found.plugin,
            "digest": found.digest,
            "account": one.account,
            "active": standing(&one.active),
            "shadow": standing(&one.shadow),
        })
    })
}

fn standing(standing: &Standing) -> Value {
    let mut fields = Map::new();
    let outcome = standing.outcome.map_or("bids", |outcome| outcome.word());
    fields.insert("outcome".into(), outcome.into());
    let more = [("code", &standing.code), ("text", &standing.text)];
    for (key, text) in more {
        fields.extend(text.clone().map(|text| (key.to_owned(), text.into())));
    }
    fields.extend(
        standing
            .bid
            .map(|bid| ("bid".to_owned(), bid.to_string().into())),
    );
    fields.into()
}

fn activated(done: &Activated) -> Value {
    json!({
        "name": done.name,
        "digest": done.digest,
        "revision": done.revision,
        "before": done.before,
    })
}

/// A plugin with its versions, its history and what is on trial.
pub(super) fn plugin(view: &PluginView) -> Value {
    json!({
        "name": view.name,
        "active": view.active,
        "versions": view.versions.iter().map(plugins::with_gate).collect::<Vec<_>>(),
        "history": view.history.iter().map(change).collect::<Vec<_>>(),
        "trial": view.trial.as_ref().map(trial),
        "ended": view.ended.iter().map(ended).collect::<Vec<_>>(),
    })
}

fn change(change: &VersionChange) -> Value {
    json!({
        "at": time_ms(change.at_ms),
        "digest": change.digest,
        "revision": change.revision,
        "why": change.why,
    })
}

fn trial(view: &TrialView) -> Value {
    let mut fields = tried_as(&view.trial);
    let shadow = view.trial.mode == TrialMode::Shadow;
    fields.insert("seen".into(), view.seen.into());
    if shadow {
        fields.insert("differed".into(), view.differed.into());
        fields.insert("skipped".into(), view.skipped.into());
    }
    fields.insert("candidate".into(), plugins::counters(view.candidate));
    fields.insert("active".into(), plugins::counters(view.active));
    fields.into()
}

fn tried_as(trial: &Trial) -> Map<String, Value> {
    let mut fields = Map::new();
    let mode = match trial.mode {
        TrialMode::Shadow => "shadow",
        TrialMode::Canary { .. } => "canary",
    };
    fields.insert("mode".into(), mode.into());
    fields.insert("digest".into(), trial.digest.to_string().into());
    fields.insert("since".into(), time_ms(trial.since_ms).into());
    if let TrialMode::Canary {
        share_ppm,
        faults,
        refusals,
        time,
    } = trial.mode
    {
        fields.insert("share".into(), (f64::from(share_ppm) / 1_000_000.0).into());
        fields.insert(
            "margins".into(),
            json!({"faults": faults, "refusals": refusals, "time": time}),
        );
    }
    fields
}

fn ended(ended: &EndedTrial) -> Value {
    let mut fields = tried_as(&ended.trial);
    fields.insert("at".into(), time_ms(ended.at_ms).into());
    fields.insert("why".into(), ended.why.clone().into());
    fields.insert("by_itself".into(), ended.by_itself.into());
    fields.into()
}
