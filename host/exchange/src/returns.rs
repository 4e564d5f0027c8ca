//! Deliveries that buyers give back (`rules.md`, Returns).

use gavel_market::{
    ids::{AccountId, DeliveryId, ReturnId},
    model::{Market, Returns},
    order::Order,
    personal::looks_personal,
};
use gavel_store::{ChangeError, Return, ReturnRefused, ReturnState};

use crate::{
    Exchange,
    api::{OperatorRefused, Page, ReturnNotTaken, ReturnView},
    clock,
    events::What,
    limits::RETURN_REASON_MAX_CHARS,
};

impl Exchange {
    /// Notes that a buyer gives a delivery back; where its account says so, that is accepted
    /// in the same step.
    pub async fn request_return(
        &self,
        id: DeliveryId,
        reason: &str,
    ) -> Result<ReturnView, ReturnNotTaken> {
        let reason = reason_of(reason)?;
        let store = &self.0.store;
        let order = store.order(id.order).map_err(OperatorRefused::from)?;
        let order = order.ok_or(OperatorRefused::NotFound)?;
        let delivery = order.delivery(id.bid).ok_or(OperatorRefused::NotFound)?;
        let rule = self.rule_for(&order, &delivery.account).await;
        let rule = rule.ok_or(ReturnNotTaken::NotReturnable)?;
        let made = store.request_return(id, reason, rule, clock::unix_ms());
        self.shown(made.await)
    }

    /// Accepts a return, or declines it.
    pub async fn decide_return(
        &self,
        id: ReturnId,
        accept: bool,
    ) -> Result<ReturnView, ReturnNotTaken> {
        let decided = self.0.store.decide_return(id, accept, clock::unix_ms());
        self.shown(decided.await)
    }

    /// Returns, newest first: all, or those that stand so.
    pub fn returns(
        &self,
        state: Option<ReturnState>,
        after: Option<ReturnId>,
        limit: usize,
    ) -> Result<Page<Return>, OperatorRefused> {
        let page = self.0.store.returns(state, after, limit)?;
        Ok(Page {
            items: page.items,
            next: page.next.map(|id| id.to_string()),
        })
    }

    /// Today's account's rule, if it has one; that of the revision that quoted where there is no
    /// such account any more.
    async fn rule_for(&self, order: &Order, account: &AccountId) -> Option<Returns> {
        let rule_in = |market: &Market| {
            let (_, account) = market.account_named(account)?;
            Some(account.returns)
        };
        let today = self.0.revisions.current();
        if let Some(rule) = today.and_then(|today| rule_in(&today.market)) {
            return rule;
        }
        let quoted = self.0.revision(order.revision).await.ok()?;
        rule_in(&quoted.market)?
    }

    fn shown(
        &self,
        done: Result<Return, ChangeError<ReturnRefused>>,
    ) -> Result<ReturnView, ReturnNotTaken> {
        let done = done.map_err(|error| match error {
            ChangeError::NotFound => OperatorRefused::NotFound.into(),
            ChangeError::Store(error) => OperatorRefused::from(error).into(),
            ChangeError::Refused(ReturnRefused::TooLate) => ReturnNotTaken::TooLate,
            ChangeError::Refused(ReturnRefused::Limit) => ReturnNotTaken::Limit,
            ChangeError::Refused(ReturnRefused::AlreadyReturned) => ReturnNotTaken::AlreadyReturned,
            ChangeError::Refused(ReturnRefused::NotReturnable) => ReturnNotTaken::NotReturnable,
            ChangeError::Refused(ReturnRefused::AlreadyDecided) => ReturnNotTaken::AlreadyDecided,
        })?;
        self.0.events.tell(|| What::Return {
            id: done.id,
            delivery: done.delivery,
            account: done.account.clone(),
            amount: done.amount,
            state: done.state.word(),
        });
        let lead = done.delivery.order.lead();
        let ledger = self.0.store.ledger(lead).map_err(OperatorRefused::from)?;
        Ok(ReturnView { made: done, ledger })
    }
}

/// A reason as it is kept for ever, beside the ledger: nothing personal may be in it.
fn reason_of(text: &str) -> Result<String, ReturnNotTaken> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ReturnNotTaken::NoReason);
    }
    if text.chars().count() > RETURN_REASON_MAX_CHARS {
        return Err(ReturnNotTaken::LongReason);
    }
    let plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n');
    if !text.chars().all(plain) {
        return Err(ReturnNotTaken::ControlCharacters);
    }
    if looks_personal(text) {
        return Err(ReturnNotTaken::LooksPersonal);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_or_two_with_nothing_personal_in_it() {
        assert_eq!(reason_of("  wrong number \n").unwrap(), "wrong number");
        for (text, refused) in [
            (" ", ReturnNotTaken::NoReason),
            ("call 415-555-0137", ReturnNotTaken::LooksPersonal),
            ("he is jo@example.com", ReturnNotTaken::LooksPersonal),
            ("a\u{0}b", ReturnNotTaken::ControlCharacters),
        ] {
            assert_eq!(reason_of(text), Err(refused), "{text:?}");
        }
        let long = "x".repeat(RETURN_REASON_MAX_CHARS + 1);
        assert_eq!(reason_of(&long), Err(ReturnNotTaken::LongReason));
        assert!(reason_of(&long[1..]).is_ok());
    }
}
