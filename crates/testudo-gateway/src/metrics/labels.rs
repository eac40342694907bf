//! Label values as enums, and tables of series indexed by them.

use std::sync::OnceLock;

use testudo_types::{Action, Direction};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Forwarded and delivered byte for byte.
    Delivered,
    /// Delivered with something masked.
    Masked,
    /// Stopped by a finding.
    Blocked,
    /// Refused by policy or by the key's scope.
    Denied,
    /// The request itself was not sound.
    Refused,
    /// Refused by a limit.
    Limited,
    /// The model service failed.
    UpstreamFailed,
    /// The client went away first.
    ClientGone,
    /// Our own failure.
    Failed,
}

impl Outcome {
    /// Every outcome, in the order used for tables.
    pub const ALL: [Self; 9] = [
        Self::Delivered,
        Self::Masked,
        Self::Blocked,
        Self::Denied,
        Self::Refused,
        Self::Limited,
        Self::UpstreamFailed,
        Self::ClientGone,
        Self::Failed,
    ];

    /// The name used in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Masked => "masked",
            Self::Blocked => "blocked",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientGone => "client_gone",
            Self::Failed => "failed",
        }
    }
}

/// Why text went past a guard without being scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuardGap {
    /// The bytes could not be read as text.
    Unscannable,
    /// The guard ran out of its budget.
    Budget,
    /// The guard failed.
    Failed,
}

impl GuardGap {
    /// Every gap, in the order used for tables.
    pub const ALL: [Self; 3] = [Self::Unscannable, Self::Budget, Self::Failed];

    /// The name used in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unscannable => "unscannable",
            Self::Budget => "budget",
            Self::Failed => "failed",
        }
    }
}

/// The class of an upstream error: a constant of the program, never text of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamFailure(pub &'static str);

/// A series per combination of label values, each made at first use.
#[derive(Debug)]
pub(super) struct Table<T>(Box<[OnceLock<T>]>);

impl<T> Table<T> {
    pub(super) fn of_len(len: usize) -> Self {
        Self(std::iter::repeat_with(OnceLock::new).take(len).collect())
    }

    /// The series at an index; `None` when the index is not of the table.
    pub(super) fn at(&self, index: Option<usize>, make: impl FnOnce() -> T) -> Option<&T> {
        index.and_then(|index| self.0.get(index)).map(|cell| cell.get_or_init(make))
    }
}

/// Where a value stands in its list.
pub(super) fn place<T: PartialEq>(values: &[T], value: &T) -> Option<usize> {
    values.iter().position(|known| known == value)
}

/// The index of a pair in a table of `outer × inner` entries.
pub(super) fn pair(outer: Option<usize>, inner: Option<usize>, inner_len: usize) -> Option<usize> {
    outer?.checked_mul(inner_len)?.checked_add(inner?)
}

pub(super) const ACTIONS: [Action; 5] =
    [Action::Pass, Action::Observe, Action::Mask, Action::Hold, Action::Block];
pub(super) const DIRECTIONS: [Direction; 2] = [Direction::Request, Direction::Response];
