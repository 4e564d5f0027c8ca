//! What accounts answer to tests (`rules.md`, Test leads): no buyer hears of them, and no
//! adapter is asked.

use gavel_market::{
    model::{Account, TestScript},
    money::Money,
    reason::Outcome,
};

use super::consider::{NoBid, Offered};

/// An account's answer to a test's ping.
pub(super) fn offered(account: &Account) -> Result<Offered, NoBid> {
    let amount = match account.test {
        Some(TestScript::Bid(amount)) => Some(amount),
        Some(TestScript::NoBid) => None,
        Some(TestScript::Reject | TestScript::Slow | TestScript::Garbled) => {
            Some(account.price.unwrap_or(Money::ONE))
        }
        None => account.price,
    };
    match amount {
        Some(amount) => Ok(Offered {
            amount,
            reference: None,
        }),
        None => Err(NoBid::saying(
            Outcome::Declined,
            "a test: the account's script does not bid",
        )),
    }
}
