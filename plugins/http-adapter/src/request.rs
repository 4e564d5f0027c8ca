//! The two requests, put together.

use gavel_sdk::{Header, Lead, Offer, Request};

use crate::{
    HttpAdapter,
    config::{Config, Format, Method},
    mapping::Exchange,
    template::{Place, Template, Values},
    xml,
};

/// The root of a request in XML, where the configuration names none.
const ROOT: &str = "request";

/// Headers that are the host's: it knows where the request goes and how long it is.
const HOSTS_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

impl HttpAdapter {
    /// What to send to the buyer; nothing in it is left to the host but the secrets.
    pub(crate) fn request(
        &self,
        exchange: Exchange,
        lead: &Lead<'_>,
        won: Option<&Offer>,
    ) -> Result<Request, String> {
        let values = Values { lead, won };
        let url = match exchange {
            Exchange::Ping => self.config.ping_url.as_ref().ok_or(
                "the configuration has no `ping_url`, and this account is asked at pings: \
                 name one, or give the account a fixed price with ping_during_sort = false",
            )?,
            Exchange::Post => &self.config.post_url,
        };
        let mut url = render(url, &values, Place::Url)?;
        let fields = self.fields(exchange, &values)?;
        let body = match (self.config.method, self.config.format) {
            (Method::Get, _) => {
                append_query(&mut url, &fields.to_form()?);
                String::new()
            }
            (_, Format::Json) => fields.to_json(),
            (_, Format::Xml) => fields.to_xml(self.config.root.as_deref().unwrap_or(ROOT))?,
            (_, Format::Form) => fields.to_form()?,
        };
        Ok(Request {
            method: self.config.method.word().to_owned(),
            url,
            headers: self.headers(exchange, &values)?,
            body: body.into_bytes(),
        })
    }

    /// What kind of body this is and which answer is wanted, unless the configuration says
    /// otherwise, then the configured headers.
    fn headers(&self, exchange: Exchange, values: &Values<'_>) -> Result<Vec<Header>, String> {
        let mut headers = Vec::new();
        let configured = &self.config.headers;
        let is_configured = |name: &str| {
            configured
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        if self.config.method != Method::Get && !is_configured("content-type") {
            headers.push(Header::new("content-type", self.config.format.media_type()));
        }
        if !is_configured("accept") {
            headers.push(Header::new(
                "accept",
                self.reading(exchange).expected_format().accepted(),
            ));
        }
        for (name, template) in configured.iter() {
            let value = template
                .render(values, Place::Header)
                .map_err(|why| format!("the header {name}: {why}"))?;
            if let Some(value) = value {
                headers.push(Header::new(name, value));
            }
        }
        Ok(headers)
    }
}

/// Whether requests can be made of this configuration.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    if let Some(url) = &config.ping_url {
        url.check_url().map_err(|why| format!("ping_url: {why}"))?;
    }
    config
        .post_url
        .check_url()
        .map_err(|why| format!("post_url: {why}"))?;
    if config.method == Method::Get && config.format != Format::Form {
        return Err("method: GET has no body, so the format has to be `form`".to_owned());
    }
    if let Some(root) = &config.root {
        if config.format != Format::Xml {
            return Err("root: only a request in XML has one".to_owned());
        }
        if !xml::is_name(root) {
            return Err(format!("root: `{root}` is no name of an XML element"));
        }
    }
    for (name, value) in config.headers.iter() {
        check_header_name(name).map_err(|why| format!("headers.{name}: {why}"))?;
        value
            .check_header()
            .map_err(|why| format!("headers.{name}: {why}"))?;
    }
    Ok(())
}

fn check_header_name(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a header's name has no blanks, colons or control characters".to_owned());
    }
    if HOSTS_HEADERS
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        return Err("this header is the host's to set".to_owned());
    }
    Ok(())
}

fn render(template: &Template, values: &Values<'_>, place: Place) -> Result<String, String> {
    Ok(template.render(values, place)?.unwrap_or_default())
}

fn append_query(url: &mut String, query: &str) {
    if query.is_empty() {
        return;
    }
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(query);
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

impl Format {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }

    /// What is asked for: XML has two names.
    fn accepted(self) -> &'static str {
        match self {
            Self::Xml => "application/xml, text/xml",
            Self::Json | Self::Form => self.media_type(),
        }
    }

    /// Whether this content type, without parameters, says that a body is of this form.
    pub(crate) fn is_declared_by(self, media_type: &str) -> bool {
        media_type.eq_ignore_ascii_case(self.media_type())
            || (self == Self::Xml && media_type.eq_ignore_ascii_case("text/xml"))
    }
}

#[cfg(test)]
mod tests {
    use gavel_sdk::{Offer, Request, config, testing::TestLead};

    use crate::{HttpAdapter, mapping::Exchange};

    fn open(config: &str) -> Result<HttpAdapter, String> {
        HttpAdapter::open(config::parse(config)?)
    }

    fn post(config: &str) -> Request {
        let lead = TestLead::post().text("state", "CA").text("name", "Ann");
        let won = Offer {
            amount: Some("28.00".to_owned()),
            reference: None,
        };
        open(config)
            .unwrap()
            .request(Exchange::Post, &lead.lead(), Some(&won))
            .unwrap()
    }

    fn headers(request: &Request) -> Vec<(&str, &str)> {
        request
            .headers
            .iter()
            .map(|header| (header.name.as_str(), header.value.as_str()))
            .collect()
    }

    #[test]
    fn a_post_says_what_its_body_is() {
        let request = post(r#"{"post_url": "https://b.example/in"}"#);
        assert_eq!(
            (request.method.as_str(), request.url.as_str()),
            ("POST", "https://b.example/in")
        );
        assert_eq!(
            headers(&request),
            [
                ("content-type", "application/json"),
                ("accept", "application/json")
            ]
        );
        assert_eq!(
            String::from_utf8(request.body).unwrap(),
            r#"{"state":"CA","name":"Ann","order":"po_1.a1","price":"28.00"}"#
        );
    }

    #[test]
    fn configured_headers_go_before_the_usual_ones() {
        let request = post(
            r#"{"post_url": "https://b.example/in", "format": "form", "headers": {
                "Accept": "text/plain",
                "Authorization": "Bearer {{secret:KEY}}",
                "Idempotency-Key": "{{order}}",
                "X-Reference": "{{reference}}"
            }}"#,
        );
        assert_eq!(
            headers(&request),
            [
                ("content-type", "application/x-www-form-urlencoded"),
                ("Accept", "text/plain"),
                ("Authorization", "Bearer {{secret:KEY}}"),
                ("Idempotency-Key", "po_1.a1"),
            ]
        );
    }

    #[test]
    fn a_get_carries_its_fields_in_the_query() {
        let request = post(
            r#"{"post_url": "https://b.example/in?v=2", "method": "GET", "format": "form",
                "fields": {"name": "n"}, "constants": {"k": "{{secret:KEY}}"}}"#,
        );
        assert_eq!(
            request.url,
            "https://b.example/in?v=2&n=Ann&k={{secret:KEY}}"
        );
        assert!(request.body.is_empty());
        assert_eq!(
            headers(&request),
            [("accept", "application/x-www-form-urlencoded")]
        );
    }

    #[test]
    fn a_ping_without_a_ping_url_says_what_to_do() {
        let buyer = open(r#"{"post_url": "https://b.example/in"}"#).unwrap();
        let lead = TestLead::ping();
        let error = buyer
            .request(Exchange::Ping, &lead.lead(), None)
            .unwrap_err();
        assert!(error.contains("`ping_url`"), "{error}");
    }

    #[test]
    fn a_configuration_that_could_not_be_sent_does_not_open() {
        for (config, expected) in [
            (
                r#"{"post_url": "b.example/in"}"#,
                "post_url: a URL begins with",
            ),
            (
                r#"{"post_url": "https://b.example/", "ping_url": "{{field:url}}"}"#,
                "ping_url: ",
            ),
            (
                r#"{"post_url": "https://b.example/", "headers": {"Host": "x"}}"#,
                "headers.Host: ",
            ),
            (
                r#"{"post_url": "https://b.example/", "headers": {"X Y": "x"}}"#,
                "headers.X Y: ",
            ),
            (
                r#"{"post_url": "https://b.example/", "headers": {"X": "a\nb"}}"#,
                "headers.X: ",
            ),
            (
                r#"{"post_url": "https://b.example/", "method": "GET"}"#,
                "method: ",
            ),
        ] {
            let error = open(config).unwrap_err();
            assert!(error.starts_with(expected), "{config} gave: {error}");
        }
    }
}
