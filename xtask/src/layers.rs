//! The dependency rule of the workspace, as a test; runs with the other tests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate with the workspace crates it may use. A new edge is a reviewed line here.
const ALLOWED: &[(&str, &[&str])] = &[
    // Layer 0: vocabulary. std and leaf derives only.
    ("testudo-types", &[]),
    ("testudo-bounded", &[]),
    // Layer 1: pure engines. Values in, values out: no clock, no randomness, no async, no sockets.
    ("testudo-detect", &["testudo-types"]),
    ("testudo-policy", &["testudo-types"]),
    ("testudo-encoder", &["testudo-detect"]),
    ("testudo-dialects", &["testudo-types", "testudo-bounded"]),
    ("testudo-ledger", &["testudo-types"]),
    ("testudo-formats", &["testudo-bounded"]),
    // Layer 2: services. What is kept, and how it is written.
    (
        "testudo-recorder",
        &["testudo-types", "testudo-bounded", "testudo-ledger"],
    ),
    (
        "testudo-vault",
        &["testudo-types", "testudo-bounded", "testudo-ledger", "testudo-recorder"],
    ),
    // Layer 3: edges. HTTP, TLS, files of configuration, processes.
    (
        "testudo-gateway",
        &[
            "testudo-types",
            "testudo-bounded",
            "testudo-detect",
            "testudo-encoder",
            "testudo-policy",
            "testudo-dialects",
            "testudo-ledger",
            "testudo-recorder",
            "testudo-vault",
        ],
    ),
    (
        "testudo-cli",
        &[
            "testudo-types",
            "testudo-bounded",
            "testudo-detect",
            "testudo-policy",
            "testudo-dialects",
            "testudo-ledger",
            "testudo-recorder",
            "testudo-vault",
            "testudo-formats",
            "testudo-gateway",
        ],
    ),
    // Tools.
    ("testudo-testkit", &["testudo-types"]),
    (
        "testudo-train",
        &["testudo-types", "testudo-bounded", "testudo-detect", "testudo-encoder"],
    ),
    (
        "xtask",
        &[
            "testudo-types",
            "testudo-detect",
            "testudo-ledger",
            "testudo-recorder",
            "testudo-testkit",
        ],
    ),
];

/// Crates whose whole dependency tree must stay free of an async runtime and of sockets.
const PURE: &[&str] = &[
    "testudo-types",
    "testudo-bounded",
    "testudo-detect",
    "testudo-encoder",
    "testudo-policy",
    "testudo-dialects",
    "testudo-ledger",
    "testudo-formats",
];
const IMPURE: &[&str] = &["tokio", "mio", "hyper", "reqwest", "rusqlite", "sqlx"];

#[test]
fn workspace_edges_match_the_table() {
    let metadata = metadata();
    let members = member_names(&metadata);
    let table: BTreeMap<&str, BTreeSet<&str>> = ALLOWED
        .iter()
        .map(|(name, deps)| (*name, deps.iter().copied().collect()))
        .collect();

    let listed: BTreeSet<&str> = table.keys().copied().collect();
    assert_eq!(members, listed, "every workspace crate has one row in ALLOWED");

    for package in packages(&metadata) {
        let name = text(package, "name");
        let used: BTreeSet<&str> = array(package, "dependencies")
            .iter()
            .filter(|dep| dep["kind"].as_str() != Some("dev"))
            .map(|dep| text(dep, "name"))
            .filter(|dep| members.contains(dep))
            .collect();
        assert_eq!(
            used, table[name],
            "{name}: edges in Cargo.toml (left) and in ALLOWED (right)"
        );
    }
}

#[test]
fn pure_crates_reach_no_runtime() {
    let metadata = metadata();
    let members = member_names(&metadata);
    for name in PURE {
        // A misspelt name would make the check below pass without looking.
        assert!(members.contains(name), "PURE names an unknown crate: {name}");
        let tree = run(&[
            "tree",
            "-p",
            name,
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]);
        let reached: Vec<&str> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|it| IMPURE.contains(it))
            .collect();
        assert!(reached.is_empty(), "{name} reaches {reached:?}");
    }
}

fn metadata() -> serde_json::Value {
    serde_json::from_str(&run(&["metadata", "--format-version", "1", "--no-deps"])).unwrap()
}

fn packages(metadata: &serde_json::Value) -> &[serde_json::Value] {
    array(metadata, "packages")
}

fn member_names(metadata: &serde_json::Value) -> BTreeSet<&str> {
    packages(metadata).iter().map(|it| text(it, "name")).collect()
}

fn array<'a>(value: &'a serde_json::Value, key: &str) -> &'a [serde_json::Value] {
    value[key].as_array().unwrap()
}

fn text<'a>(value: &'a serde_json::Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn run(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
