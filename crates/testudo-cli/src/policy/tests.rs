//! Cases that must be refused, and those of the documentation.

use std::path::{Path, PathBuf};

use super::case::Cases;
use super::{Policy, run};
use crate::arguments::Format;
use crate::arguments::policy::{Deciding, PolicyExplain, PolicyTest};
use crate::environment::Process;
use crate::exit::Exit;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/examples/policy")
        .join(name)
}

fn deciding() -> Deciding {
    Deciding {
        config: None,
        policies: Some(example("policies")),
        specs: None,
    }
}

fn test(files: Vec<PathBuf>, format: Format) -> (Exit, String) {
    let command = Policy::Test(PolicyTest {
        files,
        deciding: deciding(),
        format,
    });
    let mut out = Vec::new();
    let exit = run(&command, &Process, &mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

#[test]
fn the_examples_of_the_documentation_come_out_as_they_say() {
    let (exit, shown) = test(vec![example("cases.toml")], Format::Table);
    assert_eq!(exit, Exit::Done, "{shown}");
    assert!(shown.ends_with(", 0 not as expected\n"), "{shown}");
    let (_, lines) = test(vec![example("cases.toml")], Format::Json);
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["summary"]["wrong"], 0);
    assert!(last["summary"]["cases"].as_u64().unwrap() > 30);
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

#[test]
fn what_does_not_come_out_as_expected_is_said() {
    for (more, said) in [
        ("expect = \"block\"", "expected block"),
        (
            "expect = \"hold\"\npolicies = [\"act.pass\"]",
            "`act.pass` did not decide",
        ),
        (
            "expect = \"hold\"\napprovers = [\"finance\"]",
            "expected approval by finance",
        ),
    ] {
        let conversation = "conversation = [{ user = \"hello\" }, { call = \"look\", result = \"x\" }]";
        let (_folder, file) = written(&format!(
            "[[case]]\nname = \"a\"\ntool = \"unknown\"\n{conversation}\n{more}\n"
        ));
        let (exit, shown) = test(vec![file], Format::Table);
        assert_eq!(exit, Exit::Found, "{shown}");
        assert!(shown.contains(said), "{shown}");
    }
}

#[test]
fn cases_with_mistakes_are_refused() {
    for text in [
        "",
        "x",
        "[[case]]",
        "[[case]]\nname = \"a\"\ntool = \"t\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"mask\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"held\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nexpected = 1",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nquestion = \"use\"",
        "[[case]]\nname = \"a\"\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nrequest = {}\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\nrequest = { modell = \"m\" }\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\nrequest = {}\nexpect = \"mask\"",
        "[[case]]\nname = \"a\"\nrequest = { key = { models = [\"a*b\"] } }\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\ncall = { server = \"s\" }\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\nfinding = { rule = \"r\", kind = \"secrets\" }\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\nfinding = { rule = \"r\", kind = \"secret\", score = 101 }\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\nfinding = { rule = \"r\", kind = \"secret\", tool = \"t\" }\nexpect = \"pass\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nroute = \"a b\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nsession = { calls = 1 }",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nsession = { sum_1h = true }",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nplan = \"maybe\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nprincipal = { kind = \"robot\" }",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nconversation = [{ user = \"x\", call = \"y\" }]",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nconversation = [{ call = \"y\" }]",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"\nconversation = [{}]",
        "specs = \"absent.toml\"\n[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"hold\"",
        "[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"pass\"\n[[case]]\nname = \"a\"\ntool = \"t\"\nexpect = \"pass\"",
    ] {
        let (_folder, file) = written(text);
        assert!(Cases::load(&[file], None).is_err(), "{text}");
    }
}

#[test]
fn a_case_is_explained_with_its_evidence() {
    for (format, words) in [
        (
            Format::Table,
            ["act.provenance", "the result of `read_mail`", "below_directory"],
        ),
        (
            Format::Json,
            ["act.provenance", "GB29NWBK60161331926819", "\"rank_control\":1"],
        ),
    ] {
        let command = Policy::Explain(PolicyExplain {
            file: example("cases.toml"),
            case: Some("an account that only the mail names".to_owned()),
            data_dir: None,
            by: None,
            reason: None,
            deciding: deciding(),
            format,
        });
        let mut out = Vec::new();
        assert_eq!(run(&command, &Process, &mut out).unwrap(), Exit::Done);
        let shown = String::from_utf8(out).unwrap();
        assert!(words.iter().all(|word| shown.contains(word)), "{shown}");
    }
}
