//! What the process tells its caller when it ends.

use std::process::ExitCode;

use testudo_ledger::verify::FaultClass;

/// How a command ended; the numbers are promised in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// Something was found, or there are mistakes.
    Found,
    /// The command line or the input is wrong.
    BadInput,
    /// It cannot be told whether there is something.
    Inconclusive,
    /// A ledger or a proof is not sound.
    Unsound(FaultClass),
    /// A model is not the one that someone trusted signed.
    NotSigned(SignatureFault),
}

/// Why a model is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureFault {
    Untrusted,
    Differs,
    Malformed,
    Refused,
}

impl SignatureFault {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Differs => "differs",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
        }
    }

    /// The number that `testudo model verify --help` promises.
    fn code(self) -> u8 {
        match self {
            Self::Untrusted => 20,
            Self::Differs => 21,
            Self::Malformed => 22,
            Self::Refused => 23,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Found => Self::from(1),
            Exit::BadInput => Self::from(2),
            Exit::Inconclusive => Self::from(3),
            Exit::Unsound(class) => Self::from(code(class)),
            Exit::NotSigned(fault) => Self::from(fault.code()),
        }
    }
}

/// The number that `testudo ledger verify --help` promises for a fault.
fn code(class: FaultClass) -> u8 {
    match class {
        FaultClass::Unreadable => 1,
        FaultClass::Signature => 10,
        FaultClass::Fork => 11,
        FaultClass::RolledBack => 12,
        FaultClass::Missing => 13,
        FaultClass::Inconsistent | FaultClass::Malformed => 14,
        FaultClass::Payload => 15,
        FaultClass::Stale => 16,
        FaultClass::Quorum => 17,
    }
}
