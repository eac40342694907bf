//! HDF5 files, put together by hand; those of real writers are made by `tests/formats/benign.py`.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "sizes of what is made here are small"
)]

use proptest::collection::vec;
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

/// A collection of the global heap with one object.
fn heap(object: &[u8]) -> Vec<u8> {
    let bytes = u64::try_from(object.len()).unwrap();
    let whole = bytes.next_multiple_of(8) + 64;
    let mut heap = [
        b"GCOL\x01\0\0\0".as_slice(),
        &whole.to_le_bytes(),
        &[1, 0, 1, 0, 0, 0, 0, 0],
        &bytes.to_le_bytes(),
        object,
    ]
    .concat();
    heap.resize(usize::try_from(whole).unwrap(), 0);
    heap
}

#[test]
fn what_pytables_unpickles_is_a_pickle_however_it_begins() {
    let call = b"cos\nsystem\n(S'marker'\ntR.";
    for start in [
        &b""[..],
        b"N0",
        b"I1\n0",
        b"]0",
        b"}0",
        b"U\x01a0",
        b"C\x01a0",
        b"B\x01\0\0\0a0",
        b"I0x1\n0",
        b"N.N.",
    ] {
        let pickle = [start, call].concat();
        check("x.h5", &file(&[], &heap(&pickle)), Verdict::Malicious);
        check("x.h5", &file(&[attribute("a", 0x13, &pickle)], b""), Verdict::Malicious);
    }
    // Importing runs a module already.
    let import = b"cmy_module\nx\n.";
    check("x.h5", &file(&[], &heap(import)), Verdict::Unknown);
    check("x.h5", &file(&[attribute("a", 0x13, import)], b""), Verdict::Unknown);
    // Longer than any block that is read whole.
    let long = [
        b"\x80\x02B".as_slice(),
        &(65_u32 << 20).to_le_bytes(),
        &vec![0; 65 << 20],
        b"0",
        call,
    ]
    .concat();
    check("x.h5", &file(&[], &heap(&long)), Verdict::Malicious);
    for fine in [
        &b"cat\ndog\nbird"[..],
        b"(in brackets)",
        b"\x80\x02]q\0.",
        b"Indeed.",
        b"C is a language.",
    ] {
        check(
            "x.h5",
            &file(&[attribute("a", 0x13, fine)], &heap(fine)),
            Verdict::Allowed,
        );
    }
}

/// An object with data of these bytes: a type, a row, and where it lies.
fn data(kind: &[u8], count: u64, layout: &[u8], filters: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut messages = vec![
        (3, kind.to_vec()),
        (1, [&[2, 1, 0, 1][..], &count.to_le_bytes()].concat()),
        (8, layout.to_vec()),
    ];
    if !filters.is_empty() {
        messages.push((0x0b, filters.to_vec()));
    }
    messages
}

const BYTES: [u8; 12] = [0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0];

#[test]
fn bytes_that_may_be_unpickled_are_read() {
    let pickle = b"N0cos\nsystem\n(S'marker'\ntR.";
    let count = u64::try_from(pickle.len()).unwrap();
    let compact = [&[3, 0][..], &u16::try_from(count).unwrap().to_le_bytes(), pickle].concat();
    check(
        "x.h5",
        &file(&data(&BYTES, count, &compact, b""), b""),
        Verdict::Malicious,
    );
    let at = |messages: &dyn Fn(u64) -> Vec<(u8, Vec<u8>)>| u64::try_from(file(&messages(0), b"").len()).unwrap();
    let row = |address: u64| {
        data(
            &BYTES,
            count,
            &[&[3, 1][..], &address.to_le_bytes(), &count.to_le_bytes()].concat(),
            b"",
        )
    };
    check("x.h5", &file(&row(at(&row)), pickle), Verdict::Malicious);
    // Numbers of eight bytes are numbers.
    let mut wide = BYTES;
    wide[4] = 8;
    check("x.h5", &file(&data(&wide, count, &compact, b""), b""), Verdict::Allowed);
    // One chunk, which zlib packed.
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packer, pickle).unwrap();
    let packed = packer.finish().unwrap();
    let bytes = u64::try_from(packed.len()).unwrap();
    let size = u8::try_from(count).unwrap();
    let chunk = |filters: &'static [u8]| {
        let packed_bytes = bytes;
        move |address: u64| {
            let layout = [
                &[4, 2, 2, 2, 1, size, 1, 1][..],
                &packed_bytes.to_le_bytes(),
                &[0; 4],
                &address.to_le_bytes(),
            ]
            .concat();
            data(&BYTES, count, &layout, filters)
        }
    };
    let deflate = chunk(&[2, 1, 1, 0, 0, 0, 1, 0, 6, 0, 0, 0]);
    check("x.h5", &file(&deflate(at(&deflate)), &packed), Verdict::Malicious);
    // Packed as is not read: hickle would unpickle it.
    let other = chunk(&[2, 1, 0x01, 0x7d, 0, 0, 0, 0, 0, 0]);
    let mut messages = other(at(&other));
    check("x.h5", &file(&messages, &packed), Verdict::Allowed);
    messages.push(attribute("base_type", 0x13, b"pickle"));
    check("x.h5", &file(&messages, &packed), Verdict::Unknown);
}

proptest! {
    #[test]
    fn any_layout_of_data_is_read_or_refused(layout in vec(any::<u8>(), 0..60), filters in vec(any::<u8>(), 0..40), kind in vec(any::<u8>(), 0..20), version in 0..6_u8, class in 0..4_u8) {
        let layout = [&[version, class][..], &layout].concat();
        judged("x.h5", &file(&data(&kind, 40, &layout, &filters), &[0x80; 200]));
        judged("x.h5", &file(&data(&BYTES, 40, &layout, &filters), &[0x80; 200]));
    }

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
