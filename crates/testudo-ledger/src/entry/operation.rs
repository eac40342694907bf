//! Entries about models, data, alarms, incidents, controls and the writer itself.

use testudo_types::Severity;

use super::Digest;
use super::schema::{names, record};

record! {
    /// Something that happened to a model or another file of the vault.
    pub struct Artifact {
        /// For example `admit`, `refuse`, `promote` or `roll_back`.
        pub action: String,
        /// How far the statements about it had come.
        pub chain: Option<Chain>,
        pub digest: Digest,
        pub name: Option<String>,
        /// How it is known who the entry's principal is.
        pub proof: Option<ActorProof>,
        pub version: Option<String>,
    }
}

record! {
    /// How far a chain of signed statements had come when somebody looked; an older state shows by it later.
    pub struct Chain {
        /// Of the last statement.
        pub hash: Digest,
        /// Of the address of the vault that the statements are in, as its reader names it.
        pub place: Digest,
        /// How many there were.
        pub statements: u64,
    }
}

names! {
    /// How it is known who acted.
    pub enum ActorProof {
        /// The actor holds a private key.
        Key = "key",
        /// The operating system says as which user the program ran.
        User = "user",
        /// The actor sent a virtual key.
        Token = "token",
        /// The actor said so.
        Said = "said",
    }
}

record! {
    /// Something that happened to a data set.
    pub struct Data {
        /// For example `scan`, `quarantine` or `release`.
        pub action: String,
        pub digest: Digest,
        pub rows: Option<u64>,
    }
}

record! {
    /// An alarm that began or ended.
    pub struct Alarm {
        pub name: String,
        pub severity: Severity,
        pub state: AlarmState,
        /// What was measured, in the unit that the alarm's name ends with.
        pub value: Option<i64>,
    }
}

names! {
    /// Whether an alarm is on.
    pub enum AlarmState {
        Fire = "fire",
        Resolve = "resolve",
    }
}

record! {
    /// A step of an incident.
    pub struct Incident {
        pub id: String,
        /// The state the incident is in after the step.
        pub state: String,
        pub step: String,
    }
}

record! {
    /// A control that was checked.
    pub struct Evidence {
        /// The control's name, or a reference into a catalogue.
        pub control: String,
        /// Of the full result, kept elsewhere.
        pub digest: Option<Digest>,
        pub result: EvidenceResult,
    }
}

names! {
    /// What a check of a control showed.
    pub enum EvidenceResult {
        Pass = "pass",
        Fail = "fail",
        /// The check could not be made.
        Unknown = "unknown",
    }
}

record! {
    /// Entries that could not be written.
    pub struct Gap {
        pub count: u64,
        /// In milliseconds since 1970.
        pub from_at: u64,
        /// A code, for example `disk_full`.
        pub reason: String,
        /// In milliseconds since 1970.
        pub to_at: u64,
    }
}

record! {
    /// The writer of this log started or stopped.
    pub struct Recorder {
        pub action: RecorderAction,
        /// How many entries the log had before this one.
        pub size: u64,
        /// Of the program.
        pub version: String,
    }
}

names! {
    /// What the writer did.
    pub enum RecorderAction {
        Start = "start",
        Stop = "stop",
    }
}
