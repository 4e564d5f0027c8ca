//! Sets of accounts, as bits.

/// Bits in a word.
const WORD: usize = u64::BITS as usize;

/// A set of small numbers below a fixed size.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    /// None of the numbers below `size`.
    pub(super) fn none(size: usize) -> Self {
        Self(vec![0; size.div_ceil(WORD)].into())
    }

    /// All of the numbers below `size`, and no other.
    pub(super) fn all(size: usize) -> Self {
        let mut words = vec![u64::MAX; size.div_ceil(WORD)];
        if let (Some(last), tail @ 1..) = (words.last_mut(), size % WORD) {
            *last = (1 << tail) - 1;
        }
        Self(words.into())
    }

    /// Adds one.
    pub(super) fn insert(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / WORD) {
            *word |= 1 << (bit % WORD);
        }
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / WORD) {
            *word &= !(1 << (bit % WORD));
        }
    }

    /// Whether it is in.
    pub(super) fn contains(&self, bit: usize) -> bool {
        self.0
            .get(bit / WORD)
            .is_some_and(|word| word & (1 << (bit % WORD)) != 0)
    }

    /// Becomes a copy of another of the same size, without allocating.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.with(other, |_, theirs| theirs);
    }

    /// Keeps what is in the other too.
    pub(super) fn keep(&mut self, other: &Self) {
        self.with(other, |mine, theirs| mine & theirs);
    }

    /// Adds what is in the other.
    pub(super) fn add(&mut self, other: &Self) {
        self.with(other, |mine, theirs| mine | theirs);
    }

    /// Takes out what is in the other.
    pub(super) fn take(&mut self, other: &Self) {
        self.with(other, |mine, theirs| mine & !theirs);
    }

    /// Each number in the set, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let rests =
                std::iter::successors(Some(*word), |rest| Some(rest & rest.wrapping_sub(1)));
            let bits = rests.take_while(|rest| *rest != 0).map(u64::trailing_zeros);
            bits.map(move |bit| at * WORD + bit as usize)
        })
    }

    fn with(&mut self, other: &Self, word: impl Fn(u64, u64) -> u64) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = word(*mine, *theirs);
        }
    }
}

/// The accounts that one value stands for. Of few a list is kept: a market's accounts may
/// name every postal code there is, and a whole set for each would take tens of megabytes.
#[derive(Debug, Clone)]
pub(super) enum Posting {
    /// Ascending.
    Few(Vec<u32>),
    /// Where a list would take more room than the set.
    Many(Bits),
}

impl Default for Posting {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Posting {
    /// Adds one; bits come in ascending order, one perhaps repeatedly.
    pub(super) fn push(&mut self, bit: usize, size: usize) {
        match self {
            Self::Many(set) => set.insert(bit),
            Self::Few(list) => {
                let Ok(number) = u32::try_from(bit) else {
                    return;
                };
                if list.last() != Some(&number) {
                    list.push(number);
                }
                if list.len() * (u32::BITS as usize) > size {
                    let mut set = Bits::none(size);
                    for number in list.iter() {
                        set.insert(*number as usize);
                    }
                    *self = Self::Many(set);
                }
            }
        }
    }

    /// Puts them into a set.
    pub(super) fn add_to(&self, set: &mut Bits) {
        match self {
            Self::Few(list) => list.iter().for_each(|bit| set.insert(*bit as usize)),
            Self::Many(these) => set.add(these),
        }
    }

    /// Takes them out of a set.
    pub(super) fn take_from(&self, set: &mut Bits) {
        match self {
            Self::Few(list) => list.iter().for_each(|bit| set.remove(*bit as usize)),
            Self::Many(these) => set.take(these),
        }
    }
}
