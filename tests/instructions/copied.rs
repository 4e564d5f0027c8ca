//! What somebody copies off the page, and what a shell and curl make of it.

use bytes::Bytes;
use serde_json::Value;

use super::{FORM, JSON};
use crate::harness::Market;

/// The id that stands for an order's in every example.
const ORDER: &str = "po_01KB2X8V3HQ7M5N9T4W6Y8Z0AC";

/// One example, as its text stands on the page.
#[derive(Debug)]
pub(super) struct Example {
    /// Of which request.
    pub(super) name: String,
    /// `curl-json`, `curl-form`, `json` or `form`.
    form: String,
    text: String,
}

/// One request as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) path: String,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

/// Every example of a page.
pub(super) fn examples_of(page: &str) -> Vec<Example> {
    let marked = page.split("<code data-example=\"").skip(1);
    let examples = marked.map(|rest| {
        let (name, rest) = rest.split_once("\" data-form=\"").expect("its form");
        let (form, rest) = rest.split_once("\">").expect("its text");
        let (text, _) = rest.split_once("</code>").expect("its end");
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"");
        Example {
            name: name.to_owned(),
            form: form.to_owned(),
            text: text.replace("&amp;", "&"),
        }
    });
    examples.collect()
}

impl Example {
    /// What is sent: a command says by itself where to, which begins with `base`; a body goes to `path`.
    pub(super) fn read(&self, base: &str, path: &str) -> Sent {
        let body = |content_type: &str| Sent {
            path: path.to_owned(),
            content_type: content_type.to_owned(),
            body: self.text.clone().into(),
        };
        match self.form.as_str() {
            "json" => body(JSON),
            "form" => body(FORM),
            _ => command(&self.text, base),
        }
    }
}

impl Sent {
    /// The same, to this order.
    pub(super) fn to_order(&self, order: &str) -> Self {
        let body = String::from_utf8(self.body.to_vec()).expect("UTF-8");
        assert!(body.contains(ORDER), "{body}");
        Self {
            body: body.replace(ORDER, order).into(),
            ..self.clone()
        }
    }

    /// The same, but no test, and of another consumer for each number: with the telephone number
    /// 555-01 and two digits. The same consumer twice would be a duplicate.
    pub(super) fn for_real(&self, number: u8) -> Self {
        assert!(number < 100);
        let body = if self.content_type == JSON {
            let mut body: Value = serde_json::from_slice(&self.body).expect("JSON");
            let test = body.as_object_mut().expect("an object").remove("test");
            assert_eq!(test, Some(Value::Bool(true)));
            body.to_string()
        } else {
            let pairs = form_urlencoded::parse(&self.body);
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs.filter(|(name, _)| name != "_test"))
                .finish()
        };
        Self {
            body: body
                .replace("555-0142", &format!("555-01{number:02}"))
                .into(),
            ..self.clone()
        }
    }
}

/// What curl would send.
fn command(text: &str, base: &str) -> Sent {
    let mut words = words(text).into_iter();
    assert_eq!(words.next().as_deref(), Some("curl"));
    let (mut url, mut key, mut content_type) = (None, None, None);
    let mut body = String::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" => {
                let header = words.next().expect("a header");
                match header.split_once(": ").expect("a name and a value") {
                    ("Authorization", value) => key = Some(value.to_owned()),
                    ("Content-Type", value) => content_type = Some(value.to_owned()),
                    other => panic!("{other:?}"),
                }
            }
            "-d" => body = words.next().expect("a body"),
            "--data-urlencode" => {
                let pair = words.next().expect("a pair");
                let (name, value) = pair.split_once('=').expect("a name and a value");
                let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                let and = if body.is_empty() { "" } else { "&" };
                body.extend([and, name, "=", &value]);
            }
            _ => assert!(url.replace(word).is_none(), "one URL"),
        }
    }
    assert_eq!(key, Some(format!("Bearer {}", Market::key())));
    let url = url.expect("a URL");
    Sent {
        path: url.strip_prefix(base).expect("this host").to_owned(),
        content_type: content_type.unwrap_or_else(|| FORM.to_owned()),
        body: body.into(),
    }
}

/// A command's words, as a POSIX shell with the key in its environment has them.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        let current = word.get_or_insert_default();
        match letter {
            '\'' => current.extend(rest.by_ref().take_while(|letter| *letter != '\'')),
            '"' => {
                let quoted: String = rest.by_ref().take_while(|letter| *letter != '"').collect();
                *current += &quoted.replace("$GAVEL_KEY", Market::key());
            }
            '\\' => match rest.next() {
                Some('\n') => {}
                escaped => current.extend(escaped),
            },
            ' ' | '\n' => words.extend(word.take().filter(|word| !word.is_empty())),
            plain => current.push(plain),
        }
    }
    words.extend(word);
    words
}
