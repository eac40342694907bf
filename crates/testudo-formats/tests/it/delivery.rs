//! How a file reaches the scanner changes nothing; what is cut, changed or wrapped is never harmless by that.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "sizes of what is made here are small"
)]

use std::cell::Cell;
use std::io::{self, Write as _};

use proptest::prelude::{any, proptest};
use testudo_formats::{Limits, Options, Source, Verdict, scan};

use super::{check, hdf5, judged, narrow, sevenz, torch};

const CALL: &[u8] = b"cos\nsystem\n(S'marker'\ntR.";

/// Gives a few bytes at a time, as many as chance says.
struct Pieces<'b> {
    bytes: &'b [u8],
    state: Cell<u64>,
    most: u64,
}

impl Source for Pieces<'_> {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let next = self.state.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.state.set(next);
        let some = usize::try_from((next >> 33) % self.most + 1).unwrap();
        let count = some.min(into.len());
        self.bytes.read_at(offset, into.get_mut(..count).unwrap_or_default())
    }
}

/// A zip of one member with both directories.
fn zip(name: &str, data: &[u8]) -> Vec<u8> {
    let mut hash = flate2::Crc::new();
    hash.update(data);
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let name_bytes = u16::try_from(name.len()).unwrap().to_le_bytes();
    let shared = [
        &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &hash.sum().to_le_bytes(),
        &length,
        &length,
        &name_bytes,
        &[0, 0],
    ]
    .concat();
    let mut out = [b"PK\x03\x04", shared.as_slice(), name.as_bytes(), data].concat();
    let at = u32::try_from(out.len()).unwrap().to_le_bytes();
    let directory = [b"PK\x01\x02\x14\0", shared.as_slice(), &[0; 14], name.as_bytes()].concat();
    let directory_bytes = u32::try_from(directory.len()).unwrap().to_le_bytes();
    out.extend(directory);
    out.extend(
        [
            b"PK\x05\x06\0\0\0\0\x01\0\x01\0",
            directory_bytes.as_slice(),
            &at,
            &[0, 0],
        ]
        .concat(),
    );
    out
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(data).unwrap();
    packer.finish().unwrap()
}

/// A file of each kind, harmless and not.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "x.pkl",
            b"\x80\x04\x95\x0b\0\0\0\0\0\0\0]\x94(K\x01K\x02K\x03e.".to_vec(),
        ),
        ("x.pkl", CALL.to_vec()),
        ("x.pt", narrow::storage(narrow::NAMED)),
        ("x.zip", zip("a.pkl", CALL)),
        ("x.zip", zip("a.txt", b"text")),
        ("x.gz", gzip(CALL)),
        ("x.7z", sevenz::plain(&[("a.pkl", CALL), ("b", b"text")])),
        ("x.h5", hdf5::file(&[hdf5::external("../x")], b"")),
        ("x.pt", torch::script("torch.save(x, \"a\")")),
        (
            "x.json",
            b"{\"auto_map\": {\"A\": \"b\"}, \"chat_template\": \"{{ lipsum.x }}\"}".to_vec(),
        ),
        ("x.safetensors", b"\x02\0\0\0\0\0\0\0{}".to_vec()),
        (
            "x.npy",
            [
                b"\x93NUMPY\x01\0\x3a\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",
                CALL,
            ]
            .concat(),
        ),
    ]
}

proptest! {
    #[test]
    fn pieces_are_judged_as_the_whole_is(seed in any::<u64>(), most in 1..300_u64) {
        for (name, bytes) in files() {
            let pieces = Pieces { bytes: &bytes, state: Cell::new(seed), most };
            assert_eq!(scan(&pieces, name, &Options::default()), judged(name, &bytes), "{name}");
        }
    }

    /// One byte of a header or directory is another: the member is read by what the other one says, or it is said.
    #[test]
    fn a_changed_directory_of_a_zip_hides_nothing(at in 0..400_usize, byte in any::<u8>()) {
        let mut bytes = zip("a.pkl", CALL);
        let at = at % bytes.len();
        let is_content = (35..35 + CALL.len()).contains(&at);
        let was = bytes[at];
        bytes[at] = byte;
        let report = judged("x.zip", &bytes);
        assert!(is_content || was == byte || report.verdict >= Verdict::Unknown, "{at} {byte}: {report:#?}");
    }
}

/// Where the content of a member begins is told by two lengths of its local header: none of their values hides it.
#[test]
fn no_length_in_a_local_header_hides_a_member() {
    let whole = zip("a.pkl", CALL);
    for at in 26..30 {
        for byte in (0..=u8::MAX).filter(|byte| *byte != whole[at]) {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            let report = judged("x.zip", &bytes);
            assert!(report.verdict >= Verdict::Unknown, "{at} {byte}: {report:#?}");
        }
    }
}

#[test]
fn the_name_takes_nothing_back() {
    // Standard input is called `-`.
    for (name, bytes) in files() {
        let verdict = judged(name, &bytes).verdict;
        for other in ["-", "x", "x.txt", "README.md", "x.png", "a.safetensors", "model.bin"] {
            let named = judged(other, &bytes).verdict;
            assert!(
                verdict < Verdict::Malicious || named == verdict,
                "{name} as {other}: {named}"
            );
        }
    }
}

#[test]
fn what_ends_within_its_opcodes_is_not_harmless() {
    let pickles: [&[u8]; 5] = [
        b"\x80\x04\x95\x0b\0\0\0\0\0\0\0]\x94(K\x01K\x02K\x03e.",
        b"\x80\x02}q\0(X\x01\0\0\0aq\x01K\x01X\x01\0\0\0bq\x02]q\x03(K\x01K\x02eu.",
        b"(lp0\nI1\naI01\naF1.5\naL5L\na.",
        b"ccopy_reg\n_reconstructor\n(cuuid\nUUID\nc__builtin__\nobject\nNtR.",
        b"\x80\x04\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94.",
    ];
    for whole in pickles {
        check("x.pkl", whole, Verdict::Allowed);
        for end in 1..whole.len() {
            let cut = &whole[..end];
            for bytes in [
                cut.to_vec(),
                gzip(cut),
                zip("x.pkl", cut),
                sevenz::plain(&[("x.pkl", cut)]),
            ] {
                let verdict = judged("x.pkl", &bytes).verdict;
                assert!(verdict >= Verdict::Unknown, "{cut:?}: {verdict}");
            }
        }
    }
}

#[test]
fn nothing_panics_wherever_a_file_ends() {
    for (name, whole) in files() {
        let verdict = judged(name, &whole).verdict;
        for end in 0..whole.len() {
            judged(name, &whole[..end]);
        }
        // Cut archives never become harmless.
        if verdict == Verdict::Malicious && matches!(name, "x.zip" | "x.gz" | "x.7z") {
            for end in 7..whole.len() {
                let cut = judged(name, &whole[..end]).verdict;
                assert!(cut >= Verdict::Suspicious, "{name} cut at {end}: {cut}");
            }
        }
    }
}

#[test]
fn budgets_are_shared_by_what_is_nested() {
    let mut bytes = CALL.to_vec();
    for depth in 1..12 {
        bytes = match depth % 3 {
            0 => gzip(&bytes),
            1 => zip("a", &bytes),
            _ => sevenz::plain(&[("a", &bytes)]),
        };
        let expected = if depth <= 8 {
            Verdict::Malicious
        } else {
            Verdict::Unknown
        };
        check("x", &bytes, expected);
    }
    // Each member is small enough, all together are too much.
    let zeros = gzip(&vec![0; 1 << 16]);
    let members: Vec<(String, &[u8])> = (0..40)
        .map(|number| (format!("{number}.gz"), zeros.as_slice()))
        .collect();
    let named: Vec<(&str, &[u8])> = members.iter().map(|(name, data)| (name.as_str(), *data)).collect();
    for (bytes_max, expected) in [(64 << 20, Verdict::Allowed), (1 << 20, Verdict::Unknown)] {
        let limits = Limits {
            unpacked_bytes_max: bytes_max,
            ..Limits::DEFAULT
        };
        let options = Options {
            limits,
            ..Options::default()
        };
        let report = scan(&sevenz::plain(&named).as_slice(), "x", &options);
        assert_eq!(report.verdict, expected, "{bytes_max}");
    }
}
