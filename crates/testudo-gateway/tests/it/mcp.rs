//! MCP servers behind a whole gateway: mock servers of both eras, and callers of both.

mod both;
mod callers;
mod content;
mod pins;
mod programs;
mod rig;
mod server;
mod streams;
