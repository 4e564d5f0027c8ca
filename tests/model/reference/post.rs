//! The post: claim, deliveries, settlement.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Reference {
    /// Steps 2 to 5.
    pub(crate) fn post(&mut self, at: usize, sent: &Sent) -> Told {
        let order = &self.orders[at];
        let campaign = self.campaign(order.market, order.campaign);
        let mut lead = values::values(sent);
        let mut faults = BTreeSet::new();
        for field in 0..FIELDS.len() {
            if let Some(pinged) = &order.pinged[field] {
                if lead[field].as_ref().is_some_and(|value| value != pinged)
                    && !campaign.keep_pinged
                {
                    faults.insert((FIELDS[field].0.to_owned(), "field_changed".to_owned()));
                }
                lead[field] = Some(pinged.clone());
            }
        }
        faults.extend(missing(&campaign.post_required, &lead));
        match order.state {
            State::Expired => return Told::Refused("order_expired".into()),
            State::Open if self.now_ms >= order.expires_at_ms => {
                return Told::Refused("order_expired".into());
            }
            State::Open => {}
            State::Posting => return Told::Refused("post_in_progress".into()),
            State::Sold | State::Accepted | State::Rejected => {
                return if faults.is_empty() && lead == order.lead {
                    self.told(at)
                } else {
                    Told::Refused("already_posted".into())
                };
            }
        }
        if !faults.is_empty() {
            return Told::Faults(faults);
        }
        self.claim(at, lead, self.now_ms);
        self.told(at)
    }

    pub(super) fn claim(&mut self, at: usize, lead: Values, received_ms: u64) {
        let (market, campaign_at) = (self.orders[at].market, self.orders[at].campaign);
        let campaign = self.campaign(market, campaign_at);
        let is_test = self.orders[at].ping.test;
        let is_duplicate = !is_test && self.is_duplicate(Some(at), market, campaign_at, &lead);
        let takes_now = !is_test && campaign.hold_at_post;
        let is_full = takes_now && self.room(Owner::Campaign(campaign_at), None).is_err();
        let taken = self.taken(Owner::Campaign(campaign_at));
        let order = &mut self.orders[at];
        order.state = State::Posting;
        order.lead = lead;
        order.posted_at_ms = received_ms;
        order.until_ms = campaign
            .waits
            .then_some(received_ms + campaign.post_deadline_ms);
        order.covered = !campaign.scan_for_coverage;
        if is_duplicate || is_full {
            order.reject(if is_duplicate {
                "duplicate"
            } else {
                "campaign_cap_reached"
            });
            order.finished = true;
        } else if takes_now {
            order.take_campaign(taken);
        }
    }

    /// Steps 6 to 9: the next thing that the host does for a lead by itself.
    pub(crate) fn drive(&mut self, at: usize) -> Told {
        match self.look(at, &[]) {
            Next::Try(places) => places.into_iter().for_each(|place| self.try_on(at, place)),
            Next::Wait => {}
            Next::Done => self.has_ended(at),
        }
        self.told(at)
    }

    /// Steps 6 and 9, where they are due, and what is next, while these bids are being tried.
    pub(super) fn look(&mut self, at: usize, under_way: &[usize]) -> Next {
        let order = &self.orders[at];
        let campaign = self.campaign(order.market, order.campaign);
        if order.state == State::Posting && order.answer.is_none() {
            if !order.covered {
                let covers = |bid: &Bid| {
                    let account = self.account(order.market, bid.account);
                    values::meets_all(&account.criteria, &order.lead, true)
                        && order.ping.says[bid.account].still_covers
                        && values::has_shade(account.shades.as_ref(), &order.lead)
                };
                if !order.bids.iter().any(covers) {
                    self.settle(at, &campaign, "no_coverage");
                    return Next::Wait;
                }
                self.orders[at].covered = true;
            }
            if !campaign.waits {
                self.accept(at, &campaign);
            }
        }
        self.next(at, &campaign, under_way)
    }

    /// Nothing is left to try.
    pub(super) fn has_ended(&mut self, at: usize) {
        let order = &self.orders[at];
        let campaign = self.campaign(order.market, order.campaign);
        match order.state {
            State::Posting => self.settle(at, &campaign, "not_delivered"),
            _ => self.finish(at, &campaign),
        }
    }

    fn next(&self, at: usize, campaign: &Campaign, under_way: &[usize]) -> Next {
        let order = &self.orders[at];
        let in_flight = !under_way.is_empty()
            || order
                .deliveries
                .iter()
                .any(|delivery| delivery.at == At::InFlight);
        let with = |wanted: At| {
            order
                .deliveries
                .iter()
                .any(|delivery| delivery.at == wanted)
        };
        let nothing = || {
            if in_flight || (with(At::Unconfirmed) && order.state == State::Accepted) {
                Next::Wait
            } else {
                Next::Done
            }
        };
        if order.until_ms.is_some_and(|until| self.now_ms >= until) {
            // At the deadline what is out is unconfirmed: nobody waits for it.
            return Next::Done;
        }
        let stops = |delivery: &Delivery| {
            let account = order.bids[delivery.bid].account;
            delivery.at == At::Unconfirmed && self.account(order.market, account).stops
        };
        if order.erased || order.deliveries.iter().any(stops) {
            return nothing();
        }
        let first: Vec<usize> = order
            .selected
            .iter()
            .copied()
            .filter(|place| order.delivery(*place).is_none() && !under_way.contains(place))
            .collect();
        if !first.is_empty() {
            return Next::Try(first);
        }
        // What is being tried has its place.
        let members: Vec<usize> = order
            .deliveries
            .iter()
            .filter(|delivery| delivery.at.has_the_lead())
            .map(|delivery| delivery.bid)
            .chain(under_way.iter().copied())
            .collect();
        let untried = |now_ms: u64| -> Vec<usize> {
            (0..order.bids.len())
                .filter(|place| !under_way.contains(place))
                .filter(
                    |place| match order.delivery(*place).map(|delivery| delivery.at) {
                        None => true,
                        Some(At::Retrying(from_ms)) => from_ms <= now_ms,
                        Some(_) => false,
                    },
                )
                .collect()
        };
        let someone_bought = with(At::Sold);
        let would_cost = |revenue: Decimal| match campaign.cost {
            _ if someone_bought => None,
            Cost::PerLead(_) if order.state == State::Accepted => None,
            Cost::Share(_) | Cost::Margin(_) if order.state == State::Accepted => {
                Some(auction::cost_of(campaign.cost, revenue).min(order.cost))
            }
            _ => Some(order.cost),
        };
        let asked_for: Vec<usize> = untried(self.now_ms)
            .into_iter()
            .filter(|place| order.delivery(*place).is_some_and(|one| one.asked_for))
            .collect();
        // Whatever an operator asks for may be sold at any price.
        let by_hand = auction::fallback(
            campaign,
            order.ping.min_bid,
            &order.bids,
            &asked_for,
            &members,
            &|_| None,
        );
        if let Some(places) = by_hand {
            return Next::Try(places);
        }
        let select = |now_ms: u64| {
            auction::fallback(
                campaign,
                order.ping.min_bid,
                &order.bids,
                &untried(now_ms),
                &members,
                &would_cost,
            )
        };
        if let Some(places) = select(self.now_ms) {
            return Next::Try(places);
        }
        if in_flight {
            return Next::Wait;
        }
        let later =
            |delivery: &Delivery| matches!(delivery.at, At::Retrying(from) if from > self.now_ms);
        if order.deliveries.iter().any(later) && select(u64::MAX).is_some() {
            return Next::Wait;
        }
        nothing()
    }

    /// Step 7 for one account: checked once more, then tried.
    pub(super) fn try_on(&mut self, at: usize, place: usize) {
        let order = &self.orders[at];
        let bid = order.bids[place].clone();
        let account = self.account(order.market, bid.account);
        let says: Says = order.ping.says[bid.account].clone();
        let tries = order
            .delivery(place)
            .map_or(0, |delivery| delivery.unreachable);
        let end = says.end(tries);
        let until_ms = order.until_ms;
        let has_room = order.rooms.contains_key(&place);
        let is_test = order.ping.test;
        let passed = if !self.account(self.today, bid.account).active {
            Some("not_active")
        } else if !values::meets_all(&account.criteria, &order.lead, true) {
            Some("criteria")
        } else if !is_test
            && account.duplicates.as_ref().is_some_and(|same| {
                self.had(same, bid.account, Some(at), &order.lead, order.posted_at_ms)
            })
        {
            Some("duplicate")
        } else if !says.still_qualifies || !values::has_shade(account.shades.as_ref(), &order.lead)
        {
            Some("filtered")
        } else if end == End::Declined {
            Some("declined")
        } else {
            None
        };
        if let Some(word) = passed {
            return self.orders[at].put(place, At::PassedOver(word));
        }
        if end == End::Unreachable {
            let again = account.retry.filter(|(attempts, _)| tries < *attempts);
            let from_ms = again
                .map(|(_, wait_ms)| self.now_ms + wait_ms)
                .filter(|from_ms| until_ms.is_none_or(|until_ms| *from_ms < until_ms));
            let state = match from_ms {
                Some(from_ms) => At::Retrying(from_ms),
                None if account.retry.is_some() => At::Failed,
                None => At::PassedOver("unreachable"),
            };
            self.orders[at].put(place, state);
            self.orders[at].delivery_mut(place).unreachable += 1;
            return;
        }
        let owner = Owner::Account(bid.account);
        if !is_test && !has_room && self.room(owner, Some(bid.amount)).is_err() {
            let order = &mut self.orders[at];
            let asked_for = order.delivery(place).is_some_and(|one| one.asked_for);
            let state = if asked_for {
                At::Failed
            } else {
                At::PassedOver("lost_room")
            };
            return order.put(place, state);
        }
        let taken = self.taken(owner);
        let order = &mut self.orders[at];
        if !is_test && !has_room {
            order.take(place, owner, taken);
        }
        order.put(place, At::InFlight);
    }

    /// Every delivery under way.
    pub(crate) fn under_way(&self) -> Vec<(usize, usize)> {
        self.deliveries_at(At::InFlight)
    }

    /// Every delivery where something stands so.
    pub(crate) fn deliveries_at(&self, at: At) -> Vec<(usize, usize)> {
        let orders = self.orders.iter().enumerate();
        orders
            .flat_map(|(order, there)| {
                let found = there
                    .deliveries
                    .iter()
                    .filter(move |delivery| delivery.at == at);
                found.map(move |delivery| (order, delivery.bid))
            })
            .collect()
    }

    /// A try ends as its buyer says.
    pub(crate) fn end(&mut self, at: usize, place: usize) -> Told {
        let now_ms = self.now_ms;
        let order = &mut self.orders[at];
        let amount = order.bids[place].amount;
        let tries = order
            .delivery(place)
            .map_or(0, |delivery| delivery.unreachable);
        let before = order.owed(&self.markets);
        match order.ping.says[order.bids[place].account].end(tries) {
            End::Accept => order.sell(place, amount, now_ms),
            End::AcceptAt(price) => order.sell(place, price, now_ms),
            End::Reject => order.put(place, At::Rejected),
            End::Unconfirmed => order.put(place, At::Unconfirmed),
            End::Unreachable | End::Declined => unreachable!("nothing was sent"),
        }
        if self.orders[at].state != State::Posting {
            self.book(at, &[place], before);
        }
        self.told(at)
    }

    pub(super) fn accept(&mut self, at: usize, campaign: &Campaign) {
        let order = &mut self.orders[at];
        order.state = State::Accepted;
        let fixed = matches!(campaign.cost, Cost::PerLead(_)) || order.cost.is_zero();
        let how = if fixed { "" } else { " up to" };
        order.answer = Some(("accepted".into(), format!("{}{how}", order.cost)));
        self.book(at, &[], Decimal::ZERO);
    }

    /// Step 8, where the supplier waits.
    pub(super) fn settle(&mut self, at: usize, campaign: &Campaign, reason: &str) {
        let markets = &self.markets;
        let order = &mut self.orders[at];
        for delivery in &mut order.deliveries {
            if delivery.at == At::InFlight {
                delivery.at = At::Unconfirmed;
            }
        }
        order.fail_retries();
        let sold = order.places(At::Sold);
        let doubtful = !order.places(At::Unconfirmed).is_empty();
        order.finished = !doubtful;
        if sold.is_empty() {
            order.reject(if doubtful {
                "delivery_unconfirmed"
            } else {
                reason
            });
        } else {
            order.state = State::Sold;
            order.answer = Some(("sold".into(), format!("{} to {}", order.cost, sold.len())));
        }
        if !doubtful {
            order.mark_partial_loss(campaign, markets);
        }
        order.release_what_is_not_with_a_buyer();
        self.book(at, &sold, Decimal::ZERO);
    }

    /// An accepted lead has nothing left to try.
    pub(super) fn finish(&mut self, at: usize, campaign: &Campaign) {
        let markets = &self.markets;
        let order = &mut self.orders[at];
        order.fail_retries();
        order.mark_partial_loss(campaign, markets);
        order.finished = true;
        order.release_what_is_not_with_a_buyer();
    }

    /// Adds entries: the revenue of these bids, and what changed in the cost.
    pub(super) fn book(&mut self, at: usize, sold: &[usize], before: Decimal) {
        let (now_ms, markets) = (self.now_ms, &self.markets);
        let order = &mut self.orders[at];
        if order.ping.test {
            return;
        }
        for place in sold {
            let account = order.bids[*place].account;
            if let Some(delivery) = order
                .delivery(*place)
                .filter(|delivery| delivery.at == At::Sold)
            {
                let entry = EntryTold {
                    kind: "revenue",
                    account: Some(account),
                    amount: delivery.price.unwrap(),
                    marks: delivery.marks.iter().map(ToString::to_string).collect(),
                    at_ms: now_ms,
                };
                order.entries.push(entry);
            }
        }
        let change = order.owed(markets) - before;
        order.enter("cost", None, change, now_ms);
        // What is sold later changes what was to be charged for what was given back.
        self.charge(at);
    }
}
