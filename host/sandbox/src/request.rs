//! What an adapter returns, checked: everything in it is hostile input.

use crate::{
    answer::Request,
    limits::{
        HEADERS_MAX, HEADERS_MAX_BYTES, REDIRECT_MAX_BYTES, REFERENCE_MAX_BYTES,
        REQUEST_BODY_MAX_BYTES, URL_MAX_BYTES,
    },
};

/// Methods that an adapter may use.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Headers that belong to the connection, which is the host's: with one of these a
/// plugin could smuggle a second request behind the first, or reach another host.
const TRANSPORT_HEADERS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "http2-settings",
];

/// `request` as it stands, if it may be sent; else what is wrong with it, without quoting it.
pub(crate) fn checked(request: Request) -> Result<Request, String> {
    if !METHODS.contains(&request.method.as_str()) {
        return Err(format!(
            "a request's method is one of {}",
            METHODS.join(", ")
        ));
    }
    if request.url.is_empty() || request.url.len() > URL_MAX_BYTES {
        return Err(format!(
            "a request's url has 1 to {URL_MAX_BYTES} bytes; this has {}",
            request.url.len()
        ));
    }
    if request
        .url
        .chars()
        .any(|char| char.is_control() || char.is_whitespace())
    {
        return Err("a request's url has no blanks and no control characters".into());
    }
    if request.body.len() > REQUEST_BODY_MAX_BYTES {
        let bytes = request.body.len();
        return Err(format!(
            "a request's body has at most {REQUEST_BODY_MAX_BYTES} bytes; this has {bytes}"
        ));
    }
    check_headers(&request.headers)?;
    Ok(request)
}

fn check_headers(headers: &[(String, String)]) -> Result<(), String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!(
            "a request has at most {HEADERS_MAX} headers; this has {}",
            headers.len()
        ));
    }
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > HEADERS_MAX_BYTES {
        return Err(format!(
            "a request's headers have at most {HEADERS_MAX_BYTES} bytes; these have {bytes}"
        ));
    }
    for (place, (name, value)) in headers.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(format!(
                "the name of header {place} is not one that HTTP has"
            ));
        }
        if is_transport(name) {
            return Err(format!(
                "the header {} is the host's to set",
                name.to_ascii_lowercase()
            ));
        }
        if value.chars().any(char::is_control) {
            return Err(format!(
                "the value of header {place} has a control character"
            ));
        }
    }
    Ok(())
}

fn is_transport(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TRANSPORT_HEADERS.contains(&name.as_str()) || name.starts_with("proxy-")
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a buyer's reference can be kept: it is given back to the plugin as it was.
pub(crate) fn is_reference(reference: &str) -> bool {
    reference.len() <= REFERENCE_MAX_BYTES && !reference.chars().any(char::is_control)
}

/// Whether a consumer may be sent there: no `javascript:`, nothing that breaks a header.
pub(crate) fn is_redirect(url: &str) -> bool {
    let starts_with = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    url.len() <= REDIRECT_MAX_BYTES
        && (starts_with("https://") || starts_with("http://"))
        && !url
            .chars()
            .any(|char| char.is_control() || char.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Request)) -> Result<Request, String> {
        let mut request = Request {
            method: "POST".into(),
            url: "https://buyer.example/ping?key={{secret:KEY}}".into(),
            headers: vec![("Authorization".into(), "Bearer {{secret:TOKEN}}".into())],
            body: b"{}".to_vec(),
        };
        change(&mut request);
        checked(request)
    }

    #[test]
    fn a_plain_request_stays_as_it_is_placeholders_included() {
        let request = with(|_| ()).unwrap();
        assert!(request.url.ends_with("{{secret:KEY}}"));
        assert_eq!(request.headers[0].1, "Bearer {{secret:TOKEN}}");
    }

    #[test]
    fn the_transport_s_headers_are_the_host_s_in_any_case() {
        for name in [
            "Host",
            "CONTENT-LENGTH",
            "Transfer-encoding",
            "connection",
            "Proxy-Authorization",
            "TE",
            "Expect",
        ] {
            let refused =
                with(|request| request.headers.push((name.into(), "x".into()))).unwrap_err();
            assert!(refused.contains(&name.to_ascii_lowercase()), "{refused}");
        }
    }

    #[test]
    fn a_header_cannot_begin_another() {
        for (name, value) in [
            ("a\r\nb", "x"),
            ("a b", "x"),
            ("", "x"),
            ("a", "x\r\nhost: y"),
            ("a", "x\0"),
        ] {
            assert!(
                with(|request| request.headers.push((name.into(), value.into()))).is_err(),
                "{name:?}"
            );
        }
    }

    #[test]
    fn every_part_of_a_request_is_bounded() {
        assert!(with(|request| request.method = "CONNECT".into()).is_err());
        assert!(with(|request| request.url = "https://a/ b".into()).is_err());
        assert!(with(|request| request.url = "a".repeat(URL_MAX_BYTES + 1)).is_err());
        assert!(with(|request| request.body = vec![0; REQUEST_BODY_MAX_BYTES + 1]).is_err());
        assert!(
            with(|request| request.headers = vec![("a".into(), "b".into()); HEADERS_MAX + 1])
                .is_err()
        );
        assert!(
            with(|request| request.headers = vec![("a".into(), "b".repeat(HEADERS_MAX_BYTES))])
                .is_err()
        );
    }

    #[test]
    fn a_consumer_is_sent_to_the_web_only() {
        assert!(is_redirect("HTTPS://buyer.example/thanks"));
        for bad in [
            "javascript:alert(1)",
            "//buyer.example",
            "https://a\r\nb",
            "",
            &format!("https://{}", "a".repeat(4096)),
        ] {
            assert!(!is_redirect(bad), "{bad:?}");
        }
    }
}
