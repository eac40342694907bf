//! The two names that are allowed at one call site each, though they can do more: decision 0010.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use testudo_formats::{Report, Verdict};

use super::{check, judged};

/// `copy_reg._reconstructor(CLASS, BASE, STATE)` in the spelling of protocol 0.
fn made(start: &[u8], class: &str, base: &str, state: &[u8]) -> Vec<u8> {
    let line = |name: &str| format!("c{}\n", name.replace(' ', "\n"));
    let text = format!("ccopy_reg\n_reconstructor\n({}{}", line(class), line(base));
    [start, text.as_bytes(), state, b"tR."].concat()
}

#[test]
fn objects_are_made_by_object_only() {
    let (class, base) = ("uuid UUID", "__builtin__ object");
    for start in [&b""[..], b"\x80\x00", b"\x80\x01"] {
        check("x.pkl", &made(start, class, base, b"N"), Verdict::Allowed);
    }
    // From protocol 2 on no saver calls it.
    for start in [b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"] {
        check("x.pkl", &made(start, class, base, b"N"), Verdict::Unknown);
    }
    // `BASE.__new__(CLASS, STATE)` and `BASE.__init__` would run.
    for (class, base, state) in [
        (class, "__builtin__ dict", &b"}"[..]),
        (class, "__builtin__ list", b"]"),
        (class, "uuid UUID", b"N"),
        (class, base, b"I1\n"),
        ("collections OrderedDict", base, b"N"),
        ("numpy exp", base, b"N"),
        ("mine Net", base, b"N"),
    ] {
        check("x.pkl", &made(b"", class, base, state), Verdict::Unknown);
    }
    check("x.pkl", &made(b"", "os system", base, b"N"), Verdict::Malicious);
}

proptest! {
    /// Whatever it is called with: allowed are two spellings of `object.__new__(CLASS)`, which runs nothing of CLASS.
    #[test]
    fn nothing_else_is_made_by_it(
        class in prop_oneof![Just("uuid UUID"), Just("numpy dtype"), Just("numpy exp"), Just("__builtin__ list"), Just("a b")],
        base in prop_oneof![Just("__builtin__ object"), Just("builtins object"), Just("__builtin__ dict"), Just("uuid UUID")],
        state in prop_oneof![Just(b"N".to_vec()), Just(b"]".to_vec()), Just(b"(t".to_vec()), any::<u8>().prop_map(|n| vec![b'K', n])],
        version in 0..6_u8,
    ) {
        let report = judged("x.pkl", &made(&[0x80, version], class, base, &state));
        let is_object = base.ends_with(" object") && state == b"N";
        let is_class = matches!(class, "uuid UUID" | "numpy dtype" | "__builtin__ list");
        assert_eq!(report.verdict == Verdict::Allowed, is_object && is_class && version < 2, "{report:#?}");
    }
}

const NUMBER: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// What PyTorch writes for one storage: number, version, system, the storage, its keys, and eight bytes of length.
pub(super) fn storage(object: &[u8]) -> Vec<u8> {
    [
        NUMBER,
        b"\x80\x02M\xe9\x03.\x80\x02}.",
        object,
        b"\x80\x02]X\x01\0\0\x000a.",
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat()
}

pub(super) const NAMED: &[u8] =
    b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01NtQ.";

/// A pickle that has these bytes loaded as a storage.
fn loading(bytes: &[u8]) -> Report {
    let length = u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes();
    let start = b"\x80\x04\x8c\x0dtorch.storage\x8c\x10_load_from_bytes\x93B";
    judged("x.pkl", &[start, length.as_slice(), bytes, b"\x85R."].concat())
}

#[test]
fn bytes_are_loaded_as_one_storage_only() {
    let fine = storage(NAMED);
    assert_eq!(loading(&fine).verdict, Verdict::Allowed, "{:#?}", loading(&fine));
    let refused: [Vec<u8>; 6] = [
        // A plain pickle, a zip, and something in front of the number.
        b"\x80\x02K\x01.".to_vec(),
        b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        [b"\x80\x02N0", &fine[2..]].concat(),
        // A call, though of an allowed name.
        storage(b"\x80\x02ccollections\nOrderedDict\n)R."),
        storage(b"\x80\x02ctorch.storage\n_load_from_bytes\nB\0\0\0\0\x85R."),
        Vec::new(),
    ];
    for bytes in refused {
        assert_eq!(loading(&bytes).verdict, Verdict::Unknown, "{bytes:?}");
    }
    let call = storage(b"\x80\x02cos\nsystem\nX\x06\0\0\0marker\x85R.");
    assert_eq!(loading(&call).verdict, Verdict::Malicious);
}

proptest! {
    /// Any bytes at all: allowed are those that begin as the old format does and call nothing.
    #[test]
    fn no_other_bytes_are_loaded(at in 0..200_usize, byte in any::<u8>(), end in 0..200_usize) {
        let mut bytes = storage(NAMED);
        let whole = bytes.len();
        bytes.truncate(end.max(1).min(whole));
        let at = at.checked_rem(bytes.len()).unwrap_or(0);
        bytes[at] = byte;
        let verdict = loading(&bytes).verdict;
        let starts = bytes.starts_with(NUMBER.strip_suffix(b".").unwrap_or(NUMBER));
        assert!(starts || verdict >= Verdict::Unknown);
    }
}

#[test]
fn the_first_name_of_a_tar_may_be_a_pickle() {
    let mut block = b"\x80\x02cos\nsystem\nX\x06\0\0\0marker\x85R.".to_vec();
    block.resize(100, 0);
    block.extend(b"0000644\x000000000\x000000000\x0000000000000\x0000000000000\0        0");
    block.resize(512, 0);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block.splice(148..156, format!("{sum:06o}\0 ").bytes());
    block.resize(2048, 0);
    check("x.pkl", &block, Verdict::Malicious);
}
