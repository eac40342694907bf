//! Classes that do something with their state: only the states that their savers write are allowed.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use testudo_formats::{Options, Verdict, scan};

use super::{check, judged};

fn text(text: &str) -> Vec<u8> {
    let bytes = u32::try_from(text.len()).unwrap_or_default().to_le_bytes();
    [b"X".as_slice(), &bytes, text.as_bytes()].concat()
}

/// A dictionary with these keys and values, each the opcodes of one.
fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"}(".to_vec();
    for (key, value) in entries {
        out.extend(text(key));
        out.extend(value);
    }
    out.extend(b"u");
    out
}

fn given(class: &str, state: &[u8]) -> Vec<u8> {
    [
        b"\x80\x02c",
        class.replace(' ', "\n").as_bytes(),
        b"\n)\x81",
        state,
        b"b.",
    ]
    .concat()
}

const FILE: &str = "sklearn_crfsuite._fileresource FileResource";
const CRF: &str = "sklearn_crfsuite.estimator CRF";
const ENCODING: &str = "tiktoken.core Encoding";

fn temporary() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("name", b"N".to_vec()),
        ("auto", b"\x88".to_vec()),
        ("keep_tempfiles", b"N".to_vec()),
        ("suffix", text(".crfsuite")),
        ("prefix", text("model")),
        ("fd", b"K\x0d".to_vec()),
        ("__FILE_RESOURCE_DATA__", b"U\x04lCRF".to_vec()),
    ]
}

fn tokens() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("name", text("own")),
        ("pat_str", text("\\w+")),
        ("mergeable_ranks", b"}(U\x01aK\x00U\x01bK\x01u".to_vec()),
        ("special_tokens", dict(&[("<end>", b"K\x02".to_vec())])),
    ]
}

/// Another value in the place of one, or beside them.
fn with(mut entries: Vec<(&'static str, Vec<u8>)>, key: &'static str, value: Vec<u8>) -> Vec<u8> {
    match entries.iter_mut().find(|(name, _)| *name == key) {
        Some(entry) => entry.1 = value,
        None => entries.push((key, value)),
    }
    dict(&entries)
}

#[test]
fn a_temporary_file_of_the_class_is_allowed() {
    check("x.pkl", &given(FILE, &dict(&temporary())), Verdict::Allowed);
    let made = [
        b"c".as_slice(),
        FILE.replace(' ', "\n").as_bytes(),
        b"\n)\x81",
        &dict(&temporary()),
        b"b",
    ]
    .concat();
    let state = dict(&[("modelfile", made), ("c1", b"N".to_vec())]);
    check("x.pkl", &given(CRF, &state), Verdict::Allowed);
    let class = FILE.replace(' ', "\n");
    let old = [
        b"ccopy_reg\n_reconstructor\n(c".as_slice(),
        class.as_bytes(),
        b"\nc__builtin__\nobject\nNtR(dS'name'\nNsS'auto'\nI01\nsS'prefix'\nS'model'\nsS'suffix'\nS'.crfsuite'\ns",
        b"S'keep_tempfiles'\nI00\nsb.",
    ];
    check("x.pkl", &old.concat(), Verdict::Allowed);
}

#[test]
fn no_state_chooses_a_file() {
    for (key, value) in [
        // Deleted when the object goes.
        ("name", text("/nowhere/marker")),
        ("name", b"U\x01x".to_vec()),
        // `tempfile.mkstemp('', '/nowhere/marker')`
        ("prefix", text("/nowhere/marker")),
        ("prefix", text("../model")),
        ("suffix", text("/../marker")),
        ("suffix", b"N".to_vec()),
        ("auto", text("yes")),
        ("fd", text("3")),
        ("keep_tempfiles", b"cnumpy\nexp\n".to_vec()),
        ("__FILE_RESOURCE_DATA__", b"cnumpy\nexp\n".to_vec()),
        ("__class__", b"cuuid\nUUID\n".to_vec()),
        ("cleanup", b"N".to_vec()),
    ] {
        let state = with(temporary(), key, value);
        check("x.pkl", &given(FILE, &state), Verdict::Unknown);
    }
    // Said twice, the last one counts.
    let mut twice = temporary();
    twice.push(("name", text("/nowhere/marker")));
    check("x.pkl", &given(FILE, &dict(&twice)), Verdict::Unknown);
    // Left out, given as slots, and given again.
    for key in ["name", "prefix", "suffix", "auto"] {
        let mut less = temporary();
        less.retain(|(name, _)| *name != key);
        check("x.pkl", &given(FILE, &dict(&less)), Verdict::Unknown);
    }
    check(
        "x.pkl",
        &given(FILE, &[dict(&temporary()), b"}\x86".to_vec()].concat()),
        Verdict::Unknown,
    );
    let again = [
        dict(&temporary()),
        b"b".to_vec(),
        dict(&[("name", text("/nowhere/marker"))]),
    ]
    .concat();
    check("x.pkl", &given(FILE, &again), Verdict::Unknown);
    // Entries beyond those that are kept.
    let many: Vec<_> = (0..100).map(|_| ("c1", b"N".to_vec())).chain(temporary()).collect();
    check("x.pkl", &given(FILE, &dict(&many)), Verdict::Unknown);
    // Training writes to the file that this says.
    let state = dict(&[("modelfile", b"ctypes\nSimpleNamespace\n)R".to_vec())]);
    check("x.pkl", &given(CRF, &state), Verdict::Unknown);
}

#[test]
fn encodings_are_made_of_constants() {
    check("x.pkl", &given(ENCODING, &dict(&tokens())), Verdict::Allowed);
    check(
        "x.pkl",
        &given(ENCODING, &with(tokens(), "explicit_n_vocab", b"K\x03".to_vec())),
        Verdict::Allowed,
    );
    for (key, value) in [
        ("pat_str", b"cnumpy\nexp\n".to_vec()),
        ("mergeable_ranks", b"]".to_vec()),
        ("mergeable_ranks", b"}U\x01acnumpy\nexp\ns".to_vec()),
        ("special_tokens", b"ccollections\nOrderedDict\n)R".to_vec()),
        ("self", b"N".to_vec()),
    ] {
        check("x.pkl", &given(ENCODING, &with(tokens(), key, value)), Verdict::Unknown);
    }
    // A name is looked up, and its file fetched.
    check("x.pkl", &given(ENCODING, &text("cl100k_base")), Verdict::Unknown);
    // The constructor is called.
    check("x.pkl", b"\x80\x02ctiktoken.core\nEncoding\n)R.", Verdict::Unknown);
    check(
        "x.pkl",
        b"\x80\x02ctiktoken.core\nEncoding\nK\x01\x85\x81.",
        Verdict::Unknown,
    );
}

#[test]
fn no_other_call_makes_objects_of_these_classes() {
    let class = format!("c{}\n", FILE.replace(' ', "\n"));
    let maker = "cnumpy.random._pickle\n__bit_generator_ctor\n";
    let hostile = String::from_utf8_lossy(&dict(&[("name", text("/nowhere/marker"))])).into_owned();
    for calls in [
        // `__bit_generator_ctor(CLASS)` is `CLASS()`, and takes a state.
        format!("{maker}{class}\u{85}R{hostile}b."),
        format!("{maker}({class}tq\u{1}R{hostile}b."),
        format!("{class}q\u{1}0{maker}h\u{1}\u{85}R{hostile}b."),
        format!("ccollections\ndefaultdict\n{class}\u{85}R."),
        format!("ctorch._tensor\n_rebuild_from_type_v2\n({maker}cnumpy\nndarray\n{class}\u{85}}}tR."),
        format!("]{class}aq\u{1}0ccollections\nCounter\nh\u{1}\u{85}R."),
        format!("}}X\u{1}\0\0\0a{class}sq\u{1}0ccollections\nCounter\nh\u{1}\u{85}R."),
        format!("cnumpy\nndarray\n)\u{81}{class}b."),
    ] {
        // One byte for each character, as these texts were written.
        let bytes: Vec<u8> = calls
            .chars()
            .filter_map(|letter| u8::try_from(u32::from(letter)).ok())
            .collect();
        check("x.pkl", &[b"\x80\x02".as_slice(), &bytes].concat(), Verdict::Unknown);
    }
}

#[test]
fn who_vouches_for_a_class_vouches_for_its_states() {
    // But for attributes of Python's own machinery, which no state sets.
    let mut state = temporary();
    state.retain(|(name, _)| !name.starts_with("__"));
    let bytes = given(FILE, &with(state, "prefix", text("other")));
    let also = ("sklearn_crfsuite._fileresource".to_owned(), "FileResource".to_owned());
    let options = Options {
        also_allowed: vec![also],
        ..Options::default()
    };
    assert_eq!(scan(&bytes.as_slice(), "x.pkl", &options).verdict, Verdict::Allowed);
}

proptest! {
    /// Whatever the state is: allowed is one that leaves the file to the class.
    #[test]
    fn only_the_class_chooses(
        name in prop_oneof![Just(b"N".to_vec()), "[a-z/.]{0,4}".prop_map(|it| text(&it))],
        prefix in prop_oneof![Just(text("model")), "[a-z/.]{0,6}".prop_map(|it| text(&it))],
        suffix in prop_oneof![Just(text(".crfsuite")), "[a-z/.]{0,9}".prop_map(|it| text(&it))],
        auto in any::<bool>(),
    ) {
        let mut state = temporary();
        state[0].1.clone_from(&name);
        state[1].1 = vec![if auto { 0x88 } else { 0x89 }];
        state[3].1.clone_from(&suffix);
        state[4].1.clone_from(&prefix);
        let report = judged("x.pkl", &given(FILE, &dict(&state)));
        let is_own = name == b"N" && prefix == text("model") && suffix == text(".crfsuite");
        assert_eq!(report.verdict == Verdict::Allowed, is_own, "{report:#?}");
    }
}
