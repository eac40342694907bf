//! Which records of a result the user's words point at.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::conversation::Conversation;
use super::dates::{MonthAndDay, day_of, days_in};
use super::forms::{Fold, Needle, words_in};
use super::segments::{Placed, Segment};

/// Longer fields tell a story; they do not say which record this is.
const FIELD_BYTES_MAX: usize = 80;
/// Words of one field that are looked at.
const WORDS_MAX: usize = 16;

/// The user's words as a set.
#[derive(Debug, Clone, Default)]
pub(super) struct UserWords {
    words: HashSet<String>,
    days: BTreeSet<MonthAndDay>,
}

impl UserWords {
    pub(super) fn add(&mut self, exact: &str) {
        self.words.extend(words_in(exact).map(str::to_owned));
        self.days.extend(days_in(exact));
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// The day of a date, or its number where the user left the month out.
    pub(super) fn has_day(&self, value: &str) -> bool {
        day_of(value).is_some_and(|(month, day)| {
            self.days.contains(&(month, day)) || day > 9 && self.words.contains(day.to_string().as_str())
        })
    }

    /// The day of a date.
    pub(super) fn names_day(&self, value: &str) -> bool {
        day_of(value).is_some_and(|day| self.days.contains(&day))
    }

    /// Every word of the value, in any order.
    pub(super) fn has_all(&self, exact: &str) -> bool {
        let mut words = words_in(exact).filter(|word| word.chars().count() >= 3).peekable();
        words.peek().is_some() && words.take(WORDS_MAX).all(|word| self.words.contains(word))
    }
}

/// What the user's words say of one record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pointed {
    /// Marks of the record, and of those it is part of, that not all of its kind have.
    pub(super) marks: u16,
    /// Another of its kind has clearly more.
    pub(super) outdone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Word(String),
    Day(MonthAndDay),
    Whole(String),
}

impl Mark {
    fn weight(&self) -> u16 {
        match self {
            Self::Word(_) => 1,
            Self::Day(_) | Self::Whole(_) => 2,
        }
    }
}

impl Segment {
    /// Finds what the user's words say of each record.
    pub(super) fn point(&mut self, conversation: &UserTexts<'_>) {
        let marks = self.marks(conversation);
        // Records of one kind: parts of the same record, in the order they came.
        let mut kinds: BTreeMap<Option<u32>, Vec<u32>> = BTreeMap::new();
        for (record, parent) in (0_u32..).zip(&self.records) {
            kinds.entry(*parent).or_default().push(record);
        }
        let mut own = vec![0_u16; self.records.len()];
        let mut best = vec![0_u16; self.records.len()];
        for peers in kinds.values() {
            let mut counts: BTreeMap<&Mark, usize> = BTreeMap::new();
            for mark in peers.iter().filter_map(|record| marks.get(record)).flatten() {
                let count = counts.entry(mark).or_default();
                *count = count.saturating_add(1);
            }
            let tells = |mark: &&Mark| peers.len() == 1 || counts.get(mark).is_some_and(|count| *count < peers.len());
            let mut most = 0;
            for record in peers {
                let marks = marks.get(record).into_iter().flatten().filter(tells);
                let score = marks.map(Mark::weight).fold(0_u16, u16::saturating_add);
                if let Some(own) = own.get_mut(*record as usize) {
                    *own = score;
                }
                most = most.max(score);
            }
            for record in peers {
                if let Some(best) = best.get_mut(*record as usize) {
                    *best = most;
                }
            }
        }
        let mut pointed: Vec<Pointed> = Vec::with_capacity(own.len());
        for (at, parent) in self.records.iter().enumerate() {
            let above = parent
                .and_then(|parent| pointed.get(parent as usize))
                .copied()
                .unwrap_or_default();
            let (own, best) = (
                own.get(at).copied().unwrap_or_default(),
                best.get(at).copied().unwrap_or_default(),
            );
            pointed.push(Pointed {
                marks: above.marks.saturating_add(own),
                outdone: above.outdone || (own == 0 && best > 0),
            });
        }
        self.pointed = pointed;
    }

    fn marks(&self, user: &UserTexts<'_>) -> BTreeMap<u32, BTreeSet<Mark>> {
        let mut marks: BTreeMap<u32, BTreeSet<Mark>> = BTreeMap::new();
        for leaf in &self.leaves {
            let text = self.exact.slice(&leaf.exact);
            if text.is_empty() || text.len() > FIELD_BYTES_MAX {
                continue;
            }
            let of_record = marks.entry(leaf.names.unwrap_or(leaf.record)).or_default();
            let few = words_in(text).count() <= 3;
            for word in words_in(text).flat_map(|word| word.split('_')).take(WORDS_MAX) {
                let long = word.chars().count();
                if (long >= 4 || few && long >= 3) && user.words.has(word) {
                    of_record.insert(Mark::Word(word.to_owned()));
                }
            }
            if let Some(day) = day_of(text).filter(|day| user.words.days.contains(day)) {
                of_record.insert(Mark::Day(day));
            }
            let whole = Needle::new(text, Fold::Exact);
            if whole.letters() >= 3 && words_in(text).all(|word| user.words.has(word)) && user.wrote(&whole) {
                of_record.insert(Mark::Whole(text.to_owned()));
            }
        }
        marks
    }

    pub(super) fn pointed_at(&self, leaf: &Placed) -> Pointed {
        self.pointed.get(leaf.record as usize).copied().unwrap_or_default()
    }
}

/// The user's messages, and their words as a set.
pub(super) struct UserTexts<'a> {
    pub(super) words: &'a UserWords,
    pub(super) texts: &'a [Segment],
}

impl UserTexts<'_> {
    fn wrote(&self, whole: &Needle) -> bool {
        let own = self
            .texts
            .iter()
            .filter(|segment| segment.source == super::segments::Source::User);
        own.into_iter().any(|segment| segment.exact.find(whole).is_some())
    }
}

impl Conversation {
    /// Whether another record still has clearly more when only these sentences of the user's are heard.
    pub(super) fn is_outdone_by(&self, sentences: &[&str], index: u32, value: &str) -> bool {
        let mut words = UserWords::default();
        let mut texts = Vec::new();
        for sentence in sentences {
            let segment = Segment::trusted(super::segments::Source::User, 0, sentence, Fold::Loose);
            words.add(segment.exact.text());
            texts.push(segment);
        }
        let user = UserTexts {
            words: &words,
            texts: &texts,
        };
        let wanted = Needle::new(value, Fold::Exact);
        self.segments
            .iter()
            .filter(|segment| segment.index == index)
            .any(|segment| {
                let mut heard = segment.clone();
                heard.point(&user);
                let mut places = heard
                    .leaves
                    .iter()
                    .filter(|leaf| heard.exact.slice(&leaf.exact) == wanted.text);
                places.any(|leaf| heard.pointed_at(leaf).outdone)
            })
    }

    /// Looks at all records again, since the user said more.
    pub(super) fn point_again(&mut self) {
        for at in 0..self.segments.len() {
            self.point_at(at);
        }
    }

    pub(super) fn point_at(&mut self, at: usize) {
        let Some(mut segment) = self.segments.get_mut(at).map(std::mem::take) else {
            return;
        };
        let user = UserTexts {
            words: &self.user,
            texts: &self.segments,
        };
        segment.point(&user);
        if let Some(place) = self.segments.get_mut(at) {
            *place = segment;
        }
    }
}
