//! What a mock buyer does when it is asked or sent a lead: said in a line by a test,
//! changed while the buyer runs.

use std::{sync::Arc, time::Duration};

use rand::{Rng, rngs::SmallRng};

use super::log::{Fields, Request};

/// What a buyer does when it is asked for a bid.
pub type OnPing = Plan<Offer>;

/// What a buyer does when it is sent a lead.
pub type OnPost = Plan<Verdict>;

/// What a buyer does with a request, once it has read it whole.
pub enum Plan<A> {
    /// Answers so.
    Answer(A),
    /// Misbehaves so. At a post the lead is in the buyer's hands by then.
    Fault(Fault),
    /// Waits, then does that.
    After(Duration, Box<Self>),
    /// Of the requests does this share one way, drawn with the buyer's seed, and the rest
    /// the other way.
    Sometimes {
        /// Between 0 and 1.
        share: f64,
        /// What that share gets.
        then: Box<Self>,
        /// What the rest gets.
        otherwise: Box<Self>,
    },
    /// Looks at the request first.
    Choose(Arc<dyn Fn(&Request) -> Self + Send + Sync>),
}

/// How a buyer fails after it has read a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Says nothing and keeps the connection until the other side or the test gives up.
    Never,
    /// Closes the connection without a word.
    Drop,
    /// Closes the connection in the middle of an answer that begins well.
    HalfAnswer,
    /// Answers 200 with a page that is neither JSON nor a form.
    Garbage,
    /// Answers 200 and yes, in [`super::HUGE_ANSWER`] bytes.
    Huge,
    /// Answers this status with an empty body.
    Status(u16),
    /// Answers 302 with this `Location`.
    Redirect(String),
}

/// An answer to a ping.
#[derive(Clone)]
pub enum Offer {
    /// Bids so much.
    Bid(Amount),
    /// Says yes and names no price.
    Accept,
    /// Says no, with this reason.
    NoBid(String),
}

/// An answer to a post.
#[derive(Clone)]
pub enum Verdict {
    /// Takes the lead.
    Accept {
        /// What it pays, where it says so.
        price: Option<Amount>,
        /// Where it wants the consumer sent.
        redirect_url: Option<String>,
    },
    /// Does not take the lead, for this reason.
    Reject(String),
}

/// From a lead's fields to a price, where the buyer wants it.
pub type PriceOf = dyn Fn(&Fields) -> Option<String> + Send + Sync;

/// A price, as it is written on the wire; a test may write what is no price at all.
#[derive(Clone)]
pub enum Amount {
    /// Always this.
    Exactly(String),
    /// What follows from the lead's fields; nothing where the buyer does not want it.
    Of(Arc<PriceOf>),
}

impl Amount {
    /// A price that follows from the lead's fields.
    pub fn of(price: impl Fn(&Fields) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::Of(Arc::new(price))
    }

    /// The price for a lead.
    pub fn for_lead(&self, fields: &Fields) -> Option<String> {
        match self {
            Self::Exactly(amount) => Some(amount.clone()),
            Self::Of(price) => price(fields),
        }
    }
}

impl From<&str> for Amount {
    fn from(amount: &str) -> Self {
        Self::Exactly(amount.to_owned())
    }
}

impl OnPing {
    /// Bids.
    pub fn bid(amount: impl Into<Amount>) -> Self {
        Self::Answer(Offer::Bid(amount.into()))
    }

    /// Says yes and names no price.
    pub fn accept() -> Self {
        Self::Answer(Offer::Accept)
    }

    /// Says no.
    pub fn no_bid(reason: &str) -> Self {
        Self::Answer(Offer::NoBid(reason.to_owned()))
    }
}

impl OnPost {
    /// Takes the lead at what it bid.
    pub fn accept() -> Self {
        Self::Answer(Verdict::Accept {
            price: None,
            redirect_url: None,
        })
    }

    /// Takes the lead and names a price.
    pub fn accept_at(price: impl Into<Amount>) -> Self {
        Self::Answer(Verdict::Accept {
            price: Some(price.into()),
            redirect_url: None,
        })
    }

    /// Takes the lead and wants the consumer sent somewhere.
    pub fn accept_and_redirect(url: &str) -> Self {
        Self::Answer(Verdict::Accept {
            price: None,
            redirect_url: Some(url.to_owned()),
        })
    }

    /// Does not take the lead.
    pub fn reject(reason: &str) -> Self {
        Self::Answer(Verdict::Reject(reason.to_owned()))
    }

    /// Takes the lead and closes the connection without a word.
    pub fn accept_then_drop() -> Self {
        Self::Fault(Fault::Drop)
    }
}

impl<A> Plan<A> {
    /// Never answers.
    pub fn never() -> Self {
        Self::Fault(Fault::Never)
    }

    /// Does this only after a while: a slow bid, a late acceptance.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }

    /// Does this, but of `share` (0 to 1) of the requests the other.
    #[must_use]
    pub fn but_sometimes(self, share: f64, other: Self) -> Self {
        Self::Sometimes {
            share,
            then: Box::new(other),
            otherwise: Box::new(self),
        }
    }

    /// Decides for each request.
    pub fn choose(choice: impl Fn(&Request) -> Self + Send + Sync + 'static) -> Self {
        Self::Choose(Arc::new(choice))
    }
}

impl<A: Clone> Plan<A> {
    /// What to do with this request: how long to wait, then an answer or a fault.
    pub(super) fn resolve(
        &self,
        request: &Request,
        rng: &mut SmallRng,
    ) -> (Duration, Result<A, Fault>) {
        match self {
            Self::Answer(answer) => (Duration::ZERO, Ok(answer.clone())),
            Self::Fault(fault) => (Duration::ZERO, Err(fault.clone())),
            Self::After(wait, plan) => {
                let (more, end) = plan.resolve(request, rng);
                (wait.saturating_add(more), end)
            }
            Self::Sometimes {
                share,
                then,
                otherwise,
            } => {
                let plan = if rng.random::<f64>() < *share {
                    then
                } else {
                    otherwise
                };
                plan.resolve(request, rng)
            }
            Self::Choose(choice) => choice(request).resolve(request, rng),
        }
    }
}

impl<A: Clone> Clone for Plan<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Answer(answer) => Self::Answer(answer.clone()),
            Self::Fault(fault) => Self::Fault(fault.clone()),
            Self::After(wait, plan) => Self::After(*wait, plan.clone()),
            Self::Sometimes {
                share,
                then,
                otherwise,
            } => Self::Sometimes {
                share: *share,
                then: then.clone(),
                otherwise: otherwise.clone(),
            },
            Self::Choose(choice) => Self::Choose(Arc::clone(choice)),
        }
    }
}
