//! Text that a plugin gave, made fit for a log line, a terminal and a record.

use crate::limits::WORDS_MAX_BYTES;

/// `text` without control characters and at most [`WORDS_MAX_BYTES`] long.
pub(crate) fn words(text: &str) -> String {
    clean(text, WORDS_MAX_BYTES)
}

/// `text` without control characters, cut to at most `max` bytes between two characters.
///
/// A line feed or a tab becomes a blank, so that words do not run together.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(max));
    for char in text.chars() {
        let char = match char {
            '\n' | '\t' => ' ',
            hidden if is_hidden(hidden) => continue,
            shown => shown,
        };
        if kept.len() + char.len_utf8() > max {
            break;
        }
        kept.push(char);
    }
    kept
}

/// Control characters, and those that turn the direction of the text around them: either
/// could make a terminal show something that is not there.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether `code` is one to count by: `[a-z][a-z0-9_]{0,63}`.
pub(crate) fn is_code(code: &str) -> bool {
    let mut bytes = code.bytes();
    code.len() <= 64
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_between_two_characters() {
        let cut = clean("aé€", 3);
        assert_eq!(cut, "aé");
        assert_eq!(words(&"€".repeat(1000)).len(), 1023);
    }

    #[test]
    fn words_cannot_steer_a_terminal() {
        assert_eq!(words("a\nb\tc\x1b[31m\u{202e}d\0"), "a b c[31md");
    }

    #[test]
    fn a_code_is_one_snake_case_word() {
        assert!(is_code("roof_shaded2"));
        for bad in ["", "2x", "_x", "Roof", "a-b", "a b", "ä", &"a".repeat(65)] {
            assert!(!is_code(bad), "{bad:?}");
        }
    }
}
