//! `gavel plugin activate`, `rollback` and `revoke`: which version decides.

use serde_json::{Value, json};

use super::{
    cli::{NameArgs, VersionArgs},
    host::{change, short},
};
use crate::{
    client::AdminClient,
    out::{self, Failure},
    told::text,
};

/// Makes a version decide.
pub(super) async fn activate(args: &VersionArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let body = json!({"digest": args.digest.0});
    let changed = change(&host, &args.name, "activate", &body).await?;
    out::line(&told(&changed));
    Ok(())
}

/// Makes the version before this one decide.
pub(super) async fn rollback(args: &NameArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let changed = change(&host, &args.name, "rollback", &json!({})).await?;
    out::line(&told(&changed));
    Ok(())
}

/// Lets a version decide nothing more.
pub(super) async fn revoke(args: &VersionArgs) -> Result<(), Failure> {
    let host = AdminClient::new(&args.admin)?;
    let body = json!({"digest": args.digest.0});
    let version = &change(&host, &args.name, "revoke", &body).await?;
    out::line(&format!(
        "{} {} is revoked: it decides nothing more, open orders included",
        args.name,
        short(&version["digest"])
    ));
    Ok(())
}

/// `roof-filter bbbbbbbb is active, since revision 5; before it was aaaaaaaa`
fn told(changed: &Value) -> String {
    let before = match short(&changed["before"]) {
        none if none.is_empty() => "before it there was none".to_owned(),
        before => format!("before it was {before}"),
    };
    format!(
        "{} {} is active, since revision {}; {before}",
        text(&changed["name"]),
        short(&changed["digest"]),
        text(&changed["revision"])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_what_was_before() {
        let changed = json!({"name": "roof-filter", "digest": "bbbbbbbb00", "revision": 5, "before": "aaaaaaaa00"});
        assert_eq!(
            told(&changed),
            "roof-filter bbbbbbbb is active, since revision 5; before it was aaaaaaaa"
        );
        let first =
            json!({"name": "roof-filter", "digest": "bbbbbbbb00", "revision": 1, "before": null});
        assert!(told(&first).ends_with("before it there was none"));
    }
}
