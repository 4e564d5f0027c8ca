//! A request that may leave: what a plugin asked for, filled in and checked.
//!
//! Everything a plugin returns is hostile. Secrets are filled in first and all is checked
//! after, so that neither a plugin nor a secret can choose where a request goes or add a
//! header line. Host and Content-Length are the host's to write.
//!
//! | a plugin's `url`, with `https://good.example` in `hosts` | |
//! |---|---|
//! | `https://good.example/in`, `https://GOOD.example:443/in` | goes |
//! | `https://good.example:8443/in`, `http://good.example/in` | host not allowed |
//! | `https://good.example.evil.example/`, `https://evil.example/good.example` | host not allowed |
//! | `https://good.example@evil.example/`, `https://evil.example\@good.example/` | malformed |
//! | `//good.example/in`, `https:good.example/in`, `https://good.example/in#part` | malformed |

use std::fmt;

use bytes::Bytes;
use gavel_market::model::Origin;
use gavel_sandbox::Request;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{CONTENT_LENGTH, HOST, USER_AGENT},
};
use http_body_util::Full;
use url::Url;

use super::limits::{REQUEST_HEAD_MAX_BYTES, REQUEST_HEADERS_MAX, URL_MAX_BYTES};
use crate::secrets::{FillError, Secrets};

/// How the host names itself where a plugin does not: some servers refuse who does not.
const AGENT: &str = concat!("gavel/", env!("CARGO_PKG_VERSION"));

/// Headers of the connection, not of the request. The first four are `rules.md`'s; the others
/// would ask the buyer to change how the connection is used, behind the host's back.
const NOT_A_PLUGINS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// Why a request does not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The URL's origin is none of the account's `hosts`.
    #[error("the request goes to a host that the account does not name")]
    HostNotAllowed,
    /// The account has no such secret. The name is the plugin's word.
    #[error("the secret {0} is not granted to this account")]
    UnknownSecret(String),
    /// Something that no request may be; says what, in words of the host's own.
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
}

impl From<FillError> for Refused {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Unknown(name) => Self::UnknownSecret(name),
            FillError::Malformed => Self::Malformed("a secret's placeholder does not end"),
            FillError::TooLong => Self::Malformed("too long once its secrets are filled in"),
        }
    }
}

/// A request that may leave, secrets filled in. Its `Debug` shows method and origin alone.
///
/// It keeps the secrets that it was made with, to take them out of its answer.
#[derive(Clone)]
pub struct Outgoing {
    origin: Origin,
    endpoint: Endpoint,
    method: Method,
    target: Uri,
    headers: HeaderMap,
    body: Bytes,
    secrets: Secrets,
}

/// Where a connection goes.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) host: url::Host<String>,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl Outgoing {
    /// Fills in `request` and checks it: that it goes to one of `hosts`, and that it is a
    /// request at all.
    pub fn prepare(
        request: &Request,
        hosts: &[Origin],
        secrets: &Secrets,
    ) -> Result<Self, Refused> {
        let url = parse(&secrets.fill(&request.url)?)?;
        let origin = Origin::of(&url).ok_or(Refused::Malformed("the URL has no origin"))?;
        if !hosts.contains(&origin) {
            return Err(Refused::HostNotAllowed);
        }
        let method = method(&request.method)?;
        let body = Bytes::from(secrets.fill_bytes(&request.body)?.into_owned());
        let mut headers = headers(&request.headers, secrets)?;
        headers.insert(HOST, host_header(&url)?);
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(AGENT));
        if !body.is_empty() || matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Ok(Self {
            origin,
            endpoint: endpoint(&url)?,
            method,
            target: target(&url)?,
            headers,
            body,
            secrets: secrets.clone(),
        })
    }

    /// Where it goes: one of the account's `hosts`, so nothing secret.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// As hyper sends it.
    pub(crate) fn request(&self) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} {})", self.method, self.origin)
    }
}

/// A URL of which nobody can be of two minds where it goes.
///
/// The parser is a browser's and mends much: it takes `\` for `/`, drops tabs and line ends,
/// and needs no `//`. What it would mend is refused before.
fn parse(text: &str) -> Result<Url, Refused> {
    if text.len() > URL_MAX_BYTES {
        return Err(Refused::Malformed("the URL is too long"));
    }
    if text
        .bytes()
        .any(|byte| byte.is_ascii_control() || matches!(byte, b' ' | b'\\'))
    {
        return Err(Refused::Malformed(
            "the URL has a blank, a control character or a backslash",
        ));
    }
    if text.contains('#') {
        return Err(Refused::Malformed("the URL has a fragment"));
    }
    let (scheme, rest) = text
        .split_once("://")
        .ok_or(Refused::Malformed("the URL is not absolute"))?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Refused::Malformed("the URL is neither http nor https"));
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(Refused::Malformed("the URL has no host"));
    }
    if authority.contains('@') {
        return Err(Refused::Malformed("the URL has a user name or password"));
    }
    Url::parse(text).map_err(|_| Refused::Malformed("the URL cannot be read"))
}

fn endpoint(url: &Url) -> Result<Endpoint, Refused> {
    let no_host = Refused::Malformed("the URL has no host");
    Ok(Endpoint {
        host: url.host().ok_or_else(|| no_host.clone())?.to_owned(),
        port: url.port_or_known_default().ok_or(no_host)?,
        tls: url.scheme() == "https",
    })
}

/// Path and query, as HTTP/1.1 writes them to an origin server.
fn target(url: &Url) -> Result<Uri, Refused> {
    let text = url.query().map_or_else(
        || url.path().to_owned(),
        |query| format!("{}?{query}", url.path()),
    );
    text.parse()
        .map_err(|_| Refused::Malformed("the URL's path or query"))
}

fn host_header(url: &Url) -> Result<HeaderValue, Refused> {
    let host = url.host_str().unwrap_or_default();
    let text = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::try_from(text).map_err(|_| Refused::Malformed("the URL's host"))
}

/// One of the methods that mean a request for something: no tunnels, no `TRACE`.
fn method(text: &str) -> Result<Method, Refused> {
    [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ]
    .into_iter()
    .find(|method| method.as_str() == text)
    .ok_or(Refused::Malformed(
        "the method is none of GET, POST, PUT, PATCH, DELETE",
    ))
}

fn headers(from: &[(String, String)], secrets: &Secrets) -> Result<HeaderMap, Refused> {
    if from.len() > REQUEST_HEADERS_MAX {
        return Err(Refused::Malformed("too many headers"));
    }
    let mut headers = HeaderMap::with_capacity(from.len() + 3);
    let mut bytes = 0;
    for (name, value) in from {
        let value = secrets.fill(value)?;
        bytes += name.len() + value.len();
        if bytes > REQUEST_HEAD_MAX_BYTES {
            return Err(Refused::Malformed("the headers are too long"));
        }
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Refused::Malformed("a header's name"))?;
        if NOT_A_PLUGINS.contains(&name.as_str()) {
            return Err(Refused::Malformed("a header that only the host may set"));
        }
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| Refused::Malformed("a header's value"))?;
        // It may be a secret or a person's.
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
