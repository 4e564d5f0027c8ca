//! Lines for errors that are found only once the market's plugins are at hand.

use super::{
    MarketError,
    tree::{self, NodeValue, Table},
};

/// Gives each error the line of its path's deepest key that stands in this TOML text.
pub fn with_lines(text: &str, mut errors: Vec<MarketError>) -> Vec<MarketError> {
    if let Ok(root) = tree::from_toml(text) {
        for error in errors.iter_mut().filter(|error| error.line.is_none()) {
            error.line = line_of(&root, &error.path);
        }
    }
    errors
}

/// Follows a path as far as it goes: below a plugin's configuration it may go further than the file.
fn line_of(root: &Table, path: &str) -> Option<u32> {
    let mut table = root;
    let mut line = None;
    for key in path.split('.') {
        let key = key.split('[').next().unwrap_or(key);
        let Some(entry) = table.entries.iter().find(|entry| entry.key == key) else {
            break;
        };
        line = entry.line.or(line);
        match &entry.node.value {
            NodeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_gets_the_line_of_the_deepest_key_that_is_there() {
        let text = "currency = \"USD\"\n\n[accounts.one]\nfilter = { plugin = \"x\", config = { shade = 1 } }\n";
        let lines = |path: &str| {
            with_lines(text, vec![MarketError::new(path, "config_refused", "no")])
                .first()
                .and_then(|error| error.line)
        };
        assert_eq!(lines("accounts.one.filter.config.shade.0"), Some(4));
        assert_eq!(lines("accounts.one.adapter.config"), Some(3));
        assert_eq!(lines("nothing.here"), None);
    }
}
