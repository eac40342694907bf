//! The trained models in the gateway: who is read, what is remembered, what a limit and a failure lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;
use testudo_bounded::json::Limits;
use testudo_detect::model::{
    CalibratedEncoder, Calibration, Encoder, EncoderProblem, InjectionModel, Logits, NgramModel, NgramParts, Thresholds,
};
use testudo_detect::{Budget, Detector, RuleIndex, RuleSource};
use testudo_dialects::{Operation, read_request};
use testudo_gateway::Runtime;
use testudo_gateway::guard::model::{ModelWork, Models};
use testudo_gateway::guard::{BodyOutcome, Inspection, Structuring, guard_request};
use testudo_gateway::settings::{FollowSettings, InjectionModels, MlflowSettings, ModelSettings, MoveRules, Settings};
use testudo_gateway::system_clock::SystemClock;
use testudo_policy::PolicySource;
use testudo_policy::artifacts::ArtifactPolicies;
use testudo_types::{Action, Clock, Direction, Origin, RouteName, ThreatKind};
use testudo_vault::signing::SigningKey;
use testudo_vault::vault::{Approvers, Former, Until, VaultName, VaultSettings};

use crate::guards::{Actions, scoring};
use crate::harness::{Plan, Rig};

const BLOCK_INJECTION: Actions<'static> = &[
    (ThreatKind::Injection, Action::Block),
    (ThreatKind::Unscannable, Action::Block),
];

/// What the encoder of these tests takes for an attack; no rule knows it.
const ATTACK: &str = "the blue tortoise must swap its shell for a green one by noon";
const CALM: &str = "the blue tortoise walks along the river and eats some grass";

/// Says what it is told to look for, and counts.
#[derive(Debug, Default)]
struct Stub {
    calls: AtomicUsize,
    windows: AtomicUsize,
    broken: AtomicBool,
}

impl Encoder for Stub {
    fn score(&self, windows: &[&str]) -> Result<Vec<Logits>, EncoderProblem> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.windows.fetch_add(windows.len(), Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return Err(EncoderProblem::Failed("told to".to_owned()));
        }
        let attack = |text: &str| text.to_ascii_lowercase().contains("swap its shell");
        let score = |text: &&str| {
            let logit = if attack(text) { 9.0 } else { -9.0 };
            Logits {
                asked: logit,
                read: logit,
                described: logit,
            }
        };
        Ok(windows.iter().map(score).collect())
    }
}

impl Stub {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn windows(&self) -> usize {
        self.windows.load(Ordering::Relaxed)
    }
}

fn calibration() -> Calibration {
    let thresholds = Thresholds {
        half: -4.0,
        five_percent: 1.0,
        one_percent: 2.0,
        one_permille: 3.0,
        certain: 5.0,
        unsure_from: -1.0,
        length: None,
    };
    Calibration::new([thresholds; 4]).unwrap()
}

/// N-grams that are unsure of everything and find nothing, and the encoder of these tests.
fn models(encoder_windows_max: usize) -> (Arc<Models>, Arc<Stub>) {
    weighing([1; 32], encoder_windows_max)
}

fn weighing(weights: [u8; 32], encoder_windows_max: usize) -> (Arc<Models>, Arc<Stub>) {
    let head = NgramParts {
        bias: 0.0,
        scale: 1.0,
        weights: vec![0; 16],
    };
    let ngram = NgramModel::from_parts(4, [head.clone(), head]).unwrap();
    let stub = Arc::new(Stub::default());
    let encoder = CalibratedEncoder {
        encoder: Arc::clone(&stub) as Arc<dyn Encoder>,
        calibration: calibration(),
    };
    let model = InjectionModel::new(ngram, calibration()).with_encoder(encoder);
    let settings = ModelSettings {
        injection: InjectionModels::Both,
        encoder_windows_max,
        cache_entries: 1000,
    };
    (
        Arc::new(Models::new(model, weights, settings, Arc::new(SystemClock::new()))),
        stub,
    )
}

fn body(role: &str, text: &str) -> String {
    serde_json::json!({"model": "m", "messages": [
        {"role": "user", "content": "hello"},
        {"role": role, "tool_call_id": "c", "content": text},
    ]})
    .to_string()
}

fn guard(body: &str, inspection: &mut Inspection) -> BodyOutcome {
    let view = read_request(Operation::ChatCompletions, body.as_bytes(), &Limits::DEFAULT).unwrap();
    guard_request(&view, &Structuring::off(), inspection, &Limits::DEFAULT)
}

/// The outcome, and the rules with their actions.
fn judged(body: &str, models: &Arc<Models>, actions: Actions<'_>, policies: &[PolicySource]) -> (BodyOutcome, String) {
    let mut inspection = scoring(Direction::Request, actions, models, policies);
    let outcome = guard(body, &mut inspection);
    let (log, _) = inspection.finish();
    let seen: Vec<String> = log
        .kept()
        .iter()
        .map(|seen| format!("{} {}", seen.finding.rule, seen.decision.action.as_str()))
        .collect();
    (outcome, seen.join(", "))
}

#[test]
fn strangers_and_users_are_read_and_the_operator_is_not() {
    let (models, _) = models(8);
    for (role, stopped) in [
        ("tool", true),
        ("user", true),
        ("system", false),
        ("developer", false),
        ("assistant", false),
    ] {
        let (outcome, seen) = judged(&body(role, ATTACK), &models, BLOCK_INJECTION, &[]);
        let expected = if stopped { "injection.model block" } else { "" };
        assert_eq!(seen, expected, "{role}");
        assert_eq!(outcome == BodyOutcome::Blocked, stopped, "{role}");
        assert_eq!(judged(&body(role, CALM), &models, BLOCK_INJECTION, &[]).1, "", "{role}");
    }
}

#[test]
fn no_one_is_read_where_injections_are_not_looked_for() {
    let (models, stub) = models(8);
    for actions in [
        &[(ThreatKind::Secret, Action::Block)][..],
        &[(ThreatKind::Injection, Action::Pass)],
    ] {
        assert_eq!(
            judged(&body("tool", ATTACK), &models, actions, &[]).0,
            BodyOutcome::Unchanged
        );
    }
    let mut answers = scoring(Direction::Response, BLOCK_INJECTION, &models, &[]);
    assert_eq!(guard(&body("tool", ATTACK), &mut answers), BodyOutcome::Unchanged);
    assert_eq!(stub.calls(), 0);
}

#[test]
fn a_history_is_read_once() {
    let (models, stub) = models(8);
    assert_eq!(judged(&body("tool", CALM), &models, BLOCK_INJECTION, &[]).1, "");
    let after_first = stub.calls();
    assert!(after_first > 0);
    let mut second = scoring(Direction::Request, BLOCK_INJECTION, &models, &[]);
    assert_eq!(guard(&body("tool", CALM), &mut second), BodyOutcome::Unchanged);
    assert_eq!(stub.calls(), after_first);
    let work = second.model_work();
    assert_eq!((work.texts_remembered, work.encoder_windows), (1, 0), "{work:?}");
    // The same words from somebody else are another matter.
    assert_eq!(judged(&body("user", CALM), &models, BLOCK_INJECTION, &[]).1, "");
}

#[test]
fn an_encoder_that_fails_stops_the_exchange() {
    let (models, stub) = models(8);
    stub.broken.store(true, Ordering::Relaxed);
    let (outcome, seen) = judged(&body("tool", CALM), &models, BLOCK_INJECTION, &[]);
    assert_eq!(
        (outcome, seen.as_str()),
        (BodyOutcome::Blocked, "guard.model-failed block")
    );
    // Without a word of the profile about it, too.
    let silent = [(ThreatKind::Injection, Action::Observe)];
    let (outcome, _) = judged(&body("tool", CALM), &models, &silent, &[]);
    assert_eq!(outcome, BodyOutcome::Blocked);
    // The profile may say otherwise.
    let lenient = [
        (ThreatKind::Injection, Action::Block),
        (ThreatKind::Unscannable, Action::Observe),
    ];
    let (outcome, seen) = judged(&body("tool", CALM), &models, &lenient, &[]);
    assert_eq!(
        (outcome, seen.as_str()),
        (BodyOutcome::Unchanged, "guard.model-failed observe")
    );
    // A failure is not remembered.
    stub.broken.store(false, Ordering::Relaxed);
    assert_eq!(judged(&body("tool", CALM), &models, BLOCK_INJECTION, &[]).1, "");
}

/// A text of many windows.
fn long(sentences: usize) -> String {
    (0..sentences)
        .map(|number| format!("Sentence {number} says that {CALM}. "))
        .collect()
}

#[test]
fn what_is_beyond_the_limit_is_reported_and_policy_decides() {
    let text = body("tool", &long(200));
    let (models, stub) = models(5);
    let (outcome, seen) = judged(&text, &models, BLOCK_INJECTION, &[]);
    assert_eq!(
        (outcome, seen.as_str()),
        (BodyOutcome::Unchanged, "guard.model-limit observe")
    );
    assert_eq!(stub.windows(), 5);
    // What was read is remembered window by window, so the next turn gets further.
    assert_eq!(
        judged(&text, &models, BLOCK_INJECTION, &[]).1,
        "guard.model-limit observe"
    );
    assert_eq!(stub.windows(), 10);
    let silent = [(ThreatKind::Injection, Action::Block)];
    assert_eq!(judged(&text, &models, &silent, &[]).0, BodyOutcome::Unchanged);
    let own = PolicySource {
        name: "own.cedar".into(),
        text: r#"@id("own.limit") forbid (principal, action == Action::"release", resource)
            when { context.rule == "guard.model-limit" };"#
            .into(),
    };
    let (outcome, seen) = judged(&text, &models, BLOCK_INJECTION, &[own]);
    assert_eq!(
        (outcome, seen.as_str()),
        (BodyOutcome::Blocked, "guard.model-limit block")
    );
}

#[test]
fn the_limit_is_one_for_the_whole_exchange() {
    let (models, stub) = models(3);
    let messages: Vec<_> = (0..10)
        .map(|number| serde_json::json!({"role": "user", "content": format!("{number}: {CALM}")}))
        .collect();
    let text = serde_json::json!({"model": "m", "messages": messages}).to_string();
    let (_, seen) = judged(&text, &models, BLOCK_INJECTION, &[]);
    assert_eq!(stub.windows(), 3);
    assert_eq!(seen.matches("guard.model-limit observe").count(), 7, "{seen}");
}

fn scanned(models: &Models, text: &str) -> Arc<testudo_gateway::guard::model::ModelScan> {
    let tool = Origin::ToolResult { tool: None };
    let given = (&mut models.work(), &mut Budget::new(256 << 20));
    models.scan(text, None, &tool, given, |_| false)
}

/// Orders that each have a window of their own.
fn several() -> String {
    (0..6)
        .map(|number| format!("Report {number}. {ATTACK}. {} ", long(2)))
        .collect()
}

#[test]
fn what_stops_an_exchange_is_read_until_it_does_and_what_is_only_noted_is_read_whole() {
    let read = |actions: Actions<'_>, policies: &[PolicySource]| {
        let (models, stub) = models(10_000);
        let (outcome, seen) = judged(&body("tool", &several()), &models, actions, policies);
        (outcome == BodyOutcome::Blocked, stub.windows(), seen)
    };
    let (_, whole, seen) = read(&[(ThreatKind::Injection, Action::Observe)], &[]);
    assert!(whole > 20, "{whole} {seen}");
    for action in [Action::Block, Action::Hold] {
        let (blocked, windows, seen) = read(&[(ThreatKind::Injection, action)], &[]);
        assert!(blocked && windows < whole / 2, "{windows} of {whole} {seen}");
    }
    // Masking needs every place, and so does a policy that lets such a finding pass.
    let (_, windows, _) = read(&[(ThreatKind::Injection, Action::Mask)], &[]);
    assert_eq!(windows, whole);
    let own = PolicySource {
        name: "own.cedar".into(),
        text: r#"@id("own.stop") forbid (principal, action == Action::"release", resource)
            when { context.rule == "injection.model" && context.score >= 90 };"#
            .into(),
    };
    let (blocked, windows, _) = read(&[(ThreatKind::Injection, Action::Observe)], &[own]);
    assert!(blocked && windows < whole / 2, "{windows} of {whole}");
}

#[test]
fn a_verdict_that_was_cut_short_is_not_remembered_for_who_needs_all_of_it() {
    let (models, stub) = models(10_000);
    let text = several();
    let tool = Origin::ToolResult { tool: None };
    let scan = |enough: bool| {
        let given = (&mut models.work(), &mut Budget::new(256 << 20));
        let scan = models.scan(&text, None, &tool, given, |_| enough);
        (scan, stub.windows())
    };
    let (cut, few) = scan(true);
    assert!(cut.cut_short && cut.score >= 85, "{cut:?}");
    assert_eq!(scan(true).1, few);
    let (whole, all) = scan(false);
    assert!(!whole.cut_short && all > few && whole.hits.len() >= cut.hits.len());
    // Who needs less is told no less.
    let (again, windows) = scan(true);
    assert_eq!((&again, windows), (&whole, all));
}

#[test]
fn hits_stand_where_the_attack_stands() {
    let (models, _) = models(10_000);
    let text = format!("{}{ATTACK}. {}", long(40), long(40));
    let scan = scanned(&models, &text);
    let at = text.find("swap").unwrap();
    assert_eq!(scan.hits.len(), 1, "{scan:?}");
    assert!(scan.hits[0].start < at && at < scan.hits[0].end && scan.hits[0].end - scan.hits[0].start < 1200);
    assert_eq!(scan.hits[0].rule, RuleIndex::INJECTION_MODEL);
    assert!(!scan.explanation.is_empty() && !scan.explanation.contains('\n'));
}

#[test]
fn what_is_said_in_disguise_is_read_and_found_where_it_stands() {
    // As `ATTACK`, in base64.
    let encoded = "dGhlIGJsdWUgdG9ydG9pc2UgbXVzdCBzd2FwIGl0cyBzaGVsbCBmb3IgYSBncmVlbiBvbmUgYnkgbm9vbg==";
    let tags: String = ATTACK
        .chars()
        .map(|c| char::from_u32(0xE_0000 + u32::from(c)).unwrap())
        .collect();
    let (models, _) = models(10_000);
    for disguised in [encoded, &tags] {
        let text = format!("The report of Monday. {disguised} The report of Tuesday.");
        let scan = scanned(&models, &text);
        let at = text.find(disguised).unwrap();
        // The window of the view in which it stands in the clear, as bytes of the original.
        let found = scan
            .hits
            .iter()
            .any(|hit| hit.start < at + disguised.len() && at < hit.end && text.get(hit.start..hit.end).is_some());
        assert!(found, "{:?} in {}..{}", scan.hits, at, at + disguised.len());
    }
}

#[test]
fn what_has_no_letters_of_its_own_is_read() {
    let spelled = |first: u32| -> String {
        let letter = |c: char| char::from_u32(first + u32::from(c) - u32::from('a')).unwrap();
        let sign = |c: char| if c.is_ascii_lowercase() { letter(c) } else { c };
        ATTACK.chars().map(sign).collect()
    };
    let tags: String = ATTACK
        .chars()
        .map(|c| char::from_u32(0xE_0000 + u32::from(c)).unwrap())
        .collect();
    let selectors: String = ATTACK
        .bytes()
        .map(|byte| char::from_u32(0xE_0100 + u32::from(byte) - 16).unwrap())
        .collect();
    let codes: Vec<String> = ATTACK.bytes().map(|byte| byte.to_string()).collect();
    let (models, _) = models(10_000);
    for text in [
        format!("\u{1F600}{tags}"),
        format!("\u{1F600}{selectors}"),
        spelled(0x1_F1E6),
        codes.join(" "),
    ] {
        assert!(!scanned(&models, &text).hits.is_empty(), "{text:?}");
    }
    // Numbers that spell nothing, and signs for their own sake.
    let (models, stub) = self::models(10_000);
    for text in [
        "17 29 33 41 52 68 70 81 94 99",
        "\u{1F600}\u{1F1EB}\u{1F1F7}\u{1F600}",
        "-.-.- .....",
    ] {
        assert!(scanned(&models, text).hits.is_empty(), "{text:?}");
    }
    assert_eq!(stub.calls(), 0);
}

#[test]
fn hostile_texts_cost_a_bounded_amount() {
    let (models, stub) = models(32);
    let line = "a".repeat(10 << 20);
    let binary: String = (0..2_u32 << 20)
        .map(|n| char::from(u8::try_from(n % 251).unwrap()))
        .collect();
    let blanks = " \u{200b}\n".repeat(1 << 19);
    for text in [&line, &binary, &blanks] {
        let before = stub.windows();
        let scan = scanned(&models, text);
        assert!(scan.limited || scan.hits.is_empty());
        assert!(stub.windows() - before <= 32);
        assert!(scan.hits.iter().all(|hit| text.get(hit.start..hit.end).is_some()));
    }
    let tool = Origin::ToolResult { tool: None };
    let given = (&mut models.work(), &mut Budget::new(2000));
    let short_of_work = models.scan(&long(500), None, &tool, given, |_| false);
    assert!(short_of_work.exhausted);
}

#[test]
fn short_texts_are_left_to_the_rules() {
    let (models, stub) = models(8);
    for text in ["", "ok", "tool_call", "5"] {
        assert_eq!(
            *scanned(&models, text),
            testudo_gateway::guard::model::ModelScan::default()
        );
    }
    assert_eq!(stub.calls(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_remembered_changes_no_result(
        texts in prop::collection::vec(("[a-z .]{0,400}", any::<bool>(), "[a-z .\\n]{0,400}"), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
    ) {
        let texts: Vec<String> = texts
            .iter()
            .map(|(before, attack, after)| [before.as_str(), if *attack { ATTACK } else { CALM }, after.as_str()].concat())
            .collect();
        let (warm, _) = models(10_000);
        for index in order {
            let text: &String = index.get(&texts);
            let (cold, _) = models(10_000);
            prop_assert_eq!(scanned(&warm, text), scanned(&cold, text));
        }
    }
}

#[tokio::test]
async fn an_exchange_is_stopped_and_counted_and_its_history_is_read_once() {
    let (models, stub) = models(8);
    let plan = Plan {
        models: Some(models),
        ..Plan::with(BLOCK_INJECTION)
    };
    // Nothing looks for injections in answers, and a guard that can never act is refused.
    let plan = Plan {
        response: &[(ThreatKind::Unscannable, Action::Block)],
        ..plan
    };
    let rig = Rig::start(&plan).await;
    let calm = rig.post("/v1/chat/completions", body("tool", CALM)).await;
    assert_eq!(calm.status, 200, "{}", calm.text());
    let calls = stub.calls();
    assert_eq!(rig.post("/v1/chat/completions", body("tool", CALM)).await.status, 200);
    assert_eq!(stub.calls(), calls);
    let stopped = rig.post("/v1/chat/completions", body("tool", ATTACK)).await;
    assert!(
        stopped.status >= 400 && stopped.text().contains("injected instructions"),
        "{}",
        stopped.text()
    );
    assert!(!stopped.text().contains("shell"), "{}", stopped.text());
    rig.until_counted(&["testudo_model_windows_total", "tier=\"encoder\"", "from=\"scored\""])
        .await;
    rig.until_counted(&["testudo_model_texts_total", "from=\"remembered\"", " 1"])
        .await;
    rig.until_counted(&["testudo_findings_total", "kind=\"injection\"", "action=\"block\""])
        .await;
}

#[test]
fn the_digest_says_which_rules_and_weights_judge() {
    let digest = |models: Option<Arc<Models>>, packs: &[RuleSource]| {
        let settings = Plan::with(&[(ThreatKind::Secret, Action::Block)]).settings(([127, 0, 0, 1], 9).into());
        let detector = Arc::new(Detector::new(packs).unwrap());
        Runtime::build(settings, &detector, Ok(models)).unwrap().digest()
    };
    let packs = testudo_detect::builtin_packs();
    let mut others = packs.clone();
    others[0].text.to_mut().push_str("\n# another pack\n");
    let all = [
        digest(None, &packs),
        digest(Some(weighing([1; 32], 8).0), &packs),
        digest(Some(weighing([2; 32], 8).0), &packs),
        digest(Some(weighing([2; 32], 8).0), &others),
    ];
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
    assert_eq!(all[1], digest(Some(weighing([1; 32], 8).0), &packs));
}

#[test]
fn the_digest_says_who_is_believed_and_who_is_given_what() {
    let key = |scalar: u8| {
        let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        (format!("holder-{scalar}"), key.public().clone())
    };
    let keys = BTreeMap::from([key(1), key(2)]);
    let folder = std::path::Path::new("/srv/models");
    let vault = |approvers: Approvers| VaultSettings {
        approvers,
        ..VaultSettings::in_folder(folder).unwrap()
    };
    let rules = |text: &str| MoveRules {
        policies: Arc::new(
            ArtifactPolicies::new(&[PolicySource {
                name: "own.cedar".to_owned(),
                text: text.to_owned(),
            }])
            .unwrap(),
        ),
        groups: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    let sound = || MlflowSettings {
        path: "/mlflow".to_owned(),
        route: RouteName::parse("mlflow").unwrap(),
        vault: vault(Approvers::named(&keys)),
        roles: BTreeSet::new(),
        rules: None,
        url: None,
    };
    let artifact = || VaultName::parse("llama").unwrap();
    let reads = "@id(\"r\") permit(principal, action == Action::\"read\", resource);";
    let (name, gone) = key(3);
    let former = Former {
        name,
        key: gone,
        until: BTreeMap::from([(artifact(), Until { counts: 3, void: 0 })]),
    };
    let one = BTreeSet::from(["holder-1".to_owned()]);
    let with = |change: &dyn Fn(&mut MlflowSettings)| {
        let mut settings = Plan::with(&[]).settings(([127, 0, 0, 1], 9).into());
        let mut mlflow = sound();
        change(&mut mlflow);
        settings.mlflow = Some(Arc::new(mlflow));
        digest_of(settings)
    };
    let mut follows = Plan::with(&[]).settings(([127, 0, 0, 1], 9).into());
    follows.follow = Some(FollowSettings {
        vault: vault(Approvers::named(&keys)),
        moves: None,
        statements_every_ms: 1,
        upstreams_every_ms: 1,
    });
    let all = [
        digest_of(Plan::with(&[]).settings(([127, 0, 0, 1], 9).into())),
        digest_of(follows),
        with(&|_| {}),
        with(&|it| it.path = "/other".to_owned()),
        with(&|it| it.roles = BTreeSet::from(["serving".to_owned()])),
        with(&|it| it.url = Some("https://testudo.example".parse().unwrap())),
        with(&|it| it.rules = Some(rules(reads))),
        with(&|it| it.rules = Some(rules(&reads.replace("read", "push")))),
        with(&|it| it.vault = vault(Approvers::default())),
        with(&|it| it.vault = vault(Approvers::named(&keys).only(artifact(), one.clone()))),
        with(&|it| it.vault = vault(Approvers::named(&keys).after(former.clone()))),
        with(&|it| it.vault = vault(Approvers::named(&keys).agreeing_on([artifact()].into()))),
    ];
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
    assert_eq!(all[2], with(&|_| {}));
}

fn digest_of(settings: Settings) -> [u8; 32] {
    let detector = Arc::new(Detector::new(&testudo_detect::builtin_packs()).unwrap());
    Runtime::build(settings, &detector, Ok(None)).unwrap().digest()
}

#[test]
fn each_choice_of_shipped_models_has_weights_of_its_own() {
    let load = |injection| {
        let settings = ModelSettings {
            injection,
            ..ModelSettings::DEFAULT
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let models = Models::load(settings, &clock).unwrap();
        models.map(|models| *models.weights())
    };
    assert_eq!(load(InjectionModels::Off), None);
    let ngram = load(InjectionModels::Ngram).unwrap();
    assert_ne!(ngram, [0; 32]);
    if ModelSettings::DEFAULT.injection == InjectionModels::Both {
        assert_ne!(load(InjectionModels::Both).unwrap(), ngram);
    }
}

#[test]
fn an_account_begins_empty() {
    let (models, _) = models(3);
    let work = models.work();
    assert_eq!(
        (work.texts, work.ngram_windows, work.encoder_windows, work.encoder_ms),
        (0, 0, 0, 0)
    );
    assert_ne!(work, ModelWork::default());
}
