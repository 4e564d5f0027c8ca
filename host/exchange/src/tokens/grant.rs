//! One client-credentials grant: the request for a token, and how its answer is read.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gavel_market::{
    ids::{AccountId, Digest},
    model::Origin,
};
use gavel_sandbox::{Request, Response};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::Value;
use crate::{
    buyers::{Buyers, Outgoing, PingFailure, Refused},
    limits::{
        TOKEN_FETCH_MAX, TOKEN_LIFE_MAX, TOKEN_LIFE_UNTOLD, TOKEN_RENEWED_BEFORE,
        TOKEN_UNUSED_BEFORE,
    },
    secrets::{SECRET_MAX_BYTES, Secrets},
};

/// What makes two grants one.
pub(super) type GrantKey = Digest;

/// What a token is fetched with.
pub(crate) struct Grant {
    url: Url,
    origin: Origin,
    client_id: Value,
    client_secret: Value,
    scope: Option<String>,
    /// Whose secret it is, and which, for the operator: the first, where several share it.
    account: AccountId,
    name: String,
}

/// A token, and how long it is good.
pub(super) struct Fetched {
    pub(super) value: Value,
    pub(super) renew_at: Instant,
    pub(super) usable_until: Instant,
}

/// Why there is none. No word of the endpoint's is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoToken {
    #[error("the token endpoint gave no answer: {0}")]
    NoAnswer(PingFailure),
    #[error("the token endpoint refused with HTTP {status}{}", said(*code))]
    Refused {
        status: u16,
        /// One that RFC 6749 names.
        code: Option<&'static str>,
    },
    #[error("the token endpoint's answer has {0}")]
    Unreadable(&'static str),
    #[error("the request for a token cannot be made")]
    Malformed,
}

/// The error codes of RFC 6749, section 5.2.
const ERROR_CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

impl NoToken {
    /// For metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NoAnswer(PingFailure::Timeout) => "timeout",
            Self::NoAnswer(PingFailure::Oversized) => "oversized",
            Self::NoAnswer(_) => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Unreadable(_) => "unreadable",
            Self::Malformed => "malformed",
        }
    }
}

fn said(code: Option<&'static str>) -> String {
    code.map(|code| format!(" and {code}")).unwrap_or_default()
}

impl Grant {
    /// Checks that a request can be made of it.
    pub(crate) fn new(
        (account, name): (&AccountId, &str),
        url: &Url,
        client_id: Zeroizing<String>,
        client_secret: Zeroizing<String>,
        scope: Option<&str>,
    ) -> Result<Self, Refused> {
        let origin = Origin::of(url).ok_or(Refused::Malformed("the URL has no origin"))?;
        let grant = Self {
            url: url.clone(),
            origin,
            client_id: Arc::new(client_id),
            client_secret: Arc::new(client_secret),
            scope: scope.map(str::to_owned),
            account: account.clone(),
            name: name.to_owned(),
        };
        grant.request()?;
        Ok(grant)
    }

    pub(super) fn key(&self) -> GrantKey {
        let scope = self.scope.as_deref().unwrap_or_default();
        let parts = [
            self.url.as_str(),
            self.client_id.as_str(),
            self.client_secret.as_str(),
            scope,
        ];
        let mut text = Zeroizing::new(Vec::with_capacity(2 * SECRET_MAX_BYTES + 4096));
        for part in parts {
            // The length first, so that no two lists of parts make the same text.
            text.extend_from_slice(&part.len().to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Digest::of(&text)
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn account(&self) -> &AccountId {
        &self.account
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn secret(&self) -> Value {
        Arc::clone(&self.client_secret)
    }

    /// A form, with the client named by HTTP Basic (sections 2.3.1 and 4.4.2).
    fn request(&self) -> Result<Outgoing, Refused> {
        let encoded = |text: &str| -> Zeroizing<String> {
            Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
        };
        let client = Zeroizing::new(format!(
            "{}:{}",
            *encoded(&self.client_id),
            *encoded(&self.client_secret)
        ));
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            body.append_pair("scope", scope);
        }
        let header = |name: &str, value: String| (name.to_owned(), value);
        let request = Request {
            method: "POST".to_owned(),
            url: self.url.as_str().to_owned(),
            headers: vec![
                header(
                    "authorization",
                    format!("Basic {}", STANDARD.encode(&*client)),
                ),
                header(
                    "content-type",
                    "application/x-www-form-urlencoded".to_owned(),
                ),
                header("accept", "application/json".to_owned()),
            ],
            body: body.finish().into_bytes(),
        };
        let hosts = std::slice::from_ref(&self.origin);
        Outgoing::prepare(&request, hosts, &Secrets::default())
    }

    /// Asks the endpoint once.
    pub(super) async fn fetch(&self, buyers: &Buyers) -> Result<Fetched, NoToken> {
        let outgoing = self.request().map_err(|_| NoToken::Malformed)?;
        let asked_at = Instant::now();
        let answer = buyers
            .ping(&outgoing, asked_at + TOKEN_FETCH_MAX)
            .await
            .map_err(NoToken::NoAnswer)?;
        let (value, life) = read(answer)?;
        // Counted from the question: the answer may have been long on its way.
        Ok(Fetched {
            value,
            renew_at: asked_at + life.saturating_sub(TOKEN_RENEWED_BEFORE.min(life / 5)),
            usable_until: asked_at + life.saturating_sub(TOKEN_UNUSED_BEFORE.min(life / 20)),
        })
    }
}

/// What of the answer counts (section 5.1); members that are not named are allowed there.
#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
}

/// The token of an answer, and how long it lives.
fn read(answer: Response) -> Result<(Value, Duration), NoToken> {
    let (status, body) = (answer.status, Zeroizing::new(answer.body));
    if status != 200 {
        let said = serde_json::from_slice::<Refusal>(&body).ok();
        let said = said.and_then(|refusal| refusal.error);
        let code = ERROR_CODES
            .into_iter()
            .find(|code| said.as_deref() == Some(code));
        return Err(NoToken::Refused { status, code });
    }
    let granted: Granted = serde_json::from_slice(&body)
        .map_err(|_| NoToken::Unreadable("not the form of a grant"))?;
    let token = Zeroizing::new(granted.access_token.unwrap_or_default());
    if token.is_empty() {
        return Err(NoToken::Unreadable("no access_token"));
    }
    if token.len() > SECRET_MAX_BYTES {
        return Err(NoToken::Unreadable("an access_token that is too long"));
    }
    // RFC 6749, appendix A.12; a control character would be another header's line.
    if !token.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(NoToken::Unreadable(
            "an access_token with characters that a token cannot have",
        ));
    }
    // Any other type asks for more than sending it along.
    if !granted
        .token_type
        .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(NoToken::Unreadable("a token_type other than Bearer"));
    }
    let life = match granted.expires_in {
        None | Some(serde_json::Value::Null) => TOKEN_LIFE_UNTOLD,
        Some(said) => seconds(&said).ok_or(NoToken::Unreadable("an expires_in that is no time"))?,
    };
    Ok((Arc::new(token), life.min(TOKEN_LIFE_MAX)))
}

/// A positive number of seconds, which some endpoints write as text.
fn seconds(said: &serde_json::Value) -> Option<Duration> {
    let seconds = match said {
        serde_json::Value::Number(number) => number.as_u64()?,
        serde_json::Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    fn life(body: &str) -> Result<u64, NoToken> {
        read(answer(200, body)).map(|(_, life)| life.as_secs())
    }

    #[test]
    fn a_grant_says_the_token_and_how_long_it_lives() {
        let (token, life) = read(answer(
            200,
            r#"{"access_token": "t-1", "token_type": "bearer", "expires_in": 3600, "scope": "x", "more": {}}"#,
        ))
        .unwrap();
        assert_eq!((token.as_str(), life.as_secs()), ("t-1", 3600));
    }

    #[test]
    fn a_life_is_bounded_and_need_not_be_told() {
        let with = |expires_in: &str| {
            life(&format!(
                r#"{{"access_token": "t", "token_type": "Bearer", "expires_in": {expires_in}}}"#
            ))
        };
        assert_eq!(with("\"60\""), Ok(60));
        assert_eq!(with("null"), Ok(TOKEN_LIFE_UNTOLD.as_secs()));
        assert_eq!(with("18446744073709551615"), Ok(TOKEN_LIFE_MAX.as_secs()));
        assert_eq!(
            life(r#"{"access_token": "t", "token_type": "Bearer"}"#),
            Ok(TOKEN_LIFE_UNTOLD.as_secs())
        );
        for refused in ["0", "-1", "true", "\"soon\"", "1e99", "{}"] {
            assert!(with(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_no_usable_token_is_refused_without_repeating_it() {
        let long = format!(
            r#"{{"access_token": "hush{}", "token_type": "Bearer"}}"#,
            "x".repeat(SECRET_MAX_BYTES)
        );
        for body in [
            "",
            "hush",
            "[]",
            "{}",
            r#"{"access_token": "", "token_type": "Bearer"}"#,
            r#"{"access_token": ["hush"], "token_type": "Bearer"}"#,
            r#"{"access_token": "hush", "token_type": "mac"}"#,
            r#"{"access_token": "hush"}"#,
            r#"{"access_token": "hush\nX-Other: 1", "token_type": "Bearer"}"#,
            r#"{"access_token": "hush\u0000", "token_type": "Bearer"}"#,
            r#"{"access_token": "husché", "token_type": "Bearer"}"#,
            &long,
        ] {
            let problem = read(answer(200, body)).unwrap_err();
            let told = format!("{problem} {problem:?}");
            assert_eq!(problem.word(), "unreadable", "{body}");
            assert!(!told.contains("hus"), "{told}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_status_and_by_the_codes_of_the_rfc() {
        let refused = |status, body: &str| read(answer(status, body)).unwrap_err().to_string();
        assert_eq!(
            refused(
                401,
                r#"{"error": "invalid_client", "error_description": "hush"}"#
            ),
            "the token endpoint refused with HTTP 401 and invalid_client"
        );
        for body in ["hush", r#"{"error": "hush"}"#, ""] {
            assert_eq!(
                refused(302, body),
                "the token endpoint refused with HTTP 302"
            );
        }
    }

    #[test]
    fn the_client_is_named_in_the_header_percent_encoded() {
        let grant = Grant::new(
            (&"sunco-west".parse().unwrap(), "TOKEN"),
            &"https://login.example/token?v=2".parse().unwrap(),
            Zeroizing::new("me:1".to_owned()),
            Zeroizing::new("p w/é".to_owned()),
            Some("leads:bid x"),
        )
        .unwrap();
        let request = grant.request().unwrap().request();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            header("authorization"),
            format!("Basic {}", STANDARD.encode("me%3A1:p+w%2F%C3%A9"))
        );
        assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(request.uri(), "/token?v=2");
        assert!(!format!("{:?}", request.headers()).contains("Basic"));
    }
}
