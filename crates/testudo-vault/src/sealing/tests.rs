//! Known answers of another implementation, and everything that must not open.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "lengths in tests are small and known"
)]

use proptest::prelude::*;

use super::*;

/// Around every boundary of a piece.
const LENGTHS: [usize; 9] = [0, 1, 16383, 16384, 16385, 32767, 32768, 32769, 50_000];

fn key() -> InputKey {
    let bytes: Vec<u8> = (0..32).collect();
    InputKey::from_slice(&bytes).unwrap()
}

fn message(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 7) % 251) as u8).collect()
}

fn hash(bytes: &[u8]) -> String {
    crate::hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

#[test]
fn known_answers_hold() {
    // Made with HKDFExpand and AESGCM of Python's `cryptography`, from the text of the specification.
    let answers = [
        (0, "a3512651e7a49724e97dd274a41206b8a5f7cfb47c92e5ce97b51a81ceb1d939"),
        (1, "391e3e0a4926fc643eabead9df865e5ad3d3b660385b121dd66515080f9fe3c8"),
        (
            16383,
            "dc83c42597e2d8c1a7b4dad794a8246a63b9bc1421c2774e1788041f43a52a16",
        ),
        (
            16384,
            "db8e245c49368dd00c278d83439c5c9e9d6c79b70bf970543f48cdb2fccbb1d9",
        ),
        (
            16385,
            "b40b617a3ff9ff207291a5fa1db858a9f165c653f41b64ad2804f3740a50028e",
        ),
        (
            50_000,
            "d7c77d3f99a7fe7cbb74347a7184cb076956d5c05539296310cb75c85239d5c9",
        ),
    ];
    let salt: Vec<u8> = (100..124).collect();
    for (length, expected) in answers {
        let mut out = Vec::new();
        let mut sealer = Sealer::with_salt(&key(), salt.clone().try_into().unwrap(), b"context", &mut out).unwrap();
        sealer.push(&message(length), &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        assert_eq!(hash(&out), expected, "{length}");
        assert_eq!(open(&key(), b"context", &out).unwrap(), message(length));
        let length = length as u64;
        assert_eq!(Shape::of_plain(length).sealed(), out.len() as u64);
        assert_eq!(Shape::of_sealed(out.len() as u64).unwrap(), Shape::of_plain(length));
    }
}

#[test]
fn every_length_but_the_right_one_is_truncated_or_changed() {
    for length in LENGTHS {
        let sealed = seal(&key(), b"c", &message(length)).unwrap();
        for cut in (0..sealed.len())
            .step_by(97)
            .chain([sealed.len() - 1, HEAD_BYTES, HEAD_BYTES + 15])
        {
            assert!(
                open(&key(), b"c", &sealed[..cut.min(sealed.len() - 1)]).is_err(),
                "{length} {cut}"
            );
        }
        let mut longer = sealed;
        longer.push(0);
        assert!(open(&key(), b"c", &longer).is_err(), "{length}");
    }
    // Cut exactly between two pieces: the specification calls that out.
    let sealed = seal(&key(), b"c", &message(40_000)).unwrap();
    let whole = HEAD_BYTES + SEALED_PIECE_BYTES;
    assert_eq!(open(&key(), b"c", &sealed[..whole]), Err(SealError::Truncated));
    assert_eq!(open(&key(), b"c", &sealed[..HEAD_BYTES]), Err(SealError::Truncated));
}

#[test]
fn pieces_belong_to_their_place_and_their_message() {
    let one = seal(&key(), b"c", &message(40_000)).unwrap();
    let two = seal(&key(), b"c", &message(40_000)).unwrap();
    let first = HEAD_BYTES..HEAD_BYTES + SEALED_PIECE_BYTES;
    let second = first.end..first.end + SEALED_PIECE_BYTES;
    let mut swapped = one.clone();
    swapped[first.clone()].copy_from_slice(&one[second.clone()]);
    swapped[second].copy_from_slice(&one[first.clone()]);
    assert_eq!(open(&key(), b"c", &swapped), Err(SealError::Changed));
    let mut spliced = one.clone();
    spliced[first.clone()].copy_from_slice(&two[first]);
    assert_eq!(open(&key(), b"c", &spliced), Err(SealError::Changed));
    let mut beheaded = one;
    beheaded[..HEAD_BYTES].copy_from_slice(&two[..HEAD_BYTES]);
    assert_eq!(open(&key(), b"c", &beheaded), Err(SealError::Changed));
}

#[test]
fn another_key_or_context_opens_nothing() {
    let sealed = seal(&key(), b"model/a", &message(5)).unwrap();
    assert_eq!(open(&key(), b"model/b", &sealed), Err(SealError::Commitment));
    assert_eq!(open(&key(), b"", &sealed), Err(SealError::Commitment));
    let other = InputKey::random().unwrap();
    assert_eq!(open(&other, b"model/a", &sealed), Err(SealError::Commitment));
    assert_eq!(format!("{other:?}"), "InputKey([redacted])");
    assert!(InputKey::from_slice(&[0; 31]).is_err());
}

proptest! {
    #[test]
    fn one_flipped_bit_opens_nothing(length in 0usize..40_000, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut sealed = seal(&key(), b"c", &message(length)).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(open(&key(), b"c", &sealed).is_err());
    }

    #[test]
    fn any_piece_opens_alone_however_it_was_pushed(
        length in 0usize..70_000, cuts in prop::collection::vec(1usize..20_000, 1..5), piece in 0u64..6,
    ) {
        let plain = message(length);
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(&key(), b"c", &mut sealed).unwrap();
        let (mut rest, mut cut) = (plain.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
            sealer.push(now, &mut sealed).unwrap();
            rest = later;
        }
        sealer.finish(&mut sealed).unwrap();
        let opener = Opener::new(&key(), b"c", &sealed[..HEAD_BYTES], sealed.len() as u64).unwrap();
        prop_assert_eq!(opener.shape().plain(), length as u64);
        let range = opener.shape().range(piece);
        let mut part = sealed[range.start as usize..range.end as usize].to_vec();
        if piece < opener.shape().pieces() {
            let start = piece as usize * PIECE_BYTES;
            let expected = &plain[start..(start + PIECE_BYTES).min(length)];
            prop_assert_eq!(opener.open(piece, &mut part).unwrap(), expected);
        } else {
            prop_assert!(opener.open(piece, &mut part).is_err());
        }
    }

    #[test]
    fn no_length_crashes(sealed in any::<u64>()) {
        if let Ok(shape) = Shape::of_sealed(sealed) {
            prop_assert_eq!(Shape::of_plain(shape.plain()), shape);
        }
    }
}

#[test]
fn runs_of_pieces_open_to_what_they_hold() {
    let plain = message(5 * PIECE_BYTES + 77);
    let sealed = seal(&key(), b"c", &plain).unwrap();
    let length = sealed.len() as u64;
    let opener = Opener::new(&key(), b"c", &sealed[..HEAD_BYTES], length).unwrap();
    let shape = opener.shape();
    let run = |from: u64, to: u64| {
        let range = shape.range(from).start..shape.range(to).end;
        sealed[range.start as usize..range.end as usize].to_vec()
    };
    for (from, to) in [(0, 5), (0, 0), (5, 5), (1, 3), (4, 5)] {
        let mut opened = run(from, to);
        opener.open_run(from, &mut opened).unwrap();
        let end = plain.len().min((to as usize + 1) * PIECE_BYTES);
        assert_eq!(opened, plain[from as usize * PIECE_BYTES..end], "{from}..={to}");
    }
    let mut wrong = run(1, 3);
    assert_eq!(opener.open_run(2, &mut wrong), Err(SealError::Changed));
    let mut cut = run(1, 3);
    cut.pop();
    assert_eq!(opener.open_run(1, &mut cut), Err(SealError::Truncated));
    let mut longer = run(4, 5);
    longer.push(0);
    assert_eq!(opener.open_run(4, &mut longer), Err(SealError::Truncated));
    let mut flipped = run(0, 5);
    flipped[3 * SEALED_PIECE_BYTES] ^= 1;
    assert_eq!(opener.open_run(0, &mut flipped), Err(SealError::Changed));
}
