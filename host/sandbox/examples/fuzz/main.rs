//! Hostile bytes without end, on stable Rust: what the sandbox reads from uploads and plugins.
//!
//! ```sh
//! cargo run --release --example fuzz -- --seconds 600 --target all --seed 1
//! ```
//!
//! | target | what is hostile |
//! |---|---|
//! | `upload` | the bytes of an upload: generated modules and components, and real plugins with bytes changed |
//! | `plugin` | what a plugin that passed the gate returns from `describe`, `open`, `qualify`, `ping` and `post` |
//! | `schema` | a description and the configurations checked against its schema |
//!
//! Every iteration has an input made from the seed and its number alone. An input that
//! breaks a rule of [`rules`] – or panics, or takes longer than [`SLOW`] – is written to a
//! file, which `--repeat FILE --target TARGET` runs again; the input under way always is
//! in `last-TARGET.bin` of the folder, for what takes the whole process along. Without
//! debug assertions (the dev profile has them) less is found.
//!
//! | option | means |
//! |---|---|
//! | `--seconds N`, `--count N` | how long, or how many iterations of each target [default: 60 seconds] |
//! | `--target upload\|plugin\|schema\|all` | which [default: all, in turns] |
//! | `--seed N` | another seed gives other inputs [default: 1] |
//! | `--corpus FILE.wasm` | a plugin to change bytes of, besides the built-in ones; may be repeated |
//! | `--out FOLDER` | where findings go [default: `target/fuzz`] |

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../src/tests/guest.rs"]
#[allow(dead_code)]
mod guest;
mod host;
mod mutate;
mod plugin;
mod rules;
mod schema;
mod upload;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use rand::{SeedableRng as _, rngs::SmallRng};
use rustix::time::{ClockId, clock_gettime};

use self::host::Host;

/// An iteration that takes more processor time is a finding: nothing that is bounded takes
/// so long, with debug assertions neither.
const SLOW: Duration = Duration::from_secs(20);
/// One that takes longer, and longer than all before, is told of and kept, but goes on.
const WORTH_A_LOOK: Duration = Duration::from_secs(3);
/// How much more memory the process may have after its first iterations, in bytes.
const GROWTH_MAX_BYTES: u64 = 768 << 20;
/// Iterations after which the process has all the memory that it needs.
const WARM: u64 = 200;

/// One way of being hostile.
trait Target {
    fn name(&self) -> &'static str;
    /// How many of its iterations take as long as one upload.
    fn quickness(&self) -> u64 {
        1
    }
    /// An input from nothing but the generator.
    fn input(&self, random: &mut SmallRng) -> Vec<u8>;
    /// Runs it, panicking where a rule is broken; says what came of it, to count by.
    fn run(&self, host: &Host, input: &[u8]) -> String;
}

fn targets(which: &str, corpus: &[Vec<u8>]) -> Vec<Box<dyn Target>> {
    let all: Vec<Box<dyn Target>> = vec![
        Box::new(upload::Upload::new(corpus)),
        Box::new(plugin::Plugins::new()),
        Box::new(schema::Schemas),
    ];
    all.into_iter()
        .filter(|target| which == "all" || which == target.name())
        .collect()
}

/// What a run is to do.
struct Options {
    seconds: u64,
    count: Option<u64>,
    target: String,
    seed: u64,
    corpus: Vec<Vec<u8>>,
    out: PathBuf,
    repeat: Option<PathBuf>,
}

impl Options {
    fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            seconds: 60,
            count: None,
            target: "all".into(),
            seed: 1,
            corpus: Vec::new(),
            out: "target/fuzz".into(),
            repeat: None,
        };
        let mut args = args;
        while let Some(option) = args.next() {
            let value = args.next().ok_or(format!("{option} needs a value"))?;
            let number = || value.parse().map_err(|_| format!("{value:?} is no number"));
            match option.as_str() {
                "--seconds" => options.seconds = number()?,
                "--count" => options.count = Some(number()?),
                "--seed" => options.seed = number()?,
                "--target" => options.target = value,
                "--out" => options.out = value.into(),
                "--repeat" => options.repeat = Some(value.into()),
                "--corpus" => options
                    .corpus
                    .push(std::fs::read(&value).map_err(|error| format!("{value}: {error}"))?),
                _ => return Err(format!("{option} is no option")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(64);
        }
    };
    std::fs::create_dir_all(&options.out).expect("a folder for findings");
    let targets = targets(&options.target, &options.corpus);
    if targets.is_empty() {
        eprintln!(
            "no target {:?}: upload, plugin, schema or all",
            options.target
        );
        return ExitCode::from(64);
    }
    let mut run = Run::new(options.out);
    if let Some(file) = options.repeat {
        let input = std::fs::read(&file).expect("the input is there");
        return run
            .one(targets[0].as_ref(), &input, "repeated")
            .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut said = Instant::now();
    let is_over = |at: u64| {
        options
            .count
            .map_or_else(|| Instant::now() >= end, |count| at >= count)
    };
    let mut at = 0;
    while !is_over(at) {
        for target in &targets {
            let rounds = if options.count.is_none() {
                target.quickness()
            } else {
                1
            };
            for round in 0..rounds {
                let number = at * rounds + round;
                let input = input(target.as_ref(), options.seed, number);
                if run
                    .one(
                        target.as_ref(),
                        &input,
                        &format!("seed {} number {number}", options.seed),
                    )
                    .is_err()
                {
                    run.report();
                    return ExitCode::FAILURE;
                }
            }
        }
        at += 1;
        if said.elapsed() > Duration::from_mins(1) {
            said = Instant::now();
            run.report();
        }
    }
    run.report();
    println!("nothing found");
    ExitCode::SUCCESS
}

/// The input that a seed and a number stand for.
fn input(target: &dyn Target, seed: u64, number: u64) -> Vec<u8> {
    let mixed = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(number);
    target.input(&mut SmallRng::seed_from_u64(mixed))
}

/// A rule was broken; it has been told.
#[derive(Debug)]
struct Found;

/// A run and what it has seen.
struct Run {
    host: Host,
    out: PathBuf,
    executions: u64,
    seen: BTreeMap<String, u64>,
    slowest: Duration,
    resident_when_warm: u64,
}

impl Run {
    fn new(out: PathBuf) -> Self {
        Self {
            host: Host::new(),
            out,
            executions: 0,
            seen: BTreeMap::new(),
            slowest: Duration::ZERO,
            resident_when_warm: 0,
        }
    }

    /// Runs one input. Where it breaks something, it is kept and told.
    fn one(&mut self, target: &dyn Target, input: &[u8], which: &str) -> Result<(), Found> {
        let last = self.out.join(format!("last-{}.bin", target.name()));
        std::fs::write(&last, input).expect("the input can be kept");
        let start = process_cpu();
        let outcome = catch_unwind(AssertUnwindSafe(|| target.run(&self.host, input)));
        let took = process_cpu().saturating_sub(start);
        self.executions += 1;
        if took > self.slowest.max(WORTH_A_LOOK) {
            let file = self.out.join(format!("slow-{}.bin", target.name()));
            std::fs::write(&file, input).expect("the input can be kept");
            println!("took {took:?}: {}, {which}", file.display());
        }
        self.slowest = self.slowest.max(took);
        let Ok(outcome) = outcome else {
            return Err(keep(&self.out, target.name(), input, which));
        };
        *self
            .seen
            .entry(format!("{} {outcome}", target.name()))
            .or_default() += 1;
        if took > SLOW {
            eprintln!("took {took:?}: {outcome}");
            return Err(keep(&self.out, target.name(), input, which));
        }
        if self.executions.is_multiple_of(100) {
            self.host.assert_serves();
            let resident = resident_bytes();
            if self.executions == WARM {
                self.resident_when_warm = resident;
            }
            if self.executions > WARM && resident > self.resident_when_warm + GROWTH_MAX_BYTES {
                eprintln!("the process has grown to {resident} bytes");
                return Err(keep(&self.out, target.name(), input, which));
            }
        }
        Ok(())
    }

    fn report(&self) {
        println!(
            "{} executions, the slowest took {:?}, {} MiB resident",
            self.executions,
            self.slowest,
            resident_bytes() >> 20
        );
        for (outcome, times) in &self.seen {
            println!("  {times:>9}  {outcome}");
        }
    }
}

fn keep(out: &Path, target: &str, input: &[u8], which: &str) -> Found {
    let digest = gavel_market::ids::Digest::of(input).short();
    let file = out.join(format!("{target}-{digest}.bin"));
    std::fs::write(&file, input).expect("the input can be kept");
    eprintln!(
        "FOUND by target {target}, {which}; the input is in {}",
        file.display()
    );
    Found
}

/// Processor time of all threads: compiling uses several, and a busy machine adds none.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Memory that the process has.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_is_found(target: &str, count: u64) {
        let out = std::env::temp_dir().join(format!("gavel-fuzz-{}-{target}", std::process::id()));
        std::fs::create_dir_all(&out).unwrap();
        let mut run = Run::new(out.clone());
        let targets = targets(target, &[]);
        for number in 0..count {
            let input = input(targets[0].as_ref(), 7, number);
            run.one(
                targets[0].as_ref(),
                &input,
                &format!("seed 7 number {number}"),
            )
            .unwrap();
        }
        std::fs::remove_dir_all(out).unwrap();
        assert!(run.seen.len() > 3, "it reaches something: {:?}", run.seen);
    }

    #[test]
    fn an_upload_of_any_bytes_is_refused_or_contained() {
        nothing_is_found("upload", 120);
    }

    #[test]
    fn whatever_a_plugin_returns_is_read_or_refused() {
        nothing_is_found("plugin", 1500);
    }

    #[test]
    fn any_description_is_read_or_refused() {
        nothing_is_found("schema", 4000);
    }

    #[test]
    fn an_input_follows_from_seed_and_number() {
        for target in targets("all", &[]) {
            let inputs: Vec<_> = [(1, 1), (1, 1), (1, 2), (2, 1)]
                .map(|(seed, number)| input(target.as_ref(), seed, number))
                .into();
            assert!(inputs[0] == inputs[1] && inputs[0] != inputs[2] && inputs[0] != inputs[3]);
        }
    }
}
