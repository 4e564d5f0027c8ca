//! A market file with the plugins beside it.
//!
//! A file names plugins by path, a host takes them by digest. [`MarketFile::read`] puts the
//! digest in the path's place, on the same line, so that what a host says about a line is
//! true of the file; and since the text then names every plugin's bytes, its own digest tells
//! whether anything at all has changed.
//!
//! A secret's file is read by the host, which works in another folder: its path, relative to
//! this file like every other, is made absolute.

use std::{
    fmt, fs,
    ops::Range,
    path::{self, Path, PathBuf},
};

use gavel_exchange::api::{MarketFormat, MarketText};
use gavel_market::{
    file::{self, MarketError},
    ids::{Digest, PluginName},
};
use serde::Deserialize;
use toml_edit::{Item, TableLike};

use crate::out::Failure;

/// A market file, read together with its plugins.
#[derive(Debug)]
pub(crate) struct MarketFile {
    path: PathBuf,
    /// As it is in the file.
    written: String,
    /// With digests in the place of plugins' paths, and absolute paths of secrets' files.
    resolved: String,
    /// The plugins that it names by path and that could be read.
    pub(crate) plugins: Vec<PluginFile>,
    /// Plugins that could not be read.
    pub(crate) errors: Vec<MarketError>,
}

/// A plugin's bytes, from a file.
#[derive(Debug)]
pub(crate) struct PluginFile {
    /// Its name in the market.
    pub(crate) name: PluginName,
    /// Of its bytes.
    pub(crate) digest: Digest,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The limits that the market sets for its calls, as they are written there: `memory`,
    /// `time`, `log`. The gate calls it under them too.
    pub(crate) limits: Vec<(&'static str, String)>,
}

/// Where a plugin's path is written.
struct PathKey {
    name: String,
    path: String,
    /// The key `path` itself, and its value with the quotes; byte offsets in the text.
    key: Range<usize>,
    value: Range<usize>,
    limits: Vec<(&'static str, String)>,
}

/// A text to be put in the place of another; byte offsets.
struct Edit {
    place: Range<usize>,
    text: String,
}

impl MarketFile {
    /// Reads a file and the plugins that it names. What is wrong with the market itself is
    /// not looked at.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let written = fs::read_to_string(path).map_err(|error| {
            Failure(format!(
                "the market {} cannot be read: {error}",
                path.display()
            ))
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut file = Self {
            path: path.to_owned(),
            resolved: written.clone(),
            written,
            plugins: Vec::new(),
            errors: Vec::new(),
        };
        // A text that is not TOML names nothing; reading it as a market says so better.
        if let Ok(document) = toml_edit::Document::parse(file.written.clone()) {
            let mut edits = Vec::new();
            for path in plugin_paths(document.as_table()) {
                edits.extend(file.read_plugin(&folder, path));
            }
            edits.extend(secret_files(document.as_table(), &folder));
            // From the last to the first, so that the offsets before it stay true.
            edits.sort_by_key(|edit| std::cmp::Reverse(edit.place.start));
            for Edit { place, text } in edits {
                file.resolved.replace_range(place, &text);
            }
        }
        Ok(file)
    }

    /// Reads one plugin; what puts its digest in its path's place.
    fn read_plugin(&mut self, folder: &Path, path: PathKey) -> Vec<Edit> {
        // A bad name is the market's error, and said when the market is read.
        let Ok(name) = path.name.parse::<PluginName>() else {
            return Vec::new();
        };
        match fs::read(folder.join(&path.path)) {
            Ok(bytes) => {
                let digest = Digest::of(&bytes);
                self.plugins.push(PluginFile {
                    name,
                    digest,
                    bytes,
                    limits: path.limits,
                });
                let (key, value) = ("digest".to_owned(), format!("\"{digest}\""));
                [(path.key, key), (path.value, value)]
                    .map(|(place, text)| Edit { place, text })
                    .into()
            }
            Err(error) => {
                let message = format!(
                    "{} cannot be read: {error}",
                    folder.join(&path.path).display()
                );
                self.errors.push(MarketError::new(
                    format!("plugins.{name}.path"),
                    "not_found",
                    message,
                ));
                Vec::new()
            }
        }
    }

    /// What a host is sent.
    pub(crate) fn text(&self) -> MarketText {
        MarketText {
            format: MarketFormat::Toml,
            text: self.resolved.clone(),
            source: Some(self.digest()),
        }
    }

    /// Changes with the file and with every plugin's bytes.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.resolved.as_bytes())
    }

    /// The errors with the lines of this file.
    pub(crate) fn with_lines(&self, errors: Vec<MarketError>) -> Vec<MarketError> {
        file::with_lines(&self.written, errors)
    }

    /// One line for each error: `market.toml:7: accounts.a.price: …`.
    pub(crate) fn lines(&self, faults: impl IntoIterator<Item = impl Into<Fault>>) -> Vec<String> {
        faults
            .into_iter()
            .map(|fault| format!("{}:{}", self.path.display(), fault.into()))
            .collect()
    }

    /// Its name, for a person.
    pub(crate) fn shown(&self) -> impl fmt::Display + '_ {
        self.path.display()
    }
}

/// What stands under `[section.…]`, by name.
fn tables<'t>(
    market: &'t toml_edit::Table,
    section: &str,
) -> impl Iterator<Item = (&'t str, &'t dyn TableLike)> {
    let section = market.get(section).and_then(Item::as_table_like);
    let all = section.into_iter().flat_map(TableLike::iter);
    all.filter_map(|(name, item)| Some((name, item.as_table_like()?)))
}

/// Makes the path of every secret's `file` absolute.
fn secret_files(market: &toml_edit::Table, folder: &Path) -> Vec<Edit> {
    let mut edits = Vec::new();
    let secrets = tables(market, "accounts")
        .filter_map(|(_, account)| account.get("secrets")?.as_table_like());
    for source in secrets.flat_map(TableLike::iter) {
        absolute_files(source.1, folder, &mut edits);
    }
    edits
}

/// The same in one source, and in the sources of an `oauth2` secret's own parts.
fn absolute_files(source: &Item, folder: &Path, edits: &mut Vec<Edit>) {
    for (key, item) in source.as_table_like().into_iter().flat_map(TableLike::iter) {
        if let ("file", Some(file), Some(place)) = (key, item.as_str(), item.span()) {
            let absolute = path::absolute(folder.join(file)).ok();
            edits.extend(absolute.as_deref().and_then(Path::to_str).map(|path| Edit {
                place,
                text: toml_edit::Value::from(path).to_string(),
            }));
        }
        absolute_files(item, folder, edits);
    }
}

/// Every `path` under `[plugins.…]`.
fn plugin_paths(market: &toml_edit::Table) -> Vec<PathKey> {
    let found = tables(market, "plugins").filter_map(|(name, plugin)| {
        let (key, value) = plugin.get_key_value("path")?;
        Some(PathKey {
            name: name.to_owned(),
            path: value.as_str()?.to_owned(),
            key: key.span()?,
            value: value.span()?,
            limits: limits(plugin),
        })
    });
    found.collect()
}

/// A plugin's limits as they are written. One that is no text is the market's error, and said
/// when the market is read.
fn limits(plugin: &dyn TableLike) -> Vec<(&'static str, String)> {
    let limits = plugin.get("limits").and_then(Item::as_table_like);
    let written = |key: &'static str| Some((key, limits?.get(key)?.as_str()?.to_owned()));
    ["memory", "time", "log"]
        .into_iter()
        .filter_map(written)
        .collect()
}

/// What is wrong with a market file, from here or from a host.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    #[serde(default)]
    path: String,
    line: Option<u32>,
    message: String,
    suggestion: Option<String>,
}

impl From<MarketError> for Fault {
    fn from(error: MarketError) -> Self {
        Self {
            path: error.path,
            line: error.line,
            message: error.message,
            suggestion: error.suggestion,
        }
    }
}

/// `7: accounts.a.prise: there is no such key (did you mean price?)`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean {suggestion}?)"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKET: &str = "currency = \"USD\"\n\n[plugins.roof]\npath = \"roof.wasm\" # the filter\nlimits = { time = \"5ms\" }\n\n[plugins.http]\n  path='sub/http.wasm'\n\n[plugins.kept]\ndigest = \"00\"\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("market.toml"), MARKET).unwrap();
        fs::write(folder.path().join("roof.wasm"), b"roof").unwrap();
        fs::write(folder.path().join("sub/http.wasm"), b"http").unwrap();
        folder
    }

    #[test]
    fn paths_become_digests_on_the_same_lines() {
        let folder = folder();
        let file = MarketFile::read(&folder.path().join("market.toml")).unwrap();
        let (roof, http) = (Digest::of(b"roof"), Digest::of(b"http"));
        let expected = MARKET
            .replace("path = \"roof.wasm\"", &format!("digest = \"{roof}\""))
            .replace("path='sub/http.wasm'", &format!("digest=\"{http}\""));
        assert_eq!(file.text().text, expected);
        let plugins: Vec<_> = file
            .plugins
            .iter()
            .map(|plugin| (plugin.name.as_str(), plugin.digest))
            .collect();
        assert_eq!(plugins, [("roof", roof), ("http", http)]);
    }

    #[test]
    fn a_plugins_limits_go_with_its_bytes() {
        let folder = folder();
        let file = MarketFile::read(&folder.path().join("market.toml")).unwrap();
        assert_eq!(file.plugins[0].limits, [("time", "5ms".to_owned())]);
        assert!(file.plugins[1].limits.is_empty());
    }

    #[test]
    fn another_byte_in_a_plugin_is_another_market() {
        let folder = folder();
        let digest = || {
            MarketFile::read(&folder.path().join("market.toml"))
                .unwrap()
                .digest()
        };
        let before = digest();
        assert_eq!(digest(), before);
        fs::write(folder.path().join("roof.wasm"), b"roof2").unwrap();
        assert_ne!(digest(), before);
    }

    #[test]
    fn a_secrets_file_is_found_beside_the_market_from_every_folder() {
        let folder = tempfile::tempdir().unwrap();
        let market = |key: &str, id: &str| {
            format!(
                "[accounts.west]\nsecrets = {{ KEY = {{ file = {key} }}, VAR = {{ env = \"file\" }} }}\n\n[accounts.east.secrets.TOKEN.oauth2]\ntoken_url = \"https://a.example\"\nclient_id = {{ file = {id} }} # by hand\nclient_secret = {{ file = '/run/secret' }}\n"
            )
        };
        let path = folder.path().join("market.toml");
        fs::write(&path, market("'key.txt'", "\"sub/id\"")).unwrap();
        let beside = |name: &str| format!("\"{}\"", folder.path().join(name).display());
        let expected = market(&beside("key.txt"), &beside("sub/id"));
        let text = MarketFile::read(&path).unwrap().text().text;
        assert_eq!(text, expected.replace("'/run/secret'", "\"/run/secret\""));
    }

    #[test]
    fn a_plugin_that_is_not_there_is_named() {
        let folder = folder();
        fs::remove_file(folder.path().join("roof.wasm")).unwrap();
        let file = MarketFile::read(&folder.path().join("market.toml")).unwrap();
        assert_eq!(file.errors.len(), 1);
        assert_eq!(file.errors[0].path, "plugins.roof.path");
        assert!(file.errors[0].message.contains("roof.wasm"));
    }

    #[test]
    fn an_error_points_into_the_file() {
        let fault: Fault = serde_json::from_str(r#"{"path": "accounts.a.prise", "line": 7, "code": "unknown_key", "message": "no such key", "suggestion": "price"}"#).unwrap();
        assert_eq!(
            fault.to_string(),
            "7: accounts.a.prise: no such key (did you mean price?)"
        );
    }
}
