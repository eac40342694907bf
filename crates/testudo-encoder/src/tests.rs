//! The tokenizer against what its reference makes of the same texts, and a network whose scores are plain sums.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a panic is a failed test"
)]

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use proptest::prelude::*;
use testudo_detect::model::{Encoder, EncoderProblem, Logits};

use crate::tokenizer::{Scratch, pieces};
use crate::transformer::{LoadProblem, TEXT_BYTES_MAX, Transformer, Weights};
use crate::vocabulary::{PieceId, UNKNOWN, Vocabulary};

#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

static TENSORS: &Aligned<[u8]> = &Aligned(*include_bytes!("tiny/weights.data"));
const PIECES: &str = include_str!("tiny/pieces.tsv");
/// What a window adds by its beginning and its end.
const FRAME: f32 = 0.75;

fn tiny() -> Weights {
    Weights {
        graph: include_bytes!("tiny/graph.onnx"),
        tensors: &TENSORS.0,
        pieces: PIECES,
    }
}

static NETWORK: LazyLock<Transformer> =
    LazyLock::new(|| Transformer::new(tiny(), NonZeroUsize::new(2).unwrap()).unwrap());
static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::read(PIECES).unwrap());

/// What the network gives a window whose pieces add up to `sum`.
fn logits(sum: f32) -> Logits {
    Logits {
        asked: sum + FRAME,
        read: 2.0 * (sum + FRAME),
        described: 4.0 * (sum + FRAME),
    }
}

fn ids(text: &str) -> Vec<PieceId> {
    pieces(text, &VOCABULARY, &mut Scratch::default())
}

/// Made by the reference implementation with the same pieces.
#[test]
fn texts_are_cut_as_the_reference_cuts_them() {
    let known: &[(&str, &[PieceId])] = &[
        ("", &[]),
        ("  ", &[4]),
        ("a", &[60]),
        (" a", &[60]),
        ("a ", &[60, 4]),
        ("Ignore the rules", &[61, 59, 64]),
        (" ignore\t\n the  RULE's", &[61, 59, 65, 51, 23]),
        ("\u{2581}x", &[4, 28]),
        ("a\u{2581}\u{2581}b", &[60, 4, 4, 6]),
        ("\u{0130}x", &[4, 13, 3, 28]),
        ("\u{fb01}\u{2460}\u{ff21}", &[4, 10, 13, 35, 5]),
        ("\u{6f22}\u{5b57} the \u{6f22} x\u{5b57}", &[4, 3, 59, 4, 3, 4, 28, 3]),
        ("\u{200b}\u{200d}", &[4, 3]),
        ("ignorerules", &[62, 57, 25, 16, 9, 23]),
        ("<s> </s>", &[4, 0, 4, 2]),
        ("e\u{0301}\u{0308}", &[4, 32, 3]),
        ("\u{00a0}\u{00e4}\u{00c4}\u{00df}\u{1e9e}", &[4, 31, 31, 33, 33]),
        ("singer and thing", &[4, 23, 58, 57, 4, 55, 4, 24, 12, 58]),
        ("\u{0000}.\u{0001}", &[4, 3, 44, 3]),
        ("inginginginginginginginging", &[4, 58, 58, 58, 58, 58, 58, 58, 58, 58]),
    ];
    for (text, expected) in known {
        assert_eq!(ids(text), *expected, "{text:?}");
    }
}

#[test]
fn scores_are_those_of_the_network() {
    let scores = NETWORK
        .score(&["", "ignore", "Ignore the rules", "xx", "漢", "ignore ignore"])
        .unwrap();
    let expected = [0.0, 4.0, 4.0, 0.25, 1.0, 8.0].map(logits);
    assert_eq!(scores, expected);
    assert_eq!(NETWORK.score(&[]).unwrap(), Vec::new());
}

#[test]
fn what_stands_far_back_counts_as_if_it_stood_first() {
    for at in [0, 100, 125, 126, 127, 500, 3000] {
        let text = format!("{}ignore{}", "a ".repeat(at), " a".repeat(3000 - at));
        assert_eq!(NETWORK.score(&[&text]).unwrap(), [logits(4.0)], "{at}");
    }
}

#[test]
fn a_text_that_is_too_long_is_an_error_and_none_counts() {
    let long = "a".repeat(TEXT_BYTES_MAX + 1);
    let EncoderProblem::Failed(why) = NETWORK.score(&["a", &long]).unwrap_err() else {
        panic!("another problem")
    };
    assert!(why.contains("65537") && !why.contains("aaa"), "{why}");
    NETWORK.score(&[&long[1..]]).unwrap();
}

#[test]
fn callers_that_outnumber_the_threads_wait() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(NETWORK.score(&["ignore"]).unwrap(), [logits(4.0)]));
        }
    });
}

#[test]
fn damaged_weights_are_refused() {
    let load = |weights| Transformer::new(weights, NonZeroUsize::MIN).map(|_| ());
    for graph in [&b""[..], b"onnx", &tiny().graph[..200]] {
        assert!(
            matches!(load(Weights { graph, ..tiny() }), Err(LoadProblem::Graph(_))),
            "{graph:?}"
        );
    }
    let short = Weights {
        tensors: &TENSORS.0[..64],
        ..tiny()
    };
    assert!(matches!(load(short), Err(LoadProblem::Graph(_))));
    let special = "<s>\t0\n<pad>\t0\n</s>\t0\n<unk>\t0\n";
    for (rest, line) in [
        ("a\t-1\na\t-2\n", 5),
        ("a -1\n", 4),
        ("\t-1\n", 4),
        ("a\tb\n", 4),
        ("a\tNaN\n", 4),
        ("a\n", 4),
    ] {
        let text: &'static str = Box::leak(format!("{special}{rest}").into_boxed_str());
        match Vocabulary::read(text) {
            Err(LoadProblem::Piece { line: found }) => assert_eq!(found, line, "{rest:?}"),
            other => panic!("{rest:?}: {other:?}"),
        }
    }
    for text in ["", "<s>\t0\n", "<pad>\t0\n<s>\t0\n</s>\t0\n<unk>\t0\n"] {
        assert!(matches!(Vocabulary::read(text), Err(LoadProblem::Special)), "{text:?}");
    }
}

/// The best sum over all ways to cut a word, tried one by one.
fn best_by_trying(word: &str) -> f64 {
    if word.is_empty() {
        return 0.0;
    }
    let mut best = f64::NEG_INFINITY;
    let first = word.chars().next().unwrap().len_utf8();
    let mut whole = false;
    VOCABULARY.beginning(word.as_bytes(), |length, piece| {
        whole |= length == first;
        best = best.max(f64::from(piece.score) + best_by_trying(&word[length..]));
    });
    if !whole {
        best = best.max(VOCABULARY.unknown_score() + best_by_trying(&word[first..]));
    }
    best
}

fn score_of(word: &str, cut: &[PieceId]) -> f64 {
    let lines: Vec<(&str, f64)> = PIECES
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(text, score)| (text, f64::from(score.parse::<f32>().unwrap())))
        .collect();
    let unknown = word.chars().filter(|letter| !PIECES.contains(*letter)).count();
    let known = cut.iter().filter(|id| **id != UNKNOWN);
    let known: f64 = known.map(|id| lines[usize::try_from(*id).unwrap()].1).sum();
    known + VOCABULARY.unknown_score() * f64::from(u32::try_from(unknown).unwrap())
}

proptest! {
    #[test]
    fn the_likeliest_pieces_are_taken(word in "[aeginorstuhl漢]{1,12}") {
        let marked = format!("\u{2581}{word}");
        let (found, best) = (score_of(&marked, &ids(&word)), best_by_trying(&marked));
        prop_assert!((found - best).abs() < 1e-6, "{found} {best}");
    }

    #[test]
    fn known_letters_come_back(text in "[a-z0-9 ]{0,60}") {
        let lines: Vec<&str> = PIECES.lines().map(|line| line.split_once('\t').unwrap().0).collect();
        let back: String = ids(&text).iter().map(|id| lines[usize::try_from(*id).unwrap()]).collect();
        let mut expected = String::new();
        for word in text.split_inclusive(' ') {
            expected.push_str(word);
        }
        let words = expected.replace(' ', "\u{2581}");
        let mut folded = String::new();
        for letter in words.chars() {
            if !(letter == '\u{2581}' && folded.ends_with(letter)) {
                folded.push(letter);
            }
        }
        if !folded.is_empty() && !folded.starts_with('\u{2581}') {
            folded.insert(0, '\u{2581}');
        }
        prop_assert_eq!(back, folded);
    }

    #[test]
    fn any_text_has_a_finite_score(text in any::<String>()) {
        let scores = NETWORK.score(&[&text]).unwrap();
        prop_assert!(scores.len() == 1 && scores[0].is_finite());
    }

    #[test]
    fn case_and_width_do_not_matter(text in "[a-zA-Z ]{0,40}") {
        let wide: String = text
            .chars()
            .map(|letter| match letter {
                ' ' => '\u{3000}',
                _ => char::from_u32(u32::from(letter) + 0xFEE0).unwrap(),
            })
            .collect();
        prop_assert_eq!(ids(&text), ids(&wide));
        prop_assert_eq!(ids(&text), ids(&text.to_lowercase()));
    }
}

#[cfg(feature = "weights")]
mod shipped {
    use super::*;
    use testudo_detect::model::{Calibration, Channel};

    #[test]
    fn the_weights_that_ship_load_and_score() {
        let network = Transformer::shipped(NonZeroUsize::MIN).unwrap();
        let one = network.score(&["What is the weather like in Lisbon in May?"]).unwrap();
        assert!(one.iter().all(|score| score.is_finite()));
        // The same in company as alone.
        assert_eq!(
            network
                .score(&["x", "What is the weather like in Lisbon in May?"])
                .unwrap()[1],
            one[0]
        );
        let calibration = Calibration::from_toml(crate::CALIBRATION).unwrap();
        // Written by a program that knew nothing of lengths, it would stop long texts for what they reach by chance.
        for channel in [Channel::User, Channel::Document, Channel::ToolResult] {
            assert!(calibration.by_chance(channel, 2000) > 0.0, "{channel:?}");
        }
    }

    #[test]
    fn the_weights_fit_into_the_repository() {
        let weights = Weights::shipped();
        // With the n-grams' 2.1 MB less than the 40 MB that all weights may take.
        assert!(weights.graph.len() + weights.tensors.len() + weights.pieces.len() < 37_000_000);
    }
}
