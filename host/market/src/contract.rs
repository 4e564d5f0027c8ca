//! What a supplier may know of a campaign of its own: all that posting instructions say.
//!
//! A [`Contract`] is made by leaving out. It has no room for a buyer, a price, a cost, a
//! requirement or a criterion, so nothing made of it can give one away.

use std::{sync::Arc, time::Duration};

use crate::{
    field::FieldSpec,
    ids::{CampaignId, LeadTypeId, SupplierId},
    model::{
        Campaign, CampaignStatus, Channel, DuplicateScope, Market, Matching, OnChanged, OnPersonal,
        OnUnknown, RateLimit,
    },
};

/// A campaign as its supplier may see it.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Its name.
    pub campaign: CampaignId,
    /// Whose it is.
    pub supplier: SupplierId,
    /// The same, for people.
    pub supplier_name: String,
    /// What it sells.
    pub lead_type: LeadTypeId,
    /// The fields of that, in the order in which they are shown.
    pub terms: Vec<Term>,
    /// Which requests it takes.
    pub channel: Channel,
    /// Whether it admits leads now.
    pub is_active: bool,
    /// ISO 4217.
    pub currency: String,
    /// How long a quote stands, and the same lead is the same.
    pub window: Duration,
    /// Until when a ping is answered.
    pub deadline: Duration,
    /// Whether a post is answered only once its delivery is settled.
    pub waits: bool,
    /// How long that takes at most.
    pub post_deadline: Duration,
    /// Which leads are not taken twice.
    pub same_lead: Option<SameLead>,
    /// How many pings, or direct posts, it takes.
    pub rate_limit: Option<RateLimit>,
    /// What happens to fields that the lead type lacks.
    pub unknown_fields: OnUnknown,
    /// What happens where a post has another value than the ping.
    pub on_changed: OnChanged,
}

/// One field, and when it is wanted.
#[derive(Debug, Clone)]
pub struct Term {
    /// What values it takes.
    pub spec: FieldSpec,
    /// In a ping; of a direct post, nothing.
    pub at_ping: Need,
    /// In a post or a direct post.
    pub at_post: Need,
}

/// Whether a request has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It must where the ping had none.
    RequiredUnlessPinged,
    /// It may.
    Optional,
    /// It must not.
    Refused,
    /// It may; the value is dropped unread.
    Dropped,
}

/// Which leads are the same lead.
#[derive(Debug, Clone)]
pub struct SameLead {
    /// Names of the fields compared.
    pub fields: Vec<Arc<str>>,
    /// How many of them must be equal.
    pub matching: Matching,
    /// For how long a lead is remembered.
    pub within: Duration,
    /// Among whose.
    pub scope: DuplicateScope,
}

impl Contract {
    /// What its supplier may know of a campaign of this market.
    pub fn of(market: &Market, campaign: &Campaign) -> Self {
        let supplier = market.suppliers.get(&campaign.supplier);
        let places = 0..campaign.lead_type.fields.len();
        let fields = campaign.lead_type.fields.iter().zip(places);
        Self {
            campaign: campaign.id.clone(),
            supplier: campaign.supplier.clone(),
            supplier_name: supplier.map_or_else(
                || campaign.supplier.to_string(),
                |supplier| supplier.name.clone(),
            ),
            lead_type: campaign.lead_type.id.clone(),
            terms: fields.map(|(spec, at)| term(campaign, spec, at)).collect(),
            channel: campaign.channel,
            is_active: campaign.status == CampaignStatus::Active,
            currency: market.currency.clone(),
            window: campaign.window,
            deadline: campaign.deadline,
            waits: campaign.post.reject_for_not_delivered,
            post_deadline: campaign.post.deadline,
            same_lead: same_lead(campaign),
            rate_limit: campaign.rate_limit,
            unknown_fields: campaign.unknown_fields,
            on_changed: campaign.post.on_changed,
        }
    }
}

fn term(campaign: &Campaign, spec: &FieldSpec, at: usize) -> Term {
    let must_be_pinged = campaign.ping.required.contains(&at);
    let must_be_posted = campaign.post.required.contains(&at);
    let pinged = campaign.channel == Channel::PingPost;
    let at_ping = match campaign.ping.on_personal {
        OnPersonal::Reject if spec.personal => Need::Refused,
        OnPersonal::Strip if spec.personal => Need::Dropped,
        _ if must_be_pinged && pinged => Need::Required,
        _ => Need::Optional,
    };
    let at_post = match (must_be_posted, pinged && !spec.personal) {
        (false, _) => Need::Optional,
        (true, true) if must_be_pinged => Need::Optional,
        (true, true) => Need::RequiredUnlessPinged,
        (true, false) => Need::Required,
    };
    Term {
        spec: spec.clone(),
        at_ping,
        at_post,
    }
}

fn same_lead(campaign: &Campaign) -> Option<SameLead> {
    let (duplicates, scope) = campaign.duplicates.as_ref()?;
    let specs = duplicates
        .fields
        .iter()
        .filter_map(|at| campaign.lead_type.fields.get(*at));
    Some(SameLead {
        fields: specs.map(|spec| Arc::clone(&spec.name)).collect(),
        matching: duplicates.matching,
        within: duplicates.within,
        scope: *scope,
    })
}
