//! A small stack makes a fresh instance cheap: the default of 1 MiB is memory that the host
//! has to clear after every call.
//!
//! 32 KiB, twice a filter's: reading the configuration goes through nested visitors, some
//! hundred bytes each. Their depth follows from the configuration's own type, never from
//! what it holds, and answers are read without recursion, so no input needs more.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=32768");
    }
}
