//! What the process tells its caller when it ends.

use std::process::ExitCode;

/// How a command ended; the numbers are promised in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// Something was found, or there are mistakes.
    Found,
    /// The command line or the input is wrong.
    BadInput,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Found => Self::from(1),
            Exit::BadInput => Self::from(2),
        }
    }
}
