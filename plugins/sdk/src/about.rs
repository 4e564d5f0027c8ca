//! What a plugin says of itself.

use crate::bindings::exported::about::Description;

/// A plugin's description, which the gate checks at an upload and the console shows.
///
/// ```
/// const ABOUT: gavel_sdk::About = gavel_sdk::About {
///     name: env!("CARGO_PKG_NAME"),
///     version: env!("CARGO_PKG_VERSION"),
///     summary: "Refuses shaded roofs.",
///     config_schema: r#"{"type": "object", "additionalProperties": false}"#,
///     needs: &["roof_shade"],
/// };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The plugin's name, commonly `env!("CARGO_PKG_NAME")`.
    pub name: &'static str,
    /// Its semantic version, commonly `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// One sentence for the operator who chooses among plugins.
    pub summary: &'static str,
    /// The JSON Schema of the configuration, commonly `include_str!("config.schema.json")`.
    ///
    /// An account whose configuration does not satisfy it is refused before `open` is asked.
    /// Give each property a `description`: the console draws a form from it. List the codes
    /// of refusals and rejections under `"x-codes"`: a code that is not declared there is
    /// kept only under the lead's key once the lead was posted.
    pub config_schema: &'static str,
    /// The lead fields that the plugin knows by name. A market whose lead type lacks one is
    /// refused, so leave out those that the plugin can do without.
    pub needs: &'static [&'static str],
}

impl About {
    /// The same in the form in which it crosses to the host.
    pub(crate) fn describe(&self) -> Description {
        Description {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            summary: self.summary.to_owned(),
            config_schema: self.config_schema.to_owned(),
            needs: self.needs.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}
