//! `cargo xtask ledger-peers`: the ledger's formats against a second implementation, both ways.
//!
//! Each side writes facts with its verdicts and judges the other's: `crates/testudo-ledger/examples/peers` for us,
//! `tests/ledger/peers.go` for golang.org/x/mod/sumdb/{note,tlog}, both from Debian.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::{output, shell};

/// Debian puts the sources of Go packages here.
const GOPATH: &str = "/usr/share/gocode";
const NOTE: &str = "/usr/share/gocode/src/golang.org/x/mod/sumdb/note/note.go";

/// `ledger-peers [FOLDER]`: every check, or one log's folder by the second implementation alone.
pub(crate) fn ledger_peers(arguments: &[String]) -> anyhow::Result<()> {
    install_go()?;
    let folder = shell::target().join("ledger-peers");
    fs::create_dir_all(&folder)?;
    let go = build_go(&folder)?;
    match arguments {
        [] => {}
        [log] => return shell::run(Command::new(go).arg("log").arg(log)),
        _ => bail!("`ledger-peers` takes nothing or a log's folder"),
    }
    output::step("building our side");
    let package = ["--package", "testudo-ledger", "--example", "peers"];
    shell::run(shell::cargo().args(["build", "--quiet", "--locked"]).args(package))?;
    let rust = shell::target().join("debug/examples/peers");
    output::step("ours, judged by Go");
    let ours = exchange(&rust, &go, &folder.join("ours.txt"))?;
    output::step("Go's, judged by us");
    let theirs = exchange(&go, &rust, &folder.join("theirs.txt"))?;
    output::step("a log's folder, verified by Go");
    let log = folder.join("log");
    shell::run(Command::new(&rust).arg("log").arg(&log))?;
    let entries = counts(&shell::read(Command::new(&go).arg("log").arg(&log))?)?;
    table(&ours, &theirs, entries.get("log").map_or(0, |it| it.seen));
    Ok(())
}

/// How many facts of a kind there were, and how many we refuse although the other side takes them: second ways to
/// write the same bytes.
#[derive(Default)]
struct Count {
    seen: u64,
    stricter: u64,
}

/// One side's facts, judged by the other; fails when one is judged differently.
fn exchange(maker: &Path, judge: &Path, facts: &Path) -> anyhow::Result<BTreeMap<String, Count>> {
    shell::run(Command::new(maker).arg("make").stdout(File::create(facts)?))?;
    let judged = shell::read(Command::new(judge).arg("check").stdin(File::open(facts)?));
    counts(&judged.with_context(|| format!("the facts are in {}", facts.display()))?)
}

fn counts(text: &str) -> anyhow::Result<BTreeMap<String, Count>> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, seen, stricter] = fields.as_slice() else {
            bail!("`{line}` is not a kind and two numbers");
        };
        let count = Count {
            seen: seen.parse()?,
            stricter: stricter.parse()?,
        };
        counts.insert((*kind).to_owned(), count);
    }
    Ok(counts)
}

fn table(ours: &BTreeMap<String, Count>, theirs: &BTreeMap<String, Count>, entries: u64) {
    output::line("check          ours, by Go   Go's, by us   of these we are stricter");
    let none = Count::default();
    let mut all = entries;
    for (kind, mine) in ours {
        let other = theirs.get(kind).unwrap_or(&none);
        let stricter = mine.stricter.saturating_add(other.stricter);
        output::line(&format!(
            "{kind:<12} {:>13} {:>13} {stricter:>13}",
            mine.seen, other.seen
        ));
        all = all.saturating_add(mine.seen).saturating_add(other.seen);
    }
    output::line(&format!("{:<12} {entries:>13} {:>13} {:>13}", "log entries", "-", 0));
    output::line(&format!("{all} checks, no difference"));
}

fn install_go() -> anyhow::Result<()> {
    if Path::new(NOTE).exists() && Command::new("go").arg("version").stdout(Stdio::null()).status().is_ok() {
        return Ok(());
    }
    output::step("installing Go and its sumdb packages from Debian");
    let packages = [
        "install",
        "--yes",
        "--no-install-recommends",
        "golang-go",
        "golang-golang-x-mod-dev",
    ];
    shell::run(Command::new("apt-get").args(packages).stdout(Stdio::null()))
        .context("`ledger-peers` needs Debian's golang-go and golang-golang-x-mod-dev")
}

fn build_go(folder: &Path) -> anyhow::Result<PathBuf> {
    output::step("building the second implementation");
    let program = folder.join("peers-go");
    let build = ["build", "-o"];
    shell::run(
        Command::new("go")
            .args(build)
            .arg(&program)
            .arg(shell::workspace().join("tests/ledger/peers.go"))
            // Packages are where Debian has put them; nothing is fetched.
            .env("GO111MODULE", "off")
            .env("GOPATH", GOPATH)
            .env("GOCACHE", folder.join("cache")),
    )?;
    Ok(program)
}
