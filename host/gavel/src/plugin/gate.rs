//! The gate's report, as lines.

use bytesize::ByteSize;
use serde_json::Value;

use super::figures::{BAD, DIM, GOOD, TITLE, styled};
use crate::told::{list, text};

/// Step by step, then what the component is made of. `report` is a `GateReport` as JSON.
pub(super) fn lines(report: &Value) -> Vec<String> {
    let width = list(&report["steps"]).map(|step| text(&step["step"]).len());
    let width = width.max().unwrap_or(0);
    let mut lines = vec![styled(TITLE, "gate")];
    lines.extend(list(&report["steps"]).map(|step| {
        let mark = match step["passed"].as_bool() {
            Some(true) => styled(GOOD, "ok    "),
            _ => styled(BAD.bold(), "failed"),
        };
        let code = text(&step["code"]);
        let code = if code.is_empty() {
            code
        } else {
            format!("{code}: ")
        };
        let ms = step["micros"].as_f64().unwrap_or_default() / 1000.0;
        format!(
            "  {mark}  {:width$}  {:>10}  {code}{}",
            text(&step["step"]),
            styled(DIM, &format!("{ms:>7.1} ms")),
            text(&step["detail"])
        )
    }));
    let size = |key: &str| {
        let bytes = report[key].as_u64()?;
        Some(ByteSize(bytes).display().iec().to_string())
    };
    let compiled = size("compiled_bytes").map(|size| format!(", compiled {size}"));
    if let Some(bytes) = size("bytes") {
        lines.push(entry(
            "size",
            &format!("{bytes}{}", compiled.unwrap_or_default()),
        ));
    }
    for key in ["imports", "exports"] {
        let names: Vec<String> = list(&report[key]).map(text).collect();
        if !names.is_empty() {
            lines.push(entry(key, &names.join("\n           ")));
        }
    }
    lines
}

/// A title and what stands beside it.
pub(super) fn entry(title: &str, words: &str) -> String {
    format!("{}  {words}", styled(TITLE, &format!("{title:9}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_tells_each_step_and_where_it_ended() {
        let report = json!({
            "steps": [
                {"step": "size", "passed": true, "code": null, "detail": "30 KiB of 32 MiB", "micros": 12},
                {"step": "world", "passed": false, "code": "wrong_world", "detail": "exports nothing", "micros": 1500},
            ],
            "bytes": 30_720, "imports": ["gavel:buyer/logging@1.0.0"], "exports": [], "compiled_bytes": null,
        });
        let told = lines(&report).join("\n");
        let told = anstream::adapter::strip_str(&told).to_string();
        assert_eq!(
            told,
            "gate
  ok      size       0.0 ms  30 KiB of 32 MiB
  failed  world      1.5 ms  wrong_world: exports nothing
size       30.0 KiB
imports    gavel:buyer/logging@1.0.0"
        );
    }
}
