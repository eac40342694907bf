//! Calls that no answer of ours asked for: judged by what their session has read, which is all that is known of them.
//!
//! What the caller's model was told elsewhere is not seen. So nothing in them is the user's, and something was read.

use serde_json::Value;
use testudo_policy::provenance::{Conversation, Effect, Limits, Reading};
use testudo_policy::{ActFacts, Plan, ProposedCall};
use testudo_types::ExchangeId;

use super::approval::{held, quantity_of};
use super::case::{HeldCall, Hold};
use super::counted::Counted;
use super::wording::why;
use crate::approvals::{Approvals, Binding, Held, TakenCall, sha256};
use crate::guard::Judge;
use crate::heavy;
use crate::record::Outcome;
use crate::refusal::Refusal;
use crate::settings::{AgentSettings, OnHold};

/// Text of a session that is looked at.
const TEXT_BYTES_MAX: usize = 512 << 10;

/// One result that the session has read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Earlier<'r> {
    /// As specifications name the tool; empty for what no tool said.
    pub(crate) tool: &'r str,
    pub(crate) arguments: &'r Value,
    pub(crate) text: &'r str,
    /// A detector found instructions in it.
    pub(crate) suspicious: bool,
}

/// Who calls, and what decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Direct<'a> {
    pub(crate) settings: &'a AgentSettings,
    pub(crate) judge: &'a Judge,
    pub(crate) counted: &'a Counted,
    pub(crate) approvals: &'a Approvals,
    /// Of the policies and settings that decide.
    pub(crate) policy: [u8; 32],
    pub(crate) exchange: &'a ExchangeId,
    /// Who the caller says it acts for, and who therefore cannot approve.
    pub(crate) subject: Option<&'a str>,
}

/// A call as it would be made.
#[derive(Debug)]
pub(crate) struct DirectCall<'c> {
    pub(crate) tool: &'c str,
    pub(crate) arguments: &'c Value,
    /// In their one spelling; `None` when they have none.
    pub(crate) canonical: Option<Vec<u8>>,
}

/// A call that is held, and what the session had read.
#[derive(Debug)]
pub(crate) struct DirectHold {
    call: HeldCall,
    read: Vec<String>,
}

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Ruled {
    Goes,
    /// A person has approved it.
    Approved,
    /// A person is still to decide, or has said no.
    Waits(Refusal),
    /// Held for this reason.
    Held(&'static str, Refusal),
}

impl Direct<'_> {
    /// What a person has decided about exactly this call.
    pub(crate) async fn taken(&self, call: &DirectCall<'_>) -> Result<Option<Ruled>, Refusal> {
        let people = self.settings.on_hold == OnHold::Approval || self.judge.policy.asks_people(&self.judge.route);
        let Some(canonical) = call.canonical.as_ref().filter(|_| people) else {
            return Ok(None);
        };
        let key = &self.judge.principal.key;
        let binding = Binding {
            key,
            route: &self.judge.route,
            tool: call.tool,
            arguments: sha256(canonical),
            policy: self.policy,
        };
        match self.approvals.take_call(&binding).await {
            Ok(TakenCall::Nothing) => Ok(None),
            Ok(TakenCall::Released) => {
                if let Some(quantity) = quantity_of(&self.settings.specs, call.tool, call.arguments) {
                    self.counted.approved(key, call.tool, quantity);
                }
                Ok(Some(Ruled::Approved))
            }
            Ok(TakenCall::Waiting(id)) => Ok(Some(Ruled::Waits(Refusal::call_waits(&id)))),
            Ok(TakenCall::Denied(id)) => Ok(Some(Ruled::Waits(Refusal::call_denied(&id)))),
            Err(_) => Err(Refusal::new(
                Outcome::Refused,
                503,
                "approvals_unavailable",
                "it cannot be told now whether this call was approved; try again later",
            )),
        }
    }

    /// The call when it is held; `None` when it goes. `suspicious`: instructions were found in what is forgotten.
    pub(crate) fn judge(&self, call: &DirectCall<'_>, earlier: &[Earlier<'_>], suspicious: bool) -> Option<DirectHold> {
        let size = earlier.iter().map(|one| one.text.len()).sum();
        let call = heavy::run(size, || self.hold(call, earlier, suspicious))?;
        let mut read: Vec<String> = earlier.iter().map(|one| named(one.tool)).collect();
        read.sort();
        read.dedup();
        Some(DirectHold { call, read })
    }

    /// What is done about a call that is held: it waits for a person, or is denied.
    pub(crate) async fn held(&self, held: Option<DirectHold>) -> Ruled {
        let Some(held) = held else { return Ruled::Goes };
        let code = held.call.hold.code();
        if let Some(refusal) = self.wait(&held).await {
            return Ruled::Held(code, refusal);
        }
        let why = format!("this call was not permitted: {}", why(&held.call.hold));
        Ruled::Held(code, Refusal::new(Outcome::Held, 403, "call_held", why))
    }

    fn hold(&self, call: &DirectCall<'_>, earlier: &[Earlier<'_>], suspicious: bool) -> Option<HeldCall> {
        let (settings, judge) = (self.settings, self.judge);
        let conversation = self.conversation(earlier, suspicious);
        let proposed = ProposedCall::of(
            &settings.knobs,
            &settings.specs,
            &conversation,
            call.tool,
            call.arguments,
        );
        let decision = self
            .counted
            .decide(&judge.principal.key, call.tool, &proposed, |session| {
                judge.policy.act(&ActFacts {
                    principal: &judge.principal,
                    route: &judge.route,
                    call: &proposed,
                    session,
                    plan: Plan::Unset,
                    approved: false,
                })
            });
        let unreadable = call.canonical.is_none() && proposed.facts.effect != Effect::Read;
        Some(HeldCall {
            tool: call.tool.to_owned(),
            hold: Hold::of(&decision, proposed.verdict.reason, unreadable)?,
            arguments: Some(call.arguments.clone()),
            facts: proposed.verdict.arguments,
            code: None,
            on_hold: settings.on_hold.strictest(&decision.ways),
            approvers: decision.approvers,
        })
    }

    fn conversation(&self, earlier: &[Earlier<'_>], suspicious: bool) -> Conversation {
        let reading = if self.settings.knobs.exact {
            Reading::Close
        } else {
            Reading::Plain
        };
        let limits = Limits {
            text_bytes_max: TEXT_BYTES_MAX,
            ..Limits::default()
        };
        let mut conversation = Conversation::new(limits, reading);
        // What the caller's model was told elsewhere.
        conversation.push_result(&self.settings.specs, "", &Value::Null, "", suspicious);
        for one in earlier {
            conversation.push_result(&self.settings.specs, one.tool, one.arguments, one.text, one.suspicious);
        }
        conversation
    }

    /// Keeps a call until a person has decided; `None` when it cannot wait, and is denied then.
    async fn wait(&self, hold: &DirectHold) -> Option<Refusal> {
        if hold.call.on_hold != OnHold::Approval {
            return None;
        }
        let mut kept = Held::of(
            &self.judge.principal,
            self.judge.route.clone(),
            self.exchange.clone(),
            vec![held(&hold.call)?],
            self.policy,
        );
        kept.subject = self.subject.map(str::to_owned);
        kept.read.clone_from(&hold.read);
        kept.approvers = hold.call.approvers.iter().map(|group| group.0.to_string()).collect();
        let opened = self.approvals.open(&kept, None).await;
        let opened = opened
            .inspect_err(|error| tracing::warn!(target: "testudo::approvals", %error, "a call could not wait"))
            .ok()?;
        Some(Refusal::call_waits(&opened))
    }
}

fn named(tool: &str) -> String {
    match tool {
        "" => "a text of unknown origin".to_owned(),
        tool => tool.chars().take(80).collect(),
    }
}
