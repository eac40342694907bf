//! What must never be written: secrets, personal data and texts, in logs, metrics and error bodies.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use testudo_testkit::mock::{Fault, MockSettings, Reply};
use testudo_testkit::recorded::{Script, chat_body, chat_stream};
use tracing_subscriber::fmt::MakeWriter;

use crate::guards::{BLOCK_SECRETS, EMAIL, MASK_ALL, SECRET};
use crate::harness::{Plan, Rig, UPSTREAM_SECRET, chat};

/// Everything that is logged, as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

const WORD: &str = "xylophone-quarterly-memo";

#[tokio::test]
async fn r15_secrets_never_printed() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    // One thread runs everything here, so the default of this thread sees all of it.
    let guard = tracing::subscriber::set_default(subscriber);
    let mut bodies = String::new();
    for actions in [MASK_ALL, BLOCK_SECRETS] {
        let mut plan = Plan::with(actions);
        plan.timeouts.first_byte_ms = 100;
        let rig = Rig::start(&plan).await;
        let script = Script::of(&[&[WORD, " ", SECRET]]);
        rig.mock.reply_next(Reply::json(chat_body(&script)));
        rig.mock
            .reply_next(Reply::stream(vec![chat_stream(&script).bytes().into()]));
        for stream in [false, true] {
            rig.post("/v1/chat/completions", chat(&format!("{WORD} {EMAIL}"), stream))
                .await;
        }
        let refused = rig
            .post("/v1/chat/completions", chat(&format!("{WORD} {SECRET}"), false))
            .await;
        bodies.push_str(&refused.text());
        for fault in [
            Fault::HangBeforeHead,
            Fault::CloseOnAccept,
            Fault::Redirect,
            Fault::MalformedJson,
        ] {
            rig.mock.set(MockSettings {
                fault: Some(fault),
                ..MockSettings::default()
            });
            bodies.push_str(&rig.post("/v1/chat/completions", chat(WORD, false)).await.text());
        }
        let wrong = [
            ("authorization", "Bearer tsk_wrong-canary-key"),
            ("x-api-key", "other-canary"),
        ];
        let wrong = rig
            .send(http::Method::POST, "/v1/chat/completions", &wrong, chat(WORD, false))
            .await;
        bodies.push_str(&wrong.text());
        bodies.push_str(&rig.admin("/metrics").await.text());
        let key_secret = rig.key.rsplit('_').next().unwrap().to_owned();
        let written = format!("{}\n{bodies}", lines.text());
        let quiet = [
            SECRET,
            EMAIL,
            UPSTREAM_SECRET,
            WORD,
            "wrong-canary-key",
            "other-canary",
            &key_secret,
        ];
        for forbidden in quiet {
            assert!(!written.contains(forbidden), "`{forbidden}` was written:\n{written}");
        }
        assert!(
            written.contains("outcome=\"blocked\"") || written.contains("outcome=\"masked\""),
            "{written}"
        );
        let data = rig.data;
        assert_eq!(rig.running.stop().await.panicked, 0);
        nothing_of_it_in_files(data.path(), &quiet);
    }
    drop(guard);
}

/// Entries are plain, the content beside them is sealed, and neither they nor any key file hold the text.
fn nothing_of_it_in_files(folder: &Path, quiet: &[&str]) {
    let files = files_under(folder);
    assert!(
        files.iter().any(|path| path.ends_with("ledger/checkpoint")),
        "{files:?}"
    );
    assert!(
        files.iter().any(|path| path.to_string_lossy().contains("/payload/")),
        "{files:?}"
    );
    for path in files {
        // The key store removes its own log when its last connection has gone.
        let Ok(bytes) = testudo_bounded::read_file(&path, 64 << 20) else {
            continue;
        };
        for forbidden in quiet {
            let found = bytes
                .windows(forbidden.len())
                .any(|window| window == forbidden.as_bytes());
            assert!(!found, "`{forbidden}` stands in {}", path.display());
        }
    }
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn r23_no_hash_of_found_text_in_logs() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let rig = Rig::start(&Plan::with(MASK_ALL)).await;
    let strip = |text: &str| -> Vec<String> {
        // All that may differ between two exchanges with different secrets of one kind.
        text.lines()
            .filter(|line| line.contains("testudo::exchange"))
            .map(|line| {
                let fields = line.split(' ').filter(|field| {
                    !["id=", "duration_ms=", "first_byte_ms=", "20"]
                        .iter()
                        .any(|skip| field.starts_with(skip))
                });
                fields.collect::<Vec<_>>().join(" ")
            })
            .collect()
    };
    for address in ["ann.smith@engine.example", "bob.jones@engine.example"] {
        rig.post("/v1/chat/completions", chat(&format!("to {address}"), false))
            .await;
    }
    let found = strip(&lines.text());
    assert_eq!(found.len(), 2, "{}", lines.text());
    assert_eq!(found[0], found[1], "a line depends on the text that was found");
    drop(guard);
}

#[test]
fn r06_no_command_execution() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    for room in ["bounded", "cli", "detect", "dialects", "gateway", "policy", "types"] {
        collect(&crates.join(format!("testudo-{room}")).join("src"), &mut sources);
    }
    assert!(sources.len() > 80, "the sources were not found");
    // Who may start a program, and where its name comes from: settings of MCP servers that are programs; the command
    // that an operator typed behind `--` of `model open` and `model attest`; git, for the revision of `--code`.
    let typed = "Some((program, rest)) = arguments.command.split_first()";
    let starters = [
        (
            "testudo-gateway/src/mcp/link/stdio.rs",
            1,
            ["Command::new(&settings.command)", ".args(&settings.args)"],
        ),
        (
            "testudo-cli/src/model/vault/holding.rs",
            1,
            [typed, "Command::new(program)"],
        ),
        (
            "testudo-cli/src/model/attest.rs",
            2,
            [typed, "Command::new(program).args(rest)"],
        ),
    ];
    for (file, count, starts) in starters {
        let text = testudo_bounded::read_text(crates.join(file), 1 << 20).unwrap();
        assert_eq!(text.matches("Command::new(").count(), count, "{file}");
        assert!(starts.iter().all(|start| text.contains(start)), "{file}");
    }
    let git = testudo_bounded::read_text(crates.join("testudo-cli/src/model/attest.rs"), 1 << 20).unwrap();
    assert!(git.contains("Command::new(\"git\")"));
    let elsewhere = |source: &&PathBuf| !starters.iter().any(|(file, ..)| source.ends_with(file));
    for source in sources.iter().filter(elsewhere) {
        let text = testudo_bounded::read_text(source, 1 << 20).unwrap();
        for call in ["process::Command", "Command::new", "libc::exec", "process::{Command"] {
            assert!(!text.contains(call), "{} starts processes", source.display());
        }
    }
}

#[test]
fn every_test_that_the_incident_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .parent()
        .unwrap();
    let table = testudo_bounded::read_text(root.join("docs/incidents.md"), 1 << 20).unwrap();
    let mut sources = Vec::new();
    collect(&root.join("crates"), &mut sources);
    let code: String = sources
        .iter()
        .map(|source| testudo_bounded::read_text(source, 1 << 20).unwrap())
        .collect();
    let mut named = 0;
    for name in table.split('`').skip(1).step_by(2).filter(|name| is_rule(name)) {
        named += 1;
        assert!(code.contains(&format!("fn {name}(")), "there is no test `{name}`");
    }
    assert!(named >= 18, "only {named} tests are named");
}

/// `r` and two digits, then words.
fn is_rule(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next() == Some(b'r') && bytes.by_ref().take(2).all(|b| b.is_ascii_digit()) && bytes.next() == Some(b'_')
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push(path);
        }
    }
}
