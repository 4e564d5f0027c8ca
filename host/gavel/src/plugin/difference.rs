//! Where a case differs, for a person and for programs.

use gavel_exchange::cases::{CaseOutcome, Difference};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::{
    fault,
    figures::{BAD, DIM, GOOD, styled},
};

/// Lines of a text around a change.
const CONTEXT: usize = 3;

/// One difference: a sentence, and the texts line by line where there are some.
pub(super) fn lines(difference: &Difference) -> Vec<String> {
    let mut lines = vec![format!(
        "    {}",
        styled(BAD, &plain(&difference.to_string()))
    )];
    let Some((expected, got)) = &difference.texts else {
        return lines;
    };
    lines.push(format!(
        "      {}  {}",
        styled(BAD, "- expected"),
        styled(GOOD, "+ got")
    ));
    let diff = TextDiff::from_lines(expected.as_str(), got.as_str());
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            lines.push(styled(DIM, "      …"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = plain(change.value().trim_end_matches('\n'));
            lines.push(match change.tag() {
                ChangeTag::Delete => styled(BAD, &format!("      - {text}")),
                ChangeTag::Insert => styled(GOOD, &format!("      + {text}")),
                ChangeTag::Equal => format!("        {text}"),
            });
        }
    }
    lines
}

/// Without what could steer a terminal: a body is the plugin's.
fn plain(text: &str) -> String {
    let letter = |letter: char| match letter {
        '\t' => ' ',
        control if control.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(letter).collect()
}

/// A case's outcome for programs.
pub(super) fn json(file: &str, outcome: &CaseOutcome) -> Value {
    let differences = outcome.differences.iter().map(|difference| {
        let mut entry = json!({"at": difference.at, "message": difference.words});
        if let (Some((expected, got)), Some(entry)) = (&difference.texts, entry.as_object_mut()) {
            entry.insert("expected".into(), expected.as_str().into());
            entry.insert("got".into(), got.as_str().into());
        }
        entry
    });
    json!({
        "file": file,
        "name": outcome.name,
        "passed": outcome.passed,
        "differences": differences.collect::<Vec<_>>(),
        "log": fault::log_json(&outcome.log),
        "lines_dropped": outcome.lines_dropped,
        "fields_read": outcome.fields_read,
        "time_us": u64::try_from(outcome.cpu.as_micros()).unwrap_or(u64::MAX),
        "memory": outcome.memory,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_compared_line_by_line() {
        let difference = Difference {
            at: "requests[0].body".to_owned(),
            words: "is not the JSON that was expected".to_owned(),
            texts: Some((
                "{\n  \"state\": \"CA\",\n  \"zip\": \"90210\"\n}".to_owned(),
                "{\n  \"state\": \"CA\",\n  \"zip\": \"9\u{1b}[2J\"\n}".to_owned(),
            )),
        };
        let shown = lines(&difference).join("\n");
        let shown = anstream::adapter::strip_str(&shown).to_string();
        let expected = "    requests[0].body: is not the JSON that was expected
      - expected  + got
        {
          \"state\": \"CA\",
      -   \"zip\": \"90210\"
      +   \"zip\": \"9\u{fffd}[2J\"
        }";
        assert_eq!(shown, expected);
    }
}
