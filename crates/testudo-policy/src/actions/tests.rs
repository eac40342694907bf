//! What must be reported of statements, addresses, paths and commands.

mod paths;
mod quantities;
mod urls;
