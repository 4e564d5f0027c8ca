//! Query strings, read strictly: a parameter with a slip in its name must not be a filter
//! that was silently left out.

use std::{str::FromStr, time::Duration};

use gavel_market::{lead::FieldError, reason::FieldCode};

use super::{form, problem::Problem};

/// Longest unknown name that an error repeats, in bytes.
const SHOWN_NAME_MAX_BYTES: usize = 64;

/// A request's query parameters, all of them known.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string that may have these parameters.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let pairs = form::parse(query.unwrap_or_default().as_bytes())?;
        let unknown = pairs
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()));
        let errors: Vec<_> = unknown.map(|(name, _)| unknown_name(name, known)).collect();
        if errors.is_empty() {
            Ok(Self(pairs))
        } else {
            Err(Problem::fields(&errors))
        }
    }

    /// A parameter's text; an empty one is absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// A parameter of a type that is parsed.
    pub(crate) fn parsed<T: FromStr>(
        &self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Problem> {
        let wrong = || Problem::field(name, FieldCode::BadFormat, expected);
        self.text(name)
            .map(|text| text.parse().map_err(|_| wrong()))
            .transpose()
    }

    /// `true` or `false`; the latter if it is absent, the former if it stands there alone, as in
    /// `?dry_run`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        let there = self.0.iter().any(|(key, _)| key == name);
        Ok(self.parsed(name, "true or false")?.unwrap_or(there))
    }

    /// A number between 1 and `max`, or `default`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, Problem> {
        match self.parsed("limit", "a whole number")? {
            Some(limit) if !(1..=max).contains(&limit) => Err(Problem::field(
                "limit",
                FieldCode::OutOfRange,
                format!("from 1 to {max}"),
            )),
            limit => Ok(limit.unwrap_or(default)),
        }
    }

    /// A time as Unix milliseconds: RFC 3339, or a duration such as `24h` before `now_ms`.
    pub(crate) fn since(&self, name: &str, now_ms: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let duration: Option<Duration> = humantime::parse_duration(text).ok();
        if let Some(ago) = duration {
            return Ok(Some(now_ms.saturating_sub(
                u64::try_from(ago.as_millis()).unwrap_or(u64::MAX),
            )));
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(u64::try_from(time.as_millisecond()).unwrap_or(0))),
            Err(_) => Err(Problem::field(
                name,
                FieldCode::BadFormat,
                "an RFC 3339 time, or a duration such as 24h",
            )),
        }
    }
}

/// The error of a parameter that nobody knows, with the known one that was probably meant.
pub(crate) fn unknown_name(name: &str, known: &[&str]) -> FieldError {
    let shown = name.len() <= SHOWN_NAME_MAX_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut error = FieldError::new(
        if shown { name } else { "" },
        FieldCode::UnknownField,
        format!("known: {}", known.join(", ")),
    );
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min();
    error.suggestion = near
        .filter(|(distance, _)| shown && *distance <= 2)
        .map(|(_, known)| (*known).to_owned());
    error
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const KNOWN: &[&str] = &["campaign", "since", "limit"];

    #[tokio::test]
    async fn an_unknown_parameter_is_refused_with_the_one_that_was_meant() {
        let problem = Query::read(Some("campain=x"), KNOWN).unwrap_err();
        let body = problem
            .into_reply()
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["field"], "campain");
        assert_eq!(body["errors"][0]["suggestion"], "campaign");
    }

    #[test]
    fn a_flag_that_stands_there_alone_is_meant() {
        let flag = |text: &str| Query::read(Some(text), KNOWN).unwrap().flag("campaign");
        assert!(!flag("").unwrap() && !flag("campaign=false").unwrap());
        for set in ["campaign", "campaign=", "campaign=true"] {
            assert!(flag(set).unwrap(), "{set}");
        }
        assert!(flag("campaign=yes").is_err());
    }

    #[test]
    fn since_is_a_time_or_a_while() {
        let since = |text: &str| {
            Query::read(Some(text), KNOWN)
                .unwrap()
                .since("since", 100_000_000)
        };
        assert_eq!(since("since=1h").unwrap(), Some(96_400_000));
        assert_eq!(since("since=1970-01-01T00:00:01Z").unwrap(), Some(1000));
        assert_eq!(since("limit=1").unwrap(), None);
        assert!(since("since=yesterday").is_err());
    }

    #[test]
    fn a_limit_has_bounds() {
        let limit = |text: &str| Query::read(Some(text), KNOWN).unwrap().limit(100, 1000);
        assert_eq!(limit("").unwrap(), 100);
        assert_eq!(limit("limit=7").unwrap(), 7);
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit=x"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
