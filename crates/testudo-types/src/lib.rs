//! The words every part of Testudo shares: data and its parsers, nothing that runs.
//!
//! A word belongs here when two crates need it at once. Nothing here reads a
//! clock, opens a file or waits.

#![forbid(unsafe_code)]

mod clock;
mod decision;
mod finding;
mod ids;
mod origin;
mod principal;
mod ref_id;
mod secret;

pub use clock::{Clock, Millis, UnixMillis};
pub use decision::{Action, ApproverGroup, Decision, HoldWay, PolicyName, Reason, Verdict};
pub use finding::{Finding, Place, RuleId, Score, Severity, ThreatKind};
pub use ids::{ExchangeId, KeyId, ModelName, NameError, ProfileName, RouteName, TenantId, UpstreamName};
pub use origin::{Direction, Origin};
pub use principal::{Principal, PrincipalKind, Role};
pub use ref_id::{RefId, RefIdError};
pub use secret::Secret;
