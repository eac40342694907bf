//! The data plane: listens, authenticates, admits, inspects, decides, forwards, records.

#![forbid(unsafe_code)]

pub mod admin;
mod agent;
pub mod approvals;
pub mod auth;
mod delivery;
mod exchange;
mod gateway;
pub mod guard;
mod heavy;
pub mod host;
pub mod keys;
mod ledger;
mod legible;
pub mod limits;
pub mod listener;
pub mod mcp;
pub mod metrics;
mod mlflow;
pub mod practice;
mod record;
mod refusal;
mod runtime;
pub mod server;
mod serving;
pub mod settings;
mod sqlite;
pub mod system_clock;
pub mod upstream;

pub use agent::UNTRUSTED_HEADER;
pub use gateway::{Gateway, Parts};
pub use record::Outcome;
pub use refusal::{APPROVAL_HEADER, EXCHANGE_HEADER, SUBJECT_HEADER};
pub use runtime::{BuildProblem, Runtime, route_facts};
