//! `[campaigns.X]`: on which terms leads are taken.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rust_decimal::Decimal;

use super::{
    Parts, duplicates,
    errors::code,
    lead_types::{Draft, places},
    limits::{
        CAMPAIGNS_MAX, DEADLINE_MAX, DEADLINE_MIN, DELIVERIES_MAX, POST_TIME_MAX, RATE_MAX,
        TIME_MIN, WINDOW_MAX,
    },
    reader::Section,
    room,
    spot::Spot,
};
use crate::{
    ids::CampaignId,
    model::{
        Campaign, CampaignStatus, Channel, CostModel, OnChanged, OnPersonal, OnUnknown,
        PingOptions, PostOptions, ProfitBase, RankBy, RateLimit, Requirements, Selection,
    },
    money,
};

const STATUSES: [(&str, CampaignStatus); 6] = [
    ("active", CampaignStatus::Active),
    ("inactive", CampaignStatus::Inactive),
    ("on_hold", CampaignStatus::OnHold),
    ("suspended", CampaignStatus::Suspended),
    ("closed", CampaignStatus::Closed),
    ("late", CampaignStatus::Late),
];

/// Every campaign, by name.
pub(super) fn read(root: &mut Section<'_>, parts: &Parts) -> BTreeMap<CampaignId, Arc<Campaign>> {
    let mut campaigns = BTreeMap::new();
    for (name, section) in root.named("campaigns", CAMPAIGNS_MAX) {
        let id = section.name(name);
        if let (Some(id), Some(campaign)) = (id.clone(), campaign(id, section, parts)) {
            campaigns.insert(id, Arc::new(campaign));
        }
    }
    campaigns
}

/// `None` where the campaign lacks something that has no default; that is noted.
fn campaign(id: Option<CampaignId>, mut section: Section<'_>, parts: &Parts) -> Option<Campaign> {
    let supplier = section
        .require("supplier")
        .and_then(|spot| parts.supplier(&spot));
    let draft = section
        .require("lead_type")
        .and_then(|spot| parts.lead_type(&spot));
    let cost = section.require("cost").and_then(|spot| cost(&spot));
    let channel = section.get_or("channel", Channel::PingPost, |spot| {
        spot.word(&[
            ("ping_post", Channel::PingPost),
            ("direct_post", Channel::DirectPost),
        ])
    });
    let status = section.get_or("status", CampaignStatus::Active, |spot| {
        spot.word(&STATUSES)
    });
    let max_deliveries = section.get_or("max_deliveries", 1, |spot| {
        spot.count(&(1..=DELIVERIES_MAX))
    });
    let selection = section.section("selection").map_or(SELECTION, selection);
    let window = section.get_or("window", Duration::from_mins(5), |spot| {
        spot.duration(&(TIME_MIN..=WINDOW_MAX))
    });
    let deadline = section.get_or("deadline", Duration::from_secs(1), |spot| {
        spot.duration(&(DEADLINE_MIN..=DEADLINE_MAX))
    });
    let unknown_fields = section.get_or("unknown_fields", OnUnknown::Reject, |spot| {
        spot.word(&[("reject", OnUnknown::Reject), ("ignore", OnUnknown::Ignore)])
    });
    let allow_loss = section.get_or("allow_loss", false, Spot::flag);
    let (ping, requirements) = ping(section.section("ping"), draft, allow_loss);
    let post = post(section.section("post"), draft);
    let delivers_to = section
        .get("delivers_to")
        .and_then(|spot| parts.group(&spot));
    let (caps, hold) = (room::caps(&mut section), room::hold(&mut section));
    let rate_limit = section.section("rate_limit").and_then(rate_limit);
    let duplicates = section
        .section("duplicates")
        .and_then(|section| duplicates::of_campaign(section, draft));
    section.finish();
    Some(Campaign {
        id: id?,
        supplier: supplier?,
        lead_type: Arc::clone(&draft?.lead_type),
        channel,
        status,
        cost: cost?,
        max_deliveries,
        selection,
        delivers_to,
        caps,
        hold,
        rate_limit,
        duplicates,
        window,
        deadline,
        unknown_fields,
        requirements,
        ping,
        post,
    })
}

/// Without a `burst` as many at once as in a second.
fn rate_limit(mut section: Section<'_>) -> Option<RateLimit> {
    let per_second = section
        .require("per_second")
        .and_then(|spot| spot.positive(RATE_MAX));
    let burst = section
        .get("burst")
        .and_then(|spot| spot.positive(RATE_MAX));
    section.finish();
    let per_second = per_second?;
    Some(RateLimit {
        per_second,
        burst: burst.unwrap_or(per_second),
    })
}

/// Exactly one of the four models.
fn cost(spot: &Spot<'_>) -> Option<CostModel> {
    let mut section = spot.section()?;
    let per_lead = section.get("per_lead");
    let per_sale = section.get("per_sale");
    let revenue_share = section.get("revenue_share");
    let margin = section.get("margin");
    section.finish();
    match (per_lead, per_sale, revenue_share, margin) {
        (Some(amount), None, None, None) => amount.money().map(CostModel::PerLead),
        (None, Some(amount), None, None) => amount.money().map(CostModel::PerSale),
        (None, None, Some(share), None) => share
            .percent(Decimal::ONE_HUNDRED)
            .map(CostModel::RevenueShare),
        (None, None, None, Some(share)) => {
            share.percent(Decimal::ONE_HUNDRED).map(CostModel::Margin)
        }
        _ => {
            spot.error(
                code::CONFLICT,
                "exactly one of `per_lead`, `per_sale`, `revenue_share` and `margin` is expected",
            );
            None
        }
    }
}

const SELECTION: Selection = Selection {
    by: RankBy::Price,
    then: RankBy::Priority,
};

fn selection(mut section: Section<'_>) -> Selection {
    let rank = |spot: &Spot<'_>| {
        spot.word(&[
            ("price", RankBy::Price),
            ("priority", RankBy::Priority),
            ("round_robin", RankBy::RoundRobin),
            ("weighted", RankBy::Weighted),
        ])
    };
    let selection = Selection {
        by: section.get_or("by", SELECTION.by, rank),
        then: section.get_or("then", SELECTION.then, rank),
    };
    section.finish();
    selection
}

fn ping(
    section: Option<Section<'_>>,
    draft: Option<&Draft>,
    allow_loss: bool,
) -> (PingOptions, Requirements) {
    let mut options = PingOptions {
        required: Vec::new(),
        on_personal: OnPersonal::Reject,
        qualify_all_criteria: false,
    };
    let mut requirements = Requirements {
        min_deliveries: 1,
        min_revenue: None,
        min_profit: None,
        min_profit_percent: None,
        profit_percent_of: ProfitBase::Revenue,
        allow_loss,
    };
    let Some(mut section) = section else {
        return (options, requirements);
    };
    options.required = required(&mut section, draft, true);
    options.on_personal = section.get_or("on_personal", OnPersonal::Reject, |spot| {
        spot.word(&[("reject", OnPersonal::Reject), ("strip", OnPersonal::Strip)])
    });
    options.qualify_all_criteria = section.get_or("qualify_all_criteria", false, Spot::flag);
    requirements.min_deliveries = section.get_or("min_deliveries", 1, |spot| {
        spot.count(&(1..=DELIVERIES_MAX))
    });
    requirements.min_revenue = section.get("min_revenue").and_then(|spot| spot.money());
    requirements.min_profit = section.get("min_profit").and_then(|spot| spot.money());
    // Of a small cost a profit is easily more than a hundred per cent.
    requirements.min_profit_percent = section
        .get("min_profit_percent")
        .and_then(|spot| spot.percent(money::LARGEST));
    requirements.profit_percent_of =
        section.get_or("profit_percent_of", ProfitBase::Revenue, |spot| {
            spot.word(&[("revenue", ProfitBase::Revenue), ("cost", ProfitBase::Cost)])
        });
    section.finish();
    (options, requirements)
}

fn post(section: Option<Section<'_>>, draft: Option<&Draft>) -> PostOptions {
    let mut options = PostOptions {
        required: Vec::new(),
        on_changed: OnChanged::Reject,
        scan_for_coverage: true,
        reject_for_not_delivered: true,
        deadline: Duration::from_secs(20),
    };
    let Some(mut section) = section else {
        return options;
    };
    options.required = required(&mut section, draft, false);
    options.on_changed = section.get_or("on_changed", OnChanged::Reject, |spot| {
        spot.word(&[
            ("reject", OnChanged::Reject),
            ("keep_pinged", OnChanged::KeepPinged),
        ])
    });
    options.scan_for_coverage = section.get_or("scan_for_coverage", true, Spot::flag);
    options.reject_for_not_delivered = section.get_or("reject_for_not_delivered", true, Spot::flag);
    options.deadline = section.get_or("deadline", options.deadline, |spot| {
        spot.duration(&(DEADLINE_MIN..=POST_TIME_MAX))
    });
    section.finish();
    options
}

/// The places of the fields that must be there. What a ping requires may not be personal:
/// no ping could ever be taken.
fn required(section: &mut Section<'_>, draft: Option<&Draft>, at_ping: bool) -> Vec<usize> {
    let Some(list) = section.get("required") else {
        return Vec::new();
    };
    places(&list, draft, |item, spec| {
        let refused = at_ping && spec.personal;
        if refused {
            item.error(
                code::PERSONAL_FIELD,
                "a personal field is refused in a ping, so it cannot be required there",
            );
        }
        !refused
    })
}
