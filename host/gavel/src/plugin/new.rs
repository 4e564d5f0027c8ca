//! `gavel plugin new`: a project that builds, with cases that pass.
//!
//! Everything that it is made of is part of this program, so it works wherever the program is,
//! without a checkout. A project is put together from layers, of which a later one wins: what a
//! language has in common, what a kind of plugin has in common, and what is of both. The names
//! `{{name}}`, `{{crate}}` and `{{kind}}` are filled in on the way.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use include_dir::{Dir, DirEntry, include_dir};

use super::cli::{Kind, Language, NewArgs};
use crate::out::{self, Failure};

/// The layers, each a folder named `LANGUAGE-shared`, `KIND-shared` or `LANGUAGE-KIND`.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/templates");

/// The SDK is on no registry, so a project in Rust carries its sources.
static SDK_SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk/src");
const SDK_BUILD: &str = include_str!("../../../../plugins/sdk/build.rs");

/// Where a project in Rust has them; the manifest there is one of the layers'. From there
/// the interface is where the SDK looks for it in the repository, too: two folders up.
const SDK_FOLDER: &str = "vendor/gavel-sdk";

/// The interface.
const WIT: &str = include_str!("../../../../wit/buyer.wit");

impl Language {
    fn layer(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "javascript",
            Self::Python => "python",
        }
    }
}

impl Kind {
    fn layer(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Adapter => "adapter",
        }
    }
}

/// Makes a project and says what to do with it.
pub(super) fn run(args: &NewArgs) -> Result<(), Failure> {
    let project = Project {
        name: &args.name.0,
        kind: args.kind,
        language: args.lang,
    };
    let folder = args
        .dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(&args.name.0));
    project.write(&folder)?;
    out::line(&format!(
        "{} is made, of kind {}: start in {}",
        folder.display(),
        project.kind.layer(),
        folder.join(project.source()).display()
    ));
    out::line("next, to build it and to run its cases:");
    out::line("");
    for command in project.commands(&folder) {
        out::line(&format!("  {command}"));
    }
    out::line("");
    out::line("README.md there says the rest.");
    Ok(())
}

struct Project<'a> {
    name: &'a str,
    kind: Kind,
    language: Language,
}

impl Project<'_> {
    /// Makes the folder, which may not be there yet, with everything in it.
    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure(if error.kind() == io::ErrorKind::AlreadyExists {
                format!(
                    "{} is there already, and nothing in it was touched: choose another name, or another folder with --dir",
                    folder.display()
                )
            } else {
                format!("{} cannot be made: {error}", folder.display())
            })
        };
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::create_dir(folder).map_err(failed)?;
        self.fill(folder)
            .map_err(|error| Failure(format!("{} could not be filled: {error}", folder.display())))
    }

    fn fill(&self, folder: &Path) -> io::Result<()> {
        let (language, kind) = (self.language.layer(), self.kind.layer());
        let layers = [
            format!("{language}-shared"),
            format!("{kind}-shared"),
            format!("{language}-{kind}"),
        ];
        for layer in layers {
            let layer = TEMPLATES
                .get_dir(&layer)
                .ok_or_else(|| io::Error::other(format!("there is no layer {layer}")))?;
            self.copy(layer, layer.path(), folder)?;
        }
        put(&folder.join("wit/buyer.wit"), WIT.as_bytes())?;
        if matches!(self.language, Language::Rust) {
            let sdk = folder.join(SDK_FOLDER);
            put(&sdk.join("build.rs"), SDK_BUILD.as_bytes())?;
            self.copy(&SDK_SOURCES, SDK_SOURCES.path(), &sdk.join("src"))?;
        }
        Ok(())
    }

    fn copy(&self, from: &Dir<'_>, root: &Path, to: &Path) -> io::Result<()> {
        for entry in from.entries() {
            match entry {
                DirEntry::Dir(dir) => self.copy(dir, root, to)?,
                DirEntry::File(file) => {
                    let place = file.path().strip_prefix(root).unwrap_or(file.path());
                    let filled = file.contents_utf8().map(|text| self.filled(text));
                    let contents = filled
                        .as_deref()
                        .map_or(file.contents(), |filled| filled.as_bytes());
                    put(&to.join(place), contents)?;
                }
            }
        }
        Ok(())
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{{name}}", self.name)
            .replace("{{crate}}", &self.crate_name())
            .replace("{{kind}}", self.kind.layer())
    }

    /// As Rust calls what it builds.
    fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Where an author starts to read.
    fn source(&self) -> String {
        match self.language {
            Language::Rust => "src/lib.rs".into(),
            Language::Js => "src/plugin.js".into(),
            Language::Python => format!("src/{}.py", self.kind.layer()),
        }
    }

    /// What to type next, as the project's README has it.
    fn commands(&self, folder: &Path) -> Vec<String> {
        let mut commands = vec![format!("cd {}", folder.display())];
        let build: &[&str] = match self.language {
            Language::Rust => &[
                "rustup target add wasm32-unknown-unknown",
                "cargo build --release --target wasm32-unknown-unknown",
            ],
            Language::Js => &["npm install", "npm run build"],
            Language::Python => &[
                "python3 -m venv .venv",
                ".venv/bin/pip install -r requirements.txt",
                "sh build.sh",
            ],
        };
        commands.extend(build.iter().copied().map(str::to_owned));
        let cases = format!("cases/{}.toml", self.kind.layer());
        commands.push(match self.language {
            Language::Rust => format!(
                "gavel plugin test target/wasm32-unknown-unknown/release/{}.wasm {cases}",
                self.crate_name()
            ),
            Language::Js | Language::Python => format!(
                "gavel plugin test {}.wasm {cases} --memory 64MiB --time 100ms",
                self.name
            ),
        });
        commands
    }
}

/// Writes a file, and makes the folders that it is in.
fn put(path: &Path, contents: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Language, Kind); 6] = [
        (Language::Rust, Kind::Filter),
        (Language::Rust, Kind::Adapter),
        (Language::Js, Kind::Filter),
        (Language::Js, Kind::Adapter),
        (Language::Python, Kind::Filter),
        (Language::Python, Kind::Adapter),
    ];

    fn project(language: Language, kind: Kind) -> Project<'static> {
        Project {
            name: "roof-check",
            kind,
            language,
        }
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .flat_map(|entry| {
                if entry.file_type().unwrap().is_dir() {
                    files(&entry.path())
                } else {
                    vec![entry.path()]
                }
            })
            .collect()
    }

    #[test]
    fn a_project_is_whole_and_has_its_name_everywhere() {
        for (language, kind) in ALL {
            let parent = tempfile::tempdir().unwrap();
            let folder = parent.path().join("made/here");
            let project = project(language, kind);
            project.write(&folder).unwrap();
            for needed in ["README.md", ".gitignore", "wit/buyer.wit"] {
                assert!(folder.join(needed).is_file(), "{needed}");
            }
            assert!(folder.join(project.source()).is_file());
            assert!(
                folder
                    .join(format!("cases/{}.toml", kind.layer()))
                    .is_file()
            );
            for file in files(&folder) {
                let text = fs::read_to_string(&file).unwrap();
                for left in ["{{name}}", "{{crate}}", "{{kind}}"] {
                    assert!(!text.contains(left), "{left} in {}", file.display());
                }
            }
            let readme = fs::read_to_string(folder.join("README.md")).unwrap();
            for command in project.commands(&folder).iter().skip(1) {
                assert!(readme.contains(command), "{command} is not in {readme}");
            }
        }
    }

    #[test]
    fn a_folder_that_is_there_is_not_touched() {
        let parent = tempfile::tempdir().unwrap();
        let error = project(Language::Js, Kind::Filter)
            .write(parent.path())
            .unwrap_err();
        assert!(error.0.contains("--dir"), "{error}");
        assert!(files(parent.path()).is_empty());
    }

    /// The manifest that a project has for the SDK cannot name the workspace's versions, so it
    /// is held against them here.
    #[test]
    fn a_rust_project_has_the_sdks_own_dependencies() {
        let manifest = |text: &str| text.parse::<toml_edit::DocumentMut>().unwrap();
        let of_project = TEMPLATES
            .get_file("rust-shared/vendor/gavel-sdk/Cargo.toml")
            .and_then(include_dir::File::contents_utf8)
            .map(manifest)
            .unwrap();
        let of_workspace = manifest(include_str!("../../../../Cargo.toml"));
        let of_sdk = manifest(include_str!("../../../../plugins/sdk/Cargo.toml"));
        let wasm = "cfg(target_family = \"wasm\")";
        let tables = |manifest: &toml_edit::DocumentMut| {
            [
                manifest["dependencies"].clone(),
                manifest["build-dependencies"].clone(),
                manifest["target"][wasm]["dependencies"].clone(),
            ]
        };
        for (project, sdk) in tables(&of_project).iter().zip(&tables(&of_sdk)) {
            let (project, sdk) = (
                project.as_table_like().unwrap(),
                sdk.as_table_like().unwrap(),
            );
            assert_eq!(project.len(), sdk.len());
            for (name, of_project) in project.iter() {
                let of_workspace = &of_workspace["workspace"]["dependencies"][name];
                assert!(sdk.contains_key(name), "{name}");
                for key in ["version", "default-features"] {
                    let value = |item: &toml_edit::Item| {
                        item.get(key)
                            .map(|value| value.to_string().trim().to_owned())
                    };
                    assert_eq!(value(of_project), value(of_workspace), "{name}: {key}");
                }
            }
        }
    }
}
