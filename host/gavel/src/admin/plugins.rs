//! Plugins: uploads, and what the gate said of them.

use gavel_exchange::{Exchange, api::PluginVersionView};
use gavel_market::ids::PluginName;
use gavel_sandbox::SandboxSettings;
use http::Request;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use crate::http::{
    body, limits, negotiate,
    problem::{Code, Problem},
    query::Query,
    reply::{self, Reply, time_ms},
};

/// `GET /plugins`: every version.
pub(super) fn list(exchange: &Exchange) -> Result<Reply, Problem> {
    let items: Vec<Value> = exchange.plugins()?.iter().map(written).collect();
    Ok(reply::json(&json!({"items": items, "next": null})))
}

/// `GET /plugins/{name}`: the versions of one.
pub(super) fn show(exchange: &Exchange, name: &str) -> Result<Reply, Problem> {
    let versions = exchange.plugins()?;
    let versions: Vec<Value> = versions
        .iter()
        .filter(|version| version.name.as_str() == name)
        .map(written)
        .collect();
    if versions.is_empty() {
        return Err(Problem::new(Code::NotFound));
    }
    Ok(reply::json(&json!({"name": name, "versions": versions})))
}

/// `PUT /plugins/{name}`: the bytes of a version. A version that the gate refuses is kept,
/// and the answer has the gate's code.
pub(super) async fn upload(
    exchange: &Exchange,
    name: &str,
    request: Request<Incoming>,
) -> Result<Reply, Problem> {
    let name: PluginName = name.parse().map_err(|_| Problem::new(Code::NotFound))?;
    Query::read(request.uri().query(), &[])?;
    // Clients name bytes in many ways, or not at all; the gate looks at them anyway.
    if negotiate::named_type(request.headers()).starts_with("multipart/") {
        return Err(Problem::new(Code::UnsupportedMediaType)
            .detail("send the plugin's bytes as the body; cases beside them are not yet served"));
    }
    let max_bytes = SandboxSettings::default().max_plugin_bytes;
    let bytes = body::read(request, max_bytes, limits::UPLOAD_TIMEOUT).await?;
    let version = exchange.upload_plugin(name, bytes.into()).await?;
    match &version.refused {
        None => Ok(reply::json(&written(&version))),
        // The gate's words are about the upload, which is its sender's own.
        Some((code, words)) => Err(Problem::new(Code::PluginRefused)
            .word(code.clone())
            .detail(words.clone())),
    }
}

fn written(version: &PluginVersionView) -> Value {
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
    ];
    for (key, text) in about {
        fields.extend(text.clone().map(|text| (key.to_owned(), text.into())));
    }
    if let Some((code, detail)) = &version.refused {
        fields.insert("refused".into(), json!({"code": code, "detail": detail}));
    }
    fields.into()
}
