//! What a request says of itself in its headers.

use http::{HeaderMap, header};

use super::problem::{Code, Problem};

/// Refuses a request that would not take what we answer with: `offered`.
pub(crate) fn check_accept(headers: &HeaderMap, offered: &[&'static str]) -> Result<(), Problem> {
    choose(headers, offered).map(|_| ())
}

/// Of what we can answer with, what the request would rather have: the highest `q`, the first
/// of `offered` among equals, and that where it says nothing (RFC 9110, section 12.5.1).
pub(crate) fn choose(
    headers: &HeaderMap,
    offered: &[&'static str],
) -> Result<&'static str, Problem> {
    let ranges: Vec<Range> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .map(Range::read)
        .collect();
    if ranges.is_empty() {
        return offered
            .first()
            .copied()
            .ok_or_else(|| Problem::new(Code::NotAcceptable));
    }
    let mut best: Option<(&'static str, u16)> = None;
    for kind in offered {
        let weight = weight_of(kind, &ranges);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((kind, weight));
        }
    }
    best.map(|(kind, _)| kind).ok_or_else(|| {
        Problem::new(Code::NotAcceptable).detail(format!("offered: {}", offered.join(", ")))
    })
}

/// What the narrowest range that covers a media type gives it, in thousandths; 0 where none does.
fn weight_of(kind: &str, ranges: &[Range]) -> u16 {
    let covering = ranges.iter().filter(|range| range.covers(kind));
    covering
        .max_by_key(|range| (range.narrowness(), range.weight))
        .map_or(0, |range| range.weight)
}

/// A media range such as `application/*;q=0.5`. Of its parameters only `q` is looked at: no
/// two of our answers differ in others.
struct Range {
    named: String,
    /// In thousandths.
    weight: u16,
}

impl Range {
    fn read(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let named = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|parameter| {
            let weight = parameter
                .strip_prefix("q=")
                .or_else(|| parameter.strip_prefix("Q="))?;
            thousandths(weight)
        });
        Self {
            named,
            weight: weight.unwrap_or(1000),
        }
    }

    fn covers(&self, kind: &str) -> bool {
        match self.named.split_once('/') {
            Some(("*", "*")) => true,
            Some((family, "*")) => kind.split_once('/').is_some_and(|(of, _)| of == family),
            _ => self.named == kind,
        }
    }

    fn narrowness(&self) -> u8 {
        match self.named.split_once('/') {
            Some(("*", _)) => 0,
            Some((_, "*")) => 1,
            _ => 2,
        }
    }
}

/// A `q` such as `0.5`; `None` for what is none, which is taken as if it were not there.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if digits => format!("{part:0<3}").parse().ok(),
        "1" if digits => Some(1000),
        _ => None,
    }
}

/// Whether the request asks for this media type by name.
pub(crate) fn asks_for(headers: &HeaderMap, kind: &str) -> bool {
    let values = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|range| Range::read(range.trim()))
        .any(|range| range.named == kind && range.weight > 0)
}

/// The media type that a client gave its body, in lower case and without parameters; empty
/// where it gave none.
pub(crate) fn named_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let named = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    named
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The body's media type, in lower case and without parameters; its bytes are not compressed
/// and, where it is text, UTF-8.
pub(crate) fn content_type(headers: &HeaderMap) -> Result<String, Problem> {
    let unsupported =
        |detail: &'static str| Err(Problem::new(Code::UnsupportedMediaType).detail(detail));
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return unsupported("send the body without Content-Encoding");
    }
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return unsupported("send one Content-Type");
    };
    let mut parts = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .map(|part| part.trim().to_ascii_lowercase());
    let named = parts.next().unwrap_or_default();
    for parameter in parts {
        let charset = parameter
            .strip_prefix("charset=")
            .map(|charset| charset.trim_matches('"').to_owned());
        if charset.is_some_and(|charset| charset != "utf-8" && charset != "utf8") {
            return unsupported("send UTF-8");
        }
    }
    Ok(named)
}

/// The token of `Authorization: Bearer TOKEN`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const JSON: &[&str] = &["application/json", "application/problem+json"];

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn whoever_takes_json_is_served() {
        assert!(check_accept(&HeaderMap::new(), JSON).is_ok());
        for accept in [
            "*/*",
            "application/*",
            "application/json",
            "text/html, application/JSON;q=0.1",
            "application/problem+json",
            "",
        ] {
            assert!(
                check_accept(&headers(header::ACCEPT, accept), JSON).is_ok(),
                "{accept:?}"
            );
        }
    }

    #[test]
    fn whoever_takes_only_something_else_is_not() {
        for accept in [
            "text/html",
            "application/xml",
            "application/json;q=0",
            "image/*, text/*",
            "json",
        ] {
            let refused = check_accept(&headers(header::ACCEPT, accept), JSON);
            assert_eq!(
                refused.unwrap_err().code(),
                Code::NotAcceptable,
                "{accept:?}"
            );
        }
    }

    #[test]
    fn a_media_type_is_asked_for_only_by_its_name() {
        assert!(asks_for(
            &headers(header::ACCEPT, "application/toml"),
            "application/toml"
        ));
        assert!(!asks_for(
            &headers(header::ACCEPT, "*/*"),
            "application/toml"
        ));
    }

    #[test]
    fn a_content_type_is_read_without_its_parameters() {
        let json = headers(header::CONTENT_TYPE, "Application/JSON; charset=\"UTF-8\"");
        assert_eq!(content_type(&json).unwrap(), "application/json");
    }

    #[test]
    fn compressed_foreign_or_nameless_bodies_are_unsupported() {
        let mut gzip = headers(header::CONTENT_TYPE, "application/json");
        gzip.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let latin = headers(header::CONTENT_TYPE, "application/json; charset=iso-8859-1");
        for refused in [gzip, latin, HeaderMap::new()] {
            assert_eq!(
                content_type(&refused).unwrap_err().code(),
                Code::UnsupportedMediaType
            );
        }
    }

    #[test]
    fn only_one_bearer_token_is_a_token() {
        assert_eq!(
            bearer(&headers(header::AUTHORIZATION, "bearer  gk_1")),
            Some("gk_1")
        );
        assert_eq!(bearer(&headers(header::AUTHORIZATION, "Basic gk_1")), None);
        assert_eq!(bearer(&headers(header::AUTHORIZATION, "Bearer ")), None);
        let mut two = headers(header::AUTHORIZATION, "Bearer a");
        two.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert_eq!(bearer(&two), None);
    }
}
