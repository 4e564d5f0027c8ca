//! What is taken of caps and budgets, and which leads were there before.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Reference {
    /// All that every order takes of an owner now.
    pub(super) fn takings(&self, owner: Owner) -> Vec<(Shown, bool, Decimal)> {
        let mut takings = Vec::new();
        for order in &self.orders {
            match owner {
                Owner::Account(account) => {
                    for (bid, taken) in &order.rooms {
                        if order.bids[*bid].account == account {
                            let sold = order
                                .delivery(*bid)
                                .filter(|delivery| delivery.at == At::Sold);
                            let amount = match sold {
                                Some(delivery) => delivery.price.unwrap(),
                                None => order.bids[*bid].amount,
                            };
                            takings.push((taken.shown, sold.is_some(), amount));
                        }
                    }
                }
                Owner::Campaign(campaign) if order.campaign == campaign => {
                    if let Some(taken) = order.campaign_room {
                        takings.push((taken.shown, order.counts_as_sold(), Decimal::ZERO));
                    }
                }
                Owner::Campaign(_) => {}
            }
        }
        takings
    }

    /// What was counted of an owner.
    pub(crate) fn usage(&self, owner: Owner) -> UsageTold {
        let now = self.shown(owner, self.now_ms);
        let mut usage = UsageTold::default();
        for (shown, sold, amount) in self.takings(owner) {
            for (period, counted) in usage.periods.iter_mut().enumerate() {
                if shown.shares(&now, period) {
                    let (number, money) = if sold {
                        (&mut counted.0, &mut counted.2)
                    } else {
                        (&mut counted.1, &mut counted.3)
                    };
                    *number += 1;
                    *money += amount;
                }
            }
        }
        let ever = self.orders.iter().flat_map(|order| &order.ever);
        usage.last_ms = ever
            .filter(|(whose, _)| *whose == owner)
            .map(|(_, at_ms)| *at_ms)
            .max();
        usage
    }

    /// Whether there is room for one more, by today's market; without an amount, whether any
    /// money is left.
    pub(super) fn room(&self, owner: Owner, amount: Option<Decimal>) -> Result<(), &'static str> {
        let usage = self.usage(owner);
        let (caps, budget) = match owner {
            Owner::Account(account) => {
                let account = self.account(self.today, account);
                (account.caps, account.budget)
            }
            Owner::Campaign(campaign) => (
                self.campaign(self.today, campaign).caps,
                [None; PERIODS.len()],
            ),
        };
        for period in 0..PERIODS.len() {
            let (sold, held, ..) = usage.periods[period];
            if caps[period].is_some_and(|cap| sold + held + 1 > cap) {
                return Err("cap_reached");
            }
        }
        for period in 0..PERIODS.len() {
            let (.., sold, held) = usage.periods[period];
            let fits = |budget: Decimal| match amount {
                Some(amount) => sold + held + amount <= budget,
                None => sold + held < budget,
            };
            if budget[period].is_some_and(|budget| !fits(budget)) {
                return Err("budget_reached");
            }
        }
        Ok(())
    }

    pub(super) fn taken(&self, owner: Owner) -> Taken {
        Taken {
            at_ms: self.now_ms,
            shown: self.shown(owner, self.now_ms),
        }
    }

    /// Whether a lead was there before, among the leads that `whose` lets through.
    pub(super) fn was_there(
        &self,
        me: Option<usize>,
        at_ms: u64,
        within_ms: u64,
        equal: impl Fn(&Values) -> bool,
        whose: impl Fn(&Order) -> bool,
    ) -> bool {
        self.orders.iter().enumerate().any(|(at, other)| {
            Some(at) != me
                && other.is_remembered()
                && at_ms.saturating_sub(other.posted_at_ms) < within_ms
                && whose(other)
                && equal(&other.lead)
        })
    }

    pub(super) fn supplier(&self, order: &Order) -> usize {
        self.markets[order.market].campaigns[order.campaign].supplier
    }

    /// Post, step 5.
    pub(super) fn is_duplicate(
        &self,
        me: Option<usize>,
        market: usize,
        campaign_at: usize,
        lead: &Values,
    ) -> bool {
        let campaign = self.campaign(market, campaign_at);
        let by_fields = campaign.duplicates.as_ref().is_some_and(|(same, scope)| {
            self.was_there(
                me,
                self.now_ms,
                same.within_ms,
                |other| values::are_same(same, lead, other),
                |other| match scope {
                    Scope::Market => true,
                    Scope::Supplier => self.supplier(other) == campaign.supplier,
                    Scope::Campaign => other.campaign == campaign_at,
                },
            )
        });
        by_fields
            || self.was_there(
                me,
                self.now_ms,
                campaign.window_ms,
                |other| values::are_equal(lead, other),
                |other| self.supplier(other) == campaign.supplier,
            )
    }

    /// Whether an account had a lead before.
    pub(super) fn had(
        &self,
        same: &Same,
        account: usize,
        me: Option<usize>,
        lead: &Values,
        at_ms: u64,
    ) -> bool {
        self.was_there(
            me,
            at_ms,
            same.within_ms,
            |other| values::are_same(same, lead, other),
            |other| {
                other.deliveries.iter().any(|delivery| {
                    delivery.at.has_the_lead() && other.bids[delivery.bid].account == account
                })
            },
        )
    }
}
