//! MCP servers behind the gateway: one door for all of them, and one for each.
//!
//! The gateway is a server to its callers and a client to the servers: ids, sessions, credentials and revisions of one
//! side mean nothing on the other. What is said is carried over as it was written, without what guards take out.

mod catalog;
mod delivery;
mod fault;
mod forward;
mod heard;
mod judged;
mod link;
pub mod pins;
pub mod released;
mod serve;
mod server;
mod session;
mod shadow;
mod state;
#[cfg(test)]
mod tests;
mod visit;

pub(crate) use server::{Server, Servers};
pub(crate) use state::State;
pub(crate) use visit::handle;
