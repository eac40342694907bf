//! The policy that ships: values count in exact form, and a call must be led to by what the user said.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Knobs, Reason, VerbatimGet, Verdict};
use crate::provenance::anchors::Anchors;
use crate::provenance::atoms::{bare_url, is_url, urls};
use crate::provenance::conversation::Conversation;
use crate::provenance::facts::{ArgumentFacts, ToolFacts, said};
use crate::provenance::forms::{Fold, Form, Needle};
use crate::provenance::leaves::Leaves;
use crate::provenance::naming::Label;
use crate::provenance::secrets;
use crate::provenance::segments::Source;
use crate::provenance::specs::{Effect, Role, ToolSpec, ToolSpecs};
use crate::provenance::words::{AskedFor, asked_for};

/// A call with what it is judged by.
struct Call<'a> {
    specs: &'a ToolSpecs,
    conversation: &'a Conversation,
    spec: &'a ToolSpec,
    facts: &'a ToolFacts,
    anchors: Anchors,
}

impl Knobs {
    pub(super) fn judge_exactly(
        &self,
        specs: &ToolSpecs,
        conversation: &Conversation,
        tool: &str,
        arguments: &Value,
        facts: Option<&ToolFacts>,
    ) -> Verdict {
        let unknown = ToolSpec::unknown();
        let spec = specs.tool(tool).unwrap_or(&unknown);
        // What nobody else wrote cannot have been steered by anybody else.
        if spec.effective() == Effect::Read || !conversation.tainted {
            return Verdict::allowed();
        }
        let (Some(facts), Some(leaves)) = (facts, Leaves::of_arguments(arguments)) else {
            return Verdict::held(Reason::TooMuch);
        };
        let call = Call {
            specs,
            conversation,
            spec,
            facts,
            anchors: Anchors::of(conversation, tool, spec, &leaves.leaves),
        };
        let mut fetched = None;
        let reason = self.reason(&call, &leaves, &mut fetched);
        Verdict {
            reason,
            arguments: facts.arguments.clone(),
            fetched,
        }
    }

    fn reason(&self, call: &Call<'_>, leaves: &Leaves, fetched: &mut Option<u64>) -> Option<Reason> {
        let values: Vec<&str> = said(leaves).map(|(_, value)| value).collect();
        if (call.facts.external || call.facts.effect == Effect::EgressRead)
            && let Some(tool) = secrets::leaving(call.conversation, call.specs, &values, true)
        {
            return Some(Reason::SecretLeaves { tool });
        }
        if self.is_verbatim_get(call, &values) {
            let copied = values.iter().filter(|value| !call.is_users(value, self.trust_system));
            let copied = u32::try_from(copied.count()).unwrap_or(u32::MAX);
            *fetched = (copied > 0).then(|| choices(call.conversation).saturating_pow(copied));
            return None;
        }
        for argument in &call.facts.arguments {
            if let Some(reason) = self.unnamed(call, argument) {
                return Some(reason);
            }
        }
        let data = said(leaves).filter(|(path, _)| call.spec.role(path) == Role::Data);
        for (path, value) in data {
            if urls(value).into_iter().any(|url| !self.may_be_sent(call, url)) {
                return Some(Reason::CarriesLink { path: path.to_owned() });
            }
        }
        (!call.is_led_to()).then_some(Reason::NotAskedFor)
    }

    /// Why a value that must be named is not named well enough.
    fn unnamed(&self, call: &Call<'_>, argument: &ArgumentFacts) -> Option<Reason> {
        let path = || argument.path.clone();
        let found = &argument.provenance;
        let selects = argument.role == Role::Selector;
        let accepted = match found.label {
            _ if argument.listed => return None,
            Label::User | Label::System => return None,
            Label::Directory => self.directories,
            // An id says which thing, never to whom or where, unless a reviewer gave the argument its nouns.
            Label::SystemId => self.ids && (selects || call.spec.nouns.contains_key(&argument.path)),
            Label::Struct | Label::NamedText | Label::Text | Label::None => false,
        };
        if found.look_alike {
            return Some(Reason::LookAlike { path: path() });
        }
        if !accepted {
            return Some(Reason::NotNamed {
                path: path(),
                role: argument.role,
                label: found.label,
            });
        }
        if found.outdone && call.is_another(argument) {
            return Some(Reason::AnotherNamed { path: path() });
        }
        // It is a real one, and nothing of it is the user's: who chose it?
        let final_ = matches!(call.facts.effect, Effect::Destroy | Effect::Execute);
        (final_ && !found.linked && call.anchors.tool < AskedFor::Whole).then(|| Reason::NotPointedAt { path: path() })
    }

    /// A look at an address that stands whole in something read and carries no query tells its owner only that
    /// somebody looked.
    fn is_verbatim_get(&self, call: &Call<'_>, values: &[&str]) -> bool {
        let quiet = match self.verbatim_get {
            VerbatimGet::Never => false,
            VerbatimGet::Quiet => !call.facts.suspicious,
            VerbatimGet::Always => true,
        };
        let stands = |value: &str| {
            let needle = Needle::new(bare_url(value), Fold::Loose);
            let bare = value.contains('.') && !value.contains(['?', '#', '@', '%']);
            // Only in what the user asked for or pointed at: links in anything else are not the user's business.
            let copied = || {
                call.conversation.untrusted().any(|segment| {
                    let found = segment.loose.find(&needle);
                    let leaf = found.and_then(|range| segment.leaf_at(range.start));
                    leaf.is_some_and(|leaf| segment.linked || segment.pointed_at(leaf).marks > 0)
                })
            };
            bare && (call.is_users(value, self.trust_system) || copied())
        };
        quiet
            && call.facts.effect == Effect::EgressRead
            && !values.is_empty()
            && call.facts.arguments.len() == values.len()
            && !call
                .facts
                .arguments
                .iter()
                .any(|argument| argument.provenance.look_alike)
            && values.iter().all(|value| stands(value))
    }

    /// A link in a text may leave when the user gave it, or a directory.
    fn may_be_sent(&self, call: &Call<'_>, url: &str) -> bool {
        call.is_users(url, self.trust_system) || {
            let needle = Needle::new(url, Fold::Loose);
            let mut alike = call.conversation.alike(&needle.text);
            alike.any(|(segment, leaf)| match &segment.source {
                Source::Tool(tool) => call.specs.is_authoritative(tool, call.conversation.path(leaf)),
                _ => false,
            })
        }
    }
}

impl Call<'_> {
    fn is_users(&self, value: &str, system: bool) -> bool {
        let bare = if is_url(value) { bare_url(value) } else { value };
        self.conversation.user_wrote(bare, &[], system).is_some()
    }

    /// Where one sentence of the user's asks for just this tool, only its words say which thing is meant.
    fn is_another(&self, argument: &ArgumentFacts) -> bool {
        let tool = &self.facts.tool;
        let texts: Vec<&str> = self
            .conversation
            .trusted(false)
            .map(|segment| segment.exact.text())
            .collect();
        let sentences = texts
            .iter()
            .flat_map(|text| text.split(['.', '!', '?', ';']).filter(|it| !it.trim().is_empty()));
        let asking: Vec<&str> = sentences
            .filter(|sentence| {
                let form = Form::new(sentence, Fold::Exact);
                asked_for(tool, std::iter::once(&form)) == AskedFor::Whole
            })
            .take(16)
            .collect();
        match &argument.provenance.evidence {
            Some(evidence) if !asking.is_empty() => {
                self.conversation
                    .is_outdone_by(&asking, evidence.index, &argument.value)
            }
            _ => true,
        }
    }

    /// Something of the call is the user's: a value, the record it comes from, what is said in it, or its name.
    fn is_led_to(&self) -> bool {
        let named = self.facts.arguments.iter().any(|argument| argument.provenance.linked);
        let by_name = if self.facts.suspicious {
            AskedFor::Whole
        } else {
            AskedFor::Some
        };
        named || self.anchors.content || self.anchors.tool >= by_name
    }
}

/// How many addresses there were to choose from in what was read, or more: whatever could be one counts.
pub(super) fn choices(conversation: &Conversation) -> u64 {
    let mut all = BTreeSet::new();
    for segment in conversation.untrusted() {
        let words = segment
            .loose
            .text()
            .split(|c: char| c.is_whitespace() || "\"'<>()[]{}|`,;".contains(c));
        all.extend(words.filter(|word| word.trim_matches('.').contains('.')));
    }
    u64::try_from(all.len()).unwrap_or(u64::MAX).max(1)
}
