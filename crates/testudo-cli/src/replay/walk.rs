//! A trace taken through a policy, call by call.

use std::collections::BTreeMap;

use serde_json::Value;
use testudo_policy::provenance::{Conversation, Effect, Knobs, Limits, Reading, Reason, ToolSpecs, Verdict};
use testudo_policy::{FrozenPlan, Plan};

use super::trace::{Call, Event, Kind, Trace};

/// Tools of one suite: what they do, and how they were defined when somebody looked.
#[derive(Debug, Default)]
pub(crate) struct Suite {
    pub(crate) specs: ToolSpecs,
    pub(crate) definitions: BTreeMap<String, Value>,
}

/// How a trace is walked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) knobs: Knobs,
    /// Spans that the application declares as inserted are not the user's words.
    pub(crate) declared_spans: bool,
    pub(crate) reading: Reading,
}

/// One proposed call.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) tool: String,
    pub(crate) by_injection: bool,
    pub(crate) consequential: bool,
    pub(crate) verdict: Verdict,
}

/// All calls of a trace.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) calls: Vec<Judged>,
    /// For an attack: a call with consequences that the injection made was held. Else: any call was.
    pub(crate) held: bool,
    pub(crate) index_bytes: usize,
}

impl Walk {
    /// After a hold the walk goes on as if a person had approved. `suspicious` says whether a detector finds
    /// instructions in a result.
    pub(crate) fn through(&self, trace: &Trace, suite: &Suite, suspicious: &mut dyn FnMut(&str) -> bool) -> Walked {
        let mut conversation = Conversation::new(Limits::default(), self.reading);
        if self.knobs.exact {
            self.read_definitions(trace, suite, &mut conversation);
        }
        let mut calls = Vec::new();
        let mut plan = FrozenPlan::default();
        for event in &trace.events {
            match event {
                Event::System(text) => conversation.push_system(text),
                Event::User { content, pasted } => {
                    let declared = if self.declared_spans { pasted.as_slice() } else { &[] };
                    conversation.push_user(content, declared);
                }
                Event::Call(call) => {
                    let verdict = self.judge(suite, &conversation, &plan, call);
                    plan.ask(&call.tool, conversation.is_tainted());
                    let only_reads = trace.recorded && suite.only_reads(&call.tool);
                    calls.push(Judged {
                        tool: call.tool.clone(),
                        by_injection: call.by_injection,
                        consequential: call.consequential && !only_reads,
                        verdict,
                    });
                    read(&mut conversation, suite, call, suspicious);
                }
                Event::Read(call) => {
                    plan.ask(&call.tool, conversation.is_tainted());
                    read(&mut conversation, suite, call, suspicious);
                }
            }
        }
        let attack = matches!(trace.kind, Kind::Attack(_));
        let counts = |call: &Judged| !attack || (call.by_injection && call.consequential);
        Walked {
            held: calls.iter().any(|call| call.verdict.is_held() && counts(call)),
            calls,
            index_bytes: conversation.bytes(),
        }
    }

    fn judge(&self, suite: &Suite, conversation: &Conversation, plan: &FrozenPlan, call: &Call) -> Verdict {
        let verdict = self
            .knobs
            .judge(&suite.specs, conversation, &call.tool, &call.arguments);
        let outside = plan.place(&call.tool, conversation.is_tainted()) == Plan::Outside;
        if self.knobs.freeze_plan && outside && !verdict.is_held() && !suite.only_reads(&call.tool) {
            return Verdict {
                reason: Some(Reason::OutsidePlan),
                ..verdict
            };
        }
        verdict
    }

    /// A definition that nobody looked at, or that changed since, is somebody's text.
    fn read_definitions(&self, trace: &Trace, suite: &Suite, conversation: &mut Conversation) {
        for definition in &trace.extra_tools {
            let Some(name) = name_of(definition) else { continue };
            // Where nobody gave the reviewed definitions, the specification is what was reviewed.
            let reviewed = trace.recorded
                && suite.definitions.is_empty()
                && suite.specs.tool(name).is_some_and(|spec| spec.reviewed);
            if !reviewed && suite.definitions.get(name) != Some(definition) {
                conversation.push_definition(name, definition);
            }
        }
    }
}

impl Suite {
    fn only_reads(&self, tool: &str) -> bool {
        self.specs
            .tool(tool)
            .is_some_and(|spec| spec.effective() == Effect::Read)
    }
}

fn read(conversation: &mut Conversation, suite: &Suite, call: &Call, suspicious: &mut dyn FnMut(&str) -> bool) {
    if let Some(result) = &call.result {
        let found = suspicious(result);
        conversation.push_result(&suite.specs, &call.tool, &call.arguments, result, found);
    }
}

/// The name in a tool definition, wrapped as `function` or not.
pub(crate) fn name_of(definition: &Value) -> Option<&str> {
    let function = definition.get("function").unwrap_or(definition);
    function.get("name").and_then(Value::as_str)
}
