//! How many requests each campaign takes (`rate_limit`; `rules.md`, ping 2).
//!
//! Two limiters for each campaign that has a limit, in memory: one for its tests, so that a
//! supplier who tries things out slows down none of its own leads. They go on counting for as
//! long as the limit's numbers stay the same, whatever else a new revision of the market changes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use gavel_market::{
    ids::CampaignId,
    model::{Campaign, Market, RateLimit},
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};

use crate::api::Refusal;

/// The limiters of all campaigns.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<CampaignId, Limiters>>);

#[derive(Debug)]
struct Limiters {
    of: RateLimit,
    real: DefaultDirectRateLimiter,
    tests: DefaultDirectRateLimiter,
}

impl Limiters {
    fn new(of: RateLimit) -> Self {
        let quota = Quota::per_second(of.per_second).allow_burst(of.burst);
        Self {
            of,
            real: RateLimiter::direct(quota),
            tests: RateLimiter::direct(quota),
        }
    }
}

impl Rates {
    /// Counts one request of a campaign of this market, or says when to come again.
    pub(crate) fn admit(
        &self,
        market: &Market,
        campaign: &Campaign,
        test: bool,
    ) -> Result<(), Refusal> {
        let Some(limit) = campaign.rate_limit else {
            return Ok(());
        };
        // Held for the arithmetic of one request.
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts_so = |limiters: &Limiters| limiters.of == limit;
        if !limiters.get(&campaign.id).is_some_and(counts_so) {
            // The market changed: a good time to let go of what it no longer has.
            limiters.retain(|id, _| market.campaigns.contains_key(id));
            limiters.insert(campaign.id.clone(), Limiters::new(limit));
        }
        let limiter = match limiters.get(&campaign.id) {
            Some(limiters) if test => &limiters.tests,
            Some(limiters) => &limiters.real,
            None => return Ok(()),
        };
        limiter.check().map_err(|too_fast| {
            metrics::counter!("gavel_rate_limited_total", "campaign" => campaign.id.to_string())
                .increment(1);
            Refusal::RateLimited {
                retry_after: too_fast.wait_time_from(limiter.clock().now()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use gavel_market::file::parse_toml;

    use super::*;

    /// A market with two campaigns, one of which has this limit and this cost.
    fn market(limit: &str, cost: &str) -> Market {
        let text = format!(
            r#"
        currency = "USD"
        [lead_types.solar.fields]
        state = {{ type = "us_state" }}
        [suppliers.s]
        [campaigns.limited]
        supplier = "s"
        lead_type = "solar"
        cost = {{ per_lead = "{cost}" }}
        rate_limit = {limit}
        [campaigns.free]
        supplier = "s"
        lead_type = "solar"
        cost = {{ per_lead = "1" }}
        "#
        );
        parse_toml(&text).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }

    fn let_through(rates: &Rates, market: &Market, campaign: &str, times: usize) -> usize {
        let campaign = &market.campaigns[campaign];
        (0..times)
            .filter(|_| rates.admit(market, campaign, false).is_ok())
            .count()
    }

    const LIMIT: &str = "{ per_second = 1, burst = 3 }";

    #[test]
    fn a_burst_passes_and_what_follows_is_told_how_long_to_wait() {
        let (rates, market) = (Rates::default(), market(LIMIT, "1"));
        assert_eq!(let_through(&rates, &market, "limited", 3), 3);
        let refused = rates.admit(&market, &market.campaigns["limited"], false);
        let Err(Refusal::RateLimited { retry_after }) = refused else {
            panic!("too fast: {refused:?}")
        };
        assert!(retry_after <= std::time::Duration::from_secs(1));
        assert_eq!(let_through(&rates, &market, "free", 1000), 1000);
        let limited = &market.campaigns["limited"];
        let tests = (0..9).filter(|_| rates.admit(&market, limited, true).is_ok());
        assert_eq!(tests.count(), 3, "tests are counted apart");
    }

    #[test]
    fn what_was_counted_outlives_a_change_of_anything_but_the_limit() {
        let rates = Rates::default();
        assert_eq!(let_through(&rates, &market(LIMIT, "1"), "limited", 3), 3);
        assert_eq!(let_through(&rates, &market(LIMIT, "2"), "limited", 1), 0);
        let wider = market("{ per_second = 1, burst = 4 }", "2");
        assert_eq!(let_through(&rates, &wider, "limited", 5), 4);
    }
}
