//! What has to come of a case.

use gavel_market::{
    file::{
        code,
        reading::{NodeValue, Section, Spot},
    },
    money::Money,
    reason::Outcome,
};

use super::exchange::ExpectedRequest;

/// A part that was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Is<T> {
    /// There is none.
    Absent,
    /// It is this.
    Value(T),
}

/// What has to come of a case; `None` and empty parts are not compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expected {
    Qualified,
    Disqualified(Refusal),
    Send(ExpectedRequest),
    Bid {
        amount: Option<Is<Money>>,
        reference: Option<Is<String>>,
    },
    NoBid(Option<String>),
    Accepted {
        reference: Option<Is<String>>,
        price: Option<Is<Money>>,
        redirect_url: Option<Is<String>>,
    },
    Rejected(Refusal),
    Error(Option<String>),
    RefusedConfig(Option<String>),
    Fault(Outcome),
}

/// A code, and a part of the sentence beside it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: Option<String>,
    pub(super) detail: Option<String>,
}

/// Every word that `expect` takes.
const WORDS: [&str; 10] = [
    "qualified",
    "disqualified",
    "send",
    "bid",
    "no_bid",
    "accepted",
    "rejected",
    "error",
    "refused_config",
    "fault",
];

/// The ways in which a call may fail that no error value stands for.
const FAULTS: [Outcome; 4] = [
    Outcome::PluginTrap,
    Outcome::PluginTime,
    Outcome::PluginMemory,
    Outcome::PluginOutput,
];

impl Expected {
    /// The word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Qualified => "qualified",
            Self::Disqualified(_) => "disqualified",
            Self::Send(_) => "send",
            Self::Bid { .. } => "bid",
            Self::NoBid(_) => "no_bid",
            Self::Accepted { .. } => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Error(_) => "error",
            Self::RefusedConfig(_) => "refused_config",
            Self::Fault(_) => "fault",
        }
    }

    /// A word, or a table with the word as its only key.
    pub(super) fn read(spot: &Spot<'_>) -> Option<Self> {
        match &spot.node.value {
            NodeValue::Text(_) => {
                let words = WORDS.map(|word| (word, word));
                Self::of(spot.word(&words)?, None, spot)
            }
            NodeValue::Table(table) if table.entries.len() == 1 => {
                let mut section = spot.section()?;
                let found = WORDS.iter().find_map(|&word| {
                    let inner = section.get(word)?;
                    Some((word, inner))
                });
                section.pass_over(&WORDS);
                // What is not one of the words is noted here, with the nearest that is.
                section.finish();
                let (word, inner) = found?;
                let any = matches!(inner.node.value, NodeValue::Flag(true));
                Self::of(word, (!any).then_some(&inner), spot)
            }
            _ => {
                spot.error(
                    code::WRONG_TYPE,
                    format!(
                        "one of {} is expected, as a word or as a table's only key",
                        WORDS.join(", ")
                    ),
                );
                None
            }
        }
    }

    /// The expectation of a word, with what is said about it.
    fn of(word: &str, inner: Option<&Spot<'_>>, spot: &Spot<'_>) -> Option<Self> {
        let table = || inner.map(Spot::section);
        Some(match word {
            "qualified" => match inner {
                None => Self::Qualified,
                Some(inner) => {
                    inner.error(
                        code::WRONG_TYPE,
                        "`qualified` has nothing beside it: true is expected",
                    );
                    return None;
                }
            },
            "disqualified" => Self::Disqualified(refusal(inner)?),
            "rejected" => Self::Rejected(refusal(inner)?),
            "no_bid" => Self::NoBid(words(inner)?),
            "error" => Self::Error(words(inner)?),
            "refused_config" => Self::RefusedConfig(words(inner)?),
            "fault" => Self::Fault(fault(inner, spot)?),
            "send" => match table() {
                None => Self::Send(ExpectedRequest::default()),
                Some(section) => Self::Send(ExpectedRequest::read(section?)),
            },
            "bid" => {
                let (mut amount, mut reference) = (None, None);
                if let Some(section) = table() {
                    let mut section = section?;
                    amount = section.get("amount").and_then(|spot| Is::money(&spot));
                    reference = section.get("reference").and_then(|spot| Is::text(&spot));
                    section.finish();
                }
                Self::Bid { amount, reference }
            }
            _ => accepted(table().map_or(Some(None), |section| section.map(Some))?),
        })
    }
}

fn accepted(section: Option<Section<'_>>) -> Expected {
    let (mut reference, mut price, mut redirect_url) = (None, None, None);
    if let Some(mut section) = section {
        reference = section.get("reference").and_then(|spot| Is::text(&spot));
        price = section.get("price").and_then(|spot| Is::money(&spot));
        redirect_url = section.get("redirect_url").and_then(|spot| Is::text(&spot));
        section.finish();
    }
    Expected::Accepted {
        reference,
        price,
        redirect_url,
    }
}

/// `"code"` or `{ code, detail }`.
fn refusal(inner: Option<&Spot<'_>>) -> Option<Refusal> {
    let Some(spot) = inner else {
        return Some(Refusal::default());
    };
    if let NodeValue::Text(code) = &spot.node.value {
        return Some(Refusal {
            code: Some(code.clone()),
            detail: None,
        });
    }
    let mut section = spot.section()?;
    let text = |section: &mut Section<'_>, key| {
        let spot = section.get(key)?;
        spot.words().map(str::to_owned)
    };
    let refusal = Refusal {
        code: text(&mut section, "code"),
        detail: text(&mut section, "detail"),
    };
    section.finish();
    Some(refusal)
}

/// A part of a sentence, where one is given; the outer `None` is a fault that has been noted.
#[expect(clippy::option_option, reason = "`Some(None)` is any sentence")]
fn words(inner: Option<&Spot<'_>>) -> Option<Option<String>> {
    match inner {
        None => Some(None),
        Some(spot) => spot.words().map(|words| Some(words.to_owned())),
    }
}

fn fault(inner: Option<&Spot<'_>>, spot: &Spot<'_>) -> Option<Outcome> {
    let words = FAULTS.map(|outcome| (outcome.word(), outcome));
    if let Some(inner) = inner {
        inner.word(&words)
    } else {
        let known = FAULTS.map(Outcome::word).join(", ");
        spot.error(code::MISSING, format!("say which fault: one of {known}"));
        None
    }
}

impl Is<String> {
    /// A string, or `false`.
    pub(super) fn text(spot: &Spot<'_>) -> Option<Self> {
        match spot.node.value {
            NodeValue::Flag(false) => Some(Self::Absent),
            _ => spot.text().map(|text| Self::Value(text.to_owned())),
        }
    }
}

impl Is<Money> {
    /// An amount as a string, or `false`.
    fn money(spot: &Spot<'_>) -> Option<Self> {
        match spot.node.value {
            NodeValue::Flag(false) => Some(Self::Absent),
            _ => spot.money().map(Self::Value),
        }
    }
}
