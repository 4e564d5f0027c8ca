//! How many files the host may have open: each connection is one of them.
//!
//! Most systems begin a process with 1024 and let it ask for more. A host that ran out would
//! accept nobody, reach no buyer and could not begin a new file of its store.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the host has open beside connections: its store, its log, the runtime's own.
const BESIDE_CONNECTIONS: u64 = 256;

/// Asks the system for as many open files as so many connections take; says so where it lets
/// this process have fewer.
pub(crate) fn allow(connections: usize) {
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(BESIDE_CONNECTIONS);
    let limit = getrlimit(Resource::Nofile);
    let Some(now) = limit.current.filter(|now| *now < wanted) else {
        return;
    };
    let most = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let raised = Rlimit {
        current: Some(most),
        ..limit
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            now
        }
    };
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "this process may have fewer files open than its connections can take: raise the limit \
             (`ulimit -n`, or LimitNOFILE of a systemd unit), or lower max_connections and \
             outbound_connections"
        );
    }
}
