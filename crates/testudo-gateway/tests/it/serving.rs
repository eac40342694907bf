//! Routes that follow an alias of a real vault: promoted, rolled back, revoked, unreachable, put back, lied to.

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use testudo_gateway::settings::{Afterwards, MoveRules, Serves, VersionBeginning};
use testudo_ledger::entry::{AlarmState, Body};
use testudo_policy::PolicySource;
use testudo_policy::artifacts::ArtifactPolicies;
use testudo_vault::vault::{Act, VersionId};

use self::rig::{CHAT, Scene, Shape, Teller, Vault, stated};
use crate::harness::chat;

#[tokio::test]
async fn a_route_goes_where_the_alias_says_and_back() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    let scene = Box::pin(Scene::start(vault, Shape::plain())).await;
    // The first look is over before the gateway accepts anything.
    assert_eq!(scene.ask().await.status, 200);
    assert_eq!(scene.counts(), (1, 0));
    scene.vault.promote(scene.vault.two).await;
    scene.until_from(true).await;
    scene.vault.roll_back(scene.vault.one).await;
    scene.until_from(false).await;
    let streamed = scene.rig.post(CHAT, chat("hello", true)).await;
    assert_eq!(streamed.status, 200);
    // Each exchange is counted under the upstream that it went to.
    let counts = scene.counts();
    for (upstream, times) in [("openai", counts.0), ("green", counts.1)] {
        let upstream = format!("route=\"openai\",upstream=\"{upstream}\"");
        let value = format!("}} {times}");
        let series = ["testudo_requests_total{", &upstream, "outcome=\"delivered\"", &value];
        scene.rig.until_counted(&series).await;
    }
    assert_eq!(scene.rig.running.stop().await.panicked, 0);
    let version = |id: VersionId| Some(format!("llama@{id}"));
    let exchanges = scene.notebook.exchanges();
    for entry in &exchanges {
        let expected = if entry.upstream == "green" {
            scene.vault.two
        } else {
            scene.vault.one
        };
        assert_eq!(entry.model_version, version(expected), "{entry:?}");
    }
    assert_eq!(exchanges[0].upstream, "openai");
    let moves: Vec<_> = scene
        .notebook
        .drafts()
        .into_iter()
        .filter_map(|draft| match draft.body {
            Body::Artifact(it) => Some((it.action, it.version, it.chain)),
            _ => None,
        })
        .collect();
    // Nothing was wrong at any time, the start included.
    assert_eq!(scene.notebook.alarms(), []);
    // The ledger is told how far the statements had come, whoever forgets it.
    let followed = moves.iter().filter(|(action, ..)| action == "follow");
    let numbers: Vec<_> = followed
        .map(|(_, _, chain)| chain.as_ref().unwrap().statements)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    let moves: Vec<_> = moves
        .into_iter()
        .filter_map(|(action, version, _)| Some((action, version?)))
        .collect();
    let (one, two) = (scene.vault.one.short(), scene.vault.two.short());
    let serve = || "serve:prod".to_owned();
    assert_eq!(moves, [(serve(), one.clone()), (serve(), two), (serve(), one)]);
}

#[tokio::test]
async fn a_move_by_somebody_who_might_not_is_not_followed() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    let mut shape = Shape::plain();
    let own = PolicySource {
        name: "own.cedar".to_owned(),
        text: "@id(\"up\") permit(principal, action == Action::\"promote\", resource);".to_owned(),
    };
    shape.moves = Some(MoveRules {
        policies: Arc::new(ArtifactPolicies::new(&[own]).unwrap()),
        groups: BTreeMap::new(),
        labels: BTreeMap::new(),
    });
    let scene = Box::pin(Scene::start(vault, shape)).await;
    assert_eq!(scene.ask().await.status, 200);
    scene.vault.promote(scene.vault.two).await;
    scene.until_from(true).await;
    // Signed by an approver all the same; what was verified last is used on.
    scene.vault.roll_back(scene.vault.one).await;
    scene.until_alarm("model.statements-refused", "llama", true).await;
    scene.until_from(true).await;
    scene.vault.promote(scene.vault.one).await;
    scene.until_from(false).await;
    scene.until_alarm("model.statements-refused", "llama", false).await;
}

#[tokio::test]
async fn nothing_is_forwarded_while_the_alias_means_nothing_or_something_revoked_or_unserved() {
    let vault = Vault::new().await;
    let mut shape = Shape::plain();
    shape.green = Some(Serves::Stated(VersionBeginning::parse("00000000").unwrap()));
    let scene = Box::pin(Scene::start(vault, shape)).await;
    let refused = scene.ask().await;
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("no version of the model is released"));
    assert_eq!(refused.headers["retry-after"], "5");
    scene.vault.promote(scene.vault.one).await;
    scene.until_from(false).await;
    scene.until_alarm("model.withheld", "openai", false).await;
    scene.vault.promote(scene.vault.two).await;
    scene.until_refused("no upstream serves").await;
    scene.until_alarm("model.withheld", "openai", true).await;
    scene.vault.roll_back(scene.vault.one).await;
    scene.until_from(false).await;
    scene.vault.state(Act::Revoke, scene.vault.one).await;
    let refused = scene.until_refused("was revoked").await;
    // Who asks is told neither versions nor upstreams.
    assert!(!refused.text().contains(&scene.vault.one.short()));
    assert!(!refused.text().contains("green"));
    scene
        .rig
        .until_counted(&["testudo_refusals_total{", "error_type=\"model_revoked\""])
        .await;
    let before = scene.counts();
    assert_eq!(scene.ask().await.status, 503);
    assert_eq!(scene.counts(), before);
    assert_eq!(scene.rig.running.stop().await.panicked, 0);
    let last = scene.notebook.exchanges().pop().unwrap();
    assert_eq!(
        (last.outcome.as_str(), last.detail.as_str(), last.forwarded),
        ("refused", "model_revoked", false)
    );
    assert_eq!((last.upstream.as_str(), last.model_version), ("", None));
}

#[tokio::test]
async fn a_vault_that_is_gone_is_done_without_for_the_stated_time() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    let mut shape = Shape::plain();
    shape.keep_ms = 400;
    let scene = Box::pin(Scene::start(vault, shape)).await;
    assert_eq!(scene.ask().await.status, 200);
    scene.vault.rename("vault", "away");
    scene.until_alarm("model.vault-unreadable", "llama", true).await;
    scene.until_refused("was not verified for too long").await;
    scene.vault.rename("away", "vault");
    scene.until_from(false).await;
    scene.until_alarm("model.vault-unreadable", "llama", false).await;
}

#[tokio::test]
async fn a_route_that_is_to_go_on_without_the_vault_does() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    let mut shape = Shape::plain();
    shape.keep_ms = 1;
    shape.afterwards = Afterwards::Continue;
    let scene = Box::pin(Scene::start(vault, shape)).await;
    scene.vault.rename("vault", "away");
    scene.until_alarm("model.vault-unreadable", "llama", true).await;
    for _ in 0..5 {
        assert_eq!(scene.ask().await.status, 200);
    }
}

#[tokio::test]
async fn yesterdays_statements_put_back_raise_an_alarm_and_move_nothing() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    vault.promote(vault.two).await;
    let scene = Box::pin(Scene::start(vault, Shape::plain())).await;
    scene.until_from(true).await;
    let last = scene.vault.statements().join("0000000002.json");
    let away = scene.vault.folder.path().join("away.json");
    fs::rename(&last, &away).unwrap();
    scene.until_alarm("model.statements-refused", "llama", true).await;
    let before = scene.counts();
    assert_eq!(scene.ask().await.status, 200);
    assert_eq!(scene.counts(), (before.0, before.1 + 1));
    // A reload forgets nothing.
    scene.reload();
    assert_eq!(scene.ask().await.status, 200);
    assert_eq!(scene.counts(), (before.0, before.1 + 2));
    fs::rename(&away, &last).unwrap();
    scene.until_alarm("model.statements-refused", "llama", false).await;
    assert_eq!(scene.rig.running.stop().await.panicked, 0);
    let alarms = scene.notebook.alarms();
    let refused = "model.statements-refused llama";
    assert!(alarms.contains(&(refused.to_owned(), AlarmState::Fire)), "{alarms:?}");
    assert!(
        alarms.contains(&(refused.to_owned(), AlarmState::Resolve)),
        "{alarms:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_starts_on_yesterdays_statements_forwards_nothing() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    vault.promote(vault.two).await;
    let scene = Box::pin(Scene::start(vault, Shape::plain())).await;
    scene.until_from(true).await;
    assert_eq!(scene.rig.running.stop().await.panicked, 0);
    let vault = scene.vault;
    fs::remove_file(vault.statements().join("0000000002.json")).unwrap();
    let scene = Box::pin(Scene::start(vault, Shape::plain())).await;
    assert!(scene.ask().await.text().contains("was not verified yet"));
    scene.until_alarm("model.statements-refused", "llama", true).await;
    assert_eq!(scene.counts(), (0, 0));
}

#[tokio::test]
async fn an_upstream_is_used_for_what_it_says_that_it_serves() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    let teller = Teller::start(&vault.two.to_string()).await;
    let mut shape = Shape::plain();
    shape.blue = Some(Serves::Asked {
        ask: teller.ask(),
        stated: None,
    });
    let scene = Box::pin(Scene::start(vault, shape)).await;
    assert!(scene.ask().await.text().contains("no upstream serves"));
    // It loads the version that the alias means.
    teller.serve(&scene.vault.one.short());
    scene.until_from(false).await;
    teller.serve("something-else");
    scene.until_refused("no upstream serves").await;
    scene.until_alarm("model.upstream-unclear", "openai", true).await;
    teller.say("<html>");
    scene.until_alarm("model.upstream-silent", "openai", true).await;
    scene.until_refused("no upstream serves").await;
}

#[tokio::test]
async fn an_upstream_that_contradicts_the_configuration_is_not_used() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    let teller = Teller::start(&vault.one.to_string()).await;
    let mut shape = Shape::plain();
    let Serves::Stated(version) = stated(vault.one) else {
        return;
    };
    shape.blue = Some(Serves::Asked {
        ask: teller.ask(),
        stated: Some(version),
    });
    let scene = Box::pin(Scene::start(vault, shape)).await;
    assert_eq!(scene.ask().await.status, 200);
    teller.serve(&scene.vault.two.to_string());
    scene.until_alarm("model.upstream-contradicts", "openai", true).await;
    scene.until_refused("no upstream serves").await;
    // Neither is it used for what it says.
    scene.vault.promote(scene.vault.two).await;
    scene.until_from(true).await;
    let before = scene.counts();
    assert_eq!(scene.ask().await.status, 200);
    assert_eq!(scene.counts(), (before.0, before.1 + 1));
}

#[tokio::test]
async fn starting_and_reloading_are_no_reason_for_an_alarm() {
    let vault = Vault::new().await;
    vault.promote(vault.one).await;
    let teller = Teller::start(&vault.one.to_string()).await;
    let mut shape = Shape::plain();
    shape.blue = Some(Serves::Asked {
        ask: teller.ask(),
        stated: None,
    });
    let scene = Box::pin(Scene::start(vault, shape)).await;
    assert_eq!(scene.ask().await.status, 200);
    // What the upstream said still counts while nobody has asked it again.
    scene.reload();
    assert_eq!(scene.ask().await.status, 200);
    assert_eq!(scene.rig.running.stop().await.panicked, 0);
    assert_eq!(scene.notebook.alarms(), []);
}

#[tokio::test]
async fn a_route_that_is_withheld_for_another_reason_still_is() {
    let vault = Vault::new().await;
    let mut shape = Shape::plain();
    shape.green = Some(Serves::Stated(VersionBeginning::parse("00000000").unwrap()));
    let scene = Box::pin(Scene::start(vault, shape)).await;
    scene.until_refused("no version of the model is released").await;
    scene.until_alarm("model.withheld", "openai", true).await;
    scene.vault.promote(scene.vault.two).await;
    scene.until_refused("no upstream serves").await;
    scene.until_alarm("model.withheld", "openai", true).await;
    // A reload in the middle of it ends nothing.
    scene.reload();
    scene.until_alarm("model.withheld", "openai", true).await;
    scene.vault.promote(scene.vault.one).await;
    scene.until_from(false).await;
    scene.until_alarm("model.withheld", "openai", false).await;
    assert_eq!(scene.rig.running.stop().await.panicked, 0);
    let name = || "model.withheld openai".to_owned();
    let expected = [(name(), AlarmState::Fire), (name(), AlarmState::Resolve)];
    assert_eq!(scene.notebook.alarms(), expected);
}
