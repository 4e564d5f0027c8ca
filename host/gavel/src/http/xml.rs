//! Answers as XML: the same shape as the JSON, for clients that speak nothing else.
//!
//! | JSON | XML |
//! |---|---|
//! | an object's member | an element of its name |
//! | a list `errors` | one element `<errors>` with an `<error>` for each item |
//! | text, number, `true` | the element's text |
//! | null | no element |

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};
use serde_json::Value;

/// The namespace of problem documents (RFC 9457, appendix B).
const PROBLEM_NAMESPACE: &str = "urn:ietf:rfc:7807";

/// A good answer, below `<response>`.
pub(crate) fn response(value: &Value) -> Vec<u8> {
    document(BytesStart::new("response"), value)
}

/// A bad one, below `<problem>`.
pub(crate) fn problem(value: &Value) -> Vec<u8> {
    let root = BytesStart::new("problem").with_attributes([("xmlns", PROBLEM_NAMESPACE)]);
    document(root, value)
}

fn document(root: BytesStart<'_>, value: &Value) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let written = writer
        .write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))
        .and_then(|()| element(&mut writer, root, value));
    if let Err(error) = written {
        // Writing to memory does not fail.
        tracing::error!(%error, "an answer cannot be written as XML");
    }
    writer.into_inner()
}

fn element(
    writer: &mut Writer<Vec<u8>>,
    start: BytesStart<'_>,
    value: &Value,
) -> std::io::Result<()> {
    if value.is_null() {
        return Ok(());
    }
    let end = BytesEnd::new(String::from_utf8_lossy(start.name().as_ref()).into_owned());
    let item = singular(end.name().as_ref());
    writer.write_event(Event::Start(start))?;
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                element(writer, BytesStart::new(name.as_str()), member)?;
            }
        }
        Value::Array(items) => {
            for one in items {
                element(writer, BytesStart::new(item.as_str()), one)?;
            }
        }
        Value::String(text) => writer.write_event(Event::Text(BytesText::new(&allowed(text))))?,
        other => writer.write_event(Event::Text(BytesText::new(&other.to_string())))?,
    }
    writer.write_event(Event::End(end))
}

/// What one of many is called.
fn singular(plural: &[u8]) -> String {
    let plural = String::from_utf8_lossy(plural);
    plural.strip_suffix('s').unwrap_or("item").to_owned()
}

/// Without the characters that XML 1.0 cannot carry at all, escaped or not.
fn allowed(text: &str) -> String {
    let carried = |letter: char| {
        !letter.is_control() || matches!(letter, '\t' | '\n' | '\r' | '\u{80}'..='\u{9f}')
    };
    let replaced = text.chars().map(|letter| match letter {
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        letter if carried(letter) => letter,
        _ => '\u{fffd}',
    });
    replaced.collect()
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use serde_json::{Map, json};

    use super::*;

    /// Reads a document back: every text is one, and whatever has only elements of one
    /// singular name is a list.
    fn read(document: &[u8]) -> (String, Value) {
        let mut reader = Reader::from_reader(document);
        assert!(matches!(reader.read_event().unwrap(), Event::Decl(_)));
        let Event::Start(root) = reader.read_event().unwrap() else {
            panic!("a root")
        };
        let name = String::from_utf8(root.name().as_ref().to_vec()).unwrap();
        let value = inside(&mut reader, &name);
        assert!(matches!(reader.read_event().unwrap(), Event::Eof));
        (name, value)
    }

    fn inside(reader: &mut Reader<&[u8]>, of: &str) -> Value {
        let (mut text, mut members, mut items) = (String::new(), Map::new(), Vec::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => {
                    let name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
                    let value = inside(reader, &name);
                    if format!("{name}s") == of {
                        items.push(value);
                    } else {
                        assert!(members.insert(name, value).is_none(), "twice");
                    }
                }
                Event::Text(part) => text += &part.decode().unwrap(),
                Event::GeneralRef(name) => {
                    let name = name.decode().unwrap();
                    match name.strip_prefix('#') {
                        Some(_) => panic!("no numbers are needed: {name}"),
                        None => {
                            text += quick_xml::escape::resolve_predefined_entity(&name).unwrap();
                        }
                    }
                }
                Event::End(_) => break,
                other => panic!("{other:?}"),
            }
        }
        match (members.is_empty(), items.is_empty()) {
            (true, true) => text.into(),
            (false, true) => members.into(),
            (true, false) => items.into(),
            (false, false) => panic!("a list with members"),
        }
    }

    #[test]
    fn an_answer_reads_back_as_it_was() {
        let answer = json!({
            "status": "sold", "deliveries": 2, "finished": true, "redirect_url": "https://x.example/?a=1&b=<\"'>]]>",
            "warnings": [{"field": "zip", "code": "field_changed"}, {"field": "state", "code": "field_changed"}],
        });
        let (root, read) = read(&response(&answer));
        assert_eq!(root, "response");
        assert_eq!(
            read,
            json!({
                "status": "sold", "deliveries": "2", "finished": "true", "redirect_url": "https://x.example/?a=1&b=<\"'>]]>",
                "warnings": [{"field": "zip", "code": "field_changed"}, {"field": "state", "code": "field_changed"}],
            })
        );
    }

    #[test]
    fn a_problem_is_one_in_its_own_namespace() {
        let written =
            problem(&json!({"status": 422, "errors": [{"field": "zip"}], "suggestion": null}));
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><problem xmlns=\"urn:ietf:rfc:7807\">\
             <status>422</status><errors><error><field>zip</field></error></errors></problem>"
        );
    }

    #[test]
    fn what_xml_cannot_carry_is_replaced() {
        let (_, read) = read(&response(&json!({"a": "x\u{0}\u{1b}\u{ffff}\ty\u{fc}"})));
        assert_eq!(read, json!({"a": "x\u{fffd}\u{fffd}\u{fffd}\ty\u{fc}"}));
    }
}
