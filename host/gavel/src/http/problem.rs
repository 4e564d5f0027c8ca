//! Bad answers: RFC 9457 problem documents.
//!
//! Whatever is said here was written in this program: a problem never repeats a value that
//! the client sent, so no personal value and no secret can come back, or into a log, by way
//! of an error. Names of fields are repeated, which the market crate makes safe.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use gavel_exchange::{
    api::{MarketRefused, OperatorRefused, PluginRefused, Refusal, ReturnNotTaken},
    contract::LinkRefused,
    events::NotHeard,
};
use gavel_market::{file::MarketError, lead::FieldError, reason::FieldCode};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    reply::{self, Notation, Reply},
    xml,
};

/// One line for each code of the API: variant, word, status, title.
macro_rules! codes {
    ($($variant:ident $word:literal $status:ident $title:literal;)*) => {
        /// What went wrong, as `api.md` has it; what that leaves to HTTP has names of its own here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($variant,)* }

        impl Code {
            /// The word that stands for it.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The status that it goes with.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    Malformed "malformed" BAD_REQUEST "The body cannot be read";
    Unauthenticated "unauthenticated" UNAUTHORIZED "A valid key is needed";
    CampaignNotActive "campaign_not_active" FORBIDDEN "The campaign is not active";
    LinkInvalid "link_invalid" FORBIDDEN "The link opens nothing";
    LinkExpired "link_expired" FORBIDDEN "The link has expired";
    NotFound "not_found" NOT_FOUND "There is no such thing";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "This method is not served here";
    NotAcceptable "not_acceptable" NOT_ACCEPTABLE "The answer does not come in that form";
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "The request took too long to arrive";
    PostInProgress "post_in_progress" CONFLICT "A post to this order is under way";
    AlreadyPosted "already_posted" CONFLICT "The order was posted before, with another lead";
    WrongChannel "wrong_channel" CONFLICT "The campaign takes another kind of request";
    AmbiguousDigest "ambiguous_digest" CONFLICT "More than one version's digest begins so";
    Revoked "revoked" CONFLICT "The version was revoked";
    RefusedByGate "refused_by_gate" CONFLICT "The gate refused the version";
    NoEarlierVersion "no_earlier_version" CONFLICT "No earlier version was active";
    AlreadyActive "already_active" CONFLICT "The version is the active one";
    NothingActive "nothing_active" CONFLICT "The plugin has no active version";
    NoMarket "no_market" CONFLICT "No market is in force";
    AlreadySettled "already_settled" CONFLICT "The delivery is not unconfirmed";
    ReturnTooLate "return_too_late" CONFLICT "The time to give the delivery back is over";
    ReturnLimit "return_limit" CONFLICT "No more of the month's deliveries may be given back";
    AlreadyReturned "already_returned" CONFLICT "The delivery was given back before";
    NotReturnable "not_returnable" CONFLICT "The delivery cannot be given back";
    AlreadyDecided "already_decided" CONFLICT "The return was accepted or declined before";
    NotRetryable "not_retryable" CONFLICT "The delivery cannot be tried again";
    OrderExpired "order_expired" GONE "The order has expired";
    RevisionConflict "revision_conflict" PRECONDITION_FAILED "The market is at another revision";
    TooLarge "too_large" PAYLOAD_TOO_LARGE "The body is too large";
    HeadersTooLarge "headers_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The headers are too many or too large";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The body's form is not served";
    InvalidFields "invalid_fields" UNPROCESSABLE_ENTITY "Fields are missing or wrong";
    InvalidMarket "invalid_market" UNPROCESSABLE_ENTITY "The market has errors";
    PluginRefused "plugin_refused" UNPROCESSABLE_ENTITY "The gate refused the plugin";
    RateLimited "rate_limited" TOO_MANY_REQUESTS "The campaign's requests come too fast";
    CampaignCapReached "campaign_cap_reached" TOO_MANY_REQUESTS "The campaign's cap is reached";
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY "The idempotency key was used for another request";
    Internal "internal" INTERNAL_SERVER_ERROR "The host cannot answer";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too much is in flight";
    ShuttingDown "shutting_down" SERVICE_UNAVAILABLE "The host is shutting down";
}

impl Code {
    /// After how many seconds it makes sense to try again, where `api.md` says that we say.
    fn retry_after_s(self) -> Option<u16> {
        match self {
            Self::PostInProgress | Self::Overloaded => Some(1),
            // About what a restart takes.
            Self::ShuttingDown => Some(5),
            _ => None,
        }
    }
}

/// A problem on its way to a client. The parts that most problems lack are behind one pointer,
/// so that a `Result` with a problem in it stays small.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    more: Box<More>,
}

#[derive(Debug, Default)]
struct More {
    detail: Cow<'static, str>,
    errors: Vec<Value>,
    /// Where another word stands for the problem than its code's, such as a gate's.
    word: Option<Cow<'static, str>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// A member of its own beside the standard's, such as a gate's report.
    member: Option<(&'static str, Value)>,
}

/// The document, in the order in which it is written.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    errors: &'a [Value],
}

impl Problem {
    /// A problem about which there is no more to say.
    pub(crate) fn new(code: Code) -> Self {
        let mut problem = Self {
            code,
            more: Box::default(),
        };
        if let Some(seconds) = code.retry_after_s() {
            problem = problem.header(header::RETRY_AFTER, seconds.into());
        }
        problem
    }

    /// A body that cannot be read, with where and why.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Malformed).detail(detail)
    }

    /// Fields that are wrong.
    pub(crate) fn fields(errors: &[FieldError]) -> Self {
        let mut problem = Self::new(Code::InvalidFields);
        problem.more.errors = errors
            .iter()
            .filter_map(|error| serde_json::to_value(error).ok())
            .collect();
        problem
    }

    /// One field that is wrong.
    pub(crate) fn field(
        name: &str,
        code: FieldCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::fields(&[FieldError::new(name, code, message)])
    }

    /// This and what is wrong with other fields.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.more.errors.extend(other.more.errors);
        self
    }

    /// No valid key.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated)
            .detail("send the header Authorization: Bearer KEY")
            .header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"gavel\""),
            )
    }

    /// Too many requests: in whole seconds, since the header knows no others, and none too early.
    fn rate_limited(retry_after: Duration) -> Self {
        let begun = u64::from(retry_after.subsec_nanos() > 0);
        let seconds = retry_after.as_secs().saturating_add(begun).max(1);
        Self::new(Code::RateLimited)
            .detail("wait for as many seconds as the header Retry-After says")
            .header(header::RETRY_AFTER, seconds.into())
    }

    /// A path that is served, but not by this method.
    pub(crate) fn method_not_allowed(served: impl IntoIterator<Item = Method>) -> Self {
        let problem = Self::new(Code::MethodNotAllowed);
        let allow: Vec<_> = served
            .into_iter()
            .flat_map(|served| match served {
                Method::GET => vec![Method::GET, Method::HEAD],
                other => vec![other],
            })
            .map(|method| method.to_string())
            .collect();
        match HeaderValue::from_str(&allow.join(", ")) {
            Ok(allow) => problem.header(header::ALLOW, allow),
            Err(_) => problem,
        }
    }

    /// Says more, in words of this program.
    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.more.detail = detail.into();
        self
    }

    /// Puts another word in the code's place.
    pub(crate) fn word(mut self, word: impl Into<Cow<'static, str>>) -> Self {
        self.more.word = Some(word.into());
        self
    }

    /// Adds a member of its own beside the standard's.
    pub(crate) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.more.member = Some((name, value));
        self
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.more.headers.push((name, value));
        self
    }

    /// What it is.
    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What it says beside its title.
    #[cfg(test)]
    pub(crate) fn said(&self) -> &str {
        &self.more.detail
    }

    fn document(&self) -> Bytes {
        let word = self.more.word.as_deref().unwrap_or(self.code.word());
        let document = Document {
            r#type: format!("urn:gavel:problem:{word}"),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: word,
            // A client may always show this to a person.
            detail: match self.more.detail.as_ref() {
                "" => self.code.title(),
                detail => detail,
            },
            errors: &self.more.errors,
        };
        let Some((name, value)) = &self.more.member else {
            return serde_json::to_vec(&document).unwrap_or_default().into();
        };
        let mut document = serde_json::to_value(&document).unwrap_or_default();
        if let Some(members) = document.as_object_mut() {
            members.insert((*name).to_owned(), value.clone());
        }
        serde_json::to_vec(&document).unwrap_or_default().into()
    }

    /// As an answer in JSON.
    pub(crate) fn into_reply(self) -> Reply {
        self.into_reply_in(Notation::Json)
    }

    /// As an answer in this notation.
    pub(crate) fn into_reply_in(self, notation: Notation) -> Reply {
        let (content_type, body) = match notation {
            Notation::Json => ("application/problem+json", self.document()),
            Notation::Xml | Notation::TextXml => {
                let document = serde_json::from_slice(&self.document()).unwrap_or_default();
                ("application/problem+xml", xml::problem(&document).into())
            }
        };
        let mut reply = reply::with_body(self.code.status(), content_type, body);
        reply.headers_mut().extend(
            self.more
                .headers
                .into_iter()
                .map(|(name, value)| (Some(name), value)),
        );
        reply
    }

    /// As the bytes of an answer that ends its connection, for where hyper is not yet at work.
    pub(crate) fn to_http1(&self) -> Vec<u8> {
        let (status, body) = (self.code.status(), self.document());
        let reason = status.canonical_reason().unwrap_or_default();
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\nx-request-id: {}\r\n",
            status.as_u16(),
            body.len(),
            ulid::Ulid::new()
        );
        for (name, value) in &self.more.headers {
            let value = value.to_str().unwrap_or_default();
            head.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        [head.as_bytes(), &body].concat()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::new(Code::NotFound),
            Refusal::WrongChannel => Self::new(Code::WrongChannel),
            Refusal::RateLimited { retry_after } => Self::rate_limited(retry_after),
            Refusal::CampaignNotActive => Self::new(Code::CampaignNotActive),
            Refusal::CampaignCapReached => Self::new(Code::CampaignCapReached),
            Refusal::InvalidFields(errors) => Self::fields(&errors),
            Refusal::IdempotencyKeyReused => Self::new(Code::IdempotencyKeyReused),
            Refusal::PostInProgress => Self::new(Code::PostInProgress),
            Refusal::AlreadyPosted => Self::new(Code::AlreadyPosted),
            Refusal::OrderExpired => Self::new(Code::OrderExpired),
            Refusal::Overloaded => Self::new(Code::Overloaded),
            Refusal::ShuttingDown => Self::new(Code::ShuttingDown),
            Refusal::Broken => Self::new(Code::Internal),
        }
    }
}

impl From<LinkRefused> for Problem {
    fn from(refused: LinkRefused) -> Self {
        match refused {
            LinkRefused::Invalid => Self::new(Code::LinkInvalid)
                .detail("it may have been cut short on its way to you; ask whoever gave you this link for it again"),
            LinkRefused::Expired => Self::new(Code::LinkExpired)
                .detail("ask whoever gave you this link for a new one, or send your key"),
        }
    }
}

impl From<OperatorRefused> for Problem {
    fn from(refused: OperatorRefused) -> Self {
        match refused {
            OperatorRefused::NotFound => Self::new(Code::NotFound),
            OperatorRefused::AlreadySettled => Self::new(Code::AlreadySettled),
            OperatorRefused::NotRetryable => Self::new(Code::NotRetryable),
            OperatorRefused::AboveBid => {
                Self::field("price", FieldCode::OutOfRange, "at most the bid")
            }
            OperatorRefused::Broken => {
                Self::new(Code::Internal).detail("the store cannot keep it; see the host's log")
            }
        }
    }
}

impl From<ReturnNotTaken> for Problem {
    fn from(not_taken: ReturnNotTaken) -> Self {
        let of_reason = |code, message| Self::field("reason", code, message);
        match not_taken {
            ReturnNotTaken::Refused(refused) => refused.into(),
            ReturnNotTaken::TooLate => Self::new(Code::ReturnTooLate),
            ReturnNotTaken::Limit => Self::new(Code::ReturnLimit),
            ReturnNotTaken::AlreadyReturned => Self::new(Code::AlreadyReturned),
            ReturnNotTaken::NotReturnable => Self::new(Code::NotReturnable)
                .detail("it was not sold, or the account has no `returns` in the market"),
            ReturnNotTaken::AlreadyDecided => Self::new(Code::AlreadyDecided),
            ReturnNotTaken::NoReason => {
                of_reason(FieldCode::Missing, "why the buyer gives the delivery back")
            }
            ReturnNotTaken::LongReason => of_reason(FieldCode::TooLong, "at most 500 characters"),
            ReturnNotTaken::ControlCharacters => {
                of_reason(FieldCode::NotAllowed, "no control characters")
            }
            ReturnNotTaken::LooksPersonal => of_reason(
                FieldCode::LooksPersonal,
                "a reason is kept for good: leave out what tells who the consumer is",
            ),
        }
    }
}

impl From<NotHeard> for Problem {
    fn from(not_heard: NotHeard) -> Self {
        match not_heard {
            NotHeard::TooMany => Self::new(Code::Overloaded)
                .detail("as many listen to events as may; end another stream first"),
            NotHeard::Closed => Self::new(Code::ShuttingDown),
        }
    }
}

impl From<PluginRefused> for Problem {
    fn from(refused: PluginRefused) -> Self {
        match refused {
            PluginRefused::NotFound => Self::new(Code::NotFound),
            PluginRefused::BadDigest => Self::field(
                "digest",
                FieldCode::BadFormat,
                "a SHA-256 in hexadecimal, cut to eight or more digits",
            ),
            PluginRefused::AmbiguousDigest => {
                Self::new(Code::AmbiguousDigest).detail("write more of the digest's digits")
            }
            PluginRefused::Revoked => {
                Self::new(Code::Revoked).detail("it decides nothing any more; upload another")
            }
            PluginRefused::RefusedByGate(code, words) => Self::new(Code::RefusedByGate)
                .detail(format!("it can never be active: {code}: {words}")),
            PluginRefused::Gate(code, words) => {
                Self::new(Code::PluginRefused).word(code).detail(words)
            }
            PluginRefused::NoEarlierVersion => Self::new(Code::NoEarlierVersion)
                .detail("there is nothing to go back to; activate a version by its digest"),
            PluginRefused::AlreadyActive => Self::new(Code::AlreadyActive)
                .detail("it decides already: there is nothing to compare it with"),
            PluginRefused::NothingActive => Self::new(Code::NothingActive).detail(
                "there is nothing beside which it could be tried; activate a version first",
            ),
            PluginRefused::NoMarket => {
                Self::new(Code::NoMarket).detail("apply a market first, with `gavel apply`")
            }
            PluginRefused::Market(refused) => refused.into(),
            PluginRefused::Broken => {
                Self::new(Code::Internal).detail("the store cannot keep it; see the host's log")
            }
        }
    }
}

impl From<MarketRefused> for Problem {
    fn from(refused: MarketRefused) -> Self {
        match refused {
            MarketRefused::Invalid(errors) => {
                let mut problem = Self::new(Code::InvalidMarket);
                problem.more.errors = errors.iter().map(market_error).collect();
                problem
            }
            MarketRefused::Conflict(revision) => {
                Self::new(Code::RevisionConflict).detail(format!("revision {revision} is in force"))
            }
            MarketRefused::NotFound => Self::new(Code::NotFound),
            MarketRefused::Broken => {
                Self::new(Code::Internal).detail("the store cannot keep it; see the host's log")
            }
        }
    }
}

/// A market's error, without what it lacks.
fn market_error(error: &MarketError) -> Value {
    let mut written = json!({ "path": error.path });
    if let Value::Object(fields) = &mut written {
        fields.extend(error.line.map(|line| ("line".into(), line.into())));
        fields.insert("code".into(), error.code.into());
        fields.insert("message".into(), error.message.clone().into());
        fields.extend(
            error
                .suggestion
                .clone()
                .map(|suggestion| ("suggestion".into(), suggestion.into())),
        );
    }
    written
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn written(problem: Problem) -> (http::response::Parts, Value) {
        let (parts, body) = problem.into_reply().into_parts();
        (
            parts,
            serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap(),
        )
    }

    #[tokio::test]
    async fn a_problem_is_written_as_the_api_has_it() {
        let mut error = FieldError::new("zipp", FieldCode::UnknownField, "there is no such field");
        error.suggestion = Some("zip".into());
        let (parts, body) = written(Refusal::InvalidFields(vec![error]).into()).await;
        assert_eq!(parts.status, 422);
        assert_eq!(parts.headers["content-type"], "application/problem+json");
        assert_eq!(
            body,
            json!({
                "type": "urn:gavel:problem:invalid_fields",
                "title": "Fields are missing or wrong",
                "status": 422,
                "code": "invalid_fields",
                "detail": "Fields are missing or wrong",
                "errors": [{"field": "zipp", "code": "unknown_field", "message": "there is no such field", "suggestion": "zip"}],
            })
        );
    }

    #[tokio::test]
    async fn what_may_be_tried_again_says_when() {
        for refusal in [
            Refusal::PostInProgress,
            Refusal::Overloaded,
            Refusal::ShuttingDown,
        ] {
            let (parts, _) = written(refusal.into()).await;
            assert!(parts.headers.contains_key("retry-after"));
        }
    }

    #[tokio::test]
    async fn a_limit_is_said_in_whole_seconds_and_never_too_early() {
        for (left_ms, said) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (2_500, "3")] {
            let retry_after = Duration::from_millis(left_ms);
            let (parts, body) = written(Refusal::RateLimited { retry_after }.into()).await;
            assert_eq!(parts.status, 429);
            assert_eq!(parts.headers["retry-after"], said, "{left_ms} ms");
            assert_eq!(body["code"], "rate_limited");
        }
    }

    #[tokio::test]
    async fn a_missing_key_is_told_which_scheme_to_use() {
        let (parts, _) = written(Problem::unauthenticated()).await;
        assert_eq!(
            (
                parts.status.as_u16(),
                parts.headers["www-authenticate"].to_str().unwrap()
            ),
            (401, "Bearer realm=\"gavel\"")
        );
    }

    #[tokio::test]
    async fn a_markets_errors_have_their_lines() {
        let error = MarketError {
            path: "accounts.a.price".into(),
            line: Some(7),
            code: "bad_format",
            message: "no amount".into(),
            suggestion: None,
        };
        let (parts, body) = written(MarketRefused::Invalid(vec![error]).into()).await;
        assert_eq!(parts.status, 422);
        assert_eq!(
            body["errors"],
            json!([{"path": "accounts.a.price", "line": 7, "code": "bad_format", "message": "no amount"}])
        );
    }

    #[test]
    fn a_problem_without_hyper_is_whole_too() {
        let text = String::from_utf8(Problem::new(Code::Overloaded).to_http1()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 503 Service Unavailable\r\n")
                && head.contains("retry-after: 1")
        );
        assert!(head.contains(&format!("content-length: {}", body.len())));
    }
}
