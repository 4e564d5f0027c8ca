//! Plugins written by hand: core wasm as text, with the component type embedded.
//!
//! A [`Guest`] begins as one that behaves; a test changes the one function it is about.
//! In all bodies, `$ret` bytes are at 1024 and zero, texts lie from 4096 up, and
//! returning 1024 with nothing put there means ok and the interface's first case.

use std::fmt::Write as _;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// The interface as it stands.
pub(crate) const WIT: &str = include_str!("../../../../wit/buyer.wit");
/// WASI, for guests that import it.
const WASI_WIT: &str = include_str!("wasi.wit");

/// A schema that takes any object.
pub(crate) const ANY_OBJECT: &str = r#"{"type": "object"}"#;

/// An allocator that never frees.
const REALLOC: &str =
    "(local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (i32.const -1) (memory.grow
          (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536)))))
        (then (unreachable)))))
    (local.get $at)";

#[derive(Clone)]
pub(crate) struct Guest {
    /// `filter` or `adapter`.
    pub(crate) interface: &'static str,
    /// The interface that it was built for.
    pub(crate) wit: String,
    /// Items of the module besides those below.
    pub(crate) items: String,
    /// How large its memory is at the start.
    pub(crate) pages: u32,
    pub(crate) describe: String,
    /// Locals: 0 and 1, the configuration's place and length.
    pub(crate) open: String,
    /// Locals: 0 the account, 1 the lead; 2 to 5 free.
    pub(crate) qualify: String,
    /// Locals: 0 the account, 1 the lead, 2 and 3 the answers' place and number; 4 and 5 free.
    pub(crate) ping: String,
    /// Locals: 0 the account, 1 the lead, 2 to 7 what was won, 8 and 9 the answers; 10 free.
    pub(crate) post: String,
    /// Its allocator. Locals: 0 to 3, the old place and size, alignment and size; 4 free.
    pub(crate) realloc: String,
    pub(crate) data: String,
    pub(crate) next_text: usize,
}

impl Guest {
    /// A filter to which every lead is welcome.
    pub(crate) fn filter() -> Self {
        Self::new("filter")
    }

    /// An adapter that does whatever 0 means: an empty request, which is no good.
    pub(crate) fn adapter() -> Self {
        Self::new("adapter")
    }

    fn new(interface: &'static str) -> Self {
        let mut guest = Self {
            interface,
            wit: WIT.into(),
            items: String::new(),
            pages: 2,
            describe: String::new(),
            open: "(i32.store (i32.const 516) (call $new (i32.const 1))) (i32.const 512)".into(),
            qualify: "(i32.const 1024)".into(),
            ping: "(i32.const 1024)".into(),
            post: "(i32.const 1024)".into(),
            realloc: REALLOC.into(),
            data: String::new(),
            next_text: 4096,
        };
        guest.describe = guest.description("test plugin", ANY_OBJECT);
        guest
    }

    /// Built for another interface: `wit` with the first `from` replaced by `to`.
    pub(crate) fn built_for(mut self, from: &str, to: &str) -> Self {
        assert!(self.wit.contains(from), "the interface has {from:?}");
        self.wit = self.wit.replace(from, to);
        self
    }

    /// Two operands: place and length of `text` in the guest's memory.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let at = self.next_text;
        self.next_text += text.len();
        let escaped = text.bytes().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "\\{byte:02x}");
            escaped
        });
        let _ = writeln!(self.data, "(data (i32.const {at}) \"{escaped}\")");
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Puts `text` as a string into the returned bytes.
    pub(crate) fn put_text(&mut self, at: usize, text: &str) -> String {
        let text = self.text(text);
        format!("(call $put_text (i32.const {at}) {text})")
    }

    /// The body of a `describe`.
    pub(crate) fn description(&mut self, name: &str, schema: &str) -> String {
        let texts = [
            self.put_text(0, name),
            self.put_text(8, "1.0.0"),
            self.put_text(24, schema),
        ];
        format!("{} (i32.const 1024)", texts.concat())
    }

    /// The body of a function that returns an error.
    pub(crate) fn error(&mut self, words: &str) -> String {
        let words = self.put_text(4, words);
        format!("(call $put (i32.const 0) (i32.const 1)) {words} (i32.const 1024)")
    }

    /// The body of a `qualify` that refuses.
    pub(crate) fn refusal(&mut self, code: &str, detail: &str) -> String {
        let (code, detail) = (self.put_text(8, code), self.put_text(16, detail));
        format!("(call $put (i32.const 4) (i32.const 1)) {code} {detail} (i32.const 1024)")
    }

    /// The body of a `ping` that bids.
    pub(crate) fn bid(&mut self, amount: &str) -> String {
        let amount = self.put_text(12, amount);
        format!(
            "(call $put (i32.const 4) (i32.const 1)) (call $put (i32.const 8) (i32.const 1)) {amount} (i32.const 1024)"
        )
    }

    /// The body of a `ping` or a `post` that sends, with one header.
    pub(crate) fn send(&mut self, method: &str, url: &str, header: &str, body: &str) -> String {
        let header_at = self.next_text.next_multiple_of(4);
        self.next_text = header_at + 16;
        let [name, value] = [self.text(header), self.text("x")];
        let parts = [
            self.put_text(8, method),
            self.put_text(16, url),
            self.put_text(32, body),
        ]
        .concat();
        format!(
            "{parts} (call $put_text (i32.const {}) {name}) (call $put_text (i32.const {}) {value})
             (call $put_text (i32.const 24) (i32.const {header_at}) (i32.const 1)) (i32.const 1024)",
            header_at - 1024,
            header_at + 8 - 1024,
        )
    }

    /// Logs a line; the levels count from 0, debug, to 3, error.
    pub(crate) fn log(&mut self, level: u8, line: &str) -> String {
        let line = self.text(line);
        format!("(call $log (i32.const {level}) {line})")
    }

    /// The core module, component type included: what `cargo build` leaves.
    pub(crate) fn module(&self) -> Vec<u8> {
        let mut wasm = self.core();
        let (resolve, world) = self.resolved();
        embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8)
            .expect("metadata fits");
        wasm
    }

    /// The core module without a component type.
    pub(crate) fn core(&self) -> Vec<u8> {
        wat::parse_str(self.wat()).expect("the guest is valid text")
    }

    /// The world that it was built for.
    pub(crate) fn resolved(&self) -> (Resolve, WorldId) {
        let mut resolve = Resolve::default();
        if let Some((_, patch)) = self.wit.split_once("import wasi:") {
            let (_, patch) = patch.split_once("@0.2.").expect("a version");
            let patch = patch.split(';').next().unwrap_or_default();
            let wasi = WASI_WIT.replace("@0.2.12", &format!("@0.2.{patch}"));
            resolve
                .push_source("wasi.wit", &wasi)
                .expect("WASI is valid");
        }
        let package = resolve
            .push_source("buyer.wit", &self.wit)
            .expect("the interface is valid");
        let world = resolve
            .select_world(&[package], Some(&format!("{}-plugin", self.interface)))
            .expect("a world");
        (resolve, world)
    }

    fn wat(&self) -> String {
        let Self {
            interface,
            items,
            pages,
            describe,
            open,
            qualify,
            ping,
            post,
            realloc,
            data,
            wit,
            ..
        } = self;
        let version = if wit.contains("gavel:buyer@2.0.0") {
            "2.0.0"
        } else {
            "1.0.0"
        };
        let questions = match *interface {
            "filter" => format!(
                "(func (export \"gavel:buyer/filter@{version}#[method]account.qualify\")
                   (param i32 i32) (result i32) (local i32 i32 i32 i32) (call $drop (local.get 1) {qualify}))"
            ),
            _ => format!(
                "(func (export \"gavel:buyer/adapter@{version}#[method]account.ping\")
                   (param i32 i32 i32 i32) (result i32) (local i32 i32) (call $drop (local.get 1) {ping}))
                 (func (export \"gavel:buyer/adapter@{version}#[method]account.post\")
                   (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (local i32) (call $drop (local.get 1) {post}))"
            ),
        };
        let about = if wit.contains("export about;") {
            format!(
                "(func (export \"gavel:buyer/about@{version}#describe\") (result i32) {describe})"
            )
        } else {
            String::new()
        };
        format!(
            "(module
               (import \"gavel:buyer/logging@{version}\" \"log\" (func $log (param i32 i32 i32)))
               (import \"gavel:buyer/leads@{version}\" \"[resource-drop]lead\" (func $drop_lead (param i32)))
               (import \"gavel:buyer/leads@{version}\" \"[method]lead.field\" (func $field (param i32 i32 i32 i32)))
               (import \"gavel:buyer/leads@{version}\" \"[method]lead.fields\" (func $fields (param i32 i32)))
               (import \"gavel:buyer/leads@{version}\" \"[method]lead.stage\" (func $stage (param i32) (result i32)))
               (import \"[export]gavel:buyer/{interface}@{version}\" \"[resource-new]account\"
                 (func $new (param i32) (result i32)))
               {items}
               (memory (export \"memory\") {pages})
               (global $heap (mut i32) (i32.const 98304))
               {data}
               (func $put (param $at i32) (param $value i32)
                 (i32.store (i32.add (i32.const 1024) (local.get $at)) (local.get $value)))
               (func $put_text (param $at i32) (param $text i32) (param $length i32)
                 (call $put (local.get $at) (local.get $text))
                 (call $put (i32.add (local.get $at) (i32.const 4)) (local.get $length)))
               (func $drop (param $lead i32) (param $result i32) (result i32)
                 (call $drop_lead (local.get $lead)) (local.get $result))
               (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32) {realloc})
               {about}
               (func (export \"gavel:buyer/{interface}@{version}#[static]account.open\")
                 (param i32 i32) (result i32) {open})
               {questions})"
        )
    }
}
