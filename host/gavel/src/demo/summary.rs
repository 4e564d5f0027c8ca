//! What the demo says of each lead, and of all of them at the end.

use std::{collections::BTreeMap, time::Duration};

use gavel_example_solar::supplier::{PingAnswer, PostAnswer, SupplierError, Told};
use gavel_exchange::{Exchange, api::OrderView};
use gavel_market::{
    ids::{LeadId, OrderId},
    ledger,
    money::Money,
    order::DeliveryState,
};

use crate::out;

/// Everything told so far, counted.
#[derive(Default)]
pub(super) struct Summary {
    offers: u64,
    /// Bids, and reasons of no bid, problems included.
    pings: BTreeMap<String, u64>,
    /// Answers to posts, with the reasons of those rejected.
    posts: BTreeMap<String, u64>,
    /// Every lead posted: its deliveries are looked up at the end, when they are over.
    leads: Vec<LeadId>,
    /// Those accepted and not sold to their end yet, with their offers' numbers.
    accepted: Vec<(u64, LeadId)>,
    pings_took: Vec<Duration>,
}

/// One account's deliveries.
#[derive(Default)]
struct Account {
    sold: u64,
    rejected: u64,
    unconfirmed: u64,
    other: u64,
    revenue: Money,
}

impl Summary {
    /// Counts one lead and says in a line what became of it.
    pub(super) fn tell(&mut self, exchange: &Exchange, told: &Told) -> String {
        self.offers += 1;
        self.pings_took.push(told.ping_took);
        let (result, ping) = ping_words(&told.ping);
        *self.pings.entry(result).or_default() += 1;
        let post = match &told.post {
            None => String::new(),
            Some(answer) => format!("  {}", self.post_words(exchange, answer, told.post_took)),
        };
        if let Some(Ok(PostAnswer::Accepted { lead_id, .. })) = &told.post
            && let Ok(lead) = lead_id.parse()
        {
            self.accepted.push((told.offer.number, lead));
        }
        let lead = |field: &str| {
            told.offer
                .lead
                .open
                .get(field)
                .map(plain)
                .unwrap_or_default()
        };
        format!(
            "{:>5}  {:<15} {:<2} ${:<7} {:<38}{post}",
            told.offer.number,
            told.offer.campaign,
            lead("state"),
            lead("monthly_bill"),
            format!("{ping} in {}", took(told.ping_took)),
        )
    }

    /// Says what came of leads that were accepted, once their deliveries are over.
    pub(super) fn tell_of_accepted(&mut self, exchange: &Exchange) {
        self.accepted.retain(|(number, lead)| {
            let Ok(view) = exchange.order(lead.order()) else {
                return false;
            };
            let over = view.order.post.as_ref().is_some_and(|post| post.finished);
            if over {
                out::line(&format!(
                    "{number:>5}  {:<15} sold on: {}",
                    view.order.campaign,
                    deliveries(&view)
                ));
            }
            !over
        });
    }

    fn post_words(
        &mut self,
        exchange: &Exchange,
        answer: &Result<PostAnswer, SupplierError>,
        post_took: Duration,
    ) -> String {
        let (result, words) = match answer {
            Ok(PostAnswer::Sold { payout, .. }) => {
                ("sold".to_owned(), format!("sold, pays {payout}"))
            }
            Ok(PostAnswer::Accepted {
                payout, payout_is, ..
            }) => {
                let up_to = if payout_is.is_some() { "up to " } else { "" };
                (
                    "accepted".to_owned(),
                    format!("accepted, pays {up_to}{payout}"),
                )
            }
            Ok(PostAnswer::Rejected { reason, .. }) => {
                (format!("rejected: {reason}"), format!("rejected: {reason}"))
            }
            Err(error) => (failure(error), failure(error)),
        };
        *self.posts.entry(result).or_default() += 1;
        let story = answer
            .as_ref()
            .ok()
            .and_then(|answer| self.story(exchange, answer.lead_id()))
            .unwrap_or_default();
        format!("{words}{story} in {}", took(post_took))
    }

    /// Who took the lead and who did not, as far as that is known by now.
    fn story(&mut self, exchange: &Exchange, lead: &str) -> Option<String> {
        let id: LeadId = lead.parse().ok()?;
        self.leads.push(id);
        let view = exchange.order(id.order()).ok()?;
        let said = deliveries(&view);
        Some(if said.is_empty() {
            said
        } else {
            format!(" ({said})")
        })
    }

    /// Says what came of everything; the host has stopped by now, so every delivery is over.
    pub(super) fn print(&self, exchange: &Exchange) {
        let views: Vec<OrderView> = self
            .leads
            .iter()
            .filter_map(|lead| exchange.order(OrderId(lead.0)).ok())
            .collect();
        out::line("");
        out::line(&format!("{} pings", self.offers));
        list(&self.pings);
        out::line(&format!("{} posts", self.posts.values().sum::<u64>()));
        list(&self.posts);
        out::line("deliveries          sold  rejected  unconfirmed  other     revenue");
        for (account, sums) in accounts(&views) {
            let Account {
                sold,
                rejected,
                unconfirmed,
                other,
                revenue,
            } = sums;
            out::line(&format!(
                "  {account:<16} {sold:>5} {rejected:>9} {unconfirmed:>12} {other:>6} {:>11}",
                revenue.to_string()
            ));
        }
        let (revenue, cost) = ledger::totals(views.iter().flat_map(|view| &view.ledger));
        out::line(&format!(
            "revenue {revenue}, cost {cost}, profit {} USD",
            revenue - cost
        ));
        out::line(&format!(
            "pings answered in {} (half of them), {} (99 of 100), {} (the slowest)",
            took(self.share(50)),
            took(self.share(99)),
            took(self.share(100))
        ));
        let unconfirmed = views
            .iter()
            .flat_map(|view| view.order.deliveries())
            .filter(|delivery| delivery.state == DeliveryState::Unconfirmed);
        match unconfirmed.count() {
            0 => {}
            number => out::line(&format!(
                "{number} deliveries are unconfirmed: the buyer may have the lead, and nobody else gets it until an operator settles it"
            )),
        }
    }

    /// The time within which that many per cent of the pings were answered.
    fn share(&self, percent: usize) -> Duration {
        let mut took = self.pings_took.clone();
        took.sort_unstable();
        let at = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(at).copied().unwrap_or_default()
    }
}

fn deliveries(view: &OrderView) -> String {
    let said =
        view.order
            .deliveries()
            .iter()
            .map(|delivery| match (delivery.state, delivery.price) {
                (DeliveryState::Sold, Some(price)) => {
                    format!("{} bought at {price}", delivery.account)
                }
                (state, _) => format!("{} {}", delivery.account, state.word().replace('_', " ")),
            });
    said.collect::<Vec<_>>().join(", ")
}

fn accounts(views: &[OrderView]) -> BTreeMap<String, Account> {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    for delivery in views.iter().flat_map(|view| view.order.deliveries()) {
        let sums = accounts.entry(delivery.account.to_string()).or_default();
        match delivery.state {
            DeliveryState::Sold => sums.sold += 1,
            DeliveryState::Rejected => sums.rejected += 1,
            DeliveryState::Unconfirmed => sums.unconfirmed += 1,
            _ => sums.other += 1,
        }
        sums.revenue = sums.revenue + delivery.price.unwrap_or_default();
    }
    accounts
}

fn ping_words(answer: &Result<PingAnswer, SupplierError>) -> (String, String) {
    match answer {
        Ok(PingAnswer::Bid {
            bid, deliveries, ..
        }) => {
            let buyers = if *deliveries == 1 {
                String::new()
            } else {
                format!(" ({deliveries} buyers)")
            };
            ("bid".to_owned(), format!("bid {bid}{buyers}"))
        }
        Ok(PingAnswer::NoBid { reason, .. }) => {
            (format!("no bid: {reason}"), format!("no bid: {reason}"))
        }
        Err(error) => (failure(error), failure(error)),
    }
}

fn failure(error: &SupplierError) -> String {
    match error.problem() {
        Some(problem) => format!("refused: {}", problem.code),
        None => "no answer".to_owned(),
    }
}

fn list(counts: &BTreeMap<String, u64>) {
    for (what, number) in counts {
        out::line(&format!("  {number:>5}  {what}"));
    }
}

fn took(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
