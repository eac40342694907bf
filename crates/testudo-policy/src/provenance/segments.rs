//! One piece of a conversation, folded and indexed once.

use std::fmt;
use std::ops::Range;

use super::forms::{Fold, Form, Needle};
use super::leaves::Leaves;
use super::pointing::Pointed;

/// Who speaks in a piece of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// The application.
    System,
    #[default]
    User,
    /// Text in a user's message that somebody else wrote.
    Pasted,
    /// Text in a message that was read before, by the name of what said it; see [`crate::labels`].
    Copied(String),
    /// A tool, by name.
    Tool(String),
    /// The definition of a tool that nobody reviewed.
    Definition(String),
}

impl Source {
    /// What a person in front of the machine, or the application, said itself.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        matches!(self, Self::System | Self::User)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the system message"),
            Self::User => f.write_str("the user"),
            Self::Pasted => f.write_str("text pasted into the user's message"),
            Self::Copied(name) => write!(f, "text of `{name}` that was put into a message"),
            Self::Tool(name) => write!(f, "the result of `{name}`"),
            Self::Definition(name) => write!(f, "the definition of `{name}`"),
        }
    }
}

/// A leaf by its places in the folded texts.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) path: u32,
    pub(super) record: u32,
    pub(super) names: Option<u32>,
    pub(super) loose: Range<u32>,
    pub(super) exact: Range<u32>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    pub(super) source: Source,
    /// Which message or result of the conversation this is, counted from 0.
    pub(super) index: u32,
    pub(super) loose: Form,
    pub(super) exact: Form,
    /// In trusted text only: hyphens and underscores as spaces, and what the text looks like.
    pub(super) spaced: Option<Form>,
    pub(super) outline: Option<Form>,
    pub(super) leaves: Vec<Placed>,
    pub(super) records: Vec<Option<u32>>,
    /// What the user's words say of each record.
    pub(super) pointed: Vec<Pointed>,
    /// The result was asked for by a value that the user named, or by one that such a result gave.
    pub(super) linked: bool,
    /// A detector found instructions in it.
    pub(super) suspicious: bool,
}

impl Segment {
    /// A text of the user or the application.
    pub(super) fn trusted(source: Source, index: u32, text: &str, fold: Fold) -> Self {
        let exact = Form::new(text, Fold::Exact);
        let spaced = spaced(exact.text());
        Self {
            loose: Form::new(text, fold),
            spaced: Some(Form::new(&spaced, Fold::Exact)),
            outline: Some(Form::new(&super::forms::outline(text), Fold::Exact)),
            exact,
            ..Self::empty(source, index)
        }
    }

    /// Text of anybody else. `path` gives the number of a path.
    pub(super) fn untrusted(
        source: Source,
        index: u32,
        leaves: &Leaves,
        fold: Fold,
        mut path: impl FnMut(&str) -> u32,
    ) -> Self {
        let mut segment = Self::empty(source, index);
        for leaf in &leaves.leaves {
            let loose = segment.loose.push(&leaf.value, fold);
            segment.loose.part();
            let exact = segment.exact.push(&leaf.value, Fold::Exact);
            segment.exact.part();
            segment.leaves.push(Placed {
                path: path(&leaf.path),
                record: leaf.record,
                names: leaf.names,
                loose,
                exact,
            });
        }
        segment.records.clone_from(&leaves.records);
        segment.loose.index();
        segment.leaves.shrink_to_fit();
        segment
    }

    fn empty(source: Source, index: u32) -> Self {
        Self {
            source,
            index,
            ..Self::default()
        }
    }

    /// The leaf around a place in the loose text.
    pub(super) fn leaf_at(&self, at: u32) -> Option<&Placed> {
        let after = self.leaves.partition_point(|leaf| leaf.loose.start <= at);
        after.checked_sub(1).and_then(|index| self.leaves.get(index))
    }

    /// Where the value stands inside a longer leaf of another record than its own.
    pub(super) fn in_text(&self, needle: &Needle, own: Option<u32>) -> Option<(Range<u32>, &Placed)> {
        self.loose.find_all(needle).find_map(|range| {
            let leaf = self.leaf_at(range.start)?;
            (leaf.loose != range && own != Some(leaf.record)).then_some((range, leaf))
        })
    }

    pub(super) fn bytes(&self) -> usize {
        let forms = [
            Some(&self.loose),
            Some(&self.exact),
            self.spaced.as_ref(),
            self.outline.as_ref(),
        ];
        let forms: usize = forms.into_iter().flatten().map(Form::bytes).sum();
        let leaves = self.leaves.capacity().saturating_mul(size_of::<Placed>());
        forms
            .saturating_add(leaves)
            .saturating_add(self.records.capacity().saturating_mul(12))
    }
}

/// Hyphens and underscores as spaces.
pub(super) fn spaced(text: &str) -> String {
    text.replace(['-', '_'], " ")
}
