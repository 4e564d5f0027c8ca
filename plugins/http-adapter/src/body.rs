//! A request's body: fields in their places, written as JSON, as XML or as a form.

use crate::{json, template::Place, xml};

/// The fields of a request, each already written as its format writes it.
#[derive(Debug, Default)]
pub(crate) struct Object(Vec<(String, Node)>);

#[derive(Debug)]
enum Node {
    Leaf(String),
    Object(Object),
}

/// What happens where a place is taken already.
#[derive(Clone, Copy)]
pub(crate) enum Taken {
    Keep,
    Replace,
}

impl Object {
    /// Puts a value at a place, making the objects on the way there.
    pub(crate) fn put(
        &mut self,
        path: &[impl AsRef<str>],
        leaf: String,
        taken: Taken,
    ) -> Result<(), String> {
        let Some((name, rest)) = path.split_first() else {
            return Ok(());
        };
        let name = name.as_ref();
        let node = self
            .0
            .iter_mut()
            .find(|(known, _)| known == name)
            .map(|(_, node)| node);
        match (node, rest.is_empty()) {
            (None, true) => self.0.push((name.to_owned(), Node::Leaf(leaf))),
            (None, false) => {
                let mut object = Self::default();
                object.put(rest, leaf, taken)?;
                self.0.push((name.to_owned(), Node::Object(object)));
            }
            (Some(Node::Leaf(there)), true) => {
                if matches!(taken, Taken::Replace) {
                    *there = leaf;
                }
            }
            (Some(Node::Object(object)), false) => object.put(rest, leaf, taken)?,
            (Some(_), _) => return Err(format!("`{name}` cannot be both a value and an object")),
        }
        Ok(())
    }

    /// As a JSON document.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        out.push('{');
        for (at, (name, node)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&json::quoted(name));
            out.push(':');
            match node {
                Node::Leaf(leaf) => out.push_str(leaf),
                Node::Object(object) => object.write_json(out),
            }
        }
        out.push('}');
    }

    /// As an XML document with this root.
    pub(crate) fn to_xml(&self, root: &str) -> Result<String, String> {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        self.write_xml(root, &mut out)?;
        Ok(out)
    }

    fn write_xml(&self, name: &str, out: &mut String) -> Result<(), String> {
        open_tag(name, out)?;
        for (name, node) in &self.0 {
            match node {
                Node::Leaf(leaf) => {
                    open_tag(name, out)?;
                    out.push_str(leaf);
                    close_tag(name, out);
                }
                Node::Object(object) => object.write_xml(name, out)?,
            }
        }
        close_tag(name, out);
        Ok(())
    }

    /// As a form, or a query.
    pub(crate) fn to_form(&self) -> Result<String, String> {
        let mut out = String::new();
        for (name, node) in &self.0 {
            // `HttpAdapter::open` refuses nested places in forms.
            let Node::Leaf(leaf) = node else {
                return Err(format!("`{name}` is an object, and a form has none"));
            };
            if !out.is_empty() {
                out.push('&');
            }
            Place::Form.write_foreign(name, &mut out)?;
            out.push('=');
            out.push_str(leaf);
        }
        Ok(out)
    }
}

fn open_tag(name: &str, out: &mut String) -> Result<(), String> {
    if !xml::is_name(name) {
        return Err(format!("`{name}` is no name of an XML element"));
    }
    out.push('<');
    out.push_str(name);
    out.push('>');
    Ok(())
}

fn close_tag(name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::{Object, Taken};

    fn put(object: &mut Object, path: &[&str], leaf: &str, taken: Taken) -> Result<(), String> {
        object.put(path, leaf.to_owned(), taken)
    }

    #[test]
    fn objects_are_made_on_the_way_to_a_place_and_shared() {
        let mut object = Object::default();
        put(&mut object, &["a", "b", "c"], "1", Taken::Keep).unwrap();
        put(&mut object, &["x\"{"], "2", Taken::Keep).unwrap();
        put(&mut object, &["a", "d"], "3", Taken::Keep).unwrap();
        assert_eq!(
            object.to_json(),
            r#"{"a":{"b":{"c":1},"d":3},"x\"\u007b":2}"#
        );
        assert!(object.to_form().is_err());
        assert!(object.to_xml("request").is_err());
    }

    #[test]
    fn places_are_elements_in_xml() {
        let mut object = Object::default();
        put(&mut object, &["a", "b"], "1 &amp; 2", Taken::Keep).unwrap();
        put(&mut object, &["c"], "3", Taken::Keep).unwrap();
        assert_eq!(
            object.to_xml("request").unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><request><a><b>1 &amp; 2</b></a><c>3</c></request>"
        );
    }

    #[test]
    fn a_place_that_is_taken_is_kept_or_replaced_as_asked() {
        let mut object = Object::default();
        put(&mut object, &["a b"], "1", Taken::Keep).unwrap();
        put(&mut object, &["a b"], "2", Taken::Keep).unwrap();
        assert_eq!(object.to_form().unwrap(), "a%20b=1");
        put(&mut object, &["a b"], "3", Taken::Replace).unwrap();
        assert_eq!(object.to_form().unwrap(), "a%20b=3");
    }

    #[test]
    fn a_place_is_a_value_or_an_object_and_never_both() {
        let mut object = Object::default();
        put(&mut object, &["a", "b"], "1", Taken::Keep).unwrap();
        assert!(put(&mut object, &["a"], "2", Taken::Replace).is_err());
        assert!(put(&mut object, &["a", "b", "c"], "2", Taken::Replace).is_err());
    }
}
