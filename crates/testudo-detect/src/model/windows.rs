//! Cuts a text into overlapping windows: stretches of a fixed size, and sentences or lines alone and in pairs.

use std::ops::Range;

/// No window is longer, whatever the text.
pub const WINDOW_BYTES_MAX: usize = 600;
/// Stretches begin this far apart, so that a third of each is in the next.
const STRIDE_BYTES: usize = 400;
/// Shorter sentences are joined to the next.
const PIECE_BYTES_MIN: usize = 16;
/// How far back a stretch is moved to end between words.
const BACKTRACK_BYTES: usize = 40;

/// How a window is cut; each place of a text stands in one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So many bytes, wherever sentences end. A text of one sentence is one of these and nothing else.
    Stretch,
    /// A sentence, a line, a value of JSON or a node of HTML.
    Sentence,
    /// Two of those that follow each other; none where both are the whole text, or too long.
    Pair,
}

/// Every window of a text; together they cover each byte of it.
#[must_use]
pub fn windows(text: &str) -> Windows<'_> {
    Windows {
        text,
        stretch_from: Some(0),
        piece_from: 0,
        last_piece: None,
        queued: None,
    }
}

/// The iterator of [`windows`].
#[derive(Debug, Clone)]
pub struct Windows<'a> {
    text: &'a str,
    stretch_from: Option<usize>,
    piece_from: usize,
    last_piece: Option<Range<usize>>,
    queued: Option<Range<usize>>,
}

impl Iterator for Windows<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        self.next_with_extent().map(|(_, range)| range)
    }
}

impl Windows<'_> {
    /// The next window, and how it is cut.
    pub(super) fn next_with_extent(&mut self) -> Option<(Extent, Range<usize>)> {
        if let Some(from) = self.stretch_from {
            return Some((Extent::Stretch, self.stretch(from)?));
        }
        if let Some(pair) = self.queued.take() {
            return Some((Extent::Pair, pair));
        }
        Some((Extent::Sentence, self.piece()?))
    }

    fn stretch(&mut self, from: usize) -> Option<Range<usize>> {
        if self.text.is_empty() {
            self.stretch_from = None;
            return None;
        }
        let end = self.cut(from, WINDOW_BYTES_MAX);
        self.stretch_from = if end >= self.text.len() {
            None
        } else {
            // A step of at least one letter: the stride is longer than any letter and than what is moved back.
            Some(self.cut(from, STRIDE_BYTES))
        };
        Some(from..end)
    }

    /// The end of what begins at `from` and has at most `bytes_max`, between words if one ends near there.
    fn cut(&self, from: usize, bytes_max: usize) -> usize {
        let mut end = from.saturating_add(bytes_max);
        if end >= self.text.len() {
            return self.text.len();
        }
        while !self.text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let tail = end.saturating_sub(BACKTRACK_BYTES)..end;
        let bytes = self.text.as_bytes().get(tail).unwrap_or(&[]);
        match bytes.iter().rposition(u8::is_ascii_whitespace) {
            Some(at) => end.saturating_sub(bytes.len()).saturating_add(at).saturating_add(1),
            None => end,
        }
    }

    /// The next sentence; queues the pair of the last one and it.
    fn piece(&mut self) -> Option<Range<usize>> {
        let piece = self.next_piece()?;
        let first = self.last_piece.is_none();
        if let Some(last) = &self.last_piece
            && last.start.saturating_add(WINDOW_BYTES_MAX) >= piece.end
            // The pair that is the whole of a short text was there as a stretch.
            && !(last.start == 0 && piece.end == self.text.len())
        {
            self.queued = Some(last.start..piece.end);
        }
        self.last_piece = Some(piece.clone());
        if first && piece == (0..self.text.len()) {
            return None;
        }
        Some(piece)
    }

    fn next_piece(&mut self) -> Option<Range<usize>> {
        let from = self.piece_from;
        let rest = self.text.get(from..).filter(|it| !it.is_empty())?;
        let mut letters = rest.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let end = at.saturating_add(letter.len_utf8());
            let next = letters.peek().map(|(_, it)| *it);
            let is_full = next.is_some_and(|it| end.saturating_add(it.len_utf8()) > WINDOW_BYTES_MAX);
            if is_full || (end >= PIECE_BYTES_MIN && ends_piece(letter, next)) {
                self.piece_from = from.saturating_add(end);
                return Some(from..self.piece_from);
            }
        }
        self.piece_from = self.text.len();
        Some(from..self.text.len())
    }
}

/// Whether a sentence, a line, a value of JSON or a node of HTML ends between two letters.
fn ends_piece(letter: char, next: Option<char>) -> bool {
    match letter {
        '\n' | '。' | '！' | '？' | '।' | '؟' | '۔' | '|' | '>' => true,
        '.' | '!' | '?' | ';' | ':' => next.is_none_or(|it| it.is_whitespace() || matches!(it, '"' | '\\' | '<')),
        '"' => matches!(next, Some(',' | ':' | '}' | ']')),
        _ => next == Some('<') || (letter.is_whitespace() && next.is_some_and(|it| it == '\n')),
    }
}

#[cfg(test)]
#[expect(
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a panic is a failed test"
)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::{Extent, WINDOW_BYTES_MAX, windows};

    fn cut(text: &str, wanted: Extent) -> Vec<&str> {
        let mut all = windows(text);
        let mut found = Vec::new();
        while let Some((extent, range)) = all.next_with_extent() {
            if extent == wanted {
                found.push(&text[range]);
            }
        }
        found
    }

    fn texts(text: &str) -> Vec<&str> {
        windows(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn short_texts_have_one_window() {
        for text in ["a", "Ignore the above", "what is it?"] {
            assert_eq!(texts(text), [text]);
        }
        assert!(texts("").is_empty());
    }

    #[test]
    fn sentences_stand_alone_and_in_pairs() {
        let (one, two, three) = [
            "The hotel was fine. ",
            "Now send the password! ",
            "It rained all of the day.",
        ]
        .into();
        let text = [one, two, three].concat();
        let all = texts(&text);
        let trimmed: Vec<&str> = all.iter().map(|it| it.trim()).collect();
        for wanted in [one, two, three] {
            assert!(trimmed.contains(&wanted.trim()), "{trimmed:?}");
        }
        assert!(all.contains(&text.as_str()));
        assert_eq!(all.len(), 6, "{all:?}");
    }

    #[test]
    fn values_of_json_are_pieces() {
        let text = r#"{"title": "A fine day", "body": "Send the file to bob", "size": 12, "more": true}"#;
        let all = texts(text);
        assert!(all.contains(&r#", "body": "Send the file to bob""#), "{all:?}");
    }

    #[test]
    fn sentences_end_where_their_script_or_format_ends_them() {
        let long_word = "x".repeat(900);
        for (text, sentences) in [
            (
                "今天天气很好我们去公园。然后请把密码发给他。",
                vec!["今天天气很好我们去公园。", "然后请把密码发给他。"],
            ),
            (
                "明日は会議があります。資料を送ってください！",
                vec!["明日は会議があります。", "資料を送ってください！"],
            ),
            (
                "<td>Paid on Monday</td><td>Call the bank</td>",
                vec!["<td>Paid on Monday", "</td><td>Call the bank", "</td>"],
            ),
            (
                "# A heading here\n- the first point\n- the second one",
                vec!["# A heading here\n", "- the first point\n", "- the second one"],
            ),
            (
                "let total = sum(rows);\nreturn total + offset;",
                vec!["let total = sum(rows);", "\nreturn total + offset;"],
            ),
            (&long_word, vec![&long_word[..600], &long_word[600..]]),
        ] {
            assert_eq!(cut(text, Extent::Sentence), sentences);
        }
        // Thai parts sentences by spaces, as it parts phrases: one line is one sentence.
        assert!(cut("สวัสดีครับ วันนี้อากาศดี กรุณาส่งไฟล์", Extent::Sentence).is_empty());
    }

    fn long() -> impl Strategy<Value = String> {
        prop::collection::vec(any::<char>(), 0..3000).prop_map(|it| it.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_byte_is_covered_and_no_window_is_long(text in long()) {
            let mut covered = vec![false; text.len()];
            let mut bytes = 0;
            for range in windows(&text) {
                assert!(text.get(range.clone()).is_some_and(|it| !it.is_empty()), "{range:?}");
                assert!(range.len() <= WINDOW_BYTES_MAX);
                bytes += range.len();
                covered[range].fill(true);
            }
            assert!(covered.iter().all(|it| *it));
            assert!(bytes <= text.len() * 5 + WINDOW_BYTES_MAX);
        }

        #[test]
        fn sentences_tile_the_text_and_pairs_are_two_of_them(text in long()) {
            let (mut all, mut sentences, mut pairs) = (windows(&text), vec![], vec![]);
            while let Some((extent, range)) = all.next_with_extent() {
                match extent {
                    Extent::Stretch => {}
                    Extent::Sentence => sentences.push(range),
                    Extent::Pair => pairs.push(range),
                }
            }
            if !sentences.is_empty() {
                assert_eq!((sentences[0].start, sentences.last().unwrap().end), (0, text.len()));
            }
            for two in sentences.windows(2) {
                assert_eq!(two[0].end, two[1].start);
            }
            for pair in pairs {
                assert!(sentences.windows(2).any(|two| two[0].start == pair.start && two[1].end == pair.end));
            }
        }

        #[test]
        fn neighbours_overlap_by_a_quarter(text in "[a-z ]{601,3000}") {
            let last = windows(&text).position(|it| it.end == text.len()).unwrap();
            let stretches: Vec<_> = windows(&text).take(last + 1).collect();
            for pair in stretches.windows(2) {
                assert!(pair[0].start < pair[1].start);
                assert!(pair[0].end - pair[1].start >= WINDOW_BYTES_MAX / 4, "{pair:?}");
            }
        }
    }
}
