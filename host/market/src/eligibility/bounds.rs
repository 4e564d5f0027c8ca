//! `min` and `max` criteria on one field: whose bound a value does not reach.

use super::bits::Bits;
use crate::criteria::Scale;

/// Bounds between two sets kept: so many accounts are taken out one by one at most.
const STEP: usize = 64;

/// On which side of its bound an account wants a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// At least the bound.
    Min,
    /// At most the bound.
    Max,
}

/// All bounds of one side, loosest first: whoever refuses a value, and whoever comes after
/// them, refuse it too.
#[derive(Debug)]
pub(super) struct Bounds {
    side: Side,
    sorted: Vec<(Scale, usize)>,
    /// At each multiple of [`STEP`], everybody from there on.
    from: Vec<Bits>,
}

impl Bounds {
    pub(super) fn of(side: Side) -> Self {
        Self {
            side,
            sorted: Vec::new(),
            from: Vec::new(),
        }
    }

    /// Adds an account's bound.
    pub(super) fn add(&mut self, bound: Scale, bit: usize) {
        self.sorted.push((bound, bit));
    }

    /// To be called once, when all are added; `size` is the number of accounts.
    pub(super) fn ready(&mut self, size: usize) {
        match self.side {
            Side::Min => self.sorted.sort_unstable(),
            Side::Max => self.sorted.sort_unstable_by(|one, other| other.cmp(one)),
        }
        let mut rest = Bits::none(size);
        self.from = self
            .sorted
            .chunks(STEP)
            .rev()
            .map(|chunk| {
                for (_, bit) in chunk {
                    rest.insert(*bit);
                }
                rest.clone()
            })
            .collect();
        self.from.reverse();
    }

    /// Takes out of a set whoever refuses a value that stands here; one that stands nowhere
    /// on the scale is refused by all.
    pub(super) fn take_refusing(&self, value: Option<Scale>, set: &mut Bits) {
        let met = |bound: Scale| {
            value.is_some_and(|value| match self.side {
                Side::Min => bound <= value,
                Side::Max => value <= bound,
            })
        };
        let first = self.sorted.partition_point(|(bound, _)| met(*bound));
        let kept = first.div_ceil(STEP);
        if let Some(rest) = self.from.get(kept) {
            set.take(rest);
        }
        let before = self.sorted.iter().take(kept * STEP).skip(first);
        before.for_each(|(_, bit)| set.remove(*bit));
    }
}
