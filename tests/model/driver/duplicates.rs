//! By what leads are known again, as the exchange makes it.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

impl Driver<'_> {
    pub(super) fn hash(&self, parts: &[&str]) -> Digest {
        self.store.keyed_hash(
            "model",
            [&[self.prefix.as_str()], parts]
                .concat()
                .join("\0")
                .as_bytes(),
        )
    }

    pub(super) fn of_field(&self, lead: &impl Fields, at: usize) -> Option<Digest> {
        let value = lead.value(at)?;
        Some(self.hash(&["field", FIELDS[at].0, &compared(lead, at, value)]))
    }

    pub(super) fn of_lead(&self, supplier: &str, lead: &FullLead) -> Digest {
        let values = (0..FIELDS.len()).filter_map(|at| Some((at, lead.value(at)?)));
        let text: Vec<_> = values
            .map(|(at, value)| format!("{}={}", FIELDS[at].0, compared(lead, at, value)))
            .collect();
        self.hash(&["lead", supplier, &text.join("\0")])
    }

    pub(super) fn comparison(
        &self,
        duplicates: &Duplicates,
        among: Among,
        lead: &impl Fields,
    ) -> Comparison {
        Comparison {
            among,
            matching: duplicates.matching,
            hashes: duplicates
                .fields
                .iter()
                .map(|at| self.of_field(lead, *at))
                .collect(),
            within_ms: millis(duplicates.within),
        }
    }

    pub(super) fn fingerprints(
        &self,
        campaign: &Campaign,
        lead: &FullLead,
        at_ms: u64,
    ) -> Vec<Fingerprint> {
        // For as long as anything here is remembered: whether a lead is still asked for is shown
        // by the time that a comparison names.
        let until_ms = at_ms + 400 * 86_400_000;
        let fields = (0..FIELDS.len()).filter_map(|at| {
            Some(Fingerprint {
                field: Some(FIELDS[at].0.to_owned()),
                hash: self.of_field(lead, at)?,
                until_ms,
            })
        });
        let whole = Fingerprint {
            field: None,
            hash: self.of_lead(campaign.supplier.as_str(), lead),
            until_ms,
        };
        fields.chain([whole]).collect()
    }

    pub(super) fn checks(&self, campaign: &Campaign, lead: &FullLead, order: &Order) -> Checks {
        if order.test {
            return Checks::default();
        }
        let of_campaign = campaign
            .duplicates
            .as_ref()
            .map(|(duplicates, scope)| self.comparison(duplicates, Among::Scope(*scope), lead));
        let same = Comparison {
            among: Among::Scope(DuplicateScope::Supplier),
            matching: Matching::All,
            hashes: vec![Some(self.of_lead(campaign.supplier.as_str(), lead))],
            within_ms: millis(campaign.window),
        };
        Checks {
            comparisons: of_campaign.into_iter().chain([same]).collect(),
            campaign_room: (order.hold == HoldAt::Post)
                .then(|| self.room(&room::Owner::Campaign(order.campaign.clone()))),
        }
    }

    pub(super) fn had(
        &self,
        account: &Account,
        order: Option<&Order>,
        campaign: &Campaign,
        lead: &impl Fields,
        at_ms: u64,
    ) -> Result<bool, Broken> {
        let Some(duplicates) = &account.duplicates else {
            return Ok(false);
        };
        let comparison = self.comparison(duplicates, Among::Account(account.id.clone()), lead);
        let subject = Subject {
            order: order.map_or(OrderId(Ulid::nil()), |order| order.id),
            campaign: campaign.id.clone(),
            supplier: campaign.supplier.clone(),
            at_ms,
        };
        self.store.has_seen(&comparison, &subject).map_err(broken)
    }
}
