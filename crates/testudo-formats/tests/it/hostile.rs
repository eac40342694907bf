//! Any bytes: nothing panics, nothing takes more than its budget, nothing that was found is lost by cutting.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use testudo_formats::{Limits, Options, Verdict, scan};

use super::judged;

fn small() -> Options {
    Options {
        limits: Limits {
            unpacked_bytes_max: 1 << 20,
            held_bytes_max: 1 << 16,
            ratio_free_bytes: 1 << 18,
            opcodes_max: 100_000,
            members_max: 100,
            findings_max: 50,
            parts_max: 50,
            ..Limits::DEFAULT
        },
        ..Options::default()
    }
}

/// Beginnings that lead into each parser.
fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\x80\x04".to_vec()),
        Just(b"PK\x03\x04\x14\x00\x00\x00\x00\x00".to_vec()),
        Just(b"PK\x05\x06".to_vec()),
        Just(b"\x93NUMPY\x01\x00\x10\x00{'descr':".to_vec()),
        Just(b"\x1f\x8b\x08\x00".to_vec()),
        Just(b"BZh91AY&SY".to_vec()),
        Just(b"\xfd7zXZ\x00".to_vec()),
        Just(b"\x28\xb5\x2f\xfd".to_vec()),
        Just(b"\x04\x22\x4d\x18".to_vec()),
        Just(b"\x78\x9c".to_vec()),
        Just(b"\x5d\x00\x00\x80\x00\xff".to_vec()),
        Just(b"GGUF\x03\x00\x00\x00".to_vec()),
        Just(b"\x89HDF\r\n\x1a\n".to_vec()),
        Just(b"7z\xbc\xaf\x27\x1c".to_vec()),
        Just(b"\x20\x00\x00\x00\x00\x00\x00\x00{\"a\":".to_vec()),
        Just(b"\x08\x07\x12".to_vec()),
        Just(b"{\"auto_map\":".to_vec()),
        Just(b"\x14\0\0\0TFL3\x08\0\x0c\0\x04\0\x08\0".to_vec()),
        Just(b"\x50\x2a\x4d\x18\x02\0\0\0".to_vec()),
        Just(b"ZF0x10               \x78\x9c".to_vec()),
        Just(Vec::new()),
    ]
}

/// Opcodes and what they are fed, more often than chance gives them.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        any::<u8>().prop_map(|byte| vec![byte]),
        Just(b"cos\nsystem\n".to_vec()),
        Just(b"\x8c\x02os".to_vec()),
        Just(b"cnumpy\ndtype\n".to_vec()),
        Just(b"(lp0\n".to_vec()),
        Just(b"\x94\x93R0tb)\x81}".to_vec()),
        Just(b"PK\x01\x02".to_vec()),
        Just(b"\xff\xff\xff\xff".to_vec()),
        Just(vec![0; 512]),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_judged(start in beginnings(), rest in proptest::collection::vec(pieces(), 0..24), name in 0..8_usize) {
        let names = ["x", "x.pkl", "x.npy", "x.onnx", "saved_model.pb", "config.json", "x.h5", "x.gguf"];
        let bytes = [start, rest.concat()].concat();
        let report = scan(&bytes.as_slice(), names[name], &small());
        assert!(report.findings.len() <= 50 && report.parts.len() <= 50);
        let worst = report.findings.iter().map(|finding| finding.verdict).max();
        assert!(worst.unwrap_or(Verdict::Allowed) <= report.verdict);
    }
}

#[test]
fn a_cut_pickle_is_never_harmless_after_its_call() {
    let whole = b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x06marker\x94\x85\x94R\x94.";
    for end in 0..=whole.len() {
        let report = judged("x.pkl", &whole[..end]);
        let expected = match end {
            0 => Verdict::Allowed,
            _ if end <= 25 => Verdict::Unknown,
            _ => Verdict::Malicious,
        };
        assert_eq!(report.verdict, expected, "cut at {end}: {report:#?}");
    }
}
