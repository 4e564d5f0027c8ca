//! Writes down the component type of each world, for the export macros to carry along.
//!
//! The host turns a plugin's core module into a component by the type that stands in a
//! custom section of it. wit-bindgen emits that section for one world per crate; this crate
//! serves two, so it makes the bytes itself and the macro picks one.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use wit_component::{StringEncoding, metadata};
use wit_parser::Resolve;

/// The interface, as a plugin's author finds it at the top of the repository.
const WIT: &str = "../../wit";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={WIT}");
    let is_wasm = std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm");
    // A project that `gavel plugin new` made has the SDK without its examples.
    if is_wasm && Path::new("examples").is_dir() {
        // What a filter has; a plugin's own build script says it for the plugin.
        println!("cargo::rustc-link-arg-examples=-zstack-size=16384");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(WIT)?;
    for world in ["filter-plugin", "adapter-plugin"] {
        let id = resolve.select_world(&[package], Some(world))?;
        let bytes = metadata::encode(&resolve, id, StringEncoding::UTF8, None)?;
        fs::write(out.join(world), bytes)?;
    }
    Ok(())
}
