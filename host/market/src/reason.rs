//! Every code that Gavel answers with, as types.
//!
//! Words and numbers are those of the API (`api.md`); the ranges of an [`Outcome`]'s
//! number are OpenRTB's for seat non-bids.

use serde::{Deserialize, Serialize};

/// Enumerations whose variants are written as one `snake_case` word.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// The word that stands for it in answers and records.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    )*};
}

words! {
    /// Why a ping was answered `no_bid`.
    NoBidReason {
        /// Nobody bid.
        NoCoverage "no_coverage",
        /// Fewer different buyers bid than `ping.min_deliveries`.
        TooFewBuyers "too_few_buyers",
        /// The best candidate's revenue is below `ping.min_revenue`.
        BelowMinRevenue "below_min_revenue",
        /// The profit is below `ping.min_profit`, or it is a loss.
        BelowMinProfit "below_min_profit",
        /// The profit is below `ping.min_profit_percent`.
        BelowMinProfitPercent "below_min_profit_percent",
        /// The cost is below what the supplier asked for.
        BelowMinBid "below_min_bid",
        /// The deadline passed.
        NoTime "no_time",
    }

    /// Why a post was answered `rejected`.
    RejectReason {
        /// No buyer took the lead.
        NotDelivered "not_delivered",
        /// A buyer may have taken the lead; an operator will settle it.
        DeliveryUnconfirmed "delivery_unconfirmed",
        /// The lead was sold before.
        Duplicate "duplicate",
        /// On the full lead nobody who bid qualifies any more.
        NoCoverage "no_coverage",
        /// The campaign's cap is reached.
        CampaignCapReached "campaign_cap_reached",
        /// Of a direct post: fewer different buyers bid than `ping.min_deliveries`.
        TooFewBuyers "too_few_buyers",
        /// Of a direct post: the best candidate's revenue is below `ping.min_revenue`.
        BelowMinRevenue "below_min_revenue",
        /// Of a direct post: the profit is below `ping.min_profit`, or it is a loss.
        BelowMinProfit "below_min_profit",
        /// Of a direct post: the profit is below `ping.min_profit_percent`.
        BelowMinProfitPercent "below_min_profit_percent",
        /// Of a direct post: the cost is below what the supplier asked for.
        BelowMinBid "below_min_bid",
        /// Of a direct post: the time for bids passed.
        NoTime "no_time",
    }

    /// What is wrong with one field or control of a request.
    FieldCode {
        /// Required and absent.
        Missing "missing",
        /// The lead type has no such field.
        UnknownField "unknown_field",
        /// Of another JSON type than the field takes.
        WrongType "wrong_type",
        /// Outside `min` and `max`.
        OutOfRange "out_of_range",
        /// Not one of the values that the field takes.
        NotAllowed "not_allowed",
        /// Not of the form that the field's type has.
        BadFormat "bad_format",
        /// Longer than the field may be.
        TooLong "too_long",
        /// A personal field in a ping.
        PersonalField "personal_field",
        /// A value in a ping that looks personal.
        LooksPersonal "looks_personal",
        /// A pinged field with another value in the post.
        FieldChanged "field_changed",
    }

    /// What became of one account in one ping, or why a delivery was passed over.
    Outcome {
        /// Selected.
        Won "won",
        /// The buyer or its adapter does not bid.
        Declined "declined",
        /// No answer within the account's time.
        Timeout "timeout",
        /// The buyer's answer was no use.
        InvalidResponse "invalid_response",
        /// No connection, or one lost before a whole answer.
        Unreachable "unreachable",
        /// The plugin trapped.
        PluginTrap "plugin_trap",
        /// The plugin used up its time.
        PluginTime "plugin_time",
        /// The plugin used up its memory.
        PluginMemory "plugin_memory",
        /// The plugin returned something that it may not.
        PluginOutput "plugin_output",
        /// The plugin returned an error.
        PluginError "plugin_error",
        /// The adapter wanted more requests than `max_steps`.
        TooManySteps "too_many_steps",
        /// The adapter wanted to send where the account may not.
        HostNotAllowed "host_not_allowed",
        /// The account's status, or a revoked plugin.
        NotActive "not_active",
        /// Outside the account's schedule.
        OutsideSchedule "outside_schedule",
        /// A cap of the account is full.
        CapReached "cap_reached",
        /// A budget of the account is spent.
        BudgetReached "budget_reached",
        /// Not in the campaign's group.
        NotInGroup "not_in_group",
        /// A criterion is not met.
        Criteria "criteria",
        /// The filter does not want the lead.
        Filtered "filtered",
        /// Skipped after failures in a row.
        CircuitOpen "circuit_open",
        /// Too little time was left to ask.
        NoTime "no_time",
        /// The account had this lead before.
        Duplicate "duplicate",
        /// The host had no room to ask.
        Overloaded "overloaded",
        /// The bid is below the account's `min_price`.
        BelowFloor "below_floor",
        /// The bid names no valid amount.
        InvalidBid "invalid_bid",
        /// Another candidate was better.
        Outbid "outbid",
        /// The account's cap filled meanwhile.
        LostRoom "lost_room",
        /// The candidate did not meet the campaign's requirements.
        BelowRequirements "below_requirements",
    }

    /// Beside a delivery's outcome.
    Mark {
        /// The buyer paid less than it bid.
        PriceCut "price_cut",
        /// A shared lead whose buyers in the end do not meet the requirements.
        PartialLoss "partial_loss",
        /// Sold after the supplier had been told `rejected`: revenue without a cost.
        UnpaidSupplier "unpaid_supplier",
    }
}

impl From<NoBidReason> for RejectReason {
    /// Of a direct post, why nobody was asked to take the lead.
    fn from(reason: NoBidReason) -> Self {
        match reason {
            NoBidReason::NoCoverage => Self::NoCoverage,
            NoBidReason::TooFewBuyers => Self::TooFewBuyers,
            NoBidReason::BelowMinRevenue => Self::BelowMinRevenue,
            NoBidReason::BelowMinProfit => Self::BelowMinProfit,
            NoBidReason::BelowMinProfitPercent => Self::BelowMinProfitPercent,
            NoBidReason::BelowMinBid => Self::BelowMinBid,
            NoBidReason::NoTime => Self::NoTime,
        }
    }
}

impl Outcome {
    /// The outcome's number, in the ranges of OpenRTB's seat non-bids.
    pub fn number(self) -> u16 {
        match self {
            Self::Won => 0,
            Self::Declined => 1,
            Self::Timeout => 101,
            Self::InvalidResponse => 102,
            Self::Unreachable => 103,
            Self::PluginTrap => 110,
            Self::PluginTime => 111,
            Self::PluginMemory => 112,
            Self::PluginOutput => 113,
            Self::PluginError => 114,
            Self::TooManySteps => 115,
            Self::HostNotAllowed => 116,
            Self::NotActive => 200,
            Self::OutsideSchedule => 201,
            Self::CapReached => 202,
            Self::BudgetReached => 203,
            Self::NotInGroup => 204,
            Self::Criteria => 205,
            Self::Filtered => 206,
            Self::CircuitOpen => 207,
            Self::NoTime => 208,
            Self::Duplicate => 209,
            Self::Overloaded => 210,
            Self::BelowFloor => 301,
            Self::InvalidBid => 302,
            Self::Outbid => 310,
            Self::LostRoom => 311,
            Self::BelowRequirements => 312,
        }
    }
}
