//! The examples in other languages, built the way that their READMEs tell an author to.
//!
//! A project is copied below the target folder first, beside a copy of the interface, so that
//! what is installed and built never stands among the sources. What was installed and what was
//! built is remembered by what it was made from; with nothing changed, nothing runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    cargo::clean,
    error::BuildError,
    folders::{Folders, Turn},
    toolchain::shown,
};

/// Lines of a program's words that an error repeats.
const LINES_SHOWN: usize = 40;

/// An example's sources, how to build it, and what that leaves.
pub(crate) struct Project {
    /// The language, as a person writes it.
    pub(crate) language: &'static str,
    /// Its folder in the workspace.
    pub(crate) folder: &'static str,
    /// Every file that it is built from, the first of which says what is installed.
    pub(crate) files: &'static [&'static str],
    /// Commands that install what builds it, and what to say of them.
    install: &'static [&'static [&'static str]],
    installing: &'static str,
    /// The command that builds it, and what to say of it.
    build: &'static [&'static str],
    building: &'static str,
    /// The file that it leaves.
    result: &'static str,
    /// What a machine has to have.
    needs: &'static str,
}

/// `examples/javascript-filter`
pub(crate) const JAVASCRIPT: Project = Project {
    language: "JavaScript",
    folder: "examples/javascript-filter",
    files: &[
        "package-lock.json",
        "package.json",
        "src/gavel.js",
        "src/plugin.js",
    ],
    install: &[&["npm", "install", "--no-audit", "--no-fund"]],
    installing: "installing what builds plugins from JavaScript with npm: some 400 MB, once",
    build: &["npm", "run", "build"],
    building: "building the example in JavaScript: up to half a minute",
    result: "desert-sun.wasm",
    needs: "Node 20 or newer with npm (https://nodejs.org)",
};

/// `examples/python-filter`
pub(crate) const PYTHON: Project = Project {
    language: "Python",
    folder: "examples/python-filter",
    files: &[
        "requirements.txt",
        "build.sh",
        "src/filter.py",
        "src/gavel.py",
    ],
    install: &[
        &["python3", "-m", "venv", ".venv"],
        &[
            ".venv/bin/pip",
            "install",
            "--disable-pip-version-check",
            "-r",
            "requirements.txt",
        ],
    ],
    installing: "installing what builds plugins from Python with pip: some 70 MB, once",
    build: &["sh", "build.sh"],
    building: "building the example in Python: up to half a minute",
    result: "lakeside-scorecard.wasm",
    needs: "Python 3.10 or newer with venv (https://www.python.org; on Debian the package python3-venv)",
};

/// Copies, installs and builds what is not there yet; the component's path.
pub(crate) fn make(
    folders: &Folders,
    project: &Project,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    // Those who build in other languages need not wait.
    let _turn = folders.take_turn(Turn::Of(project.language), progress)?;
    // As deep as in the workspace, so that it finds the interface where it looks for it.
    let root = folders.target.join(project.language.to_lowercase());
    let copy = root.join(project.folder);
    let result = copy.join(project.result);

    let made_from = copied(folders, project, &root)?;
    let installed_from = made_from.first().map(Vec::as_slice).unwrap_or_default();
    let installed = copy.join("installed-from");
    if fs::read(&installed).ok().as_deref() != Some(installed_from) {
        progress(project.installing);
        for command in project.install {
            run(project, command, &copy)?;
        }
        write(&installed, installed_from)?;
    }

    let made_from = made_from.concat();
    let built = copy.join("built-from");
    if !result.is_file() || fs::read(&built).ok().as_deref() != Some(&made_from) {
        progress(project.building);
        run(project, project.build, &copy)?;
        write(&built, &made_from)?;
    }
    if result.is_file() {
        Ok(result)
    } else {
        Err(BuildError::NothingMade { missing: result })
    }
}

/// Copies the project's files and the interface; what they hold.
fn copied(folders: &Folders, project: &Project, root: &Path) -> Result<Vec<Vec<u8>>, BuildError> {
    let of_project = project
        .files
        .iter()
        .map(|file| Path::new(project.folder).join(file));
    let files = of_project.chain([PathBuf::from("wit/buyer.wit")]);
    let copy = |file: PathBuf| {
        let contents =
            fs::read(folders.workspace.join(&file)).map_err(|_| BuildError::NoSources {
                workspace: folders.workspace.clone(),
            })?;
        write(&root.join(file), &contents)?;
        Ok(contents)
    };
    files.map(copy).collect()
}

fn write(path: &Path, contents: &[u8]) -> Result<(), BuildError> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, contents));
    written.map_err(|source| BuildError::Folder {
        path: path.to_owned(),
        source,
    })
}

fn run(project: &Project, command: &[&str], folder: &Path) -> Result<(), BuildError> {
    let Some((program, args)) = command.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    clean(&mut command);
    let output = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => BuildError::NoLanguage {
            language: project.language,
            program: (*program).to_owned(),
            needs: project.needs,
        },
        _ => BuildError::NotStarted {
            program: (*program).to_owned(),
            source,
        },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines.len().saturating_sub(LINES_SHOWN);
    Err(BuildError::Failed {
        command: shown(&command),
        said: lines.get(last..).unwrap_or_default().join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{JAVASCRIPT, PYTHON, Project, make};
    use crate::{error::BuildError, folders::Folders};

    const COUNTING: Project = Project {
        language: "Counting",
        folder: "examples/counting",
        files: &["lock", "source"],
        install: &[&["sh", "-c", "echo once >> installs"]],
        installing: "installing",
        build: &["sh", "-c", "echo once >> builds; cp source made.wasm"],
        building: "building",
        result: "made.wasm",
        needs: "a shell",
    };

    fn workspace() -> (tempfile::TempDir, Folders) {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders {
            workspace: folder.path().join("workspace"),
            target: folder.path().join("target"),
        };
        for (file, contents) in [
            ("wit/buyer.wit", "wit"),
            ("examples/counting/lock", "1"),
            ("examples/counting/source", "a"),
        ] {
            super::write(&folders.workspace.join(file), contents.as_bytes()).unwrap();
        }
        (folder, folders)
    }

    #[test]
    fn only_what_has_changed_is_made_again() {
        let (_folder, folders) = workspace();
        let mut said = Vec::new();
        let mut counts = |folders: &Folders| {
            said.clear();
            let made = make(folders, &COUNTING, &mut |line| said.push(line.to_owned())).unwrap();
            let count = |file: &str| {
                fs::read_to_string(made.with_file_name(file))
                    .unwrap()
                    .lines()
                    .count()
            };
            (count("installs"), count("builds"), said.len())
        };
        assert_eq!(counts(&folders), (1, 1, 2));
        assert_eq!(counts(&folders), (1, 1, 0));
        let source = folders.workspace.join("examples/counting/source");
        fs::write(source, "b").unwrap();
        assert_eq!(counts(&folders), (1, 2, 1));
        fs::write(folders.workspace.join("examples/counting/lock"), "2").unwrap();
        assert_eq!(counts(&folders), (2, 3, 2));
    }

    #[test]
    fn a_language_that_is_not_there_is_named_with_where_to_have_it() {
        let (_folder, folders) = workspace();
        let missing = Project {
            install: &[&["there-is-no-such-program"]],
            needs: JAVASCRIPT.needs,
            ..COUNTING
        };
        let error = make(&folders, &missing, &mut |_| ()).unwrap_err();
        assert!(matches!(error, BuildError::NoLanguage { .. }));
        assert!(error.to_string().contains("nodejs.org"), "{error}");
    }

    #[test]
    fn every_file_of_an_example_is_looked_at() {
        let folders = Folders::of_this_workspace().unwrap();
        for project in [JAVASCRIPT, PYTHON] {
            let folder = folders.workspace.join(project.folder);
            let sources = fs::read_dir(folder.join("src")).unwrap();
            for source in sources.map(|entry| entry.unwrap().file_name()) {
                let name = format!("src/{}", source.to_str().unwrap());
                assert!(project.files.contains(&name.as_str()), "{name}");
            }
            for file in project.files {
                assert!(folder.join(file).is_file(), "{file}");
            }
        }
    }

    /// What stands between a plugin and the host is written once, for projects and examples.
    #[test]
    fn the_examples_have_the_projects_own_files() {
        let workspace = Folders::of_this_workspace().unwrap().workspace;
        for (example, project) in [
            (
                "javascript-filter/src/gavel.js",
                "javascript-shared/src/gavel.js",
            ),
            ("python-filter/src/gavel.py", "python-shared/src/gavel.py"),
            (
                "python-filter/requirements.txt",
                "python-shared/requirements.txt",
            ),
        ] {
            let read = |folder: &str, file: &str| {
                fs::read_to_string(workspace.join(folder).join(file)).unwrap()
            };
            let (example, project) = (
                read("examples", example),
                read("plugins/templates", project),
            );
            assert!(example == project, "copy {project} over {example}");
        }
    }
}
