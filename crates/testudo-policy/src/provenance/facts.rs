//! What is known of one proposed call, as numbers and names that a policy can compare.

use serde_json::Value;

use super::atoms::parts;
use super::conversation::Conversation;
use super::leaves::Leaves;
use super::naming::{Asked, Label, Provenance};
use super::specs::{Effect, Role, ToolSpec, ToolSpecs};

/// One argument that somebody has to have named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentFacts {
    /// `attachments[*].type`
    pub path: String,
    pub role: Role,
    /// The value as the call has it; not for logs.
    pub value: String,
    pub provenance: Provenance,
    /// The model's own choice among the few values that the tool's definition lists, and a reviewer saw.
    pub listed: bool,
}

/// The facts of a call for the context of a Cedar policy. Cedar has no loops: what it needs of several values is
/// computed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFacts {
    pub tool: String,
    /// What the call counts as; of a tool nobody reviewed the worst.
    pub effect: Effect,
    pub external: bool,
    pub reviewed: bool,
    /// Something that the user did not write has been read before.
    pub tainted: bool,
    /// A detector found instructions in it.
    pub suspicious: bool,
    pub arguments: Vec<ArgumentFacts>,
    /// Calls of this tool in this conversation before; the caller counts.
    pub calls_before: u64,
}

impl ToolFacts {
    /// What is known before any argument is looked at.
    #[must_use]
    pub fn without_arguments(specs: &ToolSpecs, conversation: &Conversation, tool: &str) -> Self {
        let unknown = ToolSpec::unknown();
        let spec = specs.tool(tool).unwrap_or(&unknown);
        Self {
            tool: tool.to_owned(),
            effect: spec.effective(),
            external: spec.external || !spec.reviewed,
            reviewed: spec.reviewed,
            tainted: conversation.tainted,
            suspicious: conversation.is_suspicious(),
            arguments: Vec::new(),
            calls_before: 0,
        }
    }

    /// Looks up every value of the call that must be named. `None` when the arguments are too many or too deep.
    #[must_use]
    pub fn of(
        specs: &ToolSpecs,
        conversation: &Conversation,
        tool: &str,
        arguments: &Value,
        trust_system: bool,
    ) -> Option<Self> {
        let unknown = ToolSpec::unknown();
        let spec = specs.tool(tool).unwrap_or(&unknown);
        let leaves = Leaves::of_arguments(arguments)?;
        let mut facts = Self::without_arguments(specs, conversation, tool);
        for (path, value) in said(&leaves) {
            let role = spec.role(path);
            if !role.must_be_named() {
                continue;
            }
            let nouns = spec.nouns.get(path).map_or(&[][..], Vec::as_slice);
            let asked = Asked {
                tool,
                path,
                nouns,
                selects: role == Role::Selector,
            };
            for part in parts(value) {
                let provenance = conversation.name(specs, &asked, part, trust_system);
                let chosen = provenance.label == Label::None && !provenance.look_alike;
                facts.arguments.push(ArgumentFacts {
                    path: path.to_owned(),
                    role,
                    value: part.to_owned(),
                    listed: chosen && spec.is_listed(path, part),
                    provenance,
                });
            }
        }
        Some(facts)
    }

    /// The least rank of all values in the role; `None` when there are none. See [`super::Label::rank`].
    #[must_use]
    pub fn least_rank(&self, role: Role) -> Option<u8> {
        let of_role = self.arguments.iter().filter(|argument| argument.role == role);
        of_role.map(|argument| argument.provenance.label.rank()).min()
    }
}

/// Values of arguments with their paths; keys and empty values are left out.
pub(super) fn said(leaves: &Leaves) -> impl Iterator<Item = (&str, &str)> {
    leaves.leaves.iter().filter_map(|leaf| {
        let path = leaf.path.trim_start_matches('$').trim_start_matches('.');
        let skip = path.ends_with('~') || leaf.value.trim().is_empty();
        (!skip).then_some((path, leaf.value.as_str()))
    })
}
