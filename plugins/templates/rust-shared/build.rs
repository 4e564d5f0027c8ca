//! A small stack makes a fresh instance cheap: the default of 1 MiB is memory that the host has
//! to clear after every call. Give it more where code recurses deeply.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=16384");
    }
}
