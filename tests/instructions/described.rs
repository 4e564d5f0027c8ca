//! The OpenAPI document, and whether an answer is one that it describes.

use http::HeaderMap;
use serde_json::{Value, json};

use super::{JSON, copied::Sent};

/// The official schema; see the folder's README.
const OPENAPI: &str = include_str!("../openapi/3.1.schema.json");

/// An OpenAPI document.
pub(super) struct Document(Value);

impl Document {
    pub(super) fn new(document: Value) -> Self {
        Self(document)
    }

    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }

    /// Against the official schema, and each of its own schemas against theirs.
    pub(super) fn is_valid_openapi(&self) {
        let schema: Value = serde_json::from_str(OPENAPI).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let faults: Vec<String> = validator
            .iter_errors(&self.0)
            .map(|error| error.to_string())
            .collect();
        assert!(faults.is_empty(), "{faults:#?}");
        let schemas = self.0["components"]["schemas"]
            .as_object()
            .expect("schemas");
        for (name, schema) in schemas {
            assert!(jsonschema::meta::is_valid(schema), "{name}");
        }
    }

    /// The example of a request's body.
    pub(super) fn example(&self, path: &str, content_type: &str) -> Sent {
        let content = &self.0["paths"][path]["post"]["requestBody"]["content"][content_type];
        let example = content["example"].as_object().expect("an example");
        self.check(&content["schema"], &content["example"], "the example");
        let body = if content_type == JSON {
            content["example"].to_string()
        } else {
            let pairs = example
                .iter()
                .map(|(name, value)| (name, value.as_str().expect("text")));
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish()
        };
        Sent {
            path: path.to_owned(),
            content_type: content_type.to_owned(),
            body: body.into(),
        }
    }

    /// The answer's body, if the document has this answer.
    pub(super) fn describes(
        &self,
        path: &str,
        method: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Value {
        let answer = &self.0["paths"][path][method]["responses"][status.to_string()];
        assert!(
            answer.is_object(),
            "{status} is not an answer of {method} {path}"
        );
        for name in answer["headers"].as_object().expect("headers").keys() {
            let header = &self.0["components"]["headers"][name];
            let value = headers.get(name);
            assert!(
                value.is_some() || header["required"] != true,
                "{name} of {path}"
            );
            if let Some(value) = value {
                let text = value.to_str().expect("ASCII");
                let value = text
                    .parse::<i64>()
                    .map_or(json!(text), |number| json!(number));
                let value = if header["schema"]["type"] == "string" {
                    json!(text)
                } else {
                    value
                };
                self.check(&header["schema"], &value, name);
            }
        }
        let kind = headers["content-type"].to_str().expect("ASCII");
        let kind = kind.split(';').next().expect("a type");
        let content = &answer["content"][kind];
        assert!(
            content.is_object(),
            "{kind} is not the type of {status} of {method} {path}"
        );
        if kind.ends_with("xml") {
            return json!(String::from_utf8_lossy(body));
        }
        let body =
            serde_json::from_slice(body).unwrap_or_else(|_| json!(String::from_utf8_lossy(body)));
        self.check(&content["schema"], &body, path);
        body
    }

    fn check(&self, schema: &Value, value: &Value, of: &str) {
        let schema = json!({"allOf": [schema], "components": self.0["components"]});
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .expect("a schema");
        let fault = validator
            .validate(value)
            .err()
            .map(|error| error.to_string());
        assert_eq!(fault, None, "{of}: {value}");
    }
}
