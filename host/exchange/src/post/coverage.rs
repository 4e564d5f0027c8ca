//! Step 6: somebody who bid must still qualify on the full lead.

use gavel_market::{criteria, criteria::Absent, model::Account, order::Order};
use gavel_sandbox::{FaultKind, PingView, Verdict};

use super::Posted;

/// Whether at least one account that bid still qualifies: criteria on the full lead, its
/// filter on the fields that are not personal.
pub(super) async fn is_covered(
    posted: &Posted,
    order: &Order,
    transaction: &std::sync::Arc<gavel_sandbox::Transaction>,
) -> bool {
    let shown = PingView::new(
        std::sync::Arc::new(posted.lead.without_personal()),
        std::sync::Arc::clone(transaction),
    );
    for bid in &order.bids {
        if let Some((_, account)) = posted.roster.revision.market.account_named(&bid.account)
            && qualifies(posted, account, &shown, order).await
        {
            return true;
        }
    }
    false
}

async fn qualifies(posted: &Posted, account: &Account, shown: &PingView, order: &Order) -> bool {
    if criteria::first_failed(&account.criteria, &*posted.lead, Absent::Fails).is_some() {
        return false;
    }
    let Some(used) = &account.filter else {
        return true;
    };
    let id = format!("{}.{}", order.id, account.tag());
    let Some((plugin, call)) = posted.roster.plugin(account, used, &id) else {
        return false;
    };
    // What it logs is about a post, so it is dropped; the account's own delivery says why.
    match plugin.qualify(&call, shown).await {
        Ok(called) => called.value == Verdict::Qualified,
        // A busy host is no reason to turn a lead away: the delivery asks again.
        Err(fault) => fault.kind == FaultKind::Overloaded,
    }
}
