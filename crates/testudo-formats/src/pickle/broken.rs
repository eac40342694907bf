//! Why a pickle was not read to its STOP.

use crate::source::Fault;

/// Why a pickle stopped before its STOP. What came before has been done by then, by whoever loads it.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) why: String,
    /// Whoever loads it goes on where this reader does not.
    pub(super) is_limit: bool,
}

impl Broken {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_limit: false,
        }
    }

    pub(super) fn limit(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_limit: true,
        }
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self {
            is_limit: matches!(fault, Fault::TooLong { .. }),
            why: fault.to_string(),
        }
    }
}
