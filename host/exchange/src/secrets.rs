//! What the host knows and a plugin does not: the values of one account's secrets.
//!
//! Most are read when a market takes effect. A token is fetched (`tokens`), so a
//! request is filled in with [`Secrets::for_request`], which waits for the tokens that it names.
//!
//! A plugin writes `{{secret:NAME}}` where a value belongs. [`Secrets::fill`] puts the value
//! there just before a request leaves, and [`Secrets::redact`] takes it out of the answer
//! before a plugin or a record sees it. Values are overwritten when the last holder lets go,
//! and nothing here prints one: errors name account, secret and source.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use gavel_market::{
    ids::AccountId,
    model::{HeldValue, Market, SecretSource, TokenGrant},
};
use gavel_sandbox::Request;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::tokens::{Grant, Token, Tokens, Value};

/// Longest value of a secret, in bytes: room for a signed token; a key file put here by
/// mistake is refused.
pub const SECRET_MAX_BYTES: usize = 4096;

/// Longest name of a secret, in bytes, as the market file has it: how far behind `{{secret:` its end is looked for.
pub const SECRET_NAME_MAX_BYTES: usize = 64;

/// Shortest value that [`Secrets::redact`] looks for, in bytes. A shorter one cannot be told
/// from ordinary text: taking every `7` out of an answer would leave no price in it.
pub const REDACT_MIN_BYTES: usize = 4;

/// Most bytes that [`Secrets::fill`] makes of one text: a plugin that repeats a placeholder
/// must not make the host write without end.
pub const FILLED_MAX_BYTES: usize = 1 << 20;

/// The status by which a buyer says that it does not accept a token.
pub(crate) const UNAUTHORIZED: u16 = 401;

const OPENING: &[u8] = b"{{secret:";
const CLOSING: &[u8] = b"}}";

/// The values of one account's granted secrets. Cheap to clone; its `Debug` shows no value.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Longest value first, so that one which begins with another is taken out whole.
    granted: Arc<[Secret]>,
    /// By name; each request gets today's value.
    tokens: Arc<[(String, Arc<Token>)]>,
}

#[derive(Clone)]
struct Secret {
    name: Arc<str>,
    value: Value,
    /// Whether a placeholder gets it. What does not is only taken out of answers: a token's
    /// predecessor, the secret that it is fetched with.
    fills: bool,
}

/// A token that a request names cannot be had in time. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token that the request needs cannot be had now")]
pub struct NoToken;

/// Why a secret of a market has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("account {account}, secret {name}{at}: {problem}")]
pub struct SecretError {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub name: String,
    /// Where in it, such as `.oauth2.client_id`, where that is not all of it.
    pub at: &'static str,
    /// What is wrong, and what to do.
    pub problem: SecretProblem,
}

/// What is wrong with a secret's source. Each names the source, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each says itself
pub enum SecretProblem {
    #[error(
        "the environment variable {0} is not set: set it where the host is started, then restart the host"
    )]
    NotSet(String),
    #[error(
        "the file {path} cannot be read ({why}): it must be an ordinary file that the host's user may read"
    )]
    Unreadable { path: String, why: io::ErrorKind },
    #[error("{0} is empty: put the value there, or take the secret out of the market")]
    Empty(String),
    #[error(
        "{0} is longer than {SECRET_MAX_BYTES} bytes: a secret is one line, such as a key or a token"
    )]
    TooLong(String),
    #[error("{0} is not UTF-8 text: a secret is one line of text, such as a key or a token")]
    NotText(String),
    #[error(
        "{0} has control characters: a secret is one line; look for a second line, or a tab, and take it out"
    )]
    ControlCharacters(String),
    #[error(
        "the client's secret would go to {0} in the clear: https is expected, save on a host that allows private buyers"
    )]
    InTheClear(String),
    #[error("no request can be made to it: {0}")]
    BadTokenUrl(crate::buyers::Refused),
}

impl SecretError {
    /// Where it stands in the market, such as `accounts.west.secrets.TOKEN.oauth2.client_id`.
    pub fn path(&self) -> String {
        format!("accounts.{}.secrets.{}{}", self.account, self.name, self.at)
    }
}

impl SecretProblem {
    /// Whether a host may find it otherwise, which has an environment, files and settings of its
    /// own: what is missing here may be there. A value that is here and is none never is one.
    pub fn depends_on_the_host(&self) -> bool {
        match self {
            Self::NotSet(_) | Self::InTheClear(_) => true,
            Self::Unreadable { why, .. } => matches!(
                why,
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ),
            Self::Empty(_)
            | Self::TooLong(_)
            | Self::NotText(_)
            | Self::ControlCharacters(_)
            | Self::BadTokenUrl(_) => false,
        }
    }

    /// For programs: whether the market is wrong or what the host has.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InTheClear(_) => "not_allowed",
            Self::BadTokenUrl(_) => "bad_format",
            _ => "secret_unavailable",
        }
    }
}

/// Everything that is wrong with a market's secrets as they are found on this machine, where no
/// host need be. Nothing is fetched.
///
/// Reads files on the calling thread.
pub fn check(market: &Market) -> Vec<SecretError> {
    check_with(market, |variable| std::env::var_os(variable))
}

fn check_with(market: &Market, environment: impl Fn(&str) -> Option<OsString>) -> Vec<SecretError> {
    let fetching = Fetching {
        tokens: &Tokens::default(),
        allow_http: false,
    };
    let accounts = market.accounts.iter();
    let wrong = accounts.filter_map(|account| {
        Secrets::read_with(&account.id, &account.secrets, &fetching, &environment).err()
    });
    wrong.flatten().collect()
}

/// Why a text with placeholders was not filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The account has no such secret. The name is what the plugin wrote: its word, not ours.
    #[error("the secret {0} is not granted to this account")]
    Unknown(String),
    /// `{{secret:` without a name and `}}` behind it.
    #[error("a {{{{secret:…}}}} placeholder that does not end")]
    Malformed,
    /// The result would exceed [`FILLED_MAX_BYTES`].
    #[error("too long once its secrets are filled in")]
    TooLong,
}

impl Secrets {
    /// The values of `sources`, from the host's environment and files; every problem at once.
    ///
    /// Reads files on the calling thread: for when a market is applied, not for a request.
    pub fn read(
        account: &AccountId,
        sources: &BTreeMap<String, SecretSource>,
        fetching: &Fetching<'_>,
    ) -> Result<Self, Vec<SecretError>> {
        let environment = |variable: &str| std::env::var_os(variable);
        Self::read_with(account, sources, fetching, environment)
    }

    /// As [`Secrets::read`], with another environment.
    pub(crate) fn read_with(
        account: &AccountId,
        sources: &BTreeMap<String, SecretSource>,
        fetching: &Fetching<'_>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Vec<SecretError>> {
        let (mut granted, mut tokens) = (Vec::new(), Vec::new());
        let mut errors = Vec::new();
        for (name, source) in sources {
            let read = match source {
                SecretSource::Held(source) => value_of(source, &environment)
                    .map(|value| granted.push(Secret::new(name, Arc::new(value), true)))
                    .map_err(|problem| vec![("", problem)]),
                SecretSource::OAuth2(grant) => fetching
                    .token((account, name), grant, &environment)
                    .map(|token| tokens.push((name.clone(), token))),
            };
            let problems = read.err().into_iter().flatten();
            errors.extend(problems.map(|(at, problem)| SecretError {
                account: account.clone(),
                name: name.clone(),
                at,
                problem,
            }));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            granted: longest_first(granted),
            tokens: tokens.into(),
        })
    }

    /// The same with the tokens that a request names, each waited for until then where it is
    /// being fetched; so that the request can be filled in, and no token gets into a record.
    pub async fn for_request(&self, request: &Request, until: Instant) -> Result<Self, NoToken> {
        if self.tokens.is_empty() {
            return Ok(self.clone());
        }
        let mut granted = self.granted.to_vec();
        for (name, token) in &*self.tokens {
            if is_named(name, request) {
                let value = token.value(until).await.ok_or(NoToken)?;
                granted.push(Secret::new(name, value, true));
            }
            granted.extend(token.values().map(|value| Secret::new(name, value, false)));
        }
        Ok(Self {
            granted: longest_first(granted),
            tokens: Arc::clone(&self.tokens),
        })
    }

    /// A buyer answered a request with 401: the tokens that it named may have ended before
    /// their time, and others are fetched for the requests to come.
    pub fn doubt(&self, request: &Request) {
        for (name, token) in &*self.tokens {
            let filled = |secret: &&Secret| secret.fills && *secret.name == **name;
            match self.granted.iter().find(filled) {
                Some(secret) if is_named(name, request) => token.doubt(&secret.value),
                _ => {}
            }
        }
    }

    /// The tokens among them.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.tokens.iter().map(|(_, token)| token)
    }

    /// `text` with every `{{secret:NAME}}` replaced by the value as it stands, in one pass: a
    /// placeholder inside a value stays what it is.
    pub fn fill<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, FillError> {
        match self.fill_bytes(text.as_bytes())? {
            Cow::Borrowed(_) => Ok(Cow::Borrowed(text)),
            // Text and values are UTF-8 and are cut only at ASCII marks, so this does not fail.
            Cow::Owned(filled) => String::from_utf8(filled)
                .map(Cow::Owned)
                .map_err(|_| FillError::Malformed),
        }
    }

    /// As [`Secrets::fill`], for a body, which need not be text.
    pub fn fill_bytes<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, FillError> {
        let Some((mut before, mut after)) = cut(bytes, OPENING) else {
            return Ok(Cow::Borrowed(bytes));
        };
        let mut filled = Vec::with_capacity(bytes.len());
        loop {
            let (value, rest) = self.placeholder(after)?;
            if filled.len() + before.len() + value.len() + rest.len() > FILLED_MAX_BYTES {
                return Err(FillError::TooLong);
            }
            filled.extend_from_slice(before);
            filled.extend_from_slice(value.as_bytes());
            let Some(next) = cut(rest, OPENING) else {
                filled.extend_from_slice(rest);
                return Ok(Cow::Owned(filled));
            };
            (before, after) = next;
        }
    }

    /// The value that belongs at a placeholder whose opening was cut off, and what follows it.
    fn placeholder<'a>(&self, text: &'a [u8]) -> Result<(&str, &'a [u8]), FillError> {
        let near = text
            .get(..SECRET_NAME_MAX_BYTES + CLOSING.len())
            .unwrap_or(text);
        let (name, _) = cut(near, CLOSING).ok_or(FillError::Malformed)?;
        let rest = text.get(name.len() + CLOSING.len()..).unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|_| FillError::Malformed)?;
        let filling = |secret: &&Secret| secret.fills && *secret.name == *name;
        match self.granted.iter().find(filling) {
            Some(secret) => Ok((&secret.value, rest)),
            None if is_plain(name) => Err(FillError::Unknown(name.to_owned())),
            None => Err(FillError::Malformed),
        }
    }

    /// `bytes` with every secret's value replaced by its placeholder, where it stands as it
    /// is, percent-encoded (also as in a form) or escaped as in JSON.
    ///
    /// Not found: values shorter than [`REDACT_MIN_BYTES`], and forms that hide it otherwise,
    /// such as base64, a hash or compression.
    pub fn redact<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut redacted: Option<Vec<u8>> = None;
        let (mut rest, mut seen) = (bytes, 0);
        while let Some((first, behind)) = rest.split_first() {
            if let Some((secret, length)) = self.spelled_at(rest) {
                let redacted =
                    redacted.get_or_insert_with(|| bytes.get(..seen).unwrap_or_default().to_vec());
                redacted.extend_from_slice(OPENING);
                redacted.extend_from_slice(secret.name.as_bytes());
                redacted.extend_from_slice(CLOSING);
                rest = rest.get(length..).unwrap_or_default();
                seen += length;
            } else {
                if let Some(redacted) = &mut redacted {
                    redacted.push(*first);
                }
                rest = behind;
                seen += 1;
            }
        }
        redacted.map_or(Cow::Borrowed(bytes), Cow::Owned)
    }

    /// The secret whose value `text` begins with, and how many bytes of `text` spell it.
    fn spelled_at(&self, text: &[u8]) -> Option<(&Secret, usize)> {
        self.granted
            .iter()
            .filter(|secret| secret.value.len() >= REDACT_MIN_BYTES)
            .find_map(|secret| {
                let value = secret.value.as_bytes();
                let length = spelled(value, text, plain_byte)
                    .or_else(|| spelled(value, text, percent_byte))
                    .or_else(|| spelled(value, text, json_byte))?;
                Some((secret, length))
            })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.granted.iter().filter(|secret| secret.fills);
        let tokens = self.tokens.iter().map(|(name, _)| &**name);
        f.debug_list()
            .entries(values.map(|secret| &*secret.name).chain(tokens))
            .finish()
    }
}

impl Secret {
    fn new(name: &str, value: Value, fills: bool) -> Self {
        Self {
            name: name.into(),
            value,
            fills,
        }
    }
}

/// Longest value first, as [`Secrets`] keeps them.
fn longest_first(mut granted: Vec<Secret>) -> Arc<[Secret]> {
    granted.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
    granted.into()
}

/// Whether a request has a placeholder of this name.
fn is_named(name: &str, request: &Request) -> bool {
    let placeholder = [OPENING, name.as_bytes(), CLOSING].concat();
    let has = |bytes: &[u8]| cut(bytes, &placeholder).is_some();
    let headers = request.headers.iter();
    has(request.url.as_bytes())
        || has(&request.body)
        || headers.into_iter().any(|(_, value)| has(value.as_bytes()))
}

/// How tokens are fetched.
pub struct Fetching<'a> {
    /// Those that are there already.
    pub(crate) tokens: &'a Tokens,
    /// Whether an endpoint may be asked without TLS: where private buyers are allowed.
    pub(crate) allow_http: bool,
}

impl Fetching<'_> {
    /// The token of a grant; else everything that is wrong with it, and where.
    fn token(
        &self,
        secret: (&AccountId, &str),
        grant: &TokenGrant,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<Arc<Token>, Vec<(&'static str, SecretProblem)>> {
        const URL: &str = ".oauth2.token_url";
        let mut problems = Vec::new();
        if grant.token_url.scheme() != "https" && !self.allow_http {
            let origin = grant.token_url.origin().ascii_serialization();
            problems.push((URL, SecretProblem::InTheClear(origin)));
        }
        let mut held = |source, at| {
            let read = value_of(source, environment);
            read.map_err(|problem| problems.push((at, problem))).ok()
        };
        let client_id = held(&grant.client_id, ".oauth2.client_id");
        let client_secret = held(&grant.client_secret, ".oauth2.client_secret");
        match (client_id, client_secret, problems.is_empty()) {
            (Some(id), Some(client_secret), true) => {
                let scope = grant.scope.as_deref();
                let made = Grant::new(secret, &grant.token_url, id, client_secret, scope);
                made.map(|made| self.tokens.token(made))
                    .map_err(|refused| vec![(URL, SecretProblem::BadTokenUrl(refused))])
            }
            _ => Err(problems),
        }
    }
}

/// One secret's value, checked.
fn value_of(
    source: &HeldValue,
    environment: &impl Fn(&str) -> Option<OsString>,
) -> Result<Zeroizing<String>, SecretProblem> {
    let (bytes, origin) = match source {
        HeldValue::Env(variable) => {
            let value =
                environment(variable).ok_or_else(|| SecretProblem::NotSet(variable.clone()))?;
            (
                Zeroizing::new(value.into_encoded_bytes()),
                format!("the environment variable {variable}"),
            )
        }
        HeldValue::File(path) => {
            let bytes = read_file(path).map_err(|why| SecretProblem::Unreadable {
                path: path.clone(),
                why: why.kind(),
            })?;
            (bytes, format!("the file {path}"))
        }
    };
    if bytes.len() > SECRET_MAX_BYTES {
        return Err(SecretProblem::TooLong(origin));
    }
    match std::str::from_utf8(&bytes) {
        Err(_) => Err(SecretProblem::NotText(origin)),
        Ok("") => Err(SecretProblem::Empty(origin)),
        Ok(text) if text.contains(char::is_control) => {
            Err(SecretProblem::ControlCharacters(origin))
        }
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
    }
}

/// A file's bytes without one trailing line end; at most a little more than a secret may have.
fn read_file(path: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    // Opening a pipe would wait for a writer that may never come.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // Room for one byte too many and the line end; allocated once, so that growing leaves no copy.
    let bound = SECRET_MAX_BYTES + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * bound));
    File::open(path)?
        .take(bound as u64)
        .read_to_end(&mut bytes)?;
    let kept = bytes.strip_suffix(b"\n").map_or(bytes.len(), |text| {
        text.strip_suffix(b"\r").unwrap_or(text).len()
    });
    bytes.truncate(kept);
    Ok(bytes)
}

/// What stands before and behind the first `mark`.
fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

/// Whether this may be repeated in an error: a name, and no piece of a body.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// How many bytes of `text` spell `value`, where `byte` reads one: the byte meant, and how
/// many it took.
fn spelled(value: &[u8], text: &[u8], byte: fn(&[u8]) -> Option<(u8, usize)>) -> Option<usize> {
    let mut length = 0;
    for wanted in value {
        let (found, took) = byte(text.get(length..)?)?;
        // In a form a blank is a plus sign.
        if found != *wanted && !(*wanted == b' ' && found == b'+') {
            return None;
        }
        length += took;
    }
    Some(length)
}

fn plain_byte(text: &[u8]) -> Option<(u8, usize)> {
    Some((*text.first()?, 1))
}

fn percent_byte(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'%', high, low, ..] => Some((hexadecimal(*high, *low)?, 3)),
        _ => plain_byte(text),
    }
}

fn json_byte(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', b'u', b'0', b'0', high, low, ..] => Some((hexadecimal(*high, *low)?, 6)),
        [b'\\', escaped @ (b'"' | b'\\' | b'/'), ..] => Some((*escaped, 2)),
        _ => plain_byte(text),
    }
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests;
