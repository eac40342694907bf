//! 7z archives, put together by hand; those of real writers are made by `tests/formats/benign.py`.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "sizes of what is made here are small"
)]

use std::io::Write as _;

use proptest::prelude::{any, proptest};
use testudo_formats::{Limits, Options, Verdict, scan};

use super::{check, judged};

const CALL: &[u8] = b"cos\nsystem\n(S'marker'\ntR.";
const FINE: &[u8] = b"\x80\x04]K\x01a.";

/// A number in two bytes.
fn wide(number: usize) -> Vec<u8> {
    vec![
        0x80 | u8::try_from(number >> 8).unwrap(),
        u8::try_from(number & 0xff).unwrap(),
    ]
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut hash = flate2::Crc::new();
    hash.update(bytes);
    hash.sum().to_le_bytes()
}

/// What stands before a directory, the directory behind.
fn archive(packed: &[u8], header: &[u8]) -> Vec<u8> {
    let place = [
        u64::try_from(packed.len()).unwrap().to_le_bytes(),
        u64::try_from(header.len()).unwrap().to_le_bytes(),
    ]
    .concat();
    let place = [place.as_slice(), &checksum(header)].concat();
    [
        b"7z\xbc\xaf\x27\x1c\x00\x04",
        checksum(&place).as_slice(),
        &place,
        packed,
        header,
    ]
    .concat()
}

/// Streams of one folder: one coder, without properties.
fn streams(method: &[u8], at: usize, packed: usize, sizes: &[usize]) -> Vec<u8> {
    let sum: usize = sizes.iter().sum();
    let mut out = [vec![6], wide(at), vec![1, 9], wide(packed), vec![0]].concat();
    out.extend(
        [
            vec![7, 0x0b, 1, 0, 1, u8::try_from(method.len()).unwrap()],
            method.to_vec(),
        ]
        .concat(),
    );
    out.extend([vec![0x0c], wide(sum), vec![0]].concat());
    out.extend([vec![8, 0x0d], wide(sizes.len()), vec![9]].concat());
    for size in sizes.iter().take(sizes.len().saturating_sub(1)) {
        out.extend(wide(*size));
    }
    out.extend([0, 0]);
    out
}

fn files(names: &[&str]) -> Vec<u8> {
    let mut text = vec![0];
    for name in names {
        text.extend(name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    }
    [vec![5], wide(names.len()), vec![0x11], wide(text.len()), text, vec![0]].concat()
}

/// An archive of files without packing, all in one folder.
pub(super) fn plain(members: &[(&str, &[u8])]) -> Vec<u8> {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let sizes: Vec<usize> = members.iter().map(|(_, data)| data.len()).collect();
    let data: Vec<u8> = members.iter().flat_map(|(_, data)| data.to_vec()).collect();
    let header = [vec![1, 4], streams(&[0], 0, data.len(), &sizes), files(&names), vec![0]].concat();
    archive(&data, &header)
}

#[test]
fn files_are_judged() {
    check("x.7z", &plain(&[("a.pkl", FINE), ("b.txt", b"text")]), Verdict::Allowed);
    let report = check(
        "x.7z",
        &plain(&[("a.pkl", FINE), ("data.pkl", CALL)]),
        Verdict::Malicious,
    );
    assert!(report.findings.iter().any(|finding| finding.path == "x.7z!/data.pkl"));
    // Under another name, and within another archive.
    let inner = plain(&[("b", CALL)]);
    check("model.bin", &plain(&[("c.zip", &inner)]), Verdict::Malicious);
    check("x.7z", &archive(b"", b""), Verdict::Allowed);
}

#[test]
fn streams_are_unpacked() {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(CALL).unwrap();
    let packed = packer.finish().unwrap();
    let header = |method: &[u8]| {
        let streams = streams(method, 0, packed.len(), &[CALL.len()]);
        [vec![1, 4], streams, files(&["x"]), vec![0]].concat()
    };
    check("x", &archive(&packed, &header(&[4, 1, 8])), Verdict::Malicious);
    // What is so short is the same in Deflate64.
    check("x", &archive(&packed, &header(&[4, 1, 9])), Verdict::Malicious);
    for method in [&[3, 4, 1][..], &[6, 0xf1, 7, 1], &[0x21], &[3, 1, 1], &[3, 3, 1, 0x1b]] {
        check("x", &archive(&packed, &header(method)), Verdict::Unknown);
    }
}

/// A file in an archive, packed by PPMd with these properties.
fn ppmd(data: &[u8], properties: &[u8]) -> Vec<u8> {
    let mut packer = ppmd_rust::Ppmd7Encoder::new(Vec::new(), 6, 1 << 20).unwrap();
    packer.write_all(data).unwrap();
    let packed = packer.finish(false).unwrap();
    let mut coder = vec![7, 0x0b, 1, 0, 1, 0x23, 3, 4, 1, u8::try_from(properties.len()).unwrap()];
    coder.extend(properties);
    let header = [
        [vec![1, 4, 6], wide(0), vec![1, 9], wide(packed.len()), vec![0]].concat(),
        coder,
        [vec![0x0c], wide(data.len()), vec![0, 8, 0x0d, 1, 0, 0]].concat(),
        files(&["x"]),
        vec![0],
    ];
    archive(&packed, &header.concat())
}

#[test]
fn ppmd_is_unpacked() {
    let said = [6, 0, 0, 0x10, 0];
    check("x", &ppmd(CALL, &said), Verdict::Malicious);
    check("x.7z", &ppmd(FINE, &said), Verdict::Allowed);
    check("x.7z", &ppmd(FINE, &[&said[..], &[0, 0]].concat()), Verdict::Allowed);
    // Another order, a model of 4 GB, no order, none of both.
    for wrong in [
        &[6, 0xff, 0xff, 0xff, 0xff][..],
        &[1, 0, 0, 0x10, 0],
        &[6, 0, 0, 0, 0],
        &[6],
        &[],
    ] {
        check("x", &ppmd(FINE, wrong), Verdict::Unknown);
    }
}

#[test]
fn a_packed_directory_is_unpacked() {
    let streams_of = |packed: usize, sizes: &[usize], at: usize| streams(&[0], at, packed, sizes);
    let header = [
        vec![1, 4],
        streams_of(CALL.len(), &[CALL.len()], 0),
        files(&["x"]),
        vec![0],
    ]
    .concat();
    let outer = [vec![0x17], streams_of(header.len(), &[header.len()], CALL.len())].concat();
    let packed = [CALL, &header].concat();
    check("x", &archive(&packed, &outer), Verdict::Malicious);
    // One that is packed in itself.
    let circle = [vec![0x17], streams_of(0, &[], 0)].concat();
    let circle = [vec![0x17], streams_of(circle.len(), &[circle.len()], 0)].concat();
    check("x", &archive(&circle, &circle), Verdict::Unknown);
}

#[test]
fn what_the_directory_hides_is_read() {
    let header = |names: &[&str], sizes: &[usize]| {
        [
            vec![1, 4],
            streams(&[0], 0, sizes.iter().sum(), sizes),
            files(names),
            vec![0],
        ]
        .concat()
    };
    // No name for it.
    check("x", &archive(CALL, &header(&[], &[CALL.len()])), Verdict::Malicious);
    // More names than content.
    check(
        "x",
        &archive(FINE, &header(&["a.pkl", "b"], &[FINE.len()])),
        Verdict::Unknown,
    );
    // Bytes in front of the streams, between them and the directory, and behind it.
    let fine = header(&["a.pkl"], &[FINE.len()]);
    let hidden = [FINE, b"\x00\x00", CALL].concat();
    check("x", &archive(&hidden, &fine), Verdict::Malicious);
    check(
        "x",
        &[archive(FINE, &fine).as_slice(), CALL].concat(),
        Verdict::Malicious,
    );
    check(
        "x",
        &[archive(FINE, &fine).as_slice(), b"\0\0"].concat(),
        Verdict::Suspicious,
    );
    let late = [
        vec![1, 4],
        streams(&[0], CALL.len(), FINE.len(), &[FINE.len()]),
        files(&["a"]),
        vec![0],
    ]
    .concat();
    check("x", &archive(&[CALL, FINE].concat(), &late), Verdict::Malicious);
}

#[test]
fn what_is_wrong_is_said() {
    let whole = plain(&[("a.pkl", CALL)]);
    let mut bad_sum = whole.clone();
    bad_sum[8] ^= 1;
    check("x", &bad_sum, Verdict::Malicious);
    let fine = plain(&[("a.pkl", FINE)]);
    let mut bad_sum = fine.clone();
    bad_sum[8] ^= 1;
    check("x", &bad_sum, Verdict::Unknown);
    check("x", &plain(&[("../a.pkl", FINE)]), Verdict::Malicious);
    check("x", &plain(&[("a.pkl", FINE), ("a.pkl", FINE)]), Verdict::Suspicious);
    for end in 0..fine.len() {
        let report = judged("x.7z", &fine[..end]);
        assert!(
            end < 6 || report.verdict >= Verdict::Unknown,
            "cut at {end}: {report:#?}"
        );
    }
}

#[test]
fn budgets_hold() {
    let zeros = vec![0_u8; 1 << 20];
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&zeros).unwrap();
    let packed = packer.finish().unwrap();
    let number = |number: u32| [&[0xf0][..], &number.to_le_bytes()].concat();
    // A folder that says how much comes out of it, and one that says less.
    for said in [1_u32 << 20, 1 << 10] {
        let header = [
            vec![1, 4, 6, 0, 1, 9],
            number(u32::try_from(packed.len()).unwrap()),
            vec![0, 7, 0x0b, 1, 0, 1, 3, 4, 1, 8, 0x0c],
            number(said),
            vec![0, 0],
            files(&["x"]),
            vec![0],
        ]
        .concat();
        let limits = Limits {
            ratio_free_bytes: 1 << 18,
            ..Limits::DEFAULT
        };
        let options = Options {
            limits,
            ..Options::default()
        };
        let report = scan(&archive(&packed, &header).as_slice(), "x.7z", &options);
        let expected = if said > 1 << 18 {
            Verdict::Unknown
        } else {
            Verdict::Allowed
        };
        assert_eq!(report.verdict, expected, "{report:#?}");
    }
    let many = plain(&[("a", FINE); 20]);
    let limits = Limits {
        members_max: 10,
        ..Limits::DEFAULT
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    assert_eq!(scan(&many.as_slice(), "x", &options).verdict, Verdict::Unknown);
}

proptest! {
    #[test]
    fn no_packed_stream_makes_it_panic(packed in proptest::collection::vec(any::<u8>(), 0..400), order in 0_u8..70, kib in 0_u32..300) {
        let mut properties = vec![order];
        properties.extend(kib.saturating_mul(1024).to_le_bytes());
        for (method, properties) in [(&[3, 4, 1][..], properties.as_slice()), (&[4, 1, 9], &[])] {
            let size = 0x20 | u8::try_from(method.len()).unwrap();
            let coder = [&[7, 0x0b, 1, 0, 1, size][..], method, &[u8::try_from(properties.len()).unwrap()], properties];
            let header = [
                [vec![1, 4, 6], wide(0), vec![1, 9], wide(packed.len()), vec![0]].concat(),
                coder.concat(),
                [vec![0x0c], wide(4000), vec![0, 8, 0x0d, 1, 0, 0]].concat(),
                files(&["x"]),
                vec![0],
            ];
            judged("x.7z", &archive(&packed, &header.concat()));
        }
    }

    #[test]
    fn a_changed_directory_hides_nothing(at in 0..200_usize, byte in any::<u8>()) {
        let mut bytes = plain(&[("a.pkl", FINE), ("b.pkl", CALL)]);
        let at = 6 + at % (bytes.len() - 6);
        let was = bytes[at];
        bytes[at] = byte;
        let is_content = (32 + FINE.len()..32 + FINE.len() + CALL.len()).contains(&at);
        let verdict = judged("x.7z", &bytes).verdict;
        assert!(was == byte || is_content || verdict >= Verdict::Unknown, "{at} {byte}");
    }
}
