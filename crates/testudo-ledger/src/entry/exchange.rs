//! Entries about exchanges.

use testudo_types::{Action, Verdict};

use super::Digest;
use super::schema::{names, record};

record! {
    /// One request and its response.
    pub struct Exchange {
        /// What was done.
        pub action: Action,
        /// More about the outcome: a code, never text of the exchange; may be empty.
        pub detail: String,
        pub duration_ms: u64,
        /// Whether bytes of the request or the response were changed.
        pub edited: bool,
        /// What guards saw, counted.
        pub findings: Vec<FindingCount>,
        /// Counts left out of `findings` because an entry has a greatest size.
        pub findings_omitted: Option<u64>,
        /// From the request's end to the response's first byte.
        pub first_byte_ms: Option<u64>,
        /// Whether the request left for the upstream.
        pub forwarded: bool,
        /// The id that the caller was told.
        pub id: String,
        pub input_tokens: Option<u64>,
        pub model: Option<String>,
        /// Which version of which artifact of the vault answered, as `ARTIFACT@VERSION`, where the route follows one.
        pub model_version: Option<String>,
        pub operation: String,
        /// How it ended, for example `completed` or `client_gone`.
        pub outcome: String,
        pub output_tokens: Option<u64>,
        /// The policies that determined the decision.
        pub policies: Vec<String>,
        /// Of the policies and settings in force.
        pub policy_digest: Digest,
        pub request_bytes: u64,
        pub response_bytes: u64,
        pub route: String,
        /// Kinds of threat whose guards ran on the request.
        pub scanned_request: Vec<String>,
        /// Kinds of threat whose guards ran on the response.
        pub scanned_response: Vec<String>,
        /// What the caller got.
        pub status: u16,
        pub streamed: bool,
        pub upstream: String,
        /// What was concluded.
        pub verdict: Verdict,
    }
}

record! {
    /// How often a rule hit with the same consequence.
    pub struct FindingCount {
        pub action: Action,
        pub count: u64,
        pub direction: Direction,
        /// The kind of threat.
        pub kind: String,
        /// The rule's name, or a reference into a catalogue.
        pub rule: String,
    }
}

names! {
    /// Which half of an exchange.
    pub enum Direction {
        Request = "request",
        Response = "response",
    }
}

record! {
    /// A streamed exchange that is about to release its first byte.
    pub struct Begun {
        pub action: Action,
        /// The id of the exchange; its own entry follows when it is over.
        pub id: String,
        pub model: Option<String>,
        /// Which version of which artifact of the vault answered, as `ARTIFACT@VERSION`, where the route follows one.
        pub model_version: Option<String>,
        pub operation: String,
        pub policy_digest: Digest,
        pub route: String,
        pub upstream: String,
        pub verdict: Verdict,
    }
}
