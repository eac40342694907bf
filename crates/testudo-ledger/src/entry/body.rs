//! The kinds of entries.

use super::canonical::{Reader, Value as _};
use super::error::{DecodeError, EncodeError};
use super::{
    AdminLogin, Alarm, Approval, Artifact, Begun, Configuration, Data, Decision, Erasure, Evidence, Exchange, Gap,
    Hold, Incident, Key, LegalHold, PayloadRead, Recorder, Retention, Rotation,
};

macro_rules! bodies {
    ($($(#[$doc:meta])* $type:ident = $kind:literal,)*) => {
        /// What happened; one variant for each type of entry.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(
            clippy::large_enum_variant,
            reason = "nearly every entry is an exchange; a box would cost each of them an allocation"
        )]
        pub enum Body {
            $($(#[$doc])* $type($type),)*
        }

        impl Body {
            /// Every type of entry, as the member `type` names it.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// The type of entry, as the member `type` names it.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$type(_) => $kind,)*
                }
            }

            pub(super) fn write(&self, out: &mut String) -> Result<(), EncodeError> {
                match self {
                    $(Self::$type(body) => body.write(out),)*
                }
            }

            /// Reads the body of an entry of type `kind`; `None` when there is no such type.
            pub(super) fn read(kind: &str, reader: &mut Reader<'_>) -> Option<Result<Self, DecodeError>> {
                match kind {
                    $($kind => Some($type::read(reader).map(Self::$type)),)*
                    _ => None,
                }
            }

            fn clip_members(&mut self, items_max: usize) {
                match self {
                    $(Self::$type(body) => body.clip(items_max),)*
                }
            }
        }

        $(impl From<$type> for Body {
            fn from(body: $type) -> Self {
                Self::$type(body)
            }
        })*
    };
}

bodies! {
    /// A request and its response, written when it is over.
    Exchange = "exchange",
    /// A streamed exchange that is about to release its first byte.
    Begun = "begun",
    /// What policy said about something that is not a whole exchange.
    Decision = "decision",
    /// A call waits for a human.
    Hold = "hold",
    /// A human decided about a hold.
    Approval = "approval",
    /// A virtual key was created, changed or revoked.
    Key = "key",
    /// A configuration was taken or refused.
    Configuration = "configuration",
    /// Somebody tried to log in as an administrator.
    AdminLogin = "admin_login",
    /// Something happened to a model or another file.
    Artifact = "artifact",
    /// Something happened to a data set.
    Data = "data",
    /// An alarm began or ended.
    Alarm = "alarm",
    /// An incident moved.
    Incident = "incident",
    /// A control was checked.
    Evidence = "evidence",
    /// Somebody is about to read a payload.
    PayloadRead = "payload_read",
    /// The tombstone of erased payloads.
    Erasure = "erasure",
    /// Erasure of a subject is forbidden, or allowed again.
    LegalHold = "legal_hold",
    /// Payloads were deleted because their time was over.
    Retention = "retention",
    /// A key was replaced by the next.
    Rotation = "rotation",
    /// Entries that could not be written.
    Gap = "gap",
    /// The writer of this log started or stopped.
    Recorder = "recorder",
}

impl Body {
    /// Makes a body that can be written, with lists of at most `items_max` items.
    pub(super) fn clip(&mut self, items_max: usize) {
        let before = self.finding_count();
        self.clip_members(items_max);
        let lost = before.saturating_sub(self.finding_count());
        if let Self::Exchange(exchange) = self
            && lost > 0
        {
            let omitted = exchange.findings_omitted.unwrap_or(0);
            exchange.findings_omitted = Some(omitted.saturating_add(lost));
        }
    }

    fn finding_count(&self) -> u64 {
        match self {
            Self::Exchange(exchange) => u64::try_from(exchange.findings.len()).unwrap_or(u64::MAX),
            _ => 0,
        }
    }
}
