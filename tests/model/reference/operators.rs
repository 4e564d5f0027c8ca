//! What operators do, what time does, and returns.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Reference {
    pub(crate) fn settle_by_hand(&mut self, at: usize, place: usize, how: Settle) -> Told {
        let now_ms = self.now_ms;
        let order = &mut self.orders[at];
        let amount = order.bids[place].amount;
        let before = order.owed(&self.markets);
        let price = match how {
            Settle::SoldAt(price) if price > amount => {
                return Told::Refused("above the bid".into());
            }
            Settle::SoldAt(price) => Some(price),
            Settle::Sold => Some(amount),
            Settle::NotSold => None,
        };
        match price {
            Some(price) => {
                order.sell(place, price, now_ms);
                if order.state == State::Rejected {
                    order.delivery_mut(place).marks.insert("unpaid_supplier");
                }
            }
            None => order.put(place, At::Rejected),
        }
        order.delivery_mut(place).by_hand = true;
        let doubtful = !order.places(At::Unconfirmed).is_empty();
        if !doubtful && matches!(order.state, State::Sold | State::Rejected) {
            order.finished = true;
        }
        if !doubtful && order.state == State::Sold {
            let campaign = &self.markets[order.market].campaigns[order.campaign];
            order.mark_partial_loss(campaign, &self.markets);
        }
        if order.state == State::Rejected {
            order.release_what_is_not_with_a_buyer();
        }
        if self.orders[at].state != State::Posting {
            self.book(at, &[place], before);
        }
        self.told(at)
    }

    pub(crate) fn retry_by_hand(&mut self, at: usize, place: usize) -> Told {
        let order = &self.orders[at];
        let wanted = &order.bids[place];
        let hands = auction::hands(&self.campaign(order.market, order.campaign));
        let alone = |bid: &Bid| bid.exclusive || hands == 1;
        let with: Vec<&Delivery> = order
            .deliveries
            .iter()
            .filter(|delivery| delivery.at.has_the_lead())
            .collect();
        let in_the_way = with.iter().any(|delivery| {
            let bid = &order.bids[delivery.bid];
            bid.buyer == wanted.buyer || alone(bid) || alone(wanted)
        });
        let stops = order.deliveries.iter().any(|delivery| {
            let account = order.bids[delivery.bid].account;
            delivery.at == At::Unconfirmed && self.account(order.market, account).stops
        });
        let failed = order
            .delivery(place)
            .is_some_and(|delivery| delivery.at == At::Failed);
        let may = failed
            && order.state == State::Accepted
            && !order.erased
            && !stops
            && !in_the_way
            && with.len() < hands;
        if !may {
            return Told::Refused("not_retryable".into());
        }
        let now_ms = self.now_ms;
        let order = &mut self.orders[at];
        let delivery = order.delivery_mut(place);
        delivery.at = At::Retrying(now_ms);
        delivery.asked_for = true;
        order.finished = false;
        self.told(at)
    }

    pub(crate) fn erase(&mut self, at: usize) -> Told {
        let order = &mut self.orders[at];
        order.fail_retries();
        order.erased = true;
        order.release_what_is_not_with_a_buyer();
        let out =
            !(order.places(At::InFlight).is_empty() && order.places(At::Unconfirmed).is_empty());
        if order.state == State::Accepted && !out && !order.finished {
            let campaign = self.campaign(self.orders[at].market, self.orders[at].campaign);
            self.finish(at, &campaign);
        }
        self.told(at)
    }

    pub(crate) fn expire(&mut self) -> Told {
        let mut count = 0;
        for order in &mut self.orders {
            if order.state == State::Open && order.expires_at_ms <= self.now_ms {
                order.state = State::Expired;
                order.rooms.clear();
                order.campaign_room = None;
                count += 1;
            }
        }
        Told::Expired(count)
    }

    /// Whether a buyer may give a delivery back; the return's place, or why not.
    pub(crate) fn give_back(&mut self, at: usize, place: usize) -> Result<usize, &'static str> {
        let order = &self.orders[at];
        let whose = order.bids[place].account;
        let rule = self
            .account(self.today, whose)
            .returns
            .ok_or("not_returnable")?;
        let delivery = order
            .delivery(place)
            .filter(|delivery| delivery.at == At::Sold);
        let sold_at_ms = delivery.ok_or("not_returnable")?.sold_at_ms;
        if self
            .returns
            .iter()
            .any(|other| (other.order, other.bid) == (at, place))
        {
            return Err("already_returned");
        }
        if self.now_ms - sold_at_ms >= rule.within_ms {
            return Err("return_too_late");
        }
        let owner = Owner::Account(whose);
        let month = self.shown(owner, sold_at_ms);
        let mut sold = 0_u64;
        let mut returned = 0_u64;
        for (other_at, other) in self.orders.iter().enumerate() {
            for delivery in &other.deliveries {
                let of_month = delivery.at == At::Sold
                    && !other.ping.test
                    && other.bids[delivery.bid].account == whose
                    && self.shown(owner, delivery.sold_at_ms).shares(&month, 3);
                if of_month {
                    sold += 1;
                    let counts = |one: &&Return| {
                        (one.order, one.bid) == (other_at, delivery.bid)
                            && (one.pending || one.accepted)
                    };
                    returned += u64::from(self.returns.iter().any(|one| counts(&one)));
                }
            }
        }
        let most = (Decimal::from(sold) * rule.max_percent / Decimal::from(100)).trunc();
        if Decimal::from(returned + 1) > most {
            return Err("return_limit");
        }
        self.returns.push(Return {
            order: at,
            bid: place,
            pending: true,
            accepted: false,
            charges: rule.charge_supplier,
        });
        let number = self.returns.len() - 1;
        if rule.auto_accept {
            self.decide_return(number, true);
        }
        Ok(number)
    }

    pub(crate) fn decide_return(&mut self, number: usize, accept: bool) {
        let now_ms = self.now_ms;
        let given_back = &mut self.returns[number];
        given_back.pending = false;
        given_back.accepted = accept;
        if !accept {
            return;
        }
        let (at, place) = (given_back.order, given_back.bid);
        let whose = self.orders[at].bids[place].account;
        let order = &mut self.orders[at];
        let price = order.delivery(place).unwrap().price.unwrap();
        order.entries.push(EntryTold {
            kind: "return",
            account: Some(whose),
            amount: price,
            marks: BTreeSet::new(),
            at_ms: now_ms,
        });
        self.charge(at);
    }

    /// What the supplier is to be charged in all for a lead, less what was charged.
    pub(super) fn charge(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let order = &mut self.orders[at];
        let given: Decimal = self
            .returns
            .iter()
            .filter(|other| other.order == at && other.accepted && other.charges)
            .map(|other| order.delivery(other.bid).unwrap().price.unwrap())
            .sum();
        let sum = |kind: &str| -> Decimal {
            order
                .entries
                .iter()
                .filter(|entry| entry.kind == kind)
                .map(|entry| entry.amount)
                .sum()
        };
        let revenue = sum("revenue");
        let all = if revenue.is_zero() {
            Decimal::ZERO
        } else {
            exactly_down(sum("cost"), given, revenue)
        };
        let due = all - sum("charge");
        order.enter("charge", None, due, now_ms);
    }

    /// The word for how a return stands.
    pub(crate) fn return_told(&self, number: usize) -> &'static str {
        let given_back = &self.returns[number];
        match (given_back.pending, given_back.accepted) {
            (true, _) => "pending",
            (false, true) => "accepted",
            (false, false) => "declined",
        }
    }

    pub(crate) fn is_direct(&self, campaign: usize) -> bool {
        self.markets[self.today].campaigns[campaign].direct
    }

    /// Whether the buyers of an order's lead may give it back: it is real, and answered.
    pub(crate) fn may_be_returned(&self, at: usize) -> bool {
        let order = &self.orders[at];
        order.state != State::Posting && !order.ping.test
    }
}
