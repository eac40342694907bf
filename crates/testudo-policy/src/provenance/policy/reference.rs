//! The looser reading, kept so that its measurements can be repeated: values count in folded form, and any member
//! that ends in `id` holds ids.

use serde_json::Value;

use super::shipped::choices;
use super::{Knobs, Reason, VerbatimGet, Verdict};
use crate::provenance::atoms::{bare_url, is_short_number, is_url, urls};
use crate::provenance::conversation::Conversation;
use crate::provenance::facts::{ArgumentFacts, said};
use crate::provenance::forms::{Form, Needle, folded, is_word};
use crate::provenance::leaves::Leaves;
use crate::provenance::naming::{Label, Provenance};
use crate::provenance::paths::last_name;
use crate::provenance::secrets;
use crate::provenance::segments::Source;
use crate::provenance::specs::{Effect, Role, ToolSpec, ToolSpecs};
use crate::provenance::words::is_in_listed_plan;

impl Knobs {
    pub(super) fn judge_as_reference(
        &self,
        specs: &ToolSpecs,
        conversation: &Conversation,
        tool: &str,
        arguments: &Value,
    ) -> Verdict {
        let unknown = ToolSpec {
            effect: Effect::Write,
            external: false,
            reviewed: true,
            ..ToolSpec::unknown()
        };
        let spec = specs.tool(tool).unwrap_or(&unknown);
        if spec.effect == Effect::Read {
            return Verdict::allowed();
        }
        if self.rule_of_two {
            let read = conversation.results > 0;
            return if read {
                Verdict::held(Reason::AfterReading)
            } else {
                Verdict::allowed()
            };
        }
        let Some(leaves) = Leaves::of_arguments(arguments) else {
            return Verdict::held(Reason::TooMuch);
        };
        let values: Vec<(&str, &str)> = said(&leaves).collect();
        let egress = spec.effect == Effect::EgressRead;
        let written = |value: &str| self.stands(conversation, bare_url(value));
        if egress && conversation.results == 0 && values.iter().all(|(_, value)| written(value)) {
            return Verdict::allowed();
        }
        if self.plan_list && !is_in_listed_plan(tool, &self.trusted_text(conversation)) {
            return Verdict::held(Reason::NotInPlan);
        }
        if egress && self.verbatim_get == VerbatimGet::Always && values.iter().all(|(_, value)| !value.contains('?')) {
            let copied = |value: &str| {
                let url = folded(bare_url(value), conversation.reading.fold());
                conversation
                    .untrusted()
                    .any(|segment| segment.loose.text().contains(&url))
            };
            if values.iter().all(|(_, value)| written(value) || copied(value)) {
                let copied = values.iter().filter(|(_, value)| !written(value)).count();
                let copied = u32::try_from(copied).unwrap_or(u32::MAX);
                return Verdict {
                    fetched: (copied > 0).then(|| choices(conversation).saturating_pow(copied)),
                    ..Verdict::allowed()
                };
            }
        }
        if spec.external {
            let texts: Vec<&str> = values.iter().map(|(_, value)| *value).collect();
            if let Some(tool) = secrets::leaving(conversation, specs, &texts, false) {
                return Verdict::held(Reason::SecretLeaves { tool });
            }
        }
        self.judge_values(specs, conversation, spec, &values)
    }

    fn judge_values(
        &self,
        specs: &ToolSpecs,
        conversation: &Conversation,
        spec: &ToolSpec,
        values: &[(&str, &str)],
    ) -> Verdict {
        let mut verdict = Verdict::allowed();
        for (path, value) in values {
            let role = spec.role(path);
            let reason = if role.must_be_named() {
                let nouns = spec.nouns.get(*path).map_or(&[][..], Vec::as_slice);
                let label = self.label(specs, conversation, value, nouns);
                verdict.arguments.push(ArgumentFacts {
                    path: (*path).to_owned(),
                    role,
                    value: (*value).to_owned(),
                    provenance: Provenance::new(label),
                    listed: false,
                });
                let accepted = match label {
                    Label::System | Label::User => true,
                    Label::Directory => self.directories,
                    Label::SystemId => self.ids,
                    Label::Struct | Label::NamedText | Label::Text | Label::None => false,
                };
                (!accepted).then(|| Reason::NotNamed {
                    path: (*path).to_owned(),
                    role,
                    label,
                })
            } else if role == Role::Data {
                let foreign = urls(value)
                    .into_iter()
                    .any(|url| !self.stands(conversation, bare_url(url)));
                foreign.then(|| Reason::CarriesLink {
                    path: (*path).to_owned(),
                })
            } else {
                None
            };
            if reason.is_some() {
                verdict.reason = reason;
                return verdict;
            }
        }
        verdict
    }

    fn label(&self, specs: &ToolSpecs, conversation: &Conversation, value: &str, nouns: &[String]) -> Label {
        let bare = if is_url(value) { bare_url(value) } else { value };
        let needle = Needle::new(bare, conversation.reading.fold());
        let short = needle.letters() < 4;
        let number = is_short_number(&needle.text);
        if number {
            let user = |needle| {
                self.trusted(conversation)
                    .any(|segment| typed_alone(&segment.loose, needle, nouns))
            };
            if user(&needle) {
                return Label::User;
            }
        } else if needle.is_empty()
            || self
                .trusted(conversation)
                .any(|segment| segment.loose.find(&needle).is_some())
        {
            return Label::User;
        }
        let wanted: String = needle.text.chars().filter(|c| is_word(*c)).collect();
        let (mut leaf, mut directory, mut id) = (false, false, false);
        for (segment, found) in conversation.alike(&needle.text) {
            let text = segment.loose.slice(&found.loose);
            let same = text == needle.text;
            let alike = text.len() < 80 && text.chars().filter(|c| is_word(*c)).eq(wanted.chars());
            let Source::Tool(tool) = &segment.source else { continue };
            if same || alike {
                let path = conversation.path(found);
                leaf = true;
                directory |= specs.is_authoritative(tool, path);
                id |= same && !path.ends_with('~') && specs.id_names.matches(last_name(path));
            }
        }
        let in_text = !short
            && conversation
                .untrusted()
                .any(|segment| segment.in_text(&needle, None).is_some());
        let in_typed_text = number
            && conversation
                .untrusted()
                .any(|segment| typed_alone(&segment.loose, &needle, nouns));
        match () {
            () if in_typed_text => Label::Text,
            () if directory && self.directories => Label::Directory,
            () if id && self.ids => Label::SystemId,
            () if leaf && !in_text => Label::Struct,
            () if in_text => Label::Text,
            () => Label::None,
        }
    }

    fn stands(&self, conversation: &Conversation, value: &str) -> bool {
        let needle = Needle::new(value, conversation.reading.fold());
        needle.is_empty()
            || self
                .trusted(conversation)
                .any(|segment| segment.loose.find(&needle).is_some())
    }

    fn trusted<'c>(
        &self,
        conversation: &'c Conversation,
    ) -> impl Iterator<Item = &'c crate::provenance::segments::Segment> {
        conversation.trusted(self.trust_system)
    }

    fn trusted_text(&self, conversation: &Conversation) -> String {
        let texts: Vec<&str> = self.trusted(conversation).map(|segment| segment.loose.text()).collect();
        texts.join(" ")
    }
}

/// A short number right after one of its nouns; the second of "files 12 and 13" is nobody's in this reading.
fn typed_alone(form: &Form, needle: &Needle, nouns: &[String]) -> bool {
    form.find_all(needle).any(|range| {
        let mut before = form.slice(&(0..range.start));
        before = before.strip_suffix(['\'', '"']).unwrap_or(before).trim_end();
        for word in [" id", " the", " with"] {
            before = before.strip_suffix(word).unwrap_or(before);
        }
        nouns.iter().any(|noun| before.ends_with(noun.as_str()))
    })
}
