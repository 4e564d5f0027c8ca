//! Uploads: bytes that are nearly a plugin, and plugins whose code was thrown together.

use arbitrary::Unstructured;
use gavel_sandbox::{Kind, Plugin, Won};
use rand::{Rng as _, RngCore as _, rngs::SmallRng, seq::IndexedRandom as _};
use wasm_smith::{Component, Config, MemoryOffsetChoices, Module};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::{Target, guest::Guest, host::Host, mutate, rules};

pub(crate) struct Upload {
    /// Plugins to change bytes of.
    whole: Vec<Vec<u8>>,
    /// Those of `whole` that are components.
    components: Vec<Vec<u8>>,
}

impl Upload {
    pub(crate) fn new(corpus: &[Vec<u8>]) -> Self {
        let modules: Vec<_> = guests()
            .map(|guest| guest.module())
            .chain(corpus.iter().cloned())
            .collect();
        let encode = |module: &Vec<u8>| {
            ComponentEncoder::default()
                .module(module)
                .ok()?
                .encode()
                .ok()
        };
        let components: Vec<_> = modules.iter().filter_map(encode).collect();
        let whole = modules
            .into_iter()
            .chain(components.iter().cloned())
            .collect();
        Self { whole, components }
    }
}

fn guests() -> impl Iterator<Item = Guest> {
    let wasi = Guest::filter().built_for(
        "world filter-plugin {",
        "world filter-plugin { import wasi:random/random@0.2.12; import wasi:clocks/wall-clock@0.2.12;",
    );
    let wasi = Guest {
        items: r#"(import "wasi:random/random@0.2.12" "get-random-bytes" (func $random (param i64 i32)))
                  (import "wasi:clocks/wall-clock@0.2.12" "now" (func $now (param i32)))"#
            .into(),
        qualify: "(call $random (i64.const 16) (i32.const 2048)) (call $now (i32.const 2048)) (i32.const 1024)".into(),
        ..wasi
    };
    [Guest::filter(), Guest::adapter(), wasi].into_iter()
}

impl Target for Upload {
    fn name(&self) -> &'static str {
        "upload"
    }

    fn input(&self, random: &mut SmallRng) -> Vec<u8> {
        let made = match random.random_range(0..10) {
            0 => module(random, Config::default()).map(|module| module.to_bytes()),
            1 => component(random),
            2..=4 => self.with_a_stranger(random),
            5 | 6 => shaped(random),
            _ => None,
        };
        let made = made.unwrap_or_else(|| self.whole.choose(random).expect("some").clone());
        // Of what was generated, half stays as it is.
        if self.whole.contains(&made) || random.random_bool(0.3) {
            mutate::bytes(random, made, &self.whole)
        } else {
            made
        }
    }

    fn run(&self, host: &Host, input: &[u8]) -> String {
        match host.load(input) {
            Err(error) => rules::gate(&error),
            Ok(plugin) => {
                rules::about(plugin.about());
                if let Err(refused) =
                    host.wait(plugin.check_config(&Host::call("{}").account, "{}"))
                {
                    rules::refused(&refused);
                }
                ask(host, &plugin, "{}")
            }
        }
    }
}

/// Asks all that a plugin can be asked, and says what the last answer was.
fn ask(host: &Host, plugin: &Plugin, config: &str) -> String {
    let call = Host::call(config);
    if plugin.kind() == Kind::Filter {
        for _ in 0..2 {
            let _ = host.wait(plugin.qualify(&call, &host.pinged()));
        }
        return match host.wait(plugin.qualify_full(&call, &host.posted())) {
            Ok(called) => {
                rules::called(&called);
                rules::verdict(&called.value).into()
            }
            Err(fault) => rules::fault(&fault),
        };
    }
    if let Ok(called) = host.wait(plugin.ping(&call, &host.pinged(), &[])) {
        rules::called(&called);
        rules::ping(&called.value);
    }
    match host.wait(plugin.post(&call, &host.posted(), &Won::default(), &[])) {
        Ok(called) => {
            rules::called(&called);
            rules::post(&called.value).into()
        }
        Err(fault) => rules::fault(&fault),
    }
}

impl Upload {
    /// A plugin beside whose own module a stranger is started.
    fn with_a_stranger(&self, random: &mut SmallRng) -> Option<Vec<u8>> {
        let mut component = self.components.choose(random)?.clone();
        let config = Config {
            max_imports: 0,
            allow_start_export: true,
            max_memory32_bytes: 1 << 22,
            ..plain(random)
        };
        let stranger = module(random, config)?.to_bytes();
        let place = u32::try_from(
            sections(&component)?
                .filter(|id| *id == CORE_MODULE)
                .count(),
        )
        .ok()?;
        section(&mut component, CORE_MODULE, &stranger);
        // One instance, of that module, with no arguments.
        let mut instance = vec![1, 0];
        leb128(&mut instance, place);
        instance.push(0);
        section(&mut component, CORE_INSTANCE, &instance);
        Some(component)
    }
}

/// A module with a plugin's imports and exports and any code in between.
fn shaped(random: &mut SmallRng) -> Option<Vec<u8>> {
    let guest = guests().nth(random.random_range(0..3))?;
    let (resolve, world) = guest.resolved();
    let config = Config {
        module_shape: Some(guest.core()),
        memory_offset_choices: MemoryOffsetChoices(90, 9, 1),
        max_memory32_bytes: 1 << 20,
        max_instructions: 400,
        ..plain(random)
    };
    let mut shaped = module(random, config)?.to_bytes();
    embed_component_metadata(&mut shaped, &resolve, world, StringEncoding::UTF8).ok()?;
    Some(shaped)
}

/// What this sandbox compiles, mostly.
fn plain(random: &mut SmallRng) -> Config {
    Config {
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        // Of these, what is compiled in knows no `externref`.
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        tail_call_enabled: random.random_bool(0.5),
        max_table_elements: 1000,
        disallow_traps: random.random_bool(0.3),
        ..Config::default()
    }
}

fn module(random: &mut SmallRng, config: Config) -> Option<Module> {
    let mut bytes = vec![0; random.random_range(64..4096)];
    random.fill_bytes(&mut bytes);
    Module::new(config, &mut Unstructured::new(&bytes)).ok()
}

fn component(random: &mut SmallRng) -> Option<Vec<u8>> {
    let mut bytes = vec![0; random.random_range(64..4096)];
    random.fill_bytes(&mut bytes);
    let config = plain(random);
    Component::new(config, &mut Unstructured::new(&bytes))
        .ok()
        .map(|component| component.to_bytes())
}

/// Sections of a component, by their numbers.
const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;

fn sections(component: &[u8]) -> Option<impl Iterator<Item = u8>> {
    let (mut at, mut found) = (8, Vec::new());
    while let Some(id) = component.get(at) {
        found.push(*id);
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            at += 1;
            let byte = *component.get(at)?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += 1 + length;
    }
    Some(found.into_iter())
}

fn section(component: &mut Vec<u8>, id: u8, content: &[u8]) {
    component.push(id);
    leb128(
        component,
        u32::try_from(content.len()).expect("it is small"),
    );
    component.extend_from_slice(content);
}

fn leb128(into: &mut Vec<u8>, mut number: u32) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return into.push(byte);
        }
        into.push(byte | 0x80);
    }
}
