//! Figures against their limits, for a person and for programs.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use bytesize::ByteSize;
use serde_json::{Value, json};

/// From this share of a limit on a figure is red: a busier machine or a longer lead may take
/// the rest.
const NEAR: f64 = 0.8;

/// What was done well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What is wrong, or about to be.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// What is less important.
pub(super) const DIM: Style = Style::new().dimmed();
/// What a block is about.
pub(super) const TITLE: Style = Style::new().bold();

/// A text in a style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Something measured, and what it may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// What, such as `memory`.
    pub(super) name: &'static str,
    /// How much.
    pub(super) used: Measure,
    /// How much it may be.
    pub(super) limit: Measure,
    /// What else there is to say.
    pub(super) note: String,
}

/// A time or a size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Measure {
    Time(Duration),
    Bytes(usize),
}

impl Measure {
    fn number(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64(),
            #[expect(clippy::cast_precision_loss, reason = "for a percentage")]
            Self::Bytes(bytes) => bytes as f64,
        }
    }

    /// `0.12 ms`, `1.1 MiB`
    pub(super) fn shown(self) -> String {
        match self {
            Self::Time(time) => {
                let ms = time.as_secs_f64() * 1000.0;
                let decimals = if ms < 0.1 {
                    3
                } else {
                    usize::from(ms < 10.0) + 1
                };
                format!("{ms:.decimals$} ms")
            }
            Self::Bytes(bytes) => ByteSize(bytes as u64).display().iec().to_string(),
        }
    }

    fn json(self) -> Value {
        match self {
            Self::Time(time) => u64::try_from(time.as_micros()).unwrap_or(u64::MAX).into(),
            Self::Bytes(bytes) => bytes.into(),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Time(_) => "us",
            Self::Bytes(_) => "bytes",
        }
    }
}

impl Figure {
    fn share(&self) -> f64 {
        match self.limit.number() {
            0.0 => 0.0,
            limit => self.used.number() / limit,
        }
    }

    fn style(&self) -> Style {
        match self.share() {
            over if over > 1.0 => BAD.bold(),
            near if near > NEAR => BAD,
            _ => GOOD,
        }
    }

    fn line(&self, width: usize) -> String {
        let share = self.share() * 100.0;
        let over = if share > 100.0 {
            ", over its limit"
        } else {
            ""
        };
        let note = match self.note.as_str() {
            "" => String::new(),
            note => styled(DIM, &format!("  {note}")),
        };
        let (name, style) = (self.name, self.style());
        format!(
            "{name:width$}  {style}{:>10}{style:#} of {:>9}  {style}{share:>4.0} %{over}{style:#}{note}",
            self.used.shown(),
            self.limit.shown()
        )
    }

    /// `"memory": {"used": 65536, "limit": 16777216, "unit": "bytes"}`
    fn entry(&self) -> (String, Value) {
        let value =
            json!({"used": self.used.json(), "limit": self.limit.json(), "unit": self.used.unit()});
        (self.name.replace([',', ' '], "_").replace("__", "_"), value)
    }
}

/// One line each, in columns.
pub(super) fn lines(figures: &[Figure]) -> Vec<String> {
    let width = figures.iter().map(|figure| figure.name.len()).max();
    let lines = figures.iter().map(|figure| figure.line(width.unwrap_or(0)));
    lines.collect()
}

/// For programs.
pub(super) fn json(figures: &[Figure]) -> Value {
    Value::Object(figures.iter().map(Figure::entry).collect())
}

/// The middle one of some times.
pub(super) fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(used_us: u64) -> Figure {
        Figure {
            name: "time, fresh",
            used: Measure::Time(Duration::from_micros(used_us)),
            limit: Measure::Time(Duration::from_millis(10)),
            note: String::new(),
        }
    }

    #[test]
    fn a_figure_near_its_limit_is_red_and_one_over_it_says_so() {
        assert_eq!(time(8_000).style(), GOOD);
        assert_eq!(time(8_100).style(), BAD);
        assert_eq!(time(10_001).style(), BAD.bold());
        let line = anstream::adapter::strip_str(&time(15_000).line(11)).to_string();
        assert_eq!(
            line,
            "time, fresh     15.0 ms of   10.0 ms   150 %, over its limit"
        );
        let line = anstream::adapter::strip_str(&time(42).line(11)).to_string();
        assert_eq!(line, "time, fresh    0.042 ms of   10.0 ms     0 %");
    }

    #[test]
    fn programs_get_numbers_with_their_unit() {
        let figures = json(&[time(120)]);
        assert_eq!(
            figures,
            serde_json::json!({"time_fresh": {"used": 120, "limit": 10_000, "unit": "us"}})
        );
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let of = |ms: &[u64]| median(ms.iter().copied().map(Duration::from_millis).collect());
        assert_eq!(of(&[9, 1, 2]), Some(Duration::from_millis(2)));
        assert_eq!(of(&[]), None);
    }
}
