//! What operators ask for: upload, activate, roll back, revoke, try, replay.

use std::sync::Arc;

use gavel_market::{
    ids::{Digest, PingId, PluginName},
    model::CallLimits,
    record::{Differences, PingRecord},
};
use gavel_sandbox::{About, Kind};
use gavel_store::{GateRefusal, PluginKind, PluginVersion, StoreError, Trial, TrialMode, Why};

use super::{
    history::version_before,
    load::{self, GAVE_UP},
    replay, trial,
    version::Version,
};
use crate::{
    Exchange, Inner,
    api::{
        Activated, Limits, MarketRefused, OperatorRefused, Page, PingQuery, PluginRefused,
        PluginVersionView, PluginView, ReplayReport, Replayed, Upload,
    },
    cases, clock, market_change,
    revision::Revision,
};

/// Changes of a plugin's version, and trials, that its page shows.
const HISTORY_SHOWN: usize = 100;

/// Pings that one page of a replay looks at, at most: a page is one request's work.
const REPLAY_PAGE_MAX: usize = 1_000;

impl Exchange {
    /// Runs a plugin's bytes through the gate and keeps them with its report. What the gate
    /// refuses is kept too, and can never be active.
    pub async fn upload_plugin(
        &self,
        upload: Upload,
    ) -> Result<(PluginVersionView, Option<Activated>), PluginRefused> {
        let Upload {
            name,
            bytes,
            cases,
            limits,
            activate,
        } = upload;
        let digest = Digest::of(&bytes);
        let known = self.0.store.plugin_version(&name, &digest)?;
        let version = match known {
            // It has passed before, or its cases have failed, and nothing new is asked of it.
            Some(known) if cases.is_empty() && known.stands() => known,
            known => {
                let passed_before = known.is_some_and(|known| known.refused.is_none());
                self.gated(name.clone(), bytes, (cases, limits), passed_before)
                    .await?
            }
        };
        let refused = version.refused.is_some();
        let activated = if activate && !refused {
            Some(self.activate_plugin(&name, &digest.to_string()).await?)
        } else {
            None
        };
        Ok((self.0.version_view(version), activated))
    }

    async fn gated(
        &self,
        name: PluginName,
        bytes: Vec<u8>,
        (cases, limits): (Vec<(String, String)>, Limits),
        passed_before: bool,
    ) -> Result<PluginVersion, PluginRefused> {
        let inner = &self.0;
        let limits = limits.over(inner.limits_of(&name));
        let mut gated = load::gate(inner, &name, bytes.clone(), limits)
            .await
            .ok_or_else(|| PluginRefused::Gate("not_compilable".to_owned(), GAVE_UP.to_owned()))?;
        let mut refused = gated.plugin.as_ref().err().map(|error| GateRefusal {
            code: error.code().to_owned(),
            message: error.to_string(),
        });
        if let (Ok(plugin), false) = (&gated.plugin, cases.is_empty()) {
            let failed = cases::at_the_gate(&mut gated.report, plugin, &cases, limits).await;
            refused = failed.map(|message| GateRefusal {
                code: "case_failed".to_owned(),
                message,
            });
        }
        let plugin = gated.plugin.as_ref().ok();
        let version = PluginVersion {
            digest: Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
            kind: plugin.map(|plugin| match plugin.kind() {
                Kind::Filter => PluginKind::Filter,
                Kind::Adapter => PluginKind::Adapter,
            }),
            about: plugin.map(|plugin| about_json(plugin.about())),
            gate: serde_json::to_value(&gated.report).ok(),
            refused,
            stateful: None,
            at_ms: clock::unix_ms(),
            name,
        };
        // What has passed may be active, and quoted orders: a stricter look now refuses this
        // upload, and not that version.
        if !(passed_before && version.refused.is_some()) {
            inner.store.put_plugin(version.clone(), bytes).await?;
        }
        Ok(version)
    }

    /// The largest plugin that is taken, in bytes.
    pub fn max_plugin_bytes(&self) -> usize {
        self.0.sandbox.max_plugin_bytes()
    }

    /// Every version of every plugin, by name.
    pub fn plugins(&self) -> Result<Vec<PluginVersionView>, OperatorRefused> {
        let versions = self.0.store.plugins()?.into_iter();
        Ok(versions
            .map(|version| self.0.version_view(version))
            .collect())
    }

    /// One plugin: its versions, what was active when, and what is on trial.
    pub fn plugin(&self, name: &PluginName) -> Result<PluginView, OperatorRefused> {
        let inner = &self.0;
        let versions = inner.store.plugin_versions(name)?;
        let current = inner.revisions.current();
        let active = current.as_ref().and_then(|now| now.digest_of(name));
        if versions.is_empty() && active.is_none() {
            return Err(OperatorRefused::NotFound);
        }
        let trial = current.as_ref().and_then(|now| now.trials.get(name));
        Ok(PluginView {
            name: name.clone(),
            active,
            versions: versions
                .into_iter()
                .map(|version| inner.version_view(version))
                .collect(),
            history: inner.store.plugin_history(name, HISTORY_SHOWN)?,
            trial: trial.map(|trial| trial.view()),
            ended: inner.store.ended_trials(name, HISTORY_SHOWN)?,
        })
    }

    /// Makes a version the active one: the market in force at a further revision.
    pub async fn activate_plugin(
        &self,
        name: &PluginName,
        digest: &str,
    ) -> Result<Activated, PluginRefused> {
        let _one_at_a_time = self.0.changing.lock().await;
        let version = self.0.version_that_may_decide(name, digest)?;
        activate(&self.0, name, version.digest, Why::Activated).await
    }

    /// Goes back to the version that was active before; again, to the one before that.
    pub async fn roll_back_plugin(&self, name: &PluginName) -> Result<Activated, PluginRefused> {
        let inner = &self.0;
        let _one_at_a_time = inner.changing.lock().await;
        let history = inner.store.plugin_history(name, usize::MAX)?;
        if history.is_empty() {
            return Err(PluginRefused::NotFound);
        }
        let versions = inner.store.plugin_versions(name)?;
        let unfit = |digest: &Digest| {
            let refused =
                |version: &PluginVersion| version.digest == *digest && version.refused.is_some();
            inner.revoked.at_ms(digest).is_some() || versions.iter().any(refused)
        };
        let before = version_before(&history, unfit).ok_or(PluginRefused::NoEarlierVersion)?;
        activate(inner, name, before, Why::RolledBack).await
    }

    /// Stops a version at once, whatever it is active for, open orders included.
    pub async fn revoke_plugin(
        &self,
        name: &PluginName,
        digest: &str,
    ) -> Result<PluginVersionView, PluginRefused> {
        let inner = &self.0;
        let version = inner.version_named(name, digest)?;
        let now_ms = clock::unix_ms();
        // Requests first: what the store is slow to note must not go on deciding.
        inner.revoked.add(version.digest, now_ms);
        tracing::warn!(plugin = %name, digest = version.digest.short(), "a version was revoked");
        inner.store.revoke(version.digest, now_ms).await?;
        trial::tell(inner, name, &version.digest, "was revoked");
        let _one_at_a_time = inner.changing.lock().await;
        // The same bytes may be on trial under another name.
        let current = inner.revisions.current();
        let trials = current.iter().flat_map(|current| current.trials.iter());
        for (name, trial) in trials.filter(|(_, trial)| trial.kept.digest == version.digest) {
            trial::leave(inner, name);
            let ended = trial.ended("it was revoked".to_owned(), false);
            inner.store.end_trial(name.clone(), ended).await?;
        }
        Ok(inner.version_view(version))
    }

    /// Tries a version beside the active one, in place of the trial that there may be; without a
    /// version, ends that.
    pub async fn try_plugin(
        &self,
        name: &PluginName,
        wanted: Option<(&str, TrialMode)>,
    ) -> Result<PluginView, PluginRefused> {
        let inner = &self.0;
        let _one_at_a_time = inner.changing.lock().await;
        let current = inner.revisions.current().ok_or(PluginRefused::NoMarket)?;
        let before = inner.trial_of(name);
        let by_operator = |why: &str| {
            before
                .as_ref()
                .map(|trial| trial.ended(why.to_owned(), false))
        };
        match wanted {
            None => {
                trial::leave(inner, name);
                if let Some(ended) = by_operator("an operator ended it") {
                    let digest = ended.trial.digest;
                    inner.store.end_trial(name.clone(), ended).await?;
                    trial::tell(inner, name, &digest, "is no longer on trial");
                }
            }
            Some((digest, mode)) => {
                let how = match mode {
                    TrialMode::Shadow => "is a shadow",
                    TrialMode::Canary { .. } => "is a canary",
                };
                let version = inner.version_that_may_decide(name, digest)?;
                match current.digest_of(name) {
                    None => return Err(PluginRefused::NothingActive),
                    Some(active) if active == version.digest => {
                        return Err(PluginRefused::AlreadyActive);
                    }
                    Some(_) => {}
                }
                let limits = current.limits_of(name);
                let candidate = load::load(inner, name, version.digest, limits).await;
                let candidate = candidate.map_err(|error| not_loaded(&error))?;
                check(&current, name, &candidate).await?;
                let kept = Trial {
                    digest: version.digest,
                    mode,
                    since_ms: clock::unix_ms(),
                };
                let ended = by_operator("another trial took its place");
                let record = kept.clone();
                inner.store.begin_trial(name.clone(), record, ended).await?;
                trial::tell(inner, name, &version.digest, how);
                let mut revision = Revision::clone(&current);
                trial::join(inner, &mut revision, name, kept, &candidate);
                inner.revisions.publish(&Arc::new(revision));
            }
        }
        Ok(self.plugin(name)?)
    }

    /// Runs one page of recorded pings, newest first, through a version.
    pub async fn replay_plugin(
        &self,
        name: &PluginName,
        digest: &str,
        query: PingQuery,
    ) -> Result<ReplayReport, PluginRefused> {
        let inner = &self.0;
        let version = inner.version_named(name, digest)?;
        let limits = inner.limits_of(name);
        let candidate = load::load(inner, name, version.digest, limits)
            .await
            .map_err(|error| not_loaded(&error))?;
        inner.store.caught_up().await?;
        let query = PingQuery {
            limit: query.limit.clamp(1, REPLAY_PAGE_MAX),
            ..query
        };
        replay::report(inner, name, &candidate, &query)
            .await
            .map_err(|_| PluginRefused::Broken)
    }

    /// Decides one recorded ping again, with the versions that decided it.
    pub async fn replay_ping(&self, id: PingId) -> Result<(PingRecord, Replayed), OperatorRefused> {
        self.0.store.caught_up().await?;
        let record = self.0.store.ping(id)?.ok_or(OperatorRefused::NotFound)?;
        let again = replay::replay(&self.0, &record, None)
            .await
            .map_err(|_| OperatorRefused::Broken)?;
        Ok((record, again))
    }

    /// What shadows of a plugin would have decided otherwise, newest ping first.
    pub async fn differences(
        &self,
        name: &PluginName,
        after: Option<PingId>,
        limit: usize,
    ) -> Result<Page<Differences>, OperatorRefused> {
        self.0.store.caught_up().await?;
        let page = self.0.store.differences(name, after, limit)?;
        Ok(Page {
            items: page.items,
            next: page.next.map(|id| id.to_string()),
        })
    }
}

/// Notes which versions were caught keeping state, and tells the operator. Called now and then:
/// the sandbox has stopped reusing their instances by itself.
pub(crate) async fn note_stateful(inner: &Inner) -> Result<(), StoreError> {
    let Some(current) = inner.revisions.current() else {
        return Ok(());
    };
    let on_trial = current
        .trials
        .iter()
        .map(|(name, trial)| (name, &trial.candidate));
    for (name, version) in current.plugins.iter().chain(on_trial) {
        let Some(how) = version.newly_stateful() else {
            continue;
        };
        let digest = version.digest();
        tracing::warn!(plugin = %name, digest = digest.short(), how, "a plugin keeps state between calls: from now on each call has a fresh instance");
        inner.store.note_stateful(name, &digest, how).await?;
    }
    Ok(())
}

/// Loads and activates; whoever calls holds the lock on changes.
async fn activate(
    inner: &Arc<Inner>,
    name: &PluginName,
    digest: Digest,
    why: Why,
) -> Result<Activated, PluginRefused> {
    let current = inner.revisions.current().ok_or(PluginRefused::NoMarket)?;
    let before = current.digest_of(name);
    let limits = current.limits_of(name);
    let version = load::load(inner, name, digest, limits)
        .await
        .map_err(|error| not_loaded(&error))?;
    if inner.revoked.at_ms(&digest).is_some() {
        return Err(PluginRefused::Revoked);
    }
    let change = market_change::activate(inner, name, version, why)
        .await
        .map_err(|refused| match refused {
            MarketRefused::NotFound => PluginRefused::NoMarket,
            MarketRefused::Broken => PluginRefused::Broken,
            refused @ (MarketRefused::Invalid(_) | MarketRefused::Conflict(_)) => {
                PluginRefused::Market(refused)
            }
        })?;
    Ok(Activated {
        name: name.clone(),
        digest,
        revision: change.revision,
        before,
    })
}

/// A version on trial must suit every account that uses the plugin, as the active one does.
async fn check(
    current: &Revision,
    name: &PluginName,
    candidate: &Version,
) -> Result<(), PluginRefused> {
    let plugin = |wanted: &PluginName| (wanted == name).then(|| candidate.plugin());
    let errors = market_change::verify_those(&current.market, plugin, Some(name)).await;
    if errors.is_empty() {
        Ok(())
    } else {
        Err(PluginRefused::Market(MarketRefused::Invalid(errors)))
    }
}

fn not_loaded(error: &load::NotLoaded) -> PluginRefused {
    match error {
        load::NotLoaded::Unknown => PluginRefused::NotFound,
        load::NotLoaded::Refused { code, message } => {
            PluginRefused::Gate((*code).to_owned(), message.clone())
        }
        load::NotLoaded::Store(error) => {
            tracing::error!(%error, "a plugin cannot be loaded");
            PluginRefused::Broken
        }
    }
}

impl Inner {
    /// The bounds that the market in force sets for a plugin, or the defaults.
    fn limits_of(&self, name: &PluginName) -> CallLimits {
        let current = self.revisions.current();
        current
            .map(|revision| revision.limits_of(name))
            .unwrap_or_default()
    }

    fn trial_of(&self, name: &PluginName) -> Option<Arc<trial::TrialAtWork>> {
        self.revisions.current()?.trials.get(name).cloned()
    }

    /// The version that a digest names, which may be cut to eight or more digits.
    fn version_named(
        &self,
        name: &PluginName,
        digest: &str,
    ) -> Result<PluginVersion, PluginRefused> {
        let digest = digest.to_ascii_lowercase();
        let versions = self.store.plugin_versions(name)?;
        if versions.is_empty() {
            return Err(PluginRefused::NotFound);
        }
        if digest.len() < DIGEST_LEAST || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PluginRefused::BadDigest);
        }
        let mut named = versions
            .into_iter()
            .filter(|version| version.digest.to_string().starts_with(&digest));
        match (named.next(), named.next()) {
            (Some(version), None) => Ok(version),
            (None, _) => Err(PluginRefused::NotFound),
            (Some(_), Some(_)) => Err(PluginRefused::AmbiguousDigest),
        }
    }

    fn version_that_may_decide(
        &self,
        name: &PluginName,
        digest: &str,
    ) -> Result<PluginVersion, PluginRefused> {
        let version = self.version_named(name, digest)?;
        if let Some(refused) = version.refused {
            return Err(PluginRefused::RefusedByGate(refused.code, refused.message));
        }
        if self.revoked.at_ms(&version.digest).is_some() {
            return Err(PluginRefused::Revoked);
        }
        Ok(version)
    }

    fn version_view(&self, version: PluginVersion) -> PluginVersionView {
        let current = self.revisions.current();
        let active = current
            .as_ref()
            .is_some_and(|now| now.digest_of(&version.name) == Some(version.digest));
        let said = |key: &str| Some(version.about.as_ref()?.get(key)?.as_str()?.to_owned());
        PluginVersionView {
            size: version.size_bytes,
            at_ms: version.at_ms,
            kind: version.kind.map(|kind| kind_word(kind).to_owned()),
            version: said("version"),
            summary: said("summary"),
            refused: version
                .refused
                .map(|refused| (refused.code, refused.message)),
            active,
            revoked_at_ms: self.revoked.at_ms(&version.digest),
            stateful: version.stateful,
            gate: version.gate,
            tally: self
                .revisions
                .loaded(&version.name, &version.digest)
                .map(|version| version.tally()),
            name: version.name,
            digest: version.digest,
        }
    }
}

/// Digits that name a version at least.
const DIGEST_LEAST: usize = 8;

fn about_json(about: &About) -> serde_json::Value {
    serde_json::json!({
        "name": about.name,
        "version": about.version,
        "summary": about.summary,
        "config_schema": about.config_schema,
        "needs": about.needs,
    })
}

fn kind_word(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Filter => "filter",
        PluginKind::Adapter => "adapter",
    }
}
