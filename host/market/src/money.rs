//! Exact amounts of the market's currency.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Sub},
    str::FromStr,
};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// The largest amount that a person or a plugin may name (`rules.md`, Values).
pub const LARGEST: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// An amount of the market's one currency; exact, never binary floating point.
///
/// What comes from outside goes through [`Money::parse`] and is between 0 and
/// [`LARGEST`] with at most four decimals. Differences (a profit, a ledger entry) may
/// be negative. Sums cannot overflow: a lead has at most a few thousand amounts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(Decimal);

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not of the form `(0|[1-9]\d{0,6})(\.\d{1,4})?`.
    #[error(
        "an amount is written like \"12.50\": digits, at most four decimals, no sign and no exponent"
    )]
    BadFormat,
    /// More than 1 000 000.
    #[error("an amount is at most 1000000")]
    TooLarge,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// One of the currency.
    pub const ONE: Self = Self(Decimal::ONE);

    /// Reads an amount as people and plugins write it; nothing is rounded.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let digits = |part: &str, longest: usize| {
            !part.is_empty()
                && part.len() <= longest
                && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let no_leading_zero = whole == "0" || !whole.starts_with('0');
        if !digits(whole, 7) || !no_leading_zero || !fraction.is_none_or(|part| digits(part, 4)) {
            return Err(MoneyError::BadFormat);
        }
        let amount = Decimal::from_str(text).map_err(|_| MoneyError::BadFormat)?;
        if amount > LARGEST {
            Err(MoneyError::TooLarge)
        } else {
            Ok(Self(amount.normalize()))
        }
    }

    /// What a supplier is paid or pays back: rounded down to cents, towards zero.
    #[must_use]
    pub fn payout(amount: Decimal) -> Self {
        Self(
            amount
                .round_dp_with_strategy(2, RoundingStrategy::ToZero)
                .normalize(),
        )
    }

    /// Every other computed amount: rounded to cents, half to even, once, at the end.
    #[must_use]
    pub fn computed(amount: Decimal) -> Self {
        Self(
            amount
                .round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven)
                .normalize(),
        )
    }

    /// The number itself, for exact comparisons and percentages.
    pub fn amount(self) -> Decimal {
        self.0
    }

    /// Whether there is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self((self.0 + other.0).normalize())
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self((self.0 - other.0).normalize())
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// At least two decimals and no further trailing zeros: `12.50`, `12.345`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.normalize();
        if plain.scale() < 2 {
            write!(f, "{plain:.2}")
        } else {
            write!(f, "{plain}")
        }
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Reads what [`Money`]'s `Display` wrote, a sign included: for records, not for input.
impl TryFrom<String> for Money {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, MoneyError> {
        Decimal::from_str(&text)
            .map(|amount| Self(amount.normalize()))
            .map_err(|_| MoneyError::BadFormat)
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_plain_digits_or_refused() {
        for good in ["0", "0.5", "12.50", "12.3456", "1000000", "1000000.0000"] {
            assert!(Money::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-5", "+5", "1e400", "1e2", ".5", "5.", "012", "1,5", "12.34567", "NaN", " 5",
            "5 ", "٣", "99999999",
        ] {
            assert_eq!(Money::parse(bad), Err(MoneyError::BadFormat), "{bad}");
        }
        assert_eq!(Money::parse("1000000.01"), Err(MoneyError::TooLarge));
    }

    #[test]
    fn an_amount_is_written_with_two_decimals_or_as_many_as_it_has() {
        let written = |text| Money::parse(text).map(|money| money.to_string());
        assert_eq!(written("12.5").as_deref(), Ok("12.50"));
        assert_eq!(written("12.3450").as_deref(), Ok("12.345"));
        assert_eq!(written("0").as_deref(), Ok("0.00"));
        assert_eq!(written("1000000").as_deref(), Ok("1000000.00"));
    }

    #[test]
    fn a_payout_is_rounded_down_and_all_else_half_to_even() {
        let amount = |text: &str| text.parse::<Decimal>().expect("a decimal");
        assert_eq!(Money::payout(amount("12.349")).to_string(), "12.34");
        assert_eq!(Money::computed(amount("12.345")).to_string(), "12.34");
        assert_eq!(Money::computed(amount("12.355")).to_string(), "12.36");
    }
}
