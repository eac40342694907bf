//! Follows a growing text together with the views that can be followed: its folded form and its encoded runs.
//!
//! Folding changes little of most texts. While nothing has changed, the folded
//! text is the text, and one scanner reads both. Where a word may change, a
//! copy of the scanner waits at its beginning; it reads on by itself only if
//! the word did change, and only until both would go on alike.

use super::derived::Derived;
use super::fold::Folder;
use super::runs::Runs;
use crate::rescan::Reading;
use crate::stream::Scanning;
use crate::{Budget, Hit, Selection};

/// The scanner of a text that arrives in pieces, and those of its views.
#[derive(Debug)]
pub(crate) struct Growing {
    plain: Scanning,
    views: Option<Following>,
}

#[derive(Debug)]
struct Following {
    folder: Folder,
    /// What has been folded since the scanners parted, or may part.
    out: Derived,
    state: State,
    runs: Runs,
}

#[derive(Debug)]
enum State {
    /// The folded text is the text so far.
    Same,
    /// A word may change; the scanner as it was before.
    Waiting(Box<Scanning>),
    /// The folded text is read by its own scanner.
    Apart(Box<Scanning>),
}

impl Growing {
    pub(crate) fn new(selection: &Selection) -> Self {
        let views = (selection.reading() == Reading::Growing).then(|| Following {
            folder: Folder::default(),
            out: Derived::default(),
            state: State::Same,
            runs: Runs::new(selection),
        });
        Self {
            plain: Scanning::new(selection),
            views,
        }
    }

    /// Whether hits in views may repeat hits in the text.
    pub(crate) fn follows_views(&self) -> bool {
        self.views.is_some()
    }

    /// Appends the hits that became certain; returns the first offset where an
    /// unknown hit may start, or `None` when the budget ran out or something cannot be read.
    pub(crate) fn push(&mut self, piece: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        let Some(views) = &mut self.views else {
            return self.plain.push(piece, budget, hits);
        };
        let mut rest = piece;
        while !rest.is_empty() {
            let len = match views.state {
                State::Same => views.folder.push_plain(rest),
                State::Waiting(_) => views.folder.push_word(rest, &mut views.out),
                State::Apart(_) => {
                    views.folder.push(rest, &mut views.out);
                    rest.len()
                }
            };
            let (head, tail) = rest.split_at_checked(len)?;
            if !head.is_empty() {
                self.plain.push(head, budget, hits)?;
            }
            rest = tail;
            views.follow(&self.plain, !rest.is_empty(), budget, hits)?;
        }
        let live = self.plain.live().min(views.live());
        Some(live.min(views.runs.push(piece, budget, hits)?))
    }

    /// The same for the end of the text.
    pub(crate) fn finish(&mut self, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        if let Some(views) = &mut self.views {
            views.folder.finish(&mut views.out);
            views.follow(&self.plain, false, budget, hits)?;
            if let State::Apart(scanning) = &mut views.state {
                let mut found = Vec::new();
                scanning.finish(budget, &mut found)?;
                views.out.place(&found, hits);
            }
            views.runs.finish(budget, hits)?;
        }
        self.plain.finish(budget, hits)
    }
}

impl Following {
    /// Reads what has been folded; when the scanners are together and there is `more`, a word begins that may change.
    fn follow(&mut self, plain: &Scanning, more: bool, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<()> {
        self.state = match std::mem::replace(&mut self.state, State::Same) {
            State::Same if more => {
                self.out = Derived::from(self.folder.at());
                State::Waiting(Box::new(plain.clone()))
            }
            State::Same => State::Same,
            State::Waiting(_) if !self.out.changed && self.folder.is_idle() => State::Same,
            State::Waiting(scanning) if !self.out.changed => State::Waiting(scanning),
            State::Waiting(mut scanning) | State::Apart(mut scanning) => {
                let mut found = Vec::new();
                let text = std::mem::take(&mut self.out.text);
                let live = scanning.push(&text, budget, &mut found)?;
                self.out.place(&found, hits);
                self.out.spans.forget_before(live);
                if self.is_joined(plain, &scanning) {
                    State::Same
                } else {
                    State::Apart(scanning)
                }
            }
        };
        Some(())
    }

    /// Whether both scanners have left the last change so far behind that nothing of it can matter to either.
    fn is_joined(&self, plain: &Scanning, folded: &Scanning) -> bool {
        let same = self.out.spans.len().saturating_sub(self.out.changed_to);
        let Some(past) = same.checked_sub(folded.keep_back()).filter(|_| self.folder.is_idle()) else {
            return false;
        };
        let clear =
            |scanning: &Scanning, len: usize| scanning.live() >= len.saturating_sub(past) && !scanning.has_resumes();
        clear(plain, self.folder.at()) && clear(folded, self.out.spans.len())
    }

    /// The first offset of the text where a hit in the folded text may start.
    fn live(&self) -> usize {
        match &self.state {
            State::Same => usize::MAX,
            State::Waiting(scanning) => scanning.live(),
            State::Apart(scanning) if scanning.live() >= self.out.spans.len() => self.folder.settled(),
            State::Apart(scanning) => self.out.spans.place_of(scanning.live()).min(self.folder.settled()),
        }
    }
}
