//! Records read back, and every other byte is seen.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

fn record(index: u64) -> Record<'static> {
    Record {
        index,
        salt: &[5; 32],
        wrapped_key: b"wrapped",
        nonce: &[6; 12],
        sealed: b"sealed content and a tag",
    }
}

fn file(indexes: &[u64]) -> Vec<u8> {
    let mut file = Vec::new();
    for index in indexes {
        append(&mut file, &record(*index).encode().unwrap()).unwrap();
    }
    file
}

type Error = FileError<Infallible>;

/// Gives bytes in pieces of a few at most, as a file may.
fn pieces(file: &[u8], most: usize) -> impl FnMut(u64, usize) -> Result<Vec<u8>, Infallible> + '_ {
    move |offset, len| {
        let rest = file.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        Ok(rest[..rest.len().min(len).min(most)].to_vec())
    }
}

/// What is read until the first error; both ways of reading must agree.
fn read(file: &[u8], window: u64) -> Result<Vec<u64>, RecordError> {
    let (places, error) = places(Records::new(window, pieces(file, 7)));
    let mut records = Records::new(window, pieces(file, usize::MAX));
    for place in &places {
        let (found, record) = records.next_record().unwrap().unwrap();
        assert_eq!((found, record.index), (*place, place.index));
    }
    assert_eq!(records.next_record().err(), error);
    // It stays where it is.
    assert_eq!(records.next_record().err(), error);
    match error {
        None => Ok(places.iter().map(|it| it.index).collect()),
        Some(FileError::Damaged { at, error }) => {
            assert_eq!(at, places.last().map_or(0, |it| it.end));
            Err(error)
        }
        Some(FileError::Read(never)) => match never {},
    }
}

fn places<R: FnMut(u64, usize) -> Result<Vec<u8>, Infallible>>(mut records: Records<R>) -> (Vec<Place>, Option<Error>) {
    let mut places = Vec::new();
    loop {
        match records.next_place() {
            Ok(Some(place)) => places.push(place),
            Ok(None) => return (places, None),
            Err(error) => return (places, Some(error)),
        }
    }
}

/// The layout and the commitment are promises to old files; computed here by hand.
#[test]
fn the_bytes_stay_as_they_are() {
    let mut expected = b"TSP1\0\0\0\0\0\0\x01\x02".to_vec();
    expected.extend([5; 32]);
    expected.extend(b"\0\x07wrapped");
    expected.extend([6; 12]);
    expected.extend(b"sealed content and a tag");
    let bytes = record(258).encode().unwrap();
    assert_eq!(bytes, expected);

    expected.drain(12..44);
    let inner = Sha256::digest(&expected);
    let outer = Sha256::digest([&[5; 32][..], inner.as_slice()].concat());
    assert_eq!(record(258).commitment().as_bytes(), outer.as_slice());
    assert_eq!(
        associated_data(
            "testudo/1",
            258,
            "exchange",
            &TenantPseudonym::from_bytes([0; 16]),
            &SubjectPseudonym::from_bytes([0xff; 16]),
        ),
        [
            &b"testudo/payload/v1\0testudo/1\0\0\0\0\0\0\0\x01\x02exchange\0"[..],
            b"ten_00000000000000000000000000000000\0sub_ffffffffffffffffffffffffffffffff",
        ]
        .concat()
    );
    assert_eq!(path(1_234_067), "payload/x001/x234/067");
}

#[test]
fn every_flipped_byte_changes_the_commitment_or_is_no_record() {
    let bytes = record(7).encode().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(read) = Record::decode(&flipped) {
                assert_ne!(read.commitment(), record(7).commitment(), "byte {at}");
            }
        }
    }
}

#[test]
fn what_is_not_a_record() {
    let bytes = record(7).encode().unwrap();
    let check = |bytes: &[u8], expected: RecordError| assert_eq!(Record::decode(bytes), Err(expected));
    check(b"", RecordError::Ends);
    check(b"TSP", RecordError::Ends);
    check(&[&b"TSP2"[..], &bytes[4..]].concat(), RecordError::Magic);
    for end in 4..bytes.len().saturating_sub("sealed c".len()) {
        check(&bytes[..end], RecordError::Ends);
    }
    let mut long_key = bytes.clone();
    long_key[44..46].copy_from_slice(&[0xff, 0xff]);
    check(&long_key, RecordError::Ends);

    let short = Record {
        sealed: b"less than a tag",
        ..record(7)
    };
    assert_eq!(short.encode(), Err(RecordError::Ends));
    let key = vec![0; 65_536];
    let wide = Record {
        wrapped_key: &key,
        ..record(7)
    };
    assert_eq!(wide.encode(), Err(RecordError::KeyTooLong { bytes: 65_536 }));
}

#[test]
fn a_file_holds_ascending_records_of_its_window_and_nothing_else() {
    assert_eq!(read(b"", 0), Ok(vec![]));
    assert_eq!(read(&file(&[0, 1, 255]), 0), Ok(vec![0, 1, 255]));
    assert_eq!(read(&file(&[512, 767]), 2), Ok(vec![512, 767]));
    let check = |file: &[u8], window: u64, expected: RecordError| assert_eq!(read(file, window), Err(expected));
    let outside = |index, first, last| RecordError::Window { index, first, last };
    check(&file(&[256]), 0, outside(256, 0, 255));
    check(&file(&[255]), 1, outside(255, 256, 511));
    check(&file(&[0]), u64::MAX, outside(0, u64::MAX, u64::MAX));
    check(&file(&[3, 3]), 0, RecordError::Order { index: 3 });
    check(&file(&[3, 2]), 0, RecordError::Order { index: 2 });
    let good = file(&[3]);
    for end in 1..good.len() {
        check(&good[..end], 0, RecordError::Ends);
    }
    check(&[&good[..], b"\0"].concat(), 0, RecordError::Ends);
    check(&[&good[..], &[0; 4]].concat(), 0, RecordError::Ends);
    check(&[0xff; 300], 0, RecordError::TooLong { bytes: 0xffff_ffff });
    // Lengths that no record has, and a mark that is none.
    let flipped = |at: usize, bits: u8| {
        let mut bytes = file(&[3, 4]);
        bytes[at] ^= bits;
        bytes
    };
    check(
        &flipped(0, 0x80),
        0,
        RecordError::TooLong {
            bytes: (1 << 31) + good.len() - 4,
        },
    );
    check(&flipped(2, 1), 0, RecordError::Ends);
    check(&flipped(3, 0x40), 0, RecordError::Ends);
    check(&flipped(3, 1), 0, RecordError::TooLong { bytes: 0x6700_0000 });
    check(&flipped(4, 1), 0, RecordError::Magic);
    check(&flipped(good.len() + 4, 1), 0, RecordError::Magic);
}

#[test]
fn what_is_being_written_is_not_read() {
    let whole = file(&[1, 2, 9, 10]);
    let one = whole.len() / 4;
    let below = |file: &[u8], size| {
        let (places, error) = places(Records::below(0, size, pieces(file, 7)));
        (places.iter().map(|it| it.index).collect::<Vec<_>>(), error)
    };
    assert_eq!(below(&whole, 9), (vec![1, 2], None));
    assert_eq!(below(&whole[..2 * one + 20], 3), (vec![1, 2], None));
    assert_eq!(below(&whole[..2 * one + 20], 9), (vec![1, 2], None));
    // What is under the tree has to be whole.
    let ends = |at: usize| {
        Some(FileError::Damaged {
            at: u64::try_from(at).unwrap(),
            error: RecordError::Ends,
        })
    };
    assert_eq!(below(&whole[..2 * one + 20], 10), (vec![1, 2], ends(2 * one)));
    assert_eq!(below(&whole[..2 * one + 15], 3), (vec![1, 2], ends(2 * one)));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        index: u64,
        salt: [u8; 32],
        nonce: [u8; 12],
        wrapped_key in proptest::collection::vec(any::<u8>(), 0..300),
        sealed in proptest::collection::vec(any::<u8>(), 16..300),
    ) {
        let record = Record { index, salt: &salt, wrapped_key: &wrapped_key, nonce: &nonce, sealed: &sealed };
        let bytes = record.encode().unwrap();
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
        let mut file = Vec::new();
        append(&mut file, &bytes).unwrap();
        prop_assert_eq!(read(&file, index / 256), Ok(vec![index]));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 0..200_usize) {
        let mut bytes = [&file(&[1, 2]), &bytes[..]].concat();
        bytes.truncate(keep);
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.encode().unwrap(), bytes.clone());
        }
        let mut records = Records::new(0, pieces(&bytes, 50));
        let mut written = Vec::new();
        while let Ok(Some((place, record))) = records.next_record() {
            prop_assert_eq!(place.start, u64::try_from(written.len()).unwrap());
            append(&mut written, &record.encode().unwrap()).unwrap();
        }
        prop_assert!(bytes.starts_with(&written));
    }
}
