//! `testudo model open`: what a program gets to read, and what becomes of its exit code.

use crate::vault::Rig;

fn promoted() -> Rig {
    let rig = Rig::new("");
    rig.write("model/w", b"the weights");
    rig.write("model/sub/c", b"the rest");
    let version = rig.push("model");
    assert_eq!(rig.promote(&version, "alice").0, Some(0));
    rig
}

fn open<'a>(options: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    let head = ["open", "m", "--alias", "prod", "--without-ledger"];
    [&head[..], options, &["--"], command].concat()
}

#[test]
fn a_program_reads_what_was_verified_and_cannot_change_it() {
    let rig = promoted();
    let read = rig.run(&open(&["--file", "w"], &["/bin/cat", "{}"]));
    assert_eq!(
        (read.status.code(), read.stdout.as_slice()),
        (Some(0), &b"the weights"[..])
    );
    let both = ["--file", "w", "--file", "sub/c"];
    let read = rig.run(&open(&both, &["/bin/cat", "{sub/c}", "{w}"]));
    assert_eq!(read.stdout, b"the restthe weights");
    for more in [&[][..], &["--memory-max", "5 B", "--scratch", "."]] {
        let options = [&["--file", "w"], more].concat();
        let command = [
            "/bin/sh",
            "-c",
            "echo x 2>/dev/null >>$0 && exit 1; cat $0; exit 7",
            "{}",
        ];
        let tried = rig.run(&open(&options, &command));
        if more.is_empty() {
            assert_eq!(
                (tried.status.code(), tried.stdout.as_slice()),
                (Some(7), &b"the weights"[..])
            );
        } else {
            // Root may write to a file without rights; nobody finds it by a name.
            assert!(tried.status.code().is_some());
        }
    }
}

#[test]
fn a_command_that_names_no_file_or_a_file_that_is_not_there_is_not_started() {
    let rig = promoted();
    for (options, command, why) in [
        (&["--file", "w"][..], &["/bin/echo", "started"][..], "names no file"),
        (
            &["--file", "w", "--file", "sub/c"],
            &["/bin/echo", "{}"],
            "names no file",
        ),
        (&["--file", "none"], &["/bin/echo", "{}"], "there is no file `none`"),
        (&["--file", "w"], &["/nowhere", "{}"], "cannot be started"),
    ] {
        let ended = rig.run(&open(options, command));
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && ended.stdout.is_empty(), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn what_is_revoked_is_not_opened() {
    let rig = promoted();
    let version = rig.push("model");
    rig.say(&[
        "revoke",
        "m",
        &version,
        "--private-key",
        "alice.pem",
        "--reason",
        "unsafe",
    ]);
    let ended = rig.run(&open(&["--file", "w"], &["/bin/cat", "{}"]));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("is revoked"));
    assert!(ended.stdout.is_empty());
}
