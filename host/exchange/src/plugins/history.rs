//! Which versions were active when, read as a stack.

use gavel_market::ids::Digest;
use gavel_store::{VersionChange, Why};

/// The version to go back to. The history, newest first, is read as a stack: what was rolled
/// back is off it for good, and so is what was revoked.
pub(super) fn version_before(
    history: &[VersionChange],
    revoked: impl Fn(&Digest) -> bool,
) -> Option<Digest> {
    let mut stack: Vec<Digest> = Vec::new();
    for change in history.iter().rev() {
        match (change.digest, change.why) {
            (Some(digest), Why::RolledBack) => {
                while stack.last().is_some_and(|top| *top != digest) {
                    stack.pop();
                }
            }
            (Some(digest), Why::Applied | Why::Activated) => stack.push(digest),
            (None, _) => {}
        }
    }
    let now = stack.pop()?;
    let mut earlier = stack.into_iter().rev();
    earlier.find(|digest| *digest != now && !revoked(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(changes: &[(&str, Why)]) -> Vec<VersionChange> {
        let change = |(digest, why): &(&str, Why)| {
            let digest = Digest::of(digest.as_bytes());
            VersionChange::new("roof".parse().unwrap(), Some(digest), *why)
        };
        changes.iter().rev().map(change).collect()
    }

    fn before(changes: &[(&str, Why)], revoked: &str) -> Option<Digest> {
        let revoked = Digest::of(revoked.as_bytes());
        version_before(&history(changes), |digest| *digest == revoked)
    }

    fn named(version: &str) -> Digest {
        Digest::of(version.as_bytes())
    }

    #[test]
    fn going_back_twice_goes_back_twice() {
        use Why::{Activated, Applied, RolledBack};
        let mut all = vec![("a", Applied), ("b", Activated), ("c", Activated)];
        assert_eq!(before(&all, ""), Some(named("b")));
        all.push(("b", RolledBack));
        assert_eq!(before(&all, ""), Some(named("a")));
        all.push(("a", RolledBack));
        assert_eq!(before(&all, ""), None);
        all.push(("c", Activated));
        assert_eq!(before(&all, ""), Some(named("a")));
    }

    #[test]
    fn a_revoked_version_is_not_gone_back_to() {
        use Why::{Activated, Applied};
        let all = [("a", Applied), ("b", Activated), ("c", Activated)];
        assert_eq!(before(&all, "b"), Some(named("a")));
        assert_eq!(before(&all[..1], ""), None);
    }
}
