//! Names that people choose, and identifiers that Gavel makes.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
pub use ulid::Ulid;

/// Longest name of anything in a market file, in bytes: names stand in URLs, metrics and keys.
pub const NAME_MAX_BYTES: usize = 64;

/// Why a text is no name or identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct IdError {
    /// What would have been right, as a phrase for a person.
    pub expected: &'static str,
}

/// Whether `text` is a name: `[a-z0-9][a-z0-9_-]*`, at most [`NAME_MAX_BYTES`].
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= NAME_MAX_BYTES
        && bytes.next().is_some_and(plain)
        && bytes.all(|byte| plain(byte) || byte == b'_' || byte == b'-')
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Cheap to clone; matches `[a-z0-9][a-z0-9_-]{0,63}`.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { expected: "a name of a-z, 0-9, - and _, starting with a letter or digit, of at most 64 characters" })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }

        // Lets maps keyed by a name be asked with a plain `&str`.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )*};
}

names! {
    /// A kind of lead.
    LeadTypeId;
    /// Who sends leads.
    SupplierId;
    /// One arrangement with a supplier.
    CampaignId;
    /// Who pays.
    BuyerId;
    /// One of a buyer's standing orders.
    AccountId;
    /// Accounts that a campaign may deliver to.
    GroupId;
    /// A plugin, under which versions are uploaded.
    PluginName;
}

macro_rules! ulids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub Ulid);

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(canonical_ulid)
                    .map(Self)
                    .ok_or(IdError { expected: concat!($prefix, " and 26 characters, as Gavel gave it") })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}

ulids! {
    /// One ping. Shares its ULID with the order and the lead that come of it.
    PingId "pg_";
    /// A ping order: the record of a quoted ping.
    OrderId "po_";
    /// A posted lead.
    LeadId "ld_";
    /// A delivery given back.
    ReturnId "rt_";
    /// What was changed on somebody's behalf.
    AuditId "au_";
}

/// A ULID in the one spelling that Gavel writes, so that an id has no second name.
fn canonical_ulid(text: &str) -> Option<Ulid> {
    let ulid = Ulid::from_string(text).ok()?;
    (ulid.to_string() == text).then_some(ulid)
}

impl OrderId {
    /// The ping that this order came of.
    pub fn ping(self) -> PingId {
        PingId(self.0)
    }

    /// The lead that a post to this order makes.
    pub fn lead(self) -> LeadId {
        LeadId(self.0)
    }

    /// Unix time in milliseconds at which the order's ping was received.
    pub fn received_at_ms(self) -> u64 {
        self.0.timestamp_ms()
    }
}

impl LeadId {
    /// The order that this lead was posted to.
    pub fn order(self) -> OrderId {
        OrderId(self.0)
    }
}

impl PingId {
    /// The order that this ping made, if it was quoted.
    pub fn order(self) -> OrderId {
        OrderId(self.0)
    }
}

/// One delivery: a lead to one account, tried once or several times.
///
/// `dl_`, the lead's ULID, `_`, the account's place among the order's ranked bids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId {
    /// The order whose lead is delivered.
    pub order: OrderId,
    /// Index into the order's ranked bids.
    pub bid: u16,
}

impl FromStr for DeliveryId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("dl_")
            .and_then(|rest| rest.split_once('_'))
            .and_then(|(ulid, bid)| {
                let id = Self {
                    order: OrderId(canonical_ulid(ulid)?),
                    bid: bid.parse().ok()?,
                };
                (id.to_string() == text).then_some(id)
            })
            .ok_or(IdError {
                expected: "dl_, 26 characters, _ and a number, as Gavel gave it",
            })
    }
}

impl TryFrom<String> for DeliveryId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<DeliveryId> for String {
    fn from(id: DeliveryId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dl_{}_{}", self.order.0, self.bid)
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// SHA-256, written as 64 lower-case hexadecimal digits: names a plugin's version, a key, a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = [0; 32];
        digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
        Self(digest)
    }

    /// The first eight digits, for a line that a person reads.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 32];
        let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(IdError {
                expected: "a SHA-256 digest: 64 lower-case hexadecimal digits",
            }),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_lower_case_and_plain() {
        assert!("solar-west_2".parse::<CampaignId>().is_ok());
        for bad in ["", "Solar", "-x", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<CampaignId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = OrderId(Ulid::from_parts(1_700_000_000_000, 7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_lowercase().parse::<OrderId>().is_err());
        assert!(id.ping().to_string().parse::<OrderId>().is_err());
        let delivery = DeliveryId { order: id, bid: 3 };
        assert_eq!(delivery.to_string().parse(), Ok(delivery));
        assert!(format!("dl_{}_03", id.0).parse::<DeliveryId>().is_err());
    }
}
