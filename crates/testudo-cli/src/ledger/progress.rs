//! How far long work has come, for whoever watches a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use testudo_gateway::system_clock::SystemClock;
use testudo_types::{Clock as _, Millis};

/// Time between two lines, and before the first.
const EACH_MS: u64 = 500;

/// Rewrites one line on standard error, unless that is not a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    clock: SystemClock,
    shown: Millis,
    is_terminal: bool,
    wrote: bool,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        let clock = SystemClock::new();
        let shown = clock.monotonic();
        Self {
            what,
            clock,
            shown,
            is_terminal: io::stderr().is_terminal(),
            wrote: false,
        }
    }

    /// So many of so many are done.
    pub(super) fn at(&mut self, done: u64, of: u64) {
        let now = self.clock.monotonic();
        if !self.is_terminal || now.since(self.shown) < EACH_MS {
            return;
        }
        self.shown = now;
        self.wrote = true;
        let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
        // Nobody reads it when this fails.
        let _written = write!(io::stderr(), "\r{}: {done} of {of} ({percent} %) ", self.what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.wrote {
            let _written = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
