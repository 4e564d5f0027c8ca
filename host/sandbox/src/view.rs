//! What a plugin is shown: a ping's view and a post's, two types.
//!
//! A [`PingView`] is made from a [`PingLead`] alone, which has no room for a personal
//! value, so no mistake further down can show one.

use std::sync::Arc;

use gavel_market::{
    field::Value,
    ids::CampaignId,
    lead::{Fields, FullLead, PingLead},
    model::LeadType,
};

/// The transaction that a lead belongs to; shared by all accounts that are asked.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Under which arrangement the lead was sent.
    pub campaign: CampaignId,
    /// Unix time in milliseconds of the request: the only clock a plugin has.
    pub received_at_ms: u64,
    /// ISO 4217.
    pub currency: String,
    /// The supplier's own name for where the lead came from.
    pub sub_id: Option<String>,
    /// Whether nothing may be bought or sold.
    pub is_test: bool,
}

/// What a plugin may see of a lead at a ping.
#[derive(Debug, Clone)]
pub struct PingView {
    lead: Arc<PingLead>,
    transaction: Arc<Transaction>,
}

impl PingView {
    /// The view of a pinged lead.
    pub fn new(lead: Arc<PingLead>, transaction: Arc<Transaction>) -> Self {
        Self { lead, transaction }
    }
}

/// What the plugins of the one account that is delivered to may see at the post.
#[derive(Debug, Clone)]
pub struct PostView {
    lead: Arc<FullLead>,
    transaction: Arc<Transaction>,
}

impl PostView {
    /// The view of a posted lead, personal fields included.
    pub fn new(lead: Arc<FullLead>, transaction: Arc<Transaction>) -> Self {
        Self { lead, transaction }
    }
}

/// Either view, once a call has been typed: what stands behind the plugin's `lead`.
#[derive(Clone)]
pub(crate) enum View {
    Ping(PingView),
    Post(PostView),
}

impl View {
    pub(crate) fn transaction(&self) -> &Transaction {
        match self {
            Self::Ping(view) => &view.transaction,
            Self::Post(view) => &view.transaction,
        }
    }

    pub(crate) fn lead_type(&self) -> &Arc<LeadType> {
        match self {
            Self::Ping(view) => view.lead.lead_type(),
            Self::Post(view) => view.lead.lead_type(),
        }
    }

    /// The value at a place of the lead type, if this view has one.
    pub(crate) fn value(&self, at: usize) -> Option<&Value> {
        match self {
            Self::Ping(view) => view.lead.value(at),
            Self::Post(view) => view.lead.value(at),
        }
    }
}
