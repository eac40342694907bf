//! The only place in xtask that prints.

use std::io::Write as _;

/// A line for the person who runs the task.
pub(crate) fn line(text: &str) {
    // A closed pipe is the reader's choice, not our failure.
    let _written = writeln!(std::io::stdout(), "{text}");
}

/// Text that ends as it ends.
pub(crate) fn text(text: &str) {
    let _written = write!(std::io::stdout(), "{text}");
}

/// A step that begins.
pub(crate) fn step(text: &str) {
    let _written = writeln!(std::io::stderr(), "── {text}");
}

/// What went wrong.
pub(crate) fn problem(text: &str) {
    let _written = writeln!(std::io::stderr(), "{text}");
}
