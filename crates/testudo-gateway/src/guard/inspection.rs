//! One direction of one exchange under its guards: scans text, asks policy, plans edits, keeps the log.

use std::ops::Range;
use std::sync::Arc;

use testudo_bounded::json::Limits;
use testudo_detect::bait::{Baits, Sighting};
use testudo_detect::output::{Context, LinkJudge, Review, review};
use testudo_detect::pseudonym::{PlaceholderStyle, Pseudonyms, Restorer, redaction};
use testudo_detect::structure::special::Token;
use testudo_detect::views::Views;
use testudo_detect::{
    Budget, Canaries, Fingerprint, GuardScanner, Hit, Rule, RuleIndex, Scan, Selection, Tally, scan_all_with_views,
};
use testudo_policy::{FindingFacts, Judging, PolicyEngine};
use testudo_types::{
    Action, Decision, Finding, Origin, Place, PolicyName, Principal, Reason, RouteName, RuleId, Score, Severity,
    ThreatKind, Verdict,
};

use super::cover::{Edit, EditKind, cover};
use super::findings::{FindingLog, Seen};
use super::judged::Judged;
use super::model::{ModelWork, Models};
use super::plan::GuardPlan;
use super::restore::restore_edits;
use super::schema::{Conformance, Schema};

/// The rule about tokens of chat templates, and how sure it is of one that is broken.
const TOKEN_RULE: &str = "injection.role-tokens";
const BROKEN_SCORE: u8 = 60;

/// What a rule's certainty comes to where its text is a token of a chat template that gets broken.
#[must_use]
pub fn broken_token(rule: &Rule, score: Score) -> Score {
    if rule.id.as_str() == TOKEN_RULE {
        Score::new(BROKEN_SCORE).map_or(score, |most| score.min(most))
    } else {
        score
    }
}

/// Windows that the encoder should have read and did not. The n-gram model has scored them, so the shipped policies
/// only observe it, unlike all else that could not be scanned.
const MODEL_LIMIT: &str = "guard.model-limit";

/// Who is judged and by which policies.
#[derive(Debug, Clone)]
pub struct Judge {
    pub policy: Arc<PolicyEngine>,
    pub principal: Arc<Principal>,
    pub route: RouteName,
}

/// What must not leave in an answer.
#[derive(Debug, Clone, Default)]
pub struct Leaks {
    pub fingerprint: Option<Arc<Fingerprint>>,
    pub canaries: Canaries,
    /// The same, for texts that are at hand as a whole.
    pub baits: Baits,
    /// Decides about links.
    pub links: Option<LinkJudge>,
    /// What a whole answer is compared with.
    pub answer: Option<Answer>,
}

/// What a whole answer is compared with.
#[derive(Debug, Clone)]
pub struct Answer {
    pub context: Arc<Context>,
    pub review: Review,
    pub schema: Option<Schema>,
}

impl Answer {
    /// The longest answer that is compared, in bytes.
    fn bytes_max(&self) -> usize {
        let schema = if self.schema.is_some() {
            SCHEMA_ANSWER_BYTES_MAX
        } else {
            0
        };
        self.review.bytes_max().max(schema)
    }
}

/// The longest streamed answer that is looked through for canaries in disguise, in bytes.
const BAITED_BYTES_MAX: usize = 1 << 20;

/// The longest answer that is checked against a schema, in bytes.
const SCHEMA_ANSWER_BYTES_MAX: usize = 1 << 20;

/// What stands where a masked text stood, and how it finds its way back.
#[derive(Debug)]
pub enum Exchanger {
    /// Requests: personal data and secrets get placeholders of this exchange.
    Hide(Pseudonyms),
    /// Responses: placeholders of this exchange become the client's values again.
    Restore(Restorer),
    /// Nothing was hidden.
    Nothing,
}

/// Scans, judges and plans edits for one direction of one exchange.
#[derive(Debug)]
pub struct Inspection {
    plan: Arc<GuardPlan>,
    judge: Judge,
    judging: Judging,
    leaks: Leaks,
    exchanger: Exchanger,
    budget: Budget,
    /// Of the trained models, so that they take nothing from the rules.
    model_budget: Budget,
    tally: Tally,
    log: FindingLog,
    blocked: Option<Decision>,
    work: ModelWork,
    /// Ranges of the string at hand in which a token is broken anyway.
    defused: Vec<Range<usize>>,
}

impl Inspection {
    /// Starts one direction of an exchange; `log` comes from the other direction or is empty.
    #[must_use]
    pub fn new(plan: Arc<GuardPlan>, judge: Judge, leaks: Leaks, exchanger: Exchanger, log: FindingLog) -> Self {
        let budget = Budget::new(plan.work_max);
        let judging = Judging::new(Arc::clone(&judge.policy));
        let work = plan
            .models
            .as_ref()
            .map_or_else(ModelWork::default, |models| models.work());
        Self {
            plan,
            judge,
            judging,
            leaks,
            exchanger,
            model_budget: budget.clone(),
            budget,
            tally: Tally::default(),
            log,
            blocked: None,
            work,
            defused: Vec::new(),
        }
    }

    /// Tells which tokens of the next string are broken, so that a rule about them finds less.
    pub(crate) fn defuse(&mut self, tokens: &[Token]) {
        self.defused.clear();
        self.defused.extend(tokens.iter().map(|token| token.range.clone()));
    }

    /// A rule's certainty that text does harm, less when the text is only a token that is broken or a stop sequence.
    fn certainty(&self, hit: &Hit, rule: &Rule, path: &str) -> Score {
        let inside = |range: &Range<usize>| range.start <= hit.start && hit.end <= range.end;
        let defused = is_stop_sequence(path) || self.defused.iter().any(inside);
        if defused {
            broken_token(rule, hit.score)
        } else {
            hit.score
        }
    }

    /// The guards this runs.
    #[must_use]
    pub fn plan(&self) -> &GuardPlan {
        &self.plan
    }

    /// Why the exchange must stop, once it must.
    #[must_use]
    pub fn blocked(&self) -> Option<&Decision> {
        self.blocked.as_ref()
    }

    /// Why, in one sentence for the caller.
    #[must_use]
    pub fn why_blocked(&self) -> String {
        self.log.why_blocked(self.blocked.as_ref())
    }

    /// What the trained models did so far.
    #[must_use]
    pub fn model_work(&self) -> ModelWork {
        self.work
    }

    /// What was seen, and the placeholders that were made.
    #[must_use]
    pub fn finish(mut self) -> (FindingLog, Exchanger) {
        self.log.allow(self.tally.allowed());
        (self.log, self.exchanger)
    }

    /// Whether made-up values will stand in texts, so that all of them have to be shown first.
    pub(crate) fn wants_texts(&self) -> bool {
        matches!(&self.exchanger, Exchanger::Hide(pseudonyms) if pseudonyms.style() == PlaceholderStyle::Typed)
    }

    /// Takes note of a text before anything is made up.
    pub(crate) fn show(&mut self, text: &str) {
        if let Exchanger::Hide(pseudonyms) = &mut self.exchanger {
            pseudonyms.show(text);
        }
    }

    /// The rules for an origin, as they apply in this exchange.
    fn selection(&self, origin: &Origin) -> Option<Selection> {
        Some(self.plan.selection(origin)?.within(self.restorer(), &self.tally))
    }

    /// A scanner for the text of one channel of a stream.
    pub(crate) fn scanner(&self, origin: &Origin, path: &str) -> Option<GuardScanner> {
        let selection = self.selection(origin)?;
        Some(GuardScanner::with_links(
            &selection,
            self.leaks.fingerprint.as_ref(),
            &self.leaks.canaries,
            self.link_judge(path),
        ))
    }

    /// Who decides about links at a place: nobody in calls of tools, whose addresses are the tool's business.
    fn link_judge(&self, path: &str) -> Option<&LinkJudge> {
        const OF_TOOLS: &[&str] = &[
            "arguments",
            "input",
            "custom_input",
            "tool_data",
            "tool_calls",
            "tool_name",
            "code",
        ];
        let of_tool = path.split('/').any(|part| OF_TOOLS.contains(&part));
        self.leaks.links.as_ref().filter(|_| !of_tool)
    }

    /// The placeholders to restore, when there are any.
    pub(crate) fn restorer(&self) -> Option<&Restorer> {
        match &self.exchanger {
            Exchanger::Restore(restorer) => Some(restorer),
            Exchanger::Hide(_) | Exchanger::Nothing => None,
        }
    }

    /// Work left for scanning; every scanner of the exchange draws from it.
    pub(crate) fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Scans a text that is complete and plans its edits, which do not overlap.
    pub(crate) fn whole_text(&mut self, text: &str, origin: &Origin, path: &Arc<str>, maskable: bool) -> Vec<Edit> {
        let plan = Arc::clone(&self.plan);
        let Some(selection) = self.selection(origin) else {
            return Vec::new();
        };
        let judge = self.link_judge(path).cloned();
        let (mut scan, views) = scan_all_with_views(
            &selection,
            self.leaks.fingerprint.as_ref(),
            &self.leaks.canaries,
            judge.as_ref(),
            text,
            &mut self.budget,
        );
        if let Some(models) = &plan.models
            && !scan.exhausted
        {
            self.score(models, (text, views.as_ref()), (origin, maskable), path, &mut scan);
        }
        if let Some(hit) = self.baited(text) {
            scan.hits.push(hit);
            scan.hits.sort_unstable();
        }
        if scan.exhausted {
            self.unscannable("guard.work-limit", path);
        }
        let mut edits = self.judge_hits(&scan.hits, Some(text), origin, path, maskable).edits;
        if let Some(restorer) = self.restorer() {
            edits.extend(restore_edits(restorer.find(text), text, 0));
        }
        if edits.is_empty() { edits } else { cover(edits) }
    }

    /// A canary that stands in a text and not as it is written: all of the text is its place.
    fn baited(&mut self, text: &str) -> Option<Hit> {
        if self.leaks.baits.is_empty() || !self.plan.watches(ThreatKind::PromptLeak) {
            return None;
        }
        // Those that are written plainly were found in their places.
        let rest = self.leaks.canaries.taken_from(text);
        let seen = self.leaks.baits.sighted(&rest, &mut self.budget);
        (seen == Sighting::Seen).then_some(Hit {
            start: 0,
            rule: RuleIndex::CANARY,
            end: text.len(),
            score: Score::MAX,
        })
    }

    /// Adds what the trained models find in a text.
    fn score(
        &mut self,
        models: &Models,
        (text, views): (&str, Option<&Views>),
        (origin, maskable): (&Origin, bool),
        path: &Arc<str>,
        scan: &mut Scan,
    ) {
        let Self {
            judging, judge, plan, ..
        } = self;
        let rule = plan.rule(RuleIndex::INJECTION_MODEL, origin);
        // Whoever masks or observes is told of every place; what stops the exchange needs no second one.
        let stops = |score| {
            rule.is_some_and(|rule| {
                let facts = FindingFacts {
                    principal: &judge.principal,
                    route: &judge.route,
                    direction: plan.direction,
                    origin,
                    rule: &rule.id,
                    kind: rule.kind,
                    severity: rule.severity,
                    score,
                    maskable,
                };
                judging.judge(&facts).action >= Action::Hold
            })
        };
        let given = (&mut self.work, &mut self.model_budget);
        let scored = models.scan(text, views, origin, given, stops);
        if scored.failed {
            self.unscannable("guard.model-failed", path);
        }
        if scored.limited {
            self.unscannable(MODEL_LIMIT, path);
        }
        scan.exhausted |= scored.exhausted;
        if !scored.hits.is_empty() {
            scan.hits.extend(&scored.hits);
            scan.hits.sort_unstable();
        }
    }

    /// How much of an answer has to be kept to be compared once it is whole; `None` when nothing is compared.
    pub(crate) fn answer_bytes_max(&self) -> Option<usize> {
        let baited =
            (!self.leaks.baits.is_empty() && self.plan.watches(ThreatKind::PromptLeak)).then_some(BAITED_BYTES_MAX);
        self.leaks.answer.as_ref().map(Answer::bytes_max).max(baited)
    }

    /// Looks at the whole text of an answer that has streamed, all of it found and most of it gone.
    pub(crate) fn streamed_answer(&mut self, text: &str, path: &Arc<str>, limits: &Limits) -> Judged {
        let mut judged = self.answer(text, path, false, limits);
        let hits: Vec<Hit> = self.baited(text).into_iter().collect();
        judged.join(self.judge_hits(&hits, None, &Origin::Model, path, false));
        judged
    }

    /// Compares a complete answer with its exchange.
    ///
    /// What is found can be replaced only in an answer that has not begun to leave.
    pub(crate) fn answer(&mut self, text: &str, path: &Arc<str>, maskable: bool, limits: &Limits) -> Judged {
        let Some(answer) = self.leaks.answer.clone() else {
            return Judged::default();
        };
        if text.len() > answer.bytes_max() {
            return self.unreviewed(path);
        }
        let mut judged = Judged::default();
        if let Some(schema) = &answer.schema {
            let checked = if self.budget.is_exhausted() {
                Conformance::Unknown
            } else {
                schema.check(text, limits)
            };
            match checked {
                Conformance::Keeps => {}
                Conformance::Breaks(range) => self.off_schema(range, path, &mut judged),
                Conformance::Unknown => judged = self.unreviewed(path),
            }
        }
        let scan = review(text, &answer.context, answer.review, &mut self.budget);
        if scan.exhausted {
            judged.join(self.unreviewed(path));
        }
        judged.join(self.judge_hits(&scan.hits, Some(text), &Origin::Model, path, maskable));
        judged
    }

    fn off_schema(&mut self, range: Range<usize>, path: &Arc<str>, judged: &mut Judged) {
        let finding = Finding {
            rule: RuleId::new("quality.schema"),
            kind: ThreatKind::Quality,
            severity: Severity::Medium,
            score: Score::MAX,
            origin: Origin::Model,
            place: Place {
                path: Arc::clone(path),
                start: range.start,
                end: range.end,
            },
            refs: Arc::from([]),
        };
        if self.judge(finding, false) >= Action::Hold {
            judged.stop_at(range.start);
        }
    }

    /// An answer that could not be compared: it stops the exchange where a finding would, and is noted elsewhere.
    pub(crate) fn unreviewed(&mut self, path: &Arc<str>) -> Judged {
        let mut judged = Judged::default();
        let finding = Finding {
            rule: RuleId::new("quality.unreviewed"),
            kind: ThreatKind::Quality,
            severity: Severity::Low,
            score: Score::MAX,
            origin: Origin::Model,
            place: Place {
                path: Arc::clone(path),
                start: 0,
                end: 0,
            },
            refs: Arc::from([]),
        };
        if self.judge(finding, false) >= Action::Hold {
            judged.stop_at(0);
        }
        judged
    }

    /// Judges hits of one text and plans the edits they call for; the caller joins overlapping ones.
    ///
    /// `text` is the whole text when it is at hand: only then can a value get a placeholder
    /// that finds its way back.
    pub(crate) fn judge_hits(
        &mut self,
        hits: &[Hit],
        text: Option<&str>,
        origin: &Origin,
        path: &Arc<str>,
        maskable: bool,
    ) -> Judged {
        let mut judged = Judged::default();
        let plan = Arc::clone(&self.plan);
        for hit in hits {
            let Some(rule) = plan.rule(hit.rule, origin) else {
                judged.stop_at(hit.start);
                self.unscannable("guard.unknown-rule", path);
                continue;
            };
            let finding = Finding {
                rule: rule.id.clone(),
                kind: rule.kind,
                severity: rule.severity,
                score: self.certainty(hit, rule, path),
                origin: origin.clone(),
                place: Place {
                    path: Arc::clone(path),
                    start: hit.start,
                    end: hit.end,
                },
                refs: Arc::clone(&rule.refs),
            };
            let action = self.judge(finding, maskable);
            if action >= Action::Hold {
                judged.stop_at(hit.start);
            }
            if action != Action::Mask {
                continue;
            }
            let place = text.map(|text| (text, hit.start..hit.end));
            match self.replacement(rule.kind, &rule.label, place) {
                Some(replacement) => judged.edits.push(Edit {
                    range: hit.start..hit.end,
                    kind: EditKind::Mask,
                    replacement,
                    weight: hit.score.percent(),
                }),
                None => {
                    self.unscannable("guard.placeholder-limit", path);
                    judged.stop_at(hit.start);
                }
            }
        }
        judged
    }

    fn replacement(&mut self, kind: ThreatKind, label: &str, place: Option<(&str, Range<usize>)>) -> Option<String> {
        if kind == ThreatKind::HiddenText {
            return Some(String::new());
        }
        let reversible = matches!(kind, ThreatKind::PersonalData | ThreatKind::Secret);
        match (&mut self.exchanger, place) {
            (Exchanger::Hide(pseudonyms), Some((text, place))) if reversible => {
                pseudonyms.placeholder_at(label, text, place).ok().map(str::to_owned)
            }
            _ => Some(redaction(label)),
        }
    }

    /// Records that something could not be scanned; policy says what follows, closed by default.
    ///
    /// Gives whether the exchange must stop.
    pub(crate) fn unscannable(&mut self, rule: &str, path: &Arc<str>) -> bool {
        let finding = Finding {
            rule: RuleId::new(rule),
            kind: ThreatKind::Unscannable,
            severity: Severity::High,
            score: Score::MAX,
            origin: Origin::Unknown,
            place: Place {
                path: Arc::clone(path),
                start: 0,
                end: 0,
            },
            refs: Arc::from([]),
        };
        self.judge(finding, false) >= Action::Hold
    }

    fn judge(&mut self, finding: Finding, maskable: bool) -> Action {
        let decision = self.decide(&finding, maskable);
        let action = decision.action;
        if action >= Action::Hold && self.blocked.is_none() {
            self.blocked = Some(decision.clone());
        }
        if action != Action::Pass {
            self.log.push(Seen {
                direction: self.plan.direction,
                finding,
                decision,
            });
        }
        action
    }

    fn decide(&mut self, finding: &Finding, maskable: bool) -> Decision {
        let decision = self.judging.judge(&FindingFacts {
            principal: &self.judge.principal,
            route: &self.judge.route,
            direction: self.plan.direction,
            origin: &finding.origin,
            rule: &finding.rule,
            kind: finding.kind,
            severity: finding.severity,
            score: finding.score,
            maskable,
        });
        // Policies of the operator may be stricter, never laxer, about what no profile set.
        if finding.kind == ThreatKind::Unscannable
            && !self.plan.watches(ThreatKind::Unscannable)
            && finding.rule.as_str() != MODEL_LIMIT
            && decision.action < Action::Hold
        {
            return fail_closed(&finding.rule);
        }
        decision
    }
}

/// The model does not read stop sequences; they are compared with what it writes, and are tokens on purpose.
fn is_stop_sequence(path: &str) -> bool {
    path == "/stop" || path.starts_with("/stop/") || path.starts_with("/stop_sequences/")
}

/// A guard that cannot do its work stops the exchange unless the profile says otherwise.
fn fail_closed(rule: &RuleId) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        action: Action::Block,
        policies: vec![PolicyName::new("guard.fail-closed")],
        reasons: vec![Reason(format!("a guard could not scan this ({rule})").into())],
        approvers: Vec::new(),
        ways: Vec::new(),
        errors: Vec::new(),
    }
}
