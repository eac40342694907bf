//! Pickles written by hand, one trick each.

use testudo_formats::{Limits, Options, Verdict, scan};

use super::{check, judged};

/// `os.system('marker')`, in the spelling of protocol 0.
const CALL: &[u8] = b"cos\nsystem\n(S'marker'\ntR.";

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn constants_are_allowed() {
    for bytes in [
        &b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02]q\x03(K\x01K\x02eu."[..],
        b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01K\x02K\x03e.",
        b"(lp0\nI1\naI01\naF1.5\naL5L\naNaV\\u00e9\nas.",
        b"\x80\x03ccollections\nOrderedDict\nq\x00)Rq\x01.",
        b"ccopy_reg\n_reconstructor\n(cdatetime\ndate\nc__builtin__\nobject\nNtR.",
    ] {
        let bytes = bytes
            .strip_suffix(b"as.")
            .map_or(bytes.to_vec(), |start| [start, b"a."].concat());
        check("x.pkl", &bytes, Verdict::Allowed);
    }
}

#[test]
fn a_call_is_named_in_every_spelling() {
    let spellings: [&[u8]; 12] = [
        CALL,
        b"(S'marker'\nios\nsystem\n.",
        b"(cos\nsystem\nS'marker'\no.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x06marker\x85R.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x06marker\x94\x85\x94R\x94.",
        // Operands from the memo, and with other values put between.
        b"\x80\x04\x8c\x06system\x940\x8c\x02osh\x00\x93\x8c\x06marker\x85R.",
        b"\x80\x04\x8c\x02osK\x010\x8c\x06system\x93\x8c\x06marker\x85R.",
        // The result is dropped, and something harmless is given back.
        b"\x80\x02cos\nsystem\nX\x06\x00\x00\x00marker\x85R0}.",
        b"(cos\nsystem\nS'marker'\no0N.",
        // The name is hidden in escapes.
        b"\x80\x04V\\u006fs\nV\\u0073ystem\n\x93\x8c\x06marker\x85R.",
        b"\x80\x04S'\\x6fs'\nS'syst\\145m'\n\x93\x8c\x06marker\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x06marker\x85}\x92.",
    ];
    for bytes in spellings {
        let report = check("model.bin", bytes, Verdict::Malicious);
        let said = report.findings.iter().any(|finding| {
            finding.rule == "pickle.call" && finding.reason.contains("system") && finding.reason.contains("marker")
        });
        assert!(said, "{bytes:?}: {report:#?}");
    }
}

#[test]
fn what_was_done_before_it_breaks_is_judged() {
    for (at, end) in [
        (24, &b""[..]),
        (24, b"\xff"),
        (24, b"h\x09."),
        (24, b"R"),
        (24, b"\x80"),
        (24, b"\x8c\xff"),
    ] {
        let bytes = joined(&[&CALL[..at], end]);
        let report = check("x.pkl", &bytes, Verdict::Malicious);
        assert!(
            report.findings.iter().any(|finding| finding.rule == "pickle.broken"),
            "{report:#?}"
        );
    }
    check("x.pkl", b"\x80\x04", Verdict::Unknown);
    check("x.pkl", b"\x80\x04K", Verdict::Unknown);
    check("x.pkl", b"no pickle at all", Verdict::Unknown);
}

#[test]
fn what_stands_on_no_list_is_unknown() {
    for bytes in [
        &b"\x80\x02cmy_models\nNet\n)\x81}b."[..],
        b"\x80\x02ccollections\nOrderedDict.fromkeys\n)R.",
        b"\x80\x04\x82\x05)R.",
        b"\x80\x04K\x01K\x02\x93.",
        b"\x80\x04NN\x93.",
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00rot_13\x86R.",
        b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        // A state for something that was not made, and attributes of the machinery.
        b"\x80\x02}}b.",
        b"\x80\x02cuuid\nUUID\n)\x81}X\x09\x00\x00\x00__class__K\x01sb.",
        // The result of a call is called.
        b"\x80\x02ccollections\nOrderedDict\n)R)R.",
        b"\x80\x06N.",
    ] {
        check("x.pkl", bytes, Verdict::Unknown);
    }
}

#[test]
fn the_attributes_of_a_name_stay_as_they_are() {
    let bytes = b"\x80\x02cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.";
    let report = check("x.pkl", bytes, Verdict::Malicious);
    assert!(report.findings.iter().any(|finding| finding.rule == "pickle.state"));
    check(
        "x.pkl",
        b"\x80\x04\x8c\x05numpy\x8c\x0c__builtins__\x93.",
        Verdict::Malicious,
    );
    check(
        "x.pkl",
        b"\x80\x04\x8c\x05numpy\x8c\x16testing.os.system.name\x93.",
        Verdict::Malicious,
    );
}

#[test]
fn names_of_python_2_are_those_of_python_3() {
    check("x.pkl", b"c__builtin__\neval\n(S'1'\ntR.", Verdict::Malicious);
    check("x.pkl", b"ccommands\ngetoutput\n(S'id'\ntR.", Verdict::Malicious);
    check("x.pkl", b"c__builtin__\nset\n((lp0\nI1\natR.", Verdict::Allowed);
}

#[test]
fn what_follows_is_read_too() {
    let first = b"\x80\x04K\x01.";
    check("x.pkl", &joined(&[first, first, first]), Verdict::Allowed);
    check("x.pkl", &joined(&[first, CALL]), Verdict::Malicious);
    check("x.pkl", &joined(&[first, b"\x00\x00\x00\x00"]), Verdict::Suspicious);
    check(
        "x.pkl",
        &joined(&[first, b"\x00\x00rubbish\x00", CALL]),
        Verdict::Malicious,
    );
    check(
        "x.pkl",
        &joined(&[first, b"\xfe\xfe", b"\x8c\x02os\x8c\x06system\x93N\x85R."]),
        Verdict::Malicious,
    );
}

#[test]
fn pickles_in_texts_are_read() {
    let hex: String = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x06marker\x85R."
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let base64 = b"gASMAm9zjAZzeXN0ZW2TjAZtYXJrZXKFUi4=";
    for text in [hex.as_bytes(), base64] {
        let count = u8::try_from(text.len()).unwrap();
        check(
            "x.pkl",
            &joined(&[b"\x80\x04\x8c", &[count], text, b"."]),
            Verdict::Malicious,
        );
    }
    check("x.pkl", &joined(&[b"\x80\x04C", &[25], CALL, b"."]), Verdict::Malicious);
}

#[test]
fn frames_are_kept() {
    let frame = |bytes: u8, rest: &[u8]| joined(&[b"\x80\x04\x95", &[bytes, 0, 0, 0, 0, 0, 0, 0], rest]);
    check("x.pkl", &frame(3, b"K\x01."), Verdict::Allowed);
    check("x.pkl", &frame(1, b"K\x01."), Verdict::Unknown);
    check("x.pkl", &frame(200, b"K\x01."), Verdict::Unknown);
    check("x.pkl", &frame(12, &frame(3, b"K\x01.")[2..]), Verdict::Unknown);
}

#[test]
fn memo_keys_that_nobody_writes_cost_nothing() {
    let bytes = b"\x80\x02K\x01r\xff\xff\xff\xffj\xff\xff\xff\xff0.";
    check("x.pkl", bytes, Verdict::Allowed);
    // MEMOIZE counts the slots that are filled, not the highest.
    check(
        "x.pkl",
        b"\x80\x04K\x01r\xff\xff\x00\x00K\x02\x94h\x01.",
        Verdict::Allowed,
    );
}

#[test]
fn limits_are_findings() {
    let many = joined(&[b"\x80\x04]", &b"K\x01a".repeat(1000), b"."]);
    let options = |limits: Limits| Options {
        limits,
        ..Options::default()
    };
    for limits in [
        Limits {
            opcodes_max: 100,
            ..Limits::DEFAULT
        },
        Limits {
            pickle_bytes_max: 10,
            ..Limits::DEFAULT
        },
    ] {
        let report = scan(&many.as_slice(), "x.pkl", &options(limits));
        assert_eq!(report.verdict, Verdict::Unknown, "{report:#?}");
    }
    let memo = joined(&[b"\x80\x04K\x01", &b"\x94".repeat(1000), b"."]);
    let report = scan(
        &memo.as_slice(),
        "x.pkl",
        &options(Limits {
            memo_max: 10,
            ..Limits::DEFAULT
        }),
    );
    assert_eq!(report.verdict, Verdict::Unknown);
    // What is named a thousand times is said once.
    let often = joined(&[b"\x80\x02", &b"cos\nsystem\n0".repeat(1000), b"N."]);
    let report = check("x.pkl", &often, Verdict::Malicious);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].count, 1000);
}

#[test]
fn own_classes_can_be_allowed() {
    let bytes = b"\x80\x02cmy_models\nNet\n)\x81}b.";
    let options = Options {
        also_allowed: vec![("my_models".to_owned(), "Net".to_owned())],
        ..Options::default()
    };
    assert_eq!(scan(&&bytes[..], "x.pkl", &options).verdict, Verdict::Allowed);
    let options = Options {
        also_allowed: vec![("os".to_owned(), "system".to_owned())],
        ..Options::default()
    };
    // What is known to be dangerous stays so.
    assert_eq!(scan(&CALL, "x.pkl", &options).verdict, Verdict::Malicious);
}

#[test]
fn text_is_no_pickle() {
    for text in [
        "",
        "# A model\n",
        "cats and dogs\nare animals\n",
        "import os\nos.system('x')\n",
        "{\"a\": 1}\n",
        "I am.\n",
        "N.",
    ] {
        let report = judged("README.md", text.as_bytes());
        assert_eq!(report.verdict, Verdict::Allowed, "{text}: {report:#?}");
    }
}
