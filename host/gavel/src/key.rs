//! `gavel key`: a supplier's key.

use gavel_market::ids::Digest;

use crate::{
    config::secrets,
    out::{self, Failure},
};

/// Makes a key, and prints it and what stands for it in a market.
pub(crate) fn run() -> Result<(), Failure> {
    let key = format!("gk_{}", hex::encode(secrets::random()?));
    let digest = Digest::of(key.as_bytes());
    out::line(&format!("key:    {key}"));
    out::line(&format!("sha256: {digest}"));
    out::line("");
    out::line(
        "Give the key to the supplier; it is not shown again. In the market, under [suppliers.NAME]:",
    );
    out::line("");
    out::line(&format!("keys = [{{ sha256 = \"{digest}\" }}]"));
    Ok(())
}
