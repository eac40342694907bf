//! House rules that a machine can check, as tests over the files of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// Longer source files must become several (tests aside).
const FILE_LINES_MAX: usize = 600;
const FORBIDDEN_NAMES: [&str; 9] = [
    "mod", "core", "common", "util", "utils", "helper", "helpers", "misc", "manager",
];

#[test]
fn rust_files_say_what_they_are_for() {
    complain(
        sources("rs")
            .filter(|(_, text)| !text.starts_with("//! "))
            .map(|(path, _)| {
                format!(
                    "{}: begins with one `//!` sentence that says what the file is for",
                    path.display()
                )
            }),
    );
}

#[test]
fn manifests_inherit_the_lints() {
    let manifests = sources("toml").filter(|(path, _)| path.ends_with("Cargo.toml") && path.starts_with("crates"));
    complain(
        manifests
            .filter(|(_, text)| !text.contains("[lints]\nworkspace = true"))
            .map(|(path, _)| format!("{}: needs `[lints]` with `workspace = true`", path.display())),
    );
}

#[test]
fn no_file_or_crate_has_an_empty_name() {
    complain(
        files()
            .into_iter()
            .filter(|path| {
                let stem = path.file_stem().and_then(|it| it.to_str()).unwrap_or("");
                let is_source = path.extension().is_some_and(|it| it == "rs");
                let folders = path.parent().into_iter().flat_map(Path::components);
                (is_source && FORBIDDEN_NAMES.contains(&stem))
                    || folders
                        .filter_map(|it| it.as_os_str().to_str())
                        .any(|it| FORBIDDEN_NAMES.contains(&it.trim_start_matches("testudo-")))
            })
            .map(|path| format!("{}: the name says nothing; name the thing", path.display())),
    );
}

#[test]
fn source_files_stay_short() {
    complain(
        sources("rs")
            .filter(|(path, _)| !is_test(path))
            .map(|(path, text)| (path, code_lines(&text)))
            .filter(|(_, lines)| *lines > FILE_LINES_MAX)
            .map(|(path, lines)| {
                format!(
                    "{}: {lines} lines, at most {FILE_LINES_MAX} (tests aside)",
                    path.display()
                )
            }),
    );
}

#[test]
fn no_path_of_one_machine() {
    // In two halves, so that this file does not name them itself.
    let paths = [["/wo", "rk/"], ["/ro", "ot/"], ["/tmp/", "brief"]].map(|it| it.concat());
    let named = |text: &str| paths.iter().any(|path| text.contains(path.as_str()));
    // Detector cases quote attacks, and attacks name system folders.
    let quoted = |path: &Path| path.starts_with("crates/testudo-detect");
    let kinds = ["rs", "toml", "md", "mjs", "py", "sh", "run"];
    for kind in kinds {
        complain(
            sources(kind)
                .filter(|(path, text)| !quoted(path) && named(text))
                .map(|(path, text)| {
                    let line = text.lines().position(named).unwrap_or(0);
                    format!(
                        "{}:{}: names a path of one machine",
                        path.display(),
                        line.saturating_add(1)
                    )
                }),
        );
    }
}

#[test]
fn code_lines_stop_at_the_tests() {
    assert_eq!(code_lines("a\nb\n#[cfg(test)]\nmod tests {\nc\n}\n"), 2);
    assert_eq!(code_lines("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
}

/// Every violation at once.
fn complain(violations: impl Iterator<Item = String>) {
    let list: Vec<String> = violations.collect();
    assert!(list.is_empty(), "\n{}", list.join("\n"));
}

/// Lines before an inline test module.
fn code_lines(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    code.lines().count()
}

fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs")
        || path
            .components()
            .any(|it| it.as_os_str() == "tests" || it.as_os_str() == "benches")
}

fn sources(extension: &str) -> impl Iterator<Item = (PathBuf, String)> {
    let root = shell::workspace();
    let wanted = extension.to_owned();
    files()
        .into_iter()
        .filter(move |path| {
            path.extension().is_some_and(|it| it == wanted.as_str()) || path.ends_with(Path::new(".ci").join(&wanted))
        })
        .filter_map(move |path| Some((path.clone(), shell::read_file(&root.join(path)).ok()?)))
}

/// Files in the repository and new ones that are not ignored, relative to its root.
fn files() -> Vec<PathBuf> {
    let listed = shell::read(Command::new("git").current_dir(shell::workspace()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .unwrap();
    let files: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    assert!(files.len() > 10, "git lists too few files to be right");
    files
}
