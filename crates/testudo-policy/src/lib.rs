//! Decides from facts and findings, with Cedar: who may use a route, and what a finding leads to.
//!
//! Four questions are asked about exchanges. [`PolicyEngine::admit`]: may this caller send this
//! request through this route? [`PolicyEngine::call`]: may it see or call this tool? [`PolicyEngine::judge`]: something was found in
//! the text, what is to be done? [`PolicyEngine::act`]: a model asks for a call of a tool, may it go? All are pure functions of their facts. Where
//! a policy cannot be evaluated, or none permits, the answer is no. [`artifacts`] asks who may do what to kept models.

#![forbid(unsafe_code)]

mod act;
pub mod actions;
pub mod artifacts;
mod call;
mod counters;
pub mod drafting;
mod engine;
mod facts;
mod index;
mod judging;
pub mod labels;
mod loading;
mod permit;
mod problem;
pub mod provenance;
mod remembered;
mod requests;
mod scope;
mod shape;
mod vocabulary;

pub use act::{ActFacts, FrozenPlan, Plan, ProposedCall, SessionFacts};
pub use call::{CallFacts, CallHints, MCP_PREFIX};
pub use counters::{CounterLimits, Outcome, SessionCounters};
pub use engine::PolicyEngine;
pub use facts::{AdmitFacts, FindingFacts, Guard, RouteFacts};
pub use index::{EffectivePolicy, Question};
pub use judging::Judging;
pub use loading::PolicySource;
pub use permit::{Admission, Permit};
pub use problem::{PolicyFault, PolicyProblem};
pub use scope::{ModelPattern, ModelPatternError, ModelScope, RouteScope};
