//! What operators do, and what time does.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Driver<'_> {
    pub(super) fn delivery(&self, at: usize, place: usize) -> DeliveryId {
        DeliveryId {
            order: self.orders[at].id,
            bid: u16::try_from(place).unwrap(),
        }
    }

    pub(crate) async fn settle_by_hand(
        &mut self,
        at: usize,
        place: usize,
        how: Settle,
    ) -> Result<Told, Broken> {
        let sold = match how {
            Settle::Sold => Some(None),
            Settle::SoldAt(price) => Some(Some(amount(price))),
            Settle::NotSold => None,
        };
        let terms = self.orders[at].terms.clone();
        match self
            .store
            .settle_delivery(self.delivery(at, place), sold, terms, self.now_ms)
            .await
        {
            Ok(order) => Ok(self.told_of(&order)),
            Err(ChangeError::Refused(order::SettleRefused::AboveBid)) => {
                Ok(Told::Refused("above the bid".into()))
            }
            Err(error) => Err(broken(error)),
        }
    }

    pub(crate) async fn retry_by_hand(&mut self, at: usize, place: usize) -> Result<Told, Broken> {
        match self
            .store
            .retry_delivery(self.delivery(at, place), self.now_ms)
            .await
        {
            Ok(order) => Ok(self.told_of(&order)),
            Err(ChangeError::Refused(_)) => Ok(Told::Refused("not_retryable".into())),
            Err(error) => Err(broken(error)),
        }
    }

    pub(crate) async fn erase(&mut self, at: usize) -> Result<Told, Broken> {
        let id = self.orders[at].id;
        let erased = self.store.erase_lead(id.lead(), self.now_ms).await;
        let mut order = erased.map_err(broken)?.expect("a whole record");
        let terms = self.orders[at].terms.clone();
        let done = order.next(&terms, &[], self.now_ms) == Next::Done;
        if order.state == OrderState::Accepted && order.is_being_delivered() && done {
            // Whoever drives it finds nothing left to try.
            let finished = self.store.finish_order(id, terms, self.now_ms).await;
            order = finished.map_err(broken)?;
        }
        Ok(self.told_of(&order))
    }

    pub(crate) async fn expire(&mut self) -> Result<Told, Broken> {
        self.store
            .expire_due(self.now_ms, 1_000)
            .await
            .map(Told::Expired)
            .map_err(broken)
    }

    pub(crate) async fn give_back(
        &mut self,
        at: usize,
        place: usize,
    ) -> Result<Result<usize, String>, Broken> {
        let order = self.stored(at)?;
        let (_, account) = self
            .market()
            .account_named(&order.bids[place].account)
            .unwrap();
        let Some(rule) = account.returns else {
            return Ok(Err("not_returnable".into()));
        };
        let delivery = self.delivery(at, place);
        match self
            .store
            .request_return(delivery, "no answer".into(), rule, self.now_ms)
            .await
        {
            Ok(given_back) => {
                self.returns.push((given_back.id, given_back.state));
                Ok(Ok(self.returns.len() - 1))
            }
            Err(ChangeError::Refused(refused)) => Ok(Err(refusal_word(refused).into())),
            Err(error) => Err(broken(error)),
        }
    }

    pub(crate) async fn decide_return(
        &mut self,
        number: usize,
        accept: bool,
    ) -> Result<(), Broken> {
        let (id, state) = &mut self.returns[number];
        let decided = self.store.decide_return(*id, accept, self.now_ms).await;
        *state = decided.map_err(broken)?.state;
        Ok(())
    }

    pub(crate) fn return_told(&self, number: usize) -> &'static str {
        self.returns[number].1.word()
    }
}
