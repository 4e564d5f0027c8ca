//! `[plugins.X]`: what decides.

use std::collections::BTreeMap;

use super::{errors::code, limits::PLUGINS_MAX, reader::Section, spot::Spot};
use crate::{
    ids::{Digest, PluginName},
    model::{CallLimits, Instances, PluginSource, PluginSpec},
};

/// Every plugin by name; `None` for one that is faulty, so that who uses it is not told
/// that it does not exist.
pub(super) fn read(root: &mut Section<'_>) -> BTreeMap<PluginName, Option<PluginSpec>> {
    let sections = root.named("plugins", PLUGINS_MAX).into_iter();
    sections
        .filter_map(|(name, section)| Some((section.name(name)?, plugin(section))))
        .collect()
}

fn plugin(mut section: Section<'_>) -> Option<PluginSpec> {
    let source = source(&mut section);
    let instances = section.get_or("instances", Instances::default(), |spot| {
        spot.word(&[("fresh", Instances::Fresh), ("reused", Instances::Reused)])
    });
    let limits = section
        .section("limits")
        .map_or_else(CallLimits::default, limits);
    section.finish();
    Some(PluginSpec {
        source: source?,
        instances,
        limits,
    })
}

fn source(section: &mut Section<'_>) -> Option<PluginSource> {
    match (section.get("path"), section.get("digest")) {
        (Some(path), None) => path.words().map(|path| PluginSource::Path(path.into())),
        (None, Some(digest)) => digest_of(&digest).map(PluginSource::Digest),
        (Some(_), Some(digest)) => {
            digest.error(
                code::CONFLICT,
                "a plugin has a `path` or a `digest`, not both",
            );
            None
        }
        (None, None) => {
            section.error(None, code::MISSING, "a plugin needs a `path` or a `digest`");
            None
        }
    }
}

/// A SHA-256 in 64 hexadecimal digits.
pub(super) fn digest_of(spot: &Spot<'_>) -> Option<Digest> {
    let text = spot.text()?;
    spot.noted(code::BAD_FORMAT, text.parse())
}

fn limits(mut section: Section<'_>) -> CallLimits {
    let default = CallLimits::default();
    let limits = CallLimits {
        memory: section.get_or("memory", default.memory, |spot| {
            spot.size(&CallLimits::MEMORY)
        }),
        time: section.get_or("time", default.time, |spot| {
            spot.duration(&CallLimits::TIME)
        }),
        log: section.get_or("log", default.log, |spot| spot.size(&CallLimits::LOG)),
    };
    section.finish();
    limits
}
