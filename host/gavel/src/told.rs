//! A host's answers as lines for a person.

use serde_json::Value;

/// Columns as wide as their widest cell, and none where there are no rows.
pub(crate) fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut all = vec![titles.map(str::to_owned)];
    all.extend(rows);
    let widths = (0..N).map(|column| {
        all.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    });
    let widths: Vec<_> = widths.collect();
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
            .trim_end()
            .to_owned()
    };
    all.iter().map(line).collect()
}

/// A table's entries; none of anything else.
pub(crate) fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A list's items; none of anything else.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A value without quotes; nothing for null. What may come from a buyer or a plugin must not
/// steer the terminal.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text
            .chars()
            .map(|letter| if letter.is_whitespace() { ' ' } else { letter })
            .filter(|letter| !letter.is_control())
            .collect(),
        other => other.to_string(),
    }
}

/// What was decided of an account, in a line: `won 12.50`, `filtered roof_shaded: the shade is full`.
/// An outcome has its word under `outcome`, or as a record has it under `code` with the rest in `detail`.
pub(crate) fn decision(decided: &Value) -> String {
    let (word, rest) = match decided {
        Value::Object(_) if decided["outcome"].is_null() => (&decided["code"], &decided["detail"]),
        Value::Object(_) => (&decided["outcome"], decided),
        plain => return text(plain),
    };
    let said = ["field", "code", "text"].map(|key| text(&rest[key]));
    let said: Vec<String> = said.into_iter().filter(|part| !part.is_empty()).collect();
    let parts = [text(word), text(&decided["bid"]), said.join(": ")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decision_reads_the_same_from_a_record_and_from_a_shadow() {
        let record = json!({"account": "a", "code": "filtered", "number": 206, "detail": {"code": "roof_shaded", "text": "full"}});
        let shadow = json!({"outcome": "filtered", "code": "roof_shaded", "text": "full"});
        assert_eq!(decision(&record), "filtered roof_shaded: full");
        assert_eq!(decision(&shadow), decision(&record));
        assert_eq!(
            decision(&json!({"outcome": "bids", "bid": "12.50"})),
            "bids 12.50"
        );
        assert_eq!(decision(&json!("won")), "won");
        assert_eq!(decision(&Value::Null), "");
    }
}
