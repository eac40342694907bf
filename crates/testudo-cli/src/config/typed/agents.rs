//! What a route says about the tools of its agents, as it is written.

use super::Problems;
use crate::config::document::{At, Section};

#[derive(Debug)]
pub(crate) struct Agents {
    /// A file with specifications of tools.
    pub(crate) tools: Option<At<String>>,
    /// A file with the definitions that were reviewed.
    pub(crate) definitions: Option<At<String>>,
    pub(crate) policy: Option<At<String>>,
    pub(crate) on_hold: Option<At<String>>,
    pub(crate) trust_system: Option<At<bool>>,
    pub(crate) fetch: Option<At<String>>,
    pub(crate) freeze_plan: Option<At<bool>>,
}

/// The section of a route, if it has one.
pub(super) fn agents(route: &mut Section<'_>, problems: &mut Problems) -> Option<Agents> {
    let mut section = route.section("agents", problems)?;
    section.require("tools", "\"tools.toml\", the specifications of the tools", problems);
    let agents = Agents {
        tools: section.text("tools", problems),
        definitions: section.text("definitions", problems),
        policy: section.text("policy", problems),
        on_hold: section.text("on_hold", problems),
        trust_system: section.flag("trust_system", problems),
        fetch: section.text("fetch", problems),
        freeze_plan: section.flag("freeze_plan", problems),
    };
    section.finish(problems);
    Some(agents)
}
