//! Which windows the encoder reads, in which order, when it has read enough, and what its logits make of them.

use std::collections::BTreeMap;
use std::ops::Range;

use testudo_types::Score;

use super::{
    CalibratedEncoder, Channel, Encoder, Extent, Head, InjectionModel, Logits, NGRAM_SHARE, Tier, WindowScore, again,
    length, text_of,
};

/// The score from which on one window may be enough, so that the encoder reads no more of a text: what 0.1 % of harmless texts
/// reach. Profiles that ship stop at 50 and 70.
pub const CERTAIN: u8 = 85;

/// Windows of a text that is read coarsely first where the n-grams know too little of it: its stretches, and what else is in them only
/// where they are not called harmless. Short texts are read in every cut at once.
const COARSE_FROM_WINDOWS: usize = 20;
/// The logit of a stretch that is called harmless, the n-grams' share added; far from every threshold.
const HARMLESS: f32 = -3.5;

/// The most suspect windows of a text that the encoder reads even where the n-grams call them harmless: a plain order in
/// a tool's result has no words of its own, and a tool's description is read once and is short.
#[must_use]
pub fn encoded_windows_min(channel: Channel) -> usize {
    match channel {
        Channel::ToolDescription => 4,
        Channel::ToolResult => 2,
        Channel::User | Channel::Document => 0,
    }
}

/// How much of what the length of a text takes off a logit its windows must make up for by being more suspect, to be read at all. With
/// all of it some attacks in long documents were lost, with half of it some in long results of tools.
fn length_share(channel: Channel) -> f32 {
    match channel {
        Channel::User | Channel::Document => 0.5,
        Channel::ToolResult | Channel::ToolDescription => 0.25,
    }
}

/// Windows that the encoder scored.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// All of them.
    pub(super) windows: usize,
    /// Those of a second look.
    pub(super) again: usize,
    /// Windows that were worth it and that nobody asked about, because another one was enough.
    pub(super) spared: usize,
}

/// Asks the encoder, and remembers what it said of which window.
struct Questions<'a, A, E> {
    second: &'a CalibratedEncoder,
    views: &'a [&'a str],
    channel: Channel,
    /// What the length of the text takes off each logit.
    by_chance: f32,
    ask: A,
    enough: E,
    /// The logits of both tiers together, by position, of those windows that the encoder scored.
    known: BTreeMap<usize, f32>,
}

impl<A, E> Questions<'_, A, E>
where
    A: FnMut(&dyn Encoder, &[&str]) -> Vec<Option<Logits>>,
    E: FnMut(Score) -> bool,
{
    /// Asks about windows one by one; gives the score of the first that is enough, where the reading ends.
    fn read_until_enough(&mut self, scored: &[WindowScore], positions: &[usize]) -> Option<Score> {
        let mut left = positions;
        while let Some((position, others)) = left.split_first() {
            left = others;
            self.read(scored, &[*position]);
            let Some(logit) = self.known.get(position).copied() else {
                // Whoever asks has no more to give, but perhaps remembers some.
                self.read(scored, left);
                return None;
            };
            if let Some(score) = self.certain(logit)
                && (self.enough)(score)
            {
                return Some(score);
            }
        }
        None
    }

    fn read(&mut self, scored: &[WindowScore], positions: &[usize]) {
        let asked: Vec<(usize, &WindowScore)> = positions
            .iter()
            .filter_map(|at| Some((*at, scored.get(*at)?)))
            .collect();
        if asked.is_empty() {
            return;
        }
        let texts: Vec<&str> = asked.iter().map(|(_, it)| text_of(self.views, it)).collect();
        let logits = (self.ask)(self.second.encoder.as_ref(), &texts);
        let channel = self.channel;
        let scores = asked.iter().zip(logits).filter_map(|((at, window), logits)| {
            Some((*at, NGRAM_SHARE.mul_add(window.ngram_logit, logits?.of(channel))))
        });
        self.known.extend(scores);
    }

    /// The score of a window that is certain, and that no second look can take back.
    fn certain(&self, logit: f32) -> Option<Score> {
        let score = self.second.calibration.score(self.channel, logit - self.by_chance);
        (score.percent() >= CERTAIN && !again::is_unsure(self.channel, logit)).then_some(score)
    }

    /// The stretches of the text by view and place, and whether the encoder called each harmless.
    fn stretches(&self, scored: &[WindowScore]) -> Vec<Stretch> {
        let mut all: Vec<Stretch> = scored
            .iter()
            .enumerate()
            .filter(|(_, it)| it.extent == Extent::Stretch)
            .map(|(position, it)| Stretch {
                view: it.view,
                range: it.range.clone(),
                harmless: self.known.get(&position).is_some_and(|logit| *logit < HARMLESS),
            })
            .collect();
        all.sort_by_key(|it| (it.view, it.range.start));
        all
    }
}

impl InjectionModel {
    /// `scored` is sorted, highest first.
    pub(super) fn ask_encoder(
        &self,
        views: &[&str],
        channel: Channel,
        scored: &mut [WindowScore],
        enough: impl FnMut(Score) -> bool,
        ask: impl FnMut(&dyn Encoder, &[&str]) -> Vec<Option<Logits>>,
    ) -> Asked {
        let Some(second) = &self.encoder else {
            return Asked::default();
        };
        let by_chance = second.calibration.by_chance(channel, length(scored));
        let mut questions = Questions {
            second,
            views,
            channel,
            by_chance,
            ask,
            enough,
            known: BTreeMap::new(),
        };
        let Doubtful { at_once, within } = self.doubtful(views, channel, by_chance, scored);
        let mut ended = questions.read_until_enough(scored, &at_once);
        let mut doubtful = at_once;
        if ended.is_none() && !within.is_empty() {
            let stretches = questions.stretches(scored);
            let rest: Vec<usize> = within
                .into_iter()
                .filter(|it| {
                    scored
                        .get(*it)
                        .is_none_or(|window| !lies_in_harmless(&stretches, window))
                })
                .collect();
            ended = questions.read_until_enough(scored, &rest);
            doubtful.extend(rest);
        }
        let first = questions.known.clone();
        let places = match ended {
            Some(_) => Vec::new(),
            None => again::places(channel, scored, &first),
        };
        questions.read(scored, &again::unread(&places, &first));
        let known = questions.known;
        let mut counted = first.clone();
        for place in places {
            if let Some(mean) = place.mean(&known) {
                counted.insert(place.window, mean);
                let sentence = scored.get(place.sentence).map(|it| it.range.clone());
                if let Some(window) = scored.get_mut(place.window) {
                    window.sentence = sentence;
                }
            }
        }
        for (position, logit) in &counted {
            if let Some(window) = scored.get_mut(*position) {
                window.logit = *logit - by_chance;
                window.tier = Tier::Encoder;
                window.score = second.calibration.score(channel, window.logit);
            }
        }
        let unread = doubtful.iter().filter(|it| !first.contains_key(it));
        Asked {
            windows: known.len(),
            again: known.len().saturating_sub(first.len()),
            spared: ended.map_or(0, |most| cap(scored, unread, most)),
        }
    }

    /// Which windows the encoder is to read, the most suspect first.
    fn doubtful(&self, views: &[&str], channel: Channel, by_chance: f32, scored: &[WindowScore]) -> Doubtful {
        let (unsure_from, head) = (self.calibration.unsure_from(channel), Head::of(channel));
        let unsure_from = length_share(channel).mul_add(by_chance, unsure_from);
        let always = encoded_windows_min(channel);
        let coarse = length(scored) > COARSE_FROM_WINDOWS;
        let mut doubtful = Doubtful::default();
        for (position, it) in scored.iter().enumerate() {
            if position < always || it.ngram_logit >= unsure_from {
                doubtful.at_once.push(position);
            } else if self.ngram.is_foreign(head, text_of(views, it), it.ngram_logit) {
                match it.extent {
                    Extent::Sentence | Extent::Pair if coarse => doubtful.within.push(position),
                    _ => doubtful.at_once.push(position),
                }
            }
        }
        doubtful
    }
}

/// Positions of windows that are worth reading.
#[derive(Debug, Default)]
struct Doubtful {
    at_once: Vec<usize>,
    /// Of which the n-grams know too little, in a long text: only where no stretch around them is called harmless.
    within: Vec<usize>,
}

/// A stretch of a text, and whether the encoder read it and called it harmless.
#[derive(Debug)]
struct Stretch {
    view: usize,
    range: Range<usize>,
    harmless: bool,
}

/// Whether every stretch around a window was called harmless; `stretches` are sorted by view and place.
fn lies_in_harmless(stretches: &[Stretch], window: &WindowScore) -> bool {
    // The ends of stretches rise as their starts do.
    let first = stretches.partition_point(|it| (it.view, it.range.end) <= (window.view, window.range.start));
    let around = stretches.iter().skip(first);
    let mut around = around.take_while(|it| it.view == window.view && it.range.start < window.range.end);
    around.next().is_some_and(|it| it.harmless) && around.all(|it| it.harmless)
}

/// Lets no window at these positions score higher than the one that was enough; gives how many there are.
fn cap<'a>(scored: &mut [WindowScore], positions: impl Iterator<Item = &'a usize>, most: Score) -> usize {
    let mut count = 0_usize;
    for position in positions {
        count = count.saturating_add(1);
        if let Some(window) = scored.get_mut(*position) {
            window.score = window.score.min(most);
        }
    }
    count
}
