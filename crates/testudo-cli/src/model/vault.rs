//! The commands of `testudo model` that keep models.

mod asking;
mod content;
mod exporting;
mod holding;
mod importing;
mod looking;
mod moving;
mod opened;
mod shown;
mod stating;

pub(super) use content::{gathered, ingredients};
pub(super) use exporting::export;
pub(super) use holding::open;
pub(super) use importing::import;
pub(super) use looking::{diff, list, show};
pub(super) use moving::{gc, pull, push};
pub(super) use stating::state;
