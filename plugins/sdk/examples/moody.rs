//! A filter of which tests make many versions: its mood stands in its own bytes, where it can be
//! written over, so that each mood is a version with a digest of its own and nothing but the mood
//! tells two apart.
//!
//! | mood | |
//! |---|---|
//! | `calm` | lets every lead through |
//! | `picky` | refuses every lead |
//! | `shaky` | traps at one order in five |
//! | `sleepy` | computes for a millisecond or so before it lets the lead through |
//! | `forgetful` | lets the first lead of an instance through and refuses the others |

use std::{
    hint::black_box,
    sync::atomic::{AtomicU32, Ordering},
};

use gavel_sdk::{About, Filter, Lead, Verdict, export_filter};
use serde::Deserialize;

/// The mark that a test looks for, and the mood, padded with blanks.
#[used]
static MOOD: [u8; 32] = *b"gavel-moody-mood: calm          ";

/// Leads that this instance has seen.
static SEEN: AtomicU32 = AtomicU32::new(0);

/// Takes no configuration, and does as its mood is.
#[derive(Debug, Deserialize)]
pub struct Moody {}

impl Filter for Moody {
    const ABOUT: About = About {
        name: "moody",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Does what its mood says.",
        config_schema: r#"{"type": "object", "x-codes": ["moody"]}"#,
        needs: &[],
    };

    type Config = Self;

    fn open(config: Self) -> Result<Self, String> {
        Ok(config)
    }

    #[expect(clippy::panic, reason = "its mood")]
    fn qualify(&self, lead: &Lead<'_>) -> Result<Verdict, String> {
        let mood = black_box(&MOOD);
        let mood = mood.get(18..).unwrap_or_default().trim_ascii_end();
        let refused = || Verdict::refused("moody", "not in the mood");
        let order = lead.order();
        // An order's id ends in a random part, before the dot.
        let number = order.split('.').next().unwrap_or_default();
        let number: u32 = number.bytes().rev().take(6).map(u32::from).sum();
        Ok(match mood {
            b"picky" => refused(),
            b"shaky" if number % 5 < 1 => panic!("shaken by {order}"),
            b"sleepy" => {
                let mut sum = 0_u64;
                for step in 0..3_000_000_u64 {
                    sum = black_box(sum ^ step);
                }
                Verdict::Qualified
            }
            b"forgetful" if SEEN.fetch_add(1, Ordering::Relaxed) > 0 => refused(),
            _ => Verdict::Qualified,
        })
    }
}

export_filter!(Moody);
