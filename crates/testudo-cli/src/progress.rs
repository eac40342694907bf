//! How far long work has come, for whoever watches a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use testudo_gateway::system_clock::SystemClock;
use testudo_types::{Clock as _, Millis};

/// Time between two lines, and before the first.
const EACH_MS: u64 = 500;

/// Rewrites one line on standard error, unless that is not a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    clock: SystemClock,
    shown: Millis,
    is_terminal: bool,
    wrote: bool,
}

impl Progress {
    pub(crate) fn new(what: &'static str) -> Self {
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
    pub(crate) fn at(&mut self, done: u64, of: u64) {
        let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
        self.say(|| format!("{done} of {of} ({percent} %)"));
    }

    /// What has been done so far, where nobody knows how much there is.
    pub(crate) fn say(&mut self, so_far: impl FnOnce() -> String) {
        if !self.is_terminal {
            return;
        }
        let now = self.clock.monotonic();
        if now.since(self.shown) < EACH_MS {
            return;
        }
        self.shown = now;
        self.wrote = true;
        // Nobody reads it when this fails.
        let _written = write!(io::stderr(), "\r\u{1b}[K{}: {} ", self.what, so_far());
    }

    /// Makes room for output on the same terminal.
    pub(crate) fn clear(&mut self) {
        if self.wrote {
            self.wrote = false;
            let _written = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
