//! A shadow looks on: after a ping is answered it is shown what the active version saw, with the
//! answers that its buyers gave, and only where it would have decided otherwise is recorded.
//!
//! It sends nothing, and holds no ping up: it runs behind the answer, a bounded number at a
//! time; what there is no room for is skipped and counted.

use std::sync::Arc;

use gavel_market::{
    ids::{OrderId, PingId, PluginName},
    model::Account,
    record::{Difference, Differences, Exchanged, Standing},
};
use gavel_sandbox::PingView;

use super::{roster::Roster, trial::TrialAtWork};
use crate::{
    Inner,
    ping::{
        Asked, Decided,
        consider::{Asking, Considering},
    },
};
use gavel_store::TrialMode;

/// What a ping's shadows are shown.
pub(crate) struct Shown {
    ping: PingId,
    roster: Roster,
    view: PingView,
    /// The accounts that the criteria let through, and where each stood.
    stood: Vec<(Arc<Account>, Standing)>,
    exchanges: Vec<Exchanged>,
    shadows: Vec<(PluginName, Arc<TrialAtWork>)>,
}

impl Shown {
    /// What there is to be shown; nothing where no shadow concerns this ping, nor of a test.
    pub(crate) fn of(asked: &Asked, decided: &Decided) -> Option<Self> {
        if asked.test {
            return None;
        }
        let trials = asked.roster.revision.trials.iter();
        let shadows: Vec<_> = trials
            .filter(|(name, trial)| {
                trial.kept.mode == TrialMode::Shadow
                    && decided
                        .considered
                        .iter()
                        .any(|one| uses(&one.account, name))
            })
            .map(|(name, trial)| (name.clone(), Arc::clone(trial)))
            .collect();
        if shadows.is_empty() {
            return None;
        }
        let concerned = decided
            .considered
            .iter()
            .filter(|one| shadows.iter().any(|(name, _)| uses(&one.account, name)));
        let stood = concerned.clone().map(|one| {
            // Whoever was ranked had bid; what came of that is not the plugin's.
            let standing = if one.was_ranked() {
                Standing {
                    outcome: None,
                    ..one.standing()
                }
            } else {
                one.standing()
            };
            (Arc::clone(&one.account), standing)
        });
        Some(Self {
            ping: asked.id,
            roster: asked.roster.clone(),
            view: asked.view.clone(),
            stood: stood.collect(),
            exchanges: concerned.flat_map(|one| one.exchanges.clone()).collect(),
            shadows,
        })
    }
}

fn uses(account: &Account, name: &PluginName) -> bool {
    account.plugins().any(|used| used.plugin == *name)
}

/// Shows it, behind the ping's answer.
pub(crate) fn show(inner: &Arc<Inner>, shown: Shown) {
    let Ok(place) = Arc::clone(&inner.shadows).try_acquire_owned() else {
        for (_, trial) in &shown.shadows {
            trial.count_skipped();
        }
        return;
    };
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        for (name, trial) in &shown.shadows {
            let accounts = differences(&shown, name, trial).await;
            trial.count_seen();
            if accounts.is_empty() {
                continue;
            }
            trial.count_differed();
            let found = Differences {
                ping: shown.ping,
                plugin: name.clone(),
                digest: trial.kept.digest,
                accounts,
            };
            if let Err(error) = inner.store.record_differences(found).await {
                tracing::error!(%error, "what a shadow would have decided could not be kept");
            }
        }
        drop(place);
    });
}

async fn differences(shown: &Shown, name: &PluginName, trial: &TrialAtWork) -> Vec<Difference> {
    let roster = shown
        .roster
        .clone()
        .looking_on(name.clone(), trial.candidate.clone());
    let considering = Considering {
        roster: &roster,
        view: &shown.view,
        order: OrderId(shown.ping.0),
        asking: Asking::Recorded(&shown.exchanges),
    };
    let mut differences = Vec::new();
    for (account, active) in shown
        .stood
        .iter()
        .filter(|(account, _)| uses(account, name))
    {
        let again = considering.account(account, None).await;
        let shadow = again.standing();
        // A busy host decides neither way.
        let of_the_moment = |standing: &Standing| {
            standing
                .outcome
                .is_some_and(super::replay::is_of_the_moment)
        };
        if of_the_moment(active) || of_the_moment(&shadow) {
            continue;
        }
        // Where its buyer would have been asked more than was, nobody knows what came of it;
        // that it would have been is a difference, unless that buyer had not answered in time.
        let differs = if again.unrecorded {
            !super::replay::is_without_answer(active)
        } else {
            !shadow.decides_as(active)
        };
        if differs {
            differences.push(Difference {
                account: account.id.clone(),
                active: active.clone(),
                shadow: super::replay::told(&again, shadow),
            });
        }
    }
    differences
}
