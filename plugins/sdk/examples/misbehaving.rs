//! A filter that does to the host whatever its configuration says: for tests of the host,
//! and of what this crate gives every guest.
//!
//! ```json
//! {"panic": "on purpose"}
//! {"allocate": 1048576}
//! {"recurse": 1000000}
//! ```

use std::hint::black_box;

use gavel_sdk::{About, Filter, Lead, Verdict, export_filter};
use serde::Deserialize;

/// What to do at the call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Misbehaving {
    /// Panic with this message.
    Panic(String),
    /// Allocate this many bytes, write to all of them, and count how many came back.
    Allocate(usize),
    /// Call itself this often.
    Recurse(u32),
}

impl Filter for Misbehaving {
    const ABOUT: About = About {
        name: "misbehaving",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Does to the host whatever its configuration says.",
        config_schema: r#"{"type": "object", "minProperties": 1, "maxProperties": 1, "x-codes": ["done"]}"#,
        needs: &[],
    };

    type Config = Self;

    fn open(config: Self) -> Result<Self, String> {
        Ok(config)
    }

    #[expect(clippy::panic, reason = "asked for")]
    fn qualify(&self, _: &Lead<'_>) -> Result<Verdict, String> {
        let count = match self {
            Self::Panic(message) => panic!("{message}"),
            Self::Allocate(bytes) => {
                // In two halves, so that growing has to extend what it grew before.
                let halves = [vec![1_u8; bytes / 2], vec![1_u8; bytes - bytes / 2]];
                black_box(&halves)
                    .iter()
                    .flatten()
                    .map(|&byte| u64::from(byte))
                    .sum()
            }
            Self::Recurse(depth) => u64::from(recurse(*depth)),
        };
        Ok(Verdict::refused("done", count.to_string()))
    }
}

/// Counts by recursion, with a frame that the compiler cannot take away.
fn recurse(depth: u32) -> u32 {
    let frame = black_box([depth; 16]);
    if depth == 0 {
        return 0;
    }
    recurse(depth - 1) + u32::from(frame.first() == Some(&depth))
}

export_filter!(Misbehaving);
