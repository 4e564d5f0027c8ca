//! The plugins that ship, run through the cases that ship with them, and the configurations
//! of their pages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::Value;

use super::running::{built, differences, plugin};

/// Every plugin that ships, and its folder.
fn shipped() -> Vec<(PathBuf, PathBuf)> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let folder = |file: &Path| {
        let name = file.file_stem().unwrap().to_str().unwrap();
        folders.join(name.replace('_', "-"))
    };
    built()
        .files()
        .map(|file| (file.to_owned(), folder(file)))
        .collect()
}

#[tokio::test]
async fn the_recorded_cases_of_the_plugins_that_ship_pass() {
    let mut failed = Vec::new();
    for (wasm, folder) in shipped() {
        let plugin = plugin(wasm);
        let mut files = 0;
        for entry in fs::read_dir(folder.join("cases")).unwrap() {
            let path = entry.unwrap().path();
            let found = differences(&plugin, &fs::read_to_string(&path).unwrap()).await;
            failed.extend(
                found
                    .iter()
                    .map(|found| format!("{}: {found}", path.display())),
            );
            files += 1;
        }
        assert!(files > 0, "{} has no cases", folder.display());
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Puts the tables of one into the other, key by key.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Table(into), Value::Table(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(there) => merge(there, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Every table under the key `config`.
fn configs(value: &Value) -> Vec<&Value> {
    let Value::Table(table) = value else {
        return Vec::new();
    };
    table
        .iter()
        .flat_map(|(key, value)| {
            if key == "config" {
                vec![value]
            } else {
                configs(value)
            }
        })
        .collect()
}

#[tokio::test]
async fn the_configurations_on_the_plugins_pages_open() {
    for (wasm, folder) in shipped() {
        let page = fs::read_to_string(folder.join("README.md")).unwrap();
        let mut market = Value::Table(toml::Table::new());
        for block in page.split("```toml\n").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            merge(&mut market, Value::Table(block.parse().unwrap()));
        }
        let configs = configs(&market);
        assert!(!configs.is_empty(), "{}", folder.display());
        let plugin = plugin(wasm);
        for config in configs {
            let config = serde_json::to_string(config).unwrap();
            let checked = plugin
                .check_config(&"sunco".parse().unwrap(), &config)
                .await;
            assert!(checked.is_ok(), "{config}: {checked:?}");
        }
    }
}
