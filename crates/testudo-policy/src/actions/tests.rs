//! What must be reported of statements, addresses, paths and commands.

mod commands;
mod paths;
mod quantities;
mod statements;
mod urls;
