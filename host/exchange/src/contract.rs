//! What a supplier may know of its campaign: asked with its key, or by a link that an
//! operator made, which is signed and expires.

use std::time::Duration;

use gavel_market::{
    contract::Contract,
    ids::{CampaignId, Digest, SupplierId},
};

use crate::{
    Exchange,
    api::{Caller, OperatorRefused, Refusal},
    clock,
};

/// What signatures of links are hashes of, among all that the store's key signs.
const LINK: &str = "instructions link";

/// What stands in a link to a campaign's posting instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructionsLink {
    /// Which campaign's.
    pub campaign: CampaignId,
    /// Unix time in seconds at which it ends.
    pub expires_at_s: u64,
    /// Says that this host made it.
    pub signature: Digest,
}

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefused {
    /// This host did not make it, or its campaign is no longer there or no longer the
    /// supplier's. Which of these is not told.
    #[error("the link opens nothing")]
    Invalid,
    /// It was good once.
    #[error("the link has expired")]
    Expired,
}

impl Exchange {
    /// A supplier's campaign in today's market.
    pub fn contract(&self, caller: &Caller, campaign: &str) -> Result<Contract, Refusal> {
        self.contract_of(campaign)
            .filter(|contract| contract.supplier == caller.supplier)
            .ok_or(Refusal::NotFound)
    }

    /// The same, for whoever has a link. Whether the signature is right is asked first, so
    /// that nothing can be learnt with a wrong one.
    pub fn contract_by_link(
        &self,
        campaign: &str,
        expires_at_s: u64,
        signature: &Digest,
    ) -> Result<Contract, LinkRefused> {
        let contract = self.contract_of(campaign).ok_or(LinkRefused::Invalid)?;
        let right = self.signature(&contract.campaign, &contract.supplier, expires_at_s);
        // How far a guess is right must take no time that could be measured: hashes of both
        // are compared, under a key that nobody who guesses has.
        let masked = |digest: &Digest| self.0.store.keyed_hash("compared", &digest.0);
        if masked(signature) != masked(&right) {
            return Err(LinkRefused::Invalid);
        }
        if clock::unix_ms() / 1000 >= expires_at_s {
            return Err(LinkRefused::Expired);
        }
        Ok(contract)
    }

    /// A link for a campaign's supplier, good for so long.
    pub fn instructions_link(
        &self,
        campaign: &str,
        valid_for: Duration,
    ) -> Result<InstructionsLink, OperatorRefused> {
        let contract = self
            .contract_of(campaign)
            .ok_or(OperatorRefused::NotFound)?;
        let expires_at_s = (clock::unix_ms() / 1000).saturating_add(valid_for.as_secs());
        Ok(InstructionsLink {
            signature: self.signature(&contract.campaign, &contract.supplier, expires_at_s),
            campaign: contract.campaign,
            expires_at_s,
        })
    }

    fn contract_of(&self, campaign: &str) -> Option<Contract> {
        let revision = self.0.revisions.current()?;
        let campaign = revision.campaign(campaign)?;
        Some(Contract::of(&revision.market, campaign))
    }

    /// Names have no blanks, so no two links are signed alike. The supplier is signed too: a
    /// campaign that changes hands takes no link along.
    fn signature(&self, campaign: &CampaignId, supplier: &SupplierId, expires_at_s: u64) -> Digest {
        let signed = format!("{campaign} {supplier} {expires_at_s}");
        self.0.store.keyed_hash(LINK, signed.as_bytes())
    }
}
