//! Which program a command runs, and which others that one runs in turn.

use super::scan::Word;

/// What one command runs.
pub(super) enum Running<'a> {
    Nothing,
    Program(String),
    /// A program that runs the commands that follow it.
    Words {
        name: String,
        rest: Vec<&'a [Word]>,
    },
    /// A shell and its script.
    Script {
        name: String,
        text: String,
    },
    /// An interpreter and the file that it reads.
    File {
        name: String,
        file: String,
    },
}

/// Options of a program that runs another: letters and words that take a value, and those that take none.
struct Wrapper {
    name: &'static str,
    with_value: &'static [&'static str],
    without: &'static [&'static str],
    /// Words before the command.
    skip: usize,
}

const fn wrapper(name: &'static str, with_value: &'static [&'static str], without: &'static [&'static str]) -> Wrapper {
    Wrapper {
        name,
        with_value,
        without,
        skip: 0,
    }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper(
        "env",
        &["-u", "-C", "--unset", "--chdir"],
        &["-i", "-0", "-", "--ignore-environment", "--null"],
    ),
    wrapper(
        "sudo",
        &[
            "-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-D", "--user", "--group", "--host", "--chdir",
        ],
        &[
            "-n",
            "-E",
            "-H",
            "-S",
            "-b",
            "-k",
            "-P",
            "--non-interactive",
            "--preserve-env",
            "--set-home",
        ],
    ),
    wrapper("doas", &["-u", "-C"], &["-n"]),
    wrapper("nohup", &[], &[]),
    wrapper("setsid", &[], &["-c", "-f", "-w", "--wait", "--fork"]),
    wrapper("nice", &["-n", "--adjustment"], &[]),
    wrapper("ionice", &["-c", "-n", "--class", "--classdata"], &["-t"]),
    wrapper("stdbuf", &["-i", "-o", "-e", "--input", "--output", "--error"], &[]),
    wrapper("time", &["-f", "-o", "--format", "--output"], &["-p", "-v", "-a"]),
    wrapper("command", &[], &["-p", "-v", "-V"]),
    wrapper("builtin", &[], &[]),
    wrapper("exec", &["-a"], &["-c", "-l"]),
    wrapper("busybox", &[], &[]),
    wrapper("toybox", &[], &[]),
    wrapper("chronic", &[], &[]),
    wrapper(
        "xargs",
        &[
            "-I",
            "-n",
            "-P",
            "-L",
            "-d",
            "-E",
            "-s",
            "-a",
            "--max-args",
            "--max-procs",
            "--replace",
            "--delimiter",
            "--arg-file",
        ],
        &["-0", "-r", "-t", "-x", "--null", "--no-run-if-empty", "--verbose"],
    ),
    Wrapper {
        name: "timeout",
        with_value: &["-k", "-s", "--kill-after", "--signal"],
        without: &["--foreground", "--preserve-status", "-v", "--verbose"],
        skip: 1,
    },
];

/// Programs that run what they are given in ways that are not followed here.
const RUNNERS: &[&str] = &[
    ".",
    "alias",
    "ash.exe",
    "at",
    "batch",
    "bind",
    "chroot",
    "cmd",
    "complete",
    "coproc",
    "crontab",
    "cscript",
    "docker",
    "doskey",
    "ed",
    "emacs",
    "enable",
    "entr",
    "ex",
    "expect",
    "fc",
    "firejail",
    "flock",
    "gdb",
    "hash",
    "kubectl",
    "ltrace",
    "mapfile",
    "mshta",
    "nc",
    "ncat",
    "netcat",
    "nsenter",
    "nvim",
    "osascript",
    "parallel",
    "podman",
    "powershell",
    "pwsh",
    "readarray",
    "regsvr32",
    "rundll32",
    "runuser",
    "screen",
    "script",
    "socat",
    "source",
    "ssh",
    "strace",
    "su",
    "systemd-run",
    "tmux",
    "trap",
    "unshare",
    "vi",
    "view",
    "vim",
    "watch",
    "wmic",
    "wscript",
];

const SHELLS: &[&str] = &["ash", "bash", "dash", "fish", "ksh", "mksh", "rbash", "sh", "zsh"];
const INTERPRETERS: &[&str] = &[
    "awk", "bun", "deno", "gawk", "guile", "irb", "julia", "lua", "luajit", "mawk", "nawk", "node", "nodejs", "perl",
    "php", "python", "pypy", "rscript", "ruby", "tclsh",
];

/// The environment that says nothing of what is run.
const HARMLESS_VARIABLES: &[&str] = &["LANG", "LANGUAGE", "TZ", "NO_COLOR", "COLUMNS", "LINES", "TERM", "CI"];

/// What the words run; `None` when nobody can say.
pub(super) fn running(words: &[Word]) -> Option<Running<'_>> {
    let words = after_assignments(words)?;
    let Some((first, rest)) = words.split_first() else {
        return Some(Running::Nothing);
    };
    if first.is_dynamic || first.is_pattern && !first.text.starts_with('~') || first.text.is_empty() {
        return None;
    }
    let name = last_name(&first.text);
    let plain = name
        .trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
        .to_owned();
    if RUNNERS.contains(&name.as_str()) || rest.iter().any(runs_a_program) {
        return None;
    }
    if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) {
        return wrapped(wrapper, name, rest);
    }
    if SHELLS.contains(&name.as_str()) {
        return shell(name, rest);
    }
    if INTERPRETERS.contains(&plain.as_str()) {
        return interpreter(name, &plain, rest);
    }
    match name.as_str() {
        "eval" => Some(Running::Script {
            text: joined(rest)?,
            name,
        }),
        "find" | "gfind" => found(name, rest),
        "for" => Some(Running::Nothing),
        "export" | "declare" | "typeset" | "readonly" | "local" => {
            let sound = rest
                .iter()
                .filter(|word| word.text.contains('='))
                .all(is_harmless_assignment);
            sound.then_some(Running::Program(name))
        }
        "git" => {
            let told = rest.iter().any(|word| {
                matches!(
                    word.text.as_str(),
                    "-c" | "--config-env" | "config" | "difftool" | "mergetool" | "bisect" | "filter-branch"
                ) || word.text.starts_with('!')
            });
            (!told).then_some(Running::Program(name))
        }
        _ => Some(Running::Program(name)),
    }
}

/// Past `NAME=value` before the command; `None` where that could change what is run.
fn after_assignments(words: &[Word]) -> Option<&[Word]> {
    let mut rest = words;
    while let [first, after @ ..] = rest {
        if !is_assignment(first) {
            break;
        }
        if !is_harmless_assignment(first) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

fn is_assignment(word: &Word) -> bool {
    let Some((name, _)) = word.text.split_once('=') else {
        return false;
    };
    let name = name.trim_end_matches('+');
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '[' | ']'))
}

fn is_harmless_assignment(word: &Word) -> bool {
    let name = word.text.split('=').next().unwrap_or_default().trim_end_matches('+');
    let own = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.ends_with("_proxy")
        && !matches!(name, "path" | "fpath" | "cdpath" | "ifs");
    own || HARMLESS_VARIABLES.contains(&name) || name.starts_with("LC_")
}

fn last_name(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let lower = name.to_ascii_lowercase();
    let bare = [".exe", ".cmd", ".bat", ".com"]
        .iter()
        .find_map(|ending| lower.strip_suffix(ending));
    bare.map_or_else(|| name.to_owned(), str::to_owned)
}

/// Options by which many programs run another one.
fn runs_a_program(word: &Word) -> bool {
    const OPTIONS: [&str; 18] = [
        "--exec",
        "--command",
        "--filter",
        "--pre",
        "--to-command",
        "--use-compress-program",
        "--compress-program",
        "--rsh",
        "--upload-pack",
        "--receive-pack",
        "--checkpoint-action",
        "--info-script",
        "--new-volume-script",
        "--pager",
        "--editor",
        "--eval",
        "--rsync-path",
        "--ext-diff",
    ];
    let text = word.text.as_str();
    let option = text.split('=').next().unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    OPTIONS.contains(&option)
        || lower.contains("proxycommand")
        || lower.contains("localcommand")
        || text.starts_with("+!")
}

/// The words after the options of a program that runs them.
fn wrapped<'a>(wrapper: &Wrapper, name: String, words: &'a [Word]) -> Option<Running<'a>> {
    let mut rest = words;
    let mut skip = wrapper.skip;
    while let [first, after @ ..] = rest {
        let text = first.text.as_str();
        if text == "--" {
            rest = after;
            break;
        }
        if !text.starts_with('-') && (wrapper.name != "env" && wrapper.name != "sudo" || !is_assignment(first)) {
            if skip == 0 {
                break;
            }
            skip = skip.saturating_sub(1);
            rest = after;
            continue;
        }
        if is_assignment(first) {
            if !is_harmless_assignment(first) {
                return None;
            }
            rest = after;
            continue;
        }
        rest = option(wrapper, text, after)?;
    }
    for _ in 0..skip {
        rest = rest.split_first().map_or(rest, |(_, after)| after);
    }
    let rest = if rest.is_empty() { Vec::new() } else { vec![rest] };
    Some(Running::Words { name, rest })
}

/// Past one option and its value; `None` for an option that is not known.
fn option<'a>(wrapper: &Wrapper, text: &str, after: &'a [Word]) -> Option<&'a [Word]> {
    let known = |of: &[&str], text: &str| of.contains(&text);
    if known(wrapper.without, text) {
        return Some(after);
    }
    if known(wrapper.with_value, text) {
        return after.split_first().map(|(_, rest)| rest);
    }
    let attached = match text.split_once('=') {
        Some((option, _)) => option,
        None => text.get(..2)?,
    };
    let is_count = wrapper.name == "nice"
        && text
            .get(1..)
            .is_some_and(|rest| rest.bytes().all(|it| it.is_ascii_digit()));
    (is_count || known(wrapper.with_value, attached)).then_some(after)
}

fn shell<'a>(name: String, words: &'a [Word]) -> Option<Running<'a>> {
    let mut rest = words;
    let mut script = false;
    while let [first, after @ ..] = rest {
        let text = first.text.as_str();
        rest = after;
        match text {
            _ if first.is_dynamic || first.is_pattern => return None,
            "--login" | "--norc" | "--noprofile" | "--posix" => {}
            "-o" | "+o" => rest = after.split_first()?.1,
            _ if text.starts_with("--") || text == "-" => return None,
            _ => match text.strip_prefix(['-', '+']) {
                Some(letters) if letters.chars().all(|c| "celuxvfnhb".contains(c)) => script |= letters.contains('c'),
                Some(_) => return None,
                None if script => {
                    return Some(Running::Script {
                        name,
                        text: text.to_owned(),
                    });
                }
                None => {
                    return Some(Running::File {
                        file: last_name(text),
                        name,
                    });
                }
            },
        }
    }
    // It reads its script from whatever is piped in.
    None
}

/// Code that stands in the command, or comes from a pipe, is not followed.
fn interpreter<'a>(name: String, plain: &str, words: &'a [Word]) -> Option<Running<'a>> {
    let first = words.first()?;
    if matches!(plain, "awk" | "gawk" | "mawk" | "nawk") {
        let escapes = |text: &str| {
            ["system", "|", "getline", "print >", "-f", "@load", "@include", "\"/"]
                .iter()
                .any(|it| text.contains(it))
        };
        let sound = words.iter().all(|word| !word.is_dynamic && !escapes(&word.text));
        return sound.then_some(Running::Program(name));
    }
    if first.text.starts_with('-') {
        let only_tells = matches!(first.text.as_str(), "--version" | "-V" | "-v" | "--help") && words.len() == 1;
        return only_tells.then_some(Running::Program(name));
    }
    (!first.is_dynamic && !first.is_pattern).then(|| Running::File {
        file: last_name(&first.text),
        name,
    })
}

/// Commands after `-exec` and its kin.
fn found<'a>(name: String, words: &'a [Word]) -> Option<Running<'a>> {
    let mut commands = Vec::new();
    let mut rest = words;
    while let [first, after @ ..] = rest {
        rest = after;
        if matches!(first.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
            let end = after.iter().position(|word| matches!(word.text.as_str(), ";" | "+"))?;
            commands.push(after.get(..end)?);
            rest = after.get(end.saturating_add(1)..)?;
        } else if first.text.starts_with("-fprint") || first.text == "-fls" {
            return None;
        }
    }
    Some(Running::Words { name, rest: commands })
}

/// The text of words that are all known.
fn joined(words: &[Word]) -> Option<String> {
    let known = words.iter().all(|word| !word.is_dynamic && !word.is_pattern);
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    known.then(|| texts.join(" "))
}
