//! Tells the crate which wasmtime it is built with: wasmtime itself has no constant for it,
//! and a header says only the major version.

use std::{env, fs, path::Path};

fn main() {
    let lock =
        Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let lock = fs::read_to_string(lock).unwrap_or_default();
    let mut lines = lock
        .lines()
        .skip_while(|line| *line != "name = \"wasmtime\"");
    let version = lines
        .nth(1)
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|line| line.strip_suffix('"'))
        .unwrap_or("unknown");
    println!("cargo::rustc-env=WASMTIME_VERSION={version}");
}
