//! XML as text: values written so that nothing in them reads as markup or as a placeholder,
//! and an answer read into elements.
//!
//! An answer may be hostile. A document type is refused, so there are no entities but XML's
//! own five and nothing expands; depth and number of elements are bounded, and nothing here
//! recurses.

use std::{borrow::Cow, fmt::Write as _};

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

/// Deepest nesting of an answer that is read, in elements: real ones have three or four.
const DEPTH_MAX: usize = 64;

/// Most elements of an answer that are read. What a buyer says stands in ten; a thousand
/// bids in one answer would still fit.
const ELEMENTS_MAX: usize = 10_000;

/// Most attributes of one element that are read: each is compared with those before it.
const ATTRIBUTES_MAX: usize = 64;

/// Begins a step that names an attribute.
const ATTRIBUTE: char = '@';

/// Writes text as it stands between two tags, or says that XML cannot carry it.
///
/// An opening brace is written as a reference: the meaning is the same, and two of them
/// cannot make a placeholder that the host would fill in.
pub(crate) fn write_escaped(text: &str, out: &mut String) -> Result<(), String> {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A bare carriage return is read as a line feed.
            '{' | '\r' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if is_carried(c) => out.push(c),
            _ => return Err("has a character that XML cannot carry".to_owned()),
        }
    }
    Ok(())
}

/// Whether all of the text can be written.
pub(crate) fn fits(text: &str) -> bool {
    text.chars().all(is_carried)
}

/// What XML 1.0 calls a character.
fn is_carried(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether this can be an element's name in a request; names outside ASCII are not needed.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// An answer's elements in the order in which they begin; the first is the root.
#[derive(Debug)]
pub(crate) struct Document(Vec<Element>);

#[derive(Debug)]
struct Element {
    /// Without a namespace's prefix: the same system sends it with and without.
    name: String,
    attributes: Vec<(String, String)>,
    /// The root's is itself.
    parent: usize,
    text: String,
    has_children: bool,
}

/// A whole, well-formed document.
pub(crate) fn document(bytes: &[u8]) -> Result<Document, String> {
    let no_xml = |why: String| format!("the answer is no XML: {why}");
    let text = text_of(bytes).map_err(no_xml)?;
    let mut reading = Reading::default();
    // Some systems send blank lines before the declaration.
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim());
    loop {
        // The parser's own words repeat what it read.
        let event = reader
            .read_event()
            .map_err(|_| no_xml(format!("see byte {}", reader.error_position())))?;
        if matches!(event, Event::Eof) {
            break;
        }
        reading.take(event).map_err(no_xml)?;
    }
    reading.document().map_err(no_xml)
}

/// The answer as text: UTF-8, or Latin-1 where it says that it is.
fn text_of(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let declared = bytes.get(..100).unwrap_or(bytes).to_ascii_lowercase();
    if declared.windows(10).any(|word| word == b"iso-8859-1") {
        return Ok(bytes.iter().map(|byte| char::from(*byte)).collect());
    }
    Err("it is not UTF-8".to_owned())
}

/// A document that is being read.
#[derive(Default)]
struct Reading {
    elements: Vec<Element>,
    /// Places of the elements that are open, outermost first.
    open: Vec<usize>,
}

impl Reading {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        const UNREADABLE: &str = "it has text that cannot be read";
        match event {
            Event::Start(start) => self.begin(&start),
            Event::Empty(start) => {
                self.begin(&start)?;
                self.open.pop();
                Ok(())
            }
            Event::End(_) => {
                self.open.pop();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml_content().map_err(|_| UNREADABLE)?),
            Event::CData(text) => self.text(&text.xml_content().map_err(|_| UNREADABLE)?),
            Event::GeneralRef(reference) => {
                let c = referred(&reference)?;
                self.text(c.encode_utf8(&mut [0; 4]))
            }
            Event::DocType(_) => Err("it declares a document type".to_owned()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => Ok(()),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        const UNREADABLE: &str = "it has an attribute that cannot be read";
        let parent = self.open.last().copied();
        if parent.is_none() && !self.elements.is_empty() {
            return Err("it has more than one root".to_owned());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX} elements"));
        }
        if self.elements.len() >= ELEMENTS_MAX {
            return Err(format!("it has more than {ELEMENTS_MAX} elements"));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            if attributes.len() >= ATTRIBUTES_MAX {
                return Err(format!(
                    "it has an element with more than {ATTRIBUTES_MAX} attributes"
                ));
            }
            let attribute = attribute.map_err(|_| UNREADABLE)?;
            let value = attribute.unescape_value().map_err(|_| UNREADABLE)?;
            attributes.push((
                text(attribute.key.local_name().as_ref()),
                value.into_owned(),
            ));
        }
        if let Some(parent) = parent.and_then(|parent| self.elements.get_mut(parent)) {
            parent.has_children = true;
        }
        self.open.push(self.elements.len());
        self.elements.push(Element {
            name: text(start.local_name().as_ref()),
            attributes,
            parent: parent.unwrap_or(0),
            text: String::new(),
            has_children: false,
        });
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let open = self.open.last().copied();
        match open.and_then(|open| self.elements.get_mut(open)) {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("it has text outside its root".to_owned()),
        }
        Ok(())
    }

    fn document(self) -> Result<Document, String> {
        if self.elements.is_empty() {
            return Err("it has no element".to_owned());
        }
        if !self.open.is_empty() {
            return Err("it ends before its root does".to_owned());
        }
        Ok(Document(self.elements))
    }
}

/// The character that a reference stands for; XML's own five and numbers, no others.
fn referred(reference: &BytesRef<'_>) -> Result<char, String> {
    if let Some(c) = reference
        .resolve_char_ref()
        .map_err(|_| "it has a reference to no character")?
    {
        return Ok(c);
    }
    match &**reference {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err("it uses an entity that it cannot have declared".to_owned()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Document {
    /// The plain value at a path from the root, which the path does not name. A step is an
    /// element's name, a position among elements counted from 0, or at the end `@` and an
    /// attribute's name. `None` where there is nothing, or a blank.
    pub(crate) fn plain_value(&self, path: &[String]) -> Result<Option<String>, String> {
        let mut at = 0;
        for step in path {
            if let Some(name) = step.strip_prefix(ATTRIBUTE) {
                return Ok(self.attribute(at, name));
            }
            match self.child(at, step)? {
                Some(child) => at = child,
                None => return Ok(None),
            }
        }
        let Some(element) = self.0.get(at) else {
            return Ok(None);
        };
        if element.has_children {
            return Err("is no plain value".to_owned());
        }
        Ok(plain(&element.text))
    }

    fn child(&self, parent: usize, step: &str) -> Result<Option<usize>, String> {
        // An element begins after the one that it stands in.
        let below = self.0.iter().enumerate().skip(parent + 1);
        let mut children = below.filter(|(_, element)| element.parent == parent);
        if let Ok(position) = step.parse::<usize>() {
            return Ok(children.nth(position).map(|(at, _)| at));
        }
        let mut named = children.filter(|(_, element)| element.name == step);
        let found = named.next().map(|(at, _)| at);
        if named.next().is_some() {
            // Which of the two the buyer means cannot be known.
            return Err("is there twice".to_owned());
        }
        Ok(found)
    }

    fn attribute(&self, at: usize, name: &str) -> Option<String> {
        let attributes = &self.0.get(at)?.attributes;
        let (_, value) = attributes.iter().find(|(known, _)| known == name)?;
        plain(value)
    }
}

fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, ELEMENTS_MAX, document, fits, is_name, write_escaped};
    use crate::shapes::Target;

    fn at(xml: &str, place: &str) -> Result<Option<String>, String> {
        document(xml.as_bytes())?.plain_value(Target::parse(place)?.steps())
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "compared with what reading returns"
    )]
    fn some(text: &str) -> Result<Option<String>, String> {
        Ok(Some(text.to_owned()))
    }

    #[test]
    fn a_place_leads_through_elements_positions_and_attributes() {
        let xml = r#"<?xml version="1.0" encoding="utf-8"?>
            <response code="7"><status> Matched </status>
              <bids><bid id="a"><price>1.50</price></bid><bid><price>2</price></bid></bids>
              <none/><blank> </blank></response>"#;
        assert_eq!(at(xml, "status"), some("Matched"));
        assert_eq!(at(xml, "/@code"), some("7"));
        assert_eq!(at(xml, "/bids/1/price"), some("2"));
        assert_eq!(at(xml, "/bids/0/@id"), some("a"));
        for nothing in [
            "price",
            "Status",
            "/bids/2/price",
            "none",
            "blank",
            "/@id",
            "/status/x",
        ] {
            assert_eq!(at(xml, nothing), Ok(None), "{nothing}");
        }
    }

    #[test]
    fn text_is_read_as_it_is_meant() {
        let xml =
            "<r><a>A &amp; B &#x2013; &lt;c&gt;<!-- no -->, d</a><b><![CDATA[<5> & more]]></b></r>";
        assert_eq!(at(xml, "a"), some("A & B – <c>, d"));
        assert_eq!(at(xml, "b"), some("<5> & more"));
        assert_eq!(
            at("\u{feff}\n<s:r xmlns:s='x'><s:a>1</s:a></s:r>\n", "a"),
            some("1")
        );
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><r><a>Jos\xe9</a></r>";
        let read = document(latin).unwrap().plain_value(&["a".to_owned()]);
        assert_eq!(read, some("José"));
    }

    #[test]
    fn what_cannot_be_read_for_sure_is_an_error() {
        for refused in [
            "",
            "Matched",
            "{\"a\": 1}",
            "<r><a>1</a>",
            "<r><a>1</b></r>",
            "<r/><r/>",
            "<r><a>1</a></r>x",
            "<r><a>1</a></r></r>",
            "<r><a>1</a><a>2</a></r>",
            "<r><a><b>1</b></a></r>",
            "<r><a>&nbsp;</a></r>",
            "<r><a>1 & 2</a></r>",
            "<r><a x=1>1</a></r>",
            "<r><a x='1' x='2'>1</a></r>",
            "<r><a>1</a",
        ] {
            assert!(at(refused, "a").is_err(), "{refused}");
        }
        assert!(document(b"<r><a>\xff</a></r>").is_err());
    }

    #[test]
    fn an_answer_cannot_make_the_reader_work_without_end() {
        let bomb =
            "<!DOCTYPE r [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><r><a>&b;</a></r>";
        assert!(at(bomb, "a").unwrap_err().contains("document type"));
        assert!(
            at(
                "<!DOCTYPE r SYSTEM 'http://127.0.0.1/x'><r><a>1</a></r>",
                "a"
            )
            .is_err()
        );
        let deep = format!(
            "{}{}",
            "<a>".repeat(DEPTH_MAX + 1),
            "</a>".repeat(DEPTH_MAX + 1)
        );
        assert!(at(&deep, "a").unwrap_err().contains("deeper"));
        let wide = format!("<r>{}</r>", "<a/>".repeat(ELEMENTS_MAX));
        assert!(at(&wide, "a").unwrap_err().contains("elements"));
    }

    #[test]
    fn a_written_value_reads_back_as_it_was() {
        let text = "a \"q\", <b> & {{secret:KEY}}, a\ttab,\r\na line, é and 日本";
        let mut xml = String::from("<r><a>");
        write_escaped(text, &mut xml).unwrap();
        assert!(!xml.contains('{'));
        xml.push_str("</a></r>");
        assert_eq!(at(&xml, "a"), some(text));
        assert!(!fits("a\u{0}b") && write_escaped("a\u{1}b", &mut xml).is_err());
    }

    #[test]
    fn names_are_told_from_what_is_none() {
        for name in ["State", "_x", "lead-id", "a.b2"] {
            assert!(is_name(name), "{name}");
        }
        for other in ["", "1st", "a b", "a:b", "<a>", "é", "@id"] {
            assert!(!is_name(other), "{other}");
        }
    }
}
