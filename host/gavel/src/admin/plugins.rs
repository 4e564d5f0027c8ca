//! Plugins: uploads, and what the gate said of them.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use bytes::Bytes;
use gavel_exchange::{
    Exchange,
    api::{Limits, PluginVersionView, Tally, Upload},
};
use gavel_market::{
    ids::{Digest, IdError, PluginName},
    model::CallLimits,
    reason::FieldCode,
};
use gavel_store::audit;
use http::{HeaderMap, Request, header};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::trials;
use crate::{
    config::{Size, Span},
    http::{
        body, limits, negotiate,
        problem::{Code, Problem},
        query::Query,
        reply::{self, Reply, time_ms},
    },
};

/// What a multipart upload may have beside the plugin, in bytes: cases, and the parts' heads.
const CASES_MAX_BYTES: usize = 4 << 20;

/// Files of cases that one upload may bring.
const CASE_FILES_MAX: usize = 100;

/// Versions on a page, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// `GET /plugins`: every version, by name and digest.
pub(super) fn list(exchange: &Exchange, query: &Query) -> Result<Reply, Problem> {
    let after: Option<Place> = query.parsed("after", "what the last page had as next")?;
    let limit = query.limit(PAGE.0, PAGE.1)?;
    let all = exchange.plugins()?;
    let left = all.iter().filter(|version| {
        after
            .as_ref()
            .is_none_or(|after| *after < Place::of(version))
    });
    let mut page: Vec<_> = left.take(limit.saturating_add(1)).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more);
    let items: Vec<Value> = page.iter().map(|version| written(version)).collect();
    let next = next.map(|version| Place::of(version).to_string());
    Ok(reply::json(&json!({"items": items, "next": next})))
}

/// Where a version stands in the list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(PluginName, Digest);

impl Place {
    fn of(version: &PluginVersionView) -> Self {
        Self(version.name.clone(), version.digest)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let expected = "a plugin's name, a dot and a digest";
        let (name, digest) = text.split_once('.').ok_or(IdError { expected })?;
        Ok(Self(name.parse()?, digest.parse()?))
    }
}

/// `GET /plugins/{name}`: one plugin with its versions, its history and what is on trial.
pub(super) fn show(exchange: &Exchange, name: &str) -> Result<Reply, Problem> {
    Ok(reply::json(&trials::plugin(
        &exchange.plugin(&named(name)?)?,
    )))
}

/// A plugin's name as it stands in a path; one that cannot be is not found.
pub(super) fn named(name: &str) -> Result<PluginName, Problem> {
    name.parse().map_err(|_| Problem::new(Code::NotFound))
}

/// `PUT /plugins/{name}`: the bytes of a version, or multipart with cases beside them. A version
/// that the gate refuses is kept, and the answer has the gate's code and report.
pub(super) async fn upload(
    exchange: &Exchange,
    name: &str,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let name = named(name)?;
    let activate = query.flag("activate")?;
    let size = |key| {
        parsed::<Size>(query, key, "a size such as 64MiB").map(|size| size.map(|size| size.0))
    };
    let limits = Limits {
        memory: size("memory")?,
        time: parsed::<Span>(query, "time", "a time such as 50ms")?.map(|span| span.0),
        log: size("log")?,
    };
    check_limits(limits)?;
    let boundary = boundary(request.headers())?;
    let max_bytes = exchange.max_plugin_bytes() + boundary.as_ref().map_or(0, |_| CASES_MAX_BYTES);
    let sent = body::read(request, max_bytes, limits::UPLOAD_TIMEOUT).await?;
    let (bytes, cases) = match boundary {
        None => (sent, Vec::new()),
        Some(boundary) => parts(sent, &boundary).await?,
    };
    let most = exchange.max_plugin_bytes();
    if bytes.len() > most {
        let words = format!("a plugin may have at most {most} bytes");
        return Err(Problem::new(Code::TooLarge).detail(words));
    }
    audit::with("digest", &Digest::of(&bytes).to_string());
    let upload = Upload {
        name,
        bytes: bytes.into(),
        cases,
        limits,
        activate,
    };
    let (version, activated) = exchange.upload_plugin(upload).await?;
    match &version.refused {
        None => {
            let mut answer = with_gate(&version);
            if let (Some(activated), Some(fields)) = (activated, answer.as_object_mut()) {
                fields.insert("revision".into(), activated.revision.into());
            }
            Ok(reply::json(&answer))
        }
        // The gate's words are about the upload, which is its sender's own.
        Some((code, words)) => Err(Problem::new(Code::PluginRefused)
            .word(code.clone())
            .detail(words.clone())
            .with("gate", version.gate.clone().unwrap_or_default())),
    }
}

fn parsed<T: FromStr>(
    query: &Query,
    key: &str,
    expected: &'static str,
) -> Result<Option<T>, Problem> {
    query.parsed(key, expected)
}

/// The same bounds as in a market file.
fn check_limits(limits: Limits) -> Result<(), Problem> {
    let wrong =
        |key: &str, message: String| Err(Problem::field(key, FieldCode::OutOfRange, message));
    let bytes =
        |range: &RangeInclusive<u64>| format!("from {} to {} bytes", range.start(), range.end());
    let is_outside = |given: Option<usize>, range: &RangeInclusive<u64>| {
        given.is_some_and(|given| !range.contains(&(given as u64)))
    };
    if is_outside(limits.memory, &CallLimits::MEMORY) {
        return wrong("memory", bytes(&CallLimits::MEMORY));
    }
    if limits
        .time
        .is_some_and(|time| !CallLimits::TIME.contains(&time))
    {
        let (least, most) = CallLimits::TIME.into_inner();
        return wrong("time", format!("from {least:?} to {most:?}"));
    }
    if is_outside(limits.log, &CallLimits::LOG) {
        return wrong("log", bytes(&CallLimits::LOG));
    }
    Ok(())
}

/// The boundary of a multipart body. Clients name other bytes in many ways, or not at all; the
/// gate looks at them anyway.
fn boundary(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    if !negotiate::named_type(headers).starts_with("multipart/") {
        return Ok(None);
    }
    let sent = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    multer::parse_boundary(sent).map(Some).map_err(|_| {
        Problem::new(Code::UnsupportedMediaType)
            .detail("send multipart/form-data with a boundary, or the plugin's bytes alone")
    })
}

/// The plugin and the files of cases in a multipart body.
async fn parts(sent: Bytes, boundary: &str) -> Result<(Bytes, Vec<(String, String)>), Problem> {
    let body = futures_util::stream::iter([Ok::<_, std::io::Error>(sent)]);
    let mut parts = multer::Multipart::new(body, boundary);
    let (mut plugin, mut cases) = (None, Vec::new());
    let unreadable = |_| Problem::malformed("the multipart body cannot be read");
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        let file = part.file_name().unwrap_or_default().to_owned();
        match part.name() {
            Some("plugin") if plugin.is_none() => {
                plugin = Some(part.bytes().await.map_err(unreadable)?);
            }
            Some("cases") if cases.len() < CASE_FILES_MAX => {
                let text = part.bytes().await.map_err(unreadable)?;
                let text = String::from_utf8(text.into())
                    .map_err(|_| Problem::malformed("a file of cases is not valid UTF-8"))?;
                // JSON is told by its name; cases without one are TOML.
                let name = if file.is_empty() {
                    "cases.toml".to_owned()
                } else {
                    file
                };
                cases.push((name, text));
            }
            _ => {
                return Err(Problem::malformed(
                    "a multipart upload has one part `plugin`, and parts `cases`, at most a hundred",
                ));
            }
        }
    }
    let plugin = plugin.ok_or_else(|| Problem::malformed("the part `plugin` is missing"))?;
    Ok((plugin, cases))
}

/// A version in a list.
pub(super) fn written(version: &PluginVersionView) -> Value {
    let mut fields = Map::new();
    fields.insert("name".into(), version.name.to_string().into());
    fields.insert("digest".into(), version.digest.to_string().into());
    fields.insert("size".into(), version.size.into());
    fields.insert("at".into(), time_ms(version.at_ms).into());
    fields.insert("active".into(), version.active.into());
    let about = [
        ("kind", &version.kind),
        ("version", &version.version),
        ("summary", &version.summary),
        ("stateful", &version.stateful),
    ];
    for (key, text) in about {
        fields.extend(text.clone().map(|text| (key.to_owned(), text.into())));
    }
    if let Some((code, detail)) = &version.refused {
        fields.insert("refused".into(), json!({"code": code, "detail": detail}));
    }
    if let Some(at_ms) = version.revoked_at_ms {
        fields.insert("revoked_at".into(), time_ms(at_ms).into());
    }
    fields.into()
}

/// A version with what the gate found, and what has come of asking it.
pub(super) fn with_gate(version: &PluginVersionView) -> Value {
    let mut written = written(version);
    if let Some(fields) = written.as_object_mut() {
        fields.extend(version.gate.clone().map(|gate| ("gate".to_owned(), gate)));
        fields.extend(
            version
                .tally
                .map(|tally| ("counters".to_owned(), counters(tally))),
        );
    }
    written
}

/// What has come of asking a version.
pub(super) fn counters(tally: Tally) -> Value {
    json!({
        "calls": tally.calls,
        "faults": tally.faults,
        "decisions": tally.decisions,
        "refusals": tally.refusals,
        "cpu_us_mean": tally.mean_cpu().map(trials::micros),
    })
}
