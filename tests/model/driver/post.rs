//! The post, as the task of a delivery drives it.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Driver<'_> {
    pub(crate) async fn post(&mut self, at: usize, sent: &Sent) -> Result<Told, Broken> {
        let order = self.stored(at)?;
        let campaign = Arc::clone(&self.orders[at].campaign);
        let pinged = PingLead::from_entries(Arc::clone(&campaign.lead_type), order.lead.clone());
        let read = lead::read_post(&campaign, &raw(sent), &pinged);
        let refused = |word: &str| Ok(Told::Refused(word.to_owned()));
        match order.state {
            OrderState::Open if self.now_ms >= order.expires_at_ms => {
                return refused("order_expired");
            }
            OrderState::Open => {}
            OrderState::Expired => return refused("order_expired"),
            OrderState::Posting => return refused("post_in_progress"),
            OrderState::Sold | OrderState::Accepted | OrderState::Rejected => {
                let posted = order.post.as_ref().ok_or("settled without a post")?;
                return match read {
                    Ok((lead, _)) if self.posted_hash(order.id, &lead) == posted.lead_hash => {
                        Ok(self.told_of(&order))
                    }
                    _ => refused("already_posted"),
                };
            }
        }
        let (lead, warnings) = match read {
            Ok(read) => read,
            Err(errors) => return Ok(Told::Faults(faults(&errors))),
        };
        let claim = self.claim(&campaign, &lead, warnings, self.now_ms, &order);
        let checks = self.checks(&campaign, &lead, &order);
        let claimed = self
            .store
            .claim_order(order.id, claim, b"sealed".to_vec().into(), checks)
            .await;
        let order = claimed.map_err(broken)?;
        self.orders[at].lead = Some(lead);
        Ok(self.told_of(&order))
    }

    pub(super) fn stored(&self, at: usize) -> Result<Order, Broken> {
        self.store
            .order(self.orders[at].id)
            .map_err(broken)?
            .ok_or_else(|| "no such order".into())
    }

    /// Steps 6 to 9: the next thing that the task of a lead's delivery does.
    pub(crate) async fn drive(&mut self, at: usize) -> Result<Told, Broken> {
        let mut order = self.stored(at)?;
        let quoted = &self.orders[at];
        let (id, terms, campaign) = (
            quoted.id,
            quoted.terms.clone(),
            Arc::clone(&quoted.campaign),
        );
        if order.state == OrderState::Posting {
            if !quoted.covered && campaign.post.scan_for_coverage && !self.is_covered(at, &order) {
                return self.settle(id, RejectReason::NoCoverage, terms).await;
            }
            self.orders[at].covered = true;
            if !campaign.post.reject_for_not_delivered {
                order = self
                    .store
                    .accept_order(id, self.now_ms)
                    .await
                    .map_err(broken)?;
            }
        }
        let until_ms = order.post.as_ref().and_then(|post| post.waits_until_ms);
        if order.state == OrderState::Posting && until_ms.is_some_and(|until| self.now_ms >= until)
        {
            return self.settle(id, RejectReason::NotDelivered, terms).await;
        }
        match order.next(&terms, &[], self.now_ms) {
            Next::Deliver(bids) => {
                for bid in bids {
                    order = self.try_on(at, &order, bid).await?;
                }
                Ok(self.told_of(&order))
            }
            Next::Wait | Next::RetryAt(_) | Next::Parked => Ok(self.told_of(&order)),
            Next::Done if order.state == OrderState::Posting => {
                self.settle(id, RejectReason::NotDelivered, terms).await
            }
            Next::Done => {
                let finished = self.store.finish_order(id, terms, self.now_ms).await;
                Ok(self.told_of(&finished.map_err(broken)?))
            }
        }
    }

    pub(super) async fn settle(
        &self,
        id: OrderId,
        reason: RejectReason,
        terms: Terms,
    ) -> Result<Told, Broken> {
        let settled = self
            .store
            .settle_order(id, reason, terms, self.now_ms)
            .await;
        Ok(self.told_of(&settled.map_err(broken)?))
    }

    pub(super) fn is_covered(&self, at: usize, order: &Order) -> bool {
        let quoted = &self.orders[at];
        let lead = quoted.lead.as_ref().unwrap();
        order.bids.iter().any(|bid| {
            let (_, account) = self.markets[quoted.market]
                .account_named(&bid.account)
                .unwrap();
            criteria::first_failed(&account.criteria, lead, Absent::Fails).is_none()
                && quoted.says[self.account_at(&account.id)].still_covers
        })
    }

    pub(super) async fn try_on(&self, at: usize, order: &Order, bid: u16) -> Result<Order, Broken> {
        let quoted = &self.orders[at];
        let offered = &order.bids[usize::from(bid)];
        let (_, account) = self.markets[quoted.market]
            .account_named(&offered.account)
            .unwrap();
        let (_, today) = self.market().account_named(&offered.account).unwrap();
        let lead = quoted.lead.as_ref().unwrap();
        let says = &quoted.says[self.account_at(&account.id)];
        let post = order.post.as_ref().unwrap();
        let tries = order
            .delivery(bid)
            .map_or(0, |delivery| delivery.unreachable);
        let end = says.end(tries);
        let passed = if today.status != gavel_market::model::AccountStatus::Active {
            Some(Outcome::NotActive)
        } else if criteria::first_failed(&account.criteria, lead, Absent::Fails).is_some() {
            Some(Outcome::Criteria)
        } else if !order.test
            && self.had(
                account,
                Some(order),
                &quoted.campaign,
                lead,
                post.received_at_ms,
            )?
        {
            Some(Outcome::Duplicate)
        } else if !says.still_qualifies {
            Some(Outcome::Filtered)
        } else if end == case::End::Declined {
            Some(Outcome::Declined)
        } else {
            None
        };
        if let Some(outcome) = passed {
            return self
                .ended(
                    order.id,
                    bid,
                    account,
                    order::End::PassedOver {
                        outcome,
                        code: None,
                    },
                )
                .await;
        }
        if end == case::End::Unreachable {
            let retry_at_ms = account
                .retry
                .filter(|retry| tries < retry.attempts)
                .map(|retry| self.now_ms + millis(retry.wait))
                .filter(|from_ms| {
                    post.waits_until_ms
                        .is_none_or(|until_ms| *from_ms < until_ms)
                });
            let end = order::End::Unreachable {
                retry_at_ms,
                retries: account.retry.is_some(),
            };
            return self.ended(order.id, bid, account, end).await;
        }
        let needs = if order.test {
            Needs::default()
        } else {
            let comparison = account.duplicates.as_ref();
            Needs {
                room: Some(self.room(&room::Owner::Account(account.id.clone()))),
                comparison: comparison
                    .map(|asked| self.comparison(asked, Among::Account(account.id.clone()), lead)),
            }
        };
        let begun = self
            .store
            .begin_delivery(order.id, bid, account.on_unconfirmed, needs, self.now_ms)
            .await;
        let outcome = match begun {
            Ok(order) => return Ok(order),
            Err(ChangeError::Refused(order::BeginRefused::NoRoom)) => Outcome::LostRoom,
            Err(ChangeError::Refused(order::BeginRefused::Duplicate)) => Outcome::Duplicate,
            Err(error) => return Err(broken(error)),
        };
        self.ended(
            order.id,
            bid,
            account,
            order::End::PassedOver {
                outcome,
                code: None,
            },
        )
        .await
    }

    pub(super) async fn ended(
        &self,
        id: OrderId,
        bid: u16,
        account: &Account,
        end: order::End,
    ) -> Result<Order, Broken> {
        let now_ms = self.now_ms;
        let ended = self
            .store
            .end_delivery(id, bid, end, account.on_unconfirmed, None, now_ms)
            .await;
        ended.map_err(broken)
    }

    /// A try under way ends as its buyer says.
    pub(crate) async fn end(&mut self, at: usize, place: usize) -> Result<Told, Broken> {
        let order = self.stored(at)?;
        let bid = u16::try_from(place).unwrap();
        let quoted = &self.orders[at];
        let (_, account) = self.markets[quoted.market]
            .account_named(&order.bids[place].account)
            .unwrap();
        let tries = order
            .delivery(bid)
            .map_or(0, |delivery| delivery.unreachable);
        let end = match quoted.says[self.account_at(&account.id)].end(tries) {
            case::End::Accept => order::End::Accepted { price: None },
            case::End::AcceptAt(price) => order::End::Accepted {
                price: Some(amount(price)),
            },
            case::End::Reject => order::End::Rejected { code: None },
            case::End::Unconfirmed => order::End::Unconfirmed { code: None },
            case::End::Unreachable | case::End::Declined => return Err("nothing was sent".into()),
        };
        let order = self.ended(order.id, bid, account, end).await?;
        Ok(self.told_of(&order))
    }
}
