//! Plugins as an operator handles them: uploaded, tried, activated, rolled back, revoked.
//!
//! | module | holds |
//! |---|---|
//! | [`version`] | one version at work: asked and counted |
//! | [`load`] | from a digest to a version; the gate; compiled code |
//! | [`roster`] | who decides one request |
//! | [`operate`] | what operators ask for |
//! | [`history`] | which version to go back to |
//! | [`trial`], [`canary`], [`shadow`] | versions beside the active one |
//! | [`replay`] | recorded pings, decided again |

pub(crate) mod canary;
mod history;
pub(crate) mod load;
pub(crate) mod operate;
pub(crate) mod replay;
pub(crate) mod roster;
pub(crate) mod shadow;
pub(crate) mod trial;
pub(crate) mod version;
