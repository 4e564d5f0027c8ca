//! Builds the plugins and says where they are: `cargo run -p gavel-plugin-build --example build_plugins`.

use std::{process::ExitCode, time::Instant};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a person"
)]
fn main() -> ExitCode {
    let begun = Instant::now();
    match gavel_plugin_build::build(&mut |said| println!("{said}")) {
        Ok(built) => {
            for file in built.files() {
                println!("{}", file.display());
            }
            println!("in {:.1} s", begun.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
