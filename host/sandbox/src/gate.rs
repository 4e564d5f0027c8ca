//! From uploaded bytes to a component whose world is known: the gate's first steps.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use wasmtime::{
    Engine, Module,
    component::{Component, Linker, types::ComponentItem},
};
use wit_component::ComponentEncoder;

use crate::{
    bindings::{
        adapter::exports::gavel::buyer::adapter,
        filter::exports::gavel::buyer::{about, filter},
    },
    error::GateError,
    instance::{Checked, World},
    limits::{MEMORIES_MAX, TABLES_MAX},
    state::State,
    wasi,
    words::clean,
};

/// How every wasm file begins.
const WASM_MAGIC: &[u8] = b"\0asm";
/// What follows in a core module, and in a component.
const CORE_VERSION: [u8; 4] = [1, 0, 0, 0];
const COMPONENT_VERSION: [u8; 4] = [0x0d, 0, 1, 0];

/// The version of the interface that this host speaks.
pub(crate) const VERSION: &str = "1.0.0";
/// What a plugin may import.
const OFFERED: [&str; 2] = ["gavel:buyer/leads", "gavel:buyer/logging"];

/// Longest message of a compiler that is passed on, in bytes.
const COMPILER_WORDS_MAX_BYTES: usize = 2 << 10;

/// What an upload is: wasm that has yet to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A core module, to be wrapped.
    Core,
    Component,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core => "a core module, which is wrapped into a component",
            Self::Component => "a component",
        })
    }
}

/// Which form `bytes` have. Compiled code is none: whoever uploads that could run anything.
pub(crate) fn form(bytes: &[u8]) -> Result<Form, GateError> {
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(GateError::Precompiled);
    }
    recognise(bytes)
}

/// Bytes as compiled code; a core module is wrapped first.
pub(crate) fn compile(engine: &Engine, form: Form, bytes: &[u8]) -> Result<Component, GateError> {
    // A plugin that finds a bug in a compiler must not take the caller's thread along.
    let compiled = catch_unwind(AssertUnwindSafe(|| {
        let wrapped;
        let component = if form == Form::Core {
            // The wrapper takes for granted what the engine checks.
            Module::validate(engine, bytes).map_err(|error| format!("{error:#}"))?;
            wrapped = wrap(bytes)?;
            &wrapped
        } else {
            bytes
        };
        Component::from_binary(engine, component).map_err(|error| format!("{error:#}"))
    }));
    let compiled = compiled.unwrap_or_else(|_| Err("the compiler failed on it".into()));
    compiled.map_err(|error| {
        GateError::NotCompilable(format!(
            "does not compile: {}",
            clean(&error, COMPILER_WORDS_MAX_BYTES)
        ))
    })
}

/// Bytes of compiled code.
pub(crate) fn code_bytes(component: &Component) -> u64 {
    let code = component.image_range();
    code.end.addr().saturating_sub(code.start.addr()) as u64
}

/// Whether `bytes` begin as a core module or as a component. What begins as neither gets
/// words for it, which a compiler's would not be.
fn recognise(bytes: &[u8]) -> Result<Form, GateError> {
    let no = |why: &str| Err(GateError::NotCompilable(why.into()));
    match bytes.split_at_checked(8) {
        None if bytes.is_empty() => no("is an empty file"),
        None => no("is too short to be wasm"),
        Some((head, _)) => match head.split_at_checked(4) {
            Some((WASM_MAGIC, version)) if version == CORE_VERSION => Ok(Form::Core),
            Some((WASM_MAGIC, version)) if version == COMPONENT_VERSION => Ok(Form::Component),
            Some((WASM_MAGIC, _)) => no("is of a version of wasm that this host does not know"),
            _ if bytes.trim_ascii_start().starts_with(b"(") => {
                no("is wasm as text; upload the binary form")
            }
            _ => no("is not a wasm file"),
        },
    }
}

/// A component around a core module that carries its component type, as `cargo build`
/// leaves it.
fn wrap(module: &[u8]) -> Result<Vec<u8>, String> {
    let encode = || {
        ComponentEncoder::default()
            .module(module)?
            .validate(true)
            .encode()
    };
    encode().map_err(|error| format!("the core module is no plugin: {error:#}"))
}

/// The component's world, if it is one of ours: every import offered, the exports there.
pub(crate) fn check_world(
    linker: &Linker<State>,
    component: &Component,
    names: &Names,
) -> Result<Checked, GateError> {
    names.check_imports()?;
    let is_filter = names.check_exports()?;
    let wrong = |error: wasmtime::Error| {
        GateError::WrongWorld(clean(&format!("{error:#}"), COMPILER_WORDS_MAX_BYTES))
    };
    let component = linker.instantiate_pre(component).map_err(wrong)?;
    let about = about::GuestIndices::new(&component).map_err(wrong)?;
    let world = if is_filter {
        World::Filter(filter::GuestIndices::new(&component).map_err(wrong)?)
    } else {
        World::Adapter(adapter::GuestIndices::new(&component).map_err(wrong)?)
    };
    Ok(Checked {
        component,
        about,
        world,
    })
}

/// Whether a component needs no more memories and tables than a call may have.
pub(crate) fn check_size(component: &Component) -> Result<(), GateError> {
    let Some(needed) = component.resources_required() else {
        return Err(GateError::NotInstantiable(
            "imports a core module; a plugin brings all its code along".into(),
        ));
    };
    let bounds = [
        ("memories", needed.num_memories, MEMORIES_MAX),
        ("tables", needed.num_tables, TABLES_MAX),
    ];
    for (what, needed, max) in bounds {
        if needed as usize > max {
            return Err(GateError::NotInstantiable(format!(
                "has {needed} {what}; a plugin has at most {max}"
            )));
        }
    }
    Ok(())
}

/// The names that a component imports and exports.
pub(crate) struct Names {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

impl Names {
    pub(crate) fn of(engine: &Engine, component: &Component) -> Self {
        let world = component.component_type();
        // A component may import types for its own use; those are not things to be offered.
        let is_thing = |item: &ComponentItem| !matches!(item, ComponentItem::Type(_));
        let imports = world
            .imports(engine)
            .filter(|(_, item)| is_thing(&item.ty))
            .map(|(name, _)| shown(name))
            .collect();
        let exports = world.exports(engine).map(|(name, _)| shown(name)).collect();
        Self { imports, exports }
    }

    fn check_imports(&self) -> Result<(), GateError> {
        let is_offered = |import: &&String| {
            let (interface, version) = split(import);
            (OFFERED.contains(&interface) && version.is_some_and(is_spoken))
                || (wasi::INTERFACES.contains(&interface) && version.is_some_and(is_wasi_0_2))
        };
        let missing: Vec<_> = self
            .imports
            .iter()
            .filter(|import| !is_offered(import))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list = missing.join(", ");
        let why = if missing
            .iter()
            .any(|import| is_ours_of_another_version(import))
        {
            format!(
                "was built for another version of gavel:buyer; this host speaks {VERSION}: it imports {list}"
            )
        } else if missing.iter().any(|import| import.starts_with("wasi:")) {
            format!(
                "imports {list}, which is not offered; of WASI a plugin may import cli, clocks, filesystem, io, random and \
                 sockets of version 0.2, with nothing behind them"
            )
        } else {
            format!(
                "imports {list}, which is not offered; a plugin may import {}",
                OFFERED.join(" and ")
            )
        };
        Err(GateError::WrongWorld(why))
    }

    /// Which version of our interface it offers, in words, where that is not one spoken here.
    fn version_found(&self) -> Option<String> {
        let mut exports = self.exports.iter();
        let found = exports.find(|export| is_ours_of_another_version(export))?;
        Some(split(found).1.map_or_else(
            || "no version at all".into(),
            |version| format!("version {version}"),
        ))
    }

    /// Whether it is a filter; else it is an adapter.
    fn check_exports(&self) -> Result<bool, GateError> {
        let has = |interface: &str| {
            self.exports.iter().any(|export| matches!(split(export), (name, Some(version)) if name == interface && is_spoken(version)))
        };
        let wrong = |why: &str| {
            let found = if self.exports.is_empty() {
                "nothing".into()
            } else {
                self.exports.join(", ")
            };
            Err(GateError::WrongWorld(format!("{why}; it exports {found}")))
        };
        match (
            has("gavel:buyer/about"),
            has("gavel:buyer/filter"),
            has("gavel:buyer/adapter"),
        ) {
            (true, true, false) => Ok(true),
            (true, false, true) => Ok(false),
            _ if self.version_found().is_some() => wrong(&format!(
                "was built for {} of gavel:buyer; this host speaks {VERSION}",
                self.version_found().unwrap_or_default()
            )),
            (true, true, true) => {
                wrong("is a filter and an adapter in one; make two plugins of it")
            }
            (true, false, false) => wrong(&format!(
                "lacks an export: gavel:buyer/filter@{VERSION} or gavel:buyer/adapter@{VERSION}"
            )),
            (false, true, _) | (false, _, true) => {
                wrong(&format!("lacks an export: gavel:buyer/about@{VERSION}"))
            }
            (false, false, false) => wrong(&format!(
                "is no plugin: it needs to export gavel:buyer/about@{VERSION} and gavel:buyer/filter@{VERSION} or \
                 gavel:buyer/adapter@{VERSION}"
            )),
        }
    }
}

/// A name as far as it is worth showing.
fn shown(name: &str) -> String {
    clean(name, 128)
}

fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('@')
        .map_or((name, None), |(interface, version)| {
            (interface, Some(version))
        })
}

/// Versions match along 1.x; a pre-release matches nothing.
fn is_spoken(version: &str) -> bool {
    version.starts_with("1.") && !version.contains('-')
}

/// Versions of WASI match along 0.2.x.
fn is_wasi_0_2(version: &str) -> bool {
    version.starts_with("0.2.") && !version.contains('-')
}

fn is_ours_of_another_version(name: &str) -> bool {
    let (interface, version) = split(name);
    interface.starts_with("gavel:buyer/") && !version.is_some_and(is_spoken)
}
