//! The system prompt in other clothes: reformatted, encoded, turned around.
//!
//! Letters and digits of the answer are read in several ways at once, each a
//! [`Lane`]: as they stand, 13 letters on, backwards, and as what base64 and hex
//! decode to. Formatting between them (blanks, line breaks, punctuation, quotes,
//! capitals) is nothing to any lane.

use std::collections::VecDeque;

use testudo_types::Score;

use crate::output::{fold, rot13, sextet};
use crate::suffix_automaton::{Matched, SuffixAutomaton};
use crate::{Hit, RuleIndex};

/// Letters and digits in common from which a plain stretch is a leak.
const PLAIN_BYTES_MIN: usize = 40;
/// Of an encoded stretch: nobody writes these by chance.
const ENCODED_BYTES_MIN: usize = 24;
/// A prompt with fewer letters and digits cannot be told from ordinary writing.
const WHOLE_BYTES_MIN: usize = 20;
/// Letters and digits of the prompt that are remembered, in bytes.
const FOLDED_BYTES_MAX: usize = 16 * 1024;
/// A stretch is reported at the latest after this many bytes of the answer, and spread over no more.
const STRETCH_BYTES_MAX: usize = 8 * 1024;
/// Letters and digits of one stretch that are followed.
const MATCHED_BYTES_MAX: usize = 4096;

/// Prompts that everybody uses and nobody minds being known.
const COMMON: &[&str] = &[
    "youareahelpfulassistant",
    "youareahelpfulaiassistant",
    "youareahelpfulassistantansweranyquestions",
    "youareaconciseassistant",
];

/// The letters and digits of one prompt, forwards and backwards.
pub(super) struct Folded {
    forwards: SuffixAutomaton,
    backwards: SuffixAutomaton,
    plain_min: usize,
    encoded_min: usize,
}

impl Folded {
    /// `None` when the prompt is too short or too common to be recognised.
    pub(super) fn of(prompt: &str) -> Option<Self> {
        let mut folded = String::new();
        for c in prompt.chars().filter_map(fold) {
            if folded.len().saturating_add(c.len_utf8()) > FOLDED_BYTES_MAX {
                break;
            }
            folded.push(c);
        }
        if folded.len() < WHOLE_BYTES_MIN || COMMON.contains(&folded.as_str()) {
            return None;
        }
        let backwards: String = folded.chars().rev().collect();
        Some(Self {
            plain_min: PLAIN_BYTES_MIN.min(folded.len()),
            encoded_min: ENCODED_BYTES_MIN.min(folded.len()),
            forwards: SuffixAutomaton::new(folded.as_bytes()),
            backwards: SuffixAutomaton::new(backwards.as_bytes()),
        })
    }
}

/// Reads an answer in all lanes.
#[derive(Debug, Default)]
pub(super) struct Dressed {
    plain: Lane,
    turned: Lane,
    backwards: Lane,
    base64: Sextets,
    base64_lines: Sextets,
    hex: Nibbles,
    at: usize,
}

impl Dressed {
    /// Reads one character.
    pub(super) fn read(&mut self, folded: &Folded, c: char, hits: &mut Vec<Hit>) {
        let from = self.at;
        self.at = from.saturating_add(c.len_utf8());
        let place = (from, self.at);
        if let Some(letter) = fold(c) {
            self.plain
                .letter(&folded.forwards, folded.plain_min, letter, place, hits);
            self.backwards
                .letter(&folded.backwards, folded.encoded_min, letter, place, hits);
            self.turned
                .letter(&folded.forwards, folded.encoded_min, rot13(letter), place, hits);
        }
        self.base64.read(folded, c, place, false, hits);
        self.base64_lines.read(folded, c, place, true, hits);
        self.hex.read(folded, c, place, hits);
    }

    /// Reports what is open, and begins anew.
    pub(super) fn reset(&mut self, hits: &mut Vec<Hit>) {
        for lane in self.lanes_mut() {
            lane.reset(hits);
        }
    }

    /// Where the first stretch begins that is long enough and may still grow.
    pub(super) fn open(&self) -> Option<usize> {
        self.lanes()
            .into_iter()
            .filter_map(|lane| lane.open)
            .map(|(start, _)| start)
            .min()
    }

    /// The first offset from which something may still become part of a leak.
    pub(super) fn live(&self) -> usize {
        self.lanes()
            .into_iter()
            .filter_map(Lane::start)
            .min()
            .unwrap_or(self.at)
    }

    fn lanes(&self) -> [&Lane; 6] {
        [
            &self.plain,
            &self.turned,
            &self.backwards,
            &self.base64.lane,
            &self.base64_lines.lane,
            &self.hex.lane,
        ]
    }

    fn lanes_mut(&mut self) -> [&mut Lane; 6] {
        [
            &mut self.plain,
            &mut self.turned,
            &mut self.backwards,
            &mut self.base64.lane,
            &mut self.base64_lines.lane,
            &mut self.hex.lane,
        ]
    }
}

/// One reading of the answer.
#[derive(Debug, Default)]
struct Lane {
    matched: Matched,
    /// By byte of the matched suffix, where its character begins.
    starts: VecDeque<usize>,
    /// The stretch that is long enough and may still grow.
    open: Option<(usize, usize)>,
}

impl Lane {
    fn letter(
        &mut self,
        automaton: &SuffixAutomaton,
        len_min: usize,
        letter: char,
        place: (usize, usize),
        hits: &mut Vec<Hit>,
    ) {
        let mut buffer = [0; 4];
        for byte in letter.encode_utf8(&mut buffer).bytes() {
            self.byte(automaton, len_min, byte, place, hits);
        }
    }

    fn byte(
        &mut self,
        automaton: &SuffixAutomaton,
        len_min: usize,
        byte: u8,
        (from, end): (usize, usize),
        hits: &mut Vec<Hit>,
    ) {
        self.matched = automaton.step(self.matched, byte);
        self.starts.push_back(from);
        let len = usize::try_from(self.matched.len).unwrap_or(usize::MAX);
        while self.starts.len() > len {
            self.starts.pop_front();
        }
        let spread = self
            .start()
            .is_some_and(|start| end.saturating_sub(start) > STRETCH_BYTES_MAX);
        if spread || len > MATCHED_BYTES_MAX {
            self.reset(hits);
            return;
        }
        if len < len_min {
            self.close(hits);
        } else if let Some(start) = self.starts.front() {
            let start = self.open.map_or(*start, |(open, _)| open.min(*start));
            self.open = Some((start, end));
        }
    }

    /// Forgets what was matched: the reading broke off.
    fn reset(&mut self, hits: &mut Vec<Hit>) {
        self.close(hits);
        self.matched = Matched::default();
        self.starts.clear();
    }

    fn close(&mut self, hits: &mut Vec<Hit>) {
        if let Some((start, end)) = self.open.take() {
            hits.push(Hit {
                start,
                rule: RuleIndex::SYSTEM_PROMPT,
                end,
                score: Score::MAX,
            });
        }
    }

    fn start(&self) -> Option<usize> {
        let matched = self.starts.front().copied();
        match self.open {
            Some((open, _)) => Some(matched.map_or(open, |matched| matched.min(open))),
            None => matched,
        }
    }
}

/// Steps a lane by a decoded byte, as far as it is part of a letter or figure.
fn decoded(lane: &mut Lane, folded: &Folded, byte: u8, place: (usize, usize), hits: &mut Vec<Hit>) {
    if byte.is_ascii_alphanumeric() || !byte.is_ascii() {
        let byte = byte.to_ascii_lowercase();
        lane.byte(&folded.forwards, folded.encoded_min, byte, place, hits);
    }
}

/// What base64 in the answer decodes to.
#[derive(Debug, Default)]
struct Sextets {
    lane: Lane,
    bits: u32,
    count: u32,
    /// Where the character with the first held bit begins.
    from: usize,
}

impl Sextets {
    fn read(&mut self, folded: &Folded, c: char, (from, end): (usize, usize), over_lines: bool, hits: &mut Vec<Hit>) {
        if over_lines && matches!(c, '\n' | '\r') {
            return;
        }
        let Some(value) = u8::try_from(c).ok().and_then(sextet) else {
            self.lane.reset(hits);
            (self.bits, self.count) = (0, 0);
            return;
        };
        if self.count == 0 {
            self.from = from;
        }
        self.bits = ((self.bits << 6_u32) | value) & 0xfff;
        self.count = self.count.saturating_add(6);
        if self.count >= 8 {
            self.count = self.count.saturating_sub(8);
            let byte = u8::try_from((self.bits >> self.count) & 0xff).unwrap_or(0);
            decoded(&mut self.lane, folded, byte, (self.from, end), hits);
            self.from = from;
        }
    }
}

/// What pairs of hexadecimal figures in the answer decode to; `0x`, `\x`, `%`, blanks and commas may part them.
#[derive(Debug, Default)]
struct Nibbles {
    lane: Lane,
    high: Option<(u32, usize)>,
}

impl Nibbles {
    fn read(&mut self, folded: &Folded, c: char, (from, end): (usize, usize), hits: &mut Vec<Hit>) {
        match (c.to_digit(16), self.high) {
            (Some(low), Some((high, start))) => {
                self.high = None;
                let byte = u8::try_from((high << 4_u32) | low).unwrap_or(0);
                decoded(&mut self.lane, folded, byte, (start, end), hits);
            }
            (Some(high), None) => self.high = Some((high, from)),
            (None, Some((0, _))) if matches!(c, 'x' | 'X') => self.high = None,
            (None, None) if " \n\r\t,:;-\\%xX".contains(c) => {}
            (None, _) => {
                self.high = None;
                self.lane.reset(hits);
            }
        }
    }
}
