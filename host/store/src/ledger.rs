//! The ledger: a list for each lead that is only ever added to, and outlives everything else of
//! it.

use gavel_market::{
    ids::LeadId,
    ledger::{self, Entry, EntryKind},
};

use crate::{
    Store, change::Txn, codec, error::StoreError, keys, report::Booking, view::with_prefix,
};

const ENTRY: &str = "ledger entry";

impl Txn<'_> {
    /// Adds entries to a lead's ledger, and behind them what they change in what the supplier
    /// pays back, where anything of the lead was given back before.
    /// What is booked is in the reports by the same transaction. The only way in.
    pub(crate) fn book(
        &mut self,
        booking: &Booking<'_>,
        mut entries: Vec<Entry>,
    ) -> Result<(), StoreError> {
        let Some(at_ms) = entries.last().map(|entry| entry.at_ms) else {
            return Ok(());
        };
        let prefix = keys::ledger(booking.lead);
        let mut booked = self.booked(booking.lead)?;
        let next = booked.len();
        booked.append(&mut entries);
        let given_back = booked
            .iter()
            .any(|entry| matches!(entry.kind, EntryKind::Return { .. }));
        if given_back && let Some(charge) = ledger::charge_due(&booked, at_ms) {
            booked.push(charge);
        }
        for (number, entry) in (0..).zip(&booked).skip(next) {
            self.put(
                keys::numbered(&prefix, number),
                codec::encode(ENTRY, entry)?,
            );
        }
        let (before, added) = booked.split_at(next);
        self.report_booked(booking, before, added)
    }

    /// Everything booked for a lead, oldest first.
    pub(crate) fn booked(&self, lead: LeadId) -> Result<Vec<Entry>, StoreError> {
        let keys = self.keys(&keys::ledger(lead))?;
        let entries = keys
            .iter()
            .map(|key| self.get(key)?.map(|record| read(&record)).transpose());
        entries.filter_map(Result::transpose).collect()
    }
}

fn read(record: &[u8]) -> Result<Entry, StoreError> {
    codec::decode(ENTRY, record)
}

impl Store {
    /// Everything booked for a lead, oldest first. Outlives the lead's order.
    pub fn ledger(&self, lead: LeadId) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for key in self.view().keys(with_prefix(&keys::ledger(lead))) {
            let record = self.view().get(&key?)?;
            entries.extend(record.map(|record| read(&record)).transpose()?);
        }
        Ok(entries)
    }
}
