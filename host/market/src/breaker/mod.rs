//! When an account that fails is left alone (`rules.md`, Circuit breaker).
//!
//! An account that fails five times in a row is skipped for a second, and twice as long each
//! time that it goes on failing, up to a minute. Its filter, its pings and its posts are
//! counted apart, and only a good end of the same kind ends a row:
//!
//! | kind | good | bad |
//! |---|---|---|
//! | filter | it lets a lead through, or refuses it | a fault of the plugin (110–116) |
//! | ping | a bid, or none | a fault of the plugin, `unreachable`, `timeout` after the whole `ping_timeout` |
//! | post | sold at the bid, or rejected | a fault of the plugin, `unreachable`, `price_cut` |
//!
//! Everything else is neutral and changes nothing: a timeout cut short by the ping's deadline,
//! an `invalid_response`, an `invalid_bid`, a call that the host had no room or no time for, and
//! a post's timeout, which leaves the delivery unconfirmed. [`Kind::end_of`] says so of every
//! outcome.
//!
//! Once the time has passed, it is tried whether the account works again. Of a kind that the
//! account's pings ask, one ping at a time passes, the *probe*, and its end decides: open again
//! for longer, or closed. A kind that only posts ask cannot be tried by a ping, so all pings
//! pass, and the next post decides.
//!
//! Pure: the caller keeps one [`Breaker`] for each account and says what time it is, by a clock
//! that never goes back. No breaker is told anything of a test.

#[cfg(test)]
mod tests;

use crate::{model::Account, reason::Outcome};

/// Bad ends in a row after which an account is skipped.
const ROW: u32 = 5;
/// For how long it is skipped the first time, in milliseconds.
const FIRST_MS: u64 = 1_000;
/// For how long at most.
const LONGEST_MS: u64 = 60_000;

/// What an account is asked for; each kind has its own row of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whether it wants a lead.
    Filter,
    /// What it bids.
    Ping,
    /// To take a lead.
    Post,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The account works: a row of bad ends is over.
    Good,
    /// It does not.
    Bad,
    /// This says nothing of the account.
    Neutral,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Filter, Self::Ping, Self::Post];

    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Ping => "ping",
            Self::Post => "post",
        }
    }

    /// What an outcome says of an account. `whole_time` tells whether the account had all the time
    /// that the market gives it: what was cut short by a ping's deadline, an answer or a
    /// connection, might have come. A bid, and a lead taken at the bid, are good
    /// and no outcome; a lead taken at less is bad.
    pub fn end_of(self, outcome: Outcome, whole_time: bool) -> End {
        match outcome {
            Outcome::PluginTrap
            | Outcome::PluginTime
            | Outcome::PluginMemory
            | Outcome::PluginOutput
            | Outcome::PluginError
            | Outcome::TooManySteps
            | Outcome::HostNotAllowed => End::Bad,
            Outcome::Unreachable if whole_time => End::Bad,
            Outcome::Timeout if self == Self::Ping && whole_time => End::Bad,
            Outcome::Filtered if self == Self::Filter => End::Good,
            Outcome::Declined if self == Self::Ping => End::Good,
            // A bid that was understood, whatever became of it.
            Outcome::Won
            | Outcome::Outbid
            | Outcome::BelowFloor
            | Outcome::BelowRequirements
            | Outcome::LostRoom
                if self == Self::Ping =>
            {
                End::Good
            }
            _ => End::Neutral,
        }
    }
}

/// The account is to be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account failed too often in a row")]
pub struct CircuitOpen;

/// Which kinds an account's pings ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asks {
    /// It has a filter.
    pub filter: bool,
    /// Its adapter is asked for a bid.
    pub ping: bool,
}

impl Asks {
    /// What an account's pings ask.
    pub fn of(account: &Account) -> Self {
        Self {
            filter: account.filter.is_some(),
            ping: account.ping_during_sort,
        }
    }

    fn includes(self, kind: Kind) -> bool {
        match kind {
            Kind::Filter => self.filter,
            Kind::Ping => self.ping,
            Kind::Post => false,
        }
    }
}

/// A ping's leave to ask an account. It has to be given back to [`Breaker::leave`], whatever
/// became of the ping: it may hold probes, of which there is one at a time.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a probe that is not given back keeps every other ping out"]
pub struct Pass {
    /// The number of this ping's probe, where it is one.
    filter: Option<u64>,
    ping: Option<u64>,
}

impl Pass {
    /// Whether this ping tries if the account works again, in this kind.
    pub fn is_probe_of(&self, kind: Kind) -> bool {
        self.probe(kind).is_some()
    }

    fn probe(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Filter => self.filter,
            Kind::Ping => self.ping,
            Kind::Post => None,
        }
    }
}

/// One account's rows of failures.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    filter: Circuit,
    ping: Circuit,
    post: Circuit,
    /// How many probes there were: each has a number.
    probes: u64,
}

/// One kind's row of failures.
#[derive(Debug, Clone, Default)]
struct Circuit {
    /// Bad ends in a row, at most [`ROW`].
    row: u32,
    /// How many times it opened in this row.
    openings: u32,
    /// Until when the account is skipped or was; none as long as it never was in this row.
    until_ms: Option<u64>,
    /// The probe that is out.
    probe: Option<u64>,
}

impl Breaker {
    /// A ping wants to ask this account.
    pub fn enter(&mut self, asks: Asks, now_ms: u64) -> Result<Pass, CircuitOpen> {
        for kind in Kind::ALL {
            let circuit = self.circuit(kind);
            let waits_for_probe = asks.includes(kind) && circuit.probe.is_some();
            if circuit.is_open(now_ms) || waits_for_probe {
                return Err(CircuitOpen);
            }
        }
        let mut probe = |kind| {
            let wanted = asks.includes(kind) && self.circuit(kind).until_ms.is_some();
            wanted.then(|| {
                self.probes += 1;
                let number = self.probes;
                self.circuit(kind).probe = Some(number);
                number
            })
        };
        Ok(Pass {
            filter: probe(Kind::Filter),
            ping: probe(Kind::Ping),
        })
    }

    /// How it ended what an account was asked for: in a ping, with its pass; or at a post,
    /// which needs none. A ping that began before the account was skipped does not decide
    /// whether it is skipped again.
    pub fn end(&mut self, kind: Kind, end: End, pass: Option<&Pass>, now_ms: u64) {
        let decides = match pass {
            Some(pass) => self.gives_back(pass, kind),
            None => true,
        };
        let circuit = self.circuit(kind);
        match end {
            End::Good => *circuit = Circuit::default(),
            End::Bad => circuit.fail(decides, now_ms),
            End::Neutral => {}
        }
    }

    /// Until when the account is skipped, or was in the row of failures that goes on; none where
    /// this kind never failed so often.
    pub fn skipped_until_ms(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Filter => self.filter.until_ms,
            Kind::Ping => self.ping.until_ms,
            Kind::Post => self.post.until_ms,
        }
    }

    /// A ping is over. What it was to try and did not, the next one tries.
    pub fn leave(&mut self, pass: Pass) {
        for kind in [Kind::Filter, Kind::Ping] {
            self.gives_back(&pass, kind);
        }
        drop(pass);
    }

    /// Whether the pass held the probe that is out; then it is no more.
    fn gives_back(&mut self, pass: &Pass, kind: Kind) -> bool {
        let circuit = self.circuit(kind);
        let held = circuit.probe.is_some() && circuit.probe == pass.probe(kind);
        if held {
            circuit.probe = None;
        }
        held
    }

    fn circuit(&mut self, kind: Kind) -> &mut Circuit {
        match kind {
            Kind::Filter => &mut self.filter,
            Kind::Ping => &mut self.ping,
            Kind::Post => &mut self.post,
        }
    }
}

impl Circuit {
    fn is_open(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }

    fn fail(&mut self, decides: bool, now_ms: u64) {
        let opens = match self.until_ms {
            None => {
                self.row += 1;
                self.row >= ROW
            }
            // Whoever fails while the account is skipped was asked before.
            Some(until_ms) => decides && now_ms >= until_ms,
        };
        if opens {
            let doubled =
                FIRST_MS.saturating_mul(1_u64.checked_shl(self.openings).unwrap_or(u64::MAX));
            self.until_ms = Some(now_ms.saturating_add(doubled.min(LONGEST_MS)));
            self.openings = self.openings.saturating_add(1);
            self.probe = None;
        }
    }
}
