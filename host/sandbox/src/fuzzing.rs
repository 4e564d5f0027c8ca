//! What `examples/fuzz` reaches past the plugins: a description as a plugin would return it.

use crate::{
    error::ConfigRefused,
    schema::{self, About, Description},
};

/// Reads a description and, where it holds, checks a configuration against its schema.
pub fn describe(
    [name, version, summary, config_schema]: [String; 4],
    needs: Vec<String>,
    config: &str,
) -> Result<(About, Result<(), ConfigRefused>), String> {
    let (about, validator) = schema::read(Description {
        name,
        version,
        summary,
        config_schema,
        needs,
    })?;
    let checked = schema::check(&about.config_schema, &validator, config);
    Ok((about, checked))
}
