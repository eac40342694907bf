//! HDF5 files, put together by hand; those of real writers are made by `tests/formats/benign.py`.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "sizes of what is made here are small"
)]

use proptest::prelude::{any, proptest};
use testudo_formats::Verdict;

use super::{check, judged};

const CLASS: &str = "{\"class\\u005fname\": \"Lambda\"}";

/// A file with one group whose header has these messages; `more` stands behind it.
pub(super) fn file(messages: &[(u8, Vec<u8>)], more: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, data) in messages {
        body.push(*kind);
        body.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        body.push(0);
        body.extend(data);
    }
    let mut out = b"\x89HDF\r\n\x1a\n\x02\x08\x08\x00".to_vec();
    for address in [0, u64::MAX, 9999, 48] {
        out.extend(u64::to_le_bytes(address));
    }
    out.extend([0; 4]);
    out.extend(b"OHDR\x02\x02");
    out.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    out.extend(body);
    out.extend([0; 4]);
    out.extend(more);
    out
}

/// An attribute whose type has this first byte.
fn attribute(name: &str, kind: u8, value: &[u8]) -> (u8, Vec<u8>) {
    let name = format!("{name}\0");
    let mut data = vec![3, 0, u8::try_from(name.len()).unwrap(), 0, 8, 0, 4, 0, 0];
    data.extend(name.as_bytes());
    data.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
    data.extend([2, 0, 0, 0]);
    data.extend(value);
    (0x0c, data)
}

fn link(kind: u8, target: &[u8]) -> (u8, Vec<u8>) {
    (6, [&[1, 8, kind, 1, b'l'], target].concat())
}

pub(super) fn external(name: &str) -> (u8, Vec<u8>) {
    let target = [b"\0", name.as_bytes(), b"\0/x\0"].concat();
    let bytes = u16::try_from(target.len()).unwrap().to_le_bytes();
    link(64, &[&bytes, target.as_slice()].concat())
}

#[test]
fn attributes_are_read() {
    let fine = "{\"class_name\": \"Dense\"}";
    let hidden = attribute("model_config", 0x13, CLASS.as_bytes());
    check(
        "x.h5",
        &file(&[attribute("a", 0x13, fine.as_bytes())], b""),
        Verdict::Allowed,
    );
    let report = check("x.h5", &file(&[hidden], b""), Verdict::Malicious);
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.path.ends_with("@model_config"))
    );
    let pickle = attribute("a", 0x15, b"cos\nsystem\n(S'marker'\ntR.\0\0");
    check("x.h5", &file(&[pickle], b""), Verdict::Malicious);
}

#[test]
fn texts_of_any_length_are_followed() {
    let reference = |at: u64| [&[28, 0, 0, 0][..], &at.to_le_bytes(), &[1, 0, 0, 0]].concat();
    let made = |at: u64, text: &[u8]| {
        let size = u64::try_from(text.len()).unwrap().to_le_bytes();
        let mut heap = [
            b"GCOL\x01\0\0\0".as_slice(),
            &4096_u64.to_le_bytes(),
            &[1, 0, 1, 0, 0, 0, 0, 0],
            &size,
            text,
        ]
        .concat();
        heap.resize(4096, 0);
        file(&[attribute("model_config", 0x19, &reference(at))], &heap)
    };
    let at = u64::try_from(file(&[attribute("model_config", 0x19, &reference(0))], b"").len()).unwrap();
    check("x.h5", &made(at, CLASS.as_bytes()), Verdict::Malicious);
    check("x.h5", &made(at, b"{\"a\": 1}"), Verdict::Allowed);
    check("x.h5", &made(at + 8, b"{\"a\": 1}"), Verdict::Unknown);
    // Bytes that no attribute names.
    check(
        "x.h5",
        &made(0, b"\x80\x02cos\nsystem\nX\x06\0\0\0markerq\0\x85R."),
        Verdict::Malicious,
    );
}

#[test]
fn other_files_are_named() {
    for (name, verdict) in [
        ("other.h5", Verdict::Unknown),
        ("a/../other.h5", Verdict::Unknown),
        ("../other.h5", Verdict::Malicious),
        ("/etc/passwd", Verdict::Malicious),
        ("s3://bucket/x", Verdict::Malicious),
    ] {
        check("x.h5", &file(&[external(name)], b""), verdict);
    }
    check("x.h5", &file(&[link(1, b"\x02\0/a")], b""), Verdict::Allowed);
    check("x.h5", &file(&[link(65, b"\x02\0/a")], b""), Verdict::Unknown);
    // A list of raw files, whose names lie in a heap behind the header.
    let list = |heap: u64| {
        let mut data = vec![1, 0, 0, 0, 1, 0, 1, 0];
        data.extend(heap.to_le_bytes());
        data.extend([0; 24]);
        (7, data)
    };
    let at = u64::try_from(file(&[list(0)], b"").len()).unwrap();
    let heap = [
        b"HEAP\0\0\0\0".as_slice(),
        &16_u64.to_le_bytes(),
        &0_u64.to_le_bytes(),
        &(at + 32).to_le_bytes(),
        b"/etc/passwd\0\0\0\0\0",
    ]
    .concat();
    check("x.h5", &file(&[list(at)], &heap), Verdict::Malicious);
}

#[test]
fn what_is_shared_and_not_followed_is_said() {
    let fine = attribute("a", 0x13, b"{\"class_name\": \"Dense\"}");
    for message in [fine, link(1, b"\x02\0/a"), (8, vec![4, 1])] {
        check("x.h5", &file(std::slice::from_ref(&message), b""), Verdict::Allowed);
        let mut shared = file(&[message], b"");
        // The flags of the first message.
        shared[48 + 10 + 3] = 2;
        check("x.h5", &shared, Verdict::Unknown);
    }
}

#[test]
fn circles_and_damage_are_said() {
    // A group that links to itself is one that was read already.
    check("x.h5", &file(&[link(0, &48_u64.to_le_bytes())], b""), Verdict::Allowed);
    check("x.h5", &file(&[link(0, &49_u64.to_le_bytes())], b""), Verdict::Unknown);
    let continued = (0x10, [48_u64.to_le_bytes(), 8_u64.to_le_bytes()].concat());
    check("x.h5", &file(&[continued], b""), Verdict::Unknown);
    // What is wrong in one place hides nothing in another.
    let both = [external("/etc/passwd"), attribute("a", 0x19, &[1; 16])];
    check("x.h5", &file(&both, b""), Verdict::Malicious);
}

#[test]
fn it_may_stand_behind_something_else() {
    let whole = file(&[external("/etc/passwd")], b"");
    for at in [512, 1024, 8192, 1 << 15] {
        for start in [&b"# text\n"[..], b"PK\x05\x06", b"\x93NUMPY\x01\0"] {
            let mut bytes = start.to_vec();
            bytes.resize(at, b' ');
            bytes.extend(&whole);
            check("x.bin", &bytes, Verdict::Malicious);
        }
    }
}

proptest! {
    #[test]
    fn a_cut_or_changed_file_is_read_as_far_as_it_goes(end in 0..300_usize, at in 0..300_usize, byte in any::<u8>()) {
        let messages = [attribute("a", 0x13, b"{\"a\": 1}"), external("../x"), link(0, &48_u64.to_le_bytes())];
        let whole = file(&messages, b"");
        let mut changed = whole.clone();
        changed[at % whole.len()] = byte;
        judged("x.h5", &changed);
        let end = end % whole.len();
        let verdict = judged("x.h5", &whole[..end]).verdict;
        // Only the checksum at the end may be missing.
        assert!(end < 8 || end + 4 >= whole.len() || verdict >= Verdict::Unknown);
    }
}
