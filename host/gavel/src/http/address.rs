//! Under which URL suppliers see this host: what posting instructions and links to them say.
//!
//! What the operator sets (`supplier_api.public_url`) is right in any case, also behind a
//! proxy that ends TLS. Without it, what the request itself named as its host is the best guess.

use std::{fmt, net::SocketAddr, str::FromStr};

use http::{HeaderMap, header};
use serde::Deserialize;

use crate::config::ConfigError;

/// A URL that paths can be put behind: http or https, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let url = url::Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        let url = url.ok_or_else(|| {
            ConfigError("expected a URL such as \"https://leads.example.com\"".into())
        })?;
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = ConfigError;
    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of the supplier API's address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// As the operator set it.
    pub(crate) set: Option<PublicUrl>,
    /// Whether it is served with TLS here.
    pub(crate) tls: bool,
    /// Where it listens, or was told to.
    pub(crate) listening: SocketAddr,
}

impl Address {
    /// The base URL for who sent a request with these headers to the supplier API.
    pub(crate) fn for_supplier(&self, headers: &HeaderMap) -> String {
        self.set.as_ref().map_or_else(
            || match host(headers) {
                Some(host) => format!("{}://{host}", self.scheme()),
                None => self.for_operator(headers),
            },
            PublicUrl::to_string,
        )
    }

    /// The base URL for links that an operator asks for at the admin API: where the supplier
    /// API listens on every address, the one under which the operator reached this machine.
    pub(crate) fn for_operator(&self, headers: &HeaderMap) -> String {
        if let Some(set) = &self.set {
            return set.to_string();
        }
        let (ip, port) = (self.listening.ip(), self.listening.port());
        let machine = match host(headers) {
            Some(host) if ip.is_unspecified() => without_port(host).to_owned(),
            _ if ip.is_unspecified() => "localhost".into(),
            _ if ip.is_ipv6() => format!("[{ip}]"),
            _ => ip.to_string(),
        };
        format!("{}://{machine}:{port}", self.scheme())
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// The host that a request named, where it is one.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (!host.is_empty() && host.len() <= 255 && host.bytes().all(plain)).then_some(host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn address(set: Option<&str>, listening: &str) -> Address {
        Address {
            set: set.map(|url| url.parse().unwrap()),
            tls: true,
            listening: listening.parse().unwrap(),
        }
    }

    fn asked(host: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))])
    }

    #[test]
    fn what_is_set_holds_for_everybody() {
        let address = address(Some("https://leads.example.com/"), "0.0.0.0:8080");
        assert_eq!(
            address.for_supplier(&asked("x")),
            "https://leads.example.com"
        );
        assert_eq!(
            address.for_operator(&asked("x")),
            "https://leads.example.com"
        );
    }

    #[test]
    fn otherwise_the_request_says_how_it_came() {
        let address = address(None, "0.0.0.0:8443");
        assert_eq!(
            address.for_supplier(&asked("a.example:99")),
            "https://a.example:99"
        );
        assert_eq!(
            address.for_operator(&asked("a.example:8081")),
            "https://a.example:8443"
        );
        assert_eq!(
            address.for_operator(&asked("[::1]:8081")),
            "https://[::1]:8443"
        );
        assert_eq!(
            address.for_supplier(&HeaderMap::new()),
            "https://localhost:8443"
        );
    }

    #[test]
    fn what_is_no_host_is_not_repeated() {
        let address = address(None, "127.0.0.1:1");
        assert_eq!(
            address.for_supplier(&asked("a\"><b>")),
            "https://127.0.0.1:1"
        );
    }

    #[test]
    fn a_public_url_is_a_plain_one() {
        for wrong in [
            "leads.example.com",
            "ftp://x",
            "https://x/?a",
            "https://u@x/",
            "",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
