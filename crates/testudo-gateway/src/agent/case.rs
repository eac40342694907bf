//! What the calls of an answer are judged by: the client's own request, its tools, and who may say what.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};
use testudo_bounded::json::{Document, Limits};
use testudo_detect::bait::{Baits, Sighting};
use testudo_dialects::calls::{AskedCall, CallInput, Readings, ToolCall, Turn, Voice, history};
use testudo_dialects::{Operation, RequestView, read_request};
use testudo_policy::labels::{Copied, LabelStore, Speaker};
use testudo_policy::provenance::{ArgumentFacts, Conversation, Effect, Limits as IndexLimits, Reading, Reason};
use testudo_policy::{ActFacts, FrozenPlan, Plan, ProposedCall, SessionFacts};
use testudo_types::{Action, ApproverGroup, Decision, Direction, ThreatKind};

use super::approval::Waiting;
use super::code::{Code, Coder, LastWords};
use super::counted::Counted;
use super::tally::CallTally;
use super::untrusted::Untrusted;
use crate::guard::{FindingLog, Judge};
use crate::mcp::released::{ReleasedCall, ReleasedCalls};
use crate::settings::{AgentSettings, OnHold};

/// Everything that the calls of one answer are judged by; read only when there are any.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) settings: Arc<AgentSettings>,
    pub(crate) operation: Operation,
    /// The client's own request, before anything was masked in it.
    pub(crate) body: Bytes,
    pub(crate) limits: Limits,
    pub(crate) untrusted: Untrusted,
    pub(crate) suspicious: Suspicious,
    pub(crate) judge: Judge,
    /// Values that no honest call carries.
    pub(crate) baits: Baits,
    /// Of the policies and settings that decide.
    pub(crate) policy: [u8; 32],
    pub(crate) coder: Arc<dyn Coder>,
    /// Where calls that go are told to those who execute them.
    pub(crate) released: Option<Arc<ReleasedCalls>>,
    /// What calls of the key have come to.
    pub(crate) counted: Arc<Counted>,
    /// What was read before, in any conversation of the key.
    pub(crate) labels: Arc<Mutex<LabelStore>>,
    /// Where calls wait for a person, on routes that say so.
    pub(crate) waiting: Option<Waiting>,
}

/// Which texts of a request a detector found instructions in.
#[derive(Debug, Default)]
pub(crate) struct Suspicious {
    paths: BTreeSet<Arc<str>>,
    /// More was found than was kept: any text may be one of them.
    all: bool,
}

impl Suspicious {
    /// By what the guards saw in the request. What could not be read whole may hold anything.
    pub(crate) fn of(findings: &FindingLog, score_min: Option<u8>) -> Self {
        let kinds = [ThreatKind::Injection, ThreatKind::Unscannable];
        let counted = findings
            .counts()
            .filter(|(direction, kind, ..)| *direction == Direction::Request && kinds.contains(kind))
            .fold(0_u64, |sum, (.., count)| sum.saturating_add(count));
        let mut kept: u64 = 0;
        let mut paths = BTreeSet::new();
        for seen in findings.kept().iter().filter(|seen| kinds.contains(&seen.finding.kind)) {
            kept = kept.saturating_add(1);
            let sure = seen.finding.score.percent() >= score_min.unwrap_or_default();
            if sure || seen.finding.kind == ThreatKind::Unscannable {
                paths.insert(Arc::clone(&seen.finding.place.path));
            }
        }
        Self {
            paths,
            all: counted > kept,
        }
    }

    fn holds(&self, path: &str) -> bool {
        self.all || self.paths.contains(path)
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.all || !self.paths.is_empty()
    }
}

/// How much of an answer's calls is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Complete,
    /// The answer broke off.
    Broken,
    /// More than may wait, or what cannot be told apart.
    Excessive,
}

/// Why a call is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody who may has named what it needs.
    Provenance(Reason),
    /// It cannot be read as one call.
    Unreadable,
    /// A policy holds it for another reason, in the words of whoever wrote that.
    Policy(Option<Arc<str>>),
    /// A policy forbids it, whoever asks.
    Forbidden(Option<Arc<str>>),
    /// It carries bait, and a policy forbids or holds that.
    Baited(Option<Arc<str>>),
}

impl Hold {
    /// What a decision comes to; `None` when the call goes. `unreadable`: nobody can tell what the call is.
    pub(super) fn of(decision: &Decision, reason: Option<Reason>, unreadable: bool) -> Option<Self> {
        let said = || decision.reasons.first().map(|reason| reason.0.clone());
        match (decision.action, reason) {
            (Action::Block, _) => Some(Self::Forbidden(said())),
            _ if unreadable => Some(Self::Unreadable),
            (Action::Hold, Some(reason)) => Some(Self::Provenance(reason)),
            (Action::Hold, None) => Some(Self::Policy(said())),
            (Action::Mask | Action::Observe | Action::Pass, _) => None,
        }
    }

    /// What carries bait is held for that, whatever else it is held for.
    fn baited(self, seen: bool) -> Self {
        match self {
            Self::Forbidden(said) | Self::Policy(said) if seen => Self::Baited(said),
            _ if seen => Self::Baited(None),
            hold => hold,
        }
    }

    /// One word for counters and records.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Provenance(reason) => reason.code(),
            Self::Unreadable => "unreadable",
            Self::Policy(_) => "policy",
            Self::Forbidden(_) => "forbidden",
            Self::Baited(_) => "canary",
        }
    }
}

/// A call that is held, with what a person needs to know of it.
#[derive(Debug)]
pub(crate) struct HeldCall {
    pub(crate) tool: String,
    pub(crate) hold: Hold,
    /// As they were read; `None` when they cannot be.
    pub(crate) arguments: Option<Value>,
    /// Who named which value.
    pub(crate) facts: Vec<ArgumentFacts>,
    /// Lets exactly this call go when the user repeats it; `None` when nothing may.
    pub(crate) code: Option<Code>,
    /// What becomes of it.
    pub(crate) on_hold: OnHold,
    /// Of each of these groups somebody has to approve it.
    pub(crate) approvers: Vec<ApproverGroup>,
}

/// What was decided about one reading of a call.
struct Ruling {
    /// `None` when it goes.
    hold: Option<Hold>,
    on_hold: OnHold,
    approvers: Vec<ApproverGroup>,
    facts: Vec<ArgumentFacts>,
}

/// What became of the calls of an answer.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) held: Vec<HeldCall>,
    /// Tools whose results were read before; not for records.
    pub(crate) read: Vec<String>,
    pub(crate) tally: CallTally,
}

/// One reading of a call, read.
pub(super) struct Read {
    pub(super) tool: String,
    /// `None` when it is no JSON object that all readers agree about.
    pub(super) arguments: Option<Value>,
    /// In their one spelling; `None` when they have none.
    pub(super) canonical: Option<Vec<u8>>,
    /// As they are written.
    pub(super) written: String,
}

impl Case {
    /// Judges the calls of an answer. One that is not complete, or not all of which is known, is held as a whole.
    pub(crate) fn judge(&self, readings: &Readings, extent: Extent) -> Judged {
        let mut judged = Judged::default();
        if readings.is_empty() && extent != Extent::Excessive {
            return judged;
        }
        let Ok(view) = read_request(self.operation, &self.body, &self.limits) else {
            // It was read before; nothing is judged by what cannot be read.
            judged.hold_whole(self.settings.on_hold);
            return judged;
        };
        let (definitions, turns) = history(&view);
        let mut plan = FrozenPlan::default();
        let conversation = self.conversation(&view, &definitions, &turns, &mut plan);
        let tainted = conversation.is_tainted();
        let partial = readings.is_excessive() || extent != Extent::Complete;
        if extent == Extent::Excessive || (tainted && partial) {
            judged.hold_whole(self.settings.on_hold);
        }
        let words = LastWords::of(&turns, &self.untrusted, view.server_history);
        let mut court = Court {
            case: self,
            conversation: &conversation,
            tainted,
            beginning: beginning(&turns),
            fetches: self.fetches(&turns),
            plan,
            made: made(turns.get(words.after..).unwrap_or_default(), &self.limits),
            words,
        };
        let mut released = Vec::new();
        for call in readings.calls() {
            court.call(&call, &mut judged, &mut released);
        }
        if judged.tally.is_held() {
            judged.read = sources(&turns);
        } else {
            self.release(released);
        }
        judged
    }

    /// The conversation as provenance sees it.
    fn conversation(
        &self,
        view: &RequestView<'_>,
        definitions: &[testudo_dialects::calls::Definition<'_>],
        turns: &[Turn<'_>],
        plan: &mut FrozenPlan,
    ) -> Conversation {
        let mut conversation = Conversation::new(IndexLimits::default(), self.reading());
        for definition in definitions {
            let value: Value = serde_json::from_slice(definition.json).unwrap_or(Value::Null);
            if !self.is_reviewed(&definition.name, &value) {
                conversation.push_definition(&definition.name, &value);
            }
        }
        let nobody = |conversation: &mut Conversation, text: &str, suspicious: bool| {
            conversation.push_result(&self.settings.specs, "", &Value::Null, text, suspicious);
        };
        // What is kept or run upstream is read by the model and not seen here.
        if view.server_history || !view.hosted_tools.is_empty() {
            nobody(&mut conversation, "", false);
        }
        let marked = self.marked(turns);
        for (turn, copied) in turns.iter().zip(&marked) {
            let suspicious = self.suspicious.holds(turn.path);
            let declared = self.untrusted.covers(turn.path);
            match &turn.voice {
                Voice::Result(call) => {
                    let (tool, arguments) = call.as_ref().map_or(("", Value::Null), |call| {
                        (
                            call.name.as_str(),
                            Read::of(call, &self.limits).arguments.unwrap_or(Value::Null),
                        )
                    });
                    // What is declared is not the tool's word either.
                    let tool = if declared { "" } else { tool };
                    conversation.push_result(&self.settings.specs, tool, &arguments, turn.text, suspicious);
                }
                Voice::System | Voice::User | Voice::Other if declared => {
                    nobody(&mut conversation, turn.text, suspicious)
                }
                Voice::Other => nobody(&mut conversation, turn.text, suspicious),
                Voice::System | Voice::User => {
                    let speaker = speaker(&turn.voice);
                    let ranges = self.untrusted.ranges(turn.path, turn.text);
                    conversation.push_message(speaker, turn.text, &ranges, copied);
                }
                // What the model said names nothing.
                Voice::Model => {}
                Voice::Call(call) => plan.ask(&call.name, conversation.is_tainted()),
            }
        }
        conversation
    }

    /// Remembers what everybody says in the request, whatever its answer will be. What is known is passed over.
    pub(crate) fn remember(&self, view: &RequestView<'_>) {
        if self.reading() != Reading::Close {
            return;
        }
        let (_, turns) = history(view);
        let owner = self.judge.principal.key.as_str();
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        for turn in &turns {
            match &turn.voice {
                Voice::Result(call) => {
                    let name = call.as_ref().map_or("", |call| call.name.as_str());
                    let source = if name.is_empty() {
                        "a text of unknown origin"
                    } else {
                        name
                    };
                    labels.read(owner, source, turn.text);
                }
                Voice::System | Voice::User if !self.untrusted.covers(turn.path) => labels.say(owner, turn.text),
                Voice::System | Voice::User | Voice::Other | Voice::Model | Voice::Call(_) => {}
            }
        }
    }

    /// What of each turn was read before. The store is held no longer than that takes.
    fn marked(&self, turns: &[Turn<'_>]) -> Vec<Vec<Copied>> {
        if self.reading() != Reading::Close {
            return vec![Vec::new(); turns.len()];
        }
        let owner = self.judge.principal.key.as_str();
        let labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = turns.iter().map(|turn| match &turn.voice {
            Voice::System | Voice::User if !self.untrusted.covers(turn.path) => {
                labels.copied(owner, speaker(&turn.voice), turn.text)
            }
            _ => Vec::new(),
        });
        turns.collect()
    }

    fn reading(&self) -> Reading {
        if self.settings.knobs.exact {
            Reading::Close
        } else {
            Reading::Plain
        }
    }

    /// Whether a definition is the one that somebody looked at: as it was then, or of a tool whose specification is
    /// reviewed, where no definitions are given.
    fn is_reviewed(&self, name: &str, definition: &Value) -> bool {
        let inner = |value: &Value| value.get("function").unwrap_or(value).clone();
        if self.settings.definitions.is_empty() {
            return self.settings.specs.tool(name).is_some_and(|spec| spec.reviewed);
        }
        let known = self.settings.definitions.get(name);
        known.is_some_and(|known| inner(known) == inner(definition))
    }

    /// Calls of the conversation that fetch, of any tool.
    fn fetches(&self, turns: &[Turn<'_>]) -> u64 {
        let fetches = |turn: &&Turn<'_>| match &turn.voice {
            Voice::Call(call) => {
                let spec = self.settings.specs.tool(&call.name);
                spec.is_some_and(|spec| spec.effective() == Effect::EgressRead)
            }
            _ => false,
        };
        u64::try_from(turns.iter().filter(fetches).count()).unwrap_or(u64::MAX)
    }

    /// Tells those who execute calls which ones go.
    pub(super) fn release(&self, calls: Vec<(String, Vec<u8>)>) {
        let Some(released) = &self.released else { return };
        for (tool, canonical) in calls {
            released.release(ReleasedCall::of(&self.judge.principal.key, &tool, &canonical));
        }
    }
}

impl Judged {
    /// Whether a person has to approve what is held, and may.
    pub(super) fn asks_people(&self) -> bool {
        let any = |what: OnHold| self.held.iter().any(|call| call.on_hold == what);
        any(OnHold::Approval) && !any(OnHold::Deny)
    }

    fn hold_whole(&mut self, on_hold: OnHold) {
        let hold = Hold::Unreadable;
        self.tally.ask();
        self.tally.hold(hold.code());
        self.held.push(HeldCall {
            tool: String::new(),
            hold,
            arguments: None,
            facts: Vec::new(),
            code: None,
            on_hold,
            approvers: Vec::new(),
        });
    }
}

/// One answer's calls before the policy.
struct Court<'c> {
    case: &'c Case,
    conversation: &'c Conversation,
    tainted: bool,
    /// What the user said first: a code of one conversation lets nothing go in another.
    beginning: String,
    /// Calls that fetch which were made already.
    fetches: u64,
    /// Tools that were asked for before anything else was read.
    plan: FrozenPlan,
    /// Calls since the user's last words, by tool and canonical arguments.
    made: BTreeSet<(String, Vec<u8>)>,
    words: LastWords<'c>,
}

impl Court<'_> {
    /// A call is held when any reading of it is.
    fn call(&mut self, call: &AskedCall, judged: &mut Judged, released: &mut Vec<(String, Vec<u8>)>) {
        judged.tally.ask();
        let mut endorsed = false;
        for reading in &call.readings {
            let read = Read::of(reading, &self.case.limits);
            let ruling = self.reading(&read, false);
            let Some(hold) = ruling.hold else {
                if let Some(canonical) = read.canonical {
                    released.push((read.tool, canonical));
                }
                continue;
            };
            let code = self.code(&read, &hold, ruling.on_hold);
            if let (Some(code), Some(canonical)) = (&code, &read.canonical)
                && self.words.repeat(code)
                && !self.made.contains(&(read.tool.clone(), canonical.clone()))
                && self.reading(&read, true).hold.is_none()
                // Each time the code is said it lets one call go.
                && self.made.insert((read.tool.clone(), canonical.clone()))
            {
                endorsed = true;
                released.push((read.tool, canonical.clone()));
                continue;
            }
            judged.tally.hold(hold.code());
            judged.held.push(HeldCall {
                tool: read.tool,
                hold,
                arguments: read.arguments,
                facts: ruling.facts,
                code,
                on_hold: ruling.on_hold,
                approvers: ruling.approvers,
            });
            return;
        }
        if endorsed {
            judged.tally.endorse();
        }
    }

    /// Whether one reading goes. `approved` when the user has said so of exactly this call.
    fn reading(&self, read: &Read, approved: bool) -> Ruling {
        let (settings, judge) = (&self.case.settings, &self.case.judge);
        let nothing = Value::Null;
        let arguments = read.arguments.as_ref().unwrap_or(&nothing);
        let bait = self.case.bait(read);
        let mut proposed = ProposedCall::of(
            &settings.knobs,
            &settings.specs,
            self.conversation,
            &read.tool,
            arguments,
        );
        // What could not be looked through may hold anything.
        proposed.actions.unread |= bait == Sighting::Unread;
        let plan = if settings.knobs.freeze_plan {
            self.plan.place(&read.tool, self.tainted)
        } else {
            Plan::Unset
        };
        let key = &judge.principal.key;
        let decision = self.case.counted.decide(key, &read.tool, &proposed, |session| {
            judge.policy.act(&ActFacts {
                principal: &judge.principal,
                route: &judge.route,
                call: &proposed,
                session: SessionFacts {
                    fetches_here: self.fetches,
                    canary: bait == Sighting::Seen,
                    ..session
                },
                plan,
                approved,
            })
        });
        let harmless = proposed.facts.effect == Effect::Read || !self.tainted;
        let unreadable = read.arguments.is_none() && !harmless;
        let hold = Hold::of(&decision, proposed.verdict.reason, unreadable);
        Ruling {
            hold: hold.map(|hold| hold.baited(bait == Sighting::Seen)),
            on_hold: settings.on_hold.strictest(&decision.ways),
            approvers: decision.approvers,
            facts: proposed.verdict.arguments,
        }
    }

    /// None where somebody else than the user has to say so.
    fn code(&self, read: &Read, hold: &Hold, on_hold: OnHold) -> Option<Code> {
        if on_hold != OnHold::Question || matches!(hold, Hold::Forbidden(_) | Hold::Baited(_)) {
            return None;
        }
        let principal = &self.case.judge.principal;
        let parts: [&[u8]; 7] = [
            b"testudo: the user lets a call go",
            principal.key.as_str().as_bytes(),
            self.case.judge.route.as_str().as_bytes(),
            &self.case.policy,
            self.beginning.as_bytes(),
            read.tool.as_bytes(),
            read.canonical.as_deref()?,
        ];
        Code::of(self.case.coder.as_ref(), &parts)
    }
}

impl Read {
    pub(super) fn of(call: &ToolCall, limits: &Limits) -> Self {
        let tool = call.name.clone();
        let text = match &call.input {
            CallInput::Text(text) => {
                let arguments = json!({ "input": text });
                return Self::written(tool, &arguments.to_string(), limits);
            }
            CallInput::Json(text) if text.trim().is_empty() => "{}",
            CallInput::Json(text) => text,
        };
        Self::written(tool, text, limits)
    }

    fn written(tool: String, text: &str, limits: &Limits) -> Self {
        let document = Document::parse(text.as_bytes(), limits).ok();
        let document = document.filter(|it| it.root().kind() == testudo_bounded::json::Kind::Object);
        let arguments = document.as_ref().and_then(|_| serde_json::from_str(text).ok());
        let canonical = document.and_then(|document| {
            let mut out = Vec::new();
            document.root().canonical(&mut out).ok().map(|()| out)
        });
        Self {
            tool,
            arguments,
            canonical,
            written: text.to_owned(),
        }
    }
}

/// Tools whose results were read, most of them.
fn sources(turns: &[Turn<'_>]) -> Vec<String> {
    let names = turns.iter().filter_map(|turn| match &turn.voice {
        Voice::Result(call) => Some(call.as_ref().map_or("", |call| call.name.as_str())),
        _ => None,
    });
    let names: BTreeSet<&str> = names.collect();
    let name = |name: &str| match name {
        "" => "a text of unknown origin".to_owned(),
        name => name.chars().take(80).collect(),
    };
    names.into_iter().take(32).map(name).collect()
}

fn speaker(voice: &Voice) -> Speaker {
    match voice {
        Voice::System => Speaker::System,
        _ => Speaker::User,
    }
}

/// The user's first words.
fn beginning(turns: &[Turn<'_>]) -> String {
    let first = turns.iter().find(|turn| turn.voice == Voice::User);
    first.map(|turn| turn.text.to_owned()).unwrap_or_default()
}

/// The calls among turns.
fn made(turns: &[Turn<'_>], limits: &Limits) -> BTreeSet<(String, Vec<u8>)> {
    let calls = turns.iter().filter_map(|turn| match &turn.voice {
        Voice::Call(call) => {
            let read = Read::of(call, limits);
            Some((read.tool, read.canonical?))
        }
        _ => None,
    });
    calls.collect()
}
