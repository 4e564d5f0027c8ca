//! Versions of one plugin that differ in their mood alone: `plugins/sdk/examples/moody.rs`.

use std::sync::OnceLock;

use gavel_market::ids::Digest;

/// What stands before the mood in the plugin's bytes.
const MARK: &[u8] = b"gavel-moody-mood: ";
/// The mark and the mood, padded.
const LENGTH: usize = 32;

/// The bytes of the version with this mood.
pub(crate) fn moody(mood: &str) -> Vec<u8> {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let path = gavel_plugin_build::build_example("moody", &mut |said| eprintln!("{said}"))
            .expect("the guest can be built");
        std::fs::read(path).expect("readable")
    });
    let mut bytes = built.clone();
    let at = bytes
        .windows(MARK.len())
        .position(|window| window == MARK)
        .expect("the mark is in the bytes");
    let text = [MARK, mood.as_bytes()].concat();
    let padded = bytes.get_mut(at..at + LENGTH).expect("room");
    padded.fill(b' ');
    padded[..text.len()].copy_from_slice(&text);
    bytes
}

/// Another version of the same behaviour: a custom section at the end of the bytes.
pub(crate) fn numbered(mut bytes: Vec<u8>, number: u32) -> Vec<u8> {
    let name = format!("version-{number}");
    let length = u8::try_from(name.len()).expect("short");
    // A custom section is its id 0, its length, the length of its name, and the name.
    bytes.extend([0, length + 1, length]);
    bytes.extend(name.as_bytes());
    bytes
}

/// The digest that names a version.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}
