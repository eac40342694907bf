//! Who named the arguments of a tool call: specifications, an index of one conversation, provenance, verdicts.
//!
//! A gateway sees every message, every result and every proposed call, but not what goes on inside the model. So it
//! cannot know why a model asks for a call; it can know who *named* the values in it. [`Conversation`] indexes the
//! text as it comes, [`ToolSpecs`] say which arguments matter, and [`Knobs::judge`] turns both into a [`Verdict`].
//! No text is executed, no model is asked, and nothing is read from outside.

mod anchors;
mod atoms;
mod conversation;
mod dates;
mod facts;
mod forms;
mod leaves;
mod naming;
mod pasted;
mod paths;
mod pointing;
mod policy;
mod secrets;
mod segments;
mod specs;
mod spoken;
mod tables;
#[cfg(test)]
mod tests;
mod words;
mod yaml;

pub(crate) use atoms::urls as links;
pub(crate) use forms::is_unseen;

pub use conversation::{Conversation, Limits, Reading};
pub use facts::{ArgumentFacts, ToolFacts};
pub use leaves::{Leaf, Leaves};
pub use naming::{Evidence, Label, Provenance};
pub use pasted::pasted_spans;
pub use paths::{PathPattern, PathPatternError};
pub use policy::{Knobs, PolicyName, Reason, VerbatimGet, Verdict};
pub use segments::Source;
pub use specs::{Effect, Role, Secret, SpecProblem, ToolSpec, ToolSpecs};
