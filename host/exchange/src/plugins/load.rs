//! From a digest to a version that can be asked: at hand, from the host's own compiled code, or
//! compiled again.

use std::sync::Arc;

use gavel_market::{
    ids::{Digest, PluginName},
    model::CallLimits,
};
use gavel_sandbox::{Gated, Plugin};
use gavel_store::StoreError;

use super::version::Version;
use crate::Inner;

/// Why a version cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLoaded {
    /// Nobody uploaded it.
    #[error("no version with this digest was uploaded")]
    Unknown,
    /// The gate refuses it.
    #[error("{message}")]
    Refused {
        /// The gate's code.
        code: &'static str,
        /// For a person.
        message: String,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A version of a plugin, loaded if it is not at hand. `limits` bound its start.
pub(crate) async fn load(
    inner: &Arc<Inner>,
    name: &PluginName,
    digest: Digest,
    limits: CallLimits,
) -> Result<Version, NotLoaded> {
    // Versions differ by digest, limits by revision: those come with each call.
    if let Some(version) = inner.revisions.loaded(name, &digest) {
        return Ok(version);
    }
    let plugin = match sealed(inner, name, digest, limits).await {
        Some(plugin) => plugin,
        None => compiled(inner, name, digest, limits).await?,
    };
    let known = inner.store.plugin_version(name, &digest)?;
    let stateful = known.is_some_and(|version| version.stateful.is_some());
    Ok(Version::new(plugin, stateful, inner.events.clone()))
}

/// The plugin from compiled code that this host sealed. Whatever is wrong with that, it is
/// compiled again.
async fn sealed(
    inner: &Arc<Inner>,
    name: &PluginName,
    digest: Digest,
    limits: CallLimits,
) -> Option<Plugin> {
    let (keeper, name) = (Arc::clone(inner), name.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let stamp = keeper.sandbox.code_stamp();
        let code = keeper
            .store
            .code(&digest, stamp)
            .inspect_err(|error| tracing::warn!(%error, "compiled code cannot be read"))
            .ok()??;
        keeper
            .sandbox
            .load_sealed(&name, digest, &code, limits)
            .inspect_err(|error| {
                tracing::warn!(plugin = %name, digest = digest.short(), %error, "compiled code is not used");
            })
            .ok()
    });
    loading.await.ok().flatten()
}

async fn compiled(
    inner: &Arc<Inner>,
    name: &PluginName,
    digest: Digest,
    limits: CallLimits,
) -> Result<Plugin, NotLoaded> {
    let bytes = inner.store.plugin_bytes(&digest)?;
    let gated = gate(inner, name, bytes.ok_or(NotLoaded::Unknown)?, limits).await;
    let gave_up = || NotLoaded::Refused {
        code: "not_compilable",
        message: GAVE_UP.to_owned(),
    };
    gated
        .ok_or_else(gave_up)?
        .plugin
        .map_err(|error| NotLoaded::Refused {
            code: error.code(),
            message: error.to_string(),
        })
}

/// What is said of a plugin whose gate did not come to an end.
pub(crate) const GAVE_UP: &str = "the compiler gave up on this plugin";

/// The gate, off the request path and one plugin at a time; what passes leaves its compiled
/// code in the store. None where it panicked.
pub(crate) async fn gate(
    inner: &Arc<Inner>,
    name: &PluginName,
    bytes: Vec<u8>,
    limits: CallLimits,
) -> Option<Gated> {
    let _one_at_a_time = inner.compiling.lock().await;
    let (sandbox, its_name) = (inner.sandbox.clone(), name.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let gated = sandbox.gate(&its_name, &bytes, limits);
        let code = gated.plugin.as_ref().ok().and_then(Plugin::seal);
        (gated, code)
    });
    let (gated, code) = loading.await.ok()?;
    if let (Ok(plugin), Some(code)) = (&gated.plugin, code) {
        let stamp = inner.sandbox.code_stamp().to_owned();
        let (store, digest) = (inner.store.clone(), plugin.digest());
        let kept = match code {
            // By a task of its own: it follows from what an operator asks for, and is no change
            // that anybody made.
            Ok(code) => tokio::spawn(async move { store.put_code(digest, stamp, code).await })
                .await
                .map_err(|panic| panic.to_string())
                .and_then(|kept| kept.map_err(|error| error.to_string())),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = kept {
            // The next start compiles again, that is all.
            tracing::warn!(plugin = %name, error, "compiled code is not kept");
        }
    }
    Some(gated)
}
