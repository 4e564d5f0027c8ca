//! The ping, and the direct post up to its claim.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Reference {
    /// Steps 3 to 10.
    pub(crate) fn scan(&mut self, ping: &Ping) -> Told {
        let campaign = self.campaign(self.today, ping.campaign);
        let lead = values::values(&ping.lead);
        let required = if campaign.direct {
            &campaign.post_required
        } else {
            &campaign.ping_required
        };
        let faults = missing(required, &lead);
        if !faults.is_empty() {
            return Told::Faults(faults);
        }
        if !campaign.active {
            return Told::Refused("campaign_not_active".into());
        }
        if !ping.test && self.room(Owner::Campaign(ping.campaign), None).is_err() {
            return Told::Refused("campaign_cap_reached".into());
        }
        let mut outcomes = BTreeMap::new();
        let mut bids = Vec::new();
        for account in 0..self.zones.len() {
            match self.consider(ping, &campaign, account, &lead) {
                Ok(bid) => bids.push(bid),
                Err(outcome) => {
                    outcomes.insert(account, outcome);
                }
            }
        }
        let decided = Decided {
            market: self.today,
            ping: ping.clone(),
            lead,
            at_ms: self.now_ms,
            bids: auction::rank(&campaign, bids),
            outcomes,
        };
        let told = self.decide(&decided, &[]).0;
        self.decided.push(decided);
        told
    }

    /// Step 7 for one account.
    pub(super) fn consider(
        &self,
        ping: &Ping,
        campaign: &Campaign,
        at: usize,
        lead: &Values,
    ) -> Result<Bid, &'static str> {
        let account = self.account(self.today, at);
        let owner = Owner::Account(at);
        let says = &ping.says[at];
        let now = self.shown(owner, self.now_ms);
        if !account.active {
            return Err("not_active");
        }
        if campaign
            .group
            .as_ref()
            .is_some_and(|group| !group.contains(&at))
        {
            return Err("not_in_group");
        }
        if !account.schedule.is_empty()
            && !account.schedule.iter().any(|hours| now.is_within(hours))
        {
            return Err("outside_schedule");
        }
        if !values::meets_all(
            &account.criteria,
            lead,
            campaign.direct || campaign.qualify_all,
        ) {
            return Err("criteria");
        }
        if !ping.test {
            self.room(owner, None)?;
            let shown = values::without_personal(lead);
            if account
                .duplicates
                .as_ref()
                .is_some_and(|same| self.had(same, at, None, &shown, self.now_ms))
            {
                return Err("duplicate");
            }
        }
        if !says.qualifies || !values::has_shade(account.shades.as_ref(), lead) {
            return Err("filtered");
        }
        let amount = if account.asks {
            match says.offer {
                Offer::Bid(amount) => amount,
                Offer::Yes => account.price.ok_or("invalid_bid")?,
                Offer::No => return Err("declined"),
                Offer::Unreachable => return Err("unreachable"),
                Offer::Timeout => return Err("timeout"),
                Offer::Unreadable => return Err("invalid_response"),
            }
        } else {
            account.price.unwrap()
        };
        if account.min_price.is_some_and(|least| amount < least) {
            return Err("below_floor");
        }
        if !ping.test {
            self.room(owner, Some(amount))?;
        }
        // A test takes no turn, and is in nobody's.
        let usage = if ping.test {
            UsageTold::default()
        } else {
            self.usage(owner)
        };
        Ok(Bid {
            account: at,
            buyer: account.buyer,
            amount,
            exclusive: account.exclusive,
            priority: account.priority,
            weight: account.weight,
            last_ms: usage.last_ms,
            today: usage.periods[1].0 + usage.periods[1].1,
            hold_at_post: account.hold_at_post,
        })
    }

    /// Steps 9 and 10, without the accounts that lost their room.
    pub(super) fn decide(
        &self,
        decided: &Decided,
        lost: &[usize],
    ) -> (Told, Vec<Bid>, Result<(Quote, Vec<usize>), &'static str>) {
        let campaign = self.campaign(decided.market, decided.ping.campaign);
        let left: Vec<Bid> = decided
            .bids
            .iter()
            .filter(|bid| !lost.contains(&bid.account))
            .cloned()
            .collect();
        let (made, verdict) = auction::decide(&campaign, decided.ping.min_bid, &left);
        let mut outcomes = decided.outcomes.clone();
        outcomes.extend(lost.iter().map(|account| (*account, "lost_room")));
        outcomes.extend(left.iter().map(|bid| bid.account).zip(made));
        let told = Told::Decided {
            outcomes: outcomes
                .into_iter()
                .map(|(account, word)| (account, word.to_owned()))
                .collect(),
            verdict: verdict
                .clone()
                .map(|(quote, _)| quote)
                .map_err(ToOwned::to_owned),
        };
        (told, left, verdict)
    }

    /// Step 11; of a direct post, with steps 4 and 5 of the post.
    pub(crate) fn record(&mut self, at: usize) -> Told {
        let decided = self.decided.remove(at);
        let campaign_at = decided.ping.campaign;
        let campaign = self.campaign(decided.market, campaign_at);
        let mut lost = Vec::new();
        let (told, bids, quote, selected) = loop {
            let (told, bids, verdict) = self.decide(&decided, &lost);
            let Ok((quote, selected)) = verdict else {
                return told;
            };
            if decided.ping.test {
                break (told, bids, quote, selected);
            }
            if !campaign.hold_at_post && self.room(Owner::Campaign(campaign_at), None).is_err() {
                return Told::Refused("campaign_cap_reached".into());
            }
            let full: Vec<usize> = selected
                .iter()
                .map(|place| &bids[*place])
                .filter(|bid| {
                    !bid.hold_at_post
                        && self
                            .room(Owner::Account(bid.account), Some(bid.amount))
                            .is_err()
                })
                .map(|bid| bid.account)
                .collect();
            if full.is_empty() {
                break (told, bids, quote, selected);
            }
            lost.extend(full);
        };
        let is_test = decided.ping.test;
        let mut order = Order {
            market: decided.market,
            campaign: campaign_at,
            pinged: values::without_personal(&decided.lead),
            expires_at_ms: self.now_ms + campaign.window_ms,
            bids,
            selected,
            cost: quote.cost,
            state: State::Open,
            rooms: BTreeMap::new(),
            campaign_room: None,
            ever: Vec::new(),
            lead: decided.lead,
            posted_at_ms: decided.at_ms,
            until_ms: None,
            covered: false,
            deliveries: Vec::new(),
            answer: None,
            finished: false,
            erased: false,
            entries: Vec::new(),
            ping: decided.ping,
        };
        if !is_test {
            for place in order.selected.clone() {
                if !order.bids[place].hold_at_post {
                    let owner = Owner::Account(order.bids[place].account);
                    order.take(place, owner, self.taken(owner));
                }
            }
            if !campaign.hold_at_post {
                order.take_campaign(self.taken(Owner::Campaign(campaign_at)));
            }
        }
        self.orders.push(order);
        if campaign.direct {
            let me = self.orders.len() - 1;
            let lead = self.orders[me].lead.clone();
            self.claim(me, lead, decided.at_ms);
            let order = &mut self.orders[me];
            if order.state == State::Rejected {
                // Recorded and rejected in one step: it never held anything.
                order.ever.clear();
            }
        }
        told
    }
}
