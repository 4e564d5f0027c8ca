//! The ping, up to its record; of a direct post, up to its claim.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Driver<'_> {
    pub(crate) fn scan(&mut self, ping: &Ping) -> Result<Told, Broken> {
        let market = Arc::clone(self.market());
        let campaign = Arc::clone(&market.campaigns[&self.campaign_id(ping.campaign)]);
        let raw = raw(&ping.lead);
        let nothing = PingLead::new(Arc::clone(&campaign.lead_type), []);
        let is_direct = self.is_direct(&campaign);
        let read = if is_direct {
            lead::read_post(&campaign, &raw, &nothing)
                .map(|(lead, _)| (lead.without_personal(), Some(lead)))
        } else {
            lead::read_ping(&campaign, &raw, None).map(|lead| (lead, None))
        };
        let (pinged, full) = match read {
            Ok(read) => read,
            Err(errors) => return Ok(Told::Faults(faults(&errors))),
        };
        if campaign.status != CampaignStatus::Active {
            return Ok(Told::Refused("campaign_not_active".into()));
        }
        let owner = room::Owner::Campaign(campaign.id.clone());
        if !ping.test && self.has_room(&owner, None).is_err() {
            return Ok(Told::Refused("campaign_cap_reached".into()));
        }
        let absent = if is_direct || campaign.ping.qualify_all_criteria {
            Absent::Fails
        } else {
            Absent::Unknown
        };
        let standing = match &full {
            Some(full) => self.standing(&market, &campaign, full, absent),
            None => self.standing(&market, &campaign, &pinged, absent),
        }?;
        let mut outcomes = BTreeMap::new();
        let mut bids = Vec::new();
        for (account, ruled_out) in standing {
            let at = self.account_at(&account.id);
            let considered = match ruled_out {
                Some(outcome) => Err(outcome),
                None => self.consider(ping, &campaign, &account, &pinged)?,
            };
            match considered {
                Ok(bid) => bids.push(bid),
                Err(outcome) => {
                    outcomes.insert(at, outcome.word().to_owned());
                }
            }
        }
        let terms = Terms::of(&campaign, ping.min_bid.map(amount));
        let decided = Decided {
            market: self.today,
            ranked: auction::rank(&terms, bids),
            campaign,
            ping: ping.clone(),
            received_ms: self.now_ms,
            pinged,
            full,
            outcomes,
        };
        let decision = auction::decide(&terms, &decided.ranked);
        let told = self.decision_told(&decided.outcomes, &decided.ranked, &decision);
        self.decided.push(decided);
        Ok(told)
    }

    pub(crate) fn is_direct(&self, campaign: &Campaign) -> bool {
        campaign.channel == gavel_market::model::Channel::DirectPost
    }

    /// Every account, with why it may not be asked: by the index, which must say the same as
    /// looking at each.
    pub(super) fn standing(
        &self,
        market: &Market,
        campaign: &Campaign,
        lead: &impl Fields,
        absent: Absent,
    ) -> Result<Vec<(Arc<Account>, Option<Outcome>)>, Broken> {
        let asked = market.to_ask(campaign, lead, absent, self.now_ms);
        let asked: BTreeSet<&AccountId> = asked
            .iter()
            .filter_map(|ix| market.account(*ix))
            .map(|account| &account.id)
            .collect();
        market
            .accounts
            .iter()
            .map(|account| {
                let ruled_out = market.outcome_of(campaign, account, lead, absent, self.now_ms);
                if ruled_out.is_none() == asked.contains(&account.id) {
                    Ok((Arc::clone(account), ruled_out.map(|(outcome, _)| outcome)))
                } else {
                    Err(format!(
                        "{}: {ruled_out:?}, and asked {asked:?}",
                        account.id
                    ))
                }
            })
            .collect()
    }

    pub(super) fn consider(
        &self,
        ping: &Ping,
        campaign: &Campaign,
        account: &Account,
        pinged: &PingLead,
    ) -> Result<Result<Bid, Outcome>, Broken> {
        let owner = room::Owner::Account(account.id.clone());
        let says = &ping.says[self.account_at(&account.id)];
        if !ping.test {
            if let Err(full) = self.has_room(&owner, None) {
                return Ok(Err(full));
            }
            if self.had(account, None, campaign, pinged, self.now_ms)? {
                return Ok(Err(Outcome::Duplicate));
            }
        }
        if !says.qualifies {
            return Ok(Err(Outcome::Filtered));
        }
        let offered = if account.ping_during_sort {
            match says.offer {
                Offer::Bid(bid) => Ok(amount(bid)),
                Offer::Yes => account.price.ok_or(Outcome::InvalidBid),
                Offer::No => Err(Outcome::Declined),
                Offer::Unreachable => Err(Outcome::Unreachable),
                Offer::Timeout => Err(Outcome::Timeout),
                Offer::Unreadable => Err(Outcome::InvalidResponse),
            }
        } else {
            Ok(account.price.unwrap())
        };
        let amount = match offered {
            Ok(amount) if account.min_price.is_some_and(|least| amount < least) => {
                return Ok(Err(Outcome::BelowFloor));
            }
            Ok(amount) => amount,
            Err(outcome) => return Ok(Err(outcome)),
        };
        if !ping.test
            && let Err(full) = self.has_room(&owner, Some(amount))
        {
            return Ok(Err(full));
        }
        let usage = self.store.usage(&owner);
        let turn = if ping.test {
            room::Turn::default()
        } else {
            usage.turn(account.weight, usage.moment(self.now_ms))
        };
        Ok(Ok(Bid {
            account: account.id.clone(),
            buyer: account.buyer.clone(),
            amount,
            reference: None,
            priority: account.priority,
            exclusive: account.exclusive,
            turn,
            hold: account.hold,
        }))
    }

    pub(super) fn decision_told(
        &self,
        others: &BTreeMap<usize, String>,
        ranked: &[Bid],
        decision: &Decision,
    ) -> Told {
        let mut outcomes = others.clone();
        let made = ranked.iter().zip(&decision.outcomes);
        outcomes.extend(
            made.map(|(bid, outcome)| (self.account_at(&bid.account), outcome.word().to_owned())),
        );
        let verdict = match &decision.verdict {
            Ok(quote) => Ok(Quote {
                selected: quote
                    .selected
                    .iter()
                    .map(|place| self.account_at(&ranked[usize::from(*place)].account))
                    .collect(),
                revenue: plain(quote.revenue),
                cost: plain(quote.cost),
            }),
            Err(reason) => Err(reason.word().to_owned()),
        };
        Told::Decided { outcomes, verdict }
    }

    /// Step 11; of a direct post, with steps 4 and 5 of the post.
    pub(crate) async fn record(&mut self, at: usize) -> Result<Told, Broken> {
        let mut decided = self.decided.remove(at);
        let terms = Terms::of(&decided.campaign, decided.ping.min_bid.map(amount));
        *self.ids += 1;
        let id = OrderId(Ulid::from_parts(decided.received_ms, *self.ids));
        loop {
            let decision = auction::decide(&terms, &decided.ranked);
            let told = self.decision_told(&decided.outcomes, &decided.ranked, &decision);
            let Ok(quote) = decision.verdict else {
                return Ok(told);
            };
            let order = self.order(id, &decided, &terms, quote);
            match self.open(&decided, order).await {
                Ok(()) => {
                    self.orders.push(Quoted {
                        id,
                        market: decided.market,
                        campaign: decided.campaign,
                        terms,
                        says: decided.ping.says,
                        lead: decided.full,
                        covered: false,
                    });
                    return Ok(told);
                }
                Err(OpenOrderError::NoRoom(owners)) => {
                    for owner in owners {
                        match owner {
                            room::Owner::Campaign(_) => {
                                return Ok(Told::Refused("campaign_cap_reached".into()));
                            }
                            room::Owner::Account(account) => {
                                decided.ranked.retain(|bid| bid.account != account);
                                let lost = Outcome::LostRoom.word().to_owned();
                                decided.outcomes.insert(self.account_at(&account), lost);
                            }
                        }
                    }
                }
                Err(error) => return Err(broken(error)),
            }
        }
    }

    pub(super) async fn open(&self, decided: &Decided, order: Order) -> Result<(), OpenOrderError> {
        let rooms = self.rooms(&order);
        let ping = record_of(&order);
        let until = Instant::now() + Duration::from_mins(1);
        match &decided.full {
            None => self.store.open_order(order, rooms, ping, None, until).await,
            Some(full) => {
                let claim = self.claim(
                    &decided.campaign,
                    full,
                    Vec::new(),
                    decided.received_ms,
                    &order,
                );
                let checks = self.checks(&decided.campaign, full, &order);
                let personal = b"sealed".to_vec().into();
                let opened = self
                    .store
                    .open_posting(order, claim, personal, checks, rooms, ping, None, until);
                opened.await.map(|_| ())
            }
        }
    }

    pub(super) fn rooms(&self, order: &Order) -> Rooms {
        let accounts = order
            .bids
            .iter()
            .map(|bid| room::Owner::Account(bid.account.clone()));
        let owners = accounts.chain([room::Owner::Campaign(order.campaign.clone())]);
        owners
            .map(|owner| (owner.clone(), self.room(&owner)))
            .collect()
    }

    pub(super) fn order(
        &self,
        id: OrderId,
        decided: &Decided,
        terms: &Terms,
        quote: auction::Quote,
    ) -> Order {
        Order {
            id,
            campaign: decided.campaign.id.clone(),
            supplier: decided.campaign.supplier.clone(),
            revision: u64::try_from(decided.market).unwrap(),
            digests: BTreeMap::new(),
            received_at_ms: decided.received_ms,
            expires_at_ms: self.now_ms + millis(decided.campaign.window),
            room_at_ms: self.now_ms,
            hold: decided.campaign.hold,
            test: decided.ping.test,
            lead: decided.pinged.entries(),
            sub_id: None,
            min_bid: terms.min_bid,
            bids: decided.ranked.clone(),
            quote,
            cost: decided.campaign.cost,
            max_deliveries: terms.max_deliveries,
            state: OrderState::Open,
            post: None,
        }
    }

    pub(super) fn claim(
        &self,
        campaign: &Campaign,
        lead: &FullLead,
        warnings: Vec<FieldError>,
        received_at_ms: u64,
        order: &Order,
    ) -> Claim {
        Claim {
            received_at_ms,
            waits_until_ms: campaign
                .post
                .reject_for_not_delivered
                .then(|| received_at_ms + millis(campaign.post.deadline)),
            lead_hash: self.posted_hash(order.id, lead),
            lead: lead.clear_and_personal().0,
            fingerprints: if order.test {
                Vec::new()
            } else {
                self.fingerprints(campaign, lead, received_at_ms)
            },
            warnings,
        }
    }

    pub(super) fn posted_hash(&self, id: OrderId, lead: &FullLead) -> Digest {
        let bytes = [id.to_string().into_bytes(), lead.canonical()].concat();
        self.store.keyed_hash("posted lead", &bytes)
    }
}
