//! From a body to what the exchange is asked.

use gavel_exchange::{api::RawRequest, limits::IDEMPOTENCY_KEY_MAX_CHARS};
use gavel_market::{lead::FieldError, reason::FieldCode};
use http::HeaderMap;
use serde_json::Value;

use crate::http::{form as urlencoded, json as strict, problem::Problem};

/// The control of the same meaning as the header `Idempotency-Key`; errors have this name for both.
const IDEMPOTENCY_CONTROL: &str = "idempotency_key";

/// A JSON body: an object with the object `lead`, and controls beside it.
pub(super) fn json(body: &[u8]) -> Result<RawRequest, Problem> {
    let mut request = RawRequest::default();
    let mut lead = None;
    for (name, value) in strict::parse_object(body)? {
        match name.as_str() {
            "lead" => lead = Some(value),
            // As a form would have it.
            "_idempotency_key" => request
                .controls
                .push((IDEMPOTENCY_CONTROL.to_owned(), value)),
            _ => request.controls.push((name, value)),
        }
    }
    let problem = |code, message| Some(FieldError::new("lead", code, message));
    let problem = match lead {
        Some(Value::Object(fields)) => {
            request.lead = fields.into_iter().collect();
            None
        }
        None | Some(Value::Null) => problem(FieldCode::Missing, "the lead's fields, as an object"),
        Some(_) => problem(FieldCode::WrongType, "an object of the lead's fields"),
    };
    request.problems.extend(problem);
    Ok(request)
}

/// A form: the lead's fields by their names, controls with a leading underscore. No field's
/// name begins with one.
pub(super) fn form(body: &[u8]) -> Result<RawRequest, Problem> {
    let mut request = RawRequest::default();
    for (name, value) in urlencoded::parse(body)? {
        match name.strip_prefix('_') {
            Some(control) => request.controls.push((control.to_owned(), value.into())),
            None => request.lead.push((name, value.into())),
        }
    }
    Ok(request)
}

/// The header `Idempotency-Key`; an empty one is absent.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, FieldError> {
    let wrong = |code, message: String| Err(FieldError::new(IDEMPOTENCY_CONTROL, code, message));
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let (Ok(text), None) = (value.to_str(), values.next()) else {
        return wrong(
            FieldCode::BadFormat,
            "one value of visible ASCII characters".into(),
        );
    };
    if text.len() > IDEMPOTENCY_KEY_MAX_CHARS {
        return wrong(
            FieldCode::TooLong,
            format!("at most {IDEMPOTENCY_KEY_MAX_CHARS} characters"),
        );
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Puts the header's key where the control of the same meaning stands. Two that differ are
/// an error: each would mean another request.
pub(super) fn add_idempotency_key(
    request: &mut RawRequest,
    key: Result<Option<String>, FieldError>,
) {
    let key = match key {
        Ok(None) => return,
        Ok(Some(key)) => Value::from(key),
        Err(error) => return request.problems.push(error),
    };
    let given = request
        .controls
        .iter()
        .find(|(name, _)| name == IDEMPOTENCY_CONTROL);
    match given {
        None => request.controls.push((IDEMPOTENCY_CONTROL.into(), key)),
        Some((_, given)) if *given == key => {}
        Some(_) => {
            let message = "differs from the control of the same meaning; send one of them";
            request.problems.push(FieldError::new(
                IDEMPOTENCY_CONTROL,
                FieldCode::NotAllowed,
                message,
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn pairs(pairs: &[(&str, Value)]) -> Vec<(String, Value)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn a_json_body_is_a_lead_and_controls() {
        let request = json(
            br#"{"tmax_ms": 900, "lead": {"zip": "90210", "monthly_bill": 180.50}, "_test": true}"#,
        )
        .unwrap();
        assert_eq!(
            request.lead,
            pairs(&[("zip", json!("90210")), ("monthly_bill", json!(180.5))])
        );
        assert_eq!(
            request.controls,
            pairs(&[("tmax_ms", json!(900)), ("_test", json!(true))])
        );
        assert_eq!(request.problems, []);
    }

    #[test]
    fn a_lead_is_needed_and_is_an_object() {
        for (body, code) in [
            ("{}", FieldCode::Missing),
            (r#"{"lead": null}"#, FieldCode::Missing),
            (r#"{"lead": [1]}"#, FieldCode::WrongType),
            (r#"{"lead": "x"}"#, FieldCode::WrongType),
        ] {
            let problems = json(body.as_bytes()).unwrap().problems;
            assert_eq!(
                problems
                    .iter()
                    .map(|error| (error.field.as_str(), error.code))
                    .collect::<Vec<_>>(),
                [("lead", code)]
            );
        }
    }

    #[test]
    fn in_a_form_controls_have_an_underscore() {
        let request = form(b"zip=90210&_tmax_ms=900&_ping_order_id=po_1").unwrap();
        assert_eq!(request.lead, pairs(&[("zip", json!("90210"))]));
        assert_eq!(
            request.controls,
            pairs(&[("tmax_ms", json!("900")), ("ping_order_id", json!("po_1"))])
        );
    }

    #[test]
    fn a_key_comes_by_header_or_control_but_is_one() {
        let add = |controls: &[(&str, Value)], key| {
            let mut request = RawRequest {
                controls: pairs(controls),
                ..RawRequest::default()
            };
            add_idempotency_key(&mut request, Ok(Some(key)));
            request
        };
        assert_eq!(
            add(&[], "a".into()).controls,
            pairs(&[("idempotency_key", json!("a"))])
        );
        let same = add(&[("idempotency_key", json!("a"))], "a".into());
        assert_eq!((same.controls.len(), same.problems.len()), (1, 0));
        let other = add(&[("idempotency_key", json!("b"))], "a".into());
        assert_eq!(other.problems[0].code, FieldCode::NotAllowed);
    }

    #[test]
    fn an_idempotency_key_is_one_short_plain_word() {
        let read = |values: &[&[u8]]| {
            let values = values
                .iter()
                .map(|value| HeaderValue::from_bytes(value).unwrap());
            idempotency_key(
                &values
                    .map(|value| (http::HeaderName::from_static("idempotency-key"), value))
                    .collect(),
            )
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b""]), Ok(None));
        assert_eq!(read(&[b"job 7"]), Ok(Some("job 7".into())));
        assert_eq!(
            read(&[&[b'a'; 255]]).map(|key| key.map(|key| key.len())),
            Ok(Some(255))
        );
        assert_eq!(read(&[&[b'a'; 256]]).unwrap_err().code, FieldCode::TooLong);
        assert_eq!(read(&[b"\xff"]).unwrap_err().code, FieldCode::BadFormat);
        assert_eq!(read(&[b"a", b"b"]).unwrap_err().code, FieldCode::BadFormat);
    }
}
