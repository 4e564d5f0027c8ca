//! Compiled code that this host keeps for itself, and loads only if it is its own work.
//!
//! Compiled code is machine code: whoever gets a file of it loaded runs in the host, with
//! everything the host may do. So it is kept under a seal – HMAC-SHA256 with a key that
//! only this host has – over the code and over all that it depends on:
//!
//! ```text
//! seal (32 bytes) · format tag · length of the stamp (1 byte) · stamp · plugin's digest (32 bytes) · code
//! ```
//!
//! The stamp names the engine that the code fits: wasmtime's whole version and a hash of
//! every setting and processor feature that compiling depends on. wasmtime itself compares
//! less: of its version only the first number.
//!
//! What does not hold in any point is not loaded, and the caller compiles again; nothing
//! else is ever lost with it.

use std::hash::{Hash, Hasher};

use gavel_market::ids::{Digest, PluginName};
use gavel_market::model::CallLimits;
use ring::{digest, hmac};
use wasmtime::{Engine, component::Component};

use crate::{
    error::{GateError, SandboxError},
    plugin::Plugin,
    report::GateReport,
    sandbox::Sandbox,
};

/// Tells this form from later ones, and this use of the key from any other.
const FORMAT: &[u8] = b"gavel sealed code 1\n";

/// Bytes of a seal.
const SEAL_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// Hexadecimal digits of the engine's hash that stand in a stamp. It tells engines apart
/// and protects nothing: that is the seal's part.
const STAMP_HASH_DIGITS: usize = 24;

/// Why sealed code is not loaded. Compile the plugin again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// The host has no key to seal with.
    #[error("this host seals no code")]
    NoKey,
    /// Cut short, changed, or sealed by somebody else.
    #[error("the seal does not hold")]
    Broken,
    /// Sealed by this host, when it ran another wasmtime or on another processor.
    #[error("it is of another version of this host")]
    OtherEngine,
    /// Sealed by this host for another plugin.
    #[error("it is of another plugin")]
    OtherPlugin,
    /// wasmtime does not take it.
    #[error("it does not load: {0}")]
    Unreadable(String),
    /// It no longer passes what the gate asks of what is compiled.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// What this host seals with, and for which engine.
pub(crate) struct Sealer {
    key: Option<hmac::Key>,
    stamp: String,
}

impl Sealer {
    pub(crate) fn new(engine: &Engine, key: Option<&[u8; 32]>) -> Self {
        Self {
            key: key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)),
            stamp: stamp(engine),
        }
    }

    /// Names the engine.
    pub(crate) fn stamp(&self) -> &str {
        &self.stamp
    }

    /// What a seal covers besides the code: for which engine, and for which plugin.
    fn head(&self, plugin: Digest) -> (Vec<u8>, [u8; 32]) {
        let length = u8::try_from(self.stamp.len()).unwrap_or(u8::MAX);
        let engine = [FORMAT, &[length], self.stamp.as_bytes()].concat();
        (engine, plugin.0)
    }

    /// `code` under the seal; `None` without a key.
    fn seal(&self, plugin: Digest, code: &[u8]) -> Option<Vec<u8>> {
        let key = self.key.as_ref()?;
        let (engine, plugin) = self.head(plugin);
        let mut seal = hmac::Context::with_key(key);
        for part in [&engine, &plugin[..], code] {
            seal.update(part);
        }
        Some([seal.sign().as_ref(), &engine, &plugin, code].concat())
    }

    /// The code, if the seal holds and it is for this engine and this plugin.
    fn open<'a>(&self, plugin: Digest, sealed: &'a [u8]) -> Result<Own<'a>, NotSealed> {
        let key = self.key.as_ref().ok_or(NotSealed::NoKey)?;
        let (seal, body) = sealed
            .split_at_checked(SEAL_BYTES)
            .ok_or(NotSealed::Broken)?;
        // In constant time: how far a guess was right is not to be learnt.
        hmac::verify(key, body, seal).map_err(|_| NotSealed::Broken)?;
        let (engine, plugin) = self.head(plugin);
        let body = body
            .strip_prefix(&engine[..])
            .ok_or(NotSealed::OtherEngine)?;
        let code = body
            .strip_prefix(&plugin[..])
            .ok_or(NotSealed::OtherPlugin)?;
        Ok(Own(code))
    }
}

/// Compiled code that this host wrote itself: made by [`Sealer::open`] alone.
struct Own<'a>(&'a [u8]);

impl Own<'_> {
    /// The code as a component.
    #[allow(unsafe_code)] // the one place in the crate; argued below
    fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: wasmtime asks that the bytes be what it wrote itself, by `serialize` or
        // `precompile_component`, for they become machine code that is run; it checks them
        // for mistakes, not for malice. They are, because:
        //
        // * An `Own` is made in one place, after the seal over its bytes was verified. Only
        //   who has the key can make a seal, the key is this host's alone, and this host
        //   seals in one place (`Plugin::seal`) what `Component::serialize` just gave it for
        //   a component that went through the gate. An upload never gets here: the gate
        //   refuses compiled code, and takes wasm to its own compiler.
        // * The seal covers the wasmtime's whole version and the hash of all that compiling
        //   depends on, and both were compared with this engine's: bytes from before an
        //   upgrade, or from a machine with another processor, do not get here either. It
        //   covers the plugin's digest, so one plugin's code cannot stand in for another's,
        //   and a tag of its format and use, so nothing else that the key ever signs can.
        // * Verified and loaded are the same bytes. They are borrowed as `&[u8]` from before
        //   the one until after the other, so that nothing can change them in between: they
        //   were read into memory once, by a caller that cannot map a file in safe Rust, and
        //   `deserialize` copies them into memory of its own. A file that is exchanged
        //   meanwhile is another file.
        unsafe { Component::deserialize(engine, self.0) }
    }
}

impl Sandbox {
    /// A plugin from compiled code that this host sealed itself.
    ///
    /// Any doubt is an error, upon which the caller compiles again. What the gate asks of
    /// what is compiled – its world, its start, its description – is asked here too.
    /// Takes a millisecond or so; from a blocking thread, as [`gate`](Self::gate).
    pub fn load_sealed(
        &self,
        name: &PluginName,
        digest: Digest,
        sealed: &[u8],
        limits: CallLimits,
    ) -> Result<Plugin, NotSealed> {
        let own = self.sealer().open(digest, sealed)?;
        let component = own
            .load(self.engine())
            .map_err(|error| NotSealed::Unreadable(format!("{error:#}")))?;
        let mut report = GateReport::new(0);
        Ok(self.enter(&mut report, (name, digest, limits), &component)?)
    }

    /// Names the engine that sealed code fits: wasmtime's version and a hash, fit for a
    /// file's name. Code under another stamp need not be tried.
    pub fn code_stamp(&self) -> &str {
        self.sealer().stamp()
    }
}

impl Plugin {
    /// Its compiled code under the host's seal, to be kept for [`Sandbox::load_sealed`];
    /// `None` where the host has no key.
    pub fn seal(&self) -> Option<Result<Vec<u8>, SandboxError>> {
        let sealer = self.sandbox().sealer();
        sealer.key.as_ref()?;
        let code = self.component().serialize();
        match code.map(|code| sealer.seal(self.digest(), &code)) {
            Ok(whole) => whole.map(Ok),
            Err(error) => Some(Err(SandboxError::Code(format!("{error:#}")))),
        }
    }
}

/// wasmtime's whole version and a hash of all that its compiling depends on.
fn stamp(engine: &Engine) -> String {
    let mut hasher = Sha(digest::Context::new(&digest::SHA256));
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let mut hash = [0; SEAL_BYTES];
    hash.copy_from_slice(hasher.0.finish().as_ref());
    let hash = Digest(hash).to_string();
    let hash = hash.get(..STAMP_HASH_DIGITS).unwrap_or(&hash);
    format!("{}-{hash}", env!("WASMTIME_VERSION"))
}

/// SHA-256 as a hasher: the standard library's may be another one with the next compiler.
struct Sha(digest::Context);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.clone().finish();
        let first = hash.as_ref().first_chunk().copied();
        first.map_or(0, u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(stamp: &str, key: u8) -> Sealer {
        Sealer {
            key: Some(hmac::Key::new(hmac::HMAC_SHA256, &[key; 32])),
            stamp: stamp.into(),
        }
    }

    const PLUGIN: Digest = Digest([7; 32]);

    #[test]
    fn a_seal_holds_for_what_it_was_put_on() {
        let ours = sealer("48.0.8-aa", 1);
        let sealed = ours.seal(PLUGIN, b"code").unwrap();
        assert_eq!(
            ours.open(PLUGIN, &sealed).map(|own| own.0),
            Ok(&b"code"[..])
        );
    }

    #[test]
    fn a_flipped_bit_anywhere_breaks_it() {
        let ours = sealer("48.0.8-aa", 1);
        let sealed = ours.seal(PLUGIN, b"code").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                ours.open(PLUGIN, &flipped).map(|own| own.0),
                Err(NotSealed::Broken),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn cut_short_or_drawn_out_it_does_not_hold() {
        let ours = sealer("48.0.8-aa", 1);
        let mut sealed = ours.seal(PLUGIN, b"code").unwrap();
        for length in 0..sealed.len() {
            let cut = ours.open(PLUGIN, &sealed[..length]);
            assert_eq!(cut.map(|own| own.0), Err(NotSealed::Broken), "{length}");
        }
        sealed.push(0);
        let longer = ours.open(PLUGIN, &sealed);
        assert_eq!(longer.map(|own| own.0), Err(NotSealed::Broken));
    }

    #[test]
    fn another_s_work_another_version_and_another_plugin_are_told_apart() {
        let ours = sealer("48.0.8-aa", 1);
        let sealed = ours.seal(PLUGIN, b"code").unwrap();
        let open = |sealer: &Sealer, plugin| sealer.open(plugin, &sealed).map(|own| own.0);
        assert_eq!(
            open(&sealer("48.0.8-aa", 2), PLUGIN),
            Err(NotSealed::Broken)
        );
        for stamp in ["48.0.9-aa", "48.0.8-ab", "48.0.8-aaa", ""] {
            assert_eq!(
                open(&sealer(stamp, 1), PLUGIN),
                Err(NotSealed::OtherEngine),
                "{stamp}"
            );
        }
        assert_eq!(open(&ours, Digest([8; 32])), Err(NotSealed::OtherPlugin));
        let keyless = Sealer {
            key: None,
            stamp: ours.stamp.clone(),
        };
        assert_eq!(open(&keyless, PLUGIN), Err(NotSealed::NoKey));
        assert_eq!(keyless.seal(PLUGIN, b"code"), None);
    }
}
