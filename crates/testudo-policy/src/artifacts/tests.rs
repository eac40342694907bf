//! Policies about artifacts: what is permitted, what is not, and what does not load.

use super::*;

const SEPARATED: &str = r#"
@id("trainers.push")
permit(principal in Group::"training", action in [Action::"push", Action::"read"], resource in Label::"training");

@id("release.moves")
permit(principal in Group::"release", action, resource) when { context.proof == Proof::"key" };

@id("training.not-prod")
@reason("training does not read what is in production")
forbid(principal in Group::"training", action == Action::"read", resource) when { context.stages.contains("prod") };

@id("prod.by-release-only")
forbid(principal, action in [Action::"promote", Action::"rollback", Action::"approve"], resource)
when { context.stage == "prod" } unless { principal in Group::"release" };
"#;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn source(text: &str) -> [PolicySource; 1] {
    [PolicySource {
        name: "own.cedar".to_owned(),
        text: text.to_owned(),
    }]
}

fn decide(act: ArtifactAct, group: &str, proof: Proof, label: &str, stages: &[&str]) -> ArtifactDecision {
    let policies = ArtifactPolicies::new(&source(SEPARATED)).unwrap();
    policies.decide(&ArtifactFacts {
        act,
        operator: "somebody",
        groups: &set(&[group]),
        proof,
        artifact: "llama",
        labels: &set(&[label]),
        stages: &set(stages),
    })
}

#[test]
fn training_is_separated_from_production() {
    use ArtifactAct::{Approve, Delete, Promote, Push, Read};
    for (act, group, proof, label, stages) in [
        (Push, "training", Proof::User, "training", &[][..]),
        (Read, "training", Proof::User, "training", &["canary"][..]),
        (Promote, "release", Proof::Key, "training", &["prod"][..]),
        (Read, "release", Proof::Key, "other", &["prod"][..]),
        (Approve, "release", Proof::Key, "other", &["prod"][..]),
    ] {
        let decision = decide(act, group, proof, label, stages);
        assert!(decision.permitted, "{act:?} {group} {stages:?}: {decision:?}");
    }
    for (act, group, proof, label, stages) in [
        (Push, "training", Proof::User, "other", &[][..]),
        (Read, "training", Proof::User, "training", &["canary", "prod"][..]),
        (Promote, "training", Proof::Key, "training", &["prod"][..]),
        (Promote, "release", Proof::Said, "training", &["prod"][..]),
        (Delete, "training", Proof::Key, "training", &[][..]),
        (Read, "strangers", Proof::Key, "training", &[][..]),
    ] {
        let decision = decide(act, group, proof, label, stages);
        assert!(!decision.permitted, "{act:?} {group} {stages:?}: {decision:?}");
        assert!(!decision.policies.is_empty() || !decision.reasons.is_empty());
    }
    let decision = decide(Read, "training", Proof::User, "training", &["prod"]);
    assert_eq!(decision.policies, ["training.not-prod"]);
    assert_eq!(decision.reasons, ["training does not read what is in production"]);
}

#[test]
fn what_is_no_sound_policy_does_not_load() {
    for (text, says) in [
        ("permit(principal, action, resource);", "no `@id`"),
        (
            "@id(\"a\") permit(principal, action, resource); @id(\"a\") permit(principal, action, resource);",
            "already used",
        ),
        (
            "@id(\"a\") @hold(\"x\") permit(principal, action, resource);",
            "unknown annotation `@hold`",
        ),
        (
            "@id(\"a\") permit(principal, action == Action::\"use\", resource);",
            "use",
        ),
        (
            "@id(\"a\") permit(principal, action == Action::\"read\", resource) when { context.stage == \"x\" };",
            "stage",
        ),
        (
            "@id(\"a\") permit(principal, action, resource) when { context.proof == Proof::\"sworn\" };",
            "sworn",
        ),
        (
            "@id(\"a\") permit(principal == ?principal, action, resource);",
            "templates",
        ),
        (
            "@id(\"a\") @reason(\"\") permit(principal, action, resource);",
            "`@reason`",
        ),
        ("@id(\"a\") permit(principal, action", ""),
    ] {
        let problems = ArtifactPolicies::new(&source(text)).unwrap_err();
        assert!(
            problems.iter().any(|it| it.to_string().contains(says)),
            "{text}: {problems:?}"
        );
    }
}

#[test]
fn without_a_policy_that_permits_nothing_is() {
    let policies = ArtifactPolicies::new(&[]).unwrap();
    let nobody = BTreeSet::new();
    let decision = policies.decide(&ArtifactFacts {
        act: ArtifactAct::Read,
        operator: "o",
        groups: &nobody,
        proof: Proof::Key,
        artifact: "a",
        labels: &nobody,
        stages: &nobody,
    });
    assert_eq!(
        (decision.permitted, decision.reasons),
        (false, vec!["no policy permits this".to_owned()])
    );
}
