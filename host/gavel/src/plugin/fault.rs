//! A fault as its engineer needs it: what, where, the backtrace, and the last log lines.

use gavel_sandbox::{Fault, LogLevel, LogLine};
use serde_json::{Value, json};

use super::figures::{BAD, DIM, TITLE, styled};

/// Log lines that are shown beside a fault: the last, of which one is a panic's message.
const LAST_LINES: usize = 10;

/// A fault's message in its parts.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    /// What happened.
    pub(super) what: String,
    /// The functions that it happened in, innermost first.
    pub(super) frames: Vec<String>,
}

/// Takes a message apart: the host writes a backtrace into it, one frame after another, each
/// with its number and its place in the code: `… 0:   0x1f - roof.wasm!qualify 1: 0x2c - …`.
pub(super) fn told(message: &str) -> Told {
    const BACKTRACE: &str = "wasm backtrace:";
    let Some((before, after)) = message.split_once(BACKTRACE) else {
        return Told {
            what: message.to_owned(),
            frames: Vec::new(),
        };
    };
    let what = before
        .trim_end()
        .trim_end_matches("error while executing at")
        .trim_end_matches([' ', ';'])
        .to_owned();
    let mut frames: Vec<String> = Vec::new();
    for word in after.split_whitespace() {
        let number = word.strip_suffix(':').and_then(|n| n.parse::<usize>().ok());
        if number == Some(frames.len()) {
            frames.push(String::new());
        } else if let Some(frame) = frames.last_mut() {
            if !frame.is_empty() {
                frame.push(' ');
            }
            frame.push_str(word);
        }
    }
    for frame in &mut frames {
        *frame = without_hashes(frame);
    }
    // What comes after the last frame is advice about wasmtime's own settings.
    if let Some(last) = frames.last_mut()
        && let Some(at) = last.find(" note: ")
    {
        last.truncate(at);
    }
    Told { what, frames }
}

/// A function's name without the hashes that tell crates of one name apart: `std[a54…]::panicking`
/// is `std::panicking` to a reader.
fn without_hashes(frame: &str) -> String {
    let mut kept = String::with_capacity(frame.len());
    let mut rest = frame;
    while let Some((before, after)) = rest.split_once('[') {
        kept.push_str(before);
        match after.split_once(']') {
            Some((hash, after))
                if hash.len() >= 15 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                rest = after;
            }
            _ => {
                kept.push('[');
                rest = after;
            }
        }
    }
    kept + rest
}

/// For a person.
pub(super) fn lines(fault: &Fault) -> Vec<String> {
    let told = told(fault.message());
    let head = format!("{} in {}", fault.kind.outcome(), fault.function);
    let mut lines = vec![
        format!("{}  {}", styled(TITLE, "fault"), styled(BAD.bold(), &head)),
        format!("       {}", told.what),
    ];
    if !told.frames.is_empty() {
        lines.push(String::new());
        lines.push(styled(TITLE, "backtrace"));
        let frames = told.frames.iter().enumerate();
        lines.extend(frames.map(|(at, frame)| format!("  {at:>2}  {frame}")));
    }
    lines
}

/// For programs.
pub(super) fn json(fault: &Fault) -> Value {
    let told = told(fault.message());
    json!({
        "kind": fault.kind.outcome(),
        "function": fault.function,
        "message": told.what,
        "backtrace": told.frames,
    })
}

/// Log lines for a person; of a fault's the last.
pub(super) fn log_lines(log: &[LogLine], dropped: u32, only_last: bool) -> Vec<String> {
    let skipped = if only_last {
        log.len().saturating_sub(LAST_LINES)
    } else {
        0
    };
    let mut lines = Vec::new();
    if skipped > 0 {
        lines.push(styled(DIM, &format!("  ({skipped} lines before these)")));
    }
    lines.extend(log.iter().skip(skipped).map(|line| {
        let level = format!("{:5}", line.level.word());
        let level = match line.level {
            LogLevel::Error | LogLevel::Warn => styled(BAD, &level),
            LogLevel::Info | LogLevel::Debug => styled(DIM, &level),
        };
        format!("  {level}  {}", line.text)
    }));
    if dropped > 0 {
        let words = format!("  ({dropped} more that the log had no room for)");
        lines.push(styled(BAD, &words));
    }
    lines
}

/// Log lines for programs.
pub(super) fn log_json(log: &[LogLine]) -> Vec<Value> {
    let line = |line: &LogLine| json!({"level": line.level.word(), "text": line.text});
    log.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart_into_what_happened_and_its_frames() {
        let message = "wasm trap: wasm `unreachable` instruction executed; error while executing at wasm backtrace:     0:   0x1234 - roof.wasm!__rustc::rust_panic     1:   0x2f - roof.wasm!<roof_filter::RoofFilter as gavel_sdk::Filter>::qualify note: using the `WASMTIME_BACKTRACE_DETAILS=1` …";
        let told = told(message);
        assert_eq!(
            told.what,
            "wasm trap: wasm `unreachable` instruction executed"
        );
        assert_eq!(
            told.frames,
            [
                "0x1234 - roof.wasm!__rustc::rust_panic",
                "0x2f - roof.wasm!<roof_filter::RoofFilter as gavel_sdk::Filter>::qualify"
            ]
        );
    }

    #[test]
    fn names_lose_their_hashes_and_nothing_else() {
        let frame = "0xc950 - a.wasm!__rustc[b7974e8690430dd9]::rust_panic::<core[c5930c85a12de822]::Option>";
        assert_eq!(
            without_hashes(frame),
            "0xc950 - a.wasm!__rustc::rust_panic::<core::Option>"
        );
        let frame = "0x4a9e - a.wasm!gavel:buyer/filter@1.0.0#[method]account.qualify";
        assert_eq!(without_hashes(frame), frame);
    }

    #[test]
    fn a_message_without_a_backtrace_is_what_happened() {
        let told = told("used 12ms of processor time; it may use 10ms");
        assert_eq!(told.what, "used 12ms of processor time; it may use 10ms");
        assert!(told.frames.is_empty());
    }
}
