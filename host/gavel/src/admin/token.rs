//! The operator's bearer token.

use std::fmt;

use gavel_market::ids::Digest;

/// What an operator's token must hash to. The token itself is not kept.
#[derive(Clone, Copy)]
pub(crate) struct AdminToken(Digest);

impl AdminToken {
    /// The token with this digest.
    pub(crate) fn with_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// This token.
    pub(crate) fn of(token: &str) -> Self {
        Self(Digest::of(token.as_bytes()))
    }

    /// Whether it is this one. Digests are compared, so how far a guess is right takes no
    /// time that could be measured.
    pub(crate) fn is(&self, token: &str) -> bool {
        Digest::of(token.as_bytes()) == self.0
    }

    /// Its digest.
    pub(crate) fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}
