//! Leads, accounts and a market around them, for tests of who may be asked.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use crate::{
    criteria::{Criterion, Test},
    eligibility::Eligibility,
    field::{FieldSpec, FieldType, Value},
    ids::LeadTypeId,
    lead::PingLead,
    model::{
        Account, AccountStatus, Buyer, Campaign, CampaignStatus, Channel, CostModel, HoldAt,
        LeadType, Market, OnChanged, OnPersonal, OnUnconfirmed, OnUnknown, PingOptions, PluginUse,
        PostOptions, ProfitBase, RankBy, Requirements, Selection,
    },
    money::Money,
    room::Limits,
};

/// Number of fields of the lead type: state, bill, panels, homeowner, day.
pub(crate) const FIELDS: usize = 5;

pub(crate) fn value(text: &str) -> Value {
    Value::Text(text.into())
}

pub(crate) fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

pub(crate) fn date(text: &str) -> Value {
    Value::Date(text.parse().unwrap())
}

/// A text, a decimal, an integer, a flag and a date.
pub(crate) fn lead_type() -> Arc<LeadType> {
    let decimals = FieldType::Decimal {
        min: None,
        max: None,
    };
    let integers = FieldType::Integer {
        min: None,
        max: None,
    };
    let kinds = [
        ("state", FieldType::UsState),
        ("bill", decimals),
        ("panels", integers),
        ("homeowner", FieldType::Flag),
        ("day", FieldType::Date),
    ];
    let fields: Vec<FieldSpec> = kinds
        .into_iter()
        .map(|(name, kind)| FieldSpec {
            name: name.into(),
            kind,
            personal: false,
            description: None,
        })
        .collect();
    let by_name = fields
        .iter()
        .enumerate()
        .map(|(at, field)| (Arc::clone(&field.name), at))
        .collect();
    Arc::new(LeadType {
        id: "solar".parse().unwrap(),
        fields,
        by_name,
    })
}

/// A lead with these values at these places.
pub(crate) fn lead(values: impl IntoIterator<Item = (usize, Value)>) -> PingLead {
    let values: BTreeMap<usize, Value> = values.into_iter().collect();
    PingLead::new(lead_type(), (0..FIELDS).map(|at| values.get(&at).cloned()))
}

/// An active account that buys solar leads for a fixed price.
pub(crate) fn account(id: &str, criteria: Vec<(usize, Test)>) -> Account {
    Account {
        id: id.parse().unwrap(),
        buyer: "sunco".parse().unwrap(),
        lead_type: "solar".parse().unwrap(),
        status: AccountStatus::Active,
        price: None,
        min_price: None,
        priority: 100,
        exclusive: false,
        criteria: criteria
            .into_iter()
            .map(|(field, test)| Criterion { field, test })
            .collect(),
        filter: None,
        adapter: PluginUse {
            plugin: "http-buyer".parse().unwrap(),
            config: "{}".into(),
        },
        hosts: Vec::new(),
        secrets: BTreeMap::new(),
        ping_during_sort: false,
        ping_timeout: Duration::from_millis(800),
        max_steps: 3,
        post_timeout: Duration::from_secs(10),
        retry: None,
        on_unconfirmed: OnUnconfirmed::Stop,
        weight: NonZeroU32::MIN,
        ping_before_post: false,
        caps: Limits::default(),
        budget: Limits::default(),
        hold: HoldAt::Quote,
        schedule: None,
        duplicates: None,
        returns: None,
        test: None,
    }
}

/// A campaign that sells solar leads to everybody, one hand each.
pub(crate) fn campaign() -> Campaign {
    Campaign {
        id: "solar-west".parse().unwrap(),
        supplier: "sunleads".parse().unwrap(),
        lead_type: lead_type(),
        channel: Channel::PingPost,
        status: CampaignStatus::Active,
        cost: CostModel::PerLead(Money::ZERO),
        max_deliveries: 1,
        selection: Selection {
            by: RankBy::Price,
            then: RankBy::Priority,
        },
        delivers_to: None,
        caps: Limits::default(),
        hold: HoldAt::Quote,
        rate_limit: None,
        duplicates: None,
        window: Duration::from_mins(5),
        deadline: Duration::from_secs(1),
        unknown_fields: OnUnknown::Reject,
        requirements: Requirements {
            min_deliveries: 1,
            min_revenue: None,
            min_profit: None,
            min_profit_percent: None,
            profit_percent_of: ProfitBase::Revenue,
            allow_loss: false,
        },
        ping: PingOptions {
            required: Vec::new(),
            on_personal: OnPersonal::Reject,
            qualify_all_criteria: false,
        },
        post: PostOptions {
            required: Vec::new(),
            on_changed: OnChanged::Reject,
            scan_for_coverage: true,
            reject_for_not_delivered: true,
            deadline: Duration::from_secs(20),
        },
    }
}

/// A market of these accounts, sorted as a market's are; SunCo's clocks are New York's, the
/// market's UTC.
pub(crate) fn market(mut accounts: Vec<Arc<Account>>) -> Market {
    accounts.sort_by(|one, other| one.id.cmp(&other.id));
    let solar: LeadTypeId = "solar".parse().unwrap();
    let sunco = Buyer {
        name: "SunCo".into(),
        timezone: jiff::tz::TimeZone::get("America/New_York").unwrap(),
    };
    Market {
        currency: "USD".into(),
        timezone: jiff::tz::TimeZone::UTC,
        retention: Duration::from_hours(24),
        ping_retention: Duration::from_hours(24),
        lead_types: BTreeMap::from([(solar.clone(), lead_type())]),
        suppliers: BTreeMap::new(),
        keys: BTreeMap::new(),
        campaigns: BTreeMap::new(),
        buyers: BTreeMap::from([("sunco".parse().unwrap(), sunco)]),
        groups: BTreeMap::new(),
        eligibility: BTreeMap::from([(solar.clone(), Eligibility::of(&solar, &accounts))]),
        accounts,
        plugins: BTreeMap::new(),
    }
}
